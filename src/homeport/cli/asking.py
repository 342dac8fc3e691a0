# SPDX-License-Identifier: Apache-2.0
"""Questions: only on a terminal; elsewhere an error names the flag that answers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from homeport.cli.output import clean
from homeport.errors import Interrupted, UsageError


def confirm(question: str, *, yes: bool) -> None:
    """Returns if the answer is yes. Raises `Interrupted` for no, `UsageError` where nobody can be asked."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{question} There is no terminal to ask on.", operation="confirm", hint="--yes")
    print(f"{clean(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Interrupted("nothing was done", operation="confirm")


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Ctrl-C takes effect at the end of the block, so that the answer of a call under way is not lost."""
    import signal

    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
