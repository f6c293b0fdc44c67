"""The rows about shared memory, open files and main memory."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.amounts import amount
from bgecheck.checks.host.facts import AREA, HostFacts
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, absent, broken, holds
from bgecheck.model.expected import AtLeast

SHM_OF_RANKS = AtLeast(10**9, "bytes", "NCCL user guide: docker run --shm-size=1g; Docker's own default is 64 MB")
SHM_OF_ONE = AtLeast(2**20, "bytes", "0.5.23 leaves 16 kB of /dev/shm/sglang_loads_* at each start, measured")
FILES = AtLeast(4096, "", "a connection takes one; 1024, the default of many shells, are gone with as many clients")
WANTED_FILES = 65535
"""What sglang raises its soft limit to when it starts, where the hard limit allows it (set_ulimit, all releases)."""
RUNTIME = 2_300_000_000
"""Bytes of main memory of an idle server's processes: 0.70 + 0.95 + 0.66 GB, measured with 0.5.23 on a CPU."""


@AREA.check(
    "shm",
    title=Text("/dev/shm is large enough", "/dev/shm 足够大"),
    cause=Text(
        "/dev/shm has {available}, and {ranks} processes that compute together exchange their data through it: NCCL "
        "fails in the start",
        "/dev/shm 只有 {available}，而 {ranks} 个并行进程要通过它交换数据：NCCL 会在启动时报错",
    ),
    fix=Text(
        "start the container with --shm-size 8g or --ipc=host, in a pod mount an emptyDir with `medium: Memory` at "
        "/dev/shm; where one GPU fits the model, one rank needs none of it",
        "容器加 --shm-size 8g 或 --ipc=host，Pod 则把 `medium: Memory` 的 emptyDir 挂到 /dev/shm；"
        "单卡放得下模型时只用一个进程，就不需要它",
    ),
    commands=("df -h /dev/shm",),
    variants={
        "full": Advice(
            Text(
                "/dev/shm is full ({available} free): what other programs or earlier starts have left lies in it",
                "/dev/shm 已满（剩余 {available}）：里面是其他程序或以前启动时留下的文件",
            ),
            Text(
                "see what lies there and remove what belongs to no running program",
                "看看里面有什么，删掉不属于任何运行中程序的文件",
            ),
            ("df -h /dev/shm", "ls -lS /dev/shm"),
        )
    },
    explains=("logs.shm-too-small", "logs.nccl-failure"),
)
def shm_is_large(facts: HostFacts) -> Outcome:
    """A single rank needs next to nothing of it, several as much as NCCL asks for."""
    if facts.elsewhere:
        return _shm_of_the_container(facts)
    if facts.shm is None:
        return absent(Text("there is no /dev/shm", "没有 /dev/shm"))
    values: dict[str, Any] = {"ranks": facts.ranks, "available": amount(facts.shm.free)}
    shown = Text(
        f"{amount(facts.shm.free)} free of {amount(facts.shm.total)}",
        f"共 {amount(facts.shm.total)}，剩余 {amount(facts.shm.free)}",
    )
    if facts.ranks > 1 and not SHM_OF_RANKS.admits(facts.shm.total):
        values["available"] = amount(facts.shm.total)
        return broken(Evidence("/dev/shm", shown, f">= {amount(SHM_OF_RANKS.value)}"), **values)
    if not SHM_OF_ONE.admits(facts.shm.free):
        return broken(Evidence("/dev/shm", shown, f">= {amount(SHM_OF_ONE.value)}"), advice="full", **values)
    return holds(Evidence("/dev/shm", shown))


def _shm_of_the_container(facts: HostFacts) -> Outcome:
    """By the file that starts it."""
    size = facts.allotted.shm
    if size is None:
        return absent(facts.elsewhere or Text("its size is not known", "不知道大小"))
    if facts.ranks > 1 and not SHM_OF_RANKS.admits(size):
        shown = Evidence(
            Text("/dev/shm of the container", "容器的 /dev/shm"), amount(size), f">= {amount(SHM_OF_RANKS.value)}"
        )
        return broken(shown, ranks=facts.ranks, available=amount(size))
    return holds(Evidence(Text("/dev/shm of the container", "容器的 /dev/shm"), amount(size)))


@AREA.check(
    "nofile",
    title=Text("the server may open enough files and connections", "可打开的文件和连接数足够"),
    cause=Text(
        "the process may open {limit} files (nofile), and each connection is one: with more clients than that, new "
        "connections are not accepted",
        "进程最多打开 {limit} 个文件（nofile），而每个连接占一个：客户端再多，新的连接就进不来",
    ),
    fix=Text(
        "raise the limit before the start (docker: --ulimit nofile=65536, systemd: LimitNOFILE=65536)",
        "启动前调大上限（docker 用 --ulimit nofile=65536，systemd 用 LimitNOFILE=65536）",
    ),
    commands=("ulimit -n 65536",),
    severity=Severity.WARNING,
    explains=("logs.too-many-open-files",),
)
def enough_files_may_be_opened(facts: HostFacts) -> Outcome:
    """What a start gets: 65535 where the hard limit allows it, else what it had."""
    if facts.elsewhere and facts.allotted.files is None:
        return absent(facts.elsewhere)
    nofile = facts.nofile if facts.allotted.files is None else (facts.allotted.files, facts.allotted.files)
    if nofile is None:
        return absent(Text("the limit cannot be read", "读不到这个上限"))
    soft, hard = nofile
    limit = soft if facts.runs and soft >= WANTED_FILES else max(soft, WANTED_FILES if hard >= WANTED_FILES else 0)
    shown = Evidence("nofile", Text(f"{soft}, hard {_written(hard)}", f"{soft}，硬上限 {_written(hard)}"), str(FILES))
    return holds(shown._replace(expected=None)) if FILES.admits(limit) else broken(shown, limit=limit)


def _written(limit: int) -> str:
    return "unlimited" if limit >= 2**60 else str(limit)


@AREA.check(
    "memory",
    title=Text("there is enough main memory for a start", "内存足够启动"),
    cause=Text(
        "{available} of main memory can be had, and a start takes {needed}: the system ends the process without a word "
        "in its log",
        "可用内存只有 {available}，而启动需要 {needed}：系统会直接杀掉进程，日志里没有原因",
    ),
    fix=Text("free memory, or start on a machine with more", "腾出内存，或换内存更大的机器"),
    commands=("free -h", "ps aux --sort=-rss | head -n 8"),
    variants={
        "limit": Advice(
            Text(
                "the control group is limited to {available}, and a start takes {needed}: the system ends the process "
                "without a word in its log",
                "控制组（cgroup）的内存上限是 {available}，而启动需要 {needed}：系统会直接杀掉进程，日志里没有原因",
            ),
            Text(
                "raise the limit: docker --memory, in a pod resources.limits.memory, systemd MemoryMax=",
                "调大上限：docker 用 --memory，Pod 用 resources.limits.memory，systemd 用 MemoryMax=",
            ),
            ("cat /sys/fs/cgroup/memory.max",),
            severity=Severity.ERROR,
        ),
        "given": Advice(
            Text(
                "the file limits the server to {available} of main memory, and a start takes {needed}: the system ends "
                "it without a word in its log",
                "文件里给服务的内存上限是 {available}，而启动需要 {needed}：系统会直接杀掉进程，日志里没有原因",
            ),
            Text(
                "raise the limit: docker -m, in compose mem_limit, in a pod resources.limits.memory, in a unit "
                "MemoryMax=",
                "调大上限：docker 用 -m，compose 用 mem_limit，Pod 用 resources.limits.memory，systemd 用 MemoryMax=",
            ),
            severity=Severity.ERROR,
        ),
    },
    severity=Severity.WARNING,
    explains=("logs.host-oom-killed",),
)
def memory_is_enough(facts: HostFacts) -> Outcome:
    """Of a server that runs it is too late to ask."""
    if facts.runs:
        return absent(Text("the server runs already", "服务已经在运行"))
    needed = RUNTIME + (facts.weights or 0)
    if facts.elsewhere:
        return _within_its_limit(facts, needed)
    if facts.memory is None:
        return absent(Text("the memory cannot be read", "读不到内存信息"))
    limit = facts.memory.limit
    values = {"needed": amount(needed), "available": amount(facts.memory.available)}
    shown = Evidence(Text("available", "可用"), amount(facts.memory.available), f">= {amount(needed)}")
    if limit is not None and limit < needed:
        bound = Evidence(Text("limit", "上限"), amount(limit), f">= {amount(needed)}")
        return broken(bound, advice="limit", **{**values, "available": amount(limit)})
    return holds(shown) if facts.memory.available >= needed else broken(shown, **values)


def _within_its_limit(facts: HostFacts, needed: int) -> Outcome:
    """By the limit that the file gives it: what its machine has free is not known here."""
    limit = facts.allotted.memory
    if limit is None:
        return absent(facts.elsewhere or Text("its limit is not known", "不知道上限"))
    where = facts.planned.place if facts.planned else ""
    bound = Evidence(Text(f"memory limit in {where}", f"{where} 里的内存上限"), amount(limit))
    if limit >= needed:
        return holds(bound)
    return broken(
        bound._replace(expected=f">= {amount(needed)}"), advice="given", needed=amount(needed), available=amount(limit)
    )
