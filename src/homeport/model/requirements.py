# SPDX-License-Identifier: Apache-2.0
"""What a workload needs, each value with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from homeport.model.evidence import Evidence, Inferred, Origin
from homeport.model.workload import Delivery, DeliveryPolicy, HealthCheck, RestartPolicy

HINT = 0.5
"""Confidence below which evidence is a hint: it yields to all that is firmer, whoever said it."""


def firm(value: Inferred[Any] | None) -> bool:
    """Somebody said it: it is neither an estimate nor a default. A user or a manifest is believed in any case."""
    if value is None or value.origin is Origin.DEFAULT:
        return False
    said = value.origin in (Origin.USER, Origin.MANIFEST)
    return said or not value.evidence or value.evidence[0].confidence >= HINT


class GpuNeed(StrEnum):
    NO = "no"
    OPTIONAL = "optional"
    NEEDED = "needed"


class Kind(StrEnum):
    """What sort of work it is; it says how long a machine is wanted and what one waits for."""

    SERVICE = "service"
    TRAINING = "training"
    INFERENCE = "inference"
    NOTEBOOK = "notebook"
    HPC = "hpc"
    LIBRARY = "library"
    CLI = "cli"
    DATA = "data"


class Ecosystem(StrEnum):
    """What its parts are installed by. Homeport installs those of Python and Node itself; the others are analysed and
    planned for, and are built into an image by their Dockerfile."""

    PYTHON = "python"
    NODE = "node"
    GO = "go"
    RUST = "rust"
    JAVA = "java"
    PHP = "php"
    RUBY = "ruby"
    DOTNET = "dotnet"
    R = "r"
    JULIA = "julia"
    CPP = "cpp"
    ELIXIR = "elixir"
    DOCKERFILE = "dockerfile"
    IMAGE = "image"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Requirements:
    """`None` means that nothing in the source says so and no default is honest.

    `start` is an argv, never a shell string; `$NAME` words in it are replaced from the agent's environment.
    `install` names the dependency files to install before the first start, in order. `env` names the variables it
    asks for, `env_evidence` says where that stands, as far as a rule knows. `name` is what it calls itself. `image` is
    the one it runs from (a reference or an id), `dockerfile` the path of the one that builds it; with either, `start`
    None means the image's own command.
    `checks` says when health is asked for (its path is in `health_path`). `env_values` and `secrets` (by name) are
    what an agents file or a template gives it: what the user gives wins.

    `vram_bytes` is of one GPU, `gpu_count` of one machine. `gpu_vendor` is nvidia, amd, apple, intel, tpu. `cuda`,
    `rocm` and `compute_capability` are versions as written, "12.4". `os_family` is a distribution's name or "linux",
    `os_version` its release, "22.04". `arch` is x86_64 or aarch64; None: nothing binds it to either.
    `published_port` is where its documents or a compose file put `port` on the machine, where that is another one.
    A value whose best evidence has a confidence below `HINT` is an estimate: shown, and enough to choose by, but
    nobody said it.
    """

    ecosystem: Inferred[Ecosystem]
    start: Inferred[tuple[str, ...]] | None
    runtime_version: Inferred[str] | None
    port: Inferred[int] | None
    health_path: Inferred[str] | None
    memory_bytes: Inferred[int]
    gpu: Inferred[GpuNeed]
    delivery: Inferred[Delivery]
    honours_keys: Inferred[bool]
    install: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    looked_for: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    name: Inferred[str] | None = None
    image: Inferred[str] | None = None
    dockerfile: Inferred[str] | None = None
    cpus: Inferred[float] | None = None
    checks: Inferred[HealthCheck] | None = None
    restart: Inferred[RestartPolicy] | None = None
    env_values: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    gpu_count: Inferred[int] | None = None
    vram_bytes: Inferred[int] | None = None
    gpu_vendor: Inferred[str] | None = None
    cuda: Inferred[str] | None = None
    rocm: Inferred[str] | None = None
    compute_capability: Inferred[str] | None = None
    disk_bytes: Inferred[int] | None = None
    shared_memory_bytes: Inferred[int] | None = None
    os_family: Inferred[str] | None = None
    language: Inferred[str] | None = None
    language_version: Inferred[str] | None = None
    system_packages: Inferred[tuple[str, ...]] | None = None
    hours: Inferred[float] | None = None
    kind: Inferred[Kind] | None = None
    os_version: Inferred[str] | None = None
    arch: Inferred[str] | None = None
    published_port: Inferred[int] | None = None
    env_evidence: dict[str, Evidence] = field(default_factory=dict)
    policy: Inferred[DeliveryPolicy] | None = None
