"""What a release refused in a launch line: the option and its value, what is allowed, and the nearest right one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from bgecheck.engines.base import Changes
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.engines.sglang.meant import FOREIGN, as_number, choice, nearest
from bgecheck.engines.sglang.options import written
from bgecheck.engines.sglang.releases import RENAMED, newest, releases
from bgecheck.model import Text, Words

_NOTHING = Text("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refused launch line."""

    variant: str
    """Which remedy fits, as the row names it."""
    option: str = ""
    """What was refused, as it was typed."""
    value: str = ""
    allowed: str = ""
    changes: Changes | None = None
    """What mends it; None where it cannot be known."""
    elsewhere: Text = _NOTHING
    """Which releases have the option, as a remark."""
    dropped: tuple[str, ...] = ()
    """Of several options those that nothing stands for."""


def refusal(session: Session, hit: Hit) -> Refusal | None:
    """What a line of the cause refuses; None where it names no option."""
    text = hit.text
    for pattern, read in _READERS:
        if match := pattern.search(text):
            return read(match, session)
    return _unset(hit) if "'NoneType'" in text else None


SETTLES = re.compile(r"/(?:server_args\w*|arg_groups/\w+)\.py\"")
"""What a frame of the code holds in which sglang settles its options."""

_COMPARED = re.compile(r"\b(?:self|server_args|args)\.([a-z_]+)")
"""An option in a line of sglang's own code."""


def _unset(hit: Hit) -> Refusal | None:
    """The option that was compared with a number though it was not given: by the line of code above the error."""
    if not hit.frames or not SETTLES.search(hit.frames[-1]):
        return None
    code = next((line for line in reversed(hit.before) if line.startswith("    ") and line.strip(" ^~")), "")
    if "gpu_mem" in code:
        return Refusal(
            variant="no-memory",
            option=f"--{_SHARE}",
            allowed=_ON_CPU[_SHARE],
            changes=_ON_CPU,
        )
    names = [name.replace("_", "-") for name in _COMPARED.findall(code)]
    name = next((name for name in names if (option := newest().option(name)) and not option.switch), None)
    return None if name is None else Refusal(variant="unset", option=f"--{name}")


_SHARE = "mem-fraction-static"
_ON_CPU = {_SHARE: "0.3"}
"""What a model of this size needs where sglang cannot ask the device for its memory."""


def values(session: Session, hit: Hit) -> dict[str, Words]:
    """What the texts of the row tell of a refusal."""
    refused = refusal(session, hit)
    if refused is None:
        return {}
    return {
        "option": refused.option,
        "value": refused.value,
        "allowed": refused.allowed,
        "elsewhere": refused.elsewhere,
        "instead": _instead(refused),
    }


def variant(session: Session, hit: Hit) -> str | None:
    """The remedy that fits."""
    refused = refusal(session, hit)
    return refused.variant if refused else None


def changes(session: Session, hit: Hit) -> Changes | None:
    """What mends the launch line."""
    refused = refusal(session, hit)
    return refused.changes if refused else None


def _instead(refused: Refusal) -> Text:
    """What stands in the corrected line in place of what was refused."""
    if refused.changes is None and refused.variant == "ambiguous":
        return Text(f"write one of {refused.allowed} in full", f"写全参数名：{refused.allowed} 之一")
    if refused.changes is None:
        return Text("take it out, or look it up in --help", "去掉它，或在 --help 里查正确写法")
    new = written(refused.changes)
    if not new:
        return Text(f"leave out {refused.option}", f"去掉 {refused.option}")
    gone = " ".join(f"--{name}" for name in refused.dropped)
    return Text(
        f"write {new} instead" + (f", and leave out {gone}" if gone else ""),
        f"改成 {new}" + (f"，并去掉 {gone}" if gone else ""),
    )


def _unknown(match: re.Match[str], session: Session) -> Refusal:
    """Options that the parser does not have, each with the values behind it; a value alone belongs to a switch."""
    words = match[1].split()
    if not words or not words[0].startswith("-"):
        return Refusal(variant="stray", option=match[1][:200], changes=_without_value(session, words))
    given: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-"):
            given[name] = [value] if equals else []
        else:
            list(given.values())[-1].append(word)
    changed: dict[str, str | None] = {}
    dropped = []
    for name, value in given.items():
        instead = nearest(name, " ".join(value))
        changed |= {name: None, **instead}
        dropped += [] if instead else [name]
    first = next(iter(given))
    return Refusal(
        variant="unknown",
        option=match[1][:200],
        changes=changed,
        elsewhere=_elsewhere(first) if len(given) == 1 else _NOTHING,
        dropped=tuple(dropped),
    )


def _elsewhere(name: str) -> Text:
    """The releases that have an option which this one refuses."""
    having = [release.version for release in releases() if name in release.options]
    if not having:
        return _NOTHING
    span = having[0] if len(having) == 1 else f"{having[0]} to {having[-1]}"
    return Text(f" (sglang {span} has it)", f"（sglang {span.replace(' to ', ' 到 ')} 才有这个参数）")


def _without_value(session: Session, words: Sequence[str]) -> Changes | None:
    """The switch that a stray value stood behind, alone; off where the value says so."""
    if not session.command:
        return None
    line = list(session.command)
    for word in words:
        at = line.index(word) if word in line else 0
        if at and line[at - 1].startswith("--"):
            name = line[at - 1].lstrip("-")
            return {name: None if word.lower() in ("false", "0", "no") else ""}
    return None


def _choice(match: re.Match[str], session: Session) -> Refusal:
    name, value, allowed = _long(match[1]), match[2], re.findall(r"[\w.+-]+", match[3])
    meant = choice(name, value, allowed)
    return Refusal(
        variant="choice",
        option=f"--{name}",
        value=value,
        allowed=", ".join(allowed[:40]),
        changes=None if meant is None else {name: meant},
    )


def _type(match: re.Match[str], session: Session) -> Refusal:
    name, kind, value = _long(match[1]), match[2], match[3]
    number = as_number(value, kind)
    allowed = "0.88" if kind == "float" else "8192"
    return Refusal(
        variant="type",
        option=f"--{name}",
        value=value,
        allowed=allowed,
        changes=None if number is None else {name: number},
    )


def _no_value(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(variant="missing", option=f"--{_long(match[1])}")


def _switch(match: re.Match[str], session: Session) -> Refusal:
    name, value = _long(match[1]), match[2]
    off = value.lower() in ("false", "0", "no", "off")
    return Refusal(variant="switch", option=f"--{name}", value=value, changes={name: None if off else ""})


def _ambiguous(match: re.Match[str], session: Session) -> Refusal:
    typed, _, value = match[1].lstrip("-").partition("=")
    names = re.findall(r"--([\w-]+)", match[2])
    meant = next((name for name in (*RENAMED.get(typed, ()), *names) if name in names), None)
    given = value or _value_in(session.command, typed)
    if typed in FOREIGN:
        return Refusal(
            variant="ambiguous",
            option=f"--{typed}",
            allowed=", ".join(f"--{name}" for name in names[:20]),
            changes={typed: None, **nearest(typed, given or "")},
        )
    if given is None and all((option := newest().option(name)) and option.switch for name in names):
        meant, given = names[0], ""
    changed: dict[str, str | None] | None = None
    if meant is not None and given is not None:
        changed = {typed: None, meant: given}
    return Refusal(
        variant="ambiguous",
        option=f"--{typed}",
        allowed=", ".join(f"--{name}" for name in names[:20]),
        changes=changed,
    )


def _value_in(command: Sequence[str], name: str) -> str | None:
    """The value that stands behind an option in a command; None where the command is not known."""
    if f"--{name}" not in command:
        return None
    behind = command[command.index(f"--{name}") + 1 :]
    return behind[0] if behind and not behind[0].startswith("--") else ""


def _required(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(variant="required", option=match[1].split("/")[0])


def _context(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(
        variant="context",
        option="--context-length",
        value=match[1],
        allowed=match[2],
        changes={"context-length": None},
    )


def _heads(match: re.Match[str], session: Session) -> Refusal | None:
    heads, cards = int(match[1]), int(match[2])
    if cards < 2:
        return None
    fewer = next((n for n in range(cards - 1, 0, -1) if heads % n == 0), gcd(heads, cards))
    return Refusal(
        variant="heads", option="--tp-size", value=str(cards), allowed=str(heads), changes={"tp-size": str(fewer)}
    )


def _quantization(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(
        variant="quantization",
        option="--quantization",
        value=match[2],
        allowed=match[1],
        changes={"quantization": None},
    )


def _host(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(variant="host", option="--host", value=match[1], changes={"host": "0.0.0.0"})


def _blank_host(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(variant="blank-host", option="--host", changes={"host": "0.0.0.0"})


def _colon(match: re.Match[str], session: Session) -> Refusal:
    name = session.argument("served_model_name") or _value_in(session.command, "served-model-name") or ""
    return Refusal(
        variant="colon",
        option="--served-model-name",
        value=name,
        changes={"served-model-name": name.replace(":", "-")} if name else None,
    )


def _long(typed: str) -> str:
    """The option of a message, which may list all names of one: `--model-path/--model`."""
    names = [name.lstrip("-") for name in typed.split("/")]
    return next((name for name in names if name in newest().options and newest().options[name].name == name), names[0])


_READERS = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (r"error: unrecognized arguments: (.+)", _unknown),
        (r"No such option: (--\S+)", _unknown),
        (r"error: ambiguous option: (--\S+) could match (.+)", _ambiguous),
        (r"error: argument (-\S+): invalid choice: '?([^'\s]*)'? \(choose from (.+)\)", _choice),
        (r"error: argument (-\S+): invalid (\w+) value: '([^']*)'", _type),
        (r"error: argument (-\S+): expected (?:one|at least one|\d+) arguments?", _no_value),
        (r"error: argument (-\S+): ignored explicit argument '([^']*)'", _switch),
        (r"error: (?:the following arguments are required: |one of the arguments )(--\S+)", _required),
        (r"User-specified context_length \((\d+)\) is greater than the derived context_length \((\d+)\)", _context),
        (r"AssertionError: (\d+) is not divisible by (\d+)", _heads),
        (r"in the model config \((\w+)\) does not match .{0,80}argument \((\w+)\)", _quantization),
        (r"attempting to bind on address \('([^']*)', \d+\): (?:\[[^\]]*\] )?(?:cannot|can't) assign", _host),
        (r"Invalid URL '(https?)://:\d+/", _blank_host),
        (r"served_model_name cannot contain a colon", _colon),
    )
)
"""How each message is read."""
