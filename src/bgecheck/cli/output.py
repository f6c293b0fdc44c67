"""Where a report goes: each `-o FORMAT[=FILE]` is one sink; the report alone goes to stdout."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from bgecheck.cli.options import RunOptions
from bgecheck.cli.stdout import to_stdout
from bgecheck.model import BadInput, Language, Report, Text

Render = Callable[[Sequence[Report]], str]


class Sink(NamedTuple):
    """A format, and the file it is written to; None is stdout."""

    name: str
    render: Render
    path: str | None

    def write(self, reports: Sequence[Report]) -> None:
        """Render and deliver."""
        text = self.render(reports)
        if self.path is None:
            to_stdout(text)
            return
        try:
            with open(self.path, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            why = error.strerror or str(error)
            raise _unwritable(self.name, self.path, Text(why, why)) from error


def sinks(options: RunOptions, language: Language, screen: str) -> tuple[Sink, ...]:
    """The sinks that `-o` asks for; the table stays on stdout unless another format takes it.

    `screen` names the module of `bgecheck.render` that tells a person.
    """
    wanted = [item.partition("=")[::2] for item in options.output or ()]
    found = tuple(_sink(name, path or None, options, language, screen) for name, path in wanted)
    if all(sink.path for sink in found):
        found = (*found, _sink("table", None, options, language, screen))
    return found


def _sink(name: str, path: str | None, options: RunOptions, language: Language, screen: str) -> Sink:
    formats = ("table", "json")
    if name not in formats:
        listed = ", ".join(formats)
        raise BadInput(
            f"-o {name}", Text("no such format", "没有这种格式"), Text(f"choose: {listed}", f"可选：{listed}")
        )
    if path is not None:
        _writable(name, path)
    if name == "json":
        return Sink(name, lambda reports: _json(reports, language), path)
    return Sink(name, lambda reports: _screen(screen, reports, language, options.verbose, path), path)


def _json(reports: Sequence[Report], language: Language) -> str:
    from bgecheck.render import json

    return json.render(reports, language=language)


def _screen(name: str, reports: Sequence[Report], language: Language, verbose: bool, path: str | None) -> str:
    render: Callable[..., str] = import_module(f"bgecheck.render.{name}").render
    terminal = path is None and sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "utf-8") if path is None else "utf-8"
    return render(reports, language=language, verbose=verbose, terminal=terminal, encoding=encoding)


def _writable(name: str, path: str) -> None:
    """Refuse before the run what could not be written after it."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise _unwritable(name, path, Text("it is a folder", "它是一个目录"))
    if not os.path.isdir(folder):
        raise _unwritable(name, path, Text(f"no folder {folder}", f"目录 {folder} 不存在"))
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise _unwritable(name, path, Text("permission denied", "没有写权限"))


def _unwritable(name: str, path: str, why: Text) -> BadInput:
    return BadInput(
        f"-o {name}={path}",
        Text(f"cannot be written ({why.en})", f"无法写入（{why.zh}）"),
        Text("name a file in a folder that exists and is yours to write", "换成一个可写目录下的文件"),
    )
