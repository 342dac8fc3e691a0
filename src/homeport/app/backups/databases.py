# SPDX-License-Identifier: Apache-2.0
"""The databases of one moment, where each is a file of its own; and what `shared` does for those of one server."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from homeport.gateway.control_client import GatewayControl
from homeport.interfaces.snapshots import Cuttable, Snapshot
from homeport.settings import Paths

REGISTER = "local-machines.json"
STATE, STEPS = "state.db", "durable.db"


@dataclass(frozen=True, slots=True)
class Counted:
    """Records by kind, requests by state."""

    records: dict[str, int]
    requests: dict[str, int]


class Taken(Protocol):
    """Databases as they were at one moment. Close it whatever happens."""

    async def let_go(self) -> None:
        """Nothing needs to keep still for it any more. Idempotent."""
        ...

    async def save(self) -> Counted:
        """The copies are whole and on disk when it returns. Raises `StorageFull`, `Unavailable`."""
        ...

    async def close(self) -> None:
        """Nobody writes to the folder any more. Idempotent."""
        ...


class Databases(Protocol):
    async def begin(self, aside: Path) -> None:
        """Before the first cut: whatever may be older than it. Raises as `Taken.save`."""
        ...

    async def cut(self, aside: Path) -> Taken:
        """The moment is when this returns. What an earlier one made in the folder `aside` is replaced.

        `state.db`, `durable.db`, `journal.db` with `spool` and the register of machines are there after `save`.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileDatabases:
    """Nothing is committed from the moment on until `let_go`; the journal, which is the gateway's, is older."""

    paths: Paths
    store: Cuttable
    durable: Cuttable
    gateway: GatewayControl
    """With a long timeout: a call lasts as long as copying the journal."""
    _requests: dict[str, int] = field(default_factory=dict)

    async def begin(self, aside: Path) -> None:
        copied = await self.gateway.snapshot(aside.name)
        self._requests.update(copied["requests"])

    async def cut(self, aside: Path) -> Taken:
        for name in (STATE, STEPS):
            (aside / name).unlink(missing_ok=True)
        stack = AsyncExitStack()
        try:
            state = await self.store.cut(aside / STATE)
            stack.push_async_callback(state.close)
            durable = await self.durable.cut(aside / STEPS)
            stack.push_async_callback(durable.close)
            note_register(self.paths, aside)
        except BaseException:
            await stack.aclose()
            raise
        return _Files((durable, state), self._requests, stack)


@dataclass(frozen=True, slots=True)
class _Files:
    cuts: tuple[Snapshot, ...]
    requests: dict[str, int]
    stack: AsyncExitStack

    async def let_go(self) -> None:
        for each in self.cuts:
            await each.let_go()

    async def save(self) -> Counted:
        records: dict[str, int] = {}
        for each in self.cuts:
            records |= await each.save()
        return Counted(records, self.requests)

    async def close(self) -> None:
        await self.stack.aclose()


def note_register(paths: Paths, aside: Path) -> None:
    register = paths.state / REGISTER
    if register.exists():
        (aside / REGISTER).write_bytes(register.read_bytes())
