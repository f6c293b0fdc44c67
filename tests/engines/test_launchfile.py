"""Launch commands are found in every form of file, and are written back in it; what is not changed stays as it is."""

from __future__ import annotations

import json
import shlex
import textwrap
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.engines.launchfile.reading import LARGEST, form_of
from bgecheck.engines.launchfile.rewriting import corrected
from bgecheck.engines.launchfile.shell import commands
from bgecheck.engines.launchfile.words import UnclosedQuote
from bgecheck.engines.planned import Change, Form, Planned
from bgecheck.engines.sglang.arguments import faults, keys
from bgecheck.engines.sglang.planned import planned_as_typed, planned_in
from bgecheck.engines.sglang.releases import newest
from bgecheck.model import BadInput, Text

ADDED = Change((), ("--is-embedding", "--chunked-prefill-size", "-1"), Text("", ""))
"""A switch and an option with a value, behind what is there."""


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
    return str(path)


def mended(planned: Planned, *changes: Change) -> str:
    words = planned.written.words
    found = [fault.change for fault in faults(words, newest()) if fault.change is not None]
    return "\n".join(corrected(planned.written, [*found, *changes], keys(words)))


CASES = {
    "options on lines of their own": (
        "serve.sh",
        """
        #!/bin/bash
        set -euo pipefail
        MODEL=/models/bge-large-zh-v1.5   # where it lies
        PORT=${PORT:-30000}
        export CUDA_VISIBLE_DEVICES=1
        echo "python -m sglang.launch_server --max-batch-size 1"
        # python -m sglang.launch_server --max-batch-size 2
        nohup python3 -m sglang.launch_server \\
            --model-path "$MODEL" \\
            --host 0.0.0.0 --port $PORT \\
            --max-batch-size 16 \\
            --dtype fp16 > server.log 2>&1 &
        """,
        ("/models/bge-large-zh-v1.5", 30000),
        """
        nohup python3 -m sglang.launch_server \\
            --model-path "$MODEL" \\
            --host 0.0.0.0 --port $PORT \\
            --max-running-requests 16 \\
            --dtype half \\
            --is-embedding \\
            --chunked-prefill-size -1 > server.log 2>&1 &
        """,
    ),
    "one line, prefixed variables, exec": (
        "run",
        """
        #!/bin/sh
        CUDA_VISIBLE_DEVICES=0 exec python -m sglang.launch_server --model-path=/m/bge --port=8000 --max-batch-size=16
        """,
        ("/m/bge", 8000),
        """
        CUDA_VISIBLE_DEVICES=0 exec python -m sglang.launch_server --model-path=/m/bge --port=8000 --max-running-requests=16 --is-embedding --chunked-prefill-size -1
        """,
    ),
    "an array of options": (
        "array.sh",
        """
        ARGS=(
          --model-path /m/bge    # the model
          --port 8000
        )
        ARGS+=(--max-batch-size 16)
        python -m sglang.launch_server "${ARGS[@]}"
        """,
        ("/m/bge", 8000),
        """
        python -m sglang.launch_server --model-path /m/bge --port 8000 --max-running-requests 16 --is-embedding --chunked-prefill-size -1
        """,
    ),
    "in a branch, after &&, with a variable from outside": (
        "branch.sh",
        """
        if [ -d "$1" ]; then
            cd /srv && python -m sglang.launch_server --model-path "$1" --port ${2:-8000} $EXTRA
        fi
        """,
        ("$1", 8000),
        """
            cd /srv && python -m sglang.launch_server --model-path "$1" --port ${2:-8000} $EXTRA --is-embedding --chunked-prefill-size -1
        """,
    ),
    "docker run": (
        "docker.sh",
        """
        docker run -d --gpus all -p 30000:30000 -v /data/models:/models --ipc=host \\
          lmsysorg/sglang:v0.5.9-cu124 \\
          python3 -m sglang.launch_server --model-path /models/bge --max-batch-size 16
        """,
        ("/models/bge", 30000),
        """
        docker run -d --gpus all -p 30000:30000 -v /data/models:/models --ipc=host \\
          lmsysorg/sglang:v0.5.9-cu124 \\
          python3 -m sglang.launch_server --model-path /models/bge --max-running-requests 16 --is-embedding --chunked-prefill-size -1
        """,
    ),
    "a shell within": (
        "within.sh",
        """
        docker run --gpus all lmsysorg/sglang:latest bash -c "pip install x && python3 -m sglang.launch_server --model-path /m/bge --task embed"
        """,
        ("/m/bge", 30000),
        """
        docker run --gpus all lmsysorg/sglang:latest bash -c "pip install x && python3 -m sglang.launch_server --model-path /m/bge --is-embedding --is-embedding --chunked-prefill-size -1"
        """,
    ),
    "compose, folded": (
        "docker-compose.yml",
        """
        services:
          bge:
            image: lmsysorg/sglang:v0.5.9
            command: >
              python3 -m sglang.launch_server
              --model-path /models/bge
              --max-batch-size 16
              --port ${PORT:-30001}
            restart: always
        """,
        ("/models/bge", 30001),
        """
            command: >
              python3 -m sglang.launch_server
              --model-path /models/bge
              --max-running-requests 16
              --port ${PORT:-30001}
              --is-embedding
              --chunked-prefill-size -1
        """,
    ),
    "compose, a list of lines with a remark": (
        "compose.yaml",
        """
        services:
          bge:
            entrypoint: python3 -m sglang.launch_server
            command:
              - --model-path
              - /models/bge
              - --max-batch-size  # as in the guide
              - "16"
        """,
        ("/models/bge", 30000),
        """
            entrypoint: python3 -m sglang.launch_server
            command:
              - --model-path
              - /models/bge
              - --max-running-requests  # as in the guide
              - "16"
              - --is-embedding
              - --chunked-prefill-size
              - "-1"
        """,
    ),
    "compose, a list in brackets": (
        "compose.yml",
        """
        services:
          bge:
            command: ["python3", "-m", "sglang.launch_server", "--model-path", "/m/bge", "--port=8000"]
        """,
        ("/m/bge", 8000),
        """
            command: ["python3", "-m", "sglang.launch_server", "--model-path", "/m/bge", "--port=8000", "--is-embedding", "--chunked-prefill-size", "-1"]
        """,
    ),
    "compose, a string with escapes": (
        "escapes.yml",
        """
        services:
          bge:
            command: "python3 -m sglang.launch_server --model-path \\"/m/b ge\\" --max-batch-size 16"
        """,
        ("/m/b ge", 30000),
        """
            command: "python3 -m sglang.launch_server --model-path '/m/b ge' --max-running-requests 16 --is-embedding --chunked-prefill-size -1"
        """,
    ),
    "Kubernetes, arguments": (
        "bge.yaml",
        """
        apiVersion: v1
        kind: Service
        metadata: {name: bge}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: bge}
        spec:
          template:
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.16-cu128
                env:
                - {name: MODEL, value: /models/bge}
                command: ["python3", "-m", "sglang.launch_server"]
                args:
                - --model-path
                - $(MODEL)
                - --max-num-seqs=16
        """,
        ("/models/bge", 30000),
        """
                command: ["python3", "-m", "sglang.launch_server"]
                args:
                - --model-path
                - $(MODEL)
                - --max-running-requests=16
                - --is-embedding
                - --chunked-prefill-size
                - "-1"
        """,
    ),
    "Kubernetes, a script": (
        "job.yaml",
        """
        apiVersion: batch/v1
        kind: Job
        metadata: {name: bge}
        spec:
          template:
            spec:
              containers:
                - name: bge
                  command: [bash, -lc]
                  args:
                    - |
                      set -e
                      exec python3 -m sglang.launch_server \\
                        --model-path /models/bge \\
                        --max-batch-size 16
        """,
        ("/models/bge", 30000),
        """
                  command: [bash, -lc]
                  args:
                    - |
                      set -e
                      exec python3 -m sglang.launch_server \\
                        --model-path /models/bge \\
                        --max-running-requests 16 \\
                        --is-embedding \\
                        --chunked-prefill-size -1
        """,
    ),
    "systemd": (
        "bge.service",
        """
        [Unit]
        Description=bge

        [Service]
        WorkingDirectory=/srv/bge
        Environment="CUDA_VISIBLE_DEVICES=1" PORT=8001
        ExecStart=/opt/venv/bin/python -m sglang.launch_server \\
            --model-path /models/bge --port ${PORT} \\
            --served-model-name %i \\
            --max-batch-size 16
        Restart=always
        """,
        ("/models/bge", 8001),
        """
        ExecStart=/opt/venv/bin/python -m sglang.launch_server \\
            --model-path /models/bge --port ${PORT} \\
            --served-model-name %i \\
            --max-running-requests 16 \\
            --is-embedding \\
            --chunked-prefill-size -1
        """,
    ),
    "supervisord": (
        "bge.conf",
        """
        [supervisord]
        nodaemon=true
        [program:bge]
        command=/opt/venv/bin/python -m sglang.launch_server
            --model-path /models/bge
            --max-batch-size 16 ; as in the guide
        environment=CUDA_VISIBLE_DEVICES="0",HF_HUB_OFFLINE="1"
        """,
        ("/models/bge", 30000),
        """
        command=/opt/venv/bin/python -m sglang.launch_server
            --model-path /models/bge
            --max-running-requests 16
            --is-embedding
            --chunked-prefill-size -1 ; as in the guide
        """,
    ),
    "an image, exec form": (
        "Dockerfile",
        """
        FROM lmsysorg/sglang:v0.5.9-cu124
        ENTRYPOINT ["python3", "-m", "sglang.launch_server"]
        CMD ["--model-path", "/m/bge", "--max-batch-size", "16"]
        """,
        ("/m/bge", 30000),
        """
        ENTRYPOINT ["python3", "-m", "sglang.launch_server"]
        CMD ["--model-path", "/m/bge", "--max-running-requests", "16", "--is-embedding", "--chunked-prefill-size", "-1"]
        """,
    ),
    "an image, shell form": (
        "Dockerfile.bge",
        """
        FROM lmsysorg/sglang:v0.5.9-cu124
        ENV MODEL=/m/bge PORT=8002
        CMD python3 -m sglang.launch_server --model-path $MODEL --port $PORT \\
            --max-batch-size 16
        """,
        ("/m/bge", 8002),
        """
        CMD python3 -m sglang.launch_server --model-path $MODEL --port $PORT \\
            --max-running-requests 16 \\
            --is-embedding \\
            --chunked-prefill-size -1
        """,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_command_is_found_and_written_back(case: str, tmp_path: Path) -> None:
    name, text, (model, port), expected = CASES[case]
    (planned,) = planned_in(written(tmp_path, name, text))
    assert (planned.model, planned.port) == (model, port)
    assert textwrap.dedent(mended(planned, ADDED)) == textwrap.dedent(expected).strip("\n")


@pytest.mark.parametrize("case", CASES)
def test_what_is_printed_can_be_put_back(case: str, tmp_path: Path) -> None:
    """The file with its lines replaced by those that are printed launches what was meant."""
    name, text, _, _ = CASES[case]
    path = written(tmp_path, name, text)
    (planned,) = planned_in(path)
    whole, (begin, end) = planned.written.text, (planned.written.block[0][0], planned.written.block[-1][1])
    Path(path).write_text(whole[:begin] + mended(planned, ADDED) + whole[end:], "utf-8")
    (again,) = planned_in(path)
    assert again.options["chunked-prefill-size"] == "-1"
    assert "is-embedding" in again.options
    assert (again.model, again.port) == (planned.model, planned.port)
    assert not [fault for fault in faults(again.written.words, newest()) if fault.refused]
    if path.endswith((".yml", ".yaml")):
        assert list(yaml.safe_load_all(Path(path).read_text("utf-8")))


def test_nothing_changed_is_printed_as_it_was(tmp_path: Path) -> None:
    for name, text, _, _ in CASES.values():
        (planned,) = planned_in(written(tmp_path, name, text))
        (begin, end) = (planned.written.block[0][0], planned.written.block[-1][1])
        as_it_was = [line for line in planned.written.text[begin:end].split("\n") if line.strip()]
        assert list(corrected(planned.written, ())) == as_it_was


def test_every_service_is_a_launch_of_its_own(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "docker-compose.yml",
        """
        x-common: &common
          image: lmsysorg/sglang:v0.5.9
          volumes: ["./models:/models", "cache:/root/.cache"]
          environment: {CUDA_VISIBLE_DEVICES: "0"}
        services:
          large:
            <<: *common
            command: python3 -m sglang.launch_server --model-path /models/large --port 30000
          small:
            <<: *common
            network_mode: host
            command: python3 -m sglang.launch_server --model-path /models/small --port 30001
          again:
            extends: {service: small}
            environment: [CUDA_VISIBLE_DEVICES=1]
          redis:
            image: redis
        """,
    )
    large, small, again = planned_in(path)
    assert [one.written.name for one in (large, small, again)] == ["large", "small", "again"]
    assert large.model_path == str(tmp_path / "models/large")
    assert (large.written.own_network, small.written.own_network, again.written.own_network) == (True, False, False)
    assert again.launch.environment == {"CUDA_VISIBLE_DEVICES": "1"}
    assert large.contained
    assert large.written.image == "lmsysorg/sglang:v0.5.9"


def test_a_key_becomes_a_variable(tmp_path: Path) -> None:
    for name, text, expected in (
        ("k.sh", "python -m sglang.launch_server --model-path /m --api-key sk-secret1", '"${BGECHECK_API_KEY:?export'),
        (
            "k.sh",
            "python -m sglang.launch_server --model-path /m --api-key=sk-secret1",
            '--api-key="${BGECHECK_API_KEY',
        ),
        ("k.sh", 'python -m sglang.launch_server --model-path /m --api-key "$KEY"', '--api-key "$KEY"'),
        (
            "k.service",
            "[Service]\nExecStart=/p/python -m sglang.launch_server --api-key sk-secret1\n",
            "${BGECHECK_API_KEY}",
        ),
        (
            "k.yml",
            'services:\n  a:\n    command: ["python", "-m", "sglang.launch_server", "--api-key", "sk-secret1"]\n',
            '"${BGECHECK_API_KEY:?export it first}"]',
        ),
        (
            "k8s.yaml",
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command: [python, -m, sglang.launch_server]\n"
            "    args: [--api-key=sk-secret1]\n",
            '["--api-key=$(BGECHECK_API_KEY)"]',
        ),
    ):
        (planned,) = planned_in(written(tmp_path, name, text))
        printed = mended(planned)
        assert "secret1" not in printed
        assert expected in printed


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.sh", "ls -l\n", "no command in it launches sglang"),
        ("a.sh", "", "no command in it launches sglang"),
        ("a.sh", "x\npython -m sglang.launch_server --model-path 'x\n", "a quote has no end in the command at line 2"),
        ("a.yml", "services: [a\n", "it cannot be read as YAML (line 2"),
        ("a.yml", "services:\n  a:\n    command: python -m sglang.launch_server 'x\n", "a quote without an end"),
        ("a.yml", "services: " + "[" * 9000, "it cannot be read as YAML"),
        ("a.yml", "just text", "no command in it launches sglang"),
        ("a.service", "[Service]\nExecStart=\n", "no command in it launches sglang"),
        ("Dockerfile", 'FROM x\nCMD ["python", "-m"\n', "no command in it launches sglang"),
        ("a.sh", "a" * (LARGEST + 1), "it is larger than 1 MiB"),
    ],
)
def test_bad_input_is_one_line(name: str, text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(BadInput) as bad:
        planned_in(str(path))
    assert words in str(bad.value)
    assert "\n" not in str(bad.value)


def test_what_is_no_text_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_bytes(b"\xff\xfe\x00python")
    for path, words in (
        (tmp_path / "a.sh", "it is no text"),
        (tmp_path / "missing.sh", "there is no such file"),
        (tmp_path, "it is a folder"),
        (Path("/dev/null"), "it is no regular file"),
    ):
        with pytest.raises(BadInput, match=words):
            planned_in(str(path))


def test_an_encoding_of_china_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.sh"
    path.write_bytes("# 启动\npython -m sglang.launch_server --model-path /模型/bge\n".encode("gb18030"))
    assert planned_in(str(path))[0].model == "/模型/bge"


def test_bombs_of_yaml_end_at_once(tmp_path: Path) -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 20))
    merges = "\n".join(f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * 9)}]" for n in range(1, 20))
    begun = time.monotonic()
    for text in (
        f"l0: &l0 [x]\n{levels}\nservices: {{a: {{command: *l19}}}}\n",
        f"m0: &m0 {{command: x}}\n{merges}\nservices: {{a: *m19}}\n",
        "services:\n  a: {extends: b}\n  b: {extends: a}\n",
        "services:\n  a: &a\n    <<: *a\n",
    ):
        with pytest.raises(BadInput):
            planned_in(written(tmp_path, "bomb.yml", text))
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("docker-compose.prod.yml", "services:\n", Form.COMPOSE),
        ("x.yaml", "apiVersion: v1\nkind: Pod\n", Form.KUBERNETES),
        ("x.json", '{"apiVersion": "v1"}', Form.KUBERNETES),
        ("-", "services:\n  a:\n", Form.COMPOSE),
        ("-", "# c\napiVersion: v1\n", Form.KUBERNETES),
        ("-", "[Unit]\n[Service]\nExecStart=x\n", Form.SYSTEMD),
        ("-", "[program:x]\ncommand=x\n", Form.SUPERVISOR),
        ("-", "# syntax=docker/dockerfile:1\nARG V=1\nFROM x\n", Form.DOCKERFILE),
        ("-", "#!/bin/bash\n# FROM x\n", Form.SCRIPT),
        ("-", "python -m sglang.launch_server", Form.SCRIPT),
        ("gpu.Dockerfile", "x", Form.DOCKERFILE),
        ("bge@.service", "x", Form.SYSTEMD),
    ],
)
def test_the_form_is_told_by_name_and_content(name: str, text: str, form: Form) -> None:
    assert form_of(name, text) is form


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a 'b c' \"d $X\" e\\ f", [["a", "b c", "d $X", "e f"]]),
        ("X=1; a $X ${X} ${Y:-2} ${Y-} $Y", [["a", "1", "1", "2", "$Y"]]),
        ("X='a b'; c $X \"$X\"", [["c", "a", "b", "a b"]]),
        ("X=a; X+=b; export Z=$X; c $Z", [["c", "ab"]]),
        ("a # b\nc#d", [["a"], ["c#d"]]),
        ("a && b || c; d & e | f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("a > x 2>&1 < y &>> z b", [["a", "b"]]),
        ("cat <<E\nx 'y\nE\nb", [["cat"], ["b"]]),
        ("cat <<-'E'\n\tx\n\tE\nb", [["cat"], ["b"]]),
        ("echo $((1<<2))\nb", [["echo", "$((1<<2))"], ["b"]]),
        ("(( x = 1<<2 ))\nb", [["b"]]),
        ("a \\\n  b \\\r\n c", [["a", "b", "c"]]),
        ("a $(b 'c') `d e`", [["a", "$(b 'c')", "`d e`"]]),
        ('A=(1 "2 3"\n4); b "${A[@]}"', [["b", "1", "2 3", "4"]]),
        ("if true; then a; fi", [["true"], ["a"], ["fi"]]),
        ("a '' \"\"", [["a", "", ""]]),
        (": ${X:=1}; a $X", [[":", "1"], ["a", "1"]]),
    ],
)
def test_shell_words(text: str, words: list[list[str]]) -> None:
    assert [[word.value for word in one.words()] for one in commands(text)] == words


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8), min_size=1, max_size=6))
def test_quoted_words_come_back(words: list[str]) -> None:
    line = shlex.join(["run", *words])
    (command,) = commands(line)
    assert [word.value for word in command.words()] == ["run", *words]
    for word in command.words():
        assert shlex.split(line[word.start : word.end]) == [word.value]


@given(st.text(st.sampled_from("ab \"'\\\n\r$(){}`<>|&;#=[]@1X"), max_size=40) | st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    try:
        found = commands(text)
    except UnclosedQuote:
        return
    assert all(0 <= word.start <= word.end <= len(text) for one in found for word in one.words())


def test_a_line_in_one_pair_of_quotes_is_a_line() -> None:
    assert planned_as_typed(["python -m sglang.launch_server --model-path /m/bge"]).model == "/m/bge"


def test_words_that_launch_nothing_are_bad_input() -> None:
    for words in (["ls"], ["python", "-m", "vllm"], ["echo sglang.launch_server"]):
        with pytest.raises(BadInput, match="it does not launch sglang"):
            planned_as_typed(words)


def test_json_is_yaml(tmp_path: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bge"},
        "spec": {"containers": [{"command": ["python", "-m", "sglang.launch_server"], "args": ["--model-path", "/m"]}]},
    }
    (planned,) = planned_in(written(tmp_path, "pod.json", json.dumps(pod, indent=2)))
    assert planned.model == "/m"
    whole = planned.written.text
    begin, end = planned.written.block[0][0], planned.written.block[-1][1]
    again = json.loads(whole[:begin] + mended(planned, ADDED) + whole[end:])
    assert again["spec"]["containers"][0]["args"][2:] == ["--is-embedding", "--chunked-prefill-size", "-1"]


def test_a_blank_behind_the_backslash_is_taken_away(tmp_path: Path) -> None:
    text = """
        python -m sglang.launch_server --model-path /m/bge \\\x20
          --port 31000 \\\x20\t
          --dtype fp16
        echo done
        """
    (planned,) = planned_in(written(tmp_path, "cut.sh", text))
    assert (planned.model, planned.port) == ("/m/bge", 31000)
    assert mended(planned, ADDED).split("\n") == [
        "python -m sglang.launch_server --model-path /m/bge \\",
        "  --port 31000 \\",
        "  --dtype half --is-embedding --chunked-prefill-size -1",
    ]


@pytest.mark.parametrize(
    ("behind", "line"),
    [
        ("", "python -m sglang.launch_server --model-path /m/bge --is-embedding --chunked-prefill-size -1"),
        (
            "  > a.log 2>&1 &\n",
            "python -m sglang.launch_server --model-path /m/bge --is-embedding --chunked-prefill-size -1 \\\n"
            "  > a.log 2>&1 &",
        ),
    ],
)
def test_a_backslash_behind_the_last_word(behind: str, line: str, tmp_path: Path) -> None:
    text = f"python -m sglang.launch_server --model-path /m/bge \\ \n{behind}"
    (planned,) = planned_in(written(tmp_path, "cut.sh", text))
    assert mended(planned, ADDED) == line


def test_an_image_may_have_blanks_behind_a_backslash(tmp_path: Path) -> None:
    text = "FROM lmsysorg/sglang:v0.5.23\nCMD python3 -m sglang.launch_server --model-path /m/bge \\ \n  --port 31000\n"
    (planned,) = planned_in(written(tmp_path, "Dockerfile", text))
    assert planned.port == 31000
    assert mended(planned) == text.partition("\n")[2].rstrip().replace("\\ \n", "\\\n")


def test_a_service_has_the_variables_of_its_env_files_below_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text(
        "# a remark\nCUDA_VISIBLE_DEVICES=1\nexport HF_HOME='/data one'\nA=b # c\nnot a line\n"
    )
    (tmp_path / "b.env").write_text('A="d"\n')
    command = "python -m sglang.launch_server --model-path /m"
    for files, a in (("a.env", "b"), ("[a.env, ./b.env]", "d"), ("[{path: a.env}, gone.env]", "b")):
        file = tmp_path / "compose.yml"
        file.write_text(
            f"services:\n  s:\n    env_file: {files}\n    environment: {{HF_HOME: /own}}\n    command: {command}\n"
        )
        (one,) = planned_in(str(file))
        assert one.written.environment == {"CUDA_VISIBLE_DEVICES": "1", "HF_HOME": "/own", "A": a}
