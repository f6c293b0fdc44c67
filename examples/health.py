"""A health check that asks for the one thing that matters: a real embedding, and the same one again.

`GET /health` alone proves little: old releases of sglang answer 200 as soon as HTTP is up, newer ones can answer 503
under load while every request is served. Exit status: 0 healthy, 1 not.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import urllib.request

import numpy as np
from openai import OpenAI, OpenAIError

CHARACTERS = "天气今明山水花草书店车站老师学校公园电影音乐城市春夏秋冬"


def status_page(base_url: str) -> str:
    """What `/health` says; it takes a second by design, and 25 under load."""
    root = base_url.rstrip("/").removesuffix("/v1")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{root}/health", timeout=25) as answer:
            return f"HTTP {answer.status}"
    except OSError as error:
        return str(error)


def repeats(client: OpenAI, model: str) -> float:
    """The lowest cosine among three answers to one text that no server has seen before."""
    text = "".join(random.choices(CHARACTERS, k=16))
    vectors = [
        np.asarray(client.embeddings.create(model=model, input=text, encoding_format="float").data[0].embedding)
        for _ in range(3)
    ]
    unit = [vector / np.linalg.norm(vector) for vector in vectors]
    return float(min(unit[0] @ unit[1], unit[0] @ unit[2]))


def main() -> int:
    """Print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", default="http://127.0.0.1:30000/v1")
    parser.add_argument("--model", default="bge-large-zh-v1.5")
    options = parser.parse_args()
    print(f"/health: {status_page(options.base_url)}")
    client = OpenAI(
        base_url=options.base_url, api_key=os.environ.get("OPENAI_API_KEY", "EMPTY"), timeout=30, max_retries=0
    )
    try:
        cosine = repeats(client, options.model)
    except OpenAIError as error:
        print(f"no embedding: {type(error).__name__}")
        return 1
    print(f"the same new text three times: cosine {cosine:.4f}, expected >= 0.9999")
    return 0 if cosine >= 0.9999 else 1


if __name__ == "__main__":
    sys.exit(main())
