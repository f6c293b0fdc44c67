"""What a log proves about the vectors, release by release, and what it doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgecheck.model import Finding
from logsamples import RELEASES, Snippet, judged, roots, written

WRONG = "logs.encoder-vectors-wrong"


def _log(release: str, options: str, *lines: str) -> str:
    return Snippet("", "serving", options, lines).log(release)


def _found(path: Path, text: str) -> list[Finding]:
    return roots(judged(written(path / "sglang.log", text)))


def _why(path: Path, text: str) -> str:
    """The evidence of wrong vectors; empty where they are the only thing that could be wrong and are not."""
    found = _found(path, text)
    assert [f.id for f in found] in ([], [WRONG])
    return str(found[0].evidence[0].observed) if found else ""


@pytest.mark.parametrize("release", RELEASES)
def test_the_prefix_cache_is_proof_or_danger(release: str, tmp_path: Path) -> None:
    assert "#cached-token: 13" in _why(tmp_path, _log(release, "encoder, cached"))
    assert "disable_radix_cache=False" in _why(tmp_path, _log(release, "encoder"))


@pytest.mark.parametrize("release", RELEASES)
def test_a_decoder_may_use_its_cache(release: str, tmp_path: Path) -> None:
    """Qwen3-Embedding attends to what came before alone: a prefix from the cache is the same."""
    assert not _why(tmp_path, _log(release, "cached"))


@pytest.mark.parametrize("release", RELEASES)
def test_the_release_tells_the_pooling(release: str, tmp_path: Path) -> None:
    """Releases before 0.5.9 pool the last token of a BertModel, whatever the options; XLMRobertaModel is not meant."""
    text = _log(release, "encoder, radix off")
    assert bool(_why(tmp_path, text)) == (release in ("0.4.6", "0.5.3"))
    assert not _why(tmp_path, text.replace("type=BertModel", "type=XLMRobertaModel"))


@pytest.mark.parametrize("release", ["0.4.6", "0.5.3"])
def test_the_line_that_is_shown_is_the_one_that_tells_the_release(release: str, tmp_path: Path) -> None:
    """With its number: the line of the weights, not that of the options, which say nothing wrong."""
    text = _log(release, "encoder, radix off")
    (found,) = _found(tmp_path, text)
    number = 1 + next(n for n, line in enumerate(text.splitlines()) if "Load weight end. type=BertModel" in line)
    assert str(found.evidence[0].subject).endswith(f":{number}")
    assert "type=BertModel" in str(found.evidence[0].observed)


@pytest.mark.parametrize("release", ["0.5.9", "0.5.23"])
def test_without_embedding_mode_the_last_token_is_pooled(release: str, tmp_path: Path) -> None:
    """From 0.5.17 on the resolved options say True for every encoder, so that False stands for an older one."""
    text = _log(release, "encoder, radix off")
    for told in ("is_embedding=True", "'is_embedding': True"):
        text = text.replace(told, told.replace("True", "False"))
    assert "is_embedding=False" in _why(tmp_path, text)


@pytest.mark.parametrize(("options", "switch"), [("encoder", "False"), ("encoder, radix off", "True")])
def test_a_warm_up_that_generates_is_shown_beside_the_switch_of_the_cache_which_is_named_once(
    options: str, switch: str, tmp_path: Path
) -> None:
    """A server that does not run as one of embeddings warms itself up by generating text."""
    text = _log("0.5.9", options).replace("POST /encode", "POST /generate")
    assert _why(tmp_path, text).startswith(f'disable_radix_cache={switch}, warm-up by "POST /generate"')


@pytest.mark.parametrize("release", ["0.5.9", "0.5.23"])
def test_a_batch_that_fills_a_chunk_has_cut_a_text(release: str, tmp_path: Path) -> None:
    size = {"0.5.9": 8192, "0.5.23": 4096}[release]
    batch = f"[@] Prefill batch, #new-seq: 31, #new-token: {size}, #cached-token: 0, token usage: 0.02, #running-req: 0"
    text = _log(release, "encoder, radix off", batch, "@serving")
    assert f"#new-token: {size}" in _why(tmp_path, text)
    assert not _why(tmp_path, text.replace(f"#new-token: {size}", f"#new-token: {size - 1}"))
    assert not _why(tmp_path, _log(release, "", batch, "@serving"))


def test_wrong_vectors_are_told_beside_the_crash(tmp_path: Path) -> None:
    """They outlive the server in an index: an independent cause, after the one that ended it."""
    lines = ("@scheduler", "torch.AcceleratorError: CUDA error: an illegal memory access was encountered", "@died")
    found = _found(tmp_path, _log("0.5.9", "encoder, cached", *lines))
    assert [f.id for f in found] == ["logs.illegal-memory-access", WRONG]


def test_a_line_that_a_server_outlived_was_not_its_end(tmp_path: Path) -> None:
    """An error that is only quoted; one that stays, and one with a death after it, are causes."""
    quoted = '[@] refused a text: "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."'
    assert not _found(tmp_path, _log("0.5.9", "", quoted, *["@serving"] * 3))
    dead = _log("0.5.9", "", quoted, *["@serving"] * 3, "@died")
    assert [f.id for f in _found(tmp_path, dead)] == ["logs.gpu-oom-serving"]
    faulty = _log("0.5.9", "", "NVRM: Xid (PCI:0000:3b:00): 48, pid=811, DBE ECC Error", *["@serving"] * 3)
    assert [f.id for f in _found(tmp_path, faulty)] == ["logs.gpu-hardware-error"]


@pytest.mark.parametrize(
    ("line", "port"),
    [
        (
            "[@] ERROR:    [Errno 98] error while attempting to bind on address ('::', 8080, 0, 0): in use",
            8080,
        ),
        (
            "ValueError: nccl_port at 28512 is not available in 30 seconds. nccl_port is used by a process already.",
            28512,
        ),
        ("zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:34501')", 34501),
        ("OSError: [Errno 98] Address already in use", 8000),
    ],
)
def test_the_port_that_was_lost_is_the_one_to_look_at(line: str, port: int, tmp_path: Path) -> None:
    """The rendezvous and the queues have ports of their own; where a line names none, it is that of HTTP."""
    first = _found(tmp_path, Snippet("", "device", "", ("@scheduler", line, "@died")).log("0.5.9"))[0]
    assert first.id == "logs.port-in-use"
    assert f"ss -ltnp sport = :{port}" in first.commands


STOPPED = (
    "[@] SIGTERM received. signum=None frame=None. Draining requests and shutting down...",
    "[@] Gracefully exiting...",
)
REFUSED = tuple(f'[@] INFO:     10.0.0.9:41{n:03} - "POST /v1/embeddings HTTP/1.1" 400 Bad Request' for n in range(40))


@pytest.mark.parametrize("release", ["0.4.6", "0.5.3"])
def test_a_pooling_that_is_certain_outlives_a_stop_and_refusals(release: str, tmp_path: Path) -> None:
    """Embeddings were answered, by the last token: that is so whatever came after, and whatever else was refused."""
    assert WRONG in [f.id for f in _found(tmp_path, _log(release, "encoder, radix off", "@serving", *STOPPED))]
    assert WRONG in [f.id for f in _found(tmp_path, _log(release, "encoder, radix off", "@serving", *REFUSED))]


@pytest.mark.parametrize("release", ["0.5.9", "0.5.23"])
def test_a_setting_alone_does_not(release: str, tmp_path: Path) -> None:
    assert _found(tmp_path, _log(release, "encoder, radix off", "@serving", *STOPPED)) == []
    assert WRONG not in [f.id for f in _found(tmp_path, _log(release, "encoder, radix off", "@serving", *REFUSED))]
    assert _found(tmp_path, _log(release, "encoder", *STOPPED)) == []


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    "model", ["sentence-transformers/all-MiniLM-L6-v2", "/srv/models/e5-large-v2", "moka-ai/m3e-base"]
)
def test_a_model_that_means_over_all_tokens_gets_no_advice_for_cls(release: str, model: str, tmp_path: Path) -> None:
    """No release and no option of sglang computes it : right flags do not help, nor does an upgrade."""
    for options in ("encoder, radix off", "encoder", "encoder, cached"):
        text = _log(release, options, "@serving").replace("/srv/models/bge-large-zh-v1.5", model)
        (found,) = _found(tmp_path, text)
        assert found.id == WRONG
        assert "1_Pooling" in str(found.cause)
        assert "0.5.9" not in str(found.fix)
        assert not [command for command in found.commands if "pip install" in command or "launch_server" in command]


def test_a_model_of_another_class_may_be_pooled_by_its_mean(tmp_path: Path) -> None:
    text = _log("0.5.23", "encoder, radix off", "@serving").replace(
        "/srv/models/bge-large-zh-v1.5", "embeddinggemma-300m"
    )
    assert _found(tmp_path, text.replace("type=BertModel", "type=Gemma3TextModel")) == []
