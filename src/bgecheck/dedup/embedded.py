"""The vectors of texts from a server, each text asked for once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from bgecheck.engines.server import Server
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.http.embeddings import Embedded
from bgecheck.model import Target, Text, Unavailable
from bgecheck.model.deadline import Deadline

BATCH = 32
"""Texts of one request; a server that computes fewer at once is asked for those."""


def embedded(
    target: Target, texts: Sequence[str], timeout: float, progress: Callable[[int, int], None]
) -> NDArray[np.float32]:
    """Vectors of shape (len(texts), dims). Raises `Unavailable` where the server gives none."""
    rows: list[NDArray[np.float32]] = []
    with closing(Server(target, Deadline(timeout * (2 + len(texts))), timeout, PAGES)) as server:
        for start in range(0, len(texts), BATCH):
            answer = server.embed_in_parts(texts[start : start + BATCH])
            if not isinstance(answer, Embedded):
                raise Unavailable(Text(f"no vectors of texts {start} to {start + BATCH}", ""))
            rows.append(np.array(answer.vectors, np.float32))
            progress(start + len(rows[-1]), len(texts))
    return np.concatenate(rows)
