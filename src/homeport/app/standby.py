# SPDX-License-Identifier: Apache-2.0
"""A server that waits for the claim of its database: what it answers meanwhile, and what it must not leave running.

Its gateway is told which agents there are, so that it can say where they run; it forwards nothing to them itself.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog

from homeport import __version__
from homeport.app.access import Access
from homeport.app.compose import docker_runtime, engine, made, open_store
from homeport.app.control import Actor, Readiness
from homeport.app.holding import Holding
from homeport.app.loops.mirror import Mirror
from homeport.errors import HomeportError, NotFound, Unavailable
from homeport.gateway.control_client import GatewayControl
from homeport.interfaces.claim import Holder, Me
from homeport.interfaces.runtime import Runtime
from homeport.interfaces.store import Store
from homeport.model.instance import InstanceState
from homeport.settings import Settings

log = structlog.get_logger(__name__)
GRACE_S = 5.0
"""Seconds that an instance gets to end, when another server has started its agent elsewhere already."""
RETRY_S = 1.0


def holding_of(settings: Settings) -> Holding:
    """This server's part in the claim of `settings.database_url`. Close it; call within the event loop."""
    settings.paths.create()
    place = settings.paths.state.stat()
    me = Me(settings.node or socket.gethostname(), f"{place.st_dev:x}-{place.st_ino:x}")

    async def fits() -> None:
        try:
            await (await open_store(settings, upgrade=False)).close()
        except Unavailable:
            pass  # older than this program, which may upgrade it then; or away, which is found out by who takes it

    return Holding(
        made("claim", "postgres", url=settings.database_url), me,
        made("sealer", "fernet", key_file=settings.paths.key), fits,
    )  # fmt: skip


class Standby:
    """The control plane as its doors see it while another server has it: every verb is refused with the reason."""

    def __init__(self, settings: Settings, holding: Holding) -> None:
        self._settings, self._holding = settings, holding
        self._clear = False

    async def run(self) -> None:
        """Until cancelled: end what ran here once another server has the claim, and keep the gateway informed."""
        other = await self._holding.another_holds()
        await self._end_instances(other)
        self._clear = True
        await self._inform_gateway()

    def readiness(self) -> Readiness:
        waiting = self._holding.waiting
        holder = waiting.holder
        return Readiness(
            ready=False, role="standby", node=self._holding.me.node, holder=holder.me.node if holder else "",
            since_us=holder.since_us if holder else 0, clear=self._clear, detail=self._refusal("").message,
        )  # fmt: skip

    async def authenticate(self, token: str) -> Actor:
        raise self._refusal("authenticate")

    async def status(self, actor: Actor) -> dict[str, Any]:
        settings = self._settings
        return {
            "version": __version__,
            "role": self._refusal("").message,
            "node": self._holding.me.node,
            "listen": {"api": settings.api_listen, "gateway": settings.gateway_listen},
            "paths": {"state": str(settings.paths.state), "logs": str(settings.paths.logs)},
        }

    def __getattr__(self, verb: str) -> Callable[..., NoReturn]:
        """Every other verb of `Control`."""
        if verb.startswith("_"):
            raise AttributeError(verb)

        def refuse(*_: object, **__: object) -> NoReturn:
            raise self._refusal(verb)

        return refuse

    def _refusal(self, verb: str) -> Unavailable:
        waiting, holder = self._holding.waiting, self._holding.waiting.holder
        if waiting.away:
            return Unavailable(
                f"the database of the control plane is away: {waiting.away}", operation=verb,
                hint="agents go on running; nothing can be changed until it is back, which is noticed by itself",
            )  # fmt: skip
        if holder is None:
            return Unavailable(
                "this server is about to take the control plane", operation=verb, hint="ask again in some seconds"
            )
        since = datetime.fromtimestamp(holder.since_us // 1_000_000, UTC).isoformat().replace("+00:00", "Z")
        return Unavailable(
            f"this server is a standby of {holder.me.node}, which has the control plane since {since}",
            operation=verb, subject=holder.me.node,
            hint=f"ask the server on {holder.me.node}; this one takes over soon after that one is gone",
        )  # fmt: skip

    # ── what ran here ────────────────────────────────────────────────────────────────────────────────────────────
    async def _end_instances(self, other: Holder) -> None:
        """Their agents were started again by the other server: exactly one instance of each may run."""
        settings = self._settings
        runtimes: list[Runtime] = [
            made("runtime", "process", keeper_socket=settings.paths.keeper_socket, logs=settings.paths.logs)
        ]
        if await engine(settings):
            runtimes.append(docker_runtime(settings))
        async with AsyncExitStack() as stack:
            for runtime in runtimes:
                stack.push_async_callback(runtime.close)
            await asyncio.gather(*(self._end_all(runtime, other) for runtime in runtimes))

    async def _end_all(self, runtime: Runtime, other: Holder) -> None:
        while True:
            try:
                found = await runtime.list()
                await asyncio.gather(*(self._end(runtime, status.instance) for status in found))
                running = [status.instance for status in found if status.state is not InstanceState.EXITED]
                if running:
                    log.info("standby.instances_ended", runtime=runtime.name, count=len(running), holder=other.me.node)
                return
            except HomeportError as error:
                log.warning("standby.instances_not_ended", runtime=runtime.name, error=error.message)
                await asyncio.sleep(RETRY_S)

    @staticmethod
    async def _end(runtime: Runtime, instance: str) -> None:
        try:
            await runtime.stop(instance, grace=GRACE_S)
        except NotFound:
            return
        await runtime.forget(instance)

    # ── what the gateway here should know ────────────────────────────────────────────────────────────────────────
    async def _inform_gateway(self) -> None:
        paths = self._settings.paths
        clock, ids = made("clock", "system"), made("ids", "ulid")
        async with AsyncExitStack() as stack:
            store = await self._store()
            stack.push_async_callback(store.close)
            policy = made("policy", "rego")
            stack.push_async_callback(policy.close)
            audit = made("audit", "file", path=paths.state / "audit.jsonl")  # nothing is decided that would be written
            stack.push_async_callback(audit.close)
            gateway = GatewayControl(paths.gateway_socket)
            await Mirror(store, lambda: Access(store, policy, audit, clock, ids), gateway, clock, self._where).run()

    async def _store(self) -> Store:
        """Never made or migrated here: the server that decides may be of an older version."""
        said = ""
        while True:
            try:
                return await open_store(self._settings, upgrade=False)
            except HomeportError as error:
                if error.message != said:
                    log.warning("standby.no_store", error=error.message)
                said = error.message
                await asyncio.sleep(RETRY_S)

    def _where(self) -> str:
        holder = self._holding.waiting.holder
        return f"the server on {holder.me.node}" if holder else "another server"
