"""The weight files that are published of a model, by their SHA-256: what tells apart models of the same shape."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A weight file as the hub has it."""

    model: str
    file: str
    sha256: str
    size: int | None = None


# As the hub's listings and two third-party manifests give them. model.safetensors of bge-large-zh-v1.5 was deleted from
# its main branch on 2024-04-02 and is still in mirrors and caches.
PUBLISHED = (
    Published(
        "bge-large-zh-v1.5",
        "pytorch_model.bin",
        "bf84a56fb045c24e090495195584a3922c3e4204107f0bba8b79c11f67a207f2",
        1_302_220_525,
    ),
    Published(
        "bge-large-zh-v1.5",
        "model.safetensors",
        "74541fa3bddf35c2ed35a7c21542776fb830cde7d372dbe05ca42aa70f2bf904",
    ),
    Published("bge-large-zh", "pytorch_model.bin", "837df24cd1be597c6a149e3a051019c271dda0c7aa3f358eff74f9dc73c56c47"),
    Published(
        "bge-large-zh-noinstruct",
        "pytorch_model.bin",
        "45c1b609ec1916ec1ec8fb5ac29ce539508f90724320d9c641369408ed2971fa",
    ),
    Published(
        "bge-small-zh-v1.5", "pytorch_model.bin", "7c5fe667bbed05dc10e246e229b701ad266fe4d95ab946e9e5aa402056611b88"
    ),
    Published(
        "bge-large-en-v1.5", "model.safetensors", "45e1954914e29bd74080e6c1510165274ff5279421c89f76c418878732f64ae7"
    ),
)


def published(model: str | None, file: str) -> Published | None:
    """The file of that name that is published of a model; None where its hash is not known here."""
    return next((entry for entry in PUBLISHED if entry.model == model and entry.file == file), None)


def by_hash(sha256: str) -> Published | None:
    """The published file with these contents."""
    return next((entry for entry in PUBLISHED if entry.sha256 == sha256.lower()), None)


def expected_size(model: str | None) -> int | None:
    """Bytes that a download of a model's weights takes, where that is known."""
    return next((entry.size for entry in PUBLISHED if entry.model == model and entry.size), None)
