# SPDX-License-Identifier: Apache-2.0
"""Webhooks as their owners see them: made, shown without their secrets, tried, retired. Each verb is on the trail."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from homeport.app.access import Access
from homeport.app.control import Actor
from homeport.errors import Conflict, HomeportError, NotFound, UsageError
from homeport.gateway.control_client import GatewayControl
from homeport.gateway.webhooks.sealed import sealed_for
from homeport.interfaces.clock import Clock, Ids
from homeport.interfaces.secrets import Sealer
from homeport.interfaces.store import Store
from homeport.model.names import check_name
from homeport.model.request import RequestState
from homeport.model.webhook import (
    MOST,
    PREFIX,
    HookCount,
    SigningKey,
    Webhook,
    WebhookView,
    checked_url,
    is_this_machine,
    key_bytes,
    shown_url,
)

OVERLAP_S = 24 * 3600.0
"""Seconds for which an old secret signs beside the new one."""
LONGEST_OVERLAP_S = 30 * 86400.0
_STANDINGS = ("", "waiting", "delivered", "dead")


class Webhooks:
    """`load` it first. `changed` tells the gateway; `plain`: http to this machine may be used."""

    def __init__(
        self, store: Store, sealer: Sealer, access: Access, gateway: GatewayControl, clock: Clock, ids: Ids,
        changed: Callable[[], None], *, plain: bool = False,
    ) -> None:  # fmt: skip
        self._store, self._sealer, self._access, self._gateway = store, sealer, access, gateway
        self._clock, self._ids, self._changed, self._plain = clock, ids, changed, plain
        self._held: dict[tuple[str, str], Webhook] = {}

    async def load(self) -> None:
        self._held = {(one.namespace, one.name): one for one in await stored_webhooks(self._store)}

    def all(self) -> tuple[Webhook, ...]:
        """Those of every namespace, for the gateway."""
        return tuple(self._held.values())

    async def add(
        self, actor: Actor, name: str, url: str, *, agent: str = "", states: Sequence[RequestState] = (),
        named: bool = False, secret: str = "",
    ) -> tuple[WebhookView, str]:  # fmt: skip
        """The webhook and its signing secret, which is shown this once. Raises `UsageError`, `Conflict`."""
        await self._access.require(actor, "webhooks.write", f"add {name[:63]}")
        check_name(name, "webhook")
        if agent:
            check_name(agent)
        parts = checked_url(url, plain=self._plain)
        if is_this_machine(parts.hostname or "") and not self._plain:
            hint = "the owner of this server may set HOMEPORT_WEBHOOK_ALLOW"
            raise UsageError("the URL leads to this machine itself", subject="url", hint=hint)
        secret = secret or PREFIX + base64.b64encode(os.urandom(32)).decode()
        key_bytes(secret)
        if (actor.namespace, name) in self._held:
            hint = f"homeport webhooks remove {name}"
            raise Conflict(f"there is a webhook {name!r} already", subject=name, hint=hint)
        if sum(namespace == actor.namespace for namespace, _ in self._held) >= MOST:
            raise UsageError(f"a namespace has {MOST} webhooks at most", subject=name)
        hook_id = self._ids.new("whk")
        made = Webhook(
            hook_id, actor.namespace, name, sealed_for(self._sealer, hook_id, url), shown_url(url),
            (SigningKey(sealed_for(self._sealer, hook_id, secret)),), agent,
            tuple(state for state in RequestState if state in states), named, self._clock.now_us(),
        )  # fmt: skip
        await self._store.put(made, namespace=actor.namespace, key=name, expected=0)
        self._keep(made)
        return self._view(made, None), secret

    async def views(self, actor: Actor) -> list[WebhookView]:
        await self._access.require(actor, "webhooks.read")
        counts = await self._counts()
        mine = [hook for (namespace, _), hook in sorted(self._held.items()) if namespace == actor.namespace]
        return [self._view(hook, counts) for hook in mine]

    async def show(self, actor: Actor, name: str) -> WebhookView:
        await self._access.require(actor, "webhooks.read", name)
        return self._view(self._own(actor, name), await self._counts())

    async def remove(self, actor: Actor, name: str) -> bool:
        """Already gone is False. What was not delivered yet never will be."""
        await self._access.require(actor, "webhooks.write", f"remove {name}")
        hook = self._held.get((actor.namespace, name))
        if hook is None:
            return False
        await self._store.delete(Webhook, actor.namespace, name)
        del self._held[actor.namespace, name]
        self._changed()
        return True

    async def rotate(
        self, actor: Actor, name: str, *, secret: str = "", overlap_s: float = OVERLAP_S
    ) -> tuple[WebhookView, str]:
        """A new secret, shown this once; for `overlap_s` seconds the old one signs as well."""
        await self._access.require(actor, "webhooks.write", f"rotate {name}")
        hook = self._own(actor, name)
        if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
            raise UsageError("the old secret may sign for 30 days at most", subject=name)
        secret = secret or PREFIX + base64.b64encode(os.urandom(32)).decode()
        key_bytes(secret)
        now_us = self._clock.now_us()
        until_us = now_us + int(overlap_s * 1e6)
        old = [key for key in hook.keys if not key.until_us or key.until_us > now_us][:1] if overlap_s else []
        keys = (
            SigningKey(sealed_for(self._sealer, hook.id, secret)),
            *(replace(key, until_us=until_us) for key in old),
        )
        hook = replace(hook, keys=keys)
        await self._store.put(hook, namespace=actor.namespace, key=name)
        self._keep(hook)
        return self._view(hook, None), secret

    async def test(self, actor: Actor, name: str) -> dict[str, Any]:
        await self._access.require(actor, "webhooks.write", f"test {name}")
        return await self._gateway.try_webhook(self._own(actor, name).id)

    async def deliveries(
        self, actor: Actor, name: str, *, standing: str = "", after: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Newest first."""
        await self._access.require(actor, "webhooks.read", f"deliveries {name}")
        if standing not in _STANDINGS:
            raise UsageError(f"no such standing {standing[:20]!r}", hint="waiting, delivered or dead")
        hook = self._own(actor, name)
        return await self._gateway.deliveries(hook.id, standing=standing, after=after, limit=limit)

    async def retry(self, actor: Actor, name: str, ids: Sequence[str] = ()) -> int:
        await self._access.require(actor, "webhooks.write", f"retry {name}")
        return await self._gateway.retry_webhook(self._own(actor, name).id, ids)

    def _keep(self, hook: Webhook) -> None:
        self._held[hook.namespace, hook.name] = hook
        self._changed()

    def _own(self, actor: Actor, name: str) -> Webhook:
        hook = self._held.get((actor.namespace, name))
        if hook is None:
            hint = "homeport webhooks list"
            raise NotFound(f"there is no webhook {name[:63]!r}", subject=name[:63], hint=hint)
        return hook

    async def _counts(self) -> dict[str, HookCount] | None:
        """None where the gateway does not answer: what is registered can be seen all the same."""
        try:
            return await self._gateway.webhooks()
        except HomeportError:
            return None

    def _view(self, hook: Webhook, counts: dict[str, HookCount] | None) -> WebhookView:
        now_us = self._clock.now_us()
        signing = sum(not key.until_us or key.until_us > now_us for key in hook.keys)
        count = (counts or {}).get(hook.id, HookCount())
        known = counts is not None
        return WebhookView(
            hook.id, hook.name, hook.shown, hook.agent, hook.states, hook.named, hook.created_at_us, signing,
            count.waiting if known else None, count.dead if known else None, count.stopped,
        )  # fmt: skip


async def stored_webhooks(store: Store) -> list[Webhook]:
    """Of every namespace."""
    return [item.record for item in await store.list(Webhook, limit=100_000)]
