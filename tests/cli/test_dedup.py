"""`bgecheck dedup` as it is run: what it keeps and writes, what it refuses, and that a kill costs nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bgecheck.cli.main import run as run_here
from bgecheck.demo.stage import Staged, stage
from commandline import PROGRAM, environment, run

TEXTS = [
    "怎么重置密码？",
    "重置密码的方法",
    "",
    "软件打不开",
    "怎么重置密码？",
    "<b>\x1b[31m[red]软件</b>",
    "程序启动失败",
]
ROWS = np.array([[1, 0, 0], [1, 0.5, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0.2], [0, 0.5, 1]], np.float32)


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "q.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    np.save(tmp_path / "q.npy", ROWS)
    return str(tmp_path / "q.txt")


def given(file: str) -> list[str]:
    """The command on the vectors beside the texts."""
    return ["dedup", file, "--vectors", file.replace(".txt", ".npy")]


def test_what_is_kept_and_for_which_text_the_others_are_dropped(file: str) -> None:
    """The first threshold is the guide's; the copy goes with the first of its kind, the blank line is none."""
    done = run(*given(file), "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    payload = json.loads(done.stdout)
    assert (payload["kept"], payload["dropped"], payload["copies"], payload["blank"]) == ([0, 3, 6], 3, 1, [2])
    groups = {
        group["kept"]: [(one["number"], one["similarity"]) for one in group["dropped"]] for group in payload["groups"]
    }
    assert groups == {0: [(1, 0.894427), (4, 1.0)], 3: [(5, 0.980581)], 6: []}
    assert payload["threshold"] == 0.85
    assert json.loads(run(*given(file), "--threshold", "0.97", "-o", "json").stdout)["kept"] == [0, 1, 3, 6]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_screen_shows_what_is_kept_and_says_that_the_threshold_is_no_constant(file: str, language: str) -> None:
    done = run(*given(file), "--lang", language)
    assert "\x1b" not in done.stdout
    assert "<b>[red]软件</b>" in done.stdout
    for words in {
        "en": ("3 of 6 (50.0%)", "letter by letter", "just dropped", "0.85 is the guide's figure and no constant"),
        "zh": ("3 / 6（50.0%）", "逐字相同", "刚好去除", "0.85 只是教程里的数字"),
    }[language]:
        assert words in done.stdout
    chosen = run(*given(file), "--lang", language, "--threshold", "0.85").stdout
    assert "--calibrate" in done.stdout
    assert "--calibrate" not in chosen


def test_the_page_is_whole_and_holds_foreign_text_as_text(file: str, tmp_path: Path) -> None:
    page_file = tmp_path / "r.html"
    done = run(*given(file), "-o", f"html={page_file}")
    assert done.returncode == 0
    page = page_file.read_text(encoding="utf-8")
    assert "&lt;b&gt;[red]软件&lt;/b&gt;" in page
    assert "<b>[red]" not in page
    assert page.count("<svg") == page.count("</svg>") >= 1
    assert not re.search(r"<script|https?://|src=", page)
    assert "0.8944" in page


def test_files_hold_all_of_it_in_order(file: str, tmp_path: Path) -> None:
    for name in ("k.txt", "k.csv", "g.jsonl"):
        groups = ["--groups"] if name.startswith("g") else []
        assert run(*given(file), "--write", str(tmp_path / name), *groups, "--overwrite").returncode == 0
    assert (tmp_path / "k.txt").read_text(encoding="utf-8").splitlines() == [TEXTS[0], TEXTS[3], TEXTS[6]]
    assert (tmp_path / "k.csv").read_text(encoding="utf-8").splitlines() == [
        "number,text",
        f"0,{TEXTS[0]}",
        f"3,{TEXTS[3]}",
        f"6,{TEXTS[6]}",
    ]
    first = json.loads((tmp_path / "g.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert (first["number"], [one["number"] for one in first["dropped"]]) == (0, [1, 4])
    dropped = [json.loads(line) for line in (tmp_path / "k.dropped.jsonl").read_text(encoding="utf-8").splitlines()]
    assert dropped[0] == {
        "number": 1,
        "text": TEXTS[1],
        "representative": 0,
        "representative_text": TEXTS[0],
        "similarity": 0.894427,
    }
    assert sorted(path.name for path in tmp_path.glob("*.checkpoint*")) == []


def test_what_is_kept_can_go_to_stdout_alone(file: str) -> None:
    done = run(*given(file), "--write", "-", "--groups")
    assert done.stdout.splitlines()[:3] == [TEXTS[0], f"\t0.894427\t{TEXTS[1]}", f"\t1.000000\t{TEXTS[4]}"]
    assert run(*given(file), "--write", "-", "-o", "json").returncode == 2


def test_texts_that_cannot_be_compared_are_kept_and_make_exit_4(file: str) -> None:
    rows = ROWS.copy()
    rows[3], rows[6] = 0, np.nan
    np.save(file.replace(".txt", ".npy"), rows)
    done = run(*given(file))
    assert done.returncode == 4
    assert "2: kept, but the vector is missing, zero, NaN or infinite (from 0: 3, 6)" in done.stdout
    assert "5 kept" not in done.stdout


@pytest.mark.parametrize("kind", ["safetensors", "jsonl", "bfloat16"])
def test_vectors_of_other_files(file: str, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"v.{kind.replace('bfloat16', 'safetensors')}"
    if kind == "jsonl":
        lines = [
            {"text": text, "vector": None if not text else row.tolist()} for text, row in zip(TEXTS, ROWS, strict=True)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    elif kind == "safetensors":
        from safetensors.numpy import save_file

        save_file({"embeddings": ROWS}, str(path))
    else:
        raw = (ROWS.view(np.uint32) >> 16).astype("<u2").tobytes()
        head = json.dumps(
            {"vectors": {"dtype": "BF16", "shape": list(ROWS.shape), "data_offsets": [0, len(raw)]}}
        ).encode()
        path.write_bytes(len(head).to_bytes(8, "little") + head + raw)
    done = run("dedup", file, "--vectors", str(path), "-o", "json")
    assert (done.stderr, json.loads(done.stdout)["kept"]) == ("", [0, 3, 6])


def test_bad_input_is_one_line_and_exit_2(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "few.npy", ROWS[:5])
    np.save(tmp_path / "flat.npy", ROWS.ravel())
    (tmp_path / "bad.npy").write_bytes(b"nonsense")
    (tmp_path / "odd.jsonl").write_text('{"vector": [1, 2]}\n{"vector": [1]}\n')
    (tmp_path / "other.jsonl").write_text('{"text": "x", "vector": [1, 2]}\n')
    (tmp_path / "blank.txt").write_text("\n \n")
    (tmp_path / "there.txt").write_text("x")
    (tmp_path / "two.csv").write_text('text\na\n"b\nc"\n')
    cases: list[tuple[list[str], str]] = [
        (["dedup"], "no file of texts is given"),
        (["dedup", str(tmp_path)], "is a folder"),
        (["dedup", str(tmp_path / "none.txt")], "there is no such file"),
        (["dedup", str(tmp_path / "blank.txt"), "--vectors", "x.npy"], "there is no text in it"),
        (["dedup", file, "--vectors", str(tmp_path / "few.npy")], "5 vectors, and 7 texts"),
        (["dedup", file, "--vectors", str(tmp_path / "flat.npy")], "is not a matrix"),
        (["dedup", file, "--vectors", str(tmp_path / "bad.npy")], "not a .npy of numbers"),
        (["dedup", file, "--vectors", str(tmp_path / "none.npy")], "there is no such file"),
        (["dedup", file, "--vectors", str(tmp_path / "odd.jsonl")], "line 2 has 1 components, those before it 2"),
        (["dedup", file, "--vectors", str(tmp_path / "other.jsonl")], "line 1 is of another text"),
        (["dedup", file, "--vectors", file], "its extension is not a supported format of vectors"),
        ([*given(file), "--threshold", "85"], "write it as 0.85"),
        ([*given(file), "--threshold", "85%"], "write it as 0.85"),
        ([*given(file), "--threshold", "1.5"], "write it as 0.9"),
        ([*given(file), "--threshold", "nan"], "not a cosine similarity"),
        ([*given(file), "--calibrate", "p.csv", "--write", "k.txt"], "a calibration keeps and drops no texts"),
        ([*given(file), "--write", str(tmp_path / "there.txt")], "it is there already"),
        ([*given(file), "--write", str(tmp_path / "k.xlsx")], "its extension is not a supported format"),
        ([*given(file), "--write", str(tmp_path / "no/k.txt")], "no such folder"),
        ([*given(file), "--resume"], "there is no output to go on with"),
        ([*given(file), "--write", str(tmp_path / "there.txt"), "--resume"], "no run that was interrupted"),
        ([*given(file), "--as", "query"], "no text is embedded"),
        ([*given(file), "--prefix", "问："], "no text is embedded"),
        (
            ["dedup", str(tmp_path / "two.csv"), "--vectors", "no.npy", "--write", "-"],
            "text 1 (from 0) has several lines",
        ),
        ([*given(file), "-o", "html2"], "did you mean html"),
        ([*given(file), "--as", "doc"], "choose: query, passage"),
    ]
    for words, reason in cases:
        lines = []
        for language in ("en", "zh"):
            assert run_here([*words, "--lang", language]) == 2, words
            output = capsys.readouterr()
            assert output.out == ""
            assert output.err.count("\n") == 1
            lines.append(output.err)
        assert reason in lines[0], (words, lines)
        assert re.search("[\u4e00-\u9fff]", lines[1])
    assert (tmp_path / "there.txt").read_text() == "x"


def large(folder: Path) -> tuple[str, NDArray[np.float32]]:
    """9,000 texts of which every fifth is near an earlier one."""
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((9000, 48), np.float32)
    rows[1::5] = rows[0::5] + 0.3 * rows[1::5]
    (folder / "many.txt").write_text("".join(f"text {number}\n" for number in range(len(rows))), encoding="utf-8")
    np.save(folder / "many.npy", rows)
    return str(folder / "many.txt"), rows


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    """Killed as soon as something is decided; without --resume nothing of it is touched."""
    file, _ = large(tmp_path)
    out, clean = tmp_path / "kept.jsonl", tmp_path / "clean.jsonl"
    words = [*given(file), "--threshold", "0.9", "--groups", "--write"]
    assert run(*words, str(clean)).returncode == 0
    process = subprocess.Popen([*PROGRAM, *words, str(out)], env=environment(), stdout=subprocess.DEVNULL)
    checkpoint = Path(f"{out}.checkpoint")
    ends = time.monotonic() + 40
    while (
        time.monotonic() < ends
        and process.poll() is None
        and not (checkpoint.exists() and checkpoint.stat().st_size > 17_000)
    ):
        time.sleep(0.002)
    process.kill()
    process.wait()
    if not out.exists():  # else it was done before it could be killed
        assert checkpoint.exists()
        before = checkpoint.read_bytes()
        assert "a run was interrupted here" in run(*words, str(out)).stderr
        assert "begun with --threshold 0.9, not 0.8" in run(*words, str(out), "--resume", "--threshold", "0.8").stderr
        assert checkpoint.read_bytes() == before
        assert run(*words, str(out), "--resume").returncode == 0
    assert out.read_bytes() == clean.read_bytes()
    assert (tmp_path / "kept.dropped.jsonl").read_bytes() == (tmp_path / "clean.dropped.jsonl").read_bytes()
    assert not checkpoint.exists()


@pytest.fixture(scope="module")
def demo() -> Iterator[Staged]:
    with stage(None) as staged:
        yield staged


def test_texts_are_embedded_by_the_server_and_their_vectors_kept(demo: Staged, tmp_path: Path) -> None:
    """They serve for another threshold, without the server."""
    texts = ["如何重置登录密码？", "如何重置登录密码", "软件打不开怎么办？", "如何重置登录密码？"]
    (tmp_path / "t.csv").write_text("id,text\n" + "".join(f"{n},{text}\n" for n, text in enumerate(texts)), "utf-8")
    out = tmp_path / "kept.txt"
    done = run("dedup", str(tmp_path / "t.csv"), "--url", demo.url, "--write", str(out))
    assert done.returncode == 0, done.stderr
    assert out.read_text(encoding="utf-8").splitlines() == [texts[0], texts[2]]
    again = run("dedup", str(tmp_path / "t.csv"), "--vectors", f"{out}.vectors.npy", "--threshold", "1", "-o", "json")
    assert json.loads(again.stdout)["kept"] == [0, 1, 2, 3]


def test_pairs_are_proposed_then_labelled_then_give_a_threshold(demo: Staged, tmp_path: Path) -> None:
    subjects, endings = ("登录密码", "手机号码", "收货地址", "支付方式"), ("怎么改", "如何改", "怎样改", "怎么修改")
    texts = [subject + ending for subject in subjects for ending in endings]
    file, pairs = tmp_path / "t.txt", tmp_path / "pairs.csv"
    file.write_text("\n".join(texts), encoding="utf-8")
    words = ["dedup", str(file), "--url", demo.url, "--threshold", "0.5", "--calibrate", str(pairs)]
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pairs to label are in" in done.stdout
    assert "none of its pairs has a label" in run(*words).stderr
    head, *lines = pairs.read_text(encoding="utf-8-sig").splitlines()
    labelled = [f"{line}{int(line[:4] == line.split(',')[1][:4])}" for line in lines]
    assert {line[-1] for line in labelled} == {"0", "1"}
    pairs.write_text("\n".join([head, *labelled]), encoding="utf-8")
    payload = json.loads(run(*words, "-o", "json").stdout)
    assert payload["pairs"] == len(lines)
    assert payload["best"]["f1"] >= payload["current"]["f1"]
    low, high = payload["best"]["intervals"]["threshold"]
    assert low <= payload["best"]["threshold"] <= high
    shown = run(*words, "--lang", "zh")
    assert "F1 最高" in shown.stdout
    assert f"--threshold {payload['best']['threshold']:g}" in shown.stdout


def test_an_interrupted_run_says_how_to_go_on(demo: Staged, tmp_path: Path) -> None:
    file, out = tmp_path / "t.txt", tmp_path / "kept.txt"
    file.write_text("".join(f"第 {number} 条文本\n" for number in range(20_000)), encoding="utf-8")
    words = ["dedup", str(file), "--url", demo.url, "--write", str(out)]
    process = subprocess.Popen(
        [*PROGRAM, *words], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    part = Path(f"{out}.vectors.npy.part")
    while not (part / "journal.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    assert f"what was done is kept in {part}; go on with: bgecheck {' '.join(words)} --resume" in errors


def test_the_command_that_finds_a_threshold_runs_as_it_is_printed(demo: Staged, tmp_path: Path) -> None:
    """On one line, however long, and with the server that was named."""
    file = tmp_path / f"{'t' * 90}.txt"
    file.write_text("一\n二\n", encoding="utf-8")
    for language in ("en", "zh"):
        more = ("--prefix", "问: ", "--api-key", "k-secret", "--lang", language, "-o", f"html={tmp_path / 'r.html'}")
        done = run("dedup", str(file), "--url", demo.url, *more, "-o", "table")
        command = f"bgecheck dedup {file} --prefix '问: ' --url {demo.url} --calibrate pairs.csv"
        assert f"\n  {command}\n" in done.stdout
        assert f"<pre>{escape(command)}</pre>" in (tmp_path / "r.html").read_text(encoding="utf-8")
        assert "k-secret" not in done.stdout


def test_where_nobody_answers_the_command_that_finds_the_cause_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("一\n二\n", encoding="utf-8")
    done = run("dedup", str(tmp_path / "t.txt"), "--url", "http://127.0.0.1:1", "--lang", "zh")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.endswith("；查原因：bgecheck doctor --url http://127.0.0.1:1/v1\n")


def test_a_server_whose_vectors_do_not_repeat_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("一\n二\n", encoding="utf-8")
    with stage("repeat-differs") as staged:
        done = run("dedup", str(tmp_path / "t.txt"), "--url", staged.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "has another vector" in done.stderr


def test_a_page_stays_where_stdout_cannot_be_written(file: str, tmp_path: Path) -> None:
    """It is no report of checks, in place of which the reason would stand."""
    page_file = tmp_path / "r.html"
    words = [*PROGRAM, *given(file), "-o", f"html={page_file}"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=50, check=False)
    assert done.returncode == 2
    assert "<svg" in page_file.read_text(encoding="utf-8")


@pytest.mark.parametrize("option", ["--write", "-o"])
def test_what_is_read_is_never_written_over(file: str, option: str) -> None:
    for path in (file, file.replace(".txt", ".npy")):
        if option == "--write" and path.endswith(".npy"):
            continue
        before = Path(path).read_bytes()
        done = run(*given(file), option, path if option == "--write" else f"html={path}", "--overwrite", "--lang", "zh")
        assert (done.returncode, "是本次运行的输入，会被覆盖" in done.stderr) == (2, True)
        assert Path(path).read_bytes() == before
