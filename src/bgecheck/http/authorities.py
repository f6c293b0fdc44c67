"""Asks a TLS server for its certificate twice: verified with certifi's authorities, and with the operating system's.

httpx, and with it openai up to 2.x, verifies with certifi's; httpx2, and with it openai from 3.0, curl and bgecheck
with the system's. SSL_CERT_FILE and SSL_CERT_DIR take the place of either (httpx 0.28.1 `_config.py`, httpcore2 2.16.2
`_ssl.py`); what is compared here are the two collections themselves, as where neither variable is set. Imports nothing
of ours: it runs in the process of `openai_call`.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

UNTRUSTED = (18, 19, 20, 21)
"""OpenSSL's X509_V_ERR_* numbers that say that no known authority has signed (x509_vfy.h)."""

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def missing_bundle() -> tuple[str, str] | None:
    """The variable that names CA certificates which are not there, and what it names: OpenSSL says nothing of it."""
    variables = ((name, os.environ.get(name)) for name in VARIABLES)
    return next(((name, path) for name, path in variables if path and not os.path.exists(path)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What one collection of authorities makes of a server's certificate.

    `accepted` is None where the handshake failed for another reason, or there is no such collection; `code` is
    OpenSSL's number of a refusal; `bundle` is the file or folder of the authorities, where it is known, and `variable`
    the one that names such a file or folder.
    """

    accepted: bool | None
    code: int | None = None
    reason: str = ""
    bundle: str = ""
    variable: str = "SSL_CERT_FILE"

    @property
    def untrusted(self) -> bool:
        """Whether the certificate is refused because its authority is unknown here."""
        return self.accepted is False and self.code in UNTRUSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """What certifi's authorities and the system's make of one server, and which of them openai uses here."""

    certifi: Verification
    system: Verification
    used: Literal["certifi", "system", "SSL_CERT_FILE", "SSL_CERT_DIR"]


def compare(host: str, port: int, seconds: float, *, httpx2: bool) -> Authorities:
    """Two handshakes of at most `seconds` each; nothing is sent after them."""
    variable = next((name for name in VARIABLES if os.environ.get(name)), None)
    return Authorities(
        certifi=_by_certifi(host, port, seconds),
        system=_by_system(host, port, seconds),
        used=variable or ("system" if httpx2 else "certifi"),  # type: ignore[arg-type]  # one of the literals
    )


def _by_certifi(host: str, port: int, seconds: float) -> Verification:
    try:
        import certifi

        bundle = certifi.where()
        context = ssl.create_default_context(cafile=bundle)
    except (ImportError, OSError) as error:
        return Verification(accepted=None, reason=f"{type(error).__name__}: {error}")
    return _verified(context, bundle, host, port, seconds)


def _by_system(host: str, port: int, seconds: float) -> Verification:
    with _without_variables():
        paths, context = ssl.get_default_verify_paths(), ssl.create_default_context()
    made = _verified(context, paths.cafile or paths.capath or "", host, port, seconds)
    return made if paths.cafile or not paths.capath else replace(made, variable="SSL_CERT_DIR")


@contextmanager
def _without_variables() -> Iterator[None]:
    """OpenSSL reads the variables whenever it is asked for the default authorities."""
    kept = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _verified(context: ssl.SSLContext, bundle: str, host: str, port: int, seconds: float) -> Verification:
    try:
        with (
            socket.create_connection((host, port), timeout=seconds) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return Verification(accepted=True, bundle=bundle)
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message or str(error)
        return Verification(accepted=False, code=error.verify_code, reason=reason, bundle=bundle)
    except (OSError, ValueError) as error:  # no TLS there, no answer, or a name that no certificate can have
        return Verification(accepted=None, reason=f"{type(error).__name__}: {error}", bundle=bundle)
