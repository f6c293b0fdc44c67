"""Decides what became of a session: its state, and the one cause that all else follows from."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Literal, NamedTuple

from bgecheck.engines.sglang.log.explanation import Rival, rivals
from bgecheck.engines.sglang.log.marks import WRITTEN
from bgecheck.engines.sglang.log.pooling import pools_otherwise
from bgecheck.engines.sglang.log.rejected import SERVER, fault_of, first_of, is_no_accident
from bgecheck.engines.sglang.log.reranker import served
from bgecheck.engines.sglang.log.rules import GENERAL, LAST, PATTERNS, PLAIN, SPECIFIC
from bgecheck.engines.sglang.log.session import NO_HTTP, NO_WORKER, SOME_WORKER, Hit, Session
from bgecheck.engines.sglang.log.weights import NAME as WEIGHTS
from bgecheck.engines.sglang.log.weights import not_loaded
from bgecheck.model import Text

State = Literal["ready", "starting", "stuck", "failed", "stopped", "empty", "foreign"]

QUIET = 180.0
"""Seconds without a line after which a start is stuck: sglang's slowest step that writes nothing, reading the
weights of this size from a cold network disk, ends well within."""

TAIL = 12
"""Lines that a message and what the interpreter adds to it take up at the end of a log."""

LONG_TAIL = 60
"""The same of a message that explains at length; the last line of it is then none that a running server writes."""

ANY_ZONE = 15 * 3600.0
"""Seconds that two clocks can differ by time zone alone; a larger gap is age."""

ALIVE = 3
"""Embeddings answered after a line that show that it was not the end; one may have been under way."""

LASTING = ("gpu-hardware-error", "disk-full", "permission-denied", "engine-internal-error", "too-many-open-files")
"""Faults that stay although requests are still answered."""

GENERATION = ("/v1/chat/completions", "/v1/completions", "/generate", "/v1/rerank", "/v1/score")
"""Routes that an embedding server cannot serve."""

API = re.compile(r"embed|encode|rerank|score|classify|completions|generate|chat|models|openai|/v\d")
"""What a path holds that a client of an inference server asks for; scanners ask for all else."""


_REJECTED = "client-request-rejected"

_TWICE = 2
"""Requests of one kind that were refused from which on it is no accident."""


class Diagnosis(NamedTuple):
    """The state of a session and its causes: the decisive one first, then what is wrong independently of it."""

    state: State
    causes: Mapping[str, Hit]
    why: str | None = None
    """The decisive cause, when the session failed."""
    beside: tuple[Rival, ...] = ()
    """What else the session tells of, and why the decisive cause is decisive."""
    doubts: Mapping[str, Text] = MappingProxyType({})
    """Causes that may be there although nothing in the log shows it, with the reason."""


def diagnose(session: Session, age: float | None, now: datetime) -> Diagnosis:
    """What became of a session whose file was last written `age` seconds ago (None: not known)."""
    first = _decisive(session)
    hanging = None
    if first is not None and first.weight <= LAST and not (session.died_line is not None or _raised(session)):
        # Nothing ended with it; what hangs may hang because of it.
        hanging, first = first, None
    fatal = _import_error(session, first)
    if not session.ours and (session.engine or fatal is None):
        return Diagnosis("foreign" if session.lines else "empty", _of_router(session))
    if fatal is not None and not _goes_on(session, fatal):
        proven = _proven(session) if session.ready_line else {}
        return Diagnosis("failed", {fatal.cause: fatal, **proven}, fatal.cause, _rivals(session, fatal, first))
    if session.stopped_line is not None and session.died_line is None:
        return Diagnosis("stopped", _proven(session) if session.ready_line else {})
    if session.died_line is not None or (session.bind_failed and session.ready_line is not None) or _raised(session):
        return Diagnosis("failed", {})
    if session.ready_line is not None:
        return _serving(session)
    if _quiet(session, age, now):
        if hanging is not None and hanging.cause == "hf-unreachable":
            return Diagnosis("failed", {hanging.cause: hanging}, hanging.cause)
        number, text = session.last
        return Diagnosis("stuck", {"stalled-no-error": Hit("stalled-no-error", number, text, 3, True, session.phase)})
    return Diagnosis("starting", {})


def _of_router(session: Session) -> Mapping[str, Hit]:
    """That sglang's router had no server to pass requests on to, and none since."""
    none, some = session.hits.get(NO_WORKER), session.hits.get(SOME_WORKER)
    return {NO_WORKER: none} if none and (some is None or some.newest < none.newest) else {}


_AGAIN = re.compile(r"CrashLoopBackOff|ack-off restarting|entered FATAL state")
"""That a program is started again and again: a line that says how it ended says more."""


def _decisive(session: Session) -> Hit | None:
    """The fatal line that says most, and of those the first: what comes later follows from it.

    What was written before the ready line was survived, unless the ready line is false; what comes after an
    orderly stop belongs to the stop.
    """
    first = min(_fatal(session), key=lambda h: (-h.weight, _AGAIN.search(h.text) is not None, h.line), default=None)
    if first is not None and first.text.startswith('  File "') and (raised := session.last_exception):
        # A frame tells the cause, the message that ends its traceback tells it better.
        return replace(first, line=raised[0], text=raised[1]) if raised[0] > first.line else first
    return first


def _fatal(session: Session) -> list[Hit]:
    """The lines that may have ended a session."""
    survived = session.ready_line if session.ready_line and not session.bind_failed else 0
    until = session.stopped_line or float("inf")
    return [h for h in session.hits.values() if h.fatal and survived <= h.line <= until and not _outlived(session, h)]


def _outlived(session: Session, hit: Hit) -> bool:
    """Whether a server went on to answer embeddings after a line that would have been its end: it only quotes one."""
    return hit.cause not in LASTING and _answers_on(session, hit)


def _goes_on(session: Session, hit: Hit) -> bool:
    """Whether a server still answers with a fault that lasts: it is to be told, and nothing has died of it."""
    return hit.cause in LASTING and _answers_on(session, hit)


def _answers_on(session: Session, hit: Hit) -> bool:
    if session.ready_line is None or session.died_line is not None or session.bind_failed:
        return False
    return session.requests["ok"] - hit.answered >= ALIVE


def _rivals(session: Session, fatal: Hit, first: Hit | None) -> tuple[Rival, ...]:
    """The causes that compete with the decisive one; what an import error led to is one of them."""
    others = [h for h in _fatal(session) if h.cause != fatal.cause and (first is None or h.cause != first.cause)]
    return rivals(fatal, others + ([first] if first is not None else []))


def _import_error(session: Session, fatal: Hit | None) -> Hit | None:
    """An architecture counts as unknown too when its own module could not be imported: then that is the cause."""
    if fatal is None or fatal.cause != "unsupported-architecture":
        return fatal
    classes = [
        name.lower()
        for name in re.findall(r"\b[A-Z]\w*(?:Model|LM|Classification|Generation)\b", fatal.text.split("Supported")[0])
    ]
    for module, (number, text) in session.imports.items():
        stem = re.sub(r"[\d_]+", "", module)
        if stem and any(re.sub(r"\d+", "", name).startswith(stem) or stem in name for name in classes):
            return replace(fatal, cause=_cause_of_import(session, text), line=number, text=text)
    return fatal


def _cause_of_import(session: Session, text: str) -> str:
    reason = text.split("Ignore import error", 1)[-1]
    ranked = [(p.weight, name) for p in PATTERNS if p.matches(reason) and (name := p.cause(session, reason))]
    return max(ranked)[1] if ranked else "python-env-broken"


def _raised(session: Session) -> bool:
    """Whether a start ended in an exception that nothing came after."""
    if session.ready_line is not None or session.last_exception is None:
        return False
    number, text = session.last
    below = number - session.last_exception[0]
    return below <= TAIL or (below <= LONG_TAIL and not WRITTEN.match(text))


def _quiet(session: Session, age: float | None, now: datetime) -> bool:
    """Whether nothing was written for so long that the start hangs: by the file's age and its time stamps.

    Of a pipe only the stamps are known, in local time or, in most containers, in UTC.
    """
    if age is not None and age > QUIET:
        return True
    try:
        last = datetime.strptime(session.last_stamp.replace("T", " "), "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return age is None
    if age is None:
        clocks = (now, now.astimezone(timezone.utc).replace(tzinfo=None))
        return all(abs((clock - last).total_seconds()) > QUIET for clock in clocks)
    return abs((now - last).total_seconds()) > ANY_ZONE


def _proven(session: Session) -> dict[str, Hit]:
    """What a session that was stopped in order did wrong beyond doubt: its vectors outlive it in an index."""
    hits = {h.cause: h for h in session.hits.values() if h.cause == "tokenizer-missing"}
    if unloaded := not_loaded(session):
        hits[unloaded.cause] = unloaded
    if _proves(session) and (encoder := _encoder_vectors(session)):
        hits[encoder.cause] = encoder
    return hits


def _proves(session: Session) -> bool:
    """Whether wrong vectors of an encoder are certain: it used the cache, or embeddings were pooled by another token."""
    if session.cached is not None:
        return True
    return session.requests["ok"] > 0 and bool(_pools_last(session) or pools_otherwise(session))


def _serving(session: Session) -> Diagnosis:
    """A server that serves: what is wrong with its requests, and with its settings.

    A setting alone is a danger, not yet a cause: where the log shows another one and no batch that used the
    cache, it is told as a doubt. That clients were refused is no such cause where embeddings were pooled wrongly.
    """
    hits, doubts = _while_ready(session), {}
    if encoder := _encoder_vectors(session):
        refused_alone = hits.keys() == {_REJECTED} and _proves(session)
        if hits and session.cached is None and not refused_alone:
            doubts[encoder.cause] = Text(
                f"{encoder.text} (line {encoder.line}), but no batch in this log used the cache: see launch.prefix-cache",
                f"{encoder.text}（第 {encoder.line} 行），但日志中没有批次命中缓存：见 launch.prefix-cache",
            )
        else:
            hits[encoder.cause] = encoder
    return Diagnosis("ready", hits, doubts=doubts)


def _while_ready(session: Session) -> dict[str, Hit]:
    """What is wrong with the requests that a server gets."""
    refused = any(kind.endswith(" 400") for kind in session.refused)
    # A general line only warns; without a request that was refused, no client noticed.
    hits = {h.cause: h for h in session.hits.values() if not h.fatal and (refused or h.weight > GENERAL)}
    hits |= {h.cause: h for h in _fatal(session) if h.weight > LAST and _goes_on(session, h)}
    upgrades = hits.pop(_REJECTED, None)
    hits.pop(NO_HTTP, None)
    hits.pop(WEIGHTS, None)
    if unloaded := not_loaded(session):
        hits[WEIGHTS] = unloaded
    if scores := served(session):
        return {scores.cause: scores} | {name: hit for name, hit in hits.items() if name not in _OF_EMBEDDINGS}
    if "not-launched-as-embedding" not in hits and (hit := _not_as_embedding(session)):
        hits["not-launched-as-embedding"] = hit
    if hit := _generation_requests(session):
        hits.setdefault("generation-request-on-embedding", hit)
    if upgrades is not None and (hit := _lost_in_upgrade(session, upgrades)):
        hits[_REJECTED] = hit
    if not hits and (hit := _rejected(session) or _no_http(session)):
        hits[_REJECTED] = hit
    return hits


def _no_http(session: Session) -> Hit | None:
    """Connections that spoke no HTTP/1.1, where they are too many to be those of scanners."""
    hit = session.hits.get(NO_HTTP)
    return hit if hit is not None and is_no_accident(session, {NO_HTTP: hit.count}) else None


def _lost_in_upgrade(session: Session, upgrades: Hit) -> Hit | None:
    """The warning of a client that asks for HTTP/2, where requests were refused that came after one: not one by chance."""
    lost = {k: h for k, h in session.refused.items() if k.endswith((" 400", " 422"))}
    first = min(lost.values(), key=lambda h: h.line, default=None)
    count = sum(session.requests[kind] for kind in lost)
    if first is None or count < _TWICE or upgrades.count < _TWICE:
        return None
    above = any("Unsupported upgrade request" in line for line in first.before[-1:])
    if not above and abs(count - upgrades.count) * 4 > count:
        return None
    return replace(upgrades, also={**upgrades.also, "refused": (first.line, first.text)})


_OF_EMBEDDINGS = ("not-launched-as-embedding", "generation-request-on-embedding", "client-request-rejected")
"""What follows from asking a reranker for vectors."""


def _encoder_vectors(session: Session) -> Hit | None:
    """A bidirectional encoder with the prefix cache on: `#cached-token` above zero is proof, the setting enough."""
    if session.encoder is None:
        return None
    cache_off = session.argument("disable_radix_cache")
    if session.cached is not None and cache_off != "True":
        number, text = session.cached
        return Hit("encoder-vectors-wrong", number, text, SPECIFIC, False, "serving")
    if model := pools_otherwise(session):
        text = f"{model.name}: {model.pooling}, {session.architecture}"
        return Hit("encoder-vectors-wrong", session.args_line or session.first_line, text, PLAIN, False, "serving")
    signs = [f"disable_radix_cache={cache_off}"] if cache_off == "False" else []
    signs += _last_token(session, cache_off)
    if signs:
        shown = session.before_cls if signs == [_LOADED] else session.args_line
        number = shown or session.first_line
        return Hit("encoder-vectors-wrong", number, ", ".join(signs), PLAIN, False, "serving")
    if session.cut is not None:
        number, text = session.cut
        return Hit("encoder-vectors-wrong", number, text, GENERAL, False, "serving")
    return None


_LOADED = "Load weight end. type=BertModel"
"""How a release before 0.5.9 announces the model, whose last token it then pools."""


def _last_token(session: Session, cache_off: str | None) -> list[str]:
    """What shows that a BertModel pools its last token: the release, or that it does not run as an embedding model."""
    signs = []
    if session.generate_warm_up and session.args:
        signs += [] if cache_off == "False" else [f"disable_radix_cache={cache_off}"]
        signs.append('warm-up by "POST /generate"')
    return signs + _pools_last(session)


def _pools_last(session: Session) -> list[str]:
    """What alone shows it."""
    if session.architecture != "BertModel":
        return []
    if session.argument("is_embedding") == "False":
        return ["is_embedding=False"]
    return [_LOADED] if session.before_cls is not None else []


def _not_as_embedding(session: Session) -> Hit | None:
    """A generation server that never answered an embeddings request."""
    generates = session.generate_warm_up or (
        session.argument("is_embedding") == "False" and "CausalLM" in session.architecture
    )
    if not generates or session.requests["ok"]:
        return None
    return _first(session, lambda path, status: status == "400" and ("embeddings" in path or path == "/encode"))


def _generation_requests(session: Session) -> Hit | None:
    return None if _generates(session) else _first(session, lambda path, status: path in GENERATION)


def _generates(session: Session) -> bool:
    """Whether it is a generation server: by its warm-up, or, where that is cut off, by what alone it answers."""
    if session.generate_warm_up or session.encoder or session.argument("is_embedding") == "True":
        return session.generate_warm_up
    return session.requests["generated"] > 0 and not session.requests["ok"]


def _first(session: Session, wanted: Callable[[str, str], bool]) -> Hit | None:
    """The first refused request whose path and status are wanted."""
    hits = [hit for kind, hit in session.refused.items() if wanted(*kind.split(" ")[1:3])]
    return min(hits, key=lambda hit: hit.line, default=None)


def _rejected(session: Session) -> Hit | None:
    """The first request that the server failed at, however few; else of the clients' a share that is no accident."""
    refused = {k: n for k, n in session.requests.items() if k in session.refused and _meant(*k.split(" ")[1:3])}
    failed = {k: n for k, n in refused.items() if fault_of(k) == SERVER}
    theirs = {k: n for k, n in refused.items() if k not in failed}
    # A few that the server failed at are no reason to pass over what most clients get.
    if failed and (is_no_accident(session, failed) or not is_no_accident(session, theirs)):
        return first_of(session, failed)
    return first_of(session, refused) if is_no_accident(session, refused) else None


def _meant(path: str, status: str) -> bool:
    """Whether a refused request was meant for an inference server; scanners ask every open port for everything."""
    if status in ("401", "403", "404", "405"):
        return API.search(path) is not None
    return status != "503"
