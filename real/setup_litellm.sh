#!/usr/bin/env bash
# Builds real/.venv-litellm: LiteLLM's proxy, a gateway that stands before embeddings servers; for `make real-http`.
#   PYTHON   an interpreter of 3.11 or newer; default python3.11
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3.11}
[ -e .venv-litellm/.ready ] && { echo "real/.venv-litellm is ready"; exit 0; }

"$python" -m venv .venv-litellm
.venv-litellm/bin/python -m pip --disable-pip-version-check install --quiet 'litellm[proxy]==1.80.0'
.venv-litellm/bin/python -c 'from importlib.metadata import version; print("litellm", version("litellm"))'
touch .venv-litellm/.ready
