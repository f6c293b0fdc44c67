"""Causes are named right in words and surroundings that the rules were not written from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from bgecheck.checks.logs.area import LogFacts
from everycase import at_most
from logsamples import DATA, FINE, RELEASES, Snippet, collected, judged, roots, snippets, written

VARIED = snippets("variations.txt")
RIGHT, SHOWN = 0.97, 0.95
"""Shares of logs whose cause is right, and that show the decisive line."""

ROUTINE = (DATA / "harmless.txt").read_text(encoding="utf-8").rstrip()
"""What a healthy server writes too, and what clients make it write."""

CASCADE = (DATA / "cascade.txt").read_text(encoding="utf-8").rstrip()
"""What follows a death."""


class Score(NamedTuple):
    """Shares of a set of logs, and what was wrong."""

    right: float
    shown: float
    wrong: tuple[str, ...]

    def good(self) -> bool:
        """Whether the causes and the lines that were named are good enough."""
        return self.right >= RIGHT and self.shown >= SHOWN


def _text(snippet: Snippet, index: int, change: Callable[[str], str] = str) -> str:
    rank = ("", " TP0", " DP0 TP1", "")[index % 4]
    return change(snippet.log(snippet.releases[index % len(snippet.releases)], rank))


def _told(facts: LogFacts) -> tuple[str | None, str]:
    """The label of the decisive cause and all that is shown of it."""
    name, first = next(iter(facts.diagnosis.causes.items()), (None, None))
    if name is None or first is None:
        return None, ""
    shown = [*first.before, first.text, *first.after, *(text for _, text in first.also.values())]
    return name.replace("-", "_"), "\n".join(shown)


def _scored(path: Path, logs: Sequence[tuple[str, str, str]]) -> Score:
    """Judge logs, each with the label of its cause and the line that decides."""
    wrong, missed = [], 0
    for label, decisive, text in logs:
        told, shown = _told(collected(written(path / "sglang.log", text)))
        if told != (None if label in FINE else label):
            wrong.append(f"{label}: {decisive[:80]} -> {told}")
        missed += label not in FINE and decisive[:100] not in shown
    return Score(1 - len(wrong) / len(logs), 1 - missed / len(logs), tuple(wrong))


def _varied(change: Callable[[str], str] = str, only: Callable[[Snippet], bool] = bool) -> list[tuple[str, str, str]]:
    chosen = [(index, snippet) for index, snippet in enumerate(VARIED) if only(snippet)]
    return [(s.label, _line(s, change), _text(s, i, change)) for i, s in chosen]


def _line(snippet: Snippet, change: Callable[[str], str]) -> str:
    """The decisive line, changed as its log is."""
    return change(re.sub(r"^\[@[^]]*\] ?", "", snippet.decisive).strip()).split("\n")[-1]


def test_causes_are_right_in_other_words(tmp_path: Path) -> None:
    score = _scored(tmp_path, _varied())
    assert score.good(), score


def test_nothing_is_wrong_with_what_is_healthy(tmp_path: Path) -> None:
    """Whatever words of failure stand in harmless places of a log that goes on to serve."""
    for release in RELEASES[2:]:
        healthy = Snippet("healthy", "serving", "encoder, radix off", tuple(ROUTINE.split("\n")) + ("@serving",) * 4)
        before = Snippet("healthy", "device", "encoder, radix off", tuple(ROUTINE.split("\n")))
        whole = before.log(release) + Snippet("healthy", "serving", "encoder, radix off", ()).log(release)
        for text in (healthy.log(release), whole):
            assert not roots(judged(written(tmp_path / "sglang.log", text)))


def _noise_first(text: str) -> str:
    return (
        "\n".join(line for line in ROUTINE.split("\n") if not line.startswith(("[@", "Traceback", "  ", "Mod")))
        + "\n"
        + text
    )


def _other_paths(text: str) -> str:
    text = text.replace(
        "/usr/lib/python3.12/site-packages", "/home/user/miniconda3/envs/sgl/lib/python3.11/site-packages"
    )
    return text.replace("/opt/venv/lib/python3.12/site-packages", "/usr/local/lib/python3.10/dist-packages")


def _other_sizes(text: str) -> str:
    """Every size of memory is another: half as much again."""
    return re.sub(r"(\d+\.\d\d) ([GM]iB)", lambda size: f"{float(size[1]) * 1.5:.2f} {size[2]}", text)


def _other_numbers(text: str) -> str:
    """Line numbers of frames, process ids and ports of clients are others."""
    text = re.sub(r'(\.py", line )\d+', r"\g<1>77", text)
    return re.sub(r"(pid[=:]? ?|PID )\d+", r"\g<1>40917", text)


SURROUNDINGS: dict[str, Callable[[str], str]] = {
    "warnings before": _noise_first,
    "other paths": _other_paths,
    "other sizes": _other_sizes,
    "other numbers": _other_numbers,
}


STEP = at_most(1, 3)
"""Every third log in each of the surroundings, another third in the next, unless all are asked for."""


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings_change_nothing(name: str, tmp_path: Path) -> None:
    score = _scored(tmp_path, _varied(SURROUNDINGS[name])[list(SURROUNDINGS).index(name) % STEP :: STEP])
    assert score.good(), score


def _dies(snippet: Snippet) -> bool:
    """A cause that ends a server whose death is written to the log."""
    return any(line in ("@scheduler", "@died") for line in snippet.lines)


def test_what_follows_a_death_is_no_cause(tmp_path: Path) -> None:
    stamped = CASCADE.replace("[@", "[2026-11-02 22:59:59")
    follows = stamped + "\n"
    score = _scored(tmp_path, _varied(lambda text: text + (follows if text.endswith("\n") else ""), _dies))
    assert score.good(), score


def test_an_older_session_explains_nothing(tmp_path: Path) -> None:
    """Starts that failed of other causes, above each log that says where it begins."""
    older = "".join(s.log("0.5.9") for s in VARIED if s.phase == "load")[:20_000].rpartition("\n")[0] + "\nKilled\n"
    score = _scored(tmp_path, _varied(lambda text: older * ("\n" in text) + text, lambda s: s.phase != "args")[::STEP])
    assert score.good(), score


class Ending(NamedTuple):
    """The last lines of a log and the cause that they tell of."""

    label: str
    where: str
    lines: tuple[str, ...]

    def log(self, release: str) -> str:
        """The whole log."""
        place, _, option = self.where.partition(" ")
        if place == "raw":
            return "\n".join(self.lines) + "\n"
        above = {"log": (), "args": ("Traceback (most recent call last):",)}.get(place, ("@scheduler",))
        phase = {"log": "serving", "warm": "warm-up"}.get(place, place)
        below = ("@died",) if above == ("@scheduler",) else ()
        options = "encoder, radix off" if option else ""
        return Snippet(self.label, phase, options, (*above, *self.lines, *below)).log(release)


def _endings() -> list[Ending]:
    found = [
        line.split(" | ", 2)
        for line in (DATA / "errors.txt").read_text(encoding="utf-8").splitlines()
        if line[:1] != "#"
    ]
    return [Ending(parts[0], parts[1], tuple(parts[2].split(" ⏎ "))) for parts in found if len(parts) == 3]


@pytest.mark.parametrize("release", RELEASES)
def test_an_error_is_understood_by_its_words_and_its_place(release: str, tmp_path: Path) -> None:
    """Every ending in a log of each release; by default every third, others for each release."""
    logs = [(ending.label, ending.lines[0], ending.log(release)) for ending in _endings()]
    assert len(logs) > 250
    logs = logs[RELEASES.index(release) % STEP :: STEP]
    score = _scored(tmp_path, logs)
    assert score.good(), score


def test_a_guess_says_that_it_is_one(tmp_path: Path) -> None:
    """An error that no rule knows is told with little confidence, one that a rule knows with where it was seen."""
    known = Ending("weights_missing", "load", ("RuntimeError: Cannot find any model weights with `/srv/m`",))
    unknown = Ending("weights_missing", "load", ("ValueError: the checkpoint has no shard that could be found",))
    for ending, level, words in ((known, "high", "is known from 0.3.6"), (unknown, "low", "no rule knows this line")):
        first = roots(judged(written(tmp_path / "sglang.log", ending.log("0.5.9"))))[0]
        assert first.id == "logs.weights-missing"
        assert first.values["confidence"] == level
        assert words in str(first.evidence[-1].observed)


def test_competing_causes_are_told_with_the_reason(tmp_path: Path) -> None:
    """What came after follows, what came before but has several causes is vaguer; the JSON report has both."""
    lines = (
        "@scheduler",
        "[W] huggingface_hub: LocalTokenNotFoundError was ignored",
        "ncclUnhandledCudaError: Call to CUDA function failed.",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB.",
        "RuntimeError: NCCL error: unhandled system error",
        "ImportError: libnuma.so.1: cannot open shared object file: No such file or directory",
        "@died",
    )
    text = Snippet("system_library_missing", "load", "", lines[:1] + lines[2:]).log("0.5.9")
    first = roots(judged(written(tmp_path / "sglang.log", text)))[0]
    assert first.id == "logs.system-library-missing"
    beside = {rival["cause"]: rival["reason"] for rival in first.values["beside"]}
    assert beside["nccl-failure"] == "vaguer"
    assert beside["gpu-oom-weights"] == "vaguer"
    assert first.values["confidence"] == "medium"
    assert "has several possible causes" in str(first.evidence[-1].observed)
