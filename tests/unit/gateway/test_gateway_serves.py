# SPDX-License-Identifier: Apache-2.0
"""What callers of an agent see, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from gateway_rig import TOKEN, Rig, Seen, request, rig, until
from homeport.model.route import Grant


@pytest.fixture
async def house(tmp_path):
    async with rig(tmp_path) as made:
        yield made


async def test_a_request_reaches_the_agent_and_its_answer_comes_back(house: Rig) -> None:
    answer = await house.call("POST", "/agent/echo/v1/chat?x=1&y=%20", b"hello")
    assert answer.status == 200
    assert answer.json() == {"n": 1, "target": "/v1/chat?x=1&y=%20", "bytes": 5}
    seen = house.agent.seen[0]
    assert seen.body == b"hello"
    assert seen.get("x-homeport-token") == []
    assert seen.get("x-homeport-fence") == ["1"]
    assert seen.get("x-homeport-request-id") == [answer.get("x-homeport-request-id")]
    assert seen.get("x-forwarded-prefix") == ["/agent/echo"]
    assert seen.get("x-forwarded-for") == ["127.0.0.1"]


async def test_what_a_client_claims_about_itself_is_not_forwarded(house: Rig) -> None:
    claims = {"X_Forwarded_For": "9.9.9.9", "X_Homeport_Fence": "77", "X_Private": "1"}
    await house.call("GET", Connection="keep-alive", connection="X-Private", **claims)
    seen = house.agent.seen[0]
    assert seen.get("x-forwarded-for") == ["127.0.0.1"]
    assert seen.get("x-homeport-fence") == ["1"]
    assert seen.get("x-private") == []


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_without_a_valid_token_nothing_is_served(house: Rig, token: str) -> None:
    client = await house.connect()
    client.send(request(token=token))
    answer = await client.answer()
    assert answer.status == 401
    assert answer.json()["error"]["hint"]
    assert not house.agent.seen


async def test_a_token_opens_only_its_agents_until_it_expires(house: Rig) -> None:
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    await house.routes(house.route(), grants=(Grant(digest, "tok_1", "default", ("other",)),))
    assert (await house.call()).status == 403
    await house.routes(house.route(), grants=(Grant(digest, "tok_1", "default", ("echo",), expires_at_us=1),))
    assert (await house.call()).status == 401
    await house.routes(house.route(), grants=(Grant(digest, "tok_1", "elsewhere", ("*",)),))
    assert (await house.call()).status == 404


async def test_an_unknown_agent_is_a_404(house: Rig) -> None:
    assert (await house.call(path="/agent/nobody/x")).status == 404
    assert (await house.call(path="/elsewhere")).status == 404
    assert (await house.call(path="/_gateway/status")).status == 404


async def test_the_unix_listener_needs_no_token(house: Rig) -> None:
    client = await house.connect_unix()
    client.send(request(token=""))
    assert (await client.answer()).status == 200


async def test_pipelined_requests_are_answered_in_their_order(house: Rig) -> None:
    client = await house.connect()
    client.send(b"".join(request(path=f"/agent/echo/{n}") for n in range(20)))
    assert [(await client.answer()).json()["target"] for _ in range(20)] == [f"/{n}" for n in range(20)]


async def test_head_204_and_304_have_no_body_and_the_connection_lives_on(house: Rig) -> None:
    def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        status = seen.target.removeprefix("/")
        if status.isdigit():
            writer.write(f"HTTP/1.1 {status} Fine\r\nETag: x\r\n\r\n".encode())
            return True
        return False

    house.agent.behave = behave
    client = await house.connect()
    client.send(request("HEAD"))
    answer = await client.answer("HEAD")
    assert (answer.status, answer.get("content-length")) == (200, "35")
    for status in (204, 304):
        client.send(request(path=f"/agent/echo/{status}"))
        assert (await client.answer()).status == status
    client.send(request())
    assert (await client.answer()).status == 200


async def test_a_client_that_expects_100_continue_gets_it_before_it_sends_the_body(house: Rig) -> None:
    client = await house.connect()
    client.send(request("POST", Expect="100-continue", Content_Length="3"))
    assert (await client.answer()).status == 100
    client.send(b"abc")
    assert (await client.answer()).json()["bytes"] == 3


async def test_a_refused_client_that_expects_100_continue_never_sends_its_body(house: Rig) -> None:
    client = await house.connect()
    client.send(request("POST", token="wrong", Expect="100-continue", Content_Length="3"))
    assert (await client.answer()).status == 401
    assert await client.reader.read() == b""


@pytest.mark.parametrize("size", [0, 1, 2047, 2048, 262_144, 262_145, 3_000_000])
async def test_bodies_of_any_size_arrive_whole_both_ways(house: Rig, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]

    def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(seen.body) + seen.body)
        return True

    house.agent.behave = behave
    answer = await house.call("POST", body=body)
    assert answer.body == body
    request_id = answer.get("x-homeport-request-id")

    async def stored() -> bool:
        return (await house.call(path=f"/requests/{request_id}")).json()["state"] == "completed"

    await until(stored)
    again = await house.call(path=f"/requests/{request_id}/response")
    assert again.body == body


async def test_a_stream_comes_through_piece_by_piece(house: Rig) -> None:
    go_on = asyncio.Event()

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go_on.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
        return True

    house.agent.behave = behave
    client = await house.connect()
    client.send(request())
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert b"chunked" in head
    assert await client.reader.readexactly(10) == b"5\r\nfirst\r\n"
    go_on.set()
    assert await client.reader.readexactly(16) == b"6\r\nsecond\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "start", [b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n", b"Content-Length: 100\r\n\r\nfirst"]
)
async def test_a_response_cut_short_never_looks_whole(house: Rig, start: bytes) -> None:
    def behave(seen: Seen, writer: asyncio.StreamWriter) -> object:
        writer.write(b"HTTP/1.1 200 OK\r\n" + start)
        return asyncio.sleep(0.1, "bye")

    house.agent.behave = behave
    client = await house.connect()
    client.send(request("POST"))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await client.answer()

    async def judged() -> bool:
        return (await house.control.requests())[0]["state"] == "dead"

    await until(judged)
    [entry] = await house.control.requests()
    assert "outcome unknown" in entry["outcome"]


async def test_credentials_reach_the_agent_and_nobody_else(house: Rig) -> None:
    def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: s=SECRET3\r\nContent-Length: 0\r\n\r\n")
        return True

    house.agent.behave = behave
    answer = await house.call("GET", Authorization="Bearer SECRET1", Cookie="c=SECRET2", X_API_Key="SECRET4")
    assert answer.get("set-cookie") == "s=SECRET3"
    assert house.agent.seen[0].get("authorization") == ["Bearer SECRET1"]
    request_id = answer.get("x-homeport-request-id") or ""
    await until(lambda: _completed(house, request_id))
    shown = await house.control.request(request_id)
    assert "SECRET" not in str(shown)
    files = b"".join(path.read_bytes() for path in house.home.glob("journal.db*"))
    assert b"SECRET" not in files and b"s=SECRET" not in files
    again = await house.call(path=f"/requests/{request_id}/response")
    assert again.get("set-cookie") == "s=SECRET3"


async def _completed(house: Rig, request_id: str) -> bool:
    return (await house.control.request(request_id))["state"] == "completed"


async def test_numbers_are_there_for_prometheus(house: Rig) -> None:
    await house.call()
    await house.call(path="/agent/nobody/")
    text = await house.control.metrics()
    ended = 'homeport_gateway_requests_ended_total{namespace="default",agent="echo",outcome="completed",code="2xx"} 1'
    assert ended in text
    assert 'homeport_gateway_refused_total{reason="not_found",code="404"} 1' in text
    status = await house.control.status()
    assert status["routes"][0]["agent"] == "echo"


async def test_a_state_folder_with_a_very_long_name_is_no_problem(tmp_path) -> None:
    home = tmp_path / ("d" * 120)
    home.mkdir()
    async with rig(home) as house:
        assert (await house.call()).status == 200


async def test_a_slow_reader_gets_all_of_a_large_answer_and_holds_nobody_up(house: Rig) -> None:
    piece = bytes(range(256)) * 256

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        if seen.target != "/large":
            return False
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(piece) * 320))
        for _ in range(320):
            writer.write(piece)
            await writer.drain()
        return True

    house.agent.behave = behave
    client = await house.connect()
    client.send(request(path="/agent/echo/large"))
    await client.reader.readuntil(b"\r\n\r\n")
    client.writer.transport.pause_reading()
    for _ in range(5):
        assert (await house.call()).status == 200
        await asyncio.sleep(0.05)
    client.writer.transport.resume_reading()
    for _ in range(320):
        assert await client.reader.readexactly(len(piece)) == piece
    client.send(request())
    assert (await client.answer()).status == 200
    assert (await house.call()).status == 200
