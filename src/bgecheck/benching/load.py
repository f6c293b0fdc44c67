"""Loads a server on one setting for some seconds: a closed loop of clients that wait, or arrivals at random moments."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from bgecheck.benching.measured import Part, Setting, Stretch
from bgecheck.benching.proof import Proof, Wrong
from bgecheck.benching.statistics import arrivals
from bgecheck.benching.texts import Source
from bgecheck.bulk import control
from bgecheck.bulk.replica import Kind, Outcome
from bgecheck.machine.sidebyside import wait_for

CONTROL_EVERY = 16
"""Requests, of which one holds the control text, the first one too."""

ROUNDS = 3
"""Requests of each client, the first not counted, that a stretch waits for though its seconds are over."""

PARTS = 8
"""Into which a stretch is cut at most, to see how much it varies."""

MANY_ERRORS = 0.1
"""Share of requests without vectors, at which a stretch ends: it is not loaded further."""

LEAST_ERRORS = 3
"""Of them, so that one cut connection ends nothing."""

LONGEST_PAUSE = 1.0
"""Seconds of a Retry-After that a client waits, within a stretch that ends soon anyway."""

LATE = 2.0
"""Seconds after the last arrival in which an open loop still sends what is due; the rest was not kept up with."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request; moments by the monotonic clock."""

    due: float
    """When it was to be sent: later than `began` never, earlier where nobody was free to send it."""
    ended: float
    texts: int
    tokens: int
    kind: Kind
    wrong: Wrong | None
    cosine: float


class Load:
    """A server under load. One stretch at a time."""

    def __init__(self, ask: Callable[[Sequence[str]], Outcome], source: Source, proof: Proof) -> None:
        self._ask = ask
        self._source = source
        self._proof = proof
        self._lock = threading.Lock()
        self._random = random.Random()
        self.reason = Outcome("vectors", 0.0)
        """The last answer without vectors."""

    def closed(self, setting: Setting, seconds: float, most: float) -> Stretch:
        """So many clients, each of which sends when it has its answer, for `seconds`, slow servers for up to `most`."""
        state = _State(self, setting, seconds, most)
        state.run(self._client)
        return state.stretch(warm_up=setting.concurrency)

    def _client(self, state: _State) -> None:
        while state.goes_on():
            self._send(state, time.monotonic())

    def open(self, setting: Setting, seconds: float) -> Stretch:
        """Requests at random moments, whether or not earlier ones are answered; each is timed from when it was due.

        So a stall of the server counts for every request that comes meanwhile, and not for one alone ("coordinated
        omission"). No more are in flight than the setting allows: who finds nobody free waits, and that counts too.
        """
        due = arrivals(setting.rate, seconds, self._random)
        state = _State(self, setting, seconds, seconds + LATE)
        numbers = count()

        def client(state: _State) -> None:
            while True:
                with self._lock:
                    number = next(numbers)
                if number >= len(due) or state.broken:
                    return
                moment = state.began + due[number]
                time.sleep(max(0.0, moment - time.monotonic()))
                if time.monotonic() > state.latest:
                    state.give_up(moment)
                    continue
                self._send(state, moment)

        state.run(client)
        return state.stretch(warm_up=0)

    def _send(self, state: _State, due: float) -> None:
        batch = state.setting.batch
        with self._lock:
            texts = self._source.take(batch)
            place = state.sent % batch if state.sent % CONTROL_EVERY == 0 else None
            state.sent += 1
        if place is not None:
            texts[place] = control.TEXT
        due = max(due, state.began) if state.setting.rate else time.monotonic()
        outcome = self._ask(texts)
        ended = time.monotonic()
        if outcome.matrix is None:
            state.add(Answer(due, ended, 0, 0, outcome.kind, None, 1.0), outcome)
            time.sleep(min(LONGEST_PAUSE, outcome.retry_after or 0.1))
            return
        wrong, cosine = self._proof.wrong(outcome.matrix.rows, place)
        state.add(Answer(due, ended, batch, outcome.matrix.tokens, "vectors", wrong, cosine), outcome)


class _State:
    """A stretch while it goes on; shared by its clients."""

    def __init__(self, load: Load, setting: Setting, seconds: float, most: float) -> None:
        self.setting = setting
        self.sent = 0
        self.broken = False
        self.began = time.monotonic()
        self.latest = self.began + max(seconds, most)
        self._enough = self.began + seconds
        self._load = load
        self._lock = threading.Lock()
        self._answers: list[Answer] = []
        self._errors: Counter[str] = Counter()
        self._given_up: list[float] = []
        self._failure: BaseException | None = None
        self._client = 0.0

    def goes_on(self) -> bool:
        """Whether a client of a closed loop sends once more."""
        now = time.monotonic()
        if self.broken or now >= self.latest:
            return False
        return now < self._enough or len(self._answers) < ROUNDS * self.setting.concurrency

    def add(self, answer: Answer, outcome: Outcome) -> None:
        """A request has come back."""
        with self._lock:
            if answer.kind == "vectors":
                self._answers.append(answer)
                return
            self._load.reason = outcome
            self._errors[answer.kind] += 1
            failed = sum(self._errors.values())
            many = failed >= max(LEAST_ERRORS, MANY_ERRORS * (failed + len(self._answers)))
            self.broken = self.broken or many or answer.kind in ("gone", "barred")

    def give_up(self, due: float) -> None:
        """A request was due so long ago that it is not sent any more."""
        with self._lock:
            self._given_up.append(due)

    def run(self, client: Callable[[_State], None]) -> None:
        """Let the clients work, and wait for them: each ends with its request, whose time is bounded."""
        used = time.process_time()
        threads = [
            threading.Thread(target=self._guarded, args=(client,), name="bench client", daemon=True)
            for _ in range(self.setting.concurrency)
        ]
        try:
            for thread in threads:
                thread.start()
            wait_for(threads)
        except BaseException:
            self.broken = True
            raise
        self._client = (time.process_time() - used) / max(1e-9, time.monotonic() - self.began)
        if self._failure is not None:
            raise self._failure

    def _guarded(self, client: Callable[[_State], None]) -> None:
        try:
            client(self)
        except BaseException as error:
            self._failure, self.broken = error, True

    def stretch(self, warm_up: int) -> Stretch:
        """What it came to; the first `warm_up` answers are not counted."""
        answers = sorted(self._answers, key=lambda answer: answer.ended)
        counted, parts = _counted(answers, warm_up, self.began)
        end = time.monotonic()
        lost = [end - due for due in self._given_up]
        return Stretch(
            texts=sum(part.texts for part in parts),
            tokens=sum(answer.tokens for answer in counted),
            seconds=sum(part.seconds for part in parts),
            parts=parts,
            latencies=tuple([answer.ended - answer.due for answer in counted] + lost),
            requests=len(self._answers) + sum(self._errors.values()),
            errors=dict(self._errors),
            wrong=Counter(str(answer.wrong) for answer in answers if answer.wrong is not None),
            cosine=min((answer.cosine for answer in answers), default=1.0),
            client=self._client,
            unsent=len(self._given_up),
        )


def _counted(answers: Sequence[Answer], warm_up: int, began: float) -> tuple[list[Answer], tuple[Part, ...]]:
    """The answers that count, in the order of their ends, and the parts that they make up: each from end to end.

    The first answer of every client ends the warm-up. The last ones count too: what is in flight when the clients are
    to end keeps the server busy until it is answered. Where answers come in bursts, one for each client, each part
    begins and ends with a burst.
    """
    counted, start = list(answers), began  # for want of others, where a server gives no more than the first answers
    if warm_up and len(answers) > warm_up:
        counted, start = list(answers[warm_up:]), answers[warm_up - 1].ended
    size = max(1, warm_up, math.ceil(len(counted) / PARTS))
    parts = []
    for at in range(0, len(counted), size):
        some = counted[at : at + size]
        parts.append(Part(sum(answer.texts for answer in some), max(1e-6, some[-1].ended - start)))
        start = some[-1].ended
    return counted, tuple(parts)
