"""The door to NVIDIA GPUs: one snapshot through NVML, in which a value that the driver does not tell is None."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from bgecheck.model import Text, Unavailable, clean

LIBRARY = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"

THROTTLED = {0x08: "hardware slowdown", 0x20: "software thermal", 0x40: "hardware thermal", 0x80: "power brake"}
"""Clock throttle reasons that mean trouble (nvml.h); idle and power cap are ordinary."""

_GPU_LIMIT, _HOLDER_LIMIT = 64, 512


class Holder(NamedTuple):
    """A process that holds GPU memory; `used` in bytes, None where the driver does not tell (containers, WSL)."""

    pid: int
    used: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Gpu:
    """One GPU, or one instance of a GPU that is cut up by MIG. Memory in bytes, temperatures in degrees Celsius."""

    index: int
    name: str
    uuid: str = ""
    total: int | None = None
    used: int | None = None
    free: int | None = None
    capability: tuple[int, int] | None = None
    temperature: int | None = None
    slows_down_at: int | None = None
    throttled: tuple[str, ...] | None = None
    clock: int | None = None
    """Of the streaming multiprocessors, in MHz, now."""
    uncorrected: int | None = None
    """ECC errors that could not be corrected since the driver was loaded."""
    pending: bool | None = None
    """Whether bad memory is taken out of use only after a reset; True as well when that failed."""
    mig: bool | None = None
    holders: tuple[Holder, ...] | None = None
    """Processes that compute or draw on it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Gpus:
    """All GPUs that the driver shows, with its own version and the newest CUDA it can run, as (major, minor)."""

    driver: str | None
    cuda: tuple[int, int] | None
    gpus: tuple[Gpu, ...]
    lost: tuple[tuple[int, str], ...] = ()
    """Index of each GPU that is lost, with the driver's own words."""


def read_gpus() -> Gpus:
    """Take a snapshot. Raises `Unavailable`: not looked without a driver or GPU, looked when the driver fails."""
    import ctypes

    try:
        # The loader answers within microseconds where pynvml takes 20 ms to be imported.
        ctypes.CDLL(LIBRARY)
    except OSError:
        raise _nothing("no NVIDIA driver on this machine", "本机没有 NVIDIA 驱动") from None
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise _refused(pynvml, error) from error
    try:
        return _snapshot(pynvml)
    except pynvml.NVMLError as error:
        raise _refused(pynvml, error) from error
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


HELD_SECONDS = 2.0
"""For which the driver is waited for, that may hang for good."""


def held_by(pids: Sequence[int]) -> int | None:
    """Bytes of GPU memory that processes hold together; None where the driver does not tell in time."""
    answers: queue.SimpleQueue[Gpus | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(read_gpus())
        except Unavailable:
            answers.put(None)

    threading.Thread(target=ask, name="gpus", daemon=True).start()
    try:
        gpus = answers.get(timeout=HELD_SECONDS)
    except queue.Empty:
        return None
    held = [h.used for gpu in (gpus.gpus if gpus else ()) for h in gpu.holders or () if h.pid in pids]
    return sum(used for used in held if used is not None) if any(used is not None for used in held) else None


def _nothing(en: str, zh: str) -> Unavailable:
    return Unavailable(Text(en, zh), looked=False)


def _refused(pynvml: Any, error: Any) -> Unavailable:
    code, message = error.value, _error_text(error)
    if code in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED):
        return _nothing("the NVIDIA driver is not loaded", "NVIDIA 驱动没有加载")
    if code == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return Unavailable(
            Text(
                f"driver/library version mismatch; reboot to fix ({message})",
                f"已加载的驱动与用户态库版本不一致，重启机器可恢复（{message}）",
            )
        )
    if code == pynvml.NVML_ERROR_NO_PERMISSION:
        return Unavailable(
            Text(f"this user may not ask the NVIDIA driver ({message})", f"当前用户无权访问 NVIDIA 驱动（{message}）")
        )
    return Unavailable(Text(f"the NVIDIA driver answers: {message}", f"NVIDIA 驱动返回：{message}"))


def _error_text(error: Any) -> str:
    return clean(str(error), 120)


def _queried(pynvml: Any, ask: Callable[..., Any], *arguments: Any) -> Any:
    """What NVML answers, or None when this GPU, driver or user does not get it. A lost GPU still raises."""
    try:
        return ask(*arguments)
    except UnicodeDecodeError:
        return None
    except pynvml.NVMLError as error:
        if error.value in (pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED):
            raise
        return None


def _snapshot(pynvml: Any) -> Gpus:
    count = min(pynvml.nvmlDeviceGetCount(), _GPU_LIMIT)
    if not count:
        raise _nothing("the NVIDIA driver shows no GPU", "NVIDIA 驱动看不到任何 GPU")
    cuda = _queried(pynvml, pynvml.nvmlSystemGetCudaDriverVersion)
    answers = [(index, _gpu(pynvml, index)) for index in range(count)]
    gpus = [gpu for _, answer in answers if isinstance(answer, list) for gpu in answer]
    failed = [(index, answer) for index, answer in answers if isinstance(answer, pynvml.NVMLError)]
    if not gpus:
        raise failed[0][1]
    return Gpus(
        driver=_text(_queried(pynvml, pynvml.nvmlSystemGetDriverVersion)),
        cuda=(cuda // 1000, cuda % 1000 // 10) if cuda else None,
        gpus=tuple(gpus),
        # A container may be kept from some GPUs of its machine: those are not lost.
        lost=tuple((index, _error_text(e)) for index, e in failed if e.value != pynvml.NVML_ERROR_NO_PERMISSION),
    )


def _gpu(pynvml: Any, index: int) -> list[Gpu] | Exception:
    """The GPU at `index`, its instances when it is cut up and they may be seen, or NVML's error when it is lost."""
    try:
        card = _Device(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index))
        mode = card.query("MigMode")
        mig = None if mode is None else bool(mode[0])
        parts = list(_instances(pynvml, card)) if mig else []
        return [_read(pynvml, index, part, card, mig) for part in parts or [card]]
    except pynvml.NVMLError as error:
        return error  # type: ignore[no-any-return]  # pynvml has no types


class _Device:
    """A handle, and the questions to it."""

    def __init__(self, pynvml: Any, handle: Any) -> None:
        self._pynvml = pynvml
        self._handle = handle

    def query(self, name: str, *more: Any) -> Any:
        ask = getattr(self._pynvml, f"nvmlDeviceGet{name}", None)
        return _queried(self._pynvml, ask, self._handle, *more) if ask else None


def _instances(pynvml: Any, card: _Device) -> Iterator[_Device]:
    for number in range(min(card.query("MaxMigDeviceCount") or 0, 16)):
        if handle := card.query("MigDeviceHandleByIndex", number):
            yield _Device(pynvml, handle)


def _read(pynvml: Any, index: int, part: _Device, card: _Device, mig: bool | None) -> Gpu:
    """Name, memory and holders are those of the instance, all else that of its card."""
    memory = part.query("MemoryInfo")
    reasons = card.query("CurrentClocksThrottleReasons")
    capability = card.query("CudaComputeCapability")
    return Gpu(
        index=index,
        name=_text(part.query("Name")) or "GPU",
        uuid=_text(part.query("UUID")) or "",
        total=memory and int(memory.total),
        used=memory and int(memory.used),
        free=memory and int(memory.free),
        capability=(int(capability[0]), int(capability[1])) if capability else None,
        temperature=card.query("Temperature", pynvml.NVML_TEMPERATURE_GPU),
        slows_down_at=card.query("TemperatureThreshold", pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),
        throttled=None if reasons is None else tuple(name for bit, name in THROTTLED.items() if reasons & bit),
        clock=card.query("ClockInfo", pynvml.NVML_CLOCK_SM),
        uncorrected=card.query("TotalEccErrors", pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC),
        pending=_pending(card),
        mig=mig,
        holders=_holders(part),
    )


def _pending(card: _Device) -> bool | None:
    """Ampere and newer remap rows (corrected, uncorrected, pending, failed); older cards retire pages."""
    rows = card.query("RemappedRows")
    if rows is not None:
        return bool(rows[2] or rows[3])
    pages = card.query("RetiredPagesPendingStatus")
    return None if pages is None else bool(pages)


def _holders(part: _Device) -> tuple[Holder, ...] | None:
    """A process that computes and draws is in both lists, and is named once."""
    computing, drawing = part.query("ComputeRunningProcesses"), part.query("GraphicsRunningProcesses")
    if computing is None:
        return None
    holders = {int(p.pid): Holder(int(p.pid), p.usedGpuMemory) for p in (*(drawing or ()), *computing)}
    return tuple(holders[pid] for pid in sorted(holders)[:_HOLDER_LIMIT])


def _text(value: Any) -> str | None:
    return clean(value, 100) if isinstance(value, str) else None
