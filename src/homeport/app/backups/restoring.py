# SPDX-License-Identifier: Apache-2.0
"""A home from an archive: checked whole, laid out aside, made to fit, and only then put in its place."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from homeport.app.backups.adapting import Adapted, adapt
from homeport.app.backups.contents import (
    HEADER,
    KEYS,
    MANIFEST,
    SEALED,
    Keys,
    Kind,
    Manifest,
    agent_of,
    refused,
)
from homeport.app.backups.reading import Archive, Entry, digest_of
from homeport.app.backups.switching import alone, discard, finish, fresh_place, occupied, switch, unfinished
from homeport.app.compose import made
from homeport.errors import NO_ROOM, Conflict, Denied, HomeportError, StorageFull
from homeport.interfaces.secrets import Passphrases
from homeport.model.codec import from_json, to_json
from homeport.settings import Paths

Said = Callable[[str], None]
SPARE = 64 << 20
"""Bytes that must be left on the disk."""
LATEST_S = 1 << 36


@dataclass(frozen=True, slots=True)
class Restored:
    """`archive` is the SHA-256 of its manifest. `key`: restored, kept (the one here fits), other (secrets stay sealed),
    or fresh (there is nothing sealed)."""

    archive: str
    node: str
    cut_at_us: int
    state: str
    agents: int
    requests: int
    interrupted: int
    key: str
    notes: tuple[str, ...]


def inspect(file: Path) -> tuple[Manifest, str, int]:
    """What is in it, its name for the audit trail (the manifest's SHA-256) and its size, once all of it was checked."""
    with Archive(file) as archive:
        manifest = archive.verify()
        return manifest, digest(manifest), archive.bytes


def sealed(file: Path) -> bool:
    """Whether there is a key under a passphrase in it. Reads to its end at worst, and believes nothing."""
    with Archive(file) as archive:
        return any(entry.path == SEALED for entry in archive.entries())


def digest(manifest: Manifest) -> str:
    return hashlib.sha256(to_json(manifest)).hexdigest()


def restore(
    file: Path, paths: Paths, *, passphrase: str = "", without_key: bool = False, replace: bool = False, said: Said
) -> Restored:
    """Blocks the thread while it unpacks. Until the end nothing of `paths` has changed, or it is finished next time.

    Raises `HomeportError` for an archive that is damaged or hostile, `Conflict` where a server runs or something is
    there already (unless `replace`), `Denied` for a wrong passphrase, `StorageFull`.
    """
    with alone(paths):
        finished = _finished(paths, said)
        with Archive(file) as archive:
            there = occupied(paths)
            if there and not replace and finished is None:
                raise _occupied(there, paths)
            said(f"checking {file} ...")
            manifest = archive.verify(shutil.disk_usage(paths.state).free if finished is None else 0)
            if finished is not None and finished.archive == digest(manifest):
                return finished
            if there and not replace:
                raise _occupied(there, paths)
            _check_room(manifest, paths)
            keys = _keys(archive, manifest, passphrase, without_key=without_key)
            return _bring(archive, manifest, keys, paths, said)


def _bring(archive: Archive, manifest: Manifest, keys: dict[str, bytes], paths: Paths, said: Said) -> Restored:
    state, config = fresh_place(paths)
    try:
        said(f"unpacking {len(manifest.members)} files and folders ...")
        _unpack(archive, manifest, {"state": state, "config": config})
        for name, content in keys.items():
            _write_key(config / name, content)
        name = digest(manifest)
        fits = asyncio.run(adapt(state, _key_file(paths, config), manifest, name))
        told = Restored(
            name, manifest.node, manifest.cut_at_us, str(paths.state), fits.agents, sum(manifest.requests.values()),
            fits.interrupted, _key_told(manifest, keys, fits), _notes(manifest, fits),
        )  # fmt: skip
        switch(paths, to_json(told), keep=_kept(paths, config, fits))
    except BaseException as error:
        if not unfinished(paths):
            for folder in (paths.state, paths.config):
                discard(folder)
        if isinstance(error, OSError):
            raise _full_or_broken(error) from None
        raise
    return told


def _finished(paths: Paths, said: Said) -> Restored | None:
    """What a restore would have said that was killed while it put things in their place; None where none was."""
    if not unfinished(paths):
        return None
    said("finishing the restore that was interrupted here ...")
    return from_json(finish(paths), Restored)


def _occupied(there: list[str], paths: Paths) -> HomeportError:
    return Conflict(
        f"there is a home already: {', '.join(there)} in {paths.state} or {paths.config}",
        operation="restore", subject=str(paths.state),
        hint="restore into another folder with --into, or --replace what is there",
    )  # fmt: skip


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _keys(archive: Archive, manifest: Manifest, passphrase: str, *, without_key: bool) -> dict[str, bytes]:
    """The sealed ones, opened. Raises `Denied` for another passphrase, or none."""
    if manifest.keys is not Keys.SEALED or without_key:
        return {}
    if not passphrase:
        raise Denied(
            "the key in this backup needs its passphrase",
            operation="restore", hint="--passphrase-file FILE or HOMEPORT_BACKUP_PASSPHRASE; without the key: --no-key",
        )  # fmt: skip
    sealed = next((entry.whole(1 << 20) for entry in archive.entries() if entry.path == SEALED), b"")
    passphrases: Passphrases = made("passphrases", "scrypt")
    held = from_json(passphrases.unseal(sealed, passphrase), dict[str, str])
    return {name: base64.b64decode(text) for name, text in held.items() if name in KEYS}


def _key_file(paths: Paths, config: Path) -> Path:
    """The key that came, else the one that is here, else a new one among what comes."""
    came = config / paths.key.name
    return paths.key if not came.exists() and paths.key.exists() else came


def _kept(paths: Paths, config: Path, fits: Adapted) -> tuple[str, ...]:
    """Of the files here that nothing comes in the place of: those that still mean something."""
    kept = [name for name in ("config.toml", "policies", "secrets.key") if not (config / name).exists()]
    token = paths.admin_token
    if token.exists() and hashlib.sha256(token.read_bytes().strip()).hexdigest() in fits.tokens:
        kept.append(token.name)
    return tuple(kept)


def _key_told(manifest: Manifest, keys: dict[str, bytes], fits: Adapted) -> str:
    if keys or manifest.keys is Keys.CLEAR:
        return "restored"
    return {True: "kept", False: "other", None: "fresh"}[fits.opens]


def _notes(manifest: Manifest, fits: Adapted) -> tuple[str, ...]:
    notes = [*fits.notes, *(f"not in the backup: {line}" for line in manifest.left_out)]
    if fits.opens is False:
        notes.append(
            "secrets cannot be read without the key they were sealed with: set them again (homeport secret set)"
        )
    if manifest.images:
        notes.append(f"{len(manifest.images)} agents' images are not in the backup: fetch or build them again")
    if without := len([agent for agent in manifest.agents if agent not in manifest.volumes]):
        notes.append(f"{without} agents begin without their data: it is not in the backup")
    return tuple(notes)


def _write_key(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)


# ── unpacking ────────────────────────────────────────────────────────────────────────────────────────────────────
def _unpack(archive: Archive, manifest: Manifest, places: dict[str, Path]) -> None:
    """Below fresh folders of ours. What is not as it was verified a moment ago is refused."""
    told = iter(manifest.members)
    owners = os.geteuid() == 0
    modes: list[tuple[Path, int]] = []
    for entry in archive.entries():
        if entry.path == MANIFEST:
            continue
        member = next(told, None)
        side, _, inner = entry.path.partition("/")
        agent = agent_of(entry.path)
        wanted = inner and side in places and (not agent or agent in manifest.agents)
        target = places[side] / inner if wanted else None
        if target is None:
            found = entry.member(digest_of(entry))
        elif entry.kind is Kind.FOLDER:
            target.mkdir(mode=0o700)
            modes.append((target, entry.info.mode & 0o777 | 0o700))
            found = entry.member("")
        elif entry.kind is Kind.LINK:
            target.symlink_to(entry.info.linkname)
            found = entry.member(digest_of(entry))
        else:
            found = entry.member(_write(entry, target, owner=owners and "/data/" in entry.path))
        if found != member and entry.path != HEADER:
            raise refused(entry.path, "it changed since it was checked")
    for folder, mode in reversed(modes):
        folder.chmod(mode)


def _write(entry: Entry, target: Path, *, owner: bool) -> str:
    """The digest of what was written. Long zeros become holes."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb", buffering=0) as file:
        found = digest_of(entry, _written(entry, handle))
        os.ftruncate(handle, entry.info.size)
        private = agent_of(entry.path) == ""
        os.fchmod(handle, 0o600 if private else entry.info.mode & 0o777)
        if owner:
            os.fchown(handle, entry.info.uid, entry.info.gid)
        if abs(entry.info.mtime) < LATEST_S:  # an agent may give its files any time
            os.utime(handle, (entry.info.mtime, entry.info.mtime))
        file.flush()
    return found


def _written(entry: Entry, handle: int) -> Iterator[bytes]:
    for piece in entry.pieces():
        if piece.count(0) == len(piece):
            os.lseek(handle, len(piece), os.SEEK_CUR)
        else:
            view = memoryview(piece)
            while view:
                view = view[os.write(handle, view) :]
        yield piece


def _check_room(manifest: Manifest, paths: Paths) -> None:
    """Before anything is written. Holes are not known here: a restore may need less."""
    needed = sum(member.bytes for member in manifest.members) + SPARE
    free = shutil.disk_usage(paths.state).free
    if needed > free:
        raise StorageFull(
            f"the backup needs {needed >> 20} MiB, and {free >> 20} MiB are free in {paths.state}",
            operation="restore", hint="free some space, or restore elsewhere with --into",
        )  # fmt: skip


def _full_or_broken(error: OSError) -> HomeportError:
    if error.errno in NO_ROOM:
        return StorageFull("the disk is full: nothing was restored", operation="restore", hint="free some space")
    return HomeportError(f"nothing was restored: {error}", operation="restore")
