"""The row about the options of a planned launch: does the parser of its release take them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bgecheck.checks.launch.facts import AREA, LaunchFacts
from bgecheck.engines.sglang.arguments import Fault, Verdict
from bgecheck.model import BEFORE, Advice, Evidence, Outcome, Severity, Shell, Text, absent, broken, holds


@AREA.check(
    "flags",
    title=Text("every option exists in the release that will run", "每个参数在要运行的版本里都有效"),
    cause=Text(
        "sglang {version} ends its start with a usage error: {mistakes}",
        "sglang {version}会因参数错误启动失败：{mistakes}",
    ),
    fix=Text("{instead}", "{instead}"),
    commands=("{mended_file}",),
    variants={
        "odd": Advice(
            Text(
                "sglang {version} starts, and not as it was meant: {mistakes}",
                "sglang {version}能启动，但与本意不符：{mistakes}",
            ),
            Text("{instead}", "{instead}"),
            severity=Severity.WARNING,
        ),
        "depends": Advice(
            Text("it depends on the release whether it starts: {mistakes}", "能否启动取决于版本：{mistakes}"),
            Text(
                "say which release will run: --sglang-version X",
                "用 --sglang-version X 指明要运行的版本",
            ),
            severity=Severity.WARNING,
        ),
    },
    moments=BEFORE,
    explains=("launch.line",),
)
def options_are_accepted(facts: LaunchFacts) -> Outcome:
    """Each option as the parser of its release reads it; where the release is not known, as all that are known do."""
    if facts.verdict is None:
        return absent(Text("the server runs with them", "服务已带着这些参数运行"))
    judged = facts.verdict
    version = _version(facts, judged)
    refused = judged.refused
    odd = tuple(fault for fault in judged.faults if not fault.refused and not fault.harmless)
    if not refused and not odd and not judged.disputed:
        return holds(
            Evidence(Text("options", "参数"), Text(f"taken by sglang {version.en}", f"sglang {version.zh} 全部接受")),
            *map(_evidence, judged.faults),
        )
    shown = refused or odd or judged.disputed
    return broken(
        *map(_evidence, (*refused, *odd, *judged.disputed)),
        *(_evidence(fault)._replace(background=True) for fault in judged.faults if fault.harmless),
        advice=None if refused else "odd" if odd else "depends",
        version=version,
        mistakes=_joined([_mistake(fault) for fault in shown]),
        instead=_instead(shown),
        **_mended_file(shown),
    )


def _mended_file(shown: Sequence[Fault]) -> dict[str, tuple[Shell, ...]]:
    """Commands that correct a file of options, line by line, as far as one line takes its option."""
    mended = []
    for fault in shown:
        path, _, line = fault.place.rpartition(":")
        if not path or fault.change is None or len(fault.change.new) > _ONE_VALUE:
            continue
        name, value = [*fault.change.new, "true"][:_ONE_VALUE] if fault.change.new else ("", "")
        edit = f"{line}c {name.lstrip('-')}: {value}" if name else f"{line}d"
        mended.append(Shell(shlex.join(["sed", "-i", edit, path])))
    # From the end of the file on, so that a line that goes moves none that is still to be corrected.
    return {"mended_file": tuple(reversed(mended))} if mended else {}


_ONE_VALUE = 2
"""Words of an option with one value."""


def _version(facts: LaunchFacts, judged: Verdict) -> Text:
    """The release that the options were compared with, and where it is known from."""
    planned, compared = facts.planned, judged.releases
    if planned is not None and planned.version and planned.version_source:
        source = planned.version_source
        own = planned.version if compared == (planned.version,) else None
        near = "" if own else f"; {' and '.join(compared)} were compared with"
        near_zh = "" if own else f"；对照的是 {'、'.join(compared)}"
        return Text(f"{planned.version} ({source.en}{near})", f"{planned.version}（{source.zh}{near_zh}）")
    span = f"{compared[0]} to {compared[-1]}" if len(compared) > 1 else compared[0]
    return Text(f"{span} (the release is not known)", f"{span.replace(' to ', ' 到 ')}（不知道实际版本）")


def _evidence(fault: Fault) -> Evidence:
    given = f"{fault.option} {fault.value}".strip() if fault.kind not in ("stray", "cut-off") else fault.option
    subject = f"{fault.place}: {given}" if fault.place else given
    expected = " ".join(fault.change.new) if fault.change is not None and fault.change.new else None
    return Evidence(subject, fault.why, expected)


def _mistake(fault: Fault) -> Text:
    place = fault.place or (fault.option if fault.kind == "file" else "")
    return Text(f"{place}: {fault.why.en}", f"{place}：{fault.why.zh}") if place else fault.why


def _joined(parts: Sequence[Text]) -> Text:
    unique = list(dict.fromkeys(parts))[:8]
    return Text("; ".join(part.en for part in unique), "；".join(part.zh for part in unique))


def _instead(shown: Sequence[Fault]) -> Text:
    """What to write in place of what is wrong."""
    parts = []
    for fault in shown:
        given = f"{fault.option} {fault.value}".strip() if fault.kind not in ("stray", "typography") else fault.option
        if fault.kind == "required":
            part = Text(f"add {fault.option} and its value", f"补上 {fault.option} 和它的值")
        elif fault.kind == "missing" and fault.change is None:
            part = Text(f"give {fault.option} a value", f"给 {fault.option} 补上值")
        elif fault.kind == "unsplit":
            part = Text(
                "part its options: one item for each word in a list, no quotes around a variable, no braces in a unit",
                "把参数分开：列表里每个词单独一项；变量两边不加引号；unit 里不用花括号",
            )
        elif fault.kind == "cut-off":
            part = Text(
                f"take away the remark or empty line above line {fault.value}, so that its options belong to the "
                "command",
                f"删掉第 {fault.value} 行上面的注释或空行，让这些参数接回命令",
            )
        elif fault.kind == "shell":
            part = Text(
                "begin with the interpreter's whole path (/PATH/venv/bin/python -m ..., which "
                "needs no activation), or with /bin/bash -c and the whole command in single quotes",
                "直接写解释器的完整路径（/路径/venv/bin/python -m ...，无需激活环境），或写成 /bin/bash -c '整条命令'",
            )
        elif fault.option == "\\":
            part = Text("leave out the blank behind the \\", "去掉 \\ 后面的空格")
        elif fault.kind == "file":
            part = Text(f"name a YAML file in {fault.option}", f"{fault.option} 要给出一个 YAML 文件")
        elif fault.kind == "unquoted":
            part = Text(f'write "{fault.option}", with quotes', f'写成 "{fault.option}"，加上引号')
        elif fault.change is None:
            part = Text(f"look {fault.option} up in the help of that release", f"在该版本的帮助里查 {fault.option}")
        elif fault.change.new:
            new = " ".join(f"'{word}'" if " " in word else word for word in fault.change.new)
            part = Text(f"write {new} in place of {given}", f"把 {given} 改成 {new}")
        else:
            part = Text(f"leave out {given}", f"去掉 {given}")
        parts.append(Text(f"in {fault.place} {part.en}", f"在 {fault.place} 里{part.zh}") if fault.place else part)
    return _joined(parts)
