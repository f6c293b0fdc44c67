"""Texts, commands, foreign text, secrets, names of models."""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bgecheck.knowledge.models import MODELS, Model, is_reranker, looks_both_ways, lookup
from bgecheck.knowledge.vectors import closest_pair, cosine, norm
from bgecheck.model import (
    Redactor,
    Secret,
    Severity,
    Shell,
    Status,
    Text,
    clean,
    fill,
    fill_command,
    fill_commands,
    say,
)
from bgecheck.model.expected import AtLeast, AtMost
from bgecheck.model.hygiene import KEY_IN_SHELL, LIMIT
from cases import failures


@given(st.text(max_size=200))
def test_a_value_in_a_command_stays_one_word(value: str) -> None:
    """Whatever a log or reply says, a pasted command runs nothing of it."""
    assume("\x00" not in value)
    command = fill_command("run --x {value} end", {"value": value})
    assert command is not None
    assert shlex.split(command) == ["run", "--x", value, "end"]


@pytest.mark.parametrize(
    "value", ["$(touch pwned)", "`id`", "a; touch pwned", "'", '"\'"', "-n", "a\nb", "~", "*", "密 文", ""]
)
def test_a_true_shell_takes_a_value_as_one_word(value: str, tmp_path: Path) -> None:
    command = fill_command("printf '<%s>' x {value} y", {"value": value})
    assert command is not None
    ran = subprocess.run(["sh", "-c", command], capture_output=True, cwd=tmp_path, check=True)
    assert ran.stdout.decode() == f"<x><{value}><y>"
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.text(max_size=20).filter(lambda s: "\x00" not in s), min_size=1, max_size=4))
def test_words_joined_for_a_shell_come_apart_as_they_were(words: list[str]) -> None:
    assert shlex.split(fill_command("{line}", {"line": Shell.join(words)}) or "") == words


@given(st.dictionaries(st.sampled_from(["port", "log", "model"]), st.none() | st.text(max_size=5)))
def test_a_command_that_lacks_a_value_is_dropped(values: dict[str, str | None]) -> None:
    whole = all(values.get(name) is not None for name in ("port", "log"))
    assert (fill_command("bgecheck logs {log} --port {port}", values) is not None) == whole


@given(st.text(), st.text(), st.text())
def test_a_value_with_braces_is_not_filled_again(en: str, zh: str, value: str) -> None:
    filled = fill(Text("{v}", "值 {v}"), {"v": value, "x": "other"})
    assert filled == Text(value, f"值 {value}")
    assert fill("{v}", {"v": value}) == "{v}"
    assert (say(Text(en, zh), "en"), say(Text(en, zh), "zh"), say(en, "zh")) == (en, zh, en)


def test_a_shell_piece_stands_as_it_is() -> None:
    assert fill_command("{line}", {"line": Shell.join(["a b", "c"])}) == "'a b' c"


def test_a_text_among_the_values_is_filled_in_by_its_half_of_that_language() -> None:
    """A template may hold words of ours: why a connection failed, the size of a chunk."""
    assert fill(Text("it is {a}", "它{a}"), {"a": Text("gone", "退出了")}) == Text("it is gone", "它退出了")
    assert fill_command("say {a}", {"a": Text("it's gone", "退出了")}) == """say 'it'"'"'s gone'"""


def test_a_text_among_the_values_is_redacted_in_both_languages() -> None:
    hidden = Redactor(["s3cret-key"]).value({"a": Text("key s3cret-key", "密钥 s3cret-key")})
    assert hidden == {"a": Text("key ***", "密钥 ***")}


def test_an_unknown_placeholder_of_a_text_stays() -> None:
    assert fill(Text("{a} {b}", "{a}"), {"a": 1}) == Text("1 {b}", "1")


VISIBLE = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
"""Format characters of Arabic, Syriac and Kaithi that are drawn."""
hostile = st.text(
    st.characters()
    | st.sampled_from("\x1b\x9b\x07\\[]PX^_;m\n\t\r\u202e\u2066\u200b\ufeff\ud800\u061c\u206a\U000e0041"),
    max_size=60,
)


@given(hostile | st.builds("".join, st.lists(hostile, max_size=5)), st.integers(1, 80) | st.just(LIMIT))
def test_clean_text_is_one_printable_line_of_bounded_length(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cs", "Cf", "Zl", "Zp") and c not in VISIBLE]
    cleaned.encode("utf-8")
    assert clean(cleaned, limit) == cleaned


@given(st.integers(0, 400), st.integers(1, 100))
def test_a_cut_is_marked_and_what_fits_is_left_alone(length: int, limit: int) -> None:
    cleaned = clean("x" * length, limit)
    assert cleaned == ("x" * length if length <= limit else "x" * (limit - 1) + "…")


def test_marks_that_pile_up_over_a_letter_are_cut_to_two() -> None:
    assert clean("e" + "\u0301" * 9 + "f\u0301 密") == "e\u0301\u0301f\u0301 密"


@pytest.mark.parametrize(
    ("invisible", "text", "shown"),
    [(37, "abc", "abc"), (38, "abc", "ab…"), (0, "a" * 10, "a" * 10), (0, "a" * 11, "a" * 9 + "…")],
)
def test_of_a_flood_as_much_is_looked_at_as_four_times_the_limit(invisible: int, text: str, shown: str) -> None:
    """What lies behind is cut, and the cut is marked."""
    assert clean("\x00" * invisible + text, 10) == shown


def test_texts_are_alike_where_both_languages_are() -> None:
    assert Text("a", "甲") == Text("a", "甲")
    assert Text("a", "甲") != Text("a", "乙")
    assert Text("a", "甲") != Text("b", "甲")
    assert Text("a", "甲") != "a"


def test_a_text_is_filled_in_the_language_that_has_the_placeholder() -> None:
    assert fill(Text("as is", "第 {n} 个"), {"n": 2}) == Text("as is", "第 2 个")
    assert fill(Text("{n}th", "原样"), {"n": 2}) == Text("2th", "原样")


def test_a_row_that_does_not_hold_has_the_status_of_its_severity() -> None:
    assert (Severity.ERROR.status, Severity.WARNING.status) == (Status.FAIL, Status.WARN)
    assert [status for status in Status if status.opens] == [Status.PASS, Status.WARN]
    assert [status for status in Status if status.bad] == [Status.WARN, Status.FAIL]


def test_a_flood_of_foreign_text_is_cleaned_in_no_time() -> None:
    """Half-open escape sequences, one after the other, do not make the patterns go back and forth."""
    started = time.perf_counter()
    for piece in ("\x1b]", "\x1b[", "\x1bP0", "a", "\u202e"):
        assert len(clean(piece * 5_000_000)) <= LIMIT
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "piece", ["bearer ", "api_key=", "--api-key '", "://:", "authorization: basic ", "hf_a", "sk-"]
)
def test_a_flood_of_what_looks_like_keys_is_redacted_in_no_time(piece: str) -> None:
    started = time.perf_counter()
    Redactor(["topsecret"]).value(piece * 100_000)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("foreign", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://evil\x1b\\link", "link"),
        ("a\u202eb", "ab"),
        ("one\ntwo\tthree", "one two three"),
        ("\x9b2Jx", "x"),
    ],
)
def test_terminal_escapes_and_bidi_are_taken_out(foreign: str, harmless: str) -> None:
    assert clean(foreign) == harmless


@pytest.mark.parametrize(
    "line",
    [
        "`pip install hf_transfer`",
        '  File "/opt/sglang/srt/utils/hf_transformers_utils.py", line 12, in get_config',
        "HF_ENDPOINT=https://hf-mirror.com",
        "HF_DATASETS_OFFLINE=1",
        "hf_overrides=None",
    ],
)
def test_names_that_begin_like_a_key_of_the_hub_are_shown(line: str) -> None:
    assert Redactor().text(line) == line


@pytest.mark.parametrize("behind", ["", "=", "_x", ".py", '",'])
def test_a_key_of_the_hub_is_hidden_whatever_follows(behind: str) -> None:
    token = "hf_" + "AbCd" * 8 + "xY"
    assert "AbCd" not in Redactor().text(f"HF_TOKEN={token}{behind}")
    assert "AbCd" not in Redactor().text(f"Invalid user token {token}{behind}")


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer abcdefgh12345",
        "server_args={'model_path': 'm', 'api_key': 'topsecret'}",
        "ServerArgs(api_key='topsecret', port=1)",
        "python -m sglang.launch_server --api-key topsecret --port 1",
        "python -m sglang.launch_server --api-key=topsecret",
        "HF_TOKEN=hf_abcdefghijkl",
        "http://user:topsecret@proxy:3128",
        "key sk-abcdefgh",
        "launch_server --api-key 'topsecret with blanks' --port 1",
        'launch_server --api-key "${BGECHECK_API_KEY:?topsecret}"',
        "api_key:?topsecret",
        'launch_server --api-key "topsecret topsecret" --port 1',
        "http://:topsecret@proxy:3128",
        "http://user:p@topsecret@proxy:3128",
        "Authorization: Basic dXNlcjp0topsecret",
        "{'authorization': 'Basic topsecret'}",
        "ServerArgs(ssl_keyfile_password='topsecret')",
        "x-api-key: topsecret",
        "['python', '-m', 'sglang.launch_server', '--api-key', 'topsecret', '--port', '30000']",
        '["--admin-api-key", "topsecret"]',
        r'{"cmd": "[\"--api-key\", \"topsecret\"]"}',
        'exec "python" "--api-key" "topsecret" failed',
        "launch_server --ssl-keyfile-password topsecret --port 1",
        "text-embeddings-router --hf-api-token topsecret",
        "launch_server --api-key API_KEYtopsecret]",
    ],
)
def test_what_looks_like_a_key_is_hidden(line: str) -> None:
    shown = Redactor().text(line)
    assert "***" in shown
    assert not re.search("topsecret|abcdefgh", shown)


@pytest.mark.parametrize(
    "text",
    [
        "ServerArgs(api_key=None)",
        '{"api_key": null}',
        "Prefill batch, #new-seq: 1, #new-token: 55, token usage: 0.00",
        "Invalid API Key",
        'python -m sglang.launch_server --model-path m --api-key "$API_KEY" --port 30000',
        f'python -m sglang.launch_server --model-path m --api-key "{KEY_IN_SHELL}" --port 30000',
        f': "{KEY_IN_SHELL}" && bgecheck doctor',
        "see http://127.0.0.1:30000/v1",
        "usage: launch_server.py [-h] [--api-key API_KEY] [--admin-api-key ADMIN_API_KEY] [--port PORT]",
        "[--ssl-keyfile-password SSL_KEYFILE_PASSWORD]",
    ],
)
def test_what_is_no_key_is_not_hidden(text: str) -> None:
    """A variable of the shell stands for a key in the commands that we print: they must work when pasted."""
    assert Redactor().value(Shell(text)) == text


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("      --api-key", "      topsecret", "      ***"),
        ("- --api-key", "- topsecret", "- ***"),
        ('- "--admin-api-key"', '- "topsecret of two words"', '- "***"'),
        ('    "--api-key",', '    "topsecret",', '    "***",'),
        ("  --api-key \\", "  topsecret \\", "  ***"),
        ("  --api-key", "  --port", "  --port"),
        ("  --port", "  30000", "  30000"),
        ("      --api-key \x1b[0m", "      topsecret", "      ***"),
    ],
)
def test_a_key_on_a_line_of_its_own_is_hidden(option: str, value: str, shown: str) -> None:
    lines = Redactor().value(["python", option, value, "topic"])
    assert lines[2].removesuffix(" \\") == shown
    assert lines[3] == "topic"


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("{edits}", ("sed -i 1d a", "sed -i 2d a")),
        ("{none}", ()),
        ("{name}", ("bge",)),
        ("echo {edits}", ("echo '['\"'\"'sed -i 1d a'\"'\"', '\"'\"'sed -i 2d a'\"'\"']'",)),
        ("ls {name}", ("ls bge",)),
        ("ls {none}", ()),
        ("ls", ("ls",)),
    ],
)
def test_a_command_that_is_a_value_of_several_lines_is_these_lines(command: str, lines: tuple[str, ...]) -> None:
    values = {"edits": ["sed -i 1d a", "sed -i 2d a"], "none": None, "name": "bge"}
    assert fill_commands(command, values) == lines


secrets = st.text(st.characters(exclude_characters="*…", exclude_categories=["Cs"]), min_size=4, max_size=20).filter(
    lambda s: s != "EMPTY" and len(clean(s).strip()) >= 4
)


@given(secrets, hostile, hostile)
def test_a_known_secret_never_comes_out(secret: str, before: str, after: str) -> None:
    """Neither as it is nor as cleaning would have left it, in whatever shape of value."""
    assume(clean(secret) not in clean(before + "…" + after))
    shown = Redactor([secret]).value({"a": [before + secret + after], "b": Shell(secret), secret: 1})
    assert secret not in str(shown)
    assert clean(secret) not in shown["a"][0]
    assert shown["b"] == "***"


@given(st.text("abcXYZ", min_size=8, max_size=30), st.integers(LIMIT - 40, LIMIT + 5))
def test_a_secret_that_the_cut_goes_through_leaves_no_beginning(secret: str, at: int) -> None:
    shown = Redactor([secret]).value("-" * at + secret + "-" * LIMIT)
    assert secret[:3] not in shown


@pytest.mark.parametrize("quote", [repr, ascii, json.dumps, lambda s: json.dumps(s, ensure_ascii=False)])
def test_a_secret_with_quotes_is_hidden_where_a_log_quotes_it(quote: Callable[[str], str]) -> None:
    for secret in ('top"secret', "top'sec\"ret\\", "密钥topsecret"):
        assert "sec" not in Redactor([secret]).text(f"key {quote(secret)}")


def test_a_secret_inside_a_longer_one_does_not_split_it() -> None:
    assert Redactor(["abcd", "abcdefgh"]).text("abcdefgh") == "***"


def test_a_placeholder_or_a_letter_is_no_secret() -> None:
    assert Redactor(["EMPTY", "a", ""]).text("api key EMPTY, a b") == "api key EMPTY, a b"


def test_numbers_and_shapes_stay() -> None:
    value = {"n": 1, "x": 1.5, "none": None, "yes": True, "list": [1, ("a", {"b": "c"})]}
    assert Redactor().value(value) == {**value, "list": [1, ["a", {"b": "c"}]]}


def test_a_secret_does_not_print() -> None:
    assert "topsecret" not in f"{Secret('topsecret')!r} {Secret('topsecret')}"


@pytest.mark.parametrize(
    "name",
    [
        "bge-large-zh-v1.5",
        "BAAI/bge-large-zh-v1.5",
        "/data/models/BGE-Large-zh-v1.5/",
        "C:\\models\\bge-large-zh-v1.5",
        "/root/.cache/huggingface/hub/models--BAAI--bge-large-zh-v1.5/snapshots/79e7739",
        "C:\\hub\\models--BAAI--bge-large-zh-v1.5\\snapshots\\79e7739\\",
        "/root/.cache/modelscope/hub/models/BAAI/bge-large-zh-v1___5",
        "./bge-large-zh-v1.5//",
    ],
)
def test_a_model_is_known_by_any_of_its_names(name: str) -> None:
    known = lookup(name)
    assert known is not None
    assert (known.dims, known.pooling, known.bidirectional) == (1024, "cls", True)


@pytest.mark.parametrize(
    ("family", "dims"),
    [
        ("bge-{}-zh-v1.5", (512, 768, 1024)),
        ("bge-{}-zh", (512, 768, 1024)),
        ("bge-{}-en-v1.5", (384, 768, 1024)),
        ("gte-{}", (384, 768, 1024)),
        ("gte-{}-zh", (512, 768, 1024)),
        ("e5-{}-v2", (384, 768, 1024)),
        ("multilingual-e5-{}", (384, 768, 1024)),
    ],
)
def test_the_sizes_of_a_family_have_the_dimensions_of_their_cards(family: str, dims: tuple[int, int, int]) -> None:
    """A small Chinese bge is wider than a small English one."""
    models = [lookup(family.format(size)) for size in ("small", "base", "large")]
    assert tuple(model.dims for model in models if model) == dims
    assert all(model and model.max_tokens == 512 and not model.cut_short for model in models)


@pytest.mark.parametrize(
    "name", [None, "", "default", "my-own-model", "/", "///", "models--", "bge-large-zh-v1.5-finetuned", "bge-m3/ckpt"]
)
def test_an_unknown_name_is_no_model(name: str | None) -> None:
    """Nor is a model that only begins with a known name: what it was trained to may differ."""
    assert lookup(name) is None


@given(st.text(max_size=60) | st.text("models-/\\bge3zh.", max_size=40))
def test_any_name_is_looked_up_without_harm(name: str) -> None:
    known = lookup(name)
    assert known is None or known.name in name.lower().replace("___", ".")


def test_a_known_model_is_found_by_its_own_name_and_is_plausible() -> None:
    assert failures(MODELS, is_found_by_its_own_name, lambda model: model.name) == []


def is_found_by_its_own_name(model: Model) -> None:
    assert lookup(model.name) is model
    assert lookup(f"org/{model.name.upper()}/") is model
    assert 128 <= model.dims <= 8192
    assert 128 <= model.max_tokens <= 131072


numbers = st.floats(-100, 100, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-6)
pairs = st.integers(1, 30).flatmap(lambda n: st.tuples(*[st.lists(numbers, min_size=n, max_size=n)] * 2))


@given(pairs)
def test_cosine_is_symmetric_and_between_minus_one_and_one(pair: tuple[list[float], list[float]]) -> None:
    a, b = pair
    if not any(a) or not any(b):
        assert math.isnan(cosine(a, b))
    else:
        assert cosine(a, b) == cosine(b, a)
        assert -1 <= cosine(a, b) <= 1
        assert cosine(a, a) == pytest.approx(1, abs=1e-12)
        assert cosine(a, [-x for x in a]) == pytest.approx(-1, abs=1e-12)


@given(pairs, st.sampled_from([1e-300, 1e-30, 0.1, 7.0, 1e30, 1e290]))
def test_cosine_does_not_depend_on_length_however_small_or_large(
    pair: tuple[list[float], list[float]], factor: float
) -> None:
    a, b = pair
    if any(a) and any(b):
        assert cosine([factor * x for x in a], b) == pytest.approx(cosine(a, b), abs=1e-9)


@pytest.mark.parametrize("length", [1e-200, 1e200, 1e308])
def test_a_square_that_would_over_or_underflow_changes_no_cosine(length: float) -> None:
    assert cosine([0.6 * length, 0.8 * length], [0.8, 0.6]) == pytest.approx(0.96)


def test_rounding_makes_no_cosine_beyond_one() -> None:
    assert cosine([2.0, 8.0, 8.0], [2.0, 8.0, 8.0]) == 1
    assert cosine([2.0, 8.0, 8.0], [-2.0, -8.0, -8.0]) == -1


@given(pairs)
def test_cosine_is_what_numpy_computes(pair: tuple[list[float], list[float]]) -> None:
    a, b = map(np.array, pair)
    if a.any() and b.any():
        assert cosine(*pair) == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-12)
        assert norm(pair[0]) == pytest.approx(np.linalg.norm(a))


@given(st.lists(st.floats(), max_size=6), st.lists(st.floats(), max_size=6))
def test_hostile_numbers_give_nan_or_a_cosine_and_never_an_error(a: list[float], b: list[float]) -> None:
    seen = cosine(a, b)
    assert math.isnan(seen) or -1 <= seen <= 1
    assert math.isnan(norm(a)) or norm(a) >= 0


@pytest.mark.parametrize(
    ("a", "b"), [([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([math.nan], [1.0]), ([math.inf], [1.0]), ([], [])]
)
def test_what_has_no_cosine_is_nan(a: list[float], b: list[float]) -> None:
    assert math.isnan(cosine(a, b))


@pytest.mark.parametrize(
    ("bound", "seen", "admitted"),
    [
        (AtLeast(2, "GiB", "x"), 2, True),
        (AtLeast(2, "GiB", "x"), 1.99, False),
        (AtLeast(2, "GiB", "x"), math.nan, False),
        (AtMost(2, "", "x"), 2, True),
        (AtMost(2, "", "x"), 2.01, False),
        (AtMost(2, "", "x"), math.nan, False),
    ],
)
def test_a_bound_includes_itself_and_never_nan(bound: AtLeast | AtMost, seen: float, admitted: bool) -> None:
    assert bound.admits(seen) is admitted


def test_a_bound_prints_with_its_unit() -> None:
    assert (str(AtLeast(2, "GiB", "x")), str(AtMost(0.5, "", "x"))) == (">= 2 GiB", "<= 0.5")
    assert (str(AtLeast(0.5, "", "x")), str(AtMost(3, "s", "x"))) == (">= 0.5", "<= 3 s")


@pytest.mark.parametrize(
    ("vectors", "closest"),
    [
        ([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]], 1.0),
        ([[1.0, 0.0], [-1.0, 0.0]], -1.0),
        ([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]], 0.0),
        ([[3.0, 4.0], [4.0, 3.0], [-3.0, 4.0]], 0.96),
        ([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], math.nan),
        ([[1.0, 0.0], [1.0, 0.0], [1.0]], math.nan),
        ([[1.0, 0.0]], math.nan),
        ([], math.nan),
    ],
)
def test_the_closest_pair_of_several_is_any_two_of_them(vectors: list[list[float]], closest: float) -> None:
    assert closest_pair(vectors) == pytest.approx(closest, nan_ok=True)


@pytest.mark.parametrize(
    ("architectures", "both_ways"),
    [
        (["BertModel"], True),
        (["OddModel", "XLMRobertaModel"], True),
        (["Qwen2ForCausalLM", "NewModel"], True),
        (["Qwen3ForCausalLM"], False),
        (["OddModel", "MistralModel"], False),
        (["OddModel"], None),
        (["MyQwen2Model"], None),
        ([], None),
    ],
)
def test_an_architecture_says_whether_attention_looks_both_ways(
    architectures: list[str], both_ways: bool | None
) -> None:
    assert looks_both_ways(architectures) is both_ways


@pytest.mark.parametrize(
    ("name", "reranker"),
    [
        ("bge-reranker-v2-m3", True),
        ("BAAI/bge-Reranker-large/", True),
        ("C:\\models\\bge-reranker-base", True),
        ("/models/rerank/bge-m3", False),
        ("bge-m3", False),
        ("", False),
        (None, False),
    ],
)
def test_a_reranker_is_recognised_by_the_last_part_of_its_name(name: str | None, reranker: bool) -> None:
    assert is_reranker(name) is reranker
