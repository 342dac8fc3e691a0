# SPDX-License-Identifier: Apache-2.0
"""The container engine as far as a look at sources needs it: asked for when something is an image, else not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from homeport.app.compose import engine, made
from homeport.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from homeport.interfaces.images import ImageFacts, Images, Said
    from homeport.settings import Settings


class LazyImages:
    """`Images` of the engine that answers, found at the first call. Raises `Unavailable` where none does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: Images | None = None

    async def _images(self) -> Images:
        if self._found is None:
            if not await engine(self._settings):
                raise Unavailable(
                    "this takes a container engine, and none answers here", operation="images",
                    hint="start Docker or Podman, or say where it listens with DOCKER_HOST",
                )  # fmt: skip
            self._found = cast("Images", made("images", "docker", host=self._settings.docker_host))
        return self._found

    async def look(self, reference: str, *, pull: bool = False, said: Said | None = None) -> ImageFacts:
        return await (await self._images()).look(reference, pull=pull, said=said)

    async def build(self, context: Path, *, dockerfile: str, tag: str, said: Said | None = None) -> ImageFacts:
        return await (await self._images()).build(context, dockerfile=dockerfile, tag=tag, said=said)

    async def take_in(self, archive: Path, *, tag: str, command: tuple[str, ...] = ()) -> ImageFacts:
        return await (await self._images()).take_in(archive, tag=tag, command=command)

    async def remove(self, reference: str) -> None:
        await (await self._images()).remove(reference)

    async def close(self) -> None:
        if self._found is not None:
            await self._found.close()
