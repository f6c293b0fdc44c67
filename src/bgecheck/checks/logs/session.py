"""Follows a log line by line: its sessions, how far the newest came, and every line that tells of a cause."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from bgecheck.checks.logs.rules import GENERAL, PATTERNS, Pattern
from bgecheck.model.registry import BIDIRECTIONAL, lookup

PHASES = ("args", "device", "load", "memory", "graph", "warm-up", "serving")
"""How far a start has come, in the order in which sglang goes through it."""

_MILESTONES = (
    ("server_args=", "device"),
    ("Init torch distributed begin", "device"),
    ("Init parallel begin", "device"),
    ("Load weight begin", "load"),
    ("Load weight end", "memory"),
    ("KV Cache is allocated", "memory"),
    ("Capture cuda graph begin", "graph"),
    ("Capture cuda graph end", "warm-up"),
    ("max_total_num_tokens=", "warm-up"),
    ("Started server process", "warm-up"),
    ("Uvicorn running on", "warm-up"),
)
READY = "The server is fired up and ready to roll!"
_BIND_FAILED = ("while attempting to bind on address", "[WinError 10048]")
_WARNED_START = "is still supported, but 'sglang serve' is the recommended entrypoint"
_ARGS = re.compile(r"\bserver_args=(?:ServerArgs\(|\{)")
_USAGE = re.compile(r"^(?:usage: (?:sglang serve|launch_server\.py)|.*Automatically detected platform )")
_LAUNCHED = re.compile(r"launch_server\.py\", line \d+, in <module>")
"""The outermost frame of a start that failed before it wrote its arguments."""
_STOPPING = (
    "SIGTERM received",
    "Gracefully exiting",
    "KeyboardInterrupt",
    "Finished server process",
    "SIGINT received",
    "Received SIGTERM",
    "Received SIGINT",
    "eceived signal 15",
    "Deactivated successfully",
)
_DYING = (
    ": error: unrecognized arguments",
    ": error: argument ",
    ": error: ambiguous option",
    ": error: the following arguments",
    "Received sigquit",
    "SIGQUIT received",
    "scheduler is dead",
    "died during initialization",
    "crashed with exit code",
    "Scheduler hit an exception",
    "DetokenizerManager hit an exception",
    "TokenizerManager hit an exception",
    "Initialization failed",
    "Fatal Python error",
    "!!! Segfault encountered !!!",
)
_FOLLOWING = ("BrokenPipeError", "include_parent=True", "EOFError")
"""What follows a death. A client that hangs up leaves some of it too, so it proves none."""
_KILLED = re.compile(
    r"^\s*(?:\[\d+\]\S*\s+|\S+[:：]\s*(?:line|行)?\s*\d+[:：]\s+\d+\s+)?"
    r"(?:(?:Killed|Aborted)(?:\s{2,}|\s*$)|Aborted \(|(?:Segmentation fault|已杀死|已中止|段错误)\b)"
)
_NOISE = ("Ignore import error when loading", ": obj=", "nanobind: leaked", "Receive: obj", "Finish: obj")
"""Lines that quote other text: what they hold is never a cause."""
_IMPORT = re.compile(r"Ignore import error when loading sglang\.srt\.models\.(\w+)[.:] ?(.*)")
_SGLANG = re.compile(
    r"sglang/|sglang\\|sglang\.srt|sglang::|sglang serve|sgl_kernel|sgl-kernel|'sglang(?:\.\w+)?'|launch_server\.py|"
    r"\bserver_args=|Load weight (?:begin|end)\.|(?:Prefill|Decode) batch[.,] #|The server is fired up and ready to roll!"
)
"""What only sglang writes; its name alone also stands in notes and shell histories."""
_STAMP = re.compile(r"^\[?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Timeout)(?::|$)")
_WARNING = re.compile(r"^\[W\d|[Ww]arning\b|\bWARN\b")
_ACCESS = re.compile(r'"(GET|POST) (\S+) HTTP/[\d.]+" (\d{3})')
_BATCH = re.compile(r"Prefill batch(?: \[\d+\])?[.,] #new-seq: \d+, #new-token: (\d+), #cached-token: (\d+)")
_OTHER_ENGINES = (
    ("vLLM", re.compile(r"\bvllm\b|vLLM API server", re.IGNORECASE)),
    ("text-embeddings-inference", re.compile(r"text_embeddings_router|text-embeddings-inference")),
    ("Ollama", re.compile(r"\bollama\b|llama runner", re.IGNORECASE)),
    ("Infinity", re.compile(r"infinity_emb|michaelfeil/infinity", re.IGNORECASE)),
    ("Xinference", re.compile(r"xinference", re.IGNORECASE)),
    ("llama.cpp", re.compile(r"llama_model_loader|llama_server|llama_init")),
    ("LMDeploy", re.compile(r"\blmdeploy\b", re.IGNORECASE)),
    ("text-generation-inference", re.compile(r"text_generation_(?:launcher|router)")),
    ("Triton Inference Server", re.compile(r"tritonserver|NVIDIA Triton")),
    ("nginx", re.compile(r"\[(?:emerg|alert|crit|error|warn|notice)\] \d+#\d+")),
)
_TYPE = re.compile(r"\btype=(\w+)")
_EVENTS = (
    *(mark for mark, _ in _MILESTONES),
    *_STOPPING,
    *_DYING,
    *_FOLLOWING,
    *_BIND_FAILED,
    _WARNED_START,
    READY,
    "Killed",
    "已杀死",
    "Segmentation fault",
    "Aborted",
    "已中止",
    "段错误",
    "Segfault",
    "usage: ",
    "launch_server.py",
    "Automatically detected platform",
    "Prefill batch",
)
"""What a line holds that changes the state of a session."""
_BLOCK = 128
"""Lines that are looked through together before each of them is."""
_JUDGED = 4000
"""Characters of a line that are judged: messages are shorter, and a hostile line costs no more than this."""
_CONTEXT = 3
_RECENT = 60
_KINDS = 200
"""Kinds of refused requests that are told apart; a scanner asks for thousands of paths."""
_MODULES = 500
"""Model modules whose import errors are kept; a release has about 200."""


@dataclass
class Hit:
    """The first line that told of a cause, the lines around it, and how often such lines came."""

    cause: str
    line: int
    text: str
    weight: int
    fatal: bool
    phase: str
    before: tuple[str, ...] = ()
    after: list[str] = field(default_factory=list)
    count: int = 1


@dataclass
class Session:
    """One start of the server, from its first line to the next start."""

    first_line: int
    args: str = ""
    args_line: int | None = None
    phase: str = "args"
    lines: int = 0
    ready_line: int | None = None
    bind_failed: bool = False
    stopped_line: int | None = None
    interrupted: bool = False
    """Stopped by Ctrl-C, whose tracebacks look like those of a start."""
    gone: bool = False
    """Killed, so that nothing more of it can come."""
    died_line: int | None = None
    died_text: str = ""
    last_exception: tuple[int, str] | None = None
    first: tuple[int, str] = (0, "")
    last: tuple[int, str] = (0, "")
    first_stamp: str = ""
    ready_stamp: str = ""
    last_stamp: str = ""
    architecture: str = ""
    sglang: bool = False
    engine: str | None = None
    hits: dict[str, Hit] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    refused: dict[str, Hit] = field(default_factory=dict)
    """The first refused request of each kind: method, path and status."""
    cached: tuple[int, str] | None = None
    generate_warm_up: bool = False
    imports: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Model modules that could not be imported: line number and line."""
    deaths: int = 0
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=_RECENT))

    @property
    def ended(self) -> bool:
        """Whether the process is known to be gone."""
        return self.died_line is not None or self.stopped_line is not None

    def argument(self, name: str) -> str | None:
        """One of the resolved options of `server_args=`, as Python wrote it; None when it is not told."""
        found = re.search(rf"\b{name}'?[=:] ?('[^']*'|[\w.+-]+)", self.args)
        return found[1].strip("'") if found else None

    @property
    def encoder(self) -> str | None:
        """The bidirectional encoder that this session runs, by class or name; None when it runs none."""
        if self.architecture:
            return self.architecture if self.architecture in BIDIRECTIONAL else None
        path = self.argument("model_path")
        known = lookup(path)
        return path if known and known.bidirectional else None

    def seconds(self, stamp: str) -> float | None:
        """Seconds from the first time stamp to `stamp`; None when one of them is not known."""
        try:
            return (_time(stamp) - _time(self.first_stamp)).total_seconds()
        except ValueError:
            return None


def _says_more(weight: int, text: str, known: Hit) -> bool:
    """Whether a line is the better proof of a cause: it weighs more, or is the exception that a warning announced."""
    if weight != known.weight:
        return weight > known.weight
    return _EXCEPTION.match(text) is not None and _WARNING.search(known.text) is not None


def _time(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


class Follower:
    """Takes a log line by line and keeps what is needed of its newest session."""

    def __init__(self, patterns: Sequence[Pattern] = ()) -> None:
        self._patterns = tuple((p.needle, p) for p in patterns or PATTERNS)
        self._active = self._patterns
        self._eventful = True
        self.session = Session(1)
        self.older = 0
        """Earlier sessions that sglang wrote."""
        self._before: deque[str] = deque(maxlen=_CONTEXT)
        self._waiting: list[Hit] = []

    def follow(self, lines: Iterable[tuple[int, str | bytes]]) -> Follower:
        """Take all lines."""
        source = iter(lines)
        while block := list(islice(source, _BLOCK)):
            self._prepare("\n".join(line for _, line in block if isinstance(line, str)))
            for number, line in block:
                if isinstance(line, bytes):
                    self._take_routine(number, line)
                else:
                    self._take(number, line)
        return self

    def _prepare(self, text: str) -> None:
        """Find out what can be in any line of a block: most patterns are in none of it."""
        self._active = tuple(pair for pair in self._patterns if pair[0] in text)
        self._eventful = any(mark in text for mark in _EVENTS)

    def routine(self, raw: bytes) -> bool:
        """Whether a line is one of the many that a server writes while it works, which nothing is looked for in."""
        if b"Prefill batch" in raw:
            return b"#cached-token: 0," in raw or self.session.cached is not None
        return b'HTTP/1.1" 200' in raw

    def _take_routine(self, number: int, raw: bytes) -> None:
        session = self.session
        session.lines += 1
        session.sglang = True
        if b'HTTP/1.1" 200' in raw:
            self._answered(b'"POST /v1/e' in raw or b'"POST /encode' in raw, b'"POST /' in raw)
            if session.ready_line is None:
                session.generate_warm_up = session.generate_warm_up or b'"POST /generate HTTP' in raw
                if b'"POST /v1/' in raw:
                    self._serves(number)
            session.last = (number, raw[:200].decode("utf-8", "replace"))
        elif session.cached is None:
            self._batch(number, raw[:2000].decode("utf-8", "replace"))
        if number % 256 == 0 or session.lines < 256:
            self._stamp(raw[:32].decode("ascii", "replace"))

    def _take(self, number: int, text: str) -> None:
        if self._begins(text):
            self.older += self.session.sglang
            self.session = Session(number)
            self._before.clear()
        session = self.session
        session.lines += 1
        session.last = (number, text)
        session.first = session.first if session.first[0] else session.last
        self._stamp(text)
        if not session.sglang:
            session.sglang = _SGLANG.search(text) is not None
        if session.engine is None and not session.sglang:
            session.engine = next((name for name, mark in _OTHER_ENGINES if mark.search(text)), None)
        if not session.args and _ARGS.search(text):
            session.args, session.args_line = text, number
        text = text[:_JUDGED]
        if not any(mark in text for mark in _NOISE):
            self._advance(number, text)
            if not self._is_code(text):
                self._look(number, text)
        elif (found := _IMPORT.search(text)) and len(session.imports) < _MODULES:
            session.imports.setdefault(found[1], (number, text[:2000]))
        self._before.append(text[:400])
        session.recent.append(text[:400])

    def _is_code(self, text: str) -> bool:
        """Whether a line is source quoted by a traceback, which holds a message without having printed it."""
        recent = self.session.recent
        quoted = text.startswith("    ") and bool(recent) and recent[-1].startswith('  File "')
        return quoted and not text.startswith("    assert ")

    def _begins(self, text: str) -> bool:
        """Whether a new start of the server begins with this line."""
        session = self.session
        if not self._eventful:
            return False
        marked = bool(_ARGS.search(text)) or _WARNED_START in text
        raised = session.last_exception is not None and not session.args
        if marked and (session.args or session.ended or session.ready_line or raised):
            return True
        if _WARNED_START in text:
            return session.lines > 0 and any(_WARNED_START in line for line in session.recent)
        over = session.gone or (session.stopped_line is not None and not session.interrupted)
        if over and _LAUNCHED.search(text):
            return True
        return bool(session.ended or session.args) and bool(_USAGE.match(text))

    def _answered(self, embedding: bool, post: bool) -> None:
        """A request was answered with 200; an embedding proves that what was wrong before is over."""
        session = self.session
        if session.ready_line is None or not embedding:
            session.requests["other" if post and session.ready_line else "page"] += 1
            return
        session.requests["ok"] += 1
        session.last_exception = session.died_line = None
        session.deaths = 0
        for cause in [c for c, hit in session.hits.items() if hit.weight <= GENERAL and hit.fatal]:
            del session.hits[cause]

    def _serves(self, number: int) -> None:
        """Clients are answered: the log was cut off at its beginning, or keeps no ready line (`--log-level`)."""
        if not self.session.bind_failed:
            self.session.ready_line, self.session.phase = number, "serving"

    def _stamp(self, text: str) -> None:
        if found := _STAMP.match(text):
            self.session.first_stamp = self.session.first_stamp or found[1]
            self.session.last_stamp = found[1]

    def _advance(self, number: int, text: str) -> None:
        session = self.session
        if _EXCEPTION.match(text):
            session.last_exception = (number, text)
        if '" ' in text and " HTTP/" in text:
            self._request(number, text)
        if not self._eventful:
            return
        for mark, phase in _MILESTONES:
            if mark in text and PHASES.index(phase) > PHASES.index(session.phase):
                session.phase = phase
        if READY in text:
            session.ready_line, session.ready_stamp, session.phase = number, session.last_stamp, "serving"
            if not session.bind_failed:
                # What came before it was survived.
                session.hits = {name: hit for name, hit in session.hits.items() if not hit.fatal}
                session.last_exception = None
        if found := _TYPE.search(text.partition("Load weight end.")[2]):
            session.architecture = found[1]
        session.bind_failed = session.bind_failed or any(mark in text for mark in _BIND_FAILED)
        if any(mark in text for mark in _STOPPING) and session.died_line is None:
            session.stopped_line = session.stopped_line or number
            session.interrupted = session.interrupted or "KeyboardInterrupt" in text
        killed = _KILLED.match(text) is not None
        session.gone = session.gone or killed or "include_parent=True" in text
        dying = killed or any(mark in text for mark in _DYING)
        if session.stopped_line is None and (dying or any(mark in text for mark in _FOLLOWING)):
            session.deaths += 1
            if dying and session.died_line is None:
                session.died_line, session.died_text = number, text
        self._batch(number, text)

    def _batch(self, number: int, text: str) -> None:
        found = _BATCH.search(text)
        if found and int(found[2]) and self.session.cached is None:
            self.session.cached = (number, text)

    def _request(self, number: int, text: str) -> None:
        found = _ACCESS.search(text)
        if not found:
            return
        session = self.session
        method, path, status = found[1], found[2].split("?")[0], found[3]
        if session.ready_line is None and method == "POST" and path == "/generate":
            session.generate_warm_up = True
        if session.ready_line is None and status == "200" and method == "POST" and path.startswith("/v1/"):
            self._serves(number)
        if status.startswith("2"):
            self._answered(method == "POST" and path.startswith(("/v1/e", "/encode")), method == "POST")
        elif session.ready_line is not None and (method == "POST" or "embed" in path or status == "401"):
            self._refused(f"{method} {path[:200]} {status}", number, text)

    def _refused(self, kind: str, number: int, text: str) -> None:
        session = self.session
        if kind not in session.refused:
            if len(session.refused) >= _KINDS:
                return
            session.refused[kind] = Hit("", number, text[:2000], GENERAL, False, session.phase, tuple(self._before))
            self._waiting.append(session.refused[kind])
        session.requests[kind] += 1

    def _look(self, number: int, text: str) -> None:
        for waiting in self._waiting:
            waiting.after.append(text[:400])
        self._waiting = [hit for hit in self._waiting if len(hit.after) < _CONTEXT - 1]
        for needle, pattern in self._active:
            if needle in text and pattern.matches(text) and (cause := pattern.cause(self.session, text)):
                self._hit(cause, pattern, number, text)

    def _hit(self, cause: str, pattern: Pattern, number: int, text: str) -> None:
        session = self.session
        known = session.hits.get(cause)
        if known is not None and not _says_more(pattern.weight, text, known):
            known.count += known.line != number
            return
        # A line that says more replaces an earlier one of the same cause as what is shown.
        hit = Hit(cause, number, text[:2000], pattern.weight, pattern.fatal, session.phase, tuple(self._before))
        hit.count += known.count if known else 0
        session.hits[cause] = hit
        self._waiting.append(hit)
