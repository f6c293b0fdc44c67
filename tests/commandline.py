"""bgecheck in a process of its own, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import forked

PROGRAM = [sys.executable, "-m", "bgecheck"]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process that imports what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **(changes or {})}


def run(*words: str, **changes: str) -> forked.Ended:
    """Run bgecheck; `changes` are variables of its environment that it reads when it runs."""
    return forked.run(words, environment(changes))


def run_anew(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """The same with an interpreter of its own, for what is decided at its start: the encoding of its streams."""
    return subprocess.run(
        [*PROGRAM, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
        env=environment(changes),
    )


def on_path(folder: Path) -> str:
    """A PATH on which `bgecheck` is this program, whether or not it is installed."""
    script = folder / "bgecheck"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m bgecheck "$@"\n')
    script.chmod(0o755)
    return os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))
