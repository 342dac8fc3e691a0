# SPDX-License-Identifier: Apache-2.0
"""The control plane as its doors see it: one method per verb. Doors parse, call this, and print."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from homeport.interfaces.audit import AuditEntry
from homeport.model.agent import Agent
from homeport.model.deployment import Deployment
from homeport.model.event import Event
from homeport.model.instance import LogLine
from homeport.model.kept import ALL, Wanted
from homeport.model.plan import Plan
from homeport.model.request import RequestState
from homeport.model.token import Role, Token
from homeport.model.webhook import WebhookView


@dataclass(frozen=True, slots=True)
class Actor:
    """Who calls. `id` is a token id, or "local:<uid>" on api.sock (0600, so its owner: role admin)."""

    id: str
    namespace: str
    role: Role


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a server decides, or waits. `since_us`: since when `holder` has the control plane.

    `clear`: nothing runs here that the holder runs, too.
    """

    ready: bool = True
    role: str = "alone"
    """alone (no other server knows its database), holder or standby."""
    node: str = ""
    holder: str = ""
    since_us: int = 0
    clear: bool = True
    detail: str = ""


class Control(Protocol):
    """Raises errors of `homeport.errors`; every method that changes or reads others' data is authorized and audited."""

    async def authenticate(self, token: str) -> Actor:
        """Raises `Denied` for unknown, expired and revoked tokens, without saying which."""
        ...

    async def status(self, actor: Actor) -> dict[str, Any]:
        """version, pid, started_at_us, processes {name: {pid, restarts}}, listen {api, gateway}, agents, paths."""
        ...

    async def metrics(self, actor: Actor) -> str:
        """Of the gateway and the actor's agents, as Prometheus reads it. Raises `Unavailable` while it restarts."""
        ...

    async def deploy(
        self,
        actor: Actor,
        plan: Plan,
        *,
        replace: bool = False,
        env: dict[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> Deployment:
        """Start (or find: same name, same plan) the durable flow that makes the plan real.

        `env` is added to the agent's environment and kept in its record; `secrets` are names of sealed secrets, each
        put there under its own name when the agent starts. A source may ask for one, only a person gives it.
        `NotFound` for a secret that is not there.

        `Conflict` if the name is taken by another source, unless `replace`.
        """
        ...

    async def deployment(self, actor: Actor, deployment_id: str) -> Deployment: ...

    async def cancel_deployment(self, actor: Actor, deployment_id: str) -> Deployment: ...

    async def agents(self, actor: Actor) -> list[Agent]: ...

    async def agent(self, actor: Actor, name: str) -> Agent: ...

    async def start(self, actor: Actor, name: str) -> Agent: ...

    async def stop(self, actor: Actor, name: str) -> Agent:
        """Returns when the instance is gone."""
        ...

    async def restart(self, actor: Actor, name: str) -> Agent: ...

    async def remove(self, actor: Actor, name: str, *, keep_data: bool = False) -> None:
        """Stop it, then remove record, folders, logs, tokens."""
        ...

    def logs(
        self, actor: Actor, name: str, *, tail: int = 0, since_us: int = 0, follow: bool = False
    ) -> AsyncIterator[LogLine]: ...

    def events(
        self, actor: Actor, *, after: str = "", follow: bool = False, subject: str = "", limit: int = 1000
    ) -> AsyncIterator[Event]:
        """Oldest first. `after` "" with `follow` begins with the last `limit` ones."""
        ...

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
        """Newest first: id, agent, method, target, state, attempts, accepted_at, outcome, status, bytes."""
        ...

    async def request(self, actor: Actor, request_id: str, *, bodies: bool = True) -> dict[str, Any]:
        """The same and more: headers (credentials redacted), `bodies` up to 64 KiB. With these it is audited."""
        ...

    def export_requests(
        self, actor: Actor, wanted: Wanted, *, newer: str = "", limit: int = 1000, bodies: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        """One page, oldest first, after the id `newer`; fewer with `bodies`. Audited. An empty page is the end."""
        ...

    def tail_requests(self, actor: Actor, wanted: Wanted) -> AsyncIterator[dict[str, Any]]:
        """Requests from now on, again at each change of their state."""
        ...

    async def clear_requests(self, actor: Actor, wanted: Wanted) -> dict[str, Any]:
        """Removes finished ones of `wanted.state`: `removed`, and whether there are `more`."""
        ...

    async def drop(self, actor: Actor, request_id: str) -> dict[str, Any]:
        """Removes one that is over. Raises `NotFound`, `UsageError`."""
        ...

    async def replay(self, actor: Actor, request_id: str) -> dict[str, Any]: ...

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
        """Its signing secret is shown this once. `named`: it hears of requests that name it, and of no others."""
        ...

    async def webhooks(self, actor: Actor) -> list[WebhookView]: ...

    async def webhook(self, actor: Actor, name: str) -> WebhookView: ...

    async def remove_webhook(self, actor: Actor, name: str) -> bool:
        """Already gone is False. What was not delivered yet never will be."""
        ...

    async def rotate_webhook(
        self, actor: Actor, name: str, *, secret: str = "", overlap_s: float = 86400.0
    ) -> tuple[WebhookView, str]:
        """A new secret, shown this once; the old one signs along for `overlap_s` seconds."""
        ...

    async def test_webhook(self, actor: Actor, name: str) -> dict[str, Any]:
        """Send a message of no consequence now: delivered, status, said."""
        ...

    async def webhook_deliveries(
        self, actor: Actor, name: str, *, standing: str = "", after: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Newest first: seq, id, request, state, delivery (waiting, delivered or dead), tries, status, said."""
        ...

    async def retry_webhook(self, actor: Actor, name: str, ids: Sequence[str] = ()) -> int:
        """Send again what was given up, () for all of it; one that was stopped goes on. How many."""
        ...

    async def create_token(
        self, actor: Actor, *, role: Role, label: str = "", agents: tuple[str, ...] = (), ttl_s: float = 0
    ) -> tuple[Token, str]:
        """The token and its text, shown this once."""
        ...

    async def tokens(self, actor: Actor) -> list[Token]: ...

    async def revoke_token(self, actor: Actor, token_id: str) -> Token: ...

    async def put_secret(self, actor: Actor, name: str, value: str) -> None: ...

    async def secret_names(self, actor: Actor) -> list[str]: ...

    async def delete_secret(self, actor: Actor, name: str) -> bool: ...

    async def audit(self, actor: Actor, *, after: int = 0, limit: int = 100) -> list[AuditEntry]: ...

    async def audit_verify(self, actor: Actor) -> int: ...

    def backup(
        self, actor: Actor, *, volumes: tuple[str, ...] | None = None, passphrase: str = "", with_key: bool = False
    ) -> AsyncIterator[bytes]:
        """The archive, as `app.backups.taking.Backups.stream`. Only for whoever owns the local socket: it holds every
        namespace, and keys."""
        ...
