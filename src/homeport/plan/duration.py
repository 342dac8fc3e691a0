# SPDX-License-Identifier: Apache-2.0
"""For how long: what the user says, else what documents say, else what such work usually takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homeport.errors import UsageError
from homeport.model.advice import Pick
from homeport.model.paths import printable
from homeport.model.plan import Offer
from homeport.model.requirements import Kind, Requirements, firm

KIND_HOURS: dict[Kind, tuple[float, str]] = {
    Kind.SERVICE: (0.0, "a service runs until stopped"),
    Kind.TRAINING: (24.0, "training: a day is assumed"),
    Kind.INFERENCE: (4.0, "inference over a set of inputs: 4 h are assumed"),
    Kind.NOTEBOOK: (8.0, "a notebook: a working day is assumed"),
    Kind.HPC: (12.0, "a batch computation: 12 h are assumed"),
    Kind.LIBRARY: (2.0, "a library: 2 h to try it are assumed"),
    Kind.CLI: (2.0, "a command: 2 h of use are assumed"),
    Kind.DATA: (8.0, "data processing: 8 h are assumed"),
}
"""Assumptions, shown as such. 0: until stopped."""
LEASED_SERVICE = 24.0
"""What runs until stopped gets a lease of a day where all machines are leased: extended when wanted, not paid ahead."""
LEAST, YEAR = 1 / 60, 24 * 366.0
"""A minute and a year: what is shorter or longer is no plan."""


@dataclass(frozen=True, slots=True)
class Duration:
    """Of the work, whatever it runs on. `hours` 0: until stopped.

    `by` is who said it: `user`, `documented` (a document), `kind` (assumed or estimated), or whose pick it is.
    """

    hours: float
    why: str
    by: str


def duration(needs: Requirements, wished: float | None, picks: Sequence[Pick] = ()) -> tuple[Duration, tuple[str, ...]]:
    """How long the work takes, and warnings about picks that were not followed.

    A pick may replace what is assumed of a kind of work or estimated; never what the user or a document says.
    Raises `UsageError` for a wish that is no sensible time.
    """
    if wished is not None and wished != 0 and not LEAST <= wished <= YEAR:
        raise UsageError(
            f"hours must be 0 (until stopped), or from a minute to {YEAR:g}, not {wished}",
            operation="plan", subject="hours",
        )  # fmt: skip
    if wished is not None:
        return Duration(wished, "asked for", "user"), ()
    found = _found(needs)
    offered = [one for one in picks if one.hours is not None]
    warnings = []
    for pick in offered:
        assert pick.hours is not None
        if found.by == "documented":
            warnings.append(f"{pick.by} would take {pick.hours:g} h: not followed, since a document says how long")
        elif not LEAST <= pick.hours <= YEAR:
            warnings.append(f"{pick.by} would take {pick.hours:g} h: not followed, since that is no sensible time")
        else:
            reason = printable(pick.reasoning.get("hours", ""), 200)
            return Duration(pick.hours, f"chosen by {pick.by}{f': {reason}' if reason else ''}", pick.by), ()
    return found, tuple(warnings)


def hours_on(work: Duration, offer: Offer) -> tuple[float, str]:
    """The hours that the offer is taken for, and why. What is leased has an end, at most its longest lease away."""
    longest = offer.longest_hours
    if not longest:
        if offer.priced and not offer.hourly.micros and work.by != "user":
            return 0.0, "it costs nothing: until stopped"
        return work.hours, work.why
    if not work.hours:
        hours = longest if work.by == "user" else min(LEASED_SERVICE, longest)
        return hours, f"{work.why}, and a lease has an end: {hours:g} h"
    if work.hours > longest:
        return longest, f"{work.why}: {work.hours:g} h, and the longest lease is {longest:g} h"
    return work.hours, work.why


def lease_warning(work: Duration, offer: Offer) -> str:
    """What to know about the end of a lease; "" where there is nothing."""
    hours, _ = hours_on(work, offer)
    if not offer.longest_hours or hours == work.hours:
        return ""
    if not work.hours:
        return f"its lease ends after {hours:g} h, and the machine with it; --hours gives up to {offer.longest_hours:g}"
    return f"a lease is at most {offer.longest_hours:g} h: the work is planned for {work.hours:g} h and ends too early"


def _found(needs: Requirements) -> Duration:
    if needs.hours is not None and LEAST <= needs.hours.value <= YEAR:
        best = needs.hours.evidence[0] if needs.hours.evidence else None
        where = f" ({printable(best.file, 100)}:{best.line})" if best and best.file else ""
        sure = firm(needs.hours)
        return Duration(
            needs.hours.value, f"{'documented' if sure else 'estimated'}{where}", "documented" if sure else "kind"
        )
    kind = needs.kind.value if needs.kind else None
    if kind is Kind.INFERENCE and needs.port is not None:
        return Duration(0.0, "inference behind a port runs until stopped", "kind")
    if kind is None:
        return Duration(0.0, "nothing says how long it runs: until stopped", "kind")
    hours, why = KIND_HOURS[kind]
    return Duration(hours, why, "kind")
