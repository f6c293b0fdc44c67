"""`bgecheck.toml`: the place of every key, what is refused, and which of four sources a value comes from."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.cli.app import program
from bgecheck.cli.configfile.finding import find
from bgecheck.cli.configfile.meaning import config, problems
from bgecheck.cli.configfile.places import Path as KeyPath
from bgecheck.cli.configfile.places import places
from bgecheck.cli.configfile.reading import TomlFile, read
from bgecheck.cli.main import run
from bgecheck.cli.stderr import refusal
from bgecheck.model import BadInput, Target
from bgecheck.model.target import ServerProcess
from bgecheck.schema import config_schema

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEMA = json.loads(config_schema())


# The place of every key


def paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """The ways to every table, key and item of parsed data."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return set().union({path} if path else set(), *(paths(item, (*path, key)) for key, item in items))


def key_at(text: str, line: int, column: int) -> str:
    return text.split("\n")[line - 1][column - 1 :]


EVERY_SYNTAX = '''
title = "a # no comment" # a comment
"quoted key" = 'literal \\ ' # it's
a.b . "c.d" = 1979-05-27 07:32:00
lists = [ [1, 2], # first
  ["x, ]", """y
z"""], { n = 1, m = [3] } ]
ml = """
[not.a.table]
x = 1 \\""" still"""
ml2 = \'\'\'one \'quote\' ''more\'\'\'
empty = []
[t.u]
k=+inf
[[t.arr]]
name = "one"
[[t.arr]]
name = "two"
[t.arr.deep]
x = {}
[[t.arr.inner]]
y = 0x1F
'''


def test_every_kind_of_syntax_has_its_place() -> None:
    data, located = tomllib.loads(EVERY_SYNTAX), places(EVERY_SYNTAX)
    assert set(located) == paths(data)
    assert located["title",] == (2, 1)
    assert located["a", "b", "c.d"] == (4, 7)
    assert located["lists", 1, 0] == (6, 4)
    assert located["t", "arr", 1, "name"] == (18, 1)
    assert located["t", "arr", 1, "inner", 0, "y"] == (22, 1)


NAMES = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs", "Cc")), max_size=6)
VALUES = st.recursive(
    st.integers(-9, 9) | st.booleans() | NAMES | st.sampled_from(['"', "'", "#", "]", '"""', "\\", "=", "[["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def written(value: Any) -> str:
    """A value as TOML; the strings of JSON are strings of TOML too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[ # [\n" + "".join(f"  {written(item)},\n" for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.lists(st.dictionaries(NAMES, VALUES, max_size=2), max_size=3))
def test_whatever_a_file_holds_every_key_is_found_where_it_stands(top: dict[str, Any], tables: list[Any]) -> None:
    lines = [f"{json.dumps(key)} = {written(value)} # {key!r}" for key, value in top.items() if key != "t"]
    lines += [
        f"[[t]]\n{''.join(f'{json.dumps(k)}={written(v)}' + chr(10) for k, v in table.items())}" for table in tables
    ]
    text = "\n".join(lines).replace("\r", " ")
    data, located = tomllib.loads(text), places(text)
    assert set(located) == paths(data)
    for path, (line, column) in located.items():
        if isinstance(path[-1], str) and path != ("t",):
            assert key_at(text, line, column).startswith(json.dumps(path[-1]))


# What is refused


def wrong(folder: Path, text: str | bytes, language: Any = "en") -> list[str]:
    """The problems of a file, each as its line on stderr."""
    path = folder / "bgecheck.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    try:
        found = list(problems(read(str(path))))
    except BadInput as problem:
        found = [problem]
    return [refusal(problem, language, ()).replace(str(path), "F") for problem in found]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[defaults]\ntimeuot = '3s'\n", "F:2:1: timeuot: no such key; did you mean timeout?"),
        ("[defaults]\nfail-on = 'error'", "F:2:1: fail-on: no such key; did you mean fail_on?"),
        ("timeout = '3s'", "F:1:1: timeout: no such key; write it below [defaults]"),
        ("[default]", "F:1:2: default: no such key; did you mean defaults?"),
        ("[target]\nname='x'", "F:1:2: target = ...: it has to be a list; for example: [[target]]"),
        ("[defaults]\n  expect_dim = '1024'", 'F:2:3: expect_dim = "1024": it has to be a whole number'),
        ("[defaults]\nexpect_dim = true", "F:2:1: expect_dim = true: it has to be a whole number"),
        ("[defaults]\nexpect_dim = 0", "F:2:1: expect_dim = 0: it is no such value"),
        ("[defaults]\nonly = 'logs'", 'F:2:1: only = "logs": it has to be a list'),
        ("[defaults]\nonly = ['logs', 3]", "F:2:17: only = 3: it has to be a text in quotes"),
        ("[defaults]\nonly = ['logs', 'prbe.ready']", "did you mean probe.ready?"),
        ("[defaults]\nignore = ['gpu@2026-13-01']", "F:2:11: ignore"),
        ("[defaults]\nseverity = ['gpu=eror']", "did you mean error?"),
        ("[defaults]\noutput = ['jsn']", "did you mean json?"),
        ("[defaults]\nfail_on = 'warnin'", 'did you mean warning? Choose "error" or "warning"'),
        ("[defaults]\nquick = true\nfull = true", "F:3:1: full = true: it excludes quick = true"),
        ("[defaults]\ntimeout = '25h'", "not a duration between 1ms and 24h"),
        ("[[target]]\nurl = 'x'", "F:1:3: this [[target]] has no name"),
        ("[[target]]\nname = 'a'\nurl = 'ftp://x'", 'F:3:1: url = "ftp://x": only http and https'),
        (
            "[[target]]\nname='a'\nurl='h:1'\n[[target]]\nname='b'\nurl='http://h:1/v1'",
            'F:6:1: url = "http://h:1/v1": the target of line 3 has it too',
        ),
        (
            "[[target]]\nname='a'\nurl='h:1'\n[[target]]\nname='a'\nurl='h:2'",
            'F:5:1: name = "a": the target of line 2 has it too',
        ),
        ("a = \n", "F:1:5: it is no TOML"),
        ("a = 'x", "F:1:7: it is no TOML"),
        ("x" * (2**20 + 1), "F: it is longer than 1 MiB"),
        (b"# \xd6\xd0\n", "F:1: it is not UTF-8"),
        ("a = " + "[" * 5000, "F"),
    ],
)
def test_a_problem_is_one_line_with_its_place_and_what_was_meant(text: str | bytes, line: str, tmp_path: Path) -> None:
    first = wrong(tmp_path, text)[0]
    assert first.startswith("F")
    assert line in first
    assert "\n" not in first
    assert len(wrong(tmp_path, text, "zh")) == len(wrong(tmp_path, text))


def test_all_problems_are_listed_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = wrong(tmp_path, "[defaults]\nx = 1\ntimeout = 3\n[[target]]\ny = 2\n")
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4", "4", "5"]


@pytest.mark.parametrize("key", ["api_key", "api-key", "key", "token", "API_KEY"])
def test_a_key_in_the_file_is_refused_and_not_shown(key: str, tmp_path: Path) -> None:
    (line,) = wrong(tmp_path, f"[defaults]\n{key} = 'verysecret'")
    assert "does not belong into a file" in line
    assert "verysecret" not in line


@pytest.mark.parametrize("pasted", ["sk-abc-defgh", "verysecret123", "sk_live_0123"])
def test_a_key_pasted_for_the_name_of_a_variable_is_not_shown(pasted: str, tmp_path: Path) -> None:
    path = tmp_path / "bgecheck.toml"
    text = f"[[target]]\nname = 'a'\nurl = 'h:1'\napi_key_env = '{pasted}'\n"
    assert not any(pasted in line for line in wrong(tmp_path, text))
    with pytest.raises(BadInput) as refused:
        config(read(str(path))).key(("target", 0), pasted)
    assert pasted not in refusal(refused.value, "en", ())


def test_a_password_in_a_url_is_not_shown(tmp_path: Path) -> None:
    (line,) = wrong(tmp_path, "[[target]]\nname = 'a'\nurl = 'http://me:pass/word@h:1'")
    assert "pass/word" not in line
    assert "F:3:1" in line


@given(st.dictionaries(st.sampled_from(["defaults", "target", "x"]), VALUES, max_size=3))
def test_whatever_a_file_holds_it_is_right_or_refused_in_one_line(data: dict[str, Any]) -> None:
    text = "\n".join(f"{key} = {written(value)}" for key, value in data.items())
    parsed = tomllib.loads(text)
    found = list(problems(TomlFile("F", parsed, places(text))))
    right = jsonschema.Draft202012Validator(SCHEMA).is_valid(parsed)
    assert right or found, "what the schema refuses is refused"
    assert all("\n" not in refusal(problem, "en", ()) for problem in found)


# Where it is found


def test_it_is_found_upwards_as_far_as_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "repository" / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bgecheck.toml").write_text("")
    assert find() == os.path.join("..", "..", "..", "bgecheck.toml")
    (tmp_path / "repository" / ".git").mkdir()
    assert find() is None
    (tmp_path / "repository" / "bgecheck.toml").write_text("")
    assert find() == os.path.join("..", "..", "bgecheck.toml")
    monkeypatch.setenv("HOME", str(below))
    assert find() is None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_somebody_else_has_put_above_is_used_only_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He would say which server the key is sent to."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder.parent))
    path = tmp_path / "bgecheck.toml"
    path.write_text("")
    os.chown(path, 4711, 4711)
    with pytest.raises(BadInput) as refused:
        find()
    assert "it belongs to user 4711" in refusal(refused.value, "en", [])
    assert run(["config", "show", "--config", "../bgecheck.toml"]) == 0
    os.chown(folder, 4711, 4711)
    assert find() == os.path.join("..", "bgecheck.toml")


# The schema, the options, and the four sources


def test_every_setting_of_the_schema_is_an_option_of_doctor_and_shown() -> None:
    from bgecheck.cli.config import _SETTINGS

    keys = set(SCHEMA["$defs"]["defaults"]["properties"])
    doctor = {parameter.name for parameter in program().commands["doctor"].params}
    assert keys - {"api_key_env"} <= doctor
    assert set(_SETTINGS) == keys - {"api_key_env"} | {"api_key"}
    assert doctor - keys - {"api_key"} <= {"pid", "every", "named", "config", "launch", "stop_on_failure", "words"}


SAMPLES: dict[str, tuple[Any, Any, Any]] = {
    "url": ("http://f:1", "http://e:1", "http://o:1"),
    "model": ("f", "e", "o"),
    "log": ("/f.log", "/e.log", "/o.log"),
    "model_path": ("f/f", "e/e", "o/o"),
    "expect_dim": (256, 512, 1024),
    "only": (["logs"], ["gpu"], ["embed"]),
    "skip": (["logs"], ["gpu"], ["embed"]),
    "quick": (True, False, True),
    "full": (True, False, True),
    "verbose": (True, False, True),
    "timeout": ("1s", "2s", "3s"),
    "deadline": ("1s", "2s", "3s"),
    "wait": ("1s", "2s", "3s"),
    "output": (["json"], ["table"], ["json=o.json"]),
    "ignore": (["logs"], ["gpu"], ["embed"]),
    "severity": (["logs=error"], ["gpu=error"], ["embed=error"]),
    "fail_on": ("warning", "error", "warning"),
    "exit_style": ("nagios", "plain", "nagios"),
    "lang": ("zh", "en", "zh"),
    "api_key": ("f-secret", "e-secret", "o-secret"),
}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_an_option_wins_over_a_variable_over_the_file_over_the_default(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `bgecheck config show` tells it, which reads what every command reads."""
    by_file, by_variable, by_option = SAMPLES[name]
    option = "--" + name.replace("_", "-")
    monkeypatch.chdir(tmp_path)

    def origin(*words: str) -> tuple[str, str]:
        assert run(["config", "show", *words]) == 0
        lines = capsys.readouterr().out.splitlines()
        line = next(line for line in lines if line.removeprefix("# ").split(" ")[0] == name)
        assert "secret" not in line
        value, _, source = line.rpartition("  # ")
        return value, source

    def shown(value: Any) -> str:
        return f'{name} = "***"' if name == "api_key" else f"{name} = {json.dumps(value, ensure_ascii=False)}"

    assert origin()[1] in ("default", "not set")
    if name == "api_key":
        monkeypatch.setenv("F_KEY", by_file)
        Path("bgecheck.toml").write_text('[defaults]\napi_key_env = "F_KEY"\n')
        assert origin() == (shown(by_file), "bgecheck.toml:2:1 (F_KEY: set)")
    else:
        Path("bgecheck.toml").write_text(f"[defaults]\n{name} = {json.dumps(by_file)}\n")
        value, source = origin()
        assert (value, source) == (shown(by_file), "bgecheck.toml:2:1")
    text = (
        by_variable[0]
        if isinstance(by_variable, list)
        else str(int(by_variable) if by_variable is False else by_variable)
    )
    monkeypatch.setenv("BGECHECK_" + name.upper(), text)
    assert origin() == (shown(by_variable), "BGECHECK_" + name.upper()) or (name == "lang")
    if by_option is True:
        assert origin(option) == (shown(True), option)
    else:
        assert origin(option, by_option[0] if isinstance(by_option, list) else str(by_option))[0] == shown(by_option)


def test_an_option_of_the_line_wins_over_its_opposite_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bgecheck.toml").write_text("[defaults]\nquick = true\nonly = ['ports']\n")
    assert run(["doctor", "--full", "--url", "127.0.0.1:9"]) == 1
    assert run(["doctor", "--quick", "--full"]) == 2
    capsys.readouterr()


def test_a_language_before_the_command_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bgecheck.toml").write_text('[defaults]\nlang = "zh"\n')
    for words, shown in (([], 'lang = "zh"'), (["--lang", "en"], 'lang = "en"')):
        assert run([*words, "config", "show"]) == 0
        assert shown in capsys.readouterr().out


# init, validate


def test_init_never_writes_over_a_file_and_what_it_writes_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["config", "validate"]) == 2
    assert run(["config", "init"]) == 0
    before = Path("bgecheck.toml").read_text()
    assert run(["config", "init"]) == 2
    assert Path("bgecheck.toml").read_text() == before
    assert run(["config", "validate"]) == 0
    capsys.readouterr()
    Path("bgecheck.toml").write_text("[defaults\n")
    assert run(["config", "validate"]) == 2
    assert "bgecheck.toml:1:10" in capsys.readouterr().err
    assert run(["config", "init", "--force", "--lang", "zh"]) == 0
    assert "设置与目标" in Path("bgecheck.toml").read_text(encoding="utf-8")


def test_every_setting_that_the_starter_shows_as_a_comment_is_right(tmp_path: Path) -> None:
    from bgecheck.cli.configfile.starter import starter

    for language in ("en", "zh"):
        text = starter([], language)
        lines = [line.removeprefix("# ") for line in text.splitlines() if re.match(r"# (\w+ = |\[\[)", line)]
        assert len(lines) > 12
        assert wrong(tmp_path, "\n".join(["[defaults]", *lines])) == []


@pytest.mark.parametrize(
    ("log", "folder", "shown"),
    [
        ("/var/log/sglang.log", "/models/bge", ['log = "/var/log/sglang.log"', 'model_path = "/models/bge"']),
        ("/proc/7/root/var/log/sglang.log", "/proc/7/root/models/bge", []),
        (None, None, []),
    ],
)
def test_the_starter_names_only_files_that_outlive_the_process(
    log: str | None, folder: str | None, shown: list[str]
) -> None:
    from bgecheck.cli.configfile.starter import starter

    server = ServerProcess(
        pid=7,
        argv=(),
        flags={},
        host="127.0.0.1",
        port=30000,
        model_path=folder,
        served_name="bge",
        api_key=None,
        cwd=None,
        log=log,
        started_at=0.0,
    )
    text = starter([(server, Target(url="http://127.0.0.1:30000", host="127.0.0.1", port=30000))], "en")
    assert [line for line in text.splitlines() if line.startswith(("log", "model_path"))] == shown
    assert "/proc/" not in text


@pytest.mark.parametrize("words", [["doctor"], ["probe"], ["ports"], ["gpu"], ["embed", "x"], ["snippet"], ["logs"]])
@pytest.mark.parametrize("given", ["folder", "missing.toml", "broken.toml", "unreadable"])
def test_no_command_runs_with_a_file_that_cannot_be_read(
    words: list[str], given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("broken.toml").write_text("= 3")
    Path("unreadable").symlink_to("unreadable")
    assert run([*words, "--config", given]) == 2
    monkeypatch.setenv("BGECHECK_CONFIG", given)
    assert run(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 2
    assert f"bgecheck: {given}" in captured.err
