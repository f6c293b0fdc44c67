"""Tells a program or a webhook of an alert, beside the watch and within limits; what fails is counted, never fatal."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from bgecheck.http.client import Http
from bgecheck.http.failures import Failure
from bgecheck.model import BadInput, Text, Words, reason_of
from bgecheck.watching.alerts import Alert

SCHEMA = "bgecheck.alert/1"
_WAITING = 64
"""Alerts that wait to be told; more are dropped, and counted."""
_SECONDS = 15.0
"""That a program may take; a webhook has ten."""
_WEBHOOK_SECONDS = 10.0
_OUTPUT, _MEMORY = 2**20, 512 * 2**20
"""Bytes that a program may print and hold."""

Say = Callable[[Words], None]


def webhook(given: str) -> str:
    """A webhook's URL as it was given. Raises `BadInput` for what is none, without showing it: it may be a secret."""
    try:
        parts = urlsplit(given.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(ord(mark) <= 32 or ord(mark) > 126 for mark in given.strip()):
        raise BadInput(
            "--webhook",
            Text("not a URL of http or https", "不是 http 或 https 的 URL"),
            Text("write it as https://alerts.example.com/hook", "写成 https://alerts.example.com/hook 这样"),
        )
    return given.strip()


class Notifier:
    """Passes alerts on, one after the other, in a thread of its own."""

    def __init__(self, program: Sequence[str], url: str | None, about: Mapping[str, str], say: Say) -> None:
        self._program, self._url, self._about, self._say = tuple(program), url, about, say
        self._alerts: queue.Queue[Alert | None] = queue.Queue(_WAITING)
        self.failed = 0
        """Alerts that could not be passed on."""
        self._thread: threading.Thread | None = None

    def tell(self, alert: Alert) -> None:
        """Pass an alert on, without waiting."""
        if not self._program and self._url is None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="notify", daemon=True)
            self._thread.start()
        try:
            self._alerts.put_nowait(alert)
        except queue.Full:
            self.failed += 1

    def close(self) -> None:
        """Wait until what waits is passed on, for as long as one program and one webhook may take."""
        if self._thread is None:
            return
        try:
            self._alerts.put_nowait(None)
        except queue.Full:
            self.failed += 1
        self._thread.join(_SECONDS + _WEBHOOK_SECONDS)

    def _work(self) -> None:
        while (alert := self._alerts.get()) is not None:
            if self._program:
                self._report(self._run(alert))
            if self._url is not None:
                self._report(self._post(self._url, alert))

    def _report(self, problem: Text | None) -> None:
        if problem is not None:
            self.failed += 1
            self._say(problem)

    def _run(self, alert: Alert) -> Text | None:
        """Run the program with the alert in its environment; why that failed, if it did."""
        from bgecheck.machine.bounded import bounded

        name = os.path.basename(self._program[0])
        try:
            done = bounded(self._program, {**os.environ, **self._variables(alert)}, _SECONDS, _OUTPUT, _MEMORY)
        except subprocess.TimeoutExpired:
            return Text(
                f"--on-alert {name}: killed after {_SECONDS:g} s", f"--on-alert {name}：{_SECONDS:g} 秒未结束，已终止"
            )
        except OSError as error:
            why = reason_of(error)
            return Text(f"--on-alert {name}: cannot be run ({why.en})", f"--on-alert {name}：无法运行（{why.zh}）")
        if done is None:
            return Text(f"--on-alert {name}: killed, too large", f"--on-alert {name}：输出或内存超限，已终止")
        if done.returncode:
            code = done.returncode
            return Text(f"--on-alert {name}: exit status {code}", f"--on-alert {name}：退出码 {code}")
        return None

    def _variables(self, alert: Alert) -> dict[str, str]:
        return {f"BGECHECK_ALERT_{name.upper()}": str(value) for name, value in self._payload(alert).items()}

    def _payload(self, alert: Alert) -> dict[str, Any]:
        state, in_chinese = ("began", "出现") if alert.began else ("over", "恢复")
        url = self._about.get("url", "")
        return {
            "schema": SCHEMA,
            "id": alert.id,
            "state": state,
            "severity": str(alert.severity),
            "text": f"{alert.id} {state}: {alert.text.en} ({url})",
            "text_zh": f"{alert.id} {in_chinese}：{alert.text.zh}（{url}）",
            "elapsed_s": round(alert.elapsed, 1),
            "at": datetime.now().astimezone().isoformat(timespec="seconds"),
            **self._about,
        }

    def _post(self, url: str, alert: Alert) -> Text | None:
        """Send the alert as JSON; why that failed, if it did. Redirects are not followed, proxies not used."""
        import orjson

        http = Http()
        try:
            reply = http.exchange(
                "POST",
                url,
                seconds=_WEBHOOK_SECONDS,
                headers={"Content-Type": "application/json"},
                body=orjson.dumps(self._payload(alert)),
                limit=64 * 1024,
            )
        finally:
            http.close()
        host = urlsplit(url).hostname or ""
        if isinstance(reply, Failure):
            return Text("--webhook {host}: {why}", "--webhook {host}：{why}").filled(
                {"host": host, "why": reply.detail}
            )
        if not 200 <= reply.status < 300:
            return Text(f"--webhook {host}: HTTP {reply.status}", f"--webhook {host}：HTTP {reply.status}")
        return None
