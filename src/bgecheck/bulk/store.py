"""The folder of a run that is not finished: vectors, rejected texts, and a journal of what of them is whole."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from bgecheck.bulk.window import Piece, Rejection, Window
from bgecheck.model import BadInput, Text, Unavailable, reason_of
from bgecheck.textfile.matrix import HEAD
from bgecheck.textfile.parquet import required
from bgecheck.textfile.record import Record
from bgecheck.textfile.tables import nothing

SCHEMA = "bgecheck.bulk/1"

Form = Literal["npy", "safetensors", "jsonl", "parquet"]
FORMS: tuple[Form, ...] = ("jsonl", "npy", "safetensors", "parquet")

SYNC_SECONDS = 1.0
"""What was done in the last second may be done again after a kill, and the disk is not asked more often."""

SHOWN_TEXT = 200
"""Characters of a rejected text that are kept beside the reason."""

HEAD_BYTES = {"npy": HEAD["npy"], "safetensors": HEAD["safetensors"], "jsonl": 0, "parquet": 0}


@dataclass(slots=True, kw_only=True)
class Done:
    """How far a run has come; a line of the journal."""

    records: int = 0
    rows: int = 0
    tokens: int = 0
    seconds: float = 0.0
    rejected: dict[str, int] = field(default_factory=dict)
    """Records without a vector, by reason."""
    rejected_bytes: int = 0
    """Of the file of rejected texts that belong to what is done."""
    pieces_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """The files of a run whose output is `out`."""

    out: Path
    form: Form

    @property
    def folder(self) -> Path:
        """What there is before the output."""
        return self.out.with_name(f"{self.out.name}.part")

    @property
    def journal(self) -> Path:
        """What of the folder is whole."""
        return self.folder / "journal.jsonl"

    @property
    def rejected(self) -> Path:
        """The texts that have no vector, with the reason of each."""
        return self.out.with_name(f"{self.out.name}.rejected.jsonl")

    @property
    def pieces(self) -> Path:
        """Of texts that are kept in pieces: which row is which piece of which text."""
        return self.out.with_name(f"{self.out.name}.pieces.jsonl")

    @property
    def run(self) -> Path:
        """What the output was made of, and how."""
        return self.out.with_name(f"{self.out.name}.run.json")


def place(out: str) -> Place:
    """Where the output goes, and in which form, by its ending. Raises `BadInput`."""
    form = next((form for form in FORMS if out.lower().endswith(f".{form}")), None)
    if form is None:
        listed = ", ".join(f".{form}" for form in FORMS)
        raise BadInput(
            f"--to {out}",
            Text("its extension is not a supported format of vectors", "后缀不是支持的向量格式"),
            Text(f"choose: {listed}", f"可选：{listed}"),
        )
    where = Place(Path(out), form)
    why = _unusable(where)
    if why is not None:
        raise BadInput(
            f"--to {out}",
            why,
            Text("name a file in a folder that exists and is yours to write", "换成一个可写目录下的文件"),
        )
    if form == "parquet":
        required(out)  # here, and not once all texts are embedded
    return where


def _unusable(where: Place) -> Text | None:
    """Why nothing can be written there; None where it can."""
    parent = where.out.absolute().parent
    if where.out.is_dir():
        return Text("is a folder", "是目录")
    if not parent.is_dir():
        return Text("its folder does not exist", "所在目录不存在")
    if not os.access(parent, os.W_OK):
        return Text("its folder cannot be written", "所在目录不可写")
    if where.folder.exists() and not where.folder.is_dir():
        name = where.folder.name
        return Text(f"{name} beside it is no folder of an unfinished run", f"旁边的 {name} 不是未完成运行的目录")
    return None


def prepare(where: Place, *, resume: bool, overwrite: bool) -> bool:
    """Whether a run goes on that was begun; nothing that exists is touched unless it may be. Raises `BadInput`."""
    begun = where.journal.exists()
    if overwrite:
        _require_nobody_there(where)
        with _disk(where.folder):
            if where.folder.exists():
                shutil.rmtree(where.folder)
        return False
    if resume:
        return begun
    if begun or where.out.exists():
        shown = where.folder if begun else where.out
        raise BadInput(
            str(shown),
            Text("is there already: an unfinished run", "已存在：上次没有跑完")
            if begun
            else Text("is there already", "已存在"),
            Text("go on with --resume, or begin anew with --overwrite", "用 --resume 继续，或用 --overwrite 重新开始")
            if begun
            else Text("give --overwrite, or another name", "加上 --overwrite，或换一个名字"),
        )
    return False


def _require_nobody_there(where: Place) -> None:
    """Raise `BadInput` where a run is at work, whose files would be removed below it."""
    if where.journal.exists():
        with suppress(OSError), where.journal.open("ab") as journal:
            _lock(journal, where)


class Store:
    """The files of a run while it goes on. What `write` was given is whole on disk once the journal says so."""

    def __init__(self, where: Place, identity: Mapping[str, Any], dims: int, apart: bool) -> None:
        """Open the folder of a run, made where there is none. Raises `BadInput`, and `Unavailable` for a full disk."""
        self.where = where
        self.dims = dims
        self._apart = apart
        self._row_bytes = 4 * dims
        self._files = ExitStack()
        with self._files, _disk(where.folder):
            where.folder.mkdir(exist_ok=True)
            _begin(where, identity)
            self._journal = self._files.enter_context(where.journal.open("ab"))
            _lock(self._journal, where)  # first of all: what is cut off below would be cut off below another run
            self.identity, self.done = _read(where, cut=True)
            self._rows = self._at("rows", HEAD_BYTES[where.form] + self.done.rows * self._row_bytes)
            self._rejected = self._at("rejected.jsonl", self.done.rejected_bytes)
            self._pieces = self._at("pieces.jsonl", self.done.pieces_bytes)
            self._files = self._files.pop_all()  # else closed here, as all are where one cannot be opened
        self.resumed_at = self.done.records
        self._seconds = self.done.seconds
        self._began = self._synced = time.monotonic()

    def write(self, window: Window, unit: bool) -> None:
        """Append a window; `unit` says that vectors have length 1. Raises `Unavailable` where the disk is full."""
        with _disk(self.where.folder):
            if self._apart:
                self._write_pieces(window)
            else:
                self._write_records(window, unit)
            self.done.records += len(window.records)
            self.done.tokens += window.tokens
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self.sync()

    def sync(self) -> None:
        """Bring what was written to the disk, then say so in the journal."""
        with _disk(self.where.folder):
            for file in (self._rows, self._rejected, self._pieces):
                file.flush()
                os.fsync(file.fileno())
            self.done.seconds = self._seconds + time.monotonic() - self._began
            self.done.rejected_bytes, self.done.pieces_bytes = self._rejected.tell(), self._pieces.tell()
            self._journal.write(_line(asdict(self.done)))
            self._journal.flush()
            os.fsync(self._journal.fileno())
            self.where.journal.stat()  # files that were removed can be written to the end, for nothing
        self._synced = time.monotonic()

    def close(self) -> None:
        """Close the files, whatever state they are in."""
        with suppress(OSError):
            self._files.close()

    def _at(self, name: str, size: int) -> BinaryIO:
        """A file of the folder, cut to what is whole of it."""
        path = self.where.folder / name
        file = self._files.enter_context(path.open("r+b" if path.exists() else "w+b"))
        have = file.seek(0, os.SEEK_END)
        if have < size and name == "rows" and not self.done.records:
            file.write(bytes(size - have))  # the head, which is written last
        elif have < size:
            raise BadInput(
                str(path),
                Text(f"has {have} bytes, and the journal says {size}", f"只有 {have} 字节，而日志记录为 {size} 字节"),
                Text("begin anew with --overwrite", "用 --overwrite 重新开始"),
            )
        file.truncate(size)
        file.seek(size)
        return file

    def _write_records(self, window: Window, unit: bool) -> None:
        rows = []
        for record, pieces in zip(window.records, window.by_record(), strict=True):
            rejection = next((piece.rejection for piece in pieces if piece.rejection), None)
            if rejection is not None:
                self._reject(record, rejection, None)
                rows.append(nothing(self.dims))
            else:
                rows.append(averaged(pieces, unit))
        self._append(rows)

    def _write_pieces(self, window: Window) -> None:
        rows = []
        for piece in window.pieces:
            record = window.records[piece.record]
            if piece.rejection is not None:
                self._reject(record, piece.rejection, piece.chunk)
            rows.append(nothing(self.dims) if piece.vector is None else piece.vector.astype("<f4").tobytes())
            self._pieces.write(_line({"number": record.number, "chunk": piece.chunk, "text": piece.part}))
        self._append(rows)

    def _append(self, rows: Sequence[bytes]) -> None:
        self._rows.write(b"".join(rows))
        self.done.rows += len(rows)

    def _reject(self, record: Record, rejection: Rejection, chunk: int | None) -> None:
        tally = Tally(self.done.rejected)
        tally[rejection.reason] += 1
        self.done.rejected = dict(tally)
        line: dict[str, Any] = {"number": record.number, record.unit: record.position, "reason": rejection.reason}
        line |= {} if chunk is None else {"chunk": chunk}
        line |= {"message": rejection.message} if rejection.message else {}
        self._rejected.write(_line({**line, "text": record.text[:SHOWN_TEXT]}))


def averaged(pieces: Iterable[Piece], unit: bool) -> bytes:
    """One vector: the only one, or the mean of the pieces' by their tokens, at length 1 where theirs have it."""
    import numpy as np

    parts = [(piece.vector, piece.tokens) for piece in pieces if piece.vector is not None]
    if len(parts) == 1:
        return parts[0][0].astype("<f4").tobytes()
    vectors = np.stack([vector for vector, _ in parts]).astype(np.float64)
    mean = np.average(vectors, axis=0, weights=[max(1, tokens) for _, tokens in parts])
    if unit:
        mean /= np.linalg.norm(mean) or 1.0
    return mean.astype("<f4").tobytes()


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _begin(where: Place, identity: Mapping[str, Any]) -> None:
    """Make the journal where there is none; it is never there without its first line."""
    if not where.journal.exists():
        partial = where.folder / "journal.new"
        partial.write_bytes(_line(identity))
        os.replace(partial, where.journal)


def _read(where: Place, *, cut: bool) -> tuple[dict[str, Any], Done]:
    """The identity in the journal, and how far the run has come; `cut` takes the half of a line at its end away."""
    lines = where.journal.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith(b"\n")]
    if cut and len(whole) < len(lines):
        os.truncate(where.journal, sum(map(len, whole)))
    try:
        begun, *steps = map(json.loads, whole)
        return begun, Done(**steps[-1]) if steps else Done()
    except (ValueError, TypeError):
        raise BadInput(
            str(where.journal),
            Text("is damaged", "已损坏"),
            Text("begin anew with --overwrite", "用 --overwrite 重新开始"),
        ) from None


def identity_of(where: Place) -> Mapping[str, Any]:
    """What an unfinished run was begun with, which may be at work. Raises `BadInput` where that cannot be read."""
    try:
        return _read(where, cut=False)[0]
    except FileNotFoundError:
        raise BadInput(
            str(where.folder),
            Text("was there when this run began, and is not any more", "开始时还在，现在已经没有了"),
            Text(
                "another run has ended, or removed it: give the same command again",
                "另一个进程已经跑完，或把它删掉了：重新运行同一条命令",
            ),
        ) from None


def _lock(file: BinaryIO, where: Place) -> None:
    """Keep another run out for as long as this process lives; where the system has no such locks, nothing does."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BadInput(
            str(where.folder),
            Text("another run writes there", "另一个进程正在写"),
            Text("wait for its end, or name another output", "等它结束，或换一个输出文件"),
        ) from None
    except OSError:  # a file system without locks
        return


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turns what the system says of a disk into one line, which promises only what is still there."""
    try:
        yield
    except OSError as error:
        why = reason_of(error)
        kept = (
            Text(
                "what was done is kept; mend that, then go on with --resume",
                "已完成的部分已保留，处理后用 --resume 继续",
            )
            if path.is_dir()
            else Text("nothing of this run is kept; mend that, then begin anew", "没有留下任何结果，处理后重新开始")
        )
        raise Unavailable(
            Text(f"{path} cannot be written: {why.en}; {kept.en}", f"{path} 无法写入：{why.zh}；{kept.zh}")
        ) from error
