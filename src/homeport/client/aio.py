# SPDX-License-Identifier: Apache-2.0
"""The same methods for asyncio: each call runs in a thread, a stream takes one thread per item waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from homeport.client.sync import Client

if TYPE_CHECKING:
    from homeport.client.gateway import Response
    from homeport.client.stream import Stream
    from homeport.interfaces.audit import AuditEntry
    from homeport.model.agent import Agent
    from homeport.model.deployment import Deployment
    from homeport.model.event import Event
    from homeport.model.instance import LogLine
    from homeport.model.kept import Wanted
    from homeport.model.plan import Plan
    from homeport.model.request import RequestState
    from homeport.model.token import Role, Token
    from homeport.model.webhook import WebhookView
    from homeport.settings import Settings

T = TypeVar("T")


class AsyncClient:
    """As `Client`. Streams are async generators: close them, or leave the loop that reads them."""

    def __init__(self, settings: Settings) -> None:
        self._client = Client(settings)

    async def health(self) -> None:
        await asyncio.to_thread(self._client.health)

    async def version(self) -> str:
        return await asyncio.to_thread(self._client.version)

    async def status(self) -> dict[str, Any]:
        return await asyncio.to_thread(self._client.status)

    async def metrics(self) -> str:
        return await asyncio.to_thread(self._client.metrics)

    async def deploy(
        self,
        plan: Plan,
        *,
        replace: bool = False,
        env: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> Deployment:
        return await asyncio.to_thread(self._client.deploy, plan, replace=replace, env=env, secrets=secrets)

    async def deployment(self, deployment_id: str) -> Deployment:
        return await asyncio.to_thread(self._client.deployment, deployment_id)

    async def cancel_deployment(self, deployment_id: str) -> Deployment:
        return await asyncio.to_thread(self._client.cancel_deployment, deployment_id)

    async def agents(self) -> list[Agent]:
        return await asyncio.to_thread(self._client.agents)

    async def agent(self, name: str) -> Agent:
        return await asyncio.to_thread(self._client.agent, name)

    async def start(self, name: str) -> Agent:
        return await asyncio.to_thread(self._client.start, name)

    async def stop(self, name: str) -> Agent:
        return await asyncio.to_thread(self._client.stop, name)

    async def restart(self, name: str) -> Agent:
        return await asyncio.to_thread(self._client.restart, name)

    async def remove(self, name: str, *, keep_data: bool = False) -> None:
        await asyncio.to_thread(self._client.remove, name, keep_data=keep_data)

    def logs(
        self, name: str, *, tail: int = 0, since_us: int = 0, follow: bool = False
    ) -> AsyncGenerator[LogLine, None]:
        return _items(lambda: self._client.logs(name, tail=tail, since_us=since_us, follow=follow))

    def events(
        self, *, after: str = "", follow: bool = False, subject: str = "", limit: int = 1000
    ) -> AsyncGenerator[Event, None]:
        return _items(lambda: self._client.events(after=after, follow=follow, subject=subject, limit=limit))

    async def requests(
        self, *, agent: str = "", state: str = "", after: str = "", limit: int = 100, wanted: Wanted | None = None
    ) -> list[dict[str, Any]]:
        return await asyncio.to_thread(
            self._client.requests, agent=agent, state=state, after=after, limit=limit, wanted=wanted
        )

    async def request(self, request_id: str, *, bodies: bool = True) -> dict[str, Any]:
        return await asyncio.to_thread(self._client.request, request_id, bodies=bodies)

    async def export_requests(
        self, wanted: Wanted, *, bodies: bool = False, newer: str = ""
    ) -> AsyncGenerator[dict[str, Any], None]:
        found, end = self._client.export_requests(wanted, bodies=bodies, newer=newer), None
        while (one := await asyncio.to_thread(next, found, end)) is not None:
            yield one

    def tail_requests(self, wanted: Wanted) -> AsyncGenerator[dict[str, Any], None]:
        return _items(lambda: self._client.tail_requests(wanted))

    async def clear_requests(self, wanted: Wanted) -> int:
        return await asyncio.to_thread(self._client.clear_requests, wanted)

    async def drop(self, request_id: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._client.drop, request_id)

    async def replay(self, request_id: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._client.replay, request_id)

    async def invoke(
        self,
        name: str,
        method: str = "GET",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        wait: float = 0.0,
    ) -> Response:
        return await asyncio.to_thread(self._client.invoke, name, method, path, headers, body, wait)

    async def add_webhook(
        self,
        name: str,
        url: str,
        *,
        agent: str = "",
        states: Sequence[RequestState] = (),
        named: bool = False,
        secret: str = "",
    ) -> tuple[WebhookView, str]:
        return await asyncio.to_thread(
            self._client.add_webhook, name, url, agent=agent, states=states, named=named, secret=secret
        )

    async def webhooks(self) -> list[WebhookView]:
        return await asyncio.to_thread(self._client.webhooks)

    async def webhook(self, name: str) -> WebhookView:
        return await asyncio.to_thread(self._client.webhook, name)

    async def remove_webhook(self, name: str) -> bool:
        return await asyncio.to_thread(self._client.remove_webhook, name)

    async def rotate_webhook(
        self, name: str, *, secret: str = "", overlap_s: float = 86400.0
    ) -> tuple[WebhookView, str]:
        return await asyncio.to_thread(self._client.rotate_webhook, name, secret=secret, overlap_s=overlap_s)

    async def test_webhook(self, name: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._client.test_webhook, name)

    async def webhook_deliveries(
        self, name: str, *, standing: str = "", after: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        return await asyncio.to_thread(
            self._client.webhook_deliveries, name, standing=standing, after=after, limit=limit
        )

    async def retry_webhook(self, name: str, ids: Sequence[str] = ()) -> int:
        return await asyncio.to_thread(self._client.retry_webhook, name, ids)

    async def create_token(
        self, *, role: Role, label: str = "", agents: tuple[str, ...] = (), ttl_s: float = 0
    ) -> tuple[Token, str]:
        return await asyncio.to_thread(self._client.create_token, role=role, label=label, agents=agents, ttl_s=ttl_s)

    async def tokens(self) -> list[Token]:
        return await asyncio.to_thread(self._client.tokens)

    async def revoke_token(self, token_id: str) -> Token:
        return await asyncio.to_thread(self._client.revoke_token, token_id)

    async def put_secret(self, name: str, value: str) -> None:
        await asyncio.to_thread(self._client.put_secret, name, value)

    async def secret_names(self) -> list[str]:
        return await asyncio.to_thread(self._client.secret_names)

    async def delete_secret(self, name: str) -> bool:
        return await asyncio.to_thread(self._client.delete_secret, name)

    async def audit(self, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        return await asyncio.to_thread(self._client.audit, after=after, limit=limit)

    async def audit_verify(self) -> int:
        return await asyncio.to_thread(self._client.audit_verify)

    async def backup(
        self, *, volumes: Sequence[str] | None = None, passphrase: str = "", with_key: bool = False
    ) -> AsyncGenerator[bytes, None]:
        pieces = self._client.backup(volumes=volumes, passphrase=passphrase, with_key=with_key)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece


async def _items(make: Callable[[], Stream[T]]) -> AsyncGenerator[T, None]:
    end = object()
    stream = await asyncio.to_thread(make)
    try:
        while (item := await asyncio.to_thread(next, stream, end)) is not end:
            yield item  # type: ignore[misc]
    finally:
        stream.close()  # also ends the thread that waits for the next item
