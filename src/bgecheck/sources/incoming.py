"""Makes an HTTP answer of the bytes of a connection, as lenient as the clients are that users have."""

from __future__ import annotations

QUIET_LIMIT = 64 * 1024
"""Bytes in a row that bring nothing of a body: of headers, interim answers, chunk extensions and trailers."""


class Malformed(Exception):
    """It began as HTTP, and broke its rules."""


class Incoming:
    """One answer as it comes in. `release` it in the end: it and its parser hold each other."""

    def __init__(self) -> None:
        from httptools import HttpResponseParser

        self.status = 0
        self.headers: dict[str, str] = {}
        """By lower-case name."""
        self.body = bytearray()
        self.complete = False
        self.last = False
        """Whether the connection is not to be used again: the answer says so, or more stands behind it."""
        self._headed = False
        self._cut = False
        self._quiet = 0
        self._parser = HttpResponseParser(self)
        # What h11 takes, on which most clients in Python stand: a folded header, both lengths, bare line feeds.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_version=True,
            lenient_chunked_length=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )

    def feed(self, data: bytes) -> None:
        """Take what has come. Raises `Malformed`."""
        from httptools import HttpParserError, HttpParserUpgrade

        before = len(self.body)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._broken(str(error))
        except HttpParserUpgrade:
            self._broken("it changes to another protocol, which was not asked for")
        if self._cut:
            raise Malformed("a header holds a NUL")
        self._quiet = 0 if len(self.body) > before else self._quiet + len(data)
        if self._quiet > QUIET_LIMIT and not self.complete:
            self._broken(f"more than {QUIET_LIMIT} bytes of headers")

    def end(self) -> None:
        """Take that no more will come, which ends a body that has no length. Raises `Malformed`."""
        if not self._headed:
            raise Malformed("the connection ended within the headers")
        told = self.headers.get("content-length")
        if told is not None or "chunked" in self.headers.get("transfer-encoding", "").lower():
            of = f" of {told}" if told is not None else ""
            raise Malformed(f"the connection ended after {len(self.body)}{of} bytes of body")
        self.complete = self.last = True

    def release(self) -> None:
        """Let go of the parser, with which it would stay in memory until somebody looks for circles."""
        del self._parser

    def _broken(self, why: str) -> None:
        """What is wrong behind a whole answer only means that nothing more is asked there."""
        if not self.complete:
            raise Malformed(why)
        self.last = True

    # What follows is called by httptools.

    def on_message_begin(self) -> None:
        """Begin an answer: the first, the one after an interim one, or one that nobody has asked for."""
        if self.complete:
            self.last = True
        else:
            self.headers, self._headed = {}, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header; not one that stands behind the body."""
        if not self._headed:
            self._cut = self._cut or b"\0" in value
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note the status."""
        if not self.complete:
            self.status, self._headed = self._parser.get_status_code(), True

    def on_body(self, data: bytes) -> None:
        """Note a piece of the body."""
        if not self.complete:
            self.body += data

    def on_message_complete(self) -> None:
        """End the answer, unless it is an interim one."""
        if self.status >= 200 and not self.complete:
            self.complete = True
            self.last = not self._parser.should_keep_alive()
