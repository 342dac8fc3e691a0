# SPDX-License-Identifier: Apache-2.0
"""Messages to bytes."""

from __future__ import annotations

from typing import Any

from homeport.gateway.core.message import ResponseHead
from homeport.model.codec import to_json
from homeport.model.request import Headers

_REASONS = {
    200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 413: "Content Too Large",
    414: "URI Too Long", 417: "Expectation Failed", 422: "Unprocessable Content",
    429: "Too Many Requests", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported", 507: "Insufficient Storage",
}  # fmt: skip
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def request_head(method: str, target: str, headers: Headers, size: int, request_id: str, fence: int) -> bytes:
    """`size` in bytes; a body is always announced by Content-Length, because we hold all of it."""
    lines = [f"{method} {target} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in headers]
    if size or method not in ("GET", "HEAD", "OPTIONS", "DELETE", "TRACE"):
        lines.append(b"Content-Length: %d" % size)
    lines.append(f"X-Homeport-Request-Id: {request_id}\r\nX-Homeport-Fence: {fence}\r\n\r\n".encode())
    return b"\r\n".join(lines)


def switching_head(head: ResponseHead, request_id: str) -> bytes:
    """Of the 101 that opens a WebSocket."""
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade", b"Upgrade: websocket"]
    lines += [name + b": " + value for name, value in head.headers]
    lines.append(f"X-Homeport-Request-Id: {request_id}\r\n\r\n".encode())
    return b"\r\n".join(lines)


def response_head(
    head: ResponseHead, *, method: str, version: str, keep_alive: bool, extra: Headers = ()
) -> tuple[bytes, bool, bool]:
    """(bytes, whether the body is to be sent in chunks, whether the connection may be used again)."""
    lines = [f"HTTP/1.1 {head.status} {head.reason}".encode("latin-1")]
    lines += [name + b": " + value for name, value in head.headers]
    lines += [name + b": " + value for name, value in extra]
    bodiless = method == "HEAD" or head.status in (204, 304)
    chunked = False
    if head.length >= 0:
        if head.status != 204:
            lines.append(b"Content-Length: %d" % head.length)
    elif not bodiless:
        chunked = version == "1.1"
        keep_alive = keep_alive and chunked
        if chunked:
            lines.append(b"Transfer-Encoding: chunked")
    if not keep_alive:
        lines.append(b"Connection: close")
    elif version == "1.0":
        lines.append(b"Connection: keep-alive")
    lines.append(b"\r\n")
    return b"\r\n".join(lines), chunked, keep_alive


def json_answer(status: int, value: Any, headers: Headers = ()) -> tuple[ResponseHead, bytes]:
    body = to_json(value) + b"\n"
    head = ResponseHead(status, _REASONS.get(status, ""), ((b"Content-Type", b"application/json"), *headers), len(body))
    return head, body


def reason(status: int) -> str:
    return _REASONS.get(status, "")
