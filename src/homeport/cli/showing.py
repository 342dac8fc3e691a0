# SPDX-License-Identifier: Apache-2.0
"""Conclusions and plans as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from homeport.cli.output import table
from homeport.cli.times import size

if TYPE_CHECKING:
    from homeport.model.evidence import Inferred
    from homeport.model.plan import Candidate, Plan
    from homeport.model.requirements import Requirements
    from homeport.model.source import Source


def conclusions(requirements: Requirements) -> list[str]:
    """One row per value: what, from which file and line, by which rule."""
    r = requirements
    rows: list[tuple[str, Inferred[Any] | None]] = [
        ("name", r.name),
        ("ecosystem", r.ecosystem),
        ("image", r.image),
        ("dockerfile", r.dockerfile),
        ("start", r.start),
        ("version", r.runtime_version),
        ("port", r.port),
        ("health", r.health_path),
        ("checks", r.checks),
        ("memory", r.memory_bytes),
        ("cpus", r.cpus),
        ("gpu", r.gpu),
        ("gpus", r.gpu_count),
        ("gpu memory", r.vram_bytes),
        ("gpu vendor", r.gpu_vendor),
        ("cuda", r.cuda),
        ("rocm", r.rocm),
        ("capability", r.compute_capability),
        ("disk", r.disk_bytes),
        ("shared memory", r.shared_memory_bytes),
        ("system", r.os_family),
        ("language", r.language),
        ("of version", r.language_version),
        ("packages", r.system_packages),
        ("hours", r.hours),
        ("kind", r.kind),
        ("delivery", r.delivery),
        ("keys", r.honours_keys),
        ("restart", r.restart),
    ]
    shown = [(what, _value(what, found), _where(found), _why(found)) for what, found in rows if found is not None]
    lines = table(("WHAT", "VALUE", "FROM", "WHY"), shown)
    if r.install:
        lines.append(f"installs: {', '.join(r.install)}")
    if r.env:
        lines.append(f"asks for: {', '.join(r.env)}")
    if r.env_values:
        lines.append(f"sets: {', '.join(r.env_values)}")
    if r.secrets:
        lines.append(f"asks for the secrets: {', '.join(r.secrets)}")
    return [*lines, *(f"note: {warning}" for warning in r.warnings)]


def source_line(source: Source) -> str:
    exact = f"commit {source.commit[:12]}" if source.commit else f"digest {source.digest.removeprefix('sha256:')[:12]}"
    return f"{source.locator}  ({source.kind}, {exact}{', in ' + source.subdir if source.subdir else ''})"


def plan_lines(plan: Plan) -> Iterator[str]:
    """The choice, the others and why they lost, the price, the steps."""
    yield f"plan {plan.id} for {plan.name}"
    yield ""
    yield from table(
        ("", "TARGET", "CPUS", "MEMORY", "GPUS", "PRICE/H", "TOTAL", "WHY"),
        (_candidate(candidate, plan) for candidate in plan.candidates),
    )
    yield ""
    hours = f"{plan.hours:g} h" if plan.hours else "until stopped"
    yield f"price: {plan.total} ({hours}, {plan.chosen.hourly} an hour)"
    if plan.runtime != "process":
        yield f"runtime: {plan.runtime} ({plan.runtime_why})"
    for number, step in enumerate(plan.steps, 1):
        yield f"  {number}. {step}"
    for warning in plan.warnings:
        yield f"note: {warning}"


def _candidate(candidate: Candidate, plan: Plan) -> tuple[object, ...]:
    offer = candidate.offer
    won = not candidate.lost and offer == plan.chosen
    place = "/".join(part for part in (offer.cloud, offer.region, offer.machine_type) if part)
    memory = size(offer.memory_bytes) if offer.memory_bytes else "?"
    why = "chosen" if won else candidate.lost
    return ("✔" if won else "", place, offer.cpus, memory, offer.gpus, offer.hourly, candidate.total, why)


def _value(what: str, found: Inferred[Any]) -> str:
    if what in ("memory", "gpu memory", "disk", "shared memory"):
        return size(found.value)
    if what == "start":
        import shlex

        return shlex.join(found.value)
    if what == "checks":
        return f"every {found.value.interval:g} s, {found.value.retries} retries"
    if what == "restart":
        return f"up to {found.value.max_restarts} times" if found.value.enabled else "never"
    if what == "packages":
        return ", ".join(found.value[:8]) + (", …" if len(found.value) > 8 else "")
    if isinstance(found.value, bool):
        return "yes" if found.value else "no"
    return str(found.value)


def _where(found: Inferred[Any]) -> str:
    if not found.evidence:
        return found.origin
    first = found.evidence[0]
    return f"{first.file}:{first.line}" if first.line else first.file


def _why(found: Inferred[Any]) -> str:
    rule = found.evidence[0].rule if found.evidence else ""
    return "; ".join(part for part in (rule, found.note) if part)
