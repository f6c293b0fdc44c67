"""Whether the user of a process may read a folder: by the mode of each file, since nobody can ask in its name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

import psutil

from bgecheck.machine.processes import PROC


class User(NamedTuple):
    """Who reads: a user with its groups."""

    uid: int
    groups: frozenset[int]
    name: str


class Barred(NamedTuple):
    """A file or folder that a user may not read or enter."""

    path: str
    mode: str
    """As `ls -l` shows it."""
    owner: str


def this_user() -> User | None:
    """The user of this program; None on a system without users by number."""
    if not hasattr(os, "getuid"):
        return None
    return User(os.geteuid(), frozenset({os.getegid(), *os.getgroups()}), _name(os.geteuid()))


def user_named(name: str) -> User | None:
    """A user of this machine by its name or number; None where there is none."""
    with suppress(ImportError, KeyError, OSError, OverflowError):
        import pwd

        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
        return User(entry.pw_uid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)), entry.pw_name)
    return None


def user_of(pid: int) -> User | None:
    """The user of a process; None where it may not be seen."""
    try:
        process = psutil.Process(pid)
        uid, gid = process.uids().effective, process.gids().effective
    except (psutil.Error, OSError, AttributeError):
        return None
    return User(uid, frozenset({gid, *_groups(pid)}), _name(uid))


def _groups(pid: int) -> list[int]:
    with suppress(OSError, ValueError), open(f"{PROC}/{pid}/status", encoding="ascii", errors="replace") as file:
        line = next((line for line in file if line.startswith("Groups:")), "Groups:")
        return [int(word) for word in line.split()[1:]]
    return []


def _name(uid: int) -> str:
    with suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(uid).pw_name
    return str(uid)


def barred(paths: Iterable[str], user: User | None) -> Barred | None:
    """The first of the paths, or of the folders above them, that a user may not read; None where all may be.

    A folder that this user may not enter hides what is below it. Access lists are not looked into: a file that has
    one is taken for readable.
    """
    if user is None:
        return None
    cleared: set[str] = set()
    for path in paths:
        for place, needs in (*((above, stat.S_IXOTH) for above in _above(path)), (path, _needs(path))):
            if place in cleared:
                continue
            if not _may(place, needs, user):
                return _shown(place)
            if needs == stat.S_IXOTH:
                cleared.add(place)
    return None


def _above(path: str) -> list[str]:
    """The folders from the root down to the one that holds a path, links followed."""
    places, place = [], os.path.dirname(os.path.realpath(path))
    while place not in places:
        places.append(place)
        place = os.path.dirname(place)
    return places[::-1]


def _needs(path: str) -> int:
    return stat.S_IROTH | stat.S_IXOTH if os.path.isdir(path) else stat.S_IROTH


def _may(path: str, needs: int, user: User) -> bool:
    """`needs` are bits of the last of the three digits of a mode."""
    if user.uid == 0:
        return True
    own = this_user()
    if own and own.uid == user.uid:
        wanted = (os.R_OK if needs & stat.S_IROTH else 0) | (os.X_OK if needs & stat.S_IXOTH else 0)
        return os.access(path, wanted) or not os.path.lexists(path)
    try:
        status = os.stat(path)
    except OSError:
        return True  # hidden from this program, which then knows nothing of it
    if _has_access_list(path):
        return True
    shift = 6 if status.st_uid == user.uid else 3 if status.st_gid in user.groups else 0
    return (status.st_mode >> shift) & needs == needs


def _has_access_list(path: str) -> bool:
    try:
        return "system.posix_acl_access" in os.listxattr(path)
    except (OSError, AttributeError):
        return False


def _shown(path: str) -> Barred:
    try:
        status = os.stat(path)
    except OSError:
        return Barred(path, "?", "?")
    return Barred(path, stat.filemode(status.st_mode), _name(status.st_uid))
