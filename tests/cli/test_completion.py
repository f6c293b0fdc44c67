"""Completion as shells ask for it: true bash, zsh and fish; of PowerShell, in no package here, script and protocol."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bgecheck.cli.commands import COMMANDS
from bgecheck.demo.faults import FAULTS
from bgecheck.render.formats import FORMATS
from bgecheck.run import catalog
from bgecheck.snippet.clients import CLIENTS
from commandline import environment, on_path, run

IDS = [row.id for row in catalog.rows()]
SHELLS = ("bash", "zsh", "fish")
needs = {
    name: pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name} here") for name in ("bash", "zsh", "fish")
}


def answers(line: str, **changes: str) -> list[str]:
    """What bash is answered for a line with the cursor at its end, by the protocol of its completion script."""
    words = line.split(" ")
    done = run(_BGECHECK_COMPLETE="complete_bash", COMP_WORDS=line.strip(), COMP_CWORD=str(len(words) - 1), **changes)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bgecheck ", list(COMMANDS)),
        ("bgecheck do", ["doctor"]),
        ("bgecheck --ver", ["--version"]),
        ("bgecheck doctor --wa", ["--wait"]),
        ("bgecheck gpu --wa", []),
        ("bgecheck logs --f", ["--follow", "--fail-on"]),
        ("bgecheck doctor --only launch.p", ["launch.pooling", "launch.prefix-cache"]),
        ("bgecheck doctor --only port", ["ports", *(id_ for id_ in IDS if id_.startswith("ports."))]),
        ("bgecheck doctor --skip logs,launch.po", ["logs,launch.pooling"]),
        ("bgecheck doctor --ignore embed.rep", ["embed.repeatable"]),
        ("bgecheck explain gpu.v", ["gpu.visible"]),
        ("bgecheck demo --fault ", list(FAULTS)),
        ("bgecheck demo --fault wrong-d", ["wrong-dimension"]),
        ("bgecheck snippet ", list(CLIENTS)),
        ("bgecheck snippet py", ["python"]),
        ("bgecheck doctor --lang ", ["zh", "en"]),
        ("bgecheck --lang z", ["zh"]),
        ("bgecheck doctor -o ", list(FORMATS)),
        ("bgecheck doctor --output j", ["json", "jsonl", "junit"]),
        ("bgecheck doctor --fail-on w", ["warning"]),
        ("bgecheck doctor --exit-style ", ["plain", "nagios"]),
        ("bgecheck doctor --nonsense --wa", ["--wait"]),
    ],
)
def test_commands_options_and_values_are_completed(line: str, expected: list[str]) -> None:
    assert answers(line) == expected


def test_every_id_and_area_is_offered() -> None:
    assert answers("bgecheck explain ") == [*catalog.AREAS, *IDS]


def test_zsh_is_told_what_each_is_in_the_user_s_language() -> None:
    for language, words in (("en", "the service port is listening"), ("zh", "服务端口正在监听")):
        done = run(
            _BGECHECK_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="bgecheck explain ports.li", BGECHECK_LANG=language
        )
        assert done.stdout == f"""_arguments '*: :(("ports.listening":"{words}"))'\n"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell", "pwsh"])
def test_a_script_is_made_for_every_shell(shell: str) -> None:
    done = run(_BGECHECK_COMPLETE=f"source_{shell}")
    assert (done.returncode, done.stderr) == (0, "")
    mark = {"bash": "complete -o default -F", "zsh": "#compdef bgecheck", "fish": "complete --command bgecheck"}
    assert mark.get(shell, "Register-ArgumentCompleter -Native -CommandName bgecheck") in done.stdout


def test_powershell_is_answered_by_its_protocol() -> None:
    done = run(
        _BGECHECK_COMPLETE="complete_powershell",
        _TYPER_COMPLETE_ARGS="bgecheck demo --fault wrong-d",
        _TYPER_COMPLETE_WORD_TO_COMPLETE="wrong-d",
    )
    assert done.stdout.strip() == f"wrong-dimension:::{FAULTS['wrong-dimension'].text.en}"


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "bin").mkdir()
    return on_path(tmp_path / "bin")


@pytest.mark.parametrize("shell", [pytest.param(name, marks=needs[name]) for name in needs])
def test_the_shell_that_asks_gets_its_script(shell: str, path: str, tmp_path: Path) -> None:
    """`--show-completion` prints it and `--install-completion` puts it where the shell looks."""
    changes = environment({"PATH": path, "HOME": str(tmp_path)})
    shown = subprocess.run(
        [shell, "-c", "bgecheck --show-completion; true"], env=changes, capture_output=True, text=True, timeout=50
    )
    assert shown.stdout.strip() == run(_BGECHECK_COMPLETE=f"source_{shell}").stdout.strip()
    places = {
        "bash": ".bash_completions/bgecheck.sh",
        "zsh": ".zfunc/_bgecheck",
        "fish": ".config/fish/completions/bgecheck.fish",
    }
    place = tmp_path / places[shell]
    for language, words in (
        ("en", f"{shell} completion is installed in {place}; open a new terminal to use it\n"),
        ("zh", f"{shell} 补全已安装到 {place}，新开一个终端后生效\n"),
    ):
        installed = subprocess.run(
            [shell, "-c", f"bgecheck --lang {language} --install-completion; true"],
            env=changes,
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert (installed.stdout, installed.stderr) == (words, "")
    assert place.read_text().strip() == shown.stdout.strip()


def test_a_shell_named_pwsh_gets_powershell_s_script(path: str, tmp_path: Path) -> None:
    """Another shell under its name, as PowerShell is in no package here: only how it is recognised is shown."""
    shutil.copy(shutil.which("sh") or "/bin/sh", tmp_path / "pwsh")
    done = subprocess.run(
        [tmp_path / "pwsh", "-c", "bgecheck --show-completion; true"],
        env=environment({"PATH": path}),
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert "Register-ArgumentCompleter" in done.stdout


def test_a_shell_without_a_script_is_one_line(path: str) -> None:
    done = subprocess.run(
        ["sh", "-c", "bgecheck --install-completion tcsh --lang zh"],
        env=environment({"PATH": path, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}),
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "--install-completion" in done.stderr


def test_a_home_that_cannot_be_written_is_one_line(path: str) -> None:
    done = subprocess.run(
        ["sh", "-c", "bgecheck --install-completion bash"],
        env=environment({"PATH": path, "HOME": "/proc", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}),
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("bgecheck: --install-completion: /proc/.bash")
    assert done.stderr.count("\n") == 1


@needs["bash"]
def test_bash_completes(path: str) -> None:
    """The script's own function, called as readline calls it."""
    script = """
    eval "$(_BGECHECK_COMPLETE=source_bash bgecheck)"
    complete -p bgecheck
    COMP_WORDS=(bgecheck doctor --only launch.pre); COMP_CWORD=3
    _bgecheck_completion bgecheck launch.pre --only
    echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment({"PATH": path}), capture_output=True, text=True, timeout=50
    )
    assert done.stdout.split("\n")[:2] == [
        "complete -o default -F _bgecheck_completion bgecheck",
        "launch.prefix-cache",
    ], done.stderr


@needs["fish"]
def test_fish_completes(path: str, tmp_path: Path) -> None:
    script = "_BGECHECK_COMPLETE=source_fish bgecheck | source; complete --do-complete 'bgecheck demo --fault wrong-d'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=environment({"PATH": path, "HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.stdout == f"wrong-dimension\t{FAULTS['wrong-dimension'].text.en}\n", done.stderr


def typed(command: Sequence[str], lines: Sequence[str], expected: str, variables: dict[str, str]) -> bytes:
    """What a terminal shows of a program to which lines are typed, until `expected` or 40 seconds have come."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], list(command), variables)
    shown, ends = b"", time.monotonic() + 40
    try:
        for number, line in enumerate(lines):
            os.write(terminal, line.encode())
            mark = expected if number == len(lines) - 1 else f"step {number} done"
            while mark.encode() not in shown and time.monotonic() < ends:
                if select.select([terminal], [], [], 0.2)[0]:
                    shown += os.read(terminal, 65536)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    return shown


@needs["zsh"]
def test_zsh_completes_at_its_prompt(path: str, tmp_path: Path) -> None:
    """At a true prompt on a terminal, with the tabulator key."""
    setup = (
        "autoload -Uz compinit && compinit -u -D && "
        'eval "$(_BGECHECK_COMPLETE=source_zsh bgecheck)" && echo "step" 0 done\n'
    )
    variables = environment({"PATH": path, "HOME": str(tmp_path), "TERM": "xterm", "PS1": "> "})
    shown = typed(["zsh", "-f", "-i"], [setup, "bgecheck explain launch.pre\t"], "launch.prefix-cache", variables)
    assert b"launch.prefix-cache" in shown, shown


@needs["zsh"]
@pytest.mark.parametrize("language", ["en", "zh"])
def test_zsh_can_read_what_every_check_is(language: str, path: str) -> None:
    """Titles hold quotes, brackets and colons, and the answer is evaluated."""
    script = """
    _arguments() { print -r -- "$@" }
    eval $(env _TYPER_COMPLETE_ARGS="bgecheck explain " _BGECHECK_COMPLETE=complete_zsh bgecheck)
    """
    changes = environment({"PATH": path, "BGECHECK_LANG": language})
    done = subprocess.run(["zsh", "-f", "-c", script], env=changes, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f'"{id_}"' in done.stdout for id_ in IDS)


def test_a_shell_that_is_not_supported_ends_in_order() -> None:
    done = run(_BGECHECK_COMPLETE="complete_tcsh")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
