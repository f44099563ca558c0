#!/usr/bin/env bash
# Makes a virtual environment with the pinned, hashed requirements and this project in it:  make_venv.sh [FOLDER]
# Takes the first Python of 3.11, 3.12, 3.13 that runs; PYTHON=... names another.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

for python in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if fits "$python"; then break; fi
    python=
done
if [ -z "$python" ]; then
    echo "No Python 3.11, 3.12 or 3.13 runs here${PYTHON:+ as $PYTHON}. Install one, or name it: PYTHON=/path/to/python3.12 make setup" >&2
    exit 1
fi
echo "Making $venv with $("$python" --version), $(command -v "$python")"

if ! "$python" -m venv --clear "$venv"; then
    echo "$python cannot make virtual environments; on Debian and Ubuntu its package is python3-venv" >&2
    exit 1
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/uv.txt
export VIRTUAL_ENV="$PWD/$venv" UV_NATIVE_TLS=1
"$venv/bin/uv" pip install --quiet --require-hashes -r deploy/requirements.txt
"$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation --editable .
