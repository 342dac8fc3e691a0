# SPDX-License-Identifier: Apache-2.0
"""Bytes that two parsers could read in two ways are refused over a real socket, and the connection is closed."""

from __future__ import annotations

import asyncio

import pytest

from gateway_rig import TOKEN, Rig, request, rig, until
from homeport.gateway.sockets import clients

AUTH = f"Host: x\r\nX-Homeport-Token: {TOKEN}\r\n".encode()


@pytest.fixture
async def house(tmp_path):
    async with rig(tmp_path) as made:
        yield made


def post(extra: bytes, body: bytes = b"") -> bytes:
    return b"POST /agent/echo/ HTTP/1.1\r\n" + AUTH + extra + b"\r\n" + body


CORPUS = {
    "both length and coding": post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nGET /x"),
    "coding then length": post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    "two lengths": post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"abcdef"),
    "two equal lengths": post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"abcde"),
    "a list of lengths": post(b"Content-Length: 5, 5\r\n", b"abcde"),
    "a signed length": post(b"Content-Length: +5\r\n", b"abcde"),
    "a negative length": post(b"Content-Length: -5\r\n", b"abcde"),
    "a hexadecimal length": post(b"Content-Length: 0x5\r\n", b"abcde"),
    "an overflowing length": post(b"Content-Length: 99999999999999999999999\r\n"),
    "a folded header": post(b"X-A: b\r\n c: d\r\n"),
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    "a space before the colon": post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    "a header without a name": post(b": x\r\n"),
    "a header without a colon": post(b"nonsense\r\n"),
    "an unknown coding": post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "two codings": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "coding twice": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n"),
    "a vertical tab in the coding": post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
    "coding in HTTP/1.0": b"POST /agent/echo/ HTTP/1.0\r\n" + AUTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk size": post(b"Transfer-Encoding: chunked\r\n", b"zz\r\nab\r\n0\r\n\r\n"),
    "a signed chunk size": post(b"Transfer-Encoding: chunked\r\n", b"+2\r\nab\r\n0\r\n\r\n"),
    "a chunk longer than it says": post(b"Transfer-Encoding: chunked\r\n", b"2\r\nabc\r\n0\r\n\r\n"),
    "an overflowing chunk size": post(b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\nabc\r\n"),
    "a chunk ended by a bare LF": post(b"Transfer-Encoding: chunked\r\n", b"2\nab\n0\n\n"),
    "a bare CR in a header": post(b"X-A: b\rTransfer-Encoding: chunked\r\n"),
    "a NUL in a header": post(b"X-A: b\0c\r\n"),
    "lines ended by a bare LF": b"GET /agent/echo/ HTTP/1.1\nHost: x\nX-Homeport-Token: " + TOKEN.encode() + b"\n\n",
    "no host": b"GET /agent/echo/ HTTP/1.1\r\nX-Homeport-Token: " + TOKEN.encode() + b"\r\n\r\n",
    "two hosts": post(b"Host: y\r\n"),
    "an absolute target": b"GET http://x/agent/echo/ HTTP/1.1\r\n" + AUTH + b"\r\n",
    "a target that is no path": b"GET agent/echo/ HTTP/1.1\r\n" + AUTH + b"\r\n",
    "a wild byte in the target": b"GET /agent/echo/\xff HTTP/1.1\r\n" + AUTH + b"\r\n",
    "HTTP/0.9": b"GET /agent/echo/\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.7": b"GET /agent/echo/ HTTP/3.7\r\n" + AUTH + b"\r\n",
    "an unknown method": b"FROB /agent/echo/ HTTP/1.1\r\n" + AUTH + b"\r\n",
    "a tunnel": b"CONNECT x:1 HTTP/1.1\r\n" + AUTH + b"\r\n",
    "an upgrade with a body": post(b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n", b"ab"),
    "an unknown expectation": post(b"Expect: tea\r\nContent-Length: 2\r\n", b"ab"),
    "too many headers": post(b"".join(b"X-%d: y\r\n" % n for n in range(300))),
    "too much of headers": post(b"X-A: " + b"y" * 70_000 + b"\r\n"),
    "a body beyond the cap": post(b"Content-Length: 1073741825\r\n", b"abc"),
    "noise": bytes(range(1, 256)) * 4,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
}


@pytest.mark.parametrize("name", CORPUS)
async def test_a_doubtful_request_is_refused_and_what_follows_it_is_never_read(house: Rig, name: str) -> None:
    client = await house.connect()
    client.send(CORPUS[name] + request(path="/agent/echo/smuggled"))
    first = await client.answer()
    assert 400 <= first.status < 600
    assert first.get("connection") == "close"
    assert first.json()["error"]["message"]
    assert await client.reader.read() == b""
    assert house.agent.seen == []
    assert (await house.call()).status == 200


async def test_what_came_before_a_doubtful_request_is_still_answered(house: Rig) -> None:
    client = await house.connect()
    client.send(request(path="/agent/echo/good") + CORPUS["two lengths"])
    assert (await client.answer()).json()["target"] == "/good"
    assert (await client.answer()).status == 400
    assert [seen.target for seen in house.agent.seen] == ["/good"]


@pytest.mark.parametrize("step", [1, 3])
async def test_a_request_in_crumbs_is_the_same_request(house: Rig, step: int) -> None:
    client = await house.connect()
    raw = post(b"Transfer-Encoding: chunked\r\n", b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: y\r\n\r\n")
    for start in range(0, len(raw), step):
        client.send(raw[start : start + step])
        await asyncio.sleep(0)
    assert (await client.answer()).json()["bytes"] == 5
    assert house.agent.seen[0].get("x-trailer") == []


async def test_a_client_that_leaves_in_the_middle_of_a_request_leaves_nothing(house: Rig) -> None:
    client = await house.connect()
    client.send(request("POST", body=b"x" * 400_000)[:-1])
    await client.writer.drain()
    client.close()
    assert (await house.call()).status == 200
    assert len(await house.control.requests()) == 1
    await until(lambda: not list((house.home / "spool").iterdir()))


async def test_a_client_that_dawdles_is_told_so_and_an_idle_one_is_let_go(house: Rig, monkeypatch) -> None:
    for name in ("HEAD_S", "BODY_S", "IDLE_S"):
        monkeypatch.setattr(clients, name, 0.1)
    head, body, idle = [await house.connect() for _ in range(3)]
    head.send(b"GET /agent/echo/ HTTP/1.1\r\nHost:")
    body.send(request("POST", body=b"abc")[:-1])
    idle.send(request())
    assert (await idle.answer()).status == 200
    assert [(await client.answer()).status for client in (head, body)] == [408, 408]
    assert [await client.reader.read() for client in (head, body, idle)] == [b""] * 3
    assert len(house.agent.seen) == 1


async def test_a_head_that_never_ends_is_refused_at_its_cap(house: Rig) -> None:
    client = await house.connect()
    client.send(b"GET /agent/echo/ HTTP/1.1\r\nX-A: ")
    for _ in range(40):
        client.send(b"y" * 8192)
        await asyncio.sleep(0)
    assert (await client.answer()).status == 431


async def test_one_connection_carries_many_requests_with_large_heads(house: Rig) -> None:
    client = await house.connect()
    for _ in range(30):
        client.send(request(X_Large="y" * 20_000))
        assert (await client.answer()).status == 200
