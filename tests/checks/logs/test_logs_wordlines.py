"""A launch command that is written one word to a line: printed commands are built from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgecheck.engines.sglang.log.wordlines import WordLines
from logsamples import judged, roots, written

FAULT = "AssertionError: FlashAttention v3 Backend requires SM>=80 and SM<=90."
LAUNCH = ("python3", "-m", "sglang.launch_server", "--model-path", "/models/bge m3", "--port", "30000")
DESCRIBED = """Containers:
  sglang:
    Command:
      python3
      -m
      sglang.launch_server
    Args:
      --model-path
      /models/bge m3
      --port
      30000
    State:          Waiting
      Reason:       CrashLoopBackOff
"""
MANIFEST = """    spec:
      containers:
      - name: sglang
        command:
        - python3
        - -m
        - sglang.launch_server
        args:
        - --model-path
        - "/models/bge m3"
        - --port
        - '30000'
        image: lmsysorg/sglang:v0.5.9
"""
ARGS_ALONE = MANIFEST.replace("        args:\n", "").replace("command:", "args:")


def _words(text: str) -> tuple[str, ...]:
    """The last command that the lines hold."""
    lines = WordLines()
    command: tuple[str, ...] = ()
    for line in text.splitlines():
        command = lines.take(line) or command
    assert not lines.open
    return command


@pytest.mark.parametrize("text", [DESCRIBED, MANIFEST, ARGS_ALONE])
def test_the_words_of_both_blocks_are_one_command(text: str) -> None:
    assert _words(text) == LAUNCH


@pytest.mark.parametrize("text", [DESCRIBED, MANIFEST])
@pytest.mark.parametrize("above", ["", "\n" * 40])
def test_the_printed_command_keeps_it(text: str, above: str, tmp_path: Path) -> None:
    noise = "".join(f"2026-11-02 22:10:{n:02} GET /health 200\n" for n in range(50))
    (root,) = roots(judged(written(tmp_path / "pod.log", f"{noise}{above}{text}{noise}{FAULT}\n")))
    assert root.id == "logs.attention-backend-unsupported"
    (command,) = root.commands
    assert command == (
        "python3 -m sglang.launch_server --model-path '/models/bge m3' --port 30000 --attention-backend triton"
    )


def test_another_container_has_a_command_of_its_own() -> None:
    other = DESCRIBED.replace("sglang.launch_server", "http.server").replace("/models/bge m3", "/other")
    assert _words(DESCRIBED + other) == LAUNCH
    assert _words(other + DESCRIBED) == LAUNCH


@pytest.mark.parametrize(
    "text",
    [
        "Command: python3\n  -m\nx",
        "Command:\npython3\n-m\nsglang.launch_server\n--model-path\nx\n",
        "Command:\n\n  python3\n  -m\n  sglang.launch_server\n  --model-path\n  x\n",
        "command:\n" + "- x\n" * 200 + "- python3\n- -m\n- sglang.launch_server\n- --model-path\n- x\nend:\n",
    ],
)
def test_what_is_no_block_is_no_command(text: str) -> None:
    assert _words(text) == ()
