"""Reads docker-compose files and Kubernetes manifests: the commands of their services and containers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bgecheck.engines.launchfile.envfile import variables_in
from bgecheck.engines.launchfile.shell import UnclosedQuote, commands
from bgecheck.engines.launchfile.units import line_end
from bgecheck.engines.planned import Form, Spelling, Word, Written
from bgecheck.model import BadInput, Text, clean

_MOST = 200
"""Services or containers of one file."""
_DEEP = 50
_NO_STRINGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool"))
_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_]\w*)(?:(:?[-?])([^{}]*))?\}|\$([A-Za-z_]\w*)")
_REFERENCE = re.compile(r"\$\$|\$\(([\w.-]+)\)")


class _File:
    """A file of YAML with the places of its nodes."""

    def __init__(self, text: str, path: str) -> None:
        self.text, self.path = text, path
        self.lines = [0, *(m.end() for m in re.finditer("\n", text))]

    def documents(self) -> list[Any]:
        """The root node of each document. Raises `BadInput`."""
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            return [node for node in yaml.compose_all(self.text, Loader=loader) if node is not None]
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            why = clean(str(getattr(error, "problem", None) or "not YAML"), 100)
            at = f"line {mark.line + 1}: " if mark else ""
            raise self.bad(Text(f"{at}{why}", f"{at.replace('line', '行')}{why}")) from error
        except RecursionError as error:
            raise self.bad(Text("it is nested too deep", "嵌套太深")) from error

    def bad(self, why: Text) -> BadInput:
        return BadInput(
            f"--file {self.path}",
            Text(f"it cannot be read as YAML ({why.en})", f"无法按 YAML 解析（{why.zh}）"),
            Text("correct it there, or give the command behind --", "先改正，或把启动命令写在 -- 后面"),
        )

    def at(self, mark: Any) -> int:
        """The place of a mark, whose own index counts bytes in one loader and characters in the other."""
        line = min(mark.line, len(self.lines) - 1)
        place: int = self.lines[line] + mark.column
        return min(place, len(self.text))

    def span(self, node: Any) -> tuple[int, int]:
        start, end = self.at(node.start_mark), self.at(node.end_mark)
        while end > start and self.text[end - 1] in " \t\r\n":
            end -= 1
        return start, end

    def raw(self, node: Any) -> tuple[int, int, bool] | None:
        """Where a scalar's text stands as it is, and whether its line breaks are blanks; None for one with escapes."""
        start, end = self.span(node)
        if node.style in ("|", ">"):
            begins = self.text.find("\n", start, end)
            return None if begins < 0 else (begins + 1, end, node.style == ">")
        if node.style in ("'", '"'):
            inner = self.text[start + 1 : end - 1]
            plain = "\n" not in inner and ("\\" not in inner if node.style == '"' else "''" not in inner)
            return (start + 1, end - 1, True) if plain else None
        return start, end, True


def _pairs(node: Any) -> dict[str, tuple[Any, Any]]:
    """Key node and value node by key; what `<<` merges is weaker."""
    return _merged(node, {}, 0)


def _merged(node: Any, read: dict[int, dict[str, tuple[Any, Any]]], deep: int) -> dict[str, tuple[Any, Any]]:
    """The same, each node read once however often it is merged."""
    if node is None or node.id != "mapping" or deep > _DEEP:
        return {}
    if id(node) in read:
        return read[id(node)]
    read[id(node)] = {}
    merged: dict[str, tuple[Any, Any]] = {}
    own: dict[str, tuple[Any, Any]] = {}
    for key, value in node.value:
        if key.id != "scalar":
            continue
        if key.value == "<<":
            for one in value.value if value.id == "sequence" else [value]:
                merged = {**_merged(one, read, deep + 1), **merged}
        else:
            own[key.value] = (key, value)
    read[id(node)] = {**merged, **own}
    return read[id(node)]


def _value(node: Any, *names: str) -> Any:
    """The node below these keys; None where one is missing."""
    for name in names:
        node = _pairs(node).get(name, (None, None))[1]
        if node is None:
            return None
    return node


def _scalar(node: Any) -> str | None:
    return node.value if node is not None and node.id == "scalar" else None


def compose(text: str, path: str) -> list[Written]:
    """The commands of a compose file's services. Raises `BadInput`."""
    file, read = _File(text, path), []
    for document in file.documents():
        services = _pairs(_value(document, "services"))
        for name, (_, service) in list(services.items())[:_MOST]:
            read.append(_service(file, name, _extended(services, service)))
    return [one for one in read if one is not None]


def _extended(services: Mapping[str, tuple[Any, Any]], service: Any, deep: int = 0) -> dict[str, tuple[Any, Any]]:
    """A service's keys over those of the service of this file that it extends."""
    own = _pairs(service)
    base = own.get("extends", (None, None))[1]
    name = _scalar(base) or _scalar(_value(base, "service")) or ""
    if name not in services or deep > _DEEP or _value(base, "file") is not None:
        return own
    return {**_extended(services, services[name][1], deep + 1), **own}


def _service(file: _File, name: str, keys: Mapping[str, tuple[Any, Any]]) -> Written | None:
    folder = os.path.dirname(os.path.abspath(file.path))
    environment = _environment(keys.get("environment", (None, None))[1])
    of_files = _of_env_files(keys.get("env_file", (None, None))[1], folder)
    words: list[Word] = []
    blocks: list[tuple[int, int]] = []
    for key in ("entrypoint", "command"):
        if key in keys:
            words += _words(file, keys[key][1], environment)
            blocks.append(_block(file, *keys[key]))
    mode = _scalar(keys.get("network_mode", (None, None))[1])
    return Written(
        form=Form.COMPOSE,
        text=file.text,
        words=tuple(words),
        block=tuple(sorted(blocks)),
        line=_line(file, words),
        name=name,
        environment={**of_files, **environment},
        folder=_scalar(keys.get("working_dir", (None, None))[1]),
        mounts=_volumes(keys.get("volumes", (None, None))[1], folder),
        contained=True,
        own_network=mode != "host",
        image=_scalar(keys.get("image", (None, None))[1]),
    )


def _of_env_files(node: Any, folder: str) -> dict[str, str]:
    """The variables of the files that `env_file` names, a later one over an earlier one."""
    given = node.value if node is not None and node.id == "sequence" else [node]
    paths = [_scalar(item) or _scalar(_value(item, "path")) for item in given[:_MOST]]
    variables: dict[str, str] = {}
    for path in paths:
        variables |= variables_in(os.path.join(folder, path)) if path and "$" not in path else {}
    return variables


def _environment(node: Any) -> dict[str, str]:
    if node is None:
        return {}
    if node.id == "sequence":
        given = (str(item.value).partition("=") for item in node.value if item.id == "scalar")
        return {name: value for name, equals, value in given if equals}
    return {name: v.value for name, (_, v) in _pairs(node).items() if v.id == "scalar"}


def _volumes(node: Any, folder: str) -> dict[str, str]:
    """Folders of this machine by the path that the container has for them."""
    mounts = {}
    for item in node.value if node is not None and node.id == "sequence" else ():
        source, target = _scalar(_value(item, "source")), _scalar(_value(item, "target"))
        if item.id == "scalar":
            source, _, rest = _interpolated(item.value, {}, _VARIABLE)[0].partition(":")
            target = rest.partition(":")[0]
        if source and target and source[:1] in "./~":
            mounts[target] = os.path.normpath(os.path.join(folder, os.path.expanduser(source)))
    return mounts


def manifests(text: str, path: str) -> list[Written]:
    """The commands of a manifest's containers. Raises `BadInput`."""
    file = _File(text, path)
    read = []
    for document in file.documents():
        for kind, spec in _specs(document):
            own_network = _scalar(_value(spec, "hostNetwork")) != "true"
            containers = (_container(file, node, kind) for node in _items(_value(spec, "containers")))
            read += [replace(one, own_network=own_network) for one in containers]
    return read[:_MOST]


def _specs(document: Any, deep: int = 0) -> Iterator[tuple[str, Any]]:
    """The specifications of pods in a document, each with the name of what it is in."""
    kind = _scalar(_value(document, "kind"))
    if kind == "List" and deep < _DEEP:
        for item in _items(_value(document, "items")):
            yield from _specs(item, deep + 1)
        return
    name = _scalar(_value(document, "metadata", "name")) or kind or ""
    places = (("spec",), ("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"))
    lws = (("spec", "leaderWorkerTemplate", "leaderTemplate", "spec"),)
    for place in (*places, *lws, ("spec", "leaderWorkerTemplate", "workerTemplate", "spec")):
        if (spec := _value(document, *place)) is not None and _value(spec, "containers") is not None:
            yield name, spec


def _items(node: Any) -> Sequence[Any]:
    return tuple(node.value[:_MOST]) if node is not None and node.id == "sequence" else ()


def _container(file: _File, node: Any, owner: str) -> Written:
    keys = _pairs(node)
    environment = {
        name: value
        for item in _items(_value(node, "env"))
        if (name := _scalar(_value(item, "name"))) and (value := _scalar(_value(item, "value"))) is not None
    }
    words: list[Word] = []
    blocks = []
    for key in ("command", "args"):
        if key in keys:
            words += _words(file, keys[key][1], environment, _REFERENCE)
            blocks.append(_block(file, *keys[key]))
    name = _scalar(_value(node, "name"))
    return Written(
        form=Form.KUBERNETES,
        text=file.text,
        words=tuple(words),
        block=tuple(sorted(blocks)),
        line=_line(file, words),
        name="/".join(filter(None, (owner, name if name != owner else None))) or None,
        environment=environment,
        folder=_scalar(_value(node, "workingDir")),
        contained=True,
        image=_scalar(_value(node, "image")),
    )


def _line(file: _File, words: Sequence[Word]) -> int:
    return file.text.count("\n", 0, words[0].start) + 1 if words else 1


def _block(file: _File, key: Any, node: Any) -> tuple[int, int]:
    """The whole lines of a key and its value; of a value that stands elsewhere, behind an anchor, those alone."""
    start, end = file.span(node)
    if key.start_mark.line <= node.start_mark.line and not _between(file, key, start):
        start = file.at(key.start_mark)
    return file.text.rfind("\n", 0, start) + 1, line_end(file.text, end)


def _between(file: _File, key: Any, start: int) -> bool:
    """Whether another key stands between a key and its value, which then is not written there."""
    return re.search(r"^\s*[\w.-]+:", file.text[file.at(key.end_mark) + 1 : start].strip(), re.MULTILINE) is not None


def _words(file: _File, node: Any, environment: Mapping[str, str], replaced: re.Pattern[str] = _VARIABLE) -> list[Word]:
    """The words of a command or of arguments, as a list or as one string."""
    if node.id == "scalar":
        return _of_string(file, node, environment)
    words = []
    for item in _items(node):
        if item.id == "scalar":
            start, end = file.span(item)
            value, is_open = _interpolated(item.value, environment, replaced)
            spelling = Spelling.JSON if node.flow_style else Spelling.ITEM
            words.append(Word(value, start, end, spelling, is_open, item.tag in _NO_STRINGS and not item.style))
    return words


def _of_string(file: _File, node: Any, environment: Mapping[str, str]) -> list[Word]:
    raw = file.raw(node)
    place = (0, len(node.value), True) if raw is None else raw
    text = node.value if raw is None else file.text
    try:
        read = commands(text, place[0], place[1], variables=environment, folded=True, comments=False, operators=False)
    except UnclosedQuote:
        raise file.bad(Text("a quote without an end", "引号没有配对")) from None
    words = [word for one in read for word in one.words()]
    if raw is not None:
        return words
    start, end = file.span(node)
    return [word._replace(start=start, end=end, spelling=Spelling.STRING) for word in words]


def _interpolated(value: str, environment: Mapping[str, str], pattern: re.Pattern[str]) -> tuple[str, bool]:
    """A value with its variables replaced, and whether one of them is not known here."""
    unknown = False

    def replacement(match: re.Match[str]) -> str:
        nonlocal unknown
        if match[0] == "$$":
            return "$"
        groups = [*match.groups(), None, None, None][:4]
        name = groups[0] or groups[3] or ""
        if name in environment and pattern is _REFERENCE:
            return environment[name]
        if groups[1] and "-" in groups[1]:
            return groups[2] or ""
        unknown = True
        return match[0]

    return pattern.sub(replacement, value), unknown
