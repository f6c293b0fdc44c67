"""Every cause is named right in logs made of two parts: a start of each release, and what goes wrong after it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bgecheck.checks.logs import AREA
from bgecheck.model import Finding
from cases import failures
from everycase import at_most
from logsamples import FINE, KEY, Snippet, cause, collected, judged, roots, snippets, written


def _name(snippet: Snippet) -> str:
    return f"{snippet.phase}: {snippet.decisive}"


@pytest.mark.parametrize("label", dict.fromkeys(snippet.label for snippet in snippets()))
def test_the_cause_is_named_in_the_words_of_every_release(label: str, tmp_path: Path) -> None:
    """The first root cause is the right one, it shows the decisive line by its number, and no key."""
    own = [snippet for snippet in snippets() if snippet.label == label]
    assert failures(own, partial(_is_named, folder=tmp_path), _name) == []


def _is_named(snippet: Snippet, folder: Path) -> None:
    for release in snippet.releases[:: at_most(1, 3)]:  # the oldest and the newest
        path = written(folder / "sglang.log", snippet.log(release))
        findings = judged(path)
        found = roots(findings)
        assert KEY not in repr(findings)
        assert len(findings) == len(AREA.checks)
        if snippet.label in FINE:
            assert not found, (release, found[0].id, found[0].evidence)
            continue
        assert [f.id for f in found][:1] == ["logs." + snippet.label.replace("_", "-")], release
        _shows_the_line(found[0], snippet, path)


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
    "stern": _each("bge-7d9f5c6b8-x7k2p sglang "),
    "Kibana": _each("Nov 2, 2026 @ 22:10:05.123    "),
    "Loki": _each("2026-11-02T22:10:05+08:00\t"),
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
    "Jenkins": _each("[2026-11-02T22:10:05.123Z] "),
    "a pane of k9s": lambda text: "\n".join(f"│ {line:<160} │" for line in text.split("\n")).encode(),
    "NUL bytes": lambda text: b"\0" * 512 + text.encode() + b"\0\0",
    "a progress bar before each line": _each("\rFetching 3 files:  33%|###  | 1/3\r"),
    "chinese of a GBK console": lambda text: ("正在启动服务…\n" + text).encode("gb18030"),
    "an older start that was stopped": _after_a_healthy_start,
    "an older start that crashed": _after_a_crash,
}


STEP = at_most(1, 8)
"""Every eighth sample in each dress, another eighth in the next, unless all are asked for: each sample comes in six."""


@pytest.mark.parametrize("dress", DRESSES)
def test_a_log_is_understood_as_it_is_found(dress: str, tmp_path: Path) -> None:
    """Whatever a terminal, a container runtime or an editor put around the lines, the cause stays the same."""
    wrong = []
    offset = list(DRESSES).index(dress) % STEP
    for index, snippet in list(enumerate(snippets()))[offset::STEP]:
        if (
            dress.startswith("an older")
            and snippet.phase == "args"
            and snippet.lines[:1] != ("Traceback (most recent call last):",)
        ):
            continue  # nothing says that a new start began
        rank = (" TP0", " DP1 TP0", "")[index % 3]
        path = written(
            tmp_path / "sglang.log", DRESSES[dress](snippet.log(snippet.releases[index % len(snippet.releases)], rank))
        )
        facts = collected(path)
        if cause(facts) != (None if snippet.label in FINE else snippet.label):
            wrong.append((snippet.label, snippet.decisive[:60], cause(facts), facts.diagnosis.state))
    assert not wrong
