# SPDX-License-Identifier: Apache-2.0
"""Where current facts about a cloud are had without an account."""

from __future__ import annotations

from typing import Protocol

from homeport.model.facts import Facts


class FactSource(Protocol):
    cloud: str

    async def fetch(self) -> Facts:
        """What the cloud publishes now. Bounded in bytes and seconds; safe to repeat.

        Raises `Unavailable`, or `InvalidSource` when what came cannot be understood (nothing is guessed).
        """
        ...
