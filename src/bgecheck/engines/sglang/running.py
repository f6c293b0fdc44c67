"""What a running server says of how it computes: release, device, attention backend, dtype, texts at a time."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from bgecheck.engines.base import Changes, Launch
from bgecheck.engines.sglang.launchline import parse_launch
from bgecheck.engines.sglang.options import changes_in_words
from bgecheck.engines.sglang.relaunch import launch_line

_LATCHES = frozenset({(0, 5, 10)})
"""Releases whose scheduler takes a full batch of a model that only prefills for unfinished (sglang #22518, #23138)."""


_USUAL = 1024
"""Texts at once that no client fills by itself; without the option they are 2048 or more."""


BOTH_WAYS_BACKENDS = frozenset({"triton", "torch_native"})
"""Attention backends that looked both ways in every release read."""


class Running(NamedTuple):
    """The settings that the rows of vectors look at, each None where nobody tells it."""

    version: str | None = None
    device: str | None = None
    backend: str | None = None
    """The attention backend that computes a prefill, which is all that an embedding is."""
    dtype: str | None = None
    most_at_once: int | None = None
    """Texts that one scheduler computes at the same time (`max_running_requests`)."""
    overlaps: bool | None = None
    """Whether a batch is prepared while the one before it is computed, as it is unless switched off."""
    options: Mapping[str, str] | None = None
    """Launch options by long name; None where no command line can be seen."""
    keeps_prefixes: bool | None = None
    """Whether what was computed of a text's beginning is kept for another text, as it is unless switched off."""

    @property
    def release(self) -> tuple[int, int, int] | None:
        """The release as numbers, without its suffix."""
        parts = re.match(r"v?(\d+)\.(\d+)\.(\d+)", self.version or "")
        return (int(parts[1]), int(parts[2]), int(parts[3])) if parts else None

    @property
    def hangs_when_full(self) -> bool:
        """Whether more texts than `most_at_once` stop this server for good."""
        return self.may_hang_when_full and self.release in _LATCHES

    @property
    def may_hang_when_full(self) -> bool:
        """Whether a server of which no text is answered any more may have stopped at a full batch."""
        if self.most_at_once is None or self.most_at_once >= _USUAL or self.overlaps is False:
            return False
        return self.release is None or self.release <= max(_LATCHES)

    def restarted(self, changed: Changes) -> dict[str, Any]:
        """The values of a row that is mended by other options: `{changes}`, and where they are known the whole line."""
        changes = {"changes": changes_in_words(changed)}
        if self.options is None:
            return changes
        return changes | {"launch_line": launch_line(Launch(options=self.options), changed)}


UNTOLD = Running()
"""Of a server that tells nothing."""


def backend_for(device: str | None) -> str:
    """An attention backend that looks both ways on a device: triton on CUDA and ROCm alone, as where none is told."""
    return "triton" if device in (None, "cuda") else "torch_native"


def running(page: Mapping[str, Any], options: Mapping[str, str] | None = None) -> Running:
    """From the page about the settings, else from the command line."""
    typed = options if options is not None else reported_options(page)
    backend = _word(page, "prefill_attention_backend") or _word(page, "attention_backend")
    given = typed or {}
    return Running(
        version=_word(page, "version"),
        device=_word(page, "device") or given.get("device"),
        backend=backend or given.get("prefill-attention-backend") or given.get("attention-backend"),
        dtype=_word(page, "dtype") or given.get("dtype"),
        most_at_once=most_at_once(page, typed),
        overlaps=_is_on(page, typed, "disable-overlap-schedule"),
        options=typed,
        keeps_prefixes=_is_on(page, typed, "disable-radix-cache"),
    )


def _is_on(page: Mapping[str, Any], options: Mapping[str, str] | None, switch: str) -> bool | None:
    """Whether what a switch turns off is on."""
    switched_off = page.get(switch.replace("-", "_"))
    if isinstance(switched_off, bool):
        return not switched_off
    return None if options is None else switch not in options


def most_at_once(page: Mapping[str, Any], options: Mapping[str, str] | None = None) -> int | None:
    """Texts that one scheduler computes at the same time: a rank's part where several share them."""
    states = page.get("internal_states")
    first = states[0] if isinstance(states, list) and states and isinstance(states[0], Mapping) else {}
    if (effective := _count(first.get("effective_max_running_requests_per_dp"))) is not None:
        return max(1, effective // _ranks(page, options, ("pp_size",)))
    whole = _count(page.get("max_running_requests"))
    if whole is None:
        whole = _count(_number((options or {}).get("max-running-requests")))
    return None if whole is None else max(1, whole // _ranks(page, options, ("dp_size", "pp_size")))


def _ranks(page: Mapping[str, Any], options: Mapping[str, str] | None, names: tuple[str, ...]) -> int:
    ranks = 1
    for name in names:
        typed = _number((options or {}).get(name.replace("_", "-")))
        ranks *= _count(page.get(name)) or _count(typed) or 1
    return ranks


def reported_options(page: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The launch options by long name that the page about the settings repeats; None where it does not."""
    line = page.get("launch_command")
    if not isinstance(line, str):
        return None
    try:
        return parse_launch(shlex.split(line))
    except ValueError:
        return None


def _word(page: Mapping[str, Any], name: str) -> str | None:
    value = page.get(name)
    return value if isinstance(value, str) and re.fullmatch(r"[\w.+-]{1,60}", value) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else None
