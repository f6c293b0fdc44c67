"""Texts, commands, foreign text, secrets, names of models."""

from __future__ import annotations

import math
import re
import shlex
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bgecheck.model import Redactor, Secret, Shell, Text, clean, fill, fill_command
from bgecheck.model.hygiene import LIMIT
from bgecheck.model.registry import lookup
from bgecheck.model.vectors import cosine, norm


@given(st.text(max_size=200))
def test_a_value_in_a_command_stays_one_word(value: str) -> None:
    """Whatever a log or reply says, a pasted command runs nothing of it."""
    assume("\x00" not in value)
    command = fill_command("run --x {value} end", {"value": value})
    assert command is not None
    assert shlex.split(command) == ["run", "--x", value, "end"]


def test_a_command_that_lacks_a_value_is_dropped() -> None:
    assert fill_command("bgecheck logs {log}", {"log": None}) is None
    assert fill_command("bgecheck logs {log}", {}) is None


def test_a_shell_piece_stands_as_it_is() -> None:
    assert fill_command("{line}", {"line": Shell.join(["a b", "c"])}) == "'a b' c"


def test_an_unknown_placeholder_of_a_text_stays() -> None:
    assert fill(Text("{a} {b}", "{a}"), {"a": 1}) == Text("1 {b}", "1")


@given(st.text(max_size=3 * LIMIT))
def test_clean_text_is_one_printable_line_of_bounded_length(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= LIMIT
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned)
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", cleaned)


@pytest.mark.parametrize(
    ("foreign", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://evil\x1b\\link", "link"),
        ("a\u202eb", "ab"),
        ("one\ntwo\tthree", "one two three"),
        ("\x9b2Jx", "x"),
    ],
)
def test_terminal_escapes_and_bidi_are_taken_out(foreign: str, harmless: str) -> None:
    assert clean(foreign) == harmless


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer abcdefgh12345",
        "server_args={'model_path': 'm', 'api_key': 'topsecret'}",
        "ServerArgs(api_key='topsecret', port=1)",
        "python -m sglang.launch_server --api-key topsecret --port 1",
        "python -m sglang.launch_server --api-key=topsecret",
        "HF_TOKEN=hf_abcdefghijkl",
        "http://user:topsecret@proxy:3128",
        "key sk-abcdefgh",
    ],
)
def test_what_looks_like_a_key_is_hidden(line: str) -> None:
    shown = Redactor().text(line)
    assert "***" in shown
    assert not re.search("topsecret|abcdefgh", shown)


def test_an_absent_key_is_not_hidden() -> None:
    assert Redactor().text("ServerArgs(api_key=None)") == "ServerArgs(api_key=None)"


@given(st.text(min_size=4, max_size=20), st.text(max_size=40), st.text(max_size=40))
def test_a_known_secret_never_comes_out(secret: str, before: str, after: str) -> None:
    assume(secret != "EMPTY" and secret.strip("*"))
    shown = Redactor([secret]).text(before + secret + after)
    assert secret not in shown or secret in "***"


def test_a_secret_does_not_print() -> None:
    assert "topsecret" not in f"{Secret('topsecret')!r} {Secret('topsecret')}"


@pytest.mark.parametrize(
    "name",
    [
        "bge-large-zh-v1.5",
        "BAAI/bge-large-zh-v1.5",
        "/data/models/BGE-Large-zh-v1.5/",
        "C:\\models\\bge-large-zh-v1.5",
        "/root/.cache/huggingface/hub/models--BAAI--bge-large-zh-v1.5/snapshots/79e7739",
    ],
)
def test_a_model_is_known_by_any_of_its_names(name: str) -> None:
    known = lookup(name)
    assert known is not None
    assert (known.dims, known.pooling, known.bidirectional) == (1024, "cls", True)


@pytest.mark.parametrize("name", [None, "", "default", "my-own-model"])
def test_an_unknown_name_is_no_model(name: str | None) -> None:
    assert lookup(name) is None


vectors = st.lists(st.floats(-100, 100), min_size=2, max_size=30).filter(lambda v: norm(v) > 1e-3)


@given(vectors, st.floats(0.1, 10))
def test_cosine_ignores_length_and_is_one_with_itself(vector: list[float], factor: float) -> None:
    assert cosine(vector, [factor * x for x in vector]) == pytest.approx(1)
    assert cosine(vector, [-x for x in vector]) == pytest.approx(-1)


@pytest.mark.parametrize(("a", "b"), [([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([math.nan], [1.0]), ([], [])])
def test_what_has_no_cosine_is_nan(a: list[float], b: list[float]) -> None:
    assert math.isnan(cosine(a, b))
