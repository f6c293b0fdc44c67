"""Finds the launch commands of a file: its form is told from its name and content, and each form has its reader."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bgecheck.engines.launchfile.compose import compose
from bgecheck.engines.launchfile.dockerrun import in_container
from bgecheck.engines.launchfile.envfile import variables_in
from bgecheck.engines.launchfile.manifests import manifests
from bgecheck.engines.launchfile.shell import Command, Document, Sourced, commands, script
from bgecheck.engines.launchfile.units import dockerfile, programs, quote_without_end, unit
from bgecheck.engines.launchfile.unread import Names, nothing_launched, refuse_template, refuse_templates, unread_lines
from bgecheck.engines.launchfile.users import user_in
from bgecheck.engines.launchfile.words import UnclosedQuote
from bgecheck.engines.planned import CUT, CutOff, Form, Spelling, Word, Written
from bgecheck.model import BadInput, Text, reason_of

LARGEST = 2**20
"""Bytes of a file: a launch script is some kilobytes long."""

STDIN = "-"

Starts = Callable[[Sequence[str]], bool]
"""Whether words start a server of the engine."""

_TALKS = frozenset(("echo", "printf", "grep", "pgrep", "pkill", "ps", "cat", "which", "alias", "tee", "sed", "awk"))
"""Programs that only mention what stands behind them."""


def launches(path: str, starts: Starts, names: Names) -> list[Written]:
    """The commands of a file that start a server, at least one. Raises `BadInput`.

    `names` is what a line has in it that may start one: those that are in no command are kept as not read.
    """
    text = _text(path)
    form = form_of(path, text)
    read = [(one, inner) for one in _read(form, text, path) for inner in _inner(one, starts)]
    launching = [(outer, one) for outer, one in read if starts(one.values)]
    if not launching:
        raise nothing_launched(path, text, form, [one for _, one in read], names)
    unread = unread_lines(text, [outer for outer, _ in launching], names)
    whole = [replace(one, unread=unread, cut_off=_cut_off(outer, [o for o, _ in read])) for outer, one in launching]
    for one in whole:
        refuse_template(f"--file {path}", one.text, one.words[program_at(one, starts) :])
    return whole


def launches_in(line: Written, starts: Starts) -> list[Written]:
    """The commands of a command as typed that start a server: itself, or those of a line that it has a shell read.

    Raises `UnclosedQuote`.
    """
    text = line.words[0].value if len(line.words) == 1 else ""
    read = [line]
    if re.search(r"\s", text):
        read = [replace(_of_script(text, one), form=line.form) for one in script(text, {}, None)[0] if one.pieces]
    return [inner for one in read for inner in _inner(one, starts) if starts(inner.values)]


def program_at(one: Written, starts: Starts) -> int:
    """The number of the word at which the program of a launch begins."""
    return max(at for at in range(len(one.words)) if starts(one.values[at:]))


def _cut_off(one: Written, all_of_them: Sequence[Written]) -> tuple[CutOff, ...]:
    """What a remark or an empty line has cut off from a command that goes on behind a backslash."""
    if one.form is not Form.SCRIPT or not one.words:
        return ()
    end, cut_off = one.words[-1].end, []
    for other in all_of_them:
        between = other.text[end : other.words[0].start] if other.words and other.text == one.text else ""
        if not re.fullmatch(r"[ \t]*\\\r?\n(?:[ \t]*(?:#[^\n]*)?\r?\n)+[ \t]*", between):
            continue
        if other.words[0].value.startswith("-"):
            cut_off.append(CutOff(other.line, other.words[0].value))
    return tuple(cut_off)


def _read(form: Form, text: str, path: str) -> list[Written]:
    """The commands of a text. Raises `BadInput`, of a template that it is one."""
    try:
        return _READERS[form](text, path)
    except BadInput:
        refuse_templates(path, text)
        raise


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
    """The commands of a shell script, and of the files that it writes. Raises `BadInput`."""
    return _of_text(text, path, {}, 0)


def _of_text(text: str, path: str, variables: Mapping[str, str], deep: int) -> list[Written]:
    try:
        read, documents = script(text, variables, _sourced(path))
    except UnclosedQuote as quote:
        raise quote_without_end(path, text, quote.at) from None
    own = [_of_script(text, one) for one in read if one.pieces]
    within = (_of_document(text, path, one, deep + 1) for one in documents if deep < _DEEP)
    return sorted([*own, *(one for some in within for one in some)], key=lambda one: one.line) if documents else own


_DEEP = 3
"""Texts within texts."""


def _sourced(path: str) -> Sourced:
    """Reads what a script sources: of a name that is not known whole the file of that name beside the script."""
    folder = os.getcwd() if path == STDIN else os.path.dirname(os.path.abspath(path))

    def variables_of(name: str) -> Mapping[str, str]:
        is_known = "$" not in name and "`" not in name
        return variables_in(os.path.join(folder, name if is_known else os.path.basename(name)))

    return variables_of


def _of_document(text: str, path: str, document: Document, deep: int) -> list[Written]:
    """The commands of a text that stands in a script, where a shell runs it or a file gets it."""
    program = next((os.path.basename(v) for v in document.command if os.path.basename(v) in _TAKERS), None)
    body, above = text[document.start : document.end], text.count("\n", 0, document.start)
    if program is None:
        return []
    form = Form.SCRIPT if program in _SHELLS else form_of(document.command[-1], body)
    try:
        of_shell = form is Form.SCRIPT
        read = _of_text(body, path, document.variables, deep) if of_shell else _READERS[form](body, path)
    except BadInput:
        return []
    outer = in_container(written_of(document.command, text))
    if program in _SHELLS and outer.contained:
        read = [replace(one, contained=True, own_network=outer.own_network, image=outer.image) for one in read]
    return [replace(one, line=one.line + above) for one in read]


def written_of(command: Sequence[str], text: str) -> Written:
    """Words that stand nowhere, as a command."""
    return Written(form=Form.SCRIPT, text=text, words=tuple(Word(value, 0, 0) for value in command), block=((0, 0),))


_SHELLS = frozenset(("sh", "bash", "zsh", "dash", "ash"))
_TAKERS = frozenset((*_SHELLS, "cat", "tee"))
"""Programs that run a text, or write it to a file."""


def _of_script(text: str, one: Command) -> Written:
    words = _repeated(one.words())
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


def _repeated(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Those of a command that `xargs` or `parallel` runs for each of many values, which are not known."""
    if not words or not any(os.path.basename(word.value) in ("xargs", "parallel") for word in words[:3]):
        return words
    end = next((at for at, word in enumerate(words) if word.value.startswith(":::")), len(words))
    values = [re.sub(r"\{\d*\}", "$item", word.value) for word in words[:end]]
    return tuple(w._replace(value=v, open=w.open or v != w.value) for w, v in zip(words[:end], values, strict=True))


def _inner(given: Written, starts: Starts) -> list[Written]:
    """A command, or those of the script that it has a shell run (`bash -c '...'`)."""
    if given.words and os.path.basename(given.words[0].value) in _TALKS:
        return []
    one = as_user(in_container(given))
    if starts(one.values):
        return [one]
    at = _script_word(one.words)
    if at is None:
        return [one]
    word = one.words[at]
    inside = _raw(one, word)
    text, begin, end = (one.text, *inside) if inside else (word.value, 0, len(word.value))
    end -= 2 if text[end - 2 : end] == "\\n" else 0  # the return key of `screen -X stuff`
    doubles, replaced = one.form in (Form.COMPOSE, Form.SYSTEMD), _replaced_before(one, word)
    try:
        read = commands(
            text,
            begin,
            end,
            variables={name: value for name, value in one.environment.items() if name not in replaced},
            past_cuts=True,
            placeholders=one.placeholders,
            doubled=doubles and inside is not None,
        )
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


def _replaced_before(one: Written, word: Word) -> frozenset[str]:
    """Variables that compose replaces in a script by its own, before the shell of the container reads it."""
    typed = one.text[word.start : word.end] if one.form is Form.COMPOSE else ""
    return frozenset(re.findall(r"(?<!\$)\$\{?([A-Za-z_]\w*)", typed))


def as_user(one: Written) -> Written:
    """A command with the user that it is run as."""
    user = None if one.contained else user_in(one.values)
    return replace(one, user=user) if user and "$" not in user else one


def _line(one: Written, words: Sequence[Word]) -> int:
    return one.text.count("\n", 0, words[0].start) + 1 if words else one.line


def _script_word(words: Sequence[Word]) -> int | None:
    """The word that holds a script for a shell."""
    for at, word in enumerate(words[:-1]):
        if os.path.basename(word.value) in (*_SHELLS, "su", "runuser", "script", "flock"):
            for number in range(at + 1, len(words) - 1):
                if re.fullmatch(r"-[a-z]*c|--command", words[number].value):
                    return number + 1
    if any(os.path.basename(word.value) in _SCREENS for word in words[:4]):
        return next((at for at, word in enumerate(words) if re.search(r"\s", word.value.strip())), None)
    return None


_SCREENS = frozenset(("tmux", "screen", "byobu"))
"""Programs that have a shell run a command which stands in one word: by `-d 'COMMAND'`, `send-keys`, `-X stuff`."""


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
