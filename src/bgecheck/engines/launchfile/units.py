"""Reads systemd units, supervisord's programs and Dockerfiles: keys with a command behind them, line by line."""

from __future__ import annotations

import glob
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bgecheck.engines.allotted import Allotted, bytes_of
from bgecheck.engines.launchfile.envfile import variables_in
from bgecheck.engines.launchfile.interpolation import interpolated
from bgecheck.engines.launchfile.shell import commands
from bgecheck.engines.launchfile.words import UnclosedQuote
from bgecheck.engines.planned import CUT, Form, Placeholders, Spelling, Word, Written
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


def _keys(text: str, goes_on: Callable[[str, int], bool], remarks: re.Pattern[str] | None = None) -> Iterator[_Key]:
    """The keys of a file with sections; `goes_on` says whether a value does behind the line that ends at a place.

    A line that begins as a remark in the middle of a value is none of it, and does not end it.
    """
    section, at = "", 0
    while at < len(text):
        end = line_end(text, at)
        if heading := _SECTION.match(text, at, end):
            section = heading[1]
        elif (key := _KEY.match(text, at, end)) and text[at] not in "#; \t":
            begin = at
            while end < len(text) and (goes_on(text, end) or _is_remark(text, begin, end, remarks)):
                end = line_end(text, end + 1)
            yield _Key(section, key[1], begin, key.end(), end)
        at = end + 1


def _is_remark(text: str, begin: int, end: int, remarks: re.Pattern[str] | None) -> bool:
    line = text.rfind("\n", 0, end) + 1
    return remarks is not None and line > begin and remarks.match(text, line, end) is not None


def _behind_backslash(text: str, end: int) -> bool:
    """As systemd does, and where blanks behind the backslash have kept it from doing so."""
    return text[text.rfind("\n", 0, end) + 1 : end].rstrip(" \t\r").endswith("\\")


def _before_indented(text: str, end: int) -> bool:
    return re.compile(r"\n[ \t]+\S").match(text, end) is not None


_REMARKS = r"[ \t]*[#;]"
_SPECIFIER = re.compile(r"%([A-Za-z%])")


def unit(text: str, path: str) -> list[Written]:
    """The command of a systemd unit. Raises `BadInput`."""
    starts: list[_Key] = []
    environment: dict[str, str] = {}
    of_files: dict[str, str] = {}
    last: dict[str, str] = {}
    for key in _keys(text, _behind_backslash, re.compile(_REMARKS)):
        value = text[key.start : key.end].strip()
        if key.name == "ExecStart":
            starts = [*starts, key] if value else []
        else:
            _set(key.name, value, path, (environment, of_files, last))
    for key, value in _of_drop_ins(path):
        _set(key.name, value, path, (environment, of_files, last))
    whole = Written(
        form=Form.SYSTEMD,
        text=text,
        words=(),
        block=(),
        environment={**environment, **of_files},
        folder=last.get("WorkingDirectory", "").lstrip("-"),
        allotted=Allotted(
            memory=bytes_of(last.get("MemoryMax", last.get("MemoryLimit"))),
            files=_soft(last.get("LimitNOFILE")),
            low_ports="CAP_NET_BIND_SERVICE" in last.get("AmbientCapabilities", ""),
        ),
        placeholders=Placeholders(_SPECIFIER, {"%": "%"}),
        user=last.get("User") or None,
    )
    return [_of_key(whole, path, key) for key in starts]


def _set(name: str, value: str, path: str, into: tuple[dict[str, str], dict[str, str], dict[str, str]]) -> None:
    """Keep a key of a unit: with the variables, those of files, or the settings that the last line decides."""
    environment, of_files, last = into
    if name == "Environment":
        environment.clear() if not value else environment.update(_pairs(value, path))
    elif name == "EnvironmentFile":
        of_files.clear() if not value else of_files.update(variables_in(value.lstrip("-")))
    else:
        last[name] = value


_MOST_DROP_INS, _LARGEST_DROP_IN = 50, 64 * 1024


def _of_drop_ins(path: str) -> Iterator[tuple[_Key, str]]:
    """Keys and values of the files in `NAME.service.d` beside a unit. Raises `BadInput` where one has the command."""
    for each in sorted(glob.glob(f"{glob.escape(path)}.d/*.conf"))[:_MOST_DROP_INS]:
        try:
            with open(each, encoding="utf-8", errors="replace") as file:
                text = file.read(_LARGEST_DROP_IN)
        except OSError:
            continue
        for key in _keys(text, _behind_backslash, re.compile(_REMARKS)):
            value = text[key.start : key.end].strip()
            if key.name == "ExecStart" and value:
                unit_of = os.path.basename(path)
                raise BadInput(
                    f"--file {path}",
                    Text(f"{each} replaces its ExecStart=", f"{each} 覆盖了它的 ExecStart="),
                    Text(
                        f"give what systemd makes of both: systemctl cat {unit_of} | bgecheck preflight --file -",
                        f"检查合并后的内容：systemctl cat {unit_of} | bgecheck preflight --file -",
                    ),
                )
            yield key, value


def _soft(limit: str | None) -> int | None:
    """The soft limit of `LimitNOFILE=1024:65536`."""
    first = (limit or "").partition(":")[0]
    return int(first) if first.isdigit() else None


def _of_key(whole: Written, path: str, key: _Key) -> Written:
    """A command of a file, of which `whole` has all but its words."""
    text, start, of_systemd = whole.text, key.start, whole.form is Form.SYSTEMD
    while of_systemd and text[start : start + 1] in ("-", "@", ":", "+", "!", "|"):
        start += 1
    try:
        read = commands(
            text,
            start,
            key.end,
            variables=whole.environment if of_systemd else {},
            folded=True,
            comments=False,
            operators=False,
            placeholders=whole.placeholders,
            remarks=_REMARKS if of_systemd else "",
            past_cuts=of_systemd,
            splits=not of_systemd,
        )
    except UnclosedQuote as quote:
        raise quote_without_end(path, text, quote.at) from None
    spelling = Spelling.SYSTEMD if of_systemd else Spelling.SHELL
    return replace(
        whole,
        words=tuple(word for one in read for word in one.words(spelling)),
        block=((key.begin, line_end(text, key.end)),),
        line=text.count("\n", 0, key.begin) + 1,
        name=key.section.partition(":")[2] or None,
        folder=whole.folder if whole.folder and os.path.isabs(whole.folder) else None,
    )


def line_end(text: str, at: int) -> int:
    """Where the line ends that a place is in."""
    after = text.find("\n", at)
    return len(text) if after < 0 else after


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


_EXPANSION = re.compile(r"%\((\w+)\)(?P<width>\d*)[sd]|(%)%")


def programs(text: str, path: str) -> list[Written]:
    """The commands of supervisord's programs. Raises `BadInput`."""
    keys = list(_keys(text, _before_indented))
    of_all = next((text[k.start : k.end] for k in keys if (k.section, k.name) == ("supervisord", "environment")), "")
    read = []
    for key in keys:
        if key.name != "command" or not key.section.startswith("program:"):
            continue
        own = {one.name: text[one.start : one.end] for one in keys if one.section == key.section}
        environment = {**_listed(of_all, path), **_listed(own.get("environment", ""), path)}
        whole = Written(
            form=Form.SUPERVISOR,
            text=text,
            words=(),
            block=(),
            environment=environment,
            folder=own.get("directory", "").strip() or None,
            user=own.get("user", "").strip() or None,
            placeholders=Placeholders(_EXPANSION, _expansions(key, own, environment, path)),
        )
        read.append(_of_key(whole, path, key._replace(end=_without_remark(text, key))))
    return read


def _listed(value: str, path: str) -> dict[str, str]:
    """`A="1",B="2"` as names and values."""
    return _pairs(re.sub(r"[ \t];.*", "", value).replace(",", " "), path)


def _expansions(key: _Key, own: Mapping[str, str], environment: Mapping[str, str], path: str) -> dict[str, str]:
    """What supervisord replaces in a command, as far as its file says it; of several processes those of the first."""
    first = own.get("numprocs_start", "").strip()
    return {
        "program_name": key.section.partition(":")[2],
        "group_name": key.section.partition(":")[2],
        "process_num": first if first.isdigit() else "0",
        "here": os.path.dirname(os.path.abspath(path)),
        "%": "%",
        **{f"ENV_{name}": value for name, value in environment.items()},
    }


def _without_remark(text: str, key: _Key) -> int:
    remark = re.compile(r"[ \t]+;").search(text, key.start, key.end)
    return remark.start() if remark else key.end


_INSTRUCTION = re.compile(r"[ \t]*([A-Za-z]+)[ \t]+")


def dockerfile(text: str, path: str) -> list[Written]:
    """The command that an image runs: its last ENTRYPOINT with its last CMD. Raises `BadInput`."""
    stage = _last_stage(text, path)
    environment, last = stage.environment, stage.last
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
            folder=stage.folder,
            contained=True,
            own_network=True,
            image=stage.image,
        )
    ]


@dataclass(slots=True)
class _Stage:
    """What the instructions of one stage of an image leave."""

    image: str | None = None
    folder: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    """That of the running container: an ARG is gone by then."""
    built_with: dict[str, str] = field(default_factory=dict)
    """What is replaced in the instructions themselves."""
    last: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Line, begin and end of ENTRYPOINT and CMD."""


def _last_stage(text: str, path: str) -> _Stage:
    """The stage that becomes the image; it begins with what the one has that it is built from."""
    stage, stages = _Stage(), dict[str, _Stage]()
    before: dict[str, str] = {}
    for name, begin, start, end in _instructions(text):
        value = text[start:end]
        if name == "FROM":
            before = before if stages else stage.built_with
            stage = _of_base(interpolated(value, before)[0].split(), stages)
        elif name in ("ENV", "ARG"):
            old = re.match(r"(\w+)[ \t]+(?!=)(.+)", value) if name == "ENV" and "=" not in value.split()[0] else None
            pairs = {old[1]: old[2].strip()} if old else _pairs(value, path)
            stage.built_with |= {n: interpolated(v, stage.built_with)[0] for n, v in pairs.items()}
            stage.built_with |= {n: before[n] for n in value.split() if name == "ARG" and n in before}
            stage.environment |= {n: stage.built_with[n] for n in pairs if name == "ENV"}
        elif name == "WORKDIR":
            stage.folder = value.strip()
        elif name in ("ENTRYPOINT", "CMD"):
            stage.last[name] = (begin, start, end)
            if name == "ENTRYPOINT" and stage.last.get("CMD", (0,))[0] < begin:
                stage.last.pop("CMD", None)
    return stage


def _of_base(words: Sequence[str], stages: dict[str, _Stage]) -> _Stage:
    """The stage that a FROM begins, on an image or on an earlier stage."""
    words = [word for word in words if not word.startswith("--")]
    base = words[0] if words else ""
    earlier = stages.get(base)
    stage = _Stage(base or None)
    if earlier is not None:
        stage = _Stage(earlier.image, earlier.folder, dict(earlier.environment), {}, dict(earlier.last))
        stage.built_with |= stage.environment
    stages[words[2] if len(words) > 2 and words[1].lower() == "as" else str(len(stages))] = stage
    return stage


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
        read = commands(text, start, end, variables=environment, past_cuts=True, remarks=r"[ \t]*#")
    except UnclosedQuote as quote:
        raise quote_without_end(path, text, quote.at) from None
    return [word for one in read[-1:] for word in one.words() if word.value != CUT]
