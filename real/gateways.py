"""Runs bgecheck against sentence-transformers behind the true nginx: what gateways do to an embeddings server.

usage: gateways.py      (after setup_st.sh, with nginx and openssl on the PATH; exit status 0 when all is told rightly)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from prove import HERE, end, free_port

PYTHON = Path(os.environ.get("ST_PYTHON", HERE / ".venv-st/bin/python"))
MODEL = "models/st/bge-large-zh-v1.5"
OTHER = "models/st-other/bge-large-zh-v1.5"
KEY = "sk-gateways-0123456789"
NAME = "bge-large-zh-v1.5"
OPENSSL = "openssl req -x509 -newkey rsa:2048 -nodes -days {days} -subj /CN={name} -keyout {key} -out {cert}"

NGINX = """
daemon off; master_process off; worker_processes 1; error_log stderr warn; pid nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type application/json;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m; limit_req_status 429;
  server {{ listen 127.0.0.1:{plain}; server_name localhost;
    location /right/   {{ proxy_pass http://127.0.0.1:{good}/; }}
    location /swapped/ {{ proxy_pass http://127.0.0.1:{other}/; }}
    location /nostrip/ {{ proxy_pass http://127.0.0.1:{good}; }}
    location /limited/ {{ limit_req zone=one burst=1 nodelay; proxy_pass http://127.0.0.1:{good}/; }}
    location /dead/    {{ proxy_pass http://127.0.0.1:{dead}/; }}
    location /slow/    {{ proxy_read_timeout 4s; proxy_pass http://127.0.0.1:{slow}/; }}
    location /small/   {{ client_max_body_size 1k; proxy_pass http://127.0.0.1:{good}/; }}
    location /noauth/  {{ proxy_set_header Authorization ""; proxy_pass http://127.0.0.1:{good}/; }}
    location /loading/ {{ add_header Retry-After 31536000 always; return 503 '{{"error":{{"message":"loading"}}}}'; }}
    location /reset/   {{ return 444; }}
    location /redirect/ {{ return 301 http://127.0.0.1:{plain}/right/; }}
    location /html/    {{ default_type text/html; return 200 '<html><body>Welcome to nginx!</body></html>'; }}
    location = /null/v1/models {{ proxy_pass http://127.0.0.1:{good}/v1/models; }}
    location = /null/v1/embeddings {{ return 200 'null'; }}
  }}
  server {{ listen 127.0.0.1:{tls} ssl; ssl_certificate good.pem; ssl_certificate_key good.key;
    location / {{ proxy_pass http://127.0.0.1:{good}; }} }}
  server {{ listen 127.0.0.1:{wrong_host} ssl; ssl_certificate host.pem; ssl_certificate_key host.key;
    location / {{ proxy_pass http://127.0.0.1:{good}; }} }}
  server {{ listen 127.0.0.1:{ends} ssl; ssl_certificate ends.pem; ssl_certificate_key ends.key;
    location / {{ proxy_pass http://127.0.0.1:{good}; }} }}
}}
"""


class Scene(NamedTuple):
    """What is asked, and what must be said of it."""

    name: str
    url: str
    exit_code: int
    root: str | None
    also: tuple[str, ...] = ()
    """Further rows that must not hold."""
    environment: Mapping[str, str] = {}
    key: str = KEY
    options: tuple[str, ...] = ()


@contextmanager
def running(line: list[str], log: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, ended in order."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            line, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        end(process)


def answered(url: str, seconds: float = 90.0) -> None:
    """Wait until a server says that it is ready."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with suppress(OSError), direct.open(url, timeout=5) as reply:
            if reply.status == 200:
                return
        time.sleep(0.3)
    raise SystemExit(f"{url} was not ready within {seconds:g} s")


def models() -> None:
    """Two random models of the same shape, under the same name, written once."""
    made = HERE / "make_model.py"
    for folder, seed in ((MODEL, "7"), (OTHER, "8")):
        if not (HERE / folder / "model.safetensors").exists():
            environment = {**os.environ, "MODEL_SEED": seed}
            subprocess.run([str(PYTHON), str(made), folder], cwd=HERE, env=environment, check=True, timeout=300)


def certificates(folder: Path) -> None:
    """Three that sign themselves: for this host, for another, and one that ends within days."""
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    for name, days, host, extension in (
        ("good", 30, "localhost", names),
        ("host", 30, "gpu-01.example", "subjectAltName=DNS:gpu-01.example"),
        ("ends", 3, "localhost", names),
    ):
        line = OPENSSL.format(days=days, name=host, key=f"{name}.key", cert=f"{name}.pem").split()
        subprocess.run([*line, "-addext", extension], cwd=folder, check=True, capture_output=True, timeout=60)


def bgecheck(scene: Scene) -> tuple[int, dict[str, Any]]:
    """Run `bgecheck probe` as a user would."""
    environment = {**os.environ, "BGECHECK_API_KEY": scene.key, **scene.environment}
    line = [sys.executable, "-m", "bgecheck", "probe", "--url", scene.url, "--model", NAME, "-o", "json"]
    done = subprocess.run([*line, *scene.options], env=environment, capture_output=True, timeout=120, check=False)
    if KEY.encode() in done.stdout + done.stderr:
        raise SystemExit(f"{scene.name}: the key was shown")
    return done.returncode, json.loads(done.stdout)


def scenes(ports: Mapping[str, int], folder: Path) -> list[Scene]:
    """Every scene but the one that needs a stopped server."""
    plain = f"http://127.0.0.1:{ports['plain']}"
    trusted = {name: {"SSL_CERT_FILE": str(folder / f"{name}.pem")} for name in ("good", "host", "ends")}
    proxy = {"http_proxy": f"http://127.0.0.1:{ports['dead']}", "no_proxy": ""}
    network = {**proxy, "no_proxy": "127.0.0.0/8"}
    return [
        Scene("behind a path", f"{plain}/right", 0, None),
        Scene("a whole endpoint was pasted", f"{plain}/right/v1/embeddings", 0, None),
        Scene("the path of the gateway is missing", plain, 1, "probe.base-url"),
        Scene("the gateway does not strip its prefix", f"{plain}/nostrip", 1, "probe.base-url"),
        Scene("no key", f"{plain}/right", 1, "probe.api-key", key=""),
        Scene("the gateway removes the key", f"{plain}/noauth", 1, "probe.api-key"),
        Scene("limit_req 429", f"{plain}/limited", 1, "probe.rate-limit"),
        Scene("nothing behind the gateway: 502", f"{plain}/dead", 1, "probe.ready"),
        Scene("503 with Retry-After of a year", f"{plain}/loading", 1, "probe.ready"),
        Scene("closed without an answer", f"{plain}/reset", 1, "probe.reachable"),
        Scene("a redirect", f"{plain}/redirect", 1, "probe.base-url"),
        Scene("an HTML page", f"{plain}/html", 1, "probe.base-url"),
        Scene("200 and null", f"{plain}/null", 1, "probe.ready"),
        Scene("a body limit of 1 KB", f"{plain}/small", 0, None, ("probe.batch-limit",)),
        Scene("a proxy variable catches loopback", f"{plain}/right", 0, None, ("probe.proxy",), proxy),
        Scene("the same, and no_proxy names the network only", f"{plain}/right", 0, None, ("probe.proxy",), network),
        Scene("TLS, the authority is known", f"https://localhost:{ports['tls']}", 0, None, (), trusted["good"]),
        Scene("TLS, a private authority", f"https://localhost:{ports['tls']}", 1, "probe.tls"),
        Scene("TLS, for another host", f"https://localhost:{ports['wrong_host']}", 1, "probe.tls", (), trusted["host"]),
        Scene("TLS, ends in 3 days", f"https://localhost:{ports['ends']}", 1, "probe.tls", (), trusted["ends"]),
        Scene("https to a plain port", f"https://127.0.0.1:{ports['plain']}/right", 1, "probe.reachable"),
        Scene("http to a TLS port", f"http://localhost:{ports['tls']}", 1, "probe.tls"),
        Scene("nobody listens", f"http://127.0.0.1:{ports['dead']}", 1, "probe.reachable"),
        Scene("an unknown host", "http://gpu-01.invalid:8000", 1, "probe.reachable"),
        Scene("burst and all", f"{plain}/right", 0, None, options=("--full",)),
    ]


class Table:
    """The scenes so far, told as they come."""

    def __init__(self) -> None:
        self.wrong = 0
        self.rows: list[str] = []

    def add(self, scene: Scene) -> dict[str, Any]:
        """Run one scene and compare."""
        code, report = bgecheck(scene)
        bad = [f["id"] for f in report["findings"] if f["status"] in ("fail", "warn", "error")]
        roots = report["root_causes"]
        right = code == scene.exit_code and (scene.root is None or scene.root in roots) and set(scene.also) <= set(bad)
        self.wrong += not right
        print(
            f"{'ok   ' if right else 'WRONG'} {scene.name}: exit {code}, {roots}, {report['seconds']:.2f} s", flush=True
        )
        if not right:
            told = {f["id"]: (f["status"], f["evidence"], f["reason"]) for f in report["findings"] if f["id"] in bad}
            print(f"      expected exit {scene.exit_code}, {scene.root}, {scene.also}; seen {told}")
        named = ", ".join(f"`{row}`" for row in bad) or "-"
        root = next((f for f in report["findings"] if f["id"] in roots), None)
        cause = (root["cause"] if root else "-").replace("|", "\\|").replace("\n", " ")
        self.tell(scene.name, code, named, cause)
        return report

    def tell(self, name: str, code: int, rows: str, cause: str) -> None:
        """One line of the page, without what differs from machine to machine."""
        plain = re.sub(r"(?<=:)\d{4,5}\b", "PORT", cause.replace(f"{HERE}/", "real/"))
        self.rows.append(f"| {name} | {code} | {rows} | {plain} |")

    def page(self) -> str:
        """The table as a page of the documentation."""
        return "\n".join(
            [
                "# What gateways do to an embeddings server, as bgecheck tells it",
                "",
                "Written by `make real-gateways`: sentence-transformers 6.2.0 with a random BertModel shaped like "
                "bge-large-zh-v1.5, behind nginx; `bgecheck probe` each time, `bgecheck embed` where it says so.",
                "",
                "| scene | exit | rows that did not hold | cause that was named |",
                "| --- | --- | --- | --- |",
                *self.rows,
                "",
            ]
        )


def swapped(table: Table, plain: str) -> None:
    """Two models of one shape behind two paths, swapped: only their vectors differ."""
    record = HERE / "logs/right.jsonl"
    record.unlink(missing_ok=True)
    # Weights that nobody trained have no meaning to be judged by.
    meaningless = ["--skip", "embed.semantic,embed.golden"]
    line = [sys.executable, "-m", "bgecheck", "embed", "--api-key", KEY, *meaningless, "-o", "json"]
    for path, options, code, said in (
        ("right", ("--record", str(record)), 0, "recorded behind /right/"),
        ("right", ("--reference", str(record)), 0, "the same path, against what was recorded"),
        ("swapped", ("--reference", str(record)), 1, "the other model under this name, against what was recorded"),
    ):
        done = subprocess.run(
            [*line, "--url", f"{plain}/{path}", *options], capture_output=True, timeout=120, check=False
        )
        report = json.loads(done.stdout)
        roots = report["root_causes"]
        right = done.returncode == code and (not code or roots == ["embed.reference"])
        table.wrong += not right
        print(f"{'ok   ' if right else 'WRONG'} embed: {said}: exit {done.returncode}, {roots}")
        cause = next((f["cause"] for f in report["findings"] if f["id"] in roots), "-")
        table.tell(f"embed: {said}", done.returncode, ", ".join(roots) or "-", cause)


def main() -> int:
    """All scenes."""
    if not (shutil.which("nginx") and shutil.which("openssl")):
        raise SystemExit("nginx and openssl are needed: apt-get install -y --no-install-recommends nginx-light openssl")
    logs = HERE / "logs"
    folder = logs / "nginx"
    folder.mkdir(parents=True, exist_ok=True)
    models()
    certificates(folder)
    names = ("plain", "tls", "wrong_host", "ends", "good", "other", "slow", "dead")
    ports = {name: free_port() for name in names}
    (folder / "nginx.conf").write_text(NGINX.format(**ports))
    table, began = Table(), time.monotonic()
    with ExitStack() as stack:
        server = [str(PYTHON), str(HERE / "st_server.py")]
        for name, model in (("good", MODEL), ("other", OTHER), ("slow", MODEL)):
            key = [] if name == "slow" else ["--api-key", KEY]
            line = [*server, model, "--port", str(ports[name]), *key]
            process = stack.enter_context(running(line, logs / f"st-{name}.log", HERE))
        nginx = [str(shutil.which("nginx")), "-p", str(folder), "-c", "nginx.conf"]
        stack.enter_context(running(nginx, logs / "nginx.log", folder))
        for name in ("good", "other", "slow"):
            answered(f"http://127.0.0.1:{ports[name]}/health")
        print(f"three servers and nginx are up after {time.monotonic() - began:.0f} s")
        for scene in scenes(ports, folder):
            table.add(scene)
        plain = f"http://127.0.0.1:{ports['plain']}"
        swapped(table, plain)
        process.send_signal(signal.SIGSTOP)
        table.add(Scene("the server behind the gateway hangs: 504", f"{plain}/slow", 1, "probe.ready"))
        process.send_signal(signal.SIGCONT)
        answered(f"http://127.0.0.1:{ports['slow']}/health")  # behind what has waited for it
        table.add(Scene("the same server, going on", f"{plain}/slow", 0, None))
    seconds = time.monotonic() - began
    print(f"{'all told rightly' if not table.wrong else f'{table.wrong} told wrongly'}, {seconds:.0f} s")
    (HERE.parent / "docs" / "gateways-seen.md").write_text(table.page(), encoding="utf-8")
    return 1 if table.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
