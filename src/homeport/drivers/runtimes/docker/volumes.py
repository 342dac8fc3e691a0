# SPDX-License-Identifier: Apache-2.0
"""Code and data as volumes, for an engine that does not see this machine's folders.

A volume names the folder it stands for and goes once that is gone. Files travel into it through a container that is
created with it and never started.
"""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from homeport.drivers.runtimes.docker.connection import Connection
from homeport.drivers.runtimes.docker.facts import remove_container
from homeport.drivers.runtimes.docker.options import APP, DATA, LABEL
from homeport.errors import Conflict, HomeportError, NotFound
from homeport.model.instance import InstanceSpec

_FILLED = ".homeport-filled"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Volumes:
    connection: Connection
    home: str

    async def code(self, spec: InstanceSpec, image: str, user: tuple[int, int]) -> dict[str, Any]:
        """Filled once with the code folder; what a job installs into it stays for the agent."""
        folder = spec.workload.code
        return await self._mount(spec, folder, Path(folder).name, APP, image, user, writable=spec.job)

    async def data(self, spec: InstanceSpec, image: str, user: tuple[int, int]) -> dict[str, Any]:
        kind = "scratch" if spec.job else "data"
        return await self._mount(spec, spec.data, kind, DATA, image, user, writable=True)

    async def sweep(self) -> None:
        """Remove those whose folder is gone; one that a container still has goes the next time."""
        filters = f'{{"label":["{LABEL}.home={self.home}"]}}'
        found = await self.connection.call("GET", "volumes", params={"filters": filters})
        for volume in found.get("Volumes") or []:
            folder = (volume.get("Labels") or {}).get(f"{LABEL}.folder", "")
            if folder and not Path(folder).exists():
                try:
                    await self.connection.call("DELETE", f"volumes/{volume['Name']}")
                except (NotFound, Conflict):
                    continue

    async def _mount(
        self, spec: InstanceSpec, folder: str, kind: str, target: str, image: str, user: tuple[int, int], *,
        writable: bool,
    ) -> dict[str, Any]:  # fmt: skip
        name = f"homeport-{self.home}-{spec.agent_id}-{kind}"
        labels = {f"{LABEL}.home": self.home, f"{LABEL}.agent": spec.agent_id, f"{LABEL}.folder": folder}
        await self.connection.call("POST", "volumes/create", body={"Name": name, "Labels": labels}, operation="start")
        mount = {"Type": "volume", "Source": name, "Target": target, "VolumeOptions": {"NoCopy": True}}
        body = {
            "Image": image,
            "Cmd": ["-"],
            "Labels": {f"{LABEL}.probe": self.home},
            "NetworkDisabled": True,
            "HostConfig": {"Mounts": [mount]},
        }
        made = (await self.connection.call("POST", "containers/create", body=body, operation="start"))["Id"]
        try:
            await self._fill(made, Path(folder), target, user)
        finally:
            await remove_container(self.connection, made)
        return mount | {"ReadOnly": not writable}

    async def _fill(self, container: str, folder: Path, target: str, user: tuple[int, int]) -> None:
        """Once: the last file written says that all are there."""
        place = f"containers/{container}/archive"
        try:
            await self.connection.call("GET", place, params={"path": f"{target}/{_FILLED}"})
            return
        except NotFound:
            pass  # a new one, or one whose filling was cut off
        with tempfile.TemporaryFile(dir=folder.parent) as file:
            try:
                await asyncio.to_thread(_pack, folder, file, target.strip("/"), user)
            except OSError as error:
                raise HomeportError(f"{folder} cannot be packed for the engine: {error}", subject=str(folder)) from None
            file.seek(0)
            await self._put(place, _chunks(file))
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(f"{target.strip('/')}/{_FILLED}"))
        await self._put(place, buffer.getvalue())

    async def _put(self, place: str, data: Any) -> None:
        """From the root on: of the folder it is unpacked in, an engine leaves owner and mode as they are."""
        await self.connection.call("PUT", place, params={"path": "/"}, data=data, within=None, operation="start")


def _pack(folder: Path, file: IO[bytes], target: str, user: tuple[int, int]) -> None:
    """The folder as it is, of its agent's user; links as links, and nothing that is neither file, folder nor link."""

    def owned(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if not (info.isfile() or info.isdir() or info.issym() or info.islnk()):
            return None
        info.uid, info.gid = user
        info.uname = info.gname = ""
        if info.name == target:
            info.mode = 0o755
        return info

    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(os.fspath(folder), arcname=target, filter=owned)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk
