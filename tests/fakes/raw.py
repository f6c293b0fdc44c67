"""Sockets whose every connection is handed to a function: what a server sends, byte for byte."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

Behaviour = Callable[[socket.socket], None]


@contextmanager
def accepting(behave: Behaviour, host: str = "127.0.0.1") -> Iterator[int]:
    """A server on a free port that does this with every connection at once; the port is given."""
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen(32)
    server.settimeout(0.05)
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                behave(connection)
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        over.set()
        thread.join(2)
        server.close()


@contextmanager
def listening(behave: Behaviour) -> Iterator[str]:
    """The same, once a request was read; the URL of its model list is given."""

    def after_request(connection: socket.socket) -> None:
        connection.recv(65536)
        behave(connection)

    with accepting(after_request) as port:
        yield f"http://127.0.0.1:{port}/v1/models"


def answer(raw: bytes) -> Behaviour:
    """Send these bytes and hang up."""
    return lambda connection: connection.sendall(raw)


def pieces(parts: Sequence[bytes]) -> Behaviour:
    """Send these bytes in pieces, and hang up."""

    def behave(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            time.sleep(0.001)

    return behave


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole response on a connection that stays."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def reset(connection: socket.socket) -> None:
    """Cut the connection with a reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _link_local() -> str | None:
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines():
            digits, *_, name = line.split()
            if digits.startswith("fe80"):
                return f"{socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))}%{name}"
    return None


LINK_LOCAL = _link_local()
"""An IPv6 address of this machine that needs its interface, as `fe80::1%eth0`; None where there is none."""
