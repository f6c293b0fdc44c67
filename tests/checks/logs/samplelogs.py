"""Whole logs made of two parts that are written down once: a start of each release, and what goes wrong after it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parents[2] / "data" / "logs"
RELEASES = ("0.4.6", "0.5.3", "0.5.9", "0.5.23")
PHASES = ("args", "device", "load", "memory", "graph", "warm-up", "ready", "serving")
KEY = "sk-do-not-show-me"

_SCHEDULER = """[@] Scheduler hit an exception: Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/sglang/srt/managers/scheduler.py", line 3130, in run_scheduler_process
    scheduler = Scheduler(server_args, port_args, gpu_id, tp_rank, dp_rank)"""
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
        return text.replace("[@]", f"[{stamp}{rank}]") + "\n"

    def _unmarked(self) -> list[str]:
        """The lines without marks; a decisive line that stands a second time is only a mark."""
        plain = [line for line in self.lines if not line.startswith("> ")]
        return [line.removeprefix("> ") for line in self.lines if not (line.startswith("> ") and line[2:] in plain)]

    def _expanded(self, line: str, pieces: dict[str, list[str]]) -> list[str]:
        if line == "@serving":
            return pieces["serving"]
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
def snippets() -> tuple[Snippet, ...]:
    """Every snippet of the collection."""
    found: list[tuple[str, list[str]]] = []
    for line in (DATA / "snippets.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("=== "):
            found.append((line[4:], []))
        elif found:
            found[-1][1].append(line)
    return tuple(_snippet(head, lines) for head, lines in found)


def _snippet(head: str, lines: list[str]) -> Snippet:
    label, phase, options = ([part.strip() for part in head.split("|")] + [""])[:3]
    return Snippet(label, phase, options, tuple(lines))
