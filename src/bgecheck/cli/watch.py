"""`bgecheck watch`: does a server hold, over hours and days."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

from typer import Argument, Context

from bgecheck.cli.apart import require_apart
from bgecheck.cli.app import command
from bgecheck.cli.blank import is_typed, not_blank
from bgecheck.cli.duration import long_seconds
from bgecheck.cli.examine import WATCH, Job, deliver, job, target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
from bgecheck.cli.options import (
    LOOK,
    REPORT,
    ApiKey,
    ConfigFile,
    ExitStyle,
    FailOn,
    Ignore,
    Lang,
    Log,
    Model,
    ModelPath,
    Named,
    Only,
    Output,
    Pid,
    RunOptions,
    Severities,
    Skip,
    Timeout,
    Url,
    given,
    option,
    whole_number,
)
from bgecheck.cli.output import FOR_PROGRAMS, put_in_place, require_writable
from bgecheck.cli.several import under_name
from bgecheck.cli.stderr import to_stderr
from bgecheck.cli.subjects import subject
from bgecheck.cli.unfinished import FIRST_OF_SIGNALS
from bgecheck.model import BadInput, Redactor, Report, Target, Text, Words, reason_of
from bgecheck.model.report import INTERRUPTED, PROBLEM

if TYPE_CHECKING:
    from bgecheck.watching.history import Facts
    from bgecheck.watching.running import Watch

TELL = both("Whom to tell", "通知")


_SHORTEST, _LONGEST = 1.0, 3600.0
"""Seconds between two samples."""
_MOST_DAYS = 30 * 86400.0
_STDOUT = "-"
_OF_A_SERVER = ("url", "named", "pid", "log", "interval", "length", "jsonl", "prometheus", "on_alert", "webhook")
"""Parameters that mean nothing for a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What was asked for, checked and in its units."""

    every: float
    seconds: float | None
    most_failed: float
    jsonl: str | None
    page: str | None
    port: int | None
    program: tuple[str, ...]
    webhook: str | None


@command(
    WATCH,
    epilog=examples(
        ("bgecheck watch", "the server here, until Ctrl-C", "观察本机服务，按 Ctrl-C 结束"),
        ("bgecheck watch --for 8h --report night.html", "a night, with a page", "观察一夜并生成页面"),
        ("bgecheck watch --for 8h --jsonl night.jsonl", "keep the samples", "保存每次采样"),
        ("bgecheck watch night.jsonl --report night.html", "judge what was kept", "判断已保存的采样"),
        ("bgecheck watch --on-alert ./page-me.sh", "be told at once", "出现问题立即通知"),
    ),
)
def watch(
    ctx: Context,
    saved: Annotated[
        str | None,
        Argument(
            metavar="FILE",
            help=both(
                "Samples that --jsonl has kept: judge these instead of watching.",
                "--jsonl 保存的采样：直接判断，不再观察",
            ),
        ),
    ] = None,
    url: Url = None,
    named: Named = None,
    pid: Pid = None,
    log: Log = None,
    model: Model = None,
    model_path: ModelPath = None,
    api_key: ApiKey = None,
    interval: Annotated[
        str,
        option("--every", metavar="DUR", rich_help_panel=LOOK, en="Between two samples.", zh="采样间隔"),
    ] = "15s",
    length: Annotated[
        str | None,
        option(
            "--for",
            metavar="DUR",
            rich_help_panel=LOOK,
            en="30m, 8h, 7d; else until Ctrl-C.",
            zh="30m、8h、7d；默认到 Ctrl-C",
        ),
    ] = None,
    timeout: Timeout = "10s",
    max_errors: Annotated[
        str,
        option(
            "--max-errors",
            metavar="PERCENT",
            rich_help_panel=LOOK,
            en="How many requests may fail.",
            zh="允许失败的请求比例",
        ),
    ] = "1%",
    on_alert: Annotated[
        str | None,
        option(
            "--on-alert",
            metavar="COMMAND",
            rich_help_panel=TELL,
            en="Run it at each alert, without a shell; the facts are in BGECHECK_ALERT_*.",
            zh="每次告警时运行（不经过 shell），内容在环境变量 BGECHECK_ALERT_* 里",
        ),
    ] = None,
    webhook: Annotated[
        str | None,
        option(
            "--webhook",
            metavar="URL",
            rich_help_panel=TELL,
            en="Send each alert there, as JSON.",
            zh="每次告警时以 JSON 发送到这个地址",
        ),
    ] = None,
    prometheus: Annotated[
        int | None,
        option(
            "--prometheus",
            metavar="PORT",
            rich_help_panel=TELL,
            parser=whole_number("--prometheus"),
            en="Serve metrics on 127.0.0.1.",
            zh="在 127.0.0.1 的这个端口提供指标",
        ),
    ] = None,
    jsonl: Annotated[
        str | None,
        option(
            "--jsonl",
            metavar="FILE|-",
            rich_help_panel=REPORT,
            en="Keep each sample as a line of JSON.",
            zh="把每次采样写成一行 JSON",
        ),
    ] = None,
    report: Annotated[
        str | None,
        option(
            "--report",
            metavar="FILE",
            rich_help_panel=REPORT,
            en="A page with the curves, the events and the verdict.",
            zh="生成页面：曲线、事件和结论",
        ),
    ] = None,
    only: Only = None,
    skip: Skip = None,
    output: Output = None,
    ignore: Ignore = None,
    severity: Severities = None,
    fail_on: FailOn = "error",
    exit_style: ExitStyle = "plain",
    config: ConfigFile = None,
    lang: Lang = None,
) -> None:
    """Take samples of one server, and say whether it holds."""
    wish = _Wish(
        every=long_seconds("--every", interval, _SHORTEST, _LONGEST),
        seconds=None if length is None else long_seconds("--for", length, _SHORTEST, _MOST_DAYS),
        most_failed=_share(max_errors),
        jsonl=jsonl,
        page=report,
        port=_port(prometheus),
        program=_program(on_alert),
        webhook=_webhook(webhook),
    )
    not_blank("--report", report)
    not_blank("--jsonl", jsonl)
    if report is not None:
        require_writable(f"--report {report}", report)
        require_apart(f"--report {report}", report, saved)
    the_job = _job(ctx, wish)
    if saved is not None:
        _judge(ctx, the_job, saved, wish)
    one = subject(ctx)
    looked_at = under_name(target(one.options), one.name)
    _watch(the_job, looked_at, wish)


def _job(ctx: Context, wish: _Wish) -> Job:
    """The job; samples on stdout leave no room there for a report. Raises `BadInput` where one was asked for there."""
    # Each of its few rows has a number that somebody waited for.
    the_job = job(WATCH, [WATCH], replace(given(RunOptions, ctx), verbose=True))
    if wish.jsonl != _STDOUT:
        return the_job
    there = next((sink for sink in the_job.sinks if sink.path is None and sink.is_for_a_reader), None)
    if there is not None:
        raise BadInput(
            f"--jsonl - -o {there.name}",
            Text("both go to stdout", "两者都输出到 stdout"),
            Text(f"write one of them into a file: -o {there.name}=FILE", f"把其中一个写进文件：-o {there.name}=文件"),
        )
    return replace(the_job, sinks=tuple(sink for sink in the_job.sinks if sink.path is not None))


def _share(given_share: str) -> float:
    match = re.fullmatch(r"\s*(\d{1,3}(?:\.\d{1,6})?)\s*[%％]\s*", given_share)
    share = float(match[1]) / 100 if match else -1.0
    if not 0 <= share <= 1:
        raise BadInput(
            f"--max-errors {given_share}",
            Text("not a percentage between 0 and 100", "不是 0 到 100 之间的百分数"),
            Text("write it as 1% or 0.5%", "写成 1% 或 0.5%"),
        )
    return share


def _port(given_port: int | None) -> int | None:
    if given_port is not None and not 1 <= given_port <= 65535:
        raise BadInput(
            f"--prometheus {given_port}",
            Text("not a port", "不是端口号"),
            Text("give one from 1024 to 65535", "写 1024 到 65535 之间的端口"),
        )
    return given_port


def _program(line: str | None) -> tuple[str, ...]:
    """The words of a command that is run without a shell. Raises `BadInput` for one that cannot be run."""
    not_blank("--on-alert", line)
    if line is None:
        return ()
    try:
        words = tuple(shlex.split(line))
    except ValueError:
        raise _not_run(line, Text("a quote is not closed", "引号没有配对")) from None
    path = shutil.which(words[0]) if words else None
    if path is None:
        name = words[0] if words else line
        raise _not_run(line, Text(f"there is no program {name}", f"没有程序 {name}"))
    return (path, *words[1:])


def _not_run(line: str, why: Text) -> BadInput:
    return BadInput(
        f"--on-alert {line}",
        why,
        Text("name a program; for a shell: 'sh -c \"...\"'", "写一个程序；需要 shell 时用 'sh -c \"...\"'"),
    )


def _webhook(url: str | None) -> str | None:
    if url is None:
        return None
    from bgecheck.watching.notifying import webhook

    return webhook(url)


def _judge(ctx: Context, the_job: Job, path: str, wish: _Wish) -> NoReturn:
    """Judge the samples of a file. Raises `BadInput`."""
    from bgecheck.run.over_time import judged
    from bgecheck.watching.saved import read

    not_blank("FILE", path)
    for name in _OF_A_SERVER:
        if is_typed(ctx, name):
            raise BadInput(
                path,
                Text("a file is judged, and no server watched", "判断的是文件，不观察服务"),
                Text("give a file, or options of a server", "文件和服务的选项只给一种"),
            )
    facts, earlier, began = read(path)
    if is_typed(ctx, "max_errors"):
        facts = replace(facts, watched=replace(facts.watched, most_failed=wish.most_failed))
    notes: list[Words] = [Text(f"samples from {path}", f"采样来自 {path}")]
    if earlier:
        notes.append(
            Text(
                f"only the newest watch in it is judged; it holds {earlier} more",
                f"文件里还有 {earlier} 次更早的观察，没有纳入判断",
            )
        )
    about = _about(facts)
    started = datetime.fromtimestamp(began).astimezone().isoformat(timespec="seconds")
    report = judged(the_job.plan, facts, target=about, started_at=started, notes=tuple(notes))
    _finish(the_job, report, facts, wish)


def _about(facts: Facts) -> dict[str, str]:
    """The target as the head of a report has it."""
    watched = facts.watched
    about = {"url": watched.url, "model": watched.model, "log": watched.log}
    return {name: value for name, value in about.items() if value}


def _watch(the_job: Job, looked_at: Target, wish: _Wish) -> NoReturn:
    """Watch until the time is over or a signal comes, and deliver what was seen."""
    from bgecheck.cli.watching import Display
    from bgecheck.run.over_time import judged
    from bgecheck.watching.clocks import Clock
    from bgecheck.watching.exporter import Exporter
    from bgecheck.watching.notifying import Notifier
    from bgecheck.watching.running import Watch
    from bgecheck.watching.sampler import Sampler
    from bgecheck.watching.saved import Lines

    clock, redactor = Clock(), Redactor(looked_at.secrets())
    timeout = the_job.plan.settings.timeout
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    display = Display(the_job.language, looked_at, live=wish.jsonl != _STDOUT or not sys.stdout.isatty())
    lines = Lines(wish.jsonl) if wish.jsonl is not None else None
    exporter = Exporter(wish.port) if wish.port is not None else None
    sampler = Sampler(looked_at, every=wish.every, timeout=timeout, most_failed=wish.most_failed, clock=clock)
    about = {"url": redactor.text(looked_at.base_url), "pid": str(looked_at.pid or "")}
    notifier = Notifier(wish.program, wish.webhook, about, display.say)
    running = Watch(sampler, notifier, lines=lines, exporter=exporter, on_sample=display.sample, on_alert=display.alert)
    try:
        with display:
            ended = _until_ended(running, clock, wish)
    finally:
        running.close()
    facts = running.facts()
    notes = [*_notes(ended, notifier.failed, lines.lost if lines else 0)]
    described = {**redactor.value(looked_at.described()), **_about(facts)}
    report = judged(the_job.plan, facts, target=described, started_at=started, notes=tuple(notes), redactor=redactor)
    if ended is not None and wish.seconds is not None and report.outcome != PROBLEM:
        report = replace(report, ended=ended, error=notes[0])
    _finish(the_job, report, facts, wish)


def _until_ended(running: Watch, clock: object, wish: _Wish) -> int | None:
    """Watch; the exit code of the signal that ended it, None where its time was over."""
    from bgecheck.watching.clocks import Clock

    assert isinstance(clock, Clock)
    try:
        running.run(clock, wish.every, wish.seconds)
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as ending:
        if isinstance(ending.code, int) and ending.code >= FIRST_OF_SIGNALS:
            return ending.code
        raise
    return None


def _notes(ended: int | None, not_told: int, lost: int) -> list[Words]:
    """What became of the watch itself."""
    notes: list[Words] = []
    if ended is not None:
        notes.append(Text("ended by a signal; judged is what was seen until then", "由信号结束，只判断已观察的部分"))
    if not_told:
        notes.append(Text(f"{not_told} alerts could not be passed on", f"{not_told} 次告警没有送达"))
    if lost:
        notes.append(Text(f"{lost} samples could not be written", f"{lost} 次采样没能写入文件"))
    return notes


def _finish(the_job: Job, report: Report, facts: Facts, wish: _Wish) -> NoReturn:
    """Write the page, and hand over the report."""
    if wish.page is not None:
        from bgecheck.render.screen import screen
        from bgecheck.render.watchpage import watch_page

        on = screen(the_job.language, verbose=False, terminal=False, encoding=FOR_PROGRAMS)
        try:
            put_in_place(wish.page, watch_page(report, facts, on))
        except OSError as error:  # a verdict after a night is not lost for the page
            why = reason_of(error)
            to_stderr(
                Text(
                    f"--report {wish.page}: cannot be written ({why.en})", f"--report {wish.page}：无法写入（{why.zh}）"
                ),
                the_job.language,
            )
    if not any(sink.path is None for sink in the_job.sinks):
        from bgecheck.render.headline import headline_of
        from bgecheck.render.screen import screen
        from bgecheck.render.verdict import verdict_word

        on = screen(the_job.language, verbose=False, terminal=False, encoding=FOR_PROGRAMS)
        to_stderr(f"{verdict_word(report, on)} {headline_of(report, on)}", the_job.language)
    deliver(the_job, [report])
