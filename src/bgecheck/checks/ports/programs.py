"""Which programs hold a port and can be no embedding server, and which pass requests on to one."""

from __future__ import annotations

import os

from bgecheck.machine.sockets import FORWARDERS
from bgecheck.model.processes import Process

_GATEWAYS = frozenset(
    {
        "nginx",
        "openresty",
        "haproxy",
        "envoy",
        "traefik",
        "caddy",
        "httpd",
        "apache2",
        "litellm",
        "one-api",
        "new-api",
        "sglang-router",
        "smg",
    }
)

_NO_ENGINES = frozenset(
    {
        "redis-server",
        "valkey-server",
        "memcached",
        "postgres",
        "mysqld",
        "mariadbd",
        "mongod",
        "etcd",
        "qdrant",
        "milvus",
        "minio",
        "prometheus",
        "node_exporter",
        "grafana",
        "grafana-server",
        "jupyter",
        "jupyter-lab",
        "jupyter-notebook",
        "jupyter-server",
        "tensorboard",
    }
)
"""Databases, monitoring and notebooks: what users meet on a port of theirs, and what computes no embeddings."""

_MODULES = frozenset({"http.server", "jupyter", "jupyterlab", "notebook", "tensorboard.main"})
"""The same, run by `python -m`."""


def passes_on(process: Process) -> bool:
    """Whether a program hands requests on, so that what runs behind it is not seen here."""
    return bool(_names(process) & (FORWARDERS | _GATEWAYS)) or bool(_modules(process) & {"sglang_router", "litellm"})


def is_no_engine(process: Process) -> bool:
    """Whether a program by its name or module computes no embeddings."""
    return bool(_names(process) & _NO_ENGINES) or bool(_modules(process) & _MODULES)


def _names(process: Process) -> set[str]:
    """Its name, its program's, and that of the script which an interpreter runs. `nginx: master process` is a title."""
    words = [os.path.basename(word) for word in process.argv[:2] if not word.startswith("-")]
    return {name.partition(":")[0].partition(" ")[0] for name in (process.name, *words)}


def _modules(process: Process) -> set[str]:
    """The module that `python -m` runs, whole and by its package."""
    argv = process.argv
    name = next((argv[at + 1] for at, word in enumerate(argv[:8]) if word == "-m" and at + 1 < len(argv)), "")
    return {name, name.partition(".")[0]} if name else set()
