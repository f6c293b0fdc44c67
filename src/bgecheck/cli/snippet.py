"""`bgecheck snippet [CLIENT]`: client code for this endpoint, run before it is shown."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Context

from bgecheck.cli import complete
from bgecheck.cli.app import command
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both, language
from bgecheck.cli.nearest import one_of
from bgecheck.cli.options import ApiKey, ConfigFile, Lang, Model, Named, Pid, Timeout, Url
from bgecheck.cli.stderr import to_stderr
from bgecheck.cli.stdout import to_stdout
from bgecheck.cli.subjects import subject
from bgecheck.model import Language, Redactor, Target, Text, Unavailable, say

if TYPE_CHECKING:
    from bgecheck.snippet.clients import Client, Endpoint
    from bgecheck.snippet.trial import Trial


@command(
    "snippet",
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
    named: Named = None,
    pid: Pid = None,
    model: Model = None,
    api_key: ApiKey = None,
    timeout: Timeout = "20s",
    config: ConfigFile = None,
    lang: Lang = None,
) -> None:
    """Print the code with what became of it when it was run."""
    from bgecheck.snippet.clients import CLIENTS
    from bgecheck.snippet.trial import tried

    client = CLIENTS[one_of("", name, CLIENTS)]
    chosen, limit = language(lang), seconds("--timeout", timeout)
    looked_at = target(subject(ctx).options)
    at = endpoint(looked_at, limit)
    if isinstance(at, Text):
        to_stderr(at, chosen, looked_at.secrets())
        raise typer.Exit(1)
    trial = tried(client, at, looked_at.api_key, limit, chosen)
    _show(client, at, trial, looked_at, chosen)
    raise typer.Exit({True: 0, False: 1, None: 4}[trial.worked])


def endpoint(looked_at: Target, limit: float) -> Endpoint | Text:
    """The endpoint after one real embedding, or what was answered in place of a vector.

    Raises `Unavailable` where nothing answers, or nothing without the right key.
    """
    from bgecheck.engines.server import Server
    from bgecheck.engines.sglang.pages import PAGES
    from bgecheck.http.embeddings import Embedded, Refused, Unusable, describe
    from bgecheck.http.failures import Failure
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
        return Endpoint(
            base_url,
            root,
            model,
            len(answer.vectors[0]),
            longest,
            key=looked_at.api_key is not None,
            loopback=looked_at.is_local,
            unreachable=_opened(looked_at) if looked_at.is_local and _bound_locally(looked_at.port) else None,
            numbers=answer.has_numbers and not answer.is_zero,
        )
    wants_key = isinstance(answer, Refused) and answer.status in (401, 403)
    reason = _WANTS_KEY if wants_key else _NO_EMBEDDING
    if looked_at.searched and isinstance(answer, Failure):
        reason = _NO_SERVER
    words = reason.filled({"url": looked_at.base_url, "response": redactor.value(describe(answer))})
    if isinstance(answer, Refused | Unusable) and not wants_key:
        return words
    raise Unavailable(words)


_NO_EMBEDDING = Text(
    "{url} answers no embedding ({response}): see bgecheck probe --url {url}",
    "{url} 没有返回向量（{response}）：请先运行 bgecheck probe --url {url}",
)
_WANTS_KEY = Text(
    "{url} refuses without the right key ({response}): give the one that the server was started with, "
    "export BGECHECK_API_KEY=...",
    "{url} 因 key 不对拒绝了请求（{response}）：请设置服务启动时的 key，export BGECHECK_API_KEY=...",
)
_NO_SERVER = Text(
    "there is no server to write code for: no running sglang server was found here, and {url}, its default, does not "
    "answer ({response}). Start one, or name it with --url",
    "没有可用的服务：本机没有运行中的 sglang，默认地址 {url} 也没有响应（{response}）。请先启动服务，或用 --url 指定",
)


def _opened(looked_at: Target) -> Text:
    """That only this machine reaches the server, and how it is started so that containers do."""
    from bgecheck.engines.sglang.options import ALL_ADDRESSES, HOST_OF_ALL
    from bgecheck.engines.sglang.relaunch import launch_line, launch_of

    server = looked_at.server
    if server is None:
        return Text(
            f"the server listens on 127.0.0.1 only, which no container reaches: restart it with {ALL_ADDRESSES}",
            f"服务只监听 127.0.0.1，容器访问不到：加 {ALL_ADDRESSES} 重启",
        )
    line = Redactor(looked_at.secrets()).value(launch_line(launch_of(server), {"host": HOST_OF_ALL}))
    return Text(
        f"the server listens on 127.0.0.1 only, which no container reaches. Stop it (kill {server.pid}) and start it "
        f"with: {line}",
        f"服务只监听 127.0.0.1，容器访问不到。先停掉（kill {server.pid}），再这样启动：{line}",
    )


def _bound_locally(port: int) -> bool:
    """Whether all that listens on a port of this machine is bound to loopback addresses."""
    from bgecheck.machine.sockets import listeners

    try:
        sockets = listeners(port)
    except Unavailable:
        return False
    return bool(sockets) and all(listener.loopback for listener in sockets)


def _show(client: Client, at: Endpoint, trial: Trial, looked_at: Target, chosen: Language) -> None:
    from bgecheck.snippet.clients import COMMENT, EXPORT

    # The code itself names the key's variable only, which a redactor would take for a key.
    state = Redactor(looked_at.secrets()).text(say(trial.outcome, chosen))
    if trial.worked is None:
        state = say(Text(f"not run: {state}", f"没有运行：{state}"), chosen)
    remarks = [state, say(EXPORT, chosen)] if at.key and client.runs != "form" else [state]
    head = "".join(f"{COMMENT[client.runs]} {remark}\n" for remark in remarks)
    to_stdout(f"{head}{client.written(at, chosen)}")
    if not trial.worked:
        to_stderr(state, chosen, looked_at.secrets())
