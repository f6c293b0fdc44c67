"""What each sign of life says of a server: its pages, its process, the owner of its port, its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from bgecheck.engines.server import Server
from bgecheck.engines.sglang.log.session import Readiness
from bgecheck.http.failures import Failure
from bgecheck.http.reply import Reply
from bgecheck.machine.sidebyside import side_by_side
from bgecheck.machine.sockets import FORWARDERS, inside, listeners
from bgecheck.model import Target, Unavailable
from bgecheck.model.processes import ProcessTable

if TYPE_CHECKING:
    from bgecheck.run.context import Context

HEALTH_SECONDS = 3.0
"""At least, for a health page: from 0.5.3 on it takes a second by design (measured 1006 ms)."""


Pages = Mapping[str, Reply | Failure]
"""What pages answered, by their path."""


class Vitals(NamedTuple):
    """Each sign beside the others. Pages by their path, of two names the one that is there."""

    pages: Pages
    process: int | None
    """The pid of the server that is meant, where one is known."""
    alive: bool | None
    """Whether that process is there; None where no process is known."""
    owners: tuple[int, ...]
    """The pids that listen on the port of this machine, as far as they may be seen; no program that forwards it."""
    family: tuple[int, ...]
    """The pids of the server that is meant and of its workers."""
    log: Readiness | None
    """What the newest session of the log came to; None where there is no log or it does not tell."""
    contained: bool = False
    """Whether that process has a network of its own, as in a container."""

    @property
    def answered_by_another(self) -> bool:
        """Whether the port is held by processes none of which is the server that is meant."""
        return bool(self.family and self.owners and not set(self.owners) & set(self.family))


def vitals(context: Context, pages: Pages) -> Vitals:
    """Look at every sign on the machine, beside what the pages said."""
    target = context.target
    pid = target.pid or (target.server.pid if target.server else None)
    table = context.processes() if pid or target.is_local else ProcessTable({})
    family = (pid, *table.descendants(pid)) if pid else ()
    session = context.logged_session()
    return Vitals(
        pages=pages,
        process=pid,
        alive=None if pid is None else pid in table.processes,
        owners=_owners(target, family, table),
        family=family,
        log=session.readiness if session else None,
        contained=pid is not None and inside(pid, target.port) is not None,
    )


def _owners(target: Target, family: tuple[int, ...], table: ProcessTable) -> tuple[int, ...]:
    if not target.is_local:
        return ()
    try:
        holders = listeners(target.port, family)
    except Unavailable:
        return ()
    names = {pid: process.name for pid, process in table.processes.items()}
    pids = (listener.pid for listener in holders if listener.pid and names.get(listener.pid) not in FORWARDERS)
    return tuple(dict.fromkeys(pids))


def status_pages(server: Server, paths: Sequence[str]) -> Pages:
    """The health and info pages, side by side.

    A health page takes a second, and each page of a server that hangs its whole time.
    """
    health = {path: partial(server.get, path, least=HEALTH_SECONDS) for path in paths}
    names = (server.pages.model, server.pages.settings)
    info = {newest: partial(server.page, newest) for newest, *_ in names}
    pages: dict[str, Reply | Failure] = side_by_side({**health, **info})
    for newest, *older in names:
        page = pages.get(newest)
        if isinstance(page, Reply) and page.status == 404:
            pages |= {path: server.page(path) for path in older}
    return {path: pages[path] for path in (*paths, *names[0], *names[1]) if path in pages}
