"""Client code is run against a true server before it is shown, and never holds the key."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bgecheck.model import Language, Secret
from bgecheck.model.hygiene import KEY_VARIABLE as KEY
from bgecheck.snippet.clients import CLIENTS, EXPORT, SAMPLE, Client, Endpoint
from bgecheck.snippet.trial import tried
from commandline import run as bgecheck
from fakes.answering import Answer, embedded, pages, same, serving
from forked import Ended

WANTED = "sk-wanted-0123456789"


def run(url: str, *words: str, **environment: str) -> Ended:
    return bgecheck("snippet", *words, "--url", url, "--lang", "en", **environment)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_snippet_is_run_or_says_why_it_was_not(name: str) -> None:
    with serving(pages(), same) as url:
        done = run(url, name)
    assert done.returncode in ((0, 4) if CLIENTS[name].needs else (0,))
    first = done.stdout.splitlines()[0]
    assert ("not run: " in first) == (done.returncode == 4)
    assert "bge-base-zh-v1.5" in done.stdout
    assert url in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(find_spec("openai") is None, reason="the openai package is not installed")
def test_what_is_printed_works_as_it_stands(tmp_path: Path) -> None:
    """The program that was printed is run by itself, by nothing of ours."""
    with serving(pages(), same) as url:
        code = run(url, "python").stdout
        path = tmp_path / "client.py"
        path.write_text(code, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(path)], capture_output=True, text=True, timeout=50, env={**os.environ, "NO_PROXY": "*"}
        )
    assert done.stdout.startswith("768 ["), done.stderr


def checked(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
    """A server that knows one key."""
    given = {name.lower(): value for name, value in headers.items()}.get("authorization")
    return same(body, headers) if given == f"Bearer {WANTED}" else (401, {"error": "Unauthorized"})


@pytest.mark.parametrize("name", ["python", "curl", "dify"])
def test_the_key_is_used_and_never_shown(name: str) -> None:
    with serving(pages(), checked) as url:
        done = run(url, name, **{KEY: WANTED})
        refused = run(url, name, **{KEY: "sk-another-key-000"})
    assert done.returncode in (0, 4)
    assert WANTED not in done.stdout + done.stderr
    assert KEY in done.stdout
    assert refused.returncode == 4
    assert "401" in refused.stderr
    assert "sk-another" not in refused.stdout + refused.stderr


def test_an_unknown_client_is_refused_with_the_known_ones() -> None:
    done = run("http://127.0.0.1:1", "delphi")
    assert done.returncode == 2
    assert "langchain" in done.stderr


def test_a_server_that_embeds_nothing_gets_no_code() -> None:
    done = run("http://127.0.0.1:1", "python")
    assert (done.returncode, done.stdout) == (4, "")
    assert "bgecheck probe" in done.stderr


LANGUAGES: tuple[Language, ...] = ("en", "zh")
HOSTILE = Endpoint("http://h:1/v1", "http://h:1", "a'; import os; os.abort() #\"`$(reboot)`", 4, None)


@pytest.mark.parametrize("name", ["python", "langchain"])
def test_a_hostile_model_name_stays_a_text_in_the_code(name: str) -> None:
    for language in LANGUAGES:
        code = CLIENTS[name].written(HOSTILE, language)
        compile(code, name, "exec")
        assert repr(HOSTILE.model) in code


@pytest.mark.parametrize("name", CLIENTS)
def test_hints_are_in_the_user_s_language(name: str) -> None:
    """Code, and the names of a form's fields, are the client's own."""
    english, chinese = (CLIENTS[name].written(HOSTILE, language) for language in LANGUAGES)
    assert not re.search("[\u4e00-\u9fff]", english.replace(SAMPLE, ""))
    assert not re.search(r"#.*\b(?:else|and|every)\b|\b(?:where|any|use) ", chinese.replace(HOSTILE.model, ""))
    code = [re.sub(r"  # .*", "", text) for text in (english, chinese)]
    assert code[0] == code[1] or CLIENTS[name].runs == "form"


def test_a_hostile_model_name_is_one_word_for_the_shell() -> None:
    """Asked of the true shell: the name comes out as it went in."""
    line = CLIENTS["curl"].written(HOSTILE, "zh").replace("curl -sS", "printf '%s\\n'", 1)
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=10)
    assert "$(reboot)" in done.stdout
    assert done.returncode == 0


def test_a_snippet_that_fails_or_hangs_is_told() -> None:
    """Numbers of another dimension than the server gave before, and a program without an end."""
    at = Endpoint("http://127.0.0.1:1/v1", "http://127.0.0.1:1", "m", 4, None)
    wrong = Client("x", "python", None, lambda at, language: "print(5, [0.1])")
    endless = Client("x", "python", None, lambda at, language: "import time; time.sleep(60)")
    assert tried(wrong, at, None, 20).worked is False
    assert tried(endless, at, None, 0.5).worked is False
    assert tried(Client("x", "python", "no_such_package", lambda at, language: ""), at, Secret("k"), 5).worked is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, embedded()), "without vectors"),
        ((200, b"<html><title>Console</title></html>", {"Content-Type": "text/html"}), "Console"),
        ((503, {"message": "no healthy upstream"}), "HTTP 503: no healthy upstream"),
    ],
)
def test_an_answer_without_a_vector_is_a_problem_and_no_endpoint(answer: Answer, words: str) -> None:
    with serving(pages(), lambda body, headers: answer) as url:
        done = run(url, "curl")
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


@pytest.mark.parametrize("name", ["curl", "dify"])
@pytest.mark.parametrize("odd", [None, math.nan])
@pytest.mark.parametrize("count", [768, 767])
def test_a_vector_without_any_number_is_no_success(name: str, odd: float | None, count: int) -> None:
    """It ran, and what came is for `bgecheck embed`; a single number among them is not judged here."""
    if name == "curl" and not shutil.which("curl"):
        pytest.skip("curl is not installed")
    with serving(pages(), lambda body, headers: (200, embedded([odd] * count + [0.5] * (768 - count)))) as url:
        done = run(url, name)
    assert done.returncode == (1 if count == 768 else 0)
    assert ("no usable number (null, NaN or infinite): see bgecheck embed --url" in done.stderr) == (count == 768)


KEYED = Endpoint("http://127.0.0.1:30000/v1", "http://127.0.0.1:30000", "m", 4, None, key=True)


@pytest.mark.parametrize("name", [name for name in CLIENTS if CLIENTS[name].runs != "form"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_snippet_with_a_key_fails_without_it_in_words(name: str, language: Language) -> None:
    """Run as a reader would who forgot to export it; before anything is asked, and whether or not openai is here."""
    code = CLIENTS[name].written(KEYED, language)
    program = {
        "python": [sys.executable, "-c"],
        "shell": ["sh", "-c"],
        "javascript": ["node", "--input-type=module", "-e"],
    }
    if not shutil.which(program[CLIENTS[name].runs][0]):
        pytest.skip("not installed here")
    code = re.sub(r"^(?:from|import) .*(?:openai|OpenAI).*$", "", code, flags=re.MULTILINE)
    environment = {key: value for key, value in os.environ.items() if key != KEY}
    done = subprocess.run(
        [*program[CLIENTS[name].runs], code], capture_output=True, text=True, timeout=20, env=environment
    )
    assert done.returncode != 0
    assert EXPORT.to(language) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["python", "curl"])
def test_what_to_export_is_said_where_the_server_wants_a_key(name: str) -> None:
    with serving(pages(), checked) as url:
        with_key = run(url, name, **{KEY: WANTED})
        without = run(url, name)
    assert f"export {KEY}" in "".join(with_key.stdout.splitlines(keepends=True)[:2])
    assert without.returncode == 4
    assert f"export {KEY}" in without.stderr
    assert f"export {KEY}" not in CLIENTS[name].written(KEYED._replace(key=False), "en")


FORMS = [name for name in CLIENTS if CLIENTS[name].runs == "form"]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_tool_in_docker_gets_an_address_that_leads_out_of_its_container(name: str, language: Language) -> None:
    locally = KEYED._replace(loopback=True, unreachable="start it with LINE")
    shown = CLIENTS[name].written(locally, language)
    address = next(line for line in shown.splitlines() if "URL" in line)
    assert "http://host.docker.internal:30000" in address
    assert "127.0.0.1" not in address
    assert "host-gateway" in shown
    assert "http://127.0.0.1:30000" in shown  # outside of Docker
    assert "start it with LINE" in shown
    away = Endpoint("https://gpu.example/v1", "https://gpu.example", "m", 4, None)
    assert "docker" not in CLIENTS[name].written(away, language).lower()
    secured = locally._replace(base_url="https://[::1]/v1", root="https://[::1]")
    assert "https://host.docker.internal:443" in CLIENTS[name].written(secured, language)


def test_a_form_for_a_server_of_this_machine_says_what_is_in_the_way() -> None:
    with serving(pages(), same) as url:
        shown = run(url, "dify").stdout
    assert "listens on 127.0.0.1 only" in shown
    assert "--host 0.0.0.0" in shown
    assert "any text" in shown
