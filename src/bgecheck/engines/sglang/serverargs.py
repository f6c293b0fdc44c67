"""The parser of `server_args=`, which a server writes into its log when it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

START = b"server_args="
"""What a start writes first in every release: its arguments."""

Value = str | int | float | bool | None

_PAIR = re.compile(r"""(?:[({,] ?)'?(\w{1,60})'?[=:] ?(?:'([^'\\]{0,2000})'|"([^"\\]{0,2000})"|(-?[\w.+-]{1,40}))""")
_NAMES: Mapping[str, Value] = {"None": None, "True": True, "False": False}


@lru_cache(maxsize=64)
def server_args(line: str) -> Mapping[str, Value]:
    """Strings, numbers and booleans of a line with `server_args=`, by name; of a name that comes twice the first.

    `ServerArgs(name='value', ...)` up to 0.5.x, a dictionary in newer releases; both are Python's own spelling.
    """
    pairs: dict[str, Value] = {}
    for name, single, double, bare in _PAIR.findall(line):
        pairs.setdefault(name, _value(bare) if bare else single or double)
    return MappingProxyType(pairs)


def _value(bare: str) -> Value:
    if bare in _NAMES:
        return _NAMES[bare]
    if re.fullmatch(r"-?[0-9]{1,18}", bare):
        return int(bare)
    return float(bare) if re.fullmatch(r"-?[0-9]+\.[0-9]+(?:e-?[0-9]+)?", bare) else bare
