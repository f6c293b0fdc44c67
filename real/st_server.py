"""A small embeddings server around sentence-transformers: its vectors are real, its error shapes are our own choice.

usage: st_server.py FOLDER --port PORT [--api-key KEY] [--name NAME]
"""

import argparse
import base64
import threading
import time

import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--api-key")
parser.add_argument("--name", default="bge-large-zh-v1.5")
options = parser.parse_args()

app = FastAPI()
model = None
computing = threading.Lock()


def load():
    """Load in a thread, so that /health tells of it."""
    global model
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(options.folder, device="cpu")


def says(value, status=200):
    """A JSON answer; orjson writes NaN as null."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json")


def refuses(status, message):
    """An error as OpenAI shapes it."""
    return says({"error": {"message": message, "type": "invalid_request_error", "code": status}}, status)


@app.middleware("http")
async def key(request: Request, call_next):
    """Check the key, where there is one."""
    wanted = options.api_key and f"Bearer {options.api_key}"
    if wanted and request.url.path.startswith("/v1") and request.headers.get("authorization") != wanted:
        return refuses(401, "invalid API key")
    return await call_next(request)


@app.get("/health")
def health():
    """503 while the model is loading."""
    return Response(status_code=200 if model else 503)


@app.get("/v1/models")
def models():
    """One model."""
    card = {"id": options.name, "object": "model", "created": int(time.time()), "owned_by": "st", "max_model_len": 512}
    return says({"object": "list", "data": [card]})


@app.post("/v1/embeddings")
async def embeddings(request: Request):
    """Floats or base64."""
    from starlette.concurrency import run_in_threadpool

    if model is None:
        return refuses(503, "loading")
    asked = orjson.loads(await request.body())
    given = asked.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        return refuses(400, "input must be a text or a list of texts")
    vectors, tokens = await run_in_threadpool(compute, texts)
    packed = asked.get("encoding_format") == "base64"
    data = [
        {
            "object": "embedding",
            "index": number,
            "embedding": base64.b64encode(vector.tobytes()).decode() if packed else vector,
        }
        for number, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return says({"object": "list", "data": data, "model": options.name, "usage": usage})


def compute(texts):
    """float32 vectors, and how many tokens they took."""
    with computing:
        vectors = model.encode(texts, batch_size=32, show_progress_bar=False)
        tokens = sum(len(ids) for ids in model.tokenizer(texts)["input_ids"])
    return np.asarray(vectors, dtype=np.float32), tokens


threading.Thread(target=load, daemon=True).start()
uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
