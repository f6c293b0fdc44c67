"""What to do where another program than the server may answer: who it is comes before any direct way around it."""

from bgecheck.model import Text

WHO_LISTENS = "bgecheck ports --url {base_url}"
"""A command, as a row's template, that names the program behind the port of the target."""

DIRECT = Text(
    "see, on that machine, which program listens at {address}; if it is a gateway, query the server behind it at that "
    "server's own port",
    "在 {address} 所在的机器上看是哪个程序在监听；如果是网关，改为直连它后面那个服务自己的端口",
)

REDIRECT_SHOWN = "curl -sS -o /dev/null -w '%{{http_code}} %{{redirect_url}}\\n' --noproxy '*' {base_url}/models"
"""A command, as a row's template, that shows a redirect: its status, and the whole address that it leads to."""

END_OF_REDIRECT = Text(
    "give clients the address at the end of the redirect as base_url; one that leads back to itself must be fixed in "
    "the gateway",
    "让客户端的 base_url 直接写跳转后的地址；如果跳回自身，则需修正网关的跳转规则",
)
