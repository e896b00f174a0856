#!/bin/sh
# interop.sh BUILD: compares with PyTorch eager and the official runtime (in .venv-official), in as many processes as there are cores, 4 at
# the most.
set -eu
cd "$(dirname "$0")/.."
build=$(cd "${1:-build}" && pwd)
python=${ETCH_OFFICIAL_PYTHON:-.venv-official/bin/python3}
parts=$(nproc)
[ "$parts" -le 4 ] || parts=4
running=
# shellcheck disable=SC2086
trap 'kill $running 2>/dev/null; exit 130' INT TERM
for i in $(seq "$parts"); do
    ETCH_SHARD=$i/$parts ETCH_BUILD=$build "$python" -m pytest -q -x --tb=short -p no:cacheprovider tests/interop \
        >"$build/interop-$i.log" 2>&1 &
    running="$running $!"
done
failed=0
i=0
for process in $running; do
    i=$((i + 1))
    wait "$process" || failed=1
    cat "$build/interop-$i.log"
done
[ $failed = 0 ]
"$python" tools/models_md.py --check "$build/models.json"
