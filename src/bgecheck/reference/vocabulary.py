"""What the tokenizer files of a model folder hold: how many entries, which special ones, which case."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from bgecheck.model import Text
from bgecheck.reference.damage import Damage, substitute
from bgecheck.reference.listing import Listing

_LARGEST = 64 * 2**20
"""Bytes of a tokenizer file; XLM-RoBERTa's, with 250,000 entries, has 17 MB."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "<s>", "</s>", "<pad>", "<unk>")
"""The entries that stand for no text, in BERT and in RoBERTa."""

JSON, WORDS = "tokenizer.json", "vocab.txt"
PIECES = ("sentencepiece.bpe.model", "tokenizer.model", "spiece.model")


class Vocabulary(NamedTuple):
    """A tokenizer by its files; what cannot be told is None."""

    file: str | None = None
    """The file that is used; None where there is none."""
    damages: tuple[Damage, ...] = ()
    entries: int | None = None
    largest: int | None = None
    """The largest token id."""
    kind: str | None = None
    special: Mapping[str, int] = {}
    chinese: int | None = None
    """Entries that are a single Chinese character."""
    lower: bool | None = None
    """Whether texts are lower-cased first."""


def vocabulary_of(folder: str, listing: Listing) -> Vocabulary:
    """What the tokenizer files say, of which transformers takes tokenizer.json first."""
    config, damages = _config(folder, listing)
    lower = config.get("do_lower_case")
    cased = lower if isinstance(lower, bool) else None
    name = next((each for each in (JSON, WORDS, *PIECES) if each in listing.entries), None)
    if name is None and {"vocab.json", "merges.txt"} <= {*listing.entries}:
        name = "vocab.json"
    if name is None:
        return Vocabulary(damages=damages, lower=cased)
    try:
        read = _read(folder, name)
    except OSError as error:
        why = error.strerror or type(error).__name__
        read = Vocabulary(name, (Damage(name, Text(f"cannot be read: {why}", f"无法读取：{why}")),))
    lower = cased if cased is not None else read.lower
    return read._replace(damages=(*damages, *read.damages), lower=lower)


def _config(folder: str, listing: Listing) -> tuple[Mapping[str, Any], tuple[Damage, ...]]:
    name = "tokenizer_config.json"
    if name not in listing.entries:
        return {}, ()
    try:
        if what := substitute(os.path.join(folder, name)):
            return {}, (Damage(name, what),)
        config = _json(os.path.join(folder, name))
    except (OSError, ValueError):
        return {}, (Damage(name, Text("not JSON", "不是合法的 JSON")),)
    return (config, ()) if isinstance(config, dict) else ({}, (Damage(name, Text("not JSON", "不是合法的 JSON")),))


def _json(path: str) -> Any:
    import orjson

    with open(path, "rb") as file:
        raw = file.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise ValueError("larger than 64 MiB")
    return orjson.loads(raw)


def _read(folder: str, name: str) -> Vocabulary:
    path = os.path.join(folder, name)
    if what := substitute(path):
        return Vocabulary(name, (Damage(name, what),))
    if name == JSON:
        return _of_json(path)
    if name == WORDS:
        return _of_words(path)
    return Vocabulary(name)


def _of_json(path: str) -> Vocabulary:
    try:
        payload = _json(path)
        model = payload["model"]
        ids = _ids(model.get("vocab"))
        ids |= {str(added["content"]): int(added["id"]) for added in payload.get("added_tokens") or ()}
        if not ids:
            raise ValueError("no entries")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Vocabulary(JSON, (Damage(JSON, Text("no tokenizer in JSON", "不是 JSON 格式的分词器")),))
    lower = (payload.get("normalizer") or {}).get("lowercase") if isinstance(payload.get("normalizer"), dict) else None
    return _counted(JSON, ids)._replace(kind=str(model.get("type")), lower=lower if isinstance(lower, bool) else None)


def _ids(vocab: Any) -> dict[str, int]:
    """Words to ids: a dictionary of WordPiece and BPE, a list of pairs of Unigram."""
    if isinstance(vocab, dict):
        return {word: int(number) for word, number in vocab.items()}
    return {str(pair[0]): number for number, pair in enumerate(vocab)}


def _of_words(path: str) -> Vocabulary:
    """One word a line, its number the id."""
    with open(path, "rb") as file:
        raw = file.read(_LARGEST)
    try:
        words = raw.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return Vocabulary(WORDS, (Damage(WORDS, Text("not UTF-8 text", "不是 UTF-8 文本")),))
    ids = {word.rstrip("\r"): number for number, word in enumerate(words) if word or number < len(words) - 1}
    return _counted(WORDS, ids)._replace(kind="WordPiece")


def _counted(name: str, ids: Mapping[str, int]) -> Vocabulary:
    return Vocabulary(
        name,
        entries=len(ids),
        largest=max(ids.values(), default=0),
        special={word: ids[word] for word in SPECIAL if word in ids},
        chinese=sum(len(word.removeprefix("▁")) == 1 and "\u4e00" <= word[-1] <= "\u9fff" for word in ids if word),
    )
