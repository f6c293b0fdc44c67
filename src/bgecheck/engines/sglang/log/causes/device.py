"""Causes from the machine: GPU memory, driver, kernels, libraries, collectives."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log import optional, relaunch, toolchain
from bgecheck.engines.sglang.log.accelerator import maker
from bgecheck.engines.sglang.log.cause import OF_A_DEATH, cause
from bgecheck.engines.sglang.log.coverage import span
from bgecheck.engines.sglang.log.memory import gib, memory
from bgecheck.engines.sglang.log.optional import OWN_ALL_REDUCE, PART
from bgecheck.engines.sglang.log.rules import GENERAL, LAST, SPECIFIC, pattern
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.model import Advice, Text, Words

_NO_WARNING = r"^(?!.*(?:Warning: |Failed to import)).*"
"""Opens the pattern of what is also only warned of where a library is optional: the program then goes on."""

_CARD = re.compile(r"total capacity of (?P<total>[\d.]+) GiB of which (?P<free>[\d.]+) (?P<unit>[MG])iB is free")
_OTHERS = re.compile(r"\bProcess (?P<pid>\d+) has (?P<size>[\d.]+) (?P<unit>[MG])iB memory in use")
_OWN = re.compile(r"this process has (?P<size>[\d.]+) (?P<unit>[MG])iB memory in use")

_ALLOCATED = re.compile(r"Of the allocated memory (?P<size>[\d.]+) (?P<unit>[MG])iB is allocated by PyTorch")
CUDA_CONTEXT = 1.0
"""GiB that a process holds beside what torch allocates: its CUDA context and libraries (0.3 to 0.6 seen)."""


def _gib(match: re.Match[str]) -> float:
    return gib(match["size"], match["unit"])


def _largest_other(hit: Hit) -> dict[str, str]:
    """The process that holds most, and how much, of those that torch lists beside its own."""
    others = {match["pid"]: _gib(match) for match in _OTHERS.finditer(hit.text)}
    if not others:
        return {}
    pid = max(others, key=others.__getitem__)
    return {"pids": pid, "used": f"{others[pid]:.2f} GiB"}


def _unlisted(text: str) -> float:
    """GiB of the card that are neither free nor this process's own: of others, which torch need not list."""
    card, own = _CARD.search(text), _OWN.search(text)
    return float(card["total"]) - gib(card["free"], card["unit"]) - _gib(own) if card and own else 0.0


def _held(session: Session, hit: Hit) -> dict[str, Words]:
    """The process that holds most, and what all others hold of the card."""
    card = _CARD.search(hit.text)
    counted = {"held": f"{_unlisted(hit.text):.2f} GiB", "card": f"{card['total']} GiB"} if card else {}
    return {**counted, **_largest_other(hit)}


def _holders(session: Session, hit: Hit) -> str | None:
    """`named` where torch lists a process, `room` and `full` where only the numbers of the card tell of them."""
    if _largest_other(hit):
        return "named"
    if _unlisted(hit.text) <= 0:
        return None
    loaded = memory(session).weights is not None
    return "room" if loaded and relaunch.smaller_share(session, hit) else "full"


def out_of_memory(session: Session, text: str) -> str:
    """Which memory ran out: torch says the same in every phase, so phase and frames above it decide."""
    others = max(sum(map(_gib, _OTHERS.finditer(text))), _unlisted(text))
    own, allocated = _OWN.search(text), _ALLOCATED.search(text)
    if own is None and allocated is not None:
        # In a container torch does not find its own process id, and lists itself among the others.
        others = max(0.0, others - _gib(allocated) - CUDA_CONTEXT)
        own = allocated
    if others > (_gib(own) if own else 0.5):
        return "gpu-memory-held-by-others"
    frames = "\n".join(list(session.recent)[-25:])
    if session.ready_line is not None or session.phase == "serving":
        return "gpu-oom-serving"
    capturing = re.search(r"cuda_graph_runner|in capture", frames) or re.search(r"(?i)cuda ?graph|prefill runner", text)
    if capturing or session.phase == "graph":
        return "gpu-oom-graph-capture"
    if re.search(r"memory_pool|init_memory_pool|_create_buffers|kv_cache_configurator", frames):
        return "gpu-oom-kv-pool"
    if session.phase in ("args", "device", "load"):
        return "gpu-oom-weights"
    return "gpu-oom-kv-pool" if session.phase == "memory" else "gpu-oom-serving"


cause(
    "gpu-oom-weights",
    [
        pattern(
            "out of memory",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 192.00 MiB. GPU 0 has a total capacity of 15.77 GiB",
            regex=r"\b(?:CUDA|HIP|NPU|XPU|MUSA)(?: driver)?(?: error:|\]:|:)? out of memory",
            near="Prefill out of memory. Try to lower your batch size.",
            source="torch 2.x, 0.4.x to 0.5.23",
            choose=out_of_memory,
        ),
        pattern(
            "CUBLAS_STATUS_ALLOC_FAILED",
            "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            near="RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, "
            "opb, m, n, k)`",
            source="torch",
            choose=out_of_memory,
        ),
        pattern(
            "CUBLAS_STATUS_NOT_INITIALIZED",
            "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
            near="RuntimeError: CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling "
            "`cublasGemmStridedBatchedEx(handle, opa, opb)`",
            source="torch: cuBLAS found no memory for its handle",
            weight=GENERAL,
            choose=out_of_memory,
        ),
        pattern(
            "cudaErrorMemoryAllocation",
            "RuntimeError: cudaErrorMemoryAllocation: out of memory",
            near="RuntimeError: cudaErrorLaunchFailure: unspecified launch failure",
            source="CUDA",
            choose=out_of_memory,
        ),
        pattern(
            "NVML_SUCCESS == ",
            'RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "../c10/cuda/CUDACachingAllocator.cpp":1090, '
            "please report a bug to PyTorch. ",
            regex=r"NVML_SUCCESS == .*INTERNAL ASSERT FAILED at \S*CUDACachingAllocator",
            near='RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "/pytorch/c10/cuda/driver_api.cpp":12, '
            "please report a bug to PyTorch. ",
            # torch asks NVML who holds the memory only when none is left; of a MIG slice or a Jetson NVML does not know.
            source="torch (pytorch #112377, #185240)",
            choose=out_of_memory,
        ),
    ],
    shows=("load",),
    title=Text("the weights fit the GPU", "显存装得下模型权重"),
    because=Text(
        "the GPU ran out of memory while the weights were loaded: the model is larger than the card "
        "(bge-large-zh-v1.5 needs 0.65 GB in fp16: if this is it, something else fills the card)",
        "加载权重时显存不足：模型超出显存（bge-large-zh-v1.5 的 fp16 权重只有 0.65 GB，若是它，"
        "说明显存被其他进程占满了）",
    ),
    fix=Text(
        "use a larger or an empty card, a smaller model, fp16 instead of fp32, or two cards (--tp-size 2); "
        "sglang never falls back to the CPU",
        "换更大或空闲的显卡、更小的模型，用 fp16 代替 fp32，或用两张卡（--tp-size 2）；sglang 不会自动退回 CPU",
    ),
    commands=("{launch_line}", "{cards}", "bgecheck gpu"),
    variants={
        "fp32": Advice(
            Text(
                "the GPU ran out of memory while the weights were loaded, and the server computes in fp32, which takes "
                "twice the memory of fp16",
                "加载权重时显存不足，而服务在用 fp32 计算，占用是 fp16 的两倍",
            ),
            Text(
                "start it {changes}; if that is not enough, use a larger or an empty card",
                "{changes} 启动；仍不够时换更大或空闲的显卡",
            ),
            ("{launch_line}", "{cards}"),
        )
    },
    variant=lambda session, hit: "fp32" if relaunch.smaller_dtype(session, hit) else None,
    changes=relaunch.smaller_dtype,
)

cause(
    "gpu-oom-kv-pool",
    [
        pattern(
            "Not enough memory. Please try to increase --mem-fraction-static",
            "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static. "
            "Current value: mem_fraction_static=0.55",
            near="DefaultCPUAllocator: not enough memory: you tried to allocate 2147483648 bytes.",
            source="0.4.3 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "leave no GPU memory for the KV cache",
            "ValueError: Loaded weights leave no GPU memory for the KV cache under --mem-fraction-static=-0.049. "
            "Raise --mem-fraction-static above 0.005",
            near="[2026-11-02 22:10:05] KV Cache is allocated. #tokens: 20480, K size: 1.41 GB, V size: 1.41 GB",
            source="0.5.23",
            weight=SPECIFIC,
        ),
    ],
    shows=("memory",),
    title=Text("there is room for the memory pool", "显存池有足够的显存"),
    because=Text(
        "the share of GPU memory that sglang may use (--mem-fraction-static {args_fraction}) leaves no room for its pool "
        "beside the weights{weights}. --chunked-prefill-size -1 alone makes the automatic share too small or negative",
        "允许 sglang 使用的显存比例（--mem-fraction-static {args_fraction}）除去权重{weights}后放不下显存池。"
        "只加 --chunked-prefill-size -1 时，自动算出的比例会过小甚至为负",
    ),
    fix=Text(
        "start it {changes}: a larger share, the opposite of what `CUDA out of memory` wants; if it is still too small, go "
        "up by 0.05 at a time. If the card is shared, free it first",
        "{changes} 启动：要调大，与 CUDA out of memory 的处理方向相反；仍不够时每次再加 0.05。若显卡被共用，先腾出显存",
    ),
    commands=("{launch_line}", "{cards}"),
    variants={
        "lower": Advice(
            Text(
                "the GPU ran out of memory while the pool was reserved: the share that sglang may use "
                "(--mem-fraction-static {args_fraction}) is more than what is free",
                "分配显存池时显存不足：允许 sglang 使用的比例（--mem-fraction-static {args_fraction}）超过了实际空闲的显存",
            ),
            Text(
                "start it {changes}, a smaller share; if the card is shared, free it first",
                "{changes} 启动，把比例调小；若显卡被共用，先腾出显存",
            ),
            ("{launch_line}", "{cards}"),
        ),
        "too-large": Advice(
            Text(
                "the weights{weights} fill what was free on the card: no --mem-fraction-static, which is a share of that, leaves room "
                "for a pool beside them",
                "权重{weights}几乎占满这块卡的空闲显存：--mem-fraction-static 是空闲显存的比例，取多少都放不下显存池",
            ),
            Text(
                "see what else holds memory of that card and free it, or pick an empty one; if nothing does, use a larger card, two "
                "cards (--tp-size 2), or a smaller or quantised model",
                "先看这块卡上还有谁占着显存，腾出来或换空闲的卡；没有别人占用时，换更大的卡，用两张卡（--tp-size 2），"
                "或换更小、量化过的模型",
            ),
            ("{cards}", "bgecheck gpu"),
        ),
    },
    variant=relaunch.ran_out,
    changes=relaunch.larger_share,
    otherwise=Text(
        "with another --mem-fraction-static, in steps of 0.05", "按每次 0.05 调整 --mem-fraction-static，再"
    ),
)

cause(
    "gpu-oom-graph-capture",
    [
        pattern(
            "apture",
            "Exception: Capture cuda graph failed: CUDA out of memory. Tried to allocate 2.00 GiB.",
            regex=r"Capture (?:cuda|CUDA) graph failed.*out of memory",
            near="Capture cuda graph begin. This can take up to several minutes.",
            source="0.4.6 to 0.5.23",
            weight=SPECIFIC,
        ),
    ],
    shows=("graph",),
    title=Text("CUDA graphs can be captured", "CUDA graph 捕获成功"),
    because=Text(
        "the GPU ran out of memory while CUDA graphs were captured: the memory pool took what they need",
        "捕获 CUDA graph 时显存不足：显存池占用过多，没有留够",
    ),
    fix=Text(
        "start it {changes}: embedding does not need CUDA graphs. A model that generates needs a smaller "
        "--mem-fraction-static (now {args_fraction}), by 0.05 at a time",
        "{changes} 启动：embedding 用不上 CUDA graph。生成模型则要把 --mem-fraction-static（当前 {args_fraction}）"
        "每次调小 0.05",
    ),
    commands=("{launch_line}",),
    changes=relaunch.without_graphs,
    otherwise=relaunch.LESS_MEMORY,
)

cause(
    "gpu-oom-serving",
    [
        pattern(
            "in AlignedAllocator",
            "RuntimeError: Error: Failed to allocate memory for batch_prefill_tmp_v with size 537919488 in AlignedAllocator",
            near="Prefill out of memory. Try to lower your batch size.",
            source="sglang #2102, #1405",
            weight=SPECIFIC,
        ),
    ],
    shows=("serving",),
    title=Text("batches fit the GPU while serving", "运行中的批次放得进显存"),
    because=Text(
        "the GPU ran out of memory while a batch was computed: the static share ({args_fraction}) leaves too little for "
        "activations, or another process took memory meanwhile",
        "计算一批请求时显存不足：静态比例（{args_fraction}）留给激活值的显存太少，或期间有别的进程占用了显存",
    ),
    fix=Text(
        "start it {changes}: a smaller share for the pool by 0.05 at a time{floor}, and fewer tokens at once",
        "{changes} 启动：把显存池的比例每次调小 0.05{floor}，并减少一次计算的 token 数",
    ),
    commands=("{launch_line}",),
    changes=relaunch.smaller_prefill,
    otherwise=relaunch.LESS_MEMORY,
)

cause(
    "gpu-memory-held-by-others",
    [
        pattern(
            "is/are busy or unavailable",
            "torch.AcceleratorError: CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            near="torch.AcceleratorError: CUDA error: no CUDA-capable device is detected",
            source="CUDA: another process has the card for itself (exclusive mode)",
            weight=SPECIFIC,
        ),
        pattern(
            "The memory capacity is unbalanced",
            "ValueError: The memory capacity is unbalanced. Some GPUs may be occupied by other processes. "
            "pre_model_load_memory=23.1, local_gpu_memory=79.2",
            near="RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
            source="0.4.6 to 0.5.9",
            weight=SPECIFIC,
        ),
    ],
    shows=span("device", "memory"),
    title=Text("no other process holds the GPU's memory", "显存没有被其他进程占用"),
    because=Text(
        "another process holds most of the GPU's memory, so sglang cannot get what it needs",
        "大部分显存被其他进程占用，sglang 拿不到所需的显存",
    ),
    fix=Text(
        "free that GPU, or pick another one with CUDA_VISIBLE_DEVICES", "腾出这块卡，或用 CUDA_VISIBLE_DEVICES 换一块"
    ),
    commands=("{nvidia_smi} --query-compute-apps=pid,name,used_memory --format=csv", "bgecheck gpu"),
    variants={
        "named": Advice(
            Text(
                "process {pids} holds {used} of the GPU's memory, so sglang cannot get what it needs",
                "进程 {pids} 占着这块卡的 {used} 显存，sglang 拿不到所需的显存",
            ),
            Text(
                "see what process {pids} is and end it if it is not needed, or pick another GPU with CUDA_VISIBLE_DEVICES; in a "
                "container the number is the host's",
                "看进程 {pids} 是什么，不需要就结束它，或用 CUDA_VISIBLE_DEVICES 换一块卡；在容器里看到的是宿主机的进程号",
            ),
            (
                "ps -o pid,user,etime,args -p {pids}",
                "{nvidia_smi} --query-compute-apps=pid,name,used_memory --format=csv",
            ),
        ),
        "full": Advice(
            Text(
                "other processes hold {held} of the card's {card}, so sglang cannot get what it needs; no --mem-fraction-static "
                "mends that",
                "其他进程占着这块卡 {card} 中的 {held}，sglang 拿不到所需的显存；改 --mem-fraction-static 没有用",
            ),
            Text(
                "free that GPU, or pick another one with CUDA_VISIBLE_DEVICES",
                "腾出这块卡，或用 CUDA_VISIBLE_DEVICES 换一块",
            ),
            ("{nvidia_smi} --query-compute-apps=pid,name,used_memory --format=csv", "bgecheck gpu"),
        ),
        "room": Advice(
            Text(
                "other processes hold {held} of the card's {card}, so sglang cannot get what it needs",
                "其他进程占着这块卡 {card} 中的 {held}，sglang 拿不到所需的显存",
            ),
            Text(
                "free that GPU, or pick another one with CUDA_VISIBLE_DEVICES; or start it {changes}, which fits beside them as long "
                "as they take no more",
                "腾出这块卡，或用 CUDA_VISIBLE_DEVICES 换一块；只要它们不再多占，也可以{changes} 启动，与它们共用",
            ),
            ("{nvidia_smi} --query-compute-apps=pid,name,used_memory --format=csv", "{launch_line}"),
        ),
    },
    variant=_holders,
    values=_held,
    changes=lambda session, hit: relaunch.smaller_share(session, hit) if _holders(session, hit) == "room" else None,
)

cause(
    "cuda-driver-too-old",
    [
        pattern(
            "driver on your system is too old",
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
            near="RuntimeError: Found no NVIDIA driver on your system.",
            source="torch 2.x",
            weight=SPECIFIC,
        ),
        pattern(
            "CUDA driver version is insufficient",
            "RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version",
            near="RuntimeError: CUDA error: no kernel image is available for execution on the device",
            source="CUDA",
            weight=SPECIFIC,
        ),
        pattern(
            "forward compatibility was attempted",
            "CUDA error: forward compatibility was attempted on non supported HW",
            near="NOTE: CUDA Forward Compatibility mode ENABLED.",
            source="CUDA",
            weight=SPECIFIC,
        ),
        pattern(
            "unsatisfied condition: cuda>=",
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.4",
            weight=SPECIFIC,
            near="NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand=tesla,driver>=470,driver<471",
            source="nvidia-container-toolkit",
        ),
        pattern(
            "unsupported display driver / cuda driver combination",
            "Error 803: system has unsupported display driver / cuda driver combination",
            near="| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |",
            source="CUDA",
            weight=SPECIFIC,
        ),
        pattern(
            "Triton Error [CUDA]: device kernel image is invalid",
            "RuntimeError: Triton Error [CUDA]: device kernel image is invalid",
            near="RuntimeError: Triton Error [CUDA]: out of memory",
            source="triton compiles for the card at hand: only a driver older than its ptxas refuses that (sglang #1558)",
            weight=SPECIFIC,
        ),
        pattern(
            "PTX was compiled with an unsupported toolchain",
            "RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain.",
            near="RuntimeError: Detected that PyTorch and torchvision were compiled with different CUDA major versions.",
            source="CUDA 222: the driver is older than the toolkit",
            weight=SPECIFIC,
        ),
    ],
    shows=span("args", "device"),
    title=Text("the NVIDIA driver is new enough", "NVIDIA 驱动版本够新"),
    because=Text(
        "the NVIDIA driver is older than the CUDA that this torch was built with",
        "NVIDIA 驱动比当前 torch 所用的 CUDA 旧",
    ),
    fix=Text(
        "update the driver, or use the image of sglang that is built for an older CUDA",
        "升级驱动，或改用面向旧版 CUDA 构建的 sglang 镜像",
    ),
    commands=(
        "nvidia-smi --query-gpu=driver_version --format=csv",
        "python -c 'import torch; print(torch.version.cuda)'",
    ),
    variants={
        "apart": Advice(
            Text(
                "the CUDA library in use and the driver of the host do not fit each other (error 803): the driver was updated without a "
                "reboot, or the image brings a compatibility library (/usr/local/cuda/compat) that is older than the driver",
                "当前使用的 CUDA 驱动库与宿主机驱动不配套（错误 803）：升级驱动后没有重启，或镜像自带的兼容库（/usr/local/cuda/compat）比驱动旧",
            ),
            Text(
                "reboot the host where its nvidia-smi fails too; else take /usr/local/cuda/compat out of the container's LD_LIBRARY_PATH",
                "宿主机上 nvidia-smi 也报错就重启；否则把 /usr/local/cuda/compat 从容器的 LD_LIBRARY_PATH 里去掉",
            ),
            ("nvidia-smi", "cat /proc/driver/nvidia/version", "ldconfig -p | grep libcuda.so"),
        ),
    },
    variant=lambda session, hit: "apart" if "driver combination" in hit.text else None,
)

_FEWER = re.compile(r"invalid device ordinal|device >= 0 && device < num_gpus")
"""How CUDA and torch say that a GPU was asked for whose number there is none of."""


def _cards_asked(session: Session) -> int:
    """The GPUs that a launch asks for on this machine; 1 where its arguments do not tell."""
    sizes = [session.argument(name) or "1" for name in ("tp_size", "pp_size", "dp_size", "nnodes")]
    if not all(re.fullmatch(r"[1-9]\d{0,3}", size) for size in sizes):
        return 1
    tensor, pipeline, data, nodes = map(int, sizes)
    first = session.argument("base_gpu_id") or "0"
    # With attention in parallel over the data the replicas share the cards of one.
    replicas = 1 if session.argument("enable_dp_attention") == "True" else data
    return max(tensor * pipeline // nodes, 1) * replicas + (int(first) if first.isdigit() else 0)


_NO_RUNTIME = re.compile(r"could not select device driver|unknown or invalid runtime name: nvidia")


def _unseen(session: Session, hit: Hit) -> str | None:
    """Whose accelerators are not seen; `no-runtime` where Docker cannot give them, `mismatch` and `lost` where they went away."""
    if "driver/library version mismatch" in hit.text.lower():
        return "mismatch"
    if "NVML: Unknown Error" in hit.text:
        return "lost"
    if _FEWER.search(hit.text) and _cards_asked(session) > 1 and maker(session, hit) is None:
        return "fewer"
    return "no-runtime" if _NO_RUNTIME.search(hit.text) else maker(session, hit)


cause(
    "no-gpu-visible",
    [
        pattern(
            "No accelerator (",
            "RuntimeError: No accelerator (CUDA, XPU, HPU) is available.",
            near="UserWarning: 'pin_memory' argument is set as true but no accelerator is found, then device pinned "
            "memory won't be used.",
            source="0.4.6 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "no CUDA-capable device is detected",
            "torch.AcceleratorError: CUDA error: no CUDA-capable device is detected",
            near="torch.AcceleratorError: CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            source="CUDA",
            weight=SPECIFIC,
        ),
        pattern(
            "No CUDA GPUs are available",
            "RuntimeError: No CUDA GPUs are available",
            near="No CUDA runtime is found, using CUDA_HOME='/usr/local/cuda'",
            source="torch",
            weight=SPECIFIC,
        ),
        pattern(
            "No HIP GPUs are available",
            "RuntimeError: No HIP GPUs are available",
            near="No ROCm runtime is found, using ROCM_HOME='/opt/rocm'",
            source="torch, ROCm",
            weight=SPECIFIC,
        ),
        pattern(
            "Found no NVIDIA driver",
            "RuntimeError: Found no NVIDIA driver on your system.",
            near="RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
            source="torch",
            weight=SPECIFIC,
        ),
        pattern(
            "invalid device ordinal",
            "RuntimeError: CUDA error: invalid device ordinal",
            near="RuntimeError: CUDA error: invalid device function",
            source="CUDA",
            weight=SPECIFIC,
        ),
        pattern(
            "device >= 0 && device < num_gpus INTERNAL ASSERT FAILED",
            'RuntimeError: device >= 0 && device < num_gpus INTERNAL ASSERT FAILED at "/pytorch/aten/src/ATen/cuda/'
            'CUDAContext.cpp":49, please report a bug to PyTorch. device=1, num_gpus=1',
            near='RuntimeError: num_gpus <= 16 INTERNAL ASSERT FAILED at "/pytorch/c10/cuda/CUDAFunctions.cpp":131, '
            "please report a bug to PyTorch. ",
            source="torch (pytorch #107300)",
            weight=SPECIFIC,
        ),
        pattern(
            "could not select device driver",
            'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
            near="docker: Error response from daemon: could not find plugin macvlan in v1 plugin registry: plugin not "
            "found.",
            source="docker",
            weight=SPECIFIC,
        ),
        pattern(
            "NVMLError_",
            "pynvml.NVMLError_LibraryNotFound: NVML Shared Library Not Found",
            regex=r"NVMLError_(?:LibraryNotFound|DriverNotLoaded|NoPermission|Uninitialized)",
            near="except pynvml.NVMLError_NotSupported:",
            source="nvidia-ml-py",
        ),
        pattern(
            "CUDA unknown error - this may be due to",
            "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable",
            near="RuntimeError: CUDA error: unknown error",
            source="torch: the driver's modules do not work (nvidia_uvm), or CUDA_VISIBLE_DEVICES is wrong",
            weight=GENERAL,
        ),
        pattern(
            "Setting the available devices to be zero",
            "CUDA unknown error - this may be due to an incorrectly set up environment. Setting the available devices to be zero.",
            near="DeprecationWarning: Setting the shape on a NumPy array has been deprecated in NumPy 2.5.",
            source="torch",
            weight=GENERAL,
        ),
        pattern(
            "nvml error: driver not loaded",
            "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.",
            near="nvidia-container-cli: ldcache error: process /sbin/ldconfig.real failed with error code: 1",
            source="nvidia-container-toolkit",
            weight=SPECIFIC,
        ),
        pattern(
            "NVIDIA-SMI has failed because it couldn't communicate with",
            "RuntimeError: nvidia-smi error: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            near="| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |",
            source="nvidia-smi",
            weight=SPECIFIC,
        ),
        pattern(
            "Failed to initialize NVML",
            "RuntimeError: nvidia-smi error: Failed to initialize NVML: Driver/library version mismatch",
            regex=r"(?:^|Error: (?:nvidia-smi error: )?)Failed to initialize NVML: (?:Driver/library version mismatch|Unknown Error)",
            near="UserWarning: Can't initialize NVML",
            source="nvidia-smi",
            weight=SPECIFIC,
        ),
        pattern(
            "NPU device is not available or visible",
            "RuntimeError: torch_npu detected, but NPU device is not available or visible.",
            near="[2026-11-02 22:10:05] torch_npu detected, the attention backend is ascend",
            source="0.5.6 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "no known GPU vendor found",
            "docker: Error response from daemon: failed to discover GPU vendor from CDI: no known GPU vendor found",
            near="docker: Error response from daemon: No such container: sglang",
            source="docker 28",
            weight=SPECIFIC,
        ),
        pattern(
            "nvidia-container-cli: ",
            "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file",
            regex=r"nvidia-container-cli: (?:initialization|detection|device|mount) error",
            near="nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.4",
            source="nvidia-container-toolkit: no driver, or no such card, on the host",
            weight=SPECIFIC,
        ),
        pattern(
            "unknown or invalid runtime name: nvidia",
            "docker: Error response from daemon: unknown or invalid runtime name: nvidia.",
            near="docker: Error response from daemon: unknown or invalid runtime name: kata.",
            source="docker",
            weight=SPECIFIC,
        ),
        pattern(
            "cannot open shared object file",
            "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
            regex=r"^(?!.*(?:NCCL (?:INFO|WARN)|nvidia-container-cli|Warning: |Failed to import)).*\blib(?:cuda|nvidia-ml)\.so[\w.]*: cannot open shared object file",
            near="ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
            source="the driver's own library, which a container gets with its GPUs (sglang #4778)",
            weight=SPECIFIC,
        ),
        pattern(
            "system not yet initialized",
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",
            regex=r"(?:CUDA error|Error 802): system not yet initialized",
            near="the system not yet initialized its queue",
            source="CUDA 802: machines with NVSwitch without the fabric manager",
            weight=SPECIFIC,
        ),
        pattern(
            "CUDA driver initialization failed",
            "RuntimeError: CUDA driver initialization failed, you might not have a CUDA gpu.",
            near="RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version",
            source="torch",
            weight=SPECIFIC,
        ),
        pattern(
            "nvidia-smi not found",
            "RuntimeError: nvidia-smi not found. Ensure NVIDIA drivers are installed and accessible.",
            regex=r"Error: nvidia-smi not found",
            near="nvidia-smi not found, skipping the memory check",
            source="0.4.x to 0.5.9",
        ),
        pattern(
            "Torch not compiled with CUDA enabled",
            "AssertionError: Torch not compiled with CUDA enabled",
            near="UserWarning: 1Torch was not compiled with flash attention.",
            source="torch",
            weight=SPECIFIC,
        ),
    ],
    shows=span("args", "device"),
    title=Text("the server sees its GPUs", "服务能看到 GPU"),
    because=Text(
        "the process sees no GPU, or fewer than it asks for: a container without --gpus all, CUDA_VISIBLE_DEVICES, "
        "or a torch without CUDA",
        "进程看不到 GPU，或数量不够：容器没加 --gpus all、CUDA_VISIBLE_DEVICES 设置有误，或装的是不带 CUDA 的 torch",
    ),
    fix=Text(
        "start the container with --gpus all; where the line says `system not yet initialized` start nvidia-fabricmanager on the "
        "host; on a machine without GPU sglang needs --device cpu and SGLANG_USE_CPU_ENGINE=1",
        "容器加 --gpus all 启动；报 system not yet initialized 时，在宿主机上启动 nvidia-fabricmanager；"
        "没有 GPU 的机器要加 --device cpu 并设 SGLANG_USE_CPU_ENGINE=1",
    ),
    commands=("nvidia-smi -L", "docker run --rm --gpus all lmsysorg/sglang:latest nvidia-smi -L"),
    variants={
        "amd": Advice(
            Text(
                "the process sees no AMD GPU, or fewer than it asks for: a container without /dev/kfd and /dev/dri, HIP_VISIBLE_DEVICES, "
                "or a torch without ROCm",
                "进程看不到 AMD GPU，或数量不够：容器没有挂 /dev/kfd 和 /dev/dri、HIP_VISIBLE_DEVICES 设置有误，或装的是不带 ROCm 的 torch",
            ),
            Text(
                "start the ROCm image of sglang with --device /dev/kfd --device /dev/dri --group-add video; without a container the user "
                "has to be in the groups video and render",
                "用 ROCm 版 sglang 镜像启动，并加 --device /dev/kfd --device /dev/dri --group-add video；不用容器时，用户要在 video 和 render 组里",
            ),
            ("rocm-smi", "ls -l /dev/kfd /dev/dri", "python -c 'import torch; print(torch.version.hip)'"),
        ),
        "ascend": Advice(
            Text(
                "the process sees no Ascend NPU, or fewer than it asks for: a container without the NPU's devices and driver, "
                "ASCEND_RT_VISIBLE_DEVICES, or a torch without torch_npu",
                "进程看不到昇腾 NPU，或数量不够：容器没有挂 NPU 设备和驱动、ASCEND_RT_VISIBLE_DEVICES 设置有误，或没装 torch_npu",
            ),
            Text(
                "give the container the NPU and its driver; that is /dev/davinci0, /dev/davinci_manager, /dev/devmm_svm, "
                "/dev/hisi_hdc and the folder /usr/local/Ascend/driver",
                "给容器挂上 NPU 设备和驱动；即 /dev/davinci0、/dev/davinci_manager、/dev/devmm_svm、/dev/hisi_hdc "
                "和目录 /usr/local/Ascend/driver",
            ),
            (
                "npu-smi info",
                "ls -l /dev/davinci*",
                "python -c 'import torch_npu; print(torch_npu.npu.device_count())'",
            ),
        ),
        "mismatch": Advice(
            Text(
                "the NVIDIA kernel module that is loaded and the driver's library differ in version, as after an update of the "
                "driver: no program can use the GPUs until the new module is loaded",
                "已加载的 NVIDIA 内核模块与驱动库版本不一致，通常是升级驱动后没有重启：新模块加载之前，任何程序都用不了 GPU",
            ),
            Text("reboot the host, or reload the NVIDIA kernel modules", "重启宿主机，或重新加载 NVIDIA 内核模块"),
            ("cat /proc/driver/nvidia/version", "nvidia-smi"),
        ),
        "fewer": Advice(
            Text(
                "the launch asks for {asked} GPUs (--tp-size, --pp-size and --dp-size multiplied, counted from --base-gpu-id on), and the "
                "process sees fewer",
                "启动命令需要 {asked} 张 GPU（--tp-size、--pp-size、--dp-size 之积，再加上 --base-gpu-id），而进程看到的没有这么多",
            ),
            Text(
                "lower --tp-size and --dp-size to the GPUs that there are (most embedding models fit one: leave both out), or show the "
                "process more of them: docker --gpus all, CUDA_VISIBLE_DEVICES, in a pod the limit nvidia.com/gpu",
                "把 --tp-size、--dp-size 降到实有的卡数（多数 embedding 模型一张卡就够，两个参数都可去掉）；或让进程看到更多卡："
                "docker 用 --gpus all，另看 CUDA_VISIBLE_DEVICES，Pod 看 nvidia.com/gpu 的 limit",
            ),
            ("nvidia-smi -L",),
        ),
        "lost": Advice(
            Text(
                "where the host's own nvidia-smi works, the container had its GPUs and has lost them: a `systemctl daemon-reload` or an update "
                "on the host does that where Docker leaves its cgroups to systemd",
                "若宿主机上 nvidia-smi 正常，就是容器丢失了对 GPU 的访问权限：Docker 的 cgroup 由 systemd 管理时，"
                "宿主机执行 systemctl daemon-reload 或更新软件就会这样",
            ),
            Text(
                "restart the container, which gives them back (a pod: delete it); where it comes again, set "
                '"exec-opts": ["native.cgroupdriver=cgroupfs"] in /etc/docker/daemon.json',
                '重启容器即可恢复（Pod 则删掉让它重建）；反复出现时在 /etc/docker/daemon.json 里设 "exec-opts": ["native.cgroupdriver=cgroupfs"]',
            ),
            ("nvidia-smi -L", "docker ps"),
        ),
        "no-runtime": Advice(
            Text(
                "Docker was asked for GPUs and has nothing that gives them: the NVIDIA container toolkit is not installed, or not "
                "set up for this Docker",
                "向 Docker 要了 GPU，但它给不了：没有安装 NVIDIA Container Toolkit，或没有为这个 Docker 配置",
            ),
            Text(
                "install nvidia-container-toolkit on the host, set it up for Docker and restart Docker; then start the container "
                "as before",
                "在宿主机上安装 nvidia-container-toolkit，为 Docker 配置后重启 Docker；再照原样启动容器",
            ),
            (
                "sudo nvidia-ctk runtime configure --runtime=docker",
                "sudo systemctl restart docker",
                "docker run --rm --gpus all ubuntu nvidia-smi -L",
            ),
        ),
    },
    variant=_unseen,
    values=lambda session, hit: {"asked": str(_cards_asked(session))},
)

_TOO_OLD = re.compile(r"sm_?75 (?:and above|or (?:above|higher|newer|later))|\bis too old to be supported")
_CAPABILITY = re.compile(
    r"CUDA capability sm_(?P<sm>\d{2,3})|architecture '?(?:sm|compute)_(?P<built>\d{2,3})|Value 'sm_(?P<asked>\d{2,3})"
    r"|(?:[Cc]ompute|cuda) capability (?P<major>\d{1,2})\.(?P<minor>\d)(?!\+| or )|[Dd]evice capability \((?P<first>\d{1,2}), (?P<second>\d)\)"
)
"""How an error names the card's generation; the list of those that torch was built for is named otherwise."""

_OLDEST = 75
"""The first generation that sglang runs on."""


_TURING = (("kernels", "too many resources requested for launch"), ("bf16", "IndexError: map::at"))
"""What fails on cards of sm75, which sglang supports all the same."""


def _generation(session: Session, hit: Hit) -> str | None:
    """`old` for a card that no build of sglang supports, `new` for one that this build is too old for."""
    if (other := maker(session, hit)) is not None:
        return other
    lines = "\n".join((hit.text, *(text for _, text in hit.also.values()), *hit.before))
    if kind := next((kind for kind, words in _TURING if words in hit.text), None):
        return kind
    if "option 'gpu-name'" in hit.text:
        return "ptxas"
    if _TOO_OLD.search(lines):
        return "old"
    match = _CAPABILITY.search(lines)
    if match is None:
        return None
    number = int("".join(digits for digits in match.groups() if digits))
    return "old" if number < _OLDEST else "new"


def _for_turing(session: Session, hit: Hit) -> dict[str, str | None] | None:
    """What cards of sm75 need: another backend than flashinfer, or fp16."""
    kind = _generation(session, hit)
    if kind == "bf16":
        return {"dtype": "float16"}
    return {"attention-backend": "triton"} if kind == "kernels" else None


cause(
    "gpu-arch-unsupported",
    [
        pattern(
            "no kernel image is available",
            "RuntimeError: CUDA error: no kernel image is available for execution on the device",
            near="RuntimeError: No available kernel. Aborting execution.",
            source="CUDA",
        ),
        pattern(
            "only supports sm75 and above",
            "RuntimeError: SGLang only supports sm75 and above.",
            near="Compute capability below sm80. Use float16 due to lack of bfloat16 support.",
            source="0.4.6 to 0.5.23",
        ),
        pattern(
            "is not compatible with the current PyTorch installation",
            "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.",
            near="WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for: PyTorch 2.4.0+cu121",
            source="torch",
            weight=GENERAL,
        ),
        pattern(
            "Unsupported gpu architecture",
            "nvcc fatal   : Unsupported gpu architecture 'compute_120'",
            near="nvcc warning : Support for offline compilation for architectures prior to '<compute/sm/lto>_75' "
            "will be removed in a future release (Use -Wno-deprecated-gpu-targets to suppress warning).",
            source="nvcc",
        ),
        pattern(
            "is not defined for option 'gpu-name'",
            "ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'",
            near="nvcc fatal   : Value 'c++20' is not defined for option 'std'",
            source="ptxas",
        ),
        pattern(
            "invalid device function",
            "RuntimeError: CUDA error: invalid device function",
            near="RuntimeError: CUDA error: invalid device ordinal",
            source="CUDA, HIP",
        ),
        pattern(
            "device kernel image is invalid",
            "RuntimeError: CUDA error: device kernel image is invalid",
            near="RuntimeError: CUDA error: invalid resource handle",
            source="CUDA",
        ),
        pattern(
            "mma -> mma layout conversion",
            "python3: /project/lib/Analysis/Allocation.cpp:47: std::pair<llvm::SmallVector<unsigned int>, "
            "llvm::SmallVector<unsigned int> > mlir::triton::getCvtOrder(mlir::Attribute, mlir::Attribute): Assertion "
            "`!(srcMmaLayout && dstMmaLayout && !srcMmaLayout.isAmpere()) && "
            '"mma -> mma layout conversion is only supported on Ampere"\' failed.',
            near="python3: /project/lib/Conversion/TritonGPUToLLVM/Utility.cpp:212: mlir::Value foo(): Assertion "
            "`rank == 2' failed.",
            source="triton 2.1 to 3.0",
            weight=SPECIFIC,
        ),
        pattern(
            "too many resources requested for launch",
            "CUDA Error: too many resources requested for launch (701) /flashinfer/python/include/flashinfer/sampling.cuh: line 547",
            near="docker: Error response from daemon: toomanyrequests: You have reached your pull rate limit.",
            source="flashinfer: a kernel of sampling on sm75",
            weight=SPECIFIC,
        ),
        pattern(
            "IndexError: map::at",
            "IndexError: map::at",
            regex=r"^IndexError: map::at$",
            near="IndexError: list index out of range",
            source="triton 3.x: bf16 on sm75 (sglang #1058)",
        ),
        pattern(
            "requires GPUs with sm",
            "RuntimeError: FlashInfer requires GPUs with sm75 or higher",
            near="NotImplementedError: flash_attn at sgl-kernel is only supported on sm90 and above",
            source="flashinfer",
            weight=SPECIFIC,
        ),
    ],
    shows=span("device", "warm-up"),
    title=Text("this build of sglang supports the GPU", "当前安装包支持这块 GPU"),
    because=Text(
        "torch or the kernel package has no code for this generation of GPU: older than sm75 (V100 is sm70), or "
        "newer than the build",
        "torch 或算子包里没有这一代显卡的代码：比 sm75 老（V100 是 sm70），或比安装包还新",
    ),
    fix=Text(
        "for a new card use a build for its CUDA (sm_120, RTX 50: torch for CUDA 12.8 or newer, which the newest "
        "image has); instead of a card older than sm75 use a T4 or newer, or the CPU (text-embeddings-inference's CPU image)",
        "新卡换用对应 CUDA 版本的安装包（RTX 50 系 sm_120 需要面向 CUDA 12.8 以上的 torch，最新镜像已带）；"
        "低于 sm75 的旧卡换成 T4 或更新的显卡，或改用 CPU（text-embeddings-inference 的 CPU 镜像）",
    ),
    commands=("{nvidia_smi} --query-gpu=name,compute_cap --format=csv",),
    variants={
        "old": Advice(
            Text(
                "the card is older than sm75, from which on sglang runs (V100 is sm70): no other build mends this",
                "显卡早于 sglang 要求的 sm75（V100 是 sm70）：换安装包或版本都没用",
            ),
            Text(
                "use a T4 or newer; or serve the model on the CPU, with text-embeddings-inference's CPU image or "
                'sentence-transformers (device="cpu"): the GPU images of text-embeddings-inference need sm75 too',
                "换 T4 或更新的显卡；或在 CPU 上部署：text-embeddings-inference 的 CPU 镜像，"
                '或 sentence-transformers（device="cpu"）；text-embeddings-inference 的 GPU 镜像同样要求 sm75',
            ),
            ("{nvidia_smi} --query-gpu=name,compute_cap --format=csv",),
        ),
        "new": Advice(
            Text(
                "torch or the kernel package has no code for this generation of GPU: the build is older than the card",
                "torch 或算子包里没有这一代显卡的代码：安装包比显卡老",
            ),
            Text(
                "use a build for the card's CUDA (sm_120, RTX 50: torch for CUDA 12.8 or newer), which the newest image has",
                "换用对应 CUDA 版本的安装包（RTX 50 系 sm_120 需要面向 CUDA 12.8 以上的 torch），最新镜像已带",
            ),
            (
                "{nvidia_smi} --query-gpu=name,compute_cap --format=csv",
                "python -c 'import torch; print(torch.version.cuda, torch.cuda.get_arch_list())'",
            ),
        ),
        "ptxas": Advice(
            Text(
                "the ptxas that triton uses is older than the card: it knows no code for this generation of GPU",
                "triton 用的 ptxas 比显卡老，不认识这一代 GPU",
            ),
            Text(
                "name the ptxas of a CUDA toolkit that knows the card (13.0 for sm_121 and sm_110, 12.8 for sm_120) in TRITON_PTXAS_PATH, "
                "or use the newest image of sglang",
                "用 TRITON_PTXAS_PATH 指向认识这块卡的 CUDA toolkit 的 ptxas（sm_121、sm_110 要 13.0，sm_120 要 12.8），或换最新镜像",
            ),
            ("ls /usr/local/cuda*/bin/ptxas", "export TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas"),
        ),
        "kernels": Advice(
            Text(
                "a kernel of flashinfer asks for more registers or shared memory than this card has (RTX 20, T4: sm75)",
                "flashinfer 的算子要的寄存器或共享内存超出这块卡的上限（RTX 20 系、T4：sm75）",
            ),
            Text(
                "start it {changes}, and with --sampling-backend pytorch where the line names sampling",
                "{changes} 启动；报错里有 sampling 时再加 --sampling-backend pytorch",
            ),
            ("{launch_line}", "{nvidia_smi} --query-gpu=name,compute_cap --format=csv"),
        ),
        "bf16": Advice(
            Text(
                "triton cannot compile this kernel for cards of sm75 (T4, RTX 20), which have no bf16",
                "triton 无法为 sm75 的卡（T4、RTX 20 系，不支持 bf16）编译这个算子",
            ),
            Text("start it {changes}, or use a newer sglang", "{changes} 启动，或升级 sglang"),
            ("{launch_line}", "{nvidia_smi} --query-gpu=name,compute_cap --format=csv"),
        ),
        "amd": Advice(
            Text(
                "this build for ROCm has no code for this generation of AMD GPU (its gfx number)",
                "当前 ROCm 版本的安装包里没有这一代 AMD 显卡（gfx 编号）的代码",
            ),
            Text(
                "use a build or an image of sglang for this gfx number, or a card that it supports",
                "换用支持该 gfx 编号的 sglang 镜像或安装包，或换一块它支持的显卡",
            ),
            ("rocminfo | grep -m1 gfx", "python -c 'import torch; print(torch.cuda.get_arch_list())'"),
        ),
        "ascend": Advice(
            Text(
                "this build has no operators for this NPU, or they are of another CANN",
                "当前安装包里没有这款 NPU 的算子，或算子对应的 CANN 版本不同",
            ),
            Text(
                "use the image of this release for this NPU, with the CANN that it asks for",
                "换用该版本面向这款 NPU 的镜像，CANN 版本按其要求",
            ),
            ("npu-smi info", "python -c 'import torch_npu; print(torch_npu.__version__)'"),
        ),
    },
    variant=_generation,
    changes=_for_turing,
)

cause(
    "dtype-unsupported",
    [
        pattern(
            "not supported in this architecture",
            "ValueError: type fp8e4nv not supported in this architecture. The supported fp8 dtypes are ('fp8e4b15', 'fp8e5')",
            regex=r"type \w+ not supported in this architecture",
            near="ValueError: Model architectures ['XLMRobertaLoRA'] are not supported for now.",
            source="triton",
            weight=SPECIFIC,
        ),
        pattern(
            "Bfloat16 is only supported on GPUs",
            "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
            near="[2026-11-02 22:10:05] Compute capability below sm80. Use float16 due to lack of bfloat16 support.",
            source="sglang 0.4.x, vLLM",
            weight=SPECIFIC,
        ),
        pattern(
            "is only supported on CUDA devices with compute capability",
            "RuntimeError: torch._scaled_mm is only supported on CUDA devices with compute capability >= 9.0 or 8.9, or ROCm MI300+",
            near="Tesla K80 with CUDA capability sm_37 is not compatible with the current PyTorch installation.",
            source="torch: fp8",
            weight=SPECIFIC,
        ),
        pattern(
            "not implemented for 'Half'",
            "RuntimeError: \"addmm_impl_cpu_\" not implemented for 'Half'",
            regex=r"not implemented for '(?:Half|BFloat16)'",
            near="NotImplementedError: \"nll_loss_forward_reduce_cuda_kernel_2d_index\" not implemented for 'Int'",
            source="torch",
            weight=SPECIFIC,
        ),
        pattern(
            "requires .target sm_",
            "ptxas /tmp/tmp1.ptx, line 51; error   : Feature '.bf16' requires .target sm_80 or higher",
            regex=r"Feature '\.?(?:bf16|e4m3|e5m2|fp8)\S*' requires \.target sm_",
            near="Feature 'cp.async' requires .target sm_80 or higher",
            source="ptxas",
            weight=SPECIFIC,
        ),
        pattern(
            "No compiled cutlass_scaled_mm for",
            "RuntimeError: No compiled cutlass_scaled_mm for a compute capability less than CUDA device capability: 75",
            near="[2026-11-02 22:10:05] Entering DeepGEMM JIT Pre-Compile session.",
            source="fp8 kernels",
        ),
        pattern(
            "is not supported for the current GPU",
            "ValueError: The quantization method fp8 is not supported for the current GPU. Minimum capability: 80.",
            near="[2026-11-02 22:10:05] Your GPU does not have native support for FP8 computation but FP8 "
            "quantization is being used. Weight-only FP8 compression will be used leveraging the Marlin kernel.",
            source="sglang 0.4.x to 0.5.9, vLLM",
        ),
    ],
    shows=span("args", "warm-up"),
    title=Text("the GPU can compute in the requested dtype", "GPU 支持所用的数据类型"),
    because=Text(
        "this device cannot compute in the requested dtype (GPUs: bf16 from sm80, fp8 from sm89; many CPUs: no fp16)",
        "该设备不支持所要求的数据类型（GPU：bf16 需要 sm80 起，fp8 需要 sm89 起；不少 CPU 不支持 fp16）",
    ),
    fix=Text(
        "start it {changes}; a checkpoint that is stored in fp8 needs one in fp16 or bf16 instead",
        "{changes} 启动；权重本身是 fp8 的，换成 fp16 或 bf16 的权重",
    ),
    commands=("{launch_line}",),
    changes=relaunch.other_dtype,
)


_DRIVER_CALL = re.compile(r"undefined symbol: cu[A-Z]")
"""A function of libcuda, which comes with the driver; the toolkit's begin with `cuda`, `cublas` and the like."""


#: A library of torch's own that finds a symbol missing: torch and its nvidia-* wheels differ, not sgl_kernel.
_TORCH_OWN = re.compile(r"torchvision|torchaudio|/torch/lib/lib\w+\.so")


def _undefined_symbol(session: Session, text: str) -> str:
    if _DRIVER_CALL.search(text):
        return "cuda-driver-too-old"
    return "python-env-broken" if _TORCH_OWN.search(text) else "kernel-package-mismatch"


_KERNELS = re.compile(r"name '(?:torch_npu|sgl_kernel_npu|aiter|sgl_kernel|flashinfer|deep_gemm)'")
_USES_KERNELS = re.compile(r"/sglang/srt/(?:layers|hardware_backend)/")


def _undefined_name(session: Session, text: str) -> str | None:
    """A package of kernels, or what the layers take from one: they import it only where it is installed."""
    frames = [line for line in list(session.recent)[-10:] if line.startswith('  File "')]
    missing = _KERNELS.search(text) or (frames and _USES_KERNELS.search(frames[-1]))
    return "kernel-package-mismatch" if missing else None


_CUBINS = "edge.urm.nvidia.com"
"""Where flashinfer fetches kernels from."""

cause(
    "kernel-package-mismatch",
    [
        pattern(
            "edge.urm.nvidia.com",
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='edge.urm.nvidia.com', port=443): Max retries exceeded with url: "
            "/artifactory/sw-kernelinferencelibrary-public-generic-local/x",
            regex=r"(?:Error|Timeout): .*edge\.urm\.nvidia\.com",
            near="2026-02-12 09:00:01,586 - INFO - cubin_loader.py:231 - flashinfer.jit: Fetching x.cubin from https://edge.urm.nvidia.com/x",
            source="flashinfer (sglang #10933)",
            weight=SPECIFIC,
        ),
        pattern(
            "undefined symbol",
            "ImportError: /usr/lib/sgl_kernel/sm90/common_ops.abi3.so: undefined symbol: _ZNK3c106SymInt6sym_neERKS0_",
            regex=_NO_WARNING + "undefined symbol",
            near="torchvision/io/image.py:13: UserWarning: Failed to load image Python extension: "
            "'/usr/lib/torchvision/image.so: undefined symbol: _ZN3c104cuda9SetDeviceEa'",
            source="sglang #13948, #18203",
            choose=_undefined_symbol,
        ),
        pattern(
            "Could not load any common_ops library",
            "[sgl_kernel] CRITICAL: Could not load any common_ops library!",
            near="[2026-11-02 22:10:05] Ignore import error when loading sglang.srt.models.phi4mm: Could not load any "
            "common_ops library!",
            source="0.5.x, sglang #29646",
            weight=GENERAL,
        ),
        pattern(
            "with minimum required version",
            "Exception: sgl-kernel with minimum required version 0.3.21 is not installed.",
            near="Requirement already satisfied: sgl-kernel==0.3.21 in /usr/lib/python3.12/site-packages",
            source="0.4.9 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "which is less than the minimum required version",
            "Exception: flashinfer_python is installed with version 0.2.5, which is less than the minimum required version 0.2.9.",
            near="Requirement already satisfied: flashinfer_python>=0.2.9 in /usr/lib/python3.12/site-packages",
            source="0.4.9 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "No module named '",
            "ModuleNotFoundError: No module named 'sgl_kernel'",
            regex=r"No module named '(?:sgl_kernel|flashinfer|deep_gemm|aiter|torch_npu)[\w.]*'",
            near="ModuleNotFoundError: No module named 'common_ops'",
            source="0.4.x to 0.5.23",
        ),
        pattern(
            "object has no attribute",
            "AttributeError: '_OpNamespace' 'sgl_kernel' object has no attribute 'rotary_embedding'",
            regex=r"'_OpNamespace' '\w+' object has no attribute|module '(?:sgl_kernel|flashinfer)[\w.]*' has no attribute",
            near="AttributeError: 'Qwen3Config' object has no attribute 'rope_theta'",
            source="sgl-kernel older than sglang",
        ),
        pattern(
            "has no attribute",
            "AttributeError: module 'sgl_kernel' has no attribute 'fast_topk'",
            regex=r"module '(?:sgl_kernel|flashinfer|aiter|torch_npu)[\w.]*' has no attribute",
            near="AttributeError: module 'torch' has no attribute 'float4'",
            source="sgl-kernel older than sglang",
        ),
        pattern(
            "cannot open shared object file",
            "ImportError: libtorch_cuda.so: cannot open shared object file: No such file or directory",
            regex=_NO_WARNING + r"\blib(?:torch|c10)\w*\.so[\w.]*: cannot open shared object file",
            near="ImportError: libnuma.so.1: cannot open shared object file: No such file or directory",
            source="kernels built for another torch",
            weight=SPECIFIC,
        ),
        pattern(
            "PackageNotFoundError",
            "importlib.metadata.PackageNotFoundError: No package metadata was found for flashinfer",
            regex=r"PackageNotFoundError: .*(?:flashinfer|sgl[-_]kernel|sglang[-_]kernel)",
            near="importlib.metadata.PackageNotFoundError: No package metadata was found for orjson",
            source="flashinfer #788, #794",
        ),
        pattern(
            "does not match flashinfer version",
            "RuntimeError: flashinfer-cubin version (0.4.0) does not match flashinfer version (0.5.2).",
            near="Requirement already satisfied: flashinfer-cubin==0.5.2 in /usr/lib/python3.12/site-packages",
            source="flashinfer 0.4 to 0.6",
            weight=SPECIFIC,
        ),
        pattern(
            "' is not defined",
            "NameError: name 'torch_npu' is not defined",
            regex=r"^NameError: name '\w+' is not defined",
            near="ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'",
            source="sglang imports a package of kernels only where it is installed, and uses it all the same (Ascend/sglang #86)",
            choose=_undefined_name,
        ),
        pattern(
            "Could not run 'sgl_kernel::",
            "NotImplementedError: Could not run 'sgl_kernel::silu_and_mul' with arguments from the 'CUDA' backend.",
            near="NotImplementedError: Could not run 'aten::empty.memory_format' with arguments from the 'SparseCUDA' backend.",
            source="a sgl_kernel that was built for another device (sglang #6322)",
            weight=SPECIFIC,
        ),
        pattern(
            "from 'aiter",
            "ImportError: cannot import name 'dynamic_per_tensor_quant' from 'aiter' (unknown location)",
            regex=r"cannot import name '\w+' from 'aiter(?:\.[\w.]+)?'",
            near="ImportError: cannot import name 'x' from 'aiterator'",
            source="ROCm: aiter older or newer than sglang (sglang #23083)",
            weight=SPECIFIC,
        ),
        pattern(
            "aiter is required when SGLANG_USE_AITER is set",
            "ImportError: aiter is required when SGLANG_USE_AITER is set to True",
            near="[aiter] import [module_aiter_enum] under /opt/aiter/aiter/jit/module_aiter_enum.so",
            source="0.4.x to 0.5.23, ROCm (sglang #23083)",
        ),
        pattern(
            "Failed to load the backend extension: torch_npu",
            "RuntimeError: Failed to load the backend extension: torch_npu. You can disable extension auto-loading with "
            "TORCH_DEVICE_BACKEND_AUTOLOAD=0.",
            near="RuntimeError: Failed to load the backend extension: intel_extension_for_pytorch. You can disable "
            "extension auto-loading with TORCH_DEVICE_BACKEND_AUTOLOAD=0.",
            source="torch",
            weight=GENERAL,
        ),
        pattern(
            "from 'sgl_kernel",
            "ImportError: cannot import name 'top_k_renorm_prob' from 'sgl_kernel' (/usr/lib/sgl_kernel/__init__.py)",
            regex=r"cannot import name '\w+' from '(?:sgl_kernel|flashinfer)",
            near="[2026-11-02 22:10:05] Ignore import error when loading sglang.srt.models.deepseek_v2: cannot import "
            "name 'dsv3_fused_a_gemm' from 'sgl_kernel' (/usr/lib/sgl_kernel/__init__.py)",
            source="sglang newer than its sgl-kernel",
        ),
    ],
    shows=span("args", "warm-up"),
    title=Text("the kernel packages fit torch and sglang", "算子包与 torch、sglang 匹配"),
    because=Text(
        "sgl_kernel (sglang-kernel) or flashinfer is missing, of another version, or built for another torch or CUDA",
        "sgl_kernel（sglang-kernel）或 flashinfer 缺失、版本不对，或面向另一版 torch/CUDA 编译",
    ),
    fix=Text("install sglang into a fresh environment, or use its image", "在干净环境重装 sglang，或用官方镜像"),
    commands=("python -m venv fresh && fresh/bin/pip install --upgrade pip sglang",),
    variants={
        "cubins": Advice(
            Text(
                "flashinfer fetches finished kernels from edge.urm.nvidia.com when they are first needed, and cannot reach it from here; the "
                "model and its hub have no part in it",
                "flashinfer 首次用到时会从 edge.urm.nvidia.com 下载编译好的算子，这台机器连不上；与模型和 hub 无关",
            ),
            Text(
                "install flashinfer-cubin, which brings them all, in exactly the version of flashinfer_python; or start it {changes}",
                "安装与 flashinfer_python 版本完全相同的 flashinfer-cubin（自带全部算子）；或{changes} 启动",
            ),
            ("pip list | grep -i flashinfer", "{launch_line}"),
        ),
        "amd": Advice(
            Text(
                "aiter or another kernel package for ROCm is missing or of another version than this sglang asks for "
                "(with SGLANG_USE_AITER=1 it does not start without aiter)",
                "ROCm 的算子包（aiter 等）缺失，或版本与当前 sglang 不符（设了 SGLANG_USE_AITER=1 时，没有可用的 aiter 就无法启动）",
            ),
            Text(
                "use the ROCm image of exactly this release, install aiter in the version that it names, or start without "
                "SGLANG_USE_AITER; the sglang on PyPI is built for CUDA",
                "使用与该版本对应的 ROCm 镜像，或安装它要求的 aiter 版本，或去掉 SGLANG_USE_AITER 启动；PyPI 上的 sglang 是面向 CUDA 编译的",
            ),
            ("pip list | grep -i -e aiter -e sgl -e torch", "unset SGLANG_USE_AITER"),
        ),
        "ascend": Advice(
            Text(
                "torch_npu or sgl_kernel_npu is missing, or does not fit this torch, CANN or sglang",
                "torch_npu 或 sgl_kernel_npu 缺失，或与当前的 torch、CANN、sglang 版本不匹配",
            ),
            Text(
                "use the Ascend image of exactly this release, or install torch_npu in the version of this torch and load CANN's "
                "environment before the start; the sglang on PyPI is built for CUDA",
                "使用与该版本对应的昇腾镜像，或安装与 torch 同版本的 torch_npu，并在启动前加载 CANN 环境；PyPI 上的 sglang 是面向 CUDA 编译的",
            ),
            (
                "pip list | grep -i -e npu -e sgl -e torch",
                "source /usr/local/Ascend/ascend-toolkit/set_env.sh",
                "npu-smi info",
            ),
        ),
    },
    variant=lambda session, hit: "cubins" if _CUBINS in hit.text else maker(session, hit),
    changes=lambda session, hit: {"attention-backend": "triton"} if _CUBINS in hit.text else None,
)

_NVRTC = re.compile(r"libnvrtc\.so\.(\d+)")


def _library(session: Session, hit: Hit) -> str | None:
    """Which library is missing, where each has its own remedy, or whose it is."""
    if "libnuma.so" in hit.text:
        return "numa"
    if _NVRTC.search(hit.text):
        return "nvrtc"
    return "glibc" if "' not found (required by" in hit.text else maker(session, hit)


def _library_values(session: Session, hit: Hit) -> dict[str, Words]:
    match = _NVRTC.search(hit.text)
    return {"release": match[1]} if match else {}


cause(
    "system-library-missing",
    [
        pattern(
            "cannot open shared object file",
            "ImportError: libnuma.so.1: cannot open shared object file: No such file or directory",
            regex=r"^(?!.*(?:NCCL (?:INFO|WARN)|nvidia-container-cli|Warning: |Failed to import)).*\blib(?!torch|c10|cuda\.so|nvidia-ml)[\w.+-]+\.so[\w.]*"
            r": cannot open shared object file",
            near="gpu01:53277:53277 [0] NCCL INFO NET/Plugin : dlerror=libnccl-net.so: cannot open shared object file: No such "
            "file or directory No plugin found (libnccl-net.so), using internal implementation",
            source="sglang #12119",
            weight=SPECIFIC,
        ),
        pattern(
            "' not found (required by",
            "ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.32' not found (required by /usr/lib/x.so)",
            regex=r"version `\w+_[\d.]+' not found",
            near="/usr/bin/ld: warning: libcudart.so.12, needed by libx.so, not found (try using -rpath or -rpath-link)",
            source="glibc, libstdc++",
            weight=SPECIFIC,
        ),
    ],
    shows=span("args", "load"),
    title=Text("the system libraries are present", "系统库齐全"),
    because=Text(
        "a shared library of the system is missing or too old (the line names it)",
        "缺少系统共享库，或版本过旧（报错行里写了名字）",
    ),
    fix=Text(
        "install the package that has it, or name its folder in LD_LIBRARY_PATH where it is there already; sglang's image has all of them",
        "安装包含它的软件包；已经装了就把所在目录加入 LD_LIBRARY_PATH；官方镜像里都有",
    ),
    commands=("ldconfig -p",),
    variants={
        "numa": Advice(
            Text("the system library libnuma.so.1 is missing", "缺少系统库 libnuma.so.1"),
            Text("install libnuma1", "安装 libnuma1"),
            ("sudo apt-get install -y libnuma1",),
        ),
        "nvrtc": Advice(
            Text(
                "libnvrtc.so.{release} is missing: it comes with torch for CUDA {release}, and torch is here for another CUDA than the "
                "kernel package, or its folder is not on the search path",
                "缺少 libnvrtc.so.{release}：它随 CUDA {release} 版的 torch 安装，而这里的 torch 与算子包面向的 CUDA 不同，或所在目录不在搜索路径里",
            ),
            Text(
                "compare torch's CUDA with {release}: if it is another, install sglang into a fresh environment; if it is the same, install "
                "the library's package (nvidia-cuda-nvrtc-cu12, from 13 on nvidia-cuda-nvrtc) and name its folder in LD_LIBRARY_PATH",
                "先看 torch 的 CUDA 版本是不是 {release}：不是就在干净环境里重装 sglang；是就装上这个库（nvidia-cuda-nvrtc-cu12，"
                "13 起叫 nvidia-cuda-nvrtc），并把所在目录加入 LD_LIBRARY_PATH",
            ),
            (
                "python -c 'import torch; print(torch.__version__, torch.version.cuda)'",
                "pip list | grep -i -e nvrtc -e ^torch",
            ),
        ),
        "glibc": Advice(
            Text(
                "a library of the system is older than what was built for a newer one (the line names both)",
                "系统库比编译时所用的旧（报错行里写了两者）",
            ),
            Text(
                "use sglang's image, or a newer system; for GLIBCXX in conda: `conda install -c conda-forge libstdcxx-ng`",
                "用官方镜像，或换更新的系统；conda 里缺 GLIBCXX 时执行 `conda install -c conda-forge libstdcxx-ng`",
            ),
            ("ldd --version", "docker pull lmsysorg/sglang:latest"),
        ),
        "amd": Advice(
            Text("a library of ROCm is missing (the line names it)", "缺少 ROCm 的库（报错行里写了名字）"),
            Text(
                "use the ROCm image of sglang, or name the folder of ROCm's libraries in LD_LIBRARY_PATH",
                "使用 ROCm 版 sglang 镜像，或把 ROCm 的库目录加入 LD_LIBRARY_PATH",
            ),
            ("ls -d /opt/rocm*/lib", "export LD_LIBRARY_PATH=/opt/rocm/lib:$LD_LIBRARY_PATH"),
        ),
        "ascend": Advice(
            Text(
                "a library of Ascend's driver or of CANN is missing (the line names it)",
                "缺少昇腾驱动或 CANN 的库（报错行里写了名字）",
            ),
            Text(
                "load CANN's environment before the start (libatb: also nnal/atb/set_env.sh); for libascend_hal give the container the "
                "driver's folder /usr/local/Ascend/driver",
                "启动前加载 CANN 环境（libatb 还要 nnal/atb/set_env.sh）；缺 libascend_hal 时给容器挂上驱动目录 /usr/local/Ascend/driver",
            ),
            (
                "source /usr/local/Ascend/ascend-toolkit/set_env.sh",
                "export LD_LIBRARY_PATH=/usr/local/Ascend/driver/lib64/driver:$LD_LIBRARY_PATH",
                "npu-smi info",
            ),
        ),
    },
    variant=_library,
    values=_library_values,
)


def _and(text: Text, more: Text) -> Text:
    return Text(text.en + more.en, text.zh + more.zh)


_TOOLKIT_OLD = Text(
    "a kernel is compiled at start, and the CUDA toolkit is too old for it: nvcc is there, but {missing} came with toolkit {release}",
    "启动时要即时编译算子，而 CUDA toolkit 太旧：nvcc 在，但 {missing} 从 {release} 版 toolkit 才有",
)
_TOOLKIT_NEW = Text(
    "install a CUDA toolkit 12.x (at least {release}, no newer than the driver allows) and name its folder in CUDA_HOME",
    "安装 12.x 的 CUDA toolkit（不低于 {release}，也不高于驱动支持的版本），并用 CUDA_HOME 指向它",
)
_TOOLKITS = (
    "nvcc --version; ls -d /usr/local/cuda*",
    "export CUDA_HOME=/usr/local/cuda-12 PATH=/usr/local/cuda-12/bin:$PATH",
)
_BUILD_FAILED = Text(
    "a kernel is compiled at start, and the compiler ran and failed: nvcc does not fit the card, torch or the kernels' sources, or the "
    "cache holds what another release left (its first line with `error:` says which)",
    "启动时要即时编译算子，编译器运行了但编译失败：nvcc 与显卡、torch 或算子源码不匹配，或缓存里有别的版本留下的文件（看第一行 `error:`）",
)
_REBUILD = Text(
    "let nvcc be of the CUDA that torch was built with and know the card (sm_120: 12.8 or newer), and empty the kernels' cache",
    "让 nvcc 与 torch 的 CUDA 版本一致，且支持这块卡（sm_120 要 12.8 以上），并清空算子缓存",
)
_CACHES = (
    "nvcc --version; python -c 'import torch; print(torch.version.cuda, torch.cuda.get_device_capability())'",
    "rm -rf ~/.cache/flashinfer ~/.cache/torch_extensions ~/.cache/tvm-ffi",
)
_NO_TOOLKIT = Text(
    "a kernel is compiled at start, and there is no CUDA toolkit, or CUDA_HOME does not name it (no compiler package brings it)",
    "启动时要即时编译算子，而没有 CUDA toolkit，或 CUDA_HOME 没有指向它（编译器软件包里没有）",
)
_TOOLKIT = Text(
    "install the CUDA toolkit of the CUDA that torch was built with and name its folder in CUDA_HOME, or use sglang's image",
    "安装与 torch 的 CUDA 版本一致的 CUDA toolkit 并设 CUDA_HOME，或用官方镜像",
)
_NVCC = ("which nvcc; ls -d /usr/local/cuda*", "python -c 'import torch; print(torch.version.cuda)'")
_OR_TRITON = Text(
    "; or use a backend that compiles nothing with nvcc: --attention-backend triton",
    "；或换不用 nvcc 编译的后端：--attention-backend triton",
)

cause(
    "build-tools-missing",
    [
        pattern(
            "cannot find ",
            "/usr/bin/ld: cannot find -lcuda: No such file or directory",
            regex=r"\bld(?:\.\w+)?: cannot find (?:-l\w|\S+\.o\b)",
            near="ld: cannot find the symbol",
            source="ld, through triton and tvm-ffi (sglang #26545)",
            weight=SPECIFIC,
        ),
        pattern(
            "libcuda.so cannot found",
            "AssertionError: libcuda.so cannot found! Possible files are located at ['/usr/lib/x86_64-linux-gnu/libcuda.so.1'].",
            near="libcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1",
            source="triton",
            weight=SPECIFIC,
        ),
        pattern(
            "Could not find nvcc",
            "RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't exist",
            near="nvcc: NVIDIA (R) Cuda compiler driver",
            source="flashinfer, torch",
        ),
        pattern(
            "CUDA_HOME environment variable is not set",
            "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
            near="No CUDA runtime is found, using CUDA_HOME='/usr/local/cuda'",
            source="torch",
        ),
        pattern(
            "Python.h: No such file",
            "main.c:1:10: fatal error: Python.h: No such file or directory",
            weight=SPECIFIC,
            near="In file included from /usr/include/python3.12/Python.h:12,",
            source="gcc, through triton",
        ),
        pattern(
            "Ninja is required to load C++ extensions",
            "RuntimeError: Ninja is required to load C++ extensions",
            near="Allowing ninja to set a default number of workers... (overridable by setting the environment "
            "variable MAX_JOBS=N)",
            source="torch",
        ),
        pattern(
            "returned non-zero exit status",
            "subprocess.CalledProcessError: Command '['ninja', '-v']' returned non-zero exit status 1.",
            regex=r"Command '?\[?'?(?:/\S+/)?(?:which', '\S*)?(?:ninja|nvcc|gcc|cc|g\+\+|c\+\+)['\b ].{0,2000}returned non-zero exit status",
            near="Command '['nvidia-smi']' returned non-zero exit status 9.",
            source="torch, triton",
            weight=GENERAL,
        ),
        pattern(
            "ninja: build stopped",
            "ninja: build stopped: subcommand failed.",
            weight=GENERAL,
            near="ninja: no work to do.",
            source="ninja",
        ),
        pattern(
            "Ninja build failed",
            "RuntimeError: Ninja build failed. Ninja output:",
            weight=GENERAL,
            near="ninja: Entering directory `/root/.cache/flashinfer/0.5.2/90a/cached_ops'",
            source="flashinfer",
        ),
        pattern(
            "not found",
            "/bin/sh: 1: /usr/local/cuda/bin/nvcc: not found",
            regex=r"sh: (?:\d+: |line \d+: )?(?:\S*/)?(?:nvcc|ninja|gcc|g\+\+|cc|c\+\+|cicc): (?:not found|command not found)",
            near="/bin/sh: 1: nvidia-smi: not found",
            weight=SPECIFIC,
            source="sh, bash",
        ),
        pattern(
            "No working C++ compiler found",
            "torch._inductor.exc.InvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx",
            weight=SPECIFIC,
            near="-- The CXX compiler identification is GNU 13.2.0",
            source="torch",
        ),
        pattern(
            "fatal error: ",
            "/tmp/a.cu:3:10: fatal error: cuda_runtime.h: No such file or directory",
            regex=r"fatal error: [\w./+-]+\.(?:h|cuh|hpp): No such file",
            near="fatal error: /data/m: No such file or directory",
            weight=SPECIFIC,
            source="nvcc, gcc",
        ),
        pattern(
            "is not defined for option 'std'",
            "nvcc fatal   : Value 'c++20' is not defined for option 'std'",
            near="ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'",
            source="nvcc before 12.0: sglang compiles its kernels as C++20",
            weight=SPECIFIC,
        ),
        pattern(
            "find CUDA_HOME",
            "AssertionError: Cannot find CUDA_HOME. CUDA must be available to build the package.",
            regex=r"(?:Can't|Cannot|Could not) find CUDA_HOME",
            near="No CUDA runtime is found, using CUDA_HOME='/usr/local/cuda'",
            source="deep_gemm, torch",
        ),
        pattern(
            "No such file or directory: '",
            "FileNotFoundError: [Errno 2] No such file or directory: 'ninja'",
            regex=r"No such file or directory: '(?:\S*/)?(?:nvcc|ninja|gcc|g\+\+|cc|c\+\+|ptxas|ldconfig)'",
            near="FileNotFoundError: [Errno 2] No such file or directory: 'ninja.txt'",
            source="Python",
        ),
        pattern(
            "assert cuda_home is not None",
            "    assert cuda_home is not None",
            regex=r"^    assert cuda_home is not None",
            near="    assert cuda_graph is not None",
            source="deep_gemm looks for nvcc as it is imported, and says nothing else (sglang #13468)",
        ),
        pattern(
            "Failed to find C compiler",
            "RuntimeError: Failed to find C compiler. Please specify via CC environment variable or set triton.knobs.build.impl.",
            near="-- The C compiler identification is GNU 13.2.0",
            source="triton",
            weight=SPECIFIC,
        ),
    ],
    shows=span("load", "warm-up"),
    title=Text("kernels can be compiled at start", "启动时能编译算子"),
    because=Text(
        "a kernel is compiled at start, and nvcc, ninja, a C compiler, Python.h or libcuda is missing",
        "启动时要即时编译算子，但缺少 nvcc、ninja、C 编译器、Python.h 或 libcuda",
    ),
    fix=Text(
        "install the tool that the line names (for -lcuda: LIBRARY_PATH=/usr/local/cuda/lib64/stubs), or use a "
        "backend that needs no nvcc: --attention-backend triton",
        "安装报错里缺的工具（缺 -lcuda 时设 LIBRARY_PATH=/usr/local/cuda/lib64/stubs），或换不需要 nvcc 的后端："
        "--attention-backend triton",
    ),
    commands=("sudo apt-get install -y build-essential python3-dev ninja-build", "which nvcc ninja gcc"),
    variants={
        "toolkit": Advice(_TOOLKIT_OLD, _and(_TOOLKIT_NEW, _OR_TRITON), (*_TOOLKITS, "{launch_line}")),
        "toolkit-triton": Advice(_TOOLKIT_OLD, _TOOLKIT_NEW, _TOOLKITS),
        "nvcc": Advice(_NO_TOOLKIT, _and(_TOOLKIT, _OR_TRITON), (*_NVCC, "{launch_line}")),
        "nvcc-triton": Advice(_NO_TOOLKIT, _TOOLKIT, _NVCC),
        "failed": Advice(_BUILD_FAILED, _and(_REBUILD, _OR_TRITON), (*_CACHES, "{launch_line}")),
        "failed-triton": Advice(_BUILD_FAILED, _REBUILD, _CACHES),
        "libcuda": Advice(
            Text(
                "a kernel is compiled at start, and the linker finds no libcuda.so (the driver brings libcuda.so.1 only)",
                "启动时要即时编译算子，而链接器找不到 libcuda.so（驱动只带 libcuda.so.1）",
            ),
            Text(
                "name the stub of the CUDA toolkit, or a folder in which libcuda.so is a link to the driver's libcuda.so.1",
                "指向 CUDA toolkit 里的 stub，或建一个目录，把 libcuda.so 链接到驱动的 libcuda.so.1",
            ),
            ("ldconfig -p | grep libcuda", "export LIBRARY_PATH=/usr/local/cuda/lib64/stubs:$LIBRARY_PATH"),
        ),
    },
    variant=toolchain.lack,
    values=toolchain.values,
    changes=toolchain.relaunch,
)

cause(
    "shm-too-small",
    [
        pattern(
            "/dev/shm",
            "failed to extend /dev/shm/nccl-HkzR2b to 33030532 bytes, error: No space left on device (28)",
            regex=r"/dev/shm/\S.{0,250}(?:No space left on device|error)|[Ee]rror.{0,200}/dev/shm/",
            near="leaving /dev/shm/sglang_loads_0a.shm behind",
            source="NCCL",
            weight=SPECIFIC,
        ),
        pattern(
            "shared memory",
            "RuntimeError: unable to allocate shared memory(shm) for file </torch_4711_1201>: No space left on device (28)",
            regex=r"shared memory.*No space left on device|insufficient shared memory \(shm\)|out of shared memory.*shm",
            near="out of resource: shared memory, Required: 131072, Hardware limit: 101376.",
            source="torch",
            weight=SPECIFIC,
        ),
        pattern(
            "No space left on device: '/",
            "OSError: [Errno 28] No space left on device: '/psm_8a1f22cd'",
            regex=r"No space left on device: '/(?:dev/shm/\S*|(?:psm_|torch_|sem\.|nccl-)[\w.-]*)'",
            near="OSError: [Errno 28] No space left on device: '/root/.cache/huggingface/hub/tmp1'",
            source="Python's shared memory",
            weight=SPECIFIC,
        ),
        pattern(
            "No space left on device",
            "RuntimeError: unable to write to file </torch_12_34_0>: No space left on device (28)",
            regex=r"file </(?:torch_|psm_|dev/shm)\S*>: No space left on device",
            near="write to file </data/m>: No space left on device (28)",
            source="torch",
            weight=SPECIFIC,
        ),
        pattern(
            "out of shared memory. Please try to raise your shared memory limit",
            "RuntimeError: DataLoader worker (pid 881) is killed by signal: Bus error. It is possible that dataloader's workers "
            "are out of shared memory. Please try to raise your shared memory limit.",
            near="triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 131072, Hardware "
            "limit: 101376.",
            source="torch",
            weight=SPECIFIC,
        ),
        pattern(
            "Call to posix_fallocate failed",
            "NCCL WARN Call to posix_fallocate failed : No space left on device",
            near="gpu07:8891:8891 [0] NCCL INFO Call to connect returned Connection refused, retrying",
            source="NCCL",
            weight=SPECIFIC,
        ),
    ],
    shows=span("device", "memory"),
    title=Text("/dev/shm is large enough", "/dev/shm 足够大"),
    because=Text(
        "the shared memory in /dev/shm was used up: a container has 64 MB of it by default",
        "共享内存 /dev/shm 不够用：容器默认只有 64 MB",
    ),
    fix=Text(
        "start the container with --shm-size 8g or --ipc=host, in a pod mount an emptyDir with `medium: Memory` at /dev/shm; where "
        "one GPU fits the model, --tp-size 1 needs none of it",
        "容器加 --shm-size 8g 或 --ipc=host，Pod 则把 `medium: Memory` 的 emptyDir 挂到 /dev/shm；"
        "单卡放得下模型时用 --tp-size 1，就不需要它",
    ),
    commands=("df -h /dev/shm",),
)


def _collective(session: Session, hit: Hit) -> str | None:
    """`rendezvous` where the machines do not find each other, `network` and `plugin` where NCCL tells of it, or an option."""
    if "NCCL WARN " in hit.text:
        return "network"
    if _RENDEZVOUS.search(hit.text) and _first_machine(session, hit):
        return "rendezvous"
    if chosen := optional.variant(session, hit):
        return chosen
    return "plugin" if any(_PLUGIN.search(line) for line in session.recent) else None


_RENDEZVOUS = re.compile(r"The client socket has |DistStoreError: Timed out")
"""What torch says of processes that never met; NCCL comes later."""
_MET_AT = re.compile(r"connect to(?: any network address of)? \(([\w.:-]{1,200}), (\d+)\)")
_PLUGIN = re.compile(r"NCCL WARN NET/OFI .*(?:[Ff]ailing initialization|initialization failed)")


def _first_machine(session: Session, hit: Hit) -> dict[str, str]:
    """The address at which the machines of a server meet; nothing where it is within one machine."""
    met = _MET_AT.search(hit.text) or next((m for _, text in hit.also.values() if (m := _MET_AT.search(text))), None)
    given = (session.argument("dist_init_addr") or "").rpartition(":")
    host, port = met.groups() if met else (given[0], given[2])
    if not host or host in ("None", "localhost", "::1") or host.startswith("127."):
        return {}
    return {"first": host, "first_port": port}


def _of_collectives(session: Session, hit: Hit) -> dict[str, str]:
    return {**optional.values(session, hit), **_first_machine(session, hit)}


cause(
    "nccl-failure",
    [
        pattern(
            "NCCL WARN ",
            "node5:240:240 [6] misc/socket.cc:533 NCCL WARN socketPollConnect: Connect to 10.0.0.4<56849> returned 113(No route to host)",
            regex=r"NCCL WARN socket\w+: Connect to \S+ (?:returned \d+\(|failed : )",
            near="gpu07:8891:8891 [0] misc/socket.cc:533 NCCL WARN socketProgress: Connection closed by remote peer gpu07<41022>",
            source="NCCL 2.2x (sglang #3820, #5594)",
            weight=SPECIFIC,
        ),
        pattern(
            "NCCL error",
            "RuntimeError: NCCL error: unhandled cuda error (run with NCCL_DEBUG=INFO for details)",
            near="gpu07:8891:8891 [0] NCCL INFO NET/Plugin: Could not find: libnccl-net.so. Using internal network plugin.",
            source="pynccl of sglang 0.4.x to 0.5.23",
        ),
        pattern(
            "DistBackendError",
            "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:268",
            near='[2026-11-02 22:10:05] INFO:     10.0.0.9:41002 - "GET /search?q=torch.distributed.DistBackendError '
            'HTTP/1.1" 404 Not Found',
            source="torch 2.x",
        ),
        pattern(
            "ncclUnhandledCudaError",
            "ncclUnhandledCudaError: Call to CUDA function failed.",
            weight=GENERAL,
            near="gpu07:8891:8891 [0] NCCL INFO ncclCommInitRank comm 0x5581 rank 0 nranks 2 cudaDev 0 busId 3b000 - "
            "Init COMPLETE",
            source="NCCL",
        ),
        pattern(
            "ncclSystemError",
            "ncclSystemError: System call (e.g. socket, malloc) or external library call failed",
            near='[2026-11-02 22:10:05] INFO:     10.0.0.9:41002 - "GET /search?q=ncclSystemError HTTP/1.1" 404 Not Found',
            source="NCCL",
        ),
        pattern(
            "ncclInternalError",
            "ncclInternalError: Internal check failed.",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='ncclInternalError: Internal "
            "check failed.')",
            source="NCCL",
        ),
        pattern(
            "connectFullMesh failed",
            "RuntimeError: Gloo connectFullMesh failed with [pair.cc:144] no error",
            near="[Gloo] Rank 0 is connected to 1 peer ranks. Expected number of connected peer ranks is : 1",
            source="gloo",
        ),
        pattern(
            "Connection closed by peer",
            "RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:5000",
            regex=r"gloo.*Connection closed by peer",
            near="requests.exceptions.ConnectionError: Connection closed by peer",
            source="gloo: what the other ranks say when one has died",
            weight=LAST,
        ),
        pattern(
            "Duplicate GPU detected",
            "Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 3b000",
            near="[rank0]:[W1102 22:10:05.1 ProcessGroupNCCL.cpp:5023] [PG ID 0 PG GUID 0 Rank 0] using GPU 0 as "
            "device used by this process is currently unknown.",
            source="NCCL",
            weight=SPECIFIC,
        ),
        pattern(
            "is setting up NCCL communicator",
            "RuntimeError: [1] is setting up NCCL communicator and retrieving ncclUniqueId from [0] via c10d key-value store",
            near="[rank0]:[W1102 22:10:05.1 ProcessGroupNCCL.cpp:1496] Warning: WARNING: destroy_process_group() was "
            "not called before program exit, which can leak NCCL communicators",
            source="torch, NCCL #708",
        ),
        pattern(
            "DistStoreError",
            "torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients. 1/2 clients joined.",
            near='[2026-11-02 22:10:05] INFO:     10.0.0.9:41002 - "GET /search?q=torch.distributed.DistStoreError '
            'HTTP/1.1" 404 Not Found',
            source="torch",
        ),
        pattern(
            "The client socket has ",
            "[c10d] The client socket has timed out after 600000ms while trying to connect to (10.0.0.1, 5000).",
            regex=r"The client socket has (?:timed out after|failed to connect to any network address)",
            near="The client socket has failed to connect to [gpu01]:5000 (errno: 110 - Connection timed out).",
            source="torch",
        ),
        pattern(
            "unhandled system error",
            "unhandled system error (run with NCCL_DEBUG=INFO for details)",
            weight=GENERAL,
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='NCCL: unhandled system error "
            "(run with NCCL_DEBUG=INFO)')",
            source="NCCL",
        ),
        pattern(
            "custom_all_reduce.cuh:",
            "/sgl-kernel/csrc/allreduce/custom_all_reduce.cuh:410",
            regex=r"^\S*custom_all_reduce\.cuh:\d+$",
            near="note: see custom_all_reduce.cuh:410 for the layout",
            source="sgl_kernel names the failed call on the line below its message (sglang #11957)",
        ),
        pattern(
            "CustomAllreduce",
            "RuntimeError: CustomAllreduce: peer access failed",
            regex=r"Error: .*[Cc]ustom.?[Aa]ll.?reduce",
            weight=GENERAL,
            near="[2026-11-02 22:10:05] Custom allreduce is disabled because your platform lacks GPU P2P capability "
            "or P2P test failed.",
            source="sglang",
        ),
        pattern(
            "Watchdog caught collective operation timeout",
            "[rank1]:[E] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=ALLREDUCE)",
            weight=SPECIFIC,
            near="[2026-11-02 22:10:05] Watchdog timeout (self.watchdog_timeout=300)",
            source="torch 2.x, sglang #3784",
        ),
    ],
    shows=span("device", "warm-up"),
    title=Text("the GPUs can talk to each other", "多卡通信正常"),
    because=Text("NCCL failed between the GPUs of this server", "多卡之间的 NCCL 通信失败"),
    fix=Text(
        "use one GPU where it fits the model (--tp-size 1); else look with NCCL_DEBUG=INFO, and try NCCL_P2P_DISABLE=1, or "
        "--disable-custom-all-reduce where the line names it",
        "单卡放得下模型时改用单卡（--tp-size 1）；否则加 NCCL_DEBUG=INFO 定位，并试试 NCCL_P2P_DISABLE=1，"
        "报错里有 custom_all_reduce 时加 --disable-custom-all-reduce",
    ),
    commands=("{nvidia_smi} topo -m",),
    variants={
        "option": PART,
        "custom-all-reduce": OWN_ALL_REDUCE,
        "rendezvous": Advice(
            Text(
                "the machines of this server did not find each other at {first} port {first_port} (--dist-init-addr), before NCCL had begun: "
                "the name does not resolve here, a firewall closes the port, or the first machine (--node-rank 0) was not started",
                "各台机器没有在 {first} 端口 {first_port}（--dist-init-addr）会合，还没轮到 NCCL：本机解析不了这个名字、防火墙没放行该端口，"
                "或第一台机器（--node-rank 0）没有启动",
            ),
            Text(
                "give all machines the same --dist-init-addr: the IP address of the one with --node-rank 0, and a free port of it that is "
                "open to the others; start all of them within ten minutes. One machine is enough where its GPUs hold the model",
                "所有机器的 --dist-init-addr 写成一样：--node-rank 0 那台的 IP，加它上面一个空闲且对其他机器放行的端口；十分钟内全部启动。单机显存够就不必多机",
            ),
            ("getent hosts {first}", "nc -vz -w 3 {first} {first_port}"),
        ),
        "plugin": Advice(
            Text(
                "NCCL has a network plugin for AWS (aws-ofi-nccl), which came with the image and finds no EFA adapter here: it ends the start "
                "of NCCL",
                "NCCL 加载了镜像自带的 AWS 网络插件（aws-ofi-nccl），而这台机器没有 EFA 网卡，NCCL 因此初始化失败",
            ),
            Text(
                "set NCCL_NET_PLUGIN=none for the server (docker: -e), and start it as before; one GPU needs no NCCL",
                "给服务设置 NCCL_NET_PLUGIN=none（docker 用 -e），再照原样启动；单卡用不到 NCCL",
            ),
            ("export NCCL_NET_PLUGIN=none",),
        ),
        "network": Advice(
            Text(
                "the processes of this server do not reach each other over the network: NCCL chose an interface that leads nowhere, or a "
                "firewall stands between the machines",
                "服务的各个进程之间网络不通：NCCL 选错了网卡，或机器之间有防火墙",
            ),
            Text(
                "name the interface that the machines share in NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME on each of them, and open all "
                "ports between them; one machine is enough where its GPUs hold the model",
                "在每台机器上用 NCCL_SOCKET_IFNAME、GLOO_SOCKET_IFNAME 指定互通的网卡，并放开机器之间的所有端口；单机显存够就不必多机",
            ),
            ("ip -brief address",),
        ),
    },
    variant=_collective,
    values=_of_collectives,
    changes=optional.without,
)


def _faulty(session: Session, hit: Hit) -> str | None:
    """`ascend` on an NPU, whose operators no option exchanges; `enormous` for a prefill of very many tokens."""
    if maker(session, hit) == "ascend":
        return "ascend"
    return "enormous" if relaunch.last_prefill(session) > relaunch.LARGE else None


cause(
    "illegal-memory-access",
    [
        pattern(
            "illegal memory access",
            "RuntimeError: CUDA error: an illegal memory access was encountered",
            near="torch.AcceleratorError: CUDA error: device-side assert triggered",
            source="CUDA",
            weight=SPECIFIC,
        ),
        pattern(
            "illegal instruction was",
            "RuntimeError: CUDA error: an illegal instruction was encountered",
            near="Illegal instruction (core dumped)",
            source="CUDA",
        ),
        pattern(
            "Memory access fault by GPU",
            "Memory access fault by GPU node-1 (Agent handle: 0x55) on address 0x7f.",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='Memory access fault by GPU node-1')",
            source="ROCm",
        ),
        pattern(
            "aborting with error : HSA_STATUS_ERROR_",
            ":0:rocdevice.cpp            :2990: 77123 us:  Callback: Queue 0x7f2a aborting with error : "
            "HSA_STATUS_ERROR_EXCEPTION: An HSAIL operation resulted in a hardware exception. code: 0x1016",
            regex=r"HSA_STATUS_ERROR_(?:EXCEPTION|MEMORY_\w+)",
            near="Queue 0x7f2a aborting with error : HSA_STATUS_ERROR_OUT_OF_RESOURCES: The runtime failed to allocate",
            source="ROCm",
        ),
        pattern(
            "misaligned address",
            "RuntimeError: CUDA error: misaligned address",
            regex=r"\b(?:CUDA|HIP)\b.*misaligned address",
            near="kernel.cpp:12:5: runtime error: load of misaligned address 0x7ffd for type 'int', which requires 4 "
            "byte alignment",
            source="CUDA",
            weight=SPECIFIC,
        ),
        pattern(
            "ector core exception",
            "Kernel task happen error, retCode=0x31, [vector core exception].[FUNC:PreCheckTaskErr][FILE:davinci_kernel_task.cc]",
            regex=r"Kernel task happen error, retCode=0x\w+, \[(?:vector|aicore|ai ?core)",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='[vector core exception]')",
            source="CANN (sglang #12464)",
            weight=SPECIFIC,
        ),
        pattern(
            "address access is invalid",
            "The extend info: errcode:(0, 0x200000000000000, 0) errorStr: The MPU address access is invalid. fixp_error0 info: 0xa0bfbd5",
            regex=r"errorStr: The (?:MPU|DDR|UB|\w+) address\b.* is invalid",
            near="ValueError: the address 10.0.0.999 is invalid",
            source="CANN (sglang #12464)",
            weight=SPECIFIC,
        ),
        pattern(
            "unspecified launch failure",
            "RuntimeError: CUDA error: unspecified launch failure",
            near="srun: error: Task launch for StepId=771.0 failed on node gpu01: Unspecified error",
            source="CUDA",
        ),
    ],
    shows=span("memory", "serving"),
    title=Text("no kernel accesses memory out of bounds", "没有算子越界访问显存"),
    because=Text(
        "a GPU kernel accessed memory out of bounds, which killed the server", "GPU 算子越界访问显存，服务因此退出"
    ),
    fix=Text(
        "start it {changes}; if it happens again, use a newer sglang",
        "{changes} 启动；再次出现时升级 sglang",
    ),
    commands=("{launch_line}",),
    variants={
        "enormous": Advice(
            Text(
                "a GPU kernel accessed memory out of bounds in a prefill of {tokens} tokens, which killed the server",
                "GPU 算子在一次 {tokens} 个 token 的预填充里越界访问显存，服务因此退出",
            ),
            Text(
                "start it {changes}: another attention backend, and fewer tokens at once; if it happens again, use a "
                "newer sglang",
                "{changes} 启动：换注意力后端，并减少一次计算的 token 数；再次出现时升级 sglang",
            ),
            ("{launch_line}",),
        ),
        "ascend": Advice(
            Text(
                "an operator on the NPU accessed memory out of bounds, which killed the server",
                "NPU 算子越界访问内存，服务因此退出",
            ),
            Text(
                "start it again with fewer tokens at once (--chunked-prefill-size, shorter texts); if it happens again, use the newest "
                "image of sglang for this NPU, with the CANN and driver that it asks for, and report it with these lines",
                "重新启动，并减少一次计算的 token 数（--chunked-prefill-size、更短的文本）；再次出现就换面向这款 NPU 的最新 sglang 镜像，"
                "CANN 和驱动按其要求，并带上这几行去提 issue",
            ),
            ("npu-smi info", "cat /usr/local/Ascend/ascend-toolkit/latest/version.cfg"),
        ),
    },
    variant=_faulty,
    changes=lambda session, hit: None if _faulty(session, hit) == "ascend" else relaunch.other_kernels(session, hit),
)

cause(
    "device-side-assert",
    [
        pattern(
            "device-side assert triggered",
            "torch.AcceleratorError: CUDA error: device-side assert triggered",
            near="Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.",
            source="CUDA",
        ),
        pattern(
            "index out of range in self",
            "IndexError: index out of range in self",
            near="IndexError: list index out of range",
            source="0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "Assertion `",
            "/pytorch/aten/src/ATen/native/cuda/Indexing.cu:1553: indexSelectLargeIndex: block: [0,0,0] Assertion "
            "`srcIndex < srcSelectDimSize` failed.",
            regex=r"Assertion `.*(?:srcIndex|ind_dim_size|index).*` failed",
            near="python3: /project/lib/Conversion/TritonGPUToLLVM/Utility.cpp:212: mlir::Value foo(): Assertion "
            "`rank == 2' failed.",
            source="torch",
        ),
    ],
    shows=span("memory", "serving"),
    title=Text("every token id and position is inside the model's tables", "token id 与位置都没有越界"),
    because=Text(
        "a token id beyond the vocabulary or a position beyond the model's last one (bge: 512) reached the model, which kills the "
        "whole server. "
        "LangChain's OpenAIEmbeddings sends tiktoken ids (up to 100,000) by default",
        "有超出词表的 token id，或超出模型最大位置（bge 为 512）的文本进了模型，整个服务会因此退出。"
        "LangChain 的 OpenAIEmbeddings 默认发送 tiktoken id（可达 10 万）",
    ),
    fix=Text(
        "send texts, not ids (LangChain: check_embedding_ctx_length=False), and take "
        "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN out of the environment",
        "只发送文本，不要发送 id（LangChain 设 check_embedding_ctx_length=False），"
        "并去掉环境变量 SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN",
    ),
)

cause(
    "attention-backend-unsupported",
    [
        pattern(
            "FlashAttention v3 Backend requires",
            "AssertionError: FlashAttention v3 Backend requires SM>=80 and SM<=90.",
            near="[2026-11-02 22:10:05] Attention backend not explicitly specified. Use fa3 backend by default.",
            source="0.4.6 to 0.5.9",
            weight=SPECIFIC,
        ),
        pattern(
            "FlashAttention only supports",
            "RuntimeError: FlashAttention only supports Ampere GPUs or newer.",
            near="[2026-11-02 22:10:05] Attention backend not explicitly specified. Use flashinfer backend by default.",
            source="flash-attn",
            weight=SPECIFIC,
        ),
        pattern(
            "ttention backend",
            "ValueError: Attention backend 'trtllm_mha' is not supported on this GPU",
            regex=r"(?:Error|Exception): .{0,300}[Aa]ttention backend.{0,300}(?:not supported|requires|only supports|not available)",
            near="Attention backend not specified. Use flashinfer backend by default.",
            source="0.5.x",
            weight=SPECIFIC,
        ),
        pattern(
            "Invalid configuration : ",
            "FlashInfer Internal Error: Invalid configuration : NUM_MMA_Q=2 NUM_MMA_D_QK=2 NUM_MMA_D_VO=2 NUM_MMA_KV=4",
            regex=r"Invalid configuration : (?:NUM_|num_)",
            near="Invalid configuration : no such key",
            source="flashinfer, head_dim 32 (sglang #6050)",
            weight=SPECIFIC,
        ),
        pattern(
            "nsupported max_mma_kv",
            "ValueError: Unsupported max_mma_kv: 0",
            near="[2026-11-02 22:10:05] WARNING:  Unsupported upgrade request.",
            source="flashinfer on cards with little shared memory",
            weight=SPECIFIC,
        ),
        pattern(
            "Only SM ",
            "AssertionError: Only SM 9.x, 10.x, and 11.x are supported",
            regex=r"Error: Only SM ?\d+\.x\b.* supported",
            near="Only SM counts above 80 are supported by this benchmark",
            source="flash-attn 4 (sglang #28297)",
            weight=SPECIFIC,
        ),
        pattern(
            "nvalid attention backend",
            "ValueError: Invalid attention backend: fa5",
            near="launch_server.py: error: argument --attention-backend: invalid choice: 'fa5' (choose from 'triton', "
            "'fa3')",
            source="0.4.6 to 0.5.9",
            weight=SPECIFIC,
        ),
        pattern(
            "only supported on ",
            "NotImplementedError: flash_attn at sgl-kernel is only supported on sm90 and above",
            regex=r"(?:flash_?attn|[Ff]lash_?[Aa]ttention|[Ff]lash ?MLA|trtllm|TRTLLM|cutlass|[Bb]ackend).{0,200} only supported on ",
            near="ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
            source="sgl-kernel",
            weight=SPECIFIC,
        ),
        pattern(
            "not supported",
            "ValueError: Cross attention is not supported in the torch_native attention backend.",
            regex=r"(?:Error|Exception): .*(?:[Aa]ttention|[Ee]ncoder[_-]only).* (?:is|are) not supported (?:in|by|with|for|on)",
            near="ValueError: encoder model is not supported",
            source="sglang",
        ),
        pattern(
            "out of resource: shared memory",
            "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 131072, Hardware limit: 101376.",
            near="RuntimeError: DataLoader worker (pid 881) is killed by signal: Bus error. It is possible that "
            "dataloader's workers are out of shared memory.",
            source="triton: the kernel's tiles are too large for this GPU",
            weight=SPECIFIC,
        ),
        pattern(
            "assert Lq in {",
            "AssertionError: assert Lq in {16, 32, 64, 128, 256, 576}, where Lq = 80.",
            near="    assert Lq == Lk and Lv == Lo",
            source="sglang #1109",
        ),
        pattern(
            "head_dim",
            "ValueError: flashinfer does not support head_dim 32",
            regex=r"(?:Error|Exception): .*(?:[Uu]nsupported|not support|Invalid).*head_dim",
            near="2026-11-02 22:10:05,101 - INFO - flashinfer.jit: Loading JIT ops: "
            "batch_prefill_with_kv_cache_dtype_q_bf16_head_dim_qk_128_head_dim_vo_128",
            source="flashinfer",
        ),
    ],
    shows=span("args", "warm-up"),
    title=Text("the attention backend serves this model on this GPU", "注意力后端适用于该模型与 GPU"),
    because=Text(
        "the attention backend that was requested, or chosen automatically, does not support this model or GPU",
        "指定（或自动选中）的注意力后端不支持该模型或 GPU",
    ),
    fix=Text("start it {changes}", "{changes} 启动"),
    commands=("{launch_line}",),
    changes=relaunch.other_backend,
)

cause(
    "gpu-hardware-error",
    [
        pattern(
            "uncorrectable ECC error",
            "RuntimeError: CUDA error: uncorrectable ECC error encountered",
            weight=SPECIFIC,
            near="| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |",
            source="CUDA",
        ),
        pattern(
            "NVRM: Xid",
            "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.",
            regex=r"NVRM: Xid \([^)]*\): (?!(?:13|31|43|45)\b)",
            near="NVRM: Xid (PCI:0000:3b:00): 45, pid=1234, name=python3, Ch 00000010",
            source="NVIDIA's kernel module: all but 13, 31, 43 and 45, which programs cause",
            weight=SPECIFIC,
        ),
        pattern(
            "fallen off the bus",
            "RuntimeError: GPU has fallen off the bus",
            weight=SPECIFIC,
            near="pcieport 0000:3a:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)",
            source="CUDA, NVIDIA's kernel module",
        ),
        pattern(
            "GPU is lost",
            "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.",
            weight=SPECIFIC,
            near="GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-5c0a)",
            source="nvidia-smi",
        ),
        pattern(
            "hardware stack error",
            "RuntimeError: CUDA error: hardware stack error",
            near="triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 131072, Hardware "
            "limit: 101376.",
            source="CUDA",
        ),
        pattern(
            "uncorrectable NVLink error",
            "RuntimeError: CUDA error: uncorrectable NVLink error detected during the execution",
            weight=SPECIFIC,
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='uncorrectable NVLink error')",
            source="CUDA",
        ),
        pattern(
            "GPU requires reset",
            "Unable to determine the device handle: GPU requires reset",
            weight=SPECIFIC,
            near="        Reset Required                    : No",
            source="nvidia-smi",
        ),
    ],
    shows=span("device", "serving"),
    title=Text("the GPU works", "GPU 硬件正常"),
    because=Text("the GPU itself reports a fault", "GPU 自身报告了硬件故障"),
    fix=Text("use another GPU; reset or replace this one", "换一块卡；对这块卡复位或报修"),
    commands=("{nvidia_smi} -q -d ECC,PAGE_RETIREMENT", "sudo dmesg -T | grep -i xid"),
    explains=(*OF_A_DEATH, "gpu.health"),
)


def _host_memory(session: Session, text: str) -> str | None:
    """sglang kills its own tree with signal 9 after any failure: only without one before it is it the system's doing."""
    raised = session.last_exception is not None and session.last_exception[1] != text
    own = any(_ASKED_TO_END in line for line in session.recent) and not _OF_A_CHILD.search(text)
    return None if raised or own or session.bind_failed else "host-oom-killed"


_ASKED_TO_END = "Received sigquit from a child process"
"""After this sglang kills its own tree: a child that the system killed could not have asked for it."""
_OF_A_CHILD = re.compile(r"\(exit code: -9\)|Exit code: -9|with exit code -9|Child process unexpectedly|exitcode  : -9")


_IN_SO_MANY_WORDS = re.compile(r"[Oo]ut of memory|oom|OOM|annot allocate|t allocate memory|MemoryError|Errno 12\]")


def _by_signal(session: Session, hit: Hit) -> str | None:
    """Whether it is only known that a process got signal 9, and not why."""
    return None if _IN_SO_MANY_WORDS.search(hit.text.partition(". If exit code is")[0]) else "signal"


def remains(session: Session, hit: Hit) -> dict[str, str]:
    """The server's own process, which may outlive its children: as its log names it."""
    if not session.pid or session.gone:
        return {"own": "", "own_zh": ""}
    words = {"own": f" (process {session.pid})", "own_zh": f"（进程 {session.pid}）"}
    return {**words, "server_pid": session.pid}


cause(
    "host-oom-killed",
    [
        pattern(
            "xit code",
            "Rank 0 scheduler died during initialization (exit code: -9). If exit code is -9 (SIGKILL), a common cause is "
            "the OS OOM killer.",
            regex=r"\(exit code: -9\)|(?:^|\] )Exit code: -9\b|with exit code -9\b",
            near="Exit code: -11",
            source="0.4.6 to 0.5.23",
            weight=GENERAL,
            choose=_host_memory,
        ),
        pattern(
            "Child process unexpectedly failed with ",
            "[2026-11-02 22:10:09] Child process unexpectedly failed with exitcode=9. pid=310",
            regex=r"Child process unexpectedly failed with (?:an )?exit ?code[= ]-?9\b",
            near="[2026-11-02 22:10:09] Child process unexpectedly failed with exitcode=256. pid=310",
            source="0.4.x to 0.5.3: the status as waitpid gives it",
            weight=GENERAL,
            choose=_host_memory,
        ),
        pattern(
            "SIGKILL",
            "2026-11-02 22:10:09,101 WARN exited: sglang (terminated by SIGKILL; not expected)",
            regex=r"terminated (?:by|with)(?: signal)? SIGKILL|via signal \[SIGKILL\]|Signal 9 \(SIGKILL\) received by PID",
            near="If exit code is -9 (SIGKILL), a common cause is the OS OOM killer.",
            source="supervisord, pm2, torch",
            weight=GENERAL,
            choose=_host_memory,
        ),
        pattern(
            "exitcode",
            "  exitcode  : -9 (pid: 3120)",
            regex=r"\bexitcode\s*: -9\b",
            near="  exitcode  : -11 (pid: 3120)",
            source="torchrun",
            weight=GENERAL,
            choose=_host_memory,
        ),
        pattern(
            "ut of memory: Killed process",
            "Memory cgroup out of memory: Killed process 4121 (sglang::schedul) total-vm:90000000kB",
            near="sglang.service: Killing process 4121 (sglang::schedul) with signal SIGKILL.",
            source="Linux",
            weight=SPECIFIC,
        ),
        pattern(
            "oom-kill:",
            "kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,task=sglang::schedul,pid=77,uid=0",
            regex=r"oom-kill:constraint=",
            near="started with --oom-kill: no",
            source="Linux",
            weight=SPECIFIC,
        ),
        pattern(
            "Exit Code: ",
            "      Exit Code:    137",
            regex=r"^\s*Exit Code: +137\s*$",
            near="      Exit Code:    143",
            source="kubectl describe",
            weight=GENERAL,
            choose=_host_memory,
        ),
        pattern(
            "The node was low on resource: ",
            "Message:          The node was low on resource: memory. Threshold quantity: 100Mi, available: 88Mi. Container sglang was using 4Gi.",
            regex=r"The node was low on resource: memory\b",
            near="Message:          The node was low on resource: ephemeral-storage. Threshold quantity: 5Gi, available: 4Gi.",
            source="kubernetes: the pod was evicted",
            weight=SPECIFIC,
        ),
        pattern(
            "with code 137",
            "embedding-1 exited with code 137",
            near="embedding-1 exited with code 13",
            source="docker compose",
            weight=LAST,
            choose=_host_memory,
        ),
        pattern(
            "with exit code 137",
            "command terminated with exit code 137",
            near="command terminated with exit code 13",
            source="kubectl",
            weight=LAST,
            choose=_host_memory,
        ),
        pattern(
            "killed",
            "[1]    12345 killed     python -m sglang.launch_server --model-path m",
            regex=r"^\[\d+\]\s+[+-]?\s*\d+ killed\s",
            near="[1] the process was killed",
            source="zsh",
            weight=LAST,
            choose=_host_memory,
        ),
        pattern(
            "oom_kill event",
            "slurmstepd: error: Detected 2 oom_kill events in StepId=771.batch. Some of the step tasks have been OOM Killed.",
            regex=r"Detected \d+ oom_kill events? ",
            near="the oom_kill event counter is at 0",
            source="slurm",
            weight=SPECIFIC,
        ),
        pattern(
            "OOMKilled",
            "Last State: Terminated  Reason: OOMKilled  Exit Code: 137",
            regex=r"OOMKilled(?!\W*false)",
            near='            "OOMKilled": false,',
            source="kubernetes",
            weight=SPECIFIC,
        ),
        pattern(
            "annot allocate memory",
            "RuntimeError: unable to mmap 1340616616 bytes from file </data/m/model.safetensors>: Cannot allocate memory (12)",
            regex=r"Errno 12\]|Cannot allocate memory",
            near="NCCL cannot allocate memory on the GPU",
            source="sglang #5762",
        ),
        pattern(
            "MemoryError",
            "MemoryError",
            regex=r"^(?:\w+\.)*(?:_Array)?MemoryError\b",
            near="CudaMemoryError: no",
            source="Python, numpy",
        ),
        pattern(
            "code=killed, status=9/KILL",
            "sglang.service: Main process exited, code=killed, status=9/KILL",
            near="sglang.service: Main process exited, code=killed, status=15/TERM",
            source="systemd",
            weight=GENERAL,
            choose=_host_memory,
        ),
        pattern(
            "OOM killer",
            "sglang.service: A process of this unit has been killed by the OOM killer.",
            regex=r"killed by the OOM killer",
            near="a common cause is the OS OOM killer. Run `dmesg`",
            source="systemd",
            weight=SPECIFIC,
        ),
        pattern(
            "DefaultCPUAllocator: can't allocate memory",
            "RuntimeError: [enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory",
            near="[W1102 22:10:05.1 CUDAAllocatorConfig.h:28] Warning: expandable_segments not supported on this "
            "platform (function operator())",
            source="torch",
            weight=SPECIFIC,
        ),
        pattern(
            "已杀死",
            "[1]+  已杀死               python -m sglang.launch_server --model-path /srv/models/bge-large-zh-v1.5",
            regex=r"^\s*(?:\[\d+\]\S*\s+|\S+[:：]\s*行?\s*\d+[:：]\s+\d+\s+)?已杀死(?:\s|$)",
            near="日志里写着已杀死的进程",
            source="bash",
            weight=LAST,
            choose=_host_memory,
        ),
        pattern(
            "Killed",
            "start.sh: line 3:  4711 Killed                  python3 -m sglang.launch_server --model-path m",
            regex=r"^\s*(?:\[\d+\]\S*\s+|\S+: line \d+:\s+\d+ )?Killed(?:\s{2,}|\s*$)",
            near="Killed by the operator",
            weight=LAST,
            choose=_host_memory,
            source="bash",
        ),
    ],
    shows=span("device", "serving"),
    title=Text("the machine has enough memory", "主机内存足够"),
    because=Text(
        "the operating system had no memory left for a process of the server, or killed it for want of memory: the host's memory "
        "or the container's limit ran out",
        "系统无法再给服务进程分配内存，或因内存不足杀掉了它：主机内存或容器内存上限不够",
    ),
    fix=Text(
        "give the container more memory, or free some: sglang needs about 2.5 GB beside the weights, more while it loads",
        "调大容器内存上限或腾出内存：除权重外 sglang 约需 2.5 GB，加载时更多",
    ),
    commands=("sudo dmesg -T | grep -i -e oom -e 'killed process'", "free -g"),
    variants={
        "signal": Advice(
            Text(
                "a process of the server was ended from outside by signal 9, with no error before it: as a rule by the kernel, because "
                "host memory or the container's limit ran out, else by a person or a supervisor",
                "服务的一个进程被外部用信号 9 结束，之前没有任何报错：通常是主机内存或容器内存上限不够，被内核杀掉；否则是被人或守护程序杀掉",
            ),
            Text(
                "look for it in the kernel's log: if it is there, give the container more memory (sglang needs about 2.5 GB beside the "
                "weights, more while it loads); if not, find out who sends the signal. Stop what is left of the server{own}, then "
                "start it again",
                "先查内核日志：有记录就调大容器内存上限（除权重外 sglang 约需 2.5 GB，加载时更多）；没有就查是谁发的信号。"
                "停掉服务残留的进程{own_zh}，再重新启动",
            ),
            ("sudo dmesg -T | grep -i -e oom -e 'killed process'", "free -g", "kill {server_pid}", "{launch_line}"),
        ),
    },
    variant=_by_signal,
    values=remains,
    changes=lambda session, hit: {} if _by_signal(session, hit) else None,
)

cause(
    "segfault",
    [
        pattern(
            "xit code",
            "Exit code: -11",
            regex=r"[Ee]xit code:? -11\b",
            near="Exit code: -9",
            weight=GENERAL,
            source="0.4.6 to 0.5.23",
        ),
        pattern(
            "Child process unexpectedly failed with ",
            "[2026-11-02 22:10:09] Child process unexpectedly failed with exitcode=139. pid=310",
            regex=r"Child process unexpectedly failed with (?:an )?exit ?code[= ](?:-?11|139|-?4|132|-?6|134)\b",
            near="[2026-11-02 22:10:09] Child process unexpectedly failed with exitcode=9. pid=310",
            source="0.4.x to 0.5.3: the status as waitpid gives it",
            weight=LAST,
        ),
        pattern(
            "Segmentation fault",
            "Fatal Python error: Segmentation fault",
            near="Segmentation faults are rare",
            regex=r"Segmentation fault(?: \(core dumped\))?\s*$|Fatal Python error: Segmentation fault",
            source="bash, faulthandler",
        ),
        pattern(
            "段错误",
            "段错误 (核心已转储)",
            weight=GENERAL,
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='程序报 段错误 (核心已转储) 怎么排查')",
            source="bash",
        ),
        pattern(
            "Main process exited",
            "embedding.service: Main process exited, code=dumped, status=11/SEGV",
            regex=r"code=(?:dumped|killed), status=(?:11/SEGV|4/ILL)",
            near="embedding.service: Main process exited, code=killed, status=9/KILL",
            weight=GENERAL,
            source="systemd",
        ),
        pattern(
            "Exit Code: ",
            "      Exit Code:    139",
            regex=r"^\s*Exit Code: +(?:139|132|134)\s*$",
            near="      Exit Code:    137",
            weight=GENERAL,
            source="kubectl describe",
        ),
        pattern(
            "xited with code 139",
            "embedding-1 exited with code 139",
            near="embedding-1 exited with code 137",
            weight=GENERAL,
            source="docker",
        ),
        pattern(
            "xit code",
            "Exit code: -4",
            regex=r"[Ee]xit code:? -4\b",
            near="Exit code: -44",
            weight=GENERAL,
            source="0.4.6 to 0.5.23",
        ),
        pattern(
            "llegal instruction",
            "Illegal instruction (core dumped)",
            regex=r"^(?:Fatal Python error: |\[\d+\]\S*\s+|\S+[:：] (?:line|行) ?\d+[:：]\s+\d+ )?Illegal instruction\b",
            near="RuntimeError: CUDA error: an illegal instruction was encountered",
            source="bash, faulthandler",
        ),
        pattern(
            "segfault at ",
            "python3[9912]: segfault at 0 ip 00007f2 sp 00007ff error 4 in libcuda.so.550.54[7f2b+1a0000]",
            regex=r"\]: segfault at [0-9a-f]+ ip ",
            near="the report on a segfault at night",
            source="Linux",
            weight=GENERAL,
        ),
        pattern(
            "trap invalid opcode",
            "traps: python3[771] trap invalid opcode ip:7f11 sp:7ffd error:0 in libtorch_cpu.so[7f10+1]",
            near="traps: gdbserver[771] trap int3 ip:55d1 sp:7ffe error:0 in sample[55d1+1]",
            source="Linux",
            weight=GENERAL,
        ),
        pattern(
            "非法指令",
            "非法指令 (核心已转储)",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='非法指令 (核心已转储) 怎么排查')",
            source="bash",
        ),
        pattern(
            "' failed",
            "python3: /project/lib/Conversion/TritonGPUToLLVM/Utility.cpp:212: mlir::Value foo(): Assertion `rank == 2' "
            "failed.",
            regex=r"^[\w./-]+: \S+:\d+: (?!.*mma -> mma).*Assertion `.*' failed\.?\s*$",
            near="RuntimeError: the test 'sm' failed",
            source="glibc",
            weight=GENERAL,
        ),
        pattern(
            "double free or corruption",
            "double free or corruption (!prev)",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='double free or corruption (!prev)')",
            source="glibc",
            weight=GENERAL,
        ),
        pattern(
            "(): ",
            "free(): invalid pointer",
            regex=r"^(?:free|malloc|realloc|munmap_chunk|malloc_consolidate)\(\): (?:invalid|unaligned|corrupt|memory)",
            near="<jemalloc>: Invalid conf pair: background_thread:true",
            source="glibc",
            weight=GENERAL,
        ),
        pattern(
            "segmentation fault",
            "[1]    12345 segmentation fault (core dumped)  python -m sglang.launch_server",
            regex=r"^\[\d+\]\s+[+-]?\s*\d+ segmentation fault",
            near="a segmentation fault in the report",
            source="zsh",
        ),
        pattern(
            "xit code",
            "Subprocess scheduler_0 (pid=8) crashed with exit code -6. Triggering SIGQUIT for cleanup...",
            regex=r"[Ee]xit code:? -6\b",
            near="Exit code: -9",
            source="abort() of native code",
            weight=LAST,
        ),
        pattern(
            "Segfault encountered",
            "!!!!!!! Segfault encountered !!!!!!!",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='!!!!!!! Segfault encountered "
            "!!!!!!!')",
            source="torch",
        ),
        pattern(
            "SIGSEGV",
            "!!!!!!! Segfault encountered !!!!!!! SIGSEGV",
            regex=r"\bSIGSEGV\b",
            weight=GENERAL,
            near='[2026-11-02 22:10:05] INFO:     10.0.0.9:41002 - "GET /search?q=SIGSEGV HTTP/1.1" 404 Not Found',
            source="torch",
        ),
    ],
    shows=span("args", "serving"),
    title=Text("no native code crashes", "没有原生代码崩溃"),
    because=Text(
        "native code crashed (signal 11, or 4: an instruction that this CPU lacks): a kernel package or driver that does "
        "not fit",
        "原生代码崩溃（信号 11；信号 4 表示 CPU 缺少所需指令）：算子包或驱动不匹配",
    ),
    fix=Text("install sglang into a fresh environment, or use its image", "在干净环境重装 sglang，或用官方镜像"),
    commands=("pip check", "{cards}"),
)
