# SPDX-License-Identifier: Apache-2.0
"""From settings to the drivers: what is chosen, and with which options."""

from __future__ import annotations

import os
from collections.abc import Sequence

from homeport.interfaces.cloud import Cloud
from homeport.interfaces.extension_points import driver
from homeport.interfaces.fetcher import Fetcher
from homeport.settings import Settings


def fetchers(settings: Settings, *, allow_local: bool = True) -> dict[str, Fetcher]:
    """By source kind. `allow_local`: the locator was typed by a person on this machine."""
    git = driver("fetcher", "git")
    folder = driver("fetcher", "folder")
    return {
        "git": git(_options(git)(cache=settings.paths.cache / "git", allow_local=allow_local)),
        "folder": folder(_options(folder)()),
    }


def clouds(settings: Settings) -> dict[str, Cloud]:
    local = driver("cloud", "local")
    return {"local": local(_options(local)(register=settings.paths.state / "local-machines.json"))}


def fetcher_for(locator: str, available: Sequence[Fetcher]) -> Fetcher | None:
    return next((fetcher for fetcher in available if fetcher.handles(locator)), None)


def _options(cls: type) -> type:
    """The frozen `Options` beside the driver class."""
    from importlib import import_module

    return import_module(cls.__module__).Options  # type: ignore[no-any-return]


def executor_id() -> str:
    """One server per state folder (it holds the lock), so its name need not tell processes apart."""
    return f"{os.uname().nodename}"
