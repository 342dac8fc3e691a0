# SPDX-License-Identifier: Apache-2.0
"""Following the engine's events: every exit of an instance of ours becomes a record, also one that nobody saw.

Nothing is asked again and again. When the line is lost, the first thing after it is back is to look at all containers
of this home; what happened meanwhile is found there.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from homeport.drivers.runtimes.docker.connection import Connection
from homeport.drivers.runtimes.docker.container import container_name
from homeport.drivers.runtimes.docker.exits import exit_of
from homeport.drivers.runtimes.docker.facts import remove_container
from homeport.drivers.runtimes.docker.options import LABEL
from homeport.drivers.runtimes.docker.output import last_lines
from homeport.drivers.runtimes.docker.records import Record, Records, running
from homeport.errors import HomeportError, NotFound, Unavailable
from homeport.model.agent import Exit
from homeport.model.instance import InstanceState

log = structlog.get_logger(__name__)

_AGAIN_S = (0.1, 2.0)
_ANSWER_S = 60.0
_OVERLAP_S = 5
_LAST_LINES = 20
_LATE_S = 0.5
_ENDS = ("die", "died", "destroy", "remove")

Adopt = Callable[[dict[str, Any]], Awaitable[None]]


class Watch:
    """`adopt` is called with the inspection of a container of ours that runs or has run and has no record."""

    def __init__(self, connection: Connection, records: Records, home: str, adopt: Adopt) -> None:
        self._connection, self._records, self._home, self._adopt = connection, records, home, adopt
        self._task: asyncio.Task[None] | None = None
        self._up = False
        self._outcome: asyncio.Future[HomeportError | None] | None = None
        self._kick = asyncio.Event()
        self._oom: set[str] = set()
        self._oom_news = asyncio.Event()
        self._looking: set[asyncio.Task[None]] = set()
        self.starting: set[str] = set()
        """Containers' names whose start is under way: what happens to them is the starter's to look at."""
        self.missed: set[str] = set()
        """Those of them to which something has happened."""
        self.killing: set[str] = set()
        """Containers' ids that are sent SIGKILL by us."""

    async def ready(self) -> None:
        """Returns while events are heard; the records are true then. Raises `Unavailable` when the engine is away."""
        self.begin()
        if self._up:
            return
        self._kick.set()
        assert self._outcome is not None
        if trouble := await asyncio.shield(self._outcome):
            raise trouble

    def begin(self) -> None:
        """Listen from now on. Idempotent."""
        if self._task is None or self._task.done():
            self._outcome = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._follow(), name="engine events")

    async def look(self, record: Record, *, unwatched: bool = False) -> Record:
        """Ask the engine how it is, and note an exit."""
        if not running(record):
            return record
        try:
            seen = await self._connection.call("GET", f"containers/{record.container}/json")
        except NotFound:
            return await self._lost(record)
        return await self.note(record, seen, unwatched=unwatched)

    async def note(self, record: Record, seen: dict[str, Any], *, unwatched: bool = False) -> Record:
        """Of an inspection. One that has exited is described once and for all."""
        if seen["State"]["Running"] or seen["State"].get("Status") in ("running", "paused", "restarting"):
            return record
        oom = record.container in self._oom
        last: list[str] = []
        if int(seen["State"].get("ExitCode", 0)) > 128 or unwatched:  # init's word is needed
            try:
                last = await last_lines(self._connection, record.container, _LAST_LINES)
            except NotFound:
                last = []
        exit_ = exit_of(seen, last, oom=oom, unwatched=unwatched)
        if exit_.signal == signal.SIGKILL and not exit_.oom and not unwatched and record.container not in self.killing:
            exit_ = replace(exit_, oom=await self._late_oom(record.container))
        status = replace(record.status, state=InstanceState.EXITED, endpoint="", exit=exit_)
        self._oom.discard(record.container)
        self.killing.discard(record.container)
        return await self._records.ended(record, status)

    async def _late_oom(self, container: str) -> bool:
        """An engine learns of an OOM kill and of the exit by different ways, and the exit may come first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LATE_S):
                while container not in self._oom:
                    self._oom_news.clear()
                    await self._oom_news.wait()
        if container in self._oom:
            return True
        try:
            seen = await self._connection.call("GET", f"containers/{container}/json")
        except NotFound:
            return False
        return bool(seen["State"].get("OOMKilled"))

    async def close(self) -> None:
        tasks = [task for task in (self._task, *self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _lost(self, record: Record) -> Record:
        exit_ = Exit(time.time_ns() // 1000, lost=True)
        status = replace(record.status, state=InstanceState.EXITED, endpoint="", exit=exit_)
        return await self._records.ended(record, status)

    async def _follow(self) -> None:
        pause, said = _AGAIN_S[0], False
        while True:
            self._kick.clear()
            try:
                await self._hear()
                trouble: HomeportError = Unavailable("the container engine closed the line", operation="events")
            except HomeportError as error:
                trouble = error
            except Exception as error:
                log.exception("docker.events_failed")
                trouble = HomeportError(f"the engine's events cannot be read: {error}", operation="events")
            if self._up:
                pause, said, self._up = _AGAIN_S[0], False, False
            else:
                self._tell(trouble)
            if not said:
                log.warning("docker.away", error=trouble.message)
                said = True
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._kick.wait()
            pause = min(2 * pause, _AGAIN_S[1])

    def _tell(self, outcome: HomeportError | None) -> None:
        """Those who wait for this attempt; who comes later waits for the next."""
        assert self._outcome is not None
        self._outcome.set_result(outcome)
        self._outcome = asyncio.get_running_loop().create_future()

    async def _hear(self) -> None:
        """One connection, until it is lost."""
        # By what happened it is filtered here: Podman has other names for that.
        filters = {"type": ["container"], "label": [f"{LABEL}.home={self._home}"]}
        # The engine answers before it listens: what happens in between is in what it remembers.
        params = {"filters": json.dumps(filters), "since": str(int(time.time()) - _OVERLAP_S)}
        try:
            async with asyncio.timeout(_ANSWER_S) as patience:
                async with self._connection.stream("GET", "events", params=params, operation="events") as response:
                    await self._catch_up()
                    patience.reschedule(None)
                    self._up = True
                    self._tell(None)
                    async for event in self._connection.lines(response):
                        self._heard(event)
        except TimeoutError:
            raise Unavailable(f"the container engine does not answer within {_ANSWER_S:g} s") from None

    def _heard(self, event: dict[str, Any]) -> None:
        actor = event.get("Actor") or {}
        container, attributes = str(actor.get("ID", "")), actor.get("Attributes") or {}
        action = str(event.get("Action", ""))
        if action == "oom":
            self._oom.add(container)
            self._oom_news.set()
        if action not in _ENDS:
            return
        if attributes.get("name") in self.starting:
            self.missed.add(attributes["name"])
            return
        record = self._records.get(attributes.get(f"{LABEL}.instance", ""))
        if record is not None and record.container == container and running(record):
            task = asyncio.create_task(self._look(record))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def _look(self, record: Record) -> None:
        try:
            await self.look(record)
        except Unavailable:
            return  # it is found when the engine is back
        except HomeportError as error:
            log.error("docker.exit_not_read", instance=record.status.instance, error=error.message)

    async def _catch_up(self) -> None:
        """What became of everything while nobody listened."""
        filters = json.dumps({"label": [f"{LABEL}.home={self._home}"]})
        found = await self._connection.call("GET", "containers/json", params={"all": "1", "filters": filters})
        there = {item["Labels"].get(f"{LABEL}.instance", ""): item for item in found}
        for record in self._records.all():
            item = there.pop(record.status.instance, None)
            if not running(record):
                continue
            if item is None or item["Id"] != record.container:
                await self._lost(record)
            elif item["State"] != "running":
                await self.look(record, unwatched=True)
        for instance, item in there.items():
            if container_name(self._home, instance) in self.starting:
                continue
            if item["State"] == "created":  # a start of ours that was cut off: its caller starts it again
                await remove_container(self._connection, item["Id"], force=False)
            else:
                await self._adopt(await self._connection.call("GET", f"containers/{item['Id']}/json"))


async def remove_probes(connection: Connection, home: str) -> None:
    """Containers that were made to look at something by a process that was killed."""
    filters = json.dumps({"label": [f"{LABEL}.probe={home}"]})
    for item in await connection.call("GET", "containers/json", params={"all": "1", "filters": filters}):
        await remove_container(connection, item["Id"])
