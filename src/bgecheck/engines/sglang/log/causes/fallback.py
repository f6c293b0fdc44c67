"""The last resort for an error that no rule knows: its words, where in a start it came, and the frames above it."""

import re
from typing import NamedTuple

from bgecheck.engines.sglang.log import optional
from bgecheck.engines.sglang.log.causes.device import out_of_memory
from bgecheck.engines.sglang.log.rules import GUESSED, LAST, PATTERNS, Pattern
from bgecheck.engines.sglang.log.session import Session

_FRAMES = 25
"""Lines above an error in which its innermost frames stand."""

_INNERMOST = 8
"""Lines above an error in which the frames stand that raised it."""

_READ = 600
"""Characters of an error and of each frame that are judged: what is said comes first."""

_MOST = 500
"""Errors of one session that are judged by their words: a hostile log has millions."""

_EARLY = ("args", "device", "load")
_START = ("args", "device")
_LOADING = ("load",)
_LATE = ("memory", "graph", "warm-up", "serving")


class Guess(NamedTuple):
    """Words that an error of one cause holds, in the phases in which it can come; `frames` must stand above it."""

    cause: str
    words: str
    phases: tuple[str, ...] = ()
    frames: str = ""

    def fits(self, phase: str, text: str, frames: str) -> bool:
        """Whether an error in this phase, below these frames, is one."""
        if self.phases and phase not in self.phases:
            return False
        match = re.search(self.words, text, re.IGNORECASE)
        return match is not None and (not self.frames or re.search(self.frames, frames) is not None)


_HUB = r"huggingface|hf-mirror|modelscope|/resolve/|/api/models"
_BAD = r"not (?:be )?(?:found|exist|supported|implemented|available|compatible|allowed)|n't exist|does not|unsupported|only support|requires?\b|invalid|unknown"

GUESSES = (
    Guess("engine-internal-error", r"\bleak", ("serving",)),
    Guess("python-env-broken", r"module '(?!transformers|sgl_kernel|flashinfer)[\w.]+' has no attribute", _START),
    Guess("tls-certificate-error", r"certificate|\bCA bundle\b|SSL.*(?:verif|hostname)"),
    Guess("trust-remote-code-required", r"trust[-_]remote[-_]code|custom code"),
    Guess(
        "hf-gated-or-unauthorized",
        rf"\b40[13]\b.*(?:{_HUB}|Request ID)|gated|(?:not authori[sz]ed|unauthori[sz]ed)",
        _EARLY,
    ),
    Guess("hf-repo-not-found", rf"\b404\b.*(?:{_HUB}|Request ID)|(?:Entry|Repository|Revision) ?Not ?Found", _EARLY),
    Guess("disk-full", r"no space left|quota exceeded|disk (?:is )?full|not enough (?:free )?(?:disk|space)"),
    Guess(
        "permission-denied",
        r"permission denied|operation not permitted(?! when)|read-only file system|access is denied",
    ),
    Guess("shm-too-small", r"/dev/shm|shared memory.*(?:limit|size|small|space)", ("device", "load", "memory")),
    Guess("port-in-use", r"\bport\b.*(?:in use|occupied|not available|taken)|address (?:already )?in use"),
    Guess(
        "hf-unreachable",
        rf"offline mode|name resolution|name or service not known|getaddrinfo|snapshot|"
        rf"(?:{_HUB}).*(?:time|connect|refused|reset|reach)|(?:time|connect|refused|reset|reach)\w*.*(?:{_HUB})",
        _EARLY,
    ),
    Guess("cuda-driver-too-old", r"driver.*(?:too old|insufficient|older|upgrade|update|incompatible)"),
    Guess("proxy-breaks-warmup", r"\bprox(?:y|ies)\b|\bSOCKS\b", ("warm-up",)),
    Guess("hf-unreachable", r"\bprox(?:y|ies)\b|\bSOCKS\b", _EARLY),
    Guess(
        "nccl-failure",
        r"\bNCCL|\bgloo\b|rendezvous|TCPStore|ProcessGroup|process group|\bc10d\b|all_?reduce|store based barrier|"
        r"peer access|^RuntimeError: Socket Timeout",
    ),
    Guess("gpu-oom-graph-capture", r"(?:cuda ?graph|captur).*out of memory|out of memory.*(?:cuda ?graph|captur)"),
    Guess(
        "kv-pool-exhausted",
        r"\bkv[ _-]?(?:cache|pool)|(?:token|page|req\w*)[ _]slots?|token_to_kv|req_to_token",
        ("serving",),
    ),
    Guess(
        "gpu-oom-kv-pool",
        r"mem[-_ ]fraction|max_total_num_tokens|memory pool|kv[ _-]?cache.*(?:small|enough|room|insufficient|fit|larger)",
        ("device", "load", "memory", "graph"),
    ),
    Guess("out-of-memory", r"out of memory|OutOfMemory"),
    Guess(
        "host-oom-killed",
        r"(?:host|system|cpu|ram)\b.*(?:not enough|insufficient|exhausted)|insufficient (?:host|system) memory",
    ),
    Guess("gpu-hardware-error", r"\bECC\b|\bXid\b|NVLink error|hardware (?:error|fault)|fallen off|GPU is lost"),
    Guess(
        "dtype-unsupported",
        rf"\b(?:bf16|bfloat16|fp8|float8\w*|fp4|half)\b.*(?:{_BAD})|(?:{_BAD}).*\b(?:bf16|bfloat16|fp8|float8\w*)\b|"
        r"expected scalar type|expected .*\bdtype|(?:must|to) have the same dtype",
    ),
    Guess(
        "bad-cli-arguments",
        r"\b\w+_(?:size|num|len|length|backend|method|mode)\b.*(?:\b(?:must|should|cannot)\b|[<>=])",
        _START,
    ),
    Guess(
        "attention-backend-unsupported",
        rf"(?:attention|attn|mha|mla|head_?dim|\bfa[34]\b|flash\w*)\b.*(?:{_BAD}|must)|"
        rf"(?:{_BAD}).*(?:attention|head_?dim|\bfa[34]\b)",
    ),
    Guess(
        "gpu-arch-unsupported",
        rf"(?:compute|cuda|device) capabilit|\bsm_?\d\d|kernel image|cuda arch|too old to be supported|"
        rf"(?:{_BAD}).*\b(?:gpu|device) arch|\barch\w*.*\b(?:gpu|device)",
    ),
    Guess(
        "system-library-missing",
        r"\blib[a-z]\w+(?:\.so)?\b.*(?:not found|cannot open|missing)|load\w* lib[a-z]\w+|GLIBC",
    ),
    Guess(
        "no-gpu-visible",
        r"\bno (?:\w+ )?(?:cuda|gpu|accelerator|devices?)\b|(?:cuda|gpu)s?\b.*not (?:available|found|visible)|NVML|"
        r"nvidia-smi|ordinal|(?:enough|fewer|only|exceed\w*|more)\b.*\b(?:gpu|device)s\b",
    ),
    Guess(
        "kernel-package-mismatch",
        r"sgl[-_ ]?kernel|sglang[-_]kernel|flashinfer|deep_?gemm|common_ops|_OpNamespace|torch\.ops\.|Wrapper.*unexpected keyword",
    ),
    Guess("build-tools-missing", r"(?<!\w)(?:nvcc|ninja|gcc|g\+\+|c\+\+|clang|ptxas)(?!\w)|CUDA_HOME|\bcompiler\b"),
    Guess(
        "unsupported-architecture",
        rf"(?:architectures?|model (?:class|type|arch\w*)|\w+(?:Model|ForCausalLM)\b).*(?:{_BAD}|registered|inspected)",
        (*_EARLY, "memory"),
    ),
    Guess("transformers-too-old", r"transformers|AutoConfig|config(?:uration)? class"),
    Guess("tokenizer-missing", r"\btokeniz\w+|vocab|sentencepiece|merges\.txt|special.?tokens", (*_EARLY, "warm-up")),
    Guess("tokenizer-missing", r"NoneType|No such file|not a string|expected value", _EARLY, r"tokeniz"),
    Guess(
        "weights-missing",
        r"(?:no|not|cannot|could ?n.t|missing|failed to)\b.*(?:find|found|locate|exist|missing).*(?:safetensors|weight|checkpoint|shard)|"
        r"(?:safetensors|weight|checkpoint|shard)s?\b.*(?:not found|missing|no such|does not exist|found in)|"
        r"\bno (?:\w+ )?(?:safetensors|weights?|checkpoints?|shards?)\b",
        _EARLY,
    ),
    Guess(
        "weights-corrupt",
        r"safetensor|checksum|corrupt|truncat|header|size mismatch|shape|size of tensor|load(?:ing)? (?:a )?weight|"
        r"unexpected key(?!word)|missing key|storage|KeyError: '[\w.]+\.(?:weight|bias|\w+_scale)'|hash",
        _LOADING,
    ),
    Guess(
        "weights-corrupt",
        r".",
        _LOADING,
        r"in (?:load_weights|_?weight_loader|default_weight_loader|safe_open|load_file|torch_load)\b",
    ),
    Guess(
        "model-path-not-found",
        r"(?:model|path|folder|directory|config\.json)\b.*(?:not exist|n't exist|not found|no such|missing|empty|not a)|"
        r"no (?:such )?(?:file|model|config)|KeyError: '(?:architectures|model_type)'",
        _EARLY,
    ),
    Guess(
        "model-path-not-found", r"NoneType|KeyError|JSON|Expecting", _START, r"/config\w*\.py|config\.json|model_config"
    ),
    Guess(
        "python-env-broken",
        r"ImportError|ModuleNotFound|SyntaxError|\bDLL\b|numpy|torchvision|python (?:version|\d)|distribution|pydantic|"
        r"has no attribute '__version__'",
        ("args", "device", "load"),
    ),
    Guess("device-side-assert", r"out of (?:range|bounds)|device.?side assert", _LATE),
    Guess("illegal-memory-access", r"CUDA error|\bcuda(?:Error)\w*|\bhip(?:Error)\w*", _LATE),
    Guess(
        "engine-internal-error",
        r"^(?:Type|Attribute|Name|Index|Key|UnboundLocal)Error",
        _START,
        r'sglang/srt/managers/\w+\.py", line \d+, in (?!<module>|__init__)',
    ),
    Guess(
        "bad-cli-arguments",
        r"--[a-z]|argument|option|must|should|cannot|expected|invalid|not (?:supported|allowed)|divisible|conflict",
        _START,
    ),
    Guess("python-env-broken", r"AttributeError|TypeError|NameError", ("args",)),
    Guess("engine-internal-error", r".", ("serving",), r"sglang/srt/"),
)
"""Tried in this order: what says most comes first."""


def by_words(session: Session, text: str) -> str | None:
    """The cause that an unknown error's words speak for; None where they speak for none.

    While a server serves only a process of its own that died is judged: web servers catch what a request raises.
    """
    if session.ready_line is not None and not any("hit an exception" in line for line in session.recent):
        return None
    session.guesses += 1
    if session.guesses > _MOST:
        return None
    above = [line[:_READ] for line in list(session.recent)[-_FRAMES:]]
    if any(line.startswith('  File "') and optional.switches_in(session, line) for line in above[-_INNERMOST:]):
        return "engine-internal-error"
    frames = "\n".join(above)
    phase = "serving" if session.ready_line is not None else session.phase
    guess = next((g for g in GUESSES if g.fits(phase, text[:_READ], frames)), None)
    if guess is None:
        return None
    return out_of_memory(session, text) if guess.cause == "out-of-memory" else guess.cause


_ERROR = (
    r"^(?:\[rank\d+\]: )?(?:(?:[\w.]+\.)?(?:_?[A-Z]\w*(?:Error|Exception)|Exception)|(?:[a-z_]\w*\.)+_?[A-Z]\w+): \S"
)

PATTERNS.extend(
    Pattern(needle, _ERROR, sample, near, GUESSED, LAST, by_words, True)
    for needle, sample, near in (
        ("Error: ", "ValueError: Model path /srv/models/bge does not exist.", "raise ValueError: Model path"),
        ("Exception: ", "Exception: no checkpoint was found in /srv/models/bge", "except Exception: pass"),
        ("errors.", "triton.compiler.errors.CompilationFailure: no compiler", "see the errors. They are below"),
        (
            "exceptions.",
            "requests.exceptions.InvalidSchema: Missing dependencies for SOCKS support.",
            "with exceptions. Go on",
        ),
        ("NotFound: ", "pkg_resources.DistributionNotFound: The 'x' distribution was not found", "404 NotFound: /v1"),
    )
)
