# SPDX-License-Identifier: Apache-2.0
"""Fetcher for images: a view of one file, `image.json`, with what the image says of itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from homeport.drivers.fetchers import appear, scratch
from homeport.drivers.fetchers.image.view import ImageView
from homeport.errors import HomeportError, InvalidSource, NotFound, StalePlan, Unavailable
from homeport.interfaces.fetcher import FileView, Progress
from homeport.interfaces.images import ImageFacts, Images
from homeport.model.imagename import parse_image
from homeport.model.locator import recognise
from homeport.model.source import Source, SourceKind


@dataclass(frozen=True, slots=True)
class Options:
    pull: bool = False
    """Whether an image that is not here may be fetched from its registry: `up` and `deploy` say yes, a look no."""


class ImageFetcher:
    def __init__(self, options: Options | None = None, images: Images | None = None) -> None:
        """`images` None: no container engine answers."""
        self._options = options or Options()
        self._images = images

    def handles(self, locator: str) -> bool:
        try:
            return recognise(locator).kind is SourceKind.IMAGE
        except HomeportError:
            return False

    async def fetch(self, locator: str, *, ref: str = "", progress: Progress | None = None) -> FileView:
        place = recognise(locator)
        if place.kind is not SourceKind.IMAGE:
            raise InvalidSource(f"{place.address} is no image", operation="fetch", hint="write image:NAME:TAG")
        if ref:
            raise InvalidSource(
                "an image has no branches", operation="fetch", subject=place.address, hint="write image:NAME:TAG"
            )
        if progress:
            progress(f"looking at the image {place.address}")
        facts = await self._look(place.address, progress)
        return ImageView(Source(SourceKind.IMAGE, place.address, facts.id), facts)

    async def export(self, source: Source, destination: Path, *, progress: Progress | None = None) -> None:
        if progress:
            progress(f"looking for the image {source.locator}")
        try:
            await self._engine().look(source.digest)
        except NotFound:
            await self._again(source, progress)
        with scratch(destination.parent, destination.name) as aside:
            appear(aside, destination)

    async def _again(self, source: Source, progress: Progress | None) -> None:
        try:
            facts = await self._engine().look(source.locator, pull=self._options.pull, said=progress)
        except NotFound:
            facts = replace(_NONE, reference=source.locator)
        if facts.id != source.digest:
            raise StalePlan(
                f"the image {source.locator} that was planned is not here any more",
                operation="export", subject=source.locator, hint="make a new plan from it",
            )  # fmt: skip

    async def _look(self, reference: str, progress: Progress | None) -> ImageFacts:
        try:
            return await self._engine().look(reference, pull=self._options.pull, said=progress)
        except NotFound as error:
            name = parse_image(reference)
            if self._options.pull or not name.path:
                raise InvalidSource(
                    error.message, operation="fetch", subject=reference, hint=error.hint or "see: docker images"
                ) from None
            where = name.host or "the engine's default registry"
            raise InvalidSource(
                f"the image {reference} is not on this machine; it would be fetched from {where}",
                operation="fetch", subject=reference, hint="`homeport up` fetches it; or: docker pull, then again",
            ) from None  # fmt: skip

    def _engine(self) -> Images:
        if self._images is None:
            raise Unavailable(
                "an image takes a container engine, and none answers here", operation="fetch",
                hint="start Docker or Podman, or say where it listens with DOCKER_HOST",
            )  # fmt: skip
        return self._images


_NONE = ImageFacts(id="", reference="")
