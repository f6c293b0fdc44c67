"""A de-duplication on the screen: figures, what is kept, the largest groups, the closest calls, a histogram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bgecheck.dedup.outcome import Outcome, Pair
from bgecheck.model import Text
from bgecheck.render.dedup.bars import Series, bars
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
from bgecheck.render.prose import Prose, shortened
from bgecheck.render.screen import Screen, drawn

_KEPT, _GROUPS, _MEMBERS, _CALLS = 20, 5, 5, 5
"""Lines that are shown of each."""


def drawn_outcome(
    outcome: Outcome, screen: Screen, *, every_group: bool, written: Sequence[str], calibrated: bool, command: str
) -> str:
    """The whole screen; `written` names the files that hold what is not shown, `command` finds a threshold."""
    console = screen.console()
    table = screen.table()
    table.add_column(no_wrap=True, style="bold")
    table.add_column(ratio=1)
    for name, words in facts(outcome):
        table.add_row(screen.say(name), Prose(screen.say(words)))
    console.print(table)
    for line in _body(outcome, screen, every_group):
        console.print(line, soft_wrap=True)
    for remark in doubts(outcome, calibrated=calibrated):
        console.print(Prose(screen.say(remark)))
    if not calibrated:
        console.print(f"  {command}", soft_wrap=True)
    if written:
        files = ", ".join(written)
        console.print(screen.say(Text(f"written: {files}", f"已写入：{files}")), soft_wrap=True)
    console.print(_last_line(outcome, screen), soft_wrap=True)
    return drawn(console)


def _body(outcome: Outcome, screen: Screen, every_group: bool) -> Iterator[str]:
    if every_group:
        yield from _groups(outcome, screen, len(outcome.texts), len(outcome.texts))
    else:
        yield from _kept(outcome, screen)
        yield from _groups(outcome, screen, _GROUPS, _MEMBERS)
    yield from _calls(outcome, screen)
    dropped, kept = outcome.histogram()
    series = (
        Series(KEPT, kept.tolist(), "░", ".", "kept"),
        Series(DROPPED, dropped.tolist(), "█", "#", "dropped"),
    )
    if lines := bars(series, screen):
        yield screen.say(SIMILARITIES)
        yield from lines
    if outcome.unrelated is not None:
        yield screen.say(RANDOM)
        yield from bars((Series(UNRELATED, outcome.unrelated.histogram.tolist(), "▒", "=", "random"),), screen)


def _kept(outcome: Outcome, screen: Screen) -> Iterator[str]:
    numbers = outcome.kept
    yield screen.say(KEPT)
    for text in numbers[:_KEPT]:
        yield _line("  ", outcome.texts[text], screen)
    if len(numbers) > _KEPT:
        more = f"{len(numbers) - _KEPT:,}"
        yield "  " + screen.say(
            Text(f"... and {more} more; all of them: --write FILE", f"……另有 {more} 条；全部写出：--write 文件")
        )


def _groups(outcome: Outcome, screen: Screen, most: int, members: int) -> Iterator[str]:
    groups = sorted((group for group in outcome.groups() if group.dropped), key=lambda group: -len(group.dropped))
    if groups:
        yield screen.say(GROUPS)
    for group in groups[:most]:
        yield _line(f"  {len(group.dropped) + 1:,}  ", outcome.texts[group.kept], screen)
        for pair in group.dropped[:members]:
            yield _line(f"     {number(pair.similarity, outcome)}  ", outcome.texts[pair.text], screen)
        if len(group.dropped) > members:
            more = f"{len(group.dropped) - members:,}"
            yield "     " + screen.say(Text(f"... and {more} more", f"……另有 {more} 条"))


def _calls(outcome: Outcome, screen: Screen) -> Iterator[str]:
    dropped, kept = outcome.closest(_CALLS)
    if dropped or kept:
        yield screen.say(CALLS)
    for name, pairs in ((JUST_DROPPED, dropped), (JUST_KEPT, kept)):
        if pairs:
            yield f"  {screen.say(name)}"
        for pair in pairs:
            yield from _call(pair, outcome, screen)


def _call(pair: Pair, outcome: Outcome, screen: Screen) -> Iterator[str]:
    figure = number(pair.similarity, outcome)
    yield _line(f"    {figure}  ", outcome.texts[pair.text], screen)
    yield _line(" " * (6 + len(figure)), outcome.texts[pair.other], screen)


def _line(before: str, text: str, screen: Screen) -> str:
    return before + shortened(shown(text), screen.width - len(before))


def _last_line(outcome: Outcome, screen: Screen) -> str:
    kept, dropped, threshold = len(outcome.kept), len(outcome.dropped), f"{outcome.threshold:g}"
    return screen.say(
        Text(
            f"{kept:,} kept, {dropped:,} dropped at similarity > {threshold}",
            f"相似度 > {threshold} 视为重复：保留 {kept:,} 条，去除 {dropped:,} 条",
        )
    )
