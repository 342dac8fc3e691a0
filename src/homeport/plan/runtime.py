# SPDX-License-Identifier: Apache-2.0
"""What runs it on the machine that was chosen: a confined process, or a container."""

from __future__ import annotations

from homeport.errors import Unavailable, UsageError
from homeport.model.paths import printable
from homeport.model.requirements import Requirements

RUNTIMES = ("auto", "process", "docker")


def choose_runtime(needs: Requirements, *, wished: str, engine: str, here: bool = True) -> tuple[str, str]:
    """The runtime and why, in one sentence. `engine` says which container engine answers, "" for none.

    `wished` "auto" takes containers where an engine answers. `here` False: it runs on a machine that is made for it,
    which gets an engine only if that takes one. Raises `UsageError` for a wish that cannot be met by anything here,
    `Unavailable` where it takes an engine and none answers.
    """
    if wished not in RUNTIMES:
        raise UsageError(
            f"there is no runtime {wished!r}", operation="plan", subject=wished, hint=f"one of: {', '.join(RUNTIMES)}"
        )
    why = _only_in_a_container(needs)
    if wished == "process":
        if needs.image is not None:
            raise UsageError(
                "an image cannot run as a plain process", operation="plan", subject=needs.image.value,
                hint="leave out --runtime, or name a repository instead",
            )  # fmt: skip
        return "process", "asked for"
    if not here:
        if wished == "docker" or why:
            return "docker", "asked for" if wished == "docker" else why
        return "process", "the machine is its own"
    if engine:
        return "docker", "asked for" if wished == "docker" else why or f"{engine} answers here"
    if wished == "docker" or why:
        raise Unavailable(
            f"no container engine answers here{f', and {why}' if why else ''}", operation="plan",
            hint="start Docker or Podman, or say where it listens with DOCKER_HOST; or plan for another --target",
        )  # fmt: skip
    return "process", "no container engine answers here"


def _only_in_a_container(needs: Requirements) -> str:
    if needs.image is not None:
        return "it is an image"
    if needs.dockerfile is not None and needs.start is None:
        return f"only {printable(needs.dockerfile.value, 100)} says how it starts"
    return ""
