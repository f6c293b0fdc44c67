"""Turns texts into token ids with the tokenizer of a model folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bgecheck.machine.files import read_text, size
from bgecheck.model import Text, Unavailable

FILES = ("tokenizer.json", "vocab.txt")
_LIMIT = 64 * 2**20
"""Bytes of a tokenizer file; XLM-RoBERTa's, with 250,000 entries, has 17 MB."""


def ids_of(folder: str, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text, special tokens included, neither cut nor padded.

    From tokenizer.json, else the word pieces of vocab.txt as tokenizer_config.json wants them.
    Raises `Unavailable` where the folder has neither, or one that cannot be read.
    """
    with _readable(folder):
        made = _tokenizer(folder)
        return [list(made.encode(text).ids) for text in texts]


def tokenizer_of(folder: str) -> Any:
    """The `tokenizers.Tokenizer` of a folder, which neither cuts nor pads. Raises `Unavailable` as `ids_of`."""
    with _readable(folder):
        return _tokenizer(folder)


@contextmanager
def _readable(folder: str) -> Iterator[None]:
    """Turns a failure of the library, of which nobody knows the kind, into `Unavailable`."""
    try:
        yield
    except Unavailable:
        raise
    except BaseException as error:  # the library's own failures derive from Exception, its panics do not
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        why = str(error)[:160]
        raise Unavailable(
            Text(f"the tokenizer of {folder} cannot be read: {why}", f"{folder} 的分词器无法读取：{why}")
        ) from error


def _tokenizer(folder: str) -> Any:
    name = next((n for n in FILES if os.path.isfile(os.path.join(folder, n))), None)
    if name is None:
        raise Unavailable(
            Text(f"{folder} holds neither {FILES[0]} nor {FILES[1]}", f"{folder} 里既没有 {FILES[0]} 也没有 {FILES[1]}")
        )
    path = os.path.join(folder, name)
    if (size(path) or 0) > _LIMIT:
        raise Unavailable(Text(f"{path} is larger than 64 MiB", f"{path} 超过 64 MiB"))
    return _from_json(path) if name == FILES[0] else _from_vocabulary(path, folder)


def _from_json(path: str) -> Any:
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(path)
    made.no_truncation()
    made.no_padding()
    return made


def _from_vocabulary(path: str, folder: str) -> Any:
    """BERT's own: lower case and no accents unless do_lower_case is false, each Chinese character by itself."""
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.models import WordPiece

    try:
        config = json.loads(read_text(os.path.join(folder, "tokenizer_config.json"), 2**20))
    except (Unavailable, ValueError, RecursionError):
        config = {}
    config = config if isinstance(config, dict) else {}
    return BertWordPieceTokenizer(
        WordPiece.read_file(path),  # the path itself is deprecated in releases before 0.14
        lowercase=config.get("do_lower_case") is not False,
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=config.get("tokenize_chinese_chars") is not False,
    )
