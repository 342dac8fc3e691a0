# SPDX-License-Identifier: Apache-2.0
"""The one API client, sync and async: over api.sock on this machine, or HTTP with a token. No logic.

Standard library only, besides the records' codec, which is imported with the first answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeport.client.gateway import Response
from homeport.client.sync import Client

if TYPE_CHECKING:
    from homeport.client.aio import AsyncClient

__all__ = ["AsyncClient", "Client", "Response"]


def __getattr__(name: str) -> Any:
    """`AsyncClient` when it is asked for: asyncio would triple the import time of a command line that needs none."""
    if name == "AsyncClient":
        from homeport.client.aio import AsyncClient

        return AsyncClient
    raise AttributeError(name)
