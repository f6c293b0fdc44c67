"""Shows on stderr how far a server that is waited for has come: live on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bgecheck.cli.language import shown_on
from bgecheck.cli.progress import is_live, status
from bgecheck.cli.stderr import to_stderr
from bgecheck.model import Language, Redactor, Text, say

if TYPE_CHECKING:
    from bgecheck.run.readiness import Progress

EVERY = 10.0
"""Seconds between two plain lines of one phase."""


class Waiting:
    """Tells of each step of the waiting until it is closed; then nothing is left of it on a terminal."""

    def __init__(self, language: Language, *, live: bool = True) -> None:
        self._shown = ExitStack()
        self._spoken = shown_on(sys.stderr, language)
        self._line = self._shown.enter_context(status("")) if live and is_live() else None
        self._lines = _Lines(language)

    def tell(self, progress: Progress) -> None:
        """Show how far it is."""
        if self._line is None:
            self._lines.tell(progress)
        else:
            self._line(Redactor(progress.target.secrets()).text(say(in_words(progress), self._spoken)))

    def close(self) -> None:
        """Make room for what comes after the waiting."""
        self._shown.close()


class _Lines:
    """A plain line when the phase or the process changes, and every ten seconds."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._state: object = None
        self._due = 0.0

    def tell(self, progress: Progress) -> None:
        state = (progress.phase, progress.alive, progress.target.pid)
        if state == self._state and progress.elapsed < self._due:
            return
        self._state, self._due = state, progress.elapsed + EVERY
        to_stderr(in_words(progress), self._language, progress.target.secrets())


def in_words(progress: Progress) -> Text:
    """One line: what is waited for, its process, for how long, and the phase of its start."""
    target, dot = progress.target, _dot()
    parts = [Text(f"waiting for {target.base_url}", f"等待 {target.base_url}")]
    if target.pid is not None and progress.alive is not None:
        alive = Text("alive", "在运行") if progress.alive else Text("gone", "已退出")
        parts.append(Text(f"pid {target.pid} {alive.en}", f"进程 {target.pid} {alive.zh}"))
    parts.append(_of(progress.elapsed, progress.patience))
    if isinstance(progress.phase, Text):
        for_ = f"{progress.phase_seconds:.0f}"
        parts.append(Text(f"{progress.phase.en} ({for_} s)", f"{progress.phase.zh}（{for_} 秒）"))
    return Text(dot.join(part.en for part in parts), dot.join(part.zh for part in parts))


def _of(elapsed: float, patience: float) -> Text:
    spent, whole = f"{elapsed:.0f}", _duration(patience)
    return Text(f"{spent} s of {whole.en}", f"{spent} 秒 / {whole.zh}")


def _duration(seconds: float) -> Text:
    if seconds >= 60 and seconds % 60 == 0:
        return Text(f"{seconds / 60:g} m", f"{seconds / 60:g} 分钟")
    return Text(f"{seconds:g} s", f"{seconds:g} 秒")


def _dot() -> str:
    """What stands between the parts: a dot where stderr can show one."""
    try:
        "·".encode(getattr(sys.stderr, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return " | "
    return " · "
