# SPDX-License-Identifier: Apache-2.0
"""Asking a public HTTP API, bounded in bytes and seconds, whose answers are hostile until proven."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from homeport import __version__
from homeport.errors import Denied, HomeportError, InvalidSource, NotFound, Unavailable, UsageError
from homeport.model.codec import from_json

T = TypeVar("T")
SECONDS = 60.0
ANSWER_BYTES = 4 << 20
"""Of one answer: the largest known, the nodes of one site of Chameleon, has not 1 MB."""
ALL_BYTES = 32 << 20
PAGES = 40
"""Answers of one fetch."""
_SILENCE_S = 15.0
_HOPS = 3
_PIECE = 1 << 16
_LEADS_ON = (301, 302, 303, 307, 308)


@dataclass(slots=True)
class PublicApi:
    """Asks below `base` with GET, in a thread, one answer after the other. `close` ends the one under way.

    `env` has the proxy variables of this environment; `heard` counts bytes. Raises `UsageError` for a base that is
    not https, except on this machine: prices that anybody on the way can change are worth nothing.
    """

    base: str
    env: Mapping[str, str] = field(default_factory=dict)
    heard: int = 0
    answers: int = 0
    _connection: http.client.HTTPConnection | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        parts = _split(self.base)
        if parts.scheme != "https" and not (parts.scheme == "http" and _here(parts.hostname or "")):
            raise UsageError(
                f"{self.base[:200]!r} is no address that facts are read from", operation="catalog",
                subject=self.base[:200], hint="https://HOST/PATH",
            )  # fmt: skip

    def get(self, path: str, cls: type[T]) -> T:
        """The answer to `base` + `path`, as `cls`.

        Raises `Unavailable`, `Denied`, `NotFound`, or `InvalidSource` for what cannot be understood.
        """
        url = self.base.rstrip("/") + path
        try:
            return from_json(self._follow(url), cls)
        except (HomeportError, RecursionError) as error:
            if isinstance(error, HomeportError) and type(error) is not HomeportError:
                raise
            raise _junk(url, str(error) if isinstance(error, HomeportError) else "it is too deep") from None

    def close(self) -> None:
        self._closed = True
        if self._connection is not None and (socket := self._connection.sock) is not None:
            try:
                socket.shutdown(2)
            except OSError:
                pass  # it is closed already

    def _follow(self, url: str) -> bytes:
        for _ in range(_HOPS + 1):
            self.answers += 1
            if self.answers > PAGES:
                raise _junk(url, f"it takes more than {PAGES} answers")
            status, leads, body = self._once(_split(url))
            if status not in _LEADS_ON:
                return body
            onward = urljoin(url, leads)
            if _origin(_split(onward)) != _origin(_split(url)):
                raise _junk(url, "it leads to another host, which is not followed")
            url = onward
        raise _junk(url, "it leads on and on")

    def _once(self, url: SplitResult) -> tuple[int, str, bytes]:
        """Status, where it leads, and the body of a 200. Raises as `get`."""
        whole = url.geturl()
        connection = self._connection = self._connect(url)
        try:
            if self._closed:
                raise _silent(whole, "it took too long")
            target = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request("GET", target, headers=_HEADERS)
            answer = connection.getresponse()
            if answer.status in _LEADS_ON:
                return answer.status, answer.headers.get("Location", ""), b""
            _refuse(answer.status, whole)
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise _junk(whole, "its answer is compressed, which was not asked for")
            return answer.status, "", self._body(answer, whole)
        except (http.client.HTTPException, OSError, ValueError) as error:
            trouble = self._trouble(error, whole)
        finally:
            connection.close()
        raise trouble  # out here the error is gone, and with it the half-read answer that holds the socket

    def _trouble(self, error: Exception, url: str) -> HomeportError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return _silent(url, f"its certificate is not trusted: {error.verify_message}")
        if isinstance(error, http.client.IncompleteRead):
            return _silent(url, "it broke off in the middle of its answer")
        if isinstance(error, OSError):
            late = self._closed or isinstance(error, TimeoutError)
            return _silent(url, "it took too long" if late else str(error.strerror or error))
        return _junk(url, f"it does not speak HTTP ({type(error).__name__})")

    def _body(self, answer: http.client.HTTPResponse, url: str) -> bytes:
        pieces, size = [], 0
        while piece := answer.read(_PIECE):
            size += len(piece)
            self.heard += len(piece)
            if size > ANSWER_BYTES or self.heard > ALL_BYTES:
                raise _junk(url, "it says more than anybody needs")
            pieces.append(piece)
        if answer.length:  # what was promised and did not come
            raise http.client.IncompleteRead(b"", answer.length)
        return b"".join(pieces)

    def _connect(self, url: SplitResult) -> http.client.HTTPConnection:
        host, port = url.hostname or "", url.port
        if url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_SILENCE_S)
        context = ssl.create_default_context()
        proxy = self._proxy(host)
        if proxy is None:
            return http.client.HTTPSConnection(host, port, timeout=_SILENCE_S, context=context)
        through = http.client.HTTPSConnection(proxy.hostname or "", proxy.port, timeout=_SILENCE_S, context=context)
        through.set_tunnel(host, port, _credentials(proxy))
        return through

    def _proxy(self, host: str) -> SplitResult | None:
        names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        proxy = next((self.env[name] for name in names if self.env.get(name)), "")
        exempt = (self.env.get("no_proxy") or self.env.get("NO_PROXY", "")).replace(" ", "").split(",")
        if not proxy or "*" in exempt or any(f".{host}".endswith(f".{one.lstrip('.')}") for one in exempt if one):
            return None
        return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


async def ask(base: str, env: Mapping[str, str], read: Callable[[PublicApi], T], *, seconds: float = SECONDS) -> T:
    """What `read` makes of the answers, in a thread, within `seconds`. Raises what it raises, or `Unavailable`."""
    api = PublicApi(base, env)
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.to_thread(read, api)
    except TimeoutError:
        raise _silent(base, f"it took more than {seconds:g} s") from None
    finally:
        api.close()


_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": f"homeport/{__version__}",
}


def _refuse(status: int, url: str) -> None:
    said, where = f"{_name(url)} answers {status}", {"operation": "catalog", "subject": _name(url)}
    if status == 404:
        raise NotFound(said, **where)
    if status in (401, 403):
        raise Denied(said, **where)
    if status == 429 or status >= 500:
        raise Unavailable(said, **where, hint="try again in a few minutes")
    if status != 200:
        raise InvalidSource(said, **where)


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    said = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(said.encode()).decode()}"}


def _split(url: str) -> SplitResult:
    """Raises `InvalidSource` for what is no address of a host, or one with a password or spaces in it."""
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.username is None and url.isprintable() and " " not in url
        _ = parts.port
    except ValueError:
        sound = False
    if not sound:
        raise InvalidSource("that is no address", operation="catalog", subject=url[:200])
    return parts


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return (parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme))


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _name(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}{parts.path}"[:200]


def _junk(url: str, what: str) -> InvalidSource:
    return InvalidSource(f"what {_name(url)} says cannot be used: {what}", operation="catalog", subject=_name(url))


def _silent(url: str, what: str) -> Unavailable:
    return Unavailable(
        f"{_name(url)} does not answer: {what}", operation="catalog", subject=_name(url),
        hint="the facts that are here stay as they are",
    )  # fmt: skip
