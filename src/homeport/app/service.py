# SPDX-License-Identifier: Apache-2.0
"""The control plane: each verb authorized, carried out, audited. Implements `app.control.Control`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from homeport.app.access import Access
from homeport.app.agentlogs import AgentLogs
from homeport.app.backups.taking import Backups, BackupWish
from homeport.app.control import Actor
from homeport.app.deployments import Deployments
from homeport.app.eventlog import EventLog
from homeport.app.house import LocalHouse
from homeport.app.loops.publish import Publisher
from homeport.app.loops.supervise import Supervisor
from homeport.app.requests import Requests
from homeport.app.runtimes import Runtimes
from homeport.app.webhooks import Webhooks
from homeport.errors import Unavailable
from homeport.gateway.control_client import GatewayControl
from homeport.interfaces.audit import Audit, AuditEntry
from homeport.interfaces.secrets import Secrets
from homeport.model.agent import Agent, Desired
from homeport.model.codec import to_builtins
from homeport.model.deployment import Deployment
from homeport.model.event import Event
from homeport.model.instance import LogLine
from homeport.model.kept import ALL, Wanted
from homeport.model.names import check_name
from homeport.model.plan import Plan
from homeport.model.request import RequestState
from homeport.model.token import Role, Token
from homeport.model.webhook import WebhookView

AUDIT_PAGE = 1000
"""Entries read at once; those of other namespaces lie between the caller's own."""


@dataclass(frozen=True, slots=True)
class Service:
    access: Access
    supervisor: Supervisor
    deployments: Deployments
    publisher: Publisher
    gateway: GatewayControl
    house: LocalHouse
    runtimes: Runtimes
    agent_logs: AgentLogs
    events_log: EventLog
    secrets: Secrets
    audit_trail: Audit
    about: Callable[[], Awaitable[dict[str, Any]]]
    backups: Backups
    hooks: Webhooks

    async def authenticate(self, token: str) -> Actor:
        return await self.access.authenticate(token)

    async def status(self, actor: Actor) -> dict[str, Any]:
        await self.access.require(actor, "server.read")
        walls = {name: to_builtins(await one.confinement()) for name, one in self.runtimes.in_use().items()}
        return {
            **await self.about(),
            "agents": len(self.supervisor.agents(actor.namespace)),
            "confinement": walls["process"],
            "runtimes": walls,
        }

    async def metrics(self, actor: Actor) -> str:
        await self.access.require(actor, "server.read", "metrics")
        return await self.gateway.metrics(actor.namespace)

    # ── deployments ──────────────────────────────────────────────────────────────────────────────────────────────
    async def deploy(
        self,
        actor: Actor,
        plan: Plan,
        *,
        replace: bool = False,
        env: dict[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Deployment:
        await self.access.require(actor, "deployments.write", plan.name)
        check_name(plan.name)
        self.house.cloud(plan.chosen.cloud)
        if secrets:
            await self.access.require(actor, "secrets.write", ", ".join(secrets))
        for name in secrets:
            await self.secrets.get(actor.namespace, name)
        existing = next((a for a in self.supervisor.agents(actor.namespace) if a.name == plan.name), None)
        return await self.deployments.start(
            actor.namespace, plan, existing, replace=replace, env=env or {}, secrets=secrets
        )

    async def deployment(self, actor: Actor, deployment_id: str) -> Deployment:
        await self.access.require(actor, "deployments.read", deployment_id)
        return await self.deployments.get(actor.namespace, deployment_id)

    async def cancel_deployment(self, actor: Actor, deployment_id: str) -> Deployment:
        await self.access.require(actor, "deployments.write", deployment_id)
        return await self.deployments.cancel(actor.namespace, deployment_id)

    # ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────
    async def agents(self, actor: Actor) -> list[Agent]:
        await self.access.require(actor, "agents.read")
        return self.supervisor.agents(actor.namespace)

    async def agent(self, actor: Actor, name: str) -> Agent:
        await self.access.require(actor, "agents.read", name)
        return self.supervisor.agent(actor.namespace, name)

    async def start(self, actor: Actor, name: str) -> Agent:
        await self.access.require(actor, "agents.write", name)
        return await self.supervisor.want(actor.namespace, name, Desired.RUNNING)

    async def stop(self, actor: Actor, name: str) -> Agent:
        await self.access.require(actor, "agents.write", name)
        agent = await self.supervisor.want(actor.namespace, name, Desired.STOPPED)
        await self.publisher.heard()
        return agent

    async def restart(self, actor: Actor, name: str) -> Agent:
        await self.access.require(actor, "agents.write", name)
        return await self.supervisor.want(actor.namespace, name, Desired.RUNNING, restart=True)

    async def remove(self, actor: Actor, name: str, *, keep_data: bool = False) -> None:
        await self.access.require(actor, "agents.write", name)

        async def clear(agent: Agent) -> None:
            await self.access.forget_agent(actor.namespace, name)
            if not keep_data:
                await self.runtimes.of(agent.workload.runtime).remove_logs(agent.id)
            await self.house.remove_agent_folder(agent.id, keep_data=keep_data)
            await self.house.release(agent.machine)

        await self.supervisor.dismiss(actor.namespace, name, clear)
        await self.publisher.heard()
        await self.events_log.append(actor.namespace, "agent.removed", name, "removed as asked")

    async def logs(
        self, actor: Actor, name: str, *, tail: int = 0, since_us: int = 0, follow: bool = False
    ) -> AsyncIterator[LogLine]:
        await self.access.require(actor, "logs.read", name)
        agent = self.supervisor.agent(actor.namespace, name)
        async for line in self.agent_logs.read(
            agent.id, namespace=agent.namespace, runtime=agent.workload.runtime, given=agent.workload.secrets,
            tail=tail, since_us=since_us, follow=follow,
        ):  # fmt: skip
            yield line

    async def events(
        self, actor: Actor, *, after: str = "", follow: bool = False, subject: str = "", limit: int = 1000
    ) -> AsyncIterator[Event]:
        await self.access.require(actor, "events.read", subject)
        async for event in self.events_log.stream(
            actor.namespace, after=after, follow=follow, subject=subject, limit=limit
        ):
            yield event

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────
    async def requests(
        self,
        actor: Actor,
        *,
        agent: str = "",
        state: str = "",
        after: str = "",
        limit: int = 100,
        wanted: Wanted = ALL,
    ) -> list[dict[str, Any]]:
        narrowed = replace(wanted, agent=agent or wanted.agent, state=state or wanted.state)
        return await self._requests.list(actor, narrowed, after=after, limit=limit)

    async def request(self, actor: Actor, request_id: str, *, bodies: bool = True) -> dict[str, Any]:
        return await self._requests.show(actor, request_id, bodies=bodies)

    def export_requests(
        self, actor: Actor, wanted: Wanted, *, newer: str = "", limit: int = 1000, bodies: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        return self._requests.export(actor, wanted, newer=newer, limit=limit, bodies=bodies)

    def tail_requests(self, actor: Actor, wanted: Wanted) -> AsyncIterator[dict[str, Any]]:
        return self._requests.tail(actor, wanted)

    async def clear_requests(self, actor: Actor, wanted: Wanted) -> dict[str, Any]:
        return await self._requests.clear(actor, wanted)

    async def drop(self, actor: Actor, request_id: str) -> dict[str, Any]:
        return await self._requests.drop(actor, request_id)

    async def replay(self, actor: Actor, request_id: str) -> dict[str, Any]:
        return await self._requests.replay(actor, request_id)

    @property
    def _requests(self) -> Requests:
        return Requests(self.access, self.gateway)

    # ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────
    async def add_webhook(
        self,
        actor: Actor,
        name: str,
        url: str,
        *,
        agent: str = "",
        states: Sequence[RequestState] = (),
        named: bool = False,
        secret: str = "",
    ) -> tuple[WebhookView, str]:
        made = await self.hooks.add(actor, name, url, agent=agent, states=states, named=named, secret=secret)
        await self.publisher.heard()
        return made

    async def webhooks(self, actor: Actor) -> list[WebhookView]:
        return await self.hooks.views(actor)

    async def webhook(self, actor: Actor, name: str) -> WebhookView:
        return await self.hooks.show(actor, name)

    async def remove_webhook(self, actor: Actor, name: str) -> bool:
        removed = await self.hooks.remove(actor, name)
        await self.publisher.heard()
        return removed

    async def rotate_webhook(
        self, actor: Actor, name: str, *, secret: str = "", overlap_s: float = 86400.0
    ) -> tuple[WebhookView, str]:
        made = await self.hooks.rotate(actor, name, secret=secret, overlap_s=overlap_s)
        await self.publisher.heard()
        return made

    async def test_webhook(self, actor: Actor, name: str) -> dict[str, Any]:
        return await self.hooks.test(actor, name)

    async def webhook_deliveries(
        self, actor: Actor, name: str, *, standing: str = "", after: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        return await self.hooks.deliveries(actor, name, standing=standing, after=after, limit=limit)

    async def retry_webhook(self, actor: Actor, name: str, ids: Sequence[str] = ()) -> int:
        return await self.hooks.retry(actor, name, ids)

    # ── tokens, secrets, audit ───────────────────────────────────────────────────────────────────────────────────
    async def create_token(
        self, actor: Actor, *, role: Role, label: str = "", agents: tuple[str, ...] = (), ttl_s: float = 0
    ) -> tuple[Token, str]:
        await self.access.require(actor, "tokens.write", label)
        created = await self.access.create(actor, role=role, label=label, agents=agents, ttl_s=ttl_s)
        self.publisher.changed()
        await self.publisher.heard()
        return created

    async def tokens(self, actor: Actor) -> list[Token]:
        await self.access.require(actor, "tokens.read")
        return self.access.tokens(actor.namespace)

    async def revoke_token(self, actor: Actor, token_id: str) -> Token:
        await self.access.require(actor, "tokens.write", token_id)
        token = await self.access.revoke(actor.namespace, token_id)
        self.publisher.changed()
        if not await self.publisher.heard():
            raise Unavailable(
                "the token is revoked, but the gateway does not answer and may still take it",
                operation="token revoke", subject=token_id, hint="it learns of it as soon as it is back",
            )  # fmt: skip
        return token

    async def put_secret(self, actor: Actor, name: str, value: str) -> None:
        await self.access.require(actor, "secrets.write", name)
        await self.secrets.put(actor.namespace, name, value)

    async def secret_names(self, actor: Actor) -> list[str]:
        await self.access.require(actor, "secrets.read")
        return await self.secrets.names(actor.namespace)

    async def delete_secret(self, actor: Actor, name: str) -> bool:
        await self.access.require(actor, "secrets.write", name)
        return await self.secrets.delete(actor.namespace, name)

    async def audit(self, actor: Actor, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        await self.access.require(actor, "audit.read")
        found: list[AuditEntry] = []
        while len(found) < limit and (page := await self.audit_trail.entries(after=after, limit=AUDIT_PAGE)):
            found += [entry for entry in page if entry.namespace == actor.namespace]
            after = page[-1].seq
        return found[:limit]

    async def audit_verify(self, actor: Actor) -> int:
        await self.access.require(actor, "audit.read")
        return await self.audit_trail.verify()

    # ── backup ───────────────────────────────────────────────────────────────────────────────────────────────────
    async def backup(
        self, actor: Actor, *, volumes: tuple[str, ...] | None = None, passphrase: str = "", with_key: bool = False
    ) -> AsyncIterator[bytes]:
        await self.access.require(actor, "server.backup", "with its key" if passphrase or with_key else "")
        async for piece in self.backups.stream(BackupWish(volumes, passphrase, with_key)):
            yield piece
