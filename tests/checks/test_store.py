"""The rows of a vector store, of collections and answers made by hand: each threshold just inside and outside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bgecheck.checks import store
from bgecheck.checks.store.facts import StoreFacts
from bgecheck.checks.store.measures import FEWEST_ZEROS
from bgecheck.checks.store.metric import MANY_ROWS
from bgecheck.checks.store.served import Instruction, Remade, Served
from bgecheck.knowledge.models import lookup
from bgecheck.model import Finding, Status, Unavailable, Words, say
from bgecheck.reference.recipes import Match, Recipe
from bgecheck.run import engine
from bgecheck.stores.address import Address
from bgecheck.stores.stored import Row, Stored, Unreadable

DIMS, COUNT = 32, 8
SPARE = DIMS - 9
"""A direction that no text has."""

QDRANT = Address(store="qdrant", shown="qdrant://h:6333/docs", host="h", port=6333, collection="docs")
CHROMA = Address(store="chroma", shown="chroma:./docs", path="./docs")
POSTGRES = Address(store="pgvector", shown="postgresql://h/db", host="h", port=5432, database="db")

Vector = tuple[float, ...]


def axis(number: int, length: float = 1.0, dims: int = DIMS) -> Vector:
    """The last component is not zero, as of no model."""
    vector = [0.0] * dims
    vector[number % (dims - 2)], vector[-1] = length, 1e-9 if dims == DIMS else 0.0
    return tuple(vector)


def turned(number: int, cosine: float) -> Vector:
    """A unit vector with this cosine to the text's own."""
    own, away = axis(number), axis(SPARE)
    return tuple(cosine * a + math.sqrt(1 - cosine * cosine) * b for a, b in zip(own, away, strict=True))


RIGHT = tuple(axis(number) for number in range(COUNT))


def en(words: Words | None) -> str:
    return say(words or "", "en")


def stored(vectors: Sequence[Vector] = RIGHT, **changed: Any) -> Stored:
    """A collection of Qdrant that ranks by cosine, with changes."""
    rows = tuple(Row(key=f"id{n}", vector=vector, text=f"文本 {n}", place=n + 1) for n, vector in enumerate(vectors))
    usual: dict[str, Any] = {"collection": "docs", "library": "fake 1", "count": len(rows), "metric": "cosine"}
    usual |= {"metric_source": "distance = Cosine", "text_field": "text", "vector_field": "v"}
    return Stored(rows=rows, **{**usual, **changed})


def served(held: Stored, vectors: Sequence[Vector] = RIGHT, **changed: Any) -> Served:
    """What a server answers to the texts, with changes."""
    usual: dict[str, Any] = {"norms": tuple(math.hypot(*vector) for vector in vectors), "compared": held.rows}
    usual |= {"remade": (Remade("none", tuple(vectors)),)}
    return Served(**{"model": lookup("bge-large-zh-v1.5"), "dims": len(vectors[0]), **usual, **changed})


def judged(
    outcome: Stored | Unreadable, answer: Served | Unavailable | None = None, address: Address = QDRANT
) -> dict[str, Finding]:
    """The rows by their names."""
    facts = StoreFacts(address, outcome, answer)
    area = replace(store.AREA, collector=lambda context: facts, later_collector=lambda context, given: given)
    return {f.id.removeprefix("store."): f for f in engine.run([area], None)}


def of(vectors: Sequence[Vector], **changed: Any) -> dict[str, Finding]:
    """The rows of these stored vectors beside a right server."""
    held = stored(vectors, **changed)
    return judged(held, served(held))


def test_a_right_store_holds() -> None:
    rows = of(RIGHT)
    assert [row.status for row in rows.values()] == [Status.PASS] * 4
    assert "8 rows; 8 read, 8 with a text" in en(rows["readable"].evidence[0].observed)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("unreachable", "nothing answers at h:6333: Connection refused"),
        ("refused", "refuses the key"),
        ("no-collection", "it has: a, b"),
        ("several", "none was named: a, b"),
        ("several-vectors", "several vectors for each row: a, b"),
        ("no-vectors", "no dense vectors"),
        ("no-text-field", "fields with texts: a, b"),
        ("empty", "holds no vectors"),
        ("locked", "another program has it open"),
        ("not-loaded", "not loaded into memory"),
        ("too-large", "too large"),
        ("not-a-store", "no folder or file of Qdrant"),
        ("failed", "could not be read"),
    ],
)
def test_what_cannot_be_read_says_why(kind: Any, words: str) -> None:
    rows = judged(Unreadable(kind=kind, detail="Connection refused", names=("a", "b")))
    assert rows["readable"].status is Status.FAIL
    assert words in en(rows["readable"].cause)
    assert [rows[name].status for name in ("dimension", "metric", "vectors")] == [Status.SKIP] * 3


def test_a_command_names_one_of_several_collections() -> None:
    held = Unreadable(kind="several", names=("a b", "c"))
    facts = StoreFacts(QDRANT, held)
    area = replace(store.AREA, collector=lambda context: facts, later_collector=lambda context, given: given)
    values = {"base_url": "http://h/v1"}
    (row, *_) = engine.run([area], None, values=values)
    assert row.commands == ("bgecheck embed --url http://h/v1 --check-store 'qdrant://h:6333/a b'",)


def test_a_server_without_vectors_is_no_verdict_on_the_store() -> None:
    rows = judged(stored(), Unavailable("HTTP 500"))
    assert [row.status for row in rows.values()] == [Status.PASS, *[Status.ERROR] * 3]


# Dimension.


def test_another_dimension() -> None:
    longer = [(*axis(n, dims=48)[:-1], 0.5) for n in range(COUNT)]
    row = of(longer)["dimension"]
    assert (row.status, row.values["stored"], row.values["served"]) == (Status.FAIL, 48, DIMS)
    assert "another model" in en(row.cause)


@pytest.mark.parametrize(("zeros", "padded"), [(FEWEST_ZEROS, True), (FEWEST_ZEROS - 1, False)])
def test_zeros_behind_the_servers_dimension_are_padding(zeros: int, padded: bool) -> None:
    rows = of([(*vector, *[0.0] * zeros) for vector in RIGHT])
    assert rows["dimension"].status is (Status.WARN if padded else Status.FAIL)
    assert ("padded with zeros" in en(rows["dimension"].cause)) is padded
    if padded:
        assert rows["vectors"].status is Status.PASS


def test_one_vector_that_goes_on_shows_that_none_is_padded() -> None:
    vectors = [(*vector, *[0.0] * 16) for vector in RIGHT]
    vectors[5] = (*RIGHT[5], *[0.0] * 15, 0.1)
    assert "padded" not in en(of(vectors)["dimension"].cause)


@pytest.mark.parametrize(("zeros", "status"), [(FEWEST_ZEROS, Status.FAIL), (FEWEST_ZEROS - 1, Status.PASS)])
def test_zeros_within_the_servers_dimension_are_another_model(zeros: int, status: Status) -> None:
    vectors = [tuple(0.3 if n < DIMS - zeros else 0.0 for n in range(DIMS))] * COUNT
    assert of(vectors)["dimension"].status is status


@pytest.mark.parametrize(
    ("model", "status", "words"),
    [
        ("qwen3-embedding-0.6b", Status.WARN, "`dimensions`"),
        ("bge-large-zh-v1.5", Status.FAIL, "not known to be trained"),
    ],
)
def test_cut_vectors_are_told_and_whether_the_model_is_trained_for_it(model: str, status: Status, words: str) -> None:
    whole = [tuple(math.sin(7.0 * n * n + k) for k in range(64)) for n in range(1, COUNT + 1)]
    held = stored([vector[:32] for vector in whole])
    row = judged(held, served(held, whole, model=lookup(model)))["dimension"]
    assert (row.status, words in en(row.cause)) == (status, True)


def test_shorter_vectors_of_another_model_are_not_called_cut() -> None:
    whole = [tuple(math.sin(7.0 * n * n + k) for k in range(64)) for n in range(1, COUNT + 1)]
    held = stored(RIGHT)
    rows = judged(held, served(held, whole))
    assert "another model" in en(rows["dimension"].cause)
    assert rows["vectors"].caused_by == "store.dimension"


def test_vectors_of_several_lengths() -> None:
    row = of([*RIGHT[:-1], axis(3, dims=24)])["dimension"]
    assert (row.status, row.values["lengths"]) == (Status.FAIL, "24, 32")


# Metric.


@pytest.mark.parametrize(
    ("metric", "length", "status", "words"),
    [
        ("cosine", 3.0, Status.PASS, ""),
        ("ip", 1.0049, Status.PASS, ""),
        ("ip", 1.0051, Status.FAIL, "inner product"),
        ("l2", 1.0049, Status.WARN, "reads 1 - d as similarity"),
        ("l2", 1.0051, Status.FAIL, "the order is not that of the cosine"),
        ("other", 1.0, Status.FAIL, "not trained"),
    ],
)
def test_the_length_of_one_vector_decides(metric: str, length: float, status: Status, words: str) -> None:
    """The odd one is not the first."""
    vectors = [*RIGHT[:5], axis(5, length), *RIGHT[6:]]
    row = of(vectors, metric=metric)["metric"]
    assert row.status is status
    assert words in en(row.cause)


@pytest.mark.parametrize(("norm", "status"), [(1.0049, Status.PASS), (1.0051, Status.WARN), (0.9949, Status.WARN)])
def test_scores_of_queries_that_are_not_normalised(norm: float, status: Status) -> None:
    held = stored(metric="ip")
    assert judged(held, served(held, norms=(1.0, norm, 1.0)))["metric"].status is status


@pytest.mark.parametrize(
    ("squared", "distance", "formula"), [(True, "0.8000", "1 - d/2"), (False, "0.8944", "1 - d*d/2")]
)
def test_what_an_application_makes_of_a_distance(squared: bool, distance: str, formula: str) -> None:
    row = of([RIGHT[0], RIGHT[0], turned(0, 0.6)], metric="l2", squared=squared)["metric"]
    assert (row.values["cosine"], row.values["distance"]) == ("0.6000", distance)
    assert row.values["read_as"] == f"{1 - float(distance):.4f}"
    assert formula in en(row.cause)


def test_chromas_own_default_is_told() -> None:
    held = stored(metric="l2", default=True, squared=True)
    row = judged(held, served(held), CHROMA)["metric"]
    assert "where no metric is chosen" in en(row.cause)
    assert "create_collection" in en(row.fix)


@pytest.mark.parametrize(("count", "status"), [(9_999, Status.PASS), (10_000, Status.WARN), (None, Status.WARN)])
def test_a_large_table_wants_an_index(count: int | None, status: Status) -> None:
    held = stored(metric=None, metric_source="", count=count)
    row = judged(held, served(held), POSTGRES)["metric"]
    assert row.status is status
    if status is Status.WARN:
        assert "CREATE INDEX ON docs USING hnsw (v vector_cosine_ops)" in en(row.fix)


def test_what_is_compared_with_the_server_waits_until_it_has_answered() -> None:
    """Judged at once these rows would say that nothing was asked; whether the store can be read is known before."""
    assert {check.id for check in store.AREA.checks if not check.late} == {"store.readable"}


def test_an_index_that_was_not_built_to_its_end_is_none() -> None:
    held = stored(metric=None, metric_source="idx")
    assert "(idx was not built to its end)" in en(judged(held, served(held), POSTGRES)["metric"].cause)


# Vectors.


@pytest.mark.parametrize(
    ("cosine", "status", "words"),
    [
        (0.99801, Status.PASS, ""),
        (0.99799, Status.WARN, "near to the server's but not the same"),
        (0.98001, Status.WARN, "near to the server's but not the same"),
        (0.97999, Status.WARN, "these texts were changed"),
    ],
)
def test_how_near_one_vector_has_to_be(cosine: float, status: Status, words: str) -> None:
    row = of([*RIGHT[:4], turned(4, cosine), *RIGHT[5:]])["vectors"]
    assert (row.status, words in en(row.cause)) == (status, True)


def test_vectors_of_another_model() -> None:
    row = of([*RIGHT[1:], axis(20)])["vectors"]
    assert row.status is Status.FAIL
    assert "the index is of another model" in en(row.cause)
    assert row.values["pattern"] == "xxxxxxxx"


def test_an_index_of_two_models_tells_which_rows_are_of_which() -> None:
    vectors = [*RIGHT[:5], axis(20), axis(21), RIGHT[7]]
    row = of(vectors)["vectors"]
    assert row.values["pattern"] == "=====xx="
    assert "a mixed index: 6 of 8" in en(row.cause)
    assert "id5 (row 6), id6 (row 7)" in en(row.fix)


@pytest.mark.parametrize(("own", "words"), [(4, "its own for 4 of 8"), (3, "the index is of another model")])
def test_changed_texts_are_told_from_another_model_by_the_nearest_text(own: int, words: str) -> None:
    vectors = [turned(n, 0.7) if n < own else axis((n + 1) % COUNT if n + 1 < COUNT else 4) for n in range(COUNT)]
    vectors = [vector if n < own else turned((n + 1) % COUNT, 0.7) for n, vector in enumerate(vectors)]
    row = of(vectors)["vectors"]
    assert (row.status, words in en(row.cause)) == (Status.FAIL, True)


@pytest.mark.parametrize(("count", "words"), [(3, "more texts would tell"), (4, "index is of another model")])
def test_of_a_few_texts_the_nearest_says_nothing(count: int, words: str) -> None:
    held = stored([axis(20 + n) for n in range(count)])
    assert words in en(judged(held, served(held, RIGHT[:count]))["vectors"].cause)


def remade(instruction: Instruction, vectors: Sequence[Vector]) -> Remade:
    return Remade(instruction, tuple(vectors))


def test_documents_that_were_embedded_as_queries() -> None:
    held = stored()
    plain, query = remade("none", [turned(n, 0.8) for n in range(COUNT)]), remade("query", RIGHT)
    row = judged(held, served(held, remade=(plain, query)))["vectors"]
    assert row.status is Status.FAIL
    assert "8 of 8 with it, 0 without" in en(row.cause)
    assert row.commands == ()  # without a server no address stands in it


def test_a_model_with_a_document_prefix() -> None:
    held, e5 = stored(), lookup("multilingual-e5-small")
    other = [turned(n, 0.8) for n in range(COUNT)]
    right = served(held, remade=(remade("none", other), remade("passage", RIGHT)), model=e5)
    assert judged(held, right)["vectors"].status is Status.PASS
    bare = served(held, remade=(remade("none", RIGHT), remade("passage", other)), model=e5)
    assert judged(held, bare)["vectors"].status is Status.WARN


@pytest.mark.parametrize(("cosine", "named"), [(0.9981, True), (0.9979, False)])
def test_the_pooling_is_named_where_the_weights_are_here(cosine: float, named: bool) -> None:
    held = stored([turned(n, 0.7) for n in range(COUNT)])
    match = Match(Recipe("mean"), cosine, 1.0, (), 1.0, 1.0)
    row = judged(held, served(held, match=match, folder="/m"))["vectors"]
    assert ("the mean of all tokens of the weights in /m" in en(row.cause)) is named


def test_without_texts_nothing_is_called_right() -> None:
    held = stored()
    nothing = served(held, compared=(), remade=())
    row = judged(held, nothing)["vectors"]
    assert row.status is Status.ERROR
    assert "FastGPT" in en(row.reason)
    many = judged(replace(held, fields=("a", "b")), nothing)["vectors"]
    assert "--text-field" in en(many.reason)
    long = judged(held, nothing._replace(left_out=3))["vectors"]
    assert "all 3 texts" in en(long.reason)


def test_a_vector_that_is_not_finite_is_not_the_same() -> None:
    vectors = [*RIGHT[:3], (math.nan,) * DIMS, *RIGHT[4:]]
    assert of(vectors)["vectors"].status is Status.FAIL


@pytest.mark.parametrize("nothing", [(0.0,) * DIMS, (math.nan,) * DIMS, (math.inf, *RIGHT[3][1:])])
def test_a_vector_stored_for_a_text_that_had_none_is_no_other_model(nothing: Vector) -> None:
    row = of([*RIGHT[:3], nothing, *RIGHT[4:]])["vectors"]
    assert (row.status, row.values["pattern"]) == (Status.FAIL, "===0====")
    assert "1 of 8 stored vectors are zero, or hold NaN" in en(row.cause)
    assert say(row.fix or "", "zh").startswith("把这些行重新编码（id3 [第 4 行]）")
    both = of([*RIGHT[:3], nothing, axis(20), *RIGHT[5:]])["vectors"]
    assert "6 of 8 stored texts get their stored vector again, and 1 have" in en(both.cause)
    assert any("0 zero, NaN or infinite" in en(evidence.subject) for evidence in both.evidence)


# What is shown beside a verdict.


def shown(finding: Finding) -> dict[str, str]:
    """The evidence by its subject."""
    return {en(evidence.subject): en(evidence.observed) for evidence in finding.evidence}


def test_what_was_read_is_counted_and_how_is_kept_for_the_verbose() -> None:
    row = of(RIGHT)["readable"]
    assert shown(row)["Qdrant docs"] == "8 rows; 8 read, 8 with a text (field text)"
    assert [evidence.background for evidence in row.evidence] == [False, True]
    nameless = of(RIGHT, text_field=None, count=None)["readable"]
    assert shown(nameless)["Qdrant docs"] == "rows; 8 read, 8 with a text (field -)"


@pytest.mark.parametrize(("count", "more"), [(12, False), (13, True)])
def test_a_dozen_names_are_listed(count: int, more: bool) -> None:
    names = tuple(f"c{n:02}" for n in range(count))
    row = judged(Unreadable(kind="several", names=names))["readable"]
    assert en(row.evidence[0].observed) == ", ".join(names[:12]) + ", ..." * more


@pytest.mark.parametrize(
    ("kind", "detail", "names", "words"),
    [
        ("failed", "Boom", ("a",), "Boom"),
        ("unreachable", "refused", ("a",), "refused"),
        ("several", "Boom", ("a", "b"), "a, b"),
        ("locked", "Boom", (), "Boom"),
        ("empty", "", (), "empty"),
    ],
)
def test_what_stands_beside_a_store_that_cannot_be_read(
    kind: Any, detail: str, names: tuple[str, ...], words: str
) -> None:
    row = judged(Unreadable(kind=kind, detail=detail, names=names))["readable"]
    assert shown(row) == {"qdrant://h:6333/docs": words}


def test_both_lengths_and_the_zeros_are_shown() -> None:
    padded = of([(*vector, *[0.0] * FEWEST_ZEROS) for vector in RIGHT], dims=DIMS + FEWEST_ZEROS)["dimension"]
    assert shown(padded) == {
        "dimension of the store, and of the server": str(DIMS + FEWEST_ZEROS),
        "numbers that are 0 at the end of each": str(FEWEST_ZEROS),
    }
    assert padded.values["name"] == "bge-large-zh-v1.5"
    declared = of(RIGHT, dims=1536)["dimension"]
    assert shown(declared)["declared"] == "1536"
    assert "declared" not in shown(of(RIGHT, dims=None)["dimension"])
    held = stored()
    assert judged(held, served(held, model=None))["dimension"].values["name"] == "?"


def test_vectors_of_nothing_but_zeros_have_no_dimension_of_their_own() -> None:
    row = of([(0.0,) * DIMS] * COUNT)["dimension"]
    assert (row.status, row.values["real"]) == (Status.FAIL, 0)


@pytest.mark.parametrize(("like", "is_cut"), [(5, True), (4, False)])
def test_more_than_half_of_cut_vectors_are_the_beginning_of_the_servers(like: int, is_cut: bool) -> None:
    whole = [tuple(math.sin(7.0 * n * n + k) for k in range(64)) for n in range(1, COUNT + 1)]
    held = stored([vector[:32] if n < like else RIGHT[n] for n, vector in enumerate(whole)])
    row = judged(held, served(held, whole))["dimension"]
    assert ("not known to be trained" in en(row.cause)) is is_cut


def test_the_metric_is_shown_with_both_norms() -> None:
    vectors = [axis(0), axis(1, 0.5), axis(2, 2.0), *RIGHT[3:]]
    row = of(vectors, metric="ip", number_type="halfvec", quantised="int8")["metric"]
    assert shown(row) == {
        "metric": "distance = Cosine",
        "norm of the stored vectors": "0.5 to 2",
        "norm of the server's vectors": "1",
        "stored as": "halfvec",
        "quantised index": "int8",
    }
    assert [evidence.background for evidence in row.evidence] == [False, False, True, True, True]
    assert row.values["rows"] == COUNT
    bare = stored(metric=None, metric_source="idx", count=None)
    unindexed = judged(bare, served(bare), POSTGRES)["metric"]
    assert shown(unindexed)["metric"] == "no index"
    assert unindexed.values["rows"] == "?"


@pytest.mark.parametrize(("norms", "farthest"), [((1.0, 1.2, 0.9), "1.2"), ((1.1, math.inf, 3.0), "inf"), ((), "nan")])
def test_the_norm_farthest_from_one_is_named(norms: tuple[float, ...], farthest: str) -> None:
    held = stored(metric="ip")
    assert judged(held, served(held, norms=norms))["metric"].values["query_norm"] == farthest


@pytest.mark.parametrize(("squared", "kind"), [(True, "平方距离"), (False, "距离")])
def test_a_squared_distance_is_called_so(squared: bool, kind: str) -> None:
    row = of([RIGHT[0], turned(0, 0.6)], metric="l2", squared=squared)["metric"]
    assert row.values["kind_zh"] == kind


def test_the_pair_that_is_shown_is_the_first_text_and_the_next_that_is_another() -> None:
    near = turned(0, 0.99801)
    row = of([RIGHT[0], near, turned(0, 0.5), turned(0, 0.6)], metric="l2")["metric"]
    assert row.values["cosine"] == "0.5000"
    alike = of([RIGHT[0], near], metric="l2")["metric"]
    assert alike.values["cosine"] == "?"


@pytest.mark.parametrize(
    ("dims", "number_type", "words"),
    [
        (2000, "", "USING hnsw (v vector_cosine_ops)"),
        (2001, "", "USING hnsw ((v::halfvec(2001)) halfvec_cosine_ops)"),
        (2001, "halfvec", "USING hnsw (v halfvec_cosine_ops)"),
    ],
)
def test_pgvector_indexes_two_thousand_components(dims: int, number_type: str, words: str) -> None:
    """`column cannot have more than 2000 dimensions for hnsw index`, as pgvector answers."""
    held = stored(
        [axis(n, dims=dims) for n in range(COUNT)],
        metric=None, metric_source="", count=MANY_ROWS, number_type=number_type,
    )  # fmt: skip
    row = judged(held, served(held, [axis(n, dims=dims) for n in range(COUNT)]), POSTGRES)["metric"]
    assert words in en(row.fix)


def test_the_texts_left_out_are_counted_for_the_verbose() -> None:
    held = stored()
    subject = "texts left out, longer than the model reads or refused"
    row = judged(held, served(held, left_out=3))["vectors"]
    assert shown(row)[subject] == "3"
    assert next(e for e in row.evidence if en(e.subject) == subject).background
    assert subject not in shown(of(RIGHT)["vectors"])


def test_eight_fields_that_may_hold_the_texts_are_named() -> None:
    held = stored(fields=tuple(f"f{n}" for n in range(9)))
    reason = en(judged(held, served(held, compared=(), remade=()))["vectors"].reason)
    assert [f"f{n}" in reason for n in range(9)] == [True] * 8 + [False]


def test_the_lowest_cosine_is_of_the_vectors_that_are_numbers() -> None:
    row = of([*RIGHT[:3], (math.nan,) * DIMS, turned(4, 0.9), *RIGHT[5:]])["vectors"]
    assert (row.values["lowest"], row.values["highest"], row.values["name"]) == (
        "0.9000",
        "1.0000",
        "bge-large-zh-v1.5",
    )


def test_vectors_of_another_length_are_shown_with_both() -> None:
    first, rest = axis(0, dims=48), [axis(n, dims=48) for n in range(1, COUNT)]
    held = stored([(*first[:-1], 0.5), *rest])
    row = judged(held, served(held, RIGHT))["vectors"]
    assert "vectors of different lengths: 48 / 32" in en(row.reason)
