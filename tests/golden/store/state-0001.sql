-- SPDX-License-Identifier: Apache-2.0
-- A state.db as schema 0001 wrote it, with data. Released: never edit.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE counter (
	id INTEGER NOT NULL CHECK (id = 1), 
	revision INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "counter" VALUES(1,7);
CREATE TABLE records (
	kind TEXT NOT NULL, 
	namespace TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	data TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	PRIMARY KEY (kind, namespace, "key")
);
INSERT INTO "records" VALUES('event','default','evt_1','{"kind":"event","v":1,"data":{"id":"evt_1","at_us":1000,"namespace":"default","type":"agent.started","subject":"billing","message":"it''s snow ☃ 1","data":{"n":1}}}',1);
INSERT INTO "records" VALUES('event','default','evt_2','{"kind":"event","v":1,"data":{"id":"evt_2","at_us":2000,"namespace":"default","type":"agent.started","subject":"billing","message":"it''s snow ☃ 2","data":{"n":2}}}',2);
INSERT INTO "records" VALUES('event','default','evt_3','{"kind":"event","v":1,"data":{"id":"evt_3","at_us":3000,"namespace":"default","type":"agent.started","subject":"billing","message":"it''s snow ☃ 3","data":{"n":3}}}',3);
INSERT INTO "records" VALUES('token','team-b','tok_1','{"kind":"token","v":1,"data":{"id":"tok_1","namespace":"team-b","role":"operator","sha256":"abababababababababababababababababababababababababababababababab","label":"ci","agents":["billing"],"created_at_us":5,"expires_at_us":0,"revoked":false}}',4);
CREATE INDEX records_by_revision ON records (kind, revision);
COMMIT;
