"""Why a request for embeddings brought none, by who answered and what it said, and what mends that."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

from bgecheck.engines.sglang.options import EMBEDDING, QUEUE
from bgecheck.engines.sglang.pages import SHOW_WORKERS
from bgecheck.http.address import parse_url
from bgecheck.http.bypass import DIRECT, WHO_LISTENS
from bgecheck.http.embeddings import Answer, Refused, Unusable, reason_of
from bgecheck.http.failures import Failure
from bgecheck.model import Advice, BadInput, Text, Words
from bgecheck.model.hygiene import KEY_IN_TEMPLATES, KEY_VARIABLE

_LOG = "bgecheck logs {log}"
_BEARER = f'-H "Authorization: Bearer ${{{{{KEY_VARIABLE}:-EMPTY}}}}"'
_LISTED = f"curl -sS --noproxy '*' {_BEARER} {{base_url}}/models"
_PAST = Text(
    "query the server behind it at its own port: on its machine bgecheck finds it without --url",
    "绕过网关，直连后面的服务自己的端口：在那台机器上运行 bgecheck doctor，不用写 --url",
)
_DOCTOR = "bgecheck doctor"
_HEADERS = (
    f"curl -sS -D - -o /dev/null --noproxy '*' {{base_url}}/embeddings {_BEARER} "
    "-H 'Content-Type: application/json' "
    '-d \'{{"input":"你好","encoding_format":"float"}}\''
)
"""The request that fails, for curl to say what is wrong with the answer's frame or size."""


def _past(en: str, zh: str) -> Text:
    return Text(f"{en}; then {_PAST.en}", f"{zh}；再{_PAST.zh}")


_WITH_A_KEY = f': "{KEY_IN_TEMPLATES}" && bgecheck probe --url {{base_url}}'

GIVE_THE_KEY = Text(
    f"export {KEY_VARIABLE}=... with the key that the server was started with, then check again",
    f"先 export {KEY_VARIABLE}=...，值是服务启动时设置的 key，再检查一次",
)

ADVICE: Mapping[str, Advice] = {
    "no-channel": Advice(
        Text(
            "{front} has no enabled channel for the model {asked} in the group of this key: HTTP {status}, {message}",
            "{front} 在这个 key 所属的分组里，没有为模型 {asked} 启用任何渠道：HTTP {status}，{message}",
        ),
        _past(
            "in its console add a channel or enable it, with exactly this model name, this group, and sglang's own "
            "address",
            "在网关后台新增或启用渠道：模型名要一字不差，分组要对，地址填 sglang 的地址",
        ),
        (_LISTED, _DOCTOR),
    ),
    "no-deployment": Advice(
        Text(
            "LiteLLM has no deployment left for the model {asked}: it has none, or those it has failed before and are "
            "paused: {message}",
            "LiteLLM 没有可用的 {asked} 部署：没有配置，或配置的都因为之前失败而暂停（cooldown）：{message}",
        ),
        _past(
            "see in LiteLLM's log what they failed with, and check api_base of this model in its model_list",
            "看 LiteLLM 日志里它们失败的原因，并核对 model_list 里这个模型的 api_base",
        ),
        (_LISTED, _DOCTOR),
    ),
    "no-workers": Advice(
        Text(
            "the router of sglang answers and has no healthy worker to pass the request to: HTTP {status}, {message}",
            "响应的是 sglang 的 router，它没有健康的 worker 可以转发：HTTP {status}，{message}",
        ),
        Text(
            "see which workers it has, and check each of them at its own port; where they are well, restart the router "
            "with their addresses",
            "看它登记了哪些 worker，再逐个检查各自的端口；worker 都正常时，用它们的地址重启 router",
        ),
        (SHOW_WORKERS, _DOCTOR),
    ),
    "no-backend": Advice(
        Text(
            "{front} has no healthy server behind it for this address: HTTP {status}, {message}",
            "{front} 后面没有健康的服务可以转发：HTTP {status}，{message}",
        ),
        _past(
            "see whether the server runs and whether the gateway's health check of it passes",
            "看服务是否在运行、是否通过了网关的健康检查",
        ),
        (WHO_LISTENS, _DOCTOR),
    ),
    "no-connection": Advice(
        Text(
            "{front} cannot connect to the server behind it: HTTP {status}, {message}",
            "{front} 连不上后面的服务：HTTP {status}，{message}",
        ),
        _past(
            "check the address that it has for this model: within a container 127.0.0.1 is the container itself",
            "核对网关里这个模型的地址：在容器里，127.0.0.1 指的是容器自己",
        ),
        (WHO_LISTENS, _DOCTOR),
    ),
    "bad-gateway": Advice(
        Text(
            "{front} answers HTTP {status}: it cannot reach the server behind it, which is down or elsewhere",
            "{front} 返回 HTTP {status}：它连不上后面的服务，服务没启动，或地址配错",
        ),
        _past(
            "check the address that the gateway passes requests to (nginx: proxy_pass), and its error log",
            "核对网关的转发地址（nginx：proxy_pass），并看网关的错误日志",
        ),
        (WHO_LISTENS, _DOCTOR),
    ),
    "bad-gateway-midway": Advice(
        Text(
            "{front} answers HTTP {status} to an embedding, while the model list comes through: the server behind it "
            "ends the connection under this request, or this path leads elsewhere",
            "{front} 对 embedding 请求返回 HTTP {status}，而模型列表正常：后面的服务处理这个请求时断开了连接，"
            "或这个路径转发到了别处",
        ),
        _past("read the end of the server's log, and the gateway's error log", "看服务日志的末尾，以及网关的错误日志"),
        (_LOG, _DOCTOR),
    ),
    "gateway-timeout": Advice(
        Text(
            "{front} gave up waiting for the server behind it: HTTP {status} after {seconds} s. That server is too "
            "slow, stuck, or still cold",
            "{front} 等后面的服务等到超时：{seconds} 秒后返回 HTTP {status}。那个服务太慢、卡住，或还没热起来",
        ),
        _past(
            "raise the time-out of the gateway and of its clients to {longer} s; nginx: proxy_read_timeout {longer}s; "
            "LiteLLM: timeout: {longer} in the model's litellm_params. If the server is not merely slow, its log shows "
            "what it is at",
            "把网关和客户端的超时都调到 {longer} 秒；nginx：proxy_read_timeout {longer}s；LiteLLM：该模型 "
            "litellm_params 里的 timeout: {longer}。若不只是慢，看服务日志里它停在哪一步",
        ),
        ("bgecheck embed --timeout {longer}s --url {base_url}", _DOCTOR, _LOG),
    ),
    "queue-full": Advice(
        Text(
            "the server's queue is full: HTTP {status}, {message}",
            "服务的请求队列已满：HTTP {status}，{message}",
        ),
        Text(f"send fewer requests at once, or raise {QUEUE}", f"降低并发，或调大 {QUEUE}"),
        ("bgecheck doctor --wait 5m --url {base_url}",),
    ),
    "rate": Advice(
        Text(
            "{front} limits requests: HTTP {status}, {message}. sglang never answers 429",
            "{front} 在限流：HTTP {status}，{message}。sglang 从不返回 429",
        ),
        Text("send fewer requests at once, or raise the limit of the gateway", "降低并发，或调高网关限额"),
        (WHO_LISTENS,),
    ),
    "busy": Advice(
        Text(
            "{front} is overloaded, as it says: HTTP {status}, {message}",
            "{front} 表示负载过高：HTTP {status}，{message}",
        ),
        Text(
            "send fewer requests at once, and try again (text-embeddings-inference: --max-concurrent-requests)",
            "降低并发后重试（text-embeddings-inference 的上限是 --max-concurrent-requests）",
        ),
        ("bgecheck doctor --wait 5m --url {base_url}",),
    ),
    "loading": Advice(
        Text(
            "the server is still starting, as it says: HTTP {status}, {message}",
            "服务表示还在启动：HTTP {status}，{message}",
        ),
        Text("wait until it is ready; if it stays like that, read the log", "等待就绪；若一直如此，查看日志"),
        ("bgecheck doctor --wait 5m --url {base_url}", _LOG),
    ),
    "unavailable": Advice(
        Text(
            "HTTP {status}, {message}: what answers cannot serve the request now. That may be the server itself while "
            "it starts, or a gateway that has no server behind it",
            "HTTP {status}，{message}：响应方暂时不能处理请求。可能是服务还在启动，也可能是网关后面没有可用的服务",
        ),
        Text(
            "see, on that machine, which program listens at {address}; if it is the server, read its log",
            "在 {address} 所在的机器上看是哪个程序在监听；如果就是服务本身，看它的日志",
        ),
        (WHO_LISTENS, _LOG),
    ),
    "unavailable-page": Advice(
        Text(
            "{front} answers HTTP {status} with a page of its own ({message}): it has no server to pass the request "
            "to, limits requests, or is under maintenance; sglang never sends such a page",
            "{front} 返回了自己的 HTTP {status} 页面（{message}）：后面没有可用的服务、在限流，或在维护；"
            "sglang 从不返回这种页面",
        ),
        _past(
            "see the gateway's error log and its limits (nginx: limit_req)",
            "看网关的错误日志和限流配置（nginx：limit_req）",
        ),
        (WHO_LISTENS, _DOCTOR),
    ),
    "not-embedding-vllm": Advice(
        Text(
            "vLLM runs this model as a generator, so that it has no embeddings: HTTP {status}, {message}",
            "vLLM 把这个模型当成生成模型运行，因此没有 embedding 接口：HTTP {status}，{message}",
        ),
        Text(
            "start vLLM anew for embeddings; up to 0.10 that is --task embed, in newer releases --runner pooling, with "
            "--convert embed where the model's class is that of a generator",
            "以 embedding 方式重启 vLLM；0.10 及以前加 --task embed，更新的版本加 --runner pooling，"
            "模型类是生成模型时再加 --convert embed",
        ),
        ("pgrep -af vllm",),
    ),
    "not-embedding-sglang": Advice(
        Text(
            "sglang runs this model as a generator: HTTP {status}, {message}",
            "sglang 把这个模型当成生成模型运行：HTTP {status}，{message}",
        ),
        Text(
            f"if the model makes embeddings, start it anew with {EMBEDDING}; if it writes text, serve an embedding "
            "model instead",
            f"如果它是 embedding 模型，加上 {EMBEDDING} 重启；如果是对话或生成模型，请换成 embedding 模型",
        ),
        (_LISTED,),
    ),
    "not-embedding-llama": Advice(
        Text(
            "llama.cpp was not started for embeddings: HTTP {status}, {message}",
            "llama.cpp 启动时没有打开 embedding：HTTP {status}，{message}",
        ),
        Text("start it anew with --embeddings", "加上 --embeddings 重启"),
        ("pgrep -af llama",),
    ),
    "not-embedding": Advice(
        Text(
            "the model {asked} makes no embeddings here: HTTP {status}, {message}",
            "这里的模型 {asked} 不提供 embedding：HTTP {status}，{message}",
        ),
        Text(
            "request an embedding model of the list, or serve one; a reranker or a chat model is none",
            "改用模型列表里的 embedding 模型，或部署一个；reranker 和对话模型都不是",
        ),
        (_LISTED,),
    ),
    "gpu-memory": Advice(
        Text(
            "the server ran out of GPU memory under this request: HTTP {status}, {message}",
            "服务处理这个请求时显存不足：HTTP {status}，{message}",
        ),
        Text(
            "see who holds the GPU's memory, and read the log for how much was wanted",
            "查出哪些进程占着显存；再看日志里要申请多少",
        ),
        ("bgecheck gpu", _LOG),
    ),
    "gpu-error": Advice(
        Text(
            "the GPU failed under this request, and the server says so: HTTP {status}, {message}. After such an error "
            "its process computes nothing right any more",
            "处理这个请求时 GPU 出错，服务返回了错误：HTTP {status}，{message}。出现这种错误之后，该进程不能再正确计算",
        ),
        Text(
            "read the log for the first such error, then restart the server",
            "在日志里找第一条这样的错误，然后重启服务",
        ),
        (_LOG, "bgecheck gpu"),
    ),
    "server-error": Advice(
        Text(
            "the server failed on this request: HTTP {status}, {message}",
            "服务处理这个请求时出错：HTTP {status}，{message}",
        ),
        Text("see what the log says about this request", "查看日志里这条请求的记录"),
        (_LOG,),
    ),
    "model": Advice(
        Text(
            "the server has no model of the name {asked}: HTTP {status}, {message}",
            "服务上没有名为 {asked} 的模型：HTTP {status}，{message}",
        ),
        Text("send one of the names that it lists, with --model", "用 --model 指定它列出的名字"),
        (_LISTED,),
    ),
    "model-not-allowed": Advice(
        Text(
            "this key may not use the model {asked}: HTTP {status}, {message}",
            "这个 key 没有使用模型 {asked} 的权限：HTTP {status}，{message}",
        ),
        Text(
            "in the gateway's console add the model to those that the key may use, or use another key",
            "在网关后台给这个 key（令牌）开通该模型，或换一个 key",
        ),
        (_LISTED,),
    ),
    "quota": Advice(
        Text(
            "what this key may spend is used up: HTTP {status}, {message}",
            "这个 key 的额度已用完：HTTP {status}，{message}",
        ),
        Text(
            "raise the quota of the key or of its user in the gateway's console",
            "在网关后台给这个令牌或用户增加额度",
        ),
        (WHO_LISTENS,),
    ),
    "token": Advice(
        Text(
            "{front} has keys of its own, and this is none of them: HTTP {status}, {message}",
            "{front} 用自己的 key（令牌），而给出的不是其中之一：HTTP {status}，{message}",
        ),
        Text(
            f"export {KEY_VARIABLE}=... with a key made in the gateway's console; the key of sglang belongs into the "
            "gateway's settings, not into the clients",
            f"先 export {KEY_VARIABLE}=...，值是网关后台创建的令牌；sglang 自己的 key 填在网关的渠道设置里，"
            "不给客户端用",
        ),
        (_WITH_A_KEY,),
    ),
    "basic": Advice(
        Text(
            "{front} asks for a user name and a password (Basic), which no OpenAI client sends: HTTP {status}",
            "{front} 要求用户名和密码（Basic 认证），OpenAI 客户端不会发送：HTTP {status}",
        ),
        _past(
            "leave the API's path out of the password protection (nginx: auth_basic off;)",
            "让接口路径不走密码保护（nginx：auth_basic off;）",
        ),
        (WHO_LISTENS,),
    ),
    "key": Advice(
        Text(
            "the server checks keys, and the one sent is not accepted or none was sent: HTTP {status}, {message}",
            "服务会校验 key，而这里没有带 key 或 key 不对：HTTP {status}，{message}",
        ),
        GIVE_THE_KEY,
        (_WITH_A_KEY,),
    ),
    "forbidden-page": Advice(
        Text(
            "{front} refuses with a page of its own: HTTP {status}, {message}. A firewall or a rule of the gateway "
            "does that, before any key is looked at",
            "{front} 用自己的页面拒绝了请求：HTTP {status}，{message}。这是防火墙（WAF）或网关规则拦截的，还没到校验 "
            "key 这一步",
        ),
        _past(
            "ask whoever runs it to let this client and path through (address lists, bot rules)",
            "请网关管理员放行这个客户端和路径（IP 白名单、防爬规则）",
        ),
        (WHO_LISTENS,),
    ),
    "forbidden": Advice(
        Text(
            "{front} does not allow this request: HTTP {status}, {message}; sglang never answers 403 to an embedding",
            "{front} 不允许这个请求：HTTP {status}，{message}；sglang 的向量接口从不返回 403",
        ),
        _past(
            "ask whoever runs the gateway whether it lets this address and path through, and what this key may do",
            "请网关管理员确认是否放行这个来源和路径，以及这个 key 的权限",
        ),
        (WHO_LISTENS,),
    ),
    "route": Advice(
        Text(
            "there is no {base_url}/embeddings: HTTP {status}, {message}. The path is misspelt, `/v1` is missing or "
            "doubled, or a gateway does not pass it on",
            "{base_url}/embeddings 不存在：HTTP {status}，{message}。路径拼错、缺少或重复了 `/v1`，或网关没有转发",
        ),
        Text("find the base URL under which the server answers", "找出服务真正响应的 base URL"),
        ("bgecheck probe --url {base_url}",),
    ),
    "route-found": Advice(
        Text(
            "there is no {base_url}/embeddings: HTTP {status}. The API answers at {found}",
            "{base_url}/embeddings 不存在：HTTP {status}。接口在 {found}",
        ),
        Text("give clients this base URL: {found}", "客户端请使用这个 base URL：{found}"),
        ("bgecheck embed --url {found}",),
    ),
    "no-embeddings": Advice(
        Text(
            "the model list is there and {base_url}/embeddings is not: HTTP {status}, {message}. The engine was not "
            "started for embeddings, or a gateway passes only some paths on, as sglang-router before 0.2 does",
            "模型列表正常，{base_url}/embeddings 却不存在：HTTP {status}，{message}。引擎启动时没有打开 embedding，"
            "或网关只转发了部分路径（sglang-router 0.2 之前就没有这个路径）",
        ),
        Text(
            "start the engine for embeddings (vLLM: --runner pooling, up to 0.10 --task embed), or let the gateway "
            "pass on everything below /v1 (sglang-router: upgrade it)",
            "以 embedding 方式启动引擎（vLLM：--runner pooling，0.10 及以前是 --task embed），或让网关转发 /v1 "
            "下的全部路径（sglang-router 则升级）",
        ),
        (_LISTED, WHO_LISTENS),
    ),
    "method": Advice(
        Text(
            "what answers takes no POST here: HTTP {status}. That is a web page or a file server, not the API",
            "这个地址不接受 POST：HTTP {status}。它是网页或静态文件服务，不是接口",
        ),
        Text("find the base URL under which the server answers", "找出服务真正响应的 base URL"),
        ("bgecheck probe --url {base_url}",),
    ),
    "login": Advice(
        Text(
            "{front} sends clients to a login page: HTTP {status} to {location}. An API client cannot log in there",
            "{front} 把请求跳转到登录页：HTTP {status}，跳转到 {location}。接口客户端无法在那里登录",
        ),
        _past(
            "ask whoever runs it for an address without login, or to leave the API's path out of it",
            "请管理员提供不需要登录的地址，或让接口路径不走统一登录",
        ),
        (WHO_LISTENS,),
    ),
    "encoding": Advice(
        Text(
            "the server refuses encoding_format as it was sent: HTTP {status}, {message}",
            "服务拒绝了请求里的 encoding_format：HTTP {status}，{message}",
        ),
        Text('send encoding_format="float"', '请求里写 encoding_format="float"'),
        ("bgecheck probe --url {base_url}",),
    ),
    "error-in-200": Advice(
        Text(
            "HTTP 200 holds an error in place of vectors: {message}. Clients that look at the status alone take it for "
            "a success and fail later (\"'NoneType' object has no attribute 'data'\")",
            "返回 200，内容却是错误：{message}。只看状态码的客户端会当成成功，之后才报错（'NoneType' object has no "
            "attribute 'data'）",
        ),
        DIRECT,
        (WHO_LISTENS,),
    ),
    "page": Advice(
        Text(
            "HTTP 200 with a web page ({message}) in place of vectors: the base URL leads to a web interface",
            "返回 200，内容却是网页（{message}）：base URL 指向的是网页界面，不是接口",
        ),
        Text("find the base URL of the API", "找出接口的 base URL"),
        ("bgecheck probe --url {base_url}", WHO_LISTENS),
    ),
    "cut": Advice(
        Text(
            "the answer is not whole: {message}. The server died under it, or something on the way cuts answers off",
            "响应不完整：{message}。服务响应到一半退出，或中间环节截断了响应",
        ),
        _past(
            "read the end of the server's log, and see the gateway's buffers and limits (nginx: error log, disk of "
            "proxy_temp_path)",
            "看服务日志末尾，再看网关的缓冲和限制（nginx：错误日志、proxy_temp_path 所在磁盘）",
        ),
        (_LOG, _HEADERS, WHO_LISTENS),
    ),
    "malformed": Advice(
        Text(
            "an answer came and cannot be read: {message}. Something on the way rewrites or compresses it wrongly, or "
            "the server dies while it answers",
            "收到了响应，但无法读取：{message}。中间环节改写或压缩有误，或服务响应到一半退出",
        ),
        _past(
            "switch off compression for this path in the gateway (nginx: gzip off;), and read the server's log",
            "在网关里对这个路径关掉压缩（nginx：gzip off;），再看服务日志",
        ),
        (
            _HEADERS,
            _LOG,
            _DOCTOR,
        ),
    ),
}
"""Cause and remedy of each kind, for every row that asks for an embedding and gets none."""

RERANKER = Advice(
    Text(
        "{name} is a reranker: it scores a text against another and makes no embeddings",
        "{name} 是 reranker：它给一对文本打分，不产生 embedding",
    ),
    Text(
        "serve an embedding model here, and call the reranker on its own route",
        "换成 embedding 模型；reranker 请走它自己的接口",
    ),
    ("curl -sS --noproxy '*' {base_url}/models",),
)
"""For every row that would ask a reranker for a vector."""

LOST = frozenset({"route", "method", "page"})
"""Kinds of a base URL that leads to no API."""

PENDING = frozenset(
    {
        *("no-workers", "no-backend", "no-connection", "bad-gateway", "bad-gateway-midway", "gateway-timeout"),
        *("queue-full", "busy", "loading", "unavailable", "unavailable-page"),
    }
)
"""Kinds that may pass while a server starts."""

NO_LIMIT = frozenset({"no-channel", "no-deployment", "quota"})
"""Kinds that some gateways answer with the status of a limited rate."""

LOCKS = frozenset({"token", "basic", "key", "forbidden", "forbidden-page", "login", "quota"})
"""Kinds that are about who asks, and not about what is asked for."""

# What each says, in its own words: one-api (middleware/distributor.go), new-api, LiteLLM (router.py), sglang's router
# (src/routers), Envoy, HAProxy, Traefik, sglang (scheduler.py, tokenizer_manager.py), vLLM, llama.cpp, Ollama.
_WORDS: tuple[tuple[str, str], ...] = (
    ("no-channel", r"无可用渠道|no available channel|no channel available"),
    ("no-deployment", r"no deployments available|no healthy deployment"),
    ("no-workers", r"no available (?:\w+ )?workers|all circuits open|no healthy workers"),
    (
        "no-backend",
        r"no healthy upstream|no available server|no server is available|no endpoints available|no live upstreams",
    ),
    ("queue-full", r"queue is full|queue full|队列已满"),
    ("not-embedding-vllm", r"does not support embeddings api"),
    ("not-embedding-sglang", r"does not appear to be an embedding model"),
    ("not-embedding-llama", r"server does not support embeddings|start it with .{0,3}--embedding"),
    (
        "not-embedding",
        r"(?:not|n't) (?:support|generate|produce) embedding|not an embedding model"
        r"|不支持.{0,20}(?:embedding|向量|嵌入)",
    ),
    ("model-not-allowed", r"无权(?:使用|访问)模型|not allowed to access model|no access to model"),
    ("quota", r"额度.{0,6}(?:不足|用尽|用完|耗尽)|余额不足|欠费|insufficient.{0,6}quota|budget has been exceeded"),
    (
        "model",
        r"model_not_found|invalid model name|unknown model|no such model|模型.{0,60}(?:不存在|未找到|没有找到)"
        r"|model.{0,160}(?:does not exist|doesn't exist|not found|not exist)",
    ),
)
_BY_WORDS = tuple((kind, re.compile(f"(?i){words}")) for kind, words in _WORDS)

_TOKEN = re.compile(r"(?i)令牌|invalid token|virtual key|no api key passed in|no connected db|access token")
_LOADING = re.compile(
    r"(?i)\bloading\b|\bstarting\b|warming up|not ready|initiali[sz]ing"
    r"|正在(?:加载|启动)|启动中|加载中|预热"
)
_OVERLOADED = re.compile(r"(?i)overload|over capacity|负载.{0,6}(?:饱和|过高)")
"""What an engine says of itself with 429, as text-embeddings-inference does: no rate is limited."""
_BUSY = re.compile(f"{_OVERLOADED.pattern}|too many requests|rate limit")
_MEMORY = re.compile(r"(?i)out of memory")
_GPU_ERROR = re.compile(r"(?i)\b(?:CUDA|HIP|NCCL|cublas|cudnn) ?error|device-side assert|illegal memory access")
_GPU_MEMORY = re.compile(r"(?i)\b(?:CUDA|HIP|GPU)\b.{0,20}out of memory")
"""What no client is told for its own request, whatever the status."""
_GPU = re.compile(r"(?i)\bCUDA|device-side assert|cublas|cudnn|\bHIP error|NCCL|illegal memory access")
_UPSTREAM = re.compile(
    r"(?i)connection error|connection refused|cannot connect to host|dial tcp|upstream connect error|no route to host"
    r"|error sending request for url"  # sglang's router, of a server that is gone
)
_LATE = re.compile(r"(?i)upstream (?:request )?time ?-?out|\btimed out\b|timeout")
_ENCODING = re.compile(r"(?i)encoding_format")
_LOGIN = re.compile(r"(?i)[/.?&=_-](?:log-?in|sign-?in|sso|oauth2?|openid-connect|saml2?|cas|passport|authorize)\b")


def kind_of(answer: Refused | Unusable | Failure, listed: bool = False) -> str | None:
    """The key of `ADVICE` for an answer without vectors; None where nothing tells more than its status does.

    `listed` says that the model list came through on the same way.
    """
    match answer:
        case Failure():
            return "cut" if answer.cut else "malformed" if answer.kind == "malformed" else None
        case Unusable(kind="error"):
            return _of_words(answer.message) or _of_the_gpu(answer.message) or "error-in-200"
        case Unusable():
            return answer.kind if answer.kind in ("page", "cut") else None
        case Refused(html=False) if kind := _of_words(answer.message):
            return kind
        case Refused():
            return _of_status(answer, listed)


_OF_A_KEY = re.compile(r"(?i)\bkey|token|auth|credential|sign(?:ed|ature)|令牌|密钥|密匙|认证|鉴权|凭证|未登录")


def is_about_a_key(answer: Refused) -> bool:
    """Whether a refusal speaks of keys, or is the one that engines send for a wrong one: a firewall's 403 does not."""
    return answer.status != 403 or bool(_OF_A_KEY.search(answer.message))


def leads_nowhere(answer: Answer, served: Sequence[str]) -> bool:
    """Whether there is no API at a base URL, so that it is worth to look beside it."""
    return isinstance(answer, Refused | Unusable) and not served and kind_of(answer) in LOST


def _of_words(message: str) -> str | None:
    return next((kind for kind, words in _BY_WORDS if words.search(message)), None)


def _of_status(answer: Refused, listed: bool) -> str | None:
    status, message = answer.status, answer.message
    if 300 <= status < 400:
        return "login" if _LOGIN.search(answer.location) else None
    if status in (401, 403):
        return _of_a_lock(answer)
    if status in (404, 405):
        return "method" if status == 405 else "no-embeddings" if listed else "route"
    if status == 408 and (answer.gateway or "litellm" in message.lower()):
        return "gateway-timeout"
    if status == 429:
        return "busy" if _OVERLOADED.search(message) else "rate"
    if status in (400, 422):
        return _of_the_gpu(message) or _of_the_request(message)
    return _of_the_server(answer, listed) if status >= 500 else None


def _of_the_gpu(message: str) -> str | None:
    """An error of the device, which engines and gateways pass on with the status of a bad request, or as a success."""
    if _GPU_MEMORY.search(message):
        return "gpu-memory"
    return "gpu-error" if _GPU_ERROR.search(message) else None


def _of_the_request(message: str) -> str | None:
    if _TOKEN.search(message):  # LiteLLM without a database answers a wrong key so
        return "token"
    return "encoding" if _ENCODING.search(message) else None


def _of_a_lock(answer: Refused) -> str:
    """Who wants which key: a page and a password are a gateway's, and so are tokens."""
    if answer.challenge.lower() == "basic":
        return "basic"
    if answer.html:
        return "forbidden-page"
    if answer.gateway or _TOKEN.search(answer.message):
        return "token"
    return "key" if answer.status == 401 else "forbidden"


_ORIGIN_DOWN, _ORIGIN_LATE = (502, 520, 521, 522, 523, 525, 526, 530), (504, 524)
"""A gateway's, those above 519 Cloudflare's: no connection to the server behind it, and no answer in time."""


def _of_the_server(answer: Refused, listed: bool) -> str:
    status, message = answer.status, answer.message
    if _MEMORY.search(message) and not answer.html:
        return "gpu-memory"
    if _GPU.search(message) and not answer.html:
        return "gpu-error"
    if status in _ORIGIN_LATE:
        return "gateway-timeout"
    if _UPSTREAM.search(message):
        return "no-connection"
    if status in _ORIGIN_DOWN:
        return "bad-gateway-midway" if listed else "bad-gateway"
    if status == 503:
        return _of_unavailable(answer)
    if answer.gateway and _LATE.search(message):
        return "gateway-timeout"
    return "server-error"


def _of_unavailable(answer: Refused) -> str:
    if answer.html:
        return "unavailable-page"
    if _LOADING.search(answer.message):
        return "loading"
    return "busy" if _BUSY.search(answer.message) else "unavailable"


A_GATEWAY = Text("a gateway", "网关")


def values_of(answer: Refused | Unusable | Failure, asked: str | None) -> dict[str, Any]:
    """What the texts of `ADVICE` are filled with."""
    refused = answer if isinstance(answer, Refused) else None
    message: Words = reason_of(answer) if isinstance(answer, Refused) else answer.detail
    if isinstance(answer, Unusable) and answer.message:
        message = answer.message
    front: Words = (refused and (refused.gateway or _named(refused.server))) or A_GATEWAY
    return {
        "status": refused.status if refused else 200,
        "message": message,
        "front": front,
        "asked": asked or "default",
        "location": refused.location if refused else "",
        "seconds": f"{answer.seconds:.1f}",
        "longer": longer(answer.seconds),
    }


def longer(seconds: float) -> int:
    """Whole seconds to wait for what was given up after some: twice as long, and a minute at least."""
    return max(60, math.ceil(seconds / 5) * 10)


def end_of_redirect(location: str, asked: str) -> str | None:
    """The base URL that a redirect leads to, as clients want it; None where it is none, or the one that was asked."""
    try:
        root = parse_url(urljoin(asked, location)).url
    except (BadInput, ValueError):
        return None
    return None if not location or root == parse_url(asked).url else f"{root}/v1"


def _named(server: str) -> str:
    """The web server that names itself; every engine in Python has uvicorn's name, which says nothing."""
    return "" if "uvicorn" in server.lower() else server
