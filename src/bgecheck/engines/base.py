"""What a check asks of an engine: its pages, the settings of a running server, and its launch line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from bgecheck.model import Shell, Text, Words


class Setting(NamedTuple):
    """One setting of the running server and its source: a page, its log, its command line."""

    value: Any
    source: Words

    def label(self, name: str) -> Text:
        """The setting's name with its source, as the subject of evidence."""
        return Text(f"{name} in {{place}}", f"{{place}} 的 {name}").filled({"place": self.source})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Paths of an engine's pages, below the server's root; of several names for one page the newest first."""

    model: tuple[str, ...]
    """About the model: its folder, served name and architecture."""
    settings: tuple[str, ...]
    """About the settings, the key among them."""
    health: tuple[str, ...]
    """Cheap to ask, and without effect; some compute a text."""
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


class Engine(Protocol):
    """An engine as checks see it. The module `engines.sglang.engine` is one."""

    PAGES: Pages

    def parse_launch(self, argv: Sequence[str]) -> dict[str, str] | None:
        """The launch options by long name, None where a command line starts something else."""

    def settings(self, sources: Sources) -> dict[str, Setting]:
        """The settings that decide what a vector is, each from its surest source."""

    def launch_line(self, options: Mapping[str, str], changed: Mapping[str, str | None]) -> Shell:
        """The command that starts the server anew with what is wrong put right, its keys as variables."""

    def changes(self, options: Mapping[str, str], changed: Mapping[str, str | None]) -> str:
        """The options of that command that are new or have another value."""
