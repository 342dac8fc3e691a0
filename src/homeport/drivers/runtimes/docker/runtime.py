# SPDX-License-Identifier: Apache-2.0
"""The driver: `interfaces.runtime.Runtime` on a container engine."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import structlog

from homeport.drivers.runtimes.docker import confining, machine
from homeport.drivers.runtimes.docker.agentlog import AgentLogs
from homeport.drivers.runtimes.docker.connection import START_S, Connection
from homeport.drivers.runtimes.docker.container import Way, check, container_name, create_request
from homeport.drivers.runtimes.docker.executed import executed
from homeport.drivers.runtimes.docker.exits import microseconds
from homeport.drivers.runtimes.docker.facts import Facts, find_facts, remove_container
from homeport.drivers.runtimes.docker.networks import Networks, mode_of
from homeport.drivers.runtimes.docker.options import LABEL, Options, home_id
from homeport.drivers.runtimes.docker.pins import Pins
from homeport.drivers.runtimes.docker.records import Record, Records, running
from homeport.drivers.runtimes.docker.roots import Roots
from homeport.drivers.runtimes.docker.seccomp import profile
from homeport.drivers.runtimes.docker.volumes import Volumes
from homeport.drivers.runtimes.docker.watching import Watch, remove_probes
from homeport.errors import Conflict, HomeportError, NotFound, StorageFull, Unavailable, UsageError, failed_write
from homeport.model.instance import Confinement, InstanceEvent, InstanceSpec, InstanceState, InstanceStatus, LogLine

log = structlog.get_logger(__name__)

CREATING = 8
"""Containers made at a time: an engine that is asked for a hundred at once takes three times as long."""
_GONE_S = 60.0


class DockerRuntime:
    name = "docker"

    def __init__(self, options: Options) -> None:
        self._options = options
        self._home = home_id(options)
        self._connection = Connection(options.host)
        self._records = Records(options.folder)
        self._networks = Networks(self._connection, self._home, Pins(options.folder / "netns"))
        self._volumes = Volumes(self._connection, self._home)
        self._roots = Roots(self._connection, options, self._home, self._volumes)
        self._logs = AgentLogs(self._connection, self._records, options.logs)
        self._watch = Watch(self._connection, self._records, self._home, self._adopt)
        self._creating = asyncio.Semaphore(CREATING)
        self._locks: dict[str, asyncio.Lock] = {}
        self._finding = asyncio.Lock()
        self._known_facts: Facts | None = None

    async def confinement(self) -> Confinement:
        try:
            facts = await self._facts()
            return confining.describe(facts, mode_of(self._options.network, facts), self._networks.holes)
        except HomeportError as error:
            return Confinement("unknown", (), (error.message,), error.hint)

    async def keeps_data(self) -> bool:
        return not (await self._facts()).folders

    async def start(self, spec: InstanceSpec) -> InstanceStatus:
        check(spec)
        lock = self._locks.setdefault(spec.instance, asyncio.Lock())
        async with lock:
            facts = await self._facts()
            await self._watch.ready()
            if (record := self._records.get(spec.instance)) is not None:
                return record.status
            if self._records.unsaved:
                await self._records.save()
            if self._records.unsaved:
                raise StorageFull(
                    "the state folder cannot be written", subject=str(self._options.folder),
                    hint="make room on its disk",
                )  # fmt: skip
            name = container_name(self._home, spec.instance)
            self._watch.starting.add(name)
            try:
                async with self._creating:
                    record = await self._start(spec, facts, name)
            finally:
                self._watch.starting.discard(name)
                missed = name in self._watch.missed
                self._watch.missed.discard(name)
            return (await self._watch.look(record) if missed else record).status

    async def stop(self, instance: str, *, grace: float) -> InstanceStatus:
        await self._watch.ready()
        record = self._records.get(instance)
        if record is None:
            raise NotFound(f"no instance {instance}", operation="stop", subject=instance)
        if grace > 0 and running(record) and await self._signal(record, "SIGTERM"):
            try:
                async with asyncio.timeout(grace):
                    await self._records.wait(instance)
            except TimeoutError:
                pass  # it had its time
        while (now := self._records.get(instance)) is not None and running(now):
            await self._watch.ready()
            await self._signal(now, "SIGKILL")
            try:
                async with asyncio.timeout(_GONE_S):
                    await self._records.wait(instance)
            except TimeoutError:
                raise Unavailable(
                    f"{instance} does not end: the engine has been asked to kill it", operation="stop", subject=instance
                ) from None
        return (now or record).status

    async def forget(self, instance: str) -> None:
        await self._watch.ready()
        async with self._locks.setdefault(instance, asyncio.Lock()):
            record = self._records.get(instance)
            if record is not None:
                await self._forget(record)
            self._locks.pop(instance, None)

    async def _forget(self, record: Record) -> None:
        instance = record.status.instance
        if running(record):
            raise UsageError(f"{instance} is still running", operation="forget", subject=instance, hint="stop it first")
        try:
            await self._logs.keep(record)
        except OSError as error:
            log.error("docker.log_not_kept", instance=instance, error=str(error))
        await remove_container(self._connection, record.container)
        await self._records.forget(instance)
        await self._tidy(instance)

    async def list(self) -> list[InstanceStatus]:
        await self._watch.ready()
        return [record.status for record in self._records.all()]

    async def events(self, after: int = 0) -> AsyncIterator[InstanceEvent]:
        """Goes on over restarts of the engine."""
        self._watch.begin()
        async for event in self._records.events(after):
            yield event

    async def logs(
        self, agent_id: str, *, tail: int = 0, since_us: int = 0, follow: bool = False
    ) -> AsyncIterator[LogLine]:
        if any(record.status.agent_id == agent_id for record in self._records.all()):
            await self._watch.ready()
        elif follow:
            self._watch.begin()
        async for line in self._logs.read(agent_id, tail=tail, since_us=since_us, follow=follow):
            yield line

    async def remove_logs(self, agent_id: str) -> None:
        folder = self._options.logs / agent_id
        if folder.parent != self._options.logs or agent_id in ("", ".", ".."):
            raise HomeportError(f"{agent_id!r} is not an agent id", operation="remove logs", subject=agent_id)
        try:
            await asyncio.to_thread(shutil.rmtree, folder)
        except FileNotFoundError:
            return

    async def close(self) -> None:
        await self._watch.close()
        await self._records.close()
        await self._connection.close()

    # ── one start ────────────────────────────────────────────────────────────────────────────────────────────────
    async def _start(self, spec: InstanceSpec, facts: Facts, name: str) -> Record:
        container = ""
        try:
            mode = mode_of(self._options.network, facts)
            root = await self._roots.root_for(spec, facts)
            way = await self._networks.way_for(spec, mode, facts)
            request = create_request(
                spec,
                root,
                way,
                home=self._home,
                seccomp=self._seccomp(facts),
                limits=_limits(facts, spec.workload.limits.open_files),
                init=facts.init if facts.folders else "",
            )
            container, seen = await self._made(name, request)
            if seen is None:
                await self._connection.call("POST", f"containers/{container}/start", operation="start", within=START_S)
            seen = await executed(self._connection, container, near=facts.sealed)
            return await self._began(seen, way)
        except Unavailable:
            raise  # the same instance, asked for again, is found as it was left
        except (HomeportError, OSError) as failure:
            error = failure if isinstance(failure, HomeportError) else _on_disk(failure)
            await self._undo(spec.instance, container)
            if error.message.startswith("cannot start"):
                raise
            raise type(error)(
                f"cannot start {spec.name}: {error.message}", operation="start", subject=spec.name, hint=error.hint
            ) from None

    async def _made(self, name: str, request: Any) -> tuple[str, dict[str, Any] | None]:
        """The container's id, and its inspection if it was there already and has been started."""
        for _ in range(3):
            try:
                made = await self._connection.call(
                    "POST", "containers/create", params={"name": name}, body=request, operation="start", within=START_S
                )
                return str(made["Id"]), None
            except Conflict:
                pass  # a start that was cut off has made it
            try:
                seen = await self._connection.call("GET", f"containers/{name}/json")
            except NotFound:
                continue
            found = seen["Config"]["Labels"] or {}
            if any(found.get(key) != value for key, value in request["Labels"].items() if key.endswith(_MINE)):
                raise Conflict(f"there is a container {name} of somebody else", operation="start", subject=name)
            return str(seen["Id"]), seen if seen["State"]["Status"] != "created" else None
        raise Unavailable(f"the container {name} comes and goes", operation="start", subject=name)

    async def _began(self, seen: dict[str, Any], way: Way | None) -> Record:
        """The record of a container that was started; ended already, perhaps."""
        labels = seen["Config"]["Labels"]
        port = int(labels.get(f"{LABEL}.port", "0"))
        endpoint = ""
        if port and seen["State"]["Running"]:
            kind = way.kind if way else "netns" if (await self._facts()).sealed and self._is_sealed() else "tcp"
            endpoint = await self._networks.endpoint(seen, port, kind)
        status = InstanceStatus(
            labels[f"{LABEL}.instance"], labels[f"{LABEL}.agent"], InstanceState.RUNNING, endpoint,
            pid=int(seen["State"]["Pid"]), started_at_us=microseconds(seen["State"]["StartedAt"]),
        )  # fmt: skip
        record = await self._records.began(status, seen["Id"], int(labels.get(f"{LABEL}.log-bytes", "0")))
        return await self._watch.note(record, seen)

    async def _adopt(self, seen: dict[str, Any]) -> None:
        """A container of ours without a record: its start was cut off after the engine had started it."""
        try:
            await self._began(seen, None)
        except HomeportError as error:
            if isinstance(error, Unavailable):
                raise
            log.error("docker.not_adopted", container=seen["Name"], error=error.message)

    async def _undo(self, instance: str, container: str) -> None:
        """Of a start that failed. What cannot be removed now is found at the next connection."""
        try:
            if container:
                await remove_container(self._connection, container)
            if (facts := self._known_facts) is not None:
                await self._networks.drop(instance, facts, mode_of(self._options.network, facts))
        except HomeportError as error:
            log.error("docker.not_undone", instance=instance, error=error.message)

    async def _signal(self, record: Record, signal: str) -> bool:
        """Whether it was sent; what has ended meanwhile is noted."""
        if signal == "SIGKILL":
            self._watch.killing.add(record.container)
        try:
            await self._connection.call("POST", f"containers/{record.container}/kill", params={"signal": signal})
        except (NotFound, Conflict):
            await self._watch.look(record)
            return False
        except HomeportError as error:
            if "not running" not in error.message:
                raise
            await self._watch.look(record)
            return False
        return True

    async def _tidy(self, instance: str) -> None:
        """What an instance had besides its container, and what only the last one needed."""
        facts = await self._facts()
        await self._networks.drop(instance, facts, mode_of(self._options.network, facts))
        if not facts.folders:
            await self._volumes.sweep()
        if not self._records.all() and not self._watch.starting:
            await self._networks.close_shared()

    async def _facts(self) -> Facts:
        """Found once; an engine that was away is asked again."""
        if self._known_facts is None:
            async with self._finding:
                if self._known_facts is None:
                    await remove_probes(self._connection, self._home)
                    facts = await find_facts(self._connection, self._options.folder, self._home)
                    await self._settle(facts)
                    self._known_facts = facts
        return self._known_facts

    async def _settle(self, facts: Facts) -> None:
        """What this process needs to reach instances that an earlier one started."""
        instances = {record.status.instance for record in self._records.all() if running(record)}
        self._networks.pins.sweep(instances)
        if facts.own_container and mode_of(self._options.network, facts) == "joined":
            for instance in instances:
                try:
                    await self._networks.rejoin(instance, facts)
                except NotFound:
                    continue  # it is gone, and its end will be told

    def _is_sealed(self) -> bool:
        return self._known_facts is not None and mode_of(self._options.network, self._known_facts) == "sealed"

    def _seccomp(self, facts: Facts) -> str:
        """Docker takes the profile itself, Podman the path of one."""
        if not facts.seccomp:
            return ""
        if not facts.podman:
            return profile()
        path: Path = self._options.folder / "seccomp.json"
        if not path.exists() or path.read_text() != profile():
            path.write_text(profile())
        return str(path)


def _on_disk(error: OSError) -> HomeportError:
    return failed_write(error)(f"{error.filename or 'a file'}: {error.strerror}", operation="start")


__all__ = ["DockerRuntime", "Options"]
_MINE = (".home", ".instance", ".agent")


def _limits(facts: Facts, open_files: int) -> dict[str, int]:
    """Docker leaves alone what it is not asked for; Podman sets its defaults, which may be more than it can."""
    most = machine.hard_limits() if facts.programs and os.geteuid() == 0 else {}
    if open_files:
        return (most if facts.podman else {}) | {"nofile": min(open_files, most.get("nofile", open_files))}
    return most if facts.podman else {}
