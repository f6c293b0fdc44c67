"""The rows about the weights: all files there and whole, of the model that config.json describes, and the published."""

from __future__ import annotations

import os
import re
from typing import Any

from bgecheck.checks.amounts import amount
from bgecheck.checks.model.facts import AREA, Digest, ModelFacts
from bgecheck.checks.model.fetching import aside, fetching, pulling
from bgecheck.knowledge.manifests import by_hash, published
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, absent, broken, holds, unclear
from bgecheck.reference.weightfiles import WeightFiles, misfit

_AGAIN = "{fetch}"
_ANEW = Text(
    "move the file out of the way and fetch it again; then compare its size with the hub's",
    "先把这个文件移开，再重新下载，并与 hub 上的大小核对",
)
_ASIDE = ("{aside}", _AGAIN)
_RESUMES = Text(
    "the download into the cache was broken off: the start would first fetch the rest from {hub}",
    "下载到缓存的过程中断了：启动时会先从 {hub} 补下剩余部分",
)


@AREA.check(
    "weights",
    headline=True,
    title=Text("the weights are there, whole, and fit config.json", "权重文件齐全、完整，且与 config.json 一致"),
    cause=Text("{folder} holds no weights that sglang loads", "{folder} 里没有 sglang 能加载的权重"),
    fix=Text("fetch them: model.safetensors, or pytorch_model.bin", "下载权重：model.safetensors 或 pytorch_model.bin"),
    commands=("ls -la {folder}", _AGAIN),
    variants={
        "unfinished": Advice(
            Text(
                "{folder} holds no weights, only what an unfinished download has left",
                "{folder} 里没有权重，只有未下载完的临时文件",
            ),
            Text("let the download run to its end", "把下载跑完"),
            ("ls -la {folder}", _AGAIN),
        ),
        "foreign": Advice(
            Text(
                "{folder} holds the model for another framework alone (ONNX, TensorFlow, GGUF, or in a sub-folder), "
                "which sglang does not load",
                "{folder} 里只有其他框架的权重（ONNX、TensorFlow、GGUF，或在子目录里），sglang 不会加载",
            ),
            Text("fetch model.safetensors or pytorch_model.bin too", "再下载 model.safetensors 或 pytorch_model.bin"),
            (_AGAIN,),
        ),
        "damaged": Advice(
            Text(
                "{path} is not whole, or no weight file at all: the download or copy was broken off, or brought "
                "something else",
                "{path} 不完整，或根本不是权重：下载、拷贝中断，或拿到的是别的内容",
            ),
            _ANEW,
            _ASIDE,
        ),
        "pointer": Advice(
            Text(
                "{path} is a git-lfs pointer: the repository was cloned without git-lfs",
                "{path} 是 git-lfs 指针：克隆仓库时没有安装 git-lfs",
            ),
            Text("fetch the content", "取回文件内容"),
            ("{pull}", *_ASIDE),
        ),
        "dangling": Advice(
            Text(
                "{path} is a link to a file that is not there: the folder was copied without its cache, or blobs were "
                "deleted",
                "{path} 链接的文件不存在：拷贝时漏掉了缓存里的 blobs，或 blobs 被删",
            ),
            Text(
                "copy with links followed (cp -rL, rsync -L), or fetch it again",
                "拷贝时跟随链接（cp -rL、rsync -L），或重新下载",
            ),
            ("ls -l {path}", _AGAIN),
        ),
        "resumes": Advice(
            _RESUMES,
            Text("finish the download before the start", "启动前先补完下载"),
            (_AGAIN,),
            severity=Severity.WARNING,
        ),
        "shards": Advice(
            Text(
                "shards of the weights are missing, {path} for one: the download or copy is incomplete",
                "缺少权重分片（例如 {path}）：下载或拷贝不完整",
            ),
            Text("fetch the missing files", "补齐缺失的文件"),
            ("ls -l {folder}", _AGAIN),
        ),
        "quantized": Advice(
            Text(
                "the weights are whole numbers ({dtype}), and config.json has no quantization_config: sglang copies "
                "them as they are, without the scale that belongs to them, and every vector is wrong",
                "权重是整数（{dtype}），而 config.json 里没有 quantization_config：sglang 会原样加载，"
                "缺少对应的缩放系数，每条向量都是错的",
            ),
            Text(
                "fetch the model in its own precision, or the config.json that belongs to the quantized weights",
                "下载原精度的模型，或补上与量化权重配套的 config.json",
            ),
            (_AGAIN,),
        ),
        "misfit": Advice(
            Text(
                "the weights and config.json are of two models: tensors that config.json describes are missing or have "
                "another shape",
                "权重和 config.json 不是同一个模型：config.json 描述的张量缺失或形状不符",
            ),
            Text(
                "fetch config.json, weights and tokenizer of one model into an empty folder",
                "把同一个模型的 config.json、权重和分词器下载到空目录",
            ),
            (_AGAIN,),
        ),
    },
    explains=(
        "logs.weights-missing",
        "logs.weights-corrupt",
        "logs.weights-not-loaded",
        "logs.hf-unreachable",
        "embed.semantic",
        "embed.golden",
    ),
)
def weights_are_whole(facts: ModelFacts) -> Outcome:
    """From no file at all to a tensor of the wrong shape; leftovers beside whole files prove nothing."""
    weights, folder = facts.weights, facts.place.folder
    hub = facts.place.hub
    values: dict[str, Any] = {
        "folder": folder,
        "fetch": fetching(facts),
        "hub": hub.endpoint if hub else None,
        "path": None,
    }
    resumes = hub is not None and hub.offline is None and not facts.runs
    if not weights.files:
        return _none(weights, values, resumes=resumes)
    if weights.damages:
        shown = [Evidence(damage.file, damage.what) for damage in weights.damages[:_SHOWN]]
        pointer = "git-lfs" in weights.damages[0].what.en
        values |= _mending(facts, weights.damages[0].file)
        if pointer and (pull := pulling(facts)):
            values |= {"pull": pull, "fetch": None, "aside": None}
        return broken(*shown, advice="pointer" if pointer else "damaged", **values)
    if weights.dangling or weights.missing:
        return _missing(weights, values, resumes=resumes)
    return _fitting(facts, values)


_SHOWN = 5


def _mending(facts: ModelFacts, file: str) -> dict[str, Any]:
    """The values of a row about a file that has to be fetched again."""
    path = os.path.join(facts.place.folder, file)
    return {"path": path, "aside": aside(facts, file), "fetch": fetching(facts, anew=aside(facts, file) is None)}


def _none(weights: WeightFiles, values: dict[str, Any], *, resumes: bool) -> Outcome:
    nothing = Evidence(Text("weight files", "权重文件"), Text("none", "没有"))
    if resumes:
        return broken(nothing, advice="resumes", **values)
    if weights.unfinished:
        left = ", ".join(weights.unfinished[:_SHOWN])
        return broken(Evidence(Text("left over", "残留"), left), advice="unfinished", **values)
    if weights.foreign:
        others = ", ".join(weights.foreign[:_SHOWN])
        return broken(Evidence(Text("other formats", "其他格式"), others), advice="foreign", **values)
    return broken(nothing, **values)


def _missing(weights: WeightFiles, values: dict[str, Any], *, resumes: bool) -> Outcome:
    shown = [Evidence(name, Text(f"leads to {to}", f"指向 {to}")) for name, to in weights.dangling.items()]
    shown += [Evidence(name, Text("missing", "缺失")) for name in weights.missing]
    name = next(iter((*weights.dangling, *weights.missing)))
    values["path"] = os.path.join(values["folder"], name)
    advice = "resumes" if resumes else "dangling" if weights.dangling else "shards"
    return broken(*shown[:_SHOWN], advice=advice, **values)


def _fitting(facts: ModelFacts, values: dict[str, Any]) -> Outcome:
    weights, shape = facts.weights, facts.config.shape
    tensors = weights.tensors
    if tensors is not None and shape is not None:
        unfit = misfit(tensors, shape)
        wrong = [Evidence(name, str(list(dims)), str(list(wanted))) for name, dims, wanted in unfit.shapes]
        wrong += [Evidence(name, Text("missing", "缺失")) for name in unfit.missing]
        if wrong:
            return broken(*wrong[:_SHOWN], advice="misfit", **values)
    elif tensors is not None and (layers := _layers_missing(facts)):
        return broken(layers, advice="misfit", **values)
    if whole := _whole_numbers(facts):
        name, dtype = whole
        return broken(Evidence(name, dtype, "F32, F16, BF16"), advice="quantized", dtype=dtype, **values)
    count = f", {weights.numbers / 1e6:.1f} M" if weights.numbers else ""
    numbers = Text(f"{count} numbers" if count else "", f"{count} 个参数" if count else "")
    size = amount(weights.size)
    files = weights.files[0] if len(weights.files) == 1 else f"{len(weights.files)} × *{_ending(weights.files[0])}"
    left = [Evidence(Text("left over", "残留"), ", ".join(weights.unfinished[:_SHOWN]), background=True)]
    shown = Evidence(files, Text(size + numbers.en, size + numbers.zh))
    return holds(shown, *(left if weights.unfinished else ()))


_WHOLE_NUMBERS = frozenset({"I8", "U8", "I16", "U16", "I32", "U32"})
"""Types of safetensors in which nobody trains."""
_QUANTIZATION = ("quantization_config", "compression_config")


def _whole_numbers(facts: ModelFacts) -> tuple[str, str] | None:
    """A matrix of whole numbers with its type, where nothing in the folder says how it was quantized."""
    if any(facts.config.payload.get(name) for name in _QUANTIZATION) or facts.listing.has("hf_quant_config.json"):
        return None
    tensors = facts.weights.tensors or {}
    return next(((n, t.dtype) for n, t in tensors.items() if n.endswith(".weight") and t.dtype in _WHOLE_NUMBERS), None)


def _ending(name: str) -> str:
    return os.path.splitext(name)[1]


def _layers_missing(facts: ModelFacts) -> Evidence | None:
    """Layers that config.json counts and no tensor belongs to, of whatever architecture."""
    count = facts.config.number("num_hidden_layers")
    names = facts.weights.tensors or {}
    there = {int(m[1]) for name in names if (m := re.search(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d{1,4})\.", name))}
    if count is None or not there or len(there) >= count:
        return None
    return Evidence(
        "num_hidden_layers", Text(f"weights of {len(there)} layers", f"权重只有 {len(there)} 层"), str(count)
    )


@AREA.check(
    "weights-hash",
    title=Text("the weights are the published ones", "权重与官方发布的一致"),
    cause=Text(
        "the SHA-256 of {path} is none that is published of {name}: trained further, converted, or damaged within",
        "{path} 的 SHA-256 与官方发布的 {name} 不符：微调过、转换过，或文件内部损坏",
    ),
    fix=Text(
        "if you did not train it yourself, fetch the file again and compare",
        "如果不是自己微调的，重新下载后再核对",
    ),
    commands=("sha256sum {path}", *_ASIDE),
    variants={
        "other": Advice(
            Text(
                "{path} is the file of {actual}, and the folder is named {name}: same shape, other vectors",
                "{path} 是 {actual} 的权重，而目录名是 {name}：形状相同，向量不同",
            ),
            Text("fetch the weights of the model that is meant", "下载需要的那个模型的权重"),
            ("sha256sum {path}", *_ASIDE),
        )
    },
    explains=("embed.golden", "embed.semantic"),
)
def weights_are_published(facts: ModelFacts) -> Outcome:
    """Only where it was asked for: 1.3 GB take a second from memory and longer from a disk."""
    digest = facts.digest
    if digest is None:
        return absent(Text("not asked for: --verify-hash", "没有要求：--verify-hash"))
    if isinstance(digest, Text):
        return absent(digest) if facts.entry is None or not _is_listed(facts) else unclear(digest)
    return _compared(facts, digest)


def _is_listed(facts: ModelFacts) -> bool:
    return any(facts.entry and published(facts.entry.name, name) for name in facts.weights.files)


def _compared(facts: ModelFacts, digest: Digest) -> Outcome:
    entry = facts.entry
    wanted = published(entry.name if entry else None, digest.file)
    assert wanted is not None
    evidence = Evidence(digest.file, digest.sha256, wanted.sha256)
    if digest.sha256 == wanted.sha256:
        return holds(Evidence(digest.file, f"{wanted.model}: {digest.sha256}"))
    other = by_hash(digest.sha256)
    return broken(
        evidence,
        advice="other" if other else None,
        **_mending(facts, digest.file),
        name=wanted.model,
        actual=other.model if other else None,
    )
