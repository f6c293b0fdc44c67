"""Finds the folder of a model that a server names by its hub id: where its files were cached when it was fetched."""

from __future__ import annotations

import os
import re

from bgecheck.machine.files import read_text
from bgecheck.model import Text, Unavailable

HOW = Text("name it with --model-path DIR", "用 --model-path DIR 指定")


def model_folder(given: str | None) -> str:
    """The folder of `named`, a path or a hub id (`BAAI/bge-m3`); `Unavailable` as not looked at where there is none.

    For a hub id the caches of huggingface_hub (HF_HUB_CACHE, HF_HOME) and ModelScope (MODELSCOPE_CACHE) of this
    user are looked at, never the hub itself.
    """
    if not given:
        raise Unavailable(
            Text(f"the model's folder is not known; {HOW.en}", f"不知道模型目录；{HOW.zh}"),
            looked=False,
        )
    places = [given] if os.path.isabs(given) or not _is_hub_id(given) else [*_cached(given), given]
    for place in places:
        if os.path.isfile(os.path.join(place, "config.json")):
            return place
    raise Unavailable(
        Text(
            f"the model's folder {given} is not on this machine, or not readable; {HOW.en}",
            f"本机没有模型目录 {given}，或无权读取；{HOW.zh}",
        ),
        looked=False,
    )


def _is_hub_id(given: str) -> bool:
    return re.fullmatch(r"[\w.-]+/[\w.-]+", given) is not None and ".." not in given


def _cached(hub_id: str) -> list[str]:
    home = os.path.expanduser("~/.cache")
    hub_cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    cache = hub_cache or os.path.join(os.environ.get("HF_HOME") or os.path.join(home, "huggingface"), "hub")
    entry = os.path.join(cache, "models--" + hub_id.replace("/", "--"))
    scope = os.environ.get("MODELSCOPE_CACHE") or os.path.join(home, "modelscope", "hub")
    owner, name = hub_id.split("/")
    spelled = os.path.join(owner, name.replace(".", "___"))
    return [*_snapshot(entry), *(os.path.join(scope, *under, spelled) for under in (("models",), ()))]


def _snapshot(entry: str) -> list[str]:
    """The snapshot that `main` points to."""
    try:
        commit = read_text(os.path.join(entry, "refs", "main"), 100).strip()
    except Unavailable:
        return []
    return [os.path.join(entry, "snapshots", commit)] if re.fullmatch(r"[0-9a-f]{7,64}", commit) else []
