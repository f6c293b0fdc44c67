"""One alert for a cause, not one a sample; programs and webhooks are told, within limits."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.http.failures import Kind
from bgecheck.model import BadInput, Severity, Text, Words
from bgecheck.watching.alerts import Alert, Alerts, Hysteresis
from bgecheck.watching.notifying import Notifier, webhook
from bgecheck.watching.sample import Event, Sample
from watching.series import facts, leak

GOOD = Sample(at=0.0, elapsed=0.0, latency=0.02, cosine=1.0)
DOWN = Sample(at=0.0, elapsed=0.0, failure="refused")
OTHER = Sample(at=0.0, elapsed=0.0, latency=0.02, cosine=0.5)


def told(alerts: Alerts, *samples: Sample) -> list[tuple[str, bool]]:
    return [(alert.id, alert.began) for sample in samples for alert in alerts.of_sample(sample)]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_openings_and_closings_take_turns_and_need_their_run(looks: list[bool], opens: int, closes: int) -> None:
    state = Hysteresis(opens, closes)
    changes = [(n, change) for n, look in enumerate(looks) if (change := state.step(look)) is not None]
    assert [change for _, change in changes] == [n % 2 == 0 for n in range(len(changes))]
    for n, change in changes:
        run = opens if change else closes
        assert looks[n + 1 - run : n + 1] == [change] * run


def test_a_failure_alerts_at_the_second_in_a_row_and_is_over_after_four_answers() -> None:
    alerts = Alerts()
    assert told(alerts, GOOD, DOWN, GOOD, DOWN) == []
    assert told(alerts, DOWN) == [("watch.errors", True)]
    assert told(alerts, *[DOWN] * 50) == []
    assert told(alerts, GOOD, GOOD, GOOD) == []
    assert told(alerts, GOOD) == [("watch.errors", False)]


def test_another_vector_alerts_at_once_and_once() -> None:
    alerts = Alerts()
    assert told(alerts, GOOD, OTHER, OTHER, OTHER) == [("watch.vectors", True)]
    assert told(alerts, *[GOOD] * 4) == [("watch.vectors", False)]


def test_what_was_held_back_is_neither_good_nor_bad() -> None:
    alerts, held = Alerts(), Sample(at=0.0, elapsed=0.0, held_back="queue")
    assert told(alerts, DOWN, held, held, DOWN) == [("watch.errors", True)]
    assert told(alerts, GOOD, GOOD, GOOD, held, GOOD) == [("watch.errors", False)]


def test_cached_tokens_alert_for_an_encoder() -> None:
    some = replace(GOOD, cached=3)
    assert told(Alerts(encoder=True), GOOD, some, some) == [("watch.cached-tokens", True)]
    assert told(Alerts(encoder=False), GOOD, some) == told(Alerts(), GOOD, some) == []


def test_log_causes_and_restarts_alert_as_they_come() -> None:
    cause = Event("cause", Text("no space", "no space"), "disk-full", True)
    restart = Event("restart", Text("anew", "重启"))
    alerts = Alerts()
    assert told(alerts, replace(GOOD, events=(cause, restart))) == [("logs.disk-full", True), ("watch.restarts", True)]


def test_a_leak_alerts_after_two_judgements() -> None:
    alerts, leaking = Alerts(), facts(24, leak(200), every=120.0)
    assert alerts.of_facts(leaking) == []
    (alert,) = alerts.of_facts(leaking)
    assert (alert.id, alert.began, alert.severity) == ("watch.host-memory", True, Severity.ERROR)
    assert "MiB/h" in alert.text.en
    assert alerts.of_facts(leaking) == []
    flat = facts(24, lambda hour: 4096, every=120.0)
    assert [alert.began for _ in range(4) for alert in alerts.of_facts(flat)] == [False]


ALERT = Alert("watch.vectors", True, Severity.ERROR, Text("another vector", "向量变了"), 75.0)


def passed_on(program: tuple[str, ...] = (), url: str | None = None) -> tuple[Notifier, list[str]]:
    lines: list[str] = []

    def say(words: Words) -> None:
        lines.append(words if isinstance(words, str) else words.en)

    notifier = Notifier(program, url, {"url": "http://127.0.0.1:30000/v1", "pid": "7"}, say)
    notifier.tell(ALERT)
    notifier.close()
    return notifier, lines


def test_a_program_gets_the_facts_in_its_environment(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    code = (
        "import json, os, sys; json.dump({k: v for k, v in os.environ.items() if 'ALERT' in k}, open(sys.argv[1], 'w'))"
    )
    notifier, lines = passed_on((sys.executable, "-c", code, str(file)))
    assert (notifier.failed, lines) == (0, [])
    seen = json.loads(file.read_text())
    assert seen["BGECHECK_ALERT_ID"] == "watch.vectors"
    assert seen["BGECHECK_ALERT_STATE"] == "began"
    assert seen["BGECHECK_ALERT_SEVERITY"] == "error"
    assert "another vector" in seen["BGECHECK_ALERT_TEXT"]
    assert "向量变了" in seen["BGECHECK_ALERT_TEXT_ZH"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(3)", "exit status 3"),
        ("import time; time.sleep(60)", "killed after"),
        ("print('x' * 2**22)", "too large"),
    ],
)
def test_a_program_that_fails_is_told_and_counted(code: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgecheck.watching.notifying._SECONDS", 1.5)
    notifier, lines = passed_on((sys.executable, "-c", code))
    assert notifier.failed == 1
    assert words in lines[0]


def test_a_program_that_is_not_there_is_no_end_of_the_watch() -> None:
    notifier, lines = passed_on(("/nowhere/program",))
    assert (notifier.failed, "cannot be run" in lines[0]) == (1, True)


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any], list[int]]]:
    received: list[Any] = []
    statuses: list[int] = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(statuses[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook/secret", received, statuses
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_gets_the_alert_as_json(hook: tuple[str, list[Any], list[int]]) -> None:
    url, received, _ = hook
    notifier, lines = passed_on(url=url)
    assert (notifier.failed, lines) == (0, [])
    (payload,) = received
    assert payload["schema"] == "bgecheck.alert/1"
    assert (payload["id"], payload["state"], payload["url"]) == ("watch.vectors", "began", "http://127.0.0.1:30000/v1")


@pytest.mark.parametrize("status", [302, 500])
def test_a_webhook_that_refuses_is_told_without_its_path(status: int, hook: tuple[str, list[Any], list[int]]) -> None:
    url, received, statuses = hook
    statuses[0] = status
    notifier, lines = passed_on(url=url)
    assert (notifier.failed, len(received)) == (1, 1)
    assert lines == [f"--webhook 127.0.0.1: HTTP {status}"]


def test_a_webhook_that_nobody_answers_is_told() -> None:
    began = time.monotonic()
    notifier, lines = passed_on(url="http://127.0.0.1:1/x")
    assert (notifier.failed, lines[0].startswith("--webhook 127.0.0.1: ")) == (1, True)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "url", ["", "hook", "ftp://a/b", "http://", "http://a b/c", "https://:80/x", "http://[::1/x", "//a/b"]
)
def test_what_is_no_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(BadInput) as refusal:
        webhook(url)
    assert refusal.value.given == "--webhook"


def test_usual_webhooks_are_taken() -> None:
    for url in ("https://hooks.example.com/services/T0/B0/x", "http://127.0.0.1:8080/alert?key=1"):
        assert webhook(f" {url} ") == url


@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_kind_of_failure_has_words_in_chinese(kind: str) -> None:
    alerts = Alerts()
    down = Sample(at=0.0, elapsed=0.0, failure=kind)
    (alert,) = [alert for sample in (down, down) for alert in alerts.of_sample(sample)]
    assert alert.text.en.endswith(f"requests fail: {kind}")
    assert not alert.text.zh.removeprefix("请求失败：").isascii()
