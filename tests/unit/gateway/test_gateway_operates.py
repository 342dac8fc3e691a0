# SPDX-License-Identifier: Apache-2.0
"""What those who run a gateway ask of it: is it alive, does it take requests, who is told what while it starts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import homeport.gateway.readiness as readiness
import homeport.gateway.starting as starting
from gateway_rig import Answer, Client, Rig, Seen, request, rig, until, uvloop_thread
from homeport.errors import HomeportError, StorageFull
from homeport.gateway.core.prefer import left_over, prefers_async, wait_preference
from homeport.gateway.sockets.addresses import listen_tcp, listen_unix
from homeport.gateway.spool import Spool
from homeport.model.workload import DeliveryPolicy


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


async def probe(gate: Rig, name: str, method: str = "GET") -> Answer:
    client = await gate.connect()
    client.send(request(method, f"/_gateway/{name}", token=""))
    return await client.answer(method)


async def completed(gate: Rig) -> bool:
    return bool((await gate.control.status())["requests"]["completed"])


# ── readiness ────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_anybody_may_ask_whether_it_lives_and_takes_requests(gate: Rig) -> None:
    assert ((await probe(gate, "live")).status, (await probe(gate, "live")).json()) == (200, {"live": True})
    answer = await probe(gate, "ready")
    assert (answer.status, answer.json()) == (200, {"ready": True, "reason": ""})
    for name in ("live", "ready"):
        head = await probe(gate, name, "HEAD")
        assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("name", ["status", "metrics", "requests", "ready/x", "live?x=1", "routes", "readyz", "%6cive"])
async def test_nothing_else_of_it_is_shown_without_a_token(gate: Rig, name: str) -> None:
    assert (await probe(gate, name)).status in (401, 404)


class _Refuses:
    """The real journal with a disk that refuses writes for a while."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.error: HomeportError | None = None
        self.writes = 0

    async def put_note(self, name: str, value: bytes) -> None:
        self.writes += 1
        if self.error is not None:
            raise self.error
        await self._journal.put_note(name, value)

    def away(self) -> str:
        return str(self._journal.away())


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StorageFull("no room in /secret/place"), "no space left for the request journal"),
        (HomeportError("the journal /secret/place is read-only"), "the request journal cannot be written"),
    ],
)
async def test_a_full_or_read_only_journal_is_not_ready_until_it_can_be_written_again(
    gate: Rig, error: HomeportError, reason: str
) -> None:
    own: Any = gate.gateway._readiness
    own._journal = disk = _Refuses(own._journal)
    assert (await probe(gate, "ready")).status == 200
    disk.error = error
    assert (await probe(gate, "ready")).status == 200, "a write was done a moment ago"
    own.doubt()
    answer = await probe(gate, "ready")
    assert (answer.status, answer.json()) == (503, {"ready": False, "reason": reason})
    assert (await probe(gate, "live")).status == 200
    disk.error = None
    assert (await probe(gate, "ready")).status == 200
    before = disk.writes
    await asyncio.gather(*(probe(gate, "ready") for _ in range(20)))
    assert disk.writes == before, "who asks often writes no more often"


async def test_a_disk_that_hangs_is_not_ready_and_not_waited_for(gate: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_S", 0.05)
    own: Any = gate.gateway._readiness
    journal, go = own._journal, asyncio.Event()

    class Hangs(_Refuses):
        async def put_note(self, name: str, value: bytes) -> None:
            while not go.is_set():
                await asyncio.sleep(0.01)
            await super().put_note(name, value)

    own._journal = Hangs(journal)
    answer = await probe(gate, "ready")
    assert (answer.status, answer.json()["reason"]) == (503, "the request journal does not answer")
    go.set()

    async def ready() -> bool:
        return (await probe(gate, "ready")).status == 200

    await until(ready)


async def test_while_it_starts_callers_are_told_and_nothing_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "AFTER_S", 0.0)
    tcp, unix = listen_tcp("127.0.0.1:0"), listen_unix(tmp_path / "g.sock")
    port = tcp.getsockname()[1]

    async def ask(*args: Any, **kwargs: Any) -> Answer:
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        try:
            client.send(request(*args, **kwargs))
            return await client.answer(args[0])
        finally:
            client.close()

    async with uvloop_thread() as run:
        doorman = starting.Starting(Spool(tmp_path / "spool"))

        async def begin() -> None:
            doorman.begin(tcp=tcp, unix=unix)

        await run(begin())
        try:
            doorman.reason = starting.WAITING
            answer = await ask("GET", "/_gateway/ready", token="")
            assert (answer.status, answer.json()) == (503, {"ready": False, "reason": starting.WAITING})
            assert answer.get("connection") == "close"
            assert (await ask("GET", "/_gateway/live", token="")).json() == {"live": True}
            for method, path, body in (("POST", "/agent/echo/", b"x" * 300_000), ("PUT", "/_gateway/routes", b"{}")):
                refused = await ask(method, path, body)
                assert refused.status == 503 and refused.get("retry-after")
                assert starting.WAITING in refused.json()["error"]["message"]
        finally:
            await run(doorman.end())
            await run(doorman.end())
            with contextlib.closing(tcp), contextlib.closing(unix):
                pass
    assert list((tmp_path / "spool").iterdir()) == []


# ── Prefer ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("value", "rest"),
    [
        (b"wait=5", b""),
        (b"respond-async, wait=10", b""),
        (b"return=minimal, wait=5", b"return=minimal"),
        (b"WAIT = 5 , handling=lenient", b"handling=lenient"),
        (b'foo="a, wait=5", wait=6', b'foo="a, wait=5"'),
        (b"respond-async; wait=7, x=y; z", b"x=y; z"),
        (b"return=representation", b"return=representation"),
        (b",,", b""),
        (b"waiting=5", b"waiting=5"),
    ],
)
def test_of_prefer_the_agent_gets_what_is_not_ours(value: bytes, rest: bytes) -> None:
    kept = left_over(((b"A", b"b"), (b"Prefer", value), (b"prefer", b"wait=1")))
    assert kept == (((b"Prefer", rest),) if rest else ())


def test_what_looks_like_ours_in_anothers_value_is_not_ours() -> None:
    assert wait_preference(b'foo="a, wait=5"') is None
    assert wait_preference(b"handling=lenient; wait=5") is None
    assert not prefers_async(b'foo="respond-async"')
    assert prefers_async(b"return=minimal, Respond-Async")


def test_a_hostile_prefer_takes_no_time() -> None:
    for value in (b'"' + b'\\"' * 30_000, b'"' * 60_001, b"," * 60_000, b"a;" * 30_000, b'="\\' * 20_000):
        left_over(((b"Prefer", value),))
        wait_preference(value)


async def test_an_agent_is_not_asked_to_wait_for_what_the_gateway_waits_for(gate: Rig) -> None:
    await gate.call("POST", body=b"x", Prefer="return=minimal, wait=5")
    await gate.call("GET", Prefer="wait=5")
    assert [seen.get("prefer") for seen in gate.agent.seen] == [["return=minimal"], []]


# ── a repeat takes no room ───────────────────────────────────────────────────────────────────────────────────────────
async def test_a_repeat_is_answered_though_the_queue_is_full(gate: Rig) -> None:
    await gate.routes(gate.route(concurrency=1, policy=DeliveryPolicy(queue=1)))
    first = await gate.call("POST", body=b"x", Idempotency_Key="k")
    await until(lambda: completed(gate))
    go = asyncio.Event()

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await go.wait()
        return False

    gate.agent.behave = slow
    busy = asyncio.create_task(gate.call("GET"))
    await until(lambda: len(gate.agent.seen) == 2)
    assert (await gate.call("GET", Prefer="respond-async")).status == 202
    assert (await gate.call("POST", body=b"y", Idempotency_Key="new")).status == 429
    for _ in range(2):
        again = await gate.call("POST", body=b"x", Idempotency_Key="k")
        assert (again.status, again.body, again.get("idempotent-replayed")) == (200, first.body, "true")
    assert (await gate.call("POST", body=b"other", Idempotency_Key="k")).status == 422
    refused = await gate.call("POST", body=b"x", Idempotency_Key="n", X_Homeport_Delivery="fail-fast")
    assert refused.status in (429, 503)
    again = await gate.call("POST", body=b"x", Idempotency_Key="k", X_Homeport_Delivery="fail-fast")
    assert (again.status, again.body) == (200, first.body)
    go.set()
    assert (await busy).status == 200


async def test_a_repeat_is_answered_though_its_agent_may_keep_no_more(gate: Rig) -> None:
    first = await gate.call("POST", body=b"x", Idempotency_Key="k")
    await until(lambda: completed(gate))
    keeping: Any = gate.gateway._tools.keeping
    room = keeping._rooms[("default", "echo")]
    room.full, room.rule = "it has too many", type(room.rule)(requests=1)
    assert (await gate.call("POST", body=b"y", Idempotency_Key="new")).status == 507
    again = await gate.call("POST", body=b"x", Idempotency_Key="k")
    assert (again.status, again.body) == (200, first.body)
