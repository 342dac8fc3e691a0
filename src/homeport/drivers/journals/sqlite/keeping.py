# SPDX-License-Identifier: Apache-2.0
"""How much is kept, what is over, and forgetting it a little at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import apsw

from homeport.drivers.journals.sqlite import queries
from homeport.drivers.journals.sqlite.writer import Batch
from homeport.model.kept import FINISHED, Finished, Forgotten, Usage
from homeport.model.request import RequestState

PART = 20_000
"""Rows that are looked at in one go."""
SLICE_S = 0.002
"""Seconds of the writer that one call of `forget` takes; what a last row takes comes on top."""
_FREE = FINISHED - {RequestState.DEAD}


def usage(db: apsw.Connection) -> dict[tuple[str, str], Usage]:
    found: dict[tuple[str, str], Usage] = {}
    ((last,),) = db.execute(queries.LAST)
    for start in range(0, last, PART):
        for namespace, agent, state, n, size in db.execute(queries.USAGE, (start, start + PART)):
            old = found.get((namespace, agent), Usage())
            firm = state not in _FREE
            found[namespace, agent] = Usage(
                old.requests + n, old.bytes + size, old.firm + n * firm, old.firm_bytes + size * firm
            )
    return found


def finished(db: apsw.Connection, after: str, limit: int) -> list[Finished]:
    return [
        Finished(id, namespace, agent, RequestState(state), accepted, settled, size)
        for id, namespace, agent, state, accepted, settled, size in db.execute(queries.ALL_FINISHED, (after, limit))
    ]


def forget(batch: Batch, ids: Sequence[str]) -> Forgotten:
    end = time.perf_counter() + SLICE_S
    handled, removed, bodies = 0, 0, []
    for request_id in ids:
        if handled and time.perf_counter() > end:
            break
        handled += 1
        row = batch.db.execute(queries.FINISHED, (request_id,)).fetchone()
        if row is None:
            continue
        n, state = row
        named = [*batch.db.execute(queries.FORGET_RESPONSE, (n,))]
        batch.db.execute(queries.FORGET_BODY, (n,))
        named += [*batch.db.execute(queries.FORGET, (n,))]
        bodies += [name for (name,) in named if name]
        batch.moved(state, "")
        removed += 1
    return Forgotten(handled, removed, tuple(bodies))
