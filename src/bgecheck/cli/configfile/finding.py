"""Finds the file; it loads nothing, as most runs have none."""

from __future__ import annotations

import os

NAME = "bgecheck.toml"
KEY_VARIABLE = "api_key_env"
"""The key of the file that names the variable which holds the server's key."""


def find() -> str | None:
    """The file of the working folder, or of the nearest folder above it.

    The search ends at the root of a repository, at the home folder and at the root of the file system.
    """
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return None
    home = os.path.expanduser("~")
    while True:
        path = os.path.join(folder, NAME)
        if os.path.lexists(path):
            return os.path.relpath(path)
        above = os.path.dirname(folder)
        if above == folder or folder == home or os.path.lexists(os.path.join(folder, ".git")):
            return None
        folder = above
