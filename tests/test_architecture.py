"""The page for newcomers and the house agree: its rooms are the layers, and every path that it names is there."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bgecheck.cli.app import program
from bgecheck.engines.base import Engine
from bgecheck.engines.sglang import engine as sglang
from bgecheck.engines.sglang.discovery import TITLE
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.engines.sglang.serverargs import START

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


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(bgecheck/[\w/.]+|docs/[\w.]+|tests/[\w/.]+)`", PAGE))))
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
    "name", ["holds", "broken", "absent", "unclear", "AtLeast", "AtMost", "Unavailable", "Embedded", "Engine"]
)
def test_every_name_is_one_of_the_program(name: str) -> None:
    assert f"`{name}" in PAGE
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/bgecheck").rglob("*.py"))
    assert re.search(rf"^(?:def|class) {name}\b", sources, re.MULTILINE)


OF_OTHERS = {
    *(
        "--noproxy",
        "--max-time",
        "--raw",
        "--format",
        "--add-host",
        "--query-gpu",
        "--query-compute-apps",
        "--input-type",
    ),
    *("--pooling", "--max-client-batch-size", "--max-concurrent-requests", "--url-prefix"),
    *("--tail", "--previous", "--field-selector", "--time"),
    *("--local-dir", "--local", "--force-download", "--shm-size", "--ipc", "--gpus", "--ulimit", "--memory", "--sort"),
    "--detach",
    "--verify-hash",
    *("--task", "--runner", "--convert", "--hf-overrides", "--embedding", "--embeddings"),
}
"""Options of curl, hf, ps, docker, kubectl, srun, nvidia-smi, tsx; of other engines."""

ELSEWHERE = {"cli", "demo", "engines"}
"""The program's own options, a server in sglang's dialect, and the place where sglang is spelled."""


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """The text constants of a module but its docstrings, each with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docs and isinstance(node.value, str | bytes):
            yield node.lineno, node.value if isinstance(node.value, str) else node.value.decode("latin-1")


def own_options() -> set[str]:
    """The options of bgecheck, some of which sglang has too."""
    whole = program()
    commands = [whole, *whole.commands.values()]
    return {name for command in commands for option in command.params for name in option.opts}


MARKS = {*PAGES.model, *PAGES.settings, *PAGES.health[1:], START.decode(), TITLE, "launch_server", "fired up and ready"}
"""Its pages, the title of its processes, its program, and what its log says of a start and of its end."""


def test_nothing_outside_its_engine_spells_an_option_page_or_mark_of_sglang() -> None:
    allowed = own_options() | OF_OTHERS
    spelled = [
        (str(path.relative_to(ROOT)), line, word)
        for path in (ROOT / "src/bgecheck").rglob("*.py")
        if path.relative_to(ROOT / "src/bgecheck").parts[0] not in ELSEWHERE
        for line, text in strings(path)
        for word in (
            *(option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text) if option not in allowed),
            *(mark for mark in MARKS if mark in text),
        )
    ]
    assert spelled == [], (
        "what is sglang's is taken from `bgecheck/engines/sglang/options.py`; "
        "an option of another program goes to OF_OTHERS above"
    )


def test_sglang_is_an_engine_as_checks_see_one() -> None:
    """For the type checker too, which compares the module with the protocol."""
    engine: Engine = sglang
    assert engine.PAGES.model[0] == "/model_info"
    assert engine.parse_launch(["python", "-m", "sglang.launch_server", "--port", "1"]) == {"port": "1"}
