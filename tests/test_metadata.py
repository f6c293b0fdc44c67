"""What the repository says about itself: its dependencies are what the code imports, and its links lead somewhere."""

from __future__ import annotations

import ast
import re
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
IMPORTED_AS = {"faiss-cpu": "faiss", "nvidia-ml-py": "pynvml", "pyyaml": "yaml"}
FOLDERS = ("src", "docs", "examples", "benchmarks", "real", "fuzz")
PAGES = [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))]
PUBLISHED = {
    "docs.oasis-open.org",
    "docs.ray.io",
    "raw.githubusercontent.com",
    "github.com/sgl-project/sglang",
    "hf-mirror.com",
    "huggingface.co",
    "json-schema.org",
}
"""Where the project's own pages and metadata may lead; a repository of a code host counts as a place of its own."""
OURS_TO_INVENT = re.compile(
    r"^(localhost|host|host\.docker\.internal|[\d.]+|.*\.(example|invalid|test)|(.*\.)?example\.(com|net|org))$"
)
"""Hosts that are the reader's, or that RFC 2606 keeps for examples."""


def imported(root: Path) -> set[str]:
    """Names of the top-level packages that the modules below `root` import, wherever in the module they do."""
    names: set[str] = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"bgecheck"}


def module_of(requirement: Requirement) -> str:
    """The name under which a package is imported."""
    return IMPORTED_AS.get(requirement.name, requirement.name.replace("-", "_"))


def required_by(package: str) -> set[str]:
    """Modules of the packages that an installed package always brings."""
    requirements = [Requirement(line) for line in metadata.requires(package) or ()]
    return {module_of(r) for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})}


def test_every_import_is_of_a_declared_package_or_of_one_that_it_always_brings() -> None:
    declared = {module_of(requirement) for requirement in (*REQUIREMENTS, *EXTRAS)}
    here = [one for one in REQUIREMENTS if one.marker is None or one.marker.evaluate()]
    brought = {module for requirement in here for module in required_by(requirement.name)}
    beside_tomli = {"tomllib"}  # where Python has it, from 3.11 on
    assert imported(ROOT / "src") - beside_tomli - declared - brought == set()


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_a_dependency_has_a_lowest_version_and_no_highest(requirement: Requirement) -> None:
    """A cap would change a server's environment as soon as it holds something newer."""
    operators = [specifier.operator for specifier in requirement.specifier]
    assert operators.count(">=") == 1
    assert set(operators) <= {">=", "!="}


def test_the_interpreters_are_named() -> None:
    """Those that PyPI shows are those from the lowest on."""
    prefix = "Programming Language :: Python :: 3."
    minors = [int(text.removeprefix(prefix)) for text in PROJECT["classifiers"] if text.startswith(prefix)]
    assert PROJECT["requires-python"] == f">=3.{minors[0]}"
    assert minors == list(range(minors[0], minors[-1] + 1))


def heading_anchors(page: str) -> set[str]:
    """The anchors that a Markdown renderer gives to the headings of a page."""
    headings = re.findall(r"^#+\s+(.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: str) -> list[str]:
    """Targets of `[text](target)` and `![text](target)`, code left aside."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page, flags=re.DOTALL)
    prose = re.sub(r"^(    |\t).*$", "", prose, flags=re.MULTILINE)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page.read_text(encoding="utf-8")):
        url = urlsplit(link)
        if url.scheme:
            continue
        target = (page.parent / unquote(url.path)).resolve() if url.path else page
        if not target.exists() or (
            url.fragment and unquote(url.fragment) not in heading_anchors(target.read_text(encoding="utf-8"))
        ):
            broken.append(link)
    assert not broken


def place(address: str) -> str:
    """The host of an address, with owner and repository on a code host."""
    url = urlsplit(address)
    host = url.hostname or ""
    return "/".join([host, *url.path.split("/")[1:3]]) if host in ("github.com", "gitlab.com", "gitee.com") else host


@pytest.mark.parametrize(
    "file",
    [ROOT / "pyproject.toml", *PAGES, *sorted((ROOT / "src").rglob("*.json"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_addresses_in_pages_and_metadata_are_of_places_that_exist(file: Path) -> None:
    """Whoever links to another place looks whether it is there, and adds it above."""
    addresses = re.findall(r"https?://[A-Za-z0-9][A-Za-z0-9._~/-]*", file.read_text(encoding="utf-8"))
    places = {place(address) for address in addresses}
    assert {p for p in places - PUBLISHED if p and not OURS_TO_INVENT.match(p)} == set()


def test_no_address_is_made_up_for_the_project_itself() -> None:
    """It has no page of its own yet, so no file may send a reader to one."""
    made_up = re.compile(
        r"https?://[\w.-]*(bgecheck[\w-]*\.\w|/bgecheck)|(github|gitlab|gitee)\.com/bgecheck", re.IGNORECASE
    )
    kinds = (".py", ".json", ".sh", ".txt")
    files = [path for folder in FOLDERS for path in (ROOT / folder).glob("*") if path.suffix in kinds]
    files += [path for path in (ROOT / "src").rglob("*") if path.suffix in kinds]
    files += [ROOT / "pyproject.toml", *PAGES]
    assert [str(path.relative_to(ROOT)) for path in files if made_up.search(path.read_text(encoding="utf-8"))] == []
