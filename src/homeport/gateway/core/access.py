# SPDX-License-Identifier: Apache-2.0
"""Who may call which agent: the routing table, made quick to ask."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from homeport.gateway.core.delivery import MAX_ATTEMPTS, Sent, Verdict, after_loss, may_repeat
from homeport.gateway.core.message import RequestHead
from homeport.model.names import DEFAULT_NAMESPACE, LABEL
from homeport.model.request import TUNNEL, RequestState, StoredRequest
from homeport.model.route import Grant, Route, RoutingTable
from homeport.model.webhook import Webhook, hooks_text
from homeport.model.workload import Delivery

Key = tuple[str, str]
"""(namespace, agent name)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """`agents` holds names, or "*"."""

    namespace: str
    agents: tuple[str, ...]
    token_id: str = ""

    def may_call(self, agent: str) -> bool:
        return "*" in self.agents or agent in self.agents


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer instead of a service."""

    status: int
    type: str
    message: str
    hint: str = ""

    def to_dict(self) -> dict[str, object]:
        return {"error": {"type": self.type, "message": self.message, "hint": self.hint}}


class Routes:
    """The table the control plane sent last."""

    def __init__(self) -> None:
        self.revision = -1
        self.certain = False
        """Whether it came in this life from the server that decides: what it does not name is gone."""
        self.by_key: dict[Key, Route] = {}
        self._grants: dict[bytes, tuple[Grant, Caller]] = {}
        """By the token's SHA-256: to look for one tells nothing of the others."""
        self.webhooks: dict[str, Webhook] = {}
        self.hooks: dict[Key, str] = {}
        """Who hears of an agent's requests, as requests carry it; agents of which nobody does are left out."""

    def replace(self, table: RoutingTable) -> tuple[Route, ...]:
        """Take over a newer table; returns the old routes whose instance is not there any more."""
        before = self.by_key
        self.revision = table.revision
        self.by_key = {(route.namespace, route.agent): route for route in table.routes}
        self._grants = {
            bytes.fromhex(grant.sha256): (grant, Caller(grant.namespace, grant.agents, grant.token_id))
            for grant in table.grants
        }
        self.webhooks = {hook.id: hook for hook in table.webhooks}
        always = [hook for hook in table.webhooks if not hook.named]
        hooks = {key: hooks_text(hook for hook in always if hook.fits(*key)) for key in self.by_key} if always else {}
        self.hooks = {key: text for key, text in hooks.items() if text}
        return tuple(
            old
            for key, old in before.items()
            if old.instance and ((new := self.by_key.get(key)) is None or new.instance != old.instance)
        )

    def ready(self, key: Key) -> bool:
        route = self.by_key.get(key)
        return route is not None and route.ready

    def verdict_on(self, request: StoredRequest, why: str) -> Verdict:
        """What becomes of a request whose attempt nobody can finish any more."""
        if request.method == TUNNEL:
            return Verdict(RequestState.FAILED, f"the WebSocket was cut: {why}")
        route = self.by_key.get((request.namespace, request.agent))
        repeatable = may_repeat(
            request.method,
            keyed=bool(request.key),
            honours_keys=route is not None and route.honours_keys,
            delivery=route.delivery if route else Delivery.EXACT_OR_DEAD,
        )
        most = route.policy.retry.attempts if route else MAX_ATTEMPTS
        return after_loss(Sent.PERHAPS, repeatable=repeatable, attempts=request.attempts, why=why, most=most)

    def caller(self, head: RequestHead, *, trusted: bool, now_us: int) -> Caller | Refusal:
        """From the token, or on the trusted listener from the namespace header."""
        if trusted:
            namespace = (head.get(b"x-homeport-namespace") or b"").decode("latin-1") or DEFAULT_NAMESPACE
            if not LABEL.fullmatch(namespace):
                return Refusal(400, "UsageError", "X-Homeport-Namespace is not a valid name")
            return Caller(namespace, ("*",))
        token = head.get(b"x-homeport-token")
        if token is None:
            return Refusal(401, "Denied", "a token is needed", "send it in X-Homeport-Token")
        grant, caller = self._grants.get(hashlib.sha256(token).digest(), (None, None))
        if grant is None or caller is None or 0 < grant.expires_at_us <= now_us:
            return Refusal(401, "Denied", "the token is not valid", "make one with `homeport token create`")
        return caller

    def still(self, caller: Caller, agent: str, now_us: int) -> bool:
        """Whether one who was let in long ago would be let in now."""
        if not caller.token_id:
            return True
        return any(
            grant.token_id == caller.token_id
            and grant.namespace == caller.namespace
            and (agent in grant.agents or "*" in grant.agents)
            and not 0 < grant.expires_at_us <= now_us
            for grant, _ in self._grants.values()
        )

    def hears(self, key: Key, name: str) -> str | Refusal:
        """Who hears of a request to this agent that names a webhook, as it is to carry it."""
        fitting = [hook for hook in self.webhooks.values() if hook.fits(*key)]
        if not any(hook.name == name for hook in fitting):
            hint = "`homeport webhooks list` shows those there are; a URL is not taken"
            return Refusal(400, "UsageError", "X-Homeport-Webhook names no webhook of this agent", hint)
        return hooks_text(hook for hook in fitting if not hook.named or hook.name == name)

    def hears_now(self, key: Key, name: str) -> str:
        """The same, where "" is named or it may have been removed since it was looked at."""
        hooks = self.hears(key, name) if name else self.hooks.get(key, "")
        return self.hooks.get(key, "") if isinstance(hooks, Refusal) else hooks

    def route(self, caller: Caller, agent: str) -> Route | Refusal:
        if not caller.may_call(agent):
            return Refusal(403, "Denied", "this token may not call that agent", "ask for a token that names it")
        route = self.by_key.get((caller.namespace, agent))
        if route is None:
            return Refusal(404, "NotFound", "no such agent", "`homeport list` shows the agents there are")
        return route


def split_target(target: str) -> tuple[str, str, str]:
    """`/agent/NAME/rest?query` → ("agent", NAME, "/rest?query"). Parts that are not there are ""."""
    path, mark, query = target.partition("?")
    parts = path.split("/", 3)
    room = parts[1] if len(parts) > 1 else ""
    name = parts[2] if len(parts) > 2 else ""
    rest = "/" + parts[3] if len(parts) > 3 else ""
    if room == "agent":
        rest = rest or "/"
    return room, name, rest + mark + query
