"""The row about the longest text that the server takes."""

from __future__ import annotations

from bgecheck.checks.launch.facts import AREA, RESTART, LaunchFacts, restart
from bgecheck.engines.sglang.options import TRUNCATE
from bgecheck.engines.sglang.remedies import OWN_LENGTH, OWN_LENGTH_ENFORCED, START_WITH_CHANGES
from bgecheck.knowledge.models import ABSOLUTE
from bgecheck.model import ANY_TIME, Advice, Evidence, Outcome, Severity, Text, absent, broken, holds


@AREA.check(
    "context-length",
    title=Text("the server accepts texts as long as the model does", "服务的最大长度与模型一致"),
    cause=Text(
        "the server takes at most {told} tokens, and {name} takes {wanted}: longer texts are refused with 400, or "
        f"cut with {TRUNCATE}",
        "服务最多接受 {told} 个 token，而 {name} 支持 {wanted} 个：更长的文本会返回 400，"
        f"带 {TRUNCATE} 时则被截断",
    ),
    fix=OWN_LENGTH,
    commands=RESTART,
    moments=ANY_TIME,
    before=START_WITH_CHANGES,
    variants={
        "longer": Advice(
            Text(
                "the server takes {told} tokens, and {name} has positions for {wanted}: one text beyond them can "
                "bring the whole server down",
                "服务接受 {told} 个 token，而 {name} 只有 {wanted} 个位置编码：一条超长文本就可能让整个服务崩溃",
            ),
            OWN_LENGTH_ENFORCED,
            RESTART,
            before=START_WITH_CHANGES,
        )
    },
    severity=Severity.WARNING,
    explains=("probe.token-limit", "launch.line"),
)
def length_is_the_models(facts: LaunchFacts) -> Outcome:
    """`max_model_len` of the model list against the registry; 514 positions of XLM-RoBERTa are 512 tokens."""
    setting, model = facts.get("max_model_len"), facts.model
    if setting is None:
        return absent(Text("the model list gives no length", "模型列表没有给出最大长度"))
    if model is None:
        return absent(
            Text(
                f"the model is not in the registry; the server takes {setting.value} tokens",
                f"模型不在内置模型表里；服务最多接受 {setting.value} 个 token",
            )
        )
    evidence = Evidence(setting.label("max_model_len"), str(setting.value), str(model.max_tokens))
    values = {"told": setting.value, "name": model.name, "wanted": model.max_tokens}
    line = restart(facts, {"context-length": None})
    if setting.value < model.max_tokens:
        return broken(evidence, **values, **line)
    beyond = ABSOLUTE.intersection(facts.architectures) and setting.value > model.max_tokens + POSITIONS_BESIDE
    return broken(evidence, advice="longer", **values, **line) if beyond else holds(evidence)


POSITIONS_BESIDE = 2
"""RoBERTa's positions begin behind its padding index, so that 514 (8194) of them hold 512 (8192) tokens."""
