"""The doors to a server over HTTP, whatever engine answers."""

import sys

# httpx loads a command line of its own (click, pygments, Rich's progress) wherever click is installed, as it is beside
# sglang, and does without where it is not: that was a seventh of the time of `doctor --quick`.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # "not to be found", says the import system
