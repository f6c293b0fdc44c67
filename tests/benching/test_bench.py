"""`bgecheck bench` against servers of a planted capacity, each a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bgecheck.cli.main import run
from everycase import EVERY

PLANTED = Path(__file__).parents[1] / "fakes" / "planted.py"


@contextmanager
def planted(workers: int, fixed: float, text: float, most: int, *trouble: str) -> Iterator[str]:
    """The URL of a server of this capacity."""
    line = [sys.executable, str(PLANTED), *map(str, (workers, fixed, text, most)), *trouble]
    process = subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.communicate()


def benched(capsys: Any, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the JSON of a run."""
    code = run(["bench", *words, "-o", "json"])
    return code, json.loads(capsys.readouterr().out)


def place(setting: Any) -> tuple[int, int]:
    return setting["batch"], setting["concurrency"]


@pytest.mark.skipif(not EVERY, reason="needs a quiet machine: what else runs takes from the planted capacity")
@pytest.mark.parametrize(
    ("workers", "fixed", "text", "most"),
    [(2, 20, 0.5, 64), (4, 20, 0.7, 32), (1, 15, 0.5, 16)],
)
def test_three_of_three_runs_advise_nearly_the_best_setting_of_a_planted_capacity(
    workers: int, fixed: float, text: float, most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def rate(batch: int, concurrency: int) -> float:
        return min(workers, concurrency) * batch / (fixed + text * batch)

    sizes = [2**power for power in range(8)]
    best = max(rate(batch, many) for batch in sizes for many in sizes[:7] if batch * many <= most)
    with planted(workers, fixed, text, most) as url:
        code, report = benched(capsys, "--url", url, "--budget", "6s", "--lengths", "8-16")
    assert code == 0
    assert rate(*place(report["advised"])) >= 0.9 * best
    assert report["max_running_requests"] == most
    assert max(one["batch"] * one["concurrency"] for one in report["settings"]) <= most
    assert report["seconds"] < 9
    measured = next(one for one in report["settings"] if place(one) == place(report["fastest"]))
    assert measured["texts_per_second"] <= 1.05e3 * rate(*place(report["fastest"]))
    assert measured["tokens_per_second"] > measured["texts_per_second"]


def test_an_objective_that_no_setting_meets_is_exit_1_and_one_that_is_met_is_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with planted(2, 50, 1, 32) as url:
        usual = ["--url", url, "--budget", "2.5s", "--lengths", "8-16"]
        code, report = benched(capsys, *usual, "--slo", "p99=20ms")
        assert (code, report["advised"]) == (1, None)
        assert report["nearest"] is not None
        code, report = benched(capsys, *usual, "--slo", "p50<=4s,throughput>=2", "--texts", "1M")
        assert (code, report["objectives"]) == (0, ["p50 <= 4000 ms", "throughput >= 2"])
        assert report["seconds_for_texts"] > 1000
        assert run(["bench", *usual, "--slo", "p99=20ms", "--batch", "1", "--concurrency", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "FAIL no setting meets p99 <= 20 ms; nearest is batch 1 x 1 with p99 " in lines[-1]


def test_a_server_that_dies_in_the_middle_leaves_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with planted(2, 10, 0.5, 64, "dies=150") as url:
        began = time.monotonic()
        code = run(["bench", "--url", url, "--budget", "10s", "--lengths", "8-16", "--timeout", "2s"])
    out = capsys.readouterr().out
    assert code == 1
    assert "FAIL ended after " in out.splitlines()[-1]
    assert "refused" in out.splitlines()[-1]
    assert "use batch " in out
    assert time.monotonic() - began < 20


def test_errors_end_a_climb_and_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with planted(2, 20, 1, 256, "busy=20") as url:
        code, report = benched(capsys, "--url", url, "--budget", "4s", "--lengths", "8-16", "--batch", "4,8,16")
    assert code == 0
    settings = {place(one): one for one in report["settings"]}
    broken = {at: one["errors"] for at, one in settings.items() if one["errors"]}
    assert broken
    assert all(set(errors) == {"busy"} for errors in broken.values())
    assert all(at[0] * at[1] > 20 for at in broken)
    for batch in {at[0] for at in broken}:  # nothing that holds more than the first that was refused
        assert sum(at[0] == batch for at in broken) <= 2
    advised = place(report["advised"])
    assert advised[0] * advised[1] <= 20


def test_a_fast_wrong_answer_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with planted(4, 20, 0.1, 64, "wrong=10") as url:
        code, report = benched(capsys, "--url", url, "--budget", "3s", "--lengths", "8-16", "--batch", "8")
        assert code == 1
        wrong = {place(one): one for one in report["settings"] if one["wrong"]}
        assert wrong
        assert all(at[1] > 1 and not one["usable"] and one["lowest_cosine"] < 0.999 for at, one in wrong.items())
        advised = report["advised"]
        assert advised is None or place(advised) not in wrong
        code = run(["bench", "--url", url, "--budget", "2s", "--lengths", "8-16", "--batch", "8", "--lang", "zh"])
    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert lines[-1].startswith("未通过 有负载时向量错误：bgecheck doctor --url ")
    assert any("有负载时对照文本的向量变了" in line for line in lines)


def test_an_open_loop_counts_from_when_a_request_was_due(capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that stalls for half a second at every 10th request: those that come meanwhile are late as well."""
    with planted(1, 5, 0.1, 64, "stall=10") as url:
        _, report = benched(capsys, "--url", url, "--budget", "4s", "--lengths", "8-16", "--rate", "15")
        (one,) = report["settings"]
        assert one["rate"] == 15
        assert one["p50"] > 0.05, "one client that waits would have seen 5 ms for nine of ten"
        code, report = benched(capsys, "--url", url, "--budget", "4s", "--rate", "8,300", "--slo", "p99=9s")
    assert [one["falls_behind"] for one in report["settings"]] == [False, True]
    assert (code, report["advised"]["rate"]) == (0, 8)


def test_the_files_of_a_run_hold_it_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("id,text\n1,如何重置密码\n2,忘记密码怎么办\n", encoding="utf-8")
    with planted(2, 10, 1, 64) as url:
        line = ["--url", url, "--budget", "2.5s", "--batch", "1,4", "--input", str(texts), "--column", "text"]
        files = ["--save", str(tmp_path / "a.json"), "--html", str(tmp_path / "a.html")]
        assert run(["bench", *line, *files]) == 0
        out = capsys.readouterr().out
        assert run(["bench", *line, "--save", str(tmp_path / "b.json")]) == 0
    assert "a cache may have answered" in out
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "http:" not in page.replace(url, "")
    assert "<script" not in page
    capsys.readouterr()
    assert run(["bench", "--compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "-o", "json"]) in (0, 1)
    compared = json.loads(capsys.readouterr().out)
    assert compared["verdict"] in ("faster", "slower", "cannot tell")
    assert all(one["throughput"]["low"] <= one["throughput"]["ratio"] for one in compared["settings"])


@pytest.mark.parametrize("name", ["--save", "--html", "--plot"])
def test_no_file_of_a_run_is_written_over_the_texts(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("如何重置密码\n", encoding="utf-8")
    assert run(["bench", "--url", "http://127.0.0.1:9", "--input", str(texts), name, str(texts)]) == 2
    assert f"{name} {texts}: {texts} is read in this run, and would be lost" in capsys.readouterr().err
    assert texts.read_text(encoding="utf-8") == "如何重置密码\n"


def test_a_plot_is_drawn_where_matplotlib_is_there(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with planted(2, 10, 1, 64) as url:
        for name in ("a.png", "a.svg"):
            line = ["bench", "--url", url, "--budget", "2s", "--batch", "1,4", "--plot", str(tmp_path / name)]
            assert run(line) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_a_terminal_that_is_too_small_has_no_curve_and_a_narrow_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with planted(2, 10, 1, 64) as url:
        assert run(["bench", "--url", url, "--budget", "2s", "--batch", "1,2", "--lengths", "8-16"]) == 0
    out = capsys.readouterr().out
    assert "(no curve: 40 columns" in " ".join(out.split())
    assert all(len(line) <= 40 for line in out.splitlines() if line.startswith(("|", "+")))
