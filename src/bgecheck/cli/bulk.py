"""`bgecheck embed --input FILE`: a whole file of texts to vectors, after the server was proved to give right ones."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import typer
from typer import Context

from bgecheck.cli.apart import require_apart
from bgecheck.cli.blank import is_typed, source
from bgecheck.cli.bulkshown import last_line, shown_progress
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import deliver, examine, job, target
from bgecheck.cli.nearest import one_of
from bgecheck.cli.options import given
from bgecheck.cli.several import under_name
from bgecheck.cli.stderr import to_stderr
from bgecheck.cli.stdout import to_stdout
from bgecheck.cli.subjects import Subject, subjects
from bgecheck.model import BadInput, Language, Report, Status, Target, Text, Unavailable

if TYPE_CHECKING:
    from bgecheck.bulk.options import BulkOptions
    from bgecheck.bulk.replica import Replica
    from bgecheck.bulk.store import Place
    from bgecheck.bulk.tokens import Counter
    from bgecheck.textfile.reading import Texts

SIDES = ("query", "passage")
USUAL_SECONDS = 120.0
"""That a request may take where no --timeout is given: for a server that is slow, and never longer than --patience."""

MOST_IN_BATCH, MOST_REQUESTS = 1024, 64
WRONG = 1
"""The exit code where vectors are wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """What is done with a whole file."""

    input: str | None = None
    column: str | None = None
    to: str | None = None
    chunk: int | None = None
    overlap: int | None = None
    keep_chunks: bool = False
    truncate: bool = False
    as_: str | None = None
    prefix: str | None = None
    batch: int | None = None
    concurrency: int | None = None
    patience: str = "5m"
    resume: bool = False
    overwrite: bool = False

    def require_input(self, *, records: bool) -> None:
        """Raise `BadInput` for an option that means something only with a file, or where vectors are recorded."""
        for name, value in (("to", self.to), ("column", self.column), ("chunk", self.chunk), ("prefix", self.prefix)):
            if value is not None:
                raise _needs_input(f"--{name} {value}")
        for name, wanted in (
            ("resume", self.resume),
            ("overwrite", self.overwrite and not records),
            ("truncate", self.truncate),
        ):
            if wanted:
                raise _needs_input(f"--{name}")


def _needs_input(option: str) -> BadInput:
    return BadInput(
        option,
        Text("it belongs to a whole file", "它只用于整个文件"),
        Text("name the file with --input FILE", "用 --input FILE 指定文件"),
    )


def embed_whole_file(ctx: Context, shown: Callable[[Report], Report]) -> NoReturn:
    """Embed the file of `--input` with the servers that are meant, each proved first; exits with the code of the run.

    `shown` picks what of a report is shown where a server is not right.
    """
    from bgecheck.bulk.store import place, prepare
    from bgecheck.textfile.reading import open_texts

    options, chosen = given(FileOptions, ctx), subjects(ctx)
    where = place(_named(options))
    for path in (where.out, where.rejected, where.pieces, where.run):
        require_apart(f"--to {options.to}", str(path), options.input)
    bulk = _bulk_options(options, ctx)
    language = job("embed", ["launch", "embed"], chosen[0].run).language
    if is_typed(ctx, "output"):
        _require_files(chosen[0].run.output or [])
    with open_texts(options.input or "", options.column) as texts:
        _ = texts.count  # a line that cannot be read is found before anything is asked for
        resume = prepare(where, resume=options.resume, overwrite=options.overwrite)
        if options.resume and not resume:
            _exit_if_whole(where, texts, _as_made(where, bulk, options, chosen[0].options.model_path), language)
        targets = [under_name(target(one.options), one.name) for one in chosen]
        _require_right(chosen, targets, shown)
        run = _FileRun(where=where, texts=texts, targets=targets, options=options, language=language, resume=resume)
        run.embed(bulk)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FileRun:
    """A run whose options are understood and whose servers were judged."""

    where: Place
    texts: Texts
    targets: Sequence[Target]
    options: FileOptions
    language: Language
    resume: bool

    def embed(self, bulk: BulkOptions) -> NoReturn:
        """Embed the file and exit."""
        from bgecheck.bulk.embedding import embed_file
        from bgecheck.bulk.errors import WrongVectors
        from bgecheck.bulk.start import replicas

        try:
            servers = replicas(self.targets, bulk, self.note)
            bulk = replace(bulk, prefix=self._prefix(servers[0]), size=self._size(servers[0]))
            counter = self._counter(servers, bulk)
            with shown_progress(self.language) as show:
                summary = embed_file(
                    *(self.texts, self.where, servers, counter, bulk),
                    resume=self.resume,
                    note=self.note,
                    on_progress=show,
                )
        except WrongVectors as wrong:
            self.note(_doubtful(wrong.words, wrong.since, self.where))
            raise typer.Exit(WRONG) from wrong
        except (KeyboardInterrupt, SystemExit, Unavailable):
            if self.where.journal.exists():
                self.note(go_on(str(self.where.folder)))
            raise
        to_stdout(last_line(summary, self.where).to(self.language))
        everything_failed = sum(summary.rejected.values()) >= summary.rows
        raise typer.Exit(WRONG if everything_failed else 0)

    def note(self, words: Text) -> None:
        """A line on stderr, without keys."""
        to_stderr(words, self.language, [secret for one in self.targets for secret in one.secrets()])

    def _prefix(self, server: Replica) -> str:
        model = _model_of(server, self.targets[0])
        return instruction(self.options.as_, self.options.prefix, model, self.note)

    def _size(self, server: Replica) -> int:
        """Tokens of a text or piece at most; 0 where texts are not cut. Raises `BadInput` where it is not known."""
        chunk = self.options.chunk
        if chunk is None and not self.options.truncate:
            return 0
        from bgecheck.knowledge.models import lookup

        longest = server.server.longest_text(lookup(_model_of(server, self.targets[0])))
        if chunk is not None and longest is not None and chunk > longest:
            raise BadInput(
                f"--chunk {chunk}",
                Text(
                    f"this model reads {longest} tokens at most, so longer pieces would be refused",
                    f"这个模型最多读 {longest} 个 token，更长的块会被拒绝",
                ),
                Text(f"give --chunk {longest}, or less", f"改为 --chunk {longest} 或更小"),
            )
        if chunk is not None:
            return chunk
        if longest is None:
            raise BadInput(
                "--truncate",
                Text("nobody tells how many tokens this model reads", "不知道这个模型最多读多少 token"),
                Text("give the number: --truncate --chunk 511", "指定长度：--truncate --chunk 511"),
            )
        return longest

    def _counter(self, servers: Sequence[Replica], bulk: BulkOptions) -> Counter:
        """The model's own tokenizer where its folder is here, else an estimate, which is said where texts are cut."""
        from bgecheck.bulk.tokens import Estimated, Tokenized
        from bgecheck.reference.folder import model_folder
        from bgecheck.reference.tokens import tokenizer_of

        counter: Counter = Estimated()
        if bulk.too_long != "refuse":
            path = (servers[0].server.model_info() or {}).get("model_path")
            given_path = self.targets[0].model_path or (path if isinstance(path, str) else None)
            try:
                counter = Tokenized(tokenizer_of(model_folder(given_path)))
            except Unavailable as missing:
                self.note(_estimated(missing))
        room = bulk.size - counter.special - len(counter.ends(bulk.prefix))
        if bulk.too_long != "refuse" and room <= bulk.overlap:
            raise BadInput(
                f"--chunk {bulk.size}",
                Text(
                    f"beside prefix and special tokens it leaves {room} tokens, and {bulk.overlap} overlap",
                    f"除去前缀和特殊 token 只剩 {room} 个 token，而重叠是 {bulk.overlap} 个",
                ),
                Text("give more, or a smaller --overlap", "改大一些，或减小 --overlap"),
            )
        return counter


def instruction(side: str | None, prefix: str | None, name: str | None, note: Callable[[Text], None]) -> str:
    """What is put before each text: the prefix, or what the card of the model `name` gives for this side.

    Raises `BadInput` where none is on record.
    """
    if prefix is not None or side is None:
        return prefix or ""
    from bgecheck.knowledge.models import lookup

    model = lookup(name)
    if model is None or model.task_decides:
        raise BadInput(
            f"--as {side}",
            Text(f"no instruction is on record for {name}", f"没有 {name} 的指令记录")
            if model is None
            else Text(f"the instruction of {name} depends on your task", f"{name} 的指令取决于具体任务"),
            Text("give its own: --prefix 'query: '", "自己指定：--prefix 'query: '"),
        )
    given = model.query_prefix if side == "query" else model.passage_prefix
    if not given:
        note(
            Text(
                f"{model.name} takes a {side} without an instruction: nothing is put before the texts",
                f"{model.name} 的 {side} 不需要指令：文本前不加内容",
            )
        )
    return given or ""


def _named(options: FileOptions) -> str:
    if options.to is None:
        raise BadInput(
            f"--input {options.input}",
            Text("where the vectors go is not said", "没有指定向量写到哪里"),
            Text(
                "name the output: --to vectors.jsonl, .npy, .safetensors or .parquet",
                "指定输出：--to vectors.jsonl，或 .npy、.safetensors、.parquet",
            ),
        )
    if options.resume and options.overwrite:
        raise BadInput(
            "--resume --overwrite", Text("they exclude each other", "两者不能同时使用"), Text("give one", "只给一个")
        )
    return options.to


def _bulk_options(options: FileOptions, ctx: Context) -> BulkOptions:
    """The options in their units. Raises `BadInput`."""
    from bgecheck.bulk.options import MOST_TEXTS, BulkOptions

    require_side(options.as_, options.prefix)
    chunk = _within("--chunk", options.chunk, 16, 1_000_000)
    cut = options.truncate or chunk is not None
    if options.keep_chunks and (options.truncate or chunk is None):
        raise BadInput(
            "--keep-chunks",
            Text("there are pieces only with --chunk", "只有 --chunk 才会分块"),
            Text("give --chunk 500", "加上 --chunk 500"),
        )
    overlap = _within("--overlap", options.overlap, 0, 1_000_000)
    if overlap is not None and (options.truncate or chunk is None):
        raise BadInput(
            f"--overlap {overlap}",
            Text("there are pieces only with --chunk", "只有 --chunk 才会分块"),
            Text("give --chunk 500, without --truncate", "加上 --chunk 500，去掉 --truncate"),
        )
    patience = seconds("--patience", options.patience)
    usual = (chunk or 0) // 8 if chunk is not None and not options.truncate else 0
    return BulkOptions(
        too_long="truncate"
        if options.truncate
        else ("apart" if options.keep_chunks else "average")
        if cut
        else "refuse",
        overlap=usual if overlap is None else overlap,
        texts=_within("--batch", options.batch, 1, MOST_IN_BATCH) or MOST_TEXTS,
        requests=_within("--concurrency", options.concurrency, 1, MOST_REQUESTS) or 16,
        seconds=min(USUAL_SECONDS, patience)
        if source(ctx, "timeout") == "DEFAULT"
        else seconds("--timeout", ctx.params["timeout"]),
        patience=patience,
    )


def require_side(side: str | None, prefix: str | None) -> None:
    """Raise `BadInput` for a side that there is not, and where a prefix is given too."""
    if side is None:
        return
    one_of("--as", side, SIDES)
    if prefix is not None:
        raise BadInput(
            "--as --prefix", Text("they exclude each other", "两者不能同时使用"), Text("give one", "只给一个")
        )


def _within(option: str, value: int | None, least: int, most: int) -> int | None:
    if value is not None and not least <= value <= most:
        raise BadInput(
            f"{option} {value}",
            Text(f"not between {least} and {most}", f"不在 {least} 到 {most} 之间"),
            Text("give a number in this range", "请给这个范围内的整数"),
        )
    return value


def _as_made(where: Place, bulk: BulkOptions, options: FileOptions, model_path: str | None) -> BulkOptions:
    """The options of a run whose output may be whole already: what a server would tell is taken from that output."""
    from bgecheck.bulk.output import finished

    about = finished(where) or {}
    made = about.get("options", {})
    prefix = options.prefix or ""
    if options.as_ is not None:
        try:
            prefix = instruction(options.as_, None, model_path or about.get("model"), lambda words: None)
        except BadInput:  # by another name than the model's own, behind which the server's process told which it is
            prefix = made.get("prefix", "")
    size = options.chunk or (made.get("size", 0) if options.truncate else 0)
    return replace(bulk, prefix=prefix, size=size)


def _exit_if_whole(where: Place, texts: Texts, bulk: BulkOptions, language: Language) -> None:
    """Exit where the output is whole already, as a script that always resumes finds it. Raises `BadInput`."""
    from bgecheck.bulk.embedding import already

    about = already(where, texts, bulk)
    if about is not None:
        to_stdout(
            Text(
                f"{where.out} is whole already: {about['records']} texts",
                f"{where.out} 已经完成：{about['records']} 条文本",
            ).to(language)
        )
        raise typer.Exit(0)
    if where.out.exists():
        raise BadInput(
            str(where.out),
            Text("is there already, and not from a run that can be resumed", "已存在，且不是可以继续的运行留下的"),
            Text("give --overwrite, or another name", "加上 --overwrite，或换一个名字"),
        )


def _require_files(outputs: Sequence[str]) -> None:
    """Raise `BadInput` for a report on stdout, where the line of the run goes."""
    for one in outputs:
        name, _, path = one.partition("=")
        if name != "table" and path in ("", "-"):
            raise BadInput(
                f"--input -o {one}",
                Text("the last line of the run goes to stdout", "stdout 留给本次运行的结果行"),
                Text(f"write the report into a file: -o {name}=FILE", f"把报告写进文件：-o {name}=文件"),
            )


def _require_right(chosen: Sequence[Subject], targets: Sequence[Target], shown: Callable[[Report], Report]) -> None:
    """Judge each server's vectors and settings by a few texts; where a row fails, deliver the reports and exit.

    Reports into files are written either way.
    """
    jobs = [job("embed", ["launch", "embed"], replace(one.run, quick=True), cheap=True) for one in chosen]
    reports = [shown(examine(one.plan, at)) for one, at in zip(jobs, targets, strict=True)]
    if any(finding.status is Status.FAIL and not finding.ignored for report in reports for finding in report.findings):
        deliver(jobs[0], reports)
    for sink in jobs[0].sinks:
        if sink.path is not None:
            sink.write(reports)


def _model_of(server: Replica, at: Target) -> str | None:
    return at.model_path or server.server.model_name()


def _estimated(missing: Unavailable) -> Text:
    return Text(
        "lengths are estimated, one token a Chinese character, one for three letters: {why}",
        "长度为估算（一个汉字一个 token，三个字母一个 token）：{why}",
    ).filled({"why": missing.reason})


def _doubtful(words: Text, since: int | None, where: Place) -> Text:
    """What is wrong, and from which record on vectors are in doubt."""
    if since is None:
        return words
    if not since:
        return Text(
            f"{words.en}. No vector is sure, and none is kept. Mend the server, then begin anew with --overwrite",
            f"{words.zh}。没有一条向量可以确认，都不保留。修好服务后用 --overwrite 重新开始",
        )
    return Text(
        f"{words.en}. Vectors are doubtful from record {since + 1} on; the {since} before it lie between right answers "
        f"and are kept in {where.folder}. Mend the server, then go on with --resume",
        f"{words.zh}。从第 {since + 1} 条起的向量不可信；之前的 {since} 条前后都核对无误，保存在 {where.folder}。"
        "修好服务后用 --resume 继续",
    )


def go_on(kept: str) -> Text:
    """Where the work of an interrupted run is kept, and the command that goes on with it."""
    words = [word for word in sys.argv[1:] if word not in ("--overwrite", "--resume")]
    hidden = any(word.startswith(("--api-key", "--against-key")) for word in words)
    line = "--resume" if hidden else f"bgecheck {shlex.join([*words, '--resume'])}"
    return Text(
        f"what was done is kept in {kept}; go on with: {line}",
        f"已完成的部分保存在 {kept}；继续：{line}",
    )
