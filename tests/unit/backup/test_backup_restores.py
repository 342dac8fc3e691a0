# SPDX-License-Identifier: Apache-2.0
"""What a restore makes of a backup: the same home elsewhere, with nothing of it believed to run."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backup_homes import TOKEN, agent, fingerprint, furnished, kept, make
from homeport.app.backups.restoring import Restored, inspect, restore
from homeport.app.backups.switching import occupied
from homeport.app.backups.taking import BackupWish
from homeport.errors import Conflict, Denied, HomeportError, NotFound
from homeport.model.agent import Agent, AgentState
from homeport.model.codec import from_json
from homeport.model.request import RequestState
from homeport.model.route import RoutingTable
from homeport.model.token import Token
from homeport.settings import Paths, find_paths

SEALED = BackupWish(passphrase="open")


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backups")
    return make(folder / "old", folder / "backup", SEALED)


def elsewhere(tmp_path: Path) -> Paths:
    return find_paths({"HOMEPORT_HOME": str(tmp_path / "new")})


def bring(file: Path, paths: Paths, **options: Any) -> Restored:
    return restore(file, paths, said=lambda _: None, **{"passphrase": "open", **options})


def test_agents_are_there_and_none_is_believed_to_run(backup: Path, tmp_path: Path) -> None:
    told = bring(backup, elsewhere(tmp_path))
    assert (told.agents, told.requests, told.key, told.notes) == (4, 4, "restored", ())

    async def look() -> dict[str, Agent]:
        async with kept(tmp_path / "new") as home:
            return {stored.key: stored.record for stored in await home.store.list(Agent)}

    found = asyncio.run(look())
    states = {name: record.state for name, record in found.items()}
    assert states == {
        "one": AgentState.CREATED, "again": AgentState.CREATED, "three": AgentState.CREATED,
        "two": AgentState.STOPPED,
    }  # fmt: skip
    assert not any(record.endpoint for record in found.values())
    assert {record.incarnation for record in found.values()} == {3}, "the next instance gets a name of its own"
    for record in found.values():
        folder = tmp_path / "new/state/agents"
        assert (folder / record.workload.code / "main.py").exists()
        assert (folder / record.id / "data/ledger").read_text() == f"of {record.name}\n"


def test_requests_in_flight_follow_the_rule_of_their_agent_and_none_goes_to_the_old_home(
    backup: Path, tmp_path: Path
) -> None:
    assert bring(backup, elsewhere(tmp_path)).interrupted == 2

    async def look() -> None:
        async with kept(tmp_path / "new") as home:
            held = {request.id: request for request in await home.journal.list("default")}
            states = {name: request.state for name, request in held.items()}
            assert states == {
                "req_0001": RequestState.PENDING, "req_0002": RequestState.DEAD, "req_0003": RequestState.PENDING,
                "req_0004": RequestState.PENDING,
            }  # fmt: skip
            assert "in flight when the backup was made" in held["req_0002"].outcome
            assert (home.spool.folder / held["req_0004"].body.spool).read_bytes() == b"x" * 300_000
            table = from_json(await home.journal.get_note("routes"), RoutingTable)
            assert [(route.endpoint, route.instance, route.ready) for route in table.routes] == [("", "", False)] * 2

    asyncio.run(look())


def test_secrets_and_tokens_work_and_the_audit_trail_goes_on_and_says_so(backup: Path, tmp_path: Path) -> None:
    bring(backup, elsewhere(tmp_path))

    async def look() -> None:
        async with kept(tmp_path / "new") as home:
            assert await home.secrets.get("default", "API_KEY") == "sesame"
            tokens = [stored.record.sha256 for stored in await home.store.list(Token)]
            assert tokens == [hashlib.sha256(home.paths.admin_token.read_bytes().strip()).hexdigest()]
            assert await home.audit.verify() == 2
            assert [entry.action for entry in await home.audit.entries()] == ["b", "server.restored"]

    asyncio.run(look())
    for path in (tmp_path / "new/config").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_without_the_key_a_restore_says_that_secrets_stay_shut_and_the_trail_still_fits(
    backup: Path, tmp_path: Path
) -> None:
    told = bring(backup, elsewhere(tmp_path), without_key=True)
    assert told.key == "other" and any("secrets cannot be read" in note for note in told.notes)

    async def look() -> None:
        async with kept(tmp_path / "new") as home:
            assert await home.audit.verify() == 2
            with pytest.raises(HomeportError, match="cannot be opened"):
                await home.secrets.get("default", "API_KEY")

    asyncio.run(look())


def test_no_passphrase_or_a_wrong_one_changes_nothing(backup: Path, tmp_path: Path) -> None:
    paths = elsewhere(tmp_path)
    for passphrase in ("", "wrong"):
        with pytest.raises(Denied):
            bring(backup, paths, passphrase=passphrase)
    assert fingerprint(tmp_path / "new") == {"state": ""}


def test_the_key_is_not_in_a_backup_unless_it_was_asked_for(backup: Path, tmp_path: Path) -> None:
    key = (backup.parent / "old/config/secrets.key").read_bytes().strip()
    assert key not in gzip.decompress(backup.read_bytes()), "under the passphrase only"
    without = make(tmp_path / "a", tmp_path / "without")
    key = (tmp_path / "a/config/secrets.key").read_bytes().strip()
    assert key not in gzip.decompress(without.read_bytes()) and TOKEN.encode() not in gzip.decompress(
        without.read_bytes()
    )
    with_key = make(tmp_path / "b", tmp_path / "with", BackupWish(with_key=True))
    assert (tmp_path / "b/config/secrets.key").read_bytes().strip() in gzip.decompress(with_key.read_bytes())
    assert bring(with_key, elsewhere(tmp_path), passphrase="").key == "restored"


def test_a_home_is_only_replaced_when_asked_and_then_wholly(backup: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "new", tmp_path / "other")
    (tmp_path / "new/state/agents/agt_one/data/extra").write_text("x")
    before = fingerprint(tmp_path / "new")
    with pytest.raises(Conflict, match="there is a home already"):
        bring(backup, elsewhere(tmp_path))
    assert fingerprint(tmp_path / "new") == before
    bring(backup, elsewhere(tmp_path), replace=True)
    assert not (tmp_path / "new/state/agents/agt_one/data/extra").exists()
    assert not list((tmp_path / "new").rglob(".restore")) and not list((tmp_path / "new").rglob("*-wal"))
    assert other.exists()


def test_on_the_same_machine_the_key_that_is_there_is_kept_and_opens_everything(tmp_path: Path) -> None:
    file = make(tmp_path / "new", tmp_path / "b")
    told = bring(file, elsewhere(tmp_path), passphrase="", replace=True)
    assert told.key == "kept"

    async def look() -> None:
        async with kept(tmp_path / "new") as home:
            assert await home.secrets.get("default", "API_KEY") == "sesame"
            assert home.paths.admin_token.read_text().strip() == TOKEN, "it is a token of the restored home, too"
            assert await home.audit.verify() == 2

    asyncio.run(look())


def test_a_token_file_that_means_nothing_any_more_goes(backup: Path, tmp_path: Path) -> None:
    paths = elsewhere(tmp_path)
    paths.create()
    paths.admin_token.write_text("hp_of_another_home\n")
    (paths.config / "config.toml").write_text("# mine\n")
    assert occupied(paths) == ["admin-token"]
    bring(backup, paths, without_key=True, replace=True)
    assert not paths.admin_token.exists()
    assert (paths.config / "config.toml").read_text() == 'log_level = "debug"\n'


async def test_volumes_are_taken_by_choice(tmp_path: Path) -> None:
    async with kept(tmp_path / "old") as home:
        await furnished(home)
        await home.write(tmp_path / "b", BackupWish(volumes=("default/one",)))
        with pytest.raises(NotFound, match="'nobody'"):
            await home.write(tmp_path / "c", BackupWish(volumes=("nobody",)))
        assert not list(home.paths.state.glob("backup-*"))
    assert inspect(tmp_path / "b")[0].volumes == ("agt_one",)
    told = await asyncio.to_thread(bring, tmp_path / "b", elsewhere(tmp_path), passphrase="")
    assert any("3 agents begin without their data" in note for note in told.notes)
    assert [path.parent.parent.name for path in (tmp_path / "new").rglob("ledger")] == ["agt_one"]


async def test_data_that_was_kept_of_a_removed_agent_is_kept(tmp_path: Path) -> None:
    async with kept(tmp_path / "old") as home:
        await furnished(home)
        (home.paths.agents / "agt_gone" / "data").mkdir(parents=True)
        (home.paths.agents / "agt_gone" / "data" / "file").write_text("kept")
        await home.write(tmp_path / "b")
    await asyncio.to_thread(bring, tmp_path / "b", elsewhere(tmp_path), passphrase="")
    assert (tmp_path / "new/state/agents/agt_gone/data/file").read_text() == "kept"


async def test_code_that_older_versions_recorded_by_its_path_is_found_in_the_new_home(tmp_path: Path) -> None:
    async with kept(tmp_path / "old") as home:
        await furnished(home)
        one = agent("one")
        old = replace(one, workload=replace(one.workload, code=f"{home.paths.agents}/agt_one/code-1"))
        await home.store.put(old, namespace="default", key="one")
        await home.write(tmp_path / "b")
    await asyncio.to_thread(bring, tmp_path / "b", elsewhere(tmp_path), passphrase="")
    async with kept(tmp_path / "new") as home:
        assert (await home.store.get(Agent, "default", "one")).record.workload.code == "agt_one/code-1"


@pytest.mark.parametrize("code", ["/etc", "agt_one/../../x", "../x"])
async def test_a_record_that_names_code_elsewhere_is_refused(tmp_path: Path, code: str) -> None:
    async with kept(tmp_path / "old") as home:
        one = agent("one")
        await home.add(one)
        await home.store.put(replace(one, workload=replace(one.workload, code=code)), namespace="default", key="one")
        home.durable.register("x", None)
        await home.durable.launch()
        await home.write(tmp_path / "b")
    with pytest.raises(HomeportError, match="outside of the home"):
        await asyncio.to_thread(bring, tmp_path / "b", elsewhere(tmp_path), passphrase="")
    assert fingerprint(tmp_path / "new") == {"config": "", "state": ""}


async def test_what_agents_made_of_their_folders_comes_back_as_it_was(tmp_path: Path) -> None:
    async with kept(tmp_path / "old") as home:
        await furnished(home)
        data = home.paths.agents / "agt_one" / "data"
        (data / "link").symlink_to("/etc/passwd")
        (data / "run").write_text("x")
        (data / "run").chmod(0o4755)
        (data / "closed").mkdir()
        (data / "closed" / "in").write_text("y")
        (data / "closed").chmod(0o500)
        with (data / "holes").open("wb") as file:
            file.truncate(50 << 20)
        await home.write(tmp_path / "b")
    await asyncio.to_thread(bring, tmp_path / "b", elsewhere(tmp_path), passphrase="")
    data = tmp_path / "new/state/agents/agt_one/data"
    assert (data / "link").readlink() == Path("/etc/passwd")
    assert (data / "run").stat().st_mode & 0o7777 == 0o755, "no set-user-id comes out of an archive"
    assert (data / "closed" / "in").read_text() == "y"
    assert (data / "holes").stat().st_size == 50 << 20 and (data / "holes").stat().st_blocks < 4096
