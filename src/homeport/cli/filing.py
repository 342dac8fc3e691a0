# SPDX-License-Identifier: Apache-2.0
"""A file that appears whole, checked and on disk, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from homeport.cli.output import say
from homeport.errors import Conflict, HomeportError, failed_write

if TYPE_CHECKING:
    from homeport.app.backups.contents import Manifest

EVERY_S = 5.0


@contextmanager
def appearing(
    file: Path, operation: str, hint: str = "", *, replace: bool = False, mode: int = 0o600
) -> Iterator[IO[bytes]]:
    """What is written to appears as `file` when the block has ended; after an error nothing of it is there.

    Its `name` is where it lies until then. Without `replace` a `file` that is there is a `Conflict`, before and after
    the writing, with `hint`. Raises `StorageFull`, and `HomeportError` for whatever else the disk says.
    """
    there = Conflict(f"{file} is there already", operation=operation, subject=str(file), hint=hint)
    if not replace and os.path.lexists(file):
        raise there
    try:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        partial = file.with_name(f".homeport-{secrets.token_hex(8)}.partial")
        try:
            with open(partial, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            if replace:
                partial.replace(file)
            elif not _appear(partial, file):
                raise there
            _sync(file.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(file, operation, error) from None


def unwritable(file: Path, operation: str, error: OSError) -> HomeportError:
    text = f"cannot write {file}: {error.strerror}"
    return failed_write(error)(text, operation=operation, subject=str(file), hint="another FILE, or another disk")


def keep(pieces: Iterator[bytes], file: Path, *, force: bool) -> tuple[Manifest, str, int]:
    """An archive as `file`, 0600; what is in it. Raises what its end says, and as `appearing`."""
    from homeport.app.backups.restoring import inspect

    with appearing(file, "backup", "another name, or --force", replace=force) as out:
        _write(pieces, out)
        say("checking ...")
        return inspect(Path(out.name))


def write_lines(records: Iterator[Any], file: Path) -> int:
    """Records as lines of JSON in a new `file`, 0600; how many. Raises as `appearing`."""
    import json

    written = 0
    with appearing(file, "export", "take another name") as out:
        for record in records:
            out.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
            written += 1
    return written


def _write(pieces: Iterator[bytes], out: IO[bytes]) -> None:
    said, size = time.monotonic(), 0
    for piece in pieces:
        out.write(piece)
        size += len(piece)
        if time.monotonic() - said >= EVERY_S:
            said = time.monotonic()
            say(f"{size >> 20} MiB ...")
    out.flush()


def _appear(partial: Path, file: Path) -> bool:
    """A link never takes the place of what somebody else made meanwhile; some file systems have none."""
    try:
        os.link(partial, file)
    except OSError:
        if os.path.lexists(file):
            return False
        partial.rename(file)
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
