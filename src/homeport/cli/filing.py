# SPDX-License-Identifier: Apache-2.0
"""A file that appears whole, checked and on disk, or not at all."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homeport.cli.output import say
from homeport.errors import Conflict, HomeportError, StorageFull

if TYPE_CHECKING:
    from homeport.app.backups.contents import Manifest

EVERY_S = 5.0


def keep(pieces: Iterator[bytes], file: Path, *, force: bool) -> tuple[Manifest, str, int]:
    """An archive as `file`, 0600; what is in it. Raises what its end says, and `Conflict` for a file that is there."""
    from homeport.app.backups.restoring import inspect

    if not force and os.path.lexists(file):
        raise _there(file)
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    try:
        _write(pieces, partial)
        say("checking ...")
        found = inspect(partial)
        if force:
            partial.replace(file)
        else:
            _appear(partial, file)
        _sync(file.parent)
    except OSError as error:
        kind = StorageFull if error.errno in (28, 122) else HomeportError
        raise kind(f"cannot write {file}: {error.strerror}", operation="backup", subject=str(file)) from None
    finally:
        partial.unlink(missing_ok=True)
    return found


def _write(pieces: Iterator[bytes], partial: Path) -> None:
    said, size = time.monotonic(), 0
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
        for piece in pieces:
            out.write(piece)
            size += len(piece)
            if time.monotonic() - said >= EVERY_S:
                said = time.monotonic()
                say(f"{size >> 20} MiB ...")
        out.flush()
        os.fsync(out.fileno())


def _appear(partial: Path, file: Path) -> None:
    """A link never takes the place of what somebody else made meanwhile; some file systems have none."""
    try:
        os.link(partial, file)
    except FileExistsError:
        raise _there(file) from None
    except OSError:
        if os.path.lexists(file):
            raise _there(file) from None
        partial.rename(file)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _there(file: Path) -> Conflict:
    return Conflict(f"{file} is there already", operation="backup", subject=str(file), hint="another name, or --force")


def write_lines(records: Iterator[Any], file: Path) -> int:
    """Records as lines of JSON in a new `file`, 0600, that appears when it is whole; how many. Raises as `keep`."""
    import json

    if os.path.lexists(file):
        raise Conflict(f"{file} is there already", operation="export", subject=str(file), hint="take another name")
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    written = 0
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as out:
            for record in records:
                out.write(json.dumps(record, separators=(",", ":")) + "\n")
                written += 1
            out.flush()
            os.fsync(out.fileno())
        _appear(partial, file)
        _sync(file.parent)
    except OSError as error:
        kind = StorageFull if error.errno in (28, 122) else HomeportError
        raise kind(f"cannot write {file}: {error.strerror}", operation="export", subject=str(file)) from None
    finally:
        partial.unlink(missing_ok=True)
    return written
