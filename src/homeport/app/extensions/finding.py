# SPDX-License-Identifier: Apache-2.0
"""Where extensions are. Nothing of them is executed here."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from os.path import samestat
from pathlib import Path

from homeport.interfaces.extension_points import EXTENSIONS

MOST_FILES = 50
MOST_BYTES = 1 << 20
_ROLES = {name: point for point, (_, names) in EXTENSIONS.items() for name in names}
_POINTS = {group: point for point, (group, _) in EXTENSIONS.items()}
_NAMED = re.compile(rf"\b(?:{'|'.join(_ROLES)})\b")
_GUARDS = re.compile(r"\b(?:before_launch|pre_launch_hook)\b")


@dataclass(frozen=True, slots=True)
class Found:
    """One extension that is there. `roles`: selector, hook. `trouble` "" means that it may be loaded.

    `guards`: it may say no to a launch, so that a launch without it is not what the user wants.
    """

    name: str
    where: str
    roles: tuple[str, ...]
    trouble: str = ""
    guards: bool = False
    source: bytes = b""
    """The text of a plugin file, as it was when its owner and mode were looked at."""
    entry: EntryPoint | None = None


def find_extensions(folders: Iterable[Path]) -> tuple[Found, ...]:
    """Files of each folder by name, then installed distributions by name. Reads files, imports nothing."""
    return (*(one for folder in folders for one in _files(folder)), *_installed())


def _files(folder: Path) -> Iterator[Found]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".py" and not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield Found(folder.name, str(folder), (), f"cannot be listed: {error.strerror}")
        return
    for path in paths[:MOST_FILES]:
        yield _file(path)
    for path in paths[MOST_FILES:]:
        yield Found(path.stem, str(path), (), f"only the first {MOST_FILES} files of a folder are read")


def _file(path: Path) -> Found:
    """A link is followed: the user made it. What it leads to is looked at, and the folder that is in."""
    try:
        real = path.resolve(strict=True)
        refusal = _refusal(real.parent.stat(), f"its folder {real.parent}")
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return Found(path.stem, str(path), (), "it is not a file")
            refusal = refusal or _refusal(status, "it")
            source = opened.read(MOST_BYTES + 1)
    except (OSError, RuntimeError) as error:
        return Found(path.stem, str(path), (), f"cannot be read: {getattr(error, 'strerror', None) or error}")
    text = source.decode(errors="replace")
    guards = bool(_GUARDS.search(text))
    if len(source) > MOST_BYTES:
        refusal = refusal or f"it has more than {MOST_BYTES:,} bytes"
    roles = tuple(sorted({_ROLES[name] for name in _NAMED.findall(text)}, reverse=True))
    if not roles:
        refusal = refusal or f"it defines none of {', '.join(_ROLES)}"
    return Found(path.stem, str(path), roles, refusal, guards, b"" if refusal else source)


def _refusal(status: os.stat_result, what: str) -> str:
    """Why it is not the user's alone, or ""."""
    if status.st_uid not in (os.geteuid(), 0):
        return f"{what} belongs to another user (uid {status.st_uid})"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write to {what}: chmod go-w"
    return ""


def _installed() -> Iterator[Found]:
    """One for each name: a distribution that is a selector and a hook under one name is one extension."""
    entries: dict[tuple[str, str], tuple[EntryPoint, set[str]]] = {}
    for distribution in _distributions():
        try:
            for entry in distribution.entry_points:
                if point := _POINTS.get(entry.group):
                    entries.setdefault((entry.name, entry.value), (entry, set()))[1].add(point)
        except Exception as error:  # whatever its parser makes of a file that is not as it should be
            trouble = f"its entry_points.txt cannot be read: {error}"
            yield Found(distribution.name or "unnamed", "an installed distribution", (), trouble, guards=True)
    for (name, value), (entry, points) in sorted(entries.items()):
        where = f"{entry.dist.name} {entry.dist.version} ({value})" if entry.dist else value
        yield Found(name, where, tuple(sorted(points, reverse=True)), guards="hook" in points, entry=entry)


def _distributions() -> Iterator[Distribution]:
    """Those that name one of our groups; of two with one name the first on the path, which is the one imported."""
    seen: set[str] = set()
    for distribution in distributions(path=_path()):
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except UnicodeDecodeError:
            continue  # no installer writes this, so nobody installed it as ours
        if any(group in text for group in _POINTS) and distribution.name not in seen:
            seen.add(distribution.name)
            yield distribution


def _path() -> list[str]:
    """Where modules are, but the current folder, which `python -m` looks in first: it may be a repository."""
    here = Path().stat()
    return [entry for entry in sys.path if not (Path(entry).is_dir() and samestat(Path(entry).stat(), here))]
