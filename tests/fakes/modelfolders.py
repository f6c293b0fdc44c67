"""Model folders as they lie on disks: whole ones of several layouts, small, and what damages them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(97, 123)), *map(chr, range(0x4E00, 0x4E40))]

CONFIG: dict[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "torch_dtype": "float32",
}

POOLING = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "last": "pooling_mode_lasttoken"}
MODULES = ("Transformer", "Pooling", "Normalize")


def shapes(config: Mapping[str, Any]) -> dict[str, list[int]]:
    """The tensors of a BERT by config.json, pooler and position ids as published files have them."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    made = {
        "embeddings.position_ids": [1, config["max_position_embeddings"]],
        "embeddings.word_embeddings.weight": [config["vocab_size"], hidden],
        "embeddings.position_embeddings.weight": [config["max_position_embeddings"], hidden],
        "embeddings.token_type_embeddings.weight": [2, hidden],
        "pooler.dense.weight": [hidden, hidden],
        "pooler.dense.bias": [hidden],
    }
    pairs = {"embeddings.LayerNorm": [hidden]}
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        pairs |= {f"{layer}.attention.self.{name}": [hidden, hidden] for name in ("query", "key", "value")}
        pairs |= {f"{layer}.attention.output.dense": [hidden, hidden], f"{layer}.intermediate.dense": [inner, hidden]}
        pairs |= {f"{layer}.output.dense": [hidden, inner]}
        pairs |= {f"{layer}.{name}.LayerNorm": [hidden] for name in ("attention.output", "output")}
    for name, dims in pairs.items():
        made |= {f"{name}.weight": dims, f"{name}.bias": dims[:1]}
    return made


def write_safetensors(path: Path, tensors: Mapping[str, list[int]]) -> None:
    """A true safetensors file of zeros, which takes no room on the disk."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, dims in tensors.items():
        kind, size = ("I64", 8) if name.endswith("position_ids") else ("F32", 4)
        end = at + math.prod(dims) * size
        header[name] = {"dtype": kind, "shape": dims, "data_offsets": [at, end]}
        at = end
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + at)


def write_model(folder: Path, pooling: str | None = "cls", words: list[str] = WORDS, **changed: Any) -> Path:
    """A whole folder as the hub has it; `changed` replaces values of config.json, None leaves one out."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in {**CONFIG, "vocab_size": len(words), **changed}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", shapes({**CONFIG, "vocab_size": len(words), **config}))
    write_tokenizer(folder, words)
    (folder / "modules.json").write_text(
        json.dumps([{"idx": n, "type": f"sentence_transformers.models.{name}"} for n, name in enumerate(MODULES)])
    )
    if pooling:
        (folder / "1_Pooling").mkdir(exist_ok=True)
        switches = {switch: mode == pooling for mode, switch in POOLING.items()}
        (folder / "1_Pooling/config.json").write_text(
            json.dumps({"word_embedding_dimension": config["hidden_size"], **switches})
        )
    return folder


def write_tokenizer(folder: Path, words: list[str] = WORDS, *, lower: bool = True) -> None:
    """tokenizer.json, vocab.txt and tokenizer_config.json."""
    payload = {
        "model": {"type": "WordPiece", "vocab": {word: number for number, word in enumerate(words)}},
        "normalizer": {"type": "BertNormalizer", "lowercase": lower},
        "added_tokens": [{"id": n, "content": word} for n, word in enumerate(words[:5])],
    }
    (folder / "tokenizer.json").write_text(json.dumps(payload), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower}))


def sharded(folder: Path, count: int = 3) -> Path:
    """The weights of a folder in shards, with their index."""
    config = json.loads((folder / "config.json").read_text())
    tensors = list(shapes({**CONFIG, **config}).items())
    (folder / "model.safetensors").unlink()
    index: dict[str, str] = {}
    for number in range(count):
        name = f"model-{number + 1:05d}-of-{count:05d}.safetensors"
        part = dict(tensors[number::count])
        write_safetensors(folder / name, part)
        index |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder


HUB_ID = "BAAI/bge-tiny"


def in_hub_cache(home: Path, hub_id: str = HUB_ID) -> Path:
    """The snapshot of a model in huggingface_hub's cache below HF_HOME: links to blobs."""
    entry = home / "hub" / f"models--{hub_id.replace('/', '--')}"
    plain = write_model(entry / "plain")
    snapshot, blobs = entry / "snapshots/79e7739b6ab944e86d6171e44d24c997fc1e0116", entry / "blobs"
    blobs.mkdir()
    for path in sorted(plain.rglob("*")):
        if path.is_file():
            link = snapshot / path.relative_to(plain)
            link.parent.mkdir(parents=True, exist_ok=True)
            blob = blobs / path.relative_to(plain).as_posix().replace("/", "-")
            path.rename(blob)
            link.symlink_to(os.path.relpath(blob, link.parent))
    (entry / "refs").mkdir()
    (entry / "refs/main").write_text(snapshot.name)
    return snapshot


def write_torch(path: Path, tensors: Mapping[str, list[int]], *, root: str = "archive") -> None:
    """A file as torch.save writes it: a zip of raw numbers and a pickle that names them."""
    import io
    import pickle
    import zipfile
    from collections import OrderedDict

    class Rebuilt:
        def __init__(self, key: str, dims: list[int]) -> None:
            self.key, self.dims = key, dims

        def __reduce__(self) -> Any:
            strides = [math.prod(self.dims[at + 1 :]) for at in range(len(self.dims))]
            storage = Storage(self.key, math.prod(self.dims))
            return _rebuild, (storage, 0, tuple(self.dims), tuple(strides), False, OrderedDict())

    class Storage:
        def __init__(self, key: str, count: int) -> None:
            self.key, self.count = key, count

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return ("storage", _FloatStorage, value.key, "cpu", value.count) if isinstance(value, Storage) else None

    stream = io.BytesIO()
    named = {name: Rebuilt(str(number), dims) for number, (name, dims) in enumerate(tensors.items())}
    Pickler(stream, protocol=2).dump(named)
    program = stream.getvalue().replace(b"cfakes.modelfolders\n_rebuild\n", b"ctorch._utils\n_rebuild_tensor_v2\n")
    program = program.replace(b"cfakes.modelfolders\n_FloatStorage\n", b"ctorch\nFloatStorage\n")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{root}/data.pkl", program)
        for number, dims in enumerate(tensors.values()):
            archive.writestr(f"{root}/data/{number}", bytes(math.prod(dims) * 4))


def _rebuild() -> None:
    """Stands for torch's own function in the pickle."""


class _FloatStorage:
    """Stands for torch's own class in the pickle."""
