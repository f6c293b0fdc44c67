"""GPUs as facts made by hand, and what the rows of the `gpu` area make of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bgecheck.checks import gpu as area
from bgecheck.checks.gpu import GIB, GpuFacts
from bgecheck.machine.gpus import Gpu, Gpus, Holder
from bgecheck.model import Finding, Moment, Redactor, Target, say
from bgecheck.run import catalog, engine

TARGET = Target(url="http://127.0.0.1:30000", host="127.0.0.1", port=30000)
OWN, WORKER, STRANGER = 100, 101, 555


def card(index: int = 0, *holders: Holder, used: float = 0.4, total: float = 24.0, **more: Any) -> Gpu:
    """A card in order; memory in GiB."""
    told: dict[str, Any] = {
        "name": "NVIDIA A10",
        "uuid": f"GPU-{index}{index}{index}{index}",
        "total": int(total * GIB),
        "used": int(used * GIB),
        "free": int((total - used) * GIB),
        "capability": (8, 6),
        "temperature": 50,
        "slows_down_at": 90,
        "throttled": (),
        "uncorrected": 0,
        "pending": False,
        "mig": False,
        "holders": holders,
    }
    return Gpu(index=index, **{**told, **more})


def held(gib: float | None, pid: int = STRANGER) -> Holder:
    return Holder(pid, None if gib is None else int(gib * GIB))


def facts(*cards: Gpu, running: bool = False, cuda: tuple[int, int] | None = (13, 0), **more: Any) -> GpuFacts:
    seen = Gpus(driver="580.65.06", cuda=cuda, gpus=cards, lost=more.pop("lost", ()))
    told = {"names": {STRANGER: "python", OWN: "sglang"}, "chosen": cards} | more
    return GpuFacts(target=TARGET, nvml=seen, own=frozenset({OWN, WORKER}) if running else frozenset(), **told)


def judged(seen: GpuFacts) -> dict[str, Finding]:
    """The findings by the name of the row."""
    moment: Moment = "before" if seen.planned else "after"
    it = replace(catalog.at(moment, [area.AREA])[0], collector=lambda context: seen)
    return {found.id.removeprefix("gpu."): found for found in engine.run([it], None, redactor=Redactor())}


def words(found: Finding) -> str:
    """Everything that the finding says, in English."""
    said = [found.cause, found.fix, found.reason or "", *(e.observed for e in found.evidence)]
    return " ".join(say(text, "en") for text in said)
