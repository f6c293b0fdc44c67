"""Finds the launch commands of a file: its form is told from its name and content, and each form has its reader."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from bgecheck.engines.launchfile.compose import compose
from bgecheck.engines.launchfile.dockerrun import in_container
from bgecheck.engines.launchfile.manifests import manifests
from bgecheck.engines.launchfile.shell import Command, UnclosedQuote, commands
from bgecheck.engines.launchfile.units import dockerfile, programs, quote_without_end, unit
from bgecheck.engines.planned import CUT, Form, Spelling, Word, Written
from bgecheck.model import BadInput, Text, reason_of

LARGEST = 2**20
"""Bytes of a file: a launch script is some kilobytes long."""

STDIN = "-"

Starts = Callable[[Sequence[str]], bool]
"""Whether words start a server of the engine."""

_TALKS = frozenset(("echo", "printf", "grep", "pgrep", "pkill", "ps", "cat", "which", "alias", "tee", "sed", "awk"))
"""Programs that only mention what stands behind them."""


def launches(path: str, starts: Starts) -> list[Written]:
    """The commands of a file that start a server, at least one. Raises `BadInput`."""
    text = _text(path)
    commands_of_file = [inner for one in _READERS[form_of(path, text)](text, path) for inner in _inner(one, starts)]
    commands_of_file = [one for one in commands_of_file if starts(one.values)]
    if not commands_of_file:
        raise BadInput(
            f"--file {path}",
            Text("no command in it launches sglang", "里面没有启动 sglang 的命令"),
            Text(
                "give the file that holds the launch command, or the command itself behind --",
                "给出含启动命令的文件，或把命令写在 -- 后面",
            ),
        )
    return commands_of_file


def _text(path: str) -> str:
    """What a file holds. Raises `BadInput`."""
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            if not os.path.isfile(path):
                raise _bad(path, _missing(path))
            with open(path, "rb") as file:
                data = file.read(LARGEST + 1)
    except OSError as error:
        why = reason_of(error)
        raise _bad(path, Text(f"it cannot be read ({why.en})", f"无法读取（{why.zh}）")) from error
    if len(data) > LARGEST:
        raise _bad(path, Text("it is larger than 1 MiB", "超过 1 MiB"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _decoded(path, data)


def _decoded(path: str, data: bytes) -> str:
    for encoding in ("gb18030",):
        if b"\x00" not in data:
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
    raise _bad(path, Text("it is no text", "不是文本文件"))


def _missing(path: str) -> Text:
    if os.path.isdir(path):
        return Text("it is a folder", "这是目录")
    if os.path.exists(path):
        return Text("it is no regular file", "不是普通文件")
    return Text("there is no such file", "没有这个文件")


def _bad(path: str, why: Text) -> BadInput:
    return BadInput(
        f"--file {path}",
        why,
        Text(
            "give a shell script, compose file, manifest, unit or Dockerfile",
            "给出 shell 脚本、compose 文件、Kubernetes 清单、systemd unit 或 Dockerfile",
        ),
    )


def form_of(path: str, text: str) -> Form:
    """What a file is written in: by its name, else by its content."""
    name = os.path.basename(path).lower()
    for pattern, form in _BY_NAME:
        if re.search(pattern, name):
            return form
    if name.endswith((".yml", ".yaml", ".json")):
        return Form.KUBERNETES if re.search(r"^[{ \t]*\"?apiVersion\"?:", text, re.MULTILINE) else Form.COMPOSE
    if name.endswith((".sh", ".bash")):
        return Form.SCRIPT
    return next((form for pattern, form in _BY_CONTENT if re.search(pattern, text, re.MULTILINE)), Form.SCRIPT)


_BY_NAME = (
    (r"^(?:.+\.)?(?:docker|container)file(?:[.-].*)?$", Form.DOCKERFILE),
    (r"\.service(?:\.\w+)?$", Form.SYSTEMD),
)
_BY_CONTENT = (
    (r"\A#!.*sh\b", Form.SCRIPT),
    (r"^\[program:", Form.SUPERVISOR),
    (r"^\[Service\]", Form.SYSTEMD),
    (r"\A(?:\s*#[^\n]*\n|\s*ARG [^\n]*\n|\s)*FROM \S", Form.DOCKERFILE),
    (r"^apiVersion:", Form.KUBERNETES),
    (r"^services:", Form.COMPOSE),
)


def _script(text: str, path: str) -> list[Written]:
    """The commands of a shell script. Raises `BadInput`."""
    try:
        read = commands(text, past_cuts=True)
    except UnclosedQuote as quote:
        raise quote_without_end(path, text, quote.at) from None
    return [_of_script(text, one) for one in read if one.pieces]


def _of_script(text: str, one: Command) -> Written:
    words = one.words()
    last = max(word.end for word in words) if words else one.start
    if words and words[-1].value == CUT:
        last = text.find("\n", last) + 1
    begin, after = text.rfind("\n", 0, one.start) + 1, text.find("\n", last)
    return Written(
        form=Form.SCRIPT,
        text=text,
        words=words,
        block=((begin, len(text) if after < 0 else after),),
        line=text.count("\n", 0, one.start) + 1,
        environment={**one.exported, **one.assigned},
    )


def _inner(given: Written, starts: Starts) -> list[Written]:
    """A command, or those of the script that it has a shell run (`bash -c '...'`)."""
    if given.words and os.path.basename(given.words[0].value) in _TALKS:
        return []
    one = in_container(given)
    if starts(one.values):
        return [one]
    at = _script_word(one.words)
    if at is None:
        return [one]
    word = one.words[at]
    inside = _raw(one, word)
    text, begin, end = (one.text, *inside) if inside else (word.value, 0, len(word.value))
    try:
        read = commands(text, begin, end, variables=one.environment, past_cuts=True, placeholders=one.placeholders)
    except UnclosedQuote:
        return [one]
    inner = []
    for command in read:
        words = command.words()
        if inside is None:
            words = tuple(w._replace(start=word.start, end=word.end, spelling=Spelling.STRING) for w in words)
        environment = {**one.environment, **command.exported, **command.assigned}
        inner.append(replace(one, words=words, environment=environment, line=_line(one, words)))
    return inner


def _line(one: Written, words: Sequence[Word]) -> int:
    return one.text.count("\n", 0, words[0].start) + 1 if words else one.line


def _script_word(words: Sequence[Word]) -> int | None:
    """The word that holds a script for a shell."""
    for at, word in enumerate(words[:-2]):
        if os.path.basename(word.value) in ("sh", "bash", "zsh", "dash", "ash"):
            for number in range(at + 1, len(words) - 1):
                if re.fullmatch(r"-[a-z]*c", words[number].value):
                    return number + 1
    return None


def _raw(one: Written, word: Word) -> tuple[int, int] | None:
    """Where a script stands as it is within its word; None where quotes or escapes change it."""
    text, start, end = one.text, word.start, word.end
    if text[start : start + 1] in ("|", ">"):
        begins = text.find("\n", start, end)
        return (begins + 1, end) if text[start] == "|" and begins > 0 else None
    if text[start : start + 1] in ("'", '"') and text[end - 1] == text[start]:
        start, end = start + 1, end - 1
    plain, places = text[start:end], one.placeholders
    if places is not None:
        plain = places.pattern.sub(lambda place: places.value(place)[0], plain)
    return (start, end) if plain == word.value else None


_READERS: dict[Form, Callable[[str, str], list[Written]]] = {
    Form.SCRIPT: _script,
    Form.COMPOSE: compose,
    Form.KUBERNETES: manifests,
    Form.SYSTEMD: unit,
    Form.SUPERVISOR: programs,
    Form.DOCKERFILE: dockerfile,
}
