"""However a log is cut into blocks, packed, rotated or repeated, the same is kept of it."""

from __future__ import annotations

import gzip
import io
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.checks.logs.area import LogFacts, collect
from bgecheck.engines.sglang.log import follower as following
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.engines.sglang.log.kinds import ENGINES, undigited
from bgecheck.engines.sglang.log.marks import OTHER_ENGINES
from bgecheck.engines.sglang.log.rules import PATTERNS
from bgecheck.logfile import literals
from bgecheck.logfile import reading as logread
from bgecheck.logfile.lines import Block
from bgecheck.model import Target
from bgecheck.model.deadline import Deadline
from bgecheck.run.context import Context
from cases import failures

START = """[2026-11-02 22:10:05] server_args=ServerArgs(model_path='/srv/bge-large-zh-v1.5', disable_radix_cache=True)
[2026-11-02 22:10:12] Load weight begin. avail mem=22.48 GB
[2026-11-02 22:10:14] Load weight end. type=BertModel, dtype=torch.float16, avail mem=21.30 GB, mem usage=0.65 GB.
[2026-11-02 22:10:15] INFO:     Started server process [1307]
[2026-11-02 22:10:16] The server is fired up and ready to roll!
"""
SERVED = '[2026-11-02 22:12:40] INFO:     10.0.0.{n}:504{n} - "POST /v1/embeddings HTTP/1.1" 200 OK'
LINES = (
    SERVED,
    SERVED,
    '[2026-11-02 22:12:{n}] INFO:     10.0.0.{n}:5043 - "GET /health HTTP/1.1" 200 OK',
    "[2026-11-02 22:12:{n}] Prefill batch, #new-seq: {n}, #new-token: 14, #cached-token: 0, token usage: 0.00,",
    "[2026-11-02 22:12:{n}] Prefill batch, #new-seq: 1, #new-token: 14, #cached-token: {n}, token usage: 0.00,",
    '[2026-11-02 22:12:{n}] INFO:     10.0.0.{n}:504 - "POST /v1/embeddings HTTP/1.1" 400 Bad Request',
    '[2026-11-02 22:12:{n}] INFO:     10.0.0.{n}:504 - "POST /v1/chat/completions HTTP/1.1" 404 Not Found',
    "[2026-11-02 22:12:{n}] The input ({n}01 tokens) is longer than the model's context length (512 tokens).",
    "Traceback (most recent call last):\n  File \"/opt/x.py\", line {n}, in f\n    raise E(n)\nKeyError: 'text'",
    "RuntimeError: flux capacitor {n}",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {n}.00 MiB.",
    "[2026-11-02 23:00:{n}] Subprocess scheduler_0 (pid={n}) crashed with exit code -9. Triggering SIGQUIT",
    "[2026-11-02 23:00:{n}] Subprocess scheduler_0 (pid={n}) crashed with exit code -11. Triggering SIGQUIT",
    "",
    "Fetching:  {n}%|##\rFetching: 100%|####",
    "\x1b[32m[2026-11-02 22:12:{n}]\x1b[0m The server is fired up and ready to roll!",
    '{{"log":"[2026-11-02 22:12:{n}] Uvicorn '
    + " " * 4096
    + '","stream":"stderr"}}\n{{"log":"running on {n}\\n","stream":"out"}}',
    START,
)


def _blocks(text: bytes, sizes: Sequence[int]) -> list[Block]:
    """A text in blocks of so many lines each; the last size counts for the rest."""
    lines = text.splitlines(keepends=True) if b"\r" not in text else [x + b"\n" for x in text.split(b"\n")[:-1]]
    found: list[Block] = []
    at = 0
    for size in sizes:
        if at < len(lines):
            found.append(Block(1 if not found else None, b"".join(lines[at : at + size])))
            at += size
    while at < len(lines):
        found.append(Block(1 if not found else None, b"".join(lines[at : at + sizes[-1]])))
        at += sizes[-1]
    return found


def _kept(follower: Follower) -> dict[str, object]:
    session = follower.session
    return {
        "hits": {c: (h.line, h.text, h.count, h.before, tuple(h.after), h.phase) for c, h in session.hits.items()},
        "refused": {k: (h.line, h.text, h.before, tuple(h.after)) for k, h in session.refused.items()},
        "requests": dict(session.requests),
        "older": follower.older,
        "lines": session.lines,
        "last": session.last,
        "raised": session.last_exception,
        "died": session.died_line,
        "ready": (session.ready_line, session.ready_stamp, session.phase),
        "cached": session.cached,
        "first": (session.first_line, session.first, session.first_stamp),
    }


@given(
    picked=st.lists(st.tuples(st.sampled_from(LINES), st.integers(10, 59)), max_size=80),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8),
)
def test_what_is_kept_does_not_depend_on_the_blocks(picked: list[tuple[str, int]], sizes: list[int]) -> None:
    """Lines that are only counted leave the same behind as lines that are taken one by one."""
    text = (START + "".join(line.format(n=n) + "\n" for line, n in picked)).encode()
    whole = Follower().follow(_blocks(text, [10**6]))
    assert _kept(Follower().follow(_blocks(text, sizes))) == _kept(whole)
    assert _kept(Follower().follow(_blocks(text, [1]))) == _kept(whole)


_ODD = st.one_of(
    st.sampled_from([line.encode() for line in LINES]),
    st.sampled_from(
        [word.encode(name) for p in PATTERNS for word in (p.needle, p.sample) for name in ("utf-8", "gbk")]
    ),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=60),
)


@given(lines=st.lists(_ODD, max_size=40), started=st.booleans())
def test_what_is_kept_is_the_same_with_and_without_the_fast_library(lines: list[bytes], started: bool) -> None:
    """Hostile lines, in any encoding, with and without a start before them."""
    pytest.importorskip("ahocorasick_rs")
    block = Block(1, (START.encode() if started else b"") + b"\n".join(lines))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(literals, "_WORTHWHILE", 0)
        fast = Follower().follow([block])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(literals, "_WORTHWHILE", sys.maxsize)
        plain = Follower().follow([block])
    assert _kept(fast) == _kept(plain)


@given(lines=st.lists(_ODD, max_size=40))
def test_hostile_lines_leave_the_same_behind_one_by_one(lines: list[bytes]) -> None:
    text = START.encode() + b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    raws = text.split(b"\n")[:-1]
    single = [Block(1 if not n else None, raw + b"\n") for n, raw in enumerate(raws)]
    assert _kept(Follower().follow(single)) == _kept(Follower().follow([Block(1, text)]))


STAMPED = "[2026-11-02 22:13:{n}] x"


@pytest.mark.parametrize(
    "lines",
    [
        [LINES[3].format(n=7)[:40] + SERVED.format(n=7)[21:]],
        [SERVED.format(n=7) + "permission denied"],
        [STAMPED.format(n=16), STAMPED.format(n=17), "", "", "", "tokenizer"],
        [STAMPED.format(n=16), *[""] * 70],
        [LINES[5].format(n=7), "0", "", "7"],
        [*["no time"] * 70, STAMPED.format(n=16), *["- no time either"] * 70, "RuntimeError: boom"],
        [SERVED.format(n=7) + " " * 4000 + SERVED.format(n=8)],
    ],
    ids=[
        "two lines in one",
        "an answer and a cause",
        "time above blanks",
        "blanks",
        "digits",
        "time far above",
        "a long line",
    ],
)
@pytest.mark.parametrize("start", [START, ""], ids=["started", "without a start"])
def test_odd_lines_leave_the_same_behind_one_by_one(lines: list[str], start: str) -> None:
    """What the fuzzer found, and what is like it."""
    raws = [line.encode() + b"\n" for line in [*start.splitlines(), *lines]]
    single = [Block(1 if not n else None, raw) for n, raw in enumerate(raws)]
    one, whole = Follower().follow(single), Follower().follow([Block(1, b"".join(raws))])
    assert _kept(one) == _kept(whole)
    assert (one.session.last_stamp, one.session.stages) == (whole.session.last_stamp, whole.session.stages)


def test_lines_that_never_repeat_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds of line without end take no memory without end, and of those that fit none is forgotten."""
    monkeypatch.setattr(following, "_OUTCOMES_LIMIT", limit := 2**18)
    follower, rnd = Follower(), random.Random(1)
    follower.take(Block(1, START.encode()))
    held = []
    for _ in range(6):
        lines = (f"ValueError: no such request {rnd.getrandbits(1024):0256x}" for _ in range(500))
        follower.take(Block(None, "\n".join(lines).encode() + b"\n"))
        held.append(sum(map(len, follower._outcomes)))
    assert follower.session.lines == 5 + 3000
    assert limit / 4 < max(held) < limit


def test_repeated_errors_are_counted_each(tmp_path: Path) -> None:
    rnd = random.Random(3)
    lines = [rnd.choice(LINES[:8]).format(n=rnd.randint(10, 59)) for _ in range(5000)]
    session = Follower().follow([Block(1, (START + "\n".join(lines)).encode())]).session
    assert session.requests["ok"] == sum('/embeddings HTTP/1.1" 200' in line for line in lines)
    assert session.requests["POST /v1/embeddings 400"] == sum("400 Bad" in line for line in lines)
    assert session.hits["input-too-long"].count == sum("is longer than" in line for line in lines)
    assert session.lines == 5005


def test_numbers_that_decide_are_read_in_every_line() -> None:
    """Two lines that differ only in an exit code tell of two causes."""
    text = START + "\n".join(LINES[i].format(n=n) for i, n in ((12, 10), (12, 11), (11, 12)))
    hits = Follower().follow([Block(1, text.encode())]).session.hits
    assert {"segfault", "host-oom-killed"} <= set(hits)


def _facts(path: Path | str) -> LogFacts:

    facts: LogFacts = collect(Context(Target(url="", host="", port=0, log=str(path)), Deadline(30)))
    return facts


FAILS = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB.\n"
DIES = "[2026-11-02 22:20:20] Received sigquit from a child process. It usually means the child failed.\n"


def test_a_packed_log_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its first bytes, not its name; of several members; from a pipe; and as far as it goes when it was cut."""
    text = (START.replace("True", "False") + SERVED.format(n=1) + "\n").encode()
    packed = gzip.compress(text[:200]) + gzip.compress(text[200:])
    for content in (packed, packed[:-5]):
        (tmp_path / "sglang.log").write_bytes(content)
        facts = _facts(tmp_path / "sglang.log")
        assert facts.diagnosis.state == "ready"
        assert list(facts.diagnosis.causes) == ["encoder-vectors-wrong"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert _facts("-").diagnosis.state == "ready"


def test_a_bomb_is_unpacked_only_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logread, "STREAM_LIMIT", 2**22)
    (tmp_path / "a.log").write_bytes(gzip.compress((START + "\n" * 2**24).encode()))
    began = time.perf_counter()
    facts = _facts(tmp_path / "a.log")
    assert facts.origin.cut
    assert facts.session.ready_line == 5
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize(
    "names",
    [
        ("sglang.log", "sglang.log.1", "sglang.log.2.gz"),
        ("sglang.log", "sglang.log-20261102", "sglang.log-20261101.gz"),
        ("sglang.log.1", "sglang.log.2", "sglang.log.10"),
    ],
)
def test_a_session_that_began_in_an_older_file_is_read_from_there(names: tuple[str, str, str], tmp_path: Path) -> None:
    """The newest file holds no start; lines are told by the file that holds them."""
    newest, middle, oldest = (tmp_path / name for name in names)
    start = (START.replace("/srv/bge-large-zh-v1.5", "/srv/m") + SERVED.format(n=1) + "\n").encode()
    oldest.write_bytes(gzip.compress(start) if oldest.suffix == ".gz" else start)
    middle.write_text((SERVED.format(n=2) + "\n") * 3)
    newest.write_text(SERVED.format(n=3) + "\n" + FAILS + DIES)
    facts = _facts(newest)
    assert facts.session.argument("model_path") == "/srv/m"
    assert facts.diagnosis.why == "gpu-oom-serving"
    assert facts.origin.place(facts.diagnosis.causes["gpu-oom-serving"].line) == (str(newest), 2)
    assert facts.origin.place(2) == (str(oldest), 2)
    assert facts.session.requests["ok"] == 5


def test_other_files_of_the_folder_are_no_part_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "sglang.log").write_text(SERVED.format(n=3) + "\n")
    for name in ("sglang.log.bak", "sglang.logs.1", "other.log.1", "sglang.log.1.txt"):
        (tmp_path / name).write_text(START)
    os.mkdir(tmp_path / "sglang.log.2")
    assert _facts(tmp_path / "sglang.log").session.args == ""


def test_a_newest_file_with_a_start_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / "sglang.log.1").write_text(START + FAILS + DIES)
    (tmp_path / "sglang.log").write_text(START + SERVED.format(n=1) + "\n")
    facts = _facts(tmp_path / "sglang.log")
    assert (facts.older, facts.diagnosis.state) == (0, "ready")


def test_a_pipe_that_stays_open_is_judged_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tail -f sglang.log | bgecheck logs -` ends with what came by then."""
    reader, writer = os.pipe()
    os.write(writer, START.encode())
    with open(reader) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        facts: LogFacts = collect(Context(Target(url="", host="", port=0, log="-"), Deadline(0.6)))
    os.close(writer)
    assert facts.origin.cut
    assert facts.diagnosis.state == "ready"


@pytest.mark.parametrize("unit", [b"\n", b"x", b"\0", b"Error: \n", b'{"log":', b"\r"])
def test_a_hostile_log_takes_little_time(unit: bytes) -> None:
    """One line without an end, and millions of empty ones."""
    data = unit * (2**23 // len(unit))
    pieces = (Block(None, data[at : at + 2**18]) for at in range(0, len(data), 2**18))
    began = time.perf_counter()
    Follower().follow([Block(1, START.encode()), *pieces])
    assert time.perf_counter() - began < 5


FOREIGN = (
    ("vLLM", "INFO 11-26 10:00:01 [core.py:61] Initializing a V1 LLM engine"),
    ("vLLM", "(EngineCore pid=11) VLLM starts"),
    ("vLLM", "import vllm"),
    ("vLLM", "Avg prompt throughput: 0.0 tokens/s"),
    ("text-embeddings-inference", "INFO text_embeddings_router: router/src/main.rs:189: Args { model_id: .. }"),
    ("text-embeddings-inference", "starting text-embeddings-inference 1.8"),
    ("Ollama", "ollama version is 0.13"),
    ("Ollama", "msg: llama runner started in 1.2 seconds"),
    ("Ollama", 'time=2026-11-26T10:00:01.000Z level=INFO source=routes.go:1332 msg="server config"'),
    ("Infinity", "INFO infinity_emb INFO: Creating 1 engines"),
    ("Infinity", "docker run michaelfeil/infinity:latest v2"),
    ("Xinference", "Xinference supervisor 0.0.0.0:9999 started"),
    ("LocalAI", "core/startup process completed! LocalAI version: v3.7"),
    ("LocalAI", "INF Loading model 'bge' with backend llama-cpp"),
    ("llama.cpp", "llama_model_loader: loaded meta data with 24 key-value pairs"),
    ("llama.cpp", "main: llama_server is listening"),
    ("llama.cpp", "common_init: llama_init failed"),
    ("llama.cpp", "srv  update_slots: all slots are idle"),
    ("llama.cpp", "slot launch_slot_: id  0 | task 1 | processing task"),
    ("llama.cpp", "srv  log_server_r: request: POST /v1/embeddings"),
    (
        "sentence-transformers",
        "2026-11-26 10:00:01,000 - sentence_transformers.SentenceTransformer - INFO - Load pretrained "
        "SentenceTransformer: /m",
    ),
    ("sentence-transformers", "INFO:sentence_transformers.SentenceTransformer:Use pytorch device_name: cuda"),
    ("LMDeploy", "2026-11-26 10:00:01,000 - lmdeploy - INFO - start"),
    ("text-generation-inference", "INFO text_generation_launcher: Args {"),
    ("text-generation-inference", "INFO text_generation_router: listening"),
    ("Triton Inference Server", "tritonserver started"),
    ("Triton Inference Server", "=== NVIDIA Triton ==="),
    ("Triton Inference Server", "== Triton Inference Server =="),
    ("Triton Inference Server", "Started GRPCInferenceService at 0.0.0.0:8001"),
    ("FastChat", "from fastchat.serve import controller"),
    ("FastChat", "File fastchat/serve/model_worker.py"),
    ("LM Studio", "[LM STUDIO SERVER] Success! HTTP server listening on port 1234"),
    ("LM Studio", "lmstudio: loaded"),
    ("LM Studio", "The model has crashed without additional information. (Exit code: 6)"),
    ("LiteLLM", "LiteLLM: Proxy initialized with Config"),
    ("New API", "[SYS] 2026/11/26 - 10:00:01 | New API v0.9.1 started"),
    ("New API", "[SYS] 2026/11/26 - 10:00:01 | One API v0.6.10 started"),
    ("sglang-router", "INFO sglang_router_rs::server: starting"),
    ("sglang-router", "[Router (Rust)] 2026-11-26 - INFO"),
    ("sglang-router", "INFO smg::server: listening"),
    ("sglang-router", "INFO sgl_model_gateway::server: Router ready"),
    ("sglang-router", "INFO smg_grpc::client: connected"),
    ("sglang-router", "python3 -m sglang_router.launch_router --worker-urls http://10.0.0.7:30000"),
    ("sglang-router", "Error starting router: Configuration error: Validation failed"),
    ("nginx", '10.0.0.1 - - [26/Nov/2026:10:00:01 +0000] "POST /v1/embeddings HTTP/1.1" 502 157'),
    ("nginx", "2026/11/26 10:00:01 [error] 29#29: *1 connect() failed"),
)
"""A line for each way in which another engine is known."""


@pytest.mark.parametrize("place", [0, 150, 299])
def test_another_engine_is_known_wherever_its_line_stands(place: int) -> None:
    """A block without one of the literals of `ENGINES` is not searched for marks of other engines."""

    def check(engine: tuple[str, str]) -> None:
        lines = [f"nothing of interest: {letter * 3}" for letter in "abcdefghij" * 30]
        lines[place] = engine[1]
        assert Follower().follow([Block(1, ("\n".join(lines) + "\n").encode())]).session.engine == engine[0]

    assert failures(FOREIGN, check) == []


def test_every_mark_of_every_engine_has_a_line_and_every_line_a_mark() -> None:
    assert list(ENGINES) == [name for name, _ in OTHER_ENGINES]
    marks = dict(OTHER_ENGINES)
    assert [line for name, line in FOREIGN if not marks[name].search(line)] == []
    stems = {name: [s for s in own if s in {t for n, x in FOREIGN if n == name for t in own if t in _key(x)}]
             for name, own in ENGINES.items()}  # fmt: skip
    assert stems == {name: list(own) for name, own in ENGINES.items()}


def _key(line: str) -> str:
    return undigited(line).lower()
