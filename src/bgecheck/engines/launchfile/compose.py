"""Reads docker-compose files: the commands of their services, and what each service is given."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bgecheck.engines.allotted import SHM_BY_DEFAULT, Allotted, Asked, Published, bytes_of, published
from bgecheck.engines.launchfile.envfile import variables_in
from bgecheck.engines.launchfile.interpolation import interpolated
from bgecheck.engines.launchfile.yamlfile import (
    DEEP,
    MOST,
    File,
    block_of,
    items,
    line_of,
    node_at,
    pairs,
    scalar,
    words_of,
)
from bgecheck.engines.planned import Form, Word, Written
from bgecheck.model import Text

Keys = Mapping[str, tuple[Any, Any]]
"""Key node and value node by key."""


def compose(text: str, path: str) -> list[Written]:
    """The commands of a compose file's services. Raises `BadInput`.

    Variables are those of this environment, and of the `.env` beside the file, which are weaker (docs.docker.com,
    "Environment variables precedence").
    """
    file, read = File(text, path), []
    variables = {**variables_in(os.path.join(_folder(file), ".env")), **os.environ}
    for document in file.documents():
        services = pairs(node_at(document, "services"))
        for name, (_, service) in list(services.items())[:MOST]:
            read.append(_Service(file, _extended(services, service), variables).written(name))
    return [_among(one, read) for one in read]


def _folder(file: File) -> str:
    return os.path.dirname(os.path.abspath(file.path))


def _extended(services: Keys, service: Any, deep: int = 0) -> dict[str, tuple[Any, Any]]:
    """A service's keys over those of the service of this file that it extends."""
    own = pairs(service)
    base = own.get("extends", (None, None))[1]
    name = scalar(base) or scalar(node_at(base, "service")) or ""
    if name not in services or deep > DEEP or node_at(base, "file") is not None:
        return own
    return {**_extended(services, services[name][1], deep + 1), **own}


def _among(one: Written, all_of_them: list[Written]) -> Written:
    """A service among the others: one that publishes a port may be the way to it."""
    others = (other.allotted.published for other in all_of_them if other is not one)
    return replace(one, allotted=replace(one.allotted, open_to_peers=any(others)))


_ASKED = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):(\d{2,5})\b")


class _Service:
    """One service, its values with their variables replaced."""

    def __init__(self, file: File, keys: Keys, variables: Mapping[str, str]) -> None:
        self.file, self.keys, self.variables = file, keys, variables

    def written(self, name: str) -> Written:
        """Its command, and what it is given."""
        folder = _folder(self.file)
        words: list[Word] = []
        blocks: list[tuple[int, int]] = []
        for key in ("entrypoint", "command"):
            if key in self.keys:
                words += words_of(self.file, self.keys[key][1], self.variables, self._replaced)
                blocks.append(block_of(self.file, *self.keys[key]))
        environment = {**_of_env_files(self._node("env_file"), folder), **self._environment()}
        return Written(
            form=Form.COMPOSE,
            text=self.file.text,
            words=tuple(words),
            block=tuple(sorted(blocks)),
            line=line_of(self.file, words),
            name=name,
            environment=environment,
            folder=self._text("working_dir"),
            mounts=self._volumes(folder),
            contained=True,
            own_network=self._text("network_mode") != "host",
            image=self._text("image"),
            allotted=Allotted(
                published=self._published(),
                asked=self._asked(),
                memory=bytes_of(self._text("mem_limit") or self._text("deploy", "resources", "limits", "memory")),
                shm=self._shm(),
                files=self._files(),
                cards=self._cards() or "NVIDIA_VISIBLE_DEVICES" in environment,
                mounted=self._mounted(),
                profiles=frozenset(self._texts("profiles")),
            ),
        )

    def _replaced(self, value: str) -> tuple[str, bool]:
        return interpolated(value, self.variables)

    def _node(self, name: str, *names: str) -> Any:
        node = self.keys.get(name, (None, None))[1]
        return node_at(node, *names) if names else node

    def _text(self, name: str, *names: str) -> str | None:
        value = scalar(self._node(name, *names))
        return None if value is None else self._replaced(value)[0]

    def _texts(self, name: str) -> list[str]:
        values = (scalar(item) for item in items(self._node(name)))
        return [self._replaced(value)[0] for value in values if value is not None]

    def _environment(self) -> dict[str, str]:
        node = self._node("environment")
        if node is None:
            return {}
        if node.id == "sequence":
            given = (text.partition("=") for text in self._texts("environment"))
            return {name: value for name, equals, value in given if equals}
        return {name: self._replaced(v.value)[0] for name, (_, v) in pairs(node).items() if v.id == "scalar"}

    def _mounts(self) -> list[tuple[str, str]]:
        """Source and target of each volume; a source is empty where there is none."""
        mounts = []
        for item in items(self._node("volumes")):
            source, target = scalar(node_at(item, "source")) or "", scalar(node_at(item, "target")) or ""
            if item.id == "scalar":
                source, colon, rest = self._replaced(item.value)[0].partition(":")
                source, target = (source, rest.partition(":")[0]) if colon else ("", source)
            mounts.append((self._replaced(source)[0], self._replaced(target)[0]))
        return mounts

    def _volumes(self, folder: str) -> dict[str, str]:
        """Folders of this machine by the path that the container has for them."""
        return {
            target: os.path.normpath(os.path.join(folder, os.path.expanduser(source)))
            for source, target in self._mounts()
            if target and source[:1] in tuple("./~")
        }

    def _mounted(self) -> tuple[str, ...] | None:
        """None where a volume stands at a place that is not known."""
        targets = [target for _, target in self._mounts()]
        of_others = self._node("volumes_from") is not None or self._node("configs") is not None
        return None if of_others or not all(t.startswith("/") and "$" not in t for t in targets) else tuple(targets)

    def _published(self) -> tuple[Published, ...] | None:
        """None where another service has the network, or a port is not known."""
        if (self._text("network_mode") or "bridge") not in ("bridge", "default"):
            return None
        ports: list[Published] = []
        for item in items(self._node("ports")):
            text = self._replaced(item.value)[0] if item.id == "scalar" else self._long(item)
            if text is None or (not (read := published(text)) and not text.endswith("/udp")):
                return None
            ports += read
        return tuple(ports)

    def _long(self, item: Any) -> str | None:
        """A port in the long form, in the short one."""
        target = scalar(node_at(item, "target"))
        if target is None:
            return None
        parts = (scalar(node_at(item, "host_ip")), scalar(node_at(item, "published")), target)
        kind = scalar(node_at(item, "protocol")) or "tcp"
        return self._replaced(":".join(part for part in parts if part) + f"/{kind}")[0]

    def _asked(self) -> tuple[Asked, ...]:
        test = self._node("healthcheck", "test")
        words = [scalar(test) or "", *(scalar(item) or "" for item in items(test))]
        port = _ASKED.search(self._replaced(" ".join(words))[0])
        return (Asked(Text("its healthcheck", "它的 healthcheck"), int(port[1])),) if port else ()

    def _shm(self) -> int | None:
        if self._text("ipc") not in (None, "private", "shareable"):
            return None
        if any(target == "/dev/shm" for _, target in self._mounts()) or "/dev/shm" in " ".join(self._texts("tmpfs")):
            return None
        given = self._text("shm_size")
        return SHM_BY_DEFAULT if given is None else bytes_of(given)

    def _files(self) -> int | None:
        given = self._text("ulimits", "nofile") or self._text("ulimits", "nofile", "soft")
        return int(given) if given and given.isdigit() else None

    def _cards(self) -> bool:
        devices = self._node("deploy", "resources", "reservations", "devices")
        given = (self._node("gpus"), devices, self._node("devices"), self._node("runtime"))
        return any(node is not None for node in given)


def _of_env_files(node: Any, folder: str) -> dict[str, str]:
    """The variables of the files that `env_file` names, a later one over an earlier one."""
    given = node.value if node is not None and node.id == "sequence" else [node]
    paths = [scalar(item) or scalar(node_at(item, "path")) for item in given[:MOST]]
    variables: dict[str, str] = {}
    for path in paths:
        variables |= variables_in(os.path.join(folder, path)) if path and "$" not in path else {}
    return variables
