#!/usr/bin/env bash
# Builds real/.venv-old: sglang 0.5.3.post3, the release that pools LAST for BertModel, on top of what setup.sh built.
#
# A .pth file adds the packages of real/.venv; those named here, which this release needs in older versions, come first.
set -euo pipefail
cd "$(dirname "$0")"
new=${SGLANG_PYTHON:-.venv/bin/python}
[ -e .venv-old/.ready ] && { echo "real/.venv-old is ready"; exit 0; }
site_of() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

"$new" -m venv .venv-old
site=$(site_of .venv-old/bin/python)
site_of "$new" > "$site/zz_newer_release.pth"
.venv-old/bin/python -m pip --disable-pip-version-check install --quiet --no-deps \
    sglang==0.5.3.post3 transformers==4.57.1 tokenizers==0.22.1 huggingface_hub==0.36.0 hf_transfer==0.1.9 \
    xgrammar==0.1.25 llguidance==0.7.30 openai==1.99.1 timm==1.0.16 torchao==0.9.0

# Neither the kernel package nor vllm has a CPU wheel; this release imports both, and serving a BertModel calls neither.
mkdir -p "$site/sgl_kernel" "$site/vllm/model_executor/layers"
cat > "$site/sgl_kernel/__init__.py" <<'PY'
"""In place of sgl_kernel: every name and every submodule is there, and raises when it is called."""

import importlib.abc
import importlib.machinery
import sys
import types

__version__ = "0.3.15"
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
for module in vllm vllm/model_executor vllm/model_executor/layers; do : > "$site/$module/__init__.py"; done
printf 'class SiluAndMul: ...\n\n\nclass GeluAndMul: ...\n' > "$site/vllm/model_executor/layers/activation.py"
printf 'class RMSNorm: ...\n\n\nclass GemmaRMSNorm: ...\n' > "$site/vllm/model_executor/layers/layernorm.py"
printf 'from sgl_kernel import Absent\n\n\ndef __getattr__(name):\n    return Absent(name)\n' > "$site/vllm/_custom_ops.py"

SGLANG_USE_CPU_ENGINE=1 .venv-old/bin/python -c 'import sglang; print("sglang", sglang.__version__)'
touch .venv-old/.ready
