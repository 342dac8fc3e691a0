# SPDX-License-Identifier: Apache-2.0
"""The driver: `interfaces.runtime.Runtime` over keeper.sock, and logs straight from their files."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeport.drivers.runtimes.process.logreader import read_logs
from homeport.drivers.runtimes.process.wire import MAX_LINE, decode, encode
from homeport.errors import HomeportError, Unavailable, error_from_dict
from homeport.model.codec import from_builtins, to_builtins
from homeport.model.instance import Confinement, InstanceEvent, InstanceSpec, InstanceStatus, LogLine
from homeport.sockets import short_path

_RECONNECT = 0.2


@dataclass(frozen=True)
class Options:
    keeper_socket: Path
    """keeper.sock of the server whose agents these are."""
    logs: Path
    """The folder with one folder of log files per agent."""


class ProcessRuntime:
    name = "process"

    def __init__(self, options: Options) -> None:
        self._options = options
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def confinement(self) -> Confinement:
        try:
            return from_builtins(await self._call("confinement"), Confinement)
        except HomeportError as error:
            return Confinement("unknown", (), (error.message,), error.hint)

    async def start(self, spec: InstanceSpec) -> InstanceStatus:
        return from_builtins(await self._call("start", spec=to_builtins(spec)), InstanceStatus)

    async def stop(self, instance: str, *, grace: float) -> InstanceStatus:
        return from_builtins(await self._call("stop", instance=instance, grace=grace), InstanceStatus)

    async def forget(self, instance: str) -> None:
        await self._call("forget", instance=instance)

    async def list(self) -> list[InstanceStatus]:
        return [from_builtins(found, InstanceStatus) for found in await self._call("list")]

    async def events(self, after: int = 0) -> AsyncIterator[InstanceEvent]:
        """Goes on over restarts of the keeper."""
        while True:
            try:
                reader, writer = await self._connect()
            except Unavailable:
                await asyncio.sleep(_RECONNECT)
                continue
            try:
                writer.write(encode({"id": 0, "op": "events", "after": after}))
                while line := await reader.readline():
                    message = decode(line)
                    if "error" in message:
                        raise error_from_dict(message["error"])
                    event = from_builtins(message["event"], InstanceEvent)
                    after = event.seq
                    yield event
            except (ConnectionError, ValueError):
                pass  # the keeper went away within a line; what was not told is told again
            finally:
                writer.close()
            await asyncio.sleep(_RECONNECT)

    def logs(self, agent_id: str, *, tail: int = 0, since_us: int = 0, follow: bool = False) -> AsyncIterator[LogLine]:
        return read_logs(self._options.logs / agent_id, tail=tail, since_us=since_us, follow=follow)

    async def remove_logs(self, agent_id: str) -> None:
        folder = self._options.logs / agent_id
        if folder.parent != self._options.logs:
            raise HomeportError(f"{agent_id!r} is not an agent id", operation="remove logs", subject=agent_id)
        try:
            await asyncio.to_thread(shutil.rmtree, folder)
        except FileNotFoundError:
            return

    async def status(self) -> dict[str, Any]:
        """The keeper's own: pids and restarts of its processes, addresses it listens on."""
        found: dict[str, Any] = await self._call("status")
        return found

    async def shutdown(self) -> None:
        """End the whole server in order: server, gateway, agents. Returns when it has been told."""
        await self._call("shutdown")

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._drop("this client was closed")

    async def _call(self, op: str, **arguments: Any) -> Any:
        async with self._connecting:
            if self._writer is None:
                reader, self._writer = await self._connect()
                self._reading = asyncio.create_task(self._read(reader), name="keeper.sock")
            writer = self._writer
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            writer.write(encode({"id": number, "op": op, **arguments}))
            await writer.drain()
            return await answer
        except ConnectionError:
            raise self._away("it closed the connection", op) from None
        finally:
            self._waiting.pop(number, None)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        path = self._options.keeper_socket
        try:
            with short_path(path) as name:
                return await asyncio.open_unix_connection(name, limit=MAX_LINE)
        except OSError as error:
            raise self._away(str(error.strerror or error), "connect") from None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                message = decode(line)
                answer = self._waiting.get(message["id"])
                if answer is None or answer.done():
                    continue
                if "error" in message:
                    answer.set_exception(error_from_dict(message["error"]))
                else:
                    answer.set_result(message["ok"])
        except (ConnectionError, ValueError):
            pass  # the same as an orderly end: whoever waits is told below
        await self._drop("it went away")

    async def _drop(self, why: str) -> None:
        writer, self._writer, self._reading = self._writer, None, None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._away(why, "call"))
        if writer is not None:
            writer.close()
            try:
                await writer.wait_closed()
            except ConnectionError:
                return

    def _away(self, why: str, operation: str) -> Unavailable:
        return Unavailable(
            f"the keeper does not answer: {why}",
            operation=operation,
            subject=str(self._options.keeper_socket),
            hint="is `homeport serve` running?",
        )
