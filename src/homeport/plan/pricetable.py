# SPDX-License-Identifier: Apache-2.0
"""What a cluster's nodes cost, said by the user in a file: the offers of Kubernetes. Pure: the text is given.

    currency: EUR            # USD if not said
    cluster: prod            # shown as the place
    rates: {cpu: 0.03, memory: 0.004, gpu: 1.10}      # of one processor, GiB and GPU for an hour
    nodes:
      - {name: general, cpus: 16, memory: 64Gi, disk: 200Gi, count: 4}        # priced by the rates
      - {name: a100, cpus: 32, memory: 256Gi, gpus: 2, gpu: A100 80GB, hourly: 4.20, count: 2}
    largest: {cpus: 8, memory: 32Gi, gpus: 1, gpu: T4}  # instead of nodes: any size up to this, by the rates

The same in TOML where the file's name ends in .toml.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from homeport.errors import UsageError
from homeport.model import quantity
from homeport.model.money import FREE, Money
from homeport.model.paths import printable
from homeport.model.plainyaml import LONGEST, Node, YamlTrouble, read_yaml
from homeport.model.plan import Offer
from homeport.plan.gpus import with_gpu_facts

NOT_PRICED = Offer(
    cloud="kubernetes", region="", machine_type="node", cpus=0, memory_bytes=0, disk_bytes=0, hourly=FREE, priced=False
)
"""What stands for Kubernetes where no table says what its nodes cost; nothing is known of them either."""
_GIB = 2**30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_MOST_NODES = 500
_PER_CPU_GIB = (2, 4, 8)
_TOP = frozenset({"currency", "cluster", "rates", "nodes", "largest"})
_NODE = frozenset({"name", "cpus", "memory", "disk", "gpus", "gpu", "gpu-memory", "arch", "hourly", "count"})
_RATES = frozenset({"cpu", "memory", "gpu"})
_LARGEST = frozenset({"cpus", "memory", "gpus", "gpu"})


@dataclass(frozen=True, slots=True)
class _Rates:
    """Millionths of a unit for an hour."""

    cpu: int = 0
    memory: int = 0
    gpu: int = 0

    def of(self, offer: Offer) -> int:
        return self.cpu * offer.cpus + round(self.memory * offer.memory_bytes / _GIB) + self.gpu * offer.gpus


def read_prices(text: str, *, path: str) -> list[Offer]:
    """The offers that the table makes. Raises `UsageError` naming file, line and key of what cannot be read."""
    try:
        return _offers(_toml(text) if path.endswith(".toml") else read_yaml(text))
    except YamlTrouble as trouble:
        where = f"{path}:{trouble.line}" if trouble.line else path
        key = f"{printable(trouble.key, 80)}: " if trouble.key else ""
        raise UsageError(
            f"{where}: {key}{printable(str(trouble), 200)}", operation="plan", subject=path,
            hint="the how-to 'Prices and offers' shows what such a file looks like",
        ) from None  # fmt: skip


def _offers(root: Node) -> list[Offer]:
    top = _entries(root, _TOP)
    currency = _read(top.get("currency"), _currency, "USD")
    cluster = _read(top.get("cluster"), _name, "")
    rates = None if "rates" not in top else _rates(top["rates"])
    if "nodes" in top and "largest" in top:
        raise top["largest"].trouble("say either nodes or largest, not both")
    if "nodes" in top:
        found = _nodes(top["nodes"], rates, currency)
    elif "largest" in top:
        if rates is None:
            raise top["largest"].trouble("rates are needed to price it")
        found = list(_sizes(top["largest"], rates, currency))
    else:
        raise root.trouble("it takes nodes, or rates with largest")
    return [with_gpu_facts(replace(offer, region=cluster)) for offer in found]


def _nodes(listed: Node, rates: _Rates | None, currency: str) -> list[Offer]:
    if listed.kind != "list" or not 0 < len(listed.items) <= _MOST_NODES:
        raise listed.trouble(f"expected a list of 1 to {_MOST_NODES} kinds of node")
    found: dict[str, Offer] = {}
    for one in listed.items:
        offer = _node(one, rates, currency)
        if offer.machine_type in found:
            raise one.trouble(f"the name {offer.machine_type!r} is there twice")
        found[offer.machine_type] = offer
    return list(found.values())


def _node(node: Node, rates: _Rates | None, currency: str) -> Offer:
    said = _entries(node, _NODE, needed=("name", "cpus", "memory"))
    gpus = _read(said.get("gpus"), _count, 1 if "gpu" in said else 0)
    offer = Offer(
        cloud="kubernetes",
        region="",
        machine_type=_read(said["name"], _name, ""),
        cpus=_read(said["cpus"], _processors, 0),
        memory_bytes=_read(said["memory"], quantity.memory_bytes, 0),
        disk_bytes=_read(said.get("disk"), quantity.disk_bytes, 0),
        gpus=gpus,
        gpu_memory_bytes=_read(said.get("gpu-memory"), quantity.gpu_memory_bytes, 0),
        gpu_model=_read(said.get("gpu"), _model, ""),
        arch=_read(said.get("arch"), quantity.arch, "x86_64"),
        available=_read(said.get("count"), _count, 1),
    )
    if "hourly" in said:
        return replace(offer, hourly=Money(_read(said["hourly"], _price, 0), currency))
    if rates is None:
        raise node.trouble("hourly is missing, and there are no rates to price it by")
    return replace(offer, hourly=Money(rates.of(offer), currency))


def _sizes(node: Node, rates: _Rates, currency: str) -> Iterator[Offer]:
    """Doubling sizes up to the largest: 2, 4 and 8 GiB a processor, and with GPUs 8 processors and 64 GiB for each."""
    said = _entries(node, _LARGEST, needed=("cpus", "memory"))
    cpus, memory = _read(said["cpus"], _processors, 0), _read(said["memory"], quantity.memory_bytes, 0)
    gpus = _read(said.get("gpus"), _count, 1 if "gpu" in said else 0)
    model = _read(said.get("gpu"), _model, "")
    shapes = {(size, min(size * each * _GIB, memory), 0) for size in _doubling(cpus) for each in _PER_CPU_GIB}
    shapes |= {(min(8 * size, cpus), min(64 * size * _GIB, memory), size) for size in _doubling(gpus)}
    for processors, size, devices in sorted(shapes):
        name = f"{processors} cpus, {size / _GIB:.4g} GiB" + (f", {devices} GPUs" if devices else "")
        offer = Offer(
            "kubernetes", "", name, processors, size, 0, gpus=devices, gpu_model=model if devices else ""
        )  # fmt: skip
        yield replace(offer, hourly=Money(rates.of(offer), currency))


def _doubling(most: int) -> list[int]:
    return sorted({most, *(2**power for power in range(11) if 2**power < most)} - {0})


def _rates(node: Node) -> _Rates:
    said = _entries(node, _RATES)
    return _Rates(*(_read(said.get(name), _price, 0) for name in ("cpu", "memory", "gpu")))


def _entries(node: Node, known: frozenset[str], needed: tuple[str, ...] = ()) -> Mapping[str, Node]:
    if node.kind != "mapping":
        raise node.trouble("expected names with values")
    for name, one in node.entries.items():
        if name not in known:
            raise one.trouble(f"{printable(name, 40)!r} is not known here; known: {', '.join(sorted(known))}")
    for name in needed:
        if name not in node.entries:
            raise node.trouble(f"{name} is missing")
    return node.entries


def _read(node: Node | None, read: Callable[[object], Any], default: Any) -> Any:
    if node is None:
        return default
    if node.kind != "text":
        raise node.trouble("expected one value")
    try:
        return read(node.text)
    except ValueError as error:
        raise node.trouble(str(error)) from None


def _price(value: object) -> int:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", str(value), re.A):
        raise ValueError("expected a price for an hour, for example 0.25")
    return round(float(str(value)) * 1_000_000)


def _currency(value: object) -> str:
    if not re.fullmatch(r"[A-Z]{2,5}", str(value)):
        raise ValueError("expected a unit of money in capital letters, for example USD")
    return str(value)


def _count(value: object) -> int:
    if not re.fullmatch(r"\d{1,5}", str(value), re.A) or int(str(value)) > 1024:
        raise ValueError("expected a number between 0 and 1024")
    return int(str(value))


def _processors(value: object) -> int:
    """Whole ones: part of a processor is none."""
    number = int(quantity.cpus(value))
    if number < 1:
        raise ValueError("expected at least one processor")
    return number


def _name(value: object) -> str:
    if not _NAME.fullmatch(str(value)):
        raise ValueError("expected a name of letters, digits, dots, hyphens and slashes, at most 63")
    return str(value)


def _model(value: object) -> str:
    if not 1 <= len(str(value)) <= 100 or not str(value).isprintable():
        raise ValueError("expected the name of a GPU, for example A100 80GB")
    return str(value)


def _toml(text: str) -> Node:
    """As YAML would be read; TOML keeps no lines for what is sound, so that only keys are named."""
    if len(text) > LONGEST:
        raise YamlTrouble(f"it is larger than {LONGEST // 1024} KiB")
    try:
        return _grown(tomllib.loads(text, parse_float=str), "")
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"\(at line (\d+)", str(error))
        raise YamlTrouble(f"not valid TOML: {error}", int(line[1]) if line else 0) from None
    except RecursionError:
        raise YamlTrouble("it is too deep") from None


def _grown(value: object, key: str) -> Node:
    if isinstance(value, dict):
        return Node("mapping", 0, key, entries={
            name: _grown(one, f"{key}.{name}" if key else name) for name, one in value.items()
        })  # fmt: skip
    if isinstance(value, list):
        return Node("list", 0, key, items=tuple(_grown(one, f"{key}[{at}]") for at, one in enumerate(value)))
    return Node("text", 0, key, str(value))
