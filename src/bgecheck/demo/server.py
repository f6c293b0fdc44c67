"""`python -m bgecheck.demo.server`: starts, speaks, logs and ends as sglang does. It is not a language model."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Sequence

from bgecheck.demo import dialect
from bgecheck.demo.service import Service, kill, log, settings

FAULTS = (
    "gpu-oom",
    "model-path",
    "unknown-flag",
    "stuck-loading",
    "unnormalised",
    "nan",
    "empty-response",
    "rate-limited",
    "queue-full",
    "dead-scheduler",
)
"""What this process does wrong by itself; the other faults are settings and surroundings."""


ENDS_WITH_STARTER = "BGECHECK_DEMO_ENDS_WITH_STARTER"
"""Set by the program that starts this one and keeps its stdin: no option, so that none but sglang's are on the line."""

VERSION = "BGECHECK_DEMO_VERSION"
"""The release to sound like, for the same reason: a restart line that is copied from the command line must run."""

TAKES = "BGECHECK_DEMO_TAKES"
"""Seconds that the start takes, spread over its phases; else it is done at once."""

ENDS = "BGECHECK_DEMO_ENDS"
"""`SECONDS:HOW`: when it ends after its start, silently with an exit code or `killed`, or by an `oom` in its log."""

_SHARES = {"imports": 0.25, "weights": 0.45, "warm-up": 0.3}
"""Of the time that a start takes."""


def _pause(phase: str) -> None:
    time.sleep(_SHARES[phase] * float(os.environ.get(TAKES) or 0))


def _end_later() -> None:
    """End as `ENDS` says, if it says anything."""
    seconds, _, how = os.environ.get(ENDS, "").partition(":")
    if seconds:
        timer = threading.Timer(float(seconds), _end, [how])
        timer.daemon = True
        timer.start()


def _end(how: str) -> None:
    if how == "oom":
        log(dialect.OUT_OF_MEMORY)
        log(dialect.START_FAILED)
        kill()
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(int(how))


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bgecheck.demo.server", description=dialect.NOTICE)
    parser.add_argument("--model-path", "--model", default="models/bge-large-zh-v1.5")
    parser.add_argument("--served-model-name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=30000)
    parser.add_argument("--api-key")
    parser.add_argument("--is-embedding", action="store_true")
    parser.add_argument("--disable-radix-cache", action="store_true")
    parser.add_argument("--chunked-prefill-size", type=int, default=4096)
    parser.add_argument("--mem-fraction-static", type=float, default=0.85)
    parser.add_argument("--skip-server-warmup", action="store_true")
    parser.add_argument("--enable-metrics", action="store_true")
    parser.add_argument(
        "--version", default=os.environ.get(VERSION, "0.5.23"), help="the release of sglang to sound like"
    )
    parser.add_argument("--dims", type=int, default=1024, help="the model's dimensions, at most 1024")
    parser.add_argument("--fault", choices=FAULTS)
    options = parser.parse_args(words)
    options.typed = shlex.join(words)
    return options


def _start_or_fail(options: argparse.Namespace) -> None:
    """Write the log of a start up to the opening of the port; the faults that end or hold it do so here."""
    options_set = settings(options)
    if options.fault == "unknown-flag":
        sys.exit(_said(dialect.UNKNOWN_OPTION, 2))
    # A start that hangs has hung for a while by the time somebody looks.
    at = time.time() - 600 if options.fault == "stuck-loading" else None
    _pause("imports")
    lines = dialect.until_weights(options_set)
    for line in lines[:1] if options.fault == "model-path" else lines:
        log(line, at)
    if options.fault == "model-path":
        sys.exit(_said(dialect.NO_FOLDER.format(path=options.model_path), 1))
    if options.fault == "gpu-oom":
        log(dialect.OUT_OF_MEMORY)
        log(dialect.START_FAILED)
        kill()
    if options.fault == "stuck-loading":
        threading.Event().wait()
    _pause("weights")
    for line in dialect.until_port(options_set, os.getpid()):
        log(line)


def _said(text: str, status: int) -> int:
    sys.stdout.write(text)
    sys.stdout.flush()
    return status


def _asked(options: argparse.Namespace, method: str, path: str, body: str | None = None) -> tuple[int | None, str]:
    """Status and beginning of the answer of whoever holds the port; None when nobody answers."""
    headers = {"Content-Type": "application/json"} if body else {}
    if options.api_key:
        headers["Authorization"] = f"Bearer {options.api_key}"
    connection = http.client.HTTPConnection(options.host, options.port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.read(2000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None, ""
    finally:
        connection.close()


def _warm_up(options: argparse.Namespace) -> None:
    """Ask for the info page and one embedding over HTTP, and end when another program answers, or nobody."""
    release = dialect.release(options.version)
    if not options.skip_server_warmup:
        status, response = _asked(options, "GET", "/model_info" if release >= (0, 5, 9) else "/get_model_info")
        if status == 200:
            status, response = _asked(options, "POST", "/encode", json.dumps({"text": dialect.WARM_UP}))
        if status != 200:
            log(dialect.warm_up_failed(status, response))
            kill()
    if release >= (0, 5, 20):
        _asked(options, "POST", "/freeze_gc", "{}")
    log(dialect.READY)


def _lost(options: argparse.Namespace, number: int | None) -> None:
    """End without the port. As in sglang the warm-up still runs, and another sglang there gives a false ready line.

    The true one polls for three minutes before it gives up on a program that is no sglang.
    """
    log(f"ERROR:    {dialect.taken(number, options.host, options.port)}")
    log("INFO:     Waiting for application shutdown.")
    _warm_up(options)
    log("INFO:     Application shutdown complete.")
    log(dialect.tree_killed(os.getpid(), include_parent=False))
    sys.exit(3)


def _end_with_starter() -> None:
    sys.stdin.read()
    os._exit(0)


def _serve(service: Service) -> None:
    """Serve until a signal, then end as the release does: in order from 0.5.20 on, by its own kill before."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    serving = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    _pause("warm-up")
    _warm_up(service.options)
    service.starting = False
    ended.wait()
    for line in dialect.STOPPING:
        log(line)
    service.shutdown()
    if service.release < (0, 5, 20):
        kill()
    for line in (*dialect.STOPPED, f"INFO:     Finished server process [{os.getpid()}]"):
        log(line)
    log(dialect.tree_killed(os.getpid(), include_parent=False))


def main(words: Sequence[str]) -> None:
    """Serve until a signal, or until the program that started this one has ended."""
    options = _options(words)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.environ.get(ENDS_WITH_STARTER):
        threading.Thread(target=_end_with_starter, daemon=True).start()
    _end_later()
    print(dialect.NOTICE, flush=True)
    _start_or_fail(options)
    try:
        service = Service(options)
    except OSError as failed:
        _lost(options, failed.errno)
        return
    log(dialect.listening(options.host, options.port))
    _serve(service)


if __name__ == "__main__":
    main(sys.argv[1:])
