"""Reads a server's command line: which process is a sglang server, and which options it was started with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import takewhile

from bgecheck.engines.base import Launch
from bgecheck.engines.launchfile.unread import Names
from bgecheck.model.hygiene import NAMED_LIKE_A_KEY

OWN_DEMO = "bgecheck.demo.server"

MODULES = ("sglang.launch_server", OWN_DEMO)
"""What `python -m` runs when it runs a server; the second is our own demo."""

NAMES = Names(
    program=re.compile(r"sglang\.launch_server\b|\bsglang[ \t]+serve\b|\blaunch_server\.py\b"),
    options=re.compile(r"--model-path\b"),
    command="python3 -m sglang.launch_server",
)
"""What a line has in it that may be part of a launch."""

EXAMPLE = "bgecheck preflight -- python -m sglang.launch_server --model-path DIR"
"""How a launch command is given."""

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
    "tp": "tp-size",
    "dp": "dp-size",
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

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*[td]?(?:-dbg)?(?:\.exe)?|Python")
"""How interpreters are called: `python3.13t` is the one without a global lock, `-dbg` one for debugging."""

_WITH_VALUE = re.compile(r"[cmWX]")
"""Options of the interpreter that take a value: what is left of their word, or the next word."""

_LONG_WITH_VALUE = "--check-hash-based-pycs"


def parse_launch(argv: Sequence[str]) -> dict[str, str] | None:
    """The launch options of a sglang server by long name, or None when `argv` starts something else.

    Understood are `python -m sglang.launch_server`, `python .../launch_server.py` and `sglang serve [MODEL]`;
    options with `=` or without, their aliases and abbreviations. The last one wins; a switch is `""`. A shell,
    grep or container client that only mentions such a line is none.
    """
    given = _arguments(argv)
    return None if given is None else _options(given)


def launch_words(line: str, at: int = 0) -> tuple[str, ...]:
    """The words of a launch command that begins at `at` of a line, as a shell takes them; () where it starts no model.

    What stands before it belongs to it where the line is a command as a whole: behind a prompt or `+`, or with a
    wrapper first (`nohup`, `docker run ... IMAGE`); else only variables do. Where another program repeats it, it is
    what stands between that program's marks, or behind its key. A usage line, which shows `<model>` or `[options]`,
    starts none.
    """
    before, command = _repeated(*_behind_key(line, at))
    if "<" in command or "[" in command:
        return ()
    try:
        words = [*_before(before), *takewhile(_of_a_command, shlex.split(command))]
    except ValueError:
        return ()
    return launching(words)


def listed_words(listed: str) -> tuple[str, ...]:
    """The words of a launch command that a program writes as a list, brackets and all; () where it starts no model."""
    return launching([re.sub(r"\\(.)", r"\1", word[1:-1]) for word in _LISTED.findall(listed)])


def launching(words: Sequence[str]) -> tuple[str, ...]:
    """The words themselves where they start a model, else ()."""
    options = typed(words).options
    return tuple(words) if options.get("model-path") or options.get("config") else ()


_LISTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def _of_a_command(word: str) -> bool:
    """Whether a word can stand in a command: a bare parenthesis opens a remark on it, as `(code=exited, status=1)`."""
    return not word.startswith("(")


_KEY = re.compile(r"(?:^|(?<=\s))(?:Exec[A-Z]\w*=[-@:+!|]*|argv\[\]=|[\"']?(?:[Cc]ommand|cmd|CMD)[\"']?(?:=|: ?))")
"""What a unit of systemd (with its prefixes), supervisord or compose writes before a command."""


def _behind_key(line: str, at: int) -> tuple[str, str]:
    """What stands before a program and the rest of the line, without a key and what stands before that."""
    keys = [key for key in _KEY.finditer(line) if key.start() <= at]
    begun = keys[-1].end() if keys else 0
    program = max(begun, at)
    while line[program : program + 1] in _CLOSES:
        program += 1
    return line[begun:program], line[program:]


_CLOSES = {"'": "'", '"': '"', "`": "`", "(": ")", "[": "]", "‘": "’", "“": "”"}
_OPENS = re.compile(r"(?:^|(?<=[\s=:,({]))['\"`(\[‘“]")


def _repeated(before: str, command: str) -> tuple[str, str]:
    """Both without the marks in which another program repeats a command, and without what stands outside of them."""
    opened = [mark for mark in _OPENS.finditer(before) if _CLOSES[mark[0]] not in before[mark.end() :]]
    if not opened:
        return before, command
    closing = re.search(rf"(?<!\\){re.escape(_CLOSES[opened[-1][0]])}", command)
    return before[opened[-1].end() :], command[: closing.start()] if closing else command


_PROMPT = re.compile(r"\++ |(?:\([\w.-]+\) ?)?(?:\[?[\w.-]+@[\w.-]+[^#$%>]*|[\w.~/-]*)[#$%>] ")
"""What a shell writes before a command: `+ ` of `set -x`, or its prompt."""

_WRAPPERS = frozenset(
    (
        *(
            "apptainer",
            "conda",
            "docker",
            "env",
            "exec",
            "ionice",
            "kubectl",
            "mamba",
            "micromamba",
            "mpirun",
            "nerdctl",
        ),
        *("nice", "nohup", "numactl", "podman", "setsid", "singularity", "srun", "stdbuf", "sudo", "systemd-run"),
        *("taskset", "time", "torchrun", "unbuffer", "uv"),
    )
)
"""Programs that run what is named behind their own options."""

_ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def _before(text: str) -> list[str]:
    """The words before a program that belong to its command. Raises `ValueError` for quotes without an end."""
    prompt = _PROMPT.match(text)
    words = shlex.split(text[prompt.end() :] if prompt else text)
    first = next((word for word in words if not _ASSIGNED.match(word)), None)
    if prompt or first is None or first in _WRAPPERS:
        return words
    return list(takewhile(_ASSIGNED.match, reversed(words)))[::-1]


def typed(words: Sequence[str]) -> Launch:
    """How a server is started by a command as typed, with all that stands before its options."""
    for at in range(len(words)):
        options = parse_launch(words[at:])
        if options is not None:
            return Launch(options=options, program=(*words[:at], *launch_program(words[at:])))
    return Launch(options={})


_DECIDING = re.compile(
    r"(?:CUDA|HIP|ROCR|ASCEND_RT)_VISIBLE_DEVICES|(?:HF|TRANSFORMERS|MODELSCOPE|SGLANG|SGL)_\w+|CUDA_HOME"
)


def deciding(given: Mapping[str, str]) -> dict[str, str]:
    """Those variables of a server's environment that a launch line has to keep; never a key."""
    return {
        name: value
        for name, value in sorted(given.items())
        if _DECIDING.fullmatch(name)
        and not NAMED_LIKE_A_KEY.search(name)
        and len(value) <= _LONGEST
        and value.isprintable()
    }


_LONGEST = 200
"""Characters of a value that is kept."""


def launch_program(argv: Sequence[str]) -> tuple[str, ...]:
    """The words of a server's command line before its options; () where it starts no server, or our own demo."""
    return () if OWN_DEMO in argv else tuple(argv[: options_at(argv)])


def options_at(argv: Sequence[str]) -> int:
    """The number of the first word behind the program; 0 where it starts no server."""
    given = _arguments(argv)
    if given is None:
        return 0
    options = list(given)
    starts = (at for at in range(len(argv)) if options in (list(argv[at:]), ["--model-path", *argv[at:]]))
    return next(starts, len(argv))


def is_python(name: str) -> bool:
    """Whether a program is called as interpreters are."""
    return _PYTHON.fullmatch(name) is not None


def _arguments(argv: Sequence[str]) -> Sequence[str] | None:
    """What follows the program's own name, or None when the program is no server."""
    if not argv:
        return None
    program = re.split(r"[/\\]", argv[0])[-1]
    if program == "sglang":
        return _served(argv[1:])
    if program == "launch_server.py":
        return argv[1:]
    if argv[0][:1] in ("$", "`") and tuple(argv[1:2]) == ("-m",):
        return argv[3:] if argv[2:3] and argv[2] in MODULES else None  # the interpreter stands in a variable
    return _run_by_python(argv[1:]) if _PYTHON.fullmatch(program) else None


def _run_by_python(words: Sequence[str]) -> Sequence[str] | None:
    """What follows the program that an interpreter runs, or None when that is no server.

    The interpreter's own options are read as CPython reads them: letters may stand together, and the first that
    takes a value takes the rest of its word (`-Werror`, `-IWignore`, `-msglang.launch_server`), or the next one.
    """
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--"):
        word, at = words[at], at + 1
        if word.startswith("--"):
            at += word == _LONG_WITH_VALUE
            continue
        option = _WITH_VALUE.search(word, 1)
        if option is None:
            continue
        value = word[option.end() :]
        if not value:
            value, at = "".join(words[at : at + 1]), at + 1
        if option[0] == "c":
            return None
        if option[0] == "m":
            return words[at:] if value in MODULES else None
    return _run_as_script(words[at + 1 :] if list(words[at : at + 1]) == ["--"] else words[at:])


def _run_as_script(words: Sequence[str]) -> Sequence[str] | None:
    if not words:
        return None
    script, rest = re.split(r"[/\\]", words[0])[-1], words[1:]
    return _served(rest) if script == "sglang" else rest if script == "launch_server.py" else None


def _served(words: Sequence[str]) -> Sequence[str] | None:
    """The arguments of `sglang serve`, its positional model written as an option."""
    if not words or words[0] != "serve":
        return None
    rest = list(words[1:])
    return ["--model-path", *rest] if rest and not rest[0].startswith("-") else rest


def _options(words: Sequence[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    name: str | None = None
    for word in words:
        if word.startswith("--") and len(word) > 2:
            head, equals, value = word[2:].partition("=")
            name = long_name(head)
            options.pop(name, None)  # the last one wins, and stands where it was written
            options[name] = value
            name = None if equals else name
        elif name is not None and (not options[name] or name in MANY):
            options[name] = f"{options[name]} {word}" if options[name] else word
    return options


def long_name(typed: str) -> str:
    """The option that is meant by a name as typed, without its dashes."""
    name = ALIASES.get(typed, typed).replace("_", "-") if typed.isascii() else typed
    for shortest, full in SHORTEST.items():
        if name.startswith(shortest) and full.startswith(name):
            return full
    return name
