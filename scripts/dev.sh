#!/usr/bin/env bash
# The portal of the dev profile, built and started again when a source file changes. While something does not compile the last
# portal that did keeps running. It looks at the files' times twice a second, and ends its portal when it ends.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh build
seen="$(mktemp)"
portal=
stop() {
  if [ -n "$portal" ]; then
    kill "$portal" 2>/dev/null || true
    wait "$portal" || true
    portal=
  fi
}
trap 'stop; rm -f "$seen"' EXIT
trap 'exit 130' INT TERM

while true; do
  touch "$seen"
  if scripts/build.sh dev; then
    stop
    "${CARGO_TARGET_DIR:-target}/debug/slipway" serve &
    portal=$!
  fi
  until [ -n "$(find app frontend server migrations style public Cargo.toml -newer "$seen" -type f -print -quit)" ]; do sleep 0.5; done
done
