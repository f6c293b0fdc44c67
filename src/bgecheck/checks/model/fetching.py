"""The commands that bring a model's files again, for the place where they lie."""

from __future__ import annotations

import os

from bgecheck.checks.model.facts import ModelFacts
from bgecheck.knowledge.hubs import from_hugging_face, from_modelscope
from bgecheck.knowledge.models import repository
from bgecheck.model import Shell


def fetching(facts: ModelFacts, *files: str, anew: bool = False) -> Shell | None:
    """The command that fetches the model, or some files of it, to where it lies; None where its owner is not known.

    `anew` also where a file of that name is there. In a hub's cache the hub's program knows the place by itself.
    """
    place, hub = facts.place, facts.place.hub
    name = hub.id if hub else repository(place.given)
    if "<" in name:
        return None
    folder = None if hub else place.folder
    if hub.modelscope if hub else ".msc" in facts.listing.entries or "___" in place.folder:
        return from_modelscope(name, folder, files)
    return from_hugging_face(name, folder, files, anew=anew, without=hub.offline if hub else None)


def aside(facts: ModelFacts, file: str) -> Shell | None:
    """The command that moves a damaged file out of the way; None in a cache, which is left to the hub's program."""
    if facts.place.hub and not facts.place.hub.modelscope:
        return None
    path = os.path.join(facts.place.folder, file)
    return Shell.join(["mv", path, f"{path}.damaged"])


def pulling(facts: ModelFacts) -> Shell | None:
    """The command that fetches what git-lfs has left out; None where the folder is no clone."""
    is_clone = ".git" in facts.listing.entries
    return Shell.join(["git", "-C", facts.place.folder, "lfs", "pull"]) if is_clone else None
