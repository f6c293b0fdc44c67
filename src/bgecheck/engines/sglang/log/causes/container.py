"""Causes from before the program's first line: the image, the container, the program that it is to run."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log.cause import cause
from bgecheck.engines.sglang.log.marks import ORDERLY
from bgecheck.engines.sglang.log.rules import GENERAL, PLAIN, SPECIFIC, pattern
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.model import Advice, Text

_COMPOSE = re.compile(
    r"^(?:\S+\.ya?ml: )?yaml: (?:line \d+: |construct errors)|^(?:validating )?\S+\.ya?ml: |[Aa]dditional propert(?:y|ies) \S+ (?:is|are) not allowed"
    r"|^service \"[\w.-]+\" refers to undefined|^parsing \S+\.ya?ml"
)

_KINDS = (
    ("scheduling", re.compile(r"FailedScheduling|nodes are available: ")),
    ("volume", re.compile(r"FailedMount|MountVolume\.SetUp failed|FailedAttachVolume")),
    ("probe", re.compile(r"failed (?:startup|liveness) probe|(?:Startup|Liveness) probe failed")),
    ("file", _COMPOSE),
    ("crashes", re.compile(r"Back-off restarting failed container|CrashLoopBackOff")),
    ("config", re.compile(r"Error: (?:secret|configmap) \"|couldn't find key|CreateContainerConfigError")),
    ("ended", re.compile(r"(?:Exited|Restarting) \(\d+\)|\"ExitCode\": ")),
    ("retries", re.compile(r"entered FATAL state")),
    ("options", re.compile(r"exec: -\S*: invalid option")),
    ("architecture", re.compile(r"[Ee]xec format error|no matching manifest for |no match for platform")),
    ("name", re.compile(r"container name \S+ is already in use")),
    ("daemon", re.compile(r"docker daemon running|Docker daemon at |dockerDesktopLinuxEngine")),
    (
        "registry",
        re.compile(
            r"registry|toomanyrequests|i/o timeout|TLS handshake timeout|request canceled|no such host|context deadline"
        ),
    ),
    (
        "image",
        re.compile(r"pull access denied|manifest (?:for|unknown)|[Ff]ailed to pull image|ImagePullBackOff|ErrImage"),
    ),
    ("program", re.compile(r"executable file not found|no such file or directory|No such file or directory")),
)
_PROGRAM = re.compile(r"exec: \\?\"([^\"\\]{1,200})|exec (/\S{1,200}): |can't open file '([^']{1,300})'")
_IMAGE = re.compile(r"(?:access denied for|manifest for|pull image \\?\"?|image \\?\") ?([\w./:@-]{3,200})")
_PLATFORM = re.compile(r"manifest for (linux/[\w/]{3,20})")
_CONTAINER = re.compile(
    r"container name \"?/?([\w.-]{1,100})"
    r"|^\s*[0-9a-f]{12} .*\) .*\bago .*?([\w.-]{1,100})\s*$"
    r"|^\s*([\w.-]{1,100}) .* (?:Exited|Restarting) \("
)
"""The container of a line: `docker ps` opens with its id and ends with its name, `docker compose ps` opens with its name."""
_POD = re.compile(r" in pod ([\w.-]{1,253})_([\w-]{1,63})(?:\(|\s*$)|^([\w.-]{1,253}) +\d+/\d+ ")
"""The pod that a line is about, by name and namespace; one of a list by its name alone."""
_PREVIOUS = (
    "kubectl logs --previous -n {namespace} {own_pod} | bgecheck logs",
    "kubectl logs --previous {pod} | bgecheck logs",
)
"""The log of the run that ended: by what is known of the pod."""

_ENDED_WITH = re.compile(r"(?:(?:Exited|Restarting) \(|\"ExitCode\": )(\d+)")


_NAMED = {"image": "image", "program": "program"}
"""Kinds whose words need what the line names."""


def _kind(session: Session, hit: Hit) -> str | None:
    kind = next((kind for kind, words in _KINDS if words.search(hit.text)), None)
    return None if kind in _NAMED and _NAMED[kind] not in _values(session, hit) else kind


def _values(session: Session, hit: Hit) -> dict[str, str]:
    """What the line names: the program, the image, the platform, the container."""
    marks = {
        "program": _PROGRAM,
        "image": _IMAGE,
        "platform": _PLATFORM,
        "container": _CONTAINER,
        "code": _ENDED_WITH,
    }
    matches = {name: mark.search(hit.text) for name, mark in marks.items()}
    values = {name: next(filter(None, match.groups()), "").rstrip(":.") for name, match in matches.items() if match}
    return {"container": "NAME", **values, **_pod(hit)}


def _pod(hit: Hit) -> dict[str, str]:
    """The pod of its lines: with its namespace, or as `pod` where they do not tell that; `POD` where they name none."""
    lines = (hit.text, *(text for _, text in hit.also.values()))
    match = next(filter(None, map(_POD.search, lines)), None)
    if match and match[1]:
        return {"own_pod": match[1], "namespace": match[2]}
    return {"pod": match[3] if match else "POD"}


def _ended(session: Session, text: str) -> str | None:
    """How a container that has ended is told by its exit code: killed, crashed, stopped in order, or by itself."""
    match = _ENDED_WITH.search(text)
    code = match[1] if match else ""
    if code in ORDERLY:
        return None
    return {"137": "host-oom-killed", "139": "segfault", "132": "segfault", "134": "segfault"}.get(
        code, "container-failed"
    )


cause(
    "container-failed",
    [
        pattern(
            "xec format error",
            "exec /usr/local/bin/start.sh: exec format error",
            regex=r"\b(?:exec\b.*|cannot execute binary file|Errno 8\].*)[:：]? ?[\"']?[Ee]xec format error",
            near="WARNING: The requested image's platform (linux/amd64) does not match the detected host platform (linux/arm64/v8)",
            source="docker, Linux",
            weight=SPECIFIC,
        ),
        pattern(
            "executable file not found in $PATH",
            "docker: Error response from daemon: failed to create task for container: OCI runtime create failed: runc create failed: "
            'unable to start container process: exec: "sglang": executable file not found in $PATH: unknown.',
            near="WARNING: The script sglang is installed in '/root/.local/bin' which is not on PATH.",
            source="docker, containerd",
            weight=SPECIFIC,
        ),
        pattern(
            "o such file or directory",
            "exec /opt/entrypoint.sh: no such file or directory",
            regex=r"^exec /\S+: no such file or directory|exec user process caused:? \"?no such file|exec: \\?\"\S+?\": stat \S+: no such file"
            r"|can't open file '[^']+': \[Errno 2\]",
            near="bash: /opt/entrypoint.sh: No such file or directory",
            source="docker, Python",
            weight=SPECIFIC,
        ),
        pattern(
            "invalid option",
            "/opt/nvidia/nvidia_entrypoint.sh: line 67: exec: --: invalid option",
            regex=r"entrypoint\S*\.sh: line \d+: exec: -\S*: invalid option",
            near="/opt/start.sh: line 3: set: -o: invalid option",
            source="bash: an image of NVIDIA's that is given options only (sglang #3855)",
            weight=SPECIFIC,
        ),
        pattern(
            "pull access denied for ",
            "docker: Error response from daemon: pull access denied for sglang/sglang, repository does not exist or may require "
            "'docker login': denied: requested access to the resource is denied",
            near="Status: Downloaded newer image for lmsysorg/sglang:latest",
            source="docker",
            weight=SPECIFIC,
        ),
        pattern(
            "manifest",
            "docker: Error response from daemon: manifest for lmsysorg/sglang:v9 not found: manifest unknown: manifest unknown.",
            regex=r"manifest for \S+ not found|manifest unknown|no matching manifest for \S+|no match for platform in manifest",
            near="writing manifest to image destination",
            source="docker, containerd",
            weight=SPECIFIC,
        ),
        pattern(
            "toomanyrequests",
            "docker: Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit.",
            near='[2026-11-02 22:10:05] INFO:     10.0.0.9:41002 - "POST /v1/embeddings HTTP/1.1" 429 Too Many Requests',
            source="Docker Hub",
            weight=SPECIFIC,
        ),
        pattern(
            "registry",
            'docker: Error response from daemon: Get "https://registry-1.docker.io/v2/": net/http: request canceled while waiting for '
            "connection (Client.Timeout exceeded while awaiting headers)",
            regex=r"[Ee]rror.*\bregistry\S*/v2/.*(?:[Tt]imeout|canceled|refused|no such host|deadline|EOF|reset)",
            near="Error: the registry of models has no /v2/ route",
            source="docker",
            weight=SPECIFIC,
        ),
        pattern(
            "Image",
            "Warning  Failed     12s (x3 over 60s)  kubelet  Error: ImagePullBackOff",
            regex=r"(?:Error: |^\s*Reason: +|\d/\d+ +)(?:ImagePullBackOff|ErrImagePull|InvalidImageName)",
            near="imagePullPolicy: IfNotPresent",
            source="kubernetes",
            weight=GENERAL,
        ),
        pattern(
            "Failed to pull image",
            'Warning  Failed  9s  kubelet  Failed to pull image "lmsysorg/sglang:v9": rpc error: code = NotFound',
            near='Normal  Pulled  9s  kubelet  Successfully pulled image "lmsysorg/sglang:v0.5.9" in 41.2s',
            source="kubernetes",
        ),
        pattern(
            "Cannot connect to the Docker daemon",
            "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            near="aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host 127.0.0.1:30000 ssl:default "
            "[Connect call failed ('127.0.0.1', 30000)]",
            source="docker",
            weight=SPECIFIC,
        ),
        pattern(
            "The container name ",
            'docker: Error response from daemon: Conflict. The container name "/sglang" is already in use by container "4f1c".',
            regex=r"Conflict\. The container name \S+ is already in use",
            near="docker: Error response from daemon: No such container: sglang",
            source="docker",
            weight=SPECIFIC,
        ),
        pattern(
            " entered FATAL state, too many start retries",
            "2026-01-12 10:00:41,801 INFO gave up: sglang entered FATAL state, too many start retries too quickly",
            regex=r"gave up: \S+ entered FATAL state, too many start retries",
            near="2026-01-12 10:00:03,131 INFO success: sglang entered RUNNING state, process has stayed up for > than 1 seconds",
            source="supervisord 4.x: the program has a log of its own",
            weight=GENERAL,
        ),
        pattern(
            "nodes are available: ",
            "Warning  FailedScheduling  5s  default-scheduler  0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
            regex=r"\b0/\d+ nodes are available: ",
            near="Normal  Scheduled  5s  default-scheduler  Successfully assigned emb/sglang-0 to gpu01",
            source="kubernetes",
            weight=SPECIFIC,
        ),
        pattern(
            "SetUp failed for volume ",
            'Warning  FailedMount  5s  kubelet  MountVolume.SetUp failed for volume "models" : hostPath type check failed: '
            "/data/models is not a directory",
            near='Normal  SuccessfulAttachVolume  9s  attachdetach-controller  AttachVolume.Attach succeeded for volume "pvc-1"',
            source="kubernetes",
            weight=SPECIFIC,
        ),
        pattern(
            "probe",
            "Normal   Killing    1m   kubelet  Container sglang failed startup probe, will be restarted",
            regex=r"Container \S+ failed (?:startup|liveness) probe, will be (?:restarted|killed)",
            near='Warning  Unhealthy  2m  kubelet  Readiness probe failed: Get "http://10.0.0.5:30000/health": dial tcp',
            source="kubernetes: what follows is killed (137) and started again",
            weight=PLAIN,
        ),
        pattern(
            "ack-off restarting failed container",
            "Warning  BackOff    2m (x40 over 10m)  kubelet  Back-off restarting failed container emb in pod emb-0_default",
            near="Normal   Started    2m  kubelet  Started container emb",
            source="kubernetes: the program has a log of its own",
            weight=GENERAL,
        ),
        pattern(
            "CrashLoopBackOff",
            "      Reason:       CrashLoopBackOff",
            near="      Reason:       ContainerCreating",
            source="kubernetes: the program has a log of its own",
            weight=GENERAL,
        ),
        pattern(
            "Error: ",
            '  Warning  Failed     5s (x3 over 30s)   kubelet            Error: secret "hf-token" not found',
            regex=r"\bError: (?:(?:secret|configmap) \"[\w.-]+\" not found|couldn't find key \S+ in (?:Secret|ConfigMap) \S+)",
            near='Error from server (NotFound): pods "sglang-0" not found',
            source="kubernetes",
            weight=SPECIFIC,
        ),
        pattern(
            "CreateContainerConfigError",
            "      Reason:       CreateContainerConfigError",
            near="      Reason:       ContainerCreating",
            source="kubernetes",
            weight=GENERAL,
        ),
        pattern(
            "xited (",
            '3b1f0c1e2d4a   lmsysorg/sglang:v0.5.9    "python3 -m sglang.l…"   3 minutes ago   Exited (1) 2 minutes ago             sglang-bge',
            regex=r"\b(?:sglang|launch_server)\b.* Exited \(\d+\) .*\bago\b",
            near='8c1f0c1e2d4b   redis:7   "docker-entrypoint.s…"   2 days ago   Exited (1) 2 days ago   cache',
            source="docker ps -a: the program has a log of its own",
            weight=GENERAL,
            choose=_ended,
        ),
        pattern(
            "estarting (",
            '3b1f0c1e2d4a   lmsysorg/sglang:v0.5.9    "python3 -m sglang.l…"   3 minutes ago   Restarting (1) 12 seconds ago            sglang-bge',
            regex=r"\b(?:sglang|launch_server)\b.* Restarting \(\d+\) .*\bago\b",
            near='8c1f0c1e2d4b   redis:7   "docker-entrypoint.s…"   2 days ago   Restarting (1) 5 seconds ago   cache',
            source="docker ps: the program has a log of its own",
            weight=GENERAL,
            choose=_ended,
        ),
        pattern(
            '"ExitCode": ',
            '            "ExitCode": 1,',
            regex=r"^\s*\"ExitCode\": [1-9]\d*,?\s*$",
            near='            "ExitCode": 0,',
            source="docker inspect: the program has a log of its own",
            weight=GENERAL,
            choose=_ended,
        ),
        pattern(
            "yaml: ",
            "yaml: line 12: mapping values are not allowed in this context",
            regex=r"^(?:\S+\.ya?ml: )?yaml: line \d+: ",
            near="yaml.scanner.ScannerError: mapping values are not allowed here",
            source="docker compose, kubectl",
            weight=SPECIFIC,
        ),
        pattern(
            "not allowed",
            "validating /srv/docker-compose.yml: services.emb additional properties 'shmsize' not allowed",
            regex=r"^(?:validating )?\S+\.ya?ml: .*[Aa]dditional propert(?:y|ies) .*not allowed"
            r"|^services\.\S+ [Aa]dditional property \S+ is not allowed",
            near="additional properties are not allowed in this request ('top_p' was unexpected)",
            source="docker compose",
            weight=SPECIFIC,
        ),
        pattern(
            "OCI runtime create failed",
            "docker: Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to "
            "start container process: error during container init",
            regex=r"OCI runtime create failed(?!.*nvidia-container-cli)",
            near="OCI runtime create failed: nvidia-container-cli: initialization error: nvml error: driver not loaded",
            source="docker, containerd",
            weight=GENERAL,
        ),
    ],
    shows=("args",),
    title=Text("the container or program could be started", "容器（程序）能启动"),
    because=Text(
        "the container was not started, so that no line of the server is in this log (the line names the reason)",
        "容器没有启动，日志里没有服务的任何输出（报错行里写了原因）",
    ),
    fix=Text(
        "mend what the line names (sglang's image is lmsysorg/sglang), then start again",
        "按报错处理后重新启动（sglang 官方镜像是 lmsysorg/sglang）",
    ),
    commands=("docker info", "docker ps -a"),
    variants={
        "architecture": Advice(
            Text(
                "the image or program is built for another CPU architecture than this machine has, or its start script does not name its shell",
                "镜像或程序是为另一种 CPU 架构编译的，或启动脚本首行没有写解释器",
            ),
            Text(
                "compare both architectures: use an image that has this machine's (docker pull --platform), or a machine with the "
                "image's; let a start script of your own name its shell in the first line, with LF line ends",
                "对比两者的架构：拉取本机架构的镜像（docker pull --platform），或换一台架构相符的机器；"
                "自己写的启动脚本首行要写明解释器，并用 LF 换行",
            ),
            ("uname -m", "docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}'"),
        ),
        "program": Advice(
            Text(
                "the container has no program {program}: another image, a wrong path, or a start script with CRLF line ends",
                "容器里没有要执行的程序 {program}：用错了镜像、路径不对，或启动脚本是 CRLF 换行",
            ),
            Text(
                "use sglang's image and start it with `python3 -m sglang.launch_server` (releases up to 0.4.10 have no `sglang` command); "
                "for a script of your own, mount it, make it executable, and save it with LF line ends",
                "使用 sglang 的镜像，并用 `python3 -m sglang.launch_server` 启动（0.4.10 及以前没有 `sglang` 命令）；"
                "自己的脚本要挂载进容器、有执行权限，并保存为 LF 换行",
            ),
            (
                "docker run --rm --entrypoint python3 lmsysorg/sglang:latest -c 'import sglang; print(sglang.__version__)'",
            ),
        ),
        "options": Advice(
            Text(
                "the container was given options only, and no program to run with them: the image starts none of its own",
                "容器只收到参数，没有要执行的程序：镜像本身不会启动任何服务",
            ),
            Text(
                "write the program behind the name of the image: `python3 -m sglang.launch_server`, then the options, --model-path among them",
                "在镜像名后面写上程序 `python3 -m sglang.launch_server`，再接参数（要有 --model-path）",
            ),
            ("docker run --rm lmsysorg/sglang:latest python3 -m sglang.launch_server --help",),
        ),
        "image": Advice(
            Text(
                "the registry has no image {image}, or not for this account: the name or the tag is misspelt, or it is private",
                "仓库里没有镜像 {image}，或当前账号无权拉取：名字或标签写错，或是私有镜像",
            ),
            Text(
                "correct name and tag (sglang's is lmsysorg/sglang), or log in to its registry",
                "改正镜像名和标签（sglang 官方镜像是 lmsysorg/sglang），或先登录对应的仓库",
            ),
            ("docker pull lmsysorg/sglang:latest",),
        ),
        "registry": Advice(
            Text(
                "the image cannot be fetched: the registry is out of reach from here, or refuses more downloads",
                "镜像拉取失败：这台机器连不上镜像仓库，或仓库限制了下载次数",
            ),
            Text(
                "log in (docker login), set a mirror in /etc/docker/daemon.json (registry-mirrors), or carry the image over with "
                "docker save and docker load",
                "先 docker login，或在 /etc/docker/daemon.json 配置镜像加速（registry-mirrors），或用 docker save、docker load 拷贝镜像",
            ),
            ("docker pull lmsysorg/sglang:latest",),
        ),
        "scheduling": Advice(
            Text(
                "Kubernetes found no node for the pod, so that no container was started: the line says of how many nodes what is "
                "missing (Insufficient nvidia.com/gpu: all GPUs are given away, or the device plugin does not run there)",
                "Kubernetes 没有找到能放下这个 Pod 的节点，容器没有启动：报错行里写了缺什么、有几个节点（Insufficient "
                "nvidia.com/gpu 表示 GPU 已分配完，或节点上没有运行 device plugin）",
            ),
            Text(
                "free what is missing or ask for less in resources.limits; for taints add a toleration",
                "释放资源，或调小 resources.limits；节点有 taint 时加 toleration",
            ),
            (
                "kubectl describe nodes | grep -A 12 'Allocated resources'",
                "kubectl get pods --all-namespaces -o wide --field-selector=status.phase=Running",
            ),
        ),
        "volume": Advice(
            Text(
                "a volume of the pod could not be mounted, so that no container was started (the line names the volume and the reason)",
                "Pod 的卷挂载失败，容器没有启动（报错行里写了卷名和原因）",
            ),
            Text(
                "make the folder or claim that it names on that node, or correct the volume of the manifest",
                "在该节点上创建报错里的目录或 PVC，或改正清单里的 volumes",
            ),
            ("kubectl get pvc,pv", "kubectl get events --sort-by=.lastTimestamp"),
        ),
        "probe": Advice(
            Text(
                "Kubernetes ended the container because its startup or liveness probe failed: the server was not ready within the "
                "time of the probe, or the probe asks another port or path",
                "Kubernetes 因探针失败结束了容器：服务没有在探针允许的时间内就绪，或探针的端口、路径写错了",
            ),
            Text(
                "give the start more time with a startupProbe on /health (failureThreshold x periodSeconds of 300 s or more), and read "
                "the log of the run that was ended for its own error",
                "用 startupProbe 探测 /health 并给足时间（failureThreshold × periodSeconds 不少于 300 秒）；再看被结束的那次运行自己的日志",
            ),
            _PREVIOUS,
        ),
        "crashes": Advice(
            Text(
                "Kubernetes starts the container again and again, it ends each time, and no error of the program stands in this log",
                "Kubernetes 反复启动容器，程序每次都退出；这份日志里没有程序自己的报错",
            ),
            Text(
                "read the log of the run that ended, and its exit code: 137 is signal 9, mostly for want of memory; 2 an option that "
                "sglang refuses",
                "看上一次运行的日志和退出码：137 是信号 9，多为内存不足；2 是 sglang 不接受的参数",
            ),
            _PREVIOUS,
        ),
        "config": Advice(
            Text(
                "the pod takes a value from a Secret or ConfigMap that its namespace does not have, so that no container was started (an event of "
                "the pod names it)",
                "Pod 引用的 Secret 或 ConfigMap（或其中的键）在该命名空间里不存在，容器没有启动（Pod 的事件里写了是哪一个）",
            ),
            Text(
                "create it in that namespace under that name and key, or take the reference out of the manifest",
                "在该命名空间里按这个名字和键创建，或从清单里去掉引用",
            ),
            ("kubectl get events --sort-by=.lastTimestamp", "kubectl get secrets,configmaps"),
        ),
        "ended": Advice(
            Text(
                "the container has ended with exit code {code}, and this is what Docker says of it: no line of the server itself is in it",
                "容器已退出，退出码 {code}；这里只有 Docker 的状态，没有服务自己的日志",
            ),
            Text(
                "read its own log: 1 is an error that stands there, 2 an option that sglang refuses, 126 and 127 a program that the image does "
                "not have",
                "看容器自己的日志：1 是程序报错，2 是 sglang 不接受的参数，126 和 127 是镜像里没有要执行的程序",
            ),
            ("docker logs {container} 2>&1 | bgecheck logs -",),
        ),
        "file": Advice(
            Text(
                "the compose file or manifest cannot be read, so that nothing was started (the line says where)",
                "compose 文件或清单无法解析，什么都没有启动（报错行里写了位置）",
            ),
            Text("correct that line, and check the file", "改正那一行，再检查一遍文件"),
            ("docker compose config --quiet",),
        ),
        "daemon": Advice(
            Text(
                "the Docker daemon does not run, or is another than the client asks",
                "Docker 守护进程没有运行，或客户端连的不是它",
            ),
            Text("start it, or correct DOCKER_HOST", "启动 Docker，或改正 DOCKER_HOST"),
            ("sudo systemctl start docker", "docker context ls"),
        ),
        "retries": Advice(
            Text(
                "supervisord started the program again and again, it ended each time, and no error of it stands in this log",
                "supervisord 反复启动，程序每次都退出，最后放弃；这份日志里没有程序自己的报错",
            ),
            Text(
                "read the program's own log: stdout_logfile and stderr_logfile of its section (redirect_stderr=true writes both into one)",
                "看程序自己的日志：配置里的 stdout_logfile 和 stderr_logfile（redirect_stderr=true 会合成一份）",
            ),
            ("supervisorctl status", "grep -rn _logfile /etc/supervisor* /etc/supervisord.conf"),
        ),
        "name": Advice(
            Text(
                "a container with the name {container} is still there, started or stopped, so no other can have it",
                "名为 {container} 的容器还在（运行中或已停止），不能再起同名容器",
            ),
            Text("start the old one, or remove it, or take another name", "启动旧容器、删除它，或换个名字"),
            ("docker ps -a --filter name={container}", "docker rm {container}"),
        ),
    },
    variant=_kind,
    values=_values,
)
