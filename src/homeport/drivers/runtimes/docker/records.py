# SPDX-License-Identifier: Apache-2.0
"""What is known of each instance, and the order in which it became known: on disk before anybody is told."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from homeport.errors import HomeportError
from homeport.model.codec import from_builtins, to_builtins
from homeport.model.instance import InstanceEvent, InstanceState, InstanceStatus

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Record:
    """`seq_exited` is 0 while it runs."""

    status: InstanceStatus
    container: str
    log_bytes: int = 0
    seq_started: int = 0
    seq_exited: int = 0
    started_status: InstanceStatus | None = None

    def events(self) -> list[InstanceEvent]:
        begun = [InstanceEvent(self.seq_started, self.started_status or self.status)]
        return begun + ([InstanceEvent(self.seq_exited, self.status)] if self.seq_exited else [])


class Records:
    """Changes of one moment are written together; who waits for an event is told after that."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "instances.json"
        self._known: dict[str, Record] = {}
        self._seq = 0
        self._saved_seq = 0
        self._dirty = False
        self._saver: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self.changes = 0
        """How often something has changed."""
        self.unsaved = ""
        """What the disk said when the last change could not be written."""
        self._load()

    def get(self, instance: str) -> Record | None:
        return self._known.get(instance)

    def all(self) -> list[Record]:
        return list(self._known.values())

    async def began(self, status: InstanceStatus, container: str, log_bytes: int) -> Record:
        """It runs. Once written, those who follow events are told."""
        self._seq += 1
        record = Record(status, container, log_bytes, self._seq, 0, status)
        self._known[status.instance] = record
        await self._write()
        return record

    async def ended(self, record: Record, status: InstanceStatus) -> Record:
        """It has exited; idempotent."""
        now = self._known.get(record.status.instance)
        if now is None or now.seq_exited:
            return now or record
        self._seq += 1
        found = replace(now, status=status, seq_exited=self._seq)
        self._known[status.instance] = found
        await self._write()
        return found

    async def moved(self, record: Record, endpoint: str) -> None:
        """It is reached elsewhere than before."""
        now = self._known.get(record.status.instance)
        if now is not None and not now.seq_exited and now.status.endpoint != endpoint:
            self._known[now.status.instance] = replace(now, status=replace(now.status, endpoint=endpoint))
            await self._write()

    async def forget(self, instance: str) -> None:
        if self._known.pop(instance, None) is not None:
            await self._write()

    async def events(self, after: int) -> AsyncIterator[InstanceEvent]:
        while True:
            async with self._changed:
                while not (found := self._since(after)):
                    await self._changed.wait()
            for event in found:
                after = event.seq
                yield event

    async def wait(self, instance: str) -> Record | None:
        """Until it has exited, or was forgotten."""
        async with self._changed:
            while (record := self._known.get(instance)) is not None and not record.seq_exited:
                await self._changed.wait()
        return record

    async def changed(self, seen: int) -> None:
        """Until `changes` is no longer what was seen."""
        async with self._changed:
            while self.changes == seen:
                await self._changed.wait()

    async def save(self) -> None:
        """Once more, after it could not be written: `unsaved` says how that went."""
        await self._write()

    async def close(self) -> None:
        if self._saver is not None:
            await asyncio.gather(self._saver, return_exceptions=True)

    def _since(self, after: int) -> list[InstanceEvent]:
        found = (event for record in self._known.values() for event in record.events())
        return sorted((e for e in found if after < e.seq <= self._saved_seq), key=lambda event: event.seq)

    async def _write(self) -> None:
        """Returns once the change is on disk, or could not be put there: agents must not suffer from a full disk."""
        self._dirty = True
        if self._saver is None or self._saver.done():
            self._saver = asyncio.create_task(self._save())
        await asyncio.shield(self._saver)

    async def _save(self) -> None:
        while self._dirty:
            self._dirty = False
            seq, records = self._seq, [to_builtins(record) for record in self._known.values()]
            content = json.dumps({"v": 1, "seq": seq, "instances": records}).encode()
            try:
                await asyncio.to_thread(self._replace, content)
                self.unsaved = ""
            except OSError as error:
                log.error("docker.records_not_saved", path=str(self._path), error=str(error))
                self.unsaved = str(error)
            self._saved_seq = seq
            self.changes += 1
            async with self._changed:
                self._changed.notify_all()

    def _replace(self, content: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = self._path.with_suffix(".new")
        with open(written, "wb", opener=_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._path)

    def _load(self) -> None:
        try:
            data: Any = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise HomeportError(f"{self._path} cannot be read: {error}", subject=str(self._path)) from None
        if data.get("v") != 1:
            raise HomeportError(f"{self._path} is of a newer Homeport", subject=str(self._path))
        self._seq = self._saved_seq = int(data["seq"])
        for item in data["instances"]:
            record = from_builtins(item, Record)
            self._known[record.status.instance] = record


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def running(record: Record) -> bool:
    return record.status.state is InstanceState.RUNNING
