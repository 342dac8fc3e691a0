# SPDX-License-Identifier: Apache-2.0
"""What clients and agents should not send: the client sees a clear answer or a cut, and both sides of the gateway agree
on where every message begins and ends. The agent here only records bytes and plays back what the test says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_rig import TOKEN, Answer, Client, Rig, request, rig, until
from homeport.gateway.sockets import clients
from homeport.gateway.sockets.addresses import listen_unix

AUTH = f"Host: x\r\nX-Homeport-Token: {TOKEN}\r\n".encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Recorder:
    """Keeps every byte of every connection; answers each head it finds with `script`."""

    def __init__(self) -> None:
        self.connections: list[bytearray] = []
        self.script: bytes = OK
        self.then = ""
        """What it does after its first answer: "eof", "reset" or nothing."""
        self._writers: list[asyncio.StreamWriter] = []

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = bytearray()
        self.connections.append(mine)
        self._writers.append(writer)
        answered = 0
        try:
            while data := await reader.read(65536):
                mine += data
                while self.messages(mine) > answered:
                    answered += 1
                    writer.write(self.script)
                    if self.then == "eof":
                        writer.write_eof()
                    elif self.then == "reset":
                        writer.transport.abort()
        except ConnectionError:
            pass

    @staticmethod
    def messages(raw: bytes) -> int:
        return len(re.findall(rb"\r\n\r\n", raw))

    def heads(self) -> list[str]:
        """The first line of every request, in whatever connection it came, read as strictly as can be."""
        found = []
        for raw in self.connections:
            rest = bytes(raw)
            while rest:
                head, border, rest = rest.partition(b"\r\n\r\n")
                assert border, "half a head was sent"
                lines = head.split(b"\r\n")
                assert all(b"\n" not in line and b"\r" not in line and b"\0" not in line for line in lines)
                names = [line.partition(b":")[0].lower() for line in lines[1:]]
                assert b"transfer-encoding" not in names
                assert names.count(b"content-length") <= 1
                length = next((int(line[15:]) for line in lines[1:] if line.lower().startswith(b"content-length:")), 0)
                assert len(rest) >= length, "less body than announced"
                rest = rest[length:]
                found.append(lines[0].decode())
        return found

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[tuple[Rig, Recorder]]:
    recorder = Recorder()
    async with rig(tmp_path) as made:
        server = await asyncio.start_unix_server(recorder.client, sock=listen_unix(tmp_path / "raw.sock"))
        await made.routes(made.route(endpoint=f"unix:{tmp_path}/raw.sock"))
        yield made, recorder
        recorder.close()
        server.close()


def post(extra: bytes, body: bytes = b"") -> bytes:
    return b"POST /agent/echo/ HTTP/1.1\r\n" + AUTH + extra + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = request(path="/agent/echo/smuggled")
REFUSED = {
    "CL.TE": post(b"Content-Length: 6\r\n" + CHUNKED, b"0\r\n\r\nG" + SMUGGLED),
    "TE.CL": post(CHUNKED + b"Content-Length: 4\r\n", b"5c\r\n" + SMUGGLED + b"0\r\n\r\n"),
    "TE.TE, the second unknown": post(CHUNKED + b"Transfer-Encoding: cow\r\n", b"0\r\n\r\n"),
    "TE.TE, the first unknown": post(b"Transfer-Encoding: cow\r\n" + CHUNKED, b"0\r\n\r\n"),
    "a coding in quotes": post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    "a coding with a parameter": post(b"Transfer-Encoding: chunked;q=1\r\n", b"0\r\n\r\n"),
    "a coding behind a comma": post(b"Transfer-Encoding: ,chunked\r\n", b"0\r\n\r\n"),
    "identity": post(b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n", b"abc"),
    "a coding with a NUL": post(b"Transfer-Encoding: chunked\0\r\n", b"0\r\n\r\n"),
    "a tab before the colon": post(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n"),
    "a bare CR before the coding": post(b"X: y\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "a bare LF before the coding": post(b"X: y\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "a folded length": post(b"Content-Length:\r\n 3\r\n", b"abc"),
    "a fold behind the request line": b"GET /agent/echo/ HTTP/1.1\r\n X: y\r\n" + AUTH + b"\r\n",
    "a length with an underscore": post(b"Content-Length: 1_0\r\n", b"0123456789"),
    "a length with a fraction": post(b"Content-Length: 3.0\r\n", b"abc"),
    "an empty length": post(b"Content-Length:\r\n", b"abc"),
    "a length with another digit": post("Content-Length: ٣\r\n".encode(), b"abc"),
    "a chunk size with 0x": post(CHUNKED, b"0x3\r\nabc\r\n0\r\n\r\n"),
    "a chunk size with an underscore": post(CHUNKED, b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n"),
    "a space before a chunk size": post(CHUNKED, b" 3\r\nabc\r\n0\r\n\r\n"),
    "a negative chunk size": post(CHUNKED, b"-3\r\nabc\r\n0\r\n\r\n"),
    "an empty chunk size": post(CHUNKED, b"\r\nabc\r\n0\r\n\r\n"),
    "an extension ended by a bare LF": post(CHUNKED, b"3;a\nabc\r\n0\r\n\r\n"),
    "an extension with a bare CR": post(CHUNKED, b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    "a chunk without its CRLF": post(CHUNKED, b"3\r\nabc0\r\n\r\n"),
    "a last chunk ended by a bare LF": post(CHUNKED, b"3\r\nabc\r\n0\n\r\n"),
    "a trailer with a NUL": post(CHUNKED, b"3\r\nabc\r\n0\r\nX: a\0b\r\n\r\n"),
    "a folded trailer": post(CHUNKED, b"3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n"),
    "an absolute form": b"GET http://127.0.0.1/agent/echo/ HTTP/1.1\r\n" + AUTH + b"\r\n",
    "an authority form": b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + AUTH + b"\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\n" + AUTH + b"\r\n",
    "a space in the target": b"GET /agent/echo/ x HTTP/1.1\r\n" + AUTH + b"\r\n",
    "a NUL in the target": b"GET /agent/echo/\0 HTTP/1.1\r\n" + AUTH + b"\r\n",
    "a CR in the target": b"GET /agent/echo/\rX HTTP/1.1\r\n" + AUTH + b"\r\n",
    "a lower-case protocol": b"GET /agent/echo/ http/1.1\r\n" + AUTH + b"\r\n",
    "HTTP/1.2": b"GET /agent/echo/ HTTP/1.2\r\n" + AUTH + b"\r\n",
    "a method with a colon": b"GET: /agent/echo/ HTTP/1.1\r\n" + AUTH + b"\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "10,000 headers": b"GET /agent/echo/ HTTP/1.1\r\n" + AUTH + b"A: b\r\n" * 10_000 + b"\r\n",
    "a head of 1 MB": b"GET /agent/echo/ HTTP/1.1\r\n" + AUTH + b"A: " + b"b" * 2**20 + b"\r\n\r\n",
    "a target of 1 MB": b"GET /agent/echo/" + b"a" * 2**20 + b" HTTP/1.1\r\n" + AUTH + b"\r\n",
    "an endless chunk extension": post(CHUNKED, b"3;" + b"x" * 2**18),
    "an endless trailer": post(CHUNKED, b"3\r\nabc\r\n0\r\nX: " + b"x" * 2**18),
    "endlessly many trailers": post(CHUNKED, b"3\r\nabc\r\n0\r\n" + b"X: y\r\n" * 50_000),
    "chunks that are all extension": post(CHUNKED, (b"1;" + b"x" * 1000 + b"\r\na\r\n") * 500),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_request_of_two_meanings_is_refused_and_the_agent_never_hears_of_it(house, name: str) -> None:
    made, recorder = house
    client = await made.connect()
    client.send(REFUSED[name])
    await asyncio.sleep(0)
    client.send(SMUGGLED)
    answer = await client.answer()
    assert answer.status in (400, 414, 417, 431, 501, 505)
    assert answer.get("connection") == "close"
    assert await _to_the_end(client) == b""
    assert recorder.heads() == []


async def _to_the_end(client: Client) -> bytes:
    try:
        return await client.reader.read()
    except ConnectionError:
        return b""


ACCEPTED = {
    "extensions and trailers": (post(CHUNKED, b"3;a=b\r\nabc\r\n0\r\nX-Trailer: y\r\n\r\n"), 3),
    "a chunk size with zeros before it": (post(CHUNKED, b"0003\r\nabc\r\n0\r\n\r\n"), 3),
    "a coding in capitals": (post(b"Transfer-Encoding: Chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"), 3),
    "a length with zeros before it": (post(b"Content-Length: 003\r\n", b"abc"), 3),
    "a body that looks like a request": (post(b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED), len(SMUGGLED)),
    "two spaces in its first line": (post(b"Content-Length: 3\r\n", b"abc").replace(b" ", b"  ", 1), 3),
    "an empty line before it": (b"\r\n" + post(b"Content-Length: 3\r\n", b"abc"), 3),
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_an_odd_request_reaches_the_agent_with_one_length(house, name: str) -> None:
    made, recorder = house
    raw, size = ACCEPTED[name]
    client = await made.connect()
    client.send(raw + request(path="/agent/echo/next"))
    assert (await client.answer()).status == 200
    assert (await client.answer()).status == 200
    assert recorder.heads() == ["POST / HTTP/1.1", "GET /next HTTP/1.1"], "written anew, whatever the spaces were"
    assert b"Content-Length: %d\r\n" % size in recorder.connections[0]


async def test_a_refused_one_in_the_middle_of_a_pipeline_is_answered_in_its_place(house) -> None:
    made, recorder = house
    client = await made.connect()
    refused = request(path="/agent/nobody/")
    client.send(request(path="/agent/echo/1") + refused + request(path="/agent/echo/2") + REFUSED["CL.TE"])
    assert [(await client.answer()).status for _ in range(4)] == [200, 404, 200, 400]
    assert await _to_the_end(client) == b""
    assert recorder.heads() == ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1"]


async def test_names_in_connection_and_copies_of_our_headers_do_not_reach_the_agent(house) -> None:
    made, recorder = house
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await made.call(
        Connection="X-Secret, keep-alive", X_Secret="1", X_Homeport_Fence="9", X_Homeport_Request_Id="req_mine",
        X_Forwarded_For="1.2.3.4", Traceparent=trace, Tracestate="a=b", X_Request_Id="theirs", TE="trailers",
    )  # fmt: skip
    sent = bytes(recorder.connections[0]).lower()
    assert b"x-secret" not in sent
    assert b"\r\nte:" not in sent
    assert b"1.2.3.4" not in sent
    assert b"traceparent: " + trace.encode() in sent
    assert b"tracestate: a=b" in sent
    assert b"x-request-id: theirs" in sent
    assert sent.count(b"x-homeport-fence:") == sent.count(b"x-homeport-request-id:") == 1
    assert answer.get("x-homeport-request-id").encode() in sent
    assert b"traceparent" not in bytes(recorder.connections[0]).replace(b"Traceparent", b"").lower()


async def test_slow_bytes_end_in_a_408_and_never_at_the_agent(house, monkeypatch) -> None:
    made, recorder = house
    for name in ("HEAD_S", "BODY_S"):
        monkeypatch.setattr(clients, name, 0.5)
    head, body = await made.connect(), await made.connect()
    body.send(post(b"Content-Length: 100000\r\n"))
    head.send(b"GET /agent/echo/ HTTP/1.1\r\n")

    async def drip(client: Client, piece: bytes) -> None:
        try:
            for _ in range(1000):
                client.send(piece)
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass

    drips = [asyncio.ensure_future(drip(head, b"A: b\r\n")), asyncio.ensure_future(drip(body, b"a"))]
    try:
        assert (await head.answer()).status == 408
        assert (await body.answer()).status == 408
    finally:
        for one in drips:
            one.cancel()
    assert recorder.heads() == []


BROKEN_ANSWERS = {
    "noise": bytes(range(1, 256)),
    "nothing but a line": b"HTTP/1.1 200 OK\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "both length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + CHUNKED + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "an overflowing length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok",
    "an unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: cow\r\n\r\nok",
    "a folded header": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "a bare CR in a header": b"HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: c\r\nContent-Length: 2\r\n\r\nok",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "a bad status": b"HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/2": b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "an unasked switch of protocols": b"HTTP/1.1 101 Sure\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "too much of headers": b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 2**18 + b"\r\n\r\n",
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000,
    "endless promises": b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000,
    "nothing": b"",
}


@pytest.mark.parametrize("then", ["eof", "reset"])
@pytest.mark.parametrize("name", BROKEN_ANSWERS)
async def test_a_broken_answer_is_a_502_and_a_dead_letter(house, name: str, then: str) -> None:
    made, recorder = house
    recorder.script, recorder.then = BROKEN_ANSWERS[name], then
    answer = await made.call("POST", body=b"x")
    assert answer.status == 502, answer
    assert answer.json()["status"] == "dead"
    assert "outcome unknown" in answer.json()["error"]["message"]
    assert len(recorder.heads()) == 1


CUT_ANSWERS = {
    "short of its length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n",
    "a chunk longer than it says": b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n2\r\nok!!\r\n0\r\n\r\n",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "an endless trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: " + b"y" * 2**19,
    "an endless extension": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2;" + b"y" * 2**19,
}


@pytest.mark.parametrize("name", CUT_ANSWERS)
async def test_an_answer_that_breaks_in_the_middle_never_looks_whole(house, name: str) -> None:
    made, recorder = house
    recorder.script, recorder.then = CUT_ANSWERS[name], "eof"
    client = await made.connect()
    client.send(request("POST", body=b"x"))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ValueError)):
        await client.answer()
    await until(lambda: _dead(made))


async def _dead(made: Rig) -> bool:
    return [entry["state"] for entry in await made.control.requests()] == ["dead"]


WHOLE_ANSWERS = {
    "promises first": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, 200, b"ok"),
    "a 417": (b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno", 417, b"no"),
    "a 204 with a length": (b"HTTP/1.1 204 None\r\nContent-Length: 2\r\n\r\n", 204, b""),
    "a 204 with a body": (b"HTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 204, b""),
    "a 304 with a body": (b"HTTP/1.1 304 Same\r\nContent-Length: 4\r\n\r\nevil", 304, b""),
    "two answers": (OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 200, b"ok"),
    "more than its length": (OK + b"HTTP/1.1 evil", 200, b"ok"),
    "chunks and trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nX-Evil: 1\r\n\r\n", 200, b"ok",
    ),
    "our own header": (b"HTTP/1.1 200 OK\r\nX-Homeport-Request-Id: evil\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    "an upgrade offered": (
        b"HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok", 200, b"ok",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE_ANSWERS)
async def test_what_comes_beyond_an_answer_is_never_the_answer_to_the_next_request(house, name: str) -> None:
    made, recorder = house
    recorder.script, status, body = WHOLE_ANSWERS[name]
    client = await made.connect()
    seen: list[Answer] = []
    for _ in range(3):
        client.send(request())
        seen.append(await client.answer())
    assert [(one.status, one.body) for one in seen] == [(status, body)] * 3
    assert len({one.get("x-homeport-request-id") for one in seen}) == 3
    assert all(len([1 for key, _ in one.headers if key.lower() == "x-homeport-request-id"]) == 1 for one in seen)
    assert not any(one.get("x-evil") or one.get("link") for one in seen)
    assert len(recorder.heads()) == 3


async def test_a_head_with_a_body_does_not_shift_the_answers_after_it(house) -> None:
    made, recorder = house
    client = await made.connect()
    for _ in range(2):
        client.send(request("HEAD"))
        head = await client.answer("HEAD")
        assert (head.status, head.get("content-length")) == (200, "2")
        client.send(request())
        assert (await client.answer()).body == b"ok"
    assert len(recorder.heads()) == 4


async def test_an_answer_before_the_body_was_read_ends_that_connection_only(house) -> None:
    made, recorder = house
    recorder.script = b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno"
    client = await made.connect()
    client.send(request("POST", body=b"x" * 3_000_000))
    assert (await client.answer()).status == 413
    recorder.script = OK
    client.send(request())
    assert (await client.answer()).body == b"ok"
    assert len(recorder.connections) == 2


async def test_a_client_that_half_closes_still_gets_its_answer(house) -> None:
    made, _ = house
    client = await made.connect()
    client.send(request())
    client.writer.write_eof()
    assert (await client.answer()).body == b"ok"
    assert await _to_the_end(client) == b""
