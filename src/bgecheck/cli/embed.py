"""`bgecheck embed TEXT...`: the smoke test, a short proof that the vectors of a server are right."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context

from bgecheck import __version__
from bgecheck.cli import complete
from bgecheck.cli.app import command
from bgecheck.cli.blank import not_blank
from bgecheck.cli.bulk import FileOptions, embed_whole_file
from bgecheck.cli.examine import Job, deliver, examine, is_text, job, openai_standby, target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
from bgecheck.cli.options import (
    ApiKey,
    ConfigFile,
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
    Named,
    Only,
    Output,
    Pid,
    RunOptions,
    Severities,
    Skip,
    Timeout,
    Urls,
    Verbose,
    given,
    option,
    whole_number,
)
from bgecheck.cli.several import under_name
from bgecheck.cli.stderr import to_stderr
from bgecheck.cli.storing import StoreOptions, named_store
from bgecheck.cli.subjects import subject
from bgecheck.model import BadInput, Finding, Report, Status, Target, Text, Unavailable

if TYPE_CHECKING:
    from bgecheck.engines.server import Server
    from bgecheck.model.state import ServerState
    from bgecheck.stores.address import Address

REFERENCE = "embed.reference"
POOLING = "launch.pooling"
GOLDEN = "embed.golden"
COMPARE = both("Compare", "对比")
FILE = both("A whole file", "整个文件")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceOptions:
    """What vectors are compared with, and where they are recorded."""

    reference: str | None = None
    against: str | None = None
    against_key: str | None = None
    record: str | None = None

    def require_none(self, beside: str) -> None:
        """Raise `BadInput` where one was given beside an option with which it means nothing."""
        for name, value in (("reference", self.reference), ("against", self.against), ("record", self.record)):
            if value is not None:
                raise BadInput(
                    f"{beside} --{name}",
                    Text("they exclude each other", "两者不能同时使用"),
                    Text(
                        f"compare or record by a run of its own: bgecheck embed --{name} {value}",
                        f"对比或记录要单独运行：bgecheck embed --{name} {value}",
                    ),
                )


@command(
    "embed",
    epilog=examples(
        ('bgecheck embed "今天天气怎么样？"', "the smoke test", "冒烟测试"),
        ("bgecheck embed --full", "every check of the vectors", "全部向量检查"),
        ("bgecheck embed --record before.jsonl", "before an upgrade", "升级前记录"),
        ("bgecheck embed --reference before.jsonl", "and after it", "升级后对比"),
        ("bgecheck embed --input texts.csv --to vectors.npy", "a whole file", "整个文件"),
        ("bgecheck embed --check-store qdrant://localhost:6333/docs", "does the index fit", "检查向量库"),
    ),
)
def embed(
    ctx: Context,
    texts: Annotated[
        list[str] | None,
        Argument(
            metavar="TEXT",
            help=both(
                "Texts to embed; - reads them from stdin, one a line; without one, a new Chinese text is made up.",
                "要编码的文本；- 表示从标准输入读取，每行一条；不给时自动生成一段新的中文",
            ),
        ),
    ] = None,
    url: Urls = None,
    named: Named = None,
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
    check_store: Annotated[
        str | None,
        option(
            "--check-store",
            metavar="URI",
            rich_help_panel=COMPARE,
            en="Does an index fit: of Chroma, Milvus, Qdrant or pgvector, for example qdrant://HOST:6333/NAME.",
            zh="检查向量库与服务是否匹配：Chroma、Milvus、Qdrant、pgvector，例如 qdrant://主机:6333/集合名",
        ),
    ] = None,
    text_field: Annotated[
        str | None,
        option(
            "--text-field",
            metavar="NAME",
            rich_help_panel=COMPARE,
            en="The field of the store that holds the texts, where that is not clear.",
            zh="向量库里存放文本的字段，无法自动判断时指定",
        ),
    ] = None,
    input: Annotated[
        str | None,
        option(
            "--input",
            metavar="FILE",
            rich_help_panel=FILE,
            en="Embed a whole file: .txt (a text a line), .csv, .jsonl, .parquet; - is stdin.",
            zh="给整个文件编码：.txt（每行一条）、.csv、.jsonl、.parquet；- 表示标准输入",
        ),
    ] = None,
    column: Annotated[
        str | None,
        option(
            "--column",
            metavar="NAME",
            rich_help_panel=FILE,
            en="The column or field that holds the texts; else text, or the only one.",
            zh="文本所在的列，默认 text 或唯一的一列",
        ),
    ] = None,
    to: Annotated[
        str | None,
        option(
            "--to",
            metavar="FILE",
            rich_help_panel=FILE,
            en="Where the vectors go: .jsonl, .npy, .safetensors or .parquet.",
            zh="向量写到哪里：.jsonl、.npy、.safetensors、.parquet",
        ),
    ] = None,
    resume: Annotated[
        bool,
        option("--resume", rich_help_panel=FILE, en="Go on with a run that was interrupted.", zh="继续上次中断的运行"),
    ] = False,
    overwrite: Annotated[
        bool, option("--overwrite", rich_help_panel=FILE, en="Replace an output that exists.", zh="覆盖已有的输出")
    ] = False,
    as_: Annotated[
        str | None,
        option(
            "--as",
            metavar="query|passage",
            rich_help_panel=FILE,
            autocompletion=complete.sides,
            en="Put the model's own instruction for this side before each text.",
            zh="按查询或文档，在每条文本前加模型自己的指令",
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        option(
            "--prefix",
            metavar="TEXT",
            rich_help_panel=FILE,
            en="Put this before each text.",
            zh="在每条文本前加这段文字",
        ),
    ] = None,
    chunk: Annotated[
        int | None,
        option(
            "--chunk",
            metavar="TOKENS",
            rich_help_panel=FILE,
            parser=whole_number("--chunk"),
            en="Split longer texts into pieces of at most so many tokens, and average their vectors.",
            zh="超过这么多 token 的文本切块，各块的向量取平均",
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        option(
            "--overlap",
            metavar="TOKENS",
            rich_help_panel=FILE,
            parser=whole_number("--overlap"),
            en="That pieces have in common; else an eighth.",
            zh="相邻块重叠的 token 数，默认八分之一",
        ),
    ] = None,
    keep_chunks: Annotated[
        bool,
        option(
            "--keep-chunks",
            rich_help_panel=FILE,
            en="Keep a vector for each piece, without averaging.",
            zh="每块保留一条向量，不取平均",
        ),
    ] = False,
    truncate: Annotated[
        bool,
        option(
            "--truncate",
            rich_help_panel=FILE,
            en="Cut texts to what the model reads, or to --chunk tokens.",
            zh="把文本截断到模型的最大长度，或 --chunk 个 token",
        ),
    ] = False,
    batch: Annotated[
        int | None,
        option(
            "--batch",
            metavar="N",
            rich_help_panel=FILE,
            parser=whole_number("--batch"),
            en="Texts of one request at most; else 32.",
            zh="一次请求最多几条，默认 32",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        option(
            "--concurrency",
            metavar="N",
            rich_help_panel=FILE,
            parser=whole_number("--concurrency"),
            en="Requests in flight to one server at most; else 16.",
            zh="对一个服务最多几个并发请求，默认 16",
        ),
    ] = None,
    patience: Annotated[
        str,
        option(
            "--patience",
            metavar="DUR",
            rich_help_panel=FILE,
            en="How long a server may give no vectors before the run ends.",
            zh="服务多久没有返回向量就结束运行",
        ),
    ] = "5m",
    only: Only = None,
    skip: Skip = None,
    full: Full = False,
    timeout: Timeout = "10s",
    deadline: Deadline = "60s",
    output: Output = None,
    verbose: Verbose = False,
    ignore: Ignore = None,
    severity: Severities = None,
    fail_on: FailOn = "error",
    exit_style: ExitStyle = "plain",
    config: ConfigFile = None,
    lang: Lang = None,
) -> None:
    """Judge the vectors of a server by a few new texts."""
    if input is not None:
        _no_text_beside(input, texts)
        given(StoreOptions, ctx).require_none(f"--input {input}")
        given(ReferenceOptions, ctx).require_none(f"--input {input}")
        embed_whole_file(ctx, _shown)
    given(FileOptions, ctx).require_input(records=record is not None)
    _require_new(record, overwrite)
    options, store = given(ReferenceOptions, ctx), named_store(given(StoreOptions, ctx))
    texts = _from_stdin() if texts == ["-"] else texts
    for text in texts or ():
        _usable(text)
    chosen = subject(ctx)
    with openai_standby(chosen.run) as standby:
        the_job = _plan(chosen.run, options, texts or (), store)
        looked_at = under_name(target(chosen.options), chosen.name)
        if store is not None:
            looked_at = replace(looked_at, other_keys=(*looked_at.other_keys, *store.secrets))
        if against is not None:
            the_job = the_job.with_settings(against=_other(options, looked_at))
        report = _shown(examine(the_job.plan, looked_at, standby=standby))
    if record is not None:
        _record(record, texts or (), looked_at, report, the_job)
    deliver(the_job, [report])


def _require_new(record: str | None, overwrite: bool) -> None:
    """Raise `BadInput` where vectors were recorded there before, which nothing could bring back."""
    if record is not None and os.path.isfile(record) and not overwrite:
        raise BadInput(
            f"--record {record}",
            Text("it is there already", "文件已存在"),
            Text(
                f"to compare with it: --reference {record}; to replace it: --overwrite",
                f"与它对比：--reference {record}；要替换：--overwrite",
            ),
        )


def _no_text_beside(path: str, texts: Sequence[str] | None) -> None:
    not_blank("--input", path)
    if texts:
        raise BadInput(
            f"--input {path}",
            Text("texts are given on the command line as well", "命令行上又给了文本"),
            Text("give either a file or texts", "文件和文本只给一种"),
        )


def _plan(options: RunOptions, reference: ReferenceOptions, texts: Sequence[str], store: Address | None) -> Job:
    """The cheap rows, or all with --full; a comparison has all the time it takes where it is asked for."""
    from bgecheck.reference.recorded import checked, read_recorded

    if reference.reference is not None and reference.against is not None:
        raise BadInput(
            "--reference --against", Text("they exclude each other", "两者不能同时使用"), Text("give one", "只给一个")
        )
    if reference.record is not None:
        checked(reference.record)
    recorded = None if reference.reference is None else read_recorded(reference.reference)
    proves = any(o is not None for o in (reference.reference, reference.against, reference.record))
    areas = ["launch", "embed", *(["store"] if store else [])]
    made = job("embed", areas, options, texts, cheap=not options.full)
    return made.with_settings(recorded=recorded, proves=proves, store=store)


def _shown(report: Report) -> Report:
    """The report without the settings that hold or are not known: the smoke test judges vectors.

    A setting that gives wrong vectors is shown though none of these few shows it. How the tokens are pooled is, where
    nothing proves it. The pair that is published for one model is no matter of others.
    """
    unproved = not any(f.id == REFERENCE and f.status is Status.PASS for f in report.findings)

    def is_shown(finding: Finding) -> bool:
        causes = {f.caused_by for f in report.findings if f.problem}
        wrong = finding.status is Status.FAIL or finding.id in causes
        if finding.id == GOLDEN and finding.status is Status.SKIP:
            return False
        return finding.check.area != "launch" or wrong or (finding.id == POOLING and unproved)

    return replace(report, findings=tuple(filter(is_shown, report.findings)))


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
    """Write the vectors of the texts, or of the built-in ones, with what the server is like."""
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
        answer = server.embed_in_parts(wanted)
        state = _state(server, looked_at, report) if isinstance(answer, Embedded) else None
    if not isinstance(answer, Embedded):
        message = Text("nothing was recorded: the server returned no vectors", "没有记录：服务没有返回向量")
    else:
        made = Recorded(tuple(wanted), answer.vectors, name, _recipe(report), f"bgecheck {__version__}", state)
        write_recorded(path, made)
        doubt = any(f.problem for f in report.findings)
        message = Text(
            f"{len(wanted)} text{'s' * (len(wanted) > 1)} recorded with vectors in {path}"
            + "; not all rows hold, see the report" * doubt,
            f"已把 {len(wanted)} 条文本和向量记录到 {path}" + "；有检查项未通过，见报告" * doubt,
        )
    to_stderr(message, the_job.language, looked_at.secrets())


def _state(server: Server, looked_at: Target, report: Report) -> ServerState | None:
    """What the server is like; where its pages do not tell the pooling, the one that its vectors show."""
    from bgecheck.checks.embed.state import server_state

    try:
        state = server_state(server, looked_at)
    except Unavailable:
        return None
    pooling = _recipe(report) or str(_value(report, POOLING, "pooling") or "").lower()
    return replace(state, settings={"pooling": pooling, **state.settings}) if pooling else state


def _recipe(report: Report) -> str | None:
    """How the vectors are made of the model's states, where the report has found it out."""
    return _value(report, REFERENCE, "recipe")


def _value(report: Report, row: str, name: str) -> str | None:
    return next((finding.values.get(name) for finding in report.findings if finding.id == row), None)


MOST_TEXTS, MOST_BYTES = 64, 2**20
"""Of what is read from stdin for one request."""


def _from_stdin() -> list[str]:
    """The lines of stdin that are not blank, each a text. Raises `BadInput` where there is none, or more than a few."""
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _no_texts(Text("more than 1 MiB", "超过 1 MiB"))
    try:
        texts = [line.strip() for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise _no_texts(Text("not valid UTF-8", "不是合法的 UTF-8")) from None
    if not texts:
        raise _no_texts(Text("there is no text in it", "里面没有文本"))
    if len(texts) > MOST_TEXTS:
        raise _no_texts(
            Text(f"{len(texts)} lines, more than {MOST_TEXTS}", f"有 {len(texts)} 行，超过 {MOST_TEXTS} 行")
        )
    return texts


def _no_texts(why: Text) -> BadInput:
    return BadInput(
        "-",
        why,
        Text(
            f"give 1 to {MOST_TEXTS} lines, for example: echo 今天天气怎么样？ | bgecheck embed -",
            f"给 1 到 {MOST_TEXTS} 行文本，例如：echo 今天天气怎么样？ | bgecheck embed -",
        ),
    )


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
