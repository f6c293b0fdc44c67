"""Runs a snippet as its reader would: in an interpreter of its own, with the key in its environment, within a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import NamedTuple

from bgecheck.machine.bounded import bounded
from bgecheck.model import Language, Secret, Text, Words, clean, reason_of
from bgecheck.model.hygiene import KEY_VARIABLE
from bgecheck.snippet.clients import Client, Endpoint

OUTPUT = 2**22
"""Bytes that a snippet may print: the answer with one vector has a fraction of that."""

MEMORY = 2**28
"""Bytes that a snippet may hold: a client reads an answer whole, however long it is."""

_SHOWN = 300
"""Characters that are shown of what a failed snippet said."""


class Trial(NamedTuple):
    """What came of a snippet: it ran and gave the dimension, it failed, or (None) it could not be run here."""

    worked: bool | None
    outcome: Words


def tried(client: Client, at: Endpoint, key: Secret | None, seconds: float, language: Language = "en") -> Trial:
    """Run a snippet. A form is not run: the request that it leads to was made before, and gave `at`."""
    if client.runs == "form":
        if not at.numbers:
            return Trial(False, _no_number(at, Text("the request that this leads to was made", "已发送过同样的请求")))
        return Trial(True, Text("the request that this leads to was made from here", "已从本机发送过同样的请求"))
    command = _command(client)
    if isinstance(command, Text):
        return Trial(None, command)
    given = {**os.environ, KEY_VARIABLE: key.reveal() if key else "EMPTY", "NO_PROXY": "*", "no_proxy": "*"}
    try:
        done = bounded([*command, client.written(at, language)], given, seconds, OUTPUT, MEMORY)
    except subprocess.TimeoutExpired:
        return Trial(False, Text(f"it did not end within {seconds:g} s", f"{seconds:g} 秒内没有结束"))
    except OSError as error:
        why = reason_of(error)
        return Trial(None, Text(f"it could not be started: {why.en}", f"无法启动：{why.zh}"))
    if done is None:
        return Trial(
            False,
            Text("it was stopped: the response is too large, or does not end", "已中止：收到的响应过大，或一直不结束"),
        )
    return _judged(client, at, done)


def _command(client: Client) -> list[str] | Text:
    """What runs it, up to the code; or why nothing here does."""
    if client.runs == "python":
        if client.needs and find_spec(client.needs) is None:
            package = client.needs.replace("_", "-")
            return Text(
                f"{package} is not installed here: pip install {package}",
                f"本机没有安装 {package}：pip install {package}",
            )
        return [sys.executable, "-c"]
    program = "node" if client.runs == "javascript" else "curl"
    path = shutil.which(program)
    shell = shutil.which("sh")
    if path is None or (program == "curl" and shell is None):
        return Text(f"{program} is not installed here", f"本机没有安装 {program}")
    return [path, "--input-type=module", "-e"] if program == "node" else [str(shell), "-c"]


def _judged(client: Client, at: Endpoint, done: subprocess.CompletedProcess[bytes]) -> Trial:
    output, errors = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if "ERR_MODULE_NOT_FOUND" in errors and client.runs == "javascript":
        return Trial(
            None,
            Text("node finds no openai package here: npm install openai", "node 找不到 openai 包：npm install openai"),
        )
    works = _has_vector(output, at.dims) if client.runs == "shell" else output.startswith(f"{at.dims} ")
    if done.returncode == 0 and works and not at.numbers:
        return Trial(False, _no_number(at, Text("it was run just now", "刚刚运行过")))
    if done.returncode == 0 and works:
        return Trial(True, Text(f"it was run just now: {at.dims} numbers", f"刚刚运行过：{at.dims} 维"))
    last = next((line for line in reversed(errors.splitlines()) if line.strip()), "") or output
    message = clean(last, _SHOWN)
    return Trial(False, Text(f"it was run just now and failed: {message}", f"刚刚运行失败：{message}"))


def _no_number(at: Endpoint, done: Text) -> Text:
    """That the code is right and the server's numbers are not."""
    words = Text(
        f"{{done}}, and the vector of {at.dims} components has no usable number (null, NaN or infinite): "
        "see bgecheck embed --url {url}",
        f"{{done}}，但 {at.dims} 维向量里没有可用的数（全是 null、NaN 或无穷大）：请运行 bgecheck embed --url {{url}}",
    )
    return words.filled({"done": done, "url": at.base_url})


def _has_vector(output: str, dims: int) -> bool:
    import json

    try:
        data = json.loads(output)["data"][0]["embedding"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
    return isinstance(data, list) and len(data) == dims
