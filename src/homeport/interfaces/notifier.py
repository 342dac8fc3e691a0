# SPDX-License-Identifier: Apache-2.0
"""Telling people."""

from __future__ import annotations

from typing import Protocol

from homeport.model.event import Event


class Notifier(Protocol):
    async def notify(self, event: Event) -> None:
        """Deliver at least once, with retries of its own. Raises `Unavailable` when it gives up."""
        ...
