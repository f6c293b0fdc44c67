"""Takes one sample after the other: the process, its GPUs, two texts, its metrics, its log, and the clocks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from bgecheck.engines.sglang.log.watched import News, WatchedLog
from bgecheck.knowledge.models import looks_both_ways, lookup
from bgecheck.model import Redactor, Target, Text, Unavailable, Words, clean
from bgecheck.watching.amounts import duration
from bgecheck.watching.clocks import Clock, Moment, passed
from bgecheck.watching.probing import Probed, Prober
from bgecheck.watching.resources import Cards, GpuReader, Held, ServerProcesses, on_cpu
from bgecheck.watching.sample import NOT_VISIBLE, Event, Sample, Watched

_ON_CPU = Text("the server computes on the CPU", "服务在 CPU 上运行")
_LATE = 3.0
"""Times the interval, from which on a sample that comes late is told."""
_LINE = 200
"""Characters of a log line in an event."""


class Sampler:
    """Looks at one server, for as long as it is asked to."""

    def __init__(self, target: Target, *, every: float, timeout: float, most_failed: float, clock: Clock) -> None:
        self._processes = ServerProcesses(target)
        self._prober = Prober(target, timeout)
        self._cards = None if on_cpu(target) else GpuReader()
        self._log: WatchedLog | None = None
        self._redactor = Redactor(target.secrets())
        self._clock = clock
        self._before: Moment | None = None
        self._elapsed = 0.0
        self._session = 0
        self._away = False
        self._answered: int | None = None
        self._refusal: Words | None = None
        self._every, self._most_failed = every, most_failed
        self._encoder: bool | None = None
        self._model = ""

    @property
    def target(self) -> Target:
        """The server as it is now."""
        return self._processes.target

    @property
    def refusal(self) -> Words | None:
        """Why the server refused the newest request for good; None where it did not."""
        return self._refusal

    def watched(self) -> Watched:
        """What is watched, as far as it is known after a sample."""
        target = self.target
        cards = _ON_CPU if self._cards is None else self._cards.reason
        return Watched(
            url=self._redactor.text(target.base_url),
            model=self._redactor.text(clean(self._model or "", 200)),
            every=self._every,
            encoder=self._encoder,
            most_failed=self._most_failed,
            no_rss=NOT_VISIBLE,
            no_gpu=cards or NOT_VISIBLE,
            log=self._redactor.text(clean(target.log or "")),
        )

    def sample(self) -> Sample:
        """One sample."""
        events: list[Event] = []
        taken = self._time(events)
        held = self._processes.look()
        self._follow_process(held, events)
        news = self._read_log(events)
        probed = self._prober.look(self.target, news.queued if news else None)
        cards = self._cards.look(held.pids) if self._cards is not None and held.pids else Cards()
        self._restarted_unseen(held, probed, events)
        self._refusal = probed.refusal
        answered = probed.metrics.answered
        self._answered = answered if answered is not None else self._answered
        if probed.latency is not None and not self._model:
            self._know_the_model()
        return replace(
            _sample(taken, held, cards, probed),
            session=self._session,
            answered=answered if answered is not None else (news.answered if news else None),
            events=tuple(events),
        )

    def close(self) -> None:
        """Let go of connections and files."""
        self._prober.close()
        if self._log is not None:
            self._log.close()

    def _time(self, events: list[Event]) -> Sample:
        """The sample's time, and what became of the clocks since the one before."""
        now = self._clock.now()
        before, self._before = self._before or now, now
        since = passed(before, now)
        self._elapsed += since.seconds
        if since.asleep:
            time = duration(since.asleep)
            events.append(Event("sleep", Text(f"the machine slept {time.en}", f"机器休眠了 {time.zh}")))
        if since.clock_set:
            moved = f"{since.clock_set:+.0f}"
            events.append(Event("clock", Text(f"the clock was set by {moved} s", f"系统时钟被调整了 {moved} 秒")))
        if since.seconds > _LATE * self._every:
            time = duration(since.seconds)
            events.append(Event("gap", Text(f"no sample for {time.en}", f"{time.zh}没有采样")))
        return Sample(at=now.wall, elapsed=self._elapsed, asleep=since.asleep, clock_set=since.clock_set)

    def _follow_process(self, held: Held, events: list[Event]) -> None:
        """Say that the server has ended, or was started anew."""
        if held.begun:
            self._session += 1
            self._answered = None
            events.append(
                Event("restart", Text(f"the server was started anew: pid {held.pid}", f"服务已重启：pid {held.pid}"))
            )
        elif held.pid is None and self.target.server is not None and not self._away:
            pid = self.target.server.pid
            events.append(Event("gone", Text(f"the server has ended: pid {pid}", f"服务已退出：pid {pid}")))
        self._away = held.pid is None and self.target.server is not None

    def _restarted_unseen(self, held: Held, probed: Probed, events: list[Event]) -> None:
        """A server whose process is not seen was started anew where what it counts begins anew."""
        now, before = probed.metrics.answered, self._answered
        if held.pid is None and now is not None and before is not None and now < before:
            self._session += 1
            words = Text("the server was started anew: its counters begin anew", "服务已重启：计数器从头开始")
            events.append(Event("restart", words))

    def _read_log(self, events: list[Event]) -> News | None:
        """What came up in the log; another file where the server that was started anew writes another."""
        path = self.target.log
        if path is None:
            return None
        with suppress(OSError, Unavailable):
            if self._log is None or self._log.path != path:
                if self._log is not None:
                    self._log.close()
                self._log = WatchedLog(path)
            news = self._log.look()
            for hit in news.causes:
                line = self._redactor.text(clean(hit.text, _LINE))
                events.append(Event("cause", Text(line, line), hit.cause, hit.fatal))
            return news
        return None

    def _know_the_model(self) -> None:
        """The model's name, and whether it is an encoder: by its log, its folder, its page or its name."""
        with suppress(Unavailable):
            self._model = self._prober.model() or ""
            architectures = self._prober.architectures()
            names = (self.target.model_path, self._model)
            by_name = [model.bidirectional for name in names if (model := lookup(name)) is not None]
            by_class = looks_both_ways(architectures)
            if by_class is not None:
                self._encoder = by_class
            elif self._log is not None and self._log.encoder:
                self._encoder = True
            elif by_name:
                self._encoder = by_name[0]


def _sample(taken: Sample, held: Held, cards: Cards, probed: Probed) -> Sample:
    return replace(
        taken,
        pid=held.pid,
        rss=held.rss,
        ram_free=held.ram_free,
        gpu=cards.used,
        gpu_free=cards.free,
        temperature=cards.temperature,
        clock=cards.clock,
        throttled=cards.throttled,
        latency=probed.latency,
        canary=probed.canary,
        cosine=probed.cosine,
        odd=probed.odd,
        failure=probed.failure,
        held_back=probed.held_back,
        cached=probed.cached,
        cached_total=probed.metrics.cached,
        running=probed.metrics.running,
        queued=probed.metrics.queued,
    )
