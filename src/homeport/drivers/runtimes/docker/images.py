# SPDX-License-Identifier: Apache-2.0
"""The driver: `interfaces.images.Images` on a container engine."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from homeport.drivers.runtimes.docker.connection import Connection
from homeport.drivers.runtimes.docker.context import pack
from homeport.drivers.runtimes.docker.options import LABEL
from homeport.errors import (
    Conflict,
    HomeportError,
    InvalidSource,
    NotFound,
    StorageFull,
    Unavailable,
    Unhealthy,
    UsageError,
)
from homeport.interfaces.images import ImageFacts, Said
from homeport.model.imagename import ImageName, parse_image

LAST_LINES = 20
_CHUNK = 1 << 20
_ABSENT = ("manifest unknown", "not found", "pull access denied", "does not exist", "denied", "unauthorized")
_FAR = ("no such host", "timeout", "connection refused", "network is unreachable", "eof", "no route to host", "tls")


@dataclass(frozen=True)
class Options:
    host: str = ""
    """unix:///path, tcp://host:port or ssh://user@host; "" looks where engines usually are."""


class DockerImages:
    """Builds use the engine's own builder: their RUN steps have the engine's default network and no build arguments."""

    def __init__(self, options: Options) -> None:
        self._connection = Connection(options.host)

    async def look(self, reference: str, *, pull: bool = False, said: Said | None = None) -> ImageFacts:
        name = _name(reference)
        try:
            return await self._look(reference)
        except NotFound:
            if not pull or not name.path:
                raise NotFound(
                    f"the engine has no image {reference}", operation="image", subject=reference,
                    hint="" if not name.path else "fetch or build it first; deploying an agent from it fetches it",
                ) from None  # fmt: skip
        await self._pull(reference, name, said or _nothing)
        return await self._look(reference)

    async def build(self, context: Path, *, dockerfile: str, tag: str, said: Said | None = None) -> ImageFacts:
        _name(tag)
        last: deque[str] = deque(maxlen=LAST_LINES)

        def tell(line: str) -> None:
            last.append(line)
            if said is not None:
                said(line)

        params = {
            "t": tag,
            "dockerfile": dockerfile,
            "rm": "1",
            "forcerm": "1",
            "labels": json.dumps({f"{LABEL}.built": "1"}),
        }
        with tempfile.TemporaryFile() as file:
            await _packed(context, file, dockerfile)
            try:
                async with self._connection.stream(
                    "POST", "build", params=params, data=_chunks(file), operation="build"
                ) as response:
                    async for step in self._connection.lines(response):
                        _tell_lines(str(step.get("stream", step.get("status", ""))), tell)
            except (Unavailable, StorageFull):
                raise
            except HomeportError as error:
                _tell_lines(error.message, tell)
                raise Unhealthy(
                    "building the image failed:\n" + "\n".join(f"  | {line}" for line in last),
                    operation="build", subject=tag, hint="the lines above are the builder's own",
                ) from None  # fmt: skip
        return await self._look(tag)

    async def take_in(self, archive: Path, *, tag: str, command: tuple[str, ...] = ()) -> ImageFacts:
        name = _name(tag)
        place = {"repo": tag.removesuffix(f":{name.tag}"), "tag": name.tag or "latest"}
        params, made = {"fromSrc": "-", **place}, ""
        if command:
            params["changes"] = f"CMD {json.dumps(list(command))}"
        try:
            file = await asyncio.to_thread(archive.open, "rb")
        except OSError as error:
            raise InvalidSource(f"{archive} cannot be read: {error.strerror}", subject=str(archive)) from None
        with file:
            async with self._connection.stream(
                "POST", "images/create", params=params, data=_chunks(file), operation="import"
            ) as response:
                async for step in self._connection.lines(response):
                    made = str(step.get("status", ""))
        if made.startswith("sha256:"):  # Podman knows no tag for what it imports
            await self._connection.call("POST", f"images/{made}/tag", params=place)
        return await self._look(tag)

    async def remove(self, reference: str) -> None:
        _name(reference)
        try:
            await self._connection.call("DELETE", f"images/{reference}", operation="remove")
        except (NotFound, Conflict):
            return

    async def close(self) -> None:
        await self._connection.close()

    async def _look(self, reference: str) -> ImageFacts:
        return facts_of(await self._connection.call("GET", f"images/{reference}/json", operation="image"), reference)

    async def _pull(self, reference: str, name: ImageName, said: Said) -> None:
        params = {"fromImage": reference}
        if not name.tag and not name.digest:
            params["tag"] = "latest"  # without one the engine would fetch all there are
        told: dict[str, str] = {}
        try:
            async with self._connection.stream("POST", "images/create", params=params, operation="pull") as response:
                async for step in self._connection.lines(response):
                    layer, status = str(step.get("id", "")), str(step.get("status", ""))
                    if told.get(layer) != status:  # a bar's progress is no news
                        told[layer] = status
                        said(f"{layer}: {status}" if layer else status)
        except (Unavailable, StorageFull):
            raise
        except HomeportError as error:
            raise _not_pulled(reference, error) from None


def facts_of(seen: dict[str, Any], reference: str) -> ImageFacts:
    """Of an engine's inspection; what an image leaves out is empty."""
    config = seen.get("Config") or {}
    ports = (port.partition("/") for port in config.get("ExposedPorts") or {})
    return ImageFacts(
        id=str(seen["Id"]) if str(seen["Id"]).startswith("sha256:") else f"sha256:{seen['Id']}",
        reference=reference,
        command=_words(config.get("Cmd")),
        entrypoint=_words(config.get("Entrypoint")),
        ports=tuple(sorted(int(number) for number, _, kind in ports if number.isdigit() and kind in ("", "tcp"))),
        env=dict(entry.split("=", 1) for entry in config.get("Env") or [] if "=" in entry),
        user=str(config.get("User") or ""),
        size=int(seen.get("Size") or 0),
        architecture=str(seen.get("Architecture") or ""),
        labels={str(key): str(value) for key, value in (config.get("Labels") or {}).items()},
        health=_words((config.get("Healthcheck") or {}).get("Test")),
    )


def _words(value: Any) -> tuple[str, ...]:
    """An old image may hold one string where the others have a list."""
    return (value,) if isinstance(value, str) and value else tuple(map(str, value or ()))


def _name(reference: str) -> ImageName:
    try:
        return parse_image(reference)
    except ValueError as error:
        raise UsageError(f"{reference!r} names no image: {error}", operation="image", subject=reference) from None


def _not_pulled(reference: str, error: HomeportError) -> HomeportError:
    text = error.message.lower()
    if any(word in text for word in _FAR):
        return Unavailable(
            f"the image {reference} cannot be fetched: {error.message}", operation="pull", subject=reference,
            hint="its registry does not answer the engine; an image that is there already is used as it is",
        )  # fmt: skip
    if isinstance(error, NotFound) or any(word in text for word in _ABSENT):
        return NotFound(
            f"there is no image {reference}, or it is not for everybody: {error.message}", operation="pull",
            subject=reference, hint="check its name; log the engine in, or fetch it yourself, if it is private",
        )  # fmt: skip
    return error


async def _packed(context: Path, file: IO[bytes], dockerfile: str) -> None:
    try:
        await asyncio.to_thread(pack, context, file, dockerfile)
    except OSError as error:
        kind = StorageFull if error.errno == 28 else InvalidSource
        raise kind(f"{context} cannot be packed: {error.strerror}", operation="build", subject=str(context)) from None
    file.seek(0)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk


def _tell_lines(text: str, tell: Callable[[str], None]) -> None:
    for line in text.splitlines():
        if line.strip():
            tell(line.rstrip())


def _nothing(line: str) -> None:
    """Nobody wants to know."""
