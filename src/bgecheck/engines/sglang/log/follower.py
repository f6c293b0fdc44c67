"""Follows a log block by block: what lines of one kind do is done once, and then repeated or counted."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, islice

from bgecheck.engines.sglang.log import marks
from bgecheck.engines.sglang.log.above import Window, backwards
from bgecheck.engines.sglang.log.kinds import DIGITS, JUDGED, Kind, Kinds
from bgecheck.engines.sglang.log.rules import GENERAL, PATTERNS, Pattern
from bgecheck.engines.sglang.log.session import RECENT, Session
from bgecheck.engines.sglang.log.sessions import ABOVE, ANSWERS, Outcome, Sessions
from bgecheck.logfile.lines import BLANK, Block, Unwrapper

_OPENING = 64
"""Lines of a session that are looked at one by one until a time stamp was seen."""
_OUTCOMES_LIMIT = 4 * 2**20
"""Bytes of kinds whose doing is remembered: lines with ever other names in them come without end."""


class Follower:
    """Takes a log in blocks of lines. `finish` before `session` is read."""

    def __init__(self, patterns: Sequence[Pattern] = ()) -> None:
        self._patterns = tuple(patterns or PATTERNS)
        self._kinds = Kinds(self._patterns)
        self._sessions = Sessions()
        self._window = Window()
        self._unwrapper = Unwrapper()
        self._outcomes: dict[bytes, tuple[tuple[str, ...], str]] = {}
        """What the first line of a kind did: the causes that it shows, and the request that it refused."""
        self._outcomes_size = 0
        self._first = self._next = 1
        self._raws: list[bytes] = []

    @property
    def session(self) -> Session:
        """The newest session."""
        return self._sessions.session

    @property
    def older(self) -> int:
        """Earlier sessions that sglang wrote."""
        return self._sessions.older

    @property
    def past(self) -> deque[Session]:
        """The last of them."""
        return self._sessions.past

    def follow(self, blocks: Iterable[Block]) -> Follower:
        """Take all blocks of a log, and finish."""
        for block in blocks:
            self.take(block)
        self.finish()
        return self

    def take(self, block: Block) -> None:
        """Take some whole lines."""
        data = block.data
        keys = data.translate(None, DIGITS).split(b"\n")
        if data.endswith(b"\n"):
            keys.pop()
        counts = Counter(keys)
        self._kinds.engines = not self.session.sglang and self.session.engine is None
        kinds = self._kinds.of(keys, counts, data)
        self._first, self._raws = block.first or self._next, []
        self._window.begin()
        if not self._steady(counts, kinds, data):
            self._go_through(0, keys, kinds, data)
        elif not self._repeat(keys, counts, kinds, data):
            self._skim(keys, counts, kinds, data)
        self._close(data, len(keys))
        self._next = self._first + len(keys)

    def finish(self) -> None:
        """Take what had begun when the log ended."""
        self._raws = []
        for number, text in self._unwrapper.rest():
            self._sessions.take(number, text, self._patterns)

    def forget(self) -> None:
        """Leave behind what went wrong so far; what the server is and how far it came stays known."""
        self._sessions.forget()
        self._forget()

    def _steady(self, counts: Mapping[bytes, int], kinds: Mapping[bytes, Kind], data: bytes) -> bool:
        """Whether calm lines of a block need only be counted: the server serves, and its vectors are judged."""
        session = self.session
        if not (session.first[0] and session.ours and session.first_stamp and session.ready_line):
            return False
        if not session.requests["ok"] and any(kinds[key].answer == "embedding" for key in counts):
            return False
        if session.cached is not None or session.encoder is None:
            return True
        return not (any(kinds[key].batch for key in counts) and session.telltale.search(data))

    def _count(self, session: Session, counts: Mapping[bytes, int], kinds: Mapping[bytes, Kind]) -> None:
        for key, count in counts.items():
            kind = kinds[key]
            session.lines += 0 if kind.blank else count
            session.computed = session.computed or (kind.batch and count > 0)
            if kind.answer:
                session.requests[ANSWERS[kind.answer]] += count

    def _repeat(
        self, keys: Sequence[bytes], counts: Mapping[bytes, int], kinds: Mapping[bytes, Kind], data: bytes
    ) -> bool:
        """Take a block whose lines are calm, or repeat what earlier ones did; False when one does not."""
        stirring = [key for key in counts if not kinds[key].calm]
        if self._sessions.needs_next or self._unwrapper.waits or not all(map(self._settled, stirring)):
            return False
        session = self.session
        self._count(session, counts, kinds)
        if not stirring and not self._sessions.unsettled:
            return True
        for key in stirring:
            causes, refused = self._outcomes[key]
            for cause in causes:
                session.hits[cause].count += counts[key]
            if refused:
                session.requests[refused] += counts[key]
        exceptions = {key for key in stirring if kinds[key].exception}
        proven = _last(keys, {key for key in counts if kinds[key].answer == "embedding"})
        # An answer comes near the end of nearly every block; what stands behind it is little.
        behind = [n for n, key in enumerate(keys[proven + 1 :], proven + 1) if key in exceptions]
        if proven >= 0 and (self._sessions.unsettled or sum(map(counts.__getitem__, exceptions)) > len(behind)):
            self._sessions.recover()
        if behind:
            raw = next(islice(backwards(data), len(keys) - 1 - behind[-1], None))
            self._sessions.raised = (self._first + behind[-1], raw)
            self._sessions.unsettled = True
        return True

    def _settled(self, key: bytes) -> bool:
        """Whether lines of this kind do what the first of them did, whatever stands around them."""
        done = self._outcomes.get(key)
        if done is None:
            return False
        for cause in done[0]:
            hit = self.session.hits.get(cause)
            if hit is None or (hit.fatal and hit.weight <= GENERAL):
                return False
        return True

    def _skim(self, keys: Sequence[bytes], counts: Counter[bytes], kinds: Mapping[bytes, Kind], data: bytes) -> None:
        """Take those lines of a block that stir something, and count the calm ones."""
        session, left, at = self.session, counts, 0
        self._raws = data.split(b"\n")
        stirring = {key for key in counts if not kinds[key].calm}
        proving = {key for key in counts if kinds[key].answer == "embedding"}
        for index in chain((i for i, key in enumerate(keys) if key in stirring), (len(keys),)):
            while at < len(keys) and (self._sessions.needs_next or self._unwrapper.waits):
                left[keys[at]] -= 1
                self._single(at, keys[at], kinds[keys[at]])
                at += 1
            if self._sessions.unsettled and any(key in proving for key in islice(keys, at, index)):
                self._sessions.recover()
            if index < at or index == len(keys):
                continue
            if not self._again(index, keys[index], kinds[keys[index]]):
                left[keys[index]] -= 1
                self._single(index, keys[index], kinds[keys[index]])
            at = index + 1
            if self.session is not session:
                # What is left over belongs to the session that has ended with this line; the rest is another's.
                left.subtract(keys[at:])
                self._count(session, left, kinds)
                self._go_through(at, keys, kinds, data)
                return
        self._count(session, left, kinds)

    def _go_through(self, at: int, keys: Sequence[bytes], kinds: Mapping[bytes, Kind], data: bytes) -> None:
        """Take the lines of a block from one on in their order, each kind as it needs."""
        self._raws = self._raws or data.split(b"\n")
        passed = 0
        for index, kind in enumerate(map(kinds.__getitem__, islice(keys, at, None)), at):
            if kind.blank and not self._sessions.word_lines.open:
                continue
            if self._alone(kind, index):
                self.session.lines += passed
                passed = 0
                self._single(index, keys[index], kind)
                continue
            passed += 1
            self.session.computed = self.session.computed or kind.batch
            if kind.quiet or kind.batch:
                continue
            if kind.answer:
                self.session.requests[ANSWERS[kind.answer]] += 1
                if self._sessions.unsettled and kind.answer == "embedding":
                    self._sessions.recover()
            elif not self._again(index, keys[index], kind):
                self.session.lines += passed - 1
                passed = 0
                self._single(index, keys[index], kind)
        self.session.lines += passed

    def _alone(self, kind: Kind, index: int) -> bool:
        """Whether a line has to be looked at itself, whatever lines of its kind did before."""
        session = self.session
        if kind.each or self._sessions.needs_next or not session.first[0] or self._unwrapper.waits:
            return True
        if kind.quiet:
            return not session.first_stamp and session.lines < _OPENING
        if session.ready_line is None and (kind.answer or kind.batch):
            return True
        if kind.answer:
            return kind.answer == "embedding" and not session.requests["ok"]
        if kind.sglang and not session.sglang:
            return True
        return kind.batch and session.cached is None and session.telltale.search(self._raws[index]) is not None

    def _again(self, index: int, key: bytes, kind: Kind) -> bool:
        """Repeat what the first line of this kind did; False when it has to be done anew."""
        done = self._outcomes.get(key)
        hits = self.session.hits
        if done is None or (kind.deep and self.session.ready_line is None):
            return False
        if not all(cause in hits for cause in done[0]):
            return False
        for cause in done[0]:
            hits[cause].count += 1
            hits[cause].newest = self._first + index
        if done[1]:
            self.session.requests[done[1]] += 1
        if kind.exception:
            self._sessions.raised = (self._first + index, self._raws[index])
            self._sessions.unsettled = True
        return True

    def _single(self, index: int, key: bytes, kind: Kind) -> None:
        """Take one line itself; one of nothing but digits says no more than an empty one."""
        if kind.blank and not self._sessions.word_lines.open:
            return
        self._sessions.settle_exception()
        self._catch_up(index, RECENT if kind.deep else ABOVE + 1)
        session, phase, ready = self.session, self.session.phase, self.session.ready_line
        outcome = self._sessions.outcome = Outcome()
        for number, text in self._unwrapper.texts(self._first + index, self._raws[index]):
            self._sessions.take(
                number,
                text,
                self._patterns if kind.patterns is None or number != self._first + index else kind.patterns,
            )
        self._window.at = index
        if self.session.sglang and not self.session.service and (match := marks.SERVICE.match(self._raws[index])):
            self.session.service = match[1].decode()
        if (session, phase, ready) != (self.session, self.session.phase, self.session.ready_line):
            self._forget()
        elif not kind.each and not kind.calm and len(key) < JUDGED:
            self._outcomes_size += len(key) + 200
            if self._outcomes_size > _OUTCOMES_LIMIT:
                self._forget()
            self._outcomes[key] = (tuple(dict.fromkeys(outcome.causes)), outcome.refused)

    def _forget(self) -> None:
        self._outcomes.clear()
        self._outcomes_size = 0

    def _catch_up(self, index: int, depth: int) -> None:
        """Know the lines above as context: as many as are kept, where some were passed over."""
        start = self._window.at + 1
        above = self._window.above(self._raws, index, depth)
        if above.passed:
            self._sessions.stamps(reversed(self._raws[start : max(0, index - depth)]))
            self._sessions.lose_context()
        for raw in above.lines:
            for _, text in Unwrapper().texts(0, raw):
                self._sessions.context(text)

    def _close(self, data: bytes, lines: int) -> None:
        """Keep the end of a block: the last line of the session so far, and the context of the next block."""
        self._sessions.settle_exception()
        self._window.end(data, lines)
        # Of the whole block `rstrip` would make a copy.
        tail = data[-4096:]
        end = len(data) - len(tail) + len(stripped) if (stripped := tail.rstrip(BLANK)) else len(data.rstrip(BLANK))
        index = lines - 1 - (data.count(b"\n", end) - data.endswith(b"\n"))
        if end and index > self._window.at:
            raw = data[data.rfind(b"\n", 0, end) + 1 : end]
            for line in Unwrapper().texts(self._first + index, raw)[-1:]:
                self.session.last = line
                if self.session.first_stamp and (stamp := marks.STAMP.match(line[1])):
                    self.session.last_stamp = stamp[1]
                    return
        self._sessions.stamps(
            _dated(data) if self._window.at < 0 else reversed(self._raws[self._window.at + 1 : lines])
        )


def _last(keys: Sequence[bytes], wanted: Set[bytes]) -> int:
    """Index of the last key that is wanted; -1 without one."""
    return next((n for n in range(len(keys) - 1, -1, -1) if keys[n] in wanted), -1) if wanted else -1


def _dated(data: bytes) -> Iterator[bytes]:
    """The lines of a block that may have a time stamp, from the last to the first."""
    end = len(data)
    while (at := data.rfind(b"-", 0, end)) >= 0:
        end = data.rfind(b"\n", 0, at) + 1
        stop = data.find(b"\n", at)
        yield data[end : stop if stop >= 0 else len(data)]
