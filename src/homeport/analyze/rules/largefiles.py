# SPDX-License-Identifier: Apache-2.0
"""Disk by the files that Git LFS keeps elsewhere: their pointers name their sizes."""

from __future__ import annotations

from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin

_ATTRIBUTES = ".gitattributes"
_POINTER = late(r"\Aversion https://git-lfs[^\n]{0,80}\noid sha256:[0-9a-f]{64}\nsize (\d{1,15})\n?\Z")
_SIZES = range(100, 200)
_MOST = 300
_ROOM = 2  # as they come and as they are unpacked


def _read(repo: Repo, claims: Claims) -> None:
    if "filter=lfs" not in repo.text(_ATTRIBUTES):
        return
    pointers = [path for path, size in repo.sizes.items() if size in _SIZES][:_MOST]
    repo.load(pointers)
    sizes = [(int(found[1]), path) for path in pointers if (found := _POINTER.match(repo.text(path)))]
    total = sum(size for size, _ in sizes)
    if total >= 1 << 30:
        largest = max(sizes)[1]
        claims.add("disk_bytes", total * _ROOM, Origin.CODE, file=largest, line=3, rule="largefiles.pointers",
                   confidence=0.48, text=f"{len(sizes)} large files of {total} bytes together")  # fmt: skip


def _wants(paths: Sequence[str]) -> list[str]:
    return [_ATTRIBUTES] if _ATTRIBUTES in paths else []


RULES = Ruleset(wants=_wants, read=_read, rank=81)
