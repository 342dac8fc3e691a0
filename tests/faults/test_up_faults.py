# SPDX-License-Identifier: Apache-2.0
"""`up` against the world: processes killed at any moment, full disks, bad sources. It resumes, or nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from homes import MANIFEST, Home, free_port, wait_until

pytestmark = pytest.mark.timeout(180)


def step_seen(home: Home, step: str) -> bool:
    done = home.run("--json", "events", check=False)
    return any(json.loads(line)["message"] == step for line in done.stdout.splitlines())


def exactly_one(home: Home) -> None:
    """One agent that answers, one folder, one code state, one machine: whatever happened before."""
    assert home.ask("/x")[0] == 200
    (folder,) = (home.folder / "state" / "agents").iterdir()
    assert len(list(folder.glob("code-*"))) == 1 and not list(folder.glob(".*"))
    machines = json.loads((home.folder / "state" / "local-machines.json").read_text())
    assert str(machines).count("'id':") == 1, machines


@pytest.mark.parametrize("victim", ["server", "gateway", "keeper"])
@pytest.mark.parametrize("step", ["code", "agent", "ready"])
def test_up_again_after_a_process_was_killed_in_the_middle_ends_with_exactly_one(
    home: Home, victim: str, step: str
) -> None:
    folder = str(home.agent())
    home.run("serve", "--detach")
    process = home.spawn("up", folder, "--name", "agent", "-e", "START_DELAY=1")
    assert wait_until(lambda: step_seen(home, step))
    home.kill(f"homeport.serve.{victim}")
    process.communicate(timeout=90)
    home.run("up", folder, "--name", "agent", "-e", "START_DELAY=1", timeout=120)
    assert wait_until(lambda: home.json("inspect", "agent")["state"] == "running")
    exactly_one(home)


def test_a_keeper_killed_while_it_installs_fails_nothing(home: Home) -> None:
    """Its server dies with it; until then it must not have given up what the next one goes on with."""
    folder = home.agent(manifest=MANIFEST + "install: requirements.txt\n")
    (folder / "requirements.txt").write_text("# none\n")
    home.run("serve", "--detach")
    keeper = home.json("status")["pid"]
    begun = home.spawn("up", str(folder), "--name", "agent")
    installs = wait_until(lambda: list(home.folder.glob("state/agents/agt_*/job")))
    os.kill(keeper, signal.SIGKILL)
    said = begun.communicate(timeout=90)
    assert installs, said
    assert begun.returncode == 0, said
    assert home.events("deployment.failed") == []
    exactly_one(home)


def test_a_source_that_is_nothing_says_what_would_be_one(home: Home) -> None:
    done = home.run("up", "/no/such/folder", check=False)
    assert done.returncode == 2 and "hint:" in done.stderr
    error = json.loads(home.run("--json", "up", "ext::sh -c id", check=False).stdout)["error"]
    assert error["type"] == "InvalidSource" and error["hint"]
    assert not home.pids("homeport.serve"), "no server is started for a source that cannot be read"


def test_no_start_command_says_what_was_looked_for_and_how_to_tell_it(home: Home, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    done = home.run("up", str(tmp_path), check=False)
    assert done.returncode == 2
    assert "homeport.yaml" in done.stderr and "--start" in done.stderr and "Procfile" in done.stderr


def test_a_port_in_use_is_named_and_nothing_is_left_running(home: Home) -> None:
    import socket

    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        done = home.run("up", str(home.agent()), check=False, HOMEPORT_GATEWAY_LISTEN=f"127.0.0.1:{port}")
    assert done.returncode == 1 and str(port) in done.stderr and "hint:" in done.stderr
    assert wait_until(lambda: not home.pids())


def test_a_second_server_on_one_home_is_refused_and_the_first_goes_on(home: Home) -> None:
    home.run("up", str(home.agent()), "--name", "agent")
    second = home.run("serve", check=False, HOMEPORT_API_LISTEN="127.0.0.1:0", HOMEPORT_GATEWAY_LISTEN="127.0.0.1:0")
    assert second.returncode != 0 and "already" in second.stderr
    assert home.ask("/x")[0] == 200


def test_a_program_that_fails_at_once_is_undone_with_its_last_lines(home: Home) -> None:
    code = "import sys\nprint('no model file', file=sys.stderr)\nsys.exit(4)\n"
    done = home.run("up", str(home.agent(code=code)), "--name", "agent", check=False)
    assert done.returncode == 5
    assert "exited with status 4" in done.stderr and "no model file" in done.stderr
    assert home.json("list") == [] and list((home.folder / "state" / "agents").iterdir()) == []


def test_a_full_disk_refuses_and_recovers_by_itself(home: Home) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    small = home.folder / "state"
    small.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(small)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let us mount a tmpfs")
    try:
        home.run("up", str(home.agent()), "--name", "agent")
        filler = small / "filler"
        with filler.open("wb") as out:
            try:
                while True:
                    out.write(b"x" * 65536)
                    out.flush()
            except OSError:
                pass
        statuses = {status_of(home, f"/fill?{n}") for n in range(30)}
        assert 507 in statuses and statuses <= {200, 507}, statuses
        filler.unlink()
        assert wait_until(lambda: status_of(home, "/x") == 200)
        assert home.json("inspect", "agent")["state"] == "running"
        home.run("serve", "--stop")
        assert wait_until(lambda: not home.pids())
    finally:
        home.stop()
        subprocess.run(["umount", str(small)], check=False)


def status_of(home: Home, path: str) -> int:
    import urllib.error

    try:
        return home.ask(path, method="POST")[0]
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
