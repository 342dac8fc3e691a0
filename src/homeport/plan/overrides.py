# SPDX-License-Identifier: Apache-2.0
"""What the user said outranks all that was found, and shows as such."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from homeport.errors import UsageError
from homeport.model import quantity
from homeport.model.evidence import Evidence, Inferred, Origin
from homeport.model.paths import printable
from homeport.model.requirements import GpuNeed, Requirements
from homeport.plan.gpuwish import GpuWish, gpu_wish


def _words(value: object) -> tuple[str, ...]:
    words = tuple(shlex.split(str(value)))
    if not words or len(words) > 128 or any(not word.isprintable() for word in words):
        raise ValueError("expected a command line, for example 'python main.py'")
    if any(set(word) <= set(";&|<>") for word in words):
        raise ValueError("a shell is not used: put the commands into a script and start that")
    return words


OVERRIDES: dict[str, tuple[str, Callable[[object], object]]] = {
    "start": ("start", _words),
    "port": ("port", quantity.port),
    "health": ("health_path", quantity.health_path),
    "gpu": ("gpu", gpu_wish),
    "gpus": ("gpu_count", quantity.gpu_count),
    "vram": ("vram_bytes", quantity.gpu_memory_bytes),
    "gpu-vendor": ("gpu_vendor", quantity.gpu_vendor),
    "cuda": ("cuda", quantity.version_number),
    "rocm": ("rocm", quantity.version_number),
    "compute-capability": ("compute_capability", quantity.version_number),
    "cpus": ("cpus", quantity.cpus),
    "memory": ("memory_bytes", quantity.memory_bytes),
    "shm": ("shared_memory_bytes", quantity.memory_bytes),
    "disk": ("disk_bytes", quantity.disk_bytes),
    "arch": ("arch", quantity.arch),
    "os": ("os_family", quantity.named_release),
    "os-version": ("os_version", quantity.version_number),
    "language": ("language", quantity.named_release),
    "language-version": ("language_version", quantity.version),
    "packages": ("system_packages", quantity.packages),
    "kind": ("kind", quantity.kind),
    "version": ("runtime_version", quantity.version),
    "delivery": ("delivery", quantity.delivery),
    "idempotency": ("honours_keys", quantity.honours_keys),
}
"""What may be overridden, by the name of its flag: the field of Requirements, and how its text is read."""

_OF_GPUS = ("gpu_count", "vram_bytes", "gpu_vendor", "cuda", "rocm", "compute_capability")
_MAKERS = {"cuda": "nvidia", "compute_capability": "nvidia", "rocm": "amd"}
_RELEASES = {"os_family": "os_version", "language": "language_version"}


def apply_overrides(requirements: Requirements, overrides: Mapping[str, str]) -> Requirements:
    """The requirements with the user's values in place. Raises `UsageError` naming the flag.

    Values that are "" were not given. `runtime` is "python3.12" or the like: ecosystem and version in one; `os` and
    `language` may name a release as well. A flag about GPUs means that one is needed, unless `gpu` says otherwise;
    with `gpu` "no" what was found about GPUs is dropped.
    """
    changes: dict[str, Any] = {}
    given = {flag: text for flag, text in overrides.items() if text != ""}
    for flag in sorted(given, key=lambda flag: flag != "gpu"):
        try:
            for field, value in _read(flag, given[flag]):
                changes[field] = _said(flag, given[flag], value, getattr(requirements, field))
        except KeyError:
            known = ", ".join([*OVERRIDES, "runtime"])
            raise UsageError(f"{flag!r} cannot be set", operation="plan", hint=f"these can: {known}") from None
        except ValueError as error:
            text = printable(given[flag], 80)
            raise UsageError(f"--{flag} {text!r}: {error}", operation="plan", subject=flag) from None
    return replace(requirements, **_of_gpus(requirements, changes, given))


def _read(flag: str, text: str) -> Iterator[tuple[str, Any]]:
    """The fields that a flag sets, and to what."""
    if flag == "runtime":
        ecosystem, version = quantity.runtime(text)
        yield "ecosystem", ecosystem
        if version:
            yield "runtime_version", version
        return
    field, read = OVERRIDES[flag]
    value = read(text)
    if isinstance(value, GpuWish):
        yield from _wished(value)
    elif field in _RELEASES:
        name, release = cast(tuple[str, str], value)
        yield field, name
        if release:
            yield _RELEASES[field], release
    else:
        yield field, value


def _wished(wish: GpuWish) -> Iterator[tuple[str, Any]]:
    yield "gpu", wish.need
    said = {"gpu_count": wish.count, "vram_bytes": wish.vram_bytes, "gpu_vendor": wish.vendor,
            "compute_capability": wish.capability}  # fmt: skip
    yield from ((field, value) for field, value in said.items() if value)


def _of_gpus(found: Requirements, changes: dict[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """What was said about GPUs, made of one piece."""
    flags = [flag for flag in given if flag in OVERRIDES and OVERRIDES[flag][0] in _OF_GPUS]
    need = changes["gpu"].value if "gpu" in changes else None
    if need is GpuNeed.NO:
        if flags:
            raise UsageError(
                f"--gpu no and --{flags[0]} contradict each other", operation="plan", subject=flags[0],
                hint="leave out one of them",
            )  # fmt: skip
        return {**changes, **dict.fromkeys(_OF_GPUS)}
    if flags and need is None and found.gpu.value is GpuNeed.NO:
        changes["gpu"] = _said(flags[0], given[flags[0]], GpuNeed.NEEDED, found.gpu)
    for field, maker in _MAKERS.items():
        vendor = changes.get("gpu_vendor")
        if vendor is not None and vendor.value != maker:
            if changes.get(field) is not None:
                other = next(flag for flag in given if flag in ("gpu-vendor", "gpu"))
                raise UsageError(
                    f"--{other} {printable(given[other], 80)} and --{field} contradict each other", operation="plan",
                    subject=field, hint="leave out one of them",
                )  # fmt: skip
            changes[field] = None
        elif vendor is None and changes.get(field) and found.gpu_vendor and found.gpu_vendor.value != maker:
            changes["gpu_vendor"] = _said(flags[0], given[flags[0]], maker, found.gpu_vendor)
    return changes


def _said(flag: str, text: str, value: Any, found: Inferred[Any] | None) -> Inferred[Any]:
    note = ""
    if found is not None and found.value != value and found.origin is not Origin.DEFAULT:
        where = f" ({found.evidence[0].file}:{found.evidence[0].line})" if found.evidence else ""
        was = " ".join(found.value) if isinstance(found.value, tuple) else str(found.value)
        note = f"instead of {printable(was, 100)}{where}"
    evidence = Evidence(file="", line=0, rule=f"user.{flag}", confidence=1.0, quote=printable(text, 160))
    return Inferred(value, Origin.USER, (evidence,), note)
