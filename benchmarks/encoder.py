"""Ten short texts through the reference encoder, in the full size of bge-large-zh-v1.5, beside transformers on CPU.

usage: encoder.py [FOLDER [ROUNDS]]      (writes 1.3 GB to FOLDER, by default a temporary one; exit status 1 when a
                                          bound is exceeded, 2 where real/setup.sh has not run)

Each run is a process of its own, from its start to the vectors, so that what it loads is counted. The weights are
random: what a pass costs depends on their shape only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measured import Budget, PeerMissing, interleaved, ratio, report

REAL = Path(__file__).parents[1] / "real"
PYTHON = Path(os.environ.get("SGLANG_PYTHON", REAL / ".venv/bin/python"))
"""An interpreter with torch and transformers."""
TIME, MEMORY, APART = 1.0, 0.5, 1e-4
"""Time and memory as a share of transformers', and how far the numbers may be apart, at most."""
CORES = 2
TEXTS = [
    "今天天气怎么样？",
    "如何重置登录密码？",
    "手机屏幕碎了怎么维修？",
    "北京天安门",
    "怎样学好英语口语？",
    "The quick brown fox jumps over the lazy dog.",
    "GPT 和 BERT 有什么区别？",
    "这家餐厅的菜很好吃",
    "服务器的内存不够用了",
    "向量检索把文本变成数字，再按相似度排序",
]
OURS = """
import sys
from bgecheck.reference.config import shape_of
from bgecheck.reference.encoder import states
from bgecheck.reference.tokens import ids_of
from bgecheck.reference.weights import open_weights
folder, *texts = sys.argv[1:]
found = states(shape_of(folder), open_weights(folder), ids_of(folder, texts))
print(*(f"{x[0, 0]:.5f}" for x in found))
"""
PEER = """
import sys
import torch
from tokenizers import Tokenizer
from transformers import BertModel
folder, *texts = sys.argv[1:]
torch.set_num_threads(2)
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.enable_padding()
model = BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32).eval()
batch = tokenizer.encode_batch(texts)
with torch.no_grad():
    ids, mask = torch.tensor([b.ids for b in batch]), torch.tensor([b.attention_mask for b in batch])
    found = model(input_ids=ids, attention_mask=mask).last_hidden_state
print(*(f"{x:.5f}" for x in found[:, 0, 0]))
"""


def make(folder: str) -> None:
    """A random model of 24 layers, 1024 dims and 4096 inner dims, unless it is there."""
    if not (Path(folder) / "model.safetensors").exists():
        line = [str(PYTHON), str(REAL / "make_model.py"), folder, "24"]
        subprocess.run(line, env={**os.environ, "MODEL_INTERMEDIATE": "4096"}, check=True, timeout=600)


def budgets(folder: str, rounds: int) -> Iterator[Budget]:
    """Time, memory and agreement with transformers, on two cores."""
    if not PYTHON.exists():
        raise PeerMissing(f"{PYTHON} is missing: real/setup.sh installs transformers there")
    make(folder)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    runs = interleaved(
        {
            "bgecheck": [sys.executable, "-c", OURS, folder, *TEXTS],
            "transformers": [str(PYTHON), "-c", PEER, folder, *TEXTS],
        },
        rounds,
    )
    yield ratio("reference encoder, 10 texts", runs, "bgecheck", "transformers", TIME)
    held = {name: max(run.memory for run in of) for name, of in runs.items()}
    detail = ", ".join(f"{name} {memory / 1024:.2f} GiB" for name, memory in held.items())
    share = held["bgecheck"] / held["transformers"]
    yield Budget(title="reference encoder: memory", figure=share, bound=MEMORY, unit="x", detail=detail)
    first = {name: [float(number) for number in of[0].output.split()] for name, of in runs.items()}
    apart = max(abs(a - b) for a, b in zip(first["bgecheck"], first["transformers"], strict=True))
    yield Budget(title="reference encoder: numbers differ by", figure=apart, bound=APART)


if __name__ == "__main__":
    if sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as temporary:
        model = sys.argv[1] if len(sys.argv) > 1 else temporary
        sys.exit(report(lambda: budgets(model, times)))
