# SPDX-License-Identifier: Apache-2.0
"""Putting a restored home in the place of what is there: entry by entry, noted first, finished after any crash.

Everything new lies whole in `.restore/new` beside what it replaces, so that each step is one rename. From the note on
until its end no server starts here, and the next `homeport restore` finishes what one that was killed began.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from homeport.app.backups.contents import CONFIG_FILES, CONFIG_FOLDERS, KEYS, STATE_FILES, STATE_FOLDERS
from homeport.drivers.runtimes.process.trees import delete_tree
from homeport.errors import Conflict
from homeport.model.codec import from_json, to_json
from homeport.settings import Paths

WORK = ".restore"
NEW, OLD, NOTE = "new", "old", "switching"
_DATABASES = ("state.db", "durable.db", "journal.db")
_BESIDE = tuple(f"{name}{end}" for name in _DATABASES for end in ("-wal", "-shm", "-journal", ".lock"))
_OF_A_LIFE = ("keeper.json", "keeper.unreadable", "scratch", "logs", "durable.lock", *_BESIDE)
"""What belongs to instances and processes of the old home: it goes aside, and nothing comes in its place."""
_STATE = (*STATE_FILES, *STATE_FOLDERS, *_OF_A_LIFE)
_CONFIG = (*CONFIG_FILES, *CONFIG_FOLDERS)


@dataclass(frozen=True, slots=True)
class _Note:
    """A step is a folder, a name in it, and whether something there goes aside."""

    steps: tuple[tuple[str, str, bool], ...]
    told: str


@contextmanager
def alone(paths: Paths) -> Iterator[None]:
    """No server runs or starts here meanwhile, and no second restore. Raises `Conflict` where one does."""
    paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(paths.state / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"a server, or another restore, uses {paths.state}",
                operation="restore", subject=str(paths.state), hint="homeport serve --stop",
            ) from None  # fmt: skip
        yield
    finally:
        os.close(handle)


def occupied(paths: Paths) -> list[str]:
    """What a restore would replace, by name; [] for a home that never served."""
    state = [name for name in (*STATE_FILES, *STATE_FOLDERS) if _holds(paths.state / name)]
    return [*state, *(name for name in KEYS if (paths.config / name).exists())]


def fresh_place(paths: Paths) -> tuple[Path, Path]:
    """Empty folders for what comes into state and config; what a restore that was killed left in them is gone."""
    places = []
    for folder in (paths.state, paths.config):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        discard(folder)
        place = folder / WORK / NEW
        place.mkdir(mode=0o700, parents=True)
        places.append(place)
    return places[0], places[1]


def discard(folder: Path) -> None:
    """What a restore laid out, and what it replaced."""
    delete_tree(str(folder / WORK))


def unfinished(paths: Paths) -> bool:
    """A restore was killed while it put things in their place: until it is finished this is no home."""
    return (paths.state / WORK / NOTE).exists()


def switch(paths: Paths, told: bytes, *, keep: tuple[str, ...] = ()) -> None:
    """From here on it is done, whatever happens: by this call or by the next one.

    What the backup does not bring goes aside, too, but for `keep` of the configuration. `told` is for `finish`.
    """
    plan = [*_plan(paths.state, _STATE, ()), *_plan(paths.config, _CONFIG, keep)]
    for folder in (paths.state, paths.config):
        (folder / WORK / OLD).mkdir(mode=0o700)
        sync(folder)
    note = paths.state / WORK / NOTE
    fresh = note.with_suffix(".part")
    fresh.write_bytes(to_json(_Note(tuple(plan), told.decode())))
    sync(fresh.parent)
    fresh.rename(note)
    sync(note.parent)
    finish(paths)


def finish(paths: Paths) -> bytes:
    """Make the noted steps, each one rename; one that was made before is seen to be. What was told with them."""
    note = paths.state / WORK / NOTE
    noted = from_json(note.read_bytes(), _Note)
    for folder, name, goes in noted.steps:
        work = Path(folder) / WORK
        comes, here, gone = work / NEW / name, Path(folder) / name, work / OLD / name
        if goes and not _there(gone):
            here.rename(gone)
        if _there(comes):
            comes.rename(here)
    for place in (paths.state, paths.config):
        sync(place)
    note.unlink()
    sync(note.parent)
    for place in (paths.state, paths.config):
        discard(place)
    return noted.told.encode()


def _plan(folder: Path, names: tuple[str, ...], keep: tuple[str, ...]) -> list[tuple[str, str, bool]]:
    new = folder / WORK / NEW
    there = ((name, _there(folder / name), _there(new / name)) for name in names)
    return [(str(folder), name, here and (comes or name not in keep)) for name, here, comes in there if here or comes]


def sync(folder: Path) -> None:
    """Everything written below it is on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.syncfs(handle) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(folder))
    finally:
        os.close(handle)


def _holds(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() and not path.is_symlink() else path.exists()


def _there(path: Path) -> bool:
    return path.is_symlink() or path.exists()
