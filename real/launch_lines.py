"""Compares what `launch.flags` says of launch lines with the true parsers of sglang releases: each agrees on every one.

usage: launch_lines.py PYTHON...      each the interpreter of an environment with one release; exit status 1 when one
                                      parser takes what bgecheck calls refused, or refuses what it calls taken

Beside the lines of tests/data/launch/lines.txt each release is asked about as many lines as RANDOM, made of its own
options and of values that are right and wrong, from a fixed seed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]
from bgecheck.engines.planned import Word  # noqa: E402
from bgecheck.engines.sglang.arguments import faults  # noqa: E402
from bgecheck.engines.sglang.releases import Release, releases  # noqa: E402
from launchlines import lines  # noqa: E402

PROGRAM = ("python", "-m", "sglang.launch_server")
RANDOM = int(os.environ.get("LINES", "2000"))

PARSE = r"""
import argparse, contextlib, importlib.metadata, io, json, sys
from sglang.srt.server_args import ServerArgs
parser = argparse.ArgumentParser()
ServerArgs.add_cli_args(parser)
refused = {}
for number, words in enumerate(json.load(sys.stdin)):
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parser.parse_args(words)
    except SystemExit:
        refused[number] = (said.getvalue().splitlines() or [""])[-1]
    except Exception as error:
        refused[number] = repr(error)
print(json.dumps({"version": importlib.metadata.version("sglang"), "refused": refused}))
"""
"""Run by each release's interpreter: the lines that its parser refuses, with what it says."""

VALUES = (
    "1",
    "-1",
    "0.3",
    "8k",
    "8Ki",
    "abc",
    "",
    "-",
    "--",
    "[1]",
    "{}",
    "null",
    "auto",
    "half",
    "-x",
    "a b",
    "1_0",
    "nan",
)


APART = {"config", "cuda-graph-config"}
"""A file that may hold what is required; JSON whose every key the parser looks at, which is no matter of encoders."""


def random_lines(release: Release, count: int) -> Iterator[list[str]]:
    """Lines of a release's own options: whole, cut short, misspelt, joined, with values of every kind."""
    chance = random.Random(release.version)
    names = sorted(release.options.keys() - APART)
    for _ in range(count):
        words = ["--model-path", "/m/bge-large-zh-v1.5"] if chance.random() < 0.95 else []
        for _ in range(chance.randint(1, 3)):
            name = chance.choice(names)
            option = release.options[name]
            typed = name[: chance.randint(min(3, len(name)), len(name))] if chance.random() < 0.3 else name
            typed = typed.replace("-", "_") if chance.random() < 0.03 else typed
            right = chance.choice(option.choices) if option.choices else {"float": "0.5"}.get(option.type or "", "1")
            value = right if chance.random() < 0.5 else chance.choice(VALUES)
            if chance.random() < 0.2 and value != "--":  # which argparse took out until 3.13
                words.append(f"--{typed}={value}")
            else:
                words.append(f"--{typed}")
                words += [value] * chance.choice((0, 1, 1, 1, 2) if not option.switch else (0, 0, 0, 1))
        yield words


def refuses(release: Release, options: list[str]) -> str:
    """What `launch.flags` says a parser refuses; nothing where it takes the line."""
    words = [Word(value, number, number) for number, value in enumerate([*PROGRAM, *options])]
    return "; ".join(fault.why.en for fault in faults(words, release) if fault.refused)


def main() -> None:
    """Every line, and random ones, against every release."""
    known = {release.version: release for release in releases()}
    bad = 0
    for python in sys.argv[1:]:
        version = subprocess.run(
            [python, "-c", "import importlib.metadata as m; print(m.version('sglang'))"],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout.strip()  # fmt: skip
        release = known[version]
        given = [list(line.options) for line in lines()]
        asked = [*given, *random_lines(release, RANDOM)]
        done = subprocess.run(
            [python, "-c", PARSE], input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=600
        )
        refused = {int(n): why for n, why in json.loads(done.stdout.splitlines()[-1])["refused"].items()}
        wrong = []
        for number, options in enumerate(asked):
            ours = refuses(release, options)
            if bool(ours) != (number in refused):
                wrong.append((options, refused.get(number, "taken"), ours or "taken"))
        for line, number in zip(lines(), range(len(given)), strict=True):
            if (version in line.refused_by) != (number in refused):
                wrong.append((list(line.options), refused.get(number, "taken"), "the file says otherwise"))
        bad += bool(wrong)
        print(
            f"{'WRONG' if wrong else 'ok   '} sglang {version}: {len(given)} lines and {RANDOM} random ones, "
            f"{len(refused)} refused, {len(wrong)} judged otherwise",
            flush=True,
        )
        for options, theirs, ours in wrong[:40]:
            print(f"      {options}\n        its parser: {theirs}\n        bgecheck:   {ours}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
