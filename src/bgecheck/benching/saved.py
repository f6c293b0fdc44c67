"""Measurements as a file, `bgecheck.bench/1`: what a later run is compared with."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bgecheck.benching.advice import Advice, seconds_for
from bgecheck.benching.benching import Bench
from bgecheck.benching.measured import Part, Result, Setting
from bgecheck.engines.sglang.tuning import Tuning
from bgecheck.model import BadInput, Text, clean, reason_of, say

SCHEMA = "bgecheck.bench/1"

MOST_LATENCIES = 2000
"""Of one setting that are kept, drawn at random: its quantiles stay within what the sample is sure of anyway."""

LARGEST = 64 * 2**20
"""Bytes of a file that is read."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What is compared of a setting: its parts (texts, seconds) and the latencies of its requests."""

    setting: Setting
    parts: tuple[Part, ...]
    latencies: tuple[float, ...]
    """Seconds, ascending."""

    @property
    def rate(self) -> float:
        """Texts a second."""
        return sum(part.texts for part in self.parts) / sum(part.seconds for part in self.parts)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it was saved."""

    path: str
    url: str
    model: str
    tokens: float
    """Of one text, on average."""
    settings: Mapping[Setting, Saved]
    """Those that gave right vectors, nearly always."""


def as_json(bench: Bench, advice: Advice, changes: Sequence[Tuning], texts: int | None, holds: bool) -> dict[str, Any]:
    """The run for programs, with what the comparison needs; seconds, texts a second, tokens a second."""
    return {
        "schema": SCHEMA,
        "url": bench.url,
        "model": bench.model,
        "max_running_requests": bench.at_once,
        "dimensions": bench.dims,
        "texts": {"tokens": round(bench.tokens, 1), "repeated": round(bench.repeated, 2)},
        "seconds": round(bench.took, 3),
        "ok": holds,
        "ended": say(bench.ended, "en") or None,
        "objectives": [str(one) for one in bench.options.wanted],
        "advised": _place(advice.chosen),
        "fastest": _place(advice.best),
        "knee": _place(advice.knee),
        "nearest": _place(advice.nearest),
        "seconds_for_texts": None if texts is None or advice.chosen is None else seconds_for(texts, advice.chosen),
        "server_changes": [
            {"changes": dict(one.changes), "reason": one.reason.en, "line": None if one.line is None else str(one.line)}
            for one in changes
        ],
        "settings": [_setting(bench.results[setting]) for setting in sorted(bench.results)],
    }


def _place(result: Result | None) -> dict[str, Any] | None:
    if result is None:
        return None
    setting = result.setting
    return {"batch": setting.batch, "concurrency": setting.concurrency, "rate": setting.rate or None}


def _setting(result: Result) -> dict[str, Any]:
    latencies = result.latencies
    kept = sorted(random.sample(latencies, MOST_LATENCIES)) if len(latencies) > MOST_LATENCIES else latencies
    return {
        "batch": result.setting.batch,
        "concurrency": result.setting.concurrency,
        "rate": result.setting.rate or None,
        "usable": result.is_usable,
        "texts_per_second": round(result.rate, 3),
        "tokens_per_second": round(result.tokens, 1),
        **{name: _seconds(result, share) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))},
        "requests": result.requests,
        "errors": dict(result.errors),
        "wrong": dict(result.wrong),
        "lowest_cosine": round(result.cosine, 6),
        "client_cores": round(result.client, 3),
        "falls_behind": result.falls_behind,
        "parts": [[part.texts, round(part.seconds, 6)] for stretch in result.stretches for part in stretch.parts],
        "latencies": [round(latency, 6) for latency in kept],
    }


def _seconds(result: Result, share: float) -> float | None:
    latency = result.quantile(share)
    return round(latency, 6) if latency < float("inf") else None


def read_run(path: str) -> Run:
    """A run from its file. Raises `BadInput`."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        payload = orjson.loads(content) if len(content) <= LARGEST else None
    except OSError as error:
        why = reason_of(error)
        raise _unusable(path, Text(f"cannot be read: {why.en}", f"无法读取：{why.zh}")) from error
    except orjson.JSONDecodeError as error:
        raise _unusable(path, Text("is no JSON", "不是 JSON")) from error
    if not isinstance(payload, Mapping) or payload.get("schema") != SCHEMA:
        raise _unusable(path, Text("holds no saved bench", "不是保存的 bench 结果"))
    try:
        settings = [_read(entry) for entry in payload["settings"] if entry["usable"]]
        tokens = float(payload["texts"]["tokens"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _unusable(path, Text("is damaged: a field is missing or wrong", "已损坏：字段缺失或不对")) from error
    if not settings:
        raise _unusable(path, Text("has no setting that gave vectors", "没有一组设置得到过向量"))
    url, model = clean(str(payload.get("url")), 200), clean(str(payload.get("model")), 200)
    return Run(path, url, model, tokens, {one.setting: one for one in settings})


def _read(entry: Any) -> Saved:
    setting = Setting(int(entry["batch"]), int(entry["concurrency"]), float(entry["rate"] or 0.0))
    parts = tuple(Part(int(texts), float(seconds)) for texts, seconds in entry["parts"])
    latencies = tuple(sorted(float(latency) for latency in entry["latencies"]))
    sane = all(part.texts > 0 and 0 < part.seconds < 1e9 for part in parts)
    if not parts or not latencies or not sane or not all(0 < latency < 1e9 for latency in latencies):
        raise ValueError(setting)
    return Saved(setting, parts, latencies)


def _unusable(path: str, why: Text) -> BadInput:
    return BadInput(
        clean(path, 200),
        why,
        Text("give two files that bgecheck bench --save has written", "给两个由 bgecheck bench --save 写出的文件"),
    )
