"""Says of a launch file why nothing in it launches a server, and which of its lines were not read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bgecheck.engines.planned import Form, Word, Written
from bgecheck.model import BadInput, Text, clean


class Names(NamedTuple):
    """How an engine's launch is told in a text that is not read as one."""

    program: re.Pattern[str]
    options: re.Pattern[str]
    """Those that every launch has."""
    command: str
    """The program as it is written before its options."""


_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_REMARK = re.compile(r"[ \t]*(?:#|;|//|REM\b|echo\b|printf\b|log\b|[\w.-]*grep\b|pkill\b|ps\b)", re.IGNORECASE)
_SETS = re.compile(
    r"[ \t]*(?:(?:export|local|readonly|declare|typeset)[ \t]+(?:-\w+[ \t]+)*)?\"?[A-Za-z_]\w*\+?=[\"'(]"
)
"""A line that gives a variable a value, which a launch has where it uses it."""
_BLANKS = re.compile("[\u00a0\u2000-\u200b\u202f\u205f\u3000\ufeff]")
"""Blanks that no shell takes for one."""

_FROM_ELSEWHERE = Text(
    "give that command itself behind --, or the file that holds it",
    "把这条命令写在 -- 后面，或给出它所在的文件",
)
_GIVE = Text(
    "give the file that holds the launch command, or the command itself behind --",
    "给出含启动命令的文件，或把命令写在 -- 后面",
)


def unread_lines(text: str, launching: Sequence[Written], names: Names) -> tuple[int, ...]:
    """The lines that name the program of an engine and belong to no command that was read."""
    if any(one.form is Form.DOCKERFILE for one in launching):
        return ()  # what stands in an earlier stage or above the last CMD never runs
    covered = {line for one in launching for line in _lines_of(one)}
    values = {value for one in launching for value in one.values}
    return tuple(
        line
        for line, typed, at in _naming(text, names.program)
        if line not in covered and not _SETS.match(typed) and not {w.strip("\"'") for w in typed[at:].split()} <= values
    )


def _lines_of(one: Written) -> range:
    """The lines of a command, counted in the file that it came from."""
    if not one.words:
        return range(one.line, one.line + 1)
    first, last = min(word.start for word in one.words), max(word.end for word in one.words)
    return range(one.line, one.line + one.text.count("\n", first, last) + 1)


def _naming(text: str, names: re.Pattern[str]) -> Iterator[tuple[int, str, int]]:
    """Number and text of each line that has a name in it and is no remark, and where the name stands."""
    for line, typed in enumerate(text.split("\n"), 1):
        if (match := names.search(typed)) and not _REMARK.match(typed):
            yield line, typed, match.start()


def nothing_launched(path: str, text: str, form: Form, read: Sequence[Written], names: Names) -> BadInput:
    """Why a file launches nothing. Raises it where it is a template."""
    if _OF_HELM.search(text):
        refuse_templates(path, text)
    reason, remedy = (
        _of_kustomize(path, text)
        or _in_one_item(form, read, names)
        or _without_program(form, read, names)
        or _of_brackets(form, text, names)
        or _of_other_files(path, form, text)
        or _elsewhere(text, names)
        or _of_script(read)
        or (Text("no command in it launches sglang", "里面没有启动 sglang 的命令"), _GIVE)
    )
    return BadInput(f"--file {path}", reason, remedy)


Refusal = tuple[Text, Text] | None
"""Reason and remedy."""


def _of_kustomize(path: str, text: str) -> Refusal:
    is_one = re.search(r"^kind:[ \t]*(?:Kustomization|Component)\b", text, re.MULTILINE)
    if not is_one and not re.fullmatch(r"kustomization\.ya?ml", os.path.basename(path)):
        return None
    folder = os.path.dirname(path) or "."
    return (
        Text("it names manifests for kustomize, and has no command itself", "这是 kustomize 的清单目录，本身没有命令"),
        Text(
            f"give what comes of it: kubectl kustomize {folder} | bgecheck preflight --file -",
            f"先渲染再检查：kubectl kustomize {folder} | bgecheck preflight --file -",
        ),
    )


_OTHER_FILE = re.compile(
    r"^include:|\bextends:[^#\n]*\{[^}\n]*\bfile:|^[ \t]+extends:[ \t]*\n(?:[ \t]+\w+:.*\n)*?[ \t]+file:", re.M
)


def _of_other_files(path: str, form: Form, text: str) -> Refusal:
    """A compose file whose services stand in others."""
    if form is not Form.COMPOSE or not _OTHER_FILE.search(text):
        return None
    return (
        Text("its services come from other files (include, extends)", "它的服务来自别的文件（include、extends）"),
        Text(
            f"give what compose makes of them: docker compose -f {path} config | bgecheck preflight --file -",
            f"检查合并后的内容：docker compose -f {path} config | bgecheck preflight --file -",
        ),
    )


def _in_one_item(form: Form, read: Sequence[Written], names: Names) -> Refusal:
    """A whole command as one word of a list, which is the name of a program then."""
    if form not in (Form.KUBERNETES, Form.COMPOSE, Form.DOCKERFILE):
        return None
    one = next((one for one in read if one.words and re.search(r"\s", one.words[0].value)), None)
    if one is None or not names.program.search(one.words[0].value):
        return None
    return (
        Text(
            f"line {one.line} has a whole command in one item of the list, which is taken for the name of a program",
            f"第 {one.line} 行把整条命令写成了列表的一项，会被当成一个程序名",
        ),
        Text("write each word as an item of its own", "每个词单独写成一项"),
    )


def _without_program(form: Form, read: Sequence[Written], names: Names) -> Refusal:
    """Options alone: the image decides which program gets them."""
    if form not in (Form.KUBERNETES, Form.COMPOSE, Form.DOCKERFILE):
        return None
    one = next((one for one in read if one.words and names.options.match(one.words[0].value)), None)
    if one is None:
        return None
    return (
        Text(
            f"line {one.line} has options and no program: it is the image's own entrypoint that gets them",
            f"第 {one.line} 行只有参数，没有程序：由镜像自带的 entrypoint 接收",
        ),
        Text(
            f"write the program before them: {names.command}",
            f"在参数前写明程序：{names.command}",
        ),
    )


def _of_brackets(form: Form, text: str, names: Names) -> Refusal:
    """The list of a Dockerfile that is no JSON, which a shell gets as it stands."""
    if form is not Form.DOCKERFILE:
        return None
    for line, typed, _ in _naming(text, names.program):
        if re.match(r"[ \t]*(?:CMD|ENTRYPOINT)[ \t]+\[", typed, re.IGNORECASE):
            return (
                Text(
                    f"the list at line {line} is no JSON, so that a shell gets it, brackets and all",
                    f"第 {line} 行的列表不是合法的 JSON，会连同方括号一起交给 shell",
                ),
                Text(
                    'write it with double quotes and commas: ["python3", "-m"]', '用双引号和逗号写：["python3", "-m"]'
                ),
            )
    return None


def _elsewhere(text: str, names: Names) -> Refusal:
    reason = why_unread(text, names)
    return (reason, _PLAIN if "U+" in reason.en else _FROM_ELSEWHERE) if reason else None


_PLAIN = Text("type it as a plain blank", "改成普通空格")


def why_unread(text: str, names: Names, typed: bool = False) -> Text | None:
    """Why a text that names the program was not read as a launch; None where it does not name it.

    Of a command as `typed` no line is named.
    """
    first = next(_naming(text, names.program), None) or next(_naming(text, names.options), None)
    if first is None:
        return None
    line, holding, _ = first
    place = Text("it", "这条命令") if typed else Text(f"line {line}", f"第 {line} 行")
    if blank := _BLANKS.search(holding):
        sign = f"U+{ord(blank[0]):04X}"
        return Text(
            f"{place.en} has a blank in it that no shell takes for one ({sign})",
            f"{place.zh}里有一个 shell 不认的空白字符（{sign}）",
        )
    return Text(
        f"{place.en} names sglang's program or options, in a form that is not read",
        f"{place.zh}提到 sglang 的程序或参数，但这种写法读不了",
    )


def _of_script(read: Sequence[Written]) -> Refusal:
    """A file that runs a script, which has the launch in it."""
    for one in read:
        script = next((word.value for word in one.words[:3] if word.value.endswith((".sh", ".bash"))), None)
        if script:
            name = clean(script, 100)
            return (
                Text(
                    f"line {one.line} runs {name}, and nothing else in it launches sglang",
                    f"第 {one.line} 行运行 {name}，此外没有启动 sglang 的命令",
                ),
                Text(f"give that script: --file {name}", f"给出那个脚本：--file {name}"),
            )
    return None


def refuse_template(given: str, text: str, words: Sequence[Word]) -> None:
    """Raise `BadInput` where a word of a launch has a place in it that another program fills first.

    `given` is the option or the command that it came by.
    """
    word = next((word for word in words if "{{" in word.value), None)
    place = re.search(r"\{\{.*", word.value) if word else None
    if word and place:
        raise _template(given, text, text.count("\n", 0, word.start) + 1, place[0])


def refuse_templates(path: str, text: str) -> None:
    """Raise `BadInput` where a text that cannot be read has such places."""
    if place := _TEMPLATE.search(text):
        raise _template(f"--file {path}", text, text.count("\n", 0, place.start()) + 1, place[0])


def _template(given: str, text: str, line: int, place: str) -> BadInput:
    typed, how = clean(place, 60), "helm template CHART | bgecheck preflight --file -"
    return BadInput(
        given,
        Text(f"it is a template: line {line} has {typed} in it", f"这是模板：第 {line} 行有 {typed}"),
        Text(f"render it first: {how}", f"先渲染再检查：{how}")
        if _OF_HELM.search(text)
        else Text("fill it first, and give what comes of it", "先渲染模板，再给出渲染后的文件"),
    )


_OF_HELM = re.compile(r"\{\{[^}]*\.(?:Values|Release|Chart)\b")


_UNKNOWN = re.compile(r"\$\([^()]*\)|`[^`]*`|\$\{[^{}]*\}|\$[\w@*#?]+|\$\(\([^()]*\)\)")
_MOST = 6


def not_judged(one: Written) -> tuple[Text, ...]:
    """What of a command is not known here, and which other lines of its file were not read: a remark for each."""
    notes = []
    unknown = dict.fromkeys(m[0] for w in one.words if w.open for m in _UNKNOWN.finditer(w.value))
    if unknown:
        listed = [clean(name, 60) for name in [*unknown][:_MOST]]
        more = len(unknown) - _MOST
        notes.append(
            Text(
                f"not known here, so not judged: {', '.join(listed)}{f' and {more} more' if more > 0 else ''}",
                f"取值未知，未作判断：{'、'.join(listed)}{f'，另有 {more} 处' if more > 0 else ''}",
            )
        )
    if one.unread:
        lines = [str(line) for line in one.unread[:_MOST]]
        more = len(one.unread) - _MOST
        notes.append(
            Text(
                f"not judged: line {', '.join(lines)}{f' and {more} more' if more > 0 else ''} of the file, which "
                "names sglang's program too, in a form that is not read",
                f"未作判断：文件第 {'、'.join(lines)} 行{f'，另有 {more} 行' if more > 0 else ''}，"
                "也提到 sglang 的程序，但这种写法读不了",
            )
        )
    return tuple(notes)
