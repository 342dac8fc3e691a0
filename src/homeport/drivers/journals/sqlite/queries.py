# SPDX-License-Identifier: Apache-2.0
"""Every statement of the journal, named."""

from __future__ import annotations

_REQUEST = (
    "r.n, r.id, r.namespace, r.agent, r.method, r.target, r.headers, r.spool, r.size, r.state, r.accepted_at_us,"
    " r.key, r.fingerprint, r.attempts, r.fence, r.lease_owner, r.lease_until_us, r.not_before_us, r.outcome,"
    " r.agent_id"
)
_RESPONSE = "s.status, s.reason, s.headers, s.spool, s.size, s.at_us"
_WHOLE = (
    f"SELECT {_REQUEST}, COALESCE(r.body, b.body), {_RESPONSE}, s.body FROM requests r"
    " LEFT JOIN bodies b ON b.n = r.n LEFT JOIN responses s ON s.n = r.n"
)

INSERT = (
    "INSERT INTO requests (id, namespace, agent, method, target, headers, spool, size, state, accepted_at_us, key,"
    " fingerprint, attempts, fence, lease_owner, lease_until_us, not_before_us, outcome, agent_id, body)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
INSERT_BODY = "INSERT INTO bodies (n, body) VALUES (?, ?)"
BY_KEY = (
    f"{_WHOLE} WHERE r.namespace = ? AND r.agent = ? AND r.key = ? AND r.key <> '' AND r.agent_id IN (?, '')"
    " ORDER BY r.n DESC LIMIT 1"
)
BY_ID = f"{_WHOLE} WHERE r.id = ?"

# Pending → in flight: only one caller can win.
LEASE = (
    "UPDATE requests SET state = 'in_flight', attempts = attempts + 1, fence = fence + 1, lease_owner = ?,"
    " lease_until_us = ?, not_before_us = 0 WHERE id = ? AND state = 'pending'"
)
RENEW = "UPDATE requests SET lease_until_us = ? WHERE id = ? AND fence = ? AND lease_owner = ? AND state = 'in_flight'"
# In flight → elsewhere: only by the holder of the current fence. A finished request keeps no lease.
COMPLETE = (
    "UPDATE requests SET state = 'completed', lease_owner = '', lease_until_us = 0, outcome = ''"
    " WHERE id = ? AND fence = ? AND state = 'in_flight' RETURNING n"
)
RELEASE = (
    "UPDATE requests SET state = ?, lease_owner = '', lease_until_us = 0, not_before_us = ?, outcome = ?,"
    " attempts = attempts - ?"
    " WHERE id = ? AND fence = ? AND state = 'in_flight'"
)
INSERT_RESPONSE = (
    "INSERT INTO responses (n, status, reason, headers, spool, size, at_us, body) VALUES (?,?,?,?,?,?,?,?)"
)
# Finished → pending, by a person's wish.
FINISHED = "SELECT n, state FROM requests WHERE id = ? AND state IN ('completed', 'failed', 'dead')"
REPLAY = "UPDATE requests SET state = 'pending', not_before_us = 0, outcome = '' WHERE n = ?"
DROP_RESPONSE = "DELETE FROM responses WHERE n = ?"

PENDING = f"{_WHOLE} WHERE r.state = 'pending' AND r.namespace = ? AND r.agent = ? ORDER BY r.id LIMIT ?"
INTERRUPTED = (
    f"{_WHOLE} WHERE r.state = 'in_flight' AND (r.lease_owner = ? OR r.lease_until_us < ?) ORDER BY r.id LIMIT ?"
)
# Newest first; NULL body: listings do not read bodies.
LIST = (
    f"SELECT {_REQUEST}, NULL, {_RESPONSE}, NULL FROM requests r LEFT JOIN responses s ON s.n = r.n"
    " WHERE r.namespace = :namespace AND (:agent = '' OR r.agent = :agent)"
    " AND (:state = '' OR r.state = :state) AND (:after = '' OR r.id < :after) ORDER BY r.id DESC LIMIT :limit"
)
BACKLOG = "SELECT namespace, agent, count(*) FROM requests WHERE state = 'pending' GROUP BY namespace, agent"
COUNTS = "SELECT state, n FROM counts"
ADD_COUNT = "INSERT INTO counts (state, n) VALUES (?, ?) ON CONFLICT (state) DO UPDATE SET n = n + excluded.n"
PUT_NOTE = "INSERT INTO notes (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
GET_NOTE = "SELECT value FROM notes WHERE name = ?"
