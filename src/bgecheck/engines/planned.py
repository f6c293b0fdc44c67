"""A launch that is planned: the command as it stands in its file, and what it will start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from bgecheck.engines.allotted import Allotted
from bgecheck.engines.base import Launch
from bgecheck.model import Secret, Text


class Form(str, Enum):
    """What a launch command is written in."""

    LINE = "command line"
    SCRIPT = "shell script"
    COMPOSE = "docker-compose"
    KUBERNETES = "Kubernetes manifest"
    SYSTEMD = "systemd unit"
    DOCKERFILE = "Dockerfile"
    SUPERVISOR = "supervisord"
    PROCESS = "process"

    def __str__(self) -> str:
        return self.value

    @property
    def words(self) -> Text:
        """Its name in both languages."""
        return Text(self.value, _IN_CHINESE.get(self, self.value))


_IN_CHINESE = {
    Form.LINE: "命令行",
    Form.SCRIPT: "shell 脚本",
    Form.KUBERNETES: "Kubernetes 清单",
    Form.SYSTEMD: "systemd 单元",
    Form.PROCESS: "进程",
}
"""Where it has another name."""


class Spelling(str, Enum):
    """How a word of a command is written in its file."""

    SHELL = "shell"
    SYSTEMD = "systemd"
    JSON = "json"
    """An item of a list in brackets, quoted."""
    ITEM = "item"
    """An item of a list of YAML, on a line of its own."""
    STRING = "string"
    """All words of the command in one quoted string, with escapes in it."""


CUT = "\\\n"
"""The value of a word that is no word: a backslash at the end of a line, with blanks behind it, ends the command."""


class Word(NamedTuple):
    """One word of a command."""

    value: str
    """As the program gets it; what a variable holds that is not known here stands as `$NAME`."""
    start: int
    end: int
    """Where it stands in the text, quotes included."""
    spelling: Spelling = Spelling.SHELL
    open: bool = False
    """Whether it holds a variable that is not known here."""
    bare: bool = False
    """Whether it stands without quotes where YAML takes it for a number or a truth value."""


class Placeholders(NamedTuple):
    """What the program that reads a file replaces in a command before it runs it: `%(ENV_PORT)s`, `%i`."""

    pattern: re.Pattern[str]
    known: Mapping[str, str] = {}
    """By name, which is the first group that has matched."""

    def value(self, place: re.Match[str]) -> tuple[str, bool]:
        """What stands in one's place, and whether it is not known; then it is `$NAME`, as every unknown variable."""
        name = next((group for group in place.groups() if group), "")
        width = int(place.groupdict().get("width") or 0)
        return (self.known[name].zfill(width), False) if name in self.known else (f"${name}", True)


class Change(NamedTuple):
    """One change of a command, with its reason."""

    at: tuple[int, ...]
    """The words that go, by their numbers; none where new ones are added at the end."""
    new: tuple[str, ...]
    """The words that stand in their place."""
    reason: Text


class CutOff(NamedTuple):
    """Options on a line that is a command of its own, because a remark or an empty line has ended the one above."""

    line: int
    typed: str
    """Its first word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A command as it stands in a text."""

    form: Form
    text: str = field(repr=False)
    """All of the file."""
    words: tuple[Word, ...] = field(repr=False)
    """What runs, wrappers and program included; never to be printed unredacted."""
    block: tuple[tuple[int, int], ...]
    """The parts of the text that the command takes, whole lines: one, or two where program and options stand apart."""
    line: int = 1
    """Where it begins, counted from 1."""
    name: str | None = None
    """Of the service, container or program, where the file has one."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables that the file sets for it."""
    folder: str | None = None
    """Where it is run, where the file says so."""
    mounts: Mapping[str, str] = field(default_factory=dict)
    """Folders of this machine by the path that a container has for them."""
    contained: bool = False
    """Whether it runs in a container: its paths and interpreter are not those of this machine."""
    image: str | None = None
    """The container's image, where the file names it."""
    own_network: bool = False
    """Whether that container has a network of its own, in which 127.0.0.1 is nobody else's."""
    allotted: Allotted = field(default_factory=Allotted)
    """What the file gives it beside the command."""
    placeholders: Placeholders | None = field(default=None, repr=False)
    """What is replaced in it before it runs."""
    user: str | None = None
    """The user of this machine that it is run as, where the file or the command names one."""
    cut_off: tuple[CutOff, ...] = ()
    """Lines below it that were meant to belong to it."""
    unread: tuple[int, ...] = ()
    """Lines of its file that name the engine's program and stand in no command that was read."""

    def stands_open(self, at: int) -> bool:
        """Whether a word's value can be read in its place, and not only by who has the variable that holds it."""
        word = self.words[at]
        value = word.value.partition("=")[2] if word.value.startswith("--") else word.value
        elsewhere = self.form is Form.COMPOSE and value not in self.text[word.start : word.end]
        return not word.open and not elsewhere

    @property
    def values(self) -> tuple[str, ...]:
        """The words as the program gets them."""
        return tuple(word.value for word in self.words)


class Entry(NamedTuple):
    """One option of a file of options."""

    words: tuple[str, ...]
    """As they would stand on a command line; never to be printed unredacted."""
    line: int


class Configured(NamedTuple):
    """The file of options that a launch line names."""

    path: str
    entries: tuple[Entry, ...] = ()
    why: Text | None = None
    """Why the start ends because of it; None where it does not."""
    whole: bool = True
    """Whether it was read."""
    options: Mapping[str, str] = {}
    """By long name, as those of the line, which are stronger."""


class Rival(NamedTuple):
    """Another launch that takes the same port."""

    place: str
    """Where it stands."""
    port: int
    published: bool = False
    """Whether it is the port that a container has on this machine, not that on which its server listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is to be launched. `doctor` has none."""

    launch: Launch
    """Options by long name, the words before them, and the variables that decide what starts."""
    written: Written
    place: str
    """Where the command stands, as it is shown: `serve.sh:12`, `pid 812`, `the command line`."""
    host: str
    """Where it will listen; sglang's default where nothing says it."""
    port: int
    model: str | None
    """As the line names it: a folder or a hub id."""
    model_path: str | None
    """The model's folder as this machine can open it, else the hub id; None where neither is known."""
    served_name: str | None
    device: str | None
    api_key: Secret | None
    configured: Configured | None = None
    """The file of options that its line names, where this machine has it."""
    interpreter: str | None = None
    """The program of this machine whose environment it will run with; None where that is not known."""
    unknown: str | None = None
    """A word of its line that may hold options, and is not known here: `$EXTRA`, `"$@"`, `$(cat options)`."""
    rival: Rival | None = None
    """Another launch of the same file that takes the same port of this machine."""
    version: str | None = None
    """sglang's release, where it is known."""
    version_source: Text | None = None
    """Where that is known from."""

    @property
    def options(self) -> Mapping[str, str]:
        """Launch options by long name, those of its file of options among them; a switch is `""`."""
        return {**self.configured.options, **self.launch.options} if self.configured else self.launch.options

    def may_stand_in(self, name: str) -> str | None:
        """The word of its line, not known here, that may hold an option which it does not give; None without one."""
        return None if name in self.options else self.unknown

    @property
    def contained(self) -> bool:
        """Whether it will run in a container."""
        return self.written.contained
