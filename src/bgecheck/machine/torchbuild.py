"""Which CUDA the torch and the kernels of an interpreter are built for: by their files, nothing is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from glob import escape, iglob
from typing import NamedTuple

from bgecheck.machine.files import read_text
from bgecheck.machine.packages import libraries, prefix
from bgecheck.model import Unavailable

_KERNELS = ("sgl_kernel", "sglang_kernel")
_LOCAL = re.compile(r"\+cu(\d{2,3})")
_LIMIT = 64 * 1024


class Build(NamedTuple):
    """One installed package, and the CUDA that it is built for; None where it computes on no NVIDIA card."""

    package: str
    version: str
    cuda: tuple[int, int] | None

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def builds(interpreter: str) -> tuple[Build, ...]:
    """Torch and the kernels beside an interpreter or a script of its environment; () where there is no torch."""
    for folder in _folders(interpreter):
        if torch := _torch(folder):
            return (torch, *_kernels(folder))
    return ()


def _folders(interpreter: str) -> Iterator[str]:
    """Where its packages may be: of an environment beside it, of a system's Python below /usr/local too."""
    root = prefix(interpreter)
    for base in dict.fromkeys((root, f"{root}/local", prefix(os.path.realpath(interpreter)))):
        yield from libraries(base)


def _torch(folder: str) -> Build | None:
    """By the file that torch itself reads its CUDA from."""
    try:
        text = read_text(os.path.join(folder, "torch", "version.py"), _LIMIT)
    except Unavailable:
        return None
    version = re.search(r"^__version__\s*=\s*'([\w.+!-]{1,60})'", text, re.MULTILINE)
    cuda = re.search(r"^cuda\b[^=\n]*=\s*'(\d{1,3})\.(\d{1,3})'", text, re.MULTILINE)
    return Build("torch", version[1] if version else "?", (int(cuda[1]), int(cuda[2])) if cuda else None)


def _kernels(folder: str) -> Iterator[Build]:
    """By the mark of their version (`+cu130`); one without a mark tells nothing, and is left out."""
    for package in _KERNELS:
        for path in iglob(f"{escape(folder)}/{package}-*.dist-info"):
            version = os.path.basename(path)[len(package) + 1 : -len(".dist-info")]
            if mark := _LOCAL.search(version):
                yield Build(package.replace("_", "-"), version, (int(mark[1][:-1]), int(mark[1][-1])))
