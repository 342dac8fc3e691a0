# SPDX-License-Identifier: Apache-2.0
"""What an instance stands on: an image of its own, a base image, or this machine's programs; its code and its data."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from homeport.drivers.runtimes.docker import machine
from homeport.drivers.runtimes.docker.connection import Connection
from homeport.drivers.runtimes.docker.container import Root
from homeport.drivers.runtimes.docker.facts import Facts, ensure_root, remove_container
from homeport.drivers.runtimes.docker.options import APP, DATA, LABEL, Options
from homeport.drivers.runtimes.docker.volumes import Volumes
from homeport.errors import HomeportError, NotFound, UsageError
from homeport.model.imagename import parse_image
from homeport.model.instance import InstanceSpec

# The same users as confined processes have, so that an agent's data stay its own when it moves.
_USERS = (1_879_048_192, 1 << 24)
_LONGEST_PASSWD = 1 << 20
_USERS_FAR = (61_184, 4_336)
"""Of an engine elsewhere, which may map no more than 16 bits."""


@dataclass(frozen=True)
class Roots:
    connection: Connection
    options: Options
    home: str
    volumes: Volumes

    async def root_for(self, spec: InstanceSpec, facts: Facts) -> Root:
        """Everything in place for it. Raises `HomeportError` saying what is not there."""
        if spec.workload.image:
            root = await self._image(spec.workload.image)
            user = await self._image_user(root)
        else:
            root = await self._base(spec, facts)
            user = user_for(facts, spec.agent_id)
            if not facts.podman or not facts.rootless:
                root = replace(root, user=f"{user[0]}:{user[1]}")
        return await self._with_folders(spec, facts, root, user)

    async def _base(self, spec: InstanceSpec, facts: Facts) -> Root:
        own = self.options.folder
        image = self.options.base or ("" if facts.programs else facts.own_image)
        if image:
            base = await self._image(image)
            path = machine.search_path(job=spec.job, after=base.env.get("PATH") or "/usr/local/bin:/usr/bin:/bin")
            return Root(base.image, (), path=path, env=base.env)
        if not facts.programs:
            raise HomeportError(
                f"cannot start {spec.name}: {facts.why_not}", operation="start", subject=spec.name,
                hint="name an image with its language for agents to run in: HOMEPORT_DOCKER_BASE",
            )  # fmt: skip
        await asyncio.to_thread(machine.write_own_files, own)
        uid, gid = user_for(facts, spec.agent_id)
        files = await asyncio.to_thread(machine.user_files, own, uid, gid)
        name = await ensure_root(self.connection)
        return Root(name, (*machine.mounts(own), *files), path=machine.search_path(job=spec.job))

    async def _image(self, reference: str) -> Root:
        try:
            parse_image(reference)
        except ValueError as error:
            raise UsageError(f"{reference!r} names no image: {error}", operation="start", subject=reference) from None
        try:
            seen = await self.connection.call("GET", f"images/{reference}/json", operation="start")
        except NotFound:
            raise NotFound(
                f"the engine has no image {reference}: deploy the agent again, which fetches or builds it",
                operation="start", subject=reference,
            ) from None  # fmt: skip
        config = seen.get("Config") or {}
        env = dict(entry.split("=", 1) for entry in config.get("Env") or [] if "=" in entry)
        command = (*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ()))
        return Root(seen["Id"], (), config.get("User") or "", env=env, command=command, own=True)

    async def _image_user(self, root: Root) -> tuple[int, int]:
        """The image's own user as numbers: its data must be writable to it, and it has no right to change that."""
        user, _, group = root.user.partition(":")
        if not user or user == "0" or user == "root":
            return 0, 0
        if user.isdigit():
            return int(user), int(group) if group.isdigit() else 0
        for line in (await self._passwd(root.image)).splitlines():
            fields = line.split(":")
            if len(fields) > 3 and fields[0] == user and fields[2].isdigit() and fields[3].isdigit():
                return int(fields[2]), int(group) if group.isdigit() else int(fields[3])
        raise HomeportError(f"the image's user {user!r} is not in its /etc/passwd", operation="start", subject=user)

    async def _passwd(self, image: str) -> str:
        body = {"Image": image, "Cmd": ["-"], "Labels": {f"{LABEL}.probe": self.home}, "NetworkDisabled": True}
        made = (await self.connection.call("POST", "containers/create", body=body, operation="create"))["Id"]
        try:
            place = f"containers/{made}/archive"
            content = await self.connection.call("GET", place, params={"path": "/etc/passwd"}, most=_LONGEST_PASSWD)
        except NotFound:
            return ""
        finally:
            await remove_container(self.connection, made)
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            found = next((member for member in tar if member.isfile() and member.size < _LONGEST_PASSWD), None)
            file = tar.extractfile(found) if found else None
            return file.read().decode("utf-8", "replace") if file else ""

    async def _with_folders(self, spec: InstanceSpec, facts: Facts, root: Root, user: tuple[int, int]) -> Root:
        code = "" if root.own else spec.workload.code
        for folder in (code, spec.data):
            if folder and not Path(folder).is_dir():
                raise HomeportError(f"cannot start {spec.name}: {folder} is not a folder", subject=spec.name)
        if facts.folders:
            await asyncio.to_thread(_hand_over, spec.data, user)
            mounts = [machine.bind(spec.data, DATA, writable=True)]
            if code:
                await asyncio.to_thread(_hand_over if spec.job else _open_to_all, code, user)
                mounts.append(machine.bind(code, APP, writable=spec.job))
        else:
            mounts = [await self.volumes.data(spec, root.image, user)]
            if code:
                mounts.append(await self.volumes.code(spec, root.image, user))
        return replace(root, mounts=(*root.mounts, *mounts))


def user_for(facts: Facts, agent_id: str) -> tuple[int, int]:
    """User and group of an agent without an image of its own: the same for all its instances."""
    if facts.rootless and facts.folders:
        return 0, 0  # inside; outside it is the user who runs the engine
    if facts.folders and os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    first, count = _USERS if facts.folders else _USERS_FAR
    uid = first + zlib.crc32(agent_id.encode()) % count
    return uid, uid


def _hand_over(folder: str, user: tuple[int, int]) -> None:
    """Give a folder to its agent's user; links are changed themselves, never followed."""
    if os.geteuid() != 0:
        if user[0] != os.geteuid():  # an image's own user: the folders above are closed to everybody else
            Path(folder).chmod(0o777)
        return
    if Path(folder).stat().st_uid == user[0]:
        return
    for _, folders, files, fd in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, *user, dir_fd=fd, follow_symlinks=False)
    os.chown(folder, *user)


def _open_to_all(folder: str, user: tuple[int, int]) -> None:
    """Agents read their code as their own user; the folders above it are closed to everybody else."""
    path = Path(folder)
    if path.stat().st_uid != user[0] and path.stat().st_mode & 0o005 != 0o005:
        path.chmod(0o755)
