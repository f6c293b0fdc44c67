"""Which row explains which, as a page of the documentation: a drawing in Mermaid, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

from bgecheck.model import Language, Text
from bgecheck.render.root_causes import CHECK

Explainers = Mapping[str, Sequence[str]]
"""For each row the rows that may explain it."""

_TITLE = Text("Root causes", "根因")
_INTRO = Text(
    "An arrow leads from a row to one that fails because of it. Of rows that fail together a report shows those that "
    "no other explains, and folds the rest under them. Rows with the same arrows share a box, and an arrow that "
    "follows from others is left out of the drawing; the table has all. A row may explain fewer by some of its "
    "causes. This page is generated from the rows: `make format` writes it, `make check` compares it.",
    "箭头从一项检查指向因它而不通过的检查。多项同时不通过时，报告只列出没有其他项能解释的那些，其余归到它们名下。"
    "箭头相同的检查项画在一个框里；能由其他箭头推出的箭头不画，表格里是全部。同一项的某些原因能解释的可能更少。"
    "本页由检查项自动生成：`make format` 写入，`make check` 比对。",
)
_EXPLAINS = Text("explains", "会导致")
_MORE = Text("{n} more", "另有 {n} 项")
_SHOWN = 6
"""Rows of one box that are named."""

Box = tuple[str, ...]
"""Rows with the same arrows, in the order of the report."""


def causes(explainers: Explainers, language: Language) -> str:
    """The whole page."""
    boxes = _boxes(explainers)
    drawing = "\n".join(["```mermaid", "graph LR", *_drawn(boxes, explainers, language), "```"])
    parts = [f"# {_TITLE.to(language)}", _INTRO.to(language), drawing, "\n".join(_table(boxes, explainers, language))]
    return "\n\n".join(parts) + "\n"


def _explained(explainers: Explainers) -> dict[str, list[str]]:
    """The table read from the other end: for each row those that it may explain."""
    explained: dict[str, list[str]] = {row: [] for row in explainers}
    for row, above in explainers.items():
        for other in above:
            explained[other].append(row)
    return explained


def _boxes(explainers: Explainers) -> list[Box]:
    """The rows that have arrows, those with the same ones together."""
    explained = _explained(explainers)
    boxes: dict[tuple[frozenset[str], frozenset[str]], list[str]] = {}
    for row in explainers:
        if explainers[row] or explained[row]:
            boxes.setdefault((frozenset(explainers[row]), frozenset(explained[row])), []).append(row)
    return [tuple(rows) for rows in boxes.values()]


def _drawn(boxes: Sequence[Box], explainers: Explainers, language: Language) -> list[str]:
    lines = [f'  b{number}["{_label(box, language)}"]' for number, box in enumerate(boxes)]
    numbers = {row: number for number, box in enumerate(boxes) for row in box}
    above = {number: {numbers[row] for row in explainers[box[0]]} for number, box in enumerate(boxes)}
    return [*lines, *(f"  b{start} --> b{end}" for end, starts in _direct(above).items() for start in sorted(starts))]


def _direct(above: Mapping[int, set[int]]) -> dict[int, set[int]]:
    """For each box those above it from which no longer way leads to it."""
    whole: dict[int, set[int]] = {}
    for box in TopologicalSorter(above).static_order():
        whole[box] = {top for near in above[box] for top in (near, *whole[near])}
    further = {box: {top for near in starts for top in whole[near]} for box, starts in above.items()}
    return {box: starts - further[box] for box, starts in above.items()}


def _label(box: Box, language: Language) -> str:
    more = len(box) - _SHOWN
    rest = [_MORE.to(language).format(n=more)] if more > 0 else []
    return "<br>".join([*box[:_SHOWN], *rest])


def _table(boxes: Sequence[Box], explainers: Explainers, language: Language) -> list[str]:
    explained = _explained(explainers)
    lines = [f"| {CHECK.to(language)} | {_EXPLAINS.to(language)} |", "| --- | --- |"]
    return [*lines, *(f"| {_ids(box)} | {_ids(explained[box[0]])} |" for box in boxes if explained[box[0]])]


def _ids(rows: Sequence[str]) -> str:
    return "<br>".join(f"`{row}`" for row in rows)
