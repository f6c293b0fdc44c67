"""What the readers of each format make of a report: true parsers, or the rules of readers that cannot be had."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import junitparser
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families
from tap.parser import Parser

from bgecheck.render.formats.github import LONGEST, LONGEST_TITLE, MOST
from reportschema import VALIDATOR

try:
    from sarif_kit.validate import validation_errors
except ImportError:  # it needs Python 3.11

    def validation_errors(log: dict[str, Any]) -> list[str]:
        return []


Rows = list[tuple[str, str]]
"""The id of each row, and what the consumer takes it for."""


@dataclass
class Parsed:
    """A report as a consumer has it."""

    rows: Rows
    code: int | None = None
    """The exit code, where the format has one."""
    red: bool | None = None
    """Whether the consumer takes the run for failed, where it decides."""
    texts: list[str] = field(default_factory=list)
    """Texts out of which foreign ones are read back."""


def jsonl(text: str) -> Parsed:
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        VALIDATOR.validate(line)
    kinds = [line["schema"].split("/")[0].removeprefix("bgecheck.") for line in lines]
    assert kinds[-1] == "end"
    assert kinds.count("run") == lines[-1]["reports"]
    rows = [line for line, kind in zip(lines, kinds, strict=True) if kind == "row"]
    taken = [(row["id"], row["status"] if row["ignored"] is None else "ignored") for row in rows]
    texts = [part for row in rows for e in row["evidence"] for part in (e["subject"], e["observed"])]
    return Parsed(taken, lines[-1]["exit_code"], texts=texts)


def junit(text: str) -> Parsed:
    xml = junitparser.JUnitXml.fromstring(text.encode())
    rows: Rows = []
    texts: list[str] = []
    for suite in xml:
        cases = list(suite)
        results = [case.result[0] if case.result else None for case in cases]
        for kind, number in (("Failure", suite.failures), ("Error", suite.errors), ("Skipped", suite.skipped)):
            assert number == sum(type(result).__name__ == kind for result in results)
        assert suite.tests == len(cases)
        for case, result in zip(cases, results, strict=True):
            if case.name != "verdict":
                rows.append((case.name, "pass" if result is None else result.type))
            texts += [case.system_out or "", *((result.text or "", result.message) if result is not None else ())]
            assert (type(result).__name__ == "Error") >= (case.name == "verdict")
    given: list[Any] = [prop for suite in xml for prop in suite.properties()]  # type: ignore[no-untyped-call]
    codes = [int(prop.value) for prop in given if prop.name == "exit_code"]
    return Parsed(rows, codes[0] if len(codes) == 1 else None, bool(xml.failures or xml.errors), texts)


def tap(text: str) -> Parsed:
    lines = list(Parser().parse_text(text))
    tests = [line for line in lines if line.category == "test"]
    (plan,) = (line for line in lines if line.category == "plan")
    assert plan.expected_tests == len(tests)
    assert [test.number for test in tests] == list(range(1, len(tests) + 1))
    assert all(line.category in ("test", "plan", "version", "diagnostic") for line in lines)
    rows, texts = [], []
    for test in tests:
        word = "skip" if test.skip else "todo" if test.todo else "pass" if test.ok else "not ok"
        if not test.description.startswith("- bgecheck.verdict"):
            rows.append((test.description.split()[1], word))
        assert test.yaml_block is not None
        texts += test.yaml_block["about"]
    red = any(not test.ok and not test.todo for test in tests)
    codes = re.findall(r"^# exit_code (\d+)$", text, re.MULTILINE)
    return Parsed(rows, int(codes[0]) if len(codes) == 1 else None, red, texts)


PROMTOOL = shutil.which("promtool")


def prometheus(text: str) -> Parsed:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(family.type == "gauge" and family.documentation for family in families.values())
    samples = [(s.name, tuple(sorted(s.labels.items()))) for f in families.values() for s in f.samples]
    assert len(samples) == len(set(samples))
    if PROMTOOL:
        checked = subprocess.run([PROMTOOL, "check", "metrics"], input=text.encode(), capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, b""), checked.stderr
    checks = families["bgecheck_check_info"].samples
    (code,) = families["bgecheck_exit_code"].samples
    texts = [sample.labels["target"] for sample in checks]
    return Parsed([(s.labels["check"], s.labels["status"]) for s in checks], int(code.value), texts=texts)


def sarif(text: str) -> Parsed:
    log = json.loads(text)
    assert validation_errors(log) == []
    rows: Rows = []
    texts = []
    for run in log["runs"]:
        rules = run["tool"]["driver"]["rules"]
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert (result["kind"] == "fail") == (result["level"] != "none")
            assert re.fullmatch(r"[!-~]+", result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
            rows.append((result["ruleId"], "ignored" if "suppressions" in result else _kind(result)))
            texts.append(result["message"]["text"])
    codes = [run["invocations"][0]["exitCode"] for run in log["runs"]]
    return Parsed(rows, codes[0] if len(codes) == 1 else None, texts=texts)


def _kind(result: dict[str, Any]) -> str:
    levels = {"error": "fail", "warning": "warn"}
    kinds = {"pass": "pass", "notApplicable": "skip", "open": "error"}
    return levels[result["level"]] if result["kind"] == "fail" else kinds[result["kind"]]


WORDS = {"fail": "fail", "warning": "warn", "could not be judged": "error", "ignored": "ignored", "pass": "pass"}
WORDS |= {"not looked at": "skip"}


def markdown(text: str) -> Parsed:
    """As GitHub reads it; only our own marks are marks."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    rows: Rows = []
    texts: list[str] = []
    cells: list[str] = []
    heads = 0
    for token in tokens:
        if token.type == "html_block":
            assert re.fullmatch(r"</?details>(<summary>[^<>]*</summary>)?", token.content.strip()), token.content
        for inner in token.children or []:
            assert inner.type in ("text", "code_inline", "html_inline", "strong_open", "strong_close", "softbreak")
            assert inner.type != "html_inline" or inner.content in ("<br>", "<!-- -->"), inner.content
        if token.type == "tr_open":
            cells = []
        if token.type == "th_open":
            heads += 1
        if token.type == "inline":
            cells.append("".join(inner.content for inner in token.children or [] if inner.type != "html_inline"))
            texts += [inner.content for inner in token.children or [] if inner.type == "code_inline"]
        if token.type == "tr_close" and len(cells) == 3 and cells[1] in WORDS:
            rows.append((cells[0], WORDS[cells[1]]))
    codes = re.findall(r"s, exit (\d+)$", text, re.MULTILINE)
    return Parsed(rows, int(codes[0]) if len(codes) == 1 else None, texts=texts)


TAGS = """ html head meta link title style body main header h1 h2 h3 p ul li article section dl dt dd pre code
 table thead tbody tr th td span small b br a footer """.replace("\n", "")
ATTRIBUTES = " lang charset http-equiv content name rel href class id scope "


class _Page(HTMLParser):
    """The rows of a page; its tags are ours and balanced, and it loads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[list[str]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert f" {tag} " in TAGS, tag
        for name, value in attrs:
            assert f" {name} " in ATTRIBUTES, name
            assert name != "href" or re.match("#t[0-9]|data:,$", value or ""), value
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag == "td":
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if "td" in self.open:
            self.cells[-1][-1] += f"{data}\n" if self.open[-1] in ("code", "td") else data


def html(text: str) -> Parsed:
    assert text.startswith("<!doctype html>")
    page = _Page()
    page.feed(text)
    page.close()
    assert page.open == []
    rows = [(cells[1].split("\n")[0], WORDS[cells[0]]) for cells in page.cells if cells and cells[0] in WORDS]
    codes = [int(code) for part in page.texts for code in re.findall(r"^exit (\d+)$", part)]
    return Parsed(rows, codes[0] if codes else None, texts=page.texts)


def lines_with_status(text: str) -> Rows:
    return [(id_, status) for status, id_ in re.findall(r"^\[([a-z]+)\] ([a-z]+\.[a-z0-9-]+)", text, re.MULTILINE)]


def github(text: str) -> Parsed:
    """As the runner reads lines: a command where a line begins with two colons, or behind the older mark."""
    commands = list(_commands(text))
    levels = [name for name, _, _ in commands]
    assert set(levels) <= {"error", "warning", "notice", "group", "endgroup"}
    assert all(levels.count(level) <= MOST for level in ("error", "warning", "notice"))
    for _, title, body in commands:
        assert len(title) <= LONGEST_TITLE
        assert len(body) <= LONGEST
    return Parsed(lines_with_status(text), red="error" in levels, texts=[body for _, _, body in commands])


def _commands(text: str) -> Iterator[tuple[str, str, str]]:
    for line in text.splitlines():
        if not line.lstrip().startswith("::"):
            assert "##[" not in line
            continue
        command = re.fullmatch(r"::([a-z-]+)(?: ([^:]*))?::(.*)", line)
        assert command, line
        properties = dict(part.split("=", 1) for part in (command[2] or "").split(",") if part)
        assert set(properties) <= {"title"}
        yield command[1], _unescaped(properties.get("title", "")), _unescaped(command[3])


def _unescaped(text: str) -> str:
    for mark, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(mark, character)
    return text


STATES = {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}
VALUE = r"'?[^'= ]+'?=-?[0-9.]+(?:s|us|ms|%|B|KB|MB|GB|TB|c)?(?:;[0-9.:~@-]*){0,4}"
"""One of performance data, by the guidelines for plugins."""


def nagios(text: str) -> Parsed:
    first, *rest = text.splitlines()
    status, data = first.split(" | ")
    assert "|" not in status + data + "".join(rest)
    state = re.match(r"EMBED (OK|WARNING|CRITICAL|UNKNOWN) - \S", status)
    assert state
    assert re.fullmatch(f"{VALUE}(?: {VALUE})*", data), data
    return Parsed(lines_with_status(text), STATES[state[1]], texts=rest)


CONSUMERS: dict[str, Callable[[str], Parsed]] = {
    "github": github,
    "html": html,
    "jsonl": jsonl,
    "junit": junit,
    "markdown": markdown,
    "nagios": nagios,
    "prometheus": prometheus,
    "sarif": sarif,
    "tap": tap,
}
