"""Records vectors of one true sglang and compares those of another: re-index and why, harmless, or compatible.

usage: upgraded.py        (after setup.sh and setup_old.sh; minutes; exit status 0 when every scene is told rightly)
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from prove import HERE, MODEL, OLD_PYTHON, PYTHON, RIGHT, Proof, bgecheck, free_port, launch_line, started

TEXTS = (
    *("今天天气怎么样？", "明天会下雨吗", "北京的气温是多少", "怎么做红烧肉", "红烧肉的家常做法", "如何重置密码"),
    *("忘记密码怎么办", "退货流程是什么", "怎么申请退款", "How do I reset my password?", "Where is my order?"),
)
RELEASES = {PYTHON: RIGHT, OLD_PYTHON: ["--disable-radix-cache", "--mem-fraction-static", "0.5"]}
"""The right settings of 0.5.23, and of 0.5.3.post3 what comes nearest; it pools the last token."""


def asked(python: Path, *words: str, dtype: str = "auto") -> tuple[int, dict[str, Any]]:
    """Start a server, wait until it is up, and run `bgecheck embed` against it."""
    port = free_port()
    options = [*RELEASES[python], "--dtype", dtype]
    with started(launch_line(port, *options, python=python), HERE / "logs" / f"upgraded-{port}.log"):
        bgecheck("doctor", "--wait", "3m", "--quick", "--url", f"127.0.0.1:{port}")
        skip = ("--skip", "embed.semantic,embed.golden", "--model-path", str(HERE / MODEL), "--timeout", "30s")
        return bgecheck("embed", *words, "--url", f"127.0.0.1:{port}", *skip)


def row(report: dict[str, Any]) -> dict[str, Any]:
    """The comparison with the file."""
    found: dict[str, Any] = next(f for f in report["findings"] if f["id"] == "embed.reference")
    return found


def compared(proof: Proof, name: str, seen: tuple[int, dict[str, Any]], verdict: str, root: str | None) -> str:
    """The cause that was named for a comparison whose verdict is known."""
    report = proof.scene(name, seen, 0 if root is None else 1, root)
    values = row(report)["values"]
    print(f"        {values.get('compatibility')}, lowest cosine {values.get('cosine')}")
    proof.holds(f"it is {verdict}", values.get("compatibility") == verdict)
    return str(row(report)["cause"])


def main() -> int:
    """All scenes."""
    (HERE / "logs").mkdir(exist_ok=True)
    proof, began = Proof(), time.monotonic()
    old, new = str(HERE / "logs" / "old.jsonl"), str(HERE / "logs" / "new.jsonl")
    for path in (old, new):
        Path(path).unlink(missing_ok=True)
    proof.scene("0.5.3.post3, recorded", asked(OLD_PYTHON, *TEXTS, "--record", old), 1, "launch.pooling")
    proof.scene("0.5.23, recorded", asked(PYTHON, *TEXTS, "--record", new), 0, None)
    compared(proof, "0.5.23 after a restart", asked(PYTHON, "--reference", new), "index-compatible", None)
    cause = compared(
        proof, "0.5.3.post3 upgraded to 0.5.23", asked(PYTHON, "--reference", old), "re-index", "embed.reference"
    )
    proof.holds(f"what has changed is named: {cause}", "pooling last → cls" in cause)
    back = asked(OLD_PYTHON, "--reference", new)
    compared(proof, "0.5.23 taken back to 0.5.3.post3", back, "re-index", "launch.pooling")
    other = asked(PYTHON, "--reference", new, dtype="bfloat16")
    compared(proof, "another dtype", other, "numerically different, harmless", None)
    print(
        f"{'all told rightly' if not proof.wrong else f'{proof.wrong} told wrongly'}, {time.monotonic() - began:.0f} s"
    )
    return 1 if proof.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
