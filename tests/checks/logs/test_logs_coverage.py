"""A cause passes only where the log covers the phases in which it shows; else it is skipped, and says why."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from bgecheck.checks.logs import AREA
from bgecheck.engines.sglang.log.cause import CAUSES
from bgecheck.engines.sglang.log.coverage import EXCERPT, Coverage, coverage, span
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.engines.sglang.log.marks import MILESTONES, PHASES, STAGE_NAMES
from bgecheck.engines.sglang.log.session import NO_WORKER
from bgecheck.logfile.lines import Block
from bgecheck.model import Finding, Report, Status, Target, Text
from bgecheck.model.deadline import Deadline
from bgecheck.run import engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings
from cases import failures
from logsamples import Snippet, snippets, written

ARGS = (
    "[2026-11-02 22:10:05] server_args={'model_path': '/srv/bge-large-zh-v1.5', 'is_embedding': True, "
    "'disable_radix_cache': True, 'chunked_prefill_size': -1}"
)
DEVICE = "[2026-11-02 22:10:07] Init torch distributed begin."
LOAD = "[2026-11-02 22:10:15] Load weight begin. avail mem=22.48 GB"
LOADED = "[2026-11-02 22:10:16] Load weight end. elapsed=0.41 s, type=BertModel, avail mem=21.86 GB"
GRAPH = "[2026-11-02 22:10:16] Capture cuda graph begin. This can take up to several minutes."
CAPTURED = "[2026-11-02 22:10:17] Capture cuda graph end. Time elapsed: 0.4 s."
STARTED = "[2026-11-02 22:10:17] INFO:     Started server process [1307]"
READY = "[2026-11-02 22:10:18] The server is fired up and ready to roll!"
PAGE = '[2026-11-02 22:12:39] INFO:     127.0.0.1:50431 - "GET /health HTTP/1.1" 200 OK'
SERVED = '[2026-11-02 22:12:40] INFO:     127.0.0.1:50432 - "POST /v1/embeddings HTTP/1.1" 200 OK'
REFUSED = '[2026-11-02 22:12:40] INFO:     127.0.0.1:50432 - "POST /v1/embeddings HTTP/1.1" 400 Bad Request'
BATCH = "[2026-11-02 22:12:40] Prefill batch. #new-seq: 1, #new-token: 9, #cached-token: 0, #running-req: 0"
START = (ARGS, DEVICE, LOAD, LOADED, GRAPH, CAPTURED, STARTED, READY)

GENERAL = {"logs.readable", "logs.ready", "logs.wrong-engine"}
SERVING = {cause.name for cause in CAUSES if cause.shows == ("serving",)}
"""Causes that show only while a server serves."""
ALSO_SERVING = {cause.name for cause in CAUSES if len(cause.shows) > 1 and cause.shows[-1] == "serving"}
"""Causes that show in a start, and while it serves."""


def _judge(path: Path, *lines: str) -> dict[str, Finding]:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    context = Context(Target(url="", host="", port=0, log=str(path)), Deadline(30))
    return {finding.id: finding for finding in engine.run([AREA], context)}


def _with(rows: dict[str, Finding], status: Status) -> set[str]:
    return {id_.removeprefix("logs.") for id_, row in rows.items() if row.status is status and id_ not in GENERAL}


OF_ROUTER = {NO_WORKER}
"""The cause that shows in a log of sglang's router alone."""
ALL = {check.id.removeprefix("logs.") for check in AREA.checks} - {id_.removeprefix("logs.") for id_ in GENERAL}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "sglang.log"


def test_two_lines_of_requests_prove_nothing_about_a_start(log: Path) -> None:
    rows = _judge(log, SERVED, SERVED)
    assert rows["logs.ready"].status is Status.PASS
    assert _with(rows, Status.SKIP) == ALL
    assert rows["logs.scheduler-hang"].reason == Text(
        "2 lines without the start prove nothing", "日志只有 2 行且没有启动过程，说明不了问题"
    )
    assert rows["logs.wrong-engine"].status is Status.SKIP
    assert rows["logs.gpu-oom-weights"].reason == Text(
        "the log begins after the loading of the weights", "日志从加载权重阶段之后才开始"
    )
    assert rows["logs.encoder-vectors-wrong"].reason == Text(
        "the log does not show which model runs", "日志里看不出运行的是哪个模型"
    )


@pytest.mark.parametrize("lines", [(SERVED,), (SERVED, PAGE, REFUSED), (BATCH, SERVED)])
@pytest.mark.parametrize(
    "wrapped", ["", "2026-11-02T22:10:15.123456789Z stderr F ", "Nov 02 22:10:15 gpu-01 sglang[811]: "]
)
def test_a_log_without_its_start_shows_what_serving_shows_when_it_is_long(
    log: Path, lines: tuple[str, ...], wrapped: str
) -> None:
    many = [wrapped + line for line in lines * EXCERPT]
    assert _with(_judge(log, *many[: EXCERPT - 1]), Status.PASS) == set()
    passed = _with(_judge(log, *many[:EXCERPT]), Status.PASS)
    assert SERVING - {"client-request-rejected"} <= passed <= SERVING
    assert _with(_judge(log, READY, SERVED), Status.PASS) == SERVING


def test_who_refuses_requests_is_up(log: Path) -> None:
    """Nothing of a start is seen; one refusal is no accident of most requests."""
    rows = _judge(log, REFUSED)
    assert rows["logs.ready"].status is Status.PASS
    assert [id_ for id_, row in rows.items() if row.problem] == []
    missing = REFUSED.replace("400 Bad Request", "404 Not Found")
    rows = _judge(log, *[missing] * 3)
    assert [id_ for id_, row in rows.items() if row.problem] == ["logs.client-request-rejected"]
    busy = REFUSED.replace("400 Bad Request", "503 Service Unavailable")
    assert _judge(log, busy)["logs.ready"].status is not Status.PASS


@pytest.mark.parametrize(
    "line", [PAGE, "[2026-11-02 22:10:15 TP0] WARNING: a weight is scaled.", "[2026-11-02 22:10:15.123 DP0 TP1] slow"]
)
def test_lines_in_the_style_of_sglang_without_a_mark_are_nobodys(log: Path, line: str) -> None:
    """A rotated log of a server that only its probes ask for, or one that keeps warnings alone."""
    rows = _judge(log, *[line] * 9)
    assert rows["logs.wrong-engine"].status is Status.ERROR
    assert {row.status for id_, row in rows.items() if id_ not in GENERAL} == {Status.SKIP}
    assert Report(command="logs", findings=tuple(rows.values()), target={}, started_at="", seconds=0).exit_code == 4


@pytest.mark.parametrize(
    "mention",
    [
        "INFO 11-02 22:10:15 [loader.py:2] Loading weights from /data/sglang/models/bge-m3",
        "/root/miniconda3/envs/sglang/lib/python3.11/site-packages/torch/cuda/__init__.py:61: FutureWarning: old",
        "INFO 11-02 22:10:15 [core.py:1] model='/sglang/bge-m3'",
        "see https://github.com/sgl-project/sglang/issues/1",
    ],
)
def test_a_folder_of_that_name_does_not_make_a_log_sglangs(log: Path, mention: str) -> None:
    engine_core = "INFO 11-02 22:10:15 [core.py:61] Initializing a V1 LLM engine with vllm"
    for lines in ((mention, engine_core, SERVED), (engine_core, mention, SERVED)):
        rows = _judge(log, *lines)
        assert rows["logs.wrong-engine"].status is Status.FAIL
        assert "vLLM" in str(rows["logs.wrong-engine"].cause)


@pytest.mark.parametrize(
    "path",
    [
        "/opt/venv/lib/python3.12/site-packages/sglang/srt/managers/scheduler.py",
        "/sgl-workspace/sglang/python/sglang/launch_server.py",
        "C:\\venv\\Lib\\site-packages\\sglang\\srt\\server_args.py",
        "/opt/sglang/lib/python3.11/site-packages/sglang/kernels/ops/utils.py",
    ],
)
def test_a_path_of_its_package_does(log: Path, path: str) -> None:
    assert _judge(log, f"{path}:71: UserWarning: old")["logs.wrong-engine"].status is Status.PASS


def test_a_whole_log_of_a_server_that_serves_covers_every_cause(log: Path) -> None:
    rows = _judge(log, *START, SERVED)
    assert _with(rows, Status.PASS) == ALL - OF_ROUTER
    weights = rows["logs.gpu-oom-weights"].evidence[0]
    assert (weights.subject, weights.observed) == (
        Text("no sign of it", "未见相关报错"),
        Text("lines 1 to 9", "第 1 至 9 行"),
    )


@pytest.mark.parametrize("line", [SERVED, REFUSED, BATCH])
def test_serving_is_covered_from_the_first_request_or_batch_on(log: Path, line: str) -> None:
    assert _with(_judge(log, *START), Status.SKIP) >= SERVING
    assert _with(_judge(log, *START, PAGE), Status.SKIP) >= SERVING
    assert _with(_judge(log, *START, PAGE.replace("GET /health", "POST /freeze_gc")), Status.SKIP) >= SERVING
    assert _with(_judge(log, *START, line), Status.PASS) >= SERVING


def test_a_server_that_nobody_asked_yet_is_judged_by_its_start(log: Path) -> None:
    rows = _judge(log, *START)
    assert _with(rows, Status.SKIP) == SERVING | ALSO_SERVING | OF_ROUTER
    assert rows["logs.scheduler-hang"].reason == Text(
        "the log holds no request since the server became ready", "日志里还没有就绪之后的请求"
    )
    assert Report(command="logs", findings=tuple(rows.values()), target={}, started_at="", seconds=0).exit_code == 0


@pytest.mark.parametrize(
    ("lines", "during", "passed", "skipped"),
    [
        ((ARGS,), "device", "", "bad-cli-arguments"),
        ((ARGS, DEVICE, LOAD), "load", "bad-cli-arguments", "weights-missing"),
        ((ARGS, DEVICE, LOAD, LOADED), "memory", "weights-missing", "gpu-oom-kv-pool"),
        ((ARGS, DEVICE, LOAD, LOADED, GRAPH), "graph", "gpu-oom-kv-pool", "gpu-oom-graph-capture"),
        (START[:6], "warm-up", "gpu-oom-graph-capture", "proxy-breaks-warmup"),
        (START[:7], "warm-up", "gpu-oom-graph-capture", "port-in-use"),
    ],
)
def test_a_start_covers_the_phases_that_it_is_past(
    log: Path, lines: tuple[str, ...], during: str, passed: str, skipped: str
) -> None:
    rows = _judge(log, *(line.replace("2026-11-02 22:10:", time.strftime("%Y-%m-%d %H:%M:")) for line in lines))
    assert rows["logs.ready"].values["state"] == "starting"
    assert rows["logs.ready"].values["phase"] == during
    assert not passed or rows[f"logs.{passed}"].status is Status.PASS
    assert rows[f"logs.{skipped}"].status is Status.SKIP
    assert rows[f"logs.{skipped}"].reason == Text(
        f"the log ends in {STAGE_NAMES[during].en}", f"日志停在{STAGE_NAMES[during].zh}阶段"
    )
    assert rows["logs.scheduler-hang"].reason == Text("the log does not reach serving", "日志没有到运行阶段")


@pytest.mark.parametrize(
    ("cut", "passed", "skipped"),
    [
        (1, "weights-missing", "bad-cli-arguments"),
        (2, "weights-missing", "nccl-failure"),
        (3, "gpu-oom-kv-pool", "weights-missing"),
        (4, "gpu-oom-graph-capture", "gpu-oom-kv-pool"),
        (5, "scheduler-hang", "gpu-oom-graph-capture"),
        (6, "scheduler-hang", "proxy-breaks-warmup"),
        (7, "scheduler-hang", "proxy-breaks-warmup"),
    ],
)
def test_a_log_whose_beginning_is_cut_off_covers_what_is_left(log: Path, cut: int, passed: str, skipped: str) -> None:
    """As of a rotated log, or of `tail -n`."""
    rows = _judge(log, *(*START, SERVED)[cut:])
    assert rows[f"logs.{passed}"].status is Status.PASS
    assert rows[f"logs.{skipped}"].status is Status.SKIP
    assert "begins after" in str(rows[f"logs.{skipped}"].reason)


def test_what_came_since_a_moment_covers_serving_only(log: Path) -> None:
    from datetime import datetime

    log.write_text("\n".join((*START, SERVED, SERVED)) + "\n")
    context = Context(
        Target(url="", host="", port=0, log=str(log)), Deadline(30), Settings(since=datetime(2026, 11, 2, 22, 12))
    )
    rows = {finding.id: finding for finding in engine.run([AREA], context)}
    assert _with(rows, Status.PASS) == SERVING | {"encoder-vectors-wrong"}
    assert rows["logs.scheduler-hang"].evidence[0].observed == Text("lines 9 to 10", "第 9 至 10 行")


def test_an_older_session_covers_nothing_of_the_newest(log: Path) -> None:
    rows = _judge(log, *START, SERVED, "Killed", ARGS, LOAD, "torch.OutOfMemoryError: CUDA out of memory.", "Killed")
    assert rows["logs.gpu-oom-weights"].status is Status.FAIL
    assert rows["logs.scheduler-hang"].status is Status.SKIP
    assert rows["logs.bad-cli-arguments"].evidence[0].observed == Text("lines 11 to 14", "第 11 至 14 行")


def test_of_a_rotated_set_the_lines_are_named_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "sglang.log.1").write_text("\n".join(START) + "\n")
    rows = _judge(tmp_path / "sglang.log", SERVED)
    assert rows["logs.gpu-oom-weights"].evidence[0].observed == Text(
        "sglang.log.1:1 to sglang.log:1", "sglang.log.1:1 至 sglang.log:1"
    )


def test_a_line_without_consequences_is_named(log: Path) -> None:
    """The server went on after a line that quotes an error."""
    quoted = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    rows = _judge(log, *START, SERVED, quoted, SERVED, SERVED, SERVED, SERVED)
    row = rows["logs.gpu-oom-serving"]
    assert row.status is Status.PASS
    assert (row.evidence[0].subject, str(row.evidence[0].observed)) == (
        "sglang.log:10",
        str(Text("without consequences", "没有造成影响")),
    )


@pytest.mark.parametrize("text", ["\n", "", "  \n\n"])
def test_a_log_with_nothing_to_look_at_is_inconclusive(log: Path, text: str) -> None:
    log.write_text(text)
    rows = engine.run([AREA], Context(Target(url="", host="", port=0, log=str(log)), Deadline(30)))
    assert {row.status for row in rows} == {Status.SKIP}
    assert Report(command="logs", findings=rows, target={}, started_at="", seconds=0).exit_code == 4


@pytest.mark.parametrize(
    ("arguments", "lines", "reason"),
    [
        ("'model_path': '/srv/bge-large-zh-v1.5', 'disable_radix_cache': True, 'chunked_prefill_size': -1", (), None),
        (
            "'model_path': '/srv/bge-large-zh-v1.5', 'disable_radix_cache': True, 'chunked_prefill_size': 8192",
            (),
            "no request",
        ),
        (
            "'model_path': '/srv/bge-large-zh-v1.5', 'disable_radix_cache': True, 'chunked_prefill_size': 8192",
            (SERVED,),
            None,
        ),
        ("'model_path': '/srv/of-our-own'", (), "which model"),
        ("'model_path': '/srv/of-our-own'", (LOADED.replace("BertModel", "Qwen3Model"),), None),
    ],
)
def test_right_vectors_are_not_said_of_an_unknown_model_or_settings(
    log: Path, arguments: str, lines: tuple[str, ...], reason: str | None
) -> None:
    started = [line for line in lines if line.startswith("[2026-11-02 22:10")]
    rows = _judge(
        log, f"[2026-11-02 22:10:05] server_args={{{arguments}}}", LOAD, *started, STARTED, READY,
        *(line for line in lines if line not in started),
    )  # fmt: skip
    row = rows["logs.encoder-vectors-wrong"]
    assert row.status is (Status.PASS if reason is None else Status.SKIP)
    assert reason is None or reason in str(row.reason)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_coverage_does_not_depend_on_the_blocks(size: int) -> None:
    rnd = random.Random(7)
    for _ in range(40):
        rows = [f"{line}\n".encode() for line in (*START, SERVED, BATCH, PAGE, REFUSED)]
        rows = rows[rnd.randrange(len(rows)) :][: rnd.randint(1, 12)]
        blocks = [Block(1 if n == 0 else None, b"".join(rows[n : n + size])) for n in range(0, len(rows), size)]
        whole = Follower().follow([Block(1, b"".join(rows))])
        assert coverage(Follower().follow(blocks).session) == coverage(whole.session)


def test_the_edges_of_a_coverage() -> None:
    start = Coverage(first=0, reached=2, served=False)
    assert start.gap(("args",)) is None
    assert start.gap(span("args", "device")) is None
    assert start.gap(("load",)) is not None
    assert Coverage(first=2, reached=6, served=True).gap(("device",)) is not None
    assert Coverage(first=2, reached=6, served=True).gap(span("load", "serving")) is None
    assert Coverage(first=2, reached=6, served=False).gap(span("load", "warm-up")) is None
    assert Coverage(first=2, reached=6, served=False).gap(span("load", "serving")) is not None
    assert Coverage(first=0, reached=5, served=True).gap(("serving",)) is not None


def test_every_mark_of_a_start_is_of_a_known_phase() -> None:
    assert {phase for _, phase in MILESTONES} < set(PHASES)
    assert set(STAGE_NAMES) == set(PHASES)


@pytest.mark.parametrize("phase", PHASES[:4])
def test_a_start_that_failed_proves_nothing_of_serving(tmp_path: Path, phase: str) -> None:
    """Over every labelled failure of a start: what serving alone shows is never passed."""

    def check(snippet: Snippet) -> None:
        path = written(tmp_path / "sglang.log", snippet.log(snippet.releases[-1]))
        os.utime(path, (1, 1))
        context = Context(Target(url="", host="", port=0, log=str(path)), Deadline(30))
        rows = {f.id: f for f in engine.run([AREA], context)}
        assert rows["logs.ready"].values["phase"] != "serving"
        assert _with(rows, Status.PASS) & SERVING == set()

    own = [snippet for snippet in snippets() if snippet.phase == phase]
    assert failures(own, check, lambda snippet: f"{snippet.label}: {snippet.decisive}") == []
