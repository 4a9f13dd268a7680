#!/usr/bin/env bash
# What takes longer than CI should: for SOAK_MINUTES (10) a portal is used while it, the engine and the containers are killed, and after each
# round everything must be as it should. SOAK_SEED repeats a schedule of as many minutes; a run's first line tells its seed, its last one sums up.
# `soak.sh registry` pushes, deletes, collects and kills without any engine (end2end/soak-registry.mjs); on PostgreSQL with SOAK_DATABASE=postgres.
# `soak.sh rollouts` kills the portal in the middle of SOAK_KILLS (20) rolling updates, ends the engine in some more, and fills its disk
# (end2end/soak-rollouts.mjs).
# It runs in namespaces of its own, with an engine of its own, which the kernel ends with them: root is needed.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --running ]; then
  ip link set lo up
  if [ "$2" = registry ]; then
    if [ "${SOAK_DATABASE:-sqlite}" = postgres ]; then
      SLIPWAY_TEST_POSTGRES="$(scripts/postgres.sh start "$SCRATCH/postgres")"
      export SLIPWAY_TEST_POSTGRES
    fi
    exec node end2end/soak-registry.mjs
  fi
  if [ "$2" = rollouts ]; then
    # A disk that can be filled without harm to anybody.
    mkdir -p "$SCRATCH/engine/data"
    mount -t tmpfs -o size=640m tmpfs "$SCRATCH/engine/data"
    export SOAK_SMALL_DISK=1
  fi
  scripts/engine.sh start "$SCRATCH/engine"
  export SLIPWAY_TEST_DOCKER_HOST="unix://$SCRATCH/engine/docker.sock"
  trap 'scripts/engine.sh stop "$SCRATCH/engine"' EXIT
  if [ "$2" = rollouts ]; then node end2end/soak-rollouts.mjs; else node end2end/soak.mjs; fi
  exit
fi

scripts/setup.sh test
scripts/build.sh dev
SCRATCH="$(mktemp -d /tmp/slipway-soak.XXXXXX)"
export SCRATCH TMPDIR="$SCRATCH/tmp"
mkdir "$TMPDIR"
# The database's owner has to pass through.
chmod 711 "$SCRATCH"
trap 'rm -rf "$SCRATCH"' EXIT
# What is built while it runs is none of this run's.
built="$(realpath -m "${CARGO_TARGET_DIR:-target}")/debug"
mkdir "$SCRATCH/built"
cp -R "$built/slipway" "$built/site" "$SCRATCH/built"
export SLIPWAY_BIN="$SCRATCH/built/slipway"
unshare --net --mount --pid --fork --kill-child --mount-proc scripts/soak.sh --running "${1:-all}"
