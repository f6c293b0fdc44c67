"""`bgecheck dedup` on vectors in a file, beside scikit-learn's matrix with the guide's loop, and beside sgemm itself.

usage: dedup.py [FOLDER]               (writes 250 MB to FOLDER, by default a temporary one; exit status 1 over a bound)
       dedup.py --large TEXTS FOLDER   (one run of so many texts, with its time and memory: 200000 take 0.8 GB on disk)

Where scikit-learn is not installed (SKLEARN_PYTHON names an interpreter that has it), the peer makes the same matrix
with numpy, and the line says so. Vectors: 1024 dims, a tenth of them near copies of earlier ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from measured import ENVIRONMENT, Budget, Failed, Measured, bgecheck, measured, report

DIMS, THRESHOLD = 1024, 0.85
SMALL, LARGE = 10_000, 50_000
FASTER, MEMORY, OF_PEAK = 5.0, 0.35, 0.6
PYTHON = os.environ.get("SKLEARN_PYTHON", sys.executable)
ONE_THREAD = {**ENVIRONMENT, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Of two threads on a busy machine one waits for the other, and takes CPU time for it."""
MATRIX = {
    "scikit-learn": "from sklearn.metrics.pairwise import cosine_similarity\nmatrix = cosine_similarity(vectors)\n",
    "numpy": "vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)\nmatrix = vectors @ vectors.T\n",
}
LOOP = """
kept = []
for number in range(len(matrix)):
    for other in kept:
        if matrix[number, other] > threshold:
            break
    else:
        kept.append(number)
texts = open(sys.argv[2], encoding="utf-8").read().splitlines()
open(sys.argv[3], "w", encoding="utf-8").writelines(texts[number] + "\\n" for number in kept)
"""
PEAK = """
import sys, time
import numpy as np
rng = np.random.default_rng(1)
a, b = rng.standard_normal((1024, 1024), np.float32), rng.standard_normal((4096, 1024), np.float32)
product, best = np.empty((1024, 4096), np.float32), 0.0
for _ in range(12):
    began = time.process_time()
    np.matmul(a, b.T, out=product)
    best = max(best, 2 * product.size * a.shape[1] / (time.process_time() - began))
print(best)
"""


def make(folder: Path, texts: int) -> tuple[Path, Path]:
    """A file of texts, and one of their vectors, unless they are there."""
    lines, vectors = folder / f"{texts}.txt", folder / f"{texts}.npy"
    if not vectors.exists():
        rng = np.random.default_rng(texts)
        matrix = np.lib.format.open_memmap(vectors, "w+", np.float32, (texts, DIMS))
        for start in range(0, texts, 4096):
            matrix[start : start + 4096] = rng.standard_normal((min(4096, texts - start), DIMS), np.float32)
        for number in rng.choice(np.arange(1, texts), texts // 10, replace=False):
            # A cosine of 0.8 to 0.98 with an earlier text.
            matrix[number] = matrix[rng.integers(number)] + rng.uniform(0.2, 0.75) * matrix[number]
        matrix.flush()
        lines.write_text("".join(f"text {number}\n" for number in range(texts)), encoding="utf-8")
    return lines, vectors


def ours(folder: Path, texts: int, env: Mapping[str, str] = ENVIRONMENT) -> Measured:
    """One run of the command; raises `Failed`."""
    lines, vectors = make(folder, texts)
    words = ["dedup", str(lines), "--vectors", str(vectors), "--threshold", str(THRESHOLD)]
    return run([*bgecheck(), *words, "--write", str(folder / "kept.txt"), "--overwrite"], env)


def run(command: list[str], env: Mapping[str, str]) -> Measured:
    """A command that has to end with 0."""
    done = measured(command, env=env)
    if done.code:
        raise Failed(f"exit status {done.code}: {done.errors.decode(errors='replace')[-2000:]}")
    return done


def peer(folder: Path, name: str) -> Measured:
    """The matrix of all pairs, and the guide's loop over it."""
    lines, vectors = make(folder, SMALL)
    head = f"import sys\nimport numpy as np\nvectors, threshold = np.load(sys.argv[1]), {THRESHOLD}\n"
    python = PYTHON if name == "scikit-learn" else sys.executable
    command = [python, "-c", head + MATRIX[name] + LOOP, str(vectors), str(lines), str(folder / "peer.txt")]
    return run(command, ENVIRONMENT)


def peak() -> float:
    """Floating-point operations of sgemm in a second of one core."""
    return float(run([sys.executable, "-c", PEAK], ONE_THREAD).output)


def budgets(folder: Path) -> Iterator[Budget]:
    """Time and memory beside the peer, and operations in a second of CPU time beside sgemm."""
    there = subprocess.run([PYTHON, "-c", "import sklearn"], capture_output=True, check=False).returncode == 0
    name = "scikit-learn" if there else "numpy"
    make(folder, SMALL)
    runs = [(ours(folder, SMALL), peer(folder, name)) for _ in range(3)]
    if (folder / "kept.txt").read_bytes() != (folder / "peer.txt").read_bytes():
        raise Failed("the two keep different texts")
    own, other = (sorted(run.seconds for run in side)[1] for side in zip(*runs, strict=True))
    detail = f"{own:.2f} s, {name}'s matrix and the guide's loop {other:.2f} s"
    title = f"dedup, {SMALL:,} vectors"
    yield Budget(title=title, figure=other / own, bound=FASTER, unit="x", at_least=True, detail=detail)
    own, other = (max(run.memory for run in side) for side in zip(*runs, strict=True))
    detail = f"{own:.0f} MiB, {name} {other:.0f} MiB"
    yield Budget(title=f"{title}: memory", figure=own / other, bound=MEMORY, unit="x", detail=detail)
    before = peak()
    done = ours(folder, LARGE, ONE_THREAD)
    fastest = max(before, peak())
    kept = len((folder / "kept.txt").read_text(encoding="utf-8").splitlines())
    # Each text is held against those kept before it; a dropped one is counted up to the end too.
    operations = 2 * DIMS * (LARGE - 1) * kept / 2
    detail = f"{operations / done.cpu / 1e9:.0f} of {fastest / 1e9:.0f} GFLOP/s, {done.cpu:.0f} s CPU, {kept:,} kept"
    yield Budget(
        title=f"dedup, {LARGE:,}: of sgemm's peak, per core",
        figure=operations / done.cpu / fastest,
        bound=OF_PEAK,
        unit="x",
        at_least=True,
        detail=detail,
    )


def large(texts: int, folder: Path) -> None:
    """Print what one run of so many texts took."""
    make(folder, texts)
    done = ours(folder, texts)
    print(f"{texts:,} texts: {done.seconds:.0f} s, {done.cpu:.0f} s CPU, {done.memory / 1024:.2f} GiB")
    print(done.output.decode().splitlines()[-1])


if __name__ == "__main__":
    if sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    if sys.argv[1:2] == ["--large"]:
        large(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            place = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
            sys.exit(report(lambda: budgets(place)))
