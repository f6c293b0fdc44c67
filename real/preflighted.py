"""Starts the true sglang on CPU by the lines that `bgecheck preflight` has corrected, and has doctor judge the servers.

usage: preflighted.py       (after setup.sh; minutes; exit status 0 when all holds)
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from placed import environment, model
from prove import HERE, MODEL, free_port

RELEASE = "0.5.23"

GUIDE = "--host 0.0.0.0 --tokenizer-mode auto --max-batch-size 16"
"""What a widespread guide gives beside model and port."""
OF_VLLM = "--max-model-len 512 --task embed"
ABRIDGED = "--embedding --disable-r --chunk 4096"

LINES = {
    "as typed": "python -m sglang.launch_server --model-path {model} --port {port} --device cpu " + GUIDE,
    "script": (
        "#!/bin/sh\nexport SGLANG_USE_CPU_ENGINE=1\nMODEL={model}\n"
        'exec python -m sglang.launch_server \\\n  --model-path "$MODEL" \\\n  --device cpu --port={port} \\\n  '
        f"{OF_VLLM}\n"
    ),
    "unit": (
        "[Service]\nEnvironment=SGLANG_USE_CPU_ENGINE=1\nExecStart=python -m sglang.launch_server \\\n"
        f"    --model-path {{model}} --port {{port}} --device cpu {ABRIDGED}\n"
    ),
}
"""Launch commands that sglang refuses, or serves wrong vectors by, in the form in which they are given."""


def preflight(name: str, text: str, folder: Path, around: Mapping[str, str]) -> tuple[int, list[str], list[str]]:
    """The exit status, the root causes, and the corrected command as lines."""
    line = [sys.executable, "-m", "bgecheck", "preflight", "--sglang-version", RELEASE, "-o", "json"]
    if name == "as typed":
        given = ["--", *text.split()]
    else:
        file = folder / ("serve.sh" if name == "script" else "bge.service")
        file.write_text(text)
        given = ["--file", str(file)]
    done = subprocess.run([*line, *given], env=around, capture_output=True, timeout=60, check=False)
    report = json.loads(done.stdout)
    rows = {row["id"]: row for row in report["findings"]}
    return done.returncode, report["root_causes"], rows["launch.line"]["fix"]["commands"]


def as_shell(name: str, lines: list[str]) -> str:
    """The corrected command as a shell runs it: of a unit what stands behind its key."""
    text = "\n".join(lines)
    return text.removeprefix("ExecStart=") if name == "unit" else text


def served(command: str, port: int, folder: Path, around: Mapping[str, str]) -> tuple[int, list[str]]:
    """Start a server by a command in the environment `around`, and have doctor wait for it and judge it."""
    surroundings = {**around, "MODEL": model(MODEL, "7")}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            ["sh", "-c", command], cwd=folder, env=surroundings, stdout=log, stderr=log, start_new_session=True
        )
    line = [sys.executable, "-m", "bgecheck", "doctor", "--wait", "5m", "--url", f"127.0.0.1:{port}", "-o", "json"]
    try:
        done = subprocess.run(
            [*line, "--log", str(folder / "server.log")],
            env=around,
            capture_output=True,
            timeout=420,
            check=False,
        )
        report = json.loads(done.stdout)
        bad = [row for row in report["findings"] if row["id"] in report["root_causes"]]
        print("\n".join(f"      {row['id']}: {row['evidence']}" for row in bad), end="\n" if bad else "")
        return done.returncode, report["root_causes"]
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(server.pid, number)
            time.sleep(5 if number == signal.SIGTERM else 0)


def main() -> int:
    """Judge, correct, judge the corrected line, start it, look."""
    wrong = 0
    for name, template in LINES.items():
        folder = HERE / "logs" / "preflighted" / name.replace(" ", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        port, around = free_port(), environment(folder)
        code, causes, lines = preflight(name, template.format(model=model(MODEL, "7"), port=port), folder, around)
        began = time.monotonic()
        exit_code, roots = served(as_shell(name, lines), port, folder, around)
        right = code == 1 and bool(causes) and (exit_code, roots) == (0, [])
        wrong += not right
        print(f"{'ok   ' if right else 'WRONG'} {name}: {', '.join(causes)}", flush=True)
        print("\n".join(f"        {line}" for line in lines), flush=True)
        print(
            f"      started by it, doctor ends with {exit_code} {roots} after {time.monotonic() - began:.0f} s",
            flush=True,
        )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
