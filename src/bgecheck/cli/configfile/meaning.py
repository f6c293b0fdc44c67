"""What the file means: every value checked by its schema and then as its option is, each problem with its place."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bgecheck.cli.configfile.finding import KEY_VARIABLE
from bgecheck.cli.configfile.places import Path
from bgecheck.cli.configfile.reading import TomlFile
from bgecheck.cli.nearest import nearest
from bgecheck.model import BadInput, Redactor, Text, clean
from bgecheck.model.hygiene import HIDDEN

_KEY_LITERAL = re.compile(r"(?i)(api[_-]?)?(key|token|secret|password)")
"""The name of a key that would hold the server's key itself."""


@dataclass(frozen=True, slots=True)
class Config:
    """A file that is right: its settings, and its targets with theirs."""

    file: TomlFile

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The settings of every run."""
        return self._settings(self.file.data.get("defaults", {}))

    @property
    def targets(self) -> tuple[Mapping[str, Any], ...]:
        """The targets in the order of the file."""
        return tuple(self._settings(target) for target in self.file.data.get("target", []))

    def key(self, path: Path, variable: str) -> str:
        """The key that a variable of the environment holds. Raises `BadInput` where it is not set."""
        if key := os.environ.get(variable):
            return key
        raise BadInput(
            _shown(self.file, (*path, KEY_VARIABLE), variable),
            Text("this variable is not set", "没有设置这个环境变量"),
            Text("export it with the server's key, or remove the line", "请 export 服务的 key，或删掉这一行"),
        )

    def _settings(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a table; relative paths start at the folder of the file."""
        folder, settings = self.file.folder, dict(table)
        if "log" in table:
            settings["log"] = _moved(folder, table["log"])
        if "model_path" in table and os.path.isdir(path := _moved(folder, table["model_path"])):
            settings["model_path"] = path
        if "output" in table:
            settings["output"] = [_output(folder, item) for item in table["output"]]
        return settings


def _output(folder: str, item: str) -> str:
    name, has_path, path = item.partition("=")
    return f"{name}={_moved(folder, path)}" if has_path and path.strip() not in ("", "-") else item


def _moved(folder: str, path: str) -> str:
    """A path of the file as it is opened from the working folder."""
    given = os.path.expanduser(path)
    return given if os.path.isabs(given) else os.path.relpath(os.path.join(folder, given))


def config(file: TomlFile) -> Config:
    """The file as settings and targets. Raises `BadInput` for its first problem."""
    if problem := next(problems(file), None):
        raise problem
    return Config(file)


def problems(file: TomlFile) -> Iterator[BadInput]:
    """What is wrong with a file: each problem with its place, what the schema finds first."""
    from bgecheck.schema import config_schema

    schema = json.loads(config_schema())
    shape = list(_Shape(file, schema).problems((), file.data, schema))
    yield from sorted(shape, key=lambda problem: _order(problem.given))
    if not shape:
        yield from _values(file)
        yield from _repeated(file, "name", lambda name: name)
        yield from _repeated(file, "url", _same_url)


def _order(given: str) -> tuple[int, int]:
    match = re.search(r":(\d+):(\d+)", given)
    return (int(match[1]), int(match[2])) if match else (0, 0)


_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
_KINDS = {
    "object": Text("a table", "表（[...]）"),
    "array": Text("a list", "列表（[...]）"),
    "string": Text("a text in quotes", "加引号的文本"),
    "integer": Text("a whole number", "整数"),
    "boolean": Text("true or false", "true 或 false"),
}


class _Shape:
    """Compares data with the part of JSON schema that the file's schema is written in."""

    def __init__(self, file: TomlFile, schema: Mapping[str, Any]) -> None:
        self._file = file
        self._schema = schema

    def problems(self, path: Path, value: Any, schema: Mapping[str, Any]) -> Iterator[BadInput]:
        if "$ref" in schema:
            schema = self._schema["$defs"][schema["$ref"].rpartition("/")[2]]
        if "enum" in schema:
            if value not in schema["enum"]:
                yield self._no_choice(path, value, schema["enum"])
            return
        words = _KINDS[schema["type"]]
        if type(value) is not _TYPES[schema["type"]]:
            yield self._wrong(path, value, Text(f"it has to be {words.en}", f"应为{words.zh}"), self._example(path))
        elif isinstance(value, dict):
            yield from self._table(path, value, schema)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from self.problems((*path, number), item, schema["items"])
        elif not _allowed(value, schema):
            yield self._wrong(path, value, Text("it is no such value", "取值不合要求"), self._example(path))

    def _table(self, path: Path, table: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[BadInput]:
        keys = schema["properties"]
        for name, value in table.items():
            if name in keys:
                yield from self.problems((*path, name), value, keys[name])
            else:
                yield self._no_key((*path, name), keys)
        for name in schema.get("required", ()):
            if name not in table:
                yield BadInput(
                    self._file.at(path),
                    Text(f"this [[target]] has no {name}", f"这个 [[target]] 缺少 {name}"),
                    self._example((*path, name)),
                )

    def _no_key(self, path: Path, keys: Mapping[str, Any]) -> BadInput:
        name = str(path[-1])
        given = f"{self._file.at(path)}: {clean(name, 60)}"
        if _KEY_LITERAL.fullmatch(name):
            return BadInput(
                given,
                Text(
                    "a key does not belong into a file: repositories and backups keep it",
                    "key 不能写在文件里，会进入代码仓库和备份",
                ),
                Text(
                    f'name the variable that holds it: {KEY_VARIABLE} = "EMBED_KEY"',
                    f'写保存它的环境变量名：{KEY_VARIABLE} = "EMBED_KEY"',
                ),
            )
        near = nearest(name.replace("-", "_"), keys)
        everywhere = self._schema["$defs"]["defaults"]["properties"]
        listed = ", ".join(keys)
        if near:
            remedy = Text(f"did you mean {near}?", f"是不是 {near}？")
        elif len(path) == 1 and name.replace("-", "_") in everywhere:
            remedy = Text("write it below [defaults]", "写到 [defaults] 下面")
        else:
            remedy = Text(f"choose: {listed}", f"可选：{listed}")
        return BadInput(given, Text("no such key", "没有这个键"), remedy)

    def _no_choice(self, path: Path, value: Any, choices: list[str]) -> BadInput:
        near = nearest(value, choices) if isinstance(value, str) else None
        listed = " or ".join(json.dumps(choice) for choice in choices)
        listed_zh = "、".join(json.dumps(choice) for choice in choices)
        guess, guess_zh = (f"did you mean {near}? ", f"是不是 {near}？") if near else ("", "")
        remedy = Text(f"{guess}Choose {listed}" if near else f"choose {listed}", f"{guess_zh}可选：{listed_zh}")
        return self._wrong(path, value, Text("no such choice", "没有这个取值"), remedy)

    def _wrong(self, path: Path, value: Any, reason: Text, remedy: Text) -> BadInput:
        return BadInput(_shown(self._file, path, value), reason, remedy)

    def _example(self, path: Path) -> Text:
        name = next((part for part in reversed(path) if isinstance(part, str)), "")
        line = _EXAMPLES.get(name, f'{name} = "..."')
        return Text(f"for example: {line}", f"例如：{line}")


def _shown(file: TomlFile, path: Path, value: Any) -> str:
    """The place of a value, its key, and the value as far as it is short."""
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    written = "..." if isinstance(value, dict | list) else json.dumps(value, ensure_ascii=False, default=str)
    if name == KEY_VARIABLE and not re.fullmatch(r"[A-Z][A-Z0-9_]*", str(value)):
        written = HIDDEN  # a key itself may have been pasted
    return f"{file.at(path)}: {name} = {clean(Redactor().text(written), 60)}"


def _allowed(value: Any, schema: Mapping[str, Any]) -> bool:
    if isinstance(value, str):
        return len(value) >= schema.get("minLength", 0) and re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


_EXAMPLES = {
    "defaults": "[defaults]",
    "target": "[[target]]",
    "name": 'name = "search-1"',
    "url": 'url = "http://127.0.0.1:30000/v1"',
    "model": 'model = "bge-large-zh-v1.5"',
    KEY_VARIABLE: f'{KEY_VARIABLE} = "EMBED_KEY"',
    "expect_dim": "expect_dim = 1024",
    "timeout": 'timeout = "10s"',
    "deadline": 'deadline = "60s"',
    "wait": 'wait = "5m"',
    "only": 'only = ["probe", "embed.*"]',
    "skip": 'skip = ["gpu"]',
    "ignore": 'ignore = ["gpu.others:shared machine@2026-12-31"]',
    "severity": 'severity = ["gpu.others=error"]',
    "output": 'output = ["json=report.json"]',
    "quick": "quick = true",
    "full": "full = true",
    "verbose": "verbose = true",
}


def _values(file: TomlFile) -> Iterator[BadInput]:
    """What the options of these names would refuse."""
    tables: list[tuple[Path, Mapping[str, Any]]] = [(("defaults",), file.data.get("defaults", {}))]
    tables += [(("target", number), table) for number, table in enumerate(file.data.get("target", []))]
    for path, table in tables:
        for name, value in table.items():
            for item_path, item in _items((*path, name), value):
                if problem := _refusal(name, item):
                    shown = problem.given if name == "url" else item  # without a password
                    yield BadInput(_shown(file, item_path, shown), problem.reason, problem.remedy)
        if table.get("quick") and table.get("full"):
            yield BadInput(
                _shown(file, (*path, "full"), True),
                Text("it excludes quick = true", "不能与 quick = true 同时使用"),
                Text("keep one", "只保留一个"),
            )


def _items(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if not isinstance(value, list):
        yield path, value
    else:
        yield from (((*path, number), item) for number, item in enumerate(value))


def _refusal(name: str, value: Any) -> BadInput | None:
    check = _checks().get(name)
    try:
        if check:
            check(value)
    except BadInput as problem:
        return problem
    return None


def _checks() -> dict[str, Callable[[Any], Any]]:
    """How a value is checked, by its key: as the option of that name is."""
    from bgecheck.cli.counting import ignored, patterns, severity
    from bgecheck.cli.duration import seconds
    from bgecheck.cli.nearest import one_of
    from bgecheck.http.address import parse_url
    from bgecheck.render.formats import FORMATS

    return {
        "url": parse_url,
        "timeout": lambda value: seconds("--timeout", value),
        "deadline": lambda value: seconds("--deadline", value),
        "wait": lambda value: seconds("--wait", value),
        "only": lambda value: patterns("--only", [value]),
        "skip": lambda value: patterns("--skip", [value]),
        "ignore": ignored,
        "severity": severity,
        "output": lambda value: one_of("-o", value.partition("=")[0], FORMATS),
    }


def _same_url(url: str) -> str:
    from bgecheck.http.address import parse_url

    return parse_url(url).url


def _repeated(file: TomlFile, name: str, key: Callable[[str], str]) -> Iterator[BadInput]:
    """Two targets of one name, or with one URL."""
    first: dict[str, int] = {}
    for number, table in enumerate(file.data.get("target", [])):
        try:
            value = key(table[name])
        except BadInput:
            continue
        if value in first:
            line = file.places[("target", first[value], name)].line
            yield BadInput(
                _shown(file, ("target", number, name), table[name]),
                Text(f"the target of line {line} has it too", f"第 {line} 行的目标已经用了它"),
                Text("give each target its own, or remove one", "各写各的，或去掉一个"),
            )
        first.setdefault(value, number)
