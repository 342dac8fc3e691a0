# SPDX-License-Identifier: Apache-2.0
"""The writes, each a function of one transaction."""

from __future__ import annotations

from collections.abc import Collection

import apsw

from homeport.drivers.journals.sqlite import queries, rows, triggers
from homeport.drivers.journals.sqlite.writer import Batch
from homeport.drivers.requestrow import stored
from homeport.interfaces.journal import Accepted
from homeport.model.request import RequestState, StoredRequest, StoredResponse


def accept(batch: Batch, request: StoredRequest) -> Accepted:
    db = batch.db
    if request.hooks:
        triggers.arm(db)
    if request.key:
        batch.execute(queries.INSERT_KEYED, rows.request_row(request))
        if not db.changes():
            wanted = (request.namespace, request.agent, request.key, request.agent_id)
            (held,) = db.execute(queries.BY_KEY, wanted)
            existing = stored(held)
            return Accepted(existing.id, existing)
    else:
        batch.execute(queries.INSERT, rows.request_row(request))
    if request.state is RequestState.IN_FLIGHT:
        batch.places[request.id] = db.last_insert_rowid()
    if len(request.body.inline) >= rows.ASIDE:
        batch.execute(queries.INSERT_BODY, (db.last_insert_rowid(), request.body.inline))
    batch.moved("", request.state)
    return Accepted(request.id)


def lease(batch: Batch, request_id: str, owner: str, until_us: int) -> StoredRequest | None:
    batch.db.execute(queries.LEASE, (owner, until_us, request_id))
    if not batch.db.changes():
        return None
    batch.moved("pending", "in_flight")
    return get(batch.db, request_id)


def renew(batch: Batch, held: Collection[tuple[str, int]], owner: str, until_us: int) -> set[str]:
    kept: set[str] = set()
    for request_id, fence in held:
        batch.db.execute(queries.RENEW, (until_us, request_id, fence, owner))
        if batch.db.changes():
            kept.add(request_id)
    return kept


def complete(batch: Batch, request_id: str, fence: int, response: StoredResponse) -> bool:
    n = batch.places.pop(request_id, 0)
    if n:
        batch.execute(queries.COMPLETE_AT, (n, request_id, fence))
    if not n or not batch.db.changes():
        row = batch.db.execute(queries.COMPLETE, (request_id, fence)).fetchone()
        if row is None:
            return False
        n = row[0]
    batch.execute(queries.INSERT_RESPONSE, rows.response_row(n, response))
    batch.moved("in_flight", "completed")
    return True


def release(
    batch: Batch,
    request_id: str,
    fence: int,
    state: RequestState,
    outcome: str,
    not_before_us: int,
    attempted: bool,
    response: StoredResponse | None,
) -> bool:
    values = (state.value, not_before_us, outcome, int(not attempted), request_id, fence)
    row = batch.db.execute(queries.RELEASE, values).fetchone()
    if row is None:
        return False
    if response is not None:
        batch.db.execute(queries.INSERT_RESPONSE, rows.response_row(row[0], response))
    batch.moved("in_flight", state.value)
    return True


def abandon(batch: Batch, request_id: str, state: RequestState, outcome: str) -> bool:
    batch.db.execute(queries.ABANDON, (state.value, outcome, request_id))
    if not batch.db.changes():
        return False
    batch.moved("pending", state.value)
    return True


def replay(batch: Batch, request_id: str) -> StoredRequest | None:
    row = batch.db.execute(queries.FINISHED, (request_id,)).fetchone()
    if row is None:
        return None
    n, state = row
    batch.db.execute(queries.REPLAY, (n,))
    batch.db.execute(queries.DROP_RESPONSE, (n,))
    batch.moved(state, "pending")
    return get(batch.db, request_id)


def put_note(batch: Batch, name: str, value: bytes) -> None:
    batch.db.execute(queries.PUT_NOTE, (name, value))


def get(db: apsw.Connection, request_id: str) -> StoredRequest | None:
    row = db.execute(queries.BY_ID, (request_id,)).fetchone()
    return None if row is None else stored(row)
