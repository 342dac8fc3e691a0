# SPDX-License-Identifier: Apache-2.0
"""How instances are reached, and what they can reach: a network for each way, made when it is first needed."""

from __future__ import annotations

import asyncio
import ipaddress
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from homeport.drivers.runtimes.docker.connection import Connection
from homeport.drivers.runtimes.docker.container import Way
from homeport.drivers.runtimes.docker.facts import Facts
from homeport.drivers.runtimes.docker.firewall import close_host, open_host
from homeport.drivers.runtimes.docker.options import LABEL
from homeport.drivers.runtimes.docker.pins import Pins
from homeport.errors import Conflict, HomeportError, NotFound, UsageError
from homeport.model.instance import InstanceSpec

_WIDE = ipaddress.IPv4Network("10.213.0.0/16")
_SMALL = ipaddress.IPv4Network("10.214.0.0/16")
_TRIES = 64
EVERYWHERE = "0.0.0.0"  # noqa: S104  inside the container, whose network is its own


def mode_of(wanted: str, facts: Facts) -> str:
    """sealed, joined or bridge. Raises `UsageError` for one that cannot be had here."""
    if wanted == "auto":
        return "sealed" if facts.sealed else "joined" if facts.own_container else "bridge"
    if wanted == "sealed" and not facts.sealed:
        raise UsageError(f"agents cannot be sealed here: {facts.why_not}", operation="start", subject=wanted)
    if wanted == "joined" and not facts.own_container:
        raise UsageError(
            "agents cannot be joined: Homeport is not in a container of this engine", operation="start", subject=wanted
        )
    if wanted not in ("sealed", "joined", "bridge"):
        raise UsageError(f"no network mode {wanted!r}", operation="start", subject=wanted)
    return wanted


@dataclass
class Networks:
    connection: Connection
    home: str
    pins: Pins
    holes: dict[str, str] = field(default_factory=dict)
    """Bridge → why containers on it can still reach this machine."""
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def way_for(self, spec: InstanceSpec, mode: str, facts: Facts) -> Way:
        """The network is there when it returns, and closed towards this machine as far as it can be."""
        outward = spec.workload.network
        if mode == "joined":
            name = await self._own_network(spec.instance, facts, outward=outward)
            return Way(name, "tcp", EVERYWHERE)
        if mode == "sealed":
            return Way(await self._shared(outward=True) if outward else "none", "netns")
        return Way(await self._shared(outward=outward), "tcp", EVERYWHERE)

    async def endpoint(self, seen: dict[str, Any], port: int, kind: str) -> str:
        """Where a running container is reached. Raises `HomeportError` for an address that is not its network's."""
        settings = seen["NetworkSettings"]
        if kind == "netns":
            return f"netns:{settings.get('SandboxKey') or await self._pinned(seen)}:{port}"
        for name, inside in (settings.get("Networks") or {}).items():
            if not name.startswith(f"homeport-{self.home}"):
                continue
            address = ipaddress.ip_address(inside["IPAddress"])
            found = await self.connection.call("GET", f"networks/{name}")
            subnets = [ipaddress.ip_network(part["Subnet"]) for part in found["IPAM"]["Config"] or []]
            if found["Driver"] == "bridge" and any(address in subnet for subnet in subnets):
                return f"tcp:{address}:{port}"
        raise HomeportError("it has no address in a network of ours", operation="start")

    async def _pinned(self, seen: dict[str, Any]) -> str:
        instance, pid = seen["Config"]["Labels"][f"{LABEL}.instance"], int(seen["State"]["Pid"])
        try:
            path = self.pins.pin(instance, pid)
        except OSError as error:
            raise HomeportError(f"its network namespace cannot be kept: {error}", operation="start") from None
        now = await self.connection.call("GET", f"containers/{seen['Id']}/json")
        if int(now["State"]["Pid"]) != pid:  # it has ended, and who knows whose number that was
            self.pins.unpin(instance)
        return path

    async def rejoin(self, instance: str, facts: Facts) -> None:
        """After this process's own container was replaced: into the network of an instance that still runs."""
        if facts.own_container:
            await self._join(f"homeport-{self.home}-{instance}", facts.own_container)

    async def drop(self, instance: str, facts: Facts, mode: str) -> None:
        """What was one instance's alone. Already gone is no error."""
        self.pins.unpin(instance)
        if mode != "joined":
            return
        name = f"homeport-{self.home}-{instance}"
        try:
            body = {"Container": facts.own_container, "Force": True}
            await self.connection.call("POST", f"networks/{name}/disconnect", body=body)
        except (NotFound, Conflict):
            pass  # there is none
        except HomeportError as error:
            if "not connected" not in error.message:
                raise
        try:
            await self.connection.call("DELETE", f"networks/{name}")
        except (NotFound, Conflict):
            return

    async def _shared(self, *, outward: bool) -> str:
        """For all agents of this home, which do not see each other on it."""
        name = f"homeport-{self.home}-out" if outward else f"homeport-{self.home}"
        bridge = f"hp-{self.home[:10]}{'o' if outward else 'i'}"
        async with self._making:
            if not await self._there(name):
                options = {
                    "com.docker.network.bridge.name": bridge,
                    "com.docker.network.bridge.enable_icc": "false",
                }
                await self._make(name, _blocks(_WIDE, 20, name), options, internal=not outward)
            if why := await close_host(bridge):
                self.holes[bridge] = why
            else:
                self.holes.pop(bridge, None)
        return name

    async def _own_network(self, instance: str, facts: Facts, *, outward: bool) -> str:
        """One instance and this process's container: nobody else, since whom icc keeps out it keeps all out."""
        name = f"homeport-{self.home}-{instance}"
        async with self._making:
            if not await self._there(name):
                closed = {} if outward else {"com.docker.network.bridge.inhibit_ipv4": "true"}
                await self._make(name, _blocks(_SMALL, 29, name), closed, internal=not outward)
                if outward:
                    self.holes["joined"] = "rules of the machine cannot be written from a container"
        await self._join(name, facts.own_container)
        return name

    async def _join(self, network: str, container: str) -> None:
        try:
            await self.connection.call("POST", f"networks/{network}/connect", body={"Container": container})
        except HomeportError as error:
            if "already exists in network" not in error.message and "already connected" not in error.message:
                raise

    async def _there(self, name: str) -> bool:
        try:
            await self.connection.call("GET", f"networks/{name}")
        except NotFound:
            return False
        return True

    async def _make(self, name: str, subnets: Iterator[str], options: dict[str, str], *, internal: bool) -> None:
        """With the first subnet that is free on this engine."""
        trouble: HomeportError | None = None
        for subnet, _ in zip(subnets, range(_TRIES), strict=False):
            body = {
                "Name": name,
                "CheckDuplicate": True,
                "Driver": "bridge",
                "Internal": internal,
                "IPAM": {"Config": [{"Subnet": subnet}]},
                "Options": options,
                "Labels": {f"{LABEL}.home": self.home},
            }
            try:
                await self.connection.call("POST", "networks/create", body=body, operation="start")
                return
            except Conflict:
                return  # another made it meanwhile
            except HomeportError as error:
                if "overlap" not in error.message and "already used" not in error.message:
                    raise
                trouble = error
        raise trouble or HomeportError("no subnet is free", operation="start")

    async def close_shared(self) -> None:
        """Remove the shared networks and their rules, if nobody is in them."""
        for outward in (False, True):
            try:
                await self.connection.call("DELETE", f"networks/homeport-{self.home}{'-out' if outward else ''}")
            except (NotFound, Conflict):
                continue
            except HomeportError as error:
                if "active endpoints" not in error.message:
                    raise
                continue
            await open_host(f"hp-{self.home[:10]}{'o' if outward else 'i'}")


def _blocks(within: ipaddress.IPv4Network, prefix: int, name: str) -> Iterator[str]:
    """Subnets of that size, beginning at one that the name decides, so that few collide."""
    count = 1 << (prefix - within.prefixlen)
    size = 1 << (32 - prefix)
    first = zlib.crc32(name.encode())
    for step in range(count):
        yield f"{within.network_address + ((first + step) % count) * size}/{prefix}"
