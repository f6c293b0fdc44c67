"""Reads `docker run` in front of a command: the container that it starts in, and what that is given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bgecheck.engines.allotted import SHM_BY_DEFAULT, Allotted, Published, bytes_of, published
from bgecheck.engines.planned import Written

_CONTAINER = frozenset(("docker", "podman", "nerdctl"))
_OF_IMAGE = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?sglang[\w.-]*(?::[\w.-]+)?(?:@sha256:\w+)?|[\w.-]+/[\w./-]+:[\w.-]+")
_PROGRAM = re.compile(r"(?:python[\d.]*|sglang|bash|sh|env)")

Given = Mapping[str, list[str]]
"""The values of each option, by long name."""

_LONG = {"e": "env", "v": "volume", "net": "network", "p": "publish", "P": "publish-all", "m": "memory"}


def in_container(one: Written) -> Written:
    """A command as `docker run` starts it: with the variables, folders, network and limits of the container."""
    names = [os.path.basename(word.value) for word in one.words]
    if _runs_inside(names):
        return replace(one, contained=True, own_network=True)
    at = next((n for n, name in enumerate(names) if name in _CONTAINER and "run" in names[n + 1 : n + 4]), None)
    if at is None:
        return one
    values = one.values[at + 1 :]
    image = next((value for value in values if _OF_IMAGE.fullmatch(value) and "=" not in value), None)
    ends = values.index(image) if image else next((n for n, v in enumerate(values) if _is_program(v)), len(values))
    given: dict[str, list[str]] = {}
    for name, value in _given(values[:ends]):
        given.setdefault(_LONG.get(name, name), []).append(value)
    environment = dict(each.partition("=")[::2] for each in given.get("env", []) if "=" in each)
    network = given.get("network", ["bridge"])[-1]
    return replace(
        one,
        contained=True,
        own_network=network != "host",
        image=image,
        environment={**one.environment, **environment},
        mounts=_of_this_machine(given),
        allotted=_allotted(given, network, "NVIDIA_VISIBLE_DEVICES" in environment),
    )


def _runs_inside(names: Sequence[str]) -> bool:
    """Whether a command runs in a container or pod that is there: `docker exec`, `compose exec`, `kubectl exec`."""
    clients = (*_CONTAINER, "docker-compose", "kubectl")
    at = next((n for n, name in enumerate(names) if name in clients), None)
    return at is not None and "exec" in names[at + 1 : at + 6] and "run" not in names[at + 1 : at + 4]


def _is_program(value: str) -> bool:
    return _PROGRAM.fullmatch(os.path.basename(value)) is not None


def _given(values: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options of a container's program with their values; a switch has the word behind it, which is no value."""
    for at, value in enumerate(values):
        if value.startswith("-"):
            name, equals, rest = value.lstrip("-").partition("=")
            yield name, rest if equals else values[at + 1] if at + 1 < len(values) else ""


def _volumes(given: Given) -> Iterator[tuple[str, str]]:
    """Source and target of each volume; a source is empty where there is none."""
    for value in given.get("volume", []):
        source, _, rest = re.sub(r"^\$(?:PWD|\{PWD\}|\(pwd\))", ".", value).partition(":")
        yield (source, rest.partition(":")[0]) if rest else ("", source)
    for value in given.get("mount", []):
        parts = dict(part.partition("=")[::2] for part in value.split(","))
        source = parts.get("source") or parts.get("src") or ""
        yield source, parts.get("target") or parts.get("dst") or parts.get("destination") or ""


def _of_this_machine(given: Given) -> dict[str, str]:
    return {
        target: os.path.abspath(os.path.expanduser(source))
        for source, target in _volumes(given)
        if target and source[:1] in tuple("./~")
    }


def _allotted(given: Given, network: str, names_cards: bool) -> Allotted:
    targets = [target for _, target in _volumes(given)]
    are_all_there = (
        all(target.startswith("/") and "$" not in target for target in targets) and "volumes-from" not in given
    )
    shared = given.get("ipc", ["private"])[-1] not in ("private", "shareable") or "/dev/shm" in targets
    files = [value for value in given.get("ulimit", []) if value.startswith("nofile=")]
    return Allotted(
        published=_published(given, network),
        memory=bytes_of(given.get("memory", [""])[-1]),
        shm=None if shared else bytes_of(given["shm-size"][-1]) if "shm-size" in given else SHM_BY_DEFAULT,
        files=int(soft) if files and (soft := files[-1].partition("=")[2].partition(":")[0]).isdigit() else None,
        cards=names_cards or bool({"gpus", "runtime", "device", "privileged"} & given.keys()),
        mounted=tuple(targets) if are_all_there else None,
    )


def _published(given: Given, network: str) -> tuple[Published, ...] | None:
    """None where all ports of the image are, where another container has the network, or a port is not known."""
    if network not in ("bridge", "default") or "publish-all" in given:
        return None
    ports = [published(value) for value in given.get("publish", [])]
    return None if not all(ports) else tuple(port for some in ports for port in some)
