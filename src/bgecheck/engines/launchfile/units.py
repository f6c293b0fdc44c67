"""Reads systemd units, supervisord's programs and Dockerfiles: keys with a command behind them, line by line."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bgecheck.engines.launchfile.shell import UnclosedQuote, commands
from bgecheck.engines.planned import CUT, Form, Spelling, Word, Written
from bgecheck.model import BadInput, Text


class _Key(NamedTuple):
    """One key of a file with its value, which may go on over several lines."""

    section: str
    name: str
    begin: int
    """Where its line begins."""
    start: int
    end: int


_SECTION = re.compile(r"[ \t]*\[([^\]\n]*)\][ \t]*\r?$", re.MULTILINE)
_KEY = re.compile(r"[ \t]*([\w.-]+)[ \t]*=[ \t]*")


def _keys(text: str, continued: re.Pattern[str]) -> Iterator[_Key]:
    """The keys of a file with sections; `continued` matches what ends a line that goes on."""
    section, at = "", 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if heading := _SECTION.match(text, at, end):
            section = heading[1]
        elif (key := _KEY.match(text, at, end)) and text[at] not in "#; \t":
            begin = at
            while end < len(text) and continued.match(text, max(at, end - 1)):
                after = text.find("\n", end + 1)
                end = len(text) if after < 0 else after
            yield _Key(section, key[1], begin, key.end(), end)
        at = end + 1


_BACKSLASH = re.compile(r"\\\r?\n|\r\n")
_INDENTED = re.compile(r".?\r?\n[ \t]+\S", re.DOTALL)


def unit(text: str, path: str) -> list[Written]:
    """The command of a systemd unit. Raises `BadInput`."""
    starts: list[_Key] = []
    environment: dict[str, str] = {}
    folder = None
    for key in _keys(text, _BACKSLASH):
        value = text[key.start : key.end].strip()
        if key.name == "Environment":
            environment |= _pairs(value, path)
        elif key.name == "WorkingDirectory":
            folder = value.lstrip("-")
        elif key.name == "ExecStart":
            starts = [*starts, key] if value else []
    return [_of_key(text, path, key, Form.SYSTEMD, environment, folder, r"%[A-Za-z%]") for key in starts]


def _of_key(
    text: str, path: str, key: _Key, form: Form, environment: Mapping[str, str], folder: str | None, opens: str
) -> Written:
    start = key.start
    while form is Form.SYSTEMD and text[start : start + 1] in ("-", "@", ":", "+", "!", "|"):
        start += 1
    spelling = Spelling.SYSTEMD if form is Form.SYSTEMD else Spelling.SHELL
    read = _read(text, path, start, key.end, environment, opens)
    words = tuple(word for one in read for word in one.words(spelling))
    return Written(
        form=form,
        text=text,
        words=words,
        block=((key.begin, line_end(text, key.end)),),
        line=text.count("\n", 0, key.begin) + 1,
        name=key.section.partition(":")[2] or None,
        environment=environment,
        folder=folder if folder and os.path.isabs(folder) else None,
    )


def line_end(text: str, at: int) -> int:
    """Where the line ends that a place is in."""
    after = text.find("\n", at)
    return len(text) if after < 0 else after


def _read(text: str, path: str, start: int, end: int, variables: Mapping[str, str], opens: str) -> list:  # type: ignore[type-arg]
    try:
        return commands(
            text, start, end, variables=variables, folded=True, comments=False, operators=False, opens=opens
        )
    except UnclosedQuote as quote:
        raise quote_without_end(path, text, quote.at) from None


def quote_without_end(path: str, text: str, at: int) -> BadInput:
    """What is wrong with a file in which a quote is not closed."""
    line = text.count("\n", 0, at) + 1
    return BadInput(
        f"--file {path}",
        Text(f"a quote has no end in the command at line {line}", f"第 {line} 行的命令里引号没有配对"),
        Text("close it there", "先补上引号"),
    )


def _pairs(value: str, path: str) -> dict[str, str]:
    """`A=b "C=d e"` as names and values."""
    try:
        words = shlex.split(value.replace("\\\n", " "))
    except ValueError:
        return {}
    return {name: rest for name, equals, rest in (word.partition("=") for word in words) if equals}


def programs(text: str, path: str) -> list[Written]:
    """The commands of supervisord's programs. Raises `BadInput`."""
    keys = list(_keys(text, _INDENTED))
    read = []
    for key in keys:
        if key.name != "command" or not key.section.startswith("program:"):
            continue
        own = {one.name: text[one.start : one.end] for one in keys if one.section == key.section}
        end = _without_remark(text, key)
        environment = _pairs(own.get("environment", "").replace(",", " "), path)
        folder = own.get("directory", "").strip() or None
        read.append(_of_key(text, path, key._replace(end=end), Form.SUPERVISOR, environment, folder, r"%\(\w+\)[sd]"))
    return read


def _without_remark(text: str, key: _Key) -> int:
    remark = re.compile(r"[ \t]+;").search(text, key.start, key.end)
    return remark.start() if remark else key.end


_INSTRUCTION = re.compile(r"[ \t]*([A-Za-z]+)[ \t]+")


def dockerfile(text: str, path: str) -> list[Written]:
    """The command that an image runs: its last ENTRYPOINT with its last CMD. Raises `BadInput`."""
    environment: dict[str, str] = {}
    last: dict[str, tuple[int, int, int]] = {}
    folder = image = None
    for name, begin, start, end in _instructions(text):
        value = text[start:end]
        if name in ("ENV", "ARG"):
            old = re.match(r"(\w+)[ \t]+(?!=)(.+)", value) if name == "ENV" and "=" not in value.split()[0] else None
            environment |= {old[1]: old[2].strip()} if old else _pairs(value, path)
        elif name == "WORKDIR":
            folder = value.strip()
        elif name == "FROM":
            image = next((word for word in value.split() if not word.startswith("--")), None)
        elif name in ("ENTRYPOINT", "CMD"):
            last[name] = (begin, start, end)
            if name == "ENTRYPOINT" and last.get("CMD", (0,))[0] < begin:
                last.pop("CMD", None)
    words: list[Word] = []
    blocks = []
    for name in ("ENTRYPOINT", "CMD"):
        if name in last:
            begin, start, end = last[name]
            items = _exec_form(text, start, end)
            if items is None:
                shell_form = _shell_form(text, path, start, end, environment)
                words = [*words, *shell_form] if name == "CMD" else shell_form
            else:
                words += items
            blocks.append((begin, end))
    if not words:
        return []
    return [
        Written(
            form=Form.DOCKERFILE,
            text=text,
            words=tuple(words),
            block=tuple(sorted(blocks)),
            line=text.count("\n", 0, blocks[0][0]) + 1,
            environment=environment,
            folder=folder,
            contained=True,
            own_network=True,
            image=image,
        )
    ]


def _instructions(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Each instruction: name, where its line begins, and where its value starts and ends."""
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if match := _INSTRUCTION.match(text, at, end):
            begin = at
            while end < len(text) and re.search(r"\\[ \t]*\r?$|^[ \t]*#", text[text.rfind("\n", 0, end) + 1 : end]):
                after = text.find("\n", end + 1)
                end = len(text) if after < 0 else after
            yield match[1].upper(), begin, match.end(), end
        at = end + 1


_JSON_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def _exec_form(text: str, start: int, end: int) -> list[Word] | None:
    """The words of an instruction in brackets; None where it is not in that form."""
    value = text[start:end].strip()
    if not value.startswith("["):
        return None
    try:
        json.loads(re.sub(r"\\[ \t]*\r?\n", " ", value))
    except ValueError:
        return None
    return [
        Word(json.loads(item[0]), item.start(), item.end(), Spelling.JSON)
        for item in _JSON_STRING.finditer(text, start, end)
    ]


def _shell_form(text: str, path: str, start: int, end: int, environment: Mapping[str, str]) -> list[Word]:
    try:
        read = commands(text, start, end, variables=environment, past_cuts=True)
    except UnclosedQuote as quote:
        raise quote_without_end(path, text, quote.at) from None
    return [word for one in read[-1:] for word in one.words() if word.value != CUT]
