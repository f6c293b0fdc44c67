"""Finds the folder of a model that a path or a hub id names, and tells what the caches hold of a hub id."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from bgecheck.model import Text, Unavailable
from bgecheck.reference.listing import snapshot_of

HOW = Text("name it with --model-path DIR", "用 --model-path DIR 指定")

_ON = frozenset({"1", "on", "yes", "true"})
"""What huggingface_hub takes for a switch that is on (constants.py)."""

_BLOBS = 1_000
"""Entries of a cache folder that are looked at."""


class Hub(NamedTuple):
    """What the cache of this user holds of a hub id, and where what it lacks would be asked for."""

    id: str
    endpoint: str
    cache: str
    """The folder of this model in the cache, which may not be there."""
    folder: str | None = None
    """The snapshot that is loaded; it may lack files."""
    offline: str | None = None
    """The variable that forbids to ask the hub."""
    unfinished: int | None = None
    """Bytes of files that a download has left unfinished; None where there are none."""
    modelscope: bool = False

    @property
    def begun(self) -> bool:
        """Whether a download has left anything."""
        return self.folder is not None or self.unfinished is not None or os.path.isdir(self.cache)


def model_folder(given: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The folder of `given`, a path or a hub id (`BAAI/bge-m3`); `Unavailable` as not looked at where there is none.

    For a hub id the caches of huggingface_hub (HF_HUB_CACHE, HF_HOME) and ModelScope (MODELSCOPE_CACHE) of this
    user are looked at, never the hub itself.
    """
    if not given:
        raise nameless()
    places = [given] if os.path.isabs(given) or not is_hub_id(given) else [*_cached(given, environment), given]
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


def nameless() -> Unavailable:
    """What to raise where nothing names the model."""
    return Unavailable(Text(f"the model's folder is not known; {HOW.en}", f"不知道模型目录；{HOW.zh}"), looked=False)


def is_hub_id(given: str) -> bool:
    """Whether a name may be that of a repository, as a rule with its owner."""
    return re.fullmatch(r"(?:[\w-][\w.-]*/)?[\w-][\w.-]*", given) is not None and ".." not in given


def on_hub(hub_id: str, environment: Mapping[str, str] = os.environ, *, from_modelscope: bool = False) -> Hub:
    """What is cached of a hub id, for a server with this environment; the hub itself is not asked."""
    offline = next((name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if _is_on(environment, name)), None)
    folder = next((place for place in _cached(hub_id, environment) if os.path.isdir(place)), None)
    if from_modelscope:
        domain = environment.get("MODELSCOPE_DOMAIN") or "www.modelscope.cn"
        (*_, cache), unfinished = _in_scope(hub_id, environment), _unfinished_of_scope(hub_id, environment)
        return Hub(hub_id, f"https://{domain}", cache, folder, offline, unfinished, modelscope=True)
    endpoint = (environment.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    cache = _entry(hub_id, environment)
    return Hub(hub_id, endpoint, cache, folder, offline, _bytes_of(os.path.join(cache, "blobs"), ".incomplete"))


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() in _ON


def _cached(hub_id: str, environment: Mapping[str, str]) -> list[str]:
    snapshot = snapshot_of(_entry(hub_id, environment))
    return [*([snapshot] if snapshot else []), *_in_scope(hub_id, environment)]


def _entry(hub_id: str, environment: Mapping[str, str]) -> str:
    """The folder of a model in the cache of huggingface_hub."""
    home = environment.get("HF_HOME") or os.path.join(_home(environment), "huggingface")
    cache = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    return os.path.join(os.path.expanduser(cache), "models--" + hub_id.replace("/", "--"))


def _home(environment: Mapping[str, str]) -> str:
    own = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".cache")
    return environment.get("XDG_CACHE_HOME") or own


def _scope(environment: Mapping[str, str]) -> str:
    home = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".cache")
    return environment.get("MODELSCOPE_CACHE") or os.path.join(home, "modelscope", "hub")


def _in_scope(hub_id: str, environment: Mapping[str, str]) -> list[str]:
    """The folders that ModelScope's releases give a model: `.` is written `___`, but not in a download to a folder."""
    owner, _, name = hub_id.rpartition("/")
    spelled = os.path.join(owner, name.replace(".", "___"))
    return [os.path.join(_scope(environment), *under, spelled) for under in (("models",), ())]


def _unfinished_of_scope(hub_id: str, environment: Mapping[str, str]) -> int | None:
    scope, (owner, _, name) = _scope(environment), hub_id.rpartition("/")
    places = [
        os.path.join(scope, *under, "._____temp", owner, each)
        for under in (("models",), ())
        for each in dict.fromkeys((name, name.replace(".", "___")))
    ]
    return next((size for place in places if (size := _bytes_of(place, "")) is not None), None)


def _bytes_of(folder: str, ending: str) -> int | None:
    """Bytes of the files of a folder whose names end so; None where there is none."""
    sizes = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number < _BLOBS and entry.name.endswith(ending) and entry.is_file():
                    sizes.append(entry.stat().st_size)
    except OSError:
        pass
    return sum(sizes) if sizes else None
