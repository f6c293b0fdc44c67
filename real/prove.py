"""Runs bgecheck against the true sglang on CPU and compares what it says with what is known to be the case.

usage: prove.py        (after setup.sh; minutes; exit status 0 when every scene is told rightly)
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("SGLANG_PYTHON", HERE / ".venv/bin/python"))
OLD_PYTHON = Path(os.environ.get("OLD_SGLANG_PYTHON", HERE / ".venv-old/bin/python"))
"""sglang 0.5.3.post3, which pools the last token of a BertModel; built by setup_old.sh."""
MODEL = "models/bge-large-zh-v1.5"
RIGHT = ["--disable-radix-cache", "--chunked-prefill-size", "-1", "--mem-fraction-static", "0.5"]
DEFAULTS = ["--mem-fraction-static", "0.5"]
START = 180.0
"""Seconds that a start may take; 18 on an idle machine of two cores."""


def launch_line(port: int, *options: str, model: str = MODEL, python: Path = PYTHON) -> list[str]:
    """The launch line of a server on this machine; the token pool is kept small, memory is not what is tested."""
    return [
        str(python),
        *("-m", "sglang.launch_server", "--model-path", model, "--served-model-name", "bge-large-zh-v1.5"),
        *("--is-embedding", "--device", "cpu", "--attention-backend", "torch_native", "--max-total-tokens", "16384"),
        *("--host", "127.0.0.1", "--port", str(port), *options),
    ]


@contextmanager
def started(line: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server process whose output goes to a file; ended in order by its own pid."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            line,
            cwd=HERE,
            env={**os.environ, "SGLANG_USE_CPU_ENGINE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the parent, as an operator does it; then nothing of it is left."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    # Ended while it starts, sglang can leave a worker behind; it is in the group that was made for this server.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


MEANINGLESS = ("--skip", "embed.semantic,embed.golden")
"""Rows that a model of random weights rightly fails."""


def bgecheck(*words: str) -> tuple[int, dict[str, Any]]:
    """Run the tool; its exit status and its report."""
    skip = MEANINGLESS if words[0] == "doctor" else ()
    done = subprocess.run(
        [sys.executable, "-m", "bgecheck", *words, *skip, "-o", "json"], capture_output=True, timeout=300, check=False
    )
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"no report from bgecheck {words}: {done.stderr.decode()[-2000:]}") from None


class Proof:
    """The scenes so far, told on stdout as they come."""

    def __init__(self) -> None:
        self.wrong = 0
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def scene(self, name: str, seen: tuple[int, dict[str, Any]], exit_code: int, root: str | None) -> dict[str, Any]:
        """Compare exit status and first root cause with what is the case."""
        code, report = seen
        self.seen.append((name, report))
        found = next(iter(report["root_causes"]), None)
        right = (code, found) == (exit_code, root)
        self.wrong += not right
        mark = "ok   " if right else "WRONG"
        print(f"{mark} {name}: exit {code}, root cause {found}, {report['seconds']:.2f} s", flush=True)
        if not right:
            bad = [
                (f["id"], f["evidence"], f["reason"]) for f in report["findings"] if f["status"] in ("fail", "error")
            ]
            print(f"      expected exit {exit_code}, {root}; failing: {bad}")
        return report

    def holds(self, what: str, condition: bool) -> None:
        """One more statement about a scene."""
        self.wrong += not condition
        print(f"{'ok   ' if condition else 'WRONG'}   {what}", flush=True)

    def table(self) -> str:
        """What was seen, scene by scene, as a page of the documentation."""
        lines = [
            "# Seen on the true server",
            "",
            "Written by `make real`: sglang 0.5.23 (where not said otherwise) on CPU, a random BertModel shaped like "
            "bge-large-zh-v1.5 (`embed.semantic` and `embed.golden` left out: random weights have no meaning).",
            "",
            "| scene | exit | root cause | rows that did not hold |",
            "| --- | --- | --- | --- |",
        ]
        for name, report in self.seen:
            bad = ", ".join(f"`{f['id']}`" for f in report["findings"] if f["status"] in ("fail", "warn"))
            roots = ", ".join(f"`{root}`" for root in report["root_causes"])
            lines.append(f"| {name} | {report['exit_code']} | {roots or '-'} | {bad or '-'} |")
        return "\n".join(lines) + "\n"


def statuses(report: dict[str, Any]) -> dict[str, str]:
    """Row id to status."""
    return {finding["id"]: finding["status"] for finding in report["findings"]}


def serving(proof: Proof, logs: Path) -> None:
    """Servers that come up: right settings, then sglang's defaults, then a port that is taken."""
    port = free_port()
    with started(launch_line(port, *RIGHT), logs / "right.log") as server:
        waited = time.monotonic()
        report = proof.scene("right settings, waited for", bgecheck("doctor", "--wait", "3m"), 0, None)
        print(f"        ready and judged after {time.monotonic() - waited:.1f} s")
        proof.holds("its process was found without an option", report["target"].get("pid") == str(server.pid))
        proof.scene("right settings again", bgecheck("doctor", "--url", f"127.0.0.1:{port}"), 0, None)
        taken = logs / "taken.log"
        with started(launch_line(port, *RIGHT), taken) as loser:
            loser.wait(START)
        seen = bgecheck("doctor", "--url", f"127.0.0.1:{port}", "--log", str(taken))
        proof.scene("the port is held by the first server", seen, 1, "logs.port-in-use")
    seen = bgecheck("doctor", "--url", f"127.0.0.1:{port}", "--log", str(logs / "right.log"))
    report = proof.scene("the server was stopped", seen, 1, "ports.listening")
    stopped = next(f for f in report["findings"] if f["id"] == "logs.ready")
    proof.holds("its log is read as stopped in order", stopped["values"].get("state") == "stopped")
    with started(launch_line(port, *DEFAULTS), logs / "defaults.log"):
        report = proof.scene("sglang's defaults", bgecheck("doctor", "--wait", "3m"), 1, "launch.prefix-cache")
        proof.holds("the same text gave different vectors", statuses(report)["embed.repeatable"] == "fail")
        fix = remedy(report, "launch.prefix-cache")
        proof.holds("the fix is the whole corrected line", "--disable-radix-cache" in fix[-1] and str(port) in fix[-1])
        code, _ = bgecheck("embed", "今天天气怎么样？")
        proof.holds("the smoke test fails too", code == 1)
        mended(proof, "sglang's defaults", fix, logs)


def remedy(report: dict[str, Any], row: str) -> list[str]:
    """The commands that a row prints."""
    return list(next(f["fix"]["commands"] for f in report["findings"] if f["id"] == row))


def mended(proof: Proof, name: str, commands: list[str], logs: Path, python: Path | None = None) -> None:
    """Run the printed commands literally: stop the server, start it anew; then nothing is wrong.

    With `python` it is the interpreter of the newer release, in place of the upgrade that is printed too.
    """
    *_, stop, line = commands
    subprocess.run(["bash", "-c", stop], check=True)
    pid = int(stop.split()[-1])
    for _ in range(600):
        if not Path(f"/proc/{pid}/exe").exists():
            break
        time.sleep(0.1)
    if python is not None:
        line = line.replace(str(OLD_PYTHON), str(python))
    with started(["bash", "-c", line], logs / "mended.log"):
        proof.scene(f"{name}: the printed line, run as it stands", bgecheck("doctor", "--wait", "3m"), 0, None)


def silent(proof: Proof, logs: Path) -> None:
    """Servers that answer 200 with wrong vectors, each in its own way."""
    port = free_port()
    off, chunk_off = ["--disable-radix-cache"], ["--chunked-prefill-size", "-1"]
    share = ["--mem-fraction-static", "0.5"]
    with started(launch_line(port, *off, *share), logs / "chunked.log"):
        # On two cores a request of several thousand tokens takes longer than doctor's own 10 s.
        seen = bgecheck("doctor", "--wait", "3m", "--timeout", "40s", "--deadline", "3m")
        report = proof.scene("chunked prefill on", seen, 1, "launch.chunked-prefill")
        proof.holds("texts at a chunk's border had other vectors", statuses(report)["embed.long-batch"] == "fail")
        proof.holds("the rows of short requests passed", statuses(report)["embed.repeatable"] == "pass")
        mended(proof, "chunked prefill on", remedy(report, "launch.chunked-prefill"), logs)
    with started(launch_line(port, *chunk_off, *share), logs / "cached.log"):
        report = proof.scene("prefix cache on", bgecheck("doctor", "--wait", "3m"), 1, "launch.prefix-cache")
        failed = [row for row in PREFIX if statuses(report)[f"embed.{row}"] == "fail"]
        proof.holds(f"rows that show it: {', '.join(failed)}", "repeatable" in failed)
        mended(proof, "prefix cache on", remedy(report, "launch.prefix-cache"), logs)
    broken = HERE / "models/no-tokenizer/bge-large-zh-v1.5"
    shutil.copytree(HERE / MODEL, broken, dirs_exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        (broken / name).unlink(missing_ok=True)
    line = launch_line(port, *RIGHT, model=str(broken))
    with started(line, logs / "tokenizer.log"):
        report = proof.scene("tokenizer files removed", bgecheck("doctor", "--wait", "3m"), 1, "model.tokenizer")
        proof.holds("different texts had one vector", statuses(report)["embed.distinct"] == "fail")


def pooling(proof: Proof, logs: Path) -> None:
    """The older release: every vector repeats, has norm 1, and is the last token's."""
    line = launch_line(free_port(), "--disable-radix-cache", "--mem-fraction-static", "0.5", python=OLD_PYTHON)
    with started(line, logs / "last.log"):
        report = proof.scene("sglang 0.5.3.post3", bgecheck("doctor", "--wait", "3m"), 1, "launch.pooling")
        rows = {f["id"]: f for f in report["findings"]}
        proof.holds("the same text has the same vector", rows["embed.repeatable"]["status"] == "pass")
        named = rows["embed.reference"]["values"].get("recipe")
        proof.holds(f"computed here from the same weights, they are: {named}", named == "last")
        commands = remedy(report, "launch.pooling")
        proof.holds("an upgrade is part of the remedy", "sglang>=0.5.17" in commands[0])
        mended(proof, "sglang 0.5.3.post3, on 0.5.23", commands, logs, python=PYTHON)


PREFIX = ("repeatable", "batch-equals-single", "prefix-independent", "order", "concurrent", "distinct")


def failing(proof: Proof, logs: Path) -> None:
    """Servers that never come up."""
    for name, line, root in (
        (
            "the model path is missing",
            launch_line(free_port(), model="/nowhere/bge-large-zh-v1.5"),
            "model-path-not-found",
        ),
        ("an unknown flag", launch_line(free_port(), "--max-batch-size", "16"), "bad-cli-arguments"),
        ("chunking off without a memory share", launch_line(free_port(), *RIGHT[:3]), "gpu-oom-kv-pool"),
    ):
        log = logs / f"{root}.log"
        with started(line, log) as process:
            process.wait(START)
        port = line[line.index("--port") + 1]
        seen = bgecheck("doctor", "--url", f"127.0.0.1:{port}", "--log", str(log))
        proof.scene(name, seen, 1, f"logs.{root}")


def main() -> int:
    """All scenes."""
    logs = HERE / "logs"
    logs.mkdir(exist_ok=True)
    proof, began = Proof(), time.monotonic()
    serving(proof, logs)
    silent(proof, logs)
    failing(proof, logs)
    if OLD_PYTHON.exists():
        pooling(proof, logs)
    else:
        print("not run: sglang 0.5.3.post3, built by real/setup_old.sh")
    print(
        f"{'all told rightly' if not proof.wrong else f'{proof.wrong} told wrongly'}, {time.monotonic() - began:.0f} s"
    )
    (HERE.parent / "docs" / "seen.md").write_text(proof.table(), encoding="utf-8")
    return 1 if proof.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
