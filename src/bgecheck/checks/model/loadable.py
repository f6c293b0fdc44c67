"""The row about the format of the weights: can the installed torch open them."""

from __future__ import annotations

import re

from bgecheck.checks.model.facts import AREA, ModelFacts
from bgecheck.model import Evidence, Outcome, Severity, Text, absent, broken, holds

SAFE = (2, 6)
"""The first torch whose torch.load is safe by itself (CVE-2025-32434)."""


@AREA.check(
    "loadable",
    title=Text("the installed torch opens the weights", "已安装的 torch 能打开权重"),
    cause=Text(
        "the weights are in .bin alone, and torch is {version}: from 4.5x on transformers refuses torch.load below 2.6 "
        "(CVE-2025-32434)",
        "权重只有 .bin，而 torch 是 {version}：transformers 4.5x 起拒绝用 2.6 以下的 torch.load（CVE-2025-32434）",
    ),
    fix=Text(
        "upgrade torch to 2.6 or newer (a newer sglang brings it), or use the model with its weights in safetensors",
        "把 torch 升级到 2.6 以上（新版 sglang 自带），或改用 safetensors 格式的权重",
    ),
    commands=("{python} -m pip show torch",),
    severity=Severity.WARNING,
    needs=("model.weights",),
    explains=("logs.python-env-broken",),
)
def weights_can_be_opened(facts: ModelFacts) -> Outcome:
    """Safetensors always; a pickle depends on torch, which sglang's own loader does not ask about."""
    if not facts.weights.files:
        return absent(Text("there are no weights yet", "还没有权重文件"))
    name = facts.weights.files[0]
    if name.endswith(".safetensors"):
        return holds(Evidence(Text("format", "格式"), "safetensors"))
    release = re.match(r"(\d+)\.(\d+)", facts.torch or "")
    if release is None:
        return absent(
            Text(
                f"{name} needs torch 2.6 or newer, and which one will run is not known",
                f"{name} 需要 torch 2.6 以上，而不知道实际会用哪个版本",
            )
        )
    evidence = Evidence("torch", facts.torch or "", ">= 2.6")
    return (
        holds(evidence)
        if (int(release[1]), int(release[2])) >= SAFE
        else broken(evidence, version=facts.torch, python=facts.python or "python")
    )
