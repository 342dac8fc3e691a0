# SPDX-License-Identifier: Apache-2.0
"""A runtime in memory: instances answer HTTP on loopback, and end when and how a test says."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from homeport.errors import HomeportError, NotFound, Unavailable, UsageError
from homeport.model.agent import Exit
from homeport.model.instance import (
    Confinement,
    InstanceEvent,
    InstanceSpec,
    InstanceState,
    InstanceStatus,
    LogLine,
)


@dataclass
class _Running:
    spec: InstanceSpec
    status: InstanceStatus
    server: asyncio.Server | None = None
    ignores_term: bool = False
    events: list[InstanceEvent] = field(default_factory=list)


class FakeRuntime:
    """`spec.workload.start` is a small language: ("serve",), ("exit", "3"), ("signal", "11"), ("oom",),
    ("print", "text", …) which then serves, ("deaf",) which ignores SIGTERM, ("missing",) which cannot be executed.
    Anything else serves: GET answers `healthy` and 200 on any path.

    `away` makes every call raise `Unavailable`; `starts` counts programs started per agent id.
    """

    name = "fake"

    def __init__(self) -> None:
        self.away = False
        self.starts: dict[str, int] = {}
        self._instances: dict[str, _Running] = {}
        self._lines: dict[str, list[LogLine]] = {}
        self._seq = 0
        self._changed = asyncio.Condition()
        self._starting = asyncio.Lock()

    async def confinement(self) -> Confinement:
        return Confinement("fake", (), ("everything: nothing real runs",))

    async def start(self, spec: InstanceSpec) -> InstanceStatus:
        self._reach("start")
        async with self._starting:
            return await self._start(spec)

    async def _start(self, spec: InstanceSpec) -> InstanceStatus:
        if known := self._instances.get(spec.instance):
            return known.status
        program, *words = spec.workload.start
        if program == "missing":
            raise HomeportError(f"cannot start {spec.name}: no such program", operation="start", subject=spec.name)
        self.starts[spec.agent_id] = self.starts.get(spec.agent_id, 0) + 1
        server, endpoint = (None, "") if spec.job else await self._serve()
        status = InstanceStatus(
            spec.instance, spec.agent_id, InstanceState.RUNNING, endpoint, pid=1 << 22, started_at_us=_now()
        )
        running = _Running(spec, status, server, ignores_term=program == "deaf")
        self._instances[spec.instance] = running
        self._write(spec, "sys", "started")
        await self._tell(running)
        if program == "print":
            for word in words:
                self._write(spec, "out", word)
        elif program == "exit":
            await self.end(spec.instance, Exit(_now(), code=int(words[0])))
        elif program == "signal":
            await self.end(spec.instance, Exit(_now(), signal=int(words[0])))
        elif program == "oom":
            await self.end(spec.instance, Exit(_now(), signal=int(signal.SIGKILL), oom=True))
        return status

    async def end(self, instance: str, exit: Exit) -> None:
        """The program ends now, like this."""
        running = self._instances[instance]
        if running.server is not None:
            running.server.close()
            running.server = None
        self._write(running.spec, "sys", exit.reason())
        running.status = replace(running.status, state=InstanceState.EXITED, endpoint="", exit=exit)
        await self._tell(running)

    async def stop(self, instance: str, *, grace: float) -> InstanceStatus:
        self._reach("stop")
        running = self._instances.get(instance)
        if running is None:
            raise NotFound(f"no instance {instance}", operation="stop", subject=instance)
        if running.status.exit is None:
            kill = running.ignores_term or grace <= 0
            await self.end(instance, Exit(_now(), signal=int(signal.SIGKILL if kill else signal.SIGTERM)))
        return self._instances[instance].status

    async def forget(self, instance: str) -> None:
        self._reach("forget")
        running = self._instances.get(instance)
        if running is not None and running.status.exit is None:
            raise UsageError(f"{instance} is still running", operation="forget", subject=instance)
        self._instances.pop(instance, None)

    async def list(self) -> list[InstanceStatus]:
        self._reach("list")
        return [running.status for running in self._instances.values()]

    async def events(self, after: int = 0) -> AsyncIterator[InstanceEvent]:
        while True:
            async with self._changed:
                found = sorted(
                    (event for running in self._instances.values() for event in running.events if event.seq > after),
                    key=lambda event: event.seq,
                )
                if not found:
                    await self._changed.wait()
                    continue
            for event in found:
                after = event.seq
                yield event

    async def logs(
        self, agent_id: str, *, tail: int = 0, since_us: int = 0, follow: bool = False
    ) -> AsyncIterator[LogLine]:
        lines = self._lines.setdefault(agent_id, [])
        place = len(lines)
        found = [line for line in lines if line.at_us >= since_us]
        for line in found[-tail:] if tail else found:
            yield line
        while follow:
            for line in lines[place:]:
                place += 1
                yield line
            await asyncio.sleep(0.01)

    async def remove_logs(self, agent_id: str) -> None:
        self._lines.pop(agent_id, None)

    async def close(self) -> None:
        for running in self._instances.values():
            if running.server is not None:
                running.server.close()
                running.server = None

    def say(self, instance: str, text: str, stream: str = "out") -> None:
        """The program writes a line."""
        self._write(self._instances[instance].spec, stream, text)

    def _reach(self, operation: str) -> None:
        if self.away:
            raise Unavailable("the fake runtime is away", operation=operation)

    def _write(self, spec: InstanceSpec, stream: str, text: str) -> None:
        self._lines.setdefault(spec.agent_id, []).append(LogLine(_now(), stream, spec.instance, text))

    async def _tell(self, running: _Running) -> None:
        self._seq += 1
        running.events.append(InstanceEvent(self._seq, running.status))
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self) -> tuple[asyncio.Server, str]:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        return server, f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nhealthy")
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the caller left: nobody to answer
    finally:
        writer.close()


def _now() -> int:
    return time.time_ns() // 1000
