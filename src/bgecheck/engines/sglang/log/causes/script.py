"""Causes in what starts the server: the lines of a shell script, and systemd's steps before a unit's program."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log.cause import cause
from bgecheck.engines.sglang.log.marks import SHELL_LINE
from bgecheck.engines.sglang.log.rules import GENERAL, PLAIN, SPECIFIC, pattern
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.model import Advice, Text

_AT = rf"^-?(?P<script>[\w./~+-]{{1,200}}): ?{SHELL_LINE}"
"""What a shell writes before its message: the script, or its own name, and the line."""

_NOT_FOUND = r"(?:(?:command )?not found|未找到命令)"
_RETURN = r"(?:\\r|\^M|\r)"

_OPTION = re.compile(
    rf"(?P<option>--?[a-zA-Z][\w-]{{0,60}})[:：] ?{_NOT_FOUND}|{_NOT_FOUND}: (?P<last>--?[a-zA-Z][\w-]{{0,60}})"
)
_CRLF = re.compile(rf"{_RETURN}[^:：]*[:：]")
_UNSET = re.compile(
    r"(?P<variable>[A-Za-z_]\w{0,60})[:：] ?(?:unbound variable|parameter not set|未绑定的变量|参数未设置)"
)
_SYNTAX = re.compile(r"[Ss]yntax error|unexpected EOF|语法错误|未预期的 EOF")
_STEP = re.compile(
    r"(?:(?P<unit>[\w@.:-]{1,100}\.service): )?Failed at step (?P<step>[A-Z_]+) spawning (?P<program>\S{1,200}): (?P<why>.{1,100})"
)
_STEPS = {"EXEC": "program", "CHDIR": "folder", "USER": "user", "GROUP": "user"}
"""The variant of each step of systemd's that has a remedy of its own."""

_NO_VARIABLES = re.compile(r"[Ff]ailed to load environment files")
_ENDED = re.compile(r"Start request repeated too quickly|start operation timed out")
_UNIT = re.compile(r"\b(?P<unit>[\w@.:-]{1,100}\.service)\b")
_REFUSED = re.compile(
    rf"^-?(?:\S+: )?{SHELL_LINE}(?P<script>[\w./~+-]{{1,200}}): "
    r"(?:\S{1,200}: (?:bad interpreter|错误的解释器)|(?:cannot execute|无法执行)[:：])"
)
"""A script that the shell could not run: it names the script behind its own name."""

_SHELLS = re.compile(r"^-?(?:ba|da|z|k)?sh$|/(?:ba|da|z|k)?sh$|^/usr/bin/env$|^env$")


def _kind(session: Session, hit: Hit) -> str | None:
    text, values = hit.text, _values(session, hit)
    if "step" in values:
        return _STEPS.get(values["step"], "step") if "unit" in values else None
    if _NO_VARIABLES.search(text):
        return "variables-file" if "unit" in values else None
    if _ENDED.search(text):
        return ("too-slow" if "timed out" in text else "ended") if "unit" in values else None
    if _CRLF.search(text):
        return "line-ends" if "script" in values else "line-ends-somewhere"
    if _OPTION.search(text):
        return "option" if "script" in values else "option-typed"
    if _UNSET.search(text):
        return "variable"
    if _SYNTAX.search(text):
        return "syntax" if "script" in values else None
    return "interpreter" if "script" in values else None


def _values(session: Session, hit: Hit) -> dict[str, str]:
    """What the line names: the script, the option, the variable, the unit and its program."""
    values: dict[str, str] = {}
    for mark in (_OPTION, _UNSET, _STEP, _UNIT):
        if match := mark.search(hit.text):
            values |= {name: value for name, value in match.groupdict().items() if value}
    if "last" in values:
        values["option"] = values.pop("last")
    if refused := _REFUSED.search(hit.text):
        values["script"] = refused["script"]
    elif (at := re.search(_AT, hit.text)) and not _SHELLS.search(at["script"]):
        values["script"] = at["script"]
    return values


cause(
    "script-failed",
    [
        pattern(
            "not found",
            "start.sh: line 4: --port: command not found",
            regex=rf"{_AT}--?[a-zA-Z][\w-]*: (?:command )?not found\s*$|^(?:zsh|\S+\.sh)(?::\d+)?: command not found: --?[a-zA-Z]",
            near="start.sh: line 4: nvidia-smi: command not found",
            source="bash, dash, zsh",
            weight=SPECIFIC,
        ),
        pattern(
            "未找到命令",
            "start.sh: 第 4 行：--port: 未找到命令",
            regex=rf"{_AT}(?:--?[a-zA-Z][\w-]*|\$'\\r')[:：] ?未找到命令\s*$",
            near="start.sh: 第 4 行：nvidia-smi: 未找到命令",
            source="bash",
            weight=SPECIFIC,
        ),
        pattern(
            "': command not found",
            "./start.sh: line 2: $'\\r': command not found",
            regex=rf"{_AT}\$'[^']*\\r': command not found",
            near="./start.sh: line 2: nvidia-smi: command not found",
            source="bash, coreutils",
            weight=SPECIFIC,
        ),
        pattern(
            "No such file or directory",
            "/usr/bin/env: ‘bash\\r’: No such file or directory",
            regex=r"env: ['‘]?(?:(?:ba|da|z)?sh|python[\d.]*)\\r['’]?: No such file or directory",
            near="/usr/bin/env: ‘node’: No such file or directory",
            source="coreutils",
            weight=SPECIFIC,
        ),
        pattern(
            "没有那个文件或目录",
            '/usr/bin/env: "bash\\r": 没有那个文件或目录',
            regex=r"env: \W?(?:(?:ba|da|z)?sh|python[\d.]*)\\r\W?[:：] ?没有那个文件或目录",
            near='/usr/bin/env: "node": 没有那个文件或目录',
            source="coreutils",
            weight=SPECIFIC,
        ),
        pattern(
            "interpreter",
            "-bash: ./start.sh: /bin/bash^M: bad interpreter: No such file or directory",
            regex=r": bad interpreter: ",
            near="the interpreter was started",
            source="bash, zsh",
            weight=SPECIFIC,
        ),
        pattern(
            "错误的解释器",
            "bash: ./start.sh: /bin/bash^M: 错误的解释器: 没有那个文件或目录",
            near="bash: ./start.sh: 权限不够",
            source="bash",
            weight=SPECIFIC,
        ),
        pattern(
            "cannot execute: required file not found",
            "bash: line 1: ./start.sh: cannot execute: required file not found",
            near="bash: ./start.sh: cannot execute binary file: Exec format error",
            source="bash 5.2",
            weight=SPECIFIC,
        ),
        pattern(
            "找不到需要的文件",
            "bash: ./start.sh: 无法执行：找不到需要的文件",
            regex=r"无法执行[:：] ?找不到需要的文件",
            near="bash: ./start.sh: 权限不够",
            source="bash 5.2",
            weight=SPECIFIC,
        ),
        pattern(
            "variable",
            "start.sh: line 2: MODEL_PATH: unbound variable",
            regex=rf"{_AT}[A-Za-z_]\w*: unbound variable\s*$",
            near="UnboundLocalError: cannot access local variable 'x' where it is not associated with a value",
            source="bash",
            weight=SPECIFIC,
        ),
        pattern(
            "parameter not set",
            "start.sh: 2: MODEL_PATH: parameter not set",
            regex=rf"{_AT}[A-Za-z_]\w*: parameter not set\s*$",
            near="the parameter not set is max_tokens",
            source="dash, zsh",
            weight=SPECIFIC,
        ),
        pattern(
            "未绑定的变量",
            "start.sh: 第 2 行：MODEL_PATH: 未绑定的变量",
            regex=rf"{_AT}[A-Za-z_]\w*[:：] ?未绑定的变量\s*$",
            near="文本里写着：未绑定的变量",
            source="bash",
            weight=SPECIFIC,
        ),
        pattern(
            "yntax error",
            "./start.sh: line 5: syntax error near unexpected token `newline'",
            regex=rf"{_AT}[Ss]yntax error(?: near unexpected token|: )",
            near="SyntaxError: invalid syntax",
            source="bash, dash",
            weight=SPECIFIC,
        ),
        pattern(
            "unexpected EOF while looking for matching",
            "start.sh: line 9: unexpected EOF while looking for matching `\"'",
            regex=rf"{_AT}unexpected EOF while looking for matching",
            near="start.sh: line 9: warning: here-document at line 3 delimited by end-of-file (wanted `EOF')",
            source="bash",
            weight=SPECIFIC,
        ),
        pattern(
            "语法错误",
            './start.sh: 第 5 行：未预期的记号 "newline" 附近有语法错误',
            regex=rf"{_AT}(?:语法错误|未预期的记号 .* 附近有语法错误)",
            near="请求的文本里有语法错误",
            source="bash",
            weight=SPECIFIC,
        ),
        pattern(
            "未预期的 EOF",
            "start.sh: 第 9 行：寻找匹配的 `\"' 时遇到了未预期的 EOF",
            regex=rf"{_AT}寻找匹配的 .* 时遇到了未预期的 EOF",
            near="日志里写着：未预期的 EOF",
            source="bash",
            weight=SPECIFIC,
        ),
        pattern(
            "Failed at step ",
            "sglang.service: Failed at step EXEC spawning /opt/sglang/bin/python: No such file or directory",
            regex=r"Failed at step [A-Z_]+ spawning \S+: ",
            near="[2026-11-02 22:10:05] Failed at step 3 of the warm-up",
            source="systemd",
            weight=SPECIFIC,
        ),
        pattern(
            "ailed to load environment files",
            "sglang.service: Failed to load environment files: No such file or directory",
            near="python-dotenv could not find configuration file .env.",
            source="systemd",
            weight=PLAIN,
        ),
        pattern(
            "Start request repeated too quickly",
            "sglang.service: Start request repeated too quickly.",
            near="sglang.service: Scheduled restart job, restart counter is at 1.",
            source="systemd: the program has a log of its own",
            weight=GENERAL,
        ),
        pattern(
            "start operation timed out",
            "sglang.service: start operation timed out. Terminating.",
            near="sglang.service: Consumed 1min 12.301s CPU time.",
            source="systemd",
            weight=GENERAL,
        ),
    ],
    shows=("args",),
    title=Text("the start script or unit could be run", "启动脚本（systemd 单元）能正常执行"),
    because=Text(
        "what starts the server failed by itself (the line names the reason)",
        "启动服务的脚本自己先出错了（报错行里写了原因）",
    ),
    fix=Text("mend what the line names, then start again", "按报错处理后重新启动"),
    commands=("ls -l *.sh", "bgecheck preflight --file start.sh"),
    variants={
        "option": Advice(
            Text(
                "the launch command is cut in {script} before {option}: the line above does not end in a backslash, or has a "
                "blank behind it. sglang was started without {option} and what follows it",
                "{script} 里的启动命令在 {option} 之前断开了：上一行末尾没有反斜杠，或反斜杠后面多了空格。sglang 启动时没有收到 "
                "{option} 及之后的参数",
            ),
            Text(
                "let every line of the command but the last end in a backslash with nothing behind it, stop the server that was "
                "started without these options, and start again",
                "命令的每一行末尾只写反斜杠（最后一行不写），反斜杠后不留空格；停掉缺参数启动的服务，再重新启动",
            ),
            (
                "grep -nE '\\\\[[:blank:]]+$' {script}",
                "sed -i -E 's/\\\\[[:blank:]]+$/\\\\/' {script}",
                "bgecheck preflight --file {script}",
            ),
        ),
        "option-typed": Advice(
            Text(
                "the launch command was cut before {option}: the line above did not end in a backslash, or had a blank behind it. "
                "sglang was started without {option} and what follows it",
                "启动命令在 {option} 之前断开了：上一行末尾没有反斜杠，或反斜杠后面多了空格。sglang 启动时没有收到 {option} 及之后的参数",
            ),
            Text(
                "write the command on one line, or let every line but the last end in a backslash with nothing behind it",
                "把命令写成一行，或让除最后一行外的每一行都以反斜杠结尾，后面不能有任何字符",
            ),
            ("bgecheck preflight --file start.sh",),
        ),
        "line-ends": Advice(
            Text(
                "{script} has the line ends of Windows (CRLF): the shell takes the carriage return for a part of names",
                "{script} 是 Windows 换行（CRLF），shell 把回车符当成了命令的一部分",
            ),
            Text("save it with LF line ends, then start again", "改成 LF 换行后重新启动"),
            ("sed -i 's/\\r$//' {script}",),
        ),
        "line-ends-somewhere": Advice(
            Text(
                "the start script has the line ends of Windows (CRLF): the shell takes the carriage return for a part of names",
                "启动脚本是 Windows 换行（CRLF），shell 把回车符当成了命令的一部分",
            ),
            Text(
                "find the scripts that have them, and save them with LF line ends: sed -i 's/\\r$//' FILE",
                "找出这样的脚本，用 sed -i 's/\\r$//' 文件名 改成 LF 换行",
            ),
            ("grep -rlI $'\\r$' --include='*.sh' .",),
        ),
        "interpreter": Advice(
            Text(
                "the program that the first line of {script} names is not on this machine: a virtual environment that was moved "
                "or copied, another Python, or line ends of Windows (CRLF)",
                "{script} 首行指定的解释器在本机不存在：虚拟环境被移动或拷贝过、换了 Python，或脚本是 Windows 换行（CRLF）",
            ),
            Text(
                "correct the first line, or make the environment anew on this machine and install sglang into it",
                "改正首行，或在本机重建虚拟环境并重装 sglang",
            ),
            ("head -n 1 {script} | od -c | head -n 3",),
        ),
        "variable": Advice(
            Text(
                "the start script uses the variable {variable}, which is not set where it runs",
                "启动脚本用到的变量 {variable} 在运行环境里没有设置",
            ),
            Text(
                "set {variable} where the script is started (shell, unit, compose file), then start again",
                "在启动脚本的环境（shell、systemd 单元、compose 文件）里设置 {variable}，再重新启动",
            ),
            ("export {variable}=",),
        ),
        "syntax": Advice(
            Text(
                "the shell could not read {script}: a quote or bracket that is not closed, or a word that stands where none may",
                "shell 读不懂 {script}：引号或括号没有闭合，或出现了不该有的内容",
            ),
            Text("correct the line that is named, and let the shell check it", "改正报错的那一行，再让 shell 检查一遍"),
            ("bash -n {script}",),
        ),
        "program": Advice(
            Text(
                "systemd could not run {program}: {why}",
                "systemd 无法执行 {program}：{why}",
            ),
            Text(
                "let ExecStart= name the interpreter of sglang's environment by its whole path, one that the unit's user may run",
                "ExecStart= 要写 sglang 所在环境里解释器的完整路径，且单元的用户有权执行",
            ),
            ("ls -lL {program}", "systemctl cat {unit}"),
        ),
        "folder": Advice(
            Text(
                "the WorkingDirectory= of {unit} cannot be entered: {why}", "{unit} 的 WorkingDirectory= 进不去：{why}"
            ),
            Text(
                "make the folder, or correct WorkingDirectory=, then: systemctl daemon-reload",
                "创建这个目录或改正 WorkingDirectory=，然后 systemctl daemon-reload",
            ),
            ("systemctl cat {unit}", "systemctl show -p WorkingDirectory {unit}"),
        ),
        "user": Advice(
            Text(
                "the User= or Group= of {unit} does not exist on this machine: {why}",
                "{unit} 的 User= 或 Group= 在本机不存在：{why}",
            ),
            Text(
                "make the user, or correct User= and Group=, then: systemctl daemon-reload",
                "创建这个用户，或改正 User= 和 Group=，然后 systemctl daemon-reload",
            ),
            ("systemctl show -p User -p Group {unit}",),
        ),
        "step": Advice(
            Text(
                "systemd could not prepare {unit} in its step {step}: {why}",
                "systemd 在 {step} 步骤没能准备好 {unit}：{why}",
            ),
            Text(
                "correct the setting of the unit that belongs to this step (see systemd.exec(5)), then: systemctl daemon-reload",
                "按 systemd.exec(5) 改正单元里与这一步对应的设置，然后 systemctl daemon-reload",
            ),
            ("systemctl cat {unit}",),
        ),
        "ended": Advice(
            Text(
                "systemd started {unit}, its program ended by itself, and no error of the program stands in this log",
                "systemd 启动了 {unit}，程序随后自己退出；这份日志里没有程序自己的报错",
            ),
            Text(
                "read what the program itself wrote: the journal of the unit, or the file that StandardOutput= and StandardError= name",
                "看程序自己的输出：该单元的 journal，或 StandardOutput=、StandardError= 指向的文件",
            ),
            (
                "journalctl -u {unit} -n 2000 -o cat --no-pager | bgecheck logs",
                "systemctl show -p StandardOutput -p StandardError {unit}",
            ),
        ),
        "too-slow": Advice(
            Text(
                "{unit} was not up within TimeoutStartSec=, and systemd ended it: Type=notify waits for a message that sglang never "
                "sends, and an ExecStartPost= that waits for the server counts too",
                "{unit} 没有在 TimeoutStartSec= 内启动完成，被 systemd 结束：Type=notify 等的是 sglang 从不发送的通知；"
                "等待服务就绪的 ExecStartPost= 也计算在内",
            ),
            Text(
                "set Type=exec and TimeoutStartSec=600 in the unit, then: systemctl daemon-reload",
                "在单元里写 Type=exec 和 TimeoutStartSec=600，然后 systemctl daemon-reload",
            ),
            ("systemctl show -p Type -p TimeoutStartUSec {unit}", "sudo systemctl edit {unit}"),
        ),
        "variables-file": Advice(
            Text(
                "the EnvironmentFile= of {unit} is not there, so that systemd did not start the program",
                "{unit} 的 EnvironmentFile= 指定的文件不存在，systemd 因此没有启动程序",
            ),
            Text(
                "write that file, or put a minus before its path if it may be missing (EnvironmentFile=-PATH), then: "
                "systemctl daemon-reload",
                "创建这个文件；允许缺失时在路径前加减号（EnvironmentFile=-路径），然后 systemctl daemon-reload",
            ),
            ("systemctl cat {unit}",),
        ),
    },
    variant=_kind,
    values=_values,
)
