"""Sessions that serve a reranker: it gives a pair of texts a score, and no text a vector."""

from __future__ import annotations

import re

from bgecheck.engines.base import Changes
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.knowledge.models import is_reranker

NAME = "reranker-served"

_SCORES = re.compile(r"\w+For(?:SequenceClassification|RewardModel|Ranking)|\w+RewardModel")
"""Classes that end in a head for scores."""


def signs(session: Session) -> list[str]:
    """What shows that the model is a reranker: its class, or its name."""
    by_class = [f"type={session.architecture}"] if _SCORES.fullmatch(session.architecture) else []
    for name in ("model_path", "served_model_name"):
        value = session.argument(name)
        if is_reranker(value):
            return [*by_class, f"{name}={value}"]
    return by_class


def served(session: Session) -> Hit | None:
    """A reranker of which embeddings were asked, or nothing yet; one that is only asked for scores does its work."""
    shown = signs(session)
    if not shown or (session.requests["other"] and not _asked_for_vectors(session)):
        return None
    line = session.args_line or session.ready_line or session.first_line
    return Hit(NAME, line, ", ".join(shown), 3, False, session.phase)


def _asked_for_vectors(session: Session) -> bool:
    return session.requests["ok"] > 0 or any("embed" in kind or "/encode " in kind for kind in session.refused)


_TEMPLATES = {"Qwen3-Reranker": "qwen3_reranker.jinja", "Qwen3-VL-Reranker": "qwen3_vl_reranker.jinja"}
"""The prompts that sglang has for rerankers which say yes or no (its examples/chat_template, from 0.5.8 on)."""


def template(session: Session) -> str | None:
    """The prompt that a reranker needs to be asked by query and document; None where it has one, or needs none."""
    if _SCORES.fullmatch(session.architecture) or session.argument("chat_template") not in (None, "None"):
        return None
    names = " ".join(filter(None, map(session.argument, ("model_path", "served_model_name")))).lower()
    return next((file for family, file in _TEMPLATES.items() if family.lower() in names), None)


def route(session: Session, hit: Hit) -> str | None:
    """`generates`, where the model says yes or no as the next token instead of through a head; `template`, to be asked so."""
    if template(session) is not None:
        return "template"
    return "generates" if session.architecture.endswith("ForCausalLM") else None


def relaunch(session: Session, hit: Hit) -> Changes | None:
    """The launch line of one that needs a prompt."""
    file = template(session)
    return None if file is None else {"is-embedding": None, "disable-radix-cache": "", "chat-template": file}


def values(session: Session, hit: Hit) -> dict[str, str]:
    """What shows that it is one, and the prompt that it needs."""
    return {"signs": hit.text, "template": template(session) or ""}
