#!/bin/sh
# setup.sh build|fuzz|trace|official|exporter: installs what that step needs and is missing; says exactly what is missing where it may not
# install.
#   build     Debian packages for compiling and testing
#   isa       compilers and emulators for other instruction sets (make test-isa)
#   trace     .venv with the transformers library (no PyTorch)
#   official  .venv-official with PyTorch and the official runtime (make interop)
#   exporter  .venv-exporter with the official exporter (make bench-export)
set -eu
cd "$(dirname "$0")/.."
packages="gcc cmake ninja-build pkg-config python3 python3-venv python3-dev libjansson-dev libpcre2-dev libutf8proc-dev libcmocka-dev \
libseccomp-dev libpng-dev"
fuzz_packages="clang libclang-rt-14-dev"
isa_packages="make libsimde-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

say() { printf 'setup: %s\n' "$*" >&2; }

missing_packages() {
    for p in "$@"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || printf ' %s' "$p"
    done
}

install_packages() {
    command -v dpkg-query >/dev/null || { say "not a Debian system; these packages (by their Debian names) are needed: $*"; return 0; }
    missing=$(missing_packages "$@")
    [ -z "$missing" ] && return 0
    if [ "$(id -u)" != 0 ]; then
        say "missing Debian packages:$missing"
        say "install them with: sudo apt-get install$missing"
        exit 1
    fi
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { apt-get install -y --no-install-recommends $missing ||
        { apt-get update && apt-get install -y --no-install-recommends $missing; }; } >setup.log 2>&1 ||
        { cat setup.log >&2; say "could not install:$missing"; exit 1; }
    rm -f setup.log
}

# venv DIR REQUIREMENTS: made once, and again when the requirements change.
venv() {
    stamp="$1/.stamp-$(cksum <"$2" | tr -d ' ')"
    [ -e "$stamp" ] && return 0
    say "making $1 (from $2)"
    python3 -m venv "$1"
    if ! "$1/bin/python3" -m pip install -q --disable-pip-version-check -r "$2" -c "$2" >"$1/pip.log" 2>&1; then
        tail -n 5 "$1/pip.log" >&2
        say "could not install into $1; these are needed: $(grep -v '^#' "$2" | tr '\n' ' ')"
        exit 1
    fi
    touch "$stamp"
}

case "${1:-}" in
build) install_packages $packages ;;
fuzz) install_packages $packages $fuzz_packages ;;
isa) install_packages $packages $isa_packages ;;
trace)
    if [ -n "${ETCH_PYTHON:-}" ] && "$ETCH_PYTHON" -c 'import transformers' 2>/dev/null; then exit 0; fi
    venv .venv tools/requirements-trace.txt ;;
official) venv .venv-official tools/requirements-official.txt ;;
exporter) venv .venv-exporter tools/requirements-exporter.txt ;;
*) say "usage: setup.sh build|fuzz|isa|trace|official|exporter"; exit 2 ;;
esac
