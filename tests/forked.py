"""Runs bgecheck in processes forked from one that has its modules loaded: all of a run is real but its imports.

So is the process in which it calls openai."""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import warm

PARENT = """
import gc, importlib, json, os, sys, time, traceback

import httpx, numpy, rich.table, rich.progress
import bgecheck.cli.main
from bgecheck.cli import app
from bgecheck.run import catalog, engine
from bgecheck.http import client, openai_client
from bgecheck.render.formats import json as report, table
from bgecheck.run import context
from bgecheck.engines.sglang import discovery
from bgecheck.engines import server
import warm

for name in (  # what a run loads where it needs it
    "encodings.ascii",
    "encodings.idna",
    "importlib.metadata",
    "typer._adapters",
    "typer._click.decorators",
    "zoneinfo",
    "bgecheck.run.examination",
    "bgecheck.http.openai_client",
):
    try:
        importlib.import_module(name)
    except ImportError:
        pass
try:
    from pydantic import TypeAdapter

    TypeAdapter(int)
except ImportError:
    pass

warm.use(sys.argv[1])
catalog.areas()
app.program()
gc.collect()
gc.freeze()


def run(words, environment, folder, output, errors):
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = open(0, closefd=False)
    sys.stdout, sys.stderr = (open(n, "w", encoding="utf-8", errors=e, closefd=False)
                              for n, e in ((1, "strict"), (2, "backslashreplace")))
    sys.argv = ["bgecheck", *words]
    from bgecheck.__main__ import main

    try:
        return main()
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


for line in sys.stdin:
    began, pid = time.monotonic(), os.fork()
    if pid == 0:
        os._exit(run(*json.loads(line)))
    _, status, used = os.wait4(pid, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - began, used.ru_maxrss / 1024]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run left behind; memory in MiB."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    memory: float


_idle: list[subprocess.Popen[str]] = []
"""Processes that no run uses now; each forks one run at a time, and lives until the tests end."""


def _parent() -> subprocess.Popen[str]:
    """A process to fork from: an idle one, else a new one."""
    while True:
        try:
            process = _idle.pop()
        except IndexError:
            break
        if process.poll() is None:
            return process
    paths = os.pathsep.join(p for p in sys.path if p)
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, warm.address()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    with process:  # closes its pipes, which ends it, and waits
        pass


def run(
    words: Sequence[str], environment: Mapping[str, str], folder: str | None = None, seconds: float = 50.0
) -> Ended:
    """Run bgecheck with these words, variables and working folder. Raises `TimeoutExpired` after `seconds`."""
    process = _parent()
    assert process.stdin is not None
    assert process.stdout is not None
    with tempfile.TemporaryDirectory() as kept:
        output, errors = Path(kept, "stdout"), Path(kept, "stderr")
        output.touch()
        errors.touch()
        request = [list(words), dict(environment), folder or os.getcwd(), str(output), str(errors)]
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], seconds)[0]:
            process.kill()
            raise subprocess.TimeoutExpired(list(words), seconds)
        code, taken, memory = json.loads(process.stdout.readline())
        _idle.append(process)
        return Ended(code, output.read_text("utf-8"), errors.read_text("utf-8"), taken, memory)
