# SPDX-License-Identifier: Apache-2.0
"""One thing that an offer has less of than is wanted, and what that means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

NOMINAL = 0.93
"""A machine sold as 128 GB shows 126 GiB or 119 GiB: what documents ask for is met by as much of it."""
GROSS = 0.5
"""An estimate is missed by too much below this part of it: what has less is ruled out."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """`text` is a sentence, or for what is `unknown` the clause of a warning. `weight`: how far it is from doing.
    `flag` is what one would say to ask for no more than the offer has."""

    text: str
    rules_out: bool = True
    unknown: bool = False
    weight: int = 1
    flag: str = ""

    @property
    def lacking(self) -> bool:
        """With this the offer will not do."""
        return self.rules_out and not self.unknown


def weigh(
    what: str,
    has: float,
    wanted: float,
    firm: bool,
    show: Callable[[float], str],
    *,
    slack: float = 1.0,
    flag: str = "",
) -> Iterator[Shortfall]:
    """Nothing where it has enough: `slack` times what is wanted. `flag` as in `Shortfall`."""
    if has >= wanted * slack:
        return
    verb = "needed" if firm else "the estimate"
    text = f"It has {show(has)} {what}, and {show(wanted)} is {verb}."
    yield Shortfall(text, rules_out=firm or has < wanted * GROSS, flag=flag)


def typed(size: int) -> str:
    """A size as one types it, rounded down: `7.76Gi`."""
    return f"{(size * 100 >> 30) / 100:g}Gi" if size >= 2**30 else f"{size >> 20}Mi"
