"""The corrected launch line: it starts what was started, with what an encoder needs, and shows no key."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.engines.sglang.launchline import parse_launch
from bgecheck.engines.sglang.options import ENCODER_OPTIONS
from bgecheck.engines.sglang.relaunch import changes, launch_line

NAMES = (
    "model-path",
    "port",
    "host",
    "served-model-name",
    "dtype",
    "tp-size",
    "device",
    "trust-remote-code",
    *ENCODER_OPTIONS,
)
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).filter(
    lambda text: not text.startswith("-")
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_it_is_read_back_as_what_was_given_with_what_an_encoder_needs(options: dict[str, str]) -> None:
    fixed = {name: value for name, value in ENCODER_OPTIONS.items() if name != "mem-fraction-static"}
    read = parse_launch(shlex.split(launch_line(options, {})))
    assert read == {"mem-fraction-static": "0.3", **options, **fixed}


@pytest.mark.parametrize("name", ["api-key", "admin-api-key"])
def test_a_key_is_a_variable(name: str) -> None:
    line = launch_line({"model-path": "/m", name: "topsecret"}, {})
    assert "topsecret" not in line
    assert f'--{name} "$API_KEY"' in line


def test_what_is_changed_wins_and_what_is_to_go_is_left_out() -> None:
    given_ = {"model-path": "/m", "context-length": "9000", "attention-backend": "fa3"}
    line = launch_line(given_, {"context-length": None, "attention-backend": "triton"})
    assert "context-length" not in line
    assert "--attention-backend triton" in line
    assert "fa3" not in line


@pytest.mark.parametrize("name", ["", "-x", "a b", "a;reboot", "A", "$(id)", "a_b", "ä"])
def test_a_name_that_is_no_option_is_left_out(name: str) -> None:
    assert launch_line({"model-path": "/m", name: "v"}, {}) == launch_line({"model-path": "/m"}, {})


@pytest.mark.parametrize(
    ("options", "changed", "new"),
    [
        ({}, {}, "--is-embedding --disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3"),
        ({"mem-fraction-static": "0.5"}, {}, "--is-embedding --disable-radix-cache --chunked-prefill-size -1"),
        (
            {**ENCODER_OPTIONS, "chunked-prefill-size": "4096"},
            {},
            "--chunked-prefill-size -1",
        ),
        (ENCODER_OPTIONS, {"attention-backend": "triton"}, "--attention-backend triton"),
        ({**ENCODER_OPTIONS, "context-length": "9"}, {"context-length": None}, None),
        (ENCODER_OPTIONS, {}, None),
    ],
)
def test_what_is_new_is_named_and_all_of_it_where_nothing_is(
    options: dict[str, str], changed: dict[str, str | None], new: str | None
) -> None:
    every = " ".join(f"--{name} {value}".rstrip() for name, value in ENCODER_OPTIONS.items())
    assert changes(options, changed) == (new or every)


def test_the_corrected_line_keeps_what_was_given_and_hides_the_key() -> None:
    line = launch_line(
        {
            "model-path": "/m/a b",
            "port": "31000",
            "api-key": "topsecret",
            "chunked-prefill-size": "4096",
            "cuda-graph-bs": "1 2",
        },
        {},
    )
    assert "'/m/a b'" in line
    assert "--port 31000" in line
    assert '--api-key "$API_KEY"' in line
    assert "topsecret" not in line
    assert "--cuda-graph-bs 1 2 " in line
    assert line.endswith("--is-embedding --disable-radix-cache --mem-fraction-static 0.3")
    assert "--chunked-prefill-size -1" in line


def test_a_hostile_flag_does_not_get_into_the_line() -> None:
    line = launch_line({"model-path": "/m", "port; rm -rf ~": "", "host": "$(reboot)"}, {})
    assert "rm -rf" not in line
    assert "'$(reboot)'" in line
