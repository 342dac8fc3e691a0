# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 messages as the gateway sees them, and which of their headers go further."""

from __future__ import annotations

from dataclasses import dataclass, field

from homeport.gateway.core.prefer import left_over
from homeport.model.request import Headers

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding"
    b" upgrade".split()
)
_OURS = frozenset(
    b"content-length expect forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-prefix"
    b" x-homeport-token x-homeport-namespace x-homeport-request-id x-homeport-fence"
    b" prefer x-homeport-delivery x-homeport-deadline x-homeport-priority x-homeport-ordering-key"
    b" x-homeport-webhook".split()
)
_NOT_FORWARDED = _HOP_BY_HOP | _OURS
_PLAIN = (b"keep-alive", b"close")
"""Values of Connection that name no other header."""
_NOT_RELAYED = _HOP_BY_HOP | {b"content-length", b"x-homeport-request-id"}


@dataclass(slots=True)
class RequestHead:
    """`length` is the announced body size in bytes, -1 for chunked. `target` is as sent, always ASCII.

    `fields` holds the first value of each header by its lower-case name. `upgrade`: it asks for a WebSocket.
    """

    method: str
    target: str
    headers: Headers
    version: str
    keep_alive: bool
    length: int
    expects_continue: bool = False
    fields: dict[bytes, bytes] = field(default_factory=dict)
    upgrade: bool = False

    def get(self, name: bytes) -> bytes | None:
        """The first header of that lower-case name."""
        return self.fields.get(name)


@dataclass(slots=True)
class ResponseHead:
    """`length` is the body size in bytes, -1 when it is chunked or ends with the connection."""

    status: int
    reason: str
    headers: Headers
    length: int


def forwarded(head: RequestHead, *, peer: str, prefix: str) -> Headers:
    """The end-to-end headers of a request, and where it came from. What the client claims about that is dropped."""
    dropped = _NOT_FORWARDED
    if head.fields.get(b"connection", b"keep-alive").lower() not in _PLAIN:
        dropped = _NOT_FORWARDED | _named_by_connection(head.headers)
    kept = [pair for pair in head.headers if pair[0].lower() not in dropped]
    if b"prefer" in head.fields:
        kept += left_over(head.headers)
    if peer:
        kept.append((b"X-Forwarded-For", peer.encode()))
    host = head.get(b"host")
    if host:
        kept.append((b"X-Forwarded-Host", host))
    kept.append((b"X-Forwarded-Proto", b"http"))
    kept.append((b"X-Forwarded-Prefix", prefix.encode()))
    return tuple(kept)


def relayed(headers: Headers) -> Headers:
    """The end-to-end headers of a response; its framing is ours to write."""
    kept, plain = [], True
    for pair in headers:
        name = pair[0].lower()
        if name not in _NOT_RELAYED:
            kept.append(pair)
        elif name == b"connection":
            plain = plain and pair[1].lower() in _PLAIN
    if not plain:
        named = _named_by_connection(headers)
        kept = [pair for pair in kept if pair[0].lower() not in named]
    return tuple(kept)


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    names: set[bytes] = set()
    for name, value in headers:
        if name.lower() == b"connection":
            names.update(part.strip().lower() for part in value.split(b","))
    # A message must not make us drop what says how it is routed or framed.
    return frozenset(names - {b"host", b"content-length"})
