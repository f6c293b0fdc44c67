"""What sglang's router says of the servers behind it: that there are none, and none since."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from logsamples import Snippet, judged, roots, written

ROW = "logs.router-without-workers"
NEW = "2026-11-04 10:05:37  INFO sglang_router_rs::"
OLD = "[Router (Rust)] 2026-03-08 02:33:09 - "
NONE = NEW + "server: src/server.rs:830: Starting router on 0.0.0.0:8000 | mode: Regular { worker_urls: [] }"
TWO = NONE.replace("[]", '["http://10.0.0.7:8000", "http://10.0.0.8:8000"]')
WAITS = NEW + "routers::http::router: Waiting for 2 workers to become healthy (timeout: 600s)"
HEALTHY = NEW + "routers::http::router: 2 out of 2 workers are healthy"
ADDED = OLD + "INFO - Added worker: http://10.0.0.7:8000"
DISCOVERY = NEW + "server: src/server.rs:255: Service discovery enabled"
GAVE_UP = (
    'Timeout 600s waiting for hosts ["http://10.0.0.7:8000", "http://10.0.0.8:8000"] to become healthy. '
    "Set --worker-startup-timeout-secs to a larger value"
)
OLDER = OLD + "ERROR - Timeout 300s waiting for workers to become healthy"
EMPTY = OLD + "ERROR - Timeout waiting for workers to become healthy: no workers provided"
SMG = "2026-02-26 13:55:38 {} smg::{}: /home/runner/work/sglang/sglang/src/{}: "
GRPC = (
    SMG.format(" INFO", "server", "server.rs:794")
    + 'Starting router on 0.0.0.0:8000 | mode: Regular { worker_urls: ["grpc://10.0.0.7:50051"] }'
)
BOTH = (
    "Both HTTP and gRPC health checks failed for grpc://10.0.0.7:50051: HTTP: Health check failed: error sending "
    "request for url (http://10.0.0.7:50051/health), gRPC: gRPC failed (tried SGLang and vLLM): gRPC connection "
    "failed: transport error"
)
STEP = SMG.format(" WARN", "workflow::event", "workflow/event.rs:233") + (
    f'Step failed instance_id=c2d6835f step_id=detect_connection_mode error="{BOTH}" will_retry=true'
)
JOB = SMG.format(" WARN", "core::job_queue", "core/job_queue.rs:640") + (
    "Failed job: type=AddWorker, worker=grpc://10.0.0.7:50051, duration=1801.220s, "
    f"error=Workflow failed at step detect_connection_mode: {BOTH}"
)
ACTIVE = SMG.format(" INFO", "core::steps::worker::shared::activate", "activate.rs:31") + (
    "Activated 1 worker(s) (marked as healthy)"
)
CLIENT = NEW.replace(" INFO", "ERROR") + (
    "core::worker: src/core/worker.rs:517: Failed to connect gRPC client for worker grpc://localhost:20000: "
    "transport error"
)
SCHEME = NEW.replace(" INFO", " WARN") + (
    "core::worker: src/core/worker.rs:615: HTTP health check failed for grpc://192.168.1.200:31001: reqwest::Error "
    '{ kind: Builder, url: "grpc://192.168.1.200:31001/health", source: BadScheme }'
)
ADDRESS = (
    "Error starting router: Configuration error: Invalid value for field 'worker_url': http://10.0.0.7:30000,8998 - "
    "Invalid URL format: invalid port number"
)


def _roots(path: Path, *lines: str) -> list[str]:
    return [f.id for f in roots(judged(written(path / "router.log", "\n".join(lines) + "\n")))]


@pytest.mark.parametrize(
    ("lines", "row"),
    [
        ((NONE,), ROW),
        ((NONE, NONE.replace("Starting router on 0.0.0.0:8000 | mode", "Initializing workers for routing mode")), ROW),
        ((TWO, WAITS, NEW.replace(" INFO", "ERROR") + "routers::http::router: " + GAVE_UP), ROW),
        ((OLD + "INFO - starting", OLDER), ROW),
        ((OLD + "INFO - starting", EMPTY), ROW),
        ((NONE, ADDED, OLDER), ROW),
        ((NONE, ADDED), "logs.wrong-engine"),
        ((NONE, DISCOVERY), "logs.wrong-engine"),
        ((NONE, HEALTHY), "logs.wrong-engine"),
        ((TWO, WAITS), "logs.wrong-engine"),
        ((GRPC, STEP), ROW),
        ((GRPC, STEP, JOB), ROW),
        ((GRPC, STEP, ACTIVE), "logs.wrong-engine"),
        ((GRPC, ACTIVE, STEP, JOB), "logs.wrong-engine"),
        ((GRPC, CLIENT), ROW),
        ((GRPC, ACTIVE, SCHEME), ROW),
        ((ADDRESS, "Traceback (most recent call last):", "ValueError: " + ADDRESS.partition(": ")[2]), ROW),
        ((TWO, WAITS, HEALTHY), "logs.wrong-engine"),
    ],
)
def test_a_router_without_a_server_is_told(lines: tuple[str, ...], row: str, tmp_path: Path) -> None:
    assert _roots(tmp_path, *lines) == [row]


def test_those_it_waited_for_are_asked(tmp_path: Path) -> None:
    text = "\n".join((TWO, WAITS, NEW + "routers::http::router: " + GAVE_UP))
    (root,) = roots(judged(written(tmp_path / "router.log", text)))
    assert "http://10.0.0.7:8000, http://10.0.0.8:8000" in str(root.cause)
    assert [command for command in root.commands if command.endswith("http://10.0.0.7:8000/health")]


@pytest.mark.parametrize(
    ("lines", "cause", "command"),
    [
        ((GRPC, STEP), "grpc://10.0.0.7:50051", "</dev/tcp/10.0.0.7/50051'"),
        ((GRPC, STEP.replace("for grpc://", "for http://")), "http://10.0.0.7:50051", "http://10.0.0.7:50051/health"),
        (
            (GRPC, CLIENT, CLIENT.replace("20000", "20001")),
            "grpc://localhost:20000",
            "</dev/tcp/localhost/20000'",
        ),
        ((GRPC, SCHEME), "took grpc://192.168.1.200:31001", "install --upgrade sglang-router"),
        ((ADDRESS,), "cannot read the address", "sglang_router.launch_router --help"),
    ],
)
def test_what_kept_a_server_out_has_its_own_remedy(
    lines: tuple[str, ...], cause: str, command: str, tmp_path: Path
) -> None:
    (root,) = roots(judged(written(tmp_path / "router.log", "\n".join(lines))))
    assert cause in str(root.cause)
    assert command in "\n".join(root.commands)


def test_a_server_that_is_called_so_is_none(tmp_path: Path) -> None:
    """The words alone, in a log of sglang itself, are no router's."""
    text = Snippet("", "serving", "", ("worker_urls: []", "[@] 1 out of 2 workers are healthy")).log("0.5.9")
    assert roots(judged(written(tmp_path / "sglang.log", text))) == []


DIED = Path(__file__).parents[2] / "data" / "router"
"""Logs of true routers by release, whose only server was killed; shortened."""
LOST = {"0.1.9": ("Health check failed", 24959), "0.2.4": ("Failed to send", 29757), "0.3.2": ("Failed to send", 23215)}


COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def _lines(release: str) -> list[str]:
    return (DIED / f"{release}.log").read_text().splitlines()


@pytest.mark.parametrize("release", LOST)
def test_a_server_that_is_lost_later_is_named(release: str, tmp_path: Path) -> None:
    words, port = LOST[release]
    (root,) = roots(judged(written(tmp_path / "router.log", "\n".join(_lines(release)) + "\n")))
    assert root.id == ROW
    assert words in str(root.evidence[0].observed)
    assert f"http://127.0.0.1:{port} does not answer it any more" in str(root.cause)
    assert root.commands[0].endswith(f"http://127.0.0.1:{port}/health")
    assert root.commands[1] == "curl -sS --noproxy '*' http://127.0.0.1:31100/workers"


@pytest.mark.parametrize("release", LOST)
def test_before_it_was_lost_and_after_it_came_back_it_is_a_log_of_another_program(release: str, tmp_path: Path) -> None:
    lines = [COLOURS.sub("", line) for line in _lines(release)]
    lost = next(n for n, line in enumerate(lines) if LOST[release][0] in line)
    assert _roots(tmp_path, *lines[:lost]) == ["logs.wrong-engine"]
    again = next((line for line in lines if "method=POST" in line and "status_code=200" in line), "workers are healthy")
    back = [line for line in lines if again in line][:1]
    assert _roots(tmp_path, *lines, *back) == ["logs.wrong-engine"]
    page = [line for line in lines if "method=GET" in line][:1]
    assert _roots(tmp_path, *lines, *page) == [ROW]


def test_a_health_check_that_fails_while_the_model_may_still_load_proves_nothing(tmp_path: Path) -> None:
    lines = [
        line
        for line in map(partial(COLOURS.sub, ""), _lines("0.3.2"))
        if "Starting router" in line or "HTTP health check failed" in line
    ]
    assert len(lines) == 2
    assert _roots(tmp_path, *lines) == ["logs.wrong-engine"]
