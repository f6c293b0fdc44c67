"""The workers of a server in a process table, and what its ports are."""

from __future__ import annotations

import pytest

from bgecheck.engines.sglang.discovery import running_servers
from bgecheck.engines.sglang.workers import role, schedulers
from bgecheck.model.processes import Process, ProcessTable

SPAWNED = ("python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=9)")
TRACKER = ("python", "-c", "from multiprocessing.resource_tracker import main;main(9)")


@pytest.mark.parametrize(
    ("options", "children", "running", "wanted"),
    [
        ("", [("sglang::scheduler",), ("sglang::detokenizer",), TRACKER], 1, 1),
        ("", [("sglang::detokenizer",), TRACKER], 0, 1),  # the scheduler has ended
        ("--tp-size 2", [("sglang::scheduler_TP0",), ("sglang::scheduler_TP1",), ("sglang::detokenizer",)], 2, 2),
        ("--tp-size 2", [("sglang::scheduler_TP1",), ("sglang::detokenizer",)], 1, 2),
        ("--tp-size 2 --dp-size 2", [("sglang::scheduler_DP0_TP0",), ("sglang::data_parallel_controller",)], 1, 4),
        ("--tp-size 2 --dp-size 2 --enable-dp-attention", [("sglang::scheduler_DP0_TP0",)], 1, 2),
        ("--tp-size 4 --nnodes 2", [("sglang::scheduler_TP0",), ("sglang::scheduler_TP1",)], 2, 0),
        ("--tp-size four", [("sglang::scheduler",)], 1, 0),
        ("--config run.yaml", [("sglang::detokenizer",)], 0, 0),
        # Not all of them have their titles yet, or none ever gets one.
        ("", [("sglang::detokenizer",), SPAWNED, TRACKER], None, None),
        ("", [SPAWNED, SPAWNED], None, None),
        ("", [TRACKER], None, None),
        ("", [], None, None),
    ],
)
def test_the_schedulers_of_a_server_are_counted(
    options: str, children: list[tuple[str, ...]], running: int | None, wanted: int | None
) -> None:
    main = Process(10, 1, "python", ("python", "-m", "sglang.launch_server", *options.split()), 0.0)
    workers = {20 + n: Process(20 + n, 10, argv[0][:15], argv, 0.0) for n, argv in enumerate(children)}
    processes = ProcessTable({10: main, **workers})
    (server,) = running_servers(processes)
    state = schedulers(server, processes)
    assert (state and len(state.running), state and state.wanted) == (running, wanted)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"dist-init-addr": "10.0.0.1:20000"}, "--dist-init-addr"),
        ({"dist-init-addr": "[fd00::1]:20000"}, "--dist-init-addr"),
        ({"nccl-init-addr": "node0:20000"}, "--nccl-init-addr"),
        ({"nccl-port": "20000"}, "--nccl-port"),
        ({"disaggregation-bootstrap-port": "20000"}, "--disaggregation-bootstrap-port"),
        ({"dist-init-addr": "10.0.0.1:2000"}, None),
        ({"dist-init-addr": "20000.example:1"}, None),
        ({"port": "20000"}, None),
        ({}, None),
    ],
)
def test_a_port_is_what_an_option_names_it(flags: dict[str, str], words: str | None) -> None:
    what = role(20000, flags)
    assert (what is None) == (words is None)
    if what and words:
        assert words in what.en
        assert words in what.zh
