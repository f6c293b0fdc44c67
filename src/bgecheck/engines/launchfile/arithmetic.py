"""Computes the arithmetic of shells, `$((BASE + 1))`, as far as its variables are known."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping

_NAME = re.compile(r"\$?\{?\b([A-Za-z_]\w*)\b\}?")
_NUMBER = re.compile(r"[ \t]*[-+]?\d{1,18}[ \t]*")
_LONGEST = 200
"""Characters of an expression that is computed."""


def integer(text: str, variables: Mapping[str, str]) -> int | None:
    """What an expression comes to; None where a variable of it is not known, or it is of another kind."""
    plain = _NAME.sub(lambda m: variables[m[1]] if _NUMBER.fullmatch(variables.get(m[1], "")) else m[0], text).strip()
    if len(plain) > _LONGEST:
        return None
    try:
        return _computed(ast.parse(plain, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _divided(left: int, right: int) -> int:
    """As C divides: towards zero."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divided,
    ast.Mod: lambda left, right: left - right * _divided(left, right),
}


def _computed(node: ast.expr) -> int:
    """The value of a node. Raises `ValueError` for one that is no plain arithmetic."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_computed(node.operand)
    if isinstance(node, ast.BinOp) and (compute := _OPERATORS.get(type(node.op))):
        return compute(_computed(node.left), _computed(node.right))
    raise ValueError
