-- SPDX-License-Identifier: Apache-2.0
-- A database as schema 0001 writes it to PostgreSQL, with data. Released: never edit.
CREATE SCHEMA homeport_store;
CREATE TABLE homeport_store.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE homeport_store.counter (
    id integer NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT counter_id_check CHECK ((id = 1))
);
CREATE TABLE homeport_store.records (
    kind text NOT NULL COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    data text NOT NULL,
    revision bigint NOT NULL
);
INSERT INTO homeport_store.alembic_version VALUES ('0001');
INSERT INTO homeport_store.counter VALUES (1, 7);
INSERT INTO homeport_store.records VALUES ('event', 'default', 'evt_1', '{"kind":"event","v":1,"data":{"id":"evt_1","at_us":1000,"namespace":"default","type":"agent.started","subject":"billing","message":"it''s snow ☃ 1","data":{"n":1}}}', 1);
INSERT INTO homeport_store.records VALUES ('event', 'default', 'evt_2', '{"kind":"event","v":1,"data":{"id":"evt_2","at_us":2000,"namespace":"default","type":"agent.started","subject":"billing","message":"it''s snow ☃ 2","data":{"n":2}}}', 2);
INSERT INTO homeport_store.records VALUES ('event', 'default', 'evt_3', '{"kind":"event","v":1,"data":{"id":"evt_3","at_us":3000,"namespace":"default","type":"agent.started","subject":"billing","message":"it''s snow ☃ 3","data":{"n":3}}}', 3);
INSERT INTO homeport_store.records VALUES ('token', 'team-b', 'tok_1', '{"kind":"token","v":1,"data":{"id":"tok_1","namespace":"team-b","role":"operator","sha256":"abababababababababababababababababababababababababababababababab","label":"ci","agents":["billing"],"created_at_us":5,"expires_at_us":0,"revoked":false}}', 4);
ALTER TABLE ONLY homeport_store.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY homeport_store.counter
    ADD CONSTRAINT counter_pkey PRIMARY KEY (id);
ALTER TABLE ONLY homeport_store.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (kind, namespace, key);
CREATE INDEX records_by_revision ON homeport_store.records USING btree (kind, revision);
