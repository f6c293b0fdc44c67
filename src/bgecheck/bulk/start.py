"""Finds out before a run what each server takes, whether its vectors can be trusted, and whether several agree."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from bgecheck.bulk import control
from bgecheck.bulk.errors import GivenUp, WrongVectors
from bgecheck.bulk.options import MOST_TEXTS, BulkOptions
from bgecheck.bulk.pace import Pace
from bgecheck.bulk.replica import Replica
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.model import BadInput, Target, Text, Words
from bgecheck.model.deadline import Deadline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIFETIME = 10 * 365 * 86400.0
"""Seconds that a run may take; each request has its own limit."""

GONE_SECONDS = 15.0
"""For which one of several is waited for."""

LEARNING = 10.0
"""Seconds for which the page is waited for that tells how many texts are computed at once."""


Turns = Callable[[str, int], Callable[[], AbstractContextManager[None]]]
"""For a server, by its URL, and the requests that it takes at once: what each request to it waits for."""


def _at_once(_url: str, _requests: int) -> Callable[[], AbstractContextManager[None]]:
    return nullcontext


def replicas(
    targets: Sequence[Target], options: BulkOptions, note: Callable[[Text], None], turns: Turns = _at_once
) -> list[Replica]:
    """The servers that answer, each proved by itself and all of them to agree; one that does not answer is noted.

    Raises `GivenUp` where none does, `WrongVectors`, and `BadInput` for more texts a request than a server computes.
    """
    opened = [_opened(target, options, turns) for target in targets]
    try:
        return _proved(opened, options, note)
    except BaseException:
        for replica in opened:
            replica.server.close()
        raise


def _proved(opened: Sequence[Replica], options: BulkOptions, note: Callable[[Text], None]) -> list[Replica]:
    patience = options.patience if len(opened) == 1 else min(options.patience, GONE_SECONDS)
    tried = [(replica, _problem(replica, patience)) for replica in opened]
    ready = [replica for replica, problem in tried if problem is None]
    problems = [problem for _, problem in tried if problem is not None]
    if not ready:
        raise GivenUp(_with_remedy(problems, [replica.url for replica in opened]))
    for words in problems:
        note(Text(f"left out: {words.en}", f"不使用：{words.zh}"))
    _require_agreement(ready)
    return ready


def _opened(target: Target, options: BulkOptions, turns: Turns) -> Replica:
    """A server with what it takes: never more texts at a time than it computes at once."""
    server = Server(target, Deadline(LIFETIME), options.seconds, PAGES)
    at_once = server.at_once(min(LEARNING, options.seconds))
    if options.texts > MOST_TEXTS and (at_once is None or at_once < options.texts):
        refusal = _too_many(options.texts, at_once, server.base_url)
        server.close()
        raise refusal
    texts = min(options.texts, at_once or options.texts)
    requests = options.requests if at_once is None else min(options.requests, max(1, at_once // texts))
    return Replica(server, Pace(requests), options.seconds, texts, turn=turns(server.base_url, requests))


def _too_many(texts: int, at_once: int | None, url: str) -> BadInput:
    """The refusal of more texts a request than a server is sure to compute at once."""
    limit = Text(f"{url} does not say how many that are", f"{url} 没有给出这个条数")
    if at_once is not None:
        limit = Text(f"{url} computes {at_once}", f"{url} 是 {at_once} 条")
    return BadInput(
        f"--batch {texts}",
        Text(
            f"a request of more texts than a server computes at once can stop it for good, and {limit.en}",
            f"一次请求的条数超过服务同时计算的条数时可能让它彻底卡死，而 {limit.zh}",
        ),
        Text(f"leave it out: {MOST_TEXTS} are sent", f"去掉它，默认每次 {MOST_TEXTS} 条"),
    )


def _problem(replica: Replica, patience: float) -> Text | None:
    """Why a server is left out, once it is closed; None for one that was proved."""
    try:
        _prove(replica, patience)
    except GivenUp as gone:
        replica.server.close()
        return _about(replica.url, gone.reason)
    return None


def _prove(replica: Replica, patience: float) -> None:
    """Ask for the control text alone, again, and in a batch. Raises `WrongVectors`, `GivenUp`."""
    first = _vectors(replica, [control.TEXT], patience)
    again = _vectors(replica, [control.TEXT], patience)
    _require_same(replica, first[0], again[0], Text("repeated", "重复请求"))
    replica.control = first[0]
    if replica.texts > len(control.BESIDE):
        together = _vectors(replica, [*control.BESIDE, control.TEXT], patience)
        _require_same(replica, first[0], together[-1], Text("in a batch", "放进一批"))
        replica.probes = together[:-1]


def _vectors(replica: Replica, texts: list[str], patience: float) -> NDArray[np.float32]:
    """The vectors of a few texts, waited for while the server is busy."""
    ends = time.monotonic() + patience
    while True:
        outcome = replica.ask(texts)
        if outcome.matrix is not None:
            return outcome.matrix.rows
        if outcome.kind == "refused" and replica.encoding == "base64":
            replica.encoding = "float"  # which servers and gateways know that have never heard of the field
            continue
        if outcome.kind not in ("busy", "fault") or time.monotonic() > ends:
            raise GivenUp(outcome.words)
        replica.pace.troubled(outcome.seconds, outcome.retry_after)
        time.sleep(max(0.0, min(replica.pace.wait(), ends - time.monotonic())))


def _require_same(replica: Replica, a: NDArray[np.float32], b: NDArray[np.float32], how: Text) -> None:
    cosine, url = control.cosine(a, b), replica.url
    if control.SAME.admits(cosine):
        return
    raise WrongVectors(
        Text(
            f"{url}: the same text {how.en} has another vector: cosine {cosine:.4f}, expected {control.SAME}; "
            f"find the cause: bgecheck doctor --url {url}",
            f"{url}：同一段文本{how.zh}得到不同的向量：余弦相似度 {cosine:.4f}（应为 {control.SAME}）；"
            f"查原因：bgecheck doctor --url {url}",
        )
    )


def _require_agreement(ready: Sequence[Replica]) -> None:
    first, *others = ready
    for other in others:
        cosine, command = _alike(first, other), f"bgecheck embed --url {first.url} --against {other.url}"
        if control.SAME.admits(cosine):
            _require_one_length(first, other)
            continue
        raise WrongVectors(
            Text(
                f"{first.url} and {other.url} give different vectors of the same texts (cosine {cosine:.4f}, expected "
                f"{control.SAME}), so they cannot share a file; compare them: {command}",
                f"{first.url} 和 {other.url} 对同样的文本给出不同的向量（余弦相似度 {cosine:.4f}，"
                f"应为 {control.SAME}），不能分担同一个文件；对比：{command}",
            )
        )


def _require_one_length(first: Replica, other: Replica) -> None:
    """Raise `WrongVectors` where one server normalises and the other does not: a cosine does not see that."""
    import numpy as np

    for one, same in _pairs(first, other):
        length, another = (float(np.linalg.norm(vector.astype(np.float64))) for vector in (one, same))
        if not control.UNIT.admits(abs(another / length - 1)):
            raise WrongVectors(
                Text(
                    f"{first.url} and {other.url} give vectors of different length for the same text ({length:.4f} and "
                    f"{another:.4f}), so they cannot share a file; leave one of them out",
                    f"{first.url} 和 {other.url} 对同一段文本给出的向量长度不同（{length:.4f} 和 {another:.4f}），"
                    "不能分担同一个文件；去掉其中一个",
                )
            )


def _pairs(a: Replica, b: Replica) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Their vectors of the same texts."""
    assert a.control is not None, "it is proved"
    assert b.control is not None, "it is proved"
    pairs = [(a.control, b.control)]
    if a.probes is not None and b.probes is not None:
        pairs += zip(a.probes, b.probes, strict=True)
    return pairs


def _alike(a: Replica, b: Replica) -> float:
    """The lowest cosine of their vectors of the same texts."""
    cosines = [control.cosine(one, other) for one, other in _pairs(a, b)]
    return min(cosines, key=lambda cosine: -2.0 if cosine != cosine else cosine)


def _about(url: str, words: Words) -> Text:
    return Text(f"{url}: {{why}}", f"{url}：{{why}}").filled({"why": words})


def _with_remedy(problems: Sequence[Text], urls: Sequence[str]) -> Text:
    """Why no server answers, and the command that finds the cause."""
    words = problems[0] if len(problems) == 1 else _joined(problems)
    command = shlex.join(["bgecheck", "doctor", *(word for url in urls for word in ("--url", url))])
    return Text(f"{words.en}; find the cause: {command}", f"{words.zh}；查原因：{command}")


def _joined(problems: Sequence[Text]) -> Text:
    return Text("; ".join(words.en for words in problems), "；".join(words.zh for words in problems))
