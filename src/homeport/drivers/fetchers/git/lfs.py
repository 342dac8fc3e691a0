# SPDX-License-Identifier: Apache-2.0
"""Files that Git LFS keeps elsewhere: counted from their pointers, never fetched."""

from __future__ import annotations

from homeport.drivers.fetchers import LFS_BYTES, pointed_size
from homeport.drivers.fetchers.git.objects import Objects
from homeport.drivers.fetchers.git.tree import Tree

_ATTRIBUTES = 20
_POINTERS = 2_000


def pointers_in(tree: Tree, objects: Objects) -> list[tuple[str, int]]:
    """(path, size) of each file that is a pointer; looked for only where a `.gitattributes` speaks of LFS."""
    attributes = [blob for blob in tree.blobs if blob.path.rpartition("/")[2] == ".gitattributes" and blob.size > 0]
    if not any(b"filter=lfs" in objects.read(blob.oid, 65_536) for blob in attributes[:_ATTRIBUTES]):
        return []
    small = [blob for blob in tree.blobs if blob.size in LFS_BYTES][:_POINTERS]
    texts = objects.read_each([blob.oid for blob in small], LFS_BYTES.stop)
    sizes = ((blob.path, pointed_size(data)) for blob, data in zip(small, texts, strict=True))
    return [(path, size) for path, size in sizes if size is not None]
