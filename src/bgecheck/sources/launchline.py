"""Reads a server's command line: which process is a sglang server, and which options it was started with."""

from __future__ import annotations

import re
from collections.abc import Sequence

MODULES = ("sglang.launch_server", "bgecheck.demo.server")
"""What `python -m` runs when it runs a server; the second is our own demo."""

ALIASES = {"model": "model-path", "tensor-parallel-size": "tp-size", "data-parallel-size": "dp-size"}

SHORTEST = {
    "po": "port",
    "ho": "host",
    "model-p": "model-path",
    "se": "served-model-name",
    "ap": "api-key",
    "is": "is-embedding",
    "disable-r": "disable-radix-cache",
    "chu": "chunked-prefill-size",
    "mem": "mem-fraction-static",
    "conf": "config",
}
"""The options that bgecheck judges by their shortest unique beginning, which argparse accepts (0.4.6 to 0.5.23)."""

MANY = frozenset(
    {
        "allowed-media-domains",
        "cuda-graph-bs",
        "cuda-graph-bs-decode",
        "cuda-graph-bs-prefill",
        "custom-weight-loader",
        "lora-paths",
        "lora-target-modules",
        "numa-node",
        "piecewise-cuda-graph-tokens",
        "gc-threshold",
        "uvicorn-access-log-exclude-prefixes",
    }
)
"""Options with several values, which stand in `flags` joined by blanks (nargs in server_args.py)."""

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*(?:\.exe)?|Python")
_TAKES_MODULE = re.compile(r"-[bBdEiIOPqsSuvx]*m")
_TAKES_VALUE = ("-X", "-W", "--check-hash-based-pycs")


def parse_launch(argv: Sequence[str]) -> dict[str, str] | None:
    """The launch options of a sglang server by long name, or None when `argv` starts something else.

    Understood are `python -m sglang.launch_server`, `python .../launch_server.py` and `sglang serve [MODEL]`;
    options with `=` or without, their aliases and abbreviations. The last one wins; a switch is `""`. A shell,
    grep or container client that only mentions such a line is none.
    """
    given = _arguments(argv)
    return None if given is None else _options(given)


def _arguments(argv: Sequence[str]) -> Sequence[str] | None:
    """What follows the program's own name, or None when the program is no server."""
    if not argv:
        return None
    program = re.split(r"[/\\]", argv[0])[-1]
    if program == "sglang":
        return _served(argv[1:])
    if program == "launch_server.py":
        return argv[1:]
    return _run_by_python(argv[1:]) if _PYTHON.fullmatch(program) else None


def _run_by_python(words: Sequence[str]) -> Sequence[str] | None:
    position = 0
    while position < len(words):
        word = words[position]
        if _TAKES_MODULE.fullmatch(word):
            module = words[position + 1] if position + 1 < len(words) else ""
            return words[position + 2 :] if module in MODULES else None
        if word in _TAKES_VALUE:
            position += 2
        elif word.startswith("-") and word != "-" and "c" not in word[1:]:
            position += 1
        else:
            script = re.split(r"[/\\]", word)[-1]
            rest = words[position + 1 :]
            return _served(rest) if script == "sglang" else rest if script == "launch_server.py" else None
    return None


def _served(words: Sequence[str]) -> Sequence[str] | None:
    """The arguments of `sglang serve`, its positional model written as an option."""
    if not words or words[0] != "serve":
        return None
    rest = list(words[1:])
    return ["--model-path", *rest] if rest and not rest[0].startswith("-") else rest


def _options(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name: str | None = None
    for word in words:
        if word.startswith("--") and len(word) > 2:
            head, equals, value = word[2:].partition("=")
            name = long_name(head)
            found.pop(name, None)  # the last one wins, and stands where it was written
            found[name] = value
            name = None if equals else name
        elif name is not None and (not found[name] or name in MANY):
            found[name] = f"{found[name]} {word}".lstrip()
    return found


def long_name(typed: str) -> str:
    """The option that is meant by a name as typed, without its dashes."""
    name = ALIASES.get(typed, typed).replace("_", "-") if typed.isascii() else typed
    for shortest, full in SHORTEST.items():
        if name.startswith(shortest) and full.startswith(name):
            return full
    return name
