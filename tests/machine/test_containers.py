"""What a host's files tell of containers. Docker itself is not to be had here: its layout of files is written out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgecheck.machine import containers
from bgecheck.machine.containers import container_of, hands_over, leads_to, log_of, program_of

ID = "4a464b4ecc665b37e87fcef1de14a0484a464b4ecc665b37e87fcef1de14a048"


@pytest.mark.parametrize(
    ("text", "found", "program"),
    [
        (f"0::/system.slice/docker-{ID}.scope\n", ID, "docker"),
        (f"12:pids:/docker/{ID}\n0::/docker/{ID}\n", ID, "docker"),
        (f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n", ID, "crictl"),
        (f"0::/kubepods/burstable/pod1/{ID}\n", ID, "crictl"),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", ID, "podman"),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None, "docker"),
        (f"0::/odd/{ID}0\n", None, "docker"),
        ("", None, "docker"),
    ],
)
def test_the_container_of_a_process_is_read_from_its_control_group(
    text: str, found: str | None, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(text)
    monkeypatch.setattr(containers, "PROC", str(tmp_path))
    assert container_of(7) == found
    assert program_of(7) == program
    assert container_of(8) is None
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(text)
    assert container_of(7) is None


def test_the_output_of_a_container_is_found_where_its_runtime_keeps_it(tmp_path: Path) -> None:
    places = [place.replace("/var", str(tmp_path), 1) for place in containers.LOGS]
    assert log_of(ID, places) is None
    pods = tmp_path / "log/containers"
    pods.mkdir(parents=True)
    (pods / f"bge-0_default_sglang-{ID}.log").write_text("x")
    assert log_of(ID, places) == str(pods / f"bge-0_default_sglang-{ID}.log")
    docker = tmp_path / f"lib/docker/containers/{ID}"
    docker.mkdir(parents=True)
    (docker / f"{ID}-json.log").write_text("x")
    assert log_of(ID, places) == str(docker / f"{ID}-json.log")


@pytest.mark.parametrize(
    ("line", "aim"),
    [
        (
            "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8000 -container-ip 172.17.0.2 "
            "-container-port 30000 -use-listen-fd",
            ("172.17.0.2", 30000),
        ),
        ("docker-proxy -proto tcp -host-ip :: -host-port 8000", None),
        ("docker-proxy", None),
        ("bash docker-proxy -container-ip 1.2.3.4 -container-port 1", None),
    ],
)
def test_what_a_proxy_of_docker_leads_to(line: str, aim: tuple[str, int] | None) -> None:
    assert leads_to(line.split()) == aim


@pytest.mark.parametrize(
    ("line", "hands"),
    [
        ("docker run -d -p 30000:30000 lmsysorg/sglang:v0.5.9", True),
        ("sudo docker run --detach --gpus all lmsysorg/sglang", True),
        ("docker run -itd lmsysorg/sglang", True),
        ("/usr/bin/docker compose up -d", True),
        ("docker start sglang", True),
        ("docker container start sglang", True),
        ("kubectl apply -f bge.yaml", True),
        ("sudo systemctl restart bge", True),
        ("docker run --gpus all lmsysorg/sglang", False),
        ("docker compose up", False),
        ("docker run --rm --detach=false lmsysorg/sglang", False),
        ("python -m sglang.launch_server -d", False),
        ("./start.sh", False),
        ("", False),
    ],
)
def test_what_another_program_is_asked_to_start_goes_on_without_the_command(line: str, hands: bool) -> None:
    assert hands_over(line.split()) is hands
