"""The entry row: whether anything is known of how the server is launched."""

from __future__ import annotations

from bgecheck.checks.launch.facts import AREA, LaunchFacts
from bgecheck.model import ANY_TIME, Evidence, Outcome, Text, holds, unclear


@AREA.check(
    "readable",
    title=Text("the server's launch settings can be read", "能读到服务的启动参数"),
    cause=Text("the server shows no settings and its process cannot be seen", "服务没有给出启动参数，也看不到它的进程"),
    fix=Text(
        "run bgecheck on the server's machine, as the user that runs the server",
        "在服务所在机器上用同一用户运行 bgecheck",
    ),
    moments=ANY_TIME,
)
def settings_are_readable(facts: LaunchFacts) -> Outcome:
    """Holds when at least one setting was told."""
    version = facts.get("version")
    if not facts.settings:
        return unclear(Text("the server's info pages hold no settings", "服务的信息接口里没有启动参数"))
    return holds(Evidence("version", str(version.value))) if version else holds()
