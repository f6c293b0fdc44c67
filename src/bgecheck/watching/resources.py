"""What the server's processes hold on this machine: main memory, GPU memory, and the state of their GPUs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bgecheck.engines.sglang.discovery import followed
from bgecheck.machine.gpus import Gpu, Gpus, read_gpus
from bgecheck.machine.limits import memory
from bgecheck.machine.processes import family, lives, resident
from bgecheck.model import Target, Text, Unavailable, clean

_LOOK_AGAIN = 8
"""Samples after which it is looked for processes that the server has started since: at 15 s each two minutes."""

GPU_SECONDS = 5.0
"""In which a driver answers; one that hangs is not asked again until it has answered."""


class Held(NamedTuple):
    """The server's processes at one moment; sizes in bytes."""

    pid: int | None = None
    pids: tuple[int, ...] = ()
    rss: int | None = None
    ram_free: int | None = None
    begun: bool = False
    """Whether it is another process than at the moment before."""


class ServerProcesses:
    """The processes of the server that was found, and of one that takes over its port."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._pids: tuple[int, ...] = ()
        self._looks = 0

    def look(self) -> Held:
        """What they hold now; without a process where none runs, or none can be seen."""
        server = self.target.server
        if server is None:
            return Held()
        begun = False
        if not lives(server.pid, server.started_at):
            later = followed(self.target)
            if later.server is None or later.server.pid == server.pid:
                return Held()
            self.target, server, begun = later, later.server, True
            self._looks = 0
        if self._looks % _LOOK_AGAIN == 0:
            self._pids = family(server.pid)
        self._looks += 1
        room = memory(server.pid)
        return Held(server.pid, self._pids, resident(self._pids), room.available if room else None, begun)


class Cards(NamedTuple):
    """GPUs at one moment: memory of the server in bytes, the hottest and the slowest of its cards."""

    used: int | None = None
    free: int | None = None
    temperature: int | None = None
    clock: int | None = None
    throttled: bool | None = None


def cards_of(gpus: Sequence[Gpu], pids: Iterable[int]) -> Cards:
    """What a server has of the GPUs. Where no process is seen on them only the state of a single card is taken."""
    own = set(pids)
    serving = [gpu for gpu in gpus if any(holder.pid in own for holder in gpu.holders or ())]
    looked_at = serving or (gpus if len(gpus) == 1 else ())
    held = [h.used for gpu in serving for h in gpu.holders or () if h.pid in own]
    sizes = [size for size in held if size is not None]
    free = [gpu.free for gpu in serving if gpu.free is not None]
    temperatures = [gpu.temperature for gpu in looked_at if gpu.temperature is not None]
    clocks = [gpu.clock for gpu in looked_at if gpu.clock is not None]
    reasons = [bool(gpu.throttled) for gpu in looked_at if gpu.throttled is not None]
    return Cards(
        sum(sizes) if sizes and len(sizes) == len(held) else None,
        min(free, default=None),
        max(temperatures, default=None),
        min(clocks, default=None),
        any(reasons) if reasons else None,
    )


class GpuReader:
    """Asks the driver for no longer than `GPU_SECONDS`; `reason` says why there is nothing to see."""

    def __init__(self, read: Callable[[], Gpus] = read_gpus) -> None:
        self.reason: Text | None = None
        self._read = read
        self._never = False
        self._answers: queue.SimpleQueue[Gpus | Unavailable] = queue.SimpleQueue()
        self._asking: threading.Thread | None = None

    def look(self, pids: Iterable[int]) -> Cards:
        """The GPUs of a server now; nothing where there is no driver, or it does not answer."""
        answer = None if self._never else self._answer()
        if isinstance(answer, Gpus):
            cards = cards_of(answer.gpus, pids)
            self.reason = None if cards.used is not None else _NOT_TOLD
            return cards
        if isinstance(answer, Unavailable):
            self.reason = answer.reason if isinstance(answer.reason, Text) else Text(answer.reason, answer.reason)
            self._never = not answer.looked
        elif not self._never:
            self.reason = _HANGS
        return Cards()

    def _answer(self) -> Gpus | Unavailable | None:
        if self._asking is None or not self._asking.is_alive():
            while not self._answers.empty():
                self._answers.get()  # of a driver that hung, and has answered since
            self._asking = threading.Thread(target=self._ask, name="gpus", daemon=True)
            self._asking.start()
        try:
            return self._answers.get(timeout=GPU_SECONDS)
        except queue.Empty:
            return None

    def _ask(self) -> None:
        try:
            self._answers.put(self._read())
        except Unavailable as error:
            self._answers.put(error)
        except Exception as error:  # of a library that does not fit its driver: the watch goes on without it
            self._answers.put(Unavailable(clean(f"{type(error).__name__}: {error}", 200)))


_NOT_TOLD = Text(
    "the driver does not tell here which process holds how much (in a container, under WSL)",
    "驱动在这里看不到各进程占用的显存（容器内、WSL）",
)
_HANGS = Text(f"the driver did not answer within {GPU_SECONDS:g} s", f"驱动 {GPU_SECONDS:g} 秒内没有响应")


def on_cpu(target: Target) -> bool:
    """Whether the server was started to compute on the CPU, so that GPUs of this machine are not its own."""
    return target.server is not None and target.server.flags.get("device") == "cpu"
