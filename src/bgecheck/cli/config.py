"""`bgecheck config init|validate|show`: the file of settings and targets, and where each value comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Context

from bgecheck.cli.app import command
from bgecheck.cli.blank import source
from bgecheck.cli.configfile.finding import KEY_VARIABLE, NAME
from bgecheck.cli.help import examples
from bgecheck.cli.language import both, language
from bgecheck.cli.nearest import one_of
from bgecheck.cli.options import (
    CONFIG,
    PROBLEM,
    ApiKey,
    ConfigFile,
    Deadline,
    ExitStyle,
    ExpectDim,
    FailOn,
    Full,
    Ignore,
    Lang,
    Log,
    Model,
    ModelPath,
    Only,
    Output,
    Quick,
    Severities,
    Skip,
    Timeout,
    Urls,
    Verbose,
    Wait,
    option,
)
from bgecheck.cli.stderr import refuse
from bgecheck.cli.stdout import to_stdout
from bgecheck.model import BadInput, Language, Redactor, Text, clean, reason_of, say
from bgecheck.model.report import USAGE

if TYPE_CHECKING:
    from bgecheck.cli.configfile.meaning import Config

ACTIONS = ("init", "validate", "show")


@command(
    "config",
    epilog=examples(
        ("bgecheck config init", "with the servers that run here", "写入本机正在运行的服务"),
        ("bgecheck config validate", "every problem, with its line", "列出全部问题及行号"),
        ("bgecheck config show", "what counts, and where it comes from", "生效的值及其来源"),
    ),
)
def config(
    ctx: Context,
    action: Annotated[str, Argument(metavar="ACTION", help=both("init, validate or show.", "init、validate 或 show"))],
    force: Annotated[
        bool, option("--force", en="Let init write over a file that is there.", zh="init 可以覆盖已有的文件")
    ] = False,
    url: Urls = None,
    model: Model = None,
    api_key: ApiKey = None,
    log: Log = None,
    model_path: ModelPath = None,
    expect_dim: ExpectDim = None,
    wait: Wait = None,
    only: Only = None,
    skip: Skip = None,
    quick: Quick = False,
    full: Full = False,
    timeout: Timeout = "10s",
    deadline: Deadline = "60s",
    output: Output = None,
    verbose: Verbose = False,
    ignore: Ignore = None,
    severity: Severities = None,
    fail_on: FailOn = "error",
    exit_style: ExitStyle = "plain",
    config: ConfigFile = None,
    lang: Lang = None,
) -> None:
    """Write, check or show the file."""
    chosen = language(lang)
    match one_of("", action, ACTIONS):
        case "init":
            _init(config if source(ctx, "config") != "DEFAULT" else None, chosen, force)
        case "validate":
            _validate(config, chosen)
        case _:
            if problem := ctx.meta.get(PROBLEM):
                raise problem
            to_stdout("\n".join(_shown(ctx, chosen)))


def _init(given: str | None, chosen: Language, force: bool) -> None:
    """Write a file to start from. Raises `BadInput` where there is one already."""
    from bgecheck.cli.configfile.starter import starter
    from bgecheck.engines.sglang.discovery import resolve, running_servers

    path = given or NAME
    servers = [(server, resolve(pid=server.pid)) for server in running_servers()]
    try:
        with open(path, "w" if force else "x", encoding="utf-8") as file:
            file.write(starter(servers, chosen))
    except FileExistsError:
        raise BadInput(
            path,
            Text("it is there already", "文件已存在"),
            Text("to write over it: bgecheck config init --force", "要覆盖：bgecheck config init --force"),
        ) from None
    except OSError as error:
        why = reason_of(error)
        raise BadInput(
            path,
            Text(f"it cannot be written ({why.en})", f"无法写入（{why.zh}）"),
            Text("run it in a folder that is yours to write", "换到可写的目录再运行"),
        ) from None
    count = len(servers)
    to_stdout(say(Text(f"{path}: written, {count} targets", f"{path}：已生成，{count} 个目标"), chosen))


def _validate(path: str | None, chosen: Language) -> None:
    """Say every problem of the file on stderr. Raises `BadInput` where there is none, or it cannot be read."""
    from bgecheck.cli.configfile.meaning import problems
    from bgecheck.cli.configfile.reading import read

    if path is None:
        raise _no_file()
    file = read(path)
    wrong = list(problems(file))
    for problem in wrong:
        refuse(problem, chosen, ())
    if wrong:
        raise typer.Exit(USAGE)
    count = len(file.data.get("target", []))
    to_stdout(say(Text(f"{path}: right, {count} targets", f"{path}：没有问题，{count} 个目标"), chosen))


def _no_file() -> BadInput:
    return BadInput(
        NAME,
        Text("there is none here or in a folder above", "当前目录及上级目录没有这个文件"),
        Text("bgecheck config init writes one to start from", "用 bgecheck config init 生成一份"),
    )


_SETTINGS = (
    *("url", "model", "api_key", "log", "model_path", "expect_dim", "only", "skip", "quick", "full", "timeout"),
    *("deadline", "wait", "output", "verbose", "ignore", "severity", "fail_on", "exit_style", "lang"),
)
"""The settings of a run by the names that the file has for them, but for the key."""
_DEFAULT = Text("default", "默认值")
_UNSET = Text("not set", "未设置")


def _shown(ctx: Context, chosen: Language) -> list[str]:
    """The settings and then the targets as the file would have them, each with its source in a comment."""
    the_file: Config | None = ctx.meta.get(CONFIG)
    where = the_file.file.path if the_file else f"{NAME}: {say(_no_file().reason, chosen)}"
    lines = [f"# {where}", "[defaults]"]
    lines += [_line(name, *_setting(ctx, the_file, name, chosen)) for name in _SETTINGS]
    for number, target in enumerate(the_file.targets if the_file else ()):
        lines += ["", "[[target]]", *_target(ctx, the_file, number, target)]
    return lines


_NONE: tuple[Any, ...] = (None, [], ())
"""What an option is that was not given."""


def _line(name: str, value: Any, origin: str) -> str:
    if value in _NONE:
        return f"# {name}  # {origin}"
    return f"{name} = {_written(value)}  # {origin}"


def _written(value: Any) -> str:
    """A value as TOML has it, on one line and without keys."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool | int):
        return str(value).lower()
    return json.dumps(Redactor().text(clean(str(value))), ensure_ascii=False)


def _setting(ctx: Context, the_file: Config | None, name: str, chosen: Language) -> tuple[Any, str]:
    """The value that counts of a setting, and where it comes from."""
    value, origin = ctx.params.get(name), source(ctx, name)
    if isinstance(value, list | tuple) and len(value) == 1 and name == "url":
        value = value[0]
    option = "--" + name.replace("_", "-")
    key = KEY_VARIABLE if name == "api_key" else name
    if origin not in ("COMMANDLINE", "ENVIRONMENT") and the_file and key in the_file.file.data.get("defaults", {}):
        shown = _key_shown(the_file.file.data["defaults"][key], chosen) if name == "api_key" else ""
        return "***" if name == "api_key" else value, the_file.file.at(("defaults", key)) + shown
    if name == "api_key" and value is not None:
        value = "***"
    words = {"COMMANDLINE": option, "ENVIRONMENT": "BGECHECK_" + name.upper()}
    if name == "lang" and origin not in words:
        return chosen, say(_DEFAULT, chosen)
    return value, words.get(origin, say(_UNSET if value in _NONE else _DEFAULT, chosen))


def _key_shown(variable: str, chosen: Language) -> str:
    """The variable that holds a key, and whether it is set."""
    is_set = Text("set", "已设置") if os.environ.get(variable) else Text("not set", "未设置")
    return say(Text(f" ({variable}: {is_set.en})", f"（{variable}：{is_set.zh}）"), chosen)


def _target(ctx: Context, the_file: Config | None, number: int, target: Mapping[str, Any]) -> list[str]:
    """The settings of one target, but for those that an option or variable replaces."""
    assert the_file is not None
    lines = []
    for name, value in target.items():
        at = the_file.file.at(("target", number, name))
        stronger = {"COMMANDLINE": "--" + name.replace("_", "-"), "ENVIRONMENT": "BGECHECK_" + name.upper()}
        origin = source(ctx, name) if name not in ("name", "url", KEY_VARIABLE) else ""
        if origin in stronger:
            lines.append(_line(name, ctx.params[name], stronger[origin]))
        else:
            lines.append(_line(name, value, at))
    return lines
