"""Fuzzes the reader of logs, its rules and the pages that quote them; the samples of all rules are its seeds.

usage: logs.py [SECONDS [FILE]]     FILE repeats one input; exit status as of libFuzzer, 0 when nothing was found
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sys
import tempfile
import unicodedata
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["bgecheck"]):
    from bgecheck.checks.logs import AREA
    from bgecheck.engines.sglang.log.follower import Follower
    from bgecheck.engines.sglang.log.rules import PATTERNS
    from bgecheck.logfile import literals
    from bgecheck.logfile.lines import Block, blocks, usable
    from bgecheck.model import BadInput, Redactor, Report, Target
    from bgecheck.model.deadline import Deadline
    from bgecheck.render.formats import json as as_json
    from bgecheck.render.formats import table
    from bgecheck.run import engine
    from bgecheck.run.context import Context
    from bgecheck.run.settings import Settings

HERE = Path(__file__).resolve().parent
KEY = "k3y-of-the-fuzzer"
START = f"""[2026-11-02 22:10:05] server_args=ServerArgs(model_path='/srv/bge-large-zh-v1.5', api_key='{KEY}')
[2026-11-02 22:10:14] Load weight end. type=BertModel, dtype=torch.float16, avail mem=21.30 GB, mem usage=0.65 GB.
[2026-11-02 22:10:16] The server is fired up and ready to roll!
[2026-11-02 22:10:20] INFO:     10.0.0.1:504 - "POST /v1/embeddings HTTP/1.1" 200 OK
""".encode()
LONGEST = 16_000
"""Bytes of one input."""


def single(text: bytes) -> Iterator[Block]:
    """A text in blocks of one line each."""
    first: int | None = 1
    for line in io.BytesIO(text):
        yield Block(first, line)
        first = None


def kept(follower: Follower) -> dict[str, Any]:
    """What a follower keeps of the newest session, but for the lines above the current one."""
    return {k: v for k, v in vars(follower.session).items() if k != "recent"} | {"older": follower.older}


def compare(text: bytes) -> None:
    """However a log is cut into blocks and searched, the same is kept of it."""
    whole = [Block(1, text)] if text else []
    results = []
    for found_at_once, cut in ((True, whole), (False, whole), (True, single(text))):
        literals._WORTHWHILE = 0 if found_at_once else sys.maxsize
        results.append(kept(Follower().follow(cut)))
    assert results[0] == results[1], "with and without the library"
    assert results[0] == results[2], "in one block and line by line"


def judge(path: str, since: datetime | None) -> str:
    """All pages that quote a log, in one text. Checks that each is clean."""
    target = Target(url="", host="", port=0, log=path)
    redactor = Redactor()
    findings = engine.run([AREA], Context(target, Deadline(30), Settings(since=since)), seconds=30, redactor=redactor)
    errors = [f for f in findings if f.status.value == "error" and "crash" in str(f.reason).lower()]
    assert not errors, errors[0]
    reports = [Report("logs", findings, redactor.value(target.described()), "2026-11-02T22:10:05+0000", 0.1)]
    told = as_json.render(reports, language="en")
    json.loads(told)
    for language in ("en", "zh"):
        told += table.render(reports, language=language, verbose=True, terminal=False, encoding="utf-8")
    bad = {c for c in set(told) if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"}
    assert not bad, f"characters of a log in a page: {bad!r}"
    return told


def one(data: bytes) -> None:
    """Judge one input: its first byte says how it is dressed."""
    how, text = data[:1], data[1:]
    kind = how[0] if how else 0
    if kind & 1:
        text = START + text
    if kind & 2:
        text = re.sub(rb"(?m)^", b"sglang-1  | 2026-11-02T22:10:05.123Z ", text)
    # As the reader hands them over: without a mark, in UTF-8, its long lines cut.
    compare(b"".join(block.data for block in blocks(io.BytesIO(text))))
    if zlib.crc32(data) % 8:
        return
    with open(SCRATCH, "wb") as file:
        file.write(gzip.compress(text, 1)[: len(text)] if kind & 4 else text)
    try:
        usable(SCRATCH)
    except BadInput:
        return
    told = judge(SCRATCH, datetime(2026, 11, 2, 22, 12) if kind & 8 else None)
    assert KEY not in told, "a key of a log in a page"


def seeds(folder: Path) -> None:
    """A sample and a near miss of every rule, plain and in front of a start, and the logs of the tests."""
    for number, pattern in enumerate(PATTERNS):
        for name, line in (("sample", pattern.sample), ("near", pattern.near)):
            if line:
                (folder / f"{number}-{name}").write_bytes(bytes([number % 16]) + line.encode() + b"\n")
    for log in (HERE.parent / "tests" / "data" / "logs").iterdir():
        (folder / log.name).write_bytes(b"\0" + log.read_bytes()[: LONGEST - 1])


def words(path: Path) -> None:
    """The literals of all rules as a dictionary of libFuzzer."""
    found = sorted({p.needle for p in PATTERNS} | {'" HTTP/1.1" ', "\x1b[31m", "\u202e", '{"log":"', "\\n", "\r", "\0"})
    quoted = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in found)
    path.write_text("".join(f'"{word}"\n' for word in quoted))


def main() -> None:
    """Fuzz for so many seconds."""
    global SCRATCH
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    corpus = HERE / ".corpus"
    found, begun = corpus / "found", corpus / "seeds"
    for folder in (found, begun):
        folder.mkdir(parents=True, exist_ok=True)
    seeds(begun)
    words(corpus / "words")
    with tempfile.TemporaryDirectory() as folder:
        SCRATCH = os.path.join(folder, "sglang.log")
        if len(sys.argv) > 2:
            one(Path(sys.argv[2]).read_bytes())
            return
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST}",
            f"-dict={corpus / 'words'}",
            f"-artifact_prefix={corpus}/",
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-verbosity=1",
        ]
        atheris.Setup([sys.argv[0], *options, str(found), str(begun)], one)
        atheris.Fuzz()


SCRATCH = ""

if __name__ == "__main__":
    main()
