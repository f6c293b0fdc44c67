"""The control text: its vector, asked for again and again, shows whether a server still computes as it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgecheck.model.expected import AtLeast, AtMost

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TEXT = "今天天气怎么样？适合去公园散步吗？ How do I reset my password?"
"""Of every kind of token that texts have, and short."""

BESIDE = (
    "软件打不开",
    "如何重置密码？忘记了登录密码，邮箱也换了，还能找回账号吗？",
    "The invoice of last month was paid twice; whom do I have to ask about the refund?",
)
"""Texts of other lengths, with which it is sent in a batch once."""

SAME = AtLeast(0.999, "", "one text beside others, measured on sglang 0.5.23: 1.0; 0.24-0.46 with the prefix cache on")

UNIT = AtMost(0.02, "", "vectors of length 1 in fp16 or bf16 are off by 0.004 at most")


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Cosine similarity; NaN for different lengths, zero vectors and what is not finite."""
    import numpy as np

    if a.shape != b.shape:
        return float("nan")
    wide, other = a.astype(np.float64), b.astype(np.float64)
    length = float(np.linalg.norm(wide) * np.linalg.norm(other))
    return float(wide @ other) / length if length else float("nan")


def is_unit(vector: NDArray[np.float32]) -> bool:
    """Whether a vector has length 1, within what half precision leaves."""
    import numpy as np

    return UNIT.admits(abs(float(np.linalg.norm(vector.astype(np.float64))) - 1))
