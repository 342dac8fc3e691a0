# SPDX-License-Identifier: Apache-2.0
"""A choice, its price, and why each other candidate lost."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.model.codec import stored_as
from homeport.model.money import FREE, Money
from homeport.model.requirements import Requirements
from homeport.model.source import Source


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of machine a cloud would give us now. `memory_bytes` 0 means unknown."""

    cloud: str
    region: str
    machine_type: str
    cpus: int
    memory_bytes: int
    disk_bytes: int
    gpus: int = 0
    gpu_memory_bytes: int = 0
    arch: str = "x86_64"
    hourly: Money = FREE
    available: int = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offer and the verdict on it. `lost` is "" for the one chosen, else the reason in one sentence."""

    offer: Offer
    total: Money
    lost: str = ""


@stored_as("plan")
@dataclass(frozen=True, slots=True)
class Plan:
    """Everything `apply` needs to do exactly this, and to refuse if the world has moved.

    `id` is the digest of the content, so equal plans have equal ids. `hours` 0 means until stopped.
    `steps` are shown to people and mirror what provision and run will do, in order.
    """

    id: str
    name: str
    source: Source
    requirements: Requirements
    chosen: Offer
    hours: float
    total: Money
    candidates: tuple[Candidate, ...]
    steps: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    made_at_us: int = 0
    runtime: str = "process"
    """What runs it on the chosen machine: a driver of the `runtime` extension point; `runtime_why` says why."""
    runtime_why: str = ""
