# SPDX-License-Identifier: Apache-2.0
"""The writes. Many of a kind become one statement; each knows its own part of what that returns.

A batch leaves its number in its transaction. Where the connection was lost before the answer came, the number tells
whether the batch was committed; if so, what each write came to is read from the rows: ids are new, a fence has one
holder, and the holder does one thing with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from homeport.drivers.journals.postgres import rows, statements
from homeport.drivers.journals.postgres.rows import Clocks, Row
from homeport.drivers.journals.postgres.session import Connection
from homeport.errors import HomeportError
from homeport.interfaces.journal import Accepted
from homeport.model.request import Body, RequestState, StoredRequest, StoredResponse

MISSING: Any = object()
"""The statement returned nothing for this one: `resolve` says what that means."""
Returned = Mapping[str, Row]
_SMALL = 1024
_NONE = StoredResponse(0, "", (), Body(), 0)


class Operation:
    """`touches` are what must happen in order; `must`: it cannot be refused while the server is away; `in_lanes`: it
    keeps to the order of lanes."""

    sql: ClassVar[str]
    counted: ClassVar[bool] = True
    must: ClassVar[bool] = False
    in_lanes: ClassVar[bool] = False
    weight = _SMALL
    """About how many bytes it puts into its transaction."""

    def __init__(self, *touches: str) -> None:
        self.touches = touches

    def rows(self, clocks: Clocks) -> list[Row]:
        raise NotImplementedError

    def settle(self, returned: Returned, clocks: Clocks) -> Any:
        """From what the statement returned, by id."""
        raise NotImplementedError

    def resolve(self, connection: Connection, clocks: Clocks, *, again: bool) -> Any:
        """After the commit, where `settle` found nothing; or `again`, where what it returned was lost."""
        raise NotImplementedError

    def _held(self, connection: Connection, clocks: Clocks) -> StoredRequest | None:
        row = connection.execute(statements.BY_ID, (self.touches[0],), binary=True).fetchone()
        return None if row is None else rows.stored(row, clocks)


class Accept(Operation):
    sql = statements.ACCEPT

    def __init__(self, request: StoredRequest) -> None:
        key = ("key", request.namespace, request.agent, request.agent_id, rows.text(request.key))
        super().__init__(request.id, *(["\0".join(key)] if request.key else []))
        self._request = request
        self.weight = _SMALL + len(request.body.inline)

    def rows(self, clocks: Clocks) -> list[Row]:
        return [rows.request_row(self._request, clocks)]

    def settle(self, returned: Returned, clocks: Clocks) -> Any:
        return Accepted(self._request.id) if self._request.id in returned else MISSING

    def resolve(self, connection: Connection, clocks: Clocks, *, again: bool) -> Accepted:
        wanted = self._request
        held = self._held(connection, clocks)
        if held is not None:
            # Ours from before; but if another gateway has taken it up since, it is that one's to answer.
            same = (held.state, held.fence) == (wanted.state, wanted.fence)
            return Accepted(held.id, None if same else held)
        key = (wanted.namespace, wanted.agent, wanted.agent_id, rows.text(wanted.key))
        row = connection.execute(statements.BY_KEY, key, binary=True).fetchone()
        if row is None:
            raise HomeportError("a request was neither written nor found", operation="accept", subject=wanted.id)
        existing = rows.stored(row, clocks)
        return Accepted(existing.id, existing)


class Lease(Operation):
    sql = statements.LEASE
    in_lanes = True

    def __init__(self, request_id: str, owner: str, until_us: int) -> None:
        super().__init__(request_id)
        self._owner, self._until_us = owner, until_us

    def rows(self, clocks: Clocks) -> list[Row]:
        return [(self.touches[0], self._owner, clocks.to_server(self._until_us))]

    def settle(self, returned: Returned, clocks: Clocks) -> Any:
        row = returned.get(self.touches[0])
        return MISSING if row is None else rows.stored(row, clocks)

    def resolve(self, connection: Connection, clocks: Clocks, *, again: bool) -> StoredRequest | None:
        held = self._held(connection, clocks) if again else None
        if held is None or held.state is not RequestState.IN_FLIGHT:
            return None
        return held if (held.lease_owner, held.lease_until_us) == (self._owner, self._until_us) else None


class Renew(Operation):
    sql = statements.RENEW
    counted = False

    def __init__(self, held: Collection[tuple[str, int]], owner: str, until_us: int) -> None:
        self._held_by_us = dict(held)
        super().__init__(*self._held_by_us)
        self._owner, self._until_us = owner, until_us

    def rows(self, clocks: Clocks) -> list[Row]:
        until = clocks.to_server(self._until_us)
        return [(request_id, fence, self._owner, until) for request_id, fence in self._held_by_us.items()]

    def settle(self, returned: Returned, clocks: Clocks) -> set[str]:
        return {request_id for request_id in self._held_by_us if request_id in returned}

    def resolve(self, connection: Connection, clocks: Clocks, *, again: bool) -> set[str]:
        found = connection.execute(statements.HELD, (list(self._held_by_us), self._owner)).fetchall()
        return {request_id for request_id, fence in found if self._held_by_us[request_id] == fence}


class Complete(Operation):
    sql = statements.COMPLETE
    must = True

    def __init__(self, request_id: str, fence: int, response: StoredResponse) -> None:
        super().__init__(request_id)
        self._fence, self._response = fence, response
        self.weight = _SMALL + len(response.body.inline)

    def rows(self, clocks: Clocks) -> list[Row]:
        return [rows.response_row(self.touches[0], self._fence, self._response)]

    def settle(self, returned: Returned, clocks: Clocks) -> Any:
        return True if self.touches[0] in returned else MISSING

    def resolve(self, connection: Connection, clocks: Clocks, *, again: bool) -> bool:
        held = self._held(connection, clocks) if again else None
        return held is not None and (held.state, held.fence) == (RequestState.COMPLETED, self._fence)


class Release(Operation):
    sql = statements.RELEASE
    must = True

    def __init__(
        self,
        request_id: str,
        fence: int,
        state: RequestState,
        outcome: str,
        not_before_us: int,
        *,
        attempted: bool,
        response: StoredResponse | None,
    ) -> None:
        super().__init__(request_id)
        self._fence, self._state, self._response = fence, state, response or _NONE
        self.weight = _SMALL + len(self._response.body.inline)
        self._rest = (rows.text(outcome), not_before_us, int(not attempted))

    def rows(self, clocks: Clocks) -> list[Row]:
        outcome, not_before_us, uncounted = self._rest
        not_before = clocks.to_server(not_before_us)
        last = rows.response_row(self.touches[0], self._fence, self._response)[2:]
        return [(*last, self.touches[0], self._fence, self._state.value, outcome, not_before, uncounted)]

    def settle(self, returned: Returned, clocks: Clocks) -> Any:
        return True if self.touches[0] in returned else MISSING

    def resolve(self, connection: Connection, clocks: Clocks, *, again: bool) -> bool:
        held = self._held(connection, clocks) if again else None
        return held is not None and (held.state, held.fence) == (self._state, self._fence)


class Abandon(Operation):
    sql = statements.ABANDON

    def __init__(self, request_id: str, state: RequestState, outcome: str) -> None:
        super().__init__(request_id)
        self._state, self._outcome = state, rows.text(outcome)

    def rows(self, clocks: Clocks) -> list[Row]:
        return [(self.touches[0], self._state.value, self._outcome)]

    def settle(self, returned: Returned, clocks: Clocks) -> Any:
        return True if self.touches[0] in returned else MISSING

    def resolve(self, connection: Connection, clocks: Clocks, *, again: bool) -> bool:
        held = self._held(connection, clocks) if again else None
        return held is not None and (held.state, held.outcome) == (self._state, self._outcome)


class Replay(Operation):
    sql = statements.REPLAY

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)

    def rows(self, clocks: Clocks) -> list[Row]:
        return [(self.touches[0],)]

    def settle(self, returned: Returned, clocks: Clocks) -> Any:
        row = returned.get(self.touches[0])
        return MISSING if row is None else rows.stored(row, clocks)

    def resolve(self, connection: Connection, clocks: Clocks, *, again: bool) -> StoredRequest | None:
        held = self._held(connection, clocks) if again else None
        return held if held is not None and held.state is RequestState.PENDING else None


class PutNote(Operation):
    sql = statements.PUT_NOTE
    counted = False

    def __init__(self, owner: str, name: str, value: bytes) -> None:
        super().__init__(f"note\0{name}")
        self._row = (name, value, owner)
        self.weight = _SMALL + len(value)

    def rows(self, clocks: Clocks) -> list[Row]:
        return [self._row]

    def settle(self, returned: Returned, clocks: Clocks) -> None:
        return None

    def resolve(self, connection: Connection, clocks: Clocks, *, again: bool) -> None:
        return None


def stages(batch: list[Operation]) -> list[list[Operation]]:
    """As few statements as can be: all of a kind in one, but what touches the same thing one after the other."""
    found: list[list[Operation]] = []
    last: dict[str, int] = {}
    for one in batch:
        first = max((last[touched] + 1 for touched in one.touches if touched in last), default=0)
        place = next((n for n in range(first, len(found)) if type(found[n][0]) is type(one)), len(found))
        if place == len(found):
            found.append([])
        found[place].append(one)
        last.update(dict.fromkeys(one.touches, place))
    return found


def carry_out(connection: Connection, batch: list[Operation], owner: str, clocks: Clocks, *, number: int) -> list[Any]:
    """In one transaction and one journey to the server. The results, in the order of `batch`; errors are psycopg's."""
    work = stages(batch)
    with connection.pipeline():
        connection.execute("BEGIN")
        if lanes := [touched for one in batch if one.in_lanes for touched in one.touches]:
            connection.execute(statements.HOLD_LANES, (lanes,), binary=True)
        cursors = []
        for stage in work:
            columns = [list(column) for column in zip(*(row for one in stage for row in one.rows(clocks)), strict=True)]
            parameters = [*columns, owner] if stage[0].counted else columns
            cursors.append(connection.execute(stage[0].sql, parameters, binary=True))
        if work:
            connection.execute(statements.MARK, (owner, number))
        connection.execute("COMMIT")
    results: dict[int, Any] = {}
    for stage, cursor in zip(work, cursors, strict=True):
        returned = {row[0]: row for row in cursor.fetchall()}
        for one in stage:
            found = one.settle(returned, clocks)
            results[id(one)] = one.resolve(connection, clocks, again=False) if found is MISSING else found
    return [results[id(one)] for one in batch]


def recall(
    connection: Connection, batch: list[Operation], owner: str, clocks: Clocks, *, number: int
) -> list[Any] | None:
    """The results of a batch that was committed under that number with nobody there to hear it; None if it was not.

    The connection must be the one whose lock tells that the former is over.
    """
    row = connection.execute(statements.MARKED, (owner,)).fetchone()
    if row is None or row[0] != number:
        return None
    return [one.resolve(connection, clocks, again=True) for one in batch]
