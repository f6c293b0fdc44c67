"""Reads Kubernetes manifests: the commands of their containers, what each is given, and who asks it at which port."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from bgecheck.engines.allotted import SHM_BY_DEFAULT, Allotted, Asked, bytes_of
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
from bgecheck.model import BadInput, Text


class _Pod(NamedTuple):
    """The specification of pods in a document."""

    name: str
    """Of what it stands in."""
    spec: Any
    labels: Mapping[str, str]


def manifests(text: str, path: str) -> list[Written]:
    """The commands of a manifest's containers. Raises `BadInput`."""
    file = File(text, path)
    documents = [one for document in file.documents() for one in _flat(document)]
    services = [document for document in documents if scalar(node_at(document, "kind")) == "Service"]
    read = []
    maps = _config_maps(documents)
    for document in documents:
        for pod in _pods(document):
            own_network = scalar(node_at(pod.spec, "hostNetwork")) != "true"
            nodes = (node for key in ("initContainers", "containers") for node in items(node_at(pod.spec, key)))
            containers = (_container(file, node, pod, services, maps) for node in nodes)
            read += [replace(one, own_network=own_network) for one in containers]
    return read[:MOST]


def _flat(document: Any, deep: int = 0) -> Iterator[Any]:
    """A document, or those of a list."""
    if scalar(node_at(document, "kind")) == "List" and deep < DEEP:
        for item in items(node_at(document, "items")):
            yield from _flat(item, deep + 1)
    else:
        yield document


def _pods(document: Any) -> Iterator[_Pod]:
    name = scalar(node_at(document, "metadata", "name")) or scalar(node_at(document, "kind")) or ""
    places = ((), ("spec", "template"), ("spec", "jobTemplate", "spec", "template"))
    lws = (("spec", "leaderWorkerTemplate", "leaderTemplate"), ("spec", "leaderWorkerTemplate", "workerTemplate"))
    for place in (*places, *lws, _KSERVE):
        template = node_at(document, *place) if place else document
        spec = template if place is _KSERVE else node_at(template, "spec")
        if spec is not None and node_at(spec, "containers") is not None:
            yield _Pod(name, spec, _texts(node_at(template, "metadata", "labels")))


_KSERVE = ("spec", "predictor")
"""Where an InferenceService has its containers, without a template around them."""


def _config_maps(documents: Sequence[Any]) -> dict[str, dict[str, str]]:
    """The values of the ConfigMaps of the file, by their names."""
    maps = (document for document in documents if scalar(node_at(document, "kind")) == "ConfigMap")
    return {scalar(node_at(one, "metadata", "name")) or "": _texts(node_at(one, "data")) for one in maps}


def _environment(node: Any, maps: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """A container's variables, as far as the file says their values."""
    variables: dict[str, str] = {}
    for item in items(node_at(node, "envFrom")):
        prefix = scalar(node_at(item, "prefix")) or ""
        values = maps.get(scalar(node_at(item, "configMapRef", "name")) or "", {})
        variables |= {prefix + name: value for name, value in values.items()}
    for item in items(node_at(node, "env")):
        name, value = scalar(node_at(item, "name")), scalar(node_at(item, "value"))
        reference = node_at(item, "valueFrom", "configMapKeyRef")
        if value is None and reference is not None:
            values = maps.get(scalar(node_at(reference, "name")) or "", {})
            value = values.get(scalar(node_at(reference, "key")) or "")
        if name is not None and value is not None:
            variables[name] = _referred(value, variables)[0]
    return variables


def _texts(node: Any) -> dict[str, str]:
    return {name: value.value for name, (_, value) in pairs(node).items() if value.id == "scalar"}


def _container(
    file: File, node: Any, pod: _Pod, services: Sequence[Any], maps: Mapping[str, Mapping[str, str]]
) -> Written:
    keys = pairs(node)
    environment = _environment(node, maps)
    words: list[Word] = []
    blocks = []
    for key in ("command", "args"):
        if key in keys:
            _refuse_string(file, key, keys[key][1])
            words += words_of(file, keys[key][1], environment, lambda value: _referred(value, environment))
            blocks.append(block_of(file, *keys[key]))
    name = scalar(node_at(node, "name"))
    mounts = [(scalar(node_at(m, "name")) or "", scalar(node_at(m, "mountPath")) or "") for m in _mounts(node)]
    return Written(
        form=Form.KUBERNETES,
        text=file.text,
        words=tuple(words),
        block=tuple(sorted(blocks)),
        line=line_of(file, words),
        name="/".join(filter(None, (pod.name, name if name != pod.name else None))) or None,
        environment=environment,
        folder=scalar(node_at(node, "workingDir")),
        mounts=_of_this_machine(mounts, pod.spec),
        contained=True,
        image=scalar(node_at(node, "image")),
        allotted=Allotted(
            asked=(*_probed(node), *_served(services, node, pod.labels)),
            memory=bytes_of(scalar(node_at(node, "resources", "limits", "memory")), kubernetes=True),
            shm=None if any(target == "/dev/shm" for _, target in mounts) else SHM_BY_DEFAULT,
            cards=_has_cards(node, pod.spec),
            mounted=tuple(target for _, target in mounts),
        ),
    )


def _refuse_string(file: File, key: str, node: Any) -> None:
    """Raise `BadInput` for a command that is one string: the API server takes a list of strings alone."""
    if not scalar(node):
        return
    line = node.start_mark.line + 1
    raise BadInput(
        f"--file {file.path}",
        Text(
            f"{key} at line {line} is a string, and Kubernetes takes a list of strings alone",
            f"第 {line} 行的 {key} 是字符串，而 Kubernetes 只接受字符串列表",
        ),
        Text(f"write it as a list: {key}: [python3, -m, ...]", f"改成列表：{key}: [python3, -m, ...]"),
    )


_REFERENCE = re.compile(r"\$\$|\$\(([\w.-]+)\)")


def _referred(value: str, environment: Mapping[str, str]) -> tuple[str, bool]:
    """A value with `$(NAME)` replaced, and whether one of them is not known here."""
    unknown = any(m[1] and m[1] not in environment for m in _REFERENCE.finditer(value))
    return _REFERENCE.sub(lambda m: environment.get(m[1], m[0]) if m[1] else "$", value), unknown


def _mounts(node: Any) -> Sequence[Any]:
    return items(node_at(node, "volumeMounts"))


def _of_this_machine(mounts: Sequence[tuple[str, str]], spec: Any) -> dict[str, str]:
    """Folders of a node by the path that the container has for them: of this machine, where it is that node."""
    paths = {
        scalar(node_at(v, "name")): scalar(node_at(v, "hostPath", "path")) for v in items(node_at(spec, "volumes"))
    }
    return {target: path for name, target in mounts if target and (path := paths.get(name))}


def _has_cards(node: Any, spec: Any) -> bool:
    """By the resources of any vendor, or a runtime class that passes cards in."""
    resources = [name for kind in ("limits", "requests") for name in pairs(node_at(node, "resources", kind))]
    claims = node_at(node, "resources", "claims") or node_at(spec, "runtimeClassName")
    return claims is not None or any("/" in name for name in resources)


_PROBES = (
    ("startupProbe", Text("its startupProbe", "它的 startupProbe"), True),
    ("livenessProbe", Text("its livenessProbe", "它的 livenessProbe"), True),
    ("readinessProbe", Text("its readinessProbe", "它的 readinessProbe"), False),
)


def _probed(node: Any) -> Iterator[Asked]:
    for name, words, kills in _PROBES:
        for kind in ("httpGet", "tcpSocket", "grpc"):
            if port := _port(node, scalar(node_at(node, name, kind, "port"))):
                yield Asked(words, port, kills)


def _served(services: Sequence[Any], node: Any, labels: Mapping[str, str]) -> Iterator[Asked]:
    """The services of the same file that lead to a pod with these labels, by the port that is theirs alone."""
    for service in services:
        selector, ports = _texts(node_at(service, "spec", "selector")), items(node_at(service, "spec", "ports"))
        if not selector or not selector.items() <= labels.items() or len(ports) != 1:
            continue
        name = scalar(node_at(service, "metadata", "name")) or ""
        target = scalar(node_at(ports[0], "targetPort")) or scalar(node_at(ports[0], "port"))
        if port := _port(node, target):
            yield Asked(Text(f"the Service {name}", f"Service {name} "), port)


def _port(node: Any, given: str | None) -> int | None:
    """A port by its number or by its name among the container's."""
    if given is not None and not given.isdigit():
        ports = items(node_at(node, "ports"))
        given = next((scalar(node_at(p, "containerPort")) for p in ports if scalar(node_at(p, "name")) == given), None)
    return int(given) if given and given.isdigit() else None
