"""What the running server says of its settings, and who says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bgecheck.engines.server import Server
from bgecheck.engines.sglang.launchline import MANY, parse_launch
from bgecheck.engines.sglang.serverargs import server_args
from bgecheck.knowledge.models import Model, looks_both_ways, lookup
from bgecheck.machine.files import model_config
from bgecheck.model import Area, Evidence, Outcome, Shell, Target, Text, Unavailable, Words, absent, holds

if TYPE_CHECKING:
    from bgecheck.run.context import Context

RIGHT = {"is-embedding": "", "disable-radix-cache": "", "chunked-prefill-size": "-1", "mem-fraction-static": "0.3"}
"""What a bidirectional encoder needs on every release from 0.5.9 on.

`--mem-fraction-static` belongs to it: `--chunked-prefill-size -1` alone makes the automatic fraction
negative and the server dies in its start (R on 0.5.23: rc 137, `--mem-fraction-static=-0.049`).
"""


class Setting(NamedTuple):
    """One setting of the running server and who says so."""

    value: Any
    told_by: Words

    def named(self, name: str) -> Text:
        """Which setting it is, and who says so."""
        return Text(f"{name} in {{place}}", f"{{place}} 的 {name}").filled({"place": self.told_by})


COMMAND_LINE = Text("command line", "启动命令行")

UNTOLD = Text("on, its size is not told", "开启，大小未知")
"""The chunk of a server that only says that chunking is on."""


class LaunchFacts(NamedTuple):
    """The settings of the running server, from what it says of itself, else from its command line."""

    settings: Mapping[str, Setting]
    flags: Mapping[str, str] | None
    """Launch options as typed, by long name; None when no command line is known."""
    architectures: tuple[str, ...]
    model_name: str | None

    def get(self, name: str) -> Setting | None:
        """The setting, or None when nobody tells it."""
        return self.settings.get(name)

    @property
    def release(self) -> tuple[int, int, int] | None:
        """sglang's release as numbers, without its suffix."""
        setting = self.get("version")
        parts = re.match(r"v?(\d+)\.(\d+)\.(\d+)", str(setting.value)) if setting else None
        return (int(parts[1]), int(parts[2]), int(parts[3])) if parts else None

    @property
    def model(self) -> Model | None:
        """What the registry knows of the model."""
        return lookup(self.model_name)

    @property
    def bidirectional(self) -> bool | None:
        """Whether the model looks both ways, by its own page, its architecture or its name; None when none tells."""
        if setting := self.get("bidirectional_attention"):
            return bool(setting.value)
        bidirectional = looks_both_ways(self.architectures)
        return self.model.bidirectional if bidirectional is None and self.model else bidirectional


AREA = Area("launch", seconds=20.0, needs=("probe.reachable",))


@AREA.collect
def collect(context: Context) -> LaunchFacts:
    """Ask the server's own pages, and read its command line where the process can be seen."""
    server = context.server()
    info, settings = server.model_info() or {}, server.server_info() or {}
    flags = _flags(context.target, settings)
    logged = {} if settings else _logged(context)
    if not settings and not info and not logged and flags is None:
        raise Unavailable(
            Text("the server shows no settings and its process cannot be seen", "服务不提供参数页，也看不到它的进程"),
            looked=False,
        )
    path = _string(info.get("model_path")) or _string(logged.get("model_path")) or context.target.model_path
    return LaunchFacts(
        settings=_settings(info, settings, flags, logged) | _longest(server),
        flags=flags,
        architectures=_architectures(info, context.target),
        model_name=_known(path, context.target.model, _string(info.get("served_model_name"))),
    )


def _known(*names: str | None) -> str | None:
    """The first name that the registry knows, else the last one."""
    return next((name for name in names if lookup(name)), names[-1])


def _flags(target: Target, settings: Mapping[str, Any]) -> Mapping[str, str] | None:
    if target.server:
        return target.server.flags
    line = settings.get("launch_command")
    if not isinstance(line, str):
        return None
    import shlex

    try:
        return parse_launch(shlex.split(line))
    except ValueError:
        return None


_TOLD: Mapping[str, type] = {
    "version": str,
    "disable_radix_cache": bool,
    "chunked_prefill_size": int,
    "is_embedding": bool,
    "attention_backend": str,
    "prefill_attention_backend": str,
}
"""The settings that decide what a vector is, by their names in `ServerArgs`, and the type of each."""


def _settings(
    info: Mapping[str, Any], payload: Mapping[str, Any], flags: Mapping[str, str] | None, logged: Mapping[str, Any]
) -> dict[str, Setting]:
    """Each setting from the surest that tells it: the server's own pages, its log, its command line."""
    settings = _of_command_line(flags) if flags is not None else {}
    logged_by = Text("server_args= in the log", "日志 server_args=")
    for page, where in ((logged, logged_by), (payload, "/server_info")):
        settings |= {name: Setting(page[name], where) for name, kind in _TOLD.items() if type(page.get(name)) is kind}
    embedding = info.get("embedding")
    return settings | _of_model_info(embedding, settings) if isinstance(embedding, Mapping) else settings


def _of_command_line(flags: Mapping[str, str]) -> dict[str, Setting]:
    line = COMMAND_LINE
    logged_settings = {
        "disable_radix_cache": Setting("disable-radix-cache" in flags, line),
        "is_embedding": Setting("is-embedding" in flags, line),
    }
    if "chunked-prefill-size" in flags:
        logged_settings["chunked_prefill_size"] = Setting(_number(flags["chunked-prefill-size"]), line)
    for name in ("attention-backend", "prefill-attention-backend"):
        if name in flags:
            logged_settings[name.replace("-", "_")] = Setting(flags[name], line)
    return logged_settings


def _of_model_info(embedding: Mapping[str, Any], settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """What `embedding` in /model_info tells (0.5.17 on): the pooling, and whether cache and chunking are off."""
    more = {}
    if isinstance(embedding.get("pooling"), str):
        more["pooling"] = Setting(embedding["pooling"], "/model_info")
    if isinstance(both := embedding.get("bidirectional_attention"), bool):
        more["bidirectional_attention"] = Setting(both, "/model_info")
    cache = embedding.get("cache")
    if not isinstance(cache, Mapping):
        return more
    if isinstance(cache.get("radix_cache_disabled"), bool) and "disable_radix_cache" not in settings:
        more["disable_radix_cache"] = Setting(cache["radix_cache_disabled"], "/model_info")
    if isinstance(off := cache.get("chunked_prefill_disabled"), bool) and "chunked_prefill_size" not in settings:
        more["chunked_prefill_size"] = Setting(-1 if off else UNTOLD, "/model_info")
    return more


def _longest(server: Server) -> dict[str, Setting]:
    longest = server.max_model_len()
    return {} if longest is None else {"max_model_len": Setting(longest, "/v1/models")}


def _logged(context: Context) -> Mapping[str, Any]:
    """The arguments in the server's log, of its newest start; empty where there is no log to read."""
    session = context.logged_session()
    return server_args(session.args) if session else {}


def _architectures(info: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    """From the server's page (0.5.9 on), else from config.json in the model folder of a local server."""
    architectures = info.get("architectures")
    if not isinstance(architectures, list) and target.is_local and target.model_path:
        architectures = model_config(target.model_path).get("architectures")
    return tuple(str(name) for name in architectures) if isinstance(architectures, list) else ()


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _wanted(flags: Mapping[str, str], changed: Mapping[str, str | None]) -> dict[str, str | None]:
    """The options of the corrected line by long name; None for one that is left out."""
    needed = {name: RIGHT[name] for name in ("is-embedding", "disable-radix-cache", "chunked-prefill-size")}
    wanted: dict[str, str | None] = {**flags, **needed, **changed}
    wanted.setdefault("mem-fraction-static", RIGHT["mem-fraction-static"])
    return wanted


def corrected(flags: Mapping[str, str], changed: Mapping[str, str | None] | None = None) -> Shell:
    """The launch line with what is wrong put right: a Shell line, its key replaced by a variable.

    Built anew from option names and quoted values, so that nothing else of a foreign line survives. `changed`
    holds further options to set, or with None to leave out.
    """
    words = [Shell("python -m sglang.launch_server")]
    for name, value in _wanted(flags, changed or {}).items():
        if value is None or not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            continue
        if name in ("api-key", "admin-api-key"):
            words.append(Shell(f'--{name} "$API_KEY"'))
        else:
            values = value.split() if name in MANY else [value] if value else []
            words.append(Shell.join([f"--{name}", *values]))
    return Shell(" ".join(words))


RESTART = ("{launch_line}",)
AGAIN = Text(
    "restart with {changes}, then re-embed everything embedded so far",
    "加上 {changes} 重启，并把之前写进向量库的内容全部重新编码",
)


def launch_line(facts: LaunchFacts, changed: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The values that fill `RESTART` and `AGAIN`: the corrected line, none where no command line is known, and its
    options that are new or have another value."""
    flags = facts.flags or {}
    wanted = {name: value for name, value in _wanted(flags, changed or {}).items() if value is not None}
    added = {name: value for name, value in wanted.items() if flags.get(name) != value} or dict(RIGHT)
    changes = {"changes": " ".join(f"--{name} {value}".rstrip() for name, value in added.items())}
    return {**changes, "launch_line": corrected(facts.flags, changed)} if facts.flags else changes


def not_an_encoder(facts: LaunchFacts) -> Outcome | None:
    """The outcome of a row that only concerns bidirectional encoders, where the model is none."""
    if facts.bidirectional is None:
        return absent(Text("nothing tells the model's architecture", "无从得知模型结构"))
    if facts.bidirectional is False:
        reason = Text("causal: a cached prefix stays valid", "因果注意力，前缀缓存不影响结果")
        return holds(Evidence(Text("attention", "注意力"), reason))
    return None
