"""Causes from the running server and around it: ports, warm-up, requests, clients, files, and the vectors themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bgecheck.engines.sglang.log import access, optional, packages, ports, rejected, relaunch, reranker
from bgecheck.engines.sglang.log.cause import CONSEQUENCES, WRONG_VECTORS, cause
from bgecheck.engines.sglang.log.causes.device import remains
from bgecheck.engines.sglang.log.coverage import span, vectors_unknown
from bgecheck.engines.sglang.log.marks import BATCH
from bgecheck.engines.sglang.log.optional import NO_PACKAGE, OWN_ALL_REDUCE, PART
from bgecheck.engines.sglang.log.pooling import pools_otherwise
from bgecheck.engines.sglang.log.rules import GENERAL, SPECIFIC, pattern
from bgecheck.engines.sglang.log.session import NO_HTTP, Hit, Session
from bgecheck.model import Advice, Severity, Shell, Text, Words

cause(
    "port-in-use",
    [
        pattern(
            "ddress already in use",
            "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 30000): address already in use",
            near="the e-mail address already in use was refused by the form",
            regex=r"(?:[Ee]rrno \d+\]|bind|ZMQError|EADDRINUSE|OSError).*[Aa]ddress already in use"
            r"|[Aa]ddress already in use.*(?:addr|port)",
            source="0.4.x to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "while attempting to bind on address",
            "ERROR:    [Errno 10048] error while attempting to bind on address ('127.0.0.1', 30000): only one usage of each "
            "socket address (protocol/network address/port) is normally permitted",
            regex=r"Errno (?:48|98|10048)\] error while attempting to bind on address",
            near="ERROR:    [Errno 13] error while attempting to bind on address ('0.0.0.0', 80): permission denied",
            source="asyncio on Linux (98), macOS (48) and Windows (10048)",
            weight=SPECIFIC,
        ),
        pattern(
            "WinError 10048",
            "OSError: [WinError 10048] only one usage of each socket address",
            weight=SPECIFIC,
            near="OSError: [WinError 10054] An existing connection was forcibly closed by the remote host",
            source="Windows",
        ),
        pattern(
            "is already in use",
            "RuntimeError: engine_info_bootstrap_port 6789 is already in use",
            regex=r"(?:Error|Exception).*[Pp]ort\S* (?:=?\d+ )?is already in use|Port is already in use",
            near="Port 30000 is already in use, trying port 30001",
            source="0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "is not available in",
            "ValueError: nccl_port at 28512 is not available in 30 seconds. nccl_port is used by a process already.",
            regex=r"\S*port at \d+ is not available in \d+ seconds",
            near="the model is not available in this region",
            source="0.4.10 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "port is already allocated",
            "docker: Error response from daemon: Bind for 0.0.0.0:30000 failed: port is already allocated.",
            near="docker: Error response from daemon: driver failed programming external connectivity on endpoint "
            "sglang: iptables: No chain/target/match by that name.",
            source="docker",
            weight=SPECIFIC,
        ),
        pattern(
            "EADDRINUSE",
            "The server socket has failed to listen on any local network address. (errno: 98 - EADDRINUSE)",
            near='[2026-11-02 22:10:05] INFO:     10.0.0.9:41002 - "GET /search?q=EADDRINUSE HTTP/1.1" 404 Not Found',
            source="torch",
        ),
    ],
    shows=span("args", "warm-up"),
    title=Text("the server could bind its port", "服务成功绑定端口"),
    because=Text(
        "the service port {args_port} was already taken when the server had loaded the model and tried to open it. sglang "
        "does not check beforehand and does not pick another; a ready line after this one is false",
        "模型加载完、要打开服务端口 {args_port} 时，它已被占用。sglang 事先不检查，也不会换端口；此后的就绪日志不可信",
    ),
    fix=Text(
        "stop what holds the port, or start on another one and update the base URL of every caller",
        "停掉占用端口的程序，或换一个端口启动，并同步修改所有调用方的 base URL",
    ),
    commands=("ss -ltnp sport = :{args_port}", "bgecheck ports --url 127.0.0.1:{args_port}"),
    variants={
        "ranks": Advice(
            Text(
                "port {args_port} is not the service port but the one of --dist-init-addr or --nccl-port, and each of the {ranks} "
                "data-parallel ranks of this launch opens it: the first has it, the next does not get it. No other program holds it",
                "端口 {args_port} 不是服务端口，而是 --dist-init-addr 或 --nccl-port 的端口：这次启动有 {ranks} 个 DP rank，每个都要打开它，"
                "第一个占了，后面的就拿不到。没有别的程序占用",
            ),
            Text(
                "nothing is to be stopped: do not combine --dp-size above 1 with a fixed port of the ranks. Start one server a node "
                "without --dist-init-addr, and put a router in front of them",
                "不需要停任何程序：--dp-size 大于 1 时不要固定 rank 之间的端口。每个节点各起一个服务（不加 --dist-init-addr），前面放一个路由",
            ),
            ("{launch_line}",),
        ),
        "rendezvous": Advice(
            Text(
                "port {args_port} of --dist-init-addr was taken: processes of an earlier start still hold it, or another launch on "
                "this machine has the same address. The service port ({server_port}) is not meant",
                "--dist-init-addr 的端口 {args_port} 已被占用：上次启动残留的进程还占着，或本机另一次启动用了同一地址。与服务端口（{server_port}）无关",
            ),
            Text(
                "end what is left of an earlier start, or give all nodes of this launch the same other port in --dist-init-addr",
                "结束上次启动残留的进程，或给这次启动的所有节点换一个相同的 --dist-init-addr 端口",
            ),
            ("ss -ltnp sport = :{args_port}",),
        ),
        "internal": Advice(
            Text(
                "port {args_port}, which the processes of this server use among themselves, was taken: by what is left of an earlier "
                "start, or by another server here. The service port ({server_port}) is not meant",
                "端口 {args_port} 是服务内部进程之间用的，已被占用：上次启动残留的进程，或本机另一个服务。与服务端口（{server_port}）无关",
            ),
            Text(
                "start again (without --nccl-port it picks a free one); if it is taken each time, end what is left of an earlier start",
                "重新启动（不加 --nccl-port 时会自动选空闲端口）；若每次都被占用，结束上次启动残留的进程",
            ),
            ("ss -ltnp sport = :{args_port}", "bgecheck ports"),
        ),
        "unnamed": Advice(
            Text(
                "a port that the processes of this server use among themselves was taken (the line does not say which): by what is left "
                "of an earlier start, or by another server here. The service port ({server_port}) is not meant",
                "服务内部进程之间用的一个端口已被占用（报错没写是哪个）：上次启动残留的进程，或本机另一个服务。与服务端口（{server_port}）无关",
            ),
            Text(
                "end what is left of an earlier start, then start again",
                "结束上次启动残留的进程，再重新启动",
            ),
            ("ss -ltnp | grep -e sglang -e python", "bgecheck ports"),
        ),
        "container": Advice(
            Text(
                "port {args_port} of this machine, which the container is to have, is taken: Docker did not start the container, and no "
                "model was loaded",
                "容器要映射的本机端口 {args_port} 已被占用：Docker 没有启动容器，模型也没有加载",
            ),
            Text(
                "stop the container or program that has it, or map another port (-p), and update the base URL of every caller",
                "停掉占用它的容器或程序，或映射到另一个端口（-p），并同步修改所有调用方的 base URL",
            ),
            ("docker ps --filter publish={args_port}", "ss -ltnp sport = :{args_port}"),
        ),
    },
    variant=ports.role,
    values=ports.values,
    changes=ports.relaunch,
    explains=(
        *CONSEQUENCES,
        *("probe.base-url", "probe.engine", "probe.api-key", "probe.model-name", "embed.dimension"),
    ),
)


def _proxy(session: Session, text: str) -> str | None:
    """A proxy error on the way to the server itself; on the way to the hub it is the hub that is out of reach."""
    if "thrown while requesting" in text:
        return None  # It will be tried again.
    if re.search(r"huggingface|hf-mirror|modelscope|/resolve/|/api/models", text):
        return "hf-unreachable"
    local = re.search(r"127\.0\.0\.1|localhost|0\.0\.0\.0|model_info", text)
    return "proxy-breaks-warmup" if local or session.phase == "warm-up" else None


def _warm_up_answer(session: Session, text: str) -> str | None:
    """An answer to the warm-up that sglang does not give: of a proxy, unless the port was lost to another program."""
    return None if session.bind_failed else "proxy-breaks-warmup"


cause(
    "proxy-breaks-warmup",
    [
        pattern(
            "ProxyError",
            "requests.exceptions.ProxyError: HTTPConnectionPool(host='10.1.0.3', port=3128): Max retries exceeded with url: "
            "http://127.0.0.1:30000/model_info",
            near="aiohttp.client_exceptions.ClientProxyConnectionError: Cannot connect to host 10.1.0.3:3128 ssl:default",
            source="0.4.6 to 0.5.23",
            weight=SPECIFIC,
            choose=_proxy,
        ),
        pattern(
            "res=<Response [",
            "AssertionError: res=<Response [502]>, res.text=''",
            regex=r"res=<Response \[(?:403|404|407|5\d\d)\]>",
            near="AssertionError: res=<Response [200]>",
            source="sglang #2468, #4094, #7341, #9155",
            choose=_warm_up_answer,
        ),
        pattern(
            "AssertionError: <Response [",
            "AssertionError: <Response [503]>",
            regex=r"AssertionError: <Response \[(?:403|404|407|5\d\d)\]>",
            near="AssertionError: <Response [400]>",
            source="0.3.x, sglang #2193",
            choose=_warm_up_answer,
        ),
        pattern(
            "Squid",
            "res.text='<html>ERR_ACCESS_DENIED generated by Squid</html>'",
            regex=r"res\.text=.*[Ss]quid",
            near="+ export http_proxy=http://Squid.corp.example:3128",
            source="Squid",
        ),
    ],
    shows=("warm-up",),
    title=Text("the warm-up reaches the server itself", "预热请求没有被代理拦截"),
    because=Text(
        "a proxy variable (http_proxy) catches the warm-up request that sglang sends to itself",
        "代理变量（http_proxy）拦截了 sglang 发给自己的预热请求",
    ),
    fix=Text(
        "start the server without the proxy, or name its own addresses in no_proxy",
        "启动前取消代理，或把本机地址写进 no_proxy",
    ),
    commands=("export no_proxy=localhost,127.0.0.1,0.0.0.0,::1",),
)

cause(
    "kv-pool-exhausted",
    [
        pattern(
            "ut of memory. Try to lower your batch size",
            "RuntimeError: Prefill out of memory. Try to lower your batch size.",
            near="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 64.00 MiB.",
            source="0.4.6 to 0.5.23: `Prefill`, `Decode`, or neither before it",
            weight=SPECIFIC,
        ),
        pattern(
            "req_to_token_pool",
            "RuntimeError: alloc_req_slots runs out of memory. Please set a smaller number for `--max-running-requests`. "
            "req_to_token_pool.available_size()=0",
            regex=r"alloc_req_slots runs out of memory",
            weight=SPECIFIC,
            near="ValueError: req_to_token_pool memory leak detected! available_size=31, total_size=32",
            source="0.4.6 to 0.5.9",
        ),
        pattern(
            "Please set a smaller number for `--max-running-requests`",
            "RuntimeError: Out of memory. Please set a smaller number for `--max-running-requests`.",
            near="[2026-11-02 22:10:05] max_total_num_tokens=20480, chunked_prefill_size=-1, "
            "max_prefill_tokens=16384, max_running_requests=2048, context_len=512",
            source="0.3.x to 0.5.9",
        ),
        pattern(
            "alloc_req_slots runs out of memory",
            "RuntimeError: alloc_req_slots runs out of memory.",
            weight=SPECIFIC,
            near="[2026-11-02 22:10:05] Decode out of memory happened. #retracted_reqs: 1, #new_token_ratio: 0.6980 "
            "-> 1.0000",
            source="0.5.9 to 0.5.23",
        ),
    ],
    shows=("serving",),
    title=Text("the token pool holds every batch", "token 池容得下每一批"),
    because=Text(
        "the scheduler found no slot for a batch in its token pool; GPU memory itself did not run out",
        "调度器在 token 池里找不到空位放这一批，并不是显存本身不足",
    ),
    fix=Text(
        "start it {changes}, or send smaller batches",
        "{changes} 启动，或减小客户端的批大小",
    ),
    commands=("{launch_line}",),
    changes=relaunch.larger_pool,
    otherwise=relaunch.MORE_MEMORY,
)

_KILLERS = (("watchdog", "atchdog timeout"), ("warm-up", "Read timed out"))
"""What ends a server whose scheduler hangs; a failed health check ends none."""

_FEW = 256
"""Requests at once up to which one batch may well fill them all."""


def _hang(session: Session, hit: Hit) -> str | None:
    """`dead`, where its end is in the log too; `full`, where so few requests may run that one batch takes every place."""
    if re.search(r"scheduler is dead|scheduler\S* .*(?:crashed|died)", session.died_text):
        return "dead"
    if killed := next((kind for kind, words in _KILLERS if words in hit.text), None):
        return killed
    limit = session.argument("max_running_requests") or ""
    embeds = session.argument("is_embedding") == "True"
    overlap = session.argument("disable_overlap_schedule") != "True"
    return "full" if embeds and overlap and limit.isdigit() and int(limit) <= _FEW else None


def _limits(session: Session, hit: Hit) -> dict[str, Words]:
    """What is left of the server, and the limit that was met: seconds of a watchdog, or requests at once."""
    seconds = re.search(r"watchdog_timeout=(\d+)", hit.text)
    limit = seconds[1] if seconds else session.argument("max_running_requests")
    return {**remains(session, hit), "limit": limit or ""}


def _awake(session: Session, hit: Hit) -> dict[str, str | None] | None:
    """The line to start it again with, without what left too few places."""
    kind = _hang(session, hit)
    if kind == "full":
        return {"max-running-requests": None}
    return {} if kind in ("dead", "watchdog", "warm-up") else None


cause(
    "scheduler-hang",
    [
        pattern(
            "Health check failed. Server couldn't get a response",
            "Health check failed. Server couldn't get a response from detokenizer for last 20 seconds. tic start time: 1",
            near='[2026-11-02 22:10:05] INFO:     10.0.0.9:41002 - "GET /health HTTP/1.1" 503 Service Unavailable',
            source="0.4.9 to 0.5.23",
            weight=GENERAL,
        ),
        pattern(
            "atchdog timeout",
            "Watchdog timeout (self.watchdog_timeout=300)",
            regex=r"[Ww]atchdog timeout \(self\.watchdog_timeout(?!.*self\.soft=True)",
            near="Scheduler watchdog timeout (self.watchdog_timeout=300, self.soft=True)",
            source="0.4.6 to 0.5.23",
        ),
        pattern(
            "Read timed out",
            "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='127.0.0.1', port=30000): Read timed out. (read timeout=600)",
            regex=r"HTTPConnectionPool\(host='(?:127\.0\.0\.1|localhost|0\.0\.0\.0|::1)'.*Read timed out",
            near="HTTPSConnectionPool(host='huggingface.co', port=443): Read timed out. (read timeout=10)",
            source="0.4.6 to 0.5.23: the warm-up request, after 600 s",
        ),
    ],
    shows=("serving",),
    title=Text("the scheduler answers", "调度进程有响应"),
    because=Text(
        "the scheduler gave no sign of life for 20 s or more: a batch that takes longer, a hung kernel, or too long a queue",
        "调度进程 20 秒以上没有响应：某一批耗时过长、算子卡住，或排队过长",
    ),
    fix=Text(
        "see whether an embedding still comes back; if so, give the probe of /health more time (SGLANG_HEALTH_CHECK_TIMEOUT), if "
        "not, restart and send smaller batches",
        "先看真实的 embedding 请求是否还能返回；能返回就放宽 /health 的探测时限（SGLANG_HEALTH_CHECK_TIMEOUT），"
        "不能则重启，并减小批大小",
    ),
    commands=("bgecheck embed --url http://127.0.0.1:{args_port}", "{cards}"),
    variants={
        "dead": Advice(
            Text(
                "the scheduler process has ended, and the server's own process still takes requests that nobody answers: /health and "
                "/v1/models may say 200 all the same",
                "调度进程已经退出，而服务主进程还在接收请求，却没有人处理：/health 和 /v1/models 仍可能返回 200",
            ),
            Text(
                "stop the server{own} and start it again; nothing brings the scheduler back",
                "停掉服务{own_zh}再重新启动；调度进程不会自己恢复",
            ),
            ("kill {server_pid}", "pgrep -af sglang", "{launch_line}"),
        ),
        "watchdog": Advice(
            Text(
                "one batch took longer than --watchdog-timeout ({limit} s), and the server's own watchdog ended it: a hung kernel, processes "
                "that wait for each other, or kernels that were compiled meanwhile",
                "一批计算超过 --watchdog-timeout（{limit} 秒），看门狗结束了服务：算子卡住、进程互相等待，或当时正在编译算子",
            ),
            Text(
                "start it again; where kernels were compiled (`JIT` above it) the second start finds them in the cache, or raise "
                "--watchdog-timeout. If it happens again, send smaller batches and use a newer sglang",
                "重新启动；如果上文在编译算子（有 `JIT` 字样），第二次启动会直接用缓存，也可以调大 --watchdog-timeout。"
                "再次出现就减小批大小，并升级 sglang",
            ),
            ("{launch_line}", "{cards}"),
        ),
        "warm-up": Advice(
            Text(
                "the warm-up request that sglang sends to itself was not answered within its time, and the server ended itself: the "
                "scheduler hangs, or kernels are compiled for longer",
                "sglang 发给自己的预热请求超时没有返回，服务自行退出：调度进程卡住，或编译算子花的时间更长",
            ),
            Text(
                "start it again and see what the scheduler does meanwhile; if it compiles, give it more time (SGLANG_WARMUP_TIMEOUT, in "
                "seconds, in newer releases)",
                "重新启动，观察调度进程在做什么；如果在编译算子，就放宽时限（新版本可设 SGLANG_WARMUP_TIMEOUT，单位秒）",
            ),
            ("{launch_line}", "{cards}"),
        ),
        "full": Advice(
            Text(
                "the scheduler gave no sign of life for 20 s or more, and at most {limit} requests may run at once: in an embedding server "
                "of release 0.5.10 (sglang #22518) a batch that fills --max-running-requests never counts as finished, and nothing is "
                "answered from then on",
                "调度进程 20 秒以上没有响应，而同时运行的请求上限是 {limit}：0.5.10 的 embedding 服务里（sglang #22518），"
                "一批请求占满 --max-running-requests 后永远不算完成，此后所有请求都不再返回",
            ),
            Text(
                "restart without --max-running-requests (or with one much larger than any request has texts), or with "
                "--disable-overlap-schedule; or use a newer sglang",
                "去掉 --max-running-requests（或设得远大于单次请求的文本数）重启，或加 --disable-overlap-schedule；也可升级 sglang",
            ),
            ("{launch_line}",),
        ),
    },
    variant=_hang,
    values=_limits,
    changes=_awake,
    explains=CONSEQUENCES,  # the schedulers that run tell why it hangs
)


def _own_bug(session: Session, text: str) -> str | None:
    """An error in sglang's own managers, not in a model, a library or the launch line."""
    frames = [line for line in list(session.recent)[-10:] if line.startswith('  File "')]
    return "engine-internal-error" if frames and "/sglang/srt/managers/" in frames[-1] else None


def _among_ranks(session: Session, text: str) -> str | None:
    """A collective over parts of unequal size, in the attention that is divided by requests."""
    return "engine-internal-error" if session.argument("enable_dp_attention") == "True" else None


def _of_nothing(session: Session, text: str) -> str:
    """A batch without a token, which is a text without one, or else a fault of sglang's own."""
    batches = (BATCH.search(line) for line in reversed(session.recent))
    last = next((batch for batch in batches if batch), None)
    return EMPTY if last and last[1] == last[2] == "0" else "engine-internal-error"


EMPTY = "empty-text"
_RANKS = "times world size"
_ASSERTED = " INTERNAL ASSERT FAILED at "
_ALONE: Mapping[str, str | None] = {"enable-dp-attention": None, "dp-size": None}
"""What divides the attention among the cards."""


def _kind_of_bug(session: Session, hit: Hit) -> str | None:
    """Whose code it is in, and what leaves it out."""
    if _ASSERTED in hit.text:
        return "torch"
    return "ranks" if _RANKS in hit.text else optional.variant(session, hit)


cause(
    EMPTY,
    [
        pattern(
            "invalid configuration argument",
            "RuntimeError: RMSNorm failed with error code invalid configuration argument",
            regex=r"^(?:RuntimeError|torch\.AcceleratorError): .*\binvalid configuration argument",
            near="nvcc fatal   : invalid configuration argument of --compiler-options",
            source="0.4.x before 0.4.6; a kernel over no rows (sglang #3304, #5230)",
            choose=_of_nothing,
        ),
    ],
    shows=("serving",),
    title=Text("no empty text reached the model", "没有空文本进入模型"),
    because=Text(
        "a client sent an empty text: the batch had no token at all, the kernels cannot compute that, and the whole server exited",
        "客户端发来空文本：这一批一个 token 都没有，算子无法计算，整个服务退出",
    ),
    fix=Text(
        "start it again, leave empty and blank texts out in the client, and use sglang 0.4.9 or newer, which refuses them with HTTP 400 "
        "(0.4.6 does so unless they stand in a longer list)",
        "重新启动，在客户端过滤空白文本，并升级到 sglang 0.4.9 或更新版本：它对空文本返回 HTTP 400（0.4.6 只拦单独的空文本，不拦列表里的）",
    ),
    commands=("{pip} install --upgrade sglang", "{launch_line}"),
    changes=lambda session, hit: {},
)

cause(
    "engine-internal-error",
    [
        pattern(
            "memory leak detected",
            "ValueError: token_to_kv_pool_allocator memory leak detected! available_size=31, protected_size=0",
            regex=r"^(?!.*\bUserWarning: ).*memory leak detected",
            near="/opt/sglang/srt/managers/scheduler.py:1326: UserWarning: req_to_token_pool memory leak detected!",
            source="0.4.6 to 0.5.23; a warning by default before 0.4.7",
            weight=SPECIFIC,
        ),
        pattern(
            "Assertion `NaN detected",
            "/pytorch/aten/src/ATen/native/cuda/TensorCompare.cu:112: _assert_async_cuda_kernel: block: [0,0,0], thread: "
            "[0,0,0] Assertion `NaN detected! verify` failed.",
            near="/pytorch/aten/src/ATen/native/cuda/TensorCompare.cu:112: Assertion `input[0] != 0` failed.",
            source="0.5.x: its own check of what a draft model computes",
            weight=SPECIFIC,
        ),
        pattern(
            "object is not subscriptable",
            "TypeError: 'NoneType' object is not subscriptable",
            regex=r"^TypeError: 'NoneType' object is not subscriptable$",
            near="TypeError: 'int' object is not subscriptable",
            source="sglang #31890: --tokenizer-worker-num above 1 with --is-embedding",
            weight=GENERAL,
            choose=_own_bug,
        ),
        pattern(
            "missing 1 required positional argument",
            "TypeError: BatchEmbeddingOutput.__init__() missing 1 required positional argument: 'retraction_counts'",
            regex=r"TypeError: \w+(?:\.__init__)?\(\) missing \d+ required positional argument",
            near="TypeError: forward() got an unexpected keyword argument 'attention_mask'",
            source="sglang #29203",
            weight=GENERAL,
            choose=_own_bug,
        ),
        pattern(
            "times world size",
            "ValueError: input tensor must be the same size as output size times world size",
            regex=r"^(?:ValueError|RuntimeError): (?:input|output) tensor (?:size )?must be .*\bworld size$",
            near="ValueError: the batch is 8 times world size of 4",
            source="--enable-dp-attention with --dp-size below --tp-size (sglang #19760)",
            choose=_among_ranks,
        ),
        pattern(
            _ASSERTED,
            'RuntimeError: !block->expandable_segment_ INTERNAL ASSERT FAILED at "/pytorch/c10/cuda/CUDACachingAllocator'
            '.cpp":2841, please report a bug to PyTorch. ',
            regex=r"^(?:[\w.]+Error: |  what\(\):  ).* INTERNAL ASSERT FAILED at ",
            near='[W1102 22:10:05] Warning: INTERNAL ASSERT FAILED at "x.cpp" was handled',
            source="torch: TORCH_INTERNAL_ASSERT (pytorch #119452)",
            weight=GENERAL,
        ),
    ],
    shows=("serving",),
    title=Text("sglang's own checks hold", "sglang 的内部自检通过"),
    because=Text(
        "sglang failed in its own code: a self-check or a manager process, not the model, the card or the launch line",
        "sglang 自身出错：内部自检或管理进程失败，与模型、显卡、启动参数无关",
    ),
    fix=Text(
        "use a newer sglang; if it persists, report it with these lines",
        "升级 sglang；仍复现就带上这几行去提 issue",
    ),
    commands=("{pip} install --upgrade sglang",),
    variants={
        "option": PART,
        "custom-all-reduce": OWN_ALL_REDUCE,
        "ranks": Advice(
            Text(
                "the cards exchanged parts of unequal size: --enable-dp-attention with --dp-size below --tp-size fails so in this release",
                "各卡交换的数据大小不一致：这个版本的 --enable-dp-attention 在 --dp-size 小于 --tp-size 时会这样出错",
            ),
            Text(
                "start without --enable-dp-attention and --dp-size, which a model that fits one card does not need, or upgrade sglang",
                "去掉 --enable-dp-attention 和 --dp-size 启动（单卡放得下的模型用不着），或升级 sglang",
            ),
            ("{launch_line}", "{pip} install --upgrade sglang"),
        ),
        "torch": Advice(
            Text(
                "an assertion inside torch failed: a bug of torch, or of what is loaded into it (its CUDA build, the driver, "
                "PYTORCH_CUDA_ALLOC_CONF); the line names the place in torch, not the cause",
                "torch 内部断言失败：torch 自身的缺陷，或与它一起加载的东西有关（CUDA 版本、驱动、PYTORCH_CUDA_ALLOC_CONF）；"
                "这一行只给出 torch 里的位置，不是原因",
            ),
            Text(
                "unset PYTORCH_CUDA_ALLOC_CONF where it is set, see whether this torch is the one that sglang wants, and start the "
                "server again; if it persists, search PyTorch's issues for the words before INTERNAL ASSERT",
                "若设置了 PYTORCH_CUDA_ALLOC_CONF 就先取消，核对 torch 是否为 sglang 要求的版本，再重新启动；仍复现，用 INTERNAL ASSERT "
                "前面的那段去搜 PyTorch 的 issue",
            ),
            ("unset PYTORCH_CUDA_ALLOC_CONF", "{pip} check"),
        ),
    },
    variant=_kind_of_bug,
    values=optional.values,
    changes=lambda session, hit: _ALONE if _RANKS in hit.text else optional.without(session, hit),
)

cause(
    "permission-denied",
    [
        pattern(
            "PermissionError: [Errno 13]",
            "PermissionError: [Errno 13] Permission denied: '/.triton'",
            near="client error: Permission denied",
            source="Python",
            weight=SPECIFIC,
        ),
        pattern(
            "ermission denied",
            "ERROR:    [Errno 13] error while attempting to bind on address ('0.0.0.0', 80): permission denied",
            regex=r"[Ee]rrno 13\].*[Pp]ermission denied",
            near="root@gpu01: Permission denied (publickey).",
            source="asyncio, Python",
            weight=SPECIFIC,
        ),
        pattern(
            "permission denied while trying to connect to the ",
            "docker: permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock.",
            regex=r"permission denied while trying to connect to the [Dd]ocker (?:daemon|API)",
            near="permission denied while trying to connect to the database",
            source="docker",
            weight=SPECIFIC,
        ),
        pattern(
            "Check cache directory permissions",
            "OSError: PermissionError at /srv/hf/hub/models--BAAI--bge-m3 when downloading BAAI/bge-m3. Check cache directory "
            "permissions.",
            near="UserWarning: `huggingface_hub` cache-system uses symlinks by default to efficiently store "
            "duplicated files but your machine does not support them in /srv/hf/hub.",
            source="transformers 4.4x to 5.19",
            weight=SPECIFIC,
        ),
        pattern(
            "ermission denied",
            "bash: ./start.sh: Permission denied",
            regex=r"^(?:/\S+/)?(?:(?:ba|da|z|k)?sh|\S+\.sh|env|nohup|exec)\b:? .*[Pp]ermission denied\s*$|exec: .*permission denied",
            near="the client said: Permission denied",
            source="shells, docker",
        ),
        pattern(
            "setting membind: ",
            "setting membind: Invalid argument",
            regex=r"^setting membind: \w",
            near="membind: 0 1",
            source="numactl, which starts the scheduler, ends with it (sglang #27368)",
        ),
        pattern(
            "can't start new thread",
            "RuntimeError: can't start new thread",
            regex=r"^RuntimeError: can't start new thread",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='RuntimeError: can't start new thread')",
            source="Python",
        ),
        pattern(
            "pthread_create failed for thread",
            "OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 48: Operation not permitted",
            regex=r"OpenBLAS blas_thread_init: pthread_create failed",
            near="OpenBLAS blas_thread_init: RLIMIT_NPROC -1 current, -1 max",
            source="OpenBLAS",
            weight=GENERAL,
        ),
        pattern(
            "权限不够",
            "bash: ./start.sh: 权限不够",
            regex=r": 权限不够\s*$",
            near="账号权限不够时请联系管理员",
            source="bash",
        ),
        pattern(
            "Permission denied (os error 13)",
            "safetensors_rust.SafetensorError: Permission denied (os error 13)",
            near="OSError: No such file or directory (os error 2)",
            source="safetensors, hf-xet",
        ),
        pattern(
            "Errno 30] Read-only file system",
            "OSError: [Errno 30] Read-only file system: '/models/.cache'",
            near="mount: /models: WARNING: source write-protected, mounted read-only.",
            source="Python",
        ),
    ],
    shows=span("args", "warm-up"),
    title=Text("the server has access to its files and port", "服务有权访问所需文件与端口"),
    because=Text(
        "the user that runs the server has no access to a file, a cache folder or a port below 1024 (the line "
        "names it)",
        "运行服务的用户无权访问某个文件、缓存目录，或绑定 1024 以下端口（报错行里写明了）",
    ),
    fix=Text(
        "give that user access, point HOME, TRITON_CACHE_DIR and HF_HOME to a folder of its own, or use a port above 1023",
        "给该用户授权；缓存目录可用 HOME、TRITON_CACHE_DIR、HF_HOME 指到自己的目录；端口请用 1024 以上",
    ),
    commands=("id", "ls -ld {args_model}"),
    variants={
        "docker": Advice(
            Text(
                "this user may not talk to the Docker daemon: no container was started",
                "当前用户无权访问 Docker 守护进程：容器没有启动",
            ),
            Text(
                "put the user into the group docker and log in again, or use sudo",
                "把用户加入 docker 组后重新登录，或使用 sudo",
            ),
            ("sudo usermod -aG docker $USER", "newgrp docker"),
        ),
        "script": Advice(
            Text(
                "{script} may not be executed by the user that starts it: it has no execute permission, or lies on a file system "
                "mounted with noexec",
                "启动它的用户无权执行 {script}：文件没有执行权限，或所在文件系统以 noexec 挂载",
            ),
            Text(
                "make it executable (in an image: in the Dockerfile, or on the host before it is mounted), then start again",
                "加上执行权限后重新启动（镜像里的在 Dockerfile 中加，挂载进去的在宿主机上加）",
            ),
            ("ls -lL {script}", "chmod +x {script}"),
        ),
        "path": Advice(
            Text(
                "the user that runs the server has no access to {path}",
                "运行服务的用户无权访问 {path}",
            ),
            Text(
                "give that user access to it; where it is a cache, point HOME, HF_HOME or TRITON_CACHE_DIR to a folder of its own instead",
                "给该用户授权；如果是缓存目录，也可以用 HOME、HF_HOME、TRITON_CACHE_DIR 指到它自己的目录",
            ),
            ("id", "namei -l {path}"),
        ),
        "read-only": Advice(
            Text(
                "{path} is on a file system that is mounted read-only",
                "{path} 所在的文件系统是只读挂载",
            ),
            Text(
                "mount that folder so that it can be written to (without :ro or readOnly), or point HOME, HF_HOME or TRITON_CACHE_DIR to "
                "one that can",
                "以可写方式挂载该目录（去掉 :ro 或 readOnly），或用 HOME、HF_HOME、TRITON_CACHE_DIR 指到可写的目录",
            ),
            ("findmnt -O ro",),
        ),
        "port": Advice(
            Text(
                "the user that runs the server may not open port {port}: those below 1024 are kept for root",
                "运行服务的用户无权监听端口 {port}：1024 以下的端口只有 root 能用",
            ),
            Text(
                "start it on a port above 1023 and update the base URL of every caller, or put a web server on port {port} in front of it",
                "改用 1024 以上的端口启动，并更新所有调用方的 base URL；或在端口 {port} 上放一个反向代理",
            ),
            ("id", "sysctl net.ipv4.ip_unprivileged_port_start"),
        ),
        "membind": Advice(
            Text(
                "numactl, which starts each scheduler, may not bind memory to a NUMA node in this container, so that the scheduler "
                "ended before its first line",
                "每个调度进程由 numactl 启动，而这个容器不允许把内存绑定到 NUMA 节点：调度进程一行日志都没写就退出了",
            ),
            Text(
                "start the container with --cap-add SYS_NICE, let its cpuset hold the GPU's NUMA node, or set SGLANG_NUMA_BIND_V2=0",
                "容器加 --cap-add SYS_NICE 启动，或让它的 cpuset 包含 GPU 所在的 NUMA 节点，或设 SGLANG_NUMA_BIND_V2=0",
            ),
            ("numactl --show", "export SGLANG_NUMA_BIND_V2=0"),
        ),
        "threads": Advice(
            Text(
                "the server may start no further thread: Docker's seccomp profile is older than the image's C library (Docker before "
                "20.10.10), or the limit of processes is reached",
                "无法再创建线程：Docker 太旧（20.10.10 之前），seccomp 规则不认识镜像里的新 glibc；或进程数已达上限",
            ),
            Text(
                "update Docker, or start the container with --security-opt seccomp=unconfined; where the limit is reached raise it "
                "(--pids-limit, ulimit -u)",
                "升级 Docker，或容器加 --security-opt seccomp=unconfined；进程数到上限时调大 --pids-limit 或 ulimit -u",
            ),
            ("docker version --format '{{{{.Server.Version}}}}'", "ulimit -u; cat /sys/fs/cgroup/pids.max"),
        ),
    },
    variant=access.kind,
    values=access.values,
)

cause(
    "disk-full",
    [
        pattern(
            "phemeral",
            "Message:          The node was low on resource: ephemeral-storage. Threshold quantity: 5Gi, available: 4Gi.",
            regex=r"The node was low on resource: ephemeral-storage|[Ee]phemeral local storage usage exceeds the total limit",
            near="  ephemeral-storage:  200Mi",
            source="kubernetes: the pod was evicted",
            weight=SPECIFIC,
        ),
        pattern(
            "No space left on device",
            "OSError: [Errno 28] No space left on device: '/root/.cache/huggingface/hub/tmp1'",
            near="failed to extend /dev/shm/nccl-HkzR2b to 33030532 bytes, error: No space left on device (28)",
            regex=r"^(?!.*(?:/dev/shm|shared memory|posix_fallocate|['<]/(?:psm_|torch_|sem\.|nccl-))).*No space left on device",
            source="Linux",
        ),
        pattern(
            "no space left on device",
            "docker: failed to register layer: write /usr/local/lib/libtorch_cuda.so: no space left on device.",
            near="Filesystem      Size  Used Avail Use% Mounted on device /dev/sda1",
            source="docker, containerd",
        ),
        pattern(
            "设备上没有空间",
            "cp: 写入 '/data/models/model.safetensors' 出错: 设备上没有空间",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='写入出错: 设备上没有空间')",
            source="coreutils",
        ),
        pattern(
            "No usable temporary directory found",
            "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/app']",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='No usable temporary directory "
            "found in /tmp')",
            source="Python: every one of them is full or not writable",
        ),
        pattern(
            "Disk quota exceeded",
            "OSError: [Errno 122] Disk quota exceeded",
            near="openai.RateLimitError: Error code: 429 - {'error': {'message': 'You exceeded your current quota, "
            "please check your plan'}}",
            source="Linux",
        ),
        pattern(
            "Not enough free disk space",
            "UserWarning: Not enough free disk space to download the file.",
            weight=GENERAL,
            near="RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
            source="huggingface_hub",
        ),
    ],
    shows=span("args", "serving"),
    title=Text("the disk has room", "磁盘有空间"),
    because=Text("a disk is full, or a quota is used up", "磁盘已满，或配额用尽"),
    fix=Text(
        "free space, or set HF_HOME, TRITON_CACHE_DIR and TMPDIR to a disk that has some",
        "清理空间，或把 HF_HOME、TRITON_CACHE_DIR、TMPDIR 指到有空间的磁盘",
    ),
    commands=("df -h", "du -sh ~/.cache"),
    variants={
        "evicted": Advice(
            Text(
                "Kubernetes evicted the pod: the disk of its node ran low, or its containers wrote more to it than their limit allows "
                "(ephemeral-storage)",
                "Pod 被 Kubernetes 驱逐：节点磁盘空间不足，或容器写入本地磁盘的数据超过上限（ephemeral-storage）",
            ),
            Text(
                "keep models and caches on a volume of their own (HF_HOME and TRITON_CACHE_DIR on it), or free space on that node and raise "
                "ephemeral-storage in resources.limits",
                "把模型和缓存放到单独的卷上（HF_HOME、TRITON_CACHE_DIR 指到卷里）；或清理该节点的磁盘，并调大 resources.limits 里的 "
                "ephemeral-storage",
            ),
            (
                "kubectl describe nodes | grep -A 12 'Allocated resources'",
                "kubectl get events --sort-by=.lastTimestamp",
            ),
        ),
    },
    variant=lambda session, hit: "evicted" if "phemeral" in hit.text else None,
)


_KERNELS = ("sgl_kernel", "flashinfer", "deep_gemm", "common_ops", "aiter", "torch_npu", "sgl_kernel_npu")


def _module(session: Session, text: str) -> str | None:
    match = re.search(r"No module named '([\w.]+)'", text)
    module, _, part = (match[1] if match else "").partition(".")
    elsewhere = module in _KERNELS or (module == "transformers" and part)
    return None if elsewhere else "python-env-broken"


_NEWER_TORCH = "we now require users to upgrade torch"
_COMMAND = re.compile(
    r"(?P<command>\bpython[\d.]*|\bsglang|\bpip[\d.]*)['’]?[:：] ?(?:command not found|not found|未找到命令|No such file|没有那个文件)"
    r"|(?:not found|未找到命令)[:：] ?(?P<last>python[\d.]*|sglang|pip[\d.]*)"
)
_WITHOUT_SGLANG = re.compile(r"(?:(?P<python>\S{0,200}python[\d.]*): .*)?No module named '?sglang'?(?!\.\w)")


def _broken(session: Session, hit: Hit) -> str | None:
    """`option` where one needs a package, `package` where only that is missing, `pickled` where weights need a newer torch."""
    if _NEWER_TORCH in hit.text:
        return "pickled"
    if "smg-grpc-servicer" in hit.text:
        return "servicer"
    if _COMMAND.search(hit.text):
        return "command"
    if _WITHOUT_SGLANG.search(hit.text):
        return "elsewhere"
    if optional.switches_in(session, hit.text):
        return "option"
    if "HF_HUB_ENABLE_HF_TRANSFER" in hit.text:
        return "fast-download"
    return "package" if packages.wanted(hit.text) else None


def _about_environment(session: Session, hit: Hit) -> dict[str, Words]:
    """The options that need a package, the command that the shell did not find, the Python that has no sglang."""
    missing, bare = _COMMAND.search(hit.text), _WITHOUT_SGLANG.search(hit.text)
    return {
        "package": Shell.join([packages.wanted(hit.text) or ""]),
        "dropped": optional.written(optional.switches_in(session, hit.text)),
        "command": (missing["command"] or missing["last"]) if missing else "",
        "python": (bare["python"] if bare else None) or "python3",
    }


cause(
    "too-many-open-files",
    [
        pattern(
            "Too many open files",
            "OSError: [Errno 24] Too many open files",
            regex=r"^(?:\[rank\d+\]: )?(?:\w+\.)*\w*Error: .*Too many open files|\(os error 24\)",
            near="the text of the request was: Too many open files",
            source="Python, pyzmq",
            weight=SPECIFIC,
        ),
        pattern(
            "socket.accept() out of system resource",
            "[2026-11-02 22:10:05] socket.accept() out of system resource",
            near="[2026-11-02 22:10:05] socket.send() raised exception.",
            source="asyncio",
        ),
    ],
    shows=("serving",),
    title=Text("the server may open enough files and sockets", "服务可打开的文件和连接数足够"),
    because=Text(
        "the server has used up the files and sockets that its process may open (nofile): new connections are not accepted",
        "服务进程可打开的文件和连接数（nofile）已用完，新的连接进不来",
    ),
    fix=Text(
        "raise the limit (docker: --ulimit, systemd: LimitNOFILE=), and let clients keep their connections instead of "
        "opening one for each request",
        "调大上限（docker 用 --ulimit，systemd 用 LimitNOFILE=），并让客户端复用连接，不要每个请求新建一个",
    ),
    commands=("grep 'open files' /proc/$(pgrep -o -f sglang)/limits", "ulimit -n 65536"),
)

cause(
    "python-env-broken",
    [
        pattern(
            "use_libuv was requested",
            "RuntimeError: use_libuv was requested but PyTorch was build without libuv support",
            regex=r"use_libuv was requested but PyTorch was buil[dt] without",
            near="[2026-11-02 22:10:05] use_libuv was requested",
            source="torch on native Windows",
            weight=SPECIFIC,
        ),
        pattern(
            "smg-grpc-servicer",
            "ImportError: gRPC mode requires the smg-grpc-servicer package. If not installed, run: pip install smg-grpc-servicer[sglang].",
            regex=r"^(?:Import|Runtime)Error: .*\brequires (?:the )?smg-grpc-servicer\b",
            near="[2026-11-02 22:10:05] gRPC HTTP sidecar disabled: this smg-grpc-servicer has no hook for it",
            source="0.5.10 to 0.5.23: --grpc-mode (sglang #21801, #28298)",
            weight=SPECIFIC,
        ),
        pattern(
            "Fast download using 'hf_transfer' is enabled",
            "ValueError: Fast download using 'hf_transfer' is enabled (HF_HUB_ENABLE_HF_TRANSFER=1) but 'hf_transfer' package is not "
            "available in your environment. Try `pip install hf_transfer`.",
            near="UserWarning: 'hf_transfer' does not support `resume_size`: falling back to regular download method",
            source="huggingface_hub below 1.0",
            weight=SPECIFIC,
        ),
        pattern(
            "Please install ",
            "ImportError: Please install bitsandbytes>=0.44.0 via `pip install bitsandbytes>=0.44.0` to use bitsandbytes quantizer.",
            regex=r"^(?:\[rank\d+\]: )?\w*Error: Please install \S+ via `pip install ",
            near="[2026-11-02 22:10:05] Please install deep_ep via `pip install deep_ep` for expert parallelism.",
            source="0.4.x to 0.5.23: bitsandbytes, gguf",
            weight=SPECIFIC,
        ),
        pattern(
            " library but it was not found in your environment",
            "XLMRobertaConverter requires the protobuf library but it was not found in your environment. Check out the instructions on the",
            regex=r"^\w+ requires the (?!SentencePiece )[\w-]+ library but it was not found in your environment",
            near="ImportError: XLMRobertaTokenizer requires the SentencePiece library but it was not found in your environment.",
            source="transformers: the line below an empty `ImportError:`",
            weight=SPECIFIC,
        ),
        pattern(
            "No module named",
            "ModuleNotFoundError: No module named 'uvicorn'",
            regex=r"(?:^|Error: |python\S*: )No module named '?[\w.]+",
            near="skipped an optional part: No module named 'deep_ep'",
            source="Python",
            choose=_module,
        ),
        pattern(
            "not found",
            "bash: sglang: command not found",
            regex=r"(?:^|[:：] ?)(?:sglang|python[\d.]*|pip[\d.]*): (?:command )?not found|not found: (?:sglang|python|pip)",
            near="sh: nvidia-smi: command not found",
            source="bash, dash, zsh",
            weight=SPECIFIC,
        ),
        pattern(
            "未找到命令",
            "bash: sglang：未找到命令",
            regex=r"(?:sglang|python[\d.]*|pip[\d.]*)[:：] ?未找到命令|未找到命令[:：] ?(?:sglang|python|pip)",
            near="bash: nvidia-smi：未找到命令",
            source="bash",
            weight=SPECIFIC,
        ),
        pattern(
            "No such file or directory",
            "env: 'python': No such file or directory",
            regex=r"(?:env|exec|nohup)\b.*(?:[:：]|command) ['‘]?(?:\S*/)?(?:python[\d.]*|sglang)['’]?: No such file or directory",
            near="env: 'nvcc': No such file or directory",
            source="coreutils",
            weight=SPECIFIC,
        ),
        pattern(
            "unsupported operand type(s) for |",
            "TypeError: unsupported operand type(s) for |: 'type' and 'NoneType'",
            near="TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'",
            source="Python older than 3.10",
            weight=SPECIFIC,
        ),
        pattern(
            "were compiled with different CUDA",
            "RuntimeError: Detected that PyTorch and torchvision were compiled with different CUDA major versions.",
            near="RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain.",
            source="torchvision",
            weight=SPECIFIC,
        ),
        pattern(
            "requires a different Python",
            "ERROR: Package 'sglang' requires a different Python: 3.8.10 not in '>=3.10'",
            near="Requirement already satisfied: sglang in /usr/lib/python3.12/site-packages (0.5.9)",
            source="pip",
            weight=SPECIFIC,
        ),
        pattern(
            "'type' object is not subscriptable",
            "TypeError: 'type' object is not subscriptable",
            near="TypeError: 'NoneType' object is not subscriptable",
            source="Python older than 3.9",
        ),
        pattern(
            "module 'torch",
            "AttributeError: module 'torch.distributed' has no attribute 'ReduceOp'",
            regex=r"AttributeError: module 'torch[\w.]*' has no attribute",
            near="module 'torch' loaded",
            source="another torch than sglang asks for",
            weight=GENERAL,
        ),
        pattern(
            "DLL load failed while importing",
            "ImportError: DLL load failed while importing _C: The specified module could not be found.",
            near="UserWarning: Failed to load image Python extension: '[WinError 127] The specified procedure could "
            "not be found'",
            source="Windows",
            weight=SPECIFIC,
        ),
        pattern(
            "is required for a normal functioning of this module",
            "ImportError: tokenizers>=0.21,<0.22 is required for a normal functioning of this module, but found tokenizers==0.22.1.",
            near="Requirement already satisfied: tokenizers==0.21.1 in /usr/lib/python3.12/site-packages",
            source="transformers",
            weight=SPECIFIC,
        ),
        pattern(
            _NEWER_TORCH,
            "ValueError: Due to a serious vulnerability issue in `torch.load`, even with `weights_only=True`, we now require users "
            "to upgrade torch to at least v2.6",
            near="FutureWarning: You are using `torch.load` with `weights_only=False` (the current default value), "
            "which uses the default pickle module implicitly.",
            source="transformers 4.5x with torch below 2.6",
            weight=SPECIFIC,
        ),
        pattern(
            "CuDNN Compatibility Issue Detected",
            "RuntimeError: CRITICAL WARNING: PyTorch 2.9.1 & CuDNN Compatibility Issue Detected",
            regex=r"^(?:RuntimeError: )?CRITICAL WARNING: .*CuDNN Compatibility Issue Detected",
            near="[2026-01-24 02:10:44] CRITICAL WARNING: PyTorch 2.9.1 & CuDNN Compatibility Issue Detected",
            source="0.5.6 to 0.5.9 (sglang #17668)",
            weight=SPECIFIC,
        ),
        pattern(
            " vllm",
            "ValueError: gptq quantization requires some operators from vllm. Please install vllm by `pip install vllm==0.8.4`",
            regex=r"Error: .*(?:requires some operators from vllm|vllm is not installed\b.*install vllm)",
            near="INFO: vllm is not installed, using sgl_kernel",
            source="0.4.4 to 0.5.9: kernels for a quantised checkpoint (sglang #6580, #11291)",
            weight=SPECIFIC,
        ),
        pattern(
            "operator torchvision::nms does not exist",
            "RuntimeError: operator torchvision::nms does not exist",
            weight=SPECIFIC,
            near="UserWarning: Failed to load image Python extension: '/usr/lib/torchvision/image.so: undefined "
            "symbol: _ZN3c104cuda9SetDeviceEa'",
            source="torchvision of another torch",
        ),
        pattern(
            "uvloop does not support Windows",
            "RuntimeError: uvloop does not support Windows at the moment",
            weight=SPECIFIC,
            near="DeprecationWarning: uvloop.install() is deprecated in favor of uvloop.run() starting with Python 3.12.",
            source="uvloop",
        ),
        pattern(
            "partially initialized module",
            "AttributeError: partially initialized module 'torchvision' has no attribute 'extension' (most likely due to a "
            "circular import)",
            near="[2026-11-02 22:10:05] Ignore import error when loading sglang.srt.models.gemma3_mm: cannot import "
            "name 'Gemma3ForCausalLM' from partially initialized module 'sglang.srt.models.gemma3_causal' (most "
            "likely due to a circular import)",
            source="Python",
        ),
        pattern(
            "SyntaxError: ",
            "SyntaxError: invalid syntax",
            regex=r"^SyntaxError: ",
            weight=GENERAL,
            near="/usr/lib/python3.12/site-packages/jieba/__init__.py:44: SyntaxWarning: invalid escape sequence '\\.'",
            source="Python older than the code",
        ),
        pattern(
            "numpy.core.multiarray failed to import",
            "ImportError: numpy.core.multiarray failed to import",
            weight=SPECIFIC,
            near="DeprecationWarning: numpy.core.multiarray is deprecated and has been renamed to numpy._core.multiarray.",
            source="NumPy 2 under modules built for 1",
        ),
        pattern(
            "numpy.dtype size changed",
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility.",
            regex=r"Error: numpy\.dtype size changed",
            near="RuntimeWarning: numpy.dtype size changed, may indicate binary incompatibility. Expected 96, got 88",
            source="NumPy 2 under modules built for 1",
        ),
        pattern(
            "ImportError: cannot import name",
            "ImportError: cannot import name 'x' from 'y'",
            near="ImportError: cannot import name 'Gemma3Config' from 'transformers'",
            regex=r"ImportError: cannot import name '\w+' from (?!'(?:transformers|sgl_kernel|flashinfer|aiter))",
            weight=GENERAL,
            source="Python",
        ),
    ],
    shows=span("args", "load"),
    title=Text("the Python environment is intact", "Python 环境完整"),
    because=Text(
        "a Python module is missing or does not fit: the wrong environment, native Windows, or mismatched torch "
        "and torchvision releases",
        "Python 模块缺失或不匹配：用错了环境、在原生 Windows 上运行，或 torch 与 torchvision 版本不一致",
    ),
    fix=Text(
        "install sglang into a fresh environment with Python 3.11 or newer on Linux (WSL2 on Windows); where the error "
        "itself asks for one more package (vllm, a newer nvidia-cudnn), install that",
        "在 Linux（Windows 用 WSL2）上用 Python 3.11 以上的干净环境重装 sglang；"
        "报错里明确要求另装某个包（vllm、更新的 nvidia-cudnn）时，装上它",
    ),
    commands=("python -m venv fresh && fresh/bin/{pip} install --upgrade pip sglang", "which python; pip check"),
    variants={
        "option": NO_PACKAGE,
        "command": Advice(
            Text(
                "the shell found no {command}: the environment that holds sglang is not activated where this runs (cron, "
                "systemd, ssh and nohup do not read what your terminal reads), or its Python is called python3",
                "shell 找不到 {command}：运行这条命令的地方没有激活 sglang 所在的环境（cron、systemd、ssh、nohup 不会加载"
                "你终端里的配置），或者 Python 的命令是 python3",
            ),
            Text(
                "start the server with the whole path of the interpreter of that environment: /PATH/bin/python -m sglang.launch_server",
                "用那个环境里解释器的完整路径启动：/路径/bin/python -m sglang.launch_server",
            ),
            (
                "command -v sglang python3 python",
                "ls -d ~/*/bin/sglang ~/*/envs/*/bin/sglang /opt/*/bin/sglang 2>/dev/null",
            ),
        ),
        "elsewhere": Advice(
            Text(
                "this Python ({python}) has no sglang: it was installed into another environment, or not at all",
                "当前的 Python（{python}）里没有 sglang：装在了别的环境里，或没有安装",
            ),
            Text(
                "start the server with the interpreter of the environment that has it, or install it into this one",
                "用装有 sglang 的环境里的解释器启动，或在当前环境安装",
            ),
            (
                "ls -d ~/*/bin/sglang ~/*/envs/*/bin/sglang /opt/*/bin/sglang 2>/dev/null",
                "{python} -m pip install --upgrade sglang",
            ),
        ),
        "package": Advice(
            Text(
                "one package is missing, or too old, in the Python environment of the server: {package}",
                "服务所在的 Python 环境缺少一个包，或版本太旧：{package}",
            ),
            Text(
                "install it into that environment (for a container into its image), then start the server as before",
                "在该环境里安装（容器则装进镜像），再照原样启动",
            ),
            ("{pip} install {package}",),
        ),
        "fast-download": Advice(
            Text(
                "HF_HUB_ENABLE_HF_TRANSFER=1 asks for fast downloads, and the package hf_transfer, which makes them, is not installed; "
                "the hub itself can be reached",
                "设了 HF_HUB_ENABLE_HF_TRANSFER=1（加速下载），但没有装它依赖的 hf_transfer；与 hub 的网络无关",
            ),
            Text(
                "install it in the environment of the server, or unset the variable: downloads work without it, at their usual speed",
                "在服务所在的环境里安装它，或取消这个变量：没有它也能下载，只是速度一般",
            ),
            ("{pip} install hf_transfer", "unset HF_HUB_ENABLE_HF_TRANSFER"),
        ),
        "servicer": Advice(
            Text(
                "--grpc-mode serves through the package smg-grpc-servicer, which is missing here or of a release that does not fit this sglang",
                "--grpc-mode 依赖 smg-grpc-servicer 这个包：当前环境没有装，或版本与 sglang 不匹配",
            ),
            Text(
                "upgrade it in the environment of the server; or leave out --grpc-mode, and write http:// instead of grpc:// in the router's "
                "--worker-urls",
                "在服务所在的环境里升级它；或去掉 --grpc-mode，并把 router 的 --worker-urls 里的 grpc:// 改成 http://",
            ),
            ("{pip} install --upgrade 'smg-grpc-servicer[sglang]'",),
        ),
        "pickled": Advice(
            Text(
                "torch is older than 2.6, with which transformers no longer opens weights in .bin or .pt files "
                "(CVE-2025-32434); the files are not damaged",
                "torch 低于 2.6，transformers 不再用它打开 .bin 或 .pt 格式的权重（CVE-2025-32434）；权重文件没有损坏",
            ),
            Text(
                "upgrade torch to 2.6 or newer (a newer sglang brings it), or use the model with its weights in safetensors",
                "把 torch 升级到 2.6 以上（新版 sglang 自带），或改用 safetensors 格式的权重",
            ),
            ("python -c 'import torch; print(torch.__version__)'", "{pip} install --upgrade sglang"),
        ),
    },
    variant=_broken,
    values=_about_environment,
    changes=lambda session, hit: dict.fromkeys(optional.switches_in(session, hit.text)) or None,
)


def _generates(session: Session, text: str) -> str:
    """A batch to be generated from: sglang's own warm-up in the wrong mode, or a client's once the server is ready."""
    return "generation-request-on-embedding" if session.ready_line else "not-launched-as-embedding"


cause(
    "not-launched-as-embedding",
    [
        pattern(
            "Please add `--is-embedding` when launching the server",
            "This model does not appear to be an embedding model by default. Please add `--is-embedding` when launching the "
            "server or try another model.",
            near="Embedding architecture detected: enabling embedding mode automatically.",
            source="0.4.6 to 0.5.23",
            weight=SPECIFIC,
            fatal=False,
        ),
        pattern(
            "assert get_embedding",
            "    assert get_embedding == True",
            regex=r"assert get_embedding(?! is False)",
            near='    assert get_embedding is False, "embedding is not supported yet"',
            source="0.4.6, 0.4.7",
            weight=SPECIFIC,
            choose=_generates,
        ),
    ],
    shows=("serving",),
    title=Text("the server runs as an embedding server", "服务以 embedding 模式启动"),
    because=Text(
        "the server was started without --is-embedding, so it refuses to embed",
        "启动时没有加 --is-embedding，服务拒绝 embedding 请求",
    ),
    fix=Text("restart {changes}", "{changes} 重启"),
    commands=("{stop}", "{launch_line}"),
    variants={
        "generating": Advice(
            Text(
                "{args_model} runs as a generating model ({architecture}), which has no embeddings",
                "{args_model} 是以生成模型（{architecture}）运行的，没有 embedding",
            ),
            Text(
                "serve an embedding model; only if this one is an embedding model, restart with --is-embedding",
                "请部署 embedding 模型；只有确认它本身就是 embedding 模型时，才加 --is-embedding 重启",
            ),
        )
    },
    variant=lambda session, hit: "generating" if relaunch.generating(session) else None,
    changes=relaunch.as_embedding,
)


cause(
    reranker.NAME,
    [],
    shows=("load",),
    title=Text("the model makes embeddings", "运行的是 embedding 模型"),
    because=Text(
        "this server runs a reranker ({signs}): it scores a query with each document and makes no embeddings. What it answers on "
        "/v1/embeddings is no vector to store",
        "这个服务跑的是 reranker（{signs}）：它给问题和每篇文档打分，不产生 embedding。/v1/embeddings 返回的内容不能入库",
    ),
    fix=Text(
        "ask it for scores on /v1/rerank, and serve an embedding model of its own for vectors",
        "用 /v1/rerank 请求打分；向量请另起一个 embedding 模型的服务",
    ),
    commands=(
        "curl -sS --noproxy '*' http://127.0.0.1:{args_port}/v1/rerank -H 'Content-Type: application/json' -d "
        '\'{{"query": "q", "documents": ["a", "b"]}}\'',
    ),
    variants={
        "generates": Advice(
            Text(
                "this server runs a reranker ({signs}): it scores a query with each document and makes no embeddings. What it answers "
                "on /v1/embeddings is no vector to store",
                "这个服务跑的是 reranker（{signs}）：它给问题和每篇文档打分，不产生 embedding。/v1/embeddings 返回的内容不能入库",
            ),
            Text(
                "ask it for scores (/v1/score, without --is-embedding: it answers with the next token), and serve an embedding model of "
                "its own for vectors",
                "用 /v1/score 请求打分（它靠下一个 token 作答，不要加 --is-embedding）；向量请另起一个 embedding 模型的服务",
            ),
        ),
        "template": Advice(
            Text(
                "this server runs a reranker ({signs}): it makes no embeddings. It scores a query with each document by its next token "
                "(yes or no), and only where its own prompt stands around them, which this server was not given",
                "这个服务跑的是 reranker（{signs}），不产生 embedding。它靠下一个 token（yes 或 no）给问题和每篇文档打分，"
                "前提是套上模型自己的提示词，而启动时没有给它",
            ),
            Text(
                "start it {changes} (sglang 0.5.8 or newer; the file is in its examples/chat_template) and ask it on /v1/rerank; serve an "
                "embedding model of its own for vectors",
                "{changes} 启动（需要 sglang 0.5.8 或更新版本，文件在它的 examples/chat_template 下），再用 /v1/rerank 请求打分；"
                "向量请另起一个 embedding 模型的服务",
            ),
            (
                "curl -fsSLO https://raw.githubusercontent.com/sgl-project/sglang/main/examples/chat_template/{template}",
                "{launch_line}",
            ),
        ),
    },
    variant=reranker.route,
    values=reranker.values,
    changes=reranker.relaunch,
    explains=("embed.dimension", "embed.answers", "probe.dimensions", "logs.encoder-vectors-wrong", *WRONG_VECTORS),
)


_EXACT: Mapping[str, str | None] = {"disable-radix-cache": "", "chunked-prefill-size": "-1"}
"""What a model needs that looks both ways."""


def _in_encoder(session: Session, text: str) -> str | None:
    """A crash of a serving encoder in a way in which only such requests crash it."""
    return "generation-request-on-embedding" if session.encoder and session.ready_line else None


cause(
    "generation-request-on-embedding",
    [
        pattern(
            "The size of tensor a (",
            "RuntimeError: The size of tensor a (2) must match the size of tensor b (6) at non-singleton dimension 0",
            near="RuntimeError: Sizes of tensors must match except in dimension 0. Expected size 2 but got size 6 for "
            "tensor number 1 in the list.",
            source="0.5.23: POST /v1/rerank with the prefix cache on",
            choose=_in_encoder,
        ),
        pattern(
            "AssertionError",
            "AssertionError",
            regex=r"^AssertionError\s*$",
            near="AssertionError: FlashAttention v3 Backend requires SM>=80 and SM<=90.",
            source="0.5.23: POST /v1/completions",
            weight=GENERAL,
            choose=_in_encoder,
        ),
        pattern(
            "object of type 'NoneType' has no len()",
            "TypeError: object of type 'NoneType' has no len()",
            near="TypeError: object of type 'int' has no len()",
            source="0.5.3.post3: POST /v1/completions",
            weight=GENERAL,
            choose=_in_encoder,
        ),
        pattern(
            "object has no attribute 'next_token_logits'",
            "AttributeError: 'EmbeddingPoolerOutput' object has no attribute 'next_token_logits'",
            regex=r"'EmbeddingPoolerOutput' object has no attribute",
            near="AttributeError: 'NoneType' object has no attribute 'next_token_logits'",
            source="sglang: a generation batch in embedding mode",
            weight=SPECIFIC,
        ),
        pattern(
            "This model does not support generation",
            "ValueError: This model does not support generation",
            regex=r"does not support (?:text )?generation",
            fatal=False,
            near="This model does not appear to be an embedding model by default.",
            source="sglang",
        ),
    ],
    shows=("serving",),
    title=Text("only embedding requests reach the server", "服务只收到 embedding 请求"),
    because=Text(
        "a client sends chat, completion, generate or rerank requests to an embedding server; some of these kill it",
        "有客户端把 chat、completion、generate 或 rerank 请求发给了 embedding 服务；其中有些会让服务退出",
    ),
    fix=Text(
        "send these to a server that supports them (gateway test buttons often use chat), and let a proxy pass "
        "only /v1/embeddings here",
        "这类请求请发给对应的服务（很多网关的“测试”按钮走的是 chat），并让反向代理只放行 /v1/embeddings",
    ),
    commands=("grep -n -e 'POST /v1/chat' -e 'POST /generate' -e 'POST /v1/rerank' {file} | tail",),
    variants={
        "reranker": Advice(
            Text(
                "this server runs a reranker ({signs}), and a request crashed it in a way in which one does that looks both ways with the "
                "prefix (radix) cache on",
                "这个服务跑的是 reranker（{signs}），它是双向模型，而前缀缓存（radix cache）开着，请求因此把服务打挂",
            ),
            Text(
                "restart with --disable-radix-cache --chunked-prefill-size -1, and send it /v1/rerank requests only",
                "加 --disable-radix-cache --chunked-prefill-size -1 重启，并且只向它发 /v1/rerank 请求",
            ),
            ("{launch_line}",),
        ),
    },
    variant=lambda session, hit: "reranker" if hit.fatal and reranker.signs(session) else None,
    values=lambda session, hit: {"signs": ", ".join(reranker.signs(session))},
    changes=lambda session, hit: _EXACT if reranker.signs(session) else None,
)

cause(
    "input-too-long",
    [
        pattern(
            "is longer than the model's context length",
            "The input (514 tokens) is longer than the model's context length (512 tokens).",
            near="The input (40211 tokens) is longer than the model's context length (32768 tokens). Truncating the input.",
            regex=r"is longer than the model's context length \(\d+ tokens\)(?!.*[Tt]runcating)",
            source="0.4.6 to 0.5.23",
            fatal=False,
        ),
        pattern(
            "exceeds the maximum allowed length",
            "Input length (900 tokens) exceeds the maximum allowed length (511 tokens). Use a shorter input or enable "
            "--allow-auto-truncate.",
            near="[2026-11-02 22:10:05] max_total_num_tokens=20480, chunked_prefill_size=-1, "
            "max_prefill_tokens=16384, max_running_requests=2048, context_len=512",
            source="0.5.x",
            fatal=False,
        ),
        pattern(
            "exceeds the model's maximum context length",
            "Requested token count exceeds the model's maximum context length of 512 tokens.",
            near="[2026-11-02 22:10:05] Warning: User-specified context_length (16384) is greater than the derived "
            "context_length (8192).",
            source="0.4.9 to 0.5.23",
            fatal=False,
        ),
        pattern(
            "Token indices sequence length is longer",
            "Token indices sequence length is longer than the specified maximum sequence length for this model (873 > 512).",
            near="[2026-11-02 22:10:05] Warning: User-specified context_length (16384) is greater than the derived "
            "context_length (8192).",
            source="transformers",
            weight=GENERAL,
            fatal=False,
        ),
    ],
    shows=("serving",),
    title=Text("no request is longer than the model accepts", "没有请求超出模型的最大长度"),
    because=Text(
        "requests are longer than the model accepts: sglang refuses each with 400, together with its whole batch "
        "(bge: at most 511 tokens, about 509 Chinese characters)",
        "有请求超出模型的最大长度：sglang 返回 400，且同批其他文本一起失败（bge 最多 511 个 token，约 509 个汉字）",
    ),
    fix=Text(
        "cut texts into pieces of at most 450 to 500 characters before embedding; --allow-auto-truncate avoids "
        "the error, with vectors of the beginning only",
        "编码前把文本切成每段不超过 450～500 字；也可加 --allow-auto-truncate，但得到的只是开头部分的向量",
    ),
    severity=Severity.WARNING,
    explains=(),
)

cause(
    "client-request-rejected",
    [
        pattern(
            "Unsupported upgrade request",
            "[2026-11-02 22:10:20] WARNING:  Unsupported upgrade request.",
            near='[2026-11-02 22:10:05] WARNING:  No supported WebSocket library detected. Please use "pip install '
            "'uvicorn[standard]'\", or install 'websockets' or 'wsproto' manually.",
            source="uvicorn",
            weight=GENERAL,
            fatal=False,
            choose=lambda session, text: "client-request-rejected",
        ),
        pattern(
            "Invalid HTTP request received.",
            "[2026-11-02 22:10:20] WARNING:  Invalid HTTP request received.",
            near="[2026-11-02 22:10:05] httpx.RemoteProtocolError: illegal request line",
            source="uvicorn",
            weight=GENERAL,
            fatal=False,
            choose=lambda session, text: NO_HTTP,
        ),
    ],
    shows=("serving",),
    title=Text("clients' requests are accepted", "客户端请求被接受"),
    because=Text(
        "clients get 4xx or 5xx for most requests, while the server itself is fine: a wrong key (401), a wrong "
        "path (404) or an invalid payload (400)",
        "客户端的大部分请求被拒（4xx/5xx），而服务本身正常：key 不对（401）、路径不对（404）或请求体不合法（400）",
    ),
    fix=Text(
        "401: send the value of --api-key as Authorization: Bearer; 404: the base URL must end in exactly one "
        "/v1; 400 and 422: see what the reply says",
        "401：用 Authorization: Bearer 发送与 --api-key 相同的值；404：base URL 以一个 /v1 结尾；400、422：看响应里的说明",
    ),
    commands=("bgecheck probe",),
    variants={
        "upgrade": Advice(
            Text(
                "a client asks for HTTP/2 over plain http (`Unsupported upgrade request.`, {count} times), which the server does not "
                "speak: the body of such a request is lost, and it is answered with 400. Clients that ask in HTTP/1.1 are served",
                "有客户端在明文 http 上请求升级到 HTTP/2（`Unsupported upgrade request.`，{count} 次），服务不支持：请求体丢失，返回 400。"
                "用 HTTP/1.1 的客户端不受影响",
            ),
            Text(
                "set HTTP/1.1 in that client (Java: HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)), or put a proxy "
                "that speaks HTTP/1.1 to the server in between",
                "让该客户端使用 HTTP/1.1（Java：HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)），或在中间加一层以 HTTP/1.1 转发的代理",
            ),
            ("curl -sS --http1.1 --noproxy '*' http://127.0.0.1:{args_port}/v1/models",),
        ),
        "no-http": Advice(
            Text(
                "clients opened {count} connections to this http port and spoke another protocol (`Invalid HTTP request received.`), beside "
                "{answered} requests that were answered: https is the usual one, then HTTP/2 without TLS, or gRPC",
                "有客户端用别的协议连接这个 http 端口（`Invalid HTTP request received.`，{count} 次，另有 {answered} 个请求正常返回）："
                "最常见的是 https，其次是不带 TLS 的 HTTP/2 或 gRPC",
            ),
            Text(
                "write http:// in the client's base URL, or put a proxy in front that speaks https (nginx)",
                "客户端的 base URL 写 http://，或在前面加一层支持 https 的代理（nginx）",
            ),
            ("curl -sS --http1.1 --noproxy '*' http://127.0.0.1:{args_port}/v1/models",),
        ),
        rejected.SERVER: Advice(
            Text(
                "{count} requests failed in the server itself (HTTP {status}); a wrong key or path is answered with 4xx",
                "有 {count} 个请求在服务内部出错（HTTP {status}）；key 或路径不对时返回的是 4xx",
            ),
            Text(
                "read what the log says before such a request, then see whether the server answers now",
                "先看日志里这类请求之前的报错，再看服务现在能否正常返回向量",
            ),
            ("grep -n -m 1 -B 30 -F {written} {file}", "bgecheck embed --url http://127.0.0.1:{args_port}"),
            Severity.ERROR,
        ),
        rejected.SOME: Advice(
            Text(
                "requests failed in the server itself (HTTP {status}): {count}, beside {answered} that were answered; what was "
                "asked for in them has no vector, unless the client asked again",
                "有 {count} 个请求在服务内部出错（HTTP {status}），另有 {answered} 个正常返回；出错的请求没有拿到向量，除非客户端重试过",
            ),
            Text(
                "read what the log says before such a request: one text may fail every time; then have the client ask for "
                "those texts again",
                "先看日志里这类请求之前的报错（可能某条文本每次都会出错），再让客户端补发这些文本",
            ),
            ("grep -n -m 1 -B 30 -F {written} {file}",),
        ),
        "key": Advice(
            Text(
                "clients are refused for their key ({count} requests, HTTP {status}), while the server itself is fine",
                "客户端的 key 不对，请求被拒（{count} 次，HTTP {status}），服务本身正常",
            ),
            Text(
                "send the value of --api-key as Authorization: Bearer",
                "用 Authorization: Bearer 发送与 --api-key 相同的值",
            ),
            ("bgecheck probe",),
        ),
        "path": Advice(
            Text(
                "clients ask for a path or with a method that the server does not have ({count} requests, HTTP {status}), while "
                "the server itself is fine",
                "客户端请求的路径或方法服务没有（{count} 次，HTTP {status}），服务本身正常",
            ),
            Text(
                "the base URL must end in exactly one /v1, and embeddings are asked for with POST",
                "base URL 以一个 /v1 结尾，取向量用 POST",
            ),
            ("bgecheck probe",),
        ),
        "payload": Advice(
            Text(
                "clients send payloads that the server does not accept ({count} requests, HTTP {status}), while the server itself "
                "is fine",
                "客户端的请求体不合法，被拒（{count} 次，HTTP {status}），服务本身正常",
            ),
            Text("see what the reply says", "看响应里的说明"),
            ("bgecheck probe",),
        ),
    },
    variant=rejected.fault,
    values=rejected.values,
    severity=Severity.WARNING,
    explains=(),
)

cause(
    "stalled-no-error",
    [],
    shows=span("args", "warm-up"),
    title=Text("the start does not stall", "启动没有中途卡住"),
    because=Text(
        "the log stops in phase `{phase}` of the start without any error: the download or the disk hangs, "
        "processes wait for each other, or the server was killed silently",
        "日志停在“{phase}”阶段，没有任何报错：下载或磁盘卡住、进程互相等待，或服务被直接杀掉",
    ),
    fix=Text(
        "see whether the process is still alive and reading; if the download hangs, fetch the model first, then "
        "serve it from the folder",
        "看进程是否还在、是否还在读盘；若是下载卡住，先把模型下载到本地再用目录启动",
    ),
    commands=("pgrep -af sglang", "hf download {args_repo}"),
    variants={
        "folder": Advice(
            Text(
                "the log stops in phase `{phase}` of the start without any error: the disk or the network file system of the "
                "model's folder hangs, processes wait for each other, or the server was killed silently",
                "日志停在“{phase}”阶段，没有任何报错：模型目录所在的磁盘或网络文件系统卡住、进程互相等待，或服务被直接杀掉",
            ),
            Text(
                "see whether the process is still alive and reading, and whether the folder can be listed at once",
                "看进程是否还在、是否还在读盘，以及模型目录能否立即列出",
            ),
            ("pgrep -af sglang", "ls -l {args_model}"),
        ),
    },
    variant=lambda session, hit: "folder" if session.of_folder else None,
)


def _wrong_vectors(session: Session, hit: Hit) -> str | None:
    """`mean` where no option can compute the vectors; `last` where the pooling alone is wrong."""
    if pools_otherwise(session):
        return "mean"
    off = session.argument("disable_radix_cache") == "True" and session.argument("chunked_prefill_size") == "-1"
    return "last" if off else None


cause(
    "encoder-vectors-wrong",
    [],
    shows=(),
    unknown=vectors_unknown,
    title=Text("the session computes right vectors", "本次启动的参数能算出正确的向量"),
    because=Text(
        "this session runs a bidirectional encoder in a way that gives wrong vectors, with HTTP 200: the prefix "
        "(radix) cache is on (`#cached-token` above zero is the proof), a text was cut by chunked prefill "
        "(`#new-token` equal to the chunk size), or the last token is pooled (before 0.5.9, and before 0.5.17 "
        "without --is-embedding)",
        "本次启动的是双向编码器，运行方式却会让向量出错（仍返回 200）：开着前缀缓存（radix cache，#cached-token 大于 "
        "0 就是证据）、文本被分块预填充切断（#new-token 等于分块大小），或取了最后一个 token 做池化（0.5.9 之前，以及 "
        "0.5.17 之前未加 --is-embedding）",
    ),
    fix=Text(
        "restart {changes}, then re-embed everything embedded so far",
        "{changes} 重启，并把之前写进向量库的内容全部重新编码",
    ),
    commands=("{upgrade}", "{stop}", "{launch_line}"),
    changes=relaunch.vectors_right,
    variants={
        "last": Advice(
            Text(
                "this session runs a bidirectional encoder that pools [CLS], and takes the last token's state instead, with HTTP "
                "200: BertModel does so before 0.5.9, and before 0.5.17 without --is-embedding",
                "本次启动的编码器应取 [CLS]，实际取的却是最后一个 token（仍返回 200）：BertModel 在 0.5.9 之前都是这样，"
                "0.5.17 之前未加 --is-embedding 时也是",
            ),
            Text(
                "restart {changes}, then re-embed everything embedded so far",
                "{changes} 重启，并把之前写进向量库的内容全部重新编码",
            ),
            ("{upgrade}", "{stop}", "{launch_line}"),
        ),
        "mean": Advice(
            Text(
                "the vectors of this model are the mean of all tokens, and sglang, which does not read its 1_Pooling, takes one "
                "token's state instead: no release and no option computes them",
                "这个模型的向量是全部 token 的均值，而 sglang 不读它的 1_Pooling，只取单个 token 的状态：没有哪个版本或参数能算对",
            ),
            Text(
                "serve this model with an engine that reads 1_Pooling (text-embeddings-inference, vLLM), or serve a model that "
                "pools [CLS]; then re-embed everything embedded so far",
                "改用会读 1_Pooling 的引擎（text-embeddings-inference、vLLM），或换用取 [CLS] 的模型；之后把已写进向量库的内容全部重新编码",
            ),
        ),
    },
    variant=_wrong_vectors,
    explains=("embed.repeatable", "embed.batch-equals-single"),
)
