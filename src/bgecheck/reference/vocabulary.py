"""What the tokenizer files of a model folder hold: how many entries, which special ones, which case."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from bgecheck.model import Text, reason_of
from bgecheck.reference.damage import Damage, substitute
from bgecheck.reference.listing import Listing

_LARGEST = 64 * 2**20
"""Bytes of a tokenizer file; XLM-RoBERTa's, with 250,000 entries, has 17 MB."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "<s>", "</s>", "<pad>", "<unk>")
"""The entries that stand for no text, in BERT and in RoBERTa."""

JSON, WORDS = "tokenizer.json", "vocab.txt"
PIECEWISE = "WordPiece"
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
    """Entries of word pieces that are a single Chinese character."""
    lower: bool | None = None
    """Whether texts are lower-cased first."""


def vocabulary_of(folder: str, listing: Listing, at_most: int = _LARGEST) -> Vocabulary:
    """What the tokenizer files say, of which transformers takes tokenizer.json first.

    A file of more than `at_most` bytes is named and not read: one of 17 MB takes a quarter of a second.
    """
    config, damages = _config(folder, listing)
    lower = config.get("do_lower_case")
    cased = lower if isinstance(lower, bool) else None
    name = next((each for each in (JSON, WORDS, *PIECES) if listing.holds(each)), None)
    if name is None and listing.holds("vocab.json") and listing.holds("merges.txt"):
        name = "vocab.json"
    if name is None:
        return Vocabulary(damages=damages, lower=cased)
    if listing.entries[name].size > at_most:
        return Vocabulary(name, damages, lower=cased)
    try:
        read = _read(folder, name)
    except OSError as error:
        why = reason_of(error)
        read = Vocabulary(name, (Damage(name, Text(f"cannot be read: {why.en}", f"无法读取：{why.zh}")),))
    lower = cased if cased is not None else read.lower
    return read._replace(damages=(*damages, *read.damages), lower=lower)


def _config(folder: str, listing: Listing) -> tuple[Mapping[str, Any], tuple[Damage, ...]]:
    name = "tokenizer_config.json"
    if not listing.holds(name):
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
        model, added = payload["model"], payload.get("added_tokens") or ()
        read = _counted(JSON, model, {str(token["content"]): int(token["id"]) for token in added})
        normalizer = payload.get("normalizer")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return Vocabulary(JSON, (Damage(JSON, Text("no tokenizer in JSON", "不是 JSON 格式的分词器")),))
    lower = normalizer.get("lowercase") if isinstance(normalizer, dict) else None
    return read._replace(lower=lower if isinstance(lower, bool) else None)


def _counted(name: str, model: Mapping[str, Any], added: Mapping[str, int]) -> Vocabulary:
    """Of a vocabulary by words (WordPiece, BPE) or of a list of pieces (Unigram), and what is added to it.

    Raises `ValueError` or `TypeError` for one that is neither.
    """
    vocab, kind = model.get("vocab"), str(model.get("type"))
    if isinstance(vocab, dict):
        ids, largest = vocab, max(vocab.values(), default=-1)
    elif not isinstance(vocab, list):
        raise TypeError("no vocabulary")
    else:
        ids, largest = {str(pair[0]): number for number, pair in enumerate(vocab[:_FIRST])}, len(vocab) - 1
    largest = max(int(largest), *added.values(), -1)
    if largest < 0:
        raise ValueError("no entries")
    special = {word: int(added.get(word, ids.get(word, -1))) for word in SPECIAL}
    return Vocabulary(
        name,
        entries=len(vocab) + sum(number >= len(vocab) for number in added.values()),
        largest=largest,
        kind=kind,
        special={word: number for word, number in special.items() if number >= 0},
        chinese=sum(len(word) == 1 and "\u4e00" <= word <= "\u9fff" for word in ids) if kind == PIECEWISE else None,
    )


_FIRST = 1000
"""Pieces of a list that are looked at: the special ones stand first."""


def _of_words(path: str) -> Vocabulary:
    """One word a line, its number the id."""
    with open(path, "rb") as file:
        raw = file.read(_LARGEST)
    try:
        words = raw.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return Vocabulary(WORDS, (Damage(WORDS, Text("not UTF-8 text", "不是 UTF-8 文本")),))
    ids = {word.rstrip("\r"): number for number, word in enumerate(words) if word or number < len(words) - 1}
    if not ids:
        return Vocabulary(WORDS, (Damage(WORDS, Text("no entries", "没有词条")),))
    return _counted(WORDS, {"type": PIECEWISE, "vocab": ids}, {})
