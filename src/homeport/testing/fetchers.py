# SPDX-License-Identifier: Apache-2.0
"""A source made of a dictionary: the same contract as a fetched one, nothing on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from homeport.drivers.fetchers import appear, scratch
from homeport.errors import InvalidSource, NotFound, StalePlan
from homeport.interfaces.fetcher import FileView, Progress
from homeport.model.paths import Sieve, digest_of
from homeport.model.source import Source, SourceEntry, SourceKind, Statement


class DictView:
    """A FileView over `files`: path → content. Unsafe paths are skipped, as everywhere."""

    def __init__(self, files: Mapping[str, str | bytes], *, locator: str = "memory") -> None:
        sieve = Sieve()
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        safe = [path for path in contents if sieve.admit(path.encode("utf-8", "surrogateescape")) is not None]
        self.files = {path: contents[path] for path in sorted(safe)}
        self.skipped = sieve.skipped
        self.said: tuple[Statement, ...] = ()
        digest = digest_of((path, False, hashlib.sha256(data).hexdigest()) for path, data in self.files.items())
        self.source = Source(SourceKind.FOLDER, locator, digest)

    def entries(self) -> Sequence[SourceEntry]:
        return [SourceEntry(path, len(data)) for path, data in self.files.items()]

    def read(self, path: str, limit: int = 262_144) -> bytes:
        if path not in self.files:
            raise NotFound(f"no file {path!r} in this source", operation="read", subject=path)
        return self.files[path][:limit]

    def read_many(self, paths: Sequence[str], limit: int = 262_144) -> dict[str, bytes]:
        return {path: self.read(path, limit) for path in paths}

    def close(self) -> None:
        """Nothing is held."""


class DictFetcher:
    """A Fetcher over `sources`: locator → files. Change them and planned states are stale, as in life."""

    def __init__(self, sources: dict[str, dict[str, str | bytes]]) -> None:
        self.sources = sources

    def handles(self, locator: str) -> bool:
        return locator in self.sources

    async def fetch(self, locator: str, *, ref: str = "", progress: Progress | None = None) -> FileView:
        if locator not in self.sources:
            raise InvalidSource(f"there is no source {locator!r}", operation="fetch", hint="add it to the sources")
        if progress:
            progress(f"reading {locator}")
        return DictView(self.sources[locator], locator=locator)

    async def export(self, source: Source, destination: Path, *, progress: Progress | None = None) -> None:
        if progress:
            progress(f"copying {source.locator}")
        view = DictView(self.sources.get(source.locator, {}), locator=source.locator)
        if view.source.digest != source.digest:
            raise StalePlan(f"{source.locator} has changed", operation="export", hint="make a new plan from it")
        with scratch(destination.parent, destination.name) as aside:
            for path, data in view.files.items():
                target = aside / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                target.chmod(0o644)
            appear(aside, destination)
