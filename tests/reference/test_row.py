"""The row `embed.reference` against servers of a true forward pass: the right ones pass, the wrong recipe is named."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bgecheck.checks import embed
from bgecheck.checks.embed.facts import collect
from bgecheck.checks.embed.texts import probe_texts
from bgecheck.checks.likeness import recipe_words
from bgecheck.knowledge.models import lookup
from bgecheck.model import Finding, Status, Target, Text, Unavailable
from bgecheck.model.deadline import Deadline
from bgecheck.reference.config import shape_of
from bgecheck.reference.nearest import Folder, nearest
from bgecheck.reference.recipes import Recipe, candidates
from bgecheck.reference.recorded import Recorded
from bgecheck.run import catalog, engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings

Serve = Callable[..., Any]
Write = Callable[..., Path]


def looked_at(url: str, path: Path | None, **settings: Any) -> Finding:
    """The finding of the row alone, of what was asked over HTTP."""
    port = int(url.rsplit(":", 1)[1])
    target = Target(url=url, host="127.0.0.1", port=port, model_path=str(path) if path else None)
    deadline = Deadline(settings.pop("seconds", 20))
    context = Context(target, deadline, Settings(**{"quick": True, "proves": True, **settings}))
    area = replace(embed.AREA, needs=())
    rows = {f.id: f for f in engine.run([area], context)}
    context.close()
    return rows["embed.reference"]


@pytest.mark.parametrize("rounding", ["fp32", "fp16", "bf16"])
def test_a_right_server_passes_in_every_precision(serve: Serve, folder: Path, rounding: str) -> None:
    with serve(folder, rounding=rounding) as server:
        found = looked_at(server.url, folder)
    assert found.status is Status.PASS, found.evidence
    assert found.values["recipe"] == "cls"


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_right_server_passes_where_every_recipe_gives_the_same(
    serve: Serve, write: Write, pooling: str, tmp_path: Path
) -> None:
    """A model whose states are alike for all tokens: rounding must not choose the recipe."""
    path = write(tmp_path / "alike", pooling=pooling)
    weights = load_file(path / "model.safetensors")
    for name in ("word_embeddings", "position_embeddings"):
        table = weights[f"embeddings.{name}.weight"]
        table[:] = table[0] + np.random.default_rng(1).normal(scale=1e-3, size=table.shape)
    save_file(weights, path / "model.safetensors")
    with serve(path, pool=pooling, rounding="fp16") as server:
        found = looked_at(server.url, path)
    assert (found.values["recipe"], found.status) == (pooling, Status.PASS), found.evidence


@pytest.mark.parametrize(
    ("settings", "recipe", "words"),
    [
        ({"pool": "last"}, "last", "--is-embedding"),
        ({"pool": "mean"}, "mean", "1_Pooling"),
        ({"pool": "max"}, "max", "largest"),
        ({"pool": "second"}, "token", "prefix cache"),
        ({"causal": True, "pool": "last"}, "last, causal attention", "--attention-backend triton"),
        ({"pool": "last", "rounding": "bf16"}, "last", "0.5.8"),
        ({"pool": "last", "normalized": False}, "last", "0.5.8"),
    ],
)
def test_the_recipe_of_a_wrong_server_is_named(
    serve: Serve, folder: Path, settings: dict[str, Any], recipe: str, words: str
) -> None:
    with serve(folder, **settings) as server:
        found = looked_at(server.url, folder)
    assert found.status is Status.FAIL
    assert found.values["recipe"] == recipe
    assert words in f"{found.cause} {found.fix}"


@pytest.mark.parametrize("seed", [1, 23, 53, 59])
def test_a_token_is_told_from_a_mean_that_is_near_it(serve: Serve, folder: Path, seed: int) -> None:
    """Texts for which the mean of this model is within 0.998 of its second token."""
    with serve(folder, pool="second") as server:
        texts = probe_texts(random.Random(seed))
        asked = Folder(str(folder), shape_of(str(folder)))
        match, _ = nearest(asked, texts, server.vectors(texts), lambda: lambda number, layers: None)
    assert (match.recipe.pooling, match.positions) == ("token", (1,) * 5)


def test_that_no_usual_recipe_fits_is_told_where_time_ends_before_the_others(
    serve: Serve, folder: Path, write: Write, tmp_path: Path
) -> None:
    passes: list[int] = []

    def pace() -> Callable[[int, int], None]:
        passes.append(1)
        if len(passes) > 1:
            raise Unavailable(Text("the time is over", ""))
        return lambda number, layers: None

    with serve(write(tmp_path / "other", seed=9)) as server:
        texts = probe_texts(random.Random(1))
        match, _ = nearest(Folder(str(folder), shape_of(str(folder))), texts, server.vectors(texts), pace)
    assert match.cosine < 0.98
    assert not match.complete


def test_cls_of_a_model_that_pools_the_mean_is_wrong(serve: Serve, write: Write, tmp_path: Path) -> None:
    """sglang pools [CLS] whatever 1_Pooling says."""
    folder = write(tmp_path / "e5", pooling="mean")
    with serve(folder) as server:
        found = looked_at(server.url, folder)
    assert found.status is Status.FAIL
    assert found.values["wanted"] == "MEAN"


def test_an_instruction_before_every_text_is_named(serve: Serve, write: Write, tmp_path: Path) -> None:
    known = lookup("bge-small-zh-v1.5")
    assert known
    assert known.query_prefix
    folder = write(tmp_path / "bge-small-zh-v1.5")
    with serve(folder, prefix=known.query_prefix) as server:
        found = looked_at(server.url, folder)
    assert found.status is Status.FAIL
    assert found.values["recipe"] == "cls, with the instruction"


def test_other_weights_follow_no_recipe(serve: Serve, folder: Path, write: Write, tmp_path: Path) -> None:
    """The best is told with its cosine, and no pooling is accused."""
    with serve(write(tmp_path / "other", seed=9)) as server:
        found = looked_at(server.url, folder)
    assert found.status is Status.FAIL
    assert found.values["cosine"] < 0.98
    assert "no recipe" in str(found.cause)


def test_vectors_that_are_not_normalised_are_told_beside_a_right_recipe(serve: Serve, folder: Path) -> None:
    with serve(folder, normalized=False) as server:
        found = looked_at(server.url, folder)
    assert found.status is Status.PASS
    assert found.values["normalized"] is False
    assert any("norm" in str(e.subject) for e in found.evidence)


def test_another_dimension_is_another_model(serve: Serve, folder: Path) -> None:
    recorded = Recorded(("今天",), ((1.0, 0.0),))
    with serve(folder) as server:
        found = looked_at(server.url, folder, recorded=recorded)
    assert (found.status, found.values["seen"], found.values["dims"]) == (Status.FAIL, 64, 2)


@pytest.mark.parametrize(
    ("break_it", "status", "words"),
    [
        (lambda f: (f / "config.json").unlink(), Status.SKIP, "--model-path"),
        (lambda f: (f / "model.safetensors").unlink(), Status.ERROR, "neither"),
        (
            lambda f: (f / "model.safetensors").write_bytes(
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0"
            ),
            Status.ERROR,
            "git-lfs",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x00" * 100), Status.ERROR, "as weights"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), Status.ERROR, "empty"),
        (lambda f: (f / "vocab.txt").unlink(), Status.ERROR, "vocab.txt"),
        (lambda f: (f / "config.json").write_text('{"model_type": "qwen3"}'), Status.SKIP, "qwen3"),
        (lambda f: (f / "config.json").write_text("{"), Status.ERROR, "JSON"),
        (lambda f: (f / "config.json").write_text('{"hidden_size": -1}'), Status.ERROR, "hidden_size"),
    ],
)
def test_a_folder_that_cannot_be_used_is_unknown_and_never_a_fault(
    serve: Serve, folder: Path, write: Write, tmp_path: Path, break_it: Any, status: Status, words: str
) -> None:
    broken = write(tmp_path / "broken")
    break_it(broken)
    with serve(folder) as server:
        found = looked_at(server.url, broken)
    assert found.status is status
    assert words in str(found.reason)


def test_without_time_the_row_says_so_instead_of_being_late(serve: Serve, folder: Path) -> None:
    with serve(folder) as server:
        found = looked_at(server.url, folder, seconds=1.0)
    assert found.status is Status.ERROR
    assert "--deadline" in str(found.reason)


def test_the_servers_own_page_names_the_folder(serve: Serve, folder: Path) -> None:
    with serve(folder) as server:
        assert looked_at(server.url, None).status is Status.PASS


def test_a_model_of_unknown_pooling_is_right_as_cls_and_unclear_as_last(
    serve: Serve, write: Write, tmp_path: Path
) -> None:
    folder = write(tmp_path / "unknown", pooling=None)
    seen = {}
    for pool in ("cls", "mean", "last"):
        with serve(folder, pool=pool) as server:
            seen[pool] = looked_at(server.url, folder).status
    assert seen == {"cls": Status.PASS, "mean": Status.PASS, "last": Status.ERROR}


def test_the_whole_area_stays_harmless(serve: Serve, folder: Path) -> None:
    """At most 40 requests and 4,000 tokens, the reference among them."""
    with serve(folder) as server:
        port = int(server.url.rsplit(":", 1)[1])
        target = Target(url=server.url, host="127.0.0.1", port=port, model_path=str(folder))
        context = Context(target, Deadline(20))
        facts = collect(context)
        context.close()
    assert facts.proof is not None
    assert len(server.requests) <= 40
    assert sum(server.requests) <= 4000


def test_quick_leaves_it_out(serve: Serve, folder: Path) -> None:
    with serve(folder) as server:
        found = looked_at(server.url, folder, proves=False)
    assert found.status is Status.SKIP


def test_the_setting_explains_the_row_and_the_row_explains_meaning(serve: Serve, folder: Path) -> None:
    """Of findings that all fail, launch.pooling is the root; without it, the row is."""
    with serve(folder, pool="last") as server:
        found = looked_at(server.url, folder)
    rows = {check.id: check for check in catalog.rows()}
    chain = ("launch.pooling", "embed.reference", "embed.semantic", "embed.golden")
    findings = tuple(replace(found, check=rows[id_], explains=rows[id_].explains, caused_by=None) for id_ in chain)
    assert {f.id: f.caused_by for f in engine.attribute(findings)} == {
        "launch.pooling": None,
        **dict.fromkeys(chain[1:], "launch.pooling"),
    }
    alone = engine.attribute(findings[1:])
    assert [f.caused_by for f in alone] == [None, "embed.reference", "embed.reference"]


def test_every_recipe_has_words_in_both_languages() -> None:
    one = [np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32)]
    for recipe in [*candidates(one, one[0][:1], causal=True), *candidates(one, instruction=True), Recipe("token")]:
        told = recipe_words(recipe)
        assert told.en.isascii()
        assert not told.zh.isascii()
