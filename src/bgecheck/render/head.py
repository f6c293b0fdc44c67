"""The head of a screen: which server was looked at, and the notes of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgecheck.checks.first_vector import FirstVector
from bgecheck.model import Report, Text
from bgecheck.render.prose import Prose, columns
from bgecheck.render.screen import Screen

if TYPE_CHECKING:
    from rich.console import Console


def draw_head(report: Report, screen: Screen, console: Console) -> None:
    """What was looked at, and the notes of the run."""
    console.print(Prose([*_target(report, screen), *_notes(report, screen)]))


def _target(report: Report, screen: Screen) -> list[str]:
    """The server, its engine, process and log: broken between them where a line is too short for all."""
    target = report.target
    model, url = target.get("model"), target.get("url")
    server = Text(f"{model} at {url}", f"{url} 上的 {model}") if model and url else url or ""
    launch = target.get("launch")
    client = next((f.data.openai for f in report.findings if isinstance(f.data, FirstVector)), None)
    parts = (
        screen.say(server) + _how(report, screen),
        f"{target.get('engine', '')} {target.get('version', '')}".strip(),
        screen.say(Text(f"called with openai {client}", f"用 openai {client} 调用")) if client else "",
        screen.say(_launch(launch, target.get("model_path") or model)) if launch else "",
        f"pid {target['pid']}" if "pid" in target else "",
        screen.say(Text(f"log {target['log']}", f"日志 {target['log']}")) if "log" in target else "",
    )
    lines: list[str] = []
    for part in filter(None, parts):
        if lines and columns(longer := f"{lines[-1]}{screen.separator}{part}") <= screen.width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _launch(place: str, model: str | None) -> Text:
    """The launch command that is judged, by its place, and the model that it serves."""
    if model is None:
        return Text(f"launch command: {place}", f"启动命令：{place}")
    return Text(f"launch of {model}: {place}", f"{model} 的启动命令：{place}")


def _how(report: Report, screen: Screen) -> str:
    """How the server was found, where a program asks it that was not told which."""
    by = {
        "process": Text(" (found running here)", "（本机正在运行的服务）"),
        "default": Text(" (the default address)", "（默认地址）"),
        "option": Text(" (--url)", "（--url 指定）"),
        "file": Text(" ({name} of bgecheck.toml)", "（bgecheck.toml 里的 {name}）").filled(report.target),
    }
    words = by.get(report.target.get("found_by", ""))
    return screen.say(words) if words else ""


def _notes(report: Report, screen: Screen) -> list[str]:
    brackets = screen.say(Text("({})", "（{}）"))
    return [brackets.format(screen.say(note)) for note in report.notes]
