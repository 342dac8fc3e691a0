# SPDX-License-Identifier: Apache-2.0
"""From `homeport start --all` until each of 100 process agents is healthy, against bubblewrap alone around the same
program. Healthy on both sides: its port answered GET /health with 200."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from bench import bubblewrap
from bench.measure import Result, Row, arguments, homeport_version, in_turns, progress, show
from bench.server import Served, served

GOAL = 1.5
SETTLE_S = 4.0
"""Before each turn: the kernel takes down a hundred network namespaces after their processes have ended, and would
otherwise do so in the other's time."""


def deploy(server: Served, count: int) -> None:
    """`count` agents of one source; returns once all were running."""
    from homeport.app.propose import propose
    from homeport.client import Client
    from homeport.model.deployment import DeploymentState
    from homeport.settings import load

    settings = load(environ=server.env)
    client = Client(settings)
    names = [f"answering-{number}" for number in range(count)]
    waiting = set()
    for name in names:
        plan = asyncio.run(propose(str(bubblewrap.CODE), settings, name=name))
        waiting.add(client.deploy(plan).id)
    while waiting:
        for deployment_id in sorted(waiting):
            state = client.deployment(deployment_id).state
            if state is DeploymentState.SUCCEEDED:
                waiting.discard(deployment_id)
            elif state is not DeploymentState.RUNNING:
                raise SystemExit(f"{deployment_id} {state}: {client.deployment(deployment_id).error}")
        time.sleep(0.1)


def start_all(server: Served) -> float:
    """Seconds until all are running; they are stopped again before it returns."""
    from homeport.client import Client
    from homeport.model.agent import AgentState
    from homeport.settings import load

    client = Client(load(environ=server.env))
    begin = time.perf_counter()
    server.command("start", "--all")
    while any(agent.state is not AgentState.RUNNING for agent in client.agents()):
        time.sleep(0.01)
    took = time.perf_counter() - begin
    server.command("stop", "--all")
    return took


def settled(run: Callable[[], float]) -> Callable[[], float]:
    def rested() -> float:
        time.sleep(SETTLE_S)
        return run()

    return rested


def main() -> int:
    args = arguments(__doc__)
    count, runs = (20, 1) if args.quick else (100, 5)
    with served() as server:
        progress(f"deploying {count} agents ...")
        deploy(server, count)
        server.command("stop", "--all")
        progress("starting them, in turns with bubblewrap ...")
        turns = {"homeport": lambda: start_all(server), "bwrap": lambda: bubblewrap.run(count)}
        found = in_turns({name: settled(run) for name, run in turns.items()}, runs)
    ratio = found["homeport"] / found["bwrap"]
    rows = [
        Row(f"homeport: {count} agents healthy", found["homeport"], "s"),
        Row(f"bwrap alone: {count} programs healthy", found["bwrap"], "s"),
        Row("homeport / bwrap", ratio, "times", goal=f"at most {GOAL}", met=ratio <= GOAL),
    ]
    versions = {"homeport": homeport_version(), "bwrap": bubblewrap.version()}
    return show(Result("agents", rows, versions, quick=args.quick), args)


if __name__ == "__main__":
    sys.exit(main())
