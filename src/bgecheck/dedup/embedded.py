"""The vectors of a file of texts from a server, written into a file that the comparison maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bgecheck.bulk.embedding import Note, Progress, already, embed_file
from bgecheck.bulk.options import BulkOptions
from bgecheck.bulk.start import replicas
from bgecheck.bulk.store import place, prepare
from bgecheck.bulk.tokens import Estimated
from bgecheck.model import Target
from bgecheck.textfile.reading import Texts


def embedded(
    texts: Texts,
    out: str,
    target: Target,
    options: BulkOptions,
    *,
    instruction: Callable[[str | None], str],
    resume: bool,
    overwrite: bool,
    note: Note,
    on_progress: Callable[[Progress], None],
) -> str:
    """`out`, a .npy with a row for each text: NaN where the server gives none.

    What is there whole, or begun, is gone on with where `resume` says so; `instruction` gives what is put before each
    text, by the model's name. Raises `BadInput`, `WrongVectors`, and `Unavailable` where no server answers.
    """
    where = place(out)
    begun = prepare(where, resume=resume, overwrite=overwrite)
    servers = replicas([target], options, note)
    options = replace(options, prefix=instruction(servers[0].server.model_name()))
    if not (resume and already(where, texts, options)):
        embed_file(texts, where, servers, Estimated(), options, resume=begun, note=note, on_progress=on_progress)
    return out
