"""Looks at the weight files of a model folder by their headers: are they all there, whole, and of this model."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bgecheck.machine.files import read_text
from bgecheck.model import Text, Unavailable, reason_of
from bgecheck.reference.config import Shape
from bgecheck.reference.damage import Damage, substitute
from bgecheck.reference.headers import Shaped, header_of, plain
from bgecheck.reference.listing import Listing, unfinished, weights_of

_INDEX = 16 * 2**20
_LOOKED_INTO = 512
"""Weight files whose headers are read."""
_NUMBERED = re.compile(r"(.*-)(\d{5})-of-(\d{5})(\.\w+)")


class WeightFiles(NamedTuple):
    """The weight files that a loader takes, and what is wrong with them."""

    files: tuple[str, ...] = ()
    size: int = 0
    """Bytes of all that are there."""
    missing: tuple[str, ...] = ()
    """Files that an index or the numbers in the names tell of, and that are not there."""
    dangling: Mapping[str, str] = {}
    """Links that lead nowhere, and where they should lead."""
    damages: tuple[Damage, ...] = ()
    tensors: Mapping[str, Shaped] | None = None
    """What all of them hold together; None where a format is not looked into."""
    unfinished: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    """Weights of other frameworks, or one folder further down, where there are none to be loaded."""

    @property
    def numbers(self) -> int | None:
        """How many numbers they hold."""
        from math import prod

        return None if self.tensors is None else sum(prod(tensor.shape) for tensor in self.tensors.values())


def weight_files(folder: str, listing: Listing) -> WeightFiles:
    """What a folder holds of weights. Nothing of it is executed, and no numbers are read."""
    present = weights_of(listing)
    index, damages = _index(folder, listing, present)
    names = tuple(sorted(set(index.values()))) or present
    links = {name: link for name in names if (link := _link(listing, name)) is not None}
    missing = tuple(name for name in (*names, *_by_number(present)) if name not in listing.entries)
    there = [name for name in names if name in listing.entries and name not in links]
    heads, broken = _heads(folder, there[:_LOOKED_INTO], listing)
    return WeightFiles(
        files=names,
        size=sum(listing.entries[name].size for name in there),
        missing=missing,
        dangling=links,
        damages=(*damages, *broken, *_absent_by_index(index, heads)),
        tensors=_together(heads) if len(heads) == len(names) else None,
        unfinished=unfinished(folder, listing),
        foreign=() if names else tuple(_foreign(folder, listing)),
    )


def _link(listing: Listing, name: str) -> str | None:
    entry = listing.entries.get(name)
    return entry.dangling if entry else None


def _index(folder: str, listing: Listing, present: tuple[str, ...]) -> tuple[Mapping[str, str], tuple[Damage, ...]]:
    """The shard of each tensor, where shards are listed; an index beside a whole file of safetensors counts too."""
    kinds = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
    ending = os.path.splitext(present[0])[1] if present else ""
    name = next((each for each in kinds if ending in each and listing.has(each)), None)
    if name is None:
        return {}, ()
    path = os.path.join(folder, name)
    try:
        if what := substitute(path):
            return {}, (Damage(name, what),)
        shards = json.loads(read_text(path, _INDEX))["weight_map"]
        if not shards or not all(isinstance(s, str) and os.path.basename(s) == s for s in shards.values()):
            raise ValueError
    except (OSError, Unavailable, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, (Damage(name, Text("no list of shards", "不是分片列表")),)
    return shards, ()


def _by_number(present: tuple[str, ...]) -> Iterator[str]:
    """The shards that `model-00001-of-00003.safetensors` promises by its name."""
    for begin, count, ending in sorted({(m[1], m[3], m[4]) for name in present if (m := _NUMBERED.fullmatch(name))}):
        if int(count) <= _LOOKED_INTO:
            yield from (f"{begin}{number:05d}-of-{count}{ending}" for number in range(1, int(count) + 1))


Heads = dict[str, Mapping[str, Shaped] | None]


def _heads(folder: str, names: list[str], listing: Listing) -> tuple[Heads, list[Damage]]:
    heads: Heads = {}
    damages = []
    for name in names:
        try:
            tensors, damage = header_of(os.path.join(folder, name))
        except OSError as error:
            why = reason_of(error)
            tensors, damage = None, Text(f"cannot be read: {why.en}", f"无法读取：{why.zh}")
        if damage is None and f"{name}.aria2" in listing.entries:
            damage = Text(f"aria2 has not finished it: {name}.aria2 is there", f"aria2 还没下载完：{name}.aria2 还在")
        heads[name] = tensors
        if damage:
            damages.append(Damage(name, damage))
    return heads, damages


def _absent_by_index(index: Mapping[str, str], heads: Heads) -> list[Damage]:
    """Shards that are whole and lack tensors which the index names: of another model, or of another revision."""
    absent: dict[str, list[str]] = {}
    for tensor, name in index.items():
        tensors = heads.get(name)
        if tensors is not None and tensor not in tensors:
            absent.setdefault(name, []).append(tensor)
    return [
        Damage(
            name,
            Text(
                f"lacks {len(tensors)} tensors that the index names, {tensors[0]} for one",
                f"缺少索引中列出的 {len(tensors)} 个张量，例如 {tensors[0]}",
            ),
        )
        for name, tensors in sorted(absent.items())
    ]


def _together(heads: Heads) -> Mapping[str, Shaped] | None:
    readable = [tensors for tensors in heads.values() if tensors is not None]
    if not readable or len(readable) < len(heads):
        return None
    return {name: shaped for tensors in readable for name, shaped in tensors.items()}


def _foreign(folder: str, listing: Listing) -> Iterator[str]:
    yield from listing.files(".h5", ".msgpack", ".onnx", ".gguf", ".ot", ".ckpt")
    for name in listing.folders():
        if name in ("onnx", "openvino", "tf", "0_Transformer"):
            yield f"{name}/"


class Misfit(NamedTuple):
    """How the tensors of the weights differ from what config.json describes."""

    missing: tuple[str, ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    """Name, shape in the file, shape by config.json."""


def misfit(tensors: Mapping[str, Shaped], shape: Shape) -> Misfit:
    """The tensors of an encoder that are missing or have another shape; its pooler is not used."""
    plainly = {plain(name): tensor.shape for name, tensor in tensors.items()}
    expected = dict(_expected(shape))
    return Misfit(
        tuple(name for name in expected if name not in plainly),
        tuple((n, plainly[n], dims) for n, dims in expected.items() if n in plainly and plainly[n] != dims),
    )


def _expected(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, inner = shape.hidden, shape.intermediate
    yield "embeddings.word_embeddings.weight", (shape.vocabulary, hidden)
    yield "embeddings.position_embeddings.weight", (shape.positions, hidden)
    yield "embeddings.token_type_embeddings.weight", (shape.kinds, hidden)
    yield from _pair("embeddings.LayerNorm", (hidden,))
    for number in range(min(shape.layers, _LAYERS)):
        layer = f"encoder.layer.{number}"
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            yield from _pair(f"{layer}.{name}", (hidden, hidden))
        yield from _pair(f"{layer}.intermediate.dense", (inner, hidden))
        yield from _pair(f"{layer}.output.dense", (hidden, inner))
        yield from _pair(f"{layer}.attention.output.LayerNorm", (hidden,))
        yield from _pair(f"{layer}.output.LayerNorm", (hidden,))


_LAYERS = 200
"""More than any encoder has."""


def _pair(name: str, dims: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", dims
    yield f"{name}.bias", dims[:1]
