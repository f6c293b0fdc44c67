"""Shows that installing bgecheck beside sglang changes no package that is there, and that 0.5.23 has all it needs.

usage: install.py        exit status 1 when a package would change, or one is added where none may be; needs an index

Three proofs for each release of sglang, all by resolving, so that nothing is installed:

    together    sglang's own requirements, the CUDA ones too, resolved alone and with bgecheck
    later       sglang as it was resolved in the week of its release, every version pinned, and bgecheck put into it
    pip         `pip install --dry-run` in the environment of setup.sh or setup_old.sh, where that was built
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prove import OLD_PYTHON, PYTHON

HERE = Path(__file__).parent
UV = HERE.parent / ".venv-uv" / "bin" / "uv"
TARGET = ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_35"]
"""Where sglang is served: 0.5.23 needs Python 3.11, and its wheel glibc 2.34."""
SECONDS = 600.0

Versions = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of sglang, and what installing bgecheck beside it may add."""

    version: str
    week_of_release: str
    python: Path
    """The interpreter of the environment that was built for it, where it was built."""
    may_add: frozenset[str]
    override: str | None = None
    """A requirement in place of one that the index no longer has."""


RELEASES = (
    Release(version="0.5.23", week_of_release="2026-10-31", python=PYTHON, may_add=frozenset()),
    Release(
        version="0.5.3.post3",
        week_of_release="2025-10-22",
        python=OLD_PYTHON,
        # It does not use Typer and Rich; these are the two and what they need.
        may_add=frozenset({"annotated-doc", "markdown-it-py", "mdurl", "rich", "shellingham", "typer"}),
        override="apache-tvm-ffi>=0.1.0,<0.1.1",  # flashinfer-python 0.4.0 pins 0.1.0b15, which was withdrawn
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an installation does to the packages that are there."""

    before: int
    changed: tuple[str, ...]
    added: tuple[str, ...]


class Unresolved(Exception):
    """No set of versions satisfies the requirements; its text is uv's."""


def canonical(name: str) -> str:
    """A package's name as an index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wheel(folder: Path) -> Path:
    """Build bgecheck's wheel."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(HERE.parent)], check=True, timeout=SECONDS)
    return next(folder.glob("bgecheck-*.whl"))


def resolved(requirements: Sequence[str], *, release: Release, until: str | None = None) -> Versions:
    """The version of every package that `requirements` lead to, as of a day where one is given. Raises `Unresolved`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(UV), "pip", "compile", "--quiet", "--no-header", "--no-annotate", *TARGET, "-"]
        if until:
            command += ["--exclude-newer", until]
        if release.override:
            Path(folder, "override.txt").write_text(release.override, encoding="utf-8")
            command += ["--override", str(Path(folder, "override.txt"))]
        ran = subprocess.run(
            command, input="\n".join(requirements), capture_output=True, text=True, timeout=SECONDS, check=False
        )
    if ran.returncode:
        raise Unresolved(ran.stderr)
    return dict(pinned(line) for line in ran.stdout.splitlines() if line.strip() and not line.startswith("#"))


def pinned(line: str) -> tuple[str, str]:
    """Name and version of a line such as `numpy==2.3.5` or `bgecheck @ file:///x/bgecheck-0.1.0-py3-none-any.whl`."""
    name, version = re.split(r"==| @ ", line.split(";")[0].strip(), maxsplit=1)
    return canonical(name), version


def change(before: Versions, after: Versions) -> Change:
    """The difference between two sets of packages, bgecheck left aside. One that is gone counts as changed."""
    return Change(
        before=len(before),
        changed=tuple(f"{p} {v} -> {after.get(p, 'gone')}" for p, v in before.items() if after.get(p) != v),
        added=tuple(f"{p} {v}" for p, v in after.items() if p not in before and p != "bgecheck"),
    )


def together(release: Release, built: Path) -> Change:
    """sglang's requirements resolved alone, and with bgecheck."""
    sglang = f"sglang=={release.version}"
    return change(
        resolved([sglang], release=release), resolved([sglang, f"bgecheck @ {built.as_uri()}"], release=release)
    )


def later(release: Release, built: Path) -> Change:
    """An environment as it was built in the week of the release, and bgecheck put into it now."""
    before = resolved([f"sglang=={release.version}"], release=release, until=release.week_of_release)
    pins = [f"{package}=={version}" for package, version in before.items()]
    return change(before, resolved([*pins, f"bgecheck @ {built.as_uri()}"], release=release))


def dry_run(release: Release, built: Path) -> Change:
    """What pip would do in the environment that was built for the release."""
    python = str(release.python)
    listing = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    there = subprocess.run([python, "-c", listing], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    before = {canonical(name): version for name, version in json.loads(there).items() if name}
    command = [python, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", str(built)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True, env=environment)
    wanted = {canonical(i["metadata"]["name"]): i["metadata"]["version"] for i in json.loads(ran.stdout)["install"]}
    return change(before, {**before, **wanted})


def main() -> int:
    """Print a line for each proof and the packages that it concerns; whether one of them fails."""
    if not UV.exists():
        print(f"{UV} is missing: run `make real-install`, which installs uv there", file=sys.stderr)
        return 2
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        built = wheel(Path(folder))
        print(f"{built.name} beside sglang\n{'sglang':14}{'proof':11}{'packages':>9}{'changed':>9}{'added':>7}")
        for release in RELEASES:
            proofs = {"together": together, "later": later}
            if release.python.exists() and release.python.parent.parent.joinpath(".ready").exists():
                proofs["pip"] = dry_run
            for name, proof in proofs.items():
                failed |= reported(release, name, proof(release, built))
    return 1 if failed else 0


def reported(release: Release, proof: str, seen: Change) -> bool:
    """Print one proof; whether it shows what must not be."""
    surplus = [package for package in seen.added if package.split()[0] not in release.may_add]
    print(f"{release.version:14}{proof:11}{seen.before:9}{len(seen.changed):9}{len(seen.added):7}")
    for title, packages in (("changed", seen.changed), ("added", seen.added)):
        if packages:
            print(f"{'':14}{title}: {', '.join(packages)}")
    if surplus:
        print(f"{'':14}not expected: {', '.join(surplus)}")
    return bool(seen.changed or surplus)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(__doc__)
    try:
        sys.exit(main())
    except Unresolved as error:
        sys.exit(f"no set of versions satisfies both: {error}")
