"""The row about the true openai package: what a program that uses it sees of this server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bgecheck.checks.probe.facts import AREA, LEFT_OUT, ProbeFacts
from bgecheck.http.authorities import VARIABLES, Authorities, Verification
from bgecheck.http.embeddings import Embedded
from bgecheck.http.openai_client import OpenAIResult, Raised, Vectors
from bgecheck.http.openai_errors import ADVICE, described, kind_of
from bgecheck.http.openai_vectors import Misread, first_numbers, misread
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, Unavailable, Words, absent, broken, holds

_FIX_BUNDLE = "export {bundle_variable}={bundle}"

_AUTHORITIES = {
    "certifi-refuses": Advice(
        Text(
            "the operating system's CA certificates accept this certificate and certifi's do not: openai {openai} "
            "gets a vector here (verified with {used}), and openai up to 2.x fails with APIConnectionError "
            "(CERTIFICATE_VERIFY_FAILED) wherever SSL_CERT_FILE is not set; from 3.0 it uses the system's",
            "操作系统的 CA 接受这张证书，certifi 的不接受：这里的 openai {openai} 能拿到向量（校验用的是 {used}），"
            "而在没有设置 SSL_CERT_FILE 的地方，openai 2.x 及更早会报 APIConnectionError（CERTIFICATE_VERIFY_FAILED）；"
            "3.0 起用操作系统的 CA",
        ),
        Text(
            "set {bundle_variable} in the environment of every program that uses openai up to 2.x",
            "在每个使用 openai 2.x 及更早版本的程序环境里设置 {bundle_variable}",
        ),
        (_FIX_BUNDLE,),
        Severity.WARNING,
    ),
    "system-refuses": Advice(
        Text(
            "certifi's CA certificates accept this certificate and the operating system's do not: openai {openai} "
            "gets a vector here (verified with {used}), and openai from 3.0 on, curl and bgecheck, which use the "
            "system's, refuse it",
            "certifi 的 CA 接受这张证书，操作系统的不接受：这里的 openai {openai} 能拿到向量（校验用的是 {used}），"
            "而 openai 3.0 起、curl 和 bgecheck 用的是操作系统的 CA，会拒绝它",
        ),
        Text(
            "install or update the system's CA certificates (slim images have none: package ca-certificates), or "
            "point SSL_CERT_FILE to certifi's",
            "安装或更新操作系统的 CA（精简镜像里没有，需装 ca-certificates），或让 SSL_CERT_FILE 指向 certifi 的文件",
        ),
        ("export SSL_CERT_FILE=$(python -m certifi)",),
        Severity.WARNING,
    ),
}


@AREA.check(
    "openai-client",
    title=Text("the openai package gets a vector", "openai 包能拿到向量"),
    cause=Text(
        "a program that uses the openai package gets {exception}", "使用 openai 包的程序会遇到异常：{exception}"
    ),
    fix=Text("look at the other rows of this area, and at the log", "查看本领域的其他检查项，以及日志"),
    commands=("bgecheck probe --url {base_url}", "bgecheck logs {log}"),
    variants={**ADVICE, **_AUTHORITIES},
    costly=True,
    late=True,
)
def openai_gets_a_vector(facts: ProbeFacts) -> Outcome:
    """The guide's template in a process of its own: without retries, proxies and redirects."""
    result = facts.openai
    if result is None:
        return absent(LEFT_OUT)
    if isinstance(result, Unavailable):
        return absent(result.reason)
    values = {**_values(result), **_about_authorities(result.authorities)}
    expected = _expected(facts)
    match result.outcome:
        case Vectors() as got:
            return _judged(facts, result, got, values)
        case failed:
            kind = kind_of(failed)
            shown = _compared(result.authorities) if kind == "authority" else []
            return broken(Evidence(result.library, described(result), expected), *shown, advice=kind, **values)


def _judged(facts: ProbeFacts, result: OpenAIResult, got: Vectors, values: Mapping[str, Any]) -> Outcome:
    """A vector came: whether it is the server's, and whether both kinds of openai would get it."""
    vector = got.vectors[0]
    ours = facts.first.vectors[0] if isinstance(facts.first, Embedded) else None
    if wrong := misread(vector, ours):
        return broken(Evidence(result.library, *_differs(wrong)), advice=wrong.kind, **values, **wrong.values())
    evidence = Evidence(result.library, described(result), _expected(facts))
    table = (evidence, *_without_proxy(facts, result), *_compared(result.authorities))
    advice = _disagreement(result.authorities) if result.authorities else None
    return broken(*table, advice=advice, **values) if advice else holds(*table, **values)


def _without_proxy(facts: ProbeFacts, result: OpenAIResult) -> list[Evidence]:
    """That the call went direct, where a program that follows the environment would go through a proxy."""
    variable = facts.way.of(result.http)
    if variable is None:
        return []
    direct = Text("not used for this call: see probe.proxy", "本次调用没有使用：见 probe.proxy")
    return [Evidence(Text(f"proxy of {variable}", f"{variable} 的代理"), direct)]


def _differs(wrong: Misread) -> tuple[Words, Words]:
    decoded_as, wanted = wrong.values()["found"], wrong.values()["wanted"]
    if wrong.kind == "dimension":
        return Text(f"{decoded_as} dims", f"{decoded_as} 维"), Text(f"{wanted} dims", f"{wanted} 维")
    return Text(f"norm {decoded_as}", f"范数 {decoded_as}"), Text(f"norm {wanted}", f"范数 {wanted}")


def _expected(facts: ProbeFacts) -> Words:
    if isinstance(facts.first, Embedded):
        dims = len(facts.first.vectors[0])
        return Text(f"{dims} dims", f"{dims} 维")
    return Text("a vector", "一条向量")


def _values(result: OpenAIResult) -> dict[str, Any]:
    values: dict[str, Any] = {
        "openai": result.openai,
        "http": f"{result.http} {result.http_version}",
        "ms": None if result.milliseconds is None else round(result.milliseconds, 1),
    }
    match result.outcome:
        case Vectors() as got:
            values |= {
                "dims": len(got.vectors[0]),
                "first": first_numbers(got.vectors[0]),
                "tokens": got.tokens,
            }
        case Raised() as raised:
            values |= {
                "exception": str(raised),
                "class": raised.name,
                "status": raised.status,
                "causes": [f"{cause.name}: {cause.message}".rstrip(": ") for cause in raised.causes],
            }
    return values


def _about_authorities(authorities: Authorities | None) -> dict[str, Any]:
    if authorities is None:
        return {}
    return {
        "used": authorities.used,
        "bundle": authorities.system.bundle or None,
        "bundle_variable": authorities.system.variable,
        "authorities": {"certifi": authorities.certifi.accepted, "system": authorities.system.accepted},
    }


def _disagreement(authorities: Authorities) -> str | None:
    """Which of the two refuses as unknown what the other accepts."""
    if authorities.system.accepted and authorities.certifi.untrusted:
        return "certifi-refuses"
    return "system-refuses" if authorities.certifi.accepted and authorities.system.untrusted else None


def _compared(authorities: Authorities | None) -> list[Evidence]:
    if authorities is None:
        return []
    compared = [
        Evidence(
            Text("CA certificates of certifi (openai up to 2.x)", "certifi 的 CA（openai 2.x 及更早）"),
            _verdict(authorities.certifi),
        ),
        Evidence(
            Text("CA certificates of the system (openai from 3.0)", "操作系统的 CA（openai 3.0 起）"),
            _verdict(authorities.system),
        ),
    ]
    if authorities.used in VARIABLES:
        instead = Text("set: used in place of both", "已设置：取代上面两者")
        compared.append(Evidence(authorities.used, instead))
    return compared


def _verdict(verification: Verification) -> Words:
    if verification.accepted:
        return Text("accepted", "接受")
    if verification.accepted is None:
        return Text(f"could not be verified: {verification.reason}", f"无法验证：{verification.reason}")
    return Text(f"refused: {verification.reason}", f"拒绝：{verification.reason}")
