"""`bgecheck embed TEXT...`: the smoke test, a short proof that the vectors of a server are right."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Annotated

from typer import Argument, Context

from bgecheck import __version__
from bgecheck.cli.app import CHECK, command
from bgecheck.cli.examine import Job, deliver, examine, is_text, job, openai_standby, target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
from bgecheck.cli.options import (
    ApiKey,
    Deadline,
    ExitStyle,
    ExpectDim,
    FailOn,
    Full,
    Ignore,
    Lang,
    Log,
    Model,
    ModelPath,
    Only,
    Output,
    Pid,
    RunOptions,
    Skip,
    TargetOptions,
    Timeout,
    Url,
    Verbose,
    given,
    option,
)
from bgecheck.cli.stderr import to_stderr
from bgecheck.model import BadInput, Report, Target, Text

REFERENCE = "embed.reference"
COMPARE = both("Compare", "对比")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceOptions:
    """What vectors are compared with, and where they are recorded."""

    reference: str | None = None
    against: str | None = None
    against_key: str | None = None
    record: str | None = None


@command(
    "embed",
    CHECK,
    en="Are the vectors right: dims, norm, first numbers, and a short proof; --full makes every check of them.",
    zh="向量对不对：维度、范数、前几个数值和简短的验证；完整检查用 --full",
    epilog=examples(
        ('bgecheck embed "今天天气怎么样？"', "the smoke test", "冒烟测试"),
        ("bgecheck embed --full", "every check of the vectors", "全部向量检查"),
        ("bgecheck embed --record before.jsonl", "before an upgrade", "升级前记录"),
        ("bgecheck embed --reference before.jsonl", "and after it", "升级后对比"),
    ),
)
def embed(
    ctx: Context,
    texts: Annotated[
        list[str] | None,
        Argument(
            metavar="TEXT",
            help=both(
                "Texts to embed; without one, a new Chinese text is made up.",
                "要编码的文本；不给时自动生成一段新的中文",
            ),
        ),
    ] = None,
    url: Url = None,
    pid: Pid = None,
    log: Log = None,
    model: Model = None,
    model_path: ModelPath = None,
    api_key: ApiKey = None,
    expect_dim: ExpectDim = None,
    reference: Annotated[
        str | None,
        option(
            "--reference",
            metavar="FILE",
            rich_help_panel=COMPARE,
            en="Compare with vectors recorded elsewhere: .jsonl of text and vector, .npy, .safetensors.",
            zh="与记录过的向量对比：.jsonl、.npy、.safetensors",
        ),
    ] = None,
    against: Annotated[
        str | None,
        option(
            "--against",
            metavar="URL",
            rich_help_panel=COMPARE,
            en="Compare with another server.",
            zh="与另一个服务对比",
        ),
    ] = None,
    against_key: Annotated[
        str | None,
        option(
            "--against-key", metavar="KEY", rich_help_panel=COMPARE, en="The other server's key.", zh="另一个服务的 key"
        ),
    ] = None,
    record: Annotated[
        str | None,
        option(
            "--record",
            metavar="FILE",
            rich_help_panel=COMPARE,
            en="Write texts and vectors: .jsonl, .npy or .safetensors.",
            zh="记录文本和向量：.jsonl、.npy、.safetensors",
        ),
    ] = None,
    only: Only = None,
    skip: Skip = None,
    full: Full = False,
    timeout: Timeout = "10s",
    deadline: Deadline = "60s",
    output: Output = None,
    verbose: Verbose = False,
    ignore: Ignore = None,
    fail_on: FailOn = "error",
    exit_style: ExitStyle = "plain",
    lang: Lang = None,
) -> None:
    """Judge the vectors of a server by a few new texts."""
    run_options = given(RunOptions, ctx)
    options = given(ReferenceOptions, ctx)
    for text in texts or ():
        _usable(text)
    target_options = given(TargetOptions, ctx)
    with openai_standby(run_options) as standby:
        the_job = _plan(run_options, options, texts or ())
        looked_at = target(target_options)
        if against is not None:
            the_job = the_job.with_settings(against=_other(options, looked_at))
        report = _with_causes_only(examine(the_job.plan, looked_at, standby=standby))
    if record is not None:
        _record(record, texts or (), looked_at, report, the_job)
    deliver(the_job, [report])


def _plan(options: RunOptions, reference: ReferenceOptions, texts: Sequence[str]) -> Job:
    """The cheap rows, or all with --full; the row of references too where one of them is asked for."""
    from bgecheck.reference.recorded import checked, read_recorded

    if reference.reference is not None and reference.against is not None:
        raise BadInput(
            "--reference --against", Text("they exclude each other", "两者不能同时使用"), Text("give one", "只给一个")
        )
    if reference.record is not None:
        checked(reference.record)
    recorded = None if reference.reference is None else read_recorded(reference.reference)
    compares = any(o is not None for o in (reference.reference, reference.against, reference.record))
    if not compares or options.full:
        made = job("embed", ["launch", "embed"], options, texts, cheap=not options.full)
        return made.with_settings(recorded=recorded)
    every = job("embed", ["launch", "embed"], options, texts)
    areas = tuple(
        replace(area, checks=[c for c in area.checks if not c.costly or c.id == REFERENCE]) for area in every.plan.areas
    )
    chosen = replace(every.plan, areas=tuple(area for area in areas if area.checks))
    return replace(every, plan=chosen).with_settings(quick=True, proves=True, recorded=recorded)


def _with_causes_only(report: Report) -> Report:
    """The report without the settings that no vector showed: the smoke test judges vectors, and names their causes."""
    causes = {f.caused_by for f in report.findings if f.problem}
    shown = tuple(f for f in report.findings if f.check.area != "launch" or f.id in causes)
    return replace(report, findings=shown)


def _other(reference: ReferenceOptions, looked_at: Target) -> Target:
    """The server to compare with; a key goes to the server that it was given for, never to another."""
    from bgecheck.engines.sglang.discovery import resolve

    other = resolve(url=reference.against, api_key=reference.against_key)
    if other.url == looked_at.url:
        raise BadInput(
            f"--against {reference.against}",
            Text("the same server", "就是同一个服务"),
            Text("name another one", "换成另一个服务的地址"),
        )
    return other


def _record(path: str, texts: Sequence[str], looked_at: Target, report: Report, the_job: Job) -> None:
    """Write the vectors of the texts, or of the built-in ones, with the recipe that the report found them to follow."""
    from bgecheck.checks.embed.texts import triples_for
    from bgecheck.engines.server import Server
    from bgecheck.engines.sglang.pages import PAGES
    from bgecheck.http.embeddings import Embedded
    from bgecheck.model.deadline import Deadline as Limit
    from bgecheck.reference.recorded import Recorded, write_recorded

    limit = the_job.plan.settings.timeout
    with closing(Server(looked_at, Limit(limit), limit, PAGES)) as server:
        name = server.model_name()
        wanted = list(texts) or [text for triple in triples_for(name or "") or triples_for("bge") for text in triple]
        answer = server.embed(wanted)
    if not isinstance(answer, Embedded):
        message = Text("nothing was recorded: the server returned no vectors", "没有记录：服务没有返回向量")
    else:
        recipe = next((f.values.get("recipe") for f in report.findings if f.id == REFERENCE and f.values), None)
        made = Recorded(tuple(wanted), answer.vectors, name, recipe, f"bgecheck {__version__}")
        write_recorded(path, made)
        doubt = any(f.problem for f in report.findings)
        message = Text(
            f"{len(wanted)} text{'s' * (len(wanted) > 1)} recorded with vectors in {path}"
            + "; not all rows hold, see the report" * doubt,
            f"已把 {len(wanted)} 条文本和向量记录到 {path}" + "；有检查项未通过，见报告" * doubt,
        )
    to_stderr(message, the_job.language, looked_at.secrets())


def _usable(text: str) -> None:
    is_text("TEXT", text)
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
