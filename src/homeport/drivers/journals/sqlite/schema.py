# SPDX-License-Identifier: Apache-2.0
"""Tables of the journal. `user_version` counts the migrations that were applied; add to the end, never edit."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    # 1: requests, with large bodies aside so that a change of state does not rewrite them.
    """
    CREATE TABLE requests (
      n INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      namespace TEXT NOT NULL,
      agent TEXT NOT NULL,
      method TEXT NOT NULL,
      target TEXT NOT NULL,
      headers BLOB NOT NULL,
      spool TEXT NOT NULL,
      size INTEGER NOT NULL,
      state TEXT NOT NULL,
      accepted_at_us INTEGER NOT NULL,
      key TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      attempts INTEGER NOT NULL,
      fence INTEGER NOT NULL,
      lease_owner TEXT NOT NULL,
      lease_until_us INTEGER NOT NULL,
      not_before_us INTEGER NOT NULL,
      outcome TEXT NOT NULL,
      body BLOB
    ) STRICT;
    CREATE UNIQUE INDEX requests_key ON requests (namespace, agent, key) WHERE key <> '';
    CREATE INDEX requests_pending ON requests (namespace, agent, id) WHERE state = 'pending';
    CREATE INDEX requests_in_flight ON requests (id) WHERE state = 'in_flight';
    CREATE TABLE bodies (n INTEGER PRIMARY KEY REFERENCES requests (n), body BLOB NOT NULL) STRICT;
    CREATE TABLE responses (
      n INTEGER PRIMARY KEY REFERENCES requests (n),
      status INTEGER NOT NULL,
      reason TEXT NOT NULL,
      headers BLOB NOT NULL,
      spool TEXT NOT NULL,
      size INTEGER NOT NULL,
      at_us INTEGER NOT NULL,
      body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE counts (state TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE notes (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    """,
    # 2: whose request it is, so that a new agent does not inherit those of a removed one of its name. '' is not known.
    """
    ALTER TABLE requests ADD COLUMN agent_id TEXT NOT NULL DEFAULT '';
    DROP INDEX requests_key;
    CREATE UNIQUE INDEX requests_key ON requests (namespace, agent, key, agent_id) WHERE key <> '';
    """,
    # 3: order, priority and deadlines.
    """
    ALTER TABLE requests ADD COLUMN lane TEXT NOT NULL DEFAULT '';
    ALTER TABLE requests ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE requests ADD COLUMN deadline_us INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE requests ADD COLUMN once INTEGER NOT NULL DEFAULT 0;
    DROP INDEX requests_pending;
    CREATE INDEX requests_pending ON requests (namespace, agent, priority, id) WHERE state = 'pending';
    CREATE INDEX requests_lane ON requests (namespace, agent, lane, state, n) WHERE lane <> '';
    CREATE INDEX requests_deadline ON requests (deadline_us, id) WHERE state = 'pending' AND deadline_us > 0;
    """,
    # 4: whoever waits rises: a level of priority is worth a minute.
    """
    DROP INDEX requests_pending;
    CREATE INDEX requests_pending ON requests (namespace, agent, accepted_at_us + priority * 60000000, id)
      WHERE state = 'pending';
    """,
    # 4: who wants to hear of a request's changes, as JSON: {webhook: "completed,failed"}; and what they are to hear.
    """
    ALTER TABLE requests ADD COLUMN hooks TEXT NOT NULL DEFAULT '';
    CREATE TABLE outbox (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      hook TEXT NOT NULL,
      request TEXT NOT NULL,
      namespace TEXT NOT NULL,
      agent TEXT NOT NULL,
      method TEXT NOT NULL,
      target TEXT NOT NULL,
      state TEXT NOT NULL,
      attempts INTEGER NOT NULL,
      outcome TEXT NOT NULL,
      status INTEGER NOT NULL DEFAULT 0,
      at_us INTEGER NOT NULL,
      since_us INTEGER NOT NULL DEFAULT 0,
      standing TEXT NOT NULL DEFAULT 'waiting',
      tries INTEGER NOT NULL DEFAULT 0,
      not_before_us INTEGER NOT NULL DEFAULT 0,
      lease_owner TEXT NOT NULL DEFAULT '',
      lease_until_us INTEGER NOT NULL DEFAULT 0,
      code INTEGER NOT NULL DEFAULT 0,
      said TEXT NOT NULL DEFAULT '',
      settled_at_us INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX outbox_due ON outbox (hook, not_before_us, seq) WHERE standing = 'waiting';
    CREATE INDEX outbox_order ON outbox (request, hook, seq) WHERE standing = 'waiting';
    CREATE INDEX outbox_hook ON outbox (hook, standing, seq);
    CREATE INDEX outbox_settled ON outbox (seq) WHERE standing <> 'waiting';
    CREATE TABLE stopped_hooks (hook TEXT PRIMARY KEY, at_us INTEGER NOT NULL, why TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
)
