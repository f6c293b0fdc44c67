"""The row of the driver: does it run the CUDA that the server is built for."""

from __future__ import annotations

from bgecheck.checks.gpu.facts import AREA, GpuFacts
from bgecheck.engines.sglang.releases import numbers
from bgecheck.model import ANY_TIME, Advice, Evidence, Outcome, Text, absent, broken, holds
from bgecheck.model.expected import AtLeast

OLDEST_CUDA = AtLeast(12.0, "", "torch 2.6 to 2.9 (sglang 0.4.6 to 0.5.9) want CUDA 12, any minor version")
NEWEST_CUDA = AtLeast(13.0, "", "sglang 0.5.23 pins torch 2.14.1 and flashinfer for CUDA 13, driver 580 or newer")
_DRIVERS = {11: 450, 12: 525, 13: 580}
"""The oldest driver that runs any minor version of a CUDA (NVIDIA's table of minor version compatibility)."""


@AREA.check(
    "driver",
    title=Text("the driver is new enough for sglang's CUDA", "驱动版本满足 sglang 所用的 CUDA"),
    cause=Text(
        "the driver runs CUDA up to {cuda}: too old for the torch that sglang installs, which needs 12 or newer",
        "驱动最高只支持 CUDA {cuda}，而 sglang 所装的 torch 要求 12 以上",
    ),
    fix=Text(
        "update the NVIDIA driver (580 or newer runs every sglang, 525 or newer those up to 0.5.9)",
        "升级 NVIDIA 驱动（580 以上可运行所有版本的 sglang，525 以上可运行到 0.5.9）",
    ),
    commands=("nvidia-smi --query-gpu=driver_version --format=csv",),
    variants={
        "build": Advice(
            Text(
                "{build} is built for CUDA {built_for}, and the driver runs CUDA up to {cuda}: the server ends with "
                "`The NVIDIA driver on your system is too old`",
                "{build} 按 CUDA {built_for} 编译，而驱动最高只支持 CUDA {cuda}：服务会以 "
                "`The NVIDIA driver on your system is too old` 退出",
            ),
            Text(
                "update the NVIDIA driver to {driver} or newer, or install a build for CUDA {cuda} or older",
                "把 NVIDIA 驱动升级到 {driver} 或更新，或改装不高于 CUDA {cuda} 的版本",
            ),
            ("nvidia-smi --query-gpu=driver_version --format=csv",),
        ),
        "no-cuda": Advice(
            Text(
                "{build}, which the server would run with, is built without CUDA: it sees no GPU at all",
                "服务所用的 {build} 不带 CUDA：完全看不到 GPU",
            ),
            Text("install torch as its own index for CUDA has it", "从 torch 的 CUDA 安装源重新安装"),
            ("{interpreter} -c 'import torch; print(torch.__version__, torch.version.cuda)'",),
        ),
    },
    explains=("logs.cuda-driver-too-old",),
    moments=ANY_TIME,
)
def driver_is_new_enough(facts: GpuFacts) -> Outcome:
    """By the newest CUDA that the driver itself names; a server that computes on a GPU proves it."""
    if facts.nvml.cuda is None:
        return absent(Text("the driver does not report its CUDA version", "驱动没有给出 CUDA 版本"))
    if facts.builds:
        return _by_build(facts, facts.nvml.cuda)
    cuda = f"{facts.nvml.cuda[0]}.{facts.nvml.cuda[1]}"
    number = float(cuda)
    evidence = Evidence(f"driver {facts.nvml.driver or '?'}", f"CUDA <= {cuda}", str(OLDEST_CUDA))
    if facts.serving or NEWEST_CUDA.admits(number):
        return holds(evidence)
    if OLDEST_CUDA.admits(number) and facts.planned and _runs_on_12(facts.planned.version):
        return holds(evidence)
    if OLDEST_CUDA.admits(number):
        return absent(_depends(cuda), cuda=cuda)
    return broken(evidence, cuda=cuda)


def _depends(cuda: str) -> Text:
    return Text(
        f"it runs CUDA {cuda}: enough for sglang up to 0.5.9, too old for 0.5.23 (CUDA 13, driver 580); which version "
        "will run is not known",
        f"驱动支持到 CUDA {cuda}：可运行 sglang 0.5.9 及以前的版本，不能运行 0.5.23（需 CUDA 13、驱动 580）；"
        "无法得知要运行哪个版本",
    )


def _runs_on_12(version: str | None) -> bool:
    """Whether a release is known to install a torch for CUDA 12."""
    return bool(version) and numbers(str(version)) <= (0, 5, 9, 0)


def _by_build(facts: GpuFacts, runs: tuple[int, int]) -> Outcome:
    """By what is installed. A driver runs every minor version of its CUDA, and every older CUDA."""
    cuda = f"{runs[0]}.{runs[1]}"
    interpreter = facts.planned.interpreter if facts.planned else None
    if (torch := facts.builds[0]).cuda is None:
        evidence = Evidence(torch.package, torch.version, f"CUDA <= {cuda}")
        return broken(evidence, advice="no-cuda", build=str(torch), interpreter=interpreter)
    build, (major, minor) = max(((b, b.cuda) for b in facts.builds if b.cuda), key=lambda pair: pair[1])
    evidence = Evidence(f"driver {facts.nvml.driver or '?'}", f"CUDA <= {cuda}", f"CUDA {major}.{minor}: {build}")
    if major <= runs[0]:
        return holds(evidence)
    driver = _DRIVERS.get(major, max(_DRIVERS.values()))
    return broken(evidence, advice="build", build=str(build), built_for=f"{major}.{minor}", cuda=cuda, driver=driver)
