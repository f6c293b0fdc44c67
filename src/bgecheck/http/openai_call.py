"""The process in which openai calls a server as the guide's template does; its starter is `openai_client`.

It imports openai at once, and takes a request as a line of JSON from standard input when its starter knows what to
ask. The key comes on that way only. It prints two lines of JSON: which openai it is, then what came of the call. It
ends by itself when standard input is closed, which also happens when the starter is killed, or after its time.
Imports nothing of ours but `authorities`: the starter's libraries would cost as much as the call.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO
from urllib.parse import urlsplit

IDLE_SECONDS = 60.0
"""How long it waits for a request, the import of openai included."""

GRACE_SECONDS = 1.0
"""Beyond the time of a call: openai's own limit is for each read, and an answer of many slow reads has no end."""

HANDSHAKE_SECONDS = 3.0

_SHOWN = 500
"""Characters of a message that are passed on."""

_MOST_CAUSES = 8


def main() -> None:
    """Import openai, take one request, print what came of it, and end the process."""
    faulthandler.dump_traceback_later(IDLE_SECONDS, exit=True)  # a thread of C, which a hung import cannot hold up
    results = _results()
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    try:
        import openai

        _print(results, _libraries(openai))
    except Exception as error:
        _print(results, {"unusable": f"{type(error).__name__}: {error}"[:_SHOWN]})
        os._exit(0)
    request = requests.get()
    seconds = request["seconds"]
    faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True)
    result = call(openai, request)
    if request["base_url"].startswith("https:"):
        faulthandler.dump_traceback_later(2 * HANDSHAKE_SECONDS + GRACE_SECONDS, exit=True)
        result["authorities"] = _authorities(openai, request["base_url"])
    _print(results, result)
    os._exit(0)  # not sys.exit: the thread that reads, and one that openai may have started, would hold it


def _results() -> BinaryIO:
    """Standard output for the results alone; what a library prints goes to standard error."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return results


def _read(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    os._exit(3)


def _print(results: BinaryIO, value: dict[str, Any]) -> None:
    results.write(json.dumps(value, default=repr).encode() + b"\n")
    results.flush()


def _libraries(openai: Any) -> dict[str, str]:
    stack = _http_library(openai)
    return {
        "openai": openai.__version__,
        "http": stack,
        "http_version": importlib.import_module(stack).__version__,
    }


def _http_library(openai: Any) -> str:
    """The package of openai's HTTP client: httpx, or from openai 3.0 on httpx2."""
    modules = [cls.__module__.partition(".")[0] for cls in openai.DefaultHttpxClient.__mro__]
    return next((name for name in modules if name.startswith("httpx")), "httpx")


def call(openai: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Make the call of the guide's template; its vectors, or the exception that a program would see."""
    began, stage = time.perf_counter(), "construct"
    try:
        with _client(openai, request) as client:
            embeddings, stage = client.embeddings, "call"
            with suppress(ImportError):
                importlib.import_module("numpy")  # openai decodes with it, and would load it within the measured time
            began = time.perf_counter()
            response = embeddings.create(model=request["model"], input=request["input"])
            seconds = time.perf_counter() - began
        stage = "read"
        vectors = _vectors(response)
    except Exception as error:  # which one it is, is what is asked for
        taken = time.perf_counter() - began
        return {"raised": {"stage": stage, **_described(error)}, "milliseconds": taken * 1000}
    tokens = getattr(getattr(response, "usage", None), "prompt_tokens", None)
    return {"vectors": vectors, "tokens": tokens, "milliseconds": seconds * 1000}


def _client(openai: Any, request: dict[str, Any]) -> Any:
    """The template's client, without retries, redirects and proxies.

    A redirect may lead to another host, which must not see the key, and nobody but the target is contacted.
    """
    given = {"base_url": request["base_url"], "api_key": request["key"]}
    if any(name.lower().endswith("_proxy") and os.environ[name] for name in os.environ):
        # The template's own client fails here where a variable names a proxy that its HTTP library cannot use.
        openai.OpenAI(**given).close()
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            del os.environ[name]
    os.environ["NO_PROXY"] = "*"  # for the systems whose own settings name a proxy
    http = openai.DefaultHttpxClient(follow_redirects=False, timeout=request["seconds"])
    return openai.OpenAI(**given, http_client=http, max_retries=0, timeout=request["seconds"])


def _vectors(response: Any) -> list[Any]:
    """Every vector, after what the template does with the first: its length, and its first five numbers."""
    first = response.data[0].embedding
    len(first)
    first[:5]
    return [item.embedding for item in response.data]


def _described(error: BaseException) -> dict[str, Any]:
    status = getattr(error, "status_code", None)
    return {
        "name": type(error).__name__,
        "message": _message(error),
        "status": status if isinstance(status, int) else None,
        "causes": [_cause(cause) for cause in _causes(error)],
    }


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an exception was raised from, the nearest first.

    Suppressed contexts too: httpcore's pool raises `from None`, which hides the error of the socket.
    """
    chain = [error]
    while len(chain) <= _MOST_CAUSES:
        cause = chain[-1].__cause__ or chain[-1].__context__
        if cause is None or cause in chain:
            return
        yield cause
        chain.append(cause)


def _cause(error: BaseException) -> dict[str, Any]:
    return {
        "name": type(error).__name__,
        "message": _message(error),
        "errno": error.errno if isinstance(error, OSError) else None,
        "code": getattr(error, "verify_code", None),
        "reason": getattr(error, "reason", None) if isinstance(error, OSError) else None,
    }


def _message(error: BaseException) -> str:
    if type(error).__name__ == "LocalProtocolError":
        return "illegal header value"  # h11's own words hold the header, and the header the key
    try:
        return str(error)[:_SHOWN]
    except Exception:  # an error may fail to print itself
        return ""


def _authorities(openai: Any, base_url: str) -> dict[str, Any]:
    from bgecheck.http.authorities import compare

    parts = urlsplit(base_url)
    httpx2 = _http_library(openai) == "httpx2"
    return asdict(compare(parts.hostname or "", parts.port or 443, HANDSHAKE_SECONDS, httpx2=httpx2))
