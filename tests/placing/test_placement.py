"""Where models are placed: shares that fit together, lines that their release accepts, and what is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import commandline
from bgecheck.engines.sglang.footprint import GIB, MOST
from bgecheck.engines.sglang.launchline import typed
from bgecheck.engines.sglang.releases import release_of, releases
from bgecheck.model import BadInput
from bgecheck.placing.files import files
from bgecheck.placing.machines import cards_given, ports_given
from bgecheck.placing.models import models
from bgecheck.placing.placement import Card, Machine, Placed, placed

NEWEST = releases()[-1].version
NAMES = ("bge-large-zh-v1.5", "bge-small-zh-v1.5", "bge-m3", "bce-embedding-base_v1", "Qwen3-Embedding-0.6B")


def machine(count: int, *cards: Card, version: str = NEWEST, **more: Any) -> Machine:
    given = {"host": "127.0.0.1", "image": "sglang", "ports": ports_given(30000, count, 8080), **more}
    return Machine(cards=cards or cards_given(24 * GIB, 1), version=version, **given)


def plan(*names: str, cards: tuple[Card, ...] = (), version: str = NEWEST, **more: Any) -> tuple[Placed, ...]:
    return placed(models(names, version), machine(len(names), *cards, version=version, **more))


def folder_of(path: Path, config: dict[str, Any], pooling: str | None = None, weights: int = 0) -> str:
    """A model's folder with this config.json."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    if pooling:
        (path / "1_Pooling").mkdir(exist_ok=True)
        (path / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
    if weights:
        with (path / "model.safetensors").open("wb") as file:
            file.truncate(weights)
    return str(path)


BERT = {
    "architectures": ["BertModel"],
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "vocab_size": 21128,
    "max_position_embeddings": 512,
    "torch_dtype": "float32",
}


@given(
    chosen=st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True),
    memory=st.floats(min_value=4, max_value=141),
    count=st.integers(min_value=1, max_value=4),
)
def test_whatever_is_placed_fits_and_has_what_it_needs(chosen: list[str], memory: float, count: int) -> None:
    """The law of sglang: a share is of what is free at the start; beside it there is room for all else."""
    try:
        placement = plan(*chosen, cards=cards_given(memory * GIB, count))
    except BadInput:
        return
    assert sorted(one.port for one in placement) == list(range(30000, 30000 + len(chosen)))
    free = {card.label: card.free for card in cards_given(memory * GIB, count)}
    for one in placement:
        need, left = one.footprint, free[one.card.label]
        assert one.free == pytest.approx(left)
        covered = one.share * (left - need.context)
        assert 0 < one.share <= MOST
        assert covered >= need.static * 0.999
        assert left - need.context - covered >= need.beside
        free[one.card.label] = left - need.context - covered - need.beside
    assert all(left >= 0 for left in free.values())


def test_on_a_usual_card_each_can_be_restarted_by_itself() -> None:
    assert all(one.starts_again for one in plan(*NAMES))


def test_the_largest_goes_where_most_is_free_and_is_told_by_its_card() -> None:
    cards = (Card("GPU 0", 24 * GIB, 6 * GIB, "0"), Card("GPU 3", 24 * GIB, 20 * GIB, "3"))
    by_name = {one.model.alias: one for one in plan("bge-small-zh-v1.5", "bge-m3", cards=cards)}
    assert by_name["bge-m3"].card.label == "GPU 3"
    assert by_name["bge-m3"].line.startswith("CUDA_VISIBLE_DEVICES=3 python -m sglang.launch_server ")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", ["0.5.9", "0.5.16", NEWEST])
def test_a_line_is_accepted_by_its_release_and_says_what_was_planned(name: str, version: str) -> None:
    (one,) = plan(f"{name}=a", version=version)
    options, release = typed(shlex.split(one.line)).options, release_of(version)
    assert all(release.accepts(option, value) for option, value in options.items()), options
    assert options["mem-fraction-static"] == f"{one.share:g}"
    assert "is-embedding" in options
    encoder = not name.startswith("Qwen")
    assert ("disable-radix-cache" in options) is encoder
    assert (options.get("chunked-prefill-size") == "-1") is encoder
    assert (options.get("attention-backend") == "triton") is (encoder and version != NEWEST)


def test_on_a_cpu_the_backend_is_one_that_runs_there() -> None:
    memory = Card("CPU", 32 * GIB, 20 * GIB)
    (one,) = plan("bge-large-zh-v1.5", cards=(memory,), device="cpu")
    assert "--device cpu" in one.line
    assert "--attention-backend torch_native" in one.line
    assert "CUDA_VISIBLE_DEVICES" not in one.line


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [
        ("BAAI/bge-reranker-v2-m3", NEWEST, "is a reranker"),
        ("e5-large-v2", NEWEST, "pools by MEAN"),
        ("somebody/some-model", NEWEST, "neither a folder"),
        ("bge-large-zh-v1.5", "0.5.8", "by the last token"),
        ("./nowhere", NEWEST, "not on this machine"),
        ("bge-m3=Large Model", NEWEST, "no part of a path"),
        ("bge-m3=gateway", NEWEST, "no part of a path"),
        ("=a", NEWEST, "names no model"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_reason(name: str, version: str, reason: str) -> None:
    with pytest.raises(BadInput) as caught:
        models([name], version)
    assert reason in caught.value.reason.en, caught.value


@pytest.mark.parametrize(
    ("architecture", "pooling", "reason"),
    [
        ("BertModel", "mean_tokens", "pools by MEAN"),
        ("XLMRobertaForSequenceClassification", None, "reranker"),
        ("NewModel", "cls_token", "no code for NewModel"),
        ("Qwen3ForCausalLM", "mean_tokens", "pools by MEAN"),
        ("CLIPModel", None, "not known"),
        ("BertModel", "cls_token", None),
        ("BertModel", None, None),
        ("Qwen3ForCausalLM", "lasttoken", None),
    ],
)
def test_a_folder_is_judged_by_its_own_files(
    tmp_path: Path, architecture: str, pooling: str | None, reason: str | None
) -> None:
    """A name that tells nothing: fine-tuned models are called anything."""
    folder = folder_of(tmp_path / "ours", {**BERT, "architectures": [architecture]}, pooling)
    if reason is None:
        (model,) = models([folder], NEWEST)
        assert (model.alias, model.path, model.dims) == ("ours", folder, 1024)
        return
    with pytest.raises(BadInput) as caught:
        models([folder], NEWEST)
    assert reason in caught.value.reason.en


def test_weights_count_as_they_are_served(tmp_path: Path) -> None:
    """fp32 on the disk is fp16 on the card, and fp16 is what it is."""
    for kind, part in (("float32", 0.5), ("float16", 1.0), ("bfloat16", 1.0)):
        folder = folder_of(tmp_path / kind, {**BERT, "torch_dtype": kind}, weights=1_302_134_568)
        (one,) = plan(folder)
        assert one.footprint.weights == pytest.approx(1_302_134_568 * part)


def test_two_folders_of_one_name_are_told_apart_by_their_aliases(tmp_path: Path) -> None:
    a, b = (folder_of(tmp_path / side / "bge", BERT) for side in "ab")
    with pytest.raises(BadInput):
        models([a, b], NEWEST)
    assert [m.name for m in models([f"{a}=old", f"{b}=new"], NEWEST)] == ["old", "new"]


def test_what_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(BadInput) as caught:
        plan("qwen3-embedding-8b", "bge-m3", cards=cards_given(16 * GIB, 1))
    assert "GiB" in caught.value.reason.en


def test_compose_starts_one_after_the_other_on_a_card_and_side_by_side_on_two(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "my $model", BERT)
    for count, waits in ((1, True), (2, False)):
        placement = plan("bge-m3=m3", f"{folder}=own", cards=cards_given(24 * GIB, count))
        compose = yaml.safe_load(files(placement, "zh")["compose.yaml"])
        own = compose["services"]["own"]
        assert ("depends_on" in own) is waits
        # Compose takes `$$` for a dollar sign, and a mount's path as it is.
        assert own["volumes"] == [f"{folder.replace('$', '$$')}:/models/own:ro"]
        assert own["command"][:5] == ["python3", "-m", "sglang.launch_server", "--model-path", "/models/own"]
        assert "0.0.0.0" in own["command"]
        assert set(compose["services"]["gateway"]["depends_on"]) == {"m3", "own"}
        assert "server own:30000;" in compose["configs"]["routes"]["content"]


def test_a_snapshot_of_a_hub_cache_is_mounted_with_the_files_its_links_lead_to(tmp_path: Path) -> None:
    entry = tmp_path / "models--BAAI--bge-m3"
    folder = folder_of(entry / "snapshots" / "abc1234", BERT)
    compose = yaml.safe_load(files(plan(folder), "en")["compose.yaml"])
    (service,) = (compose["services"][name] for name in compose["services"] if name != "gateway")
    assert service["volumes"] == [f"{entry}:/models/bge-m3:ro"]
    assert "/models/bge-m3/snapshots/abc1234" in service["command"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("bge-m3", "--gpu-memory", "lots"), "--gpu-memory lots"),
        (("bge-m3", "--gpu-memory", "24GiB", "--gpus", "0"), "--gpus 0"),
        (("bge-m3", "--device", "cpu", "--gpus", "2"), "exclude each other"),
        (("bge-m3", "--device", "tpu"), "--device tpu"),
        (("bge-m3", "--gpu-memory", "24GiB", "--port", "65536"), "--port 65536"),
        (("bge-m3", "--gpu-memory", "24GiB", "--sglang-version", "newest"), "--sglang-version newest"),
        (("bge-m3", "--gpu-memory", "24GiB", "--host", "0.0.0.0; rm"), "not an address"),
        (("bge-m3", "--gpu-memory", "24GiB", "-o", "yaml"), "-o yaml"),
        (("bge-m3", "--gpu-memory", "24GiB", "--write", "/proc/nowhere"), "--write /proc/nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words: tuple[str, ...], part: str) -> None:
    ran = commandline.run("plan", *words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert part in ran.stderr
    assert "Traceback" not in ran.stderr


def test_nothing_is_written_over_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text("mine")
    words = ("plan", "bge-m3", "--gpu-memory", "24GiB", "--write", str(tmp_path))
    assert commandline.run(*words).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["nginx.conf"]
    assert commandline.run(*words, "--overwrite").returncode == 0
    assert (tmp_path / "nginx.conf").read_text() != "mine"
    assert (tmp_path / "start.sh").stat().st_mode & 0o111
