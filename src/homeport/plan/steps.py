# SPDX-License-Identifier: Apache-2.0
"""The plan in words: what provision and run will do, in order."""

from __future__ import annotations

from homeport.model.paths import printable
from homeport.model.plan import Offer
from homeport.model.requirements import Requirements
from homeport.model.source import Source


def plan_steps(source: Source, needs: Requirements, chosen: Offer, name: str, runtime: str) -> tuple[str, ...]:
    region = f", {chosen.region}" if chosen.region not in ("", chosen.cloud) else ""
    return (
        f"use {chosen.machine_type} ({chosen.cloud}{region})",
        *_files(source, needs, runtime),
        *_start(needs, name, runtime),
    )


def _files(source: Source, needs: Requirements, runtime: str) -> list[str]:
    if needs.image is not None:
        return [f"take the image {printable(needs.image.value, 200)}"]
    state = f"commit {source.commit[:12]}" if source.commit else f"state {source.digest[:12]}"
    steps = [f"write the files of {printable(source.locator, 200)} at {state}"]
    if builds(needs, runtime):
        assert needs.dockerfile is not None
        steps.append(f"build an image from {printable(needs.dockerfile.value, 200)}")
    elif needs.install:
        steps.append(f"install what {', '.join(needs.install)} names")
    return steps


def _start(needs: Requirements, name: str, runtime: str) -> list[str]:
    if needs.start is not None:
        command = printable(" ".join(needs.start.value), 200)
    else:
        command = "the image's own command" if runtime == "docker" else "(no start command is known)"
    where = " in a container" if runtime == "docker" else ""
    port = f" on port {needs.port.value}" if needs.port else ""
    path = needs.health_path.value if needs.health_path else "" if needs.image is not None else "/"
    wait = f"wait until GET {path}{port} answers" if path else f"wait until something listens{port}"
    return [f"start {name}{where}: {command}", wait]


def builds(needs: Requirements, runtime: str) -> bool:
    """Whether its image is built here first."""
    return runtime == "docker" and needs.image is None and needs.dockerfile is not None
