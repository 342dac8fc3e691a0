# SPDX-License-Identifier: Apache-2.0
"""What a caller wants of its one request: how long it waits, whether it may wait at all, and its place in the order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from homeport.gateway.core.access import Refusal
from homeport.gateway.core.message import RequestHead
from homeport.gateway.core.prefer import prefers_async, wait_preference
from homeport.model.route import Route

HIGH, NORMAL, LOW = 0, 1, 2
WHOLE_AGENT = "*"
"""The lane of an agent that takes one request at a time."""
_DELIVERY, _DEADLINE = b"x-homeport-delivery", b"x-homeport-deadline"
_PRIORITY, _ORDERING = b"x-homeport-priority", b"x-homeport-ordering-key"
_WEBHOOK = b"x-homeport-webhook"
_ASKING = frozenset((b"prefer", _DELIVERY, _DEADLINE, _PRIORITY, _ORDERING, _WEBHOOK))
_PRIORITIES = {b"high": HIGH, b"normal": NORMAL, b"low": LOW}
_SECONDS = re.compile(rb"[0-9]{1,7}(\.[0-9]{1,3})?")
_LONGEST_S = 30 * 86400.0
_MOST_KEY = 255


@dataclass(frozen=True, slots=True)
class Terms:
    """`wait` in seconds, None where nothing is said; `asynchronous`: it asked for 202 at once.

    `fail_fast`: now or never. `deadline` in seconds after acceptance, 0 for none.
    """

    wait: float | None = None
    asynchronous: bool = False
    fail_fast: bool = False
    deadline: float = 0.0
    priority: int = NORMAL
    ordering: str = ""
    webhook: str = ""

    def lane(self, route: Route) -> str:
        if route.policy.ordered:
            return WHOLE_AGENT
        return "=" + self.ordering if self.ordering else ""

    @property
    def applied(self) -> bytes:
        """The value of Preference-Applied."""
        if self.wait is None:
            return b""
        return b"respond-async" if self.asynchronous else b"wait=%d" % self.wait


USUAL = Terms()


def read_terms(head: RequestHead) -> Terms | Refusal:
    if _ASKING.isdisjoint(head.fields):
        return USUAL
    prefer = head.get(b"prefer")
    delivery, deadline = head.get(_DELIVERY), head.get(_DEADLINE)
    priority, ordering = head.get(_PRIORITY), head.get(_ORDERING)
    webhook = head.get(_WEBHOOK)
    wait = wait_preference(prefer)
    asynchronous = wait is None and prefers_async(prefer)
    if delivery not in (None, b"fail-fast", b"durable"):
        return _wrong("X-Homeport-Delivery must be fail-fast or durable")
    if priority is not None and priority.lower() not in _PRIORITIES:
        return _wrong("X-Homeport-Priority must be high, normal or low")
    if webhook == b"":
        return _wrong("X-Homeport-Webhook must name a webhook")
    if ordering is not None and not 0 < len(ordering) <= _MOST_KEY:
        return _wrong(f"X-Homeport-Ordering-Key must have 1 to {_MOST_KEY} characters")
    seconds = float(deadline) if deadline is not None and _SECONDS.fullmatch(deadline) else 0.0
    if deadline is not None and not 0 < seconds <= _LONGEST_S:
        return _wrong("X-Homeport-Deadline must be a number of seconds above 0, at most 30 days")
    return Terms(
        wait=0.0 if asynchronous else wait,
        asynchronous=asynchronous,
        fail_fast=delivery == b"fail-fast",
        deadline=seconds,
        priority=_PRIORITIES[priority.lower()] if priority is not None else NORMAL,
        ordering=ordering.decode("latin-1") if ordering is not None else "",
        webhook=webhook.decode("latin-1") if webhook is not None else "",
    )


def _wrong(message: str) -> Refusal:
    return Refusal(400, "UsageError", message)
