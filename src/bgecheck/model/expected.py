"""Thresholds: a number with its unit and where it comes from, so that no judge holds a bare constant."""

from typing import NamedTuple


class AtLeast(NamedTuple):
    """A lower bound."""

    value: float
    unit: str
    source: str

    def admits(self, value: float) -> bool:
        """Whether `seen` reaches the bound; NaN never does."""
        return value >= self.value

    def __str__(self) -> str:
        return f">= {self.value:g}{self.unit and ' ' + self.unit}"


class AtMost(NamedTuple):
    """An upper bound."""

    value: float
    unit: str
    source: str

    def admits(self, value: float) -> bool:
        """Whether `seen` stays within the bound; NaN never does."""
        return value <= self.value

    def __str__(self) -> str:
        return f"<= {self.value:g}{self.unit and ' ' + self.unit}"
