# SPDX-License-Identifier: Apache-2.0
"""Bytes to and from an instance's endpoint."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Transport(Protocol):
    async def connect(self, endpoint: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to `unix:/path` or `tcp:host:port`. Raises `Unavailable`: nothing was sent."""
        ...
