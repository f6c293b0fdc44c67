"""Which servers a command is about: those of its options, else the targets of the file, else what runs here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from bgecheck.cli.blank import SOURCES, is_typed, source
from bgecheck.cli.configfile.finding import KEY_VARIABLE, NAME
from bgecheck.cli.nearest import nearest
from bgecheck.cli.options import CONFIG, RunOptions, TargetOptions, given
from bgecheck.http.address import parse_url
from bgecheck.model import BadInput, Text

if TYPE_CHECKING:
    from bgecheck.cli.configfile.meaning import Config

_OF_ONE = ("pid", "log")
"""Options that can only mean one server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One server to look at, and how."""

    name: str | None = None
    options: TargetOptions
    run: RunOptions


def subjects(ctx: typer.Context) -> list[Subject]:
    """The servers that are meant, at least one. Raises `BadInput`."""
    options, run = given(TargetOptions, ctx), given(RunOptions, ctx)
    if ctx.params.get("every"):
        return [Subject(options=_of_machine(ctx, options), run=run)]
    if targets := _targets(ctx):
        the_file = ctx.meta[CONFIG]
        chosen = [_of_file(ctx, the_file, number, options, run) for number in targets]
    else:
        urls = _urls(ctx)
        chosen = [Subject(options=replace(options, url=url), run=run) for url in urls or (options.url,)]
    if len(chosen) > 1:
        _require_for_each(ctx)
    return chosen


def _of_machine(ctx: typer.Context, options: TargetOptions) -> TargetOptions:
    """The options of `--all`: the file's server is not meant. Raises `BadInput` where another option names one."""
    if any(_is_asked(ctx, name) for name in ("url", "pid", "named")):
        raise BadInput(
            "--all",
            Text("it excludes --url, --pid and --target", "不能与 --url、--pid、--target 同时使用"),
            Text("give one", "只给一个"),
        )
    return replace(options, url=None)


def subject(ctx: typer.Context) -> Subject:
    """The one server that a command is about which looks at no more. Raises `BadInput` where more are meant."""
    chosen = subjects(ctx)
    if len(chosen) == 1:
        return chosen[0]
    if CONFIG not in ctx.meta or not _targets(ctx):
        raise BadInput(
            f"--url {chosen[1].options.url}",
            Text("this command looks at one server", "这个命令只看一个服务"),
            Text("give --url once", "只给一个 --url"),
        )
    names = [one.name or "" for one in chosen]
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    raise BadInput(
        ctx.meta[CONFIG].file.path,
        Text(
            f"it has {len(names)} targets, and this command looks at one", f"有 {len(names)} 个目标，而这个命令只看一个"
        ),
        Text(f"choose one with --target: {listed}", f"用 --target 选一个：{listed}"),
    )


def _urls(ctx: typer.Context) -> list[str]:
    """What `--url` gives where it is repeatable, each server once. Raises `BadInput`."""
    urls = ctx.params.get("url")
    if not isinstance(urls, list | tuple):
        return []
    first: dict[str, str] = {}
    for url in urls:
        address = parse_url(url).url
        if address in first:
            raise BadInput(
                f"--url {url}",
                Text("this server is named twice", "同一个服务写了两次"),
                Text("name each once", "每个只写一次"),
            )
        first[address] = url
    return list(urls)


def _targets(ctx: typer.Context) -> list[int]:
    """The numbers of the file's targets that are meant; none where an option names the server. Raises `BadInput`."""
    names: Sequence[str] = ctx.params.get("named") or ()
    the_file: Config | None = ctx.meta.get(CONFIG)
    targets = the_file.targets if the_file else ()
    asked = [name for name in ("named", "url", "pid") if _is_asked(ctx, name)]
    named_by = min(asked, key=partial(_strength, ctx), default=None)
    if named_by not in (None, "named"):
        if is_typed(ctx, "named"):
            raise BadInput(
                f"--target {names[0]}",
                Text(f"it excludes --{named_by}", f"不能与 --{named_by} 同时使用"),
                Text("give one", "只给一个"),
            )
        return []
    return _chosen(names, targets, the_file) if names else list(range(len(targets)))


def _strength(ctx: typer.Context, name: str) -> int:
    """How strong the source of an option is, 0 the strongest; of the same the address wins over a name."""
    return 2 * SOURCES.index(source(ctx, name)) + (name == "named")


def _is_asked(ctx: typer.Context, name: str) -> bool:
    return bool(ctx.params.get(name)) and source(ctx, name) in ("COMMANDLINE", "ENVIRONMENT")


def _chosen(names: Sequence[str], targets: Sequence[Mapping[str, Any]], the_file: Config | None) -> list[int]:
    all_names = [target["name"] for target in targets]
    for name in names:
        if not any(fnmatchcase(one, name) for one in all_names):
            raise _no_target(name, all_names, the_file)
    return [number for number, one in enumerate(all_names) if any(fnmatchcase(one, name) for name in names)]


def _no_target(name: str, all_names: Sequence[str], the_file: Config | None) -> BadInput:
    if not all_names:
        where = the_file.file.path if the_file else NAME
        reason = Text(f"there is no [[target]] in {where}", f"{where} 里没有 [[target]]")
        if the_file is None:
            reason = Text(f"there is no {where} here or above", f"当前目录及上级目录没有 {where}")
        return BadInput(
            f"--target {name}",
            reason,
            Text("write one with bgecheck config init, or give --url", "用 bgecheck config init 生成，或用 --url 指定"),
        )
    near, listed = nearest(name, all_names), ", ".join(all_names[:8])
    return BadInput(
        f"--target {name}",
        Text("no target has this name", "没有这个名字的目标"),
        Text(f"did you mean {near}?", f"是不是 {near}？") if near else Text(f"choose: {listed}", f"可选：{listed}"),
    )


def _of_file(ctx: typer.Context, the_file: Config, number: int, options: TargetOptions, run: RunOptions) -> Subject:
    """A target with its own settings, but for those that an option or a variable gives."""
    table = the_file.targets[number]
    own = {name: value for name, value in table.items() if not _is_asked(ctx, name)}
    # A variable that is named for one server alone wins over the one for all; a key that is typed wins over both.
    if KEY_VARIABLE in table and not is_typed(ctx, "api_key") and "api_key" in ctx.params:
        own["api_key"] = the_file.key(("target", number), table[KEY_VARIABLE])
    return Subject(
        name=table["name"],
        options=replace(options, **{**_those(TargetOptions, own), "url": table["url"]}),
        run=replace(run, **_those(RunOptions, own)),
    )


def _those(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}


def _require_for_each(ctx: typer.Context) -> None:
    """Raise `BadInput` for an option that means one server, where several are looked at."""
    for name in _OF_ONE:
        if _is_asked(ctx, name):
            raise BadInput(
                f"--{name} {ctx.params[name]}",
                Text("it belongs to one server, and several are looked at", "它只属于一个服务，而这次要看多个"),
                Text("name that one alone, with --url or --target", "用 --url 或 --target 只指定那一个"),
            )
