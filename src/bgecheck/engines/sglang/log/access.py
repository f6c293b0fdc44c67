"""What the user that runs a server may not do: read or write a path, take a port, bind memory, start threads."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log.marks import SHELL_LINE
from bgecheck.engines.sglang.log.session import Hit, Session

_PATH = re.compile(r"['\"](/[^'\"]{1,400})['\"]|PermissionError at (/\S{1,400}) when|cannot open (/\S{1,400}):")
_SCRIPT = re.compile(
    rf"^-?(?:\S*/)?(?:ba|da|z|k)?sh: {SHELL_LINE}"
    r"(?:exec: )?([\w./~+-]{1,200}): (?:Permission denied|权限不够)\s*$"
    r"|exec: \\?\"([^\"\\]{1,200})\\?\": (?:\S+ )?permission denied|^(?:/\S+/)?(?:env|nohup): .*['‘]([^'’]{1,200})['’]: Permission denied"
)
_PORT = re.compile(r"bind on address \('[^']*', (\d{1,5})")

_KINDS = (
    ("docker", re.compile(r"trying to connect to the")),
    ("membind", re.compile(r"^setting membind: ")),
    ("threads", re.compile(r"can't start new thread|pthread_create failed")),
    ("port", _PORT),
    ("script", _SCRIPT),
    ("read-only", re.compile(r"Read-only file system.*?['\"]/")),
    ("path", _PATH),
)


def kind(session: Session, hit: Hit) -> str | None:
    """What was refused; None where the line names neither a path, a program nor a port."""
    return next((kind for kind, words in _KINDS if words.search(hit.text)), None)


def values(session: Session, hit: Hit) -> dict[str, str]:
    """The path, the program or the port that was refused."""
    refused = {}
    if match := _PATH.search(hit.text):
        refused = {"path": next(filter(None, match.groups()))}
    if match := _SCRIPT.search(hit.text):
        refused["script"] = next(filter(None, match.groups()))
    if match := _PORT.search(hit.text):
        refused["port"] = match[1]
    return refused
