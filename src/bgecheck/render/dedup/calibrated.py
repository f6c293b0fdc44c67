"""What labelled pairs say of thresholds: on the screen, and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from bgecheck.dedup.calibration import AtLevel, Calibration, Interval, Point
from bgecheck.model import Text
from bgecheck.render.dedup.bars import Series, bars
from bgecheck.render.prose import Prose
from bgecheck.render.screen import Screen, drawn

_THRESHOLD, _PRECISION, _RECALL, _F1 = (
    Text("threshold", "阈值"),
    Text("precision", "精确率"),
    Text("recall", "召回率"),
    Text("F1", "F1"),
)
_BEST = Text("best F1", "F1 最高")
_FEW = 30
"""Pairs of a kind below which the intervals are too wide to decide by."""


def drawn_calibration(calibration: Calibration, screen: Screen, *, unlabelled: int, command: str) -> str:
    """The whole screen; `command` de-duplicates with the threshold that was found."""
    console = screen.console()
    table = screen.table(head=True)
    for heading in (Text("", ""), _THRESHOLD, _PRECISION, _RECALL, _F1):
        table.add_column(screen.say(heading), overflow="fold")
    for row in _rows(calibration, screen):
        table.add_row(*row)
    console.print(table)
    for line in _overlap(calibration, screen):
        console.print(line, soft_wrap=True)
    for remark in _remarks(calibration, unlabelled):
        console.print(Prose(screen.say(remark)))
    console.print(f"  {command}", soft_wrap=True)
    return drawn(console)


def _rows(calibration: Calibration, screen: Screen) -> Iterator[tuple[str, ...]]:
    best = calibration.best
    yield (
        screen.say(_BEST),
        f"{best.threshold:g} {_bounds_of(calibration.threshold)}",
        _with(best.precision, calibration.precision),
        _with(best.recall, calibration.recall),
        _with(best.f1, calibration.f1),
    )
    for one in calibration.at_recall:
        name = screen.say(Text(f"recall >= {one.level:g}", f"召回率 >= {one.level:g}"))
        yield _level(name, one, "precision", screen)
    for one in calibration.at_precision:
        name = screen.say(Text(f"precision >= {one.level:g}", f"精确率 >= {one.level:g}"))
        yield _level(name, one, "recall", screen)
    current = calibration.current
    asked = screen.say(Text(f"at {current.threshold:g}", f"取 {current.threshold:g}"))
    yield asked, f"{current.threshold:g}", f"{current.precision:.3f}", f"{current.recall:.3f}", f"{current.f1:.3f}"


def _level(name: str, one: AtLevel, sure: str, screen: Screen) -> tuple[str, ...]:
    if one.point is None:
        return name, screen.say(Text("not reached", "达不到")), "", "", ""
    point = one.point
    precision, recall = f"{point.precision:.3f}", f"{point.recall:.3f}"
    if sure == "precision":
        precision = _with(point.precision, one.interval)
    else:
        recall = _with(point.recall, one.interval)
    return name, f"{point.threshold:g}", precision, recall, f"{point.f1:.3f}"


def _with(value: float, interval: Interval) -> str:
    return f"{value:.3f} {_bounds_of(interval)}"


def _bounds_of(interval: Interval) -> str:
    return f"{interval.low:.2f}-{interval.high:.2f}"


def _overlap(calibration: Calibration, screen: Screen) -> Iterator[str]:
    same, other = calibration.histograms()
    duplicates, others = int(calibration.same.sum()), int((~calibration.same).sum())
    yield screen.say(
        Text(
            f"Similarity of the labelled pairs: {duplicates} duplicates, {others} others",
            f"已标注文本对的相似度：重复 {duplicates} 对，不重复 {others} 对",
        )
    )
    series = (
        Series(Text("others", "不重复"), other.tolist(), "░", ".", "kept"),
        Series(Text("duplicates", "重复"), same.tolist(), "█", "#", "dropped"),
    )
    yield from bars(series, screen)


def _remarks(calibration: Calibration, unlabelled: int) -> Iterator[Text]:
    reach, short = calibration.overlap
    auc = f"{calibration.auc:.3f}"
    if reach:
        yield Text(
            f"the two overlap: {reach} others are as similar as a pair of duplicates, and {short} duplicates no more "
            f"than one of the others; AUC {auc}",
            f"两类有重叠：{reach} 对不重复的相似度不低于某对重复，{short} 对重复的相似度不高于某对不重复；AUC {auc}",
        )
    else:
        low, high = f"{calibration.gap.low:.4f}", f"{calibration.gap.high:.4f}"
        yield Text(
            f"the two do not overlap: any threshold from {low} to below {high} tells them apart",
            f"两类没有重叠：阈值取 {low} 到 {high}（不含）之间都能分开",
        )
    fewest = min(int(calibration.same.sum()), int((~calibration.same).sum()))
    if fewest < _FEW:
        yield Text(
            f"only {fewest} pairs of one kind: label at least {_FEW} of each, the intervals are wide",
            f"其中一类只有 {fewest} 对，区间太宽：每类至少标注 {_FEW} 对",
        )
    if unlabelled:
        yield Text(f"{unlabelled} pairs have no label and do not count", f"{unlabelled} 对没有标注，不计入")
    yield _READING


_READING = Text(
    "behind a figure: 95 % of 1,000 resamples. Precision is that of these pairs, whose share of duplicates is not that "
    "of your texts. The threshold holds for this model and this way of encoding alone",
    "数字后面是 1,000 次自助抽样的 95% 区间。精确率针对这些文本对，其中重复的比例与实际语料不同。"
    "阈值只适用于当前模型和编码方式",
)


def calibration_as_json(calibration: Calibration, unlabelled: int) -> str:
    """The document `bgecheck.dedup.calibration/1`."""
    payload = {
        "schema": "bgecheck.dedup.calibration/1",
        "pairs": len(calibration.same),
        "duplicates": int(calibration.same.sum()),
        "unlabelled": unlabelled,
        "best": {
            **_point(calibration.best),
            "intervals": {
                "threshold": _bounds(calibration.threshold),
                "precision": _bounds(calibration.precision),
                "recall": _bounds(calibration.recall),
                "f1": _bounds(calibration.f1),
            },
        },
        "at_recall": [_at_level(one) for one in calibration.at_recall],
        "at_precision": [_at_level(one) for one in calibration.at_precision],
        "current": _point(calibration.current),
        "auc": calibration.auc,
    }
    return json.dumps(payload, ensure_ascii=False, indent=1) + "\n"


def _at_level(one: AtLevel) -> Mapping[str, object]:
    point = None if one.point is None else _point(one.point)
    return {"level": one.level, "point": point, "interval": _bounds(one.interval)}


def _point(point: Point) -> Mapping[str, float]:
    return {
        "threshold": point.threshold,
        "precision": round(point.precision, 6),
        "recall": round(point.recall, 6),
        "f1": round(point.f1, 6),
    }


def _bounds(interval: Interval) -> list[float]:
    return [round(interval.low, 6), round(interval.high, 6)]
