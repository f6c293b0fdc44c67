#!/usr/bin/env bash
# Builds an environment with an older sglang on top of what setup.sh built.
#
# usage: setup_old.sh [VERSION]     real/.venv-VERSION; without one 0.5.3.post3 in real/.venv-old, which pools BertModel LAST
#
# A .pth file adds the packages of real/.venv; those named here, which these releases need in other versions, come first.
set -euo pipefail
cd "$(dirname "$0")"
new=${SGLANG_PYTHON:-.venv/bin/python}
version=${1:-0.5.3.post3}
folder=.venv-${1:-old}
[ -e "$folder/.ready" ] && { echo "real/$folder is ready"; exit 0; }
site_of() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

case $version in
    0.5.16) kernel=0.4.5 packages="transformers==5.12.1 tokenizers==0.22.2 openai==2.6.1 xgrammar==0.2.1" ;;
    0.5.9 | 0.5.8.post1) kernel=0.3.21 packages="transformers==4.57.1 tokenizers==0.22.1 openai==2.6.1 xgrammar==0.1.27
        huggingface_hub==0.36.0 hf_transfer==0.1.9 llguidance==0.7.30 torchao==0.9.0" ;;
    0.5.3.post3) kernel=0.3.15 packages="transformers==4.57.1 tokenizers==0.22.1 openai==1.99.1 xgrammar==0.1.25
        huggingface_hub==0.36.0 hf_transfer==0.1.9 llguidance==0.7.30 torchao==0.9.0" ;;
    0.4.10.post2) kernel=0.2.8 packages="transformers==4.54.1 tokenizers==0.21.4 openai==1.99.1 xgrammar==0.1.22
        huggingface_hub==0.34.4 hf_transfer==0.1.9 llguidance==0.7.30 torchao==0.9.0 kernels==0.9.0" ;;
    *) echo "setup_old.sh: how to build sglang $version is not known" >&2; exit 2 ;;
esac

"$new" -m venv "$folder"
site=$(site_of "$folder/bin/python")
site_of "$new" > "$site/zz_newer_release.pth"
# shellcheck disable=SC2086  # one word for each package
"$folder/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps \
    "sglang==$version" timm==1.0.16 $packages

# Neither the kernel package nor vllm has a CPU wheel; this release imports both, and serving a BertModel calls neither.
mkdir -p "$site/sgl_kernel" "$site/vllm/model_executor/layers"
cat > "$site/sgl_kernel/__init__.py" <<'PY'
"""In place of sgl_kernel: every name and every submodule is there, and raises when it is called."""

import importlib.abc
import importlib.machinery
import sys
import types

__version__ = "KERNEL"
__path__ = []


class Absent:
    def __init__(self, name):
        self.name = name

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.name}.{name}")

    def __call__(self, *args, **kwargs):
        raise NotImplementedError(f"{self.name} has no CPU build")


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Absent(f"sgl_kernel.{name}")


class Loader(importlib.abc.Loader):
    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__path__ = []
        module.__getattr__ = __getattr__
        return module

    def exec_module(self, module):
        pass


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.startswith("sgl_kernel."):
            return importlib.machinery.ModuleSpec(name, Loader(), is_package=True)
        return None


sys.meta_path.append(Finder())
PY
sed -i "s/KERNEL/$kernel/" "$site/sgl_kernel/__init__.py"
if [ "$version" = 0.4.10.post2 ]; then
    printf 'import torch\n\ntorch._C._cpu._is_amx_tile_supported = lambda: False\n' >> "$site/sgl_kernel/__init__.py"
fi
for module in vllm vllm/model_executor vllm/model_executor/layers; do : > "$site/$module/__init__.py"; done
printf 'class SiluAndMul: ...\n\n\nclass GeluAndMul: ...\n' > "$site/vllm/model_executor/layers/activation.py"
printf 'class RMSNorm: ...\n\n\nclass GemmaRMSNorm: ...\n' > "$site/vllm/model_executor/layers/layernorm.py"
printf 'from sgl_kernel import Absent\n\n\ndef __getattr__(name):\n    return Absent(name)\n' > "$site/vllm/_custom_ops.py"

SGLANG_USE_CPU_ENGINE=1 "$folder/bin/python" -c 'import sglang; print("sglang", sglang.__version__)'
touch "$folder/.ready"
