"""The door to Ray: its modules, or a line that says how to install it."""

from __future__ import annotations

from typing import Any

from bgecheck.model import BadInput, Text


def required() -> Any:
    """The module ray, with ray.data. Raises `BadInput` where it is not installed."""
    try:
        import ray
        import ray.data
    except ImportError as missing:
        why = missing.name or "ray"
        raise BadInput(
            "bgecheck.cluster",
            Text(f"it needs Ray Data, and {why} is not installed", f"需要 Ray Data，但没有安装 {why}"),
            Text("install it: pip install 'bgecheck[ray]'", "安装：pip install 'bgecheck[ray]'"),
        ) from None
    return ray
