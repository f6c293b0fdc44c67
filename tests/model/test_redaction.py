"""A secret is hidden in the forms in which servers echo it, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from bgecheck.model import Redactor, clean
from bgecheck.model.hygiene import command_line
from fakes.misbehaving import KEY
from fakes.odder import CODED


def hidden(text: str, secret: str = KEY, limit: int = 2000) -> str:
    return Redactor([secret]).text(clean(text, limit))


@pytest.mark.parametrize("name", CODED)
def test_a_key_is_hidden_in_every_form_in_which_it_is_echoed(name: str) -> None:
    before, after = "Incorrect API key provided: ", ". See https://x.example/"
    shown = hidden(before + CODED[name] + after)
    assert shown.startswith(before)
    assert shown.endswith(after)
    assert "***" in shown
    assert CODED[name] not in shown
    assert len(shown) < len(before + after) + 45  # what stands around a key in JSON or in quotes is no key


SPECIAL = 'pä/ss "w\\ö<rd+1'


@pytest.mark.parametrize(
    "echoed",
    [
        SPECIAL,
        repr(SPECIAL)[1:-1],
        ascii(SPECIAL)[1:-1],
        json.dumps(SPECIAL)[1:-1],
        json.dumps(SPECIAL, ensure_ascii=False)[1:-1],
        json.dumps(SPECIAL, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        json.dumps(json.dumps(SPECIAL))[3:-3],
        quote(SPECIAL),
        quote(SPECIAL, safe=""),
        quote(quote(SPECIAL, safe="")),
        quote_plus(SPECIAL),
        html.escape(SPECIAL),
        SPECIAL.upper(),
    ],
)
def test_a_key_of_odd_characters_is_hidden_whole_and_nothing_beside_it(echoed: str) -> None:
    assert hidden(f"key <{echoed}>, known", SPECIAL) == "key <***>, known"


@pytest.mark.parametrize("before", ["", "u", "me", "me:"])
@pytest.mark.parametrize("after", ["", "x", "yz", "\xff\xff"])
@pytest.mark.parametrize("coded", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_key_is_hidden_in_base64_wherever_it_stands_in_it(
    before: str, after: str, coded: Callable[[bytes], bytes]
) -> None:
    secret = "s?>~ecret-1"
    text = coded(f"{before}{secret}{after}".encode("latin-1")).decode()
    assert hidden(f"basic, {text}: refused", secret) == "basic, ***: refused"


def test_a_key_of_four_characters_is_hidden_and_a_shorter_one_stands_in_words() -> None:
    assert hidden("abcd, abc", "abcd") == "***, abc"
    assert hidden("abcd, abc", "abc") == "abcd, abc"


@pytest.mark.parametrize(
    ("tail", "shown"),
    [
        (KEY[:-1], "key ***…"),
        (KEY[: len(KEY) // 2], "key ***…"),
        (KEY[:3], "key ***…"),
        (KEY[:2], f"key {KEY[:2]}…"),
        ("tail", "key tail…"),
        ("", "key …"),
    ],
)
def test_what_is_left_of_a_key_at_a_cut_is_hidden_from_its_third_character_on(tail: str, shown: str) -> None:
    assert Redactor([KEY]).text(f"key {tail}…") == shown


@pytest.mark.parametrize("limit", range(46, 62))
def test_a_cut_through_a_key_shows_no_half_of_it(limit: int) -> None:
    shown = hidden("Incorrect API key provided: the key is " + KEY, limit=limit)
    assert KEY[:4] not in shown


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("bge-large-zh-v1.5-key", "bge-large-zh-v1.5 at http://127.0.0.1:30000/v1"),
        ("local-server-key", "the local server"),
        ("a-b", "a b, a-c; A.B"),
        ("abcdefg", "a bcdefg"),
        ("EMPTY", "E M P T Y, %45%4D, empty"),
        ("sk+Tr0ub4dor/9f3e=Zz", "skTr0ub: the key is not known; %41%42 &amp; \\u4f60 \\x41"),
        ("一二三四五六七八", "一二三四五六七，九十"),
    ],
)
def test_what_only_looks_like_a_secret_stays(secret: str, text: str) -> None:
    """A part of a key may well be the name of the model; a short one stands in words by chance."""
    assert hidden(text, secret) == text


def test_a_secret_of_eight_characters_is_found_where_a_line_was_wrapped_within_it() -> None:
    assert hidden("key: abcd efgh!", "abcdefgh") == "key: ***!"
    assert hidden("key: 密钥一二 三四五六!", "密钥一二三四五六") == "key: ***!"


@pytest.mark.parametrize("piece", ["\\", "%25", "&amp;", "&", "s", "sk", "A", "\u0301", "=", "%2", "…", "sktr0u…"])
def test_looking_takes_no_time(piece: str) -> None:
    """Foreign text is as bad as somebody could make it."""
    redactor, text = Redactor([KEY, "A" * 400]), clean(piece * 2000)
    started = time.perf_counter()
    redactor.text(text)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (("redis-server", "--requirepass", "hunter22", "--port", "1"), "redis-server --requirepass *** --port 1"),
        (("app", "--auth-token=abc", "-v"), "app --auth-token=*** -v"),
        (("env", "HF_TOKEN=abc", "app"), "env HF_TOKEN=*** app"),
        (("app", "--secret-key", "--debug", "x"), "app --secret-key --debug x"),
        (("proxy", "http://me:hunter22@h/"), "proxy http://me:***@h/"),
        (
            ("vllm", "serve", "m", "--tokenizer", "/t", "--max-tokens", "9"),
            "vllm serve m --tokenizer /t --max-tokens 9",
        ),
        (("python3", "-m", "http.server", "8000"), "python3 -m http.server 8000"),
        (("app", "\x1b[31mre\nd", "[bold]x"), "app re d [bold]x"),
        ((), ""),
    ],
)
def test_a_foreign_command_line_is_short_and_holds_no_secret(argv: tuple[str, ...], shown: str) -> None:
    assert command_line(argv) == shown
    assert len(command_line((*argv, "x" * 5000))) <= 160
