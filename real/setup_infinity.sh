#!/usr/bin/env bash
# Builds real/.venv-infinity: Infinity 0.0.78, another embeddings server, on torch for CPU; for `make real-infinity`.
#   PYTHON   an interpreter of 3.11 or newer; default python3.11
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3.11}
[ -e .venv-infinity/.ready ] && { echo "real/.venv-infinity is ready"; exit 0; }
began=$SECONDS
say() { echo "[$((SECONDS - began)) s] $*"; }

say "virtual environment"
"$python" -m venv .venv-infinity
install() { .venv-infinity/bin/python -m pip --disable-pip-version-check install --quiet "$@"; }

# First, because Infinity's own requirement takes a torch with 3 GB of CUDA along.
say "torch for CPU"
install 'torch==2.13.0+cpu' 2>/dev/null || install --index-url https://download.pytorch.org/whl/cpu torch==2.13.0
say "Infinity, with the last packages that it starts with"
install 'infinity-emb[server,torch]==0.0.78' 'transformers<4.50' sentence-transformers==3.4.1 click==8.1.8 typer==0.12.5
.venv-infinity/bin/python -c 'from importlib.metadata import version; print("infinity-emb", version("infinity-emb"))'
touch .venv-infinity/.ready
say "ready"
