"""Which release a planned launch will run: the one that is given, that of its image, or that of its interpreter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace

from bgecheck.engines.launchfile.shell import CONDA, VENV
from bgecheck.engines.planned import Planned, Written
from bgecheck.engines.sglang.launchline import is_python
from bgecheck.engines.sglang.releases import numbers
from bgecheck.machine.bounded import bounded
from bgecheck.model import BadInput, Text

_SECONDS, _OUTPUT, _MEMORY = 5.0, 4096, 2**30

_ASK = "import importlib.metadata as m; print(m.version('sglang'))"
"""Asks an interpreter without importing sglang, and torch with it, which takes ten seconds."""

_ELSEWHERE = frozenset(
    (
        *("conda", "mamba", "micromamba", "uv", "poetry", "pipenv", "pixi"),
        *("sudo", "singularity", "apptainer", "srun", "kubectl"),
    )
)
"""Programs that choose the environment by themselves."""


def installed_in(program: str) -> str | None:
    """The release of sglang that an interpreter would import; None where it has none."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = bounded([program, "-c", _ASK], environment, _SECONDS, _OUTPUT, _MEMORY)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done is None or done.returncode:
        return None
    version = done.stdout.decode("utf-8", "replace").strip()
    return version if re.fullmatch(r"[\w.+!-]{3,60}", version) else None


def with_version(planned: Planned, given: str | None, installed: Callable[[str], str | None] = installed_in) -> Planned:
    """The launch with the release that will run, as far as it can be known. Raises `BadInput` for one that is none.

    `installed` asks an interpreter; of several launches that share one, each needs to be asked once only.
    """
    if given is not None:
        if not numbers(given.removeprefix("v")):
            raise BadInput(
                f"--sglang-version {given}",
                Text("it is no release of sglang", "不是 sglang 的版本号"),
                Text("write it as pip shows it: 0.5.9", "写成 pip show 显示的样子：0.5.9"),
            )
        return replace(
            planned, version=given.removeprefix("v"), version_source=Text("--sglang-version", "--sglang-version")
        )
    if tag := _tag(planned.written.image):
        return replace(planned, version=tag, version_source=Text("the image's tag", "镜像标签"))
    program = None if planned.contained else interpreter(planned.written)
    version = installed(program) if program else None
    if version is None:
        return replace(planned, interpreter=program)
    return replace(
        planned,
        interpreter=program,
        version=version,
        version_source=Text(f"installed in {program}", f"{program} 的环境"),
    )


def _tag(image: str | None) -> str | None:
    tag = re.search(r":v?(\d+\.\d+\.\d+(?:\.?post\d+)?)(?:[.-]|$)", image or "")
    return tag[1] if tag else None


def interpreter(one: Written) -> str | None:
    """The Python of this machine that a command runs sglang with; None where that cannot be known."""
    if any(os.path.basename(word) in _ELSEWHERE for word in one.values[:12]):
        return None
    for word in one.values:
        name = os.path.basename(word)
        if name == "sglang" or is_python(name):
            path = _program(word, one)
            return path if path is None or name != "sglang" else _beside(path)
    return None


def _program(word: str, one: Written) -> str | None:
    """Where a program lies; of a bare name by the environment that the text activates, and by its PATH."""
    given = one.environment
    if os.sep in word:
        path = os.path.join(one.folder or os.getcwd(), os.path.expanduser(word))
    elif CONDA in given or one.user:
        return None  # which one that is decides conda, or the profile of that user
    elif VENV in given:
        path = os.path.join(one.folder or os.getcwd(), given[VENV], "bin", word)
    else:
        folders = [folder for folder in given.get("PATH", "").split(os.pathsep) if folder and "$" not in folder]
        return (shutil.which(word, path=os.pathsep.join(folders)) if folders else None) or shutil.which(word)
    return path if os.access(path, os.X_OK) else None


def _beside(script: str) -> str | None:
    """The interpreter of an environment whose script this is."""
    python = os.path.join(os.path.dirname(script), "python")
    return python if os.access(python, os.X_OK) else None
