"""What the journal calls whole is whole: after a kill within a write, a full disk, or a second run at the same time."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bgecheck.bulk.options import BulkOptions
from bgecheck.bulk.output import finish, finished
from bgecheck.bulk.store import Place, Store, identity_of, place, prepare
from bgecheck.bulk.tokens import Estimated
from bgecheck.bulk.window import Rejection, Window, prepared
from bgecheck.model import BadInput, Unavailable, say
from bgecheck.textfile.record import Record

DIMS = 4
IDENTITY: dict[str, Any] = {
    "schema": "bgecheck.bulk/1",
    "input": {"sha256": "0", "records": 4, "column": None},
    "model": "m",
    "dims": DIMS,
    "form": "npy",
    "options": BulkOptions().identity(),
}


def window(first: int, options: BulkOptions | None = None) -> Window:
    """Two records, the second of which was refused."""
    made = prepared(
        [Record(first, first + 1, "好"), Record(first + 1, first + 2, "坏")], Estimated(), options or BulkOptions()
    )
    made.pieces[0].vector = np.full(DIMS, first + 0.5, np.float32)
    made.pieces[1].rejection = Rejection("refused", "no")
    return made


def opened(where: Place) -> Store:
    return Store(where, IDENTITY, DIMS, apart=False)


def test_what_was_written_after_the_last_line_of_the_journal_is_done_again(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    store = opened(where)
    store.write(window(0), unit=False)
    store.sync()
    store.write(window(2), unit=False)
    store.close()  # as a kill leaves it: rows without a line in the journal, and half a line
    with where.journal.open("ab") as journal:
        journal.write(b'{"records": 4')
    store = opened(where)
    assert (store.done.records, store.done.rows, store.done.rejected) == (2, 2, {"refused": 1})
    store.write(window(2), unit=False)
    store.sync()
    store.close()
    finish(where, IDENTITY, store.done, [])
    vectors = np.load(where.out)
    assert vectors[[0, 2], 0].tolist() == [0.5, 2.5]
    assert np.isnan(vectors[[1, 3]]).all()
    rejected = [json.loads(line) for line in where.rejected.read_text(encoding="utf-8").splitlines()]
    assert [(r["number"], r["line"], r["reason"], r["text"]) for r in rejected] == [
        (1, 2, "refused", "坏"),
        (3, 4, "refused", "坏"),
    ]
    assert not where.folder.exists()
    assert json.loads(where.run.read_text(encoding="utf-8"))["records"] == 4


def test_finishing_after_a_kill_within_it_gives_the_same(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    store = opened(where)
    store.write(window(0), unit=False)
    store.sync()
    store.close()
    kept = {path.name: path.read_bytes() for path in where.folder.iterdir()}
    finish(where, IDENTITY, store.done, [])
    first = where.out.read_bytes()
    where.folder.mkdir()
    for name in ("journal.jsonl", "pieces.jsonl"):  # rows and rejected texts had been moved when it was killed
        (where.folder / name).write_bytes(kept[name])
    finish(where, IDENTITY, store.done, [])
    assert where.out.read_bytes() == first
    assert where.rejected.exists()


def test_an_output_that_was_cut_off_is_not_whole(tmp_path: Path) -> None:
    texts = [Record(number, number + 1, f"文本 {number}") for number in range(2)]
    for name in ("out.npy", "out.safetensors", "out.jsonl"):
        where = place(str(tmp_path / name))
        store = opened(where)
        store.write(window(0), unit=False)
        store.sync()
        store.close()
        assert finished(where) is None
        finish(where, {**IDENTITY, "form": where.form}, store.done, texts)
        assert (finished(where) or {})["records"] == 2
        os.truncate(where.out, where.out.stat().st_size - 1)
        assert finished(where) is None


def test_a_file_shorter_than_the_journal_says_is_refused(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    store = opened(where)
    store.write(window(0), unit=False)
    store.sync()
    store.close()
    os.truncate(where.folder / "rows", 130)
    with pytest.raises(BadInput, match="130 bytes"):
        opened(where)
    where.journal.write_bytes(b"no json\n")
    with pytest.raises(BadInput, match="damaged"):
        opened(where)


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    store = opened(where)
    with pytest.raises(BadInput, match="another run"):
        opened(where)
    store.close()
    opened(where).close()


def test_a_full_disk_is_one_line_and_leaves_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = place(str(tmp_path / "out.npy"))
    store = opened(where)
    store.write(window(0), unit=False)
    store.sync()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store.write(window(2), unit=False)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match=r"No space left on device.*--resume"):
            store.sync()
    store.close()
    store = opened(where)
    assert store.done.records == 2
    store.close()


def test_the_vectors_of_pieces_are_averaged_by_tokens_or_kept(tmp_path: Path) -> None:
    options = BulkOptions(too_long="average", size=6, overlap=0)
    made = prepared([Record(0, 1, "一二三四五六")], Estimated(), options)
    assert [piece.tokens for piece in made.pieces] == [6, 4]
    made.pieces[0].vector, made.pieces[1].vector = np.eye(DIMS, dtype=np.float32)[:2]
    where = place(str(tmp_path / "mean.npy"))
    store = opened(where)
    store.write(made, unit=True)
    store.sync()
    row = np.frombuffer((where.folder / "rows").read_bytes()[128:], "<f4")
    store.close()
    assert row.tolist() == pytest.approx([0.6 / 0.52**0.5, 0.4 / 0.52**0.5, 0, 0])
    where = place(str(tmp_path / "apart.npy"))
    store = Store(where, IDENTITY, DIMS, apart=True)
    store.write(made, unit=True)
    store.sync()
    store.close()
    assert store.done.rows == 2
    lines = (where.folder / "pieces.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"number": 0, "chunk": 0, "text": "一二三四"},
        {"number": 0, "chunk": 1, "text": "五六"},
    ]


def test_an_output_that_is_there_is_never_touched_unasked(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    where.out.write_bytes(b"mine")
    with pytest.raises(BadInput, match="--overwrite"):
        prepare(where, resume=False, overwrite=False)
    assert prepare(where, resume=False, overwrite=True) is False
    assert where.out.read_bytes() == b"mine", "it is replaced when the new one is whole"
    where.out.unlink()
    opened(where).close()
    with pytest.raises(BadInput, match="--resume"):
        prepare(where, resume=False, overwrite=False)
    assert prepare(where, resume=True, overwrite=False) is True
    assert prepare(where, resume=False, overwrite=True) is False
    assert not where.folder.exists()


@pytest.mark.parametrize(("name", "reason"), [("out.csv", "extension"), ("none/out.npy", "folder does not exist")])
def test_an_output_that_cannot_be_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=reason):
        place(str(tmp_path / name))


def test_a_run_that_begins_anew_does_not_take_the_files_of_one_at_work(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    store = opened(where)
    store.write(window(0), unit=False)
    with pytest.raises(BadInput, match="another run"):
        prepare(where, resume=False, overwrite=True)
    store.sync()
    store.close()
    assert prepare(where, resume=False, overwrite=True) is False
    assert not where.folder.exists()


def test_an_output_that_cannot_be_written_is_refused_before_a_text_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.npy.part").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match=r"out\.npy\.part beside it is no folder"):
        place(str(tmp_path / "out.npy"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # also root may write, but not on a read-only disk
    with pytest.raises(BadInput, match="its folder cannot be written"):
        place(str(tmp_path / "other.npy"))


def test_parquet_without_its_library_is_refused_before_a_text_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput, match=r"needs pyarrow.*bgecheck\[parquet\]"):
        place(str(tmp_path / "out.parquet"))


def test_a_folder_that_is_removed_below_a_run_ends_it_within_a_second_and_nothing_is_promised(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    store = opened(where)
    store.write(window(0), unit=False)
    shutil.rmtree(where.folder)
    with pytest.raises(Unavailable, match=r"No such file.*nothing of this run is kept") as caught:
        store.sync()
    assert "没有留下任何结果" in say(caught.value.reason, "zh")
    store.close()


def test_a_folder_that_cannot_be_made_promises_nothing(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    where.folder.symlink_to(tmp_path / "none" / "folder")
    with pytest.raises(Unavailable, match="nothing of this run is kept"):
        opened(where)


def test_a_run_that_ends_just_before_another_goes_on_with_it_is_one_line(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    opened(where).close()
    assert prepare(where, resume=True, overwrite=False) is True
    shutil.rmtree(where.folder)
    with pytest.raises(BadInput, match="give the same command again"):
        identity_of(where)


def test_a_line_that_a_run_at_work_is_writing_is_not_cut_off_by_another(tmp_path: Path) -> None:
    where = place(str(tmp_path / "out.npy"))
    store = opened(where)
    with where.journal.open("ab") as journal:
        journal.write(b'{"records": 4')
    before = where.journal.read_bytes()
    assert identity_of(where) == IDENTITY
    with pytest.raises(BadInput, match="another run"):
        opened(where)
    assert where.journal.read_bytes() == before
    store.close()
