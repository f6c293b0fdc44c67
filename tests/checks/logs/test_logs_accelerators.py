"""On AMD and Ascend nobody is sent to nvidia-smi, and nobody is given the build for CUDA."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bgecheck.model import Finding
from logsamples import Snippet, judged, roots, written

CUDA_ONLY = re.compile(r"nvidia-smi|--gpus|pip install[^\n]*\bsglang|libnuma|NVIDIA driver")
TRACE = '  File "/sgl-workspace/sglang/python/sglang/srt/layers/quantization/fp8_kernel.py", line 79, in <module>'


def _root(path: Path, *lines: str) -> Finding:
    (root,) = roots(judged(written(path / "sglang.log", "\n".join(lines) + "\n")))
    return root


def _words(finding: Finding) -> str:
    return "\n".join([str(finding.cause), str(finding.fix), *finding.commands])


def _started(line: str, options: str = "") -> str:
    text = Snippet("", "device", "", ("@scheduler", line, "@died")).log("0.5.9")
    return text.replace("tp_size=1", f"tp_size=1{options}")


@pytest.mark.parametrize(
    ("line", "row", "wanted"),
    [
        (
            "ImportError: cannot import name 'fused_topk' from 'aiter.fused_moe' (/opt/aiter/fused_moe.py)",
            "kernel-package-mismatch",
            "aiter",
        ),
        ("ModuleNotFoundError: No module named 'aiter'", "kernel-package-mismatch", "aiter"),
        (
            "AttributeError: module 'aiter' has no attribute 'flash_attn_varlen_func'",
            "kernel-package-mismatch",
            "aiter",
        ),
        (
            "ImportError: aiter is required when SGLANG_USE_AITER is set to True",
            "kernel-package-mismatch",
            "SGLANG_USE_AITER",
        ),
        ("ModuleNotFoundError: No module named 'torch_npu'", "kernel-package-mismatch", "torch_npu"),
        ("ModuleNotFoundError: No module named 'sgl_kernel_npu'", "kernel-package-mismatch", "CANN"),
        ("NameError: name 'torch_npu' is not defined", "kernel-package-mismatch", "CANN"),
        (
            "NameError: name 'aiter' is not defined. Did you mean: 'iter'?",
            "kernel-package-mismatch",
            "SGLANG_USE_AITER",
        ),
        (
            "ImportError: libhccl.so: cannot open shared object file: No such file or directory",
            "system-library-missing",
            "set_env.sh",
        ),
        (
            "ImportError: libascend_hal.so: cannot open shared object file: No such file or directory",
            "system-library-missing",
            "Ascend/driver",
        ),
        (
            "ImportError: libamdhip64.so.6: cannot open shared object file: No such file or directory",
            "system-library-missing",
            "rocm",
        ),
        ("RuntimeError: No HIP GPUs are available", "no-gpu-visible", "/dev/kfd"),
    ],
)
def test_the_advice_is_of_the_maker(line: str, row: str, wanted: str, tmp_path: Path) -> None:
    root = _root(tmp_path, "Traceback (most recent call last):", TRACE, line)
    assert root.id == f"logs.{row}"
    assert wanted in _words(root)
    assert not CUDA_ONLY.search(_words(root))


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("ModuleNotFoundError: No module named 'sgl_kernel'", "kernel-package-mismatch"),
        ("RuntimeError: No CUDA GPUs are available", "no-gpu-visible"),
        (
            "ImportError: libnuma.so.1: cannot open shared object file: No such file or directory",
            "system-library-missing",
        ),
    ],
)
def test_on_nvidia_all_is_as_it_was(line: str, row: str, tmp_path: Path) -> None:
    root = _root(tmp_path, "Traceback (most recent call last):", TRACE, line)
    assert root.id == f"logs.{row}"
    assert CUDA_ONLY.search(_words(root))


@pytest.mark.parametrize(
    ("options", "cards"),
    [(", device='npu'", "npu-smi info"), (", attention_backend='aiter'", "rocm-smi"), ("", "nvidia-smi")],
)
def test_the_options_tell_the_maker_too(options: str, cards: str, tmp_path: Path) -> None:
    text = _started("Fatal Python error: Segmentation fault", options)
    root = _root(tmp_path, *text.splitlines())
    assert root.id == "logs.segfault"
    assert cards in root.commands


def test_an_upgrade_is_not_that_of_cuda(tmp_path: Path) -> None:
    line = "ValueError: Model architectures ['XLMRobertaLoRA'] are not supported for now."
    root = _root(tmp_path, *_started(line, ", device='npu'").splitlines())
    assert root.id == "logs.unsupported-architecture"
    assert not CUDA_ONLY.search(_words(root))
    assert "pip install --upgrade sglang" in _root(tmp_path, *_started(line).splitlines()).commands


@pytest.mark.parametrize(
    ("frame", "options", "cards"),
    [
        ("layers/layernorm.py", ", device='npu'", "npu-smi info"),
        ("hardware_backend/npu/utils.py", ", device='npu'", "npu-smi info"),
        ("layers/layernorm.py", ", attention_backend='aiter'", "aiter"),
        ("layers/quantization/fp8_kernel.py", "", "venv"),
        ("managers/scheduler.py", "", None),
        ("models/qwen3.py", ", device='npu'", None),
    ],
)
def test_a_name_that_a_kernel_package_should_bring(frame: str, options: str, cards: str | None, tmp_path: Path) -> None:
    """The layers import what they take from kernel packages only where those are installed."""
    above = TRACE.replace("layers/quantization/fp8_kernel.py", frame)
    text = Snippet(
        "", "load", "", ("@scheduler", above, "NameError: name 'fused_add_rms_norm' is not defined", "@died")
    ).log("0.5.9")
    root = _root(tmp_path, *text.replace("tp_size=1", f"tp_size=1{options}").splitlines())
    assert (root.id == "logs.kernel-package-mismatch") is (cards is not None)
    assert cards is None or cards in _words(root)
