"""The pages of de-duplication hold to the program: its options, its figures, and the same facts in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bgecheck.cli.app import program
from bgecheck.cli.dedup import dedup as command
from bgecheck.dedup.calibration import LEVELS, RESAMPLES
from bgecheck.dedup.cosine import error_of_singles
from bgecheck.dedup.pairs import read_pairs
from bgecheck.dedup.proposals import PAIRS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/dedup.md", ROOT / "docs/dedup.zh.md"]


@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_every_option_is_one_of_the_command(page: Path) -> None:
    assert command is not None
    options = {name for option in program(["dedup"]).commands["dedup"].params for name in option.opts}
    text = page.read_text(encoding="utf-8").replace("embed --input", "")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= options


@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_the_figures_are_those_of_the_program(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert f"{error_of_singles(1024):.6f}" in text
    assert f"{RESAMPLES:,}" in text
    assert str(PAIRS) in text
    assert all(f"{level:.2f}" in text for level in LEVELS)


def test_both_pages_have_the_same_cosines() -> None:
    one, other = (sorted(re.findall(r"\b0\.\d{4}\b", page.read_text(encoding="utf-8"))) for page in PAGES)
    assert one == other


def test_the_labelled_pairs_of_the_page_are_there() -> None:
    pairs = read_pairs(str(ROOT / "real/pairs.csv"))
    assert len(pairs) == 60
    assert sum(pair.same is True for pair in pairs) == 30
