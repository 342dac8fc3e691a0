# SPDX-License-Identifier: Apache-2.0
"""One pass: every ruleset says what it wants to read, all of it is read at once, then each makes its claims."""

from __future__ import annotations

from homeport.analyze.claims import Claims
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import rulesets
from homeport.analyze.settle import settle
from homeport.interfaces.fetcher import FileView
from homeport.model.evidence import Inferred, Origin
from homeport.model.requirements import Ecosystem, GpuNeed, Requirements
from homeport.model.workload import Delivery

DEFAULT_MEMORY = 512 * 1024**2


def analyze(view: FileView) -> Requirements:
    """What the source needs. Never raises for what stands in the files: hostile or broken ones become warnings."""
    repo, claims = Repo(view), Claims()
    rules = rulesets()
    repo.load(path for one in rules for path in one.wants(repo.paths))
    for one in rules:
        one.read(repo, claims)
    start = settle(claims, "start", tuple)
    installs = sorted(claims.installs, key=lambda item: list(Origin).index(item[0]))
    return Requirements(
        ecosystem=settle(claims, "ecosystem", Ecosystem) or Inferred(Ecosystem.UNKNOWN, Origin.DEFAULT),
        start=start,
        runtime_version=settle(claims, "runtime_version", str),
        port=settle(claims, "port", int),
        health_path=settle(claims, "health_path", str),
        memory_bytes=settle(claims, "memory_bytes", int)
        or Inferred(DEFAULT_MEMORY, Origin.DEFAULT, note="nothing says how much it needs"),
        gpu=settle(claims, "gpu", GpuNeed) or Inferred(GpuNeed.NO, Origin.DEFAULT),
        delivery=settle(claims, "delivery", Delivery) or Inferred(Delivery.EXACT_OR_DEAD, Origin.DEFAULT),
        honours_keys=settle(claims, "honours_keys", bool) or Inferred(False, Origin.DEFAULT),
        install=installs[0][1] if installs else (),
        env=tuple(claims.env),
        looked_for=tuple(text for one in rules for text in one.looks_for),
        warnings=tuple(claims.warnings),
        name=settle(claims, "name", str),
    )
