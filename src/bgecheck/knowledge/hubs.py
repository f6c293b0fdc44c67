"""The commands that fetch a model from a hub, as the hubs' own programs have them."""

from __future__ import annotations

from collections.abc import Sequence

from bgecheck.model import Shell


def from_hugging_face(
    repository: str, folder: str | None, files: Sequence[str] = (), *, anew: bool = False, without: str | None = None
) -> Shell:
    """Fetch a repository, or some of its files, to a folder or into the cache; `without` is a variable to unset."""
    words = ["env", "-u", without] if without else []
    words += ["hf", "download", repository, *files]
    words += ["--local-dir", folder] if folder else []
    return Shell.join([*words, *(["--force-download"] if anew else [])])


def from_modelscope(repository: str, folder: str | None, files: Sequence[str] = ()) -> Shell:
    """The same from ModelScope, whose program leaves out what it has already by its hash."""
    words = ["modelscope", "download", "--model", repository, *files]
    return Shell.join([*words, *(["--local_dir", folder] if folder else [])])
