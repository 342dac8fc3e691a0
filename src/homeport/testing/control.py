# SPDX-License-Identifier: Apache-2.0
"""A control plane in memory: real records, no processes. For tests of doors, and for trying a client against."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from homeport.app.control import Actor
from homeport.errors import Conflict, Denied, NotFound, UsageError
from homeport.interfaces.audit import AuditEntry
from homeport.model.agent import Agent, AgentState, Desired
from homeport.model.deployment import Deployment, DeploymentState
from homeport.model.event import Event
from homeport.model.instance import LogLine
from homeport.model.kept import ALL, Wanted
from homeport.model.plan import Plan
from homeport.model.token import Role, Token
from homeport.model.workload import Workload
from homeport.testing.webhooks import MemoryWebhooks

STEPS = ("machine", "code", "agent", "ready")

WRITERS = (Role.OPERATOR, Role.APPROVER, Role.ADMIN)


class MemoryControl(MemoryWebhooks):
    """Implements `app.control.Control`. A deployment takes `STEPS`, each for `step_s` seconds.

    `fail_at` names the step that fails, with `failure`. Viewers may read, operators write; admins everything.
    """

    def __init__(self, *, step_s: float = 0.0, fail_at: str = "", failure: Exception | None = None) -> None:
        self.step_s, self.fail_at = step_s, fail_at
        self.failure = failure or Conflict("the step failed, as asked", operation="deploy")
        self.held: dict[tuple[str, str], Agent] = {}
        self.deployments: dict[str, Deployment] = {}
        self.printed: dict[str, list[LogLine]] = {}
        self.journal: list[dict[str, Any]] = []
        self.gateway_listen = "127.0.0.1:8081"
        self.environments: dict[str, dict[str, str]] = {}
        self._happened: list[Event] = []
        self._trail: list[AuditEntry] = []
        self._tokens: dict[str, Token] = {}
        self._secrets: dict[tuple[str, str], str] = {}
        self._cancelled: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._news = asyncio.Condition()
        self._count = 0
        MemoryWebhooks.__init__(self)

    # ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def authenticate(self, token: str) -> Actor:
        found = self._tokens.get(hashlib.sha256(token.encode()).hexdigest())
        if found is None or found.revoked:
            raise Denied("the token is not valid", operation="authenticate")
        return Actor(found.id, found.namespace, found.role)

    def _require(self, actor: Actor, action: str, subject: str = "", *, write: bool = False) -> None:
        allowed = actor.role is Role.ADMIN or (actor.role in WRITERS if write else actor.role is not Role.AGENT)
        seq = len(self._trail) + 1
        self._trail.append(AuditEntry(seq, _now(), actor.namespace, actor.id, action, subject, allowed))
        if not allowed:
            raise Denied(f"role {actor.role} may not do this", operation=action, subject=subject)

    async def status(self, actor: Actor) -> dict[str, Any]:
        self._require(actor, "server.read")
        return {
            "version": "0",
            "listen": {"api": "127.0.0.1:8080", "gateway": self.gateway_listen},
            "agents": sum(key[0] == actor.namespace for key in self.held),
        }

    async def metrics(self, actor: Actor) -> str:
        self._require(actor, "server.read", "metrics")
        return "# HELP homeport_gateway_info Always 1.\n# TYPE homeport_gateway_info gauge\nhomeport_gateway_info 1\n"

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
        self._require(actor, "deployments.write", plan.name, write=True)
        existing = self.held.get((actor.namespace, plan.name))
        if existing is not None and existing.plan != plan.id and not replace:
            raise Conflict(f"the name {plan.name!r} is taken", operation="deploy", subject=plan.name, hint="--replace")
        deployment = Deployment(
            self._id("dep"), actor.namespace, plan.name, plan.id, DeploymentState.RUNNING, created_at_us=_now()
        )
        self.deployments[deployment.id] = deployment
        self.environments[plan.name] = dict(env or {})
        task = asyncio.create_task(self._carry_out(deployment, plan))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return deployment

    async def deployment(self, actor: Actor, deployment_id: str) -> Deployment:
        self._require(actor, "deployments.read", deployment_id)
        found = self.deployments.get(deployment_id)
        if found is None or found.namespace != actor.namespace:
            raise NotFound(f"there is no deployment {deployment_id!r}", subject=deployment_id)
        return found

    async def cancel_deployment(self, actor: Actor, deployment_id: str) -> Deployment:
        self._require(actor, "deployments.write", deployment_id, write=True)
        self._cancelled.add(deployment_id)
        return await self.deployment(actor, deployment_id)

    async def _carry_out(self, deployment: Deployment, plan: Plan) -> None:
        done: list[str] = []
        await self.happen(deployment.namespace, "deployment.started", deployment.id, f"deploying {plan.name}")
        for step in STEPS:
            if deployment.id in self._cancelled:
                await self._undo(deployment, done, DeploymentState.CANCELLED, Conflict("cancelled"))
                return
            await self.happen(deployment.namespace, "deployment.step_began", deployment.id, step)
            await asyncio.sleep(self.step_s)
            if step == self.fail_at:
                await self._undo(deployment, done, DeploymentState.FAILED, self.failure)
                return
            done.append(step)
            await self.happen(deployment.namespace, "deployment.step_done", deployment.id, step)
        self.add_agent(deployment.namespace, plan)
        await self.finish(deployment)

    async def finish(self, deployment: Deployment) -> None:
        """As if its last step were done."""
        self.deployments[deployment.id] = replace(deployment, state=DeploymentState.SUCCEEDED, agent=deployment.name)
        await self.happen(deployment.namespace, "deployment.succeeded", deployment.id, f"{deployment.name} is running")

    async def _undo(self, deployment: Deployment, done: list[str], state: DeploymentState, error: Exception) -> None:
        for step in reversed(done):
            await self.happen(deployment.namespace, "deployment.step_undone", deployment.id, step)
        said = error.to_dict() if hasattr(error, "to_dict") else {"message": str(error)}
        self.deployments[deployment.id] = replace(deployment, state=state, error=said)
        await self.happen(deployment.namespace, f"deployment.{state}", deployment.id, str(error))

    # ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────
    def add_agent(self, namespace: str, plan: Plan) -> Agent:
        """As if it had been deployed."""
        start = plan.requirements.start.value if plan.requirements.start else ("true",)
        agent = Agent(
            id=self._id("agt"),
            namespace=namespace,
            name=plan.name,
            desired=Desired.RUNNING,
            state=AgentState.RUNNING,
            workload=Workload(start=start, code="", port=8000),
            source=plan.source,
            machine="local",
            plan=plan.id,
            incarnation=1,
            created_at_us=_now(),
        )
        self.held[namespace, plan.name] = agent
        return agent

    async def agents(self, actor: Actor) -> list[Agent]:
        self._require(actor, "agents.read")
        return [agent for (namespace, _), agent in sorted(self.held.items()) if namespace == actor.namespace]

    async def agent(self, actor: Actor, name: str) -> Agent:
        self._require(actor, "agents.read", name)
        return self._held(actor, name)

    async def start(self, actor: Actor, name: str) -> Agent:
        return self._become(actor, name, Desired.RUNNING, AgentState.RUNNING)

    async def stop(self, actor: Actor, name: str) -> Agent:
        return self._become(actor, name, Desired.STOPPED, AgentState.STOPPED)

    async def restart(self, actor: Actor, name: str) -> Agent:
        return self._become(actor, name, Desired.RUNNING, AgentState.RUNNING, restarts=1)

    async def remove(self, actor: Actor, name: str, *, keep_data: bool = False) -> None:
        self._require(actor, "agents.write", name, write=True)
        del self.held[actor.namespace, self._held(actor, name).name]

    def _held(self, actor: Actor, name: str) -> Agent:
        found = self.held.get((actor.namespace, name))
        if found is None:
            raise NotFound(f"there is no agent {name!r}", subject=name, hint="homeport list")
        return found

    def _become(self, actor: Actor, name: str, desired: Desired, state: AgentState, restarts: int = 0) -> Agent:
        self._require(actor, "agents.write", name, write=True)
        old = self._held(actor, name)
        agent = replace(old, desired=desired, state=state, restarts=old.restarts + restarts, changed_at_us=_now())
        self.held[actor.namespace, name] = agent
        return agent

    async def logs(
        self, actor: Actor, name: str, *, tail: int = 0, since_us: int = 0, follow: bool = False
    ) -> AsyncIterator[LogLine]:
        self._require(actor, "logs.read", name)
        self._held(actor, name)
        lines = self.printed.setdefault(name, [])
        seen = len(lines) - tail if tail and tail < len(lines) else 0
        async for line in self._grow(lines, seen, follow):
            if line.at_us >= since_us:
                yield line

    async def events(
        self, actor: Actor, *, after: str = "", follow: bool = False, subject: str = "", limit: int = 1000
    ) -> AsyncIterator[Event]:
        self._require(actor, "events.read", subject)
        seen = 0 if after else max(0, len(self._happened) - limit)
        async for event in self._grow(self._happened, seen, follow):
            if event.namespace == actor.namespace and event.id > after and subject in ("", event.subject):
                yield event

    async def happen(self, namespace: str, type: str, subject: str, message: str = "") -> Event:
        """Append an event."""
        event = Event(self._id("evt"), _now(), namespace, type, subject, message)
        async with self._news:
            self._happened.append(event)
            self._news.notify_all()
        return event

    async def print_line(self, name: str, text: str) -> None:
        """As if the agent had printed it."""
        async with self._news:
            self.printed.setdefault(name, []).append(LogLine(_now(), "out", f"{name}-1", text))
            self._news.notify_all()

    async def _grow(self, items: list[Any], seen: int, follow: bool) -> AsyncIterator[Any]:
        while True:
            while seen < len(items):
                yield items[seen]
                seen += 1
            if not follow:
                return
            async with self._news:
                await self._news.wait_for(lambda: seen < len(items))  # noqa: B023  (awaited before `seen` moves)

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
        self._require(actor, "requests.read", agent)
        fits = self._wanted(replace(wanted, agent=agent or wanted.agent, state=state or wanted.state))
        return [r for r in reversed(fits) if not after or r["id"] < after][:limit]

    async def request(self, actor: Actor, request_id: str, *, bodies: bool = True) -> dict[str, Any]:
        self._require(actor, "requests.bodies" if bodies else "requests.read", request_id, write=bodies)
        for request in self.journal:
            if request["id"] == request_id:
                return request if bodies else {k: v for k, v in request.items() if not k.endswith("body")}
        raise NotFound(f"there is no request {request_id!r}", subject=request_id)

    async def export_requests(
        self, actor: Actor, wanted: Wanted, *, newer: str = "", limit: int = 1000, bodies: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        self._require(actor, "requests.export", write=bodies)
        for request in [r for r in self._wanted(wanted) if r["id"] > newer][: min(limit, 2)]:
            yield request if bodies else {k: v for k, v in request.items() if not k.endswith("body")}

    async def tail_requests(self, actor: Actor, wanted: Wanted) -> AsyncIterator[dict[str, Any]]:
        self._require(actor, "requests.read")
        for request in self._wanted(wanted):
            yield request

    async def clear_requests(self, actor: Actor, wanted: Wanted) -> dict[str, Any]:
        self._require(actor, "requests.write", write=True)
        if wanted.state not in ("completed", "failed", "dead"):
            raise UsageError("only what is over can be cleared")
        gone = self._wanted(wanted)[:2]
        self.journal = [r for r in self.journal if r not in gone]
        return {"removed": len(gone), "more": bool(gone)}

    async def drop(self, actor: Actor, request_id: str) -> dict[str, Any]:
        request = await self.request(actor, request_id)
        self.journal.remove(request)
        return {"id": request_id, "removed": True}

    def _wanted(self, wanted: Wanted) -> list[dict[str, Any]]:
        texts = {name: value for name, value in wanted.query().items() if isinstance(value, str)}
        return [r for r in self.journal if all(r.get(name) == value for name, value in texts.items())]

    async def replay(self, actor: Actor, request_id: str) -> dict[str, Any]:
        request = await self.request(actor, request_id)
        request["state"] = "pending"
        return request

    # ── tokens, secrets, audit ───────────────────────────────────────────────────────────────────────────────────
    async def create_token(
        self, actor: Actor, *, role: Role, label: str = "", agents: tuple[str, ...] = (), ttl_s: float = 0
    ) -> tuple[Token, str]:
        self._require(actor, "tokens.write", label, write=True)
        text = "hp_" + hashlib.sha256(f"{self._id('txt')}".encode()).hexdigest()[:43]
        digest = hashlib.sha256(text.encode()).hexdigest()
        ends = _now() + round(ttl_s * 1e6) if ttl_s else 0
        token = Token(self._id("tok"), actor.namespace, role, digest, label, agents, _now(), ends)
        self._tokens[digest] = token
        return token, text

    async def tokens(self, actor: Actor) -> list[Token]:
        self._require(actor, "tokens.read")
        return [token for token in self._tokens.values() if token.namespace == actor.namespace]

    async def revoke_token(self, actor: Actor, token_id: str) -> Token:
        self._require(actor, "tokens.write", token_id, write=True)
        for digest, token in self._tokens.items():
            if token.id == token_id:
                self._tokens[digest] = replace(token, revoked=True)
                return self._tokens[digest]
        raise NotFound(f"there is no token {token_id!r}", subject=token_id)

    async def put_secret(self, actor: Actor, name: str, value: str) -> None:
        self._require(actor, "secrets.write", name, write=True)
        self._secrets[actor.namespace, name] = value

    async def secret_names(self, actor: Actor) -> list[str]:
        self._require(actor, "secrets.read")
        return sorted(name for namespace, name in self._secrets if namespace == actor.namespace)

    async def delete_secret(self, actor: Actor, name: str) -> bool:
        self._require(actor, "secrets.write", name, write=True)
        return self._secrets.pop((actor.namespace, name), None) is not None

    async def audit(self, actor: Actor, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        self._require(actor, "audit.read")
        return [entry for entry in self._trail if entry.seq > after and entry.namespace == actor.namespace][:limit]

    async def audit_verify(self, actor: Actor) -> int:
        self._require(actor, "audit.read")
        return len(self._trail)

    def _id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count:026d}"


def _now() -> int:
    return time.time_ns() // 1000

    async def backup(
        self, actor: Actor, *, volumes: tuple[str, ...] | None = None, passphrase: str = "", with_key: bool = False
    ) -> AsyncIterator[bytes]:
        """There is nothing on disk here."""
        if not actor.id.startswith("local:"):
            raise Denied("a backup is for whoever owns the local socket", operation="server.backup")
        raise UsageError("a control plane in memory cannot be backed up", operation="backup")
        yield b""
