"""What each exception of the openai package means to a program that calls an embeddings server, and what mends it.

Exceptions and their causes were seen with openai 1.55.3, 1.99.1, 2.8.0 (httpx 0.28.1) and 3.57.0 (httpx2 2.16.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from bgecheck.http.authorities import UNTRUSTED
from bgecheck.http.bypass import DIRECT, END_OF_REDIRECT, REDIRECT_SHOWN, WHO_LISTENS
from bgecheck.http.openai_client import OpenAIResult, Raised, Stopped, Vectors
from bgecheck.model import Advice, Text, Words
from bgecheck.model.hygiene import KEY_IN_TEMPLATES, KEY_VARIABLE

_LOG = "bgecheck logs {log}"
_PROBE = "bgecheck probe --url {base_url}"
_HANDSHAKE = "openssl s_client -connect {host}:{port} -servername {host} </dev/null"

ADVICE: Mapping[str, Advice] = {
    "refused": Advice(
        Text(
            "APIConnectionError with [Errno 111] Connection refused: nothing listens at {host}:{port}, because the "
            "server was not started, has exited, is still loading, or uses another port",
            "APIConnectionError（[Errno 111] Connection refused）：{host}:{port} 没有程序在监听，"
            "服务没启动、已退出、还在加载，或用的是别的端口",
        ),
        Text("see which ports are in use, then read the log", "先看哪个端口在监听，再看日志"),
        ("ss -ltnp", _LOG),
    ),
    "dns": Advice(
        Text(
            "APIConnectionError with a failed look-up: the host name {host} does not resolve here",
            "APIConnectionError（域名解析失败）：本机无法解析主机名 {host}",
        ),
        Text("correct the host name in base_url, or use the address", "改正 base_url 里的主机名，或直接写 IP"),
        ("getent hosts {host}",),
    ),
    "unreachable": Advice(
        Text(
            "APIConnectionError with no route to the host: {host} is on another network, or a firewall rejects it",
            "APIConnectionError（没有路由）：{host} 不在同一网络，或被防火墙拒绝",
        ),
        Text("check the address, and the network of both machines", "检查地址，以及两台机器是否在同一网络"),
        ("ip route get {host}",),
    ),
    "reset": Advice(
        Text(
            "APIConnectionError with a connection that was reset or closed without an answer: the server died under "
            "the request, a gateway or firewall cut it off, or another program holds the port",
            "APIConnectionError（连接被重置，或没有响应就被关闭）：服务处理请求时退出，被网关或防火墙切断，或端口上是别的程序",
        ),
        Text("read the log from its end", "从日志末尾往前看"),
        (_LOG, WHO_LISTENS),
    ),
    "not-http": Advice(
        Text(
            "APIConnectionError with an answer that is not valid HTTP: another program holds the port, it speaks TLS, "
            "or a gateway is at fault",
            "APIConnectionError（响应不符合 HTTP 规范）：端口上是别的程序，或端口是 TLS，或网关的响应有误",
        ),
        Text("see who owns the port, and look at the bytes of an answer", "看是哪个程序占用了端口，再看响应的原始内容"),
        ("ss -ltnp sport = :{port}", "curl -sSi --raw -m 25 --noproxy '*' {base_url}/models | head -c 2000 | cat -v"),
    ),
    "garbled": Advice(
        Text(
            "APIConnectionError with a body that cannot be unpacked: something on the way compresses answers wrongly",
            "APIConnectionError（响应体解压失败）：中间环节的压缩有误",
        ),
        Text("switch off compression in the gateway", "关掉网关的压缩"),
        ("curl -sS -D - -o /dev/null -H 'Accept-Encoding: gzip' --noproxy '*' {base_url}/models",),
    ),
    "authority": Advice(
        Text(
            "APIConnectionError with CERTIFICATE_VERIFY_FAILED: the CA certificates that openai {openai} verifies "
            "with ({used}) do not include the issuer of this certificate",
            "APIConnectionError（CERTIFICATE_VERIFY_FAILED）：openai {openai} 校验证书用的 CA（{used}）"
            "里没有这张证书的签发者",
        ),
        Text(
            "name the private CA's file in SSL_CERT_FILE, in the environment of every program that calls; openai up "
            "to 2.x verifies with certifi otherwise, from 3.0 with the operating system",
            "在每个调用方的环境里用 SSL_CERT_FILE 指定私有 CA 文件；"
            "否则 openai 2.x 及更早用 certifi 校验，3.0 起用操作系统的 CA",
        ),
        ("export SSL_CERT_FILE=/path/to/ca.pem", _HANDSHAKE),
    ),
    "hostname": Advice(
        Text(
            "APIConnectionError with CERTIFICATE_VERIFY_FAILED: the certificate was not issued for {host}",
            "APIConnectionError（CERTIFICATE_VERIFY_FAILED）：证书的域名与 {host} 不符",
        ),
        Text("use a name in base_url that the certificate covers", "base_url 改用证书里的域名"),
        (_HANDSHAKE,),
    ),
    "expired": Advice(
        Text(
            "APIConnectionError with CERTIFICATE_VERIFY_FAILED: the certificate is not valid now, or the clock of this "
            "machine is wrong",
            "APIConnectionError（CERTIFICATE_VERIFY_FAILED）：证书不在有效期内，或本机时间不对",
        ),
        Text("renew the certificate of the gateway; check the clock", "更新网关证书，并核对本机时间"),
        ("date", _HANDSHAKE),
    ),
    "plain": Advice(
        Text(
            "APIConnectionError with an SSL error: base_url says https and {host}:{port} does not speak TLS",
            "APIConnectionError（SSL 错误）：base_url 写的是 https，而 {host}:{port} 不是 TLS",
        ),
        Text("write http:// in base_url", "base_url 改成 http://"),
        ("bgecheck probe --url http://{host}:{port}",),
    ),
    "tls": Advice(
        Text(
            "APIConnectionError with an SSL error: the TCP connection works, the TLS handshake does not",
            "APIConnectionError（SSL 错误）：TCP 连得上，但 TLS 握手失败",
        ),
        Text("see the details of the handshake", "查看握手细节"),
        (_HANDSHAKE,),
    ),
    "proxy": Advice(
        Text(
            "the client cannot be made here: a proxy variable names a proxy that its HTTP library cannot use "
            "({exception}); this happens before anything is sent, and for servers that no_proxy exempts too",
            "客户端在本机创建失败：openai 的 HTTP 库不支持代理变量指定的代理（{exception}）；发送请求之前就会失败，"
            "no_proxy 排除了这个服务也一样",
        ),
        Text(
            "unset the variable for this program, or install what SOCKS needs (pip install 'httpx[socks]')",
            "在这个程序的环境里去掉该变量，或安装 SOCKS 支持（pip install 'httpx[socks]'）",
        ),
        ("env | grep -i _proxy", "unset all_proxy ALL_PROXY"),
    ),
    "bundle": Advice(
        Text(
            "the client cannot be made here: SSL_CERT_FILE or SSL_CERT_DIR names CA certificates that cannot be read "
            "({exception}); this happens for http:// too",
            "客户端在本机创建失败：SSL_CERT_FILE 或 SSL_CERT_DIR 指定的 CA 证书无法读取（{exception}）；http:// "
            "地址也会这样",
        ),
        Text("correct the variable, or unset it", "改正该变量，或去掉它"),
        ("env | grep SSL_CERT", "unset SSL_CERT_FILE SSL_CERT_DIR"),
    ),
    "construct": Advice(
        Text(
            "openai.OpenAI(...) fails before anything is sent: {exception}",
            "openai.OpenAI(...) 在发送请求之前就失败：{exception}",
        ),
        Text(
            "see that openai and its HTTP library fit together, and that base_url is a whole URL",
            "检查 openai 与它的 HTTP 库版本是否匹配，base_url 是否完整",
        ),
        ("python -m pip check", "python -m pip list | grep -iE 'openai|httpx'"),
    ),
    "key-characters": Advice(
        Text(
            "the key holds characters that no HTTP header can: a line break, a blank at its end, or Chinese characters",
            "key 里有 HTTP 头不允许的字符：换行、末尾空白或中文",
        ),
        Text("copy the key again, without a line break", "重新复制 key，不要带换行"),
        (),
    ),
    "connect-timeout": Advice(
        Text(
            "APITimeoutError while connecting: a firewall drops packets to {host}:{port}, or the machine is off",
            "APITimeoutError（连接阶段）：发往 {host}:{port} 的数据包被防火墙丢弃，或机器没有开机",
        ),
        Text("check the firewall and the security group between here and there", "检查中间的防火墙和安全组"),
        ("ping -c 3 {host}",),
    ),
    "timeout": Advice(
        Text(
            "APITimeoutError: the server took the request and did not answer in time: it is slow, busy, or hangs",
            "APITimeoutError：服务收到了请求，但没有按时响应：太慢、负载高，或已卡住",
        ),
        Text(
            "see whether the server hangs; a program gives more time with OpenAI(timeout=...), 600 s by default",
            "先看服务是否卡住；程序里用 OpenAI(timeout=...) 调整时限，默认 600 秒",
        ),
        (_LOG, _PROBE),
    ),
    "endless": Advice(
        Text(
            "the answer does not end: openai's time-out is for each read, so a program would wait on without an error",
            "响应一直不结束：openai 的超时只限制单次读取，程序会一直等下去而不报错",
        ),
        DIRECT,
        (WHO_LISTENS, _LOG),
    ),
    "flood": Advice(
        Text(
            "the answer is larger than any embedding: openai reads it whole, and a program would run out of memory",
            "响应远大于任何向量：openai 会全部读入，程序会耗尽内存",
        ),
        DIRECT,
        (WHO_LISTENS,),
    ),
    "key": Advice(
        Text(
            "AuthenticationError: the server checks keys (sglang: --api-key) and this one is not its key; EMPTY only "
            "works where no key is checked",
            "AuthenticationError：服务校验 key（sglang 的 --api-key），而给的 key 不对；"
            "只有不校验 key 的服务才能用 EMPTY",
        ),
        Text(
            f"export {KEY_VARIABLE}=... with the key that the server was started with, then check again",
            f"先 export {KEY_VARIABLE}=...，值是服务启动时设置的 key，再检查一次",
        ),
        (f': "{KEY_IN_TEMPLATES}" && bgecheck doctor --url {{base_url}}',),
    ),
    "forbidden": Advice(
        Text(
            "PermissionDeniedError (HTTP 403): a gateway or firewall refuses this client or this path; sglang itself "
            "never answers 403 to an embedding",
            "PermissionDeniedError（HTTP 403）：网关或防火墙拒绝了这个客户端或路径；sglang 的向量接口从不返回 403",
        ),
        Text("ask whoever runs the gateway, or query the server's own port", "找网关管理员，或直连服务自己的端口"),
        (WHO_LISTENS, _PROBE),
    ),
    "route": Advice(
        Text(
            "NotFoundError (HTTP 404): there is no {base_url}/embeddings; base_url lacks /v1, has it twice, or is "
            "misspelt, or a gateway does not know the model",
            "NotFoundError（HTTP 404）：{base_url}/embeddings 不存在：base_url 缺少或重复了 /v1、拼写有误，"
            "或网关不认识这个模型名",
        ),
        Text("use the base URL and the model name that the server lists", "改用服务实际的 base URL 和模型名"),
        (_PROBE, "curl -sS --noproxy '*' {base_url}/models"),
    ),
    "refused-request": Advice(
        Text(
            "BadRequestError (HTTP 400): the server refuses the request; openai sends encoding_format=base64 by "
            "default, and a blank or over-long text is refused too",
            "BadRequestError（HTTP 400）：服务拒绝了请求；openai 默认带 encoding_format=base64，空白或超长文本也会被拒",
        ),
        Text(
            'read the message; if it is about the encoding, send encoding_format="float"',
            '看报错内容；若与编码有关，请求里加 encoding_format="float"',
        ),
        (_PROBE, _LOG),
    ),
    "unprocessable": Advice(
        Text(
            "UnprocessableEntityError (HTTP 422): the server does not take the request in this shape: base64, the "
            "number of texts, or the length of one",
            "UnprocessableEntityError（HTTP 422）：服务不接受这种请求：base64 编码、条数或长度超限",
        ),
        Text(
            'send encoding_format="float", fewer texts at once, or shorter ones',
            '请求里加 encoding_format="float"，或减少条数、缩短文本',
        ),
        (_PROBE,),
    ),
    "rate": Advice(
        Text(
            "RateLimitError (HTTP 429): a gateway limits requests; sglang itself never answers 429. openai retries "
            "twice by itself before a program sees this",
            "RateLimitError（HTTP 429）：网关在限流，sglang 自己从不返回 429；程序看到它之前 openai 已自动重试 2 次",
        ),
        Text(
            "send fewer requests at once, raise the limit of the gateway, or query the server's own port",
            "降低并发、调高网关限额，或直连服务自己的端口",
        ),
        (WHO_LISTENS,),
    ),
    "busy": Advice(
        Text(
            "InternalServerError (HTTP 503): what answers cannot serve the request now, a server that starts or is "
            "busy, or a gateway without a server behind it; openai retries twice by itself before a program sees this",
            "InternalServerError（HTTP 503）：响应方暂时不能处理请求：服务在启动或繁忙，或网关后面没有可用的服务；"
            "程序看到它之前 openai 已自动重试 2 次",
        ),
        Text("see who answers, and what it says", "看响应的是谁、返回了什么内容"),
        (_PROBE,),
    ),
    "gateway": Advice(
        Text(
            "InternalServerError (HTTP {status}): a gateway or a proxy answers, and gets nothing from the server "
            "behind it",
            "InternalServerError（HTTP {status}）：响应的是网关或代理，它从后面的服务得不到响应",
        ),
        Text(
            "query the server behind it at its own port, and check the address that the gateway has for it",
            "直连后面的服务自己的端口，并核对网关里配置的地址",
        ),
        (WHO_LISTENS,),
    ),
    "gateway-timeout": Advice(
        Text(
            "InternalServerError (HTTP {status}): a gateway answers, which gave up waiting for the server behind it",
            "InternalServerError（HTTP {status}）：响应的是网关，它等后面的服务等到超时",
        ),
        Text(
            "query the server behind it at its own port; if it is only slow, raise the gateway's read time-out (nginx: "
            "proxy_read_timeout)",
            "直连后面的服务自己的端口；若只是慢，调大网关的读超时（nginx：proxy_read_timeout）",
        ),
        (WHO_LISTENS,),
    ),
    "server": Advice(
        Text(
            "InternalServerError (HTTP {status}): the server failed on this request",
            "InternalServerError（HTTP {status}）：服务处理这个请求时出错",
        ),
        Text("see what the log says about this request", "查看日志里这条请求的记录"),
        (_LOG,),
    ),
    "redirect": Advice(
        Text(
            "HTTP {status}, a redirect: openai follows it, by which a POST becomes a GET or loses its body, and the "
            "key may reach another host; it was not followed here",
            "HTTP {status} 跳转：openai 会跟随，POST 会变成 GET 或丢掉请求体，key 还可能发到别的主机；bgecheck "
            "没有跟随",
        ),
        END_OF_REDIRECT,
        (REDIRECT_SHOWN,),
    ),
    "no-vector": Advice(
        Text(
            "{exception}: HTTP 200 without a vector. \"'NoneType' object has no attribute 'data'\", \"'NoneType' "
            'object is not subscriptable", "No embedding data received" and "list index out of range" come from this; '
            "a gateway or another program answers like that",
            "{exception}：HTTP 200，但没有向量。'NoneType' object has no attribute 'data'、'NoneType' object is not "
            "subscriptable、No embedding data received、list index out of range 都由此而来，通常是网关或别的程序在响应",
        ),
        DIRECT,
        (WHO_LISTENS,),
    ),
    "schema": Advice(
        Text(
            "APIResponseValidationError: the answer does not have the shape of OpenAI's embeddings: another program "
            "answers, or a web page does",
            "APIResponseValidationError：响应不是 OpenAI embeddings 的结构：响应的是别的程序，或是一个网页",
        ),
        DIRECT,
        (WHO_LISTENS,),
    ),
    "not-json": Advice(
        Text(
            "{exception}: the answer is not JSON, or is cut off: a gateway rewrites or cuts it, or another program "
            "answers",
            "{exception}：响应不是 JSON，或中途被截断：网关改写或截断了它，或响应的是别的程序",
        ),
        DIRECT,
        (WHO_LISTENS,),
    ),
    "base64": Advice(
        Text(
            "{exception}: the vector is a string, and not base64 of 32-bit floats",
            "{exception}：以字符串返回的向量不是 float32 的 base64",
        ),
        Text(
            'send encoding_format="float", and fix the gateway that packs the vectors',
            '请求里加 encoding_format="float"，并修正网关对向量的编码',
        ),
        ("bgecheck probe --only probe.base64 --url {base_url}",),
    ),
    "dimension": Advice(
        Text(
            "openai decodes {found} numbers from a vector of {wanted}: the bytes of its base64 are misread or packed "
            "in another type than float32",
            "openai 解码出 {found} 维，而向量是 {wanted} 维：base64 的字节被读错，或不是按 float32 打包的",
        ),
        Text(
            'send encoding_format="float", and fix the gateway that packs the vectors',
            '请求里加 encoding_format="float"，并修正网关对向量的编码',
        ),
        ("bgecheck probe --only probe.base64 --url {base_url}",),
    ),
    "numbers": Advice(
        Text(
            "openai decodes a vector of norm {found} where the floats have norm {wanted}: the bytes of its base64 are "
            "in another order or of another type than little-endian float32",
            "openai 解码出的向量范数为 {found}，而 float 结果的范数为 {wanted}：base64 的字节序不对，或不是小端 "
            "float32",
        ),
        Text(
            'send encoding_format="float", and fix the gateway that packs the vectors',
            '请求里加 encoding_format="float"，并修正网关对向量的编码',
        ),
        ("bgecheck probe --only probe.base64 --url {base_url}",),
    ),
}
"""Cause and remedy of each kind of failure; `{exception}`, `{status}` and the like are values of the row."""

_BY_STATUS = {
    400: "refused-request",
    401: "key",
    403: "forbidden",
    404: "route",
    422: "unprocessable",
    429: "rate",
    502: "gateway",
    503: "busy",
    504: "gateway-timeout",
}


def described(result: OpenAIResult) -> Words:
    """What came of a call, in one line."""
    match result.outcome:
        case Vectors() as got:
            count, dims, ms = len(got.vectors), len(got.vectors[0]), f"{result.milliseconds or 0:.0f} ms"
            return Text(f"{count} x {dims} floats in {ms}", f"{count} x {dims} 个浮点数，用时 {ms}")
        case Raised() as raised:
            return str(raised)
        case Stopped() as stopped if stopped.limit == "size":
            return Text(
                "killed: output over 16 MiB or memory over 256 MiB", "已终止：输出超过 16 MiB 或内存超过 256 MiB"
            )
        case Stopped() as stopped:
            return Text(f"no end of the answer within {stopped.seconds:g} s", f"{stopped.seconds:g} 秒内响应没有结束")


def kind_of(outcome: Raised | Stopped) -> str | None:
    """The key of `ADVICE` for a call without a vector; None for an exception that is none of those."""
    if isinstance(outcome, Stopped):
        return "flood" if outcome.limit == "size" else "endless"
    if outcome.status is not None and outcome.name != "APIResponseValidationError":
        return _of_status(outcome.status)
    names = {outcome.name, *(cause.name for cause in outcome.causes)}
    if names & {"LocalProtocolError", "UnicodeEncodeError"}:
        return "key-characters"
    if outcome.stage == "construct":
        return _of_construction(outcome)
    if "APITimeoutError" in names:
        return "connect-timeout" if names & {"ConnectTimeout"} else "timeout"
    if outcome.name == "APIConnectionError":
        return _of_connection(outcome, names)
    return _of_answer(outcome)


def _of_status(status: int) -> str | None:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return "server" if status >= 500 else "redirect" if 300 <= status < 400 else None


def _of_construction(raised: Raised) -> str:
    message = raised.message.lower()
    if "socks" in message or "proxy" in message:
        return "proxy"
    return "bundle" if raised.name in ("FileNotFoundError", "SSLError", "PermissionError") else "construct"


def _of_connection(raised: Raised, names: set[str]) -> str | None:
    code = next((cause.code for cause in raised.causes if cause.code is not None), None)
    if code is not None:
        return _of_certificate(code)
    reasons = {cause.reason for cause in raised.causes}
    if reasons & {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        return "plain"
    if any("disconnected" in cause.message for cause in raised.causes):
        return "reset"
    for name, kind in _BY_CAUSE.items():
        if name in names:
            return kind
    import errno

    numbers = {cause.errno for cause in raised.causes}
    return "unreachable" if numbers & {errno.EHOSTUNREACH, errno.ENETUNREACH} else None


_BY_CAUSE = {
    "ConnectionRefusedError": "refused",
    "gaierror": "dns",
    "SSLError": "tls",
    "SSLEOFError": "tls",
    "SSLZeroReturnError": "tls",
    "ProxyError": "proxy",
    "DecodingError": "garbled",
    "ConnectionResetError": "reset",
    "BrokenPipeError": "reset",
    "ReadError": "reset",
    "RemoteProtocolError": "not-http",
}
"""From the innermost cause to the outermost: several of them stand in one chain."""


def _of_certificate(code: int) -> str:
    """OpenSSL's X509_V_ERR_* numbers: 9 and 10 are about time, 62 and 64 about names (x509_vfy.h)."""
    if code in UNTRUSTED:
        return "authority"
    return {9: "expired", 10: "expired", 62: "hostname", 64: "hostname"}.get(code, "tls")


def _of_answer(raised: Raised) -> str | None:
    """HTTP 200, and something in it that openai or the template trips over."""
    if raised.name == "APIResponseValidationError":
        return "schema"
    if raised.name in ("JSONDecodeError", "UnicodeDecodeError", "RecursionError"):
        return "not-json"
    if raised.name == "Error" or "buffer size" in raised.message or "multiple of item size" in raised.message:
        return "base64"  # binascii.Error; numpy's and array's words for a length that is no multiple of four
    if raised.name in ("TypeError", "AttributeError", "ValueError", "IndexError", "KeyError"):
        return "no-vector"
    return None
