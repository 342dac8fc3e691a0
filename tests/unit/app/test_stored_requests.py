# SPDX-License-Identifier: Apache-2.0
"""Who sees what of stored requests, and what of that is on the audit trail: real rules, a real gateway."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_rig import Rig as House
from gateway_rig import rig as gateway
from gateway_rig import until
from homeport.app.access import Access
from homeport.app.control import Actor
from homeport.app.requests import Requests
from homeport.drivers.audits.file import FileAudit
from homeport.drivers.audits.file import Options as AuditOptions
from homeport.drivers.clocks.system import UlidIds
from homeport.drivers.policies.rego import Options, RegoPolicy
from homeport.errors import Denied, NotFound, UsageError
from homeport.model.kept import ALL, Wanted
from homeport.model.token import Role
from homeport.testing.clocks import ManualClock
from homeport.testing.stores import MemoryStore

OPERATOR, VIEWER = Actor("tok_op", "default", Role.OPERATOR), Actor("tok_view", "default", Role.VIEWER)


@dataclass
class Room:
    house: House
    requests: Requests
    audit: FileAudit

    async def send(self, n: int = 1) -> list[str]:
        ids = []
        for _ in range(n):
            answer = await self.house.call("POST", body=b"secret words", X_Api_Key="k")
            ids.append(answer.get("x-homeport-request-id") or "")
        await until(self._settled)
        return ids

    async def _settled(self) -> bool:
        counts = (await self.house.control.status())["requests"]
        return not counts["pending"] and not counts["in_flight"]

    async def trail(self) -> list[tuple[str, str, bool]]:
        return [(entry.action, entry.actor, entry.allowed) for entry in await self.audit.entries()]


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    policy = RegoPolicy(Options(deadline=20))
    clock = ManualClock()
    audit = FileAudit(AuditOptions(tmp_path / "audit.jsonl"), clock)
    async with gateway(tmp_path) as house:
        yield Room(house, Requests(Access(MemoryStore(), policy, audit, clock, UlidIds()), house.control), audit)
    await policy.close()
    await audit.close()


async def test_bodies_are_for_operators_and_each_look_at_one_is_audited(room: Room) -> None:
    (id_,) = await room.send()
    shown = await room.requests.show(OPERATOR, id_, bodies=True)
    assert base64.b64decode(shown["body"]) == b"secret words"
    with pytest.raises(Denied, match=r"viewer may not requests\.bodies"):
        await room.requests.show(VIEWER, id_, bodies=True)
    head = await room.requests.show(VIEWER, id_, bodies=False)
    assert head["bytes"] == 12 and not {"body", "response_body"} & set(head)
    assert await room.trail() == [("requests.bodies", "tok_op", True), ("requests.bodies", "tok_view", False)]


async def test_an_export_is_audited_and_its_bodies_are_for_operators(room: Room) -> None:
    ids = await room.send(3)
    found = [one async for one in room.requests.export(VIEWER, ALL, newer="", limit=2, bodies=False)]
    assert [one["id"] for one in found] == ids[:2] and "body" not in found[0]
    rest = [one async for one in room.requests.export(OPERATOR, ALL, newer=ids[1], limit=9, bodies=True)]
    assert [base64.b64decode(one["body"]) for one in rest] == [b"secret words"]
    with pytest.raises(Denied):
        [one async for one in room.requests.export(VIEWER, ALL, newer="", limit=2, bodies=True)]
    assert [action for action, actor, _ in await room.trail() if actor == "tok_op"] == [
        "requests.export",
        "requests.bodies",
    ]


async def test_another_namespace_is_as_if_it_were_empty(room: Room) -> None:
    (id_,) = await room.send()
    stranger = Actor("tok_x", "other", Role.ADMIN)
    for bodies in (True, False):
        with pytest.raises(NotFound):
            await room.requests.show(stranger, id_, bodies=bodies)
    with pytest.raises(NotFound):
        await room.requests.drop(stranger, id_)
    assert await room.requests.clear(stranger, Wanted(state="completed")) == {"removed": 0, "more": False}
    assert [one async for one in room.requests.export(stranger, ALL, newer="", limit=9, bodies=True)] == []
    assert (await room.requests.head(OPERATOR, id_))["id"] == id_


async def test_only_what_is_over_is_cleared_and_by_whom_may(room: Room) -> None:
    await room.send(2)
    await room.house.routes(room.house.route(ready=False, endpoint="", reason="it is stopped"))
    waiting = (await room.house.call("POST", body=b"x")).json()["id"]
    with pytest.raises(UsageError, match="over"):
        await room.requests.clear(OPERATOR, Wanted(state="pending"))
    with pytest.raises(UsageError, match="pending"):
        await room.requests.drop(OPERATOR, waiting)
    with pytest.raises(Denied):
        await room.requests.clear(VIEWER, Wanted(state="completed"))
    assert await room.requests.clear(OPERATOR, Wanted(state="completed", agent="other")) == {
        "removed": 0,
        "more": False,
    }
    assert (await room.requests.clear(OPERATOR, Wanted(state="completed")))["removed"] == 2
    assert [one["id"] for one in await room.requests.list(VIEWER, ALL, after="", limit=9)] == [waiting]


async def test_a_tail_shows_what_comes_and_how_it_ends(room: Room) -> None:
    (old,) = await room.send()
    tail = room.requests.tail(VIEWER, ALL)
    first = asyncio.ensure_future(anext(aiter(tail)))
    await room.house.routes(room.house.route(ready=False, endpoint="", reason="it is stopped"))
    sent = set()
    while not first.done():
        sent.add((await room.house.call("POST", body=b"x")).json()["id"])
        await asyncio.wait([first], timeout=0.2)
    seen = [(first.result()["id"], first.result()["state"])]
    await room.house.routes(room.house.route())
    async with asyncio.timeout(20):
        while (seen[0][0], "completed") not in seen:
            one = await anext(aiter(tail))
            seen.append((one["id"], one["state"]))
    assert seen[0][1] == "pending"
    assert {id_ for id_, _ in seen} <= sent and old not in sent
    assert len(seen) == len(set(seen))
    await tail.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("wanted", [Wanted(state="gone"), Wanted(status=42), Wanted(status=600)])
async def test_a_filter_that_makes_no_sense_is_said(room: Room, wanted: Wanted) -> None:
    with pytest.raises(UsageError):
        await room.requests.list(VIEWER, wanted, after="", limit=9)
