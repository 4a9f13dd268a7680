#!/usr/bin/env bash
# From a fresh clone to a running portal: gets what is missing, builds a release, looks for a container engine, starts the portal.
# The portal is configured by SLIPWAY_* variables (`slipway serve --help`); by default all it keeps is in ./data.
#
# Where no engine answers, on Debian as root, it installs docker.io and starts an engine of its own in DATA-engine: after a
# question on a terminal, saying so without one, never with ENGINE=none. That engine outlives the portal: `make engine-stop`.
set -euo pipefail
cd "$(dirname "$0")/.."

own="${SLIPWAY_DATA_DIR:-data}-engine"

answers() {
  curl -fs --max-time 2 --unix-socket "$1" http://engine/_ping >/dev/null 2>&1
}

without_engine() {
  echo "No container engine answers at /var/run/docker.sock, so nothing can be deployed yet: $1"
}

find_engine() {
  # Whoever names an engine gets that one.
  if [ -n "${SLIPWAY_DOCKER_HOST:-}${DOCKER_HOST:-}" ] || answers /var/run/docker.sock; then return; fi
  if answers "$own/docker.sock"; then
    SLIPWAY_DOCKER_HOST="unix://$(realpath "$own")/docker.sock"
    export SLIPWAY_DOCKER_HOST
    return
  fi
  if [ "${ENGINE:-}" = none ]; then
    without_engine "ENGINE=none. Name one with SLIPWAY_DOCKER_HOST."
    return
  fi
  if [ "$(id -u)" != 0 ] || ! grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
    without_engine "install Docker Engine, or name one that this user may use with SLIPWAY_DOCKER_HOST."
    return
  fi
  local answer=y
  if [ -t 0 ]; then
    read -r -p "No container engine answers. Install Debian's docker.io and start one of our own in $own? [Y/n] " answer
  else
    echo "No container engine answers: installing Debian's docker.io and starting one in $own (ENGINE=none prevents it)."
  fi
  case "$answer" in
    [nN]*) without_engine "run again to be asked again, or name one with SLIPWAY_DOCKER_HOST."; return ;;
  esac
  if ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; then scripts/install.sh docker.io iptables; fi
  if scripts/engine.sh start "$own"; then
    SLIPWAY_DOCKER_HOST="unix://$(realpath "$own")/docker.sock"
    export SLIPWAY_DOCKER_HOST
    echo "An engine of our own runs in $own; it outlives the portal, and 'make engine-stop' ends it."
  else
    without_engine "dockerd does not run here; name another with SLIPWAY_DOCKER_HOST."
  fi
}

scripts/setup.sh build
scripts/build.sh release
find_engine
exec "${CARGO_TARGET_DIR:-target}/release/slipway" serve
