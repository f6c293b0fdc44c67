"""Makes the pictures of the documentation: runs bgecheck in a terminal of its own and draws what it shows as SVG.

usage: python docs/pictures.py        needs Linux or macOS; `make pictures` runs it
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
from html import unescape
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

FOLDER = Path(__file__).parent / "pictures"

PICTURES = {
    "wrong-vectors-en": (80, ["demo", "--fault", "repeat-differs", "--lang", "en"]),
    "wrong-vectors-zh": (80, ["demo", "--fault", "repeat-differs", "--lang", "zh"]),
    "healthy-zh": (80, ["demo", "--lang", "zh"]),
    "out-of-memory-en": (100, ["demo", "--fault", "gpu-oom", "--lang", "en"]),
}
"""For each picture the columns of the terminal and the arguments of bgecheck."""


def on_a_terminal(columns: int, arguments: list[str]) -> str:
    """What bgecheck writes to a terminal of that width, control sequences included."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(columns))
        os.execv(sys.executable, [sys.executable, "-m", "bgecheck", *arguments])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    shown = bytearray()
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:  # the other side has closed the terminal
            break
        if not block:
            break
        shown += block
    os.waitpid(pid, 0)
    return shown.decode()


def drawn(text: str, columns: int, title: str) -> str:
    """The picture of a screen as SVG, without the address of a font: a reader's own monospaced one is used."""
    # Progress is drawn over itself and erased before the report; only colours are left.
    report = re.sub(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]", "", text.rpartition("\x1b[2K")[2]).replace("\r", "")
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(report))
    svg = console.export_svg(title=title)
    return re.sub(r"@font-face\s*\{.*?\}\s*", "", WIDTH.sub(_in_columns, svg), flags=re.DOTALL)


WIDTH = re.compile(r'textLength="([\d.]+)"([^>]*)>([^<]*)<')


def _in_columns(match: re.Match[str]) -> str:
    """Rich counts characters, of which a Chinese one takes two columns."""
    text = unescape(match[3])
    width = float(match[1]) * cell_len(text) / len(text) if text else float(match[1])
    return f'textLength="{width:.1f}"{match[2]}>{match[3]}<'


def main() -> None:
    """Make every picture anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, (columns, arguments) in PICTURES.items():
        shown = on_a_terminal(columns, arguments)
        (FOLDER / f"{name}.svg").write_text(drawn(shown, columns, f"bgecheck {' '.join(arguments)}"), encoding="utf-8")
        print(f"docs/pictures/{name}.svg")


if __name__ == "__main__":
    main()
