"""The door to the openai package: one embeddings call as a program makes it, and the exception it would see."""

from __future__ import annotations

import queue
import threading
from typing import Any, NamedTuple

from bgecheck.model import Text, Unavailable, Words, clean


class Called(NamedTuple):
    """What the package made of a server: the dimension of the vector, or the exception and its text.

    `empty` says that the answer was taken and held no vectors.
    """

    version: str
    dims: int | None
    exception: Words | None
    empty: bool = False


def called(base_url: str, key: str, model: str, text: str, seconds: float) -> Called:
    """One call, without retries, proxies and redirects, over within `seconds`. Raises `Unavailable`."""
    try:
        import openai
    except ImportError as missing:
        raise Unavailable(
            Text("the openai package is not installed here", "本机没有安装 openai 包"), looked=False
        ) from missing
    found: queue.Queue[Called | Unavailable] = queue.Queue()

    def call() -> None:
        try:
            # A redirect may lead to another host, which must not see the key; loopback must not go to a proxy.
            with openai.DefaultHttpxClient(follow_redirects=False, trust_env=False, timeout=seconds) as http:
                client = openai.OpenAI(base_url=base_url, api_key=key, http_client=http, max_retries=0, timeout=seconds)
                found.put(_made(client, openai.__version__, model, text))
        except Exception as broken:  # before anything was asked: a part of the package is missing, for instance
            why = _named(broken)
            found.put(
                Unavailable(Text(f"the openai package does not work here: {why}", f"本机的 openai 包用不了：{why}"))
            )

    threading.Thread(target=call, name="openai", daemon=True).start()
    try:
        made = found.get(timeout=seconds)
    except queue.Empty:
        words = Text(f"no answer within {seconds:g} s", f"{seconds:g} 秒内没有响应")
        return Called(openai.__version__, None, words)
    if isinstance(made, Unavailable):
        raise made
    return made


def _made(client: Any, version: str, model: str, text: str) -> Called:
    try:
        answer = client.embeddings.create(model=model, input=[text])
    except Exception as error:  # which one it is, is what is asked for
        known = getattr(error, "status_code", None) is not None or type(error).__name__.startswith("API")
        return Called(version, None, _named(error), empty=not known)
    try:
        return Called(version, len(answer.data[0].embedding), None)
    except Exception as error:
        return Called(version, None, _named(error), empty=True)


def _named(error: Exception) -> str:
    return clean(f"{type(error).__name__}: {error}", 300)
