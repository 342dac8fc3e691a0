# SPDX-License-Identifier: Apache-2.0
"""A request with its answer as one row: the columns that the databases of journals have in common, in one order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from homeport.model.request import Body, RequestState, StoredRequest, StoredResponse, unpack_headers

REQUEST = (
    "id", "namespace", "agent", "method", "target", "headers", "body", "spool", "size", "state", "accepted_at_us",
    "key", "fingerprint", "attempts", "fence", "lease_owner", "lease_until_us", "not_before_us", "outcome", "agent_id",
    "lane", "priority", "deadline_us", "once", "hooks",
)  # fmt: skip
RESPONSE = ("status", "reason", "headers", "spool", "size", "at_us", "body")
"""All of them NULL where there is no answer. A body may be NULL, which is an empty one."""


def stored(row: Sequence[Any], ours: Callable[[int], int] = int) -> StoredRequest:
    """From the columns of `REQUEST`, then those of `RESPONSE`. `ours`: a time that another's clock has told."""
    (
        request_id, namespace, agent, method, target, headers, body, spool, size, state, accepted_at_us, key,
        fingerprint, attempts, fence, lease_owner, lease_until_us, not_before_us, outcome, agent_id, lane,
        priority, deadline_us, once, hooks, *answer,
    ) = row  # fmt: skip
    return StoredRequest(
        id=request_id,
        namespace=namespace,
        agent=agent,
        method=method,
        target=target,
        headers=unpack_headers(headers),
        body=Body(body or b"", spool, size),
        state=RequestState(state),
        accepted_at_us=accepted_at_us,
        key=key,
        fingerprint=fingerprint,
        attempts=attempts,
        fence=fence,
        lease_owner=lease_owner,
        lease_until_us=ours(lease_until_us),
        not_before_us=ours(not_before_us),
        outcome=outcome,
        agent_id=agent_id,
        response=_response(*answer),
        lane=lane,
        priority=priority,
        deadline_us=ours(deadline_us),
        once=bool(once),
        hooks=hooks,
    )


def _response(
    status: int | None, reason: str, headers: bytes, spool: str, size: int, at_us: int, body: bytes | None
) -> StoredResponse | None:
    if status is None:
        return None
    return StoredResponse(status, reason, unpack_headers(headers), Body(body or b"", spool, size), at_us)
