#!/usr/bin/env bash
# Installs Debian packages without questions, as root. Services that come with them are not started: the engine and the database
# that Slipway and its tests use are their own.
set -euo pipefail

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
log="$(mktemp)"
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } </dev/null >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "install: apt-get failed; all it said is in $log" >&2
  exit 1
fi
rm -f "$log"
