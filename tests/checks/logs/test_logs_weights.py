"""Weights that were not loaded: whole layers make vectors worthless, a head or a table of numbers does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgecheck.engines.sglang.log.weights import WHOLE_LAYER
from bgecheck.model import Finding, Status
from logsamples import RELEASES, Snippet, judged, roots, written

ROW = "logs.weights-not-loaded"
TENSORS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


def _log(release: str, *lines: str, options: str = "", end: tuple[str, ...] = ()) -> str:
    """A whole log with some lines where the weights are loaded."""
    text = Snippet("", "serving", options, end).log(release)
    begin = next(line for line in text.splitlines() if "Load weight begin" in line)
    return text.replace(begin, "\n".join([begin, *(begin[:22] + line for line in lines)]))


def _left_out(prefix: str, layers: int, kind: str = "Parameter {} not found in params_dict") -> list[str]:
    return [kind.format(f"{prefix}layers.{n}.{name}.weight") for n in range(layers) for name in TENSORS]


def _root(path: Path, text: str) -> Finding | None:
    found = roots(judged(written(path / "sglang.log", text)))
    assert [f.id for f in found] in ([], [ROW])
    return found[0] if found else None


@pytest.mark.parametrize("release", RELEASES)
def test_whole_layers_that_were_left_out_make_vectors_worthless(release: str, tmp_path: Path) -> None:
    root = _root(tmp_path, _log(release, *_left_out("model.model.", 4)))
    assert root is not None
    assert "24 names, as `model.model.layers.0.self_attn.q_proj.weight`" in str(root.cause)
    assert "re-embed" in str(root.fix)


@pytest.mark.parametrize(
    "kind",
    [
        "Loaded weight with name='{}' not found in params_dict",
        "{} not found in params_dict.",
        "Parameter {} not found in params_dict, skip loading",
        "Parameter {} (mapped to x) not found in params_dict, skip loading",
    ],
)
def test_whatever_words_a_class_has_for_it(kind: str, tmp_path: Path) -> None:
    assert _root(tmp_path, _log("0.5.23", *_left_out("transformer.", 2, kind))) is not None


@pytest.mark.parametrize(
    "text",
    [
        "Some weights are not initialized from checkpoints: {{{}}}",
        "Some weights of BertModel were not initialized from the model checkpoint at /m and are new: [{}]",
        "Some weights of the model checkpoint at /m were not used when initializing BertModel: [{}]",
    ],
)
def test_a_line_may_list_them(text: str, tmp_path: Path) -> None:
    names = [f"'bert.encoder.layer.{n}.output.dense.weight'" for n in range(WHOLE_LAYER)]
    options = "encoder, radix off"
    assert _root(tmp_path, _log("0.5.23", text.format(", ".join(names)), options=options)) is not None
    assert _root(tmp_path, _log("0.5.23", text.format(", ".join(names[1:])), options=options)) is None


@pytest.mark.parametrize(
    "lines",
    [
        ["Parameter lm_head.weight not found in params_dict"],
        ["Parameter score.weight not found in params_dict", "Parameter classifier.dense.bias not found in params_dict"],
        [f"Parameter model.layers.{n}.self_attn.rotary_emb.inv_freq not found in params_dict" for n in range(28)],
        ["Parameter embeddings.position_ids not found in params_dict"],
        [f"Parameter model.layers.{n}.self_attn.k_scale not found in params_dict" for n in range(28)],
        [f"Parameter model.visual.blocks.{n}.attn.qkv.weight not found in params_dict" for n in range(28)],
        [f"Parameter mtp.layers.0.{name}.weight not found in params_dict" for name in TENSORS],
        _left_out("model.", 1)[: WHOLE_LAYER - 1],
        ["Some weights of BertModel were not initialized from the model checkpoint at /m: ['pooler.dense.weight']"],
        [
            "Some weights of the model checkpoint at /m were not used when initializing BertModel: "
            "['cls.predictions.transform.dense.weight', 'cls.predictions.bias', 'cls.seq_relationship.weight']"
        ],
    ],
)
def test_a_head_or_a_table_of_numbers_is_no_loss(lines: list[str], tmp_path: Path) -> None:
    assert _root(tmp_path, _log("0.5.23", *lines)) is None


def test_every_rank_tells_the_same(tmp_path: Path) -> None:
    """Four tensors that eight ranks tell of are not a layer; a layer that eight ranks tell of is."""
    ranks = [f"TP{rank}] " for rank in range(8)]

    def text(tensors: list[str]) -> str:
        lines = _log("0.5.9", *(rank + tensor for rank in ranks for tensor in tensors))
        return lines.replace("tp_size=1", "tp_size=8")

    assert "tp_size=8" in text([])
    assert _root(tmp_path, text(_left_out("model.", 1)[: WHOLE_LAYER - 1])) is None
    assert _root(tmp_path, text(_left_out("model.", 1))) is not None


def test_a_stage_of_a_pipeline_passes_over_the_layers_of_the_others(tmp_path: Path) -> None:
    text = _log("0.5.9", *_left_out("model.", 14))
    staged = text.replace("tp_size=1", "tp_size=1, pp_size=2")
    assert staged != text
    assert _root(tmp_path, staged) is None


def test_the_remedy_fits_the_reason(tmp_path: Path) -> None:
    def found(prefix: str, path: str) -> Finding:
        text = _log("0.5.9", *_left_out(prefix, 2)).replace("Qwen/Qwen3-Embedding-0.6B", path)
        root = _root(tmp_path, text)
        assert root is not None
        return root

    doubled = found("model.model.", "/data/Qwen3-Embedding-0.6B-sft")
    assert 'without "Embedding"' in str(doubled.fix)
    assert any("--model-path ./model --" in command for command in doubled.commands)
    assert not [c for c in found("model.model.", "Qwen/Qwen3-Embedding-0.6B").commands if "./model" in c]
    assert 'without "Embedding"' not in str(found("model.model.", "/data/checkpoint-900").fix)
    assert "merge_and_unload" in str(found("base_model.model.model.", "/data/lora").fix)


def test_random_weights_may_have_been_asked_for(tmp_path: Path) -> None:
    text = _log("0.5.9")
    assert _root(tmp_path, text) is None
    root = _root(tmp_path, text.replace("load_format='auto'", "load_format='dummy'"))
    assert root is not None
    assert "--load-format" in str(root.fix)
    assert all("dummy" not in command for command in root.commands)


def test_they_outlive_the_server(tmp_path: Path) -> None:
    root = _root(
        tmp_path,
        _log(
            "0.5.23", *_left_out("model.model.", 4), end=("[@] Gracefully exiting... Remaining number of requests 0",)
        ),
    )
    assert root is not None


def _row(path: Path, text: str) -> Finding:
    return next(f for f in judged(written(path / "sglang.log", text)) if f.id == ROW)


def test_few_tensors_of_layers_are_no_pass(tmp_path: Path) -> None:
    listed = "Some weights are not initialized from checkpoints: {'encoder.layer.0.output.dense.weight'}"
    head = "Some weights are not initialized from checkpoints: {'pooler.dense.weight'}"
    for lines in (_left_out("model.", 1)[:1], _left_out("model.", 1)[: WHOLE_LAYER - 1], [listed]):
        row = _row(tmp_path, _log("0.5.23", *lines))
        assert row.status is Status.SKIP, lines
        assert "too few" in str(row.reason)
    for lines in ([], [head]):
        assert _row(tmp_path, _log("0.5.23", *lines)).status is Status.PASS
