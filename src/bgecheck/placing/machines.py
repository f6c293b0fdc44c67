"""The machine that models are placed on: its cards as the driver shows them, or as they are given, and free ports."""

from __future__ import annotations

from bgecheck.machine.gpus import Gpu, read_gpus
from bgecheck.machine.ram import available, nodes
from bgecheck.machine.sockets import free_port
from bgecheck.model import BadInput, Text, Unavailable
from bgecheck.placing.placement import Card

_OTHERWISE = Text(
    "say what that machine has: --gpu-memory 24GiB --gpus 1; or place them on the CPU: --device cpu",
    "写明那台机器的配置：--gpu-memory 24GiB --gpus 1；或部署在 CPU 上：--device cpu",
)


def cards_here() -> tuple[Card, ...]:
    """The cards of this machine, with what is free on each. Raises `BadInput` where none can be seen."""
    try:
        gpus = read_gpus().gpus
    except Unavailable as error:
        reason = error.reason if isinstance(error.reason, Text) else Text(error.reason, error.reason)
        raise BadInput("bgecheck plan", reason, _OTHERWISE) from None
    cards = tuple(_card(gpu) for gpu in gpus if gpu.total and gpu.free is not None)
    if not cards:
        raise BadInput(
            "bgecheck plan", Text("the driver does not report the memory", "驱动没有给出显存信息"), _OTHERWISE
        )
    return cards


def _card(gpu: Gpu) -> Card:
    # A part of a card that MIG has cut up has no index of its own.
    visible = gpu.uuid if gpu.mig and gpu.uuid.startswith("MIG") else str(gpu.index)
    return Card(f"GPU {gpu.index}", float(gpu.total or 0), float(gpu.free or 0), visible)


def cards_given(memory: float, count: int) -> tuple[Card, ...]:
    """Cards of another machine, empty."""
    return tuple(Card(f"GPU {index}", memory, memory, str(index)) for index in range(count))


def memory_of_cpu() -> tuple[Card, ...]:
    """The memory of this machine as the one card of servers on its CPU: of several nodes sglang counts one's part."""
    (free, total), parts = available(), nodes()
    return (Card("CPU", total / parts, free / parts),)


def free_ports(first: int, count: int, gateway: int) -> tuple[int, ...]:
    """Ports for so many servers from `first` on, and one for the gateway. Raises `BadInput` where none are free."""
    ports: list[int] = []
    for wanted in (*[first] * count, gateway):
        near = wanted
        while (port := free_port(near - 1)) is not None and port in ports:
            near = port + 1
        if port is None:
            raise BadInput(
                str(wanted),
                Text("no port near it is free", "附近没有空闲的端口"),
                Text("give another first port: --port 31000", "换一个起始端口：--port 31000"),
            )
        ports.append(port)
    return tuple(ports)


def ports_given(first: int, count: int, gateway: int) -> tuple[int, ...]:
    """Ports of another machine, one after the other; the gateway's where it is none of them."""
    ports = tuple(range(first, first + count))
    return (*ports, gateway if gateway not in ports else first + count)
