"""What a process may use of this machine: shared memory, open files, memory, cores, room on its disks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from glob import glob
from typing import NamedTuple

import psutil

from bgecheck.machine.processes import PROC

CGROUPS = "/sys/fs/cgroup"
_NO_LIMIT = 2**60
"""At and above it a number stands for no limit (cgroup v1 writes 2**63 rounded down to pages)."""


class Space(NamedTuple):
    """Room of a file system, in bytes; `entries` are files that may still be made, None where none are counted."""

    total: int
    free: int
    entries: int | None = None


def root_of(pid: int | None) -> str:
    """What a process sees as `/`, as a path of this one."""
    return f"{PROC}/{pid}/root" if pid is not None and os.path.isdir(f"{PROC}/{pid}/root/") else ""


def space(path: str) -> Space | None:
    """The room of the file system that holds a path, or the nearest folder above it that is there."""
    while path and not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    try:
        shown = os.statvfs(path or ".")
    except (OSError, AttributeError):
        return None
    return Space(
        shown.f_blocks * shown.f_frsize, shown.f_bavail * shown.f_frsize, shown.f_favail if shown.f_files else None
    )


def open_files(pid: int | None) -> tuple[int, int] | None:
    """The soft and the hard limit of open files of a process, of this one where none is named."""
    try:
        process = psutil.Process(pid)
        soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    except (psutil.Error, OSError, AttributeError):
        return None
    return _bounded(soft), _bounded(hard)


def _bounded(limit: int) -> int:
    return _NO_LIMIT if limit < 0 else limit


class Memory(NamedTuple):
    """Main memory in bytes: what can be had now, and the limit of the control group where there is one."""

    available: int
    limit: int | None = None


def memory(pid: int | None = None, cgroups: str = CGROUPS) -> Memory | None:
    """The memory that a process can still get, by the machine and by its control group."""
    try:
        available = int(psutil.virtual_memory().available)
    except (psutil.Error, OSError):
        return None
    limit = None
    for folder, bound, used in _groups(pid, cgroups):
        whole = _number(f"{folder}/{bound}")
        if whole is None or whole >= _NO_LIMIT:
            continue
        limit = min(whole, limit or whole)
        available = min(available, max(0, whole - (_number(f"{folder}/{used}") or 0) + _reclaimable(folder)))
    return Memory(available, limit)


def _groups(pid: int | None, cgroups: str) -> Iterator[tuple[str, str, str]]:
    """The control groups that bound a process's memory, its own first, each with its files of limit and use."""
    try:
        with open(f"{PROC}/{pid or 'self'}/cgroup", encoding="ascii", errors="replace") as file:
            lines = file.read(64 * 1024).splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            yield from ((folder, "memory.max", "memory.current") for folder in _up(cgroups, path))
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            yield from ((folder, *names) for folder in _up(f"{cgroups}/memory", path))


def _up(root: str, path: str) -> Iterator[str]:
    """A control group and those above it, up to the root, which in a container stands for its own."""
    parts = [part for part in path.split("/") if part and part != ".."]
    for count in range(len(parts), -1, -1):
        yield "/".join([root, *parts[:count]])


def _number(path: str) -> int | None:
    with suppress(OSError, ValueError), open(path, encoding="ascii") as file:
        return int(file.read(64))
    return None


def _reclaimable(folder: str) -> int:
    """Bytes of files that are cached and not in use, which count as used and are given back."""
    with suppress(OSError, ValueError), open(f"{folder}/memory.stat", encoding="ascii") as file:
        for line in file:
            if line.startswith(("inactive_file ", "total_inactive_file ")):
                return int(line.split()[1])
    return 0


class Cores(NamedTuple):
    """The processors of a process: cores it may use, memory nodes of the machine, instruction sets."""

    number: int
    nodes: int
    flags: frozenset[str]


def cores(pid: int | None = None) -> Cores:
    """The processors that a process may run on."""
    try:
        count = len(psutil.Process(pid).cpu_affinity() or ())
    except (psutil.Error, OSError, AttributeError):
        count = 0
    nodes = len(glob("/sys/devices/system/node/node[0-9]*"))
    return Cores(count or os.cpu_count() or 1, max(1, nodes), _flags())


def _flags() -> frozenset[str]:
    with suppress(OSError), open(f"{PROC}/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    return frozenset()


class Surroundings(NamedTuple):
    """The container that a process runs in; `kind` is None outside of any."""

    kind: str | None
    driver: bool = False
    """Whether the machine has NVIDIA's driver, which a container sees too."""
    cards: int = 0
    """GPUs that are passed in."""


def surroundings(root: str = "") -> Surroundings:
    """What a process with this root sees around it."""
    cards = len(glob(f"{root}/dev/nvidia[0-9]*")) + len(glob(f"{root}/dev/dxg"))
    return Surroundings(_kind(root), os.path.exists(f"{PROC}/driver/nvidia/version"), cards)


def _kind(root: str) -> str | None:
    if os.path.isdir(f"{root}/var/run/secrets/kubernetes.io"):
        return "Kubernetes"
    if os.path.exists(f"{root}/.dockerenv"):
        return "Docker"
    return "Podman" if os.path.exists(f"{root}/run/.containerenv") else None
