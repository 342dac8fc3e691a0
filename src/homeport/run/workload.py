# SPDX-License-Identifier: Apache-2.0
"""From what was concluded to what will run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from homeport.errors import NoStartCommand
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem, Requirements
from homeport.model.workload import DeliveryPolicy, HealthCheck, Limits, RestartPolicy, Workload

DEFAULT_PORT = 8000
INSTALLED = ".homeport"
"""The folder below the code where installed dependencies go. The program starts in the code folder."""


def workload_of(
    requirements: Requirements,
    *,
    code: str,
    env: Mapping[str, str],
    secrets: tuple[str, ...] = (),
    image: str = "",
    runtime: str = "process",
) -> Workload:
    """The workload that `requirements` describe, its program in the folder `code` or in the image.

    Raises `NoStartCommand` where nothing says how it starts.
    """
    ecosystem = requirements.ecosystem.value
    own = {} if image else _environment(ecosystem, bool(requirements.install))
    path = requirements.health_path.value if requirements.health_path else "" if image else "/"
    return Workload(
        start=start_in_image(requirements) if image else _start(requirements),
        code=code,
        image=image,
        runtime=runtime,
        port=requirements.port.value if requirements.port else DEFAULT_PORT,
        ecosystem=str(ecosystem),
        env={**own, **requirements.env_values, **env},
        secrets=secrets,
        limits=Limits(
            memory_bytes=requirements.memory_bytes.value, cpus=requirements.cpus.value if requirements.cpus else 0.0
        ),
        health=replace(requirements.checks.value if requirements.checks else HealthCheck(), path=path),
        restart=requirements.restart.value if requirements.restart else RestartPolicy(),
        delivery=requirements.delivery.value,
        honours_keys=requirements.honours_keys.value,
        concurrency=requirements.policy.value.concurrency if requirements.policy else DeliveryPolicy().concurrency,
        policy=requirements.policy.value if requirements.policy else DeliveryPolicy(),
    )


def start_in_image(requirements: Requirements) -> tuple[str, ...]:
    """What replaces the image's own command: only what the user or the manifest says."""
    start = requirements.start
    return start.value if start is not None and start.origin in (Origin.USER, Origin.MANIFEST) else ()


def _start(requirements: Requirements) -> tuple[str, ...]:
    if requirements.start is None:
        raise NoStartCommand("no start command is known", operation="plan", hint="say it with --start")
    return requirements.start.value


def install_job(requirements: Requirements, *, code: str, python: str, runtime: str = "process") -> Workload | None:
    """The one-off that installs the dependencies into the code folder, or None if there are none.

    It runs confined like the agent itself, with network; packages' own scripts are off where the installer allows.
    """
    if not requirements.install:
        return None
    ecosystem = requirements.ecosystem.value
    if ecosystem is Ecosystem.PYTHON:
        targets = [part for file in requirements.install for part in _pip_target(file)]
        start = (python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-cache-dir",
                 "--target", f"{INSTALLED}/site", *targets)  # fmt: skip
    elif ecosystem is Ecosystem.NODE:
        verb = "ci" if "package-lock.json" in requirements.install else "install"
        start = ("npm", verb, "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev")
    else:
        return None
    return Workload(
        start=start,
        code=code,
        port=0,
        ecosystem=str(ecosystem),
        env={"HOME": "/tmp", "npm_config_cache": "/tmp/npm"},  # noqa: S108  (the job's own private /tmp)
        limits=Limits(memory_bytes=2 * 1024**3, pids=512),
        network=True,
        runtime=runtime,
    )


def _pip_target(file: str) -> tuple[str, ...]:
    return ("-r", file) if file.endswith(".txt") else (".",)


def _environment(ecosystem: Ecosystem, installed: bool) -> dict[str, str]:
    if ecosystem is Ecosystem.PYTHON:
        site = {"PYTHONPATH": f"{INSTALLED}/site"} if installed else {}
        return {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **site}
    return {"NODE_ENV": "production"} if ecosystem is Ecosystem.NODE else {}
