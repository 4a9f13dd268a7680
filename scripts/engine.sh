#!/usr/bin/env bash
# A Docker Engine of Slipway's own, all of it in one folder: `engine.sh start DIR [SOCKET]` and `engine.sh stop DIR`, as root. For tests of an
# engine that hangs: `engine.sh freeze DIR` and `engine.sh thaw DIR`; what listens goes on listening, and nothing answers.
# It has its own socket, data and pid file, and is ended by that pid alone, after a look at what runs under it. It never touches
# another engine's containers; it shares the bridge docker0 and iptables of the network namespace that it is started in, so
# start it only where no other engine runs. ENGINE_FLAGS: further options of dockerd.
set -euo pipefail

verb="${1:-}"
dir="${2:-}"
case "$verb" in start | stop | freeze | thaw) ;; *) dir="" ;; esac
if [ -z "$dir" ]; then
  echo "usage: $0 start DIR [SOCKET] | stop DIR | freeze DIR | thaw DIR" >&2
  exit 2
fi
mkdir -p "$dir"
dir="$(cd "$dir" && pwd)"
socket="${3:-$dir/docker.sock}"
export PATH="$PATH:/usr/sbin:/sbin"

# The engine's pid, if what runs under it is the engine of this folder.
pid() {
  local pid
  pid="$(cat "$dir/dockerd.pid" 2>/dev/null)" || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "--data-root $dir/data " || return 1
  echo "$pid"
}

answers() {
  curl -fs --max-time 2 --unix-socket "$socket" http://engine/_ping >/dev/null 2>&1
}

start() {
  if pid >/dev/null && answers; then return; fi
  rm -f "$dir/dockerd.pid"
  # A session of its own: Ctrl-C at the portal is not meant for the engine.
  # shellcheck disable=SC2086 # options, separated by blanks
  setsid nohup dockerd ${ENGINE_FLAGS:-} --data-root "$dir/data" --exec-root "$dir/run" --pidfile "$dir/dockerd.pid" \
    --host "unix://$socket" >>"$dir/dockerd.log" 2>&1 </dev/null &
  local started=$!
  for _ in $(seq 600); do
    if answers; then return; fi
    kill -0 "$started" 2>/dev/null || break
    sleep 0.1
  done
  echo "engine: dockerd did not come up; the end of $dir/dockerd.log:" >&2
  tail -n 5 "$dir/dockerd.log" >&2
  exit 1
}

# Sends a signal to the engine of this folder and to the containerd that it started itself, by their pids.
signal() {
  local pid child
  pid="$(pid)" || return 1
  kill "-$1" "$pid"
  for child in $(ps -o pid= --ppid "$pid"); do
    if [ "$(cat "/proc/$child/comm" 2>/dev/null)" = containerd ]; then kill "-$1" "$child"; fi
  done
}

freeze() {
  signal STOP
}

thaw() {
  signal CONT
}

stop() {
  local pid
  if ! pid="$(pid)"; then
    echo "engine: none runs in $dir" >&2
    return
  fi
  # What is frozen does not end.
  thaw || true
  kill "$pid"
  for _ in $(seq 600); do
    [ -e "/proc/$pid" ] || return 0
    sleep 0.1
  done
  echo "engine: $pid does not end; see $dir/dockerd.log" >&2
  exit 1
}

"$verb"
