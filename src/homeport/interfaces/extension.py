# SPDX-License-Identifier: Apache-2.0
"""What users add of their own: selectors and hooks. They are the user's code, found where the user put them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from homeport.model.plan import Offer
from homeport.model.requirements import Requirements


class Selector(Protocol):
    name: str

    def select(self, requirements: Requirements, fitting: Sequence[Offer]) -> Offer | None:
        """One of `fitting` (never empty, the ranking's own order), or None to leave the choice to the ranking."""
        ...


class Hook(Protocol):
    """`facts` are plain values: what the seeds' hooks were given, and the plan's id, name and target.

    A hook that raises before the launch stops it: nothing was spent. After the launch it is a warning.
    """

    name: str

    def before_launch(self, facts: dict[str, Any]) -> None: ...

    def after_launch(self, facts: dict[str, Any]) -> None: ...

    def on_ready(self, facts: dict[str, Any]) -> None: ...
