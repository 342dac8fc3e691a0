# SPDX-License-Identifier: Apache-2.0
"""Bytes to requests and responses, strictly: what two parsers could read in two ways is refused, not guessed."""

from __future__ import annotations

from dataclasses import dataclass

import httptools

from homeport.gateway.core.message import RequestHead, ResponseHead

MAX_HEAD = 64 * 1024
MAX_HEADERS = 200
_DILUTION = 16
"""Bytes of chunk sizes, extensions and trailers that one byte of a body may come with, beyond the first `MAX_HEAD`."""


@dataclass(slots=True)
class HeadRead:
    head: RequestHead


@dataclass(slots=True)
class BodyRead:
    data: bytes


@dataclass(slots=True)
class EndRead:
    pass


@dataclass(slots=True)
class Rejected:
    """The connection is of no use any more; `status` is the answer it deserves."""

    status: int
    message: str


@dataclass(slots=True)
class AnswerRead:
    head: ResponseHead


RequestEvent = HeadRead | BodyRead | EndRead | Rejected
ResponseEvent = AnswerRead | BodyRead | EndRead | Rejected
_END = EndRead()
_SINGLE = frozenset((b"host", b"content-length", b"transfer-encoding", b"expect", b"idempotency-key"))


class _Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Reader:
    """What requests and responses share: collecting a head within its caps."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._fields: dict[bytes, bytes] = {}
        self._head_size = 0
        self._in_head = True
        self._framed = 0
        self._held = 0
        self.rest = b""
        """What came after a message with which the connection stops being HTTP."""

    def on_message_begin(self) -> None:
        self._headers = []
        self._fields = {}
        self._head_size = 0
        self._in_head = True
        self._framed = self._held = 0

    def on_header(self, name: bytes, value: bytes | None) -> None:
        if not self._in_head:
            return  # a trailer: not forwarded
        value = value or b""
        if not name or name[-1] in b" \t" or b"\n" in value or b"\r" in value or b"\0" in value:
            raise _Refusal(400, "malformed header")
        headers, fields, lower = self._headers, self._fields, name.lower()
        headers.append((name, value))
        if lower not in fields:
            fields[lower] = value
        elif lower == b"connection":
            fields[lower] += b"," + value
        elif lower in _SINGLE:
            raise _Refusal(400, f"more than one {lower.decode()} header")
        self._head_size = size = self._head_size + len(name) + len(value) + 4
        if size > MAX_HEAD or len(headers) > MAX_HEADERS:
            raise _Refusal(431, f"more than {MAX_HEADERS} headers or {MAX_HEAD} bytes of them")

    def _diluted(self, size: int) -> bool:
        """`size` more bytes came inside a body: whether it is nearly all framing by now."""
        self._framed += size
        return self._framed - self._held > MAX_HEAD + _DILUTION * self._held

    def _framing(self) -> int:
        """The body size, -1 for chunked, -2 when nothing is said."""
        coding, length = self._fields.get(b"transfer-encoding"), self._fields.get(b"content-length")
        if coding is not None:
            if length is not None:
                raise _Refusal(400, "both Transfer-Encoding and Content-Length")
            if coding.strip().lower() != b"chunked":
                raise _Refusal(501, "a transfer coding other than chunked")
            return -1
        if length is None:
            return -2
        if not length.isdigit():
            raise _Refusal(400, "Content-Length must be a number")
        return int(length)


class RequestReader(_Reader):
    """Feed it what a client sent; it returns what that means. After `Rejected` it returns nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._events: list[RequestEvent] = []
        self._fed_in_head = 0
        self._begun = False
        self._broken = False

    @property
    def between_requests(self) -> bool:
        return not self._begun

    def feed(self, data: bytes) -> list[RequestEvent]:
        if self._broken:
            return []
        events: list[RequestEvent] = []
        self._events = events
        in_body = self._begun and not self._in_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Its request is whole, and what follows is not HTTP/1.1 to count on.
            self._broken = True
            self.rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, _Refusal):
                self._reject(cause.status, str(cause))
            else:
                preface = "PRI" in str(error)
                self._reject(400, "HTTP/2 is not spoken here" if preface else f"not valid HTTP/1.1: {error}")
        else:
            if self._begun and self._in_head:
                self._fed_in_head += len(data)
                if self._fed_in_head > MAX_HEAD + len(data):
                    self._reject(431, f"more than {MAX_HEAD} bytes of headers")
            elif self._begun and in_body and self._diluted(len(data)):
                self._reject(400, "a body with more of chunk extensions or trailers than of itself")
        return events

    def _reject(self, status: int, message: str) -> None:
        self._broken = True
        self._events.append(Rejected(status, message))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._target = b""
        self._begun = True
        self._fed_in_head = 0

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > 16 * 1024:
            raise _Refusal(414, "the target is longer than 16 KiB")

    def on_headers_complete(self) -> None:
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _Refusal(505, "only HTTP/1.0 and HTTP/1.1")
        length = self._framing()
        if length == -1 and version == "1.0":
            raise _Refusal(400, "Transfer-Encoding in HTTP/1.0")
        if b"host" not in self._fields and version == "1.1":
            raise _Refusal(400, "a Host header is needed")
        if not self._target.startswith(b"/") or not self._target.isascii():
            raise _Refusal(400, "the target must be a path")
        if self._parser.get_method() == b"CONNECT":
            raise _Refusal(501, "CONNECT is not supported")
        upgrade = self._parser.should_upgrade()
        tunnel = upgrade and self._fields.get(b"upgrade", b"").strip().lower() == b"websocket"
        if tunnel and (self._parser.get_method() != b"GET" or length > 0 or length == -1 or version != "1.1"):
            raise _Refusal(400, "a WebSocket begins with a GET of HTTP/1.1 without a body")
        expect = self._fields.get(b"expect")
        if expect is not None and expect.lower() != b"100-continue":
            raise _Refusal(417, "the only expectation met here is 100-continue")
        self._in_head = False
        self._events.append(
            HeadRead(
                RequestHead(
                    self._parser.get_method().decode(),
                    self._target.decode(),
                    tuple(self._headers),
                    version,
                    self._parser.should_keep_alive() and not upgrade,
                    max(length, 0) if length != -1 else -1,
                    expect is not None and length not in (0, -2),
                    self._fields,
                    tunnel,
                )
            )
        )

    def on_body(self, data: bytes) -> None:
        self._held += len(data)
        self._events.append(BodyRead(data))

    def on_message_complete(self) -> None:
        self._begun = False
        self._events.append(_END)


class ResponseReader(_Reader):
    """Feed it what an agent sent in answer to one request of `method`; with `upgrade` that may be a 101."""

    def __init__(self, method: str, *, upgrade: bool = False) -> None:
        super().__init__()
        self._parser = httptools.HttpResponseParser(self)
        self.expect(method, upgrade=upgrade)

    def expect(self, method: str, *, upgrade: bool = False) -> None:
        """The next answer on the same connection, where `keep_alive` allows one: that of another request."""
        self._bodiless = method == "HEAD"
        self._upgrade = upgrade
        self._fed_in_head = 0
        self._reason = ""
        self._events: list[ResponseEvent] = []
        self._until_eof = False
        self.started = False
        self.ended = False
        self.keep_alive = False
        self.switched = False

    def on_message_begin(self) -> None:
        if self.ended:
            self.keep_alive = False  # the beginning of more than was asked for
        super().on_message_begin()

    def feed(self, data: bytes) -> list[ResponseEvent]:
        events: list[ResponseEvent] = []
        self._events = events
        if self.switched:
            self.rest += data
            return events
        if self.ended:
            self.keep_alive = False  # more than was asked for: never reuse this connection
            return events
        in_body = self.started
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.switched:
                self.rest = data[upgrade.args[0] :]
            else:
                events.append(Rejected(502, "the agent switched protocols"))
        except httptools.HttpParserError as error:
            if not self.ended:
                events.append(Rejected(502, f"the agent's answer is not valid HTTP/1.1: {error.__context__ or error}"))
            self.keep_alive = False
        else:
            if not self.started:
                self._fed_in_head += len(data)
                if self._fed_in_head > MAX_HEAD + len(data):
                    events.append(Rejected(502, f"the agent's answer has more than {MAX_HEAD} bytes of headers"))
            elif in_body and not self.ended and self._diluted(len(data)):
                events.append(Rejected(502, "the agent's answer is all chunk extensions or trailers"))
        return events

    def eof(self) -> bool:
        """The connection ended cleanly: True if that completes the response."""
        return self._until_eof and not self.ended

    def on_status(self, status: bytes) -> None:
        self._reason += status.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self.ended:
            raise _Refusal(502, "more than one answer")
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            if status == 101:
                self._switch()
            self._reason = ""
            return
        length = self._framing()
        bodiless = self._bodiless or status in (204, 304)
        self.started = True
        self._in_head = False
        self._until_eof = length == -2 and not bodiless
        self._events.append(
            AnswerRead(ResponseHead(status, self._reason, tuple(self._headers), -1 if length < 0 else length))
        )
        if self._bodiless:
            # The parser would wait for a body that HEAD never has: this connection is not used again.
            self.ended = True
            self._events.append(_END)
        else:
            self.keep_alive = self._parser.should_keep_alive() and not self._until_eof

    def _switch(self) -> None:
        named = self._fields.get(b"upgrade", b"").strip().lower()
        if not self._upgrade or not self._parser.should_upgrade() or named != b"websocket":
            raise _Refusal(502, "the agent switched protocols")
        self.started = self.switched = True
        self._in_head = False
        self._events.append(AnswerRead(ResponseHead(101, self._reason, tuple(self._headers), 0)))

    def on_body(self, data: bytes) -> None:
        self._held += len(data)
        if not self._bodiless:
            self._events.append(BodyRead(data))

    def on_message_complete(self) -> None:
        if self.started and not self.ended and not self._until_eof and not self.switched:
            self.ended = True
            self._events.append(_END)
