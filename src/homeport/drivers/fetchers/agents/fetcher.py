# SPDX-License-Identifier: Apache-2.0
"""Fetcher for agents files: reads the file, and leaves the source it names to the fetcher of that kind."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from homeport.drivers.fetchers import Described, here
from homeport.errors import HomeportError, InvalidSource
from homeport.interfaces.fetcher import Fetcher, FileView, Progress
from homeport.model.agentsfile import AgentsFile, read_agents_file
from homeport.model.agentspec import AgentSpec
from homeport.model.locator import names_agents_file, names_dockerfile, recognise
from homeport.model.paths import printable
from homeport.model.plainyaml import LONGEST, YamlTrouble, filler
from homeport.model.source import Source


@dataclass(frozen=True, slots=True)
class Options:
    values: Mapping[str, str] = field(default_factory=dict)
    """What `${NAME}` stands for. Nothing is taken from the environment of this process."""
    outside: bool = False
    """Whether paths in the file may lead out of its folder."""


class AgentsFetcher:
    """`inner` are the fetchers of what an agent can be made of: "git", "folder", "image", "dockerfile"."""

    def __init__(self, options: Options | None = None, *, inner: Mapping[str, Fetcher]) -> None:
        self._options = options or Options()
        self._inner = inner

    def handles(self, locator: str) -> bool:
        try:
            place = recognise(locator)
            plain = not place.remote and place.kind is None
            return plain and names_agents_file(place.address) and here(place.address).is_file()
        except (HomeportError, OSError):
            return False

    async def fetch(self, locator: str, *, ref: str = "", progress: Progress | None = None) -> FileView:
        """`ref` is the agent's name, where it does not stand behind the # of the locator."""
        place = recognise(locator)
        if ref and place.ref and ref != place.ref:
            raise InvalidSource(f"two agents are named: {place.ref} and {printable(ref, 80)}", operation="fetch")
        path = here(place.address).absolute()
        if progress:
            progress(f"reading {path.name}")
        try:
            content = read_agents_file(await asyncio.to_thread(_text, path), path.name)
            spec = content.agent(_chosen(content, ref or place.ref), filler(self._options.values))
        except YamlTrouble as error:
            raise _told(path.name, error, locator) from None
        kind, inner, state = self._made_of(spec, path)
        view = await self._inner[kind].fetch(inner, ref=state, progress=progress)
        return Described(view, view.source, spec.statements)

    async def export(self, source: Source, destination: Path, *, progress: Progress | None = None) -> None:
        await self._inner[source.kind].export(source, destination, progress=progress)

    def _made_of(self, spec: AgentSpec, path: Path) -> tuple[str, str, str]:
        """(kind, locator, ref) of what the agent is made of."""
        try:
            if spec.ref and spec.origin != "source":
                raise YamlTrouble("only a 'source' has a 'ref'", spec.line, spec.key)
            if spec.origin == "image":
                recognise(f"image:{spec.place}")
                return "image", f"image:{spec.place}", ""
            if spec.origin == "source" and "://" in spec.place:
                recognise(spec.place)
                return "git", spec.place, spec.ref
            target = self._inside(spec, path.parent)
            if spec.origin == "dockerfile":
                return "dockerfile", self._file(spec, target), ""
            if spec.origin == "build":
                if names_dockerfile(str(target)) and target.is_file() and not spec.dockerfile:
                    return "dockerfile", str(target), ""
                return "dockerfile", self._folder(spec, target), spec.dockerfile or "Dockerfile"
            self._folder(spec, target)
            if self._inner["git"].handles(str(target)):
                return "git", str(target), spec.ref
            return "folder", str(target), spec.ref
        except YamlTrouble as error:
            raise _told(path.name, error, str(path)) from None
        except InvalidSource as error:
            raise InvalidSource(
                f"{path.name}:{spec.line}: {spec.key}: {error.message}",
                operation="fetch", subject=str(path), hint=error.hint,
            ) from None  # fmt: skip

    def _file(self, spec: AgentSpec, target: Path) -> str:
        if not target.is_file():
            raise YamlTrouble(f"there is no file {printable(spec.place, 160)}", spec.line, spec.key)
        return str(target)

    def _folder(self, spec: AgentSpec, target: Path) -> str:
        if not target.is_dir():
            raise YamlTrouble(f"{printable(spec.place, 160)} is no folder", spec.line, spec.key)
        return str(target)

    def _inside(self, spec: AgentSpec, home: Path) -> Path:
        """The path, links followed; outside the folder of the agents file only with consent."""
        if spec.place.startswith(("-", "~")) or ":" in spec.place.partition("/")[0]:
            raise YamlTrouble("expected a path, or an https address of a repository", spec.line, spec.key)
        try:
            target = (home / spec.place).resolve()
            inside = target.is_relative_to(home.resolve())
            exists = target.exists()
        except (OSError, RuntimeError, ValueError):
            raise YamlTrouble("this path leads nowhere", spec.line, spec.key) from None
        if not inside and not self._options.outside:
            raise YamlTrouble("this path leads out of the folder of this file", spec.line, spec.key)
        if not exists:
            raise YamlTrouble(f"there is no {printable(spec.place, 160)}", spec.line, spec.key)
        return target


def _text(path: Path) -> str:
    """The file's text. Raises `InvalidSource` for what is no plain file of a sensible size in UTF-8."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InvalidSource(f"{path.name} is no plain file", operation="fetch", subject=str(path))
            data = file.read(LONGEST * 4 + 1)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise InvalidSource(
            f"cannot read {printable(str(path), 160)}: {error.strerror}", operation="fetch", subject=str(path)
        ) from None
    except UnicodeDecodeError:
        raise InvalidSource(f"{path.name} is not UTF-8", operation="fetch", hint="save it as UTF-8") from None


def _chosen(content: AgentsFile, name: str) -> str:
    names = list(content.agents)
    if name in names:
        return name
    listed = ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
    if name:
        raise InvalidSource(
            f"{content.file} has no agent {printable(name, 80)!r}", operation="fetch", hint=f"it has: {listed}"
        )
    if len(names) > 1:
        hint = f"choose one with {content.file}#NAME; it has: {listed}"
        raise InvalidSource(f"{content.file} describes {len(names)} agents", operation="fetch", hint=hint)
    return names[0]


def _told(file: str, error: YamlTrouble, subject: str) -> InvalidSource:
    where = f"{printable(file, 100)}:{error.line}" if error.line else printable(file, 100)
    key = f" {printable(error.key, 120)}:" if error.key else ""
    text = printable(str(error), 400)
    hint = "change that line"
    if file.startswith("homeport."):
        hint = "a homeport.yaml is read with the folder it stands in: give that folder"
    if "leads out of" in text:
        hint = "keep what it is made of beside the file, or say that you want it: see --help"
    elif "has no value here" in text:
        hint = "give it a value, or a default: ${NAME:-DEFAULT}"
    return InvalidSource(f"{where}:{key} {text}", operation="fetch", subject=subject, hint=hint)
