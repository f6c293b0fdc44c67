"""Reads what a weight file says of itself, its tensors and its own length, and none of its numbers."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from bgecheck.model import Text, Unavailable
from bgecheck.reference.damage import answer_in_place, substitute

_HEADER = 100_000_000
"""The longest header that safetensors itself accepts (tensor.rs, MAX_HEADER_SIZE)."""

BITS: Mapping[str, int] = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
}

_PICKLE = b"\x80"
_ZIP, _ZIP_END = b"PK\x03\x04", b"PK\x05\x06"


class Shaped(NamedTuple):
    """A tensor by its header."""

    dtype: str
    shape: tuple[int, ...]


class Header(NamedTuple):
    """What a weight file holds; `tensors` is None where its format is not looked into."""

    tensors: Mapping[str, Shaped] | None = None
    damage: Text | None = None


def header_of(path: str) -> Header:
    """What a weight file holds, or what is wrong with it. Raises `OSError` where it cannot be read."""
    if damage := substitute(path):
        return Header(damage=damage)
    return _safetensors(path) if path.endswith(".safetensors") else _torch(path)


def _safetensors(path: str) -> Header:
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > _HEADER:
            return Header(damage=answer_in_place(path) or _foreign("safetensors"))
        raw = file.read(length)
    if len(raw) < length:
        return Header(damage=answer_in_place(path) or _truncated(size, 8 + length, at_least=True))
    try:
        header = json.loads(raw, parse_constant=_no_number)
        if not all(isinstance(text, str) for text in header.get("__metadata__", {}).values()):
            raise TypeError  # HashMap<String, String> in tensor.rs
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        tensors = {name: Shaped(str(e["dtype"]), tuple(map(int, e["shape"]))) for name, e in entries.items()}
        spans = sorted((int(e["data_offsets"][0]), int(e["data_offsets"][1]), name) for name, e in entries.items())
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return Header(damage=answer_in_place(path) or _foreign("safetensors"))
    whole = 8 + length + max((end for _, end, _ in spans), default=0)
    if size < whole:
        return Header(damage=_truncated(size, whole))
    if size > whole:
        return Header(
            damage=Text(
                f"{size} bytes, and its header describes {whole}: {size - whole} bytes too many",
                f"{size} 字节，而文件头描述的是 {whole} 字节：多出 {size - whole} 字节",
            )
        )
    return Header(tensors, _misplaced(spans, tensors))


def _no_number(constant: str) -> NoReturn:
    """NaN and Infinity, which Python's json takes and that of safetensors (serde_json) refuses. Raises `ValueError`."""
    raise ValueError(constant)


def _misplaced(spans: list[tuple[int, int, str]], tensors: Mapping[str, Shaped]) -> Text | None:
    """Where tensors overlap, leave a gap or have another length than their shape; safetensors refuses such a file."""
    at = 0
    for begin, end, name in spans:
        bits = BITS.get(tensors[name].dtype)
        if begin != at or (bits is not None and math.prod(tensors[name].shape) * bits != (end - begin) * 8):
            return Text(
                f"its header contradicts itself: {name} lies at {begin} to {end}",
                f"文件头自相矛盾：{name} 位于 {begin} 到 {end}",
            )
        at = end
    return None


def _truncated(size: int, whole: int, *, at_least: bool = False) -> Text:
    more, more_zh = ("at least ", "至少") if at_least else ("", "")
    return Text(
        f"truncated: {size} bytes of {more}{whole}",
        f"被截断：只有 {size} 字节，完整应为{more_zh} {whole} 字节",
    )


def _foreign(kind: str) -> Text:
    return Text(f"not a {kind} file", f"不是 {kind} 格式的文件")


def _torch(path: str) -> Header:
    """A zip, whose directory stands at its end; the format of torch before 1.6 is taken as it is."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(len(_ZIP))
        file.seek(max(0, size - 2**16 - 22))
        tail = file.read()
    if head.startswith(_PICKLE):
        return Header()
    if not head.startswith(_ZIP):
        return Header(damage=answer_in_place(path) or _foreign("PyTorch"))
    if _ZIP_END not in tail:
        return Header(
            damage=Text(
                f"truncated at {size} bytes: the directory at the end of the zip is missing",
                f"在 {size} 字节处被截断：缺少 zip 末尾的目录",
            )
        )
    return _torch_tensors(path)


def _torch_tensors(path: str) -> Header:
    """The tensors as the pickle in the zip describes them, which is not executed."""
    from bgecheck.reference.mapped import mapped
    from bgecheck.reference.torchfile import tensors_of

    try:
        tensors = tensors_of(mapped(path), path)
    except Unavailable:
        return Header()  # whole by its zip, and of another make than what is read here
    return Header({name: Shaped(str(tensor.raw.dtype), tuple(tensor.raw.shape)) for name, tensor in tensors.items()})


def plain(name: str) -> str:
    """`bert.encoder.layer.0.output.LayerNorm.gamma` as `encoder.layer.0.output.LayerNorm.weight`."""
    for prefix in ("model.", "bert.", "roberta.", "xlm_roberta.", "0.auto_model."):
        name = name.removeprefix(prefix)
    return name.removesuffix(".gamma") + ".weight" if name.endswith(".gamma") else name.replace(".beta", ".bias")
