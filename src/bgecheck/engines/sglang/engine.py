"""sglang as the engine that checks ask: what `engines.base.Engine` wants, from the modules beside this one."""

from bgecheck.engines.sglang.launchline import parse_launch
from bgecheck.engines.sglang.options import changes_in_words
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.engines.sglang.relaunch import encoder_changes, launch_line, launch_of, place, stop
from bgecheck.engines.sglang.settings import settings

__all__ = [
    "PAGES",
    "changes_in_words",
    "encoder_changes",
    "launch_line",
    "launch_of",
    "parse_launch",
    "place",
    "settings",
    "stop",
]
