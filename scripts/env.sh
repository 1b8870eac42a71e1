# shellcheck shell=sh
# What every script shares; sourced, never run. Sets:
#   root              the checkout
#   peregrine_cache   this user's folder for what is built and fetched; deleting it loses nothing but time
#   CARGO_TARGET_DIR  where cargo builds, unless the caller chose a folder (docs/adr/0002-target-folder-in-the-users-cache.md)
#   PATH              with cargo and the fetched tools on it
set -eu

: "${HOME:?HOME is not set: scripts need a home folder for what they build and fetch}"
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
peregrine_cache="${XDG_CACHE_HOME:-$HOME/.cache}/peregrine"
: "${CARGO_TARGET_DIR:=$peregrine_cache/target}"

# The checkers of `make lint`. Each version goes into a folder of its own, so changing a number here is all it takes.
typos_version=1.52.0
shellcheck_version=0.11.0.1
cargo_deny_version=0.20.2
cargo_machete_version=0.9.2
cargo_fuzz_version=0.13.2
check_jsonschema_version=0.39.0
kubernetes_validate_version=1.37.0
openapi_spec_validator_version=0.9.0
tools="$peregrine_cache/tools"
# What checks the files under deploy/ against the schemas of Compose and Kubernetes.
manifest_checkers="$tools/manifests-check-jsonschema-$check_jsonschema_version-kubernetes-validate-$kubernetes_validate_version"
# What checks the description of the API against OpenAPI's own schema.
openapi_checker="$tools/openapi-spec-validator-$openapi_spec_validator_version"
# What builds the dashboard: the oldest Node that will do, and the one that is fetched where there is none such.
# shellcheck disable=SC2034  # read by scripts/setup
node_wanted=20.19.0
node_version=22.20.0
# The Python clients of the end-to-end tests.
httpx_version=0.28.1
websockets_version=15.0.1
: "${PEREGRINE_PYTHON_CLIENTS:=$tools/clients-httpx-$httpx_version-websockets-$websockets_version}"

PATH="$tools/typos-$typos_version/bin:$tools/shellcheck-$shellcheck_version/bin:$PATH"
PATH="$tools/cargo-fuzz-$cargo_fuzz_version/bin:$PATH"
PATH="$tools/cargo-deny-$cargo_deny_version/bin:$tools/cargo-machete-$cargo_machete_version/bin:$PATH"
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
[ ! -x "$tools/node-$node_version/bin/node" ] || PATH="$tools/node-$node_version/bin:$PATH"
export CARGO_TARGET_DIR PATH PEREGRINE_PYTHON_CLIENTS
cd "$root"

have() { command -v "$1" >/dev/null 2>&1; }

# One line of progress.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    printf '%s: error: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# quietly COMMAND...: its output is shown only when it fails.
quietly() {
    mkdir -p "$peregrine_cache"
    quiet_log=$(mktemp "$peregrine_cache/log.XXXXXX")
    if "$@" >"$quiet_log" 2>&1 </dev/null; then
        rm -f "$quiet_log"
        return 0
    fi
    tail -n 40 "$quiet_log" >&2
    rm -f "$quiet_log"
    return 1
}

# The compiler as the name of its profile has it: a distribution's may be of the same release, but on another LLVM, which stops
# at a profile that is newer than itself.
compiler() { rustc -vV | awk '/^release:/ { release = $2 } /^LLVM version:/ { llvm = $3 } END { print release "-llvm-" llvm }'; }

# LLVM's own reader of profiles, of the version that the compiler is built on.
llvm_profdata() { echo "$(rustc --print target-libdir)/../bin/llvm-profdata"; }

# with_flag FLAGS FLAG: both. Not again what is there, because scripts call scripts; and none with a space, at which cargo takes
# them apart.
with_flag() {
    case " $1 " in *" $2 "*) set -- "$1" '' ;; esac
    case "$2" in '' | *[[:space:]]*) echo "$1" ;; *) echo "$1${1:+ }$2" ;; esac
}

# flag FLAG: has cargo hand it to the compiler in what it builds from here on. Flags in RUSTFLAGS go before it, those of
# `build.rustflags` in cargo's configuration behind it.
flag() {
    flags=$(with_flag "${CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS:-}" "$1")
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="$flags"
}

# build_alike: has cargo leave the folders of this machine out of what it builds from here on, so that the program comes out
# the same in all of them. Those inside others come later: the last that fits is taken.
build_alike() {
    for mapped in "${CARGO_HOME:-$HOME/.cargo}=/cargo" "$root=/peregrine" "$CARGO_TARGET_DIR=/target"; do
        flag "--remap-path-prefix=$mapped"
        CFLAGS=$(with_flag "${CFLAGS:-}" "-ffile-prefix-map=$mapped")
    done
    export CFLAGS
}

# build_by_profile: has cargo optimise what it builds from here on by how the program was seen to run
# (docs/adr/0017-optimised-by-a-profile.md), where the profile is of this compiler: to others its names mean nothing.
# PEREGRINE_PROFILE=off builds without.
build_by_profile() {
    have rustc || return 0
    profile="$root/crates/peregrine/rustc-$(compiler).profdata.gz"
    [ -f "$profile" ] && [ "${PEREGRINE_PROFILE:-on}" != off ] || return 0
    # Cargo builds anew when flags change, so its name tells one profile from the next.
    unpacked="$peregrine_cache/profiles/$(cksum <"$profile" | tr ' ' -).profdata"
    if [ ! -f "$unpacked" ]; then
        mkdir -p "${unpacked%/*}"
        gzip -dc "$profile" >"$unpacked.$$"
        mv "$unpacked.$$" "$unpacked"
    fi
    flag "-Cprofile-use=$unpacked"
    # What changed since the profile was made is compiled without it, which is nothing to warn of hundreds of times.
    flag -Cllvm-args=-no-pgo-warn-mismatch
}
