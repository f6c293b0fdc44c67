"""The row about the folder itself: is it there, is it a model's, may the server read it."""

from __future__ import annotations

from bgecheck.checks.amounts import amount
from bgecheck.checks.model.facts import AREA, ModelFacts, Place
from bgecheck.checks.model.fetching import fetching
from bgecheck.model import Advice, Evidence, Outcome, Shell, Text, broken, holds

_POINT = Text(
    "give the folder that holds config.json: --model-path {link}",
    "--model-path 改为含 config.json 的那个目录：{link}",
)
_AT_ONCE = ("ls -l {link}",)


@AREA.check(
    "readable",
    title=Text("the model's folder is there, and the server may read it", "模型目录存在，且服务有权读取"),
    cause=Text(
        "there is no {path}: it is misspelt, was not mounted, or is relative to another folder. sglang takes such a "
        "path for the name of a repository and asks the hub",
        "{path} 不存在：路径写错、没有挂载，或相对的是另一个目录。sglang 会把这样的路径当作 hub 上的仓库名去下载",
    ),
    fix=Text("give the folder that holds config.json, as an absolute path", "改成含 config.json 的目录的绝对路径"),
    commands=("ls -la {folder}",),
    variants={
        "near": Advice(Text("there is no {path}; there is {link}", "{path} 不存在，但有 {link}"), _POINT, _AT_ONCE),
        "file": Advice(
            Text("{path} is a file, and sglang loads a folder", "{path} 是文件，而 sglang 要的是目录"),
            Text("give the folder that holds it: --model-path {folder}", "改为它所在的目录：--model-path {folder}"),
            ("ls -l {folder}",),
        ),
        "below": Advice(Text("{path} is the folder above the model", "{path} 是模型目录的上级目录"), _POINT, _AT_ONCE),
        "several": Advice(
            Text("{path} holds several models, and is none", "{path} 下有多个模型目录，它本身不是模型目录"),
            Text(
                "give the one that is meant, for example --model-path {link}",
                "指定其中一个，例如 --model-path {link}",
            ),
            ("ls -d {path}/*/",),
        ),
        "empty": Advice(
            Text(
                "{path} holds neither config.json nor weights: the download did not start, or went elsewhere",
                "{path} 里既没有 config.json 也没有权重：下载没有开始，或下到了别处",
            ),
            Text("fetch the model into it", "把模型下载到该目录"),
            ("ls -la {path}", "{fetch}"),
        ),
        "user": Advice(
            Text("the user {reader} may not read {folder}", "用户 {reader} 无权读取 {folder}"),
            Text("give the permission, or start the server as another user", "放开读权限，或换用户启动服务"),
            ("{permit}",),
        ),
        "offline": Advice(
            Text(
                "{path} is not in the cache, and {variable} forbids to ask the hub: the server would end in its start",
                "缓存里没有 {path}，而 {variable} 禁止访问 hub：服务会在启动时退出",
            ),
            Text(
                "fetch it where the hub can be reached, or give the path of a folder",
                "在能访问 hub 的机器上下载后拷来，或直接给出本地目录",
            ),
            ("{fetch}",),
        ),
        "broken-off": Advice(
            Text(
                "the download of {path} into the cache was broken off before config.json came",
                "{path} 下载到缓存的过程中断了，连 config.json 都没有",
            ),
            Text("finish the download before the start", "先把下载补完再启动"),
            ("{fetch}", "ls -lR {folder}"),
        ),
    },
    explains=(
        "logs.model-path-not-found",
        "logs.permission-denied",
        "logs.hf-repo-not-found",
        "logs.hf-unreachable",
    ),
)
def folder_is_readable(facts: ModelFacts) -> Outcome:
    """The path as the server sees it; what is in the folder is for the rows below."""
    place = facts.place
    if place.fault is None:
        where = f"{place.given} → {place.folder}" if place.hub else place.folder
        count = len(facts.listing.entries)
        return holds(
            Evidence(
                where,
                Text(
                    f"{count} entries, {amount(facts.weights.size)} of weights",
                    f"{count} 个文件，权重 {amount(facts.weights.size)}",
                ),
            )
        )
    return broken(
        _seen(place),
        advice=None if place.fault == "missing" else place.fault,
        path=place.given,
        folder=place.barred.path if place.barred else place.folder,
        link=place.models[0] if place.models else None,
        fetch=fetching(facts),
        reader=facts.user,
        permit=_permit(place),
        variable=place.hub.offline if place.hub else None,
    )


def _permit(place: Place) -> Shell | None:
    if place.barred is None:
        return None
    if place.barred.path == place.folder or place.barred.path.startswith(place.folder + "/"):
        return Shell.join(["chmod", "-R", "a+rX", place.folder])
    return Shell.join(["chmod", "a+x", place.barred.path])


def _seen(place: Place) -> Evidence:
    shown = {
        "missing": Text("not there", "不存在"),
        "near": Text("not there", "不存在"),
        "file": Text("a file", "是文件"),
        "empty": Text("no model in it", "里面没有模型"),
        "offline": Text("not in the cache", "不在缓存中"),
        "broken-off": Text("no config.json in the cache", "缓存里没有 config.json"),
    }
    if place.barred:
        return Evidence(place.barred.path, f"{place.barred.mode} {place.barred.owner}")
    if place.models and place.fault in ("below", "several"):
        names = ", ".join(place.models[:_SHOWN])
        count = len(place.models)
        return Evidence(place.given, Text(f"{count} models below it: {names}", f"下面有 {count} 个模型：{names}"))
    return Evidence(place.given, shown[place.fault or "missing"])


_SHOWN = 4
