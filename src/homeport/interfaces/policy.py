# SPDX-License-Identifier: Apache-2.0
"""Decisions in Rego."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is for people; `revision` identifies the policy text (cache key).

    `failed` is true where no rule said no, but the engine did not decide (error, time-out, gone): do not cache it.
    """

    allow: bool
    reason: str
    revision: str
    failed: bool = False


class Policy(Protocol):
    async def decide(self, package: str, input: dict[str, Any]) -> Decision:
        """Evaluate `data.<package>.allow` (and `reason`, if the package has one). Never raises.

        Undefined, an error, a timeout, an engine that is gone: all deny, and the reason says which.
        """
        ...

    async def close(self) -> None: ...
