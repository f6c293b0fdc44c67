"""What a running server's process tree tells: which further ports are its own, and whether its schedulers still run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bgecheck.engines.sglang.discovery import TITLE
from bgecheck.model import ServerProcess, Text
from bgecheck.model.processes import ProcessTable

_SCHEDULER = f"{TITLE}scheduler"
_UNTITLED = "multiprocessing.spawn"
"""In the command line of a child that has not given itself its title yet."""

_RENDEZVOUS = Text("the address where the ranks of its launch meet ({})", "同一次启动的各个 rank 会合的地址（{}）")
_AMONG = Text("of its processes among each other ({})", "它的进程之间通信用的（{}）")
_ROLES = {
    "dist-init-addr": _RENDEZVOUS,
    "nccl-init-addr": _RENDEZVOUS,
    "nccl-port": _AMONG,
    "disaggregation-bootstrap-port": _AMONG,
    "encoder-bootstrap-port": _AMONG,
    "engine-info-bootstrap-port": _AMONG,
    "grpc-port": Text("for gRPC ({})", "gRPC 用的（{}）"),
}
"""Options that name a port beside that of HTTP (0.4.6 to 0.5.23). Metrics are a page of the service port itself."""

INTERNAL = Text("one that it took for itself, another at each start", "它自己随机占用的，每次启动都不同")
"""A port that no option names: that of NCCL or gloo."""


def role(port: int, flags: Mapping[str, str]) -> Text | None:
    """What a port is to a server by the option that names it; None where none does."""
    for name, words in _ROLES.items():
        if flags.get(name, "").rpartition(":")[2] == str(port):
            return Text(words.en.format(f"--{name}"), words.zh.format(f"--{name}"))
    return None


class Schedulers(NamedTuple):
    """How many schedulers of a server run, and how many its options ask for; 0 where these do not tell."""

    running: tuple[int, ...]
    wanted: int


def schedulers(server: ServerProcess, table: ProcessTable) -> Schedulers | None:
    """The schedulers of a server; None where its workers do not show themselves, or not all of them do yet."""
    children = [table.processes[pid].argv for pid in server.children if pid in table.processes]
    if any(_UNTITLED in " ".join(argv) and "resource_tracker" not in " ".join(argv) for argv in children):
        return None
    if not any(argv and argv[0].startswith(TITLE) for argv in children):
        return None
    running = [
        pid
        for pid in server.children
        if pid in table.processes and " ".join(table.processes[pid].argv).startswith(_SCHEDULER)
    ]
    return Schedulers(tuple(running), ranks(server.flags))


_SIZES = ("tp-size", "pp-size", "dp-size", "nnodes")
"""Usually typed short: `--tp 2`."""


def ranks(flags: Mapping[str, str]) -> int:
    """One for each rank of tensors and of the pipeline, and for each replica; of several machines nobody can tell."""
    sizes = [flags.get(name) or flags.get(name.removesuffix("-size"), "1") for name in _SIZES]
    if not all(size.isdigit() for size in sizes) or sizes[3] != "1" or "config" in flags:
        return 0
    shards = int(sizes[0]) * int(sizes[1])
    return shards if "enable-dp-attention" in flags else shards * int(sizes[2])


OF_SEVERAL_GPUS = (
    *("tp-size", "tp", "pp-size", "pp", "dp-size", "dp", "base-gpu-id", "gpu-id-step", "enable-dp-attention"),
    *("nccl-port", "dist-init-addr"),
)
"""The options of a launch on several GPUs, or on another than the first."""


def cards(flags: Mapping[str, str]) -> tuple[int, ...]:
    """The places, among the GPUs that CUDA shows to it, of those that a server takes; () where its options don't tell.

    The first is `--base-gpu-id`, the others follow at `--gpu-id-step` (data_parallel_controller.py, 0.4.6 on).
    """
    first, step = flags.get("base-gpu-id", "0"), flags.get("gpu-id-step", "1")
    if not (first.isdigit() and step.isdigit()):
        return ()
    return tuple(int(first) + place * int(step) for place in range(min(ranks(flags), _MOST)))


_MOST = 1024
"""Ranks that are counted."""
