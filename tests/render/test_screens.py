"""The screens, compared with golden files; `UPDATE_GOLDEN=1 pytest tests/render` writes them anew for review."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.cells import cell_len

from bgecheck import catalog, engine
from bgecheck.model import Area, Evidence, Language, Report, Severity, Text, absent, broken, holds, unclear
from bgecheck.render import explain, smoke, table
from bgecheck.render.json import render as as_json
from bgecheck.schema import text as schema

GOLDEN = Path(__file__).with_name("golden")
T = Text("words", "文字")


def area(name: str, *rows: tuple[str, Any, dict[str, Any]]) -> Area:
    made = Area(name, T, collector=lambda context: None)
    for row, outcome, more in rows:
        words = {"title": Text(f"{row} holds", f"{row} 成立"), "cause": T, "fix": T, **more}
        made.check(row, **words)(lambda facts, outcome=outcome: outcome)
    return made


SETTING: dict[str, Any] = {
    "title": Text("the prefix cache is off for a bidirectional encoder", "双向编码器已关闭前缀缓存"),
    "cause": Text(
        "the prefix (radix) cache is on: a text that begins like an earlier one gets a wrong vector",
        "前缀缓存（radix cache）开着，而这是双向编码器：开头相同的文本，后算的那条向量是错的；大部分向量都不可信",
    ),
    "fix": Text("restart with this line, then embed again", "用下面这行重启，并把之前写进向量库的内容全部重新编码"),
    "commands": (
        "python -m sglang.launch_server --model-path /data/models/bge-large-zh-v1.5 --is-embedding "
        "--disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3",
    ),
    "explains": ("embed.repeatable",),
}
COSINE = Evidence(Text("the same new text twice: cosine", "同一段新文本编码 2 次：余弦相似度"), "0.3934", ">= 0.9999")
FIRST = {"dims": 1024, "norm": 1.0, "first": [0.0206, 0.0084, -0.0245], "tokens": 9, "ms": 12.0, "dtype": "fp16"}


def report(*areas: Area, command: str = "doctor", **more: Any) -> Report:
    target = {"url": "http://127.0.0.1:30000/v1", "model": "bge-large-zh-v1.5", "pid": "4121", "log": "/srv/sglang.log"}
    findings = engine.run(areas, None)
    return Report(
        command=command, findings=findings, target=target, started_at="2026-01-02T03:04:05", seconds=2.4, **more
    )


def wrong() -> Report:
    """Up, 200 OK, and wrong."""
    return report(
        area("logs", ("ready", holds(Evidence("sglang.log:25", Text("ready after 18 s", "18 秒后就绪"))), {})),
        area("gpu", ("visible", absent(Text("no NVIDIA driver on this machine", "本机没有 NVIDIA 驱动")), {})),
        area(
            "probe",
            ("engine", holds(Evidence("engine", "sglang 0.5.23"), engine="sglang", version="0.5.23"), {}),
            ("api-key", broken(Evidence("key", "none")), {"severity": Severity.WARNING}),
            ("burst", unclear(Text("no answer within 30 s", "30 秒内没有结果")), {}),
        ),
        area("launch", ("prefix-cache", broken(Evidence("disable_radix_cache", "False", "True")), SETTING)),
        area("embed", ("repeatable", broken(COSINE), {}), ("finite", holds(), {})),
    )


def healthy() -> Report:
    return report(
        area(
            "embed",
            ("answers", holds(**FIRST), {}),
            ("repeatable", holds(COSINE._replace(observed="1.0000")), {}),
            ("dimension", holds(Evidence("dims", "1024", "1024")), {}),
        ),
        command="embed",
    )


def golden(name: str, shown: str) -> None:
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("verbose", [False, True])
def test_the_table_of_a_wrong_server(language: Language, verbose: bool) -> None:
    shown = table.render([wrong()], language=language, verbose=verbose, terminal=False, encoding="utf-8")
    golden(f"wrong-{language}{'-verbose' if verbose else ''}.txt", shown)


def test_the_table_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal that shows them: marks and colours, the same words."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    shown = table.render([wrong()], language="en", verbose=False, terminal=True, encoding="utf-8")
    golden("wrong-colour.txt", shown)
    assert "✗ ROOT CAUSE" in re.sub(r"\x1b\[[0-9;]*m", "", shown)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_smoke_screen(language: Language) -> None:
    shown = smoke.render([healthy()], language=language, verbose=False, terminal=False, encoding="utf-8")
    golden(f"smoke-{language}.txt", shown)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_line_but_a_command_is_wider_than_80_columns(language: Language) -> None:
    """Chinese characters take two columns each."""
    shown = table.render([wrong()], language=language, verbose=True, terminal=False, encoding="utf-8")
    assert max(cell_len(line) for line in shown.splitlines()) <= 80


def test_where_chinese_cannot_be_shown_it_is_english() -> None:
    shown = table.render([wrong()], language="zh", verbose=False, terminal=True, encoding="ascii")
    assert "ROOT CAUSE" in shown
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown).isascii()


def test_the_root_cause_stands_before_the_areas_and_its_command_can_be_pasted() -> None:
    shown = table.render([wrong()], language="en", verbose=False, terminal=False, encoding="utf-8")
    lines = shown.splitlines()
    root = next(n for n, line in enumerate(lines) if "ROOT CAUSE" in line)
    assert root < next(n for n, line in enumerate(lines) if line.startswith("logs"))
    start = next(n for n, line in enumerate(lines) if "python -m sglang" in line)
    pasted = []
    for line in lines[start:]:
        pasted.append(line.strip().removesuffix("\\").strip())
        if not line.endswith("\\"):
            break
    assert " ".join(pasted) == SETTING["commands"][0]


def test_markup_and_escapes_of_foreign_text_are_only_text() -> None:
    hostile = "[bold red]x[/] \x1b[31m[link=http://evil]y\x1b]0;z\x07 :boom:"
    one = report(area("logs", ("ready", broken(Evidence("log:1", hostile)), {})))
    for terminal in (False, True):
        shown = table.render([one], language="en", verbose=True, terminal=terminal, encoding="utf-8")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert "[bold red]x[/] [link=http://evil]y :boom:" in plain.replace("\n           ", " ")
        assert "\x1b]" not in shown
    assert "\\u001b" not in as_json([one], language="en")


def test_the_json_report_is_valid_and_evidence_is_never_translated() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema()))
    english, chinese = (json.loads(as_json([wrong()], language=lang)) for lang in ("en", "zh"))
    for told in (
        english,
        chinese,
        json.loads(as_json([wrong(), healthy()], language="en")),
        json.loads(as_json([], language="en")),
    ):
        validator.validate(told)
    assert english["root_causes"] == ["launch.prefix-cache", "probe.api-key"]
    assert [f["evidence"] for f in english["findings"]] == [f["evidence"] for f in chinese["findings"]]
    assert chinese["findings"][-2]["title"] == "repeatable 成立"


def test_what_json_has_no_word_for_is_null() -> None:
    one = report(area("embed", ("answers", holds(norm=float("nan"), huge=10**400, kind=Severity.ERROR), {})))
    told = json.loads(as_json([one], language="en"))
    assert told["findings"][0]["values"] == {"norm": None, "huge": 10**400, "kind": "error"}


def test_several_servers_end_with_the_worst_code() -> None:
    shown = table.render([healthy(), wrong()], language="en", verbose=False, terminal=False, encoding="utf-8")
    assert shown.splitlines()[-1] == "2 servers   exit 1"


def test_the_page_of_a_row_names_causes_fixes_and_links() -> None:
    row = next(c for c in catalog.rows() if c.id == "probe.api-key")
    page = explain.explain(row, "en")
    assert page.startswith("probe.api-key: the API key is accepted")
    assert page.count("what to do") == 1 + len(row.variants)
    assert "explains: probe.ready, probe.openai-client, embed.answers" in page


def test_the_markdown_page_has_every_row_once_and_no_raw_html() -> None:
    page = explain.markdown(catalog.rows(), "en")
    for check in catalog.rows():
        assert page.count(f"| `{check.id}` |") == 1
    assert not re.search(r"<(?!br>)[a-z_]+>(?![^`]*`)", re.sub(r"`[^`]*`", "", page))


def test_a_long_line_of_a_log_is_told_once_in_full() -> None:
    """Below its area it is cut; at the root cause, and with `-v`, it is whole."""
    long = f"torch.OutOfMemoryError: CUDA out of memory. {'Tried to allocate 594.00 MiB. ' * 20}The end."
    row = next(finding for finding in wrong().findings if finding.evidence)
    row = row._replace(evidence=(Evidence("sglang.log:65", long),))
    plain, verbose = (table.style_for("en", said, False, "utf-8") for said in (False, True))
    assert table.told(row, plain).endswith(" ...")
    assert len(table.told(row, plain)) <= 200
    assert "The end." in table.told(row, verbose)


@pytest.mark.parametrize("width", [30, 66, 100])
def test_a_folded_command_is_the_same_command(width: int) -> None:
    """To a true shell: words, quotes and negative numbers stay what they are."""
    command = (
        "printf %s, --model-path 'a  folder' --port 31777 --chunked-prefill-size -1 --api-key \"$API_KEY\" -x 'b -c'"
    )
    lines = table.folded(command, width)
    environment = {**os.environ, "API_KEY": "two words"}
    run = [
        subprocess.run(["sh", "-c", shell], capture_output=True, check=True, env=environment).stdout
        for shell in (command, "\n".join(lines))
    ]
    assert run[0] == run[1]
    assert len(lines) > 1 or len(command) <= width
    assert not any(line.lstrip().startswith("-1") for line in lines)


def test_a_command_that_the_folding_does_not_understand_is_left_alone() -> None:
    command = "echo it's " + "--option value " * 9
    assert table.folded(command, 40) == [command]


def test_no_line_ends_with_an_opening_bracket() -> None:
    lines = table.wrapped("用两张卡（--tp-size 2）", 12)
    assert not any(line.endswith("（") for line in lines)
    assert "".join(lines).replace(" ", "") == "用两张卡（--tp-size2）"
