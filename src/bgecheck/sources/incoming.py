"""Makes an HTTP answer of the bytes of a connection, as lenient as the clients are that users have."""

from __future__ import annotations

from bgecheck.model import Text, clean

QUIET_LIMIT = 64 * 1024
"""Bytes in a row that bring nothing of a body: of headers, interim answers, chunk extensions and trailers."""


class Malformed(Exception):
    """It began as HTTP, and broke its rules."""

    def __init__(self, words: Text) -> None:
        super().__init__(words.en)
        self.words = words


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
        self._has_nul = False
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
            why = clean(str(error), 80)
            self._broken(Text(f"not as HTTP has it: {why}", f"不符合 HTTP 协议：{why}"))
        except HttpParserUpgrade:
            self._broken(Text("it changes to another protocol, which was not asked for", "切换到了没有请求过的协议"))
        if self._has_nul:
            raise Malformed(Text("a header holds a NUL", "响应头里有 NUL 字符"))
        self._quiet = 0 if len(self.body) > before else self._quiet + len(data)
        if self._quiet > QUIET_LIMIT and not self.complete:
            self._broken(Text(f"more than {QUIET_LIMIT} bytes of headers", f"响应头超过 {QUIET_LIMIT} 字节"))

    def end(self) -> None:
        """Take that no more will come, which ends a body that has no length. Raises `Malformed`."""
        if not self._headed:
            raise Malformed(Text("the connection ended within the headers", "响应头还没传完，连接就断了"))
        got, told = len(self.body), clean(self.headers.get("content-length", ""), 20)
        if told:
            raise Malformed(
                Text(
                    f"the connection ended after {got} of {told} bytes of body",
                    f"响应体共 {told} 字节，只传了 {got} 字节，连接就断了",
                )
            )
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            raise Malformed(
                Text(f"the connection ended after {got} bytes of body", f"响应体传了 {got} 字节，还没结束连接就断了")
            )
        self.complete = self.last = True

    def release(self) -> None:
        """Let go of the parser, with which it would stay in memory until somebody looks for circles."""
        del self._parser

    def _broken(self, why: Text) -> None:
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
            self._has_nul = self._has_nul or b"\0" in value
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
