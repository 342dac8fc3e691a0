# SPDX-License-Identifier: Apache-2.0
"""How much the commands in a document give to what they start."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.rules.documents import sizes
from homeport.analyze.rules.documents.choice import is_main

_NPROC = late(r"--(?:nproc[-_]per[-_]node|num[-_]gpus|num_processes|n?gpus)[=\s]{1,3}(\d{1,2})\b")
_SHM = late(r"--shm-size[= ][\"']?(\d{1,5})\s?([gm])(?:i?b)?\b", re.I)
_HEAP = late(r"-Xmx(\d{1,5})([mgMG])\b")


def read(file: str, one: Sentence, counts: float, claims: Claims) -> None:
    """GPUs, shared memory and heap by their flags; `counts` is what the document weighs."""
    if (found := _NPROC.search(one.text)) and 0 < int(found[1]) <= 16:
        sizes.claim(claims, "gpu_count", int(found[1]), file, one, "processes-per-node", 0.55 * counts)
    if found := _SHM.search(one.text):
        sizes.claim(claims, "shared_memory_bytes", sizes.to_bytes(*found.groups()), file, one, "shm-size", 0.7 * counts)
    if found := _HEAP.search(one.text):
        sure = (0.6 if is_main(file) else 0.45) * counts
        sizes.claim(claims, "memory_bytes", sizes.to_bytes(*found.groups()), file, one, "heap", sure)
