"""The examples of where bgecheck is used: their structure, and every command line in them."""

from __future__ import annotations

import ast
import configparser
import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import commandline
from bgecheck.cli.app import program
from bgecheck.demo.stage import stage
from bgecheck.model.report import INCONCLUSIVE, NAGIOS, OK, PROBLEM, STARTING, USAGE
from bgecheck.render.formats import FORMATS

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(path for path in EXAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
DOCUMENTS = ("README.md", "README.zh.md")


def _in_yaml(value: Any) -> Iterator[list[str]]:
    """Commands in values: as one string, as a list, and as arguments of the tool's own image."""
    if isinstance(value, dict):
        if str(value.get("image", "")).endswith("/bgecheck") and "args" in value:
            yield ["bgecheck", *value["args"]]
        for inner in value.values():
            yield from _in_yaml(inner)
    elif isinstance(value, list):
        if value and value[0] == "bgecheck":
            yield list(map(str, value))
        for inner in value:
            yield from _in_yaml(inner)
    elif isinstance(value, str) and "bgecheck doctor" in value:
        yield from _in_shell(value)


def _in_shell(text: str) -> Iterator[list[str]]:
    for found in re.finditer(r"(?:\S*/)?bgecheck((?: +(?!\|\|)\S+)+)", text):
        yield ["bgecheck", *shlex.split(found[1])]


def _in_python(text: str) -> Iterator[list[str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.List) and node.elts and getattr(node.elts[0], "value", None) == "bgecheck":
            yield [str(getattr(word, "value", "VALUE")) for word in node.elts]


def _in_lines(text: str) -> Iterator[list[str]]:
    """Of a unit file and of Nagios: what is behind the option that starts a program; of cron behind the times."""
    for line in text.replace("\\\n", " ").splitlines():
        if re.match(r"\s*(Exec\w+=|command_line\s)|(?:[\d*/,-]+ ){5}", line):
            yield from _in_shell(line)


def _in_docker(text: str) -> Iterator[list[str]]:
    words = [json.loads(line.partition(" ")[2]) for line in text.splitlines() if line.startswith(("ENTRYPOINT", "CMD"))]
    yield [word for part in words for word in part]


def commands(path: Path) -> list[list[str]]:
    """The command lines of bgecheck in an example."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".yml", ".yaml"):
        return [line for document in yaml.safe_load_all(text) for line in _in_yaml(document)]
    if path.suffix == ".py":
        return list(_in_python(text))
    if path.name == "Dockerfile":
        return list(_in_docker(text))
    if path.suffix == ".sh":
        quoted = text.replace('"$bgecheck"', "bgecheck").replace('"${where[@]}"', "--url URL")
        return list(_in_shell("\n".join(line for line in quoted.splitlines() if not line.startswith("#"))))
    return list(_in_lines(text))


LINES = [(path, line) for path in FILES if path.name not in DOCUMENTS for line in commands(path)]


def formats(line: list[str]) -> set[str]:
    return {word.partition("=")[0] for option, word in itertools.pairwise(line) if option == "-o"}


def test_every_kind_of_example_has_a_command_line() -> None:
    have = {path.relative_to(EXAMPLES).as_posix() for path, _ in LINES}
    assert have >= {
        *("deploy-gate.sh", "github-actions.yml", "gitlab-ci.yml", "kubernetes.yaml", "docker/compose.yaml"),
        *("docker/Dockerfile", "systemd/sglang-bge.service", "systemd/bgecheck.service", "nagios/bgecheck.cfg"),
        *("ansible/fleet.yml", "pytest/conftest.py", "kubernetes-watch.yaml", "systemd/bgecheck-watch.service"),
        "cron/bgecheck-watch",
    }
    assert len([path for path, _ in LINES if path.name == "kubernetes.yaml"]) == 4


@pytest.mark.parametrize("name", ["kubernetes.yaml", "systemd/sglang-bge.service", "docker/compose.yaml"])
def test_a_server_of_the_examples_is_launched_rightly(name: str) -> None:
    """By the rows that judge a launch command before the launch: none fails, none warns."""
    ran = commandline.run("preflight", "--file", str(EXAMPLES / name), "--only", "launch", "-o", "json")
    (report,) = [json.loads(ran.stdout)]
    assert (ran.returncode, report["verdict"]) == (0, "pass")
    assert report["counts"]["pass"] >= 7


@pytest.mark.parametrize(("path", "line"), LINES, ids=lambda part: part.name if isinstance(part, Path) else "")
def test_a_command_line_is_one_that_the_program_takes(path: Path, line: list[str]) -> None:
    name, words = line[1], [word.replace("$MAINPID", "1") for word in line[2:] if word != "--help"]
    command = program([name]).commands[name]
    context = command.make_context(name, words)
    assert not context.args
    if missing := formats(line) - {*FORMATS}:
        pytest.skip(f"not a format yet: {', '.join(sorted(missing))}")


MEANINGS = {
    "a problem": PROBLEM,
    "still starting": STARTING,
    "could not be judged": INCONCLUSIVE,
    "usage": USAGE,
    "right": OK,
    "go on": OK,
}
PLUGIN = {"OK": NAGIOS[OK], "WARNING": NAGIOS[STARTING], "CRITICAL": NAGIOS[PROBLEM], "UNKNOWN": NAGIOS[INCONCLUSIVE]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.name))
def test_exit_codes_in_remarks_are_those_of_the_program(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    meant = PLUGIN if path.suffix == ".cfg" else MEANINGS
    for number, words in re.findall(rf"\b(\d) \(?({'|'.join(meant)})\b", text):
        assert int(number) == meant[words], (number, words)


def test_shell_is_what_a_shell_can_read() -> None:
    for path in EXAMPLES.rglob("*.sh"):
        assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


def test_kubernetes_has_the_fields_that_its_kinds_need() -> None:
    """By structure alone: no cluster was asked; `make examples` asks the schemas of its interface."""
    documents = list(yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text(encoding="utf-8")))
    assert [d["kind"] for d in documents] == ["Deployment", "Service", "Job", "Deployment"]
    for document in documents:
        assert {"apiVersion", "kind", "metadata", "spec"} <= {*document}
    for deployment in (d for d in documents if d["kind"] == "Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
        pod = deployment["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod.get("volumes", ())}
        mounted = {m["name"] for c in pod["containers"] for m in c.get("volumeMounts", ())}
        assert mounted <= volumes
    probe = documents[0]["spec"]["template"]["spec"]["containers"][1]["startupProbe"]
    assert probe["timeoutSeconds"] > int(probe["exec"]["command"][-1].rstrip("s"))


def test_the_cron_job_gives_a_watch_its_time() -> None:
    (job,) = yaml.safe_load_all((EXAMPLES / "kubernetes-watch.yaml").read_text(encoding="utf-8"))
    assert (job["kind"], job["spec"]["concurrencyPolicy"]) == ("CronJob", "Forbid")
    run = job["spec"]["jobTemplate"]["spec"]
    (container,) = run["template"]["spec"]["containers"]
    hours = int(container["args"][container["args"].index("--for") + 1].rstrip("h"))
    assert hours * 3600 < run["activeDeadlineSeconds"] < 24 * 3600
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in run["template"]["spec"]["volumes"]}


def test_a_unit_is_what_systemd_reads() -> None:
    units = sorted((EXAMPLES / "systemd").iterdir())
    for path in units:
        unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
        unit.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
        unit.read_string(path.read_text(encoding="utf-8").replace("\\\n", " "))
        assert {"Unit"} < {*unit.sections()} <= {"Unit", "Service", "Timer", "Install"}
    for timer in (path for path in units if path.suffix == ".timer"):
        assert timer.with_suffix(".service") in units


def test_nagios_has_a_service_for_its_command() -> None:
    text = (EXAMPLES / "nagios/bgecheck.cfg").read_text(encoding="utf-8")
    definitions = {
        kind: dict(line.split(None, 1) for line in body.splitlines() if line.strip())
        for kind, body in re.findall(r"define (\w+) \{\n(.*?)\n\}", text, re.DOTALL)
    }
    name, *arguments = definitions["service"]["check_command"].split("!")
    assert name == definitions["command"]["command_name"]
    used = {int(number) for number in re.findall(r"\$ARG(\d)\$", definitions["command"]["command_line"])}
    assert used == {*range(1, len(arguments) + 1)}


METRICS = {
    *("bgecheck_exit_code", "bgecheck_target_exit_code", "bgecheck_verdict_info", "bgecheck_checks"),
    *("bgecheck_check_info", "bgecheck_run_duration_seconds", "bgecheck_run_timestamp_seconds"),
}


def expressions() -> list[str]:
    rules = yaml.safe_load((EXAMPLES / "prometheus/alerts.yml").read_text(encoding="utf-8"))
    board = json.loads((EXAMPLES / "prometheus/dashboard.json").read_text(encoding="utf-8"))
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return [*asked, *(target["expr"] for panel in board["panels"] for target in panel["targets"])]


def test_rules_and_dashboard_ask_for_metrics_that_are_written() -> None:
    assert {name for text in expressions() for name in re.findall(r"\bbgecheck_\w+", text)} <= METRICS
    if "prometheus" not in FORMATS:
        pytest.skip("not a format yet: prometheus")
    with stage(None) as staged:
        words = ["doctor", "--url", staged.url, "--only", "probe.ready", "-o", "prometheus", "--lang", "en"]
        text = commandline.run(*words).stdout
    assert set(re.findall(r"(?m)^# TYPE (\w+)", text)) >= METRICS & {
        name for text in expressions() for name in re.findall(r"\bbgecheck_\w+", text)
    }


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    board = json.loads((EXAMPLES / "prometheus/dashboard.json").read_text(encoding="utf-8"))
    cells = [
        (x, y)
        for p in (panel["gridPos"] for panel in board["panels"])
        for x in range(p["x"], p["x"] + p["w"])
        for y in range(p["y"], p["y"] + p["h"])
    ]
    assert len(cells) == len({*cells})
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("words", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts-test.yml")])
def test_promtool_takes_the_rules(words: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *words], cwd=EXAMPLES / "prometheus", capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr


def pytest_run(folder: Path, **environment: str) -> str:
    """What the project of the example prints."""
    for path in (EXAMPLES / "pytest").glob("*.py"):
        shutil.copy(path, folder)
    line = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    changes = {"PATH": commandline.on_path(folder), **environment}
    done = subprocess.run(
        line, cwd=folder, capture_output=True, text=True, timeout=80, env=commandline.environment(changes)
    )
    return done.stdout


@pytest.mark.timeout(170)  # it starts an interpreter in an interpreter
def test_the_fixture_lets_tests_run_where_the_server_is_right_and_else_names_the_root_cause(tmp_path: Path) -> None:
    for fault, words in ((None, "1 passed"), ("wrong-dimension", "not right (exit code 1): embed.dimension")):
        with stage(fault) as staged:
            folder = tmp_path / str(fault)
            folder.mkdir()
            shown = pytest_run(folder, EMBEDDINGS_URL=f"{staged.url}/v1")
        assert words in shown


def test_every_example_is_in_the_table_of_both_languages() -> None:
    for name in DOCUMENTS:
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        for path in FILES:
            if path.name not in DOCUMENTS:
                assert f"`{path.relative_to(EXAMPLES).as_posix()}`" in text, (name, path)
