# SPDX-License-Identifier: Apache-2.0
"""A place where agents run."""

from __future__ import annotations

from dataclasses import dataclass, field

from homeport.model.codec import stored_as


@stored_as("machine")
@dataclass(frozen=True, slots=True)
class Machine:
    """`address` is "" for this machine. `owner_tag` finds it again in the cloud after a crash."""

    id: str
    namespace: str
    cloud: str
    region: str
    machine_type: str
    owner_tag: str
    address: str = ""
    created_at_us: int = 0
    ends_at_us: int = 0
    facts: dict[str, str] = field(default_factory=dict)
