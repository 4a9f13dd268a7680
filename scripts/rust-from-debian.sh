#!/usr/bin/env bash
# A compiler with the wasm target where rustup cannot bring one: Debian's rustc-web, whose standard library for wasm is built here
# once (about a minute) from Debian's own sources. As root on Debian only. Where rustup is in front of the PATH, it is told to use
# this compiler in this folder and nowhere else. It is slower than rustup's, so nothing calls this where rustup can do the job.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh rustc-web cargo-web rust-web-src rust-web-llvm lld-22
libraries="$(/usr/bin/rustc --print target-libdir --target wasm32-unknown-unknown)"
if ! compgen -G "$libraries/libstd-*.rlib" >/dev/null; then
  echo "setup: building the standard library for wasm from Debian's sources"
  scratch="$(mktemp -d)"
  trap 'rm -rf "$scratch"' EXIT
  mkdir "$scratch/src"
  printf '[package]\nname = "std-for-wasm"\nversion = "0.0.0"\nedition = "2024"\n[profile.release]\ndebug = false\n' >"$scratch/Cargo.toml"
  touch "$scratch/src/lib.rs"
  (cd "$scratch" && RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR="$scratch/target" \
    /usr/bin/cargo build --quiet --release --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort,proc_macro,test)
  mkdir -p "$libraries"
  cp "$scratch"/target/wasm32-unknown-unknown/release/deps/*.rlib "$libraries"
  rm -f "$libraries"/libstd_for_wasm-*.rlib
fi
if command -v rustup >/dev/null; then
  rustup toolchain link debian-web /usr
  rustup override set debian-web
fi
