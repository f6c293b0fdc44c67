"""The row of the server's own process: that it lives, where it was found or given."""

from __future__ import annotations

import signal

from bgecheck.checks.ports.facts import AREA, PortFacts
from bgecheck.model import Advice, Evidence, Outcome, Text, absent, broken, holds
from bgecheck.model.processes import Ended

_TAIL = "tail -n 20 {log}"


@AREA.check(
    "process",
    title=Text("the server's process runs", "服务的进程在运行"),
    cause=Text(
        "pid {server_pid}, which was waited for, has ended ({state}): nobody loads the model or answers any more",
        "等待的进程 {server_pid} 已经结束（{state}）：没有程序在加载模型，也不会有响应",
    ),
    fix=Text(
        "read the last lines of its log, and start it again once their cause is mended",
        "看日志的最后几行，排除原因后重新启动",
    ),
    commands=(_TAIL,),
    variants={
        "killed": Advice(
            Text(
                "pid {server_pid}, which was waited for, was killed ({state}), which leaves no line in its log: by the "
                "kernel when memory ran out, by the memory limit of a container, or by hand",
                "等待的进程 {server_pid} 被杀掉了（{state}），日志里不会留下记录：可能是内存耗尽被内核杀掉、"
                "超出容器的内存限制，或被人手动结束",
            ),
            Text(
                "see in the kernel's log whether memory ran out; then give it more, and start it again",
                "看内核日志里是否有内存不足（OOM）的记录；有就加大内存，再重新启动",
            ),
            ("dmesg -T | grep -iE 'killed process|out of memory'", _TAIL),
        ),
    },
    explains=(
        *("logs.ready", "logs.wrong-engine", "logs.readable", "ports.listening", "ports.owner"),
        *("probe.reachable", "probe.base-url", "probe.ready", "probe.health-agrees", "probe.openai-client"),
        "embed.answers",
    ),
)
def the_process_runs(facts: PortFacts) -> Outcome:
    """A process that was found at the beginning of this run is there; one that was waited for may have ended."""
    ended, server = facts.target.ended, facts.target.server
    if ended is not None:
        how = ending(ended)
        process = Evidence(f"pid {ended.pid}", Text(f"ended: {how.en}", f"已结束：{how.zh}"), Text("runs", "在运行"))
        last = [Evidence(*facts.last_line)] if facts.last_line else []
        advice = "killed" if ended.status == -signal.SIGKILL else None
        return broken(process, *last, advice=advice, server_pid=ended.pid, state=how, ended_with=ended.status)
    if server is None:
        return absent(Text("no process of a server was found or given", "没有找到或指定服务进程"))
    return holds(Evidence(f"pid {server.pid}", Text("runs", "在运行")))


def ending(ended: Ended) -> Text:
    """How a process has ended."""
    status = ended.status
    if status is None:
        return Text("its exit code is known to its starter alone", "退出码只有启动它的程序知道")
    if status >= 0:
        return Text(f"exit code {status}", f"退出码 {status}")
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal
        return Text(f"signal {-status}", f"信号 {-status}")
    return Text(f"signal {-status}, {name}", f"信号 {-status}，{name}")
