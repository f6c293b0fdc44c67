"""Causes from the launch line to the loaded model: options, folders, the hub, weights, tokenizer, code."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log import refused, weights
from bgecheck.engines.sglang.log.cause import CONSEQUENCES, WRONG_VECTORS, cause
from bgecheck.engines.sglang.log.coverage import span
from bgecheck.engines.sglang.log.rules import GENERAL, LAST, SPECIFIC, pattern
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.model import Advice, Text

_FOLDER = re.compile(r"[/.~]|[A-Za-z]:[\\/]|[^/]*\\|[^/]+/[^/]+/")
"""How a name begins that was meant as a folder and not as a repository of the hub."""


def _opening(session: Session, text: str) -> str | None:
    """A name that cannot be resolved when the port is opened; before that it is the hub's."""
    return "bad-cli-arguments" if session.phase == "warm-up" else None


def _unset(session: Session, text: str) -> str | None:
    """A value that was not given: the innermost frame is of the code in which sglang settles its options."""
    frames = [line for line in session.recent if line.startswith('  File "')]
    return "bad-cli-arguments" if frames and refused.SETTLES.search(frames[-1]) else None


_OWN_PARSER = r"^(?!(?:\S*/)?(?:huggingface-cli|hf|modelscope|pip3?) ).*"
"""Opens the pattern of what argparse says of any program: not what a start script says that fetches the model first."""

_CORRECTED = ("{launch_line}",)
_INSTEAD = Text("in the launch line, {instead}", "修改启动命令：{instead}")

cause(
    "bad-cli-arguments",
    [
        pattern(
            "error: unrecognized arguments",
            "sglang serve: error: unrecognized arguments: --max-batch-size 16",
            regex=_OWN_PARSER + r"error: unrecognized arguments",
            near="huggingface-cli <command> [<args>]: error: unrecognized arguments: --local-dir-use-symlinks False",
            source="0.4.6 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "error: ambiguous option",
            "sglang serve: error: ambiguous option: --cuda-graph-max-bs could match --cuda-graph-max-bs-decode, "
            "--cuda-graph-max-bs-prefill",
            regex=_OWN_PARSER + r"error: ambiguous option",
            near="main.cpp:12:7: error: ambiguous overload for 'operator<<' (operand types are 'Tensor' and 'int')",
            source="0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "error: argument ",
            "launch_server.py: error: argument --dtype: invalid choice: 'fp16' (choose from 'auto', 'half')",
            regex=_OWN_PARSER + r"error: argument \S+.*: (?:invalid|expected|ignored|not allowed)",
            near="modelscope <command> [<args>] download: error: argument --max-workers: invalid int value: 'many'",
            source="0.4.6 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            ": error: ",
            "sglang serve: error: one of the arguments --model-path --config is required",
            regex=r"^(?:sglang(?: \w+)?|launch_server\.py): error: (?!argument parsing)",
            near="/tmp/a.cu(3): error: identifier is undefined",
            source="argparse",
        ),
        pattern(
            "socket.gaierror",
            "socket.gaierror: [Errno -2] Name or service not known",
            regex=r"^socket\.gaierror: ",
            near="except socket.gaierror: pass",
            source="Python: --host is a name that nobody knows",
            weight=GENERAL,
            choose=_opening,
        ),
        pattern(
            "error: the following arguments are required",
            "launch_server.py: error: the following arguments are required: --model-path/--model",
            regex=_OWN_PARSER + r"error: the following arguments are required",
            near="huggingface-cli <command> [<args>] download: error: the following arguments are required: repo_id",
            source="0.4.6 to 0.5.9",
            weight=SPECIFIC,
        ),
        pattern(
            "is greater than the derived context_length",
            "ValueError: Warning: User-specified context_length (8192) is greater than the derived context_length (512).",
            regex=r"Error: .*User-specified context_length \(\d+\) is greater than the derived",
            near="Warning: User-specified context_length (8192) is greater than the derived context_length (512).",
            source="0.4.6 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "is not divisible by",
            "AssertionError: 14 is not divisible by 4",
            regex=r"^AssertionError: \d+ is not divisible by \d+",
            near="AssertionError: chunk is not divisible by page",
            source="--tp-size that does not divide the attention heads",
        ),
        pattern(
            "is not divisible by weight quantization ",
            "ValueError: Weight input_size_per_partition = 96 is not divisible by weight quantization block_k = 128.",
            near="the batch is not divisible by weight",
            source="0.4.6 to 0.5.23: --tp-size that does not divide the blocks of a quantised weight (sglang #19045)",
        ),
        pattern(
            "is not aligned with the quantized weight shape",
            "ValueError: The output size is not aligned with the quantized weight shape. This can be caused by too large tensor "
            "parallel size.",
            near="the input size is not aligned with the page",
            source="awq, gptq (sglang #3571)",
        ),
        pattern(
            "quantization method: ",
            "ValueError: Unknown quantization method: fp7. Must be one of ['fp8', 'awq', 'gptq'].",
            regex=r"(?:Unknown|Invalid) quantization method: ",
            near="Detected quantization method: fp8",
            source="0.4.x to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "Quantization method specified in the model config",
            "ValueError: Quantization method specified in the model config (awq) does not match the quantization method "
            "specified in the `quantization` argument (fp8).",
            near="[2026-11-02 22:10:05] awq quantization is not fully optimized yet. The speed can be slower than "
            "non-quantized models.",
            source="0.4.x to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "No such option",
            "Error: No such option: --max-batch-size",
            regex=r"^Error: No such option:",
            near="no such option: --break-system-packages",
            source="click",
        ),
        pattern(
            "while attempting to bind on address",
            "ERROR:    [Errno 99] error while attempting to bind on address ('10.0.0.8', 30000): cannot assign requested address",
            regex=r"Errno (?:97|99|49|10049|-\d+)\] .*while attempting to bind|bind on address.*(?:cannot|can't) assign requested",
            near="ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 30000): address already in use",
            source="asyncio: --host names an address that this machine does not have",
            weight=SPECIFIC,
        ),
        pattern(
            "served_model_name cannot contain a colon",
            "ValueError: served_model_name cannot contain a colon (':') character.",
            near="[2026-11-02 22:10:05] server_args=ServerArgs(model_path='/srv/m', served_model_name='bge-large-zh')",
            source="0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "not supported between instances of",
            "TypeError: '>' not supported between instances of 'NoneType' and 'int'",
            regex=r"^TypeError: '[<>]=?' not supported between instances of (?:'NoneType' and '(?:int|float)'|'(?:int|float)' and 'NoneType')",
            near="TypeError: '<' not supported between instances of 'str' and 'int'",
            source="0.5.x: an option that was not given, and that sglang could not settle (sglang #11103)",
            choose=_unset,
        ),
        pattern(
            "is not a built-in template name",
            "RuntimeError: Chat template ./bge.jinja is not a built-in template name or a valid chat template file path.",
            regex=r"Error: (?:Chat|Completion) template .* is not a built-in template name",
            near="[2026-11-02 22:10:05] Chat template chatml is a built-in template name",
            source="0.4.x to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "No host supplied",
            "requests.exceptions.InvalidURL: Invalid URL 'http://:8000/model_info': No host supplied",
            regex=r"Invalid URL 'https?://:\d+/\w+': No host supplied",
            near="requests.exceptions.InvalidURL: Invalid URL 'http://proxy:x/': No host supplied",
            source="0.4.6 to 0.5.23: --host without a value, at the warm-up (sglang #18201)",
            weight=SPECIFIC,
        ),
        pattern(
            "arg_groups/",
            '  File "/usr/lib/python3.12/site-packages/sglang/srt/arg_groups/validation_hook.py", line 120, in validate',
            regex=r"arg_groups/\w+\.py\", line \d+, in (?:check_|_?handle_|_?validate|_?parse|_?merge)",
            near='  File "/usr/lib/python3.12/site-packages/sglang/srt/arg_groups/model_hook.py", line 9, in get_model_config',
            source="0.5.23",
            weight=LAST,
        ),
        pattern(
            "server_args",
            '  File "/usr/lib/python3.12/site-packages/sglang/srt/server_args.py", line 600, in check_server_args',
            regex=r"server_args\w*\.py\", line \d+, in (?:check_|_?handle_|__post_init__|_?validate|_?parse|_?merge)",
            near='  File "/usr/lib/python3.12/site-packages/sglang/srt/server_args.py", line 9, in get_model_config',
            source="0.4.6 to 0.5.23",
            weight=LAST,
        ),
    ],
    shows=span("args", "device"),
    title=Text("sglang accepts the launch options", "sglang 接受全部启动参数"),
    because=Text(
        "this version of sglang does not know an option of the launch line, or refuses its value",
        "启动命令里有当前版本 sglang 不认识的参数，或参数值不被接受",
    ),
    fix=Text(
        "correct what the line names; where a size is not divisible or aligned, lower --tp-size",
        "按报错改正；提示不能整除（not divisible）或未对齐时，调小 --tp-size",
    ),
    commands=("python -m sglang.launch_server --help",),
    variants={
        "unknown": Advice(
            Text("this sglang has no option {option}{elsewhere}", "当前 sglang 没有参数 {option}{elsewhere}"),
            _INSTEAD,
            _CORRECTED,
        ),
        "stray": Advice(
            Text(
                "`{option}` stands alone in the launch line: a switch takes no value, and a value with blanks needs quotes",
                "启动命令里多出了 `{option}`：开关参数不带值，含空格的值要加引号",
            ),
            Text("take it out, or quote the value", "去掉它，或给值加上引号"),
            _CORRECTED,
        ),
        "choice": Advice(
            Text("{option} takes no {value}; it takes {allowed}", "{option} 不接受 {value}，可选：{allowed}"),
            _INSTEAD,
            _CORRECTED,
        ),
        "type": Advice(
            Text(
                "{option} takes a number like {allowed}, not {value}",
                "{option} 的值应是数字（如 {allowed}），不能是 {value}",
            ),
            _INSTEAD,
            _CORRECTED,
        ),
        "missing": Advice(
            Text("{option} stands without its value", "{option} 后面缺少值"),
            Text("write its value behind it, or leave it out", "在后面补上值，或去掉它"),
            _CORRECTED,
        ),
        "switch": Advice(
            Text(
                "{option} is a switch and takes no value, not even {value}", "{option} 是开关，不带值，{value} 也不行"
            ),
            _INSTEAD,
            _CORRECTED,
        ),
        "ambiguous": Advice(
            Text(
                "{option} can mean several options of this release: {allowed}",
                "{option} 在这个版本里对应多个参数：{allowed}",
            ),
            _INSTEAD,
            _CORRECTED,
        ),
        "required": Advice(
            Text("the launch line lacks {option}", "启动命令缺少 {option}"),
            Text("add {option} with its value", "补上 {option} 及其值"),
            ("bgecheck explain logs.bad-cli-arguments",),
        ),
        "context": Advice(
            Text(
                "--context-length {value} is more than the model's {allowed} positions",
                "--context-length {value} 超过模型的 {allowed} 个位置",
            ),
            Text(
                "leave out --context-length, or lower it to {allowed}", "去掉 --context-length，或调到 {allowed} 以内"
            ),
            _CORRECTED,
        ),
        "heads": Advice(
            Text(
                "the model's {allowed} heads cannot be divided among --tp-size {value} cards",
                "模型的 {allowed} 个注意力头无法平分到 --tp-size {value} 张卡",
            ),
            _INSTEAD,
            _CORRECTED,
        ),
        "quantization": Advice(
            Text(
                "the weights are stored in {allowed}, and --quantization asks for {value}",
                "权重是 {allowed} 格式，而 --quantization 指定了 {value}",
            ),
            Text(
                "leave out --quantization: the release reads it from the model",
                "去掉 --quantization，由 sglang 从模型读取",
            ),
            _CORRECTED,
        ),
        "host": Advice(
            Text("--host {value} is no address of this machine", "--host {value} 不是本机的地址"),
            Text(
                "listen on every address (0.0.0.0), or on one of this machine's; clients still ask {value}, where it leads here",
                "监听全部地址（0.0.0.0），或填本机已有的地址；{value} 若能转到本机，客户端仍用它访问",
            ),
            (*_CORRECTED, "ip -brief address"),
        ),
        "family": Advice(
            Text(
                "--host {value} is an address of IPv6, which this machine or container has switched off",
                "--host {value} 是 IPv6 地址，而本机（或容器）没有启用 IPv6",
            ),
            Text("listen on IPv4: {instead}", "改用 IPv4 监听：{instead}"),
            (*_CORRECTED, "cat /proc/sys/net/ipv6/conf/all/disable_ipv6"),
        ),
        "unset": Advice(
            Text(
                "sglang needs {option}, which the launch line does not give, and found no value for it by itself",
                "启动命令没有给出 {option}，sglang 自己也算不出它的值",
            ),
            Text("add {option} with its value", "补上 {option} 及其值"),
            ("{launch_line}",),
        ),
        "no-memory": Advice(
            Text(
                "sglang could not tell how much memory the device has, by which it settles {option}: it runs on the CPU, or sees no GPU",
                "sglang 读不到设备的显存容量，无法自动确定 {option}：在 CPU 上运行，或看不到 GPU",
            ),
            Text(
                "on the CPU, add {option} {allowed}; on a machine with a GPU, make it visible to the server first (docker: --gpus all)",
                "CPU 上运行就加上 {option} {allowed}；机器有 GPU 就先让服务能看到它（docker 用 --gpus all）",
            ),
            ("{launch_line}", "nvidia-smi -L"),
        ),
        "blank-host": Advice(
            Text(
                "--host is given without an address, and sglang's own warm-up cannot ask such a server",
                "--host 的值是空的，sglang 自己的预热请求没有地址可用",
            ),
            _INSTEAD,
            _CORRECTED,
        ),
        "colon": Advice(
            Text("--served-model-name {value} holds a colon", "--served-model-name {value} 里有冒号"),
            _INSTEAD,
            _CORRECTED,
        ),
        "together": Advice(
            Text(
                "sglang does not take {option} together with {value}",
                "sglang 不允许 {option} 和 {value} 同时使用",
            ),
            Text("leave out {option}; {value} stays", "去掉 {option}，保留 {value}"),
            _CORRECTED,
        ),
        "needs": Advice(
            Text("sglang takes {option} only with {value}", "sglang 要求 {option} 与 {value} 一起使用"),
            Text("add {value}, or leave out {option}", "加上 {value}，或去掉 {option}"),
            _CORRECTED,
        ),
        "needs-value": Advice(
            Text("sglang takes {option} only with {value}", "sglang 要求 {option} 与 {value} 一起使用"),
            Text("add {value} with its value, or leave out {option}", "补上 {value} 及其值，或去掉 {option}"),
        ),
        "pages": Advice(
            Text(
                "a chunk of {value} tokens ({option}) is no whole number of pages of {allowed} tokens",
                "分块大小 {option} {value} 不是页大小 {allowed} 的整数倍",
            ),
            _INSTEAD,
            _CORRECTED,
        ),
        "nodes": Advice(
            Text(
                "{option} {value} counts the cards of all machines together, and cannot be dealt out evenly to {allowed} of them",
                "{option} {value} 是所有机器的总卡数，无法平分到 {allowed} 台机器",
            ),
            Text(
                "make it a multiple of {allowed}, the same on each machine; where the cards of one machine hold the model, start it there "
                "alone, without --nnodes, --node-rank and --dist-init-addr",
                "改成 {allowed} 的倍数，每台机器都写一样；单机显存够时只在一台上启动，去掉 --nnodes、--node-rank 和 --dist-init-addr",
            ),
            _CORRECTED,
        ),
        "file": Advice(
            Text(
                "there is no file {value}, which {option} names, or not for this process: in a container the path is the container's",
                "{option} 指定的文件 {value} 不存在，或当前进程看不到：容器里要写容器内的路径",
            ),
            Text(
                "correct the path, or mount the file's folder into the container (docker: -v)",
                "改正路径，或把文件所在目录挂进容器（docker 用 -v）",
            ),
            ("ls -l {path}",),
        ),
        "yaml": Advice(
            Text(
                "{option} names a file that ends in {value}, and sglang reads its options from .yaml or .yml alone",
                "{option} 指定的文件扩展名是 {value}，而 sglang 只读 .yaml 或 .yml",
            ),
            Text(
                "give the file such an ending: JSON may stay as it is, which YAML includes; a file of another form has to be written anew, "
                "one `option: value` a line",
                "改成 .yaml 扩展名：JSON 内容可以不动（YAML 兼容 JSON），其他格式要改写成每行一个 `参数: 值`",
            ),
        ),
        "template": Advice(
            Text(
                "{option} names {value}, which is no file here and no template of sglang's own",
                "{option} 的值 {value} 既不是存在的文件，也不是 sglang 内置的模板名",
            ),
            Text(
                "leave it out: embeddings of texts need no template; where it is needed (images), give the path as the server sees it",
                "去掉它：文本 embedding 用不到模板；确实需要（图文模型）时，写服务能看到的文件路径",
            ),
            _CORRECTED,
        ),
        "json": Advice(
            Text(
                "the value of {option} is no JSON: {value}. The shell takes away quotes that are not quoted themselves",
                "{option} 的值不是合法的 JSON：{value}。没有用单引号包住时，shell 会去掉里面的双引号",
            ),
            Text(
                "put single quotes round the whole value and double quotes round each name and text in it, as in '{{\"is_matryoshka\": true}}'",
                "整个值用单引号包住，里面的键和字符串用双引号，如 '{{\"is_matryoshka\": true}}'",
            ),
        ),
    },
    variant=refused.variant,
    changes=refused.changes,
    values=refused.values,
)


def _cause_of_name(name: str) -> str:
    """The cause behind words that are the same for a folder and for a repository, by the name in them."""
    return "model-path-not-found" if _FOLDER.match(name) else "hf-repo-not-found"


def _repo_id(session: Session, text: str) -> str:
    quoted = [n for n in re.findall(r"'([^']*)'", text) if len(n) > 1 and n not in ("repo_name", "namespace/repo_name")]
    return _cause_of_name(quoted[-1] if quoted else "/")


def _identifier(session: Session, text: str) -> str:
    match = re.search(r"(\S+) is not a local folder", text)
    return _cause_of_name(match[1].strip("'\"") if match else session.argument("model_path") or "")


def _path_or_model_id(session: Session, text: str) -> str:
    match = re.search(r"path_or_model_id: ?['\"]([^'\"]+)['\"]", text)
    return _cause_of_name(match[1] if match else session.argument("model_path") or "")


def _configuration(session: Session, text: str) -> str:
    """A configuration that cannot be loaded: with the hub out of reach that is the cause, else what the name is."""
    if "hf-unreachable" in session.hits:
        return "hf-unreachable"
    match = re.search(r"configuration of ['\"]([^'\"]+)['\"]", text)
    return _cause_of_name(match[1] if match else "/")


def _in_configuration(session: Session, text: str) -> str | None:
    """A file of the model that is no JSON, by the frames above it."""
    frames = list(session.recent)[-12:]
    if any(refused.IN_JSON.search(line) for line in frames):
        return "bad-cli-arguments"
    if any("safetensors" in line or "index" in line for line in frames):
        return "weights-corrupt"
    return "model-path-not-found" if any("config" in line for line in frames) else None


_MOUNT = re.compile(r"bind source path does not exist: (/\S{0,300}[^\s.])")

cause(
    "model-path-not-found",
    [
        pattern(
            "is the correct path to a directory containing a config.json file",
            "Otherwise, make sure '/data/m' is the correct path to a directory containing a config.json file",
            near="Otherwise, make sure '/data/m' is the correct path to a directory containing all relevant files for "
            "a BertTokenizerFast tokenizer.",
            source="transformers 4.4x to 5.19",
        ),
        pattern(
            "Should have a `model_type` key in its config.json",
            "ValueError: Unrecognized model in /data/m. Should have a `model_type` key in its config.json.",
            near="You are using a model of type bert to instantiate a model of type xlm-roberta. This is not "
            "supported for all configurations of models and can yield errors.",
            source="0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "is not a valid JSON file",
            "OSError: It looks like the config file at '/data/m/config.json' is not a valid JSON file.",
            regex=r"config\.json['\"]? is not a valid JSON file",
            near="the request body is not a valid JSON file",
            source="0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "does not appear to have a file named config.json",
            "OSError: /data/m does not appear to have a file named config.json. Checkout 'https://huggingface.co//data/m'",
            near="OSError: /data/m does not appear to have a file named pytorch_model.bin, model.safetensors, "
            "tf_model.h5, model.ckpt or flax_model.msgpack.",
            source="transformers 4.4x",
            weight=SPECIFIC,
        ),
        pattern(
            "FileNotFoundError",
            "FileNotFoundError: [Errno 2] No such file or directory: '/data/m/config.json'",
            regex=r"FileNotFoundError: .*No such file or directory: '(?:[^']*config\.json|/[^']*models?/[^'.]*)'",
            near="FileNotFoundError: [Errno 2] No such file or directory: 'nvcc'",
            source="Python",
        ),
        pattern(
            "bind source path does not exist",
            'docker: Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /data/m.',
            near='docker: Error response from daemon: invalid mount config for type "bind": field Source must not be '
            "empty.",
            source="docker",
            weight=SPECIFIC,
        ),
        pattern(
            "JSONDecodeError",
            "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
            regex=r"JSONDecodeError: ",
            near="except json.JSONDecodeError:",
            source="Python",
            choose=_in_configuration,
        ),
        pattern(
            "NotADirectoryError",
            "NotADirectoryError: [Errno 20] Not a directory: '/data/m/model.safetensors/config.json'",
            regex=r"NotADirectoryError: .*config\.json",
            near="NotADirectoryError: [Errno 20] Not a directory: '/root/.triton/cache'",
            source="Python",
        ),
    ],
    shows=span("args", "device"),
    title=Text("the model folder exists and is complete", "模型目录存在且完整"),
    because=Text(
        "there is no usable model folder at {args_model}: the path is misspelt, not mounted into the container, "
        "or its config.json is missing or broken. sglang then treats the path as a name on the hub, so the "
        "message never says that a folder is missing",
        "{args_model} 处没有可用的模型目录：路径写错、没挂载进容器，或 config.json 缺失、损坏。"
        "sglang 会把路径当成 hub 上的仓库名，所以报错里从不提“目录不存在”",
    ),
    fix=Text(
        "give --model-path the folder that holds config.json, as the server (or its container) sees it",
        "把 --model-path 指向含 config.json 的目录，注意要用服务（容器）内看到的路径",
    ),
    commands=("ls -l {args_model}/config.json",),
    variants={
        "mount": Advice(
            Text(
                "Docker was to mount {mounted} into the container, and this machine has no such folder: no container was started",
                "Docker 要把 {mounted} 挂载进容器，而本机没有这个目录：容器没有启动",
            ),
            Text(
                "mount the folder of this machine that holds the model (-v FOLDER:{mounted}), by its whole path",
                "改为挂载本机上存放模型的目录（-v 目录:{mounted}），写完整路径",
            ),
            ("ls -ld {mounted}",),
        ),
    },
    variant=lambda session, hit: "mount" if _MOUNT.search(hit.text) else None,
    values=lambda session, hit: {"mounted": mount[1]} if (mount := _MOUNT.search(hit.text)) else {},
)

# The same messages name a folder or a repository; what stands in them decides.
cause(
    "hf-repo-not-found",
    [
        pattern(
            "RepositoryNotFoundError",
            "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. (Request ID: Root=1-6)",
            near="except RepositoryNotFoundError as e:",
            regex=r"RepositoryNotFoundError: ",
            source="huggingface_hub 0.2x to 1.33",
            weight=SPECIFIC,
        ),
        pattern(
            "RevisionNotFoundError",
            "huggingface_hub.errors.RevisionNotFoundError: 404 Client Error. (Request ID: Root=1-6)",
            regex=r"RevisionNotFoundError: ",
            near="except RevisionNotFoundError as e:",
            source="huggingface_hub",
            weight=SPECIFIC,
        ),
        pattern(
            "NotExistError",
            "modelscope.hub.errors.NotExistError: The model: BAAI/bge-m4 has no revision: master",
            regex=r"modelscope.*NotExistError: ",
            near="except NotExistError:",
            source="modelscope",
            weight=SPECIFIC,
        ),
        pattern(
            "is not a valid git identifier",
            "OSError: v2.0 is not a valid git identifier (branch name, tag name or commit id) that exists for this model name.",
            near="fatal: 'v2.0' is not a commit and a branch 'main' cannot be created from it",
            source="transformers 4.4x to 5.19: --revision",
            weight=SPECIFIC,
        ),
        pattern(
            "404 Client Error: ",
            "requests.exceptions.HTTPError: 404 Client Error: Not Found for url: https://www.modelscope.cn/api/v1/models/BAAI/b/revisions",
            regex=r"404 Client Error: .*for url: https?://\S*(?:huggingface|hf-mirror|modelscope)",
            near="requests.exceptions.HTTPError: 404 Client Error: Not Found for url: http://10.0.0.7:30000/v1/embedding",
            source="requests",
            weight=GENERAL,
        ),
        pattern(
            "Repository Not Found for url",
            "Repository Not Found for url: https://hf-mirror.com/BAAI/bge-m4/resolve/main/config.json.",
            near="404 Client Error: Not Found for url: http://127.0.0.1:30000/get_model_info",
            source="huggingface_hub",
        ),
        pattern(
            "is not a valid model identifier",
            "OSError: BAAI/bge-large-zh-v1.6 is not a local folder and is not a valid model identifier listed on",
            near="OSError: It looks like the config file at '/data/m/config.json' is not a valid JSON file.",
            source="transformers 4.4x to 5.19",
            choose=_identifier,
        ),
        pattern(
            "Repo id must ",
            "OSError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/data/models/bge'. Use `repo_type`",
            regex=r"^(?!.*_fix_v5_).*Repo id must (?:be in the form|use)",
            near="_fix_v5_tokenizer_components: unexpected error loading tokenizer.json for /data/models/bge, v5 component "
            "fix will not be applied: Repo id must be in the form 'repo_name' or 'namespace/repo_name'",
            source="0.5.23, huggingface_hub",
            choose=_repo_id,
        ),
        pattern(
            "Incorrect path_or_model_id",
            "OSError: Incorrect path_or_model_id: '/data/models/bge'. Please provide either the path to a local folder",
            near="binascii.Error: Incorrect padding",
            source="transformers 4.5x",
            choose=_path_or_model_id,
        ),
        pattern(
            "Can't load the configuration of",
            "OSError: Can't load the configuration of '/data/models/bge'. If you were trying to load it from",
            near="OSError: Can't load tokenizer for '/data/models/bge'. If you were trying to load it from",
            source="0.5.3.post3",
            choose=_configuration,
        ),
    ],
    shows=span("args", "load"),
    title=Text("the model's name exists on the hub", "hub 上有这个模型"),
    because=Text(
        "the hub has no repository of this name ({args_model}): misspelt, private, or not on this mirror",
        "hub 上没有这个仓库（{args_model}）：名字写错、是私有仓库，或镜像站没有同步",
    ),
    fix=Text(
        "correct the name, or give --model-path a local folder",
        "改正名字，或用 --model-path 指向本地目录",
    ),
    commands=("hf download {args_repo}",),
    variants={
        "modelscope": Advice(
            Text(
                "ModelScope has no model of this name ({args_model}): misspelt, private, or only on Hugging Face",
                "魔搭（ModelScope）上没有这个模型（{args_model}）：名字写错、是私有模型，或只在 Hugging Face 上有",
            ),
            Text(
                "correct the name (owners often differ from those on Hugging Face), give --model-path a local folder, or unset "
                "SGLANG_USE_MODELSCOPE to load it from Hugging Face",
                "改正名字（所属组织常与 Hugging Face 不同），或用 --model-path 指向本地目录；想从 Hugging Face 下载就取消 SGLANG_USE_MODELSCOPE",
            ),
            ("modelscope download --model {args_repo}",),
        ),
    },
    variant=lambda session, hit: "modelscope" if "modelscope" in hit.text else None,
)


cause(
    "hf-gated-or-unauthorized",
    [
        pattern(
            "GatedRepoError",
            "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-6)",
            regex=r"GatedRepoError: ",
            near="    except GatedRepoError as e:",
            source="huggingface_hub 0.2x to 1.33",
        ),
        pattern(
            "trying to access a gated repo",
            "OSError: You are trying to access a gated repo.",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='You are trying to access a "
            "gated repo.')",
            source="transformers 4.4x to 5.19",
            weight=SPECIFIC,
        ),
        pattern(
            "is restricted",
            "Access to model google/embeddinggemma-300m is restricted. You must have access to it and be authenticated",
            regex=r"Access to model \S+ is restricted",
            near="access to this page is restricted",
            source="huggingface_hub",
        ),
        pattern(
            "403 Client Error",
            "403 Client Error: Forbidden for url: https://huggingface.co/google/embeddinggemma-300m/resolve/main/config.json",
            regex=r"403 Client Error.*(?:huggingface|hf-mirror|/resolve/)",
            near="403 Client Error: Forbidden for url: http://127.0.0.1:30000/get_model_info",
            source="huggingface_hub",
        ),
        pattern(
            "401 Client Error",
            "huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/api/models/a/b",
            regex=r"HfHubHTTPError: 401 Client Error: Unauthorized for url",
            near="huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-6)",
            source="huggingface_hub",
            weight=SPECIFIC,
        ),
        pattern(
            "401 Client Error: ",
            "401 Client Error: Unauthorized for url: https://huggingface.co/google/embeddinggemma-300m/resolve/main/config.json",
            regex=r"401 Client Error: .*for url: https?://\S*(?:huggingface|hf-mirror|modelscope)",
            near="requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: http://10.0.0.7:30000/v1/embeddings",
            weight=GENERAL,
            source="requests",
        ),
        pattern(
            "403 Forbidden: ",
            "huggingface_hub.errors.HfHubHTTPError: 403 Forbidden: None. Cannot access content at: https://huggingface.co/a/b",
            regex=r"HfHubHTTPError: .{0,80}403 Forbidden",
            near='INFO:     10.0.0.1:1 - "POST /v1/embeddings HTTP/1.1" 403 Forbidden: no',
            source="huggingface_hub",
        ),
        pattern(
            "LocalTokenNotFoundError",
            "huggingface_hub.errors.LocalTokenNotFoundError: Token is required (`token=True`), but no token found.",
            near='[2026-11-02 22:10:05] INFO:     10.0.0.9:41002 - "GET /search?q=LocalTokenNotFoundError HTTP/1.1" '
            "404 Not Found",
            source="huggingface_hub",
            weight=SPECIFIC,
        ),
        pattern(
            "is awaiting a review from the repo authors",
            "Your request to access model google/embeddinggemma-300m is awaiting a review from the repo authors.",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='the contract is awaiting a "
            "review from the repo authors')",
            source="huggingface_hub",
        ),
        pattern(
            "Invalid credentials in Authorization header",
            "Invalid credentials in Authorization header",
            near="WARNING:  Invalid HTTP request received.",
            source="huggingface_hub",
        ),
        pattern(
            "Invalid user token",
            "huggingface_hub.errors.HfHubHTTPError: Invalid user token.",
            near="WARNING:  Invalid HTTP request received.",
            source="huggingface_hub",
        ),
    ],
    shows=span("args", "load"),
    title=Text("the hub lets this account read the model", "账号有权下载该模型"),
    because=Text(
        "{args_model} is gated or private, and no token with access to it was given",
        "{args_model} 需要授权或是私有仓库，而没有提供有权限的 token",
    ),
    fix=Text(
        "accept the licence on the model's page, then start with a token in HF_TOKEN, in docker --env HF_TOKEN (bge models need "
        "none)",
        "在模型页面同意许可，再带上 HF_TOKEN 启动，docker 用 --env HF_TOKEN（bge 系列不需要授权）",
    ),
    commands=("hf auth login",),
)

cause(
    "tls-certificate-error",
    [
        pattern(
            "CERTIFICATE_VERIFY_FAILED",
            "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed "
            "certificate in certificate chain (_ssl.c:1000)",
            near="certificate verify ok",
            source="requests, httpx",
            weight=SPECIFIC,
        ),
        pattern(
            "SSLError",
            "requests.exceptions.SSLError: (Caused by SSLError(CertificateError(\"hostname 'huggingface.co' doesn't match '*.corp'\")))",
            regex=r"SSLError.*(?:[Cc]ertificate ?(?:Error|verif)|doesn't match)",
            near="requests.exceptions.SSLError: (Caused by SSLError(SSLEOFError(8, 'EOF occurred in violation of protocol')))",
            source="requests",
            weight=SPECIFIC,
        ),
        pattern(
            "SSL certificate problem",
            "curl: (60) SSL certificate problem: self-signed certificate in certificate chain",
            near="InsecureRequestWarning: Unverified HTTPS request is being made to host 'hf-mirror.com'. Adding "
            "certificate verification is strongly advised.",
            source="curl, git",
        ),
        pattern(
            "SSLCertVerificationError",
            "requests.exceptions.SSLError: (Caused by SSLError(SSLCertVerificationError(1, 'certificate has expired')))",
            near="InsecureRequestWarning: Unverified HTTPS request is being made to host 'hf-mirror.com'. Adding "
            "certificate verification is strongly advised.",
            source="requests",
            weight=SPECIFIC,
        ),
        pattern(
            "TLS CA certificate bundle",
            "OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /etc/ssl/certs/corp.pem",
            regex=r"Could not find a suitable TLS CA certificate bundle",
            near="InsecureRequestWarning: Unverified HTTPS request is being made to host 'hf-mirror.com'. Adding "
            "certificate verification is strongly advised.",
            source="requests",
            weight=SPECIFIC,
        ),
        pattern(
            "SSL: WRONG_VERSION_NUMBER",
            "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)",
            near="ssl.SSLError: [SSL: APPLICATION_DATA_AFTER_CLOSE_NOTIFY] application data after close notify "
            "(_ssl.c:2706)",
            source="OpenSSL",
        ),
    ],
    shows=span("args", "load"),
    title=Text("the hub's certificate can be verified", "hub 的证书可以校验"),
    because=Text(
        "the certificate on the way to the hub cannot be verified: a company proxy puts its own in place, "
        "or the machine's CA bundle or clock is out of date",
        "到 hub 的 TLS 证书校验失败：公司代理替换了证书，或本机 CA 证书、系统时间过旧",
    ),
    fix=Text(
        "give the proxy's CA in REQUESTS_CA_BUNDLE and SSL_CERT_FILE, or download the model elsewhere and use a folder",
        "用 REQUESTS_CA_BUNDLE 和 SSL_CERT_FILE 指定代理的 CA 证书，或在别处下载模型后用本地目录",
    ),
    commands=("export REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt",),
)


def _downloading(session: Session, text: str) -> str | None:
    """A broken connection while only files are fetched; later it is the server's own."""
    return "hf-unreachable" if session.phase in ("args", "device", "load") and "127.0.0.1" not in text else None


_ASKED = re.compile(
    r"connect to '(?P<connect>https?://[\w.:-]+)(?=['/])|(?P<pool>HTTPS?)ConnectionPool\(host='(?P<host>[\w.-]+)', port=(?P<port>\d+)"
    r"|(?P<url>https?://[\w.:-]+)/(?:api/models/|[\w.-]+/[\w.-]+/(?:resolve|revision|tree)/)"
)
_OFFLINE = re.compile(r"OfflineModeIsEnabled|offline mode is enabled|outgoing traffic has been disabled")
_ORIGINAL = re.compile(r"[/.](?:huggingface\.co|hf\.co|modelscope\.(?:cn|ai)|aliyuncs\.com)(?::\d+)?$")
"""Hubs themselves and the stores that they send clients on to."""


def _mirror(hit: Hit) -> str:
    """The address of the mirror that failed; "" for the hub's own, for offline mode and where no line names one."""
    lines = "\n".join((hit.text, *(text for _, text in hit.also.values())))
    match = None if _OFFLINE.search(lines) else _ASKED.search(lines)
    if match is None:
        return ""
    address = match["connect"] or match["url"] or f"{match['pool'].lower()}://{match['host']}:{match['port']}"
    address = address.removesuffix(":443") if address.startswith("https:") else address.removesuffix(":80")
    return "" if _ORIGINAL.search(address) else address


def _far(session: Session, hit: Hit) -> str | None:
    """`proxy` where that refuses to pass anything on, `mirror` where one failed."""
    if _PROXY_KEY.search(hit.text):
        return "proxy"
    return "mirror" if _mirror(hit) else None


_PROXY_KEY = re.compile(r"Tunnel connection failed: 407|407 Proxy Authentication Required")

_AT_ONCE = r"^(?!.*thrown while requesting).*"
"""Opens the pattern of a failure that is not tried again."""
_HUB = r"(?:huggingface\.co|hf-mirror\.com|modelscope|/resolve/main/|/api/models/)"
cause(
    "hf-unreachable",
    [
        pattern(
            "We couldn't connect to '",
            "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the "
            "cached files.",
            near="curl: (7) Failed to connect to 127.0.0.1 port 30000 after 0 ms: Couldn't connect to server",
            source="0.5.23, transformers 4.4x to 5.19",
            weight=SPECIFIC,
        ),
        pattern(
            "OfflineModeIsEnabled",
            "huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach https://huggingface.co/api/models/BAAI/bge-m3",
            near="+ export HF_HUB_OFFLINE=1",
            source="huggingface_hub",
        ),
        pattern(
            "offline mode is enabled",
            "Cannot reach https://huggingface.co/BAAI/bge-m3: offline mode is enabled.",
            near="Offline mode: forcing local_files_only=True",
            source="huggingface_hub",
        ),
        pattern(
            "LocalEntryNotFoundError",
            "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder",
            near="huggingface_hub.errors.EntryNotFoundError: 404 Client Error. (Request ID: Root=1-6)",
            source="huggingface_hub",
        ),
        pattern(
            "outgoing traffic has been disabled",
            "Cannot find the requested files in the disk cache and outgoing traffic has been disabled.",
            near="Offline mode: forcing local_files_only=True",
            source="huggingface_hub",
        ),
        pattern(
            "Max retries exceeded",
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='huggingface.co', port=443): Max retries "
            "exceeded with url: /BAAI/bge-m3/resolve/main/config.json",
            regex=_AT_ONCE + _HUB,
            near="HTTPConnectionPool(host='127.0.0.1', port=30000): Max retries exceeded with url: /model_info",
            weight=GENERAL,
            source="requests",
        ),
        pattern(
            "thrown while requesting",
            "'[Errno -2] Name or service not known' thrown while requesting HEAD https://huggingface.co/BAAI/bge-m3/"
            "resolve/main/config.json",
            weight=LAST,
            near='HTTP Request: HEAD https://huggingface.co/BAAI/bge-m3/resolve/main/config.json "HTTP/1.1 200 OK"',
            source="0.5.23: a request that will be tried again",
        ),
        pattern(
            "FileMetadataError",
            "huggingface_hub.errors.FileMetadataError: Distant resource does not seem to be on huggingface.co.",
            regex=r"FileMetadataError: ",
            near="except FileMetadataError:",
            source="huggingface_hub behind a mirror or proxy",
            weight=SPECIFIC,
        ),
        pattern(
            " Server Error: ",
            "requests.exceptions.HTTPError: 504 Server Error: Gateway Time-out for url: https://hf-mirror.com/api/models/BAAI/bge-m3",
            regex=r"5\d\d Server Error: .*for url: https?://\S*(?:huggingface|hf-mirror|modelscope)",
            near="requests.exceptions.HTTPError: 504 Server Error: Gateway Time-out for url: http://10.0.0.7:30000/v1/embeddings",
            source="requests",
        ),
        pattern(
            "429 Client Error: ",
            "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: https://huggingface.co/api/models/BAAI/bge-m3",
            regex=r"429 Client Error: .*for url: https?://\S*(?:huggingface|hf-mirror|modelscope)",
            near="requests.exceptions.HTTPError: 404 Client Error: Not Found for url: https://hf-mirror.com/BAAI/bge-m4",
            source="requests",
        ),
        pattern(
            "Read timed out",
            "requests.exceptions.ReadTimeout: (ReadTimeoutError(\"HTTPSConnectionPool(host='cdn-lfs.hf-mirror.com', port=443): "
            'Read timed out. (read timeout=10)"))',
            regex=_AT_ONCE
            + r"host='[\w.-]*(?:huggingface\.co|hf\.co|hf-mirror\.com|modelscope\.cn|aliyuncs\.com)'.*Read timed out",
            near="HTTPConnectionPool(host='127.0.0.1', port=30000): Read timed out. (read timeout=600)",
            source="requests",
        ),
        *(
            pattern(
                needle,
                sample,
                regex=r"^(?:requests|urllib3|httpx|httpcore|http\.client|aiohttp)\.[\w.]*"
                r"(?:Connect|Timeout|Read|Protocol|Chunked|Remote|Network|MaxRetry|Payload|SSL|Resolution)\w*: ",
                near=f"raise {sample}",
                source="requests, urllib3, httpx",
                weight=GENERAL,
                choose=_downloading,
            )
            for needle, sample in (
                (
                    "requests.",
                    "requests.exceptions.ConnectionError: ('Connection aborted.', ConnectionResetError(104, 'reset'))",
                ),
                ("urllib3.", "urllib3.exceptions.IncompleteRead: IncompleteRead(9 bytes read, 3 more expected)"),
                ("httpx.", "httpx.ReadTimeout: The read operation timed out"),
                ("http.client.", "http.client.RemoteDisconnected: Remote end closed connection without response"),
            )
        ),
        pattern(
            "socket.gaierror",
            "socket.gaierror: [Errno -3] Temporary failure in name resolution",
            regex=r"^socket\.gaierror: ",
            near="except socket.gaierror: pass",
            source="Python",
            weight=GENERAL,
            choose=_downloading,
        ),
        pattern(
            "An error happened while trying to locate the file",
            "An error happened while trying to locate the file on the Hub and we cannot find the requested files in the local cache.",
            near="Could not locate the tokenizer configuration file, will try to use the model config instead.",
            source="huggingface_hub",
        ),
        pattern(
            "CAS service error",
            "RuntimeError: Data processing error: CAS service error : ReqwestMiddleware Error: Request failed",
            regex=r"CAS service error(?!.*(?:No space left|ermission denied))",
            near="RuntimeError: Data processing error: CAS service error : IO Error: No space left on device (os error 28)",
            source="hf-xet",
        ),
        pattern(
            "ConnectTimeout",
            "httpx.ConnectTimeout: timed out while requesting https://huggingface.co/api/models/BAAI/bge-m3",
            regex=_AT_ONCE + _HUB,
            near="ConnectTimeout while requesting http://127.0.0.1:30000/model_info",
            weight=GENERAL,
            source="httpx",
        ),
    ],
    shows=span("args", "load"),
    title=Text("the hub can be reached, or the files are cached", "能连上 hub，或文件已在本地缓存"),
    because=Text(
        "the hub cannot be reached from here (or offline mode is on), and {args_model} is not in the local cache",
        "从这台机器连不上 hub（或开了离线模式），而本地缓存里没有 {args_model}",
    ),
    fix=Text(
        "give --model-path a local folder, or a mirror in HF_ENDPOINT before the server starts; with HF_HUB_OFFLINE=1 and files "
        "missing from the cache, unset it for one download",
        "用 --model-path 指向本地目录，或在启动前设置镜像 HF_ENDPOINT；若设了 HF_HUB_OFFLINE=1 而缓存不全，先取消它下载一次",
    ),
    commands=("HF_ENDPOINT=https://hf-mirror.com hf download {args_repo}",),
    variants={
        "proxy": Advice(
            Text(
                "the proxy between this machine and the hub asks for a name and a password (HTTP 407), and the server has none for it",
                "这台机器到 hub 之间的代理要求用户名和密码（HTTP 407），而服务没有带上",
            ),
            Text(
                "write NAME:PASSWORD@ before the host in the server's HTTPS_PROXY (marks in the password as %40 and the like), with "
                "NO_PROXY=127.0.0.1,localhost; or download the model elsewhere and give --model-path its folder",
                "在服务的 HTTPS_PROXY 里，主机前加上 用户名:密码@（密码里的特殊字符写成 %40 这样的编码），并设 NO_PROXY=127.0.0.1,localhost；"
                "或在别处下载模型，用 --model-path 指向目录",
            ),
            ("env | grep -i _proxy | cut -d= -f1",),
        ),
        "mirror": Advice(
            Text(
                "the mirror {hub} cannot be reached from here, or does not give the files, and {args_model} is not in the local cache",
                "从这台机器连不上镜像 {hub}，或它没有返回文件，而本地缓存里没有 {args_model}",
            ),
            Text(
                "give --model-path a local folder, downloaded on a machine that has network; or mend the way to the mirror "
                "(network, proxy, DNS), or set HF_ENDPOINT to a hub that answers from here",
                "用 --model-path 指向本地目录，模型可在能联网的机器上下载后拷过来；或修好到镜像的网络、代理、DNS，"
                "或把 HF_ENDPOINT 换成这里能访问的站点",
            ),
            ("curl -sSI -m 10 {hub}", "env -u HF_ENDPOINT hf download {args_repo}"),
        ),
    },
    variant=_far,
    values=lambda session, hit: {"hub": _mirror(hit)},
)

cause(
    "weights-missing",
    [
        pattern(
            "Cannot find any model weights with",
            "RuntimeError: Cannot find any model weights with `/data/models/bge-m3`",
            near="No sentence-transformers model found with name /data/models/bge-m3. Creating a new one with mean "
            "pooling.",
            source="0.3.6 to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "no file named",
            "OSError: Error no file named pytorch_model.bin, model.safetensors found in directory /data/models/bge-m3",
            regex=r"no file named .*(?:safetensors|pytorch_model|\.bin)",
            near="no file named notes.txt",
            source="transformers",
            weight=SPECIFIC,
        ),
        pattern(
            "safetensors",
            "FileNotFoundError: No such file or directory: '/data/models/m/model-00002-of-00002.safetensors'",
            regex=r"(?:FileNotFoundError|No such file or directory).*\.safetensors",
            near="Using model weights format ['*.safetensors']",
            source="safetensors",
            weight=SPECIFIC,
        ),
        pattern(
            "No such file or directory",
            "FileNotFoundError: [Errno 2] No such file or directory: '/data/models/m/pytorch_model-00001-of-00002.bin'",
            regex=r"No such file or directory: ['\"][^'\"]*\.(?:bin|pt|pth|gguf|index\.json)['\"]",
            near="FileNotFoundError: [Errno 2] No such file or directory: '/data/m/config.json'",
            source="torch",
            weight=SPECIFIC,
        ),
        pattern(
            "issing ",
            "RuntimeError: Missing 1 shard(s) of model.safetensors.index.json: ['model-00003-of-00004.safetensors']",
            regex=r"[Mm]issing \d+ (?:weight |checkpoint )?(?:shards?|files?)\b.*(?:safetensors|index)",
            near="Missing 1 file in the request",
            source="0.5.x",
            weight=SPECIFIC,
        ),
        pattern(
            "not initialized from checkpoint",
            "RuntimeError: Some weights are not initialized from checkpoints: {'encoder.layer.0.output.dense.weight'}",
            regex=r"Error: .*weights (?:are|were) not initialized from checkpoint",
            near="Some weights of BertModel were not initialized from the model checkpoint at m",
            source="sglang, vllm loaders",
        ),
        pattern(
            "does not appear to have a file named",
            "OSError: BAAI/bge-m3 does not appear to have a file named pytorch_model.bin, model.safetensors or tf_model.h5.",
            regex=r"does not appear to have a file named (?:pytorch_model|model\.safetensors)",
            near="OSError: /data/m does not appear to have a file named config.json",
            source="transformers",
            weight=SPECIFIC,
        ),
        pattern(
            "not found in the checkpoint",
            "ValueError: Following weights were not found in the checkpoint: {'model.layers.0.mlp.weight'}",
            regex=r"[Ww]eights?.*not found in the checkpoint",
            near="[2026-11-02 22:10:05] Parameter model.layers.0.mlp.weight not found in params_dict",
            source="vLLM-like loaders",
        ),
    ],
    shows=("load",),
    title=Text("all weight files are present", "权重文件齐全"),
    because=Text(
        "{args_model} holds no weight file, or a shard that its index names is absent: the download or copy is "
        "incomplete",
        "{args_model} 里没有权重文件，或缺少索引中列出的分片：下载或拷贝不完整",
    ),
    fix=Text("fetch the missing files", "补齐缺失的文件"),
    commands=("ls -l {args_model}", "hf download {args_repo} --local-dir {args_model}"),
)


def _warm_up_failed(session: Session, text: str) -> str | None:
    """Before it is ready only sglang itself sends requests, and a 500 then is a vector that is not a number."""
    return "weights-corrupt" if session.ready_line is None else None


def _bus_error(session: Session, text: str) -> str:
    """Memory that is mapped and not there: of a weight file while it is read, before that only of /dev/shm."""
    return "weights-corrupt" if session.phase in ("load", "serving") or not session.args else "shm-too-small"


def _damage(session: Session, hit: Hit) -> str | None:
    """`hash` where one is named, `share` and `shape` where no file is damaged, `overflow` where NaN may come from fp16."""
    if _HASHES.search(hit.text):
        return "hash"
    if _OF_A_SHARE.search(hit.text):
        return "share"
    if _SHAPES.search(hit.text):
        return "shape"
    return "overflow" if _NAN.search(hit.text) and session.argument("dtype") in ("float16", "half") else None


_NAN = re.compile(r"POST /encode HTTP/\S+ 500|warm-?up|not JSON compliant")
"""How a vector shows that is not a number: the warm-up, or any request, is answered with 500."""

_OF_A_SHARE = re.compile(r"Stale file handle|Transport endpoint is not connected")
"""What Linux says of a file on a network or FUSE file system that has gone away under its reader."""

_SHAPES = re.compile(r"Attempted to load weight \((torch\.Size\([^)]*\))\) into parameter \((torch\.Size\([^)]*\))\)")

_HASHES = re.compile(
    r"File (\S+) integrity check failed, expected sha256 signature is (\w{8,128}), actual is (\w{8,128})"
)


def _hashes(session: Session, hit: Hit) -> dict[str, str]:
    """What a line tells of a file: its hash and the hub's, or its shape and that of config.json."""
    if match := _HASHES.search(hit.text):
        return dict(zip(("path", "expected", "actual"), match.groups(), strict=True))
    if _OF_A_SHARE.search(hit.text):
        path = re.search(r"'(/[^']{1,400})'", hit.text)
        return {"path": path[1] if path else session.argument("model_path") or ""}
    shapes = _SHAPES.search(hit.text)
    return dict(zip(("actual", "expected"), shapes.groups(), strict=True)) if shapes else {}


cause(
    "weights-corrupt",
    [
        pattern(
            "Error while deserializing header",
            "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
            near="Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:00<00:00,  2.11it/s]",
            source="0.4.x to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "MetadataIncompleteBuffer",
            "SafetensorError: MetadataIncompleteBuffer",
            near='[2026-11-02 22:10:05] INFO:     10.0.0.9:41002 - "GET /search?q=MetadataIncompleteBuffer HTTP/1.1" '
            "404 Not Found",
            source="safetensors",
            weight=SPECIFIC,
        ),
        pattern(
            "UnpicklingError",
            "_pickle.UnpicklingError: invalid load key, 'v'.",
            regex=r"UnpicklingError: ",
            near="except pickle.UnpicklingError:",
            source="torch.load: what it says differs from release to release",
            weight=SPECIFIC,
        ),
        pattern(
            "PytorchStreamReader failed",
            "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
            near="[2026-11-02 22:10:05] Receive: obj=EmbeddingReqInput(rid='1', text='PytorchStreamReader failed "
            "reading zip archive')",
            source="torch.load",
            weight=SPECIFIC,
        ),
        pattern(
            "Ran out of input",
            "EOFError: Ran out of input",
            regex=r"^EOFError: Ran out of input",
            near="EOFError: EOF when reading a line",
            source="torch.load",
        ),
        pattern(
            "Consistency check failed",
            "OSError: Consistency check failed: file should be of size 1302220525 but has size 734003200 (pytorch_model.bin).",
            near="[2026-11-02 22:10:05] Health check failed. Server couldn't get a response from detokenizer for last "
            "20 seconds.",
            source="huggingface_hub",
            weight=SPECIFIC,
        ),
        pattern(
            "integrity check failed",
            "modelscope.hub.errors.FileIntegrityError: File /root/.cache/modelscope/hub/._____temp/BAAI/bge-m3/model.safetensors integrity "
            "check failed, expected sha256 signature is 58858233513d76b8, actual is 2f3a36569365da73, the download may be incomplete, "
            "please try again.",
            near="[2026-11-02 22:10:05] Health check failed. Server couldn't get a response from detokenizer for last "
            "20 seconds.",
            source="modelscope",
            weight=SPECIFIC,
        ),
        pattern(
            "unexpected EOF",
            "RuntimeError: unexpected EOF, expected 512 more bytes. The file might be corrupted.",
            regex=r"unexpected EOF, expected \d+ more bytes",
            near="unexpected EOF while reading the reply",
            source="torch.load",
            weight=SPECIFIC,
        ),
        pattern(
            "Unable to load weights from pytorch checkpoint",
            "OSError: Unable to load weights from pytorch checkpoint file for '/data/m/pytorch_model.bin'",
            near="Loading pt checkpoint shards:   0% Completed | 0/1 [00:00<?, ?it/s]",
            source="transformers",
            weight=SPECIFIC,
        ),
        pattern(
            "cloned a repository without having git-lfs",
            "OSError: You seem to have cloned a repository without having git-lfs installed.",
            near="git-lfs/3.4.1 (GitHub; linux amd64; go 1.22.2)",
            source="transformers",
            weight=SPECIFIC,
        ),
        pattern(
            "Errno 5]",
            "OSError: [Errno 5] Input/output error: '/data/m/model.safetensors'",
            regex=r"Errno 5\] Input/output error",
            near="socket.gaierror: [Errno -5] No address associated with hostname",
            source="Linux",
        ),
        pattern(
            "Errno 1",
            "OSError: [Errno 116] Stale file handle: '/mnt/models/bge/model.safetensors'",
            regex=r"Error: \[Errno (?:116\] Stale file handle|107\] Transport endpoint is not connected)",
            near="ConnectionRefusedError: [Errno 111] Connection refused",
            source="Linux: NFS, FUSE",
            weight=SPECIFIC,
        ),
        pattern(
            "Attempted to load weight",
            "AssertionError: Attempted to load weight (torch.Size([768])) into parameter (torch.Size([1024]))",
            regex=r"Error: Attempted to load weight \(torch\.Size",
            near="[2026-11-02 22:10:05] Load weight begin. avail mem=22.80 GB",
            source="0.4.x to 0.5.23: default_weight_loader",
            weight=SPECIFIC,
        ),
        pattern(
            '"POST /encode HTTP/1.1" 500',
            '[2026-11-02 22:10:18] INFO:     127.0.0.1:50120 - "POST /encode HTTP/1.1" 500 Internal Server Error',
            near='INFO:     127.0.0.1:50120 - "POST /encode HTTP/1.1" 200 OK',
            source="0.5.23: NaN weights fail the warm-up",
            choose=_warm_up_failed,
        ),
        pattern(
            "Out of range float values are not JSON compliant",
            "ValueError: Out of range float values are not JSON compliant: nan",
            near="OverflowError: out of range integral type conversion attempted",
            source="0.5.x: NaN vectors",
        ),
        pattern(
            "Bus error",
            "Fatal Python error: Bus error",
            regex=r"(?:Fatal Python error: |^)Bus error",
            near="the message bus error counter is 0",
            source="faulthandler, bash",
            choose=_bus_error,
        ),
        pattern(
            "xit code",
            "Subprocess scheduler_0 (pid=77) crashed with exit code -7. Triggering SIGQUIT for cleanup...",
            regex=r"[Ee]xit code:? -7\b",
            near="Subprocess scheduler_0 (pid=77) crashed with exit code -77.",
            weight=GENERAL,
            source="0.5.23: a mapped file that is cut off under the reader",
            choose=_bus_error,
        ),
    ],
    shows=("load",),
    title=Text("the weight files are intact", "权重文件完好"),
    because=Text(
        "a weight file is truncated, or is not a weight file: an interrupted download, a git-lfs pointer (a few "
        "hundred bytes of text), or an HTML page of a mirror. A warm-up that is answered with 500 means that the "
        "model computes NaN",
        "权重文件不完整或根本不是权重：下载中断、只是 git-lfs 指针（几百字节的文本），或镜像站返回的 HTML 页面。"
        "预热请求返回 500 则说明模型算出了 NaN",
    ),
    fix=Text("compare the sizes with those on the hub, then fetch the file again", "与 hub 上的大小核对后重新下载"),
    commands=("ls -l {args_model}", "head -c 200 {args_model}/model.safetensors"),
    variants={
        "hash": Advice(
            Text(
                "the SHA-256 of {path} is {actual}, and the hub has {expected}: the download is incomplete or was changed on its way",
                "{path} 的 SHA-256 是 {actual}，hub 上是 {expected}：下载不完整，或途中被改动",
            ),
            Text(
                "delete the file and fetch it again (modelscope has deleted its temporary copy already); if the hash is the same wrong "
                "one again, a proxy or mirror changes it: fetch it from elsewhere",
                "删除该文件后重新下载（modelscope 已删掉它的临时文件）；若再次得到同一个错误的哈希，说明代理或镜像改动了它：换个来源下载",
            ),
            ("hf download {args_repo}", "sha256sum {path}"),
        ),
        "share": Advice(
            Text(
                "a file system went away while a file of it was in use (NFS, FUSE): {path}. No weight file is damaged",
                "使用中的文件所在的文件系统失联了（NFS、FUSE）：{path}。权重文件没有损坏",
            ),
            Text(
                "mount it again on the host, and in a container recreate the container, whose mount still is the old one; then start the server. "
                "What lies on a local disk is not cut off: a copy of the model, and TRITON_CACHE_DIR for compiled kernels",
                "在宿主机上重新挂载；容器里的挂载仍是旧的，要重建容器；然后再启动。放在本地盘可避免再次失联：复制一份模型，"
                "编译缓存用 TRITON_CACHE_DIR 指到本地",
            ),
            ("ls -l {path}", "findmnt -T {path}"),
        ),
        "shape": Advice(
            Text(
                "a weight in the file has the shape {actual}, and config.json asks for {expected}: config.json and the weights are of "
                "different models",
                "权重文件里某个张量的形状是 {actual}，按 config.json 应为 {expected}：config.json 和权重不是同一个模型的",
            ),
            Text(
                "fetch the whole repository into an empty folder and give that as the model; a fine-tuned model needs the config.json that was saved with it",
                "把整个仓库重新下载到一个空目录再启动；微调模型要用与它一起保存的 config.json",
            ),
            (
                "grep -E 'hidden_size|vocab_size|num_hidden_layers|max_position' {args_model}/config.json",
                "ls -l {args_model}",
            ),
        ),
        "overflow": Advice(
            Text(
                "the model computes NaN, and the server was started with fp16, whose numbers end at 65504: some models overflow it",
                "模型算出了 NaN，而服务指定了 fp16（最大只到 65504）：有些模型在 fp16 下会溢出",
            ),
            Text(
                "start it {changes} (float32 on a GPU below sm80); only if it still computes NaN, compare the weight files with "
                "the hub's",
                "{changes} 启动（sm80 以下的显卡用 float32）；仍是 NaN 时再核对权重文件",
            ),
            ("{launch_line}", "ls -l {args_model}"),
        ),
    },
    variant=_damage,
    values=_hashes,
    changes=lambda session, hit: {"dtype": "bfloat16"} if _damage(session, hit) == "overflow" else None,
)


cause(
    "rank-not-loaded",
    [
        pattern(
            "could finish the model loading",
            "ValueError: TP rank 0 could finish the model loading, but there are other ranks that didn't finish loading. "
            "It is likely due to unexpected failures (e.g., OOM) or a slow node.",
            near="[2026-11-02 22:10:05 TP0] Load weight end. type=BertModel, dtype=torch.float16, avail mem=21.80 GB",
            source="0.4.10 to 0.5.23",
            weight=LAST,
        ),
    ],
    shows=span("load", "load"),
    title=Text("all ranks load the weights in time", "所有 rank 都按时加载完权重"),
    because=Text(
        "one rank has loaded its weights, and another was not done within minutes: it has failed, or reads from a "
        "slow disk",
        "一个 rank 已加载完权重，另一个几分钟后还没完成：它出错了，或者在读慢速磁盘",
    ),
    fix=Text(
        "look into the logs of the other ranks; put the model on a local disk; one rank is enough where one GPU fits "
        "the model",
        "查看其他 rank 的日志；把模型放到本地磁盘；单卡放得下模型时只用一个 rank",
    ),
    commands=("df -h {args_model}",),
)


cause(
    weights.NAME,
    [
        pattern(
            "not found in params_dict",
            "[2026-11-02 22:10:08] Parameter model.model.layers.0.self_attn.q_proj.weight not found in params_dict",
            regex=weights.LAYERED + r".{0,200} not found in params_dict",
            near="[2026-11-02 22:10:08] Parameter model.layers.0.self_attn.rotary_emb.inv_freq not found in params_dict",
            source="0.4.6 to 0.5.23 (sglang #10150, #17535)",
            weight=SPECIFIC,
            fatal=False,
            choose=weights.one_of_many,
        ),
        pattern(
            "not initialized from",
            "Some weights are not initialized from checkpoints: {'model.layers.0.mlp.down_proj.weight', "
            "'model.layers.0.self_attn.o_proj.weight'}",
            regex=r"^(?!.*Error: ).*[Ww]eights (?:of .{0,200} )?(?:are|were) not initialized from",
            near="RuntimeError: Some weights are not initialized from checkpoints: {'encoder.layer.0.output.dense.weight'}",
            source="sglang, transformers",
            weight=SPECIFIC,
            fatal=False,
            choose=weights.listed,
        ),
        pattern(
            "were not used when initializing",
            "Some weights of the model checkpoint at /srv/models/bge were not used when initializing BertModel: "
            "['bert.encoder.layer.0.output.dense.weight']",
            near="All the weights of BertModel were initialized from the model checkpoint at /srv/models/bge.",
            source="transformers 4.4x",
            weight=SPECIFIC,
            fatal=False,
            choose=weights.listed,
        ),
    ],
    shows=("load",),
    unknown=weights.too_few,
    title=Text("the weights of all layers were loaded", "各层权重都已加载"),
    because=Text(
        "whole layers of the checkpoint were left out ({count} names, as `{tensor}`): the model's class in this release does not "
        "know their names. The server is ready and answers 200, but with random weights: its vectors mean nothing",
        "整层的权重没有加载（{count} 个参数名，如 `{tensor}`）：当前版本的模型类不认识这些名字。服务照常就绪并返回 200，"
        "但用的是随机初始化的权重，向量没有意义",
    ),
    fix=Text(
        "compare the names in the file with the architecture in config.json: save the checkpoint anew with save_pretrained of that "
        "class, or use a newer sglang; then re-embed everything embedded so far",
        "对照权重文件里的参数名与 config.json 的 architectures：用对应的类 save_pretrained 重新导出，或升级 sglang；"
        "之后把已写进向量库的内容全部重新编码",
    ),
    commands=(
        'python -c \'import glob, sys; from safetensors import safe_open; [print(*list(safe_open(f, "pt").keys())[:5]) '
        'for f in glob.glob(sys.argv[1] + "/*.safetensors")]\' {args_model}',
        "{pip} install --upgrade sglang",
    ),
    variants={
        "doubled": Advice(
            Text(
                "no layer of the checkpoint was loaded ({count} names, as `{tensor}`): this release puts a second `model.` before "
                'each name where the folder\'s path holds "Embedding". The server is ready and answers 200, but with random '
                "weights: its vectors mean nothing",
                "没有一层权重被加载（{count} 个参数名，如 `{tensor}`）：模型路径里含 “Embedding” 时，这个版本会在每个参数名前多加一个 "
                "`model.`。服务照常就绪并返回 200，但用的是随机初始化的权重，向量没有意义",
            ),
            Text(
                'use a newer sglang, or serve the folder under a name without "Embedding"; then re-embed everything embedded so far',
                "升级 sglang，或换一个不含 “Embedding” 的目录名来启动；之后把已写进向量库的内容全部重新编码",
            ),
            ("{pip} install --upgrade sglang", "ln -s {args_model} {link}", "{launch_line}"),
        ),
        "adapter": Advice(
            Text(
                "whole layers of the checkpoint were left out ({count} names, as `{tensor}`): these are names of a PEFT adapter that was "
                "not merged. The server is ready and answers 200, but with random weights: its vectors mean nothing",
                "整层的权重没有加载（{count} 个参数名，如 `{tensor}`）：这是未合并的 PEFT 适配器的参数名。服务照常就绪并返回 200，"
                "但用的是随机初始化的权重，向量没有意义",
            ),
            Text(
                "merge the adapter into its base model (merge_and_unload), save that with save_pretrained and serve it; then re-embed "
                "everything embedded so far",
                "把适配器合并进基座模型（merge_and_unload），用 save_pretrained 导出后再启动；之后把已写进向量库的内容全部重新编码",
            ),
        ),
        "dummy": Advice(
            Text(
                "the server was started with --load-format dummy: it never reads the checkpoint and computes with random weights, so "
                "its vectors mean nothing",
                "启动时加了 --load-format dummy：服务不读权重文件，用随机权重计算，向量没有意义",
            ),
            Text(
                "restart without --load-format dummy, then re-embed everything embedded so far",
                "去掉 --load-format dummy 重启，并把之前写进向量库的内容全部重新编码",
            ),
            ("{launch_line}",),
        ),
    },
    variant=weights.why,
    values=weights.values,
    changes=weights.relaunch,
    explains=WRONG_VECTORS,
)


def _in_tokenizer(session: Session, text: str) -> str | None:
    """A file name that is None, raised below a tokenizer's frames."""
    return "tokenizer-missing" if any("tokeniz" in line for line in list(session.recent)[-30:]) else None


cause(
    "tokenizer-missing",
    [
        pattern(
            "Can't load tokenizer for",
            "OSError: Can't load tokenizer for '/data/models/bge-m3'. If you were trying to load it from",
            near="OSError: Can't load the configuration of '/data/models/bge-m3'. If you were trying to load it from",
            source="transformers 4.4x",
            weight=SPECIFIC,
        ),
        pattern(
            "Unable to load vocabulary",
            "OSError: Unable to load vocabulary from file. Please check that the provided vocabulary is accessible",
            near="E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:8310] Unable to register cuDNN factory: "
            "Attempting to register",
            source="transformers 4.4x",
            weight=SPECIFIC,
        ),
        pattern(
            "Can't find a vocabulary file at path",
            "ValueError: Can't find a vocabulary file at path 'None'. To load the vocabulary from a Google pretrained model use",
            near="loading file vocab.txt from cache at None",
            source="transformers 4.4x: slow BERT tokenizer",
            weight=SPECIFIC,
        ),
        pattern(
            "Exception: ",
            "Exception: expected value at line 1 column 1",
            regex=r"^Exception: .* at line \d+ column \d+",
            near="Exception: sgl-kernel with minimum required version 0.3.21 is not installed.",
            source="tokenizers: a tokenizer.json that is cut off, or a git-lfs pointer",
        ),
        pattern(
            "Couldn't instantiate the backend tokenizer",
            "ValueError: Couldn't instantiate the backend tokenizer from one of: ",
            near="[2026-11-02 22:10:05] Using a slow tokenizer. This might cause a significant slowdown. Consider "
            "using a fast tokenizer instead.",
            source="0.4.x",
            weight=SPECIFIC,
        ),
        pattern(
            "unexpected error loading tokenizer.json",
            "_fix_v5_tokenizer_components: unexpected error loading tokenizer.json for /data/models/bge",
            near="loading file tokenizer.json from cache at None",
            source="0.5.23",
            weight=SPECIFIC,
            fatal=False,
        ),
        pattern(
            "failed to read tokenizer_config.json",
            "_fix_v5_add_bos_eos_token: failed to read tokenizer_config.json for /data/models/bge",
            near="loading file tokenizer_config.json from cache at None",
            source="0.5.23",
            fatal=False,
        ),
        pattern(
            "did not match any variant of untagged enum",
            "Exception: data did not match any variant of untagged enum ModelWrapper at line 757272 column 3",
            regex=r"untagged enum \w+Wrapper\b",
            near="Failed to deserialize the JSON body into the target type: data did not match any variant of "
            "untagged enum Input at line 1 column 9",
            source="tokenizers",
            weight=SPECIFIC,
        ),
        pattern(
            "Tokenizer class ",
            "ValueError: Tokenizer class XLMTokenizerX does not exist or is not currently imported.",
            regex=r"Tokenizer class \S+ does not exist or is not currently imported",
            near="The tokenizer class you load from this checkpoint is 'XLMRobertaTokenizer'.",
            source="transformers",
            weight=SPECIFIC,
        ),
        pattern(
            "does not appear to have a file named",
            "OSError: BAAI/bge-m3 does not appear to have a file named tokenizer.json.",
            regex=r"does not appear to have a file named (?:tokenizer|vocab|sentencepiece|spiece)",
            near="OSError: /data/m does not appear to have a file named config.json",
            source="transformers",
            weight=SPECIFIC,
        ),
        pattern(
            "TypeError: not a string",
            "TypeError: not a string",
            regex=r"^TypeError: not a string$",
            near="TypeError: expected string or bytes-like object",
            source="sentencepiece",
        ),
        pattern(
            "not NoneType",
            "TypeError: expected str, bytes or os.PathLike object, not NoneType",
            near="TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'",
            source="transformers 4.4x: a vocabulary that is None",
            choose=_in_tokenizer,
        ),
        pattern(
            "You need to have sentencepiece",
            "ImportError: You need to have sentencepiece installed to convert a slow tokenizer to a fast one.",
            near="Requirement already satisfied: sentencepiece in /usr/lib/python3.12/site-packages",
            source="transformers 4.4x",
        ),
        pattern(
            "okenizer",
            "ImportError: XLMRobertaTokenizer requires the SentencePiece library but it was not found in your environment.",
            regex=r"(?:^|Error: )\s*\w*Tokenizer\w* requires the \w+ library but it was not found",
            near="ImportError: AutoProcessor requires the PIL library but it was not found in your environment.",
            source="transformers 4.4x",
            weight=SPECIFIC,
        ),
    ],
    shows=span("args", "load"),
    title=Text("the tokenizer files are present", "分词器文件齐全"),
    because=Text(
        "tokenizer.json or vocab.txt is absent or unusable in {args_model}. sglang 0.5.23 starts all the same and turns "
        "every character into [UNK]: texts of equal length then get the same vector",
        "{args_model} 里的 tokenizer.json 或 vocab.txt 缺失或不可用。sglang 0.5.23 仍会启动，"
        "但每个字都变成 [UNK]：等长的文本会得到同一个向量",
    ),
    fix=Text(
        "fetch the tokenizer files (or pip install sentencepiece, where the line asks for it), then re-embed "
        "everything embedded so far",
        "补齐分词器文件（报错要求 sentencepiece 时执行 pip install sentencepiece），并把之前写进向量库的内容全部重新编码",
    ),
    commands=("hf download {args_repo} tokenizer.json tokenizer_config.json vocab.txt --local-dir {args_model}",),
    explains=(*CONSEQUENCES, "embed.distinct"),
)

cause(
    "trust-remote-code-required",
    [
        pattern(
            "trust_remote_code=True",
            "Please pass the argument `trust_remote_code=True` to allow custom code to be run.",
            regex=r"(?:pass the argument|set(?:ting)? the option|consider setting|requires you to execute).*trust_remote_code",
            near="server_args=ServerArgs(model_path='m', trust_remote_code=True)",
            source="transformers 4.4x to 5.19",
            weight=SPECIFIC,
        ),
        pattern(
            "If the tokenizer is a custom tokenizer not yet available",
            "RuntimeError: Failed to load the tokenizer. If the tokenizer is a custom tokenizer not yet available in the "
            "HuggingFace transformers library, consider setting `trust_remote_code=True`",
            near="[2026-11-02 22:10:05] Using a slow tokenizer. This might cause a significant slowdown. Consider "
            "using a fast tokenizer instead.",
            source="0.4.x to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "contains custom code which must be executed",
            "ValueError: The repository for jinaai/jina-embeddings-v3 contains custom code which must be executed to "
            "correctly load the model.",
            near="A new version of the following files was downloaded from "
            "https://huggingface.co/jinaai/xlm-roberta-flash-implementation: Make sure to double-check they do "
            "not contain any added malicious code.",
            source="transformers",
            weight=SPECIFIC,
        ),
    ],
    shows=span("args", "load"),
    title=Text("the model needs no code of its own, or may run it", "模型没有自带代码，或已允许执行"),
    because=Text(
        "{args_model} ships its own Python code, and the server was started without --trust-remote-code",
        "{args_model} 自带 Python 代码，而启动时没有加 --trust-remote-code",
    ),
    fix=Text(
        "add --trust-remote-code if you trust the repository (bge models do not need it: then the path is wrong)",
        "确认来源可信后加 --trust-remote-code（bge 系列不需要，若出现说明路径不对）",
    ),
    commands=("{launch_line}",),
    changes=lambda session, hit: {"trust-remote-code": ""},
)


def _unknown_parameter(session: Session, text: str) -> str | None:
    """A weight that is whole, and that the model's class in this release has no place for."""
    return "unsupported-architecture" if any("params_dict[" in line for line in list(session.recent)[-4:]) else None


cause(
    "unsupported-architecture",
    [
        pattern(
            "embedding is not supported yet",
            "AssertionError: embedding is not supported yet",
            regex=r"^AssertionError: embedding is not supported yet",
            near="NotImplementedError: Tieword embedding is not supported yet for the data type",
            source="0.4.7 to 0.5.x: the implementation of transformers in place of an own one (sglang #8256)",
            weight=SPECIFIC,
        ),
        pattern(
            "are not supported for now",
            "ValueError: Model architectures ['XLMRobertaLoRA'] are not supported for now. Supported architectures: dict_keys",
            regex=r"Model architectures \[.*\] are not supported for now",
            near="images are not supported for now",
            source="0.4.x to 0.5.23",
        ),
        pattern(
            "has no SGlang implementation and the Transformers implementation is not compatible",
            "ValueError: BertModel has no SGlang implementation and the Transformers implementation is not compatible "
            "with SGLang.",
            near="[2026-11-02 22:10:05] BertForMaskedLM has no SGlang implementation, falling back to Transformers "
            "implementation. Some features may not be supported and performance may not be optimal.",
            source="0.4.7 to 0.5.23",
        ),
        pattern(
            "Unsupported architectures: ",
            "ValueError: Unsupported architectures: JinaBertModel. Supported list: ['ChatGLMModel', 'MistralModel']",
            near="WARNING: Unsupported architectures: are listed below",
            regex=r"Error: Unsupported architectures: \w+",
            source="0.1.x to 0.3.x",
        ),
        pattern(
            "GGUF model with architecture ",
            "ValueError: GGUF model with architecture nomic-bert is not supported yet.",
            regex=r"GGUF model with architecture \S+ is not supported",
            near="Loading a GGUF model with architecture bert",
            source="transformers 4.4x to 5.x",
            weight=SPECIFIC,
        ),
        pattern(
            "Unknown gguf model_type: ",
            "RuntimeError: Unknown gguf model_type: xlm-roberta",
            near="INFO: Unknown gguf file version",
            source="0.4.x to 0.5.23",
            weight=SPECIFIC,
        ),
        pattern(
            "KeyError: '",
            "KeyError: 'layers.3.mlp.gate_up_proj.weight'",
            regex=r"^KeyError: '[\w.]+\.\w+'$",
            near="KeyError: 'text'",
            source="0.4.6 to 0.5.9: a checkpoint whose names are not those of the model's class (sglang #6917, #9747, #17535)",
            choose=_unknown_parameter,
        ),
        pattern(
            "Cannot find model module",
            "ValueError: Cannot find model module. 'FooModel' is not a registered model in the Transformers library",
            near="RuntimeError: Cannot find any model weights with `/data/models/bge-m3`",
            source="0.5.x",
        ),
        pattern(
            "Only 'absolute' position_embedding_type is supported",
            "ValueError: Only 'absolute' position_embedding_type is supported",
            near='  "position_embedding_type": "absolute",',
            source="0.5.23",
            weight=SPECIFIC,
        ),
    ],
    shows=span("args", "load"),
    title=Text("sglang knows the model's architecture", "sglang 支持该模型结构"),
    because=Text(
        "this version of sglang has no implementation of the model's architecture, or of the form in which this checkpoint "
        "names its weights (or could not import it: see the `Ignore import error` line of that model above)",
        "当前版本的 sglang 没有实现该模型结构，或不认识这份权重里的参数名（也可能是导入失败：看上方对应模型的 Ignore import error 行）",
    ),
    fix=Text(
        "use a newer sglang, or serve this model with text-embeddings-inference or vLLM",
        "升级 sglang，或改用 text-embeddings-inference、vLLM 部署该模型",
    ),
    commands=("{pip} install --upgrade sglang",),
    variants={
        "gguf": Advice(
            Text(
                "the checkpoint is a GGUF file of an architecture that sglang cannot read from GGUF: it reads a few generating models so",
                "权重是 GGUF 文件，而 sglang 不能从 GGUF 读取这种结构：它只支持少数生成模型的 GGUF",
            ),
            Text(
                "serve the model's original repository, with its weights in safetensors; the GGUF file itself is for llama.cpp or Ollama",
                "改用该模型原始仓库里 safetensors 格式的权重；GGUF 文件用 llama.cpp 或 Ollama 部署",
            ),
        ),
    },
    variant=lambda session, hit: "gguf" if "gguf" in hit.text.lower() else None,
)


def _in_auto_configuration(session: Session, text: str) -> str | None:
    """A model type that the mapping of the installed transformers does not hold."""
    from_transformers = any(
        "configuration_auto.py" in line or "CONFIG_MAPPING" in line for line in list(session.recent)[-12:]
    )
    return "transformers-too-old" if from_transformers else None


def _of_transformers(text: str) -> str | None:
    """Where it is not the model type that transformers does not know: the tokenizer's file, or sglang beside it."""
    if "attribute 'keys'" in text or "AddedToken()" in text:
        return "tokenizer"
    return "apart" if _APART.search(text) else None


def _in_tokenizer_file(session: Session, text: str) -> str | None:
    """What transformers stumbles over while it reads tokenizer_config.json."""
    frames = [line for line in session.recent if line.startswith('  File "')][-3:]
    read = any(re.search(r"/transformers/tokenization_\w+\.py\"", line) for line in frames)
    return "transformers-too-old" if read else None


_APART = re.compile(
    r"cannot import name|BACKENDS_MAPPING|already used by a Transformers config|object has no attribute|^AttributeError: module"
)
"""What a transformers of another release lacks, or has beside sglang; the model has no part in it."""

cause(
    "transformers-too-old",
    [
        pattern(
            "does not recognize this architecture",
            "ValueError: The checkpoint you are trying to load has model type `qwen3` but Transformers does not recognize "
            "this architecture.",
            near="ValueError: Model architectures ['XLMRobertaLoRA'] are not supported for now.",
            source="transformers 4.4x to 5.19",
            weight=SPECIFIC,
        ),
        pattern(
            "from 'transformers",
            "ImportError: cannot import name 'Gemma3Config' from 'transformers' (/usr/lib/transformers/__init__.py)",
            regex=r"cannot import name '\w+' from 'transformers",
            near="[2026-11-02 22:10:05] Ignore import error when loading sglang.srt.models.mllama: cannot import name "
            "'MllamaConfig' from 'transformers' (/usr/lib/transformers/__init__.py)",
            source="sglang newer or older than transformers",
            weight=SPECIFIC,
        ),
        pattern(
            "KeyError: '",
            "KeyError: 'gemma3_text'",
            regex=r"^KeyError: '[a-z][\w-]*'$",
            near="KeyError: 'model.layers.0.weight'",
            source="transformers 4.3x to 4.5x",
            weight=GENERAL,
            choose=_in_auto_configuration,
        ),
        pattern(
            "No module named 'transformers.",
            "ModuleNotFoundError: No module named 'transformers.models.qwen3'",
            near="[2026-11-02 22:10:05] Ignore import error when loading sglang.srt.models.qwen3_vl: No module named "
            "'transformers.models.qwen3_vl'",
            source="transformers older than sglang",
            weight=SPECIFIC,
        ),
        pattern(
            "'list' object has no attribute 'keys'",
            "AttributeError: 'list' object has no attribute 'keys'",
            near="AttributeError: 'dict' object has no attribute 'keys_of'",
            source="transformers 4.x before a tokenizer_config.json of 5 (transformers #45566)",
            choose=_in_tokenizer_file,
        ),
        pattern(
            "AddedToken() got multiple values for keyword argument 'special'",
            "TypeError: tokenizers.AddedToken() got multiple values for keyword argument 'special'",
            near="TypeError: AddedToken() got an unexpected keyword argument 'special'",
            source="transformers 5.0 to 5.2 (transformers #44062)",
            weight=SPECIFIC,
        ),
        pattern(
            "Backend should be defined in the BACKENDS_MAPPING",
            "ValueError: Backend should be defined in the BACKENDS_MAPPING. Offending backend: torchvision",
            near="[2026-11-02 22:10:05] Attention backend not explicitly specified. Use flashinfer backend by default.",
            source="sglang #23233",
            weight=SPECIFIC,
        ),
        pattern(
            "is already used by a Transformers config",
            "ValueError: 'aimv2' is already used by a Transformers config, pick another name.",
            near="ValueError: '<class 'BertConfig'>' is already used by a Transformers model.",
            source="transformers newer than sglang",
            weight=SPECIFIC,
        ),
        pattern(
            "object has no attribute",
            "AttributeError: 'Qwen2Tokenizer' object has no attribute 'all_special_tokens_extended'",
            regex=r"AttributeError: '\w*(?:Tokenizer\w*|Config)' object has no attribute",
            near="AttributeError: 'Scheduler' object has no attribute 'tokenizer'",
            source="transformers 5 under an older sglang",
        ),
        pattern(
            "AttributeError: module 'transformers",
            "AttributeError: module 'transformers.models' has no attribute 'qwen3'",
            near="[2026-11-02 22:10:05] Ignore import error when loading sglang.srt.models.qwen3: module "
            "'transformers.models' has no attribute 'qwen3'",
            source="sglang newer or older than transformers",
        ),
    ],
    shows=span("args", "load"),
    title=Text("transformers knows the model type", "transformers 版本匹配"),
    because=Text(
        "the installed transformers does not know this model type, or does not fit this version of sglang",
        "已安装的 transformers 不认识该模型类型，或与当前 sglang 版本不匹配",
    ),
    fix=Text(
        "install sglang into a fresh environment with the transformers that it asks for",
        "在干净环境里重装 sglang，让它装上所要求的 transformers 版本",
    ),
    commands=("{pip} install --upgrade sglang transformers",),
    variants={
        "tokenizer": Advice(
            Text(
                "the model's tokenizer_config.json is written for another transformers than the installed one, which cannot read the special "
                "tokens in it; the file is not damaged",
                "模型的 tokenizer_config.json 是按另一个版本的 transformers 写的，当前版本读不了其中的特殊 token；文件没有损坏",
            ),
            Text(
                "use a newer sglang, which brings a newer transformers; transformers upgraded alone may not fit this sglang",
                "升级 sglang，让它带上更新的 transformers；单独升级 transformers 可能与当前 sglang 不匹配",
            ),
            ("{pip} install --upgrade sglang", "{pip} check"),
        ),
        "apart": Advice(
            Text(
                "the installed transformers is older or newer than this version of sglang was written for: it lacks what sglang takes from it",
                "已安装的 transformers 比当前 sglang 所要求的旧或新，缺少 sglang 要用的内容",
            ),
            Text(
                "install sglang into a fresh environment, with the transformers that it asks for; transformers upgraded alone may be too new",
                "在干净环境里重装 sglang，让它装上所要求的 transformers；单独升级 transformers 可能又太新",
            ),
            ("{pip} check", "{pip} install --upgrade --force-reinstall sglang"),
        ),
    },
    variant=lambda session, hit: _of_transformers(hit.text),
)
