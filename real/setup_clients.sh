#!/usr/bin/env bash
# Builds real/.venv-clients and real/clients: bgecheck beside langchain-openai, and the openai package of node where npm
# is to be had; for the snippets of `make real-http`.
#   PYTHON   an interpreter of 3.11 or newer; default python3.11
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3.11}
[ -e .venv-clients/.ready ] && { echo "real/.venv-clients is ready"; exit 0; }

"$python" -m venv .venv-clients
.venv-clients/bin/python -m pip --disable-pip-version-check install --quiet --editable .. 'langchain-openai==1.*'
mkdir -p clients
if command -v npm > /dev/null; then
  npm install --prefix clients --no-audit --no-fund --silent openai@7
else
  echo "npm is not installed: the snippet for js is not run"
fi
touch .venv-clients/.ready
echo "real/.venv-clients is ready"
