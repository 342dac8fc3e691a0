# SPDX-License-Identifier: Apache-2.0
"""A model that may improve a decision and is never needed for one."""

from __future__ import annotations

from typing import Protocol

from homeport.model.advice import Answer, Question


class LLM(Protocol):
    name: str
    """The model, as shown to people."""

    async def ask(self, question: Question) -> Answer:
        """An answer whose value fits the schema, or none with its trouble: dead endpoint, junk, refusal, timeout.

        Never raises. Bounded in time, retries and size.
        """
        ...

    async def close(self) -> None: ...
