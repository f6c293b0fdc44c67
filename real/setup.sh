#!/usr/bin/env bash
# Builds real/.venv with the true sglang 0.5.23 for CPU, and a tiny random model beside it.
#
# sglang declares a CUDA torch and kernel wheels, which a machine without a GPU cannot use. So the packages of
# requirements.txt, a set that was seen to work together, are installed without resolving, torch as its CPU build,
# and two parts are put in place of what has no CPU wheel; serving a BertModel calls neither.
#   PYTHON   an interpreter of 3.11 or newer (sglang 0.5.23 needs it); default python3.11
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3.11}
[ -e .venv/.ready ] && { echo "real/.venv is ready"; exit 0; }
began=$SECONDS
say() { echo "[$((SECONDS - began)) s] $*"; }

say "virtual environment"
"$python" -m venv .venv
install() { .venv/bin/python -m pip --disable-pip-version-check install --quiet --no-deps "$@"; }

say "torch for CPU"
install 'torch==2.13.0+cpu' 2>/dev/null || install --index-url https://download.pytorch.org/whl/cpu torch==2.13.0

say "packages"
install -r requirements.txt torchvision==0.28.0
say "sglang"
install sglang==0.5.23

site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

say "a kernel package that raises where it is called"
mkdir -p "$site/sgl_kernel"
cat > "$site/sgl_kernel/__init__.py" <<'PY'
"""In place of sgl_kernel, which has no CPU wheel: every name is there, and raises when it is called."""

__version__ = "0.4.10"


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def absent(*args, **kwargs):
        raise NotImplementedError(f"sgl_kernel.{name} has no CPU build")

    return absent
PY

say "torchvision without its CUDA operators"
echo '# Emptied: the CUDA operators cannot be registered beside a CPU torch.' > "$site/torchvision/_meta_registrations.py"

SGLANG_USE_CPU_ENGINE=1 .venv/bin/python -c 'import sglang; from sglang.srt.models import bert; print("sglang", sglang.__version__)'
say "model"
.venv/bin/python make_model.py models/bge-large-zh-v1.5
touch .venv/.ready
say "ready"
