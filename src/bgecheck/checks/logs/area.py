"""The collector of the `logs` area, its two rows about the session as a whole, and how a cause becomes a row."""

from __future__ import annotations

import itertools
import os
from datetime import datetime
from itertools import pairwise
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

from bgecheck.checks.log_age import LogAge
from bgecheck.engines.sglang.log import (
    causes,  # noqa: F401  # declares them
    marks,
    relaunch,
)
from bgecheck.engines.sglang.log.accelerator import tools
from bgecheck.engines.sglang.log.age import HOUR, OLD, age_of, ago
from bgecheck.engines.sglang.log.cause import CAUSES, CONSEQUENCES, Cause
from bgecheck.engines.sglang.log.coverage import coverage
from bgecheck.engines.sglang.log.diagnosis import QUIET, Diagnosis, diagnose
from bgecheck.engines.sglang.log.explanation import Rival, confidence, explanation, relation
from bgecheck.engines.sglang.log.launched import launched
from bgecheck.engines.sglang.log.modelname import model_of
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.engines.sglang.log.since import Since
from bgecheck.engines.sglang.options import changes_in_words
from bgecheck.engines.sglang.relaunch import launch_line, launch_of, stop
from bgecheck.engines.sglang.remedies import UPGRADE, with_upgrade
from bgecheck.knowledge.models import repository
from bgecheck.logfile.packed import plain_name
from bgecheck.logfile.reading import PIPE, Origin
from bgecheck.machine.containers import container_of
from bgecheck.model import (
    Advice,
    Area,
    Evidence,
    Outcome,
    ServerProcess,
    Target,
    Text,
    Unavailable,
    absent,
    broken,
    holds,
    not_yet,
    unclear,
)

if TYPE_CHECKING:
    from bgecheck.engines.sglang.log.sessionlog import SessionLog
    from bgecheck.run.context import Context


class Told(NamedTuple):
    """An older session in one line."""

    line: int
    lines: int
    since: str
    """Its first time stamp."""
    state: str
    cause: str | None
    """The cause that was decisive for it, as the name of a row."""
    early: bool = False
    """Whether it was stopped before it was ready, and not from a keyboard."""


class LogFacts(NamedTuple):
    """The newest session of one log, and what became of it."""

    origin: Origin
    session: Session
    older: int
    diagnosis: Diagnosis
    past: tuple[Told, ...] = ()
    """The last of the older sessions, the oldest first."""
    since: Since | None = None
    """From when on the log was judged; None judges all of the newest session."""
    server: ServerProcess | None = None
    """The running server whose log it is."""
    age: LogAge | None = None
    """Of a log that was not just written, and is not that of a running server."""
    launched: bool = False
    """Whether this program has started what writes it, which has not ended."""

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return os.path.basename(self.origin.name)


AREA = Area("logs", seconds=60.0)


def _no_log(server: ServerProcess | None) -> Text:
    container = container_of(server.pid) if server else None
    if container:
        return Text(
            f"the server runs in container {container[:12]}, whose output is not readable here: "
            f"docker logs {container[:12]} 2>&1 | bgecheck logs -",
            f"服务在容器 {container[:12]} 里，这里读不到它的输出：docker logs {container[:12]} 2>&1 | bgecheck logs -",
        )
    return Text(
        "no log was found: name it with --log FILE (which file the server's stdout goes to is not visible)",
        "没有找到日志，用 --log 文件 指定（看不出服务的 stdout 写到了哪个文件）",
    )


@AREA.collect
def collect(context: Context) -> LogFacts:
    """Read the log that was named, else the file that the server's stdout goes to."""
    if context.target.log is None:
        raise Unavailable(_no_log(context.target.server), looked=False)
    log = context.session_log()
    if (other := context.log_of_another()) is not None:
        raise Unavailable(other, looked=False)
    since = log.since
    if since is not None and since.last is None and log.session.lines:
        raise Unavailable(
            Text(
                f"no line of this log has a time stamp, so what came since {since.moment} is not known",
                f"这份日志没有任何一行带时间，无法判断 {since.moment} 之后写了什么",
            )
        )
    now = datetime.now()
    diagnosis = diagnose(log.session, log.origin.age, now)
    if since is not None and since.line is None:
        diagnosis = Diagnosis("empty", {})
    if log.origin.broken and diagnosis.state == "stuck":
        diagnosis = Diagnosis("starting", {})
    age = None if context.target.server else _age_of(log, now)
    if age and age.seconds > OLD and diagnosis.state in _NOT_UP and _is_of_nothing(context.target, log.origin.age):
        raise Unavailable(_too_old(log.origin.name, age), looked=False)
    past = tuple(map(_older, log.past))
    return LogFacts(
        log.origin,
        log.session,
        log.older,
        diagnosis,
        past,
        since,
        _owner(context.target),
        age,
        _is_launched(context.target),
    )


def _owner(target: Target) -> ServerProcess | None:
    """The running server that writes the log."""
    return target.server if target.server is not None and target.server.log == target.log else None


def _is_launched(target: Target) -> bool:
    return target.start is not None and target.start.launched and target.ended is None


_NOT_UP = ("failed", "stuck", "starting")


def _age_of(log: SessionLog, now: datetime) -> LogAge | None:
    try:
        last = datetime.fromisoformat(log.session.last_stamp)
    except ValueError:
        last = None
    seconds = age_of(log.origin.age, last, now)
    if seconds is None or seconds < HOUR:
        return None
    file, written = os.path.basename(log.origin.name), ago(seconds)
    name = Text("what came through standard input", "标准输入的内容") if file == PIPE else Text(file, file)
    return LogAge(seconds, Text(f"{name.en} was last written {written.en}", f"{name.zh} 最后写于{written.zh}"))


def _is_of_nothing(target: Target, written: float | None) -> bool:
    """Whether a log is named for a server of this machine of which no process is seen, and its file is not new."""
    by_option = bool(target.url) and target.origins.get("log") == "option"
    return by_option and target.is_local and written is not None and written > OLD


def _too_old(path: str, age: LogAge) -> Text:
    note = age.note
    return Text(
        f"{note.en}, and no sglang process runs: it does not say why none runs now; "
        f"to judge it by itself: bgecheck logs {quote(path)}",
        f"{note.zh}，目前也没有 sglang 进程：它说明不了现在为什么没有服务；单独看这份日志：bgecheck logs {quote(path)}",
    )


def _older(session: Session) -> Told:
    """An older session; what was still starting when the next began has failed or was given up."""
    diagnosis = diagnose(session, 0.0, datetime.now())
    state = "given up" if diagnosis.state in ("starting", "stuck") else diagnosis.state
    cause, early = next(iter(diagnosis.causes), None), state == "stopped" and _is_early(session)
    return Told(session.first_line, session.lines, session.first_stamp, state, cause, early)


def _is_early(session: Session) -> bool:
    return session.ready_line is None and not session.interrupted


_IN_A_ROW = 3
"""Starts that were each stopped early: one or two may be an operator's doing."""


def _where(facts: LogFacts, line: int) -> str:
    name, number = facts.origin.place(line)
    return f"{os.path.basename(name)}:{number}"


def _evidence(facts: LogFacts, hit: Hit) -> list[Evidence]:
    """The decisive line, further lines of the same cause, and why it is this one."""
    evidence = [Evidence(_where(facts, line), text) for line, text in ((hit.line, hit.text), *hit.also.values())]
    return [
        *evidence,
        Evidence(Text("why this one", "判断理由"), explanation(hit, _beside(facts, hit)), background=True),
    ]


def _beside(facts: LogFacts, hit: Hit) -> tuple[Rival, ...]:
    """What competes with a cause: with the decisive one of a session that failed all other fatal lines."""
    return facts.diagnosis.beside if hit.cause == facts.diagnosis.why else ()


def _values(facts: LogFacts, hit: Hit) -> dict[str, Any]:
    session = facts.session
    arguments = _arguments(session)
    model = session.argument("model_path") or _of_command(session) or _of_lines(hit) or "<model>"
    return {
        **arguments,
        "file": _file(facts, facts.origin.name),
        "line": hit.line,
        "context": [*hit.before, hit.text, *hit.after],
        "phase": marks.PHASE_WORDS[hit.phase],
        "seen": hit.count,
        "confidence": confidence(hit, _beside(facts, hit)),
        "beside": [rival._asdict() for rival in _beside(facts, hit)],
        "also": [{"line": line, "text": text} for line, text in hit.also.values()],
        "known_from": hit.source,
        "consequences": session.deaths,
        "args_model": model,
        "args_repo": repository(model),
    }


def _of_command(session: Session) -> str | None:
    """The model of the launch command that a log repeats."""
    given = launched(session)
    return given.options.get("model-path") if given else None


def _of_lines(hit: Hit) -> str | None:
    """The model that the lines of a cause name."""
    lines = (hit.text, *(text for _, text in hit.also.values()))
    return next((model for line in lines if (model := model_of(line))), None)


def _arguments(session: Session) -> dict[str, str]:
    """What commands need of the resolved options, or of the launch command where the log has no others."""
    given = launched(session)
    options = given.options if given else {}
    return {
        "args_model": session.argument("model_path") or "<model>",
        "args_port": session.argument("port") or options.get("port") or "<port>",
        "args_fraction": session.argument("mem_fraction_static") or options.get("mem-fraction-static") or "auto",
    }


@AREA.check(
    "readable",
    title=Text("the log can be read", "日志可读"),
    cause=Text("the log file cannot be read", "日志文件无法读取"),
    fix=Text("name the file that the server's stdout goes to, with --log", "用 --log 指定服务 stdout 写入的文件"),
)
def log_is_readable(facts: LogFacts) -> Outcome:
    """The entry row: lines were read; an empty log says nothing yet."""
    since = facts.since
    if since is not None and since.line is None and since.last is not None:
        return absent(
            Text(
                f"nothing was written since {since.moment}: the last line is of {since.last}",
                f"{since.moment} 之后没有写入：最后一行的时间是 {since.last}",
            )
        )
    if facts.diagnosis.state == "empty":
        return absent(Text("the log is empty so far", "日志目前是空的"))
    lines = Text(f"{facts.session.lines} lines", f"{facts.session.lines} 行")
    evidence = [Evidence(_where(facts, facts.session.first_line), lines)]
    if since is not None and since.line is not None:
        came = Text(f"what came since {since.moment}", f"{since.moment} 之后的内容")
        evidence = [Evidence(_where(facts, max(since.line, facts.session.first_line)), came), Evidence(came, lines)]
    if skipped := facts.origin.skipped:
        evidence.append(_left_out(skipped, facts.origin.numbered))
    if facts.past:
        evidence.append(_before(facts))
    if facts.origin.broken:
        evidence.append(Evidence(Text("not read", "未读取"), _broken_off(facts)))
    elif facts.origin.cut:
        evidence.append(Evidence(Text("not read", "未读取"), Text("what came after that", "其后的内容")))
    sessions = [session._asdict() for session in facts.past]
    outcome = holds(*evidence, older_sessions=facts.older, sessions=sessions, skipped_bytes=skipped)
    return outcome._replace(data=facts.age)


def _broken_off(facts: LogFacts) -> Text:
    _, line = facts.origin.place(facts.session.last[0])
    return Text(f"the archive is cut off after line {line}", f"压缩包不完整，读到第 {line} 行就断了")


def _before(facts: LogFacts) -> Evidence:
    """The older sessions, each in a few words; of many the last."""
    shown = facts.past[-_SHOWN:]
    lines = [_in_a_line(facts, session) for session in shown]
    more = facts.older - len(shown)
    also = Text(f"{more} more, and ", f"另有 {more} 次；") if more > 0 else Text("", "")
    listed = Text(" | ".join(line.en for line in lines), " | ".join(line.zh for line in lines))
    return Evidence(Text("before it", "此前"), Text(also.en + listed.en, also.zh + listed.zh))


def _in_a_line(facts: LogFacts, session: Told) -> Text:
    """An older session: where it begins, when, what became of it, and the row of its cause."""
    begun, became = f"{_where(facts, session.line)} {session.since}".rstrip(), _BECAME[session.state]
    cause = f" {session.cause}" if session.cause else ""
    return Text(f"{begun} {became.en}{cause}", f"{begun} {became.zh}{cause}")


_BECAME = {
    "ready": Text("ready", "已就绪"),
    "given up": Text("given up", "启动未完成"),
    "failed": Text("failed", "失败"),
    "stopped": Text("stopped", "已停止"),
}
"""What became of an older session."""


def _left_out(skipped: int, numbered: bool) -> Evidence:
    size = f"{skipped / 2**20:.0f} MiB"
    en, zh = ("", "") if numbered else ("; line numbers count from there", "；行号从其后算起")
    return Evidence(
        Text("not read", "未读取"),
        Text(
            f"the first {size} of the file, but for its last start{en}",
            f"文件开头的 {size}（其中最近一次启动除外）{zh}",
        ),
    )


_SHOWN = 5
"""Older sessions that are shown; the JSON report has all that are kept."""


def _timeline(session: Session) -> dict[str, float]:
    """Seconds that each stage took until the next that was seen; the last is when the first request was answered.

    A client that does not wait for the ready line is answered before it: then nothing was waited for.
    """
    stages = [(name, session.stages[name]) for name in (*_LASTING, "first-request") if name in session.stages]
    taken = {}
    for (name, since), (_, until) in pairwise(stages):
        begun, ended = session.seconds(since), session.seconds(until)
        if begun is not None and ended is not None and ended >= begun:
            taken["idle" if name == "ready" else name] = ended - begun
    return taken


_LASTING = ("arguments", "device", "weights", "memory-pool", "graph-capture", "warm-up", "ready")
"""Stages in the order in which a start goes through them."""

_STAGES = {
    "arguments": Text("imports", "导入"),
    "device": Text("device", "初始化设备"),
    "weights": Text("weights", "加载权重"),
    "memory-pool": Text("memory pool", "显存池"),
    "graph-capture": Text("graph capture", "捕获 CUDA graph"),
    "warm-up": Text("warm-up", "预热"),
    "idle": Text("until the first request", "等到首个请求"),
}


def _start_up(taken: dict[str, float]) -> Evidence:
    en = ", ".join(f"{_STAGES[name].en} {seconds:g} s" for name, seconds in taken.items())
    zh = "，".join(f"{_STAGES[name].zh} {seconds:g} 秒" for name, seconds in taken.items())
    return Evidence(Text("start-up", "启动过程"), Text(en, zh))


def _statistics(session: Session) -> dict[str, Any]:
    """What was asked of the server: embeddings answered, other requests answered, and refused ones by kind."""
    refused = {kind: count for kind, count in session.requests.items() if kind in session.refused}
    return {
        "embeddings": session.requests["ok"],
        "others": session.requests["other"] + session.requests["generated"],
        "pages": session.requests["page"],
        "refused": refused,
        "client_errors": sum(n for kind, n in refused.items() if kind.rpartition(" ")[2].startswith("4")),
        "server_errors": sum(n for kind, n in refused.items() if kind.rpartition(" ")[2].startswith("5")),
        "probed": session.probed,
        "warnings": {name: hit.count for name, hit in session.hits.items() if not hit.fatal},
    }


def _served(statistics: dict[str, Any]) -> list[Evidence]:
    """Requests by how they were answered, the most frequent refusals, and what was warned of."""
    ok, four, five = statistics["embeddings"], statistics["client_errors"], statistics["server_errors"]
    most = sorted(statistics["refused"].items(), key=lambda kind: -kind[1])[:_SHOWN]
    kinds = "".join(f"; {count} x {kind}" for kind, count in most)
    requests = Text(
        f"{ok} embeddings answered, {four} refused (4xx), {five} failed (5xx){kinds}",
        f"向量请求成功 {ok}，4xx {four}，5xx {five}{kinds}",
    )
    if probed := statistics["probed"]:
        requests = Text(
            f"{requests.en}; {probed} more refused to bgecheck's own checks",
            f"{requests.zh}；另有 {probed} 次是 bgecheck 自己的检查，不计入",
        )
    warned = ", ".join(f"{name} {count}" for name, count in statistics["warnings"].items())
    evidence = [Evidence(Text("requests", "请求"), requests)]
    return [*evidence, Evidence(Text("warnings", "告警"), warned)] if warned else evidence


_NOTHING = {
    "foreign": Text("not a log of sglang", "不是 sglang 的日志"),
    "empty": Text("nothing was written yet that could be judged", "还没有可供判断的内容"),
}
"""Why a log tells of no session."""

_WAIT = Text("wait, then check again", "稍等后再查")


@AREA.check(
    "ready",
    headline=True,
    title=Text("the newest session became ready and still serves", "最近一次启动已就绪，且仍在服务"),
    cause=Text(
        "the server of this log has exited; the last error it wrote: {error}",
        "这份日志里的服务已经退出，最后的报错是：{error}",
    ),
    fix=Text("read the lines around it", "查看它前后的日志"),
    commands=("tail -n +{from_line} {file} | head -n 40",),
    variants={
        "starting": Advice(
            Text(
                "the server is still starting (phase: {phase}, last line {age} s ago)",
                "服务还在启动（阶段：{phase}，最后一行日志写于 {age} 秒前）",
            ),
            _WAIT,
            ("bgecheck doctor --wait 5m --log {file}",),
        ),
        "stuck": Advice(
            Text(
                "the start has stopped in phase `{phase}` without an error: {hangs}",
                "启动停在“{phase}”阶段，没有任何报错：{hangs}",
            ),
            Text("see what it waits for, then start again", "看它在等什么，再重新启动"),
            ("tail -n 5 {file}",),
        ),
        "expired": Advice(
            Text(
                "Slurm ended the server because the time of its job was over: nothing is wrong with the server itself",
                "作业到了时间上限，服务被 Slurm 结束：服务本身没有问题",
            ),
            Text(
                "submit the job again with a longer --time (sbatch, srun; sinfo shows what the partition allows), or "
                "serve outside of Slurm",
                "用更长的 --time 重新提交作业（sbatch、srun；sinfo 可看分区的上限），或不通过 Slurm 部署",
            ),
            ("sinfo -o '%P %l'",),
        ),
        "early": Advice(
            Text(
                "the last {count} starts were each stopped from outside (SIGTERM) before the server was ready: a probe "
                "of Kubernetes, a health check or a start timeout does not wait long enough",
                "最近 {count} 次启动都在就绪前被外部停止（SIGTERM）：Kubernetes 探针、健康检查或启动超时等得不够久",
            ),
            Text(
                "let it wait for the whole start: in a pod a startupProbe of 10 minutes (periodSeconds: 10, "
                "failureThreshold: 60), in compose a longer start_period, in systemd TimeoutStartSec=600",
                "把等待时间放宽到整个启动过程：Pod 用 10 分钟的 startupProbe"
                "（periodSeconds: 10、failureThreshold: 60），compose 调大 start_period，"
                "systemd 设 TimeoutStartSec=600",
            ),
            ("kubectl get events --field-selector reason=Unhealthy",),
        ),
        "cut": Advice(
            Text(
                "the server of this log has exited, and the log begins behind the error: it holds only what sglang "
                "writes as it ends itself",
                "这份日志里的服务已经退出，但真正的报错在日志开头之前：这里只有 sglang 收尾时写的几行",
            ),
            Text(
                "get the log from the start of the server on (docker logs and kubectl logs without --tail, journalctl "
                "without -n; of a pod that was restarted kubectl logs --previous), and check that log",
                "取从服务启动开始的完整日志（docker logs、kubectl logs 不加 --tail，journalctl 不加 -n；"
                "重启过的 Pod 用 kubectl logs --previous）再检查",
            ),
        ),
        "graph": Advice(
            Text(
                "the server of this log has exited while it captured CUDA graphs; the last error it wrote: {error}",
                "这份日志里的服务在捕获 CUDA graph 时退出，最后的报错是：{error}",
            ),
            Text(
                "start it without graphs, which embedding does not need; if it fails again, read the lines around it",
                "关闭 CUDA graph 再启动，embedding 用不上它；仍然失败再看报错前后的日志",
            ),
            ("{launch_line}", "tail -n +{from_line} {file} | head -n 40"),
        ),
    },
    explains=tuple(row for row in CONSEQUENCES if row not in ("logs.ready", "ports.process", "ports.owner")),
)
def newest_session_is_ready(facts: LogFacts) -> Outcome:
    """Ready means: the ready line, no failed bind before it, nothing fatal after it (see the causes)."""
    return _readiness(facts)._replace(data=facts.diagnosis)


def _readiness(facts: LogFacts) -> Outcome:
    session, state = facts.session, facts.diagnosis.state
    phase = marks.PHASE_WORDS[session.phase]
    common: dict[str, Any] = {"state": state, "phase": phase, "older_sessions": facts.older}
    if state in ("foreign", "empty"):
        return absent(_NOTHING[state], **common)
    if state == "stopped" and session.expired_line is not None:
        ended = Evidence(_where(facts, session.expired_line), Text("DUE TO TIME LIMIT", "DUE TO TIME LIMIT"))
        return broken(ended, advice="expired", **common)
    if state == "stopped" and _is_early(session) and _stopped_early(facts) >= _IN_A_ROW:
        where = _where(facts, session.stopped_line or 0)
        stopped = Evidence(where, Text("stopped before it was ready", "就绪前被停止"))
        return broken(stopped, advice="early", count=_stopped_early(facts), **common)
    if state == "stopped":
        where = _where(facts, session.stopped_line or 0)
        return absent(Text(f"shut down cleanly by its operator ({where})", f"被正常停止（{where}）"), **common)
    if facts.origin.broken and facts.diagnosis.why is None:
        cut = _broken_off(facts)
        return unclear(
            Text(f"{cut.en}: what became of the server is not in it", f"{cut.zh}，看不到服务后来的状态"), **common
        )
    if state == "ready":
        assert session.ready_line is not None
        seconds = session.seconds(session.ready_stamp)
        after = (
            Text("ready", "已就绪")
            if seconds is None
            else Text(f"ready after {seconds:g} s", f"启动 {seconds:g} 秒后就绪")
        )
        taken, statistics = _timeline(session), _statistics(session)
        evidence = [Evidence(_where(facts, session.ready_line), after)]
        evidence += [_start_up(taken)] if taken else []
        evidence += _served(statistics) if session.requests or session.probed else []
        return holds(*evidence, seconds_to_ready=seconds, stages=taken, requests=statistics, **common)
    line, text = session.last_exception or session.last
    last_line = Evidence(_where(facts, line), text)
    taken = _timeline(session)
    came = [_start_up(taken)] if taken else []
    common["stages"] = taken
    if state == "failed":
        name, number = facts.origin.place(line)
        values: dict[str, Any] = {"error": text, "from_line": max(1, number - 20), "file": _file(facts, name)}
        values |= _arguments(session)
        begun = session.covered_from is not None or session.last_exception is not None or bool(session.args)
        advice = "graph" if session.phase == "graph" else None if begun else "cut"
        given = launched(session) if advice == "graph" else None
        changed = relaunch.without_graphs(session, Hit("", line, text, 0, True, session.phase))
        if given is not None and changed is not None:
            values["launch_line"] = launch_line(given, changed)
        return broken(last_line, *came, advice=advice, **values, **common)
    last = Evidence(_where(facts, session.last[0]), session.last[1])
    values = {"file": _file(facts, facts.origin.name), "age": _age(facts), "hangs": _hangs(session)}
    outcome = not_yet if state == "starting" else broken
    return outcome(last, *came, advice=state, **values, **common)


def _stopped_early(facts: LogFacts) -> int:
    """How many starts in a row, the newest with them, were stopped before they were ready."""
    before = list(itertools.takewhile(lambda told: told.early, reversed(facts.past)))
    return len(before) + 1


def _file(facts: LogFacts, name: str) -> str | None:
    """A file of the log for commands; None where it is a pipe, or packed, which `tail` and `grep` do not read."""
    return None if facts.origin.name == PIPE or plain_name(name) != name else name


def _age(facts: LogFacts) -> int | None:
    """Seconds since the log was last written; None for standard input."""
    return None if facts.origin.age is None else round(facts.origin.age)


HANGS = {
    "args": Text(
        "importing torch and kernels from a slow disk takes longest here",
        "这一步最耗时的通常是从慢速磁盘导入 torch 和算子库",
    ),
    "device": Text(
        "ranks wait for each other (NCCL, gloo), or the GPU driver does not answer",
        "多卡进程互相等待（NCCL、gloo），或显卡驱动没有响应",
    ),
    "load": Text(
        "the weights are being downloaded or read from a slow or hanging disk",
        "正在下载权重，或从很慢、卡住的磁盘读取",
    ),
    "memory": Text("memory is being reserved, or kernels are being compiled", "正在预留显存，或在编译算子"),
    "graph": Text("CUDA graphs are being captured", "正在捕获 CUDA graph"),
    "warm-up": Text(
        "the warm-up request does not come back: a proxy catches it, or the first kernel compiles",
        "预热请求没有返回：被代理拦截，或首个算子还在编译",
    ),
    "serving": Text("the server is up", "服务已启动"),
}
"""What usually hangs in each phase of a start."""


def _hangs(session: Session) -> Text:
    return _FOLDER_HANGS if session.phase == "load" and session.of_folder else HANGS[session.phase]


_FOLDER_HANGS = Text(
    "the weights are being read from a slow or hanging disk or network file system",
    "正在从很慢或卡住的磁盘、网络文件系统读取权重",
)


def _silence(facts: LogFacts) -> Evidence:
    """For how long a start has said nothing, and what usually hangs where it stopped."""
    session, hangs = facts.session, _hangs(facts.session)
    age = facts.origin.age if facts.origin.age is not None and facts.origin.age > QUIET else None
    en, zh = ("", "") if age is None else (f", for {age:.0f} s", f"，已 {age:.0f} 秒")
    last = session.last_stamp
    silent = Text(f"silent since {last}", f"自 {last} 起没有新内容") if last else Text("silent", "没有新内容")
    return Evidence(Text(silent.en + en, silent.zh + zh), hangs)


def _row(cause: Cause) -> None:
    """Add the row of a cause: its judge shows whether the cause was decisive for the newest session."""

    def judge(facts: LogFacts) -> Outcome:
        hit = facts.diagnosis.causes.get(cause.name)
        if hit is None and facts.diagnosis.state in ("foreign", "empty"):
            return absent(_NOTHING[facts.diagnosis.state])
        if cause.name in facts.diagnosis.doubts:
            return absent(facts.diagnosis.doubts[cause.name])
        if hit is None:
            return _absence(facts, cause)
        silent = [_silence(facts)] if facts.diagnosis.state == "stuck" else []
        line, *more = _evidence(facts, hit)
        values = {**_values(facts, hit), **tools(facts.session, hit), **_relaunch(facts, cause, hit)}
        return broken(line, *silent, *more, advice=cause.variant(facts.session, hit), **values)

    judge.__doc__ = "Broken when a line of this cause is the decisive one of the newest session."
    AREA.check(
        cause.name,
        title=cause.title,
        cause=cause.because,
        fix=cause.fix,
        commands=cause.commands,
        variants=cause.variants,
        severity=cause.severity,
        explains=cause.explains,
    )(judge)


def _relaunch(facts: LogFacts, cause: Cause, hit: Hit) -> dict[str, Any]:
    """What the remedy of a cause needs: `{changes}`, `{upgrade}`, `{stop}`, `{launch_line}`, and what the log shows."""
    session = facts.session
    values: dict[str, Any] = {**relaunch.values(session, hit), **cause.values(session, hit)}
    changed = cause.changes(session, hit)
    given = launch_of(facts.server) if facts.server else launched(session)
    if changed is None:
        return values | {"changes": cause.otherwise}
    release = relaunch.on_release(session) if cause.name == "encoder-vectors-wrong" else None
    words = changes_in_words(changed)
    values |= {"changes": with_upgrade(words), "upgrade": UPGRADE} if release else {"changes": words}
    if given is not None:
        values["launch_line"] = launch_line(given, changed, release)
    return values | {"stop": stop(facts.server)} if facts.server else values


def _absence(facts: LogFacts, cause: Cause) -> Outcome:
    """No sign of a cause: passed where the log covers the phases in which it would show, else skipped."""
    for rival in facts.diagnosis.beside:
        if rival.cause == cause.name:
            return absent(_rivalled(facts, rival))
    if (hit := facts.session.hits.get(cause.name)) and cause.unknown(facts.session) is None:
        return holds(Evidence(_where(facts, hit.line), Text("without consequences", "没有造成影响")))
    if (reason := coverage(facts.session).gap(cause.shows) or cause.unknown(facts.session)) is not None:
        return absent(reason)
    return holds(Evidence(Text("no sign of it", "未见相关报错"), _looked_through(facts)))


def _rivalled(facts: LogFacts, rival: Rival) -> Text:
    """Why a cause of which a line tells is not the one that is reported."""
    where, why = _where(facts, rival.line), relation(rival, f"logs.{facts.diagnosis.why}")
    return Text(f"its line ({where}) {why.en}", f"相关报错（{where}）{why.zh}")


def _looked_through(facts: LogFacts) -> Text:
    """The lines that were judged, as they are numbered in their files."""
    since = facts.since.line if facts.since is not None else None
    begin = facts.origin.place(max(facts.session.first_line, since or 0))
    end = facts.origin.place(max(facts.session.last[0], facts.session.first_line))
    if begin[0] == end[0]:
        return Text(f"lines {begin[1]} to {end[1]}", f"第 {begin[1]} 至 {end[1]} 行")
    first, last = (f"{os.path.basename(name)}:{number}" for name, number in (begin, end))
    return Text(f"{first} to {last}", f"{first} 至 {last}")


_NOT_WRITTEN_YET = Text(
    "the sglang server that writes it runs, and has written nothing of its own yet",
    "写这份日志的 sglang 服务在运行，但还没有写出自己的内容",
)

_NOT_BEGUN = Text(
    "what was launched writes it and runs, and no line of it is of sglang yet",
    "启动的命令在运行并写这份日志，但还没有出现 sglang 的内容",
)

_NO_MARK = Text(
    "its lines begin as sglang's do, but none shows which program wrote them",
    "行首格式与 sglang 相同，但没有一行能看出是哪个程序写的",
)


@AREA.check(
    "wrong-engine",
    title=Text("the log is sglang's", "日志来自 sglang"),
    cause=Text("this is a log of {engine}, not of sglang", "这是 {engine} 的日志，不是 sglang 的"),
    fix=Text("name the file that sglang's stdout goes to", "请给出 sglang 的 stdout 写入的文件"),
    commands=("bgecheck logs sglang.log",),
    variants={
        "unknown": Advice(
            Text("no line of this file was written by sglang", "文件里没有一行是 sglang 写的"),
            Text("name the file that sglang's stdout goes to", "请给出 sglang 的 stdout 写入的文件"),
            ("bgecheck logs sglang.log",),
        )
    },
)
def log_is_of_sglang(facts: LogFacts) -> Outcome:
    """Judged on marks that only sglang writes; another engine is named where its own marks are there."""
    if facts.diagnosis.state == "empty":
        return absent(_NOTHING["empty"])
    if facts.diagnosis.state != "foreign" and not facts.session.sglang:
        return absent(
            Text("it holds requests only, which other engines log too", "日志里只有请求记录，其他推理引擎也会这样写")
        )
    if facts.diagnosis.state != "foreign":
        return holds(Evidence(Text("written by sglang", "由 sglang 写出"), _looked_through(facts)))
    number, text = facts.session.first
    evidence, engine = Evidence(_where(facts, number), text), facts.session.engine
    if engine is None and facts.server is not None:
        return absent(_NOT_WRITTEN_YET)
    if engine is None and facts.launched:
        return absent(_NOT_BEGUN)
    if engine is None and marks.STYLE.match(text):
        return unclear(_NO_MARK)
    if engine:
        return broken(evidence, engine=engine)
    return not_yet(evidence, advice="unknown")  # a start-up script may have written first


for declared in CAUSES:
    _row(declared)
