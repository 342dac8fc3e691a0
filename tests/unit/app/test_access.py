# SPDX-License-Identifier: Apache-2.0
"""Who may do what, and what is left on the audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from homeport.app.access import Access
from homeport.app.control import Actor
from homeport.drivers.audits.file import FileAudit
from homeport.drivers.audits.file import Options as AuditOptions
from homeport.drivers.clocks.system import UlidIds
from homeport.drivers.policies.rego import Options, RegoPolicy
from homeport.errors import Denied, NotFound
from homeport.model.token import Role, Token
from homeport.testing.clocks import ManualClock
from homeport.testing.stores import MemoryStore

ADMIN = Actor("local:0", "default", Role.ADMIN)


@dataclass
class Rig:
    access: Access
    store: MemoryStore
    audit: FileAudit
    clock: ManualClock


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    store, clock, policy = MemoryStore(), ManualClock(), RegoPolicy(Options())
    audit = FileAudit(AuditOptions(tmp_path / "audit.jsonl"), clock)
    yield Rig(Access(store, policy, audit, clock, UlidIds()), store, audit, clock)
    await policy.close()
    await audit.close()


async def test_the_first_start_writes_one_admin_token_that_only_its_owner_can_read(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    await rig.access.first_token(file)
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text().strip()
    assert (await rig.access.authenticate(text)).role is Role.ADMIN
    (stored,) = await rig.store.list(Token)
    assert text not in repr(stored), "only its hash is kept"
    await rig.access.first_token(tmp_path / "again")
    assert not (tmp_path / "again").exists()


async def test_unknown_expired_and_revoked_tokens_are_refused_alike(rig: Rig) -> None:
    token, expired = await rig.access.create(ADMIN, role=Role.VIEWER, ttl_s=10)
    other, revoked = await rig.access.create(ADMIN, role=Role.VIEWER)
    assert (await rig.access.authenticate(expired)).id == token.id
    rig.clock.advance(11)
    await rig.access.revoke("default", other.id)
    for text in (expired, revoked, "hp_unknown", ""):
        with pytest.raises(Denied, match="the token is not valid"):
            await rig.access.authenticate(text)
    with pytest.raises(NotFound):
        await rig.access.revoke("other", token.id)


async def test_a_refusal_and_a_change_are_audited_and_a_plain_read_is_not(rig: Rig) -> None:
    viewer = Actor("tok_v", "default", Role.VIEWER)
    await rig.access.require(viewer, "agents.read", "a")
    with pytest.raises(Denied):
        await rig.access.require(viewer, "agents.write", "a")
    await rig.access.require(ADMIN, "agents.write", "a")
    trail = [(e.actor, e.action, e.allowed) for e in await rig.audit.entries()]
    assert trail == [("tok_v", "agents.write", False), ("local:0", "agents.write", True)]


async def test_the_gateway_is_told_each_token_that_may_call_and_whom(rig: Rig) -> None:
    admin, _ = await rig.access.create(ADMIN, role=Role.ADMIN)
    agent, _ = await rig.access.create(ADMIN, role=Role.AGENT, agents=("a",))
    nobody, _ = await rig.access.create(ADMIN, role=Role.AGENT)
    grants = {grant.token_id: grant.agents for grant in await rig.access.grants()}
    assert grants[admin.id] == ("*",) and grants[agent.id] == ("a",) and nobody.id not in grants
    await rig.access.revoke("default", agent.id)
    assert agent.id not in {grant.token_id for grant in await rig.access.grants()}


async def test_the_first_token_is_in_its_file_before_it_is_valid(rig: Rig, tmp_path: Path) -> None:
    """A full disk or a crash in between must not leave an installation whose only admin token nobody has."""
    file = tmp_path / "gone" / "admin-token"
    with pytest.raises(FileNotFoundError):
        await rig.access.first_token(file)
    assert await rig.store.list(Token) == []
    file.parent.mkdir()
    file.write_text("an older one")
    file.chmod(0o644)
    await rig.access.first_token(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert (await rig.access.authenticate(file.read_text().strip())).role is Role.ADMIN


async def test_no_token_reaches_the_next_agent_of_a_removed_ones_name(rig: Rig) -> None:
    _, only = await rig.access.create(ADMIN, role=Role.AGENT, agents=("a",))
    both, _ = await rig.access.create(ADMIN, role=Role.AGENT, agents=("a", "b"))
    other, _ = await rig.access.create(Actor("local:0", "other", Role.ADMIN), role=Role.AGENT, agents=("a",))
    await rig.access.grants()
    await rig.access.forget_agent("default", "a")
    with pytest.raises(Denied):
        await rig.access.authenticate(only)
    assert {grant.token_id: grant.agents for grant in await rig.access.grants()} == {both.id: ("b",), other.id: ("a",)}
    again = Access(rig.store, None, None, rig.clock, UlidIds())  # type: ignore[arg-type]
    await again.load()
    assert {token.agents for token in again.tokens("default")} == {("b",)}
