# SPDX-License-Identifier: Apache-2.0
"""The plan in words: what provision and run will do, in order."""

from __future__ import annotations

from homeport.model.paths import printable
from homeport.model.plan import Offer
from homeport.model.requirements import Requirements
from homeport.model.source import Source
from homeport.model.systemimage import ImageChoice
from homeport.plan.images import COMPLETE

SHARED_NETWORK = "sharednet1"
"""Chameleon's network that every project may use."""


def plan_steps(
    source: Source,
    needs: Requirements,
    chosen: Offer,
    name: str,
    runtime: str,
    *,
    hours: float = 0.0,
    image: ImageChoice | None = None,
    network: str = "",
    key: str = "",
) -> tuple[str, ...]:
    """What is created, in order, then what is put on it and started."""
    return (
        *_machine(chosen, name, hours, image, network, key),
        *_files(source, needs, runtime),
        *_start(needs, name, runtime),
    )


def network_of(chosen: Offer, wished: str) -> str:
    """The network the machine joins, "" where the target has none to choose from."""
    if chosen.cloud in COMPLETE:
        return ""
    return wished or (SHARED_NETWORK if chosen.cloud == "chameleon" else "")


def _machine(
    chosen: Offer, name: str, hours: float, image: ImageChoice | None, network: str, key: str
) -> tuple[str, ...]:
    if chosen.cloud == "local":
        return (f"use {chosen.called}",)
    if chosen.cloud == "kubernetes":
        return (f"ask for a pod on {chosen.called}",)
    opener = f"use the key pair {printable(key, 80)}" if key else f"make a key pair for {name}"
    system = f" from {image.image.name}" if image else ""
    login = f"log in as {image.image.user}" if image and image.image.user else "log in"
    joined = f" on the network {printable(network, 80)}" if network else ""
    if chosen.longest_hours:
        return (
            opener, f"lease one {chosen.called} for {hours:g} h", f"start a server on it{system}{joined}",
            "give the server an address of its own", login,
        )  # fmt: skip
    end = f" for {hours:g} h" if hours else ""
    return (opener, f"create one {chosen.called}{system}{joined}{end}", login)


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
    elif needs.image is not None or builds(needs, runtime):
        command = "the image's own command"
    else:
        return [f"start {name} by the command that --start says"]
    where = " in a container" if runtime == "docker" else ""
    port = f" on port {needs.port.value}" if needs.port else ""
    path = needs.health_path.value if needs.health_path else "" if needs.image is not None else "/"
    wait = f"wait until GET {path}{port} answers" if path else f"wait until something listens{port}"
    return [f"start {name}{where}: {command}", wait]


def builds(needs: Requirements, runtime: str) -> bool:
    """Whether its image is built here first."""
    return runtime == "docker" and needs.image is None and needs.dockerfile is not None
