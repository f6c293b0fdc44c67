"""Each rule answers to its sample and not to its near miss, and its words are complete in both languages."""

from __future__ import annotations

import re
import string
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.checks.logs import AREA
from bgecheck.engines.sglang.log.causes.fallback import GUESSES, by_words
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.engines.sglang.log.kinds import undigited
from bgecheck.engines.sglang.log.marks import NOISE, without_request
from bgecheck.engines.sglang.log.rules import GUESSED, PATTERNS, Pattern
from bgecheck.engines.sglang.log.session import Session
from bgecheck.logfile.lines import Block
from bgecheck.model import Check, Severity
from bgecheck.run import catalog
from bgecheck.run.engine import explained_by
from cases import failures
from logsamples import Snippet

LABELS = re.findall(
    r"\w+",
    """
gpu_oom_weights gpu_oom_kv_pool gpu_oom_graph_capture gpu_oom_serving gpu_memory_held_by_others kv_pool_exhausted
port_in_use model_path_not_found hf_repo_not_found hf_gated_or_unauthorized hf_unreachable tls_certificate_error
stalled_no_error weights_missing weights_corrupt tokenizer_missing trust_remote_code_required
unsupported_architecture transformers_too_old not_launched_as_embedding generation_request_on_embedding
bad_cli_arguments cuda_driver_too_old no_gpu_visible gpu_arch_unsupported dtype_unsupported kernel_package_mismatch
system_library_missing build_tools_missing nccl_failure shm_too_small permission_denied disk_full host_oom_killed
scheduler_hang illegal_memory_access segfault device_side_assert input_too_long attention_backend_unsupported
python_env_broken proxy_breaks_warmup gpu_hardware_error engine_internal_error client_request_rejected
encoder_vectors_wrong wrong_engine too_many_open_files weights_not_loaded reranker_served container_failed
empty_text router_without_workers
""",
)
PLACEHOLDERS = {
    "args_model",
    "args_repo",
    "args_port",
    "args_fraction",
    "file",
    "first",
    "first_port",
    "package",
    "log",
    "phase",
    "engine",
    "from_line",
    "host",
    "port",
    "launch_line",
    "written",
    "pids",
    "stop",
    "upgrade",
    "cards",
    "hub",
    "command",
    "container",
    "link",
    "mounted",
    "nvidia_smi",
    "path",
    "pip",
    "namespace",
    "own_pod",
    "pod",
    "program",
    "python",
    "script",
    "server_pid",
    "template",
    "router",
    "worker_host",
    "worker_port",
    "unit",
    "variable",
    "worker",
}


def _name(pattern: Pattern) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "-", pattern.sample)[:50]


def _followed(*lines: str, phase: str = "memory") -> Session:
    """A session that came to a phase and then writes some lines."""
    log = Snippet("", phase, "", lines).log("0.5.9")
    return Follower().follow([Block(1, log.encode())]).session


@pytest.mark.parametrize("phase", ["memory", "serving"])
def test_a_rule_finds_its_sample_and_leaves_its_near_miss(phase: str) -> None:
    """A line that looks alike does not tell of the rule's cause by any rule that knows its words."""

    def check(pattern: Pattern) -> None:
        assert pattern.matches(pattern.sample)
        hit = _followed(pattern.near, phase=phase).hits.get(pattern.name if isinstance(pattern.name, str) else "")
        assert hit is None or hit.source == GUESSED
        own = without_request(pattern.near)
        assert any(mark in own for mark in NOISE) or not pattern.matches(own)

    assert failures(PATTERNS, check, _name) == []


def test_a_near_miss_looks_alike() -> None:
    """It shares a word with the rule or its sample, or most of one."""
    assert failures(PATTERNS, _looks_alike, _name) == []


def _looks_alike(pattern: Pattern) -> None:
    rule, near = (re.sub(r"\W|_", "", text).lower() for text in (pattern.needle + "|" + pattern.sample, pattern.near))
    size = 4 if rule.isascii() else 2
    assert any(near[at : at + size] in rule for at in range(len(near) - size + 1))


def test_what_clients_and_optional_modules_say_is_no_cause() -> None:
    """The words of a rule in a text to embed, in a path that was asked for, in a module that nobody needs."""
    assert failures(PATTERNS, _is_no_cause_elsewhere, _name) == []


def _is_no_cause_elsewhere(pattern: Pattern) -> None:
    path = re.sub(r"\s+", "+", pattern.sample)
    session = _followed(
        f"[@] Receive: obj=EmbeddingReqInput(rid='1', text='{pattern.sample}')",
        f"[@] Ignore import error when loading sglang.srt.models.phi4mm: {pattern.sample}",
        f'[@] INFO:     10.0.0.9:41002 - "GET /docs/{pattern.needle.split()[0]}?q={path} HTTP/1.1" 404 Not Found',
        phase="serving",
    )
    assert session.hits == {}
    assert session.died_line is session.stopped_line is None


def test_a_rule_stays_fast_on_the_worst_line() -> None:
    """A judged line has at most 4000 characters; no repetition of a rule's own words may make it slow."""
    assert failures((p for p in PATTERNS if p.regex), _stays_fast, _name) == []


def _stays_fast(pattern: Pattern) -> None:
    half = len(pattern.sample) // 2
    parts = [pattern.needle, pattern.sample, pattern.needle + " ", pattern.sample[:half], pattern.sample[half:]]
    for part in parts:
        started = time.process_time()
        pattern.matches((pattern.needle + part * 4000)[:4000])
        assert time.process_time() - started < 0.15


@pytest.mark.parametrize("place", [(), ('  File "sglang/srt/a.py", in load_weights',) * 25], ids=("bare", "frames"))
def test_a_guess_stays_fast_on_the_worst_error(place: tuple[str, ...]) -> None:
    """Words of a guess over and over, in an error as long as one that is judged."""
    started = time.process_time()
    for guess in GUESSES:
        words = re.sub(r"[\\(){}?*+^$\[\]]|\|", " ", guess.words)[:200]
        session = Session(1)
        session.phase = guess.phases[0] if guess.phases else "memory"
        session.recent.extend(place)
        for error in ("ValueError: " + (words * 4000)[:4000], "ValueError: " + ("not found requires " * 400)[:4000]):
            by_words(session, error)
    assert time.process_time() - started < 3


def test_a_rule_says_where_it_was_seen_and_looks_for_words() -> None:
    """Numbers are not looked for: a needle of digits alone would be in every line."""
    assert [_name(pattern) for pattern in PATTERNS if len(pattern.source) < 2] == []
    assert [_name(pattern) for pattern in PATTERNS if len(undigited(pattern.needle).strip()) < 3] == []


def test_every_label_is_a_row() -> None:
    ids = [check.id for check in AREA.checks]
    assert ids[:2] == ["logs.readable", "logs.ready"]
    assert set(ids[2:]) >= {"logs." + label.replace("_", "-") for label in LABELS}, "an id is for good"
    assert not [id_ for id_, count in Counter(ids).items() if count > 1]


def test_guesses_name_rows() -> None:
    ids = {check.id for check in AREA.checks}
    assert {"logs." + guess.cause for guess in GUESSES} - ids == {"logs.out-of-memory"}, (
        "which memory is told by the phase"
    )


def test_rules_name_rows() -> None:
    """A rule's cause is a row, and every cause that has no rule is told from the state of a session."""
    ids = {check.id for check in AREA.checks}
    named = {"logs." + p.name for p in PATTERNS if isinstance(p.name, str)}
    assert named <= ids
    assert {"logs.stalled-no-error", "logs.client-request-rejected", "logs.encoder-vectors-wrong"} <= ids - named


def test_words_are_complete_in_both_languages() -> None:
    assert failures(AREA.checks, _is_complete_in_both_languages, lambda check: check.id) == []


def _is_complete_in_both_languages(check: Check) -> None:
    for advice in (check.advice, *check.variants.values()):
        for text in (check.title, advice.cause, advice.fix):
            assert text.en
            assert re.search(r"[\u4e00-\u9fff]", text.zh), text
            assert "!" not in text.en + text.zh
            assert "！" not in text.zh
        for command in advice.commands:
            names = {name for _, name, _, _ in string.Formatter().parse(command) if name}
            assert names <= PLACEHOLDERS, command


def test_requests_that_the_server_survives_only_warn() -> None:
    severity = {check.id: check.severity for check in AREA.checks}
    assert severity["logs.client-request-rejected"] is Severity.WARNING
    assert severity["logs.input-too-long"] is Severity.WARNING
    assert severity["logs.not-launched-as-embedding"] is Severity.ERROR
    assert severity["logs.encoder-vectors-wrong"] is Severity.ERROR


def test_a_fatal_cause_explains_what_follows_from_it() -> None:
    """The whole catalogue explains without a circle."""
    explainers = explained_by(catalog.rows())
    for label in ("port-in-use", "gpu-oom-weights", "host-oom-killed"):
        for row in ("logs.ready", "ports.listening", "probe.reachable", "probe.ready", "embed.answers"):
            assert f"logs.{label}" in explainers[row]
    assert "logs.encoder-vectors-wrong" not in explainers["logs.ready"]
    assert "launch.prefix-cache" in explainers["logs.encoder-vectors-wrong"]


_WORDS = st.sampled_from([word for p in PATTERNS for word in (p.needle, p.sample, p.sample.split(" ")[0])])


@given(lines=st.lists(st.one_of(st.text(max_size=80), _WORDS, st.binary(max_size=40)), max_size=60))
def test_any_lines_can_be_followed(lines: list[str | bytes]) -> None:
    """Whatever comes, a session is kept and its hits point at lines that came."""
    data = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    session: Session = Follower().follow([Block(1, data)]).session
    assert all(1 <= hit.line <= data.count(b"\n") + 1 for hit in session.hits.values())
    assert all(len(hit.text) <= 2000 and len(hit.before) <= 3 for hit in session.hits.values())


def test_a_million_restarts_are_counted_and_not_kept() -> None:
    follower = Follower()
    follower.follow([Block(1, b"server_args=ServerArgs(model_path='m')\n" * 20_000)])
    assert follower.older == 19_999
    assert len(follower.past) == 20
