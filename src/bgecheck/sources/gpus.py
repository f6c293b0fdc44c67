"""The door to NVIDIA GPUs: one snapshot through NVML, in which a value that the driver does not tell is None."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bgecheck.model import Text, Unavailable, clean

LIBRARY = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"

THROTTLED = {0x08: "hardware slowdown", 0x20: "software thermal", 0x40: "hardware thermal", 0x80: "power brake"}
"""Clock throttle reasons that mean trouble (nvml.h); idle and power cap are ordinary."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds GPU memory; `used` in bytes, None where the driver does not tell (containers, WSL)."""

    pid: int
    used: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. Memory in bytes, temperatures in degrees Celsius."""

    index: int
    name: str
    uuid: str
    total: int | None
    used: int | None
    free: int | None
    capability: tuple[int, int] | None
    temperature: int | None
    slows_down_at: int | None
    throttled: tuple[str, ...] | None
    uncorrected: int | None
    """ECC errors that could not be corrected since the driver was loaded."""
    holders: tuple[Holder, ...] | None


@dataclass(frozen=True, slots=True)
class Gpus:
    """All GPUs that the driver shows, with its own version and the newest CUDA it can run, as (major, minor)."""

    driver: str | None
    cuda: tuple[int, int] | None
    gpus: tuple[Gpu, ...]


def read_gpus() -> Gpus:
    """Take a snapshot. Raises `Unavailable`: not looked without a driver or GPU, looked when the driver fails."""
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
        _told(pynvml, pynvml.nvmlShutdown)


def _nothing(en: str, zh: str) -> Unavailable:
    return Unavailable(Text(en, zh), looked=False)


def _refused(pynvml: Any, error: Any) -> Unavailable:
    code = error.value
    if code in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED):
        return _nothing("the NVIDIA driver is not loaded", "NVIDIA 驱动没有加载")
    said = clean(str(error), 120)
    if code == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return Unavailable(
            Text(
                f"the loaded driver and its library differ in version, which a reboot mends ({said})",
                f"已加载的驱动与用户态库版本不一致，重启机器可恢复（{said}）",
            )
        )
    return Unavailable(Text(f"the NVIDIA driver answers: {said}", f"NVIDIA 驱动返回：{said}"))


def _told(pynvml: Any, ask: Callable[..., Any], *arguments: Any) -> Any:
    """What NVML answers, or None when this GPU, driver or user does not get it."""
    try:
        return ask(*arguments)
    except (pynvml.NVMLError, UnicodeDecodeError):
        return None


def _snapshot(pynvml: Any) -> Gpus:
    count = pynvml.nvmlDeviceGetCount()
    if not count:
        raise _nothing("the NVIDIA driver shows no GPU", "NVIDIA 驱动看不到任何 GPU")
    cuda = _told(pynvml, pynvml.nvmlSystemGetCudaDriverVersion)
    driver = _told(pynvml, pynvml.nvmlSystemGetDriverVersion)
    return Gpus(
        driver=_text(driver),
        cuda=(cuda // 1000, cuda % 1000 // 10) if cuda else None,
        gpus=tuple(_gpu(pynvml, index) for index in range(min(count, 64))),
    )


def _gpu(pynvml: Any, index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)

    def told(name: str, *more: Any) -> Any:
        ask = getattr(pynvml, f"nvmlDeviceGet{name}", None)
        return _told(pynvml, ask, handle, *more) if ask else None

    memory, reasons = told("MemoryInfo"), told("CurrentClocksThrottleReasons")
    holders, capability = told("ComputeRunningProcesses"), told("CudaComputeCapability")
    return Gpu(
        index=index,
        name=_text(told("Name")) or "GPU",
        uuid=_text(told("UUID")) or "",
        total=memory and int(memory.total),
        used=memory and int(memory.used),
        free=memory and int(memory.free),
        capability=tuple(capability) if capability else None,
        temperature=told("Temperature", pynvml.NVML_TEMPERATURE_GPU),
        slows_down_at=told("TemperatureThreshold", pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),
        throttled=None if reasons is None else tuple(name for bit, name in THROTTLED.items() if reasons & bit),
        uncorrected=told("TotalEccErrors", pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC),
        holders=None if holders is None else tuple(Holder(int(p.pid), p.usedGpuMemory) for p in holders),
    )


def _text(value: Any) -> str | None:
    """NVML's strings came as bytes up to nvidia-ml-py 11.5."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return clean(value, 100) if isinstance(value, str) else None
