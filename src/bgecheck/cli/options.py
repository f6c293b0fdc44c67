"""The options that commands share: each is declared once, and every command lists those that mean something in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bgecheck.cli import complete
from bgecheck.cli.blank import SOURCES, not_blank, source
from bgecheck.cli.configfile.finding import KEY_VARIABLE, find
from bgecheck.cli.language import both, language
from bgecheck.model import BadInput, Language, Text
from bgecheck.render.formats import FORMATS

if TYPE_CHECKING:
    from bgecheck.cli.configfile.meaning import Config

SERVER = both("Which server", "目标服务")
LOOK = both("What to check", "检查范围")
REPORT = both("How to report", "结果输出")


def option(*names: str, en: str, zh: str, **settings: Any) -> Any:
    """A Typer option with its help in both languages, and a variable: BGECHECK_EXPECT_DIM for --expect-dim."""
    variable = "BGECHECK_" + names[0].lstrip("-").replace("-", "_").upper()
    usual = {"envvar": variable, "show_envvar": False, "metavar": "", "help": both(en, zh)}
    return typer.Option(*names, **{**usual, **settings})


def whole_number(name: str) -> Callable[[str | int], int]:
    """A parser for the whole number that the option `name` takes."""

    def parse(given: str | int) -> int:
        try:
            return int(given)
        except ValueError:
            raise BadInput(
                f"{name} {given}", Text("not a whole number", "不是整数"), Text("give digits only", "请写整数")
            ) from None

    return parse


def _spoken(ctx: typer.Context, given: str | None) -> Language:
    """The language given here, else before the command, else the preferred one; that of the file is the weakest."""
    weak = source(ctx, "lang") == "DEFAULT_MAP" and ctx.parent is not None and source(ctx.parent, "lang") != "DEFAULT"
    chosen: Language = language(given if given is not None and not weak else ctx.obj)
    ctx.obj = chosen
    return chosen


Lang = Annotated[
    str | None,
    option(
        "--lang",
        metavar="zh|en",
        callback=_spoken,
        autocompletion=complete.languages,
        en="Language of the report, the help and the errors; else the locale's.",
        zh="报告、帮助和报错的语言，默认随系统区域设置",
    ),
]

CONFIG = "bgecheck.config"
"""Where the context of a command keeps the file."""
PROBLEM = "bgecheck.config.problem"
"""Where that of `bgecheck config` keeps why there is none."""

_LEFT_OUT = {"logs": ("log", "wait"), "bench": ("output",)}
"""Settings that mean something else in a command: a log would win over one that comes through a pipe."""


def _configured(ctx: typer.Context, given: str | None) -> str | None:
    """Take the settings of the file for those that neither option nor variable gives. Raises `BadInput`."""
    if ctx.resilient_parsing:
        return given
    path = find() if given is None else given
    if path is None:
        return None
    from bgecheck.cli.configfile.meaning import config
    from bgecheck.cli.configfile.reading import read

    not_blank("--config", given)
    try:
        ctx.meta[CONFIG] = the_file = config(read(path))
    except BadInput as problem:
        if ctx.command.name != "config":
            raise
        ctx.meta[PROBLEM] = problem  # which may be there to write the file, or to check it
        return path
    ctx.default_map = _as_options(ctx, the_file)
    return path


def _as_options(ctx: typer.Context, the_file: Config) -> dict[str, Any]:
    """The settings of the file by the names of options; the key is looked for where no option gives one."""
    settings = dict(the_file.defaults)
    variable = settings.pop(KEY_VARIABLE, None)
    if variable and ctx.command.name != "config":
        settings["api_key"] = partial(the_file.key, ("defaults",), variable)
    for option in ctx.command.params:
        if getattr(option, "multiple", False) and isinstance(settings.get(option.name or ""), str):
            settings[option.name or ""] = [settings[option.name or ""]]
    left_out = _LEFT_OUT.get(ctx.command.name or "", ())
    return {name: value for name, value in settings.items() if name not in left_out}


ConfigFile = Annotated[
    str | None,
    option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=_configured,
        en="Settings and targets; else the nearest bgecheck.toml, here or above.",
        zh="设置与目标文件，默认用当前目录或上级目录里的 bgecheck.toml",
    ),
]
Named = Annotated[
    list[str] | None,
    option(
        "--target",
        metavar="NAME",
        rich_help_panel=SERVER,
        autocompletion=complete.targets,
        en="Which targets of bgecheck.toml: names or globs; repeatable.",
        zh="只看 bgecheck.toml 里的这些目标（名称或通配符），可重复",
    ),
]
Urls = Annotated[
    list[str] | None,
    option(
        "--url",
        metavar="URL",
        rich_help_panel=SERVER,
        en="Base URL, in any shape you have at hand; repeatable.",
        zh="服务地址，各种写法都可以，可重复",
    ),
]
Url = Annotated[
    str | None,
    option(
        "--url",
        metavar="URL",
        rich_help_panel=SERVER,
        en="Base URL, in any shape you have at hand.",
        zh="服务地址，各种写法都可以",
    ),
]
Model = Annotated[
    str | None,
    option(
        "--model",
        metavar="NAME",
        rich_help_panel=SERVER,
        en="The model that should be served.",
        zh="应提供的模型名",
    ),
]
ApiKey = Annotated[
    str | None,
    option(
        "--api-key",
        metavar="KEY",
        rich_help_panel=SERVER,
        show_envvar=True,
        en="Used, never shown.",
        zh="只用于请求，从不显示",
    ),
]
Log = Annotated[
    str | None,
    option("--log", metavar="FILE", rich_help_panel=SERVER, en="The server's log.", zh="服务的日志文件"),
]
Pid = Annotated[
    int | None,
    option(
        "--pid",
        metavar="PID",
        rich_help_panel=SERVER,
        parser=whole_number("--pid"),
        en="The server's process.",
        zh="服务的进程号",
    ),
]
ModelPath = Annotated[
    str | None,
    option(
        "--model-path",
        metavar="DIR",
        rich_help_panel=SERVER,
        en="The model's folder on this machine.",
        zh="模型在本机的目录",
    ),
]
ExpectDim = Annotated[
    int | None,
    option(
        "--expect-dim",
        metavar="N",
        rich_help_panel=SERVER,
        parser=whole_number("--expect-dim"),
        en="The dimension that your index has.",
        zh="向量库索引的维度",
    ),
]

Only = Annotated[
    list[str] | None,
    option(
        "--only",
        metavar="ID",
        rich_help_panel=LOOK,
        autocompletion=complete.ids,
        en="Only these checks: ids, areas or globs; repeatable, or with commas.",
        zh="只做这些检查（ID、领域名或通配符），可重复，可用逗号分隔",
    ),
]
Skip = Annotated[
    list[str] | None,
    option(
        "--skip",
        metavar="ID",
        rich_help_panel=LOOK,
        autocompletion=complete.ids,
        en="All but these checks.",
        zh="跳过这些检查",
    ),
]
Quick = Annotated[
    bool,
    option("--quick", rich_help_panel=LOOK, en="Only the checks that cost next to nothing.", zh="只做开销极小的检查"),
]
Full = Annotated[
    bool,
    option(
        "--full",
        rich_help_panel=LOOK,
        en="All checks, those that burden the server too: a burst of 160 requests.",
        zh="全部检查，包括会增加服务负载的（并发 160 个请求）",
    ),
]
Timeout = Annotated[
    str,
    option("--timeout", metavar="DUR", rich_help_panel=LOOK, en="Time limit of one request.", zh="单个请求的时限"),
]
Deadline = Annotated[
    str,
    option("--deadline", metavar="DUR", rich_help_panel=LOOK, en="Time limit of the whole run.", zh="整次运行的时限"),
]
Wait = Annotated[
    str | None,
    option(
        "--wait",
        metavar="DUR",
        en="Wait until it is ready, or has failed for good: 30s, 5m.",
        zh="等到服务就绪，或确定失败为止：30s、5m",
    ),
]

Output = Annotated[
    list[str] | None,
    option(
        "--output",
        "-o",
        metavar="FORMAT[=FILE]",
        rich_help_panel=REPORT,
        autocompletion=complete.formats,
        en=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}, on stdout or into a file; repeatable.",
        zh=f"报告格式：{'、'.join(FORMATS)}，可写入文件，可重复",
    ),
]
Verbose = Annotated[
    bool,
    option(
        "--verbose",
        "-v",
        rich_help_panel=REPORT,
        en="Show every check, clean ones too.",
        zh="列出每一项检查，包括通过的",
    ),
]
Ignore = Annotated[
    list[str] | None,
    option(
        "--ignore",
        metavar="ID[:REASON][@DATE]",
        rich_help_panel=REPORT,
        autocompletion=complete.ids,
        en="Show these checks, but don't count their problems, until a day: 2026-12-31; repeatable.",
        zh="照常显示这些检查，但不计入结果，可写截止日期（2026-12-31），可重复",
    ),
]
Severities = Annotated[
    list[str] | None,
    option(
        "--severity",
        metavar="ID=LEVEL",
        rich_help_panel=REPORT,
        autocompletion=complete.ids,
        en="Count problems of these checks as error or as warning; repeatable.",
        zh="把这些检查的问题算作 error 或 warning，可重复",
    ),
]
FailOn = Annotated[
    str,
    option(
        "--fail-on",
        metavar="error|warning",
        rich_help_panel=REPORT,
        autocompletion=complete.severities,
        en="What makes the exit code 1.",
        zh="达到哪一级时退出码为 1",
    ),
]
ExitStyle = Annotated[
    str,
    option(
        "--exit-style",
        metavar="plain|nagios",
        rich_help_panel=REPORT,
        autocompletion=complete.exit_styles,
        en="Exit codes: our own, or 0 to 3 as monitoring plugins use them.",
        zh="退出码：本程序自己的，或监控插件的 0–3",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """Which server is meant. None is needed where the running server can be found."""

    url: str | None = None
    model: str | None = None
    api_key: str | None = None
    log: str | None = None
    pid: int | None = None
    model_path: str | None = None
    expect_dim: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What to check and how to report it."""

    output: list[str] | None = None
    lang: str | None = None
    verbose: bool = False
    only: list[str] | None = None
    skip: list[str] | None = None
    ignore: list[str] | None = None
    severity: list[str] | None = None
    fail_on: str = "error"
    timeout: str = "10s"
    deadline: str = "60s"
    quick: bool = False
    full: bool = False
    exit_style: str = "plain"


Options = TypeVar("Options")


def given(kind: type[Options], ctx: typer.Context) -> Options:
    """The options of that kind as the command was given them; those that it does not have are as usual."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # each kind is a dataclass
    values = {name: ctx.params[name] for name in names if name in ctx.params}
    if isinstance(values.get("url"), list | tuple):
        values["url"] = next(iter(values["url"]), None)
    if values.get("quick") and values.get("full") and source(ctx, "quick") != source(ctx, "full"):
        weaker = max(("quick", "full"), key=lambda name: SOURCES.index(source(ctx, name)))
        values[weaker] = False
    return kind(**values)
