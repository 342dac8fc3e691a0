# SPDX-License-Identifier: Apache-2.0
"""Who may make a backup: it holds every namespace, and keys."""

from __future__ import annotations

import pytest

from homeport.drivers.policies.rego import Options, RegoPolicy


@pytest.mark.parametrize(
    ("actor", "role", "allowed"),
    [
        ("local:0", "admin", True), ("local:1000", "admin", True), ("tok_1", "admin", False),
        ("local:0", "operator", False), ("local:x", "admin", False), ("tok_1", "agent", False),
    ],
)  # fmt: skip
async def test_only_the_owner_of_the_local_socket_may_make_one(actor: str, role: str, allowed: bool) -> None:
    policy = RegoPolicy(Options(deadline=20))
    who = {"id": actor, "role": role, "namespace": "default", "agents": []}
    wish = {"actor": who, "verb": "server.backup", "namespace": "default", "subject": ""}
    decision = await policy.decide("homeport.authz", wish)
    await policy.close()
    assert decision.allow is allowed
    assert allowed or "local socket" in decision.reason
