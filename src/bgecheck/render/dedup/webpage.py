"""A de-duplication as one page of HTML that needs nothing else: histograms, the largest groups, the closest calls."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from bgecheck.dedup.outcome import Group, Outcome, Pair
from bgecheck.model import Text
from bgecheck.render.dedup.bars import Series, drawing
from bgecheck.render.dedup.words import (
    CALLS,
    DROPPED,
    GROUPS,
    JUST_DROPPED,
    JUST_KEPT,
    KEPT,
    RANDOM,
    SIMILARITIES,
    UNRELATED,
    doubts,
    facts,
    number,
    shown,
)
from bgecheck.render.htmlpage import escaped, page, table
from bgecheck.render.screen import Screen

_GROUPS, _MEMBERS, _CALLS = 50, 20, 25
"""Rows that are shown of each."""
_SIMILARITY, _TEXT, _OTHER = Text("similarity", "相似度"), Text("text", "文本"), Text("beside", "对照文本")
_LEGEND = Text(
    "A text is dropped where its cosine similarity to one kept before exceeds the threshold; it stands in the group of "
    "the first such text. Whether two texts mean the same is for a reader to say: look at the closest calls.",
    "文本与之前保留的某条文本的余弦相似度超过阈值即被去除，并归入第一条这样的文本的组。两条文本是否真的同义，要由人来判断：请看最接近阈值的文本对。",
)


def outcome_page(outcome: Outcome, screen: Screen, *, subject: str, calibrated: bool, command: str) -> str:
    """The whole page; `subject` names the file of the texts."""
    title = screen.say(Text(f"De-duplication of {subject}", f"{subject} 的语义去重"))
    body = [f"<header>\n<h1>{escaped(title)}</h1>", _facts(outcome, screen)]
    remarks = doubts(outcome, calibrated=calibrated)
    body += [f'<p class="note">{escaped(screen.say(remark))}</p>' for remark in remarks]
    body += [] if calibrated else [f"<pre>{escaped(command)}</pre>"]
    body += ["</header>", *_histograms(outcome, screen), *_calls(outcome, screen), *_groups(outcome, screen)]
    return page(f"bgecheck dedup · {subject}", "\n".join(body), screen.say(_LEGEND), screen, _style())


def _facts(outcome: Outcome, screen: Screen) -> str:
    rows = [
        f"<dt>{escaped(screen.say(name))}</dt><dd>{escaped(screen.say(words))}</dd>" for name, words in facts(outcome)
    ]
    return f"<dl>{''.join(rows)}</dl>"


def _histograms(outcome: Outcome, screen: Screen) -> Iterator[str]:
    dropped, kept = outcome.histogram()
    series = (Series(KEPT, kept.tolist(), "", "", "kept"), Series(DROPPED, dropped.tolist(), "", "", "dropped"))
    yield _section(SIMILARITIES, drawing(series, outcome.threshold, screen), screen)
    if outcome.unrelated is not None:
        random = Series(UNRELATED, outcome.unrelated.histogram.tolist(), "", "", "random")
        yield _section(RANDOM, drawing((random,), outcome.threshold, screen), screen)


def _calls(outcome: Outcome, screen: Screen) -> Iterator[str]:
    dropped, kept = outcome.closest(_CALLS)
    for name, pairs in ((JUST_DROPPED, dropped), (JUST_KEPT, kept)):
        if pairs:
            heading = Text(f"{CALLS.en}: {name.en}", f"{CALLS.zh}：{name.zh}")
            yield _section(heading, _pairs(pairs, outcome, screen), screen)


def _pairs(pairs: Sequence[Pair], outcome: Outcome, screen: Screen) -> str:
    rows = [
        (
            number(pair.similarity, outcome),
            escaped(shown(outcome.texts[pair.text])),
            escaped(shown(outcome.texts[pair.other])),
        )
        for pair in pairs
    ]
    return table((_SIMILARITY, _TEXT, _OTHER), rows, screen)


def _groups(outcome: Outcome, screen: Screen) -> Iterator[str]:
    groups = sorted((group for group in outcome.groups() if group.dropped), key=lambda group: -len(group.dropped))
    if groups:
        yield f"<h2>{escaped(screen.say(GROUPS))}</h2>"
    for group in groups[:_GROUPS]:
        yield _group(group, outcome, screen)


def _group(group: Group, outcome: Outcome, screen: Screen) -> str:
    rows = [
        (number(pair.similarity, outcome), escaped(shown(outcome.texts[pair.text])))
        for pair in group.dropped[:_MEMBERS]
    ]
    more = len(group.dropped) - len(rows)
    if more > 0:
        rows.append(("", escaped(screen.say(Text(f"... and {more:,} more", f"……另有 {more:,} 条")))))
    heading = f"{shown(outcome.texts[group.kept])} ({len(group.dropped) + 1:,})"
    return f"<section>\n<h3>{escaped(heading)}</h3>\n{table((_SIMILARITY, _TEXT), rows, screen)}\n</section>"


def _style() -> str:
    """How the histograms look, shipped as a file beside this one."""
    with open(os.path.join(os.path.dirname(__file__), "histogram.css"), encoding="utf-8") as file:
        return file.read()


def _section(heading: Text, content: str, screen: Screen) -> str:
    return f"<section>\n<h2>{escaped(screen.say(heading))}</h2>\n{content}\n</section>"
