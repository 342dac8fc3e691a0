# SPDX-License-Identifier: Apache-2.0
"""Who deletes agents' folders, and who needs none of them to go for a moment: one or the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Stillness:
    """Deletions go on side by side; `still` waits for those under way and holds up new ones."""

    def __init__(self) -> None:
        self._deleting = 0
        self._still = False
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def deleting(self) -> AsyncIterator[None]:
        async with self._news:
            await self._news.wait_for(lambda: not self._still)
            self._deleting += 1
        try:
            yield
        finally:
            async with self._news:
                self._deleting -= 1
                self._news.notify_all()

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        async with self._news:
            await self._news.wait_for(lambda: not self._still)
            self._still = True
            try:
                await self._news.wait_for(lambda: not self._deleting)
            except BaseException:
                self._still = False
                self._news.notify_all()
                raise
        try:
            yield
        finally:
            async with self._news:
                self._still = False
                self._news.notify_all()
