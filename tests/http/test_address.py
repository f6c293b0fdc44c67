"""Base URLs in every shape that users paste."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.http.address import is_base_url, parse_url
from bgecheck.model import BadInput, Target


@pytest.mark.parametrize(
    ("given_url", "url", "port"),
    [
        ("http://127.0.0.1:30000/v1", "http://127.0.0.1:30000", 30000),
        ("http://127.0.0.1:30000", "http://127.0.0.1:30000", 30000),
        ("http://127.0.0.1:30000/", "http://127.0.0.1:30000", 30000),
        ("http://127.0.0.1:30000/v1/", "http://127.0.0.1:30000", 30000),
        ("http://127.0.0.1:30000/v1/v1", "http://127.0.0.1:30000", 30000),
        ("HTTP://LOCALHOST:1/V1", "http://localhost:1", 1),
        ("http://127.0.0.1:30000/V1/Embeddings", "http://127.0.0.1:30000", 30000),
        ("http://127.0.0.1:30000/Embed/V1/", "http://127.0.0.1:30000/Embed", 30000),
        ("http://127.0.0.1:30000/v1/embeddings", "http://127.0.0.1:30000", 30000),
        ("http://127.0.0.1:30000/embeddings/", "http://127.0.0.1:30000", 30000),
        ("http://127.0.0.1:30000//v1//models", "http://127.0.0.1:30000", 30000),
        ("localhost:30000/v1", "http://localhost:30000", 30000),
        ("10.0.0.5", "http://10.0.0.5:30000", 30000),
        ("30001", "http://127.0.0.1:30001", 30001),
        (":30001", "http://127.0.0.1:30001", 30001),
        ("http://0.0.0.0:30000", "http://127.0.0.1:30000", 30000),
        ("http://[::1]:30000/v1", "http://[::1]:30000", 30000),
        ("::1", "http://[::1]:30000", 30000),
        ("::", "http://[::1]:30000", 30000),
        ("http://[fe80::1%25eth0]:30000", "http://[fe80::1%25eth0]:30000", 30000),
        ("http://[fe80::1%eth0]:30001/v1", "http://[fe80::1%25eth0]:30001", 30001),
        ("[fe80::1%eth0]:30001", "http://[fe80::1%25eth0]:30001", 30001),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:30000", 30000),
        ("fe80::1%25br-lan.5", "http://[fe80::1%25br-lan.5]:30000", 30000),
        ("https://[FE80::1%25Eth0]/v1", "https://[fe80::1%25Eth0]", 443),
        ("https://gpu.example.com/openai/v1", "https://gpu.example.com/openai", 443),
        ("http://gpu.example.com:80/bge/v1/embeddings", "http://gpu.example.com/bge", 80),
        ("  'http://h:1/v1' ", "http://h:1", 1),
        ("HTTP://Host:1", "http://host:1", 1),
        ("http://向量.example:1/v1", "http://向量.example:1", 1),
        ("http:gpu01:8000/v1", "http://gpu01:8000", 8000),
        ("http:/gpu01:8000", "http://gpu01:8000", 8000),
        ("http//10.0.0.5:8000/v1", "http://10.0.0.5:8000", 8000),
        ("https:///gpu.example.com/v1", "https://gpu.example.com", 443),
        ("http://http://10.0.0.5:8000/v1", "http://10.0.0.5:8000", 8000),
        ("http:8000/v1", "http://127.0.0.1:8000", 8000),
        ("http：//10.0.0.5：8000/v1", "http://10.0.0.5:8000", 8000),
        ("http:\\\\10.0.0.5:8000\\v1", "http://10.0.0.5:8000", 8000),
        ("“http://10.0.0.5:8000/v1”", "http://10.0.0.5:8000", 8000),
        ("http://10.0.0.5:8000/v1。", "http://10.0.0.5:8000", 8000),
        ('OPENAI_BASE_URL="http://10.0.0.5:8000/v1"', "http://10.0.0.5:8000", 8000),
        ("http://h:3000/api/v1", "http://h:3000/api", 3000),
        ("httpd:8000/v1", "http://httpd:8000", 8000),
        ("https.internal:8000", "http://https.internal:8000", 8000),
    ],
)
def test_a_pasted_url_is_normalised(given_url: str, url: str, port: int) -> None:
    address = parse_url(given_url)
    assert (address.url, address.port) == (url, port)


@pytest.mark.parametrize(
    "given_url",
    [
        "",
        "   ",
        "http://",
        "http:///v1",
        "ftp://h:1",
        "unix:///tmp/socket",
        "http://h:0",
        "http://h:65536",
        "http://h:99999999999999999999",
        "http://h:port",
        "http://h:",
        "http://h:1/v1?model=x",
        "http://h:1/v1#top",
        "http://user:secret@h:1/v1",
        "http://[::1",
        "http://1.2.3:1",
        "http://999.1.1.1:1",
        "http://a b:1",
        "http://-h:1",
        "http://h:1/v1/foo",
        "http://h:1/v1/embeddings/extra",
        "http://h:1/v1\x1b[2J",
        "http://127.0.0.1%eth0:1",
        "http://[fe80::1%25et$h]:1",
        "fe80::1%eth0:30000:",
    ],
)
def test_what_cannot_be_a_base_url_is_refused(given_url: str) -> None:
    with pytest.raises(BadInput):
        parse_url(given_url)


def test_a_zone_is_a_part_of_the_host_and_not_of_the_name_that_tls_checks() -> None:
    """In a URL it is percent-encoded, where one connects it is not (RFC 6874)."""
    address = parse_url("http://[fe80::1%25eth0]:30000")
    target = Target(url=address.url, host=address.host, port=address.port)
    assert target.host == "fe80::1%eth0"
    assert target.address == "[fe80::1%eth0]:30000"
    assert target.server_name == "fe80::1"
    assert target.base_url == "http://[fe80::1%25eth0]:30000/v1"


@pytest.mark.parametrize(
    "given_url",
    [
        "http://user:hunter22@h:1/v1",
        "user:hunter22@h:1",
        "http://user:hunter22/foo@h:1/v1",
        "http://user:x@hunter22@h:1/v1",
        "http://hunter22!/x@h:1",
        "http：//user:hunter22@h",
        "http://user:hunter22 word@h:1",
        "http://user:a hunter22@h:1",
        "ftp://user:hunter22@h",
    ],
)
def test_a_refused_url_does_not_show_its_password(given_url: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_url(given_url)
    told = refused.value
    assert "hunter22" not in f"{told} {told.given} {told.reason.en} {told.reason.zh}"
    assert told.given.endswith("***@" + given_url.rpartition("@")[2])


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        address = parse_url(text)
    except BadInput:
        return
    assert address.url.startswith(("http://", "https://"))
    assert 0 < address.port < 65536
    assert parse_url(address.url) == address


@pytest.mark.parametrize(
    ("given_url", "base_url", "same"),
    [
        ("http://h:1/v1", "http://h:1/v1", True),
        ("http://h:1/v1/", "http://h:1/v1", True),
        ("HTTP://H:1/v1", "http://h:1/v1", True),
        ("http://h:80/v1", "http://h/v1", True),
        ("http://h:7997", "http://h:7997", True),
        ("30000", "http://127.0.0.1:30000/v1", True),
        ("10.0.0.5:30000", "http://10.0.0.5:30000/v1", True),
        ("http://h:1", "http://h:1/v1", False),
        ("http://h:1/v1/v1", "http://h:1/v1", False),
        ("http://h:1/v1/models", "http://h:1/v1", False),
        ("h:1/v1", "http://h:1/v1", False),
        ("http:h:1/v1", "http://h:1/v1", False),
        ("http://0.0.0.0:1/v1", "http://127.0.0.1:1/v1", False),
        ("http://h:99999999/v1", "http://h:1/v1", False),
    ],
)
def test_whether_a_client_would_get_there_with_what_was_given(given_url: str, base_url: str, same: bool) -> None:
    assert is_base_url(given_url, base_url) is same
