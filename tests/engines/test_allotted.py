"""What a launch file gives a server beside its command is read from every form, as the program that starts it does."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.engines.allotted import Published, bytes_of, published
from bgecheck.engines.launchfile.interpolation import interpolated
from bgecheck.engines.planned import Planned
from bgecheck.engines.sglang.planned import planned_as_typed, planned_in

RUN = "python3 -m sglang.launch_server --model-path /models/m"


def launches(folder: Path, name: str, text: str) -> tuple[Planned, ...]:
    path = folder / name
    path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
    return planned_in(str(path))


@pytest.mark.parametrize(
    ("text", "kubernetes", "size"),
    [
        ("512m", False, 512 * 2**20),
        ("8g", False, 8 * 2**30),
        ("1.5gb", False, 3 * 2**29),
        ("64000000", False, 64_000_000),
        ("1G", False, 2**30),
        ("1G", True, 10**9),
        ("256Mi", True, 256 * 2**20),
        ("0", False, None),
        ("infinity", False, None),
        ("50%", False, None),
        (None, False, None),
    ],
)
def test_sizes_are_read_as_their_program_does(text: str | None, kubernetes: bool, size: int | None) -> None:
    assert bytes_of(text, kubernetes=kubernetes) == size


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("8080:30000", [Published(30000, 8080)]),
        ("30000", [Published(30000)]),
        ("127.0.0.1:8080:30000", [Published(30000, 8080, "127.0.0.1")]),
        ("127.0.0.1::30000", [Published(30000, None, "127.0.0.1")]),
        ("[::1]:8080:30000/tcp", [Published(30000, 8080, "::1")]),
        ("3000-3001:4000-4001", [Published(4000, 3000), Published(4001, 3001)]),
        ("53:53/udp", []),
        ("$PORT:30000", []),
    ],
)
def test_published_ports(text: str, ports: list[Published]) -> None:
    assert list(published(text)) == ports


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", ("1", False)),
        ("$A-$A", ("1-1", False)),
        ("${B:-2}", ("2", False)),
        ("${E:-2}${E-2}", ("2", False)),
        ("${B:-${A:-3}}", ("1", False)),
        ("${B:-${C:-3}}/x", ("3/x", False)),
        ("${A:+yes}", ("yes", False)),
        ("${A:?needed}", ("1", False)),
        ("${B:?needed}", ("${B:?needed}", True)),
        ("$B", ("$B", True)),
        ("$$A", ("$A", False)),
        ("${", ("${", False)),
    ],
)
def test_variables_of_compose(text: str, value: tuple[str, bool]) -> None:
    assert interpolated(text, {"A": "1", "E": ""}) == value


@given(st.text(alphabet="${}:-?+AB1 ", max_size=40))
def test_no_text_stops_the_reader_of_variables(text: str) -> None:
    value, unknown = interpolated(text, {"A": "x"})
    assert unknown or "${A}" not in value


def test_the_file_of_variables_beside_a_compose_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARE", "0.4")
    (tmp_path / ".env").write_text("MODELS=./models\nSHARE=0.3\nOUTSIDE=31000\nMY_KEY=of-the-file\n")
    (one,) = launches(
        tmp_path,
        "compose.yaml",
        f"""
        services:
          bge:
            image: lmsysorg/sglang:${{TAG:-v0.5.9}}
            volumes: ["${{MODELS}}:/models"]
            ports: ["${{OUTSIDE:-30000}}:30000"]
            command: {RUN} --mem-fraction-static ${{SHARE}} --api-key ${{MY_KEY}} --host ${{WHERE:-0.0.0.0}}
        """,
    )
    assert one.model_path == str(tmp_path / "models/m")
    assert one.options["mem-fraction-static"] == "0.4", "the environment is stronger than the file"
    assert one.host == "0.0.0.0"
    assert one.written.image == "lmsysorg/sglang:v0.5.9"
    assert one.written.allotted.published == (Published(30000, 31000),)
    at = one.written.values.index("of-the-file")
    assert not one.written.stands_open(at), "who reads the compose file does not read the key"


def test_what_compose_gives_a_service(tmp_path: Path) -> None:
    full, bare = launches(
        tmp_path,
        "compose.yaml",
        f"""
        services:
          full:
            mem_limit: 4g
            shm_size: 2gb
            ulimits: {{nofile: {{soft: 512, hard: 1024}}}}
            gpus: all
            profiles: [big]
            volumes: ["cache:/root/.cache", {{type: bind, source: ./m, target: /models}}]
            ports: [{{target: 30000, published: "8080", host_ip: 127.0.0.1}}]
            healthcheck: {{test: ["CMD", "curl", "-f", "http://localhost:30001/health"]}}
            command: {RUN}
          bare:
            command: {RUN}
        """,
    )
    given = full.written.allotted
    assert (given.memory, given.shm, given.files, given.cards) == (4 * 2**30, 2 * 2**30, 512, True)
    assert given.published == (Published(30000, 8080, "127.0.0.1"),)
    assert [(one.port, one.kills) for one in given.asked] == [(30001, False)]
    assert given.mounted == ("/root/.cache", "/models")
    assert given.profiles == frozenset({"big"})
    assert not given.open_to_peers
    other = bare.written.allotted
    assert (other.memory, other.shm, other.files, other.cards) == (None, 64 * 2**20, None, False)
    assert (other.published, other.mounted, other.open_to_peers) == ((), (), True)


def test_what_docker_run_gives() -> None:
    line = (
        f"docker run -d --gpus all --shm-size 1g -p 8080:30000 -m 300m --ulimit nofile=99:100 -v /d:/models IMAGE {RUN}"
    )
    one = planned_as_typed(line.replace("IMAGE", "lmsysorg/sglang:v0.5.9").split())
    given = one.written.allotted
    assert (given.memory, given.shm, given.files, given.cards) == (300 * 2**20, 2**30, 99, True)
    assert given.published == (Published(30000, 8080),)
    assert given.mounted == ("/models",)
    inner = planned_as_typed(f"docker run lmsysorg/sglang:v0.5.9 {RUN} --port 1".split()).written.allotted
    assert (inner.memory, inner.published, inner.cards) == (None, (), False), "-m and --port are of the server"


def test_what_a_pod_gives_and_who_asks_it(tmp_path: Path) -> None:
    (one,) = launches(
        tmp_path,
        "deploy.yaml",
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: bge}
        spec:
          template:
            metadata: {labels: {app: bge, tier: a}}
            spec:
              containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.9
                  args: [python3, -m, sglang.launch_server, --model-path, /models/m, --port, "30000"]
                  ports: [{containerPort: 8000, name: http}]
                  livenessProbe: {httpGet: {path: /health, port: http}}
                  readinessProbe: {tcpSocket: {port: 30000}}
                  resources: {limits: {nvidia.com/gpu: 1, memory: 2Gi}}
                  volumeMounts: [{name: m, mountPath: /models}, {name: shm, mountPath: /dev/shm}]
              volumes: [{name: m, hostPath: {path: /data}}, {name: shm, emptyDir: {medium: Memory}}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: bge}
        spec: {selector: {app: bge}, ports: [{port: 80}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: other}
        spec: {selector: {app: other}, ports: [{port: 81}]}
        """,
    )
    given = one.written.allotted
    assert [(asked.port, asked.kills) for asked in given.asked] == [(8000, True), (30000, False), (80, False)]
    assert (given.memory, given.shm, given.cards) == (2 * 2**30, None, True)
    assert given.published is None, "a pod has an address of its own"
    assert one.model_path == "/data/m"


def test_a_unit_with_a_file_of_variables_limits_and_a_blank_behind_a_backslash(tmp_path: Path) -> None:
    (tmp_path / "env").write_text('MODEL=/models/m\nEXTRA="--is-embedding --disable-radix-cache"\n')
    (one,) = launches(
        tmp_path,
        "bge.service",
        f"""
        [Service]
        EnvironmentFile=-{tmp_path}/env
        MemoryMax=200M
        LimitNOFILE=256:4096
        ExecStart=/usr/bin/python3 -m sglang.launch_server \\
          --model-path ${{MODEL}} \\\x20
          # a remark, which systemd leaves out
          --port 31000 \\
          $EXTRA
        Restart=always
        """.replace("\\x20", " "),
    )
    assert (one.model, one.port) == ("/models/m", 31000)
    assert {"is-embedding", "disable-radix-cache"} <= one.options.keys()
    assert (one.written.allotted.memory, one.written.allotted.files) == (200 * 2**20, 256)


def test_what_supervisord_replaces(tmp_path: Path) -> None:
    plain, inner = launches(
        tmp_path,
        "sglang.conf",
        """
        [program:bge]
        command=python -m sglang.launch_server --model-path %(ENV_MODEL)s --port %(ENV_UNKNOWN)s
        environment=MODEL="/models/m"
        [program:m3]
        command=bash -c "exec python -m sglang.launch_server --model-path /m --port 300%(process_num)02d"
        numprocs=2
        process_name=%(program_name)s_%(process_num)d
        """,
    )
    assert (plain.model, plain.options["port"]) == ("/models/m", "$ENV_UNKNOWN")
    assert inner.port == 30000


def test_a_remark_inside_a_continued_instruction_is_no_part_of_it(tmp_path: Path) -> None:
    (one,) = launches(
        tmp_path,
        "Dockerfile",
        """
        FROM lmsysorg/sglang:v0.5.9
        ENV MODEL=/models/m
        CMD exec python3 -m sglang.launch_server --model-path $MODEL \\
            # a remark
            --port 31000
        """,
    )
    assert (one.model, one.port) == ("/models/m", 31000)


def test_an_unknown_variable_of_an_array_stays_open(tmp_path: Path) -> None:
    (one,) = launches(
        tmp_path,
        "start.sh",
        """
        ARGS=(--model-path /models/m --port 31000)
        if [[ -n "${TP:-}" ]]; then ARGS+=(--tp-size "$TP"); fi
        python -m sglang.launch_server "${ARGS[@]}"
        """,
    )
    assert one.port == 31000
    assert {word.value for word in one.written.words if word.open} == {"$TP"}


@pytest.mark.parametrize(
    ("first", "second", "collide"),
    [
        ("network_mode: host", "network_mode: host", True),
        ('ports: ["30000:30000"]', 'ports: ["30000:30000"]', True),
        ('ports: ["30000:30000"]', 'ports: ["30001:30000"]', False),
        ('ports: ["127.0.0.1:30000:30000"]', 'ports: ["127.0.0.2:30000:30000"]', False),
        ("network_mode: host", 'ports: ["30000:30000"]', True),
        ("profiles: [a]\n    network_mode: host", "profiles: [b]\n    network_mode: host", False),
        ("profiles: [a]\n    network_mode: host", "network_mode: host", True),
        ("expose: [30000]", "expose: [30000]", False),
    ],
)
def test_services_on_one_port_of_the_machine(first: str, second: str, collide: bool, tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text(f"services:\n  a:\n    {first}\n    command: {RUN}\n  b:\n    {second}\n    command: {RUN}\n")
    one, two = planned_in(str(path))
    assert one.rival is None
    assert (two.rival is not None) is collide
