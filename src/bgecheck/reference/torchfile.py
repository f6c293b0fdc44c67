"""Reads the tensors of a file that torch.save wrote, and executes nothing of it.

Such a file is a zip of raw numbers and one pickle that says which numbers make which tensor. A pickle is a
program: `pickle.Unpickler` runs it with the names that a dictionary of tensors needs, each of which stands for a
function of this module, and refuses every other. Before that the instructions are looked through, so that what it
costs is bounded by the size of the file.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgecheck.reference.mapped import Tensor, broken

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How the format of torch before 1.6 begins, which is no zip."""

_ENTRIES, _DIRECTORY, _PROGRAM = 20_000, 16 * 2**20, 2**20
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
    """What a name of the pickle stands for: nothing of that module, which is never imported.

    A tuple, so that no instruction can give it attributes.
    """

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    def __call__(self, *arguments: Any) -> Any:
        """Build what a call of this name describes. Raises `Foreign` for a name that is only named."""
        make = _CALLS.get(self)
        if make is None:
            raise Foreign("a call of what is no tensor")
        return make(arguments)


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
        described = _tensors_by_name(run(entries[f"{root}/data.pkl"].tobytes()))
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
    files = {e.filename: _stored(raw, e) for e in listed}
    if files[program].size > _PROGRAM:
        raise Foreign("a pickle of more than 1 MiB")
    return program.removesuffix("/data.pkl"), files


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


def _tensors_by_name(built: Any) -> dict[str, Described]:
    """The tensors of a state dictionary, also where it lies in another one."""
    if isinstance(built, dict) and isinstance(built.get("state_dict"), dict):
        built = built["state_dict"]
    if not isinstance(built, dict):
        raise Foreign("no dictionary of tensors")
    if not all(isinstance(name, str | int) for name in built):
        raise Foreign("a dictionary whose keys are no names")
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


_COST = 10_000
"""Most elements of a tuple, those of its elements among them: hashing it as a key looks at each. A tensor has 30."""

_INSTRUCTIONS = frozenset(
    """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE
    UNICODE EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 SETITEM SETITEMS APPEND APPENDS BINPUT
    LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL BINPERSID REDUCE BUILD
    """.split()  # noqa: SIM905  # 36 names, which a list would spread over as many lines
)


def run(program: bytes) -> Any:
    """What the pickle builds, out of dictionaries, lists, tuples, numbers, text and `Described`.

    Raises `Foreign` at an instruction or name that a dictionary of tensors does not need, and `Foreign`, `ValueError`,
    `TypeError`, `KeyError` or `IndexError` where the bytes are no pickle. Time and memory grow with `len(program)`
    alone.
    """
    _look_through(program)
    try:
        return _Reader(io.BytesIO(program)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, OverflowError) as error:
        raise Foreign(f"a pickle that cannot be read: {error}") from error


class _Reader(pickle.Unpickler):
    """Knows the names of `_CALLS`, the kinds of storages, and nothing else."""

    def find_class(self, module: str, name: str) -> Name:
        reference = Name(module, name)
        if reference not in _CALLS and not (module == "torch" and name in _STORAGES):
            raise Foreign(f"the name {reference}, which no weights need")
        return reference

    def persistent_load(self, identity: Any) -> Storage:
        if (
            not isinstance(identity, tuple)
            or len(identity) != 5
            or identity[0] != "storage"
            or not isinstance(identity[1], Name)
        ):
            raise Foreign("a reference that is no storage")
        kind, key = identity[1].name, identity[2]
        if kind not in _STORAGES or not (isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 10):
            raise Foreign("a reference that is no storage")
        return Storage(kind, key)


def _look_through(program: bytes) -> None:
    """Refuse what the unpickler would pay for beyond the size of a program. Raises as `run` does.

    A number of its memo makes it allocate as many places, and a tuple that holds another one many times over, which
    holds a third one many times over, is hashed for ever as the key of a dictionary. So each value on the stack is
    followed by what hashing it costs.
    """
    import pickletools

    stack: list[int] = []
    marks: list[int] = []
    memo: dict[int, int] = {}
    for opcode, argument, _ in pickletools.genops(program):
        name, number = opcode.name, argument if isinstance(argument, int) else len(memo)
        if name not in _INSTRUCTIONS:
            raise Foreign(f"the pickle instruction {name}")
        if name == "MARK":
            marks.append(len(stack))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            if number > len(program):
                raise Foreign("a pickle that puts aside more than it has")
            memo[number] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[number])
        else:
            taken = _taken(opcode, stack, marks)
            stack += [_cost(name, taken)] * len(opcode.stack_after)


def _taken(opcode: Any, stack: list[int], marks: list[int]) -> list[int]:
    """Take from the stack what an instruction takes: down to the last mark, what lies under it, or a fixed count."""
    import pickletools

    before = opcode.stack_before
    count = len(before)
    at = len(stack)
    if pickletools.markobject in before:
        at, count = marks.pop() if marks else -1, before.index(pickletools.markobject)
    at -= count
    if at < (marks[-1] if marks else 0):
        raise Foreign("a pickle that takes what it never put")
    taken = stack[at:]
    del stack[at:]
    return taken


def _cost(name: str, taken: list[int]) -> int:
    """What hashing the value costs that an instruction makes; a dictionary or list cannot be hashed at all."""
    if name not in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "REDUCE", "BINPERSID"):
        return 1
    cost = 1 + sum(taken)
    if cost > _COST:
        raise Foreign(f"a tuple of more than {_COST} elements")
    return cost


class _Dictionary(dict[Any, Any]):
    """A dictionary that drops what it is told of attributes, as `_metadata` of a state dictionary."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        """Drop it."""


def _dictionary(arguments: tuple[Any, ...]) -> _Dictionary:
    if arguments:
        raise Foreign("an OrderedDict with arguments")
    return _Dictionary()


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
