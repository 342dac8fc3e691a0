# SPDX-License-Identifier: Apache-2.0
"""The databases of one moment as files, where all of them are in one database that servers share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from homeport.app.backups.databases import REGISTER, STATE, STEPS, Counted, Taken, note_register
from homeport.app.copying import Line, snapshot
from homeport.drivers.clouds.local.register import Register
from homeport.drivers.runtimes.process.trees import delete_tree
from homeport.errors import Unavailable
from homeport.gateway.copying import JOURNAL, SPOOL
from homeport.interfaces.transfer import Where
from homeport.settings import Paths

log = structlog.get_logger(__name__)
T = TypeVar("T")
END_S = 30.0
"""A copy that is given up ends so soon, or when the database that it waits for has answered."""


@dataclass(frozen=True, slots=True)
class SharedDatabase:
    """All is read from one transaction, so that nobody waits for it, however long it takes."""

    paths: Paths
    url: str

    async def begin(self, aside: Path) -> None:
        pass

    async def cut(self, aside: Path) -> Taken:
        for name in (STATE, STEPS, JOURNAL):
            (aside / name).unlink(missing_ok=True)
        await asyncio.to_thread(delete_tree, str(aside / SPOOL))
        copying = _Copying(self.paths, Where(url=self.url), aside)
        try:
            await copying.begun()
        except BaseException:
            await copying.close()
            raise
        return copying


class _Copying:
    """In a thread of its own, which nobody waits for that cannot: the database may hang."""

    def __init__(self, paths: Paths, source: Where, aside: Path) -> None:
        self._paths, self._source, self._aside = paths, source, aside
        self._given_up = threading.Event()
        loop = asyncio.get_running_loop()
        self._begun: asyncio.Future[None] = loop.create_future()
        self._lines: asyncio.Future[tuple[Line, ...]] = loop.create_future()
        threading.Thread(target=self._run, args=(loop,), name="backup", daemon=True).start()

    async def begun(self) -> None:
        waits: list[asyncio.Future[Any]] = [self._begun, self._lines]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not self._begun.done():
            await self._lines  # raises why

    async def let_go(self) -> None:
        pass

    async def save(self) -> Counted:
        lines = await asyncio.shield(self._lines)
        counts = {line.kind: line.count for line in lines}
        records = {kind.removeprefix("record "): n for kind, n in counts.items() if kind.startswith("record ")}
        requests = {kind.removeprefix("request "): n for kind, n in counts.items() if kind.startswith("request ")}
        return Counted({**records, "workflow": counts.get("steps workflow_status", 0)}, requests)

    async def close(self) -> None:
        self._given_up.set()
        _, running = await asyncio.wait([self._lines], timeout=END_S)
        if running:
            log.warning("backup.copy_goes_on", folder=str(self._aside))
        elif not self._lines.cancelled():
            self._lines.exception()  # whoever wanted it has been told

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            lines = self._copy(lambda: _tell(loop, self._begun, None))
        except BaseException as error:
            _tell(loop, self._lines, error)
        else:
            _tell(loop, self._lines, lines)

    def _copy(self, begun: Callable[[], None]) -> tuple[Line, ...]:
        place = self._aside / "copied"
        with Register(self._paths.state / REGISTER).held() as let_go:

            def at_the_moment() -> None:
                note_register(self._paths, self._aside)
                let_go()
                begun()

            lines = snapshot(self._source, place, begun=at_the_moment, each=self._check)
        for name in (STATE, STEPS, JOURNAL, SPOOL):
            if (place / name).exists():
                (place / name).rename(self._aside / name)
        delete_tree(str(place))
        return lines

    def _check(self) -> None:
        if self._given_up.is_set():
            raise Unavailable("the backup was given up", operation="backup")


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], found: T | BaseException) -> None:
    def tell() -> None:
        if future.done():
            return
        if isinstance(found, BaseException):
            future.set_exception(found)
        else:
            future.set_result(found)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:
        log.warning("backup.nobody_waits")  # the server has ended meanwhile
