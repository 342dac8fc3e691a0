# SPDX-License-Identifier: Apache-2.0
"""A request on the data plane, as the journal keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RequestState(StrEnum):
    """PENDING → IN_FLIGHT (a live lease) → COMPLETED | FAILED | DEAD; an observed death goes back to PENDING or DEAD.

    COMPLETED: the agent answered, whatever the status. FAILED: given up by policy with a known outcome.
    DEAD: given up with an unknown outcome, or after the last attempt: a person decides.
    """

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    COMPLETED = "completed"
    FAILED = "failed"
    DEAD = "dead"


TUNNEL = "CONNECT"
"""The method by which the journal keeps a WebSocket, as HTTP/2 asks for one (RFC 8441). Nothing else has it, and what
has it is never sent again."""

Headers = tuple[tuple[bytes, bytes], ...]
"""In the order received, repeated ones kept, names as sent."""


def pack_headers(headers: Headers) -> bytes:
    """As one block of `name:value` lines: neither can hold a line end."""
    return b"\n".join([name + b":" + value for name, value in headers])


def unpack_headers(block: bytes) -> Headers:
    if not block:
        return ()
    return tuple((name, value) for name, _, value in (line.partition(b":") for line in block.split(b"\n")))


@dataclass(frozen=True, slots=True)
class Body:
    """Inline bytes, or the name of a spooled one: a file beside the journal, or on its shelf. `size` in bytes."""

    inline: bytes = b""
    spool: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class StoredResponse:
    status: int
    reason: str
    headers: Headers
    body: Body
    at_us: int


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """`target` is what the agent sees (path and query, prefix removed); one that holds a credential is sealed, as
    credential headers are.

    `agent_id` is the agent it was accepted for: another one of the same name never gets it.

    `fence` grows with every lease: an answer that carries an older one is ignored.

    Of those of one agent with the same `lane` one is in flight at a time, in the order of acceptance; "" is none.
    `priority` is 0 for high, 1 for normal, 2 for low. At `deadline_us` it is given up; 0: never. `once`: its caller
    wants no second attempt. `hooks`: who is told of its changes, as `model.webhook.hooks_text`; "" nobody.
    """

    id: str
    namespace: str
    agent: str
    method: str
    target: str
    headers: Headers
    body: Body
    state: RequestState
    accepted_at_us: int
    key: str = ""
    fingerprint: str = ""
    attempts: int = 0
    fence: int = 0
    lease_owner: str = ""
    lease_until_us: int = 0
    not_before_us: int = 0
    outcome: str = ""
    agent_id: str = ""
    response: StoredResponse | None = None
    lane: str = ""
    priority: int = 1
    deadline_us: int = 0
    once: bool = False
    hooks: str = ""
