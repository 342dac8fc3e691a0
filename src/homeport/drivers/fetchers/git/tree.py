# SPDX-License-Identifier: Apache-2.0
"""The files of one commit, from `git ls-tree -z`."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.errors import InvalidSource
from homeport.model.paths import Sieve, digest_of

MISSING = -1


@dataclass(frozen=True, slots=True)
class Blob:
    """`size` in bytes, `MISSING` where the blob was too large to be fetched."""

    path: str
    oid: str
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class Tree:
    blobs: tuple[Blob, ...]
    skipped: tuple[str, ...]
    digest: str


def read_tree(listing: bytes, sizes: dict[str, int] | None, *, subdir: str, max_files: int) -> Tree:
    """Safe regular files below `subdir`, in the order of their paths.

    `sizes` of the blobs that are here; None if the listing has them itself (`ls-tree -l`).
    Raises `InvalidSource` over `max_files`, or where there is no such folder.
    """
    sieve, blobs = Sieve(), []
    prefix = f"{subdir}/".encode() if subdir else b""
    below = False
    for record in listing.split(b"\0"):
        head, tab, raw = record.partition(b"\t")
        if not tab or not raw.startswith(prefix):
            continue
        below = True
        mode, kind, name, *own = head.split()
        oid = name.decode("ascii", "replace")
        raw = raw[len(prefix) :]
        if kind == b"commit":
            sieve.skip("submodules", raw.decode(errors="replace"))
        elif mode == b"120000":
            sieve.skip("symbolic links", raw.decode(errors="replace"))
        elif (path := sieve.admit(raw)) is not None:
            size = sizes.get(oid, MISSING) if sizes is not None else int(own[0]) if own[0].isdigit() else MISSING
            blobs.append(Blob(path, oid, size, mode == b"100755"))
            if len(blobs) > max_files:
                raise InvalidSource(
                    f"it has more than {max_files} files",
                    operation="fetch",
                    hint="give a folder of it: …/tree/REF/FOLDER",
                )
    if subdir and not below:
        raise InvalidSource(
            f"it has no folder {subdir!r}", operation="fetch", hint="check the folder behind /tree/REF/"
        )
    blobs.sort(key=lambda blob: blob.path)
    digest = digest_of((blob.path, blob.executable, blob.oid) for blob in blobs)
    return Tree(tuple(blobs), sieve.skipped, digest)


def read_sizes(listing: bytes) -> dict[str, int]:
    """From `cat-file --batch-check --batch-all-objects`: the blobs that are really here."""
    sizes = {}
    for line in listing.decode("ascii", "replace").splitlines():
        oid, kind, size = line.split()
        if kind == "blob":
            sizes[oid] = int(size)
    return sizes
