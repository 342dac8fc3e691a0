# SPDX-License-Identifier: Apache-2.0
"""Two homes on one PostgreSQL: one decides, the other waits; machines die, servers die, the database goes away."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cgroups import cgroups
from homeport.testing.servers.postgres import PostgresServer
from homes import MANIFEST, Home, free_port, wait_until

pytestmark = pytest.mark.timeout(240)
OUTAGE_S = float(os.environ.get("HOMEPORT_TEST_OUTAGE_S", "10"))
LONG = 60.0


class Node(Home):
    """One of several homes whose agents have the same ids: processes are told by folder and by control group."""

    @property
    def group(self) -> str:
        place = (self.folder / "state").stat()
        return f"homeport-{place.st_dev:x}-{place.st_ino:x}"

    def pids(self, module: str = "") -> dict[int, str]:
        found = {}
        for pid, command, cgroup in processes():
            mine = self._named(pid) or str(self.folder) in command
            if (mine or self.group in cgroup) and module in command:
                found[pid] = command
        return found

    def programs(self) -> list[int]:
        """The agents' own programs."""
        mine = [(pid, command.split()) for pid, command, cgroup in processes() if self.group in cgroup]
        return [pid for pid, command in mine if command[1:2] == ["main.py"]]

    def _named(self, pid: int) -> bool:
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return f"HOMEPORT_HOME={self.folder}".encode() in environ


def processes() -> Iterator[tuple[int, str, str]]:
    """Process id, command line and control groups of all others that run a program."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if command:
                yield int(entry.name), command, (entry / "cgroup").read_text()
        except OSError:
            continue


@pytest.fixture
def node(compiled: Path, database: str) -> Iterator[Callable[[str], Node]]:
    """Makes homes on one database, each as if on a machine of its own. All share the key of the first."""
    made: list[Node] = []

    def make(name: str) -> Node:
        folder = Path(tempfile.mkdtemp(prefix=f"hp-{name}-"))
        env = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONPYCACHEPREFIX": str(compiled),
            "HOMEPORT_HOME": str(folder / "home"), "HOMEPORT_NODE": name, "HOMEPORT_RUNTIME": "process",
            "HOMEPORT_DATABASE_URL": database,
            "HOMEPORT_API_LISTEN": f"127.0.0.1:{free_port()}",
            "HOMEPORT_GATEWAY_LISTEN": f"127.0.0.1:{free_port()}",
        }  # fmt: skip
        config = folder / "home" / "config"
        config.mkdir(mode=0o700, parents=True)
        if made:
            for file in ("secrets.key", "admin-token"):
                shutil.copy2(made[0].folder / "config" / file, config / file)
        made.append(Node(folder / "home", env))
        return made[-1]

    yield make
    left = []
    for home in made:
        home.stop()
        for pid, command in home.pids().items():
            left.append(command)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    logs = "\n".join(home.log_tail() for home in made)
    places = [(home.folder / "state").stat() for home in made]
    groups = [found for place in places for found in cgroups(f"homeport-{place.st_dev:x}-{place.st_ino:x}")]
    for home in made:
        shutil.rmtree(home.folder.parent, ignore_errors=True)
    assert not left, f"processes outlived their server: {left}\n{logs}"
    assert not groups, "control groups outlived the last server of their home"


@pytest.fixture(autouse=True)
def started_again(postgres: PostgresServer) -> Iterator[None]:
    """The database server is shared with other tests of this worker."""
    yield
    if postgres.runs():
        postgres.resume()
    else:
        postgres.start()


def get(home: Home, path: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """From the management API over TCP with the admin token: status, body, headers."""
    token = (home.folder / "config" / "admin-token").read_text().strip()
    url = f"http://{home.env['HOMEPORT_API_LISTEN']}/v1{path}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=LONG) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), dict(error.headers)


def ready(home: Home) -> dict[str, Any]:
    try:
        return get(home, "/ready")[1]
    except OSError:  # its server is being started again
        return {}


def waits_for(home: Home, holder: str) -> bool:
    """It is a standby of that one, and nothing runs there."""
    told = ready(home)
    return (told.get("role"), told.get("clear"), told.get("holder")) == ("standby", True, holder)


def answers(home: Home, name: str = "agent") -> bool:
    try:
        return home.ask("/x", name=name, wait=5)[0] == 200
    except OSError:
        return False


def state(home: Home, name: str) -> str:
    """Of an agent; "" where there is none or nobody answers."""
    done = home.run("--json", "inspect", name, check=False)
    return str(json.loads(done.stdout).get("state", ""))


def kill_all(home: Node) -> None:
    """The machine loses its power."""
    while pids := home.pids():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def test_a_standby_says_whose_it_is_and_does_nothing(node: Callable[[str], Node]) -> None:
    first = node("a")
    first.run("up", str(first.agent()), "--name", "agent")
    second = node("b")
    second.run("serve", "--detach")
    assert wait_until(lambda: ready(second).get("clear") is True)
    told = ready(second)
    assert (told["ready"], told["role"], told["holder"]) == (False, "standby", "a") and told["since_us"] > 0
    assert get(second, "/health")[0] == 200
    assert (ready(first)["role"], ready(first)["ready"]) == ("holder", True)
    status, body, headers = get(second, "/agents")
    assert status == 503 and "standby of a" in body["error"]["message"] and "a" in body["error"]["hint"]
    assert int(headers["retry-after"]) > 0
    assert "standby of a" in second.json("status")["role"]
    refused = second.run("up", str(second.agent("other")), "--name", "other", check=False)
    assert refused.returncode == 1 and "standby of a" in refused.stderr and "hint:" in refused.stderr
    assert second.programs() == [] and answers(first)


def test_a_machine_dies_and_the_other_takes_over_its_agents_and_its_deployment(node: Callable[[str], Node]) -> None:
    first = node("a")
    first.run("up", str(first.agent()), "--name", "agent")
    first.run("stop", "agent")  # stays stopped, also elsewhere
    first.run("up", str(first.agent("runs")), "--name", "runs")
    slow = first.agent("slow")
    begun = first.spawn("up", str(slow), "--name", "slow", "-e", "START_DELAY=3")
    assert wait_until(lambda: "ready" in first.events("deployment.step_began"), LONG)
    second = node("b")
    second.run("serve", "--detach")
    assert wait_until(lambda: ready(second).get("clear") is True)
    kill_all(first)
    begun.communicate(timeout=LONG)

    assert wait_until(lambda: ready(second).get("role") == "holder", LONG)
    assert wait_until(lambda: state(second, "slow") == "running", LONG)
    assert wait_until(lambda: state(second, "runs") == "running", LONG)
    assert state(second, "agent") == "stopped"
    assert answers(second, "runs") and answers(second, "slow")
    assert len(second.programs()) == 2, "exactly one of each that is wanted"
    assert wait_until(lambda: "slow is running" in second.events("deployment.succeeded"), LONG)

    first.run("serve", "--detach")  # the machine is back
    assert wait_until(lambda: ready(first).get("clear") is True, LONG)
    assert ready(first)["holder"] == "b" and first.programs() == []
    assert answers(second, "runs")


def test_a_deployment_is_taken_over_while_it_installs(node: Callable[[str], Node]) -> None:
    """What the dead server had laid out is not here: it is laid out again before it is worked on."""
    first = node("a")
    first.run("serve", "--detach")
    second = node("b")
    source = first.agent("deps", manifest=MANIFEST + "install: requirements.txt\n")
    (source / "requirements.txt").write_text("# none\n")
    second.run("serve", "--detach")
    assert wait_until(lambda: ready(second).get("clear") is True)
    begun = first.spawn("up", str(source), "--name", "deps", "-e", "START_DELAY=1")
    try:
        assert wait_until(lambda: list(first.folder.glob("state/agents/agt_*/job")), LONG)
    finally:
        kill_all(first)
        begun.communicate(timeout=LONG)
    assert wait_until(lambda: ready(second).get("role") == "holder", LONG)
    assert wait_until(lambda: state(second, "deps") == "running", LONG), second.events()
    assert answers(second, "deps")

    first.run("serve", "--detach")  # the machine is back, and takes away what its keeper left behind
    assert wait_until(lambda: ready(first).get("clear") is True, LONG)
    assert first.programs() == []


def test_a_server_that_dies_alone_keeps_the_claim_and_nothing_moves(node: Callable[[str], Node]) -> None:
    first = node("a")
    first.run("up", str(first.agent()), "--name", "agent")
    second = node("b")
    second.run("serve", "--detach")
    assert wait_until(lambda: ready(second).get("clear") is True)
    before, since = first.programs(), ready(first)["since_us"]
    for _ in range(2):
        killed = first.kill("homeport.serve.server")
        assert wait_until(lambda: killed not in first.pids() and ready(first).get("role") == "holder", LONG)  # noqa: B023
    assert ready(first)["since_us"] == since
    assert ready(second)["role"] == "standby"
    assert first.programs() == before and second.programs() == []
    assert answers(first)


def test_the_database_goes_away_and_comes_back_under_running_agents(
    node: Callable[[str], Node], postgres: PostgresServer
) -> None:
    home = node("a")
    home.run("up", str(home.agent()), "--name", "agent")
    before, server = home.programs(), home.pids("homeport.serve.server")
    postgres.kill()
    ends = time.monotonic() + OUTAGE_S
    time.sleep(0.5)
    status, body, headers = get(home, "/deployments/dep_none")
    assert status == 503 and "database does not answer" in body["error"]["message"] and body["error"]["hint"], body
    assert int(headers["retry-after"]) > 0
    assert home.programs() == before
    time.sleep(max(0.0, ends - time.monotonic()))
    postgres.start()
    assert wait_until(lambda: get(home, "/deployments/dep_none")[0] == 404, LONG)
    assert wait_until(lambda: answers(home), LONG)
    assert home.programs() == before and home.pids("homeport.serve.server") == server, "nothing was restarted"
    home.run("up", str(home.agent("other")), "--name", "other")
    assert home.ask("/x", name="other")[0] == 200
    assert ready(home)["role"] == "holder"


def test_agents_are_seen_and_stopped_while_the_database_is_away(
    node: Callable[[str], Node], postgres: PostgresServer
) -> None:
    home = node("a")
    home.run("up", str(home.agent()), "--name", "agent")
    postgres.kill()
    assert wait_until(lambda: home.json("list")[0]["queue"] is None), "the journal cannot be asked"
    assert "?" in home.run("list").stdout
    home.run("stop", "agent")
    assert state(home, "agent") == "stopped" and home.programs() == []
    postgres.start()
    assert wait_until(lambda: get(home, "/deployments/dep_none")[0] == 404, LONG)
    assert wait_until(lambda: home.json("list")[0]["queue"] == 0, LONG)
    home.run("start", "agent")
    assert wait_until(lambda: answers(home), LONG)


@pytest.mark.parametrize("step", ["code", "ready"])
def test_a_deployment_lives_through_an_outage_of_the_database(
    node: Callable[[str], Node], postgres: PostgresServer, step: str
) -> None:
    home = node("a")
    home.run("up", str(home.agent()), "--name", "agent")
    begun = home.spawn("up", str(home.agent("slow")), "--name", "slow", "-e", "START_DELAY=3")
    assert wait_until(lambda: home.events("deployment.step_began").count(step) == 2, LONG)
    postgres.kill()
    time.sleep(OUTAGE_S / 2)
    postgres.start()
    said = begun.communicate(timeout=LONG)
    assert wait_until(lambda: state(home, "slow") == "running", LONG), said
    assert wait_until(lambda: "slow is running" in home.events("deployment.succeeded"), LONG)
    assert len(home.programs()) == 2


def test_a_server_whose_claim_was_taken_meanwhile_ends_its_agents_and_waits(node: Callable[[str], Node]) -> None:
    first = node("a")
    first.run("up", str(first.agent()), "--name", "agent")
    second = node("b")
    second.run("serve", "--detach")
    assert wait_until(lambda: ready(second).get("clear") is True)
    (hanging,) = first.pids("homeport.serve.server")
    os.kill(hanging, signal.SIGSTOP)
    try:
        assert wait_until(lambda: ready(second).get("role") == "holder", LONG)
        assert wait_until(lambda: state(second, "agent") == "running", LONG)
    finally:
        os.kill(hanging, signal.SIGCONT)
    assert wait_until(lambda: waits_for(first, "b"), LONG)
    assert first.programs() == [] and len(second.programs()) == 1
    assert answers(second)


def test_another_key_is_named_before_anything_is_touched(node: Callable[[str], Node]) -> None:
    first = node("a")
    first.run("serve", "--detach")
    second = node("b")
    (second.folder / "config" / "secrets.key").unlink()
    done = second.run("serve", "--detach", check=False)
    assert done.returncode != 0
    assert "secrets.key" in second.log_tail()
    assert ready(first)["role"] == "holder"
