"""Launch lines that a release refuses: what its parser writes is read, and the corrected line is one that it takes."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from bgecheck.engines.sglang.log import causes  # noqa: F401  # declares the causes
from bgecheck.engines.sglang.log.cause import CAUSES
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.engines.sglang.log.launched import launched
from bgecheck.engines.sglang.log.refused import refusal
from bgecheck.engines.sglang.log.session import Session
from bgecheck.engines.sglang.relaunch import launch_line
from bgecheck.engines.sglang.releases import Release, release_of, releases
from bgecheck.logfile.lines import Block
from cases import failures

BASE = "python -m sglang.launch_server --model-path /m/bge-large-zh-v1.5 --port 8000"
ROW = next(cause for cause in CAUSES if cause.name == "bad-cli-arguments")


class Refused(Exception):
    """What argparse would write before it exits."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise Refused(f"{self.prog}: error: {message}")


def parser(release: Release) -> Parser:
    """argparse itself, with the options of a release."""
    made = Parser(prog="sglang serve" if release.version == "0.5.23" else "launch_server.py", add_help=False)
    types: dict[str | None, Callable[[str], Any]] = {
        "int": int,
        "float": float,
        "size": int,
        "json": json.loads,
        None: str,
    }
    for option in {id(option): option for option in release.options.values()}.values():
        names = [f"--{name}" for name in (option.name, *option.aliases)]
        if option.switch:
            made.add_argument(*names, action="store_true")
        else:
            nargs = option.nargs if isinstance(option.nargs, str) else None
            made.add_argument(*names, type=types[option.type], choices=option.choices or None, nargs=nargs)
    return made


def session(release: Release, command: str, *, repeated: bool = True) -> Session:
    """The session of a log in which a shell repeats its command (`set -x`) and the parser refuses it."""
    with pytest.raises(Refused) as refused:
        parser(release).parse_args(shlex.split(command)[3:])
    text = f"+ {command}\n" if repeated else ""
    return Follower().follow([Block(1, f"{text}{refused.value}\n".encode())]).session


def corrected(release: Release, command: str) -> str:
    of = session(release, command)
    changes, given = ROW.changes(of, of.hits[ROW.name]), launched(of)
    assert changes is not None
    assert given is not None
    line = launch_line(given, changes)
    parser(release).parse_args(shlex.split(line)[3:])
    return line.removeprefix(BASE).strip()


CORRECTED = (
    ("--max-batch-size 16", "--max-running-requests 16"),
    ("--gpu-memory-utilization 0.85", "--mem-fraction-static 0.85"),
    ("--gpu-memory-utilization=0.85", "--mem-fraction-static 0.85"),
    ("--max-model-len 512 --host 0.0.0.0", "--host 0.0.0.0 --context-length 512"),
    ("--task embed", "--is-embedding"),
    ("--enforce-eager", "--disable-cuda-graph"),
    ("--no-enable-prefix-caching", "--disable-radix-cache"),
    ("--disable-radix-cahce", "--disable-radix-cache"),
    ("--mem-fraction-statc 0.5", "--mem-fraction-static 0.5"),
    ("--serve-model-name bge", "--served-model-name bge"),
    ("--frobnicate 3", ""),
    ("--max-batch-size 16 --frobnicate", "--max-running-requests 16"),
    ("--dtype fp16", "--dtype half"),
    ("--dtype BF16", "--dtype bfloat16"),
    ("--load-format safetensor", "--load-format safetensors"),
    ("--mem-fraction-static 80%", "--mem-fraction-static 0.8"),
    ("--mem-fraction-static 0,85", "--mem-fraction-static 0.85"),
    ("--tp-size 2.0", "--tp-size 2"),
    ("--max-total-tokens 30,000", "--max-total-tokens 30000"),
    ("--disable-radix-cache=true", "--disable-radix-cache"),
    ("--trust-remote-code=False", ""),
    ("--disable-radix-cache true --host 0.0.0.0", "--disable-radix-cache --host 0.0.0.0"),
)


@pytest.mark.parametrize("release", releases(), ids=lambda release: release.version)
def test_a_refused_line_is_corrected_into_one_that_the_release_takes(release: Release) -> None:
    def check(case: tuple[str, str]) -> None:
        wrong, right = case
        assert sorted(shlex.split(corrected(release, f"{BASE} {wrong}"))) == sorted(shlex.split(right))

    # From 0.5.16 on these sizes are taken in words, and refused in words of their own.
    cases = [
        c for c in CORRECTED if not (c[0].startswith("--max-total-tokens") and release.version in ("0.5.16", "0.5.23"))
    ]
    assert failures(cases, check) == []


@pytest.mark.parametrize(
    ("wrong", "variant", "option", "value"),
    [
        ("--max-batch-size 16", "unknown", "--max-batch-size 16", ""),
        ("--dtype int3", "choice", "--dtype", "int3"),
        ("--tp-size two", "type", "--tp-size", "two"),
        ("--served-model-name", "missing", "--served-model-name", ""),
        ("--disable-radix-cache=1", "switch", "--disable-radix-cache", "1"),
        ("--disable-radix-cache 1", "stray", "1", ""),
    ],
)
def test_each_message_has_its_own_remedy(wrong: str, variant: str, option: str, value: str) -> None:
    of = session(release_of("0.5.9"), f"{BASE} {wrong}", repeated=False)
    refused = refusal(of, of.hits[ROW.name])
    assert refused is not None
    assert (refused.variant, refused.option, refused.value) == (variant, option, value)
    assert refused.variant in ROW.variants


def test_without_the_command_the_change_is_named_and_no_line_is_made_up() -> None:
    of = session(release_of("0.5.9"), f"{BASE} --max-batch-size 16", repeated=False)
    assert launched(of) is None
    assert ROW.values(of, of.hits[ROW.name])["instead"].en == "write --max-running-requests 16 instead"  # type: ignore[union-attr]


def test_a_name_that_a_release_made_ambiguous_is_written_in_full() -> None:
    newest = releases()[-1]
    assert corrected(newest, f"{BASE} --cuda-graph-max-bs 16") == "--cuda-graph-max-bs-decode 16"


def test_an_option_of_other_releases_is_told_as_one() -> None:
    of = session(release_of("0.4.10"), f"{BASE} --enable-torch-symm-mem", repeated=False)
    refused = refusal(of, of.hits[ROW.name])
    assert refused is not None
    assert refused.elsewhere.en == " (sglang 0.5.3.post3 to 0.5.23 has it)"


def _of(text: str, arguments: str = "model_path='/m/bge-large-zh-v1.5', tp_size=4") -> Session:
    log = f"[2026-01-01 10:00:00] server_args=ServerArgs({arguments})\n{text}\n"
    return Follower().follow([Block(1, log.encode())]).session


@pytest.mark.parametrize(
    ("text", "arguments", "variant", "changes"),
    [
        (
            "ValueError: User-specified context_length (8192) is greater than the derived context_length (512).",
            "model_path='m', context_length=8192",
            "context",
            {"context-length": None},
        ),
        ("AssertionError: 14 is not divisible by 4", "model_path='m', tp_size=4", "heads", {"tp-size": "2"}),
        ("AssertionError: 12 is not divisible by 8", "model_path='m', tp_size=8", "heads", {"tp-size": "6"}),
        (
            "ValueError: Quantization method specified in the model config (awq) does not match the quantization "
            "method specified in the `quantization` argument (fp8).",
            "model_path='m', quantization='fp8'",
            "quantization",
            {"quantization": None},
        ),
        (
            "ERROR:    [Errno 99] error while attempting to bind on address ('10.0.0.8', 30000): cannot assign "
            "requested address",
            "model_path='m', host='10.0.0.8'",
            "host",
            {"host": "0.0.0.0"},
        ),
        (
            "ValueError: served_model_name cannot contain a colon (':') character.",
            "model_path='m', served_model_name='bge:v1'",
            "colon",
            {"served-model-name": "bge-v1"},
        ),
    ],
)
def test_what_is_refused_after_the_parser_has_its_remedy_too(
    text: str, arguments: str, variant: str, changes: dict[str, str | None]
) -> None:
    of = _of(text, arguments)
    refused = refusal(of, of.hits[ROW.name])
    assert refused is not None
    assert (refused.variant, refused.changes) == (variant, changes)


def test_a_line_that_names_no_option_has_the_rows_own_words() -> None:
    of = _of("ValueError: The output size is not aligned with the quantized weight shape.")
    assert ROW.variant(of, of.hits[ROW.name]) is None


@pytest.mark.parametrize(
    ("value", "backend"), [("flash_attn", "fa3"), ("sdpa", "torch_native"), ("xformers", "triton"), ("mla", "triton")]
)
def test_kernels_of_other_names_are_not_taken_by_their_spelling(value: str, backend: str) -> None:
    assert corrected(release_of("0.5.9"), f"{BASE} --attention-backend {value}") == f"--attention-backend {backend}"


def test_what_nothing_stands_for_is_named_as_left_out() -> None:
    of = session(release_of("0.5.9"), f"{BASE} --tokenizer-pool-size 4 --enforce-eager", repeated=False)
    instead = ROW.values(of, of.hits[ROW.name])["instead"]
    assert instead.en == "write --disable-cuda-graph instead, and leave out --tokenizer-pool-size"  # type: ignore[union-attr]


def test_a_switch_of_an_old_release_is_replaced_by_what_it_meant() -> None:
    assert corrected(releases()[-1], f"{BASE} --disable-flashinfer") == "--attention-backend triton"


def test_an_ambiguous_switch_is_written_in_full_without_the_command() -> None:
    of = session(release_of("0.5.9"), f"{BASE} --disable-cuda", repeated=False)
    instead = ROW.values(of, of.hits[ROW.name])["instead"]
    assert instead.en == "write --disable-cuda-graph instead"  # type: ignore[union-attr]
