"""The embeddings codec: writes the body of `POST /v1/embeddings` and reads vectors, or why there are none, back."""

from __future__ import annotations

import base64
import binascii
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bgecheck.http.failures import Failure, NotSent
from bgecheck.http.gateways import gateway_of
from bgecheck.http.plaintext import unescaped
from bgecheck.http.reply import Reply
from bgecheck.http.toolong import too_long
from bgecheck.model import Text, Words, clean


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors as the server gave them, in the order of its `index` fields.

    `nulls[i]` counts the JSON `null` components of vector i, which stand in it as NaN. `seconds` is
    the whole exchange; `tokens` is `usage.prompt_tokens`.
    """

    vectors: tuple[tuple[float, ...], ...]
    nulls: tuple[int, ...]
    indexes: tuple[int | None, ...]
    tokens: int | None
    model: str | None
    seconds: float
    packed: bool = False
    """Whether the vectors came as base64."""
    cached: int | None = None
    """`usage.prompt_tokens_details.cached_tokens`, where the server tells."""

    @property
    def has_numbers(self) -> bool:
        """Whether the first vector holds any number: not where all of it is null, NaN or infinite."""
        return any(map(math.isfinite, self.vectors[0]))

    @property
    def is_zero(self) -> bool:
        """Whether every component of the first vector is 0, so that it has no direction."""
        return not any(self.vectors[0])


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer with another status than 200."""

    status: int
    message: str
    """The server's own words, of an HTML page its title; empty where there are none."""
    html: bool
    """Whether the answer is an HTML page."""
    server: str
    """What its header `Server` says."""
    seconds: float
    gateway: str = ""
    """The gateway that named itself in another header."""
    location: str = ""
    """Where a redirect leads."""
    challenge: str = ""
    """How it wants to be authenticated, as `Basic`."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A 200 that holds no usable vectors."""

    kind: Literal["not-json", "page", "cut", "null", "error", "no-data", "wrong-count", "no-vector"]
    detail: Words
    seconds: float
    message: str = ""
    """The server's own words, of an error that it sends as a success."""


Answer = Embedded | Refused | Unusable | Failure | NotSent


def describe(answer: Reply | Answer) -> Words:
    """A response, or why there is none, in one line."""
    match answer:
        case Failure():
            return answer.detail
        case NotSent():
            return answer.reason
        case Refused():
            return _refusal(answer)
        case Unusable():
            return Text("HTTP 200, {detail}", "HTTP 200，{detail}").filled({"detail": answer.detail})
        case Embedded():
            floats, ms = len(answer.vectors[0]), answer.seconds * 1000
            if not answer.has_numbers and answer.nulls[0] < floats:
                return Text(
                    f"HTTP 200, {floats} components and no number among them (null, NaN or infinite)",
                    f"HTTP 200，{floats} 个分量全是 null、NaN 或无穷大，没有一个数",
                )
            if answer.is_zero:
                return Text(f"HTTP 200, all {floats} numbers are 0", f"HTTP 200，{floats} 个数全是 0")
            if answer.packed:
                return Text(
                    f"HTTP 200, {floats} numbers in base64 in {ms:.0f} ms",
                    f"HTTP 200，base64 编码的 {floats} 个数，用时 {ms:.0f} ms",
                )
            numbers = counted(answer.nulls[0], floats)
            return Text(f"HTTP 200, {numbers.en} in {ms:.0f} ms", f"HTTP 200，{numbers.zh}，用时 {ms:.0f} ms")
        case Reply():
            return f"HTTP {answer.status}"


def counted(null: int, components: int) -> Text:
    """Components of a vector in words: numbers, or what stands in their place."""
    if null == components:
        return Text(f"{null} nulls and no number", f"{null} 个 null，没有一个数")
    if null:
        return Text(f"{components - null} floats and {null} nulls", f"{components - null} 个浮点数和 {null} 个 null")
    return Text(f"{components} floats", f"{components} 个浮点数")


def _refusal(answer: Refused) -> Words:
    if answer.html:
        return Text("HTTP {status}, {page}", "HTTP {status}，{page}").filled(
            {"status": answer.status, "page": _page(answer.message)}
        )
    return f"HTTP {answer.status}: {answer.message}" if answer.message else f"HTTP {answer.status}"


def _page(title: str) -> Text:
    """An HTML page, by its title."""
    if not title:
        return Text("an HTML page", "一个 HTML 页面")
    return Text("an HTML page: {title}", "HTML 页面：{title}").filled({"title": title})


def reason_of(answer: Refused) -> Words:
    """Why a request was refused, as a part of a sentence."""
    if answer.html:
        return _page(answer.message)
    return answer.message.rstrip(". 。") or Text("without a reason", "没有给出原因")


def wanted(answer: Answer, count: int = 1) -> Words:
    """What should have come in place of an answer: of a 200 it is no status that is amiss."""
    if not isinstance(answer, Unusable):
        return "HTTP 200"
    return Text("a vector", "一条向量") if count == 1 else Text(f"{count} vectors", f"{count} 条向量")


def is_late(answer: Answer) -> bool:
    """Whether only the time was too short for a whole response."""
    return isinstance(answer, Failure) and answer.late


def is_busy(answer: Answer) -> bool:
    """True for 429 and 503: overload, says nothing about capability."""
    return isinstance(answer, Refused) and answer.status in (429, 503)


def may_be_too_many(answer: Answer) -> bool:
    """Whether a request may have been refused for its number of texts, as servers and gateways do."""
    if not isinstance(answer, Refused) or answer.status not in (400, 413, 422):
        return False
    return too_long(answer.message) is None


def shows_nothing(answer: Answer) -> bool:
    """Whether a request was not sent, or was given up with the run before the server had a fair time for it."""
    return isinstance(answer, NotSent) or (isinstance(answer, Failure) and answer.kind == "cut-off")


SMALL_IDS = ((101, 102),)
"""Token ids that every vocabulary has; BERT's [CLS] and [SEP]. Larger ones may lie beyond it, which ends a server."""


ABSENT = "absent"
"""In place of an encoding: the request does not name any."""


def request_body(
    texts: Sequence[str] | tuple[tuple[int, ...], ...] | str,
    model: str | None,
    encoding: str | None = "float",
    dimensions: int | None = None,
) -> bytes:
    """The JSON of an embeddings request of texts, of one that is no list, or of `SMALL_IDS`."""
    body: dict[str, Any] = {"input": texts if isinstance(texts, str) else list(texts)}
    if encoding != ABSENT:
        body["encoding_format"] = encoding
    if model is not None:
        body["model"] = model
    if dimensions is not None:
        body["dimensions"] = dimensions
    import orjson

    try:
        return orjson.dumps(body)
    except TypeError:  # half of a surrogate pair, which is no text
        import json

        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def read(reply: Reply | Failure, count: int) -> Answer:
    """What an exchange for `count` texts brought."""
    if isinstance(reply, Failure):
        return reply
    if reply.status != 200:
        return refusal(reply)
    payload = reply.json()
    if payload is None:
        if reply.body.strip() == b"null":
            return Unusable("null", Text("null in place of vectors", "响应体是 null，没有向量"), reply.seconds)
        return _no_json(reply)
    return _vectors(payload, reply, count)


def joined(answers: Sequence[Answer]) -> Answer:
    """Several answers as one, in their order; the first that has no vectors, if any."""
    if failed := next((answer for answer in answers if not isinstance(answer, Embedded)), None):
        return failed
    parts = [answer for answer in answers if isinstance(answer, Embedded)]
    if len(parts) == 1:
        return parts[0]
    tokens = [part.tokens for part in parts if part.tokens is not None]
    vectors = tuple(vector for part in parts for vector in part.vectors)
    return Embedded(
        vectors=vectors,
        nulls=tuple(count for part in parts for count in part.nulls),
        indexes=tuple(range(len(vectors))),
        tokens=sum(tokens) if len(tokens) == len(parts) else None,
        model=parts[0].model,
        seconds=sum(part.seconds for part in parts),
        packed=any(part.packed for part in parts),
    )


def refusal(reply: Reply) -> Refused:
    """An answer with another status than 200, as far as it says who refuses and why."""
    headers, gateway = reply.headers, gateway_of(reply.headers)
    return Refused(
        reply.status,
        error_message(reply),
        reply.is_html,
        clean(headers.get("server", ""), 60),
        reply.seconds,
        gateway=gateway.name if gateway else "",
        location=clean(headers.get("location", ""), 200),
        challenge=clean(headers.get("www-authenticate", "").partition(" ")[0], 20),
    )


def _vectors(payload: Any, reply: Reply, count: int) -> Answer:
    data = payload.get("data") if isinstance(payload, Mapping) else None
    if not isinstance(data, list) or not data:
        if isinstance(payload, Mapping) and (message := own_words(payload)):
            error = Text("an error in place of vectors: {message}", "是错误信息，没有向量：{message}")
            return Unusable("error", error.filled({"message": message}), reply.seconds, message)
        words = Text("JSON without vectors: {body}", "JSON 里没有向量：{body}")
        return Unusable("no-data", words.filled({"body": reply.excerpt(80)}), reply.seconds)
    if len(data) != count:
        return Unusable(
            "wrong-count",
            Text(
                f"{_several(len(data), 'vector')} for {_several(count, 'text')}",
                f"{count} 条文本返回了 {len(data)} 条向量",
            ),
            reply.seconds,
        )
    items = [item if isinstance(item, Mapping) else {} for item in data]
    read_items = [_components(item.get("embedding")) for item in items]
    for number, components in enumerate(read_items):
        if components is None:
            words = Text(f"data[{number}].embedding is {{kind}}", f"data[{number}].embedding {{kind}}")
            return Unusable("no-vector", words.filled({"kind": _kind_of(items[number])}), reply.seconds)
    indexes = [_whole(item.get("index")) for item in items]
    order = _order(indexes)
    good = [c for c in read_items if c is not None]
    usage = payload.get("usage")
    model = payload.get("model")
    return Embedded(
        vectors=tuple(good[i][0] for i in order),
        nulls=tuple(good[i][1] for i in order),
        indexes=tuple(indexes),
        tokens=_whole(usage.get("prompt_tokens")) if isinstance(usage, Mapping) else None,
        model=clean(model, 200) if isinstance(model, str) else None,
        seconds=reply.seconds,
        packed=isinstance(items[0].get("embedding"), str),
        cached=_cached(usage),
    )


def _cached(usage: Any) -> int | None:
    details = usage.get("prompt_tokens_details") if isinstance(usage, Mapping) else None
    return _whole(details.get("cached_tokens")) if isinstance(details, Mapping) else None


def _no_json(reply: Reply) -> Unusable:
    body = reply.excerpt(80)
    if not body:
        return Unusable("not-json", Text("an empty body", "响应体为空"), reply.seconds)
    if reply.is_html:
        return Unusable("page", _page(reply.title()), reply.seconds)
    if reply.body.lstrip()[:1] in (b"{", b"[") and reply.body.rstrip()[-1:] not in (b"}", b"]"):
        size = len(reply.body)
        cut = Text(f"JSON that is cut off after {size} bytes", f"JSON 在第 {size} 字节处中断")
        return Unusable("cut", cut, reply.seconds)
    return Unusable("not-json", Text("not JSON: {body}", "不是 JSON：{body}").filled({"body": body}), reply.seconds)


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _order(indexes: list[int | None]) -> list[int]:
    """Positions sorted by `index` where the indexes are a permutation, else as they came."""
    if sorted(i for i in indexes if i is not None) != list(range(len(indexes))):
        return list(range(len(indexes)))
    return sorted(range(len(indexes)), key=lambda position: indexes[position] or 0)


def _components(embedding: Any) -> tuple[tuple[float, ...], int] | None:
    if isinstance(embedding, str):
        return _from_base64(embedding)
    if not isinstance(embedding, list) or not embedding:
        return None
    if set(map(type, embedding)) == {float}:
        return tuple(embedding), 0
    values = []
    for component in embedding:
        if component is None:
            values.append(math.nan)
        elif isinstance(component, int | float) and not isinstance(component, bool):
            values.append(_float(component))
        else:
            return None
    return tuple(values), embedding.count(None)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _from_base64(text: str) -> tuple[tuple[float, ...], int] | None:
    """Little-endian float32, as OpenAI's API defines it (sglang from 0.5.17 on)."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not raw or len(raw) % 4:
        return None
    values = array("f", raw)
    return tuple(values), 0


def _kind_of(item: Mapping[str, Any]) -> Text:
    embedding = item.get("embedding")
    if embedding is None:
        return Text("null", "为 null") if "embedding" in item else Text("missing", "不存在")
    if isinstance(embedding, list):
        odd = Text("a list that holds more than numbers", "是混有非数字的列表")
        return odd if embedding else Text("an empty list", "是空列表")
    if isinstance(embedding, str):
        return Text("a string that is not base64 of 32-bit floats", "是字符串，但不是 float32 的 base64")
    return Text(f"a {type(embedding).__name__}", f"的类型是 {type(embedding).__name__}")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def error_message(reply: Reply) -> str:
    """The server's own words in an error answer, of an HTML page its title."""
    if reply.is_html:
        return reply.title()
    return own_words(reply.json()) or reply.excerpt(120)


_PLACES = ("message", "msg", "error", "detail", "details", "errors", "error_msg", "errmsg", "error_message", "title")
"""Where servers put their words, the most telling first.

sglang: `{"object":"error","message":..}`, `{"error":"Unauthorized"}`, `{"detail":"Not Found"}`; OpenAI and vLLM:
`{"error":{"message":..}}`; FastAPI: `{"detail":[{"loc":..,"msg":..}]}`; Java's and Go's: `msg`, `errors`, `error_msg`.
"""

_DEPTH = 3
"""How deep in an answer its words are looked for."""


def own_words(payload: Any, depth: int = _DEPTH) -> str:
    """The words of an error, whichever of the known shapes it has; empty where it has none of them."""
    if isinstance(payload, str):
        return clean(unescaped(payload).strip(), 200)
    if isinstance(payload, list) and payload and depth:
        return own_words(payload[0], depth - 1)
    if not isinstance(payload, Mapping) or not depth:
        return ""
    places = {key.lower(): value for key, value in payload.items() if isinstance(key, str)}
    words = next((words for place in _PLACES if (words := own_words(places.get(place), depth - 1))), "")
    where = places.get("loc")
    if words and isinstance(where, list) and where:
        return clean(f"{'.'.join(map(str, where[:5]))}: {words}", 200)
    return words
