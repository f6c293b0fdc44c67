"""One look at a server, and the line of JSON that keeps it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from bgecheck.model import Text, clean

SCHEMA = "bgecheck.watch/1"

LINE_LIMIT = 64 * 1024
"""Bytes of the longest line that is read back; a sample has some 500."""

NOT_VISIBLE = Text("the server's process is not visible here", "这里看不到服务的进程")

_WORDS_LIMIT = 300
_EVENTS_LIMIT = 50
"""Events of one sample that are kept."""

Kind = Literal["restart", "gone", "back", "cause", "sleep", "clock", "gap", "alert", "over"]
"""Of an event: the server restarted, is gone or back; a cause in its log; the machine slept, its clock was set, this
program was held up; an alert began or is over."""
_KINDS = get_args(Kind)


class Event(NamedTuple):
    """Something that happened between two samples."""

    kind: Kind
    text: Text
    id: str = ""
    """The row or log cause that it is about."""
    fatal: bool = False
    """Of a cause: whether it is one that ends a server, or makes it fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was seen at one moment; None where it could not be seen. Sizes in bytes, times in seconds."""

    at: float
    """Seconds since the epoch, by the clock of the machine."""
    elapsed: float
    """Seconds since the watch began, by a clock that nobody sets and that stands still while the machine sleeps."""
    asleep: float = 0.0
    """Seconds since the sample before for which the machine slept."""
    clock_set: float = 0.0
    """Seconds by which its clock was set since then."""
    session: int = 0
    """How often the server was seen to start anew."""
    pid: int | None = None
    rss: int | None = None
    """Main memory of the server's processes."""
    ram_free: int | None = None
    """What they could get beside it, by the machine and their control group."""
    gpu: int | None = None
    """GPU memory of the server's processes."""
    gpu_free: int | None = None
    """Free on that GPU of theirs which has the least."""
    temperature: int | None = None
    """Degrees Celsius of the hottest of them."""
    clock: int | None = None
    """MHz of the slowest of them."""
    throttled: bool | None = None
    latency: float | None = None
    """Of a short text that was never sent before."""
    canary: float | None = None
    """Of the text that is always the same."""
    cosine: float | None = None
    """Of that text's vector and its first one."""
    odd: str | None = None
    """Why the vector cannot be compared with the first."""
    failure: str | None = None
    """How a request failed."""
    held_back: str | None = None
    """Why no text was sent."""
    cached: int | None = None
    """Tokens that the answers say were cached."""
    cached_total: int | None = None
    """The same as the server's metrics count them for all clients."""
    running: int | None = None
    queued: int | None = None
    answered: int | None = None
    """Requests that the server has answered, by its metrics or its log."""
    events: tuple[Event, ...] = ()

    @property
    def asked(self) -> bool:
        """Whether a text was sent."""
        return self.failure is not None or self.latency is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is watched and how; it stands in the first line of a file, with its first sample."""

    url: str = ""
    model: str = ""
    every: float = 15.0
    """Seconds between two samples."""
    encoder: bool | None = None
    """Whether the model is a bidirectional encoder, of which nothing may be cached; None where that is not known."""
    most_failed: float = 0.01
    """The share of requests that may fail."""
    no_rss: Text = NOT_VISIBLE
    """Why its main memory is not seen, where it is not."""
    no_gpu: Text = NOT_VISIBLE
    log: str = ""


_FLOATS = {
    "elapsed": "elapsed_s",
    "asleep": "asleep_s",
    "clock_set": "clock_set_s",
    "latency": "latency_s",
    "canary": "canary_s",
    "cosine": "cosine",
}
_COUNTS = {
    "session": "session",
    "pid": "pid",
    "rss": "rss_bytes",
    "ram_free": "ram_free_bytes",
    "gpu": "gpu_bytes",
    "gpu_free": "gpu_free_bytes",
    "temperature": "temperature_c",
    "clock": "clock_mhz",
    "cached": "cached_tokens",
    "cached_total": "cached_tokens_total",
    "running": "running",
    "queued": "queued",
    "answered": "answered",
}
_STRINGS = {"odd": "odd_vector", "failure": "failure", "held_back": "held_back"}
"""The fields of a sample by the keys of its line, which carry the units."""


def as_line(sample: Sample, watched: Watched | None = None) -> bytes:
    """A sample as one line of JSON; with what is watched, where it is the first."""
    import orjson

    payload: dict[str, Any] = {"schema": SCHEMA, "at": _written_time(sample.at), "at_s": round(sample.at, 3)}
    for names in (_FLOATS, _COUNTS, _STRINGS):
        for name, key in names.items():
            value = getattr(sample, name)
            payload[key] = round(value, 9) if isinstance(value, float) else value
    payload["throttled"] = sample.throttled
    payload["events"] = [_as_json(event) for event in sample.events]
    if watched is not None:
        payload["watch"] = _described(watched)
    return orjson.dumps(payload) + b"\n"


def _written_time(at: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")


def _as_json(event: Event) -> dict[str, Any]:
    return {"kind": event.kind, "id": event.id, "fatal": event.fatal, "en": event.text.en, "zh": event.text.zh}


def _described(watched: Watched) -> dict[str, Any]:
    words = {name: [getattr(watched, name).en, getattr(watched, name).zh] for name in ("no_rss", "no_gpu")}
    plain = {name: getattr(watched, name) for name in ("url", "model", "every", "encoder", "most_failed", "log")}
    return {**plain, **words}


class Line(NamedTuple):
    """A line that was read back: a sample, and what is watched where a watch begins with it."""

    sample: Sample
    watched: Watched | None


def from_line(line: bytes) -> Line | None:
    """A line of a file as it was written; None for what is none. What it holds is foreign: checked, and cleaned."""
    import orjson

    if len(line) > LINE_LIMIT:
        return None
    try:
        payload = orjson.loads(line)
    except ValueError:
        return None
    if not isinstance(payload, Mapping) or payload.get("schema") != SCHEMA:
        return None
    try:
        return Line(_sample(payload), _watched(payload["watch"]) if "watch" in payload else None)
    except (KeyError, TypeError, ValueError):
        return None


def _sample(payload: Mapping[str, Any]) -> Sample:
    """Raises `ValueError` and its like where a value is none of its kind."""
    given: dict[str, Any] = {name: _float(payload.get(key)) for name, key in _FLOATS.items()}
    given |= {name: _count(payload.get(key)) for name, key in _COUNTS.items()}
    given |= {name: _words(payload.get(key)) for name, key in _STRINGS.items()}
    given = {name: value for name, value in given.items() if value is not None}
    throttled = payload.get("throttled")
    if not isinstance(throttled, bool | None):
        raise ValueError("throttled")
    at = _float(payload["at_s"])
    if at is None or "elapsed" not in given:
        raise ValueError("without a time")
    events = tuple(map(_event, list(payload.get("events") or ())[:_EVENTS_LIMIT]))
    return Sample(at=at, throttled=throttled, events=events, **given)


def _float(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e12:
        raise ValueError(value)
    return float(value)


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**60:
        raise ValueError(value)
    return value


def _words(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(value)
    return clean(value, _WORDS_LIMIT)


def _event(payload: Any) -> Event:
    kind, en, zh, about = (payload[key] for key in ("kind", "en", "zh", "id"))
    if kind not in _KINDS or not isinstance(payload["fatal"], bool):
        raise ValueError(kind)
    texts = [_words(text) or "" for text in (en, zh, about)]
    return Event(kind, Text(texts[0], texts[1]), texts[2], payload["fatal"])


def _watched(payload: Any) -> Watched:
    every, bound = (_float(payload[name]) or 0.0 for name in ("every", "most_failed"))
    encoder = payload["encoder"]
    if not isinstance(encoder, bool | None) or not 0 < every <= 86400 or not 0 <= bound <= 1:
        raise ValueError(every)
    no_rss, no_gpu = (Text(*(_words(half) or "" for half in payload[name][:2])) for name in ("no_rss", "no_gpu"))
    url, model, log = (_words(payload[name]) or "" for name in ("url", "model", "log"))
    return Watched(
        url=url, model=model, every=every, encoder=encoder, most_failed=bound, no_rss=no_rss, no_gpu=no_gpu, log=log
    )
