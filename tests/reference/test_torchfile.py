"""The reader of torch's files reads tensors, and executes nothing, whatever the file asks for."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from bgecheck.model import Unavailable
from bgecheck.reference.mapped import mapped
from bgecheck.reference.torchfile import Described, Foreign, Name, Storage, run, tensors_of
from bgecheck.reference.weights import open_weights

REFUSALS = (Foreign, ValueError, KeyError, IndexError, TypeError)
"""What `tensors_of` turns into `Unavailable`."""

KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}


class Torch:
    """As much of torch's pickles as its writer needs: names in modules that are there while it writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.utils, self.root = types.ModuleType("torch._utils"), types.ModuleType("torch")
        monkeypatch.setitem(sys.modules, "torch", self.root)
        monkeypatch.setitem(sys.modules, "torch._utils", self.utils)
        for name in KINDS.values():
            setattr(self.root, name, type(name, (), {"__module__": "torch"}))
        code = "def _rebuild_tensor_v2(): pass"
        exec(code, self.utils.__dict__)  # a function whose module is torch._utils
        self.utils._rebuild_tensor_v2.__module__ = "torch._utils"

    def program(self, arrays: Mapping[str, Any]) -> bytes:
        """The pickle that torch.save writes for a state dictionary."""
        outer = self

        class Stored:
            def __init__(self, key: str, array: Any) -> None:
                self.pid = ("storage", getattr(outer.root, KINDS[array.dtype.name]), key, "cpu", array.size)

        class Tensor:
            def __init__(self, key: str, array: Any) -> None:
                steps = tuple(s // array.itemsize for s in array.strides)
                self.parts: tuple[Any, ...] = (Stored(key, array), 0, array.shape, steps, False, OrderedDict())

            def __reduce__(self) -> Any:
                return outer.utils._rebuild_tensor_v2, self.parts

        class Writer(pickle.Pickler):
            def persistent_id(self, value: Any) -> Any:
                return value.pid if isinstance(value, Stored) else None

        state = OrderedDict((name, Tensor(str(n), array)) for n, (name, array) in enumerate(arrays.items()))
        out = io.BytesIO()
        Writer(out, protocol=2).dump(state)
        return out.getvalue()

    def save(self, path: Path, arrays: Mapping[str, Any], compression: int = zipfile.ZIP_STORED) -> None:
        entries = {f"data/{n}": array.tobytes() for n, array in enumerate(arrays.values())}
        archive(path, self.program(arrays), entries, compression)


def archive(path: Path, program: bytes, entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", program)
        for name, content in entries.items():
            file.writestr(f"archive/{name}", content)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Torch:
    return Torch(monkeypatch)


def test_a_torch_file_holds_what_the_safetensors_file_holds(torch: Torch, folder: Path, tmp_path: Path) -> None:
    arrays = load_file(folder / "model.safetensors")
    torch.save(tmp_path / "pytorch_model.bin", arrays)
    found = open_weights(str(tmp_path))
    for name, array in arrays.items():
        assert np.array_equal(found.get(name, *array.shape), array)


def test_steps_and_types_of_tensors_are_kept(torch: Torch, tmp_path: Path) -> None:
    """A transposed tensor is stored as it lies and described by its steps."""
    path = tmp_path / "pytorch_model.bin"
    array = np.arange(6, dtype=np.float16).reshape(2, 3)
    program = torch.program({"a": array.T})
    archive(path, program, {"data/0": array.tobytes()})
    (tensor,) = tensors_of(mapped(str(path)), str(path)).values()
    assert np.array_equal(tensor.floats(), array.T.astype(np.float32))


class Evil:
    """Pickled, it calls what it was told to when a pickle is loaded."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


EVIL = [
    Evil(os.system, "touch {mark}"),
    Evil(eval, "open({mark!r}, 'w')"),
    Evil(exec, "open({mark!r}, 'w')"),
    Evil(subprocess.call, ["touch", "{mark}"]),
    Evil(getattr, os, "system"),
    Evil(__import__, "os"),
    Evil(open, "{mark}", "w"),
    Evil(Path.touch, Path("{mark}")),
    {"weight": Evil(Evil, Evil(os.system, "touch {mark}"))},
    OrderedDict(weight=Evil(os.system, "touch {mark}")),
    Evil(bytearray, 10**9),
]


@pytest.mark.parametrize("number", range(len(EVIL)))
def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(number: int, tmp_path: Path) -> None:
    """In each protocol that there is."""
    for protocol in range(6):
        folder = tmp_path / str(protocol)
        folder.mkdir()
        mark = folder / "mark"
        archive(folder / "pytorch_model.bin", _marked(EVIL[number], str(mark), protocol), {"data/0": b"\0" * 64})
        with pytest.raises(Unavailable):
            open_weights(str(folder))
        assert not mark.exists(), protocol


def _marked(evil: Any, mark: str, protocol: int) -> bytes:
    def filled(value: Any) -> Any:
        if isinstance(value, Evil):
            return Evil(value.call, *map(filled, value.arguments))
        if isinstance(value, dict):
            return type(value)((k, filled(v)) for k, v in value.items())
        if isinstance(value, list):
            return [filled(v) for v in value]
        if isinstance(value, Path):
            return Path(mark)
        return value.format(mark=mark) if isinstance(value, str) else value

    try:
        return pickle.dumps(filled(evil), protocol)
    except (pickle.PicklingError, TypeError, AttributeError):  # a module cannot be pickled: name it by hand
        return b"cbuiltins\ngetattr\n(cos\npath\nS'sys'\ntR."


def test_the_evil_pickles_do_run_where_they_are_loaded(tmp_path: Path) -> None:
    """So that the test above can fail: the standard loader creates the file."""
    mark = tmp_path / "mark"
    pickle.loads(_marked(EVIL[0], str(mark), 2))
    assert mark.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"garbage",
        b"\x80\x02}q\x00",  # no end
        b"\x80\x02.",  # takes what it never put
        b"\x80\x02(u.",
        b"\x80\x02]q\x00h\x05.",  # a number that nothing was put under
        b"\x80\x02ccollections\nOrderedDict\nK\x05\x85R.",
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nK\x01K\x02K\x03K\x04(t.",
        b"\x80\x02X\x07\x00\x00\x00storageQ.",
        b"\x80\x02}]K\x01s.",  # a list as a key
        b"\x80\x02ios\nsystem\n.",
        b"\x82\x01.",  # an extension code
        b"\x80\x02K\x01K\x02b.",
        b"\x80\x02K\x01)K\x02s.",  # what is no dictionary, filled
        b"\x80\x02}(K\x01u.",  # a key without a value
        b"\x80\x02(K\x01}u.",
        b"\x80\x02}))s.",  # a tuple as a key
        b"\x80\x02ctorch._utils\n_rebuild_parameter\n}X\x01\x00\x00\x00aK\x01sb.",  # attributes for a name
        b"\x80\x02ctorch._utils\n_rebuild_parameter\nN}X\x08\x00\x00\x00__call__Ns\x86b.",
        b"\x80\x02ccollections\nOrderedDict\n)R(dK\x01K\x02\x86b.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.",  # a frame of 2^63
        b"\x80\x02K\x01.",
    ],
)
def test_a_program_that_is_none_is_refused(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    archive(path, program, {})
    with pytest.raises(Unavailable):
        tensors_of(mapped(str(path)), str(path))


BOMBS = {
    "a tuple in a tuple, half a million deep": b")" + b"\x85" * 500_000,
    "a tuple of itself twice, 60 times over": b")" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(60)),
    "a tuple of a thousand tuples of a thousand tuples of a thousand": b")"
    + b"".join(b"q%c(" % n + b"h%c" % n * 1000 + b"t" for n in range(3)),
    "a place in the memo far behind all others": b")r\xff\xff\xff\x7f",
    "text of 4 GiB that is not there": b"X\xff\xff\xff\xff",
    "a list in a list, a quarter of a million deep": b"]" * 250_000 + b"a" * 249_999,
}
"""Small programs that make an unpickler compute or allocate without end."""


ALONE = """
import os, resource, signal, sys

from bgecheck.reference.torchfile import Foreign, run

resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
for path in sys.argv[1:]:
    if (pid := os.fork()) == 0:
        signal.alarm(20)
        try:
            run(open(path, "rb").read())
        except (Foreign, ValueError, KeyError, IndexError, TypeError):
            pass
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), path, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("use", [b"K\x01s.", b"."], ids=["as a key", "alone"])
def test_a_small_program_costs_little(use: bytes, tmp_path: Path) -> None:
    """Each in a process of its own: what goes wrong here ends a process, or never ends."""
    for name, bomb in BOMBS.items():
        (tmp_path / name).write_bytes(b"\x80\x02}" + bomb + use)
    paths = [str(tmp_path / name) for name in BOMBS]
    done = subprocess.run([sys.executable, "-c", ALONE, *paths], capture_output=True, text=True, timeout=50)
    assert done.stdout.splitlines() == [f"0 {path}" for path in paths]
    assert (done.returncode, done.stderr) == (0, "")


def test_attributes_that_a_state_dictionary_gets_are_dropped(torch: Torch, tmp_path: Path) -> None:
    """As torch writes them for each module: `_metadata`, with its version."""
    array = np.arange(4, dtype=np.float32)
    program = (
        torch.program({"a": array}).removesuffix(b".") + b"}X\x09\x00\x00\x00_metadata}X\x01\x00\x00\x00vK\x01ssb."
    )
    path = tmp_path / "pytorch_model.bin"
    archive(path, program, {"data/0": array.tobytes()})
    (tensor,) = tensors_of(mapped(str(path)), str(path)).values()
    assert np.array_equal(tensor.floats(), array)


@pytest.mark.parametrize(("elements", "fits"), [(9_998, True), (9_999, True), (10_000, False)])
def test_the_bound_of_a_tuple(elements: int, fits: bool) -> None:
    program = b"\x80\x02(" + b"N" * elements + b"t."
    if fits:
        assert len(run(program)) == elements
    else:
        with pytest.raises(Foreign, match="more than 10000"):
            run(program)


# pickletools, which takes the program apart, warns of escapes that are none in a string that is refused right after.
ESCAPES = pytest.mark.filterwarnings("ignore:.*invalid.* escape sequence:DeprecationWarning")


@ESCAPES
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_built_from_plain_values(program: bytes) -> None:
    plain = (dict, list, tuple, str, int, float, type(None), Name, Storage, Described)
    with suppress(*REFUSALS):
        assert isinstance(run(b"\x80\x02" + program), plain)


@ESCAPES
@example(place=3, value=92)
@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_never_does_more_than_refuse(place: int, value: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        program = bytearray(Torch(patch).program({"a": np.zeros((2, 2), np.float32), "b": np.zeros(3, np.float16)}))
    program[place % len(program)] = value
    with suppress(*REFUSALS):
        run(bytes(program))


@pytest.mark.parametrize(
    ("sizes", "steps"),
    [
        (b"K\x09K\x09\x86", b"K\x02K\x01\x86"),  # beyond the storage
        (b"J\xff\xff\xff\xffK\x02\x86", b"K\x02K\x01\x86"),  # negative
        (b"\x8a\x06\x00\x00\x00\x00\x00\x01K\x02\x86", b"K\x02K\x01\x86"),  # 2^40
        (b"\x8a\x06\x00\x00\x00\x00\x00\x01K\x02\x86", b"K\x00K\x00\x86"),  # 2^40 out of one element
        (b"K\x02\x85", b"K\x02K\x01\x86"),  # an axis less than steps
    ],
)
def test_a_tensor_that_leaves_its_storage_is_refused(torch: Torch, tmp_path: Path, sizes: bytes, steps: bytes) -> None:
    path = tmp_path / "pytorch_model.bin"
    program = torch.program({"a": np.zeros((2, 2), np.float32)})
    ours, theirs = (b"K\x02K\x02\x86", b"K\x02K\x01\x86"), (sizes, steps)
    assert all(program.count(part) == 1 for part in ours)
    for one, other in zip(ours, theirs, strict=True):
        program = program.replace(one, other)
    archive(path, program, {"data/0": b"\0" * 16})
    with pytest.raises(Unavailable):
        tensors_of(mapped(str(path)), str(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.rest", "older than 1.6"),
        (b"PK\x03\x04 and no end", "no zip"),
        (b"PK\x05\x06" + b"\0" * 18, "data.pkl"),
        (b"PK\x05\x06" + b"\0" * 8 + b"\xff\xff\xff\x7f" + b"\0" * 6, "directory"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs"),
    ],
)
def test_a_file_of_another_kind_says_of_which(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(Unavailable, match=words):
        open_weights(str(tmp_path))


@pytest.mark.parametrize(("size", "fits"), [(2**20, True), (2**20 + 1, False)])
def test_the_bound_of_a_pickle(torch: Torch, tmp_path: Path, size: int, fits: bool) -> None:
    array = np.arange(4, dtype=np.float32)
    program = torch.program({"a": array})
    archive(tmp_path / "pytorch_model.bin", program.ljust(size, b"\0"), {"data/0": array.tobytes()})
    if fits:
        assert "a" in open_weights(str(tmp_path))
    else:
        with pytest.raises(Unavailable, match="more than 1 MiB"):
            open_weights(str(tmp_path))


def test_a_compressed_file_is_refused_before_it_is_unpacked(torch: Torch, tmp_path: Path) -> None:
    """100 MB of zeros would come out of 100 kB."""
    torch.save(tmp_path / "pytorch_model.bin", {"a": np.zeros(10**6, np.float32)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(Unavailable, match="compressed"):
        open_weights(str(tmp_path))
