# SPDX-License-Identifier: Apache-2.0
"""Keeps every agent as it is wanted: one task per agent drives `run.lifecycle.step`.

The only writer of agent records. A record is saved before the command that follows from it is carried, so that a
server that dies in between finds its own work again (`resume`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from homeport.app.carry import Carried, Carrier
from homeport.app.eventlog import EventLog
from homeport.app.loops.follow import Followers, unreachable
from homeport.errors import Conflict, HomeportError, NotFound
from homeport.flow import mend
from homeport.heal.restarts import History
from homeport.interfaces.clock import Clock
from homeport.interfaces.store import Store
from homeport.model.agent import Agent, AgentState, Desired, Exit
from homeport.model.finding import ActionKind
from homeport.model.instance import InstanceState, InstanceStatus
from homeport.run.lifecycle import Life, resume, step
from homeport.run.signals import (
    Announce,
    Command,
    Event,
    Exited,
    ForgetInstance,
    GiveUp,
    Report,
    RestartIn,
    RestartWanted,
    StartInstance,
    Tick,
    Wanted,
)

log = structlog.get_logger(__name__)

STARTS_AT_ONCE = 16
"""More at once only slows each of them down: they compete for the same cores."""

SAVE_AGAIN_S = 1.0
"""Seconds between two attempts to save a record that could not be saved."""


@dataclass(slots=True)
class Charge:
    """One agent under supervision: its record as last saved, its life, and what waits to be told to it."""

    agent: Agent
    revision: int
    life: Life
    history: History = field(default_factory=History)
    inbox: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None
    leaving: bool = False
    """It is being removed: nobody can want anything of it any more."""
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    unanswered: list[Agent] = field(default_factory=list)
    """What was written since the last answer of the store: it may have it or not."""
    unsaved: bool = False
    """The store does not have the record as it is: it is written again until it has."""

    @property
    def runtime(self) -> str:
        return self.agent.workload.runtime


class Supervisor:
    def __init__(
        self, store: Store, carrier: Carrier, events: EventLog, clock: Clock, on_change: Callable[[], None]
    ) -> None:
        self._store, self._carrier, self._events, self._clock = store, carrier, events, clock
        self._on_change = on_change
        self._charges: dict[tuple[str, str], Charge] = {}
        self._by_id: dict[str, Charge] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._followers = Followers(carrier.runtimes, self._adopt_all, self._hear)
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)
        self._changed = asyncio.Condition()
        self.adopted = asyncio.Event()
        """Set once every recorded agent is known again, and those that run as processes are under supervision."""

    # ── what the app asks ────────────────────────────────────────────────────────────────────────────────────────
    def agents(self, namespace: str | None = None) -> list[Agent]:
        """By name; all namespaces with None."""
        found = [c.agent for c in self._charges.values() if namespace in (None, c.agent.namespace)]
        return sorted(found, key=lambda agent: (agent.namespace, agent.name))

    def agent(self, namespace: str, name: str) -> Agent:
        return self._charge(namespace, name).agent

    def images_of(self, agent_id: str) -> set[str]:
        charge = self._by_id.get(agent_id)
        return {charge.agent.workload.image} if charge else set()

    async def enlist(self, agent: Agent) -> None:
        """A new agent, or a new workload for one that exists: saved, then started or restarted as desired.

        Raises `Unavailable`, and has changed nothing, where its runtime is away.
        """
        await self._followers.reach(agent.workload.runtime)
        existing = self._charges.get((agent.namespace, agent.name))
        if existing is None:
            now_us = self._clock.now_us()
            agent = replace(agent, created_at_us=now_us, changed_at_us=now_us)
            self._adopt(self._note(agent, await self._create(agent)), None)
            return
        self._staying(existing)
        if existing.runtime != agent.workload.runtime:  # only where it runs now can it be stopped
            await self.want(agent.namespace, agent.name, Desired.STOPPED)
        existing.agent = replace(
            existing.agent, workload=agent.workload, source=agent.source, plan=agent.plan, machine=agent.machine
        )
        existing.life = replace(existing.life, health=agent.workload.health, stop_grace=agent.workload.stop_grace)
        await self._write(existing)
        existing.inbox.put_nowait(RestartWanted() if agent.desired is Desired.RUNNING else Wanted(agent.desired))

    async def _create(self, agent: Agent) -> int:
        """The revision of the new record: also of one that was written by an attempt whose answer was lost."""
        try:
            return await self._store.put(agent, namespace=agent.namespace, key=agent.name, expected=0)
        except Conflict:
            stored = await self._store.get(Agent, agent.namespace, agent.name)
            if stored is None or stored.record.id != agent.id:
                raise
            return await self._store.put(agent, namespace=agent.namespace, key=agent.name, expected=stored.revision)

    async def want(self, namespace: str, name: str, desired: Desired, *, restart: bool = False) -> Agent:
        """Running or stopped; returns once a stop is complete, or the start is under way.

        Raises `Conflict` where somebody else wants it running again before it had stopped.
        """
        charge = self._charge(namespace, name)
        self._staying(charge)
        self._reachable(charge)
        charge.inbox.put_nowait(RestartWanted() if restart else Wanted(desired))
        if desired is Desired.STOPPED:
            await self._stopped(charge)
        return charge.agent

    async def _stopped(self, charge: Charge) -> None:
        agent = charge.agent
        async with self._changed:
            while not (charge.inbox.empty() and charge.life.state == charge.agent.state is AgentState.STOPPED):
                self._charge(agent.namespace, agent.name)
                if charge.inbox.empty() and charge.life.desired is not Desired.STOPPED:
                    raise Conflict(
                        f"{agent.name!r} was started again meanwhile", operation="stop", subject=agent.name,
                        hint="stop it again if that was not meant",
                    )  # fmt: skip
                await self._changed.wait()

    @staticmethod
    def _staying(charge: Charge) -> None:
        if charge.leaving:
            name = charge.agent.name
            raise Conflict(f"{name!r} is being removed", operation="agents", subject=name, hint="try again soon")

    async def until(self, namespace: str, name: str, states: tuple[AgentState, ...]) -> Agent:
        """Waits until the agent is in one of `states`. Raises `NotFound` once it is gone."""
        async with self._changed:
            while True:
                charge = self._charge(namespace, name)
                settled = charge.inbox.empty() and charge.life.state == charge.agent.state
                if settled and charge.agent.state in states:
                    return charge.agent
                await self._changed.wait()

    async def dismiss(
        self, namespace: str, name: str, clear: Callable[[Agent], Awaitable[None]] | None = None
    ) -> Agent:
        """Stop it, `clear` away what is its own, and then its record: who dies in between finds it, and goes on.

        Raises `NotFound`, also where somebody else has removed it meanwhile.
        """
        charge = self._charge(namespace, name)
        async with self._changed:
            await self._changed.wait_for(lambda: not charge.leaving)
        charge = self._charge(namespace, name)
        self._reachable(charge)
        charge.leaving = True
        try:
            charge.inbox.put_nowait(Wanted(Desired.STOPPED))
            await self._stopped(charge)
            if charge.agent.incarnation:  # what it held, its image for one, is free from here on
                await self._carrier.carry(charge.agent, ForgetInstance(charge.agent.incarnation))
            if clear is not None:
                await clear(charge.agent)
            await self._store.delete(Agent, namespace, name)
            del self._charges[(namespace, name)], self._by_id[charge.agent.id]
            if charge.task:
                charge.task.cancel()
        finally:
            charge.leaving = False
            await self._notify()
        return charge.agent

    # ── life of the loop ─────────────────────────────────────────────────────────────────────────────────────────
    async def run(self) -> None:
        """Adopt what runs, then follow the runtimes until cancelled."""
        for stored in await self._store.list(Agent, limit=100_000):
            self._note(stored.record, stored.revision)
        try:
            await self._followers.follow("process").wait()
            for charge in list(self._charges.values()):
                self._followers.follow(charge.runtime)
            self.adopted.set()
            await self._followers.failed
        finally:
            await self._followers.close()
            tasks = [c.task for c in self._charges.values() if c.task] + list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _adopt_all(self, runtime: str, known: Mapping[str, InstanceStatus]) -> set[str]:
        for charge in self._charges.values():
            if charge.runtime == runtime and charge.task is None:
                self._adopt(charge, known.get(charge.agent.instance_id))
        self._on_change()
        return {charge.agent.instance_id for charge in self._charges.values()}

    def _hear(self, status: InstanceStatus) -> None:
        charge = self._by_id.get(status.agent_id)
        if charge is None or status.state is not InstanceState.EXITED or "-job-" in status.instance:
            return
        incarnation = int(status.instance.rpartition("-")[2])
        exit_ = status.exit or Exit(at_us=self._clock.now_us(), lost=True)
        charge.inbox.put_nowait(Exited(incarnation, exit_))

    # ── one agent ────────────────────────────────────────────────────────────────────────────────────────────────
    def _note(self, agent: Agent, revision: int) -> Charge:
        """It is known from now on; `_adopt` begins to tend it."""
        life, _ = resume(agent, None, self._clock.monotonic())
        charge = Charge(agent, revision, life)
        self._charges[(agent.namespace, agent.name)] = charge
        self._by_id[agent.id] = charge
        return charge

    def _adopt(self, charge: Charge, status: InstanceStatus | None) -> None:
        """Tend it from what runs of it now."""
        charge.life, commands = resume(charge.agent, status, self._clock.monotonic())
        charge.task = asyncio.create_task(self._tend(charge, commands), name=f"tend {charge.agent.name}")

    @staticmethod
    def _reachable(charge: Charge) -> None:
        if charge.task is None:
            raise unreachable(charge.runtime, charge.agent.name)

    async def _tend(self, charge: Charge, commands: tuple[Command, ...]) -> None:
        await self._act(charge, commands)
        while True:
            due = charge.life.due
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - self._clock.monotonic())):
                    event = await charge.inbox.get()
            except TimeoutError:
                event = Tick()
            charge.life, commands = step(charge.life, event, self._clock.monotonic())
            await self._act(charge, commands)
            if charge.inbox.empty():
                await self._wake()

    async def _act(self, charge: Charge, commands: tuple[Command, ...]) -> None:
        """Save what is new, then do what follows from it."""
        await self._save(charge)
        for command in commands:
            match command:
                case Announce(type, message):
                    await self._announce(charge, type, message)
                case Report():
                    charge.inbox.put_nowait(self._mend(charge, command))
                case _:
                    self._spawn(self._carry(charge, charge.agent, command))

    async def _carry(self, charge: Charge, agent: Agent, command: Carried) -> None:
        """`agent` as it was when the command was decided: where it runs may change with its workload."""
        try:
            if isinstance(command, StartInstance):
                async with self._starts:
                    answer = await self._carrier.carry(agent, command)
            else:
                answer = await self._carrier.carry(agent, command)
        except HomeportError as error:
            log.warning("supervise.command_failed", agent=agent.name, command=str(command), error=error.message)
            return
        if answer is not None:
            charge.inbox.put_nowait(answer)

    def _mend(self, charge: Charge, down: Report) -> Event:
        action, charge.history = mend(
            charge.agent,
            down.cause,
            down.exit,
            charge.history,
            healthy_s=down.healthy_s,
            at_us=self._clock.now_us(),
        )
        return RestartIn(action.after_s) if action.kind is ActionKind.RESTART else GiveUp(action.why)

    async def _save(self, charge: Charge) -> None:
        """Write the record if something that people or a restarted server must know has changed."""
        life, old = charge.life, charge.agent
        agent = replace(
            old,
            desired=life.desired,
            state=life.state,
            incarnation=life.incarnation,
            endpoint=life.endpoint,
            detail=life.detail,
            restarts=life.restarts,
            last_exit=life.last_exit,
        )
        quiet = agent.state is AgentState.STARTING  # its detail changes with every probe
        if replace(agent, detail=old.detail) == old and (agent.detail == old.detail or quiet):
            charge.agent = agent
            return
        charge.agent = replace(agent, changed_at_us=self._clock.now_us())
        await self._write(charge)
        await self._notify()

    async def _write(self, charge: Charge) -> None:
        """A store that is full or away must not stop supervision: it goes on from memory, and writes again."""
        agent = charge.agent
        try:
            async with charge.writing:
                await self._put(charge)
        except HomeportError as error:
            if not charge.unsaved:
                log.error("supervise.record_not_saved", agent=agent.name, state=agent.state, error=error.message)
                charge.unsaved = error.retry
                self._spawn(self._write_again(charge))
        else:
            charge.unsaved = False

    async def _put(self, charge: Charge) -> None:
        agent = charge.agent
        put = partial(self._store.put, agent, namespace=agent.namespace, key=agent.name)
        charge.unanswered.append(agent)
        try:
            charge.revision = await put(expected=charge.revision)
        except Conflict:
            # Whoever else wrote it wins, except ourselves: a write whose answer was lost with the connection.
            stored = await self._store.get(Agent, agent.namespace, agent.name)
            if stored is None or stored.record not in charge.unanswered:
                raise
            charge.revision = await put(expected=stored.revision)
        charge.unanswered.clear()

    async def _write_again(self, charge: Charge) -> None:
        while charge.unsaved and self._by_id.get(charge.agent.id) is charge:
            await asyncio.sleep(SAVE_AGAIN_S)
            await self._write(charge)

    async def _announce(self, charge: Charge, type: str, message: str) -> None:
        agent = charge.agent
        last = agent.last_exit
        data: dict[str, str | int | float | bool | None] = {"agent_id": agent.id, "incarnation": agent.incarnation}
        if type == "agent.exited" and last is not None:
            data |= {"code": last.code, "signal": last.signal, "oom": last.oom, "lost": last.lost}
        try:
            await self._events.append(agent.namespace, type, agent.name, message, data)
        except HomeportError as error:
            log.error("supervise.event_not_saved", agent=agent.name, type=type, message=message, error=error.message)

    async def _notify(self) -> None:
        self._on_change()
        await self._wake()

    async def _wake(self) -> None:
        """Whoever waits in `until` looks again: an agent is settled only once nothing is left to be told to it."""
        async with self._changed:
            self._changed.notify_all()

    def _charge(self, namespace: str, name: str) -> Charge:
        try:
            return self._charges[(namespace, name)]
        except KeyError:
            raise NotFound(
                f"there is no agent {name!r} in namespace {namespace!r}",
                operation="agents",
                subject=name,
                hint="homeport list shows those there are",
            ) from None

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
