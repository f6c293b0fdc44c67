"""The door to files: bounded reads of text, and what a model's folder says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bgecheck.model import Text, Unavailable, reason_of


def read_text(path: str, limit: int) -> str:
    """The first `limit` bytes of a file as text. Raises `Unavailable` when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except OSError as error:
        why = reason_of(error)
        raise Unavailable(Text(f"{path} cannot be read: {why.en}", f"无法读取 {path}：{why.zh}")) from error


def model_config(folder: str) -> Mapping[str, Any]:
    """The config.json of a model's folder; empty where there is none that can be read."""
    import json

    try:
        config = json.loads(read_text(f"{folder}/config.json", 2**20))
    except (Unavailable, ValueError, RecursionError):
        return {}
    return config if isinstance(config, Mapping) else {}


def size(path: str) -> int | None:
    """Bytes that a regular file has now; None for anything else."""
    try:
        return os.path.getsize(path) if os.path.isfile(path) else None
    except OSError:
        return None


def weights_size(folder: str) -> int | None:
    """Bytes of a model folder's weights: its safetensors, else its torch files; None when it has neither."""
    try:
        with os.scandir(folder) as entries:
            sizes = {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        return None
    for ending in (".safetensors", ".bin"):
        chosen = [size for name, size in sizes.items() if name.endswith(ending) and name != "training_args.bin"]
        if chosen:
            return sum(chosen)
    return None
