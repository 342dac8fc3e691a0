# SPDX-License-Identifier: Apache-2.0
"""A home is backed up while it works, and comes up elsewhere as it was."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from homeport.app.backups.restoring import restore
from homeport.app.compose import made, opened
from homeport.model.agent import Agent, Desired
from homeport.model.deployment import Deployment, DeploymentState
from homeport.model.request import RequestState
from homeport.settings import find_paths
from homeport.testing.servers.postgres import PostgresServer
from homes import AGENT, MANIFEST, Home, free_port, wait_until

PASSPHRASE = {"HOMEPORT_BACKUP_PASSPHRASE": "open sesame"}

LEDGER = AGENT.replace(
    "        body = f",
    "        with open(os.environ['HOMEPORT_DATA'] + '/ledger', 'a') as ledger:\n"
    "            ledger.write(self.path + '\\n'); ledger.flush(); os.fsync(ledger.fileno())\n"
    "        body = f",
)
EXACT = MANIFEST.replace("at-least-once", "exact-or-dead")


@contextmanager
def another(home: Home, folder: Path | None = None) -> Iterator[Home]:
    """A home on another machine, as far as one machine has two; its server is ended at the end."""
    folder = folder or home.folder.parent / "elsewhere"
    listen = {f"HOMEPORT_{door}_LISTEN": f"127.0.0.1:{free_port()}" for door in ("API", "GATEWAY")}
    env = {name: value for name, value in home.env.items() if name != "HOMEPORT_DATABASE_URL"}
    new = Home(folder, {**env, **listen, "HOMEPORT_HOME": str(folder)})
    try:
        yield new
    finally:
        new.stop()


@pytest.fixture(params=["files", "postgres"])
def anywhere(home: Home, request: pytest.FixtureRequest) -> Home:
    """A home, with its state in files and in a real database."""
    if request.param == "postgres":
        home.env["HOMEPORT_DATABASE_URL"] = request.getfixturevalue("database")
    return home


def state_of(home: Home, name: str) -> str:
    return str(home.json("inspect", name)["state"])


def test_a_home_moves_to_another_machine_with_all_that_it_knows(anywhere: Home) -> None:
    home = anywhere
    home.run("serve", "--detach")
    home.run("secret", "set", "API_KEY", stdin="sesame-4711")
    code = AGENT.replace('f"{os.getpid()} {self.path}"', 'str(os.environ.get("API_KEY"))')
    home.run("up", str(home.agent(code=code)), "--name", "agent", "--secret", "API_KEY")
    home.run("up", str(home.agent("once", manifest=EXACT)), "--name", "once")
    home.run("up", str(home.agent("stopped")), "--name", "stopped")
    home.run("stop", "stopped")
    waiting = json.loads(home.ask("/later", name="stopped", wait=0)[1])["id"]
    token = home.json("token", "create", "--role", "operator")["text"]
    (once,) = (home.folder / "state/agents").glob(f"{home.json('inspect', 'once')['id']}/data")
    file = home.folder.parent / "backup"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(home.ask, "/slow?10", name="once", method="POST")
        assert wait_until((once / "ledger").exists)
        told = home.json("backup", str(file), **PASSPHRASE)
        assert told["records"]["agent"] == 3 and told["requests"]["pending"] == told["requests"]["in_flight"] == 1
        _goes_on_elsewhere(home, file, once.parent.name, waiting, token)
        assert answer.result()[0] == 200, "the old home went on, too"


def _goes_on_elsewhere(home: Home, file: Path, once: str, waiting: str, token: str) -> None:
    """While the old home still runs, which the new one must not touch."""
    with another(home) as new:
        new.run("restore", str(file), "--into", str(new.folder), **PASSPHRASE)
        new.run("serve", "--detach")
        assert wait_until(lambda: state_of(new, "agent") == state_of(new, "once") == "running")
        assert state_of(new, "stopped") == "stopped"
        assert new.ask("/x")[1] == "sesame-4711", "the secret, given to the same agent"
        assert not new.events("agent.exited"), "no instance of the old machine is said to have crashed"
        assert new.json("status", HOMEPORT_URL=f"http://{new.env['HOMEPORT_API_LISTEN']}", HOMEPORT_TOKEN=token)
        (dead,) = new.json("requests", "list", "--state", "dead")
        assert dead["agent"] == "once" and "in flight when the backup was made" in dead["outcome"]
        ledger = next((new.folder / "state/agents").glob(f"{once}/data/ledger"))
        assert ledger.read_text() == "began\n", "its data is here, and nothing was done twice"
        new.run("start", "stopped")
        assert wait_until(lambda: new.json("requests", "show", waiting)["state"] == "completed")
        new.run("audit", "verify")
        assert "server.restored" in [entry["action"] for entry in new.json("audit", "list")]
        assert new.events("server.restored")
        new.run("remove", "once", "--yes")


def test_every_backup_made_under_load_is_of_one_moment(anywhere: Home) -> None:
    """Requests are answered, agents deployed and removed, and each of the backups holds together."""
    home = anywhere
    home.run("up", str(home.agent(code=LEDGER, manifest=EXACT)), "--name", "agent")
    ended, asked, failures = threading.Event(), [0], list[str]()

    def until_ended(work: Callable[[int], None]) -> threading.Thread:
        def loop() -> None:
            number = 0
            while not ended.is_set():
                try:
                    work(number)
                except (OSError, AssertionError) as error:
                    failures.append(repr(error))
                number += 1

        thread = threading.Thread(target=loop)
        thread.start()
        return thread

    def ask(number: int) -> None:
        asked[0] += 1
        status, _, _ = home.ask(f"/add-{threading.get_ident()}-{number}", method="POST")
        assert status == 200

    def deploy(number: int) -> None:
        home.run("up", str(home.agent("brief")), "--name", "brief", check=False)
        home.run("remove", "brief", "--yes", check=False)

    threads = [until_ended(ask), until_ended(ask), until_ended(ask), until_ended(deploy)]
    files = [home.folder.parent / f"backup-{number}" for number in range(3)]
    for file in files:
        home.run("backup", str(file), **PASSPHRASE)
    ended.set()
    for thread in threads:
        thread.join()
    assert not failures, "nobody noticed that backups were made"
    assert asked[0] > 50
    for file in files:
        paths = find_paths({"HOMEPORT_HOME": str(home.folder.parent / f"from-{file.name}")})
        restore(file, paths, passphrase=PASSPHRASE["HOMEPORT_BACKUP_PASSPHRASE"], said=lambda _: None)
        asyncio.run(_holds_together(paths.state.parent))
    with another(home, home.folder.parent / f"from-{files[-1].name}") as new:
        new.run("serve", "--detach")
        assert wait_until(lambda: state_of(new, "agent") == "running")
        assert wait_until(lambda: not new.json("requests", "list", "--state", "in_flight"))
        assert new.ask("/after")[0] == 200
        done = _ledger(new.folder)
        assert len(done) == len(set(done)), "nothing was done twice"


async def _holds_together(root: Path) -> None:
    """The invariants of `homeport.app.backups`, on a restored home that no server has touched."""
    state = root / "state"
    store = await opened("store", "sqlite", path=state / "state.db")
    journal = made("journal", "sqlite", path=state / "journal.db")
    audit = made(
        "audit",
        "file",
        path=state / "audit.jsonl",
        sealer=made("sealer", "fernet", key_file=root / "config/secrets.key"),
    )
    try:
        agents = [stored.record for stored in await store.list(Agent)]
        for agent in agents:
            removed = agent.desired is Desired.STOPPED
            assert removed or (state / "agents" / agent.workload.code / "main.py").exists(), agent
        machines = json.loads((state / "local-machines.json").read_text())["machines"]
        assert {agent.machine for agent in agents} <= {machine["id"] for machine in machines.values()}
        running = {
            stored.key for stored in await store.list(Deployment) if stored.record.state is DeploymentState.RUNNING
        }
        assert _under_way(state) <= running, "what the engine resumes has a record that somebody follows"
        held = await journal.list("default", limit=10_000)
        unasked = {r.target for r in held if r.state is RequestState.PENDING}
        known = {r.target for r in held}
        done = set(_ledger(root))
        assert done <= known, "what an agent did to its data was asked for by a request that is known"
        assert not done & unasked, "and is not asked for again"
        assert not [r for r in held if r.state is RequestState.IN_FLIGHT]
        assert await audit.verify() > len(agents)
    finally:
        await store.close()
        await journal.close()
        await audit.close()


def _ledger(root: Path) -> list[str]:
    found = list((root / "state/agents").glob("*/data/ledger"))
    return [line for line in found[0].read_text().splitlines() if line.startswith("/add")] if found else []


def _under_way(state: Path) -> set[str]:
    with closing(sqlite3.connect(state / "durable.db")) as connection:
        rows = connection.execute("SELECT workflow_uuid FROM workflow_status WHERE status IN ('PENDING', 'ENQUEUED')")
        return {row[0] for row in rows}


def test_what_a_person_may_do_wrong_is_refused_with_what_to_do(home: Home) -> None:
    file = home.folder.parent / "backup"
    nobody = home.run("backup", str(file), check=False)
    assert nobody.returncode == 1 and "homeport serve --detach" in nobody.stderr and not file.exists()
    home.run("up", str(home.agent()), "--name", "agent")
    plain = home.run("backup", str(file))
    assert "the key is not in the backup" in plain.stderr and "sealed" not in plain.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    again = home.run("backup", str(file), check=False)
    assert again.returncode == 1 and "--force" in again.stderr
    home.run("backup", str(file), "--force", "--with-key", "--volumes", "none")
    assert [path.name for path in file.parent.glob("*.partial")] == []
    unknown = home.run("backup", str(file), "--force", "--volumes", "nobody", check=False)
    assert unknown.returncode == 2 and "homeport list" in unknown.stderr and file.exists()
    remote = home.run(
        "backup", "-", check=False, HOMEPORT_URL=f"http://{home.env['HOMEPORT_API_LISTEN']}",
        HOMEPORT_TOKEN=(home.folder / "config/admin-token").read_text().strip(),
    )  # fmt: skip
    assert remote.returncode == 3 and "local socket" in remote.stderr
    running = home.run("restore", str(file), "--replace", "--yes", check=False)
    assert running.returncode == 1 and "homeport serve --stop" in running.stderr
    shown = home.json("restore", str(file), "--dry-run")
    assert shown["key"] == "clear" and shown["volumes"] == 0 and shown["records"]["agent"] == 1
    assert home.json("backup", "verify", str(file))["sha256"] == shown["sha256"]
    home.run("serve", "--stop")
    there = home.run("restore", str(file), check=False)
    assert there.returncode == 1 and "--into" in there.stderr
    asked = home.run("restore", str(file), "--replace", check=False)
    assert asked.returncode == 2 and "--yes" in asked.stderr
    home.run("restore", str(file), "--replace", "--yes")
    home.run("serve", "--detach")
    assert wait_until(lambda: state_of(home, "agent") == "running")
    assert home.ask("/x")[0] == 200, "the admin token that was there is still the one"


def test_a_backup_goes_through_a_pipe_and_is_cut_off_where_the_server_dies(home: Home) -> None:
    home.run("up", str(home.agent()), "--name", "agent")
    data = next((home.folder / "state/agents").glob("agt_*/data"))
    (data / "large").write_bytes(os.urandom(40 << 20))
    process = home.spawn("backup", "-")
    assert process.stdout is not None
    first = process.stdout.buffer.read(1 << 20)
    home.kill("homeport.serve.server")
    rest = process.stdout.buffer.read()
    process.wait(60)
    assert process.returncode == 1
    (home.folder.parent / "cut").write_bytes(first + rest)
    assert home.run("backup", "verify", str(home.folder.parent / "cut"), check=False).returncode == 1
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()
    assert wait_until(lambda: home.run("status", check=False).returncode == 0)
    home.run("backup", str(home.folder.parent / "whole"))
    assert not list((home.folder / "state").glob("backup-*"))


def test_a_standby_names_the_server_that_can_back_up(home: Home, database: str) -> None:
    home.env |= {"HOMEPORT_DATABASE_URL": database, "HOMEPORT_NODE": "one"}
    home.run("serve", "--detach")
    with another(home) as waiting:
        waiting.env |= {"HOMEPORT_DATABASE_URL": database, "HOMEPORT_NODE": "two"}
        (waiting.folder / "config").mkdir(parents=True)
        for name in ("secrets.key", "admin-token"):
            shutil.copy2(home.folder / "config" / name, waiting.folder / "config" / name)
        waiting.run("serve", "--detach")
        file = home.folder.parent / "backup"
        refused = waiting.run("backup", str(file), "--no-key", check=False)
        assert (
            refused.returncode == 1
            and "a standby of one" in refused.stderr
            and "ask the server on one" in refused.stderr
        )
        assert not file.exists() and not list(file.parent.glob(".backup*"))
        home.run("backup", str(file), "--no-key")
        restoring = home.run("restore", str(file), "--into", str(file.parent / "new"), check=False)
        assert restoring.returncode == 2 and "homeport store copy" in restoring.stderr


def test_a_backup_goes_on_in_another_database(home: Home, postgres: PostgresServer) -> None:
    home.env["HOMEPORT_DATABASE_URL"] = postgres.create_database()
    home.run("up", str(home.agent()), "--name", "agent")
    home.run("stop", "agent")
    waiting = json.loads(home.ask("/later", wait=0)[1])["id"]
    file = home.folder.parent / "backup"
    home.run("backup", str(file), **PASSPHRASE)
    home.run("serve", "--stop")
    with another(home) as new:
        new.run("restore", str(file), "--into", str(new.folder), **PASSPHRASE)
        url = postgres.create_database()
        new.run("store", "copy", str(new.folder), "env:DATABASE", DATABASE=url)
        new.env["HOMEPORT_DATABASE_URL"] = url
        new.run("serve", "--detach")
        new.run("start", "agent")
        assert wait_until(lambda: new.json("requests", "show", waiting)["state"] == "completed")
        new.run("remove", "--all", "--yes")
