"""Runs what `bgecheck plan` writes for two models: true sglang servers on CPU, the true nginx, doctor on its targets.

usage: placed.py       (after setup.sh, with nginx installed; minutes; exit status 0 when all holds)
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prove import HERE, MODEL, PYTHON, free_port

OTHER = "models/st-other/bge-large-zh-v1.5"
"""Of the same shape, with other weights."""
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
AROUND = """
daemon off; master_process off; worker_processes 1; error_log stderr warn; pid nginx.pid;
events {{ worker_connections 128; }}
http {{
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  include {routes};
}}
"""
PATIENCE = 900.0
"""Seconds in which both servers are ready; some 90 on an idle machine of two cores."""


def model(folder: str, seed: str) -> str:
    """A random model, written once."""
    if not (HERE / folder / "model.safetensors").exists():
        environment = {**os.environ, "MODEL_SEED": seed}
        made = [str(PYTHON), str(HERE / "make_model.py"), folder]
        subprocess.run(made, cwd=HERE, env=environment, check=True, timeout=300)
    return str(HERE / folder)


def environment(folder: Path) -> dict[str, str]:
    """One in which `python` is sglang's, and `bgecheck` this one's; random weights have no meaning to judge."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, line in (("python", f'exec {PYTHON} "$@"'), ("bgecheck", f'exec {sys.executable} -m bgecheck "$@"')):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    path = os.pathsep.join((str(programs), os.environ["PATH"]))
    return {**os.environ, "PATH": path, "SGLANG_USE_CPU_ENGINE": "1", "BGECHECK_SKIP": "embed.semantic embed.golden"}


@contextmanager
def servers(folder: Path) -> Iterator[int]:
    """The servers, by `sh start.sh` as it was written; its exit status, once all of them are ready or one is lost."""
    script = subprocess.Popen(["sh", "start.sh"], cwd=folder, env=environment(folder), start_new_session=True)
    try:
        yield script.wait(PATIENCE)
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(script.pid, number)
            time.sleep(10 if number == signal.SIGTERM else 0)


@contextmanager
def gateway(folder: Path) -> Iterator[None]:
    """Nginx on the routes that were written."""
    (folder / "around.conf").write_text(AROUND.format(routes=folder / "nginx.conf"))
    nginx = subprocess.Popen([NGINX, "-p", str(folder), "-c", "around.conf"], cwd=folder)
    time.sleep(1)
    try:
        yield
    finally:
        nginx.terminate()
        nginx.wait(10)


def doctor(folder: Path) -> tuple[int, dict[str, list[str]]]:
    """The exit status of doctor on the targets that were written, and the root causes of each."""
    line = [sys.executable, "-m", "bgecheck", "doctor", "--config", str(folder / "bgecheck.toml"), "-o", "json"]
    done = subprocess.run(line, env=environment(folder), capture_output=True, timeout=300, check=False)
    reports = json.loads(done.stdout)["reports"]
    return done.returncode, {report["target"]["name"]: report["root_causes"] for report in reports}


def main() -> int:
    """Write, start, look; then swap the routes, and look again."""
    folder = HERE / "logs" / "placed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wanted = [f"{model(MODEL, '7')}=large", f"{model(OTHER, '8')}=other"]
    line = [sys.executable, "-m", "bgecheck", "plan", *wanted, "--device", "cpu", "--port", str(free_port())]
    subprocess.run([*line, "--gateway-port", str(free_port()), "--write", str(folder)], check=True, timeout=60)
    wrong = 0

    def holds(what: str, condition: bool) -> None:
        nonlocal wrong
        wrong += not condition
        print(f"{'ok   ' if condition else 'WRONG'} {what}", flush=True)

    began = time.monotonic()
    with servers(folder) as code:
        holds(f"start.sh ends with {code} after {time.monotonic() - began:.0f} s", code == 0)
        with gateway(folder):
            found = doctor(folder)
            holds(f"through the paths: {found}", found == (0, {"large": [], "other": []}))
        routes = (folder / "nginx.conf").read_text()
        swapped = routes.replace("embed_large/", "SWAPPED").replace("embed_other/", "embed_large/")
        (folder / "nginx.conf").write_text(swapped.replace("SWAPPED", "embed_other/"))
        with gateway(folder):
            code, causes = doctor(folder)
            holds(f"swapped: exit {code}, {causes}", code == 1 and all(causes.values()))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
