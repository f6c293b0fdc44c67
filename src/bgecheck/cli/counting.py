"""What counts as a problem: the values of `--ignore` and `--severity`, understood and checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from bgecheck.cli.blank import not_blank
from bgecheck.cli.nearest import one_of
from bgecheck.model import BadInput, Redactor, Severity, Text, clean
from bgecheck.run import catalog

_UNTIL = re.compile(r"@([^@]*)$")
_MAIL = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}[.)）]?")
"""What stands behind the `@` of a mail address in a reason."""


class Ignored(NamedTuple):
    """Rows whose problems do not count, why, and through which day."""

    pattern: str
    reason: str
    until: date | None = None


def pattern(given: str) -> str:
    """What an id, a glob or the name of an area matches: `logs` is `logs.*`."""
    name = given.strip()
    return f"{name}.*" if name in catalog.AREAS else name


def patterns(option: str, given: Sequence[str] | None) -> tuple[str, ...]:
    """The patterns of `--only` or `--skip`, which is repeatable and takes commas.

    Raises `BadInput` for an item without a pattern, and for a pattern that matches no row.
    """
    for item in given or ():
        not_blank(option, item, item.replace(",", ""))
    chosen = tuple(pattern(part) for item in given or () for part in item.split(",") if part.strip())
    for one in chosen:
        catalog.require(one, option)
    return chosen


def ignored(given: str) -> Ignored:
    """One value of `--ignore`: `ID[:REASON][@YYYY-MM-DD]`. Raises `BadInput`."""
    until = None
    name, colon, reason = given.partition(":")
    end = _UNTIL.search(given)
    if end and not (colon and _MAIL.fullmatch(end[1].strip())):
        until = _day(given, end[1].strip())
        name, _, reason = given[: end.start()].partition(":")
    catalog.require(pattern(name), "--ignore")
    return Ignored(pattern(name), Redactor().text(clean(reason.strip(), 200)), until)


def _day(given: str, written: str) -> date:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", written):
            return date.fromisoformat(written)
    except ValueError:
        pass
    raise BadInput(
        f"--ignore {given}",
        Text(f"what follows the last @, {written!r}, is no date", f"最后一个 @ 后面的 {written!r} 不是日期"),
        Text("write the last day as @2026-12-31, or leave it out", "把最后一天写成 @2026-12-31，或去掉"),
    )


def split(given: Sequence[str] | None, today: date) -> tuple[dict[str, str], tuple[Text, ...]]:
    """The reason for each pattern that is ignored today, and a note for each whose day is over."""
    values = [ignored(item) for item in given or ()]
    ended = [value for value in values if value.until is not None and value.until < today]
    return {value.pattern: _why(value) for value in values if value not in ended}, tuple(map(_over, ended))


def _why(value: Ignored) -> str:
    """The reason with its last day, as the option has them."""
    return value.reason if value.until is None else f"{value.reason} @{value.until}".strip()


def _over(value: Ignored) -> Text:
    reason = f" ({value.reason})" if value.reason else ""
    reason_zh = f"（{value.reason}）" if value.reason else " "
    return Text(
        "--ignore {pattern}{reason} ended on {until}: its problems count again. Mend them, or give a later day",
        "--ignore {pattern}{reason_zh}已于 {until} 到期：相关问题重新计入结果。请解决问题，或改写更晚的日期",
    ).filled({"pattern": value.pattern, "reason": reason, "reason_zh": reason_zh, "until": value.until})


def severity(given: str) -> tuple[str, Severity]:
    """One value of `--severity`: `ID=error|warning`. Raises `BadInput`."""
    name, equals, level = given.partition("=")
    if not equals:
        raise BadInput(
            f"--severity {given}",
            Text("it names no level", "没有写级别"),
            Text(f"write it as {given.strip()}=warning", f"写成 {given.strip()}=warning 这样"),
        )
    catalog.require(pattern(name), "--severity")
    return pattern(name), Severity(one_of(f"--severity {name}", level.strip(), [str(one) for one in Severity]))
