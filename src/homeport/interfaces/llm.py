# SPDX-License-Identifier: Apache-2.0
"""A model that may improve a decision and is never needed for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Question:
    """`schema` is the JSON schema of the answer. `extracts` are capped quotes of hostile text."""

    decision: str
    instructions: str
    extracts: tuple[str, ...]
    schema: dict[str, Any]


class LLM(Protocol):
    async def ask(self, question: Question) -> dict[str, Any] | None:
        """An answer that fits the schema, or None: dead endpoint, junk, refusal, timeout. Never raises."""
        ...
