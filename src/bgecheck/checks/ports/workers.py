"""Rows of a server's worker processes: those that must run, and those that a dead server has left."""

from __future__ import annotations

from bgecheck.checks.ports.facts import AREA, KILLED, PortFacts, killed, restarted
from bgecheck.engines.sglang.discovery import TITLE
from bgecheck.model import ANY_TIME, Advice, Evidence, Outcome, Severity, Shell, Text, absent, broken, holds


@AREA.check(
    "orphans",
    title=Text("no worker is left over from a dead server", "没有残留的 sglang 子进程"),
    cause=Text(
        "workers whose server is gone still run (pid {pids}): they hold GPU memory and ports, and a server that is "
        "started beside them can hang",
        "主服务已经退出，子进程却还在（进程 {pids}）：它们仍占着显存和端口，新启动的服务可能因此卡住",
    ),
    fix=Text("look at them, then kill exactly these", "确认后只结束这几个进程"),
    commands=KILLED,
    variants={
        "holding": Advice(
            Text(
                "workers whose server is gone still run (pid {pids}) and hold port {port}: a server that is started "
                "on it cannot bind it, and requests get no answer",
                "主服务已经退出，子进程却还在（进程 {pids}），并占着端口 {port}：新服务绑定不了这个端口，"
                "请求也得不到响应",
            ),
            Text(
                "look at them, kill exactly these, then start the server again",
                "确认后只结束这几个进程，再重新启动服务",
            ),
            KILLED,
            severity=Severity.ERROR,
            explains=("ports.owner", "logs.port-in-use"),
        )
    },
    severity=Severity.WARNING,
    moments=ANY_TIME,
)
def no_worker_is_left_over(facts: PortFacts) -> Outcome:
    """`sglang::*` processes whose parent is init; upstream reports: sglang #31645, #241, #9396."""
    if not facts.left_over:
        return holds(Evidence(Text(f"{TITLE} processes without a server", f"主服务已退出的 {TITLE} 进程"), "0"))
    evidence = [Evidence(f"pid {o.pid}", o.title) for o in facts.left_over[:5]]
    held = any(owner.left_over for owner in facts.owners)
    return broken(*evidence, advice="holding" if held else None, port=facts.target.port, **killed(facts.left_over))


@AREA.check(
    "workers",
    title=Text("the server's schedulers run", "服务的 scheduler 进程都在"),
    cause=Text(
        "pid {server_pid} still answers its pages, but its scheduler has ended ({running} of {wanted} run): no text "
        "is computed any more, and requests hang",
        "进程 {server_pid} 的状态页仍有响应，但 scheduler 已经退出（还剩 {running} 个，应有 {wanted} 个）："
        "文本不再计算，请求会一直挂起",
    ),
    fix=Text(
        "stop it and start it again{where}: it does not recover. Why the scheduler ended: the last lines of its log, "
        "or dmesg -T where it was killed for memory",
        "停掉后重新启动{where}，它不会自己恢复。scheduler 退出的原因看日志末尾；若因内存被杀，看 dmesg -T",
    ),
    commands=("{stop}", "{launch_line}"),
    variants={
        "paused": Advice(
            Text(
                "a signal has stopped the server (pid {pids}, state T), as Ctrl-Z, kill -STOP or docker pause do: it "
                "holds its port and answers nothing",
                "服务被信号暂停了（进程 {pids}，状态 T），比如 Ctrl-Z、kill -STOP 或 docker pause："
                "端口还占着，但不会响应任何请求",
            ),
            Text("let it go on; of a paused container: docker unpause", "让它继续运行；容器被暂停时用 docker unpause"),
            ("kill -CONT {pids_apart}",),
        )
    },
    needs=("ports.listening",),
    explains=(
        *("probe.reachable", "probe.ready", "probe.health-agrees", "probe.openai-client"),
        *("probe.batch-limit", "probe.token-limit"),
        *("probe.base64", "probe.blank-input", "probe.dimensions", "probe.token-ids", "embed.answers"),
        "logs.scheduler-hang",
    ),
)
def schedulers_run(facts: PortFacts) -> Outcome:
    """A status page proves nothing: the process that answers it is another than the one that computes."""
    if facts.server is None or not facts.serving:
        return absent(Text("no server of this machine holds the port", "端口上没有本机能看到的服务进程"))
    if paused := facts.server.stopped:
        pids = [str(pid) for pid in paused]
        state = Text("stopped (state T)", "已暂停（状态 T）")
        return broken(
            *(Evidence(f"pid {pid}", state) for pid in pids[:4]),
            advice="paused",
            pids=",".join(pids),
            pids_apart=Shell(" ".join(pids)),
        )
    if facts.schedulers is None:
        return absent(Text("its workers do not show what they are", "看不出各子进程的角色"))
    running, wanted = len(facts.schedulers.running), max(1, facts.schedulers.wanted)
    evidence = Evidence(
        Text(f"schedulers of pid {facts.server.pid}", f"进程 {facts.server.pid} 的 scheduler"),
        str(running),
        f">= {wanted}",
    )
    if running >= wanted:
        return holds(evidence)
    return broken(evidence, running=running, wanted=wanted, **restarted(facts.server, {}))
