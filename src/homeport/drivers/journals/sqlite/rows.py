# SPDX-License-Identifier: Apache-2.0
"""Records to rows."""

from __future__ import annotations

from typing import Any

from homeport.model.request import StoredRequest, StoredResponse, pack_headers

ASIDE = 2048
"""Bytes from which a request's body lies in a table of its own."""


def request_row(request: StoredRequest) -> tuple[Any, ...]:
    """In the order of `queries.INSERT`."""
    body = request.body
    return (
        request.id,
        request.namespace,
        request.agent,
        request.method,
        request.target,
        pack_headers(request.headers),
        body.spool,
        body.size,
        request.state.value,
        request.accepted_at_us,
        request.key,
        request.fingerprint,
        request.attempts,
        request.fence,
        request.lease_owner,
        request.lease_until_us,
        request.not_before_us,
        request.outcome,
        request.agent_id,
        request.lane,
        request.priority,
        request.deadline_us,
        int(request.once),
        request.hooks,
        None if len(body.inline) >= ASIDE else body.inline,
    )


def response_row(n: int, response: StoredResponse) -> tuple[Any, ...]:
    """In the order of `queries.INSERT_RESPONSE`."""
    body = response.body
    headers = pack_headers(response.headers)
    return (n, response.status, response.reason, headers, body.spool, body.size, response.at_us, body.inline)
