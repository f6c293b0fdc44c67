"""The faults that the demo can show: what each is, how it is staged, and exactly which rows it breaks."""

from __future__ import annotations

from dataclasses import dataclass

from bgecheck.model import Text

HEALTHY = ("--is-embedding", "--disable-radix-cache", "--chunked-prefill-size", "-1", "--mem-fraction-static", "0.3")
"""What a bidirectional encoder is rightly started with."""

_NOT_UP = ("logs.ready", "ports.listening", "probe.reachable")
_PREFIX = (
    "embed.repeatable",
    "embed.batch-equals-single",
    "embed.prefix-independent",
    "embed.order",
    "embed.concurrent",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `flags` follow the launch line; `rows` are those that do not hold, and no others."""

    text: Text
    rows: tuple[str, ...]
    flags: tuple[str, ...] = HEALTHY
    starts: bool = True
    """Whether a server is started at all."""
    serves: bool = True
    """Whether the server that is started comes to answer."""
    api_key: str | None = None
    """The key that the client gives."""
    version: str | None = None
    """The release of sglang that the server sounds like; None is the newest that it knows."""
    path: str = ""
    """What is put behind the server's address in the base URL."""
    port_taken: bool = False
    """Whether another program holds the port already."""


def _own(name: str) -> tuple[str, ...]:
    return (*HEALTHY, "--fault", name)


FAULTS: dict[str, Fault] = {
    "gpu-oom": Fault(
        Text("the GPU runs out of memory while the weights are loaded", "加载权重时显存不足"),
        ("logs.gpu-oom-weights", *_NOT_UP),
        flags=_own("gpu-oom"),
        serves=False,
    ),
    "model-path": Fault(
        Text("the model folder does not exist", "模型目录不存在"),
        ("logs.model-path-not-found", *_NOT_UP),
        flags=(*_own("model-path"), "--model-path", "/models/bge-large-zh-v1.5"),
        serves=False,
    ),
    "unknown-flag": Fault(
        Text("the launch line has an option that sglang does not know", "启动命令里有 sglang 不认识的参数"),
        ("logs.bad-cli-arguments", *_NOT_UP),
        flags=_own("unknown-flag"),
        serves=False,
    ),
    "port-in-use": Fault(
        Text("another program holds the port", "端口被其他程序占用"),
        ("logs.port-in-use", "logs.ready", "ports.owner", "probe.base-url", "probe.openai-client", "embed.answers"),
        serves=False,
        port_taken=True,
    ),
    "stuck-loading": Fault(
        Text("the start hangs while the weights are loaded", "启动卡在加载权重"),
        ("logs.stalled-no-error", *_NOT_UP),
        flags=_own("stuck-loading"),
        serves=False,
    ),
    "refused": Fault(
        Text("no server was started, or the port is wrong", "服务没启动，或端口写错"),
        ("ports.listening", "probe.reachable"),
        starts=False,
        serves=False,
    ),
    "api-key": Fault(
        Text("the server has a key and the client gives EMPTY", "服务设了 key，客户端给的是 EMPTY"),
        ("probe.api-key", "probe.ready", "probe.openai-client", "embed.answers"),
        flags=(*HEALTHY, "--api-key", "a-key-of-the-demo"),
        api_key="EMPTY",
    ),
    "wrong-path": Fault(
        Text("the base URL has a path that the server does not have", "base URL 的路径不对"),
        ("probe.base-url", "probe.openai-client", "embed.answers"),
        path="/api",
    ),
    "empty-response": Fault(
        Text(
            "a gateway answers 200 and `null`: 'NoneType' object has no attribute 'data'",
            "网关返回 200 和 null：NoneType 没有 data",
        ),
        ("probe.ready", "probe.health-agrees", "probe.openai-client", "embed.answers"),
        flags=_own("empty-response"),
    ),
    "rate-limited": Fault(
        Text("a gateway answers 429 Too Many Requests", "网关返回 429 Too Many Requests"),
        ("probe.rate-limit", "probe.ready", "probe.openai-client", "embed.answers"),
        flags=_own("rate-limited"),
    ),
    "queue-full": Fault(
        Text(
            "the request queue is full: status pages answer, embeddings get 503",
            "请求队列已满：状态页正常，embedding 返回 503",
        ),
        ("probe.ready", "probe.health-agrees", "probe.openai-client", "embed.answers"),
        flags=_own("queue-full"),
    ),
    "dead-scheduler": Fault(
        Text(
            "the scheduler is dead behind a living HTTP server: /v1/models is 200, embeddings hang "
            "(shown as 0.5.9: from 0.5.10 on a watchdog ends the server)",
            "调度进程已死而 HTTP 还在：/v1/models 返回 200，embedding 一直没有响应"
            "（按 0.5.9 演示；0.5.10 起会有看门狗结束整个服务）",
        ),
        ("probe.ready", "probe.health-agrees", "probe.openai-client", "embed.answers"),
        # From 0.5.10 on a watchdog ends the whole server within ten seconds (SubprocessWatchdog, watchdog.py).
        flags=(*HEALTHY, "--skip-server-warmup", "--fault", "dead-scheduler"),
        version="0.5.9",
    ),
    "repeat-differs": Fault(
        Text(
            "prefix cache on: 200, norm 1.0, and the same text gives another vector",
            "前缀缓存开着：返回 200、范数 1.0，但同一文本的向量会变",
        ),
        ("logs.encoder-vectors-wrong", "launch.prefix-cache", *_PREFIX),
        flags=("--is-embedding", "--chunked-prefill-size", "-1", "--mem-fraction-static", "0.3"),
    ),
    "chunked-prefill": Fault(
        Text(
            "chunked prefill on: texts at a chunk boundary get wrong vectors",
            "分块预填充开着：分块边界上的文本向量错误",
        ),
        ("launch.chunked-prefill", "embed.long-batch"),
        flags=("--is-embedding", "--disable-radix-cache", "--mem-fraction-static", "0.3"),
    ),
    "wrong-pooling": Fault(
        Text("an old sglang pools the last token instead of [CLS]", "旧版 sglang 取最后一个 token，而不是 [CLS]"),
        ("logs.encoder-vectors-wrong", "launch.pooling", "probe.dimensions"),
        version="0.5.3.post3",
    ),
    "unnormalised": Fault(
        Text("the vectors are not normalised", "向量没有归一化"),
        ("embed.normalized",),
        flags=_own("unnormalised"),
    ),
    "nan-as-null": Fault(
        Text("the model computes NaN, and the answer holds null", "模型算出 NaN，返回里是 null"),
        ("probe.ready", "embed.finite", "embed.normalized", "embed.repeatable", "embed.batch-equals-single"),
        # With a warm-up the server would end itself: sglang's /encode answers 500 over NaN.
        flags=(*HEALTHY, "--skip-server-warmup", "--fault", "nan"),
    ),
    "wrong-dimension": Fault(
        Text("another model of 768 dimensions is served under this name", "同名服务背后是另一个 768 维的模型"),
        ("embed.dimension",),
        flags=(*HEALTHY, "--dims", "768"),
    ),
}
