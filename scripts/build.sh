#!/usr/bin/env bash
# Builds the server and the site that belongs to it: `build.sh dev` into target/debug, `build.sh release` into target/release.
# The two are never mixed: pages of one profile are not hydrated by a module of the other.
# It compiles what changed and nothing else, and starts nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
  dev) profile=debug flags=() wasm=() ;;
  release) profile=release flags=(--release) wasm=(--profile wasm-release) ;;
  *) echo "usage: $0 dev|release" >&2; exit 2 ;;
esac
target="${CARGO_TARGET_DIR:-target}"

cargo build --locked "${flags[@]}" -p slipway
cargo build --locked "${flags[@]}" -p bundle
cargo build --locked "${wasm[@]}" -p frontend --target wasm32-unknown-unknown
"$target/$profile/bundle" "$profile" "$target"
