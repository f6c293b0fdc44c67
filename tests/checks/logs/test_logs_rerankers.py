"""A reranker is told by its class or its name, and only where vectors are asked of it or nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from logsamples import RELEASES, Snippet, judged, roots, written

ROW = "logs.reranker-served"
RERANK = '[@] INFO:     10.0.0.8:40312 - "POST /v1/rerank HTTP/1.1" 200 OK'
EMBED = '[@] INFO:     10.0.0.8:40312 - "POST /v1/embeddings HTTP/1.1" 200 OK'
REFUSED = '[@] INFO:     10.0.0.8:40312 - "POST /v1/embeddings HTTP/1.1" 400 Bad Request'


def _ids(path: Path, text: str) -> list[str]:
    return [f.id for f in roots(judged(written(path / "sglang.log", text)))]


def _log(
    release: str, *lines: str, model: str = "/srv/models/m", of: str = "XLMRobertaForSequenceClassification"
) -> str:
    text = Snippet("", "ready", "encoder, radix off", lines).log(release)
    return text.replace("type=BertModel", f"type={of}").replace("/srv/models/bge-large-zh-v1.5", model)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("model", "of"),
    [
        ("/srv/models/m", "XLMRobertaForSequenceClassification"),
        ("/srv/models/m", "BertForSequenceClassification"),
        ("/srv/models/m", "Qwen3ForSequenceClassification"),
        ("/srv/models/m", "Qwen2ForRewardModel"),
        ("BAAI/bge-reranker-v2-m3", "XLMRobertaModel"),
        ("/data/Qwen3-Reranker-0.6B", "Qwen3ForCausalLM"),
    ],
)
def test_a_reranker_is_told_before_and_after_a_vector_is_asked_for(
    release: str, model: str, of: str, tmp_path: Path
) -> None:
    for lines in ((), (EMBED,), (REFUSED,) * 4, (RERANK, EMBED)):
        assert _ids(tmp_path, _log(release, *lines, model=model, of=of)) == [ROW], lines


@pytest.mark.parametrize("of", ["XLMRobertaForSequenceClassification", "Qwen3ForSequenceClassification"])
def test_a_reranker_that_is_asked_for_scores_does_its_work(of: str, tmp_path: Path) -> None:
    assert _ids(tmp_path, _log("0.5.23", RERANK, of=of)) == []


@pytest.mark.parametrize(
    ("model", "of"),
    [("/srv/models/bge-large-zh-v1.5", "BertModel"), ("/srv/reranker/bge-m3", "XLMRobertaModel")],
)
def test_an_embedding_model_is_none(model: str, of: str, tmp_path: Path) -> None:
    assert _ids(tmp_path, _log("0.5.23", EMBED, model=model, of=of)) == []


def test_a_reranker_is_asked_on_its_own_route(tmp_path: Path) -> None:
    def told(model: str, of: str) -> str:
        (root,) = roots(judged(written(tmp_path / "sglang.log", _log("0.5.23", EMBED, model=model, of=of))))
        return "\n".join([str(root.cause), str(root.fix), *root.commands])

    assert "/v1/rerank" in told("m", "XLMRobertaForSequenceClassification")
    assert '{"query": "q", "documents": ["a", "b"]}' in told("m", "XLMRobertaForSequenceClassification")
    assert "/v1/score" in told("/data/bge-reranker-v2-gemma", "GemmaForCausalLM")
    assert "model_path=/data/Qwen3-Reranker-4B" in told("/data/Qwen3-Reranker-4B", "Qwen3ForCausalLM")


@pytest.mark.parametrize(
    ("model", "of", "options", "template"),
    [
        ("/data/Qwen3-Reranker-4B", "Qwen3ForCausalLM", "", "qwen3_reranker.jinja"),
        ("Qwen/Qwen3-Reranker-0.6B", "", "", "qwen3_reranker.jinja"),
        ("/data/qwen3-vl-reranker-2b", "Qwen3VLForConditionalGeneration", "", "qwen3_vl_reranker.jinja"),
        ("/data/Qwen3-Reranker-4B", "Qwen3ForCausalLM", ", chat_template=None", "qwen3_reranker.jinja"),
        ("/data/Qwen3-Reranker-4B", "Qwen3ForCausalLM", ", chat_template='/data/own.jinja'", None),
        ("/data/Qwen3-Reranker-4B-seq-cls", "Qwen3ForSequenceClassification", "", None),
        ("/data/bge-reranker-v2-gemma", "GemmaForCausalLM", "", None),
    ],
)
def test_a_reranker_that_says_yes_or_no_needs_its_prompt(
    model: str, of: str, options: str, template: str | None, tmp_path: Path
) -> None:
    text = _log("0.5.9", EMBED, model=model, of=of).replace("tp_size=1", f"tp_size=1{options}")
    (root,) = roots(judged(written(tmp_path / "sglang.log", text)))
    assert root.id == ROW
    lines = [command for command in root.commands if f"--chat-template {template}" in command]
    assert len(lines) == (template is not None)
    assert not [line for line in lines if "--is-embedding" in line]
    assert ("0.5.8" in str(root.fix)) is (template is not None)


def test_a_reranker_may_be_asked_for_scores_and_crash_of_its_cache(tmp_path: Path) -> None:
    """The same crash of an embedding server comes of asking it for scores."""
    crash = (
        "[@] Scheduler hit an exception: Traceback (most recent call last):",
        "RuntimeError: The size of tensor a (2) must match the size of tensor b (6) at non-singleton dimension 0",
        "[@] Received sigquit from a child process. It usually means the child failed.",
    )
    for of, mends in (("XLMRobertaForSequenceClassification", True), ("XLMRobertaModel", False)):
        (root, *_) = roots(judged(written(tmp_path / "sglang.log", _log("0.5.9", *crash, of=of))))
        assert root.id == "logs.generation-request-on-embedding"
        assert any("--disable-radix-cache" in command for command in root.commands) is mends
