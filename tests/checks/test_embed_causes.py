"""What wrong vectors come from: which cause is named for what was seen, and what a right server must not be told."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bgecheck.checks.embed.facts import EmbedFacts
from bgecheck.checks.embed.measures import COLLAPSED
from bgecheck.checks.embed.texts import TRIPLES
from bgecheck.engines.sglang.running import Running, running
from bgecheck.http.embeddings import Embedded
from bgecheck.http.failures import Failure
from bgecheck.model import Finding, Status, Target, say
from checks.test_embed import FRESH, bad, embedded, judged, right, vector
from fakes.answering import beyond_text, pages, same, serving
from fakes.answering import embedded as answered
from fakes.answering import found as looked_at
from fakes.answering import vector as served_vector

SOME, OTHER = vector("某"), vector("另")


def words(finding: Finding) -> str:
    return " ".join(say(text, "en") for text in (finding.cause, finding.fix)) + " " + " ".join(finding.commands)


def collapsed(**changed: Any) -> EmbedFacts:
    """One vector for texts of any length."""
    one = embedded([SOME])
    facts = right(
        crowd=(one,) * 4,
        crowd_batch=embedded([SOME] * 4),
        others=(one, one),
        whole=None,
        meaning=None,
        after_relative=one,
    )
    return facts._replace(**{"asked": one, "repeats": (one,) * 3, "batch": embedded([SOME] * 3), **changed})


@pytest.mark.parametrize(
    ("settings", "served", "wanted", "never"),
    [
        (Running("0.5.3.post1", "npu", "ascend"), "bge-m3", "ascend on npu, sglang 0.5.3.post1", "tokenizer.json"),
        (Running("0.5.9", "cpu", "intel_amx"), "bge-small-zh-v1.5", "--attention-backend torch_native", "triton"),
        (Running("0.4.8", "cuda", "flashinfer"), "bge-large-zh-v1.5", "--attention-backend triton", "[UNK]"),
        (Running("0.5.12", "xpu", "intel_xpu"), "bge-base-en-v1.5", "--attention-backend torch_native", "[UNK]"),
        (Running(), "bge-m3", "weights that were not loaded", "[UNK]"),
        (Running("0.5.23", "cuda", "triton"), "bge-m3", "weights were not loaded", "--attention-backend"),
        (Running("0.5.23", "cpu", "torch_native"), "bge-small-zh", "weights were not loaded", "--attention-backend"),
        (Running("0.5.10", "cuda", "fa3"), "Qwen3-Embedding-0.6B", "collapsed in training", "--attention-backend"),
    ],
)
def test_one_vector_for_texts_of_any_length_is_not_the_tokenizer(
    settings: Running, served: str, wanted: str, never: str
) -> None:
    """The backend is named where it may be the reason, never the one that is in use as its own remedy."""
    row = judged(collapsed(running=settings, served=(served,), more=None))["distinct"]
    assert row.status is Status.FAIL
    assert wanted in words(row)
    assert never not in words(row)
    assert "re-embed" in words(row)


def test_one_vector_for_texts_of_one_length_is_the_tokenizer() -> None:
    """As many [UNK] as characters: another length, another vector."""
    one, longer = embedded([SOME]), embedded([OTHER])
    facts = collapsed(others=(one, longer), batch=embedded([SOME, SOME, OTHER]), more=None)
    row = judged(facts)["distinct"]
    assert row.status is Status.FAIL
    assert "[UNK]" in words(row)


@pytest.mark.parametrize(("step", "status"), [(-1e-5, Status.PASS), (1e-5, Status.FAIL)])
def test_texts_that_are_nearly_alike_are_two(step: float, status: Status) -> None:
    near = COLLAPSED.value + step
    turned = tuple(near * a + math.sqrt(1 - near * near) * b for a, b in zip(SOME, OTHER, strict=True))
    facts = collapsed(others=(embedded([turned]), embedded([OTHER])), batch=None, more=None)
    assert judged(facts)["distinct"].status is status


def test_the_command_that_mends_a_backend_keeps_the_rest_of_the_line() -> None:
    options = {"model-path": "/m/bge-m3", "port": "8000", "attention-backend": "ascend", "device": "npu"}
    row = judged(collapsed(running=running({"version": "0.5.3"}, options), served=("bge-m3",), more=None))["distinct"]
    (line,) = [command for command in row.commands if "--model-path" in command]
    assert "--port 8000" in line
    assert "--attention-backend torch_native" in line
    assert "ascend" not in line


@pytest.mark.parametrize(
    ("order", "advice"),
    [((2, 1, 0), "another place"), ((1, 0, 2), "another place"), ((1, 2, 0), "another place"), ((0, 1, 2), None)],
)
def test_a_batch_in_another_order_is_seen_without_the_costly_rows(order: tuple[int, ...], advice: str | None) -> None:
    """All texts of the batch are compared, the middle one of a reversed batch is at its place."""
    facts = right()._replace(batch=embedded([vector(FRESH[n]) for n in order]), more=None)
    row = judged(facts)["batch-equals-single"]
    assert row.status is (Status.FAIL if advice else Status.PASS)
    assert advice is None or advice in words(row)


def test_one_wrong_text_of_a_batch_is_no_other_order() -> None:
    facts = right()._replace(batch=embedded([vector(FRESH[0]), vector(FRESH[1]), OTHER]), more=None)
    row = judged(facts)["batch-equals-single"]
    assert row.status is Status.FAIL
    assert "another place" not in words(row)


def target(model: str | None = None, expect_dim: int | None = None) -> Target:
    return Target(url="http://h:1", host="h", port=1, model=model, expect_dim=expect_dim)


def of_dims(dims: int) -> dict[str, Any]:
    def wide(text: str) -> tuple[float, ...]:
        return (*vector(text), *(0.0,) * (dims - 512))

    alone = [embedded([wide(text)]) for text in FRESH]
    return {
        "asked": alone[1],
        "repeats": (alone[1],) * 3,
        "others": (alone[0], alone[2]),
        "batch": embedded([wide(text) for text in FRESH]),
        "meaning": None,
        "more": None,
    }


@pytest.mark.parametrize(
    ("dims", "served", "loaded", "asked", "expected", "wanted"),
    [
        (1024, "bge-large-zh-v1.5", None, None, 768, "made with another model"),
        (1024, "bge-large-zh-v1.5", None, "bge-large-zh-v1.5", 768, "made with another model"),
        (1024, "embedding", "/models/bge-m3", "embedding", 1536, "made with another model"),
        (1024, "Qwen3-Embedding-0.6B", None, None, 4096, "made with another model"),
        (1024, "Qwen3-Embedding-0.6B", None, None, 512, "dimensions=512"),
        (4096, "/models/Qwen3-Embedding-8B", None, None, 1024, "dimensions=1024"),
        (1024, "Qwen3-Embedding-0.6B", None, None, 32, "dimensions=32"),
        (1024, "Qwen3-Embedding-0.6B", None, None, 31, "made with another model"),
        (768, "gte-multilingual-base", None, None, 256, "or those of another model"),
        (1024, "m", "/models/jina-embeddings-v3", "m", 256, "or those of another model"),
        (1024, "bge-m3", None, None, 512, "made with another model"),
        (512, "Qwen3-Embedding-0.6B", None, None, None, "something shortens the vectors"),
        (512, "Qwen3-Embedding-0.6B", None, None, 1024, "something shortens the vectors"),
        (512, "Qwen3-Embedding-0.6B", None, None, 512, None),
        (
            1024,
            "m",
            "/models/Qwen3-Embedding-0.6B",
            "Qwen3-Embedding-8B",
            None,
            "another model is served under this name",
        ),
        (768, "bge-base-en-v1.5", None, None, 1536, "made with another model"),
        (1024, "text-embedding", None, None, 768, "which one this server has is not known"),
        (1024, "bge-large-zh-v1.5", None, "bge-base-zh-v1.5", 768, "another model is served under this name"),
        (768, "bge-large-zh-v1.5", None, None, None, "another model is served under this name"),
        (768, "bge-large-zh-v1.5", None, None, 1024, "another model is served under this name"),
        (1024, "bge-large-zh-v1.5", None, None, 1024, None),
        (1024, "text-embedding", None, None, 1024, None),
    ],
)
def test_an_index_of_another_model_is_told_from_a_server_of_another(
    dims: int, served: str, loaded: str | None, asked: str | None, expected: int | None, wanted: str | None
) -> None:
    facts = right()._replace(**of_dims(dims), served=(served,), loaded=loaded, target=target(asked, expected))
    row = judged(facts)["dimension"]
    assert row.status is (Status.FAIL if wanted else Status.PASS)
    if wanted:
        assert wanted in words(row)
        assert ("re-embed" in words(row)) is ("served under" not in words(row))


def test_bytes_that_were_read_as_numbers_are_no_shortened_vectors() -> None:
    """A quarter of the model's length is both; read wrongly, the numbers are not of length 1."""
    facts = right()._replace(served=("Qwen3-Embedding-0.6B",), target=target())
    raw = embedded([tuple(3.0 * x for x in vector(FRESH[0])[:256])])
    row = judged(facts._replace(asked=raw, repeats=(raw,) * 3, others=(raw, raw), batch=None, meaning=None, more=None))
    assert "four bytes of base64" in words(row["dimension"])
    short = embedded([(1.0, *(0.0,) * 255)])
    row = judged(
        facts._replace(asked=short, repeats=(short,) * 3, others=(short, short), batch=None, meaning=None, more=None)
    )
    assert "something shortens the vectors" in words(row["dimension"])


NAN = (math.nan,) * 512
ZERO = (0.0,) * 512


def bits(text: str, digits: int) -> tuple[float, ...]:
    """Numbers that so many binary digits hold."""
    return tuple(round(x * 2**digits) / 2**digits for x in vector(text))


@pytest.mark.parametrize(
    ("wrong", "others", "dtype", "wanted", "never"),
    [
        (NAN, 10, "float16", "beyond the range of fp16", "hash"),
        (NAN, 10, "half", "--dtype bfloat16", "hash"),
        (NAN, 10, "auto", "--dtype bfloat16", "hash"),
        (NAN, 30, "float32", "broken or half-downloaded", "bfloat16"),
        (NAN, 10, "bfloat16", "broken or half-downloaded", "--dtype bfloat16"),
        (ZERO, 10, "float16", "all zeros", "bfloat16"),
    ],
)
def test_vectors_that_are_no_numbers_beside_some_that_are(
    wrong: tuple[float, ...], others: int, dtype: str, wanted: str, never: str
) -> None:
    good = embedded([bits("你好吗", others)])
    facts = right()._replace(
        asked=good, repeats=(good,) * 3, others=(good, embedded([wrong])), batch=None, meaning=None, more=None
    )
    row = judged(facts._replace(running=Running(dtype=dtype)))["finite"]
    assert row.status is Status.FAIL
    assert wanted in words(row)
    assert never not in words(row)


def test_where_no_vector_is_a_number_the_weights_are_the_reason() -> None:
    null = Embedded((NAN,), (512,), (0,), 14, "m", 0.01)
    facts = right()._replace(asked=null, repeats=(null,) * 3, others=(null, null), batch=None, meaning=None, more=None)
    rows = judged(facts._replace(running=Running(dtype="float16")))
    assert "broken or half-downloaded" in words(rows["finite"])
    assert "--dtype bfloat16" in words(rows["finite"])
    known = judged(facts._replace(running=Running(dtype="float32")))
    assert "bfloat16" not in words(known["finite"])
    assert "512 nulls and no number" in str(rows["answers"].evidence)
    assert "floats" not in str(rows["answers"].evidence)


def test_vectors_of_zeros_are_told_as_such() -> None:
    zero = embedded([ZERO])
    facts = right()._replace(asked=zero, repeats=(zero,) * 3, others=(zero, zero), batch=None, meaning=None, more=None)
    row = judged(facts)["finite"]
    assert "all 512 numbers are 0" in str(row.evidence)
    assert "0 / 512" not in str(row.evidence)


def near(text: str, step: float) -> tuple[float, ...]:
    """A vector that hardly depends on its text, as random weights give them."""
    mixed = [step * x for x in vector(text)]
    mixed[0] += 1.0
    length = math.hypot(*mixed)
    return tuple(x / length for x in mixed)


@pytest.mark.parametrize(
    ("step", "status", "wanted"),
    [(0.05, Status.FAIL, "not loaded"), (0.1, Status.FAIL, "not loaded"), (1.0, Status.PASS, "")],
)
def test_random_numbers_for_weights_are_seen_by_a_few_texts(step: float, status: Status, wanted: str) -> None:
    """In a short run too, which sends six triples."""
    few = embedded([near(text, step) for triple in TRIPLES[:6] for text in triple])
    row = judged(right(meaning=few)._replace(more=None))["semantic"]
    assert row.status is status
    assert wanted in words(row) if wanted else True


LATE = Failure("timeout", "no answer within 3 s", 3.0)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (Running("0.5.10", most_at_once=2), "max-running-requests"),
        (Running("0.5.10.post1", most_at_once=16), "disable-overlap-schedule"),
        (Running("0.5.9", most_at_once=4), "upgrade"),
        (Running(None, most_at_once=8), "max_running_requests"),
        (Running("0.5.23", most_at_once=2), None),
        (Running("0.5.10", most_at_once=2, overlaps=False), None),
        (Running("0.5.10", most_at_once=2048), None),
        (Running("0.5.10"), None),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_server_that_a_full_batch_has_stopped_is_not_given_more_time(
    settings: Running, wanted: str | None, first: bool
) -> None:
    quick = embedded([vector(FRESH[1])])
    facts = right()._replace(more=None, meaning=None, others=(), batch=None, running=settings)
    facts = facts._replace(asked=LATE, repeats=()) if first else facts._replace(repeats=(quick, LATE, LATE))
    row = judged(facts)["answers"]
    assert row.status is Status.FAIL
    if wanted:
        assert wanted in words(row)
        assert "more time" not in words(row)
    elif not first:
        assert "its scheduler hangs" in words(row)
        assert "more time" not in words(row)
    else:
        assert "max_running_requests" not in words(row)


@pytest.mark.parametrize(("seconds", "hangs"), [(0.10, True), (0.20, False)])
def test_a_slow_server_is_told_from_one_that_hangs(seconds: float, hangs: bool) -> None:
    """Twenty times as long as another text took is no matter of speed: three seconds, after 0.15 s."""
    slow = replace(embedded([vector(FRESH[1])]), seconds=seconds)
    facts = right()._replace(asked=slow, repeats=(slow, LATE, LATE), more=None, meaning=None, others=(), batch=None)
    assert ("its scheduler hangs" in words(judged(facts)["answers"])) is hangs


class Scheduler:
    """Answers embeddings and keeps how many texts were there at the same time, in one request or in several."""

    def __init__(self) -> None:
        self.most = 0
        self.requests = 0
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any], headers: Mapping[str, str]) -> Any:
        count = 1 if isinstance(body["input"][0], int) else len(body["input"])
        with self._lock:
            self.requests += 1
            self._now += count
            self.most = max(self.most, self._now)
        time.sleep(0.002)
        answer = same(body, headers)
        with self._lock:
            self._now -= count
        return answer


def settings_page(**more: Any) -> dict[str, Any]:
    page = {
        "version": "0.5.10",
        "disable_radix_cache": True,
        "chunked_prefill_size": 256,
        "attention_backend": "triton",
    }
    return pages(_server_info=(200, page | {"is_embedding": True} | more))


@pytest.mark.parametrize(
    ("page", "most"),
    [
        ({"max_running_requests": 1}, 1),
        ({"max_running_requests": 2}, 2),
        ({"max_running_requests": 9, "version": "0.5.23"}, 9),
        ({"max_running_requests": 8, "dp_size": 4}, 2),
        ({"max_running_requests": None, "internal_states": [{"effective_max_running_requests_per_dp": 3}]}, 3),
        ({"max_running_requests": 40}, 40),
    ],
)
def test_no_more_texts_are_sent_at_a_time_than_the_server_computes(page: dict[str, Any], most: int) -> None:
    """All that probe and embed send, side by side and with a burst; and nothing of it makes a right server wrong."""
    scheduler = Scheduler()
    with serving(settings_page(**page), scheduler) as url:
        rows = looked_at(url, full=most == 9)
    assert 0 < scheduler.most <= most
    assert scheduler.requests > 30
    wrong = {id_ for id_, row in rows.items() if row.status.bad and row.check.area == "embed"}
    assert wrong == set()
    assert not [id_ for id_, row in rows.items() if row.status is Status.ERROR]


@pytest.mark.parametrize(
    ("page", "status"),
    [
        ({"max_running_requests": 2}, Status.FAIL),
        ({"max_running_requests": 2, "disable_overlap_schedule": True}, Status.SKIP),
        ({"max_running_requests": 2, "version": "0.5.16"}, Status.SKIP),
        ({"max_running_requests": 64}, Status.PASS),
        ({"max_running_requests": None}, Status.PASS),
    ],
)
def test_the_release_that_a_full_batch_stops_is_told_before_it_happens(page: dict[str, Any], status: Status) -> None:
    with serving(settings_page(**page), Scheduler()) as url:
        row = looked_at(url, "probe")["probe.batch-limit"]
    assert row.status is status
    assert row.status is not Status.FAIL or "max-running-requests" in words(row)


Embed = Callable[[dict[str, Any], Mapping[str, str]], Any]


def test_a_short_run_names_a_pooling_that_no_vector_shows() -> None:
    """A model of the mean on a server of the first token: right in every comparison with itself."""
    name = "all-MiniLM-L6-v2"
    info = {"model_path": f"/m/{name}", "architectures": ["BertModel"], "embedding": {"pooling": "cls"}}
    card = {"object": "list", "data": [{"id": name, "owned_by": "sglang"}]}
    answers = settings_page(version="0.5.23", chunked_prefill_size=-1) | {
        "/v1/models": (200, card),
        "/model_info": (200, info),
    }

    def english(body: dict[str, Any], headers: Mapping[str, str]) -> Any:
        return beyond_text(body) or (200, answered(*(served_vector(text, 384) for text in body["input"])))

    with serving(answers, english) as url:
        rows = looked_at(url, "launch", "embed", texts=("hello",))
    assert rows["launch.pooling"].status is Status.FAIL
    assert {"embed.distinct", "embed.semantic", "embed.reference", "embed.golden"} <= set(rows)
    assert rows["embed.reference"].status is Status.SKIP
    assert "--model-path" in say(rows["embed.reference"].reason or "", "en")


def test_a_right_server_has_nothing_against_it_in_a_short_run() -> None:
    with serving(settings_page(chunked_prefill_size=-1, version="0.5.23"), same) as url:
        rows = looked_at(url, "launch", "embed", texts=("今天天气", "数据库超时"))
    assert {id_ for id_, row in rows.items() if row.status.bad} == set()
    assert rows["embed.answers"].values["cosines"][0][:2] == [1, 2]


def test_one_vector_for_everything_fails_a_short_run() -> None:
    def one(body: dict[str, Any], headers: Mapping[str, str]) -> Any:
        return beyond_text(body) or (200, answered(*([served_vector("一")] * len(body["input"]))))

    with serving(settings_page(chunked_prefill_size=-1, version="0.5.23"), one) as url:
        rows = looked_at(url, "embed", texts=("今天天气", "数据库超时"))
    assert {id_ for id_, row in rows.items() if row.status.bad and row.caused_by is None} == {"embed.distinct"}


def test_a_name_and_a_dimension_that_disagree_are_one_cause() -> None:
    with serving(pages(), same) as url:
        rows = looked_at(url, "probe", "embed", model="bge-large-zh-v1.5")
    assert rows["probe.model-name"].status is rows["embed.dimension"].status is Status.FAIL
    assert rows["embed.dimension"].caused_by == "probe.model-name"


def test_rows_of_hand_made_facts_are_right() -> None:
    assert bad(right()) == set()
