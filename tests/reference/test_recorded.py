"""Files of texts and vectors: what is written is read again, so is what was written elsewhere; the rest is refused."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from bgecheck import __version__
from bgecheck.checks.embed.texts import TRIPLES
from bgecheck.demo.stage import Staged, stage
from bgecheck.model import BadInput
from bgecheck.model.state import ServerState
from bgecheck.reference.recorded import (
    MOST_CHARACTERS,
    MOST_TEXTS,
    SCHEMA,
    Recorded,
    read_recorded,
    write_recorded,
)
from commandline import run as bgecheck
from forked import Ended

STATE = ServerState(
    version="0.5.23",
    settings={"dtype": "float16", "pooling": "cls"},
    latency=12.5,
    memory=1800,
    gpu_memory=2100,
    date="2026-11-01T08:00:00+08:00",
)
SOME = Recorded(("今天", "tomorrow"), ((1.0, 0.0, 0.25), (0.5, 0.5, -1.0)), "bge", "cls", "bgecheck 1", STATE)
FORMATS = ("jsonl", "npy", "safetensors")


@pytest.mark.parametrize("ending", FORMATS)
def test_what_is_written_is_read_again(ending: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"v.{ending}")
    write_recorded(path, SOME)
    assert read_recorded(path) == SOME._replace(path=path)
    assert not [name for name in os.listdir(tmp_path) if "part" in name]


def test_a_file_of_schema_1_is_read(tmp_path: Path) -> None:
    """As bgecheck wrote them before it kept what the server was like: the origin in every line."""
    path = tmp_path / "v.jsonl"
    origin = {"model": "bge", "recipe": "cls", "tool": "bgecheck 0.1.0"}
    path.write_text("".join(json.dumps({"text": t, "vector": [1.0, 0.0], **origin}) + "\n" for t in "ab"))
    found = read_recorded(str(path))
    assert (found.texts, found.model, found.recipe, found.state) == (("a", "b"), "bge", "cls", None)


def test_a_file_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    for schema, refused in ((SCHEMA, False), (SCHEMA + 1, True)):
        path.write_text(json.dumps({"text": "a", "vector": [1.0], "schema": schema}))
        if refused:
            with pytest.raises(BadInput, match=f"schema {schema}"):
                read_recorded(str(path))
        else:
            assert read_recorded(str(path)).texts == ("a",)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
    | st.fixed_dictionaries(
        {},
        optional={
            name: st.none()
            | st.integers()
            | st.floats()
            | st.text()
            | st.dictionaries(st.text(), st.text() | st.none())
            for name in ("version", "date", "settings", "latency_ms", "memory_mib", "gpu_memory_mib")
        },
    )
)
def test_whatever_a_file_says_of_its_server_it_is_read_or_left_out(server: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.jsonl"
        path.write_text(json.dumps({"text": "a", "vector": [1.0], "schema": 2, "server": server}))
        state = read_recorded(str(path)).state
    assert (state is not None) == isinstance(server, dict)
    if state is not None:
        assert state.latency is None or 0 < state.latency < 1e9
        assert all(isinstance(value, str) and len(value) <= 200 for value in state.settings.values())


def test_lines_of_another_tool_are_read(tmp_path: Path) -> None:
    """The key may be `embedding`, lines may be blank, other keys are left alone."""
    path = tmp_path / "v.jsonl"
    path.write_text('{"text": "a", "embedding": [1, 0]}\n\n{"id": 7, "text": "b", "vector": [0.5, 2]}\n')
    assert read_recorded(str(path)).vectors == ((1.0, 0.0), (0.5, 2.0))


@pytest.mark.parametrize("texts", ['["a", "b"]', '{"texts": ["a", "b"], "model": "m"}', None])
@pytest.mark.parametrize("ending", ["npy", "safetensors"])
def test_a_matrix_of_another_tool_has_its_texts_beside_it(ending: str, texts: str | None, tmp_path: Path) -> None:
    matrix = np.array([[1, 0], [0, 1]], np.float16)
    if ending == "npy":
        np.save(tmp_path / "v.npy", matrix)
    else:
        save_file({"embeddings": matrix}, tmp_path / "v.safetensors")
    if texts is None:
        (tmp_path / "v.txt").write_text("a\nb\n")
    else:
        (tmp_path / "v.json").write_text(texts)
    found = read_recorded(str(tmp_path / f"v.{ending}"))
    assert (found.texts, found.vectors) == (("a", "b"), ((1.0, 0.0), (0.0, 1.0)))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("v.csv", b"a", "is not a supported format"),
        ("v.jsonl", b"", "no texts"),
        ("v.jsonl", b"{", "line 1"),
        ("v.jsonl", b'{"text": "a", "vector": [1]}\n[]', "line 2"),
        ("v.jsonl", b'{"text": "a"}', "no vector"),
        ("v.jsonl", b'{"text": "a", "vector": ["1"]}', "no vector"),
        ("v.jsonl", b'{"text": "a", "vector": [true]}', "no vector"),
        ("v.jsonl", b'{"text": "a", "vector": [NaN]}', "NaN"),
        ("v.jsonl", b'{"text": "a", "vector": []}', "length"),
        ("v.jsonl", b'{"text": " ", "vector": [1]}', "blank"),
        ("v.jsonl", b'{"text": "a", "vector": [1]}\n{"text": "b", "vector": [1, 2]}', "length"),
        ("v.jsonl", b"[" * 100_000, "line 1"),
        ("v.jsonl", b'{"text": "a", "vector": [' + b"9" * 5000 + b"]}", "line 1"),
        ("v.npy", b"nothing", "not a .npy"),
        ("v.npy", b"", "not a .npy"),
        ("v.npy", pickle.dumps(["a"]), "not a .npy"),
        ("v.safetensors", b"nothing of the kind", "not a safetensors"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read_recorded(str(tmp_path / name))


def test_an_array_of_objects_is_refused_and_executes_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "mark"),)

    np.save(tmp_path / "v.npy", np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(BadInput):
        read_recorded(str(tmp_path / "v.npy"))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("matrix", [np.zeros(3), np.zeros((3, 2)), np.zeros((2, 2, 2)), np.array([["a"], ["b"]])])
def test_a_matrix_that_does_not_go_with_its_texts_is_refused(matrix: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", matrix)
    (tmp_path / "v.json").write_text('["a", "b"]')
    with pytest.raises(BadInput):
        read_recorded(str(tmp_path / "v.npy"))


@given(st.binary(max_size=200), st.sampled_from(FORMATS))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz.{ending}"
    path.write_bytes(content)
    with pytest.raises(BadInput):
        read_recorded(str(path))


@given(st.lists(st.text(min_size=1, max_size=3000), min_size=1, max_size=80))
def test_only_a_few_texts_are_ever_sent(texts: list[str]) -> None:
    few = Recorded(tuple(texts), ((1.0,),) * len(texts)).few()
    assert 0 < len(few.texts) <= MOST_TEXTS
    assert len(few.texts) == len(few.vectors)
    assert len(few.texts) == 1 or sum(map(len, few.texts)) <= MOST_CHARACTERS


def test_a_long_file_is_read_only_as_far_as_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    lines = [json.dumps({"text": f"text {n}", "vector": [1.0]}) for n in range(MOST_TEXTS)]
    path.write_text("\n".join([*lines, "this line is never reached"]))
    assert len(read_recorded(str(path)).texts) == MOST_TEXTS


# The command


@pytest.fixture(scope="module")
def demo() -> Iterator[Staged]:
    with stage(None) as staged:
        yield staged


def run(*words: str) -> Ended:
    return bgecheck("embed", *words, "--skip", "*.openai-client")


def row(*words: str) -> dict[str, Any]:
    told = json.loads(run(*words, "-o", "json").stdout)
    found: dict[str, Any] = next(f for f in told["findings"] if f["id"] == "embed.reference")
    return found


@pytest.mark.parametrize("ending", FORMATS)
def test_what_a_server_gave_is_what_it_gives(ending: str, demo: Staged, tmp_path: Path) -> None:
    path = str(tmp_path / f"v.{ending}")
    done = run("今天天气怎么样？", "明天呢", "--url", demo.url, "--record", path)
    assert done.returncode == 0, done.stderr
    assert path in done.stderr
    found = read_recorded(path)
    assert (found.texts, found.tool) == (("今天天气怎么样？", "明天呢"), f"bgecheck {__version__}")
    assert row("--url", demo.url, "--reference", path)["status"] == "pass"


def test_what_the_server_is_like_is_recorded_and_compared(demo: Staged, tmp_path: Path) -> None:
    """An index of vectors that an older release pooled otherwise is of no use, and the file tells why."""
    path = tmp_path / "v.jsonl"
    run(*TEXTS, "--url", demo.url, "--record", str(path))
    found = read_recorded(str(path)).state
    assert found is not None
    assert (found.version, found.settings["pooling"]) == ("0.5.23", "cls")
    assert (found.settings["disable_radix_cache"], found.settings["chunked_prefill_size"]) == ("True", "-1")
    assert found.latency
    assert found.memory
    assert row("--url", demo.url, "--reference", str(path))["values"]["compatibility"] == "index-compatible"
    head, *others = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    head["server"] |= {"version": "0.5.3.post3", "settings": {**head["server"]["settings"], "pooling": "last"}}
    lines = [{**line, "vector": line["vector"][::-1]} for line in (head, *others)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    done = run("--url", demo.url, "--reference", str(path), "--lang", "en")
    words = " ".join(done.stdout.replace("|", " ").split())
    assert done.returncode == 1
    assert "verdict for an index built before: re-index" in words
    assert "Changed since: version 0.5.3.post3 → 0.5.23, pooling last → cls" in words


TEXTS = ("今天天气怎么样？", "明天会下雨吗", "怎么做红烧肉", "红烧肉的做法", "如何重置密码", "忘记密码怎么办")


def test_without_texts_the_built_in_ones_are_recorded(demo: Staged, tmp_path: Path) -> None:
    path = str(tmp_path / "v.jsonl")
    run("--url", demo.url, "--record", path)
    assert len(Path(path).read_text(encoding="utf-8").splitlines()) == 3 * len(TRIPLES)


def test_what_was_recorded_before_is_replaced_only_where_that_is_wanted(demo: Staged, tmp_path: Path) -> None:
    """Given after the upgrade in place of --reference, --record would leave nothing to compare with."""
    path = tmp_path / "v.jsonl"
    words = ("今天", "--url", demo.url, "--record", str(path))
    assert run(*words).returncode == 0
    before = path.read_bytes()
    refused = run("明天", *words)
    assert (refused.returncode, f"to compare with it: --reference {path}" in refused.stderr) == (2, True)
    assert path.read_bytes() == before
    assert run("明天", *words, "--overwrite").returncode == 0
    assert path.read_bytes() != before


def test_other_vectors_under_the_same_texts_fail(demo: Staged, tmp_path: Path) -> None:
    path = str(tmp_path / "v.jsonl")
    run("今天", "明天", "--url", demo.url, "--record", path)
    lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    lines[1]["vector"] = lines[1]["vector"][::-1]
    Path(path).write_text("\n".join(map(json.dumps, lines)))
    found = row("--url", demo.url, "--reference", path)
    assert found["status"] == "fail"
    assert [e["observed"] for e in found["evidence"]][2] == "1 / 2"
    assert run("--url", demo.url, "--reference", path).returncode == 1


def test_two_servers_are_compared(demo: Staged, folder: Path, serve: Callable[..., Any]) -> None:
    with stage(None) as other:
        assert row("--url", demo.url, "--against", other.url)["status"] == "pass"
    with serve(folder) as other_model:
        found = row("--url", demo.url, "--against", other_model.url)
    assert (found["status"], found["values"]["dims"]) == ("fail", 64)


def test_the_key_of_the_one_server_is_never_sent_to_the_other(
    demo: Staged, folder: Path, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(folder) as other:
        run("--url", demo.url, "--api-key", "sk-first", "--against", other.url)
        assert other.keys == {None}
        run("--url", demo.url, "--api-key", "sk-first", "--against", other.url, "--against-key", "sk-second")
        assert other.keys == {None, "Bearer sk-second"}


def test_a_server_that_pools_otherwise_is_named_by_the_whole_command(folder: Path, serve: Callable[..., Any]) -> None:
    with serve(folder, pool="last") as server:
        done = run("--url", server.url, "--full", "--model-path", str(folder), "--lang", "en")
    assert done.returncode == 1
    assert "last token" in done.stdout
    assert "an upgrade to 0.5.17 or newer" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--reference", "/nowhere.jsonl"), "no such file"),
        (("--reference", "v.csv"), "is not a supported format"),
        (("--record", "v.csv"), "is not a supported format"),
        (("--reference", "a.jsonl", "--against", "http://127.0.0.1:1"), "exclude"),
        (("--against", "{url}"), "the same server"),
        (("--record", "/nowhere/v.jsonl"), "cannot be written"),
    ],
)
def test_bad_input_is_exit_code_2(words: tuple[str, ...], told: str, demo: Staged) -> None:
    done = run("--url", demo.url, *(word.format(url=demo.url) for word in words), "--lang", "en")
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
