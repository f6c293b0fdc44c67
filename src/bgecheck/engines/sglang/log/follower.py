"""Follows a log block by block: cuts it into sessions and keeps what is needed of the newest."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, islice

from bgecheck.engines.base import PROBE_MARK
from bgecheck.engines.sglang.launchline import launch_words
from bgecheck.engines.sglang.log import marks
from bgecheck.engines.sglang.log.kinds import DIGITS, JUDGED, Kind, Kinds
from bgecheck.engines.sglang.log.rules import GENERAL, PATTERNS, Pattern
from bgecheck.engines.sglang.log.session import RECENT, Hit, Session
from bgecheck.logfile.lines import BLANK, Block, Unwrapper

_CONTEXT = 3
_ALSO = 4
"""Further lines of a cause that are kept."""
_FRAMES = 6
"""Frames of a traceback that are kept with a cause: the innermost tell in which part of sglang it was raised."""
_REFUSED = 200
"""Kinds of refused requests that are told apart; a scanner asks for thousands of paths."""
_MODULES = 500
"""Model modules whose import errors are kept; a release has about 200."""
_PAST = 20
"""Older sessions that are kept."""
_OPENING = 64
"""Lines of a session that are looked at one by one until a time stamp was seen."""
_OUTCOMES_LIMIT = 4 * 2**20
"""Bytes of kinds whose doing is remembered: lines with ever other names in them come without end."""


def _says_more(weight: int, text: str, earlier: Hit) -> bool:
    """Whether a line is the better proof of a cause: it weighs more, or is the exception that a warning announced."""
    if weight != earlier.weight:
        return weight > earlier.weight
    return marks.EXCEPTION.match(text) is not None and marks.WARNING.search(earlier.text) is not None


class Follower:
    """Takes a log in blocks of lines. `finish` before `session` is read."""

    def __init__(self, patterns: Sequence[Pattern] = ()) -> None:
        self._patterns = tuple(patterns or PATTERNS)
        self._kinds = Kinds(self._patterns)
        self.session = Session(1)
        self.older = 0
        """Earlier sessions that sglang wrote."""
        self.past: deque[Session] = deque(maxlen=_PAST)
        """The last of them."""
        self._before: deque[str] = deque(maxlen=_CONTEXT)
        self._waiting: list[Hit] = []
        self._unwrapper = Unwrapper()
        self._outcomes: dict[bytes, tuple[tuple[str, ...], str]] = {}
        """What the first line of a kind did: the causes that it told of, and the request that it refused."""
        self._outcomes_size = 0
        self._did: list[str] = []
        self._did_refuse = ""
        self._unsettled = False
        """Whether there is something that an answered request proves to be over."""
        self._first = self._next = 1
        self._raws: list[bytes] = []
        self._fed = -1
        """Index of the last line of the block that is known as context."""
        self._above: list[bytes] = []
        """Lines of earlier blocks that are not yet known as context, unless `_behind` holds them."""
        self._behind = b""
        """A block whose last lines are not yet known as context; most are never asked for."""
        self._broken = False
        """Whether more such lines were passed over than are kept."""
        self._counted = 0
        """The number of the last line that was counted."""
        self._raised: tuple[int, bytes] | None = None
        """The last exception of a kind that was only counted."""

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
        self._first, self._fed, self._raws = block.first or self._next, -1, []
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
            self._take(number, text, self._patterns)

    def forget(self) -> None:
        """Leave behind what went wrong so far; what the server is and how far it came stays known."""
        self._settle_exception()
        session = self.session
        session.hits.clear()
        session.refused.clear()
        session.requests.clear()
        session.cached = session.cut = session.last_exception = None
        session.lines = session.deaths = 0
        session.computed, session.probed = False, 0
        session.covered_from = marks.following_phase(session.phase)
        self._waiting.clear()
        self._forget()
        self._unsettled = session.died_line is not None

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
                session.requests[_ANSWERS[kind.answer]] += count

    def _repeat(
        self, keys: Sequence[bytes], counts: Mapping[bytes, int], kinds: Mapping[bytes, Kind], data: bytes
    ) -> bool:
        """Take a block whose lines are calm, or repeat what earlier ones did; False when one does not."""
        stirring = [key for key in counts if not kinds[key].calm]
        if self._waiting or self._unwrapper.waits or not all(map(self._settled, stirring)):
            return False
        session = self.session
        self._count(session, counts, kinds)
        if not stirring and not self._unsettled:
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
        if proven >= 0 and (self._unsettled or sum(map(counts.__getitem__, exceptions)) > len(behind)):
            self._recover()
        if behind:
            raw = next(islice(backwards(data), len(keys) - 1 - behind[-1], None))
            self._raised = (self._first + behind[-1], raw)
            self._unsettled = True
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
            while at < len(keys) and (self._waiting or self._unwrapper.waits):
                left[keys[at]] -= 1
                self._single(at, keys[at], kinds[keys[at]])
                at += 1
            if self._unsettled and any(key in proving for key in islice(keys, at, index)):
                self._recover()
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
            if kind.blank:
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
                self.session.requests[_ANSWERS[kind.answer]] += 1
                if self._unsettled and kind.answer == "embedding":
                    self._recover()
            elif not self._again(index, keys[index], kind):
                self.session.lines += passed - 1
                passed = 0
                self._single(index, keys[index], kind)
        self.session.lines += passed

    def _alone(self, kind: Kind, index: int) -> bool:
        """Whether a line has to be looked at itself, whatever lines of its kind did before."""
        session = self.session
        if kind.each or self._waiting or not session.first[0] or self._unwrapper.waits:
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
            self._raised = (self._first + index, self._raws[index])
            self._unsettled = True
        return True

    def _single(self, index: int, key: bytes, kind: Kind) -> None:
        """Take one line itself; one of nothing but digits says no more than an empty one."""
        if kind.blank:
            return
        self._settle_exception()
        self._catch_up(index, RECENT if kind.deep else _CONTEXT)
        session, phase, ready = self.session, self.session.phase, self.session.ready_line
        self._did, self._did_refuse = [], ""
        for number, text in self._unwrapper.texts(self._first + index, self._raws[index]):
            self._take(
                number,
                text,
                self._patterns if kind.patterns is None or number != self._first + index else kind.patterns,
            )
        self._fed = index
        if self.session.sglang and not self.session.service and (match := marks.SERVICE.match(self._raws[index])):
            self.session.service = match[1].decode()
        if (session, phase, ready) != (self.session, self.session.phase, self.session.ready_line):
            self._forget()
        elif not kind.each and not kind.calm and len(key) < JUDGED:
            self._outcomes_size += len(key) + 200
            if self._outcomes_size > _OUTCOMES_LIMIT:
                self._forget()
            self._outcomes[key] = (tuple(dict.fromkeys(self._did)), self._did_refuse)

    def _forget(self) -> None:
        self._outcomes.clear()
        self._outcomes_size = 0

    def _settle_exception(self) -> None:
        if self._raised is not None:
            number, raw = self._raised
            self._raised = None
            for _, text in Unwrapper().texts(number, raw):
                self.session.last_exception = (number, text[:JUDGED])

    def _catch_up(self, index: int, depth: int) -> None:
        """Know the lines above as context: as many as are kept, where some were passed over."""
        above = self._raws[max(self._fed + 1, index - depth) : index]
        passed = self._fed + 1 < index - depth
        if self._fed < 0 and index < depth:
            earlier = self._lines_above()
            above = [*earlier[index - depth :], *above]
            passed = self._broken or len(earlier) > depth - index
        if passed:
            self._stamps(reversed(self._raws[self._fed + 1 : max(0, index - depth)]))
            self._before.clear()
            self.session.recent.clear()
        for raw in above:
            for _, text in Unwrapper().texts(0, raw):
                self._stamp(text)
                self._before.append(text[:400])
                self.session.recent.append(text[:400])

    def _close(self, data: bytes, lines: int) -> None:
        """Keep the end of a block: the last line of the session so far, and the context of the next block."""
        self._settle_exception()
        left = lines - 1 - self._fed
        kept = min(left, RECENT)
        if self._fed >= 0:
            self._above, self._broken, self._behind = [], False, b""
        if kept == RECENT:
            self._broken = self._broken or left > RECENT or bool(self._above or self._behind)
            self._above, self._behind = [], data
        elif kept:
            above = [*self._lines_above(), *reversed([*islice(backwards(data), kept)])]
            self._broken = self._broken or len(above) > RECENT
            self._above = above[-RECENT:]
        # Of the whole block `rstrip` would make a copy.
        tail = data[-4096:]
        end = len(data) - len(tail) + len(stripped) if (stripped := tail.rstrip(BLANK)) else len(data.rstrip(BLANK))
        index = lines - 1 - (data.count(b"\n", end) - data.endswith(b"\n"))
        if end and index > self._fed:
            raw = data[data.rfind(b"\n", 0, end) + 1 : end]
            for line in Unwrapper().texts(self._first + index, raw)[-1:]:
                self.session.last = line
                if self.session.first_stamp and (stamp := marks.STAMP.match(line[1])):
                    self.session.last_stamp = stamp[1]
                    return
        self._stamps(_dated(data) if self._fed < 0 else reversed(self._raws[self._fed + 1 : lines]))

    def _lines_above(self) -> list[bytes]:
        """Lines of earlier blocks that are not yet known as context."""
        if self._behind:
            self._above = [*islice(backwards(self._behind), RECENT)][::-1]
            self._behind = b""
        return self._above

    def _take(self, number: int, text: str, patterns: Sequence[Pattern]) -> None:
        if self._begins(text):
            self._begin(number)
        session = self.session
        # What a progress bar writes over itself is one line, however many texts it holds.
        session.lines += number != self._counted
        self._counted = number
        session.last = (number, text)
        session.first = session.first if session.first[0] else session.last
        self._stamp(text)
        if not session.sglang:
            session.sglang = marks.is_of_sglang(text)
        if session.engine is None and not session.sglang:
            session.engine = next((name for name, mark in marks.OTHER_ENGINES if mark.search(text)), None)
        if not session.args and marks.ARGS.search(text):
            session.args, session.args_line = text, number
        text = text[:JUDGED]
        if not any(mark in text for mark in marks.NOISE):
            self._advance(number, text)
            if not self._is_code(text):
                self._look(number, text, patterns)
        elif (match := marks.IMPORT.search(text)) and len(session.imports) < _MODULES:
            session.imports.setdefault(match[1], (number, text[:2000]))
        self._before.append(text[:400])
        session.recent.append(text[:400])
        self._unsettled = bool(
            session.last_exception
            or session.died_line
            or any(hit.fatal and hit.weight <= GENERAL for hit in session.hits.values())
        )

    def _begin(self, number: int) -> None:
        """End the session, and begin another."""
        if self.session.ours:
            self.older += 1
            self.session.recent.clear()
            self.past.append(self.session)
        command = self.session.command
        self.session = Session(number)
        self.session.command = command
        self._before.clear()
        self._waiting.clear()

    def _is_code(self, text: str) -> bool:
        """Whether a line is source quoted by a traceback, which holds a message without having printed it."""
        recent = self.session.recent
        quoted = text.startswith("    ") and bool(recent) and recent[-1].startswith('  File "')
        return quoted and not text.startswith("    assert ")

    def _begins(self, text: str) -> bool:
        """Whether a new start of the server begins with this line."""
        session = self.session
        marked = bool(marks.ARGS.search(text)) or marks.WARNED_START in text
        raised = session.last_exception is not None and not session.args
        if marked and (session.args or session.ended or session.ready_line or raised):
            return True
        if marks.WARNED_START in text:
            return session.lines > 0 and any(marks.WARNED_START in line for line in session.recent)
        over = session.gone or (session.stopped_line is not None and not session.interrupted)
        if over and marks.LAUNCHED.search(text):
            return True
        return bool(session.ended or session.args) and bool(marks.USAGE.match(text))

    def _answered(self, answer: str) -> None:
        """A request was answered with 200; an embedding proves that what was wrong before is over."""
        session = self.session
        session.requests[_ANSWERS[answer] if session.ready_line else "page"] += 1
        if session.ready_line is None or answer != "embedding":
            return
        session.stages.setdefault("first-request", session.last_stamp)
        self._recover()

    def _recover(self) -> None:
        """An embedding was answered: what was wrong before is over."""
        self._settle_exception()
        session = self.session
        self._unsettled = False
        session.last_exception = session.died_line = None
        session.deaths = 0
        for cause in [c for c, hit in session.hits.items() if hit.weight <= GENERAL and hit.fatal]:
            del session.hits[cause]

    def _works(self) -> bool:
        """Whether a batch shows that clients are served: nothing of a start was seen, nor of a failure."""
        session = self.session
        fresh = session.phase == "args" and session.ready_line is None
        return fresh and not (session.hits or session.last_exception or session.died_line)

    def _serves(self, number: int) -> None:
        """Clients are answered: the log was cut off at its beginning, or keeps no ready line (`--log-level`)."""
        if not self.session.bind_failed:
            self.session.ready_line, self.session.phase = number, "serving"

    def _stamp(self, text: str) -> None:
        """Take the time stamp of a line, where it has one."""
        if match := marks.STAMP.match(text):
            self.session.first_stamp = self.session.first_stamp or match[1]
            self.session.last_stamp = match[1]

    def _stamps(self, raws: Iterable[bytes]) -> None:
        """Take the time stamps of lines that were only counted, given from the last to the first."""
        first = last = ""
        for raw in raws:
            if b"-" not in raw:
                continue
            for _, text in reversed(Unwrapper().texts(0, raw)):
                if match := marks.STAMP.match(text):
                    first, last = match[1], last or match[1]
            if last and self.session.first_stamp:
                break
        if last:
            self.session.first_stamp = self.session.first_stamp or first
            self.session.last_stamp = last

    def _advance(self, number: int, text: str) -> None:
        session = self.session
        if marks.EXCEPTION.match(text):
            session.last_exception = (number, text)
        if '" ' in text and " HTTP/" in text:
            self._request(number, text)
        for mark, phase in marks.MILESTONES:
            if mark not in text:
                continue
            if session.covered_from is None:
                session.covered_from = marks.OPENINGS.get(mark) or marks.following_phase(phase)
            if marks.PHASES.index(phase) > marks.PHASES.index(session.phase):
                session.phase = phase
        for mark, stage in marks.STAGES:
            if mark in text:
                session.stages.setdefault(stage, session.last_stamp)
        if marks.JOINED in text and session.phase != "args":
            self._serves(number)
            session.ready_stamp = session.last_stamp
        if marks.READY in text:
            session.stages.setdefault("ready", session.last_stamp)
            session.ready_line, session.ready_stamp, session.phase = number, session.last_stamp, "serving"
            if not session.bind_failed:
                # What came before it was survived.
                session.hits = {name: hit for name, hit in session.hits.items() if not hit.fatal}
                session.last_exception = None
        if (match := marks.COMMAND.search(text)) and (command := launch_words(text[: match.end()], match.start())):
            session.command = command
        if match := marks.WEIGHTS.search(text):
            session.free.setdefault(match[1], float(match[2]))
            session.weights = session.weights or (float(match[3]) if match[3] else None)
        if match := marks.PROCESS.search(text):
            session.pid = match[1]
        if match := marks.TYPE.search(text.partition("Load weight end.")[2]):
            session.architecture = match[1]
            session.before_cls = number if marks.BEFORE_CLS.search(text) else None
        session.bind_failed = session.bind_failed or any(mark in text for mark in marks.BIND_FAILED)
        self._end(number, marks.without_request(text))
        if self._works() and marks.SERVES.match(text):
            self._serves(number)
        if session.ready_line is not None and ("Prefill batch" in text or "Decode batch" in text):
            session.computed = True
        match = marks.BATCH.search(text)
        if match and int(match[2]) and session.cached is None:
            session.cached = (number, text)
        if match and session.cut is None and match[1] == session.argument("chunked_prefill_size"):
            session.cut = (number, text)

    def _end(self, number: int, text: str) -> None:
        """Take note of what stops or kills a server."""
        session = self.session
        if any(mark in text for mark in marks.STOPPING) and session.died_line is None:
            session.stopped_line = session.stopped_line or number
            session.interrupted = session.interrupted or "KeyboardInterrupt" in text
        killed = marks.KILLED.match(text) is not None
        session.gone = session.gone or killed or "include_parent=True" in text
        dying = killed or any(mark in text for mark in marks.DYING)
        if (exited := marks.EXITED.match(text)) and exited["service"] in (None, session.service):
            orderly = (exited["code"] or exited["status"]) in marks.ORDERLY
            dying = dying or not orderly
            if orderly and session.died_line is None:
                session.stopped_line = session.stopped_line or number
        if marks.TERMINATED.match(text) and session.died_line is None:
            session.stopped_line = session.stopped_line or number
        if session.stopped_line is None and (dying or any(mark in text for mark in marks.FOLLOWING)):
            session.deaths += 1
            if dying and session.died_line is None:
                session.died_line, session.died_text = number, text

    def _request(self, number: int, text: str) -> None:
        match = marks.ACCESS.search(text)
        if not match:
            return
        session = self.session
        method, (path, _, query), status = match[1], match[2].partition("?"), match[3]
        session.assumed = session.assumed or path.startswith(("/v1/e", "/encode", "/generate"))
        if session.ready_line is None and status == "200" and method == "POST":
            session.generate_warm_up = session.generate_warm_up or path == "/generate"
            # The warm-up asks these two routes too, in a start of which more than that is seen.
            if path.startswith("/v1/") or (session.phase == "args" and path in ("/generate", "/encode")):
                self._serves(number)
        if status.startswith("4") and method == "POST" and path.startswith("/v1/") and self._works():
            # Who refuses a request is up: a start that is not over answers with 503, or not at all.
            self._serves(number)
        if status.startswith("2"):
            self._answered(marks.answers(method, path))
        elif PROBE_MARK in query:
            self._probed(number)
        elif session.ready_line is not None and (method == "POST" or "embed" in path or status == "401"):
            self._refuse(f"{method} {path[:200]} {status}", number, text)

    def _probed(self, number: int) -> None:
        """A request of bgecheck's own was refused, as it was meant to be: what was written of it is no client's fault."""
        session = self.session
        session.probed += 1
        for hit in [hit for hit in session.hits.values() if not hit.fatal and number - hit.newest <= RECENT]:
            hit.count -= 1
            if not hit.count:
                del session.hits[hit.cause]

    def _refuse(self, kind: str, number: int, text: str) -> None:
        session = self.session
        if kind not in session.refused:
            if len(session.refused) >= _REFUSED:
                return
            session.refused[kind] = Hit("", number, text[:2000], GENERAL, False, session.phase, tuple(self._before))
            self._waiting.append(session.refused[kind])
        session.requests[kind] += 1
        self._did_refuse = kind

    def _look(self, number: int, text: str, patterns: Sequence[Pattern]) -> None:
        for waiting in self._waiting:
            waiting.after.append(text[:400])
        self._waiting = [hit for hit in self._waiting if len(hit.after) < _CONTEXT - 1]
        own = marks.without_request(text)
        for pattern in patterns:
            if pattern.matches(own) and (cause := pattern.cause(self.session, text)):
                self._hit(cause, pattern, number, text)

    def _hit(self, cause: str, pattern: Pattern, number: int, text: str) -> None:
        session = self.session
        self._did.append(cause)
        earlier = session.hits.get(cause)
        if earlier is not None and not _says_more(pattern.weight, text, earlier):
            earlier.count += earlier.newest != number
            earlier.newest = number
            _keep(earlier.also, pattern, earlier.line, number, text)
            return
        # A line that says more replaces an earlier one of the same cause as what is shown.
        hit = Hit(cause, number, text[:2000], pattern.weight, pattern.fatal, session.phase, tuple(self._before))
        hit.source, hit.answered, hit.newest = pattern.source, session.requests["ok"], number
        hit.frames = _frames(session.recent)
        if earlier is not None:
            hit.count += earlier.count
            hit.also = {"": (earlier.line, earlier.text), **earlier.also}
        session.hits[cause] = hit
        self._waiting.append(hit)


def _frames(above: Iterable[str]) -> tuple[str, ...]:
    """The innermost frames of the last traceback among some lines."""
    frames: deque[str] = deque(maxlen=_FRAMES)
    for line in above:
        if line.endswith("Traceback (most recent call last):"):
            frames.clear()
        elif line.startswith('  File "'):
            frames.append(line)
    return tuple(frames)


def _keep(also: dict[str, tuple[int, str]], pattern: Pattern, count: int, number: int, text: str) -> None:
    """Keep a further line of a cause: the first of each pattern, a few of them, and no frame of a traceback."""
    if number != count and len(also) < _ALSO and not text.startswith("  "):
        also.setdefault(pattern.sample, (number, text[:2000]))


def _last(keys: Sequence[bytes], wanted: Set[bytes]) -> int:
    """Index of the last key that is wanted; -1 without one."""
    return next((n for n in range(len(keys) - 1, -1, -1) if keys[n] in wanted), -1) if wanted else -1


def backwards(data: bytes) -> Iterator[bytes]:
    """The lines of a block from its last to its first; of a long block only the last ones are wanted."""
    end = len(data) - data.endswith(b"\n")
    while end >= 0:
        at = data.rfind(b"\n", 0, end)
        yield data[at + 1 : end]
        end = at


def _dated(data: bytes) -> Iterator[bytes]:
    """The lines of a block that may have a time stamp, from the last to the first."""
    end = len(data)
    while (at := data.rfind(b"-", 0, end)) >= 0:
        end = data.rfind(b"\n", 0, at) + 1
        stop = data.find(b"\n", at)
        yield data[end : stop if stop >= 0 else len(data)]


_ANSWERS = {"embedding": "ok", "generation": "generated", "post": "other", "page": "page"}
