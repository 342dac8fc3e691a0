# SPDX-License-Identifier: Apache-2.0
"""Container images: looked at, built, imported, removed. Filled by the runtimes that run them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

Said = Callable[[str], None]
"""Told each line that a build or a pull prints, without its line end."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image says of itself. `id` is its content's digest (`sha256:…`); `ports` are TCP, ascending."""

    id: str
    reference: str
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    user: str = ""
    size: int = 0
    architecture: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    health: tuple[str, ...] = ()
    """HEALTHCHECK's words as the image has them (`CMD-SHELL`, `curl …`); () where it has none."""


class Images(Protocol):
    async def look(self, reference: str, *, pull: bool = False, said: Said | None = None) -> ImageFacts:
        """The image of that name or id; with `pull` it is fetched from its registry if it is not there.

        Raises `NotFound` with what to do, `Unavailable` when the engine does not answer.
        """
        ...

    async def build(self, context: Path, *, dockerfile: str, tag: str, said: Said | None = None) -> ImageFacts:
        """Build from a folder; only regular files below it are sent, `.dockerignore` honoured. Repeatable: cached.

        Raises `Unhealthy` with the last lines when a step fails. Cancelling ends the build.
        """
        ...

    async def take_in(self, archive: Path, *, tag: str, command: tuple[str, ...] = ()) -> ImageFacts:
        """A root file system in a tar file as an image."""
        ...

    async def remove(self, reference: str) -> None:
        """Already gone, or in use by an instance, is no error."""
        ...

    async def close(self) -> None: ...
