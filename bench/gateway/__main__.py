# SPDX-License-Identifier: Apache-2.0
"""The durable gateway beside nginx, caddy, LiteLLM and a stand-in of the seed's way (seven Redis round trips), in turns
on one machine. Needs wrk and nginx; whatever else is not installed is said to be missing. Nothing is installed:
LiteLLM is taken from an environment of its own (see bench/gateway/litellm.py).

Rates are ratios within one round, the median over the rounds. Refuses a temporary folder in memory.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.gatehouse import GateHouse
from bench.gateway import houses, peers, svg
from bench.gateway.disk import fdatasync_ms, refuse_memory
from bench.gateway.figures import Figures
from bench.gateway.litellm import HOME, absent, litellm, version
from bench.gateway.load import Contestant, Run, in_rounds, load, needed, ratio
from bench.measure import KEPT, OUT, Result, arguments, homeport_version, progress, show
from homeport.errors import HomeportError
from homeport.testing.servers.postgres import PostgresServer

Found = dict[str, list[Run]]
RATIOS = {
    "durable_vs_nginx": ("durable", "nginx"),
    "durable_vs_caddy": ("durable", "caddy"),
    "durable_vs_standin": ("durable", "stand-in"),
    "nondurable_vs_nginx": ("nondurable", "nginx"),
    "postgres_vs_sqlite": ("postgres", "durable"),
    "durable_vs_litellm": ("durable", "litellm"),
    "litellm": ("litellm", "nginx"),
}
SAID = {
    "nondurable_vs_nginx": "of relaxed durability, without keys / nginx",
    "postgres_vs_sqlite": "on PostgreSQL / on SQLite",
}


class Bench:
    """`figures` grows with what is measured."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder, self.quick, self.failed = folder, quick, False
        self.figures = Figures()
        self.rounds = 2 if quick else 5

    def part(self, work: Callable[[], None], *names: str) -> None:
        """What follows is measured even where this part fails."""
        try:
            work()
        except SystemExit as error:
            progress(f"without {', '.join(names)}: {error}")
            self.figures.without(str(error), *names)
            self.failed = True

    def disk(self, name: str) -> None:
        what = f"fdatasync, p50, at: {name.replace('_', ' ')}"
        self.figures.add(f"fdatasync_ms_{name}", what, fdatasync_ms(self.folder), "ms")

    def throughput(self, contestants: list[Contestant]) -> Found:
        seconds = 2 if self.quick else 4
        self.disk("throughput")
        found = in_rounds({one.name: lambda one=one: load(one, seconds) for one in contestants}, self.rounds)
        for name, runs in found.items():
            self.figures.row(f"{name}: requests, 16 callers", median([run.rate for run in runs]), "/s")
            cpu = median([run.cpu_us for run in runs])
            if name == "durable":
                self.figures.add("cpu_us", f"{name}: CPU a request", cpu, "us")
            else:
                self.figures.row(f"{name}: CPU a request", cpu, "us")
        for figure, (one, other) in RATIOS.items():
            if one in found and other in found:
                self.figures.add(figure, SAID.get(figure, f"{one} / {other}"), ratio(found, one, other), "times")
        return found

    def alone(self, nginx: Contestant, durable: Contestant) -> None:
        """What one caller waits longer than for nginx, in the same rounds."""
        seconds = 2 if self.quick else 3
        self.disk("one_caller")
        found = in_rounds({one.name: lambda one=one: load(one, seconds, 1) for one in (nginx, durable)}, self.rounds)
        pairs = zip(found[nginx.name], found[durable.name], strict=True)
        added = median([b.latency["50"] - a.latency["50"] for a, b in pairs])
        self.figures.add("nginx_p50_ms", "nginx: p50, one caller", _percentile(found["nginx"], "50"), "ms")
        self.figures.add("added_p50_ms", "durable: added to nginx's p50, one caller", added, "ms")

    def half(self, contestants: list[Contestant], found: Found) -> None:
        """All at the same rate, half of what `durable` can: what nginx and the bare agent show there is wrk's and the
        machine's own."""
        rate = median([run.rate for run in found["durable"]])
        seconds = 3 if self.quick else 4
        self.disk("half")
        ran = in_rounds(
            {one.name: lambda one=one: houses.at_half(one, rate, seconds) for one in contestants}, self.rounds
        )
        for name, runs in ran.items():
            share = median([run.rate for run in runs]) / rate
            figure = "p99_at_half_ms" if name == "durable" else f"{name}_p99_at_half_ms"
            self.figures.add(figure, f"{name}: p99 at {share:.0%} of durable's maximum", _percentile(runs, "99"), "ms")

    def many(self, durable: Contestant) -> None:
        seconds = 2 if self.quick else 4
        runs = {
            "one": lambda: load(durable, seconds),
            "many": lambda: load(durable, seconds, 1000, agents=peers.AGENTS),
        }
        found = in_rounds(runs, self.rounds)
        cost = median([b.cpu_us / a.cpu_us for a, b in zip(found["one"], found["many"], strict=True)])
        what = f"{peers.AGENTS} agents, 1,000 connections / one agent, 16: CPU a request"
        self.figures.add("many_agents_cost", what, cost, "times")

    def memory(self, kept: Contestant) -> None:
        requests, seconds = (60_000, 3) if self.quick else (1_000_000, 10)
        early = houses.fill(kept, requests // 10, seconds)
        late = houses.fill(kept, requests - requests // 10, seconds)
        what = f"RSS after {requests:,} requests / after {requests // 10:,}"
        self.figures.add("memory_growth", what, late / early, "times")

    def start(self, kept: Contestant, made: GateHouse) -> None:
        """How soon a gateway that was killed answers again."""
        held = houses.journalled(made)
        self.disk("start")
        took = houses.first_answer_s(kept, made)
        self.figures.add("start_s", f"killed with {held:,} requests in its journal: until it answers", took, "s")


def _percentile(runs: list[Run], percent: str) -> float:
    return median([run.latency[percent] for run in runs])


def plots(found: Found, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rates = {name: median([run.rate for run in runs]) for name, runs in found.items()}
    notes = {name: f"{median([run.cpu_us for run in runs]):,.0f} us of CPU a request" for name, runs in found.items()}
    (folder / "gateway-throughput.svg").write_text(
        svg.bars("Requests a second, 16 callers", "wrk, loopback", rates, notes)
    )
    curves = {
        name: {percent: _percentile(runs, percent) for percent in runs[0].latency} for name, runs in found.items()
    }
    (folder / "gateway-latency.svg").write_text(svg.lines("Latency at full speed, 16 callers", "ms", curves))


def others(held: ExitStack, bench: Bench, agents: list[Path], agent: Contestant, home: Path) -> list[Contestant]:
    """nginx first, then those that are installed; of the rest it is said why not."""

    def enter(peer: AbstractContextManager[Contestant], *names: str) -> None:
        bench.part(lambda: found.append(held.enter_context(peer)), *names)

    found = [held.enter_context(peers.nginx(bench.folder, agents[0]))]
    for program, peer, name in (("caddy", peers.caddy, "caddy"), ("redis-server", peers.standin, "standin")):
        if shutil.which(program) is None:
            bench.figures.without(f"{program} is not installed", f"durable_vs_{name}")
        else:
            enter(peer(bench.folder, agents[0]), f"durable_vs_{name}")
    names = ("litellm", "durable_vs_litellm")
    if reason := absent(home):
        progress(f"without LiteLLM: {reason}")
        bench.figures.without(reason, *names)
    else:
        enter(litellm(home, bench.folder, agent.port), *names)
    return found


def _postgres(held: ExitStack, figures: Figures) -> str:
    """The URL of a database of our own, "" where PostgreSQL is not installed."""
    try:
        return held.enter_context(PostgresServer()).create_database()
    except HomeportError as error:
        progress(f"without PostgreSQL: {error.message}")
        figures.without(error.message, "postgres_vs_sqlite")
        return ""


def measure(bench: Bench, home: Path) -> Found:
    with ExitStack() as held:
        agents, agent = held.enter_context(peers.agents(bench.folder))
        contestants = others(held, bench, agents, agent, home)
        nginx = contestants[0]
        durable, _ = held.enter_context(houses.house("durable", bench.folder / "home", agents))
        contestants += [durable, replace(durable, name="nondurable", called="r")]
        if url := _postgres(held, bench.figures):
            contestants.append(held.enter_context(houses.house("postgres", bench.folder / "pg", agents, url))[0])
        progress("throughput, in turns ...")
        found = bench.throughput(contestants)
        progress("one caller, half of the maximum ...")
        bench.part(lambda: bench.alone(nginx, durable), "added_p50_ms")
        bench.part(lambda: bench.half([agent, nginx, durable], found), "p99_at_half_ms")
        bench.part(lambda: bench.many(durable), "many_agents_cost")
        progress("a long run, then a start ...")
        kept, made = held.enter_context(houses.house("kept", bench.folder / "kept", agents, keeps=True))
        bench.part(lambda: bench.memory(kept), "memory_growth")
        bench.part(lambda: bench.start(kept, made), "start_s")
        return found


def main() -> int:
    args = arguments(__doc__, options={"--litellm": f"folder of an environment that has LiteLLM; {HOME} without"})
    needed()
    home = Path(args.litellm).resolve() if args.litellm else HOME
    with tempfile.TemporaryDirectory(prefix="hp-bench-") as name:
        folder = Path(name)
        refuse_memory(folder)
        folder.chmod(0o755)
        bench = Bench(folder, quick=args.quick)
        found = measure(bench, home)
    plots(found, KEPT if args.save else OUT)
    versions = {"homeport": homeport_version(), **peers.versions()}
    if not absent(home):
        versions["litellm"] = version(home)
    figures = bench.figures
    for missing, reason in figures.missing.items():
        progress(f"{missing}: not measured: {reason}")
    result = Result("gateway", figures.rows, versions, quick=args.quick, figures=figures.document())
    return show(result, args) or int(bench.failed)


if __name__ == "__main__":
    sys.exit(main())
