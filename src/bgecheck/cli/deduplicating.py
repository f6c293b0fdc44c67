"""The run of `bgecheck dedup`: texts and vectors in, what is kept and the reports out."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

from typer import Context

from bgecheck.cli.apart import require_apart
from bgecheck.cli.blank import is_typed, not_blank, source
from bgecheck.cli.comparing import comparing
from bgecheck.cli.language import language
from bgecheck.cli.nearest import one_of
from bgecheck.cli.output import FOR_PROGRAMS, put_in_place, require_writable, stdout_screen
from bgecheck.cli.stderr import to_stderr
from bgecheck.cli.stdout import require_stdout, to_stdout
from bgecheck.dedup.checkpoint import Checkpoint, Origin
from bgecheck.dedup.deduplicated import deduplicated
from bgecheck.dedup.outcome import Outcome
from bgecheck.dedup.vectorfile import digest, open_vectors
from bgecheck.dedup.vectors import Vectors
from bgecheck.dedup.writing import STDOUT, dropped_path, lines_of_texts, require_form, require_lines, write
from bgecheck.model import BadInput, Language, Text, Unavailable, reason_of
from bgecheck.render.dedup.payload import outcome_as_json
from bgecheck.render.dedup.terminal import drawn_outcome
from bgecheck.render.dedup.webpage import outcome_page
from bgecheck.render.screen import screen
from bgecheck.textfile.reading import Texts, open_texts

GUIDES = 0.85
"""The guide's threshold, which is taken where none is given."""
FORMATS = ("table", "html", "json")


_OF_SERVER = {
    "as_": "--as",
    "prefix": "--prefix",
    "url": "--url",
    "named": "--target",
    "pid": "--pid",
    "log": "--log",
    "model": "--model",
    "model_path": "--model-path",
    "config": "--config",
}
"""Options that another run on the same texts needs too, to come to the same vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for."""

    ctx: Context
    language: Language
    path: str | None
    column: str | None
    vectors: str | None
    threshold: float
    calibrated: bool
    """Whether the threshold was given."""
    write: str | None
    groups: bool
    resume: bool
    overwrite: bool
    reports: tuple[tuple[str, str | None], ...]
    """Formats with their files; None is stdout."""

    def again(self, *options: str) -> str:
        """The command line of another run on the same texts, to be copied."""
        words = ["bgecheck", "dedup", *([self.path] if self.path else [])]
        words += ["--column", self.column] if self.column else []
        words += ["--vectors", self.vectors] if self.vectors else self._server()
        return shlex.join([*words, *options])

    def _server(self) -> list[str]:
        """What the command line says of the server and of what is put before each text; a key is never shown."""
        given = [(flag, self.ctx.params[name]) for name, flag in _OF_SERVER.items() if is_typed(self.ctx, name)]
        return [
            word
            for flag, values in given
            for value in (values if isinstance(values, list | tuple) else [values])
            for word in (flag, str(value))
        ]


def request(ctx: Context) -> Request:
    """The options of the command, understood before anything is read. Raises `BadInput`."""
    given = ctx.params
    for name in ("file", "column", "vectors", "calibrate", "write"):
        not_blank(name if name == "file" else f"--{name}", given[name])
    if given["as_"] is not None:
        from bgecheck.cli.bulk import require_side

        require_side(given["as_"], given["prefix"])
    if given["vectors"] is not None:
        _require_nothing_before(ctx)
    threshold = given["threshold"]
    return Request(
        ctx=ctx,
        language=language(given["lang"]),
        path=given["file"],
        column=given["column"],
        vectors=given["vectors"],
        threshold=GUIDES if threshold is None else threshold,
        calibrated=threshold is not None,
        write=given["write"],
        groups=given["groups"],
        resume=given["resume"],
        overwrite=given["overwrite"],
        reports=_reports(ctx),
    )


def _require_nothing_before(ctx: Context) -> None:
    """Raise `BadInput` for what would be put before texts that are not embedded."""
    for name, flag in (("as_", "--as"), ("prefix", "--prefix")):
        if is_typed(ctx, name):
            raise BadInput(
                flag,
                Text(
                    "--vectors are taken as they are, and no text is embedded", "--vectors 的向量直接使用，不再编码文本"
                ),
                Text("leave one of the two out", "两个只留一个"),
            )


def _reports(ctx: Context) -> tuple[tuple[str, str | None], ...]:
    given: Sequence[str] = ctx.params["output"] or ()
    if source(ctx, "output") == "ENVIRONMENT":  # the variable is meant for the reports of checks
        given = [item for item in given if item.partition("=")[0] in FORMATS]
    chosen = []
    for item in given:
        name, _, path = item.partition("=")
        one_of("-o", name, FORMATS)
        if path and path != STDOUT:
            require_writable(f"-o {name}={path}", path)
        chosen.append((name, path if path and path != STDOUT else None))
    if ctx.params["write"] == STDOUT:
        if any(path is None for _, path in chosen):
            raise BadInput(
                "--write - -o",
                Text("both go to stdout", "两者都输出到 stdout"),
                Text("write the report into a file: -o html=report.html", "把报告写进文件：-o html=report.html"),
            )
        return tuple(chosen)
    return tuple(chosen) if any(path is None for _, path in chosen) else (*chosen, (FORMATS[0], None))


def deduplicate(asked: Request) -> bool:
    """One run; whether some texts could not be compared. Raises `BadInput`, `Unavailable`."""
    path = require_path(asked)
    checkpoint_path = _require_place(asked)
    require_stdout()
    with open_texts(path, asked.column) as records, ExitStack() as stack:
        stack.enter_context(_saying_how_to_go_on(asked))
        texts = texts_of(records)
        if asked.write is not None:
            require_lines(asked.write, texts)
        numbers_path = vectors_path(asked, records, stack)
        vectors = open_vectors(numbers_path, texts)
        origin = {
            "texts": f"{records.digest} {records.column or ''}".strip(),
            "vectors": digest(numbers_path) if checkpoint_path else "",
            "threshold": repr(asked.threshold),
        }
        outcome = _decided(asked, texts, vectors, origin, checkpoint_path)
        _deliver(asked, outcome)
    return bool(outcome.apart)


@contextmanager
def _saying_how_to_go_on(asked: Request) -> Iterator[None]:
    """Names the command that goes on, where a run that is interrupted has something to go on with."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, Unavailable):
        kept = [f"{asked.write}.checkpoint", f"{asked.write}.vectors.npy.part"]
        there = next((one for one in kept if asked.write and os.path.exists(one)), None)
        if there is not None:
            from bgecheck.cli.bulk import go_on

            to_stderr(go_on(there), asked.language)
        raise


def require_path(asked: Request) -> str:
    """The file of texts. Raises `BadInput` where none was given."""
    if asked.path is None:
        raise BadInput(
            "FILE",
            Text("no file of texts is given", "没有给出文本文件"),
            Text("for example: bgecheck dedup questions.txt", "例如：bgecheck dedup questions.txt"),
        )
    return asked.path


def texts_of(records: Texts) -> list[str]:
    """All texts of a file in their order, blank where a record holds none. Raises `BadInput` where all of them are."""
    texts = [record.text for record in records]
    if not any(text.strip() for text in texts):
        raise BadInput(
            records.path, Text("there is no text in it", "里面没有文本"), Text("give a file of texts", "换一个文件")
        )
    return texts


def vectors_path(asked: Request, records: Texts, stack: ExitStack) -> str:
    """The file of vectors that was given, else one that the server's are written into: beside the output, or for now.

    Raises `BadInput`, `Unavailable`; exits with 1 where the vectors are wrong.
    """
    if asked.vectors is not None:
        return asked.vectors
    from bgecheck.cli.dedupserver import vectors_of_server

    return vectors_of_server(asked, records, stack)


def _require_place(asked: Request) -> str | None:
    """Where the checkpoint is kept. Raises `BadInput` where the output cannot go to its place, or one is there."""
    path = asked.write
    if path is None or path == STDOUT:
        if asked.resume:
            raise BadInput(
                "--resume",
                Text("there is no output to go on with", "没有可以继续的输出"),
                Text("name it: --write kept.txt --resume", "指定输出：--write kept.txt --resume"),
            )
        return None
    require_form(path)
    for one in (path, dropped_path(path)):
        require_apart(f"--write {path}", one, asked.path, asked.vectors)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        _cannot_write(path, Text("no such folder", "目录不存在"))
    if os.path.isdir(path):
        _cannot_write(path, Text("is a folder", "是目录"))
    if not os.access(folder, os.W_OK):
        _cannot_write(path, Text("permission denied", "没有写权限"))
    checkpoint = f"{path}.checkpoint"
    if asked.overwrite:
        with suppress(FileNotFoundError):
            os.unlink(checkpoint)
        return checkpoint
    there = next((one for one in (path, dropped_path(path)) if os.path.exists(one)), None)
    if there is not None and not (asked.resume and os.path.exists(checkpoint)):
        raise BadInput(
            there,
            Text("it is there already, and no run that was interrupted", "文件已存在，也没有被中断的运行可以继续")
            if asked.resume
            else Text("it is there already", "文件已存在"),
            Text("add --overwrite, or name another file", "加 --overwrite，或换一个文件名"),
        )
    if os.path.exists(checkpoint) and not asked.resume:
        raise BadInput(
            checkpoint,
            Text("a run was interrupted here", "这里有一次被中断的运行"),
            Text("go on with --resume, or start anew with --overwrite", "用 --resume 继续，或用 --overwrite 重新开始"),
        )
    return checkpoint


def _decided(
    asked: Request, texts: Sequence[str], vectors: Vectors, origin: Origin, checkpoint_path: str | None
) -> Outcome:
    """What comes of the texts; of a run with an output what is decided is kept on the way."""
    with comparing(asked.language) as step:
        if checkpoint_path is None:
            return deduplicated(texts, vectors, asked.threshold, progress=step)
        try:
            with Checkpoint(checkpoint_path, origin) as checkpoint:
                outcome = deduplicated(texts, vectors, asked.threshold, checkpoint=checkpoint, progress=step)
                write(str(asked.write), outcome, groups=asked.groups)
                checkpoint.remove()
                return outcome
        except OSError as error:
            _cannot_write(str(error.filename or asked.write), reason_of(error), kept=True)


def _cannot_write(path: str, why: Text, *, kept: bool = False) -> NoReturn:
    remedy = Text("name a file in a folder that exists and is yours to write", "换成一个可写目录下的文件")
    if kept:
        remedy = Text(
            "make room, then go on with --resume: what was decided so far is kept",
            "清理空间后用 --resume 继续：已完成的部分都保留着",
        )
    raise BadInput(path, Text(f"cannot be written: {why.en}", f"无法写入：{why.zh}"), remedy)


def _deliver(asked: Request, outcome: Outcome) -> None:
    """The reports, those into files first; what is kept, where stdout takes it."""
    for name, path in sorted(asked.reports, key=lambda report: report[1] is None):
        text = _report(name, path, asked, outcome)
        if path is None:
            to_stdout(text, None if name == FORMATS[0] else FOR_PROGRAMS)
        else:
            try:
                put_in_place(path, text)
            except OSError as error:
                _cannot_write(path, reason_of(error))
    if asked.write == STDOUT:
        to_stdout("".join(lines_of_texts(outcome, asked.groups)), FOR_PROGRAMS)


def _report(name: str, path: str | None, asked: Request, outcome: Outcome) -> str:
    if name == "json":
        return outcome_as_json(outcome)
    on = screen(asked.language, verbose=False, terminal=False, encoding=FOR_PROGRAMS)
    command = asked.again("--calibrate", "pairs.csv")
    if name == "html":
        subject_ = os.path.basename(asked.path or "")
        return outcome_page(outcome, on, subject=subject_, calibrated=asked.calibrated, command=command)
    on = stdout_screen(asked.language) if path is None else on
    written = [] if asked.write in (None, STDOUT) else [str(asked.write), dropped_path(str(asked.write))]
    return drawn_outcome(
        outcome, on, every_group=asked.groups, written=written, calibrated=asked.calibrated, command=command
    )
