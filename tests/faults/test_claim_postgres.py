# SPDX-License-Identifier: Apache-2.0
"""Several servers on one PostgreSQL: who decides, who waits, and what an outage or a hang of either changes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from homeport.app.holding import Holding
from homeport.drivers.claims.postgres.claim import Options, PostgresClaim
from homeport.drivers.secrets.sealed import FernetSealer
from homeport.drivers.secrets.sealed import Options as KeyOptions
from homeport.errors import Conflict, HomeportError, Unavailable
from homeport.interfaces.claim import Me

LONG = 60.0
A, B = Me("a", "home-a"), Me("b", "home-b")


@pytest.fixture(autouse=True)
def started_again(postgres):
    """The server is shared with other tests of this worker."""
    yield
    if postgres.runs():
        postgres.resume()
    else:
        postgres.start()


@pytest.fixture
def sealer(tmp_path):
    return FernetSealer(KeyOptions(key_file=tmp_path / "secrets.key"))


@pytest.fixture
async def claim(database):
    """Makes claims on one database."""
    made = []

    def make():
        made.append(PostgresClaim(Options(database)))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def server(claim, sealer):
    """Makes servers that wait for the claim of one database; they are impatient where `grace` is short."""
    made = []

    async def anything_fits():
        pass

    def make(me, *, grace=3600.0, key=None, fits=anything_fits):
        made.append(Holding(claim(), me, key or sealer, fits, grace=grace, beat=0.05))
        return made[-1]

    yield make
    for one in made:
        await one.close()


# ── the claim ────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_one_at_a_time_has_it_and_everybody_sees_who(claim):
    first, second = claim(), claim()
    assert (await first.look()).last is None and not (await first.look()).held
    held = await first.take(A, b"s", after=None)
    assert held is not None and (held.me, held.seal) == (A, b"s")
    assert await first.take(A, b"s", after=None) == held
    assert await second.take(B, b"s", after=A) is None
    seen = await second.look()
    assert seen.held and seen.last == held
    await first.close()
    seen = await second.look()
    assert not seen.held and seen.last == held
    taken = await second.take(B, b"s", after=A)
    assert taken is not None and taken.me == B and taken.since_us > held.since_us


async def test_it_is_not_taken_over_the_head_of_somebody_who_had_it_meanwhile(claim):
    first, second = claim(), claim()
    await first.take(A, b"s", after=None)
    await first.close()
    assert await second.take(B, b"s", after=None) is None
    assert not (await second.look()).held


async def test_who_takes_it_again_has_had_it_since_the_first_time(claim):
    first = claim()
    held = await first.take(A, b"s", after=None)
    await first.close()
    assert await first.take(A, b"s", after=A) == held


async def test_of_many_that_take_it_at_once_one_gets_it(claim):
    claims = [claim() for _ in range(8)]
    taken = await asyncio.gather(*(one.take(Me(str(n), ""), b"", after=None) for n, one in enumerate(claims)))
    assert sum(held is not None for held in taken) == 1


async def test_two_databases_of_one_server_have_a_claim_each(claim, postgres):
    other = PostgresClaim(Options(postgres.create_database()))
    assert await claim().take(A, b"", after=None) and await other.take(B, b"", after=None)
    await other.close()


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_with_the_server_gone_the_claim_is_not_confirmed_and_asking_says_so(claim, postgres, how):
    one = claim()
    await one.take(A, b"", after=None)
    assert await one.confirm()
    getattr(postgres, how)()
    assert not await one.confirm()
    with pytest.raises(Unavailable, match="PostgreSQL does not answer"):
        await one.look()
    postgres.start()
    assert not await one.confirm(), "the session that had it is gone"
    assert await one.take(A, b"", after=A) and await one.confirm()


async def test_a_holder_that_hangs_loses_it_to_others_by_the_database(claim, database, postgres):
    program = (
        "import asyncio, sys\n"
        "from homeport.drivers.claims.postgres.claim import Options, PostgresClaim\n"
        "from homeport.interfaces.claim import Me\n"
        "async def hold():\n"
        "    claim = PostgresClaim(Options(sys.argv[1]))\n"
        "    print((await claim.take(Me('x', ''), b'', after=None)) is not None, flush=True)\n"
        "    while True:\n"
        "        await asyncio.sleep(0.2); await claim.confirm()\n"
        "asyncio.run(hold())\n"
    )
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", program, database, stdout=pipe)
    try:
        assert holder.stdout is not None and (await holder.stdout.readline()).strip() == b"True"
        one = claim()
        assert (await one.look()).held
        os.kill(holder.pid, signal.SIGSTOP)
        async with asyncio.timeout(LONG):
            while (await one.look()).held:
                await asyncio.sleep(0.1)
        assert await one.take(A, b"", after=Me("x", ""))
    finally:
        holder.kill()
        await holder.communicate()


# ── holding it ───────────────────────────────────────────────────────────────────────────────────────────────────
async def test_the_first_server_has_it_at_once_and_a_second_one_waits_and_knows_for_whom(server):
    first, second = server(A), server(B)
    assert (await asyncio.wait_for(first.hold(), LONG)).me == A
    waiting = asyncio.create_task(second.hold())
    assert (await asyncio.wait_for(second.another_holds(), LONG)) == first.held
    assert not waiting.done()
    waiting.cancel()


async def test_a_server_that_comes_back_has_it_again_at_once_however_many_wait(server):
    first, second = server(A), server(B)
    held = await first.hold()
    waiting = asyncio.create_task(second.hold())
    await asyncio.wait_for(second.another_holds(), LONG)
    await first.close()
    again = await asyncio.wait_for(server(A).hold(), LONG)
    assert (again.me, again.since_us) == (A, held.since_us)
    assert not waiting.done()
    waiting.cancel()


async def test_who_stays_away_for_longer_than_the_grace_is_replaced(server):
    first, second = server(A), server(B, grace=0.3)
    await first.hold()
    waiting = asyncio.create_task(second.hold())
    await asyncio.wait_for(second.another_holds(), LONG)
    await first.close()
    assert (await asyncio.wait_for(waiting, LONG)).me == B


async def test_after_an_outage_of_the_database_who_had_it_has_it_again(server, postgres):
    first, second = server(A), server(B)
    await first.hold()
    waiting = asyncio.create_task(second.hold())
    await asyncio.wait_for(second.another_holds(), LONG)
    postgres.kill()
    async with asyncio.timeout(LONG):
        while not second.waiting.away:
            await asyncio.sleep(0.02)
    postgres.start()
    third = server(Me("c", ""))
    looking = asyncio.create_task(third.hold())
    assert (await asyncio.wait_for(third.another_holds(), LONG)).me == A
    assert not first.lost.done() and not waiting.done() and not looking.done()
    waiting.cancel()
    looking.cancel()


async def test_who_comes_too_late_after_an_outage_learns_who_has_it_now(server, claim, postgres):
    first = server(A)
    await first.hold()
    postgres.pause()  # its session is given up, and the database does not know yet
    async with asyncio.timeout(LONG):
        while await first._claim.confirm():
            await asyncio.sleep(0.05)
    await first._claim.close()
    async with first._claim._turn:  # the network between it and the database is still down
        postgres.resume()
        other, taken = claim(), None
        async with asyncio.timeout(LONG):
            while taken is None:
                taken = await other.take(B, first._seal, after=A)
    assert await asyncio.wait_for(first.lost, LONG) == taken


async def test_a_server_with_another_key_is_told_to_take_the_key_of_the_others(server, tmp_path):
    await server(A).hold()
    stranger = server(B, key=FernetSealer(KeyOptions(key_file=tmp_path / "other.key")))
    with pytest.raises(Conflict, match="another key") as told:
        await asyncio.wait_for(stranger.hold(), LONG)
    assert "secrets.key" in told.value.hint


async def test_a_server_that_is_too_old_for_the_state_leaves_the_claim_to_those_that_are_not(server):
    async def too_old():
        raise HomeportError("written by a newer Homeport")

    old, new = server(A, fits=too_old), server(B)
    holding = asyncio.create_task(old.hold())
    async with asyncio.timeout(30):
        await old.must_wait()
        assert "newer" in old.waiting.away
        assert (await new.hold()).me == B
        assert (await old.another_holds()).me == B
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
