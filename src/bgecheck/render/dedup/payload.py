"""A de-duplication for programs: figures, groups and closest calls as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bgecheck.dedup.outcome import Outcome, Pair
from bgecheck.dedup.writing import rounded

_CALLS = 25


def outcome_as_json(outcome: Outcome) -> str:
    """The document `bgecheck.dedup/1`; texts by number from 0, groups in the order of what is kept."""
    dropped, kept = outcome.closest(_CALLS)
    one = outcome.unrelated
    payload = {
        "schema": "bgecheck.dedup/1",
        "threshold": outcome.threshold,
        "texts": len(outcome.texts),
        "kept": outcome.kept,
        "dropped": len(outcome.dropped),
        "copies": outcome.copies,
        "not_compared": outcome.apart,
        "blank": outcome.blank,
        "random_pairs": None
        if one is None
        else {"pairs": one.pairs, "median": one.median, "p99": one.high, "above_threshold": one.above},
        "groups": [
            {"kept": group.kept, "text": outcome.texts[group.kept], "dropped": _pairs(group.dropped, outcome)}
            for group in outcome.groups()
        ],
        "closest": {"dropped": _pairs(dropped, outcome, True), "kept": _pairs(kept, outcome, True)},
    }
    return json.dumps(payload, ensure_ascii=False, indent=1) + "\n"


def _pairs(pairs: Sequence[Pair], outcome: Outcome, both: bool = False) -> list[Mapping[str, object]]:
    return [
        {
            "number": pair.text,
            "text": outcome.texts[pair.text],
            "similarity": rounded(pair.similarity, outcome.threshold),
            **({"other": pair.other, "other_text": outcome.texts[pair.other]} if both else {}),
        }
        for pair in pairs
    ]
