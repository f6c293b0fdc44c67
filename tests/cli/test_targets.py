"""Several targets: which are meant, that each keeps its own settings, and what their reports show together."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bgecheck.cli.main import run
from bgecheck.cli.several import WITH_OPENAI, in_turn
from fakes.answering import embedded, pages, same, serving, vector
from reportschema import VALIDATOR

BASE, SMALL = "bge-base-zh-v1.5", "bge-small-zh-v1.5"


def card(name: str) -> Any:
    return {"object": "list", "data": [{"id": name, "owned_by": "sglang"}]}


def info(name: str) -> Any:
    return {"model_path": name, "is_generation": False, "architectures": ["BertModel"]}


def small(body: dict[str, Any], headers: Any) -> Any:
    return 200, embedded(*(vector(text, 512) for text in body["input"]), tokens=9)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BGECHECK_SKIP", "*.openai-client,gpu,logs")
    return tmp_path


def base(stack: ExitStack) -> str:
    return stack.enter_context(serving(pages(), same))


def small_one(stack: ExitStack) -> str:
    answers = pages(_v1_models=(200, card(SMALL)), _model_info=(200, info(SMALL)))
    answers = answers | {"/v1/models": (200, card(SMALL)), "/model_info": (200, info(SMALL))}
    return stack.enter_context(serving(answers, small))


def config(*targets: dict[str, Any], **defaults: Any) -> None:
    lines = ["[defaults]", *(f"{key} = {json.dumps(value)}" for key, value in defaults.items())]
    for target in targets:
        lines += ["[[target]]", *(f"{key} = {json.dumps(value)}" for key, value in target.items())]
    Path("bgecheck.toml").write_text("\n".join(lines))


def reports(*words: str) -> dict[str, Any]:
    """What a command reports as JSON."""
    code = run([*words, "-o", "json=report.json"])
    whole: dict[str, Any] = json.loads(Path("report.json").read_text())
    VALIDATOR.validate(whole)
    assert whole["exit_code"] == code
    return whole


def row(report: dict[str, Any], id_: str) -> dict[str, Any]:
    finding: dict[str, Any] = next(finding for finding in report["findings"] if finding["id"] == id_)
    return finding


# Which are meant


def test_the_targets_of_the_file_are_chosen_by_name_and_an_address_wins_over_them(stack: ExitStack) -> None:
    url = base(stack)
    config(
        {"name": "one-a", "url": url}, {"name": "one-b", "url": "127.0.0.1:9"}, {"name": "two", "url": "127.0.0.1:8"}
    )
    whole = reports("probe", "--quick", "--target", "one-*")
    assert [report["target"]["name"] for report in whole["reports"]] == ["one-a", "one-b"]
    assert [report["verdict"] for report in whole["reports"]] == ["pass", "fail"]
    assert whole["exit_code"] == 1
    single = reports("probe", "--quick", "--target", "one-a")
    assert (single["target"]["name"], single["target"]["found_by"]) == ("one-a", "file")
    assert "name" not in reports("probe", "--quick", "--url", url)["target"]
    assert [
        one["exit_code"] for one in reports("probe", "--quick", "--url", url, "--url", "127.0.0.1:9")["reports"]
    ] == [0, 1]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["doctor", "--target", "oen"], "did you mean one?"),
        (["doctor", "--target", "x*y"], "choose: one, two"),
        (["doctor", "--target", "one", "--url", "h:1"], "it excludes --url"),
        (["doctor", "--all", "--target", "one"], "--all: it excludes --url, --pid and --target"),
        (["doctor", "--log", "x.log"], "it belongs to one server"),
        (["embed", "x"], "it has 2 targets, and this command looks at one; choose one with --target: one, two"),
        (["snippet"], "it has 2 targets"),
        (["doctor", "--url", "h:1", "--url", "http://h:1/v1"], "this server is named twice"),
        (["ports", "--url", "h", "--url", "H:30000"], "this server is named twice"),
        (["probe", "--url", "h:1", "--url", "h:2", "--pid", "1"], "it belongs to one server"),
        (["probe", "--target", "two"], 'api_key_env = "NOT_SET": this variable is not set'),
    ],
)
def test_what_cannot_be_meant_is_one_line(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    config({"name": "one", "url": "127.0.0.1:9"}, {"name": "two", "url": "127.0.0.1:8", "api_key_env": "NOT_SET"})
    if words[:1] != ["probe"] and "one" not in words:
        config({"name": "one", "url": "127.0.0.1:9"}, {"name": "two", "url": "127.0.0.1:8"})
    assert run(words) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert (captured.err.count("\n"), captured.out) == (1, "")


def test_each_target_keeps_its_own_settings_and_an_option_wins(stack: ExitStack) -> None:
    url, other = base(stack), base(stack)
    config(
        {"name": "strict", "url": url, "model": "another", "only": ["probe.model-name"]},
        {"name": "lax", "url": other, "model": "another", "severity": ["probe.model-name=warning"]},
        only=["probe.reachable", "probe.model-name", "probe.base-url", "probe.api-key"],
        quick=True,
    )
    strict, lax = reports("probe")["reports"]
    assert ([finding["id"] for finding in strict["findings"]], len(lax["findings"])) == (["probe.model-name"], 4)
    assert (lax["verdict"], row(lax, "probe.model-name")["severity"]) == ("warn", "warning")
    for one in reports("probe", "--model", BASE, "--only", "probe")["reports"]:
        assert (one["verdict"], one["target"]["model"]) == ("pass", BASE)


def test_an_ignored_problem_whose_day_is_over_fails_and_says_so(
    stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["probe", "--quick", "--url", base(stack), "--model", "another"]
    assert run([*words, "--ignore", "probe.model-name:known@2999-12-31"]) == 0
    assert "ended on" not in capsys.readouterr().out
    assert run([*words, "--ignore", "probe.model-name:known@2020-12-31"]) == 1
    assert "--ignore probe.model-name (known) ended on 2020-12-31" in " ".join(capsys.readouterr().out.split())


# Keys


def test_the_keys_of_all_are_hidden_in_all_reports_and_each_server_gets_its_own(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    received: list[str] = []

    def models(headers: Any) -> Any:
        received.append(headers.get("Authorization", "-"))
        return 401, {"error": "not with key-of-first-1111, nor key-of-second-2222"}

    urls = [stack.enter_context(serving(pages() | {"/v1/models": models})) for _ in range(2)]
    monkeypatch.setenv("FIRST", "key-of-first-1111")
    monkeypatch.setenv("SECOND", "key-of-second-2222")
    monkeypatch.setenv("BGECHECK_API_KEY", "key-of-all-3333")
    config(
        {"name": "a", "url": urls[0], "api_key_env": "FIRST"},
        {"name": "b", "url": urls[1], "api_key_env": "SECOND"},
        quick=True,
    )
    whole = json.dumps(reports("probe", "-v"))
    assert {"Bearer key-of-first-1111", "Bearer key-of-second-2222"} <= set(received)
    assert "Bearer key-of-all-3333" not in received
    captured = capsys.readouterr()
    for text in (whole, captured.out, captured.err):
        assert not any(key in text for key in ("key-of-first", "key-of-second", "key-of-all"))


# What they show together


def test_two_servers_that_serve_each_others_model_name_both(
    stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = base(stack), small_one(stack)
    config(
        {"name": "small", "url": a, "model": SMALL},
        {"name": "base", "url": b, "model": BASE},
        quick=True,
        only=["probe", "embed"],
        skip=["*.openai-client"],
    )
    whole = reports("doctor", "--skip", "*.openai-client")
    screen = capsys.readouterr().out
    causes = set()
    for report in whole["reports"]:
        assert report["root_causes"] == ["probe.model-name"]
        finding = row(report, "probe.model-name")
        causes.add(finding["cause"])
        assert (finding["values"]["one"], finding["values"]["other"]) == ("small", "base")
        assert row(report, "embed.dimension")["caused_by"] == "probe.model-name"
    (cause,) = causes
    assert cause.startswith("two servers are swapped")
    assert all(word in cause for word in (a, b, SMALL, BASE, "small should", "base should"))
    assert screen.count("two servers are swapped") == 1, "one root cause, of both"


def test_swapped_dimensions_tell_where_no_model_is_named(stack: ExitStack) -> None:
    a, b = base(stack), small_one(stack)
    config(
        {"name": "x", "url": a, "expect_dim": 512},
        {"name": "y", "url": b, "expect_dim": 768},
        quick=True,
        only=["embed"],
    )
    for report in reports("doctor", "--only", "embed")["reports"]:
        assert "two servers are swapped" in row(report, "embed.dimension")["cause"]


@pytest.mark.parametrize(
    "targets",
    [
        [("a", SMALL), ("b", SMALL)],  # one is wrong, the other is right
        [("a", "bge-large-zh-v1.5"), ("b", BASE)],  # both are wrong, of which one serves nobody's
        [("a", BASE), ("b", SMALL)],  # both are right
    ],
)
def test_what_is_wrong_by_itself_is_not_swapped(targets: list[tuple[str, str]], stack: ExitStack) -> None:
    urls = {"a": base(stack), "b": small_one(stack)}
    config(*({"name": name, "url": urls[name], "model": model} for name, model in targets), quick=True)
    for report in reports("probe")["reports"]:
        finding = row(report, "probe.model-name")
        assert "swapped" not in (finding["cause"] or "")


# Many


def test_a_few_dead_ones_of_twenty_hold_up_nobody(stack: ExitStack, capsys: pytest.CaptureFixture[str]) -> None:
    urls = [base(stack) for _ in range(18)]
    silent = stack.enter_context(__import__("socket").create_server(("127.0.0.1", 0)))
    dead = ["127.0.0.1:9", f"127.0.0.1:{silent.getsockname()[1]}"]
    config(
        *({"name": f"t{number}", "url": url, "model": BASE} for number, url in enumerate([*urls, *dead])),
        quick=True,
        timeout="2s",
        only=["probe", "ports"],
    )
    began = time.monotonic()
    whole = reports("doctor", "--only", "probe,ports", "--deadline", "20s")
    assert time.monotonic() - began < 22
    assert [report["verdict"] for report in whole["reports"]] == ["pass"] * 18 + ["fail"] * 2
    screen = capsys.readouterr().out
    assert "FAIL 2 of 20 servers: ports.listening: " in screen
    assert all(f"t{number} " in screen for number in range(20))


def test_openai_is_not_called_for_many_and_the_row_says_why(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BGECHECK_SKIP")
    config(*({"name": f"t{number}", "url": base(stack)} for number in range(WITH_OPENAI + 1)))
    whole = reports("doctor", "--only", "probe.reachable,probe.openai-client")
    assert {row(report, "probe.openai-client")["status"] for report in whole["reports"]} == {"skip"}
    assert "takes too much memory" in row(whole["reports"][0], "probe.openai-client")["reason"]


def test_targets_that_are_waited_for_are_waited_for_side_by_side(stack: ExitStack) -> None:
    config(*({"name": f"t{number}", "url": f"127.0.0.1:{9 + number}"} for number in range(3)), only=["probe"])
    began = time.monotonic()
    whole = reports("doctor", "--wait", "1s", "--only", "probe")
    assert time.monotonic() - began < 8
    assert len(whole["reports"]) == 3


def test_tasks_are_made_in_order_so_many_at_once_and_the_first_error_ends_them() -> None:
    active, most, lock = 0, 0, threading.Lock()

    def task(number: int) -> int:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        time.sleep(0.01)
        with lock:
            active -= 1
        return number

    def fails() -> int:
        raise ValueError("no")

    assert in_turn([lambda n=n: task(n) for n in range(12)], 3) == list(range(12))  # type: ignore[misc]  # mypy sees no default of a lambda
    assert 1 < most <= 3
    assert in_turn([], 3) == []
    with pytest.raises(ValueError, match="no"):
        in_turn([fails], 3)


def test_without_an_address_and_a_file_the_server_of_this_machine_is_meant() -> None:
    whole = reports("ports")
    assert whole["target"]["found_by"] in ("default", "process")
    assert len(whole["findings"]) > 1
