"""Embeds a file of texts: window after window to the servers, and in the order of the file into the output."""

from __future__ import annotations

import base64
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from bgecheck.bulk import control
from bgecheck.bulk.errors import WrongVectors
from bgecheck.bulk.options import BulkOptions
from bgecheck.bulk.output import finish, finished
from bgecheck.bulk.replica import Replica
from bgecheck.bulk.sending import Sending
from bgecheck.bulk.store import SCHEMA, Done, Place, Store, identity_of
from bgecheck.bulk.tokens import Counter
from bgecheck.bulk.window import Window, prepared, windows
from bgecheck.model import BadInput, Text, Unavailable, clean, reason_of
from bgecheck.textfile.reading import Texts
from bgecheck.textfile.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_WINDOWS = 32
"""Windows that are in memory at once: with vectors of 1024 floats some 40 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    done: int
    """Records that are in the output, those of earlier runs too."""
    of: int
    rejected: int
    rate: float
    """Texts a second, in this run."""
    in_flight: int
    """Requests that the servers are at."""

    @property
    def remaining(self) -> float | None:
        """Seconds to the end at this rate; None where there is none yet."""
        return (self.of - self.done) / self.rate if self.rate else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of a run."""

    texts: int
    """Records in the input."""
    rows: int
    """In the output: more than texts where they are kept in pieces."""
    rejected: Mapping[str, int]
    """By reason."""
    tokens: int
    seconds: float
    """Of all runs that it took."""
    rate: float
    """Texts a second, in the last run."""
    dims: int


Note = Callable[[Text], None]


def identity(texts: Texts, where: Place, options: BulkOptions, model: str | None, dims: int) -> dict[str, Any]:
    """What a run has to have in common with the one that it goes on with."""
    return {
        "schema": SCHEMA,
        "input": {"sha256": texts.digest, "records": texts.count, "column": texts.column},
        "model": model,
        "dims": dims,
        "form": where.form,
        "options": options.identity(),
    }


def already(where: Place, texts: Texts, options: BulkOptions) -> Mapping[str, Any] | None:
    """What is in the output, where it is whole and of this input and these options. Raises `BadInput` for another."""
    about = finished(where)
    if about is not None and not where.journal.exists():
        ours = identity(texts, where, options, about.get("model"), about.get("dims", 0))
        _require_same(where, about, ours)
        return about
    return None


def embed_file(
    texts: Texts,
    where: Place,
    replicas: Sequence[Replica],
    counter: Counter,
    options: BulkOptions,
    *,
    resume: bool,
    note: Note,
    on_progress: Callable[[Progress], None],
) -> Summary:
    """Embed a file with servers that were proved, into `where`, which was prepared; go on where a run was begun.

    Raises `BadInput` where it was begun with something else, `WrongVectors`, and `Unavailable` where no server answers
    any more or the disk is full; what was done until then is on the disk.
    """
    right = replicas[0].control
    assert right is not None, "the servers are proved"
    ours = identity(texts, where, options, replicas[0].server.model_name(), len(right))
    if resume:
        _require_same(where, identity_of(where), ours)
        _require_same_server(where, right)
    ours["control"] = base64.b64encode(right.astype("<f4").tobytes()).decode()
    store = Store(where, ours, len(right), options.too_long == "apart")
    run = _Run(store, Sending(replicas, options, note), counter, options, texts.count, control.is_unit(right))
    try:
        run.go_on(texts, on_progress)
    except WrongVectors as wrong:
        wrong.since = store.done.records
        raise
    finally:
        run.sending.stop()
        _keep(store)
    _finish(where, ours, store.done, texts)
    return run.summary()


def _keep(store: Store) -> None:
    """Bring to the disk what is whole, however the run ends."""
    try:
        store.sync()
    finally:
        store.close()


def _finish(where: Place, ours: Mapping[str, Any], done: Done, texts: Texts) -> None:
    try:
        finish(where, ours, done, texts)
    except OSError as error:
        why = reason_of(error)
        raise Unavailable(
            Text(
                f"{where.out} cannot be written: {why.en}; all vectors are in {where.folder}, go on with --resume",
                f"{where.out} 无法写入：{why.zh}；全部向量已保存在 {where.folder}，处理后用 --resume 继续",
            )
        ) from error


@dataclass(slots=True)
class _Run:
    """One run from where it begins to its end."""

    store: Store
    sending: Sending
    counter: Counter
    options: BulkOptions
    count: int
    unit: bool
    began: float = 0.0

    def go_on(self, texts: Texts, on_progress: Callable[[Progress], None]) -> None:
        """Send what is not done yet, and write what comes back in the order of the input."""
        self.began = time.monotonic()
        pending: deque[Window] = deque()
        some = windows(_rest(texts, self.store.done.records, self.count))
        more = True
        while more or pending:
            while more and len(pending) < MOST_WINDOWS and self.sending.wants_more():
                more = self._submit(some, pending)
            if pending and self.sending.wait(pending[0]):
                self.store.write(pending.popleft(), self.unit)
            on_progress(self.progress())

    def _submit(self, some: Iterator[list[Record]], pending: deque[Window]) -> bool:
        records = next(some, None)
        if records is None:
            return False
        window = prepared(records, self.counter, self.options)
        self.sending.submit(window)
        pending.append(window)
        return True

    def progress(self) -> Progress:
        """How far it is."""
        done = self.store.done
        return Progress(
            done=done.records,
            of=self.count,
            rejected=sum(done.rejected.values()),
            rate=self._rate(),
            in_flight=sum(replica.pace.in_flight for replica in self.sending.replicas),
        )

    def _rate(self) -> float:
        seconds = time.monotonic() - self.began
        return (self.store.done.records - self.store.resumed_at) / seconds if seconds > 0 else 0.0

    def summary(self) -> Summary:
        """What came of it."""
        done = self.store.done
        return Summary(
            texts=done.records,
            rows=done.rows,
            rejected=dict(done.rejected),
            tokens=done.tokens,
            seconds=done.seconds,
            rate=self._rate(),
            dims=self.store.dims,
        )


def _rest(texts: Texts, done: int, count: int) -> Iterator[Record]:
    """The records that are not done, as many as there were when the file was counted. Raises `BadInput`."""
    at = done
    for record in islice(texts, done, count):
        at += 1
        yield record
    if at < count:
        raise BadInput(
            texts.path,
            Text(
                f"it had {count} texts, and now has {at}: it was changed",
                f"原有 {count} 条，现在只有 {at} 条：文件被改动",
            ),
            Text("begin anew with --overwrite", "用 --overwrite 重新开始"),
        )


_DIFFERENCES = {
    "input": Text("the input is another", "输入文件不同"),
    "model": Text("the model is another", "模型不同"),
    "dims": Text("the vectors have another dimension", "向量维度不同"),
    "form": Text("the output has another form", "输出格式不同"),
    "options": Text("the options are others", "选项不同"),
}


def _require_same(where: Place, begun: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    for name, words in _DIFFERENCES.items():
        if begun.get(name) == ours[name]:
            continue
        before, now = _shown(begun.get(name), ours[name]), _shown(ours[name], begun.get(name))
        raise BadInput(
            "--resume",
            Text(
                f"{words.en} than {where.out.name} was begun with: {before} then, {now} now",
                f"{words.zh}，与 {where.out.name} 开始时不一致：当时 {before}，现在 {now}",
            ),
            Text("give the same ones, or begin anew with --overwrite", "换回原来的，或用 --overwrite 重新开始"),
        )


def _shown(value: Any, other: Any) -> str:
    """A value, of a mapping what differs from the other one."""
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        value = ", ".join(f"{key} {_plain(value[key])}" for key in value if value[key] != other.get(key))
    return clean(str(value), 120)


def _plain(value: Any) -> str:
    """A value that can be told from none."""
    return "-" if value in (None, "") else str(value)


def _require_same_server(where: Place, right: NDArray[np.float32]) -> None:
    """Raise `BadInput` where the server computes otherwise than when the run was begun."""
    import numpy as np

    kept = np.frombuffer(base64.b64decode(identity_of(where)["control"]), "<f4")
    cosine = control.cosine(kept, right)
    if not control.SAME.admits(cosine):
        raise BadInput(
            "--resume",
            Text(
                f"the server gives another vector of the control text than when {where.out.name} was begun: cosine "
                f"{cosine:.4f}, expected {control.SAME}",
                f"对照文本的向量和 {where.out.name} 开始时不同：余弦相似度 {cosine:.4f}（应为 {control.SAME}）",
            ),
            Text(
                "start the server as it was, or begin anew with --overwrite",
                "让服务恢复原来的模型和参数，或用 --overwrite 重新开始",
            ),
        )
