"""Lists a model folder: names, sizes, links that lead nowhere; bounded, whatever the folder is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from stat import S_ISREG
from typing import NamedTuple

from bgecheck.machine.files import read_text
from bgecheck.model import Unavailable

MOST = 20_000
"""Entries of a folder that are listed."""
_FOLDERS = 200
"""Folders below one that are looked into for a model."""


class Entry(NamedTuple):
    """One entry of a folder; links are followed."""

    size: int = 0
    folder: bool = False
    """Whether it is no regular file: a folder, or a pipe or device, which is never opened."""
    dangling: str | None = None
    """Where a link leads whose target is not there."""


class Listing(NamedTuple):
    """The entries of a folder by name."""

    entries: Mapping[str, Entry]
    whole: bool = True
    """False where there are more entries than were listed."""

    def files(self, *endings: str) -> list[str]:
        """The names of files, also behind links that lead nowhere, sorted."""
        return sorted(name for name, e in self.entries.items() if not e.folder and name.endswith(endings or ""))

    def folders(self) -> list[str]:
        """The names of folders, sorted."""
        return sorted(name for name, e in self.entries.items() if e.folder)

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name, or a link that leads nowhere."""
        return name in self.entries and not self.entries[name].folder

    def has(self, name: str) -> bool:
        """Whether a file of that name is there, itself or behind a link."""
        entry = self.entries.get(name)
        return entry is not None and not entry.folder and entry.dangling is None


def listing_of(folder: str) -> Listing:
    """The entries of a folder. Raises `OSError` where it cannot be read."""
    with os.scandir(folder) as entries:
        listed = {entry.name: _entry(entry) for entry in islice(entries, MOST)}
        return Listing(listed, next(entries, None) is None)


def _entry(entry: os.DirEntry[str]) -> Entry:
    try:
        status = entry.stat()
        return Entry(status.st_size) if S_ISREG(status.st_mode) else Entry(folder=True)
    except OSError:
        try:
            return Entry(dangling=os.readlink(entry.path))
        except OSError:
            return Entry()


WEIGHTS = (".safetensors", ".bin", ".pt")
"""The endings of weight files, in the order in which a loader prefers them."""

_OTHERS = frozenset(
    {"training_args.bin", *(f"{name}.{end}" for name in ("optimizer", "scheduler", "scaler") for end in ("pt", "bin"))}
)
"""What a training leaves beside the weights, which loaders pass over."""


def weights_of(listing: Listing) -> tuple[str, ...]:
    """The weight files that a loader takes: all safetensors, else all of torch's."""
    for ending in WEIGHTS:
        if names := [name for name in listing.files(ending) if name not in _OTHERS]:
            return tuple(names)
    return ()


def is_model(listing: Listing) -> bool:
    """Whether a folder holds a model, or what is left of one."""
    return "config.json" in listing.entries or bool(weights_of(listing))


def models_below(folder: str, listing: Listing) -> tuple[str, ...]:
    """The models in a folder's sub-folders: beside each other, in a hub's cache, or one level further down."""
    models: list[str] = []
    for name in islice(listing.folders(), _FOLDERS):
        below = snapshot_of(os.path.join(folder, name)) or os.path.join(folder, name)
        models += [below] if _has_config(below) else filter(_has_config, _folders_of(below))
    return tuple(models)


def _has_config(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "config.json")) and os.path.basename(folder) != "1_Pooling"


def snapshot_below(folder: str) -> str | None:
    """The snapshot that is loaded of a hub cache's folder (`models--OWNER--NAME`, or its `snapshots`); else None."""
    inside = os.path.basename(folder) == "snapshots"
    return snapshot_of(os.path.dirname(folder)) if inside else snapshot_of(folder)


def snapshot_of(folder: str) -> str | None:
    """The snapshot that `main` points to, in the folder that a hub's cache has for a model."""
    try:
        commit = read_text(os.path.join(folder, "refs", "main"), 100).strip()
    except Unavailable:
        return None
    place = os.path.join(folder, "snapshots", commit)
    return place if re.fullmatch(r"[0-9a-f]{7,64}", commit) and os.path.isdir(place) else None


def _folders_of(folder: str) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in islice(entries, _FOLDERS) if _is_folder(entry)]
    except OSError:
        return ()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


_LEFTOVERS = (".incomplete", ".aria2", ".part", ".crdownload", ".tmp", ".download", "._mstmp", ".partial")
"""Endings of the names that programs give to a file while they fetch it."""


def unfinished(folder: str, listing: Listing) -> tuple[str, ...]:
    """What downloads have left in a folder; it proves nothing where the file itself is whole."""
    names = listing.files(*_LEFTOVERS)
    for place in ("._____temp", os.path.join(".cache", "huggingface", "download")):
        try:
            below = listing_of(os.path.join(folder, place))
        except OSError:
            continue
        names += [os.path.join(place, name) for name in below.files() if place[1] == "_" or name.endswith(_LEFTOVERS)]
    return tuple(names)
