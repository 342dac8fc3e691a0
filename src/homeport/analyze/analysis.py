# SPDX-License-Identifier: Apache-2.0
"""One pass: every ruleset says what it wants to read, all of it is read at once, then each makes its claims."""

from __future__ import annotations

from homeport.analyze.claims import Claims
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import rulesets
from homeport.analyze.settle import settle
from homeport.interfaces.fetcher import FileView
from homeport.model.evidence import Inferred, Origin
from homeport.model.imagename import parse_image
from homeport.model.names import suggest_name
from homeport.model.requirements import Ecosystem, GpuNeed, Requirements
from homeport.model.source import Source, SourceKind
from homeport.model.workload import Delivery, HealthCheck, RestartPolicy

DEFAULT_MEMORY = 512 * 1024**2


def analyze(view: FileView) -> Requirements:
    """What the source needs. Never raises for what stands in the files: hostile or broken ones become warnings."""
    repo, claims = Repo(view), Claims()
    for statement in view.said:
        claims.state(statement)
    rules = rulesets()
    repo.load(path for one in rules for path in one.wants(repo.paths))
    for one in rules:
        one.read(repo, claims)
    start = settle(claims, "start", tuple)
    ecosystem = settle(claims, "ecosystem", Ecosystem) or Inferred(Ecosystem.UNKNOWN, Origin.DEFAULT)
    installs = sorted(claims.installs, key=lambda item: list(Origin).index(item[0]))
    return Requirements(
        ecosystem=ecosystem,
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
        name=settle(claims, "name", str) or name_of(view.source),
        image=settle(claims, "image", str),
        dockerfile=_built(view.source, claims, start, ecosystem),
        cpus=settle(claims, "cpus", float),
        checks=settle(claims, "checks", HealthCheck),
        restart=settle(claims, "restart", RestartPolicy),
        env_values=claims.env_values,
        secrets=tuple(claims.secrets),
    )


def name_of(source: Source) -> Inferred[str] | None:
    """What a source is called where nothing in it says so; None where its locator says it as well."""
    if source.kind is SourceKind.IMAGE:
        try:
            path = parse_image(source.locator).path
        except ValueError:
            path = ""
        return Inferred(suggest_name(path), Origin.DEFAULT, note="from the image's name") if path else None
    if source.kind in (SourceKind.DOCKERFILE, SourceKind.TEMPLATE):
        return Inferred(suggest_name(source.locator), Origin.DEFAULT, note=f"from the {source.kind}'s place")
    return None


def _built(
    source: Source, claims: Claims, start: Inferred[tuple[str, ...]] | None, ecosystem: Inferred[Ecosystem]
) -> Inferred[str] | None:
    """The Dockerfile that its image is built from, where containers run: one that was named or that says how it starts.

    Beside a stronger word on that, for example a manifest's, a Dockerfile is evidence and no more.
    """
    decides = start is None or start.origin is Origin.CONTAINER
    if source.kind is SourceKind.DOCKERFILE or decides or ecosystem.value is Ecosystem.DOCKERFILE:
        return settle(claims, "dockerfile", str)
    return None
