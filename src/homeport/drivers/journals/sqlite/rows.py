# SPDX-License-Identifier: Apache-2.0
"""Records to rows and back."""

from __future__ import annotations

from typing import Any

from homeport.model.request import (
    Body,
    RequestState,
    StoredRequest,
    StoredResponse,
    pack_headers,
    unpack_headers,
)

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


def stored(row: tuple[Any, ...]) -> StoredRequest:
    """From the columns of `queries._REQUEST`, body, `queries._RESPONSE`, response body, hooks."""
    response = None
    if row[25] is not None:
        response = StoredResponse(
            status=row[25],
            reason=row[26],
            headers=unpack_headers(row[27]),
            body=Body(row[31] or b"", row[28], row[29]),
            at_us=row[30],
        )
    return StoredRequest(
        id=row[1],
        namespace=row[2],
        agent=row[3],
        method=row[4],
        target=row[5],
        headers=unpack_headers(row[6]),
        body=Body(row[24] or b"", row[7], row[8]),
        state=RequestState(row[9]),
        accepted_at_us=row[10],
        key=row[11],
        fingerprint=row[12],
        attempts=row[13],
        fence=row[14],
        lease_owner=row[15],
        lease_until_us=row[16],
        not_before_us=row[17],
        outcome=row[18],
        agent_id=row[19],
        lane=row[20],
        priority=row[21],
        deadline_us=row[22],
        once=bool(row[23]),
        hooks=row[32],
        response=response,
    )
