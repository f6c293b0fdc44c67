"""sglang as the engine that checks ask: what `engines.base.Engine` wants, from the modules beside this one."""

from bgecheck.engines.sglang.launchline import parse_launch
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.engines.sglang.relaunch import changes, launch_line
from bgecheck.engines.sglang.settings import settings

__all__ = ["PAGES", "changes", "launch_line", "parse_launch", "settings"]
