# SPDX-License-Identifier: Apache-2.0
"""Who may do what: tokens are stored as hashes only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homeport.model.codec import stored_as


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"
    AGENT = "agent"
    """Data plane only, and only the agents named in the token."""


@stored_as("token")
@dataclass(frozen=True, slots=True)
class Token:
    """`sha256` is the hex digest of the token text (`hp_` + 43 base64url characters, 256 random bits).

    `agents` restricts data-plane use; empty means every agent of the namespace (for role AGENT: none).
    """

    id: str
    namespace: str
    role: Role
    sha256: str
    label: str = ""
    agents: tuple[str, ...] = ()
    created_at_us: int = 0
    expires_at_us: int = 0
    revoked: bool = False
