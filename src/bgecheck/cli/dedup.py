"""`bgecheck dedup FILE`: keeps one of the texts that mean the same, by the similarity of their vectors."""

from __future__ import annotations

import math
from typing import Annotated

import typer
from typer import Argument, Context

from bgecheck.cli.app import command
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
from bgecheck.cli.options import (
    REPORT,
    ApiKey,
    ConfigFile,
    Lang,
    Log,
    Model,
    ModelPath,
    Named,
    Pid,
    Timeout,
    Url,
    option,
)
from bgecheck.model import BadInput, Text
from bgecheck.model.report import INCONCLUSIVE

INPUT = both("What is compared", "比较什么")
RESULT = both("What comes out", "输出")


@command(
    "dedup",
    epilog=examples(
        ("bgecheck dedup questions.txt --threshold 0.9", "by the server running here", "用本机的服务"),
        ("bgecheck dedup questions.txt --write kept.txt", "and write what is kept", "并写出保留的文本"),
        (
            "bgecheck dedup questions.txt --calibrate pairs.csv",
            "pairs to label, then a threshold",
            "先标注，再得到阈值",
        ),
        ("bgecheck dedup questions.txt -o html=report.html", "a page to look at", "生成可查看的网页"),
    ),
)
def dedup(
    ctx: Context,
    file: Annotated[
        str | None,
        Argument(
            metavar="FILE",
            help=both(
                "Texts: txt (one a line), .csv, .jsonl or .parquet; - is standard input.",
                "文本：txt（每行一条）、.csv、.jsonl 或 .parquet；- 表示标准输入",
            ),
        ),
    ] = None,
    column: Annotated[
        str | None,
        option(
            "--column",
            metavar="NAME",
            rich_help_panel=INPUT,
            en="The column that holds the texts; else text, or the only one.",
            zh="文本所在的列，默认 text 或唯一的一列",
        ),
    ] = None,
    vectors: Annotated[
        str | None,
        option(
            "--vectors",
            metavar="FILE",
            rich_help_panel=INPUT,
            en="Take the vectors of this .npy, .safetensors or .jsonl, one for each text; ask no server.",
            zh="使用文件里的向量，每条文本一个：.npy、.safetensors 或 .jsonl",
        ),
    ] = None,
    as_: Annotated[
        str | None,
        option(
            "--as",
            metavar="query|passage",
            rich_help_panel=INPUT,
            en="Put the model's own instruction for this side before each text: it moves all similarities.",
            zh="在每条文本前加上模型自己的指令（query 或 passage），所有相似度都会随之变化",
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        option(
            "--prefix",
            metavar="TEXT",
            rich_help_panel=INPUT,
            en="Put these words before each text; they move all similarities.",
            zh="给每条文本加上这段前缀，所有相似度都会随之变化",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        option(
            "--threshold",
            metavar="COSINE",
            rich_help_panel=INPUT,
            parser=lambda given: _threshold(given),
            en="Above this similarity a text is dropped: -1 to 1; else the guide's 0.85, which no model is made for.",
            zh="相似度高于它就去除，-1 到 1；默认用教程的 0.85，但它不是为任何模型定的",
        ),
    ] = None,
    calibrate: Annotated[
        str | None,
        option(
            "--calibrate",
            metavar="PAIRS.csv",
            rich_help_panel=INPUT,
            en="Find the threshold from labelled pairs (text_a,text_b,label); without the file, write pairs to label.",
            zh="用标注过的文本对求阈值，列为 text_a、text_b、label；没有这个文件时先写出待标注的文本对",
        ),
    ] = None,
    url: Url = None,
    named: Named = None,
    pid: Pid = None,
    log: Log = None,
    model: Model = None,
    model_path: ModelPath = None,
    api_key: ApiKey = None,
    timeout: Timeout = "60s",
    write: Annotated[
        str | None,
        option(
            "--write",
            metavar="FILE",
            rich_help_panel=RESULT,
            en="Write what is kept: .txt, .jsonl or .csv, or - for stdout; beside it FILE.dropped.jsonl.",
            zh="写出保留的文本：.txt、.jsonl、.csv，或 -（标准输出）；被去除的写到同名 .dropped.jsonl",
        ),
    ] = None,
    groups: Annotated[
        bool,
        option(
            "--groups",
            rich_help_panel=RESULT,
            en="By groups: each kept text with those that were dropped for it.",
            zh="按组输出：每条保留的文本和因它去除的文本",
        ),
    ] = False,
    resume: Annotated[
        bool,
        option(
            "--resume",
            rich_help_panel=RESULT,
            en="Go on where an interrupted run ended.",
            zh="继续被中断的运行",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        option("--overwrite", rich_help_panel=RESULT, en="Write over files that are there.", zh="可以覆盖已有的文件"),
    ] = False,
    output: Annotated[
        list[str] | None,
        option(
            "--output",
            "-o",
            metavar="FORMAT[=FILE]",
            rich_help_panel=REPORT,
            en="table, html or json, on stdout or into a file; repeatable.",
            zh="报告格式：table、html、json，可写入文件，可重复",
        ),
    ] = None,
    config: ConfigFile = None,
    lang: Lang = None,
) -> None:
    """De-duplicate, or find the threshold."""
    from bgecheck.cli.deduplicating import deduplicate, request

    asked = request(ctx)
    if calibrate is not None:
        from bgecheck.cli.calibrating import calibrate_threshold

        calibrate_threshold(asked, calibrate)
    elif deduplicate(asked):
        raise typer.Exit(INCONCLUSIVE)


def _of_percent(given: str) -> str:
    """The cosine that a percentage may have been meant for; the usual one where it is none."""
    try:
        value = float(given.removesuffix("%"))
    except ValueError:
        value = math.nan
    return f"{value / 100:g}" if 10 <= value <= 100 else "0.9"


def _threshold(given: str | float) -> float:
    """A cosine. Raises `BadInput` for what is none."""
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not -1 <= value <= 1:
        percent = _of_percent(str(given))
        raise BadInput(
            f"--threshold {given}",
            Text("not a cosine similarity from -1 to 1", "不是 -1 到 1 之间的余弦相似度"),
            Text(f"write it as {percent}", f"写成 {percent} 这样"),
        )
    return value
