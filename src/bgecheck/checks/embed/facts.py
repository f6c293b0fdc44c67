"""What the `embed` area asks a server, and what came back."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from bgecheck.checks import refusals
from bgecheck.checks.embed.proof import Proof, embedded, prove
from bgecheck.checks.embed.texts import (
    COUNTED,
    CROWD,
    FILLERS,
    GOLDEN_MODEL,
    GOLDEN_PAIR,
    LARGEST_BATCH,
    LARGEST_CHUNK,
    LONG_TEXT,
    QUICK_TRIPLES,
    SHARED,
    TAIL,
    counts_characters,
    fresh_texts,
    fresh_three,
    long_pair,
    places,
    triples_for,
)
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.running import Running, running
from bgecheck.http.embeddings import Answer, Embedded, describe, is_busy, is_late, may_be_too_many, shows_nothing
from bgecheck.http.failures import NotSent
from bgecheck.http.openai_client import OpenAIClient, OpenAIResult, Vectors
from bgecheck.http.proxies import DIRECT, Way, client_way
from bgecheck.knowledge.characters import COMMON
from bgecheck.knowledge.models import Model, lookup
from bgecheck.model import Area, Target, Text, Unavailable, clean
from bgecheck.model.deadline import DEADLINE_EXCEEDED

if TYPE_CHECKING:
    from bgecheck.run.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """The answers that prove what a batch of three cannot."""

    relative: Answer
    """A text that begins like the fresh one."""
    after_relative: Answer
    """The fresh text once more, after a text that begins like it."""
    reversed: Answer | None
    """The batch, in the opposite order; None without one."""
    crowd: tuple[Answer, ...]
    """Different texts of equal length, one in each of as many requests at the same time."""
    crowd_batch: Answer | None
    """The same texts in one request, short ones between them; `places` tells where they stand."""
    chunk: int | None
    """Tokens of one prefill chunk, as the server tells; -1 when chunking is off, None when it does not tell."""
    counted: Answer | None
    """`COUNTED` in one request, when the tokenizer is known."""
    declared: str | None
    """The dtype that the server was started with."""
    whole: Answer | None = None
    """Two long texts that differ at their end only; None where the model is not known to read that far."""
    long: tuple[Answer, Answer, Answer] | None = None
    """A batch of one and a half chunks, then its two halves, none of which fills a chunk."""
    long_left_out: Text | None = None
    """Why the long batch was not sent, where there is a chunk to overflow."""
    long_spared: Text | None = None
    """Why it was left out on purpose: the server computes, or takes, too few texts at once to overflow a chunk."""
    crowd_apart: bool = False
    """Whether the texts of the crowd were sent in several requests after all, each of which may hold one only."""

    def answers(self) -> list[Answer]:
        """Every answer."""
        answers = [self.relative, self.after_relative, self.reversed, *self.crowd, self.crowd_batch]
        answers += [*(self.long or ()), self.counted, self.whole]
        return [answer for answer in answers if answer is not None]


class Sent(NamedTuple):
    """Requests and tokens that a server was asked to embed; those of the long batch apart."""

    requests: int
    tokens: int
    long_requests: int
    long_tokens: int


def _cost(answers: Sequence[Answer]) -> tuple[int, int]:
    return len(answers), sum(a.tokens or 0 for a in answers if isinstance(a, Embedded))


_NOWHERE: Mapping[str, int] = MappingProxyType({})


class EmbedFacts(NamedTuple):
    """What the server answered: fresh texts alone, one of them three times, and all of them in a batch."""

    target: Target
    served: tuple[str, ...]
    texts: tuple[str, ...]
    """The texts that the user asked for, or the fresh one."""
    asked: Answer
    """The vectors of `texts`."""
    repeats: tuple[Answer, ...]
    """The fresh text, alone, three times."""
    batch: Answer | None
    """A batch of three whose second text is the fresh one; of two where the server computes or takes no more."""
    others: tuple[Answer, ...] = ()
    """The other texts of the batch, each alone."""
    more: More | None = None
    """What the rows that cost more asked; None when they were left out."""
    proof: Proof | Unavailable | None = None
    """The comparison with a reference, or why there is none; None when it was left out."""
    openai: OpenAIResult | Unavailable | None = None
    """What the openai package made of `texts`; None where it was not asked."""
    elsewhere: Mapping[str, int] = _NOWHERE
    """Base URLs that answer where the one given leads to no API, with the status of their model list."""
    reranker: str | None = None
    """The name or class by which the model is a reranker, of which no embedding is asked for."""
    way: Way = DIRECT
    """How a program that follows the environment gets to the server."""
    running: Running = Running()
    """What the server says of how it computes."""
    loaded: str | None = None
    """The model's folder or hub id, as the server's page tells it."""
    meaning: tuple[Answer, ...] | None = None
    """The texts of the model's language, as triples of text, relative and stranger, in small requests."""
    pair: Answer | None = None
    """The published pair, when the model is the one it was published for."""
    demo: bool = False
    """Whether the server says that it is bgecheck's own demo, which has no meaning."""
    too_many: Answer | None = None
    """The refusal of a batch of three, where fewer texts are taken."""

    @property
    def own_model(self) -> Model | None:
        """What the registry knows of the model that the server has, whatever was asked for."""
        names = (self.loaded, *self.served, self.target.model_path)
        return next((m for m in map(lookup, names) if m), None)

    @property
    def model(self) -> Model | None:
        """What the registry knows of the model that was asked for, else of the one that is served."""
        names = (self.target.model, *self.served, self.target.model_path)
        return next((m for m in map(lookup, names) if m), None)

    def vectors(self) -> list[tuple[float, ...]]:
        """Every vector that was answered."""
        return [v for a in self._embedded() for v in a.vectors]

    def nulls(self) -> list[int]:
        """For each of `vectors`, how many components were null."""
        return [n for a in self._embedded() for n in a.nulls]

    def answers(self) -> list[Answer]:
        """Every answer, each once."""
        answers = [self.asked, *(a for a in self.repeats if a is not self.asked), *self.others, self.batch]
        answers += [*(self.meaning or ()), self.pair]
        answers += self.more.answers() if self.more else []
        answers += [self.proof.served] if isinstance(self.proof, Proof) else []
        return [a for a in answers if a is not None]

    def alone(self) -> list[Answer]:
        """The answers to requests of one short text, but for those that show nothing of the server."""
        more = self.more
        asked = [self.asked] if len(self.texts) == 1 and not any(a is self.asked for a in self.repeats) else []
        answers = [
            *asked,
            *self.repeats,
            *self.others,
            *((more.relative, more.after_relative, *more.crowd) if more else ()),
        ]
        return [answer for answer in answers if not shows_nothing(answer)]

    def unanswered(self) -> list[Answer]:
        """Answers to a single text that were to bring a vector and did not, though nobody said to come again later.

        One alone that was only late tells of a moment, not of the server.
        """
        failed: list[Answer] = [a for a in self.alone() if not isinstance(a, Embedded) and not is_busy(a)]
        return [] if len(failed) < _IN_VAIN and all(is_late(a) for a in failed) else failed

    def sent(self) -> Sent:
        """What these rows cost the server."""
        long = self.more.long or () if self.more else ()
        requests, tokens = _cost([a for a in self.answers() if not any(a is b for b in long)])
        if isinstance(self.openai, OpenAIResult):
            requests += 1
            tokens += (self.openai.outcome.tokens or 0) if isinstance(self.openai.outcome, Vectors) else 0
        return Sent(requests, tokens, *_cost(long))

    def _embedded(self) -> list[Embedded]:
        return [a for a in self.answers() if isinstance(a, Embedded)]


class _Asking:
    """Requests that end with the run, and none behind two in vain."""

    def __init__(self, server: Server, context: Context) -> None:
        self._server = server
        self._deadline = context.deadline
        self._in_vain = 0

    @property
    def gave_up(self) -> bool:
        """Whether so many requests had no answer in time that no other is sent."""
        return self._in_vain >= _IN_VAIN

    def __call__(self, texts: Sequence[str]) -> Answer:
        return self._noted(1, lambda: (self._server.embed(texts),))[0]

    def in_parts(self, texts: Sequence[str]) -> Answer:
        """All texts, in as few requests as the server takes."""
        return self._noted(1, lambda: (self._server.embed_in_parts(texts),))[0]

    def at_once(self, texts: Sequence[str]) -> tuple[Answer, ...]:
        """Each text in a request of its own, all at the same time."""
        return self._noted(len(texts), lambda: self._server.embed_at_once(texts))

    def _noted(self, count: int, ask: Callable[[], tuple[Answer, ...]]) -> tuple[Answer, ...]:
        if self.gave_up:
            return (NotSent(_GAVE_UP),) * count
        if self._deadline.remaining() <= 0:
            return (NotSent(DEADLINE_EXCEEDED),) * count
        try:
            answers = ask()
        except Unavailable as unavailable:
            return (NotSent(unavailable.reason),) * count
        self._in_vain += sum(map(is_late, answers))
        return answers


# Every request ends with the run, and so does computing: a server that is slow may have all of it.
AREA = Area("embed", seconds=math.inf, needs=("probe.reachable",))


@AREA.collect
def collect(context: Context) -> EmbedFacts:
    """Send short texts that no server has seen before; stop at the first that brings no vector.

    As the smoke test, openai makes the first call for the texts. While it is imported the fresh texts are sent, and it
    is called when they are answered: a server that mixes up requests in flight would show that in rows of others.
    """
    server, rng = context.server(), random.Random()
    client = context.openai if context.settings.smoke and not isinstance(context.openai, Unavailable) else None
    ask, fresh = _Asking(server, context), fresh_three(rng)
    texts = context.settings.texts or ((fresh_texts(rng, 1)[0],) if client else (fresh[1],))
    if name := server.reranker():
        spared = NotSent(_A_RERANKER)
        return EmbedFacts(context.target, server.served(), tuple(texts), spared, (), None, reranker=name)
    few = server.few_at_once(len(texts))
    calls = client is not None and (few is None or len(texts) <= few)
    asked = None if calls else server.embed_in_parts(texts)
    if asked is not None and not isinstance(asked, Embedded):
        refused = EmbedFacts(context.target, server.served(), tuple(texts), asked, (), None)
        return _described(refused._replace(elsewhere=_beside(server, asked)), server)
    # Fresh means never sent before, by openai neither: after two sends a broken prefix cache answers the same wrong
    # vector.
    first = asked if asked is not None and texts[0] == fresh[1] else ask([fresh[1]])
    facts = EmbedFacts(context.target, server.served(), tuple(texts), asked or first, (first,), None)
    if asked is not None or isinstance(first, Embedded):
        facts = _repeated(facts, ask, fresh, few)
    if client is not None:
        facts = _with_openai(facts, client, context, calls=calls)
    facts = _described(facts, server)
    if not isinstance(facts.asked, Embedded) or facts.unanswered():
        return facts
    # On a server that is slow the comparison comes first: it proves most for the time it takes.
    if context.settings.compares and not ask.gave_up:
        facts = facts._replace(proof=_proof(context, facts.model))
    if not context.settings.quick:
        more = _more(context, ask, facts, fresh, rng)
        facts = facts._replace(more=more if ask.gave_up else _with_long(context, ask, more, rng))
    return _with_meaning(facts, ask, context.settings.quick)


def _beside(server: Server, answer: Answer) -> Mapping[str, int]:
    """Where the API is instead, if an answer shows that it is not where it was asked for."""
    try:
        return server.elsewhere() if refusals.leads_nowhere(answer, server.served()) else _NOWHERE
    except Unavailable:
        return _NOWHERE


_A_RERANKER = Text("not sent: the model is a reranker", "没有发送：模型是 reranker")


def _described(facts: EmbedFacts, server: Server) -> EmbedFacts:
    """The facts with what the server's pages say of its model and its settings, as far as there is time to ask."""
    process = facts.target.server
    try:
        info, page = server.model_info() or {}, server.server_info() or {}
    except Unavailable:
        return facts
    path = info.get("model_path")
    return facts._replace(
        running=running(page, process.flags if process else None),
        loaded=clean(path, 200) if isinstance(path, str) else None,
        demo=server.is_demo(),
    )


def _with_meaning(facts: EmbedFacts, ask: _Asking, quick: bool) -> EmbedFacts:
    """Texts whose likeness is known: a few where little is to be spent."""
    if facts.demo:
        return facts
    name = facts.model.name if facts.model else ""
    triples = triples_for(name)
    return facts._replace(
        pair=_where(name == GOLDEN_MODEL, ask, GOLDEN_PAIR),
        meaning=_meaning(ask, triples[:QUICK_TRIPLES] if quick else triples),
    )


def _repeated(facts: EmbedFacts, ask: _Asking, fresh: Sequence[str], few: int | None) -> EmbedFacts:
    """The fresh text twice more; where it is answered, all of them together, and the others alone."""
    facts = facts._replace(repeats=(*facts.repeats, ask([fresh[1]]), ask([fresh[1]])))
    if facts.unanswered():
        return facts
    together = fresh[:few]
    # The others are new in the batch: what a server keeps of them shows when it comes again in the opposite order.
    batch = ask(together) if len(together) > 1 else None
    others = tuple(ask([text]) for text in fresh if text is not fresh[1])
    facts = facts._replace(batch=batch, others=others)
    if batch is None or not may_be_too_many(batch):
        return facts
    pair = ask(together[:2])
    return facts._replace(batch=None if may_be_too_many(pair) else pair, too_many=batch)


def _with_openai(facts: EmbedFacts, client: OpenAIClient, context: Context, *, calls: bool) -> EmbedFacts:
    """What openai made of the texts, and the same texts in a request of our own after it.

    It is not called with more texts than the server computes at once.
    """
    server, target = context.server(), context.target
    try:
        openai: OpenAIResult | Unavailable = _called(client, context, facts.texts, calls)
    except Unavailable as unavailable:
        openai = unavailable
    if calls:
        asked = server.embed_in_parts(facts.texts) if isinstance(facts.repeats[0], Embedded) else facts.asked
        facts = facts._replace(asked=asked, elsewhere=_beside(server, asked))
    return facts._replace(openai=openai, way=client_way(target.url, target.host, target.port))


def _called(client: OpenAIClient, context: Context, texts: Sequence[str], calls: bool) -> OpenAIResult:
    """Call openai at the base URL where the server was found to answer. Raises `Unavailable`."""
    if not calls:
        raise Unavailable(_NOT_CALLED, looked=False)
    server = context.server()
    name, seconds = server.model_name() or "default", context.deadline.timeout(context.settings.timeout)
    with server.turn():
        client.call(server.base_url, context.target.api_key, name, texts, seconds)
        return client.result(context.deadline.remaining())


_NOT_CALLED = Text("openai was not called with these texts", "没有用 openai 发送这些文本")


_IN_VAIN = 2
"""Requests without an answer in time, each of which may take its whole time-out."""

_GAVE_UP = Text(
    f"not sent: {_IN_VAIN} requests before it timed out",
    f"未发送：此前已有 {_IN_VAIN} 个请求超时",
)


def _with_long(context: Context, ask: _Asking, more: More, rng: random.Random) -> More:
    """The long batch comes last, and only where there is time for it: the other rows do not wait for it in vain."""
    if not more.chunk or not 0 < more.chunk <= LARGEST_CHUNK:
        return more
    few, taken = context.server().few_at_once(CROWD), context.server().most_taken
    needed_texts = math.ceil(1.5 * more.chunk / (LONG_TEXT + 2))
    if few is not None and needed_texts > few:
        return replace(more, long_spared=_computes_few(few))
    if taken is not None and needed_texts > taken:
        return replace(more, long_spared=_takes_few(needed_texts, taken))
    answers: list[Answer] = []
    for texts in _long(more.chunk, rng):
        left = context.deadline.remaining()
        tokens = len(texts) * (LONG_TEXT + 2)
        needed, limit = _MARGIN * tokens / _pace(more), min(left, context.settings.timeout)
        if left < _LAST_SECONDS or needed > limit:
            return replace(more, long_left_out=_late(tokens, needed, max(0.0, limit)))
        answers.append(ask(texts))
        if may_be_too_many(answers[-1]):
            return replace(more, long_spared=_refused(len(texts), answers[-1]))
    whole, first, second = answers
    return replace(more, long=(whole, first, second))


def _computes_few(few: int) -> Text:
    return Text(
        f"not sent: the server computes at most {few} texts at a time (max_running_requests)",
        f"未发送：服务同时最多计算 {few} 条（max_running_requests）",
    )


def _takes_few(needed: int, taken: int) -> Text:
    return Text(
        f"not sent: {needed} texts in one request would overflow a chunk, and {taken} are taken",
        f"未发送：一次要发 {needed} 条才超过一个分块，而服务一次只接受 {taken} 条",
    )


def _refused(count: int, answer: Answer) -> Text:
    words = Text(
        f"a request of {count} texts is refused: {{response}}",
        f"一次发 {count} 条会被拒绝：{{response}}",
    )
    return words.filled({"response": describe(answer)})


_LAST_SECONDS = 3.0
"""Of a run, in which no long request is begun any more."""


def _pace(more: More) -> float:
    """Tokens per second at the best, of the requests that were large enough to tell; infinite where none was.

    A request that is given up goes on in the server: on a slow one it would block all others for a minute.
    """
    paces = [
        a.tokens / max(a.seconds, 1e-3)
        for a in more.answers()
        if isinstance(a, Embedded) and a.tokens and a.tokens >= _LARGE_ENOUGH
    ]
    return max(paces, default=math.inf)


_MARGIN = 1.5
"""By how much a long request may be slower than the best of the small ones: seen on a CPU that others use too."""
_LARGE_ENOUGH = 100
"""Tokens from which on the time of a request is that of computing."""


def _late(tokens: int, needed: float, left: float) -> Text:
    if needed <= left:
        return Text(
            f"{left:.0f} s are left, too few to send the long batch",
            f"只剩 {left:.0f} 秒，不够发送长批次",
        )
    return Text(
        f"at the pace of this server a request of {tokens} tokens takes about {needed:.0f} s, longer than the "
        f"{left:.0f} s that it may take: give more with --timeout",
        f"按这个服务的速度，一次 {tokens} 个 token 的请求约需 {needed:.0f} 秒，超过了 {left:.0f} 秒的时限："
        "请调大 --timeout",
    )


def _proof(context: Context, model: Model | None) -> Proof | Unavailable:
    try:
        return prove(context, model)
    except Unavailable as unavailable:
        return unavailable


def _more(context: Context, ask: _Asking, facts: EmbedFacts, fresh: Sequence[str], rng: random.Random) -> More:
    server, model = context.server(), facts.model
    settings, few = server.server_info() or {}, server.few_at_once(CROWD)
    crowd = min(CROWD, few or CROWD)
    fillers = min(FILLERS, few - crowd) if few else FILLERS
    relative = fresh[1][: len(fresh[1]) // 2] + fresh_texts(rng, 1)[0]
    relative_answer, after_relative = ask([relative]), ask([fresh[1]])
    at_once, together = fresh_texts(rng, crowd), fresh_texts(rng, crowd + fillers, 4)
    for text, place in zip(at_once, places(crowd, crowd + fillers), strict=True):
        together[place] = text
    crowd_answers = ask.at_once(at_once)
    chunk = settings.get("chunked_prefill_size")
    chunk = chunk if isinstance(chunk, int) and not isinstance(chunk, bool) else None
    declared = settings.get("dtype")
    together_again = fresh[: len(facts.batch.vectors)] if isinstance(facts.batch, Embedded) else fresh[:few]
    crowd_batch = _or_in_parts(ask, together, at_once) if few != 1 else None
    counts = counts_characters(model) and server.owned_by() != INFINITY
    return More(
        relative=relative_answer,
        after_relative=after_relative,
        reversed=ask(list(reversed(together_again))) if facts.batch is not None else None,
        crowd=crowd_answers,
        crowd_batch=crowd_batch,
        crowd_apart=(server.most_taken or crowd) < crowd,
        chunk=chunk,
        counted=_where(counts, ask, [text for text, _ in COUNTED]),
        declared=declared if isinstance(declared, str) else None,
        whole=_where(_reads_far(server, model), ask, long_pair(rng)),
    )


INFINITY = "infinity"
"""The engine whose `prompt_tokens` are characters (0.0.78)."""


def _or_in_parts(ask: _Asking, texts: Sequence[str], fewer: Sequence[str]) -> Answer:
    """The answer to texts in one request, or to fewer where so many are refused, as hosted services do beyond ten."""
    answer = ask(texts)
    return ask.in_parts(fewer) if may_be_too_many(answer) else answer


def _where(applies: bool, ask: _Asking, texts: Sequence[str]) -> Answer | None:
    """The answer to texts that only some models are asked for."""
    return ask.in_parts(texts) if applies and texts else None


def _meaning(ask: _Asking, triples: Sequence[Sequence[str]]) -> tuple[Answer, ...] | None:
    """The answers to whole triples, as many in a request as every engine takes."""
    return tuple(ask.in_parts(part) for part in _parts(triples, LARGEST_BATCH // 3)) or None


def _parts(triples: Sequence[Sequence[str]], step: int) -> list[list[str]]:
    """The texts of so many triples each."""
    return [[text for triple in triples[n : n + step] for text in triple] for n in range(0, len(triples), step)]


def _reads_far(server: Server, model: Model | None) -> bool:
    """Whether the model reads texts of some 300 tokens, and the server does not say that it takes fewer."""
    needed = SHARED + TAIL + 3
    longest = server.max_model_len() or needed
    return model is not None and not model.cut_short and min(model.max_tokens, longest) >= needed


def _long(chunk: int, rng: random.Random) -> tuple[list[str], list[str], list[str]]:
    """Texts of one and a half chunks, then each half of them."""
    count = math.ceil(1.5 * chunk / (LONG_TEXT + 2))
    texts = ["".join(rng.choices(COMMON, k=LONG_TEXT)) for _ in range(count)]
    return texts, texts[: count // 2], texts[count // 2 :]


LEFT_OUT = Text("left out by --quick", "--quick 未包含此项")


def more_of(facts: EmbedFacts) -> More:
    """What the costly rows asked. Raises `Unavailable` when they were left out."""
    if facts.more is None:
        raise Unavailable(LEFT_OUT, looked=False)
    return facts.more


def wanted_dims(facts: EmbedFacts) -> int | None:
    """Components that a vector must have: what `--expect-dim` says, else what the registry says of the model."""
    return facts.target.expect_dim or (facts.model.dims if facts.model else None)


def vectors_of(answer: Answer | None) -> tuple[tuple[float, ...], ...]:
    """The vectors of an answer. Raises `Unavailable` with what came instead."""
    if answer is None:
        raise Unavailable(Text("a request of this row was not made", "本项所需的请求没有发送"), looked=False)
    return embedded(answer).vectors
