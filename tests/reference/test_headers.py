"""What is said of a weight file by its header agrees with what the library says that would load it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from bgecheck.reference.headers import Header, Shaped, header_of
from bgecheck.reference.listing import listing_of
from bgecheck.reference.vocabulary import vocabulary_of
from bgecheck.reference.weightfiles import weight_files
from fakes.modelfolders import shapes, write_model, write_torch

WHOLE = save({"b.weight": np.ones((3, 5), np.float32), "a": np.ones(7, np.float16), "empty": np.ones((0, 4), np.int64)})
FOLDER = Path(tempfile.mkdtemp(prefix="bgecheck-test-"))


def judged(data: bytes) -> Header:
    path = FOLDER / "model.safetensors"
    path.write_bytes(data)
    return header_of(str(path))


def is_refused(data: bytes) -> bool:
    path = FOLDER / "theirs.safetensors"
    path.write_bytes(data)
    try:
        with safetensors.safe_open(str(path), framework="numpy"):
            return False
    except (safetensors.SafetensorError, OSError):
        return True


def test_a_whole_file_is_read_as_it_was_written() -> None:
    header = judged(WHOLE)
    assert header.damage is None
    assert header.tensors == {
        "b.weight": Shaped("F32", (3, 5)),
        "a": Shaped("F16", (7,)),
        "empty": Shaped("I64", (0, 4)),
    }


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_lacks_its_end_is_damaged(length: int) -> None:
    assert judged(WHOLE[:length]).damage is not None


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
@settings(max_examples=300)
def test_a_changed_byte_is_damage_where_the_library_refuses_it(at: int, byte: int) -> None:
    """Text of ours may be stricter about a file that starts as no weights do, never about one that is whole."""
    data = bytearray(WHOLE)
    data[at] = byte
    if is_refused(bytes(data)):
        assert judged(bytes(data)).damage is not None or not _is_read_here(bytes(data))
    else:
        assert judged(bytes(data)).damage is None


def _is_read_here(data: bytes) -> bool:
    """Whether the header is one whose meaning is looked into: Python takes JSON and types that the library refuses."""
    length = int.from_bytes(data[:8], "little")
    try:
        entries = json.loads(data[8 : 8 + length])
    except ValueError:
        return True
    known = {"F16", "F32", "I64"}
    return isinstance(entries, dict) and all(
        set(entry) == {"dtype", "shape", "data_offsets"} and entry["dtype"] in known for entry in entries.values()
    )


@given(st.binary(max_size=300), st.sampled_from(["model.safetensors", "pytorch_model.bin", "x.pt"]))
@settings(max_examples=300)
def test_any_bytes_are_judged(data: bytes, name: str) -> None:
    path = FOLDER / name
    path.write_bytes(data)
    header = header_of(str(path))
    assert header.tensors is None or header.damage is None or header.tensors


@given(st.text(max_size=200), st.sampled_from(["tokenizer.json", "vocab.txt", "tokenizer_config.json"]))
def test_any_text_is_a_tokenizer_or_damage(text: str, name: str) -> None:
    folder = Path(tempfile.mkdtemp(dir=FOLDER))
    (folder / name).write_text(text, encoding="utf-8", errors="replace")
    read = vocabulary_of(str(folder), listing_of(str(folder)))
    assert read.damages or read.entries or read.file is None or name == "vocab.txt"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["model", "vocab", "a"]), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_tokenizer_or_damage(payload: object) -> None:
    folder = Path(tempfile.mkdtemp(dir=FOLDER))
    (folder / "tokenizer.json").write_text(json.dumps(payload))
    read = vocabulary_of(str(folder), listing_of(str(folder)))
    assert read.damages or read.entries


@given(JSON)
def test_any_json_is_an_index_or_damage(payload: object) -> None:
    folder = Path(tempfile.mkdtemp(dir=FOLDER))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": payload}))
    read = weight_files(str(folder), listing_of(str(folder)))
    assert read.damages or read.missing


def test_a_torch_file_says_its_shapes(tmp_path: Path) -> None:
    names = {n: d for n, d in shapes({**_config(tmp_path)}).items() if not n.endswith("position_ids")}
    write_torch(tmp_path / "pytorch_model.bin", names)
    header = header_of(str(tmp_path / "pytorch_model.bin"))
    assert header.tensors is not None
    assert {name: list(shaped.shape) for name, shaped in header.tensors.items()} == names


def _config(folder: Path) -> dict[str, int]:
    config: dict[str, int] = json.loads((write_model(folder / "m") / "config.json").read_text())
    return config


@pytest.mark.parametrize("data", [b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(90), b"\x80\x04x"])
def test_an_old_torch_file_is_taken_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(data)
    assert header_of(str(path)) == Header()
