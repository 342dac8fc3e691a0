# SPDX-License-Identifier: Apache-2.0
"""From what was typed to a plan: the options, and the call that needs no server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from homeport.cli.group import Titled
from homeport.cli.output import say
from homeport.cli.reading import pairs_of, reading_of, reading_options
from homeport.model.limits import TARGETS

if TYPE_CHECKING:
    from homeport.cli.session import Session
    from homeport.model.limits import Limits
    from homeport.model.money import Money
    from homeport.model.plan import Plan

F = TypeVar("F", bound=Callable[..., object])

LIMITS, BY_HAND = "Limits", "What it needs, said by hand"
TEXTS: dict[str, tuple[str, str]] = {
    "start": ("COMMAND", "Start command, instead of the one concluded."),
    "port": ("PORT", "Port that the agent listens on."),
    "health": ("PATH", "Path that answers 2xx when the agent is well."),
    "gpu": ("NEED", "no, optional, needed; or which: 2, A100, 2xA100-40GB."),
    "gpus": ("N", "GPUs of one machine."),
    "vram": ("SIZE", "Memory of one GPU, for example 24G."),
    "gpu-vendor": ("VENDOR", "nvidia, amd, apple, intel or tpu."),
    "cuda": ("VERSION", "CUDA, for example 12.4."),
    "rocm": ("VERSION", "ROCm, for example 6.1."),
    "compute-capability": ("VERSION", "Of an NVIDIA GPU, at least, for example 8.0."),
    "cpus": ("N", "Processors."),
    "memory": ("SIZE", "Memory, for example 512M or 24G."),
    "shm": ("SIZE", "Shared memory, for example 8G."),
    "disk": ("SIZE", "Disk, for example 200G."),
    "arch": ("NAME", "Architecture: x86_64 or aarch64."),
    "os": ("NAME", "Distribution of the machine, for example ubuntu."),
    "os-version": ("VERSION", "Its release, for example 24.04."),
    "language": ("NAME", "Language it is written in."),
    "language-version": ("VERSION", "Its version."),
    "packages": ("NAMES", "System packages, separated by commas."),
    "kind": ("KIND", "service, training, inference, notebook, hpc, library, cli or data."),
    "version": ("VERSION", "Version of what runs it, for example 3.12."),
    "delivery": ("MODE", "What becomes of a request whose agent dies."),
    "idempotency": ("WORD", "honours-keys: a keyed request is done once, however often it is sent."),
}
"""Placeholder and help of each option that overrides a conclusion; `plan.OVERRIDES` says which there are."""


class Said(click.ParamType[str]):
    """A value that `plan.OVERRIDES` reads: refused at once, not after the source was read."""

    name = "value"

    def __init__(self, flag: str) -> None:
        self._flag = flag

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from homeport.plan.overrides import OVERRIDES

        try:
            OVERRIDES[self._flag][1](str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class Hours(click.ParamType[float]):
    """`36`, `36h`, `3d`, `90m`; 0: until stopped."""

    name = "hours"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from homeport.plan.duration import LEAST, YEAR

        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s?([mhd]?)", str(value), re.ASCII)
        hours = float(found[1]) * {"m": 1 / 60, "d": 24.0}.get(found[2], 1.0) if found else -1.0
        if hours != 0 and not LEAST <= hours <= YEAR:
            self.fail(f"expected hours, at most {YEAR:g}, for example 36, 3d or 90m; 0: until stopped", param, ctx)
        return hours


class Amount(click.ParamType[Any]):
    """`5`, `5USD`, `20SU`."""

    name = "amount"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Money:
        from homeport.model.money import Money, parse_money

        try:
            return value if isinstance(value, Money) else parse_money(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def source_options(command: F) -> F:
    """SOURCE, what its plan may cost and where it may be, and what overrides conclusions about it."""
    options = [
        click.option("--name", default="", metavar="NAME", help="The agent's name; default: from the source."),
        click.option("--hours", type=Hours(), metavar="N", help="36, 3d; 0: until stopped; default: by kind of work."),
        click.option("--runtime", type=click.Choice(["auto", "process", "docker"]), help="How it runs."),
        click.option("--network", default="", metavar="NAME", help="The network that the machine joins."),
        click.option("--key-name", default="", metavar="NAME", help="The key pair that opens the machine."),
        click.option("--llm", is_flag=True, help="Let a model improve estimates and the choice, within bounds."),
        click.option("--selector", default="", metavar="NAME", help="Ask this selector of yours; none: nobody."),
        *_limits(),
        *_by_hand(),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return reading_options(command)


def _limits() -> list[Callable[[F], F]]:
    def several(*names: str, **words: Any) -> Callable[[F], F]:
        return click.option(*names, multiple=True, cls=Titled, title=LIMITS, **words)

    return [
        several(
            "--target",
            "targets",
            type=click.Choice(TARGETS),
            metavar="TARGET",
            help=f"Only this one: {', '.join(TARGETS)}. It may be repeated, as all here.",
        ),
        several("--site", "sites", metavar="NAME", help="Only this site or region."),
        several("--node-type", "node_types", metavar="NAME", help="Only this type of machine."),
        several("--max-cost", "max_cost", type=Amount(), metavar="AMOUNT", help="In all: 5, 5USD, 20SU."),
        several("--max-price", "max_price", type=Amount(), metavar="AMOUNT", help="An hour."),
    ]


def _by_hand() -> list[Callable[[F], F]]:
    return [
        click.option(f"--{flag}", metavar=metavar, type=Said(flag), cls=Titled, title=BY_HAND, help=text)
        for flag, (metavar, text) in TEXTS.items()
    ]


def overrides_of(given: Mapping[str, object]) -> dict[str, str]:
    """What was said by hand, by the name of its flag."""
    found = {flag: given.get(flag.replace("-", "_")) for flag in TEXTS}
    return {flag: str(value) for flag, value in found.items() if value is not None}


def limits_of(given: Mapping[str, Any]) -> Limits:
    """Sites may be written as Chameleon writes them, `CHI@UC`."""
    from homeport.model.limits import Limits

    return Limits(
        total=tuple(given.get("max_cost") or ()),
        hourly=tuple(given.get("max_price") or ()),
        targets=tuple(given.get("targets") or ()),
        regions=tuple(site.lower().removeprefix("chi@") for site in given.get("sites") or ()),
        machine_types=tuple(given.get("node_types") or ()),
    )


def plan_for(session: Session, source: str, given: Mapping[str, Any], *, pull: bool = False) -> Plan:
    """Analysed and priced, with progress on stderr. `pull`: an image that is not here may be fetched.

    Raises what the stages raise.
    """
    import asyncio

    from homeport.app.propose import Wish, propose

    hours = given.get("hours")
    wish = Wish(
        name=str(given.get("name") or ""), overrides=overrides_of(given), limits=limits_of(given),
        hours=None if hours is None else float(hours), runtime=str(given.get("runtime") or ""),
        network=str(given.get("network") or ""), key=str(given.get("key_name") or ""),
        llm=bool(given.get("llm")), selector=str(given.get("selector") or ""),
    )  # fmt: skip
    return asyncio.run(propose(source, session.settings, reading_of(given, pull=pull), wish, progress=say))


def environment_options(command: F) -> F:
    """What the agent finds in its environment besides what Homeport puts there."""
    for option in (
        click.option("--secret", "secrets", multiple=True, metavar="NAME", help="Give it this sealed secret, as NAME."),
        click.option("-e", "--env", "pairs", multiple=True, metavar="K=V", help="For its environment; no secrets."),
    ):
        command = option(command)
    return command


def environment_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """What `-e` gives. Raises `UsageError`."""
    return pairs_of("-e", pairs)
