"""What the user that runs a server may not do: read or write a path, take a port, bind memory, start threads."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log.session import Hit, Session

_PATH = re.compile(r"['\"](/[^'\"]{1,400})['\"]|PermissionError at (/\S{1,400}) when|cannot open (/\S{1,400}):")
_PORT = re.compile(r"bind on address \('[^']*', (\d{1,5})")

_KINDS = (
    ("docker", re.compile(r"trying to connect to the")),
    ("membind", re.compile(r"^setting membind: ")),
    ("threads", re.compile(r"can't start new thread|pthread_create failed")),
    ("port", _PORT),
    ("read-only", re.compile(r"Read-only file system.*?['\"]/")),
    ("path", _PATH),
)


def kind(session: Session, hit: Hit) -> str | None:
    """What was refused; None where the line names neither a path nor a port."""
    return next((kind for kind, words in _KINDS if words.search(hit.text)), None)


def values(session: Session, hit: Hit) -> dict[str, str]:
    """The path or the port that was refused."""
    refused = {}
    if match := _PATH.search(hit.text):
        refused = {"path": next(filter(None, match.groups()))}
    if match := _PORT.search(hit.text):
        refused["port"] = match[1]
    return refused
