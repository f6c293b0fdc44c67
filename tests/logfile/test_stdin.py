"""Standard input is taken for a log where one comes through it, and is waited for only so long."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bgecheck.logfile.stdin import arriving
from bgecheck.logfile.tail import PipeTail

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a pipe cannot be waited for there")


def _told(number: int, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.2) -> str:
    with open(number, closefd=False) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        return arriving(seconds)


def test_a_pipe_is_a_log_once_something_comes_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    assert _told(reader, monkeypatch, 0.0) == "silent"
    late = threading.Timer(0.1, os.write, (writer, b"text\n"))
    late.start()
    assert _told(reader, monkeypatch, 5.0) == "log"
    assert os.read(reader, 10) == b"text\n"
    os.close(writer)
    assert _told(reader, monkeypatch, 5.0) == "empty"
    os.close(reader)


def test_a_pipe_that_says_nothing_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    began = time.monotonic()
    assert _told(reader, monkeypatch, 0.2) == "silent"
    assert 0.15 < time.monotonic() - began < 2
    os.close(writer)
    os.close(reader)


def test_a_socket_is_as_good_as_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert _told(ours.fileno(), monkeypatch) == "silent"
        theirs.sendall(b"x")
        assert _told(ours.fileno(), monkeypatch) == "log"


def test_a_file_is_a_log_but_the_list_of_a_loop_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list"
    path.write_text("")
    with path.open() as file:
        assert _told(file.fileno(), monkeypatch) == "empty"
        path.write_text("one\ntwo\n")
        assert _told(file.fileno(), monkeypatch) == "log"
        os.lseek(file.fileno(), 4, os.SEEK_SET)
        assert _told(file.fileno(), monkeypatch) == "none"


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device_is_no_log(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(path) as device:
        assert _told(device.fileno(), monkeypatch) == "none"


def test_a_terminal_and_a_closed_standard_input_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    ends = pty.openpty()
    assert _told(ends[1], monkeypatch) == "none"
    for number in ends:
        os.close(number)
    monkeypatch.setattr("sys.stdin", None)
    assert arriving(0.1) == "none"


@pytest.mark.parametrize("end", [b"", b"no end"])
def test_a_pipe_is_followed_until_it_ends(end: bytes) -> None:
    reader, writer = os.pipe()
    tail = PipeTail(reader)
    added: Callable[[], list[bytes]] = lambda: [block.data for block in tail.added()]  # noqa: E731
    assert added() == []
    os.write(writer, b"one\ntw")
    assert added() == [b"one\n"]
    os.write(writer, b"o\n" + end)
    assert added() == [b"two\n"]
    assert not tail.ended
    assert tail.silent is not None
    os.close(writer)
    assert added() == ([end + b"\n"] if end else [])
    assert tail.ended
    assert tail.silent is None
    os.close(reader)
