"""`bgecheck doctor --launch -- COMMAND`: starts the server, shows what it writes, hands signals on to it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from bgecheck.cli.stderr import to_stderr
from bgecheck.engines.sglang.launchline import typed
from bgecheck.machine.child import Child
from bgecheck.model import BadInput, Finding, Language, Redactor, Report, Text, clean, reason_of
from bgecheck.model.report import OK, STARTING

if TYPE_CHECKING:
    from bgecheck.cli.options import TargetOptions

_STOPPING = 10.0
"""Seconds that a server is given to end in order: sglang drains its requests first."""

_HEEDING = 2.0
"""Seconds for which is seen whether it heeds a signal that was handed on to it."""

_STEP = 0.1
_CHUNK = 64 * 1024
_LAST_LINES = 1.0
"""Seconds for the lines that were written last."""

_BY_SIGNAL = 128
"""An exit code above it tells the signal that has ended this program."""


def checked(words: Sequence[str]) -> tuple[str, ...]:
    """A command that can be started. Raises `BadInput`."""
    if not words or not words[0].strip():
        raise BadInput(
            "--launch",
            Text("no command stands behind --", "-- 后面没有命令"),
            Text(
                "write it there: bgecheck doctor --launch -- COMMAND OPTIONS",
                "写在后面：bgecheck doctor --launch -- 命令 参数",
            ),
        )
    if shutil.which(words[0]) is None:
        there = os.path.exists(words[0]) if os.sep in words[0] else False
        why = (
            Text("it is not executable", "没有执行权限") if there else Text("there is no such command", "没有这个命令")
        )
        if os.path.isdir(words[0]):
            why = Text("it is a folder", "这是目录")
        raise BadInput(
            f"--launch {words[0]}",
            why,
            Text(
                "each word behind -- is one argument, as a shell has them; for a whole line: -- sh -c 'LINE'",
                "命令的每个词是一个参数；要运行写在引号里的整行，用 -- sh -c '整行'",
            ),
        )
    return tuple(words)


@contextmanager
def launched(words: Sequence[str], options: TargetOptions, language: Language) -> Iterator[Launched]:
    """The server that a command starts; what it writes goes to the log, and from there to stderr. Raises `BadInput`.

    A signal that ends this program is handed on to it.
    """
    child = _started(words, options.log)
    to_stderr(Text(f"started pid {child.pid}, log {child.log}", f"已启动进程 {child.pid}，日志 {child.log}"), language)
    keys = (options.api_key, typed(words).options.get("api-key"))
    server = Launched(child, Redactor(key for key in keys if key))
    try:
        yield server
    except KeyboardInterrupt:
        _interrupted(server, signal.SIGINT, language)
        raise
    except SystemExit as ending:
        if isinstance(ending.code, int) and ending.code > _BY_SIGNAL:
            _interrupted(server, ending.code - _BY_SIGNAL, language)
        raise
    finally:
        server.hush()


def _interrupted(server: Launched, number: int, language: Language) -> None:
    """Hand a signal on to what was launched, and say what has become of it."""
    child, name = server.child, signal.Signals(number).name
    server.hush()
    child.hand_on(number)
    ends = time.monotonic() + _HEEDING
    while child.left and time.monotonic() < ends:
        time.sleep(_STEP)
    pid, log = child.pid, child.log
    to_stderr(
        Text(
            f"interrupted ({name}); pid {pid}, which was launched, runs on; to stop it: kill -- -{pid}; log {log}",
            f"被 {name} 中断；启动的进程 {pid} 仍在运行；停止：kill -- -{pid}；日志 {log}",
        )
        if child.left
        else Text(
            f"interrupted ({name}); pid {pid}, which was launched, was stopped; log {log}",
            f"被 {name} 中断；已停止启动的进程 {pid}；日志 {log}",
        ),
        language,
    )


class Launched:
    """A server that was started, and whose output is copied to stderr: whole lines, cleaned and without keys."""

    def __init__(self, child: Child, redactor: Redactor) -> None:
        self.child = child
        self.redactor = redactor
        self._hushed = threading.Event()
        self._passing = threading.Thread(target=self._pass_through, name="output", daemon=True)
        self._passing.start()

    def hush(self) -> None:
        """Show what it has written so far, and nothing of what comes after."""
        self._hushed.set()
        self._passing.join(_LAST_LINES)

    def _pass_through(self) -> None:
        rest = b""
        with suppress(OSError), open(self.child.log, "rb") as file:
            file.seek(self.child.log_begin)
            while True:
                last = self._hushed.is_set()
                data = file.read(_CHUNK)
                *lines, rest = re.split(rb"[\r\n]+", (rest + data)[-_CHUNK:])
                for line in [*lines, rest] if last and not data else lines:
                    self._show(line)
                if last and not data:
                    return
                if not data:
                    self._hushed.wait(_STEP)

    def _show(self, line: bytes) -> None:
        """A line on stderr; one that nobody reads is no error."""
        text = self.redactor.text(clean(line.decode("utf-8", "replace")))
        with suppress(OSError, ValueError, AttributeError):
            if text.strip():
                sys.stderr.write(f"{text}\n")
                sys.stderr.flush()


def _started(words: Sequence[str], log: str | None) -> Child:
    """The command in a process of its own, with a temporary log where none is named. Raises `BadInput`."""
    path = log or _temporary()
    try:
        return Child(words, path)
    except OSError as error:
        if log is None:
            os.unlink(path)
        why = reason_of(error)
        if error.filename == log:
            reason, given = Text(f"cannot be written ({why.en})", f"无法写入（{why.zh}）"), f"--log {log}"
        else:
            reason, given = Text(f"it cannot be started ({why.en})", f"无法启动（{why.zh}）"), f"--launch {words[0]}"
        raise BadInput(given, reason, Text("see its first line and its permissions", "检查文件的首行和权限")) from error


def _temporary() -> str:
    number, path = tempfile.mkstemp(prefix="bgecheck-launch-", suffix=".log")
    os.close(number)
    return path


def concluded(report: Report, server: Launched, stops: bool, again: Sequence[str]) -> Report:
    """The report with what becomes of the server: it runs on where it is right, and ends on demand where it is not.

    `again` is how the line begins that starts it once more and waits for longer.
    """
    runs, child = server.child.left, server.child
    report = replace(report, notes=(*report.notes, _conclusion(report, child, stops)))
    if not (runs and stops and report.outcome == STARTING):
        return report
    line = server.redactor.text(shlex.join([*again, *child.command]))
    findings = tuple(_started_again(f, line) if f.problem and f.pending else f for f in report.findings)
    return replace(report, findings=findings)


def _started_again(finding: Finding, line: str) -> Finding:
    """The row of a server that was still starting when it was stopped, which no waiting mends any more."""
    return replace(
        finding,
        fix=Text(
            "it was stopped when the time ran out: start it again with a longer --wait",
            "等待超时后已经停掉：用更长的 --wait 重新启动",
        ),
        commands=(line, *(c for c in finding.commands if not c.startswith("bgecheck doctor"))),
    )


def _conclusion(report: Report, child: Child, stops: bool) -> Text:
    pid, log = child.pid, child.log
    if not child.left:
        return Text(f"pid {pid}, which was launched, has ended; log {log}", f"启动的进程 {pid} 已经结束；日志 {log}")
    if report.outcome != OK and stops:
        child.end(_STOPPING)
        return Text(
            f"pid {pid}, which was launched, was stopped (--stop-on-failure); log {log}",
            f"已停止启动的进程 {pid}（--stop-on-failure）；日志 {log}",
        )
    return Text(
        f"pid {pid}, which was launched, runs on; it writes to {log}; to stop it: kill -- -{pid}",
        f"启动的进程 {pid} 继续运行，输出写到 {log}；停止：kill -- -{pid}",
    )
