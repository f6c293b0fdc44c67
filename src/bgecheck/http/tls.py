"""TLS: the authorities that are trusted, the certificate that a server shows, and why it is refused."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bgecheck.http.failures import TlsReason

Authorities = Literal["system", "certifi", "any"]
"""Who vouches for a certificate: this system, the list that openai up to 2.x and requests bring along, or anybody."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that was accepted."""

    seconds_left: float
    """Until it expires."""
    version: str
    """Of TLS, as `TLSv1.3`."""


def context(authorities: Authorities = "system") -> ssl.SSLContext:
    """How a client checks certificates. The system's way obeys SSL_CERT_FILE and SSL_CERT_DIR."""
    if authorities == "certifi":
        import certifi

        return ssl.create_default_context(cafile=certifi.where())
    checked = ssl.create_default_context()
    if authorities == "any":
        checked.check_hostname = False
        checked.verify_mode = ssl.CERT_NONE
    return checked


def certificate_of(connection: object) -> Certificate | None:
    """The certificate of an encrypted connection; None where there is no encryption or none was checked."""
    shown = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    if not shown:
        return None
    assert isinstance(connection, ssl.SSLSocket)
    expires = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    return Certificate(expires - time.time(), str(connection.version()))


# OpenSSL's X509_V_ERR_* numbers (x509_vfy.h), which Python passes on as verify_code.
_VERIFY_CODES: Mapping[int, TlsReason] = {
    9: "not-yet",
    10: "expired",
    18: "self-signed",
    19: "unknown-authority",  # a chain whose end signs itself: a private authority
    20: "unknown-authority",
    21: "unknown-authority",
    62: "wrong-host",
    64: "wrong-host",
}

_PLAIN_TEXT = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
"""OpenSSL's reasons where the other side does not speak TLS."""


def reason_of(error: BaseException | None) -> TlsReason:
    """Why a handshake failed."""
    if isinstance(error, TimeoutError):
        return "late"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, "other")
    return "plain" if isinstance(error, ssl.SSLError) and error.reason in _PLAIN_TEXT else "other"
