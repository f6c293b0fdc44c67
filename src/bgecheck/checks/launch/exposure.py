"""Rows about who reaches a planned server, and who reads its key."""

from __future__ import annotations

from bgecheck.checks.launch.facts import AREA, LaunchFacts
from bgecheck.checks.loopback import is_loopback
from bgecheck.engines.sglang.arguments import keys
from bgecheck.engines.sglang.engine import changes_in_words
from bgecheck.engines.sglang.options import (
    ALL_ADDRESSES,
    API_KEY,
    KEY_IN_FILE,
    ONE_TOKENIZER,
    SETTINGS_FILE,
    TOKENIZERS,
)
from bgecheck.engines.sglang.remedies import START_WITH_CHANGES
from bgecheck.model import BEFORE, Advice, Evidence, Outcome, Severity, Text, absent, broken, holds


@AREA.check(
    "host",
    title=Text("clients can reach the address that it will listen on", "客户端能访问要监听的地址"),
    cause=Text(
        "{host} in a container is the container's own: published ports and other pods reach nothing, only the "
        "container itself",
        "容器里的 {host} 只属于容器自己：端口映射、其他 Pod 都访问不到",
    ),
    fix=START_WITH_CHANGES,
    moments=BEFORE,
    explains=("launch.line",),
)
def host_can_be_reached(facts: LaunchFacts) -> Outcome:
    """127.0.0.1 is the default too; outside of a container it is a choice."""
    planned, options = facts.planned, facts.flags or {}
    if planned is None:
        return absent(Text("the server runs", "服务已在运行"))
    host = options.get("host")
    if host is not None and "$" in host:
        return absent(Text(f"the value of {host} is not known here", f"不知道 {host} 的值"))
    address = host or planned.host
    given = Text("command line", "启动命令行") if host else Text("the default", "默认值")
    evidence = Evidence(Text(f"host ({given.en})", f"host（{given.zh}）"), address)
    if host is None and (word := planned.may_stand_in("host")):
        return absent(Text(f"it may stand in {word}, which is not known here", f"可能写在 {word} 里，而它的内容未知"))
    if planned.written.own_network and is_loopback(address):
        return broken(evidence, host=address, changes=changes_in_words(REACHABLE))
    if is_loopback(address):
        return holds(evidence, Evidence(Text("reached by", "可访问范围"), Text("this machine alone", "仅本机")))
    if "api-key" not in options:
        open_to = Text("everybody who reaches this machine: no key is set", "能连到本机的任何人：没有设置 key")
        return holds(evidence, Evidence(Text("open to", "开放给"), open_to))
    return holds(evidence)


REACHABLE = dict([ALL_ADDRESSES.removeprefix("--").split()])
"""The option that mends it."""


@AREA.check(
    "key-visible",
    title=Text("the key cannot be read in the process table", "进程列表里看不到 key"),
    cause=Text(
        f"the key stands on the command line ({API_KEY}): every user of the machine reads it in ps, and everybody "
        "who reads this file",
        f"key 写在命令行上（{API_KEY}）：机器上任何用户用 ps 都能看到，能读到这份文件的人也能看到",
    ),
    fix=Text(
        f"write it into a file that only the server's user can read ({KEY_IN_FILE}), and start with {SETTINGS_FILE}; "
        "its log still shows the key, so keep that private too",
        f"写进只有服务用户可读的文件（{KEY_IN_FILE}），启动时用 {SETTINGS_FILE}；日志里仍会打印 key，日志也要限制权限",
    ),
    severity=Severity.WARNING,
    variants={
        "unchecked": Advice(
            Text(
                f"with {TOKENIZERS} above 1 sglang installs no check of the key: everybody is answered without one",
                f"{TOKENIZERS} 大于 1 时 sglang 不校验 key：不带 key 也能访问",
            ),
            Text(f"leave out {TOKENIZERS}", f"去掉 {TOKENIZERS}"),
            severity=Severity.ERROR,
        )
    },
    moments=BEFORE,
)
def key_is_not_visible(facts: LaunchFacts) -> Outcome:
    """A variable is no secret either: the shell puts its value into the process table."""
    planned, options = facts.planned, facts.flags or {}
    if planned is None:
        return absent(Text("the server runs", "服务已在运行"))
    if not options.get("api-key"):
        return holds(Evidence(API_KEY, Text("not given", "没有给出")))
    workers = options.get(ONE_TOKENIZER, "1")
    if workers.isdigit() and int(workers) > 1:
        return broken(Evidence(TOKENIZERS, workers, "1"), advice="unchecked")
    literal = [at for at in keys(planned.written.words) if planned.written.stands_open(at)]
    if planned.contained and not literal:
        return holds(Evidence(API_KEY, Text("from a variable of the container", "来自容器的环境变量")))
    where = Text("in plain text", "明文") if literal else Text("from a variable", "来自变量")
    return broken(Evidence(API_KEY, where))
