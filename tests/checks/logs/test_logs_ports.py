"""A lost port is told for what it is: the service's, one between ranks or processes, or one of a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgecheck.model import Finding
from logsamples import Snippet, judged, roots, written

C10D = (
    "torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. "
    "port: {}, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use"
)
ZMQ = "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:{}')"
HTTP = "[@] ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', {}): address already in use"
NODES = ", dp_size={}, nnodes=2, node_rank=0, dist_init_addr='10.0.0.7:{}'"


def _root(path: Path, line: str, options: str = "", phase: str = "device", release: str = "0.5.9") -> Finding:
    text = (
        Snippet("", phase, "", ("@scheduler", line, "@died")).log(release).replace("tp_size=1", f"tp_size=1{options}")
    )
    (root,) = roots(judged(written(path / "sglang.log", text)))
    assert root.id == "logs.port-in-use"
    return root


def _words(finding: Finding) -> str:
    return "\n".join([str(finding.cause), str(finding.fix), *finding.commands])


@pytest.mark.parametrize(
    ("line", "options"),
    [
        (C10D.format(20000), NODES.format(2, 20000)),
        (C10D.format(5000), NODES.format(8, 5000)),
        (
            "[c10d] The server socket has failed to bind to [::]:29500 (errno: 98 - Address already in use).",
            NODES.format(2, 29500),
        ),
        (C10D.format(28765), ", dp_size=2, nccl_port=28765"),
        ("OSError: [Errno 98] Address already in use", ", dp_size=2, nccl_port=28765"),
    ],
)
def test_ranks_of_one_launch_that_open_one_port_are_told_to_stop_nothing(
    line: str, options: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, line, options)
    assert "data-parallel ranks of this launch" in _words(root)
    assert "nothing is to be stopped" in _words(root)
    assert "ss -ltnp" not in _words(root)
    assert "base URL" not in _words(root)
    (line_to_copy,) = root.commands
    assert not [o for o in ("--dp-size", "--dist-init-addr", "--nccl-port", "--nnodes") if o in line_to_copy]


@pytest.mark.parametrize(
    ("line", "options", "words"),
    [
        (C10D.format(20000), NODES.format(1, 20000), "--dist-init-addr was taken"),
        (C10D.format(20001), NODES.format(2, 20000), "among themselves"),
        (C10D.format(20000), NODES.format(2, 20000) + ", enable_dp_attention=True", "--dist-init-addr was taken"),
        (C10D.format(28765), "", "among themselves"),
        (ZMQ.format(30002), "", "among themselves"),
        ("RuntimeError: engine_info_bootstrap_port 6789 is already in use", "", "port 6789"),
        (
            "ValueError: nccl_port at 28512 is not available in 30 seconds. nccl_port is used by a process already.",
            "",
            "28512",
        ),
        (
            "The server socket has failed to listen on any local network address. (errno: 98 - EADDRINUSE)",
            "",
            "does not say which",
        ),
    ],
)
def test_a_port_that_no_client_asks(line: str, options: str, words: str, tmp_path: Path) -> None:
    root = _root(tmp_path, line, options)
    assert words in _words(root)
    assert "8000) is not meant" in _words(root)
    assert "base URL" not in _words(root)


@pytest.mark.parametrize("options", ["", NODES.format(2, 20000)])
def test_the_service_port_is_told_as_before(options: str, tmp_path: Path) -> None:
    root = _root(tmp_path, HTTP.format(30000), options, "warm-up")
    assert "the service port 30000" in _words(root)
    assert "base URL" in _words(root)
    assert "ss -ltnp sport = :30000" in root.commands


def test_a_container_has_loaded_nothing(tmp_path: Path) -> None:
    line = "docker: Error response from daemon: Bind for 0.0.0.0:8080 failed: port is already allocated.\n"
    (root,) = roots(judged(written(tmp_path / "sglang.log", line)))
    assert "port 8080 of this machine" in _words(root)
    assert "had loaded" not in _words(root)
    assert "docker ps --filter publish=8080" in root.commands
