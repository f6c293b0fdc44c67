"""Scripts that collect a launch in steps are followed: loops, branches, functions, texts within texts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.engines.launchfile.arithmetic import integer
from bgecheck.engines.launchfile.expansion import braced, counted
from bgecheck.engines.launchfile.rewriting import corrected
from bgecheck.engines.launchfile.shell import commands
from bgecheck.engines.launchfile.unread import not_judged
from bgecheck.engines.launchfile.words import UnclosedQuote
from bgecheck.engines.planned import Change, Planned
from bgecheck.engines.sglang.arguments import faults, without_shell
from bgecheck.engines.sglang.planned import all_as_typed, planned_as_typed, planned_in
from bgecheck.engines.sglang.releases import newest
from bgecheck.model import BadInput, Text

RUN = "python -m sglang.launch_server"


def planned(folder: Path, text: str, name: str = "serve.sh") -> tuple[Planned, ...]:
    path = folder / name
    path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
    return planned_in(str(path))


def launches(folder: Path, text: str, name: str = "serve.sh") -> list[tuple[str | None, str | None]]:
    return [(one.model, one.options.get("port")) for one in planned(folder, text, name)]


def kinds(one: Planned) -> list[str]:
    return [fault.kind for fault in faults(one.written.words, newest()) if not fault.harmless]


LOOPS = {
    "words": ("for p in 30000 30001; do X --port $p; done", ["30000", "30001"]),
    "words on lines of their own": ("for p in \\\n  30000 \\\n  30001\ndo\n  X --port $p &\ndone", ["30000", "30001"]),
    "braces": ("for p in 3000{0..1}; do X --port $p; done", ["30000", "30001"]),
    "a list in braces": ("for p in 3000{1,3}; do X --port $p; done", ["30001", "30003"]),
    "seq": ("for p in $(seq 30000 2 30002); do X --port $p; done", ["30000", "30002"]),
    "seq up to a variable": ("N=2\nfor i in `seq $N`; do X --port 3000$i; done", ["30001", "30002"]),
    "an array": ('P=(30000 30001)\nfor p in "${P[@]}"; do X --port $p; done', ["30000", "30001"]),
    "the indices of an array": ("P=(1 2)\nfor i in ${!P[@]}; do X --port 3000${P[$i]}; done", ["30001", "30002"]),
    "the keys of an array": ('declare -A P=([a]=1 [b]=2)\nfor k in "${!P[@]}"; do X --port ${P[$k]}; done', ["1", "2"]),
    "a variable": ('ALL="30000 30001"\nfor p in $ALL; do X --port $p; done', ["30000", "30001"]),
    "counted": ("for ((i=0; i<2; i++)); do X --port $((30000 + i)); done", ["30000", "30001"]),
    "counted to the last": ("for (( i = 1 ; i <= 3 ; i += 2 )); do X --port 3000$i; done", ["30001", "30003"]),
    "counted beside it": (
        "PORT=30000\nfor m in a b; do\n  X --port $PORT &\n  PORT=$((PORT + 1))\ndone",
        ["30000", "30001"],
    ),
    "counted in place": ("P=7\nfor m in a b; do X --port $P; ((P++)); done", ["7", "8"]),
    "one in another": ("for a in 1 2; do for b in 3 4; do X --port 3$a$b; done; done", ["313", "314", "323", "324"]),
    "output of a program": ("for p in $(free-ports 2); do X --port $p; done", ["$p"]),
    "arguments of the script": ('for p in "$@"; do X --port $p; done', ["$p"]),
    "arguments without in": ("for p; do X --port $p; done", ["$p"]),
    "lines of a file": ("while read -r m p; do X --port $p; done < list", ["$p"]),
    "set before, then not known": ("p=1\nfor p in $(ports); do X --port $p; done", ["$p"]),
    "more rounds than are gone through": ("for i in {1..900}; do X --port $i; done", ["$i"]),
    "none": ("for i in; do X --port $i; done", ["$i"]),
    "counted by let": ("P=7\nfor m in a b; do X --port $P; let P++; done", ["7", "8"]),
    "counted as long as it holds": ("p=1; while [ $p -le 2 ]; do X --port $p; p=$((p+1)); done", ["$p"]),
    "a counter beside what is not known": ("P=1\nfor m in $(models); do X --port $P; P=$((P+1)); done", ["$P"]),
    "for ever": ("P=1\nwhile true; do X --port $P; sleep 5; break; done", ["1"]),
    "a counter of another kind": ("for ((i=9; i>0; i--)); do X --port $i; done", ["$i"]),
}


@pytest.mark.parametrize("case", LOOPS)
def test_a_loop_is_gone_through_round_by_round(case: str, tmp_path: Path) -> None:
    text, ports = LOOPS[case]
    read = launches(tmp_path, text.replace("X", f"{RUN} --model-path /m/bge"))
    assert read == [("/m/bge", port) for port in ports]


STEPS: dict[str, tuple[str, list[tuple[str | None, str | None]]]] = {
    "a string that grows, by eval": (
        """
        CMD="RUN --model-path /m/bge"
        CMD+=" --port 30005"
        CMD="$CMD --dtype half"
        eval "$CMD"
        """,
        [("/m/bge", "30005")],
    ),
    "a string that is run": (
        'CMD="RUN --model-path /m/bge --port 30005"\nexec $CMD > log 2>&1 &',
        [("/m/bge", "30005")],
    ),
    "a function": (
        'start() {\n  RUN --model-path "$1" --port ${2:-30000}\n}\nstart /m/a 1 &\nstart /m/b',
        [("/m/a", "1"), ("/m/b", "30000")],
    ),
    "a function by its keyword, with shift": (
        'function run {\n  local m=$1; shift\n  RUN --model-path $m "$@"\n}\nrun /m/a --port 7',
        [("/m/a", "7")],
    ),
    "a function that hands its arguments on": (
        'run() { echo "$*"; eval "$@"; }\nrun RUN --model-path /m/a --port 7',
        [("/m/a", "7")],
    ),
    "a function with variables of the script": (
        """
        run() {
          local args=(--model-path "$MODEL" --port "$PORT")
          RUN "${args[@]}"
        }
        MODEL=/m/bge
        PORT=30005
        run
        """,
        [("/m/bge", "30005")],
    ),
    "a function that nobody calls": (
        "run() { RUN --model-path $1; }",
        [("$1", None)],
    ),
    "a function that calls itself": (
        "run() { RUN --model-path /m; run; }\nrun",
        [("/m", None)] * 20,
    ),
    "main with the arguments of the script": (
        'main() { RUN --model-path "$1"; }\nmain "$@"',
        [("$1", None)],
    ),
    "set --": (
        'set -- --model-path /m/bge --port 30005\nRUN "$@"',
        [("/m/bge", "30005")],
    ),
    "two branches that differ": (
        """
        ARGS="--model-path /m/bge"
        if [ "$1" = gpu ]; then ARGS="$ARGS --device cuda"; else ARGS="$ARGS --device cpu"; fi
        RUN $ARGS --port 30005
        """,
        [("/m/bge", "30005")],
    ),
    "a branch that sets what is missing": (
        'if [ -z "$PORT" ]; then PORT=30005; fi\nRUN --model-path /m --port $PORT',
        [("/m", "30005")],
    ),
    "a branch that ends the script": (
        "PORT=1\nif [ $# -lt 1 ]; then PORT=2; exit 1; fi\nRUN --model-path /m --port $PORT",
        [("/m", "1")],
    ),
    "launches in branches": (
        """
        case "$1" in
          large) PORT=1; RUN --model-path /m/large --port $PORT ;;
          small|tiny) RUN --model-path /m/small --port ${PORT:-2};;
          *) exit 1 ;;
        esac
        """,
        [("/m/large", "1"), ("/m/small", "2")],
    ),
    "an argument that may have been given": (
        """
        PORT=30000
        while [ $# -gt 0 ]; do case $1 in --port) PORT=$2; shift 2;; *) shift;; esac; done
        RUN --model-path /m --port $PORT
        """,
        [("/m", "$PORT")],
    ),
    "a variable before a function": (
        "P=1\nstart() { RUN --model-path /m --port $P; }\nP=2 start\nstart",
        [("/m", "2"), ("/m", "1")],
    ),
    "a shell of its own": (
        "P=1\n(P=2; RUN --model-path /m --port $P)\nRUN --model-path /m --port $P",
        [("/m", "2"), ("/m", "1")],
    ),
    "unset": ("P=1\nunset P\nRUN --model-path /m --port ${P:-9}", [("/m", "9")]),
    "a value that is set perhaps": ("P=1\ntrue || P=2\nRUN --model-path /m --port $P", [("/m", "$P")]),
    "another value in a branch": (
        "P=1\nif grep -q x file; then P=2; fi\nRUN --model-path /m --port $P",
        [("/m", "$P")],
    ),
    "more in a branch": (
        'A=(--model-path /m)\nif true; then A+=(--port 1); fi\nRUN "${A[@]}"',
        [("/m", "1")],
    ),
    "more behind an operator": (
        'A="--model-path /m"\ntrue && A="$A --port 1"\nRUN $A',
        [("/m", "1")],
    ),
    "changed values": (
        "DIR=/m/bge/; N=/x/BGE\nRUN --model-path ${DIR%/} --port 1 --tokenizer-path ${N##*/}",
        [("/m/bge", "1")],
    ),
    "arithmetic": (
        "BASE=30000\nRUN --model-path /m --port $((BASE + 2 * (3 - 1)))",
        [("/m", "30004")],
    ),
    "arithmetic with what is not known": (
        "RUN --model-path /m --port $((BASE + 1))",
        [("/m", "$((BASE + 1))")],
    ),
    "an interpreter in a variable": (
        "$P -m sglang.launch_server --model-path /m --port 1\n$(which python) -m sglang.launch_server --model-path /n",
        [("/m", "1"), ("/n", None)],
    ),
    "a script that it writes": (
        "M=/m/bge\ncat <<EOF > run.sh\n#!/bin/bash\nRUN --model-path $M --port 1\nEOF\nbash run.sh",
        [("/m/bge", "1")],
    ),
    "a unit that it writes": (
        "sudo tee /etc/systemd/system/bge.service <<'EOF'\n[Service]\nEnvironment=P=1\n"
        "ExecStart=/v/bin/RUN --model-path /m --port ${P}\nEOF\n",
        [("/m", "1")],
    ),
    "a document for a shell": (
        "docker exec -i bge bash <<EOF\nRUN --model-path /m --port 1\nEOF\n",
        [("/m", "1")],
    ),
    "tmux and screen": (
        """
        tmux new -d 'RUN --model-path /m/a'
        tmux new-session -d -s b "cd /srv && RUN --model-path /m/b 2>&1 | tee log"
        tmux send-keys -t c "RUN --model-path /m/c" C-m
        screen -S d -X stuff "RUN --model-path /m/d --port 4\\n"
        """,
        [("/m/a", None), ("/m/b", None), ("/m/c", None), ("/m/d", "4")],
    ),
    "another user": (
        'su - bge -c "RUN --model-path /m/a"\nsu -c "RUN --model-path /m/b" bge',
        [("/m/a", None), ("/m/b", None)],
    ),
    "once for each of many": (
        "ports | xargs -I{} RUN --model-path /m --port {}\n"
        "parallel RUN --model-path {1} --port {2} ::: /m/a /m/b ::: 1 2",
        [("/m", "$item"), ("$item", "$item")],
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_a_command_that_is_collected_in_steps(case: str, tmp_path: Path) -> None:
    text, expected = STEPS[case]
    assert launches(tmp_path, text.replace("RUN", RUN)) == expected


def test_what_a_script_sources_is_read(tmp_path: Path) -> None:
    (tmp_path / "env.sh").write_text("export MODEL=/m/bge\n")
    (tmp_path / "port.sh").write_text("PORT=30005\n")
    text = (
        'source "$(dirname "$0")/env.sh"\n. ./port.sh\n. gone.sh\n' + f"{RUN} --model-path $MODEL --port $PORT $MORE\n"
    )
    assert launches(tmp_path, text) == [("/m/bge", "30005")]


def test_a_place_of_many_rounds_is_written_back_once(tmp_path: Path) -> None:
    added = Change((), ("--is-embedding",), Text("", ""))
    for one in planned(tmp_path, f"for p in 1 2; do\n  {RUN} --model-path /m/bge-$p --port $p &\ndone\n"):
        assert corrected(one.written, (added,)) == (f"  {RUN} --model-path /m/bge-$p --port $p --is-embedding &",)


def test_rounds_of_a_loop_are_told_apart(tmp_path: Path) -> None:
    read = planned(tmp_path, f"{RUN} --model-path /m\nfor m in a b; do {RUN} --model-path /m/$m/ --port 30001 & done\n")
    where = [one.place.removeprefix(f"{tmp_path}/serve.sh") for one in read]
    assert where == [":1", ":2 (a, --port 30001)", ":2 (b, --port 30001)"]
    assert read[2].rival is not None
    assert read[2].rival.place == read[1].place


def test_rounds_that_take_one_port_are_rivals(tmp_path: Path) -> None:
    first, second = planned(tmp_path, f"for m in a b; do {RUN} --model-path /m/$m --port 30005 & done\n")
    assert first.rival is None
    assert second.rival is not None
    assert second.rival.port == 30005
    assert planned(tmp_path, f"for m in a b; do {RUN} --model-path /m/$m; done\n")[1].rival is None


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            f"{RUN} --model-path $M --port ${{P:?}} $(cat opts)\n",
            "not known here, so not judged: $M, ${P:?}, $(cat opts)",
        ),
        (
            f"{RUN} --model-path /m\nssh gpu1 '{RUN} --model-path /n'\n",
            "not judged: line 2 of the file, which names sglang's program too, in a form that is not read",
        ),
        (f"# {RUN}\necho {RUN}\nC='{RUN} --model-path /m'\n$C\n", None),
        (f"{RUN} \\\n  --model-path /m \\\n  --port 1\n", None),
    ],
)
def test_what_is_not_judged_is_said(text: str, note: str | None, tmp_path: Path) -> None:
    (one,) = planned(tmp_path, text)
    assert [each.en for each in not_judged(one.written)] == ([note] if note else [])


def test_a_word_that_may_hold_options_hides_what_is_missing(tmp_path: Path) -> None:
    for word in ('"$@"', "$ARGS", "$(cat options)"):
        (one,) = planned(tmp_path, f"{RUN} --is-embedding --dtype half {word}\n")
        assert kinds(one) == []
        assert one.may_stand_in("port") == word.strip('"')
        assert one.may_stand_in("dtype") is None
    (one,) = planned(tmp_path, f"{RUN} --model-path $M\n")
    assert one.may_stand_in("port") is None


@pytest.mark.parametrize("between", ["  # --port 1 \\\n", "\n", "\n  # a remark\n"])
def test_options_below_a_remark_are_no_part_of_the_command(between: str, tmp_path: Path) -> None:
    (one,) = planned(tmp_path, f"{RUN} --model-path /m \\\n{between}  --port 30005\n")
    assert one.port == 30000
    assert [cut.typed for cut in one.written.cut_off] == ["--port"]
    assert one.written.cut_off[0].line == 2 + between.count("\n")


def test_options_in_one_word_are_parted(tmp_path: Path) -> None:
    script = f'ARGS="--model-path /m --port 7"\n{RUN} "$ARGS"\n'
    unit = f'[Service]\nEnvironment="ARGS=--model-path /m --port 7"\nExecStart=/v/bin/{RUN} ${{ARGS}}\n'
    for name, text in (("a.sh", script), ("a.service", unit)):
        (one,) = planned(tmp_path, text, name)
        assert kinds(one) == ["unsplit"]
        assert (one.model, one.port) == ("/m", 7)
    (one,) = planned(tmp_path, unit.replace("${ARGS}", "$ARGS"), "b.service")
    assert kinds(one) == []


def test_blanks_of_another_kind(tmp_path: Path) -> None:
    (one,) = planned(tmp_path, f"{RUN} --model-path /m --port\u00a030005\n")
    assert kinds(one) == ["typography"]
    assert one.port == 30005
    for sign in ("\u00a0", "\u3000"):
        with pytest.raises(BadInput, match=f"line 1 has a blank in it that no shell takes for one .U.{ord(sign):04X}"):
            planned(tmp_path, f"{RUN}{sign}--model-path /m\n")
    with pytest.raises(BadInput, match="a blank in it that no shell takes for one"):
        planned_as_typed([f"{RUN}\u00a0--model-path", "/m"])


REFUSED = {
    "a template of Helm": (
        "d.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Release.Name }}}\n",
        "it is a template: line 3 has {{ .Release.Name }} in it; render it first: helm template CHART",
    ),
    "a template of Helm that is YAML": (
        "d.yaml",
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command: [python, -m, sglang.launch_server]\n"
        '    args: [--model-path, "{{ .Values.model }}"]\n',
        "it is a template: line 6 has {{ .Values.model }} in it; render it first: helm template CHART",
    ),
    "a template of Jinja": (
        "compose.yml",
        "services:\n{% for m in models %}\n  a: {}\n{% endfor %}\n",
        "it is a template: line 2 has {% for m in models %} in it; fill it first",
    ),
    "a list of kustomize": (
        "kustomization.yaml",
        "resources: [d.yaml]\n",
        "it names manifests for kustomize, and has no command itself; give what comes of it: kubectl kustomize",
    ),
    "a command in one item": (
        "d.yaml",
        f'apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command: ["{RUN} --model-path /m"]\n',
        "line 5 has a whole command in one item of the list, which is taken for the name of a program",
    ),
    "a command as a string": (
        "d.yaml",
        f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command: {RUN} --model-path /m\n",
        "command at line 5 is a string, and Kubernetes takes a list of strings alone",
    ),
    "options without a program": (
        "compose.yml",
        "services:\n  a:\n    command: --model-path /m --port 30000\n",
        "line 3 has options and no program: it is the image's own entrypoint that gets them",
    ),
    "services of another file": (
        "compose.yml",
        "services:\n  a:\n    extends:\n      file: base.yml\n      service: b\n",
        "its services come from other files (include, extends); give what compose makes of them: docker compose -f",
    ),
    "a list in single quotes": (
        "Dockerfile",
        "FROM x\nCMD ['python3', '-m', 'sglang.launch_server']\n",
        "the list at line 2 is no JSON, so that a shell gets it, brackets and all",
    ),
    "a script that an image runs": (
        "Dockerfile",
        'FROM x\nENTRYPOINT ["/start.sh"]\n',
        "line 2 runs /start.sh, and nothing else in it launches sglang; give that script: --file /start.sh",
    ),
    "another machine": (
        "a.sh",
        f"set -e\nssh gpu1 '{RUN} --model-path /m'\n",
        "line 2 names sglang's program or options, in a form that is not read",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_not_read_says_why(case: str, tmp_path: Path) -> None:
    name, text, words = REFUSED[case]
    with pytest.raises(BadInput) as bad:
        planned(tmp_path, text, name)
    assert words in str(bad.value)
    assert "\n" not in str(bad.value)


def test_marks_of_go_before_the_options_are_no_template(tmp_path: Path) -> None:
    text = (
        'docker run --log-opt tag="{{.Name}}" lmsysorg/sglang:v0.5.9 python3 -m sglang.launch_server --model-path /m\n'
    )
    assert launches(tmp_path, text) == [("/m", None)]


FORMS = {
    "an ARG is gone when the image runs": (
        "Dockerfile",
        f"FROM x\nARG PORT=1\nCMD {RUN} --model-path /m --port $PORT\n",
        ("/m", "$PORT"),
    ),
    "an ENV keeps an ARG": (
        "Dockerfile",
        f"FROM x\nARG P=1\nENV PORT=$P\nCMD {RUN} --model-path /m --port $PORT\n",
        ("/m", "1"),
    ),
    "a stage on an earlier one": (
        "Dockerfile",
        f"FROM x AS base\nENV PORT=1\nENTRYPOINT {RUN} --model-path /m --port $PORT\nFROM base\n",
        ("/m", "1"),
    ),
    "a variable for the shell of a container": (
        "compose.yml",
        f'services:\n  a:\n    environment: {{PORT: 1}}\n    command: sh -c "{RUN} --model-path /m --port $$PORT"\n',
        ("/m", "1"),
    ),
    "a variable that compose takes for its own": (
        "compose.yml",
        "services:\n  a:\n    environment: {UNSET_HERE: 1}\n"
        f'    command: sh -c "{RUN} --model-path /m --port $UNSET_HERE"\n',
        ("/m", "$UNSET_HERE"),
    ),
    "a variable for the shell of a unit": (
        "a.service",
        f"[Service]\nEnvironment=PORT=1\nExecStart=/bin/sh -c 'exec {RUN} --model-path /m --port $$PORT'\n",
        ("/m", "1"),
    ),
    "a container beside the others": (
        "d.yaml",
        "apiVersion: v1\nkind: Pod\nspec:\n  initContainers:\n  - restartPolicy: Always\n"
        "    command: [python, -m, sglang.launch_server, --model-path, /m]\n  containers: [{name: app}]\n",
        ("/m", None),
    ),
    "an InferenceService": (
        "d.yaml",
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nspec:\n  predictor:\n    containers:\n"
        "    - command: [python, -m, sglang.launch_server, --model-path, /m]\n",
        ("/m", None),
    ),
    "a ConfigMap of the file": (
        "d.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {M: /m, P: '1'}\n---\napiVersion: v1\nkind: Pod\n"
        "spec:\n  containers:\n  - envFrom: [{configMapRef: {name: c}}]\n"
        "    env: [{name: PORT, valueFrom: {configMapKeyRef: {name: c, key: P}}}]\n"
        "    command: [python, -m, sglang.launch_server, --model-path, $(M), --port, $(PORT)]\n",
        ("/m", "1"),
    ),
}


@pytest.mark.parametrize("case", FORMS)
def test_what_a_file_gives_a_command(case: str, tmp_path: Path) -> None:
    name, text, expected = FORMS[case]
    assert launches(tmp_path, text, name) == [expected]


def test_the_last_stage_alone_is_the_image(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="line 2"):
        planned(tmp_path, f"FROM x AS one\nCMD {RUN} --model-path /m\nFROM nginx\n", "Dockerfile")


def test_drop_ins_beside_a_unit_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "bge.service.d"
    folder.mkdir()
    unit = f"[Service]\nEnvironment=PORT=1\nExecStart=/v/bin/{RUN} --model-path /m --port ${{PORT}}\n"
    (folder / "port.conf").write_text("[Service]\nEnvironment=PORT=2\nLimitNOFILE=9\n")
    (one,) = planned(tmp_path, unit, "bge.service")
    assert (one.port, one.written.allotted.files) == (2, 9)
    (folder / "start.conf").write_text(f"[Service]\nExecStart=\nExecStart=/v/bin/{RUN} --model-path /n\n")
    with pytest.raises(BadInput, match=r"start.conf replaces its ExecStart=; give what systemd makes of both"):
        planned(tmp_path, unit, "bge.service")


@pytest.mark.parametrize("client", ["docker exec -it bge", "kubectl exec pod -c c --", "docker compose exec bge"])
def test_a_command_within_a_container_that_is_there(client: str, tmp_path: Path) -> None:
    (one,) = planned(tmp_path, f"{client} {RUN} --model-path /m\n")
    assert one.contained
    assert one.model_path is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2", 3),
        ("N*2", 14),
        ("$N / 2", 3),
        ("-7 / 2", -3),
        ("7 % 4", 3),
        ("1 / 0", None),
        ("X + 1", None),
        ("", None),
    ],
)
def test_arithmetic(text: str, value: int | None) -> None:
    assert integer(text, {"N": "7", "X": "a"}) == value


@given(st.text(st.sampled_from("0123456789+-*/%() NX$<&|"), max_size=60))
def test_any_arithmetic_comes_to_an_end(text: str) -> None:
    value = integer(text, {"N": "7"})
    assert value is None or isinstance(value, int)


def test_braces_and_numbers() -> None:
    assert braced("a{1..3}b") == ("a1b", "a2b", "a3b")
    assert braced("{3..1}") == ("3", "2", "1")
    assert braced("{1..99999}") == ("{1..99999}",)
    assert braced("a{}") == ("a{}",)
    assert counted("$(seq 2)", {}) == ("1", "2")
    assert counted("$(seq 5 -2 1)", {}) == ("5", "3", "1")
    assert counted("$(seq $N)", {}) is None
    assert counted("$(ports 2)", {}) is None


PIECES = ["for x in 1 2", "do", "done", "if a", "then", "else", "fi", "f() {", "{", "}", "f 1", "case a in", "b)", ";;"]
PIECES += [
    "esac",
    "((x++))",
    'eval "$x"',
    "set -- 1",
    "shift",
    "x=1",
    "A=(1 2)",
    "$x",
    '"$@"',
    "cat <<E",
    "E",
    "for ((i=0;i<2;i++))",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_order_of_keywords_comes_to_an_end(parts: list[str]) -> None:
    begun = time.monotonic()
    try:
        read = commands("\n".join(parts))
    except UnclosedQuote:
        return
    assert len(read) < 20_000
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("before", "user"),
    [
        ("sudo -u bge", "bge"),
        ("sudo -E -H --user=bge", "bge"),
        ("sudo", "root"),
        ("sudo -E", "root"),
        ("nohup env A=1 gosu bge:bge", "bge"),
        ("runuser -u bge --", "bge"),
        ("setpriv --reuid 65534 --clear-groups", "65534"),
        ("nice -n 5", None),
        ("", None),
        ("sudo docker run lmsysorg/sglang:v0.5.9", None),
        ("sudo -u $WHO", None),
    ],
)
def test_the_user_of_a_command(before: str, user: str | None, tmp_path: Path) -> None:
    (one,) = planned(tmp_path, f"{before} {RUN} --model-path /m\n")
    assert one.written.user == user
    if "$" not in before:
        assert planned_as_typed(f"{before} {RUN} --model-path /m".split()).written.user == user


def test_the_user_of_a_file(tmp_path: Path) -> None:
    for name, text, user in (
        ("a.sh", f"su - bge -c '{RUN} --model-path /m'\n", "bge"),
        ("a.sh", f"su -c '{RUN} --model-path /m' bge\n", "bge"),
        ("a.service", f"[Service]\nUser=bge\nExecStart=/v/bin/{RUN} --model-path /m\n", "bge"),
        ("a.conf", f"[program:a]\nuser=bge\ncommand=/v/bin/{RUN} --model-path /m\n", "bge"),
    ):
        assert planned(tmp_path, text, name)[0].written.user == user


def test_a_long_text_is_not_read_a_hundred_times() -> None:
    line = f"{RUN} --model-path /m --port $i\n"
    filling = "true 'x' # a remark\n" * 5_000  # a hundred kilobytes, of which sixty rounds would be six megabytes
    for text in (
        f"for i in {{1..60}}; do\n{line}{filling}done\n",
        f"f() {{\n{line}{filling}}}\n" + "f\n" * 60,
    ):
        begun = time.monotonic()
        ports = [one.words()[-1].value for one in commands(text) if len(one.pieces) > 4]
        assert time.monotonic() - begun < 30
        assert ports[-1] == "$i"


TYPED = {
    "a shell that reads a line": (["bash", "-c", f"{RUN} --model-path /m --port 1"], [("/m", "1")]),
    "one line": ([f"{RUN} --model-path /m --port 1"], [("/m", "1")]),
    "one line on several": ([f"{RUN} \\\n  --model-path /m \\\n  --port 1"], [("/m", "1")]),
    "a prompt": ([f"$ {RUN} --model-path /m"], [("/m", None)]),
    "variables": ([f"P=1; {RUN} --model-path $M --port $P"], [("$M", "1")]),
    "a file for its output": ([f"cd /x && nohup {RUN} --model-path /m --port 1 > log 2>&1 &"], [("/m", "1")]),
    "a loop": ([f"for p in 1 2; do {RUN} --model-path /m --port $p & done"], [("/m", "1"), ("/m", "2")]),
    "words": ([*RUN.split(), "--model-path", "/m n"], [("/m n", None)]),
}


@pytest.mark.parametrize("case", TYPED)
def test_a_command_as_typed(case: str) -> None:
    words, expected = TYPED[case]
    read = all_as_typed(words)
    assert [(one.model, one.options.get("port")) for one in read] == expected
    assert {str(one.written.form) for one in read} == {"command line"}
    assert not [fault for one in read for fault in faults(one.written.words, newest()) if fault.refused]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([""], "it does not launch sglang"),
        ([" "], "it does not launch sglang"),
        ([f"{RUN} --model-path '/m"], "a quote has no end in it"),
        (
            ["torchrun", "-m", "sglang.launch_server"],
            "it names sglang's program or options, in a form that is not read",
        ),
        ([RUN, "--model-path", "/m"], "it names sglang's program or options, in a form"),
        ([f"{RUN} --model-path {{{{ model }}}}"], "it is a template: line 1 has {{ in it"),
    ],
)
def test_a_command_that_is_not_read_says_why(words: list[str], reason: str) -> None:
    with pytest.raises(BadInput) as bad:
        all_as_typed(words)
    assert reason in str(bad.value)
    assert "\n" not in str(bad.value)


AS_BASH = [text.replace("X", f"{RUN} --model-path /m/bge") for text, ports in LOOPS.values() if "$" not in ports[0]]
AS_BASH += [
    text
    for case, (text, read) in STEPS.items()
    if not any("$" in (value or "") for pair in read for value in pair)
    and not re.search(r"tmux|su -|docker|sudo|xargs|calls itself|branches|interpreter", case + text)
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("text", AS_BASH)
def test_bash_runs_what_was_read(text: str, tmp_path: Path) -> None:
    """The commands that a true shell starts, with a program in place of the interpreter that writes its words down."""
    text = textwrap.dedent(text).replace("RUN", RUN)
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\nline=$(printf '%s\\037' \"$@\")\nprintf '%s\\n' \"$line\" >>{tmp_path}/started\n")
    python.chmod(0o755)
    script = tmp_path / "serve.sh"
    script.write_text(f"{text}\nwait\n")
    environment = {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    subprocess.run(
        ["bash", str(script), "x"], cwd=tmp_path, env=environment, capture_output=True, timeout=20, check=False
    )
    log = tmp_path / "started"
    started = [line.split("\x1f")[:-1] for line in log.read_text().splitlines()] if log.exists() else []
    read = [list(one.written.values[one.written.values.index("-m") :]) for one in planned_in(str(script))]
    assert sorted(started) == sorted(read)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.service", "[Service]\nExecStart=source venv/bin/activate && {run}\n", "source"),
        ("a.service", "[Service]\nExecStart={run} 2>&1\n", "2>&1"),
        ("a.service", "[Service]\nExecStart=/opt/venv/bin/{run}\n", None),
        ("a.service", '[Service]\nExecStart=/bin/bash -c "source venv/bin/activate && {run}"\n', None),
        ("a.conf", "[program:bge]\ncommand=cd /srv && {run}\n", "cd"),
        ("a.conf", "[program:bge]\ncommand={run}\n", None),
        ("a.sh", "source venv/bin/activate && {run}\n", None),
    ],
)
def test_what_only_a_shell_understands_is_told_where_none_runs(
    name: str, text: str, found: str | None, tmp_path: Path
) -> None:
    (one,) = planned(tmp_path, text.format(run=f"{RUN} --model-path /m"), name)
    assert [fault.option for fault in without_shell(one.written)] == ([found] if found else [])
