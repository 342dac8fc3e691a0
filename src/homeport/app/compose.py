# SPDX-License-Identifier: Apache-2.0
"""From names and options to drivers: which driver fills which interface."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any

from homeport.interfaces.cloud import Cloud
from homeport.interfaces.extension_points import driver
from homeport.interfaces.fetcher import Fetcher
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


def fetchers(settings: Settings, *, allow_local: bool = True) -> dict[str, Fetcher]:
    """By source kind. `allow_local`: the locator was typed by a person on this machine."""
    return {
        "git": made(
            "fetcher", "git", cache=settings.paths.cache / "git", allow_local=allow_local, env=settings.network_env
        ),
        "folder": made("fetcher", "folder"),
    }


def clouds(settings: Settings) -> dict[str, Cloud]:
    return {"local": made("cloud", "local", register=settings.paths.state / "local-machines.json")}


def _split(cls: type, options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    kind = getattr(sys.modules[cls.__module__], "Options", None)
    if kind is None:
        return (), options
    names = {field.name for field in fields(kind)}
    own = {key: value for key, value in options.items() if key in names}
    return (kind(**own),), {key: value for key, value in options.items() if key not in names}
