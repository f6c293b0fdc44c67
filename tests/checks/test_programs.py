"""Which programs on a port hand requests on, and which can be no embedding server."""

from __future__ import annotations

import pytest

from bgecheck.checks.ports.programs import is_no_engine, passes_on
from bgecheck.model.processes import Process


def process(line: str, name: str) -> Process:
    argv = tuple(line.split())
    return Process(pid=7, parent=1, name=name or argv[0], argv=argv, created=0.0)


@pytest.mark.parametrize(
    ("line", "name", "on", "none"),
    [
        ("nginx: master process /usr/sbin/nginx", "nginx", True, False),
        ("/usr/sbin/haproxy -f x", "", True, False),
        ("docker-proxy -proto tcp", "docker-proxy", True, False),
        ("python3 /opt/venv/bin/litellm --port 4000", "python3", True, False),
        ("python3 -m litellm --port 4000", "python3", True, False),
        ("python3 -u -m sglang_router.launch_router", "python3", True, False),
        ("python3 -m sglang.launch_server", "python3", False, False),
        ("redis-server *:6379", "", False, True),
        ("/usr/bin/python3 /usr/bin/jupyter-lab --port 8888", "python3", False, True),
        ("python3 -m http.server 8000", "python3", False, True),
        ("python3 -u -X dev -W ignore -O -m http.server", "python3", False, True),
        ("python3 -m jupyterlab", "python3", False, True),
        ("python3 -m notebook.app", "python3", False, True),
        ("python3 -m tensorboard.main --logdir x", "python3", False, True),
        ("python3 -m", "python3", False, False),
        ("python3 serve.py -x http.server", "python3", False, False),
        ("python3 serve.py redis-server", "python3", False, False),
        ("python3 a b c d e f -m http.server", "python3", False, True),
        ("python3 a b c d e f g -m http.server", "python3", False, False),
        ("python3 serve.py", "python3", False, False),
    ],
)
def test_a_program_is_known_by_its_name_its_script_or_its_module(line: str, name: str, on: bool, none: bool) -> None:
    """Not by what stands among its own arguments."""
    assert (passes_on(process(line, name)), is_no_engine(process(line, name))) == (on, none)
