"""A packed log is read as it was written, whichever way it was packed and whatever can unpack it here."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bgecheck.engines.sglang.serverargs import START
from bgecheck.logfile import packed, reading
from bgecheck.logfile.lines import usable
from bgecheck.model import BadInput, Unavailable

TEXT = b"".join(b"line %d of a log that was packed\n" % number for number in range(9000))


def _zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


KINDS: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lzma.compress]
if shutil.which("zstd"):
    KINDS.append(_zstd)


def _read(path: Path) -> tuple[reading.Origin, bytes]:
    origin, blocks = reading.read(str(path), START)
    return origin, b"".join(block.data for block in blocks)


@pytest.mark.parametrize("pack", KINDS)
def test_a_packed_log_is_told_by_its_first_bytes(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "sglang.log"
    path.write_bytes(pack(TEXT))
    usable(str(path))
    origin, text = _read(path)
    assert text == TEXT
    assert not origin.cut


@pytest.mark.parametrize("pack", KINDS)
def test_several_members_are_one_log_and_a_cut_one_ends_where_it_ends(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "sglang.log"
    path.write_bytes(pack(TEXT[:1000]) + pack(TEXT[1000:]))
    assert _read(path)[1] == TEXT
    path.write_bytes(pack(TEXT[:1000]) + pack(os.urandom(70000))[:-40000])
    assert _read(path)[1].startswith(TEXT[:1000])


@pytest.mark.parametrize("pack", KINDS)
def test_no_more_is_unpacked_than_the_limit(
    pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STREAM_LIMIT", 2**20)
    path = tmp_path / "sglang.log"
    path.write_bytes(pack(b"\n" * 2**23))
    origin, text = _read(path)
    assert len(text) == 2**20
    assert origin.cut


@pytest.mark.parametrize("kind", ["xz", "zstd"])
def test_what_python_lacks_the_program_unpacks(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which(kind):
        pytest.skip(f"no {kind} here")
    monkeypatch.setitem(packed._LIBRARIES, kind, ())
    path = tmp_path / "sglang.log"
    data = subprocess.run([kind, "-qc"], input=TEXT, capture_output=True, check=True).stdout
    path.write_bytes(data)
    assert _read(path)[1] == TEXT
    path.write_bytes(data[:-200])
    assert _read(path)[0].cut


@pytest.mark.parametrize(("kind", "mark"), [("zstd", b"\x28\xb5\x2f\xfd"), ("xz", b"\xfd7zXZ\0")])
def test_what_nothing_can_unpack_is_refused_with_the_remedy(
    kind: str, mark: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(packed._LIBRARIES, kind, ())
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "sglang.log"
    path.write_bytes(mark + bytes(100))
    with pytest.raises(BadInput) as refused:
        usable(str(path))
    assert refused.value.reason.en == f"is packed with {kind}, which nothing here can unpack"
    assert f"program {kind}" in refused.value.remedy.en
    with pytest.raises(Unavailable, match=f"install the program {kind}"):
        _read(path)


def test_an_older_file_that_cannot_be_unpacked_does_not_spoil_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(packed._LIBRARIES, "zstd", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "sglang.log").write_bytes(TEXT)
    (tmp_path / "sglang.log.1.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    assert _read(tmp_path / "sglang.log")[1] == TEXT


def test_files_of_one_set_are_one_log() -> None:
    given = ["a/s.log", "a/s.log.10", "a/s.log.2.xz", "b/s.log", "a/s.log-20261101.zst", "a/t.log", "a/./s.log"]
    assert reading.logs_of(given) == [
        ("a/s.log", "a/s.log-20261101.zst", "a/s.log.2.xz", "a/s.log.10"),
        ("b/s.log",),
        ("a/t.log",),
    ]
    assert reading.logs_of(["s.log.2", "s.log.1"]) == [("s.log.1", "s.log.2")]
    assert reading.logs_of([]) == []


@pytest.mark.parametrize("pack", KINDS)
def test_an_archive_that_breaks_off_is_told_from_a_whole_one(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "sglang.log"
    whole = pack(TEXT)
    for data, broken in ((whole, False), (whole + whole, False), (whole[: len(whole) // 2], True), (whole[:-5], True)):
        path.write_bytes(data)
        assert _read(path)[0].broken is broken, (data, broken)
