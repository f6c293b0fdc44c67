"""The kinds of failure, and why nothing was sent, in words; samples hold them as they are, for programs."""

from __future__ import annotations

from collections import Counter

from bgecheck.model import Text

_CHINESE = {
    "dns": "域名解析失败",
    "refused": "连接被拒绝",
    "unreachable": "网络不可达",
    "connect-timeout": "连接超时",
    "tls": "TLS 握手失败",
    "unsendable": "请求无法发送",
    "timeout": "响应超时",
    "unfinished": "响应没有传完",
    "cut-off": "时间不够，没有等完",
    "reset": "连接被重置",
    "closed": "连接被关闭",
    "protocol": "返回的不是 HTTP",
    "malformed": "响应不合 HTTP 规范",
    "too-large": "响应过大",
    "not sent": "没有发送",
    "queue": "请求在排队",
    "no answer in time before": "之前几次响应超时",
}


def failure_words(failure: str) -> Text:
    """A kind of failure; a status of HTTP is the same in both languages."""
    return Text(failure, _CHINESE.get(failure, failure))


def counted_words(failures: Counter[str], most: int) -> Text:
    """The most frequent kinds, each with its number."""
    kinds = [(failure_words(failure), count) for failure, count in failures.most_common(most)]
    return Text(
        ", ".join(f"{count} x {words.en}" for words, count in kinds),
        "、".join(f"{words.zh} {count} 次" for words, count in kinds),
    )
