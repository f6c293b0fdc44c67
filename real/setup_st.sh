#!/usr/bin/env bash
# Builds real/.venv-st: sentence-transformers with torch for CPU, and uvicorn to serve it; for `make real-gateways`.
#   PYTHON   an interpreter of 3.11 or newer; default python3.11
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3.11}
[ -e .venv-st/.ready ] && { echo "real/.venv-st is ready"; exit 0; }
began=$SECONDS
say() { echo "[$((SECONDS - began)) s] $*"; }

say "virtual environment"
"$python" -m venv .venv-st
install() { .venv-st/bin/python -m pip --disable-pip-version-check install --quiet "$@"; }

say "torch for CPU"
install 'torch==2.13.0+cpu' 2>/dev/null || install --index-url https://download.pytorch.org/whl/cpu torch==2.13.0
say "sentence-transformers"
install sentence-transformers==6.2.0 transformers==5.23.0 fastapi==0.165.0 uvicorn orjson
.venv-st/bin/python -c 'import sentence_transformers; print("sentence-transformers", sentence_transformers.__version__)'
touch .venv-st/.ready
say "ready"
