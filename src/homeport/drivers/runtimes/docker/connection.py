# SPDX-License-Identifier: Apache-2.0
"""The line to the engine: opened when first needed, its version negotiated, its errors in our words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from homeport.drivers.runtimes.docker.finding import find_host
from homeport.errors import Conflict, HomeportError, NotFound, StorageFull, Unavailable, UsageError

if TYPE_CHECKING:
    import aiodocker
    import aiohttp

NEWEST = (1, 45)
"""The newest API these requests were written for; an older engine is spoken to in its own."""
ANSWER_S = 60.0
START_S = 180.0
"""The longest an engine may take for an answer, and to create or start a container: under load that is slow."""
_CONNECT_S = 10.0
_CHUNK = 64 * 1024
_MOST = 64 << 20


class Connection:
    def __init__(self, host: str) -> None:
        self._wanted = host
        self._docker: aiodocker.Docker | None = None
        self._opening = asyncio.Lock()
        self.host = host
        self.counts_lines = True
        """Whether it can be asked for the last lines of a log: Podman 4 counts parts of lines."""

    async def call(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None,
        data: Any = None, within: float | None = ANSWER_S, most: int = _MOST, operation: str = "",
    ) -> Any:  # fmt: skip
        """The answer, from JSON if it is that, else as bytes. `within` seconds; None waits for ever. `most` bytes.

        Raises `Unavailable`, `NotFound`, `Conflict` and `StorageFull` for what they say, `HomeportError` else.
        """
        async with self.stream(
            method, path, params=params, body=body, data=data, within=within, operation=operation
        ) as response:
            content = b""
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > most:
                    raise HomeportError(f"the engine's answer is longer than {most} bytes", operation=operation)
            if "json" in response.headers.get("content-type", "") and content.strip():
                return json.loads(content)
            return content

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None,
        data: Any = None, headers: Mapping[str, str] | None = None, within: float | None = None, operation: str = "",
    ) -> AsyncIterator[aiohttp.ClientResponse]:  # fmt: skip
        """As `call`, for an answer that comes bit by bit; errors while it is read are told the same way."""
        import aiohttp
        from aiodocker.exceptions import DockerError

        if body is not None:
            data = json.dumps(body).encode()
        kind = {} if body is not None or data is None else {"content-type": "application/x-tar"}
        timeout = aiohttp.ClientTimeout(total=within, sock_connect=_CONNECT_S)
        given = {name: str(value) for name, value in (params or {}).items()}
        try:
            docker = await self._open()
            async with docker._query(
                path, method, params=given, data=data, headers={**kind, **(headers or {})}, timeout=timeout
            ) as response:
                try:
                    yield response
                finally:
                    response.close()
        except DockerError as error:
            raise self._said(error.status, error.message, operation, path) from None
        except TimeoutError:
            raise self._away(f"no answer within {within:g} s" if within else "no answer", operation) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._away(str(error) or type(error).__name__, operation) from None

    async def lines(self, response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of a stream of progress. Raises `HomeportError` for one that tells of an error."""
        buffer = b""
        async for chunk in response.content.iter_chunked(_CHUNK):
            *whole, buffer = (buffer + chunk).split(b"\n")
            for line in whole:
                if line.strip():
                    found = json.loads(line)
                    if error := found.get("error"):
                        raise self._said(500, str(error), "", "")
                    yield found

    async def close(self) -> None:
        docker, self._docker = self._docker, None
        if docker is not None:
            await docker.close()
            await docker.connector.close()

    async def _open(self) -> aiodocker.Docker:
        if self._docker is not None:
            return self._docker
        async with self._opening:
            if self._docker is None:
                self._docker = await self._connect()
        return self._docker

    async def _connect(self) -> aiodocker.Docker:
        import aiodocker
        import aiohttp

        self.host = find_host(self._wanted)
        kind, _, place = self.host.partition("://")
        try:
            if kind == "unix":  # each followed log and each wait keeps a connection: there is no limit to them
                connector = aiohttp.UnixConnector(place, limit=0)
                docker = aiodocker.Docker(url="unix://localhost", connector=connector)
            else:
                docker = aiodocker.Docker(url=self.host)
        except (ValueError, AssertionError) as error:
            raise UsageError(f"{self.host!r} is not the address of an engine: {error}", subject=self.host) from None
        try:
            timeout = aiohttp.ClientTimeout(total=_CONNECT_S)
            version = await docker._query_json("version", versioned_api=False, timeout=timeout)
            major, _, minor = str(version["ApiVersion"]).partition(".")
            docker.api_version = "v{}.{}".format(*min((int(major), int(minor)), NEWEST))
        except BaseException:
            await docker.close()
            await docker.connector.close()
            raise
        return docker

    def _said(self, status: int, message: str, operation: str, subject: str) -> HomeportError:
        text = message.strip()
        if status == 900:
            return self._away(text, operation)
        if "no space left on device" in text.lower():
            return StorageFull(
                f"the engine's disk is full: {text}", operation=operation, subject=subject,
                hint="make room where the engine keeps its images: docker system df",
            )  # fmt: skip
        if status == 404:
            return NotFound(text, operation=operation, subject=subject)
        if "marked for removal" in text:
            return NotFound(text, operation=operation, subject=subject)
        if status == 409:
            return Conflict(text, operation=operation, subject=subject)
        if status == 503:
            return self._away(text, operation)
        return HomeportError(text, operation=operation, subject=subject)

    def _away(self, why: str, operation: str) -> Unavailable:
        return Unavailable(
            f"the container engine at {self.host or 'its usual place'} does not answer: {why}",
            operation=operation, subject=self.host, hint="is it running? `docker version` asks it",
        )  # fmt: skip
