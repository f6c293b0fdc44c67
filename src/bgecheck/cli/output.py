"""Where a report goes: each `-o FORMAT[=FILE]` is one sink; the report alone goes to stdout."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from bgecheck.cli.nearest import choice
from bgecheck.cli.options import RunOptions
from bgecheck.cli.stdout import require_stdout, to_stdout
from bgecheck.cli.step_summary import add_to_step_summary
from bgecheck.model import BadInput, Language, Report, Text, reason_of
from bgecheck.render.formats import FORMATS, USUAL, Render, renderer
from bgecheck.render.screen import Screen, screen

FOR_PROGRAMS = "utf-8"
"""The encoding of files, and on stdout of every format but the usual one, whatever the locale is."""


@dataclass(frozen=True, slots=True)
class Sink:
    """A format, the screen it is made for, and the file it is written to; None is stdout."""

    name: str
    screen: Screen
    path: str | None
    render: Render

    @property
    def is_for_a_reader(self) -> bool:
        """Whether a file or a program waits for it, though a run does not come to its end."""
        return self.path is not None or self.name != USUAL

    def write(self, reports: Sequence[Report]) -> None:
        """Render and deliver; a file is written whole or not at all. Raises `BadInput`."""
        text = self.render(reports, self.screen)
        if self.path is None:
            to_stdout(text, None if self.name == USUAL else FOR_PROGRAMS)
        else:
            write_text(f"-o {self.name}={self.path}", self.path, text)
        if self.name == "github":
            add_to_step_summary(reports, self.screen)


def sinks(options: RunOptions, language: Language) -> tuple[Sink, ...]:
    """The sinks that `-o` asks for; the table stays on stdout unless another format takes it. Raises `BadInput`."""
    given = options.output or []
    chosen = tuple(_sink(item, options, language) for item in given)
    _apart(given, chosen)
    if all(sink.path for sink in chosen):
        chosen = (*chosen, _sink(USUAL, options, language))
    return chosen


def understood(words: Sequence[str], language: Language) -> tuple[Sink, ...]:
    """The sinks of a command line that is wrong elsewhere: those of its `-o` that can be used, each place once.

    The usual screen is none of stdout's: why the command line is wrong stands on stderr.
    """
    chosen: dict[str | None, Sink] = {}
    for item in _given(words):
        with suppress(BadInput):
            sink = _sink(item, RunOptions(), language)
            if sink.is_for_a_reader:
                chosen.setdefault(os.path.realpath(sink.path) if sink.path else None, sink)
    return tuple(chosen.values())


def _given(words: Sequence[str]) -> list[str]:
    """What follows `-o` and `--output`, in whatever way it is written; else what the variable says."""
    items = []
    for word, following in pairwise([*words, ""]):
        if word in ("-o", "--output"):
            items.append(following)
        elif word.startswith("--output="):
            items.append(word.removeprefix("--output="))
        elif word.startswith("-o"):
            items.append(word[2:])
    return items or os.environ.get("BGECHECK_OUTPUT", "").split()


def _apart(given: Sequence[str], chosen: Sequence[Sink]) -> None:
    """Refuse two reports in one place: one of them would be lost, or nothing could read them."""
    first: dict[str | None, str] = {}
    for item, sink in zip(given, chosen, strict=True):
        place = os.path.realpath(sink.path) if sink.path else None
        if place in first:
            why = Text("both go to stdout", "两份报告都输出到 stdout")
            if place:
                why = Text("both are written into the same file", "两份报告写进同一个文件")
            remedy = Text(
                "write one of them into a file of its own: -o json=report.json",
                "把其中一份单独写进文件：-o json=report.json",
            )
            raise BadInput(f"-o {first[place]} -o {item}", why, remedy)
        if place is None or os.path.isfile(place) or not os.path.exists(place):
            first[place] = item


def _sink(item: str, options: RunOptions, language: Language) -> Sink:
    name, has_path, path = item.partition("=")
    if name not in FORMATS:
        raise BadInput(f"-o {name}", Text("no such format", "没有这种格式"), choice(name, FORMATS))
    # Here and not when there is a report: what a format imports is loaded while openai is.
    render = renderer(name)
    if has_path and path.strip() != "-":
        if not path.strip():
            raise BadInput(
                f"-o {name}={path!r}",
                Text("it names no file", "没有写文件名"),
                Text(
                    f"write it as -o {name}=FILE, or -o {name} for stdout",
                    f"写成 -o {name}=文件，或用 -o {name} 输出到 stdout",
                ),
            )
        require_writable(f"-o {name}={path}", path)
        return Sink(
            name, screen(language, verbose=options.verbose, terminal=False, encoding=FOR_PROGRAMS), path, render
        )
    if name != USUAL:
        require_stdout()
        return Sink(
            name, screen(language, verbose=options.verbose, terminal=False, encoding=FOR_PROGRAMS), None, render
        )
    plugin = options.exit_style == "nagios"
    return Sink(name, stdout_screen(language, verbose=options.verbose, plugin=plugin), None, render)


def stdout_screen(language: Language, *, verbose: bool = False, plugin: bool = False) -> Screen:
    """The screen that stdout is: a terminal, or a pipe or file. Raises `BadInput` where it is closed."""
    require_stdout()
    encoding = sys.stdout.encoding or "utf-8"
    return screen(language, verbose=verbose, terminal=sys.stdout.isatty(), encoding=encoding, plugin=plugin)


def put_in_place(path: str, text: str) -> None:
    """Write beside the file and put it in its place; what is no regular file (a device, a pipe) is written to."""
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return
    target = os.path.realpath(path)
    handle, beside = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".bgecheck-")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(beside, _mode(target))
        os.replace(beside, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _mode(path: str) -> int:
    """The permissions of the file that is replaced, else those of a new file."""
    with suppress(OSError):
        return os.stat(path).st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def require_writable(given: str, path: str) -> None:
    """Refuse before the run what could not be written after it. Raises `BadInput`, which names what was `given`."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise _unwritable(given, Text("it is a folder", "它是一个目录"))
    if not os.path.isdir(folder):
        raise _unwritable(given, Text(f"no folder {folder}", f"目录 {folder} 不存在"))
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise _unwritable(given, Text("permission denied", "没有写权限"))


def write_text(given: str, path: str, text: str) -> None:
    """Write a file whole or not at all. Raises `BadInput`, which names what was `given`."""
    try:
        put_in_place(path, text)
    except OSError as error:
        raise unwritable_file(given, error) from error


def unwritable_file(given: str, error: OSError) -> BadInput:
    """The refusal for a file that could not be written."""
    return _unwritable(given, reason_of(error))


def _unwritable(given: str, why: Text) -> BadInput:
    return BadInput(
        given,
        Text(f"cannot be written ({why.en})", f"无法写入（{why.zh}）"),
        Text("name a file in a folder that exists and is yours to write", "换成一个可写目录下的文件"),
    )
