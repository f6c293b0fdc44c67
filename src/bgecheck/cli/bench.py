"""`bgecheck bench`: how fast a server is, at which batch size and concurrency, and whether it meets an objective."""

from __future__ import annotations

import json
import random
import re
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer import Context

from bgecheck.cli.apart import require_apart
from bgecheck.cli.app import command
from bgecheck.cli.benchshown import shown_progress
from bgecheck.cli.blank import not_blank, source
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both, language
from bgecheck.cli.nearest import one_of
from bgecheck.cli.options import (
    REPORT,
    ApiKey,
    ConfigFile,
    Lang,
    Model,
    Named,
    Pid,
    Url,
    Verbose,
    option,
)
from bgecheck.cli.output import FOR_PROGRAMS, require_writable, stdout_screen, unwritable_file, write_text
from bgecheck.cli.several import under_name
from bgecheck.cli.stderr import to_stderr
from bgecheck.cli.stdout import require_stdout, to_stdout
from bgecheck.cli.subjects import subject
from bgecheck.model import BadInput, Language, Redactor, Target, Text, Words
from bgecheck.model.report import INTERRUPTED

if TYPE_CHECKING:
    from bgecheck.benching.advice import Advice
    from bgecheck.benching.benching import Bench, BenchOptions
    from bgecheck.benching.texts import Own
    from bgecheck.engines.sglang.tuning import Tuning

LOAD = both("What load", "怎样加压")
SHAPES = ("table", "json")
MISSED = 1
"""The exit code where an objective is missed, vectors are wrong, or the server was lost."""
LEAST_BUDGET = 2.0
"""Seconds."""


@command(
    "bench",
    epilog=examples(
        ("bgecheck bench", "find the best setting", "找出最佳设置"),
        (
            "bgecheck bench --slo p99=2s --texts 10M",
            "a gate, and how long a job takes",
            "门禁，并估算耗时",
        ),
        ("bgecheck bench --rate 20,40", "does it keep up with this rate", "能否承受这个到达率"),
    ),
)
def bench(
    ctx: Context,
    url: Url = None,
    named: Named = None,
    pid: Pid = None,
    model: Model = None,
    api_key: ApiKey = None,
    batch: Annotated[
        str | None,
        option(
            "--batch",
            metavar="N,N",
            rich_help_panel=LOAD,
            en="Only these batch sizes; else 1 to 128.",
            zh="只测这些批大小，默认 1 到 128",
        ),
    ] = None,
    concurrency: Annotated[
        str | None,
        option(
            "--concurrency",
            metavar="N,N",
            rich_help_panel=LOAD,
            en="Only so many requests in flight; else 1 to 64.",
            zh="只测这些并发数，默认 1 到 64",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        option(
            "--rate",
            metavar="R,R",
            rich_help_panel=LOAD,
            en="Requests a second at random moments (open loop), timed from when each is due.",
            zh="每秒随机到达的请求数（开环），延迟从该发送的时刻算起",
        ),
    ] = None,
    lengths: Annotated[
        str,
        option(
            "--lengths",
            metavar="TOKENS",
            rich_help_panel=LOAD,
            en="Of fresh texts: the median 64, with its 95th percentile 64:400, or a range 16-256.",
            zh="自动生成文本的长度：中位数 64，加 95 分位 64:400，或范围 16-256",
        ),
    ] = "64",
    input: Annotated[
        str | None,
        option(
            "--input",
            metavar="FILE",
            rich_help_panel=LOAD,
            en="Texts of your own: .txt (a text a line), .csv, .jsonl, .parquet; - is stdin.",
            zh="用自己的文本：.txt（每行一条）、.csv、.jsonl、.parquet；- 表示标准输入",
        ),
    ] = None,
    column: Annotated[
        str | None,
        option(
            "--column",
            metavar="NAME",
            rich_help_panel=LOAD,
            en="The column or field that holds the texts; else text, or the only one.",
            zh="文本所在的列，默认 text 或唯一的一列",
        ),
    ] = None,
    budget: Annotated[
        str,
        option("--budget", metavar="DUR", rich_help_panel=LOAD, en="Time of the whole run.", zh="整次测量的时间"),
    ] = "60s",
    timeout: Annotated[
        str,
        option("--timeout", metavar="DUR", rich_help_panel=LOAD, en="Time limit of one request.", zh="单个请求的时限"),
    ] = "10s",
    slo: Annotated[
        list[str] | None,
        option(
            "--slo",
            metavar="OBJECTIVE",
            rich_help_panel=REPORT,
            en="What the setting has to meet, or exit 1: p99=200ms, p50, p90, throughput>=500; repeatable.",
            zh="设置必须满足的目标，否则退出码为 1：p99=200ms、p50、p90、throughput>=500，可重复",
        ),
    ] = None,
    texts: Annotated[
        str | None,
        option(
            "--texts",
            metavar="N",
            rich_help_panel=REPORT,
            en="Say how long so many texts take: 500k, 10M.",
            zh="估算这么多文本需要多久：500k、10M",
        ),
    ] = None,
    save: Annotated[
        str | None,
        option(
            "--save",
            metavar="FILE",
            rich_help_panel=REPORT,
            en="Keep what was measured, as JSON.",
            zh="把结果存成 JSON",
        ),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        option(
            "--compare",
            metavar="OLD NEW",
            rich_help_panel=REPORT,
            en="Measure nothing: compare two saved runs; exit 1 where the new one is slower.",
            zh="不测量，对比两次保存的结果；变慢时退出码为 1",
        ),
    ] = None,
    html: Annotated[
        str | None,
        option(
            "--html",
            metavar="FILE",
            rich_help_panel=REPORT,
            en="Write a page with the curves.",
            zh="写出带曲线的网页",
        ),
    ] = None,
    plot: Annotated[
        str | None,
        option(
            "--plot",
            metavar="FILE",
            rich_help_panel=REPORT,
            en="Draw the curves as .png or .svg; needs matplotlib.",
            zh="把曲线画成 .png 或 .svg，需要 matplotlib",
        ),
    ] = None,
    output: Annotated[
        str,
        option("--output", "-o", metavar="table|json", rich_help_panel=REPORT, en="Format on stdout.", zh="输出格式"),
    ] = "table",
    verbose: Verbose = False,
    config: ConfigFile = None,
    lang: Lang = None,
) -> None:
    """Load the server with one setting after another, and say which to use."""
    chosen = language(lang)
    require_stdout()
    if source(ctx, "output") == "ENVIRONMENT" and output not in SHAPES:
        output = SHAPES[0]  # the variable is meant for reports
    one_of("-o", output, SHAPES)
    if compare is not None:
        _compare(compare, chosen, output)
    options, files = _options(ctx.params), _Files(save=save, html=html, plot=plot)
    files.require(input)
    count = None if texts is None else _count(texts)
    the_subject = subject(ctx)
    own = None if input is None else _own(input, column)
    at = under_name(target(the_subject.options), the_subject.name)
    _Run(
        at=at,
        options=options,
        own=own,
        count=count,
        language=chosen,
        output=output,
        verbose=verbose,
        files=files,
    ).measure()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What is written beside the report on stdout."""

    save: str | None
    html: str | None
    plot: str | None

    def require(self, read: str | None) -> None:
        """Refuse before the run what could not be written after it, or over what is `read`. Raises `BadInput`."""
        given = [("--save", self.save), ("--html", self.html), ("--plot", self.plot)]
        for name, path in given:
            not_blank(name, path)
            if path is not None:
                require_writable(f"{name} {path}", path)
                require_apart(f"{name} {path}", path, read)
        if self.plot is not None:
            from bgecheck.render.benchplot import require_plot

            require_plot(self.plot)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run whose options are understood."""

    at: Target
    options: BenchOptions
    own: Own | None
    count: int | None
    language: Language
    output: str
    verbose: bool
    files: _Files

    def measure(self) -> NoReturn:
        """Measure, show what was measured, and exit."""
        from bgecheck.benching.advice import advice
        from bgecheck.benching.benching import bench as measure
        from bgecheck.benching.needs import server_tunings
        from bgecheck.bulk.errors import WrongVectors

        try:
            with shown_progress(self.language) as show:
                made, replica = measure(self.at, self.options, self.own, self.note, show)
        except WrongVectors as wrong:
            self.note(Text(f"nothing was measured: {wrong.words.en}", f"没有测量：{wrong.words.zh}"))
            raise typer.Exit(MISSED) from wrong
        with closing(replica.server):
            changes = server_tunings(made, self.at)
        code = self._report(made, advice(made.results, made.confirmed, self.options.wanted), changes)
        raise typer.Exit(INTERRUPTED if made.interrupted else code)

    def _report(self, made: Bench, result: Advice, changes: list[Tuning]) -> int:
        from bgecheck.benching.saved import as_json
        from bgecheck.render.benching import in_words, verdict

        holds, last = verdict(made, result, self.options.wanted)
        redactor = Redactor(self.at.secrets())
        payload = redactor.value(as_json(made, result, changes, self.count, holds))
        saved = json.dumps(payload, ensure_ascii=False) + "\n"
        self._write(made, result, changes, (holds, last), saved)
        if self.output == "json":
            to_stdout(saved, FOR_PROGRAMS)
        else:
            screen = stdout_screen(self.language, verbose=self.verbose)
            took = screen.say(Text(f"{made.took:.1f} s", f"{made.took:.1f} 秒"))
            text = in_words(made, result, changes, self.count, screen)
            text += f"{screen.say(last)}{screen.separator}{took}"
            to_stdout("".join(f"{redactor.text(line)}\n" for line in text.splitlines()))
        return 0 if holds else MISSED

    def _write(self, made: Bench, result: Advice, changes: list[Tuning], end: tuple[bool, Words], saved: str) -> None:
        """Write the files that were asked for. Raises `BadInput`."""
        if self.files.save is not None:
            write_text(f"--save {self.files.save}", self.files.save, saved)
        if self.files.html is not None:
            from bgecheck.render.benchpage import bench_page
            from bgecheck.render.screen import screen

            holds, last = end
            redactor = Redactor(self.at.secrets())
            on = screen(self.language, verbose=self.verbose, terminal=False, encoding=FOR_PROGRAMS)
            text = bench_page(*(made, result, changes, self.count, last, holds), screen=on, redactor=redactor)
            write_text(f"--html {self.files.html}", self.files.html, text)
        if self.files.plot is not None:
            from bgecheck.render.benchplot import write_plot

            try:
                write_plot(made, self.files.plot)
            except OSError as error:
                raise unwritable_file(f"--plot {self.files.plot}", error) from error

    def note(self, words: Text) -> None:
        """A line on stderr, without keys."""
        to_stderr(words, self.language, self.at.secrets())


def _compare(files: tuple[str, str], chosen: Language, output: str) -> NoReturn:
    """Compare two saved runs, and exit: 1 where the new one is slower. Raises `BadInput`."""
    from bgecheck.benching.comparison import compared
    from bgecheck.benching.saved import read_run
    from bgecheck.render.benchcompared import compared_as_json, compared_in_words

    old, new = map(read_run, files)
    comparison = compared(old, new)
    if output == "json":
        to_stdout(compared_as_json(comparison), FOR_PROGRAMS)
    else:
        to_stdout(compared_in_words(comparison, stdout_screen(chosen)))
    raise typer.Exit(MISSED if comparison.verdict == "slower" else 0)


def _options(given: dict[str, Any]) -> BenchOptions:
    """The options in their units. Raises `BadInput`."""
    from bgecheck.benching.benching import BenchOptions
    from bgecheck.benching.lengths import lengths
    from bgecheck.benching.limits import MOST_BATCH, MOST_CONCURRENCY
    from bgecheck.benching.objective import objectives

    budget = seconds("--budget", given["budget"])
    if budget < LEAST_BUDGET:
        raise BadInput(
            f"--budget {given['budget']}",
            Text("too short to measure anything", "太短，测不出结果"),
            Text(f"give {LEAST_BUDGET:g}s or more", f"至少 {LEAST_BUDGET:g}s"),
        )
    if given["rate"] is not None and given["concurrency"] is not None:
        raise BadInput(
            "--rate --concurrency",
            Text("they exclude each other: at a rate nobody waits", "不能同时使用：按到达率发送时不等待"),
            Text("give one", "只给一个"),
        )
    return BenchOptions(
        batches=_numbers("--batch", given["batch"], MOST_BATCH),
        concurrencies=_numbers("--concurrency", given["concurrency"], MOST_CONCURRENCY),
        rates=_rates(given["rate"]),
        lengths=lengths(given["lengths"]),
        wanted=objectives(given["slo"] or ()),
        budget=budget,
        seconds=seconds("--timeout", given["timeout"]),
    )


def _numbers(name: str, given: str | None, most: int) -> tuple[int, ...]:
    """Whole numbers with commas, each once, ascending. Raises `BadInput`."""
    if given is None:
        return ()
    parts = [part.strip() for part in given.split(",")]
    numbers = {int(part) for part in parts if re.fullmatch(r"[0-9]{1,6}", part)}
    if not all(re.fullmatch(r"[0-9]{1,6}", part) for part in parts) or not all(1 <= one <= most for one in numbers):
        raise BadInput(
            f"{name} {given}",
            Text(f"not whole numbers between 1 and {most}", f"不是 1 到 {most} 之间的整数"),
            Text("write one, or several with commas: 1,8,32", "写一个，或用逗号分隔：1,8,32"),
        )
    return tuple(sorted(numbers))


MOST_RATE = 5000.0
"""Requests a second that one Python process can send at all."""


def _rates(given: str | None) -> tuple[float, ...]:
    if given is None:
        return ()
    parts = [part.strip() for part in given.split(",")]
    fine = all(re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,3})?", part) for part in parts)
    rates = sorted({float(part) for part in parts}) if fine else [0.0]
    if not all(0.1 <= rate <= MOST_RATE for rate in rates):
        raise BadInput(
            f"--rate {given}",
            Text(f"not requests a second between 0.1 and {MOST_RATE:g}", f"不是 0.1 到 {MOST_RATE:g} 之间的每秒请求数"),
            Text("write one, or several with commas: 50,100,200", "写一个，或用逗号分隔：50,100,200"),
        )
    return tuple(rates)


_MANY = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}


def _count(given: str) -> int:
    """A number of texts as people write it. Raises `BadInput`."""
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([kmb]?)\s*", given, re.IGNORECASE)
    count = round(float(match[1]) * _MANY[match[2].lower()]) if match else 0
    if not 1 <= count <= 10**12:
        raise BadInput(
            f"--texts {given}",
            Text("not a number of texts", "不是文本条数"),
            Text("write it as 500k, 10M or 2500000", "写成 500k、10M 或 2500000"),
        )
    return count


def _own(path: str, column: str | None) -> Own:
    """The texts of the user's file. Raises `BadInput`."""
    from bgecheck.benching.texts import own
    from bgecheck.textfile.reading import open_texts

    not_blank("--input", path)
    with open_texts(path, column) as texts:
        return own(texts, path, random.Random())
