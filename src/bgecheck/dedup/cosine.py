"""Cosine similarity of vectors as they stand: in float32 with a bound on its error, in float64, and rounded exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]
Indexes = NDArray[np.int64]

_SMALLEST, _LARGEST = 2.0**-600, 2.0**600
"""Squared lengths between which a row needs no scaling."""

_GUARD = 64
"""Bits of a cosine, at least, before it is rounded to the 53 of a float64."""


def directions(rows: Doubles) -> tuple[Doubles, NDArray[np.bool_]]:
    """Unit vectors of rows of shape (n, dims), and which rows have a direction: not zero, and finite throughout.

    A row without one becomes zero.
    """
    squares = _squares(rows)
    usable = np.ones(len(rows), bool)
    if not _are_ordinary(squares):
        rows, usable = _scaled(rows)
        squares = np.where(usable, _squares(rows), 1.0)
    units: Doubles = rows / np.sqrt(squares)[:, None]
    return units, usable


def _squares(rows: Doubles) -> Doubles:
    squares: Doubles = np.einsum("ij,ij->i", rows, rows)
    return squares


def _are_ordinary(squares: Doubles) -> bool:
    """Whether rows with these squared lengths have directions, and no square of theirs over- or underflows."""
    return bool(np.all((squares > _SMALLEST) & (squares < _LARGEST)))


def _scaled(rows: Doubles) -> tuple[Doubles, NDArray[np.bool_]]:
    """Rows times powers of two that bring their largest component near 1, and which have a direction; others are 0."""
    largest = np.abs(rows).max(axis=1, initial=0.0)
    usable = np.isfinite(largest) & (largest > 0)
    _, exponents = np.frexp(np.where(usable, largest, 1.0))
    scaled: Doubles = np.ldexp(np.where(usable[:, None], rows, 0.0), -exponents[:, None])
    return scaled, usable


def error_of_singles(dims: int) -> float:
    """How far a dot product of two unit vectors in float32 may be from their cosine, in whatever order it is summed.

    Each component is rounded once (2**-24 of it, for either vector), and a sum of n products, fused or not, is off by
    at most n u / (1 - n u) of the sum of their absolute values, which is at most 1 (Higham, Accuracy and Stability of
    Numerical Algorithms, 2nd ed., 3.1). Eight more roundings cover the lengths.
    """
    u = 2.0**-24
    return (dims + 8) * u / (1 - (dims + 8) * u)


def error_of_doubles(dims: int) -> float:
    """The same in float64."""
    u = 2.0**-53
    return 2 * (dims + 8) * u


def similarities(left: Doubles, right: Doubles, threshold: float) -> Doubles:
    """Cosine similarities of the rows of two arrays of one shape, all with a direction, as `exact_cosine` has them.

    float64 is enough where its error cannot bring a value to the other side of the threshold; the others are exact.
    """
    lengths = [_squares(left), _squares(right)]
    if all(map(_are_ordinary, lengths)):
        dots = np.einsum("ij,ij->i", left, right) / np.sqrt(lengths[0]) / np.sqrt(lengths[1])
    else:
        dots = np.einsum("ij,ij->i", directions(left)[0], directions(right)[0])
    values: Doubles = np.clip(dots, -1.0, 1.0)
    for position in np.flatnonzero(np.abs(values - threshold) <= error_of_doubles(left.shape[1])):
        values[position] = exact_cosine(left[position], right[position])
    return values


def exact_cosine(left: Doubles, right: Doubles) -> float:
    """The cosine similarity of two finite vectors, neither of them zero, correctly rounded to float64.

    It does not depend on the order of a sum, on threads or on the machine; of two equal vectors it is exactly 1.
    """
    a, b = _integers(left), _integers(right)
    dot = sum(map(mul, a, b))
    squares = sum(map(mul, a, a)) * sum(map(mul, b, b))
    # |cosine| = sqrt(dot**2 / squares). Whatever is cut off becomes one last bit, so that rounding goes the right way.
    shift = _GUARD + max(0, squares.bit_length() // 2 - dot.bit_length() + 1)
    quotient, rest = divmod(dot * dot << 2 * shift, squares)
    root = math.isqrt(quotient)
    cut_off = rest != 0 or root * root != quotient
    size = (2 * root + cut_off) / (1 << shift + 1)
    return math.copysign(size, dot)


def _integers(row: Doubles) -> list[int]:
    """A vector times a power of two that makes whole numbers of all components; its direction is the same."""
    mantissas, exponents = np.frexp(row)
    whole: Sequence[int] = np.ldexp(mantissas, 53).astype(np.int64).tolist()
    shifts: Any = np.where(mantissas == 0, 0, exponents - exponents[mantissas != 0].min()).tolist()
    return [number << shift for number, shift in zip(whole, shifts, strict=True)]
