"""Prints the remedy of every log rule, as a report has it, in both languages: to be read by a person.

usage: python docs/remedies.py [LABEL]        `make remedies` runs it
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from bgecheck.model import say
from logsamples import Snippet, judged, roots, snippets, written


def show(snippet: Snippet, folder: Path) -> None:
    """The decisive line of a labelled log, and each root cause with its fix and its commands."""
    for root in roots(judged(written(folder / "sglang.log", snippet.log(snippet.releases[-1])))):
        print(f"\n{root.id}\n  {snippet.decisive[:160]}")
        for language in ("en", "zh"):
            print(f"  {say(root.cause or '', language)}\n  -> {say(root.fix or '', language)}")
        for command in root.commands:
            print(f"     {command}")


def main() -> None:
    """All labelled logs, or those of one label."""
    with TemporaryDirectory() as folder:
        for snippet in snippets():
            if len(sys.argv) < 2 or snippet.label == sys.argv[1].replace("-", "_"):
                show(snippet, Path(folder))


if __name__ == "__main__":
    main()
