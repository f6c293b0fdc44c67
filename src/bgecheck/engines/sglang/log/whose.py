"""Tells a log that cannot be that of a running server: it was started on another port, or ended before the server began."""

from __future__ import annotations

import os
from datetime import datetime

from bgecheck.engines.sglang.log.age import age_of
from bgecheck.engines.sglang.log.sessionlog import SessionLog
from bgecheck.engines.sglang.options import PORT
from bgecheck.model import ServerProcess, Text

CLOCKS = 60.0
"""Seconds by which the clock of a file system may differ from that of this machine."""


def of_another(log: SessionLog, path: str, server: ServerProcess | None) -> Text | None:
    """Why a log is not that of a server; None where it may be, as where the server's output goes to that very file."""
    if server is None or path == server.log:
        return None
    name, port = os.path.basename(log.origin.name), log.session.argument("port")
    if port is not None and port.isdigit() and int(port) != server.port:
        return Text(
            f"{name} is the log of a server with {PORT} {port}; the one being checked, pid {server.pid}, has "
            f"{PORT} {server.port}",
            f"{name} 是 {PORT} {port} 的服务的日志；要检查的服务（进程 {server.pid}）是 {PORT} {server.port}",
        )
    if server.started_at and _written(log) < server.started_at - CLOCKS:
        return Text(
            f"{name} was last written before pid {server.pid}, the server being checked, was started",
            f"{name} 最后一次写入早于要检查的服务（进程 {server.pid}）的启动时间",
        )
    return None


def _written(log: SessionLog) -> float:
    """When a log was last written, in seconds since the epoch; now where it is not known."""
    now = datetime.now()
    try:
        last = datetime.fromisoformat(log.session.last_stamp)
    except ValueError:
        last = None
    return now.timestamp() - (age_of(log.origin.age, last, now) or 0.0)
