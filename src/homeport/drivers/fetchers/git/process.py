# SPDX-License-Identifier: Apache-2.0
"""Run one command to its end under caps on time, output and disk; nothing of it survives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeport.errors import HomeportError

_OUTPUT = 64_000_000
_ERRORS = 16_384
_LOOK = 0.1
_LAST = 5.0
_MEMORY = 1 << 30
"""Bytes of memory of its own that a git process may take: what it is sent may inflate without bound."""


class TooMuch(Exception):
    """A cap was reached: "disk", "output" or "time"."""


@dataclass(frozen=True, slots=True)
class Done:
    """`errors` is the end of stderr, hostile text."""

    status: int
    output: bytes
    errors: str


async def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    deadline: float,
    stdin: bytes = b"",
    watch: Path | None = None,
    max_bytes: int = 0,
    max_records: int = 0,
) -> Done:
    """Run `argv` until the event loop's time `deadline`, its files below `watch` kept under `max_bytes`.

    `max_records` bounds what it writes that ends with a zero byte; 0: no such bound.

    Raises `TooMuch`. However it ends, cancelled too, the whole process group is gone afterwards.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=dict(env),
            cwd="/",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise HomeportError("git is not installed", operation="fetch", hint="apt-get install git") from None
    bound_memory(process.pid)
    feeding = asyncio.create_task(_feed(process.stdin, stdin))
    output = asyncio.create_task(_read(process.stdout, max_records))
    errors = asyncio.create_task(_tail(process.stderr))
    guard = asyncio.create_task(_guard(watch, max_bytes))
    exited = asyncio.create_task(process.wait())
    work = asyncio.gather(feeding, output, errors, exited)
    try:
        async with asyncio.timeout_at(deadline):
            waiting: list[asyncio.Future[Any]] = [work, guard]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if guard.done():
                guard.result()
            await work
            return Done(process.returncode or 0, output.result(), errors.result())
    except TimeoutError:
        raise TooMuch("time") from None
    finally:
        await _end(process, feeding, output, errors, exited, guard)
        await asyncio.gather(work, return_exceptions=True)  # whatever it ended with is known already


def bound_memory(pid: int) -> None:
    """Set the limit for a process that has just been started, and with it for all that it starts."""
    if hasattr(resource, "prlimit"):  # Linux
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


async def _end(process: asyncio.subprocess.Process, *tasks: asyncio.Task[Any]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST):  # its end is told once its pipes have ended, and one that is full never does
            await asyncio.gather(process.wait(), _drain(process.stdout), _drain(process.stderr))
    process._transport.close()  # type: ignore[attr-defined]  # pipes that a dead child's child still held


async def _drain(reader: asyncio.StreamReader | None) -> None:
    assert reader is not None
    while await reader.read(1 << 16):
        pass


async def _feed(writer: asyncio.StreamWriter | None, data: bytes) -> None:
    assert writer is not None
    # RuntimeError is uvloop's word for a pipe that a process has closed by ending.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        if data:
            writer.write(data)
            await writer.drain()
    writer.close()


async def _read(reader: asyncio.StreamReader | None, max_records: int) -> bytes:
    assert reader is not None
    parts, size, records = [], 0, 0
    while chunk := await reader.read(1 << 16):
        parts.append(chunk)
        size += len(chunk)
        records += chunk.count(0) if max_records else 0
        if size > _OUTPUT or records > max_records > 0:
            raise TooMuch("output")
    return b"".join(parts)


async def _tail(reader: asyncio.StreamReader | None) -> str:
    assert reader is not None
    end = b""
    while chunk := await reader.read(1 << 14):
        end = (end + chunk)[-_ERRORS:]
    return end.decode(errors="replace")


async def _guard(folder: Path | None, max_bytes: int) -> None:
    while True:
        if folder is not None and await asyncio.to_thread(size_of, folder) > max_bytes:
            raise TooMuch("disk")
        await asyncio.sleep(_LOOK)


def size_of(folder: Path) -> int:
    """Bytes in the regular files below a folder of ours; files may vanish meanwhile."""
    total = 0
    for parent, _, names, descriptor in os.fwalk(folder):
        del parent
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
