"""A damaged model folder is named by exactly its row and its reason; a right one of any layout raises nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bgecheck.checks.model import AREA
from bgecheck.checks.model.facts import Digest, ModelFacts, digest_of, look, place_of
from bgecheck.checks.subject import Subject
from bgecheck.machine.access import this_user
from bgecheck.model import Outcome, Text, Unavailable, fill, fill_command, say
from bgecheck.run import engine
from chinese import english_in
from fakes.modelfolders import HUB_ID, MODULES, WORDS, in_hub_cache, shapes, sharded, write_model, write_safetensors

from fakes.modelfolders import CONFIG, write_tokenizer, write_torch  # isort: skip


def facts_of(path: str, environment: Mapping[str, str] | None = None, **more: Any) -> ModelFacts:
    server = Subject(
        **{"starts": True, "asked_for": True, "user": this_user(), "model_path": path, "options": {}, **more},
        environment=environment or {"HOME": "/nonexistent"},
    )
    place = place_of(server)
    return ModelFacts(place, user="me") if place.fault else look(place, server)


def outcomes(facts: ModelFacts) -> dict[str, Outcome]:
    """What each row answers, as far as the entry row lets them be judged."""
    judged = {check.id.partition(".")[2]: engine.judge(check, facts) for check in AREA.checks}
    return judged if judged["readable"].holds else {"readable": judged["readable"]}


def bad(facts: ModelFacts) -> dict[str, str | None]:
    """The rows that do not hold, with the cause of each."""
    return {name: outcome.advice for name, outcome in outcomes(facts).items() if outcome.holds is False}


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:74541fa3bddf35c2ed35a7c2\nsize 1302134272\n"
PAGE = "<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head><body>nginx</body></html>\n"

Damaging = Callable[[Path], Any]


def changed(**values: Any) -> Damaging:
    """Values of config.json that are others than those of the weights; None takes one away."""

    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text()) | values
        text = json.dumps({name: value for name, value in config.items() if value is not None})
        (folder / "config.json").write_text(text)

    return damage


def holding(name: str, content: str | bytes) -> Damaging:
    """A file with other content."""

    def damage(folder: Path) -> None:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)

    return damage


def without(*names: str) -> Damaging:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def cut(name: str, count: int) -> Damaging:
    """A file that lacks its last bytes."""

    def damage(folder: Path) -> None:
        os.truncate(folder / name, (folder / name).stat().st_size - count)

    return damage


def several(*damages: Damaging) -> Damaging:
    def damage(folder: Path) -> None:
        for each in damages:
            each(folder)

    return damage


def tokenizer(words: list[str]) -> Damaging:
    return lambda folder: write_tokenizer(folder, words)


def weights(leave_out: str = "", **config: Any) -> Damaging:
    """Whole weights of another shape, or without some tensors."""

    def damage(folder: Path) -> None:
        own = json.loads((folder / "config.json").read_text())
        tensors = {n: dims for n, dims in shapes({**own, **config}).items() if not leave_out or leave_out not in n}
        write_safetensors(folder / "model.safetensors", tensors)

    return damage


def header(text: str) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode()


TENSOR = (
    '{"a":{"dtype":"F32","shape":[2],"data_offsets":[%d,%d]},"b":{"dtype":"F32","shape":[2],"data_offsets":[%d,%d]}}'
)
BY_NUMBER = "model-00001-of-00002.safetensors"
TOKENIZER = ("tokenizer.json", "vocab.txt", "tokenizer_config.json")

DAMAGED: dict[str, tuple[Damaging, str, str | None]] = {
    # what is done to a whole folder: the row that names it, and its cause
    "no config.json": (without("config.json"), "config", None),
    "config.json cut off": (cut("config.json", 20), "config", None),
    "config.json a list": (holding("config.json", "[1, 2]"), "config", None),
    "config.json empty": (holding("config.json", ""), "config", None),
    "config.json a web page": (holding("config.json", PAGE), "config", None),
    "config.json a pointer": (holding("config.json", LFS), "config", None),
    "no architectures": (changed(architectures=None), "config", "nameless"),
    "architectures empty": (changed(architectures=[]), "config", "nameless"),
    "a reranker": (changed(architectures=["XLMRobertaForSequenceClassification"]), "config", "reranker"),
    "a shape of nothing": (changed(num_attention_heads=3), "config", "misshapen"),
    "a class of nobody": (changed(architectures=["NomicBertModel"]), "config", "foreign"),
    "no weights": (without("model.safetensors"), "weights", None),
    "weights cut off": (cut("model.safetensors", 1), "weights", "damaged"),
    "weights cut off in the header": (lambda f: os.truncate(f / "model.safetensors", 100), "weights", "damaged"),
    "weights of five bytes": (lambda f: os.truncate(f / "model.safetensors", 5), "weights", "damaged"),
    "weights empty": (holding("model.safetensors", ""), "weights", "damaged"),
    "weights too long": (cut("model.safetensors", -7), "weights", "damaged"),
    "weights a web page": (holding("model.safetensors", PAGE), "weights", "damaged"),
    "weights an error in XML": (holding("model.safetensors", '<?xml version="1.0"?><Error/>'), "weights", "damaged"),
    "weights an error in JSON": (holding("model.safetensors", '{"error":"Access denied"}'), "weights", "damaged"),
    "weights an error in words": (holding("model.safetensors", "Entry not found"), "weights", "damaged"),
    "weights a pointer": (holding("model.safetensors", LFS), "weights", "pointer"),
    "weights reserved and not written": (holding("model.safetensors", bytes(9000)), "weights", "damaged"),
    "a header without offsets": (holding("model.safetensors", header('{"a":{"dtype":"F32"}}')), "weights", "damaged"),
    "tensors that overlap": (
        holding("model.safetensors", header(TENSOR % (0, 8, 4, 12)) + bytes(12)), "weights", "damaged",
    ),
    "a gap between tensors": (
        holding("model.safetensors", header(TENSOR % (0, 8, 12, 20)) + bytes(20)), "weights", "damaged",
    ),
    "aria2 has not finished": (holding("model.safetensors.aria2", b"\0\1"), "weights", "damaged"),
    "only a file under way": (
        several(without("model.safetensors"), holding("model.safetensors.incomplete", b"x")), "weights", "unfinished",
    ),
    "only ONNX": (several(without("model.safetensors"), holding("model.onnx", b"x")), "weights", "foreign"),
    "only TensorFlow": (several(without("model.safetensors"), holding("tf_model.h5", b"x")), "weights", "foreign"),
    "only in a sub-folder": (
        several(lambda f: (f / "onnx").mkdir(), without("model.safetensors")), "weights", "foreign",
    ),
    "a link that leads nowhere": (
        several(without("model.safetensors"), lambda f: (f / "model.safetensors").symlink_to("../../blobs/7454")),
        "weights", "dangling",
    ),
    "a shard is missing": (
        several(sharded, without("model-00002-of-00003.safetensors")), "weights", "shards",
    ),
    "a shard is cut off": (several(sharded, cut("model-00003-of-00003.safetensors", 4)), "weights", "damaged"),
    "a shard is a pointer": (several(sharded, holding("model-00002-of-00003.safetensors", LFS)), "weights", "pointer"),
    "an index of nothing": (several(sharded, holding("model.safetensors.index.json", "{}")), "weights", "damaged"),
    "an index of other names": (
        several(sharded, lambda f: rename_in_index(f, "pooler.dense.bias", "pooler.dense.scale")), "weights", "damaged",
    ),
    "a shard of two and no index": (
        lambda f: (f / "model.safetensors").rename(f / BY_NUMBER), "weights", "shards",
    ),
    "a vocabulary of other weights": (weights(vocab_size=77), "weights", "misfit"),
    "weights of one layer": (weights(num_hidden_layers=1), "weights", "misfit"),
    "weights with fewer positions": (weights(max_position_embeddings=128), "weights", "misfit"),
    "no embeddings": (weights(leave_out="word_embeddings"), "weights", "misfit"),
    "a torch file cut off": (lambda f: torch_file(f, cut_by=30), "weights", "damaged"),
    "a torch file that is a page": (
        several(without("model.safetensors"), holding("pytorch_model.bin", PAGE)), "weights", "damaged",
    ),
    "a torch file of other weights": (lambda f: torch_file(f, vocab_size=50), "weights", "misfit"),
    "no tokenizer": (without(*TOKENIZER), "tokenizer", None),
    "tokenizer.json cut off": (cut("tokenizer.json", 9), "tokenizer", "damaged"),
    "tokenizer.json a pointer": (holding("tokenizer.json", LFS), "tokenizer", "damaged"),
    "tokenizer.json a page": (holding("tokenizer.json", PAGE), "tokenizer", "damaged"),
    "tokenizer.json without a model": (holding("tokenizer.json", "{}"), "tokenizer", "damaged"),
    "vocab.txt empty and alone": (
        several(without("tokenizer.json"), holding("vocab.txt", "")), "tokenizer", "damaged",
    ),
    "vocab.txt in another encoding": (
        several(without("tokenizer.json"), holding("vocab.txt", "天气\n".encode("gbk"))), "tokenizer", "damaged",
    ),
    "tokenizer_config.json not JSON": (holding("tokenizer_config.json", "{"), "tokenizer", "damaged"),
    "a larger tokenizer": (tokenizer([*WORDS, *(f"##{n}" for n in range(200))]), "tokenizer", "beyond"),
    "a smaller tokenizer": (tokenizer(WORDS[:60]), "tokenizer", "other"),
    "a tokenizer without [CLS]": (tokenizer([w.replace("[CLS]", "<cls>") for w in WORDS]), "tokenizer", "special"),
    "weights that are a pipe": (
        several(without("model.safetensors"), lambda f: os.mkfifo(f / "model.safetensors")), "weights", None,
    ),
    "a tokenizer that is a pipe": (
        several(without(*TOKENIZER), lambda f: os.mkfifo(f / "tokenizer.json")), "tokenizer", None,
    ),
    "pooling that is a pipe": (
        several(without("1_Pooling/config.json"), lambda f: os.mkfifo(f / "1_Pooling/config.json")),
        "pooling", "damaged",
    ),
    "modules.json a list of numbers": (holding("modules.json", "[1"), "pooling", "damaged"),
    "pooling not JSON": (holding("1_Pooling/config.json", "{"), "pooling", "damaged"),
    "pooling a pointer": (holding("1_Pooling/config.json", LFS), "pooling", "damaged"),
    "modules.json a page": (holding("modules.json", PAGE), "pooling", "damaged"),
    "mean pooling": (
        holding("1_Pooling/config.json", '{"pooling_mode_mean_tokens": true}'), "pooling", "unserved",
    ),
    "mean pooling as newer releases write it": (
        holding("1_Pooling/config.json", '{"pooling_mode": "mean"}'), "pooling", "unserved",
    ),
    "a dense layer": (
        holding("modules.json", json.dumps([{"type": f"s.{n}"} for n in ("Transformer", "Pooling", "Dense")])),
        "pooling", "dense",
    ),
}  # fmt: skip


def rename_in_index(folder: Path, name: str, other: str) -> None:
    path = folder / "model.safetensors.index.json"
    path.write_text(path.read_text().replace(name, other))


def torch_file(folder: Path, cut_by: int = 0, **config: Any) -> None:
    own = json.loads((folder / "config.json").read_text())
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    write_torch(path, {n: d for n, d in shapes({**own, **config}).items() if "position_ids" not in n})
    os.truncate(path, path.stat().st_size - cut_by)


FOREIGN = ('{"error":"Access denied"}', "Entry not found")


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_folder_is_named_by_its_row_and_cause(tmp_path: Path, name: str) -> None:
    damage, row, advice = DAMAGED[name]
    folder = write_model(tmp_path / "bge-tiny")
    damage(folder)
    facts = facts_of(str(folder))
    assert bad(facts) == {row: advice}
    outcome = outcomes(facts)[row]
    assert outcome.evidence
    check = next(check for check in AREA.checks if check.id == f"model.{row}")
    chosen = check.advice_for(outcome)
    values = {name: value for name, value in outcome.values.items() if value is not None}
    for text in (chosen.cause, chosen.fix):
        assert "{" not in say(fill(text, values), "en").replace('{"', ""), "every value is there"
    for evidence in outcome.evidence:
        assert english_in(say(evidence.observed, "zh"), [say(evidence.observed, "en"), *FOREIGN]) == []
    assert all(fill_command(c, values) for c in chosen.commands if not re.fullmatch(r"\{\w+\}", c))


# Right ones.


def flat(folder: Path) -> Path:
    return write_model(folder)


def by_torch(folder: Path) -> Path:
    write_model(folder)
    torch_file(folder)
    return folder


def in_shards(folder: Path) -> Path:
    return sharded(write_model(folder))


def with_what_a_download_left(folder: Path) -> Path:
    """huggingface_hub leaves such files behind after a whole download."""
    write_model(folder)
    below = folder / ".cache/huggingface/download"
    below.mkdir(parents=True)
    (below / "abc.3f2a91c7.incomplete").write_bytes(b"")
    (folder / "old.part").write_bytes(b"x")
    return folder


def bare(folder: Path) -> Path:
    """What sglang needs, and nothing of sentence-transformers."""
    write_model(folder, pooling=None)
    without("modules.json", "vocab.txt", "tokenizer_config.json")(folder)
    return folder


def by_words(folder: Path) -> Path:
    write_model(folder)
    without("tokenizer.json")(folder)
    return folder


def after_a_training(folder: Path) -> Path:
    write_model(folder)
    for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "trainer_state.json"):
        (folder / name).write_bytes(b"\x80\2x")
    return folder


def beside_a_broken_torch_file(folder: Path) -> Path:
    """Safetensors are taken first, so that a pointer beside them is of no account."""
    write_model(folder)
    (folder / "pytorch_model.bin").write_text(LFS)
    (folder / "onnx").mkdir()
    return folder


def of_old_names(folder: Path) -> Path:
    """gamma and beta, and the prefix of BertForMaskedLM, as transformers renames them."""
    config = json.loads((write_model(folder) / "config.json").read_text())
    renamed = {
        f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): dims
        for name, dims in shapes(config).items()
    }
    write_safetensors(folder / "model.safetensors", renamed)
    return folder


def of_ten_thousand_files(folder: Path) -> Path:
    write_model(folder)
    for number in range(10_000):
        (folder / f"checkpoint-{number}.txt").touch()
    return folder


def beside_an_index_of_others(folder: Path) -> Path:
    """The list of the safetensors came along, and torch's file alone was fetched."""
    by_torch(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00001-of-00002.safetensors"}}')
    return folder


def padded(folder: Path) -> Path:
    """A table with a few rows more than the tokenizer has entries."""
    return write_model(folder, vocab_size=len(WORDS) + 5)


LAYOUTS = (
    flat, by_torch, in_shards, with_what_a_download_left, bare, by_words, after_a_training,
    beside_a_broken_torch_file,
    beside_an_index_of_others, of_old_names, of_ten_thousand_files, padded,
)  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda made: made.__name__)
def test_a_right_folder_raises_nothing(tmp_path: Path, layout: Callable[[Path], Path]) -> None:
    facts = facts_of(str(layout(tmp_path / "bge-tiny")))
    assert bad(facts) == {}
    assert not [outcome.reason for outcome in outcomes(facts).values() if outcome.holds is None and outcome.looked]


CAUSAL: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 1024,
    "vocab_size": len(WORDS),
    "num_hidden_layers": 2,
}


def causal(folder: Path, layers: int = 2, **config: Any) -> Path:
    write_model(folder, pooling="last", **{**CAUSAL, **config})
    names = {f"model.layers.{n}.mlp.up_proj.weight": [4, 4] for n in range(layers)}
    write_safetensors(folder / "model.safetensors", {"model.embed_tokens.weight": [len(WORDS), 4], **names})
    return folder


def test_a_causal_embedding_model_is_right_and_one_that_only_generates_is_not(tmp_path: Path) -> None:
    assert bad(facts_of(str(causal(tmp_path / "Qwen3-Embedding-0.6B")))) == {}
    assert bad(facts_of(str(causal(tmp_path / "my-finetuned")))) == {}, "modules.json says that it is trained for it"
    chat = causal(tmp_path / "Qwen3-0.6B")
    shutil.rmtree(chat / "1_Pooling")
    (chat / "modules.json").unlink()
    assert bad(facts_of(str(chat))) == {"config": "generates"}
    assert bad(facts_of(str(causal(tmp_path / "Qwen3-Reranker-0.6B")))) == {"config": "reranker"}


def test_layers_of_any_architecture_are_counted(tmp_path: Path) -> None:
    assert bad(facts_of(str(causal(tmp_path / "Qwen3-Embedding-0.6B", layers=1)))) == {"weights": "misfit"}
    assert bad(facts_of(str(causal(tmp_path / "other", layers=3)))) == {}, "more than are counted do no harm"


# The registry knows the model by the name of its folder.

LARGE: dict[str, Any] = {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 1}


@pytest.mark.parametrize(
    ("name", "changes", "rows"),
    [
        ("bge-large-zh-v1.5", {}, {}),
        ("bge-large-zh-v1___5", {}, {}),
        ("bge-base-zh-v1.5", {}, {"config": "other"}),
        ("bge-large-zh-v1.5", {"hidden_size": 768}, {"config": "other"}),
        ("bge-large-zh-v1.5", {"max_position_embeddings": 511}, {"config": "other"}),
        ("bge-large-zh-v1.5", {"max_position_embeddings": 1024}, {}),
        ("bge-large-zh-v1.5", {"architectures": ["XLMRobertaModel"], "model_type": "xlm-roberta"}, {"config": "other"}),
        ("bge-m3", {}, {"config": "other"}),
        ("m3e-large", {"pooling": "mean"}, {"pooling": "unserved"}),
        ("m3e-large", {"pooling": None}, {"pooling": "unserved"}),
        ("bge-large-zh-v1.5", {"pooling": "last"}, {"pooling": None}),
        ("my-own", {"pooling": "last"}, {}),
    ],
)
def test_the_folder_is_the_model_that_its_name_says(
    tmp_path: Path, name: str, changes: dict[str, Any], rows: dict[str, str | None]
) -> None:
    assert bad(facts_of(str(write_model(tmp_path / name, **{**LARGE, **changes})))) == rows


def test_another_engine_may_pool_by_the_mean_and_load_other_classes(tmp_path: Path) -> None:
    """Where no sglang is seen, what only sglang lacks is not held against the folder."""
    folder = write_model(tmp_path / "m3e-large", pooling="mean", **LARGE)
    assert bad(facts_of(str(folder), starts=False)) == {}
    changed(architectures=["NomicBertModel"])(folder)
    assert bad(facts_of(str(folder), starts=False)) == {}


@pytest.mark.parametrize(("wanted", "rows"), [(8, {}), (None, {}), (1024, {"config": "dimension"})])
def test_the_expected_dimension(tmp_path: Path, wanted: int | None, rows: dict[str, str]) -> None:
    assert bad(facts_of(str(write_model(tmp_path / "bge-tiny")), expect_dim=wanted)) == rows


def test_a_model_that_may_be_cut_has_fewer(tmp_path: Path) -> None:
    folder = str(causal(tmp_path / "Qwen3-Embedding-0.6B"))
    assert bad(facts_of(folder, expect_dim=256)) == {}
    assert bad(facts_of(folder, expect_dim=2048)) == {"config": "dimension"}


def test_capitals_and_chinese_tell_tokenizers_apart(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "bge-large-zh-v1.5", **LARGE)
    write_tokenizer(folder, lower=False)
    assert bad(facts_of(str(folder))) == {"tokenizer": "case"}
    write_tokenizer(folder, [word if word.isascii() else f"##w{number}" for number, word in enumerate(WORDS)])
    assert bad(facts_of(str(folder))) == {"tokenizer": "other"}
    small = write_model(tmp_path / "bge-small-zh-v1.5", hidden_size=512, num_attention_heads=8)
    write_tokenizer(small, lower=False)
    assert bad(facts_of(str(small))) == {}, "published without lower-casing"


# The path.


def test_a_path_beside_the_model_is_named_with_the_right_one(tmp_path: Path) -> None:
    model = write_model(tmp_path / "models/bge-large-zh-v1.5", **LARGE)
    above = str(tmp_path / "models")
    cases = {
        f"{model}/model.safetensors": ("file", None),
        f"{above}/bge-large-zh-v1.6": ("near", str(model)),
        f"{tmp_path}/model/bge-large-zh-v1.5": ("near", str(model)),
        f"{above}/qwen": (None, None),
        above: ("below", str(model)),
        str(tmp_path): ("below", str(model)),
    }
    for given, (advice, link) in cases.items():
        outcome = outcomes(facts_of(given))["readable"]
        assert (outcome.advice, outcome.values["link"] if link else None) == (advice, link), given
    (tmp_path / "models/empty").mkdir()
    assert bad(facts_of(f"{above}/empty")) == {"readable": "empty"}
    write_model(tmp_path / "models/bge-base-zh-v1.5")
    assert bad(facts_of(above)) == {"readable": "several"}


def test_a_link_to_the_folder_and_a_slash_at_its_end_are_right(tmp_path: Path) -> None:
    model = write_model(tmp_path / "models/bge-tiny")
    (tmp_path / "link").symlink_to(model)
    assert bad(facts_of(str(tmp_path / "link"))) == {}
    assert bad(facts_of(f"{model}/")) == {}
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert bad(facts_of(str(tmp_path / "broken"))) == {"readable": None}


def test_without_a_path_nothing_is_looked_at() -> None:
    for path, asked_for in ((None, True), ("", True), ("/nonexistent/model", False)):
        with pytest.raises(Unavailable) as caught:
            facts_of(path, asked_for=asked_for)  # type: ignore[arg-type]
        assert not caught.value.looked


# A hub id.


def test_a_snapshot_in_the_cache_is_a_folder_of_links(tmp_path: Path) -> None:
    snapshot = in_hub_cache(tmp_path)
    for environment in ({"HF_HOME": str(tmp_path)}, {"HF_HUB_CACHE": str(tmp_path / "hub")}):
        facts = facts_of(HUB_ID, environment)
        assert bad(facts) == {}
        assert facts.place.folder == str(snapshot)
    assert bad(facts_of(str(snapshot))) == {}
    entry = snapshot.parents[1]
    assert bad(facts_of(str(entry))) == {"readable": "below"}
    assert bad(facts_of(str(entry / "snapshots"))) == {"readable": "below"}


def test_a_download_that_was_broken_off(tmp_path: Path) -> None:
    snapshot = in_hub_cache(tmp_path)
    home = {"HF_HOME": str(tmp_path)}
    (snapshot.parents[1] / "blobs/model.safetensors").rename(snapshot.parents[1] / "blobs/ab12.1f.incomplete")
    assert bad(facts_of(HUB_ID, home)) == {"weights": "resumes"}
    assert bad(facts_of(HUB_ID, {**home, "HF_HUB_OFFLINE": "1"})) == {"weights": "dangling"}
    (snapshot / "config.json").unlink()
    assert bad(facts_of(HUB_ID, home)) == {"readable": "broken-off"}


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "offline"),
        ({"TRANSFORMERS_OFFLINE": "true"}, "offline"),
        ({"HF_HUB_OFFLINE": "0"}, None),
        ({}, None),
    ],
)
def test_what_is_not_cached_is_fetched_unless_that_is_forbidden(
    tmp_path: Path, environment: dict[str, str], fault: str | None
) -> None:
    home = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "https://user:pass@hf-mirror.com/"}
    if fault:
        assert bad(facts_of(HUB_ID, home | environment)) == {"readable": fault}
        return
    with pytest.raises(Unavailable) as caught:
        facts_of(HUB_ID, home | environment)
    assert not caught.value.looked
    assert "https://***@hf-mirror.com" in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_a_folder_of_modelscope(tmp_path: Path) -> None:
    """`___` stands for a dot; what is under way lies in ._____temp."""
    write_model(tmp_path / "models/BAAI/bge-large-zh-v1___5", **LARGE)
    environment = {"HOME": str(tmp_path), "MODELSCOPE_CACHE": str(tmp_path), "SGLANG_USE_MODELSCOPE": "true"}
    assert bad(facts_of("BAAI/bge-large-zh-v1.5", environment)) == {}
    under_way = tmp_path / "models/._____temp/BAAI/bge-m3"
    under_way.mkdir(parents=True)
    (under_way / "pytorch_model.bin").write_bytes(b"x")
    facts = facts_of("BAAI/bge-m3", environment)
    assert bad(facts) == {"readable": "broken-off"}
    assert facts.place.hub
    assert (facts.place.hub.unfinished, facts.place.hub.endpoint) == (1, "https://www.modelscope.cn")


def test_a_server_that_runs_is_not_said_to_fetch_its_model(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="not seen on this machine"):
        facts_of(HUB_ID, {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}, pid=os.getpid(), asked_for=False)


# Who reads it.


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees files that another user may not read")
def test_a_user_that_may_not_read_is_named_with_the_file(tmp_path: Path) -> None:
    from bgecheck.machine.access import User

    folder = write_model(tmp_path / "bge-tiny")
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
    nobody = User(65534, frozenset({65534}), "nobody")
    assert bad(facts_of(str(folder), user=nobody)) == {}
    (folder / "model.safetensors").chmod(0o600)
    outcome = outcomes(facts_of(str(folder), user=nobody))["readable"]
    assert (outcome.advice, outcome.values["folder"]) == ("user", f"{folder}/model.safetensors")
    assert str(outcome.values["permit"]) == f"chmod -R a+rX {folder}"
    (folder / "model.safetensors").chmod(0o640)
    owners = User(65534, frozenset({(folder / "model.safetensors").stat().st_gid}), "nobody")
    assert bad(facts_of(str(folder), user=owners)) == {}
    folder.chmod(0o700)
    assert bad(facts_of(str(folder), user=nobody)) == {"readable": "user"}
    folder.chmod(0o755)
    tmp_path.chmod(0o700)
    outcome = outcomes(facts_of(str(folder), user=nobody))["readable"]
    assert str(outcome.values["permit"]) == f"chmod a+x {tmp_path}"


# torch, and the published files.


@pytest.mark.parametrize(
    ("torch", "holds"), [("2.5.1+cu124", False), ("2.6.0", True), ("2.13.0+cpu", True), ("10.0", True), (None, None)]
)
def test_a_torch_file_needs_a_torch_that_opens_it(tmp_path: Path, torch: str | None, holds: bool | None) -> None:
    facts = facts_of(str(by_torch(tmp_path / "bge-tiny")))._replace(torch=torch)
    assert outcomes(facts)["loadable"].holds is holds
    assert outcomes(facts_of(str(flat(tmp_path / "flat")))._replace(torch=torch))["loadable"].holds is True


V15 = "bf84a56fb045c24e090495195584a3922c3e4204107f0bba8b79c11f67a207f2"
V1 = "837df24cd1be597c6a149e3a051019c271dda0c7aa3f358eff74f9dc73c56c47"


@pytest.mark.parametrize(
    ("sha256", "holds", "advice"), [(V15, True, None), (V1, False, "other"), ("0" * 64, False, None)]
)
def test_hashes_tell_apart_what_shapes_do_not(tmp_path: Path, sha256: str, holds: bool, advice: str | None) -> None:
    folder = write_model(tmp_path / "bge-large-zh-v1.5", **LARGE)
    torch_file(folder)
    facts = facts_of(str(folder))
    assert outcomes(facts)["weights-hash"].reason == Text("not asked for: --verify-hash", "没有要求：--verify-hash")
    outcome = outcomes(facts._replace(digest=Digest("pytorch_model.bin", sha256)))["weights-hash"]
    assert (outcome.holds, outcome.advice) == (holds, advice)
    if advice:
        assert outcome.values["actual"] == "bge-large-zh"


def test_a_file_is_hashed_with_progress(tmp_path: Path) -> None:
    import hashlib

    folder = write_model(tmp_path / "bge-large-zh-v1.5", **LARGE)
    torch_file(folder)
    done: list[int] = []
    shown: list[tuple[str, int, int]] = []
    digest = digest_of(facts_of(str(folder)), done.append, lambda *read: shown.append(read))
    data = (folder / "pytorch_model.bin").read_bytes()
    assert shown[-1] == ("pytorch_model.bin", len(data), len(data))
    assert digest == Digest("pytorch_model.bin", hashlib.sha256(data).hexdigest())
    assert done[-1] == len(data)
    assert len(done) > 1


def test_a_model_without_a_published_hash_is_not_hashed(tmp_path: Path) -> None:
    digest = digest_of(facts_of(str(write_model(tmp_path / "bge-tiny"))), lambda done: pytest.fail("read"))
    assert digest == Text(
        "no published hash of the weights of bge-tiny is known here", "没有内置 bge-tiny 权重的官方哈希值"
    )


def test_modules_are_those_that_are_published() -> None:
    assert MODULES == ("Transformer", "Pooling", "Normalize")
    assert CONFIG["architectures"] == ["BertModel"]


# What is printed to mend it.


def commands(facts: ModelFacts, row: str) -> list[str]:
    check = next(check for check in AREA.checks if check.id == f"model.{row}")
    outcome = engine.judge(check, facts)
    return [c for command in check.advice_for(outcome).commands if (c := fill_command(command, outcome.values))]


def test_a_damaged_file_is_moved_and_fetched_to_its_folder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "my models/bge-large-zh-v1.5", **LARGE)
    cut("model.safetensors", 1)(folder)
    path = f"{folder}/model.safetensors"
    assert commands(facts_of(str(folder)), "weights") == [
        f"mv '{path}' '{path}.damaged'",
        f"hf download BAAI/bge-large-zh-v1.5 --local-dir '{folder}'",
    ]
    (folder / "tokenizer.json").write_text("")
    assert commands(facts_of(str(folder)), "tokenizer")[-1] == (
        f"hf download BAAI/bge-large-zh-v1.5 tokenizer.json --local-dir '{folder}' --force-download"
    )


def test_a_model_of_nobody_known_has_no_command_that_fetches_it(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "my-own")
    without("model.safetensors")(folder)
    assert commands(facts_of(str(folder)), "weights") == [f"ls -la {folder}"]


def test_a_clone_is_pulled_and_a_copy_of_one_is_fetched(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "bge-large-zh-v1.5", **LARGE)
    holding("model.safetensors", LFS)(folder)
    path = f"{folder}/model.safetensors"
    assert commands(facts_of(str(folder)), "weights") == [
        f"mv {path} {path}.damaged",
        f"hf download BAAI/bge-large-zh-v1.5 --local-dir {folder}",
    ]
    (folder / ".git").mkdir()
    assert commands(facts_of(str(folder)), "weights") == [f"git -C {folder} lfs pull"]


def test_what_lies_in_a_cache_is_left_to_its_program(tmp_path: Path) -> None:
    snapshot = in_hub_cache(tmp_path)
    os.truncate(snapshot / "model.safetensors", 900)
    home = {"HF_HOME": str(tmp_path)}
    assert commands(facts_of(HUB_ID, home), "weights") == [f"hf download {HUB_ID} --force-download"]
    assert commands(facts_of(HUB_ID, {**home, "HF_HUB_OFFLINE": "1"}), "weights") == [
        f"env -u HF_HUB_OFFLINE hf download {HUB_ID} --force-download"
    ]
    empty = {"HF_HOME": str(tmp_path / "empty"), "TRANSFORMERS_OFFLINE": "1"}
    assert commands(facts_of("BAAI/bge-m3", empty), "readable") == [
        "env -u TRANSFORMERS_OFFLINE hf download BAAI/bge-m3"
    ]


def test_what_came_from_modelscope_is_fetched_from_there(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "BAAI/bge-large-zh-v1___5", **LARGE)
    without("model.safetensors")(folder)
    fetched = f"modelscope download --model BAAI/bge-large-zh-v1.5 --local_dir {folder}"
    assert commands(facts_of(str(folder)), "weights")[-1] == fetched


def test_the_cache_of_another_user_is_not_judged_by_this_ones() -> None:
    unit = Text("it is started in an environment of its own", "它在自己的环境里启动")
    offline = {"HF_HUB_OFFLINE": "1"}
    with pytest.raises(Unavailable, match="not known"):
        facts_of("BAAI/bge-m3", offline, elsewhere=unit, user=None)
    facts = facts_of("BAAI/bge-m3", {**offline, "HF_HOME": "/nonexistent"}, elsewhere=unit, user=None)
    assert bad(facts) == {"readable": "offline"}


def test_what_safetensors_itself_refuses_is_damage(tmp_path: Path) -> None:
    """NaN and a remark that is no text: serde_json takes neither, Python's json both."""
    folder = write_model(tmp_path / "m")
    whole = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    for remark in (float("nan"), 1):
        spoilt = json.dumps({**header, "__metadata__": {"x": remark}}).encode()
        (folder / "model.safetensors").write_bytes(len(spoilt).to_bytes(8, "little") + spoilt + whole[8 + length :])
        assert bad(facts_of(str(folder))) == {"weights": "damaged"}
    spoilt = json.dumps({**header, "__metadata__": {"format": "pt"}}).encode()
    (folder / "model.safetensors").write_bytes(len(spoilt).to_bytes(8, "little") + spoilt + whole[8 + length :])
    assert bad(facts_of(str(folder))) == {}


def test_weights_of_whole_numbers_need_their_quantization(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    whole = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    at = 0
    for name, entry in header.items():
        if name != "__metadata__":
            numbers = 1
            for side in entry["shape"]:
                numbers *= side
            entry["dtype"], entry["data_offsets"] = "I8", [at, at + numbers]
            at += numbers
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))
    assert bad(facts_of(str(folder))) == {"weights": "quantized"}
    changed(quantization_config={"quant_method": "w8a8_int8"})(folder)
    assert bad(facts_of(str(folder))) == {}


@pytest.mark.parametrize(("dtype", "cause"), [("floatt16", "dtype"), ("torch.float16", "dtype"), ("bfloat16", None)])
def test_a_type_that_torch_does_not_have_is_named(tmp_path: Path, dtype: str, cause: str | None) -> None:
    folder = write_model(tmp_path / "m")
    changed(torch_dtype=dtype)(folder)
    assert bad(facts_of(str(folder))).get("config") == cause


def test_a_pooling_file_of_another_dimension_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    pooling = folder / "1_Pooling" / "config.json"
    pooling.parent.mkdir(exist_ok=True)
    hidden = json.loads((folder / "config.json").read_text())["hidden_size"]
    for dimension, cause in ((hidden, None), (hidden + 1, "dimension")):
        pooling.write_text(json.dumps({"word_embedding_dimension": dimension, "pooling_mode_cls_token": True}))
        assert bad(facts_of(str(folder))).get("pooling") == cause


def test_a_cache_without_weights_is_one_warning(tmp_path: Path) -> None:
    """The start fetches them: no other row stumbles over their absence."""
    (in_hub_cache(tmp_path) / "model.safetensors").unlink()
    judged = outcomes(facts_of(HUB_ID, {"HF_HOME": str(tmp_path), "HOME": "/nonexistent"}))
    assert judged["weights"].advice == "resumes"
    assert judged["loadable"].holds is None


@pytest.mark.parametrize(("beyond", "advice"), [(63, None), (64, "beyond")])
def test_ids_beyond_the_table_that_no_text_uses_are_harmless(tmp_path: Path, beyond: int, advice: str | None) -> None:
    facts = facts_of(str(write_model(tmp_path / "m")))
    rows = facts.config.number("vocab_size")
    assert rows is not None
    reserved = facts._replace(vocabulary=facts.vocabulary._replace(largest=rows + beyond))
    assert outcomes(reserved)["tokenizer"].advice == advice


def test_a_tokenizer_that_cannot_be_counted_is_shown_by_its_file(tmp_path: Path) -> None:
    facts = facts_of(str(write_model(tmp_path / "m")))
    whole = outcomes(facts)["tokenizer"].evidence[0]
    large = outcomes(facts._replace(vocabulary=facts.vocabulary._replace(entries=None)))["tokenizer"].evidence[0]
    assert (whole.subject, say(whole.observed, "en")) == ("tokenizer.json", f"{len(WORDS)} entries")
    assert (say(large.subject, "en"), large.observed) == ("file", "tokenizer.json")


def test_the_first_damaged_file_is_the_one_to_fetch(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "bge-large-zh-v1.5", **LARGE)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text("")
    facts = facts_of(str(folder))
    assert len(facts.vocabulary.damages) == 2
    first = facts.vocabulary.damages[0].file
    assert outcomes(facts)["tokenizer"].values["path"] == f"{folder}/{first}"
    assert commands(facts, "tokenizer")[-1].split()[3] == first


def test_what_belongs_to_another_model_is_fetched_over_the_files_that_are_there(tmp_path: Path) -> None:
    """Without --force-download `hf` leaves a file that it has written before."""
    other = write_model(tmp_path / "bge-m3", **LARGE)
    mispooled = write_model(tmp_path / "bge-large-zh-v1.5", **{**LARGE, "pooling": "last"})
    for folder, row in ((other, "config"), (mispooled, "pooling")):
        facts = facts_of(str(folder))
        assert bad(facts).keys() >= {row}
        [fetch] = [line for line in commands(facts, row) if line.startswith("hf download")]
        assert fetch.endswith("--force-download")


def test_a_table_of_no_rows_is_not_measured_by_its_share(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    changed(vocab_size=0)(folder)
    assert outcomes(facts_of(str(folder)))["tokenizer"].holds is True


@pytest.mark.parametrize(("name", "looked"), [("bge-large-zh-v1.5", True), ("bge-tiny", False)])
def test_a_hash_that_could_not_be_taken_is_no_verdict_and_of_an_unknown_model_nothing_to_do(
    tmp_path: Path, name: str, looked: bool
) -> None:
    folder = write_model(tmp_path / name, **LARGE)
    torch_file(folder)
    why = Text("the time was over", "时间到了")
    outcome = outcomes(facts_of(str(folder))._replace(digest=why))["weights-hash"]
    assert (outcome.holds, outcome.looked, outcome.reason) == (None, looked, why)


def test_a_broken_pooling_file_is_fetched_over_the_one_that_is_there(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "bge-large-zh-v1.5", **LARGE)
    (folder / "1_Pooling" / "config.json").write_text("{")
    [fetch] = [line for line in commands(facts_of(str(folder)), "pooling") if line.startswith("hf download")]
    assert fetch.endswith("--force-download")
    assert "1_Pooling/config.json" in fetch


def test_how_an_encoder_is_pooled_without_a_file_depends_on_the_release(tmp_path: Path) -> None:
    """sglang pools a decoder by its last token in every release."""
    folders = write_model(tmp_path / "bge-large-zh-v1.5", **LARGE), causal(tmp_path / "Qwen3-Embedding-0.6B")
    reasons = []
    for folder in folders:
        shutil.rmtree(folder / "1_Pooling")
        outcome = outcomes(facts_of(str(folder)))["pooling"]
        assert outcome.holds is None
        reasons.append(say(outcome.reason or "", "en"))
    assert "the model pools CLS; " in reasons[0]
    assert reasons[1] == "1_Pooling/config.json: missing"


@pytest.mark.parametrize(
    ("python", "command"),
    [("/opt/venv/bin/python3", "/opt/venv/bin/python3 -m pip show torch"), (None, "python -m pip show torch")],
)
def test_torch_is_asked_for_where_the_server_runs(tmp_path: Path, python: str | None, command: str) -> None:
    facts = facts_of(str(by_torch(tmp_path / "bge-tiny")))._replace(torch="2.5.1", python=python)
    assert commands(facts, "loadable") == [command]


def test_of_several_classes_the_first_is_named(tmp_path: Path) -> None:
    """It decides what the model is taken for."""
    folder = write_model(tmp_path / "m")
    changed(architectures=["BertForSequenceClassification", "BertModel"])(folder)
    outcome = outcomes(facts_of(str(folder)))["config"]
    assert (outcome.advice, outcome.evidence[0].observed) == ("reranker", "BertForSequenceClassification")


def test_the_torch_that_was_found_is_shown(tmp_path: Path) -> None:
    facts = facts_of(str(by_torch(tmp_path / "bge-tiny")))._replace(torch="2.5.1+cu124")
    [evidence] = outcomes(facts)["loadable"].evidence
    assert (evidence.observed, evidence.expected) == ("2.5.1+cu124", ">= 2.6")


def test_whole_weights_are_shown_with_their_size_and_numbers(tmp_path: Path) -> None:
    one = outcomes(facts_of(str(flat(tmp_path / "one"))))["weights"].evidence
    assert [say(evidence.subject, "en") for evidence in one] == ["model.safetensors"]
    assert re.fullmatch(r"[\d.]+ \wB, [\d.]+ M numbers", say(one[0].observed, "en"))
    facts = facts_of(str(flat(tmp_path / "two")))
    two = facts.weights._replace(files=("a.safetensors", "b.safetensors"), unfinished=tuple("123456"))
    shown, left = outcomes(facts._replace(weights=two))["weights"].evidence
    assert say(shown.subject, "en") == "2 × *.safetensors"
    assert say(shown.observed, "zh").endswith(" M 个参数")
    assert (left.observed, left.background) == ("1, 2, 3, 4, 5", True)
    unread = outcomes(facts._replace(weights=two._replace(tensors=None)))["weights"].evidence[0]
    assert "numbers" not in say(unread.observed, "en")
