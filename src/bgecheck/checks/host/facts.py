"""What the machine gives a server: proxies of its environment, limits, memory, room, the container around it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from bgecheck.checks.subject import Subject, subject
from bgecheck.engines.allotted import Allotted
from bgecheck.engines.sglang.options import FROM_MODELSCOPE, address, attention, ranks, runs_on_cpu
from bgecheck.http.proxies import DIRECT, Way, client_way
from bgecheck.knowledge.manifests import expected_size
from bgecheck.knowledge.models import lookup
from bgecheck.machine.files import weights_size
from bgecheck.machine.limits import (
    Cores,
    Memory,
    Space,
    Surroundings,
    cores,
    memory,
    open_files,
    root_of,
    space,
    surroundings,
)
from bgecheck.model import ANY_TIME, Area, Text, Unavailable
from bgecheck.model.target import authority
from bgecheck.reference.folder import is_hub_id, on_hub

if TYPE_CHECKING:
    from bgecheck.engines.planned import Planned
    from bgecheck.run.context import Context

AREA = Area("host", moments=ANY_TIME)


class Temporary(NamedTuple):
    """The folder for temporary files, in which a server opens the sockets between its processes."""

    path: str
    space: Space | None
    writable: bool = True


class Download(NamedTuple):
    """A model that is not in the cache: what it takes, and the room where it would go."""

    cache: str
    size: int
    space: Space


class HostFacts(NamedTuple):
    """The machine as one server sees it; what cannot be told is None."""

    runs: bool
    elsewhere: Text | None = None
    """Why environment and limits of this program are not those of the server."""
    way: Way = DIRECT
    """How the server would get to itself by the proxy variables of its environment."""
    shm: Space | None = None
    ranks: int = 1
    nofile: tuple[int, int] | None = None
    memory: Memory | None = None
    weights: int | None = None
    """Bytes that the start reads into main memory: all of torch's files, and on a CPU those of safetensors."""
    temporary: Temporary | None = None
    download: Download | None = None
    around: Surroundings = Surroundings(None)
    user: str = ""
    on_cpu: bool = False
    planned: Planned | None = None
    """What is to be launched, where a file or line tells of it."""
    cores: Cores | None = None
    attention: str | None = None

    @property
    def allotted(self) -> Allotted:
        """What the launch file gives the server."""
        return self.planned.written.allotted if self.planned else Allotted()


@AREA.collect
def collect(context: Context) -> HostFacts:
    """Look at the machine of a server that runs here, or is to start here."""
    server = subject(context)
    if server.pid is None and not server.starts:
        raise Unavailable(
            Text("no process of the server is seen on this machine", "本机看不到该服务的进程"),
            looked=False,
        )
    return host_of(server)


def host_of(server: Subject) -> HostFacts:
    """The machine as a server sees it."""
    pid, root = server.pid, root_of(server.pid)
    on_cpu = runs_on_cpu(server.options)
    return HostFacts(
        runs=pid is not None,
        elsewhere=server.elsewhere,
        way=way_to_itself(server.options, server.environment),
        shm=space(f"{root}/dev/shm") if os.path.isdir(f"{root}/dev/shm") else None,
        ranks=ranks(server.options),
        nofile=open_files(pid),
        memory=memory(pid),
        weights=_read_into_memory(server.model_path, on_cpu=on_cpu),
        temporary=temporary(server, root),
        download=download(server),
        around=surroundings(root),
        user=server.user.name if server.user else "",
        on_cpu=on_cpu,
        cores=cores(pid),
        attention=attention(server.options),
        planned=server.planned,
    )


def way_to_itself(options: Mapping[str, str], environment: Mapping[str, str]) -> Way:
    """How a server gets to its own port when it warms up."""
    host, port = address(options)
    return client_way(f"http://{authority(host, port)}", host, port, environment)


def _read_into_memory(path: str | None, *, on_cpu: bool) -> int | None:
    if path is None or not os.path.isdir(path):
        return None
    size = weights_size(path)
    try:
        mapped = any(name.endswith(".safetensors") for name in os.listdir(path))
    except OSError:
        return None
    if size is None or (mapped and not on_cpu):
        return 0 if size is not None else None
    return size


def temporary(server: Subject, root: str) -> Temporary:
    """The folder that Python's tempfile takes in the server's environment."""
    names = (server.environment.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    path = next((name for name in names if name), "/tmp")
    place = f"{root}{path}" if path.startswith("/") else path
    own = server.pid is None and not server.elsewhere
    return Temporary(path, space(place), not own or os.access(place, os.W_OK | os.X_OK))


def download(server: Subject) -> Download | None:
    """What is still to be fetched for a hub id whose size is known; None where nothing is."""
    given = server.model_path
    if server.pid is not None or not given or os.path.exists(given) or not is_hub_id(given):
        return None
    entry = lookup(given)
    size = expected_size(entry.name if entry else None)
    hub = on_hub(given, server.environment, from_modelscope=bool(server.environment.get(FROM_MODELSCOPE)))
    room = space(hub.cache)
    return Download(hub.cache, size, room) if size and room and hub.folder is None else None
