# SPDX-License-Identifier: Apache-2.0
"""Dockerfile: what the image would start, listen on and be built from."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from homeport.analyze.baseimages import name_and_tag
from homeport.analyze.claims import Claims, Field
from homeport.analyze.command import Command, from_words, parse_command, to_port
from homeport.analyze.dockerlines import Instruction, image_of, instructions, last_stage
from homeport.analyze.pattern import late
from homeport.analyze.quote import quote
from homeport.analyze.repo import Repo, shown
from homeport.analyze.routes import healthcheck
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem
from homeport.model.source import SourceKind

_NAMES = ("Dockerfile", "Containerfile", "docker/Dockerfile", "deploy/Dockerfile", "build/Dockerfile")
_LANGUAGES = {
    "golang": Ecosystem.GO, "rust": Ecosystem.RUST, "openjdk": Ecosystem.JAVA, "eclipse-temurin": Ecosystem.JAVA,
    "amazoncorretto": Ecosystem.JAVA, "php": Ecosystem.PHP, "ruby": Ecosystem.RUBY, "r-base": Ecosystem.R,
    "r-ver": Ecosystem.R, "shiny": Ecosystem.R, "julia": Ecosystem.JULIA, "elixir": Ecosystem.ELIXIR,
    "dotnet/sdk": Ecosystem.DOTNET, "dotnet/aspnet": Ecosystem.DOTNET, "dotnet/runtime": Ecosystem.DOTNET,
}  # fmt: skip
"""What is compiled or run by images called so, by the last parts of their names."""
_FETCHED = late(r"(?:^|\s)(https?://\S{1,500}|git@\S{1,500})")
_VARIABLE = late(r"\$\{?(\w{1,60})(?::-([^}]{0,200}))?\}?")
_FRONTEND = late(r"#\s*syntax\s*=\s*(\S{1,200})", re.I)


class _Reader:
    """One Dockerfile's last stage, turned into claims."""

    def __init__(self, repo: Repo, claims: Claims, file: str) -> None:
        self.repo, self.claims, self.file = repo, claims, file
        self.entrypoint: tuple[Command, Instruction] | None = None
        self.command: tuple[Command, Instruction] | None = None
        self.workdir = "/app"
        self.env: dict[str, str] = {}
        self.is_known = False

    def add(self, field: Field, value: object, at: Instruction, rule: str, confidence: float) -> None:
        self.claims.add(
            field,
            value,
            Origin.CONTAINER,
            file=self.file,
            line=at.line,
            rule=f"dockerfile.{rule}",
            confidence=confidence,
            text=self.repo.line(self.file, at.line),
        )

    def take(self, at: Instruction) -> None:
        match at.word:
            case "FROM":
                self._base(at)
            case "WORKDIR":
                self.workdir = "/" + at.rest.strip().strip("/") if at.rest.startswith("/") else self.workdir
            case "ENV":
                self._env(at)
            case "ARG":
                name, _, value = at.rest.partition("=")
                self.env.setdefault(name.strip(), self._filled(value.strip().strip("\"'")))
            case "EXPOSE":
                self._expose(at)
            case "HEALTHCHECK":
                path, port = healthcheck(self._filled(at.rest))
                if path:
                    self.add("health_path", path, at, "healthcheck", 0.9)
                if port:
                    self.add("port", port, at, "healthcheck-port", 0.7)
            case "ENTRYPOINT":
                self.entrypoint, self.command = (_command(at.rest), at), None
            case "CMD":
                self.command = (_command(at.rest), at)

    def finish(self) -> None:
        """ENTRYPOINT and CMD together are the command; a shell-form ENTRYPOINT leaves CMD out, as Docker does."""
        parts = [part for part in (self.entrypoint, self.command) if part]
        if self.entrypoint and not self.entrypoint[1].rest.startswith("["):
            parts = parts[:1]
        if not parts:
            return
        for command, at in parts:
            if command.refused:
                self.claims.warn(
                    f"{shown(self.file)}:{at.line}: the {at.word} is not a plain command line: {command.refused}"
                )
                return
        at = parts[0][1]
        prefix = self.workdir.rstrip("/") + "/"
        words = [word.removeprefix(prefix) for command, _ in parts for word in command.argv]
        self.claims.start(
            words,
            Origin.CONTAINER,
            file=self.file,
            line=at.line,
            rule=f"dockerfile.{at.word.lower()}",
            confidence=0.9,
            text=self.repo.line(self.file, at.line),
        )
        for command, at in parts:
            if port := to_port(command.defaults.get("PORT")):
                self.add("port", port, at, "port-default", 0.85)

    def _base(self, at: Instruction) -> None:
        name, tag = name_and_tag(image_of(at))
        kind = {"python": Ecosystem.PYTHON, "node": Ecosystem.NODE}.get(name.rsplit("/", 1)[-1])
        if kind:
            self.is_known = True
            self.add("ecosystem", kind, at, "base-image", 0.9)
            if found := re.match(r"\d+(?:\.\d+){0,2}", tag):
                self.add("runtime_version", found[0], at, "base-image-version", 0.9)

    def _env(self, at: Instruction) -> None:
        pairs = re.findall(r"(\w{1,60})=[\"']?([^\s\"']{0,200})", at.rest) or [tuple(at.rest.split(None, 1))]
        for pair in pairs:
            if len(pair) == 2:
                value = self._filled(pair[1].strip())
                self.env[pair[0]] = value
                if pair[0] == "PORT" and (port := to_port(value)):
                    self.add("port", port, at, "env-port", 0.9)

    def _expose(self, at: Instruction) -> None:
        for word in [one for one in at.rest.split() if one.partition("/")[0] != "22"][:1]:
            number, _, protocol = self._filled(word).partition("/")
            if protocol in ("", "tcp") and (port := to_port(number)):
                self.add("port", port, at, "expose", 0.8)

    def _filled(self, text: str) -> str:
        """With the values that ARG and ENV gave so far; what none gave is left as it stands."""
        return _VARIABLE.sub(lambda found: self.env.get(found[1]) or found[2] or found[0], text[:8000])[:8000]


def _read_language(reader: _Reader, at: Instruction) -> None:
    """A stage that builds or runs in an image of a language, the last one or not."""
    name, tag = name_and_tag(image_of(at))
    last = name.rpartition("/")[2]
    of = _LANGUAGES.get(last) or _LANGUAGES.get("/".join(name.split("/")[-2:]))
    if of is None:
        return
    rule = f"{of}.base-image"
    text = reader.repo.line(reader.file, at.line)
    reader.claims.add(
        "ecosystem", of, Origin.CODE, file=reader.file, line=at.line, rule=rule, confidence=0.3, text=text
    )
    if found := re.match(r"\d{2,3}(?:\.\d+){0,2}|\d(?:\.\d+){1,2}|[89](?!\d)", tag):  # `golang:1` is any
        fields: tuple[Field, ...] = ("runtime_version", "language_version")
        for field in fields:
            reader.claims.add(field, found[0], Origin.CONTAINER, file=reader.file, line=at.line, rule=rule,
                              confidence=0.7, text=text)  # fmt: skip


def _warn_of_fetches(repo: Repo, claims: Claims, file: str) -> None:
    """What a build would fetch besides its base images."""
    frontend = _FRONTEND.match(repo.line(file, 1))
    if frontend and not frontend[1].startswith(("docker/dockerfile:", "docker/dockerfile@")):
        claims.warn(f"{shown(file)}:1: some builders fetch and run the frontend {quote(frontend[1])}")
    adds = [one for one in instructions(repo.lines(file)) if one.word == "ADD"]
    for one in adds[:5]:
        if found := _FETCHED.search(one.rest):
            claims.warn(f"{shown(file)}:{one.line}: building it fetches {quote(found[1])}")


def _command(rest: str) -> Command:
    if not rest.startswith("["):
        return parse_command(rest)
    try:
        words = json.loads(rest)
    except (ValueError, RecursionError):
        return Command(refused="it is neither a JSON list nor a command line")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return Command(refused="it is not a list of words")
    return from_words(words) if words else Command()


def _file_of(repo: Repo) -> str:
    """The one that was named, or the first that is called as the usual ones are."""
    if repo.source.kind is SourceKind.DOCKERFILE:
        return repo.source.ref
    return next((name for name in _NAMES if name in repo), "")


def _read(repo: Repo, claims: Claims) -> None:
    file = _file_of(repo)
    if file not in repo:
        return
    repo.load([file])
    if not repo.is_whole(file):
        claims.warn(f"{shown(file)} is too large to be read as a whole")
    reader = _Reader(repo, claims, file)
    stage = last_stage(repo.lines(file))
    if stage:
        at = stage[0]
        reader.add("dockerfile", file, at, "named" if repo.source.kind is SourceKind.DOCKERFILE else "present", 0.5)
    _warn_of_fetches(repo, claims, file)
    for instruction in stage:
        reader.take(instruction)
    reader.finish()
    for instruction in instructions(repo.lines(file)):
        if instruction.word == "FROM":
            _read_language(reader, instruction)
    if stage and not reader.is_known:
        claims.add(
            "ecosystem",
            Ecosystem.DOCKERFILE,
            Origin.CODE,
            file=file,
            line=1,
            rule="dockerfile.present",
            confidence=0.1,
            text=repo.line(file, 1),
        )


def _wants(paths: Sequence[str]) -> list[str]:
    return [name for name in _NAMES if name in paths][:1]


RULES = Ruleset(wants=_wants, read=_read, rank=20, looks_for=("Dockerfile with CMD or ENTRYPOINT as a plain command",))
