"""Launch lines put right: how a server was started, with what is wrong changed and all else as it was."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from bgecheck.engines.base import Changes, Launch
from bgecheck.engines.sglang.launchline import MANY, launch_program
from bgecheck.engines.sglang.options import ENCODER_OPTIONS, PROGRAM
from bgecheck.engines.sglang.releases import Release, fitted
from bgecheck.machine.containers import container_of, program_of
from bgecheck.model import ServerProcess, Shell, Text
from bgecheck.model.hygiene import KEY_IN_SHELL, NAMED_LIKE_A_KEY

_KEYS = ("api-key", "admin-api-key")


def launch_of(server: ServerProcess) -> Launch:
    """How a running server was started, by its process."""
    return Launch(options=server.flags, program=launch_program(server.argv), environment=server.environment)


def stop(server: ServerProcess) -> Shell:
    """The command that stops a running server: its container, where it runs in one."""
    container = container_of(server.pid)
    return Shell(f"{program_of(server.pid)} stop {container[:12]}" if container else f"kill {server.pid}")


def place(server: ServerProcess) -> Text:
    """Where its launch line stands, as a remark behind what is changed: nothing where it is typed on this machine."""
    container = container_of(server.pid)
    if container is None:
        return Text("", "")
    program = program_of(server.pid)
    if program == "crictl":
        return Text(
            f" in the pod's spec (command, args of container {container[:12]}; the line below runs inside it)",
            f"（改 pod 定义里容器 {container[:12]} 的 command、args；下面的启动命令是在容器内执行的）",
        )
    return Text(
        f" in the command of container {container[:12]} ({program} run, compose file; the line below runs inside it)",
        f"（改容器 {container[:12]} 的启动命令，{program} run 或 compose 文件；下面的启动命令是在容器内执行的）",
    )


def encoder_changes(options: Mapping[str, str], share: str = ENCODER_OPTIONS["mem-fraction-static"]) -> Changes:
    """What a bidirectional encoder needs and these options lack; `share` is the memory share where none is given."""
    needed = ENCODER_OPTIONS | {"mem-fraction-static": options.get("mem-fraction-static", share)}
    return {name: value for name, value in needed.items() if options.get(name) != value}


def on_gpu(launch: Launch, visible: str) -> Launch:
    """The same launch on another GPU, which is the only one that it sees."""
    program = tuple(word for word in launch.program if not word.startswith(f"{_VISIBLE}="))
    options = {name: value for name, value in launch.options.items() if name != "base-gpu-id"}
    return Launch(options=options, program=program, environment={**launch.environment, _VISIBLE: visible})


_VISIBLE = "CUDA_VISIBLE_DEVICES"


def launch_line(launch: Launch, changed: Changes, release: Release | None = None) -> Shell:
    """The launch line with `changed` put right: a Shell line, its keys as variables.

    Built anew from option names and quoted values, so that nothing else of a foreign line survives. With `release` it
    is for that release: what its parser refuses is renamed or left out.
    """
    options = {name: value for name, value in {**launch.options, **changed}.items() if value is not None}
    assigned = {word.partition("=")[0] for word in launch.program if "=" in word}
    words = [f"{n}={shlex.quote(value)}" for n, value in launch.environment.items() if n not in assigned]
    words += [_word(word) for word in launch.program] or [PROGRAM]
    words += [_option(name, value) for name, value in (fitted(options, release) if release else options).items()]
    return Shell(" ".join(filter(None, words)))


def _word(word: str) -> str:
    """A word before the options, quoted; of a variable that holds a key only the name."""
    name, assigned, _ = word.partition("=")
    if assigned and re.fullmatch(r"\w+", name) and NAMED_LIKE_A_KEY.search(name):
        return f'{name}="${name}"'
    return shlex.quote(word)


def _option(name: str, value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        return ""
    if name in _KEYS:
        return f'--{name} "{KEY_IN_SHELL}"'
    return Shell.join([f"--{name}", *(value.split() if name in MANY else [value] if value else [])])
