#!/bin/sh
# Imports point down only: a folder may include itself and the folders of its row below. Prints offending lines, exits 1.
set -eu
cd "$(dirname "$0")/.."
bad=0
check() {
    folder=$1
    shift
    allowed=$(echo "$folder $*" | tr ' ' '|')
    found=$(grep -rnE '^#include "[a-z]+/' "$folder" --include='*.c' --include='*.h' --exclude='*_test.c' 2>/dev/null |
        grep -vE "#include \"($allowed)/" || true)
    if [ -n "$found" ]; then
        echo "$found"
        bad=1
    fi
}
check base
check op base
check st op base
check graph op base
check kern op base
check pte op base
check tok base
check img base
check trace graph kern st op base
check rt pte kern st op base
check pass graph kern st op base
check quant pass graph kern st op base
check pt2 graph op base
check lower quant pass graph kern st pte op base
check export lower quant pass pt2 graph kern st pte tok op base
[ "$bad" = 0 ] || { echo "check_includes: a folder includes one above it" >&2; exit 1; }
