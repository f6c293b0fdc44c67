"""The row about what the folder says of pooling, which sentence-transformers reads and sglang does not."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.model.facts import AREA, ModelFacts
from bgecheck.checks.model.fetching import fetching
from bgecheck.engines.sglang.remedies import POOLING_BY_RELEASE
from bgecheck.knowledge.models import looks_both_ways
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, absent, broken, holds

_FILE = "1_Pooling/config.json"
_POOLED_BY_CLS = frozenset({"BertModel", "XLMRobertaModel", "Contriever"})
"""Encoders of which no release of sglang computes a mean."""

_OTHER_ENGINE = Text(
    "serve this model with an engine that reads it, for example text-embeddings-inference",
    "改用会读取该配置的引擎，例如 text-embeddings-inference",
)


@AREA.check(
    "pooling",
    title=Text("the folder's pooling is the model's, and sglang can do it", "目录里的池化配置正确，且 sglang 支持"),
    cause=Text(
        "1_Pooling/config.json says {actual}, and {name} pools {expected}: it was edited, or is of another model. "
        "sglang does not read it; sentence-transformers does, and gets other vectors",
        "1_Pooling/config.json 写的是 {actual}，而 {name} 用的是 {expected}：被改动过，或来自另一个模型。"
        "sglang 不读这个文件，sentence-transformers 会读，得到的向量不同",
    ),
    fix=Text("fetch 1_Pooling/config.json again", "重新下载 1_Pooling/config.json"),
    commands=("{fetch}",),
    variants={
        "unserved": Advice(
            Text(
                "this model needs {expected} pooling, and sglang reads no pooling configuration: of {architecture} it "
                "takes one token in every release, so every vector is wrong",
                "这个模型需要 {expected} 池化，而 sglang 不读池化配置：对 {architecture} 每个版本都只取一个 token，"
                "每条向量都是错的",
            ),
            _OTHER_ENGINE,
            severity=Severity.ERROR,
            explains=("launch.pooling", "embed.reference", "embed.golden", "embed.semantic"),
        ),
        "dense": Advice(
            Text(
                "modules.json adds a layer behind the pooling (Dense), which sglang does not compute: its vectors are "
                "others than the model's, and may have another dimension",
                "modules.json 在池化之后还有一层 Dense，sglang 不会计算它：得到的向量（甚至维度）与模型不同",
            ),
            _OTHER_ENGINE,
            severity=Severity.ERROR,
            explains=("embed.dimension", "embed.reference", "embed.semantic"),
        ),
        "dimension": Advice(
            Text(
                "1_Pooling/config.json is for vectors of {pooled} numbers, and config.json says {hidden}: it is of "
                "another model. sglang does not read it; sentence-transformers does",
                "1_Pooling/config.json 写的是 {pooled} 维，而 config.json 是 {hidden} 维：它来自另一个模型。"
                "sglang 不读这个文件，sentence-transformers 会读",
            ),
            Text("fetch 1_Pooling/config.json again", "重新下载 1_Pooling/config.json"),
            ("{fetch}",),
        ),
        "damaged": Advice(
            Text(
                "{path} cannot be read; sglang does not need it, sentence-transformers does",
                "{path} 无法读取；sglang 用不到它，sentence-transformers 要用",
            ),
            Text("fetch it again", "重新下载"),
            ("{fetch}",),
        ),
    },
    severity=Severity.WARNING,
)
def pooling_is_the_models(facts: ModelFacts) -> Outcome:
    """By the folder, else by the registry; an encoder that needs a mean is never served rightly."""
    files, entry = facts.pooling, facts.entry
    architecture = next(iter(facts.config.architectures), "")
    values: dict[str, Any] = {
        "folder": facts.place.folder,
        "fetch": fetching(facts, _FILE, anew=True),
        "name": entry.name if entry else None,
        "architecture": architecture,
    }
    if files.damages:
        damage = files.damages[0]
        shown = Evidence(damage.file, damage.what)
        values["fetch"] = fetching(facts, damage.file, anew=True)
        return broken(shown, advice="damaged", path=f"{facts.place.folder}/{damage.file}", **values)
    wanted = entry.pooling if entry else files.mode
    by_cls = facts.by_sglang and architecture in _POOLED_BY_CLS
    if by_cls and "Dense" in files.modules:
        return broken(Evidence("modules.json", " → ".join(files.modules)), advice="dense", **values)
    if by_cls and wanted == "mean":
        source = _FILE if files.mode else Text("the model's card", "模型说明")
        return broken(Evidence(source, "MEAN", "CLS"), advice="unserved", expected="MEAN", **values)
    if files.mode and entry and files.mode != entry.pooling:
        expected = {"actual": files.mode.upper(), "expected": entry.pooling.upper()}
        return broken(Evidence(_FILE, files.mode.upper(), entry.pooling.upper()), **expected, **values)
    hidden = facts.config.number("hidden_size")
    if files.dimension is not None and hidden is not None and files.dimension != hidden:
        evidence = Evidence(_FILE, str(files.dimension), str(hidden))
        return broken(evidence, advice="dimension", pooled=files.dimension, hidden=hidden, **values)
    return _agreeing(facts, wanted)


def _agreeing(facts: ModelFacts, wanted: str | None) -> Outcome:
    if facts.pooling.mode:
        return holds(Evidence(_FILE, facts.pooling.mode.upper()))
    why = Text("names no single pooling", "没有写明唯一的池化方式") if facts.pooling.there else Text("missing", "缺失")
    if not looks_both_ways(facts.config.architectures):
        return absent(Text(f"{_FILE}: {why.en}", f"{_FILE}：{why.zh}"))
    en, zh = (f"; the model pools {wanted.upper()}", f"；模型用 {wanted.upper()} 池化") if wanted else ("", "")
    return absent(
        Text(
            f"{_FILE}: {why.en}{en}; {POOLING_BY_RELEASE.en}",
            f"{_FILE}：{why.zh}{zh}；{POOLING_BY_RELEASE.zh}",
        )
    )
