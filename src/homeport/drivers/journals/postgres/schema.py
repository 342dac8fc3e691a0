# SPDX-License-Identifier: Apache-2.0
"""Tables of the journal, in a schema of their own. Add migrations to the end, never edit one."""

from __future__ import annotations

from typing import Any

import psycopg

from homeport.errors import HomeportError

SCHEMA = "homeport_journal"
_LOCK = 0x686F_6D65_6A72_6E6C
"""Of the advisory lock that is held while the schema is looked at and changed."""

MIGRATIONS: tuple[str, ...] = (
    # 1: a request and its answer are one row: large values lie in TOAST, which a change of state does not rewrite.
    #    Ids and names compare by their bytes, whatever the database's language.
    """
    CREATE TABLE requests (
      id text COLLATE "C" PRIMARY KEY,
      namespace text COLLATE "C" NOT NULL,
      agent text COLLATE "C" NOT NULL,
      agent_id text COLLATE "C" NOT NULL,
      method text NOT NULL,
      target text NOT NULL,
      headers bytea NOT NULL,
      body bytea NOT NULL,
      spool text NOT NULL,
      size bigint NOT NULL,
      state text NOT NULL,
      accepted_at_us bigint NOT NULL,
      key text COLLATE "C" NOT NULL,
      fingerprint text NOT NULL,
      attempts bigint NOT NULL,
      fence bigint NOT NULL,
      lease_owner text NOT NULL,
      lease_until_us bigint NOT NULL,
      not_before_us bigint NOT NULL,
      outcome text NOT NULL,
      response_status bigint,
      response_reason text,
      response_headers bytea,
      response_spool text,
      response_size bigint,
      response_at_us bigint,
      response_body bytea
    ) WITH (autovacuum_vacuum_scale_factor = 0.05);
    ALTER TABLE requests ALTER body SET STORAGE EXTERNAL, ALTER response_body SET STORAGE EXTERNAL;
    CREATE UNIQUE INDEX requests_key ON requests (namespace, agent, agent_id, key) WHERE key <> '';
    CREATE INDEX requests_pending ON requests (namespace, agent, id) WHERE state = 'pending';
    CREATE INDEX requests_in_flight ON requests (id) WHERE state = 'in_flight';

    -- Each gateway counts in rows of its own, so that none waits for another; the sum over all is the number.
    CREATE TABLE counts (owner text NOT NULL, state text NOT NULL, n bigint NOT NULL, PRIMARY KEY (owner, state))
      WITH (fillfactor = 50);
    -- The last batch of each gateway: one that lost its connection learns whether that was committed.
    CREATE TABLE batches (owner text PRIMARY KEY, n bigint NOT NULL) WITH (fillfactor = 50);
    CREATE TABLE notes (owner text NOT NULL, name text NOT NULL, value bytea NOT NULL, PRIMARY KEY (owner, name));

    -- Large bodies, in pieces.
    CREATE TABLE shelf (name text COLLATE "C" PRIMARY KEY, owner text NOT NULL, size bigint NOT NULL);
    CREATE TABLE pieces (
      name text COLLATE "C" NOT NULL REFERENCES shelf ON DELETE CASCADE,
      n bigint NOT NULL,
      data bytea NOT NULL,
      PRIMARY KEY (name, n)
    );
    ALTER TABLE pieces ALTER data SET STORAGE EXTERNAL;
    """,
    # 2: order, priority and deadlines. `n` counts in the order of acceptance; rows from before have none, and no lane.
    """
    CREATE SEQUENCE accepted;
    ALTER TABLE requests
      ADD lane text COLLATE "C" NOT NULL DEFAULT '',
      ADD priority bigint NOT NULL DEFAULT 1,
      ADD deadline_us bigint NOT NULL DEFAULT 0,
      ADD once boolean NOT NULL DEFAULT false,
      ADD n bigint;
    ALTER TABLE requests ALTER n SET DEFAULT nextval('accepted');
    DROP INDEX requests_pending;
    CREATE INDEX requests_pending ON requests (namespace, agent, priority, id) WHERE state = 'pending';
    CREATE INDEX requests_lane ON requests (namespace, agent, lane, state, n) WHERE lane <> '';
    CREATE INDEX requests_deadline ON requests (deadline_us, id) WHERE state = 'pending' AND deadline_us > 0;
    """,
    # 3: whoever waits rises: a level of priority is worth a minute.
    """
    DROP INDEX requests_pending;
    CREATE INDEX requests_pending ON requests (namespace, agent, (accepted_at_us + priority * 60000000), id)
      WHERE state = 'pending';
    """,
    # 3: who wants to hear of a request's changes, as JSON: {webhook: "completed,failed"}; and what they are to hear.
    #    A trigger, so that no change can be made without it.
    """
    ALTER TABLE requests ADD hooks text NOT NULL DEFAULT '';
    CREATE TABLE outbox (
      seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      id text COLLATE "C" NOT NULL UNIQUE,
      hook text COLLATE "C" NOT NULL,
      request text COLLATE "C" NOT NULL,
      namespace text NOT NULL,
      agent text NOT NULL,
      method text NOT NULL,
      target text NOT NULL,
      state text NOT NULL,
      attempts bigint NOT NULL,
      outcome text NOT NULL,
      status bigint NOT NULL,
      at_us bigint NOT NULL,
      since_us bigint NOT NULL DEFAULT 0,
      standing text NOT NULL DEFAULT 'waiting',
      tries bigint NOT NULL DEFAULT 0,
      not_before_us bigint NOT NULL DEFAULT 0,
      lease_owner text NOT NULL DEFAULT '',
      lease_until_us bigint NOT NULL DEFAULT 0,
      code bigint NOT NULL DEFAULT 0,
      said text NOT NULL DEFAULT '',
      settled_at_us bigint NOT NULL DEFAULT 0
    ) WITH (autovacuum_vacuum_scale_factor = 0.05);
    CREATE INDEX outbox_due ON outbox (hook, not_before_us, seq) WHERE standing = 'waiting';
    CREATE INDEX outbox_order ON outbox (request, hook, seq) WHERE standing = 'waiting';
    CREATE INDEX outbox_hook ON outbox (hook, standing, seq);
    CREATE INDEX outbox_settled ON outbox (seq) WHERE standing <> 'waiting';
    CREATE TABLE stopped_hooks (hook text COLLATE "C" PRIMARY KEY, at_us bigint NOT NULL, why text NOT NULL);

    CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'UPDATE' AND NEW.state = OLD.state THEN
        RETURN NULL;
      END IF;
      INSERT INTO outbox (id, hook, request, namespace, agent, method, target, state, attempts, outcome, status, at_us,
        not_before_us)
      SELECT 'msg_' || md5(concat_ws('/', NEW.id, h.key, NEW.state, NEW.fence, clock_timestamp(), random())), h.key,
        NEW.id, NEW.namespace, NEW.agent, NEW.method, NEW.target, NEW.state, NEW.attempts, NEW.outcome,
        coalesce(NEW.response_status, 0), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
        coalesce((SELECT max(w.not_before_us + 0) FROM outbox w WHERE w.request = NEW.id AND w.hook = h.key
          AND w.standing = 'waiting'), 0)
      FROM json_each_text(NEW.hooks::json) AS h
      WHERE strpos(h.value, NEW.state) > 0 AND NOT EXISTS (SELECT FROM stopped_hooks s WHERE s.hook = h.key)
      ORDER BY h.key;
      RETURN NULL;
    END
    $$;
    CREATE TRIGGER requests_changed AFTER INSERT OR UPDATE OF state ON requests
      FOR EACH ROW WHEN (NEW.hooks <> '') EXECUTE FUNCTION note_change();
    """,
)


def migrate(connection: psycopg.Connection[Any], label: str) -> None:
    """Bring the schema up to date, one process at a time. Raises `HomeportError` for a newer one, and leaves it so."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        found = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.migrations",)).fetchone()
        if found is None or found[0] is None:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            connection.execute("CREATE TABLE migrations (number bigint PRIMARY KEY, at timestamptz DEFAULT now())")
        row = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
        version = int(row[0]) if row else 0
        if version > len(MIGRATIONS):
            raise HomeportError(
                f"the journal in {label} was written by a newer Homeport (schema {version}; this one knows"
                f" {len(MIGRATIONS)})",
                operation="open the journal",
                subject=label,
                hint="use the newer version, or restore the backup made before the upgrade",
            )
        for number in range(version, len(MIGRATIONS)):
            connection.execute(MIGRATIONS[number])
            connection.execute("INSERT INTO migrations (number) VALUES (%s)", (number + 1,))
