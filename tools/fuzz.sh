#!/bin/sh
# fuzz.sh BUILD SECONDS [TARGET]: runs every fuzz target of BUILD, or one, for SECONDS; as many at a time as there are cores. Seeds are the
# test data, and official programs where the reference folder is present. FUZZ_SEED fixes where it goes, so that a failure comes again.
set -eu
build=$1
seconds=$2
root=$(cd "$(dirname "$0")/.." && pwd)
reference=${ETCH_REFERENCE:-$root/../shared/reference}

# seeds FILE...: copies each under a name of its own.
seeds() {
    for f in "$@"; do
        [ -f "$f" ] && cp "$f" "$corpus/$(echo "$f" | cksum | tr -d ' ')"
    done
    return 0
}

if [ -z "${3:-}" ]; then
    targets=$(find "$build" -maxdepth 1 -name 'fuzz-*' -type f -perm -u+x | sort)
    [ -n "$targets" ] || { echo "fuzz: no targets in $build" >&2; exit 1; }
    echo "fuzz: $(echo "$targets" | wc -l) targets for $seconds s each"
    # A target speaks when it fails; xargs stops then.
    echo "$targets" |
        xargs -P "$(nproc)" -I{} sh -c 'sh "$0" "$1" "$2" "$3" >"$3.log" 2>&1 || { cat "$3.log"; exit 255; }' "$0" "$build" "$seconds" {}
    exit 0
fi
target=$3
name=$(basename "$target")
corpus=$(mktemp -d)
options=
case $name in
fuzz-tok-*) seeds "$root"/tok/testdata/*.json ;;
fuzz-graph-*) seeds "$root"/*/testdata/*.graph "$root"/*/testdata/*/*.graph ;;
fuzz-rt-xnn*) python3 "$root/tools/xnn_seeds.py" "$root/rt/testdata/xnn_cases.bin" "$corpus" ;;
fuzz-rt-prog*) options="-len_control=0 -max_len=160" ;;
fuzz-pt2-model*)
    python3 -c 'import sys, zipfile
for i, p in enumerate(sys.argv[2:]):
    z = zipfile.ZipFile(p)
    name = next(n for n in z.namelist() if n.endswith("models/model.json"))
    open(f"{sys.argv[1]}/{i}", "wb").write(z.read(name))' "$corpus" "$root"/pt2/testdata/*.pt2
    options="-len_control=0 -max_len=40000" ;;
fuzz-pt2-*)  # without checksums, which no change would survive
    python3 -c 'import re, sys
for i, p in enumerate(sys.argv[2:]):
    open(f"{sys.argv[1]}/{i}", "wb").write(re.sub(rb"(PK\x01\x02.{12}).{4}", rb"\1" + bytes(4), open(p, "rb").read(), flags=re.DOTALL))' \
        "$corpus" "$root"/pt2/testdata/*.pt2
    options="-len_control=0 -max_len=50000" ;;
fuzz-img-*) seeds "$root"/img/testdata/*.png "$root"/img/testdata/*.ppm "$root"/img/testdata/*.json ;;
fuzz-st-gguf*) seeds "$root"/st/testdata/*.gguf ;;
fuzz-st-*) seeds "$root"/tests/families/*/golden.safetensors "$reference"/official/*/io.safetensors ;;
*)
    seeds "$reference"/official/*/model.pte
    options="-len_control=0 -max_len=520000" ;;
esac
fixed=
if [ "${FUZZ_SEED:-0}" != 0 ] && setarch -R true 2>/dev/null; then fixed="setarch -R"; fi
set +e
# shellcheck disable=SC2086
$fixed "$target" -seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -print_final_stats=0 -verbosity=0 \
    $options -artifact_prefix="$build/$name-" "$corpus"
status=$?
rm -rf "$corpus"
exit $status
