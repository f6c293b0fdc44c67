"""The cards of a planned launch: which GPUs it will see, which of them it takes, and how much of each."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bgecheck.engines.planned import Form, Planned
from bgecheck.engines.sglang.footprint import Footprint, footprint, served_bytes
from bgecheck.engines.sglang.workers import cards
from bgecheck.knowledge.sizes import known_size, size_of
from bgecheck.machine.files import model_config
from bgecheck.machine.gpus import Gpu
from bgecheck.model import Unavailable
from bgecheck.reference.folder import model_folder

VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible(planned: Planned | None) -> str | None:
    """CUDA_VISIBLE_DEVICES of what is to be launched: as its line sets it, else as a shell here hands it on.

    In a container the numbers are those of the cards that it is given, which are not known here.
    """
    if planned is None:
        return os.environ.get(VISIBLE)
    if planned.contained:
        return None
    handed_on = os.environ.get(VISIBLE) if planned.written.form in (Form.LINE, Form.SCRIPT) else None
    return planned.launch.environment.get(VISIBLE, handed_on)


def left_to(gpus: tuple[Gpu, ...], visible: str | None) -> tuple[Gpu, ...]:
    """The GPUs that a launch from this shell may use, in its order."""
    by_bus = os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    return gpus if visible is None else chosen(gpus, visible, by_bus=by_bus)


def taken(gpus: tuple[Gpu, ...], planned: Planned) -> tuple[Gpu, ...]:
    """The GPUs that a planned launch takes, as far as they are there and its options tell."""
    left = left_to(gpus, visible(planned))
    return tuple(left[place] for place in cards(planned.options) if place < len(left))


def chosen(gpus: tuple[Gpu, ...], visible: str, *, by_bus: bool) -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, by index or by the beginning of a UUID.

    As CUDA reads it, the list ends at the first entry that names nothing. Without CUDA_DEVICE_ORDER=PCI_BUS_ID
    CUDA counts the fastest card first and NVML by the bus: among unlike cards an index then says nothing, and
    all are kept.
    """
    words = [word.strip() for word in visible.split(",")]
    if any(w.isdigit() for w in words) and not by_bus and len({(g.name, g.capability, g.total) for g in gpus}) > 1:
        return gpus
    kept: list[Gpu] = []
    for word in words:
        chosen = [g for g in gpus if (word == str(g.index) if word.isdigit() else word and g.uuid.startswith(word))]
        if not chosen:
            break
        kept += [g for g in chosen if g not in kept]
    return tuple(kept)


def footprint_of(model: str | None, options: Mapping[str, str]) -> Footprint | None:
    """What a server of the model takes of each card; None where its size is known from neither folder nor name."""
    if not model:
        return None
    try:
        folder: str | None = model_folder(model)
    except Unavailable:
        folder = None
    config = model_config(folder) if folder else {}
    size = size_of(config) or known_size(model)
    return footprint(size, options, stored=served_bytes(folder, config, options)) if size else None
