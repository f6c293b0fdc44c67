"""The row about proxy variables that would come between a server and itself."""

from __future__ import annotations

from bgecheck.checks.host.facts import AREA, HostFacts
from bgecheck.model import Evidence, Outcome, Text, absent, broken, holds


@AREA.check(
    "proxy-env",
    title=Text("no proxy variable comes between the server and itself", "代理变量不影响服务访问自己"),
    cause=Text(
        "{variable} is set, and no_proxy does not except the server's own address: its warm-up asks itself through the "
        "proxy, fails, and the server ends",
        "设置了 {variable}，而 no_proxy 没有排除服务自己的地址：预热请求会走代理而失败，服务随即退出",
    ),
    fix=Text(
        "except this machine where the server is started; what is fetched from a hub still goes through the proxy",
        "在启动服务的环境里排除本机地址；从 hub 下载仍会走代理",
    ),
    commands=("export no_proxy={no_proxy} NO_PROXY={no_proxy}",),
    explains=("logs.proxy-breaks-warmup",),
)
def server_reaches_itself(facts: HostFacts) -> Outcome:
    """By the server's environment; how clients get to it is another row's question. requests knows networks."""
    if facts.runs:
        return absent(
            Text(
                "the server has started; the way of clients to it: row probe.proxy",
                "服务已经启动；客户端怎么访问它见 probe.proxy",
            )
        )
    if facts.elsewhere:
        return absent(facts.elsewhere)
    way = facts.way
    if way.variable is None or way.range is not None:
        return holds(Evidence(Text("way to itself", "访问自己"), Text("direct", "直连")))
    return broken(
        Evidence(way.variable, Text("set", "已设置"), f"no_proxy={way.no_proxy}"),
        variable=way.variable,
        no_proxy=way.no_proxy,
    )
