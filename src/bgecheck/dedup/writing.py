"""Writes what is kept, and beside it what was dropped for which text: each file whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from bgecheck.dedup.outcome import Group, Outcome
from bgecheck.model import BadInput, Text

STDOUT = "-"


def require_form(path: str) -> None:
    """Raise `BadInput` for a file whose ending names no form."""
    ending = os.path.splitext(path)[1].lower()
    if path != STDOUT and ending not in _FORMS:
        listed = ", ".join(_FORMS)
        raise BadInput(
            f"--write {path}",
            Text("its extension is not a supported format", "后缀不是支持的格式"),
            Text(f"choose: {listed}", f"可选：{listed}"),
        )


def dropped_path(path: str) -> str:
    """Where the dropped texts of an output stand: `kept.txt` has `kept.dropped.jsonl` beside it."""
    return f"{os.path.splitext(path)[0]}.dropped.jsonl"


def write(path: str, outcome: Outcome, *, groups: bool) -> None:
    """Write the kept texts in the form of the ending, and the dropped ones beside. Raises `OSError`, `BadInput`."""
    lines = _FORMS[os.path.splitext(path)[1].lower()](outcome, groups)
    _whole(dropped_path(path), _dropped(outcome))
    _whole(path, lines)


def lines_of_texts(outcome: Outcome, groups: bool) -> Iterator[str]:
    """A kept text a line; by groups, those dropped for it below, each behind a tab, its similarity and a tab.

    Raises `BadInput` for a text of several lines, which nobody could tell apart.
    """
    for group in outcome.groups():
        yield _one_line(outcome, group.kept) + "\n"
        for pair in group.dropped if groups else ():
            yield f"\t{similarity(pair.similarity, outcome.threshold)}\t{_one_line(outcome, pair.text)}\n"


def similarity(value: float, threshold: float) -> str:
    """A similarity with six decimals, and with more where they would not show on which side of the threshold it is."""
    for digits in (6, 9, 12):
        if round(value, digits) != round(threshold, digits):
            return f"{value:.{digits}f}"
    return repr(value)


def require_lines(path: str, texts: Sequence[str]) -> None:
    """Raise `BadInput` where an output has one line for each text, and a text has several: before they are compared."""
    if path == STDOUT or os.path.splitext(path)[1].lower() == ".txt":
        for number, text in enumerate(texts):
            _require_line(path, number, text)


def _one_line(outcome: Outcome, number: int) -> str:
    text = outcome.texts[number]
    _require_line("*.txt", number, text)
    return text


def _require_line(path: str, number: int, text: str) -> None:
    if "\n" in text or "\r" in text:
        raise BadInput(
            f"--write {path}",
            Text(
                f"text {number} (from 0) has several lines, and each text is written on one",
                f"第 {number} 条文本（从 0 数起）有多行，而这里每行写一条",
            ),
            Text("write .jsonl or .csv", "改用 .jsonl 或 .csv"),
        )


def _json_lines(outcome: Outcome, groups: bool) -> Iterator[str]:
    for group in outcome.groups():
        line: dict[str, object] = {"number": group.kept, "text": outcome.texts[group.kept]}
        if groups:
            line["dropped"] = _members(outcome, group)
        yield _as_line(line)


def _members(outcome: Outcome, group: Group) -> list[Mapping[str, object]]:
    return [
        {
            "number": pair.text,
            "text": outcome.texts[pair.text],
            "similarity": rounded(pair.similarity, outcome.threshold),
        }
        for pair in group.dropped
    ]


def rounded(value: float, threshold: float) -> float:
    """The number that `similarity` writes."""
    return float(similarity(value, threshold))


def _rows(outcome: Outcome, groups: bool) -> Iterator[str]:
    heads = ("number", "text", *(("kept", "similarity") if groups else ()))
    yield _row(heads)
    for group in outcome.groups():
        yield _row((group.kept, outcome.texts[group.kept], *((group.kept, "") if groups else ())))
        for pair in group.dropped if groups else ():
            yield _row(
                (pair.text, outcome.texts[pair.text], group.kept, similarity(pair.similarity, outcome.threshold))
            )


def _row(cells: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _dropped(outcome: Outcome) -> Iterator[str]:
    """An object for each dropped text: itself, its representative, and their similarity."""
    for pair in outcome.dropped:
        yield _as_line(
            {
                "number": pair.text,
                "text": outcome.texts[pair.text],
                "representative": pair.other,
                "representative_text": outcome.texts[pair.other],
                "similarity": rounded(pair.similarity, outcome.threshold),
            }
        )


def _as_line(entry: Mapping[str, object]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _whole(path: str, lines: Iterator[str]) -> None:
    partial = f"{path}.{os.getpid()}.part"
    try:
        with open(partial, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


_FORMS: Mapping[str, Callable[[Outcome, bool], Iterator[str]]] = {
    ".txt": lines_of_texts,
    ".jsonl": _json_lines,
    ".csv": _rows,
}
