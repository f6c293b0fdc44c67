"""Semantic de-duplication: keeps a text unless it is closer than a threshold to one that was kept before.

It proves which texts the server puts close together, not that they mean the same: calibrate the threshold on pairs
of your own (`bgecheck dedup --calibrate pairs.csv`). 0.85 is the guide's figure; its printed result is not what these
questions give at that threshold. For files of any size: `bgecheck dedup FILE`, which keeps the same texts.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from openai import OpenAI

QUESTIONS = (
    "如何重置密码？",
    "忘记密码怎么办？",
    "登录不上怎么办？",
    "怎么修改登录密码？",
    "软件打不开",
    "程序启动失败",
)
"""The guide's six questions."""

BATCH = 32
"""Texts in one request: not a limit of sglang, but answers stay small and one failure costs little."""


def embed(client: OpenAI, model: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors of the texts, shape (texts, dims)."""
    rows = []
    for start in range(0, len(texts), BATCH):
        # Without this the client asks for base64, which some servers and gateways do not know.
        answer = client.embeddings.create(
            model=model, input=list(texts[start : start + BATCH]), encoding_format="float"
        )
        rows += [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
    vectors = np.asarray(rows, dtype=np.float32)
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def kept(vectors: NDArray[np.float32], threshold: float) -> list[int]:
    """The indexes of the texts that are kept, in their order."""
    found: list[int] = []
    for number, vector in enumerate(vectors):
        if not found or float(np.max(vectors[found] @ vector)) <= threshold:
            found.append(number)
    return found


def main() -> int:
    """Print the texts that are kept, one on a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="one text on a line; default: the guide's six questions")
    parser.add_argument("--base-url", default="http://127.0.0.1:30000/v1")
    parser.add_argument("--model", default="bge-large-zh-v1.5")
    parser.add_argument("--threshold", type=float, default=0.85)
    options = parser.parse_args()
    lines = options.file.read_text(encoding="utf-8").splitlines() if options.file else QUESTIONS
    # A blank text is refused, and with it the whole batch that it is in.
    texts = [line.strip() for line in lines if line.strip()]
    client = OpenAI(base_url=options.base_url, api_key=os.environ.get("OPENAI_API_KEY", "EMPTY"), timeout=30)
    keep = kept(embed(client, options.model, texts), options.threshold)
    print("\n".join(texts[number] for number in keep))
    print(f"{len(keep)} of {len(texts)} kept at cosine <= {options.threshold}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
