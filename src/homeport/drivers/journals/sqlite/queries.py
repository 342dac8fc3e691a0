# SPDX-License-Identifier: Apache-2.0
"""Every statement of the journal, named."""

from __future__ import annotations

from homeport.drivers.requestrow import REQUEST, RESPONSE


def _whole(body: str, response_body: str) -> str:
    """The columns of `requestrow`, with these expressions for the bodies."""
    request = [body if name == "body" else f"r.{name}" for name in REQUEST]
    return ", ".join([*request, *(response_body if name == "body" else f"s.{name}" for name in RESPONSE)])


_WHOLE = (
    f"SELECT {_whole('COALESCE(r.body, b.body)', 's.body')} FROM requests r"
    " LEFT JOIN bodies b ON b.n = r.n LEFT JOIN responses s ON s.n = r.n"
)

_INSERT = (
    "INSERT INTO requests (id, namespace, agent, method, target, headers, spool, size, state, accepted_at_us, key,"
    " fingerprint, attempts, fence, lease_owner, lease_until_us, not_before_us, outcome, agent_id, lane, priority,"
    " deadline_us, once, hooks, body)"
)
_ROW = "?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25"
INSERT = f"{_INSERT} VALUES ({_ROW})"
# Nothing is inserted where the key is held: by the unique index, or by one from before agents had ids.
INSERT_KEYED = (
    f"{_INSERT} SELECT {_ROW} WHERE NOT EXISTS (SELECT 1 FROM requests WHERE namespace = ?2 AND agent = ?3"
    " AND key = ?11 AND key <> '' AND agent_id = '') ON CONFLICT (namespace, agent, key, agent_id) WHERE key <> ''"
    " DO NOTHING"
)
INSERT_BODY = "INSERT INTO bodies (n, body) VALUES (?, ?)"
BY_KEY = (
    f"{_WHOLE} WHERE r.namespace = ? AND r.agent = ? AND r.key = ? AND r.key <> '' AND r.agent_id IN (?, '')"
    " ORDER BY r.n DESC LIMIT 1"
)
BY_ID = f"{_WHOLE} WHERE r.id = ?"

# Nobody of its lane is in flight, and nobody who waits was accepted before it.
_SAME_LANE = "SELECT 1 FROM requests o WHERE o.namespace = r.namespace AND o.agent = r.agent AND o.lane = r.lane"
_TURN = (
    f"(r.lane = '' OR (NOT EXISTS ({_SAME_LANE} AND o.lane <> '' AND o.state = 'in_flight')"
    f" AND NOT EXISTS ({_SAME_LANE} AND o.lane <> '' AND o.state = 'pending' AND o.n < r.n)))"
)
# Pending → in flight: only one caller can win.
LEASE = (
    "UPDATE requests AS r SET state = 'in_flight', attempts = attempts + 1, fence = fence + 1, lease_owner = ?,"
    " lease_until_us = ?, not_before_us = 0"
    f" WHERE r.id = ? AND r.state = 'pending' AND {_TURN}"
)
RENEW = "UPDATE requests SET lease_until_us = ? WHERE id = ? AND fence = ? AND lease_owner = ? AND state = 'in_flight'"
# In flight → elsewhere: only by the holder of the current fence. A finished request keeps no lease.
COMPLETE = (
    "UPDATE requests SET state = 'completed', lease_owner = '', lease_until_us = 0, outcome = ''"
    " WHERE id = ? AND fence = ? AND state = 'in_flight' RETURNING n"
)
COMPLETE_AT = (
    "UPDATE requests SET state = 'completed', lease_owner = '', lease_until_us = 0, outcome = ''"
    " WHERE n = ? AND id = ? AND fence = ? AND state = 'in_flight'"
)
RELEASE = (
    "UPDATE requests SET state = ?, lease_owner = '', lease_until_us = 0, not_before_us = ?, outcome = ?,"
    " attempts = attempts - ?"
    " WHERE id = ? AND fence = ? AND state = 'in_flight' RETURNING n"
)
# Pending → given up.
ABANDON = "UPDATE requests SET state = ?, outcome = ?, not_before_us = 0 WHERE id = ? AND state = 'pending'"
INSERT_RESPONSE = (
    "INSERT INTO responses (n, status, reason, headers, spool, size, at_us, body) VALUES (?,?,?,?,?,?,?,?)"
)
# Finished → pending, by a person's wish.
FINISHED = "SELECT n, state FROM requests WHERE id = ? AND state IN ('completed', 'failed', 'dead')"
REPLAY = "UPDATE requests SET state = 'pending', not_before_us = 0, outcome = '' WHERE n = ?"
DROP_RESPONSE = "DELETE FROM responses WHERE n = ?"

_OF_AGENT = "WHERE r.state = 'pending' AND r.namespace = ? AND r.agent = ?"
# As the index has it, so that nothing is sorted: each level of priority is worth a minute (LEVEL_US).
_URGENT = "r.accepted_at_us + r.priority * 60000000, r.id"
PENDING = f"{_WHOLE} {_OF_AGENT} ORDER BY {_URGENT} LIMIT ?"
DUE = f"{_WHOLE} {_OF_AGENT} AND (r.not_before_us <= ? OR r.not_before_us > ?) AND {_TURN} ORDER BY {_URGENT} LIMIT ?"
WAITING = f"SELECT count(*) FROM (SELECT 1 FROM requests r {_OF_AGENT} LIMIT ?)"
EXPIRING = f"{_WHOLE} WHERE r.state = 'pending' AND r.deadline_us > 0 ORDER BY r.deadline_us, r.id LIMIT ?"
INTERRUPTED = (
    f"{_WHOLE} WHERE r.state = 'in_flight' AND (r.lease_owner = ? OR r.lease_until_us < ?) ORDER BY r.id LIMIT ?"
)
# NULL body: listings do not read bodies.
_LISTED = (
    f"SELECT {_whole('NULL', 'NULL')} FROM requests r LEFT JOIN responses s ON s.n = r.n"
    " WHERE r.namespace = :namespace AND (:agent = '' OR r.agent = :agent)"
    " AND (:state = '' OR r.state = :state) AND (:method = '' OR r.method = :method)"
    " AND (:key = '' OR r.key = :key) AND (:highest = 0 OR s.status BETWEEN :lowest AND :highest)"
    " AND r.accepted_at_us >= :since_us AND (:until_us = 0 OR r.accepted_at_us < :until_us)"
)
LIST = f"{_LISTED} AND (:after = '' OR r.id < :after) ORDER BY r.id DESC LIMIT :limit"
LIST_NEWER = f"{_LISTED} AND r.id > :newer AND (:after = '' OR r.id < :after) ORDER BY r.id LIMIT :limit"
BACKLOG = "SELECT namespace, agent, count(*) FROM requests WHERE state = 'pending' GROUP BY namespace, agent"
# Over the index of what is pending, then one row for each agent.
QUEUES = (
    "SELECT p.namespace, p.agent, p.requests, r.accepted_at_us FROM (SELECT namespace, agent, count(*) AS requests,"
    " min(id) AS first FROM requests WHERE state = 'pending' GROUP BY namespace, agent) p"
    " JOIN requests r ON r.id = p.first"
)
COUNTS = "SELECT state, n FROM counts"
ADD_COUNT = "INSERT INTO counts (state, n) VALUES (?, ?) ON CONFLICT (state) DO UPDATE SET n = n + excluded.n"
PUT_NOTE = "INSERT INTO notes (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
GET_NOTE = "SELECT value FROM notes WHERE name = ?"
# Each with its id; which of them is in use is a note of another name, and every gateway's own.
KEYS = "SELECT name, value FROM notes WHERE name GLOB 'journal key ?*' ORDER BY name"

LAST = "SELECT coalesce(max(n), 0) FROM requests"
# A part of the whole at a time, so that no reader holds the log for long.
USAGE = (
    "SELECT r.namespace, r.agent, r.state, count(*), sum(r.size + coalesce(s.size, 0)) FROM requests r"
    " LEFT JOIN responses s ON s.n = r.n WHERE r.n > ? AND r.n <= ? GROUP BY 1, 2, 3"
)
ALL_FINISHED = (
    "SELECT r.id, r.namespace, r.agent, r.state, r.accepted_at_us,"
    " max(r.accepted_at_us, r.not_before_us, coalesce(s.at_us, 0)), r.size + coalesce(s.size, 0) FROM requests r"
    " LEFT JOIN responses s ON s.n = r.n WHERE r.id > ? AND r.state IN ('completed', 'failed', 'dead')"
    " ORDER BY r.id LIMIT ?"
)
FORGET_RESPONSE = "DELETE FROM responses WHERE n = ? RETURNING spool"
FORGET_BODY = "DELETE FROM bodies WHERE n = ?"
FORGET = "DELETE FROM requests WHERE n = ? RETURNING spool"
