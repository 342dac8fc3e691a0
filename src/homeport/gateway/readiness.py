# SPDX-License-Identifier: Apache-2.0
"""Whether requests are accepted here, for load balancers and service managers: asked without a token, so that an
answer names no agent and no place.
"""

from __future__ import annotations

import asyncio
import time

from homeport.errors import HomeportError, StorageFull
from homeport.interfaces.journal import Journal

PROVED_S = 5.0
"""Seconds for which a write that was done proves that the next one can be."""
PATIENCE_S = 2.0
"""Seconds that a write may take before the journal counts as one that does not answer."""
NOTE = "readiness"
_STOPPING = "the gateway is stopping"


class Readiness:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stopping = False
        self._trouble = ""
        self._proved = -PROVED_S
        self._trial: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """From now on others are to be asked."""
        self._stopping = True

    def doubt(self) -> None:
        """A write has failed: the next answer rests on another one."""
        self._proved = -PROVED_S

    async def reason(self) -> str:
        """Why no request is accepted here just now; "" where they are. At most one small write in five seconds."""
        if self._stopping:
            return _STOPPING
        away = self._journal.away()
        if away:
            return away
        if self._trouble or time.monotonic() - self._proved >= PROVED_S:
            if self._trial is None or self._trial.done():
                self._trial = asyncio.get_running_loop().create_task(self._try())
            done, _ = await asyncio.wait((self._trial,), timeout=PATIENCE_S)
            if not done:
                return "the request journal does not answer"
        return _STOPPING if self._stopping else self._trouble

    async def _try(self) -> None:
        try:
            await self._journal.put_note(NOTE, b"")
        except StorageFull:
            self._trouble = "no space left for the request journal"
        except HomeportError:
            self._trouble = self._journal.away() or "the request journal cannot be written"
        else:
            self._trouble, self._proved = "", time.monotonic()
