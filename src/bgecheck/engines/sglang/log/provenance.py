"""Where a line of a log was seen before, in Chinese: releases, programs and reports, and what was said of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_RANGE = re.compile(r"(?<=\d) to (?=\d)|(?<=x) to (?=\d)")
"""Between two releases: `0.4.6 to 0.5.23`, `0.4.x to 0.5.9`."""

_CHINESE: Mapping[str, str] = {
    "nvcc before 12.0: sglang compiles its kernels as C++20": "12.0 之前的 nvcc（sglang 按 C++20 编译算子）",
    "--tp-size that does not divide the attention heads": "--tp-size 不能整除注意力头数时",
    "NumPy 2 under modules built for 1": "NumPy 2 配上为 NumPy 1 编译的模块",
    "Python older than 3.10": "低于 3.10 的 Python",
    "Python older than 3.9": "低于 3.9 的 Python",
    "Python older than the code": "Python 低于代码要求的版本",
    "Python's shared memory": "Python 的共享内存模块",
    "NVIDIA's kernel module": "NVIDIA 内核模块",
    "0.4.x before 0.4.6": "0.4.6 之前的 0.4.x",
    "CUDA, NVIDIA's kernel module": "CUDA、NVIDIA 内核模块",
    "a sgl_kernel that was built for another device (sglang #6322)": "为别的设备编译的 sgl_kernel（sglang #6322）",
    "abort() of native code": "原生代码调用 abort()",
    "another torch than sglang asks for": "torch 不是 sglang 要求的版本",
    "asyncio on Linux (98), macOS (48) and Windows (10048)": "asyncio：Linux（98）、macOS（48）、Windows（10048）",
    "flashinfer on cards with little shared memory": "共享内存较小的显卡上的 flashinfer",
    "sglang imports a package of kernels only where it is installed, and uses it all the same (Ascend/sglang #86)": (
        "sglang 只在装了算子包时才导入它，没装也照样调用（Ascend/sglang #86）"
    ),
    "sglang-router 0.1 and 0.2": "sglang-router 0.1、0.2",
    "sglang-router 0.2 before November 2025 (sglang #12630)": "2025 年 11 月之前的 sglang-router 0.2（sglang #12630）",
    "sglang-router 0.1 and 0.2 (sglang #2778)": "sglang-router 0.1、0.2（sglang #2778）",
    "0.4.x before 0.4.6; a kernel over no rows (sglang #3304, #5230)": (
        "0.4.6 之前的 0.4.x（对零行张量启动算子，sglang #3304、#5230）"
    ),
    "fp8 kernels": "fp8 算子",
    "gcc, through triton": "gcc（由 triton 调用）",
    "ld, through triton and tvm-ffi (sglang #26545)": "ld（由 triton、tvm-ffi 调用，sglang #26545）",
    "huggingface_hub behind a mirror or proxy": "经镜像或代理访问的 huggingface_hub",
    "kernels built for another torch": "为别的 torch 版本编译的算子",
    "numactl, which starts the scheduler, ends with it (sglang #27368)": "启动调度进程的 numactl 随之退出（sglang #27368）",
    "pynccl of sglang 0.4.x to 0.5.23": "sglang 0.4.x 至 0.5.23 的 pynccl",
    "sgl-kernel older than sglang": "sgl-kernel 比 sglang 旧",
    "sgl_kernel names the failed call on the line below its message (sglang #11957)": (
        "sgl_kernel 在报错的下一行写出失败的调用（sglang #11957）"
    ),
    "sglang newer or older than transformers": "sglang 与 transformers 版本不匹配",
    "sglang newer than its sgl-kernel": "sglang 比 sgl-kernel 新",
    "sglang, vllm loaders": "sglang、vLLM 的权重加载",
    "vLLM-like loaders": "vLLM 一类的权重加载",
    "shells, docker": "shell、docker",
    "the driver's own library, which a container gets with its GPUs (sglang #4778)": (
        "驱动自带的库，容器挂载 GPU 时才有（sglang #4778）"
    ),
    "torchvision of another torch": "与 torch 版本不配套的 torchvision",
    "transformers 4.5x with torch below 2.6": "transformers 4.5x 配 2.6 以下的 torch",
    "transformers 4.x before a tokenizer_config.json of 5 (transformers #45566)": (
        "transformers 4.x 读取按 5 写的 tokenizer_config.json（transformers #45566）"
    ),
    "torch on native Windows": "原生 Windows 上的 torch",
    "--enable-dp-attention with --dp-size below --tp-size (sglang #19760)": (
        "--enable-dp-attention 且 --dp-size 小于 --tp-size（sglang #19760）"
    ),
    "transformers 5 under an older sglang": "transformers 5 配较旧的 sglang",
    "transformers newer than sglang": "transformers 比 sglang 新",
    "transformers older than sglang": "transformers 比 sglang 旧",
    "deep_gemm looks for nvcc as it is imported, and says nothing else (sglang #13468)": (
        "deep_gemm 导入时查找 nvcc（sglang #13468）"
    ),
    "triton compiles for the card at hand: only a driver older than its ptxas refuses that (sglang #1558)": (
        "驱动比 triton 的 ptxas 旧（sglang #1558）"
    ),
}

_REMARKS: Mapping[str, str] = {
    "a kernel over no rows (sglang #3304, #5230)": "算子收到零行输入（sglang #3304、#5230）",
    "an image of NVIDIA's that is given options only (sglang #3855)": "只给了参数的 NVIDIA 镜像（sglang #3855）",
    "the program has a log of its own": "程序另有自己的日志",
    "what follows is killed (137) and started again": "随后被强制结束（137）并重新启动",
    "the pod was evicted": "Pod 被驱逐",
    "--host without a value, at the warm-up (sglang #18201)": "--host 的值为空时的预热（sglang #18201）",
    "the implementation of transformers in place of an own one (sglang #8256)": (
        "用 transformers 的实现代替 sglang 自己的（sglang #8256）"
    ),
    "an option that was not given, and that sglang could not settle (sglang #11103)": (
        "参数没有给，sglang 也无法自动确定（sglang #11103）"
    ),
    "a kernel of sampling on sm75": "sm75 上的采样算子",
    "bf16 on sm75 (sglang #1058)": "sm75 上的 bf16（sglang #1058）",
    "all but 13, 31, 43 and 45, which programs cause": "13、31、43、45 由程序引起，不算",
    "the status as waitpid gives it": "waitpid 给出的原始状态值",
    "aiter older or newer than sglang (sglang #23083)": "aiter 与 sglang 版本不匹配（sglang #23083）",
    "kernels for a quantised checkpoint (sglang #6580, #11291)": "量化模型所需的算子（sglang #6580、#11291）",
    "--tp-size that does not divide the blocks of a quantised weight (sglang #19045)": (
        "--tp-size 不能整除量化权重的分块（sglang #19045）"
    ),
    "`Prefill`, `Decode`, or neither before it": "前面可能有 `Prefill` 或 `Decode`",
    "the warm-up request, after 600 s": "预热请求 600 秒后超时",
    "a warning by default before 0.4.7": "0.4.7 之前默认只是警告",
    "a checkpoint whose names are not those of the model's class (sglang #6917, #9747, #17535)": (
        "权重里的参数名与模型类不一致（sglang #6917、#9747、#17535）"
    ),
    "NaN weights fail the warm-up": "权重含 NaN，预热失败",
    "POST /v1/rerank with the prefix cache on": "开着前缀缓存时的 POST /v1/rerank",
    "a mapped file that is cut off under the reader": "正在读取的映射文件被截断",
    "a request that will be tried again": "该请求还会重试",
    "NaN vectors": "向量含 NaN",
    "its own check of what a draft model computes": "对草稿模型结果的自检",
    "the driver is older than the toolkit": "驱动比 CUDA toolkit 旧",
    "machines with NVSwitch without the fabric manager": "带 NVSwitch 的机器没有启动 fabric manager",
    "another process has the card for itself (exclusive mode)": "另一个进程独占了显卡（独占模式）",
    "--host is a name that nobody knows": "--host 给的主机名无法解析",
    "every one of them is full or not writable": "这些目录都满了或不可写",
    "--host names an address that this machine does not have": "--host 给的地址不属于本机",
    "what the other ranks say when one has died": "某个 rank 退出后其他 rank 的报错",
    "no driver, or no such card, on the host": "宿主机上没有驱动或没有这块卡",
    "--tokenizer-worker-num above 1 with --is-embedding": "--is-embedding 时 --tokenizer-worker-num 大于 1",
    "a generation batch in embedding mode": "embedding 模式下的生成请求",
    "a tokenizer.json that is cut off, or a git-lfs pointer": "tokenizer.json 不完整，或只是 git-lfs 指针",
    "what it says differs from release to release": "不同版本的措辞不同",
    "cuBLAS found no memory for its handle": "cuBLAS 没有显存创建句柄",
    "the driver's modules do not work (nvidia_uvm), or CUDA_VISIBLE_DEVICES is wrong": (
        "驱动模块（nvidia_uvm）不可用，或 CUDA_VISIBLE_DEVICES 写错"
    ),
    "a vocabulary that is None": "词表为 None",
    "bitsandbytes, gguf": "bitsandbytes、gguf",
    "default_weight_loader": "default_weight_loader",
    "the line below an empty `ImportError:`": "空的 `ImportError:` 下面一行",
    "NFS, FUSE": "NFS、FUSE",
    "slow BERT tokenizer": "BERT 的慢速分词器",
    "the kernel's tiles are too large for this GPU": "算子的分块超出这块 GPU 的能力",
}
"""What follows the releases or programs in which a line was seen, behind a colon or a semicolon."""


def in_chinese(provenance: str) -> str:
    """`seen` of a pattern in Chinese: names and releases as they are, ranges and remarks translated."""
    if provenance in _CHINESE:
        return _CHINESE[provenance]
    where, mark, remark = next(
        (parts for at in (": ", "; ") if (parts := provenance.partition(at))[1]), (provenance, "", "")
    )
    return _RANGE.sub(" 至 ", _CHINESE.get(where, where)) + (f"（{_REMARKS.get(remark, remark)}）" if mark else "")
