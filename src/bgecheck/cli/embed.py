"""`bgecheck embed TEXT...`: the smoke test, a short proof that the vectors of a server are right."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Annotated, NamedTuple

from typer import Argument, Option

from bgecheck import __version__
from bgecheck.checks.embed.texts import triples_for
from bgecheck.cli.examine import Plan, deliver, examine, openai_standby, plan, target
from bgecheck.cli.options import RunOptions, TargetOptions, takes_options
from bgecheck.model import BadInput, Report, Target, Text, say
from bgecheck.sources.recorded import Recorded, checked, read_recorded, write_recorded

REFERENCE = "embed.reference"


class ReferenceOptions(NamedTuple):
    """What vectors are compared with, and where they are recorded."""

    reference: Annotated[
        str | None,
        Option(
            "--reference",
            envvar="BGECHECK_REFERENCE",
            metavar="FILE",
            help="Compare with vectors recorded elsewhere: .jsonl of text and vector, .npy, .safetensors.",
        ),
    ] = None
    against: Annotated[
        str | None,
        Option("--against", envvar="BGECHECK_AGAINST", metavar="URL", help="Compare with another server."),
    ] = None
    against_key: Annotated[
        str | None,
        Option("--against-key", envvar="BGECHECK_AGAINST_KEY", metavar="KEY", help="The other server's key."),
    ] = None
    record: Annotated[
        str | None,
        Option("--record", metavar="FILE", help="Write texts and vectors: .jsonl, .npy or .safetensors."),
    ] = None


@takes_options
def command(
    target_options: TargetOptions,
    run_options: RunOptions,
    reference: ReferenceOptions,
    texts: Annotated[
        list[str] | None,
        Argument(metavar="TEXT...", help="Texts to embed; without one, a new Chinese text is made up."),
    ] = None,
) -> None:
    """Are the vectors right: dims, norm, first numbers, latency, and the rows that are cheap to prove (--full: all)."""
    for text in texts or ():
        _usable(text)
    with openai_standby(run_options) as standby:
        the_plan = _plan(run_options, reference, texts or ())
        looked_at = target(target_options)
        if reference.against is not None:
            the_plan = the_plan._replace(against=_other(reference, looked_at))
        report = _with_causes_only(examine(the_plan, looked_at, standby=standby))
    if reference.record is not None:
        _record(reference.record, texts or (), looked_at, report, the_plan)
    deliver(the_plan, [report], run_options)


def _plan(options: RunOptions, reference: ReferenceOptions, texts: Sequence[str]) -> Plan:
    """The cheap rows, or all with --full; the row of references too where one of them is asked for."""
    if reference.reference is not None and reference.against is not None:
        raise BadInput(
            "--reference --against", Text("they exclude each other", "两者不能同时使用"), Text("give one", "只给一个")
        )
    if reference.record is not None:
        checked(reference.record)
    recorded = None if reference.reference is None else read_recorded(reference.reference)
    compares = any(o is not None for o in (reference.reference, reference.against, reference.record))
    if not compares or options.full:
        made = plan("embed", ["launch", "embed"], options, texts, screen="smoke", cheap=not options.full)
        return made._replace(recorded=recorded)
    every = plan("embed", ["launch", "embed"], options, texts, screen="smoke")
    areas = tuple(
        replace(area, checks=[c for c in area.checks if not c.costly or c.id == REFERENCE]) for area in every.areas
    )
    return every._replace(
        areas=tuple(area for area in areas if area.checks), quick=True, proves=True, recorded=recorded
    )


def _with_causes_only(report: Report) -> Report:
    """The report without the settings that no vector showed: the smoke test judges vectors, and names their causes."""
    causes = {f.caused_by for f in report.findings if f.problem}
    shown = tuple(f for f in report.findings if f.check.area != "launch" or f.id in causes)
    return report._replace(findings=shown)


def _other(reference: ReferenceOptions, looked_at: Target) -> Target:
    """The server to compare with; a key goes to the server that it was given for, never to another."""
    from bgecheck.sources.discovery import resolve

    other = resolve(url=reference.against, api_key=reference.against_key)
    if other.url == looked_at.url:
        raise BadInput(
            f"--against {reference.against}",
            Text("the same server", "就是同一个服务"),
            Text("name another one", "换成另一个服务的地址"),
        )
    return other


def _record(path: str, texts: Sequence[str], looked_at: Target, report: Report, the_plan: Plan) -> None:
    """Write the vectors of the texts, or of the built-in ones, with the recipe that the report found them to follow."""
    from bgecheck.sources.deadline import Deadline
    from bgecheck.sources.embeddings import Embedded
    from bgecheck.sources.server import Server

    with closing(Server(looked_at, Deadline(the_plan.timeout), the_plan.timeout)) as server:
        name = server.model_name()
        wanted = list(texts) or [text for triple in triples_for(name or "") or triples_for("bge") for text in triple]
        answer = server.embed(wanted)
    if not isinstance(answer, Embedded):
        told = Text("nothing was recorded: the server brought no vectors", "没有记录：服务没有返回向量")
    else:
        recipe = next((f.values.get("recipe") for f in report.findings if f.id == REFERENCE and f.values), None)
        made = Recorded(tuple(wanted), answer.vectors, name, recipe, f"bgecheck {__version__}")
        write_recorded(path, made)
        doubt = any(f.problem for f in report.findings)
        told = Text(
            f"{len(wanted)} texts and vectors recorded in {path}" + "; not all rows hold, see the report" * doubt,
            f"已把 {len(wanted)} 条文本和向量记录到 {path}" + "；有检查项未通过，见报告" * doubt,
        )
    print(f"bgecheck: {say(told, the_plan.language)}", file=sys.stderr)


def _usable(text: str) -> None:
    if not text.strip():
        raise BadInput(
            repr(text),
            Text(
                "a blank text has no vector: sglang refuses the whole request",
                "空白文本没有向量，sglang 会拒绝整个请求",
            ),
            Text(
                'give some text, for example: bgecheck embed "今天天气怎么样？"',
                '给一段文字，例如：bgecheck embed "今天天气怎么样？"',
            ),
        )
    if len(text) > 100_000:
        raise BadInput(
            f"{text[:20]}… ({len(text)})",
            Text("longer than any embedding model reads", "超过任何 embedding 模型的长度上限"),
            Text("cut it into pieces of at most 500 characters", "切成每段不超过 500 字再试"),
        )
