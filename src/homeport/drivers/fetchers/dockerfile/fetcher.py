# SPDX-License-Identifier: Apache-2.0
"""Fetcher for a Dockerfile: the folder around it, read by the folder's own fetcher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from homeport.drivers.fetchers import Described, here
from homeport.errors import HomeportError, InvalidSource
from homeport.interfaces.fetcher import Fetcher, FileView, Progress
from homeport.model.locator import names_dockerfile, recognise
from homeport.model.paths import printable
from homeport.model.source import Source, SourceKind


class DockerfileFetcher:
    def __init__(self, folder: Fetcher) -> None:
        self._folder = folder

    def handles(self, locator: str) -> bool:
        try:
            place = recognise(locator)
            plain = not place.remote and place.kind is None
            return plain and names_dockerfile(place.address) and here(place.address).is_file()
        except (HomeportError, OSError):
            return False

    async def fetch(self, locator: str, *, ref: str = "", progress: Progress | None = None) -> FileView:
        """A locator that is a folder is the context itself; `ref` is then the Dockerfile's path in it."""
        path = here(recognise(locator).address)
        context, name = (path, ref) if path.is_dir() else (path.parent, path.name)
        if ref and ref != name:
            raise InvalidSource("a Dockerfile has no branches or commits", operation="fetch", hint="leave --ref out")
        view = await self._folder.fetch(str(context.resolve()), progress=progress)
        if name not in {entry.path for entry in view.entries()}:
            view.close()
            shown = printable(str(context / name), 160)
            raise InvalidSource(
                f"there is no Dockerfile {shown}",
                operation="fetch", subject=locator, hint="name a file that exists and is not a link",
            )  # fmt: skip
        return Described(view, replace(view.source, kind=SourceKind.DOCKERFILE, ref=name))

    async def export(self, source: Source, destination: Path, *, progress: Progress | None = None) -> None:
        context = replace(source, kind=SourceKind.FOLDER, ref="")
        await self._folder.export(context, destination, progress=progress)
