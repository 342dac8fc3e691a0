# SPDX-License-Identifier: Apache-2.0
"""The control plane's way to the gateway: asyncio streams over the Unix socket, one call a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from homeport.errors import Conflict, HomeportError, NotFound, Unavailable, error_from_dict
from homeport.model.codec import from_builtins, to_json
from homeport.model.kept import ALL, Wanted
from homeport.model.route import RoutingTable
from homeport.model.webhook import HookCount
from homeport.sockets import short_path

_MOST = 256 * 1024 * 1024


class GatewayControl:
    """Every method raises `Unavailable` when the gateway does not answer: try again later."""

    def __init__(self, socket_path: Path, *, timeout: float = 30.0) -> None:
        self._path = socket_path
        self._timeout = timeout

    async def put_routes(self, table: RoutingTable) -> int:
        """Durable when it returns. The revision that is in force: a higher one where the gateway held a newer table."""
        answer = await self._call("PUT", "/_gateway/routes", to_json(table))
        return int(answer["revision"])

    async def status(self) -> dict[str, Any]:
        """pid, revision, routes, in_flight, pending, requests {state: n}, journal_sync_p50_s, journal {away, reason,
        shared, owner}. While the journal is away `requests` is empty and `pending` 0: nobody knows.
        """
        found: dict[str, Any] = await self._call("GET", "/_gateway/status")
        return found

    async def requests(
        self,
        namespace: str = "default",
        *,
        agent: str = "",
        state: str = "",
        after: str = "",
        limit: int = 100,
        newer: str = "",
        wanted: Wanted = ALL,
    ) -> list[dict[str, Any]]:
        """Newest first; `after` is the last id of the page before. With `newer`: those after this id, oldest first."""
        given = {"agent": agent, "state": state, "after": after, "newer": newer}
        narrowed = wanted.query() | {name: value for name, value in given.items() if value}
        query = urlencode({**narrowed, "namespace": namespace, "limit": limit})
        found: list[dict[str, Any]] = await self._call("GET", f"/_gateway/requests?{query}")
        return found

    async def request(self, request_id: str, *, most: int = 64 * 1024) -> dict[str, Any]:
        """The same and more: headers (credentials redacted), the first `most` bytes of bodies in base64; 0: without
        them. Raises `NotFound`."""
        target = f"/_gateway/requests/{quote(request_id, safe='')}?most={most}"
        found: dict[str, Any] = await self._call("GET", target)
        return found

    async def forget(self, request_ids: Sequence[str]) -> int:
        """Removes those that are finished; how many."""
        answer = await self._call("POST", "/_gateway/requests/forget", to_json(list(request_ids)))
        return int(answer["removed"])

    async def replay(self, request_id: str) -> dict[str, Any]:
        """Send a finished one again. Raises `NotFound`, `Conflict` while it is pending or in flight."""
        found: dict[str, Any] = await self._call("POST", f"/_gateway/requests/{quote(request_id, safe='')}/replay")
        return found

    async def webhooks(self) -> dict[str, HookCount]:
        """What waits and what was given up, by webhook; those with nothing are left out."""
        return from_builtins(await self._call("GET", "/_gateway/webhooks"), dict[str, HookCount])

    async def deliveries(
        self, hook: str, *, standing: str = "", after: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Newest first; before the seq `after` if it is not 0."""
        query = urlencode({"standing": standing, "after": after, "limit": limit})
        found: list[dict[str, Any]] = await self._call("GET", f"{_hook(hook)}/deliveries?{query}")
        return found

    async def try_webhook(self, hook: str) -> dict[str, Any]:
        """Send a message of no consequence now: delivered, status, said."""
        found: dict[str, Any] = await self._call("POST", f"{_hook(hook)}/test")
        return found

    async def retry_webhook(self, hook: str, change_ids: Sequence[str] = ()) -> int:
        """Those given up (of these, or all) are sent again, and a stopped one goes on; how many."""
        return int((await self._call("POST", f"{_hook(hook)}/retry", to_json(list(change_ids))))["again"])

    async def forget_webhook(self, hook: str) -> int:
        """Nothing of its deliveries stays; how many there were."""
        return int((await self._call("POST", f"{_hook(hook)}/forget"))["removed"])

    async def snapshot(self, folder: str) -> dict[str, Any]:
        """Copy the journal and its bodies into this folder of the state folder, named `backup-…`, which is there.

        requests {state: n}, bodies. Takes as long as the copy does: give this one a long timeout.
        """
        found: dict[str, Any] = await self._call("POST", f"/_gateway/snapshot/{quote(folder, safe='')}")
        return found

    async def rotate_key(self) -> str:
        """A new key for the bodies of requests from now on, of every gateway on the journal; the id of ours. Raises
        `HomeportError` where they are not encrypted."""
        return str((await self._call("POST", "/_gateway/keys/rotate"))["key"])

    async def metrics(self, namespace: str = "") -> str:
        """In the Prometheus text format; of one namespace its agents only."""
        query = f"?{urlencode({'namespace': namespace})}" if namespace else ""
        status, body = await self._exchange("GET", f"/_gateway/metrics{query}", b"")
        if status != 200:
            raise Unavailable("the gateway has no metrics just now", operation="GET /_gateway/metrics")
        return body.decode()

    async def _call(self, method: str, target: str, body: bytes = b"") -> Any:
        status, raw = await self._exchange(method, target, body)
        answer = json.loads(raw)
        if status == 200:
            return answer
        error = error_from_dict(answer.get("error", {}))
        known: dict[int, type[HomeportError]] = {404: NotFound, 409: Conflict, 503: Unavailable}
        if type(error) is HomeportError and status in known:
            error = known[status](error.message, hint=error.hint)
        raise error

    async def _exchange(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(self._timeout):
                with short_path(str(self._path)) as path:
                    reader, writer = await asyncio.open_unix_connection(path)
                try:
                    writer.write(head.encode() + body)
                    await writer.drain()
                    return await _read_answer(reader)
                finally:
                    writer.close()
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            raise Unavailable(
                f"the gateway does not answer: {error or 'time-out'}",
                operation=f"{method} {target.partition('?')[0]}",
                subject=str(self._path),
                hint="`homeport status` shows whether it runs; it restarts by itself",
            ) from error


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body: the gateway always announces a length here."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ", 2)[1])
    names = dict(line.lower().split(":", 1) for line in head[1:] if ":" in line)
    length = int(names.get("content-length", "0"))
    if length > _MOST:
        raise ValueError("the answer is too large")
    return status, await reader.readexactly(length)


def _hook(hook: str) -> str:
    return f"/_gateway/webhooks/{quote(hook, safe='')}"
