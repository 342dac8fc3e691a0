# SPDX-License-Identifier: Apache-2.0
"""The engine is away, dies, comes back, fills its disk; a start is cut off anywhere: nothing is lost or left."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import aclosing
from pathlib import Path

import pytest

from docker_rig import runtime_on, spec_for
from homeport.drivers.runtimes.docker.container import Way, container_name, create_request
from homeport.drivers.runtimes.docker.images import DockerImages
from homeport.drivers.runtimes.docker.images import Options as ImageOptions
from homeport.drivers.runtimes.docker.options import home_id
from homeport.drivers.runtimes.docker.runtime import DockerRuntime, Options
from homeport.errors import HomeportError, StorageFull, Unavailable
from homeport.model.instance import InstanceState
from homeport.model.workload import Workload
from homeport.testing.conformance.runtime import PATIENCE, exit_of, get, healthy, heard, printed
from homeport.testing.programs import program
from homeport.testing.servers.baseimage import base_image
from homeport.testing.servers.engine import DockerEngine, missing


@pytest.fixture(autouse=True)
def _an_engine_can_run():
    if reason := missing():
        pytest.skip(reason)


async def back(runtime):
    """What it knows once the engine answers again."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await runtime.list()
            except Unavailable:
                await asyncio.sleep(0.05)


async def test_without_an_engine_every_call_says_so_and_works_once_there_is_one(broken_engine, tmp_path):
    await asyncio.to_thread(broken_engine.stop)
    spec = spec_for(tmp_path, program(tmp_path / "code", "serve"))
    async with runtime_on(broken_engine, tmp_path) as runtime:
        for call in (runtime.start(spec), runtime.list(), runtime.stop("agt_1-1", grace=0), runtime.forget("agt_1-1")):
            with pytest.raises(Unavailable, match="does not answer"):
                await call
        confinement = await runtime.confinement()
        assert confinement.level == "unknown"
        assert confinement.hint
        await asyncio.to_thread(broken_engine.start)
        await back(runtime)
        started = await runtime.start(spec)
        assert (await healthy(started.endpoint)).endswith(b"healthy")


async def test_agents_of_an_engine_that_was_killed_are_told_as_ended_once_it_is_back(broken_engine, tmp_path):
    """It ends what it finds running."""
    async with runtime_on(broken_engine, tmp_path) as runtime:
        spec = spec_for(tmp_path, program(tmp_path / "code", "serve"))
        started = await runtime.start(spec)
        await healthy(started.endpoint)
        ending = asyncio.create_task(exit_of(runtime, started.instance))
        await asyncio.to_thread(broken_engine.kill)
        assert (await get(started.endpoint)).endswith(b"healthy")  # it runs on without its engine
        with pytest.raises(Unavailable):
            await runtime.stop(started.instance, grace=0)
        await asyncio.to_thread(broken_engine.start)
        ended = await ending
        assert ended.exit is not None
        assert ended.exit.signal in (9, 15)
        assert await back(runtime) == [ended]
        again = await runtime.start(spec_for(tmp_path, spec.workload, "agt_1-2"))
        assert (await healthy(again.endpoint)).endswith(b"healthy")


async def test_how_an_agent_ended_without_its_engine_is_known_once_that_is_back(broken_engine, tmp_path):
    async with runtime_on(broken_engine, tmp_path) as runtime:
        started = await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "wait-for", "exit", "3")))
        await asyncio.to_thread(broken_engine.kill)
        (tmp_path / "data" / "agt_1" / "go").touch()
        async with asyncio.timeout(PATIENCE):
            while Path("/proc", str(started.pid), "exe").is_symlink():
                await asyncio.sleep(0.02)
        await asyncio.to_thread(broken_engine.start)
        ended = await exit_of(runtime, started.instance)
        assert (ended.exit.code, ended.exit.lost) == (3, False)


async def test_an_engine_that_is_stopped_ends_agents_in_order_and_how_is_known(broken_engine, tmp_path):
    async with runtime_on(broken_engine, tmp_path) as runtime:
        started = await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "serve")))
        await healthy(started.endpoint)
        await asyncio.to_thread(broken_engine.stop)
        await asyncio.to_thread(broken_engine.start)
        ended = await exit_of(runtime, started.instance)
        assert ended.exit is not None
        assert ended.exit.signal == 15


async def test_an_engine_that_lets_containers_live_gets_its_agents_back(tmp_path):
    with DockerEngine(network="host", arguments=("--live-restore",)) as engine:
        async with runtime_on(engine, tmp_path) as runtime:
            started = await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "print", "one")))
            await healthy(started.endpoint)
            await asyncio.to_thread(engine.kill)
            assert (await get(started.endpoint)).endswith(b"healthy")
            await asyncio.to_thread(engine.start)
            assert await back(runtime) == [started]
            assert await heard(runtime, "agt_1", 1) == ["one"]
            ended = await runtime.stop(started.instance, grace=20)
            assert ended.exit is not None
            assert ended.exit.signal == 15


async def test_what_ended_while_nobody_listened_is_told_exactly(engine, tmp_path):
    """A server that died and came back finds on the engine how its agents ended meanwhile."""
    options = Options(tmp_path / "docker", tmp_path / "logs", tmp_path, host=engine.host)
    first = DockerRuntime(options)
    for number, words in enumerate((("exit", "137"), ("signal", "11"), ("serve",)), 1):
        workload = program(tmp_path / "code", "wait-for", *words)
        await first.start(spec_for(tmp_path, workload, f"agt_{number}-1"))
    await first.close()
    for number in (1, 2):
        (tmp_path / "data" / f"agt_{number}" / "go").touch()
    async with runtime_on(engine, tmp_path) as second:
        seen = [(await exit_of(second, f"agt_{number}-1")).exit for number in (1, 2)]
        assert [(exit_.code, exit_.signal, exit_.lost) for exit_ in seen] == [(137, None, False), (None, 11, False)]
        found = {status.instance: status.state for status in await second.list()}
        assert found["agt_3-1"] is InstanceState.RUNNING


async def test_events_of_a_server_that_came_back_go_on_where_they_were(engine, tmp_path):
    options = Options(tmp_path / "docker", tmp_path / "logs", tmp_path, host=engine.host)
    first = DockerRuntime(options)
    await first.start(spec_for(tmp_path, program(tmp_path / "code", "serve")))
    await first.close()
    async with runtime_on(engine, tmp_path) as second, asyncio.timeout(PATIENCE):
        await second.stop("agt_1-1", grace=0)
        async with aclosing(second.events(1)) as events:
            event = await anext(events)
        assert (event.seq, event.status.state) == (2, InstanceState.EXITED)


async def test_a_start_cut_off_after_the_create_is_taken_up_with_one_container(engine, tmp_path):
    spec = spec_for(tmp_path, program(tmp_path / "code", "serve"))
    async with runtime_on(engine, tmp_path) as runtime:
        await runtime.list()
        await left_behind(runtime, spec, tmp_path)
        started = await runtime.start(spec)
        assert (await healthy(started.endpoint)).endswith(b"healthy")
        assert len(containers(engine, tmp_path)) == 1


async def test_a_start_cut_off_after_the_engine_had_started_it_is_adopted(engine, tmp_path):
    spec = spec_for(tmp_path, program(tmp_path / "code", "serve"))
    async with runtime_on(engine, tmp_path) as runtime:
        await runtime.list()
        container = await left_behind(runtime, spec, tmp_path)
        engine.docker("start", container)
        started = await runtime.start(spec)
        assert (await healthy(started.endpoint)).endswith(b"healthy")
        assert containers(engine, tmp_path) == [container[:12]]


async def test_a_server_that_starts_again_removes_what_was_never_started_and_adopts_what_was(engine, tmp_path):
    async with runtime_on(engine, tmp_path) as runtime:
        for number in (1, 2):
            spec = spec_for(tmp_path, program(tmp_path / "code", "serve"), f"agt_{number}-1")
            container = await left_behind(runtime, spec, tmp_path)
        engine.docker("start", container)
        (found,) = await runtime.list()
        assert (found.instance, found.state) == ("agt_2-1", InstanceState.RUNNING)
        assert (await healthy(found.endpoint)).endswith(b"healthy")
        assert containers(engine, tmp_path) == [container[:12]]


async def left_behind(runtime, spec, tmp_path):
    """The container that a start makes, as its server left it when it was killed just then; its id."""
    facts = await runtime._facts()
    root = await runtime._roots.root_for(spec, facts)
    request = create_request(spec, root, Way("none", "netns"), home=runtime._home, seccomp="", limits={})
    name = container_name(home_id(Options(tmp_path / "docker", tmp_path / "logs", tmp_path)), spec.instance)
    made = await runtime._connection.call("POST", "containers/create", params={"name": name}, body=request)
    return made["Id"]


def containers(engine, tmp_path):
    home = (tmp_path / "docker" / "home").read_text().split()[0]
    return engine.docker("ps", "--all", "--quiet", "--filter", f"label=homeport.home={home}").splitlines()


async def test_two_servers_that_start_the_same_instance_make_one_container(engine, tmp_path):
    spec = spec_for(tmp_path, program(tmp_path / "code", "serve"))
    async with runtime_on(engine, tmp_path) as one:
        await one.list()
        other = DockerRuntime(Options(tmp_path / "docker", tmp_path / "logs", tmp_path, host=engine.host))
        try:
            found = await asyncio.gather(one.start(spec), other.start(spec), return_exceptions=True)
        finally:
            await other.close()
        assert len(containers(engine, tmp_path)) == 1
        started = [status for status in found if not isinstance(status, BaseException)]
        assert started
        assert all(isinstance(error, HomeportError) for error in found if error not in started)
        assert (await healthy(started[0].endpoint)).endswith(b"healthy")


async def test_a_container_that_somebody_removed_is_told_as_lost(engine, tmp_path):
    async with runtime_on(engine, tmp_path) as runtime:
        started = await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "serve")))
        engine.docker("kill", container_name(runtime._home, started.instance))
        ended = await exit_of(runtime, started.instance)
        assert (ended.exit.signal, ended.exit.lost) == (9, False)
        again = await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "serve"), "agt_1-2"))
        engine.docker("rm", "--force", container_name(runtime._home, again.instance))
        ended = await exit_of(runtime, again.instance)
        assert ended.exit.lost or ended.exit.signal == 9
        await runtime.forget(again.instance)


@pytest.fixture
def small_disk(tmp_path):
    """An engine whose disk holds little more than the base image."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", disk], check=True)
    try:
        with DockerEngine(network="host", data=disk) as engine:
            yield engine
    finally:
        subprocess.run(["umount", disk], check=True)


async def test_a_full_disk_of_the_engine_is_told_and_leaves_nothing(small_disk, tmp_path):
    base = base_image(small_disk)
    images = DockerImages(ImageOptions(small_disk.host))
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {base}\nRUN dd if=/dev/zero of=/large bs=1M count=300\n")
    try:
        with pytest.raises(HomeportError, match=r"(?i)no space left"):
            await images.build(context, dockerfile="Dockerfile", tag="homeport-large:1")
        async with runtime_on(small_disk, tmp_path, base=base) as runtime:
            await runtime.list()
            fill(tmp_path / "disk")
            spec = spec_for(tmp_path, program(tmp_path / "code", "serve"))
            with pytest.raises(StorageFull, match=r"cannot start demo|disk is full"):
                await runtime.start(spec)
            assert await runtime.list() == []
            assert small_disk.docker("ps", "--all", "--quiet") == ""
            (tmp_path / "disk" / "filler").unlink()
            started = await runtime.start(spec)
            assert (await healthy(started.endpoint)).endswith(b"healthy")
    finally:
        await images.close()


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


async def test_what_agents_printed_is_kept_when_they_are_forgotten(engine, tmp_path):
    async with runtime_on(engine, tmp_path) as runtime:
        for number in (1, 2, 3):
            await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "data"), f"agt_1-{number}"))
            await exit_of(runtime, f"agt_1-{number}")
            if number < 3:
                await runtime.forget(f"agt_1-{number}")
        assert await printed(runtime, "agt_1") == ["1", "2", "3"]
        lines = [line async for line in runtime.logs("agt_1")]
        assert [line.stream for line in lines] == ["sys", "out", "sys"] * 3
        assert [line async for line in runtime.logs("agt_1", tail=4)] == lines[-4:]


async def test_a_full_disk_of_ours_stops_new_agents_until_there_is_room(engine, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    await asyncio.to_thread(subprocess.run, ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], check=True)
    try:
        async with runtime_on(engine, disk) as runtime:
            workload = program(tmp_path / "code", "serve")
            first = await runtime.start(spec_for(disk, workload))
            fill(disk)
            ended = await runtime.stop(first.instance, grace=0)  # what runs is tended all the same
            assert ended.exit is not None
            (disk / "data" / "agt_2").mkdir()
            with pytest.raises(StorageFull):
                await runtime.start(spec_for(disk, workload, "agt_2-1"))
            (disk / "filler").unlink()
            started = await runtime.start(spec_for(disk, workload, "agt_2-1"))
            assert (await healthy(started.endpoint)).endswith(b"healthy")
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", disk], check=True)


async def test_an_image_with_an_endless_user_file_is_refused(engine, engine_image, tmp_path):
    images = DockerImages(ImageOptions(engine.host))
    context = tmp_path / "context"
    context.mkdir()
    lines = f"FROM {engine_image}\nRUN dd if=/dev/zero of=/etc/passwd bs=1M count=3\nUSER somebody\n"
    (context / "Dockerfile").write_text(lines)
    try:
        image = await images.build(context, dockerfile="Dockerfile", tag="homeport-passwd-test:1")
        workload = Workload(("true",), "", 8000, image=image.id)
        async with runtime_on(engine, tmp_path) as runtime:
            with pytest.raises(HomeportError, match="cannot start demo"):
                await runtime.start(spec_for(tmp_path, workload))
    finally:
        await images.close()


async def test_a_start_that_was_given_up_can_be_made_again(engine, tmp_path):
    spec = spec_for(tmp_path, program(tmp_path / "code", "serve"))
    async with runtime_on(engine, tmp_path) as runtime:
        await runtime.list()
        for seconds in (0.02, 0.1, 0.3):
            starting = asyncio.create_task(runtime.start(spec))
            await asyncio.wait((starting,), timeout=seconds)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        started = await runtime.start(spec)
        assert (await healthy(started.endpoint)).endswith(b"healthy")
        assert len(containers(engine, tmp_path)) == 1
