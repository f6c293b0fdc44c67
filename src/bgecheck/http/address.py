"""Understands a base URL in any shape that users paste, and refuses what cannot be one."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from bgecheck.model import BadInput, Text
from bgecheck.model.target import DEFAULT_HOST, DEFAULT_PORT, asked_at

ROUTES = ("/chat/completions", "/embeddings", "/models", "/completions", "/health")
"""Routes that users paste along with the base URL."""

_SHAPE = Text("write it as http://127.0.0.1:30000/v1", "写成 http://127.0.0.1:30000/v1 这样")


class Address(NamedTuple):
    """Where a server is: `url` has scheme, host, port and a gateway's path, without `/v1`.

    The zone of a link-local address is percent-encoded in `url` (`[fe80::1%25eth0]`, RFC 6874) and not in `host`.
    """

    url: str
    host: str
    port: int


def parse_url(given: str) -> Address:
    """The address behind a base URL with or without scheme, `/v1` (once or twice), a route or a trailing slash.

    A bare port or host (an IPv6 address also without brackets) means sglang's default for the rest. Raises `BadInput`
    for another scheme, a host or port that cannot be, credentials, a query, or a path that goes on below a route.
    """
    text = _mended(given)
    if "@" in text:
        raise _bad(
            given,
            Text("a URL must not hold credentials: they end up in logs", "URL 里不要写账号密码，会被记进日志"),
            Text("give the key as BGECHECK_API_KEY or by --api-key", "key 改用 BGECHECK_API_KEY 或 --api-key"),
        )
    if not text or re.search(r"\s|[\x00-\x1f\x7f]", text):
        raise _bad(given, Text("not a URL", "不是 URL"))
    if re.fullmatch(r":?\d{1,5}", text):
        text = f"http://{DEFAULT_HOST}:{text.lstrip(':')}"
    text = _bracketed(text)
    bare = "://" not in text
    parts = _split(given, f"http://{text}" if bare else text)
    if parts.scheme not in ("http", "https"):
        raise _bad(given, Text("only http and https are supported", "只支持 http 和 https"))
    if parts.query or parts.fragment:
        raise _bad(given, Text("a base URL has no query and no fragment", "base URL 不带 ? 参数，也不带 #"))
    host = _host(given, parts)
    port = _port(given, parts) or (DEFAULT_PORT if bare and not parts.path else _PORTS[parts.scheme])
    shown = f"[{host.replace('%', '%25')}]" if ":" in host else host
    suffix = "" if port == _PORTS[parts.scheme] else f":{port}"
    return Address(f"{parts.scheme}://{shown}{suffix}{_path(given, parts.path)}", host, port)


_FULL_WIDTH = str.maketrans("：／．。\\", ":/../")
_QUOTES = "\"'`<>“”‘’「」"
_SCHEME = re.compile(r"(?i)(?:https?:/*(?=https?:))?(https?)(?::/*|/{2,})(.*)")
_NO_HOSTS = ("", "v1", "api", "openai", *(route.split("/")[1] for route in ROUTES))
"""What stands first behind a scheme where the host is missing."""


def _mended(given: str) -> str:
    """What was meant by a URL that lost something on its way: quotes and full-width marks around it, a slash, a name.

    `http:host`, `http//host` and `http:///host` get the slashes that they lack, `BASE_URL=http://host` loses its name.
    """
    text = re.sub(r"^\w+=(?=['\"]?https?:)", "", given.strip().strip(_QUOTES))
    text = text.strip(_QUOTES).rstrip("。，,；;").translate(_FULL_WIDTH)
    scheme = _SCHEME.fullmatch(text)
    if scheme is None or scheme[2].split("/")[0].lower() in _NO_HOSTS:
        return text
    rest = f"{DEFAULT_HOST}:{scheme[2]}" if re.match(r"\d{1,5}(?:/|$)", scheme[2]) else scheme[2]
    return f"{scheme[1]}://{rest}"


def _bracketed(text: str) -> str:
    """A pasted `fe80::1%eth0` or `::1/v1` with the brackets that a URL needs."""
    host, slash, path = text.partition("/")
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return text
    return f"[{host}]{slash}{path}"


_PORTS = {"http": 80, "https": 443}


def _bad(given: str, reason: Text, remedy: Text = _SHAPE) -> BadInput:
    return BadInput(_without_credentials(given) or "--url ''", reason, remedy)


def _without_credentials(given: str) -> str:
    """What was given, with all before its last `@` hidden: a password may hold `@`, `/`, blanks and colons."""
    scheme, rest = re.fullmatch(r"(\s*\w+://)?(.*)", given, re.DOTALL).groups("")  # type: ignore[union-attr]  # any text matches
    _, at, host = rest.rpartition("@")
    return f"{scheme}***@{host}" if at else given


def _split(given: str, text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise _bad(given, Text("not a URL", "不是 URL")) from error


def _port(given: str, parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or (port is None and parts.netloc.endswith(":")):
        raise _bad(given, Text("the port is not between 1 and 65535", "端口不在 1 到 65535 之间"))
    return port


def _host(given: str, parts: SplitResult) -> str:
    host, percent, zone = (parts.hostname or "").partition("%")
    if not host:
        raise _bad(given, Text("there is no host in it", "缺少主机名"))
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        host += percent + zone
    else:
        if literal.is_unspecified:  # the server's own host option was pasted
            host = asked_at(str(literal))
        return f"{host}%{_zone(given, literal, zone)}" if percent else host
    digits = re.fullmatch(r"[\d.]+", host)
    if digits or len(host) > 253 or not re.fullmatch(r"(?!-)[\w-]{1,63}(\.[\w-]{1,63})*\.?", host):
        raise _bad(given, Text(f"{host} is neither a host name nor an address", f"{host} 不是合法的主机名或地址"))
    return host


def _zone(given: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, zone: str) -> str:
    """The interface behind a `%`, which a URL writes as `%25` (RFC 6874) and people as it is."""
    name = zone.removeprefix("25") or zone
    if address.version != 6 or not re.fullmatch(r"[\w.~-]{1,32}", name, re.ASCII):
        raise _bad(
            given,
            Text(f"%{zone} is not a network interface", f"%{zone} 不是网络接口名"),
            Text("write it as http://[fe80::1%25eth0]:30000/v1", "写成 http://[fe80::1%25eth0]:30000/v1 这样"),
        )
    return name


def _path(given: str, path: str) -> str:
    """The gateway's part of the path: what is left without `/v1` and routes."""
    rest = re.sub(r"/{2,}", "/", path).rstrip("/")
    while True:
        cut = next((rest[: -len(end)] for end in ("/v1", *ROUTES) if rest.lower().endswith(end)), rest)
        if cut == rest:
            break
        rest = cut.rstrip("/")
    beyond = re.search(r"/v1(/.+)", rest, re.IGNORECASE)
    if beyond:
        raise _bad(
            given,
            Text(f"the OpenAI API has no path /v1{beyond[1]}", f"OpenAI 接口没有 /v1{beyond[1]} 这个路径"),
            Text("end it at /v1", "写到 /v1 为止"),
        )
    return rest


_SHORTHAND = re.compile(r"(?!https?[:/])[^/]*/?", re.IGNORECASE)
"""A port, a host, or both, which nobody would paste into a client."""


def is_base_url(given: str, base_url: str) -> bool:
    """Whether a client gets to `base_url` with what was given; true also of a mere host or port."""
    text = given.strip()
    if _SHORTHAND.fullmatch(text) or text.rstrip("/") == base_url:
        return True
    try:
        return _parts(text) == _parts(base_url)
    except ValueError:
        return False


def _parts(url: str) -> tuple[str, str | None, int | None, str]:
    """What makes two URLs the same."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme), parts.path.rstrip("/")
