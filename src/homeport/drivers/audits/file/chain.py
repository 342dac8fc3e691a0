# SPDX-License-Identifier: Apache-2.0
"""An entry as a line, and a line as an entry. Pure.

A line is canonical JSON (sorted keys, no spaces, ASCII only); its hash is SHA-256 of the same without `hash`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from homeport.errors import HomeportError
from homeport.interfaces.audit import AuditEntry
from homeport.model import codec


def canonical(data: object) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def seal(entry: AuditEntry) -> AuditEntry:
    """The entry with its hash, which covers everything in it, the previous hash included."""
    covered = asdict(entry)
    del covered["hash"]
    return replace(entry, hash=hashlib.sha256(canonical(covered)).hexdigest())


def plain(text: str) -> str:
    """Text that every reader of JSON accepts: what is not Unicode shows as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def to_line(entry: AuditEntry) -> bytes:
    return canonical(asdict(entry)) + b"\n"


def from_line(line: bytes) -> AuditEntry:
    """Raises `HomeportError` for anything that `to_line` would not have written (the hash is not checked here)."""
    try:
        entry = codec.from_json(line, AuditEntry)
    except (UnicodeDecodeError, RecursionError) as error:
        raise HomeportError(
            f"not a line of the trail ({type(error).__name__})", operation="read the audit trail"
        ) from None
    if to_line(entry) != line:
        raise HomeportError("the line is not as it was written", operation="read the audit trail")
    return entry


def check_link(entry: AuditEntry, seq: int, previous: str) -> None:
    """Raises `HomeportError` unless the entry follows the one with this number and hash."""
    if entry.seq != seq + 1:
        missing = f"{seq + 1} to {entry.seq - 1}" if entry.seq > seq + 1 else "none"
        raise _broken(entry.seq, f"expected entry {seq + 1}; missing: {missing}")
    if entry.previous != previous:
        raise _broken(entry.seq, f"it does not follow entry {seq} as that is now")
    if seal(entry).hash != entry.hash:
        raise _broken(entry.seq, "its text does not fit its hash")


def _broken(seq: int, why: str) -> HomeportError:
    return HomeportError(
        f"the audit trail was changed at entry {seq}: {why}",
        operation="verify the audit trail",
        subject=str(seq),
        hint="compare with a copy kept elsewhere; entries before it are as they were written",
    )
