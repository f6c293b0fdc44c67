"""Reads the tensors of a file that torch.save wrote, and executes nothing of it.

Such a file is a zip of raw numbers and one pickle that says which numbers make which tensor. A pickle is a
program; here a machine of our own runs it that knows the few instructions and names which a dictionary of
tensors needs, builds plain tuples from them, and gives up at everything else. Nothing is imported, no object's
method is called, and `pickle.loads` is never reached.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgecheck.reference.mapped import Tensor, broken

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How the format of torch before 1.6 begins, which is no zip."""

_ENTRIES, _DIRECTORY, _PROGRAM = 20_000, 16 * 2**20, 16 * 2**20
"""Most entries, and most bytes of directory and pickle; a model of 24 layers has 400, 40 kB and 40 kB."""

_STORAGES: Mapping[str, tuple[Any, bool]] = {
    "DoubleStorage": (np.float64, False),
    "FloatStorage": (np.float32, False),
    "HalfStorage": (np.float16, False),
    "BFloat16Storage": (np.uint16, True),
    "LongStorage": (np.int64, False),
    "IntStorage": (np.int32, False),
    "ShortStorage": (np.int16, False),
    "CharStorage": (np.int8, False),
    "ByteStorage": (np.uint8, False),
    "BoolStorage": (np.bool_, False),
}


class Name(NamedTuple):
    """A global that the pickle names; never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Storage(NamedTuple):
    """Numbers in one entry of the zip."""

    kind: str
    key: str


class Described(NamedTuple):
    """A tensor as the pickle describes it: counts and steps in elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class Foreign(Exception):
    """Something that no dictionary of tensors needs."""


def tensors_of(raw: NDArray[np.uint8], path: str) -> dict[str, Tensor]:
    """The named float tensors of a file, where they lie in it. Raises `Unavailable` for any other file."""
    if raw[: len(LEGACY)].tobytes() == LEGACY:
        broken(path, "written by torch older than 1.6; save it again with a newer one, or as safetensors")
    try:
        root, entries = _entries(raw)
        described = _named(run(entries[f"{root}/data.pkl"].tobytes()))
        if entries.get(f"{root}/byteorder", np.empty(0, np.uint8)).tobytes() == b"big":
            raise Foreign("big-endian numbers")
        return {name: _tensor(d, entries, root) for name, d in described.items()}
    except Foreign as why:
        broken(path, str(why))
    except (zipfile.BadZipFile, ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        broken(path, f"{type(error).__name__}: {error}")


# The zip


def _entries(raw: NDArray[np.uint8]) -> tuple[str, dict[str, NDArray[np.uint8]]]:
    """The folder that the archive holds, and the bytes of each entry; all of them stored, none compressed."""
    if _directory_bytes(raw) > _DIRECTORY:
        raise Foreign("a zip directory of more than 16 MiB")
    with zipfile.ZipFile(_File(raw)) as archive:
        listed = archive.infolist()
    if len(listed) > _ENTRIES:
        raise Foreign(f"{len(listed)} entries in the zip")
    program = next((e.filename for e in listed if e.filename.endswith("/data.pkl")), None)
    if program is None:
        raise Foreign("a zip without data.pkl")
    found = {e.filename: _stored(raw, e) for e in listed}
    if found[program].size > _PROGRAM:
        raise Foreign("a pickle of more than 16 MiB")
    return program.removesuffix("/data.pkl"), found


def _directory_bytes(raw: NDArray[np.uint8]) -> int:
    """The size that the end of a zip gives for its directory, which is read into memory as a whole."""
    tail = raw[-(2**16 + 1024) :].tobytes()
    at, large = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    if at < 0:
        raise Foreign("no zip")
    small: int = struct.unpack_from("<I", tail, at + 12)[0]
    if large < 0:
        return small
    big: int = struct.unpack_from("<Q", tail, large + 40)[0]
    return max(big, small if small != 0xFFFFFFFF else 0)


def _stored(raw: NDArray[np.uint8], entry: zipfile.ZipInfo) -> NDArray[np.uint8]:
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise Foreign("a compressed or encrypted entry")
    at = entry.header_offset
    mark, name, extra = struct.unpack("<4s22xHH", raw[at : at + 30].tobytes())
    start = at + 30 + name + extra
    if mark != b"PK\x03\x04" or at < 0 or start + entry.file_size > raw.size:
        raise Foreign("an entry outside of the file")
    return raw[start : start + entry.file_size]


class _File(io.RawIOBase):
    """Mapped bytes as the file that `zipfile` reads."""

    def __init__(self, raw: NDArray[np.uint8]) -> None:
        self._raw, self._at = raw, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self._raw.size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._raw.size if size < 0 else self._at + size
        taken = self._raw[self._at : end].tobytes()
        self._at += len(taken)
        return taken


# The tensors


def _named(built: Any) -> dict[str, Described]:
    """The tensors of a state dictionary, also where it lies in another one."""
    if isinstance(built, dict) and isinstance(built.get("state_dict"), dict):
        built = built["state_dict"]
    if not isinstance(built, dict):
        raise Foreign("no dictionary of tensors")
    return {name: value for name, value in built.items() if isinstance(value, Described)}


def _tensor(described: Described, entries: Mapping[str, NDArray[np.uint8]], root: str) -> Tensor:
    """A view of the entry; numpy itself refuses a size or step that leaves it.

    Steps of 0 would make any number of elements out of one, so there may be no more than the entry has.
    """
    dtype, bfloat16 = _STORAGES[described.storage.kind]
    step = np.dtype(dtype).itemsize
    if math.prod(described.size) * step > entries[f"{root}/data/{described.storage.key}"].size:
        raise Foreign("a tensor larger than its storage")
    view: NDArray[Any] = np.ndarray(
        described.size,
        dtype,
        buffer=entries[f"{root}/data/{described.storage.key}"].data,
        offset=described.offset * step,
        strides=tuple(s * step for s in described.stride),
    )
    return Tensor(view, bfloat16)


# The pickle


def run(program: bytes) -> Any:
    """What the pickle builds, out of dictionaries, lists, tuples, numbers, text and `Described`.

    Raises `Foreign` at the first instruction or name that a dictionary of tensors does not need, and
    `ValueError` where the bytes are no pickle. Time and memory grow with `len(program)` alone.
    """
    import pickletools

    machine = _Machine()
    for opcode, argument, _ in pickletools.genops(program):
        if opcode.name == "STOP":
            return machine.pop()
        step = _STEPS.get(opcode.name)
        if step is None:
            raise Foreign(f"the pickle instruction {opcode.name}")
        step(machine, argument)
    raise Foreign("a pickle without an end")


class _Machine:
    """A stack, its marks, and what was put aside under a number."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack or (self.marks and len(self.stack) <= self.marks[-1]):
            raise Foreign("a pickle that takes what it never put")
        return self.stack.pop()

    def since_mark(self) -> list[Any]:
        if not self.marks:
            raise Foreign("a pickle that takes what it never put")
        at = self.marks.pop()
        taken = self.stack[at:]
        del self.stack[at:]
        return taken

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise Foreign(f"a pickle that fills what is no {kind.__name__}")
        return self.stack[-1]

    def name(self, module: Any, name: Any) -> None:
        found = Name(str(module), str(name))
        if found not in _CALLS and not (found.module == "torch" and found.name in _STORAGES):
            raise Foreign(f"the name {found}, which no weights need")
        self.push(found)

    def storage(self) -> None:
        told = self.pop()
        if not isinstance(told, tuple) or len(told) != 5 or told[0] != "storage" or not isinstance(told[1], Name):
            raise Foreign("a reference that is no storage")
        kind, key = told[1].name, told[2]
        if kind not in _STORAGES or not (isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 10):
            raise Foreign("a reference that is no storage")
        self.push(Storage(kind, key))

    def call(self) -> None:
        arguments, called = self.pop(), self.pop()
        make = _CALLS.get(called) if isinstance(called, Name) else None
        if make is None or not isinstance(arguments, tuple):
            raise Foreign("a call of what is no tensor")
        self.push(make(arguments))

    def entries(self, pairs: list[Any]) -> None:
        into = self.top(dict)
        if len(pairs) % 2 or not all(isinstance(key, str | int) for key in pairs[::2]):
            raise Foreign("a dictionary whose keys are no names")
        into.update(zip(pairs[::2], pairs[1::2], strict=True))


def _dictionary(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        raise Foreign("an OrderedDict with arguments")
    return {}


def _rebuilt(arguments: tuple[Any, ...]) -> Described:
    storage, offset, size, stride = arguments[:4]
    numbers = (offset, *size, *stride)
    if not isinstance(storage, Storage) or len(size) != len(stride) or len(size) > 8:
        raise Foreign("a tensor without storage")
    if not all(type(n) is int and 0 <= n < 2**48 for n in numbers):
        raise Foreign("a tensor whose size is no count")
    return Described(storage, offset, tuple(size), tuple(stride))


def _parameter(arguments: tuple[Any, ...]) -> Described:
    if not arguments or not isinstance(arguments[0], Described):
        raise Foreign("a parameter without a tensor")
    return arguments[0]


_CALLS: Mapping[Name, Callable[[tuple[Any, ...]], Any]] = {
    Name("collections", "OrderedDict"): _dictionary,
    Name("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    Name("torch._utils", "_rebuild_tensor"): _rebuilt,
    Name("torch._utils", "_rebuild_parameter"): _parameter,
}
"""What may be called: each is a function of this module, which builds a tuple or a dictionary."""


def _push(machine: _Machine, value: Any) -> None:
    machine.push(value)


def _put(machine: _Machine, number: Any) -> None:
    machine.memo[len(machine.memo) if number is None else number] = machine.stack[-1]


def _get(machine: _Machine, number: Any) -> None:
    machine.push(machine.memo[number])


def _take(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        machine.push(tuple([machine.pop() for _ in range(count)][::-1]))

    return step


def _set(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.entries([key, value])


def _append(machine: _Machine, _: Any) -> None:
    value = machine.pop()
    machine.top(list).append(value)


def _name_from_stack(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


_STEPS: Mapping[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda m, a: None),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "UNICODE"), _push
    ),
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "MARK": lambda m, a: m.marks.append(len(m.stack)),
    "TUPLE": lambda m, a: m.push(tuple(m.since_mark())),
    "TUPLE1": _take(1),
    "TUPLE2": _take(2),
    "TUPLE3": _take(3),
    "SETITEM": _set,
    "SETITEMS": lambda m, a: m.entries(m.since_mark()),
    "APPEND": _append,
    "APPENDS": lambda m, a: (lambda taken: m.top(list).extend(taken))(m.since_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _get),
    "GLOBAL": lambda m, a: m.name(*a.split(" ", 1)),
    "STACK_GLOBAL": _name_from_stack,
    "BINPERSID": lambda m, a: m.storage(),
    "REDUCE": lambda m, a: m.call(),
    # What an object would be told of its attributes (`_metadata` of a state dictionary) is dropped.
    "BUILD": lambda m, a: m.pop(),
}
