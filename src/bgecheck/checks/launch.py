"""The `launch` area: do the settings that the running server has give right vectors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bgecheck.model import (
    Advice,
    Area,
    Evidence,
    Outcome,
    Shell,
    Target,
    Text,
    Unavailable,
    absent,
    broken,
    holds,
    unclear,
)
from bgecheck.model.registry import BIDIRECTIONAL, lookup
from bgecheck.sources.context import Context
from bgecheck.sources.files import read_text
from bgecheck.sources.launchline import MANY, parse_launch

RIGHT = {"is-embedding": "", "disable-radix-cache": "", "chunked-prefill-size": "-1", "mem-fraction-static": "0.3"}
"""What a bidirectional encoder needs on every release from 0.5.9 on.

`--mem-fraction-static` belongs to it: `--chunked-prefill-size -1` alone makes the automatic fraction
negative and the server dies in its start (R on 0.5.23: rc 137, `--mem-fraction-static=-0.049`).
"""


class Setting(NamedTuple):
    """One setting of the running server and who says so."""

    value: Any
    told_by: str


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
        told = self.get("version")
        parts = re.match(r"v?(\d+)\.(\d+)\.(\d+)", str(told.value)) if told else None
        return (int(parts[1]), int(parts[2]), int(parts[3])) if parts else None

    @property
    def bidirectional(self) -> bool | None:
        """Whether the model looks both ways; None when neither architecture nor name is known."""
        if self.architectures:
            return any(a in BIDIRECTIONAL for a in self.architectures)
        known = lookup(self.model_name)
        return known.bidirectional if known else None


AREA = Area("launch", Text("launch settings", "启动参数"), seconds=20.0, needs=("probe.reachable",))


@AREA.collect
def collect(context: Context) -> LaunchFacts:
    """Ask the server's own pages, and read its command line where the process can be seen."""
    server = context.server()
    info, told = server.model_info() or {}, server.server_info() or {}
    flags = _flags(context.target, told)
    if not told and not info and flags is None:
        raise Unavailable(
            Text("the server tells no settings and its process cannot be seen", "服务不提供参数页，也看不到它的进程"),
            looked=False,
        )
    path = _string(info.get("model_path")) or context.target.model_path
    return LaunchFacts(
        settings=_settings(info, told, flags),
        flags=flags,
        architectures=_architectures(info, context.target),
        model_name=_string(info.get("served_model_name")) if lookup(path) is None else path,
    )


def _flags(target: Target, told: Mapping[str, Any]) -> Mapping[str, str] | None:
    if target.server:
        return target.server.flags
    line = told.get("launch_command")
    if not isinstance(line, str):
        return None
    import shlex

    try:
        return parse_launch(shlex.split(line))
    except ValueError:
        return None


def _settings(info: Mapping[str, Any], told: Mapping[str, Any], flags: Mapping[str, str] | None) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    if flags is not None:
        line = "command line"
        found["disable_radix_cache"] = Setting("disable-radix-cache" in flags, line)
        found["is_embedding"] = Setting("is-embedding" in flags, line)
        if "chunked-prefill-size" in flags:
            found["chunked_prefill_size"] = Setting(_number(flags["chunked-prefill-size"]), line)
    for name in ("version", "disable_radix_cache", "chunked_prefill_size", "is_embedding"):
        if told.get(name) is not None:
            found[name] = Setting(told[name], "/server_info")
    embedding = info.get("embedding")
    if isinstance(embedding, Mapping) and isinstance(embedding.get("pooling"), str):
        found["pooling"] = Setting(embedding["pooling"], "/model_info")
    return found


def _architectures(info: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    """From the server's page (0.5.9 on), else from config.json in the model folder of a local server."""
    named = info.get("architectures")
    if not isinstance(named, list) and target.is_local and target.model_path:
        try:
            config = json.loads(read_text(f"{target.model_path}/config.json", 2**20))
        except (Unavailable, ValueError, RecursionError):
            config = {}
        named = config.get("architectures") if isinstance(config, dict) else None
    return tuple(str(name) for name in named) if isinstance(named, list) else ()


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def corrected(flags: Mapping[str, str]) -> Shell:
    """The launch line with what is wrong put right: a Shell line, its key replaced by a variable.

    Built anew from option names and quoted values, so that nothing else of a foreign line survives.
    """
    wanted = dict(flags) | {
        name: RIGHT[name] for name in ("is-embedding", "disable-radix-cache", "chunked-prefill-size")
    }
    wanted.setdefault("mem-fraction-static", RIGHT["mem-fraction-static"])
    words = [Shell("python -m sglang.launch_server")]
    for name, value in wanted.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            continue
        if name in ("api-key", "admin-api-key"):
            words.append(Shell(f'--{name} "$API_KEY"'))
        else:
            values = value.split() if name in MANY else [value] if value else []
            words.append(Shell.join([f"--{name}", *values]))
    return Shell(" ".join(words))


_RESTART = ("{launch_line}",)
_AGAIN = Text(
    "restart with this line, then embed again everything that was embedded so far",
    "用下面这行重启，并把之前写进向量库的内容全部重新编码",
)


def _line(facts: LaunchFacts) -> dict[str, Any]:
    return {"launch_line": corrected(facts.flags)} if facts.flags else {}


def _not_an_encoder(facts: LaunchFacts) -> Outcome | None:
    """The outcome of a row that only concerns bidirectional encoders, where the model is none."""
    if facts.bidirectional is None:
        return absent(
            Text("nothing tells the model's architecture", "无从得知模型结构"),
        )
    if facts.bidirectional is False:
        return holds(
            Evidence(
                Text("attention", "注意力"),
                Text("causal: a cached prefix stays valid", "因果注意力，前缀缓存不影响结果"),
            )
        )
    return None


@AREA.check(
    "readable",
    title=Text("the settings of the running server can be read", "能读到运行中服务的参数"),
    cause=Text("the server tells no settings and its process cannot be seen", "服务不提供参数页，也看不到它的进程"),
    fix=Text("run bgecheck on the machine of the server, as its user", "在服务所在机器上用同一用户运行 bgecheck"),
)
def settings_are_readable(facts: LaunchFacts) -> Outcome:
    """Holds when at least one setting was told."""
    version = facts.get("version")
    if not facts.settings:
        return unclear(Text("the pages of the server hold no settings", "参数页里没有可用的参数"))
    return holds(Evidence("version", str(version.value))) if version else holds()


@AREA.check(
    "pooling",
    title=Text("the pooling is the model's", "池化方式与模型一致"),
    cause=Text(
        "this model takes the vector of the first token ([CLS]), and this server takes {pooling}: "
        "sglang {version} pools BertModel by the last token{because_en}",
        "模型应取首个 token（[CLS]）的向量，而服务取的是 {pooling}："
        "sglang {version} 对 BertModel 取最后一个 token{because_zh}",
    ),
    fix=Text(
        "use sglang 0.5.17 or newer (or 0.5.9 and newer with --is-embedding), then embed again everything "
        "that was embedded so far",
        "换用 sglang 0.5.17 或更新版本（0.5.9 起需加 --is-embedding），并把之前写进向量库的内容全部重新编码",
    ),
    commands=("pip install --upgrade 'sglang>=0.5.17'", "{launch_line}"),
    variants={
        "not-cls": Advice(
            Text(
                "this model pools {wanted} and this server pools {pooling}: sglang does not read the model's "
                "pooling configuration (1_Pooling), so no flag mends it",
                "模型应按 {wanted} 池化，而服务按 {pooling} 池化："
                "sglang 不读模型自带的池化配置（1_Pooling），没有参数能改",
            ),
            Text(
                "serve this model with an engine that reads it, for example text-embeddings-inference",
                "改用会读取该配置的引擎，例如 text-embeddings-inference",
            ),
        )
    },
    explains=("embed.reference", "embed.golden", "embed.semantic", "logs.encoder-vectors-wrong"),
)
def pooling_is_the_models(facts: LaunchFacts) -> Outcome:
    """BertModel: LAST up to 0.5.8, CLS only with --is-embedding in 0.5.9-0.5.16, CLS from 0.5.17 (bert.py, pooler)."""
    model = lookup(facts.model_name)
    wanted = model.pooling if model else None
    bert = "BertModel" in facts.architectures or (not facts.architectures and bool(model and model.bidirectional))
    used, told_by = _pooling(facts, bert)
    if used is None:
        return absent(Text("neither the server nor its version tells the pooling", "服务和版本都无法说明池化方式"))
    seen = Evidence(told_by, used.upper(), wanted.upper() if wanted else None)
    if wanted is None:
        return absent(
            Text(f"the model is not in the registry; the server pools {used}", f"模型不在登记表里；服务用 {used}")
        )
    if used == wanted:
        return holds(seen)
    version = facts.get("version")
    flag = facts.release is not None and (0, 5, 9) <= facts.release <= (0, 5, 16)
    return broken(
        seen,
        advice=None if wanted == "cls" else "not-cls",
        pooling=used.upper(),
        wanted=wanted.upper(),
        version=version.value if version else "?",
        because_en=" unless it is started with --is-embedding" if flag else "",
        because_zh="，除非启动时加 --is-embedding" if flag else "",
        **_line(facts),
    )


def _pooling(facts: LaunchFacts, bert: bool) -> tuple[str | None, str]:
    """The pooling in force and who tells it."""
    if told := facts.get("pooling"):
        return str(told.value).lower(), f"embedding.pooling in {told.told_by}"
    release = facts.release
    if release is None or not bert:
        return None, ""
    flag = facts.get("is_embedding")
    if release <= (0, 5, 8) or (release <= (0, 5, 16) and flag is not None and not flag.value):
        return "last", f"sglang {'.'.join(map(str, release))}, BertModel"
    if release >= (0, 5, 17) or flag is not None:
        return "cls", f"sglang {'.'.join(map(str, release))}, BertModel"
    return None, ""


@AREA.check(
    "prefix-cache",
    title=Text("the prefix cache is off for a bidirectional encoder", "双向编码器已关闭前缀缓存"),
    cause=Text(
        "the prefix (radix) cache is on, and this model is a bidirectional encoder: a text that begins like an "
        "earlier one gets a wrong vector, and all texts begin with [CLS]",
        "前缀缓存（radix cache）开着，而这是双向编码器：开头相同的文本，后算的那条向量是错的；"
        "所有文本都以 [CLS] 开头，所以大部分向量都不可信",
    ),
    fix=_AGAIN,
    commands=_RESTART,
    explains=(
        "embed.repeatable",
        "embed.prefix-independent",
        "embed.batch-equals-single",
        "embed.order",
        "embed.concurrent",
        "embed.long-batch",
        "embed.distinct",
        "embed.semantic",
        "embed.golden",
        "embed.reference",
        "logs.encoder-vectors-wrong",
    ),
)
def prefix_cache_is_off(facts: LaunchFacts) -> Outcome:
    """No release read switches it off for BertModel; only EmbeddingGemma is exempt (sglang PR 32481)."""
    if other := _not_an_encoder(facts):
        return other
    told = facts.get("disable_radix_cache")
    if told is None:
        return absent(Text("nobody tells whether the cache is on", "无从得知缓存是否开启"))
    seen = Evidence(f"disable_radix_cache in {told.told_by}", str(told.value), "True")
    return holds(seen) if told.value is True else broken(seen, **_line(facts))


@AREA.check(
    "chunked-prefill",
    title=Text("chunked prefill is off for a bidirectional encoder", "双向编码器已关闭分块 prefill"),
    cause=Text(
        "chunked prefill is on ({chunk}): in a batch with more tokens than one chunk, the texts that are cut at a "
        "chunk border get wrong vectors",
        "分块 prefill 开着（{chunk}）：一批文本的 token 总数超过一个分块时，被切断的那几条向量是错的",
    ),
    fix=_AGAIN,
    commands=_RESTART,
    explains=("embed.long-batch",),
)
def chunked_prefill_is_off(facts: LaunchFacts) -> Outcome:
    """Measured on 0.5.23: 3 of 60 texts wrong in one request with the default chunk, none with -1."""
    if other := _not_an_encoder(facts):
        return other
    told = facts.get("chunked_prefill_size")
    if told is None:
        by_default = facts.flags is not None and "chunked-prefill-size" not in facts.flags
        if not by_default:
            return absent(Text("nobody tells the chunk size", "无从得知分块大小"))
        told = Setting(Text("the default, by GPU memory", "默认值，按显存自动取"), "command line")
    seen = Evidence(f"chunked_prefill_size in {told.told_by}", _words(told.value), "-1")
    off = told.value == -1
    return holds(seen) if off else broken(seen, chunk=_plain(told.value), **_line(facts))


def _words(value: Any) -> Text | str:
    return value if isinstance(value, Text) else str(value)


def _plain(value: Any) -> str:
    return "auto" if isinstance(value, Text) else f"{value} tokens"
