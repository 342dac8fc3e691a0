# SPDX-License-Identifier: Apache-2.0
"""The Audit contract over a file: entries that wait together are synced to disk together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from homeport.drivers.audits.file.chain import plain, to_line
from homeport.drivers.audits.file.trail import LONGEST, Trail, full_or_broken
from homeport.errors import HomeportError, Unavailable, UsageError
from homeport.interfaces.audit import AuditEntry
from homeport.interfaces.clock import Clock
from homeport.interfaces.secrets import Sealer

T = TypeVar("T")
ROOM = 1024
"""Bytes kept for what an entry gains when it is numbered and chained."""


@dataclass(frozen=True, slots=True)
class Options:
    path: Path
    """The trail, 0600, one process at a time; `NAME.head` lies beside it."""


class FileAudit:
    """Opens the file at first use. Without a `clock`, the system's; without a `sealer`, the head file is plain, so
    that a cut end is seen after an accident but not after an attacker who also rewrites the head."""

    def __init__(self, options: Options, clock: Clock | None = None, sealer: Sealer | None = None) -> None:
        self._trail = Trail(options.path, sealer)
        self._now_us: Callable[[], int] = clock.now_us if clock else lambda: time.time_ns() // 1000
        self._turn = asyncio.Lock()
        self._waiting: list[tuple[AuditEntry, asyncio.Future[AuditEntry]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._open = False
        self._closed = False

    async def append(
        self,
        *,
        namespace: str,
        actor: str,
        action: str,
        subject: str,
        allowed: bool,
        detail: dict[str, str] | None = None,
    ) -> AuditEntry:
        details = {plain(name): plain(value) for name, value in (detail or {}).items()}
        draft = AuditEntry(
            0, self._now_us(), plain(namespace), plain(actor), plain(action), plain(subject), allowed, details
        )
        if len(to_line(draft)) + ROOM > LONGEST:
            raise UsageError("too much text for one audit entry", operation="append to the audit trail")
        future: asyncio.Future[AuditEntry] = asyncio.get_running_loop().create_future()
        self._waiting.append((draft, future))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await future

    async def entries(self, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        return await self._do(lambda: self._trail.entries(after, limit))

    async def verify(self) -> int:
        size, head = await self._do(self._trail.end)
        return await asyncio.to_thread(self._trail.verify, size, head)

    async def snapshot(self, to: Path) -> int:
        """A copy of the trail as it ends now, with its head, at `to` and beside it; neither may exist. Its entries.

        Raises `StorageFull` with nothing left behind.
        """
        end = await self._do(self._trail.mark)
        try:
            return await asyncio.to_thread(self._trail.copy, to, end)
        except OSError as error:
            raise full_or_broken(error, to) from error

    async def adopt(self) -> int:
        """Give a trail that came from another installation a head of this one's key, once its chain fits. Its entries.

        Before anything is appended. Raises `HomeportError` naming the first entry that does not fit.
        """
        return await asyncio.to_thread(self._trail.adopt)

    async def close(self) -> None:
        """Idempotent; what was being written is finished first."""
        if self._writing is not None:
            await asyncio.shield(self._writing)
        async with self._turn:
            self._closed = True
            await asyncio.to_thread(self._trail.close)

    async def _write(self) -> None:
        while self._waiting:
            # What queues while the disk syncs goes together next time.
            batch, self._waiting = self._waiting, []
            drafts = [draft for draft, _ in batch]
            try:
                entries = await self._do(lambda drafts=drafts: self._trail.append(drafts))  # type: ignore[misc]
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), entry in zip(batch, entries, strict=True):
                if not future.done():
                    future.set_result(entry)

    async def _do(self, work: Callable[[], T]) -> T:
        """In a thread, one at a time, to its end even when the caller gives up."""
        return await asyncio.shield(asyncio.create_task(self._do_in_turn(work)))

    async def _do_in_turn(self, work: Callable[[], T]) -> T:
        async with self._turn:
            if self._closed:
                raise Unavailable("the audit trail is closed", operation="audit")
            try:
                if not self._open:
                    await asyncio.to_thread(self._trail.open, self._now_us())
                    self._open = True
                return await asyncio.to_thread(work)
            except OSError as error:
                raise HomeportError(f"the audit trail cannot be used: {error}", operation="audit") from error
