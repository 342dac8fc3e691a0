# SPDX-License-Identifier: Apache-2.0
"""The durable gateway beside nginx, caddy and a stand-in of the seed's way (seven Redis round trips), in turns on one
machine. Needs wrk, nginx, caddy and redis-server; PostgreSQL is measured where it is installed. Nothing is installed.

Rates are ratios within one round, the median over the rounds. Refuses a temporary folder in memory.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.gatehouse import GateHouse
from bench.gateway import houses, peers, svg
from bench.gateway.disk import fdatasync_ms, refuse_memory
from bench.gateway.load import Contestant, Run, in_rounds, load, needed, ratio
from bench.measure import KEPT, OUT, Result, Row, arguments, homeport_version, progress, show
from homeport.errors import HomeportError
from homeport.testing.servers.postgres import PostgresServer

Found = dict[str, list[Run]]


class Bench:
    """`found` by contestant; `rows` and `figures` grow with what is measured."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder, self.quick = folder, quick
        self.rows: list[Row] = []
        self.figures: dict[str, float] = {}

    def figure(self, name: str, what: str, value: float, unit: str, least: float = 0, most: float = 0) -> None:
        goal = f"at least {least:g}" if least else f"at most {most:g}" if most else ""
        met = (not least or value >= least) and (not most or value <= most)
        self.figures[name] = round(value, 4)
        self.rows.append(Row(what, value, unit, goal, met))

    def disk(self, name: str) -> None:
        self.figure(
            f"fdatasync_ms_{name}", f"fdatasync, p50, at: {name.replace('_', ' ')}", fdatasync_ms(self.folder), "ms"
        )

    def throughput(self, contestants: list[Contestant]) -> Found:
        seconds, rounds = (2, 2) if self.quick else (5, 5)
        self.disk("throughput")
        found = in_rounds({one.name: lambda one=one: load(one, seconds) for one in contestants}, rounds)
        for name, runs in found.items():
            self.rows.append(Row(f"{name}: requests, 16 callers", median([run.rate for run in runs]), "/s"))
            cpu = median([run.cpu_us for run in runs])
            if name == "durable":
                self.figure("cpu_us", f"{name}: CPU a request", cpu, "us", most=50)
            else:
                self.rows.append(Row(f"{name}: CPU a request", cpu, "us"))
        for peer, least in (("nginx", 0.25), ("caddy", 0), ("stand-in", 2.5)):
            figure = f"durable_vs_{peer.replace('-', '')}"
            self.figure(figure, f"durable / {peer}", ratio(found, "durable", peer), "times", least=least)
        nondurable = ratio(found, "nondurable", "nginx")
        self.figure(
            "nondurable_vs_nginx", "of relaxed durability, without keys / nginx", nondurable, "times", least=0.5
        )
        if "postgres" in found:
            self.figure(
                "postgres_vs_sqlite",
                "on PostgreSQL / on SQLite",
                ratio(found, "postgres", "durable"),
                "times",
                least=0.6,
            )
        return found

    def alone(self, direct: Contestant, durable: Contestant) -> None:
        """What one caller waits longer than for nginx, which adds next to nothing."""
        seconds, rounds = (2, 2) if self.quick else (5, 5)
        self.disk("one_caller")
        found = in_rounds({one.name: lambda one=one: load(one, seconds, 1) for one in (direct, durable)}, rounds)
        added = [
            b.latency["50"] - a.latency["50"] for a, b in zip(found[direct.name], found[durable.name], strict=True)
        ]
        self.figure(
            "added_p50_ms", f"durable: added to {direct.name}'s p50, one caller", median(added), "ms", most=0.25
        )

    def half(self, durable: Contestant, found: Found) -> None:
        rate = median([run.rate for run in found["durable"]])
        self.disk("half")
        ran = [houses.at_half(durable, rate, 3 if self.quick else 10) for _ in range(1 if self.quick else 5)]
        share = median([one.rate for one in ran]) / rate
        what = f"durable: p99 at {share:.0%} of its maximum"
        self.figure("p99_at_half_ms", what, median([one.latency["99"] for one in ran]), "ms", most=3)

    def many(self, durable: Contestant) -> None:
        seconds, rounds = (2, 1) if self.quick else (5, 5)
        runs = {
            "one": lambda: load(durable, seconds),
            "many": lambda: load(durable, seconds, 1000, agents=peers.AGENTS),
        }
        found = in_rounds(runs, rounds)
        cost = median([b.cpu_us / a.cpu_us for a, b in zip(found["one"], found["many"], strict=True)])
        what = f"{peers.AGENTS} agents, 1,000 connections / one agent, 16: CPU a request"
        self.figure("many_agents_cost", what, cost, "times", most=1.2)

    def long(self, durable: Contestant, made: GateHouse) -> None:
        """After many requests: memory, and how soon a gateway that was killed answers again."""
        requests = 20_000 if self.quick else 1_000_000
        early, late = houses.fill(durable, requests)
        self.figure(
            "memory_growth", f"RSS after {requests:,} requests / after a tenth", late / early, "times", most=1.1
        )
        held = houses.journalled(made)
        self.disk("start")
        took = houses.first_answer_s(durable, made)
        self.figure("start_s", f"killed with {held:,} requests in its journal: until it answers", took, "s", most=2)


def plots(found: Found, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rates = {name: median([run.rate for run in runs]) for name, runs in found.items()}
    notes = {name: f"{median([run.cpu_us for run in runs]):.0f} us of CPU a request" for name, runs in found.items()}
    (folder / "gateway-throughput.svg").write_text(
        svg.bars("Requests a second, 16 callers", "wrk, loopback", rates, notes)
    )
    curves = {
        name: {percent: median([run.latency[percent] for run in runs]) for percent in runs[0].latency}
        for name, runs in found.items()
    }
    (folder / "gateway-latency.svg").write_text(svg.lines("Latency at full speed, 16 callers", "ms", curves))


def _postgres(held: ExitStack) -> str:
    """The URL of a database of our own, "" where PostgreSQL is not installed."""
    try:
        return held.enter_context(PostgresServer()).create_database()
    except HomeportError as error:
        progress(f"without PostgreSQL: {error.message}")
        return ""


def main() -> int:
    args = arguments(__doc__)
    needed()
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="hp-bench-")))
        refuse_memory(folder)
        folder.chmod(0o755)
        bench = Bench(folder, quick=args.quick)
        agents = held.enter_context(peers.agents(folder))
        others = [held.enter_context(peer(folder, agents[0])) for peer in (peers.nginx, peers.caddy, peers.standin)]
        durable, made = held.enter_context(houses.house("durable", folder / "home", agents))
        contestants = [*others, durable, replace(durable, name="nondurable", called="r")]
        if url := _postgres(held):
            contestants.append(held.enter_context(houses.house("postgres", folder / "pg", agents, url))[0])
        progress("throughput, in turns ...")
        found = bench.throughput(contestants)
        progress("one caller, half of the maximum, many agents ...")
        bench.alone(others[0], durable)
        bench.half(durable, found)
        bench.many(durable)
        progress("a long run, then a start ...")
        bench.long(durable, made)
    plots(found, KEPT if args.save else OUT)
    versions = {"homeport": homeport_version(), **peers.versions()}
    return show(Result("gateway", bench.rows, versions, quick=args.quick, figures=bench.figures), args)


if __name__ == "__main__":
    sys.exit(main())
