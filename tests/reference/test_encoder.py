"""The encoder against a slow and plain one written here, and its invariants (`make reference` has transformers)."""

from __future__ import annotations

import json
import math
import mmap
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from bgecheck.model import Unavailable
from bgecheck.reference.config import pooling_of, shape_of
from bgecheck.reference.encoder import activated, attention, erf, layer_norm, states
from bgecheck.reference.folder import model_folder
from bgecheck.reference.mapped import mapped, release
from bgecheck.reference.recipes import Recipe, best_match, candidates, one_token
from bgecheck.reference.tokens import ids_of
from bgecheck.reference.weights import open_weights

TEXTS = [[2, 300, 4000, 17, 3], [2, 9, 3], [2, *range(200, 260), 3], [2]]


def made(folder: Path, ids: list[list[int]], **settings: Any) -> list[Any]:
    return states(shape_of(str(folder)), open_weights(str(folder)), ids, **settings)


Rows = list[list[float]]


def dot(a: Any, b: Any) -> float:
    return math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def summed(*tables: Any) -> Rows:
    return [[math.fsum(map(float, v)) for v in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)]


def plain_norm(x: Rows, gain: Any, bias: Any) -> Rows:
    found = []
    for row in x:
        mean = math.fsum(row) / len(row)
        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in row) / len(row) + 1e-12)
        found.append([(v - mean) / deviation * float(g) + float(b) for v, g, b in zip(row, gain, bias, strict=True)])
    return found


def plain_attention(q: Rows, k: Rows, v: Rows, heads: int) -> Rows:
    size = len(q[0]) // heads
    mixed = [[0.0] * len(q[0]) for _ in q]
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for n, query in enumerate(q):
            scores = [math.exp(dot(query[part], key[part]) / math.sqrt(size)) for key in k]
            for score, value in zip(scores, v, strict=True):
                for at in range(part.start, part.stop):
                    mixed[n][at] += score / math.fsum(scores) * value[at]
    return mixed


def plain_states(weights: dict[str, Any], config: dict[str, Any], ids: list[int], offset: int = 0) -> Rows:
    """BERT as its paper writes it, number by number, in Python's doubles."""

    def linear(name: str, x: Rows) -> Rows:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return [[dot(row, x1) + float(b) for row, b in zip(weight, bias, strict=True)] for x1 in x]

    def normed(name: str, x: Rows) -> Rows:
        return plain_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    words = [weights["embeddings.word_embeddings.weight"][t] for t in ids]
    places = weights["embeddings.position_embeddings.weight"][offset : offset + len(ids)]
    kinds = [weights["embeddings.token_type_embeddings.weight"][0]] * len(ids)
    x = normed("embeddings.LayerNorm", summed(words, places, kinds))
    for layer in range(config["num_hidden_layers"]):
        under = f"encoder.layer.{layer}."
        q, k, v = (linear(f"{under}attention.self.{name}", x) for name in ("query", "key", "value"))
        mixed = plain_attention(q, k, v, config["num_attention_heads"])
        dense = linear(f"{under}attention.output.dense", mixed)
        x = normed(f"{under}attention.output.LayerNorm", summed(x, dense))
        inner = linear(f"{under}intermediate.dense", x)
        inner = [[0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in row] for row in inner]
        x = normed(f"{under}output.LayerNorm", summed(x, linear(f"{under}output.dense", inner)))
    return x


def test_the_encoder_is_the_plain_one(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    for ids, seen in zip(TEXTS[:2], made(folder, TEXTS[:2]), strict=True):
        assert np.abs(seen - np.array(plain_states(weights, config, ids))).max() < 1e-5


def test_positions_of_the_roberta_family_begin_after_the_padding(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text()) | {"architectures": ["XLMRobertaModel"]}
    config |= {"model_type": "xlm-roberta", "pad_token_id": 1}
    (tmp_path / "m/config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    (seen,) = made(tmp_path / "m", TEXTS[:1])
    assert np.abs(seen - np.array(plain_states(weights, config, TEXTS[0], offset=2))).max() < 1e-5
    assert shape_of(str(tmp_path / "m")).longest == 94


def test_neighbours_do_not_change_a_text(folder: Path) -> None:
    """Other texts of the call, longer and shorter, before and after: no padding, no difference beyond rounding."""
    together = made(folder, TEXTS)
    backwards = made(folder, TEXTS[::-1])[::-1]
    for n, ids in enumerate(TEXTS):
        (alone,) = made(folder, [ids])
        assert np.abs(together[n] - alone).max() < 1e-5
        assert np.abs(backwards[n] - alone).max() < 1e-5


def test_causal_attention_leaves_the_beginning_of_a_text_alone(folder: Path) -> None:
    """Backwards only, a state does not depend on what follows; both ways it does."""
    longer = [*TEXTS[0], 77, 78]
    for causal in (True, False):
        short, long = made(folder, [TEXTS[0], longer], causal=causal)
        assert bool(np.abs(short - long[: len(short)]).max() < 1e-5) is causal


@pytest.mark.parametrize("form", ["shards", "fp16", "bf16", "prefixed"])
def test_every_form_of_the_weights_gives_the_same_states(folder: Path, tmp_path: Path, form: str) -> None:
    copy = tmp_path / "m"
    shutil.copytree(folder, copy)
    arrays = load_file(folder / "model.safetensors")
    (copy / "model.safetensors").unlink()
    exact = made(folder, TEXTS)
    limit = {"fp16": 0.05, "bf16": 0.3}.get(form, 1e-6)
    if form == "shards":
        names = sorted(arrays)
        parts = {f"model-{n}.safetensors": names[n::3] for n in range(3)}
        for file, part in parts.items():
            save_file({name: arrays[name] for name in part}, copy / file)
        index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
        (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    elif form == "bf16":
        write_bf16(copy / "model.safetensors", arrays)
    elif form == "fp16":
        save_file({name: array.astype(np.float16) for name, array in arrays.items()}, copy / "model.safetensors")
    else:
        save_file({f"bert.{name}": array for name, array in arrays.items()}, copy / "model.safetensors")
    off = max(np.abs(a - b).max() for a, b in zip(made(copy, TEXTS), exact, strict=True))
    assert off < limit
    assert off > 0 or form in ("shards", "prefixed")


def write_bf16(path: Path, arrays: dict[str, Any]) -> None:
    """A safetensors file of bfloat16, which numpy's side of the library cannot write."""
    header, body = {}, b""
    for name, array in arrays.items():
        raw = (np.ascontiguousarray(array).view(np.uint32) >> 16).astype(np.uint16).tobytes()
        header[name] = {"dtype": "BF16", "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    path.write_bytes(len(told).to_bytes(8, "little") + told + body)


@pytest.mark.parametrize(
    "weight_map", [{}, {"a": "../model.safetensors"}, {"a": "/etc/passwd"}, {"a": 7}, {"a": ""}, ["a"]]
)
def test_an_index_names_files_of_its_own_folder(weight_map: Any, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(Unavailable):
        open_weights(str(tmp_path))


def test_ids_beyond_the_vocabulary_or_the_positions_are_refused(folder: Path) -> None:
    for ids in ([2, 10**6], [2] * 97, []):
        with pytest.raises(Unavailable):
            made(folder, [ids])


def test_weights_of_another_shape_than_the_configuration_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "m/config.json").write_text(json.dumps(config | {"intermediate_size": 128}))
    with pytest.raises(Unavailable, match="shape"):
        made(tmp_path / "m", TEXTS)


@given(st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=60))
def test_erf_is_the_error_function(values: list[float]) -> None:
    seen = erf(np.array(values, np.float32))
    assert max(abs(float(s) - math.erf(v)) for s, v in zip(seen, values, strict=True)) < 5e-7


@given(st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=60), st.sampled_from(["gelu", "gelu_new", "relu"]))
def test_activations_keep_large_values_and_drop_negative_ones(values: list[float], name: str) -> None:
    seen = activated(np.array(values, np.float32), name)
    for s, v in zip(seen, values, strict=True):
        assert abs(float(s) - max(v, 0.0)) < (0.2 if abs(v) < 5 else 1e-4)


def test_a_norm_has_mean_0_and_variance_1() -> None:
    x = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32) * 7 + 3
    seen = layer_norm(x, np.ones(64, np.float32), np.zeros(64, np.float32), 1e-12)
    assert np.abs(seen.mean(axis=1)).max() < 1e-6
    assert np.abs(seen.var(axis=1) - 1).max() < 1e-5


def test_attention_to_equal_keys_is_the_mean_of_the_values() -> None:
    dice = np.random.default_rng(0)
    q, v = (dice.standard_normal((6, 8)).astype(np.float32) for _ in range(2))
    seen = attention(q, np.ones((6, 8), np.float32), v, heads=2)
    assert np.abs(seen - v.mean(axis=0)).max() < 1e-6


@given(st.integers(0, 4), st.floats(0.1, 50), st.integers(0, 2**31))
def test_the_recipe_that_was_used_is_found(way: int, scale: float, seed: int) -> None:
    """Whatever the scale of the vectors, and with the rounding of fp16 in them."""
    dice = np.random.default_rng(seed)
    of = [dice.standard_normal((n, 48)).astype(np.float32) for n in (4, 9, 23)]
    recipes = candidates(of)
    recipe = list(recipes)[way]
    served = (recipes[recipe] / np.linalg.norm(recipes[recipe], axis=1, keepdims=True)).astype(np.float16) * scale
    found = best_match(served.astype(np.float64), recipes)
    assert found.recipe == recipe
    assert found.cosine > 0.99999


@pytest.mark.parametrize(("off", "recipe"), [(0.0, "mean"), (0.9e-5, "mean"), (1.1e-5, "last")])
def test_of_recipes_that_are_alike_it_is_the_model_s_own(off: float, recipe: str) -> None:
    """As where attention makes all states of a text the same; cls, the usual one, is as near as last."""
    near = np.array([[1.0 - off, math.sqrt(1 - (1.0 - off) ** 2)]])
    exact = np.array([[1.0, 0.0]])
    found = best_match(exact, {Recipe("cls"): exact, Recipe("last"): exact * 2, Recipe("mean"): near}, "mean")
    assert (found.recipe.pooling in ("cls", "last")) if recipe == "last" else (found.recipe.pooling == "mean")
    assert found.recipe not in [other for other, _ in found.others]
    assert len(found.others) == 2


def test_cls_last_and_mean_are_one_for_a_single_token() -> None:
    one = [np.random.default_rng(1).standard_normal((1, 8)).astype(np.float32)]
    vectors = list(candidates(one).values())
    assert all(np.allclose(vector, vectors[0]) for vector in vectors)


def test_a_token_in_the_middle_is_found_text_by_text() -> None:
    of = [np.random.default_rng(n).standard_normal((5, 16)).astype(np.float32) for n in range(3)]
    served = np.array([of[0][2], of[1][1], of[2][3]], np.float64)
    found = one_token(served, of)
    assert (found.positions, found.cosine > 0.9999) == ((2, 1, 3), True)


def test_nan_is_never_a_match() -> None:
    of = [np.ones((3, 4), np.float32)]
    assert not best_match(np.full((1, 4), np.nan), candidates(of)).cosine >= 0.5


def test_tokens_of_a_vocabulary_are_berts(folder: Path, tmp_path: Path) -> None:
    """A token for each Chinese character, lower case unless the folder says otherwise, [CLS] and [SEP] around."""
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    (ids,) = ids_of(str(folder), ["天G"])
    assert [words[n] for n in ids] == ["[CLS]", "天", "g", "[SEP]"]
    shutil.copy(folder / "vocab.txt", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    (ids,) = ids_of(str(tmp_path), ["天G"])
    assert [words[n] for n in ids] == ["[CLS]", "天", "[UNK]", "[SEP]"]


@pytest.mark.parametrize("content", ["{", "[]", '{"model": 7}', ""])
def test_a_broken_tokenizer_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(Unavailable):
        ids_of(str(tmp_path), ["天"])


def test_a_hub_id_is_looked_up_in_the_caches(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "scope"))
    entry = tmp_path / "hf/hub/models--BAAI--bge-large-zh-v1.5"
    (entry / "refs").mkdir(parents=True)
    (entry / "refs/main").write_text("79e7739b6ab9")
    (entry / "snapshots").mkdir()
    (entry / "snapshots/79e7739b6ab9").symlink_to(folder)
    assert model_folder("BAAI/bge-large-zh-v1.5") == str(entry / "snapshots/79e7739b6ab9")
    (tmp_path / "scope/BAAI").mkdir(parents=True)
    (tmp_path / "scope/BAAI/bge-m3___1").symlink_to(folder)
    assert model_folder("BAAI/bge-m3.1") == str(tmp_path / "scope/BAAI/bge-m3___1")
    for named in (None, "BAAI/none", "../../etc", "/nowhere"):
        with pytest.raises(Unavailable, match="--model-path") as told:
            model_folder(named)
        assert told.value.looked is False


@pytest.mark.parametrize(
    ("told", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, None),
        ({"pooling_mode_max_tokens": True}, None),
        ([], None),
    ],
)
def test_the_pooling_of_the_folder(told: Any, pooling: str | None, tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps(told))
    assert pooling_of(str(tmp_path)) == pooling


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system has no madvise")
def test_what_was_read_of_a_mapped_file_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(64 * 2**20))
    raw, process = mapped(str(path)), psutil.Process()
    before = process.memory_info().rss
    assert int(raw.max()) == 0
    read = process.memory_info().rss
    release(raw)
    assert read - before > 48 * 2**20
    assert process.memory_info().rss - before < 16 * 2**20
    assert int(raw[-1]) == 0
