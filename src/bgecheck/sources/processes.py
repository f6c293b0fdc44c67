"""The door to the process table: one snapshot, from /proc where there is one, else through psutil."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

PROC = "/proc"
_COMMAND_LIMIT = 64 * 1024
"""Bytes of one command line that are read."""


class Process(NamedTuple):
    """One entry of the process table.

    `name` is cut to 15 characters on Linux; `ticks` orders by start (clock ticks since boot on Linux,
    else seconds since the epoch).
    """

    pid: int
    parent: int
    name: str
    argv: tuple[str, ...]
    ticks: float


class Table:
    """All processes at one moment."""

    def __init__(self, processes: dict[int, Process]) -> None:
        self.processes = processes

    @classmethod
    def now(cls) -> Table:
        """Take a snapshot; what may not be seen or ends meanwhile is left out."""
        seen = _from_proc() if os.path.isfile(f"{PROC}/self/stat") else _from_psutil()
        return cls({process.pid: process for process in seen})

    def ancestors(self, pid: int) -> Iterator[Process]:
        """The parent, its parent, and so on."""
        visited = {pid}
        process = self.processes.get(pid)
        while process and process.parent not in visited and process.parent in self.processes:
            process = self.processes[process.parent]
            visited.add(process.pid)
            yield process

    def descendants(self, pid: int) -> tuple[int, ...]:
        """Children, their children, and so on, sorted."""
        return tuple(sorted(p for p in self.processes if any(a.pid == pid for a in self.ancestors(p))))


def _from_proc() -> Iterator[Process]:
    for name in os.listdir(PROC):
        if name.isdigit() and (process := _read(name)):
            yield process


def _read(pid: str) -> Process | None:
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:
            stat = file.read(4096)
        with open(f"{PROC}/{pid}/cmdline", "rb") as file:
            command = file.read(_COMMAND_LIMIT)
    except OSError:
        return None
    # The name is in parentheses and may itself hold blanks and parentheses.
    start, end = stat.find(b"("), stat.rfind(b")")
    fields = stat[end + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return Process(
        pid=int(pid),
        parent=int(fields[1]),
        name=stat[start + 1 : end].decode("utf-8", "replace"),
        argv=_words(command),
        ticks=float(fields[19]),
    )


def _words(command: bytes) -> tuple[str, ...]:
    """A title set by the process itself is padded with NUL; real arguments may be empty, except at the end."""
    text = command.decode("utf-8", "replace").rstrip("\0")
    return tuple(text.split("\0")) if text else ()


def _from_psutil() -> Iterator[Process]:
    import psutil

    for process in psutil.process_iter(["pid", "ppid", "name", "cmdline", "create_time"]):
        told = process.info
        yield Process(
            told["pid"],
            told["ppid"] or 0,
            told["name"] or "",
            tuple(told["cmdline"] or ()),
            told["create_time"] or 0.0,
        )


def started_at(process: Process) -> float:
    """Seconds since the epoch at which a process began; 0 when it cannot be told."""
    try:
        with open(f"{PROC}/stat", "rb") as file:
            boot = re.search(rb"^btime (\d+)", file.read(1024 * 1024), re.MULTILINE)
    except OSError:
        return process.ticks  # psutil has told it in seconds
    return int(boot[1]) + process.ticks / os.sysconf("SC_CLK_TCK") if boot else 0.0


def working_folder(pid: int) -> str | None:
    """Where a process runs, or None when this may not be seen."""
    if os.path.isdir(f"{PROC}/{pid}"):
        return _link(pid, "cwd")
    import psutil

    try:
        return str(psutil.Process(pid).cwd())
    except psutil.Error:
        return None


def output_file(pid: int, table: Table) -> str | None:
    """The regular file that a process writes its stdout (else stderr) to, directly or through `tee`."""
    for number in (1, 2):
        link = _link(pid, f"fd/{number}")
        if link is None:
            continue
        if link.startswith("pipe:"):
            link = _teed(link, table)
        if link and (path := visible(pid, link)):
            return path
    return None


def _link(pid: int, name: str) -> str | None:
    try:
        return os.readlink(f"{PROC}/{pid}/{name}")
    except OSError:
        return None


def visible(pid: int, path: str, there: Callable[[str], bool] = os.path.isfile) -> str | None:
    """A file (or what `there` asks for) of a process, by a path that this one can open; None when it cannot.

    A server in a container has its own root, where another file may have the same path.
    """
    if not path.startswith("/") or path.startswith(("/dev/", "/proc/")):
        return None
    inside = f"{PROC}/{pid}/root{path}"
    if there(path) and (not os.path.exists(inside) or os.path.samefile(path, inside)):
        return path
    return inside if there(inside) else None


def _teed(pipe: str, table: Table) -> str | None:
    for process in table.processes.values():
        if process.name == "tee" and _link(process.pid, "fd/0") == pipe:
            files = [word for word in process.argv[1:] if not word.startswith("-")]
            folder = working_folder(process.pid)
            if files and folder:
                return os.path.join(folder, files[0])
    return None


def environment(pid: int, name: str) -> str | None:
    """One variable of another process's environment; None when it is unset or may not be seen."""
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:
            entries = file.read(1024 * 1024).split(b"\0")
    except OSError:
        return None
    prefix = name.encode() + b"="
    found = next((e for e in entries if e.startswith(prefix)), None)
    return None if found is None else found[len(prefix) :].decode("utf-8", "replace")
