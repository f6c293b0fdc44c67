"""`bgecheck snippet [CLIENT]`: client code for this endpoint, run before it is shown."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Context

from bgecheck.cli import complete
from bgecheck.cli.app import USE, command
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both, language
from bgecheck.cli.nearest import one_of
from bgecheck.cli.options import ApiKey, Lang, Model, Pid, TargetOptions, Timeout, Url, given
from bgecheck.cli.stderr import to_stderr
from bgecheck.cli.stdout import to_stdout
from bgecheck.model import Language, Redactor, Target, Text, Unavailable, say

if TYPE_CHECKING:
    from bgecheck.snippet.clients import Client, Endpoint
    from bgecheck.snippet.trial import Trial


@command(
    "snippet",
    USE,
    en="Client code for this endpoint, or the values of a client's form; run before it is shown.",
    zh="这个服务的客户端代码，或客户端表单要填的值；展示前先运行一遍",
    epilog=examples(
        ("bgecheck snippet", "the openai package", "Python（openai 包）"),
        ("bgecheck snippet curl --url 127.0.0.1:30000", "a server that is named", "指定服务"),
        ("bgecheck snippet dify", "the values of a form", "表单里要填的值"),
    ),
)
def snippet(
    ctx: Context,
    name: Annotated[
        str,
        Argument(
            metavar="CLIENT",
            autocompletion=complete.clients,
            help=both(
                "python, js, curl, langchain; the forms of dify, ragflow, fastgpt, one-api, new-api.",
                "python、js、curl、langchain，或表单 dify、ragflow、fastgpt、one-api、new-api",
            ),
        ),
    ] = "python",
    url: Url = None,
    pid: Pid = None,
    model: Model = None,
    api_key: ApiKey = None,
    timeout: Timeout = "20s",
    lang: Lang = None,
) -> None:
    """Print the code with what became of it when it was run."""
    from bgecheck.snippet.clients import CLIENTS
    from bgecheck.snippet.trial import tried

    client = CLIENTS[one_of("", name, CLIENTS)]
    chosen, limit = language(lang), seconds("--timeout", timeout)
    looked_at = target(given(TargetOptions, ctx))
    at = endpoint(looked_at, limit)
    trial = tried(client, at, looked_at.api_key, limit, chosen)
    _show(client, at, trial, looked_at, chosen)
    raise typer.Exit({True: 0, False: 1, None: 4}[trial.worked])


def endpoint(looked_at: Target, limit: float) -> Endpoint:
    """The endpoint after one real embedding. Raises `Unavailable` where there is none to write code for."""
    from bgecheck.engines.server import Server
    from bgecheck.engines.sglang.pages import PAGES
    from bgecheck.http.embeddings import Embedded, describe
    from bgecheck.knowledge.models import lookup
    from bgecheck.model.deadline import Deadline
    from bgecheck.snippet.clients import SAMPLE, Endpoint

    with closing(Server(looked_at, Deadline(limit), limit, PAGES)) as server:
        answer, model, longest = server.embed([SAMPLE]), server.model_name() or "default", server.max_model_len()
        base_url = server.base_url
    redactor = Redactor(looked_at.secrets())
    if isinstance(answer, Embedded):
        entry = lookup(model)
        longest = longest or (entry.max_tokens if entry else None)
        base_url, root, model = (redactor.text(text) for text in (base_url, base_url.removesuffix("/v1"), model))
        return Endpoint(base_url, root, model, len(answer.vectors[0]), longest)
    words = Text(
        "{url} answers no embedding ({said}): see bgecheck probe --url {url}",
        "{url} 没有返回向量（{said}）：请先运行 bgecheck probe --url {url}",
    )
    raise Unavailable(words.filled({"url": looked_at.base_url, "said": redactor.value(describe(answer))}))


def _show(client: Client, at: Endpoint, trial: Trial, looked_at: Target, chosen: Language) -> None:
    from bgecheck.snippet.clients import COMMENT

    # The code itself names the key's variable only, which a redactor would take for a key.
    state = Redactor(looked_at.secrets()).text(say(trial.outcome, chosen))
    if trial.worked is None:
        state = say(Text(f"not run: {state}", f"没有运行：{state}"), chosen)
    to_stdout(f"{COMMENT[client.runs]} {state}\n{client.written(at, chosen)}")
    if not trial.worked:
        to_stderr(state, chosen, looked_at.secrets())
