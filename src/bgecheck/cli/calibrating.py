"""The run of `bgecheck dedup --calibrate`: pairs to label, or the threshold that labelled pairs speak for."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bgecheck.cli.deduplicating import Request, require_path, texts_of, vectors_path
from bgecheck.cli.output import FOR_PROGRAMS, put_in_place, stdout_screen
from bgecheck.cli.stdout import require_stdout, to_stdout
from bgecheck.dedup.calibration import calibrated
from bgecheck.dedup.cosine import directions, similarities
from bgecheck.dedup.outcome import firsts
from bgecheck.dedup.pairs import LabelledPair, read_pairs, write_pairs
from bgecheck.dedup.proposals import proposed
from bgecheck.dedup.vectorfile import open_vectors
from bgecheck.model import BadInput, Text, clean, reason_of
from bgecheck.render.dedup.calibrated import calibration_as_json, drawn_calibration
from bgecheck.render.screen import screen
from bgecheck.textfile.reading import open_texts

_FORMATS = ("table", "json")


def calibrate_threshold(asked: Request, path: str) -> None:
    """Write pairs to label where the file is not there yet, else find the threshold. Raises `BadInput`."""
    require_stdout()
    if asked.write is not None:
        raise BadInput(
            f"--calibrate {path} --write {asked.write}",
            Text("a calibration keeps and drops no texts", "校准不保留也不去除文本"),
            Text("write with the threshold that it finds, in a run of its own", "先求出阈值，再单独运行 --write"),
        )
    for name, _ in asked.reports:
        if name not in _FORMATS:
            raise BadInput(
                f"-o {name}",
                Text("a calibration has no such format", "校准没有这种格式"),
                Text("choose: table, json", "可选：table、json"),
            )
    if os.path.exists(path):
        _calibrate(asked, path)
    else:
        _propose(asked, path)


def _propose(asked: Request, path: str) -> None:
    _require_folder(path)
    with open_texts(require_path(asked), asked.column) as records, ExitStack() as stack:
        texts = texts_of(records)
        numbers, _ = firsts(texts)
        vectors = open_vectors(vectors_path(asked, records, stack), texts).chosen(numbers)
        pairs = [(texts[numbers[a]], texts[numbers[b]]) for a, b in proposed(vectors, asked.threshold)]
    if not pairs:
        raise BadInput(
            str(asked.path),
            Text("no two of its texts are similar enough to be worth a label", "没有足够相似、值得标注的文本对"),
            Text("give more texts, or a lower --threshold", "换更多的文本，或调低 --threshold"),
        )
    try:
        write_pairs(path, pairs)
    except OSError as error:
        raise _unwritable(path, reason_of(error)) from error
    command = asked.again("--calibrate", path)
    words = Text(
        f"{len(pairs)} pairs to label are in {path}, most of them near {asked.threshold:g}. Put 1 (duplicates) or 0 "
        f"into the column label, then:\n  {command}",
        f"{path} 里有 {len(pairs)} 对待标注的文本，多数在 {asked.threshold:g} 附近。"
        f"在 label 列填 1（重复）或 0（不重复），然后运行：\n  {command}",
    )
    to_stdout(stdout_screen(asked.language).say(words))


def _calibrate(asked: Request, path: str) -> None:
    pairs = read_pairs(path)
    labelled = [pair for pair in pairs if pair.same is not None]
    _require_labels(path, labelled)
    left, right = _vectors(asked, path, labelled)
    values = similarities(left, right, asked.threshold)
    calibration = calibrated(values, [bool(pair.same) for pair in labelled], asked.threshold)
    unlabelled = len(pairs) - len(labelled)
    command = asked.again(*([] if asked.path else ["FILE"]), "--threshold", f"{calibration.best.threshold:g}")
    for name, place in asked.reports:
        if name == "json":
            text = calibration_as_json(calibration, unlabelled)
        else:
            of_file = screen(asked.language, verbose=False, terminal=False, encoding=FOR_PROGRAMS)
            on = stdout_screen(asked.language) if place is None else of_file
            text = drawn_calibration(calibration, on, unlabelled=unlabelled, command=command)
        if place is None:
            to_stdout(text, FOR_PROGRAMS if name == "json" else None)
            continue
        try:
            put_in_place(place, text)
        except OSError as error:
            raise _unwritable(place, reason_of(error)) from error


def _require_labels(path: str, labelled: Sequence[LabelledPair]) -> None:
    kinds = {pair.same for pair in labelled}
    if kinds == {True, False}:
        return
    reason = Text("none of its pairs has a label", "还没有任何标注")
    if kinds:
        reason = Text("all of its labels are the same: a threshold parts two kinds", "所有标注都相同，而阈值要区分两类")
    remedy = Text(
        "put 1 (duplicates) or 0 into the column label, some of each",
        "在 label 列填 1（重复）或 0（不重复），两种都要有",
    )
    raise BadInput(f"--calibrate {path}", reason, remedy)


def _vectors(
    asked: Request, path: str, pairs: Sequence[LabelledPair]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The vectors of the first and the second texts of the pairs, each of shape (pairs, dims)."""
    wanted = list(dict.fromkeys(text for pair in pairs for text in (pair.text_a, pair.text_b)))
    with ExitStack() as stack:
        matrix = _looked_up(asked, path, wanted) if asked.vectors is not None else _asked_for(asked, wanted, stack)
    usable = directions(matrix)[1]
    if not usable.all():
        text = clean(wanted[int(np.flatnonzero(~usable)[0])], 40)
        raise BadInput(
            f"--calibrate {path}",
            Text(f"the vector of {text!r} is zero, NaN or infinite", f"{text!r} 的向量为零或含 NaN/无穷"),
            Text("look at the server: bgecheck embed --full", "检查服务：bgecheck embed --full"),
        )
    places = {text: place for place, text in enumerate(wanted)}
    left, right = (np.array([places[pair[side]] for pair in pairs]) for side in (0, 1))  # type: ignore[index]
    return matrix[left], matrix[right]


def _looked_up(asked: Request, path: str, wanted: Sequence[str]) -> NDArray[np.float64]:
    """The vectors of texts out of the file of vectors, by the file of texts."""
    with open_texts(require_path(asked), asked.column) as records:
        texts = texts_of(records)
    numbers = {text: number for number, text in reversed(list(enumerate(texts)))}
    missing = next((text for text in wanted if text not in numbers), None)
    if missing is not None:
        raise BadInput(
            f"--calibrate {path}",
            Text(
                f"{clean(missing, 40)!r} is not in {asked.path}, so it has no vector",
                f"{asked.path} 里没有 {clean(missing, 40)!r}，所以没有它的向量",
            ),
            Text("leave out --vectors, so that the server is asked", "去掉 --vectors，由服务来编码"),
        )
    return open_vectors(str(asked.vectors), texts).take(np.array([numbers[text] for text in wanted]))


def _asked_for(asked: Request, wanted: Sequence[str], stack: ExitStack) -> NDArray[np.float64]:
    """The vectors that the server gives for texts."""
    path = Path(stack.enter_context(TemporaryDirectory(prefix="bgecheck-")), "texts.jsonl")
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in wanted), encoding="utf-8")
    records = stack.enter_context(open_texts(str(path)))
    return open_vectors(vectors_path(asked, records, stack), wanted).take(np.arange(len(wanted)))


def _require_folder(path: str) -> None:
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        there = os.path.isdir(folder)
        raise _unwritable(
            path, Text("permission denied", "没有写权限") if there else Text("no such folder", "目录不存在")
        )


def _unwritable(path: str, why: Text) -> BadInput:
    return BadInput(
        path,
        Text(f"cannot be written: {why.en}", f"无法写入：{why.zh}"),
        Text("name a file in a folder that exists and is yours to write", "换成一个可写目录下的文件"),
    )
