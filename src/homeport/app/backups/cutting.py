# SPDX-License-Identifier: Apache-2.0
"""The cut: databases, register and agents' code as of one moment, laid aside in a folder of the state folder."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from homeport.app.backups.contents import DATA, Kind
from homeport.app.backups.databases import Counted, Databases
from homeport.app.backups.stillness import Stillness
from homeport.app.backups.walking import Found, LeftOut, walk
from homeport.app.compose import opened
from homeport.app.folders import GONE
from homeport.errors import NO_ROOM, HomeportError, StorageFull
from homeport.interfaces.clock import Clock
from homeport.model.agent import Agent
from homeport.settings import Paths

TRIES = 5
PAUSE_S = 0.2


class CopiedTrail(Protocol):
    async def snapshot(self, to: Path) -> int: ...


@dataclass(frozen=True, slots=True)
class Cut:
    """`folders` are the ids of agents that had a folder, `without_code` the names of those whose code was not there."""

    at_us: int
    records: dict[str, int]
    requests: dict[str, int]
    audit_entries: int
    agents: tuple[Agent, ...]
    folders: tuple[str, ...]
    without_code: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cutter:
    paths: Paths
    databases: Databases
    audit: CopiedTrail
    stillness: Stillness
    clock: Clock

    async def cut(self, aside: Path, left_out: LeftOut, missing: frozenset[str]) -> Cut:
        """Into the folder `aside`, named `backup-…`, of the state folder, which is there and empty.

        `missing` are the agents whose code was not here before: another server has it, or it is fetched again.
        """
        await self.databases.begin(aside)
        for attempt in range(TRIES):
            at_us, counted, folders = await self._databases(aside, left_out)
            agents = await _agents(aside / "state.db")
            lost = tuple(agent for agent in agents if not has_code(agent, aside / "agents"))
            if attempt == TRIES - 1 or {agent.id for agent in lost} <= missing:
                break
            await asyncio.sleep(PAUSE_S)  # caught in the middle of its removal: in a moment the record is gone, too
        entries = await self.audit.snapshot(aside / "audit.jsonl")
        names = tuple(agent.name for agent in lost)
        return Cut(at_us, counted.records, counted.requests, entries, agents, folders, names)

    async def _databases(self, aside: Path, left_out: LeftOut) -> tuple[int, Counted, tuple[str, ...]]:
        async with AsyncExitStack() as stack:
            async with self.stillness.still():
                taken = await self.databases.cut(aside)
                stack.push_async_callback(taken.close)
                at_us = self.clock.now_us()
                await taken.let_go()
                folders = await asyncio.to_thread(link_code, self.paths.agents, aside / "agents", left_out)
            return at_us, await taken.save(), folders


def link_code(agents: Path, to: Path, left_out: LeftOut) -> tuple[str, ...]:
    """Another name for every file of agents that no agent writes to: no copy, and it outlives a removal.

    The ids of the agents that have a folder. Safe to repeat; what is there already is kept.
    """
    to.mkdir(mode=0o700, exist_ok=True)
    found = sorted(entry.name for entry in agents.iterdir() if entry.is_dir() and not entry.is_symlink())
    for agent in found:
        target = to / agent
        target.mkdir(mode=0o700, exist_ok=True)
        for part in sorted(entry.name for entry in (agents / agent).iterdir()):
            source = agents / agent / part
            if part.startswith("image-") and source.is_file():
                _link(str(source), None, target / part)
            # It is laid out again just now, and can be once more; or it is being deleted.
            half = (agents / agent / f"again-{part}").exists() or part.endswith(GONE)
            if part.startswith("code-") and source.is_dir() and not source.is_symlink() and not half:
                _link_tree(source, target / part, left_out)
    return tuple(found)


def _link_tree(source: Path, to: Path, left_out: LeftOut) -> None:
    to.mkdir(exist_ok=True)
    to.chmod(source.stat().st_mode & 0o777 | 0o700)
    for found in walk(source, "", left_out):
        target = to / found.path.lstrip("/")
        if found.kind is Kind.FOLDER:
            target.mkdir(exist_ok=True)
            target.chmod(found.mode | 0o700)
        else:
            _link_found(found, target)


def _link_found(found: Found, target: Path) -> None:
    try:
        _link(found.name, found.parent, target)
    except FileNotFoundError:
        return  # an install that is under way moves its files about


def _link(name: str, parent: int | None, target: Path) -> None:
    try:
        os.link(name, target, src_dir_fd=parent, follow_symlinks=False)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull("no room to lay code aside", operation="backup", hint="free some disk space") from None
        if isinstance(error, FileNotFoundError):
            raise
        raise HomeportError(
            f"code cannot be laid aside: {error.strerror}", operation="backup", subject=str(target.parent),
            hint="the state folder must be on a file system with hard links",
        ) from None  # fmt: skip


async def _agents(state: Path) -> tuple[Agent, ...]:
    """Of the copy, which nobody else has open."""
    store = await opened("store", "sqlite", path=state)
    try:
        return tuple(stored.record for stored in await store.list(Agent, limit=1_000_000))
    finally:
        await store.close()


def has_code(agent: Agent, agents: Path) -> bool:
    """Whether all the code that it needs is in the folder of all agents."""
    if not agent.workload.code or agent.workload.image:
        return True
    return (agents / agent.workload.code).is_dir()


def data_of(paths: Paths, agent_id: str) -> Path:
    return paths.agents / agent_id / DATA
