"""A small model folder of random weights, and a true server of its vectors, for every test of the reference."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bgecheck.reference.config import shape_of
from bgecheck.reference.encoder import states
from bgecheck.reference.tokens import ids_of
from bgecheck.reference.weights import open_weights

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 64, 3, 4, 96, 96


@cache
def vocabulary() -> tuple[str, ...]:
    """Special tokens, letters and their continuations, and all of the common Chinese characters."""
    letters = [chr(n) for n in range(33, 127) if not chr(n).isupper()]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    return (*words, *(chr(n) for n in range(0x4E00, 0x9FA6)))


def tensors(seed: int = 0, vocab: int = 0) -> dict[str, Any]:
    """Weights of such a spread that the first, the last and the mean state differ by much."""
    dice = np.random.default_rng(seed)

    def random(*shape: int) -> Any:
        return (dice.standard_normal(shape) * 0.2).astype(np.float32)

    made = {
        "embeddings.word_embeddings.weight": random(vocab, HIDDEN),
        "embeddings.position_embeddings.weight": random(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": random(2, HIDDEN),
    }
    names = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        under = f"encoder.layer.{layer}."
        sizes = {f"attention.self.{name}": (HIDDEN, HIDDEN) for name in ("query", "key", "value")}
        sizes |= {"attention.output.dense": (HIDDEN, HIDDEN), "intermediate.dense": (INNER, HIDDEN)}
        sizes |= {"output.dense": (HIDDEN, INNER)}
        for name, size in sizes.items():
            made[f"{under}{name}.weight"], made[f"{under}{name}.bias"] = random(*size), random(size[0])
        names += [f"{under}attention.output.LayerNorm", f"{under}output.LayerNorm"]
    for name in names:
        made[f"{name}.weight"], made[f"{name}.bias"] = 1 + random(HIDDEN), random(HIDDEN)
    return made


CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "num_hidden_layers": LAYERS,
    "hidden_size": HIDDEN,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "max_position_embeddings": POSITIONS,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}


def write_folder(folder: Path, seed: int = 0, pooling: str | None = "cls", **changed: Any) -> Path:
    """A whole model folder; `changed` replaces values of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({**CONFIG, "vocab_size": len(words), **changed}))
    save_file(tensors(seed, len(words)), folder / "model.safetensors")
    if pooling:
        (folder / "1_Pooling").mkdir(exist_ok=True)
        key = {"cls": "cls_token", "mean": "mean_tokens", "last": "lasttoken"}[pooling]
        (folder / "1_Pooling/config.json").write_text(json.dumps({f"pooling_mode_{key}": True}))
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that no test changes."""
    return write_folder(tmp_path_factory.mktemp("model") / "bge-tiny")


Pool = Callable[[Any], Any]
POOLS: dict[str, Pool] = {
    "cls": lambda x: x[0],
    "last": lambda x: x[-1],
    "mean": lambda x: x.mean(axis=0),
    "second": lambda x: x[1],
    "max": lambda x: x.max(axis=0),
}


@dataclass
class Serving:
    """A server that computes its vectors truly, and has the faults that it is told to have."""

    folder: Path
    pool: str = "cls"
    normalized: bool = True
    rounding: str = "fp32"
    causal: bool = False
    prefix: str = ""
    url: str = ""
    requests: list[int] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    """What the requests for vectors carried as Authorization."""

    def vectors(self, texts: list[str]) -> list[list[float]]:
        path = str(self.folder)
        ids = ids_of(path, [self.prefix + text for text in texts])
        self.requests.append(sum(map(len, ids)))
        found = states(shape_of(path), open_weights(path), ids, causal=self.causal)
        return [self.finished(POOLS[self.pool](x)).tolist() for x in found]

    def finished(self, vector: Any) -> Any:
        vector = vector / np.linalg.norm(vector) if self.normalized else vector
        if self.rounding == "fp16":
            return vector.astype(np.float16).astype(np.float64)
        if self.rounding == "bf16":
            return (vector.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32).astype(np.float64)
        return vector.astype(np.float64)


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[Serving]:
    """The server on a socket of its own, with sglang's routes as far as vectors need them."""
    state = Serving(folder, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            pages: dict[str, Any] = {
                "/v1/models": {"data": [{"id": "bge-tiny"}]},
                "/model_info": {"model_path": str(state.folder), "architectures": ["BertModel"]},
                "/health": {},
            }
            page = pages.get(self.path)
            self.answer(200 if page is not None else 404, page or {"detail": "Not Found"})

        def do_POST(self) -> None:
            state.keys.add(self.headers["Authorization"])
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            vectors = state.vectors(body["input"])
            data = [{"index": n, "embedding": v, "object": "embedding"} for n, v in enumerate(vectors)]
            self.answer(200, {"data": data, "model": "bge-tiny", "usage": {"prompt_tokens": state.requests[-1]}})

        def answer(self, status: int, page: Any) -> None:
            body = json.dumps(page).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def serve() -> Callable[..., Any]:
    """`serving`, for tests, which cannot import from this file."""
    return serving


@pytest.fixture
def write() -> Callable[..., Path]:
    """`write_folder`, likewise."""
    return write_folder
