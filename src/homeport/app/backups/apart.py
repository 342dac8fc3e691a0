# SPDX-License-Identifier: Apache-2.0
"""Data that is not in agents' folders: a container engine that does not see them keeps it itself."""

from __future__ import annotations

from homeport.app.runtimes import Runtimes
from homeport.errors import HomeportError
from homeport.interfaces.runtime import KeepsData
from homeport.model.agent import Agent


async def kept_apart(agents: list[Agent], runtimes: Runtimes) -> dict[str, str]:
    """Of these agents, those whose data a copy of their folders does not have, by id; and that in words."""
    whys: dict[str, str] = {}
    for name in sorted({agent.workload.runtime for agent in agents}):
        whys[name] = await _why(name, runtimes)
    return {agent.id: f"the data of {agent.name}: {why}" for agent in agents if (why := whys[agent.workload.runtime])}


async def _why(name: str, runtimes: Runtimes) -> str:
    try:
        runtime = runtimes.of(name)
        kept = isinstance(runtime, KeepsData) and await runtime.keeps_data()
    except HomeportError as error:
        return f"whether its engine keeps it is not known ({error.message})"
    return "its container engine keeps it, and what was installed, in volumes of its own (docker cp)" if kept else ""
