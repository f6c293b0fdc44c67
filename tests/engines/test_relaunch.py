"""The corrected launch line: it starts what was started, with what mends it, and shows no key."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.engines.base import Launch
from bgecheck.engines.sglang import relaunch
from bgecheck.engines.sglang.launchline import launch_program, launch_words, listed_words, parse_launch, typed
from bgecheck.engines.sglang.options import ENCODER_OPTIONS, changes_in_words
from bgecheck.engines.sglang.relaunch import encoder_changes, launch_line, on_gpu, place, stop
from bgecheck.engines.sglang.releases import newest, release_of, releases
from bgecheck.machine import containers
from bgecheck.model import ServerProcess, Text
from bgecheck.model.hygiene import KEY_IN_SHELL

NAMES = (
    "model-path",
    "port",
    "host",
    "served-model-name",
    "dtype",
    "tp-size",
    "device",
    "trust-remote-code",
    *ENCODER_OPTIONS,
)
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).filter(
    lambda text: not text.startswith("-")
)
BGE = Launch(options={"model-path": "/m"})


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_it_is_read_back_as_what_was_given_with_what_an_encoder_needs(options: dict[str, str]) -> None:
    fixed = {name: value for name, value in ENCODER_OPTIONS.items() if name != "mem-fraction-static"}
    read = parse_launch(shlex.split(launch_line(Launch(options=options), encoder_changes(options))))
    assert read == {"mem-fraction-static": "0.3", **options, **fixed}


@pytest.mark.parametrize("name", ["api-key", "admin-api-key"])
def test_a_key_is_a_variable(name: str) -> None:
    line = launch_line(Launch(options={"model-path": "/m", name: "topsecret"}), {})
    assert "topsecret" not in line
    assert f'--{name} "{KEY_IN_SHELL}"' in line


def test_what_is_changed_wins_and_what_is_to_go_is_left_out() -> None:
    given_ = Launch(options={"model-path": "/m", "context-length": "9000", "attention-backend": "fa3"})
    line = launch_line(given_, {"context-length": None, "attention-backend": "triton"})
    assert line == "python -m sglang.launch_server --model-path /m --attention-backend triton"


@pytest.mark.parametrize("name", ["", "-x", "a b", "a;reboot", "A", "$(id)", "a_b", "ä"])
def test_a_name_that_is_no_option_is_left_out(name: str) -> None:
    assert launch_line(Launch(options={"model-path": "/m", name: "v"}), {}) == launch_line(BGE, {})


@pytest.mark.parametrize(
    ("options", "new"),
    [
        ({}, "--is-embedding --disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3"),
        ({"mem-fraction-static": "0.5"}, "--is-embedding --disable-radix-cache --chunked-prefill-size -1"),
        ({**ENCODER_OPTIONS, "chunked-prefill-size": "4096"}, "--chunked-prefill-size -1"),
        (ENCODER_OPTIONS, ""),
    ],
)
def test_only_what_an_encoder_lacks_is_changed(options: dict[str, str], new: str) -> None:
    assert changes_in_words(encoder_changes(options)).en == (new and f"with {new}")


def test_changes_are_named_with_what_is_to_go() -> None:
    words = changes_in_words({"attention-backend": "triton", "context-length": None})
    assert words.en == "with --attention-backend triton and without --context-length"
    assert words.zh == "加上 --attention-backend triton、去掉 --context-length"


def test_program_and_environment_stay_as_they_were() -> None:
    start = replace(
        BGE, program=("/opt/v/bin/python3", "-m", "sglang.launch_server"), environment={"CUDA_VISIBLE_DEVICES": "1"}
    )
    line = launch_line(start, {"port": "31000"})
    assert line == "CUDA_VISIBLE_DEVICES=1 /opt/v/bin/python3 -m sglang.launch_server --model-path /m --port 31000"


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("python3 -m sglang.launch_server --model-path m", ("python3", "-m", "sglang.launch_server")),
        (
            "python -W ignore -m sglang.launch_server --model m",
            ("python", "-W", "ignore", "-m", "sglang.launch_server"),
        ),
        ("/v/bin/python /v/bin/sglang serve m --port 1", ("/v/bin/python", "/v/bin/sglang", "serve")),
        ("sglang serve --model-path m", ("sglang", "serve")),
        ("python -m bgecheck.demo.server --port 1", ()),
        ("python -m http.server", ()),
    ],
)
def test_the_words_before_the_options(command: str, program: tuple[str, ...]) -> None:
    assert launch_program(command.split()) == program


def test_the_corrected_line_keeps_what_was_given_and_hides_the_key() -> None:
    options = {
        "model-path": "/m/a b",
        "port": "31000",
        "api-key": "topsecret",
        "chunked-prefill-size": "4096",
        "cuda-graph-bs": "1 2",
    }
    line = launch_line(Launch(options=options), encoder_changes(options))
    assert "'/m/a b'" in line
    assert "--port 31000" in line
    assert f'--api-key "{KEY_IN_SHELL}"' in line
    assert "topsecret" not in line
    assert "--cuda-graph-bs 1 2 " in line
    assert line.endswith("--is-embedding --disable-radix-cache --mem-fraction-static 0.3")
    assert "--chunked-prefill-size -1" in line


def test_a_hostile_flag_does_not_get_into_the_line() -> None:
    start = Launch(options={"model-path": "/m", "port; rm -rf ~": "", "host": "$(reboot)"}, environment={"A": "$(id)"})
    line = launch_line(start, {})
    assert "rm -rf" not in line
    assert "'$(reboot)'" in line
    assert line.startswith("A='$(id)' ")


def test_a_line_for_a_newer_release_drops_and_renames_what_that_refuses() -> None:
    old = Launch(
        options={
            "model-path": "/m",
            "cuda-graph-max-bs": "16",
            "torchao-config": "int8wo",
            "port": "3",
            "dtype": "half",
        }
    )
    line = launch_line(old, {"disable-radix-cache": ""}, newest())
    assert shlex.split(line)[3:] == [
        *("--model-path", "/m", "--cuda-graph-max-bs-decode", "16", "--port", "3"),
        *("--dtype", "half", "--disable-radix-cache"),
    ]


@pytest.mark.parametrize(
    ("version", "table"),
    [
        ("0.5.23", "0.5.23"),
        ("0.6.0", "0.5.23"),
        (None, "0.5.23"),
        ("0.5.8", "0.5.3.post3"),
        ("0.5.8.post1", "0.5.8.post1"),
        ("0.5.22", "0.5.16"),
        ("0.4.6", "0.4.10.post2"),
        ("?", "0.5.23"),
    ],
)
def test_the_table_of_a_release_is_the_newest_that_is_not_newer(version: str | None, table: str) -> None:
    assert release_of(version).version == table


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("port", "30000", True),
        ("port", "30000x", False),
        ("mem-fraction-static", "0.8", True),
        ("mem-fraction-static", "80%", False),
        ("dtype", "half", True),
        ("dtype", "fp16", False),
        ("disable-radix-cache", "", True),
        ("disable-radix-cache", "true", False),
        ("model-path", "", False),
        ("max-batch-size", "16", False),
        ("tp", "2", True),
        ("tensor-parallel-size", "2", True),
        ("chunked-prefill-size", "-1", True),
    ],
)
def test_a_release_accepts_what_its_parser_does(name: str, value: str, accepted: bool) -> None:
    for release in releases():
        assert release.accepts(name, value) is accepted, release.version


def test_an_ambiguous_beginning_is_no_option() -> None:
    assert newest().option("cuda-graph-max-bs") is None
    assert release_of("0.5.9").option("cuda-graph-max-bs") is not None
    assert "cuda-graph-max-bs-decode" in newest().beginning_with("cuda-graph-max-bs")


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("python -m sglang.launch_server --model-path /m --port 1", {"model-path": "/m", "port": "1"}),
        ("sglang serve /m --tp 2", {"model-path": "/m", "tp-size": "2"}),
        ("python -m sglang.launch_server --model-path '/m/a b'", {"model-path": "/m/a b"}),
        ("python -m sglang.launch_server --help", None),
        ("sglang serve --model-path ", None),
        ("sglang serve --model-path <model> --port 1", None),
        ("sglang serve --model-path m [options]", None),
        ("python -m sglang.launch_server --model-path 'unfinished", None),
        ("python -m vllm.entrypoints.api_server --model m", None),
    ],
)
def test_a_command_that_a_log_repeats(line: str, options: dict[str, str] | None) -> None:
    words = launch_words(line)
    assert (dict(typed(words).options) if words else None) == options


@pytest.mark.parametrize(
    ("listed", "line"),
    [
        (
            "['python', '-m', 'sglang.launch_server', '--model-path', '/m/a b']",
            "python -m sglang.launch_server --model-path '/m/a b'",
        ),
        ('["sglang","serve","--model-path","m"]', "sglang serve --model-path m"),
        (
            "['env', 'HIP_VISIBLE_DEVICES=1', 'sglang', 'serve', 'm']",
            "env HIP_VISIBLE_DEVICES=1 sglang serve --model-path m",
        ),
        (r'["sglang", "serve", "--model-path", "C:\\m\\a"]', r"sglang serve --model-path 'C:\m\a'"),
        ("['python', '-m', 'sglang.launch_server', '--help']", None),
        ("['python', '-m', 'vllm.entrypoints.api_server', '--model', 'm']", None),
        ("['a', 'b', 'c']", None),
    ],
)
def test_a_command_as_a_list_of_words(listed: str, line: str | None) -> None:
    words = listed_words(listed)
    assert (launch_line(typed(words), {}) if words else None) == line


RUN = "python3 -m sglang.launch_server --model-path m"


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"+ {RUN}", ""),
        (f"++ CUDA_VISIBLE_DEVICES=1 nohup {RUN}", "CUDA_VISIBLE_DEVICES=1 nohup "),
        (f"root@gpu01:~# CUDA_VISIBLE_DEVICES=1 OMP_NUM_THREADS=4 {RUN}", "CUDA_VISIBLE_DEVICES=1 OMP_NUM_THREADS=4 "),
        (f"(base) me@h:/srv/x$ nohup {RUN}", "nohup "),
        (f"[root@h srv]# {RUN}", ""),
        (f"exec numactl -N 0 env CUDA_VISIBLE_DEVICES=1 {RUN}", "exec numactl -N 0 env CUDA_VISIBLE_DEVICES=1 "),
        (f"+ conda run -n sgl {RUN}", "conda run -n sgl "),
        (
            f"""+ docker run --gpus '"device=1"' -p 80:30000 -v /d:/m img:v0.5.17 {RUN}""",
            """docker run --gpus '"device=1"' -p 80:30000 -v /d:/m img:v0.5.17 """,
        ),
        (f"docker run -e HF_TOKEN=hf_topsecret img {RUN}", 'docker run -e HF_TOKEN="$HF_TOKEN" img '),
        (f"HF_TOKEN=hf_topsecret HF_ENDPOINT=https://h.c {RUN}", 'HF_TOKEN="$HF_TOKEN" HF_ENDPOINT=https://h.c '),
        (f"2026-01-01 10:00:00 Starting the server: {RUN}", ""),
        (f"start.sh: line 3:  4711 Killed                  {RUN}", ""),
        (f"CMD: CUDA_VISIBLE_DEVICES=2 {RUN}", "CUDA_VISIBLE_DEVICES=2 "),
        (f"CMD: A=1 B=2 C=3 {RUN}", "A=1 B=2 C=3 "),
        (f"A=1 started: B=2 C=3 {RUN}", "B=2 C=3 "),
        (f"+ ./run-in-jail -n 2 {RUN}", "./run-in-jail -n 2 "),
        (f"./run-in-jail -n 2 {RUN}", ""),
    ],
)
def test_what_stands_before_a_program_is_kept_where_it_is_part_of_the_command(line: str, kept: str) -> None:
    words = launch_words(line, line.index("python3"))
    assert launch_line(typed(words), {}) == kept + RUN


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (
            f"ERROR conda.cli.main_run:execute(49): `conda run -n sgl {RUN} --is-embedding` failed. (See above)",
            "conda run -n sgl ",
        ),
        (f"subprocess.CalledProcessError: Command '{RUN} --is-embedding' returned non-zero exit status 2.", ""),
        (
            f"Command 'CUDA_VISIBLE_DEVICES=1 {RUN} --is-embedding' died with <Signals.SIGKILL: 9>.",
            "CUDA_VISIBLE_DEVICES=1 ",
        ),
        (f'time="2026-01-01" msg="exited" cmd="{RUN} --is-embedding" code=2', ""),
        (f'{{"msg": "start", "command": "{RUN} --is-embedding", "pid": 7}}', ""),
        (f"Could not run “{RUN} --is-embedding”: it exited with 2", ""),
        (f"the server (started as {RUN} --is-embedding) can't be reached", ""),
        (f"bash -c '{RUN} --is-embedding'", ""),
        (f"    Process: 412 ExecStart={RUN} --is-embedding (code=exited, status=1/FAILURE)", ""),
        (f"ExecStartPre=-{RUN} --is-embedding", ""),
        (f"ExecStart=!!nice -n 5 {RUN} --is-embedding", "nice -n 5 "),
        (f"ExecStart={{ path=/bin/x ; argv[]={RUN} --is-embedding ", ""),
        (f"command={RUN} --is-embedding", ""),
        (f"    command: nohup {RUN} --is-embedding", "nohup "),
        (f'    command: "{RUN} --is-embedding"', ""),
    ],
)
def test_a_command_ends_where_the_program_that_repeats_it_ends_it(line: str, kept: str) -> None:
    """A mark of the other program's is no part of the last word, nor a key of the first."""
    words = launch_words(line, line.index("python3"))
    assert launch_line(typed(words), {}) == f"{kept}{RUN} --is-embedding"
    path = line.replace("python3", "/opt/v/bin/python3")
    words = launch_words(path, re.search(r"\S*/python3", path).start())  # type: ignore[union-attr]
    assert launch_line(typed(words), {}) == f"{kept}/opt/v/bin/{RUN} --is-embedding"


@pytest.mark.parametrize(
    ("group", "stops", "stands"),
    [
        ("0::/system.slice/docker-{id}.scope", "docker stop 4a464b4ecc66", "docker run"),
        ("0::/machine.slice/libpod-{id}.scope/container", "podman stop 4a464b4ecc66", "podman run"),
        ("0::/kubepods.slice/cri-containerd-{id}.scope", "crictl stop 4a464b4ecc66", "the pod's spec"),
        ("0::/user.slice/session-3.scope", "kill 7", ""),
    ],
)
def test_a_server_in_a_container_is_stopped_and_mended_where_it_was_started(
    group: str, stops: str, stands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launch line is that of the process; the host has to be told that it is not typed there."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(group.format(id="4a464b4ecc665b37" * 4))
    monkeypatch.setattr(containers, "PROC", str(tmp_path))
    unknown: dict[str, Any] = dict.fromkeys(("model_path", "served_name", "api_key", "cwd", "log"))
    server = ServerProcess(pid=7, argv=(), flags={}, host="h", port=1, started_at=0.0, **unknown)
    assert stop(server) == stops
    where = place(server)
    assert stands in where.en
    assert ("runs inside" in where.en) is ("容器内" in where.zh) is bool(stands)
    if stands:  # as docker lists it, twelve digits: neither cut nor followed by more
        assert re.findall("[0-9a-f]{8,}", f"{where.en} {where.zh}") == ["4a464b4ecc66"] * 2


def test_a_server_in_a_container_is_stopped_by_its_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker shows twelve digits of an id, and takes them."""
    server = ServerProcess(
        pid=4711,
        argv=("python", "-m", "sglang.launch_server", "--model-path", "m"),
        flags={"model-path": "m"},
        host="h",
        port=1,
        model_path="m",
        served_name=None,
        api_key=None,
        cwd=None,
        log=None,
        started_at=0.0,
        environment={"HF_HOME": "/hf"},
    )
    container = "0123456789abcdef" * 4
    monkeypatch.setattr(relaunch, "container_of", {4711: container}.get)
    assert relaunch.stop(server) == "docker stop 0123456789ab"
    assert "docker run" in relaunch.place(server).en
    outside = replace(server, pid=4712)
    assert relaunch.stop(outside) == "kill 4712"
    assert relaunch.place(outside) == Text("", "")
    line = launch_line(relaunch.launch_of(server), {})
    assert line == "HF_HOME=/hf python -m sglang.launch_server --model-path m"


def test_a_variable_that_stands_before_a_command_is_written_once() -> None:
    launch = Launch(
        options={"port": "1"},
        program=("CUDA_VISIBLE_DEVICES=1", "python", "-m", "sglang.launch_server"),
        environment={"CUDA_VISIBLE_DEVICES": "1", "SGLANG_USE_CPU_ENGINE": "1"},
    )
    line = "SGLANG_USE_CPU_ENGINE=1 CUDA_VISIBLE_DEVICES=1 python -m sglang.launch_server --port 1"
    assert launch_line(launch, {}) == line
    assert launch_line(on_gpu(launch, "3"), {}).count("CUDA_VISIBLE_DEVICES=") == 1
    assert "CUDA_VISIBLE_DEVICES=3 " in launch_line(on_gpu(launch, "3"), {})
