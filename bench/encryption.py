# SPDX-License-Identifier: Apache-2.0
"""What it costs to keep bodies encrypted: requests a second and the gateway's CPU, with encryption against without.

An agent answers each request with a body of the same size: 200 bytes (16 callers), 64 KiB (8) and 16 MiB (2). And
how long a small request takes beside a caller that sends 16 MiB after 16 MiB.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import uvloop

from bench.gatehouse import TOKEN, GateHouse
from bench.measure import Result, Row, arguments, cpu_seconds, homeport_version, progress, show
from homeport.model.route import Route

KINDS = {"200 bytes": (200, 16, 1500), "64 KiB": (64 * 1024, 8, 400), "16 MiB": (16 * 2**20, 2, 8)}
"""Size, callers, requests of one run."""
MODES: dict[str, dict[str, str]] = {"clear": {}, "encrypted": {"HOMEPORT_JOURNAL_ENCRYPTION": "on"}}


class Agent(asyncio.Protocol):
    """Takes a request, and says as much as it was told."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.head, self.left, self.size = b"", -1, 0

    def data_received(self, data: bytes) -> None:
        if self.left < 0:
            self.head += data
            head, blank, rest = self.head.partition(b"\r\n\r\n")
            if not blank:
                return
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self.left = self.size = int(length[15:])
            self.head, data = b"", rest
        self.left -= len(data)
        if self.left == 0:
            self.left = -1
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.size)
            self.transport.write(bytes(self.size))


def be_agent(path: str) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_unix_server(Agent, path)
        await server.serve_forever()

    uvloop.run(serve())


class Caller:
    def __init__(self, port: int, size: int) -> None:
        self._port, self._body = port, bytes(size)
        self._head = (
            f"POST /agent/a/x HTTP/1.1\r\nHost: h\r\nX-Homeport-Token: {TOKEN}\r\nContent-Length: {size}\r\n\r\n"
        ).encode()

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)

    async def call(self) -> float:
        """Seconds."""
        began = time.perf_counter()
        self._writer.write(self._head + self._body)
        await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(f"the gateway answered {head[:200]!r}")
        left = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while left:
            left -= len(await self._reader.read(min(left, 2**20)))
        return time.perf_counter() - began

    def close(self) -> None:
        self._writer.close()


async def load(port: int, size: int, callers: int, count: int) -> float:
    """Requests a second."""
    left = iter(range(count))

    async def work() -> None:
        caller = Caller(port, size)
        await caller.open()
        for _ in left:
            await caller.call()
        caller.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(callers)))
    return count / (time.perf_counter() - began)


async def beside(port: int, count: int) -> list[float]:
    """Milliseconds of small requests, one after the other, while a large one is always under way."""
    small, large = Caller(port, 200), Caller(port, 16 * 2**20)
    await small.open()
    await large.open()

    async def send() -> None:
        while True:
            await large.call()

    sending = asyncio.ensure_future(send())
    took = []
    for _ in range(count):
        took.append(1000 * await small.call())
        await asyncio.sleep(0.002)
    sending.cancel()
    return took


def main() -> int:
    args = arguments(__doc__)
    runs = 1 if args.quick else 5
    rates: dict[tuple[str, str], list[float]] = {}
    costs: dict[tuple[str, str], list[float]] = {}
    waits: dict[str, list[float]] = {mode: [] for mode in MODES}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        agent = multiprocessing.get_context("spawn").Process(target=be_agent, args=(str(folder / "agent"),))
        agent.start()
        while not (folder / "agent").exists():
            time.sleep(0.01)
        stack.callback(agent.join)
        stack.callback(agent.terminate)
        houses = {mode: stack.enter_context(GateHouse(folder / mode, environ=env)) for mode, env in MODES.items()}
        pids = {}
        for mode, house in houses.items():
            route = Route("default", "a", "agt_1", f"unix:{folder / 'agent'}", "ins_1", ready=True)
            asyncio.run(house.control.put_routes(house.table(route)))
            pids[mode] = house.gateway_pid()
        for turn in range(runs + 1):
            progress(f"run {turn} of {runs} ...")
            for kind, (size, callers, count) in KINDS.items():
                for mode, house in houses.items():
                    before = cpu_seconds(pids[mode])
                    rate = uvloop.run(load(house.port, size, callers, count))
                    if turn:
                        rates.setdefault((kind, mode), []).append(rate)
                        costs.setdefault((kind, mode), []).append(1e6 * (cpu_seconds(pids[mode]) - before) / count)
            for mode, house in houses.items():
                took = uvloop.run(beside(house.port, 200))
                waits[mode] += took if turn else []
    rows, figures = [], {}
    for kind in KINDS:
        clear, sealed = (statistics.median(rates[kind, mode]) for mode in MODES)
        cost, dearer = (statistics.median(costs[kind, mode]) for mode in MODES)
        rows += [
            Row(f"{kind}: requests a second, encrypted / clear", sealed / clear, "times"),
            Row(f"{kind}: requests a second, clear", clear, "requests/s"),
            Row(f"{kind}: CPU of the gateway, clear", cost, "µs a request"),
            Row(f"{kind}: CPU of the gateway, encrypted", dearer, "µs a request"),
        ]
        figures[f"encrypted_vs_clear_{kind.replace(' ', '_')}"] = sealed / clear
        figures[f"cpu_encrypted_vs_clear_{kind.replace(' ', '_')}"] = dearer / cost
    for mode, took in waits.items():
        cuts = statistics.quantiles(took, n=100)
        rows.append(Row(f"200 bytes beside 16 MiB, {mode}: median", cuts[49], "ms"))
        rows.append(Row(f"200 bytes beside 16 MiB, {mode}: 95th percentile", cuts[94], "ms"))
    figures["encrypted_vs_clear"] = figures["encrypted_vs_clear_200_bytes"]
    versions = {"homeport": homeport_version()}
    return show(Result("encryption", rows, versions, quick=args.quick, figures=figures), args)


if __name__ == "__main__":
    sys.exit(main())
