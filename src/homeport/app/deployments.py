# SPDX-License-Identifier: Apache-2.0
"""Deployments: one durable run of the flow each, with a record that people and the CLI can follow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from homeport.app.eventlog import EventLog
from homeport.errors import Conflict, HomeportError, Interrupted, NotFound, Unavailable
from homeport.flow import carry_out, wish_of
from homeport.interfaces.clock import Clock, Ids
from homeport.interfaces.durable import Durable, Json, Steps, WorkflowState
from homeport.interfaces.house import House
from homeport.interfaces.store import Store
from homeport.model.agent import Agent
from homeport.model.codec import from_builtins
from homeport.model.deployment import Deployment, DeploymentState
from homeport.model.order import Order
from homeport.model.plan import Plan

log = structlog.get_logger(__name__)

T = TypeVar("T")
AWAY_S = 0.5
"""Seconds between two attempts to write to a state database that is away."""

SAGA = "up.v1"
"""A changed `carry_out` takes a new name here; the old one stays registered for those under way."""

INTERRUPTIBLE = frozenset({"install", "ready"})
"""Steps that only wait for something of ours: a wish to cancel ends them at once. Others are finished first."""

_ENDED = {
    WorkflowState.SUCCEEDED: DeploymentState.SUCCEEDED,
    WorkflowState.FAILED: DeploymentState.FAILED,
    WorkflowState.CANCELLED: DeploymentState.CANCELLED,
}


class Deployments:
    def __init__(self, durable: Durable, store: Store, events: EventLog, clock: Clock, ids: Ids, house: House) -> None:
        self._durable, self._store, self._events = durable, store, events
        self._clock, self._ids, self._house = clock, ids, house
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._wishes: dict[str, asyncio.Event] = {}
        self._starting = asyncio.Lock()
        durable.register(SAGA, self._saga)

    async def resume(self) -> None:
        """After a restart: follow again what is under way, and settle what ended unseen."""
        for stored in await self._store.list(Deployment, limit=10_000):
            if stored.record.state is DeploymentState.RUNNING:
                self._follow(stored.record)

    async def start(
        self,
        namespace: str,
        plan: Plan,
        existing: Agent | None,
        *,
        replace: bool,
        env: dict[str, str],
        secrets: tuple[str, ...],
    ) -> Deployment:
        """A new run, or the one that is under way for the same plan. Durable on return."""
        async with self._starting:
            running = await self._running(namespace, plan.name)
            if running is not None:
                if running.plan == plan.id:
                    return running
                raise Conflict(
                    f"another deployment of {plan.name!r} is under way ({running.id})",
                    operation="deploy", subject=plan.name, hint="wait for it, or cancel it with Ctrl-C where it runs",
                )  # fmt: skip
            if existing is not None and existing.plan != plan.id and not replace:
                raise Conflict(
                    f"the name {plan.name!r} is taken by an agent from {existing.source.locator}",
                    operation="deploy", subject=plan.name, hint="choose another with --name, or --replace it",
                )  # fmt: skip
            now_us = self._clock.now_us()
            deployment = Deployment(
                id=self._ids.new("dep"), namespace=namespace, name=plan.name, plan=plan.id,
                state=DeploymentState.RUNNING, created_at_us=now_us, changed_at_us=now_us,
            )  # fmt: skip
            agent_id = existing.id if existing else self._ids.new("agt")
            order = Order(deployment.id, namespace, agent_id, plan, env, secrets, replace)
            await self._store.put(deployment, namespace=namespace, key=deployment.id, expected=0)
            try:
                await self._durable.start(SAGA, deployment.id, wish_of(order))
            finally:
                self._follow(deployment)  # also where nobody knows whether it began: then that is found out
        await self._events.append(namespace, "deployment.started", deployment.id, f"deploying {plan.name}")
        return deployment

    async def get(self, namespace: str, deployment_id: str) -> Deployment:
        stored = await self._store.get(Deployment, namespace, deployment_id)
        if stored is None:
            raise NotFound(f"there is no deployment {deployment_id!r}", subject=deployment_id)
        return stored.record

    async def cancel(self, namespace: str, deployment_id: str) -> Deployment:
        """Recorded; what was done is undone. Idempotent."""
        deployment = await self.get(namespace, deployment_id)
        if deployment.state is DeploymentState.RUNNING:
            await self._durable.cancel(deployment_id)
            self._wish(deployment_id).set()
        return deployment

    def under_way(self) -> bool:
        return bool(self._followers)

    async def close(self) -> None:
        for task in self._followers.values():
            task.cancel()
        await asyncio.gather(*self._followers.values(), return_exceptions=True)

    # ── the saga ─────────────────────────────────────────────────────────────────────────────────────────────────
    async def _saga(self, steps: Steps, wish: Json) -> Json:
        order: Order = from_builtins(wish, Order)
        told = _Told(steps, self._tell, order, self._wish(order.deployment))
        return await carry_out(told, wish, self._house)

    def _wish(self, deployment_id: str) -> asyncio.Event:
        """Set once somebody wishes to cancel. After a restart the durable record says so instead."""
        return self._wishes.setdefault(deployment_id, asyncio.Event())

    async def _tell(self, order: Order, step: str, phase: str) -> None:
        await self._change(order.namespace, order.deployment, step=step)
        await self._events.append(order.namespace, f"deployment.step_{phase}", order.deployment, step)

    # ── the record ───────────────────────────────────────────────────────────────────────────────────────────────
    def _follow(self, deployment: Deployment) -> None:
        task = asyncio.create_task(self._settle(deployment), name=f"follow {deployment.id}")
        self._followers[deployment.id] = task
        task.add_done_callback(lambda _: self._followers.pop(deployment.id, None))

    async def _settle(self, deployment: Deployment) -> None:
        try:
            status = await self._durable.wait(deployment.id)
            state, error = _ENDED[status.state], status.error
        except NotFound:  # the record was written, the crash came before the workflow was
            state = DeploymentState.FAILED
            error = HomeportError("the server stopped before the deployment began", hint="try again").to_dict()
        except HomeportError as failure:
            log.warning("deployments.settle_failed", deployment=deployment.id, error=failure.message)
            return
        self._wishes.pop(deployment.id, None)
        if (error or {}).get("type") == "Interrupted":
            state = DeploymentState.CANCELLED
        plain = {key: value for key, value in (error or {}).items() if isinstance(value, str | bool)}
        agent = deployment.name if state is DeploymentState.SUCCEEDED else ""
        message = str(plain.get("message", "")) or f"{deployment.name} is running"
        await patiently(
            lambda: self._change(deployment.namespace, deployment.id, state=state, error=plain or None, agent=agent)
        )
        await patiently(
            lambda: self._events.append(deployment.namespace, f"deployment.{state}", deployment.id, message)
        )

    async def _change(self, namespace: str, deployment_id: str, **fields: object) -> None:
        stored = await self._store.get(Deployment, namespace, deployment_id)
        if stored is None:
            return
        changed = replace(stored.record, changed_at_us=self._clock.now_us(), **fields)  # type: ignore[arg-type]
        await self._store.put(changed, namespace=namespace, key=deployment_id)

    async def _running(self, namespace: str, name: str) -> Deployment | None:
        for stored in await self._store.list(Deployment, namespace, limit=10_000):
            if stored.record.name == name and stored.record.state is DeploymentState.RUNNING:
                return stored.record
        return None


class _Told:
    """Steps that say which of them begins, ends, or is undone."""

    def __init__(
        self, steps: Steps, tell: Callable[[Order, str, str], Awaitable[None]], order: Order, wish: asyncio.Event
    ) -> None:
        self.id = steps.id
        self._steps, self._tell, self._order, self._wish = steps, tell, order, wish

    async def step(
        self,
        name: str,
        act: Callable[[], Awaitable[Json]],
        *,
        undo: Callable[[Json], Awaitable[None]] | None = None,
    ) -> Json:
        what = name.removesuffix(" intent")

        async def told_undo(result: Json) -> None:
            if undo is not None:
                await patiently(lambda: undo(result))
                await self._say(what, "undone")

        if what != name:  # of no interest to people until it is undone
            return await self._steps.step(name, act, undo=told_undo)

        async def told() -> Json:
            await self._say(name, "began")
            result = await patiently(lambda: unless(self._wish, act()) if name in INTERRUPTIBLE else act())
            await self._say(name, "done")
            return result

        return await self._steps.step(name, told, undo=told_undo if undo else None)

    async def receive(self, topic: str, timeout: float) -> Json | None:
        return await self._steps.receive(topic, timeout)

    async def _say(self, what: str, phase: str) -> None:
        await patiently(lambda: self._tell(self._order, what, phase))


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """`work`, which is safe to repeat, again and again while the state database is away.

    What could not be written has not failed: it is written, or done again, once the database is back.
    """
    while True:
        try:
            return await work()
        except Unavailable as error:
            if error.operation != "store":
                raise
            log.warning("deployments.state_away", error=error.message)
        await asyncio.sleep(AWAY_S)


async def unless(wish: asyncio.Event, act: Awaitable[Json]) -> Json:
    """What `act` gives. Raises `Interrupted`, and ends it, once the wish is there."""
    work = asyncio.ensure_future(act)
    wished = asyncio.ensure_future(wish.wait())
    try:
        await asyncio.wait([work, wished], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise Interrupted("cancelled on request", operation="deploy")
    finally:
        for task in (work, wished):
            task.cancel()
        await asyncio.gather(work, wished, return_exceptions=True)
