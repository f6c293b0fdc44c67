"""The door to containers, as far as the files and processes of their host show them: id, log, published ports."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from bgecheck.machine.processes import PROC
from bgecheck.machine.sockets import Inside
from bgecheck.model.processes import ProcessTable

_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""Docker, containerd, CRI-O and Podman name a container's control group by its id of 64 hexadecimal digits."""

LOGS = (
    "/var/lib/docker/containers/{id}/{id}-json.log",
    "/var/log/containers/*-{id}.log",
    "/var/lib/containers/storage/overlay-containers/{id}/userdata/ctr.log",
)
"""Where Docker (its json-file driver), Kubernetes and Podman (k8s-file) keep the output of a container."""


PORTS_SHOWN = "docker ps --format '{{{{.Ports}}}}  {{{{.Names}}}}'"
"""A command, as a row's template, that shows which ports Docker publishes."""


_STARTERS = frozenset({"helm", "kubectl", "nomad", "oc", "sbatch", "service", "supervisorctl", "systemctl"})
"""Programs that have another program start a service, and end."""

_WITH_CONTAINERS = frozenset({"docker", "docker-compose", "nerdctl", "podman", "podman-compose"})


def hands_over(command: Sequence[str]) -> bool:
    """Whether a command has another program start what it is for, and ends itself: `docker run -d`, `kubectl apply`."""
    words = [*command]
    while words and os.path.basename(words[0]) in ("env", "sudo", "nohup"):
        del words[0]
    program = os.path.basename(words[0]) if words else ""
    if program in _WITH_CONTAINERS:
        return "start" in words[1:3] or any(re.fullmatch(r"--detach(=true)?|-[a-z]*d[a-z]*", word) for word in words)
    return program in _STARTERS


def container_of(pid: int) -> str | None:
    """The id of the container that a process runs in and this one does not; None too where its host does not tell."""
    container = _container(_group(str(pid)))
    return container if container != _container(_group("self")) else None


def program_of(pid: int) -> Literal["docker", "podman", "crictl"]:
    """The program by which the container of a process is managed: Podman and Kubernetes name its group so."""
    group = _group(str(pid))
    return "podman" if "libpod" in group else "crictl" if "kubepods" in group else "docker"


def _container(group: str) -> str | None:
    ids = _ID.findall(group)
    return ids[-1] if ids else None


def _group(process: str) -> str:
    """The control groups of a process; empty where they cannot be read."""
    try:
        with open(f"{PROC}/{process}/cgroup", encoding="ascii", errors="replace") as file:
            return file.read(64 * 1024)
    except OSError:
        return ""


def log_of(container: str, places: Sequence[str] = LOGS) -> str | None:
    """The file in which a container's output is kept, where this user may read it."""
    import glob

    paths = (path for place in places for path in sorted(glob.glob(place.format(id=container))))
    return next((path for path in paths if os.access(path, os.R_OK)), None)


def leads_to(argv: Sequence[str]) -> tuple[str, int] | None:
    """The container's address and port that a `docker-proxy` process forwards to; None for another process."""
    endpoint = _proxy(argv)
    port = endpoint.get("-container-port", "")
    return (endpoint["-container-ip"], int(port)) if "-container-ip" in endpoint and port.isdigit() else None


def published(net: Inside, port: int, table: ProcessTable) -> int | None:
    """The port of this machine that Docker forwards to `port` of a container with the network `net`."""
    for process in table.processes.values():
        aim = leads_to(process.argv)
        host_port = _proxy(process.argv).get("-host-port", "")
        if aim and aim[1] == port and aim[0] in net.addresses and host_port.isdigit():
            return int(host_port)
    return None


def _proxy(argv: Sequence[str]) -> dict[str, str]:
    """The options of a `docker-proxy`: `-proto tcp -host-ip 0.0.0.0 -host-port 8000 -container-ip ...`."""
    if not argv or os.path.basename(argv[0]) != "docker-proxy":
        return {}
    return {name: value for name, value in pairwise(argv) if name.startswith("-")}
