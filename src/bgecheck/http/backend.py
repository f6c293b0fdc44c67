"""The network below httpx: sockets whose every operation ends with the deadline of the current exchange."""

from __future__ import annotations

import selectors
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from bgecheck.http.exchange import QUIET_LIMIT, current
from bgecheck.machine.connect import connect, resolve, without_zone
from bgecheck.model.target import authority


class Backend(httpcore.NetworkBackend):
    """Opens connections within the current exchange; the time-outs that httpcore passes are not used."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of `host` that takes one."""
        exchange = current()
        exchange.connected = True
        seconds = exchange.remaining()
        exchange.phase = "resolve"
        exchange.peer = authority(host, port)
        try:
            addresses = resolve(host, port, seconds)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        exchange.phase = "connect"
        try:
            return Stream(connect(addresses, exchange.remaining))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error


class Stream(httpcore.NetworkStream):
    """One connection, in plain text or TLS, used by one exchange after another."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, `b""` at the end. Raises at the first byte of what is not HTTP, and of endless headers."""
        exchange = current()
        exchange.phase = "receive"
        if exchange.quiet > QUIET_LIMIT:
            raise httpcore.RemoteProtocolError(f"more than {QUIET_LIMIT} bytes of headers")
        try:
            self._socket.settimeout(exchange.remaining())
            data = self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        exchange.note(data)
        if not exchange.is_http:
            raise httpcore.RemoteProtocolError("not HTTP")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        exchange = current()
        exchange.phase = "send"
        try:
            self._socket.settimeout(exchange.remaining())
            self._socket.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            # httpcore goes on to read: who refuses a request by its length answers before all of it was sent.
            exchange.send_error = error
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection in TLS, whose certificate is checked as `ssl_context` says."""
        exchange = current()
        exchange.phase = "tls"
        name = without_zone(server_hostname) if server_hostname else None
        try:
            self._socket.settimeout(exchange.remaining())
            self._socket.getpeername()  # raises where the other side is gone, of which wrapping leaves a socket open
            return Stream(ssl_context.wrap_socket(self._socket, server_hostname=name))
        except TimeoutError as error:
            self.close()
            raise httpcore.ConnectTimeout(str(error)) from error
        except (OSError, ValueError) as error:  # ValueError: a name that no certificate can be asked for
            self.close()
            raise httpcore.ConnectError(str(error)) from error

    def get_extra_info(self, info: str) -> Any:
        """What httpcore and callers ask of a connection: `ssl_object`, `is_readable`."""
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        return self._is_readable() if info == "is_readable" else None

    def _is_readable(self) -> bool:
        """Whether a connection that waits for a request has something to read: the server has closed it.

        Nothing is read: the pool asks this of connections that another thread may just begin to use.
        """
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_READ)
                return bool(selector.select(0))
        except (OSError, ValueError):  # it is closed already
            return True
