"""Options of launch lines are judged as the parsers of the releases judge them (`make real-launch-lines` proves it)."""

from __future__ import annotations

import argparse
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.engines.planned import Change, Word
from bgecheck.engines.sglang.arguments import Fault, faults, keys, mended, verdict, with_options
from bgecheck.engines.sglang.meant import nearest
from bgecheck.engines.sglang.releases import around, newest, releases
from bgecheck.model import Text
from launchlines import RELEASES, Line, lines

PROGRAM = "python -m sglang.launch_server"
BY_VERSION = {release.version: release for release in releases()}
MODEL = f"{PROGRAM} --model-path /m/bge-large-zh-v1.5"
WHY = Text("because", "因为")


def words(line: str) -> list[Word]:
    return [Word(value, number, number, open="$" in value) for number, value in enumerate(shlex.split(line))]


def of(line: Line, version: str) -> tuple[Fault, ...]:
    given = [Word(value, number, number) for number, value in enumerate([*PROGRAM.split(), *line.options])]
    return faults(given, BY_VERSION[version])


@pytest.mark.parametrize("line", lines(), ids=str)
def test_a_line_is_refused_by_the_releases_that_refuse_it(line: Line) -> None:
    for version in RELEASES:
        assert any(fault.refused for fault in of(line, version)) == (version in line.refused_by), version


@pytest.mark.parametrize("line", lines(), ids=str)
def test_a_line_is_refused_for_the_right_reason(line: Line) -> None:
    version = next((version for version in RELEASES if version in line.refused_by), RELEASES[-1])
    kinds = [fault.kind for fault in of(line, version)]
    assert line.kind in kinds or (line.kind == "ok" and set(kinds) <= {"short", "deprecated"}), kinds


@pytest.mark.parametrize("version", RELEASES)
def test_a_corrected_line_is_taken(version: str) -> None:
    """Where every fault says what mends it."""
    for line in lines():
        found = of(line, version)
        changes = [fault.change for fault in found if fault.change is not None]
        if any(fault.refused and fault.change is None for fault in found):
            continue
        given = [Word(value, number, number) for number, value in enumerate([*PROGRAM.split(), *line.options])]
        better = [Word(value, number, number) for number, value in enumerate(mended(given, changes))]
        left = [fault for fault in faults(better, BY_VERSION[version]) if fault.refused]
        assert not left, (str(line), mended(given, changes), left)


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("--max-batch-size 16", "--max-running-requests 16"),
        ("--max-batch-size=16", "--max-running-requests 16"),
        ("--max-model-len 512", "--context-length 512"),
        ("--gpu-memory-utilization 0.3", "--mem-fraction-static 0.3"),
        ("--task embed", "--is-embedding"),
        ("--enforce-eager", ""),
        ("--no-enable-prefix-caching", "--disable-radix-cache"),
        ("--tensor-parallel-size=2", "--tensor-parallel-size=2"),
        ("--disable-radix-cahce", "--disable-radix-cache"),
        ("--disable_radix_cache", "--disable-radix-cache"),
        ("-tp 2", "--tp-size 2"),
        ("-port 30000", "--port 30000"),
        ("--disable-radix-cache --enable-hierarchical-cache", "--disable-radix-cache"),
        ("--page-size 64 --chunked-prefill-size 1000", "--page-size 64 --chunked-prefill-size 1024"),
        ("--chunked-prefill-size=1000 --page-size 64", "--chunked-prefill-size=1024 --page-size 64"),
        ("--page-size 64 --chunked-prefill-size 8192", "--page-size 64 --chunked-prefill-size 8192"),
        ("--page-size 64 --chunked-prefill-size -1", "--page-size 64 --chunked-prefill-size -1"),
        ("--dtype fp16", "--dtype half"),
        ("--dtype=fp16", "--dtype=half"),
        ("--attention-backend sdpa", "--attention-backend torch_native"),
        ("--mem-fraction-static 30%", "--mem-fraction-static 0.3"),
        ("--mem-fraction-static 0,3", "--mem-fraction-static 0.3"),
        ("--is-embedding true", "--is-embedding"),
        ("--is-embedding false", ""),
        ("--is-embedding=True", "--is-embedding"),
        ("—port 30000", "--port 30000"),
        ("--port＝30000", "--port=30000"),
        ("--chunked-prefill-size −1", "--chunked-prefill-size -1"),
        ("--served-model-name “bge”", "--served-model-name bge"),
        ("“--is-embedding”", "--is-embedding"),
        ("--bf16", "--dtype bfloat16"),
        ("--port 1 --port 2", "--port 2"),
    ],
)
def test_what_was_meant(typed: str, becomes: str) -> None:
    given = words(f"{MODEL} {typed}")
    found = faults(given, newest())
    assert mended(given, [f.change for f in found if f.change]) == shlex.split(f"{MODEL} {becomes}")


@pytest.mark.parametrize(
    "line",
    [
        "--port $PORT",
        "--mem-fraction-static ${SHARE}",
        "--dtype $DTYPE",
        "$EXTRA_ARGS",
        '"$@"',
        "--served-model-name $NAME --is-embedding $MORE",
    ],
)
def test_what_a_variable_holds_is_not_judged(line: str) -> None:
    assert not [fault for fault in faults(words(f"{MODEL} {line}"), newest()) if fault.refused]


def test_switches_that_exclude_each_other_are_refused_since_releases_look() -> None:
    given = words(f"{MODEL} --disable-radix-cache --enable-hierarchical-cache")
    refusing = [release.version for release in releases() if any(f.refused for f in faults(given, release))]
    assert refusing == [release.version for release in releases()][1:]


def test_between_two_releases_both_are_asked() -> None:
    assert [release.version for release in around("0.5.10")] == ["0.5.9", "0.5.16"]
    assert [release.version for release in around("0.5.99")] == ["0.5.23"]
    assert [release.version for release in around("0.4.6.post5")] == ["0.4.10.post2"]
    assert [release.version for release in around(None)] == list(RELEASES)
    judged = verdict(words(f"{MODEL} --context-length 8k --max-batch-size 16"), around("0.5.10"))
    assert [fault.option for fault in judged.refused] == ["--max-batch-size"]
    assert [fault.option for fault in judged.disputed] == ["--context-length"]


def test_a_model_may_stand_behind_serve_alone() -> None:
    served, module = words("sglang serve /m/bge --port 30000"), words(f"{PROGRAM} /m/bge --port 30000")
    assert not faults(served, newest())
    assert [fault.kind for fault in faults(module, newest())] == ["stray", "required"]


def test_a_file_of_settings_may_name_the_model() -> None:
    assert not [fault for fault in faults(words(f"{PROGRAM} --config bge.yaml"), newest()) if fault.refused]


@pytest.mark.parametrize(
    ("line", "wanted", "becomes"),
    [
        ("--port 1", {"is-embedding": ""}, "--port 1 --is-embedding"),
        ("--chunked-prefill-size 512 --port 1", {"chunked-prefill-size": "-1"}, "--chunked-prefill-size -1 --port 1"),
        ("--chunked-prefill-size=512", {"chunked-prefill-size": "-1"}, "--chunked-prefill-size=-1"),
        ("--context-length 9 --port 1", {"context-length": None}, "--port 1"),
        ("--port 1 --host 127.0.0.1 --host ::1", {"host": "0.0.0.0"}, "--port 1 --host 0.0.0.0"),
        ("--tp 2", {"tp-size": "1"}, "--tp 1"),
    ],
)
def test_options_are_given_other_values(line: str, wanted: dict[str, str | None], becomes: str) -> None:
    given = words(f"{MODEL} {line}")
    changes = with_options(given, (), {name: (value, WHY) for name, value in wanted.items()}, newest())
    assert mended(given, changes) == shlex.split(f"{MODEL} {becomes}")


def test_an_option_that_is_there_for_another_gets_its_value() -> None:
    given = words(f"{MODEL} --gpu-memory-utilization 90")
    changes = [fault.change for fault in faults(given, newest()) if fault.change]
    both = with_options(given, changes, {"mem-fraction-static": ("0.3", WHY)}, newest())
    assert mended(given, both) == shlex.split(f"{MODEL} --mem-fraction-static 0.3")


def test_keys_are_known_by_their_place() -> None:
    given = words(f"{MODEL} --api-key sk-1 --admin-api-key=two --port 1 --api-key --port 2")
    assert [given[at].value for at in keys(given)] == ["sk-1", "--admin-api-key=two"]


_PIECES = st.one_of(
    st.sampled_from(sorted(newest().options)).map(lambda name: f"--{name}"),
    st.sampled_from(["1", "-1", "0.3", "half", "--", "-", "=", "—port", "“x”", "$X", "--x=", "--=", "--port=1"]),
    st.text(max_size=12),
)


@given(st.lists(_PIECES, max_size=12))
def test_any_words_are_judged_and_can_be_mended(pieces: list[str]) -> None:
    given = [Word(value, number, number) for number, value in enumerate([*PROGRAM.split(), *pieces])]
    found = faults(given, newest())
    assert isinstance(mended(given, [f.change for f in found if isinstance(f.change, Change)]), list)


def test_argparse_with_the_table_agrees() -> None:
    """The parser that the table stands for takes every corrected line of the guide."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    for option in {id(option): option for option in newest().options.values()}.values():
        names = [f"--{name}" for name in (option.name, *option.aliases)]
        parser.add_argument(*names, **({"action": "store_true"} if option.switch else {"nargs": option.nargs}))
    given = words(f"{MODEL} --host 0.0.0.0 --port 30000 --tokenizer-mode auto --max-batch-size 16 --dtype half")
    line = mended(given, [fault.change for fault in faults(given, newest()) if fault.change])
    assert parser.parse_args(line[3:]).max_running_requests == "16"


def test_a_text_in_quotes_of_a_document_stays_whole() -> None:
    given = words(f"{MODEL} --served-model-name “bge large zh” —port 31000")
    found = faults(given, newest())
    assert mended(given, [fault.change for fault in found if fault.change])[-4:] == [
        "--served-model-name",
        "bge large zh",
        "--port",
        "31000",
    ]


def test_an_option_without_a_value_does_not_undo_the_one_before() -> None:
    given = words(f"{MODEL} --mem-fraction-static 0.3 --port 31000 --mem-fraction-static")
    (fault,) = faults(given, newest())
    assert fault.kind == "missing"
    assert mended(given, [fault.change] if fault.change else [])[-3:] == ["0.3", "--port", "31000"]


def test_a_name_without_a_value_is_left_out() -> None:
    given = words(f"{MODEL} --served-model-name --port 31000")
    (fault,) = faults(given, newest())
    assert fault.change == Change((5,), (), fault.why)


@pytest.mark.parametrize(
    ("typed", "value", "option"),
    [
        ("prot", "30000", "port"),
        ("hots", "0.0.0.0", "host"),
        ("porr", "30000", "port"),
        ("dtyep", "half", "dtype"),
        ("tb", "2", None),
        ("prto", "30000", None),
        ("proto", "30000", None),
        ("topr", "30000", None),
    ],
)
def test_one_slip_of_the_finger_is_understood_and_more_is_not(typed: str, value: str, option: str | None) -> None:
    assert nearest(typed, value) == ({option: value} if option else {})
