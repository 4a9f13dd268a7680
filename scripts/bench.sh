#!/usr/bin/env bash
# Figures against peers on this machine, each pair in one run: the registry against Debian's docker-registry, a deploy against `docker run`,
# memory under load, and the size of the first page. Runs in namespaces of its own, with an engine of its own, like the tests.
# `bench.sh registry` looks at the registry alone and closer (end2end/bench-registry.mjs), `bench.sh metrics` at samples and charts alone, as
# BENCH_ONLY=metrics does.
# It judges nothing: it prints. Timings belong here and never into a test.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --running ]; then
  ip link set lo up
  if [ "$2" = registry ]; then exec node end2end/bench-registry.mjs; fi
  # Chromium takes an address that comes or goes for another network, and ends what it is fetching: the cards of containers get none here.
  echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
  scripts/engine.sh start "$SCRATCH/engine"
  trap 'scripts/engine.sh stop "$SCRATCH/engine"' EXIT
  export SLIPWAY_TEST_DOCKER_HOST="unix://$SCRATCH/engine/docker.sock"
  node end2end/bench.mjs
  exit
fi

if [ "${1:-}" = metrics ]; then
  export BENCH_ONLY=metrics
  set -- all
fi
scripts/setup.sh test
if [ "${1:-}" != registry ]; then command -v wrk >/dev/null || scripts/install.sh wrk; fi
scripts/build.sh release
# A GiB of kept lines: how small it is, and how fast a word is found in it.
case "${1:-all} ${BENCH_ONLY:-logs}" in
  "all logs") cargo test --locked --release -p logs --lib gibibyte -- --ignored --nocapture ;;
esac
SCRATCH="$(mktemp -d /tmp/slipway-bench.XXXXXX)"
export SCRATCH TMPDIR="$SCRATCH"
trap 'rm -rf "$SCRATCH"' EXIT
# Samples of 500 containers: what a day of them costs with 90 days of roll-ups before it, and how soon a page has the data of its charts.
case "${1:-all} ${BENCH_ONLY:-metrics}" in
  "all metrics")
    export SLIPWAY_BENCH_SAMPLES="$SCRATCH/samples"
    cargo test --locked --release -p metrics --lib five_hundred -- --ignored --nocapture
    cargo test --locked --release -p domain --lib five_hundred -- --ignored --nocapture
    rm -rf "$SLIPWAY_BENCH_SAMPLES"
    ;;
esac
SLIPWAY_BIN="$(realpath -m "${CARGO_TARGET_DIR:-target}")/release/slipway"
export SLIPWAY_BIN
unshare --net --mount --pid --fork --kill-child --mount-proc scripts/bench.sh --running "${1:-all}"
