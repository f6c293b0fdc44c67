"""Which language is taken, from what."""

from __future__ import annotations

import io

import pytest

from bgecheck.cli.language import language, normalised, preferred, shown_on
from bgecheck.model import BadInput


@pytest.mark.parametrize("code", ["zh", "zh_CN", "zh-CN", "zh_CN.UTF-8", "ZH", "zh-Hans-CN", "zh_TW@stroke", " zh "])
def test_chinese_is_written_in_many_ways(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert normalised(code) == "zh"
    assert language(code) == "zh"
    assert preferred(["doctor", "--lang", code]) == "zh"
    assert preferred([f"--lang={code}", "doctor"]) == "zh"
    monkeypatch.setenv("BGECHECK_LANG", code)
    assert language(None) == "zh"


@pytest.mark.parametrize("code", ["en", "en_US.UTF-8", "EN-gb"])
def test_english_too(code: str) -> None:
    assert normalised(code) == "en"


@pytest.mark.parametrize("code", ["fr", "zhuyin", "", "C", "z h", "english"])
def test_anything_else_is_neither(code: str) -> None:
    assert normalised(code) is None
    with pytest.raises(BadInput, match="no such language"):
        language(code)


@pytest.mark.parametrize(
    ("variables", "words", "expected"),
    [
        ({}, [], "en"),
        ({"LANG": "zh_CN.UTF-8"}, [], "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, [], "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, [], "zh"),
        ({"LANG": "zh_CN.UTF-8", "BGECHECK_LANG": "en"}, [], "en"),
        ({"LANG": "zh_CN.UTF-8", "BGECHECK_LANG": "fr"}, [], "zh"),
        ({"BGECHECK_LANG": "zh"}, ["--lang", "en"], "en"),
        ({"BGECHECK_LANG": "zh"}, ["--lang", "klingon"], "zh"),
        ({}, ["--lang", "en", "doctor", "--lang=zh"], "zh"),
        ({}, ["embed", "--", "--lang", "zh"], "en"),
        ({}, ["doctor", "--lang"], "en"),
    ],
)
def test_the_option_comes_before_the_variable_before_the_locale(
    variables: dict[str, str], words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert preferred(words) == expected


def test_a_stream_without_chinese_characters_gets_english() -> None:
    assert shown_on(io.TextIOWrapper(io.BytesIO(), encoding="gb18030"), "zh") == "zh"
    assert shown_on(io.TextIOWrapper(io.BytesIO(), encoding="latin-1"), "zh") == "en"
    assert shown_on(None, "zh") == "zh"
