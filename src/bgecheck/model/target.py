"""What is being looked at: the server as the user named it, or as it was found running."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bgecheck.model.processes import Ended, ProcessTable, Start
from bgecheck.model.words import Words

DEFAULT_PORT = 30000
"""sglang's own default for `--port` (server_args.py, every release read)."""

DEFAULT_HOST = "127.0.0.1"
"""sglang's own default for `--host`."""


def authority(host: str, port: int) -> str:
    """Host and port as one word, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def asked_at(host: str) -> str:
    """Where this machine reaches what listens on `host`: no client can be connected to the address of all."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


class Secret:
    """A key: usable, never printable."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProcess:
    """A running sglang server, read from its process."""

    pid: int
    argv: tuple[str, ...]
    """The command line as typed, secrets included: never print it unredacted."""
    flags: Mapping[str, str]
    """Launch options by their long name without dashes; a switch has the value `""`."""
    host: str
    port: int
    model_path: str | None
    served_name: str | None
    api_key: Secret | None
    cwd: str | None
    log: str | None
    """The file that its stdout goes to, if it is a file."""
    started_at: float
    """Seconds since the epoch."""
    children: tuple[int, ...] = ()
    stopped: tuple[int, ...] = ()
    """Those of it and its children that a signal has stopped."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that decide what it runs, as the visible GPUs; never a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Everything a run needs to know of the server; `origins` says where each value came from."""

    url: str
    """Scheme, host, port and gateway path, without `/v1` and without a trailing slash."""
    host: str
    port: int
    given_url: str | None = None
    name: str | None = None
    """What the user calls it, among several."""
    model: str | None = None
    api_key: Secret | None = None
    other_keys: tuple[Secret, ...] = ()
    """Those of further targets, which are hidden in the report on this one too."""
    log: str | None = None
    launch: str | None = None
    """The launch command that is judged before anything runs, by its place: a file and line, or what was typed."""
    pid: int | None = None
    model_path: str | None = None
    expect_dim: int | None = None
    server: ServerProcess | None = None
    others: tuple[ServerProcess, ...] = ()
    """Further running servers that were found and not taken."""
    origins: Mapping[str, str] = field(default_factory=dict)
    searched: tuple[Words, ...] = ()
    """Where a server was looked for, when none was found."""
    processes: ProcessTable | None = None
    """The process table that it was found in, for the examination that follows at once."""
    start: Start | None = None
    """The process whose server is waited for, where one was given or launched."""
    ended: Ended | None = None
    """The server's process, where it was found or given and has ended since."""

    @property
    def base_url(self) -> str:
        """What an OpenAI client calls its base URL."""
        return f"{self.url}/v1"

    @property
    def address(self) -> str:
        """Host and port as one word."""
        return authority(self.host, self.port)

    @property
    def server_name(self) -> str:
        """The host as TLS names it: without the zone of a link-local address."""
        return self.host.partition("%")[0]

    @property
    def is_local(self) -> bool:
        """Whether the address is a loopback address or name of this machine."""
        return self.host in ("localhost", "::1", "0.0.0.0", "::") or self.host.startswith("127.")

    def secrets(self) -> tuple[str, ...]:
        """Every key that is known and must not be shown."""
        keys = (self.api_key, *(s.api_key for s in (self.server, *self.others) if s), *self.other_keys)
        return tuple(dict.fromkeys(k.reveal() for k in keys if k))

    def described(self) -> dict[str, str]:
        """The target as printable strings, for the head of a report; the key only as present."""
        described = {
            "name": self.name,
            "url": self.base_url if self.url else None,
            "found_by": self.origins.get("url") if self.url else None,
            "model": self.model,
            "api_key": "***" if self.api_key else None,
            "log": self.log,
            "launch": self.launch,
            "pid": self.pid,
            "model_path": self.model_path,
            "expect_dim": self.expect_dim,
        }
        return {key: str(value) for key, value in described.items() if value is not None}
