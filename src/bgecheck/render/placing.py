"""How a placement is shown: a table of the models, their launch lines, and the files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bgecheck.model import Redactor, Text
from bgecheck.placing.placement import Placed
from bgecheck.render.prose import Prose
from bgecheck.render.screen import Screen, drawn

_GIB = 2**30
_HEAD = (
    Text("model", "模型"),
    Text("card", "显卡"),
    Text("port", "端口"),
    Text("share", "显存比例"),
    Text("takes", "占用"),
    Text("reached at", "访问地址"),
)
_RELEASE = Text("the lines are for sglang {version}", "启动命令适用于 sglang {version}")
_ORDER = Text(
    "start them in this order, each once the one before it is ready: a memory share is of what is free at that moment",
    "按这个顺序逐个启动，前一个就绪后再启动下一个：显存比例按启动那一刻的空闲显存计算",
)
_ALL_AGAIN = Text(
    "to restart {names}, first stop what was started after it on its card: beside it the share is too small",
    "要单独重启 {names}，先停掉同一块卡上在它之后启动的服务：否则剩余显存按这个比例不够用",
)
_WRITTEN = Text("written to {folder}: {files}", "已写入 {folder}：{files}")
_THEN = Text(
    "then: sh start.sh, nginx with nginx.conf, bgecheck doctor",
    "接着：sh start.sh，加载 nginx.conf，再运行 bgecheck doctor",
)


def drawn_placement(placed: Sequence[Placed], files: Mapping[str, str], folder: str | None, screen: Screen) -> str:
    """The table, what is left free, the launch lines in their order, and the text of each file that is to be shown."""
    console = screen.console()
    table = screen.table(head=True)
    for heading in _HEAD:
        table.add_column(screen.say(heading), overflow="fold")
    for one in placed:
        names = (
            one.model.alias if one.model.alias == one.model.name.lower() else f"{one.model.alias} ({one.model.name})"
        )
        takes = f"{one.taken / _GIB:.1f} GiB"
        table.add_row(names, one.card.label, str(one.port), f"{one.share:g}", takes, one.routed)
    console.print(table)
    for line in _remarks(placed, screen):
        console.print(Prose(line))
    text = drawn(console)
    if folder is None:
        return text + "".join(f"\n# --- {name}\n{content}" for name, content in _clean(files).items())
    words = _WRITTEN.filled({"folder": folder, "files": ", ".join(_names())})
    return f"{text}{screen.say(words)}\n{screen.say(_THEN)}\n"


def _names() -> tuple[str, ...]:
    from bgecheck.placing.files import COMPOSE, NGINX, SCRIPT, TARGETS

    return SCRIPT, NGINX, COMPOSE, TARGETS


def _remarks(placed: Sequence[Placed], screen: Screen) -> list[str]:
    """What is left free on each card, the order, and what cannot be restarted by itself."""
    left = {one.card.label: one.free - one.taken for one in placed}
    free = ", ".join(f"{label} {room / _GIB:.1f} GiB" for label, room in left.items())
    remarks = [screen.say(Text(f"left free: {free}", f"剩余：{free}"))]
    remarks.append(screen.say(_RELEASE.filled({"version": placed[0].machine.version})))
    if any(one.later for one in placed):
        remarks.append(screen.say(_ORDER))
    if stuck := [one.model.alias for one in placed if not one.starts_again]:
        remarks.append(screen.say(_ALL_AGAIN.filled({"names": ", ".join(stuck)})))
    return remarks


def _clean(files: Mapping[str, str]) -> dict[str, str]:
    """The texts line by line without what looks like a key."""
    redactor = Redactor()
    return {name: "".join(f"{redactor.text(line)}\n" for line in text.splitlines()) for name, text in files.items()}


def placement_as_json(placed: Sequence[Placed], files: Mapping[str, str]) -> str:
    """The placement for programs, and the files."""
    machine = placed[0].machine
    payload = {
        "schema": "bgecheck.plan/1",
        "sglang": machine.version,
        "gateway": {"host": machine.host, "port": machine.ports[-1]},
        "models": [_as_json(one) for one in placed],
        "files": dict(_clean(files)),
    }
    return json.dumps(payload, ensure_ascii=False, indent=2) + "\n"


def _as_json(one: Placed) -> dict[str, object]:
    return {
        "name": one.model.name,
        "alias": one.model.alias,
        "model_path": one.model.path,
        "card": one.card.label,
        "port": one.port,
        "share": one.share,
        "free_before": round(one.free),
        "takes": round(one.taken),
        "weights": round(one.footprint.weights),
        "restarts_alone": one.starts_again,
        "launch_line": str(one.line),
        "url": one.url,
        "routed": one.routed,
    }
