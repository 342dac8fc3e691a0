# SPDX-License-Identifier: Apache-2.0
"""An Audit in memory, kept honest by the suite that the real ones pass."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from homeport.errors import HomeportError, Unavailable
from homeport.interfaces.audit import AuditEntry


class MemoryAudit:
    """`trail` may be tampered with, to see that verify() notices. Times count up by one second an entry."""

    def __init__(self) -> None:
        self.trail: list[AuditEntry] = []
        self._closed = False

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
        self._check_open()
        seq = len(self.trail) + 1
        previous = self.trail[-1].hash if self.trail else ""
        namespace, actor, action, subject = map(_plain, (namespace, actor, action, subject))
        details = {_plain(name): _plain(value) for name, value in (detail or {}).items()}
        entry = AuditEntry(seq, seq * 1_000_000, namespace, actor, action, subject, allowed, details, previous)
        entry = replace(entry, hash=_hash(entry))
        self.trail.append(entry)
        return entry

    async def entries(self, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        self._check_open()
        return [entry for entry in self.trail if entry.seq > after][: max(limit, 0)]

    async def verify(self) -> int:
        self._check_open()
        previous = ""
        for number, entry in enumerate(self.trail, 1):
            if (entry.seq, entry.previous, entry.hash) != (number, previous, _hash(entry)):
                raise HomeportError(f"the audit trail was changed at entry {number}", subject=str(number))
            previous = entry.hash
        return len(self.trail)

    async def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the audit trail is closed", operation="audit")


def _hash(entry: AuditEntry) -> str:
    return hashlib.sha256(json.dumps({**asdict(entry), "hash": ""}, sort_keys=True).encode()).hexdigest()


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
