# SPDX-License-Identifier: Apache-2.0
"""A choice, its price, and why each other candidate lost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from homeport.model.advice import Advised
from homeport.model.codec import stored_as, to_json, upcast
from homeport.model.money import FREE, Money
from homeport.model.paths import printable
from homeport.model.requirements import Requirements
from homeport.model.source import Source
from homeport.model.systemimage import ImageChoice


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of machine a cloud would give us now. `memory_bytes`, `disk_bytes` 0 mean unknown.

    `gpu_memory_bytes` is of one GPU, the smallest where nodes of a type differ. `available` is how many are free now;
    `as_of` "" means that the cloud said so just now, else the date (`2026-05-01`) of the table it is from, where what
    is free is not known and `available` counts the nodes there are. `priced` False: nobody said what it costs.
    `monthly` caps what a month costs; 0: no cap. `longest_hours` above 0: it is leased, with an end, at most so long.
    """

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
    gpu_vendor: str = ""
    gpu_model: str = ""
    compute_capability: str = ""
    monthly: Money = FREE
    priced: bool = True
    longest_hours: float = 0.0
    as_of: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Cloud, region and machine type: what two offers of one time do not share."""
        return self.cloud, self.region, self.machine_type

    @property
    def path(self) -> str:
        """`chameleon/uc/gpu_rtx_6000`."""
        return printable("/".join(part for part in self.place if part), 120)

    @property
    def called(self) -> str:
        """`gpu_rtx_6000 (chameleon, uc)`."""
        region = f", {self.region}" if self.region not in ("", self.cloud) else ""
        return f"{self.machine_type} ({self.cloud}{region})"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offer and the verdict on it. `lost` is "" for the one chosen, else the reason in one sentence.

    `total` is for `hours`; 0: it would run until stopped, and `total` is that of an hour.
    """

    offer: Offer
    total: Money
    lost: str = ""
    hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Quote:
    """The best a target can do. `offer` None: it can not, and `why` says what is missing; `why` "" is the choice."""

    target: str
    offer: Offer | None
    hours: float
    total: Money
    why: str = ""


@stored_as("plan", v=2)
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
    hours_why: str = ""
    image: ImageChoice | None = None
    """The operating system of the machine. None: the machine has one already."""
    quotes: tuple[Quote, ...] = ()
    """Every target side by side, the chosen one first."""
    cheaper: tuple[str, ...] = ()
    """What would make it cheaper, and by how much."""
    network: str = ""
    key: str = ""
    """The network the machine joins and the key pair that opens it, by name; "" where the target has neither."""
    chosen_by: str = ""
    """"" for Homeport's own ranking, else who chose among those that will do: `llm`, `selector NAME`, `user`."""
    advised: tuple[Advised, ...] = ()
    """What a model changed, each within bounds."""


def plan_id(said: object) -> str:
    """Of a plan, or of its content as builtins: the digest of all but its id and time, which are empty in `said`."""
    return f"pln_{hashlib.sha256(to_json(said)).hexdigest()[:40]}"


@upcast("plan", from_v=1)
def _with_targets(data: dict[str, Any]) -> dict[str, Any]:
    """Version 2 added time, image, targets, network and advice: an older one has none of them, and loses nothing."""
    return data
