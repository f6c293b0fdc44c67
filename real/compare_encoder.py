"""Compares bgecheck's reference encoder with transformers, over models of random shape, weights and file format.

usage: compare_encoder.py [MODELS [SEED]]        (needs torch and transformers; exit status 0 when none differs by 1e-5)

Each model is written as its users have it: one safetensors file in fp32, fp16 or bf16, shards with an index, or a
file of torch.save, with or without the prefix of a class around it; transformers has the same weights and gets a
padded batch. The texts are token ids of 1 to 512 tokens. What is compared is every state of every token, with what
transformers computes in float64; how far its own float32 is from that is told beside it.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))
from bgecheck.reference.config import shape_of
from bgecheck.reference.encoder import pooled, states
from bgecheck.reference.weights import open_weights

TOLERANCE = 1e-5
FORMATS = (
    "safetensors fp32",
    "safetensors fp16",
    "safetensors bf16",
    "shards",
    "torch",
    "torch fp16",
    "torch prefixed",
)


def random_model(dice: random.Random, architecture: str, positions: int) -> Any:
    """A model of random shape with weights of a spread that makes attention and activations uneven."""
    heads = dice.choice((1, 2, 4, 8, 12))
    hidden = heads * dice.choice((8, 16, 32, 64))
    settings = {
        "vocab_size": dice.randint(200, 1500),
        "hidden_size": hidden,
        "num_hidden_layers": dice.randint(1, 8),
        "num_attention_heads": heads,
        "intermediate_size": dice.choice((hidden, 2 * hidden, 4 * hidden, 100)),
        "hidden_act": dice.choice(("gelu", "gelu", "gelu_new", "relu")),
        "layer_norm_eps": dice.choice((1e-12, 1e-5)),
    }
    torch.manual_seed(dice.randrange(2**31))
    if architecture == "BERT":
        model = BertModel(BertConfig(max_position_embeddings=positions, **settings), add_pooling_layer=True)
    else:
        config = XLMRobertaConfig(
            max_position_embeddings=positions + 2, type_vocab_size=1, pad_token_id=1, bos_token_id=0, **settings
        )
        model = XLMRobertaModel(config, add_pooling_layer=True)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm" in name:
                weight.add_(torch.randn_like(weight) * 0.2)
            else:
                weight.copy_(torch.randn_like(weight) * dice.choice((0.02, 0.05)))
    return model.eval()


def written(model: Any, folder: Path, form: str) -> None:
    """Write the folder in one format, and leave the model with the weights as the file holds them."""
    kind = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(form.split()[-1], torch.float32)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.to(kind).float())
    told = model.config.to_dict() | {"architectures": [type(model).__name__]}
    state = {name: weight.to(kind) for name, weight in model.state_dict().items()}
    if form.startswith("torch"):
        prefix = "bert." if form.endswith("prefixed") else ""
        torch.save({prefix + name: weight for name, weight in state.items()}, folder / "pytorch_model.bin")
    elif form == "shards":
        model.save_pretrained(folder, max_shard_size="400KB")
    else:
        from safetensors.torch import save_file

        save_file({name: weight.contiguous() for name, weight in state.items()}, str(folder / "model.safetensors"))
    (folder / "config.json").write_text(json.dumps(told, default=str))


def differences(model: Any, folder: Path, ids: list[list[int]]) -> tuple[float, float]:
    """The largest difference from float64 of any state or of the pooler: ours, and torch's own float32."""
    shape, weights = shape_of(str(folder)), open_weights(str(folder))
    made = states(shape, weights, ids)
    first = pooled(shape, weights, np.stack([m[0] for m in made]))
    assert first is not None
    theirs, exact = told(model, ids), told(model.double(), ids)
    return farthest([*made, first], exact), farthest(theirs, exact)


def told(model: Any, ids: list[list[int]]) -> list[Any]:
    """What transformers makes of a padded batch: the states of each text, then the pooler's output."""
    longest = max(map(len, ids))
    padding = model.config.pad_token_id or 0
    batch = torch.tensor([text + [padding] * (longest - len(text)) for text in ids])
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in ids])
    with torch.no_grad():
        out = model(input_ids=batch, attention_mask=mask)
    found = [state[: len(text)].numpy() for state, text in zip(out.last_hidden_state, ids, strict=True)]
    return [*found, out.pooler_output.numpy()]


def farthest(some: list[Any], others: list[Any]) -> float:
    """The largest difference of any number."""
    return max(float(np.abs(a - b).max()) for a, b in zip(some, others, strict=True))


def main(models: int, seed: int) -> int:
    """All models, a line for each format, and the worst."""
    logging.disable_progress_bar()
    dice, began = random.Random(seed), time.monotonic()
    worst: dict[tuple[str, str], list[tuple[float, float]]] = {}
    texts = tokens = 0
    for number in range(models):
        architecture, form = ("BERT", "XLM-RoBERTa")[number % 2], FORMATS[number // 2 % len(FORMATS)]
        positions = dice.choice((64, 512, 512))
        model = random_model(dice, architecture, positions)
        lengths = [1, positions, *(dice.randint(1, positions) for _ in range(dice.randint(0, 4)))]
        dice.shuffle(lengths)
        ids = [[dice.randrange(2, model.config.vocab_size) for _ in range(length)] for length in lengths]
        with tempfile.TemporaryDirectory() as folder:
            written(model, Path(folder), form)
            worst.setdefault((architecture, form), []).append(differences(model, Path(folder), ids))
        texts, tokens = texts + len(ids), tokens + sum(lengths)
    for (architecture, form), seen in sorted(worst.items()):
        ours, torchs = (max(both) for both in zip(*seen, strict=True))
        print(
            f"{architecture:12} {form:18} {len(seen):3} models, largest difference {ours:.1e} (torch fp32 {torchs:.1e})"
        )
    most, torchs = (max(both) for both in zip(*(pair for seen in worst.values() for pair in seen), strict=True))
    print(
        f"{models} models, {texts} texts of 1 to 512 tokens, {tokens} tokens, {time.monotonic() - began:.0f} s: "
        f"largest difference {most:.1e} (torch fp32 {torchs:.1e}), "
        f"{'within' if most <= TOLERANCE else 'BEYOND'} {TOLERANCE:g}"
    )
    return 0 if most <= TOLERANCE else 1


if __name__ == "__main__":
    if sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 140, int(sys.argv[2]) if len(sys.argv) > 2 else 1))
