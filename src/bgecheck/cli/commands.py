"""The commands in the order of the help: the panel that each stands in, and the line that says what it is for."""

from __future__ import annotations

from typing import NamedTuple

from bgecheck.cli.language import both


class Summary(NamedTuple):
    """What the program's own page shows of a command, in both languages."""

    panel: str
    line: str


_CHECK = both("Check a server", "检查服务")
_USE = both("Use a server", "使用服务")
_LEARN = both("Try and read", "试用与查阅")

COMMANDS = {
    "doctor": Summary(
        _CHECK,
        both(
            "Everything after launch: finds the running server, checks every area, root cause first.",
            "启动后的全面检查：自动找到正在运行的服务，逐个领域检查，先给出根因",
        ),
    ),
    "preflight": Summary(
        _CHECK,
        both(
            "Everything before launch: the launch command, the model's files, GPU, port and host.",
            "启动前的全面检查：启动命令、模型文件、GPU、端口和主机",
        ),
    ),
    "logs": Summary(
        _CHECK,
        both(
            "What happened in the newest session of a log, and what was its root cause.",
            "日志里最近一次启动发生了什么，根因是什么",
        ),
    ),
    "ports": Summary(
        _CHECK,
        both(
            "Who listens, on which address, and is it the server that is meant.",
            "谁在监听、监听在哪个地址、是不是要找的服务",
        ),
    ),
    "gpu": Summary(
        _CHECK,
        both(
            "Driver, memory, who holds it, health, and whether this model fits.",
            "驱动、显存、被谁占用、健康状况、这个模型放不放得下",
        ),
    ),
    "probe": Summary(
        _CHECK,
        both(
            "Does HTTP work as the clients need it: URL shape, key, model, a real embedding, limits.",
            "HTTP 接口能不能用：地址写法、key、模型名、真实的 embedding 请求、各种上限",
        ),
    ),
    "embed": Summary(
        _CHECK,
        both(
            "Are the vectors right: dims, norm, first numbers, and a short proof; --full makes every check of them.",
            "向量对不对：维度、范数、前几个数值和简短的验证；完整检查用 --full",
        ),
    ),
    "bench": Summary(
        _CHECK,
        both(
            "How fast is it: which batch size and concurrency, within which latency; never more than the server takes.",
            "有多快：批大小和并发取多少、延迟多少；压力不超过服务允许的上限",
        ),
    ),
    "watch": Summary(
        _CHECK,
        both(
            "Does it hold: memory, latency, errors, log and vectors over hours and days.",
            "扛得住吗：持续观察内存、延迟、错误、日志和向量",
        ),
    ),
    "snippet": Summary(
        _USE,
        both(
            "Client code for this endpoint, or the values of a client's form; run before it is shown.",
            "这个服务的客户端代码，或客户端表单要填的值；展示前先运行一遍",
        ),
    ),
    "dedup": Summary(
        _USE,
        both(
            "Semantic de-duplication: a text is kept unless it is closer than a threshold to one that was kept before.",
            "语义去重：文本与之前保留的某条相似度超过阈值则去除",
        ),
    ),
    "plan": Summary(
        _USE,
        both(
            "Several models on one machine: ports, memory shares, launch lines, nginx and compose files.",
            "一台机器部署多个模型：端口、显存比例、启动命令、nginx 与 compose 文件",
        ),
    ),
    "demo": Summary(
        _LEARN,
        both(
            "An embedded server to try all of this on, and to show each fault. It is not a language model.",
            "自带的演示服务，用来试用和演示各种故障；它不是语言模型",
        ),
    ),
    "explain": Summary(
        _LEARN,
        both(
            "The page of one check: what it checks, why it fails, what fixes it.",
            "一项检查的说明：查什么、为什么不通过、怎么解决",
        ),
    ),
    "matrix": Summary(
        _LEARN,
        both(
            "The troubleshooting matrix: all checks that bgecheck can make.",
            "排障矩阵：bgecheck 能做的全部检查",
        ),
    ),
    "schema": Summary(
        _LEARN,
        both(
            "The JSON schema that every -o json report keeps to, or that of bgecheck.toml.",
            "-o json 报告的 JSON schema，或 bgecheck.toml 的 JSON schema",
        ),
    ),
    "config": Summary(
        _LEARN,
        both(
            "The file bgecheck.toml: init writes one, validate checks it, show tells each setting and its source.",
            "bgecheck.toml 文件：init 生成，validate 检查，show 列出每项设置及其来源",
        ),
    ),
}
"""Each is a module of this package, of the same name."""
