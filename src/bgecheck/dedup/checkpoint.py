"""What is decided so far, kept beside the output: a run that was killed goes on from its last whole block."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from bgecheck.dedup.greedy import RECORD, Records
from bgecheck.model import BadInput, Text, clean

_SCHEMA = "bgecheck.dedup.checkpoint/1"
_FRAME = np.dtype([("count", "<u4"), ("crc", "<u4")])
"""What stands before the records of a block: how many there are, and the CRC-32 of their bytes."""

Origin = Mapping[str, str]
"""What the decisions follow from: digests of texts and vectors, and the threshold; each in one string."""

_WORDS = {
    "texts": Text("the texts", "文本"),
    "vectors": Text("the vectors", "向量"),
    "threshold": Text("the threshold", "阈值"),
}


class Checkpoint:
    """A file with a head of one JSON line and the records of each block that was decided."""

    def __init__(self, path: str, origin: Origin) -> None:
        self.path = path
        self._head = json.dumps({"schema": _SCHEMA, **origin}, sort_keys=True).encode() + b"\n"
        self._file = None if not os.path.exists(path) else open(path, "r+b")  # noqa: SIM115

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def decided(self) -> Records:
        """The records of the whole blocks in the file; what stands behind them, half written, is cut off.

        Raises `BadInput` where they are of other texts, vectors, or another threshold.
        """
        if self._file is None:
            return np.empty(0, RECORD)
        self._file.seek(0)
        head = self._file.readline(2**16)
        if not head.endswith(b"\n") and self._head.startswith(head):  # it was killed while it wrote that line
            self._file.seek(0)
            self._file.truncate()
            self._file.write(self._head)
            return np.empty(0, RECORD)
        if head != self._head:
            raise BadInput(self.path, self._difference(head), _OTHERWISE)
        blocks, end = [np.empty(0, RECORD)], self._file.tell()
        while (block := self._block()) is not None:
            blocks.append(block)
            end = self._file.tell()
        self._file.truncate(end)
        self._file.seek(end)
        return np.concatenate(blocks)

    def add(self, records: Records) -> None:
        """Write the records of one more block. Raises `OSError`, and leaves what was written before as it is."""
        if self._file is None:
            self._file = open(self.path, "w+b")  # noqa: SIM115
            self._file.write(self._head)
        content = records.tobytes()
        frame = np.array((len(records), zlib.crc32(content)), _FRAME)
        self._file.write(frame.tobytes() + content)
        self._file.flush()

    def remove(self) -> None:
        """Remove the file: the output is complete."""
        if self._file is not None:
            self._file.close()
            self._file = None
            with suppress(FileNotFoundError):
                os.unlink(self.path)

    def _block(self) -> Records | None:
        assert self._file is not None
        raw = self._file.read(_FRAME.itemsize)
        if len(raw) < _FRAME.itemsize:
            return None
        frame = np.frombuffer(raw, _FRAME)[0]
        content = self._file.read(int(frame["count"]) * RECORD.itemsize)
        if len(content) < int(frame["count"]) * RECORD.itemsize or zlib.crc32(content) != frame["crc"]:
            return None
        return np.frombuffer(content, RECORD)

    def _difference(self, head: bytes) -> Text:
        """What the file was begun with that is not what is given now."""
        try:
            before = json.loads(head)
        except ValueError:
            before = None
        if not isinstance(before, dict) or before.get("schema") != _SCHEMA:
            return Text("is no checkpoint of this program", "不是本程序的断点文件")
        now = json.loads(self._head)
        name = next((name for name in _WORDS if before.get(name) != now[name]), "texts")
        if name == "threshold":
            was = clean(str(before.get(name)), 40)
            return Text(
                f"begun with --threshold {was}, not {now[name]}", f"断点的 --threshold 是 {was}，不是 {now[name]}"
            )
        return Text(f"{_WORDS[name].en} have changed since", f"{_WORDS[name].zh}已经变了")


_OTHERWISE = Text(
    "give what it was begun with, or start anew with --overwrite", "请使用相同的输入继续，或用 --overwrite 重新开始"
)
