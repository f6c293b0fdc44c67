"""The rows about the true openai package: its exceptions follow from their causes, and wrong numbers are found."""

from __future__ import annotations

import base64
import math
import shutil
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bgecheck.checks import embed, probe
from bgecheck.checks.answering import Engine
from bgecheck.checks.embed.facts import EmbedFacts
from bgecheck.checks.probe.facts import ProbeFacts
from bgecheck.http.authorities import Authorities, Verification
from bgecheck.http.embeddings import Embedded
from bgecheck.http.openai_client import Cause, OpenAIResult, Raised, Vectors, outcome_of
from bgecheck.http.openai_vectors import NORM_RATIO, misread
from bgecheck.http.proxies import Way
from bgecheck.http.reply import Reply
from bgecheck.model import Finding, Status, Target, Unavailable, say
from bgecheck.run import engine
from fakes.answering import CARD, TOKENS, Answer, bad, beyond_text, embedded, found, pages, same, serving, vector
from fakes.authority import private_authority

PROBE, EMBED = "probe.openai-client", "embed.openai-client"


def packing(change: Callable[[list[float]], bytes]) -> Callable[..., Answer]:
    """A server that packs its base64 in its own way."""

    def answer(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        if other := beyond_text(body):
            return other
        rows = [uneven(text) for text in body["input"]]
        if body.get("encoding_format") != "base64":
            return 200, embedded(*rows)
        return 200, embedded(*(base64.b64encode(change(row)).decode() for row in rows))

    return answer


def uneven(text: str) -> list[float]:
    """A unit vector of a text whose numbers differ, so that other bytes give another direction."""
    row = [number * (1 + place % 7) for place, number in enumerate(vector(text))]
    length = math.hypot(*row)
    return [number / length for number in row]


def little(row: list[float]) -> bytes:
    return struct.pack(f"<{len(row)}f", *row)


def big(row: list[float]) -> bytes:
    return struct.pack(f">{len(row)}f", *row)


def doubles(row: list[float]) -> bytes:
    return struct.pack(f"<{len(row)}d", *row)


def test_the_true_package_gets_a_vector_and_tells_its_version() -> None:
    with serving(pages(), packing(little)) as url:
        rows = found(url, "probe", openai=True)
    row = rows[PROBE]
    assert row.status is Status.PASS
    assert (row.values["dims"], row.values["tokens"], len(row.values["first"])) == (768, TOKENS, 5)
    assert row.values["openai"].split(".")[0] in ("1", "2", "3")
    assert bad(rows) == set()


def test_without_its_process_the_row_is_left_out() -> None:
    with serving(pages(), same) as url:
        assert found(url, "probe")[PROBE].status is Status.SKIP


REFUSED: Answer = (401, {"error": "Unauthorized"})


@pytest.mark.parametrize(
    ("answers", "embed", "cause", "words"),
    [
        ({"/v1/models": REFUSED}, lambda body, headers: REFUSED, "probe.api-key", "AuthenticationError"),
        ({"/v1/models": (404, {"detail": "Not Found"})}, None, "probe.base-url", "NotFoundError"),
        ({}, lambda body, headers: (429, b"slow"), "probe.rate-limit", "RateLimitError"),
        ({}, lambda body, headers: (503, {"message": "full"}), "probe.ready", "HTTP 503"),
        ({}, lambda body, headers: (200, b"null"), "probe.ready", "'data'"),
        ({}, packing(doubles), "probe.base64", "1536 numbers from a vector of 768"),
        ({}, packing(big), "probe.base64", "bytes of its base64"),
    ],
    ids=["key", "path", "rate", "busy", "null", "float64", "big-endian"],
)
def test_an_exception_follows_from_the_row_that_explains_it(
    answers: dict[str, Answer], embed: Callable[..., Answer] | None, cause: str, words: str
) -> None:
    """One root cause, of which the exception is a consequence with a meaning of its own."""
    with serving(pages(**answers), embed) as url:
        rows = found(url, "probe", openai=True)
    assert rows[PROBE].status is Status.FAIL
    assert rows[PROBE].caused_by == cause
    assert words in say(rows[PROBE].cause, "en")


def test_it_is_called_where_the_user_was_told_to() -> None:
    """The server has its routes at /v1/v1, where the tool finds them and a program does not."""
    with serving({"/v1/v1/models": (200, CARD)}, same, prefix="/v1/v1") as url:
        rows = found(url, "probe", openai=True, given_url=url)
    assert "NotFoundError" in say(rows[PROBE].cause, "en")
    assert rows[PROBE].caused_by == "probe.base-url"


@pytest.mark.parametrize("given", [True, False])
def test_it_is_called_at_the_root_where_that_is_the_base_url(given: bool) -> None:
    with serving({"/models": (200, CARD)}, same, prefix="") as url:
        rows = found(url, "probe", openai=True, given_url=url if given else None)
    assert rows[PROBE].status is Status.PASS


def test_an_environment_in_which_no_client_can_be_made_is_a_cause_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """no_proxy exempts the server, and the client dies of the variable all the same."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(pages(), same) as url:
        rows = found(url, "probe", openai=True)
    assert rows[PROBE].caused_by is None
    assert bad(rows) == {PROBE}
    assert "socksio" in say(rows[PROBE].cause, "zh")


def facts(outcome: Vectors | Raised, authorities: Authorities | None = None, version: str = "2.8.0") -> ProbeFacts:
    """What a healthy server answered, and what openai made of it."""
    target = Target(url="https://h:1", host="h", port=1)
    ours = Embedded((tuple(vector("你好")),), (0,), (0,), 4, "m", 0.01)
    result = OpenAIResult(
        openai=version, http="httpx", http_version="0.28.1", outcome=outcome, milliseconds=9.0, authorities=authorities
    )
    models = Reply(200, {}, b'{"data": []}', 0.01)
    return ProbeFacts(
        target=target,
        models=models,
        certificate=None,
        keys={},
        elsewhere={},
        engine=Engine(None, None),
        served=(),
        first=ours,
        proxies=(),
        openai=result,
    )


def judged(given: ProbeFacts) -> Finding:
    area = replace(probe.AREA, collector=lambda context: given, later_collector=None)
    return {f.id: f for f in engine.run([area], None)}[PROBE]


GOT = Vectors(vectors=(tuple(vector("你好")),), tokens=4)
YES = Verification(accepted=True, bundle="/etc/ssl/certs/ca-certificates.crt")
NO = Verification(accepted=False, code=20, reason="unable to get local issuer certificate", bundle="/certifi.pem")
OVER = Verification(accepted=False, code=10, reason="certificate has expired")


@pytest.mark.parametrize(
    ("certifi", "system", "status", "words"),
    [
        (YES, YES, Status.PASS, ""),
        (NO, YES, Status.WARN, "up to 2.x fails"),
        (YES, NO, Status.WARN, "from 3.0 on"),
        (OVER, OVER, Status.PASS, ""),
        (Verification(accepted=None, reason="TimeoutError"), YES, Status.PASS, ""),
    ],
    ids=["both accept", "certifi refuses", "the system refuses", "both refuse for another reason", "no handshake"],
)
def test_authorities_that_disagree_are_a_warning(
    certifi: Verification, system: Verification, status: Status, words: str
) -> None:
    row = judged(facts(GOT, Authorities(certifi=certifi, system=system, used="certifi")))
    assert row.status is status
    if words:
        assert words in say(row.cause, "en")
        assert "openai 2.8.0" in say(row.cause, "zh")
        assert str(row.severity) == "warning"
        assert row.commands != ()


def test_an_authority_that_openai_does_not_know_here_fails_with_both_opinions() -> None:
    refused = Cause(name="SSLCertVerificationError", message="", errno=1, code=20)
    raised = Raised(name="APIConnectionError", message="Connection error.", stage="call", causes=(refused,))
    row = judged(facts(raised, Authorities(certifi=NO, system=YES, used="certifi")))
    assert row.status is Status.FAIL
    assert "(certifi)" in say(row.cause, "en")
    assert [say(e.observed, "en") for e in row.evidence[1:]] == [
        "refused: unable to get local issuer certificate",
        "accepted",
    ]


def test_over_tls_the_row_tells_what_the_other_openai_would_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private authority in SSL_CERT_FILE, in place of both collections, which do not know it; true handshakes."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = private_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    with serving(pages(), same, folder / "server.pem") as url:
        rows = found(url, "probe", openai=True)
    assert rows["probe.tls"].status is Status.PASS
    assert rows[PROBE].status is Status.PASS
    assert rows[PROBE].values["authorities"] == {"certifi": False, "system": False}
    assert [say(e.subject, "en") for e in rows[PROBE].evidence][-1] == "SSL_CERT_FILE"


def test_a_certificate_that_nobody_accepts_is_told_by_its_own_row(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = private_authority(tmp_path)
    with serving(pages(), same, folder / "server.pem") as url:
        rows = found(url, "probe", openai=True)
    assert rows["probe.tls"].status is Status.FAIL
    assert rows[PROBE].caused_by == "probe.tls"
    assert "CERTIFICATE_VERIFY_FAILED" in say(rows[PROBE].cause, "zh")


@pytest.mark.parametrize(("factor", "wrong"), [(1.99, False), (2.01, True), (1 / 1.99, False), (1 / 2.01, True)])
def test_a_norm_is_wrong_beyond_its_bound(factor: float, wrong: bool) -> None:
    assert NORM_RATIO.value == 2.0
    assert (misread([0.6 * factor, 0.8 * factor], [0.6, 0.8]) is not None) is wrong


def test_nothing_is_compared_with_nothing() -> None:
    assert misread([1.0], None) is None
    assert misread([1.0], [0.0]) is None
    assert misread([float("nan")], [1.0]) is not None


@pytest.mark.parametrize(
    ("variable", "command"), [("SSL_CERT_FILE", "/etc/ssl/cert.pem"), ("SSL_CERT_DIR", "/etc/ssl/certs")]
)
def test_the_system_s_authorities_are_named_by_the_variable_that_takes_them(variable: str, command: str) -> None:
    system = replace(YES, bundle=command, variable=variable)
    row = judged(facts(GOT, Authorities(certifi=NO, system=system, used="certifi")))
    assert row.commands == (f"export {variable}={command}",)


@pytest.mark.parametrize(
    ("vector", "observed", "expected"),
    [
        (tuple(vector("你好")) * 2, "1536 dims", "768 dims"),
        (tuple(100 * number for number in vector("你好")), "norm 100", "norm 1"),
    ],
    ids=["too many", "too long"],
)
def test_a_vector_that_openai_misreads_is_shown_beside_the_servers(
    vector: tuple[float, ...], observed: str, expected: str
) -> None:
    row = judged(facts(Vectors(vectors=(vector,), tokens=4)))
    assert row.status is Status.FAIL
    assert [(say(e.observed, "en"), say(e.expected or "", "en")) for e in row.evidence] == [(observed, expected)]


@pytest.mark.parametrize(
    ("http", "range_", "told"),
    [("httpx", None, True), ("httpx2", None, True), ("httpx", "10.0.0.0/8", True), ("httpx2", "10.0.0.0/8", False)],
)
def test_that_this_call_went_past_a_proxy_is_told_where_a_program_would_not(
    http: str, range_: str | None, told: bool
) -> None:
    given = facts(GOT)
    assert isinstance(given.openai, OpenAIResult)
    proxied = replace(given, openai=replace(given.openai, http=http), way=Way("http_proxy", range_))
    subjects = [say(e.subject, "en") for e in judged(proxied).evidence]
    assert ("proxy of http_proxy" in subjects) is told
    assert [say(e.subject, "en") for e in judged(given).evidence] == ["openai 2.8.0 (httpx 0.28.1)"]


@pytest.mark.parametrize(("measured", "ms"), [(12.34, 12.3), (None, None)])
def test_how_long_openai_took_is_told_to_a_tenth_of_a_millisecond(measured: float | None, ms: float | None) -> None:
    given = facts(GOT)
    assert isinstance(given.openai, OpenAIResult)
    assert judged(replace(given, openai=replace(given.openai, milliseconds=measured))).values["ms"] == ms


# The row of the area `embed`, of facts made by hand.


def compared(outcome: Vectors | Raised, *ours: tuple[float, ...], indexes: tuple[int, ...] | None = None) -> Finding:
    """What is said where openai made this of texts whose vectors a plain request got, in the order of their texts."""
    count = len(ours)
    asked = Embedded(ours, (0,) * count, indexes or tuple(range(count)), 4, "m", 0.01)
    one = replace(asked, vectors=ours[:1], nulls=(0,), indexes=(0,))
    result = OpenAIResult(openai="2.8.0", http="httpx", http_version="0.28.1", outcome=outcome, milliseconds=9.0)
    given = EmbedFacts(
        Target(url="http://h:1", host="h", port=1), ("m",), ("文本",) * count, asked, (one,) * 3, one, openai=result
    )
    area = replace(embed.AREA, collector=lambda context: given, needs=())
    return {f.id: f for f in engine.run([area], None)}[EMBED]


def turned(cosine: float) -> tuple[float, ...]:
    """A vector with this cosine to the first axis."""
    return (cosine, math.sqrt(1 - cosine * cosine), 0.0)


AXIS, ASIDE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("theirs", "shown"),
    [
        ((turned(0.9), turned(0.3), turned(0.95)), "0.3000"),
        ((turned(0.2), turned(0.3), AXIS), "0.2000"),
    ],
    ids=["the second", "the first"],
)
def test_of_several_texts_the_one_that_differs_most_is_told(theirs: tuple[tuple[float, ...], ...], shown: str) -> None:
    row = compared(Vectors(vectors=theirs, tokens=4), AXIS, AXIS, AXIS)
    assert row.status is Status.FAIL
    assert "another vector than a plain request gets" in say(row.cause, "en")
    assert say(row.evidence[0].observed, "en") == shown


def test_vectors_that_come_in_another_order_are_compared_as_a_program_takes_them() -> None:
    """The first text has the first vector by its `index`, wherever it stands in the answer; openai does not sort."""
    came = Vectors(vectors=(ASIDE, AXIS), tokens=4)
    assert compared(came, AXIS, ASIDE, indexes=(1, 0)).status is Status.PASS
    assert compared(came, AXIS, ASIDE).status is Status.FAIL


@pytest.mark.parametrize(
    ("theirs", "unit"), [((*AXIS, 0.0), "dims"), ((50.0, 0.0, 0.0), "norm")], ids=["too many", "too long"]
)
def test_what_is_misread_is_told_by_its_measure(theirs: tuple[float, ...], unit: str) -> None:
    row = compared(Vectors(vectors=(theirs,), tokens=4), AXIS)
    assert row.status is Status.FAIL
    assert say(row.evidence[0].subject, "en") == unit


def test_the_exception_of_a_program_is_named_where_a_plain_request_gets_a_vector() -> None:
    row = compared(Raised(name="RecursionError", message="too deep", stage="read"), AXIS)
    assert row.status is Status.FAIL
    assert say(row.cause, "en").startswith("RecursionError: too deep: the answer is not JSON")


# The smoke test.


def test_the_smoke_test_shows_openais_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text is not one of the fresh ones, of which each must be new to the server."""
    asked: list[tuple[str, list[str]]] = []

    def note(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        asked.append((body.get("encoding_format", "float"), body["input"]))
        return packing(little)(body, headers)

    with serving(pages(), note) as url:
        rows = found(url, "embed", openai=True, texts=["今天天气怎么样？"])
    values = rows["embed.answers"].values
    assert bad(rows) == set()
    assert values["openai"].split(".")[0] in ("1", "2", "3")
    assert (values["dims"], values["tokens"]) == (768, TOKENS)
    assert rows[EMBED].status is Status.PASS
    assert [texts for encoding, texts in asked if encoding == "base64"] == [["今天天气怎么样？"]]
    assert values["sent"]["requests"] == len(asked)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (packing(lambda row: little(row[::-1])), "holds other numbers than the floats"),
        (packing(doubles), "1536 numbers from a vector of 768"),
        (packing(big), "bytes of its base64"),
        (
            lambda body, headers: (
                (400, {"message": "base64?"}) if body.get("encoding_format") == "base64" else same(body, headers)
            ),
            "BadRequestError",
        ),
    ],
    ids=["other numbers", "float64", "big-endian", "refused"],
)
def test_the_smoke_test_finds_where_openai_and_a_plain_request_disagree(
    answer: Callable[..., Answer], words: str
) -> None:
    with serving(pages(), answer) as url:
        rows = found(url, "embed", openai=True, texts=["今天天气怎么样？"])
    assert bad(rows) == {EMBED}
    assert words in say(rows[EMBED].cause, "en")
    assert rows["embed.repeatable"].status is Status.PASS


TOO_LONG = [
    ("The input (514 tokens) is longer than the model's context length (512 tokens).", 400, "fewer than 512 tokens"),
    ("Requested token count exceeds the model's maximum context length of 512 tokens.", 400, "fewer than 512 tokens"),
    (
        "This model's maximum context length is 8192 tokens, however you requested 9000 tokens (9000 in your prompt; 0 "
        "for the completion). Please reduce your prompt; or completion length.",
        400,
        "fewer than 8192 tokens",
    ),
    ("Input validation error: `inputs` must have less than 512 tokens. Given: 600", 413, "fewer than 512 tokens"),
    ("the input length exceeds the context length", 400, "split it into pieces"),
    ("Request Entity Too Large", 413, "client_max_body_size"),
    ("a redirect: a POST that follows it becomes a GET or loses its body", 307, "the end of the redirect"),
]


@pytest.mark.parametrize(("message", "status", "fix"), TOO_LONG, ids=range(len(TOO_LONG)))
def test_a_text_that_is_too_long_is_to_be_split(message: str, status: int, fix: str) -> None:
    """sglang's words of two releases, then OpenAI's and vLLM's, text-embeddings-inference's, Ollama's, and nginx's."""
    with serving(pages(), lambda body, headers: (status, {"error": {"message": message}})) as url:
        row = found(url, "embed", texts=["长" * 600])["embed.answers"]
    assert fix in say(row.fix, "en")
    assert say(row.cause, "en").endswith(message.rstrip(".")[-20:])


def test_an_exception_that_holds_a_web_page_is_told_by_its_title() -> None:
    """The message of openai 1.x and 2.x is the whole body where that is no JSON."""
    page = "<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n<body><hr></body></html>"
    raised = {"name": "RateLimitError", "message": page, "stage": "call", "status": 429, "causes": []}
    assert str(outcome_of({"raised": raised})) == "RateLimitError: an HTML page: 429 Too Many Requests"
    assert str(outcome_of({"raised": {**raised, "message": "<html><body>"}})) == "RateLimitError: an HTML page"


def test_what_the_server_refuses_to_all_is_told_once_with_the_exception() -> None:
    with serving(pages(), lambda body, headers: (503, {"message": "full"})) as url:
        rows = found(url, "embed", openai=True, texts=["今天天气怎么样？"])
    assert {i for i, row in rows.items() if row.status.bad} == {"embed.answers"}
    assert any("InternalServerError" in say(e.observed, "en") for e in rows["embed.answers"].evidence)


def test_a_server_that_does_not_repeat_itself_is_no_disagreement() -> None:
    """A broken prefix cache answers each request otherwise."""
    count = iter(range(1000))

    def shaky(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        return 200, embedded(*(vector(text + chr(0x5000 + next(count))) for text in body["input"]))

    with serving(pages(), shaky) as url:
        rows = found(url, "embed", openai=True, texts=["今天天气怎么样？"])
    assert rows["embed.repeatable"].status is Status.FAIL
    assert rows[EMBED].status is Status.SKIP


def test_the_smoke_test_warns_of_a_proxy_that_its_own_call_did_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the same environment is sent to the proxy, where nobody listens."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", ".corp.example")
    with serving(pages(), same) as url:
        row = found(url, "embed", openai=True, texts=["今天天气怎么样？"])[EMBED]
        monkeypatch.setenv("no_proxy", ".corp.example,127.0.0.1")
        exempt = found(url, "embed", openai=True, texts=["今天天气怎么样？"])[EMBED]
    assert (row.status, exempt.status) == (Status.WARN, Status.PASS)
    assert row.commands[0] == "export no_proxy=.corp.example,localhost,127.0.0.1,::1"


@pytest.mark.parametrize(("model", "command"), [(None, "--model bge-base-zh-v1.5"), ("chat", "/v1/models")])
def test_of_several_models_the_embedding_model_is_to_be_named(model: str | None, command: str) -> None:
    """The first of the list is requested where none is named, and a gateway lists chat models too."""
    cards = {"data": [{"id": name} for name in ("chat", "tts", "bge-base-zh-v1.5")]}
    with serving(
        {**pages(), "/v1/models": (200, cards)}, lambda body, headers: (404, {"message": "no embeddings"})
    ) as url:
        row = found(url, "embed", model=model)["embed.answers"]
    assert row.status is Status.FAIL
    assert command in row.commands[0]


def test_where_openai_cannot_be_used_our_own_call_stands_in() -> None:
    one = Embedded((tuple(vector("你好")),), (0,), (0,), 4, "m", 0.01)
    target = Target(url="http://h:1", host="h", port=1)
    reason = Unavailable("the openai package cannot be used here: ImportError", looked=False)
    given = EmbedFacts(target, ("bge-base-zh-v1.5",), ("你好",), one, (one, one, one), one, openai=reason)
    area = replace(embed.AREA, collector=lambda context: given, needs=())
    rows = {f.id: f for f in engine.run([area], None)}
    assert rows["embed.answers"].status is Status.PASS
    assert rows["embed.answers"].values["dims"] == 768
    assert any("cannot be used here" in say(e.observed, "en") for e in rows["embed.answers"].evidence)
    assert rows[EMBED].status is Status.SKIP
