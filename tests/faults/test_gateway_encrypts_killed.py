# SPDX-License-Identifier: Apache-2.0
"""Encryption in the gateway's own process: killed in the middle of an upload, or of making a key; and nothing of it
to be seen in any file."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_process import GatewayProcess
from gateway_rig import Agent, Answer, Seen, request, until
from homeport.errors import HomeportError
from homeport.model.route import Route, RoutingTable

MARK = b"pl4inly-to-be-seen-9e1c"
SMALL, LARGE = MARK * 10, MARK * 300_000
"""200 bytes and 7 MB."""


async def echo(seen: Seen, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Out: %b\r\nContent-Length: %d\r\n\r\n" % (MARK, len(seen.body)))
    writer.write(seen.body)
    await writer.drain()
    return True


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    made = Agent(tmp_path / "agent.sock")
    made.behave = echo
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def gateway(tmp_path: Path, agent: Agent) -> AsyncIterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "home", HOMEPORT_JOURNAL_ENCRYPTION="on")
    await process.start()
    await process.control.put_routes(RoutingTable(1, (route_to(agent),), ()))
    yield process
    await process.end()
    process.close()


def route_to(agent: Agent) -> Route:
    return Route("default", "echo", "agt_1", f"unix:{agent.path}", "ins_1", ready=True)


async def post(gateway: GatewayProcess, body: bytes, key: str = "") -> Answer:
    headers = {"Idempotency_Key": key} if key else {}
    return await gateway.call(request("POST", "/agent/echo/x", body, token="", X_In=MARK.decode(), **headers), "POST")


async def fetched(gateway: GatewayProcess, request_id: str) -> Answer:
    return await gateway.call(request("GET", f"/requests/{request_id}/response", token=""))


async def stored(gateway: GatewayProcess, count: int) -> None:
    async def there() -> bool:
        return bool((await gateway.control.status())["requests"].get("completed", 0) >= count)

    await until(there)


def seen_in(home: Path) -> list[str]:
    return [str(file) for file in home.rglob("*") if file.is_file() and MARK in file.read_bytes()]


async def test_killed_in_the_middle_of_an_upload_nothing_of_it_is_left_and_all_else_is_read(
    gateway: GatewayProcess,
) -> None:
    told = {(await post(gateway, body)).get("x-homeport-request-id") or "": body for body in (SMALL, LARGE)}
    await stored(gateway, 2)
    client = await gateway.connect()
    whole = request("POST", "/agent/echo/x", LARGE, token="")
    client.send(whole[:-1_000_000])
    spool = gateway.home / "state" / "spool"
    await until(lambda: len(list(spool.iterdir())) == 3)
    await until(lambda: sum(file.stat().st_size for file in spool.iterdir()) > 2 * len(LARGE) + 2_000_000)
    assert seen_in(gateway.home) == []
    await gateway.end()
    client.close()
    assert seen_in(gateway.home) == []
    await gateway.start()
    assert len(list(spool.iterdir())) == 2
    for request_id, body in told.items():
        assert (await fetched(gateway, request_id)).body == body
    assert (await post(gateway, LARGE)).body == LARGE


async def test_killed_again_and_again_while_keys_are_made_every_answer_is_read(gateway: GatewayProcess) -> None:
    told: list[str] = []
    for turn in range(4):

        async def rotate() -> None:
            while True:
                await gateway.control.rotate_key()

        rotating = [asyncio.create_task(rotate()) for _ in range(3)]
        for number in range(10):
            answer = await post(gateway, SMALL, f"{turn}-{number}")
            told.append(answer.get("x-homeport-request-id") or "")
        await stored(gateway, len(told))
        await gateway.end()
        ended = await asyncio.gather(*rotating, return_exceptions=True)
        assert all(isinstance(error, HomeportError) for error in ended)
        await gateway.start()
    for request_id in told:
        assert (await fetched(gateway, request_id)).body == SMALL
    repeat = await post(gateway, SMALL, "0-0")
    assert (repeat.body, repeat.get("idempotent-replayed")) == (SMALL, "true")
    assert seen_in(gateway.home) == []


async def test_nothing_is_seen_in_any_file_of_the_home_and_the_key_is_in_none_in_clear(gateway: GatewayProcess) -> None:
    ids = [(await post(gateway, body, key)).get("x-homeport-request-id") for body, key in ((SMALL, "a"), (LARGE, "b"))]
    await stored(gateway, 2)
    (gateway.home / "state" / "backup-1").mkdir()
    await gateway.control.snapshot("backup-1")
    for request_id in ids:
        await gateway.control.request(request_id or "")
    assert seen_in(gateway.home) == []
    assert gateway.said() == ""


async def test_a_word_that_is_neither_on_nor_off_is_refused_at_the_start(tmp_path: Path) -> None:
    process = GatewayProcess(tmp_path / "home", HOMEPORT_JOURNAL_ENCRYPTION="yes please")
    status, said = await process.refuses()
    process.close()
    assert status == 2 and "HOMEPORT_JOURNAL_ENCRYPTION must be on or off" in said


async def test_the_command_makes_a_new_key(gateway: GatewayProcess) -> None:
    before = (await post(gateway, SMALL)).get("x-homeport-request-id") or ""
    await stored(gateway, 1)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "homeport", "server", "rotate", "journal-key", "--json"],
        env={"HOMEPORT_HOME": str(gateway.home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    assert len(json.loads(done.stdout)["key"]) == 16
    assert (await fetched(gateway, before)).body == SMALL
