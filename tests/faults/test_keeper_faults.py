# SPDX-License-Identifier: Apache-2.0
"""What people see of the keeper when things are killed, taken, or hostile."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cgroups import cgroups
from homeport.drivers.runtimes.process.client import Options, ProcessRuntime
from homeport.errors import HomeportError, NotFound, Unavailable, UsageError
from homeport.model.instance import InstanceSpec, InstanceState
from homeport.sockets import short_path
from homeport.testing.conformance.runtime import exit_of, healthy, heard, take
from homeport.testing.keepers import RunningKeeper
from homeport.testing.programs import program


@pytest.fixture
def keeper(request, tmp_path):
    """A test asks for one without a sandbox by the parameter "process"."""
    keeper = RunningKeeper(tmp_path / "home", bubblewrap=getattr(request, "param", "sandbox") == "sandbox")
    yield keeper
    if keeper.process is not None:
        keeper.stop()


@pytest.fixture
async def runtime(keeper):
    assert keeper.start() == "ready", keeper.said()
    runtime = ProcessRuntime(Options(keeper.paths.keeper_socket, keeper.paths.logs))
    yield runtime
    await runtime.close()


@pytest.fixture
def spec(tmp_path):
    programs = partial(program, tmp_path / "code")

    def make(kind, *words, agent_id="agt_1", instance="", job=False, **changes):
        data = tmp_path / "data" / agent_id
        data.mkdir(parents=True, exist_ok=True)
        workload = programs(kind, *words, **changes)
        return InstanceSpec(instance or f"ins_{agent_id}", agent_id, "default", "demo", workload, str(data), {}, job)

    return make


def ask(address: str) -> int:
    """The pid of the stand-in that answers; waits in the queue while none runs."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 30) as client:
        client.settimeout(30)
        return int(client.recv(100) or b"0")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(condition, what: str) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def cgroups_of(keeper: RunningKeeper) -> list[Path]:
    state = keeper.paths.state.stat()
    label = f"homeport-{state.st_dev:x}-{state.st_ino:x}"
    return [group for group in cgroups(label) if list(group.glob("*/cgroup.procs"))]


async def connect(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with short_path(Path(path)) as short:
        return await asyncio.open_unix_connection(short)


async def test_a_killed_gateway_restarts_alone_and_clients_wait_instead_of_being_refused(keeper, runtime, spec):
    agent = await runtime.start(spec("serve"))
    before = await runtime.status()
    address = before["listen"]["gateway"]
    stop, seen, refused = threading.Event(), set(), []

    def clients() -> None:
        while not stop.is_set():
            try:
                seen.add(ask(address))
            except ConnectionRefusedError as error:
                refused.append(error)
            except OSError:
                continue  # cut by the death of who had accepted it

    thread = threading.Thread(target=clients)
    thread.start()
    try:
        for _ in range(2):
            pid = ask(address)
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: not alive(pid), "it is gone")
            await asyncio.to_thread(ask, address)
    finally:
        stop.set()
        await asyncio.to_thread(thread.join)
    after = await runtime.status()
    assert refused == []
    assert len(seen) >= 2
    assert after["processes"]["gateway"]["restarts"] == 2
    assert after["processes"]["server"] == before["processes"]["server"]
    assert (await healthy(agent.endpoint)).endswith(b"healthy")
    assert "ended with signal 9" in (keeper.paths.logs / "gateway.log").read_text()


@pytest.mark.parametrize("keeper", ["sandbox", "process"], indirect=True)
async def test_a_killed_keeper_leaves_nothing_and_the_next_one_says_what_was_lost(keeper, runtime, spec):
    running = await runtime.start(spec("serve"))
    forker = await runtime.start(spec("pid", agent_id="agt_2"))
    ended = await runtime.start(spec("exit", "4", agent_id="agt_3"))
    seen = (await exit_of(runtime, ended.instance)).exit
    children = [entry["pid"] for entry in (await runtime.status())["processes"].values()]
    last = max([event.seq for event in await take(runtime.events(), 4)])
    keeper.kill()
    with pytest.raises(Unavailable):
        await runtime.list()
    await until(lambda: not any(map(alive, [running.pid, forker.pid, *children])), "all of it ends")
    following = asyncio.create_task(take(runtime.events(last), 2))

    assert keeper.start() == "ready", keeper.said()
    assert {event.status.instance for event in await following} == {running.instance, forker.instance}
    found = {status.instance: status for status in await runtime.list()}
    assert found[ended.instance].exit == seen
    for name in (running.instance, forker.instance):
        assert found[name].state is InstanceState.EXITED
        assert found[name].exit.lost
        assert (found[name].exit.code, found[name].exit.signal) == (None, None)
    assert list((keeper.paths.runtime / "process" / "sockets").iterdir()) == []
    assert cgroups_of(keeper) == []
    again = await runtime.start(spec("serve", instance="ins_new"))
    assert (await healthy(again.endpoint)).endswith(b"healthy")
    assert (await runtime.start(spec("serve"))).exit.lost, "a known instance is not started twice"


@pytest.mark.parametrize("keeper", ["sandbox", "process"], indirect=True)
async def test_sigterm_ends_children_and_agents_in_order_and_leaves_nothing(keeper, runtime, spec):
    agent = await runtime.start(spec("serve"))
    deaf = await runtime.start(spec("deaf", agent_id="agt_2", stop_grace=0.2))
    await healthy(deaf.endpoint)
    children = [entry["pid"] for entry in (await runtime.status())["processes"].values()]
    assert await asyncio.to_thread(keeper.stop) == 0, keeper.said()
    assert not any(map(alive, [agent.pid, deaf.pid, *children]))
    assert [path.name for path in keeper.paths.runtime.iterdir() if path.is_socket()] == []
    assert cgroups_of(keeper) == []
    assert keeper.start() == "ready"
    found = {status.instance: status.exit.signal for status in await runtime.list()}
    assert found == {agent.instance: 15, deaf.instance: 9}


async def test_shutdown_by_the_socket_is_the_same(keeper, runtime, spec):
    await runtime.start(spec("serve"))
    await runtime.shutdown()
    assert await asyncio.to_thread(keeper.wait) == 0


async def test_a_second_server_on_one_state_folder_names_the_first(keeper, runtime):
    second = RunningKeeper(keeper.home)
    second.errors = keeper.home / "second.err"
    assert second.start() == ""
    assert second.wait() == 1
    assert f"process {keeper.pid}" in second.said()
    assert "hint:" in second.said()
    assert await runtime.list() == []


async def test_a_second_server_is_refused_by_the_state_folder_alone(keeper, runtime, tmp_path):
    second = RunningKeeper(tmp_path / "other")
    second.home.mkdir()
    (second.home / "state").symlink_to(keeper.paths.state)
    assert second.start() == ""
    assert second.wait() == 1
    assert f"process {keeper.pid}" in second.said()


def test_a_port_in_use_is_an_error_with_a_hint_and_leaves_no_socket(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        keeper = RunningKeeper(tmp_path, environment={"HOMEPORT_GATEWAY_LISTEN": address})
        assert keeper.start() == ""
        assert keeper.wait() == 1
    assert f"the gateway address {address} is already in use" in keeper.said()
    assert "--gateway-listen" in keeper.said()
    assert [path for path in keeper.paths.runtime.rglob("*") if path.is_socket()] == []


def test_a_child_that_never_comes_up_fails_the_start_and_says_why(tmp_path):
    keeper = RunningKeeper(tmp_path, children={"server": [sys.executable, "-c", "print('no', 1/0)"]})
    assert keeper.start().startswith("failed: server ended with status 1 before it was ready")
    assert keeper.wait() == 1
    assert "ZeroDivisionError" in (keeper.paths.logs / "server.log").read_text()


async def test_an_exit_nobody_was_there_for_is_still_told(keeper, runtime, spec):
    started = await runtime.start(spec("print", "x"))
    await healthy(started.endpoint)
    await runtime.close()
    os.kill(started.pid, signal.SIGSEGV)
    other = ProcessRuntime(Options(keeper.paths.keeper_socket, keeper.paths.logs))
    try:
        assert (await exit_of(other, started.instance)).exit.signal == signal.SIGSEGV
    finally:
        await other.close()


async def test_a_flood_of_output_starves_nobody_and_stays_bounded(keeper, runtime, spec):
    await runtime.start(spec("noise", agent_id="agt_noise", log_bytes=1 << 20))
    other = await runtime.start(spec("print", "quiet one", agent_id="agt_quiet"))
    assert (await healthy(other.endpoint)).endswith(b"healthy")
    noise = keeper.paths.logs / "agt_noise"
    await until(lambda: (noise / "3.log").exists(), "rotation")
    assert await heard(runtime, "agt_quiet", 1) == ["quiet one"]
    assert size_of(noise) < 5 << 20
    resident = next(
        line for line in Path(f"/proc/{keeper.pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    assert int(resident.split()[1]) < 40_000
    await runtime.stop("ins_agt_noise", grace=0)


HOLD = """
import os, socket
listener, held = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=64), []
print("up", flush=True)
while True:
    held.append(listener.accept()[0])
    held[-1].send(b"hello")
"""


async def test_a_program_that_never_closes_does_not_use_up_the_relay(runtime, spec):
    """Clients that left, at once or after they had ended their side, leave nothing behind in it."""
    wanted = spec("serve")
    Path(wanted.workload.code, "hold.py").write_text(HOLD)
    started = await runtime.start(replace(wanted, workload=replace(wanted.workload, start=("python3", "hold.py"))))
    await heard(runtime, "agt_1", 1)
    relay = Path(f"/proc/{started.pid}/stat").read_text().rpartition(")")[2].split()[1]
    before = len(list(Path(f"/proc/{relay}/fd").iterdir()))
    for number in range(40):
        reader, writer = await connect(started.endpoint.removeprefix("unix:"))
        assert await reader.readexactly(5) == b"hello"
        if number % 2:
            writer.write_eof()
            await asyncio.sleep(0.01)
        writer.close()
    await until(lambda: len(list(Path(f"/proc/{relay}/fd").iterdir())) < before + 4, "the relay to let go")


def size_of(folder: Path) -> int:
    """Of all its files, while they are rotated."""
    while True:
        try:
            return sum(path.stat().st_size for path in folder.iterdir())
        except FileNotFoundError:
            continue  # renamed between the two looks


async def test_a_fork_bomb_stops_at_the_process_limit(runtime, spec):
    confinement = await runtime.confinement()
    if any(word.startswith("process limit") for word in confinement.missing):
        pytest.skip("no process limit can be enforced here: see confinement().missing")
    started = await runtime.start(spec("forks", pids=40))
    async with asyncio.timeout(30), aclosing(runtime.logs("agt_1", follow=True)) as lines:
        text = [line.text async for line in _until(lines, "stopped")][-1]
    assert int(text.split()[1]) <= 44
    ended = await runtime.stop(started.instance, grace=0)
    assert ended.exit.signal == 9


async def _until(lines, word):
    async for line in lines:
        yield line
        if line.text.startswith(word):
            return


async def test_a_refused_connection_of_a_starting_agent_is_closed_and_a_dead_one_refuses(runtime, spec):
    started = await runtime.start(spec("pid"))
    reader, writer = await connect(started.endpoint.removeprefix("unix:"))
    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()
    await runtime.stop(started.instance, grace=0)
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        await connect(started.endpoint.removeprefix("unix:"))


async def test_large_bodies_pass_whole_in_both_directions(runtime, spec):
    started = await runtime.start(spec("serve"))
    await healthy(started.endpoint)
    body = os.urandom(1 << 20) * 8

    async def exchange() -> bytes:
        reader, writer = await connect(started.endpoint.removeprefix("unix:"))
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        answer = await reader.readexactly(len(body))
        writer.close()
        return answer

    async with asyncio.timeout(60):
        assert all(answer == body for answer in await asyncio.gather(exchange(), exchange(), exchange()))


async def test_an_agent_can_be_stopped_while_it_starts(runtime, spec):
    starting = asyncio.create_task(runtime.start(spec("serve")))
    found = None
    async with asyncio.timeout(30):
        while found is None:
            try:
                found = await runtime.stop("ins_agt_1", grace=0)
            except NotFound as error:
                found = error if "before it had started" in str(error) else None
    results = await asyncio.gather(starting, return_exceptions=True)
    if isinstance(found, NotFound):
        assert isinstance(results[0], HomeportError)
        assert await runtime.list() == []
    else:
        assert found.exit.signal == 9


async def test_hostile_requests_to_the_keeper_end_at_most_their_connection(keeper, runtime):
    for line in (
        b"\xff\xfe\n",
        b"[]\n",
        b'{"op": "start"}\n',
        b'{"op": "stop", "instance": {}, "grace": 1}\n',
        b"x" * 99,
    ):
        reader, writer = await connect(str(keeper.paths.keeper_socket))
        writer.write(line)
        writer.write_eof()
        await reader.read()
        writer.close()
    assert await runtime.list() == []


async def test_an_instance_id_that_is_a_path_is_refused(runtime, spec):
    with pytest.raises(UsageError):
        await runtime.start(spec("serve", instance="../../x"))
    with pytest.raises(UsageError):
        await runtime.start(spec("serve", agent_id=".."))


async def test_a_job_writes_into_its_code_folder_and_an_agent_cannot(runtime, spec, tmp_path):
    writes = ("sh", "-c", "echo x > written")
    job = spec("serve", job=True)
    job = replace(job, instance="ins_job", workload=replace(job.workload, start=writes))
    await runtime.start(job)
    assert (await exit_of(runtime, "ins_job")).exit.code == 0
    assert (tmp_path / "code" / "written").read_text() == "x\n"
    if (await runtime.confinement()).level == "sandbox":
        agent = replace(job, instance="ins_agent", job=False)
        await runtime.start(agent)
        assert (await exit_of(runtime, "ins_agent")).exit.code != 0
