"""The row about room on the disks: for temporary files, and for a model that is still to be fetched."""

from __future__ import annotations

from bgecheck.checks.amounts import amount
from bgecheck.checks.host.facts import AREA, Download, HostFacts, Temporary
from bgecheck.model import Advice, Evidence, Outcome, Text, broken, holds
from bgecheck.model.expected import AtLeast

TEMPORARY = AtLeast(16 * 2**20, "bytes", "sockets and lock files of a start take less than 1 MB; compilers leave more")


@AREA.check(
    "disk",
    title=Text("the disks have room for a start", "磁盘空间足够启动"),
    cause=Text(
        "{path} is full ({available} free): the processes of a server meet there through sockets, and compilers write "
        "there",
        "{path} 已满（剩余 {available}）：服务的各进程要在那里建套接字，编译缓存也写在那里",
    ),
    fix=Text("make room, or let TMPDIR name a folder on another disk", "腾出空间，或用 TMPDIR 换到其他磁盘的目录"),
    commands=("df -h {path}", "df -i {path}"),
    variants={
        "forbidden": Advice(
            Text(
                "nothing can be written to {path}, where the processes of a server meet through sockets",
                "{path} 不可写，而服务的各进程要在那里建套接字",
            ),
            Text("let TMPDIR name a folder that may be written to", "用 TMPDIR 指定一个可写的目录"),
            ("ls -ld {path}", "mkdir -p ~/tmp && export TMPDIR=~/tmp"),
        ),
        "download": Advice(
            Text(
                "the model is not in the cache, its weights take {needed}, and {path} has {available} free",
                "模型不在缓存里，权重要占 {needed}，而 {path} 所在磁盘只剩 {available}",
            ),
            Text("make room, or let HF_HOME name a folder on a larger disk", "腾出空间，或用 HF_HOME 换到更大的磁盘"),
            ("df -h {path}",),
        ),
    },
    explains=("logs.disk-full",),
)
def disks_have_room(facts: HostFacts) -> Outcome:
    """Temporary files first, without which nothing starts."""
    held = facts.temporary
    if held is not None and (outcome := _of_temporary(held)):
        return outcome
    if facts.download and facts.download.space.free < facts.download.size:
        return _of_download(facts.download)
    shown = [Evidence(held.path, _free(held.space.free))] if held and held.space else []
    if facts.download:
        shown.append(Evidence(facts.download.cache, _free(facts.download.space.free)))
    return holds(*shown)


def _free(size: int) -> Text:
    return Text(f"{amount(size)} free", f"剩余 {amount(size)}")


def _of_temporary(held: Temporary) -> Outcome | None:
    if not held.writable:
        return broken(Evidence(held.path, Text("not writable", "不可写")), advice="forbidden", path=held.path)
    if held.space is None:
        return None
    if held.space.entries == 0:
        none = Evidence(held.path, Text("no inodes left", "inode 已用完"))
        return broken(none, path=held.path, available=amount(held.space.free))
    if TEMPORARY.admits(held.space.free):
        return None
    shown = Evidence(held.path, _free(held.space.free), f">= {amount(TEMPORARY.value)}")
    return broken(shown, path=held.path, available=amount(held.space.free))


def _of_download(download: Download) -> Outcome:
    return broken(
        Evidence(download.cache, _free(download.space.free), f">= {amount(download.size)}"),
        advice="download",
        path=download.cache,
        needed=amount(download.size),
        available=amount(download.space.free),
    )
