"""The process of openai: what it calls, what it is kept from, and that it never outlives its starter."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from bgecheck.http import openai_client
from bgecheck.http.openai_client import OpenAIClient, OpenAIResult, Raised, Stopped, Vectors
from bgecheck.model import Secret, Unavailable, say
from everycase import EVERY
from fakes import misbehaving
from fakes.answering import pages, same, serving


def result(base_url: str, seconds: float = 5.0, key: str | None = None, texts: tuple[str, ...] = ("你好",)) -> Any:
    with closing(OpenAIClient()) as client:
        client.call(base_url, Secret(key) if key else None, "m", texts, seconds)
        return client.result(50)


def test_one_text_is_sent_as_the_guides_template_sends_it() -> None:
    """The text itself and no list, the key EMPTY, no retry."""
    asked: list[tuple[Any, str | None]] = []

    def note(body: dict[str, Any], headers: Any) -> Any:
        asked.append((body, {name.lower(): value for name, value in headers.items()}.get("authorization")))
        return same(body, headers)

    with serving(pages(), note) as url:
        got = result(f"{url}/v1")
        several = result(f"{url}/v1", key="sk-of-a-test", texts=("甲", "乙"))
    assert isinstance(got, OpenAIResult)
    assert isinstance(got.outcome, Vectors)
    assert len(got.outcome.vectors[0]) == 768
    assert got.http in ("httpx", "httpx2")
    assert got.milliseconds is not None
    assert 0 < got.milliseconds < 5000
    assert isinstance(several.outcome, Vectors)
    assert len(several.outcome.vectors) == 2
    assert [key for _, key in asked] == ["Bearer EMPTY", "Bearer sk-of-a-test"]
    assert [(body["model"], body.get("sent_alone", False)) for body, _ in asked] == [("m", True), ("m", False)]
    assert {body["encoding_format"] for body, _ in asked} == {"base64"}


def test_an_exception_comes_with_what_it_was_raised_from() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        got = result(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
    assert isinstance(got.outcome, Raised)
    assert got.outcome.name == "APIConnectionError"
    assert got.outcome.causes[-1].errno == 111


@pytest.mark.parametrize(
    ("case", "limit"),
    [("gzip-bomb", "size"), ("endless-body", "size"), ("body-byte-a-second", "time")],
)
def test_an_answer_without_an_end_ends_the_process(case: str, limit: str) -> None:
    """openai has no limit of size, and its time-out is for each read."""
    with misbehaving.serving(misbehaving.CASES[case]) as port:
        got = result(f"http://127.0.0.1:{port}/v1", seconds=2.0 if limit == "time" else 15.0)
    assert got.outcome == Stopped(limit=limit, seconds=got.outcome.seconds)  # type: ignore[arg-type]


@contextmanager
def silence() -> Iterator[socket.socket]:
    """A listener whose clients wait."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(40)
        yield server


def base_url(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def gone(pid: int, seconds: float = 5.0) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
def test_the_key_is_on_no_command_line_and_in_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BGECHECK_API_KEY", "sk-of-a-test")
    with silence() as server, closing(OpenAIClient()) as client:
        client.call(base_url(server), Secret("sk-of-a-test"), "m", ("你好",), 30)
        connection, _ = server.accept()
        with connection:
            shown = [Path(f"/proc/{client.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
            assert b"sk-of-a-test" in connection.recv(65536)
    assert not any(b"sk-of-a-test" in text for text in shown)


def test_closing_ends_a_call_that_hangs() -> None:
    with silence() as server, closing(OpenAIClient()) as client:
        client.call(base_url(server), None, "m", ("你好",), 30)
        server.accept()[0].close()
        pid = client.pid
        client.close()
        assert pid is not None
        assert gone(pid)


STARTER = """
import sys, time
from bgecheck.http.openai_client import OpenAIClient
client = OpenAIClient()
if sys.argv[1:]:
    client.call(sys.argv[1], None, "m", ("text",), 60)
print(client.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        (True, signal.SIGKILL),
        (False, signal.SIGINT),
        *([(True, signal.SIGINT), (False, signal.SIGKILL)] if EVERY else []),
    ],
    ids=lambda value: {True: "while it calls", False: "while it waits"}.get(value, str(value)),
)
def test_it_does_not_outlive_a_starter_that_is_killed(asked: bool, number: signal.Signals) -> None:
    with silence() as server:
        line = [sys.executable, "-c", STARTER, *([base_url(server)] if asked else [])]
        starter = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=_heed)
        assert starter.stdout is not None
        with starter.stdout as told:
            pid = int(told.readline())
        if asked:
            server.accept()[0].close()
        starter.send_signal(number)
        starter.wait(10)
    assert gone(pid)


def _heed() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_run_whose_time_is_over_does_not_wait() -> None:
    with silence() as server, closing(OpenAIClient()) as client:
        client.call(base_url(server), None, "m", ("你好",), 30)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            client.result(0.2)
        assert time.monotonic() - began < 1


def test_files_of_the_working_folder_are_not_taken_for_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("openai.py", "json.py", "faulthandler.py"):
        (tmp_path / name).write_text("raise SystemExit('hijacked')\n", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    with serving(pages(), same) as url:
        assert isinstance(result(f"{url}/v1").outcome, Vectors)


def _package(folder: Path, source: str) -> None:
    (folder / "openai").mkdir()
    (folder / "openai" / "__init__.py").write_text(source, encoding="ascii")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import a_part_that_is_missing\n", "No module named 'a_part_that_is_missing'"),
        ("import os; os.kill(os.getpid(), 9)\n", "exit status -9"),
    ],
    ids=["a part is missing", "it crashes"],
)
def test_a_package_that_does_not_work_is_no_fault_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    """The one that this process would import, by its module path; here another package stands before the true one."""
    _package(tmp_path, source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Unavailable) as unavailable:
        result("http://127.0.0.1:9/v1")
    assert words in say(unavailable.value.reason, "en")
    assert not unavailable.value.looked


def test_an_import_without_an_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package(tmp_path, "import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(openai_client, "IMPORT_SECONDS", 0.5)
    with pytest.raises(Unavailable) as unavailable:
        result("http://127.0.0.1:9/v1", seconds=0.1)
    assert "importing openai took longer" in say(unavailable.value.reason, "en")


def test_a_machine_that_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Unavailable) as unavailable:
        result("http://127.0.0.1:9/v1")
    assert "No such file" in say(unavailable.value.reason, "en")
