#!/usr/bin/env bash
# A PostgreSQL for one run of the tests: `postgres.sh start DIR` prints the URL of its socket in DIR, `postgres.sh stop DIR` ends
# it. It trades safety for speed (no fsync), listens on no network, and never touches another cluster.
set -euo pipefail

verb="${1:-}"
dir="${2:-}"
bin="$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1 || true)"
[ -n "$bin" ] || bin="$(dirname "$(command -v initdb)")"

# PostgreSQL refuses to run as root.
as_owner() {
  if [ "$(id -u)" = 0 ]; then (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); else "$@"; fi
}

case "$verb" in
  start)
    mkdir -p "$dir"
    dir="$(cd "$dir" && pwd)"
    if [ "$(id -u)" = 0 ]; then chown postgres "$dir"; fi
    as_owner "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 ||
      { cat "$dir/initdb.log" >&2; exit 1; }
    as_owner "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -s start -o "-k '$dir' -c listen_addresses= -c fsync=off \
      -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=256MB -c max_connections=400" || { cat "$dir/log" >&2; exit 1; }
    echo "postgres://postgres@localhost/postgres?host=$dir"
    ;;
  stop)
    dir="$(cd "$dir" && pwd)"
    as_owner "$bin/pg_ctl" -D "$dir/data" -s -m immediate stop
    ;;
  *) echo "usage: $0 start|stop DIR" >&2; exit 2 ;;
esac
