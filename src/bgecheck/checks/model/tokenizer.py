"""The row about the tokenizer: its files are there, readable, and of this model."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.model.facts import AREA, ModelFacts
from bgecheck.checks.model.fetching import fetching
from bgecheck.knowledge.models import lower_cases
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, broken, holds
from bgecheck.model.expected import AtLeast
from bgecheck.reference.vocabulary import JSON, PIECEWISE, WORDS, Vocabulary

_FETCH = "{fetch}"
_FILES = (JSON, "tokenizer_config.json")

FILLED = AtLeast(0.9, "", "published models leave up to 0.2 % of their rows unused (Qwen3: 151669 of 151936)")
"""Entries of the tokenizer for each row of the embedding table."""


@AREA.check(
    "tokenizer",
    title=Text("the tokenizer is there, and is this model's", "分词器文件齐全，且属于这个模型"),
    cause=Text(
        "{folder} holds no tokenizer: sglang may start nevertheless, and then every character becomes [UNK] and all "
        "vectors are alike",
        "{folder} 里没有分词器文件：sglang 可能照样启动，但每个字都会变成 [UNK]，所有向量几乎一样",
    ),
    fix=Text("fetch its files: {needed}", "补齐分词器文件：{needed}"),
    commands=("ls -l {folder}", _FETCH),
    variants={
        "damaged": Advice(
            Text("{path} is damaged, or something else is in its place", "{path} 已损坏，或内容根本不是分词器"),
            Text("fetch it again", "重新下载"),
            ("head -c 200 {path}", _FETCH),
        ),
        "beyond": Advice(
            Text(
                "the tokenizer has ids that the model has no row for: a text with one of them brings the server down, "
                "or gets a wrong vector; it is of another model",
                "分词器里有模型词表装不下的 id：文本一旦用到，服务会崩溃或向量出错；这是另一个模型的分词器",
            ),
            Text("fetch the tokenizer of this model", "下载这个模型自己的分词器"),
            (_FETCH,),
        ),
        "other": Advice(
            Text(
                "the tokenizer is that of another model: ids mean other words than the weights were trained with",
                "这是另一个模型的分词器：同一个 id 对应的词与训练时不同",
            ),
            Text("fetch the tokenizer of this model", "下载这个模型自己的分词器"),
            (_FETCH,),
        ),
        "special": Advice(
            Text(
                "the vocabulary lacks entries that begin and end every text: no text is encoded as the model expects",
                "词表缺少每段文本首尾必需的特殊 token：编码结果与模型的要求不符",
            ),
            Text("fetch the tokenizer of this model", "下载这个模型自己的分词器"),
            (_FETCH,),
        ),
        "case": Advice(
            Text(
                "{name} was trained with do_lower_case {expected}, and this tokenizer has {actual}: words in capitals "
                "get other vectors",
                "{name} 训练时 do_lower_case 为 {expected}，这里是 {actual}：含大写字母的文本向量会不同",
            ),
            Text("fetch tokenizer_config.json again", "重新下载 tokenizer_config.json"),
            (_FETCH,),
            severity=Severity.WARNING,
        ),
    },
    explains=(
        "logs.tokenizer-missing",
        "logs.device-side-assert",
        "embed.token-count",
        "embed.distinct",
        "embed.semantic",
        "embed.golden",
        "embed.whole-text",
    ),
)
def tokenizer_is_the_models(facts: ModelFacts) -> Outcome:
    """Its files, then the count of its entries, then the entries that tell models apart."""
    read = facts.vocabulary
    values: dict[str, Any] = {"folder": facts.place.folder, "fetch": fetching(facts, *_FILES, anew=True)}
    if read.damages:
        shown = [Evidence(damage.file, damage.what) for damage in read.damages]
        values["fetch"] = fetching(facts, read.damages[0].file, anew=True)
        return broken(*shown, advice="damaged", path=f"{facts.place.folder}/{read.damages[0].file}", **values)
    if read.file is None:
        files = Evidence(Text("tokenizer files", "分词器文件"), Text("none", "没有"), f"{JSON}, {WORDS}")
        return broken(files, needed=f"{JSON}, tokenizer_config.json", **values)
    if facts.listing.entries[read.file].dangling:
        link = Evidence(read.file, Text("a link that leads nowhere", "链接指向的文件不存在"))
        return broken(link, advice="damaged", path=f"{facts.place.folder}/{read.file}", **values)
    return _counted(facts, values) or _of_this_model(facts, values) or holds(*_described(read))


def _described(read: Vocabulary) -> list[Evidence]:
    assert read.file is not None
    if read.entries is None:
        return [Evidence(Text("file", "文件"), read.file)]
    return [Evidence(read.file, Text(f"{read.entries} entries", f"{read.entries} 个词条"))]


def _counted(facts: ModelFacts, values: dict[str, Any]) -> Outcome | None:
    read, rows = facts.vocabulary, facts.config.number("vocab_size")
    if rows is None or read.entries is None or read.largest is None or read.file is None or rows <= 0:
        return None
    evidence = Evidence(read.file, Text(f"{read.entries} entries", f"{read.entries} 个词条"), f"vocab_size {rows}")
    if read.largest >= rows + _ADDED:
        return broken(evidence, advice="beyond", **values)
    return None if FILLED.admits(read.entries / rows) else broken(evidence, advice="other", **values)


_ADDED = 64
"""Ids beyond the table that published tokenizers reserve and no text uses (`<mask>` of multilingual models)."""


def _of_this_model(facts: ModelFacts, values: dict[str, Any]) -> Outcome | None:
    read, architectures = facts.vocabulary, facts.config.architectures
    if read.file is None or read.entries is None:
        return None
    if architectures[:1] == ("BertModel",) and read.kind == PIECEWISE:
        missing = [word for word in ("[UNK]", "[CLS]", "[SEP]") if word not in read.special]
        if missing:
            return broken(Evidence(read.file, Text("lacks", "缺少"), " ".join(missing)), advice="special", **values)
    entry = facts.entry
    if entry and "-zh" in entry.name and read.kind == PIECEWISE and not read.chinese:
        none = Evidence(read.file, Text("no Chinese character", "没有汉字"))
        return broken(none, advice="other", **values)
    wanted = lower_cases(entry.name) if entry else None
    if entry and wanted is not None and read.lower is not None and read.lower is not wanted:
        case = Evidence("do_lower_case", str(read.lower).lower(), str(wanted).lower())
        words = {"name": entry.name, "expected": str(wanted).lower(), "actual": str(read.lower).lower()}
        return broken(case, advice="case", **words, **values)
    return None
