"""`bgecheck embed TEXT...`: the smoke test, a short proof that the vectors of a server are right."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from bgecheck.cli.examine import deliver, examine, plan, target
from bgecheck.cli.options import RunOptions, TargetOptions, takes_options
from bgecheck.model import BadInput, Text


@takes_options
def command(
    target_options: TargetOptions,
    run_options: RunOptions,
    texts: Annotated[
        list[str] | None,
        Argument(metavar="TEXT...", help="Texts to embed; without one, a new Chinese text is made up."),
    ] = None,
) -> None:
    """Are the vectors right: dims, norm, first numbers, latency, and the rows that are cheap to prove (--full: all)."""
    for text in texts or ():
        _usable(text)
    the_plan = plan("embed", ["embed"], run_options, texts or (), screen="smoke", cheap=not run_options.full)
    deliver(the_plan, [examine(the_plan, target(target_options))], run_options)


def _usable(text: str) -> None:
    if not text.strip():
        raise BadInput(
            repr(text),
            Text(
                "a blank text has no vector: sglang refuses the whole request",
                "空白文本没有向量，sglang 会拒绝整个请求",
            ),
            Text(
                'give some text, for example: bgecheck embed "今天天气怎么样？"',
                '给一段文字，例如：bgecheck embed "今天天气怎么样？"',
            ),
        )
    if len(text) > 100_000:
        raise BadInput(
            f"{text[:20]}… ({len(text)})",
            Text("longer than any embedding model reads", "超过任何 embedding 模型的长度上限"),
            Text("cut it into pieces of at most 500 characters", "切成每段不超过 500 字再试"),
        )
