# SPDX-License-Identifier: Apache-2.0
"""Who calls, and whether they may: tokens, the policy's decision, the audit trail."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import replace
from pathlib import Path

from homeport.app.control import Actor
from homeport.errors import Denied, NotFound
from homeport.interfaces.audit import Audit
from homeport.interfaces.clock import Clock, Ids
from homeport.interfaces.policy import Policy
from homeport.interfaces.store import Store
from homeport.model.names import DEFAULT_NAMESPACE
from homeport.model.route import Grant
from homeport.model.token import Role, Token

PACKAGE = "homeport.authz"

QUIET = frozenset({"agents.read", "deployments.read", "requests.read", "logs.read", "events.read", "server.read"})
"""Reads that are audited only when they are denied: they are many, and show no secret."""


class Access:
    def __init__(self, store: Store, policy: Policy, audit: Audit, clock: Clock, ids: Ids) -> None:
        self._store, self._policy, self._audit, self._clock, self._ids = store, policy, audit, clock, ids
        self._tokens: dict[str, Token] = {}
        self._granted: tuple[Grant, ...] | None = None

    async def load(self) -> None:
        """Read all tokens; they are few, and every request needs one."""
        for stored in await self._store.list(Token, limit=100_000):
            self._tokens[stored.record.sha256] = stored.record

    async def first_token(self, file: Path) -> None:
        """On the very first start: an admin token, written to `file` (0600). It is nowhere else, and in no log.

        The file comes first: a crash in between leaves a file that the next start replaces, never a token nobody has.
        """
        if self._tokens:
            return
        text = _new_text()
        fresh = file.with_name(f".{file.name}.new")
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as out:
            out.write(text + "\n")
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
        actor = Actor("homeport", DEFAULT_NAMESPACE, Role.ADMIN)
        await self._keep(actor, text, role=Role.ADMIN, label="first admin")

    async def authenticate(self, text: str) -> Actor:
        """Raises `Denied`, without saying whether the token is unknown, expired or revoked."""
        token = self._tokens.get(_digest(text))
        if token is None or not self._valid(token):
            raise Denied("the token is not valid", operation="authenticate", hint="homeport token create")
        return Actor(token.id, token.namespace, token.role)

    async def require(self, actor: Actor, verb: str, subject: str = "") -> None:
        """Raises `Denied` with the policy's reason. What was done, and what was refused, is on the audit trail."""
        token = next((t for t in self._tokens.values() if t.id == actor.id), None)
        decision = await self._policy.decide(
            PACKAGE,
            {
                "actor": _described(actor, token),
                "verb": verb,
                "namespace": actor.namespace,
                "subject": subject,
            },
        )
        if not decision.allow or verb not in QUIET:
            await self._audit.append(
                namespace=actor.namespace, actor=actor.id, action=verb, subject=subject, allowed=decision.allow,
                detail={} if decision.allow else {"reason": decision.reason},
            )  # fmt: skip
        if not decision.allow:
            raise Denied(decision.reason, operation=verb, subject=subject, hint="use a token with another role")

    async def create(
        self, actor: Actor, *, role: Role, label: str = "", agents: tuple[str, ...] = (), ttl_s: float = 0
    ) -> tuple[Token, str]:
        """A token and its text, which is not kept."""
        text = _new_text()
        return await self._keep(actor, text, role=role, label=label, agents=agents, ttl_s=ttl_s), text

    async def _keep(
        self, actor: Actor, text: str, *, role: Role, label: str, agents: tuple[str, ...] = (), ttl_s: float = 0
    ) -> Token:
        now_us = self._clock.now_us()
        token = Token(
            id=self._ids.new("tok"),
            namespace=actor.namespace,
            role=role,
            sha256=_digest(text),
            label=label,
            agents=agents,
            created_at_us=now_us,
            expires_at_us=now_us + int(ttl_s * 1_000_000) if ttl_s else 0,
        )
        await self._store.put(token, namespace=token.namespace, key=token.id, expected=0)
        self._tokens[token.sha256] = token
        self._granted = None
        return token

    def tokens(self, namespace: str) -> list[Token]:
        found = [token for token in self._tokens.values() if token.namespace == namespace]
        return sorted(found, key=lambda token: token.id)

    async def revoke(self, namespace: str, token_id: str) -> Token:
        """Takes it out of use at once and for ever. Raises `NotFound`."""
        for token in self.tokens(namespace):
            if token.id == token_id:
                await self._store.delete(Token, namespace, token_id)
                del self._tokens[token.sha256]
                self._granted = None
                return token
        raise NotFound(f"there is no token {token_id!r}", subject=token_id, hint="homeport token list")

    async def forget_agent(self, namespace: str, name: str) -> None:
        """No token names it any more, lest one reaches the next agent of that name. One that named only it is gone."""
        for token in self.tokens(namespace):
            if name not in token.agents:
                continue
            left = tuple(other for other in token.agents if other != name)
            if not left:  # none at all would mean every agent
                await self.revoke(namespace, token.id)
                continue
            self._tokens[token.sha256] = replace(token, agents=left)
            self._granted = None
            await self._store.put(self._tokens[token.sha256], namespace=namespace, key=token.id)

    async def grants(self) -> tuple[Grant, ...]:
        """What the gateway needs to decide by itself: the tokens that may use the data plane.

        Kept until a token comes or goes; the gateway watches their expiry.
        What was not decided, because the engine failed, is not kept.
        """
        if self._granted is None:
            grants, failed = await self._decide_grants()
            if failed:
                return grants
            self._granted = grants
        return self._granted

    async def _decide_grants(self) -> tuple[tuple[Grant, ...], bool]:
        grants, failed = [], False
        for token in self._tokens.values():
            if not self._valid(token):
                continue
            actor = _described(Actor(token.id, token.namespace, token.role), token)
            everything = token.role is not Role.AGENT and not token.agents
            allowed = []
            for name in ("*",) if everything else token.agents:
                decision = await self._policy.decide(
                    PACKAGE,
                    {"actor": actor, "verb": "dataplane.call", "namespace": token.namespace, "subject": name},
                )
                failed = failed or decision.failed
                if decision.allow:
                    allowed.append(name)
            if allowed:
                grants.append(Grant(token.sha256, token.id, token.namespace, tuple(allowed), token.expires_at_us))
        return tuple(grants), failed

    def _valid(self, token: Token) -> bool:
        return not token.revoked and not 0 < token.expires_at_us <= self._clock.now_us()


def _described(actor: Actor, token: Token | None) -> dict[str, object]:
    """The actor as the policy sees it."""
    agents = list(token.agents) if token else []
    return {"id": actor.id, "role": str(actor.role), "namespace": actor.namespace, "agents": agents}


def _new_text() -> str:
    return "hp_" + secrets.token_urlsafe(32)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
