# SPDX-License-Identifier: Apache-2.0
"""The webhooks of the control plane in memory. Nothing is sent anywhere."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from homeport.app.control import Actor
from homeport.errors import Conflict, NotFound
from homeport.model.names import check_name
from homeport.model.request import RequestState
from homeport.model.webhook import PREFIX, WebhookView, checked_url, key_bytes, shown_url


class MemoryWebhooks:
    """A part of `testing.control.MemoryControl`. `told` is what `webhook_deliveries` gives, by name, newest first."""

    def __init__(self) -> None:
        self.hooks: dict[tuple[str, str], WebhookView] = {}
        self.told: dict[str, list[dict[str, Any]]] = {}

    def _require(self, actor: Actor, action: str, subject: str = "", *, write: bool = False) -> None:
        raise NotImplementedError

    async def add_webhook(
        self, actor: Actor, name: str, url: str, *, agent: str = "", states: Sequence[RequestState] = (),
        named: bool = False, secret: str = "",
    ) -> tuple[WebhookView, str]:  # fmt: skip
        self._require(actor, "webhooks.write", name, write=True)
        check_name(name, "webhook")
        checked_url(url)
        if (actor.namespace, name) in self.hooks:
            raise Conflict(f"there is a webhook {name!r} already", subject=name)
        secret = secret or PREFIX + base64.b64encode(os.urandom(32)).decode()
        key_bytes(secret)
        made = WebhookView(f"whk_{name}", name, shown_url(url), agent, tuple(states), named, 0, 1, 0, 0)
        self.hooks[actor.namespace, name] = made
        return made, secret

    async def webhooks(self, actor: Actor) -> list[WebhookView]:
        self._require(actor, "webhooks.read")
        return [hook for (namespace, _), hook in sorted(self.hooks.items()) if namespace == actor.namespace]

    async def webhook(self, actor: Actor, name: str) -> WebhookView:
        self._require(actor, "webhooks.read", name)
        found = self.hooks.get((actor.namespace, name))
        if found is None:
            raise NotFound(f"there is no webhook {name!r}", subject=name)
        waiting = sum(one["delivery"] == "waiting" for one in self.told.get(name, []))
        return replace(found, waiting=waiting)

    async def remove_webhook(self, actor: Actor, name: str) -> bool:
        self._require(actor, "webhooks.write", name, write=True)
        return self.hooks.pop((actor.namespace, name), None) is not None

    async def rotate_webhook(
        self, actor: Actor, name: str, *, secret: str = "", overlap_s: float = 86400.0
    ) -> tuple[WebhookView, str]:
        self._require(actor, "webhooks.write", name, write=True)
        found = await self.webhook(actor, name)
        secret = secret or PREFIX + base64.b64encode(os.urandom(32)).decode()
        key_bytes(secret)
        self.hooks[actor.namespace, name] = replace(found, signing_keys=2 if overlap_s else 1)
        return self.hooks[actor.namespace, name], secret

    async def test_webhook(self, actor: Actor, name: str) -> dict[str, Any]:
        self._require(actor, "webhooks.write", name, write=True)
        await self.webhook(actor, name)
        return {"delivered": True, "status": 204, "said": ""}

    async def webhook_deliveries(
        self, actor: Actor, name: str, *, standing: str = "", after: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        await self.webhook(actor, name)
        found = [one for one in self.told.get(name, []) if standing in ("", one["delivery"])]
        return [one for one in found if not after or one["seq"] < after][:limit]

    async def retry_webhook(self, actor: Actor, name: str, ids: Sequence[str] = ()) -> int:
        self._require(actor, "webhooks.write", name, write=True)
        await self.webhook(actor, name)
        return sum(one["delivery"] == "dead" and (not ids or one["id"] in ids) for one in self.told.get(name, []))
