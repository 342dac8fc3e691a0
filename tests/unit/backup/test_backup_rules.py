# SPDX-License-Identifier: Apache-2.0
"""Who may make a backup: it holds every namespace, and keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeport.app import folders
from homeport.app.backups.cutting import link_code
from homeport.app.backups.walking import LeftOut
from homeport.app.folders import AgentFolders
from homeport.drivers.policies.rego import Options, RegoPolicy
from homeport.settings import find_paths


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


async def test_code_that_is_being_deleted_is_all_there_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = find_paths({"HOMEPORT_HOME": str(tmp_path)})
    (paths.agents / "agt_1/code-1").mkdir(parents=True)
    (paths.agents / "agt_1/code-1/Dockerfile").write_text("FROM x")
    taken = []

    async def looked(folder: Path) -> None:
        taken.append(link_code(paths.agents, tmp_path / f"aside-{len(taken)}", LeftOut()))

    monkeypatch.setattr(folders, "erase", looked)
    await AgentFolders(paths, {}).discard("agt_1/code-1")
    assert [len(list((tmp_path / f"aside-{n}").rglob("Dockerfile"))) for n in range(len(taken))] == [1, 0]
