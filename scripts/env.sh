# Sourced by the other scripts: where things are, and how to speak to the person who runs them.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
# Tools that setup builds live in the working copy: the wasm-bindgen version must match this project's Cargo.lock.
export PATH="$root/.tools/bin:$PATH"
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
# TypeScript 7 compiles and checks the shim. `typescript` itself stays at 6, which svelte-check needs.
tsc="$root/node_modules/@typescript/native/bin/tsc"

# Panic messages name source files: by their place in the project, not by the builder's directories.
wasm_paths="--remap-path-prefix=$root/= --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/="
# How modules are optimised. The features are what the browsers that this package supports can run, and rustc uses. Naming
# them matters: with --all-features wasm-opt writes modules that Chromium refuses.
wasm_opt=(--converge --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals
	--enable-reference-types --enable-multivalue --strip-debug --strip-producers)

say() { printf '%s\n' "$@"; }
step() { printf '\n== %s\n' "$*"; }
fail() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# The version of a crate in Cargo.lock.
locked_version() {
	awk -v name="$1" '$1 == "name" && $3 == "\"" name "\"" { getline; gsub(/"/, "", $3); print $3; exit }' "$root/Cargo.lock"
}

chromium_path() { printf '%s' "${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}"; }
chromedriver_path() { printf '%s' "${CHROMEDRIVER:-$(command -v chromedriver || true)}"; }

# A TCP port that is free now.
free_port() {
	node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}
