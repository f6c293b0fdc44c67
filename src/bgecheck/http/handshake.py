"""A TLS handshake by itself: what a client that checks certificates makes of a server's."""

from __future__ import annotations

from bgecheck.http.backend import Backend
from bgecheck.http.exchange import exchange
from bgecheck.http.explain import failure_of
from bgecheck.http.failures import Failure
from bgecheck.http.tls import Authorities, Certificate, certificate_of, context


def handshake(host: str, port: int, seconds: float, authorities: Authorities = "system") -> Certificate | Failure:
    """The certificate of a server, or why it is not accepted by those who trust `authorities`."""
    with exchange(seconds) as state:
        try:
            stream = Backend().connect_tcp(host, port).start_tls(context(authorities), host)
        except Exception as error:
            return failure_of(error, state)
        try:
            accepted = certificate_of(stream.get_extra_info("ssl_object"))
        finally:
            stream.close()
    assert accepted is not None, "a checked connection has a certificate"
    return accepted
