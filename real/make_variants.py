"""Writes, beside a model folder, what the proof of vectors needs: NaN weights, other dims, and a model with meaning.

usage: make_variants.py FOLDER TRIPLES.json      (needs torch, transformers and tokenizers)

The model with meaning is built by hand: attention is uniform and passes values through, so that a vector is the mean
of the characters' vectors; characters of texts that belong together point the same way.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

base = Path(sys.argv[1])
triples = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))


def copied(name):
    """A folder of its own, with the files of the base."""
    folder = base.parent / name / base.name
    shutil.copytree(base, folder, dirs_exist_ok=True)
    return folder


def told(folder, **changed):
    """config.json with changes."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}, indent=2))


folder = copied("nan")
weights = load_file(folder / "model.safetensors")
weights["encoder.layer.0.output.dense.weight"][0, 0] = float("nan")
save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

folder = copied("small")
torch.manual_seed(11)
config = BertConfig(
    vocab_size=21128, hidden_size=384, num_hidden_layers=2, num_attention_heads=12, intermediate_size=384
)
save_file(dict(BertModel(config).state_dict()), folder / "model.safetensors", metadata={"format": "pt"})
told(folder, hidden_size=384, num_attention_heads=12, intermediate_size=384)

folder = copied("lexical")
torch.manual_seed(13)
config = BertConfig(
    vocab_size=21128, hidden_size=1024, num_hidden_layers=1, num_attention_heads=16, intermediate_size=1024
)
model = BertModel(config)
state = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
for name in state:
    if name.endswith("LayerNorm.weight"):
        state[name] = torch.ones_like(state[name])
    elif name.endswith(("attention.self.value.weight", "attention.output.dense.weight")):
        state[name] = torch.eye(1024)
words = 0.2 * torch.randn(21128, 1024)
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
for text, relative, stranger in triples:
    for together in ((text, relative), (stranger,)):
        topic = torch.randn(1024)
        ids = {number for one in together for number in tokenizer.encode(one).ids[1:-1]}
        for number in ids:
            words[number] += topic
words[101] = words[102] = 0.0
state["embeddings.word_embeddings.weight"] = words
state["embeddings.LayerNorm.bias"] = torch.zeros(1024)
save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors", metadata={"format": "pt"})
told(folder, num_hidden_layers=1)
print("written")
