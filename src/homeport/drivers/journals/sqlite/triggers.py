# SPDX-License-Identifier: Apache-2.0
"""What notes a change in the outbox, in the transaction of the change: triggers, so that none can be made without it.

They are made with the first request that somebody wants to hear of: where nobody does, no statement looks for one.
"""

from __future__ import annotations

import apsw

# A plus keeps the planner from an index that would walk all of a webhook: those of one request are few.
_NOTE = """
INSERT INTO outbox (id, hook, request, namespace, agent, method, target, state, attempts, outcome, at_us,
  not_before_us)
SELECT 'msg_' || lower(hex(randomblob(16))), h.key, NEW.id, NEW.namespace, NEW.agent, NEW.method, NEW.target,
  NEW.state, NEW.attempts, NEW.outcome, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000,
  coalesce((SELECT max(w.not_before_us + 0) FROM outbox w WHERE w.request = NEW.id AND +w.hook = h.key
    AND w.standing = 'waiting'), 0)
FROM json_each(NEW.hooks) h
WHERE instr(h.value, NEW.state) AND h.key NOT IN (SELECT hook FROM stopped_hooks) ORDER BY h.key;
"""
_TRIGGERS = (
    f"""
    CREATE TRIGGER IF NOT EXISTS requests_accepted AFTER INSERT ON requests
    WHEN NEW.hooks <> '' BEGIN {_NOTE} END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS requests_moved AFTER UPDATE OF state ON requests
    WHEN NEW.hooks <> '' AND NEW.state <> OLD.state BEGIN {_NOTE} END
    """,
    # The answer's status comes with its row, just after the change.
    """
    CREATE TRIGGER IF NOT EXISTS responses_kept AFTER INSERT ON responses
    WHEN (SELECT hooks FROM requests WHERE n = NEW.n) <> '' BEGIN
      UPDATE outbox SET status = NEW.status WHERE seq IN (
        SELECT max(o.seq) FROM requests r CROSS JOIN outbox o ON o.request = r.id AND o.state = r.state
        WHERE r.n = NEW.n AND o.standing = 'waiting' GROUP BY +o.hook);
    END
    """,
)


def arm(db: apsw.Connection) -> None:
    """From now on, in this transaction too. Idempotent."""
    for trigger in _TRIGGERS:
        db.execute(trigger)


def disarm(db: apsw.Connection) -> None:
    """What is copied has been told where it happened."""
    for name in ("requests_accepted", "requests_moved", "responses_kept"):
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
