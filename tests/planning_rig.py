# SPDX-License-Identifier: Apache-2.0
"""What plans are made of in tests: requirements with known evidence, offers in round numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from homeport.analyze import analyze
from homeport.model.evidence import Evidence, Inferred, Origin
from homeport.model.money import FREE, Money
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import GpuNeed, Requirements
from homeport.plan import make_plan
from homeport.testing.fetchers import DictView

GIB = 2**30
VIEW = DictView({"main.py": 'if __name__ == "__main__":\n    pass\n', "homeport.yaml": "memory: 2Gi\nport: 8080\n"})
PLAIN = analyze(VIEW)


def said(value: Any) -> Inferred[Any]:
    """As a document says it: firm."""
    return Inferred(value, Origin.DOCUMENTED, (Evidence("README.md", 7, "test.said", 0.9, "it says so"),))


def guessed(value: Any) -> Inferred[Any]:
    """As an estimate has it."""
    return Inferred(value, Origin.CODE, (Evidence("model.py", 3, "test.guessed", 0.4),))


def needs(**fields: Any) -> Requirements:
    """`gpu` may be a word; what is no `Inferred` is firm."""
    if "gpu" in fields and not isinstance(fields["gpu"], Inferred):
        fields["gpu"] = GpuNeed(fields["gpu"])
    firm = {name: one if isinstance(one, Inferred) else said(one) for name, one in fields.items()}
    return replace(PLAIN, **firm)


def planned(offers: list[Offer], of: Requirements = PLAIN, **words: Any) -> Plan:
    return make_plan(VIEW.source, of, offers, **{"name": "notes", "now_us": 1, **words})


def local(**fields: Any) -> Offer:
    return replace(Offer("local", "local", "this machine", 4, 8 * GIB, 100 * GIB), **fields)


def linode(name: str, cents: float, memory: float = 8, **fields: Any) -> Offer:
    """`cents` an hour, a month capped at what 2,000/3 hours cost (as Linode's are); `memory` in GiB."""
    hourly = round(cents * 10_000)
    money = {"hourly": Money(hourly), "monthly": Money(hourly * 2000 // 3)}
    return replace(Offer("linode", "", name, 4, int(memory * GIB), 100 * GIB), **{**money, **fields})


def chameleon(name: str, site: str = "uc", **fields: Any) -> Offer:
    """A node for one service unit an hour, at most a week."""
    node = Offer(
        "chameleon", site, name, 48, 128 * GIB, 200 * GIB,
        hourly=Money(1_000_000, "SU"), longest_hours=168.0, as_of="2026-05-01",
    )  # fmt: skip
    return replace(node, **fields)


def with_gpus(offer: Offer, count: int, memory: float, capability: str = "8.0", vendor: str = "nvidia") -> Offer:
    return replace(
        offer, gpus=count, gpu_memory_bytes=int(memory * GIB), gpu_vendor=vendor, compute_capability=capability
    )


def why(plan: Plan, machine: str) -> str:
    """Why that machine lost."""
    return next(one.lost for one in plan.candidates if one.offer.machine_type == machine)


UNPRICED = Offer("kubernetes", "", "a pod", 0, 0, 0, hourly=FREE, priced=False)
