# SPDX-License-Identifier: Apache-2.0
"""One pass: every ruleset says what it wants to read, all of it is read at once, then each makes its claims."""

from __future__ import annotations

from typing import TypeVar

from homeport.analyze.claims import Claims
from homeport.analyze.ownwords import INSTALLED, leave_out_others
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import rulesets
from homeport.analyze.settle import settle
from homeport.interfaces.fetcher import FileView
from homeport.model.evidence import Inferred, Origin
from homeport.model.imagename import parse_image
from homeport.model.names import suggest_name
from homeport.model.requirements import Ecosystem, GpuNeed, Kind, Requirements
from homeport.model.source import Source, SourceKind
from homeport.model.workload import Delivery, DeliveryPolicy, HealthCheck, RestartPolicy

T = TypeVar("T")
DEFAULT_MEMORY = 512 * 1024**2
_MENTION = 0.35


def analyze(view: FileView) -> Requirements:
    """What the source needs. Never raises for what stands in the files: hostile or broken ones become warnings."""
    repo, claims = Repo(view), Claims()
    for statement in view.said:
        claims.state(statement)
    rules = rulesets()
    repo.load(path for one in rules for path in one.wants(repo.paths))
    for one in rules:
        one.read(repo, claims)
    ecosystem = settle(claims, "ecosystem", Ecosystem) or Inferred(Ecosystem.UNKNOWN, Origin.DEFAULT)
    language = settle(claims, "language", str)
    leave_out_others(claims, ecosystem.value, language.value if language else "")
    start = settle(claims, "start", tuple)
    gpu = _gpu(claims)
    port = settle(claims, "port", int)
    os_family = settle(claims, "os_family", str)
    installs = sorted(claims.installs, key=lambda item: list(Origin).index(item[0]))
    return Requirements(
        ecosystem=ecosystem,
        start=start,
        runtime_version=settle(claims, "runtime_version", str),
        port=port,
        published_port=_published(claims, port),
        health_path=settle(claims, "health_path", str),
        memory_bytes=settle(claims, "memory_bytes", int)
        or Inferred(DEFAULT_MEMORY, Origin.DEFAULT, note="nothing says how much it needs"),
        gpu=gpu,
        delivery=settle(claims, "delivery", Delivery) or Inferred(Delivery.EXACT_OR_DEAD, Origin.DEFAULT),
        honours_keys=settle(claims, "honours_keys", bool) or Inferred(False, Origin.DEFAULT),
        policy=settle(claims, "policy", DeliveryPolicy),
        install=installs[0][1] if installs else (),
        env=tuple(claims.env),
        env_evidence=dict(claims.asked),
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
        gpu_count=_of_gpu(gpu, settle(claims, "gpu_count", int)) or _one(gpu),
        vram_bytes=_of_gpu(gpu, settle(claims, "vram_bytes", int)),
        gpu_vendor=settle(claims, "gpu_vendor", str),
        cuda=_of_gpu(gpu, settle(claims, "cuda", str)),
        rocm=_of_gpu(gpu, settle(claims, "rocm", str)),
        compute_capability=_of_gpu(gpu, settle(claims, "compute_capability", str)),
        disk_bytes=settle(claims, "disk_bytes", int),
        shared_memory_bytes=settle(claims, "shared_memory_bytes", int),
        os_family=os_family,
        language=language,
        language_version=settle(claims, "language_version", str),
        system_packages=settle(claims, "system_packages", tuple),
        hours=settle(claims, "hours", float),
        kind=settle(claims, "kind", Kind),
        os_version=_release(claims, os_family),
        arch=settle(claims, "arch", str),
    )


def _published(claims: Claims, port: Inferred[int] | None) -> Inferred[int] | None:
    """Of the pairs (inside, outside) that are claimed, the firmest whose inside is the port it listens on.

    None where anybody publishes it as it is, or sends people to it.
    """
    if port is None:
        return None
    sent = [one for one in claims.all if one.field == "port" and one.evidence.rule == "documents.address"]
    pairs = [(one, one.value) for one in claims.all if one.field == "published_port" and isinstance(one.value, tuple)]
    pairs = [(one, pair) for one, pair in pairs if pair[0] == port.value]
    if not pairs or any(one.value == port.value for one in sent) or any(pair[1] == port.value for _, pair in pairs):
        return None
    best, pair = max(pairs, key=lambda item: item[0].evidence.confidence)
    return Inferred(int(pair[1]), best.origin, (best.evidence,))


def _release(claims: Claims, family: Inferred[str] | None) -> Inferred[str] | None:
    """That of the family that was chosen: both stand in one line."""
    if family is None or not family.evidence:
        return None
    at = family.evidence[0]
    found = [one for one in claims.all if one.field == "os_version" and isinstance(one.value, str)]
    same = next((one for one in found if (one.evidence.file, one.evidence.line) == (at.file, at.line)), None)
    return Inferred(str(same.value), same.origin, (same.evidence,)) if same else None


def _gpu(claims: Claims) -> Inferred[GpuNeed]:
    """No, unless something says more than that there are GPUs."""
    found = settle(claims, "gpu", GpuNeed)
    if found is None:
        return Inferred(GpuNeed.NO, Origin.DEFAULT)
    if found.evidence and found.evidence[0].confidence < _MENTION:
        return Inferred(GpuNeed.NO, Origin.DEFAULT, note="GPUs are only mentioned")
    return found


def _of_gpu(gpu: Inferred[GpuNeed], found: Inferred[T] | None) -> Inferred[T] | None:
    """What is said of a GPU counts where one is of use."""
    return found if gpu.value is not GpuNeed.NO else None


def _one(gpu: Inferred[GpuNeed]) -> Inferred[int] | None:
    needed = gpu.value is GpuNeed.NEEDED
    return Inferred(1, Origin.DEFAULT, note="nothing says how many") if needed else None


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

    Beside a stronger word on that, for example a manifest's, a Dockerfile is evidence and no more; of what Homeport
    cannot build by itself it is the way to run it.
    """
    built = ecosystem.value not in INSTALLED and start is not None and start.origin is not Origin.MANIFEST
    decides = start is None or start.origin is Origin.CONTAINER or built
    if source.kind is SourceKind.DOCKERFILE or decides or ecosystem.value is Ecosystem.DOCKERFILE:
        return settle(claims, "dockerfile", str)
    return None
