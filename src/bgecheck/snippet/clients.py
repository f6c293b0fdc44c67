"""What each client needs to reach an endpoint: code to copy, or the values of its form."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from bgecheck.model import Language, Text, Words, say
from bgecheck.model.hygiene import KEY_VARIABLE

Runs = Literal["python", "javascript", "shell", "form"]
"""How it is tried: by an interpreter; a form has nothing to run, so that the same request is made here."""

SAMPLE = "今天天气怎么样？"


class Endpoint(NamedTuple):
    """Where and what: the base URL with `/v1`, the address without it, the model's name, dimension and longest text."""

    base_url: str
    root: str
    model: str
    dims: int
    tokens: int | None
    """None where nobody tells how long a text may be."""
    key: bool = False
    """Whether the server wants a key."""
    loopback: bool = False
    """Whether the address leads to this machine itself, from a container to the container."""
    unreachable: Words | None = None
    """Why no container reaches the server, and what mends it; None where nothing is known to be in the way."""
    numbers: bool = True
    """Whether the vector that was answered holds any number."""


EXPORT = Text(
    f"export {KEY_VARIABLE} first: the key that the server was started with",
    f"请先 export {KEY_VARIABLE}，值是服务启动时设的 key",
)
"""What a snippet says, and ends with, where its key is missing."""


class Client(NamedTuple):
    """A client, how its snippet is tried, and what the snippet is."""

    name: str
    runs: Runs
    needs: str | None
    """The package without which it cannot be run."""
    written: Callable[[Endpoint, Language], str]
    """The snippet, its comments and hints in the user's language."""


def _key_in_python(at: Endpoint, language: Language) -> tuple[str, str]:
    """The imports that it takes to read the key, and the expression: without the key it ends in words."""
    read = f'os.environ.get("{KEY_VARIABLE}"'
    if not at.key:
        return "import os", f'{read}, "EMPTY")'
    return "import os\nimport sys", f"{read}) or sys.exit({EXPORT.to(language)!r})"


def _python(at: Endpoint, language: Language) -> str:
    imports, key = _key_in_python(at, language)
    return f"""{imports}

from openai import OpenAI

api_key = {key}
client = OpenAI(base_url={at.base_url!r}, api_key=api_key)
answer = client.embeddings.create(model={at.model!r}, input=[{SAMPLE!r}])
vector = answer.data[0].embedding
print(len(vector), vector[:5])
"""


def _javascript(at: Endpoint, language: Language) -> str:
    missing = json.dumps(EXPORT.to(language), ensure_ascii=False)
    check = f"if (!apiKey) {{\n  console.error({missing});\n  process.exit(1);\n}}\n" if at.key else ""
    default = "" if at.key else ' ?? "EMPTY"'
    return f"""import OpenAI from "openai";

const apiKey = process.env.{KEY_VARIABLE}{default};
{check}const client = new OpenAI({{ baseURL: {json.dumps(at.base_url)}, apiKey }});
const answer = await client.embeddings.create({{
  model: {json.dumps(at.model)},
  input: [{json.dumps(SAMPLE, ensure_ascii=False)}],
}});
const vector = answer.data[0].embedding;
console.log(vector.length, vector.slice(0, 5));
"""


def _curl(at: Endpoint, language: Language) -> str:
    body = json.dumps({"model": at.model, "input": [SAMPLE]}, ensure_ascii=False)
    key = f"{KEY_VARIABLE}:?{EXPORT.to(language)}" if at.key else f"{KEY_VARIABLE}:-EMPTY"
    return f"""curl -sS --noproxy '*' {shlex.quote(at.base_url + "/embeddings")} \\
  -H "Authorization: Bearer ${{{key}}}" \\
  -H 'Content-Type: application/json' \\
  -d {shlex.quote(body)}
"""


_TOKEN_IDS = Text(
    "else it sends token ids of another tokenizer, and every vector is wrong",
    "不设的话，发出去的是另一种分词器的 token id，向量全是错的",
)


def _langchain(at: Endpoint, language: Language) -> str:
    imports, key = _key_in_python(at, language)
    return f"""{imports}

from langchain_openai import OpenAIEmbeddings

api_key = {key}
embeddings = OpenAIEmbeddings(
    model={at.model!r},
    base_url={at.base_url!r},
    api_key=api_key,
    check_embedding_ctx_length=False,  # {_TOKEN_IDS.to(language)}
    chunk_size=64,
)
vector = embeddings.embed_query({SAMPLE!r})
print(len(vector), vector[:5])
"""


Field = tuple[Words, Callable[[Endpoint], Words]]
"""A field of a form and its value."""


def _form(*fields: Field, notes: tuple[Words, ...] = ()) -> Callable[[Endpoint, Language], str]:
    """The fields of a form with their values, then what else is to be known of them."""

    def written(at: Endpoint, language: Language) -> str:
        values = [(name, value(at)) for name, value in fields]
        remarks = [(_NOTE, note) for note in (*notes, *_about_containers(at))]
        return "".join(f"{say(name, language)}: {say(value, language)}\n" for name, value in values + remarks)

    return written


_NOTE = Text("Note", "说明")


def _fixed(words: str) -> Callable[[Endpoint], Words]:
    return lambda at: words


def _from_container(url: str, at: Endpoint) -> str:
    """An address as it reaches this machine from a container, in which 127.0.0.1 is the container itself."""
    if not at.loopback:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=f"{HOST_OF_CONTAINERS}:{parts.port or _PORTS[parts.scheme]}").geturl()


HOST_OF_CONTAINERS = "host.docker.internal"
"""The host's name in a container: with Docker Desktop by itself, on Linux with --add-host."""

_PORTS = {"http": 80, "https": 443}


def _about_containers(at: Endpoint) -> tuple[Words, ...]:
    if not at.loopback:
        return ()
    note = Text(
        f"this tool usually runs in Docker, where 127.0.0.1 is its own container. On Linux its container needs "
        f"--add-host {HOST_OF_CONTAINERS}:host-gateway (Compose: extra_hosts); outside of Docker use {at.root}",
        f"该工具通常跑在 Docker 里，容器里的 127.0.0.1 是容器自己。Linux 上容器要加 "
        f"--add-host {HOST_OF_CONTAINERS}:host-gateway（Compose 用 extra_hosts）；不在 Docker 里则用 {at.root}",
    )
    return (note, at.unreachable) if at.unreachable else (note,)


def _base(at: Endpoint) -> Words:
    return _from_container(at.base_url, at)


def _root(at: Endpoint) -> Words:
    return _from_container(at.root, at)


def _route(at: Endpoint) -> Words:
    return f"{_from_container(at.base_url, at)}/embeddings"


def _model(at: Endpoint) -> Words:
    return at.model


def _tokens(at: Endpoint) -> Words:
    return str(at.tokens) if at.tokens else "?"


def _key(at: Endpoint) -> Words:
    if at.key:
        return Text(
            f"the key that the server was started with (it is in ${KEY_VARIABLE} here)",
            f"服务启动时设的 key（本机在 ${KEY_VARIABLE} 里）",
        )
    return Text("any text, EMPTY for instance: the server asks for none", "随便填，如 EMPTY：服务不校验 key")


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
                ("Provider", _fixed("OpenAI-API-compatible")),
                ("Model Type", _fixed("Text Embedding")),
                ("Model Name", _model),
                ("API endpoint URL", _base),
                ("API Key", _key),
                ("Model context size", _tokens),
            ),
        ),
        Client(
            "ragflow",
            "form",
            None,
            _form(
                ("Factory", _fixed("OpenAI-API-Compatible")),
                ("Model type", _fixed("embedding")),
                ("Model name", _model),
                ("Base URL", _base),
                ("API Key", _key),
                ("Max tokens", _tokens),
            ),
        ),
        Client(
            "fastgpt",
            "form",
            None,
            _form(
                ("Model ID", _model),
                ("Custom request URL", _route),
                ("Custom request key", _key),
                ("Max tokens", _tokens),
            ),
        ),
        Client(
            "one-api",
            "form",
            None,
            _form(
                ("Channel type", _fixed("OpenAI")),
                ("Base URL", _root),
                ("Models", _model),
                ("Key", _key),
                notes=(
                    Text(
                        "test it with /v1/embeddings: the channel's own test button asks a chat",
                        "测试时直接请求 /v1/embeddings；渠道自带的“测试”按钮发的是 chat 请求",
                    ),
                ),
            ),
        ),
    )
}
CLIENTS["new-api"] = CLIENTS["one-api"]._replace(name="new-api")

COMMENT = {"python": "#", "javascript": "//", "shell": "#", "form": "#"}
