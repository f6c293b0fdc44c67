"""The command on demo servers: what it samples, what it says, how it ends; and input that is none."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import commandline
from bgecheck.demo.stage import Staged, stage
from bgecheck.engines.sglang.discovery import resolve
from bgecheck.engines.sglang.metrics import Metrics, metrics, queued
from bgecheck.http.embeddings import Embedded
from bgecheck.machine.gpus import Gpu, Gpus, Holder
from bgecheck.model import Text, Unavailable
from bgecheck.watching.clocks import Clock, Moment
from bgecheck.watching.probing import PATIENT, Prober
from bgecheck.watching.resources import Cards, GpuReader, cards_of
from bgecheck.watching.sample import Sample, as_line
from bgecheck.watching.sampler import Sampler
from watching.series import WATCHED


@pytest.fixture(scope="module")
def demo() -> Iterator[Staged]:
    with stage(None) as staged:
        yield staged


@contextmanager
def server(folder: Path, port: int = 0, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A demo server with its metrics."""
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    line = [sys.executable, "-m", "bgecheck.demo.server", "--port", str(port), "--is-embedding", "--enable-metrics"]
    line += ["--disable-radix-cache", "--chunked-prefill-size", "-1"]
    log = folder / "sglang.log"
    begun = log.stat().st_size if log.exists() else 0
    with log.open("ab") as file:
        process = subprocess.Popen(line, stdout=file, stderr=file, env=commandline.environment(environment))
    try:
        ends = time.monotonic() + 20
        while "fired up" not in log.read_text(encoding="utf-8")[begun:] and time.monotonic() < ends:
            time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.wait()


class Stepped(Clock):
    """Time passes when it is told to."""

    passed = 0.0

    def now(self) -> Moment:
        return Moment(self.passed, None, 1.8e9 + self.passed)


def sampler_of(folder: Path, process: subprocess.Popen[bytes], port: int, clock: Clock) -> Sampler:
    target = resolve(url=f"http://127.0.0.1:{port}", pid=process.pid, log=str(folder / "sglang.log"))
    return Sampler(target, every=15.0, timeout=5.0, most_failed=0.01, clock=clock)


def test_a_restart_is_seen_and_the_vectors_are_those_from_before(tmp_path: Path) -> None:
    """Over a true process that ends and another that takes its port; then one whose vectors are others."""
    clock = Stepped()
    with server(tmp_path) as (process, port):
        sampler = sampler_of(tmp_path, process, port, clock)
        first = sampler.sample()
        assert (first.pid, first.cosine, first.failure, first.session) == (process.pid, 1.0, None, 0)
        assert first.rss is not None
        assert 10 * 2**20 < first.rss < 2**30
        assert (first.running, first.queued, first.cached_total) == (0, 0, 0)
        assert sampler.watched().encoder is True
    clock.passed = 15.0
    gone = sampler.sample()
    assert ([e.kind for e in gone.events], gone.failure, gone.pid) == (["gone"], "refused", None)
    clock.passed = 30.0
    assert [e.kind for e in sampler.sample().events] == []
    with server(tmp_path, port) as (process, _):
        clock.passed = 45.0
        back = sampler.sample()
        assert ([e.kind for e in back.events], back.pid, back.session) == (["restart"], process.pid, 1)
        assert back.cosine == pytest.approx(1.0)
    sampler.sample()
    with server(tmp_path, port, BGECHECK_DEMO_DECAYS="vectors:1"):
        clock.passed = 60.0
        other = sampler.sample()
        assert other.session == 2
        assert other.cosine is not None
        assert other.cosine < 0.9
    sampler.close()


def test_a_cause_in_the_log_is_told_once_and_what_was_there_before_is_not(tmp_path: Path) -> None:
    clock = Stepped()
    line = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 42.00 MiB. GPU 0 has 1 GiB\n"
    with server(tmp_path) as (process, port):
        log = tmp_path / "sglang.log"
        with log.open("a") as file:
            file.write("[2026-11-02 10:00:00] OSError: [Errno 28] No space left on device\n")
        sampler = sampler_of(tmp_path, process, port, clock)
        assert sampler.sample().events == ()
        log.rename(tmp_path / "sglang.log.1")
        log.write_text(f"[2026-11-02 10:00:01] Scheduler hit an exception: Traceback\n{line}")
        causes = [(e.kind, e.id, e.fatal) for e in sampler.sample().events]
        assert causes
        assert {kind for kind, _, _ in causes} == {"cause"}
        assert any("oom" in name and fatal for _, name, fatal in causes)
        assert sampler.sample().events == ()
        sampler.close()


def test_nothing_is_sent_while_more_waits_than_the_server_computes(
    demo: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = resolve(url=demo.url, pid=demo.pid)
    prober = Prober(target, 5.0)
    assert prober.look(target, queued=0).latency is not None
    held = prober.look(target, queued=10_000)
    assert (held.held_back, held.latency, held.failure) == ("queue", None, None)
    monkeypatch.setattr("bgecheck.engines.server.Server.most_at_once", lambda self: 8)
    assert prober.look(target, queued=8).held_back is None
    assert prober.look(target, queued=9).held_back == "queue"
    prober.close()


def test_a_server_that_hangs_is_asked_less_and_less_often() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        target = resolve(url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        prober = Prober(target, 0.05)
        looks = [prober.look(target) for _ in range(PATIENT + 9)]
        assert all(look.failure for look in looks[: PATIENT + 1])
        later = looks[PATIENT + 1 :]
        assert 1 <= sum(look.failure is not None for look in later) <= 2
        assert {look.held_back for look in later if look.failure is None} == {"no answer in time before"}


def test_cached_tokens_of_an_answer_are_read() -> None:
    from bgecheck.http.embeddings import read
    from bgecheck.http.reply import Reply

    usage = {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}}
    body = json.dumps({"data": [{"embedding": [1.0], "index": 0}], "usage": usage}).encode()
    answer = read(Reply(200, {}, body, 0.1), 1)
    assert isinstance(answer, Embedded)
    assert answer.cached == 3


def test_metrics_are_summed_over_ranks_and_what_is_none_is_left_out() -> None:
    page = b"""# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{tp_rank="0"} 2.0
sglang:num_queue_reqs{tp_rank="1"} 3.0
sglang:cached_tokens_total{a="b"} 1e2
sglang:num_running_reqs{a="b"} NaN
sglang:num_requests_total -5
"""
    assert metrics(page) == Metrics(running=None, queued=5, cached=100, answered=None)
    assert metrics(b"") == metrics(b"\xff\x00{") == Metrics()
    assert metrics(b'sglang:num_requests_total{is_streaming="False"} 4.0\n') == Metrics(cached=0, answered=4)
    assert queued(b"... #queue-req: 4, x\n... #queue-req: 7, y\n") == 7
    assert queued(b"nothing") is None


def card(**more: Any) -> Gpu:
    return Gpu(index=0, name="NVIDIA A10", **more)


def test_memory_of_gpus_is_that_of_the_server_s_processes() -> None:
    cards = [
        card(free=9, temperature=60, clock=1900, throttled=(), holders=(Holder(1, 100), Holder(5, 7000))),
        card(free=3, temperature=80, clock=1500, throttled=("hardware thermal",), holders=(Holder(2, 50),)),
        card(free=1, temperature=99, clock=10, throttled=(), holders=(Holder(9, 1),)),
    ]
    assert cards_of(cards, [1, 2, 3]) == Cards(150, 3, 80, 1500, True)
    assert cards_of(cards, [77]) == Cards()
    hidden = card(free=3, temperature=70, holders=(Holder(1, None),))
    assert cards_of([hidden], [1]) == Cards(None, 3, 70, None, None)
    assert cards_of([card(temperature=70, holders=())], [1]).temperature == 70


def test_a_driver_that_hangs_is_not_asked_again_until_it_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr("bgecheck.watching.resources.GPU_SECONDS", 0.05)
    release, asked = threading.Event(), []

    def read() -> Gpus:
        asked.append(1)
        release.wait(5)
        return Gpus(driver=None, cuda=None, gpus=(card(holders=(Holder(1, 5),)),))

    reader = GpuReader(read)
    assert [reader.look([1]).used for _ in range(3)] == [None] * 3
    assert (len(asked), reader.reason is not None) == (1, True)
    release.set()
    time.sleep(0.05)
    assert reader.look([1]).used == 5


def test_a_machine_without_a_driver_is_asked_once() -> None:
    asked = []

    def read() -> Gpus:
        asked.append(1)
        raise Unavailable(Text("no NVIDIA driver on this machine", "本机没有 NVIDIA 驱动"), looked=False)

    reader = GpuReader(read)
    assert [reader.look([1]) for _ in range(3)] == [Cards()] * 3
    assert len(asked) == 1
    assert reader.reason == Text("no NVIDIA driver on this machine", "本机没有 NVIDIA 驱动")


def test_a_watch_ends_with_its_verdict_its_samples_and_its_page(demo: Staged, tmp_path: Path) -> None:
    kept, page = tmp_path / "w.jsonl", tmp_path / "w.html"
    words = ["watch", "--url", demo.url, "--log", str(demo.log), "--every", "1s", "--for", "2s"]
    done = commandline.run(*words, "--jsonl", str(kept), "--report", str(page), "-o", "json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["command"], report["verdict"]) == (0, "watch", "pass")
    assert report["findings"][0]["id"] == "watch.sampled"
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert len(lines) == 3
    assert "watch" in lines[0]
    again = commandline.run("watch", str(kept), "-o", "json")
    saved = json.loads(again.stdout)
    assert [f["status"] for f in saved["findings"]] == [f["status"] for f in report["findings"]]
    assert again.returncode == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") >= 3
    assert "<script" not in text
    assert "http" not in text.replace(demo.url, "").split("</style>")[1].replace("http://127.0.0.1", "")


def leaking(folder: Path) -> Path:
    """A day of a leak, as a file."""
    path = folder / "leak.jsonl"
    samples = [
        Sample(at=1.8e9 + n, elapsed=float(n), pid=1, latency=0.02, cosine=1.0, rss=2**32 + n * 2**17, ram_free=2**34)
        for n in range(0, 86400, 120)
    ]
    path.write_bytes(b"".join(as_line(sample, WATCHED if sample.elapsed == 0 else None) for sample in samples))
    return path


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_saved_leak_is_told_with_the_curve_and_its_trend(language: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = commandline.run("watch", str(leaking(tmp_path)), "--report", str(page), "--lang", language)
    assert done.returncode == 1
    assert "450.0 MiB/h" in done.stdout
    text = page.read_text(encoding="utf-8")
    assert 'class="trend"' in text
    assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in text


def test_samples_on_stdout_are_alone_there(demo: Staged) -> None:
    done = commandline.run("watch", "--url", demo.url, "--every", "1s", "--for", "1s", "--jsonl", "-")
    assert done.returncode == 0
    assert [json.loads(line)["schema"] for line in done.stdout.splitlines()] == ["bgecheck.watch/1"] * 2
    assert "PASS" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("words", "code"), [([], 0), (["--for", "1h"], None)])
def test_a_signal_ends_a_watch_with_its_verdict(number: int, words: list[str], code: int | None, demo: Staged) -> None:
    """One with a length did not come to its end, and says so."""
    line = [*commandline.PROGRAM, "watch", "--url", demo.url, "--every", "1s", *words]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=commandline.environment()
    )
    assert process.stderr is not None
    assert "0:00:00" in process.stderr.readline()
    process.send_signal(number)
    shown, _ = process.communicate(timeout=30)
    assert process.returncode == (128 + number if code is None else code)
    assert "watched" in shown


def test_metrics_are_served_on_loopback_alone(demo: Staged, tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [*commandline.PROGRAM, "watch", "--url", demo.url, "--every", "1s", "--for", "1h", "--prometheus", str(port)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=commandline.environment())
    try:
        assert process.stderr is not None
        process.stderr.readline()
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        assert "bgecheck_watch_canary_cosine 1.0" in page
        assert "bgecheck_watch_samples_total" in page
        busy = commandline.run("watch", "--url", demo.url, "--prometheus", str(port))
        assert (busy.returncode, f"--prometheus {port}: the port cannot be had" in busy.stderr) == (2, True)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--every", "0.5s"], "--every 0.5s: not a duration between 1s and 1h"),
        (["--every", "soon"], "--every soon: not a duration"),
        (["--for", "31d"], "--for 31d: not a duration between 1s and 30d"),
        (["--max-errors", "2"], "--max-errors 2: not a percentage"),
        (["--max-errors", "101%"], "--max-errors 101%: not a percentage"),
        (["--webhook", "nowhere"], "--webhook: not a URL"),
        (["--on-alert", "/nowhere/x y"], "there is no program /nowhere/x"),
        (["--on-alert", "echo 'a"], "a quote is not closed"),
        (["--prometheus", "0"], "--prometheus 0: not a port"),
        (["--prometheus", "x"], "--prometheus x: not a whole number"),
        (["--jsonl", "/nowhere/w.jsonl"], "--jsonl /nowhere/w.jsonl: cannot be written"),
        (["--report", "/nowhere/w.html"], "--report /nowhere/w.html: cannot be written"),
        (["/nowhere/w.jsonl"], "/nowhere/w.jsonl: cannot be read"),
        (["w.jsonl", "--url", "http://127.0.0.1:1"], "w.jsonl: a file is judged"),
    ],
)
def test_bad_input_is_refused_in_one_line(words: list[str], part: str) -> None:
    done = commandline.run("watch", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert part in done.stderr
    assert done.stderr.count("\n") == 1


def test_samples_and_a_report_do_not_share_stdout() -> None:
    done = commandline.run("watch", "--jsonl", "-", "-o", "json")
    assert done.returncode == 2
    assert "--jsonl - -o json: both go to stdout" in done.stderr


def test_a_server_that_is_not_there_ends_the_watch_at_once(tmp_path: Path) -> None:
    done = commandline.run("watch", "--url", "http://127.0.0.1:1", "--for", "8h")
    assert done.returncode == 4
    assert "bgecheck doctor --url" in done.stderr


def test_a_key_that_is_refused_ends_the_watch_at_once_and_is_not_shown(tmp_path: Path) -> None:
    with stage("api-key") as staged:
        done = commandline.run("watch", "--url", staged.url, "--api-key", "wrong-key-12345", "--for", "8h")
    assert "wrong-key-12345" not in done.stderr + done.stdout
    assert "HTTP 401" in done.stderr


def test_the_screen_is_live_on_a_terminal_and_plain_where_it_is_too_small(demo: Staged) -> None:
    for size, live in (((30, 100), True), ((10, 100), False)):
        shown = _on_terminal(["watch", "--url", demo.url, "--every", "1s", "--for", "1s"], size)
        assert ("Ctrl-C ends it" in shown) is live
        assert ("plain lines instead" in shown) is not live


def _on_terminal(words: list[str], size: tuple[int, int]) -> str:
    """What a program writes to a terminal of so many lines and columns."""
    import fcntl
    import pty
    import struct
    import termios

    main, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    # Of the size that the terminal has, whatever the one has in which the tests run.
    environment = commandline.environment({"TERM": "xterm-256color"})
    for name in ("LINES", "COLUMNS"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [*commandline.PROGRAM, *words], stdin=child, stdout=child, stderr=child, env=environment, close_fds=True
    )
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    process.wait(20)
    os.close(main)
    return shown.decode("utf-8", "replace")
