#!/bin/sh
# Lines of sources have at most 140 characters. Prints those that have more, exits 1. Rows of tables (*.def, test data, programs in strings)
# have any length.
set -eu
cd "$(dirname "$0")/.."
tables='/testdata/|^trace/tests/(cases|facade_cases)\.py'
found=$(find base bench cli export graph img kern lower models op pass pt2 pte quant rt st tests tok tools trace Makefile CMakeLists.txt \
    -type f \( -name '*.[ch]' -o -name '*.inc' -o -name '*.py' -o -name '*.sh' -o -name '*.cpp' -o -name CMakeLists.txt \) |
    grep -vE "$tables" | sort | LC_ALL=C.UTF-8 xargs grep -nE '^.{141}' || true)
[ -z "$found" ] || { echo "$found" | cut -c1-160; echo "check_lines: lines of more than 140 characters" >&2; exit 1; }
