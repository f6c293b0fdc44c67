"""What is kept of one start of the server: how far it came, and every line that tells of a cause."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Literal

from bgecheck.engines.sglang.serverargs import server_args
from bgecheck.knowledge.models import BIDIRECTIONAL, lookup


@cache
def _telltale(chunk: str) -> re.Pattern[bytes]:
    full = f"|#new-token: {chunk}," if chunk else ""
    return re.compile(f"#cached-token: [1-9]{full}".encode())


NO_WORKER, SOME_WORKER = "router-without-workers", "router-with-workers"
"""What lines of sglang's router tell of: the first is a cause, the second says that it is over."""

NO_HTTP = "no-http"
"""What a line tells of that begins no request of HTTP/1.1; a cause only where it is no accident."""

Readiness = Literal["ready", "starting", "ended"]
RECENT = 60
"""Lines above the current one that are kept: a traceback's frames."""


@dataclass(repr=False)
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
    newest: int = 0
    """The last line that was looked at or repeated one; of lines that were counted by the block it is not known."""
    answered: int = 0
    """Embeddings that had been answered when it came."""
    frames: tuple[str, ...] = ()
    """The innermost frames of the traceback that it ends, or of one that stands just above it."""
    source: str = ""
    """The releases or the report in which such a line was seen."""
    also: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Further lines of this cause, each told by another pattern, by that pattern's sample: number and text."""


class Session:
    """One start of the server, from its first line to the next start."""

    def __init__(self, first_line: int) -> None:
        self.first_line = first_line
        self.args = ""
        self.args_line: int | None = None
        self.command: tuple[str, ...] = ()
        """The words of the launch command, where the log repeats it."""
        self.free: dict[str, float] = {}
        """GiB of GPU memory that were free when the loading of the weights began and ended: `begin` and `end`."""
        self.weights: float | None = None
        """GiB of GPU memory that the weights take."""
        self.phase = "args"
        self.covered_from: str | None = None
        """The first phase of which the log holds the beginning; None while no line of a start has come."""
        self.lines = 0
        self.few_layers = 0
        """The most tensors of layers that a line lists as left out, where they are too few for a layer."""
        self.ready_line: int | None = None
        self.bind_failed = False
        self.stopped_line: int | None = None
        self.expired_line: int | None = None
        """Where Slurm says that the time of its job was over."""
        self.interrupted = False
        """Stopped by Ctrl-C, whose tracebacks look like those of a start."""
        self.gone = False
        """Killed, so that nothing more of it can come."""
        self.died_line: int | None = None
        self.died_text = ""
        self.last_exception: tuple[int, str] | None = None
        self.first: tuple[int, str] = (0, "")
        self.last: tuple[int, str] = (0, "")
        self.first_stamp = ""
        self.ready_stamp = ""
        self.last_stamp = ""
        self.stages: dict[str, str] = {}
        """Time stamps of what the session came to, each when it was first seen."""
        self.architecture = ""
        self.sglang = False
        self.assumed = False
        """Requests that sglang answers were answered; other engines answer such too."""
        self.service = ""
        """What docker compose calls it."""
        self.engine: str | None = None
        self.router = ("0.0.0.0", "30000")
        """The host and port of a router, which are these where it does not write them."""
        self.hits: dict[str, Hit] = {}
        self.requests: Counter[str] = Counter()
        self.computed = False
        """Whether a batch was computed after the server was ready; with little logging no request is written."""
        self.refused: dict[str, Hit] = {}
        """The first refused request of each kind: method, path and status."""
        self.probed = 0
        """Requests of bgecheck's own checks that were refused, as they were meant to be."""
        self.cached: tuple[int, str] | None = None
        """The first batch that used the prefix cache: line number and line."""
        self.cut: tuple[int, str] | None = None
        """The first batch that filled a chunk of the chunked prefill, and so cut a text in two."""
        self.before_cls: int | None = None
        """The line that shows a release before 0.5.9, whose BertModel pools the last token."""
        self.generate_warm_up = False
        self.pid = ""
        """The process id of the server as it sees itself, which is another one outside of its container."""
        self.imports: dict[str, tuple[int, str]] = {}
        """Model modules that could not be imported: line number and line."""
        self.deaths = 0
        self.guesses = 0
        """Errors that were judged by their words alone."""
        self.recent: deque[str] = deque(maxlen=RECENT)

    @property
    def ours(self) -> bool:
        """Whether it is sglang's, as far as it tells."""
        return self.sglang or (self.assumed and self.engine is None)

    @property
    def ended(self) -> bool:
        """Whether the process is known to be gone."""
        return self.died_line is not None or self.stopped_line is not None

    @property
    def telltale(self) -> re.Pattern[bytes]:
        """What stands in a batch line that proves wrong vectors of an encoder."""
        chunk = (self.argument("chunked_prefill_size") if self.cut is None else None) or ""
        return _telltale(chunk if chunk.isdigit() else "")

    @property
    def of_folder(self) -> bool:
        """Whether the model is served from a folder, not by its id of the hub."""
        return (self.argument("model_path") or "").startswith(("/", ".", "~"))

    def argument(self, name: str) -> str | None:
        """One of the resolved options of `server_args=`, as Python writes it; None when it is not among them."""
        arguments = server_args(self.args)
        return str(arguments[name]) if name in arguments else None

    @property
    def readiness(self) -> Readiness | None:
        """What the start came to, for who only asks whether it serves; None where the log does not hold the start."""
        if not self.args:
            return None
        if self.ended or self.bind_failed:
            return "ended"
        return "ready" if self.ready_line is not None else "starting"

    @property
    def encoder(self) -> str | None:
        """The bidirectional encoder that this session runs, by class or name; None when it runs none."""
        if self.architecture:
            return self.architecture if self.architecture in BIDIRECTIONAL else None
        path = self.argument("model_path")
        model = lookup(path)
        return path if model and model.bidirectional else None

    def seconds(self, stamp: str) -> float | None:
        """Seconds from the first time stamp to `stamp`; None when one of them, or the clock, is not to be relied on."""
        begun, ended = _moment(self.first_stamp), _moment(stamp)
        if begun is None or ended is None or ended < begun or not self._steady:
            return None
        return (ended - begun).total_seconds()

    @property
    def _steady(self) -> bool:
        """Whether the clock went on; where two write in turn (UTC and local), or one was set back, it did not."""
        moments = [when for stamp in (self.first_stamp, *self.stages.values()) if (when := _moment(stamp))]
        return all(earlier <= later for earlier, later in pairwise(moments))


def _moment(stamp: str) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None
