"""Every launch line that a log's cause prints: what was started, changed where it mends, accepted by the releases."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from bgecheck.engines.sglang.launchline import parse_launch
from bgecheck.engines.sglang.log import causes, relaunch  # noqa: F401  # declares the causes
from bgecheck.engines.sglang.log.cause import CAUSES, Cause
from bgecheck.engines.sglang.log.causes.device import out_of_memory
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.engines.sglang.log.launched import launched
from bgecheck.engines.sglang.log.memory import memory
from bgecheck.engines.sglang.log.rules import PATTERNS
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.engines.sglang.relaunch import launch_line
from bgecheck.engines.sglang.releases import Release, newest, releases
from bgecheck.logfile.lines import Block
from bgecheck.model import Text
from bgecheck.model.hygiene import KEY_IN_SHELL

ENCODER = "model_path='/m/bge-large-zh-v1.5', tokenizer_path='/m/bge-large-zh-v1.5'"
CAUSAL = "model_path='/m/Qwen3-Embedding-8B', tokenizer_path='/m/Qwen3-Embedding-8B', is_embedding=True"
CHAT = "model_path='/m/Qwen2.5-7B-Instruct'"
TYPES = {ENCODER: "BertModel", CAUSAL: "Qwen3ForCausalLM", CHAT: "Qwen2ForCausalLM"}
COMMON = (
    "host='0.0.0.0', port=8000, dtype='auto', tp_size=1, random_seed=7, trust_remote_code=True, api_key='topsecret'"
)


def session(model: str, more: str = "", *, before: float = 23.5, after: float = 22.8, tail: str = "") -> Session:
    taken = f"avail mem={after:.2f} GB, mem usage={before - after:.2f} GB."
    text = f"""[2026-01-01 10:00:00] server_args=ServerArgs({model}, {COMMON}{more and ", " + more})
[2026-01-01 10:00:05] Load weight begin. avail mem={before:.2f} GB
[2026-01-01 10:00:09] Load weight end. elapsed=4.00 s, type={TYPES[model]}, {taken}
{tail}"""
    return Follower().follow([Block(1, text.encode())]).session


def hit(text: str = "", cause: str = "c") -> Hit:
    return Hit(cause, 9, text, 3, True, "serving")


def by_name(name: str) -> Cause:
    return next(cause for cause in CAUSES if cause.name == name)


def changed(name: str, of: Session, text: str = "") -> dict[str, str | None] | None:
    changes = by_name(name).changes(of, hit(text, name))
    return None if changes is None else dict(changes)


SETTINGS = (
    "",
    "mem_fraction_static=0.88, chunked_prefill_size=8192, attention_backend='flashinfer'",
    "mem_fraction_static=0.3, chunked_prefill_size=-1, attention_backend='triton', disable_radix_cache=True",
    "quantization='fp8', kv_cache_dtype='fp8_e4m3', prefill_attention_backend='triton', max_running_requests=2",
    "device='cpu', attention_backend='torch_native', context_length=512, served_model_name='b', mem_fraction_static=.9",
)


def lines() -> Iterator[tuple[str, str]]:
    """Every cause with every sample on every model and setting: its name and its line."""
    for model in TYPES:
        for more in SETTINGS:
            of = session(model, more)
            given = launched(of)
            assert given is not None
            for cause in CAUSES:
                samples = [pattern.sample for pattern in PATTERNS if pattern.name == cause.name]
                for text in ("", *samples):
                    changes = cause.changes(of, hit(text, cause.name))
                    if changes is not None:
                        yield cause.name, launch_line(given, changes)


@pytest.mark.parametrize("release", releases(), ids=lambda release: release.version)
def test_every_line_is_accepted_by_the_releases(release: Release) -> None:
    """By the table of each release's own parser; `make real` asks the parsers themselves."""
    every = set(lines())
    assert len({name for name, _ in every}) > 8
    for name, line in every:
        words = shlex.split(line)
        assert words[:3] == ["python", "-m", "sglang.launch_server"]
        options = parse_launch(words)
        assert options is not None
        refused = {n: v for n, v in options.items() if not release.accepts(n, v)}
        assert refused == {}, (name, line)
        assert options["port"] == "8000"
        assert options["host"] == "0.0.0.0"
        assert options["model-path"].startswith("/m/")
        assert "trust-remote-code" in options
        assert options["api-key"] == KEY_IN_SHELL


def test_what_sglang_settles_by_itself_was_not_given() -> None:
    given = launched(session(ENCODER, "chunked_prefill_size=8192, served_model_name='/m/bge-large-zh-v1.5', tp_size=1"))
    assert given is not None
    assert given.options == {
        "model-path": "/m/bge-large-zh-v1.5",
        "host": "0.0.0.0",
        "port": "8000",
        "trust-remote-code": "",
        "api-key": "topsecret",
    }


@pytest.mark.parametrize("before", ["", "+ ", "CMD: ", "Starting: bash -c "])
def test_the_command_that_a_log_repeats_says_more_than_its_arguments(before: str) -> None:
    command = "CUDA_VISIBLE_DEVICES=1 python3 -m sglang.launch_server --model-path /m/bge-m3 --mem-fraction-static 0.4"
    text = f"""{before}{command}
[2026-01-01 10:00:00] server_args=ServerArgs(model_path='/m/bge-m3', mem_fraction_static=0.4, random_seed=3)
"""
    given = launched(Follower().follow([Block(1, text.encode())]).session)
    assert given is not None
    assert launch_line(given, {}) == command


@pytest.mark.parametrize(
    ("share", "before", "after", "lower", "higher"),
    [
        ("0.88", 23.1, 7.98, 0.83, 0.93),
        ("0.72", 23.1, 7.98, None, 0.77),  # the weights take 0.6545: 0.67 is less than 0.02 above it
        ("0.725", 23.1, 7.98, 0.675, 0.78),
        ("0.5", 23.1, 7.98, None, 0.71),  # less than the weights take
        ("0.88", 23.1, 1.0, None, None),  # 0.957 of the card
        ("0.3", 23.5, 22.8, 0.25, 0.35),
        ("0.91", 23.5, 22.8, 0.86, None),
        ("0.9", 23.5, 22.8, 0.85, 0.95),
    ],
)
def test_a_share_is_changed_in_steps_and_never_below_the_weights(
    share: str, before: float, after: float, lower: float | None, higher: float | None
) -> None:
    shares = memory(session(CAUSAL, f"mem_fraction_static={share}", before=before, after=after))
    assert shares.lower() == lower
    assert shares.higher(encoder=False) == higher


def test_without_numbers_no_share_is_made_up() -> None:
    shares = memory(Follower().follow([Block(1, b"server_args=ServerArgs(model_path='m')\n")]).session)
    assert shares.lower() is None
    assert shares.higher(encoder=False) is None
    assert shares.higher(encoder=True) == 0.3


@pytest.mark.parametrize(
    ("model", "more", "expected"),
    [
        (CAUSAL, "mem_fraction_static=0.88, chunked_prefill_size=8192", {"chunked-prefill-size": "4096"}),
        (CAUSAL, "mem_fraction_static=0.88, chunked_prefill_size=-1", {"chunked-prefill-size": "8192"}),
        (ENCODER, "mem_fraction_static=0.88, chunked_prefill_size=8192", {"max-prefill-tokens": "8192"}),
        (ENCODER, "mem_fraction_static=0.88, max_prefill_tokens=600", {"max-prefill-tokens": "512"}),
    ],
)
def test_fewer_tokens_at_once_cut_no_text_of_an_encoder(model: str, more: str, expected: dict[str, str]) -> None:
    assert changed("gpu-oom-serving", session(model, more)) == {"mem-fraction-static": "0.83", **expected}


def test_opposite_memory_messages_get_opposite_advice() -> None:
    of = session(CAUSAL, "mem_fraction_static=0.5")
    asked = "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static."
    assert changed("gpu-oom-kv-pool", of, asked) == {"mem-fraction-static": "0.55"}
    assert changed("gpu-oom-kv-pool", of, "torch.OutOfMemoryError: CUDA out of memory.") == {
        "mem-fraction-static": "0.45"
    }
    assert by_name("gpu-oom-kv-pool").variant(of, hit(asked)) is None
    assert by_name("gpu-oom-kv-pool").variant(of, hit("CUDA out of memory")) == "lower"
    full = session(CAUSAL, "mem_fraction_static=0.9", before=23.1, after=1.0)
    assert by_name("gpu-oom-kv-pool").variant(full, hit(asked)) == "too-large"


def test_the_newest_release_says_itself_how_much_it_needs() -> None:
    of = session(ENCODER, "chunked_prefill_size=-1, mem_fraction_static=-0.049")
    text = "ValueError: ... under --mem-fraction-static=-0.049. Raise --mem-fraction-static above 0.412"
    assert changed("gpu-oom-kv-pool", of, text) == {"mem-fraction-static": "0.47"}
    assert changed("gpu-oom-kv-pool", of, text.replace("0.412", "0.005")) == {"mem-fraction-static": "0.3"}


@pytest.mark.parametrize(
    ("more", "text", "backend"),
    [
        ("attention_backend='triton'", "", "flashinfer"),
        ("attention_backend='flashinfer'", "", "triton"),
        ("attention_backend='flashinfer', prefill_attention_backend='triton'", "", "flashinfer"),
        ("", "RuntimeError: Triton Error [CUDA]: an illegal memory access was encountered", "flashinfer"),
        ("", "AssertionError: FlashAttention v3 Backend requires SM>=80 and SM<=90.", "triton"),
        ("", "CUDA error: an illegal memory access was encountered", "triton"),
        ("device='cpu'", "", "torch_native"),
    ],
)
def test_a_backend_in_use_is_never_offered(more: str, text: str, backend: str) -> None:
    changes = changed("illegal-memory-access", session(CAUSAL, more), text)
    assert changes is not None
    assert changes["attention-backend"] == backend
    assert changes.get("prefill-attention-backend", "absent") == (None if "prefill" in more else "absent")


@pytest.mark.parametrize(("tokens", "enormous"), [(65536, False), (65537, True)])
def test_an_enormous_prefill_is_made_smaller_too(tokens: int, enormous: bool) -> None:
    batch = (
        f"[2026-01-01 11:00:00] Prefill batch, #new-seq: 9, #new-token: {tokens}, #cached-token: 0, token usage: 0.5"
    )
    of = session(CAUSAL, "chunked_prefill_size=-1, attention_backend='triton'", tail=batch)
    changes = changed("illegal-memory-access", of) or {}
    assert changes.get("chunked-prefill-size") == ("8192" if enormous else None)
    assert by_name("illegal-memory-access").variant(of, hit()) == ("enormous" if enormous else None)


def test_a_generating_model_is_not_told_to_embed() -> None:
    assert changed("not-launched-as-embedding", session(CHAT)) is None
    assert by_name("not-launched-as-embedding").variant(session(CHAT), hit()) == "generating"
    plain = CAUSAL.replace(", is_embedding=True", "")
    TYPES.setdefault(plain, "Qwen3ForCausalLM")
    assert changed("not-launched-as-embedding", session(plain)) == {"is-embedding": ""}
    encoder = changed("not-launched-as-embedding", session(ENCODER))
    assert encoder == {
        "is-embedding": "",
        "disable-radix-cache": "",
        "chunked-prefill-size": "-1",
        "mem-fraction-static": "0.3",
    }


def test_an_encoder_of_a_release_that_pools_last_is_upgraded_with_a_line_that_release_takes() -> None:
    text = f"""[2025-01-01 10:00:00] server_args=ServerArgs({ENCODER}, port=8000, cuda_graph_max_bs=16)
[2025-01-01 10:00:09] Load weight end. type=BertModel, dtype=torch.float16, avail mem=22.80 GB, mem usage=0.70 GB.
"""
    old = Follower().follow([Block(1, text.encode())]).session
    assert relaunch.on_release(old) is newest()
    new = session(ENCODER)
    assert relaunch.on_release(new) is None


def test_graphs_are_left_out_of_what_embeds_and_memory_is_made_for_what_generates() -> None:
    assert changed("gpu-oom-graph-capture", session(CAUSAL, "mem_fraction_static=0.8")) == {"disable-cuda-graph": ""}
    assert changed("gpu-oom-graph-capture", session(CHAT, "mem_fraction_static=0.8")) == {"mem-fraction-static": "0.75"}
    off = session(CAUSAL, "mem_fraction_static=0.8, disable_cuda_graph=True")
    assert changed("gpu-oom-graph-capture", off) == {"mem-fraction-static": "0.75"}


@pytest.mark.parametrize(
    ("more", "text", "expected"),
    [
        (
            "mem_fraction_static=0.5",
            "Prefill out of memory. Try to lower your batch size.",
            {"mem-fraction-static": "0.55"},
        ),
        ("max_running_requests=300", "alloc_req_slots runs out of memory", {"max-running-requests": "150"}),
        ("", "Please set a smaller number for `--max-running-requests`.", {"max-running-requests": "256"}),
    ],
)
def test_the_pool_that_ran_out_is_the_one_that_is_changed(more: str, text: str, expected: dict[str, str]) -> None:
    assert changed("kv-pool-exhausted", session(CAUSAL, more), text) == expected


@pytest.mark.parametrize(
    ("model", "dtype", "expected"),
    [
        (ENCODER, "float32", {"dtype": "half"}),
        (CAUSAL, "float32", {"dtype": "bfloat16"}),
        (CAUSAL, "bfloat16", None),
        (ENCODER, "auto", None),
    ],
)
def test_only_fp32_can_be_halved(model: str, dtype: str, expected: dict[str, str] | None) -> None:
    assert changed("gpu-oom-weights", _with_dtype(model, dtype)) == expected


def _with_dtype(model: str, dtype: str) -> Session:
    text = f"[2026-01-01 10:00:00] server_args=ServerArgs({model}, dtype='{dtype}')\n"
    return Follower().follow([Block(1, text.encode())]).session


def test_fp8_is_left_out_where_the_card_has_none() -> None:
    changes = changed("dtype-unsupported", session(CAUSAL, "quantization='fp8', kv_cache_dtype='fp8_e5m2'"))
    assert changes == {"dtype": "float16", "quantization": None, "kv-cache-dtype": None}
    assert changed("dtype-unsupported", session(CAUSAL, "quantization='awq'")) == {"dtype": "float16"}
    assert changed("dtype-unsupported", session(ENCODER), "\"addmm_impl_cpu_\" not implemented for 'Half'") == {
        "dtype": "float32"
    }


@pytest.mark.parametrize(
    ("dtype", "text", "variant"),
    [
        ("float16", 'INFO:     127.0.0.1:1 - "POST /encode HTTP/1.1" 500 Internal Server Error', "overflow"),
        ("half", "ValueError: Out of range float values are not JSON compliant: nan", "overflow"),
        ("auto", 'INFO:     127.0.0.1:1 - "POST /encode HTTP/1.1" 500 Internal Server Error', None),
        ("bfloat16", "ValueError: Out of range float values are not JSON compliant: nan", None),
        ("float16", "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge", None),
    ],
)
def test_not_a_number_under_fp16_that_was_asked_for_is_overflow_first(dtype: str, text: str, variant: str) -> None:
    row, of = by_name("weights-corrupt"), _with_dtype(CAUSAL, dtype)
    assert row.variant(of, hit(text)) == variant
    assert row.changes(of, hit(text)) == ({"dtype": "bfloat16"} if variant else None)


def test_docker_without_a_runtime_for_gpus_is_not_asked_for_gpus_once_more() -> None:
    row, of = by_name("no-gpu-visible"), session(ENCODER)
    docker = 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].'
    assert row.variant(of, hit(docker)) == "no-runtime"
    assert row.variants["no-runtime"].commands[0].startswith("sudo nvidia-ctk runtime configure")
    assert row.variant(of, hit("RuntimeError: No CUDA GPUs are available")) is None


def test_the_process_that_holds_most_of_a_card_is_named() -> None:
    row, of = by_name("gpu-memory-held-by-others"), session(ENCODER)
    text = "Process 11 has 900.00 MiB memory in use. Process 2617384 has 43.38 GiB memory in use."
    assert row.variant(of, hit(text)) == "named"
    assert row.values(of, hit(text)) == {"pids": "2617384", "used": "43.38 GiB"}
    assert row.variant(of, hit("CUDA-capable device(s) is/are busy or unavailable")) is None


CARD = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {tried} GiB. GPU 0 has a total capacity of 23.64 "
    "GiB of which {free} GiB is free. Including non-PyTorch memory, this process has {own} GiB memory in use."
)


@pytest.mark.parametrize(
    ("tried", "free", "own", "variant", "asked"),
    [
        ("1.00", "0.20", "1.40", "room", "0.43"),  # 0.80 GiB are lacking of the 3 that were free
        ("0.10", "0.06", "1.40", "room", "0.65"),
        ("2.00", "0.00", "1.40", "full", None),
        ("1.00", "0.20", "11.70", "room", "0.43"),  # others hold 11.74
        ("1.00", "0.20", "11.73", None, None),  # and here 11.71, less than the server itself
        ("1.00", "0.20", "23.30", None, None),
    ],
)
def test_what_others_hold_is_counted_where_torch_lists_no_process(
    tried: str, free: str, own: str, variant: str | None, asked: str | None
) -> None:
    """No line asks for more than is free: the share shrinks by what was lacking."""
    of = session(ENCODER, "mem_fraction_static=0.7", before=3.0, after=2.3)
    text = CARD.format(tried=tried, free=free, own=own)
    assert (out_of_memory(of, text) == "gpu-memory-held-by-others") is (variant is not None)
    if variant is not None:
        row = by_name("gpu-memory-held-by-others")
        assert row.variant(of, hit(text)) == variant
        changes = row.changes(of, hit(text))
        assert (changes and changes["mem-fraction-static"]) == asked


def test_before_the_weights_are_loaded_no_share_makes_room() -> None:
    of = Follower().follow([Block(1, b"server_args=ServerArgs(model_path='m', mem_fraction_static=0.8)\n")]).session
    text = CARD.format(tried="0.50", free="0.10", own="1.10")
    assert out_of_memory(of, text) == "gpu-memory-held-by-others"
    assert by_name("gpu-memory-held-by-others").variant(of, hit(text)) == "full"
    assert out_of_memory(of, CARD.format(tried="0.50", free="0.10", own="23.40")) == "gpu-oom-weights"


def test_a_share_shrinks_by_what_was_lacking() -> None:
    of = session(CAUSAL, "mem_fraction_static=0.88", before=20.0, after=4.8)
    assert changed("gpu-oom-kv-pool", of, CARD.format(tried="0.90", free="0.10", own="23.40")) == {
        "mem-fraction-static": "0.83"
    }
    assert changed("gpu-oom-kv-pool", of, CARD.format(tried="2.50", free="0.40", own="23.10")) is None
    of = session(CAUSAL, "mem_fraction_static=0.88", before=20.0, after=18.8)
    assert changed("gpu-oom-kv-pool", of, CARD.format(tried="3.00", free="0.50", own="23.00")) == {
        "mem-fraction-static": "0.75"
    }


WEIGHTS_OF_40_PERCENT = {"before": 20.0, "after": 12.0}


@pytest.mark.parametrize(
    ("more", "memory_of_weights", "share"),
    [
        ("", {}, "0.3"),  # 3 % of weights leave room in what an encoder is given
        ("", {"before": 20.0, "after": 15.2}, "0.31"),
        ("", {"before": 0.0, "after": 0.0}, "0.3"),  # what the weights take is not known
        ("", WEIGHTS_OF_40_PERCENT, "0.47"),
        ("mem_fraction_static=0.5", WEIGHTS_OF_40_PERCENT, None),
        ("mem_fraction_static=None", WEIGHTS_OF_40_PERCENT, "0.47"),
    ],
)
def test_an_encoder_is_given_the_share_that_its_weights_leave_room_in(
    more: str, memory_of_weights: dict[str, float], share: str | None
) -> None:
    changes = dict(relaunch.for_an_encoder(session(ENCODER, more, **memory_of_weights)))  # type: ignore[arg-type]
    assert changes.pop("mem-fraction-static", None) == share
    assert changes == {"is-embedding": "", "disable-radix-cache": "", "chunked-prefill-size": "-1"}


def test_what_an_encoder_has_already_is_not_changed() -> None:
    of = session(
        ENCODER, "is_embedding=True, disable_radix_cache=True, chunked_prefill_size=-1, mem_fraction_static=.3"
    )
    assert dict(relaunch.for_an_encoder(of)) == {}
    of = session(ENCODER, "is_embedding=False, disable_radix_cache=True, chunked_prefill_size=4096")
    assert set(relaunch.for_an_encoder(of)) == {"is-embedding", "chunked-prefill-size", "mem-fraction-static"}


@pytest.mark.parametrize(
    ("model", "more", "changes"),
    [
        (CHAT, "chunked_prefill_size=8192", {"chunked-prefill-size": "4096"}),
        (CHAT, "chunked_prefill_size=1026", {"chunked-prefill-size": "513"}),
        (CHAT, "chunked_prefill_size=600", {"chunked-prefill-size": "512"}),
        (CHAT, "chunked_prefill_size=1", {"chunked-prefill-size": "512"}),
        (CHAT, "chunked_prefill_size=0", {"chunked-prefill-size": "8192"}),
        (CHAT, "chunked_prefill_size=-1", {"chunked-prefill-size": "8192"}),
        (CHAT, "", {"chunked-prefill-size": "8192"}),
        (ENCODER, "chunked_prefill_size=8192", {"max-prefill-tokens": "8192"}),
        (ENCODER, "max_prefill_tokens=32770", {"max-prefill-tokens": "16385"}),
        (ENCODER, "max_prefill_tokens=1000", {"max-prefill-tokens": "512"}),
    ],
)
def test_half_the_tokens_are_computed_at_once_and_an_encoders_texts_stay_whole(
    model: str, more: str, changes: dict[str, str]
) -> None:
    assert dict(relaunch.fewer_tokens(session(model, more))) == changes


@pytest.mark.parametrize(
    ("more", "text", "changes"),
    [
        ("", "no req_slots left", {"max-running-requests": "256"}),
        ("max_running_requests=3", "raise max-running-requests", {"max-running-requests": "1"}),
        ("max_running_requests=1", "no req_slots left", {"max-running-requests": "1"}),
        ("max_running_requests=9", "no req_slots left", {"max-running-requests": "4"}),
        ("mem_fraction_static=0.5", "the pool is full", {"mem-fraction-static": "0.55"}),
        ("mem_fraction_static=0.94", "the pool is full", None),
    ],
)
def test_a_pool_that_is_full_gets_fewer_requests_or_more_memory(
    more: str, text: str, changes: dict[str, str] | None
) -> None:
    assert relaunch.larger_pool(session(CHAT, more), hit(text)) == changes


@pytest.mark.parametrize(
    ("model", "changes"), [(ENCODER, {"mem-fraction-static": "0.3"}), (CHAT, {"mem-fraction-static": "0.08"})]
)
def test_without_a_share_an_encoder_gets_what_is_enough_for_one(model: str, changes: dict[str, str]) -> None:
    """23.5 GB were free before the weights, and 22.8 after: 3 %; a step above them for who generates."""
    assert relaunch.larger_pool(session(model), hit("the pool is full")) == changes


def test_what_a_log_shows_of_its_memory_is_said_beside_the_change() -> None:
    of, blank = session(ENCODER, **WEIGHTS_OF_40_PERCENT), Session(1)  # type: ignore[arg-type]
    shown = relaunch.values(of, hit())
    assert isinstance(shown["weights"], Text)
    assert isinstance(shown["floor"], Text)
    assert shown["weights"].en == " (8.00 of 20.00 GiB)"
    assert shown["floor"].en == ", never below 0.40, which the weights take"
    none = relaunch.values(blank, hit())
    assert (none["weights"], none["floor"], none["tokens"]) == (Text("", ""), Text("", ""), "0")


@pytest.mark.parametrize(
    ("name", "line", "newer"),
    [
        ("bge-large-zh-v1.5", 3, True),
        ("my-own-encoder", 3, True),
        ("bge-large-zh-v1.5", None, False),
        ("gte-large", 3, False),  # pools the mean, which no release takes of a BertModel
    ],
)
def test_only_a_newer_release_pools_the_first_token(name: str, line: int | None, newer: bool) -> None:
    of = session(ENCODER)
    of.args = of.args.replace("bge-large-zh-v1.5", name)
    of.before_cls = line
    assert relaunch.on_release(of) == (newest() if newer else None)
