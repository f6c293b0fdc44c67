"""Reads the file of options that `--config` names as sglang merges it: its options stand before those of the line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from bgecheck.engines.planned import Configured, Entry
from bgecheck.engines.sglang.launchline import parse_launch
from bgecheck.engines.sglang.releases import newest
from bgecheck.model import Text, reason_of

LARGEST = 64 * 1024
"""Bytes of such a file: it has some dozens of lines."""


def configured(path: str, folder: str | None) -> Configured:
    """The options of a file, each with its line; or why sglang does not start with it."""
    whole = os.path.normpath(os.path.join(folder or "", os.path.expanduser(path)))
    if not path.lower().endswith((".yaml", ".yml")):
        return Configured(path, why=Text("its name does not end with .yaml or .yml", "文件名不以 .yaml 或 .yml 结尾"))
    if not os.path.isfile(whole):
        return Configured(path, why=Text("there is no such file", "没有这个文件"))
    try:
        with open(whole, encoding="utf-8", errors="replace") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        why = reason_of(error)
        return Configured(path, why=Text(f"it cannot be read ({why.en})", f"无法读取（{why.zh}）"))
    if len(text) > LARGEST:
        return Configured(path, whole=False)
    return _of_text(path, text)


def _of_text(path: str, text: str) -> Configured:
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Configured(path)
        if not isinstance(node, yaml.MappingNode):
            return Configured(path, why=Text("it holds no options as `name: value`", "内容不是 `参数: 值` 的形式"))
        entries = tuple(
            Entry(_words(str(key.value), loader.construct_object(value, deep=True)), key.start_mark.line + 1)
            for key, value in node.value
        )
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" ({mark.line + 1})" if mark else ""
        return Configured(path, why=Text(f"it is no YAML{line}", f"不是有效的 YAML{line}"))
    finally:
        loader.dispose()
    return Configured(path, tuple(entry for entry in entries if entry.words), options=_options(entries))


def _words(name: str, value: Any) -> tuple[str, ...]:
    """An option as the parser gets it: of a switch its name, or nothing where it is false."""
    if isinstance(value, bool):
        option = newest().option(name.replace("_", "-"))
        switch = option is None or option.switch
        return (f"--{name}",) if switch and value else () if switch else (f"--{name}", str(value).lower())
    if isinstance(value, list):
        return (f"--{name}", *map(str, value)) if value else ()
    return f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)


def _options(entries: Sequence[Entry]) -> Mapping[str, str]:
    words = [word for entry in entries for word in entry.words]
    return parse_launch(["sglang", "serve", *words]) or {}
