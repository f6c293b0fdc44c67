"""Whether a log can be that of the server that runs: by the port of its start, and by when it was last written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bgecheck.engines.sglang.log.sessionlog import read_log
from bgecheck.engines.sglang.log.whose import CLOCKS, of_another
from bgecheck.model import ServerProcess
from fakes.scenes import log_text, written


def server(port: int, started: float, log: str | None = None) -> ServerProcess:
    return ServerProcess(
        pid=7, argv=(), flags={}, host="127.0.0.1", port=port, model_path=None, served_name=None, api_key=None,
        cwd=None, log=log, started_at=started, children=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("port", "started", "ago", "words"),
    [
        (31000, 600.0, 5.0, None),
        (31000, 600.0, 590.0, None),  # quiet since its start
        (31001, 600.0, 5.0, "--port 31000"),
        (31000, 600.0, 600.0 + CLOCKS - 5, None),  # the clock of another machine
        (31000, 600.0, 600.0 + CLOCKS + 5, "was last written before pid 7"),
        (31000, None, 86400.0, None),  # when it was started is not shown
    ],
)
def test_a_log_is_of_another_server_by_its_port_or_its_age(
    port: int, started: float | None, ago: float, words: str | None, tmp_path: Path
) -> None:
    path = written(tmp_path, log_text("gpu_oom_weights", 31000, "0.5.9", ago), ago)
    begun = 0.0 if started is None else time.time() - started
    reason = of_another(read_log(path), path, server(port, begun))
    assert (reason is None) if words is None else (words in str(reason))
    assert of_another(read_log(path), path, server(port, begun, path)) is None, "its own output goes there"
    assert of_another(read_log(path), path, None) is None


def test_a_copy_of_an_older_log_is_as_old_as_its_last_line(tmp_path: Path) -> None:
    path = written(tmp_path, log_text("gpu_oom_weights", 31000, "0.5.9", 2 * 86400.0), 2 * 86400.0)
    os.utime(path)
    assert of_another(read_log(path), path, server(31000, time.time() - 600)) is not None


def test_a_start_that_failed_before_it_showed_its_arguments_may_be_any_servers(tmp_path: Path) -> None:
    path = written(tmp_path, log_text("bad_cli_arguments", 31000, "0.5.9"))
    assert of_another(read_log(path), path, server(31001, time.time() - 600)) is None
