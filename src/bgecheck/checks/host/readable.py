"""The row about the machine itself: can its limits be looked at."""

from __future__ import annotations

from bgecheck.checks.amounts import amount
from bgecheck.checks.host.facts import AREA, HostFacts
from bgecheck.model import Evidence, Outcome, Text, holds


@AREA.check(
    "readable",
    title=Text("the machine of the server can be looked at", "能看到服务所在机器的情况"),
    cause=Text("the server runs on another machine", "服务在另一台机器上"),
    fix=Text("run bgecheck on the server's machine", "在服务所在机器上运行 bgecheck"),
)
def machine_is_readable(facts: HostFacts) -> Outcome:
    """Where it is another machine, or nothing runs here, nothing is looked at."""
    number = facts.cores.number if facts.cores else 0
    size = amount(facts.memory.available) if facts.memory else "?"
    return holds(
        Evidence(
            Text("this machine", "本机"),
            Text(f"{number} cores, {size} of memory available", f"{number} 个核，可用内存 {size}"),
        )
    )
