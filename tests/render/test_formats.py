"""Every format, as its consumers read it; `UPDATE_GOLDEN=1 pytest tests/render` writes the golden files anew."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgecheck import __version__
from bgecheck.model import Evidence, Finding, Language, Redactor, Report, Severity, Text, absent, broken, holds, unclear
from bgecheck.model.report import NAGIOS, exit_code
from bgecheck.render.formats import FORMATS, renderer
from bgecheck.render.formats.github import LONGEST
from bgecheck.render.formats.markdown import code, fenced, plain, within
from bgecheck.render.screen import Screen
from cases import failures
from consumers import CONSUMERS, github, html, junit, markdown, nagios, tap
from everycase import at_most
from render.test_screens import golden
from samplereports import area, healthy, report, several, wrong

ON = Screen(language="en", width=100)
OTHERS = sorted(set(FORMATS) - {"table", "json"})
"""The formats that have a consumer in `consumers`; the screen and JSON are judged beside this module."""

ROOT = Path(__file__).parents[2]

SAMPLES = {"wrong": [wrong], "servers": [healthy, wrong]}


def test_every_format_has_a_consumer() -> None:
    assert sorted(CONSUMERS) == OTHERS, "in `tests/consumers.py` is one for each format"


@pytest.mark.parametrize("page", ["docs/formats.md", "docs/formats.zh.md"])
def test_every_format_has_its_section(page: str) -> None:
    heads = re.findall(r"^## (\w+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert set(FORMATS) - {"table"} <= set(heads), "a section for each, whose example `make formats FORMAT=NAME` writes"


def timeless(one: Report) -> Report:
    """A report whose rows took no time."""
    return replace(one, findings=tuple(replace(finding, seconds=0.0) for finding in one.findings))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("format_", OTHERS)
def test_the_format_is_as_it_was_reviewed(format_: str, name: str, language: Language) -> None:
    shown = renderer(format_)([timeless(make()) for make in SAMPLES[name]], replace(ON, language=language))
    golden(f"{name}-{language}.{format_}", shown.replace(__version__, "VERSION"))


def warned() -> Report:
    key = {"severity": Severity.WARNING}
    return report(area("probe", ("ready", holds(), {}), ("api-key", broken(Evidence("key", "none")), key)))


def unclear_() -> Report:
    return report(area("logs", ("ready", unclear("no answer within 30 s"), {}), ("none", holds(), {})))


def starting() -> Report:
    pending = broken(Evidence("status", "503"))._replace(pending=True)
    return replace(report(area("probe", ("reachable", holds(), {}), ("ready", pending, {}))), starting=True)


def unseen() -> Report:
    """Nothing was looked at: every row is skipped."""
    return report(area("gpu", ("visible", absent("no driver"), {}), ("memory", absent("no driver"), {})))


def overlooked() -> Report:
    """A problem that is ignored, and one that is not."""
    return _ignoring(wrong(), "probe.api-key", "planned for May")


def _ignoring(one: Report, id_: str, why: str) -> Report:
    rows = (replace(f, ignored=why) if f.id == id_ else f for f in one.findings)
    return replace(one, findings=tuple(rows))


def refused() -> Report:
    return replace(report(), command="doctor", target={}, ended=2, error=Text("--x: no such option", "--x：没有"))


def interrupted() -> Report:
    return replace(unseen(), ended=130, error=Text("interrupted by SIGINT", "被 SIGINT 中断"))


VERDICTS: dict[str, tuple[Sequence[Report], int]] = {
    "pass": ([healthy()], 0),
    "warn": ([warned()], 0),
    "warn that counts": ([replace(warned(), fail_on=Severity.WARNING)], 1),
    "fail": ([wrong()], 1),
    "several root causes": ([several()], 1),
    "ignored": ([overlooked()], 1),
    "starting": ([starting()], 3),
    "inconclusive": ([unclear_()], 4),
    "nothing looked at": ([unseen()], 4),
    "bad input": ([refused()], 2),
    "interrupted": ([interrupted()], 130),
    "several targets": ([healthy(), warned(), unclear_()], 4),
    "one of several fails": ([healthy(), wrong(), starting()], 1),
    "one of several interrupted": ([wrong(), interrupted()], 130),
    "no target": ([], 0),
}

TAKEN = {"pass": "pass", "skip": "skip", "warn": "todo", "ignored": "todo", "fail": "not ok", "error": "not ok"}
"""What TAP calls a status where warnings do not count."""


def status(row: Finding) -> str:
    return "ignored" if row.ignored is not None else str(row.status)


@pytest.mark.parametrize("format_", OTHERS)
def test_every_format_has_every_row_and_the_exit_code_of_the_process(format_: str) -> None:
    cases = [(verdict, plugin) for verdict in VERDICTS for plugin in (False, True)]
    assert failures(cases, lambda case: has_every_row(format_, *case)) == []


def has_every_row(format_: str, verdict: str, plugin: bool) -> None:
    given_, code_ = VERDICTS[verdict]
    reports = [replace(one, nagios=plugin) for one in given_]
    ended = any(one.ended is not None for one in reports)
    expected = NAGIOS[code_] if plugin and not ended else code_
    assert exit_code(reports) == expected
    parsed = CONSUMERS[format_](renderer(format_)(reports, ON))
    rows = [(row.id, status(row)) for one in reports for row in one.findings]
    if format_ == "tap":
        rows = [(id_, TAKEN[status_]) for id_, status_ in rows]
        if verdict == "warn that counts":
            rows[-1] = ("probe.api-key", "not ok")
    assert sorted(parsed.rows) == sorted(rows)
    if format_ == "nagios":
        assert parsed.code == (3 if ended else NAGIOS[code_])
    elif parsed.code is not None:
        assert parsed.code == expected
    if parsed.red is not None:
        assert parsed.red == (code_ != 0)


def test_what_follows_from_a_root_cause_says_so_and_root_causes_are_marked() -> None:
    for format_ in set(OTHERS) - {"prometheus", "jsonl"}:
        shown = renderer(format_)([wrong()], ON)
        assert re.search("root cause", shown, re.IGNORECASE), format_
        if format_ != "nagios":
            assert "follows from" in shown, format_
    assert 'check="embed.repeatable",status="fail",severity="error",caused_by="launch.prefix-cache"' in renderer(
        "prometheus"
    )([wrong()], ON)


MARKS = [
    "]]>",
    "<script>alert(1)</script>",
    "`",
    "```",
    "**a**",
    "_a_",
    "~~a~~",
    "![a](b)",
    "[a](b)",
    "&amp;",
    "<!--",
    "-->",
    "</td></table>",
    "</style>",
    "<br>",
    "<b",
    "&#60;",
    "{x}",
    "::error::x",
    "%0A::set-env",
    "##[add-mask]x",
    "@everyone",
    "#1",
    "https://evil.example/x",
    "www.evil.example",
    "1..9",
    "...",
    "---",
    "\\",
    "\\|",
    "|",
    "'",
    "😀",
    "文",
]
LINES = ("# SKIP", "# TODO", "Bail out!", "ok 1", "| a | b |", '"} 1\nbgecheck_exit_code 0\n', "' | 'a'=1", "\r\n")
CONTROLS = ("\x1b[31mred", "\x00", "\ufffe\uffff", "\ud800", "\u2028", "\u202e", "\x85")
KEY = "sk-0123456789abcdef"

nasty = st.lists(
    st.sampled_from((*MARKS, *LINES, *CONTROLS, f" {KEY}")) | st.text(max_size=8), min_size=1, max_size=4
).map("".join)


def hostile(text: str) -> Report:
    """A report whose every foreign string is `text`, as it comes through a run."""
    words = {"cause": Text("it says {x}", "它说 {x}"), "fix": Text("mend {x}", "改 {x}"), "commands": ("echo {x}",)}
    rows = area(
        "logs",
        ("ready", broken(Evidence(text, text, text), x=text), words),
        ("unclear", unclear(text), {}),
        ("absent", absent(text), {}),
        ("holds", holds(Evidence("subject", text)), {}),
        ("warned", broken(Evidence("subject", text), x=text), {**words, "severity": Severity.WARNING}),
        ("ignored", broken(Evidence("subject", text)), {}),
    )
    clean = Redactor().value(text)
    one = report(rows, notes=(clean,))
    target = {**one.target, "url": f"http://127.0.0.1/{clean}", "model": clean, "log": clean}
    return replace(_ignoring(one, "logs.ignored", clean), target=target)


@pytest.mark.parametrize("format_", OTHERS)
@settings(max_examples=at_most(100, 20))
@given(text=nasty)
def test_foreign_text_is_data(format_: str, text: str) -> None:
    """It is read back as it was, where a format keeps it, and adds no row, no mark and no command."""
    one = hostile(text)
    for reports in ([one], [one, healthy()]):
        shown = renderer(format_)(reports, ON)
        shown.encode()
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]", shown)
        assert KEY not in shown
        parsed = CONSUMERS[format_](shown)
        expected = [(row.id, status(row)) for one in reports for row in one.findings]
        if format_ == "tap":
            expected = [(id_, TAKEN[status_]) for id_, status_ in expected]
        assert sorted(parsed.rows) == sorted(expected)
    clean = str(Redactor().value(text))
    if format_ in ("jsonl", "tap", "junit", "sarif", "html") and clean.strip() and "\n" not in text:
        assert any(clean in part for part in parsed.texts), (clean, parsed.texts)


@settings(max_examples=20)
@given(text=nasty)
def test_foreign_text_is_data_in_chinese_too(text: str) -> None:
    on = replace(ON, language="zh")
    for parse, name in ((junit, "junit"), (tap, "tap"), (github, "github"), (nagios, "nagios")):
        assert parse(renderer(name)([hostile(text)], on)).rows
    page = renderer("html")([hostile(text)], on)
    assert html(page).rows == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@team, see #12", "@<!-- -->team, see #<!-- -->12"),
        ("https://a.b www.c.d", "https\\://a.b www\\.c.d"),
        ("a|b & <i>", "a&#124;b &amp; \\<i\\>"),
        ("3 * 4 _ `x` [y](z) ~w~ $v$", "3 \\* 4 \\_ \\`x\\` \\[y\\](z) \\~w\\~ \\$v\\$"),
        ("a@b.c 10 # x", "a@<!-- -->b.c 10 # x"),
    ],
)
def test_markdown_is_escaped_where_it_could_be_a_mark(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a|b", "`a\\|b`"), ("a\\|b", "`a\\ \\|b`"), ("`a`", "`` `a` ``"), ("a``b`c", "```a``b`c```"), (" ", "")],
)
def test_code_in_a_table_stays_in_its_cell(text: str, shown: str) -> None:
    assert code(text) == shown


def test_commands_with_fences_do_not_end_their_block() -> None:
    assert fenced(["echo ```", "ls"]) == "````sh\necho ```\nls\n````"


def many(number: int) -> Report:
    """So many failing root causes."""
    rows: list[tuple[str, Any, dict[str, Any]]] = [
        (f"row-{n}", broken(Evidence("log:1", "x" * 1900), Evidence("log:2", "y" * 1900)), {}) for n in range(number)
    ]
    return report(area("logs", ("first", holds(), {}), *rows))


@pytest.mark.parametrize(("problems", "errors", "more"), [(9, 9, False), (10, 10, False), (11, 10, True)])
def test_github_shows_ten_annotations_of_a_kind_and_the_last_counts_the_others(
    problems: int, errors: int, more: bool
) -> None:
    shown = renderer("github")([many(problems)], ON)
    lines = [line for line in shown.splitlines() if line.startswith("::error ")]
    assert len(lines) == errors
    assert ("2 more: see the log" in lines[-1]) == more


def test_an_annotation_is_cut_where_the_runner_would_drop_it() -> None:
    texts = github(renderer("github")([many(1)], ON)).texts
    assert max(map(len, texts)) <= LONGEST
    long = report(area("logs", ("ready", broken(*(Evidence("log", "%" * 1900 + str(n)) for n in range(4))), {})))
    texts = github(renderer("github")([long], ON)).texts
    assert len(texts[0]) == LONGEST
    assert texts[0].endswith("…")


def test_a_summary_that_is_too_long_loses_its_rows_and_then_its_end() -> None:
    whole = within([wrong()], ON, 10**6)
    assert whole == renderer("markdown")([wrong()], ON)
    assert within([wrong()], ON, len(whole.encode())) == whole
    short = within([wrong()], ON, len(whole.encode()) - 1)
    assert "the rows are left out" in short
    assert "launch.prefix-cache" in short
    assert "logs.ready" not in short
    chinese = replace(ON, language="zh")
    for limit in (0, 1, 10, 100, 500):
        assert len(within([wrong()], chinese, limit).encode()) <= max(limit, 1)


def test_a_command_can_be_copied_from_the_page_and_from_markdown() -> None:
    """Character by character: with its quotes and bars."""
    line = "curl -s 'http://127.0.0.1:1/v1' | jq '.a < \"b\"'"
    one = report(area("probe", ("ready", broken(Evidence("a", "b")), {"commands": (line,)})))
    assert line in html(renderer("html")([one], ON)).texts
    assert line in renderer("markdown")([one], ON)


def test_the_page_needs_no_network_and_no_script() -> None:
    page = renderer("html")([healthy(), wrong()], ON)
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#|data:,)", page)
    assert not re.search(r"url\(|@import", page)
    assert "default-src 'none'" in page
    assert 'href="#t2-launch.prefix-cache"' in page
    assert 'id="t2-launch.prefix-cache"' in page


def test_a_target_that_is_named_twice_has_series_and_suites_of_its_own() -> None:
    shown = renderer("prometheus")([healthy(), healthy()], ON)
    assert 'target="http://127.0.0.1:30000/v1 #2"' in shown


def test_numbers_of_a_plugin_are_over_all_targets() -> None:
    first = renderer("nagios")([wrong(), healthy()], ON).splitlines()[0]
    assert first.startswith("EMBED CRITICAL - 1 of 2 servers: http://127.0.0.1:30000/v1 launch.prefix-cache")
    assert first.endswith("| time=2.400s;;;0 pass=5;;;0;12 warn=1;;;0;12 fail=2;;;0;12 skip=3;;;0;12 "
                          "error=1;;;0;12 ignored=0;;;0;12")  # fmt: skip


def test_a_plugin_without_its_exit_style_says_so() -> None:
    assert "--exit-style nagios" in renderer("nagios")([wrong()], ON)
    assert "--exit-style nagios" not in renderer("nagios")([replace(wrong(), nagios=True)], ON)


def test_big_reports_are_no_matter() -> None:
    reports = [replace(wrong(), target={"url": f"http://10.0.0.{n}:30000/v1"}) for n in range(200)]
    number = at_most(200, 40)
    for format_ in OTHERS:
        parsed = CONSUMERS[format_](renderer(format_)(reports[:number], ON))
        assert len(parsed.rows) == number * 8
    assert len(within(reports, ON, 2**17).encode()) <= 2**17
    assert markdown(within(reports, ON, 2**17)).rows == []


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_reports_written_one_after_the_other_are_one_json_text(count: int) -> None:
    """Line separators of other alphabets in a value are no lines of the text."""
    target = {"url": "http://h:1", "model": "a\u2028b\x85c\x1cd"}
    reports = [replace(wrong(), target=target), healthy(), several()][:count]
    text = renderer("json")(reports, ON)
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"
    payload = json.loads(text)
    each = [payload] if count == 1 else payload["reports"]
    assert [json.loads(renderer("json")([one], ON)) for one in reports] == each
