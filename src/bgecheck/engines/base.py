"""What a check asks of an engine: its pages, the settings of a running server, and its launch line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from bgecheck.model import ServerProcess, Shell, Text, Words


class Setting(NamedTuple):
    """One setting of the running server and its source: a page, its log, its command line."""

    value: Any
    source: Words

    def label(self, name: str) -> Text:
        """The setting's name with its source, as the subject of evidence."""
        place = self.source.zh if isinstance(self.source, Text) else self.source
        gap = " " if place.isascii() or place[-1:].isascii() else ""
        return Text(f"{name} in {{place}}", f"{{place}}{gap}的 {name}").filled({"place": self.source})


PROBE_MARK = "bgecheck=probe"
"""In the query of a request that is made to see whether it is refused: access logs show it, servers pass over it."""

DEMO_MARK = "bgecheck_demo"
"""Set in `/model_info` by the demo server, whose vectors have no meaning and come of no weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Paths of an engine's pages, below the server's root; of several names for one page the newest first."""

    model: tuple[str, ...]
    """About the model: its folder, served name and architecture."""
    settings: tuple[str, ...]
    """About the settings, the key among them."""
    health: tuple[str, ...]
    """Cheap to ask, and without effect; some compute a text."""
    owner: str
    """What its model list says of who serves."""
    at_once: Callable[[Mapping[str, Any], Mapping[str, str] | None], int | None] = lambda page, options: None
    """How many texts are computed at once, by the page about the settings, else by the launch options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where settings can be read, as far as each is there; payloads are JSON objects, empty where there is none."""

    model_page: Mapping[str, Any]
    settings_page: Mapping[str, Any]
    options: Mapping[str, str] | None
    """Launch options by long name; None where no command line can be seen."""
    logged: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a server was started, as far as it can be seen: what its corrected launch line is built from."""

    options: Mapping[str, str]
    """By long name without dashes; a switch has the value `""`."""
    program: tuple[str, ...] = ()
    """The words before the options; empty where they cannot be seen."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that decide what starts, as the visible GPUs; never a key."""


Changes = Mapping[str, str | None]
"""Launch options by long name with their new values, `""` for a switch, None for one to leave out."""


class Engine(Protocol):
    """An engine as checks see it. The module `engines.sglang.engine` is one."""

    PAGES: Pages

    def parse_launch(self, argv: Sequence[str]) -> dict[str, str] | None:
        """The launch options by long name, None where a command line starts something else."""

    def settings(self, sources: Sources) -> dict[str, Setting]:
        """The settings that decide what a vector is, each from its surest source."""

    def launch_of(self, server: ServerProcess) -> Launch:
        """How a running server was started."""

    def stop(self, server: ServerProcess) -> Shell:
        """The command that stops a running server."""

    def place(self, server: ServerProcess) -> Text:
        """Where its launch line stands, as a remark behind what is changed."""

    def changes_in_words(self, changed: Changes) -> Text:
        """What is changed in a launch line, as what a restart is done with."""

    def encoder_changes(self, options: Mapping[str, str]) -> Changes:
        """What a bidirectional encoder needs and these options lack."""

    def launch_line(self, launch: Launch, changed: Changes) -> Shell:
        """The command that starts the server anew with these options changed, its keys as variables."""
