"""The screens, compared with golden files; `UPDATE_GOLDEN=1 pytest tests/render` writes them anew for review."""

from __future__ import annotations

import json
import os
import re
import string
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.model import (
    Evidence,
    Language,
    Severity,
    Text,
    absent,
    broken,
    fill_command,
    holds,
    unclear,
)
from bgecheck.render import explain, pages
from bgecheck.render.formats import table
from bgecheck.render.formats.json import render as as_json
from bgecheck.render.prose import columns, folded, shortened, wrapped
from bgecheck.render.screen import Screen, screen
from bgecheck.render.verdict import verdict_line
from bgecheck.run import catalog
from reportschema import VALIDATOR
from samplereports import FIRST, LINE, area, healthy, report, several, wrong

GOLDEN = Path(__file__).with_name("golden")
WIDTHS = (60, 80, 120)


def plain(language: Language, width: int = 100, *, verbose: bool = False) -> Screen:
    """A pipe."""
    return Screen(language=language, width=width, verbose=verbose)


def terminal(language: Language, width: int, *, verbose: bool = False) -> Screen:
    """A terminal with every character."""
    return Screen(language=language, width=width, verbose=verbose, terminal=True, unicode=True)


REPORTS = {"wrong": wrong, "several": several, "smoke": healthy}


def golden(name: str, shown: str) -> None:
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown, encoding="utf-8")
    assert file.exists(), f"{file.name} is not there: UPDATE_GOLDEN=1 pytest tests/render writes it, to be read"
    assert shown == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", REPORTS)
def test_the_screen_in_a_pipe(name: str, width: int, language: Language) -> None:
    golden(f"{name}-{language}-{width}.txt", table.render([REPORTS[name]()], plain(language, width)))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_screen_with_every_row(language: Language) -> None:
    golden(f"wrong-{language}-80-verbose.txt", table.render([wrong()], plain(language, 80, verbose=True)))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_screen_of_several_servers(language: Language) -> None:
    golden(f"servers-{language}-80.txt", table.render([healthy(), wrong()], plain(language, 80)))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_screen_for_a_monitoring_system(language: Language) -> None:
    shown = table.render([replace(wrong(), nagios=True)], replace(plain(language, 80), plugin=True))
    golden(f"wrong-{language}-80-plugin.txt", shown)


@pytest.mark.parametrize("unicode", [False, True])
def test_a_status_for_a_monitoring_system_goes_with_its_exit_code(unicode: bool) -> None:
    """In every shape of a report; the one bar that is left in a foreign line is a broken one."""
    on = replace(plain("en", 60), plugin=True, unicode=unicode)
    piped = report(area("logs", ("ready", broken(Evidence("log:1", "a | b")), {"commands": ("ss -ltnp | head",)})))
    unclear_ = report(area("logs", ("ready", unclear("no answer"), {})))
    warned = report(area("logs", ("ready", broken(Evidence("a", "b")), {"severity": Severity.WARNING})))
    for reports, first in (
        ([piped], "CRITICAL - logs.ready: words"),
        ([unclear_], "UNKNOWN - logs.ready: no answer"),
        ([warned], "OK - with a warning, logs.ready: words"),
        ([replace(unclear_, starting=True)], "WARNING - still starting, "),
        ([healthy(), piped], "CRITICAL - 1 of 2 servers: http://127.0.0.1:30000/v1 logs.ready: words"),
        ([], "OK - 0 servers"),
    ):
        shown = table.render([replace(one, nagios=True) for one in reports], on)
        assert shown.startswith(first), shown
        assert "|" not in shown
    assert "ss -ltnp ¦ head" in table.render([piped], on)


def test_the_screen_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    golden("wrong-colour.txt", table.render([wrong()], terminal("zh", 80)))


def emulated(text: str, width: int) -> list[str]:
    """What a terminal of `width` columns shows: one string a line, a wide character followed by an empty cell."""
    lines = text.count("\n") + 200
    emulator = pyte.Screen(width, lines)
    pyte.Stream(emulator).feed(text.replace("\n", "\r\n"))
    rows = ["".join(emulator.buffer[y][x].data or "\0" for x in range(width)) for y in range(lines)]
    return rows[: max(y for y, row in enumerate(rows) if row.strip()) + 1]


def cell_columns(row: str) -> list[int]:
    """The columns at which a line of a table has its borders."""
    return [x for x, cell in enumerate(row) if cell in "│┌┬┐├┼┤└┴┘"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_names_of_rows_stay_whole_at_80_columns(language: Language) -> None:
    """They are what `--only`, `--ignore` and `explain` take."""
    names = [row.id.partition(".")[2] for name in catalog.AREAS for row in catalog.area(name).checks]
    rows = report(area("many", *((name, holds(), {}) for name in dict.fromkeys(names))))
    shown = table.render([rows], plain(language, 80, verbose=True))
    assert {name for name in names if f" {name} " not in shown} == set()
    assert all(columns(line) <= 80 for line in shown.splitlines())


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("name", REPORTS)
def test_nothing_leaves_its_column_on_a_true_terminal(
    name: str, verbose: bool, width: int, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal emulator knows how wide Chinese is: the borders of a table stand below one another."""
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = table.render([REPORTS[name]()], terminal(language, width, verbose=verbose))
    rows = emulated(shown, width)
    assert len(rows) == shown.count("\n"), "no line is longer than the terminal is wide"
    borders: list[int] = []
    tables = 0
    for row in rows:
        if row.startswith("┌"):
            borders = cell_columns(row)
            tables += 1
        elif row.startswith(("│", "├", "└")):
            assert cell_columns(row) == borders, row
    assert tables or name == "smoke"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_root_cause_fits_24_lines_of_80_columns(language: Language) -> None:
    """From its heading to the verdict; the whole screen of this report is a few lines more."""
    lines = table.render([wrong()], plain(language, 80)).splitlines()
    heading = next(n for n, line in enumerate(lines) if "launch.prefix-cache" in line and line.startswith("X "))
    assert len(lines) - heading <= 24


def test_root_causes_with_one_remedy_are_one_card() -> None:
    """The launch line stands once, under both ids."""
    for width in (60, 80):
        shown = table.render([several()], plain("en", width))
        assert shown.count("python -m sglang.launch_server") == 1
        assert "launch.prefix-cache, launch.chunked-prefill" in shown


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_last_line_has_verdict_id_and_remedy(width: int, language: Language) -> None:
    shown = table.render([wrong()], plain(language, width)).splitlines()[-1]
    word = "FAIL" if language == "en" else "未通过"
    assert shown.startswith(f"{word} launch.prefix-cache")
    assert "--disable-radix-cache" in shown
    assert columns(shown) <= width
    if width > 60:
        assert shown.endswith("exit 1" if language == "en" else "退出码 1")


@pytest.mark.parametrize(
    ("outcomes", "severity", "verdict"),
    [
        ((holds(),), Severity.ERROR, "PASS 1 check |"),
        ((holds(), holds(), absent("x")), Severity.ERROR, "PASS 2 checks, 1 not looked at"),
        ((broken(),), Severity.WARNING, "WARN probe.row0: words"),
        ((holds(), unclear("no answer within 3 s")), Severity.ERROR, "INCONCLUSIVE probe.row1: no answer within 3 s"),
    ],
)
def test_each_verdict_has_its_word(outcomes: tuple[Any, ...], severity: Severity, verdict: str) -> None:
    rows = [(f"row{n}", outcome, {"severity": severity}) for n, outcome in enumerate(outcomes)]
    word, _, rest = verdict_line(report(area("probe", *rows)), plain("en"))
    assert f"{word}{rest}".startswith(verdict)


def test_where_chinese_cannot_be_shown_it_is_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown = table.render([wrong()], screen("zh", verbose=False, terminal=True, encoding="ascii"))
    assert "ROOT CAUSE" in shown
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown).isascii()


@pytest.mark.parametrize(
    ("environment", "terminal_", "coloured"),
    [
        ({}, False, False),
        ({"TERM": "xterm-256color"}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm-256color", "FORCE_COLOR": "1"}, False, True),
    ],
)
def test_colour_follows_the_environment(
    environment: dict[str, str], terminal_: bool, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shown = table.render([wrong()], screen("en", verbose=False, terminal=terminal_, encoding="utf-8"))
    assert ("\x1b[" in shown) is coloured
    assert "✗" not in shown if not terminal_ or environment["TERM"] == "dumb" else "✗" in shown


def test_no_color_leaves_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bold and dim stay: NO_COLOR is about colour."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    shown = table.render([wrong()], screen("en", verbose=False, terminal=True, encoding="utf-8"))
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown)


@pytest.mark.parametrize(("columns_", "width"), [(None, 100), ("72", 72), ("7", 40), ("500", 120), ("x", 100)])
def test_a_pipe_is_as_wide_as_columns_says(columns_: str | None, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if columns_ is not None:
        monkeypatch.setenv("COLUMNS", columns_)
    assert screen("en", verbose=False, terminal=False, encoding="utf-8").width == width


def test_the_areas_stand_before_the_root_cause_and_its_command_can_be_pasted() -> None:
    lines = table.render([wrong()], plain("en", 80)).splitlines()
    root = next(n for n, line in enumerate(lines) if "ROOT CAUSE" in line)
    assert root > next(n for n, line in enumerate(lines) if line.startswith("| embed"))
    start = next(n for n, line in enumerate(lines) if "python -m sglang" in line)
    pasted = []
    for line in lines[start:]:
        pasted.append(line.strip().removesuffix("\\").strip())
        if not line.endswith("\\"):
            break
    assert " ".join(pasted) == LINE


def test_markup_and_escapes_of_foreign_text_are_only_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    hostile = "[bold red]x[/] \x1b[31m[link=http://evil]y\x1b]0;z\x07 :boom:"
    one = report(area("logs", ("ready", broken(Evidence("log:1", hostile)), {})))
    for on in (plain("en"), terminal("en", 100)):
        shown = table.render([one], on)
        assert "[bold red]x[/] [link=http://evil]y :boom:" in re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert "\x1b]" not in shown
    assert "\\u001b" not in as_json([one], plain("en"))


def test_a_row_that_fails_shows_its_symptom_and_not_its_title() -> None:
    shown = table.render([wrong()], plain("en", 80, verbose=True))
    assert "the prefix cache is off" not in shown
    assert "disable_radix_cache: False, expected True" in shown


def test_what_only_supports_the_judgement_is_shown_with_every_row() -> None:
    assert "why: x" not in table.render([several()], plain("en"))
    assert "why: x" in table.render([several()], plain("en", verbose=True))


LANGUAGES: tuple[Language, ...] = ("en", "zh")


def test_the_json_report_is_valid_and_evidence_is_never_translated() -> None:
    english, chinese = (json.loads(as_json([wrong()], plain(lang))) for lang in LANGUAGES)
    for told in (
        english,
        chinese,
        json.loads(as_json([wrong(), healthy()], plain("en"))),
        json.loads(as_json([], plain("en"))),
    ):
        VALIDATOR.validate(told)
    assert english["root_causes"] == ["launch.prefix-cache", "probe.api-key"]
    assert [f["evidence"] for f in english["findings"]] == [f["evidence"] for f in chinese["findings"]]
    assert chinese["findings"][-2]["title"] == "repeatable 成立"


def test_what_json_has_no_word_for_is_null() -> None:
    one = report(area("embed", ("answers", holds(norm=float("nan"), huge=10**400, kind=Severity.ERROR), {})))
    told = json.loads(as_json([one], plain("en")))
    assert told["findings"][0]["values"] == {"norm": None, "huge": 10**400, "kind": "error"}


def test_the_page_of_a_row_names_causes_fixes_and_links() -> None:
    row = next(c for c in catalog.rows() if c.id == "probe.api-key")
    page = explain.explain([row], plain("en"))
    assert page.startswith("probe.api-key: the API key is accepted")
    assert page.count("likely cause") == 1 + len(row.variants)
    assert "explains: probe.ready, probe.openai-client, embed.answers" in page


def test_the_markdown_page_has_every_row_once_and_no_raw_html() -> None:
    page = pages.markdown(catalog.rows(), "en")
    for check in catalog.rows():
        assert page.count(f"| `{check.id}` |") == 1
    assert not re.search(r"<(?!br>)[a-z_]+>(?![^`]*`)", re.sub(r"`[^`]*`", "", page))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_without_a_case_reads(language: Language) -> None:
    """No name of a value is left where no run has filled it in; what is for the program itself stays as it is."""
    shown = explain.explain(catalog.rows(), plain(language))
    assert re.findall(r"<\w*_\w*>", shown) == []
    if language == "zh":
        words = {word for word in re.findall(r"<([^<>|]+)>", shown) if not re.search("[\u4e00-\u9fff]", word)}
        assert words <= {"base URL", "GPU", "dtype", "N", "M"}
    assert "-w '%{http_code} %{time_total}\\n'" in shown
    (row,) = (check for check in catalog.rows() if check.id == "launch.prefix-cache")
    page = explain.explain([row], plain(language))
    fix = ("restart with --disable-radix-cache, then", "加上 --disable-radix-cache 重启")[language == "zh"]
    yours = ("<your options>", "<原有参数>")[language == "zh"]
    assert fix in page
    assert f"python -m sglang.launch_server {yours} --disable-radix-cache" in page


@pytest.mark.parametrize("width", [30, 66, 100])
def test_a_folded_command_is_the_same_command(width: int) -> None:
    """To a true shell: words, quotes and negative numbers stay what they are."""
    command = (
        "printf %s, --model-path 'a  folder' --port 31777 --chunked-prefill-size -1 --api-key \"$API_KEY\" -x 'b -c'"
    )
    lines = folded(command, width)
    environment = {**os.environ, "API_KEY": "two words"}
    run = [
        subprocess.run(["sh", "-c", shell], capture_output=True, check=True, env=environment).stdout
        for shell in (command, "\n".join(lines))
    ]
    assert run[0] == run[1]
    assert len(lines) > 1 or len(command) <= width
    assert not any(line.lstrip().startswith("-1") for line in lines)


@pytest.mark.parametrize("width", [30, 58])
def test_a_command_folds_where_it_has_no_option(width: int) -> None:
    """Backslashes, quotes and braces are the command's own."""
    command = "printf '%s\\n' {} a\\ b 'c  d' \"e \\\" f\" one two three four five six seven eight | tr 's' 'S' | cat"
    lines = folded(command, width)
    run = [
        subprocess.run(["sh", "-c", shell], capture_output=True, check=True).stdout
        for shell in (command, "\n".join(lines))
    ]
    assert run[0] == run[1]
    assert all(columns(line) <= width for line in lines)


def test_a_comment_is_never_folded() -> None:
    command = "ls # " + "word " * 30 + "end"
    assert folded(command, 40) == [command]


def test_every_remedy_folds_into_valid_shell() -> None:
    commands = [c for row in catalog.rows() for a in (row.advice, *row.variants.values()) for c in a.commands]
    names = [name for command in commands for _, name, _, _ in string.Formatter().parse(command) if name]
    filled = {fill_command(command, dict.fromkeys(names, "/a/path/of/some length")) for command in commands}
    for command in filter(None, filled):
        lines = folded(command, 58)
        longest = max(columns(word) for word in re.findall(r"(?:[^\s'\"]|'[^']*'|\"[^\"]*\")+", command))
        assert all(columns(line) <= max(58, longest + 4) for line in lines), command
        ran = subprocess.run(["bash", "-n"], input="\n".join(lines), text=True, capture_output=True)
        assert ran.returncode == 0, (lines, ran.stderr)


def test_of_several_texts_the_numbers_are_those_of_the_first() -> None:
    two = replace(FIRST, count=2, openai="3.57.0")
    entry = area("embed", ("answers", holds()._replace(data=two), {}))
    shown = table.render([report(entry, command="embed")], plain("en", 120))
    assert "2 texts, 2 vectors | 1024 dims | norm of the first 1.0000 | 9 tokens in all" in shown
    assert "of the first text: [0.0206" in shown
    assert "| called with openai 3.57.0 |" in shown
    chinese = table.render([report(entry, command="embed")], plain("zh", 120))
    assert "2 条文本，2 条向量 | 1024 维" in chinese
    assert "第 1 条文本：[0.0206" in chinese
    assert "用 openai 3.57.0 调用" in chinese


def test_a_sentence_of_another_program_does_not_end_ours() -> None:
    seen = Evidence("answer", "it is too long.", Text("a vector", "一条向量"))
    rows = area("embed", ("one", broken(seen, seen), {}))
    assert "too long, expected a vector" in table.render([report(rows)], plain("en"))
    assert "too long（应为一条向量）" in table.render([report(rows)], plain("zh"))


def test_the_last_line_never_ends_within_an_address() -> None:
    fix = Text("send fewer; see which program listens at 127.0.0.1:9002", "降低并发；看 127.0.0.1:9002 上是哪个程序")
    shown = report(area("probe", ("rate", broken(), {"fix": fix})))
    for width in range(40, 100):
        assert not re.search(r"127\.0\.0\.1(?!:9002)", "".join(verdict_line(shown, plain("zh", width)))), width


def test_an_address_in_a_subject_is_followed_by_a_colon() -> None:
    seen = Evidence("GET http://127.0.0.1:9002/v1/models", "HTTP 302")
    assert "/v1/models: HTTP 302" in table.render([report(area("a", ("one", broken(seen), {})))], plain("en"))


def test_what_could_not_be_judged_has_its_noun() -> None:
    needing = [(f"row{n}", holds(), {"needs": ("probe.first",)}) for n in range(2)]
    shown = table.render([report(area("probe", ("first", broken(), {}), *needing))], plain("en"))
    assert "(2 checks could not be judged; " in shown


def test_a_command_that_the_folding_does_not_understand_is_left_alone() -> None:
    command = "echo it's " + "--option value " * 9
    assert folded(command, 40) == [command]


def test_no_line_ends_with_an_opening_bracket_or_begins_with_a_comma() -> None:
    lines = wrapped("用两张卡（--tp-size 2）", 12)
    assert not any(line.endswith("（") for line in lines)
    assert "".join(lines).replace(" ", "") == "用两张卡（--tp-size2）"
    for width in range(8, 40):
        assert not any(
            line.startswith(("，", "。")) for line in wrapped("显存不足，换更大的卡。或换更小的模型，再启动", width)
        )


@given(st.text(st.sampled_from("ab -中文，。（）<>=1/\U0001f600"), max_size=120), st.integers(8, 60))
def test_wrapping_loses_nothing_and_stays_within_the_width(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(columns(line) <= width for line in lines)


@given(st.text(max_size=80), st.integers(4, 40))
def test_a_shortened_text_fits(text: str, width: int) -> None:
    assert columns(shortened(text, width)) <= max(width, 4)


@pytest.mark.parametrize("width", range(12, 40, 3))
def test_the_name_of_a_value_is_not_broken(width: int) -> None:
    """In Chinese there is no blank around it, and its bracket would begin the next line."""
    text = "只要带 dimensions 就会被拒绝，写模型自己的 <维度> 也一样（<报错内容>）：客户端拿不到向量"
    lines = list(wrapped(text, width))
    assert [line for line in lines if line.startswith(">") or line.count("<") != line.count(">")] == []
