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
from bgecheck.engines.sglang.releases import RENAMED, is_json, newest, releases
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
    if "JSONDecodeError" in text:
        return _no_json(session)
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


IN_JSON = re.compile(
    r"json\.loads\((?:\w+\.)*(?:json_)?"
    r"(?:model_override_args|model_loader_extra_config|preferred_sampling_params|storage_backend_extra_config)\)"
)
"""The line of sglang's own code that reads an option whose value is JSON."""

_JSON_OPTIONS = (
    "json-model-override-args",
    "model-loader-extra-config",
    "preferred-sampling-params",
    "hicache-storage-backend-extra-config",
)


def _no_json(session: Session) -> Refusal | None:
    """The first option whose value should be JSON and is none."""
    for name in _JSON_OPTIONS:
        value = session.argument(name.replace("-", "_")) or _value_in(session.command, name)
        if value and value != "None" and not is_json(value):
            return Refusal(variant="json", option=f"--{name}", value=value[:200])
    return None


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
        "path": refused.value if refused.variant == "file" else "",
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


def _family(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(variant="family", option="--host", value=match[1], changes={"host": "0.0.0.0"})


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


_KEPT = frozenset({"disable-radix-cache", "is-embedding", "api-key"})
"""Of two options that exclude each other the one that an embedding server needs, or that guards it."""


def _together(match: re.Match[str], session: Session) -> Refusal:
    """Two options that exclude each other: the one that the message names first goes, unless it is needed."""
    gone, stays = (match[n].lstrip("-").replace("_", "-") for n in (1, 2))
    if gone in _KEPT:
        gone, stays = stays, gone
    return Refusal(variant="together", option=f"--{gone}", value=f"--{stays}", changes={gone: None})


def _needs(match: re.Match[str], session: Session) -> Refusal:
    """An option that is taken only with another one, which is added where its value is known."""
    option, needed, value = match[1], match[2].lstrip("-"), match[3]
    taken = newest().option(needed)
    switch = taken is not None and taken.switch
    several = re.match(r" (?:and|or) --", match.string[match.end() :])
    changes = {needed: value or ""} if (switch or value) and not several else None
    return Refusal(
        variant="needs" if changes else "needs-value",
        option=option,
        value=written({needed: value or ""}),
        changes=changes,
    )


def _pages(match: re.Match[str], session: Session) -> Refusal:
    """A chunk that is no whole number of pages: it is rounded up, or off where an encoder's texts must not be cut."""
    page, chunk = (_whole(session.argument(name)) for name in ("page_size", "chunked_prefill_size"))
    size = None if page is None or chunk is None else str(-(-chunk // page) * page)
    if session.encoder is not None:
        size = "-1"
    return Refusal(
        variant="pages",
        option="--chunked-prefill-size",
        value=str(chunk or ""),
        allowed=str(page or "--page-size"),
        changes=None if size is None else {"chunked-prefill-size": size},
    )


def _nodes(match: re.Match[str], session: Session) -> Refusal:
    """Cards that cannot be dealt out to the machines evenly: as many as there are machines at least."""
    nodes, cards = (_whole(session.argument(name)) for name in ("nnodes", "tp_size"))
    fitting = None if nodes is None or cards is None else max(cards // nodes, 1) * nodes
    return Refusal(
        variant="nodes",
        option="--tp-size",
        value=str(cards or ""),
        allowed=str(nodes or "--nnodes"),
        changes=None if fitting is None else {"tp-size": str(fitting)},
    )


def _whole(argument: str | None) -> int | None:
    return int(argument) if argument is not None and re.fullmatch(r"[1-9]\d{0,8}", argument) else None


def _no_file(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(variant="file", option=match[2], value=match[1])


def _no_template(match: re.Match[str], session: Session) -> Refusal:
    name = f"{match[1].lower()}-template"
    return Refusal(variant="template", option=f"--{name}", value=match[2], changes={name: None})


def _no_options(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(variant="file", option="--config", value=match[1])


def _no_yaml(match: re.Match[str], session: Session) -> Refusal:
    return Refusal(variant="yaml", option="--config", value=match[1])


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
        (r"attempting to bind on address \('([^']*)', \d+.*address family not supported", _family),
        (r"Invalid URL '(https?)://:\d+/", _blank_host),
        (r"served_model_name cannot contain a colon", _colon),
        (r"arguments ([\w-]+) and ([\w-]+) are mutually exclusive", _together),
        (r"(--[\w-]+) and (--[\w-]+) are mutually exclusive", _together),
        (r"Cannot (?:enable|set) (?:both )?(--[\w-]+) and (--[\w-]+)", _together),
        (r"(--[\w-]+) is incompatible with (--[\w-]+)", _together),
        (r"Error: (--[\w-]+)(?: \w+)? (?:currently )?requires (--[\w-]+)(?:[= ](-?\d+)\b)?", _needs),
        (r"chunked_prefill_size must be divisible by page_size", _pages),
        (r"tp_size must be divisible by number of nodes", _nodes),
        (r"SSL [\w ]+ file not found: '([^']*)'\. Please check the (--[\w-]+) path", _no_file),
        (r"(Chat|Completion) template (.*?) is not a built-in template name", _no_template),
        (r"Config file not found: (\S+)", _no_options),
        (r"Config file must be YAML format, got: (\S*)", _no_yaml),
    )
)
"""How each message is read."""
