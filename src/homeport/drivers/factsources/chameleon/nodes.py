# SPDX-License-Identifier: Apache-2.0
"""From the nodes of one site to offers, one for each node type. Pure; what cannot be true is refused as a whole."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.drivers.factsources import within
from homeport.drivers.factsources.chameleon.wire import Gpu, Node
from homeport.errors import InvalidSource
from homeport.model.facts import LEASE_HOURS, SERVICE_UNIT, SEVERAL
from homeport.model.plan import Offer

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def check_name(text: str) -> str:
    """Of a site or a node type. Raises `InvalidSource`."""
    if not _NAME.fullmatch(text):
        raise InvalidSource(f"{text[:80]!r} is no name of a site or node", operation="catalog", subject=text[:80])
    return text


def offers(site: str, nodes: Sequence[Node], as_of: str) -> list[Offer]:
    """Nodes of one type differ: an offer has the least of each property. Raises `InvalidSource`."""
    by_type: dict[str, list[Node]] = {}
    seen = set()
    for node in nodes:
        if node.uid in seen:
            raise InvalidSource(f"a node of {site} is there twice", operation="catalog", subject=node.uid[:80])
        seen.add(node.uid)
        _check(node)
        by_type.setdefault(check_name(node.node_type), []).append(node)
    return [_offer(site, kind, alike, as_of) for kind, alike in sorted(by_type.items())]


def _offer(site: str, kind: str, nodes: Sequence[Node], as_of: str) -> Offer:
    archs = {node.architecture.platform_type for node in nodes}
    gpus = [_gpus(node) for node in nodes]
    count = min(number for number, _, _ in gpus)
    vendors = {vendor for _, _, vendor in gpus}
    return Offer(
        cloud="chameleon",
        region=site,
        machine_type=kind,
        cpus=min(node.architecture.smt_size for node in nodes),
        memory_bytes=min(node.main_memory.ram_size for node in nodes),
        disk_bytes=min(sum(disk.size for disk in node.storage_devices or ()) for node in nodes),
        gpus=count,
        gpu_model=SEVERAL.join(dict.fromkeys(model for _, model, _ in gpus)) if count else "",
        gpu_vendor=vendors.pop() if count and len(vendors) == 1 else "",
        arch=archs.pop() if len(archs) == 1 else "",
        hourly=SERVICE_UNIT,
        available=len(nodes),
        longest_hours=LEASE_HOURS,
        as_of=as_of,
    )


def _gpus(node: Node) -> tuple[int, str, str]:
    """How many, what the first is called, and who made it. One that is there and not counted is one."""
    found = node.gpu if isinstance(node.gpu, list) else [node.gpu or Gpu()]
    there = [gpu for gpu in found if gpu.gpu]
    model = next((gpu.gpu_model for gpu in there if gpu.gpu_model), "")
    vendor = next((gpu.gpu_vendor for gpu in there if gpu.gpu_vendor), "").lower()
    return sum(1 if gpu.gpu_count is None else gpu.gpu_count for gpu in there), model, vendor


def _check(node: Node) -> None:
    what = node.uid[:80]
    within(node.architecture.smt_size, 1, 16384, f"the threads of {what}")
    within(node.main_memory.ram_size, 2**26, 2**50, f"the memory of {what}")
    for disk in node.storage_devices or ():
        within(disk.size, 0, 2**60, f"a disk of {what}")
    for gpu in node.gpu if isinstance(node.gpu, list) else [node.gpu or Gpu()]:
        within(gpu.gpu_count or 0, 0, 64, f"the number of GPUs of {what}")
        said = (gpu.gpu_model or "") + (gpu.gpu_vendor or "")
        if not said.isprintable() or len(said) > 200:
            raise InvalidSource(f"the GPU of {what} has no sound name", operation="catalog", subject=what)
    check_name(node.architecture.platform_type)
