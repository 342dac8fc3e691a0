# SPDX-License-Identifier: Apache-2.0
"""One request, one answer: where to, as whom, and what an error means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from homeport.errors import HomeportError, Unavailable, UsageError, error_from_dict

if TYPE_CHECKING:
    import http.client

    from homeport.settings import Settings

TIMEOUT_S = 120.0
"""Longer than the grace period of any agent that a call may wait for."""

SILENCE_S = 3600.0
"""Between two pieces of a long answer: meanwhile the server may copy a large database."""
_PIECE = 1 << 18

Query = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Transport:
    """To api.sock of this machine, or to `settings.url` with `settings.token`."""

    settings: Settings

    def json(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, timeout: float = TIMEOUT_S
    ) -> Any:
        """The decoded answer. Raises the server's own error, or `Unavailable` where nobody answers."""
        connection, response = self.open(method, path, query=query, body=body, timeout=timeout)
        try:
            return json.loads(read(response, self.absent))
        except ValueError:
            raise HomeportError("the answer is not JSON: this is no Homeport server", operation=method) from None
        finally:
            connection.close()

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        timeout: float | None = TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """A connection and its successful response, unread; the caller closes both. Raises like `json`."""
        target = f"/v1{path}"
        if asked := {key: _text(value) for key, value in (query or {}).items() if value not in ("", False)}:
            target += f"?{urlencode(asked)}"
        sent = {"Accept": "application/json", **self._identity(), **(headers or {})}
        raw = None
        if body is not None:
            from homeport.model.codec import to_json

            raw, sent["Content-Type"] = to_json(body), "application/json"
        connection = self._connection(timeout)
        try:
            response = exchange(connection, method, target, raw, sent, self.absent)
            if response.status >= 300:
                raise error_of(response.status, read(response, self.absent))
        except BaseException:
            connection.close()
            raise
        return connection, response

    def stream(self, method: str, path: str, *, body: Any) -> Iterator[bytes]:
        """The bytes of the answer as they come. Raises like `json`; also where they end too early."""
        import http.client as library

        connection, response = self.open(method, path, body=body, timeout=SILENCE_S)
        try:
            while piece := response.read(_PIECE):
                yield piece
        except (OSError, library.HTTPException) as error:
            raise self.absent(error) from None
        finally:
            connection.close()

    def absent(self, error: Exception) -> HomeportError:
        """What it means that the server could not be reached, or stopped answering."""
        if isinstance(error, TimeoutError):
            return Unavailable("the server does not answer in time", operation="connect", hint="homeport doctor")
        if self.settings.url:
            return Unavailable(
                f"no answer from {self.settings.url}: {_reason(error)}",
                operation="connect",
                subject=self.settings.url,
                hint="check the URL (--url, HOMEPORT_URL) and that `homeport serve` runs there",
            )
        why = "" if isinstance(error, FileNotFoundError | ConnectionRefusedError) else f": {_reason(error)}"
        return Unavailable(
            f"no Homeport server is running on this machine{why}",
            operation="connect",
            subject=str(self.settings.paths.api_socket),
            hint="homeport serve --detach",
        )

    def _identity(self) -> dict[str, str]:
        if not self.settings.url:
            return {"X-Homeport-Namespace": self.settings.namespace}
        if not self.settings.token:
            return {}
        if not self.settings.token.isascii() or not self.settings.token.isprintable():
            raise UsageError("the token has characters that no token has", operation="connect")
        return {"Authorization": f"Bearer {self.settings.token}"}

    def _connection(self, timeout: float | None) -> http.client.HTTPConnection:
        from homeport.client.sockets import UnixConnection, connection_to

        if self.settings.url:
            return connection_to(self.settings.url, timeout)
        return UnixConnection(self.settings.paths.api_socket, timeout)


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | None,
    headers: Mapping[str, str],
    absent: Any,
) -> http.client.HTTPResponse:
    """Send, and read the response's head. Raises what `absent` makes of a failure."""
    import http.client as library

    try:
        connection.request(method, target, body, dict(headers))
        return connection.getresponse()
    except (library.InvalidURL, ValueError):
        raise UsageError("the path has characters that no URL has", operation="parse", subject=target[:200]) from None
    except (OSError, library.HTTPException) as error:
        raise absent(error) from None


def read(response: http.client.HTTPResponse, absent: Any) -> bytes:
    import http.client as library

    try:
        return response.read()
    except (OSError, library.HTTPException) as error:
        raise absent(error) from None


def error_of(status: int, body: bytes) -> HomeportError:
    """The error in an answer; one that says the status where the body is not ours."""
    try:
        data = json.loads(body)["error"]
        return error_from_dict(data) if isinstance(data, dict) else _foreign(status)
    except (ValueError, KeyError, TypeError):
        return _foreign(status)


def segment(text: str) -> str:
    """A name or id as one part of a path. Raises `UsageError` for an empty one."""
    if not text:
        raise UsageError("an empty name", operation="parse")
    return quote(text, safe="")


def _foreign(status: int) -> HomeportError:
    return HomeportError(f"the server answered with status {status} and no error of ours", operation="connect")


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
