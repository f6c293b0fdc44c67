"""The process that calls openai, forked from one that has openai loaded: all of it is real but the import.

The import takes over a second of a processor each time. What only a true start shows is in `http/test_openai_client`.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import psutil

from bgecheck.http import openai_client
from bgecheck.machine import bounded

LOADED = """
import os, select, socket, sys

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)

import json, httpx, numpy, openai
from bgecheck.http import authorities, openai_call

openai_call.call(openai, {"base_url": "http://127.0.0.1:9/v1", "key": "k", "model": "m", "input": "t", "seconds": 1})
del os.environ["NO_PROXY"]
print("loaded", flush=True)


def call(code, environment):
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    try:
        exec(code, {"__name__": "__main__"})
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()


def start(connection):
    with connection:
        message, pipes, _, _ = socket.recv_fds(connection, 16, 3)
        request = connection.recv(int(message), socket.MSG_WAITALL)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            for number, pipe in enumerate(pipes):
                os.dup2(pipe, number)
            connection.sendall(b"%8d" % os.getpid())
            for pipe in (connection.fileno(), listener.fileno(), *pipes):
                os.close(pipe)
            call(**json.loads(request))
            os._exit(1)
        for pipe in pipes:
            os.close(pipe)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        try:
            connection.sendall(b"%8d" % code)
        except OSError:  # who asked has ended
            pass


children = 0
while True:
    ready = select.select([listener, sys.stdin], [], [], 0.5 if children else None)[0]
    while children and os.waitpid(-1, os.WNOHANG)[0]:
        children -= 1
    if listener in ready:
        connection, _ = listener.accept()
        if os.fork() == 0:
            start(connection)
            os._exit(0)
        connection.close()
        children += 1
    elif ready:
        for _ in range(children):
            os.wait()
        break
"""


_started: list[tuple[str, int]] = []
_starting = threading.Lock()


def address() -> str:
    """Where the process that has openai loaded is asked; it is started once. Empty where processes cannot be forked."""
    if not hasattr(os, "fork"):
        return ""
    with _starting:
        if not _started:
            _started.append(_start())
        return _started[0][0]


def calling() -> list[psutil.Process]:
    """The processes of openai that have not ended."""
    forked = [child for _, pid in _started for child in psutil.Process(pid).children(recursive=True)]
    return [child for child in forked if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def _start() -> tuple[str, int]:
    folder = tempfile.TemporaryDirectory()
    path = str(Path(folder.name, "openai"))
    process = subprocess.Popen(
        [sys.executable, "-c", LOADED, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )
    atexit.register(_end, process, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == b"loaded\n"
    return path, process.pid


def _end(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    with folder, process:  # closes its pipes, which ends it, and waits
        pass


class Forked:
    """What `bounded.Program` uses of a `subprocess.Popen`."""

    def __init__(self, where: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.args = command
        self.returncode: int | None = None
        self._lock = threading.Lock()
        pipes = [os.pipe() for _ in range(3)]
        ours = [pipes[0][1], pipes[1][0], pipes[2][0]]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        self.stdin: IO[bytes] = os.fdopen(ours[0], "wb")
        self.stdout, self.stderr = (os.fdopen(number, "rb") for number in ours[1:])
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(where)
        request = json.dumps({"code": command[-1], "environment": dict(environment)}).encode()
        socket.send_fds(self._connection, [b"%16d" % len(request)], theirs)
        self._connection.sendall(request)
        for number in theirs:
            os.close(number)
        self.pid = int(self._connection.recv(8, socket.MSG_WAITALL))

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._status(socket.MSG_DONTWAIT)

    def wait(self) -> int | None:
        """Its exit status, once it has ended."""
        return self._status(0)

    def _status(self, flags: int) -> int | None:
        with self._lock:
            if self.returncode is None:
                try:
                    self.returncode = int(self._connection.recv(8, socket.MSG_WAITALL | flags))
                except BlockingIOError:
                    return None
                self._connection.close()
            return self.returncode


def _popen(where: str) -> Any:
    """`subprocess.Popen`, which forks the process of openai and starts every other as ever."""

    def start(command: Sequence[str], **options: Any) -> Any:
        if command[0] == sys.executable and command[-1] == openai_client._BOOT:
            return Forked(where, command, options["env"])
        return subprocess.Popen(command, **options)

    return start


def use(where: str) -> None:
    """From now on fork each process of openai from the one that is asked at `where`."""
    if where:
        vars(bounded)["subprocess"] = SimpleNamespace(**{**vars(subprocess), "Popen": _popen(where)})


def client() -> openai_client.OpenAIClient:
    """A client whose process is forked."""
    where = address()
    with _starting:
        use(where)
        try:
            return openai_client.OpenAIClient()
        finally:
            vars(bounded)["subprocess"] = subprocess
