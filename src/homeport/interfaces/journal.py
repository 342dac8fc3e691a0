# SPDX-License-Identifier: Apache-2.0
"""Requests on disk before they are forwarded. One process owns a journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from homeport.model.request import RequestState, StoredRequest, StoredResponse


@dataclass(frozen=True, slots=True)
class Accepted:
    """`existing` is the request that already holds the key; then nothing was written."""

    id: str
    existing: StoredRequest | None = None


class Journal(Protocol):
    async def accept(self, request: StoredRequest) -> Accepted:
        """Durable when it returns. One with the same (namespace, agent, key) is returned as `existing` instead.

        A request may arrive already IN_FLIGHT (its first lease in the same commit).
        Raises `StorageFull` with nothing accepted.
        """
        ...

    async def lease(self, request_id: str, owner: str, until_us: int) -> StoredRequest | None:
        """PENDING → IN_FLIGHT with the next fence and attempt; None if it is not pending any more."""
        ...

    async def complete(self, request_id: str, fence: int, response: StoredResponse) -> bool:
        """IN_FLIGHT → COMPLETED, if `fence` is still the current one (else False: the answer came too late)."""
        ...

    async def release(
        self, request_id: str, fence: int, state: RequestState, *, outcome: str, not_before_us: int = 0
    ) -> bool:
        """IN_FLIGHT → PENDING (again, not before), FAILED or DEAD, with the reason. Fenced like `complete`."""
        ...

    async def pending(self, namespace: str, agent: str, *, limit: int = 100) -> list[StoredRequest]:
        """Oldest first, whether or not their `not_before_us` has come."""
        ...

    async def interrupted(self, *, owner: str, now_us: int) -> list[StoredRequest]:
        """Those in flight whose lease nobody can hold any more: `owner`'s own from before, and overdue ones."""
        ...

    async def get(self, request_id: str) -> StoredRequest | None: ...

    async def list(
        self,
        namespace: str,
        *,
        agent: str = "",
        state: RequestState | None = None,
        after: str = "",
        limit: int = 100,
    ) -> list[StoredRequest]:
        """Newest first; ids sort by time; `after` continues a page."""
        ...

    async def replay(self, request_id: str) -> StoredRequest | None:
        """COMPLETED | FAILED | DEAD → PENDING by a person's wish; None if it is pending or in flight already."""
        ...

    async def close(self) -> None:
        """Everything awaited is on disk. Idempotent."""
        ...
