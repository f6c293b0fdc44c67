"""What a server is like now: its settings, and what a text and its processes cost."""

from __future__ import annotations

import random
from datetime import datetime
from statistics import median

from bgecheck.checks.embed.texts import probe_texts
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.recording import kept_settings
from bgecheck.engines.sglang.running import running
from bgecheck.http.embeddings import Embedded
from bgecheck.machine import gpus, ram
from bgecheck.model import Target, Unavailable
from bgecheck.model.state import ServerState

_MIB = 2**20


def server_state(server: Server, target: Target) -> ServerState:
    """The state, as far as it can be seen. Sends a few short texts, one at a time. Raises `Unavailable`."""
    page, info, process = server.server_info() or {}, server.model_info() or {}, target.server
    options = process.flags if process else None
    pids = (process.pid, *process.children) if process else ()
    memory, gpu_memory = ram.resident(pids), gpus.held_by(pids)
    return ServerState(
        version=running(page, options).version,
        settings=kept_settings(page, info, options),
        latency=_latency(server),
        memory=None if memory is None else memory // _MIB,
        gpu_memory=None if gpu_memory is None else gpu_memory // _MIB,
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
    )


def _latency(server: Server) -> float | None:
    """Milliseconds of one short text, the median of as many as are answered in time."""
    seconds = []
    for text in probe_texts(random.Random()):
        try:
            answer = server.embed([text])
        except Unavailable:
            break
        if isinstance(answer, Embedded):
            seconds.append(answer.seconds)
    return round(1000 * median(seconds), 1) if seconds else None
