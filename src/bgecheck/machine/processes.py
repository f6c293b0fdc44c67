"""The door to the process table: one snapshot through psutil, and what Linux alone shows of a process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import psutil

from bgecheck.model.processes import Process, ProcessTable

PROC = "/proc"

_GONE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
"""States of a process that has ended and whose parent has not asked for its exit code yet."""


def snapshot() -> ProcessTable:
    """The process table as it is now; what may not be seen or ends meanwhile is left out."""
    return ProcessTable({pid: process for pid in psutil.pids() if (process := _process(pid))})


def lives(pid: int, created: float = 0.0) -> bool:
    """Whether a process runs; where `created` is given, that very one and no later one of the same number."""
    try:
        shown = psutil.Process(pid).as_dict(["create_time", "status"])
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OSError):
        return False
    same = not created or abs((shown["create_time"] or created) - created) < _SAME
    return same and shown["status"] not in _GONE


_SAME = 1.0
"""Seconds by which two readings of one start may differ, where the clock was set in between."""

_STATUS = 52
"""The field of /proc/PID/stat that holds what waitpid will tell of a process that has ended (proc(5))."""


def family(pid: int) -> tuple[int, ...]:
    """A process and all that it has started, directly or not, and that still runs; empty where it has ended."""
    try:
        own = psutil.Process(pid)
        return (pid, *(child.pid for child in own.children(recursive=True)))
    except (psutil.Error, OSError):
        return ()


def resident(pids: Iterable[int]) -> int | None:
    """Bytes of main memory that processes hold, each page as often as one maps it; None where none may be seen."""
    sizes = [size for pid in pids if (size := _resident(pid)) is not None]
    return sum(sizes) if sizes else None


def _resident(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.Error, OSError):
        return None


def exit_status(pid: int) -> int | None:
    """The exit code of a process that has ended, negative for a signal; None once its starter was told, or not ours."""
    try:
        with open(f"{PROC}/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    # The number and the name in brackets stand before the third field, which is the state.
    if len(fields) <= _STATUS - 3 or fields[0] not in ("Z", "X"):
        return None
    return os.waitstatus_to_exitcode(int(fields[_STATUS - 3]))


def _process(pid: int) -> Process | None:
    """One process; None where it has ended, is being looked at as it ends, or may not be seen at all.

    `psutil.process_iter` keeps its objects: of a number that was given to a new process it may show the old one.
    """
    try:
        shown = psutil.Process(pid).as_dict(["ppid", "name", "cmdline", "create_time", "status"])
    except (psutil.Error, OSError):
        return None
    if shown["status"] in _GONE:
        return None
    return Process(
        pid,
        shown["ppid"] or 0,
        _readable(shown["name"] or ""),
        _words(shown["cmdline"]),
        shown["create_time"] or 0.0,
        stopped=shown["status"] == psutil.STATUS_STOPPED,
    )


def _words(command: list[str] | None) -> tuple[str, ...]:
    """A title that a process gives itself is padded with NUL; true arguments may be empty, except at the end."""
    words = [_readable(word) for word in command or ()]
    while words and not words[-1]:
        words.pop()
    return tuple(words)


def _readable(text: str) -> str:
    """Text of another process without the surrogates that stand for bytes in no encoding."""
    return os.fsencode(text).decode("utf-8", "replace")


def working_folder(pid: int) -> str | None:
    """Where a process runs, or None when this may not be seen."""
    try:
        return psutil.Process(pid).cwd() or None
    except (psutil.Error, OSError):
        return None


def user_name(uid: int) -> str:
    """A user by its name, else by its number."""
    try:
        import pwd

        return _readable(pwd.getpwuid(uid).pw_name)
    except (ImportError, KeyError, OverflowError):  # Windows; a user of a container
        return str(uid)


def group_of(pid: int) -> int | None:
    """The process group of a process, which is the number of the one that leads it; None where it may not be seen."""
    try:
        return os.getpgid(pid)
    except (OSError, AttributeError):  # Windows has no groups
        return None


def environment(pid: int, name: str) -> str | None:
    """One variable of another process's environment; None when it is unset or may not be seen."""
    return variables(pid).get(name)


def variables(pid: int) -> dict[str, str]:
    """The environment of another process by name; empty where it may not be seen."""
    try:
        given = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return {}
    return {_readable(name): _readable(value) for name, value in given.items()}


def output_file(pid: int, table: ProcessTable) -> str | None:
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
    """Where a link in a process's folder leads; psutil tells of regular files only, and of no pipe."""
    try:
        return os.readlink(f"{PROC}/{pid}/{name}")
    except OSError:
        return None


def visible(pid: int, path: str, there: Callable[[str], bool] = os.path.isfile) -> str | None:
    """A file (or what `there` asks for) of a process, by a path that this one can open; None when it cannot.

    A server in a container has its own root, where another file may have the same path.
    """
    if not path.startswith("/") or path.startswith(("/dev/", "/proc/")) or "\0" in path:
        return None
    inside = f"{PROC}/{pid}/root{path}"
    if there(path) and _is_same(path, inside) is not False:
        return path
    return inside if there(inside) else None


def _is_same(path: str, inside: str) -> bool | None:
    """Whether both paths lead to one file; None where the second is not there, or its process has just ended."""
    try:
        return os.path.samefile(path, inside)
    except OSError:
        return None


def _teed(pipe: str, table: ProcessTable) -> str | None:
    for process in table.processes.values():
        if process.name == "tee" and _link(process.pid, "fd/0") == pipe:
            files = [word for word in process.argv[1:] if not word.startswith("-")]
            folder = working_folder(process.pid)
            if files and folder:
                return os.path.join(folder, files[0])
    return None
