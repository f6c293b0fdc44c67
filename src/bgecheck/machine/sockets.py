"""The door to listening TCP sockets: which addresses and ports are taken, and by whom."""

import errno
import os
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from bgecheck.machine.connect import Address, connect, resolve
from bgecheck.model import Text, Unavailable, reason_of
from bgecheck.model.deadline import Deadline

_NET = "/proc/net"
_LISTEN, _TIME_WAIT = "0A", "06"

FORWARDERS = frozenset({"docker-proxy", "rootlesskit", "slirp4netns", "pasta", "conmon", "kubectl", "ssh", "sshd"})
"""Programs that hold a port on behalf of a server that runs elsewhere, in a container for instance."""


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


class Inside(NamedTuple):
    """The network of a process that does not share this machine's, as in a container."""

    listeners: tuple[Listener, ...]
    """Who listens there on the port that was asked for; owners are not looked for."""
    addresses: tuple[str, ...]
    """Its IPv4 addresses but loopback: where this machine reaches it, on a bridge for instance."""


def inside(pid: int, port: int) -> Inside | None:
    """The network of another process; None where it shares this one's, or may not be seen."""
    net = f"/proc/{pid}/net"
    try:
        if _shares_network(pid):
            return None
        return Inside(tuple(x for x in _from_proc(net) if x.port == port), _addresses_in(net))
    except (OSError, Unavailable):
        return None


def _shares_network(pid: int) -> bool:
    """By the namespace itself where it may be seen, else by the addresses in it, which anybody may read."""
    try:
        return os.readlink("/proc/self/ns/net") == os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return _addresses_in(_NET) == _addresses_in(f"/proc/{pid}/net")


def _addresses_in(net: str) -> tuple[str, ...]:
    """The IPv4 addresses of a network but loopback: the kernel's routing table marks them `/32 host LOCAL`."""
    with open(f"{net}/fib_trie", encoding="ascii") as file:
        addresses = re.findall(r"\|-- ([\d.]+)\n +/32 host LOCAL", file.read())
    return tuple(dict.fromkeys(address for address in addresses if not address.startswith("127.")))


def listeners(port: int, likely: Iterable[int] = ()) -> tuple[Listener, ...]:
    """Who listens on `port`, IPv4 and IPv6, owners resolved where they may be seen. Raises `Unavailable`.

    The processes that are `likely` to be the owner are looked at first.
    """
    if not os.path.isfile(f"{_NET}/tcp"):
        return tuple(_from_psutil(port))
    listeners = [x for x in _from_proc() if x.port == port]
    return _owned(listeners, likely) if listeners else ()


def free_port(near: int) -> int | None:
    """The first port above `near` that no socket uses, within a hundred; None when all are taken. Raises `Unavailable`.

    The local end of a connection takes a port as well as a listener does: a server can't be bound to either.
    """
    taken = _ports_of_proc() if os.path.isfile(f"{_NET}/tcp") else frozenset(x.port for x in _from_psutil(None))
    return next((p for p in range(near + 1, min(near + 101, 65536)) if p not in taken), None)


class Binding(NamedTuple):
    """What became of binding a socket to one address as a server does; it was closed at once, and never listened."""

    address: str
    refused: int | None
    """The number of the error, an `errno`; None where the address can be taken."""


def bindings(host: str, port: int, seconds: float) -> tuple[Binding, ...]:
    """Whether a server can take a port at each address of a host, a name being looked up within `seconds`.

    Raises OSError where a name has no address. As servers do, it asks for SO_REUSEADDR, so that what is left of closed
    connections (TIME_WAIT) is in nobody's way; an IPv6 address takes IPv6 alone.
    """
    return tuple(Binding(address.host, _refused(address)) for address in resolve(host, port, seconds))


def _refused(address: Address) -> int | None:
    try:
        with socket.socket(address.family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address.family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address.socket_address)
    except OSError as error:
        return error.errno or errno.EINVAL
    return None


def connections(port: int) -> tuple[int, int]:
    """How many sockets have a port as their own end and do not listen: those that wait to be forgotten, and others."""
    if not os.path.isfile(f"{_NET}/tcp"):
        return 0, 0
    states = [f[3] for f in _sockets(_NET, f":{port:04X} ") if int(f[1].rpartition(":")[2], 16) == port]
    return states.count(_TIME_WAIT), sum(state not in (_TIME_WAIT, _LISTEN) for state in states)


def given_out() -> range | None:
    """The ports from which the system chooses for whoever asks for any; None where it does not tell."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            low, high = (int(number) for number in file.read().split())
    except (OSError, ValueError):
        return None
    return range(low, high + 1)


_UNPRIVILEGED = 1024
"""The first port that every user may bind, where the system does not say another."""


def unprivileged() -> int:
    """The first port that every user may bind."""
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return _UNPRIVILEGED


def reached_by_ipv4() -> bool:
    """Whether this machine has an IPv4 address beside its own loopback."""
    try:
        return bool(_addresses_in(_NET))
    except OSError:
        return False


def accepts(address: str, port: int, seconds: float) -> bool:
    """Whether a TCP connection to an address or name is taken within `seconds`; it is closed at once."""
    deadline = Deadline(seconds)
    try:
        connect(resolve(address, port, seconds), deadline.remaining).close()
    except OSError:
        return False
    return True


def resolved(name: str, seconds: float) -> tuple[str, ...]:
    """The addresses of a host name in the order in which clients try them; none when it has none within `seconds`."""
    try:
        addresses = resolve(name, 0, seconds)
    except OSError:
        return ()
    return tuple(dict.fromkeys(address.host for address in addresses))


def is_own(host: str, seconds: float) -> bool:
    """Whether a host is this machine: a socket can be bound to its first address, which is known within `seconds`."""
    try:
        address = resolve(host, 0, seconds)[0]
        with socket.socket(address.family, socket.SOCK_STREAM) as probe:
            probe.bind(address.socket_address)
    except OSError:
        return False
    return True


def _from_proc(net: str = _NET) -> Iterator[Listener]:
    for fields in _sockets(net, f" {_LISTEN} "):
        if fields[3] == _LISTEN:
            address, _, port = fields[1].partition(":")
            yield Listener(_address(address), int(port, 16), inode=fields[9], uid=int(fields[7]))


def _ports_of_proc() -> frozenset[int]:
    return frozenset(int(fields[1].rpartition(":")[2], 16) for fields in _sockets(_NET))


def _sockets(net: str, having: str = "") -> Iterator[list[str]]:
    """The columns of the lines of the kernel's tables of TCP sockets that hold a text. Raises `Unavailable`."""
    for name in ("tcp", "tcp6"):
        try:
            with open(f"{net}/{name}", encoding="ascii") as file:
                lines = file.readlines()
        except FileNotFoundError:
            continue  # IPv6 is switched off
        except OSError as error:
            why = reason_of(error)
            raise Unavailable(
                Text(f"{net}/{name} cannot be read: {why.en}", f"无法读取 {net}/{name}：{why.zh}")
            ) from error
        # A busy machine has thousands of connections, and a few listeners.
        yield from (fields for line in lines[1:] if having in line and len(fields := line.split()) > 9)


def _address(text: str) -> str:
    """The kernel writes each 32-bit word in the machine's own byte order."""
    words = struct.pack(f"={len(text) // 8}I", *(int(text[i : i + 8], 16) for i in range(0, len(text), 8)))
    if len(words) == 4:
        return socket.inet_ntop(socket.AF_INET, words)
    plain = socket.inet_ntop(socket.AF_INET6, words)
    return plain.removeprefix("::ffff:") if plain.startswith("::ffff:") and "." in plain else plain


def _owned(listeners: list[Listener], likely: Iterable[int]) -> tuple[Listener, ...]:
    wanted = {f"socket:[{listener.inode}]": listener.inode for listener in listeners}
    owners: dict[str, int] = {}
    # A forked child holds its parent's socket too: the lowest pid is the one that opened it.
    everybody = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    for pid in (*sorted(likely), *everybody):
        for link in _links(pid):
            if link in wanted:
                owners.setdefault(wanted[link], pid)
        if len(owners) == len(set(wanted.values())):
            break
    return tuple(listener._replace(pid=owners.get(listener.inode)) for listener in listeners)


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
