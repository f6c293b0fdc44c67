"""Which server answers, by what each engine and gateway is known to write of itself."""

from collections.abc import Mapping
from typing import Any

from bgecheck.checks.answering import Engine
from bgecheck.checks.refusals import kind_of
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.http.embeddings import refusal
from bgecheck.http.failures import Failure
from bgecheck.http.gateways import LITELLM, gateway_of
from bgecheck.http.reply import Reply
from bgecheck.model import clean

SGLANG = "sglang"
READINESS = "/health/readiness"
"""Of LiteLLM: tells its version, and calls no model."""


def health_pages(engine: Engine) -> tuple[str, ...]:
    """The pages that say whether a server is well, and cost nothing to ask.

    LiteLLM's `/health` makes a real call, paid for, to every model that it knows (seen with 1.80.0).
    """
    return (READINESS,) if engine.name == LITELLM else PAGES.health


def engine_of(server: Server, models: Reply) -> Engine:
    """The engine, or the gateway before it, by the model list, the info pages and the headers."""
    gateway = gateway_of(models.headers)
    if gateway:
        return Engine(gateway.name, gateway.version)
    owner = _owner(models.json())
    if _may_be_litellm(models, owner) and (version := _text(_object(server.page(READINESS)), "litellm_version")):
        return Engine(LITELLM, version)
    if models.status in (401, 403):
        return _behind_a_key(server, models)
    if models.status >= 500:
        return Engine(ROUTER if _is_router(models) else None, None)
    info, settings = server.model_info(), server.server_info()
    if owner == SGLANG or (info and "is_generation" in info):
        return Engine(SGLANG, _text(settings, "version") or _sglang_release(server, info))
    return _other_engine(server, owner, models)


ROUTER = "sglang router"


def _is_router(models: Reply) -> bool:
    """The router of sglang passes the model list on too, and says when it has no worker to pass it to."""
    return kind_of(refusal(models)) == "no-workers"


_UNAUTHORIZED = {"error": "Unauthorized"}
"""What sglang and vLLM say to a wrong key."""


def _behind_a_key(server: Server, models: Reply) -> Engine:
    """sglang and vLLM refuse in the same words; vLLM keeps only `/v1` behind the key, sglang its version too."""
    if models.json() != _UNAUTHORIZED:
        return Engine(None, None)
    version = _text(_object(server.page("/version")), "version")
    return Engine("vLLM", version) if version else Engine(SGLANG, None)


def _may_be_litellm(models: Reply, owner: str | None) -> bool:
    """Its model list says `openai` of every model, and its refusals are other than those of sglang and vLLM."""
    return owner == "openai" or (models.status in (400, 401) and models.json() != _UNAUTHORIZED)


def _sglang_release(server: Server, info: Mapping[str, Any] | None) -> str | None:
    """What the pages show of the release where none tells it.

    `/model_info` came with 0.5.6, its `embedding` object with 0.5.17.
    """
    if info is None:
        return None
    if "embedding" in info:
        return ">= 0.5.17"
    page = server.page(server.pages.model[0])
    if isinstance(page, Reply) and page.status == 404:
        return "< 0.5.6"
    return ">= 0.5.6"


def _owner(payload: Any) -> str | None:
    data = payload.get("data") if isinstance(payload, Mapping) else None
    card = data[0] if isinstance(data, list) and data and isinstance(data[0], Mapping) else {}
    owner = card.get("owned_by")
    return owner if isinstance(owner, str) else None


_OWNERS = {"infinity": "Infinity", "library": "Ollama", "xinference": "Xinference"}
"""What other engines write into `owned_by` of their model list."""


def _other_engine(server: Server, owner: str | None, models: Reply) -> Engine:
    if owner == "vllm":
        return Engine("vLLM", _text(_object(server.page("/version")), "version"))
    if owner == "library":
        return Engine("Ollama", _text(_object(server.page("/api/version")), "version"))
    if owner in _OWNERS:
        return Engine(_OWNERS[owner], None)
    if models.status != 404:
        return Engine(None, None)
    # text-embeddings-inference has no model list, and an /info page that no other engine has.
    info = _object(server.page("/info"))
    if info and "model_id" in info and "max_client_batch_size" in info:
        return Engine("text-embeddings-inference", _text(info, "version"))
    return _front(models)


def _front(models: Reply) -> Engine:
    """The web server that wrote the answer, which is all that is known where no engine tells of itself."""
    front = clean(models.headers.get("server", ""), 60)
    # What every Python engine is served by says nothing of the engine.
    return Engine(front, None) if front and not _is_uvicorn(models) else Engine(None, None)


def _is_uvicorn(models: Reply) -> bool:
    return "uvicorn" in models.headers.get("server", "uvicorn").lower()


def _object(page: Reply | Failure) -> Mapping[str, Any] | None:
    payload = page.json() if isinstance(page, Reply) else None
    return payload if isinstance(payload, Mapping) else None


def _text(page: Mapping[str, Any] | None, name: str) -> str | None:
    value = page.get(name) if page else None
    return clean(value, 60) if isinstance(value, str) else None
