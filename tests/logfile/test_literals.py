"""The same lines are found with the library and without it."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.logfile import literals
from bgecheck.logfile.literals import Literals

WORDS = st.text(alphabet="ab已", min_size=1, max_size=4)
LINES = st.lists(st.text(alphabet="ab已 ", max_size=12), max_size=12)


def _pair(words: list[str], encodings: tuple[str, ...]) -> tuple[Literals, Literals]:
    """Two that look for the same: the first with the library, the second without."""
    fast, plain = Literals(words, encodings), Literals(words, encodings)
    fast._left, plain._left = 0, sys.maxsize
    return fast, plain


@given(words=st.lists(WORDS, min_size=1, max_size=6), lines=LINES)
def test_lines_that_hold_a_literal_are_found(words: list[str], lines: list[str]) -> None:
    """Literals that overlap, or hold one another, hide nothing; in two encodings as in one."""
    pytest.importorskip("ahocorasick_rs")
    raws = {line.encode(name) for line in lines for name in ("utf-8", "gb18030")}
    written = [word.encode(name) for word in words for name in ("utf-8", "gb18030")]
    wanted = {raw for raw in raws if any(literal in raw for literal in written)}
    fast, plain = _pair(words, ("utf-8", "gb18030"))
    assert fast.holding(raws) == plain.holding(raws) == wanted


@given(words=st.lists(WORDS, min_size=1, max_size=6), line=st.text(alphabet="ab已\ud800", max_size=12))
def test_every_literal_of_a_line_is_told(words: list[str], line: str) -> None:
    pytest.importorskip("ahocorasick_rs")
    fast, plain = _pair(words, ("utf-8",))
    assert set(fast.among(line)) == set(plain.among(line)) == {word for word in words if word in line}


def test_without_the_library_the_same_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ahocorasick_rs", None)
    literals._machine.cache_clear()
    monkeypatch.setattr(literals, "_WORTHWHILE", 0)
    known = Literals(["Killed", "已杀死"])
    assert known.holding([b"Killed", b"killed", "已杀死".encode()]) == {b"Killed", "已杀死".encode()}
    assert set(known.among("a Killed b")) == {"Killed"}
