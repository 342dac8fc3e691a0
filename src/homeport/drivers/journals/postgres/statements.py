# SPDX-License-Identifier: Apache-2.0
"""Every statement of the journal, named. Those that write take many rows at once, as one array a column."""

from __future__ import annotations

from homeport.drivers.requestrow import REQUEST, RESPONSE

ROW = ", ".join([*REQUEST, *(f"response_{name}" for name in RESPONSE)])
_UNREAD = ROW.replace(" body,", " ''::bytea,").replace(" response_body", " ''::bytea")


def _columns(text: str) -> dict[str, str]:
    """Name to type."""
    return dict(column.split() for column in text.split(","))


_ACCEPTED = _columns(
    "id text, namespace text, agent text, method text, target text, headers bytea, body bytea, spool text,"
    " size bigint, state text, accepted_at_us bigint, key text, fingerprint text, attempts bigint, fence bigint,"
    " lease_owner text, lease_until_us bigint, not_before_us bigint, outcome text, agent_id text,"
    " lane text, priority bigint, deadline_us bigint, once boolean, hooks text"
)
_COMPLETED = _columns(
    "id text, fence bigint, response_status bigint, response_reason text, response_headers bytea,"
    " response_spool text, response_size bigint, response_at_us bigint, response_body bytea"
)
_RESPONSE = {name: kind for name, kind in _COMPLETED.items() if name.startswith("response_")}
_RELEASED = _RESPONSE | _columns(
    "id text, fence bigint, state text, outcome text, not_before_us bigint, uncounted bigint"
)
_ABANDONED = _columns("id text, state text, outcome text")
_LEASED = _columns("id text, lease_owner text, lease_until_us bigint")
_RENEWED = _columns("id text, fence bigint, lease_owner text, lease_until_us bigint")
_SET_RESPONSE = ", ".join(f"{name} = g.{name}" for name in _RESPONSE)
_NO_RESPONSE = ", ".join(f"{name} = NULL" for name in _RESPONSE)
# A status of 0 is no answer.
_SET_LAST = _SET_RESPONSE.replace("g.response_status", "nullif(g.response_status, 0)")


def _given(columns: dict[str, str]) -> str:
    arrays = ", ".join(f"%b::{kind}[]" for kind in columns.values())
    return f"unnest({arrays}) AS g ({', '.join(columns)})"


def _counted(moves: str) -> str:
    """The sums kept beside: `moves` gives (state, amount) rows. The last parameter of the statement is the owner."""
    return (
        "INSERT INTO counts AS c (owner, state, n)"
        f" SELECT %b::text, state, sum(amount) FROM ({moves}) AS moves (state, amount)"
        " GROUP BY state HAVING sum(amount) <> 0"
        " ON CONFLICT (owner, state) DO UPDATE SET n = c.n + excluded.n"
    )


def _moving(change: str, moves: str, result: str = "id") -> str:
    """A change whose rows are returned and counted, in one statement."""
    return f"WITH done AS ({change}), counted AS ({_counted(moves)}) SELECT {result} FROM done"


ACCEPT = _moving(
    f"INSERT INTO requests ({', '.join(_ACCEPTED)}) SELECT * FROM {_given(_ACCEPTED)}"
    " ON CONFLICT DO NOTHING RETURNING id, state",
    "SELECT state, 1 FROM done",
)
# Who leases in a lane holds it until the commit: two gateways that look at once do not both see it free.
HOLD_LANES = (
    "SELECT pg_advisory_xact_lock(lane) FROM (SELECT DISTINCT"
    " hashtextextended(namespace || '/' || agent || '/' || lane, 7) AS lane"
    " FROM requests WHERE id = ANY (%b::text[]) AND lane <> '' ORDER BY 1) AS lanes"
)
# Nobody of its lane is in flight, and nobody who waits was accepted before it.
_SAME_LANE = "SELECT FROM requests o WHERE o.namespace = r.namespace AND o.agent = r.agent AND o.lane = r.lane"
_TURN = (
    f"(r.lane = '' OR (NOT EXISTS ({_SAME_LANE} AND o.lane <> '' AND o.state = 'in_flight')"
    f" AND NOT EXISTS ({_SAME_LANE} AND o.lane <> '' AND o.state = 'pending' AND o.n < r.n)))"
)
# Pending → in flight: only one caller can win.
LEASE = _moving(
    "UPDATE requests r SET state = 'in_flight', attempts = r.attempts + 1, fence = r.fence + 1,"
    " lease_owner = g.lease_owner, lease_until_us = g.lease_until_us, not_before_us = 0"
    f" FROM {_given(_LEASED)} WHERE r.id = g.id AND r.state = 'pending' AND {_TURN}"
    f" RETURNING {', '.join(f'r.{name}' for name in ROW.split(', '))}",
    "SELECT 'pending', -1 FROM done UNION ALL SELECT 'in_flight', 1 FROM done",
    ROW,
)
RENEW = (
    "UPDATE requests r SET lease_until_us = g.lease_until_us"
    f" FROM {_given(_RENEWED)} WHERE r.id = g.id AND r.fence = g.fence AND r.lease_owner = g.lease_owner"
    " AND r.state = 'in_flight' RETURNING r.id"
)
# In flight → elsewhere: only by the holder of the current fence. A finished request keeps no lease.
COMPLETE = _moving(
    f"UPDATE requests r SET state = 'completed', lease_owner = '', lease_until_us = 0, outcome = '', {_SET_RESPONSE}"
    f" FROM {_given(_COMPLETED)} WHERE r.id = g.id AND r.fence = g.fence AND r.state = 'in_flight' RETURNING r.id",
    "SELECT 'in_flight', -1 FROM done UNION ALL SELECT 'completed', 1 FROM done",
)
RELEASE = _moving(
    "UPDATE requests r SET state = g.state, lease_owner = '', lease_until_us = 0, not_before_us = g.not_before_us,"
    " outcome = g.outcome, attempts = r.attempts - g.uncounted, "
    f"{_SET_LAST} FROM {_given(_RELEASED)} WHERE r.id = g.id AND r.fence = g.fence AND r.state = 'in_flight'"
    " RETURNING r.id, r.state",
    "SELECT 'in_flight', -1 FROM done UNION ALL SELECT state, 1 FROM done",
)
# Pending → given up.
ABANDON = _moving(
    "UPDATE requests r SET state = g.state, outcome = g.outcome, not_before_us = 0"
    f" FROM {_given(_ABANDONED)} WHERE r.id = g.id AND r.state = 'pending' RETURNING r.id, r.state",
    "SELECT 'pending', -1 FROM done UNION ALL SELECT state, 1 FROM done",
)
# Finished → pending, by a person's wish.
REPLAY = _moving(
    f"UPDATE requests r SET state = 'pending', not_before_us = 0, outcome = '', {_NO_RESPONSE}"
    " FROM (SELECT id, state FROM requests WHERE id = ANY (%b::text[]) AND state IN ('completed', 'failed', 'dead')"
    f" FOR UPDATE) AS old (old_id, old_state) WHERE r.id = old_id"
    f" RETURNING old_state, {', '.join(f'r.{name}' for name in ROW.split(', '))}",
    "SELECT old_state, -1 FROM done UNION ALL SELECT 'pending', 1 FROM done",
    ROW,
)
PUT_NOTE = (
    "INSERT INTO notes (name, value, owner)"
    " SELECT name, value, owner FROM unnest(%b::text[], %b::bytea[], %b::text[]) AS g (name, value, owner)"
    " ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value RETURNING name"
)
MARK = "INSERT INTO batches (owner, n) VALUES (%b, %b) ON CONFLICT (owner) DO UPDATE SET n = excluded.n"
MARKED = "SELECT n FROM batches WHERE owner = %s"

BY_ID = f"SELECT {ROW} FROM requests WHERE id = %s"
BY_KEY = f"SELECT {ROW} FROM requests WHERE namespace = %s AND agent = %s AND agent_id = %s AND key = %s AND key <> ''"
_OF_AGENT = "FROM requests r WHERE state = 'pending' AND namespace = %s AND agent = %s"
# As the index has it, so that nothing is sorted: each level of priority is worth a minute (LEVEL_US).
_URGENT = "(accepted_at_us + priority * 60000000), id"
PENDING = f"SELECT {ROW} {_OF_AGENT} ORDER BY {_URGENT} LIMIT %s"
DUE = (
    f"SELECT {ROW} {_OF_AGENT} AND (not_before_us <= %s OR not_before_us > %s) AND {_TURN} ORDER BY {_URGENT} LIMIT %s"
)
WAITING = f"SELECT count(*) FROM (SELECT {_OF_AGENT} LIMIT %s) AS found"
EXPIRING = f"SELECT {ROW} FROM requests WHERE state = 'pending' AND deadline_us > 0 ORDER BY deadline_us, id LIMIT %s"
INTERRUPTED = (
    f"SELECT {ROW} FROM requests WHERE state = 'in_flight' AND (lease_owner = %s OR lease_until_us < %s)"
    " ORDER BY id LIMIT %s"
)
# Listings do not read bodies.
_LISTED = (
    f"SELECT {_UNREAD} FROM requests WHERE namespace = %(namespace)s"
    " AND (%(agent)s::text = '' OR agent = %(agent)s) AND (%(state)s::text = '' OR state = %(state)s)"
    " AND (%(method)s::text = '' OR method = %(method)s) AND (%(key)s::text = '' OR key = %(key)s)"
    " AND (%(highest)s::bigint = 0 OR response_status BETWEEN %(lowest)s AND %(highest)s)"
    " AND accepted_at_us >= %(since_us)s::bigint AND (%(until_us)s::bigint = 0 OR accepted_at_us < %(until_us)s)"
    " AND (%(after)s::text = '' OR id < %(after)s)"
)
LIST = f"{_LISTED} ORDER BY id DESC LIMIT %(limit)s"
LIST_NEWER = f"{_LISTED} AND id > %(newer)s ORDER BY id LIMIT %(limit)s"
_FINISHED = "state IN ('completed', 'failed', 'dead')"
USAGE = (
    "SELECT namespace, agent, state, count(*), sum(size + coalesce(response_size, 0))::bigint FROM requests"
    " GROUP BY namespace, agent, state"
)
ALL_FINISHED = (
    "SELECT id, namespace, agent, state, accepted_at_us, response_at_us, not_before_us,"
    f" size + coalesce(response_size, 0) FROM requests WHERE id > %s AND {_FINISHED} ORDER BY id LIMIT %s"
)
# In one order, and past what another gateway is forgetting just now.
FORGET = (
    f"WITH chosen AS (SELECT id FROM requests WHERE id = ANY (%b::text[]) AND {_FINISHED} ORDER BY id"
    " FOR UPDATE SKIP LOCKED), done AS (DELETE FROM requests r USING chosen c WHERE r.id = c.id"
    " RETURNING r.state, r.spool, r.response_spool),"
    f" counted AS ({_counted('SELECT state, -1 FROM done')}) SELECT spool, response_spool FROM done"
)
HELD = "SELECT id, fence FROM requests WHERE id = ANY (%s) AND state = 'in_flight' AND lease_owner = %s"
BACKLOG = "SELECT namespace, agent, count(*) FROM requests WHERE state = 'pending' GROUP BY namespace, agent"
QUEUES = (
    "SELECT p.namespace, p.agent, p.requests, r.accepted_at_us FROM (SELECT namespace, agent, count(*) AS requests,"
    " min(id) AS first FROM requests WHERE state = 'pending' GROUP BY namespace, agent) p"
    " JOIN requests r ON r.id = p.first"
)
SIZES = (
    "SELECT relname::text, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r'"
    " AND relnamespace = current_schema()::regnamespace AND relname IN ('requests', 'shelf', 'pieces') ORDER BY 1"
)
COUNTS = "SELECT state, sum(n)::bigint FROM counts GROUP BY state"
GET_NOTE = "SELECT value FROM notes WHERE owner = %s AND name = %s"
NOTES = "SELECT owner, value FROM notes WHERE name = %s"

SHELVE = "INSERT INTO shelf (name, owner, size) VALUES (%s, %s, %s)"
PUT_PIECE = "INSERT INTO pieces (name, n, data) VALUES (%s, %s, %b)"
SHELVED = "SELECT size FROM shelf WHERE name = %s"
GET_PIECE = "SELECT data FROM pieces WHERE name = %s AND n = %s"
HEAD = "SELECT substring(data FROM 1 FOR %s) FROM pieces WHERE name = %s AND n = 0"
UNSHELVE = "DELETE FROM shelf WHERE name = %s"
# Of an owner that has just begun: what no request names was put down for one that was never accepted or answered.
ORPHANS = (
    "SELECT name FROM shelf s WHERE owner = %s AND NOT EXISTS (SELECT FROM requests r"
    " WHERE r.id = split_part(s.name, '.', 1) AND s.name IN (r.spool, coalesce(r.response_spool, '')))"
)
