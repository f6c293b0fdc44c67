"""The causes that a log of sglang can show, in the order of the rows; importing this package declares them."""

from bgecheck.engines.sglang.log.causes import device, model_files, serving, container, script, router, fallback  # isort: skip

__all__ = ["container", "device", "fallback", "model_files", "router", "script", "serving"]
