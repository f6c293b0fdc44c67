"""Finds the file; it loads nothing, as most runs have none."""

from __future__ import annotations

import os

from bgecheck.model import BadInput, Text

NAME = "bgecheck.toml"
KEY_VARIABLE = "api_key_env"
"""The key of the file that names the variable which holds the server's key."""


def find() -> str | None:
    """The file of the working folder, or of the nearest folder above it.

    The search ends at the root of a repository, at the home folder and at the root of the file system. Raises
    `BadInput` for a file that somebody else has put there.
    """
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return None
    trusted = {0, os.geteuid(), os.stat(folder).st_uid} if hasattr(os, "geteuid") else None
    home = os.path.expanduser("~")
    while True:
        path = os.path.join(folder, NAME)
        if os.path.lexists(path):
            if trusted is not None and os.lstat(path).st_uid not in trusted:
                raise _foreign(os.path.relpath(path), os.lstat(path).st_uid)
            return os.path.relpath(path)
        above = os.path.dirname(folder)
        if above == folder or folder == home or os.path.lexists(os.path.join(folder, ".git")):
            return None
        folder = above


def _foreign(path: str, owner: int) -> BadInput:
    """The refusal: whoever can write the file says which server the key is sent to."""
    return BadInput(
        path,
        Text(
            f"it belongs to user {owner}, neither you nor the owner of the working folder",
            f"它属于用户 {owner}，既不是当前用户，也不是工作目录的所有者",
        ),
        Text(f"if it is to be used: --config {path}", f"确认要用时请写明：--config {path}"),
    )
