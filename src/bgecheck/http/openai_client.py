"""Calls a server with the true openai package as a user's program does, in a process of its own with limits.

The process is started before it is known what to ask: importing openai takes longer than everything else that
bgecheck does, and goes on beside it.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bgecheck.http.authorities import Authorities, Verification
from bgecheck.http.markup import begins_as_html, html_title
from bgecheck.http.openai_call import GRACE_SECONDS, HANDSHAKE_SECONDS
from bgecheck.machine.bounded import Program
from bgecheck.model import Secret, Text, Unavailable, clean

PLACEHOLDER = "EMPTY"
"""The key that the guide's template gives where the server has none."""

OUTPUT_LIMIT = 16 * 2**20
"""Bytes that the process may print: a vector of 1024 numbers takes some 20 kB."""

MEMORY_LIMIT = 2**28
"""Bytes that the process may hold; openai itself takes some 90 MB, and reads an answer whole, however long it is."""

IMPORT_SECONDS = 20.0
"""For importing openai, which takes 0.6 s on an idle machine."""

# Isolated (-I), so that no file of the working folder is taken for a library; with the module path of this process,
# so that PYTHONPATH, editable installs and user sites lead to the same openai as here.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from bgecheck.http.openai_call import main; main()"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One exception that another was raised from; `code` is OpenSSL's number where a certificate was refused."""

    name: str
    message: str
    errno: int | None = None
    code: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The exception that the call ended with, and what it was raised from, the nearest first.

    `stage` is where: making the client, the call itself, or reading the first vector as the template does.
    """

    name: str
    message: str
    stage: Literal["construct", "call", "read"]
    status: int | None = None
    causes: tuple[Cause, ...] = ()

    def __str__(self) -> str:
        """The exception and the innermost one that says more, as a traceback shows them."""
        shown = [f"{self.name}: {self.message}".rstrip(": ")]
        if self.causes and self.status is None:
            inner = max(self.causes, key=lambda cause: (bool(cause.message), cause.errno is not None))
            shown.append(f"{inner.name}: {inner.message}".rstrip(": "))
        return " <- ".join(dict.fromkeys(shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """What the call returned: its vectors, null components as NaN, and the tokens that the server counted."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The call did not end: its answer was beyond the limits of memory or output, or of time."""

    limit: Literal["size", "time"]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIResult:
    """What openai made of a server, and which openai it was; `milliseconds` are of the call alone."""

    openai: str
    http: str
    http_version: str
    outcome: Vectors | Raised | Stopped
    milliseconds: float | None = None
    authorities: Authorities | None = None
    """Over https: what certifi's authorities and the system's make of the certificate."""

    @property
    def library(self) -> str:
        """Name and version of the package, and of the HTTP library below it."""
        return f"openai {self.openai} ({self.http} {self.http_version})"


class OpenAIClient:
    """A process that imports openai at once and makes one call. Close it; it ends by itself when this process does."""

    def __init__(self) -> None:
        self._asked = False
        self._seconds = 0.0
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BGECHECK_")}
        compiles = ["-B"] if sys.dont_write_bytecode else []
        command = [sys.executable, "-I", *compiles, "-c", _BOOT]
        self._program: Program | None = None
        self._why = ""
        try:
            self._program = Program(command, environment, OUTPUT_LIMIT, MEMORY_LIMIT, reads=True)
        except OSError as error:  # no process can be started here, which says nothing of the server
            self._why = error.strerror or str(error)
            return
        path = [os.path.abspath(entry) for entry in sys.path if entry]
        self._program.send(json.dumps(path).encode() + b"\n")

    @property
    def pid(self) -> int | None:
        """The process id; None where it could not be started."""
        return self._program.pid if self._program else None

    @property
    def asked(self) -> bool:
        """Whether its one call has been given to it."""
        return self._asked

    def call(self, base_url: str, key: Secret | None, model: str, texts: Sequence[str], seconds: float) -> None:
        """Let it embed `texts` within `seconds`; returns at once. One text is sent alone, as the template does."""
        assert not self._asked, "a process makes one call"
        self._asked, self._seconds = True, seconds
        request = {
            "base_url": base_url,
            "key": key.reveal() if key else PLACEHOLDER,
            "model": model,
            "input": texts[0] if len(texts) == 1 else list(texts),
            "seconds": seconds,
        }
        if self._program:
            self._program.send(json.dumps(request).encode() + b"\n")

    def result(self, seconds: float) -> OpenAIResult:
        """What came of the call, waited for at most `seconds`.

        Raises `Unavailable` where openai cannot be imported here, or the process failed for reasons of its own.
        """
        if self._program is None:
            raise Unavailable(
                Text(f"no process can be started for openai: {self._why}", f"无法启动调用 openai 的进程：{self._why}"),
                looked=False,
            )
        seconds = min(seconds, IMPORT_SECONDS + self._seconds + 2 * HANDSHAKE_SECONDS + 2 * GRACE_SECONDS)
        try:
            done = self._program.wait(seconds)
        except subprocess.TimeoutExpired:
            raise _late(seconds, imported=bool(self._program.printed)) from None
        lines = self._program.printed.splitlines()
        libraries = _object(lines[0]) if lines else {}
        if "unusable" in libraries:
            why = clean(str(libraries["unusable"]), 300)
            raise Unavailable(
                Text(f"the openai package cannot be used here: {why}", f"本机的 openai 包无法使用：{why}"), looked=False
            )
        if libraries and done is None:
            return _result(libraries, {}, Stopped(limit="size", seconds=self._seconds))
        if libraries and len(lines) > 1 and (result := _object(lines[1])):
            return _result(libraries, result)
        if libraries and done is not None and b"Timeout" in done.stderr:
            return _result(libraries, {}, Stopped(limit="time", seconds=self._seconds))
        raise _ended(done)

    def close(self) -> None:
        """End the process, once."""
        if self._program:
            self._program.close()


def _late(seconds: float, *, imported: bool) -> Unavailable:
    if imported:
        return Unavailable(
            Text(f"the call had not ended within the {seconds:.1f} s left", f"剩余的 {seconds:.1f} 秒内调用没有结束")
        )
    return Unavailable(
        Text(f"importing openai took longer than {seconds:.1f} s", f"{seconds:.1f} 秒内没能完成 import openai")
    )


def _ended(done: subprocess.CompletedProcess[bytes] | None) -> Unavailable:
    """The process ended without a result, and not because of what the server answered."""
    if done is None:
        return Unavailable(
            Text("importing openai took too much memory", "import openai 占用的内存超过限制"), looked=False
        )
    last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    why = clean(f"exit status {done.returncode}{': ' if last else ''}{last}", 300)
    return Unavailable(
        Text(f"the process that calls openai failed: {why}", f"调用 openai 的进程异常退出：{why}"), looked=False
    )


def _result(libraries: Mapping[str, Any], result: Mapping[str, Any], outcome: Stopped | None = None) -> OpenAIResult:
    milliseconds, authorities = result.get("milliseconds"), result.get("authorities")
    return OpenAIResult(
        openai=clean(str(libraries.get("openai")), 40),
        http=clean(str(libraries.get("http")), 40),
        http_version=clean(str(libraries.get("http_version")), 40),
        outcome=outcome or outcome_of(result),
        milliseconds=milliseconds if isinstance(milliseconds, float) else None,
        authorities=_authorities(authorities) if authorities else None,
    )


def outcome_of(result: Mapping[str, Any]) -> Vectors | Raised:
    """The typed form of what `openai_call.call` returns."""
    if raised := result.get("raised"):
        return Raised(
            name=clean(raised["name"], 80),
            message=_message(raised["message"]),
            stage=raised["stage"],
            status=raised["status"],
            causes=tuple(
                Cause(**{**cause, "name": clean(cause["name"], 80), "message": _message(cause["message"])})
                for cause in raised["causes"]
            ),
        )
    vectors = [_numbers(vector) for vector in result["vectors"]]
    if any(vector is None for vector in vectors):
        kind = next(type(v).__name__ for v, numbers in zip(result["vectors"], vectors, strict=True) if numbers is None)
        return Raised(name="TypeError", message=f"embedding is of type {kind}, not a list of numbers", stage="read")
    tokens = result.get("tokens")
    return Vectors(
        vectors=tuple(vector for vector in vectors if vector is not None),
        tokens=tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None,
    )


def _numbers(vector: Any) -> tuple[float, ...] | None:
    """A vector with NaN where the server wrote null; None for what is none."""
    if not isinstance(vector, list) or not vector:
        return None
    if any(not isinstance(number, int | float | None) or isinstance(number, bool) for number in vector):
        return None
    return tuple(math.nan if number is None else _float(number) for number in vector)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _message(text: str) -> str:
    """The words of an exception; where they are the HTML page that a gateway answered with, its title."""
    if not begins_as_html(text):
        return clean(text, 300)
    return f"an HTML page: {html_title(text)}".rstrip(": ")


def _authorities(payload: Mapping[str, Any]) -> Authorities:
    certifi, system = (
        Verification(**{**payload[name], "reason": clean(payload[name]["reason"], 200)})
        for name in ("certifi", "system")
    )
    return Authorities(certifi=certifi, system=system, used=payload["used"])


def _object(line: bytes) -> dict[str, Any]:
    """A line that our own process printed; empty where it was killed while it wrote."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
