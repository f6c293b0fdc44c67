"""The row about config.json: is it there, of a model that makes embeddings, and of the one that the folder names."""

from __future__ import annotations

from bgecheck.checks.model.facts import AREA, Config, ModelFacts
from bgecheck.checks.model.fetching import fetching
from bgecheck.engines.sglang.architectures import EMBEDS, release_range
from bgecheck.knowledge.models import ABSOLUTE, CAUSAL, Model, is_reranker
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, broken, holds

_COMPARE = Text(
    "compare the folder with the hub: name and files are of two models; fetch the one that is meant anew",
    "与 hub 核对：目录名和文件来自两个模型；重新下载需要的那个",
)
_HEAD = "head -c 300 {folder}/config.json"


@AREA.check(
    "config",
    title=Text("config.json is the one of this embedding model", "config.json 与该向量模型一致"),
    cause=Text(
        "config.json of {folder} is missing or damaged: sglang cannot tell what to load, and takes the folder for a "
        "name on the hub",
        "{folder} 的 config.json 缺失或损坏：sglang 不知道该加载什么，会把目录当作 hub 上的仓库名",
    ),
    fix=Text("fetch config.json again", "重新下载 config.json"),
    commands=(_HEAD, "{fetch}"),
    variants={
        "nameless": Advice(
            Text(
                "config.json names no architecture: transformers loads such a folder, and sglang ends in a TypeError",
                "config.json 里没有 architectures：transformers 能加载，而 sglang 会报 TypeError 退出",
            ),
            Text(
                'add the class that the hub\'s config.json has, for BERT: "architectures": ["BertModel"]',
                '补上 hub 上的模型结构名，BERT 是 "architectures": ["BertModel"]',
            ),
            (_HEAD,),
        ),
        "reranker": Advice(
            Text(
                "{architecture} scores pairs of texts: a reranker makes no embeddings, and sglang starts it without a "
                "word",
                "{architecture} 给文本对打分：重排模型不产生向量，而 sglang 启动时不会提示",
            ),
            Text(
                "serve an embedding model, bge-large-zh-v1.5 or bge-m3 for instance; a reranker is asked at /v1/rerank",
                "换成向量模型，例如 bge-large-zh-v1.5、bge-m3；重排模型要用 /v1/rerank 接口",
            ),
        ),
        "generates": Advice(
            Text(
                "{architecture} generates text, and nothing in the folder says that it was trained for embeddings (no "
                "modules.json, no 1_Pooling)",
                "{architecture} 是生成模型，目录里没有任何向量训练的痕迹（没有 modules.json 和 1_Pooling）",
            ),
            Text(
                "see the model's card; as an embedding model sglang would return the state of its last token",
                "查看模型说明；当作向量模型启动时，sglang 返回的是最后一个 token 的状态",
            ),
            severity=Severity.WARNING,
        ),
        "foreign": Advice(
            Text(
                "sglang has no class for {architecture} in the releases read ({releases}): it falls back on that of "
                "transformers, or does not start",
                "读过的 sglang 版本（{releases}）里没有 {architecture} 的实现：要么借用 transformers 的，要么无法启动",
            ),
            Text(
                "see in the log after the start whether it was accepted, and compare vectors: bgecheck embed --full; "
                "or serve it with text-embeddings-inference",
                "启动后看日志是否接受，并用 bgecheck embed --full 核对向量；或改用 text-embeddings-inference",
            ),
            severity=Severity.WARNING,
        ),
        "other": Advice(
            Text(
                "the folder is named {name}, and config.json describes another model",
                "目录名是 {name}，而 config.json 描述的是另一个模型",
            ),
            _COMPARE,
            (_HEAD, "{fetch}"),
        ),
        "dimension": Advice(
            Text(
                "vectors of {dims} numbers are expected, and this model makes {actual}",
                "期望 {dims} 维向量，而这个模型输出 {actual} 维",
            ),
            Text(
                "serve the model with which the index was built, or correct --expect-dim",
                "换成建索引时用的模型，或改正 --expect-dim",
            ),
        ),
        "dtype": Advice(
            Text(
                "config.json names the type {dtype}, which torch does not have: transformers ends the start with an "
                "AttributeError",
                "config.json 里的类型 {dtype} 在 torch 里不存在：transformers 会报 AttributeError，服务无法启动",
            ),
            Text(
                "fetch config.json again, or write float32, float16 or bfloat16",
                "重新下载 config.json，或改成 float32、float16、bfloat16",
            ),
            (_HEAD, "{fetch}"),
        ),
        "misshapen": Advice(
            Text(
                "the numbers of config.json fit no encoder: it was edited, or damaged",
                "config.json 里的数字不符合任何编码器：被改动过或已损坏",
            ),
            Text("fetch config.json again", "重新下载 config.json"),
            ("{fetch}",),
        ),
    },
    explains=(
        "logs.model-path-not-found",
        "logs.unsupported-architecture",
        "logs.transformers-too-old",
        "logs.reranker-served",
        "logs.hf-unreachable",
        "logs.hf-repo-not-found",
        "logs.weights-not-loaded",
        "embed.dimension",
    ),
)
def config_is_the_models(facts: ModelFacts) -> Outcome:
    """From what is certain to what is a guess: no JSON, no class, a reranker, another model, a class of nobody's."""
    config = facts.config
    values = {
        "folder": facts.place.folder,
        "fetch": fetching(facts, "config.json", anew=True),
        "name": facts.entry and facts.entry.name,
    }
    if config.damage:
        return broken(Evidence("config.json", config.damage), **values)
    architectures = config.architectures
    if not architectures:
        return broken(Evidence("architectures", Text("missing", "缺失")), advice="nameless", **values)
    values["architecture"] = architectures[0]
    evidence = Evidence("architectures", architectures[0])
    if architectures[0].endswith("ForSequenceClassification") or is_reranker(facts.place.given):
        return broken(evidence, advice="reranker", **values)
    if (dtype := _dtype(config)) is not None and dtype not in _DTYPES:
        return broken(
            Evidence("torch_dtype", dtype, "float32, float16, bfloat16"), advice="dtype", dtype=dtype, **values
        )
    if config.misshapen:
        return broken(Evidence("config.json", config.misshapen), advice="misshapen", **values)
    for outcome in (_of_the_entry(facts, values), _of_the_dimension(facts, values), _served(facts, evidence, values)):
        if outcome is not None:
            return outcome
    return holds(*_described(config))


_DTYPES = frozenset(
    {"float32", "float", "float16", "half", "bfloat16", "float64", "double", "float8_e4m3fn", "float8_e5m2"}
)
"""Types of torch that a config.json may name; transformers looks each up with getattr(torch, NAME)."""


def _dtype(config: Config) -> str | None:
    """The type that config.json names."""
    dtype = config.payload.get("dtype") or config.payload.get("torch_dtype")
    return dtype if isinstance(dtype, str) else None


def _described(config: Config) -> list[Evidence]:
    numbers = {name: config.number(name) for name in ("hidden_size", "max_position_embeddings", "num_hidden_layers")}
    shown = {**numbers, "torch_dtype": _dtype(config)}
    background = [Evidence(name, str(value), background=True) for name, value in shown.items() if value is not None]
    return [Evidence("architectures", config.architectures[0]), *background]


def _whole(facts: ModelFacts, values: dict[str, str | None]) -> dict[str, str | None]:
    """The values with the command that fetches all files: which of them are of the other model is not known."""
    return {**values, "fetch": fetching(facts, anew=True)}


def _has_dense(facts: ModelFacts) -> bool:
    """Whether a layer behind the pooling gives vectors another dimension than the states have."""
    return "Dense" in facts.pooling.modules


def _of_the_entry(facts: ModelFacts, values: dict[str, str | None]) -> Outcome | None:
    """The registry knows the model by its folder's name: its dimension, and positions for its texts."""
    entry, config = facts.entry, facts.config
    hidden = config.number("hidden_size")
    if entry is None:
        return None
    if hidden is not None and hidden != entry.dims and not _has_dense(facts):
        return broken(Evidence("hidden_size", str(hidden), str(entry.dims)), advice="other", **_whole(facts, values))
    if config.shape and entry.architecture in ABSOLUTE and config.shape.longest < entry.max_tokens:
        shown = Evidence("max_position_embeddings", str(config.shape.positions), f">= {entry.max_tokens}")
        return broken(shown, advice="other", **_whole(facts, values))
    return _of_its_kind(entry, facts, values)


def _of_its_kind(entry: Model, facts: ModelFacts, values: dict[str, str | None]) -> Outcome | None:
    """BERT and RoBERTa have other vocabularies and positions, whatever their dimension; a causal model is neither."""
    architecture = facts.config.architectures[0]
    kinds = {"BertModel", "BertForMaskedLM"}, {"XLMRobertaModel", "XLMRobertaForMaskedLM"}
    wanted = next((kind for kind in kinds if entry.architecture in kind), None)
    other = next((kind for kind in kinds if architecture in kind), None)
    if (
        (wanted and other and wanted is not other)
        or (wanted and CAUSAL.fullmatch(architecture))
        or (not entry.architecture and other)
    ):
        expected = entry.architecture or Text("a causal language model", "因果语言模型")
        return broken(Evidence("architectures", architecture, expected), advice="other", **_whole(facts, values))
    return None


def _of_the_dimension(facts: ModelFacts, values: dict[str, str | None]) -> Outcome | None:
    hidden, wanted = facts.config.number("hidden_size"), facts.expect_dim
    if hidden is None or wanted is None or hidden == wanted or _has_dense(facts):
        return None
    if facts.entry and facts.entry.may_be_cut_to(wanted):
        return None
    evidence = Evidence("hidden_size", str(hidden), str(wanted))
    return broken(evidence, advice="dimension", **values, dims=wanted, actual=hidden)


def _served(facts: ModelFacts, evidence: Evidence, values: dict[str, str | None]) -> Outcome | None:
    architecture = facts.config.architectures[0]
    if architecture.endswith("ForCausalLM"):
        trained = facts.pooling.there or facts.pooling.modules or facts.entry
        return None if trained else broken(evidence, advice="generates", **values)
    if not facts.by_sglang or architecture in EMBEDS or CAUSAL.fullmatch(architecture):
        return None
    return broken(evidence, advice="foreign", **values, releases=release_range())
