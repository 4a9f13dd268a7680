#!/usr/bin/env bash
# A machine elsewhere, for the tests: `far-engine.sh start DIR NUMBER`, `pause DIR`, `resume DIR`, `freeze DIR`, `thaw DIR`, `stop DIR`, as root. It
# is a network namespace that is reached over a pair of virtual cards (10.99.NUMBER.2; ours is .1), with a Docker Engine of its own that listens on a
# socket and with TLS on 2376, and an SSH server on 22. DIR/tls holds certificates, DIR/ssh keys. `pause` ends the engine alone, `freeze` lets it hang,
# `stop` ends all of it; each process is ended by its pid. It runs best where `make test` runs it: in namespaces that end with the tests.
set -euo pipefail

verb="${1:-}"
dir="${2:-}"
case "$verb" in start | pause | resume | freeze | thaw | stop) ;; *) verb="" ;; esac
if [ -z "$verb" ] || [ -z "$dir" ]; then
  echo "usage: $0 start DIR NUMBER | pause DIR | resume DIR | freeze DIR | thaw DIR | stop DIR" >&2
  exit 2
fi
mkdir -p "$dir"
dir="$(cd "$dir" && pwd)"
here="$(cd "$(dirname "$0")" && pwd)"
export PATH="$PATH:/usr/sbin:/sbin"

inside() {
  nsenter --net="/proc/$(cat "$dir/machine.pid")/ns/net" "$@"
}

engine() {
  local address="10.99.$(cat "$dir/number").2"
  ENGINE_FLAGS="--host tcp://$address:2376 --tlsverify --tlscacert $dir/tls/ca.pem --tlscert $dir/tls/server.pem --tlskey $dir/tls/server-key.pem \
    --insecure-registry 10.99.0.0/16 --bip 172.31.0.1/24"
  export ENGINE_FLAGS
  # Engines before 24 keep what they are called there, and no two may be called the same.
  mkdir -p "$dir/etc" /etc/docker
  inside unshare --mount sh -c 'mount --bind "$1" /etc/docker && exec "$2" "$3" "$4"' sh "$dir/etc" "$here/engine.sh" "$1" "$dir/engine"
}

certificates() {
  local address="$1"
  mkdir -p "$dir/tls"
  (
    cd "$dir/tls"
    for name in ca other; do
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$name" -keyout "$name-key.pem" -out "$name.pem"
    done
    sign() { # name, extension, authority, days
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" -keyout "$1-key.pem" -out "$1.csr"
      openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3-key.pem" -CAcreateserial -days "$4" -extfile <(echo "$2") -out "$1.pem"
    }
    sign server "subjectAltName=IP:$address" ca 1
    sign client "extendedKeyUsage=clientAuth" ca 2
    sign stranger "extendedKeyUsage=clientAuth" other 2
  ) >"$dir/openssl.log" 2>&1
}

ssh_server() {
  local address="$1"
  mkdir -p "$dir/ssh" /run/sshd
  for name in host host2 client; do ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$dir/ssh/$name"; done
  ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$dir/ssh/rsa"
  ssh-keygen -q -t ed25519 -N 'a passphrase' -C locked -f "$dir/ssh/locked"
  cat "$dir/ssh/client.pub" "$dir/ssh/rsa.pub" >"$dir/ssh/authorized_keys"
  cat >"$dir/ssh/sshd_config" <<END
ListenAddress $address
HostKey $dir/ssh/host
PidFile $dir/sshd.pid
AuthorizedKeysFile $dir/ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
END
  inside /usr/sbin/sshd -f "$dir/ssh/sshd_config" -E "$dir/sshd.log"
}

start() {
  local number="$1" address="10.99.$1.2"
  echo "$number" >"$dir/number"
  setsid nohup unshare --net sleep infinity >/dev/null 2>&1 </dev/null &
  echo $! >"$dir/machine.pid"
  for _ in $(seq 100); do
    [ "$(readlink "/proc/$!/ns/net")" != "$(readlink /proc/self/ns/net)" ] && break
    sleep 0.05
  done
  ip link add "far$number" type veth peer name eth0 netns "$!"
  ip address add "10.99.$number.1/24" dev "far$number"
  ip link set "far$number" up
  inside ip link set lo up
  inside ip address add "$address/24" dev eth0
  inside ip link set eth0 up
  inside ip route add default via "10.99.$number.1"
  certificates "$address"
  ssh_server "$address"
  engine start
}

finish() {
  engine stop || true
  for name in sshd machine; do
    if [ -e "$dir/$name.pid" ]; then kill "$(cat "$dir/$name.pid")" 2>/dev/null || true; fi
  done
}

case "$verb" in
  start) start "${3:?a number from 1 to 254}" ;;
  pause) engine stop ;;
  resume) engine start ;;
  freeze | thaw) engine "$verb" ;;
  stop) finish ;;
esac
