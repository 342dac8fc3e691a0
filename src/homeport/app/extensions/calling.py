# SPDX-License-Identifier: Apache-2.0
"""One call of the user's code: bounded in time, its prints on stderr, and what went wrong as a sentence."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

LIMIT_S = 30.0
"""Seconds after which a call is given up. Its thread cannot be ended; it ends with the program."""

_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it returned; or `trouble`, one sentence that names the line, and `value` None."""

    value: Any = None
    trouble: str = ""


def call(function: Callable[..., Any], *args: Any, file: str = "", limit_s: float = LIMIT_S) -> Outcome:
    """Call it in a thread of its own and wait. Never raises but `KeyboardInterrupt`, which ends the waiting.

    `file` is where the user's code is: of the lines that led to an error, the last one in it is named.
    """
    outcomes: list[Outcome] = []

    def run() -> None:
        try:
            value = function(*args)
            outcomes.append(Outcome(asyncio.run(value) if inspect.iscoroutine(value) else value))
        except BaseException as error:  # also SystemExit: it is theirs to raise, and ours to survive
            outcomes.append(Outcome(trouble=explain(error, file)))

    thread = threading.Thread(target=run, name="extension", daemon=True)
    with _prints_on_stderr():
        thread.start()
        thread.join(limit_s)
    if not outcomes:
        return Outcome(trouble=f"it did not end within {limit_s:g} seconds")
    return outcomes[0]


async def aside(work: Callable[[], T]) -> T:
    """`work`, which calls the user's code, beside an event loop. Cancelling it, as Ctrl-C does, does not wait."""
    told: Future[T] = Future()
    told.set_running_or_notify_cancel()

    def run() -> None:
        try:
            told.set_result(work())
        except BaseException as error:  # raised where it is awaited
            told.set_exception(error)

    threading.Thread(target=run, name="extensions", daemon=True).start()
    return await asyncio.wrap_future(told)


def explain(error: BaseException, file: str = "") -> str:
    """`FILE:LINE: ErrorName: what it says`, on one line."""
    text = " ".join("".join(traceback.format_exception_only(error)[-1:]).split())[:_LONGEST]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {text}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [one for one in frames if one.filename == file] or [one for one in frames if not _ours(one.filename)]
    return f"{theirs[-1].filename}:{theirs[-1].lineno}: {text}" if theirs else text


def _ours(filename: str) -> bool:
    """Of what calls and imports the user's code."""
    return filename.startswith(("<frozen ", str(Path(__file__).parent), str(Path(importlib.__file__).parent)))


@contextmanager
def _prints_on_stderr() -> Iterator[None]:
    """Also of the programs that it starts. Where there is no stdout there is nothing to keep clean."""
    if sys.stdout is None or sys.stderr is None:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
