"""A command line that Typer refuses: one line with input, reason and remedy, in the user's language."""

from __future__ import annotations

import pytest

from bgecheck.cli import run


@pytest.mark.parametrize(
    ("line", "given", "en", "zh"),
    [
        ("doctor --modl x", "--modl", "no such option; did you mean --model", "没有这个选项"),
        ("doctor --pid abc", "--pid abc", "not a whole number; see bgecheck doctor -h", "不是整数"),
        ("doctor --pid", "--pid", "it needs a value", "缺少取值"),
        ("doctor --quick=3", "--quick", "it takes no value", "不带取值"),
        ("doctor extra", "extra", "one argument too many", "多余的参数"),
        ("explain", "ID", "it is missing", "缺少这个参数"),
        ("docter", "docter", "no such command; choose: doctor, logs", "没有这个命令"),
        ("--nope", "--nope", "no such option; see bgecheck -h", "没有这个选项"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line(
    line: str, given: str, en: str, zh: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for language, words in (("en", en), ("zh", zh)):
        monkeypatch.setenv("BGECHECK_LANG", language)
        with pytest.raises(SystemExit) as ending:
            run(line.split())
        told = capsys.readouterr()
        assert (ending.value.code, told.out, told.err.count("\n")) == (2, "", 1)
        assert told.err.startswith(f"bgecheck: {given}{'：' if language == 'zh' else ':'}")
        assert words in told.err


def test_nothing_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        run([])
    assert ending.value.code == 2
    assert "Start with: bgecheck doctor" in capsys.readouterr().err
