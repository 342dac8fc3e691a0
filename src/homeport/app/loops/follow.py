# SPDX-License-Identifier: Apache-2.0
"""Follows what happens on each runtime: first what is there, then every change, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from homeport.app.runtimes import Runtimes
from homeport.errors import HomeportError, Unavailable
from homeport.interfaces.runtime import Runtime
from homeport.model.instance import InstanceStatus

log = structlog.get_logger(__name__)

REACH_S = 20.0
"""Seconds that an engine which is just starting has to answer whoever needs it."""


class Followers:
    """One task per runtime in use. A runtime that is away is waited for, and holds up no other.

    `adopt(runtime, known)` is called once with the instances found, and returns those that some record claims;
    `hear(status)` with each change from then on. `failed` completes only by an error that nobody expected.
    """

    def __init__(
        self,
        runtimes: Runtimes,
        adopt: Callable[[str, Mapping[str, InstanceStatus]], set[str]],
        hear: Callable[[InstanceStatus], None],
    ) -> None:
        self._runtimes, self._adopt, self._hear = runtimes, adopt, hear
        self._adopted: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def follow(self, name: str) -> asyncio.Event:
        """From now on what happens there is heard. The event is set once its agents are adopted. Idempotent."""
        if name not in self._adopted:
            self._adopted[name] = asyncio.Event()
            self._tasks.append(asyncio.create_task(self._watched(name), name=f"follow {name}"))
        return self._adopted[name]

    async def reach(self, name: str) -> None:
        """Returns once its agents are adopted. Raises `Unavailable` where it does not answer."""
        try:
            async with asyncio.timeout(REACH_S):
                await self.follow(name).wait()
        except TimeoutError:
            raise unreachable(name, "") from None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watched(self, name: str) -> None:
        try:
            await self._follow(name, self._runtimes.of(name))
        except Exception as error:
            if not self.failed.done():
                self.failed.set_exception(error)

    async def _follow(self, name: str, runtime: Runtime) -> None:
        known = await self._known(name, runtime)
        claimed = self._adopt(name, known)
        self._adopted[name].set()
        for instance in known.keys() - claimed:
            await self._remove_orphan(runtime, known[instance])
        after = 0
        while True:
            try:
                async for event in runtime.events(after):
                    after = event.seq
                    self._hear(event.status)
            except Unavailable as error:
                log.warning("runtime.away", runtime=name, error=error.message)
                await asyncio.sleep(0.5)

    @staticmethod
    async def _known(name: str, runtime: Runtime) -> dict[str, InstanceStatus]:
        said = False
        while True:
            try:
                return {status.instance: status for status in await runtime.list()}
            except Unavailable as error:
                if not said:
                    log.warning("runtime.away", runtime=name, error=error.message)
                    said = True
                await asyncio.sleep(0.2)

    @staticmethod
    async def _remove_orphan(runtime: Runtime, status: InstanceStatus) -> None:
        """An instance of ours that no record claims: a crash between stop and forget, or a record lost."""
        if "-job-" in status.instance:
            return
        try:
            await runtime.stop(status.instance, grace=1.0)
            await runtime.forget(status.instance)
        except HomeportError as error:  # found again at the next start
            log.warning("reconcile.orphan_stays", instance=status.instance, error=error.message)
            return
        log.info("reconcile.orphan_removed", instance=status.instance, agent=status.agent_id)


def unreachable(runtime: str, agent: str) -> Unavailable:
    """For what cannot be done while a runtime is away; `agent` is "" for one that is not there yet."""
    where = f", where {agent!r} runs," if agent else ""
    return Unavailable(
        f"the {runtime} runtime{where} does not answer",
        operation="agents", subject=agent or runtime, hint="start its engine; homeport doctor looks for it",
    )  # fmt: skip
