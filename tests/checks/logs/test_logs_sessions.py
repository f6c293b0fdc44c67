"""A log is judged by its newest start: whether that became ready, and if not, why."""

from __future__ import annotations

import io
import os
import re
import time
from pathlib import Path

import pytest

from bgecheck.checks.logs import AREA
from bgecheck.model import Finding, Status, Target, Text, say
from bgecheck.model.deadline import Deadline
from bgecheck.run import engine
from bgecheck.run.context import Context

ARGS = (
    "[2026-11-02 22:10:05] server_args={'model_path': '/srv/models/MODEL', 'host': '127.0.0.1', 'port': 30000, "
    "'is_embedding': True, 'api_key': 'sk-hush', 'mem_fraction_static': 0.7, 'disable_radix_cache': RADIX}"
)
LOADING = "[2026-11-02 22:10:15] Load weight begin. avail mem=22.48 GB"
READY = """[2026-11-02 22:10:17] INFO:     Started server process [1307]
[2026-11-02 22:10:17] INFO:     Application startup complete.
[2026-11-02 22:10:17] INFO:     Uvicorn running on http://127.0.0.1:30000 (Press CTRL+C to quit)
[2026-11-02 22:10:18] INFO:     127.0.0.1:50120 - "POST /encode HTTP/1.1" 200 OK
[2026-11-02 22:10:18] The server is fired up and ready to roll!"""
SERVED = '[2026-11-02 22:12:40] INFO:     127.0.0.1:50432 - "POST /v1/embeddings HTTP/1.1" 200 OK'
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB."
DIED = "[2026-11-02 22:10:20] Received sigquit from a child process. It usually means the child failed."


def _args(model: str = "Qwen3-Embedding-0.6B", radix_off: bool = False) -> str:
    return ARGS.replace("MODEL", model).replace("RADIX", str(radix_off))


def _judge(path: Path, *lines: str, age: float = 0.0) -> dict[str, Finding]:
    """The rows of a log that was last written `age` seconds ago."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    then = time.time() - age
    os.utime(path, (then, then))
    context = Context(Target(url="", host="", port=0, log=str(path)), Deadline(30))
    return {finding.id: finding for finding in engine.run([AREA], context)}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "sglang.log"


def _problems(rows: dict[str, Finding]) -> list[str]:
    return [id_ for id_, row in rows.items() if row.problem]


def test_a_ready_session_holds(log: Path) -> None:
    rows = _judge(log, _args(), LOADING, READY, SERVED)
    assert _problems(rows) == []
    assert rows["logs.ready"].status is Status.PASS
    assert rows["logs.ready"].values["state"] == "ready"
    assert rows["logs.ready"].values["seconds_to_ready"] == 13
    assert rows["logs.ready"].evidence[0].subject == "sglang.log:7"


def test_the_newest_session_is_judged_and_older_ones_are_counted(log: Path) -> None:
    rows = _judge(log, _args(), LOADING, OOM, DIED, "Killed", _args(), LOADING, READY, SERVED)
    assert _problems(rows) == []
    assert rows["logs.ready"].values["older_sessions"] == 1
    rows = _judge(log, _args(), READY, SERVED, _args(), LOADING, OOM, DIED)
    assert _problems(rows) == ["logs.ready", "logs.gpu-oom-weights"]


def test_older_sessions_are_told_in_one_line_each(log: Path) -> None:
    rows = _judge(log, _args(), LOADING, OOM, DIED, "Killed", _args(), LOADING, READY, SERVED, _args(), READY, SERVED)
    told = rows["logs.readable"].values["sessions"]
    assert [(t["line"], t["state"], t["cause"]) for t in told] == [(1, "failed", "gpu-oom-weights"), (6, "ready", None)]
    assert "sglang.log:1 2026-11-02 22:10:05 failed gpu-oom-weights" in str(rows["logs.readable"].evidence[1].observed)
    assert rows["logs.readable"].values["older_sessions"] == 2


def test_a_session_that_the_next_one_replaced_was_given_up(log: Path) -> None:
    rows = _judge(log, _args(), LOADING, _args(), READY, SERVED)
    assert [t["state"] for t in rows["logs.readable"].values["sessions"]] == ["given up"]


@pytest.mark.parametrize(("older", "more"), [(4, ""), (5, ""), (6, "1 more, and "), (8, "3 more, and ")])
def test_of_many_older_sessions_the_last_five_are_told_and_the_others_counted(older: int, more: str, log: Path) -> None:
    """Somebody who counts the starts in the file must not miss one."""
    rows = _judge(log, *(_args(), LOADING, READY, SERVED) * (older + 1))
    (told,) = (say(e.observed, "en") for e in rows["logs.readable"].evidence if say(e.subject, "en") == "before it")
    assert told.startswith(f"{more}sglang.log:")
    assert told.count(" ready") == min(older, 5)


def _shown(row: Finding) -> dict[str, str]:
    return {say(item.subject, "en"): say(item.observed, "en") for item in row.evidence}


def test_how_far_a_start_came_and_how_long_it_took_is_told_where_it_failed(log: Path) -> None:
    row = _judge(log, _args(), LOADING, OOM, DIED)["logs.ready"]
    assert row.status is Status.FAIL
    assert _shown(row)["start-up"] == "imports 10 s"
    assert "start-up" not in _shown(_judge(log, _args(), OOM, DIED)["logs.ready"])


def test_what_a_server_warned_of_is_told_beside_its_requests(log: Path) -> None:
    long = "ValueError: The input (514 tokens) is longer than the model's context length (512 tokens)."
    refused = SERVED.replace("200 OK", "400 Bad Request")
    row = _judge(log, _args(radix_off=True), LOADING, READY, SERVED, *(long, refused) * 2)["logs.ready"]
    assert "input-too-long 2" in _shown(row)["warnings"]
    assert "warnings" not in _shown(_judge(log, _args(radix_off=True), LOADING, READY, SERVED)["logs.ready"])


def test_the_start_is_told_by_its_stages(log: Path) -> None:
    """From the time stamps: how long each stage took until the next that was seen."""
    loaded = "[2026-11-02 22:10:16] Load weight end. type=Qwen3ForCausalLM, dtype=torch.float16, avail mem=21.30 GB"
    values = _judge(log, _args(), LOADING, loaded, READY, SERVED)["logs.ready"].values
    assert values["stages"] == {"arguments": 10, "weights": 1, "memory-pool": 1, "warm-up": 1, "idle": 142}


def test_a_client_that_is_answered_before_the_ready_line_was_not_waited_for(log: Path) -> None:
    """As a poll of `--wait` may be: the ready line comes a moment after the first embedding."""
    *before, ready = READY.splitlines()
    early = SERVED.replace("22:12:40", "22:10:17")
    row = _judge(log, _args(), LOADING, *before, early, ready)["logs.ready"]
    assert row.status is Status.PASS
    assert row.values["stages"] == {"arguments": 10, "weights": 2, "warm-up": 1}


def test_requests_are_counted_by_how_they_were_answered(log: Path) -> None:
    refused = SERVED.replace("200 OK", "400 Bad Request")
    broken = SERVED.replace("200 OK", "500 Internal Server Error")
    page = SERVED.replace("POST /v1/embeddings", "GET /health")
    told = _judge(log, _args(), READY, SERVED, SERVED, SERVED, page, refused, refused, broken)["logs.ready"].values
    assert told["requests"]["embeddings"] == 3
    assert told["requests"]["refused"] == {"POST /v1/embeddings 400": 2, "POST /v1/embeddings 500": 1}
    assert (told["requests"]["client_errors"], told["requests"]["server_errors"]) == (2, 1)


def test_consequences_are_folded_under_their_cause(log: Path) -> None:
    """Only the cause is a root; what it kills is counted, and the row that fails with it names it."""
    crash = "[2026-11-02 22:10:20] Scheduler hit an exception: Traceback (most recent call last):"
    exit_line = "[2026-11-02 22:10:21] Subprocess scheduler_0 (pid=11) crashed with exit code -9. Triggering SIGQUIT"
    rows = _judge(
        log, _args(), LOADING, crash, OOM, DIED, exit_line, "BrokenPipeError: [Errno 32] Broken pipe", "Killed"
    )
    cause = rows["logs.gpu-oom-weights"]
    assert _problems(rows) == ["logs.ready", "logs.gpu-oom-weights"]
    assert rows["logs.ready"].caused_by == cause.id
    assert cause.caused_by is None
    assert cause.values["consequences"] == 5
    assert cause.values["line"] == 4
    assert cause.values["phase"] == "load"
    assert cause.values["file"] == str(log)
    assert cause.values["context"] == [_args().replace("sk-hush", "***")[:400], LOADING, crash, OOM, DIED, exit_line]


def test_the_first_of_two_causes_is_the_decisive_one(log: Path) -> None:
    later = "RuntimeError: NCCL error: unhandled cuda error (run with NCCL_DEBUG=INFO for details)"
    rows = _judge(log, _args(), LOADING, OOM, later, DIED)
    assert _problems(rows) == ["logs.ready", "logs.gpu-oom-weights"]
    assert rows["logs.nccl-failure"].status is Status.SKIP
    assert rows["logs.nccl-failure"].reason == Text(
        "its line (sglang.log:4) is a consequence of logs.gpu-oom-weights",
        "相关报错（sglang.log:4）是 logs.gpu-oom-weights 的后果",
    )


def test_what_a_start_survived_is_no_cause(log: Path) -> None:
    """A retry that succeeded before the ready line explains nothing after it."""
    retry = (
        "'[Errno -2] Name or service not known' thrown while requesting HEAD https://huggingface.co/a/resolve/main/c"
    )
    assert _problems(_judge(log, _args(), retry, LOADING, READY, SERVED)) == []
    gone = "[2026-11-02 23:00:00] Subprocess scheduler_0 (pid=11) crashed with exit code -9. Triggering SIGQUIT"
    assert "logs.host-oom-killed" in _problems(_judge(log, _args(), retry, LOADING, READY, SERVED, gone))


def test_a_ready_line_after_a_failed_bind_is_false(log: Path) -> None:
    bind = (
        "[2026-11-02 22:10:17] ERROR:    [Errno 98] error while attempting to bind on address ('::1', 30000): "
        "address already in use"
    )
    rows = _judge(log, _args(), LOADING, READY.split("\n")[0], bind, READY.split("\n")[-1])
    assert _problems(rows) == ["logs.ready", "logs.port-in-use"]
    assert rows["logs.ready"].values["state"] == "failed"


def test_a_start_is_starting_while_its_file_is_fresh_and_stuck_when_not(log: Path) -> None:
    now = time.strftime("[%Y-%m-%d %H:%M:%S]")
    lines = (_args(), now + " Load weight begin. avail mem=22.48 GB")
    rows = _judge(log, *lines)
    assert _problems(rows) == ["logs.ready"]
    assert rows["logs.ready"].values["state"] == "starting"
    assert "--wait" in rows["logs.ready"].commands[0]
    rows = _judge(log, *lines, age=900)
    assert _problems(rows) == ["logs.ready", "logs.stalled-no-error"]
    assert rows["logs.ready"].values["state"] == "stuck"
    assert rows["logs.ready"].caused_by == "logs.stalled-no-error"
    assert rows["logs.ready"].values["phase"] == "load"
    stalled = rows["logs.stalled-no-error"].evidence
    assert stalled[0].subject == "sglang.log:2"
    assert say(stalled[1].subject, "en").startswith("silent since ")
    assert re.search("没有新内容，已 90[0-9] 秒$", say(stalled[1].subject, "zh"))
    assert "disk or network file system" in say(stalled[1].observed, "en")
    assert any("ls -l /" in command for command in rows["logs.stalled-no-error"].commands)
    rows = _judge(log, lines[0].replace("/srv/models/Qwen3-Embedding-0.6B", "BAAI/bge-m3"), lines[1], age=900)
    stalled = rows["logs.stalled-no-error"].evidence
    assert "the weights are being downloaded" in say(stalled[1].observed, "en")
    assert any("hf download BAAI/bge-m3" in command for command in rows["logs.stalled-no-error"].commands)


def test_of_a_pipe_the_time_stamps_tell_whether_it_is_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker logs sglang | bgecheck logs -` knows no file; containers mostly write UTC."""
    states = []
    for clock in (time.localtime(), time.gmtime(), time.gmtime(0)):
        stamp = time.strftime("[%Y-%m-%d %H:%M:%S]", clock)
        lines = f"{_args()}\n{stamp} Load weight begin. avail mem=22.48 GB\n"
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        rows = engine.run([AREA], Context(Target(url="", host="", port=0, log="-"), Deadline(30)))
        states.append(next(row.values["state"] for row in rows if row.id == "logs.ready"))
    assert states == ["starting", "starting", "stuck"]


def test_a_copied_log_of_an_old_start_is_stuck_although_the_file_is_new(log: Path) -> None:
    assert _judge(log, _args(), LOADING.replace("2026", "2020"))["logs.ready"].values["state"] == "stuck"


def test_a_stopped_server_is_no_failure(log: Path) -> None:
    stop = "[2026-11-02 23:00:00] SIGTERM received. signum=None frame=None. Draining requests and shutting down..."
    rows = _judge(log, _args(), LOADING, READY, SERVED, stop, "Killed")
    assert _problems(rows) == []
    assert rows["logs.ready"].status is Status.SKIP
    assert rows["logs.ready"].values["state"] == "stopped"


def test_an_exception_that_no_rule_knows_is_still_a_failure(log: Path) -> None:
    """The row shows the last message itself, with the command that shows what stands around it."""
    rows = _judge(log, _args(), LOADING, "Traceback (most recent call last):", "RuntimeError: flux capacitor", age=900)
    assert _problems(rows) == ["logs.ready"]
    assert rows["logs.ready"].values["state"] == "failed"
    assert rows["logs.ready"].evidence[0].observed == "RuntimeError: flux capacitor"
    assert rows["logs.ready"].commands[0].startswith("tail -n +1 ")


def test_what_ends_the_capture_of_graphs_is_answered_by_a_start_without_them(log: Path) -> None:
    """Whatever it is: embedding needs none (sglang #9706 and #7918 are two that no rule knows)."""
    capture = "[2026-11-02 22:10:15] Capture cuda graph begin. This can take up to several minutes. avail mem=2.9 GB"
    rows = _judge(log, _args(), LOADING, capture, "Exception: Capture cuda graph failed: invalid argument", DIED)
    assert _problems(rows) == ["logs.ready"]
    assert rows["logs.ready"].commands[0].endswith("--disable-cuda-graph")
    assert "--port 30000" in rows["logs.ready"].commands[0]


def test_a_message_may_explain_at_length_and_still_be_the_end(log: Path) -> None:
    """Unless the process wrote on below it: a line of its logger, or progress."""
    error = (
        "Traceback (most recent call last):",
        "RuntimeError: flux capacitor",
        *["Turn it off, then on again."] * 20,
    )
    ended = _judge(log, _args(), LOADING, *error, age=900)
    assert ended["logs.ready"].values["state"] == "failed"
    for line in (LOADING, "Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:01<00:01,  1.10s/it]"):
        stuck = _judge(log, _args(), LOADING, *error, line, age=900)
        assert stuck["logs.ready"].values["state"] == "stuck", line


def test_a_log_without_its_beginning_is_judged_by_what_it_serves(log: Path) -> None:
    """`docker logs --tail` cuts the start off; answered embeddings prove that it was ready."""
    assert _problems(_judge(log, SERVED, SERVED, age=900)) == []
    assert _judge(log, SERVED, SERVED)["logs.ready"].values["state"] == "ready"


BATCHES = (
    "[2026-11-02 22:12:40 TP0] Prefill batch, #new-seq: 1, #new-token: 64, #cached-token: 3, token usage: 0.00,",
    "[2026-11-02 22:12:41 TP0] Decode batch, #running-req: 2, #token: 212, token usage: 0.01, cuda graph: True,",
)


@pytest.mark.parametrize(
    "lines",
    [
        BATCHES,
        BATCHES[::-1],
        [SERVED.replace("/v1/embeddings", "/generate")] * 3,
        [SERVED.replace("/v1/embeddings", "/encode")] * 3,
    ],
)
def test_a_tail_that_shows_work_is_of_a_server_that_serves(lines: list[str], log: Path) -> None:
    """Nothing of a start is there that could be stuck."""
    rows = _judge(log, *lines, age=900)
    assert _problems(rows) == []
    assert rows["logs.ready"].values["state"] == "ready"


def test_a_batch_of_another_rank_behind_an_error_does_not_bring_it_back(log: Path) -> None:
    raised = "torch.AcceleratorError: CUDA error: an illegal memory access was encountered"
    rows = _judge(log, '  File "sglang/srt/managers/scheduler.py", line 1, in run_batch', raised, BATCHES[1], DIED)
    assert _problems(rows) == ["logs.ready", "logs.illegal-memory-access"]


def test_the_warm_up_of_a_start_is_not_yet_work(log: Path) -> None:
    """A batch and its answer come before the ready line; a start that stops there is stuck."""
    rows = _judge(log, _args(), LOADING, *READY.split("\n")[:3], BATCHES[0], age=900)
    assert rows["logs.ready"].values["state"] == "stuck"


@pytest.mark.parametrize("line", ["[2026-11-02 22:10:15 TP1] Init torch distributed begin.", "CAPTURE"])
def test_a_tail_of_a_start_is_known_by_what_sglang_alone_writes(line: str, log: Path) -> None:
    line = line.replace(
        "CAPTURE", "[2026-11-02 22:10:15] Capture cuda graph begin. This can take up to several minutes."
    )
    rows = _judge(log, line, "gpu03:175:175 [0] NCCL INFO Bootstrap: Using eth0:10.0.0.3<0>", age=900)
    assert _problems(rows) == ["logs.ready", "logs.stalled-no-error"]


def test_a_generation_server_may_refuse_a_chat(log: Path) -> None:
    """It is known by what it answers where its start is cut off; an embedding server is not, for it streams errors."""
    chat = SERVED.replace("/v1/embeddings", "/v1/chat/completions")
    refused = chat.replace("200 OK", "400 Bad Request")
    assert _problems(_judge(log, BATCHES[1], chat, chat, refused, chat)) == []
    rows = _judge(log, _args(), LOADING, READY, chat, refused)
    assert _problems(rows) == ["logs.generation-request-on-embedding"]
    assert _problems(_judge(log, BATCHES[0], chat, SERVED, refused)) == ["logs.generation-request-on-embedding"]


def test_a_fault_that_a_server_lives_with_is_told_and_nothing_has_died(log: Path) -> None:
    full = "OSError: [Errno 28] No space left on device"
    rows = _judge(log, _args(), LOADING, READY, SERVED, full, *[SERVED] * 4)
    assert _problems(rows) == ["logs.disk-full"]
    assert rows["logs.ready"].values["state"] == "ready"
    assert _problems(_judge(log, _args(), LOADING, READY, SERVED, full, *[SERVED] * 4, DIED)) == [
        "logs.ready",
        "logs.disk-full",
    ]


def test_paths_that_no_client_of_an_engine_asks_for_count_for_nothing(log: Path) -> None:
    scanned = [
        f'[2026-11-02 22:12:40] INFO:     203.0.113.9:4{n} - "POST {path} HTTP/1.1" {status}'
        for n, path in enumerate(("/sdk", "/cgi-bin/luci", "/", "/hudson", "/device.rsp"))
        for status in ("404 Not Found", "401 Unauthorized")
    ]
    rows = _judge(log, _args(), LOADING, READY, *scanned)
    assert _problems(rows) == []
    lost = SERVED.replace("/v1/embeddings", "/api/embedding").replace("200 OK", "404 Not Found")
    rows = _judge(log, _args(), LOADING, READY, *scanned, lost)
    assert _problems(rows) == ["logs.client-request-rejected"]
    assert rows["logs.client-request-rejected"].evidence[0].observed == lost


@pytest.mark.parametrize(
    ("line", "engine_name"),
    [
        ("INFO 11-02 22:10:05 [api_server.py:1289] vLLM API server version 0.10.1", "vLLM"),
        (
            "2026-11-02T22:10:05Z  INFO text_embeddings_router: router/src/main.rs:203: Args",
            "text-embeddings-inference",
        ),
        ("INFO 11-02 22:10:05 [launcher.py:36] Route: /metrics, Methods: GET", "vLLM"),
        ('time=2026-11-02T22:10:05Z level=INFO source=routes.go:1 msg="Ollama cloud disabled"', "Ollama"),
        ('time=2026-11-02T22:10:05Z level=INFO source=sched.go:517 msg="gpu memory" id=0 library=CUDA', "Ollama"),
        ("slot update_slots: id  3 | task 19 | new prompt, n_ctx_slot = 512, n_prompt_tokens = 31", "llama.cpp"),
        ("srv  log_server_r: request: POST /v1/embeddings 10.0.0.7 200", "llama.cpp"),
        ("I1102 22:10:05.100000 1 grpc_server.cc:2451] Started GRPCInferenceService at 0.0.0.0:8001", "Triton"),
        ("10:10PM INF Starting LocalAI using 8 threads, with models path: /models", "LocalAI"),
        ('  File "/venv/lib/python3.11/site-packages/fastchat/serve/model_worker.py", line 88, in embed', "FastChat"),
        ("[2026-11-02 22:10:05][INFO][LM STUDIO SERVER] Success! HTTP server listening on port 1234", "LM Studio"),
        ("22:10:05 - LiteLLM Proxy:INFO: proxy_server.py:2291 - Loaded config YAML", "LiteLLM"),
        ("[SYS] 2026/11/02 - 22:10:05 | New API v0.9.3 ready in 812 ms", "New API"),
        ("2026-11-02 22:10:05  INFO sglang_router_rs::server: src/server.rs:811: Router ready", "sglang-router"),
        ("[Router (Rust)] 2026-11-02 22:10:05 - INFO - Worker http://10.0.0.7:30000 is healthy", "sglang-router"),
        (
            '{"level":"INFO","message":"Ready","target":"text_embeddings_router::http::server"}',
            "text-embeddings-inference",
        ),
        ("INFO 11-02 22:10:05 metrics.py:417] Avg prompt throughput: 2.0 tokens/s, Running: 1 reqs", "vLLM"),
        ('10.0.0.7 - - [02/Nov/2026:22:10:05 +0800] "POST /v1/embeddings HTTP/1.1" 200 9120 "-" "okhttp/4.9"', "nginx"),
        ("2026/11/02 22:10:05 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)", "nginx"),
    ],
)
def test_a_log_of_another_engine_is_named(line: str, engine_name: str, log: Path) -> None:
    rows = _judge(log, line, "torch.OutOfMemoryError: CUDA out of memory.", age=900)
    assert _problems(rows) == ["logs.wrong-engine"]
    cause = rows["logs.wrong-engine"].cause
    assert not isinstance(cause, str)
    assert engine_name in cause.en
    assert engine_name in cause.zh


def test_requests_alone_do_not_hide_another_engine(log: Path) -> None:
    """Every engine behind uvicorn answers `POST /v1/embeddings`."""
    route = "INFO 11-02 22:10:05 [launcher.py:36] Route: /ping, Methods: GET"
    for lines in ((route, SERVED, SERVED), (SERVED, route, SERVED)):
        assert _problems(_judge(log, *lines)) == ["logs.wrong-engine"]


def test_what_a_proxy_in_the_same_log_answered_is_not_counted(log: Path) -> None:
    proxied = 'nginx-1   | 10.0.0.7 - - [02/Nov/2026:22:12:40 +0800] "POST /v1/embeddings HTTP/1.1" STATUS 157 "-" "-"'
    lines = [_args(), LOADING, *READY.split("\n"), SERVED]
    both = [f"sglang-1  | {line}" for line in lines] + [
        proxied.replace("STATUS", code) for code in ("200", *["502"] * 9)
    ]
    rows = _judge(log, *both)
    assert _problems(rows) == []
    assert rows["logs.ready"].values["requests"]["embeddings"] == 1
    assert rows["logs.ready"].values["requests"]["server_errors"] == 0


@pytest.mark.parametrize(
    ("end", "state"),
    [
        ("emb-1 exited with code 1", "failed"),
        ("emb-1 exited with code 134", "failed"),
        ("emb-1 exited with code 0", "stopped"),
        ("emb-1 exited with code 143", "stopped"),
        ("redis-1 exited with code 1", "ready"),
        ("redis-1 exited with code 0", "ready"),
    ],
)
def test_compose_tells_how_its_service_ended(end: str, state: str, log: Path) -> None:
    lines = [_args(), LOADING, *READY.split("\n"), SERVED]
    rows = _judge(log, *(f"emb-1    | {line}" for line in lines), "redis-1  | * Ready to accept connections", end)
    assert rows["logs.ready"].values["state"] == state


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("code=exited, status=1/FAILURE", "failed"),
        ("code=killed, status=9/KILL", "failed"),
        ("code=dumped, status=6/ABRT", "failed"),
        ("code=exited, status=0/SUCCESS", "stopped"),
        ("code=killed, status=15/TERM", "stopped"),
        ("code=exited, status=143/n/a", "stopped"),
    ],
)
def test_systemd_tells_how_its_service_ended(status: str, state: str, log: Path) -> None:
    lines = [_args(), LOADING, *READY.split("\n"), SERVED]
    journal = [f"Nov 02 22:12:40 gpu-02 python3[811]: {line}" for line in lines]
    rows = _judge(log, *journal, f"Nov 02 22:13:00 gpu-02 systemd[1]: emb.service: Main process exited, {status}")
    assert rows["logs.ready"].values["state"] == state


@pytest.mark.parametrize(
    "line", ["started in background thread at 0.0.0.0:8000", "scheduled on existing loop at ::1:80"]
)
def test_a_node_that_answers_no_clients_is_ready_without_the_ready_line(line: str, log: Path) -> None:
    joined = f"[2026-11-02 22:10:20] Dummy health check server {line}"
    rows = _judge(log, _args(), LOADING, joined, age=900)
    assert _problems(rows) == []
    assert rows["logs.ready"].values["seconds_to_ready"] == 15


def test_notes_about_sglang_are_no_log_of_it(log: Path) -> None:
    rows = _judge(log, "# how to start", "python -m sglang.launch_server --model-path bge", "sglang is fast", age=900)
    assert _problems(rows) == ["logs.wrong-engine"]


@pytest.mark.parametrize("mark", ["Rank 0: load weight begin.", "[2026-11-02 22:12:40] KV Cache is allocated."])
def test_a_part_of_a_log_without_a_path_of_sglang_is_still_its_own(mark: str, log: Path) -> None:
    rows = _judge(log, mark, "torch.OutOfMemoryError: CUDA out of memory.", age=900)
    assert "logs.wrong-engine" not in _problems(rows)


@pytest.mark.parametrize("model", ["bge-large-zh-v1.5", "models--BAAI--bge-m3/snapshots/5617a9f6"])
def test_an_encoder_with_the_prefix_cache_on_computes_wrong_vectors(model: str, log: Path) -> None:
    batch = "[2026-11-02 22:12:40] Prefill batch, #new-seq: 1, #new-token: 14, #cached-token: 12, token usage: 0.00,"
    rows = _judge(log, _args(model), LOADING, READY, SERVED)
    assert _problems(rows) == ["logs.encoder-vectors-wrong"]
    assert rows["logs.encoder-vectors-wrong"].evidence[0].observed == "disable_radix_cache=False"
    rows = _judge(log, _args(model), LOADING, READY, batch, SERVED)
    assert rows["logs.encoder-vectors-wrong"].evidence[0].observed == batch
    assert "--disable-radix-cache" in rows["logs.encoder-vectors-wrong"].commands[0]
    assert _problems(_judge(log, _args(model, radix_off=True), LOADING, READY, SERVED)) == []


def test_a_decoder_may_reuse_its_prefix(log: Path) -> None:
    batch = "[2026-11-02 22:12:40] Prefill batch, #new-seq: 1, #new-token: 14, #cached-token: 12, token usage: 0.00,"
    assert _problems(_judge(log, _args(), LOADING, READY, batch, SERVED)) == []


def test_a_setting_that_did_no_harm_yet_stands_behind_what_was_seen(log: Path) -> None:
    """Refused texts are the cause; the cache, which no batch used, is left open and said."""
    long = "[2026-11-02 22:12:40] The input (801 tokens) is longer than the model's context length (512 tokens)."
    rows = _judge(log, _args("bge-large-zh-v1.5"), LOADING, READY, long, SERVED)
    assert _problems(rows) == ["logs.input-too-long"]
    doubt = rows["logs.encoder-vectors-wrong"]
    assert doubt.status is Status.SKIP
    assert doubt.reason is not None
    assert "disable_radix_cache=False" in str(doubt.reason)


def test_a_crash_of_the_detokenizer_after_a_handled_error_is_told_by_its_own_cause(log: Path) -> None:
    """An error that a request got, and that was served after, does not hide the killed process."""
    handled = ("Traceback (most recent call last):", "KeyError: 'text'")
    gone = "[2026-11-02 23:00:00] Subprocess detokenizer_0 (pid=12) crashed with exit code -9. Triggering SIGQUIT"
    rows = _judge(log, _args(), LOADING, READY, *handled, SERVED, gone)
    assert _problems(rows) == ["logs.ready", "logs.host-oom-killed"]


def test_markup_and_escapes_of_a_log_come_out_harmless(log: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2Jtorch.OutOfMemoryError: CUDA out of memory. \u202e[red]<script>api_key=sk-abcdef123"
    rows = _judge(log, _args(), LOADING, evil, DIED)
    told = repr([(f.evidence, f.values, f.commands) for f in rows.values()])
    for bad in ("\\x1b", "\\x07", "\\u202e", "sk-abcdef123", "sk-hush"):
        assert bad not in told


def test_without_a_log_nothing_was_looked_at() -> None:
    rows = engine.run([AREA], Context(Target(url="", host="", port=0), Deadline(30)))
    assert {row.status for row in rows} == {Status.SKIP}


def test_a_log_that_vanished_could_not_be_judged(tmp_path: Path) -> None:
    gone = Context(Target(url="", host="", port=0, log=str(tmp_path / "gone.log")), Deadline(30))
    rows = engine.run([AREA], gone)
    assert rows[0].status is Status.ERROR
    assert not any(row.problem for row in rows)


def test_an_empty_log_says_nothing_yet(log: Path) -> None:
    rows = _judge(log, "")
    assert Status.PASS not in {row.status for row in rows.values()}
    assert _problems(rows) == []


@pytest.mark.parametrize(
    ("line", "is_a_fault"),
    [
        ("上周这台机器报过 torch.OutOfMemoryError: CUDA out of memory，后来加了 0.5 就好了。", False),
        ("之前报错：OSError: [Errno 28] No space left on device，清理以后正常！", False),
        ("cp: 写入 '/data/models/model.safetensors' 出错: 设备上没有空间", True),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB. 显存不够了，怎么办？", True),
        ("错误：torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB，进程退出。", True),
    ],
)
def test_a_sentence_that_somebody_wrote_between_the_lines_is_no_error(
    line: str, is_a_fault: bool, tmp_path: Path
) -> None:
    rows = _judge(tmp_path / "sglang.log", _args(radix_off=True), LOADING, line, DIED)
    fatal = {name for name, row in rows.items() if row.status is Status.FAIL and "ready" not in name}
    assert bool(fatal & {"logs.gpu-oom-weights", "logs.disk-full", "logs.gpu-oom-serving"}) is is_a_fault, fatal
