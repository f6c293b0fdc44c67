"""One run of a command that judges rows: options in, report out, exit code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from bgecheck.cli import complete
from bgecheck.cli.blank import not_blank
from bgecheck.cli.counting import patterns, severity, split
from bgecheck.cli.duration import seconds
from bgecheck.cli.language import language
from bgecheck.cli.nearest import one_of
from bgecheck.cli.options import RunOptions, TargetOptions
from bgecheck.cli.output import Sink, sinks
from bgecheck.cli.progress import progress
from bgecheck.cli.stdout import require_stdout
from bgecheck.cli.unfinished import running
from bgecheck.knowledge.models import lookup
from bgecheck.model import (
    BadInput,
    Finding,
    Language,
    Moment,
    Report,
    Severity,
    Target,
    Text,
)
from bgecheck.model.report import exit_code
from bgecheck.run import catalog
from bgecheck.run.plan import Plan
from bgecheck.run.settings import Settings

if TYPE_CHECKING:
    from bgecheck.engines.sglang.log.sessionlog import SessionLog
    from bgecheck.http.openai_client import OpenAIClient
    from bgecheck.model.processes import ProcessTable


PREFLIGHT, WATCH = "preflight", "watch"
"""The commands that look before the launch, and for a while."""

_MOMENTS: Mapping[str, Moment] = {PREFLIGHT: "before", WATCH: "while"}


@contextmanager
def openai_standby(options: RunOptions) -> Iterator[OpenAIClient | None]:
    """The process that imports openai, started before all else as it takes longest; None where it may not be needed."""
    if options.quick or options.only or options.skip:
        yield None
        return
    from bgecheck.http.openai_client import OpenAIClient

    with closing(OpenAIClient()) as client:
        yield client


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a command was asked for: the plan of its run, and where its report goes."""

    plan: Plan
    language: Language
    sinks: tuple[Sink, ...]

    def with_settings(self, **changes: Any) -> Job:
        """The same job with some settings of its run changed."""
        return replace(self, plan=self.plan.with_settings(**changes))


def job(
    command: str,
    names: Iterable[str],
    options: RunOptions,
    texts: Sequence[str] = (),
    cheap: bool = False,
) -> Job:
    """Understand the options before anything is looked at. Raises `BadInput`.

    A `cheap` command has no costly rows; `--quick` shows them as left out.
    """
    the_plan, chosen = plan(command, names, options, texts, cheap), language(options.lang)
    require_stdout()
    running.plan, running.sinks = the_plan, sinks(options, chosen)
    return Job(plan=the_plan, language=chosen, sinks=running.sinks)


def plan(
    command: str, names: Iterable[str], options: RunOptions, texts: Sequence[str] = (), cheap: bool = False
) -> Plan:
    """The rows that are to be judged, and how. Raises `BadInput`."""
    if options.quick and options.full:
        raise BadInput(
            "--quick --full", Text("they exclude each other", "两者不能同时使用"), Text("give one", "只给一个")
        )
    only, skip = patterns("--only", options.only), patterns("--skip", options.skip)
    moment = _MOMENTS.get(command, "after")
    areas = catalog.select(catalog.at(moment, catalog.areas(names)), only=only, skip=skip, quick=cheap)
    if not areas:
        raise BadInput(
            "--only/--skip",
            Text(f"they leave no check for bgecheck {command}", f"过滤后 bgecheck {command} 没有可执行的检查"),
            Text("list all ids with: bgecheck matrix", "用 bgecheck matrix 列出全部检查项 ID"),
        )
    severities = [severity(item) for item in options.severity or ()]
    reasons, ended = split(options.ignore, date.today())
    fail_on = Severity(one_of("--fail-on", options.fail_on, [str(severity) for severity in Severity]))
    return Plan(
        command=command,
        areas=tuple(catalog.weighed(areas, severities)),
        ignored=reasons,
        notes=ended,
        fail_on=fail_on,
        nagios=one_of("--exit-style", options.exit_style, complete.EXIT_STYLES) == "nagios",
        settings=Settings(
            timeout=seconds("--timeout", options.timeout),
            deadline=seconds("--deadline", options.deadline),
            quick=options.quick or cheap,
            full=options.full,
            texts=tuple(texts),
            smoke=command == "embed",
            before_launch=command == PREFLIGHT,
        ),
        calls_openai=not options.quick and command != PREFLIGHT,
    )


def target(
    options: TargetOptions, *, old_log: bool = False, awaited: bool = False, table: ProcessTable | None = None
) -> Target:
    """The server that is meant, as given or as found running. Raises `BadInput`.

    With `old_log` a log of the working folder is taken even if it is of an earlier day; `table` is the process table
    where one was taken already. Of a server that is `awaited` neither process nor log need be there yet.
    """
    from bgecheck.engines.sglang.discovery import resolve

    if options.expect_dim is not None and not 1 <= options.expect_dim <= 65536:
        raise BadInput(
            f"--expect-dim {options.expect_dim}",
            Text("not a dimension between 1 and 65536", "不是 1 到 65536 之间的维度"),
            Text("give the one of your index, 1024 for bge-large-zh-v1.5", "填索引的维度，bge-large-zh-v1.5 是 1024"),
        )
    not_blank("--log", options.log)
    is_text("--model", options.model)
    is_text("--api-key", options.api_key)
    is_model("--model-path", options.model_path)
    if options.log is not None and not (awaited and not os.path.exists(options.log)):
        from bgecheck.logfile.lines import usable

        usable(options.log)
    return resolve(
        url=options.url,
        model=options.model,
        api_key=options.api_key,
        log=options.log,
        pid=options.pid,
        model_path=options.model_path,
        expect_dim=options.expect_dim,
        old_log=old_log,
        awaited=awaited,
        table=table,
    )


def is_text(option: str, given: str | None) -> None:
    """Raise `BadInput` for bytes that are no UTF-8, which Python passes on as halves of surrogate pairs."""
    try:
        (given or "").encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            option,
            Text(f"not valid UTF-8 at character {error.start + 1}", f"第 {error.start + 1} 个字符不是合法的 UTF-8"),
            Text("convert it: iconv -f GB18030 -t UTF-8", "先转换编码：iconv -f GB18030 -t UTF-8"),
        ) from None


_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
"""A model's name on a hub, `BAAI/bge-large-zh-v1.5`, which a server may have been started with."""


def is_model(option: str, given: str | None) -> None:
    """Raise `BadInput` for what is neither a folder here nor the hub id of a known model."""
    if given is None or os.path.isdir(given) or (_HUB_ID.fullmatch(given) and lookup(given) is not None):
        return
    raise BadInput(
        f"{option} {given}",
        Text("there is no such folder on this machine", "本机没有这个目录"),
        Text("name the folder that holds the model's config.json", "请给出 config.json 所在的模型目录"),
    )


def examine(
    the_plan: Plan, looked_at: Target, standby: OpenAIClient | None = None, log: SessionLog | None = None
) -> Report:
    """The report on one target, with progress on a terminal while it is made; `log` is one that was read already."""
    from bgecheck.run import examination

    with progress(sum(len(area.checks) for area in the_plan.areas)) as step:

        def judged(finding: Finding) -> None:
            running.judge(finding)
            step(finding)

        def read(name: str, done: int, size: int) -> None:
            step(f"{name} {done / 2**20:.0f} / {size / 2**20:.0f} MB")

        running.begin(looked_at)
        the_plan = the_plan.with_settings(on_read=read) if the_plan.settings.verify_hash else the_plan
        report = examination.examine(the_plan, looked_at, standby=standby, log=log, on_finding=judged)
        running.complete(report)
        return report


def deliver(the_job: Job, reports: Sequence[Report]) -> NoReturn:
    """Hand the reports to every output, stdout last, and exit with the worst code."""
    running.deliver(reports)
    for sink in sorted(the_job.sinks, key=lambda sink: sink.path is None):
        sink.write(reports)
    running.end()
    raise typer.Exit(exit_code(reports))
