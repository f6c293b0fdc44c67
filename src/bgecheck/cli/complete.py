"""What the shell may put in place of an unfinished value; the catalogue is loaded only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from bgecheck.cli.language import preferred
from bgecheck.model import BadInput

Candidates = list[tuple[str, str]]
"""Values, each with what it is."""

EXIT_STYLES = ("plain", "nagios")


def sides() -> Candidates:
    """What texts may be embedded as."""
    return [("query", ""), ("passage", "")]


def ids(incomplete: str) -> Candidates:
    """Areas and ids of checks; after a comma, those for the part behind it."""
    from bgecheck.run import catalog

    done, comma, _ = incomplete.rpartition(",")
    language = preferred()
    selectable = [
        *((name, "") for name in catalog.AREAS),
        *((row.id, row.title.to(language)) for row in catalog.rows()),
    ]
    return [(f"{done}{comma}{name}", title) for name, title in selectable]


def targets() -> Candidates:
    """The targets of the file that would be found."""
    from bgecheck.cli.configfile.finding import find
    from bgecheck.cli.configfile.meaning import config
    from bgecheck.cli.configfile.reading import read

    try:
        path = find()
        return [(target["name"], target["url"]) for target in config(read(path)).targets] if path else []
    except BadInput:
        return []


def faults() -> Candidates:
    """The faults of the demo."""
    from bgecheck.demo.faults import FAULTS

    language = preferred()
    return [(name, fault.text.to(language)) for name, fault in FAULTS.items()]


def clients() -> Candidates:
    """The clients that a snippet is written for."""
    from bgecheck.snippet.clients import CLIENTS

    return _plain(CLIENTS)


def languages() -> Candidates:
    """Chinese and English."""
    return [("zh", "中文"), ("en", "English")]


def formats() -> Candidates:
    """The formats of a report."""
    from bgecheck.render.formats import FORMATS

    return _plain(FORMATS)


def severities() -> Candidates:
    """What may count as a failure."""
    from bgecheck.model import Severity

    return _plain(map(str, Severity))


def exit_styles() -> Candidates:
    """The ways to number exit codes."""
    return _plain(EXIT_STYLES)


def _plain(names: Iterable[str]) -> Candidates:
    return [(name, "") for name in names]
