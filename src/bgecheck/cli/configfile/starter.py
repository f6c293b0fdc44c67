"""The file to start from: every setting as a comment, and the servers that run here as targets."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from bgecheck.model import Language, ServerProcess, Target, Text, clean

_HEAD = Text(
    """\
# Settings and targets of bgecheck. Found from the working folder upwards, as far as the root of the repository.
# Stronger than this file are variables (BGECHECK_TIMEOUT) and options (--timeout); see: bgecheck config show

[defaults]
# timeout = "10s"      # of one request
# deadline = "60s"     # of the whole run
# wait = "5m"          # doctor waits so long for a server
# only = ["probe", "embed.*"]
# skip = ["gpu"]
# ignore = ["gpu.others:shared machine@2026-12-31"]
# severity = ["gpu.others=error"]
# fail_on = "warning"
# output = ["json=report.json"]
""",
    """\
# bgecheck 的设置与目标。从当前目录向上查找，到代码仓库的根目录为止。
# 环境变量（BGECHECK_TIMEOUT）和选项（--timeout）优先于本文件；查看生效的值：bgecheck config show

[defaults]
# timeout = "10s"      # 单个请求的时限
# deadline = "60s"     # 整次运行的时限
# wait = "5m"          # doctor 等待服务就绪的时间
# only = ["probe", "embed.*"]
# skip = ["gpu"]
# ignore = ["gpu.others:shared machine@2026-12-31"]
# severity = ["gpu.others=error"]
# fail_on = "warning"
# output = ["json=report.json"]
""",
)
_NOTHING = Text(
    """
# No server was seen running here. One [[target]] for each:
# [[target]]
# name = "search"
# url = "http://127.0.0.1:30000/v1"
# model = "bge-large-zh-v1.5"
# expect_dim = 1024
# api_key_env = "EMBED_KEY"   # the variable that holds the key, never the key itself
""",
    """
# 本机没有看到运行中的服务。每个服务写一个 [[target]]：
# [[target]]
# name = "search"
# url = "http://127.0.0.1:30000/v1"
# model = "bge-large-zh-v1.5"
# expect_dim = 1024
# api_key_env = "EMBED_KEY"   # 保存 key 的环境变量名，不要写 key 本身
""",
)
_HAS_KEY = Text(
    "# The server checks a key: export it, and name the variable here.",
    "# 这个服务校验 key：请 export 到环境变量，并在这里写变量名",
)
_DIM = Text("# expect_dim = 1024   # the dimension of your index", "# expect_dim = 1024   # 向量库索引的维度")


def starter(servers: Sequence[tuple[ServerProcess, Target]], language: Language) -> str:
    """The text of a new file, with a target for each server and how it is reached."""
    if not servers:
        return _HEAD.to(language) + _NOTHING.to(language)
    names: set[str] = set()
    parts = [_HEAD.to(language)]
    for server, target in servers:
        name = _name(server, names)
        names.add(name)
        parts.append("\n".join(["", *_lines(name, server, target, language), ""]))
    return "".join(parts)


def _name(server: ServerProcess, names: set[str]) -> str:
    """The model's name in letters that a name may have, with the port where two servers have the same."""
    last = (server.served_name or "").rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^\w.-]", "-", last).strip("-.")[:50] or "server"
    return f"{name}-{server.port}" if name in names else name


def _lines(name: str, server: ServerProcess, target: Target, language: Language) -> list[str]:
    values = {"name": name, "url": target.base_url, "model": server.served_name}
    # What is seen through the process (/proc/PID/root, of a container) is gone with it.
    values |= {
        key: path
        for key, path in (("log", server.log), ("model_path", server.model_path))
        if path and not path.startswith("/proc/")
    }
    lines = ["[[target]]", *(f"{key} = {json.dumps(clean(v), ensure_ascii=False)}" for key, v in values.items() if v)]
    lines.append(_DIM.to(language))
    if server.api_key:
        lines += [_HAS_KEY.to(language), '# api_key_env = "EMBED_KEY"']
    return lines
