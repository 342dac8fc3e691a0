# SPDX-License-Identifier: Apache-2.0
"""How the gateway's loops rest: until there is something to do, and no longer than they may."""

from __future__ import annotations

import asyncio


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Until it is set, at most so many seconds; whether it is. It is not cleared."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
