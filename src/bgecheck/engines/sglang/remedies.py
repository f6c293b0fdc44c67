"""What mends the faults of an encoder on sglang, in words, by release."""

from bgecheck.engines.sglang.options import (
    EMBEDDING,
    EXACT,
    LONGEST,
    MOST_RUNNING,
    NO_CHUNKS,
    NO_OVERLAP,
    NO_PREFIX_CACHE,
    PRECISION,
    TRITON,
)
from bgecheck.model import Shell, Text

AGAIN = Text(
    ", then re-embed everything embedded so far",
    "，并把之前写进向量库的内容全部重新编码",
)
"""What follows once vectors were wrong."""


def _then_again(en: str, zh: str) -> Text:
    return Text(en + AGAIN.en, zh + AGAIN.zh)


NO_CACHE_NO_CHUNKS = _then_again(f"restart with {EXACT}", f"加上 {EXACT} 重启")

START_WITH_CHANGES = Text("start it {changes}", "启动时{changes}")
UPGRADE_AND_START = Text(
    "no option of this release mends it: upgrade sglang, and start it {changes}",
    "这个版本没有参数能改：升级 sglang，启动时{changes}",
)
"""The same before the launch, when nothing was embedded yet."""

RESTART_WITH_CHANGES = _then_again("restart {changes}", "{changes} 重启")
"""`{changes}` are those of `options.changes_in_words`."""

POOL_BY_CLS = _then_again(
    "no option of this release mends it: upgrade sglang, and restart {changes}",
    "这个版本没有参数能改：升级 sglang，{changes} 重启",
)
POOL_BY_CLS_OF_RELEASE = _then_again(
    f"see which release runs: 0.5.9 to 0.5.16 need {EMBEDDING} alone, older ones an upgrade to 0.5.17 or newer",
    f"先确认版本：0.5.9 到 0.5.16 只需加 {EMBEDDING}，更旧的要升级到 0.5.17 或更新版本",
)
UPGRADE = Shell("pip install --upgrade 'sglang>=0.5.17'")
"""The first release that pools BertModel by [CLS] whatever its options."""


def with_upgrade(changes: Text) -> Text:
    """What is changed in a launch line, on a release that can compute the vectors at all."""
    return Text(f"on sglang 0.5.17 or newer {changes.en}".rstrip(), f"在 sglang 0.5.17 或更新版本上{changes.zh}")


POOLS_LAST = Text(
    f"sglang pools BertModel by the last token up to 0.5.8, and up to 0.5.16 where {EMBEDDING} is missing",
    f"sglang 0.5.8 及以前对 BertModel 一律取最后一个 token，0.5.9 到 0.5.16 没加 {EMBEDDING} 时也是",
)
UNLESS_EMBEDDING = Text(f" unless it is started with {EMBEDDING}", f"，除非启动时加 {EMBEDDING}")

POOLING_BY_RELEASE = Text(
    f"sglang does not read it: it takes [CLS] of XLMRobertaModel, and of BertModel from 0.5.17 on (0.5.9 to 0.5.16 "
    f"with {EMBEDDING}), before that the last token",
    f"sglang 不读它：XLMRobertaModel 取 [CLS]；BertModel 从 0.5.17 起取 [CLS]（0.5.9 到 0.5.16 要加 {EMBEDDING}），"
    "更早的版本取最后一个 token",
)

BOTH_WAYS = _then_again(f"restart with {TRITON}", f"加上 {TRITON} 重启")
BOTH_WAYS_ANYWHERE = _then_again(
    f"restart with {TRITON} (torch_native on a CPU or NPU), or use a newer sglang",
    f"改用 {TRITON}（CPU、NPU 上用 torch_native）重启，或升级 sglang",
)

BOTH_WAYS_OR_NEWER = _then_again(
    "restart {changes}, or use a newer sglang",
    "{changes} 重启，或升级 sglang",
)
BOTH_WAYS_OR_WEIGHTS = _then_again(
    "restart {changes}, and see in the log whether all weights were loaded",
    "{changes} 重启，并查看日志里权重是否全部加载",
)

FULL_BATCH = Text(
    "sglang {version} computes {limit} texts at a time (max_running_requests), and one request with more stops its "
    "scheduler for good: nothing is answered after it, while /health stays 200",
    "sglang {version} 同时最多计算 {limit} 条（max_running_requests），只要有一次请求超过这个数，调度进程就彻底卡死："
    "之后的请求都没有结果，而 /health 仍是 200",
)
LARGER_BATCH = Text(
    f"restart with a much larger {MOST_RUNNING} (without it there are thousands) or with {NO_OVERLAP}, or upgrade "
    "sglang; until then let clients send at most {limit} texts in all at a time",
    f"把 {MOST_RUNNING} 调大很多（不设时有几千）或加上 {NO_OVERLAP} 重启，或升级 sglang；"
    "在此之前所有客户端合计一次最多发送 {limit} 条",
)
WITHOUT_OVERLAP = {"disable-overlap-schedule": ""}

OWN_LENGTH = Text(f"restart without {LONGEST}", f"去掉 {LONGEST} 重启")
OWN_LENGTH_ENFORCED = Text(
    f"restart without {LONGEST} and without SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN",
    f"去掉 {LONGEST} 和环境变量 SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN 重启",
)

NO_CHUNKS_IN_BATCH = Text(f"on sglang, restart with {NO_CHUNKS}", f"若是 sglang，加上 {NO_CHUNKS} 重启")

OPTIONS_BY_ROW = {
    "launch.prefix-cache": NO_PREFIX_CACHE,
    "launch.chunked-prefill": NO_CHUNKS,
    "launch.attention-backend": TRITON,
    "embed.distinct": TRITON,
    "embed.finite": f"{PRECISION} bfloat16",
    "embed.answers": NO_OVERLAP,
    "probe.ready": NO_OVERLAP,
    "probe.batch-limit": NO_OVERLAP,
}
"""What a launch line lacks where the row does not hold; an example where no run has filled the row's texts."""
