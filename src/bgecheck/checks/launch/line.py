"""The last row of a planned launch: its command, corrected in the form in which it was given."""

from __future__ import annotations

from bgecheck.checks.corrected import CorrectedLine
from bgecheck.checks.launch.attention import fault_of_kernels, other_kernels
from bgecheck.checks.launch.exposure import REACHABLE
from bgecheck.checks.launch.facts import AREA, SHARE, LaunchFacts
from bgecheck.checks.launch.memory import number
from bgecheck.checks.launch.pooling import lacks_embedding
from bgecheck.checks.loopback import is_loopback
from bgecheck.engines.planned import CUT, Change
from bgecheck.engines.sglang import engine as sglang
from bgecheck.engines.sglang.arguments import keys, with_options
from bgecheck.engines.sglang.footprint import fitting_share
from bgecheck.engines.sglang.options import EMBEDDING, no_port
from bgecheck.engines.sglang.releases import release_of
from bgecheck.model import BEFORE, Evidence, Outcome, Severity, Shell, Text, absent, broken, holds
from bgecheck.model.target import DEFAULT_PORT


@AREA.check(
    "line",
    title=Text("the launch command needs no change", "启动命令不需要改"),
    cause=Text("as given, it does not start, or its vectors are wrong", "按原样启动不了，或者向量会出错"),
    fix=Text("paste the corrected command, in the form in which it was given", "用改好的命令替换，写法与原文一致"),
    commands=("{corrected}",),
    severity=Severity.WARNING,
    moments=BEFORE,
)
def line_needs_no_change(facts: LaunchFacts) -> Outcome:
    """What every other row of the area would have changed, in one line; a key in it becomes a variable."""
    planned = facts.planned
    if planned is None:
        return absent(Text("the server runs", "服务已在运行"))
    from bgecheck.engines.launchfile.rewriting import assigned_keys, corrected

    changes = corrections(facts)
    if not changes:
        return holds(Evidence(Text("changes", "改动"), "0"))
    lines = tuple(map(Shell, corrected(planned.written, changes, keys(planned.written.words))))
    evidence = [Evidence(_shown(planned.written.values, change), change.reason) for change in changes]
    names = dict.fromkeys(name for name, *_ in assigned_keys(planned.written))
    evidence += [Evidence(name, _EXPORTED) for name in names]
    return broken(*evidence, corrected=lines)._replace(data=CorrectedLine(planned.written.form.words))


_EXPORTED = Text("export it before you paste the command: its value is not shown", "值不显示，粘贴前先 export 这个变量")


def _shown(values: tuple[str, ...], change: Change) -> Text | str:
    old, new = " ".join(values[at] for at in change.at), " ".join(change.new)
    old = old.replace(CUT, "\\ ")
    new = f'"{new}"' if old == new else new
    if new.startswith(f"{old} "):
        return f"+ {new}"
    return f"{old} -> {new}" if old and new else f"+ {new}" if new else f"- {old}"


def corrections(facts: LaunchFacts) -> tuple[Change, ...]:
    """All that is to be changed in the line of a planned launch."""
    assert facts.planned is not None
    assert facts.verdict is not None
    release = release_of(facts.planned.version)
    wanted = {
        **_of_encoder(facts),
        **_of_kernels(facts),
        **_of_length(facts),
        **_of_memory(facts),
        **_of_host(facts),
        **_of_port(facts),
    }
    return with_options(facts.planned.written.words, facts.verdict.changes, wanted, release)


Wanted = dict[str, tuple[str | None, Text]]

_WHY = {
    "is-embedding": Text("serves embeddings, with the model's pooling", "提供 embedding，并按模型要求池化"),
    "disable-radix-cache": Text("a cached prefix makes an encoder's vectors wrong", "前缀缓存会让编码器的向量出错"),
    "chunked-prefill-size": Text("a text that is cut into chunks gets a wrong vector", "被分块切断的文本，向量是错的"),
    SHARE: Text("without chunks the share has to be given", "关闭分块后必须指定显存比例"),
}


POOLS_BY_ITSELF = (0, 5, 17)
"""From this release on an encoder's vectors are the same without the option that asks for embeddings."""
EMBEDDING_OPTION = EMBEDDING.removeprefix("--")


def _of_encoder(facts: LaunchFacts) -> Wanted:
    if lacks_embedding(facts):
        return {EMBEDDING_OPTION: ("", Text("without it only texts are generated", "不加就只能生成文本"))}
    if not facts.bidirectional:
        return {}
    needed = sglang.encoder_changes(facts.flags or {}, facts.share)
    if facts.release is not None and facts.release >= POOLS_BY_ITSELF and set(needed) == {EMBEDDING_OPTION}:
        return {}
    return {name: (value, _WHY[name]) for name, value in needed.items()}


def _of_kernels(facts: LaunchFacts) -> Wanted:
    reason = fault_of_kernels(facts)
    return {} if reason is None else {name: (value, reason) for name, value in other_kernels(facts).items()}


def _of_length(facts: LaunchFacts) -> Wanted:
    given, model = (facts.flags or {}).get("context-length"), facts.model
    if given is None or not given.isdigit() or model is None or int(given) == model.max_tokens:
        return {}
    reason = Text(f"the model's own length is {model.max_tokens}", f"模型自身的长度是 {model.max_tokens}")
    return {"context-length": (None, reason)}


def _of_memory(facts: LaunchFacts) -> Wanted:
    """A share that is none, or with which it does not start on the card that it will run on."""
    given = (facts.flags or {}).get(SHARE)
    share = None if given is None else number(given)
    if share is None:
        return {}
    if not 0 < share < 1:
        return {SHARE: (facts.share, Text("a share is between 0 and 1", "比例在 0 到 1 之间"))}
    need, free = facts.footprint, [gpu.free for gpu in facts.gpus if gpu.free is not None]
    if need is None or not free or need.fits(share, min(free)):
        return {}
    fitting = fitting_share(need, min(free))
    reason = Text("what the card has free allows for it", "按显卡空闲显存算出的比例")
    return {} if fitting is None else {SHARE: (f"{fitting:g}", reason)}


def _of_host(facts: LaunchFacts) -> Wanted:
    assert facts.planned is not None
    host = (facts.flags or {}).get("host", facts.planned.host)
    if not facts.planned.written.own_network or not is_loopback(host):
        return {}
    reason = Text("127.0.0.1 in a container is reached by nobody else", "容器里的 127.0.0.1 外面访问不到")
    return {name: (value, reason) for name, value in REACHABLE.items()}


def _of_port(facts: LaunchFacts) -> Wanted:
    given = (facts.flags or {}).get("port", "")
    reason = Text("a port is a number from 1 to 65535", "端口是 1 到 65535 之间的数")
    return {"port": (str(DEFAULT_PORT), reason)} if no_port(given) else {}
