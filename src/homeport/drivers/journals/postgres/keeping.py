# SPDX-License-Identifier: Apache-2.0
"""How much is kept, what is over, and forgetting it: on connections beside the writing one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homeport.drivers.journals.postgres import statements
from homeport.drivers.journals.postgres.rows import Clocks, Row
from homeport.drivers.journals.postgres.session import Connection
from homeport.model.kept import FINISHED, Finished, Forgotten, Usage
from homeport.model.request import RequestState

SLICE = 200
"""Requests that are forgotten in one transaction."""
_FREE = FINISHED - {RequestState.DEAD}


def usage(rows: Iterable[Row]) -> dict[tuple[str, str], Usage]:
    """From the rows of `statements.USAGE`."""
    found: dict[tuple[str, str], Usage] = {}
    for namespace, agent, state, n, size in rows:
        old = found.get((namespace, agent), Usage())
        firm = state not in _FREE
        found[namespace, agent] = Usage(
            old.requests + n, old.bytes + size, old.firm + n * firm, old.firm_bytes + size * firm
        )
    return found


def finished(rows: Iterable[Row], clocks: Clocks) -> list[Finished]:
    """From the rows of `statements.ALL_FINISHED`."""
    return [
        Finished(
            id=id, namespace=namespace, agent=agent, state=RequestState(state), accepted_at_us=accepted,
            settled_at_us=max(accepted, clocks.to_caller(given_up), answered or 0), bytes=size,
        )
        for id, namespace, agent, state, accepted, answered, given_up, size in rows
    ]  # fmt: skip


def forget(connection: Connection, ids: Sequence[str], owner: str) -> Forgotten:
    """Counted in a row of its own: the writing connection never waits for this one."""
    chosen = list(ids[:SLICE])
    with connection.transaction():
        found = connection.execute(statements.FORGET, (chosen, f"{owner} forgetting"), binary=True).fetchall()
    bodies = tuple(name for row in found for name in row if name)
    return Forgotten(len(chosen), len(found), bodies)
