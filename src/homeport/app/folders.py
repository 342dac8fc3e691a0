# SPDX-License-Identifier: Apache-2.0
"""The folders of agents on this machine: `agents/ID/{code-STATE,data}`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from homeport.app.backups.stillness import Stillness
from homeport.app.carry import data_folder
from homeport.drivers.runtimes.process.trees import delete_tree
from homeport.errors import HomeportError
from homeport.interfaces.fetcher import Fetcher
from homeport.model.source import Source
from homeport.settings import Paths

log = structlog.get_logger(__name__)
GONE = ".gone"
"""The end of the name of what is being deleted."""


@dataclass(frozen=True, slots=True)
class AgentFolders:
    """`code` in arguments and results is a place below the folder of all agents, as records keep it."""

    paths: Paths
    fetchers: Mapping[str, Fetcher]
    stillness: Stillness = field(default_factory=Stillness)

    async def lay_out(self, agent_id: str, source: Source) -> str:
        """The planned state of the source, whole or not at all, and a data folder. Idempotent. Raises `StalePlan`."""
        code = code_of(agent_id, source)
        if not self.of(code).exists():
            self.of(code).parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            await self.fetchers[source.kind].export(source, self.of(code))
        self.open(agent_id)
        return code

    def open(self, agent_id: str) -> Path:
        """Its own folder, with one for its data. Idempotent."""
        folder = self.of(agent_id)
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        data_folder(self.paths, agent_id).mkdir(mode=0o700, exist_ok=True)
        return folder

    async def sweep(self, agent_id: str, used: set[str]) -> None:
        """What was replaced before the agent that runs now: nothing goes back to it any more."""
        for code in self.of(agent_id).glob("code-*"):
            if str(code.relative_to(self.paths.agents)) not in used:
                async with self.stillness.deleting():
                    await erase(code)

    async def remove(self, agent_id: str, *, keep_data: bool = False) -> None:
        if keep_data:
            await self.sweep(agent_id, set())
        else:
            async with self.stillness.deleting():
                await erase(self.of(agent_id))

    async def discard(self, code: str) -> None:
        """From one moment to the next: who looks, after a crash too, finds all of it or none."""
        folder = self.of(code)
        gone = folder.with_name(folder.name + GONE)
        await erase(gone)
        if folder.exists():
            folder.rename(gone)
            await erase(gone)

    def begun(self, code: str) -> Path:
        """A mark that is there while code is laid out again: a server that dies then leaves half of it."""
        folder, _, name = code.partition("/")
        return self.of(folder) / f"again-{name}"

    async def drop_begun(self, agent_id: str, source: Source) -> None:
        """Half of a state, if that is what there is."""
        code = code_of(agent_id, source)
        if self.begun(code).exists():
            await erase(self.of(code))
            self.begun(code).unlink()

    def of(self, code: str) -> Path:
        """Raises `HomeportError` for what would be elsewhere: records may come from a backup that anybody made."""
        parts = code.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise HomeportError(f"{code[:80]!r} is no place of an agent", operation="agents", subject=code[:80])
        return self.paths.agents / code


def code_of(agent_id: str, source: Source) -> str:
    return f"{agent_id}/code-{source.digest.removeprefix('sha256:')[:12]}"


async def erase(folder: Path) -> None:
    """What agents wrote goes however they left it; a disk that refuses must not keep the rest from being undone."""
    try:
        await asyncio.to_thread(delete_tree, str(folder))
    except OSError as error:
        log.error("folders.not_removed", folder=str(folder), error=str(error))
