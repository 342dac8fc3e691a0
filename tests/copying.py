# SPDX-License-Identifier: Apache-2.0
"""A home with something of everything in it, and what is in one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from homeport.drivers.durable.dbos import DbosDurable
from homeport.drivers.durable.dbos import Options as DurableOptions
from homeport.drivers.journals.sqlite import Options as JournalOptions
from homeport.drivers.journals.sqlite import SqliteJournal
from homeport.drivers.stores.sql.sqlite import Options, SqliteStore
from homeport.interfaces.durable import Json, Steps
from homeport.model.event import Event
from homeport.model.request import Body, RequestState, StoredRequest, StoredResponse
from homeport.model.token import Role, Token

LARGE = bytes(range(256)) * 10_000
"""2.5 MB: three pieces."""


async def fill(folder: Path) -> None:
    """As a server leaves its state folder behind: with one workflow and one request under way."""
    store = await SqliteStore.open(Options(folder / "state.db"))
    for n in range(1200):
        event = Event(f"evt_{n:04}", n, "default", "a.b", "billing", "it's snow ☃ \U0001f600", {"n": n})
        await store.put(event, namespace=("default", "team-b")[n % 2], key=f"evt_{n:04}")
    await store.put(Token("tok_1", "team-b", Role.OPERATOR, "ab" * 32, "ci"), namespace="team-b", key="tok_1")
    for n in (3, 7):
        await store.delete(Event, "team-b", f"evt_{n:04}")
    await store.close()
    await _requests(folder)
    await _steps(folder)


async def _requests(folder: Path) -> None:
    spool = folder / "spool"
    spool.mkdir(mode=0o700)
    (spool / "req_2.body").write_bytes(LARGE)
    (spool / "req_3.answer").write_bytes(LARGE[::-1])
    (spool / "of nobody").write_bytes(b"left by a crash")
    journal = SqliteJournal(JournalOptions(folder / "journal.db"))
    for n in range(6):
        body = Body(b"", "req_2.body", len(LARGE)) if n == 2 else Body(bytes([n]) * 5000 * n, "", 5000 * n)
        await journal.accept(
            StoredRequest(
                f"req_{n}", "default", "billing", "POST", "/pay?x=\0" if n == 4 else "/pay",
                ((b"content-type", b"text/plain; charset=\xff"), (b"x", b"")), body, RequestState.PENDING, n + 1,
                key=f"k{n}" if n < 4 else "", fingerprint="f", agent_id="agt_1" if n else "",
            )
        )  # fmt: skip
    for n in (1, 3, 5):
        await journal.lease(f"req_{n}", "gateway a", 10**15)
    answers = {1: Body(b"\0\xff", "", 2), 3: Body(b"", "req_3.answer", len(LARGE))}
    for n, answer in answers.items():
        done = journal.complete(f"req_{n}", 1, StoredResponse(200, "O\xe9K", ((b"a", b"b"),), answer, n))
        await done
    await journal.lease("req_0", "gateway a", 5)
    await journal.release("req_0", 1, RequestState.DEAD, outcome="outcome unknown")
    await journal.put_note("routes", b"{}")
    await journal.close()


def sagas(durable: DbosDurable, waiting: asyncio.Event, ran: list[str]) -> None:
    async def saga(steps: Steps, input: Json) -> Json:
        async def first() -> Json:
            ran.append("first")
            return {"n": 1}

        async def second() -> Json:
            if input.get("wait"):
                await waiting.wait()
            ran.append("second")
            return {"n": 2}

        await steps.step("first", first)
        await steps.step("second", second)
        return {"sum": 3}

    durable.register("up.v1", saga)


async def _steps(folder: Path) -> None:
    ran: list[str] = []
    durable = DbosDurable(DurableOptions(folder / "durable.db", folder / "durable.lock"))
    sagas(durable, asyncio.Event(), ran)
    await durable.launch()
    await durable.start("up.v1", "done", {"what": "'; DROP TABLE \\u0000"})
    await durable.wait("done", 60)
    await durable.start("up.v1", "under way", {"wait": True})
    async with asyncio.timeout(60):
        while len(ran) < 3:
            await asyncio.sleep(0.01)
    await durable.send("under way", "topic", {"message": "kept"})
    await durable.close()
