"""Logs are read line by line however they were written, numbered right, in bounded memory."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.engines.sglang.serverargs import START
from bgecheck.logfile import lines as logfile
from bgecheck.logfile import reading as logread
from bgecheck.model import BadInput, Unavailable


def _lines(blocks: Iterable[logfile.Block]) -> Iterator[tuple[int, str]]:
    """The texts of blocks with their numbers, joined where a runtime has cut them."""
    unwrapper, number = logfile.Unwrapper(), 1
    for block in blocks:
        number = block.first or number
        rows = block.data.split(b"\n")
        for raw in rows[:-1] if not rows[-1] else rows:
            yield from unwrapper.texts(number, raw)
            number += 1
    yield from unwrapper.rest()


def _read(path: Path, until: int | None = None, whole: int = logread.WHOLE) -> list[tuple[int, str]]:
    return list(_lines(logread.read(str(path), START, until, whole)[1]))


def _texts(path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    return [line for _, line in _read(path)]


JUNK = random.Random(7).randbytes(9000)
LINE = "[2026-11-02 22:10:15 TP0] Load weight begin. avail mem=22.48 GB"


@pytest.mark.parametrize(
    "written",
    [
        LINE,
        f"\x1b[1;32m{LINE}\x1b[0m",
        f"Fetching:   0%|\rFetching: 100%|\r{LINE}",
        f"\0\0{LINE}\0",
        json.dumps({"log": LINE + "\n", "stream": "stderr", "time": "2026-11-02T22:10:15Z"}),
        json.dumps({"log": f"\x1b[31m{LINE}\x1b[0m\r\n", "stream": "stdout"}),
        f"sglang-1  | {LINE}",
        f"sglang-1  | 2026-11-02T22:10:15.001Z {LINE}",
        f"[pod/bge-0/server] {LINE}",
        f"Nov  2 22:10:15 gpu-01 python[811]: {LINE}",
        f"2026-11-02T22:10:15+0800 gpu-01 python[811]: {LINE}",
        f"2026-11-02T22:10:15.000000001Z stderr F {LINE}",
        f"sglang_1  | {LINE}",
        f"\x1b[36mbge_sglang_1  |\x1b[0m {LINE}",
        f"bge_sglang.1.k3jd9f@gpu-01    | {LINE}",
        f"0|sglang   | {LINE}",
        f"[pod/bge-7d9f-x2/server] 2026-11-02T22:10:15.123456789Z {LINE}",
        f"[pod/bge-7d9f-x2/server] 2026-11-02T22:10:15.1+08:00 stdout F {LINE}",
        f"Nov 02 22:10:15.123456 gpu-01 docker[811]: {LINE}",
        f"11月 02 22:10:15 gpu-01 sglang[811]: {LINE}",
        f"Nov 02 22:10:15 gpu-01 docker/bge[811]: {LINE}",
        f"<30>Nov  2 22:10:15 gpu-01 sglang: {LINE}",
        f"<30>1 2026-11-02T22:10:15.123456+08:00 gpu-01 sglang 811 - - {LINE}",
        f"[12345.678901] gpu-01 sglang[811]: {LINE}",
        f"Mon 2026-11-02 22:10:15 CST gpu-01 sglang[811]: {LINE}",
        "\x1e" + json.dumps({"_MACHINE_ID": "1", "MESSAGE": LINE}),
        f"1793657415.123456 gpu-01 sglang[811]: {LINE}",
        f"Nov 02 22:10:15 {LINE}",
        f"2026-11-02 22:10:15.123 | INFO     | launcher.main:pump:42 - {LINE}",
        f"2026-11-02 22:10:15,123 - launcher - INFO - {LINE}",
        f"[1,0]<stderr>: {LINE}",
        f"[default3]:{LINE}",
        json.dumps({"__CURSOR": "s=1;i=2", "PRIORITY": "6", "MESSAGE": LINE, "_PID": "811"}),
        json.dumps({"__CURSOR": "s=1;i=2", "MESSAGE": list(f"\x1b[32m{LINE}\x1b[0m".encode())}),
        json.dumps({"@timestamp": "2026-11-02T22:10:15Z", "message": LINE, "stream": "stderr"}),
        json.dumps({"stream": "stderr", "log": LINE, "kubernetes": {"pod_name": "bge-0"}}),
        json.dumps({"message": f"RuntimeError: an entry with two lines\n{LINE}"}),
    ],
)
def test_a_line_comes_as_sglang_wrote_it(written: str, tmp_path: Path) -> None:
    assert _texts(tmp_path / "a.log", written.encode() + b"\n")[-1] == LINE


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        '  File "/srv/sgl/lib/python3.11/site-packages/sglang/srt/models/bert.py", line 77, in load_weights',
        "KeyError: 'pooler.dense.weight'",
        "torch.OutOfMemoryError: CUDA out of memory.",
        "AssertionError",
        "During handling of the above exception, another exception occurred:",
    ],
)
def test_a_traceback_comes_out_of_a_launchers_log(text: str, tmp_path: Path) -> None:
    """Frames too; what the launcher says itself keeps its prefix."""
    prefix = "2026-11-02 22:10:15,123 - pipeline.server - INFO - "
    own = prefix + "Attempt 3: Please wait for the server to become ready"
    assert _texts(tmp_path / "a.log", f"{prefix}{text}\n{own}\n".encode()) == [text, own]


@pytest.mark.parametrize(
    "written",
    [
        '{"log": 7}',
        '{"log": null, "MESSAGE": null}',
        '{"MESSAGE": [1, 999]}',
        '{"MESSAGE": [true, "a"]}',
        '{"message": {"a": 1}}',
        '{"log":"cut off',
        '{"event": "request.received", "obj": {"text": "CUDA out of memory"}}',
        "[" * 3000,
        '{"a":' * 3000,
        '{"message": ' + "9" * 5000 + "}",
    ],
)
def test_json_without_a_text_stays_as_it_is(written: str, tmp_path: Path) -> None:
    assert _texts(tmp_path / "a.log", written.encode() + b"\n") == [written]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_encodings_are_recognised(encoding: str, tmp_path: Path) -> None:
    text = f"{LINE}\r\n已杀死\r\n{LINE}\r\n"
    assert _texts(tmp_path / "a.log", text.encode(encoding)) == [LINE, "已杀死", LINE]


@pytest.mark.parametrize("kind", ["docker", "containerd"])
def test_a_long_line_that_a_runtime_cut_is_whole_again(kind: str, tmp_path: Path) -> None:
    """Docker and containerd write at most 16 KB in one piece; the number is that of the first."""
    pieces = ["server_args=" + "a" * 16372, "b" * 16384, "c"]
    if kind == "docker":
        ends = ["", "", "\n"]
        lines = [json.dumps({"log": p + e, "stream": "stderr"}) for p, e in zip(pieces, ends, strict=True)]
    else:
        lines = [f"2026-11-02T22:10:15Z stderr {f} {p}" for p, f in zip(pieces, "PPF", strict=True)]
    path = tmp_path / "a.log"
    path.write_text("\n".join(["first", *lines, "last"]))
    assert _read(path) == [(1, "first"), (2, "".join(pieces)), (5, "last")]


def _numbered(path: Path) -> list[str]:
    lines = [f"line {n:05d}" for n in range(1, 1001)]
    path.write_text("\n".join(lines) + "\n")
    return lines


def test_numbers_count_lines_of_the_file_behind_what_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the end of a long log without a start is read, and its lines keep their numbers."""
    path = tmp_path / "a.log"
    _numbered(path)
    origin, blocks = logread.read(str(path), START, whole=100)
    told = list(_lines(blocks))
    assert origin.skipped == 11 * 1000 - 99
    assert told == [(n, f"line {n:05d}") for n in range(992, 1001)]
    monkeypatch.setattr(logread, "COUNT_LIMIT", 10)
    origin, blocks = logread.read(str(path), START, whole=100)
    assert not origin.numbered
    assert [text for _, text in _lines(blocks)] == [text for _, text in told]


@pytest.mark.parametrize("walk", [2**20, 64, 19])
@pytest.mark.parametrize("whole", [8000, 100])
def test_the_last_start_before_the_end_of_a_long_log_is_read_too(
    walk: int, whole: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest session is read from its start; where it is too long, its start and its end, with their numbers."""
    monkeypatch.setattr(logread, "START_LIMIT", 60)
    monkeypatch.setattr(logread, "_LEAD", 40)
    monkeypatch.setattr(logread, "_WALK", walk)
    path = tmp_path / "a.log"
    lines = _numbered(path)
    lines[99] = "[10:00] server_args=old"
    lines[499] = "[11:00] server_args=new"
    path.write_text("\n".join(lines) + "\n")
    told = _read(path, whole=whole)
    assert dict(told)[500] == lines[499]
    assert told[-1] == (1000, "line 01000")
    assert lines[99] not in dict(told).values()
    assert 501 <= len(told) <= 505 if whole == 8000 else len(told) < 30
    assert all(text.endswith(f"{number:05d}") for number, text in told if number != 500)


def test_what_is_written_during_the_run_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\ntwo\nthree\n")
    assert _read(path, until=8) == [(1, "one"), (2, "two")]
    assert _read(path, until=0) == []


@pytest.mark.parametrize(("unit", "times"), [(b"x", 48 * 2**20), (b"\0", 48 * 2**20), (b"\r\n", 2**18)])
def test_memory_stays_small_whatever_a_line_holds(unit: bytes, times: int, tmp_path: Path) -> None:
    """A line without an end, a hole of NUL, and millions of blank lines take a few MiB."""
    path = tmp_path / "a.log"
    path.write_bytes(unit * times + b"\nend\n")
    tracemalloc.start()
    try:
        last = None
        for line in _lines(logread.read(str(path), START)[1]):
            assert len(line[1]) <= logfile.LINE_LIMIT
            last = line[1]
        assert tracemalloc.get_traced_memory()[1] < 12 * 2**20
    finally:
        tracemalloc.stop()
    assert last == "end"


@given(content=st.binary(max_size=3000))
def test_any_bytes_are_read_and_numbered_in_order(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.log"
    path.write_bytes(content)
    numbers = [number for number, _ in _read(path)]
    assert numbers == sorted(numbers)
    assert all(1 <= number <= content.count(b"\n") + 1 for number in numbers)


@given(
    lines=st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs"]), min_size=1, max_size=60), max_size=40)
)
def test_a_text_comes_back_line_by_line(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """What no wrapping is comes back as it was written, behind its number."""
    path = tmp_path_factory.getbasetemp() / "text.log"
    path.write_text("\n".join(["start of the log, in ASCII", *(f"- {line}" for line in lines)]), encoding="utf-8")
    assert _read(path)[1:] == [(n, f"- {line}") for n, line in enumerate(lines, 2)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x7fELF\x02\x01\x01" + bytes(100), "is a binary file, not a log"),
        (b"PK\x03\x04" + os.urandom(2000), "is a binary file, not a log"),
        (bytes(range(256)) * 8, "is a binary file, not a log"),
        (JUNK * 20, "is a binary file, not a log"),
        (b"LPKSHHRH" + bytes(16) + b"MESSAGE=text of a journal\n" * 9, "is a binary file, not a log"),
    ],
    ids=("elf", "zip", "all-bytes", "junk", "journal"),
)
def test_a_file_that_is_no_log_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    with pytest.raises(BadInput) as refused:
        logfile.usable(str(path))
    assert refused.value.reason.en == reason
    assert refused.value.reason.zh
    assert refused.value.given == str(path)


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path / "none.log", "there is no such file"),
        (tmp_path, "is a folder, not a log file"),
        (Path("/dev/null"), "is a device, not a log file"),
    ):
        with pytest.raises(BadInput) as refused:
            logfile.usable(str(path))
        assert refused.value.reason.en == reason
    with pytest.raises(BadInput):
        logfile.usable("bad\0name")
    with pytest.raises(Unavailable) as gone:
        logread.read(str(tmp_path / "none.log"), START)
    assert gone.value.looked


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may read every file")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("text")
    path.chmod(0)
    with pytest.raises(BadInput, match="cannot be read"):
        logfile.usable(str(path))


@pytest.mark.parametrize(
    "content",
    [
        LINE.encode(),
        LINE.encode("utf-16"),
        "已杀死\n".encode("gb18030"),
        b"\0" * 70000 + LINE.encode(),
        b"\x1b[32m" + LINE.encode(),
        JUNK[:3000] + b"\n" + f"{LINE}\n".encode() * 3,  # a log over a file of something else
        f"{LINE}\n".encode() + b"\0" * 9000 + f"{LINE}\n".encode(),
        JUNK * 20 + b"\n" + f"{LINE}\n".encode() * 200,
        f"{LINE}\n".encode() * 200 + JUNK * 20,
        b"\1\2\3\4" * 300 + f"{LINE}\n{LINE}\n".encode(),
        f"\x1b]0;gpu-01\x07{LINE}\n".encode() * 3,  # what `script` writes
        b"ok\n",
    ],
)
def test_a_log_in_any_shape_is_accepted(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    logfile.usable(str(path))
    logfile.usable("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_opened_before_it_is_read(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to would wait for ever."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    logfile.usable(str(path))
