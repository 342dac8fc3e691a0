# SPDX-License-Identifier: Apache-2.0
"""Agents whose program is in an image, agents in a base image, and an engine that does not see our folders."""

from __future__ import annotations

import json
import shutil
import sysconfig
from pathlib import Path

import pytest

import homeport
from docker_rig import runtime_on, spec_for
from homeport.drivers.runtimes.docker.images import DockerImages
from homeport.drivers.runtimes.docker.images import Options as ImageOptions
from homeport.errors import HomeportError, NotFound
from homeport.model.workload import Limits, Workload
from homeport.testing.conformance.runtime import exit_of, healthy, heard, printed
from homeport.testing.programs import SCRIPT, program
from homeport.testing.servers.baseimage import base_image
from homeport.testing.servers.engine import DockerEngine, missing


@pytest.fixture
async def images(engine):
    images = DockerImages(ImageOptions(engine.host))
    yield images
    await images.close()


@pytest.fixture
def build(images, engine_image, tmp_path):
    """An image of the suite's program with these lines; its id."""

    async def built(*lines):
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        (context / "agent.py").write_text(SCRIPT)
        text = "\n".join([f"FROM {engine_image}", "COPY agent.py /srv/agent.py", *lines])
        (context / "Dockerfile").write_text(text)
        return (await images.build(context, dockerfile="Dockerfile", tag="homeport-agents-test:1")).id

    return built


def in_image(image, *start, **changes):
    return Workload(start, "", 8000, image=image, runtime="docker", limits=Limits(memory_bytes=96 << 20), **changes)


async def test_an_image_runs_its_own_command_as_its_own_user(engine, build, tmp_path):
    image = await build("USER agent", "WORKDIR /srv", 'ENTRYPOINT ["python3", "agent.py"]', 'CMD ["print", "mine"]')
    async with runtime_on(engine, tmp_path) as runtime:
        started = await runtime.start(spec_for(tmp_path, in_image(image)))
        assert await heard(runtime, "agt_1", 1) == ["mine"]
        assert (await healthy(started.endpoint)).endswith(b"healthy")


@pytest.mark.parametrize("user", ["", "USER agent", "USER 1234:77"])
async def test_a_start_command_replaces_the_images_and_data_are_writable(engine, build, tmp_path, user):
    image = await build(user, 'ENTRYPOINT ["false"]', "ENV WHO=image GREETING=overridden")
    words = ("python3", "/srv/agent.py")
    async with runtime_on(engine, tmp_path) as runtime:
        for number in (1, 2):
            started = await runtime.start(spec_for(tmp_path, in_image(image, *words, "data"), f"agt_1-{number}"))
            await exit_of(runtime, started.instance)
        assert await printed(runtime, "agt_1") == ["1", "2"]
        spec = spec_for(
            tmp_path, in_image(image, *words, "print", "$WHO", "${GREETING}"), "agt_2-1", env={"GREETING": "hello"}
        )
        await runtime.start(spec)
        assert await heard(runtime, "agt_2", 2) == ["image", "hello"]


async def test_an_image_that_is_gone_is_named(engine, tmp_path):
    async with runtime_on(engine, tmp_path) as runtime:
        with pytest.raises(NotFound, match="has no image"):
            await runtime.start(spec_for(tmp_path, in_image("sha256:" + "0" * 64, "true")))
        assert await runtime.list() == []


async def test_an_image_without_a_command_says_so(engine, build, tmp_path):
    image = await build("CMD []", "ENTRYPOINT []")
    async with runtime_on(engine, tmp_path) as runtime:
        with pytest.raises(HomeportError, match="cannot start demo: nothing says how"):
            await runtime.start(spec_for(tmp_path, in_image(image)))


async def test_what_an_image_asks_for_gives_it_no_rights(engine, build, tmp_path):
    """No capability, no way to new ones, nothing of its own to write but /tmp, /run and its data."""
    probe = (
        "import json,os;s=dict(l.split(':',1) for l in open('/proc/self/status'));"
        "w=[p for p in ('/','/srv','/etc','/usr','/tmp','/run',os.environ['HOMEPORT_DATA']) if os.access(p,os.W_OK)];"
        "print(json.dumps([s['CapEff'].strip(),s['CapBnd'].strip(),s['NoNewPrivs'].strip(),s['Seccomp'].strip(),w]))"
    )
    image = await build()
    async with runtime_on(engine, tmp_path) as runtime:
        started = await runtime.start(spec_for(tmp_path, in_image(image, "python3", "-c", probe)))
        await exit_of(runtime, started.instance)
        (line,) = await printed(runtime, "agt_1")
        assert json.loads(line) == ["0" * 16, "0" * 16, "1", "2", ["/tmp", "/run", "/data"]]


async def test_agents_without_an_image_run_in_the_base_image(engine, engine_image, tmp_path):
    async with runtime_on(engine, tmp_path, base=engine_image) as runtime:
        started = await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "print", "here")))
        assert (await healthy(started.endpoint)).endswith(b"healthy")
        assert await heard(runtime, "agt_1", 1) == ["here"]
        look = ("python3", "-c", "import os; print(os.path.exists('/usr/lib/os-release'), os.getcwd())")
        workload = Workload(look, str(tmp_path / "code"), 8000)
        started = await runtime.start(spec_for(tmp_path, workload, "agt_2-1"))
        await exit_of(runtime, started.instance)
        assert await printed(runtime, "agt_2") == ["False /app"]


async def test_a_base_image_that_is_not_there_is_named(engine, tmp_path):
    async with runtime_on(engine, tmp_path, base="homeport-nobody:1") as runtime:
        with pytest.raises(NotFound, match="homeport-nobody"):
            await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "serve")))


@pytest.fixture
def far_engine(tmp_path):
    """One that does not see this test's folders, as an engine in a virtual machine."""
    if reason := missing():
        pytest.skip(reason)
    with DockerEngine(network="host", hidden=tmp_path) as found:
        yield found


async def test_an_engine_that_does_not_see_our_folders_gets_code_and_data_as_volumes(far_engine, tmp_path):
    async with runtime_on(far_engine, tmp_path, base=base_image(far_engine)) as runtime:
        folder = tmp_path / "agents" / "code"
        for number in (1, 2):
            started = await runtime.start(spec_for(tmp_path, program(folder, "data"), f"agt_1-{number}"))
            await exit_of(runtime, started.instance)
        assert await printed(runtime, "agt_1") == ["1", "2"]
        install = Workload(("python3", "-c", "open('installed', 'w').write('by a job')"), str(folder), 8000)
        started = await runtime.start(spec_for(tmp_path, install, "agt_1-9", job=True))
        ended = await exit_of(runtime, started.instance)
        assert ended.exit is not None
        assert ended.exit.code == 0
        again = Workload(("python3", "-c", "print(open('installed').read())"), str(folder), 8000)
        started = await runtime.start(spec_for(tmp_path, again, "agt_1-3"))
        await exit_of(runtime, started.instance)
        assert (await printed(runtime, "agt_1"))[-1] == "by a job"
        assert len(far_engine.docker("volume", "ls", "--quiet").splitlines()) >= 2
        for status in await runtime.list():
            await runtime.forget(status.instance)
        for gone in (folder, tmp_path / "data"):
            shutil.rmtree(gone)
        await runtime.start(spec_for(tmp_path, program(tmp_path / "other", "exit", "0"), "agt_9-1"))
        await exit_of(runtime, "agt_9-1")
        await runtime.forget("agt_9-1")
        left = far_engine.docker("volume", "ls", "--quiet")
        assert "agt_1" not in left


async def test_without_our_folders_and_a_base_it_says_what_to_do(far_engine, tmp_path):
    async with runtime_on(far_engine, tmp_path) as runtime:
        with pytest.raises(HomeportError, match="cannot start demo") as told:
            await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "serve")))
        assert "HOMEPORT_DOCKER_BASE" in told.value.hint


_INSIDE = """
import asyncio, json, sys
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from docker_rig import runtime_on, spec_for
from homeport.testing.conformance.runtime import exit_of, healthy, printed
from homeport.testing.programs import program

class Here:
    host = "unix:///run/docker.sock"

async def main():
    home = Path("/tmp/home")
    async with runtime_on(Here, home) as runtime:
        found = {"confinement": (await runtime.confinement()).enforced}
        one = await runtime.start(spec_for(home, program(home / "code", "serve"), "agt_1-1"))
        two = await runtime.start(spec_for(home, program(home / "code", "serve"), "agt_2-1"))
        found["endpoints"] = [one.endpoint, two.endpoint]
        found["answers"] = [(await healthy(at)).decode()[-7:] for at in (one.endpoint, two.endpoint)]
        host, port = two.endpoint.split(":")[1:]
        dial = await runtime.start(spec_for(home, program(home / "code", "dial", host, port), "agt_3-1"))
        found["reached"] = (await exit_of(runtime, dial.instance)).exit.code == 0
    print("FOUND", json.dumps(found))

asyncio.run(main())
"""


async def test_homeport_in_a_container_shares_a_network_with_each_agent_and_they_share_none(engine, engine_image):
    source = str(Path(homeport.__file__).parent.parent)
    tests = str(Path(__file__).parent.parent)
    site = sysconfig.get_paths()["purelib"]
    shown = [word for path in (source, tests, site) for word in ("-v", f"{path}:{path}:ro")]
    command = ["python3", "-c", _INSIDE, json.dumps([source, tests, site])]
    said = engine.docker("run", "--rm", "-v", f"{engine.socket}:/run/docker.sock", *shown, engine_image, *command)
    (line,) = [line for line in said.splitlines() if line.startswith("FOUND ")]
    found = json.loads(line.removeprefix("FOUND "))
    assert found["answers"] == ["healthy", "healthy"]
    assert all(endpoint.startswith("tcp:10.214.") for endpoint in found["endpoints"])
    assert not found["reached"]
    assert "nobody but Homeport's own container" in " ".join(found["confinement"])
    assert "homeport-" not in engine.docker("network", "ls", "--format", "{{.Name}}", "--filter", "label=homeport.home")
