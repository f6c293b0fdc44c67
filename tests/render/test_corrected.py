"""The corrected launch command stands in every format that a person reads, so that it can be copied whole."""

from __future__ import annotations

import shlex

import pytest

from commandline import run

LINE = "python -m sglang.launch_server --model-path /m/bge-large-zh-v1.5 --tokenizer-mode slow"
CORRECTED = f"{LINE} --is-embedding --disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3"
RIGHT = f"{CORRECTED} --host 127.0.0.1"


def shown(line: str, form: str) -> str:
    words = ["preflight", "--lang", "en", "--only", "launch", "--sglang-version", "0.5.23", "-o", form, "--"]
    return run(*words, *shlex.split(line)).stdout


@pytest.mark.parametrize("form", ["table", "markdown", "html", "github", "junit"])
def test_the_corrected_command_is_shown_whole(form: str) -> None:
    text = shown(LINE, form)
    heading = text.index("CORRECTED COMMAND")
    assert CORRECTED in text[heading:]
    assert "CORRECTED COMMAND" not in shown(RIGHT, form)
