"""The folder of the model that the server has loaded, where it lies on this machine: for several areas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgecheck.model import Text, Unavailable

if TYPE_CHECKING:
    from bgecheck.run.context import Context

_DEMO = Text("the demo server has no model weights", "演示服务没有模型权重")


def served_folder(context: Context) -> str:
    """The folder that the user named, else the one of the server's process or of its own page. Raises `Unavailable`."""
    from bgecheck.reference.folder import model_folder

    path = (context.server().model_info() or {}).get("model_path")
    local = context.target.is_local and isinstance(path, str)
    return model_folder(context.target.model_path or (path if local else None))


def refuse_demo(context: Context) -> None:
    """Raises `Unavailable` where the server is the demo, which computes its vectors without a model."""
    if context.server().is_demo():
        raise Unavailable(_DEMO, looked=False)
