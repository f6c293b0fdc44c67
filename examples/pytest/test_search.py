"""What a project's own tests look like with the fixture."""

from __future__ import annotations

import json
import urllib.request


def test_two_texts_get_two_vectors(embeddings_url: str) -> None:
    """Asks as a client does."""
    body = json.dumps({"model": "bge-large-zh-v1.5", "input": ["今天天气很好", "数据库连接超时"]}).encode()
    request = urllib.request.Request(
        f"{embeddings_url.rstrip('/')}/embeddings", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        data = json.load(response)["data"]
    assert len(data) == 2
    assert data[0]["embedding"] != data[1]["embedding"]
