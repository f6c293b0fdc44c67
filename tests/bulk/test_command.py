"""The command as a user has it: killed and resumed, with bad input, in both languages, its codes and lines."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commandline import environment, run
from fakes.answering import Answer, embedded, pages, serving, vector

DIMS = 8
TEXTS = [f"{number} 文本{'长' * (number % 40)}" for number in range(2000)]
MEANINGLESS = ("--skip", "embed.semantic,embed.golden,embed.dimension,launch")
"""Rows that a server of eight dimensions rightly fails."""


SECONDS = [0.005]
"""That an answer takes; more where a run is to be met at work, however busy the machine is."""


@pytest.fixture
def paced() -> Iterator[None]:
    """Whatever pace a test sets ends with it."""
    yield
    SECONDS[0] = 0.005


@pytest.fixture
def slow(paced: None) -> None:
    """A server at which a run of all texts lasts ten seconds."""
    SECONDS[0] = 0.15


def right(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
    texts = body["input"]
    if any("refuse" in text for text in texts):
        return 400, {"object": "error", "message": "no \x1b[31mred"}
    time.sleep(SECONDS[0])
    return 200, embedded(*(vector(text, DIMS) for text in texts))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(pages(), right) as url:
        yield url


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    return path


def words(url: str, source: Path | str, out: Path, *more: str) -> list[str]:
    return ["embed", "--url", url, "--input", str(source), "--to", str(out), *MEANINGLESS, *more]


@pytest.mark.usefixtures("paced")
def test_a_run_that_is_killed_goes_on_and_gives_the_same_bytes(url: str, source: Path, tmp_path: Path) -> None:
    clean, killed = tmp_path / "clean.npy", tmp_path / "killed.npy"
    done = run(*words(url, source, clean))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2000 texts | rejected 0 | ")
    SECONDS[0] = 0.15
    line = [sys.executable, "-m", "bgecheck", *words(url, source, killed, "--resume", "--concurrency", "1")]
    process = subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    journal = killed.with_name("killed.npy.part") / "journal.jsonl"
    ends = time.monotonic() + 30
    while not (journal.exists() and b'"records":' in journal.read_bytes().partition(b"\n")[2]):
        assert time.monotonic() < ends
        time.sleep(0.02)
    time.sleep(random.random() * 0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    SECONDS[0] = 0.005
    assert process.returncode == -signal.SIGKILL, "it was killed at work"
    assert not killed.exists()
    refused = run(*words(url, source, killed))
    assert (refused.returncode, "--resume" in refused.stderr) == (2, True)
    assert run(*words(url, source, killed, "--resume")).returncode == 0
    assert killed.read_bytes() == clean.read_bytes()
    assert not journal.parent.exists()
    assert np.load(killed)[1999] == pytest.approx(vector(TEXTS[1999], DIMS), abs=1e-6)
    again = run(*words(url, source, killed, "--resume", "--lang", "zh"))
    assert (again.returncode, "已经完成：2000 条文本" in again.stdout) == (0, True)


@pytest.mark.usefixtures("slow")
def test_an_interrupted_run_says_how_to_go_on(url: str, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    line = [sys.executable, "-m", "bgecheck", *words(url, source, out, "--api-key", "sk-a-key-to-hide")]
    process = subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "out.npy.part/journal.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    assert "out.npy.part; go on with: --resume" in errors
    assert "sk-a-key" not in errors


def test_rejected_texts_are_told_and_kept_clean(url: str, tmp_path: Path) -> None:
    source, out = tmp_path / "texts.csv", tmp_path / "out.jsonl"
    source.write_text("id,问题\n1,好\n2,refuse\n3,\n", encoding="gb18030")
    done = run(*words(url, source, out, "--column", "问题", "--lang", "zh"))
    assert done.returncode == 0
    assert "3 条文本 | 无向量 2（空白 1、被拒绝 1；" in done.stdout
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["vector"] is None for row in rows] == [False, True, True]
    lines = [json.loads(line) for line in Path(f"{out}.rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["line"], line["reason"]) for line in lines] == [(3, "refused"), (4, "blank")]
    assert lines[0]["message"] == "HTTP 400: no red"


def test_texts_that_are_all_rejected_are_a_problem(url: str, tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("refuse\n \n", encoding="utf-8")
    assert run(*words(url, source, tmp_path / "out.npy")).returncode == 1


def test_the_models_own_instruction_is_put_before_each_text(tmp_path: Path) -> None:
    sent: list[str] = []

    def noting(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        sent.extend(body["input"])
        return right(body, headers)

    source = tmp_path / "texts.txt"
    source.write_text("如何重置密码", encoding="utf-8")
    with serving(pages(), noting) as url:
        assert run(*words(url, source, tmp_path / "q.npy", "--as", "query")).returncode == 0
        assert "为这个句子生成表示以用于检索相关文章：如何重置密码" in sent
        done = run(*words(url, source, tmp_path / "p.npy", "--as", "passage"))
        assert (done.returncode, "without an instruction" in done.stderr) == (0, True)
        refused = run(*words(url, source, tmp_path / "m.npy", "--as", "query", "--model", "mine"))
    assert (refused.returncode, "no instruction is on record for mine" in refused.stderr) == (2, True)


@pytest.mark.parametrize("more", [(), ("--truncate",), ("--keep-chunks",)])
def test_pieces_longer_than_the_model_reads_are_refused(more: tuple[str, ...], url: str, tmp_path: Path) -> None:
    source, out = tmp_path / "t.txt", tmp_path / "o.npy"
    source.write_text("一\n二\n", encoding="utf-8")
    done = run(*words(url, source, out, "--chunk", "512", *more))
    assert (done.returncode, "reads 511 tokens at most" in done.stderr) == (2, True)
    assert "give --chunk 511" in done.stderr
    assert run(*words(url, source, out, "--chunk", "511", *more)).returncode == 0


def test_a_server_that_hangs_is_not_waited_for_beyond_the_patience_given(url: str, tmp_path: Path) -> None:
    source = tmp_path / "t.txt"
    source.write_text("\n".join(TEXTS[:600]), encoding="utf-8")
    hanging = threading.Event()
    sent = [0]

    def odd(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        sent[0] += len(body["input"])
        if sent[0] > 100:
            hanging.wait(60)
        return right(body, headers)

    began = time.monotonic()
    with serving(pages(), odd) as stuck:
        done = run(*words(stuck, source, tmp_path / "o.npy", "--patience", "1s"))
        hanging.set()
    assert (done.returncode, "--resume" in done.stderr) == (4, True)
    assert time.monotonic() - began < 30


def test_a_server_that_is_not_right_is_sent_no_file(tmp_path: Path, source: Path) -> None:
    """The report of the smoke test says why, as without a file."""
    count = [0]

    def turning(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        count[0] += len(body["input"])
        return 200, embedded(*(vector(text, DIMS)[:: -1 if count[0] % 2 else 1] for text in body["input"]))

    with serving(pages(), turning) as url:
        done = run(*words(url, source, tmp_path / "out.npy"))
    assert done.returncode == 1
    assert "embed.repeatable" in done.stdout
    assert count[0] < 50
    assert not list(tmp_path.glob("out*"))


def test_nobody_there_is_told_without_a_file(tmp_path: Path, source: Path) -> None:
    done = run(*words("http://127.0.0.1:9", source, tmp_path / "out.npy"))
    assert done.returncode in (1, 4)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ((), "where the vectors go is not said"),
        (("--to", "out.csv"), "not a supported format"),
        (("--to", "out.npy", "--resume", "--overwrite"), "exclude each other"),
        (("--to", "out.npy", "--column", "x"), "there is no column x"),
        (("--to", "out.npy", "--as", "document"), "query, passage"),
        (("--to", "out.npy", "--keep-chunks"), "only with --chunk"),
        (("--to", "out.npy", "--chunk", "3"), "not between 16 and"),
        (("--to", "out.npy", "--overlap", "5"), "only with --chunk"),
        (("--to", "out.npy", "--truncate", "--chunk", "50", "--overlap", "5"), "without --truncate"),
        (("--to", "out.npy", "--batch", "0"), "not between 1 and"),
        (("--to", "out.npy", "a text"), "texts are given on the command line as well"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    more: tuple[str, ...], reason: str, source: Path, tmp_path: Path
) -> None:
    done = run("embed", "--url", "http://127.0.0.1:9", "--input", str(source), *more)
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_option_that_was_not_given_before_shows_as_none(url: str, tmp_path: Path) -> None:
    source, out = tmp_path / "t.txt", tmp_path / "o.npy"
    source.write_text("一\n二\n", encoding="utf-8")
    assert run(*words(url, source, out)).returncode == 0
    done = run(*words(url, source, out, "--resume", "--prefix", "问："))
    assert (done.returncode, "prefix - then, prefix 问： now" in done.stderr) == (2, True)


@pytest.mark.parametrize("more", [("--as", "query"), ("--truncate",), ("--chunk", "20"), ("--prefix", "问：")])
def test_a_whole_output_is_left_as_it_is_whatever_options_made_it(
    more: tuple[str, ...], url: str, tmp_path: Path
) -> None:
    source, out = tmp_path / "t.txt", tmp_path / "o.npy"
    source.write_text("一\n二\n", encoding="utf-8")
    line = words(url, source, out, "--resume", *more)
    assert run(*line).returncode == 0
    again = run(*line)
    assert (again.returncode, again.stdout) == (0, f"{out} is whole already: 2 texts\n"), again.stderr


def test_the_report_of_the_servers_goes_into_its_file_where_they_are_right(url: str, tmp_path: Path) -> None:
    source, report = tmp_path / "t.txt", tmp_path / "r.json"
    source.write_text("一\n二\n", encoding="utf-8")
    done = run(*words(url, source, tmp_path / "o.npy", "-o", f"json={report}"))
    assert (done.returncode, done.stdout.startswith("2 texts | ")) == (0, True)
    assert json.loads(report.read_text(encoding="utf-8"))["exit_code"] == 0
    refused = run(*words(url, source, tmp_path / "p.npy", "-o", "json"))
    assert (refused.returncode, "write the report into a file: -o json=FILE" in refused.stderr) == (2, True)


def test_an_output_that_is_the_input_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.npy.rejected.jsonl"
    path.write_text('{"text": "a"}\n', encoding="utf-8")
    (tmp_path / "t.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    for source, out in ((tmp_path / "t.jsonl", "t.jsonl"), (path, "v.npy")):
        before = source.read_bytes()
        done = run(*words("http://127.0.0.1:9", source, tmp_path / out, "--overwrite"))
        assert (done.returncode, "is read in this run, and would be lost" in done.stderr) == (2, True)
        assert source.read_bytes() == before


@pytest.mark.parametrize("option", [("--to", "x.npy"), ("--resume",), ("--truncate",), ("--chunk", "100")])
def test_an_option_of_files_without_a_file_is_refused(option: tuple[str, ...]) -> None:
    done = run("embed", "文本", *option)
    assert (done.returncode, "--input FILE" in done.stderr) == (2, True)


def test_two_servers_without_a_file_are_refused() -> None:
    done = run("embed", "文本", "--url", "127.0.0.1:1", "--url", "127.0.0.1:2")
    assert (done.returncode, "looks at one server" in done.stderr) == (2, True)
