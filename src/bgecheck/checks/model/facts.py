"""What the model's folder holds: gathered from a path or hub id and an environment, nothing of it executed."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from bgecheck.checks.subject import Subject, subject
from bgecheck.engines.sglang.options import FROM_MODELSCOPE
from bgecheck.knowledge.manifests import published
from bgecheck.knowledge.models import Model, lookup
from bgecheck.machine.access import Barred, barred, this_user
from bgecheck.machine.files import read_text
from bgecheck.machine.packages import version_of
from bgecheck.model import ANY_TIME, Area, Text, Unavailable, reason_of
from bgecheck.model.deadline import Deadline, deadline_exceeded
from bgecheck.reference.config import Shape, pooled_dimension, pooling_of, shape_of
from bgecheck.reference.damage import Damage, substitute
from bgecheck.reference.digest import sha256_of
from bgecheck.reference.folder import Hub, is_hub_id, nameless, on_hub
from bgecheck.reference.listing import Listing, is_model, listing_of, models_below, snapshot_below
from bgecheck.reference.vocabulary import Vocabulary, vocabulary_of
from bgecheck.reference.weightfiles import WeightFiles, weight_files

if TYPE_CHECKING:
    from bgecheck.run.context import Context

AREA = Area("model", seconds=600.0, moments=ANY_TIME)
"""As long as hashing may take; the run's own deadline ends it sooner."""

Fault = Literal["missing", "near", "file", "below", "several", "empty", "user", "offline", "broken-off"]


class Place(NamedTuple):
    """The folder that a path or hub id leads to, and what is wrong with the path itself."""

    given: str
    folder: str
    fault: Fault | None = None
    models: tuple[str, ...] = ()
    """Folders that may be meant instead."""
    hub: Hub | None = None
    barred: Barred | None = None
    listing: Listing = Listing({})


class Config(NamedTuple):
    """config.json as it is."""

    payload: Mapping[str, Any] = {}
    damage: Text | None = None
    shape: Shape | None = None
    """The shape of an encoder; None for another kind of model."""
    misshapen: Text | None = None
    """Why no encoder has this shape."""

    @property
    def architectures(self) -> tuple[str, ...]:
        """The classes that it names."""
        names = self.payload.get("architectures")
        return tuple(str(name) for name in names) if isinstance(names, list) else ()

    def number(self, name: str) -> int | None:
        """A whole number by its name; None where there is none."""
        value = self.payload.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


class Pooling(NamedTuple):
    """What the folder says of how a vector is made of the states of all tokens."""

    mode: str | None = None
    """cls, mean or last; None where nothing says so, or something else does."""
    there: bool = False
    """Whether there is a 1_Pooling/config.json."""
    modules: tuple[str, ...] = ()
    """The steps of modules.json by class, without their package."""
    damages: tuple[Damage, ...] = ()
    dimension: int | None = None
    """Of the vectors that are pooled."""


class Digest(NamedTuple):
    """The SHA-256 of a weight file."""

    file: str
    sha256: str


class ModelFacts(NamedTuple):
    """A model folder. Where the path itself is wrong, the place alone is known."""

    place: Place
    runs: bool = False
    """Whether the server runs, so that what is missing was not needed for this start."""
    by_sglang: bool = False
    """Whether it is sglang that runs, or is to start; another engine reads more of the folder."""
    user: str = ""
    listing: Listing = Listing({})
    entry: Model | None = None
    """What the registry knows of the model, by its folder, its hub id or its served name."""
    config: Config = Config()
    weights: WeightFiles = WeightFiles()
    vocabulary: Vocabulary = Vocabulary()
    pooling: Pooling = Pooling()
    torch: str | None = None
    python: str | None = None
    """The interpreter whose torch that is."""
    digest: Digest | Text | None = None
    """None where it was not asked for, a text where it could not be had."""
    expect_dim: int | None = None


@AREA.collect
def collect(context: Context) -> ModelFacts:
    """Look at the folder of the server that runs here, or is to start here."""
    server = subject(context)
    place = place_of(server)
    if place.fault is not None:
        return ModelFacts(place, runs=server.pid is not None, user=server.user.name if server.user else "")
    facts = look(place, server)
    if not context.settings.verify_hash:
        return facts
    return facts._replace(digest=digest_of(facts, ending(context.deadline), context.settings.on_read))


def place_of(server: Subject) -> Place:
    """The folder of a server's model. Raises `Unavailable` where there is none to be looked at."""
    given = server.model_path
    if not given:
        raise nameless()
    place = _named_place(given, server)
    if place.fault is not None:
        return place
    place = _listed(place, server)
    needed = [place.folder, *_needed(place)]
    if shut := barred(needed, server.user):
        return place._replace(fault="user", barred=shut)
    if server.user != this_user() and (hidden := barred(needed, this_user())):
        raise _hidden(hidden.path, server)
    return place


def _named_place(given: str, server: Subject) -> Place:
    if os.path.lexists(given):
        return _on_disk(given)
    if shut := barred([given], this_user()):
        if server.user != this_user():
            raise _hidden(shut.path, server)
        return Place(given, given, "user", barred=shut)
    if is_hub_id(given) and given.partition("/")[0] not in _FOLDERS:
        return _in_cache(given, server)
    if server.asked_for:
        return _nowhere(given)
    raise _not_here(given)


_FOLDERS = frozenset({"checkpoints", "ckpt", "data", "model", "models", "pretrained", "weights"})
"""First parts of a relative path that are no owner on a hub."""


def _not_here(given: str) -> Unavailable:
    return Unavailable(
        Text(
            f"{given} is not seen on this machine: removed since, or inside of a container",
            f"本机看不到 {given}：已被移走，或在容器内",
        ),
        looked=False,
    )


def _hidden(path: str, server: Subject) -> Unavailable:
    user = server.user.name if server.user else "root"
    return Unavailable(
        Text(
            f"{path} is hidden from this user; run bgecheck as {user}, who runs the server",
            f"当前用户看不到 {path}；用运行服务的用户 {user} 运行 bgecheck",
        ),
        looked=False,
    )


def _on_disk(given: str) -> Place:
    if os.path.isfile(given):
        if given.endswith(".gguf"):
            raise Unavailable(
                Text("GGUF files are not looked into", "不检查 GGUF 文件的内容"),
                looked=False,
            )
        above = os.path.dirname(os.path.abspath(given))
        return Place(given, above, "file", (above,) if os.path.isfile(os.path.join(above, "config.json")) else ())
    try:
        listing = listing_of(given)
    except OSError:
        return Place(given, given) if os.path.isdir(given) else Place(given, given, "missing")
    if is_model(listing):
        return Place(given, given, listing=listing)
    snapshot = snapshot_below(given)
    models = (snapshot,) if snapshot else models_below(given, listing)
    return Place(given, given, "below" if len(models) == 1 else "several" if models else "empty", models)


_CACHES = ("HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "MODELSCOPE_CACHE", "XDG_CACHE_HOME")
"""The variables that say where the caches of hubs lie."""


def _in_cache(given: str, server: Subject) -> Place:
    """A hub id in the caches of the server's user; what is not there would be fetched when it starts."""
    if server.in_container:
        raise Unavailable(
            Text(
                "the server runs in a container, whose cache is not looked into",
                "服务在容器内运行，不检查容器内的缓存",
            ),
            looked=False,
        )
    if server.elsewhere and not any(server.environment.get(name) for name in _CACHES):
        raise Unavailable(
            Text("the cache of the user that it runs as is not known", "不知道运行它的用户的缓存在哪里"),
            looked=False,
        )
    wanted = server.environment.get(FROM_MODELSCOPE, "").lower() in ("1", "true")
    hub = on_hub(given, server.environment, from_modelscope=wanted)
    hub = hub._replace(endpoint=re.sub(r"//[^/@]*@", "//***@", hub.endpoint))
    if hub.folder and os.path.isfile(os.path.join(hub.folder, "config.json")):
        return Place(given, hub.folder, hub=hub)
    if not server.asked_for:
        raise _not_here(given)
    if hub.begun:
        return Place(given, hub.cache, "broken-off", hub=hub)
    if hub.offline:
        return Place(given, hub.cache, "offline", hub=hub)
    raise Unavailable(
        Text(
            f"{given} is no folder here and not in the cache ({hub.cache}): it would be fetched from {hub.endpoint} "
            "at the start",
            f"当前目录下没有 {given}，缓存（{hub.cache}）里也没有：启动时会从 {hub.endpoint} 下载",
        ),
        looked=False,
    )


def _nowhere(given: str) -> Place:
    """A path that is not there, with the folder that is named most like it."""
    above = os.path.dirname(os.path.normpath(given))
    while above and above != "/" and not os.path.isdir(above):
        above = os.path.dirname(above)
    below = os.path.relpath(given, above or ".").split(os.sep)
    try:
        names = listing_of(above or ".").folders()
    except OSError:
        names = []
    alike = difflib.get_close_matches(below[0], names, n=1, cutoff=_ALIKE)
    instead = os.path.join(above, alike[0], *below[1:]) if alike else ""
    there = os.path.isdir(instead)
    return Place(given, above or ".", "near" if there else "missing", (instead,) if there else ())


_ALIKE = 0.8
"""Of `difflib`, 1 for the same: one wrong letter in ten leaves 0.9."""


def _listed(place: Place, server: Subject) -> Place:
    """The place with its listing. Raises `Unavailable` where this user may not list what the server may."""
    if place.listing.entries:
        return place
    try:
        return place._replace(listing=listing_of(place.folder))
    except OSError:
        if server.user != this_user():
            raise _hidden(place.folder, server) from None
        return place


def _needed(place: Place) -> list[str]:
    """The files of a folder that a server opens."""
    names = [name for name in place.listing.files() if name.endswith(_OPENED)]
    return [os.path.join(place.folder, name) for name in names[:_READ]]


_OPENED = (".json", ".txt", ".safetensors", ".bin", ".model")
_READ = 600


def look(place: Place, server: Subject) -> ModelFacts:
    """What a folder holds."""
    folder, listing = place.folder, place.listing
    return ModelFacts(
        place,
        runs=server.pid is not None,
        by_sglang=server.pid is not None or server.starts,
        user=server.user.name if server.user else "",
        listing=listing,
        entry=next((entry for name in (place.given, folder, *server.names) if (entry := lookup(name))), None),
        config=config_of(folder),
        weights=weight_files(folder, listing),
        vocabulary=vocabulary_of(folder, listing, _BESIDE if server.pid is not None else _LARGEST),
        pooling=pooling_files(folder, listing),
        torch=version_of("torch", server.interpreter) if server.interpreter else None,
        python=server.interpreter,
        expect_dim=server.expect_dim,
    )


_LIMIT = 2**20
_BESIDE, _LARGEST = 4 * 2**20, 64 * 2**20
"""Bytes of a tokenizer that is read beside a server that runs, whose other rows are not to be held up, and before."""


def config_of(folder: str) -> Config:
    """config.json, or what is in its place."""
    path = os.path.join(folder, "config.json")
    payload, damage = _object(path)
    if damage is not None:
        return Config(damage=damage)
    try:
        return Config(payload, shape=shape_of(folder))
    except Unavailable as error:
        words = error.reason
        why = words if isinstance(words, Text) else Text(words, words)
        return Config(payload, misshapen=why if error.looked else None)


def _object(path: str) -> tuple[Mapping[str, Any], Text | None]:
    """A JSON object, or what is wrong with its file."""
    if not os.path.isfile(path):
        return {}, Text("missing", "缺失")
    try:
        if what := substitute(path):
            return {}, what
        payload = json.loads(read_text(path, _LIMIT))
    except (ValueError, RecursionError):
        return {}, Text("not JSON", "不是合法的 JSON")
    except (OSError, Unavailable):
        return {}, Text("not readable", "无法读取")
    return (payload, None) if isinstance(payload, dict) else ({}, Text("no JSON object", "不是 JSON 对象"))


def pooling_files(folder: str, listing: Listing) -> Pooling:
    """1_Pooling/config.json and modules.json, which sentence-transformers writes and reads."""
    damages = []
    own = os.path.join("1_Pooling", "config.json")
    there = os.path.lexists(os.path.join(folder, own))
    for name, is_there in ((own, there), ("modules.json", listing.holds("modules.json"))):
        if is_there and (damage := _unreadable(os.path.join(folder, name))):
            damages.append(Damage(name, damage))
    if damages:
        return Pooling(there=there, damages=tuple(damages))
    mode, dimension = (pooling_of(folder), pooled_dimension(folder)) if there else (None, None)
    return Pooling(mode, there, _modules(folder, listing), dimension=dimension)


def _unreadable(path: str) -> Text | None:
    if not os.path.isfile(path):
        return Text("no file behind it", "不是可读的文件")
    try:
        if what := substitute(path):
            return what
        json.loads(read_text(path, _LIMIT))
    except (ValueError, RecursionError):
        return Text("not JSON", "不是合法的 JSON")
    except (OSError, Unavailable):
        return Text("not readable", "无法读取")
    return None


def _modules(folder: str, listing: Listing) -> tuple[str, ...]:
    if not listing.has("modules.json"):
        return ()
    try:
        modules = json.loads(read_text(os.path.join(folder, "modules.json"), _LIMIT))
        return tuple(str(module["type"]).rpartition(".")[2] for module in modules)
    except (Unavailable, ValueError, KeyError, TypeError, RecursionError):
        return ()


def ending(deadline: Deadline) -> Callable[[int], None]:
    """What ends a long read as soon as the run's time is over."""

    def step(done: int) -> None:
        if deadline.remaining() <= 0:
            raise deadline_exceeded()

    return step


def digest_of(
    facts: ModelFacts,
    step: Callable[[int], None],
    on_read: Callable[[str, int, int], None] = lambda name, done, size: None,
) -> Digest | Text:
    """The SHA-256 of the weight file whose published one is known; else why there is none.

    `step` may end the reading; `on_read` is told the file, the bytes that are done, and all of them.
    """
    name = next(
        (file for file in facts.weights.files if facts.entry and published(facts.entry.name, file)),
        None,
    )
    if name is None:
        model = facts.entry.name if facts.entry else os.path.basename(facts.place.given.rstrip("/"))
        return Text(
            f"no published hash of the weights of {model} is known here",
            f"没有内置 {model} 权重的官方哈希值",
        )
    path = os.path.join(facts.place.folder, name)

    def read(done: int) -> None:
        step(done)
        on_read(name, done, size)

    try:
        size = os.path.getsize(path)
        return Digest(name, sha256_of(path, read))
    except Unavailable as late:
        words = late.reason
        return words if isinstance(words, Text) else Text(words, words)
    except OSError as error:
        why = reason_of(error)
        return Text(f"{name} cannot be read: {why.en}", f"无法读取 {name}：{why.zh}")
