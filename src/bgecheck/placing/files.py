"""The files of a placement: a script that starts the servers, an nginx that routes by path, compose, targets."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bgecheck.engines.base import Launch
from bgecheck.engines.sglang.options import HOST_OF_ALL, PROGRAM
from bgecheck.engines.sglang.pages import DANGEROUS, PAGES
from bgecheck.engines.sglang.relaunch import launch_line
from bgecheck.engines.sglang.releases import release_of
from bgecheck.model import Language, Text
from bgecheck.model.target import authority
from bgecheck.placing.models import GATEWAY
from bgecheck.placing.placement import Placed

SCRIPT, NGINX, COMPOSE, TARGETS = "start.sh", "nginx.conf", "compose.yaml", "bgecheck.toml"
_INSIDE = 30000
"""The port of a server in its container, where it has a network of its own."""
_GATEWAY = 8080
"""That of nginx in its container."""
_CACHE = "/root/.cache/huggingface"
_MODELS = "/models"


def files(placed: Sequence[Placed], language: Language) -> dict[str, str]:
    """The text of each file by its name."""
    return {
        SCRIPT: script(placed, language),
        NGINX: nginx(placed, language),
        COMPOSE: compose(placed, language),
        TARGETS: targets(placed, language),
    }


_ONE_BY_ONE = Text(
    "# One after the other: the memory share of each is of what those before it have left free.",
    "# 逐个启动：每个服务的显存比例，是按前面的服务启动后剩余的显存算的。",
)


def script(placed: Sequence[Placed], language: Language) -> str:
    """A shell script that starts each server once the one before it is ready."""
    lines = ["#!/bin/sh", _ONE_BY_ONE.to(language), "set -eu"]
    for one in placed:
        log = shlex.quote(f"{one.model.alias}.log")
        kept = replace(one.launch, program=("nohup", *PROGRAM.split()))
        lines += ["", f"{launch_line(kept, {}, release_of(one.machine.version))} > {log} 2>&1 &"]
        lines.append(f"bgecheck doctor --quick --wait 10m --pid $! --url {one.url} --log {log}")
    return "\n".join(lines) + "\n"


def nginx(placed: Sequence[Placed], language: Language) -> str:
    """What goes into the http block of nginx, as a file of conf.d does."""
    machine = placed[0].machine
    servers = {one.model.alias: authority(machine.reached_at, one.port) for one in placed}
    return _nginx(servers, authority(machine.host, machine.ports[-1]), language)


_SLASH = Text("# The slash at the end of proxy_pass takes /{} off.", "# proxy_pass 末尾的斜杠会去掉 /{} 这一段。")
_LARGE = Text(
    "  # 64 long texts are some 400 kB, their vectors as numbers 1.5 MB: nothing of it goes through the disk.",
    "  # 64 条长文本约 400 kB，向量写成数字约 1.5 MB：都不落盘。",
)
_DANGEROUS = Text(
    "  # One request to these ends an embedding server.",
    "  # 这些接口，一个请求就会让 embedding 服务退出。",
)


def _nginx(servers: Mapping[str, str], listen: str, language: Language) -> str:
    lines = []
    for alias, server in servers.items():
        lines += [f"upstream {_upstream(alias)} {{", f"  server {server};", "  keepalive 32;", "}"]
    lines += [
        "server {",
        f"  listen {listen};",
        _LARGE.to(language),
        "  client_max_body_size 64m;",
        "  client_body_buffer_size 1m;",
        "  proxy_buffer_size 64k;",
        "  proxy_buffers 8 512k;",
        "  proxy_http_version 1.1;",
        '  proxy_set_header Connection "";',
        "  proxy_set_header Host $http_host;",
        "  proxy_connect_timeout 5s;",
        "  proxy_send_timeout 300s;",
        "  proxy_read_timeout 300s;",
        _DANGEROUS.to(language),
        f"  location ~ ^/[^/]+/({'|'.join(page.lstrip('/') for page in DANGEROUS)})$ {{ return 403; }}",
    ]
    for alias in servers:
        lines += [
            f"  {_SLASH.to(language).format(alias)}",
            f"  location /{alias}/ {{ proxy_pass http://{_upstream(alias)}/; }}",
        ]
    return "\n".join([*lines, "}"]) + "\n"


def _upstream(alias: str) -> str:
    """A name that nginx takes for no host of the network."""
    return f"embed_{alias}"


_COMPOSE = Text(
    "# Each starts once the one before it is healthy: its memory share is of what that has left free.",
    "# 前一个健康后才启动下一个：显存比例是按前面的服务启动后剩余的显存算的。",
)


def compose(placed: Sequence[Placed], language: Language) -> str:
    """The same for docker compose, with nginx in front."""
    machine = placed[0].machine
    lines = [_COMPOSE.to(language), "services:"]
    before: dict[str, str] = {}
    for one in placed:
        lines += _service(one, before.get(one.card.label))
        before[one.card.label] = one.model.alias
    published = f"{authority(machine.host, machine.ports[-1])}:{_GATEWAY}"
    lines += [f"  {GATEWAY}:", "    image: nginx:stable", f"    ports: [{_quoted(published)}]", "    depends_on:"]
    for one in placed:
        lines.append(f"      {_quoted(one.model.alias)}: {{condition: service_healthy}}")
    lines += ["    configs:", "      - {source: routes, target: /etc/nginx/conf.d/default.conf}"]
    lines += ["configs:", "  routes:", "    content: |"]
    routes = _nginx({one.model.alias: f"{one.model.alias}:{_INSIDE}" for one in placed}, str(_GATEWAY), language)
    lines += [f"      {line}".rstrip() for line in _escaped(routes).splitlines()]
    return "\n".join(lines) + "\n"


def _service(one: Placed, before: str | None) -> list[str]:
    inside, mount = _mounted(one)
    options = {**one.launch.options, "model-path": inside, "host": HOST_OF_ALL, "port": str(_INSIDE)}
    launch = Launch(options=options, program=("python3", *PROGRAM.split()[1:]))
    words = shlex.split(launch_line(launch, {}, release_of(one.machine.version)))
    lines = [
        f"  {_quoted(one.model.alias)}:",
        f"    image: {one.machine.image}",
        f"    command: [{', '.join(map(_quoted, words))}]",
        f"    volumes: [{mount}]",
        "    ipc: host",
        f"    ports: [{_quoted(f'{authority(one.machine.host, one.port)}:{_INSIDE}')}]",
        "    healthcheck:",
        f"      test: [CMD, curl, -fsS, --max-time, '20', 'http://127.0.0.1:{_INSIDE}{PAGES.health[0]}']",
        *("      interval: 10s", "      timeout: 25s", "      retries: 3", "      start_period: 10m"),
    ]
    if one.card.visible is not None:
        device = f"{{driver: nvidia, device_ids: [{_quoted(one.card.visible)}], capabilities: [gpu]}}"
        lines += ["    deploy:", "      resources:", "        reservations:", f"          devices: [{device}]"]
    if before is not None:
        lines += ["    depends_on:", f"      {_quoted(before)}: {{condition: service_healthy}}"]
    return lines


def _mounted(one: Placed) -> tuple[str, str]:
    """The path of a model in its container, and what is mounted for it."""
    if os.path.isabs(one.model.path):
        inside = f"{_MODELS}/{one.model.alias}"
        # A hub's cache holds links out of the folder: what they lead to has to be there too.
        root = _root(one.model.path)
        return f"{inside}{one.model.path[len(root) :]}", _quoted(f"{root}:{inside}:ro")
    return one.model.path, f'"${{HF_HOME:-${{HOME}}/.cache/huggingface}}:{_CACHE}"'


def _root(path: str) -> str:
    """The folder that holds all files of a model: of a snapshot in a hub's cache its whole entry."""
    entry, snapshot, _ = path.partition("/snapshots/")
    return entry if snapshot and os.path.basename(entry).startswith("models--") else path


def _quoted(word: str) -> str:
    """A word as YAML and compose take it: JSON's quotes are YAML's, and a dollar sign stands twice."""
    return json.dumps(_escaped(word), ensure_ascii=False)


def _escaped(text: str) -> str:
    return text.replace("$", "$$")


_HEAD = Text(
    """\
# What `bgecheck doctor` looks at here: each model through the gateway, as its callers reach it.
""",
    """\
# `bgecheck doctor` 在此目录下检查的目标：每个模型都经过网关，与调用方走同一条路。
""",
)


def targets(placed: Sequence[Placed], language: Language) -> str:
    """The targets for `bgecheck doctor`, in the order in which they are started."""
    parts = [_HEAD.to(language)]
    for one in placed:
        values = {"name": one.model.alias, "url": one.routed, "model": one.model.name}
        lines = ["[[target]]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())]
        lines.append(f"expect_dim = {one.model.dims}")
        if one.model.folder:
            lines.append(f"model_path = {json.dumps(os.path.abspath(one.model.folder), ensure_ascii=False)}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
