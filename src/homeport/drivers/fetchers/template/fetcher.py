# SPDX-License-Identifier: Apache-2.0
"""Fetcher for templates: the manifest is read here, files and images by the fetchers of their kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl

from homeport.drivers.fetchers import Described
from homeport.errors import HomeportError, InvalidSource, NotFound, StalePlan
from homeport.interfaces.fetcher import Fetcher, FileView, Progress
from homeport.model.agentspec import AgentSpec
from homeport.model.locator import recognise
from homeport.model.names import LABEL
from homeport.model.paths import printable
from homeport.model.plainyaml import YamlTrouble
from homeport.model.source import Source, SourceKind
from homeport.model.template import MANIFEST, Template, read_template

SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True, slots=True)
class Options:
    folder: Path = SHIPPED
    """Where the templates are, a folder each."""


class TemplateFetcher:
    """`inner` are the fetchers of what a template can be made of: "folder" and "image"."""

    def __init__(self, options: Options | None = None, *, inner: Mapping[str, Fetcher]) -> None:
        self._folder = (options or Options()).folder
        self._inner = inner

    def templates(self) -> list[Template]:
        """All of them, by name. Raises `InvalidSource` for one that is damaged."""
        return [self.template(path.parent.name) for path in sorted(self._folder.glob(f"*/{MANIFEST}"))]

    def template(self, name: str) -> Template:
        """Raises `NotFound` naming those that there are."""
        path = self._folder / name / MANIFEST
        if not LABEL.fullmatch(name) or not path.is_file():
            names = ", ".join(one.parent.name for one in sorted(self._folder.glob(f"*/{MANIFEST}")))
            raise NotFound(
                f"there is no template {printable(name, 80)!r}",
                operation="fetch",
                subject=name,
                hint=f"one of: {names}",
            )
        try:
            made = read_template(path.read_text(encoding="utf-8"), f"{name}/{MANIFEST}")
        except (YamlTrouble, UnicodeDecodeError, OSError) as error:
            line = error.line if isinstance(error, YamlTrouble) else 0
            raise InvalidSource(f"{name}/{MANIFEST}:{line}: {printable(str(error), 400)}", operation="fetch") from None
        if made.name != name:
            raise InvalidSource(f"{name}/{MANIFEST} calls itself {made.name!r}", operation="fetch")
        return made

    def handles(self, locator: str) -> bool:
        try:
            return recognise(locator).kind is SourceKind.TEMPLATE
        except HomeportError:
            return False

    async def fetch(self, locator: str, *, ref: str = "", progress: Progress | None = None) -> FileView:
        place = recognise(locator)
        if place.kind is not SourceKind.TEMPLATE:
            raise InvalidSource("this is no template", operation="fetch", hint="write template:NAME")
        if ref:
            raise InvalidSource("a template has no branches", operation="fetch", hint="leave --ref out")
        try:
            template = self.template(place.address)
        except NotFound as error:
            raise InvalidSource(error.message, operation="fetch", subject=error.subject, hint=error.hint) from None
        if progress:
            progress(f"taking the template {template.name} {template.version}")
        spec = self._made(template, dict(parse_qsl(place.ref, keep_blank_values=True)))
        if spec.origin == "image":
            view = await self._inner["image"].fetch(f"image:{spec.place}", progress=progress)
            return Described(view, view.source, spec.statements)
        view = await self._inner["folder"].fetch(str(self._files(template.name, spec)))
        source = Source(SourceKind.TEMPLATE, template.name, view.source.digest, ref=place.ref)
        return Described(view, source, spec.statements)

    async def export(self, source: Source, destination: Path, *, progress: Progress | None = None) -> None:
        try:
            template = self.template(source.locator)
        except NotFound as error:
            raise StalePlan(error.message, operation="export", subject=source.locator, hint=error.hint) from None
        spec = self._made(template, dict(parse_qsl(source.ref, keep_blank_values=True)))
        folder = replace(source, kind=SourceKind.FOLDER, locator=str(self._files(template.name, spec)), ref="")
        try:
            await self._inner["folder"].export(folder, destination, progress=progress)
        except StalePlan:
            raise StalePlan(
                f"the template {source.locator} is not what it was when the plan was made",
                operation="export", subject=source.locator, hint="make a new plan from it",
            ) from None  # fmt: skip

    def _made(self, template: Template, given: dict[str, str]) -> AgentSpec:
        try:
            return template.made(given)
        except YamlTrouble as error:
            raise InvalidSource(f"{template.file}:{error.line}: {error.key}: {error}", operation="fetch") from None
        except ValueError as error:
            raise InvalidSource(
                f"template {template.name}: {printable(str(error), 400)}",
                operation="fetch", subject=template.name, hint=f"template:{template.name}?NAME=VALUE",
            ) from None  # fmt: skip

    def _files(self, name: str, spec: AgentSpec) -> Path:
        home = (self._folder / name).resolve()
        files = (home / spec.place).resolve()
        if spec.origin != "source" or files == home or not files.is_relative_to(home):
            raise InvalidSource(f"{name}/{MANIFEST}: source: expected a folder beside it", operation="fetch")
        return files
