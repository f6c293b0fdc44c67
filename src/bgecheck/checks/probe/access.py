"""Rows about the way to the server: address, encryption, proxies, path, engine, key, model."""

from __future__ import annotations

from bgecheck.checks import refusals
from bgecheck.checks.probe.engines import SGLANG
from bgecheck.checks.probe.facts import AREA, ProbeFacts, is_as_given, is_lost, reply_of
from bgecheck.engines.sglang.options import ALL_ADDRESSES, PORT, SERVED_NAME
from bgecheck.engines.sglang.pages import SHOW_MODEL_PAGE
from bgecheck.http.bypass import DIRECT, REDIRECT_SHOWN, WHO_LISTENS
from bgecheck.http.embeddings import Embedded, Refused, describe, error_message, refusal
from bgecheck.http.failures import Failure, NotSent
from bgecheck.http.proxies import is_near
from bgecheck.http.reply import Reply
from bgecheck.knowledge.models import lookup
from bgecheck.machine.containers import PORTS_SHOWN
from bgecheck.model import (
    Advice,
    Evidence,
    Outcome,
    Severity,
    Text,
    absent,
    broken,
    clean,
    holds,
    not_yet,
    say,
    unclear,
)
from bgecheck.model.hygiene import KEY_IN_TEMPLATES, KEY_VARIABLE

_LOG = "bgecheck logs {log}"
_WITH_A_KEY = f': "{KEY_IN_TEMPLATES}" && bgecheck doctor --url {{base_url}}'
_CURL = "curl -sS --noproxy '*' {base_url}/models"


@AREA.check(
    "reachable",
    title=Text("the server answers HTTP", "服务能响应 HTTP 请求"),
    cause=Text(
        "nothing listens at {address}: the server was not started, has exited, is still loading, "
        f"or uses another {PORT} (sglang's default is 30000)",
        f"{{address}} 没有程序在监听：服务没启动、已退出、还在加载，或换了 {PORT}（sglang 默认 30000）",
    ),
    fix=Text(
        "read the start-up log, then see which port is in use",
        "先看启动日志，再确认服务实际用的端口",
    ),
    commands=(_LOG, "ss -ltnp"),
    variants={
        "dead": Advice(
            Text(
                "the newest session in {log} became ready and nothing listens at {address}: the server has "
                "exited since without logging anything, or the log belongs to another server",
                "{log} 里最近一次启动曾就绪，而 {address} 没有程序在监听：服务之后退出了（日志里没有记录），"
                "或这是另一个服务的日志",
            ),
            Text(
                "see whether the system killed it, and start it again",
                "看是否被系统杀掉（OOM），然后重新启动",
            ),
            ("dmesg -T | grep -iE 'killed process|out of memory'", _LOG),
        ),
        "loading": Advice(
            Text(
                "pid {server_pid} runs and does not listen at {address}: "
                "sglang opens its port only after the model is "
                "loaded",
                "进程 {server_pid} 在运行，但没有监听 {address}：sglang 加载完模型才会打开端口",
            ),
            Text("wait until it is ready, or see in the log how far it got", "等待就绪，或看日志停在哪一步"),
            ("bgecheck doctor --wait 5m --pid {server_pid}", _LOG),
        ),
        "stopped": Advice(
            Text(
                "pid {server_pid} runs and the log says that it is ready, yet nothing listens at {address}: "
                "it listens at another address, or its HTTP process has exited",
                "进程 {server_pid} 在运行，日志也显示已就绪，但 {address} 没有程序在监听：它监听的是别的地址，或 HTTP "
                "进程已退出",
            ),
            Text(
                "see where it listens; if nowhere, read the end of the log and restart it",
                "看它监听在哪里；若没有监听，看日志末尾后重启",
            ),
            ("ss -ltnp | grep pid={server_pid},", _LOG),
        ),
        "inside": Advice(
            Text(
                "pid {server_pid} runs in its own network namespace, as in a container, and {address} does not lead "
                "there: the port is not published, or published under another number, or the server is still loading",
                "进程 {server_pid} 在独立的网络命名空间里（如容器），从 {address} 访问不到它：端口没有映射、"
                "映射成了别的端口，或服务还在加载",
            ),
            Text("see where it listens, and which port is published", "看它监听在哪里、映射了哪个端口"),
            ("bgecheck ports --pid {server_pid}", PORTS_SHOWN),
        ),
        "remote": Advice(
            Text(
                "nothing listens at {address} that other machines and containers can reach: the server was not "
                f"started, is still loading, uses another {PORT}, or listens on 127.0.0.1 only, sglang's default",
                f"{{address}} 上没有可供其他机器或容器访问的监听：服务没启动、还在加载、换了 {PORT}，或只监听 "
                "127.0.0.1（sglang 的默认值）",
            ),
            Text(
                f"on that machine see where it listens; if at 127.0.0.1, restart it with {ALL_ADDRESSES} "
                "(in a container also publish the port: docker run -p {port}:{port})",
                f"在那台机器上看它监听在哪里；若是 127.0.0.1，加 {ALL_ADDRESSES} 重启（容器还要映射端口："
                "docker run -p {port}:{port}）",
            ),
            ("ss -ltnp", "bgecheck doctor"),
        ),
        "container": Advice(
            Text(
                "nothing listens at {address} in this container, which has a loopback of its own: a server "
                "on the host or in another container cannot be reached there",
                "本容器内的 {address} 没有程序在监听：容器里的 127.0.0.1 只指向容器自己，"
                "访问不到宿主机或其他容器里的服务",
            ),
            Text(
                f"if it runs in this container, read its log; otherwise start it with {ALL_ADDRESSES}, and use the "
                "host's address, the name of its container, or host.docker.internal (docker run --add-host "
                "host.docker.internal:host-gateway)",
                f"服务若就在本容器内，先看它的日志；否则启动时加 {ALL_ADDRESSES}，用宿主机 "
                "IP、容器名或 host.docker.internal 访问"
                "（docker run --add-host host.docker.internal:host-gateway）",
            ),
            ("bgecheck probe --url http://host.docker.internal:{port}",),
        ),
        "dns": Advice(
            Text("the host name {host} does not resolve here", "本机无法解析主机名 {host}"),
            Text("use the machine's IP address, or fix the name resolution", "改用机器的 IP，或修好域名解析"),
            ("getent hosts {host}",),
        ),
        "unreachable": Advice(
            Text(
                "there is no route to {host}: the address is wrong, or on another network",
                "到 {host} 没有路由：地址写错，或不在同一网络",
            ),
            Text("check the address and the network of both machines", "检查地址，以及两台机器是否在同一网络"),
            ("ip route get {server_name}",),
        ),
        "dropped": Advice(
            Text(
                "connecting to {address} gets no reply at all: a firewall drops it, or the machine is off",
                "连接 {address} 没有任何回应：数据包被防火墙丢弃，或机器没有开机",
            ),
            Text("check the firewall and the security group between here and there", "检查中间的防火墙和安全组"),
            ("ping -c 3 {host}",),
        ),
        "timeout": Advice(
            Text(
                "the port accepts connections but never answers a single byte: the server hangs, or another "
                "program holds the port",
                "端口能连上，但一个字节都没返回：服务卡住，或端口被别的程序占用",
            ),
            Text("see who owns the port and what the log says last", "看是哪个程序占用了端口、日志停在哪一行"),
            ("ss -ltnp sport = :{port}", _LOG),
        ),
        "unfinished": Advice(
            Text(
                "an answer begins and does not end: the server stalls midway, or something on the way passes it "
                "on very slowly",
                "响应开始了却一直没有结束：服务中途卡住，或中间环节转发极慢",
            ),
            DIRECT,
            (WHO_LISTENS, _LOG),
        ),
        "reset": Advice(
            Text(
                "the connection is reset: the server crashed on the request, or a firewall or proxy cuts it",
                "连接被重置（RST）：服务处理请求时崩溃，或被防火墙、代理切断",
            ),
            Text(
                "read the end of the log, and try from the server's own machine", "看日志末尾，并在服务器本机上再试一次"
            ),
            (_LOG,),
        ),
        "closed": Advice(
            Text(
                "the connection is closed without an answer: the server is shutting down, a proxy refuses it, or "
                "another program holds the port",
                "连接没有任何响应就被关闭：服务正在退出、被代理拒绝，或端口被别的程序占用",
            ),
            Text("read the end of the log, and see who owns the port", "看日志末尾，再看是哪个程序占用了端口"),
            (_LOG, "ss -ltnp sport = :{port}"),
        ),
        "too-large": Advice(
            Text(
                "the answer to a request for a few lines is larger than any valid one: another program, or an "
                "endless answer",
                "本应只有几行的响应异常地大：响应的是别的程序，或响应一直不结束",
            ),
            DIRECT,
            (WHO_LISTENS,),
        ),
        "tls-late": Advice(
            Text(
                "the TCP connection works, but the TLS handshake gets no reply: the server hangs, or the port speaks "
                "plain HTTP and waits for a request",
                "TCP 连得上，但 TLS 握手没有回应：服务卡住，或端口是明文 HTTP，还在等请求",
            ),
            Text("try http:// in the URL, then read the end of the log", "先把 URL 换成 http:// 试，再看日志末尾"),
            ("bgecheck probe --url http://{address}", _LOG),
        ),
        "unsendable": Advice(
            Text(
                "the request could not be sent: the API key or the URL holds what an HTTP header cannot carry, a line "
                "break or a blank at the end for instance",
                "请求发不出去：API key 或 URL 里有 HTTP 头不允许的字符，例如末尾的换行或空格",
            ),
            Text("give the key again, without the line break", "重新提供 key，去掉换行"),
            ("BGECHECK_API_KEY=\"$(tr -d '[:space:]' <key.txt)\" bgecheck probe --url {base_url}",),
        ),
        "https": Advice(
            Text(
                "{address} speaks TLS, and the URL says http://",
                "{address} 使用 TLS，而 URL 写的是 http://",
            ),
            Text("use https:// in the URL", "把 URL 改成 https://"),
            ("bgecheck probe --url https://{address}",),
        ),
        "not-http": Advice(
            Text(
                "what listens at {address} does not speak (plain) HTTP: another program, or https is needed",
                "{address} 上的程序返回的不是 HTTP：是别的程序，或需要用 https",
            ),
            Text(
                "see who owns the port; if it serves TLS, use --url https://...",
                "看是哪个程序占用了端口；若是 TLS，改用 --url https://...",
            ),
            ("ss -ltnp sport = :{port}",),
        ),
        "malformed": Advice(
            Text(
                "the answer begins as HTTP and is malformed: a gateway or a program on the way is at fault, or the "
                "server dies while it answers",
                "响应以 HTTP 开头，内容却不符合协议：中间的网关或程序实现有误，或服务响应到一半就退出了",
            ),
            Text(
                "see, on that machine, which program listens at {address}, and look at the bytes that it sends",
                "在 {address} 所在的机器上看是哪个程序在监听，再看它返回的原始内容",
            ),
            (WHO_LISTENS, "curl -sSi --raw -m 25 --noproxy '*' {base_url}/models | head -c 2000 | cat -v", _LOG),
        ),
        "plain": Advice(
            Text(
                "{address} does not speak TLS, and the URL says https://",
                "{address} 不使用 TLS，而 URL 写的是 https://",
            ),
            Text("use http:// in the URL", "把 URL 改成 http://"),
            ("bgecheck probe --url http://{address}",),
        ),
        "tls": Advice(
            Text(
                "the TCP connection works, but the TLS handshake fails or never completes",
                "TCP 连得上，但 TLS 握手失败或迟迟不结束",
            ),
            Text("see the details of the handshake", "查看握手细节"),
            ("openssl s_client -connect {address} -servername {server_name} </dev/null",),
        ),
    },
    explains=("embed.answers",),
)
def server_is_reachable(facts: ProbeFacts) -> Outcome:
    """Any HTTP answer counts, whatever its status: the other rows judge what it says."""
    if isinstance(facts.models, Reply):
        return holds(Evidence(f"GET {facts.prefix}/models", f"HTTP {facts.models.status}"))
    if facts.models.kind == "cut-off":
        return unclear(facts.models.detail)
    evidence = [Evidence("GET /v1/models", facts.models.detail)]
    if facts.proxies and is_near(facts.target.host):
        names = ", ".join(facts.proxies)
        words = Text(f"{names} set (not used by this check)", f"设置了 {names}（本检查不走代理）")
        evidence.append(Evidence(Text("environment", "环境变量"), words))
    if speaks_tls(facts):
        return broken(*evidence, advice="https")
    if facts.models.tls in _HANDSHAKES:
        return broken(*evidence, advice=_HANDSHAKES[facts.models.tls])
    if facts.models.kind == "refused":
        return _refused(facts, evidence)._replace(data=facts.models)
    outcome = broken if facts.models.kind in _LASTING else not_yet
    return outcome(*evidence, advice=_FAILURES.get(facts.models.kind))._replace(data=facts.models)


_LASTING = ("dns", "tls", "unsendable", "protocol", "too-large")
"""Failures that no server mends by starting: of the name, the request, or the program that listens there."""


_HANDSHAKES = {"plain": "plain", "late": "tls-late"}


def _refused(facts: ProbeFacts, evidence: list[Evidence]) -> Outcome:
    """Nobody listens; what the process and the log say of that."""
    vital = facts.vitals
    ready = bool(vital and vital.log == "ready")
    if ready:
        evidence.append(Evidence(Text("newest session of the log", "日志里最近一次启动"), Text("ready", "已就绪")))
    if vital and vital.process and vital.alive:
        evidence.append(Evidence(f"pid {vital.process}", Text("runs", "在运行")))
        advice = "inside" if vital.contained else "stopped" if ready else "loading"
        outcome = broken if advice == "stopped" else not_yet
        return outcome(*evidence, advice=advice, server_pid=vital.process)
    if ready:
        return broken(*evidence, advice="dead")
    if facts.remote:
        return not_yet(*evidence, advice="remote")
    return not_yet(*evidence, advice="container" if facts.contained and not facts.target.log else None)


def speaks_tls(facts: ProbeFacts) -> bool:
    """Whether a handshake proved that a port asked over plain HTTP speaks TLS."""
    shown = facts.certificate
    if shown is None or facts.target.url.startswith("https:"):
        return False
    return not isinstance(shown, Failure) or shown.tls not in (None, "plain", "late", "other")


_FAILURES = {
    "dns": "dns",
    "unreachable": "unreachable",
    "connect-timeout": "dropped",
    "timeout": "timeout",
    "unfinished": "unfinished",
    "reset": "reset",
    "closed": "closed",
    "protocol": "not-http",
    "malformed": "malformed",
    "too-large": "too-large",
    "tls": "tls",
    "unsendable": "unsendable",
}


@AREA.check(
    "tls",
    title=Text("the certificate is accepted", "TLS 证书有效"),
    cause=Text(
        "the encrypted connection cannot be made, or the certificate expires in less than 14 days",
        "TLS 连接建立失败，或证书将在 14 天内到期",
    ),
    fix=Text("look at the certificate", "查看证书详情"),
    commands=("openssl s_client -connect {address} -servername {server_name} </dev/null",),
    variants={
        "expired": Advice(
            Text("the certificate has expired, or the clock of this machine is wrong", "证书已过期，或本机时间不对"),
            Text(
                "renew the certificate of the gateway; check the clock with date", "更新网关证书；用 date 核对本机时间"
            ),
            ("date", "openssl s_client -connect {address} -servername {server_name} </dev/null"),
        ),
        "ends": Advice(
            Text("the certificate expires in {days} days", "证书还有 {days} 天到期"),
            Text("renew it before clients are turned away", "请在到期前更新"),
            ("openssl s_client -connect {address} -servername {server_name} </dev/null",),
            explains=(),  # it is still accepted
        ),
        "authority": Advice(
            Text(
                "the certificate is self-signed, or signed by a CA that this machine does not trust",
                "证书是自签的，或由本机不信任的私有 CA 签发",
            ),
            Text(
                "name the private CA's file; the openai package reads SSL_CERT_FILE too, requests reads "
                "REQUESTS_CA_BUNDLE, node reads NODE_EXTRA_CA_CERTS",
                "指定私有 CA 文件；openai 包也读 SSL_CERT_FILE，requests 读 REQUESTS_CA_BUNDLE，"
                "node 读 NODE_EXTRA_CA_CERTS",
            ),
            ("SSL_CERT_FILE=/path/to/ca.pem bgecheck probe --url {base_url}",),
        ),
        "https": Advice(
            Text(
                "the port speaks TLS and the URL says http://: HTTP {status} is all that plain requests get",
                "这个端口是 TLS，而 URL 写的是 http://：明文请求只能得到 HTTP {status}",
            ),
            Text("use https:// in the URL", "把 URL 改成 https://"),
            ("bgecheck probe --url https://{address}",),
        ),
        "bundle": Advice(
            Text(
                "{variable} names {bundle}, which is not there, so that no CA is trusted here: the certificate is "
                "refused whatever it is, and httpx, with it openai up to 2.x, fails before it sends anything",
                "{variable} 指向的 {bundle} 不存在，本机因此不信任任何 CA：什么证书都会被拒绝，httpx（openai 2.x "
                "及更早用的就是它）在发送之前就会报错",
            ),
            Text("correct the variable, or unset it", "改正这个变量，或去掉它"),
            ("ls -l {bundle}", "env -u {variable} bgecheck probe --url {base_url}"),
        ),
        "wrong-host": Advice(
            Text("the certificate was not issued for {host}", "证书的域名与 {host} 不符"),
            Text(
                "use a name that the certificate covers, or issue one that covers {host}",
                "改用证书里的域名，或重新签发包含 {host} 的证书",
            ),
            ("openssl s_client -connect {address} -servername {server_name} </dev/null",),
        ),
    },
    explains=("probe.base-url", "probe.api-key", "probe.ready", "probe.openai-client", "embed.answers"),
)
def certificate_is_accepted(facts: ProbeFacts) -> Outcome:
    """As a client that checks certificates sees it; where it is refused, only keyless requests were sent."""
    shown = facts.certificate
    if speaks_tls(facts):
        status = reply_of(facts).status
        return broken(Evidence("GET /v1/models", f"HTTP {status}"), advice="https", status=status)
    if shown is None or not facts.target.url.startswith("https:"):
        return absent(Text("plain http: there is no certificate", "使用 http，没有证书"))
    if isinstance(shown, Failure) and facts.no_bundle and _CERTIFICATES.get(shown.tls or "other") == "authority":
        variable, bundle = facts.no_bundle
        return broken(Evidence("TLS", shown.detail), advice="bundle", variable=variable, bundle=clean(bundle, 200))
    if isinstance(shown, Failure):
        return broken(
            Evidence("TLS", shown.detail), *_by_certifi(facts), advice=_CERTIFICATES.get(shown.tls or "other")
        )
    days = int(shown.seconds_left // 86400)
    left = Evidence(Text("days until it expires", "剩余天数"), f"{days} ({shown.version})", f">= {ENDS_SOON}")
    if days < ENDS_SOON:
        return broken(left, *_by_certifi(facts), advice="ends", days=days)
    return holds(left, *_by_certifi(facts))


def _by_certifi(facts: ProbeFacts) -> list[Evidence]:
    """Whether certifi's authorities refuse what the system accepts, or the other way round: clients differ then."""
    other = facts.by_certifi
    clients = Text(
        "by certifi's list (openai up to 2.x, requests)", "按 certifi 的根证书列表（openai 2.x 及以下、requests）"
    )
    if isinstance(other, Failure):
        refused = other.kind == "tls" and not isinstance(facts.certificate, Failure)
        return [Evidence(clients, other.detail)] if refused else []
    accepted = other is not None and isinstance(facts.certificate, Failure)
    return [Evidence(clients, Text("accepted", "接受"))] if accepted else []


ENDS_SOON = 14
"""Days; certificates that are renewed by themselves are renewed 30 days before."""

_CERTIFICATES = {
    "expired": "expired",
    "not-yet": "expired",
    "self-signed": "authority",
    "unknown-authority": "authority",
    "wrong-host": "wrong-host",
}


@AREA.check(
    "proxy",
    title=Text("no proxy stands between a client and this server", "客户端不会经代理访问这个服务"),
    cause=Text(
        "{variable} is set here and no_proxy does not exempt {host}: a client that follows the environment sends "
        "requests for this internal server to the proxy, and gets 502, 503 or an empty answer (bgecheck itself "
        "goes direct)",
        "本机设置了 {variable}，而 no_proxy 没有排除 {host}：按环境变量走代理的客户端会把内网请求发给代理，"
        "得到 502、503 或空响应（bgecheck 自己是直连的）",
    ),
    fix=Text(
        "exempt the server from the proxy, in the client's environment too",
        "把服务地址加入 no_proxy，客户端的环境也要设置",
    ),
    commands=("export no_proxy={no_proxy}",),
    variants={
        "range": Advice(
            Text(
                "{variable} is set, and no_proxy exempts {host} only by the network {range}: curl, requests and openai "
                "from 3.0 (httpx2) understand that; httpx, and with it openai up to 2.x, does not, and still goes "
                "through the proxy",
                "设置了 {variable}，而 no_proxy 只用网段 {range} 排除了 {host}：curl、requests 和 openai 3.0 "
                "起（httpx2）支持网段写法，httpx（openai 2.x 及更早用的就是它）不支持，仍会走代理",
            ),
            Text("put the address itself into no_proxy too", "在 no_proxy 里把这个地址本身也写上"),
            ("export no_proxy={no_proxy}",),
        ),
    },
    severity=Severity.WARNING,
)
def no_proxy_in_between(facts: ProbeFacts) -> Outcome:
    """The direct way beside the way of a client that follows the environment; without the key, and in this network."""
    way = facts.way
    if way.variable is None:
        names = f"{', '.join(facts.proxies)}, no_proxy" if facts.proxies else "-"
        return holds(Evidence(Text("proxy variables", "代理变量"), names), variable=None)
    if not is_near(facts.target.host):
        return absent(
            Text(
                f"{way.variable} is set, and this server is not on a private network: the proxy may be intended",
                f"设置了 {way.variable}，但目标不在内网，可能本就要走代理",
            )
        )
    direct, through = facts.models, facts.through
    table = [
        Evidence(way.variable, Text("set", "已设置")),
        Evidence(Text("contacted directly", "直连"), describe(direct)),
        Evidence(
            Text(f"contacted through {way.variable}", f"经 {way.variable}"),
            describe(through) if through else Text("not tried", "没有尝试"),
        ),
    ]
    if isinstance(direct, Reply) and isinstance(through, Reply) and _alike(direct, through):
        return holds(*table, variable=way.variable)
    advice = "range" if way.range else None
    return broken(*table, advice=advice, variable=way.variable, range=way.range, no_proxy=way.no_proxy)


def _alike(direct: Reply, through: Reply) -> bool:
    """Whether a proxy passes on what the server answers; the key was left out on that way."""
    return (
        direct.status == through.status and direct.json() == through.json()
        if direct.status == 200
        else (direct.status == through.status)
    )


@AREA.check(
    "base-url",
    title=Text("the base URL leads to the OpenAI routes", "base URL 指向 OpenAI 接口"),
    cause=Text(
        "there is no model list under {base_url}: the path is misspelt, `/v1` is missing or doubled, or a "
        "gateway strips or adds a prefix",
        "{base_url} 下面没有模型列表：路径拼错、缺少或重复了 `/v1`，或网关增删了前缀",
    ),
    fix=Text("use the base URL under which the server answers", "改用服务真正响应的 base URL"),
    commands=(_CURL,),
    variants={
        "found": Advice(
            Text(
                "the server answers under another path than the one given", "服务的接口在另一个路径下，不在给出的路径下"
            ),
            Text("give clients this base URL: {found}", "客户端请使用这个 base URL：{found}"),
            ("bgecheck doctor --url {found}",),
        ),
        "front": Advice(
            Text(
                "what answers at {base_url} is the web server {front}, which has no such path: it does not "
                "forward this path to an embeddings server",
                "响应 {base_url} 的是 Web 服务器 {front}，它没有把这个路径转发给 embedding 服务",
            ),
            Text(
                "use the path that the gateway forwards to the server, or add one (nginx: location /embed/ {{ "
                "proxy_pass http://127.0.0.1:30000/; }} with both slashes)",
                "改用网关上配置的路径，或新增转发（nginx：location /embed/ {{ proxy_pass http://127.0.0.1:30000/; }}，"
                "两处斜杠都要有）",
            ),
            (WHO_LISTENS, _CURL),
        ),
        "redirect": Advice(
            Text(
                "the server answers HTTP {status} and sends clients to {location}: when redirected, a POST "
                "becomes a GET or loses its body, and a client that follows may carry the key to another host",
                "服务返回 HTTP {status}，跳转到 {location}：跟随跳转时 POST 会变成 GET 或丢掉请求体，还可能把 key "
                "带到别的主机",
            ),
            Text("give clients the address at the end of the redirect", "让客户端直接使用跳转后的地址"),
            ("bgecheck doctor --url {found}", REDIRECT_SHOWN),
        ),
        "slash": Advice(
            Text(
                "{front} passes {path} on as it is, and the server behind it does not have that path: the 404 is that "
                "server's own ({message})",
                "{front} 把 {path} 原样转发给了后面的服务，而那个服务没有这个路径："
                "这个 404 是后面的服务返回的（{message}）",
            ),
            Text(
                "let the gateway take {path} off before it passes requests on (nginx: location {path}/ {{ proxy_pass "
                "http://127.0.0.1:30000/; }}, with the slash at the end of proxy_pass)",
                "让网关转发前去掉 {path}（nginx：location {path}/ {{ proxy_pass http://127.0.0.1:30000/; }}，"
                "proxy_pass 末尾的斜杠不能少）",
            ),
            (WHO_LISTENS, _CURL),
        ),
        "login": refusals.ADVICE["login"],
        "page": Advice(
            Text(
                "what answers at {base_url} is a web page ({page}): the base URL leads to a web interface, which "
                "answers every path with that page",
                "{base_url} 返回的是网页（{page}）：base URL 指向的是网页界面，任何路径都会得到这个页面",
            ),
            Text(
                "use the address of the API, often another port or a path such as /api/v1 of the same host",
                "改用接口的地址，通常是同一主机的另一个端口，或 /api/v1 这样的路径",
            ),
            (WHO_LISTENS, _CURL),
        ),
        "circle": Advice(
            Text(
                "the server answers HTTP {status} and sends clients to {location}, the address that they came from: "
                "this redirect has no end",
                "服务返回 HTTP {status}，跳转到 {location}，也就是原来的地址：会无限跳转",
            ),
            Text(
                "fix the rule in the gateway that redirects this path (nginx: return, rewrite, error_page), or give "
                "clients the server's own port",
                "修正网关里对这个路径的跳转规则（nginx：return、rewrite、error_page），或让客户端直连服务自己的端口",
            ),
            (REDIRECT_SHOWN, WHO_LISTENS),
        ),
    },
    explains=("probe.api-key", "probe.ready", "probe.openai-client", "embed.answers"),
)
def base_url_is_right(facts: ProbeFacts) -> Outcome:
    """The routes decide: text-embeddings-inference has no model list and embeds, Infinity has both at its root."""
    reply, url = reply_of(facts), facts.target.url + facts.prefix
    listed = Evidence(f"GET {url}/models", f"HTTP {reply.status}", "HTTP 200")
    if reply.status in (301, 302, 303, 307, 308):
        location = reply.headers.get("location", "")
        advice = "circle" if _leads_to(location, f"{url}/models") else "redirect"
        if advice == "redirect" and refusals.kind_of(refusal(reply)) == "login":
            advice = "login"
        end = refusals.end_of_redirect(location, f"{url}/models")
        values = {**refusals.values_of(refusal(reply), None), "location": location[:200], "found": end}
        return broken(listed, Evidence("location", location or "-"), advice=advice, **values)
    if is_lost(reply, facts.first):
        return _not_there(facts, listed)
    by_client = per_client(facts.target.url, facts.prefix)
    table = [Evidence(", ".join(names), where) for where, names in _by_address(by_client).items()]
    if facts.prefix != "/v1" and not is_as_given(facts.target, facts.prefix):
        return broken(
            Evidence(f"GET {facts.target.base_url}/models", "HTTP 404", "HTTP 200"),
            *table,
            advice="found",
            found=url,
            clients=by_client,
        )
    return holds(*table, clients=by_client)


def _leads_to(location: str, asked: str) -> bool:
    """Whether a Location, which may be relative, is the very address that was asked for."""
    from urllib.parse import urldefrag, urljoin

    try:
        return bool(location) and _without_port(urldefrag(urljoin(asked, location)).url) == _without_port(asked)
    except ValueError:
        return False


def _without_port(url: str) -> str:
    """A URL without the port that its scheme implies; scheme and host in lower case."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = None if parts.port == {"http": 80, "https": 443}.get(parts.scheme) else parts.port
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path}?{parts.query}"


def _not_there(facts: ProbeFacts, evidence: Evidence) -> Outcome:
    elsewhere = [Evidence(f"GET {url}/models", f"HTTP {status}") for url, status in facts.elsewhere.items()]
    first = next(iter(facts.elsewhere), None)
    front, reply = None if first else facts.engine.name, reply_of(facts)
    shown = [Evidence("server", front)] if front else []
    title = reply.title() or "HTML"
    if reply.status == 200:
        page = Text("HTTP 200, a web page: {title}", "HTTP 200，网页：{title}").filled({"title": title})
        evidence = evidence._replace(observed=page, expected=Text("a model list", "模型列表"))
    path = facts.target.url.split("/", 3)[3:]
    if not first and path and reply.json() == _OWN_404:
        values = {"front": front or refusals.A_GATEWAY, "path": f"/{path[0]}", "message": error_message(reply)}
        return broken(evidence, *shown, advice="slash", **values)
    advice = "found" if first else "page" if reply.status == 200 else "front" if front else None
    return broken(evidence, *elsewhere, *shown, advice=advice, found=first, front=front, page=title)


_OWN_404 = {"detail": "Not Found"}
"""What sglang, vLLM and every other server on FastAPI say of a path that they do not have; no gateway does."""


def per_client(root: str, prefix: str = "/v1") -> dict[str, str | None]:
    """What each client wants in its field for the address, which some complete by themselves; None where none fits.

    one-api and new-api put `/v1/embeddings` behind it (relay/common, GetFullRequestURL), Dify's OpenAI-API-compatible
    provider `/embeddings`, RAGFlow joins `v1` to what has no path (rag/llm/embedding_model.py), and FastGPT's own
    request address is the whole one.
    """
    base = root + prefix
    as_given = ("openai (Python, JS)", "LangChain", "Dify")
    has_path = "/" in base.partition("://")[2]
    return {
        **dict.fromkeys(as_given, base),
        "RAGFlow": base if has_path else None,
        "one-api, new-api": base.removesuffix("/v1") if prefix else None,
        "FastGPT, curl": f"{base}/embeddings",
    }


_NONE_FITS = "- (it adds /v1, which is not there; Infinity: --url-prefix /v1)"


def _by_address(addresses: dict[str, str | None]) -> dict[str, list[str]]:
    clients: dict[str, list[str]] = {}
    for name, where in addresses.items():
        clients.setdefault(where or _NONE_FITS, []).append(name)
    return clients


@AREA.check(
    "engine",
    title=Text("the server identifies itself as sglang", "响应的服务是 sglang"),
    cause=Text(
        "another engine or a gateway answers at {base_url}: what bgecheck knows about sglang may not apply there",
        "{base_url} 上响应的是别的引擎或网关：bgecheck 关于 sglang 的判断在这里不一定成立",
    ),
    fix=Text("if you mean the sglang server itself, use its own port", "如果要查的是 sglang 本身，请直接指向它的端口"),
    commands=("bgecheck ports",),
    severity=Severity.WARNING,
    needs=("probe.base-url",),
)
def engine_is_sglang(facts: ProbeFacts) -> Outcome:
    """`owned_by` in the model list and `is_generation` in the info page are sglang's marks."""
    engine = facts.engine
    if engine.name is None:
        return absent(Text("no page shows which engine answers", "没有接口返回引擎信息"))
    name = f"{engine.name} {engine.version or '(version unknown)'}"
    evidence = Evidence(Text("engine", "引擎"), name, "sglang")
    values = {"engine": engine.name, "version": engine.version}
    outcome = holds(evidence, **values) if engine.name == SGLANG else broken(evidence, **values)
    return outcome._replace(data=engine)


_GATEWAYS = ("token", "basic", "quota", "model-not-allowed", "forbidden")
"""Kinds of refusal whose key is a gateway's own, or that no key mends."""


@AREA.check(
    "api-key",
    title=Text("the API key is accepted", "API key 有效"),
    cause=Text(
        "the server was started with --api-key, and no key was given",
        "服务启动时带了 --api-key，而这里没有提供 key",
    ),
    fix=refusals.GIVE_THE_KEY,
    commands=(_WITH_A_KEY,),
    variants={
        "wrong": Advice(
            Text(
                "the key that was given is not accepted: it is not the server's --api-key, or a gateway on the "
                "way strips the Authorization header",
                "给出的 key 不被接受：与服务启动时的 --api-key 不一致，或中间的网关去掉了 Authorization 头",
            ),
            Text(
                f"export {KEY_VARIABLE}=... with the key that the server was started with; if it is that one, see "
                "which program listens at {address}: a gateway may strip it",
                f"先 export {KEY_VARIABLE}=...，值是服务启动时设置的 key；如果 key 没错，看 {{address}} "
                "上监听的是哪个程序，可能是网关去掉了 key",
            ),
            (_WITH_A_KEY, WHO_LISTENS),
        ),
        "placeholder": Advice(
            Text(
                "the key is the placeholder EMPTY, and this server was started with --api-key: EMPTY only works "
                "where no key is checked",
                "给的是占位符 EMPTY，而服务启动时带了 --api-key：只有不校验 key 的服务才能用 EMPTY",
            ),
            refusals.GIVE_THE_KEY,
            (_WITH_A_KEY,),
        ),
        **{kind: refusals.ADVICE[kind] for kind in _GATEWAYS},
    },
    needs=("probe.base-url",),
    # A client that asks again and again with a wrong key, this one too while it waits, fills the log with 401.
    explains=("probe.ready", "probe.openai-client", "embed.answers", "logs.client-request-rejected"),
)
def api_key_is_accepted(facts: ProbeFacts) -> Outcome:
    """Judged on the model list, which is behind the key, and on the embedding; `/health` is open even with one.

    (auth.py, 0.4.6-0.5.23.) No key and the usual placeholder are tried beside what was given.
    """
    if isinstance(facts.first, NotSent) and facts.reranker is None:
        return absent(facts.first.reason)
    key, reply = facts.target.api_key, reply_of(facts)
    own = "no key" if key is None else "EMPTY" if key.reveal() == "EMPTY" else "the key given"
    tried: dict[str, Reply | Failure] = {**facts.keys, own: reply}
    table = [Evidence(_KEYS[name], describe(tried[name])) for name in _KEYS if name in tried]
    checked = any(isinstance(answer, Reply) and answer.status in (401, 403) for answer in tried.values())
    values = {"key_checked": checked, "tried": {name: say(describe(answer), "en") for name, answer in tried.items()}}
    if any(isinstance(a, Refused) and refusals.kind_of(a) == "forbidden-page" for a in (refusal(reply), facts.first)):
        return absent(_BEFORE_THE_KEY, **values)
    # LiteLLM without a database answers a wrong key with 400 and none with 401; a model list refuses nothing else.
    refused = reply if reply.status in (401, 403) or (checked and reply.status == 400) else facts.first
    if isinstance(refused, Reply | Refused) and (refused is reply or refused.status in (401, 403)):
        answer = refused if isinstance(refused, Refused) else refusal(refused)
        kind = refusals.kind_of(answer)
        if kind == "forbidden" and refusals.is_about_a_key(answer):
            kind = None
        advice = kind if kind in _GATEWAYS else {"no key": None, "EMPTY": "placeholder"}.get(own, "wrong")
        if advice == kind:
            values |= refusals.values_of(answer, facts.target.model)
        if isinstance(refused, Refused):
            table.append(Evidence("POST /v1/embeddings", f"HTTP {refused.status}", "HTTP 200"))
        return broken(*table, advice=advice, **{**values, "key_checked": True})
    checks = Text("the server checks the key", "服务会校验 key")
    checks_none = Text("the server checks no key: any passes", "服务不校验 key：什么 key 都能过")
    return holds(Evidence(checks if checked else checks_none, f"HTTP {reply.status}"), *table, **values)


_BEFORE_THE_KEY = Text(
    "a gateway or firewall refuses with a page of its own, before any key is looked at",
    "网关或防火墙用自己的页面拒绝了请求，还没到校验 key 这一步",
)


_KEYS = {
    "no key": Text("no key", "不带 key"),
    "EMPTY": Text("the key EMPTY", "key 为 EMPTY"),
    "the key given": Text("the key given", "给出的 key"),
}


@AREA.check(
    "model-name",
    title=Text("the model that is served is the one asked for", "服务上的模型就是要用的模型"),
    cause=Text(
        "the server serves {served}, not {asked}, and answers a request for {asked} all the same: it does not check "
        "the `model` field (sglang never does), so a client gets another model's vectors without any error",
        "服务上的模型是 {served}，不是 {asked}，但照样响应对 {asked} 的请求：它不校验 model 字段（sglang 从不校验），"
        "客户端会毫无察觉地拿到另一个模型的向量",
    ),
    fix=Text(
        "use the server that serves {asked}, or restart this one with its folder",
        "改连提供 {asked} 的服务，或用正确的模型目录重启",
    ),
    commands=(_CURL,),
    variants={
        "refused": Advice(
            Text("the server has no model of the name {asked}; it has {served}", "服务上没有 {asked}，只有 {served}"),
            Text(
                "send one of these names as `model`, or add the model to the server or gateway",
                "请求里的 model 改用其中一个名字，或在服务、网关上添加这个模型",
            ),
            (_CURL,),
        ),
        "reranker": refusals.RERANKER,
        "swapped": Advice(
            Text(
                "two servers are swapped: {one_url} serves {other_expected}, which {other} should, and {other_url} "
                "serves {one_expected}, which {one} should",
                "两个服务接反了：{one_url} 上是 {other} 要用的 {other_expected}，{other_url} 上是 {one} 要用的 "
                "{one_expected}",
            ),
            Text(
                "swap the two addresses where they are configured, or restart each with its own model folder",
                "在配置里把两个地址对调，或用各自的模型目录重启两个服务",
            ),
            ("curl -s {one_url}/models", "curl -s {other_url}/models"),
        ),
        "folder": Advice(
            Text(
                f"the server calls itself {{asked}} but runs {{real}}: the name only comes from {SERVED_NAME}, "
                "the vectors come from the model folder",
                f"服务自称 {{asked}}，实际加载的是 {{real}}：名字只是 {SERVED_NAME} 的取值，向量来自模型目录",
            ),
            Text("restart it with the folder of {asked}", "换成 {asked} 的模型目录重启"),
            (SHOW_MODEL_PAGE,),
        ),
    },
    needs=("probe.base-url", "probe.api-key"),
    explains=(
        "probe.ready",
        "embed.answers",
        "embed.dimension",
        "embed.semantic",
        "embed.golden",
        "embed.reference",
        "embed.token-count",
    ),
)
def model_is_the_one_asked_for(facts: ProbeFacts) -> Outcome:
    """Names are compared by their last path component, since the served name defaults to the model path.

    Where the info page tells the folder, and both it and the name are known models, they must be the same.
    """
    asked = facts.target.model
    if facts.reranker:
        listed = Evidence(Text("served", "服务上的模型"), ", ".join(facts.served[:5]) or "-")
        return broken(listed, advice="reranker", name=facts.reranker)
    if isinstance(facts.first, NotSent):
        return absent(facts.first.reason)
    if not facts.served:
        listed_nowhere = isinstance(facts.models, Reply) and facts.models.status == 404
        if listed_nowhere and isinstance(facts.first, Embedded):
            return absent(Text("there is no model list (HTTP 404)", "没有模型列表（HTTP 404）"))
        return unclear(Text("the model list names no model", "模型列表里没有模型名"))
    served = ", ".join(facts.served[:5])
    loaded = [Evidence(Text("loaded from", "加载自"), facts.real_model)] if facts.real_model else []
    names, real = {lookup(name) for name in (*facts.served, asked)} - {None}, lookup(facts.real_model)
    if real and names and real not in names:
        name_shown = asked or facts.served[0]
        return broken(
            Evidence(Text("served", "服务上的模型"), served, asked),
            *loaded,
            advice="folder",
            asked=name_shown,
            real=real.name,
        )
    if asked is None:
        return absent(
            Text(
                f"no model was named to compare with; served: {served}",
                f"没有指定模型名，无从比对；服务上的模型：{served}",
            )
        )
    evidence = Evidence(Text("served", "服务上的模型"), served, asked)
    same = any(_last(asked) == _last(name) for name in facts.served)
    if same:
        return holds(evidence, *loaded)
    refused = None if isinstance(facts.first, Embedded) else "refused"
    return broken(evidence, *loaded, advice=refused, served=served, asked=asked)


def _last(name: str) -> str:
    """The name without its folder or owner, and without the tag that Ollama takes where none is given."""
    return name.rstrip("/\\").replace("\\", "/").split("/")[-1].lower().removesuffix(":latest")
