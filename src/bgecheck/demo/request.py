"""Reads the body of an embeddings request as sglang does: token ids, or its refusal in its own words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bgecheck.demo import dialect
from bgecheck.demo.lexicon import VOCABULARY, tokens

_UNION = ("list[int]", "list[list[int]]", "str", "list[str]", "list[MultimodalEmbeddingInput]")
"""What `input` may be, in the order in which sglang 0.5.23 tries and reports it; the last is not served here."""
_STRING = "Input should be a valid string"
_LIST = "Input should be a valid list"
_INTEGER = "Input should be a valid integer"
_OBJECT = "Input should be a valid dictionary or object to extract fields from"
_WHERE = (
    '  File "/usr/lib/python3.12/site-packages/sglang/srt/entrypoints/http_server.py", line 1882, '
    "in openai_v1_embeddings\n    POST /v1/embeddings "
)


class Refusal(Exception):  # an answer to the client, no error of ours
    """What sglang answers in place of vectors, with status 400."""

    def __init__(self, message: str, kind: str = "BadRequestError") -> None:
        super().__init__(message)
        self.body = dialect.error(message, 400, kind)


class Deadly(Exception):  # likewise
    """A request that ends the true server: its scheduler fails with this error."""


class Wanted(NamedTuple):
    """A request that sglang would compute."""

    batch: list[list[int]]
    base64: bool


def read(body: bytes, content_type: str, settings: Mapping[str, Any]) -> Wanted:
    """The token ids of a request, or `Refusal`, or `Deadly`."""
    request = _checked(_decoded(body, content_type))
    given, of = request["input"], dialect.release(settings["version"])
    if problem := _blank(given):
        raise Refusal(problem)
    encoding = request.get("encoding_format", "float")
    # Up to 0.5.16 the field was accepted, ignored and answered with floats.
    if of >= (0, 5, 17) and encoding not in ("float", "base64"):
        raise Refusal(f"encoding_format must be either 'float' or 'base64', got '{encoding}'")
    if of >= (0, 5, 7) and request.get("dimensions") is not None:
        raise Refusal(dialect.no_matryoshka(settings["model_path"]))
    batch = _batch(given)
    if too_long := next((len(ids) for ids in batch if len(ids) >= dialect.CONTEXT), None):
        raise Refusal(dialect.too_long(too_long))
    _survivable(batch)
    return Wanted(batch, of >= (0, 5, 17) and encoding == "base64")


def _decoded(body: bytes, content_type: str) -> Any:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        message = "Unsupported Media Type: Only 'application/json' is allowed"
        wrong = {"loc": ["header", "content-type"], "msg": message, "type": "value_error"}
        raise Refusal(f"1 validation error:\n  {wrong} {[wrong]}", "Bad Request")
    if not body:
        raise _invalid([_error("missing", ("body",), "Field required", None)])
    try:
        return json.loads(body)
    except UnicodeDecodeError:
        raise _no_json(0, "str is not valid UTF-8: surrogates not allowed") from None
    except (ValueError, RecursionError) as wrong:
        raise _no_json(getattr(wrong, "pos", 0), getattr(wrong, "msg", "recursion limit exceeded")) from None


def _no_json(position: int, why: str) -> Refusal:
    wrong = _error("json_invalid", ("body", position), "JSON decode error", {})
    return _invalid([{**wrong, "ctx": {"error": why}}])


def _checked(request: Any) -> Mapping[str, Any]:
    if not isinstance(request, dict):
        raise _invalid([_error("model_attributes_type", ("body",), _OBJECT, request)])
    wrong = list(_wrong_fields(request))
    if wrong:
        raise _invalid(wrong)
    return request


def _wrong_fields(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "input" not in request:
        yield _error("missing", ("body", "input"), "Field required", dict(request))
    elif not _is_input(request["input"]):
        yield from _wrong_input(request["input"])
    for field in ("model", "encoding_format"):
        if not isinstance(request.get(field, ""), str):
            yield _error("string_type", ("body", field), _STRING, request[field])
    dimensions = request.get("dimensions")
    if dimensions is not None and not _is_whole(dimensions):
        yield _wrong_integer(("body", "dimensions"), dimensions)


def _is_input(given: Any) -> bool:
    if isinstance(given, str):
        return True
    if not isinstance(given, list):
        return False
    rows = given if any(isinstance(item, list) for item in given) else [given]
    return all(isinstance(item, str) for item in given) or all(
        isinstance(row, list) and all(map(_is_whole, row)) for row in rows
    )


def _wrong_input(given: Any) -> Iterator[dict[str, Any]]:
    """One error or more for each form that `input` may have, as pydantic lists them."""
    for form in _UNION:
        where = ("body", "input", form)
        if form == "str":
            yield _error("string_type", where, _STRING, given)
        elif not isinstance(given, list):
            yield _error("list_type", where, _LIST, given)
        else:
            for number, item in enumerate(given):
                yield from _wrong_item(form, (*where, number), item)


def _wrong_item(form: str, where: tuple[Any, ...], item: Any) -> Iterator[dict[str, Any]]:
    if form == "list[int]" and not _is_whole(item):
        yield _wrong_integer(where, item)
    elif form == "list[list[int]]" and not isinstance(item, list):
        yield _error("list_type", where, _LIST, item)
    elif form == "list[list[int]]":
        yield from (_wrong_integer((*where, n), inner) for n, inner in enumerate(item) if not _is_whole(inner))
    elif form == "list[str]" and not isinstance(item, str):
        yield _error("string_type", where, _STRING, item)
    elif form == _UNION[-1] and not isinstance(item, dict):
        yield _error("model_attributes_type", where, _OBJECT, item)


def _is_whole(value: Any) -> bool:
    """What pydantic takes for a whole number: 1, true, 1.0 and "1"."""
    if not isinstance(value, str):
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    try:
        int(value)
    except ValueError:
        return False
    return True


def _wrong_integer(where: tuple[Any, ...], value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return _error("int_parsing", where, f"{_INTEGER}, unable to parse string as an integer", value)
    if isinstance(value, float):
        return _error("int_from_float", where, f"{_INTEGER}, got a number with a fractional part", value)
    return _error("int_type", where, _INTEGER, value)


def _error(kind: str, where: tuple[Any, ...], message: str, given: Any) -> dict[str, Any]:
    return {"type": kind, "loc": where, "msg": message, "input": given}


def _invalid(errors: list[dict[str, Any]]) -> Refusal:
    count = f"{len(errors)} validation error{'s' if len(errors) > 1 else ''}:\n"
    lines = "".join(f"  {error}\n" for error in errors)
    return Refusal(f"{count}{lines}\n{_WHERE}{errors}", "Bad Request")


def _blank(given: str | list[Any]) -> str | None:
    if not given:
        return "Input cannot be empty"
    if isinstance(given, str):
        return None if given.strip() else "Input cannot be empty or whitespace only"
    blank = (number for number, item in enumerate(given) if isinstance(item, str) and not item.strip())
    first = next(blank, None)
    return None if first is None else f"Input at index {first} cannot be empty or whitespace only"


def _batch(given: str | list[Any]) -> list[list[int]]:
    """Texts get [CLS] and [SEP]; token ids are taken as they are."""
    if isinstance(given, str):
        return [tokens(given)]
    if all(isinstance(item, str) for item in given):
        return [tokens(item) for item in given]
    return [[int(token) for token in row] for row in (given if isinstance(given[0], list) else [given])]


def _survivable(batch: list[list[int]]) -> None:
    """Token ids are not range-checked by any release read; the embedding table or the pooler fails over them."""
    if not all(batch):
        raise Deadly("IndexError: index is out of bounds for dimension with size 0")
    if any(not 0 <= token < VOCABULARY for ids in batch for token in ids):
        raise Deadly("IndexError: index out of range in self")
