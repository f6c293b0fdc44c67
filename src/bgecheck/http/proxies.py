"""The proxy that clients of this machine would ask for a URL, by the variables of the environment, and its answer."""

import ipaddress
import os
from collections.abc import Mapping
from contextlib import closing
from typing import NamedTuple
from urllib.parse import urlsplit

from bgecheck.http.client import Http, Transport
from bgecheck.http.failures import Failure
from bgecheck.http.reply import PAGE_LIMIT, Reply
from bgecheck.machine.connect import resolve, without_zone
from bgecheck.model.target import authority

NAMES = ("http_proxy", "https_proxy", "all_proxy")


class Way(NamedTuple):
    """How a client that follows the environment gets to a URL.

    `variable` names the proxy variable that it obeys, None where it goes direct. `range` is an entry of no_proxy
    that holds the host as a network (`10.0.0.0/8`): curl, requests and httpx2 understand it (httpx2 2.16.2
    `_utils.py`), httpx does not (0.28.1).
    """

    variable: str | None
    range: str | None = None
    no_proxy: str = ""
    """The value of no_proxy that exempts the host too; the entries that are there stay, as they are written."""

    def of(self, library: str) -> str | None:
        """The variable that a client obeys whose HTTP library is `httpx` or `httpx2`."""
        return None if self.range and library == "httpx2" else self.variable


DIRECT = Way(None)


def variables(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Names of the proxy variables that are set."""
    return tuple(sorted(name for name in environment if name.lower() in NAMES and environment[name]))


def client_way(url: str, host: str, port: int, environment: Mapping[str, str] = os.environ) -> Way:
    """The way to `url` by the rules that curl, requests and httpx share.

    The scheme's variable or ALL_PROXY, lower case first, and no_proxy as a list of hosts, domains (with and without
    a dot before them) and host:port; `*` is everything. `*.domain` is understood by none of them.
    """
    if _excepted(host, port, environment):
        return DIRECT
    scheme = url.partition(":")[0]
    for name in (f"{scheme}_proxy", "all_proxy"):
        # An empty variable in lower case switches off the one in upper case (urllib's getproxies_environment).
        variable = name if name in environment else name.upper()
        if environment.get(variable):
            return Way(variable, _network(host, environment), _exempting(host, environment))
    return DIRECT


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _exempting(host: str, environment: Mapping[str, str]) -> str:
    added = _LOOPBACK if host in _LOOPBACK else (host,)
    return ",".join(dict.fromkeys((*_written(environment), *added)))


def _written(environment: Mapping[str, str]) -> list[str]:
    no_proxy = environment.get("no_proxy", environment.get("NO_PROXY", ""))
    return [entry.strip() for entry in no_proxy.split(",") if entry.strip()]


def _entries(environment: Mapping[str, str]) -> list[str]:
    return [entry.lower() for entry in _written(environment)]


def _excepted(host: str, port: int, environment: Mapping[str, str]) -> bool:
    name = host.lower()
    for entry in _entries(environment):
        bare = entry.lstrip(".")
        if entry == "*" or bare in (name, f"{name}:{port}", f"[{name}]", f"[{name}]:{port}"):
            return True
        if bare and name.endswith((f".{bare}", f".{bare}".removesuffix(f":{port}"))):
            return True
    return False


def _network(host: str, environment: Mapping[str, str]) -> str | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return next((entry for entry in _entries(environment) if "/" in entry and _holds(entry, address)), None)


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def is_near(host: str) -> bool:
    """Whether a host is this machine or of this network, for which a proxy is never meant."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))
    return address.is_private or address.is_loopback


def fetch_through(variable: str, url: str, seconds: float) -> Reply | Failure | None:
    """What a GET of `url`, without a key, brings through the proxy that `variable` names.

    None where it is not asked: a proxy outside this network (nobody but the target is reached over the internet),
    one that speaks no plain HTTP (SOCKS, TLS), or an https URL, for which it only passes bytes on.
    """
    value = os.environ.get(variable, "")
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        return None
    if parts.scheme != "http" or not host or not url.startswith("http://") or not _near(host, port, seconds):
        return None
    with closing(Http(Transport(proxy=f"http://{authority(host, port)}"))) as http:
        return http.exchange("GET", url, seconds=seconds, limit=PAGE_LIMIT)


def _near(host: str, port: int, seconds: float) -> bool:
    try:
        addresses = [ipaddress.ip_address(without_zone(candidate.host)) for candidate in resolve(host, port, seconds)]
    except (OSError, ValueError):
        return False
    return bool(addresses) and all(address.is_private or address.is_loopback for address in addresses)
