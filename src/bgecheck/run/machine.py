"""The tables of this machine that are read once for several reports of one run: processes, and GPUs."""

from __future__ import annotations

from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

from bgecheck.machine.processes import snapshot
from bgecheck.model import Unavailable
from bgecheck.model.processes import ProcessTable

if TYPE_CHECKING:
    from bgecheck.machine.gpus import Gpus


class Machine:
    """Opened lazily, once; a driver that hangs holds up nobody who asks for the processes."""

    def __init__(self) -> None:
        self._lock, self._gpu_lock = RLock(), RLock()

    def processes(self) -> ProcessTable:
        """The process table as it was at first use."""
        with self._lock:
            return self._processes

    def gpus(self) -> Gpus:
        """What the driver shows of the GPUs. Raises `Unavailable`."""
        with self._gpu_lock:
            gpus = self._gpus
        if isinstance(gpus, Unavailable):
            raise gpus
        return gpus

    @cached_property
    def _processes(self) -> ProcessTable:
        return snapshot()

    @cached_property
    def _gpus(self) -> Gpus | Unavailable:
        """What there is, or why there is nothing, which is not asked again either."""
        from bgecheck.machine.gpus import read_gpus

        try:
            return read_gpus()
        except Unavailable as error:
            return error
