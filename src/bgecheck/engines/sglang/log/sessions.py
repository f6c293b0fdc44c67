"""Takes the lines of a log one by one: cuts it into sessions, and keeps of each how far it came and what went wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bgecheck.engines.base import PROBE_MARK
from bgecheck.engines.sglang.launchline import launch_words, listed_words
from bgecheck.engines.sglang.log import marks
from bgecheck.engines.sglang.log.kinds import JUDGED
from bgecheck.engines.sglang.log.rules import GENERAL, Pattern
from bgecheck.engines.sglang.log.session import RECENT, Hit, Session
from bgecheck.engines.sglang.log.wordlines import WordLines
from bgecheck.logfile.lines import Unwrapper
from bgecheck.model.hygiene import values_hidden

ABOVE = 3
"""Lines above a hit that are kept with it."""
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

ANSWERS = {"embedding": "ok", "generation": "generated", "post": "other", "page": "page"}
"""How requests that were answered with 200 are counted."""


@dataclass(slots=True)
class Outcome:
    """What a line did: the causes that it shows, and the request that it refused."""

    causes: list[str] = field(default_factory=list)
    refused: str = ""


class Sessions:
    """The newest session of a log, and what is kept of those before it."""

    def __init__(self) -> None:
        self.session = Session(1)
        self.older = 0
        """Earlier sessions that sglang wrote."""
        self.past: deque[Session] = deque(maxlen=_PAST)
        """The last of them."""
        self.waiting: list[Hit] = []
        """What the lines below are still to be kept of."""
        self.outcome = Outcome()
        """What the lines did since it was last reset."""
        self.unsettled = False
        """Whether there is something that an answered request proves to be over."""
        self.raised: tuple[int, bytes] | None = None
        """The last exception of a kind that was only counted."""
        self.word_lines = WordLines()
        """A command that is written one word to a line."""
        self._above: deque[str] = deque(maxlen=ABOVE + 1)
        """The lines above the next, and one more: that one may end with the option whose key is the first of them."""
        self._counted = 0
        """The number of the last line that was counted."""

    @property
    def needs_next(self) -> bool:
        """Whether the next line counts for what stands above it."""
        return bool(self.waiting) or self.word_lines.open

    def context(self, text: str) -> None:
        """Take a line that was only counted as one that stands above the next."""
        self._stamp(text)
        self._above.append(text[:400])
        self.session.recent.append(text[:400])

    def _before(self) -> tuple[str, ...]:
        """What is shown of the lines above."""
        return tuple(values_hidden(self._above)[-ABOVE:])

    def lose_context(self) -> None:
        """Forget the lines above: between them and the next, others were passed over."""
        self._above.clear()
        self.session.recent.clear()

    def forget(self) -> None:
        """Leave behind what went wrong so far; what the server is and how far it came stays known."""
        self.settle_exception()
        session = self.session
        session.hits.clear()
        session.refused.clear()
        session.requests.clear()
        session.cached = session.cut = session.last_exception = None
        session.lines = session.deaths = 0
        session.computed, session.probed = False, 0
        session.covered_from = marks.following_phase(session.phase)
        self.waiting.clear()
        self.unsettled = session.died_line is not None

    def take(self, number: int, text: str, patterns: Sequence[Pattern]) -> None:
        """Take one line, and look for those of the patterns."""
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
        if words := self.word_lines.take(text):
            session.command = words
        if not session.args and marks.ARGS.search(text):
            session.args, session.args_line = text, number
        text = text[:JUDGED]
        if not any(mark in text for mark in marks.NOISE):
            self._advance(number, text)
            if not self._is_code(text) and not (session.sglang and marks.PROSE.match(text)):
                self._look(number, text, patterns)
        elif (match := marks.IMPORT.search(text)) and len(session.imports) < _MODULES:
            session.imports.setdefault(match[1], (number, text[:2000]))
        self._above.append(text[:400])
        session.recent.append(text[:400])
        self.unsettled = bool(
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
        self._above.clear()
        self.waiting.clear()

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
        session.requests[ANSWERS[answer] if session.ready_line else "page"] += 1
        if session.ready_line is None or answer != "embedding":
            return
        session.stages.setdefault("first-request", session.last_stamp)
        self.recover()

    def recover(self) -> None:
        """An embedding was answered: what was wrong before is over."""
        self.settle_exception()
        session = self.session
        self.unsettled = False
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

    def stamps(self, raws: Iterable[bytes]) -> None:
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
        if command := _launched(text):
            session.command = command
        if match := marks.WEIGHTS.search(text):
            session.free.setdefault(match[1], float(match[2]))
            session.weights = session.weights or (float(match[3]) if match[3] else None)
        if match := marks.PROCESS.search(text):
            session.pid = match[1]
        if match := marks.ROUTED.search(text):
            session.router = (match[1], match[2])
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
        started = session.ours or marks.COMPOSE_STOPS not in text
        if started and any(mark in text for mark in marks.STOPPING) and session.died_line is None:
            session.stopped_line = session.stopped_line or number
            session.interrupted = session.interrupted or "KeyboardInterrupt" in text
            if session.expired_line is None and marks.EXPIRED in text:
                session.expired_line = number
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
            session.refused[kind] = Hit("", number, text[:2000], GENERAL, False, session.phase, self._before())
            self.waiting.append(session.refused[kind])
        session.requests[kind] += 1
        self.outcome.refused = kind

    def _look(self, number: int, text: str, patterns: Sequence[Pattern]) -> None:
        for waiting in self.waiting:
            waiting.after.append(text[:400])
        self.waiting = [hit for hit in self.waiting if len(hit.after) < ABOVE - 1]
        own = marks.without_request(text)
        for pattern in patterns:
            if pattern.matches(own) and (cause := pattern.cause(self.session, text)):
                self._hit(cause, pattern, number, text)

    def _hit(self, cause: str, pattern: Pattern, number: int, text: str) -> None:
        session = self.session
        self.outcome.causes.append(cause)
        earlier = session.hits.get(cause)
        if earlier is not None and not _says_more(pattern.weight, text, earlier):
            earlier.count += earlier.newest != number
            earlier.newest = number
            _keep(earlier.also, pattern, earlier.line, number, text)
            return
        # A line that says more replaces an earlier one of the same cause as what is shown.
        hit = Hit(cause, number, text[:2000], pattern.weight, pattern.fatal, session.phase, self._before())
        hit.source, hit.answered, hit.newest = pattern.source, session.requests["ok"], number
        hit.frames = _frames(session.recent)
        if earlier is not None:
            hit.count += earlier.count
            hit.also = {"": (earlier.line, earlier.text), **earlier.also}
        session.hits[cause] = hit
        self.waiting.append(hit)

    def settle_exception(self) -> None:
        """Make the last exception that was only counted the session's."""
        if self.raised is not None:
            number, raw = self.raised
            self.raised = None
            for _, text in Unwrapper().texts(number, raw):
                self.session.last_exception = (number, text[:JUDGED])


def _launched(text: str) -> tuple[str, ...]:
    """The words of the launch command that a line repeats, as a shell takes it or as a list; () where it repeats none."""
    if (match := marks.COMMAND.search(text)) and (words := launch_words(text[: match.end()], match.start())):
        return words
    listed = marks.LISTED.search(text) if "sglang" in text else None
    return listed_words(listed[0]) if listed else ()


def _says_more(weight: int, text: str, earlier: Hit) -> bool:
    """Whether a line is the better proof of a cause: it weighs more, or is the exception that a warning announced."""
    if weight != earlier.weight:
        return weight > earlier.weight
    return marks.EXCEPTION.match(text) is not None and marks.WARNING.search(earlier.text) is not None


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
    if number != count and len(also) < _ALSO and not text.startswith(("  File ", "    ")):
        also.setdefault(pattern.sample, (number, text[:2000]))
