"""What `bgecheck plan` writes is run: two servers by its script, nginx on its routes, doctor on its targets."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

import commandline
from bgecheck.machine.connect import connect, resolve
from bgecheck.machine.sockets import accepts

NGINX = shutil.which("nginx") or next(
    (p for p in ("/usr/sbin/nginx", "/usr/local/sbin/nginx") if os.path.exists(p)), None
)
AROUND = """
daemon off; master_process off; worker_processes 1; error_log stderr warn; pid nginx.pid;
events {{ worker_connections 128; }}
http {{
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  include {routes};
}}
"""
SERVER = "import sys\nfrom bgecheck.demo.server import main\nmain(sys.argv[1:])\n"
"""What runs in place of sglang, by the very line that was printed: the demo's server."""

pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="the script and its processes are looked at on Linux"),
]


def written(folder: Path) -> dict[str, str]:
    """The files of a plan for two models on ports that are free."""
    first = random.randrange(20_000, 31_000)
    words = [
        "plan",
        "bge-large-zh-v1.5=large",
        "BAAI/bge-large-en-v1.5=en",
        "--gpu-memory",
        "24GiB",
        "--port",
        str(first),
    ]
    ran = commandline.run(*words, "--gateway-port", str(first + 500), "--write", str(folder), "-o", "json")
    assert ran.returncode == 0, ran.stderr
    files = {name: (folder / name).read_text(encoding="utf-8") for name in os.listdir(folder)}
    assert files == json.loads(ran.stdout)["files"]
    return files


@contextmanager
def started(folder: Path) -> Iterator[None]:
    """The servers, started by `sh start.sh`, which comes to its end only when each was ready."""
    package = folder / "python" / "sglang"
    package.mkdir(parents=True)
    (package / "launch_server.py").write_text(SERVER)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    path = os.pathsep.join((str(folder / "bin"), commandline.on_path(folder / "bin")))
    around = commandline.environment({"PATH": path})
    around["PYTHONPATH"] = os.pathsep.join((str(folder / "python"), around["PYTHONPATH"]))
    script = subprocess.Popen(
        ["sh", "start.sh"],
        cwd=folder,
        env=around,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = script.communicate(timeout=60)
        assert script.returncode == 0, output.decode()
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)


@contextmanager
def gateway(folder: Path, port: int) -> Iterator[None]:
    """The true nginx on the routes that were written."""
    (folder / "around.conf").write_text(AROUND.format(routes=folder / "nginx.conf"))
    nginx = subprocess.Popen([str(NGINX), "-p", str(folder), "-c", "around.conf"], cwd=folder, stderr=subprocess.PIPE)
    try:
        ends = time.monotonic() + 10
        while nginx.poll() is None and time.monotonic() < ends and not accepts("127.0.0.1", port, 1.0):
            time.sleep(0.05)
        assert nginx.poll() is None, nginx.communicate()[1]
        yield
    finally:
        nginx.terminate()
        nginx.communicate()


def doctor(folder: Path) -> tuple[int, dict[str, list[str]]]:
    """The exit code of doctor on the targets, and the root causes of each."""
    config = str(folder / "bgecheck.toml")
    ran = commandline.run("doctor", "--config", config, "--quick", "-o", "json", "--skip", "gpu")
    reports = json.loads(ran.stdout)["reports"]
    return ran.returncode, {report["target"]["name"]: report["root_causes"] for report in reports}


def answered(port: int, path: str) -> int:
    """The status of a POST through the gateway."""
    with closing(connect(resolve("127.0.0.1", port, 1.0), lambda: 2.0)) as socket:
        socket.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode()
        )
        return int(socket.recv(64).split()[1])


def test_what_is_written_runs_and_doctor_finds_it_right_and_swapped_routes_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "deploy"
    files = written(folder)
    assert commandline.run("config", "validate", "--config", str(folder / "bgecheck.toml")).returncode == 0
    port = int(files["nginx.conf"].partition("listen 127.0.0.1:")[2].partition(";")[0])
    with started(folder):
        with gateway(folder, port):
            assert doctor(folder) == (0, {"large": [], "en": []})
            # What would end a server is not passed on; all else of it is.
            assert answered(port, "/large/v1/completions") == answered(port, "/en/generate") == 403
            assert answered(port, "/large/v1/embeddings") == 400
        routes = files["nginx.conf"].replace("http://embed_large/", "SWAPPED").replace("embed_en/", "embed_large/")
        (folder / "nginx.conf").write_text(routes.replace("SWAPPED", "http://embed_en/"))
        with gateway(folder, port):
            code, causes = doctor(folder)
    assert code == 1
    assert all("probe.model-name" in found for found in causes.values()), causes
