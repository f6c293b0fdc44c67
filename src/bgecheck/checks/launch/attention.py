"""The row about the attention kernels: do they look both ways, as an encoder must."""

from bgecheck.checks.launch.facts import AREA, RESTART, LaunchFacts, not_an_encoder, restart
from bgecheck.engines.base import Setting
from bgecheck.engines.sglang.backends import by_default, looks_both_ways, misplaced
from bgecheck.engines.sglang.options import changes_in_words
from bgecheck.engines.sglang.remedies import BOTH_WAYS_ANYWHERE, START_WITH_CHANGES
from bgecheck.engines.sglang.running import backend_for
from bgecheck.model import ANY_TIME, Advice, Evidence, Outcome, Text, absent, broken, holds


def in_force(facts: LaunchFacts) -> Setting | None:
    """The backend that computes a prefill, which is all that an embedding is."""
    return facts.get("prefill_attention_backend") or facts.get("attention_backend") or _taken(facts)


def _taken(facts: LaunchFacts) -> Setting | None:
    """The backend that a planned launch without one will take; None where that is not known."""
    if facts.planned is None or facts.release is None:
        return None
    backend = by_default(facts.device, facts.capability, facts.amx, facts.release)
    return Setting(backend, Text("sglang's choice here", "sglang 在本机的默认选择")) if backend else None


def fault_of_kernels(facts: LaunchFacts) -> Text | None:
    """Why the backend in force gives an encoder no right vectors where it is to run; None where nothing is wrong."""
    setting = in_force(facts)
    if setting is None or facts.release is None:
        return None
    backend = str(setting.value)
    if facts.planned and (why := misplaced(backend, facts.device, facts.capability, facts.release)):
        return why
    if not facts.bidirectional or looks_both_ways(backend, facts.release) is not False:
        return None
    return Text(f"{backend} attends to one side only", f"{backend} 只看前文")


def other_kernels(facts: LaunchFacts) -> dict[str, str | None]:
    """The options with which it looks both ways on its device; the one for prefills alone goes."""
    changed: dict[str, str | None] = {"attention-backend": backend_for(facts.device)}
    return changed | ({"prefill-attention-backend": None} if facts.get("prefill_attention_backend") else {})


@AREA.check(
    "attention-backend",
    title=Text("the attention backend attends in both directions", "注意力后端按双向计算"),
    cause=Text(
        "sglang {version} computes causal attention only with {backend}, and this model is a bidirectional "
        "encoder: every vector is wrong, with [CLS] pooling all texts have the same vector, and no error is shown",
        "sglang {version} 的 {backend} 注意力后端只看前文，而这是双向编码器：每条向量都是错的"
        "（按 [CLS] 池化时所有文本得到同一个向量），且没有任何报错",
    ),
    fix=BOTH_WAYS_ANYWHERE,
    commands=RESTART,
    moments=ANY_TIME,
    before=START_WITH_CHANGES,
    variants={
        "misplaced": Advice(
            Text("the start ends with an error: {why}", "启动会报错退出：{why}"),
            START_WITH_CHANGES,
            before=START_WITH_CHANGES,
        )
    },
    explains=("embed.reference", "embed.golden", "embed.semantic", "embed.distinct", "embed.whole-text", "launch.line"),
)
def attention_looks_both_ways(facts: LaunchFacts) -> Outcome:
    """By release and backend, as the sources of the releases say; unknown combinations stay unknown."""
    setting, release = in_force(facts), facts.release
    if facts.planned and setting and release:
        why = misplaced(str(setting.value), facts.device, facts.capability, release)
        if why is not None:
            evidence, changed = Evidence(setting.label("attention_backend"), why), other_kernels(facts)
            return broken(evidence, advice="misplaced", why=why, changes=changes_in_words(changed))
    if other := not_an_encoder(facts):
        return other
    if release is None:
        return absent(Text("sglang's version is not known", "无法得知 sglang 版本"))
    version = ".".join(map(str, release))
    if setting is None:
        return absent(_CHOSEN_LATER if facts.planned else _BY_DEFAULT)
    backend = str(setting.value)
    honours = looks_both_ways(backend, release)
    evidence = Evidence(setting.label("attention_backend"), f"{backend}, sglang {version}")
    if honours is None:
        return absent(
            Text(
                f"whether {backend} of sglang {version} attends in both directions is not known",
                f"不清楚 sglang {version} 的 {backend} 是否支持双向注意力",
            )
        )
    if not honours:
        return broken(evidence, version=version, backend=backend, **restart(facts, other_kernels(facts)))
    return holds(evidence)


_BY_DEFAULT = Text(
    "no backend was asked for, and the server does not report which one it chose; its log does: "
    '"Attention backend not set. Use ... backend by default."',
    "启动参数没有指定注意力后端，服务也没有说明实际用了哪个；日志里有一行 "
    "“Attention backend not set. Use ... backend by default.”",
)
_CHOSEN_LATER = Text(
    "no backend is asked for: sglang chooses one for the card when it starts",
    "没有指定注意力后端：sglang 启动时按显卡选择",
)
