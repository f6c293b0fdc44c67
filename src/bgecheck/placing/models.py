"""The models that are to be placed: what each is, where its files are, and the name that it is reached by."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bgecheck.engines.sglang.footprint import served_bytes
from bgecheck.engines.sglang.served import refusal
from bgecheck.knowledge.models import is_reranker, lookup, repository
from bgecheck.knowledge.sizes import Size, known_size, size_of
from bgecheck.machine.files import model_config
from bgecheck.model import BadInput, Text, Unavailable, clean
from bgecheck.reference.config import pooling_of
from bgecheck.reference.folder import model_folder

GATEWAY = "gateway"
"""What nginx is called beside the models."""
_CAUSAL = "ForCausalLM"
"""Of a model that is known to be a causal language model, whose class is not."""
_ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedModel:
    """One model that is to be served beside others."""

    path: str
    """What the launch line names: its folder, else its hub id."""
    name: str
    """What clients call it."""
    alias: str
    """Its part of the path, and its name among the targets."""
    folder: str | None
    """Its folder on this machine."""
    architectures: tuple[str, ...]
    size: Size
    stored: float | None
    """Bytes of its weights as they are served; None where they are not on this machine."""
    dims: int


def models(given: Sequence[str], version: str) -> tuple[PlacedModel, ...]:
    """The models as they are named on the command line. Raises `BadInput` for one that cannot be served so."""
    chosen = [_model(each, version) for each in given]
    names = Counter(model.name for model in chosen)
    # Two folders of one name are two models: callers tell them apart by what they call them.
    chosen = [replace(model, name=model.alias) if names[model.name] > 1 else model for model in chosen]
    twice = [alias for alias, count in Counter(model.alias for model in chosen).items() if count > 1]
    if twice:
        raise BadInput(
            twice[0],
            Text("two models have this name", "有两个模型用了这个名字"),
            Text(f"name them apart: DIR={twice[0]}-2", f"给它们起不同的名字：DIR={twice[0]}-2"),
        )
    return tuple(chosen)


def _model(given: str, version: str) -> PlacedModel:
    where, alias = _split(given)
    folder = _folder(where)
    entry = lookup(where)
    config = model_config(folder) if folder else {}
    listed = config.get("architectures")
    architectures = tuple(clean(str(name), 80) for name in listed) if isinstance(listed, list) else ()
    if not architectures and entry:
        architectures = (entry.architecture or _CAUSAL,)
    name = _name(where)
    pooling = (pooling_of(folder) if folder else None) or (entry.pooling if entry else None)
    refused = refusal(name, architectures, pooling, version) if architectures or is_reranker(name) else None
    if refused is not None:
        raise BadInput(where, *refused)
    size = (size_of(config) if folder else None) or known_size(where)
    if size is None or not architectures:
        raise _unknown(where, folder)
    path = os.path.abspath(where) if os.path.isdir(where) else where if "/" in where else repository(where)
    return PlacedModel(
        path=path,
        name=name,
        alias=alias or _as_alias(name),
        folder=folder,
        architectures=architectures,
        size=size,
        stored=served_bytes(folder, config, {}),
        dims=entry.dims if entry else size.hidden,
    )


def _split(given: str) -> tuple[str, str | None]:
    """A model and its alias. Raises `BadInput` for an alias that is no part of a path."""
    where, equals, alias = given.rpartition("=") if "=" in given and not os.path.isdir(given) else (given, "", "")
    if not where.strip():
        raise BadInput(
            repr(given),
            Text("it names no model", "没有写模型"),
            Text(
                "give a folder, a hub id or a known name, with =ALIAS behind it",
                "写目录、hub id 或已知的模型名，可在后面加 =别名",
            ),
        )
    if equals and (not _ALIAS.fullmatch(alias) or alias == GATEWAY):
        raise BadInput(
            given,
            Text(f"{clean(alias, 40)!r} can be no part of a path here", f"{clean(alias, 40)!r} 不能用作路径"),
            Text("use small letters, digits, dots and dashes: =large", "只用小写字母、数字、点和短横：=large"),
        )
    return where, alias or None


def _folder(where: str) -> str | None:
    """The model's folder on this machine. Raises `BadInput` for a path that leads to none."""
    is_path = os.path.isabs(where) or where.startswith((".", "~")) or os.path.isdir(where)
    try:
        folder = model_folder(os.path.expanduser(where))
    except Unavailable as error:
        if not is_path:
            return None
        reason = error.reason if isinstance(error.reason, Text) else Text(error.reason, error.reason)
        raise BadInput(
            where, reason, Text("name the folder that holds config.json", "写含有 config.json 的目录")
        ) from None
    return folder


def _unknown(where: str, folder: str | None) -> BadInput:
    if folder:
        return BadInput(
            where,
            Text("its config.json does not tell its size or architecture", "config.json 里没有模型的大小或结构"),
            Text("complete its files: bgecheck preflight -- ... shows what is missing", "补全模型文件"),
        )
    return BadInput(
        where,
        Text(
            "neither a folder of this machine nor a model whose size is known", "既不是本机的目录，也不是已知大小的模型"
        ),
        Text("download it and name its folder", "先下载，再写它的目录"),
    )


def _name(where: str) -> str:
    """The last part of a folder or hub id, with the dot that ModelScope's cache writes as `___`."""
    cached = re.search(r"models--[^/\\]+?--([^/\\]+)", where)
    last = cached[1] if cached else os.path.basename(os.path.normpath(where))
    return clean(last.replace("___", "."), 80)


def _as_alias(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:40] or "model"
