# SPDX-License-Identifier: Apache-2.0
"""The data plane as a caller sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from homeport.client.transport import exchange, read, segment
from homeport.errors import HomeportError, Unavailable

if TYPE_CHECKING:
    from homeport.settings import Settings

_AS_TYPED = "/?&=%:@!$'()*+,;~-._"


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` in order, repeated ones kept. 202 means that the gateway keeps the request: `request_id` finds it."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """The first one of that name, or ""."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def request_id(self) -> str:
        return self.header("X-Homeport-Request-Id") or self.header("Location").rpartition("/")[2]


def invoke(
    settings: Settings,
    gateway_url: str,
    name: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None,
    wait: float,
    timeout: float,
) -> Response:
    """Over gateway.sock where `gateway_url` is "". Raises `Unavailable`; whatever the agent answers is a Response."""
    from homeport.client.sockets import UnixConnection, connection_to

    target = f"/agent/{segment(name)}/{quote(path.lstrip('/'), safe=_AS_TYPED)}"
    sent = dict(headers)
    if wait:
        sent["Prefer"] = f"wait={wait:g}"
    if gateway_url:
        sent["X-Homeport-Token"] = settings.token
        connection = connection_to(gateway_url, timeout)
    else:
        sent["X-Homeport-Namespace"] = settings.namespace
        connection = UnixConnection(settings.paths.gateway_socket, timeout)

    def absent(error: Exception) -> HomeportError:
        if isinstance(error, TimeoutError):
            return Unavailable(
                f"no answer within {timeout:g} s; the request is kept",
                operation="invoke", subject=name, hint=f"homeport requests list --agent {name}",
            )  # fmt: skip
        return Unavailable(
            f"the gateway does not answer: {error}", operation="invoke", subject=name, hint="homeport status"
        )

    try:
        answer = exchange(connection, method, target, body, sent, absent)
        return Response(answer.status, answer.reason, tuple(answer.getheaders()), read(answer, absent))
    finally:
        connection.close()


def gateway_url(settings: Settings, status: Mapping[str, Any]) -> str:
    """Where the gateway of a server elsewhere listens: the API's host, unless it says another one."""
    host, _, port = str(status.get("listen", {}).get("gateway", "")).rpartition(":")
    api = urlsplit(settings.url)
    if host in ("", "127.0.0.1", "0.0.0.0", "[::]", "[::1]", "localhost"):  # noqa: S104  (compared, not bound)
        host = f"[{api.hostname}]" if ":" in (api.hostname or "") else api.hostname or ""
    return f"{api.scheme}://{host}:{port}"
