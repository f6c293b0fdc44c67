"""Shows a watch on stderr while it goes on: live on a terminal with room for it, else plain lines."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from bgecheck.cli.language import shown_on
from bgecheck.cli.progress import is_live
from bgecheck.cli.stderr import to_stderr
from bgecheck.model import Language, Target, Text, Unavailable, Words
from bgecheck.render.watching import LOWEST, NARROWEST, event_line, live, status_line
from bgecheck.watching.failures import failure_words

if TYPE_CHECKING:
    from rich.live import Live

    from bgecheck.render.screen import Screen
    from bgecheck.watching.alerts import Alert
    from bgecheck.watching.history import History
    from bgecheck.watching.sample import Sample

_LINE_EVERY = 60.0
"""Seconds between two plain lines about the newest sample."""


_FOR_GOOD = ("HTTP 401", "HTTP 403", "HTTP 404")
"""Refusals of a key or a path, which stay whatever one waits for."""


class Display:
    """Takes samples and alerts as they come. Leaves no mark on a terminal when it ends."""

    def __init__(self, language: Language, target: Target, *, live: bool) -> None:
        self._language = shown_on(sys.stderr, language)
        self._target = target
        self._live: Live | None = None
        self._screen = self._of_stderr()
        self._wants_live = live
        self._shown_at: float | None = None

    def _of_stderr(self) -> Screen:
        from bgecheck.render.screen import screen

        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        return screen(self._language, verbose=False, terminal=is_live(), encoding=encoding)

    def __enter__(self) -> Display:
        if not self._wants_live or not is_live():
            return self
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        if console.width < NARROWEST or console.height < LOWEST:
            words = Text(
                f"the terminal is {console.width} x {console.height}, a live screen takes {NARROWEST} x {LOWEST}: "
                "plain lines instead",
                f"终端只有 {console.width} x {console.height}，实时画面需要 {NARROWEST} x {LOWEST}：改为逐行输出",
            )
            to_stderr(words, self._language)
            return self
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, words: Words) -> None:
        """One line of our own, above the live screen."""
        if self._live is not None:
            from rich.text import Text as Line

            from bgecheck.model import clean, say

            self._live.console.print(Line(f"bgecheck: {clean(say(words, self._language))}"))
            return
        to_stderr(words, self._language, self._target.secrets())

    def alert(self, alert: Alert) -> None:
        """An alert; the line stays on the terminal when the live screen has gone."""
        self.say(event_line(alert.elapsed, alert.event(), self._screen))

    def sample(self, sample: Sample, history: History) -> None:
        """The newest sample. Raises `Unavailable` where the first shows that there is nothing to watch."""
        if history.tally.samples == 1:
            self._require_a_server(sample)
        if self._live is not None:
            self._live.update(live(sample, history, self._screen), refresh=True)
            return
        for event in sample.events:
            if event.kind not in ("alert", "over"):
                self.say(event_line(sample.elapsed, event, self._screen))
        if self._shown_at is None or sample.elapsed - self._shown_at >= _LINE_EVERY:
            self._shown_at = sample.elapsed
            self.say(status_line(sample, history, self._screen))

    def _require_a_server(self, sample: Sample) -> None:
        """A watch that begins where nobody answers says so at once, not after a night."""
        url, failure = self._target.base_url, sample.failure
        if failure is None or (sample.pid is not None and failure not in _FOR_GOOD):
            return
        if failure in _FOR_GOOD[:2]:
            words = Text(
                f"{url} refuses without the right key ({failure}): export BGECHECK_API_KEY=...",
                f"{url} 因 key 不对拒绝了请求（{failure}）：export BGECHECK_API_KEY=...",
            )
        else:
            why = failure_words(failure)
            words = Text(
                f"{url} gives no vector ({why.en}), and nothing to watch: see bgecheck doctor --url {url}",
                f"{url} 没有返回向量（{why.zh}），没有可以观察的服务：先运行 bgecheck doctor --url {url}",
            )
        raise Unavailable(words)
