"""Which command has which options, where their values come from, and that the commands of fixes have theirs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest

from bgecheck.cli.app import program
from bgecheck.cli.counting import pattern
from bgecheck.cli.main import run
from bgecheck.demo.stage import stage
from bgecheck.run import catalog
from cases import failures
from commandline import run as run_apart

PROGRAM: Any = program()

REPORT = {"--output", "--verbose", "--ignore", "--severity", "--fail-on", "--exit-style", "--lang"}
ROWS = REPORT | {"--only", "--skip", "--deadline"}
SERVER = {"--url", "--pid", "--target", "--config"}
OPTIONS = {
    "doctor": ROWS
    | SERVER
    | {"--all", "--log", "--model", "--model-path", "--api-key", "--expect-dim"}
    | {"--wait", "--launch", "--stop-on-failure", "--quick", "--full", "--timeout"},
    "preflight": ROWS | {"--file", "--pid", "--sglang-version", "--model-path", "--verify-hash", "--config"},
    "logs": ROWS | SERVER | {"--log", "--follow", "--wait", "--since"},
    "ports": ROWS | SERVER,
    "gpu": ROWS | SERVER | {"--model-path"},
    "probe": ROWS | SERVER | {"--log", "--model", "--api-key", "--expect-dim", "--quick", "--full", "--timeout"},
    "embed": ROWS
    | SERVER
    | {"--log", "--model", "--model-path", "--api-key", "--expect-dim", "--full", "--timeout"}
    | {"--reference", "--against", "--against-key", "--record", "--check-store", "--text-field"}
    | {"--input", "--to", "--column", "--as", "--prefix", "--chunk", "--overlap", "--keep-chunks", "--truncate"}
    | {"--concurrency", "--batch", "--patience", "--resume", "--overwrite"},
    "bench": SERVER
    | {"--model", "--api-key", "--timeout", "--budget", "--batch", "--concurrency", "--rate", "--lengths", "--input"}
    | {"--column", "--slo", "--texts", "--save", "--compare", "--html", "--plot", "--output", "--verbose", "--lang"},
    "snippet": SERVER | {"--model", "--api-key", "--timeout", "--lang"},
    "demo": ROWS | {"--fault", "--list", "--serve", "--quick", "--full", "--timeout"},
    "explain": {"--lang"},
    "matrix": {"--graph", "--markdown", "--lang"},
    "schema": set(),
    "config": (ROWS | {"--url", "--log", "--model", "--model-path", "--api-key", "--expect-dim", "--config", "--force"})
    | {"--wait", "--quick", "--full", "--timeout"},
    "dedup": {
        "--url",
        "--target",
        "--pid",
        "--log",
        "--model",
        "--model-path",
        "--api-key",
        "--timeout",
        "--config",
        "--lang",
    }
    | {"--column", "--vectors", "--as", "--prefix", "--threshold", "--calibrate"}
    | {"--write", "--groups", "--resume", "--overwrite", "--output"},
    "watch": ((ROWS | SERVER) - {"--deadline", "--verbose"})
    | {"--log", "--model", "--model-path", "--api-key", "--timeout", "--every", "--for", "--max-errors"}
    | {"--on-alert", "--webhook", "--prometheus", "--jsonl", "--report"},
    "plan": {"--lang", "--output", "--write", "--overwrite", "--device", "--gpu-memory", "--gpus", "--host", "--port"}
    | {"--gateway-port", "--sglang-version"},
}
"""The options that mean something in each command."""


def options(command: Any) -> dict[str, Any]:
    """The long options of a command as Typer built it, by name."""
    return {name: option for option in command.params for name in option.opts if name.startswith("--")}


def test_every_command_has_the_options_that_mean_something_there() -> None:
    assert set(PROGRAM.commands) == set(OPTIONS)
    for name, command in PROGRAM.commands.items():
        assert set(options(command)) == OPTIONS[name], name
    assert set(options(PROGRAM)) == {"--lang", "--version", "--install-completion", "--show-completion"}


def test_every_option_is_a_variable_too() -> None:
    for command in PROGRAM.commands.values():
        for name, option in options(command).items():
            assert option.envvar == "BGECHECK_" + name[2:].replace("-", "_").upper()


def test_options_of_one_name_are_the_same_everywhere() -> None:
    # What is waited for differs, how many servers a command takes, what it prints, which release it takes by itself;
    # where texts come from and in what batches, what their instruction changes, and what is written and gone on with.
    own = {"--wait", "--url", "--output", "--sglang-version"}
    own |= {"--input", "--batch", "--concurrency", "--column", "--as", "--prefix", "--write", "--resume", "--overwrite"}
    helps: dict[str, set[str]] = {}
    for command in PROGRAM.commands.values():
        for name, option in options(command).items():
            helps.setdefault(name, set()).add(option.help)
    assert {name for name, texts in helps.items() if len(texts) > 1} == own


def test_a_command_that_a_fix_prints_has_these_options() -> None:
    assert failures(catalog.rows(), prints_options_that_exist, lambda row: row.id) == []


def prints_options_that_exist(row: Any) -> None:
    for advice in (row.advice, *row.variants.values()):
        for line in advice.commands:
            for called in re.findall(r"\bbgecheck [a-z][^|&;]*", line):
                words = shlex.split(re.sub(r"\{\w+\}", "x", called))
                known = options(PROGRAM.commands[words[1]])
                for word in words[2:]:
                    if word.startswith("--"):
                        assert word.partition("=")[0] in known, line


def test_variables_fill_in_options_and_options_win() -> None:
    with stage(None) as staged:
        usual = {"BGECHECK_URL": staged.url, "BGECHECK_SKIP": "*.openai-client", "BGECHECK_EXPECT_DIM": "768"}
        done = run_apart("embed", "-o", "json", **usual)
        assert json.loads(done.stdout)["root_causes"] == ["embed.dimension"]
        done = run_apart("embed", "--expect-dim", "1024", **usual)
        assert done.returncode == 0


def chosen(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The ids of the rows that a run with these options has."""
    run(["doctor", "--url", "127.0.0.1:1", "-o", "json", *words])
    return [finding["id"] for finding in json.loads(capsys.readouterr().out)["findings"]]


def test_only_and_skip_take_ids_areas_and_globs_repeated_or_with_commas(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ports, gpu = ([row.id for row in catalog.at("after", [catalog.area(name)])[0].checks] for name in ("ports", "gpu"))
    assert chosen(capsys, "--only", "ports") == ports
    assert chosen(capsys, "--only", "ports.*") == ports
    assert chosen(capsys, "--only", "gpu, ports") == [*ports, *gpu]
    assert chosen(capsys, "--only", "gpu", "--only", "ports.listening") == ["ports.listening", *gpu]
    assert chosen(capsys, "--only", "ports", "--skip", "ports.l*,ports.readable") == [
        id_ for id_ in ports if not id_.startswith("ports.l") and id_ != "ports.readable"
    ]
    assert chosen(capsys, "--only", "gpu,ports", "--skip", "ports") == gpu
    monkeypatch.setenv("BGECHECK_ONLY", "gpu ports.listening")
    assert chosen(capsys) == ["ports.listening", *gpu]


def test_an_area_can_be_ignored_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ports", "--url", "127.0.0.1:1", "-o", "json"]) == 1
    capsys.readouterr()
    assert run(["ports", "--url", "127.0.0.1:1", "--ignore", "ports:planned", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["ignored"] == 1
    assert run(["explain", "ports"]) == 0
    page = capsys.readouterr().out
    assert all(f"{row.id}:" in page for row in catalog.area("ports").checks)
    assert pattern(" logs ") == "logs.*"
    assert pattern("logs.ready") == "logs.ready"


def test_a_line_that_begins_with_a_command_loads_that_one_alone() -> None:
    code = "import sys; from bgecheck.cli.main import run; run(sys.argv[1:]); print(*sys.modules, sep='\\n')"
    for words, loaded in ((["schema"], {"schema"}), (["--lang", "zh", "schema"], set(OPTIONS))):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        modules = {line.removeprefix("bgecheck.cli.") for line in done.stdout.splitlines()}
        assert modules & set(OPTIONS) == loaded
