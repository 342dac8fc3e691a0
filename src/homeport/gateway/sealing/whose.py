# SPDX-License-Identifier: Apache-2.0
"""Whose a piece is: what it is bound to when it is encrypted, so that it opens nowhere else.

Headers that are encrypted as one block say that the body beside them is encrypted too; "" stands for one that is not.
"""

from __future__ import annotations

from homeport.model.request import Headers, StoredRequest, StoredResponse

BLOCK = b"\0sealed-all:"
"""Before the one value that stands for all headers. No header from the wire can begin so."""


def of_request(request_id: str) -> str:
    return request_id + " request"


def of_response(request_id: str) -> str:
    return request_id + " response"


def in_block(headers: Headers) -> bool:
    return len(headers) == 1 and headers[0][1].startswith(BLOCK)


def whose_request(request: StoredRequest) -> str:
    """For `Spool.read` of its body."""
    return of_request(request.id) if in_block(request.headers) else ""


def whose_response(request: StoredRequest, response: StoredResponse) -> str:
    """The same for the body of its answer."""
    return of_response(request.id) if in_block(response.headers) else ""
