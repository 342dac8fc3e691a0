# SPDX-License-Identifier: Apache-2.0
"""A copy of the journal and of the spooled bodies it names, for a backup, while requests flow."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

from homeport.errors import Unavailable, UsageError, failed_write
from homeport.gateway.spool import Spool
from homeport.interfaces.journal import Journal
from homeport.interfaces.snapshots import CopiedJournal

_FOLDER = re.compile(r"backup-[a-z0-9_]{1,64}")
_TRIES = 5
JOURNAL = "journal.db"
SPOOL = "spool"


async def copy_journal(journal: Journal, spool: Spool, name: str) -> dict[str, Any]:
    """Into the folder `name` beside the spool: `journal.db`, and `spool/` with links to the bodies that it names.

    Every body that a row of the copy names is there. How many requests there are by state, and how many bodies.
    Raises `StorageFull` with nothing left behind.
    """
    if not _FOLDER.fullmatch(name) or not isinstance(journal, CopiedJournal):
        raise UsageError("this journal cannot be copied so", operation="snapshot", subject=name)
    folder = spool.folder.parent / name
    for _ in range(_TRIES):
        states, bodies = await journal.snapshot(folder / JOURNAL)
        try:
            if await asyncio.to_thread(_link, spool.folder, folder / SPOOL, bodies):
                return {"requests": states, "bodies": len(bodies)}
        except OSError as error:
            (folder / JOURNAL).unlink(missing_ok=True)
            text = f"bodies cannot be kept for the copy: {error.strerror}"
            raise failed_write(error)(text, operation="snapshot") from error
        # Somebody replayed a request meanwhile, which drops its old answer: the copy is made again.
        (folder / JOURNAL).unlink(missing_ok=True)
    raise Unavailable("the journal changed too fast to be copied", operation="snapshot", hint="try again")


def _link(spool: Path, to: Path, names: frozenset[str]) -> bool:
    """A body is never written to again once it is named, so another name for it is a copy. False where one is gone."""
    to.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        try:
            os.link(spool / Path(name).name, to / Path(name).name, follow_symlinks=False)
        except FileExistsError:
            continue
        except FileNotFoundError:
            return False
    return True
