"""Sessions that serve a reranker: it gives a pair of texts a score, and no text a vector."""

from __future__ import annotations

import re

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


def route(session: Session, hit: Hit) -> str | None:
    """`generates`, where the model says yes or no as the next token instead of through a head."""
    return "generates" if session.architecture.endswith("ForCausalLM") else None
