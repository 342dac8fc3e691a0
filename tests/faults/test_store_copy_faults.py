# SPDX-License-Identifier: Apache-2.0
"""A copy whose disk is full, whose server goes away, whose source is damaged: nothing is changed, and it says so."""

from __future__ import annotations

import asyncio
import os
import subprocess

import psycopg
import pytest

from copying import fill
from homeport.app import copying
from homeport.app.copying import copy
from homeport.errors import Conflict, HomeportError, StorageFull, Unavailable
from homeport.interfaces.transfer import Item, Where


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copied") / "state"
    folder.mkdir()
    asyncio.run(fill(folder))
    return folder


@pytest.fixture
def filled(home, database):
    copy(Where(folder=home), Where(url=database))
    return database


def test_on_a_full_disk_the_folder_stays_empty(filled, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        with pytest.raises(StorageFull):
            copy(Where(url=filled), Where(folder=disk / "state"))
        assert {path.name for path in (disk / "state").iterdir()} <= {"durable.lock", "journal.db.lock"}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_goes_away_in_the_middle_leaves_both_places_as_they_were(
    home, filled, tmp_path, postgres, monkeypatch, end
):
    opened = copying.part

    def goes(name, where, *, write=False):
        if name == copying.STEPS and (write or where.url):
            getattr(postgres, end)()
        return opened(name, where, write=write)

    monkeypatch.setattr(copying, "part", goes)
    try:
        with pytest.raises(Unavailable):
            copy(Where(url=filled), Where(folder=tmp_path / "new"))
        postgres.start()
        with pytest.raises(Unavailable):
            copy(Where(folder=home), Where(url=filled), replacing=True)
    finally:
        monkeypatch.undo()
        postgres.start()
    assert not (tmp_path / "new" / "state.db").exists()
    back = copy(Where(url=filled), Where(folder=tmp_path / "new"))
    assert back.made == copy(Where(folder=home), Where(url=filled), dry_run=True, replacing=True).found


def test_a_server_or_another_copy_that_comes_while_it_is_copied_stops_it(home, filled, tmp_path, monkeypatch):
    compare = copying._compare

    def while_it_runs(found, written):
        compare(found, written)
        with pytest.raises(Conflict):
            copy(Where(folder=home), Where(url=filled), replacing=True)
        with pytest.raises(Conflict):
            copy(Where(url=filled), Where(folder=tmp_path / "other"))
        monkeypatch.setattr(copying, "_compare", compare)
        came.append(psycopg.connect(filled, application_name="homeport gateway"))

    came = []
    (tmp_path / "source").mkdir()
    asyncio.run(fill(tmp_path / "source"))
    monkeypatch.setattr(copying, "_compare", while_it_runs)
    with pytest.raises(Conflict, match="homeport gateway"):
        copy(Where(folder=tmp_path / "source"), Where(url=filled), replacing=True)
    came[0].close()
    with psycopg.connect(filled) as connection:
        assert (
            connection.execute("SELECT version_num FROM homeport_store.alembic_version").fetchone()[0] != "half-copied"
        )


def test_what_is_not_written_as_it_was_read_is_not_committed(home, database, monkeypatch):
    opened = copying.part

    class Forgetful:
        def __init__(self, part):
            self._part = part

        def __getattr__(self, name):
            return getattr(self._part, name)

        def put(self, items):
            self._part.put(item for n, item in enumerate(items) if n != 5)

    def forgetful(name, where, *, write=False):
        part = opened(name, where, write=write)
        return Forgetful(part) if write and name == copying.STATE else part

    monkeypatch.setattr(copying, "part", forgetful)
    with pytest.raises(HomeportError, match="not what was read: record event"):
        copy(Where(folder=home), Where(url=database))
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM homeport_store.records").fetchone() == (0,)


@pytest.mark.parametrize("name", ["state.db", "journal.db", "durable.db"])
@pytest.mark.parametrize("damage", ["cut", "other", "gone"])
def test_a_damaged_source_is_an_error_of_ours_and_nothing_is_written(tmp_path, database, name, damage):
    folder = tmp_path / "state"
    folder.mkdir()
    asyncio.run(fill(folder))
    size = (folder / name).stat().st_size
    if damage == "gone":
        (folder / name).unlink()
    elif damage == "cut":
        os.truncate(folder / name, size // 2)
    else:
        (folder / name).write_bytes(b"not a database" * 1000)
    with pytest.raises(HomeportError):
        copy(Where(folder=folder), Where(url=database))
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'homeport_store'").fetchone()
        assert not found or connection.execute("SELECT revision FROM homeport_store.counter").fetchone() == (0,)


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "", "..", "a/b"])
def test_a_body_whose_name_leads_elsewhere_is_refused(tmp_path, name):
    (tmp_path / "state").mkdir()
    part = copying.part(copying.JOURNAL, Where(folder=tmp_path / "state"), write=True)
    with pytest.raises(HomeportError, match="cannot be the name"):
        part.put([Item("large body", {"name": name, "n": 0, "data": b"x"})])
    part.close()
    assert not (tmp_path / "escaped").exists()
