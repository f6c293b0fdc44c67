"""Who reaches a planned server, who reads its key, and the words about options that no release takes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from bgecheck.engines.sglang.planned import planned_in
from bgecheck.model import Finding, Status, say
from checks.test_planned import EXACT, MODEL, judged, of, typed

LINE = f"{MODEL} {EXACT}"
IMAGE = "docker run lmsysorg/sglang:v0.5.23"


def shown(row: Finding) -> dict[str, str]:
    return {say(evidence.subject, "en"): say(evidence.observed, "en") for evidence in row.evidence}


@pytest.mark.parametrize(
    ("options", "evidence"),
    [
        ("", {"host (the default)": "127.0.0.1", "reached by": "this machine alone"}),
        ("--host 127.0.0.1", {"host (command line)": "127.0.0.1", "reached by": "this machine alone"}),
        (
            "--host 0.0.0.0",
            {
                "host (command line)": "0.0.0.0",
                "open to": "everybody who reaches this machine: no key is set",
            },
        ),
        ("--host 0.0.0.0 --api-key $KEY", {"host (command line)": "0.0.0.0"}),
    ],
)
def test_who_reaches_the_address(options: str, evidence: dict[str, str]) -> None:
    row = judged(f"{LINE} {options}")["host"]
    assert (row.status, shown(row)) == (Status.PASS, evidence)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"{IMAGE} {LINE}", Status.FAIL),
        (f"{IMAGE} {LINE} --host 0.0.0.0", Status.PASS),
        (f"{LINE} --host $ADDRESS", Status.SKIP),
    ],
)
def test_an_address_of_the_container_alone_reaches_nobody(line: str, status: Status) -> None:
    assert judged(line, None)["host"].status is status


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ("", Status.PASS, "not given"),
        ("--tokenizer-worker-num 4", Status.PASS, "not given"),
        ("--api-key $KEY", Status.WARN, "from a variable"),
        ("--api-key sk-abcdefgh", Status.WARN, "in plain text"),
        ("--api-key $KEY --tokenizer-worker-num 1", Status.WARN, "from a variable"),
        ("--api-key $KEY --tokenizer-worker-num 2", Status.FAIL, "2"),
        ("--api-key $KEY --tokenizer-worker-num many", Status.WARN, "from a variable"),
        ("--api-key $KEY --tokenizer-worker-num $N", Status.WARN, "from a variable"),
    ],
)
def test_who_reads_the_key_of_a_script(options: str, status: Status, words: str, tmp_path: Path) -> None:
    path = tmp_path / "start.sh"
    path.write_text(f"#!/bin/bash\n{LINE} {options}\n")
    [planned] = planned_in(str(path))
    row = of(planned)["key-visible"]
    assert row.status is status
    assert words in [*shown(row).values()]


@pytest.mark.parametrize(
    ("key", "status", "words"),
    [
        ("$(KEY)", Status.PASS, "from a variable of the container"),
        ("sk-abcdefgh", Status.WARN, "in plain text"),
    ],
)
def test_a_key_of_a_container_comes_from_its_environment(key: str, status: Status, words: str, tmp_path: Path) -> None:
    command = [*shlex.split(LINE), "--host", "0.0.0.0", "--api-key", key]
    items = "".join(f"        - {word!r}\n" for word in command)
    path = tmp_path / "pod.yaml"
    path.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: bge}\nspec:\n  containers:\n    - name: bge\n"
        "      image: lmsysorg/sglang:v0.5.23\n      env: [{name: KEY, valueFrom: {secretKeyRef: {name: k, key: k}}}]\n"
        f"      command:\n{items}"
    )
    [planned] = planned_in(str(path))
    row = of(planned)["key-visible"]
    assert (row.status, words in [*shown(row).values()]) == (status, True)


# Options.


def fix(row: Finding, language: str = "en") -> str:
    return say(row.fix, "zh" if language == "zh" else "en")


@pytest.mark.parametrize(
    ("options", "en", "zh"),
    [
        ("--max-batch-size 16", "write --max-running-requests 16 in place of --max-batch-size 16", "改成"),
        ("--port", "write --port 30000 in place of --port", "改成"),
        ("--served-model-name", "leave out --served-model-name", "去掉 --served-model-name"),
        ("stray", "leave out stray", "去掉 stray"),
    ],
)
def test_what_to_write_in_place_of_an_option(options: str, en: str, zh: str) -> None:
    row = judged(f"{LINE} {options}")["flags"]
    assert row.status is Status.FAIL
    assert en in fix(row)
    assert zh in fix(row, "zh")


def test_without_a_model_it_is_to_be_added() -> None:
    row = judged("python -m sglang.launch_server --port 30000")["flags"]
    assert "add --model-path and its value" in fix(row)
    assert "give --model-path a value" in fix(judged("python -m sglang.launch_server --port 1 --model-path")["flags"])


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("0.5.23", "taken by sglang 0.5.23 (--sglang-version)"),
        ("0.5.99", "taken by sglang 0.5.99 (--sglang-version; 0.5.23 were compared with"),
        (None, "(the release is not known)"),
    ],
)
def test_the_release_that_was_compared_with_is_named(version: str | None, words: str) -> None:
    row = judged(LINE, version)["flags"]
    assert row.status is Status.PASS
    assert words in shown(row)["options"], shown(row)["options"]


def test_a_span_of_releases_goes_from_the_oldest_to_the_newest() -> None:
    words = shown(of(typed(LINE))["flags"])["options"]
    first, _, rest = words.removeprefix("taken by sglang ").partition(" to ")
    assert first < rest


def test_a_file_of_options_is_corrected_line_by_line_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "server.yaml"
    path.write_text("model-path: /m/bge-large-zh-v1.5\nmax-batch-size: 16\nis-embedding: true\nno-such: 1\n")
    row = judged(f"python -m sglang.launch_server --config {path}")["flags"]
    edits = [command for command in row.commands if command.startswith("sed -i")]
    assert row.status is Status.FAIL
    assert f"sed -i '2c max-running-requests: 16' {path}" in edits
