"""Bad input of every kind: one line with input, reason and remedy, in the user's language, and exit code 2."""

# ruff: noqa: E501  # one case a line

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bgecheck.cli.main import run
from bgecheck.cli.nearest import nearest


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that is asked for is written even where the rest of the line is refused."""
    monkeypatch.chdir(tmp_path)


def refusal(line: list[str], language: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The one line that a refused command line gets."""
    monkeypatch.setenv("BGECHECK_LANG", language)
    code = run(line)
    answer = capsys.readouterr()
    assert (code, answer.out, answer.err.count("\n")) == (2, "", 1), answer
    assert answer.err.startswith("bgecheck: ")
    colon, semicolon = ("：", "；") if language == "zh" else (": ", "; ")
    parts = answer.err.removeprefix("bgecheck: ").split(colon, 1)
    assert len(parts) == 2, answer.err
    reason, remedy = parts[1].split(semicolon, 1)
    assert reason.strip()
    assert remedy.strip()
    return answer.err.removeprefix("bgecheck: ").rstrip("\n")


@pytest.mark.parametrize(
    ("line", "en", "zh"),
    [
        ("docter", "docter: no such command; did you mean doctor? See bgecheck -h", "docter：没有这个命令；是不是 doctor？"),
        ("lgos", "lgos: no such command; did you mean logs?", "lgos：没有这个命令；是不是 logs？"),
        ("xyzzy", "xyzzy: no such command; choose: doctor, preflight, logs, ports", "xyzzy：没有这个命令；可选：doctor, preflight, logs"),
        ("doctor --modl x", "--modl: no such option; did you mean --model? See bgecheck doctor -h", "是不是 --model？"),
        ("gpu --wait 5m", "--wait: bgecheck gpu has no such option; it belongs to doctor and logs; see", "它属于 doctor、logs"),
        ("gpu --api-key k", "--api-key: bgecheck gpu has no such option; it belongs to doctor, probe, embed, bench, watch, snippet and dedup", "--api-key：bgecheck gpu 没有这个选项"),
        ("logs --fulll", "--fulll: no such option; did you mean --full of bgecheck doctor?", "是不是 bgecheck doctor 的 --full？"),
        ("doctor --zzz", "--zzz: no such option; see bgecheck doctor -h", "--zzz：没有这个选项；用法见"),
        ("schema --zzz", "--zzz: no such option; see bgecheck schema -h", "--zzz：没有这个选项；用法见"),
        ("doctor --only nope", "nope: no row has this id; list all ids with", "nope：没有这个检查项 ID；用 bgecheck matrix"),
        ("logs --xyzzy", "--xyzzy: no such option; see bgecheck logs -h", "--xyzzy：没有这个选项；用法见 bgecheck logs -h"),
        ("--wait 5m doctor", "--wait: bgecheck doctor has no such option", "--wait：bgecheck doctor 没有这个选项"),
        ("--xyzzy", "--xyzzy: no such option; see bgecheck -h", "--xyzzy：没有这个选项；用法见 bgecheck -h"),
        ("doctor --version", "--version: bgecheck doctor has no such option; write it before the command: bgecheck --version", "写到命令前面"),
        ("schema --lang zh", "", "--lang：bgecheck schema 没有这个选项；写到命令前面"),
        ("doctor --pid abc", "--pid abc: not a whole number; give digits only", "--pid abc：不是整数"),
        ("doctor --pid 1.5", "--pid 1.5: not a whole number", "--pid 1.5：不是整数"),
        ("doctor --expect-dim many", "--expect-dim many: not a whole number", "--expect-dim many：不是整数"),
        ("doctor --model-path /no/such/folder", "--model-path /no/such/folder: there is no such folder on this machine; name", "本机没有这个目录"),
        ("gpu --model-path /no/bge-large-zh-v1.5", "--model-path /no/bge-large-zh-v1.5: there is no such folder", "本机没有这个目录"),
        ("gpu --model-path my/unknown-model", "--model-path my/unknown-model: there is no such folder", "本机没有这个目录"),
        ("embed h\udcff", "TEXT: not valid UTF-8 at character 2; convert it", "TEXT：第 2 个字符不是合法的 UTF-8；"),
        ("probe --model \udcff", "--model: not valid UTF-8 at character 1", "--model：第 1 个字符不是合法的 UTF-8"),
        ("probe --api-key k\udcff", "--api-key: not valid UTF-8 at character 2", "--api-key：第 2 个字符"),
        ("doctor --expect-dim 0", "--expect-dim 0: not a dimension between 1 and 65536", "不是 1 到 65536 之间的维度"),
        ("doctor --expect-dim 65537", "--expect-dim 65537: not a dimension between 1 and 65536", "--expect-dim 65537"),
        ("doctor --pid", "--pid: it needs a value; see bgecheck doctor -h", "--pid：缺少取值"),
        ("doctor --quick=3", "--quick: it takes no value; see bgecheck doctor -h", "不带取值"),
        ("doctor extra", "extra: one argument too many; see bgecheck doctor -h", "extra：多余的参数"),
        ("explain", "ID: it is missing; see bgecheck explain -h", "ID：缺少这个参数"),
        ("explain logs.redy", "logs.redy: no row has this id; did you mean logs.ready?", "logs.redy：没有这个检查项 ID；是不是 logs.ready？"),
        ("doctor --only logs.redy", "--only logs.redy: no row has this id; did you mean logs.ready?", "是不是 logs.ready？"),
        ("doctor --skip lgos", "--skip lgos: no row has this id; did you mean logs.", "lgos：没有这个检查项 ID"),
        ("doctor --ignore logs.redy:known", "--ignore logs.redy: no row has this id; did you mean logs.ready?", "是不是 logs.ready？"),
        ("doctor --skip *", "--only/--skip: they leave no check for bgecheck doctor", "过滤后 bgecheck doctor 没有可执行的检查"),
        ("gpu --only logs", "--only/--skip: they leave no check for bgecheck gpu", "过滤后 bgecheck gpu 没有可执行的检查"),
        ("doctor --fail-on eror", "--fail-on eror: no such choice; did you mean error? Choose: error, warning", "是不是 error？可选"),
        ("doctor --exit-style loud", "--exit-style loud: no such choice; choose: plain, nagios", "--exit-style loud：没有这个取值"),
        ("doctor --lang fr", "--lang fr: no such language; give zh or en", "--lang fr：不支持这种语言；可选 zh 或 en"),
        ("--lang fr matrix", "--lang fr: no such language; give zh or en", "--lang fr：不支持这种语言；可选 zh 或 en"),
        ("doctor -o pdf", "-o pdf: no such format; choose: table, ", "-o pdf：没有这种格式"),
        ("doctor -o json=/no/such/folder/r.json", "-o json=/no/such/folder/r.json: cannot be written", "无法写入"),
        ("doctor --wait soon", "--wait soon: not a duration between 1ms and 24h; write it as 500ms", "--wait soon：不是 1ms 到 24h"),
        ("doctor --timeout 0s", "--timeout 0s: not a duration", "--timeout 0s：不是"),
        ("doctor --deadline 25h", "--deadline 25h: not a duration", "--deadline 25h：不是"),
        ("logs --since yesterday", "--since yesterday: neither a duration nor a time; write it as 10m", "--since yesterday：既不是"),
        ("logs --follow - --since 2h", "--follow -: standard input cannot be followed", "跟踪标准输入时不能用 --since"),
        ("logs --follow a.log b.log", "--follow a.log b.log: one log is followed at a time", "一次只能跟踪一份日志"),
        ("logs a.log -", "a.log -: standard input is one log by itself; give either - or files", "标准输入单独算一份日志"),
        ("logs /none/*.log", "/none/*.log: no file matches; name the file", "/none/*.log：没有匹配的文件"),
        ("logs a.log --log b.log", "a.log --log b.log: two logs; give one", "给了两个日志"),
        ("doctor --quick --full", "--quick --full: they exclude each other; give one", "两者不能同时使用"),
        ("doctor --all --url 127.0.0.1:1", "--all: it excludes --url, --pid and --target; give one", "不能与 --url、--pid、--target 同时使用"),
        ("embed --reference a.npy --against 127.0.0.1:1", "--reference --against: they exclude each other", "两者不能同时使用"),
        ("embed --check-store ftp://h/x", "--check-store ftp://h/x: no vector store begins like this; write it as one of: qdrant://HOST:6333/NAME", "开头不是支持的向量库；可选写法：qdrant://HOST:6333/NAME"),
        ("embed --check-store chroma:/none/there", "--check-store chroma:/none/there: there is no such folder or file on this machine; name the", "本机没有这个目录或文件；写向量库客户端打开的"),
        ("embed --check-store qdrant://h/a/b", "more than a collection behind the host; a local path has no //", "主机后面只能有集合名"),
        ("embed --text-field text", "--text-field text: it belongs to a vector store; name the store with --check-store URI", "--text-field text：它只用于向量库；"),
        ("embed --input a.txt --to a.npy --record b.jsonl", "--input a.txt --record: they exclude each other; compare or record by a run of its own: bgecheck embed --record b.jsonl", "对比或记录要单独运行"),
        ("embed --input a.txt --to a.npy --check-store qdrant://h/a", "--input a.txt --check-store: they exclude each other", "两者不能同时使用；先给文件编码"),
        ("demo --list --serve", "--list: it excludes --fault and --serve; give one", "不能与 --fault、--serve 同时使用"),
        ("demo --fault gpu-omm", "--fault gpu-omm: no such choice; did you mean gpu-oom? See bgecheck demo --list", "是不是 gpu-oom？"),
        ("snippet pyton", "pyton: no such choice; did you mean python? Choose: python, js", "是不是 python？可选：python"),
        ("doctor --url ftp://h:1", "ftp://h:1: only http and https are supported; write it as", "只支持 http 和 https"),
        ("doctor --url http://h:70000", "http://h:70000: the port is not between 1 and 65535", "端口不在 1 到 65535 之间"),
        ("doctor --url :::", ":::: ", ":::："),
        ("doctor --pid 999999999", "--pid 999999999: no process has this number; ", "--pid 999999999：没有这个进程；"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(
    line: str, en: str, zh: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for language, words in (("en", en), ("zh", zh)):
        if language == "en" and "--lang zh" in line:
            continue
        assert words in refusal(line.split(), language, capsys, monkeypatch)


@pytest.mark.parametrize(
    ("line", "en", "zh"),
    [
        (["embed", "   "], "'   ': a blank text has no vector", "空白文本没有向量"),
        (["embed", "好", ""], "'': a blank text has no vector", "空白文本没有向量"),
        (["embed", "好" * 100_001], "好好好好好好好好好好好好好好好好好好好好… (100001): longer than any", "长度上限"),
        (["doctor", "--url", ""], "--url '': it is blank; give a value, or leave it out", "--url ''：内容为空"),
        (["doctor", "--log", ""], "--log '': it is blank; give a value, or leave it out", "--log ''：内容为空"),
        (["logs", " "], "FILE ' ': it is blank", "FILE ' '：内容为空"),
        (["doctor", "--wait", ""], "--wait '': it is blank", "--wait ''：内容为空"),
        (["logs", "--since", ""], "--since '': it is blank", "--since ''：内容为空"),
        (["doctor", "--only", ""], "--only '': it is blank", "--only ''：内容为空"),
        (["doctor", "--only", "gpu", "--only", " "], "--only ' ': it is blank", "--only ' '：内容为空"),
        (["doctor", "--only", " , "], "--only ' , ': it is blank", "--only ' , '：内容为空"),
        (["gpu", "--skip="], "--skip '': it is blank", "--skip ''：内容为空"),
        (["embed", "--model", "", "text"], "--model '': it is blank", "--model ''：内容为空"),
        (["doctor", "--model-path", ""], "--model-path '': it is blank", "--model-path ''：内容为空"),
        (["embed", "--against", ""], "--against '': it is blank", "--against ''：内容为空"),
        (["embed", "--check-store", ""], "--check-store '': it is blank", "--check-store ''：内容为空"),
        (["demo", "--fault", ""], "--fault '': it is blank", "--fault ''：内容为空"),
        (["doctor", "--ignore", ""], "--ignore '': it is blank", "--ignore ''：内容为空"),
        (["doctor", "--ignore", ":later"], "'': no row has this id", "''：没有这个检查项 ID"),
        (["explain", ""], "'': no row has this id", "''：没有这个检查项 ID"),
        (["snippet", ""], "'': no such choice", "''：没有这个取值"),
        (["doctor", "--pid", ""], "--pid '': not a whole number", "--pid ''：不是整数"),
        (["doctor", "--lang", ""], "--lang '': no such language", "--lang ''：不支持这种语言"),
        (["doctor", "-o", ""], "-o '': it is blank", "-o ''：内容为空"),
        (["doctor", "-o", "=a"], "-o '': no such format", "-o ''：没有这种格式"),
        (
            ["doctor", "-o", "json="],
            "-o json='': it names no file; write it as -o json=FILE",
            "-o json=''：没有写文件名",
        ),
        (["doctor", "-o", "table", "-o", "table"], "-o table -o table: both go to stdout", "两份报告都输出到 stdout"),
        (
            ["doctor", "-o", "table=a.x", "-o", "json=./a.x"],
            "-o table=a.x -o json=./a.x: both are written into the same file",
            "写进同一个文件",
        ),
        (["doctor", "--timeout", "9" * 5000 + "s"], "--timeout 999", "--timeout 999"),
        (["x" * 5000], "xxx", "xxx"),
        (["doctor", "--only", "\x1b[31mred"], "red: no row has this id", "red：没有这个检查项 ID"),
        (["--\x1b[31mred"], "--red: no such option", "--red：没有这个选项"),
    ],
)
def test_blank_overlong_and_foreign_values_too(
    line: list[str], en: str, zh: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for language, words in (("en", en), ("zh", zh)):
        answer = refusal(line, language, capsys, monkeypatch)
        assert words in answer
        assert "\x1b" not in answer
        assert len(answer) < 500


def test_a_blank_variable_is_an_unset_one_and_a_blank_key_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("URL", "MODEL", "ONLY", "SKIP", "OUTPUT", "WAIT", "LOG", "API_KEY"):
        monkeypatch.setenv(f"BGECHECK_{name}", "")
    line = [
        "probe",
        "--url",
        "127.0.0.1:1",
        "--api-key",
        "",
        "-o",
        "json",
        "-o",
        "table=/dev/null",
        "-o",
        "json=/dev/null",
    ]
    assert run(line) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["missing", "folder", "binary", "unreadable"])
@pytest.mark.parametrize("form", ["logs", "doctor"])
def test_a_log_that_cannot_be_one_is_refused_by_name(
    kind: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"{kind}.log"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"binary": b"\x7fELF" + bytes(4096), "unreadable": b"text"}[kind])
    if kind == "unreadable":
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("the administrator can read everything")
    line = ["logs", str(path)] if form == "logs" else ["doctor", "--log", str(path)]
    for language in ("en", "zh"):
        answer = refusal(line, language, capsys, monkeypatch)
        assert answer.startswith(str(path))
        assert "bgecheck logs" in answer


@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [
        ("BGECHECK_TIMEOUT", "soon", "doctor"),
        ("BGECHECK_PID", "abc", "gpu"),
        ("BGECHECK_QUICK", "maybe", "probe"),
        ("BGECHECK_OUTPUT", "pdf", "ports"),
        ("BGECHECK_FAIL_ON", "never", "logs"),
    ],
)
def test_a_value_that_came_from_a_variable_is_named_by_it(
    variable: str,
    value: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value)
    for language in ("en", "zh"):
        assert refusal([command], language, capsys, monkeypatch).startswith(f"{variable}={value}")


def test_a_language_that_came_from_the_variable_is_named_by_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BGECHECK_LANG", "fr")
    assert run(["matrix"]) == 2
    assert capsys.readouterr().err == "bgecheck: BGECHECK_LANG=fr: no such language; give zh or en\n"


KEY = "s3cret-Key-0042"


@pytest.mark.parametrize(
    "line",
    [
        ["doctor", "--url", f"http://h:1/v1?api_key={KEY}"],
        ["doctor", "--url", f"http://h:1/v1?token={KEY}&x=1"],
        ["doctor", "--url", f"http://user:{KEY}@h:1/v1"],
        ["doctor", "--url", f"http://{KEY}@h:1/v1"],
        ["doctor", "--api-key", KEY, KEY],
        ["doctor", "--api-key", KEY, "--only", KEY],
        ["doctor", f"--api-key={KEY}", "--log", f"/{KEY}"],
        ["embed", "--against-key", KEY, "--against", f"ftp://h/{KEY}"],
        ["embed", "--check-store", f"ftp://user:{KEY}@h/docs"],
        ["embed", "--check-store", f"qdrant://h/a/b?api_key={KEY}"],
        [f"http://user:{KEY}@h:1/v1"],
        ["--api-key", KEY, "doctor"],
        ["gpu", f"--api-key={KEY}"],
    ],
)
def test_a_refusal_shows_no_key_in_either_language(
    line: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for language in ("en", "zh"):
        assert KEY not in refusal(line, language, capsys, monkeypatch)
    monkeypatch.setenv("BGECHECK_API_KEY", KEY)
    assert KEY not in refusal(["doctor", "--only", KEY], "zh", capsys, monkeypatch)


def test_what_redaction_leaves_of_our_own_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of an option for keys is followed by words that are none."""
    for language in ("en", "zh"):
        answer = refusal(["doctor", "--url", "http://u:p@h:1"], language, capsys, monkeypatch)
        assert answer.count("***") == 1
        assert "BGECHECK_API_KEY" in answer


def test_the_same_line_is_built_for_both_languages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    english, chinese = (refusal(["doctor", "--url", "ftp://h:1"], lang, capsys, monkeypatch) for lang in ("en", "zh"))
    assert english == "ftp://h:1: only http and https are supported; write it as http://127.0.0.1:30000/v1"
    assert chinese == "ftp://h:1：只支持 http 和 https；写成 http://127.0.0.1:30000/v1 这样"


@pytest.mark.parametrize(
    ("given", "names", "expected"),
    [
        ("docter", ("logs", "doctor"), "doctor"),
        ("--modl", ("--all", "--model"), "--model"),
        ("--pid", ("--api-key", "--lid"), "--lid"),
        ("--nope", ("--ignore", "--only"), None),
        ("--foo", ("--follow", "--full", "--log"), None),
        ("--fol", ("--follow", "--full"), "--follow"),
        ("-x", ("--pid",), None),
    ],
)
def test_the_nearest_is_near(given: str, names: tuple[str, ...], expected: str | None) -> None:
    assert nearest(given, names) == expected


def test_nothing_at_all_shows_the_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for language, usage in (("en", "Usage: bgecheck"), ("zh", "用法：bgecheck")):
        monkeypatch.setenv("BGECHECK_LANG", language)
        assert run([]) == 2
        answer = capsys.readouterr()
        assert usage in answer.out
        assert "bgecheck doctor" in answer.out
        assert answer.err == ""


def test_of_two_reports_on_stdout_a_program_gets_the_one_that_it_can_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BGECHECK_LANG", "en")
    assert run(["doctor", "-o", "table", "-o", "json"]) == 2
    answer = capsys.readouterr()
    assert "-o table -o json: both go to stdout" in answer.err
    assert json.loads(answer.out)["exit_code"] == 2
