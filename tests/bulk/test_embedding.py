"""A file through servers that refuse, fail, tire or change: every text is in the output once, or named as rejected."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bgecheck.bulk import sending
from bgecheck.bulk.embedding import Summary, embed_file
from bgecheck.bulk.errors import GivenUp, WrongVectors
from bgecheck.bulk.options import BulkOptions
from bgecheck.bulk.start import replicas
from bgecheck.bulk.store import Place, place, prepare
from bgecheck.bulk.tokens import Estimated
from bgecheck.http.address import parse_url
from bgecheck.model import BadInput, Target, Text
from bgecheck.textfile.reading import open_texts
from fakes.answering import Answer, embedded, pages, serving, vector

DIMS = 8
OPTIONS = BulkOptions(seconds=5, patience=5)


def vectors(texts: list[str]) -> list[list[float]]:
    return [vector(text, DIMS) for text in texts]


def right(body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    """What a healthy server answers, a blank text refused as sglang does."""
    return 200, embedded(*vectors(body["input"]))


class Counting:
    """A server with what it was sent; `odd` may answer in its place."""

    def __init__(self, odd: Callable[[Counting, list[str]], Answer | None] = lambda server, texts: None) -> None:
        self.sent: list[list[str]] = []
        self.most_at_once = 0
        self._now = 0
        self._odd = odd
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        with self._lock:
            self.sent.append(body["input"])
            self._now += len(body["input"])
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            return self._odd(self, body["input"]) or right(body)
        finally:
            with self._lock:
                self._now -= len(body["input"])

    @property
    def texts(self) -> int:
        return sum(map(len, self.sent))


@contextmanager
def served(*servers: Any, page: Mapping[str, Any] | None = None) -> Iterator[list[Target]]:
    """Targets for servers, each at its own port."""
    more = {"/server_info": (200, {"version": "0.5.23", **(page or {})})}
    with ExitStack() as stack:
        urls = [stack.enter_context(serving({**pages(), **more}, server)) for server in servers]
        yield [target(url) for url in urls]


def target(url: str) -> Target:
    address = parse_url(url)
    return Target(url=address.url, host=address.host, port=address.port)


def embed(
    targets: list[Target], texts: list[str], out: Path, options: BulkOptions = OPTIONS, resume: bool = False
) -> tuple[Summary, list[str]]:
    """Run to the end; the summary, and what was said meanwhile."""
    source = out.with_suffix(".txt")
    source.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    notes: list[Text] = []
    where = place(str(out))
    begun = prepare(where, resume=resume, overwrite=False)
    with ExitStack() as stack:
        read = stack.enter_context(open_texts(str(source)))
        ready = replicas(targets, options, notes.append)
        for replica in ready:
            stack.enter_context(closing(replica.server))
        summary = embed_file(
            *(read, where, ready, Estimated(), options),
            resume=begun,
            note=notes.append,
            on_progress=lambda progress: None,
        )
    return summary, [words.en for words in notes]


def rejected(where: Place | Path) -> dict[int, str]:
    path = Path(f"{where}.rejected.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {record["number"]: record["reason"] for record in map(json.loads, lines)}


def is_right(out: Path, texts: list[str], without: set[int] = frozenset()) -> bool:  # type: ignore[assignment]
    """Whether each row is the vector of its text, NaN where there is none."""
    rows = np.load(out)
    assert len(rows) == len(texts)
    for number, (row, text) in enumerate(zip(rows, texts, strict=True)):
        if number in without:
            assert np.isnan(row).all()
        else:
            assert row == pytest.approx(vector(text, DIMS), abs=1e-6), text
    return True


TEXTS = [f"文本{number} " + "长" * (number * 7 % 50) for number in range(600)]


def test_vectors_are_in_the_order_of_the_texts(tmp_path: Path) -> None:
    server = Counting()
    with served(server) as targets:
        summary, notes = embed(targets, TEXTS, tmp_path / "out.npy")
    assert is_right(tmp_path / "out.npy", TEXTS)
    assert (summary.texts, summary.rows, summary.rejected, summary.dims) == (600, 600, {}, DIMS)
    assert max(map(len, server.sent)) <= 32
    assert notes == []


@pytest.mark.parametrize(
    ("bad", "answer", "reason"),
    [
        ("refuse me", (400, {"object": "error", "message": "no"}), "refused"),
        (
            "too long",
            (400, {"message": "The input (600 tokens) is longer than the model's context length"}),
            "too-long",
        ),
        ("kill me", (500, b"Internal Server Error"), "no-answer"),
    ],
)
def test_a_bad_text_is_isolated_and_sinks_no_other(bad: str, answer: Answer, reason: str, tmp_path: Path) -> None:
    texts = [*TEXTS[:100], bad, *TEXTS[100:150], "  ", *TEXTS[150:200]]
    server = Counting(lambda _, sent: answer if bad in sent else None)
    with served(server) as targets:
        summary, _ = embed(targets, texts, tmp_path / "out.npy")
    assert rejected(tmp_path / "out.npy") == {100: reason, 151: "blank"}
    assert is_right(tmp_path / "out.npy", texts, {100, 151})
    assert summary.rejected == {reason: 1, "blank": 1}
    assert not any("  " in sent for sent in server.sent), "a blank text is never sent"


@pytest.mark.parametrize("wrong", [math.nan, 3.0, 0.0])
def test_a_text_whose_vector_cannot_be_right_is_rejected_after_a_second_look(wrong: float, tmp_path: Path) -> None:
    def odd(_: Counting, sent: list[str]) -> Answer | None:
        made = [[wrong * x for x in v] if text == "odd" else v for text, v in zip(sent, vectors(sent), strict=True)]
        return 200, embedded(*made)

    texts = [*TEXTS[:50], "odd", *TEXTS[50:80]]
    server = Counting(odd)
    with served(server) as targets:
        embed(targets, texts, tmp_path / "out.npy")
    assert rejected(tmp_path / "out.npy") == {50: "not-finite" if math.isnan(wrong) else "bad-norm"}
    assert is_right(tmp_path / "out.npy", texts, {50})
    assert [sent for sent in server.sent if "odd" in sent][-1] == ["odd"], "asked again alone"


def test_a_server_whose_vectors_are_mostly_bad_stops_the_run(tmp_path: Path) -> None:
    def odd(server: Counting, sent: list[str]) -> Answer | None:
        return (200, embedded(*[[math.nan] * DIMS] * len(sent))) if len(server.sent) > 3 else None

    with served(Counting(odd)) as targets, pytest.raises(WrongVectors) as caught:
        embed(targets, TEXTS[:100], tmp_path / "out.npy")
    assert caught.value.since == 0


def test_a_server_that_goes_wrong_stops_the_run_and_what_was_proved_is_kept(tmp_path: Path) -> None:
    def odd(server: Counting, sent: list[str]) -> Answer | None:
        if server.texts < 900:
            return None
        return 200, embedded(*(v[::-1] for v in vectors(sent)))

    texts = [f"{number} 文本" for number in range(2000)]
    with served(Counting(odd)) as targets, pytest.raises(WrongVectors, match="cosine") as caught:
        embed(targets, texts, tmp_path / "out.npy")
    since = caught.value.since
    assert since is not None
    assert 256 <= since <= 768
    server = Counting()
    with served(server) as targets:
        embed(targets, texts, tmp_path / "out.npy", resume=True)
    assert is_right(tmp_path / "out.npy", texts)
    assert server.texts < 2000 - since + 50, "what was proved is not asked for again"


def test_a_server_that_is_wrong_from_the_beginning_is_sent_nothing_more(tmp_path: Path) -> None:
    """The prefix cache: the same text has another vector each time."""

    def odd(server: Counting, sent: list[str]) -> Answer | None:
        return 200, embedded(*(v[::-1] if len(server.sent) > 1 else v for v in vectors(sent)))

    server = Counting(odd)
    with served(server) as targets, pytest.raises(WrongVectors, match="repeated"):
        embed(targets, TEXTS, tmp_path / "out.npy")
    assert server.texts == 2


def test_another_dimension_in_the_middle_stops_the_run(tmp_path: Path) -> None:
    def odd(server: Counting, sent: list[str]) -> Answer | None:
        return (200, embedded(*(vector(text, 16) for text in sent))) if server.texts > 300 else None

    with served(Counting(odd)) as targets, pytest.raises(WrongVectors, match="16 components, 8 before"):
        embed(targets, TEXTS, tmp_path / "out.npy")


def test_busy_answers_and_cut_connections_lose_nothing(tmp_path: Path) -> None:
    def odd(server: Counting, sent: list[str]) -> Answer | None:
        number = len(server.sent)
        if number > 3 and number % 5 == 0:
            return 503, {"message": "The request queue is full."}, {"Retry-After": "0"}
        return (429, b"slow down", {"Retry-After": "0"}) if number > 3 and number % 7 == 0 else None

    with served(Counting(odd)) as targets:
        summary, _ = embed(targets, TEXTS, tmp_path / "out.npy")
    assert summary.rejected == {}
    assert is_right(tmp_path / "out.npy", TEXTS)


def test_a_server_that_is_busy_for_too_long_ends_the_run_and_it_goes_on_later(tmp_path: Path) -> None:
    def odd(server: Counting, sent: list[str]) -> Answer | None:
        return (503, b"", {"Retry-After": "0"}) if server.texts > 300 else None

    options = BulkOptions(seconds=5, patience=0.3)
    with served(Counting(odd)) as targets, pytest.raises(GivenUp, match="HTTP 503"):
        embed(targets, TEXTS, tmp_path / "out.npy", options)
    with served(Counting()) as targets:
        embed(targets, TEXTS, tmp_path / "out.npy", resume=True)
    assert is_right(tmp_path / "out.npy", TEXTS)


def test_a_server_that_gives_no_vectors_is_told_once_while_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SILENT_SECONDS", 0.2)
    began: list[float] = []

    def odd(server: Counting, sent: list[str]) -> Answer | None:
        if server.texts > 100:
            began.append(time.monotonic())
        busy = began and time.monotonic() - began[0] < 1
        return (503, b"", {"Retry-After": "0"}) if busy else None

    with served(Counting(odd)) as targets:
        _, notes = embed(targets, TEXTS, tmp_path / "out.npy")
    (note,) = [note for note in notes if "no vectors for" in note]
    assert "HTTP 503" in note
    assert "given up after 5 s" in note
    assert is_right(tmp_path / "out.npy", TEXTS)


def test_a_key_that_is_refused_ends_the_run_at_once(tmp_path: Path) -> None:
    with served(Counting(lambda server, sent: (401, {"error": "Unauthorized"}))) as targets:
        began = time.monotonic()
        with pytest.raises(GivenUp, match="HTTP 401"):
            embed(targets, TEXTS, tmp_path / "out.npy")
    assert time.monotonic() - began < 3


def test_never_more_texts_than_the_server_computes_at_once(tmp_path: Path) -> None:
    server = Counting(lambda *_: time.sleep(0.002))
    with served(server, page={"max_running_requests": 5}) as targets:
        embed(targets, TEXTS[:100], tmp_path / "out.npy")
        with pytest.raises(BadInput, match="computes 5"):
            replicas(targets, BulkOptions(texts=64), lambda words: None)
    assert server.most_at_once <= 5
    assert is_right(tmp_path / "out.npy", TEXTS[:100])


def test_a_server_that_takes_few_texts_is_found_out_and_asked_for_so_many(tmp_path: Path) -> None:
    server = Counting(lambda _, sent: (413, b"too many") if len(sent) > 8 else None)
    with served(server) as targets:
        embed(targets, TEXTS, tmp_path / "out.npy")
    assert is_right(tmp_path / "out.npy", TEXTS)


def test_floats_and_base64_are_read_whichever_was_asked_for(tmp_path: Path) -> None:
    def without_the_field(_: Counting, sent: list[str]) -> Answer | None:
        return None

    def refusing(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        return (400, b"unknown field") if body["encoding_format"] == "base64" else right(body)

    for number, server in enumerate((Counting(without_the_field), refusing)):
        out = tmp_path / f"{number}.npy"
        with served(server) as targets:
            embed(targets, TEXTS[:40], out)
        assert is_right(out, TEXTS[:40])


def test_replicas_that_agree_share_the_texts(tmp_path: Path) -> None:
    servers = Counting(), Counting()
    with served(*servers) as targets:
        embed(targets, TEXTS, tmp_path / "out.npy")
    assert all(server.texts > 100 for server in servers)
    assert is_right(tmp_path / "out.npy", TEXTS)


def test_replicas_that_disagree_share_nothing(tmp_path: Path) -> None:
    other = Counting(lambda _, sent: (200, embedded(*(v[::-1] for v in vectors(sent)))))
    with served(Counting(), other) as targets, pytest.raises(WrongVectors, match="different vectors of the same texts"):
        embed(targets, TEXTS, tmp_path / "out.npy")
    assert other.texts < 10


def test_replicas_of_which_one_does_not_normalise_share_nothing(tmp_path: Path) -> None:
    other = Counting(lambda _, sent: (200, embedded(*([3 * x for x in v] for v in vectors(sent)))))
    with served(Counting(), other) as targets, pytest.raises(WrongVectors, match=r"different length .*1\.0000 and 3\."):
        embed(targets, TEXTS, tmp_path / "out.npy")
    assert other.texts < 10


def test_a_replica_that_dies_is_left_out_and_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "GONE_SECONDS", 0.2)
    dying = Counting(lambda server, _: (401, b"") if server.texts > 150 else None)
    with served(Counting(), dying) as targets:
        dead = target("http://127.0.0.1:9")
        _, notes = embed([*targets, dead], TEXTS, tmp_path / "out.npy")
    assert is_right(tmp_path / "out.npy", TEXTS)
    assert any("left out: http://127.0.0.1:9" in note for note in notes)
    assert any(f"left out from here on: {targets[1].url}" in note for note in notes)


def test_what_was_begun_with_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "out.npy"

    def stopping(server: Counting, sent: list[str]) -> Answer | None:
        return (401, b"") if server.texts > 300 else None

    with served(Counting(stopping)) as targets, pytest.raises(GivenUp):
        embed(targets, TEXTS, out)
    with served(Counting()) as targets:
        with pytest.raises(BadInput, match="the input is another"):
            embed(targets, TEXTS[:-1], out, resume=True)
        with pytest.raises(BadInput, match=r"the options are others.*prefix"):
            embed(targets, TEXTS, out, BulkOptions(prefix="query: ", seconds=5), resume=True)
    other = Counting(lambda _, sent: (200, embedded(*(v[::-1] for v in vectors(sent)))))
    with served(other) as targets, pytest.raises(BadInput, match="another vector of the control text"):
        embed(targets, TEXTS, out, resume=True)
    with served(Counting()) as targets:
        embed(targets, TEXTS, out, resume=True)
    assert is_right(out, TEXTS)


def test_tables_hold_texts_beside_their_vectors(tmp_path: Path) -> None:
    texts = [*TEXTS[:30], "", "尾"]
    with served(Counting()) as targets:
        embed(targets, texts, tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["text"] for line in lines] == texts
    assert lines[30]["vector"] is None
    assert lines[31]["vector"] == pytest.approx(vector("尾", DIMS), abs=1e-6)


def test_pieces_of_long_texts_are_kept_with_their_texts(tmp_path: Path) -> None:
    options = BulkOptions(too_long="apart", size=12, overlap=2, seconds=5)
    with served(Counting()) as targets:
        summary, _ = embed(targets, ["短", "一二三四五六七八九十百千", ""], tmp_path / "out.jsonl", options)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["number"], line["chunk"], line["text"]) for line in lines] == [
        (0, 0, "短"),
        (1, 0, "一二三四五六七八九十"),
        (1, 1, "九十百千"),
        (2, 0, ""),
    ]
    assert (summary.texts, summary.rows) == (3, 4)


@pytest.mark.parametrize("started", [0, 1])
def test_ctrl_c_while_a_thread_is_started_interrupts_the_run(
    started: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not followed by an error about the thread that never ran."""
    left = [started]

    class Interrupted(threading.Thread):
        def start(self) -> None:
            if self.name == "bulk" and not left[0]:
                raise KeyboardInterrupt
            left[0] -= self.name == "bulk"
            super().start()

    monkeypatch.setattr("bgecheck.bulk.sending.threading.Thread", Interrupted)
    with served(right) as targets, pytest.raises(KeyboardInterrupt):
        embed(targets, [f"文本 {n}" for n in range(200)], tmp_path / "out.npy")
