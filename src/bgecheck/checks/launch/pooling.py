"""The row about which token's state becomes the vector."""

from __future__ import annotations

from bgecheck.checks.launch.facts import AREA, RESTART, LaunchFacts, restart
from bgecheck.engines.base import Setting
from bgecheck.engines.sglang.architectures import generates
from bgecheck.engines.sglang.options import EMBEDDING, configured
from bgecheck.engines.sglang.remedies import (
    POOL_BY_CLS,
    RESTART_WITH_CHANGES,
    START_WITH_CHANGES,
    UNLESS_EMBEDDING,
    UPGRADE_AND_START,
)
from bgecheck.knowledge.models import is_generating, is_reranker
from bgecheck.model import ANY_TIME, Advice, Evidence, Outcome, Severity, Text, Words, absent, broken, holds

_POOLS_LAST = Text(
    "this model takes the vector of the first token ([CLS]), and this server takes {pooling}: "
    "sglang {version} pools BertModel by the last token{unless}",
    "模型应取首个 token（[CLS]）的向量，而服务取的是 {pooling}：sglang {version} 对 BertModel 取最后一个 token{unless}",
)


_RERANKER = Text(
    "{name} is a reranker: it scores pairs of texts, and what it gives as embeddings means nothing",
    "{name} 是 reranker：它给文本对打分，输出的向量没有意义",
)
_GENERATES = Text(
    f"{{name}} is built on a model that generates: without {EMBEDDING} sglang serves it as one, and every request for "
    "an embedding gets HTTP 400",
    f"{{name}} 的结构是生成模型：不加 {EMBEDDING}，sglang 会按生成模型启动，所有 embedding 请求都返回 HTTP 400",
)
_NO_EMBEDDINGS = Text(
    "serve an embedding model, bge-large-zh-v1.5 for instance; ask a reranker for scores by itself",
    "embedding 服务要用 embedding 模型，例如 bge-large-zh-v1.5；reranker 单独部署，只用来打分",
)


@AREA.check(
    "pooling",
    headline=True,
    title=Text("the pooling is the one the model needs", "池化方式与模型一致"),
    cause=_POOLS_LAST,
    fix=POOL_BY_CLS,
    commands=RESTART,
    moments=ANY_TIME,
    before=UPGRADE_AND_START,
    variants={
        "flag": Advice(_POOLS_LAST, RESTART_WITH_CHANGES, RESTART, before=START_WITH_CHANGES),
        "reranker": Advice(_RERANKER, _NO_EMBEDDINGS),
        "generates": Advice(_GENERATES, Text(f"start it with {EMBEDDING}", f"启动时加上 {EMBEDDING}")),
        "chat": Advice(
            Text(
                f"{{name}} generates texts, by its name, and nothing in that name says that it was trained for "
                f"embeddings: with {EMBEDDING} sglang returns the state of its last token, which finds next to nothing",
                f"按名字看，{{name}} 是生成模型，并没有为向量训练过：加上 {EMBEDDING} 后 sglang 返回的是最后一个 token "
                "的状态，检索效果很差",
            ),
            Text(
                "serve an embedding model, bge-large-zh-v1.5 or Qwen3-Embedding-0.6B for instance; if this one was "
                "trained for embeddings, its model card says so",
                "换成向量模型，例如 bge-large-zh-v1.5、Qwen3-Embedding-0.6B；如果它确实为向量训练过，模型说明里会写",
            ),
            severity=Severity.WARNING,
            explains=(),
        ),
        "not-cls": Advice(
            Text(
                "this model pools {wanted} and this server pools {pooling}: sglang does not read the model's "
                "pooling configuration (1_Pooling), so no flag fixes it",
                "模型应按 {wanted} 池化，而服务按 {pooling} 池化："
                "sglang 不读模型自带的池化配置（1_Pooling），没有参数能改",
            ),
            Text(
                "serve this model with an engine that reads it, for example text-embeddings-inference",
                "改用会读取该配置的引擎，例如 text-embeddings-inference",
            ),
        ),
    },
    explains=(
        "embed.reference",
        "embed.golden",
        "embed.semantic",
        "store.vectors",
        "logs.encoder-vectors-wrong",
        "launch.line",
    ),
)
def pooling_is_the_models(facts: LaunchFacts) -> Outcome:
    """BertModel: LAST up to 0.5.8, CLS as an embedding server in 0.5.9-0.5.16, CLS from 0.5.17 (bert.py, pooler)."""
    model = facts.model
    if facts.planned is not None and is_reranker(facts.model_name):
        return broken(Evidence(Text("model", "模型"), str(facts.model_name)), advice="reranker", name=facts.model_name)
    if facts.planned is not None and not facts.architectures and model is None and is_generating(facts.planned.model):
        evidence = Evidence(Text("model", "模型"), str(facts.planned.model))
        return broken(evidence, advice="chat", name=facts.planned.model)
    if lacks_embedding(facts):
        evidence = Evidence(EMBEDDING, Text("not given", "没有给出"))
        return broken(evidence, advice="generates", name=facts.model_name)
    wanted = model.pooling if model else None
    used, source = _pooling(facts, facts.architectures or ((model.architecture,) if model else ()))
    if facts.planned and used is None and wanted == "mean" and model and model.architecture == "BertModel":
        used, source = "cls or last", Text("any sglang, BertModel", "任何版本的 sglang，BertModel")
    if used is None:
        return absent(Text("neither the server nor its version shows the pooling", "从服务和版本都看不出池化方式"))
    evidence = Evidence(source, used.upper(), wanted.upper() if wanted else None)
    if wanted is None:
        return absent(
            Text(
                f"the model is not in the registry; the server pools {used}",
                f"模型不在内置模型表里；服务的池化方式是 {used}",
            )
        )
    if used == wanted:
        return holds(evidence, pooling=used.upper())
    version = facts.get("version")
    flag = facts.release is not None and (0, 5, 9) <= facts.release <= (0, 5, 16)
    return broken(
        evidence,
        advice="not-cls" if wanted != "cls" else "flag" if flag else None,
        pooling=used.upper(),
        wanted=wanted.upper(),
        version=version.value if version else "?",
        unless=UNLESS_EMBEDDING if flag else "",
        **restart(facts),
    )


def lacks_embedding(facts: LaunchFacts) -> bool:
    """Whether the launch of an embedding model that is built as one that generates does not ask for embeddings."""
    flag = facts.get("is_embedding")
    if facts.planned is None or facts.model is None or facts.model.bidirectional or facts.flags is None:
        return False
    if flag is None or flag.value or configured(facts.flags):
        return False
    return generates(facts.architectures, facts.model.name)


def _pooling(facts: LaunchFacts, architectures: tuple[str, ...]) -> tuple[str | None, Words]:
    """Effective pooling mode and its source."""
    if setting := facts.get("pooling"):
        return str(setting.value).lower(), setting.label("embedding.pooling")
    if facts.release is None:
        return None, ""
    version = f"sglang {'.'.join(map(str, facts.release))}"
    if "BertModel" in architectures:
        return _of_bert(facts.release, facts.get("is_embedding")), _source(version, "BertModel")
    if "XLMRobertaModel" in architectures and facts.release >= (0, 4, 6):
        return "cls", _source(version, "XLMRobertaModel")  # roberta.py, whatever the flags
    return None, ""


def _source(version: str, architecture: str) -> Text:
    return Text(f"{version}, {architecture}", f"{version}，{architecture}")


def _of_bert(release: tuple[int, int, int], flag: Setting | None) -> str | None:
    if release <= (0, 5, 8) or (release <= (0, 5, 16) and flag is not None and not flag.value):
        return "last"
    return "cls" if release >= (0, 5, 17) or flag is not None else None
