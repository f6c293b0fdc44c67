"""What every page of HTML has around its content: no scripts, no network, one style for screen and paper."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape

from bgecheck import __version__
from bgecheck.model import Text
from bgecheck.render.screen import Screen

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(title: str, body: str, legend: str, screen: Screen, style: str = "") -> str:
    """A whole page; `body` is HTML, the title and the legend at its foot are plain text; `style` is further CSS."""
    return (
        f'<!doctype html>\n<html lang="{"zh-CN" if screen.language == "zh" else "en"}">\n<head>\n'
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escaped(title)}</title>\n<style>{sheet('page.css')}{style}</style>\n</head>\n<body>\n<main>\n"
        + body
        + f"\n<footer>{escaped(legend)}<br>bgecheck {__version__}</footer>\n</main>\n</body>\n</html>\n"
    )


def table(heads: Sequence[Text], rows: Iterable[Sequence[str]], screen: Screen) -> str:
    """A table; its cells are HTML."""
    names = [escaped(screen.say(head)) for head in heads]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def escaped(text: str) -> str:
    """Plain text as HTML."""
    return escape(text)


def sheet(name: str) -> str:
    """A style sheet that is shipped as a file beside this one."""
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()
