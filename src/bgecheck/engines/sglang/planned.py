"""What is to be launched: from the command as typed, from a file that holds it, or from a running server's line."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bgecheck.engines.base import Launch
from bgecheck.engines.launchfile.reading import STDIN, launches, launches_in, program_at
from bgecheck.engines.launchfile.unread import refuse_template, why_unread
from bgecheck.engines.launchfile.words import UnclosedQuote
from bgecheck.engines.planned import Configured, Form, Planned, Rival, Word, Written
from bgecheck.engines.sglang.arguments import faults, hidden_options, mended
from bgecheck.engines.sglang.launchline import EXAMPLE, NAMES, deciding, typed
from bgecheck.engines.sglang.options import HOST_OF_ALL, PORT
from bgecheck.engines.sglang.optionsfile import configured
from bgecheck.engines.sglang.releases import newest
from bgecheck.machine.containers import container_of
from bgecheck.model import BadInput, Secret, ServerProcess, Text
from bgecheck.model.hygiene import NAMED_LIKE_A_KEY
from bgecheck.model.target import DEFAULT_HOST, DEFAULT_PORT


def written(words: Sequence[str], form: Form = Form.LINE) -> Written:
    """A command given as words, on one line."""
    text, spelled = "", []
    for word in words:
        quoted = shlex.quote(word)
        start = len(text) + bool(text)
        text = f"{text} {quoted}" if text else quoted
        spelled.append(Word(word, start, start + len(quoted)))
    return Written(form=form, text=text, words=tuple(spelled), block=((0, len(text)),))


def planned_as_typed(words: Sequence[str]) -> Planned:
    """What the words behind `--` launch, the first of several. Raises `BadInput` where that is no server."""
    return all_as_typed(words)[0]


def all_as_typed(words: Sequence[str]) -> tuple[Planned, ...]:
    """What the words behind `--` launch, one or several. Raises `BadInput` where that is no server."""
    line = " ".join(words) if len(words) == 1 else shlex.join(words)
    try:
        commands = launches_in(written(words), _starts)
    except UnclosedQuote:
        raise _no_launch(line, Text("a quote has no end in it", "引号没有配对")) from None
    if not commands:
        why = why_unread(line, NAMES, typed=True) or Text("it does not launch sglang", "不是启动 sglang 的命令")
        raise _no_launch(line, why)
    for one in commands:
        refuse_template(" ".join(line.split())[:120], one.text, one.words[program_at(one, _starts) :])
    all_of_it = [planned(one, " ".join(typed(as_meant(one.words)).program[-3:])) for one in commands]
    return tuple(_told_apart(one) if len(all_of_it) > 1 else one for one in all_of_it)


def _no_launch(line: str, why: Text) -> BadInput:
    return BadInput(
        " ".join(line.split())[:120] or "--",
        why,
        Text(f"give the whole command: {EXAMPLE}", f"写完整的启动命令：{EXAMPLE}"),
    )


def planned_in(path: str) -> tuple[Planned, ...]:
    """What a file launches, one or several. Raises `BadInput`."""
    commands = launches(path, _starts, NAMES)
    all_of_it = [planned(one, f"{'stdin' if path == STDIN else path}:{one.line}") for one in commands]
    places = [one.place for one in all_of_it]
    all_of_it = [_told_apart(one) if places.count(one.place) > 1 else one for one in all_of_it]
    return tuple(replace(one, rival=_rival(one, all_of_it[:at])) for at, one in enumerate(all_of_it))


def _told_apart(one: Planned) -> Planned:
    """A launch with what it takes beside its place, where a loop or a function launches several there."""
    model = os.path.basename((one.model or "").rstrip("/"))
    port = f"{PORT} {one.options.get('port', one.port)}"
    return one if one.written.name else replace(one, place=f"{one.place} ({', '.join(filter(None, (model, port)))})")


def _rival(one: Planned, earlier: Sequence[Planned]) -> Rival | None:
    """A launch of the same file that still has the port when this one starts."""
    return next((rival for other in reversed(earlier) if (rival := _in_the_way(other, one))), None)


def _in_the_way(other: Planned, one: Planned) -> Rival | None:
    before, after = other.written, one.written
    if before.form is not after.form or before.text != after.text or not _run_together(before, after):
        return None
    theirs, own = _ports_of(other), _ports_of(one)
    taken = next((port for port, address in own for held, at in theirs if port == held and _meet(address, at)), None)
    return None if taken is None else Rival(other.place, taken, after.own_network or before.own_network)


def _run_together(before: Written, after: Written) -> bool:
    """Whether both run at once on one machine; pods with the network of their node may stand on two nodes."""
    if before.form is Form.COMPOSE:
        return not (before.allotted.profiles and after.allotted.profiles) or bool(
            before.allotted.profiles & after.allotted.profiles
        )
    if before.form is not Form.SCRIPT:
        return False
    end, begin = before.words[-1].end, after.words[0].start
    between = before.text[end:begin] if begin > end else before.text[end:].partition("\n")[0]  # two rounds of a loop
    detached = any(re.fullmatch(r"-[a-z]*d[a-z]*|--detach", word) for word in before.values) and before.contained
    return bool(detached or _BACKGROUND.match(between)) and not _BRANCH.search(between)


def _ports_of(one: Planned) -> list[tuple[int, str]]:
    """The ports of this machine that a launch takes, each with its address."""
    if one.written.own_network:
        ports = one.written.allotted.published or ()
        return [(port.outside, port.address or HOST_OF_ALL) for port in ports if port.outside is not None]
    return [] if "$" in one.options.get("port", "") else [(one.port, one.host)]


def _meet(first: str, second: str) -> bool:
    """Whether a port cannot be had at both addresses."""
    return first == second or HOST_OF_ALL in (first, second) or "::" in (first, second)


_BACKGROUND = re.compile(r"[^\n&]*(?:>&\d[^\n&]*)*&(?![&>\d])")
"""The rest of a command that the script does not wait for."""
_BRANCH = re.compile(r"^\s*(?:else|elif|esac|fi|kill|pkill|wait|\}|.*;;)", re.MULTILINE)
"""What parts commands of which only one may run, or that end the one before."""


def _starts(values: Sequence[str]) -> bool:
    return bool(typed(values).program)


def planned_of(server: ServerProcess) -> Planned:
    """What would be launched by the line of a running server."""
    inside = container_of(server.pid) is not None
    whole = replace(written(server.argv, Form.PROCESS), contained=inside, own_network=inside)
    launch = Launch(options=server.flags, program=typed(server.argv).program, environment=server.environment)
    return replace(_planned(whole, launch, f"pid {server.pid}", server.cwd), model_path=server.model_path)


def planned(command: Written, place: str) -> Planned:
    """What a command launches."""
    launch = typed(as_meant(command.words))
    environment = {**command.environment, **_assigned(command.values)}
    whole = Launch(options=launch.options, program=launch.program, environment=deciding(environment))
    return _planned(command, whole, place, command.folder or (None if command.contained else os.getcwd()))


def as_meant(words: Sequence[Word]) -> list[str]:
    """The words of a command without its faults, as far as they can be mended."""
    return mended(words, [fault.change for fault in faults(words, newest()) if fault.refused and fault.change])


def _assigned(words: Sequence[str]) -> dict[str, str]:
    """The variables that stand before a command."""
    assigned = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.isidentifier():
            assigned[name] = value
    return assigned


def _planned(command: Written, launch: Launch, place: str, folder: str | None) -> Planned:
    file = _configured(command, launch.options, folder)
    options = {**file.options, **launch.options} if file else launch.options
    model = options.get("model-path") or None
    return Planned(
        launch=launch,
        written=command,
        place=place,
        host=options.get("host") or DEFAULT_HOST,
        port=_port(options.get("port")),
        model=model,
        model_path=_here(model, command.mounts, folder, command.contained),
        served_name=options.get("served-model-name") or model,
        device=options.get("device") or None,
        api_key=_key(options.get("api-key")),
        configured=file,
        unknown=hidden_options(command.words, newest()),
    )


def _key(given: str | None) -> Secret | None:
    """The key of a line; the name of a variable that holds it is none, and is needed to paste the corrected line."""
    return Secret(given) if given and not re.fullmatch(r"\$\w+|\$\{\w+\}", given) else None


def _configured(command: Written, options: Mapping[str, str], folder: str | None) -> Configured | None:
    """The file of options that a line names; None without one, or where only a container has it."""
    path = options.get("config")
    here = _here(path, command.mounts, folder, command.contained) if path else None
    if path is None or here is None or (command.contained and here == path):
        return None
    return configured(here, folder)._replace(path=path)


def secrets(one: Planned) -> tuple[Secret, ...]:
    """What must not be shown of a launch beside its key: the values of variables that are named like one."""
    variables = {**one.written.environment, **_assigned(one.written.values)}
    given = (
        value for name, value in variables.items() if NAMED_LIKE_A_KEY.search(name) and len(value) >= _SHORTEST_KEY
    )
    admin = one.options.get("admin-api-key")
    return tuple(map(Secret, (*given, *([admin] if admin else ()))))


_SHORTEST_KEY = 6


def _port(text: str | None) -> int:
    return int(text) if text and text.isdigit() and 0 < int(text) < 65536 else DEFAULT_PORT


def _here(model: str | None, mounts: Mapping[str, str], folder: str | None, contained: bool) -> str | None:
    """A model's folder as this machine can open it; a hub id as it is; None for what only a container has."""
    if not model or "$" in model:
        return None
    inside = model.rstrip("/")
    for target, source in sorted(mounts.items(), key=lambda mount: -len(mount[0])):
        if inside == target or inside.startswith(f"{target.rstrip('/')}/"):
            return source + inside[len(target.rstrip("/")) :]
    if contained:
        return None if os.path.isabs(model) or model.startswith(".") else model
    whole = os.path.normpath(os.path.join(folder or "", os.path.expanduser(model)))
    return whole if os.path.isdir(whole) or model.startswith((".", "/", "~")) else model
