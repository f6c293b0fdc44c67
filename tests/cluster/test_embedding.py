"""A batch of a dataset comes back with a vector or a reason for each text; the server is asked as on one machine."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bgecheck.bulk.options import BulkOptions
from bgecheck.cluster.embedding import Embedder, EmbeddingStopped, Names, targets_of
from bgecheck.cluster.required import require_columns
from bgecheck.model import BadInput, Secret
from fakes.answering import Answer, embedded, pages, serving, vector

DIMS = 8


class Local(Embedder):
    """Without a cluster: turns are counted, and nobody is waited for."""

    def _turns(self) -> Callable[[str, int], Callable[[], AbstractContextManager[None]]]:
        self.turns: list[tuple[str, int]] = []

        def of(url: str, most: int) -> Callable[[], AbstractContextManager[None]]:
            @contextmanager
            def turn() -> Iterator[None]:
                self.turns.append((url, most))
                yield

            return turn

        return of


def answered(body: dict[str, Any], headers: Any = None) -> Answer:
    texts = body["input"]
    if any("refuse" in text for text in texts):
        return 400, {"object": "error", "message": "not this one sk-secretsecret"}
    return 200, embedded(*(vector(text, DIMS) for text in texts))


@contextmanager
def embedder(page: dict[str, Any] | None = None, **given: Any) -> Iterator[Local]:
    more = {"/server_info": (200, {"version": "0.5.23", **(page or {})})}
    with serving({**pages(), **more}, answered) as url:
        options = given.pop("options", BulkOptions(seconds=5, patience=5))
        made = Local(targets_of([url]), options, **given)
        try:
            yield made
        finally:
            made.close()


def batch(*texts: object) -> dict[str, Any]:
    return {"number": np.arange(len(texts)), "text": np.array(texts, object)}


def test_a_row_for_each_text_and_why_it_has_none() -> None:
    texts = ["一", "  ", "refuse me", None, 7, float("nan"), "\ud800", *(f"text {n}" for n in range(600))]
    with embedder() as one:
        rows = one(batch(*texts))
    assert rows["number"].tolist() == list(range(len(texts)))
    assert rows["reason"][:7].tolist() == [
        *("", "blank", "refused", "no-value", "not-a-string", "no-value", "half-character")
    ]
    assert set(rows["reason"][7:]) == {""}
    assert rows["vector"].dtype == np.float32
    assert np.isnan(rows["vector"][1:7]).all()
    for place in (0, *range(7, len(texts))):
        assert rows["vector"][place] == pytest.approx(vector(str(texts[place]), DIMS), abs=1e-6)


def test_a_message_of_the_server_shows_no_key() -> None:
    with embedder() as one:
        rows = one(batch("refuse me", "x"))
    assert "not this one" in rows["message"][0]
    assert "secretsecret" not in rows["message"][0]
    assert rows["message"][1] == ""


def test_each_request_takes_a_turn_of_its_server() -> None:
    """64 at once, 32 texts of one request: two requests, whatever a worker would send by itself."""
    with embedder({"max_running_requests": 64}) as one:
        one(batch(*(f"text {n}" for n in range(100))))
        assert {most for _, most in one.turns} == {2}
        assert len({url for url, _ in one.turns}) == 1
        assert len(one.turns) >= 4


def test_other_names_of_the_columns() -> None:
    with embedder(names=Names(text="q", vector="v", reason="r", message="m")) as one:
        assert set(one({"q": np.array(["x"], object)})) == {"q", "v", "r", "m"}


def test_a_long_text_is_averaged_and_a_prefix_put_before() -> None:
    options = BulkOptions(seconds=5, patience=5, prefix="为：", too_long="average", size=20, overlap=2)
    with embedder(options=options) as one:
        rows = one(batch("短", "长" * 60))
    assert rows["reason"].tolist() == ["", ""]
    assert rows["vector"][0] == pytest.approx(vector("为：短", DIMS), abs=1e-6)
    assert np.linalg.norm(rows["vector"][1]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("options", [BulkOptions(too_long="apart", size=20), BulkOptions(too_long="average")])
def test_what_gives_no_row_for_a_text_is_refused(options: BulkOptions) -> None:
    with pytest.raises(BadInput):
        Local(targets_of(["http://127.0.0.1:9"]), options)


def test_a_column_that_is_not_there_is_refused_in_a_way_that_reaches_the_driver() -> None:
    with embedder(names=Names(text="body")) as one, pytest.raises(BadInput, match="there are: number, text") as refused:
        one(batch("好"))
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)
    known = SimpleNamespace(schema=lambda fetch_if_missing: SimpleNamespace(names=["number", "text"]))
    require_columns(known, order="number", vector="text")
    with pytest.raises(BadInput, match=r"^vector='v': there is no such column"):
        require_columns(known, order="number", vector="v")
    require_columns(SimpleNamespace(schema=lambda fetch_if_missing: None), vector="v")


def test_a_server_that_is_gone_is_one_line_that_survives_the_way_to_the_driver() -> None:
    with pytest.raises(EmbeddingStopped, match=r"127\.0\.0\.1:9") as stopped:
        Local(targets_of(["http://127.0.0.1:9"]), BulkOptions(seconds=2, patience=1))
    assert str(pickle.loads(pickle.dumps(stopped.value))) == str(stopped.value)


def test_the_servers_go_to_the_workers_with_their_key_and_never_show_it() -> None:
    targets = targets_of(["127.0.0.1:9", "http://127.0.0.1:10/v1"], key=Secret("sk-secret"))
    assert pickle.loads(pickle.dumps(targets)) == targets
    assert targets[1].url == "http://127.0.0.1:10"
    assert "sk-secret" not in repr(targets)


def test_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BGECHECK_API_KEY", "sk-other")
    assert targets_of(["127.0.0.1:9"])[0].api_key == Secret("sk-other")


def test_no_server_is_bad_input() -> None:
    with pytest.raises(BadInput):
        targets_of([])
