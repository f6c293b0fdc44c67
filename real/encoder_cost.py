"""Ten short texts through the reference encoder, in the full size of bge-large-zh-v1.5, beside transformers on CPU.

usage: encoder_cost.py [FOLDER [ROUNDS]]      (after setup.sh; writes 1.3 GB to FOLDER, by default a temporary one;
                                               exit status 1 when a bound is exceeded)

Each run is a process of its own, from its start to the vectors, so that what it loads is counted. The weights are
random: what a pass costs depends on their shape only.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from measured import measured
from prove import PYTHON

HERE = Path(__file__).parent
SECONDS, GIGABYTES, CORES = 5.0, 2.5, 2
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


def made(folder: str) -> None:
    """A random model of 24 layers, 1024 dims and 4096 inner dims."""
    if not (Path(folder) / "model.safetensors").exists():
        line = [str(PYTHON), str(HERE / "make_model.py"), folder, "24"]
        subprocess.run(line, env={**os.environ, "MODEL_INTERMEDIATE": "4096"}, check=True, timeout=600)


def main(folder: str, rounds: int) -> int:
    """Medians of both, by turns, after a first run of each that fills the page cache."""
    made(folder)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    commands = {
        "bgecheck": [sys.executable, "-c", OURS, folder, *TEXTS],
        "transformers": [str(PYTHON), "-c", PEER, folder, *TEXTS],
    }
    runs = [{name: measured(command) for name, command in commands.items()} for _ in range(rounds + 1)]
    if failed := [r for run in runs for r in run.values() if r.code]:
        raise SystemExit(failed[0].errors.decode()[-2000:])
    first = {name: [float(x) for x in runs[0][name].output.split()] for name in commands}
    apart = max(abs(a - b) for a, b in zip(first["bgecheck"], first["transformers"], strict=True))
    taken = {name: statistics.median(run[name].seconds for run in runs[1:]) for name in commands}
    held = {name: max(run[name].memory for run in runs) / 1024 for name in commands}
    for name in commands:
        print(f"{name:13} {taken[name]:6.2f} s   {held[name]:5.2f} GiB   first run {runs[0][name].seconds:.2f} s")
    ratio = taken["bgecheck"] / taken["transformers"]
    print(
        f"ratio         {ratio:6.2f}     {held['bgecheck'] / held['transformers']:5.2f}       "
        f"first numbers differ by {apart:.0e}"
    )
    print(f"{len(TEXTS)} short texts, 24 layers, {CORES} cores: at most {SECONDS:g} s and {GIGABYTES:g} GB")
    within = taken["bgecheck"] <= SECONDS and held["bgecheck"] * 1.0737 <= GIGABYTES and apart < 1e-4
    return 0 if within else 1


if __name__ == "__main__":
    if sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    if len(sys.argv) > 1:
        sys.exit(main(sys.argv[1], times))
    with tempfile.TemporaryDirectory() as made_here:
        sys.exit(main(made_here, times))
