"""The one package that an error asks for: what is installed for it, as pip takes it."""

from __future__ import annotations

import re

_ASKED = re.compile(r"(?:[`\"']|: )pip3? install (?:-U |--upgrade )?[\"']?([\w.\[\],<>=!~-]{2,60})")
"""How an error says what to install: the command in quotes, or behind a colon."""

_LIBRARY = re.compile(r"requires the ([A-Za-z][\w-]{1,30}) library but it was not found")
"""How transformers says it."""

_MISSING = re.compile(r"No module named '([\w.]+)'")
_MODULES = {
    "bitsandbytes": "bitsandbytes",
    "compressed_tensors": "compressed-tensors",
    "einops": "einops",
    "gguf": "gguf",
    "google.protobuf": "protobuf",
    "granian": "granian",
    "hf_transfer": "hf_transfer",
    "modelscope": "modelscope",
    "peft": "peft",
    "sentencepiece": "sentencepiece",
    "tiktoken": "tiktoken",
    "timm": "timm",
}
"""Modules that sglang or a model's own code imports only where they are used, and the packages that bring them."""

_REQUIREMENT = re.compile(r"[A-Za-z][\w.-]*(?:\[[\w,-]+\])?(?:[<>=!~]=?[\w.]+(?:,[<>=!~]=?[\w.]+)*)?")


def wanted(text: str) -> str | None:
    """What an error asks to be installed, as a requirement of pip; None where it asks for no one package."""
    if asked := _ASKED.search(text):
        requirement = _REQUIREMENT.match(asked[1])
        return requirement[0].rstrip(".") if requirement else None
    if library := _LIBRARY.search(text):
        return library[1].lower()
    missing = _MISSING.search(text)
    return _MODULES.get(missing[1]) if missing else None
