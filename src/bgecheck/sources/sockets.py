"""The door to listening TCP sockets: which addresses and ports are taken, and by whom."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from bgecheck.model import Text, Unavailable

_NET = "/proc/net"
_LISTEN = "0A"


class Listener(NamedTuple):
    """A listening socket. `pid` is None when its owner may not be seen (another user, another container)."""

    address: str
    port: int
    pid: int | None = None
    inode: str = ""
    uid: int | None = None

    @property
    def everywhere(self) -> bool:
        """Whether it takes connections on every address of the machine."""
        return self.address in ("0.0.0.0", "::")

    @property
    def loopback(self) -> bool:
        """Whether only this machine itself can reach it."""
        return self.address == "::1" or self.address.startswith("127.")


def listeners(port: int, likely: Iterable[int] = ()) -> tuple[Listener, ...]:
    """Who listens on `port`, IPv4 and IPv6, owners resolved where they may be seen. Raises `Unavailable`.

    The processes that are `likely` to be the owner are looked at first.
    """
    if not os.path.isfile(f"{_NET}/tcp"):
        return tuple(_from_psutil(port))
    found = [x for x in _from_proc() if x.port == port]
    return _owned(found, likely) if found else ()


def free_port(near: int) -> int | None:
    """The first port above `near` that no socket uses, within a hundred; None when all are taken. Raises `Unavailable`.

    The local end of a connection takes a port as well as a listener does: a server can't be bound to either.
    """
    taken = _ports_of_proc() if os.path.isfile(f"{_NET}/tcp") else frozenset(x.port for x in _from_psutil(None))
    return next((p for p in range(near + 1, min(near + 101, 65536)) if p not in taken), None)


def accepts(address: str, port: int, seconds: float) -> bool:
    """Whether a TCP connection to an address or name is taken; it is closed at once."""
    for found in resolved(address):
        family = socket.AF_INET6 if ":" in found else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(seconds)
            if probe.connect_ex((found, port)) == 0:
                return True
    return False


def resolved(name: str) -> tuple[str, ...]:
    """The addresses of a host name in the order in which clients try them; none when it has none."""
    try:
        # Bytes pass as they are; for a str Python first loads its tables of international names.
        found = socket.getaddrinfo(name.encode() if name.isascii() else name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_own(host: str) -> bool:
    """Whether an address belongs to this machine: only then a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except (OSError, UnicodeError):
        return False
    return True


def _from_proc() -> Iterator[Listener]:
    for fields in _sockets():
        if fields[3] == _LISTEN:
            address, _, port = fields[1].partition(":")
            yield Listener(_address(address), int(port, 16), inode=fields[9], uid=int(fields[7]))


def _ports_of_proc() -> frozenset[int]:
    return frozenset(int(fields[1].rpartition(":")[2], 16) for fields in _sockets())


def _sockets() -> Iterator[list[str]]:
    """The columns of the kernel's tables of TCP sockets, in any state."""
    for name in ("tcp", "tcp6"):
        try:
            with open(f"{_NET}/{name}", encoding="ascii") as file:
                lines = file.readlines()
        except FileNotFoundError:
            continue  # IPv6 is switched off
        except OSError as error:
            raise Unavailable(
                Text(f"{_NET}/{name} cannot be read: {error.strerror}", f"无法读取 {_NET}/{name}：{error.strerror}")
            ) from error
        yield from (fields for fields in map(str.split, lines[1:]) if len(fields) > 9)


def _address(text: str) -> str:
    """The kernel writes each 32-bit word in the machine's own byte order."""
    words = struct.pack(f"={len(text) // 8}I", *(int(text[i : i + 8], 16) for i in range(0, len(text), 8)))
    if len(words) == 4:
        return socket.inet_ntop(socket.AF_INET, words)
    plain = socket.inet_ntop(socket.AF_INET6, words)
    return plain.removeprefix("::ffff:") if plain.startswith("::ffff:") and "." in plain else plain


def _owned(found: list[Listener], likely: Iterable[int]) -> tuple[Listener, ...]:
    wanted = {f"socket:[{listener.inode}]": listener.inode for listener in found}
    owners: dict[str, int] = {}
    # A forked child holds its parent's socket too: the lowest pid is the one that opened it.
    everybody = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    for pid in (*sorted(likely), *everybody):
        for link in _links(pid):
            if link in wanted:
                owners.setdefault(wanted[link], pid)
        if len(owners) == len(set(wanted.values())):
            break
    return tuple(listener._replace(pid=owners.get(listener.inode)) for listener in found)


def _links(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:
        return
    for number in numbers:
        # A descriptor may be closed while we look.
        with suppress(OSError):
            yield os.readlink(f"{folder}/{number}")


def _from_psutil(port: int | None) -> Iterator[Listener]:
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error as error:
        raise Unavailable(
            Text(
                "this system shows listening sockets to its administrator only",
                "本系统只允许管理员查看监听端口",
            )
        ) from error
    for connection in connections:
        local = connection.laddr
        if connection.status == psutil.CONN_LISTEN and local and port in (None, local.port):
            yield Listener(local.ip, local.port, connection.pid)
