# SPDX-License-Identifier: Apache-2.0
"""Wherever the network cuts the bytes, a reader makes the same events of them, and no bytes make it fail."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from homeport.gateway.core.events import EventSplitter, event_id
from homeport.gateway.core.frames import Frames
from homeport.gateway.core.parse import BodyRead, Rejected, RequestReader, ResponseReader

LINES = [
    b"GET / HTTP/1.1", b"POST /x?y HTTP/1.1", b"HEAD / HTTP/1.0", b"HTTP/1.1 200 OK", b"HTTP/1.1 204 ",
    b"HTTP/1.1 100 C", b"HTTP/1.1 101 S", b"HTTP/1.0 304 X", b"Host: x", b"Content-Length: 5", b"Content-Length: 0",
    b"Content-Length: 5, 5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Connection: close",
    b"Connection: Upgrade", b"Upgrade: websocket", b"Expect: 100-continue", b" folded", b"X: a\0b", b"X: a\rb",
    b"X : y", b"", b"", b"", b"5",
    b"hello", b"0", b"5;x=y", b"-1", b"ffffffffffffffffff", b"X-Trailer: z", b"\xff\xfe",
]  # fmt: skip
MESSAGES = st.lists(st.sampled_from(LINES), max_size=24).map(lambda lines: b"\r\n".join(lines) + b"\r\n")
WHOLE = [
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"GET /d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\n\r\nto the end",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 204 None\r\n\r\n",
]
SOUND = st.lists(st.sampled_from(WHOLE), min_size=1, max_size=4).map(b"".join)
BYTES = st.one_of(MESSAGES, SOUND, st.binary(max_size=300))
CUTS = st.lists(st.integers(0, 400), max_size=12)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


def told(reader: Any, data: list[bytes]) -> list[Any]:
    """The events, bodies joined; of a refusal its status, for its words may name a place."""
    found: list[Any] = []
    for piece in data:
        for event in reader.feed(piece):
            if isinstance(event, BodyRead) and found and isinstance(found[-1], bytes):
                found[-1] += event.data
            elif isinstance(event, BodyRead):
                found.append(event.data)
            elif isinstance(event, Rejected):
                return [*found, ("rejected", event.status)]
            else:
                found.append(event)
    return found


@settings(deadline=None, max_examples=300)
@given(BYTES, CUTS)
def test_a_request_is_the_same_however_its_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    assert told(RequestReader(), pieces(data, cuts)) == told(RequestReader(), [data] if data else [])


@settings(deadline=None, max_examples=300)
@given(BYTES, CUTS, st.sampled_from(["GET", "HEAD", "POST"]), st.booleans())
@example(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nG", [59], "GET", True)
def test_an_answer_is_the_same_however_its_bytes_are_cut(data: bytes, cuts: list[int], method: str, up: bool) -> None:
    whole = ResponseReader(method, upgrade=up)
    cut = ResponseReader(method, upgrade=up)
    assert told(cut, pieces(data, cuts)) == told(whole, [data] if data else [])
    assert cut.eof() == whole.eof()


FRAME = st.builds(
    lambda opcode, masked, payload: (
        bytes([0x80 | opcode])
        + (
            bytes([len(payload) | masked << 7])
            if len(payload) < 126
            else bytes([126 | masked << 7]) + len(payload).to_bytes(2, "big")
        )
        + (b"mask" if masked else b"")
        + payload
    ),
    st.sampled_from([0, 1, 2, 9, 10]),
    st.booleans(),
    st.binary(max_size=20) | st.integers(120, 400).map(bytes),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(FRAME, max_size=6), CUTS)
def test_a_border_is_where_a_frame_ends_and_nowhere_else(frames: list[bytes], cuts: list[int]) -> None:
    data, counted = b"".join(frames), Frames()
    borders = {sum(map(len, frames[:n])) for n in range(len(frames) + 1)}
    at = 0
    for piece in pieces(data, cuts):
        counted.feed(piece)
        at += len(piece)
        assert counted.at_border == (at in borders)
    stopping = Frames()
    for frame in frames:
        assert stopping.feed(frame + b"\x81\x01x", stop=True) == len(frame)
        assert stopping.at_border
    assert not counted.closed


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"id: 1", b"id", b"data: x", b":"])).map(b"".join), CUTS)
def test_event_ids_are_the_same_however_a_stream_is_cut(data: bytes, cuts: list[int]) -> None:
    def ids(given: list[bytes]) -> list[bytes | None]:
        splitter, found = EventSplitter(), []
        for piece in given:
            found += splitter.feed(piece)
        assert b"".join(found) + splitter.rest == data
        return [event_id(event) for event in found if event.strip(b"\r\n")]

    assert ids(pieces(data, cuts)) == ids([data])
