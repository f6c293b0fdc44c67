"""One root cause for one fault, whatever areas it shows in, and two for two."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bgecheck.checks.gpu import GIB, GpuFacts
from bgecheck.demo.stage import stage
from bgecheck.machine.gpus import Gpu, Gpus, Holder
from bgecheck.model import Target
from bgecheck.run import catalog, engine
from everycase import EVERY
from fakes.answering import Answer, embedded, pages, same, serving, vector
from fakes.authority import private_authority
from fakes.modelfolders import write_model
from fakes.scenes import closed_port, doctor, left_over_worker, living_pages, log_text, starting_server, written

Options = dict[str, Any]
Scene = Callable[[Path], AbstractContextManager[Options]]

SCENES: dict[str, tuple[Scene, tuple[str, ...], tuple[str, ...]]] = {}
"""By name: how it is set up, its root causes, and the problems that are folded under the first of them."""


def scene(roots: str, folded: str = "") -> Callable[[Callable[[Path], Iterator[Options]]], Scene]:
    """Declare a scene with its verdict."""

    def register(function: Callable[[Path], Iterator[Options]]) -> Scene:
        made = contextmanager(function)
        SCENES[function.__name__.replace("_", "-")] = made, tuple(roots.split()), tuple(folded.split())
        return made

    return register


# A log, and nothing that listens.

NOT_UP = "logs.ready ports.listening probe.reachable"


def dead(label: str, root: str) -> None:
    """A log with a fault that ends a start, and nobody on its port."""

    def function(folder: Path) -> Iterator[Options]:
        port = closed_port()
        yield {"url": f"127.0.0.1:{port}", "log": written(folder, log_text(label, port))}

    function.__name__ = f"{label}-in-the-log-and-nothing-listens"
    scene(root, NOT_UP)(function)


OFTEN = ("gpu_oom_weights", "gpu_oom_kv_pool", "model_path_not_found", "bad_cli_arguments")
RARE = (
    *("gpu_oom_graph_capture", "gpu_oom_serving", "gpu_memory_held_by_others", "cuda_driver_too_old"),
    *("no_gpu_visible", "gpu_arch_unsupported", "dtype_unsupported", "kernel_package_mismatch"),
    *("system_library_missing", "build_tools_missing", "shm_too_small", "nccl_failure"),
    *("illegal_memory_access", "device_side_assert", "attention_backend_unsupported", "gpu_hardware_error"),
    *("host_oom_killed", "segfault", "hf_repo_not_found", "hf_gated_or_unauthorized", "tls_certificate_error"),
    *("hf_unreachable", "weights_missing", "weights_corrupt", "trust_remote_code_required"),
    *("unsupported_architecture", "transformers_too_old", "tokenizer_missing", "port_in_use"),
    *("proxy_breaks_warmup", "kv_pool_exhausted", "scheduler_hang", "engine_internal_error"),
    *("permission_denied", "disk_full", "python_env_broken", "rank_not_loaded"),
)
for fault in (*OFTEN, *RARE):
    dead(fault, f"logs.{fault.replace('_', '-')}")


@scene("logs.gpu-oom-weights", NOT_UP)
def ready_once_and_out_of_memory_at_the_next_start(folder: Path) -> Iterator[Options]:
    port = closed_port()
    text = log_text(None, port, ago=600) + log_text("gpu_oom_weights", port)
    yield {"url": f"127.0.0.1:{port}", "log": written(folder, text)}


@scene("")
def out_of_memory_once_and_ready_since(folder: Path) -> Iterator[Options]:
    with stage(None) as staged:
        port = int(staged.url.rsplit(":", 1)[1])
        assert staged.log is not None
        now = Path(staged.log).read_text(encoding="utf-8")
        text = log_text("gpu_oom_weights", port, ago=600) + now
        yield {"url": staged.url, "pids": (staged.pid,), "log": written(folder, text)}


@scene("ports.listening", "probe.reachable")
def a_log_of_last_week_and_nothing_listens(folder: Path) -> Iterator[Options]:
    port, week = closed_port(), 7 * 86400.0
    text = log_text("gpu_oom_weights", port, ago=week)
    yield {"url": f"127.0.0.1:{port}", "log": written(folder, text, ago=week)}


@scene("ports.listening", "probe.reachable")
def a_log_of_last_week_in_the_folder(folder: Path) -> Iterator[Options]:
    week = 7 * 86400.0
    written(folder, log_text("gpu_oom_weights", 30000, ago=week), ago=week)
    yield {"folder": folder, "default": closed_port()}


@scene("logs.gpu-oom-weights", NOT_UP)
def the_log_of_today_beside_one_of_last_week(folder: Path) -> Iterator[Options]:
    week, port = 7 * 86400.0, closed_port()
    Path(written(folder, log_text("weights_missing", port, ago=week), ago=week)).rename(folder / "old.log")
    written(folder, log_text("gpu_oom_weights", port))
    week_old = (folder / "old.log").stat().st_mtime
    assert week_old < (folder / "sglang.log").stat().st_mtime
    yield {"folder": folder, "default": port}


@scene("ports.listening", "probe.reachable")
def stopped_by_its_operator(folder: Path) -> Iterator[Options]:
    port = closed_port()
    yield {"url": f"127.0.0.1:{port}", "log": written(folder, log_text("stopped_by_operator", port))}


@scene("")
def the_log_of_another_server_that_ran_out_of_memory(folder: Path) -> Iterator[Options]:
    """The server that is asked has a log of its own, at another port, and is right."""
    with stage(None) as staged:
        text = log_text("gpu_oom_weights", closed_port())
        yield {"url": staged.url, "pids": (staged.pid,), "log": written(folder, text)}


@scene("logs.port-in-use", "logs.ready ports.owner probe.health-agrees")
def an_old_server_holds_the_port_and_the_new_log_says_so(folder: Path) -> Iterator[Options]:
    with stage(None) as staged, starting_server(folder, port_of(staged.url)) as pid:
        log = written(folder, log_text("port_in_use", port_of(staged.url)))
        yield {"pid": pid, "pids": (staged.pid, pid), "log": log}


@scene("ports.owner", "probe.health-agrees")
def an_old_server_holds_the_port_of_the_one_that_is_meant(folder: Path) -> Iterator[Options]:
    with stage(None) as staged, starting_server(folder, port_of(staged.url)) as pid:
        yield {"pid": pid, "pids": (staged.pid, pid)}


@scene("ports.owner", "probe.model-name probe.health-agrees embed.dimension")
def an_old_server_of_another_model_holds_the_port(folder: Path) -> Iterator[Options]:
    with stage("wrong-dimension") as staged:
        options = ("--model-path", "bge-small-zh-v1.5", "--served-model-name", "bge-small-zh-v1.5")
        with starting_server(folder, port_of(staged.url), *options) as pid:
            yield {"pid": pid, "pids": (staged.pid, pid)}


def port_of(url: str) -> int:
    return int(url.split(":")[2].partition("/")[0])


# A model folder that is not right.


def of_a_folder(label: str, model: Path, port: int) -> str:
    """A log with a fault, of a server of that folder."""
    return (
        log_text(label, port)
        .replace("Qwen/Qwen3-Embedding-0.6B", str(model))
        .replace("/srv/models/bge-large-zh-v1.5", str(model))
    )


@scene("model.weights", f"logs.weights-corrupt {NOT_UP}")
def a_truncated_weight_file_and_the_log_says_so(folder: Path) -> Iterator[Options]:
    port, model = closed_port(), write_model(folder / "bge-tiny")
    os.truncate(model / "model.safetensors", 5000)
    yield {"url": f"127.0.0.1:{port}", "log": written(folder, of_a_folder("weights_corrupt", model, port))}


@scene("model.weights", f"logs.weights-missing {NOT_UP}")
def a_folder_without_weights_and_the_log_says_so(folder: Path) -> Iterator[Options]:
    port, model = closed_port(), write_model(folder / "bge-tiny")
    (model / "model.safetensors").unlink()
    yield {"url": f"127.0.0.1:{port}", "log": written(folder, of_a_folder("weights_missing", model, port))}


@scene("model.tokenizer", f"logs.tokenizer-missing {NOT_UP}")
def a_folder_without_a_tokenizer_and_the_log_says_so(folder: Path) -> Iterator[Options]:
    port, model = closed_port(), write_model(folder / "bge-tiny")
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"):
        (model / name).unlink()
    yield {"url": f"127.0.0.1:{port}", "log": written(folder, of_a_folder("tokenizer_missing", model, port))}


@scene("model.config", f"logs.unsupported-architecture {NOT_UP}")
def a_model_of_nobody_and_the_log_says_so(folder: Path) -> Iterator[Options]:
    port, model = closed_port(), write_model(folder / "bge-tiny", architectures=["NomicBertModel"])
    yield {"url": f"127.0.0.1:{port}", "log": written(folder, of_a_folder("unsupported_architecture", model, port))}


@scene("model.config", f"logs.model-path-not-found {NOT_UP}")
def a_folder_without_a_configuration_and_the_log_says_so(folder: Path) -> Iterator[Options]:
    port, model = closed_port(), write_model(folder / "bge-tiny")
    (model / "config.json").unlink()
    yield {"url": f"127.0.0.1:{port}", "log": written(folder, of_a_folder("model_path_not_found", model, port))}


@scene("model.readable", f"logs.model-path-not-found {NOT_UP}")
def the_folder_above_the_model_and_the_log_says_so(folder: Path) -> Iterator[Options]:
    port, above = closed_port(), folder / "models"
    write_model(above / "bge-tiny")
    yield {"url": f"127.0.0.1:{port}", "log": written(folder, of_a_folder("model_path_not_found", above, port))}


@scene("")
def a_right_folder_and_a_right_server(folder: Path) -> Iterator[Options]:
    with stage(None) as staged:
        model = write_model(folder / "bge-large-zh-v1.5", hidden_size=1024, num_attention_heads=16, num_hidden_layers=1)
        yield {"url": staged.url, "pids": (staged.pid,), "log": staged.log, "model_path": str(model)}


# What a dead server has left.

LEFT = "ports.owner probe.reachable"


@scene("ports.orphans", LEFT)
def a_left_over_worker_holds_the_port(folder: Path) -> Iterator[Options]:
    port = closed_port()
    with left_over_worker(port) as pid:
        yield {"url": f"127.0.0.1:{port}", "pids": (pid,), "timeout": 0.3}


@scene("ports.orphans", f"{LEFT} logs.port-in-use logs.ready")
def a_left_over_worker_holds_the_port_and_the_log_says_so(folder: Path) -> Iterator[Options]:
    port = closed_port()
    with left_over_worker(port) as pid:
        log = written(folder, log_text("port_in_use", port))
        yield {"url": f"127.0.0.1:{port}", "pids": (pid,), "log": log, "timeout": 0.3}


@scene("ports.orphans")
def a_left_over_worker_beside_a_right_server(folder: Path) -> Iterator[Options]:
    with stage(None) as staged, left_over_worker(closed_port()) as pid:
        yield {"url": staged.url, "pids": (staged.pid, pid)}


# Servers that answer.

BGE = "bge-large-zh-v1.5"


@contextmanager
def answering(embed: Callable[..., Answer] | None = same, **more: Any) -> Iterator[str]:
    with serving(pages(**more), embed) as root:
        yield root


def refusing(status: int, page: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return (status, page, headers) if headers else (status, page)


UNAUTHORIZED = (401, {"error": "Unauthorized"})


def closed_to(key: str) -> tuple[dict[str, Any], Callable[..., Answer]]:
    """Pages and embeddings for those who have a key."""

    def allowed(headers: Mapping[str, str]) -> bool:
        return headers.get("Authorization") == f"Bearer {key}"

    def guarded(answer: Answer) -> Callable[[Mapping[str, str]], Answer]:
        return lambda headers: answer if allowed(headers) else UNAUTHORIZED

    answers = {path: guarded(answer) for path, answer in pages().items()}
    return answers, lambda body, headers: same(body, headers) if allowed(headers) else UNAUTHORIZED


@scene("probe.api-key", "probe.ready probe.openai-client embed.answers")
def a_key_that_is_refused(folder: Path) -> Iterator[Options]:
    answers, embed = closed_to("right")
    with serving(answers, embed) as root:
        yield {"url": root, "api_key": "wrong", "openai": True}


@scene("probe.api-key", "probe.ready embed.answers logs.client-request-rejected")
def a_key_that_is_refused_and_a_log_full_of_it(folder: Path) -> Iterator[Options]:
    answers, embed = closed_to("right")
    with serving(answers, embed) as root:
        text = log_text(None, port_of(root))
        line = (
            text.splitlines()[-1][:21] + ' INFO:     10.0.0.7:50432 - "POST /v1/embeddings HTTP/1.1" 401 Unauthorized\n'
        )
        yield {"url": root, "api_key": "wrong", "log": written(folder, text + line * 30)}


@scene("probe.base-url", "probe.openai-client embed.answers")
def a_base_url_that_leads_nowhere(folder: Path) -> Iterator[Options]:
    with serving(pages(), same) as root:
        yield {"url": f"{root}/llm", "openai": True}


MISNAMED = {"model": BGE, "expect_dim": 1024}


@scene("probe.model-name", "embed.dimension")
def another_model_with_another_dimension(folder: Path) -> Iterator[Options]:
    with answering() as root:
        yield {"url": root, **MISNAMED}


@scene("probe.model-name", "embed.dimension")
def another_model_by_its_folder(folder: Path) -> Iterator[Options]:
    card = {"object": "list", "data": [{"id": BGE, "owned_by": "sglang"}]}
    with serving(pages() | {"/v1/models": (200, card)}, same) as root:
        yield {"url": root, **MISNAMED}


@scene("embed.dimension")
def a_right_model_and_an_index_of_another_dimension(folder: Path) -> Iterator[Options]:
    with answering() as root:
        yield {"url": root, "model": "bge-base-zh-v1.5", "expect_dim": 1024}


BAD_GATEWAY = (
    "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center>"
    "<hr><center>nginx/1.24.0</center></body></html>"
)
NGINX = {"Server": "nginx/1.24.0", "Content-Type": "text/html"}


@scene("probe.ready", "probe.openai-client embed.answers")
def a_gateway_whose_upstream_is_dead(folder: Path) -> Iterator[Options]:
    dead = (502, BAD_GATEWAY.encode(), NGINX)
    with serving({}, lambda body, headers: dead, otherwise=dead) as root:
        yield {"url": root, "openai": True}


@scene("probe.ready", "probe.openai-client embed.answers")
def a_gateway_with_a_list_of_models_and_a_dead_upstream(folder: Path) -> Iterator[Options]:
    card = {"object": "list", "data": [{"id": BGE, "owned_by": "openai"}]}
    dead = (503, {"error": {"message": "no healthy upstream", "type": "server_error"}})
    with serving({"/v1/models": (200, card)}, lambda body, headers: dead) as root:
        yield {"url": root, "model": BGE, "openai": True}


@scene("probe.rate-limit", "probe.ready probe.openai-client embed.answers")
def a_gateway_that_limits_the_rate(folder: Path) -> Iterator[Options]:
    many = (429, {"error": {"message": "Rate limit reached", "type": "rate_limit"}}, {"Retry-After": "30"})
    with answering(lambda body, headers: many) as root:
        yield {"url": root, "openai": True}


# Vectors.

FORGOTTEN = "embed.repeatable embed.batch-equals-single embed.prefix-independent embed.order embed.concurrent"
CACHED = {"version": "0.5.23", "disable_radix_cache": False, "chunked_prefill_size": -1}


def forgetful() -> Callable[..., Answer]:
    """The same text has another vector each time."""
    count = iter(range(10**6))

    def embed(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        if "dimensions" in body or not isinstance(body["input"][0], str):
            return same(body, headers)
        vectors = []
        for text in body["input"]:
            numbers = vector(text)
            numbers[next(count) % 700] += 0.5
            length = sum(n * n for n in numbers) ** 0.5
            vectors.append([n / length for n in numbers])
        return 200, embedded(*vectors, tokens=sum(len(text) + 2 for text in body["input"]))

    return embed


@scene("launch.prefix-cache", FORGOTTEN)
def a_prefix_cache_on(folder: Path) -> Iterator[Options]:
    with answering(forgetful(), _server_info=(200, CACHED)) as root:
        yield {"url": root}


@scene("embed.repeatable", FORGOTTEN.removeprefix("embed.repeatable "))
def vectors_that_change_and_no_settings_that_tell_why(folder: Path) -> Iterator[Options]:
    with answering(forgetful(), _server_info=(404, {}), _model_info=(404, {})) as root:
        yield {"url": root}


@scene("launch.prefix-cache embed.normalized", FORGOTTEN)
def a_prefix_cache_on_and_no_normalisation(folder: Path) -> Iterator[Options]:
    embed = forgetful()

    def longer(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        status, answer, *_ = embed(body, headers)
        for item in answer.get("data", []):
            item["embedding"] = [3 * n for n in item["embedding"]]
        return status, answer

    with answering(longer, _server_info=(200, CACHED)) as root:
        yield {"url": root}


def changed(change: Callable[[dict[str, Any], list[Any]], list[Any]], **more: Any) -> Callable[..., Answer]:
    """What `same` answers, with the vectors of texts changed: by the request, and the vectors as they were."""

    def embed(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        status, answer, *_ = same(body, headers)
        if "data" in answer and isinstance(body["input"][0], str):
            vectors = change(body, [item["embedding"] for item in answer["data"]])
            answer["data"] = [{**item, "embedding": v} for item, v in zip(answer["data"], vectors, strict=True)]
            answer["usage"]["prompt_tokens"] += more.get("tokens", 0)
        return status, answer

    return embed


def meaningless(body: dict[str, Any], vectors: list[Any]) -> list[Any]:
    """Vectors of their own for all texts, which share nothing."""
    return [vector("".join(random.Random(text.lower()).choices(PLAIN, k=40))) for text in body["input"]]


PLAIN = [chr(0x4E00 + n) for n in range(700)]


@scene("embed.token-count", "embed.semantic")
def another_tokenizer(folder: Path) -> Iterator[Options]:
    """Counts and vectors are both those of other tokens."""
    with answering(changed(meaningless, tokens=3)) as root:
        yield {"url": root, "model": "bge-base-zh-v1.5"}


@scene("embed.distinct", "embed.semantic embed.whole-text probe.token-limit")
def a_tokenizer_that_knows_no_character(folder: Path) -> Iterator[Options]:
    """Texts of one length have one vector."""
    with answering(changed(lambda body, vectors: [vector("a" * len(t) + "b" * 9) for t in body["input"]])) as root:
        yield {"url": root, "model": "bge-base-zh-v1.5"}


@scene("embed.semantic")
def vectors_without_meaning(folder: Path) -> Iterator[Options]:
    with answering(changed(meaningless)) as root:
        yield {"url": root, "model": "bge-base-zh-v1.5"}


def weights_left_out(port: int) -> str:
    """A start that passes over every tensor of the checkpoint."""
    text, names = log_text(None, port), ("attention.self.query", "attention.self.key", "output.dense")
    begin = next(line for line in text.splitlines() if "Load weight begin" in line)
    lines = [
        f"{begin[:22]}Parameter model.encoder.layer.{n}.{name}.weight not found in params_dict"
        for n in range(12)
        for name in names
    ]
    return text.replace(begin, "\n".join([begin, *lines]))


@scene("logs.weights-not-loaded", "embed.semantic")
def weights_that_were_not_loaded(folder: Path) -> Iterator[Options]:
    with answering(changed(meaningless)) as root:
        log = written(folder, weights_left_out(port_of(root)))
        yield {"url": root, "model": "bge-base-zh-v1.5", "log": log}


@scene("embed.repeatable embed.dimension", FORGOTTEN.removeprefix("embed.repeatable "))
def vectors_that_change_and_an_index_of_another_dimension(folder: Path) -> Iterator[Options]:
    with answering(forgetful(), _server_info=(404, {}), _model_info=(404, {})) as root:
        yield {"url": root, "model": "bge-base-zh-v1.5", "expect_dim": 1024}


@scene("embed.normalized")
def vectors_that_are_not_normalised(folder: Path) -> Iterator[Options]:
    with answering(changed(lambda body, vectors: [[3 * n for n in v] for v in vectors])) as root:
        yield {"url": root}


@scene("embed.order", "embed.batch-equals-single embed.concurrent embed.semantic embed.token-count")
def vectors_in_the_wrong_order(folder: Path) -> Iterator[Options]:
    with answering(changed(lambda body, vectors: vectors[1:] + vectors[:1])) as root:
        yield {"url": root, "model": "bge-base-zh-v1.5"}


@scene("embed.finite", "probe.ready embed.normalized embed.repeatable embed.batch-equals-single")
def numbers_that_are_none(folder: Path) -> Iterator[Options]:
    with answering(changed(lambda body, vectors: [[None] * len(v) for v in vectors])) as root:
        yield {"url": root}


def either(body: dict[str, Any], vectors: list[Any]) -> list[Any]:
    return [vector(text, 512) if i % 2 else v for i, (text, v) in enumerate(zip(body["input"], vectors, strict=True))]


@scene(
    "embed.dimension",
    "embed.batch-equals-single embed.concurrent embed.distinct embed.whole-text embed.token-count embed.semantic",
)
def vectors_of_two_lengths(folder: Path) -> Iterator[Options]:
    """A gateway before two servers, one of another model, sends each text of a batch to either."""
    with answering(changed(either)) as root:
        yield {"url": root}


# TLS.


@contextmanager
def over_tls(folder: Path, days: int, embed: Callable[..., Answer] | None, answers: Mapping[str, Any]) -> Iterator[str]:
    made = private_authority(folder, days)
    trusted = mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(made / "ca.pem")})
    with trusted, serving(answers, embed, certificate=made / "server.pem") as root:
        yield root


@scene("probe.tls probe.api-key", "probe.ready embed.answers")
def a_certificate_that_ends_soon_and_a_key_that_is_refused(folder: Path) -> Iterator[Options]:
    answers, embed = closed_to("right")
    with over_tls(folder, 5, embed, answers) as root:
        yield {"url": root, "api_key": "wrong"}


@scene("probe.tls", "")
def a_certificate_that_ends_soon(folder: Path) -> Iterator[Options]:
    with over_tls(folder, 5, same, pages()) as root:
        yield {"url": root}


@scene("probe.reachable", "")
def plain_http_to_a_port_of_tls(folder: Path) -> Iterator[Options]:
    with over_tls(folder, 60, same, pages()) as root:
        yield {"url": root.replace("https", "http")}


# The GPU.


def cards(**more: Any) -> GpuFacts:
    """One card that is right, with changes of it."""
    visible = more.pop("visible", None)
    card = Gpu(
        index=0, name="NVIDIA A10", uuid="GPU-0", total=24 * GIB, used=0, free=24 * GIB, capability=(8, 6),
        temperature=50, slows_down_at=90, throttled=(), uncorrected=0, pending=False, mig=False, holders=(),
    )  # fmt: skip
    cuda = more.pop("cuda", (13, 0))
    card = replace(card, **more)
    seen = Gpus(driver="580.65.06", cuda=cuda, gpus=(card,), lost=())
    chosen = () if visible else (card,)
    target = Target(url="http://127.0.0.1:1", host="127.0.0.1", port=1)
    return GpuFacts(target=target, nvml=seen, own=frozenset(), names={555: "python"}, chosen=chosen, visible=visible)


def with_gpu(label: str, gpu: GpuFacts, folder: Path) -> Options:
    port = closed_port()
    return {"url": f"127.0.0.1:{port}", "log": written(folder, log_text(label, port)), "gpu": gpu}


@scene("gpu.memory", f"gpu.others logs.gpu-oom-weights {NOT_UP}")
def a_card_that_another_process_fills(folder: Path) -> Iterator[Options]:
    full = cards(used=23.8 * GIB, free=0.2 * GIB, holders=(Holder(555, int(23.8 * GIB)),))
    yield with_gpu("gpu_oom_weights", full, folder)


@scene("gpu.driver", f"logs.cuda-driver-too-old {NOT_UP}")
def a_driver_that_is_too_old(folder: Path) -> Iterator[Options]:
    yield with_gpu("cuda_driver_too_old", cards(cuda=(11, 4)), folder)


@scene("gpu.capability", f"logs.gpu-arch-unsupported {NOT_UP}")
def a_card_that_is_too_old(folder: Path) -> Iterator[Options]:
    yield with_gpu("gpu_arch_unsupported", cards(capability=(7, 0)), folder)


@scene("gpu.visible", f"logs.no-gpu-visible {NOT_UP}")
def a_card_that_is_not_there(folder: Path) -> Iterator[Options]:
    yield with_gpu("no_gpu_visible", cards(visible="7"), folder)


@scene("logs.gpu-oom-weights", NOT_UP)
def out_of_memory_on_a_card_that_is_empty_by_now(folder: Path) -> Iterator[Options]:
    yield with_gpu("gpu_oom_weights", cards(), folder)


@scene("logs.gpu-hardware-error", f"gpu.health {NOT_UP}")
def a_card_that_is_broken(folder: Path) -> Iterator[Options]:
    yield with_gpu("gpu_hardware_error", cards(uncorrected=4), folder)


# A server that lives and does not compute.


@scene("ports.workers", "probe.ready probe.health-agrees embed.answers")
def a_scheduler_that_has_ended_behind_living_pages(folder: Path) -> Iterator[Options]:
    with living_pages(folder) as (pid, _):
        yield {"pid": pid, "pids": (pid,), "timeout": 0.5}


@scene("logs.host-oom-killed", "logs.ready ports.workers probe.ready probe.health-agrees embed.answers")
def a_scheduler_that_was_killed_for_memory_behind_living_pages(folder: Path) -> Iterator[Options]:
    with living_pages(folder) as (pid, port):
        log = written(folder, log_text("host_oom_killed", port))
        yield {"pid": pid, "pids": (pid,), "timeout": 0.5, "log": log}


# Limits, and what a gateway changes.


@scene("launch.context-length", "probe.token-limit")
def a_context_length_below_the_models(folder: Path) -> Iterator[Options]:
    short = {"version": "0.5.23", "disable_radix_cache": True, "chunked_prefill_size": -1, "context_length": 128}
    card = {"object": "list", "data": [{"id": "bge-base-zh-v1.5", "owned_by": "sglang", "max_model_len": 128}]}

    def embed(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        long = any(len(text) > 120 for text in body["input"] if isinstance(text, str))
        message = "The input (300 tokens) is longer than the model's context length (128 tokens)."
        return (400, {"object": "error", "message": message, "code": 400}) if long else same(body, headers)

    with answering(embed, _server_info=(200, short), **{"/v1/models": (200, card)}) as root:
        yield {"url": root, "model": "bge-base-zh-v1.5"}


@scene("probe.base64", "probe.openai-client")
def a_gateway_that_cannot_pack_numbers(folder: Path) -> Iterator[Options]:
    def embed(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        status, answer, *_ = same(body, headers)
        if body.get("encoding_format") == "base64" and "data" in answer:
            answer["data"] = [{**item, "embedding": "!!"} for item in answer["data"]]
        return status, answer

    with answering(embed) as root:
        yield {"url": root, "openai": True}


@scene("probe.batch-limit", "")
def a_gateway_that_takes_32_texts(folder: Path) -> Iterator[Options]:
    def embed(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        many = len(body["input"]) > 32
        return (
            (413, {"error": "batch size 64 > maximum allowed batch size 32", "error_type": "Validation"})
            if many
            else same(body, headers)
        )

    with answering(embed) as root:
        yield {"url": root}


@scene("")
def a_right_server_and_nothing_else(folder: Path) -> Iterator[Options]:
    with stage(None) as staged:
        yield {"url": staged.url, "pids": (staged.pid,), "log": staged.log}


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made, *_ = SCENES[name]
    with made(folder) as options:
        if options.pop("folder", None):
            monkeypatch.chdir(folder)
            monkeypatch.setattr("bgecheck.engines.sglang.discovery.DEFAULT_PORT", options.pop("default"))
        options["openai"] = "openai" in options and (EVERY or name == "a-key-that-is-refused")
        return doctor(**options)


def is_rare(name: str) -> bool:
    return name.removesuffix("-in-the-log-and-nothing-listens").replace("-", "_") in RARE


@pytest.mark.parametrize("name", [name for name in SCENES if EVERY or not is_rare(name)])
def test_a_scene_has_its_root_causes_and_no_others(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = run(name, tmp_path, monkeypatch)
    _, roots, folded = SCENES[name]
    problems = {f.id for f in report.findings if f.problem}
    assert {root.id for root in report.root_causes} == {*roots}
    # Importing openai takes longer than all else, and most runs leave it out.
    assert problems == {*roots, *folded} - (set() if "probe.openai-client" in problems else {"probe.openai-client"})
    assert {f.caused_by for f in report.findings if f.problem and f.caused_by} <= {*roots}


NOT_YET = Path(__file__).parent / "not_yet.txt"


def test_every_arrow_is_drawn_by_a_scene_or_listed_as_not_yet() -> None:
    """A new arrow needs a scene in which both rows fail, or a line of its own."""
    rows_of_server = [check for area in catalog.at("after", catalog.areas()) for check in area.checks]
    explainers = engine.may_be_explained_by(rows_of_server)
    arrows = {(above, row) for row, explaining in explainers.items() for above in explaining}
    failing = [{*roots, *folded} for _, roots, folded in SCENES.values()]
    left = {(above, row) for above, row in arrows if not any({above, row} <= rows for rows in failing)}
    assert {row for rows in failing for row in rows} <= {*explainers}
    lines = [line.partition(": ") for line in NOT_YET.read_text("utf-8").splitlines() if not line.startswith("#")]
    listed = {(above, row) for above, _, rows in lines for row in rows.split()}
    names = sorted({above for above, _ in left ^ listed})
    assert listed == left, f"{NOT_YET.name}: {names}; a cause that ends a start goes to RARE as well"
