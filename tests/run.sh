#!/bin/sh
# run.sh BUILD: all tests that need no PyTorch.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
python=${ETCH_PYTHON:-.venv/bin/python3}
sh tools/check_includes.sh
sh tools/check_lines.sh
"$build/etch-tests"
"$python" -B trace/tests/test_core.py "$build/share/etch/python"
"$python" tests/e2e.py "$build"
"$python" tests/accuracy.py "$build"
"$python" tests/tasks.py "$build"
"$python" tests/seq2seq.py "$build"
"$python" tests/chat.py "$build"
"$python" tests/check.py "$build"
"$python" tests/guide.py "$build"
"$python" tests/sandbox.py "$build"
"$python" tests/pt2.py "$build"
"$python" tests/hub.py "$build"
"$python" tests/prequantized_e2e.py "$build"
