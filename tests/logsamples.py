"""Labelled pieces of logs and how they are judged: a start of a release, and what goes wrong after it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bgecheck.checks.logs import AREA
from bgecheck.checks.logs.area import LogFacts, collect
from bgecheck.model import Finding, Status, Target
from bgecheck.model.deadline import Deadline
from bgecheck.run import engine
from bgecheck.run.context import Context

DATA = Path(__file__).parent / "data" / "logs"
RELEASES = ("0.4.6", "0.5.3", "0.5.9", "0.5.23")
PHASES = ("args", "device", "load", "memory", "graph", "warm-up", "ready", "serving")
KEY = "sk-do-not-show-me"
FINE = ("healthy", "stopped_by_operator")

_SCHEDULER = """[@] Scheduler hit an exception: Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/sglang/srt/managers/scheduler.py", line 3130, in run_scheduler_process
    scheduler = Scheduler(server_args, port_args, gpu_id, tp_rank, dp_rank)"""
_LAUNCHED = '  File "/opt/venv/lib/python3.12/site-packages/sglang/launch_server.py", line 27, in <module>'
_DIED = """
[@] Received sigquit from a child process. It usually means the child failed.
Killed"""


@dataclass(frozen=True)
class Snippet:
    """What goes wrong in one phase, and the cause it stands for."""

    label: str
    phase: str
    options: str
    lines: tuple[str, ...]

    @property
    def decisive(self) -> str:
        """The line that a report has to show."""
        return next((line[2:] for line in self.lines if line.startswith("> ")), "")

    @property
    def releases(self) -> tuple[str, ...]:
        """The releases that it is put behind: all, but for one that starts with `since`."""
        since = self.options.partition("since ")[2].split(";")[0]
        return RELEASES[RELEASES.index(since) :] if since else RELEASES

    def log(self, release: str, rank: str = "") -> str:
        """The whole log, as this release would have written it."""
        values = self._values(rank)
        pieces = _start(release)
        before = [line for phase in PHASES[: PHASES.index(self.phase) + 1] for line in pieces[phase]]
        stamp = next(line[1:20] for line in pieces["device"] if line.startswith("[2"))
        after = [made for line in self._unmarked() for made in self._expanded(line, pieces)]
        text = "\n".join([*before, *after])
        for name, value in values.items():
            text = text.replace("{" + name + "}", value)
        return re.sub(r"\[@( \w+)?\]", lambda own: f"[{stamp}{own[1] or rank}]", text) + "\n"

    def _unmarked(self) -> list[str]:
        """The lines without marks; a decisive line that stands a second time is only a mark."""
        plain = [line for line in self.lines if not line.startswith("> ")]
        return [line.removeprefix("> ") for line in self.lines if not (line.startswith("> ") and line[2:] in plain)]

    def _expanded(self, line: str, pieces: dict[str, list[str]]) -> list[str]:
        if line == "@serving":
            return pieces["serving"]
        if line.startswith("Traceback") and self.phase == "args":
            return [line, _LAUNCHED]
        return {"@scheduler": _SCHEDULER, "@died": _DIED}.get(line, line).split("\n")

    def _values(self, rank: str) -> dict[str, str]:
        encoder, generates = "encoder" in self.options, "generation" in self.options
        return {
            "model": "/srv/models/bge-large-zh-v1.5" if encoder else "Qwen/Qwen3-Embedding-0.6B",
            "type": "BertModel" if encoder else "Qwen3ForCausalLM",
            "context": "512" if encoder else "32768",
            "embedding": "False" if generates else "True",
            "warm_up": "/generate" if generates else "/encode",
            "radix_off": "True" if "radix off" in self.options else "False",
            "cached": "13" if "cached" in self.options or not encoder else "0",
            "key": KEY,
            "rank": rank,
        }


@cache
def _start(release: str) -> dict[str, list[str]]:
    pieces: dict[str, list[str]] = {phase: [] for phase in PHASES}
    phase = "args"
    for line in (DATA / f"start-{release}.log").read_text(encoding="utf-8").splitlines():
        if line.startswith("#@ "):
            phase = line[3:]
        else:
            pieces[phase].append(line)
    return pieces


@cache
def snippets(name: str = "snippets.txt") -> tuple[Snippet, ...]:
    """Every snippet of a collection."""
    found: list[tuple[str, list[str]]] = []
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("=== "):
            found.append((line[4:], []))
        elif found:
            found[-1][1].append(line)
    return tuple(_snippet(head, lines) for head, lines in found)


def _snippet(head: str, lines: list[str]) -> Snippet:
    label, phase, options = ([part.strip() for part in head.split("|")] + [""])[:3]
    return Snippet(label, phase, options, tuple(lines))


def context(path: Path) -> Context:
    return Context(Target(url="", host="", port=0, log=str(path)), Deadline(30))


def written(path: Path, content: str | bytes) -> Path:
    """A log that nobody has written to for a long time."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def judged(path: Path) -> tuple[Finding, ...]:
    return engine.run([AREA], context(path))


def roots(findings: tuple[Finding, ...]) -> list[Finding]:
    roots = [f for f in findings if f.problem and f.caused_by is None]
    return sorted(roots, key=lambda f: f.status is not Status.FAIL)


def collected(path: Path) -> LogFacts:
    facts: LogFacts = collect(context(path))
    return facts


def cause(facts: LogFacts) -> str | None:
    """The label of the first cause in a log, None for one in which nothing is wrong."""
    known = [c for c in facts.diagnosis.causes if c != "stalled-no-error" or facts.diagnosis.state == "stuck"]
    return known[0].replace("-", "_") if known else None
