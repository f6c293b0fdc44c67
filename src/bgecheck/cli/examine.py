"""One run of a command that judges rows: options in, report out, exit code."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from bgecheck.cli import complete
from bgecheck.cli.blank import not_blank
from bgecheck.cli.duration import seconds
from bgecheck.cli.language import language
from bgecheck.cli.nearest import one_of
from bgecheck.cli.options import RunOptions, TargetOptions
from bgecheck.cli.output import Sink, sinks
from bgecheck.cli.progress import progress
from bgecheck.cli.stdout import require_stdout
from bgecheck.knowledge.models import lookup
from bgecheck.model import (
    Area,
    BadInput,
    Finding,
    Language,
    Redactor,
    Report,
    Severity,
    Target,
    Text,
    Words,
)
from bgecheck.model.report import exit_code
from bgecheck.run import catalog
from bgecheck.run.settings import Settings

if TYPE_CHECKING:
    from bgecheck.http.openai_client import OpenAIClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The options of a run, checked and understood."""

    command: str
    areas: tuple[Area, ...]
    language: Language
    sinks: tuple[Sink, ...]
    ignored: dict[str, str]
    fail_on: Severity
    nagios: bool
    settings: Settings
    calls_openai: bool = False
    """Whether the openai package may be called, where a row is selected that shows it."""

    def with_settings(self, **changes: Any) -> Plan:
        """The same plan with some of its settings changed."""
        return replace(self, settings=replace(self.settings, **changes))

    def needs_openai(self) -> bool:
        """Whether the row is selected that judges what openai makes of the server."""
        row = "embed.openai-client" if self.settings.smoke else "probe.openai-client"
        return self.calls_openai and any(check.id == row for area in self.areas for check in area.checks)


@contextmanager
def openai_standby(options: RunOptions) -> Iterator[OpenAIClient | None]:
    """The process that imports openai, started before all else as it takes longest; None where it may not be needed."""
    if options.quick or options.only or options.skip:
        yield None
        return
    from bgecheck.http.openai_client import OpenAIClient

    with closing(OpenAIClient()) as client:
        yield client


def _openai(the_plan: Plan, standby: OpenAIClient | None) -> OpenAIClient | None:
    """The process that makes this run's call: the one that stands by, or for a further run a new one."""
    if not the_plan.needs_openai():
        return None
    if standby is not None and not standby.asked:
        return standby
    from bgecheck.http.openai_client import OpenAIClient

    return OpenAIClient()


def plan(
    command: str,
    names: Iterable[str],
    options: RunOptions,
    texts: Sequence[str] = (),
    cheap: bool = False,
) -> Plan:
    """Understand the options before anything is looked at. Raises `BadInput`.

    A `cheap` command has no costly rows; `--quick` shows them as left out.
    """
    if options.quick and options.full:
        raise BadInput(
            "--quick --full", Text("they exclude each other", "两者不能同时使用"), Text("give one", "只给一个")
        )
    chosen = language(options.lang)
    only, skip = _patterns("--only", options.only), _patterns("--skip", options.skip)
    areas = catalog.select(catalog.areas(names), only=only, skip=skip, quick=cheap)
    if not areas:
        raise BadInput(
            "--only/--skip",
            Text(f"they leave no check for bgecheck {command}", f"过滤后 bgecheck {command} 没有可执行的检查"),
            Text("list all ids with: bgecheck matrix", "用 bgecheck matrix 列出全部检查项 ID"),
        )
    require_stdout()
    fail_on = Severity(one_of("--fail-on", options.fail_on, [str(severity) for severity in Severity]))
    return Plan(
        command=command,
        areas=tuple(areas),
        language=chosen,
        sinks=sinks(options, chosen),
        ignored=_ignored(options.ignore),
        fail_on=fail_on,
        nagios=one_of("--exit-style", options.exit_style, complete.EXIT_STYLES) == "nagios",
        settings=Settings(
            timeout=seconds("--timeout", options.timeout),
            deadline=seconds("--deadline", options.deadline),
            quick=options.quick or cheap,
            full=options.full,
            texts=tuple(texts),
            smoke=command == "embed",
        ),
        calls_openai=not options.quick,
    )


def target(options: TargetOptions) -> Target:
    """The server that is meant, as given or as found running. Raises `BadInput`."""
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
    _is_model("--model-path", options.model_path)
    if options.log is not None:
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


def _is_model(option: str, given: str | None) -> None:
    """Raise `BadInput` for what is neither a folder here nor the hub id of a known model."""
    if given is None or os.path.isdir(given) or (_HUB_ID.fullmatch(given) and lookup(given) is not None):
        return
    raise BadInput(
        f"{option} {given}",
        Text("there is no such folder on this machine", "本机没有这个目录"),
        Text("name the folder that holds the model's config.json", "请给出 config.json 所在的模型目录"),
    )


_AFTER_SECONDS = 0.5
"""For a collector whose last request ended with the run, to tell what came before it."""


def examine(
    the_plan: Plan, looked_at: Target, *, starting: bool = False, standby: OpenAIClient | None = None
) -> Report:
    """Run every row of the plan against one target; openai is called by the process that stands `standby`, if any."""
    from bgecheck.model.deadline import Deadline
    from bgecheck.run import engine
    from bgecheck.run.context import Context

    started, clock = datetime.now().astimezone().isoformat(timespec="seconds"), time.monotonic()
    settings = the_plan.settings
    context = Context(looked_at, Deadline(settings.deadline), settings, openai=_openai(the_plan, standby))
    with progress(sum(len(a.checks) for a in the_plan.areas)) as step, closing(context):
        findings = engine.run(
            the_plan.areas,
            context,
            seconds=settings.deadline + _AFTER_SECONDS,
            values=_placeholders(looked_at),
            redactor=Redactor(looked_at.secrets()),
            on_finding=step,
        )
    redactor = Redactor(looked_at.secrets())
    return Report(
        command=the_plan.command,
        findings=_with_ignored(findings, the_plan.ignored),
        target=redactor.value({**looked_at.described(), **_engine(findings)}),
        started_at=started,
        seconds=time.monotonic() - clock,
        notes=_notes(looked_at),
        starting=starting,
        fail_on=the_plan.fail_on,
        nagios=the_plan.nagios,
    )


def _engine(findings: Sequence[Finding]) -> dict[str, str]:
    """The engine that answered and its version, as far as `probe.engine` shows them."""
    values = next((f.values for f in findings if f.id == "probe.engine"), {})
    return {name: str(values[name]) for name in ("engine", "version") if values.get(name)}


def deliver(the_plan: Plan, reports: Sequence[Report]) -> NoReturn:
    """Hand the reports to every output and exit with the worst code."""
    for sink in the_plan.sinks:
        sink.write(reports)
    raise typer.Exit(exit_code(reports))


def _placeholders(looked_at: Target) -> dict[str, object]:
    known = {
        "url": looked_at.url or None,
        "base_url": looked_at.base_url if looked_at.url else None,
        "host": looked_at.host or None,
        "port": looked_at.port or None,
        "address": looked_at.address if looked_at.host else None,
        "server_name": looked_at.server_name or None,
        "model": looked_at.model,
        "log": looked_at.log,
        "pid": looked_at.pid,
        "model_path": looked_at.model_path,
    }
    return Redactor(looked_at.secrets()).value({k: v for k, v in known.items() if v is not None})  # type: ignore[no-any-return]  # a mapping stays one


def _notes(looked_at: Target) -> tuple[Words, ...]:
    notes: list[Words] = list(looked_at.searched)
    if looked_at.others:
        pids = ", ".join(f"{s.pid} (port {s.port})" for s in looked_at.others)
        notes.append(
            Text(
                f"more sglang servers run here: pid {pids}; choose one with --pid or --url, or take all with --all",
                f"本机还有其他 sglang 服务：pid {pids}；用 --pid 或 --url 指定，或用 --all 全部检查",
            )
        )
    return tuple(notes)


def _with_ignored(findings: tuple[Finding, ...], ignored: dict[str, str]) -> tuple[Finding, ...]:
    """The findings with those ignored that were asked to be; what they caused gets its next cause, or is a root."""
    from bgecheck.run import engine

    reasons = {f.id: why for f in findings if f.status.bad and (why := _reason(f.id, ignored)) is not None}
    if not reasons:
        return findings
    marked = tuple(
        f._replace(ignored=reasons.get(f.id), caused_by=None if f.caused_by in reasons else f.caused_by)
        for f in findings
    )
    return engine.attribute(marked, engine.explained_by(f.check for f in findings))


def _reason(id_: str, ignored: dict[str, str]) -> str | None:
    from fnmatch import fnmatchcase

    return next((why for pattern, why in ignored.items() if fnmatchcase(id_, pattern)), None)


def _ignored(given: Sequence[str] | None) -> dict[str, str]:
    """The reason for each pattern of `--ignore`."""
    pairs = [(pattern(name), reason) for name, _, reason in (item.partition(":") for item in given or ())]
    for name, _ in pairs:
        catalog.known(name)
    return dict(pairs)


def _patterns(option: str, given: Sequence[str] | None) -> tuple[str, ...]:
    """The patterns of `--only` or `--skip`, which is repeatable and takes commas. Raises `BadInput` for one of none."""
    for item in given or ():
        not_blank(option, item, item.replace(",", ""))
    return tuple(pattern(part) for item in given or () for part in item.split(",") if part.strip())


def pattern(given: str) -> str:
    """What an id, a glob or the name of an area matches: `logs` is `logs.*`."""
    name = given.strip()
    return f"{name}.*" if name in catalog.AREAS else name
