"""The page for newcomers and the house agree: its rooms are the layers, and every path that it names is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def layers() -> list[set[str]]:
    """The rooms from the top down, as import-linter keeps them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    found = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [{room.strip().removeprefix("bgecheck.") for room in line.split("|")} for line in found]


def test_the_rooms_are_the_layers() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE)
    assert [set(re.findall(r"\w+", row)) for row in rows] == layers()


def test_every_package_is_a_room() -> None:
    packages = {path.parent.name for path in (ROOT / "src/bgecheck").glob("*/__init__.py")}
    assert packages - {"schema"} == set().union(*layers())


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(bgecheck/[\w/.]+|docs/[\w.]+|tests/[\w/]+)`", PAGE))))
def test_every_path_is_there(path: str) -> None:
    assert (ROOT / (f"src/{path}" if path.startswith("bgecheck/") else path)).exists()


def test_every_module_beside_one_that_is_named_is_there() -> None:
    """`numbers.py`, `sameness.py`: short names stand behind a whole path of the same folder."""
    for line in PAGE.split("\n\n"):
        folder: Path | None = None
        for path in re.findall(r"`([\w/]+\.py)`", line):
            if "/" in path:
                folder = (ROOT / "src" / path).parent
            else:
                assert folder is not None, path
                assert (folder / path).exists() or any((ROOT / "src/bgecheck").rglob(path)), path


@pytest.mark.parametrize(
    "name", ["holds", "broken", "absent", "unclear", "AtLeast", "AtMost", "Unavailable", "Embedded"]
)
def test_every_name_is_one_of_the_program(name: str) -> None:
    assert f"`{name}" in PAGE
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/bgecheck").rglob("*.py"))
    assert re.search(rf"^(?:def|class) {name}\b", sources, re.MULTILINE)
