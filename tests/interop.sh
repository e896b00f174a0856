#!/bin/sh
# interop.sh BUILD: compares with PyTorch eager and the official runtime (in .venv-official).
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
python=${ETCH_OFFICIAL_PYTHON:-.venv-official/bin/python3}
ETCH_BUILD=$(cd "$build" && pwd) "$python" -m pytest -q -x --tb=short -p no:cacheprovider tests/interop
"$python" tools/models_md.py --check "$build/models.json"
