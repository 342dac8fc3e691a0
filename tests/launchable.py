# SPDX-License-Identifier: Apache-2.0
"""A workload, machines that will do for it, and plans on them, for tests of what users add."""

from __future__ import annotations

from typing import TypeVar

from homeport.model.evidence import Inferred, Origin
from homeport.model.money import Money
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import Ecosystem, GpuNeed, Requirements
from homeport.model.source import Source, SourceKind
from homeport.model.workload import Delivery

T = TypeVar("T")
GIB = 1024**3

LAPTOP = Offer("local", "here", "this-machine", cpus=4, memory_bytes=16 * GIB, disk_bytes=0)
SMALL = Offer("linode", "us-east", "g6-standard-1", 1, 2 * GIB, 50 * GIB, hourly=Money(18_000))
LEASED = Offer(
    "chameleon", "uc", "gpu_rtx_6000", 48, 192 * GIB, 240 * GIB, gpus=1, hourly=Money(1_000_000, "SU"),
    longest_hours=168,
)  # fmt: skip
OFFERS = (LAPTOP, SMALL, LEASED)


def said(value: T) -> Inferred[T]:
    return Inferred(value, Origin.DOCUMENTED)


def needs() -> Requirements:
    """A GPU of 24 GiB, 160 GiB of memory, CUDA 12.4, Python 3.11; nothing says how many cores."""
    return Requirements(
        ecosystem=said(Ecosystem.PYTHON), start=said(("python", "main.py")), runtime_version=None, port=said(8000),
        health_path=None, memory_bytes=said(160 * GIB), gpu=said(GpuNeed.NEEDED), delivery=said(Delivery.EXACT_OR_DEAD),
        honours_keys=said(False), vram_bytes=said(24 * GIB), cuda=said("12.4"), disk_bytes=said(50 * GIB),
        os_family=said("ubuntu"), language=said("Python"), language_version=said("3.11"),
        system_packages=said(("ffmpeg",)),
    )  # fmt: skip


def plan_of(offer: Offer) -> Plan:
    return Plan(
        id="pln_1", name="notes", source=Source(SourceKind.FOLDER, "notes", "d"), requirements=needs(), chosen=offer,
        hours=6.9, total=offer.hourly * 6.9, candidates=(), steps=(),
    )  # fmt: skip
