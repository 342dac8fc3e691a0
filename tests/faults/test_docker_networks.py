# SPDX-License-Identifier: Apache-2.0
"""What agents in containers can reach: only what they should, tried from inside."""

from __future__ import annotations

import socket

import pytest

from docker_rig import HERE, far_listener, runtime_on, spec_for
from homeport.drivers.runtimes.docker.firewall import open_host
from homeport.errors import HomeportError
from homeport.testing.conformance.runtime import exit_of, healthy
from homeport.testing.programs import program


@pytest.fixture
def on_its_machine(engine):
    """This test is where the engine's bridges are, as Homeport on the engine's machine would be."""
    with engine.inside():
        yield


@pytest.fixture
def service(on_its_machine):
    """A service of the machine on all its addresses; its port."""
    with socket.create_server(("0.0.0.0", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def beyond(engine, on_its_machine):
    with far_listener(engine) as address:
        yield address


async def reaches(runtime, tmp_path, instance, host, port, *, network=False):
    workload = program(tmp_path / "code", "dial", host, str(port), network=network)
    started = await runtime.start(spec_for(tmp_path, workload, instance))
    ended = await exit_of(runtime, started.instance)
    return ended.exit.code == 0


def gateway_of(engine, network):
    return engine.docker("network", "inspect", network, "--format", "{{(index .IPAM.Config 0).Subnet}}").replace(
        ".0/20", ".1"
    )


async def test_an_agent_on_the_bridge_answers_and_reaches_no_service_of_the_machine(engine, tmp_path, service):
    async with runtime_on(engine, tmp_path, network="bridge") as runtime:
        started = await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "serve"), "agt_1-1"))
        assert started.endpoint.startswith("tcp:10.213.")
        assert (await healthy(started.endpoint)).endswith(b"healthy")
        name = f"homeport-{runtime._home}"
        host = gateway_of(engine, name)
        assert not await reaches(runtime, tmp_path, "agt_2-1", host, service)
        assert not (await runtime.confinement()).missing


async def test_it_is_our_rule_that_keeps_agents_from_the_machine(engine, engine_image, tmp_path, service):
    """An internal network alone does not, on the engines of today: the tests here would see it."""
    dial = f"import socket; socket.create_connection(('{{}}', {service}), 5)"
    async with runtime_on(engine, tmp_path, network="bridge") as runtime:
        await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "serve"), "agt_1-1"))
        name = f"homeport-{runtime._home}"
        command = ("run", "--rm", "--network", name, engine_image, "python3", "-c")
        with pytest.raises(HomeportError, match="refused"):
            engine.docker(*command, dial.format(gateway_of(engine, name)))
        await open_host(f"hp-{runtime._home[:10]}i")
        engine.docker(*command, dial.format(gateway_of(engine, name)))


async def test_agents_on_the_bridge_do_not_reach_each_other(engine, tmp_path, on_its_machine):
    async with runtime_on(engine, tmp_path, network="bridge") as runtime:
        started = await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "serve"), "agt_1-1"))
        await healthy(started.endpoint)
        _, host, port = started.endpoint.split(":")
        assert not await reaches(runtime, tmp_path, "agt_2-1", host, port)


@pytest.mark.parametrize("network", ["sealed", "bridge"])
async def test_an_agent_with_network_reaches_what_is_beyond_and_not_the_machine(
    engine, tmp_path, service, beyond, network
):
    async with runtime_on(engine, tmp_path, network=network) as runtime:
        assert await reaches(runtime, tmp_path, "agt_1-1", *beyond, network=True)
        assert not await reaches(runtime, tmp_path, "agt_2-1", HERE, service, network=True)
        host = gateway_of(engine, f"homeport-{runtime._home}-out")
        assert not await reaches(runtime, tmp_path, "agt_3-1", host, service, network=True)
        assert not (await runtime.confinement()).missing


async def test_where_the_machine_cannot_be_closed_it_is_said(engine, tmp_path):
    """This process is not where the bridges are, as with an engine in a virtual machine."""
    async with runtime_on(engine, tmp_path, network="bridge") as runtime:
        await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "exit", "0")))
        missing = (await runtime.confinement()).missing
        assert any("this machine's services can be reached" in line for line in missing)


async def test_the_last_agent_leaves_no_network_behind(engine, tmp_path, on_its_machine):
    async with runtime_on(engine, tmp_path, network="bridge") as runtime:
        home = runtime._home
        await runtime.start(spec_for(tmp_path, program(tmp_path / "code", "serve"), "agt_1-1"))
        assert home in engine.docker("network", "ls", "--format", "{{.Name}}")
    assert home not in engine.docker("network", "ls", "--format", "{{.Name}}")
