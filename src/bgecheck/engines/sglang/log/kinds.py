"""Sorts lines into kinds: a server writes few sentences with ever other numbers, and each sentence is judged once.

The key of a kind is a raw line without its digits. Of a key it is found out once which literals of which patterns
its lines can hold, and whether they change anything at all; most change nothing and are only counted. That makes a
log as fast to read as a search for all literals in C is, without a library for it; lines that never repeat are
searched with one where it is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from bgecheck.engines.base import PROBE_MARK
from bgecheck.engines.sglang.log.marks import (
    ACCESS,
    EVENTS,
    EXCEPTION,
    NOISE,
    OTHER_ENGINES,
    WARNED_START,
    answers,
    is_of_sglang,
    without_request,
)
from bgecheck.engines.sglang.log.rules import GUESSED, PATTERNS, Pattern
from bgecheck.logfile.lines import Unwrapper
from bgecheck.logfile.literals import Literals

JUDGED = 4000
"""Characters of a line that are judged: messages are shorter, and a hostile line costs no more than this."""
DIGITS = b"0123456789"
_NONE = {ord(digit): None for digit in "0123456789"}
_KEPT = 8 * 2**20
"""Bytes of keys that are remembered; then all are forgotten."""
_ALTERING = (" HTTP/.", "Error", "Exception", "Interrupt", "Timeout", "batch", "Ignore import error", " P ")
"""What stands in other lines that change something: requests, exceptions, batches, pieces of lines."""
_OURS = ("sglang", "sgl_kernel", "sgl-kernel", "launch_server", "Load weight", "fired up and ready")
_WRAPPED = ('{"', "\x1b", "\0", "\r")
ENGINES = {
    "vLLM": ("vllm", ".py:] ", "avg prompt throughput: "),
    "text-embeddings-inference": ("text_embeddings_", "text-embeddings-inference"),
    "Ollama": ("ollama", "llama runner", ".go: msg="),
    "Infinity": ("infinity_emb", "michaelfeil/infinity"),
    "Xinference": ("xinference",),
    "LocalAI": ("localai", "' with backend "),
    "llama.cpp": (
        "llama_model_loader",
        "llama_server",
        "llama_init",
        "update_slots: ",
        "launch_slot_: ",
        "log_server_r: ",
    ),
    "sentence-transformers": ("sentence_transformers.sentencetransformer",),
    "LMDeploy": ("lmdeploy",),
    "text-generation-inference": ("text_generation_",),
    "Triton Inference Server": (
        "tritonserver",
        "nvidia triton",
        "triton inference server",
        "grpcinferenceservice",
    ),
    "FastChat": ("fastchat.", "fastchat/"),
    "LM Studio": ("lm studio", "lmstudio", "model has crashed without additional information"),
    "LiteLLM": ("litellm",),
    "New API": ("one api v", "new api v"),
    "sglang-router": ("sglang_router", "[router (rust)]", "sgl_model_gateway", "smg", "error starting router"),
    "nginx": ("] #", "/::: "),
}
"""What the marks of other engines hold, in lower case and without digits: one of these at least."""


def undigited(text: str) -> str:
    """A text as it stands in keys."""
    return text.translate(_NONE)


class Kind:
    """What the lines of one key are to a session."""

    __slots__ = ("answer", "batch", "blank", "deep", "each", "exception", "patterns", "quiet", "refusal", "sglang")

    def __init__(self) -> None:
        self.blank = False
        self.quiet = True
        """Changes nothing."""
        self.each = False
        """Has to be looked at line by line: it changes the session's state, or its numbers matter."""
        self.answer = ""
        """Says that a request was answered with 200: an `embedding`, a `generation`, another `post`, or a `page`."""
        self.batch = False
        self.exception = False
        self.refusal = False
        """Says that a request was answered with something else."""
        self.sglang = False
        """Only sglang writes it."""
        self.deep = False
        """Its cause depends on the traceback above it."""
        self.patterns: tuple[Pattern, ...] | None = ()
        """The patterns that can be found in it; None means any, for it is a piece of a line."""

    @property
    def calm(self) -> bool:
        """Whether its lines can be counted without looking at where they stand."""
        return self.quiet or self.batch or bool(self.answer)


_QUIET = Kind()
_BLANK = Kind()
_BLANK.blank = True


def _numeric(pattern: Pattern) -> bool:
    """Whether the numbers of a line decide: an exit code, an errno, a status."""
    regex = re.sub(r"\\d|\{\d*,?\d*\}", "", pattern.regex or "")
    return re.search(r"\d", pattern.needle + regex) is not None


class Kinds:
    """The kinds of line that a log has shown so far."""

    def __init__(self, patterns: Sequence[Pattern] = ()) -> None:
        self._patterns: dict[str, list[tuple[int, Pattern]]] = {}
        for order, pattern in enumerate(patterns or PATTERNS):
            self._patterns.setdefault(undigited(pattern.needle), []).append((order, pattern))
        self._events = frozenset(map(undigited, EVENTS))
        self._needles = Literals([*self._patterns, *self._events])
        # In the encodings that a log may have.
        self._literals = Literals([*self._patterns, *self._events, *_ALTERING, *_OURS, *_WRAPPED], ("utf-8", "gb18030"))
        self._engines = Literals([stem for stems in ENGINES.values() for stem in stems])
        self._kinds: dict[bytes, Kind] = {}
        self._size = 0
        self.engines = True
        """Whether marks of other engines are looked for too."""

    def of(self, keys: Sequence[bytes], different: Iterable[bytes], data: bytes) -> Mapping[bytes, Kind]:
        """The kind of each of the `different` keys; `keys` are those of all lines of `data`, in their order."""
        kinds = self._kinds
        fresh = {key for key in different if key not in kinds}
        if fresh:
            if self._size > _KEPT:
                fresh.update(kinds.keys() & set(keys))
                kinds.clear()
                self._size = 0
            self._learn(fresh, keys, data)
        return kinds

    def _learn(self, fresh: set[bytes], keys: Sequence[bytes], data: bytes) -> None:
        telling = self._literals.holding(fresh)
        if self.engines and self._engines.holding([b" ".join(fresh).lower()]):
            telling = fresh
        examples = None
        for key in fresh:
            self._size += len(key) + 100
            if not key.strip():
                self._kinds[key] = _BLANK
                continue
            if key not in telling:
                self._kinds[key] = _QUIET
                continue
            if examples is None:
                examples = dict(zip(keys, data.split(b"\n")))  # noqa: B905  # data may end with a line feed
            self._kinds[key] = self._judged(examples[key])

    def _judged(self, raw: bytes) -> Kind:
        unwrapper, kind = Unwrapper(), Kind()
        texts = [text for _, text in unwrapper.texts(0, raw)]
        if unwrapper.waits:
            kind.quiet, kind.each, kind.patterns = False, True, None
            return kind
        if not texts:
            return _BLANK
        for text in texts:
            self._add(kind, text)
        if len(texts) > 1:
            kind.each, kind.answer = kind.each or not kind.quiet, ""
        return kind

    def _add(self, kind: Kind, text: str) -> None:
        judged = text[:JUDGED]
        if any(mark in judged for mark in NOISE):
            kind.each = kind.each or "Ignore import error" in judged
        else:
            self._look(kind, judged)
        kind.sglang = kind.sglang or is_of_sglang(text)
        if self.engines and not kind.sglang:
            kind.each = kind.each or any(mark.search(text) for _, mark in OTHER_ENGINES)
        matters = (
            kind.each or kind.patterns or kind.answer or kind.refusal or kind.batch or kind.exception or kind.sglang
        )
        kind.quiet = not matters

    def _look(self, kind: Kind, text: str) -> None:
        own = without_request(text)
        there = self._needles.among(undigited(own))
        placed = sorted((order, p) for needle in there for order, p in self._patterns.get(needle, ()))
        matching = tuple(pattern for _, pattern in placed if pattern.source != GUESSED or pattern.matches(own))
        kind.patterns = (*(kind.patterns or ()), *matching)
        kind.batch = kind.batch or "Prefill batch" in text or "Decode batch" in text
        kind.exception = EXCEPTION.match(text) is not None
        kind.deep = kind.deep or WARNED_START in text or any(callable(p.name) for p in matching)
        # Source that a traceback quotes is told from a message by what stands above it.
        quoted = text.startswith("    ") and bool(matching)
        kind.each = kind.each or quoted or not self._events.isdisjoint(there) or any(map(_numeric, matching))
        if access := ACCESS.search(text):
            self._request(kind, access, text)
        if (kind.batch or kind.answer) and (kind.batch == bool(kind.answer) or kind.exception or kind.each or matching):
            # Two lines in one, as processes that write at the same time leave behind.
            kind.batch, kind.answer, kind.each = False, "", True

    def _request(self, kind: Kind, access: re.Match[str], text: str) -> None:
        method, path, status = access.groups()
        # What was refused to bgecheck's own checks is taken back from what was counted before it.
        kind.each = kind.each or PROBE_MARK in path
        if not re.match(r" ?[A-Za-z]", text[access.end() :]):
            # Without its name a status is only a number.
            kind.each = True
        elif status.startswith("2") and not kind.patterns and not kind.each:
            kind.answer = answers(method, path)
        else:
            kind.refusal = not status.startswith("2")
            kind.each = kind.each or not kind.refusal
