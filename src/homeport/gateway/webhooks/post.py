# SPDX-License-Identifier: Apache-2.0
"""One POST to somebody else's server: to an address that was looked at, without redirects, proxies or patience."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from homeport import __version__
from homeport.errors import UsageError
from homeport.gateway.core.parse import AnswerRead, BodyRead, EndRead, Rejected, ResponseReader
from homeport.gateway.webhooks.addresses import Border, Resolver
from homeport.gateway.webhooks.message import extract
from homeport.model.request import Headers
from homeport.model.webhook import checked_url

DEADLINE_S = 15.0
"""Seconds for all of it: name, connection, TLS, sending, the answer."""
BODY_S = 2.0
"""Seconds for the body of an answer whose status is known."""
MOST_READ = 64 * 1024
"""Bytes of an answer that are read; what comes after is not waited for."""
MOST_ADDRESSES = 4
"""Of one name, how many are tried."""
NAMES_AT_ONCE = 32
"""As many as there are sendings under way: one name whose server is silent holds up no other."""


@dataclass(frozen=True, slots=True)
class Answered:
    """`code` 0: no answer, and `said` why. `headers` of the answer."""

    code: int
    said: str
    headers: Headers = ()


class Poster:
    """`resolver` and `tls` are for tests; without them it is the system's, each when it is first needed."""

    def __init__(
        self,
        border: Border,
        *,
        resolver: Resolver | None = None,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._border, self._make_tls, self._deadline_s = border, tls, deadline_s
        self._resolve = resolver or self._ask_system
        self._names = asyncio.Semaphore(NAMES_AT_ONCE)

    async def post(self, url: str, headers: Headers, body: bytes) -> Answered:
        """Never raises for what the other side does."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._post(url, headers, body)
        except TimeoutError:
            return Answered(0, f"no answer within {self._deadline_s:g} s")
        except ssl.SSLError as error:
            return Answered(0, f"TLS: {extract(str(getattr(error, 'verify_message', '') or error.reason).encode())}")
        except UsageError as error:
            return Answered(0, error.message)
        except (OSError, EOFError) as error:
            return Answered(0, f"no connection: {extract(str(error).encode())}")

    async def _post(self, url: str, headers: Headers, body: bytes) -> Answered:
        parts = checked_url(url, plain=self._border.loopback)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = await self._resolve(host, port)
        if not addresses:
            return Answered(0, f"the name {host} has no address")
        for address in addresses:
            if refusal := self._border.refusal(address):
                return Answered(0, refusal)
        if parts.scheme == "http" and not all(_loops(address) for address in addresses):
            return Answered(0, "http is for this machine only")
        secure = self._tls if parts.scheme == "https" else None
        reader, writer = await _connect(addresses[:MOST_ADDRESSES], port, secure, host)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            writer.write(_head(target, parts.netloc, headers, len(body)) + body)
            return await _answer(reader)
        finally:
            writer.transport.abort()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._make_tls()

    async def _ask_system(self, host: str, port: int) -> list[str]:
        """A name server that says nothing holds a thread for long: not one that others need, or that ends must wait
        for."""
        await self._names.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def told(outcome: list[str] | OSError) -> None:
            self._names.release()
            if found.done():
                return
            if isinstance(outcome, list):
                found.set_result(outcome)
            else:
                found.set_exception(outcome)

        def ask() -> None:
            outcome = _addresses(host, port)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(told, outcome)

        threading.Thread(target=ask, name="webhook-name", daemon=True).start()
        return await found


def _addresses(host: str, port: int) -> list[str] | OSError:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error if isinstance(error, OSError) else OSError(str(error))
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def _connect(
    addresses: list[str], port: int, secure: ssl.SSLContext | None, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first that takes it. The certificate must be that of the name, whichever address it was."""
    name = host if secure is not None else None
    for n, address in enumerate(addresses):
        try:
            return await asyncio.open_connection(address, port, ssl=secure, server_hostname=name, limit=MOST_READ)
        except ssl.SSLError:
            raise
        except OSError:
            if n == len(addresses) - 1:
                raise
    raise AssertionError("unreachable")


def _head(target: str, host: str, headers: Headers, length: int) -> bytes:
    lines = [f"POST {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: homeport/{__version__}\r\n".encode()]
    lines += [name + b": " + value + b"\r\n" for name, value in headers]
    return b"".join(lines) + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % length


async def _answer(stream: asyncio.StreamReader) -> Answered:
    """Its status decides, as soon as it is there; of the body comes what comes soon, and however that ends."""
    reader, answered, body, read = ResponseReader("POST"), Answered(0, ""), b"", 0
    until: float | None = None
    while read <= MOST_READ:
        try:
            async with asyncio.timeout_at(until):
                data = await stream.read(16 * 1024)
        except OSError:  # TimeoutError is one
            if not answered.code:
                raise
            break
        read += len(data)
        for event in reader.feed(data):
            if isinstance(event, AnswerRead):
                answered = Answered(event.head.status, "", event.head.headers)
                until = asyncio.get_running_loop().time() + BODY_S
            elif isinstance(event, BodyRead):
                body += event.data
            elif isinstance(event, Rejected) and not answered.code:
                return Answered(0, "what it answered is not valid HTTP/1.1")
            elif isinstance(event, EndRead | Rejected):
                data = b""
        if not data:
            break
    if not answered.code:
        return Answered(0, "it closed the connection without an answer" if read <= MOST_READ else "its head has no end")
    return replace(answered, said=extract(body))


def _loops(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
