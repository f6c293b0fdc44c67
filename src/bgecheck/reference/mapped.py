"""A weight file mapped into memory, and a tensor where it lies in it."""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from bgecheck.model import Text, Unavailable
from bgecheck.reference.damage import LFS

Floats = NDArray[np.float32]


class Tensor(NamedTuple):
    """One tensor where it lies in its file; bfloat16, which numpy lacks, as its 16 bits."""

    raw: NDArray[Any]
    bfloat16: bool = False

    def floats(self, rows: NDArray[np.int64] | None = None) -> Floats:
        """The numbers as float32, or those of some rows; no copy where they are float32 in the file."""
        raw = self.raw if rows is None else self.raw[rows]
        if self.bfloat16:
            raw = (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
        floats: Floats = raw.astype(np.float32, copy=False)
        return floats


def mapped(path: str) -> NDArray[np.uint8]:
    """A file's bytes, mapped read-only. Raises `Unavailable` where there are none, or only git-lfs's placeholder."""
    try:
        raw: NDArray[np.uint8] = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:  # numpy's error for an empty file
        why = getattr(error, "strerror", None) or "empty"
        raise Unavailable(Text(f"{path} cannot be read: {why}", f"无法读取 {path}：{why}")) from error
    if raw[: len(LFS)].tobytes() == LFS:
        raise Unavailable(
            Text(
                f"{path} is a git-lfs pointer of {raw.size} bytes, not the weights; fetch them with: git lfs pull",
                f"{path} 只是 {raw.size} 字节的 git-lfs 指针，不是权重；用 git lfs pull 取回",
            )
        )
    return raw


def release(raw: NDArray[np.uint8]) -> None:
    """Give back the memory of what was read of a mapped file so far; read again, it comes from the system's cache."""
    if isinstance(raw.base, mmap.mmap) and hasattr(raw.base, "madvise"):  # which Windows lacks
        raw.base.madvise(mmap.MADV_DONTNEED)


def broken(path: str, why: str) -> NoReturn:
    """Raise `Unavailable`: the file is there, and is not what its name says."""
    raise Unavailable(Text(f"{path} cannot be read as weights: {why[:160]}", f"{path} 无法按权重文件读取：{why[:160]}"))
