# SPDX-License-Identifier: Apache-2.0
"""One agent's log over all its instances: what engines keep of those there are, and files for those forgotten.

The files are laid out as those of confined processes (`model/logformat.py`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeport.drivers.runtimes.docker.connection import Connection
from homeport.drivers.runtimes.docker.exits import own_text
from homeport.drivers.runtimes.docker.output import Printed, after, printed
from homeport.drivers.runtimes.docker.records import Record, Records, running
from homeport.errors import Conflict, NotFound, Unavailable
from homeport.model.agent import Exit
from homeport.model.instance import LogLine
from homeport.model.logformat import CURRENT, KEPT, older_first, parse, stamp

Put = Callable[[LogLine], Coroutine[Any, Any, None]]
_AGAIN_S = 0.5
_QUEUED = 1000
_SPARE = 4
"""Lines of the engine's init among the last ones."""
_SMALLEST = 4096


@dataclass
class Place:
    """How far a container's output has been read: the time of the last line, and how many lines had it."""

    stamp: str = ""
    seen: int = 0

    def note(self, line: Printed) -> None:
        self.seen = self.seen + 1 if line.stamp == self.stamp else 1
        self.stamp = line.stamp


@dataclass(frozen=True)
class AgentLogs:
    connection: Connection
    records: Records
    folder: Path

    async def read(self, agent_id: str, *, tail: int, since_us: int, follow: bool) -> AsyncIterator[LogLine]:
        places: dict[str, Place] = {}
        lines = await asyncio.to_thread(_archived, self.folder / agent_id, since_us)
        told: set[str] = set()
        for record in self._of(agent_id):
            lines += await self._kept(record, tail, since_us, places)
            told |= {f"{record.status.instance} {what}" for what in _said(record)}
        lines = sorted((line for line in lines if line.at_us >= since_us), key=lambda line: line.at_us)
        for line in lines[-tail:] if tail else lines:
            yield line
        if follow:
            async for line in self._follow(agent_id, places, told):
                if line.at_us >= since_us:
                    yield line

    async def keep(self, record: Record) -> None:
        """Put what its container printed into files, once, before the container goes. Raises OSError."""
        status = record.status
        folder = self.folder / status.agent_id
        if await asyncio.to_thread(_holds_end, folder, status.instance):
            return
        lines = sorted(await self._kept(record, 0, 0, {}), key=lambda line: line.at_us)
        await asyncio.to_thread(_append, folder, record.log_bytes, lines)

    def _of(self, agent_id: str) -> list[Record]:
        return [record for record in self.records.all() if record.status.agent_id == agent_id]

    async def _kept(self, record: Record, tail: int, since_us: int, places: dict[str, Place]) -> list[LogLine]:
        """What the engine keeps of one instance, and what we say of it."""
        place = places.setdefault(record.status.instance, Place())
        lines = list(_said(record).values())
        since = f"{since_us // 1_000_000}.{since_us % 1_000_000:06d}" if since_us else ""
        try:
            async for line in printed(
                self.connection, record.container, tail=tail + _SPARE if tail else 0, since=since
            ):
                place.note(line)
                if found := _shown(record, line):
                    lines.append(found)
        except (NotFound, Conflict):
            return lines  # somebody removed the container, or is about to
        return lines

    async def _follow(self, agent_id: str, places: dict[str, Place], told: set[str]) -> AsyncIterator[LogLine]:
        queue: asyncio.Queue[LogLine] = asyncio.Queue(_QUEUED)
        followed: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                seen = self.records.changes
                for record in self._of(agent_id):
                    name = record.status.instance
                    if name not in followed:
                        place = places.setdefault(name, Place())
                        followed[name] = asyncio.create_task(self._one(record, place, told, queue.put))
                change = asyncio.create_task(self.records.changed(seen))
                try:
                    async for line in _until(change, queue):
                        yield line
                finally:
                    change.cancel()
        finally:
            for task in followed.values():
                task.cancel()
            await asyncio.gather(*followed.values(), return_exceptions=True)

    async def _one(self, record: Record, place: Place, told: set[str], put: Put) -> None:
        """One instance to its end, from `place` on; over restarts of the engine."""
        name = record.status.instance
        await _say(record, told, put)
        while (now := self.records.get(name)) is not None:
            try:
                await self._stream(record, place, put)
            except NotFound:
                break
            except Unavailable:
                await asyncio.sleep(_AGAIN_S)
                continue
            if not running(now):
                break
            with suppress(TimeoutError):  # a line that ends before the program does was cut
                async with asyncio.timeout(_AGAIN_S):
                    await self.records.wait(name)
        ended = await self.records.wait(name)
        if ended is not None:
            await _say(ended, told, put)

    async def _stream(self, record: Record, place: Place, put: Put) -> None:
        skip = Place(place.stamp, place.seen)
        since = after(place.stamp) if place.stamp else ""
        async for line in printed(self.connection, record.container, since=since, follow=True):
            if line.stamp == skip.stamp and skip.seen:
                skip.seen -= 1
                continue
            place.note(line)
            if found := _shown(record, line):
                await put(found)


async def _until(change: asyncio.Task[None], queue: asyncio.Queue[LogLine]) -> AsyncIterator[LogLine]:
    """What is in the queue, until `change` is done."""
    while not change.done():
        line = asyncio.create_task(queue.get())
        try:
            await asyncio.wait((line, change), return_when=asyncio.FIRST_COMPLETED)
            if line.done():
                yield line.result()
        finally:
            line.cancel()


async def _say(record: Record, told: set[str], put: Put) -> None:
    for what, line in _said(record).items():
        if (key := f"{record.status.instance} {what}") not in told:
            told.add(key)
            await put(line)


def describe(exit_: Exit) -> str:
    if exit_.lost:
        return "ended: nobody saw how"
    if exit_.oom:
        return "ended: killed by the kernel, memory limit reached (OOM)"
    return f"ended: signal {exit_.signal}" if exit_.code is None else f"ended: exit status {exit_.code}"


def _shown(record: Record, line: Printed) -> LogLine | None:
    text = own_text(line.text)
    if text is None:
        return None
    at_us = max(line.at_us, record.status.started_at_us)  # Podman's times are whole seconds
    return LogLine(at_us, line.stream, record.status.instance, text)


def _said(record: Record) -> dict[str, LogLine]:
    """What Homeport itself says about an instance."""
    status = record.status
    lines = {
        "started": LogLine(status.started_at_us, "sys", status.instance, f"started: container {record.container[:12]}")
    }
    if status.exit is not None:
        at_us = max(status.exit.at_us, status.started_at_us)
        lines["ended"] = LogLine(at_us, "sys", status.instance, describe(status.exit))
    return lines


def _archived(folder: Path, since_us: int) -> list[LogLine]:
    lines: list[LogLine] = []
    for name in older_first():
        try:
            content = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        parsed = (parse(line) for line in content.split(b"\n"))
        lines += [LogLine(*found) for found in parsed if found and found[0] >= since_us]
    return lines


def _holds_end(folder: Path, instance: str) -> bool:
    mark = f" sys {instance} ended: ".encode()
    return any((folder / name).exists() and mark in (folder / name).read_bytes() for name in older_first())


def _append(folder: Path, limit: int, lines: Iterable[LogLine]) -> None:
    """At the end of the files, rotating them when one is full."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    most = max(limit, _SMALLEST) if limit else 1 << 62
    descriptor = _open(folder)
    try:
        size = os.fstat(descriptor).st_size
        batch: list[bytes] = []
        for line in lines:
            text = " ".join(line.text.splitlines()) if line.stream == "sys" else line.text.replace("\n", " ")
            data = f"{stamp(line.at_us)} {line.stream} {line.instance} {text}\n".encode("utf-8", "replace")
            if size and size + len(data) > most:
                _write(descriptor, batch)
                os.close(descriptor)
                descriptor = _rotate(folder)
                size, batch = 0, []
            batch.append(data)
            size += len(data)
        _write(descriptor, batch)
    finally:
        os.close(descriptor)


def _write(descriptor: int, batch: list[bytes]) -> None:
    data = memoryview(b"".join(batch))
    while data:
        data = data[os.write(descriptor, data) :]


def _rotate(folder: Path) -> int:
    names = [CURRENT, *(f"{number}.log" for number in range(1, KEPT + 1))]
    for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
        if (folder / newer).exists():
            (folder / newer).replace(folder / older)
    return _open(folder)


def _open(folder: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(folder / CURRENT, flags, 0o600)
