# SPDX-License-Identifier: Apache-2.0
"""Event streams: a client that comes back gets the rest, or is told why not; never an end that is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway_rig import Answer, Client, Rig, Seen, request, rig, until
from homeport.gateway import delivery
from homeport.gateway.core.events import EventLimits, EventLog, EventSplitter, event_id, offset_after

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(n: int) -> bytes:
    return b"id: %d\ndata: event %d\n\n" % (n, n)


class Ticker:
    """An agent whose streams send what the test says, and end as it says."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.targets: list[str] = []

    def behave(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        self.targets.append(seen.target)
        writer.write(HEAD)
        self.writers.append(writer)
        return True

    def say(self, *numbers: int, which: int = -1) -> None:
        for n in numbers:
            self.writers[which].write(chunk(event(n)))

    def end(self, which: int = -1) -> None:
        self.writers[which].write(b"0\r\n\r\n")


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[tuple[Rig, Ticker]]:
    async with rig(tmp_path) as made:
        ticker = Ticker()
        made.agent.behave = ticker.behave
        yield made, ticker


class Stream:
    def __init__(self, client: Client, head: dict[str, str], status: int) -> None:
        self.client = client
        self.head = head
        self.status = status

    async def event(self) -> bytes:
        size = int(await self.client.reader.readuntil(b"\r\n"), 16)
        return (await self.client.reader.readexactly(size + 2))[:-2]

    async def rest(self) -> bytes:
        """To the last chunk; raises IncompleteReadError or ConnectionError where it is cut."""
        found = b""
        while piece := await self.event():
            found += piece
        return found


async def begin(made: Rig, method: str = "GET", path: str = "/agent/echo/ticks", **headers: str) -> Stream:
    client = await made.connect()
    client.send(request(method, path, **headers))
    lines = (await client.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    return Stream(client, head, int(lines[0].split()[1]))


async def test_who_comes_back_with_the_last_event_gets_the_next_ones_and_the_live_rest(house) -> None:
    made, ticker = house
    first = await _started(made, ticker, 1, 2, 3)
    first.client.close()
    ticker.say(4, 5)
    name = first.head["x-homeport-request-id"]
    await until(lambda: _holds(made, name, 5))
    for path, headers in ((f"/requests/{name}", {}), ("/agent/echo/ticks", {"X_Homeport_Request_Id": name})):
        second = await begin(made, path=path, Last_Event_ID="3", **headers)
        assert second.status == 200
        assert second.head["content-type"].startswith("text/event-stream")
        assert second.head["x-homeport-request-id"] == name
        assert [await second.event(), await second.event()] == [event(4), event(5)]
        if headers:
            ticker.say(6)
            assert await second.event() == event(6)
            ticker.end()
            assert await second.rest() == b""
        second.client.close()
    assert ticker.targets == ["/ticks"], "the agent was asked once"
    await until(lambda: _state(made, name, "completed"))
    stored = await made.call(path=f"/requests/{name}", Last_Event_ID="2")
    assert stored.body == b"".join(event(n) for n in (3, 4, 5, 6))
    assert (await made.call(path=f"/requests/{name}", Last_Event_ID="6")).body == b""
    whole = await made.call(path=f"/requests/{name}/response")
    assert whole.body == b"".join(event(n) for n in range(1, 7))


async def _started(made: Rig, ticker: Ticker, *numbers: int, method: str = "GET", **headers: str) -> Stream:
    beginning = asyncio.ensure_future(begin(made, method, **headers))
    await until(lambda: ticker.writers)
    ticker.say(*numbers)
    stream = await beginning
    for n in numbers:
        assert event(n) in await stream.event()
    return stream


def _holds(made: Rig, name: str, last: int) -> bool:
    live = made.gateway._tools.live.get(name)
    return live is not None and live.log.after(b"%d" % last) is not None


async def _state(made: Rig, name: str, state: str) -> bool:
    return (await made.control.request(name))["state"] == state


async def test_a_key_and_the_last_event_are_enough(house) -> None:
    made, ticker = house
    first = await _started(made, ticker, 1, 2, method="POST", Idempotency_Key="k")
    first.client.close()
    second = await begin(made, "POST", Idempotency_Key="k", Last_Event_ID="1")
    assert await second.event() == event(2)
    ticker.end()
    assert await second.rest() == b""
    await until(lambda: _state(made, first.head["x-homeport-request-id"], "completed"))
    third = await made.call("POST", "/agent/echo/ticks", Idempotency_Key="k", Last_Event_ID="1")
    assert third.body == event(2)
    assert len(ticker.targets) == 1


def _says(answer: Answer, status: int, words: str) -> None:
    assert (answer.status, words in answer.json()["error"]["message"]) == (status, True), answer


async def test_an_event_that_is_not_held_is_an_error_and_not_an_empty_stream(house) -> None:
    made, ticker = house
    first = await _started(made, ticker, 1)
    name = first.head["x-homeport-request-id"]
    _says(await made.call(path=f"/requests/{name}", Last_Event_ID="77"), 410, "'77'")
    _says(await made.call(path="/agent/echo/ticks", X_Homeport_Request_Id="req_no", Last_Event_ID="1"), 404, "no such")
    ticker.end()
    assert await first.rest() == b""
    await until(lambda: _state(made, name, "completed"))
    _says(await made.call(path=f"/requests/{name}", Last_Event_ID="77"), 410, "'77'")
    made.agent.behave = None
    plain = await made.call()
    name = plain.get("x-homeport-request-id")
    await until(lambda: _state(made, name, "completed"))
    _says(await made.call(path=f"/requests/{name}", Last_Event_ID="1"), 409, "no event stream")


async def test_a_stream_that_was_cut_says_so_to_whoever_reads_it_and_whoever_comes_back(house) -> None:
    made, ticker = house
    first = await _started(made, ticker, 1, method="POST")
    name = first.head["x-homeport-request-id"]
    second = await begin(made, path=f"/requests/{name}", Last_Event_ID="1")
    ticker.writers[-1].transport.abort()
    for stream in (first, second):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await stream.rest()
    await until(lambda: _state(made, name, "dead"))
    _says(await made.call(path=f"/requests/{name}", Last_Event_ID="1"), 410, "was cut")


async def test_a_second_attempt_is_never_spliced_to_the_first(house) -> None:
    made, ticker = house
    first = await _started(made, ticker, 1)
    name = first.head["x-homeport-request-id"]
    ticker.writers[-1].transport.abort()
    await until(lambda: len(ticker.writers) == 2)
    ticker.say(1, 2)
    await until(lambda: _holds(made, name, 2))
    _says(await made.call(path=f"/requests/{name}", Last_Event_ID="1"), 409, "begun anew")
    ticker.end()
    await until(lambda: _state(made, name, "completed"))
    _says(await made.call(path=f"/requests/{name}", Last_Event_ID="1"), 409, "begun anew")


async def test_of_a_very_long_stream_the_end_is_kept_and_that_is_said(house) -> None:
    made, ticker = house
    made.gateway._tools.event_limits = EventLimits(events=10, held=1000, stored=500)
    first = await _started(made, ticker, *range(50))
    name = first.head["x-homeport-request-id"]
    await until(lambda: _holds(made, name, 49))
    _says(await made.call(path=f"/requests/{name}", Last_Event_ID="3"), 410, "'3'")
    ticker.end()
    assert await first.rest() == b""
    await until(lambda: _state(made, name, "completed"))
    _says(await made.call(path=f"/requests/{name}/response"), 410, "only the end")
    kept = await made.call(path=f"/requests/{name}", Last_Event_ID="45")
    assert kept.body == b"".join(event(n) for n in range(46, 50))
    assert kept.get("x-homeport-events-dropped") is None
    _says(await made.call(path=f"/requests/{name}", Last_Event_ID="3"), 410, "'3'")


async def test_a_client_that_hangs_is_given_up_when_it_comes_back_on_another_connection(house) -> None:
    made, ticker = house
    made.gateway._tools.event_limits = EventLimits(events=10_000, held=2**26)
    hung = await _started(made, ticker, 1)
    hung.client.writer.transport.pause_reading()
    name = hung.head["x-homeport-request-id"]
    large = b"id: big\ndata: " + b"x" * 1_000_000 + b"\n\n"
    for _ in range(16):  # more than the sockets between take
        ticker.writers[-1].write(chunk(large))
    ticker.say(2)
    second = await begin(made, path=f"/requests/{name}", Last_Event_ID="1")
    ticker.end()
    assert (await second.rest()).endswith(event(2))


async def test_a_stream_that_is_only_looked_at_ends_when_nobody_looks(house, monkeypatch) -> None:
    made, ticker = house
    monkeypatch.setattr(delivery, "LONELY_S", 0.1)
    first = await _started(made, ticker, 1)
    name = first.head["x-homeport-request-id"]
    first.client.close()
    await until(lambda: _state(made, name, "failed"))
    assert "nobody read" in (await made.control.request(name))["outcome"]
    ticker.writers.clear()
    work = await _started(made, ticker, 1, method="POST")
    work.client.close()
    name = work.head["x-homeport-request-id"]
    await asyncio.sleep(1.2)  # a tick
    assert await _state(made, name, "in_flight")
    ticker.end()
    await until(lambda: _state(made, name, "completed"))


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_they_are_cut(step: int) -> None:
    raw = b"\xef\xbb\xbfid: 1\r\ndata: a\r\n\r\nid:2\rdata: b\r\rdata: c\n\nid\ndata: d\n\nid: x\0y\n\n: note\n\nid: 9"
    splitter, found = EventSplitter(), []
    for at in range(0, len(raw), step):
        found += splitter.feed(raw[at : at + step])
    assert b"".join(found) + splitter.rest == raw
    assert [event_id(one) for one in found if one.strip()] == [b"1", b"2", None, b"", None, None]


def test_an_event_beyond_what_may_be_held_makes_the_log_say_that_it_knows_nothing() -> None:
    log = EventLog(EventLimits(events=10, held=100))
    log.feed(event(1))
    log.feed(b"data: " + b"x" * 200)
    assert (log.lost, log.after(b"1"), log.since(0)) == (True, None, None)
    assert offset_after([event(1), event(2)], b"1") == len(event(1))
