# SPDX-License-Identifier: Apache-2.0
"""100 agents in containers until each answers, and until they are gone, against the engine alone doing the same with
the same image, limits and number at a time. Answers on both sides: its port gave 200 to GET /health, asked from inside
its network namespace. Needs root and dockerd: both sides share an engine of the benchmark's own."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import plain_engine
from bench.measure import Result, Row, arguments, homeport_version, in_turns, progress, show
from homeport.drivers.runtimes.docker.runtime import DockerRuntime, Options
from homeport.model.instance import InstanceSpec
from homeport.model.workload import Workload
from homeport.testing.servers.baseimage import base_image
from homeport.testing.servers.engine import DockerEngine

GOAL = 1.3


async def by_homeport(engine: DockerEngine, image: str, count: int) -> tuple[float, float]:
    """Seconds to all healthy, and from there to all removed."""
    with tempfile.TemporaryDirectory(prefix="hp-bench-") as name:
        folder = Path(name)
        runtime = DockerRuntime(Options(folder / "docker", folder / "logs", folder, host=engine.host))
        try:
            await runtime.list()
            await runtime.confinement()  # what it finds out once is not an agent's time

            async def start(number: int) -> None:
                data = folder / f"data-{number}"
                data.mkdir()
                workload = Workload(plain_engine.COMMAND, "", plain_engine.PORT, image=image, runtime="docker")
                spec = InstanceSpec(f"agt_{number}-1", f"agt_{number}", "default", "bench", workload, str(data))
                status = await runtime.start(spec)
                await plain_engine.healthy(status.endpoint)

            async def end(number: int) -> None:
                await runtime.stop(f"agt_{number}-1", grace=10)
                await runtime.forget(f"agt_{number}-1")

            return await both(start, end, count)
        finally:
            await runtime.close()


async def both(
    start: Callable[[int], Awaitable[None]], end: Callable[[int], Awaitable[None]], count: int
) -> tuple[float, float]:
    begin = time.perf_counter()
    await asyncio.gather(*(start(number) for number in range(count)))
    up = time.perf_counter()
    await asyncio.gather(*(end(number) for number in range(count)))
    return up - begin, time.perf_counter() - up


def main() -> int:
    args = arguments(__doc__)
    count, runs = (10, 1) if args.quick else (100, 3)
    parts: dict[str, list[tuple[float, float]]] = {"homeport": [], "engine": []}
    with DockerEngine(network="host") as engine:
        image = engine.docker("inspect", "--format", "{{.Id}}", base_image(engine))
        version = engine.docker("version", "--format", "{{.Server.Version}}")
        progress(f"{count} containers, in turns with the engine alone ...")

        def homeport() -> float:
            parts["homeport"].append(asyncio.run(by_homeport(engine, image, count)))
            return sum(parts["homeport"][-1])

        def alone() -> float:
            parts["engine"].append(asyncio.run(both(*plain_engine.ways(engine.host, image), count)))
            return sum(parts["engine"][-1])

        found = in_turns({"homeport": homeport, "engine": alone}, runs)
    ratio = found["homeport"] / found["engine"]
    rows = [
        Row(f"homeport: {count} agents healthy and removed", found["homeport"], "s"),
        Row("  of that until all healthy, last run", parts["homeport"][-1][0], "s"),
        Row(f"engine alone: {count} containers healthy and removed", found["engine"], "s"),
        Row("  of that until all healthy, last run", parts["engine"][-1][0], "s"),
        Row("homeport / engine", ratio, "times", goal=f"at most {GOAL}", met=ratio <= GOAL),
    ]
    versions = {"homeport": homeport_version(), "docker": version}
    return show(Result("docker_agents", rows, versions, quick=args.quick), args)


if __name__ == "__main__":
    sys.exit(main())
