"""Reports to draw: one wrong server, one with several causes, and a healthy one, judged by the true engine."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.first_vector import FirstVector
from bgecheck.model import Area, Evidence, Report, Severity, Text, absent, broken, holds, unclear
from bgecheck.run import engine

T = Text("words", "文字")


def area(name: str, *rows: tuple[str, Any, dict[str, Any]]) -> Area:
    made = Area(name, collector=lambda context: None)
    for row, outcome, more in rows:
        words = {"title": Text(f"{row} holds", f"{row} 成立"), "cause": T, "fix": T, **more}
        made.check(row, **words)(lambda facts, outcome=outcome: outcome)
    return made


LINE = (
    "python -m sglang.launch_server --model-path /data/models/bge-large-zh-v1.5 --is-embedding "
    "--disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3"
)
FIX = Text(
    "restart with --disable-radix-cache, then embed again", "加上 --disable-radix-cache 重启，并把之前的全部重算"
)
CACHE: dict[str, Any] = {
    "title": Text("the prefix cache is off for a bidirectional encoder", "双向编码器已关闭前缀缓存"),
    "cause": Text(
        "the prefix (radix) cache is on: a text that begins like an earlier one gets a wrong vector",
        "前缀缓存（radix cache）开着，而这是双向编码器：开头相同的文本，后算的那条向量是错的；大部分向量都不可信",
    ),
    "fix": FIX,
    "commands": (LINE,),
    "explains": ("embed.repeatable",),
}
CHUNKED: dict[str, Any] = {
    "cause": Text("chunked prefill is on (4096 tokens)", "分块预填充（chunked prefill）开着（4096 个 token）"),
    "fix": FIX,
    "commands": (LINE,),
}
OOM: dict[str, Any] = {
    "cause": Text(
        "the weights take more memory than the card has free (bge-large-zh-v1.5 in fp16 is 0.65 GB)",
        "加载权重时显存不足：模型比显卡大（bge-large-zh-v1.5 的 fp16 权重只有 0.65 GB）",
    ),
    "fix": Text(
        "use another card, or a smaller model; sglang has no CPU fallback",
        "换显卡，或换更小的模型；sglang 不会退回 CPU",
    ),
    "commands": ("nvidia-smi",),
}
OOM_LINE = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 42.00 MiB. GPU 0 has a total capacity of 1.95 GiB "
    "of which 12.44 MiB is free. Including non-PyTorch memory, this process has 1.93 GiB memory in use."
)
COSINE = Evidence(Text("the same new text twice: cosine", "同一段新文本编码 2 次：余弦相似度"), "0.3934", ">= 0.9999")
FIRST = FirstVector(
    count=1, dims=1024, norm=1.0, first=(0.0206, 0.0084, -0.0245), tokens=9, ms=12.0, dtype="fp16", openai=None
)


def report(*areas: Area, command: str = "doctor", **more: Any) -> Report:
    target = {"url": "http://127.0.0.1:30000/v1", "model": "bge-large-zh-v1.5", "pid": "4121", "log": "/srv/sglang.log"}
    target |= {"engine": "sglang", "version": "0.5.23"}
    findings = engine.run(areas, None)
    return Report(
        command=command, findings=findings, target=target, started_at="2026-01-02T03:04:05", seconds=2.4, **more
    )


def wrong() -> Report:
    """Up, 200 OK, and wrong: one root cause, a warning, a row that could not be judged."""
    return report(
        area("logs", ("ready", holds(Evidence("sglang.log:25", Text("ready after 18 s", "18 秒后就绪"))), {})),
        area("gpu", ("visible", absent(Text("no NVIDIA driver on this machine", "本机没有 NVIDIA 驱动")), {})),
        area(
            "probe",
            ("engine", holds(Evidence("engine", "sglang 0.5.23"), engine="sglang", version="0.5.23"), {}),
            ("api-key", broken(Evidence("key", "none")), {"severity": Severity.WARNING}),
            ("burst", unclear(Text("no answer within 30 s", "30 秒内没有结果")), {}),
        ),
        area("launch", ("prefix-cache", broken(Evidence("disable_radix_cache", "False", "True")), CACHE)),
        area("embed", ("repeatable", broken(COSINE), {}), ("finite", holds(), {})),
    )


def several() -> Report:
    """Three failing root causes, two of them with one remedy; a line of a log that is longer than any screen."""
    return report(
        area(
            "logs",
            ("readable", holds(), {}),
            ("gpu-oom-weights", broken(Evidence("sglang.log:14", OOM_LINE), Evidence("why", "x", None, True)), OOM),
        ),
        area(
            "launch",
            ("readable", holds(), {}),
            ("prefix-cache", broken(Evidence("disable_radix_cache", "False", "True")), CACHE),
            ("chunked-prefill", broken(Evidence("chunked_prefill_size", "4096", "-1")), CHUNKED),
        ),
        area("embed", ("answers", holds(), {}), ("repeatable", broken(COSINE), {})),
    )


def healthy() -> Report:
    return report(
        area(
            "embed",
            ("answers", holds()._replace(data=FIRST), {}),
            ("repeatable", holds(COSINE._replace(observed="1.0000")), {"headline": True}),
            ("dimension", holds(Evidence("dims", "1024", "1024")), {}),
            ("reference", absent(Text("the model's folder cannot be read", "读不到模型目录")), {}),
        ),
        command="embed",
    )
