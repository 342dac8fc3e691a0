# SPDX-License-Identifier: Apache-2.0
"""A gateway that cannot start says why where people look: the keeper's output, which is that of `docker logs` and
`journalctl`, and whoever started it."""

from __future__ import annotations

import socket
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from homeport.drivers.journals.sqlite.schema import MIGRATIONS
from homeport.testing.keepers import RunningKeeper, standin

_HURRIED = """
import sys
import homeport.serve.gateway as gateway
gateway.OPEN_S = 0.2
sys.exit(gateway.main())
"""


def refused(home: Path, **environment: str) -> tuple[str, str]:
    """What whoever started the server was told, and what the keeper printed."""
    children = {"gateway": [sys.executable, "-c", _HURRIED], "server": standin("api")}
    keeper = RunningKeeper(home, children=children, environment=environment)
    told = keeper.start()
    assert keeper.wait() == 1
    assert told.startswith("failed: gateway ended with status ") and "before it was ready, 3 times: " in told, told
    return told, keeper.said()


def journal(home: Path) -> Path:
    state = home / "state"
    state.mkdir(parents=True)
    return state / "journal.db"


def test_a_damaged_journal(tmp_path: Path) -> None:
    journal(tmp_path).write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    told, said = refused(tmp_path)
    assert "journal.db is damaged" in told
    assert "restore a backup" in said
    assert said.count("is damaged") == 3, "each start, and the end"


def test_a_journal_of_a_newer_version(tmp_path: Path) -> None:
    with sqlite3.connect(journal(tmp_path)) as db:
        db.execute("CREATE TABLE x (y)")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    told, said = refused(tmp_path)
    assert "was written by a newer Homeport" in told
    assert "hint: use the newer version" in said


def test_a_database_that_is_away(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://me:s3cret@127.0.0.1:{taken.getsockname()[1]}/nothing"
        began = time.monotonic()
        told, said = refused(tmp_path, HOMEPORT_DATABASE_URL=url)
    assert "the journal does not answer" in told
    assert "the gateway goes on by itself when the database server is back" in said
    assert "s3cret" not in told + said + (tmp_path / "state" / "logs" / "gateway.log").read_text()
    assert time.monotonic() - began < 60


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    journal(tmp_path).with_name("spool").touch()
    assert "File exists" in refused(tmp_path)[0]


def test_a_setting_that_makes_no_sense(tmp_path: Path) -> None:
    told, said = refused(tmp_path, HOMEPORT_RETENTION_COMPLETED="soon")
    assert "soon" in told or "retention" in told.lower(), said


@pytest.mark.parametrize("plane", ["API", "GATEWAY"])
def test_a_port_that_is_taken(tmp_path: Path, plane: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        keeper = RunningKeeper(tmp_path, environment={f"HOMEPORT_{plane}_LISTEN": address})
        assert keeper.start() == ""
        assert keeper.wait() == 1
    assert f"address {address} is already in use" in keeper.said()
    assert "hint: end what holds it" in keeper.said()
