"""What a release refused in a launch line: the option and its value, what is allowed, and the nearest right one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import gcd

from bgecheck.engines.base import Changes
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.engines.sglang.options import written
from bgecheck.engines.sglang.releases import RENAMED, Release, newest, releases
from bgecheck.model import Text, Words

FOREIGN: Mapping[str, tuple[str, str | None]] = {
    "max-batch-size": ("max-running-requests", None),
    "batch-size": ("max-running-requests", None),
    "max-concurrent-requests": ("max-running-requests", None),
    "max-num-seqs": ("max-running-requests", None),
    "max-num-batched-tokens": ("max-prefill-tokens", None),
    "max-batch-tokens": ("max-prefill-tokens", None),
    "gpu-memory-utilization": ("mem-fraction-static", None),
    "max-model-len": ("context-length", None),
    "max-seq-len": ("context-length", None),
    "max-length": ("context-length", None),
    "model-id": ("model-path", None),
    "model-name": ("served-model-name", None),
    "tokenizer": ("tokenizer-path", None),
    "task": ("is-embedding", ""),
    "runner": ("is-embedding", ""),
    "convert": ("is-embedding", ""),
    "embedding": ("is-embedding", ""),
    "embeddings": ("is-embedding", ""),
    "enforce-eager": ("disable-cuda-graph", ""),
    "no-enable-prefix-caching": ("disable-radix-cache", ""),
    "no-enable-chunked-prefill": ("chunked-prefill-size", "-1"),
    "fp16": ("dtype", "half"),
    "half": ("dtype", "half"),
    "bf16": ("dtype", "bfloat16"),
    "num-gpus": ("tp-size", None),
    "num-gpu": ("tp-size", None),
    "gpu-id": ("base-gpu-id", None),
    "device-id": ("base-gpu-id", None),
    "block-size": ("page-size", None),
    "disable-flashinfer": ("attention-backend", "triton"),
    "enable-flashinfer": ("attention-backend", "flashinfer"),
}
"""Options of vLLM, text-embeddings-inference, FastChat and of guides, and sglang's; a value of its own, or the one given."""

_VALUES = {"fp16": "half", "bf16": "bfloat16", "fp32": "float32", "f16": "half", "f32": "float32", "float": "float32"}
"""Names of dtypes that other programs have."""

_BACKENDS = {
    "flash_attn": "fa3",
    "flash_attention": "fa3",
    "flash_attention_2": "flashinfer",
    "fa2": "flashinfer",
    "sdpa": "torch_native",
    "torch": "torch_native",
    "xformers": "triton",
    "eager": "torch_native",
}
"""Names of attention kernels that other programs have: the nearest in spelling is of another kind of model."""

_SIZES = {"k": 1000, "K": 1024, "Ki": 1024, "m": 1000**2, "M": 1024**2}


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
    return None


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
        nearest = _nearest(name, " ".join(value))
        changed |= {name: None, **nearest}
        dropped += [] if nearest else [name]
    first = next(iter(given))
    return Refusal(
        variant="unknown",
        option=match[1][:200],
        changes=changed,
        elsewhere=_elsewhere(first) if len(given) == 1 else _NOTHING,
        dropped=tuple(dropped),
    )


def _nearest(name: str, value: str) -> dict[str, str]:
    """The option that was meant, with its value; nothing where none is near."""
    release = next((r for r in reversed(releases()) if r.option(name) is None), newest())
    plain = name.replace("_", "-").lower()
    if plain in FOREIGN:
        meant, own = FOREIGN[plain]
        return _accepted(release, meant, value if own is None else own)
    candidates = [*RENAMED.get(plain, ()), *get_close_matches(plain, release.options, n=3, cutoff=0.85)]
    for candidate in candidates:
        if accepted := _accepted(release, candidate, value):
            return accepted
    return {}


def _accepted(release: Release, name: str, value: str) -> dict[str, str]:
    option = release.option(name)
    if option is None:
        return {}
    if option.switch:
        return {name: ""} if value.lower() not in ("false", "0", "no") else {}
    return {name: value} if option.takes(value) else {}


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
    plain = value.lower().replace("-", "_")
    near = [_BACKENDS.get(plain, "triton")] if name.endswith("attention-backend") else _near(value, allowed)
    meant = next((each for each in (_VALUES.get(plain), *near) if each in allowed), None)
    return Refusal(
        variant="choice",
        option=f"--{name}",
        value=value,
        allowed=", ".join(allowed[:40]),
        changes=None if meant is None else {name: meant},
    )


def _near(value: str, allowed: Sequence[str]) -> list[str]:
    plain = {re.sub(r"[\W_]", "", each.lower()): each for each in allowed}
    close = get_close_matches(re.sub(r"[\W_]", "", value.lower()), plain, n=1, cutoff=0.5)
    return [plain[each] for each in close]


def _type(match: re.Match[str], session: Session) -> Refusal:
    name, kind, value = _long(match[1]), match[2], match[3]
    number = _as_number(value, kind)
    allowed = "0.88" if kind == "float" else "8192"
    return Refusal(
        variant="type",
        option=f"--{name}",
        value=value,
        allowed=allowed,
        changes=None if number is None else {name: number},
    )


def _as_number(value: str, kind: str) -> str | None:
    """A number as people write it, as the parser takes it."""
    decimal = kind == "float" and re.fullmatch(r"\d*,\d+", value.strip())
    text = value.strip().replace(",", "." if decimal else "").replace(" ", "")
    if percent := re.fullmatch(r"(\d+(?:\.\d+)?)%", text):
        return f"{float(percent[1]) / 100:g}" if kind == "float" else None
    if size := re.fullmatch(r"(\d+)(k|K|Ki|m|M)(?:i?B)?", text):
        return str(int(size[1]) * _SIZES[size[2]]) if kind != "float" else None
    if kind != "float" and re.fullmatch(r"\d+\.0+", text):
        return text.partition(".")[0]
    return text if re.fullmatch(r"-?\d+" if kind != "float" else r"-?\d*\.?\d+", text) and text != value else None


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
            changes={typed: None, **_nearest(typed, given or "")},
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
        (r"served_model_name cannot contain a colon", _colon),
    )
)
"""How each message is read."""
