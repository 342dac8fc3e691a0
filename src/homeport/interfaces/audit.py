# SPDX-License-Identifier: Apache-2.0
"""Who did what, in a chain of hashes that shows every change made afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`hash` covers this entry and the hash before it. `actor` is a token id or "local:<uid>", never a secret."""

    seq: int
    at_us: int
    namespace: str
    actor: str
    action: str
    subject: str
    allowed: bool
    detail: dict[str, str] = field(default_factory=dict)
    previous: str = ""
    hash: str = ""


class Audit(Protocol):
    async def append(
        self,
        *,
        namespace: str,
        actor: str,
        action: str,
        subject: str,
        allowed: bool,
        detail: dict[str, str] | None = None,
    ) -> AuditEntry:
        """On disk when it returns. Raises `StorageFull`: what cannot be audited is not done.

        Text that is not Unicode is kept as its escapes. Raises `UsageError` for more than about 60 KB of text.
        """
        ...

    async def entries(self, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        """In order; `after` is a sequence number."""
        ...

    async def verify(self) -> int:
        """The number of entries checked. Raises `HomeportError` naming the first that does not fit."""
        ...

    async def close(self) -> None: ...
