"""Waits for a server: until it is ready, is lost for good, or patience has run out."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bgecheck.engines.sglang.discovery import followed, left_behind
from bgecheck.engines.sglang.launchline import parse_launch
from bgecheck.engines.sglang.log.begun import begun, begun_since
from bgecheck.engines.sglang.log.diagnosis import diagnose
from bgecheck.engines.sglang.log.marks import STAGE_NAMES
from bgecheck.machine.containers import hands_over
from bgecheck.machine.files import size
from bgecheck.machine.processes import exit_status, lives
from bgecheck.model import Finding, Report, Status, Target, Text, Unavailable, Words, clean
from bgecheck.model.processes import Ended, Process, Start
from bgecheck.run import catalog, engine, examination
from bgecheck.run.context import LOG_BESIDE
from bgecheck.run.outlook import ROWS, Outlook, outlook
from bgecheck.run.plan import Plan

if TYPE_CHECKING:
    from bgecheck.engines.sglang.log.sessionlog import SessionLog
    from bgecheck.machine.child import Child
    from bgecheck.model import ServerProcess

FRESH = 300.0
"""Seconds before the waiting within which a log must have been written to tell of a start whose process is not seen."""

LYING = 10.0
"""The same of a log that nobody named, and that only lies in the working folder."""

_SLACK = 2.0
"""Seconds that the first stamp of a log, which has no fractions, may lie before the start of its process."""

_LOG_SECONDS = 5.0
"""For one reading of the log while waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often is looked, and how long is doubted, in seconds."""

    look: float = 1.0
    """Between the beginnings of two looks; a start takes tens of seconds."""
    step: float = 0.1
    """Between two looks at whether process and log are as they were."""
    handover: float = 2.0
    """For which the server is looked for that a command which ended in order has left behind."""
    grace: float = 1.2
    """For which a loss must last: a supervisor starts a server anew, an older one lets go of its port."""
    last: float = 2.0
    """For the report once the time has run out, and for one request to a server that is lost."""
    lost: float = 10.0
    """For the report on a server that is lost, whose log may be long."""
    hangs: float = 20.0
    """For which embeddings must hang behind pages that answer, where no log tells that the server is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the waiting has come."""

    elapsed: float
    patience: float
    target: Target
    alive: bool | None
    """Whether the server's process runs; None where none was seen yet."""
    phase: Words | None
    """The phase of the start by its log."""
    phase_seconds: float = 0.0


Look = Callable[[Plan, Target], Report]
OnProgress = Callable[[Progress], None]


def settled(
    plan: Plan,
    find: Callable[[], Target],
    patience: float,
    look: Look,
    *,
    child: Child | None = None,
    on_progress: OnProgress = lambda progress: None,
    pace: Pace | None = None,
) -> Report:
    """The report once the server is ready or lost, or when `patience` (seconds) has run out.

    `find` finds the target anew, whose process and log may not have been there yet; `look` examines it. A `child` is
    the server that this program has started.
    """
    return _Waiting(plan, find, patience, look, child, on_progress, pace or Pace()).report()


class _Waiting:
    def __init__(
        self,
        plan: Plan,
        find: Callable[[], Target],
        patience: float,
        look: Look,
        child: Child | None,
        on_progress: OnProgress,
        pace: Pace,
    ) -> None:
        self._plan, self._find, self._look = plan, find, look
        self._patience, self._pace = patience, pace
        self._child, self._on_progress = child, on_progress
        self._began, self._clock = time.time(), time.monotonic()
        self._target = find()
        self._given = _given(self._target)
        self._start = _start(self._given, child)
        self._target = replace(self._target, start=self._start)
        self._given_serves = False
        """Whether the process that was given has been the server itself, or one of its workers."""
        self._server: ServerProcess | None = None
        """The server that was found last, whether or not it still runs."""
        self._gone: float | None = None
        """Since when it does not."""
        self._log: SessionLog | None = None
        """The log as it was read last, where its newest session is of this start."""
        self._log_size = 0
        """Bytes that the log had when the server ended."""
        self._phase, self._phase_since = "", 0.0
        self._rows: dict[str, Finding] = {}
        """What the last look could judge."""
        self._evident = False
        """Whether a process, a listener or a log of the server has been there at any time."""
        self._handed: float | None = None
        """Since when the command that was launched has ended in order, as one that starts the server elsewhere."""
        self._doubted: float | None = None
        """Since when the server seems to be lost."""
        self._hanging: float | None = None
        """Since when embeddings hang behind pages that answer."""

    def report(self) -> Report:
        while True:
            looked = time.monotonic()
            self._follow()
            if (ended := self._ended()) is not None:
                return self._lost(ended)
            chance = self._glance() if self._gone is None else None
            if chance is not None and chance.state == "ready":
                return self._examined(ready=True)
            if chance is not None and self._is_lost(chance):
                return self._lost(None)
            self._pause(looked)
            if self._left() <= 0:
                ended = self._ended()
                return self._ran_out() if ended is None else self._lost(ended)
            self._find_again()

    def _left(self) -> float:
        return self._clock + self._patience - time.monotonic()

    # What is there: the process, and the log of this start.

    def _find_again(self) -> None:
        """The target as it is now: the server that was found stays the one that is meant."""
        if self._server is None:
            if self._start is not None and self._child is not None and self._child.status == 0:
                self._start = self._start._replace(handed_over=True)
                self._target = left_behind(replace(self._find(), start=self._start))
            else:
                self._target = replace(self._find(), start=self._start)
        else:
            self._target = followed(replace(self._target, server=self._server))

    def _follow(self) -> None:
        """Take note of the process that was found, or that it is gone."""
        if self._target.server is not None:
            self._server, self._gone, self._evident = self._target.server, None, True
            own = (self._server.pid, *self._server.children)
            self._given_serves = self._given_serves or (self._given is not None and self._given.pid in own)
        elif self._server is not None and self._gone is None:
            self._gone, self._log_size = time.monotonic(), self._size()

    def _ended(self) -> Ended | None:
        """The process that has ended for good; None while one runs, none was found, or another may follow."""
        if self._child is not None and self._child.status is not None:
            return Ended(self._child.pid, self._child.status) if self._child_ended() else None
        if self._given_ended():
            assert self._given is not None
            return Ended(self._given.pid, exit_status(self._given.pid))
        if self._server is None or self._gone is None or time.monotonic() - self._gone < self._pace.grace:
            return None
        if self._target.log and begun_since(self._target.log, self._log_size):
            self._server = self._gone = None  # one that cannot be seen writes there now
            return None
        return Ended(self._server.pid, exit_status(self._server.pid))

    def _child_ended(self) -> bool:
        """Whether what was started is gone; what ends in order may have left the server in the background."""
        assert self._child is not None
        if self._child.status is None:
            return False
        if self._child.status != 0:
            return True
        self._handed = self._handed or time.monotonic()
        if self._target.server or self._child.left:
            return False
        if self._server is not None or parse_launch(self._child.command) is not None:
            return True
        return not hands_over(self._child.command) and time.monotonic() - self._handed >= self._pace.handover

    def _given_ended(self) -> bool:
        """Whether the process that was given is gone, and was the server or has never started one."""
        if self._given is None or self._child is not None or lives(self._given.pid, self._given.created):
            return False
        return self._server is None or self._given_serves

    def _size(self) -> int:
        return (size(self._target.log) or 0) if self._target.log else 0

    def _read_log(self) -> SessionLog | None:
        """The log, where it tells of this start and not of an earlier one."""
        from bgecheck.engines.sglang.log.sessionlog import read_log

        path = self._target.log
        if path is None or not size(path):
            return None
        try:
            log = read_log(path, whole=LOG_BESIDE, seconds=_LOG_SECONDS)
            return log if self._is_of_this_start(path, log) else None
        except (Unavailable, OSError):
            return None

    def _is_of_this_start(self, path: str, log: SessionLog) -> bool:
        """By the start of its process; where none is seen, by when it was written."""
        written = os.stat(path).st_mtime
        if self._child is not None:
            return self._child.log_begin == 0 or begun_since(path, self._child.log_begin)
        if self._server is not None:
            first, started = begun(path, log.session), self._server.started_at - _SLACK
            return written >= started and (first is None or first >= started)
        if self._target.ended is None and diagnose(log.session, None, datetime.now()).state in ("ready", "stopped"):
            return written >= self._began  # one that served, or was stopped, before anybody waited was an earlier one
        lying = self._target.origins.get("log") == "folder"
        return written >= self._began - (LYING if lying else FRESH)

    # One look.

    def _glance(self) -> Outlook | None:
        """What the first rows tell; None where the process has ended meanwhile, or the time."""
        self._log = self._read_log()
        self._evident = self._evident or self._log is not None
        log, target = self._log, self._target if self._log is not None else replace(self._target, log=None)
        # The machine is looked at first: a program that holds the port may let a request wait for all its time.
        local = self._beside(lambda: examination.examine(self._glancing("logs", "ports"), target, log=log))
        if local is not None:
            self._rows = {finding.id: finding for finding in local.findings}
        if local is None or (chance := outlook(local)).state == "lost" or not self._asks():
            return None if local is None else chance
        asked = self._beside(lambda: examination.examine(self._glancing("probe"), target, log=log))
        if asked is None:
            return None
        self._rows |= {finding.id: finding for finding in asked.findings}
        chance = outlook(replace(asked, findings=(*local.findings, *asked.findings)))
        if chance.state == "ready" and log is None and self._read_log() is not None:
            return None  # it was written meanwhile, and may tell that the warm-up still runs
        self._evident = self._evident or chance.listens
        return chance

    def _asks(self) -> bool:
        """Whether it is certain whom to ask: what was started may listen elsewhere than where sglang usually does."""
        return self._target.origins.get("url") != "default" or self._given is None

    def _glancing(self, *names: str) -> Plan:
        rows = catalog.select(catalog.areas([name for name in names if name == "logs" or self._asks()]), only=ROWS)
        plan = replace(self._plan, command="glance", areas=tuple(rows), ignored={}, calls_openai=False)
        left = max(0.1, self._left())
        return plan.with_settings(quick=True, full=False, deadline=left, timeout=min(self._plan.settings.timeout, left))

    def _beside(self, task: Callable[[], Report]) -> Report | None:
        """What a task returns, for which is waited as long as the process runs and time is left."""
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def run() -> None:
            try:
                results.put(task())
            except BaseException as error:  # told where it is waited for
                results.put(error)

        threading.Thread(target=run, name="glance", daemon=True).start()
        while self._left() > -self._pace.step and not self._has_ended():
            self._tell()
            with suppress(queue.Empty):
                result = results.get(timeout=self._pace.step)
                if isinstance(result, BaseException):
                    raise result
                report: Report = result
                return report
        return None

    def _has_ended(self) -> bool:
        if self._child is not None:
            return self._child_ended()
        server = self._target.server
        return self._given_ended() or (server is not None and not lives(server.pid, server.started_at))

    def _is_lost(self, chance: Outlook) -> bool:
        """Whether a loss has lasted, or a server hung, for long enough."""
        now = time.monotonic()
        self._doubted = (self._doubted or now) if chance.state == "lost" else None
        if self._doubted is not None and now - self._doubted >= self._pace.grace:
            return True
        if not chance.hangs:
            self._hanging = None
            return False
        if self._hanging is None:
            self._hanging = now
            return False
        return self._log is not None or now - self._hanging >= self._pace.hangs

    def _pause(self, looked: float) -> None:
        """Until the next look is due, or a process that ran has ended, or the log has grown."""
        before = self._size()
        due = looked + (self._pace.look if self._gone is None else self._pace.step)
        if self._doubted is not None:
            due = min(due, self._doubted + self._pace.grace)
        while (now := time.monotonic()) < due and self._left() > 0:
            self._tell()
            time.sleep(max(0.0, min(self._pace.step, due - now, self._left())))
            if self._gone is None and (self._has_ended() or self._size() != before):
                return

    def _tell(self) -> None:
        now, phase = time.monotonic(), self._log.session.phase if self._log else ""
        if phase != self._phase:
            self._phase, self._phase_since = phase, now
        self._on_progress(
            Progress(
                elapsed=now - self._clock,
                patience=self._patience,
                target=self._target,
                alive=None if self._server is None else self._gone is None,
                phase=STAGE_NAMES[phase] if phase else None,
                phase_seconds=now - self._phase_since,
            )
        )

    # The end.

    def _examined(self, *, ready: bool = False, **changes: float) -> Report:
        """The whole examination, of as much time as the plan gives unless that is changed."""
        self._log = self._read_log()
        target = replace(self._target, processes=None)  # it comes later than the look in which they were listed
        notes: tuple[Words, ...] = ()
        process = self._server is not None or self._child is not None
        if target.log is not None and self._log is None and self._size() and (process or not ready):
            notes = (_older(target.log),)
            target = replace(target, log=None)
        report = self._look(self._plan.with_settings(**changes), target)
        return replace(report, seconds=time.monotonic() - self._clock, notes=(*report.notes, *notes))

    def _lost(self, ended: Ended | None) -> Report:
        if ended is not None:
            self._target = replace(self._target, server=None, pid=ended.pid, ended=ended)
        # What answers no more is not given its whole time once again.
        settings, pace = self._plan.settings, self._pace
        report = self._examined(deadline=min(settings.deadline, pace.lost), timeout=min(settings.timeout, pace.last))
        return report if ended is None else self._with_process(report)

    def _with_process(self, report: Report) -> Report:
        """The report in which the row of a process that has ended is judged, however busy the machine is."""
        rows = {finding.id: finding for finding in report.findings}
        if "ports.process" not in rows or not _is_unjudged(rows["ports.process"]):
            return report
        areas = catalog.select(self._plan.areas, only=("ports.process",))
        target = replace(self._target, processes=None)
        again = examination.examine(replace(self._plan, command="glance", areas=tuple(areas)), target, log=self._log)
        return _completed(report, {finding.id: finding for finding in again.findings})

    def _ran_out(self) -> Report:
        """Short, for nobody waits any longer; a server that hangs behind its pages does not start any more."""
        settings, last = self._plan.settings, self._pace.last
        report = self._examined(deadline=min(settings.deadline, last), timeout=min(settings.timeout, last))
        report = _completed(report, self._rows)
        notes = (*report.notes, self._how_far())
        return replace(report, starting=self._hanging is None, unseen=not self._evident, notes=notes)

    def _how_far(self) -> Words:
        """How far the start has come, or that nothing was there."""
        waited = Text(f"waited {self._patience:g} s", f"等了 {self._patience:g} 秒")
        if not self._evident and (self._given is None or self._handed is not None):
            address = self._target.address
            command = Text("", "")
            if self._handed is not None:
                command = Text(
                    "; the command that was launched has ended (exit code 0)", "；启动命令已结束（退出码 0）"
                )
            return Text(
                f"{waited.en} and saw nothing: no process of that server, nothing that listens at {address}, no log"
                f"{command.en}",
                f"{waited.zh}，什么都没有：没有对应的服务进程，{address} 上没有程序在监听，也没有日志{command.zh}",
            )
        process = self._process()
        if not self._phase:
            return Text(waited.en + process.en, waited.zh + process.zh)
        phase, seconds = STAGE_NAMES[self._phase], f"{time.monotonic() - self._phase_since:.0f}"
        return Text(
            f"{waited.en}{process.en}: {phase.en} has gone on for {seconds} s",
            f"{waited.zh}{process.zh}：“{phase.zh}”阶段已持续 {seconds} 秒",
        )

    def _process(self) -> Text:
        if self._server is not None:
            return Text(f", pid {self._server.pid} alive", f"，进程 {self._server.pid} 在运行")
        if self._given is None or self._handed is not None:
            return Text("", "")
        pid, name = self._given.pid, self._given.name
        return Text(
            f", pid {pid} ({name}) runs and has started no sglang server",
            f"，进程 {pid}（{name}）在运行，但没有启动 sglang 服务",
        )


def _given(target: Target) -> Process | None:
    """The process that was given; of one that has ended only the number."""
    if target.pid is None or target.origins.get("pid") != "option":
        return None
    processes = target.processes.processes if target.processes else {}
    return processes.get(target.pid) or Process(target.pid, 0, "", (), 0.0)


def _is_unjudged(finding: Finding) -> bool:
    return finding.status in (Status.SKIP, Status.ERROR)


def _completed(report: Report, rows: Mapping[str, Finding]) -> Report:
    """The report in which rows that were found bad a moment ago stand for those that there was no time to judge."""
    findings = tuple(
        replace(rows[f.id], check=f.check, ignored=f.ignored, caused_by=None)
        if _is_unjudged(f) and f.id in rows and rows[f.id].status.bad
        else f
        for f in report.findings
    )
    return replace(report, findings=engine.attribute(findings))


def _start(given: Process | None, child: Child | None) -> Start | None:
    if child is not None:
        return Start(child.pid, child.created, launched=True, mark=child.mark)
    return Start(given.pid, given.created, launched=False) if given is not None else None


def _older(log: str) -> Words:
    words = Text("{log} tells of an earlier start: it was not judged", "{log} 是更早一次启动的日志，没有用来判断")
    return words.filled({"log": clean(log)})
