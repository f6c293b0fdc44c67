"""Every cause is named right in logs made of two parts: a start of each release, and what goes wrong after it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from bgecheck import engine
from bgecheck.checks.logs import AREA
from bgecheck.checks.logs.area import LogFacts, collect
from bgecheck.model import Finding, Status, Target
from bgecheck.sources.context import Context
from bgecheck.sources.deadline import Deadline

DATA = Path(__file__).parents[2] / "data" / "logs"
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


def _context(path: Path) -> Context:
    return Context(Target(url="", host="", port=0, log=str(path)), Deadline(30))


def _written(path: Path, content: str | bytes) -> Path:
    """A log that nobody has written to for a long time."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def _judged(path: Path) -> tuple[Finding, ...]:
    return engine.run([AREA], _context(path))


def _roots(findings: tuple[Finding, ...]) -> list[Finding]:
    roots = [f for f in findings if f.problem and f.caused_by is None]
    return sorted(roots, key=lambda f: f.status is not Status.FAIL)


def _collected(path: Path) -> LogFacts:
    facts: LogFacts = collect(_context(path))
    return facts


def _cause(facts: LogFacts) -> str | None:
    """The label of the first cause in a log, None for one in which nothing is wrong."""
    known = [c for c in facts.diagnosis.causes if c != "stalled-no-error" or facts.diagnosis.state == "stuck"]
    return known[0].replace("-", "_") if known else None


def _name(snippet: Snippet) -> str:
    return f"{snippet.label}-{snippet.phase}-{re.sub(r'[^a-zA-Z0-9]+', '-', snippet.decisive)[:40]}"


@pytest.mark.parametrize("snippet", snippets(), ids=_name)
def test_the_cause_is_named_in_the_words_of_every_release(snippet: Snippet, tmp_path: Path) -> None:
    """The first root cause is the right one, it shows the decisive line by its number, and no key."""
    for release in RELEASES:
        path = _written(tmp_path / "sglang.log", snippet.log(release))
        findings = _judged(path)
        roots = _roots(findings)
        assert KEY not in repr(findings)
        assert len(findings) == len(AREA.checks)
        if snippet.label in FINE:
            assert not roots, (release, roots[0].id, roots[0].evidence)
            continue
        assert [f.id for f in roots][:1] == ["logs." + snippet.label.replace("_", "-")], release
        _shows_the_line(roots[0], snippet, path)


def _shows_the_line(root: Finding, snippet: Snippet, path: Path) -> None:
    shown = " ".join([*(str(e.observed) for e in root.evidence), *map(str, root.values["context"])])
    assert snippet.decisive.replace("[@] ", "").strip()[:120] in shown
    subject = root.evidence[0].subject
    assert isinstance(subject, str)
    name, _, number = subject.rpartition(":")
    assert name == path.name
    line = path.read_text(encoding="utf-8").split("\n")[int(number) - 1]
    observed = str(root.evidence[0].observed)
    assert observed[:100] in line or "disable_radix_cache" in observed


def _docker(text: str) -> bytes:
    lines = (
        json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-01-01T00:00:00.1Z"})
        for line in text.split("\n")
    )
    return "\n".join(lines).encode()


def _each(prefix: str) -> Callable[[str], bytes]:
    return lambda text: "\n".join(prefix + line for line in text.split("\n")).encode()


def _coloured(text: str) -> bytes:
    return re.sub(r"(?m)^(\[2\S+ \S+\]) (\w+)", "\x1b[32m\\1\x1b[0m \x1b[1;31m\\2\x1b[0m", text).encode()


def _after_a_healthy_start(text: str) -> bytes:
    healthy = Snippet("healthy", "serving", "", ("[@] SIGTERM received. signum=None frame=None. Draining requests",))
    return (healthy.log("0.5.23") + text).encode()


def _after_a_crash(text: str) -> bytes:
    crashed = Snippet(
        "gpu_oom_weights", "load", "", ("@scheduler", "torch.OutOfMemoryError: CUDA out of memory.", "@died")
    )
    return (crashed.log("0.5.3") + text).encode()


DRESSES: dict[str, Callable[[str], bytes]] = {
    "windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "utf-16 of a PowerShell redirection": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "utf-16 without its mark": lambda text: text.encode("utf-16-le"),
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "colours": _coloured,
    "docker json-file": _docker,
    "docker compose": _each("embedding-1  | "),
    "kubectl --prefix": _each("[pod/bge-7d9f/sglang] "),
    "journald": _each("Nov 02 22:10:05 gpu-01 sglang[811]: "),
    "docker -t": _each("2026-11-02T22:10:05.123456789Z "),
    "containerd": _each("2026-11-02T22:10:05.123456789+08:00 stderr F "),
    "ray": _each("(SGLangEngine pid=23902, ip=10.0.0.7) "),
    "srun --label": _each("0: "),
    "journald -o json": lambda text: "\n".join(json.dumps({"MESSAGE": x}) for x in text.split("\n")).encode(),
    "a log shipper that keeps a traceback together": lambda text: "\n".join(
        json.dumps({"message": entry, "stream": "stderr"}) for entry in re.split(r"\n(?=\[2)", text)
    ).encode(),
    "docker compose 1, coloured": _each("\x1b[36mbge_sglang_1  |\x1b[0m "),
    "kubectl --prefix --timestamps": _each("[pod/bge-7d9f/sglang] 2026-11-02T22:10:05.123456789Z "),
    "loguru of a launcher": _each("2026-11-02 22:10:05.123 | ERROR    | launcher.main:pump:42 - "),
    "torchrun --tee": _each("[default0]:"),
    "NUL bytes": lambda text: b"\0" * 512 + text.encode() + b"\0\0",
    "a progress bar before each line": _each("\rFetching 3 files:  33%|###  | 1/3\r"),
    "chinese of a GBK console": lambda text: ("正在启动服务…\n" + text).encode("gb18030"),
    "an older start that was stopped": _after_a_healthy_start,
    "an older start that crashed": _after_a_crash,
}


@pytest.mark.parametrize("dress", DRESSES)
def test_a_log_is_understood_as_it_is_found(dress: str, tmp_path: Path) -> None:
    """Whatever a terminal, a container runtime or an editor put around the lines, the cause stays the same."""
    wrong = []
    for index, snippet in enumerate(snippets()):
        if (
            dress.startswith("an older")
            and snippet.phase == "args"
            and snippet.lines[:1] != ("Traceback (most recent call last):",)
        ):
            continue  # nothing says that a new start began
        rank = (" TP0", " DP1 TP0", "")[index % 3]
        path = _written(tmp_path / "sglang.log", DRESSES[dress](snippet.log(RELEASES[index % 4], rank)))
        facts = _collected(path)
        if _cause(facts) != (None if snippet.label in FINE else snippet.label):
            wrong.append((snippet.label, snippet.decisive[:60], _cause(facts), facts.diagnosis.state))
    assert not wrong
