# SPDX-License-Identifier: Apache-2.0
"""What the control plane tells the gateway: where agents are and who may call them."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.model.webhook import Webhook
from homeport.model.workload import USUAL_POLICY, Delivery, DeliveryPolicy


@dataclass(frozen=True, slots=True)
class Route:
    """`endpoint` is "" and `ready` false while no instance can answer; `reason` then says why, for callers.

    `instance` changes with every new instance: what was in flight to another one was interrupted.
    `removed` agents have no route; their unanswered requests become dead letters.
    """

    namespace: str
    agent: str
    agent_id: str
    endpoint: str = ""
    instance: str = ""
    ready: bool = False
    reason: str = ""
    delivery: Delivery = Delivery.EXACT_OR_DEAD
    honours_keys: bool = False
    concurrency: int = 16
    policy: DeliveryPolicy = USUAL_POLICY


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that may use the data plane. `agents` holds names, or "*" for all of the namespace."""

    sha256: str
    token_id: str
    namespace: str
    agents: tuple[str, ...]
    expires_at_us: int = 0


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """The whole table, always sent as a whole. A lower `revision` than the one held is ignored.

    `mirror`: of a standby, from what it read a moment ago. An agent that it does not name may be a new one.
    """

    revision: int
    routes: tuple[Route, ...]
    grants: tuple[Grant, ...]
    mirror: bool = False
    webhooks: tuple[Webhook, ...] = ()
