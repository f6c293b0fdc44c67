"""`bgecheck snippet [CLIENT]`: client code for this endpoint, run before it is shown."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer
from typer import Argument, Option

from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import target
from bgecheck.cli.language import language
from bgecheck.cli.options import TargetOptions, takes_options
from bgecheck.cli.stdout import to_stdout
from bgecheck.model import BadInput, Language, Redactor, Target, Text, Unavailable, say
from bgecheck.model.registry import lookup
from bgecheck.snippet.clients import CLIENTS, COMMENT, SAMPLE, Client, Endpoint
from bgecheck.snippet.trial import Trial, tried


@takes_options
def command(
    target_options: TargetOptions,
    name: Annotated[str, Argument(metavar="CLIENT", help=f"One of: {', '.join(CLIENTS)}.")] = "python",
    lang: Annotated[str | None, Option("--lang", envvar="BGECHECK_LANG", metavar="zh|en", help="Language.")] = None,
    timeout: Annotated[
        str, Option("--timeout", envvar="BGECHECK_TIMEOUT", metavar="DUR", help="For the request, and for the run.")
    ] = "20s",
) -> None:
    """Client code, or the values of a client's form, for this endpoint: run just now, or why it could not be."""
    client = CLIENTS.get(name)
    if client is None:
        raise BadInput(
            name,
            Text("no client of this name", "没有这个客户端"),
            Text(f"choose: {', '.join(CLIENTS)}", f"可选：{', '.join(CLIENTS)}"),
        )
    chosen, limit = language(lang), seconds("--timeout", timeout)
    looked_at = target(target_options)
    at = endpoint(looked_at, limit)
    trial = tried(client, at, looked_at.api_key, limit)
    _show(client, at, trial, looked_at, chosen)
    raise typer.Exit({True: 0, False: 1, None: 4}[trial.worked])


def endpoint(looked_at: Target, limit: float) -> Endpoint:
    """The endpoint after one real embedding. Raises `Unavailable` where there is none to write code for."""
    from bgecheck.http.embeddings import Embedded, describe
    from bgecheck.sources.deadline import Deadline
    from bgecheck.sources.server import Server

    with closing(Server(looked_at, Deadline(limit), limit)) as server:
        answer, model, longest = server.embed([SAMPLE]), server.model_name() or "default", server.max_model_len()
        base_url = server.base_url
    redactor = Redactor(looked_at.secrets())
    if isinstance(answer, Embedded):
        known = lookup(model)
        longest = longest or (known.max_tokens if known else None)
        base_url, root, model = (redactor.text(text) for text in (base_url, base_url.removesuffix("/v1"), model))
        return Endpoint(base_url, root, model, len(answer.vectors[0]), longest)
    words = Text(
        "{url} answers no embedding ({said}): see bgecheck probe --url {url}",
        "{url} 没有返回向量（{said}）：请先运行 bgecheck probe --url {url}",
    )
    raise Unavailable(words.filled({"url": looked_at.base_url, "said": redactor.value(describe(answer))}))


def _show(client: Client, at: Endpoint, trial: Trial, looked_at: Target, chosen: Language) -> None:
    # The code itself names the key's variable only, which a redactor would take for a key.
    state = Redactor(looked_at.secrets()).text(say(trial.said, chosen))
    if trial.worked is None:
        state = say(Text(f"not run: {state}", f"没有运行：{state}"), chosen)
    to_stdout(f"{COMMENT[client.runs]} {state}\n{client.written(at)}")
    if not trial.worked:
        print(f"bgecheck: {state}", file=sys.stderr)
