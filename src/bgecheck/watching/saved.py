"""Samples in a file: one line of JSON each, written as they come, and read back whatever became of the file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

from bgecheck.model import BadInput, Text, reason_of
from bgecheck.watching.history import Facts, History
from bgecheck.watching.sample import LINE_LIMIT, Sample, Watched, as_line, from_line

STDOUT = "-"


_HEAD = b'"schema":"bgecheck.watch/'
"""In each line of samples."""


def _require_samples(path: str) -> None:
    """Raise `BadInput` for a file that holds something else, which samples would be written behind."""
    if not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        begun = file.read(LINE_LIMIT)
    if begun and _HEAD not in begun:
        raise BadInput(
            f"--jsonl {path}",
            Text("it is there already, and holds no samples of bgecheck watch", "已存在，且不是 bgecheck watch 的采样"),
            Text("name another file", "换一个文件名"),
        )


class Lines:
    """Writes samples to a file, behind what is there, or to stdout. Raises `BadInput` where it cannot be opened."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.lost = 0
        """Samples that could not be written, as to a full disk."""
        self.gone = False
        """Whether nobody reads stdout any more."""
        self._file = self._open(path)

    @staticmethod
    def _open(path: str) -> BinaryIO:
        if path == STDOUT:
            return sys.stdout.buffer
        try:
            _require_samples(path)
            return open(path, "ab", buffering=0)
        except OSError as error:
            why = reason_of(error)
            raise BadInput(
                f"--jsonl {path}",
                Text(f"cannot be written ({why.en})", f"无法写入（{why.zh}）"),
                Text("name a file in a folder that exists and is yours to write", "换成一个可写目录下的文件"),
            ) from None

    def write(self, sample: Sample, watched: Watched | None = None) -> bool:
        """Write one line; False where that fails. What was cut off by a full disk ends before the next line."""
        line = as_line(sample, watched)
        try:
            self._file.write(b"\n" + line if self.lost else line)
            self._file.flush()
        except BrokenPipeError:
            self.gone = True
            self._discard()
        except OSError:
            self.lost += 1
            return False
        return True

    def _discard(self) -> None:
        """The interpreter would try again when it exits, and complain."""
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._path != STDOUT:
            self._file.close()


def read(path: str) -> tuple[Facts, int, float]:
    """The newest watch of a file, how many stand before it, and when it began (seconds since the epoch).

    Lines that are none are left out and counted. Raises `BadInput` for a file that cannot be read, or holds no sample.
    """
    history: History | None = None
    unread = lines = watches = 0
    began = 0.0
    try:
        with open(path, "rb") as file:
            for raw in _bounded(file):
                if not raw.strip():
                    continue
                line = from_line(raw)
                backwards = history is not None and history.last is not None and line is not None
                if line is not None and (line.watched is not None or history is None):
                    history, unread, lines = History(line.watched or Watched()), 0 if watches else unread, 0
                    watches, began = watches + 1, line.sample.at
                elif backwards and line is not None and history is not None and history.last is not None:
                    line = line if line.sample.elapsed >= history.last.elapsed else None
                lines += 1
                if line is None or history is None:
                    unread += 1
                else:
                    history.take(line.sample)
    except OSError as error:
        why = reason_of(error)
        raise _unusable(path, Text(f"cannot be read ({why.en})", f"无法读取（{why.zh}）")) from None
    if history is None:
        raise _unusable(path, Text("holds no sample of bgecheck watch", "里面没有 bgecheck watch 的采样"))
    return history.facts(unread, lines), watches - 1, began


def _unusable(path: str, why: Text) -> BadInput:
    return BadInput(
        path,
        why,
        Text("name a file that bgecheck watch --jsonl FILE wrote", "请给出 bgecheck watch --jsonl 文件 写出的文件"),
    )


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long only its beginning, which is then none."""
    while raw := file.readline(LINE_LIMIT + 2):
        yield raw
        while not raw.endswith(b"\n") and len(raw) >= LINE_LIMIT:
            raw = file.readline(LINE_LIMIT + 2)
