"""Runs bgecheck's HTTP side against the true sglang of two releases, Infinity and LiteLLM, with and without a key.

usage: http_seen.py [sglang|infinity|litellm]

Needs setup_clients.sh, and of setup.sh, setup_old.sh, setup_infinity.sh, setup_litellm.sh and setup_st.sh those that
it runs. Each server is asked by `probe --full`, `doctor` and `snippet` for every client, and must still be alive, with
the same process, afterwards. sglang runs with and without its metrics. Exit status 0 when all is told rightly; the
table is written to docs/http-seen.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from gateways import MODEL as ST_MODEL
from gateways import PYTHON as ST_PYTHON
from gateways import answered, models, running
from prove import HERE, MEANINGLESS, OLD_PYTHON, PYTHON, RIGHT, free_port, launch_line

INFINITY = Path(os.environ.get("INFINITY", HERE / ".venv-infinity/bin/infinity_emb"))
LITELLM = Path(os.environ.get("LITELLM", HERE / ".venv-litellm/bin/litellm"))
KEY = "sk-http-seen-0123456789"
NAME = "bge-large-zh-v1.5"
CLIENTS_PYTHON = HERE / ".venv-clients/bin/python"
"""Has langchain-openai beside bgecheck."""
CLIENTS_FOLDER = HERE / "clients"
"""Has the openai package of node, where npm was to be had."""
CLIENTS = ("python", "js", "curl", "langchain", "dify", "ragflow", "fastgpt", "one-api", "new-api")
OLD = ("--disable-radix-cache", "--mem-fraction-static", "0.5")
WHERE = HERE.parent / "docs" / "http-seen.md"
PAGE = (
    "# What the HTTP side of bgecheck tells of true servers",
    "",
    "Written by `make real-http`: sglang on CPU, Infinity 0.0.78 and LiteLLM 1.80.0, each with a random BertModel "
    "shaped like bge-large-zh-v1.5. After all runs the server's own process was there and answered a real embedding.",
    "",
)


class Server(NamedTuple):
    """A server to start: its launch line for a port, the page that says when it is ready, and what must be told."""

    name: str
    line: Sequence[str]
    port: int
    ready: str
    key: str | None
    wanted: dict[str, str]
    """Status by row; every other row must hold or be left out."""
    doctor: int
    """Exit status of doctor: the old release pools the last token.

    Infinity's sentence-transformers 3.4.1 gives this model 2048 dimensions: it adds the mean to [CLS], because
    the model's 1_Pooling names its pooling as release 6 does and says nothing of the mean.
    `embed.dimension` is right to fail.
    """
    path: str = "/v1"
    before: Sequence[str] = ()
    """The line of the server that this one is a gateway to."""


def servers(which: Sequence[str]) -> list[Server]:
    """Those of the kinds that were asked for."""
    found: list[Server] = []
    if "sglang" in which:
        for release, python, options, doctor in (("0.5.23", PYTHON, RIGHT, 0), ("0.5.3.post3", OLD_PYTHON, OLD, 1)):
            for key, metrics in product((None, KEY), (True, False)):
                more = (*(("--enable-metrics",) if metrics else ()), *(("--api-key", key) if key else ()))
                port = free_port()
                line = launch_line(port, *options, *more, python=python)
                old = {"probe.dimensions": "warn"} if release.startswith("0.5.3") else {}
                what = f"sglang {release}, {'--api-key' if key else 'no key'}{', --enable-metrics' if metrics else ''}"
                found.append(Server(what, line, port, "/health", key, old, doctor))
    if "infinity" in which:
        told = {"probe.engine": "warn", "probe.token-limit": "warn", "probe.dimensions": "warn"}
        for prefix, key in (("", None), ("/v1", KEY)):
            port = free_port()
            line = [str(INFINITY), "v2", "--model-id", "models/st/bge-large-zh-v1.5", "--served-model-name", NAME]
            line += ["--engine", "torch", "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
            line += ["--no-bettertransformer", "--no-model-warmup", "--no-compile"]
            line += (["--url-prefix", prefix] if prefix else []) + (["--api-key", key] if key else [])
            what = f"Infinity 0.0.78, {f'--url-prefix {prefix}' if prefix else 'routes at the root'}"
            what += ", --api-key" if key else ", no key"
            found.append(Server(what, line, port, "/health", key, told, 1, prefix))
    if "litellm" in which:
        found += [litellm(None), litellm(KEY)]
    return found


def litellm(key: str | None) -> Server:
    """LiteLLM's proxy before sentence-transformers, with a key of its own or none."""
    port, behind = free_port(), free_port()
    config = HERE / "logs" / f"litellm-{port}.yaml"
    card = {"model": f"openai/{NAME}", "api_base": f"http://127.0.0.1:{behind}/v1", "api_key": "EMPTY"}
    told: dict[str, Any] = {"model_list": [{"model_name": NAME, "litellm_params": card}]}
    if key:
        told["general_settings"] = {"master_key": key}
    config.write_text(json.dumps(told))  # which is YAML too
    line = [str(LITELLM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    before = [str(ST_PYTHON), str(HERE / "st_server.py"), ST_MODEL, "--port", str(behind)]
    name = f"LiteLLM 1.80.0 before sentence-transformers, {'master_key' if key else 'no key'}"
    wanted = {"probe.engine": "warn", "probe.token-limit": "warn"}  # sentence-transformers cuts silently
    return Server(name, line, port, "/health/readiness", key, wanted, 0, before=before)


class Told(NamedTuple):
    """What a run said."""

    code: int
    output: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        """Its report."""
        found: dict[str, Any] = json.loads(self.output)
        return found


def bgecheck(
    server: Server, *words: str, key: str | None, python: str | Path = sys.executable, cwd: Path = HERE
) -> Told:
    """Run the tool as a user would; the key in the environment, and in nothing that it says."""
    environment = {**os.environ, "BGECHECK_API_KEY": key or ""}
    url = f"http://127.0.0.1:{server.port}{server.path}"
    line = [str(python), "-m", "bgecheck", *words, "--url", url, "--lang", "en"]
    done = subprocess.run(line, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    if KEY in done.stdout + done.stderr:
        raise SystemExit(f"{server.name}: {words} showed the key")
    return Told(done.returncode, done.stdout, done.stderr)


class Table:
    """What was told so far, and how much of it wrongly."""

    def __init__(self) -> None:
        self.wrong = 0
        self.lines: list[str] = []

    def expect(self, what: str, right: bool, detail: str = "") -> None:
        """Note one thing on stdout."""
        self.wrong += not right
        print(f"{'ok   ' if right else 'WRONG'} {what} {detail}", flush=True)

    def probed(self, server: Server) -> None:
        """`probe --full`: every row against what is wanted, and the table of the page."""
        ran = bgecheck(server, "probe", "--full", "--model", NAME, "-o", "json", key=server.key)
        rows = {row["id"]: row for row in ran.report["findings"]}
        usual = ("pass", "skip")
        off = {
            i: r["status"] for i, r in rows.items() if r["status"] != server.wanted.get(i) and r["status"] not in usual
        }
        lacking = {i for i, status in server.wanted.items() if rows[i]["status"] != status}
        self.expect(f"{server.name}: probe --full", ran.code == 0 and not off and not lacking, f"{off} {lacking}")
        self.lines += ["", f"## {server.name}", "", "| row | status | seen |", "| --- | --- | --- |"]
        for row in rows.values():
            seen = "; ".join(f"{e['subject']}: {e['observed']}" for e in row["evidence"]) or row["reason"] or "-"
            self.lines.append(f"| `{row['id']}` | {row['status']} | {plain(seen)} |")

    def key_matrix(self, server: Server) -> None:
        """Without the key, and with the placeholder."""
        for key in (None, "EMPTY"):
            ran = bgecheck(server, "probe", "--quick", "-o", "json", key=key)
            roots = ran.report["root_causes"]
            # Of an sglang that runs here the key is read from its command line.
            wanted = [] if key is None and server.name.startswith("sglang") else ["probe.api-key"]
            self.expect(f"{server.name}: probe with the key {key}", roots[:1] == wanted, str(roots))

    def snippets(self, server: Server) -> None:
        """Every client: run, from a folder and by an interpreter that have its package; js only where npm was."""
        said = []
        for client in CLIENTS:
            ran = bgecheck(server, "snippet", client, key=server.key, python=CLIENTS_PYTHON, cwd=CLIENTS_FOLDER)
            first = (ran.output or ran.errors).partition("\n")[0]
            wanted = 4 if client == "js" and not (CLIENTS_FOLDER / "node_modules/openai").is_dir() else 0
            self.expect(f"{server.name}: snippet {client}", ran.code == wanted and bool(ran.output), first)
            said.append(f"| {client} | {ran.code} | {plain(first)} |")
        self.lines += ["", "| snippet | exit | first line |", "| --- | --- | --- |", *said]


def plain(text: str) -> str:
    """Without what differs from run to run, on one line of a table."""
    import re

    text = re.sub(r"(?<=:)\d{4,5}\b", "PORT", text.replace("|", "\\|").replace("\n", " "))
    return re.sub(r"\bpid \d+", "pid N", re.sub(r"\b[\d.]+ ms\b", "N ms", text))


def examined(server: Server, table: Table) -> None:
    """One server from its start to its end."""
    log = HERE / "logs" / f"http-{server.port}.log"
    began = time.monotonic()
    environment = {"SGLANG_USE_CPU_ENGINE": "1", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "2"}
    os.environ.update(environment)
    with ExitStack() as stack:
        if server.before:
            stack.enter_context(running(list(server.before), HERE / "logs" / "http-before.log", HERE))
            answered(f"http://127.0.0.1:{server.before[-1]}/health", 180)
        process = stack.enter_context(running(list(server.line), log, HERE))
        answered(f"http://127.0.0.1:{server.port}{server.ready}", 180)
        print(f"{server.name} is up after {time.monotonic() - began:.0f} s", flush=True)
        table.probed(server)
        if server.key:
            table.key_matrix(server)
        ran = bgecheck(server, "doctor", *MEANINGLESS, "-o", "json", key=server.key)
        table.expect(
            f"{server.name}: doctor", ran.code == server.doctor, f"exit {ran.code} {ran.report['root_causes']}"
        )
        table.snippets(server)
        after = bgecheck(server, "probe", "--quick", "--only", "probe.ready", "-o", "json", key=server.key)
        alive = process.poll() is None and after.code == 0
        table.expect(f"{server.name}: its process {process.pid} is alive and embeds after all that", alive)


def main() -> int:
    """All servers, one after the other."""
    table = Table()
    (HERE / "logs").mkdir(exist_ok=True)
    models()
    for server in servers(sys.argv[1:] or ("sglang", "infinity", "litellm")):
        examined(server, table)
    if not sys.argv[1:]:
        WHERE.write_text("\n".join([*PAGE, *table.lines, ""]), encoding="utf-8")
    print("all told rightly" if not table.wrong else f"{table.wrong} told wrongly")
    return 1 if table.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
