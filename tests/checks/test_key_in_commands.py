"""In whatever is printed to be copied the key is one variable, without which nothing runs with an empty key."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from bgecheck.checks.refusals import ADVICE as REFUSALS
from bgecheck.engines.base import Launch
from bgecheck.engines.sglang.relaunch import launch_line
from bgecheck.http.openai_errors import ADVICE as OF_OPENAI
from bgecheck.model import Advice, fill_command, say
from bgecheck.model.hygiene import KEY_IN_SHELL, KEY_VARIABLE, Redactor
from bgecheck.run import catalog

VARIABLE = re.compile(r"\$\{?(\w*(?:KEY|TOKEN)\w*)|\b(\w*KEY\w*)=")
"""A variable of the shell that holds a key, where it is read and where it is set."""


def _advice() -> Iterator[tuple[str, Advice]]:
    for check in catalog.rows():
        yield check.id, check.advice
        yield from ((f"{check.id} {name}", advice) for name, advice in check.variants.items())
    yield from REFUSALS.items()
    yield from OF_OPENAI.items()


def _printed(advice: Advice) -> list[str]:
    return [
        *advice.commands,
        *(say(text, language) for text in (advice.cause, advice.fix) for language in ("en", "zh")),
    ]


def test_every_text_calls_the_key_by_one_name() -> None:
    names = {(at, a or b) for at, advice in _advice() for text in _printed(advice) for a, b in VARIABLE.findall(text)}
    assert {(at, name) for at, name in names if name != KEY_VARIABLE} == set()
    assert len(names) > 5


def test_what_needs_the_key_says_what_to_export() -> None:
    """A command that reads it without a default stands below a fix that names it."""
    for at, advice in _advice():
        if any(f"{KEY_VARIABLE}:?" in command for command in advice.commands):
            for language in ("en", "zh"):
                assert f"export {KEY_VARIABLE}=" in say(advice.fix, language), at


@pytest.mark.parametrize(("key", "ends"), [(None, False), ("", False), ("k1 k2", True)])
def test_a_printed_line_runs_with_the_key_or_not_at_all(key: str | None, ends: bool) -> None:
    """A server that is started with an empty key is open to everybody."""
    line = launch_line(Launch(options={"api-key": "x", "port": "1"}, program=("printf", "%s|")), {})
    assert Redactor().value(line) == line
    environment = {"PATH": "/usr/bin:/bin"} | ({} if key is None else {KEY_VARIABLE: key})
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=environment, check=False)
    assert (ran.returncode == 0) is ends
    assert ran.stdout == (f"--api-key|{key}|--port|1|" if ends else "")
    assert ends or f"{KEY_VARIABLE}: export it first" in ran.stderr


def test_a_command_of_a_row_keeps_the_variable() -> None:
    commands = [fill_command(c, {"base_url": "http://h:1/v1"}) for c in REFUSALS["key"].commands]
    assert commands == [f': "{KEY_IN_SHELL}" && bgecheck probe --url http://h:1/v1']
    assert fill_command(REFUSALS["no-channel"].commands[0], {"base_url": "http://h:1/v1"}) == (
        "curl -sS --noproxy '*' -H \"Authorization: Bearer ${BGECHECK_API_KEY:-EMPTY}\" http://h:1/v1/models"
    )
