# SPDX-License-Identifier: Apache-2.0
"""Fetcher for plain folders: walk, hash, copy exactly what was hashed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from homeport.drivers.fetchers import appear, here, pointers_told, scratch, write_file
from homeport.drivers.fetchers.folder.view import FolderView
from homeport.drivers.fetchers.folder.walk import Caps, Seen, open_file, open_root, walk
from homeport.errors import HomeportError, Interrupted, InvalidSource, StalePlan
from homeport.interfaces.fetcher import FileView, Progress
from homeport.model.locator import recognise
from homeport.model.paths import Sieve, digest_of
from homeport.model.source import Source, SourceKind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    max_bytes: int = 512_000_000
    """Of all files together; more is refused."""
    max_files: int = 100_000
    max_seconds: float = 120.0


class FolderFetcher:
    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    def handles(self, locator: str) -> bool:
        try:
            place = recognise(locator)
            return not place.remote and place.kind is None and here(place.address).is_dir()
        except (HomeportError, OSError):
            return False

    async def fetch(self, locator: str, *, ref: str = "", progress: Progress | None = None) -> FileView:
        if ref:
            raise InvalidSource("a plain folder has no branches or commits", operation="fetch", hint="leave --ref out")
        folder = here(recognise(locator).address).resolve()
        if progress:
            progress(f"reading {folder}")
        return await _in_thread(lambda check: self._view(folder, check), self._options.max_seconds)

    async def export(self, source: Source, destination: Path, *, progress: Progress | None = None) -> None:
        if progress:
            progress(f"copying {source.locator}")
        await _in_thread(lambda check: self._copy(source, destination, check), self._options.max_seconds)

    def _view(self, folder: Path, check: Callable[[], None]) -> FolderView:
        root = open_root(folder)
        try:
            sieve = Sieve()
            seen = walk(root, sieve, Caps(self._options.max_bytes, self._options.max_files, check))
        except BaseException:
            os.close(root)
            raise
        source = Source(kind=SourceKind.FOLDER, locator=str(folder), digest=_digest(seen))
        pointers = [(one.path, one.pointed) for one in seen if one.pointed is not None]
        return FolderView(source, root, seen, (*pointers_told(pointers), *sieve.skipped))

    def _copy(self, source: Source, destination: Path, check: Callable[[], None]) -> None:
        try:
            root = open_root(Path(source.locator))
        except InvalidSource as error:
            raise StalePlan(error.message, operation="export", subject=source.locator) from None
        try:
            caps = Caps(self._options.max_bytes, self._options.max_files, check)
            seen = walk(root, Sieve(), caps)
            if _digest(seen) != source.digest:
                raise _moved(source)
            with scratch(destination.parent, destination.name) as aside:
                for one in seen:
                    check()
                    _copy_file(root, one, aside, source)
                appear(aside, destination)
        finally:
            os.close(root)


def _copy_file(root: int, one: Seen, aside: Path, source: Source) -> None:
    try:
        reading = open_file(root, one.path)
    except OSError:
        raise _moved(source) from None
    digest = hashlib.sha256()
    with (
        os.fdopen(reading, "rb") as old,
        os.fdopen(write_file(aside, one.path, executable=one.executable), "wb") as new,
    ):
        while chunk := old.read(1 << 20):
            digest.update(chunk)
            new.write(chunk)
            if old.tell() > one.size:
                break
    if digest.hexdigest() != one.sha256:
        raise _moved(source)


def _digest(seen: list[Seen]) -> str:
    return digest_of((one.path, one.executable, one.sha256) for one in seen)


def _moved(source: Source) -> StalePlan:
    return StalePlan(
        f"{source.locator} is not what it was when the plan was made",
        operation="export",
        subject=source.locator,
        hint="make a new plan from it",
    )


async def _in_thread(work: Callable[[Callable[[], None]], T], seconds: float) -> T:
    """Run file work aside; it is told to stop when the caller is cancelled or the time is over."""
    stopped, deadline = threading.Event(), time.monotonic() + seconds

    def check() -> None:
        if stopped.is_set():
            raise Interrupted("stopped", operation="fetch")
        if time.monotonic() > deadline:
            raise InvalidSource(
                f"reading it took more than {seconds:g} s", operation="fetch", hint="name a smaller folder"
            )

    running = asyncio.create_task(asyncio.to_thread(work, check))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait({running})
        if not running.cancelled() and running.exception() is None:
            _close(running.result())
        raise


def _close(result: object) -> None:
    if isinstance(result, FolderView):
        result.close()
