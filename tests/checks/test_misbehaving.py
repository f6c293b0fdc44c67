"""The real program against servers that misbehave: an answer in time, in bounds, in the right row, and nothing raw."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

import forked
from everycase import EVERY
from fakes import misbehaving
from fakes.misbehaving import KEY, Case, serving
from fakes.odder import CODED, ODD, right
from reportschema import VALIDATOR

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="needs wait4, which tells what a process used")

DEADLINE = 8.0
"""Seconds that a run may take; two more are left for the start of the interpreter on a loaded machine."""

MEMORY = 300
"""MiB that a run may hold."""

CASES = {**misbehaving.CASES, **ODD}
"""Every case by its name."""

FORMS = (KEY, quote(KEY, safe=""), KEY[:9], KEY[10:], quote(KEY[9:], safe=""))
"""The key, encoded, and its halves."""

_CRASH = re.compile(r"\w*(Error|Exception|Iteration)\b")
"""How the reason of a row begins whose judge failed over what a server said."""

_RAW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe0f\U000e0041]"
)


class Run(NamedTuple):
    """What a run of the program left behind; memory in MiB."""

    code: int
    output: str
    errors: str
    seconds: float
    memory: float

    @property
    def report(self) -> dict[str, Any]:
        """The report as JSON."""
        found: dict[str, Any] = json.loads(self.output)
        return found


def run(case: Case, command: list[str], folder: str) -> Run:
    """Run the program against the server of a case."""
    with serving(case) as port, serving(HEALTHY) as another:
        asked, way = (another, {"http_proxy": f"http://127.0.0.1:{port}"}) if case.proxied else (port, {})
        return called([*command, "--url", f"{case.scheme}://{case.host}:{asked}"], folder, way)


HEALTHY = Case(right, "", whole=False)


def called(command: list[str], folder: str, variables: Mapping[str, str]) -> Run:
    """Run the program as a user does, from an empty folder, and measure it."""
    options = ["-o", "json", "--lang", "en", "--timeout", "1s", "--deadline", f"{DEADLINE:g}s"]
    environment = {**os.environ, "BGECHECK_API_KEY": KEY, **variables}
    ran = forked.run([*command, *options], environment, folder)
    return Run(ran.returncode, ran.stdout, ran.stderr, ran.seconds, ran.memory)


class Listener:
    """Another host, which notes whether anybody comes."""

    def __init__(self) -> None:
        self.visits: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection:
                    connection.settimeout(2)
                    self.visits.append(connection.recv(65536))

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


WITHOUT_OPENAI = ["--skip", "*.openai-client"]
"""Importing openai takes longer than all else; what it makes of such servers is looked at in some of the cases."""

COMMANDS = {
    "probe": ["probe", *WITHOUT_OPENAI],
    "doctor": ["doctor"],
    "embed": ["embed", "你好", "天气", *WITHOUT_OPENAI],
    "full": ["embed", "--full", *WITHOUT_OPENAI],
    "openai": ["probe"],
    "smoke": ["embed", "你好"],
}

BY_OPENAI = ("embeddings-many-values", "embeddings-redirect", "coded-bombs", "name-key")
"""Cases in which the openai package is asked too, each time."""

ALSO_BY_DOCTOR = ("hostile-names",)
"""Cases that the whole doctor is run against too, each time."""


def _command(case: Case) -> str:
    """Which command has the row of a case."""
    return "probe" if not case.row.startswith("embed.") else "full" if case.row in COSTLY else "embed"


COSTLY = ("embed.order",)

SOME_ODD = (
    *("model-info-many", "health-hostile", "readiness-hostile", "tei-info-hostile", "second-endless", "second-html"),
    *("second-silent", "batches-short", "large-batches-cut", "kept-and-half", "half-close", "reset-in-chunk", "fold"),
    *("name-with-control", "coded-gzip-cut", "coded-gzip-members", "coded-raw-deflate", "overlong", "control-names"),
    *("name-invisible", "name-of-marks", "usage-beyond-python", "server-info-numbers", "index-true", "mysql"),
    *("moved-with-credentials", "server-hostile", "proxy-garbage", "key-json-in-json", "refused-base64"),
)
"""Of the odd cases those that are run each time."""

LIKE_OTHERS = (
    *("closed-after-accept", "closed-after-request", "reset-in-header", "reset-in-body", "ssh", "redis"),
    *("tls-alert", "no-status", "endless-chunks", "broken-chunks", "endless-headers", "negative-length"),
    *("broken-gzip", "icy", "http-3", "100000-headers", "header-with-null", "continue-and-silence"),
    *("negative-chunk", "endless-trailers", "unknown-transfer", "zstd", "cut-gzip-header", "tls-garbage"),
    *("tls-plain", "length-and-chunks", "gzip-in-gzip", "challenge", "multiple-choices", "surrogates", "utf32"),
    *("long-names", "redirect-loop", "redirect-to-file", "status-999", "not-modified", "html-as-json"),
    *("string", "number", "deep-object", "utf16", "huge-integer", "busy-for-a-year", "embeddings-reset"),
    *("embeddings-deep", "too-many", "data-of-strings", "booleans", "odd-base64", "embeddings-partial"),
    *("embeddings-teapot", "embeddings-million-arrays", "objects-for-numbers", "strange-pages", "short-base64"),
    *("negative-index", "text-index", "overflow", "one-number", "huge-index"),
    *("end-in-header", "switching", "huge-length", "giant-status", "header-without-colon", "chunk-beyond-64-bit"),
    *("gzip-twice", "no-deflate", "tls-reset", "second-answer", "partial", "early-hints", "redirect-to-nowhere"),
    *("no-content", "deep", "data-object", "strings-for-numbers", "nested-vector", "embeddings-no-content"),
    *("long-number", "minus-infinity", "float-index", "embeddings-html", "cookies"),
)
"""Of the other cases those that differ little from one that is run each time."""

USUAL = set(SOME_ODD) | set(misbehaving.CASES) - set(LIKE_OTHERS)
WANTED = [(name, _command(case)) for name, case in CASES.items() if EVERY or name in USUAL]
WANTED += [(name, "doctor") for name in (CASES if EVERY else ALSO_BY_DOCTOR)]
WANTED += [(name, "openai") for name in (CASES if EVERY else BY_OPENAI)]
WANTED += [(name, "smoke") for name in ("second-endless", *(("nan",) if EVERY else ()))]
GROUPS = [WANTED[start::10] for start in range(10)]
"""A run mostly waits for its server: those of a group wait side by side."""


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_misbehaving_servers_have_their_rows(group: int, tmp_path: Path) -> None:
    """In time, in bounds, exit 1 or 4, a valid report with the row that names the trouble, and nothing raw."""
    with ThreadPoolExecutor(4) as pool:
        runs = {
            (name, command): pool.submit(run, CASES[name], COMMANDS[command], str(tmp_path))
            for name, command in GROUPS[group]
        }
        first = {key: _problems(key[0], future.result()) for key, future in runs.items()}
    # What runs beside it can take the second that a request may last: alone it has to be right.
    again = [key for key, problems in first.items() if problems]
    alone = {(n, c): _problems(n, run(CASES[n], COMMANDS[c], str(tmp_path))) for n, c in again}
    assert {key: problems for key, problems in alone.items() if problems} == {}


def _problems(name: str, ran: Run) -> list[str]:
    """What is wrong with a run; nothing when it is as it should be."""
    if ran.code not in (0, 1, 4) or "Traceback" in ran.output + ran.errors:
        return [f"exit {ran.code}: {ran.errors[-500:]}"]
    VALIDATOR.validate(ran.report)
    rows = {finding["id"]: finding for finding in ran.report["findings"]}
    row = CASES[name].row
    status = rows[row]["status"] if row else "fail"
    crashes = [row["reason"] for row in rows.values() if row["status"] == "error" and _CRASH.match(str(row["reason"]))]
    told = {
        f"took {ran.seconds:.1f} s": ran.seconds > DEADLINE + 4,
        f"held {ran.memory:.0f} MiB": ran.memory > MEMORY,
        f"{row} is {status}": status not in ("fail", "warn"),
        f"exit {ran.code}": ran.code == 0 and bool(row) and status != "warn",
        f"a crash of ours: {crashes}": bool(crashes),
        f"raw: {[s for s in _strings(ran.report) if _RAW.search(s)]}": any(map(_RAW.search, _strings(ran.report))),
        "a key": any(form in ran.output + ran.errors for form in (*FORMS, *CODED.values())),
    }
    return [text for text, wrong in told.items() if wrong]


SNIPPETS = (
    *(
        "silence",
        "reset-after-request",
        "garbage",
        "gzip-bomb",
        "60-megabytes",
        "endless-1xx",
        "echoed-key",
        "http-0.9",
    ),
    *("embeddings-null", "embeddings-silent", "hostile-names", "hostile-error", "long-base64", "surrogate-error"),
    *("embeddings-error-in-200", "redirect-with-key", "tls-silence", "many-models", "nan", "hostile-pages"),
    *("second-endless", "second-huge", "second-silent"),
)
"""Cases that client code is asked for."""


def test_no_code_is_written_for_a_server_that_misbehaves(tmp_path: Path) -> None:
    """Exit 1 or 4 with one line that says why; 0 where vectors came, which are another command's to judge."""

    def asked(name: str) -> forked.Ended:
        with serving(CASES[name]) as port:
            url = f"{CASES[name].scheme}://127.0.0.1:{port}"
            words = ["snippet", "curl", "--url", url, "--lang", "en", "--timeout", "1s"]
            return forked.run(words, {**os.environ, "BGECHECK_API_KEY": KEY}, str(tmp_path))

    with ThreadPoolExecutor(4) as pool:
        runs = dict(zip(CASES if EVERY else SNIPPETS, pool.map(asked, CASES if EVERY else SNIPPETS), strict=True))
    assert {name: told for name, ran in runs.items() if (told := _unfit(CASES[name], ran))} == {}


def _unfit(case: Case, ran: forked.Ended) -> list[str]:
    """What is wrong with a run of `snippet`."""
    said = ran.stdout + ran.stderr
    usable = case.row.startswith("embed.") or not case.row
    told = {
        f"exit {ran.returncode}: {said[-300:]}": ran.returncode not in ((0, 1, 4) if usable else (1, 4)),
        "a traceback": "Traceback" in said,
        f"took {ran.seconds:.1f} s": ran.seconds > DEADLINE + 4,
        f"held {ran.memory:.0f} MiB": ran.memory > MEMORY,
        f"raw: {said!r}": _RAW.search(said) is not None,
        "a key": any(form in said for form in FORMS),
    }
    return [text for text, wrong in told.items() if wrong]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def test_a_redirect_to_another_host_is_not_followed(tmp_path: Path) -> None:
    """The other host hears nothing: neither the key nor anything else."""
    with closing(Listener()) as listener:
        misbehaving.LISTENER_PORT[0] = listener.port
        ran = run(CASES["redirect-elsewhere"], ["probe"], str(tmp_path))
    assert ran.code == 1
    assert listener.visits == []
