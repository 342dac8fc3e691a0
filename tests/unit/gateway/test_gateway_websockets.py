# SPDX-License-Identifier: Apache-2.0
"""A WebSocket through the gateway, by a real library at both ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway_rig import TOKEN, Rig, request, rig, until
from homeport.gateway import tunnels
from homeport.gateway.core.access import Routes
from homeport.gateway.sockets import tunnel
from homeport.model.request import TUNNEL, Body, RequestState, StoredRequest
from homeport.model.route import Route, RoutingTable
from homeport.model.workload import Delivery

pytest.importorskip("websockets", reason="both ends are the real library: pip install -r requirements/dev.txt")

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus


class Chat:
    """An agent that echoes; `large` answers with as many bytes as it is told, `bye` closes in order."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.closed: list[tuple[int | None, str | None]] = []

    async def handle(self, connection: ServerConnection) -> None:
        self.requests.append(connection.request)
        try:
            async for message in connection:
                if message == "bye":
                    await connection.close(4001, "as you wish")
                elif isinstance(message, str) and message.startswith("large "):
                    await connection.send(b"\0" * int(message.split()[1]))
                else:
                    await connection.send(message)
        except ConnectionClosed:
            pass
        self.closed.append((connection.close_code, connection.close_reason))


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[tuple[Rig, Chat]]:
    chat = Chat()
    async with (
        rig(tmp_path) as made,
        unix_serve(chat.handle, str(tmp_path / "ws.sock"), max_size=2**26, ping_interval=None),
    ):
        await made.routes(made.route(), made.route(agent="chat", endpoint=f"unix:{tmp_path}/ws.sock"))
        yield made, chat


def to(made: Rig, path: str = "/agent/chat/room?x=1", **options: Any) -> connect:
    headers = {"X-Homeport-Token": TOKEN, "X-Request-Id": "mine"}
    options = {"additional_headers": headers, "proxy": None, "ping_interval": None, "max_size": 2**26} | options
    return connect(f"ws://127.0.0.1:{made.port}{path}", **options)


async def states(made: Rig) -> list[tuple[str, str, int | None]]:
    return [(entry["method"], entry["state"], entry["status"]) for entry in await made.control.requests()]


async def test_messages_pass_both_ways_and_the_journal_has_the_handshake(house) -> None:
    made, chat = house
    async with to(made) as ws:
        for message in ("hello", b"\1\2", "x" * 70_000, b"y" * 3_000_000, ""):
            await ws.send(message)
            assert await ws.recv() == message
        assert ws.protocol.extensions, "compression was agreed end to end"
        assert await states(made) == [("CONNECT", "in_flight", None)]
        assert 'websockets_open{namespace="default",agent="chat"} 1' in await made.control.metrics()
    [seen] = chat.requests
    assert seen.path == "/room?x=1"
    assert seen.headers["X-Forwarded-Prefix"] == "/agent/chat"
    assert seen.headers["X-Request-Id"] == "mine"
    assert "X-Homeport-Token" not in seen.headers
    request_id = ws.response.headers["X-Homeport-Request-Id"]
    assert seen.headers["X-Homeport-Request-Id"] == request_id
    await until(lambda: _is(made, [("CONNECT", "completed", 101)]))
    assert (await made.control.request(request_id))["id"] == request_id
    metrics = await made.control.metrics()
    assert 'websockets_open{namespace="default",agent="chat"} 0' in metrics
    assert 'websockets_opened_total{namespace="default",agent="chat"} 1' in metrics


async def _is(made: Rig, wanted: list[tuple[str, str, int | None]]) -> bool:
    return await states(made) == wanted


async def test_a_close_of_either_side_is_seen_by_the_other_with_its_code(house) -> None:
    made, chat = house
    async with to(made) as ws:
        await ws.send("bye")
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert (ws.close_code, ws.close_reason) == (4001, "as you wish")
    async with to(made) as ws:
        await ws.close(4002, "enough")
    await until(lambda: (4002, "enough") in chat.closed)
    await until(lambda: _is(made, [("CONNECT", "completed", 101)] * 2))


async def test_an_instance_that_ends_is_never_a_close_in_order(house) -> None:
    made, _ = house
    async with to(made) as ws:
        await ws.send("x")
        await ws.recv()
        await made.routes(made.route(), made.route(agent="chat", instance="ins_2", ready=False, reason="crashed"))
        with pytest.raises(ConnectionClosedError):
            await ws.recv()
        assert ws.close_code == 1006
    await until(lambda: _is(made, [("CONNECT", "failed", None)]))
    assert "the WebSocket was cut" in (await made.control.requests())[0]["outcome"]
    with pytest.raises(InvalidStatus) as refused:
        await to(made)
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"]
    assert b"crashed" in refused.value.response.body


async def test_an_agent_that_ends_without_a_close_frame_has_cut_it(house, tmp_path) -> None:
    made, _ = house

    async def rude(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.write_eof()
        await connection.wait_closed()

    async with unix_serve(rude, str(tmp_path / "rude.sock")):
        await made.routes(made.route(agent="rude", endpoint=f"unix:{tmp_path}/rude.sock"))
        async with to(made, "/agent/rude/") as ws:
            await ws.send("x")
            with pytest.raises(ConnectionClosedError):
                await ws.recv()
            assert ws.close_code == 1006
        await until(lambda: _is(made, [("CONNECT", "failed", None)]))


async def test_it_is_never_sent_again(house) -> None:
    made, chat = house
    async with to(made) as ws:
        request_id = ws.response.headers["X-Homeport-Request-Id"]
    await until(lambda: _is(made, [("CONNECT", "completed", 101)]))
    with pytest.raises(Exception, match="never sent again"):
        await made.control.replay(request_id)
    assert len(chat.requests) == 1
    assert (await made.call(path=f"/requests/{request_id}/response")).status == 410


def test_one_that_was_open_when_its_gateway_died_has_failed_whatever_its_agent_declares() -> None:
    routes = Routes()
    routes.replace(RoutingTable(1, (Route("default", "chat", "agt_1", delivery=Delivery.AT_LEAST_ONCE),), ()))
    held = StoredRequest(
        "req_1", "default", "chat", TUNNEL, "/", (), Body(), RequestState.IN_FLIGHT, accepted_at_us=0, attempts=1
    )
    verdict = routes.verdict_on(held, "the gateway was restarted")
    assert verdict.state is RequestState.FAILED
    assert "was cut: the gateway was restarted" in verdict.outcome


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [("/agent/chat/", "", 401), ("/agent/chat/", "wrong", 401), ("/agent/nobody/", TOKEN, 404)],
)
async def test_a_refusal_is_an_answer_before_the_upgrade(house, path: str, token: str, status: int) -> None:
    made, chat = house
    with pytest.raises(InvalidStatus) as refused:
        await to(made, path, additional_headers={"X-Homeport-Token": token} if token else {})
    assert refused.value.response.status_code == status
    assert b"error" in refused.value.response.body
    assert chat.requests == []


async def test_what_the_agent_answers_instead_comes_through_and_is_kept(house) -> None:
    made, _ = house  # the plain agent knows no WebSocket: it answers 200
    with pytest.raises(InvalidStatus) as refused:
        await to(made, "/agent/echo/")
    assert refused.value.response.status_code == 200
    assert b'"target"' in refused.value.response.body
    await until(lambda: _is(made, [("CONNECT", "completed", 200)]))


async def test_an_agent_that_is_gone_is_a_502_and_nothing_waits(house) -> None:
    made, _ = house
    await made.agent.stop()
    with pytest.raises(InvalidStatus) as refused:
        await to(made, "/agent/echo/")
    assert refused.value.response.status_code == 502
    await until(lambda: _is(made, [("CONNECT", "failed", None)]))


async def test_an_agent_that_does_not_answer_the_handshake_is_not_waited_for_forever(house, monkeypatch) -> None:
    made, _ = house
    monkeypatch.setattr(tunnels, "HANDSHAKE_S", 0.1)
    made.agent.behave = lambda seen, writer: True
    with pytest.raises(InvalidStatus) as refused:
        await to(made, "/agent/echo/")
    assert refused.value.response.status_code == 502


async def test_a_gateway_that_stops_says_so_between_two_frames(house) -> None:
    made, chat = house
    async with to(made) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"
        loop = made.gateway._tickers[0].get_loop()
        loop.call_soon_threadsafe(made.gateway._tunnels.drain)
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert ws.close_code == 1001
    await until(lambda: chat.closed)
    assert chat.closed[0][0] == 1001
    await until(lambda: _is(made, [("CONNECT", "failed", None)]))


async def test_a_token_that_is_taken_away_ends_what_it_opened(house) -> None:
    made, _ = house
    async with to(made) as ws:
        await ws.send("x")
        await ws.recv()
        await made.routes(made.route(agent="chat", endpoint=f"unix:{made.home}/ws.sock"), grants=())
        with pytest.raises(ConnectionClosedError):
            await ws.recv()
        assert ws.close_code == 1006


async def test_one_that_is_silent_for_long_is_ended(house, monkeypatch) -> None:
    made, _ = house
    monkeypatch.setattr(tunnel, "QUIET_S", 0.1)
    async with to(made) as ws:
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        assert ws.close_code == 1001


async def test_a_side_that_does_not_read_holds_the_other_back(house, tmp_path) -> None:
    made, _ = house
    sent = 0

    async def pour(connection: ServerConnection) -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionClosed):
            for _ in range(400):
                await connection.send(b"\0" * 65536)
                sent += 1

    async with unix_serve(pour, str(tmp_path / "pour.sock"), compression=None, ping_interval=None):
        await made.routes(made.route(agent="pour", endpoint=f"unix:{tmp_path}/pour.sock"))
        async with to(made, "/agent/pour/", max_queue=1, compression=None) as ws:
            before = -1
            while sent != before:  # until it is held back
                before = sent
                await asyncio.sleep(0.2)
            assert sent < 390
            for _ in range(400):
                assert len(await ws.recv()) == 65536


async def test_what_is_pipelined_before_it_is_answered_before_it(house) -> None:
    made, _ = house
    client = await made.connect()
    upgrade = request(
        path="/agent/chat/", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==",
    )  # fmt: skip
    hello = b"\x81\x85\0\0\0\0hello"
    client.send(request(path="/agent/echo/first") + upgrade + hello)
    assert (await client.answer()).json()["target"] == "/first"
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert await client.reader.readexactly(7) == b"\x81\x05hello"
    client.send(request(path="/agent/echo/smuggled"))
    await client.reader.read()
    client.close()
    assert all(seen.target != "/smuggled" for seen in made.agent.seen)


async def test_an_upgrade_that_is_no_handshake_is_refused(house) -> None:
    made, chat = house
    for raw in (
        request("POST", "/agent/chat/", b"xx", Connection="Upgrade", Upgrade="websocket"),
        request("GET", "/agent/chat/", b"xx", Connection="Upgrade", Upgrade="websocket"),
        request("GET", "/agent/chat/", Connection="Upgrade", Upgrade="websocket", Transfer_Encoding="chunked"),
    ):
        client = await made.connect()
        client.send(raw)
        assert (await client.answer()).status == 400
        assert await client.reader.read() == b""
    assert chat.requests == []


async def test_an_answer_that_only_looks_like_a_101_is_none(house) -> None:
    made, _ = house
    for answer in (
        b"HTTP/1.1 101 Yes\r\n\r\n",
        b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 101 \r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        made.agent.behave = lambda seen, writer, answer=answer: writer.write(answer) or True
        with pytest.raises(InvalidStatus) as refused:
            await to(made, "/agent/echo/")
        assert refused.value.response.status_code == 502
