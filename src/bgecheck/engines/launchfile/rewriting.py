"""Writes a corrected command in the form in which it was given; what is not changed stays byte for byte."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from bgecheck.engines.planned import CUT, Change, Form, Spelling, Word, Written
from bgecheck.model.hygiene import KEY_IN_SHELL, KEY_VARIABLE, NAMED_LIKE_A_KEY


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


def corrected(command: Written, changes: Sequence[Change], keys: Sequence[int] = ()) -> tuple[str, ...]:
    """The lines of a command with its changes made; `keys` are the words that hold one, and become variables."""
    hidden = [_hidden(command, at) for at in keys if command.stands_open(at)]
    hidden += [_Edit(start, end, f'"${name}"') for name, start, end in assigned_keys(command)]
    edits = _merged(_edits(command, changes) + hidden)
    lines: list[str] = []
    for begin, end in command.block:
        inside = [edit for edit in edits if begin <= edit.start and edit.end <= end]
        lines += _edited(command.text, begin, end, inside).replace("\r\n", "\n").split("\n")
    return tuple(line.rstrip() for line in lines if line.strip())


def _edited(text: str, begin: int, end: int, edits: Sequence[_Edit]) -> str:
    done, at = "", begin
    for edit in edits:
        done += text[at : edit.start] + edit.text
        at = edit.end
    return done + text[at:end]


def _merged(edits: Sequence[_Edit]) -> list[_Edit]:
    """The edits in the order of the text; of two at one place the first."""
    kept: list[_Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if kept and edit.start < kept[-1].end:
            continue
        if kept and edit.start == edit.end == kept[-1].start == kept[-1].end:
            kept[-1] = edit._replace(text=kept[-1].text + edit.text)
            continue
        kept.append(edit)
    return kept


def _edits(command: Written, changes: Sequence[Change]) -> list[_Edit]:
    words = command.words
    shared = _shared(words)
    touched = {shared[at] for change in changes for at in change.at if shared[at] is not None}
    appended = [word for change in changes if not change.at for word in change.new]
    if appended and words[-1].spelling is Spelling.STRING:
        touched.add(shared[-1])  # behind the last word is within its quotes
    edits: list[_Edit] = []
    for group in touched:
        assert group is not None
        own = [change for change in changes if change.at and shared[change.at[0]] == group]
        edits.append(_spelled_out(words, group, own, appended if words[-1][1:3] == group else ()))
        if words[-1][1:3] == group:
            appended = []
    for change in changes:
        if change.at and shared[change.at[0]] is None:
            edits += _replaced(command, change)
    if appended:
        edits.append(_appended(command, appended))
    return edits


def _shared(words: Sequence[Word]) -> list[tuple[int, int] | None]:
    """For each word the place that it shares with others, None where it stands by itself."""
    places = [(word.start, word.end) for word in words]
    alone = [places.count(word[1:3]) == 1 and word.spelling is not Spelling.STRING for word in words]
    return [None if by_itself else place for place, by_itself in zip(places, alone, strict=True)]


def _spelled_out(
    words: Sequence[Word], group: tuple[int, int], changes: Sequence[Change], more: Sequence[str]
) -> _Edit:
    """The words of one place, which stand there anew."""
    gone = {at: change for change in changes for at in change.at}
    values: list[str] = []
    for at, word in enumerate(words):
        if (word.start, word.end) != group:
            continue
        if at not in gone:
            values += [word.value] if word.value != CUT else []
        elif gone[at].at[0] == at:
            values += gone[at].new
    values += more
    line = shlex.join(values)
    spelled = next(word.spelling for word in words if (word.start, word.end) == group)
    return _Edit(*group, json.dumps(line, ensure_ascii=False) if spelled is Spelling.STRING else line)


def _replaced(command: Written, change: Change) -> list[_Edit]:
    """The words of a change with the new ones in their places."""
    words, at, new = command.words, list(change.at), list(change.new)
    if len(at) == 1 and len(new) == 2 and "=" in words[at[0]].value and new[0].startswith("--"):
        new = [f"{new[0]}={new[1]}"]
    edits = []
    for number, value in zip(at, new, strict=False):
        if value != words[number].value or words[number].bare:
            edits.append(_Edit(words[number].start, words[number].end, spelled(value, words[number].spelling)))
    if len(new) > len(at) and at:
        separator = _separators(command)[1]
        last = words[at[-1]]
        more = "".join(separator + spelled(value, last.spelling) for value in new[len(at) :])
        before = edits[-1].text if edits and edits[-1].start == last.start else command.text[last.start : last.end]
        edits = [edit for edit in edits if edit.start != last.start]
        edits.append(_Edit(last.start, last.end, before + more))
    return edits + [_removed(command, number) for number in at[len(new) :]]


def _removed(command: Written, at: int) -> _Edit:
    """A word with what parts it from the word before."""
    word, text = command.words[at], command.text
    if (
        word.value == CUT
        and word.spelling in (Spelling.SHELL, Spelling.SYSTEMD)
        and text[word.end : command.block[-1][1]].strip()
    ):
        return _Edit(word.start, word.end, "\\")
    before = command.words[at - 1].end if at else word.start
    between = text[before : word.start]
    if word.spelling is Spelling.ITEM and ("#" in between or between.strip("- \n\t")):
        line = text.rfind("\n", 0, word.start)
        return _Edit(line, word.end, "")
    if word.spelling is Spelling.JSON and "[" in between:
        after = re.compile(r"\s*,\s*").match(text, word.end)
        return _Edit(word.start, after.end() if after else word.end, "")
    if not at or command.words[at - 1].end > word.start or "\n" in between.replace("\\\n", "").strip():
        return _Edit(word.start, word.end, "")
    return _Edit(before, word.end, "")


def _appended(command: Written, new: Sequence[str]) -> _Edit:
    """New words behind the last one, parted as the options before them are."""
    between, inner = _separators(command)
    last = next(word for word in reversed(command.words) if word.value != CUT)
    joined = _joins(command.words)
    text = ""
    for value in new:
        if value.startswith("--"):
            text += between + spelled(value, last.spelling)
        elif joined and text.endswith(('"', "'")) is False:
            text += "=" + spelled(value, Spelling.SHELL)
        else:
            text += inner + spelled(value, last.spelling)
    return _Edit(last.end, last.end, text)


def _joins(words: Sequence[Word]) -> bool:
    """Whether options and values are written as one word throughout."""
    options = [word for word in words if word.value.startswith("--")]
    return bool(options) and all("=" in word.value for word in options) and words[-1].spelling is Spelling.ITEM


def _separators(command: Written) -> tuple[str, str]:
    """What stands between two options, and between an option and its value."""
    words, text = command.words, command.text
    spelling = words[-1].spelling
    options = [
        at
        for at in range(1, len(words))
        if words[at].value.startswith("--") and words[at].spelling is spelling and words[at - 1].end <= words[at].start
        if words[at - 1].value != CUT
    ]
    gaps = [text[words[at - 1].end : words[at].start] for at in options]
    own_lines = [one for one in gaps if "\n" in one]
    between = (own_lines or gaps or [""])[-1]
    usual = {Spelling.JSON: ", ", Spelling.ITEM: _item(command)}.get(spelling, " ")
    pattern = {Spelling.JSON: r"\s*,\s*(?:\\\n\s*)?", Spelling.ITEM: r"\s*\n[ \t]*-[ \t]+"}.get(
        spelling, r"(?:[ \t]|\\?\r?\n)+"
    )
    if not re.fullmatch(pattern, between):
        between = usual
    return between, (between if spelling in (Spelling.ITEM, Spelling.JSON) else " ")


def _item(command: Written) -> str:
    """A new line with the dash of the last item."""
    start = command.words[-1].start
    line = command.text.rfind("\n", 0, start) + 1
    return "\n" + command.text[line:start]


_BARE_ITEM = re.compile(
    r"(?!(?:true|false|yes|no|on|off|null|y|n)$)(?:--?[A-Za-z][\w-]*(?:=[\w./-]+)?|[A-Za-z/.][\w./-]*)", re.IGNORECASE
)
"""A word that YAML takes for a text though it stands without quotes."""


def spelled(value: str, spelling: Spelling) -> str:
    """A word as its file writes one."""
    if spelling is Spelling.JSON:
        return json.dumps(value, ensure_ascii=False)
    if spelling is Spelling.ITEM:
        return value if _BARE_ITEM.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if spelling is Spelling.SYSTEMD:
        return value if re.fullmatch(r"[\w@%+=:,./${}-]+", value) else '"' + value.replace('"', '\\"') + '"'
    return value if re.fullmatch(r"\$\w+|\$\{\w+\}", value) else shlex.quote(value)


_ASSIGNED = re.compile(r"""(?<![\w$-])([A-Za-z_]\w*)=((?:"[^"$`]*"|'[^']*'|[^\s"'$`;|&])+)""")


def assigned_keys(command: Written) -> list[tuple[str, int, int]]:
    """Variables that hold a key and stand before a command of a shell: each with the place of its value.

    The shell that runs the line has them, once they are exported: the line can be pasted, and shows none.
    """
    if command.form not in (Form.LINE, Form.SCRIPT) or not command.words:
        return []
    begin, end = command.block[0]
    assigned = _ASSIGNED.finditer(command.text, begin, end)
    return [(m[1], m.start(2), m.end(2)) for m in assigned if NAMED_LIKE_A_KEY.search(m[1])]


def _hidden(command: Written, at: int) -> _Edit:
    """A word that holds a key as the variable that stands for it."""
    word = command.words[at]
    head = word.value.partition("=")[0] + "=" if word.value.startswith("--") else ""
    variable = {
        Form.KUBERNETES: f"$({KEY_VARIABLE})",
        Form.SYSTEMD: f"${{{KEY_VARIABLE}}}",
        Form.SUPERVISOR: f"%(ENV_{KEY_VARIABLE})s",
        Form.DOCKERFILE: f"${KEY_VARIABLE}",
    }.get(command.form, f'"{KEY_IN_SHELL}"' if word.spelling is Spelling.SHELL else KEY_IN_SHELL)
    if word.spelling in (Spelling.JSON, Spelling.ITEM):
        return _Edit(word.start, word.end, json.dumps(head + variable))
    return _Edit(word.start, word.end, head + variable)
