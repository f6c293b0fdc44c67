"""What each client needs to reach an endpoint: code to copy, or the values of its form."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Literal, NamedTuple

from bgecheck.model import Language, Text, Words, say

Runs = Literal["python", "javascript", "shell", "form"]
"""How it is tried: by an interpreter; a form has nothing to run, so that the same request is made here."""

KEY = "BGECHECK_API_KEY"
"""The variable that holds the key, which no snippet ever does."""

SAMPLE = "今天天气怎么样？"


class Endpoint(NamedTuple):
    """Where and what: the base URL with `/v1`, the address without it, the model's name, dimension and longest text."""

    base_url: str
    root: str
    model: str
    dims: int
    tokens: int | None
    """None where nobody tells how long a text may be."""


class Client(NamedTuple):
    """A client, how its snippet is tried, and what the snippet is."""

    name: str
    runs: Runs
    needs: str | None
    """The package without which it cannot be run."""
    written: Callable[[Endpoint, Language], str]
    """The snippet, its comments and hints in the user's language."""


def _python(at: Endpoint, language: Language) -> str:
    return f'''import os

from openai import OpenAI

client = OpenAI(base_url={at.base_url!r}, api_key=os.environ.get("{KEY}", "EMPTY"))
answer = client.embeddings.create(model={at.model!r}, input=[{SAMPLE!r}])
vector = answer.data[0].embedding
print(len(vector), vector[:5])
'''


def _javascript(at: Endpoint, language: Language) -> str:
    return f"""import OpenAI from "openai";

const client = new OpenAI({{ baseURL: {json.dumps(at.base_url)}, apiKey: process.env.{KEY} ?? "EMPTY" }});
const answer = await client.embeddings.create({{
  model: {json.dumps(at.model)},
  input: [{json.dumps(SAMPLE, ensure_ascii=False)}],
}});
const vector = answer.data[0].embedding;
console.log(vector.length, vector.slice(0, 5));
"""


def _curl(at: Endpoint, language: Language) -> str:
    body = json.dumps({"model": at.model, "input": [SAMPLE]}, ensure_ascii=False)
    return f"""curl -sS --noproxy '*' {shlex.quote(at.base_url + "/embeddings")} \\
  -H "Authorization: Bearer ${{{KEY}:-EMPTY}}" \\
  -H 'Content-Type: application/json' \\
  -d {shlex.quote(body)}
"""


_TOKEN_IDS = Text(
    "else it sends token ids of another tokenizer, and every vector is wrong",
    "不设的话，发出去的是另一种分词器的 token id，向量全是错的",
)


def _langchain(at: Endpoint, language: Language) -> str:
    return f'''import os

from langchain_openai import OpenAIEmbeddings

embeddings = OpenAIEmbeddings(
    model={at.model!r},
    base_url={at.base_url!r},
    api_key=os.environ.get("{KEY}", "EMPTY"),
    check_embedding_ctx_length=False,  # {_TOKEN_IDS.to(language)}
    chunk_size=64,
)
vector = embeddings.embed_query({SAMPLE!r})
print(len(vector), vector[:5])
'''


def _form(*fields: tuple[Words, Words | Callable[[Endpoint], str]]) -> Callable[[Endpoint, Language], str]:
    def written(at: Endpoint, language: Language) -> str:
        values = [(name, value(at) if callable(value) else say(value, language)) for name, value in fields]
        return "".join(f"{say(name, language)}: {value}\n" for name, value in values)

    return written


def _base(at: Endpoint) -> str:
    return at.base_url


def _model(at: Endpoint) -> str:
    return at.model


def _tokens(at: Endpoint) -> str:
    return str(at.tokens) if at.tokens else "?"


_KEY = Text(f"${KEY} (any text where the server checks none)", f"${KEY}（服务不校验 key 时随便填）")

# Which address each wants: see `per_client` of the row probe.base-url.
CLIENTS = {
    client.name: client
    for client in (
        Client("python", "python", "openai", _python),
        Client("js", "javascript", "openai", _javascript),
        Client("curl", "shell", "curl", _curl),
        Client("langchain", "python", "langchain_openai", _langchain),
        Client(
            "dify",
            "form",
            None,
            _form(
                ("Provider", "OpenAI-API-compatible"),
                ("Model Type", "Text Embedding"),
                ("Model Name", _model),
                ("API endpoint URL", _base),
                ("API Key", _KEY),
                ("Model context size", _tokens),
            ),
        ),
        Client(
            "ragflow",
            "form",
            None,
            _form(
                ("Factory", "OpenAI-API-Compatible"),
                ("Model type", "embedding"),
                ("Model name", _model),
                ("Base URL", _base),
                ("API Key", _KEY),
                ("Max tokens", _tokens),
            ),
        ),
        Client(
            "fastgpt",
            "form",
            None,
            _form(
                ("Model ID", _model),
                ("Custom request URL", lambda at: f"{at.base_url}/embeddings"),
                ("Custom request key", f"${KEY}"),
                ("Max tokens", _tokens),
            ),
        ),
        Client(
            "one-api",
            "form",
            None,
            _form(
                ("Channel type", "OpenAI"),
                ("Base URL", lambda at: at.root),
                ("Models", _model),
                ("Key", _KEY),
                (
                    Text("Test", "测试"),
                    Text(
                        "use /v1/embeddings: the channel's own test button asks a chat",
                        "直接请求 /v1/embeddings；渠道自带的“测试”按钮发的是 chat 请求",
                    ),
                ),
            ),
        ),
    )
}
CLIENTS["new-api"] = CLIENTS["one-api"]._replace(name="new-api")

COMMENT = {"python": "#", "javascript": "//", "shell": "#", "form": "#"}
