#!/bin/sh
# fuzz.sh BUILD SECONDS: runs every fuzz target of BUILD for SECONDS; seeds are the test data and the programs that the tests made.
set -eu
build=$1
seconds=$2
root=$(cd "$(dirname "$0")/.." && pwd)
for target in "$build"/fuzz-*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target")
    corpus=$(mktemp -d)
    case $name in
    fuzz-tok-*) cp "$root"/tok/testdata/*.json "$corpus" ;;
    fuzz-graph-*) find "$root" -path "*/testdata/*" -name '*.graph' -exec cp {} "$corpus" \; ;;
    fuzz-rt-xnn*) python3 "$root/tools/xnn_seeds.py" "$root/rt/testdata/xnn_cases.bin" "$corpus" ;;
    *) find "$root" -path '*/testdata/*' \( -name '*.pte' -o -name '*.safetensors' \) -size -200k -exec cp {} "$corpus" \; ;;
    esac
    echo "fuzz: $name for $seconds s"
    "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -print_final_stats=0 -verbosity=0 -artifact_prefix="$build/$name-" "$corpus"
    rm -rf "$corpus"
done
