"""What sglang, uvicorn and the shell write at each turn of a server's life, whatever the release."""

from __future__ import annotations

import re

from bgecheck.model import Text

READY = "The server is fired up and ready to roll!"
SHELL_LINE = r"(?:line \d+: |第 ?\d+ ?行[:：] ?|\d+: )?"
"""The line of a script as a shell writes it before its message: bash in English and Chinese, dash; zsh has none."""

PHASES = ("args", "device", "load", "memory", "graph", "warm-up", "serving")
"""How far a start has come, in the order in which sglang goes through it."""

STAGE_NAMES = {
    "args": Text("the parsing of the arguments", "解析参数"),
    "device": Text("the start of the device", "初始化设备"),
    "load": Text("the loading of the weights", "加载权重"),
    "memory": Text("the reservation of memory", "分配显存池"),
    "graph": Text("the capture of CUDA graphs", "捕获 CUDA graph"),
    "warm-up": Text("the warm-up", "预热"),
    "serving": Text("serving", "运行"),
}
"""Each phase as a noun in a sentence."""

PHASE_WORDS = {phase: Text(phase, name.zh) for phase, name in STAGE_NAMES.items()}
"""Each phase as a value of a row: its id, which scripts read, and what a Chinese sentence calls it."""

OPENINGS = {
    "server_args=": "args",
    "Load weight begin": "load",
    "Load weight end": "memory",
    "Capture cuda graph begin": "graph",
}
"""What a log that holds this line covers from its beginning: the phase that the line begins, or, for the
arguments, the one that it ends, before which sglang writes nothing but errors and warnings."""


def following_phase(phase: str) -> str:
    """The phase after `phase`; serving is the last."""
    return PHASES[min(PHASES.index(phase) + 1, len(PHASES) - 1)]


MILESTONES = (
    ("server_args=", "device"),
    ("Init torch distributed begin", "device"),
    ("Init parallel begin", "device"),
    ("Load weight begin", "load"),
    (" checkpoint shards:", "load"),
    ("Load weight end", "memory"),
    ("KV Cache is allocated", "memory"),
    ("Capture cuda graph begin", "graph"),
    ("Capturing batches (", "graph"),
    ("Capture cuda graph end", "warm-up"),
    (", context_len=", "warm-up"),
    ("Started server process", "warm-up"),
    ("Uvicorn running on", "warm-up"),
)
STAGES = (
    ("server_args=", "arguments"),
    ("Init torch distributed begin", "device"),
    ("Load weight begin", "weights"),
    ("Load weight end", "memory-pool"),
    ("Capture cuda graph begin", "graph-capture"),
    ("Capture cuda graph end", "warm-up"),
    ("Started server process", "warm-up"),
)
"""What begins with a line; each stage lasts until the next that was seen."""
BIND_FAILED = ("while attempting to bind on address", "[WinError 10048]")
WARNED_START = "is still supported, but 'sglang serve' is the recommended entrypoint"
ARGS = re.compile(r"\bserver_args=(?:ServerArgs\(|\{)")
USAGE = re.compile(r"^(?:usage: (?:sglang serve|launch_server\.py)|.*Automatically detected platform )")
LAUNCHED = re.compile(r"launch_server\.py\", line \d+, in <module>")
"""The outermost frame of a start that failed before it wrote its arguments."""
STOPPING = (
    "SIGTERM received",
    "Gracefully exiting",
    "KeyboardInterrupt",
    "Finished server process",
    "SIGINT received",
    "Received SIGTERM",
    "Received SIGINT",
    "eceived signal 15",
    "slurmstepd: error: *** ",
    "Deactivated successfully",
    "Gracefully stopping...",
)
EXPIRED = "DUE TO TIME LIMIT"
"""How slurmstepd says that a job ends because its time is over, and nobody stopped it."""
COMPOSE_STOPS = "Gracefully stopping..."
"""What docker compose writes as it gives up too, before it tells why no container was started."""
DYING = (
    "sglang serve: error: ",
    "launch_server.py: error: ",
    ": error: unrecognized arguments",
    ": error: argument ",
    ": error: ambiguous option",
    ": error: the following arguments",
    "Received sigquit",
    "SIGQUIT received",
    "scheduler is dead",
    "died during initialization",
    "crashed with exit code",
    "Scheduler hit an exception",
    "DetokenizerManager hit an exception",
    "TokenizerManager hit an exception",
    "Initialization failed",
    "Fatal Python error",
    "!!! Segfault encountered !!!",
    "exited with code 137",
    "oom_kill event",
    "oom-kill event",
    "terminated with exit code 137",
)
PROCESS = re.compile(r"Started server process \[(\d{1,10})\]")
EXITED = re.compile(
    r"^(?P<service>[\w.-]+) exited with code (?P<code>\d+)"
    r"|^\S+\.service: Main process exited, code=\w+, status=(?P<status>\d+)/"
)
"""What docker compose and systemd say of a process that has ended."""
ORDERLY = ("0", "15", "130", "143")
"""Exit codes, and a signal, of a process that was stopped."""
SERVICE = re.compile(rb"^(?:\x1b\[[\d;]*m)?([\w.-]+) +\| ")
"""What docker compose writes before each line of a service."""
TERMINATED = re.compile(
    r"^(?:\[\d+\]\S?\s+|\S+[:：] (?:line|行) ?\d+[:：]\s+\d+ )?(?:Terminated|已终止)(?:\s{2,}|\s*$)"
)
"""What a shell says of a job that was stopped with SIGTERM."""
JOINED = "Dummy health check server s"
"""What a node of several that answers no clients writes when it is ready: it takes its part from the first node."""
FOLLOWING = ("BrokenPipeError", "include_parent=True", "EOFError")
"""What follows a death. A client that hangs up leaves some of it too, so it proves none."""
KILLED = re.compile(
    r"^\s*(?:\[\d+\]\S*\s+|\S+[:：]\s*(?:line|行)?\s*\d+[:：]\s+\d+\s+)?"
    r"(?:(?:Killed|Aborted)(?:\s{2,}|\s*$)|Aborted \(|(?:Segmentation fault|已杀死|已中止|段错误)\b)"
    r"|^\[\d+\]\s+[+-]?\s*\d+ (?:killed|segmentation fault|abort|illegal)"
)
NOISE = (
    "Ignore import error when loading",
    ": obj=",
    "nanobind: leaked",
    "Receive: obj",
    "Finish: obj",
    '"event": "request.',
)
"""Lines that quote other text: what they hold is never a cause."""
PROSE = re.compile(
    r"(?!错误|警告|致命|失败|无法|不能|段错误|内存|设备|作业|单元|已)(?=[\u4e00-\u9fff])(?:[^\u4e00-\u9fff]*[\u4e00-\u9fff]){6}.*[，。？！]"
)
"""What somebody wrote between the lines of a log: a sentence in Chinese that tells of errors, and is none of a program."""
IMPORT = re.compile(r"Ignore import error when loading sglang\.srt\.models\.(\w+)[.:] ?(.*)")
SGLANG = re.compile(
    r"\bsglang[/\\](?:srt|python|cli|lang|kernels|jit_kernel|launch_server|utils|version|__init__|__main__|global_config)\b|"
    r"sglang\.srt|sglang::(?!router)|sglang serve|sgl_kernel|sgl-kernel|'sglang(?:\.\w+)?'|launch_server\.py|"
    r"\bserver_args=|[Ll]oad weight (?:begin|end)\.|(?:Prefill|Decode|new fill) batch[.,] #|The server is fired up and ready to roll!|"
    r"Init torch distributed (?:begin|ends)\.|Capture cuda graph (?:begin|end)\.|KV Cache is allocated\. |"
    r"Received sigquit from a child proces|Scheduler hit an exception: |Gracefully exiting\.\.\. [Rr]emaining number"
)
"""What only sglang writes; its name alone also stands in notes, in shell histories, and in folders of models and
environments that other engines print."""


def is_of_sglang(text: str) -> bool:
    """Whether one of the lines of a text was written by sglang."""
    return SGLANG.search(text) is not None


STYLE = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [A-Z]{2,5}\d{1,4}){0,4}\] ")
"""How a line of sglang's loggers begins; others may write so too."""
STAMP = re.compile(r"^\[?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)")
WRITTEN = re.compile(r"^\[?\d{4}-\d\d-\d\d|^(?:INFO|WARNING|ERROR|DEBUG)\b|^[^|]{0,80}\d+%")
"""What a process that goes on writes: lines of a logger, and progress."""
EXCEPTION = re.compile(
    r"^(?:\[rank\d+\]: )?(?:(?:[\w.]+\.)?(?:_?[A-Z]\w*(?:Error|Exception|Interrupt|Timeout)|Exception)"
    r"|(?:[a-z_]\w*\.)+(?:_?[A-Z]\w+|gaierror|error))(?::|$)"
)
WARNING = re.compile(r"^\[W\d|[Ww]arning\b|\bWARN\b")
ACCESS = re.compile(r'(?<!\] )"(GET|POST) (\S+) HTTP/[\d.]+" (\d{3})')
"""As uvicorn writes it; web servers in front of it write the time in brackets before the request."""
_ASKED = re.compile(r'(?<="GET )\S+(?= HTTP/)|(?<=\?)\S+(?= HTTP/)')


def without_request(text: str) -> str:
    """A line without what a client asked for, by a path or a query: that tells nothing of the server."""
    return _ASKED.sub("", text) if " HTTP/" in text else text


BATCH = re.compile(r"Prefill batch(?: \[\d+\])?[.,] #new-seq: \d+, #new-token: (\d+), #cached-token: (\d+)")
SERVES = re.compile(r"^\[[^\]]{0,80}\] (?:Prefill|Decode) batch(?: \[\d+\])?[.,] #")
"""What a log whose beginning is cut off shows of a server that works."""
GENERATES = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/generate",
    "/api/chat",
    "/api/generate",
)
"""Routes that only a generation server answers."""
ROUTER = "sglang-router"
OTHER_ENGINES = (
    # sglang before 0.4.6 and vLLM's kernels in it write `INFO 11-02 22:10:05 [__init__.py:239]` too.
    (
        "vLLM",
        re.compile(
            r"\bvllm\b|Avg prompt throughput: |^[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d \[(?!__init__)[\w/]+\.py:\d+\] ",
            re.IGNORECASE,
        ),
    ),
    ("text-embeddings-inference", re.compile(r"text_embeddings_\w+|text-embeddings-inference")),
    (
        "Ollama",
        re.compile(r"\bollama\b|llama runner|^time=\S+ level=[A-Z]+ source=\w+\.go:\d+ msg=", re.IGNORECASE),
    ),
    ("Infinity", re.compile(r"infinity_emb|michaelfeil/infinity", re.IGNORECASE)),
    ("Xinference", re.compile(r"xinference", re.IGNORECASE)),
    ("LocalAI", re.compile(r"\blocalai\b|Loading model '[^']+' with backend ", re.IGNORECASE)),
    (
        "llama.cpp",
        re.compile(r"llama_model_loader|llama_server|llama_init|\b(?:update_slots|launch_slot_|log_server_r): "),
    ),
    ("sentence-transformers", re.compile(r"sentence_transformers\.SentenceTransformer(?: - INFO|:)")),
    ("LMDeploy", re.compile(r"\blmdeploy\b", re.IGNORECASE)),
    ("text-generation-inference", re.compile(r"text_generation_(?:launcher|router)")),
    (
        "Triton Inference Server",
        re.compile(r"tritonserver|NVIDIA Triton|Triton Inference Server|GRPCInferenceService"),
    ),
    ("FastChat", re.compile(r"fastchat[./]")),
    ("LM Studio", re.compile(r"\bLM ?STUDIO\b|model has crashed without additional information", re.IGNORECASE)),
    ("LiteLLM", re.compile(r"\blitellm\b", re.IGNORECASE)),
    ("New API", re.compile(r"\b(?:One|New) API v\S+ (?:started|ready)")),
    (
        ROUTER,
        re.compile(
            r"\b(?:sglang_router_rs|sgl_model_gateway|smg)(?:_\w+)?::|\[Router \(Rust\)\]|^Error starting router: |sglang_router[/\\.]launch_router"
        ),
    ),
    (
        "nginx",
        re.compile(r"^\S+ \S+ \S+ \[\d{1,2}/[A-Z][a-z]{2}/\d{4}:|\[(?:emerg|alert|crit|error|warn|notice)\] \d+#\d+"),
    ),
)


def answers(method: str, path: str) -> str:
    """What a request asks for: an `embedding`, a `generation`, another `post`, or a `page`.

    sglang's own start posts to /freeze_gc, at times after its ready line: nobody was served by that.
    """
    if method == "GET" or path.startswith("/freeze_gc"):
        return "page"
    if path.startswith(("/v1/e", "/encode")):
        return "embedding"
    return "generation" if path.partition("?")[0] in GENERATES else "post"


COMMAND = re.compile(
    r"(?:(?:\S*/)?python[\d.]* (?:-\S+ )*(?:-m ?sglang\.launch_server|\S*launch_server\.py)"
    r"|(?:\S*/)?sglang serve) [^>|;&]*"
)
"""A launch command as a shell, a container or a service manager repeats it."""
LISTED = re.compile(
    r"\[ ?(?:'(?:[^'\\]|\\.){0,2000}'|\"(?:[^\"\\]|\\.){0,2000}\")(?:, ?(?:'(?:[^'\\]|\\.){0,2000}'|\"(?:[^\"\\]|\\.){0,2000}\")){2,} ?\]"
)
"""A command as a list of words, as Python and JSON write it."""
WEIGHTS = re.compile(r"Load weight (begin|end)\..*?avail mem=(\d+\.?\d*) GB(?:, mem usage=(\d+\.?\d*) GB)?")
"""The free memory of the GPU before and after the weights were loaded, and what they take, in GiB."""
ROUTED = re.compile(r"Starting router on ([\w.:\[\]-]+):(\d{1,5}) \|")
"""The host and port that sglang's router listens on."""
TYPE = re.compile(r"\btype=(\w+)")
BEFORE_CLS = re.compile(r"Load weight end\. type=\w+, dtype=")
"""As releases before 0.5.9 end the loading; later ones tell first how long it took."""
EVENTS = (
    *(mark for mark, _ in MILESTONES),
    *STOPPING,
    *DYING,
    *FOLLOWING,
    *BIND_FAILED,
    WARNED_START,
    READY,
    JOINED,
    "exited with code ",
    "Main process exited",
    "Terminated",
    "已终止",
    "Killed",
    " killed  ",
    " segmentation fault",
    "已杀死",
    "Segmentation fault",
    "Aborted",
    "已中止",
    "段错误",
    "Segfault",
    "usage: sglang serve",
    "usage: launch_server.py",
    "launch_server.py",
    "sglang.launch_server -",
    "sglang.launch_server'",
    'sglang.launch_server"',
    "sglang serve -",
    "sglang', 'serve'",
    'sglang", "serve"',
    'sglang","serve"',
    "Automatically detected platform",
    "Starting router on ",
    "Command:",
    "command:",
    "Args:",
    "args:",
)
"""What a line holds that changes the state of a session."""
