#!/usr/bin/env bash
# All tests: formatting, clippy for both sides, unit and integration tests on SQLite and on PostgreSQL, and the flows in Chromium and
# with stock clients (docker, podman, ...) on a real Docker Engine. Its last line is `N passed, N failed`.
#
# What runs code runs in network, mount and process namespaces of its own, with an engine and a database of its own; when the
# script ends, in whatever way, the kernel ends all that is in them. So it never touches an engine, a container or a database of
# the machine. Only where no namespace may be made (not root, a narrow container) it uses the engine at hand, and touches what
# the tests made alone. Only cargo and npm reach the network, before the tests start.
#
# SLIPWAY_TEST_PICTURES=1: pictures of pages as people see them are left in end2end/screenshots.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests configure their own portals: what is set for another one is none of theirs.
for name in $(compgen -e SLIPWAY_ || true); do
  case "$name" in SLIPWAY_TEST_*) ;; *) unset "$name" ;; esac
done
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
crates=(--locked --workspace --exclude frontend --exclude bundle)

# One check: it counts as one test.
check() {
  local name="$1" began=$SECONDS
  shift
  echo "== $name"
  if "$@"; then echo "1 0" >>"$SCRATCH/counts"; else echo "0 1" >>"$SCRATCH/counts"; echo "== $name FAILED"; fi
  echo "== $name: $((SECONDS - began)) s"
}

# A runner of tests: counts what it reports; one failure if it fails without reporting any (nothing compiled, say). With an engine of its own nothing
# is skipped: what is skipped all the same is a failure.
tests() {
  local name="$1" began=$SECONDS status=0
  shift
  echo "== $name"
  "$@" 2>&1 | tee "$SCRATCH/output" || status=$?
  awk -v status="$status" -v own="${own:-}" '
    /^test result: / { passed += $4; failed += $6 }
    /^ℹ pass / { passed += $3 }
    /^ℹ (fail|cancelled) / { failed += $3 }
    /^ℹ skipped / { if (own) failed += $3 }
    END { if (status && !failed) failed = 1; print passed + 0, failed + 0 }' "$SCRATCH/output" >>"$SCRATCH/counts"
  echo "== $name: $((SECONDS - began)) s"
}

on_sqlite() { cargo test "${crates[@]}" --offline --no-fail-fast --quiet; }
# Not again what is about engines, files and connections, and of which the database is no part: what becomes of tasks whose engine fails or is changed
# by hand (their rows are written and read in `deploy` there too), looks into tasks, a shell's bytes, charts, what CI delivers on an engine. Nor the
# doors a second time, where what is asked is who knocks: each statement behind them is asked of PostgreSQL by the first table of answers (`access`), by
# `robots`, `accounts` and `registry::auth`; nor the shipped templates on an engine, whose rows `templates` writes and reads there; nor what the
# domain's own tests ask PostgreSQL of events, notices and figures.
without_postgres=(
  collected:: looking:: docker:: registry::large:: sampled:: logs::following:: shells::pulse:: shells::ends:: shells::a_flood
  shells::a_hundred_cuts inside:: inside_doors:: drift:: hooks::engine:: environments::trial:: environments::services_run
  access::door:: templates::engine:: events::a_storm alerts::through_an_outage charts:: metrics_door::
)
on_postgres() {
  SLIPWAY_TEST_POSTGRES="$postgres" cargo test "${crates[@]}" --offline --no-fail-fast --quiet -- "${without_postgres[@]/#/--skip=}"
}
end_to_end() { SLIPWAY_BIN="$target/debug/slipway" node --test --test-reporter=spec --test-concurrency=1 end2end/*.test.mjs; }

# A folder that nobody else sees, and that is gone with the namespace.
in_memory() {
  mkdir -p "$1"
  mount -t tmpfs slipway-test "$1"
}

# Everything that runs code.
running() {
  trap 'scripts/postgres.sh stop "$SCRATCH/postgres" || true; if [ -n "${own:-}" ]; then stop_engine; fi' EXIT
  trap 'exit 130' INT TERM
  if [ "${1:-}" = own-engine ]; then
    own=1
    ip link set lo up
    # Chromium takes an address that comes or goes for another network, and ends what it is fetching: the cards of containers get none here.
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
    # podman, buildah and skopeo remember here which layers they have seen where: these begin with nothing, and leave nothing.
    in_memory /var/lib/containers
    # Hundreds of databases and data folders come and go, each of hundreds of files: on a disk that takes longer than the tests themselves. Two GiB
    # at most are in use at once. The engine stays on the disk: what is read there is to be cache, as it is elsewhere.
    if [ "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)" -gt $((8 << 20)) ]; then
      in_memory "$SCRATCH/postgres"
      in_memory "$SCRATCH/tmp"
    fi
    scripts/engine.sh start "$SCRATCH/engine"
    export SLIPWAY_TEST_DOCKER_HOST="unix://$SCRATCH/engine/docker.sock"
  fi
  postgres="$(scripts/postgres.sh start "$SCRATCH/postgres")"
  export TMPDIR="$SCRATCH/tmp"
  mkdir -p "$TMPDIR"
  # For half of their time they wait for containers.
  RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((($(nproc) * 3 + 1) / 2))}"
  export RUST_TEST_THREADS
  tests "unit and integration tests, SQLite" on_sqlite
  tests "unit and integration tests, PostgreSQL" on_postgres
  tests "flows in Chromium and with stock clients" end_to_end
}

stop_engine() {
  DOCKER_HOST="$SLIPWAY_TEST_DOCKER_HOST" docker ps -aq | DOCKER_HOST="$SLIPWAY_TEST_DOCKER_HOST" xargs -r docker rm -f >/dev/null || true
  scripts/engine.sh stop "$SCRATCH/engine"
}

if [ "${1:-}" = --running ]; then
  running own-engine
  exit
fi

scripts/setup.sh test
SCRATCH="$(mktemp -d /tmp/slipway-test.XXXXXX)"
export SCRATCH
# The database's owner has to pass through.
chmod 711 "$SCRATCH"
trap 'rm -rf "$SCRATCH"' EXIT
trap 'exit 130' INT TERM

check "formatting" cargo fmt --all --check
check "clippy, server" cargo clippy --locked --workspace --exclude frontend --all-targets --quiet -- -D warnings
check "clippy, browser" cargo clippy --locked -p frontend --target wasm32-unknown-unknown --quiet -- -D warnings

build() {
  cargo test "${crates[@]}" --no-run --quiet &&
    cargo build --locked --quiet -p bundle &&
    cargo build --locked --quiet -p frontend --target wasm32-unknown-unknown &&
    "$target/debug/bundle" debug "$target"
}
check "build" build
if [ "$(tail -n 1 "$SCRATCH/counts")" = "1 0" ]; then
  own_namespaces=(unshare --net --mount --pid --fork --kill-child --mount-proc)
  if [ "$(id -u)" = 0 ] && "${own_namespaces[@]}" true 2>/dev/null; then
    "${own_namespaces[@]}" scripts/test.sh --running || echo "0 1" >>"$SCRATCH/counts"
  else
    export SLIPWAY_TEST_DOCKER_HOST="${SLIPWAY_TEST_DOCKER_HOST:-${DOCKER_HOST:-unix:///var/run/docker.sock}}"
    echo "== No namespaces may be made here: the tests use the engine at $SLIPWAY_TEST_DOCKER_HOST"
    (running) || echo "0 1" >>"$SCRATCH/counts"
  fi
fi

awk '{ passed += $1; failed += $2 } END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' "$SCRATCH/counts"
