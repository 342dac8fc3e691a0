# SPDX-License-Identifier: Apache-2.0
"""From names and options to drivers: which driver fills which interface."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from homeport.interfaces.extension_points import driver

if TYPE_CHECKING:
    from homeport.interfaces.cloud import Cloud
    from homeport.interfaces.durable import Durable
    from homeport.interfaces.fetcher import Fetcher
    from homeport.interfaces.images import Images
    from homeport.interfaces.runtime import Runtime
    from homeport.interfaces.store import Store
    from homeport.settings import Settings


def made(point: str, name: str, **options: Any) -> Any:
    """A driver with its frozen Options, which sit beside its class; what is none of them is a driver it works with."""
    cls = driver(point, name)
    own, given = _split(cls, options)
    return cls(*own, **given)


async def opened(point: str, name: str, **options: Any) -> Any:
    """The same for a driver that has to be awaited."""
    cls = driver(point, name)
    own, given = _split(cls, options)
    return await cls.open(*own, **given)


def fetchers(
    settings: Settings,
    images: Images,
    *,
    allow_local: bool = True,
    pull: bool = False,
    values: Mapping[str, str] | None = None,
    outside: bool = False,
) -> dict[str, Fetcher]:
    """By source kind. `allow_local`: the locator was typed by a person on this machine.

    `pull`: an image that is not here may be fetched. `values` and `outside`: see the fetcher of agents files.
    """
    folder = made("fetcher", "folder")
    plain: dict[str, Fetcher] = {
        "git": made(
            "fetcher", "git", cache=settings.paths.cache / "git", allow_local=allow_local, env=settings.network_env
        ),
        "folder": folder,
        "dockerfile": made("fetcher", "dockerfile", folder=folder),
        "image": made("fetcher", "image", images=images, pull=pull),
    }
    return {
        **plain,
        "template": made("fetcher", "template", inner=plain),
        "yaml": made("fetcher", "agents", inner=plain, values=values or {}, outside=outside),
    }


def clouds(settings: Settings) -> dict[str, Cloud]:
    return {"local": made("cloud", "local", register=settings.paths.state / "local-machines.json")}


async def open_store(settings: Settings, *, upgrade: bool = True) -> Store:
    """State: the shared database where one is named, else a file. Close it. `upgrade`: see the PostgreSQL store."""
    if settings.database_url:
        return cast("Store", await opened("store", "postgres", url=settings.database_url, upgrade=upgrade))
    return cast("Store", await opened("store", "sqlite", path=settings.paths.state / "state.db"))


def durable_steps(settings: Settings) -> Durable:
    """Durable steps, where the state is. Not launched."""
    paths = settings.paths
    return cast("Durable", made(
        "durable", "dbos", database=paths.state / "durable.db", lock=paths.state / "durable.lock",
        url=settings.database_url,
    ))  # fmt: skip


def docker_runtime(settings: Settings) -> Runtime:
    """Agents in containers, by the engine that the settings name or that is found."""
    return cast("Runtime", made(
        "runtime", "docker", host=settings.docker_host, network=settings.docker_network, base=settings.docker_base,
        folder=settings.paths.state / "docker", logs=settings.paths.logs, home=settings.paths.state,
    ))  # fmt: skip


async def engine(settings: Settings) -> str:
    """Which container engine answers, as people call it; "" for none. Quick where there is none."""
    return str(await driver("engine", "docker")(settings.docker_host))


def _split(cls: type, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    kind = getattr(sys.modules[cls.__module__], "Options", None)
    if kind is None:
        return (), options
    names = {field.name for field in fields(kind)}
    own = {key: value for key, value in options.items() if key in names}
    return (kind(**own),), {key: value for key, value in options.items() if key not in names}
