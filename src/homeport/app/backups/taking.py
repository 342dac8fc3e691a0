# SPDX-License-Identifier: Apache-2.0
"""Making a backup while everything runs: what to take, in which order, and the stream of it."""

from __future__ import annotations

import asyncio
import base64
import platform
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from homeport import __version__
from homeport.app.backups.apart import kept_apart
from homeport.app.backups.contents import (
    CONFIG_FOLDERS,
    DATA,
    FORMAT,
    KEYS,
    SEALED,
    STATE_FILES,
    Header,
    Keys,
    Manifest,
)
from homeport.app.backups.cutting import Cut, Cutter, data_of, has_code
from homeport.app.backups.databases import Databases, FileDatabases
from homeport.app.backups.shared import SharedDatabase
from homeport.app.backups.stillness import Stillness
from homeport.app.backups.switching import WORK
from homeport.app.backups.writing import ArchiveWriter
from homeport.app.compose import made
from homeport.app.runtimes import Runtimes
from homeport.drivers.runtimes.process.trees import delete_tree
from homeport.errors import NO_ROOM, Conflict, HomeportError, NotFound, StorageFull
from homeport.gateway.control_client import GatewayControl
from homeport.interfaces.clock import Clock, Ids
from homeport.interfaces.secrets import Passphrases
from homeport.model.agent import Agent
from homeport.model.codec import to_json
from homeport.settings import Paths, Settings

log = structlog.get_logger(__name__)
ASIDE = "backup-"
COPY_S = 900.0
"""The gateway may take so long to copy its journal."""
AGENT_MODE = 0o711
"""Containers of other users reach the code in it, and list nothing."""


@dataclass(frozen=True, slots=True)
class BackupWish:
    """`volumes`: names of agents (`NAME` or `NAMESPACE/NAME`) whose data is wanted; None all, () none.

    The installation's key and admin token go along under `passphrase`, in clear with `with_key`, else not.
    """

    volumes: tuple[str, ...] | None = None
    passphrase: str = field(default="", repr=False)
    with_key: bool = False


def backups_of(
    settings: Settings, *, store: Any, durable: Any, audit: Any, stillness: Stillness,
    agents: Callable[[], list[Agent]], runtimes: Runtimes, clock: Clock, ids: Ids,
) -> Backups:  # fmt: skip
    """Of a server that decides. `store` and `durable` are asked only where they are files, which can be cut.

    `stillness` is the one that `AgentFolders` deletes under.
    """
    paths = settings.paths
    databases: Databases
    if settings.database_url:
        databases = SharedDatabase(paths, settings.database_url)
    else:
        databases = FileDatabases(paths, store, durable, GatewayControl(paths.gateway_socket, timeout=COPY_S))
    cutter = Cutter(paths, databases, audit, stillness, clock)
    return Backups(paths, cutter, agents, lambda known: kept_apart(known, runtimes), clock, ids)


class Backups:
    """One at a time."""

    def __init__(
        self, paths: Paths, cutter: Cutter, agents: Callable[[], list[Agent]],
        apart: Callable[[list[Agent]], Awaitable[dict[str, str]]], clock: Clock, ids: Ids,
    ) -> None:  # fmt: skip
        self._paths, self._cutter, self._agents, self._apart = paths, cutter, agents, apart
        self._clock, self._ids = clock, ids
        self._busy = False

    async def stream(self, wish: BackupWish) -> AsyncIterator[bytes]:
        """The archive. What fails before its first byte is raised; later, the archive says so at its end instead of a
        manifest. Nothing of it is left in the state folder, however it ends."""
        if self._busy:
            raise Conflict("another backup is being made", operation="backup", hint="wait for it")
        volumes = self._chosen(wish)
        self._busy = True
        aside = self._paths.state / f"{ASIDE}{self._ids.new('bak').lower()}"
        try:
            await asyncio.to_thread(self._make_room, aside)
            async for piece in self._archive(wish, volumes, aside):
                yield piece
        finally:
            self._busy = False
            await asyncio.shield(asyncio.to_thread(_remove, aside))

    async def _archive(self, wish: BackupWish, volumes: tuple[str, ...], aside: Path) -> AsyncIterator[bytes]:
        writer, made_at_us = ArchiveWriter(), self._clock.now_us()
        async for piece in _pump(writer.begin(Header(FORMAT, __version__, made_at_us, platform.node()))):
            yield piece
        try:
            apart = await self._apart([agent for agent in self._agents() if agent.id in volumes])
            missing = frozenset(a.id for a in self._agents() if not has_code(a, self._paths.agents))
            async for piece in _pump(self._volumes(writer, volumes)):
                yield piece
            cut = await self._cutter.cut(aside, writer.left_out, missing)
            fresh = [each for each in cut.folders if wish.volumes is None and each not in volumes]
            async for piece in _pump(self._rest(writer, cut, aside, fresh)):
                yield piece
            async for piece in _pump(self._keys(writer, wish)):
                yield piece
            keys = Keys.SEALED if wish.passphrase else Keys.CLEAR if wish.with_key else Keys.NONE
            manifest = self._manifest(writer, cut, made_at_us, (*volumes, *fresh), keys, apart)
            async for piece in _pump(writer.end(manifest)):
                yield piece
        except (HomeportError, OSError) as error:
            told = error if isinstance(error, HomeportError) else _full_or_broken(error)
            log.warning("backup.failed", error=told.message)
            async for piece in _pump(writer.fail(told)):
                yield piece

    def _chosen(self, wish: BackupWish) -> tuple[str, ...]:
        """The ids of the agents whose data is wanted."""
        agents = self._agents()
        if wish.volumes is None:
            kept = (entry.name for entry in self._paths.agents.iterdir() if (entry / DATA).is_dir())
            return tuple(dict.fromkeys((*(agent.id for agent in agents), *kept)))
        chosen: dict[str, None] = {}
        for name in wish.volumes:
            found = [a.id for a in agents if name in (a.name, f"{a.namespace}/{a.name}")]
            if not found:
                raise NotFound(f"there is no agent {name!r}", operation="backup", subject=name, hint="homeport list")
            chosen |= dict.fromkeys(found)
        return tuple(chosen)

    def _volumes(self, writer: ArchiveWriter, ids: tuple[str, ...]) -> Iterator[bytes]:
        yield from writer.folder("state")
        yield from writer.folder("state/agents", self._paths.agents.stat().st_mode & 0o777)
        for agent_id in ids:
            yield from writer.folder(f"state/agents/{agent_id}", AGENT_MODE)
            yield from writer.tree(data_of(self._paths, agent_id), f"state/agents/{agent_id}/data")

    def _rest(self, writer: ArchiveWriter, cut: Cut, aside: Path, fresh: list[str]) -> Iterator[bytes]:
        known = {member.path for member in writer.members}
        for agent_id in cut.folders:
            if f"state/agents/{agent_id}" not in known:
                yield from writer.folder(f"state/agents/{agent_id}", AGENT_MODE)
            if agent_id in fresh:
                yield from writer.tree(data_of(self._paths, agent_id), f"state/agents/{agent_id}/data")
            for part in sorted((aside / "agents" / agent_id).iterdir()):
                place = f"state/agents/{agent_id}/{part.name}"
                yield from writer.tree(part, place) if part.is_dir() else writer.file(place, part)
        for name in STATE_FILES:
            if (aside / name).exists():
                yield from writer.file(f"state/{name}", aside / name)
        yield from writer.tree(aside / "spool", "state/spool", mode=0o700)
        yield from writer.folder("config")
        if (self._paths.config / "config.toml").exists():
            yield from writer.file("config/config.toml", self._paths.config / "config.toml")
        for name in CONFIG_FOLDERS:
            yield from writer.tree(self._paths.config / name, f"config/{name}")

    def _keys(self, writer: ArchiveWriter, wish: BackupWish) -> Iterator[bytes]:
        held = {name: path.read_bytes() for name in KEYS if (path := self._paths.config / name).is_file()}
        if wish.passphrase:
            passphrases: Passphrases = made("passphrases", "scrypt")
            plain = to_json({name: base64.b64encode(data).decode() for name, data in held.items()})
            yield from writer.content(SEALED, passphrases.seal(plain, wish.passphrase))
        elif wish.with_key:
            for name, data in held.items():
                yield from writer.content(f"config/{name}", data)

    def _manifest(
        self, writer: ArchiveWriter, cut: Cut, made_at_us: int, volumes: tuple[str, ...], keys: Keys,
        apart: dict[str, str],
    ) -> Manifest:  # fmt: skip
        lost = tuple(f"the code of {name}: it was not there" for name in cut.without_code)
        return Manifest(
            format=FORMAT,
            version=__version__,
            node=platform.node(),
            state=str(self._paths.state),
            made_at_us=made_at_us,
            cut_at_us=cut.at_us,
            keys=keys,
            records=cut.records,
            requests=cut.requests,
            audit_entries=cut.audit_entries,
            agents=cut.folders,
            volumes=tuple(agent_id for agent_id in volumes if agent_id in cut.folders and agent_id not in apart),
            images=tuple(sorted({agent.workload.image for agent in cut.agents if agent.workload.image})),
            left_out=(*writer.left_out.lines(), *lost, *apart.values()),
            members=tuple(writer.members),
        )

    def _make_room(self, aside: Path) -> None:
        """Also takes away what a server or a restore that was killed left: none is under way while we serve."""
        _remove(self._paths.state / WORK)
        _remove(self._paths.config / WORK)
        for left in self._paths.state.glob(f"{ASIDE}*"):
            _remove(left)
        try:
            aside.mkdir(mode=0o700)
        except OSError as error:
            raise _full_or_broken(error) from None


async def _pump(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """What a synchronous maker of bytes makes, each piece in a thread."""
    work: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            work = asyncio.ensure_future(asyncio.to_thread(next, pieces, None))
            piece = await asyncio.shield(work)
            if piece is None:
                return
            yield piece
    finally:
        if work is not None:  # it cannot be closed while it runs
            await asyncio.wait([work])
        await asyncio.to_thread(_close, pieces)


def _close(pieces: Iterator[bytes]) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        close()


def _remove(folder: Path) -> None:
    try:
        delete_tree(str(folder))
    except OSError as error:
        log.error("backup.left_behind", folder=str(folder), error=str(error))


def _full_or_broken(error: OSError) -> HomeportError:
    if error.errno in NO_ROOM:
        return StorageFull("no room for the backup in the state folder", operation="backup", hint="free some space")
    return HomeportError(f"the backup cannot be made: {error}", operation="backup")
