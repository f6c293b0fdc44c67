"""Tells a refusal because of a text's length, by the words of the servers that are known to write one."""

from __future__ import annotations

import re
from typing import NamedTuple

_SHAPES = (
    # sglang: "The input (600 tokens) is longer than the model's context length (512 tokens)."
    re.compile(r"(?i)longer than the model's context length(?: \((?P<limit>\d+) tokens\))?"),
    # sglang's "Requested token count exceeds the model's maximum context length of 512 tokens", OpenAI's and vLLM's
    # "This model's maximum context length is 8192 tokens, however you requested 10000", LiteLLM around them.
    re.compile(r"(?i)maximum context length(?: (?:is|of) (?P<limit>\d+))?"),
    # text-embeddings-inference: "`inputs` must have less than 512 tokens. Given: 600"
    re.compile(r"(?i)must have less than (?P<limit>\d+) tokens"),
    # llama.cpp: "input (600 tokens) is too large to process. increase the physical batch size (current batch size:
    # 512)"
    re.compile(r"(?i)tokens\) is too large to process(?:.*?current batch size: (?P<limit>\d+))?"),
    # Ollama: "the input length exceeds the context length"
    re.compile(r"(?i)input length exceeds (?:the |maximum )?context length"),
)


class TooLong(NamedTuple):
    """A text was longer than the server reads."""

    limit: int | None
    """Tokens that the server reads; None where it does not tell."""


def too_long(message: str) -> TooLong | None:
    """Whether a refusal is about the length of a text."""
    for shape in _SHAPES:
        if match := shape.search(message):
            limit = match.groupdict().get("limit")
            return TooLong(int(limit) if limit else None)
    return None
