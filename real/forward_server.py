"""Serves true forward passes of BertModel by transformers, each port with its own way of getting them wrong.

usage: forward_server.py JSON      (a list of {"port", "folder", and what is not as it should be})

Written for proofs: it knows nothing of bgecheck and shares no code with its reference encoder.
"""

import base64
import json
import random
import struct
import sys
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch
from tokenizers import Tokenizer, normalizers
from transformers import BertModel

torch.set_num_threads(2)
computing = threading.Lock()
KINDS = ("cased", "quantised", "dropout")
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@cache
def loaded(folder, dtype, cased=False, quantised=0, dropout=False):
    """The model in a precision, and its tokenizer."""
    model = BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=DTYPES[dtype]).train(bool(dropout))
    if quantised:
        for weight in model.parameters():
            if weight.dim() == 2:  # as many bits, one scale a row
                scale = weight.detach().abs().amax(1, keepdim=True).clamp(min=1e-9) / (2 ** (quantised - 1) - 1)
                weight.data = (weight.data / scale).round() * scale
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    if cased:
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    return model, tokenizer


def pooled(states, mask, how):
    """One vector a text: of [CLS], of the last token, or the mean of all."""
    if how == "last":
        return states[torch.arange(len(states)), mask.sum(1) - 1]
    if how == "mean, padding too":
        return states.mean(1)
    if how == "mean":
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return states[:, 0]


def vectors(texts, wrong):
    """The vectors of a request, and how many tokens it took."""
    model, tokenizer = loaded(wrong["folder"], wrong.get("dtype", "fp32"), *map(wrong.get, KINDS))
    if wrong.get("sorted"):
        texts = sorted(texts, key=len)
    ids = [tokenizer.encode(wrong.get("before", "") + text).ids for text in texts]
    if "cut" in wrong:
        ids = [some[: wrong["cut"]] for some in ids]
    longest = max(map(len, ids))
    mask = torch.tensor([[1] * len(some) + [0] * (longest - len(some)) for some in ids])
    padded = torch.tensor([some + [0] * (longest - len(some)) for some in ids])
    with computing, torch.no_grad():
        states = model(input_ids=padded, attention_mask=None if wrong.get("unmasked") else mask).last_hidden_state
        found = pooled(states.float() if wrong.get("pooling") == "mean" else states, mask, wrong.get("pooling", "cls"))
        if not wrong.get("raw"):
            found = torch.nn.functional.normalize(found, dim=-1)
        found = found[:, : wrong.get("dims")]
        if wrong.get("again"):
            found = torch.nn.functional.normalize(found, dim=-1)
    if wrong.get("order"):
        found = found.flip(0) if len(texts) > 1 else found
    if wrong.get("roll") and len(texts) > 8:
        found = found.roll(1, 0)
    return found.float().tolist(), sum(map(len, ids))


class Handler(BaseHTTPRequestHandler):
    """The OpenAI routes that an embeddings client needs."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        """Nothing is written of a request."""

    def do_GET(self):
        """The model list."""
        if self.path != "/v1/models":
            return self.answer(404, {"detail": "Not Found"})
        card = {"id": "bge-large-zh-v1.5", "object": "model", "owned_by": "forward", "max_model_len": 512}
        self.answer(200, {"object": "list", "data": [card]})

    def do_POST(self):
        """Embeddings, as they are or should not be."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        wrong = self.server.wrong
        with self.server.lock:
            self.server.now += 1
            self.server.asked += 1
        if "other" in wrong and self.server.asked % 2:  # two servers behind one address
            wrong = {**wrong, "folder": wrong["other"]}
        found, tokens = vectors(texts, wrong)
        if "kept" in wrong:
            found = [self.server.cache.setdefault(t[: wrong["kept"]], v) for t, v in zip(texts, found, strict=True)]
        if wrong.get("mixed") and self.server.now > 1:
            # Requests in flight at the same time get each other's vectors.
            found = [random.choice(self.server.kept) for _ in found]
        with self.server.lock:
            self.server.kept = [*self.server.kept, *found][-8:]
            self.server.now -= 1
        data = [
            {"object": "embedding", "index": n, "embedding": self.written(vector)} for n, vector in enumerate(found)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self.answer(200, {"object": "list", "data": data, "model": "bge-large-zh-v1.5", "usage": usage})

    def written(self, vector):
        """Numbers, or base64 of numbers in a form that is not the API's."""
        form = self.server.wrong.get("form")
        if form:
            return base64.b64encode(struct.pack(form.format(len(vector)), *vector)).decode()
        return [None if number != number else number for number in vector]  # NaN is null, as sglang writes it

    def answer(self, status, value):
        """Send a value as JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


for told in json.loads(sys.argv[1]):
    loaded(told["folder"], told.get("dtype", "fp32"), *map(told.get, KINDS))
    server = ThreadingHTTPServer(("127.0.0.1", told["port"]), Handler)
    server.wrong, server.lock, server.now, server.kept = told, threading.Lock(), 0, [[0.0]]
    server.asked, server.cache = 0, {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
