#!/bin/sh
# demo.sh BUILD: exports the shipped example, runs it, prints what was made.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
out=$build/demo
rm -rf "$out"
echo "== etch export --model models/tiny --task text-generation --recipe xnnpack -o $out"
"$build/etch" export --model models/tiny --task text-generation --recipe xnnpack -o "$out"
echo
echo "== etch generate $out/model.pte --prompt \"In the beginning\" -n 60 --temperature 0.7 --top_p 0.9 --seed 3"
"$build/etch" generate "$out/model.pte" --prompt "In the beginning" -n 60 --temperature 0.7 --top_p 0.9 --seed 3
echo
echo "== etch inspect $out/model.pte"
"$build/etch" inspect "$out/model.pte" | head -n 30
