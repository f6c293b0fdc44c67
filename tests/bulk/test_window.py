"""Texts are cut by tokens and sent in batches of like lengths, none twice and none left out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from bgecheck.bulk.options import MOST_TOKENS, BulkOptions
from bgecheck.bulk.tokens import Counter, Estimated, Tokenized, pieces
from bgecheck.bulk.window import CHARACTERS, RECORDS, batches, prepared, windows
from bgecheck.textfile.record import Record

LENGTHS = st.lists(st.integers(0, 400), max_size=60)


def records(texts: list[str]) -> list[Record]:
    return [Record(number, number + 1, text) for number, text in enumerate(texts)]


def tokenized() -> Tokenized:
    """Each word is a token, between [CLS] and [SEP]."""
    made = Tokenizer(WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}, "[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return Tokenized(made)


@given(LENGTHS, st.integers(1, 40))
def test_every_text_that_is_not_blank_is_in_one_batch_within_the_bounds(lengths: list[int], most: int) -> None:
    window = prepared(records(["字" * length for length in lengths]), Estimated(), BulkOptions())
    made = batches(window, most)
    sent = [piece.record for batch in made for piece in batch.pieces]
    assert sorted(sent) == [number for number, length in enumerate(lengths) if length]
    assert window.open == len(made)
    for batch in made:
        longest = max(piece.tokens for piece in batch.pieces)
        assert len(batch.pieces) <= most
        assert len(batch.pieces) == 1 or len(batch.pieces) * longest <= MOST_TOKENS
    ends = [(batch.pieces[0].tokens, batch.pieces[-1].tokens) for batch in made]
    assert all(one[1] <= other[0] for one, other in pairwise(ends)), "batches have like lengths"


def test_windows_begin_at_the_same_records_from_wherever_a_run_goes_on() -> None:
    texts = ["x" * (CHARACTERS // 3 if number % 97 == 0 else 5) for number in range(700)]
    whole = [[record.number for record in some] for some in windows(records(texts))]
    assert [number for some in whole for number in some] == list(range(700))
    assert max(map(len, whole)) <= RECORDS
    for begin in (some[0] for some in whole):
        rest = [[record.number for record in some] for some in windows(records(texts)[begin:])]
        assert rest == [some for some in whole if some[0] >= begin]


def test_halves_have_all_the_texts_of_the_whole() -> None:
    window = prepared(records(["a"] * 7), Estimated(), BulkOptions())
    (batch,) = batches(window, 32)
    parts = batch.halves()
    assert [piece for part in parts for piece in part.pieces] == batch.pieces
    assert [len(part.pieces) for part in parts] == [3, 4]


@given(st.lists(st.sampled_from(["今", "天", " ", "word", "a", "1", "。", "\n", "é"]), max_size=80))
def test_pieces_of_an_estimate_cover_the_text(parts: list[str]) -> None:
    text, counter = "".join(parts), Estimated()
    found = pieces(text, counter, 10, 3)
    assert all(len(counter.ends(piece)) <= 10 for piece in found)
    kept = "".join(text.split())
    at = 0
    for piece in ("".join(one.split()) for one in found):
        place = max(0, kept.find(piece, max(0, at - len(piece))))
        assert place <= at, "nothing between two pieces is lost"
        at = max(at, place + len(piece))
    assert at == len(kept) or not kept


def test_an_estimate_counts_characters_and_thirds_of_words() -> None:
    assert Estimated().counts(["今天好", "password", "a b", ""]) == [5, 5, 4, 2]


@pytest.mark.parametrize(
    ("too_long", "expected"),
    [
        ("refuse", ["p a b c d e f g"]),
        ("truncate", ["p a b c d"]),
        ("apart", ["p a b c d", "p d e f g"]),
    ],
)
def test_a_long_text_is_left_cut_or_split_by_the_models_own_tokens(too_long: str, expected: list[str]) -> None:
    options = BulkOptions(prefix="p ", too_long=too_long, size=7, overlap=1)  # type: ignore[arg-type]
    counter: Counter = tokenized()
    window = prepared(records(["a b c d e f g"]), counter, options)
    assert [piece.text for piece in window.pieces] == expected
    assert max(piece.tokens for piece in window.pieces) <= (10 if too_long == "refuse" else 7)


def test_what_holds_no_text_is_never_sent() -> None:
    some = [Record(0, 1, " \t"), Record(1, 2, "", "no-value"), Record(2, 3, "a")]
    window = prepared(some, Estimated(), BulkOptions())
    assert [piece.rejection and piece.rejection.reason for piece in window.pieces] == ["blank", "no-value", None]
    assert [piece.text for batch in batches(window, 32) for piece in batch.pieces] == ["a"]
