# SPDX-License-Identifier: Apache-2.0
"""Our side: a gateway under its keeper, before the bench's agents, and what only a journal can be asked."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.gatehouse import TOKEN, GateHouse
from bench.gateway.load import Contestant, Run, load, rss_mb
from bench.measure import progress
from homeport.model.route import Route
from homeport.model.workload import DeliveryPolicy, Durability

CONCURRENCY = 64
"""Requests an agent takes at once: more than wrk has connections to one of them."""


@contextmanager
def house(
    name: str, home: Path, agents: Sequence[Path], database_url: str = "", *, keeps: bool = False
) -> Iterator[tuple[Contestant, GateHouse]]:
    """Authentication, metrics and deduplication on, as always; every request synced before it is forwarded.

    As installed it keeps the last 100,000 of an agent; with `keeps` all of them.
    """
    environ = {"HOMEPORT_RETENTION_REQUESTS": "0", "HOMEPORT_RETENTION_BYTES": "0"} if keeps else {}
    with GateHouse(home, database_url=database_url, environ=environ) as made:
        routes = [
            Route("default", f"a{n}", f"agt_{n}", f"unix:{path}", f"ins_{n}", ready=True, concurrency=CONCURRENCY)
            for n, path in enumerate(agents)
        ]
        relaxed = DeliveryPolicy(durability=Durability.RELAXED)
        routes.append(replace(routes[0], agent="r0", agent_id="agt_r0", policy=relaxed))
        asyncio.run(made.control.put_routes(made.table(*routes)))
        yield Contestant(name, made.port, lambda: (made.gateway_pid(),)), made


def fill(to: Contestant, requests: int, seconds: float) -> float:
    """Carry at least that many, in runs of so many seconds; RSS in MB after them."""
    done = 0
    while done < requests:
        done += load(to, seconds).requests
        progress(f"  {done:,} of {requests:,} requests, RSS {rss_mb(to.pids()[0]):.0f} MB")
    return rss_mb(to.pids()[0])


def first_answer_s(to: Contestant, made: GateHouse) -> float:
    """From the kill of the gateway to the first whole answer, the keeper's own pause in between."""
    began = time.perf_counter()
    if not made.kill_gateway():
        raise SystemExit("there was no gateway to kill")
    with socket.create_connection(("127.0.0.1", to.port), timeout=120) as sock:
        sock.sendall(
            f"POST /agent/a0/do HTTP/1.1\r\nHost: localhost\r\nX-Homeport-Token: {TOKEN}\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        said = b"".join(iter(lambda: sock.recv(65536), b""))
    if not said.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"the gateway did not answer after its restart: {said[:200]!r}")
    return time.perf_counter() - began


def journalled(made: GateHouse) -> int:
    """Requests in its journal."""
    return int(sum(asyncio.run(made.control.status())["requests"].values()))


def at_half(to: Contestant, rate: float, seconds: float) -> Run:
    """At about half of `rate`: callers that pause between two requests, by chance around a mean."""
    connections = 32
    return load(to, seconds, connections, pause_ms=connections / (rate / 2) * 1000)
