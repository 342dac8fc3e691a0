# SPDX-License-Identifier: Apache-2.0
"""The control plane as a running thing: opened from settings, its loops started in order, closed in reverse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog

from homeport import __version__
from homeport.app.access import Access
from homeport.app.agentimages import AgentImages
from homeport.app.agentlogs import AgentLogs
from homeport.app.backups.stillness import Stillness
from homeport.app.backups.taking import backups_of
from homeport.app.carry import Carrier
from homeport.app.compose import clouds, docker_runtime, durable_steps, fetchers, made, open_store
from homeport.app.control import Readiness
from homeport.app.deployments import Deployments
from homeport.app.engine import LazyImages
from homeport.app.eventlog import EventLog
from homeport.app.folders import AgentFolders
from homeport.app.holding import Holding
from homeport.app.house import LocalHouse
from homeport.app.loops.publish import Publisher
from homeport.app.loops.retain import retain
from homeport.app.loops.supervise import Supervisor
from homeport.app.runtimes import Runtimes
from homeport.app.service import Service
from homeport.app.webhooks import Webhooks
from homeport.gateway.control_client import GatewayControl
from homeport.gateway.webhooks.addresses import Border, networks
from homeport.settings import Settings

log = structlog.get_logger(__name__)


class ControlPlane:
    """`async with ControlPlane(settings) as service`. Raises `Conflict` where another server owns the state.

    With a database that several servers share, open it only while `holding` has the claim.
    """

    def __init__(self, settings: Settings, holding: Holding | None = None) -> None:
        self._settings, self._holding = settings, holding
        self._stack = AsyncExitStack()
        self._started_us = time.time_ns() // 1000
        self.failed: asyncio.Future[None]

    async def __aenter__(self) -> Service:
        try:
            return await self._open()
        except BaseException:
            await self._stack.aclose()
            raise

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def _open(self) -> Service:
        settings, paths = self._settings, self._settings.paths
        paths.create()
        self.failed = asyncio.get_running_loop().create_future()
        durable = durable_steps(settings)
        self._stack.push_async_callback(durable.close)
        durable.claim()  # before anything is touched: one server per state folder
        clock, ids = made("clock", "system"), made("ids", "ulid")
        probe = made("probe", "http")
        store = await open_store(settings)
        self._stack.push_async_callback(store.close)
        sealer = made("sealer", "fernet", key_file=paths.key)
        audit = made("audit", "file", path=paths.state / "audit.jsonl", sealer=sealer)
        self._stack.push_async_callback(audit.close)
        policy = made("policy", "rego")
        self._stack.push_async_callback(policy.close)
        secrets = made("secrets", "sealed", key_file=paths.key, store=store, sealer=sealer)
        self._keeper = made("runtime", "process", keeper_socket=paths.keeper_socket, logs=paths.logs)
        runtimes = Runtimes(
            {"process": lambda: self._keeper, "docker": lambda: docker_runtime(settings)}, LazyImages(settings)
        )
        self._stack.push_async_callback(runtimes.close)

        events = EventLog(store, clock, ids)
        access = Access(store, policy, audit, clock, ids)
        await access.load()
        await access.first_token(paths.admin_token)
        gateway = GatewayControl(paths.gateway_socket)
        publisher = Publisher(gateway, clock, lambda: supervisor.agents(), access.grants, webhooks=lambda: hooks.all())  # noqa: PLW0108  (made just below)
        hooks = Webhooks(
            store, sealer, access, gateway, clock, ids, publisher.changed,
            plain=Border(networks(settings.webhook_allow)).loopback,
        )  # fmt: skip
        await hooks.load()
        carrier = Carrier(runtimes, probe, secrets, paths, clock, lambda agent: house.lay_again(agent))  # noqa: PLW0108
        supervisor = Supervisor(store, carrier, events, clock, publisher.changed)
        agent_logs = AgentLogs(runtimes, secrets)
        readers = fetchers(settings, runtimes.images)
        stillness = Stillness()
        folders = AgentFolders(paths, readers, stillness)
        house = LocalHouse(
            folders, AgentImages(runtimes, folders, supervisor.images_of), clouds(settings), readers, runtimes,
            agent_logs, supervisor,
            settings.network_env, settings.docker_base, publisher.heard,
        )  # fmt: skip
        deployments = Deployments(durable, store, events, clock, ids, house)

        await self._loop("supervise", supervisor.run())
        await supervisor.adopted.wait()
        await self._loop("publish", publisher.run())
        await durable.launch()
        await self._loop("retain", retain(store, durable, clock))
        await deployments.resume()
        self._stack.push_async_callback(deployments.close)
        return Service(
            access, supervisor, deployments, publisher, gateway, house, runtimes, agent_logs, events, secrets, audit,
            self._about,
            backups_of(
                settings, store=store, durable=durable, audit=audit, stillness=stillness, agents=supervisor.agents,
                runtimes=runtimes, clock=clock, ids=ids,
            ),
            hooks,
        )  # fmt: skip

    def readiness(self) -> Readiness:
        held = self._holding.held if self._holding is not None else None
        if held is None:
            return Readiness()
        return Readiness(role="holder", node=held.me.node, holder=held.me.node, since_us=held.since_us)

    async def _about(self) -> dict[str, Any]:
        settings = self._settings
        keeper = await self._keeper.status()
        return {
            "version": __version__,
            "pid": keeper["pid"],
            "processes": {"keeper": {"pid": keeper["pid"], "restarts": 0}, **keeper["processes"]},
            "started_at_us": self._started_us,
            "role": self.readiness().role,
            "listen": {"api": settings.api_listen, "gateway": settings.gateway_listen},
            "paths": {
                "state": str(settings.paths.state),
                "logs": str(settings.paths.logs),
                "admin_token": str(settings.paths.admin_token),
            },
        }

    async def _loop(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run until closed. A loop that fails takes the process down: the keeper starts a fresh one."""

        async def watched() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.exception("loop.failed", loop=name)
                if not self.failed.done():
                    self.failed.set_exception(error)

        task = asyncio.create_task(watched(), name=name)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(stop)
