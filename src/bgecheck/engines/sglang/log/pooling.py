"""Whether a session can compute its model's pooling at all: sglang reads no `1_Pooling`, and takes one token's state."""

from __future__ import annotations

from bgecheck.engines.sglang.log.session import Session
from bgecheck.knowledge.models import Model, lookup

ONE_TOKEN = frozenset({"BertModel", "XLMRobertaModel"})
"""Classes of which every release, 0.4.6 to 0.5.23, pools the first token or the last."""


def pools_otherwise(session: Session) -> Model | None:
    """The model, where its vectors are the mean of all tokens and this class is one that takes a single one."""
    model = lookup(session.argument("model_path"))
    if model is None or model.pooling != "mean" or session.architecture not in ONE_TOKEN:
        return None
    return model
