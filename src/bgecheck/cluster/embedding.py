"""Embeds the texts of a Ray dataset: each worker sends as `embed --input` does, all within the servers' slots."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from bgecheck.bulk import control
from bgecheck.bulk.errors import WrongVectors
from bgecheck.bulk.options import BulkOptions
from bgecheck.bulk.sending import Sending
from bgecheck.bulk.start import replicas
from bgecheck.bulk.store import averaged
from bgecheck.bulk.tokens import Estimated
from bgecheck.bulk.window import RECORDS, Rejection, Window, prepared, windows
from bgecheck.cluster.gate import turns
from bgecheck.cluster.required import require_among, require_columns, required
from bgecheck.http.address import parse_url
from bgecheck.model import BadInput, Language, Redactor, Secret, Target, Text, Unavailable
from bgecheck.textfile.record import Problem, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 4 * RECORDS
"""Rows that a worker is given at once: four windows."""

Columns = Mapping[str, "NDArray[Any]"]
"""A batch of a dataset as `map_batches` gives it: an array for each column."""


class EmbeddingStopped(Exception):
    """The vectors of a server are wrong, or no server gives any more; one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The columns that are read and written."""

    text: str = "text"
    vector: str = "vector"
    reason: str = "reason"
    """Why there is no vector: as in `FILE.rejected.jsonl`, empty where there is one."""
    message: str = "message"
    """The server's own words, where it gave any."""


def targets_of(urls: Sequence[str], *, model: str | None = None, key: Secret | None = None) -> list[Target]:
    """Servers by their URLs; the key is that of BGECHECK_API_KEY where none is given. Raises `BadInput`."""
    found = os.environ.get("BGECHECK_API_KEY")
    secret = key if key is not None else Secret(found) if found else None
    addresses = [parse_url(url) for url in urls]
    if not addresses:
        raise BadInput(
            "urls", Text("no server is named", "没有给出服务地址"), Text("give their URLs", "给出服务的 URL")
        )
    return [
        Target(url=one.url, host=one.host, port=one.port, model=model, api_key=secret, given_url=given)
        for one, given in zip(addresses, urls, strict=True)
    ]


class Embedder:
    """What `map_batches` calls in each worker: batches with texts in, the same with vectors and reasons out."""

    def __init__(
        self,
        targets: Sequence[Target],
        options: BulkOptions | None = None,
        names: Names | None = None,
        language: Language = "en",
    ) -> None:
        """Prove the servers, as a run on one machine does. Raises `EmbeddingStopped`, `BadInput`."""
        self._options, self._names, self._language = options or BulkOptions(), names or Names(), language
        require_rows(self._options)
        self._redactor = Redactor([secret for one in targets for secret in one.secrets()])
        try:
            self._replicas = replicas(targets, self._options, self._note, self._turns())
        except (WrongVectors, Unavailable) as stopped:
            self._stop(stopped)
        right = self._replicas[0].control
        assert right is not None, "the servers are proved"
        self._unit, self._dims = control.is_unit(right), len(right)
        self._sending = Sending(self._replicas, self._options, self._note)

    def _turns(self) -> Callable[[str, int], Callable[[], AbstractContextManager[None]]]:
        return turns(self._options.patience + self._options.seconds)

    def __call__(self, batch: Columns) -> dict[str, NDArray[Any]]:
        """The batch with a float32 row for each text, NaN where it has none, and why.

        Raises `EmbeddingStopped`, and `BadInput` where the column of texts is not there.
        """
        require_among(list(batch), text=self._names.text)
        records = _records(batch[self._names.text])
        some = [prepared(part, Estimated(), self._options) for part in windows(records)]
        try:
            for window in some:
                self._sending.submit(window)
            for window in some:
                while not self._sending.wait(window):
                    pass
        except (WrongVectors, Unavailable) as stopped:
            self._stop(stopped)
        return {**batch, **self._columns(some)}

    def close(self) -> None:
        """End what goes on in this process; a worker of Ray ends with all that it has."""
        self._sending.stop()
        for replica in self._replicas:
            replica.server.close()

    def _columns(self, some: Sequence[Window]) -> dict[str, NDArray[Any]]:
        import numpy as np

        rows: list[bytes | None] = []
        rejections: list[Rejection | None] = []
        for window in some:
            for pieces in window.by_record():
                rejection = next((piece.rejection for piece in pieces if piece.rejection), None)
                rejections.append(rejection)
                rows.append(averaged(pieces, self._unit) if rejection is None else None)
        vectors = np.full((len(rows), self._dims), np.nan, np.float32)
        for place, row in enumerate(rows):
            if row is not None:
                vectors[place] = np.frombuffer(row, "<f4")
        reasons = [(one.reason, one.message) if one else ("", "") for one in rejections]
        return {
            self._names.vector: vectors,
            self._names.reason: np.array([reason for reason, _ in reasons], object),
            self._names.message: np.array([self._redactor.text(message) for _, message in reasons], object),
        }

    def _note(self, words: Text) -> None:
        """A line into the log of the worker, which Ray shows to the driver."""
        print(f"bgecheck: {self._redactor.text(words.to(self._language))}", file=sys.stderr, flush=True)

    def _stop(self, stopped: WrongVectors | Unavailable) -> NoReturn:
        words = stopped.words if isinstance(stopped, WrongVectors) else stopped.reason
        line = words.to(self._language) if isinstance(words, Text) else words
        raise EmbeddingStopped(self._redactor.text(line)) from None  # what Ray carries to the driver is this line alone


def require_rows(options: BulkOptions) -> None:
    """Raise `BadInput` where texts are kept in pieces (a batch has a row for each text), or cut to no length."""
    if options.too_long != "refuse" and options.size <= 0:
        raise BadInput(
            f'too_long="{options.too_long}"',
            Text("it needs the tokens of a piece", "需要给出每块的 token 数"),
            Text("give size=500", "加上 size=500"),
        )
    if options.too_long == "apart":
        raise BadInput(
            'too_long="apart"',
            Text("a row is given for each text, and not for each piece", "每条文本一行，不能每块一行"),
            Text('take "average" or "truncate"', '改用 "average" 或 "truncate"'),
        )


def embedded(
    dataset: Any,
    targets: Sequence[Target],
    *,
    workers: int,
    options: BulkOptions | None = None,
    names: Names | None = None,
    batch: int = BATCH,
    cpus: float = 0.5,
    language: Language = "en",
) -> Any:
    """A dataset with vectors for the texts of `dataset`, embedded by so many workers of the cluster.

    Nothing is sent before the result is asked for. Raises `BadInput`.
    """
    ray = required()
    require_rows(options or BulkOptions())
    require_columns(dataset, text=(names or Names()).text)
    return dataset.map_batches(
        Embedder,
        fn_constructor_kwargs={"targets": targets, "options": options, "names": names, "language": language},
        batch_size=batch,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=cpus,
    )


def _records(texts: NDArray[np.generic]) -> list[Record]:
    records = []
    for number, text in enumerate(texts.tolist()):
        problem = _problem(text)
        records.append(Record(number, number + 1, "" if problem else text, problem, "row"))
    return records


def _problem(text: object) -> Problem | None:
    if text is None or text != text:  # NaN is how pandas writes that there is none
        return "no-value"
    if not isinstance(text, str):
        return "not-a-string"
    return "half-character" if any("\ud800" <= character <= "\udfff" for character in text) else None
