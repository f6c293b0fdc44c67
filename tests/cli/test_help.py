"""The help: whole, in two languages, within its width, and with examples that are run as they stand."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import forked
from bgecheck import __version__
from bgecheck.cli.app import program as whole_program
from bgecheck.cli.commands import COMMANDS
from bgecheck.cli.help import localise
from bgecheck.cli.main import run as run_here
from bgecheck.demo.stage import Staged, stage
from bgecheck.model import Language
from commandline import environment, on_path, run, run_anew
from everycase import EVERY
from forked import Ended

CHINESE = re.compile("[\u4e00-\u9fff]")
PAGES = ("", *COMMANDS)


def page(command: str, language: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> str:
    """The help of a command, or of the program, as it is piped at a width."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert (
        run_here(
            [*command.split(), "--lang", language, "-h"] if command != "schema" else ["--lang", language, command, "-h"]
        )
        == 0
    )
    return str(capsys.readouterr().out)


SHAPES = [(language, width) for language in ("en", "zh") for width in (60, 80, 120)]


@pytest.mark.parametrize(("language", "width"), SHAPES if EVERY else [("en", 60), ("zh", 80), ("en", 120)])
@pytest.mark.parametrize("command", PAGES)
def test_a_page_is_whole_and_stays_in_its_width(
    command: str, language: Language, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page(command, language, width, capsys, monkeypatch)
    panels, examples = text.split(" Examples:\n" if language == "en" else " 示例：\n")
    assert {cell_len(line) for line in panels.splitlines() if line[:1] in "╭│╰"} == {width}
    assert "…" not in panels
    for line in examples.splitlines():
        assert cell_len(line) <= width, line
    program: Any = whole_program()
    localise(program, language)
    shown = program.commands[command] if command else program
    squeezed = re.sub(r"[\s│╭╰╮╯─]", "", text)
    for option in shown.params:
        assert option.name == "texts" or option.opts[-1].strip("-") in text or option.metavar in text
        if width > 60:  # at 60 columns values stand between the lines of a help text
            assert re.sub(r"\s", "", option.help or "")[:8] in squeezed, option.name


@pytest.mark.parametrize("width", [60, 80] if EVERY else [60])
@pytest.mark.parametrize("command", PAGES)
def test_no_line_of_chinese_begins_with_punctuation_and_no_word_is_split(
    command: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page(command, "zh", width, capsys, monkeypatch).split(" 示例：\n")[0]
    assert re.findall(r"^[│ ]*[、，。；：）！？].*", text, re.MULTILINE) == []
    program: Any = whole_program()
    localise(program, "zh")
    shown = program.commands[command] if command else program
    for option in shown.params:
        for word in re.findall(r"[A-Za-z0-9–]{2,}", option.help or ""):
            assert word in text, option.name


@pytest.mark.parametrize("command", PAGES)
def test_a_chinese_page_is_chinese(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text of ours, every title of a panel, and the labels of Typer that it lets one change."""
    text = page(command, "zh", 100, capsys, monkeypatch)
    for word in ("Usage", "Options", "Arguments", "Commands", "[default", "[env var", "[required", "Show ", "Examples"):
        assert word not in text
    for title in re.findall(r"╭─ (\S.*?) ─", text):
        assert CHINESE.search(title), title
    program: Any = whole_program()
    localise(program, "zh")
    shown = program.commands[command] if command else program
    for words in (shown.help, shown.epilog, *(option.help for option in shown.params)):
        assert CHINESE.search(words), words
    for option in shown.params:
        assert option.rich_help_panel is None or CHINESE.search(option.rich_help_panel)


@pytest.mark.parametrize("command", PAGES)
def test_an_english_page_is_english(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a Chinese one in the same process; the one Chinese text is that of an example."""
    page(command, "zh", 80, capsys, monkeypatch)
    text = page(command, "en", 80, capsys, monkeypatch)
    assert text.lstrip().startswith("Usage: bgecheck")
    assert not CHINESE.search(text.replace("今天天气怎么样？", ""))


def test_the_program_s_page_names_the_version_option_and_every_command_in_panels() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--version" in done.stdout
    titles = re.findall(r"╭─ (\S.*?) ─", done.stdout)
    assert titles == ["Options", "Check a server", "Use a server", "Try and read"]
    assert re.findall(r"│ ([a-z]+)  ", done.stdout) == list(COMMANDS)
    titles = re.findall(r"╭─ (\S.*?) ─", run("doctor", "--help").stdout)
    assert titles == ["Arguments", "Options", "Which server", "What to check", "How to report"]


def test_the_language_of_the_help_may_stand_anywhere_and_come_from_anywhere() -> None:
    for words in (["--lang", "zh_CN", "doctor", "-h"], ["doctor", "-h", "--lang=zh-CN"]):
        assert "用法：bgecheck doctor [选项]" in run(*words).stdout
    assert "用法：bgecheck logs [选项]" in run("logs", "--help", BGECHECK_LANG="zh_CN.UTF-8").stdout
    assert "用法：bgecheck logs [选项]" in run("logs", "--help", LC_ALL="zh_CN.UTF-8").stdout


def test_where_chinese_cannot_be_shown_the_help_is_english() -> None:
    done = run_anew("doctor", "-h", "--lang", "zh", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: bgecheck doctor" in done.stdout


def test_without_rich_the_help_is_plain_and_whole() -> None:
    """Typer's own switch."""
    done = run("doctor", "-h", "--lang", "zh", TYPER_USE_RICH="0")
    assert done.returncode == 0
    assert "用法：bgecheck doctor" in done.stdout
    assert "--wait" in done.stdout
    assert "bgecheck doctor --wait 5m" in done.stdout


def test_the_version() -> None:
    assert (run("--version").returncode, run("--version").stdout) == (0, f"bgecheck {__version__}\n")
    assert run("--lang", "zh", "--version").stdout == f"bgecheck {__version__}\n"


def lines_of(command: str) -> list[str]:
    """The commands at the end of a help page."""
    program: Any = whole_program()
    shown = program.commands[command] if command else program
    return [line.partition("  # ")[0] for line in shown.epilog.splitlines()]


@pytest.mark.parametrize("command", PAGES)
def test_examples_are_the_same_in_both_languages(command: str) -> None:
    program: Any = whole_program()
    localise(program, "zh")
    shown = program.commands[command] if command else program
    assert [line.partition("  # ")[0] for line in shown.epilog.splitlines()] == lines_of(command)


def test_the_first_examples_are_examples_of_their_commands() -> None:
    """So they are run with those."""
    for line in lines_of(""):
        assert line in lines_of(line.split()[1]), line


@pytest.fixture(scope="module")
def demo() -> Iterator[Staged]:
    with stage(None) as staged:
        yield staged


MAY_SEE_NOTHING = ("bgecheck gpu", "bgecheck preflight")
COMPOSE = "services: {bge: {command: python -m sglang.launch_server --model-path /m/bge --host 0.0.0.0}}"
QUESTIONS = "如何重置登录密码？\n怎样重置登录密码？\n忘记登录密码怎么办？\n软件打不开\n"
SHOWS_A_FAULT = {"bgecheck demo --fault repeat-differs": 1}
LACKS = {"curl": "bgecheck snippet curl"}


def done_by(line: str, folder: Path, changes: dict[str, str]) -> Ended | subprocess.CompletedProcess[str]:
    """What a line does: run by a shell where it needs one, else as the words that it is."""
    if not set(line) & set("|>&;"):
        return forked.run(shlex.split(line)[1:], environment(changes), str(folder))
    changes = {**changes, "PATH": on_path(folder / "bin")}
    return subprocess.run(
        ["sh", "-c", line],
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
        cwd=folder,
        env=environment(changes),
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("command", COMMANDS)
def test_examples_do_what_they_say(command: str, demo: Staged, tmp_path: Path) -> None:
    """Each line as a shell runs it, in a folder with the demo's log; the server is the demo's.

    What a line names as 127.0.0.1:30000, sglang's own port, is the demo's address, and what it finds by
    itself is the demo too, which has a variable for it, as other servers may be running here.
    """
    assert demo.log is not None
    shutil.copy(demo.log, tmp_path / "sglang.log")
    (tmp_path / "bin").mkdir()
    (tmp_path / "compose.yml").write_text(COMPOSE, "utf-8")
    (tmp_path / "texts.csv").write_text("id,text\n1,今天天气怎么样？\n2,如何重置密码？\n", "utf-8")
    (tmp_path / "questions.txt").write_text(QUESTIONS, "utf-8")
    (tmp_path / "page-me.sh").write_text("#!/bin/sh\n", "utf-8")
    (tmp_path / "page-me.sh").chmod(0o755)
    for line in lines_of(command):
        if (
            "--launch" in line or "--check-store" in line
        ):  # a script, or a store, of the reader's own: tests/cli/test_wait.py
            continue
        if any(line.startswith(example) and shutil.which(needed) is None for needed, example in LACKS.items()):
            continue
        # What lasts a night, or until Ctrl-C, lasts two seconds here.
        changes = {"BGECHECK_URL": demo.url, "BGECHECK_TIMEOUT": "50s", "BGECHECK_BUDGET": "2s"}
        changes |= {"BGECHECK_EVERY": "1s", "BGECHECK_FOR": "2s"}
        if line not in lines_of(""):  # importing openai takes longer than all else of a run
            changes["BGECHECK_SKIP"] = "*.openai-client"
        done = done_by(
            re.sub(r"(http://)?127\.0\.0\.1:30000", demo.url, line.replace("--for 8h", "--for 2s")), tmp_path, changes
        )
        # Without a driver there is no GPU to look at, which is neither right nor wrong.
        allowed = {SHOWS_A_FAULT.get(line, 0), *([4] if line.startswith(MAY_SEE_NOTHING) else [])}
        assert done.returncode in allowed, (line, done.stdout, done.stderr)
        assert done.stdout or ">" in line, line
        assert "Traceback" not in done.stderr
    for name in ("report.json", "before.jsonl", "matrix.md", "report.schema.json", "report.html"):
        if any(name in line for line in lines_of(command)):
            assert (tmp_path / name).stat().st_size > 100
