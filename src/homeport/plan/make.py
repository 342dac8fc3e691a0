# SPDX-License-Identifier: Apache-2.0
"""The plan: chosen offer, price, steps, warnings, and an id that is a digest of it all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from homeport.errors import NoCapacity, UsageError
from homeport.model.codec import to_json
from homeport.model.evidence import Inferred, Origin
from homeport.model.names import check_name
from homeport.model.paths import printable
from homeport.model.plan import Candidate, Offer, Plan
from homeport.model.requirements import Ecosystem, GpuNeed, Requirements
from homeport.model.source import Source
from homeport.plan.match import judge, mebibytes, total
from homeport.plan.overrides import apply_overrides
from homeport.plan.runtime import choose_runtime
from homeport.plan.steps import plan_steps

_YEAR = 24 * 366.0


def make_plan(
    source: Source,
    requirements: Requirements,
    offers: Sequence[Offer],
    *,
    name: str,
    hours: float = 0.0,
    now_us: int,
    overrides: Mapping[str, str] | None = None,
    runtime: str = "process",
    engine: str = "",
) -> Plan:
    """Choose the best offer that will do. `hours` 0 means until stopped: the total is then that of the first hour.

    `runtime` is the one wished for, or "auto"; `engine` says which container engine answers, "" for none.
    Raises `UsageError` for a bad name, override or duration, `NoCapacity` when no offer will do, `Unavailable` when
    it takes a container engine and none answers.
    """
    check_name(name)
    if not 0 <= hours <= _YEAR:
        raise UsageError(f"hours must be between 0 and {_YEAR:g}, not {hours}", operation="plan", subject="hours")
    needs = apply_overrides(requirements, overrides or {})
    runtime, why = choose_runtime(needs, wished=runtime, engine=engine)
    candidates = judge(needs, offers, hours)
    if not candidates or candidates[0].lost:
        raise _no_capacity(needs, candidates)
    chosen = candidates[0].offer
    plan = Plan(
        id="",
        name=name,
        source=source,
        requirements=needs,
        chosen=chosen,
        hours=hours,
        total=total(chosen, hours),
        candidates=tuple(candidates),
        steps=plan_steps(source, needs, chosen, name, runtime),
        warnings=_warnings(needs, chosen, hours, runtime),
        runtime=runtime,
        runtime_why=why,
    )
    return replace(plan, id=f"pln_{hashlib.sha256(to_json(plan)).hexdigest()[:40]}", made_at_us=now_us)


def _warnings(needs: Requirements, chosen: Offer, hours: float, runtime: str) -> tuple[str, ...]:
    warnings = list(needs.warnings)
    if needs.gpu.value is GpuNeed.OPTIONAL and not chosen.gpus:
        warnings.append(f"it can use a GPU{_because(needs.gpu)}; {chosen.machine_type} has none, so it may be slow")
    if needs.memory_bytes.origin is Origin.DEFAULT:
        size = mebibytes(needs.memory_bytes.value)
        warnings.append(f"nothing says how much memory it needs: it gets {size}; change with --memory")
    if not chosen.memory_bytes:
        warnings.append(f"how much memory {chosen.machine_type} has is not known")
    if needs.port is None:
        warnings.append("no port was found: the default is used, and PORT tells the agent; change with --port")
    if needs.ecosystem.value is Ecosystem.DOCKERFILE and runtime == "process":
        warnings.append("only a Dockerfile describes it: its packages are not installed without a container engine")
    if not hours and chosen.hourly.micros:
        warnings.append(f"it runs until stopped and costs {chosen.hourly} an hour; the total is for the first one")
    return tuple(dict.fromkeys(warnings))


def _no_capacity(needs: Requirements, candidates: Sequence[Candidate]) -> NoCapacity:
    if not candidates:
        return NoCapacity("no machine is on offer", operation="plan", hint="see what is here with: homeport doctor")
    lines = [f"none of {len(candidates)} machines on offer will do:"]
    lines += [f"  - {one.offer.machine_type} ({one.offer.cloud}): {one.lost}" for one in candidates[:5]]
    hint = "if that is wrong, say what it needs: --memory SIZE"
    if needs.gpu.value is GpuNeed.NEEDED:
        lines.append(f"a GPU is needed{_because(needs.gpu)}")
        hint = "if it runs without a GPU, say so: write `gpu: no` into its homeport.yaml"
    return NoCapacity("\n".join(lines), operation="plan", hint=hint)


def _because(value: Inferred[GpuNeed]) -> str:
    if not value.evidence:
        return ""
    best = value.evidence[0]
    where = f"{printable(best.file, 100)}:{best.line}" if best.file else "the user"
    return f" ({where}: {best.quote})" if best.quote else f" ({where})"
