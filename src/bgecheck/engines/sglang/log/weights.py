"""Weights that were not loaded: which names a log gives, how many count, and why they did not fit."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.model import Text

NAME = "weights-not-loaded"

WHOLE_LAYER = 5
"""Tensors of layers from which on vectors are worthless: the smallest layer of an encoder has more."""

LAYERED = (
    r"(?<![\w.])(?!\S*(?:rotary|inv_freq|position_ids|_scale|zero_point|g_idx|masked_bias|nextn|\bmtp\b|visual|vision|audio))"
    r"(?:\w+\.){0,6}(?:(?:layers?|blocks?|h)\.\d+\.[\w.]{1,80}|embed_tokens\.|word_embeddings\.|wte\.)(?:weight|qweight|weight_packed)\b"
)
"""The name of a tensor without which a model computes nothing: of a layer, or of the table of its tokens."""

_DOUBLED = re.compile(r"(?<![\w.])model\.model\.")
_ADAPTER = re.compile(r"(?<![\w.])base_model\.model\.|\.lora_[AB]\.|\.base_layer\.")


def one_of_many(session: Session, text: str) -> str | None:
    """The cause of a line that names one tensor; a stage of a pipeline passes over those of the other stages."""
    return NAME if session.argument("pp_size") in (None, "1") else None


def listed(session: Session, text: str) -> str | None:
    """The cause of a line that lists tensors: a head that was left out is no loss, a layer is."""
    names = len(re.findall(LAYERED, text))
    if names >= WHOLE_LAYER:
        return NAME
    session.few_layers = max(session.few_layers, names)
    return None


def too_few(session: Session) -> Text | None:
    """Why it cannot be said that all layers were loaded: some tensors of them were left out, too few to prove it."""
    hit = session.hits.get(NAME)
    names = max(session.few_layers, hit.count if hit else 0)
    if not names or not_loaded(session):
        return None
    return Text(
        f"tensors of layers were left out ({names} in the log), too few to tell whether it matters: bgecheck embed",
        f"有个别层的权重没有加载（日志中 {names} 处），数量太少，看不出是否影响向量：bgecheck embed",
    )


def not_loaded(session: Session) -> Hit | None:
    """What shows that a session serves with weights as they were before anything was loaded."""
    if session.argument("load_format") == "dummy":
        line = session.args_line or session.first_line
        return Hit(NAME, line, "load_format=dummy", 4, False, "load")
    hit = session.hits.get(NAME)
    if hit is None:
        return None
    names = max(len(re.findall(LAYERED, hit.text)), hit.count)
    ranks = int(session.argument("tp_size") or 1)
    return hit if names >= WHOLE_LAYER * (ranks if hit.count > 1 else 1) else None


def why(session: Session, hit: Hit) -> str | None:
    """Which of the known reasons it is."""
    if "load_format=dummy" in hit.text:
        return "dummy"
    if _ADAPTER.search(hit.text):
        return "adapter"
    path = (session.argument("model_path") or "embedding").lower()
    return "doubled" if _DOUBLED.search(hit.text) and "embedding" in path else None


def values(session: Session, hit: Hit) -> dict[str, str]:
    """The names that a text gives, and how many they are in all."""
    names = re.findall(LAYERED, hit.text)
    shown = {"tensor": names[0] if names else "", "count": str(max(len(names), hit.count))}
    return {**shown, "link": LINK} if relaunch(session, hit) else shown


def relaunch(session: Session, hit: Hit) -> dict[str, str | None] | None:
    """The launch line that loads them: by another name of the folder, or without random weights."""
    reason, path = why(session, hit), session.argument("model_path") or ""
    if reason == "dummy":
        return {"load-format": None}
    if reason != "doubled" or not path.startswith("/"):
        return None
    served = session.argument("served_model_name") or path
    return {"model-path": LINK, "served-model-name": served}


LINK = "./model"
"""A name of the folder without what the release takes for a sign of another format."""
