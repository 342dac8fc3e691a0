# SPDX-License-Identifier: Apache-2.0
"""The images that agents run from: fetched, or built here and gone when nothing runs from them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from homeport.app.folders import AgentFolders
from homeport.app.runtimes import Runtimes
from homeport.errors import HomeportError, NoStartCommand, NotFound
from homeport.interfaces.images import ImageFacts
from homeport.model.order import Order
from homeport.model.source import Source, SourceKind
from homeport.run.workload import start_in_image

log = structlog.get_logger(__name__)

Used = Callable[[str], set[str]]
"""The images that the records of an agent id name now."""


@dataclass(frozen=True, slots=True)
class AgentImages:
    """What is built for an agent is marked in its folder, so that a crash forgets no image."""

    runtimes: Runtimes
    folders: AgentFolders
    used: Used

    async def obtain(self, order: Order, code: str) -> str:
        """The id of the image. See `House.obtain_image`."""
        needs = order.plan.requirements
        self.folders.open(order.agent_id)
        if needs.image is not None:
            reference = _pinned(order.plan.source) or needs.image.value
            facts = await self.runtimes.images.look(reference, pull=True, said=_note)
        else:
            facts = await self._build(order, code)
        if not (facts.command or facts.entrypoint or start_in_image(needs)):
            raise NoStartCommand(
                f"the image {facts.reference} has no command of its own", operation="image", subject=order.plan.name,
                hint="say what to run with --start",
            )  # fmt: skip
        return facts.id

    async def has(self, image: str) -> bool:
        """Whether it is on this machine; "" always is."""
        try:
            if image:
                await self.runtimes.images.look(image)
        except NotFound:
            return False
        return True

    async def _build(self, order: Order, code: str) -> ImageFacts:
        dockerfile, state = order.plan.requirements.dockerfile, order.plan.source.digest[:12]
        assert dockerfile is not None
        tag = f"homeport/{order.agent_id.lower()}:{state}"
        mark = self.folders.open(order.agent_id) / f"image-{state}"
        await asyncio.to_thread(mark.write_text, f"{tag}\n")
        context = self.folders.of(code)
        facts = await self.runtimes.images.build(context, dockerfile=dockerfile.value, tag=tag, said=_note)
        await asyncio.to_thread(mark.write_text, f"{tag}\n{facts.id}\n")
        await self.sweep(order.agent_id, {facts.id, *self.used(order.agent_id)})
        await self.folders.discard(code)
        return facts

    async def sweep(self, agent_id: str, used: set[str]) -> None:
        """Remove those built for this agent that are not used. One that cannot be removed now is found next time."""
        for mark in (self.folders.paths.agents / agent_id).glob("image-*"):
            tag, *ids = mark.read_text().split() or [""]
            if used.intersection(ids):
                continue
            try:
                if tag:  # else whoever wrote it died before there was anything
                    await self.runtimes.images.remove(tag)  # the image stays where another tag names it
            except HomeportError as error:
                log.warning("images.not_removed", image=tag, error=error.message)
                continue
            mark.unlink(missing_ok=True)


def _pinned(source: Source) -> str:
    """The very image that the plan was made from, where it was there to be looked at."""
    return source.digest if source.kind is SourceKind.IMAGE and source.digest.startswith("sha256:") else ""


def _note(line: str) -> None:
    log.debug("image.said", line=line)
