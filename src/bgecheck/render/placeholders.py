"""What stands in the texts of a row where no run has filled them: a word in brackets, or an example."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.options import PROGRAM
from bgecheck.engines.sglang.remedies import OPTIONS_BY_ROW
from bgecheck.model import Language, Text

_WORDS = {
    "degrees": Text("N", "N"),
    "mounted": Text("folder", "目录"),
    "script": Text("start script", "启动脚本"),
    "command": Text("command", "命令"),
    "python": Text("interpreter", "解释器"),
    "unit": Text("unit", "单元"),
    "step": Text("step", "步骤"),
    "names": Text("names of rows", "检查项 ID"),
    "rate": Text("MiB per hour", "每小时若干 MiB"),
    "since": Text("that time", "那时"),
    "times": Text("N", "N"),
    "until": Text("that", "那时"),
    "beside": Text("size", "大小"),
    "build": Text("package and version", "包名和版本"),
    "built_for": Text("version", "版本"),
    "connections": Text("N", "N"),
    "covered": Text("size", "大小"),
    "driver": Text("version", "版本"),
    "interpreter": Text("interpreter", "解释器"),
    "left": Text("size", "大小"),
    "model_weights": Text("size", "大小"),
    "other_free": Text("size", "大小"),
    "own_port": Text("port", "端口"),
    "places": Text("numbers", "编号"),
    "given": Text("value", "值"),
    "rival": Text("place", "位置"),
    "pool": Text("size", "大小"),
    "shown": Text("how many", "数量"),
    "why": Text("error", "错误"),
    "actual": Text("actual value", "实际值"),
    "address": Text("address", "地址"),
    "age": Text("N", "N"),
    "aim": Text("another address", "另一个地址"),
    "also": Text("", ""),
    "answered": Text("M", "M"),
    "args_fraction": Text("fraction", "比例"),
    "args_model": Text("model folder", "模型目录"),
    "args_port": Text("port", "端口"),
    "args_repo": Text("repository", "仓库名"),
    "asked": Text("requested value", "请求的值"),
    "asked_by": Text("what asks", "访问方"),
    "dtype": Text("type", "类型"),
    "hidden": Text("dimension", "维度"),
    "inside": Text("port", "端口"),
    "outside": Text("port", "端口"),
    "pooled": Text("dimension", "维度"),
    "available": Text("available size", "可用大小"),
    "backend": Text("backend", "后端"),
    "bad": Text("M", "M"),
    "base_url": Text("base URL", "base URL"),
    "belong": Text("numbers", "序号"),
    "bound": Text("bound address", "监听地址"),
    "bundle": Text("CA file", "CA 文件"),
    "bundle_variable": Text("variable", "变量名"),
    "capability": Text("number", "数值"),
    "changed": Text("what has changed since", "此后的变化"),
    "characters": Text("N", "N"),
    "chunk": Text("tokens", "token 数"),
    "container": Text("container", "容器名"),
    "cosine": Text("cosine", "余弦值"),
    "allowed": Text("what it takes", "可选值"),
    "hub": Text("hub address", "hub 地址"),
    "architecture": Text("architecture", "模型结构"),
    "corrected": Text("the corrected command", "改好的命令"),
    "count": Text("N", "N"),
    "cuda": Text("version", "版本"),
    "days": Text("N", "N"),
    "declared": Text("dtype", "dtype"),
    "detail": Text("what happened", "具体情况"),
    "device": Text("device", "设备"),
    "dims": Text("dimension", "维度"),
    "dropped": Text("option", "参数名"),
    "each": Text("N", "N"),
    "engine": Text("another program", "其他程序"),
    "error": Text("error", "报错"),
    "exception": Text("exception", "异常"),
    "expected": Text("expected value", "期望值"),
    "failed": Text("M", "M"),
    "mended_file": Text("the commands that correct the file", "改正该文件的命令"),
    "mistakes": Text("what is wrong", "问题所在"),
    "share": Text("share", "比例"),
    "faults": Text("faults", "故障"),
    "faults_zh": Text("faults", "故障"),
    "file": Text("log file", "日志文件"),
    "elsewhere": Text("", ""),
    "floor": Text("", ""),
    "folder": Text("model folder", "模型目录"),
    "found": Text("actual value", "实际值"),
    "free": Text("free memory", "空闲显存"),
    "from_line": Text("line", "行号"),
    "front": Text("web server", "程序名"),
    "gpu": Text("GPU", "GPU"),
    "hangs": Text("where it hangs", "卡住的位置"),
    "card": Text("total memory", "总显存"),
    "held": Text("memory in use", "已占显存"),
    "worker": Text("http://HOST:PORT", "http://主机:端口"),
    "workers": Text("addresses", "地址"),
    "template": Text("template file", "模板文件"),
    "holders": Text("processes", "进程"),
    "host": Text("host", "主机"),
    "image": Text("image", "镜像名"),
    "index": Text("index", "编号"),
    "instruction": Text("", ""),
    "instruction_zh": Text("", ""),
    "instead": Text("what to write instead", "正确写法"),
    "length": Text("N", "N"),
    "limit": Text("N", "N"),
    "longer": Text("N", "N"),
    "link": Text("another folder name", "另一个目录名"),
    "location": Text("another address", "另一个地址"),
    "log": Text("log file", "日志文件"),
    "margin": Text("difference", "差值"),
    "message": Text("message", "报错内容"),
    "missing": Text("what is missing", "缺少的内容"),
    "page": Text("page", "网页标题"),
    "model": Text("model", "模型名"),
    "model_path": Text("model folder", "模型目录"),
    "most": Text("N", "N"),
    "moved": Text("numbers", "序号"),
    "ms": Text("N", "N"),
    "name": Text("name", "名称"),
    "needed": Text("memory needed", "所需大小"),
    "no_proxy": Text("hosts without proxy", "不走代理的主机"),
    "norm": Text("length", "长度"),
    "openai": Text("version", "版本"),
    "other": Text("another", "另一个"),
    "own": Text("", ""),
    "own_zh": Text("", ""),
    "owner": Text("program", "程序"),
    "owner_pid": Text("pid", "进程号"),
    "start_pid": Text("pid", "进程号"),
    "owners": Text("pids", "进程号"),
    "path": Text("path", "路径"),
    "phase": Text("phase", "阶段"),
    "pid": Text("pid", "进程号"),
    "pids": Text("pids", "进程号"),
    "pids_apart": Text("pids", "进程号"),
    "place": Text("number", "序号"),
    "pooling": Text("another pooling", "其他池化方式"),
    "port": Text("port", "端口"),
    "positions": Text("positions", "位置"),
    "process": Text("pid", "进程号"),
    "program": Text("program", "程序名"),
    "range": Text("range", "网段"),
    "ranks": Text("N", "N"),
    "real": Text("another model", "另一个模型"),
    "recipe_en": Text("a way of computing", "计算方式"),
    "recipe_zh": Text("a way of computing", "计算方式"),
    "reader": Text("user", "用户名"),
    "releases": Text("versions", "版本"),
    "permit": Text("the command that gives the permission", "放开权限的命令"),
    "fetch": Text("hf download, or modelscope download", "hf download 或 modelscope download"),
    "aside": Text("mv of the damaged file", "移走损坏文件的 mv 命令"),
    "pull": Text("git lfs pull, in a clone", "git lfs pull（目录是 git 克隆时）"),
    "refused": Text("N", "N"),
    "release": Text("version", "版本"),
    "right": Text("M", "M"),
    "role": Text("what it is for", "用途"),
    "running": Text("N", "N"),
    "seconds": Text("N", "N"),
    "seen": Text("measured value", "实测值"),
    "sent": Text("N", "N"),
    "served": Text("models served", "服务的模型"),
    "server_name": Text("host name", "主机名"),
    "server_pid": Text("server pid", "服务的进程号"),
    "server_port": Text("server port", "服务端口"),
    "shared": Text("N", "N"),
    "signs": Text("what shows it", "依据"),
    "source": Text("the reference", "参照"),
    "state": Text("state", "状态"),
    "status": Text("status", "状态码"),
    "stop": Text("the command that stops the server", "停止服务的命令"),
    "taken": Text("N", "N"),
    "tensor": Text("name", "名称"),
    "told": Text("N", "N"),
    "tokens": Text("N", "N"),
    "one": Text("a server", "一个服务"),
    "one_url": Text("its address", "它的地址"),
    "one_expected": Text("what it should serve", "它应提供的"),
    "other_url": Text("another address", "另一个地址"),
    "other_expected": Text("what the other should serve", "另一个应提供的"),
    "option": Text("option", "参数"),
    "total": Text("total memory", "总量"),
    "unless": Text("", ""),
    "upgrade": Text("an upgrade, where the release needs one", "需要时升级"),
    "url": Text("server address", "服务地址"),
    "used": Text("CA file", "CA 文件"),
    "value": Text("value", "值"),
    "variable": Text("variable", "变量名"),
    "version": Text("version", "版本"),
    "visible": Text("value", "取值"),
    "weights": Text("", ""),
    "written": Text("the line", "该行"),
    "wanted": Text("expected value", "期望值"),
    "where": Text("", ""),
    "wrong": Text("M", "M"),
}

_IN_ROW = {
    ("ports.owner", "free"): Text("free port", "空闲端口"),
    ("ports.free", "free"): Text("free port", "空闲端口"),
}
"""What a placeholder stands for in one row, where it is something else in others."""


_EXAMPLES = {"cards": "nvidia-smi", "nvidia_smi": "nvidia-smi", "pip": "pip"}
"""Placeholders for a program, which are an example where nothing has filled them."""


def without_case(template: str, language: Language, row: str) -> str:
    """A template of a row whose placeholders read as words; the options of its launch line are an example."""

    def word(match: re.Match[str]) -> str:
        name = match[1]
        if name == "changes":
            return _changes(language, row)
        if name == "launch_line":
            return _launch_line(language, row)
        if name in _EXAMPLES:
            return _EXAMPLES[name]
        words = (_IN_ROW.get((row, name)) or _WORDS.get(name) or Text(name, name)).to(language)
        return f"<{words}>" if words else ""

    return re.sub(r"(?<!\{)\{(\w+)\}(?!\})", word, template).replace("{{", "{").replace("}}", "}")


def _changes(language: Language, row: str) -> str:
    options = OPTIONS_BY_ROW.get(row) or Text("<the options it needs>", "<所需的参数>").to(language)
    return Text(f"with {options}", f"加上 {options}").to(language)


def _launch_line(language: Language, row: str) -> str:
    options = OPTIONS_BY_ROW.get(row)
    changed = Text("your options, changed as above", "原有参数，按上面修改").to(language)
    yours = Text("your options", "原有参数").to(language)
    return PROGRAM + " " + (f"<{yours}> {options}" if options else f"<{changed}>")
