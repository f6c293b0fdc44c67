"""The troubleshooting matrix: every area with its rows, in the order in which a report shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib import import_module

from bgecheck.model import Area, BadInput, Check, Moment, Severity, Text

AFTER_LAUNCH = ("logs", "host", "model", "ports", "gpu", "probe", "launch", "embed")
"""The areas that judge a running server, from the ground up."""

AREAS = (*AFTER_LAUNCH, "store", "watch")
"""The areas in the order of a report; the last two only where they are asked for."""

_ELSEWHERE = {"watch": "bgecheck.watching.rows"}
"""The modules of areas that are no checks of one moment."""

BEFORE_LAUNCH = ("launch", "model", "gpu", "ports", "host")
"""The areas that are looked at before the launch; of each the rows whose `moments` say so."""

_ALIKE = 0.6
"""Of `difflib`, 1 for the same: "lgos" has 0.6 with "logs.*", "nope" has 0.36 with "probe.*"."""


def area(name: str) -> Area:
    """The area of that name."""
    module = import_module(_ELSEWHERE.get(name, f"bgecheck.checks.{name}"))
    area: Area = module.AREA
    return area


def areas(names: Iterable[str] = AREAS) -> list[Area]:
    """The areas of those names, in catalogue order."""
    wanted = set(names)
    return [area(name) for name in AREAS if name in wanted]


def at(moment: Moment, chosen: Sequence[Area]) -> list[Area]:
    """The areas cut down to the rows that can be judged at a moment, and with the remedies of then.

    Areas without such a row are dropped.
    """
    cut = [replace(a, checks=[_at(moment, c) for c in a.checks if moment in c.moments]) for a in chosen]
    return [a for a in cut if a.checks]


def _at(moment: Moment, check: Check) -> Check:
    if moment != "before":
        return check
    variants = {name: advice.before_launch() for name, advice in check.variants.items()}
    return check._replace(advice=check.advice.before_launch(), variants=variants)


def rows() -> list[Check]:
    """Every row of the matrix."""
    return [check for a in areas() for check in a.checks]


def select(
    chosen: Sequence[Area], *, only: Sequence[str] = (), skip: Sequence[str] = (), quick: bool = False
) -> list[Area]:
    """The areas cut down to the rows that were asked for; areas without a row left are dropped.

    `only` and `skip` hold ids or globs. Raises `BadInput` for one that names no row of the catalogue.
    """
    for pattern in (*only, *skip):
        require(pattern)

    def wanted(check: Check) -> bool:
        if quick and check.costly:
            return False
        return (not only or _matches(check.id, only)) and not _matches(check.id, skip)

    cut = [replace(a, checks=[c for c in a.checks if wanted(c)]) for a in chosen]
    return [a for a in cut if a.checks]


def weighed(chosen: Sequence[Area], severities: Sequence[tuple[str, Severity]]) -> list[Area]:
    """The areas with the severities that were asked for in place of the rows' own; of several for a row the last."""
    return [replace(a, checks=[_weighed(check, severities) for check in a.checks]) for a in chosen]


def _weighed(check: Check, severities: Sequence[tuple[str, Severity]]) -> Check:
    asked = [severity for pattern, severity in severities if _matches(check.id, (pattern,))]
    if not asked:
        return check
    variants = {name: advice._replace(severity=None) for name, advice in check.variants.items()}
    return check._replace(severity=asked[-1], advice=check.advice._replace(severity=None), variants=variants)


def require(pattern: str, option: str = "") -> None:
    """Raise `BadInput`, which names the `option` it was given to, when an id or glob names no row of the catalogue."""
    ids = [check.id for check in rows()]
    if any(fnmatchcase(id_, pattern) for id_ in ids):
        return
    from difflib import get_close_matches

    near = get_close_matches(pattern, [*ids, *(f"{name}.*" for name in AREAS)], n=1, cutoff=_ALIKE)
    hint_en, hint_zh = (f"did you mean {near[0]}? ", f"是不是 {near[0]}？") if near else ("", "")
    raise BadInput(
        f"{option} {pattern or repr(pattern)}" if option else pattern,
        Text("no row has this id", "没有这个检查项 ID"),
        Text(f"{hint_en}list all ids with: bgecheck matrix", f"{hint_zh}用 bgecheck matrix 列出全部检查项 ID"),
    )


def _matches(id_: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(id_, pattern) for pattern in patterns)
