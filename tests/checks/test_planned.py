"""The rows about a planned launch: each wrong line is named and mended, and a right one is left alone."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from bgecheck.checks.corrected import CorrectedLine
from bgecheck.checks.launch.attention import attention_looks_both_ways
from bgecheck.checks.launch.facts import LaunchFacts, collect
from bgecheck.checks.launch.line import corrections
from bgecheck.checks.launch.memory import share_is_one
from bgecheck.engines.base import Setting
from bgecheck.engines.planned import Planned
from bgecheck.engines.sglang.arguments import mended
from bgecheck.engines.sglang.installed import interpreter, with_version
from bgecheck.engines.sglang.planned import planned_as_typed, planned_in, secrets
from bgecheck.engines.sglang.settings import COMMAND_LINE
from bgecheck.machine.gpus import Gpu
from bgecheck.model import BadInput, Finding, Secret, Status, Target, say
from bgecheck.model.deadline import Deadline
from bgecheck.run import catalog, engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings
from gpucards import card

MODEL = "python -m sglang.launch_server --model-path /m/bge-large-zh-v1.5"
EXACT = "--is-embedding --disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3"
WITHOUT = EXACT.removeprefix("--is-embedding ")
RIGHT = f"{MODEL} --host 0.0.0.0 --port 30000 {EXACT}"
GIB = 2**30
ROOMY = card(used=0.4)
LITTLE = card(used=21.5)
FULL = card(used=23.8)


def context(planned: Planned | None, folder: str | None = None) -> Context:
    key = planned.api_key if planned else None
    target = Target(
        url="", host="", port=0, api_key=key, model_path=folder or (planned.model_path if planned else None)
    )
    return Context(target, Deadline(10), Settings(before_launch=True, planned=planned))


def of(planned: Planned | None, folder: str | None = None) -> dict[str, Finding]:
    area = catalog.at("before", [catalog.area("launch")])
    return {f.id.removeprefix("launch."): f for f in engine.run(area, context(planned, folder), seconds=10)}


def judged(line: str, version: str | None = "0.5.23", folder: str | None = None) -> dict[str, Finding]:
    return of(with_version(planned_as_typed(shlex.split(line)), version) if version else typed(line), folder)


def typed(line: str) -> Planned:
    return planned_as_typed(shlex.split(line))


def bad(rows: Mapping[str, Finding]) -> set[str]:
    return {name for name, row in rows.items() if row.status.bad}


@pytest.mark.parametrize("version", [None, "0.5.9", "0.5.10", "0.5.16", "0.5.17", "0.5.23", "0.5.99"])
def test_a_right_line_is_left_alone(version: str | None) -> None:
    rows = judged(RIGHT, version)
    assert bad(rows) == set()
    assert rows["line"].status is Status.PASS


@pytest.mark.parametrize(
    "more",
    [
        "--tokenizer-mode auto",
        "--dtype half",
        "--context-length 512",
        "--attention-backend triton",
        "--served-model-name bge --log-level info",
        "--max-running-requests 64",
        "--tp 1",
    ],
)
def test_harmless_options_are_left_alone(more: str) -> None:
    assert bad(judged(f"{RIGHT} {more}")) == set()


@pytest.mark.parametrize(
    ("line", "version", "names"),
    [
        (MODEL, "0.5.23", {"prefix-cache", "chunked-prefill", "line"}),
        (MODEL, "0.5.9", {"pooling", "prefix-cache", "chunked-prefill", "line"}),
        (f"{MODEL} {EXACT}", "0.5.8", {"pooling"}),
        (f"{MODEL} --max-batch-size 16 {EXACT}", "0.5.23", {"flags", "line"}),
        (f"{MODEL} {EXACT} --port 1 --port 2", "0.5.23", {"flags", "line"}),
        (
            f"{MODEL} --is-embedding --disable-radix-cache --chunked-prefill-size -1",
            "0.5.23",
            {"memory-fraction", "line"},
        ),
        (f"{MODEL} {EXACT} --mem-fraction-static 30", "0.5.23", {"flags", "memory-fraction", "line"}),
        (f"{MODEL} {EXACT} --attention-backend fa3", "0.4.9", {"attention-backend", "line", "pooling"}),
        (f"{MODEL} {EXACT} --context-length 8192", "0.5.23", {"context-length", "line"}),
        (f"{MODEL} {EXACT} --context-length 128", "0.5.23", {"context-length", "line"}),
        (f"{MODEL} {EXACT} --api-key sk-abcdefgh", "0.5.23", {"key-visible"}),
        (f"{MODEL} {EXACT} --api-key $KEY --tokenizer-worker-num 4", "0.5.23", {"key-visible"}),
        (f"docker run lmsysorg/sglang:v0.5.23 {MODEL} {EXACT}", None, {"host", "line"}),
        (f"docker run lmsysorg/sglang:v0.5.23 {MODEL} {EXACT} --host localhost", None, {"host", "line"}),
        (f"docker run --network host lmsysorg/sglang:v0.5.23 {MODEL} {EXACT}", None, set()),
        (f"{MODEL} {EXACT} --host 127.0.0.1", "0.5.23", set()),
        (MODEL.replace("bge-large-zh-v1.5", "bge-reranker-large"), "0.5.23", {"pooling"}),
        (
            MODEL.replace("bge-large-zh-v1.5", "m3e-base"),
            "0.5.23",
            {"pooling", "prefix-cache", "chunked-prefill", "line"},
        ),
        (MODEL.replace("bge-large-zh-v1.5", "qwen3-embedding-0.6b"), "0.5.23", {"pooling", "line"}),
        (MODEL.replace("bge-large-zh-v1.5", "qwen3-embedding-0.6b --is-embedding"), "0.5.23", set()),
        (MODEL.replace("bge-large-zh-v1.5", "e5-mistral-7b-instruct"), "0.5.23", set()),
        (f"{RIGHT} --port 99999", "0.5.23", {"flags", "line"}),
        (RIGHT.replace("--model-path", "—model-path"), "0.5.23", {"flags", "line"}),
        (
            f"{MODEL.replace('--model-path', '—model-path')}",
            "0.5.23",
            {"flags", "prefix-cache", "chunked-prefill", "line"},
        ),
        (MODEL.replace("bge-large-zh-v1.5", "model-of-nobody"), "0.5.23", set()),
    ],
)
def test_what_is_wrong_is_named(line: str, version: str | None, names: set[str]) -> None:
    assert bad(judged(line, version) if version else of(with_version(typed(line), None))) == names


@pytest.mark.parametrize("version", ["0.5.9", "0.5.16", "0.5.23"])
@pytest.mark.parametrize(
    "line",
    [
        f"{MODEL} --host 0.0.0.0 --port 30000 --tokenizer-mode auto --max-batch-size 16 --dtype half",
        MODEL,
        f"{MODEL} --gpu-memory-utilization 90",
        f"{MODEL} --task embed --max-model-len 512 --enforce-eager",
        f"{MODEL} --chunked-prefill-size 2048 --disable-radix-cache=true",
        f"{MODEL} --context-length 8k —port 30000",
        f"docker run lmsysorg/sglang {MODEL}",
    ],
)
def test_a_corrected_line_is_right(line: str, version: str) -> None:
    planned = with_version(typed(line), version)
    facts = collect(context(planned))
    again = shlex.join(mended(planned.written.words, corrections(facts)))
    assert bad(judged(again, version)) == set(), again


def test_the_line_carries_its_marks() -> None:
    row = judged(f"{MODEL} --max-batch-size 16")["line"]
    assert isinstance(row.data, CorrectedLine)
    assert row.commands == (f"{MODEL} --max-running-requests 16 {EXACT}",)
    assert all(evidence.observed for evidence in row.evidence)


@pytest.mark.parametrize(
    ("options", "version", "changes"),
    [
        (f"--max-batch-size 16 {EXACT}", "0.5.23", ["--max-batch-size 16 -> --max-running-requests 16"]),
        (WITHOUT, "0.5.16", ["+ --is-embedding"]),
        (WITHOUT, "0.5.17", []),
        (f"{EXACT} --mem-fraction-static 1", "0.5.23", ["- --mem-fraction-static 0.3", "1 -> 0.3"]),
        (f"{WITHOUT} --is-embedding true", "0.5.23", ["- true"]),
    ],
    ids=["other name", "missing", "needless from 0.5.17 on", "twice, and no share", "too much"],
)
def test_each_change_of_the_line_is_shown_as_what_is_added_replaced_or_taken_away(
    options: str, version: str, changes: list[str]
) -> None:
    row = judged(f"{MODEL} {options}", version)["line"]
    assert row.status is (Status.WARN if changes else Status.PASS)
    assert [say(e.subject, "en") for e in row.evidence if say(e.subject, "en") != "changes"] == changes


def test_a_share_that_is_none_is_told_as_it_was_given() -> None:
    row = judged(f"{MODEL} {EXACT} --mem-fraction-static 30")["memory-fraction"]
    assert say(row.cause, "en").startswith("30 is no share")


def test_a_key_is_never_shown() -> None:
    rows = judged(f"{MODEL} --api-key very-secret-thing --max-batch-size 16")
    shown = " ".join(str((f.evidence, f.cause, f.fix, f.commands, f.values)) for f in rows.values())
    assert "very-secret-thing" not in shown
    assert '--api-key "${BGECHECK_API_KEY:?export it first}"' in rows["line"].commands[0]


def test_without_a_command_nothing_is_judged() -> None:
    rows = of(None)
    assert {row.status for row in rows.values()} == {Status.SKIP}
    assert "bgecheck preflight -- " in str(rows["readable"].reason)


def test_every_row_of_the_area_is_there_in_either_case() -> None:
    assert list(of(None)) == list(judged(RIGHT))


def test_a_release_between_two_is_judged_by_both() -> None:
    row = judged(f"{RIGHT} --context-length 1k", "0.5.10")["flags"]
    assert row.status is Status.WARN
    assert "--sglang-version" in str(row.fix)


def test_where_the_release_is_not_known_the_oldest_and_the_newest_compared_are_named() -> None:
    observed = say(judged(RIGHT, None)["flags"].evidence[0].observed, "en")
    oldest, newest = re.findall(r"\d+\.\d+\.[\w.]+", observed)
    assert observed == f"taken by sglang {oldest} to {newest} (the release is not known)"
    assert (oldest.startswith("0.4."), newest) == (True, "0.5.23")


@pytest.mark.parametrize(
    ("share", "status"),
    [
        ("0.3", True),
        ("0.99", True),
        ("0.01", True),
        ("$SHARE", None),
        ("1", False),
        ("0", False),
        ("-0.3", False),
        ("30", False),
        ("nan", False),
    ],
)
def test_what_the_line_alone_shows_of_a_share(share: str, status: bool | None) -> None:
    facts: LaunchFacts = collect(context(with_version(typed(f"{MODEL} --mem-fraction-static={share}"), "0.5.23")))
    assert share_is_one(facts).holds is status


@pytest.mark.parametrize(
    ("options", "card", "share"),
    [
        (EXACT, ROOMY, None),
        (f"{EXACT} --mem-fraction-static 0.9", ROOMY, None),
        (f"{EXACT} --mem-fraction-static 0.02", ROOMY, "0.1"),
        (f"{EXACT} --mem-fraction-static 7", ROOMY, "0.3"),
        (f"{EXACT} --mem-fraction-static 7", LITTLE, "0.33"),
        ("--is-embedding --disable-radix-cache --chunked-prefill-size -1", LITTLE, "0.33"),
        (EXACT, LITTLE, "0.33"),
        (EXACT, FULL, None),
    ],
)
def test_the_share_of_the_corrected_line_is_one_for_the_card(options: str, card: Gpu, share: str | None) -> None:
    planned = with_version(typed(f"{MODEL} {options}"), "0.5.23")
    facts = collect(context(planned))._replace(gpus=(card,))
    options_of = typed(shlex.join(mended(planned.written.words, corrections(facts)))).options
    given = options.split()[-1] if "mem-fraction" in options else "0.3"
    assert options_of.get("mem-fraction-static", "0.3") == (share or given)
    need = facts.footprint
    assert need is not None
    assert card is FULL or need.fits(float(options_of["mem-fraction-static"]), card.free or 0)


def test_a_folder_tells_the_architecture(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    rows = judged(f"python -m sglang.launch_server --model-path {tmp_path}", folder=str(tmp_path))
    assert {"prefix-cache", "chunked-prefill"} <= bad(rows)


def test_the_images_tag_tells_the_release(tmp_path: Path) -> None:
    for image, version in (
        ("lmsysorg/sglang:v0.5.9-cu124", "0.5.9"),
        ("registry.local:5000/sglang:0.5.3.post3", "0.5.3.post3"),
        ("lmsysorg/sglang:latest", None),
    ):
        (tmp_path / "compose.yml").write_text(f"services: {{a: {{image: '{image}', command: '{MODEL}'}}}}")
        (planned,) = planned_in(str(tmp_path / "compose.yml"))
        assert with_version(planned, None).version == version


def test_the_interpreters_own_environment_is_asked(tmp_path: Path) -> None:
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\ncase "$2" in *sglang*) echo 0.5.16;; esac\n')
    python.chmod(0o755)
    planned = with_version(typed(MODEL.replace("python", str(python), 1)), None)
    assert (planned.version, planned.interpreter) == ("0.5.16", str(python))
    python.write_text("#!/bin/sh\nexit 1\n")
    assert with_version(typed(MODEL.replace("python", str(python), 1)), None).version is None


@pytest.mark.parametrize(
    "line", ["conda run -n x python -m sglang.launch_server", "sudo python -m sglang.launch_server"]
)
def test_another_programs_environment_is_not_known(line: str) -> None:
    assert interpreter(typed(line).written) is None


def test_an_environment_that_a_script_activates_is_the_one_that_is_asked(tmp_path: Path) -> None:
    python = tmp_path / "env/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 0.5.16\n")
    python.chmod(0o755)
    script = tmp_path / "serve.sh"
    for line, found in (
        (f"source {tmp_path}/env/bin/activate", str(python)),
        (f". {tmp_path}/env/bin/activate", str(python)),
        (f"export PATH={tmp_path}/env/bin:$PATH", str(python)),
        (f"source {tmp_path}/gone/bin/activate", None),
        ("source $ENVS/env/bin/activate", None),
        ("conda activate bge", None),
        ("source activate bge", None),
        ("micromamba activate bge", None),
    ):
        script.write_text(f"{line}\n{MODEL}\n")
        (planned,) = planned_in(str(script))
        assert with_version(planned, None).interpreter == found
    script.write_text(f"bash -lc 'source {tmp_path}/env/bin/activate && exec {MODEL}'\n")
    (planned,) = planned_in(str(script))
    assert with_version(planned, None).version == "0.5.16"
    script.write_text(f"su - bge -c '{MODEL}'\n")
    (planned,) = planned_in(str(script))
    assert with_version(planned, None).interpreter is None


def test_a_version_that_is_none_is_bad_input() -> None:
    for given in ("latest", "5", ""):
        with pytest.raises(BadInput, match="it is no release of sglang"):
            with_version(typed(MODEL), given)
    assert with_version(typed(MODEL), "v0.5.9").version == "0.5.9"


def test_a_secret_is_no_part_of_what_is_printed() -> None:
    planned = typed(f"{MODEL} --api-key secret-of-mine")
    assert planned.api_key == Secret("secret-of-mine")
    assert "secret-of-mine" not in repr(planned.written)


def test_a_variable_that_is_named_like_a_key_is_hidden() -> None:
    line = f"docker run -e HF_TOKEN=abcdef123456 -e TOKENIZERS_PARALLELISM=disabled x/sglang:v0.5.9 {MODEL}"
    assert secrets(typed(line)) == (Secret("abcdef123456"),)
    assert secrets(typed(f"OPENAI_API_KEY=qwertyuiop {MODEL} --admin-api-key zz")) == (
        Secret("qwertyuiop"),
        Secret("zz"),
    )


def test_a_model_that_generates_is_asked_for_embeddings() -> None:
    planned = typed("sglang serve Qwen/Qwen3-Embedding-0.6B --port 99999")
    changes = corrections(collect(context(with_version(planned, "0.5.23"))))
    words = mended(planned.written.words, changes)
    assert words == shlex.split("sglang serve Qwen/Qwen3-Embedding-0.6B --port 30000 --is-embedding")


def test_a_setting_is_named_as_a_chinese_engineer_writes() -> None:
    assert Setting(1, COMMAND_LINE).label("dtype").zh == "启动命令行的 dtype"
    assert Setting(1, "/server_info").label("dtype").zh == "/server_info 的 dtype"


B200, H100, A10, T4 = ((10, 0), (9, 0), (8, 6), (7, 5))


@pytest.mark.parametrize(
    ("options", "version", "capability", "amx", "written"),
    [
        ("--attention-backend fa3", "0.5.23", H100, None, None),
        ("--attention-backend fa3", "0.5.23", A10, None, None),
        ("--attention-backend fa3", "0.5.23", T4, None, "triton"),
        ("--attention-backend fa3", "0.5.23", B200, None, "triton"),
        ("--attention-backend fa3", "0.5.23", None, None, None),
        ("--attention-backend trtllm_mha", "0.5.23", H100, None, None),
        ("--attention-backend trtllm_mha", "0.5.9", H100, None, "triton"),
        ("--attention-backend trtllm_mha", "0.5.23", A10, None, "triton"),
        ("--attention-backend intel_amx", "0.5.23", A10, None, "triton"),
        ("--attention-backend flashinfer", "0.5.23", T4, None, None),
        ("--attention-backend wave", "0.5.23", T4, None, None),
        ("", "0.5.16", B200, None, "triton"),
        ("", "0.5.17", B200, None, None),
        ("", "0.5.9", H100, None, None),
        ("", "0.5.9", None, None, None),
        ("--device cpu", "0.5.9", None, True, "torch_native"),
        ("--device cpu", "0.5.9", None, False, None),
        ("--device cpu", "0.5.9", None, None, None),
        ("--device cpu", "0.5.23", None, True, None),
        ("--device cpu --attention-backend flashinfer", "0.5.23", None, False, "torch_native"),
        ("--device cpu --attention-backend torch_native", "0.5.9", None, True, None),
        ("--device npu --attention-backend ascend", "0.5.23", None, None, None),
        ("--device npu --attention-backend intel_xpu", "0.5.23", None, None, "torch_native"),
    ],
)
def test_a_backend_is_for_device_and_card(
    options: str, version: str, capability: tuple[int, int] | None, amx: bool | None, written: str | None
) -> None:
    planned = with_version(typed(f"{MODEL} {EXACT} {options}"), version)
    cards = (card(capability=capability),) if capability else ()
    facts = collect(context(planned))._replace(gpus=cards, amx=amx)
    assert (attention_looks_both_ways(facts).holds is False) is (written is not None)
    again = typed(shlex.join(mended(planned.written.words, corrections(facts)))).options
    assert again.get("attention-backend") == (written or planned.options.get("attention-backend"))


def test_which_backend_will_be_taken_is_left_open_where_the_release_is_not_known() -> None:
    """Whatever the card: on it the choice differs by release."""
    facts: LaunchFacts = collect(context(typed(RIGHT)))
    for known in (facts, facts._replace(gpus=(ROOMY,))):
        outcome = attention_looks_both_ways(known)
        assert (outcome.holds, say(outcome.reason or "", "en")) == (None, "sglang's version is not known")


@pytest.mark.parametrize(
    ("text", "line", "names"),
    [
        (
            "is-embedding: true\ndisable-radix-cache: true\nchunked-prefill-size: -1\nmem-fraction-static: 0.3",
            "",
            set(),
        ),
        ("# a remark\n", EXACT, set()),
        ("disable-radix-cache: false", EXACT, set()),
        ("disable-radix-cache: false", EXACT.replace("--disable-radix-cache ", ""), {"prefix-cache", "line"}),
        ("mem-fraction-static: 30", EXACT, set()),
        ("mem-fraction-static: much", EXACT, {"flags"}),
        ("disable_radix_cache: true", EXACT, {"flags"}),
        ("max-batch-size: 16", EXACT, {"flags"}),
        ("chunked-prefill-size: 4096", EXACT, set()),
        ("chunked-prefill-size: 4096", EXACT.replace("--chunked-prefill-size -1 ", ""), {"chunked-prefill", "line"}),
        ("- is-embedding", EXACT, {"flags"}),
        ("a: [", EXACT, {"flags"}),
        ("a: !!python/object/apply:os.system [id]", EXACT, {"flags"}),
        (None, EXACT, {"flags"}),
    ],
)
def test_a_file_of_options_is_merged_under_the_line(
    tmp_path: Path, text: str | None, line: str, names: set[str]
) -> None:
    file = tmp_path / "sglang.yaml"
    if text is not None:
        file.write_text(f"{text}\n")
    rows = judged(f"{MODEL} {line} --config {file}")
    assert bad(rows) == names
    if "line" in names:
        (command,) = rows["line"].commands
        assert f"--config {file}" in command
        assert bad(judged(command)) == set(), command


def test_a_mistake_in_a_file_of_options_is_named_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "sglang.yaml"
    file.write_text(f"model-path: /m/bge-large-zh-v1.5\n\nmax-batch-size: 16\n{_as_yaml(EXACT)}")
    rows = judged(f"python -m sglang.launch_server --config {file}")
    assert bad(rows) == {"flags"}
    assert f"{file}:3" in str(rows["flags"].cause)
    assert f"in {file}:3 write --max-running-requests" in str(rows["flags"].fix)


def _as_yaml(options: str) -> str:
    pairs = (option.strip().partition(" ") for option in options.split("--")[1:])
    return "".join(f"{name}: {value or 'true'}\n" for name, _, value in pairs)


def test_a_file_that_a_container_alone_has_is_not_judged() -> None:
    rows = judged(f"docker run --network host lmsysorg/sglang:v0.5.23 {MODEL} {EXACT} --config /conf/sglang.yaml")
    assert bad(rows) == set()


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        ("HF_TOKEN=hf_abcdefghijkl ", 'HF_TOKEN="$HF_TOKEN" '),
        ("CUDA_VISIBLE_DEVICES=0 HF_TOKEN='hf_abc def' ", 'CUDA_VISIBLE_DEVICES=0 HF_TOKEN="$HF_TOKEN" '),
        ("docker run -e HF_TOKEN=hf_abcdefghijkl lmsysorg/sglang:v0.5.23 ", 'HF_TOKEN="$HF_TOKEN" '),
        ("TOKENIZERS_PARALLELISM=false ", "TOKENIZERS_PARALLELISM=false "),
        ("HF_HOME=/data ", "HF_HOME=/data "),
    ],
)
def test_a_key_before_a_command_becomes_its_variable(tmp_path: Path, before: str, shown: str) -> None:
    (tmp_path / "serve.sh").write_text(f"#!/bin/sh\n{before}{MODEL}\n")
    (planned,) = planned_in(str(tmp_path / "serve.sh"))
    row = of(with_version(planned, "0.5.23"))["line"]
    assert shown in row.commands[0]
    assert "hf_abc" not in str((row.evidence, row.commands))
    assert ("HF_TOKEN" in [str(evidence.subject) for evidence in row.evidence]) is ("HF_TOKEN" in before)


@pytest.mark.parametrize(
    ("item", "refused"), [("30000", True), ("0.3", True), ("true", True), ('"30000"', False), ("'true'", False)]
)
def test_a_list_of_words_takes_strings_alone(tmp_path: Path, item: str, refused: bool) -> None:
    value = item.strip("'\"")
    option = {"30000": "--port", "0.3": "--mem-fraction-static", "true": "--served-model-name"}[value]
    rest = "".join(f"\n      - {json.dumps(word)}" for word in MODEL.split())
    file = tmp_path / "compose.yml"
    file.write_text(
        f"services:\n  a:\n    network_mode: host\n    image: lmsysorg/sglang:v0.5.23\n    command:{rest}"
        f"\n      - {option}\n      - {item}\n"
    )
    (planned,) = planned_in(str(file))
    rows = of(with_version(planned, "0.5.23"))
    assert ("no string" in str(rows["flags"].cause)) is refused
    if refused:
        assert f'- "{value}"' in "\n".join(rows["line"].commands)


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-7B-Instruct", "meta-llama/Llama-3.1-8B", "deepseek-ai/DeepSeek-V3"])
def test_a_model_that_generates_by_its_name_is_named(name: str) -> None:
    row = judged(f"python -m sglang.launch_server --model-path {name} --is-embedding")["pooling"]
    assert row.status is Status.WARN
    assert "generates texts" in str(row.cause)


@pytest.mark.parametrize(
    "name", ["Qwen/Qwen3-Embedding-0.6B", "intfloat/e5-mistral-7b-instruct", "Alibaba-NLP/gte-Qwen2-7B-instruct"]
)
def test_a_model_for_vectors_on_such_a_base_is_not(name: str) -> None:
    row = judged(f"python -m sglang.launch_server --model-path {name} --is-embedding")["pooling"]
    assert row.status is not Status.WARN


def test_a_hub_id_is_judged_by_what_the_cache_has_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launch would load that snapshot: an encoder of no known name is one nevertheless."""
    entry = tmp_path / "hub" / "models--acme--own"
    snapshot = entry / "snapshots" / "0123456789abcdef"
    snapshot.mkdir(parents=True)
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text("0123456789abcdef")
    (snapshot / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    rows = judged("python -m sglang.launch_server --model-path acme/own --is-embedding")
    assert rows["prefix-cache"].status is Status.FAIL
