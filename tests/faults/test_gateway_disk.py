# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, read-only, slow or does not sync: told clearly, nothing half-accepted, well again by itself."""

from __future__ import annotations

import asyncio
import errno
import signal
from pathlib import Path

import pytest

from faulty_disk import Faults, fill, small_disk
from gateway_process import GatewayProcess, echo, gateway_process
from gateway_rig import Seen, request, until

SMALL, LARGE = 3000, 400_000


def post(name: str, size: int = SMALL, **headers: str) -> bytes:
    return request("POST", f"/agent/echo/{name}", b"x" * size, token="", **headers)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["in the journal", "in the spool"])
async def test_a_full_disk_refuses_with_507_and_recovers_by_itself(tmp_path: Path, size: int) -> None:
    with small_disk(tmp_path / "disk", 24 * 2**20) as disk:
        async with gateway_process(tmp_path, disk / "home") as (process, agent):
            assert (await process.call(post("before"))).status == 200
            ballast = fill(disk)
            told: dict[str, int] = {}

            async def send(name: str) -> None:
                answer = await process.call(post(name, size))
                told[f"/{name}"] = answer.status
                if answer.status == 507:
                    assert "nothing was half-written" in answer.json()["error"]["hint"] or size == LARGE
                    assert answer.json()["error"]["type"] == "StorageFull"

            for turn in range(200):
                await asyncio.gather(*(send(f"{turn}-{n}") for n in range(8)))
                if list(told.values()).count(507) >= 16:
                    break
            assert set(told.values()) <= {200, 507}
            executed = [seen.target for seen in agent.seen]
            states = await process.states()
            for name, status in told.items():
                assert executed.count(name) == (status == 200), name
                assert (name in states) == (status == 200), name
            assert await process.answers()
            ballast.unlink()
            assert (await process.call(post("after", size))).status == 200

            async def settled() -> bool:
                return set((await process.states()).values()) == {"completed"}

            await until(settled)
            spooled = [file.name for file in (disk / "home" / "state" / "spool").iterdir()]
            assert len(spooled) == (1 + list(told.values()).count(200) if size == LARGE else 0)


async def test_an_answer_that_comes_while_the_disk_is_full_reaches_its_client_and_is_kept_afterwards(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", 24 * 2**20) as disk:
        async with gateway_process(tmp_path, disk / "home") as (process, agent):
            taken, go_on = asyncio.Event(), asyncio.Event()

            async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
                taken.set()
                await go_on.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"y" * 100_000)
                return True

            agent.behave = behave
            client = await process.connect()
            client.send(post("one"))
            await taken.wait()
            ballast = fill(disk)
            go_on.set()
            answer = await client.answer()
            assert (answer.status, len(answer.body)) == (200, 100_000)
            ballast.unlink()
            kept = await process.call(
                request(path=f"/requests/{answer.get('x-homeport-request-id')}/response", token="", Prefer="wait=20")
            )
            assert (kept.status, len(kept.body)) == (200, 100_000)
            client.close()


async def test_a_gateway_that_starts_on_a_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24 * 2**20) as disk:
        async with gateway_process(tmp_path, disk / "home") as (process, agent):
            done = asyncio.Event()

            async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
                await done.wait()
                return True

            agent.behave = behave
            client = await process.connect()
            client.send(post("cut"))
            await until(lambda: agent.seen)
            await process.end()
            client.close()
            done.set()
            ballast = fill(disk)
            process.spawn()

            def said_or_ended() -> bool:
                assert process.child is not None
                return process.child.poll() is not None or "no space left" in process.said()

            await until(said_or_ended)
            ballast.unlink()
            if process.child is not None and process.child.poll() is not None:
                assert "no space left" in process.said()
                process.spawn()
            await until(process.answers)
            assert "Traceback" not in process.said()
            assert await process.states() == {"/cut": "dead"}


@pytest.mark.parametrize("fault", [errno.EROFS, errno.EIO], ids=["read-only", "input/output error"])
async def test_a_disk_that_takes_no_writes_any_more_is_told_and_what_is_stored_is_still_served(
    tmp_path: Path, fault: int
) -> None:
    faults = Faults(tmp_path)
    async with gateway_process(tmp_path, environ=faults.environ) as (process, agent):
        first = await process.call(post("before"))
        assert first.status == 200
        kept = request(path=f"/requests/{first.get('x-homeport-request-id')}/response", token="", Prefer="wait=20")
        assert (await process.call(kept)).status == 200
        faults.set(write_errno=fault)
        for size in (SMALL, LARGE):
            refused = await process.call(post("lost", size))
            assert refused.status == 507, refused.body
            assert refused.json()["error"]["type"] == "StorageFull"
            assert refused.json()["error"]["hint"]
        assert (await process.call(kept)).status == 200
        assert [seen.target for seen in agent.seen] == ["/before"]
        faults.set()
        assert (await process.call(post("after"))).status == 200
        assert set(await process.states()) == {"/before", "/after"}
        await process.end()
        await process.start()
        assert set(await process.states()) == {"/before", "/after"}


async def test_a_commit_whose_sync_failed_is_no_promise(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    async with gateway_process(tmp_path, environ=faults.environ) as (process, agent):
        assert (await process.call(post("before"))).status == 200
        faults.set(sync_errno=errno.EIO)
        assert (await process.call(post("lost"))).status == 507
        faults.set()
        assert (await process.call(post("after"))).status == 200
        assert [seen.target for seen in agent.seen] == ["/before", "/after"]
        assert set(await process.states()) == {"/before", "/after"}


async def test_a_slow_disk_is_a_delay_and_a_commit_carries_many(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    async with gateway_process(tmp_path, environ=faults.environ, concurrency=64) as (process, agent):
        assert (await process.call(post("before"))).status == 200
        faults.set(sync_ms=700)
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await asyncio.gather(*(process.call(post(f"{n}")) for n in range(40)))
        assert [answer.status for answer in answers] == [200] * 40
        # One by one they would take 28 s: they share commits.
        assert loop.time() - began < 7
        faults.set()
        text = await process.control.metrics()
        [slow] = [line for line in text.splitlines() if 'sync_duration_seconds_bucket{le="0.5"}' in line]
        [every] = [line for line in text.splitlines() if 'sync_duration_seconds_bucket{le="+Inf"}' in line]
        assert int(every.split()[1]) > int(slow.split()[1])
        assert len(agent.seen) == 41
        assert await process.end(signal.SIGTERM) == 0


async def test_a_clock_that_jumps_a_day_sends_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    async with gateway_process(tmp_path, environ=faults.environ) as (process, agent):
        taken, go_on = asyncio.Event(), asyncio.Event()

        async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
            if seen.target == "/slow":
                taken.set()
                await go_on.wait()
            return False

        agent.behave = behave
        slow = await process.connect()
        slow.send(post("slow"))
        await taken.wait()
        for jump, name in ((86_400, "forward"), (-86_400, "back")):
            faults.set(clock_s=jump)
            assert (await process.call(post(name))).status == 200
            limited = await process.call(post(f"{name}-deadline", X_Homeport_Deadline="30"))
            assert limited.status == 200
            jumped = await process.control.requests(limit=1)
            assert jumped[0]["accepted_at"][:10] != (await process.control.requests())[-1]["accepted_at"][:10]
        go_on.set()
        assert (await slow.answer()).status == 200
        slow.close()

        async def settled() -> bool:
            return set((await process.states()).values()) == {"completed"}

        await until(settled)
        assert sorted(seen.target for seen in agent.seen) == sorted(await process.states())
        # Killed in one time and started in another: a lease of ours is ours to judge, whatever its end.
        go_on.clear()
        taken.clear()
        slow = await process.connect()
        slow.send(post("slow"))
        await taken.wait()
        await process.end()
        slow.close()
        go_on.set()
        faults.set(clock_s=-2 * 86_400)
        await process.start()

        async def judged() -> bool:
            [entry] = await process.control.requests(state="dead")
            return entry["target"] == "/slow"

        await until(judged)


async def test_what_waits_to_be_sent_again_does_not_wait_for_a_clock_that_was_set_back(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    async with gateway_process(tmp_path, environ=faults.environ) as (process, agent):
        faults.set(clock_s=86_400)
        await agent.stop()
        told = await process.call(post("later", Prefer="respond-async"))
        assert told.status == 202
        for _ in range(3):  # refused, and put back with a time of tomorrow
            await process.call(request(path=told.json()["status_url"], token=""))
        faults.set()
        await agent.start()
        kept = await process.call(request(path=told.json()["status_url"] + "/response", token="", Prefer="wait=30"))
        assert kept.status == 200
        assert [seen.target for seen in agent.seen] == ["/later"]
        assert echo(agent).ready


async def test_a_state_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    faults.set(write_errno=errno.EROFS)
    process = GatewayProcess(tmp_path / "home", **faults.environ)
    code, said = await process.refuses()
    assert code == 4
    assert "journal" in said
    assert "hint:" in said
    assert "Traceback" not in said
    faults.set()
    await process.start()
    await process.end()
    process.close()
