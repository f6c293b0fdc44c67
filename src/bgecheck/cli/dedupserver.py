"""The vectors of `bgecheck dedup` from a server: found, proved, and asked for all texts of a file."""

from __future__ import annotations

from contextlib import ExitStack
from tempfile import TemporaryDirectory

from typer import Exit

from bgecheck.bulk.errors import WrongVectors
from bgecheck.bulk.options import BulkOptions
from bgecheck.cli.bulk import WRONG, instruction
from bgecheck.cli.bulkshown import shown_progress
from bgecheck.cli.deduplicating import Request
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import target
from bgecheck.cli.stderr import to_stderr
from bgecheck.cli.subjects import subject
from bgecheck.dedup.embedded import embedded
from bgecheck.dedup.writing import STDOUT
from bgecheck.model import Text
from bgecheck.textfile.reading import Texts


def vectors_of_server(asked: Request, records: Texts, stack: ExitStack) -> str:
    """A file with the vectors of all records: beside the output, or one that goes with `stack`.

    Raises `BadInput`, `Unavailable`; exits with 1 where the vectors are wrong.
    """
    server = target(subject(asked.ctx).options)

    def note(words: Text) -> None:
        to_stderr(words, asked.language, server.secrets())

    if asked.write in (None, STDOUT):
        out = f"{stack.enter_context(TemporaryDirectory(prefix='bgecheck-'))}/vectors.npy"
    else:
        out = f"{asked.write}.vectors.npy"
    given = asked.ctx.params
    try:
        with shown_progress(asked.language) as show:
            return embedded(
                *(records, out, server, BulkOptions(seconds=seconds("--timeout", given["timeout"]))),
                instruction=lambda name: instruction(given["as_"], given["prefix"], server.model_path or name, note),
                resume=asked.resume,
                overwrite=asked.overwrite,
                note=note,
                on_progress=show,
            )
    except WrongVectors as wrong:
        note(wrong.words)
        raise Exit(WRONG) from wrong
