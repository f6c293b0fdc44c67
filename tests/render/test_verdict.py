"""The last line of every remedy there is: what is left of it can be followed, at any width and in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from bgecheck.model import Advice, Check, Finding, Language, Report, Status, say
from bgecheck.render.prose import columns, shortened
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import verdict_line
from bgecheck.run import catalog

URL = "http://127.0.0.1:27133/embed/v1"
VALUES = {
    "found": URL,
    "changes": "--disable-radix-cache --chunked-prefill-size -1",
    "asked": "bge-large-zh-v1.5",
    "bundle_variable": "SSL_CERT_FILE",
}
"""What stands for a placeholder; a number for any other."""

DANGLING = {
    "en": re.compile(
        r"(?:[:,;]|\b(?:and|or|then|if|where|when|the|a|of|as|that|which|by|whether))$"
        r"|(?:^|[;,] )(?:if|where|when|unless) [^,;]*$"
    ),
    "zh": re.compile(r"[：，；、（]$|(?:^|[；，])(?:若|如果|仍|无论)[^，；]*$|(?:时|的话|和|或|并|把|用|在|与)$"),
}


def every() -> Iterator[tuple[Check, Advice]]:
    for check in catalog.rows():
        for advice in (check.advice, *check.variants.values()):
            yield check, advice


def last_line(check: Check, advice: Advice, language: Language, width: int) -> tuple[list[str], str]:
    """The lines of the verdict where a row alone fails, and its remedy as it is in full."""
    names = re.findall(r"\{(\w+)\}", advice.fix.en + advice.fix.zh)
    fix = advice.fix.filled({name: VALUES.get(name, "64") for name in names})
    finding = Finding(check=check, status=Status.FAIL, title=check.title, cause=advice.cause, fix=fix)
    report = Report(command="doctor", findings=(finding,), target={}, started_at="", seconds=1.3)
    word, _, rest = verdict_line(report, Screen(language=language, width=width))
    return f"{word}{rest}".splitlines(), say(fix, language)


def remedy_in(lines: list[str], fix: str) -> str:
    """As much of the remedy as a verdict shows; its lines are broken at blanks or between Chinese characters."""
    shown = re.sub(r"\s", "", "".join(lines))
    end = next((end for end in range(len(fix), 0, -1) if re.sub(r"\s", "", fix[:end]) in shown), 0)
    return fix[:end].rstrip()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_remedy_stands_alone(width: int, language: Language) -> None:
    for check, advice in every():
        lines, fix = last_line(check, advice, language, width)
        remedy = remedy_in(lines, fix)
        assert remedy, lines
        assert all(columns(line) <= width for line in lines), lines
        assert " ..." not in "".join(lines).replace(fix, ""), lines
        assert remedy == fix or not DANGLING[language].search(remedy), remedy
        assert all(remedy.count(a) == remedy.count(b) for a, b in ("()", "（）")), remedy
        assert re.match(r"$|[,;.，；。]| ?\(|（", fix[len(remedy) :]), (remedy, fix)
        assert len(lines) <= 3, lines


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_url_is_shown_whole(language: Language) -> None:
    """One that does not fit beside the id goes to a line of its own."""
    check = next(row for row in catalog.rows() if row.id == "probe.base-url")
    advice = next(a for a in check.variants.values() if a.fix.en.endswith("{found}"))
    for width in (60, 80, 120):
        lines, _ = last_line(check, advice, language, width)
        assert URL in "\n".join(lines)
        assert len(lines) <= (1 if width == 120 else 2)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("no access to containers and other users' processes", 28, "no access to containers ..."),
        ("no access to containers and other users' processes", 31, "no access to containers and ..."),
        ("看不到容器和 other-processes 的进程", 24, "看不到容器和 ..."),
        ("看不到容器，也看不到进程", 14, "看不到容器 ..."),
        ("a" * 40, 14, "a" * 10 + " ..."),
    ],
)
def test_a_text_is_cut_between_words(text: str, width: int, shown: str) -> None:
    assert shortened(text, width) == shown
