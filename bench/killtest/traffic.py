# SPDX-License-Identifier: Apache-2.0
"""Callers that write down what they are promised, and in the end ask for each promise."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

from bench.gatehouse import TOKEN
from bench.killtest.jobs import Job, job
from bench.killtest.ledger import Ledger
from bench.killtest.tunnel import ABNORMAL, GOING_AWAY, cross

ANSWER_S, SETTLE_S, PAUSE_S = 60.0, 120.0, 0.02
_GONE = (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError)
"""What a connection that was cut, or an answer that is none, looks like."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """To the gateway's TCP port; made anew after every cut. An answer that is not whole by its framing raises."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, raw: bytes) -> Answer:
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
                reader, writer = self._streams
                writer.write(raw)
                return await self._read(reader)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        answer = Answer(int(lines[0].split(" ")[1]), headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readuntil(b"\r\n"), 16):
                answer.body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        else:
            answer.body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return answer


class Callers:
    """`workers` at a time, each with a generator of its own; all into one ledger."""

    def __init__(self, port: int, ledger: Ledger, seed: str, workers: int) -> None:
        self._port, self._ledger = port, ledger
        self._stop = asyncio.Event()
        self._promised: dict[str, Job] = {}
        self.cut = self.heard = 0
        self.tunnels: Counter[str] = Counter()
        """WebSockets by their end: whole, cut (Close 1001, or none), refused."""
        self._tasks = [asyncio.create_task(self._work(f"{seed}-{n}")) for n in range(workers)]

    async def end(self) -> None:
        """No more requests; what is under way comes to its end."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def settle(self) -> None:
        """Ask for every promise until it is kept, or for `SETTLE_S`."""
        left = iter(list(self._promised.items()))
        await asyncio.gather(*(self._ask_for(left) for _ in range(8)))

    async def _work(self, seed: str) -> None:
        chance, number = Random(seed), 0
        connection = Connection(self._port)
        while not self._stop.is_set():
            number += 1
            await self._send(job(f"{seed}-{number}", chance), connection)
        connection.close()

    async def _send(self, what: Job, connection: Connection) -> None:
        """Once; with a key again and again until it is known what became of it."""
        self._ledger.write(event="sent", job=what.name, once=what.once, size=len(what.body), crc=what.crc)
        if what.websocket:
            await self._cross(what)
            return
        while True:
            try:
                done = self._note(what, await connection.ask(what.raw(TOKEN)))
            except _GONE:
                self.cut += 1
                done = False
            self.heard += 1
            if done or not what.key or self._stop.is_set():
                return
            await asyncio.sleep(PAUSE_S)

    async def _cross(self, what: Job) -> None:
        """What ends with Close 1000 says that it is whole: a cut has 1001, or no Close frame at all."""
        crossed = await cross(self._port, what, TOKEN)
        self.heard += 1
        if crossed.status not in (0, 101):
            self.tunnels["refused"] += 1
        elif crossed.code in (GOING_AWAY, ABNORMAL):
            self.tunnels["cut"] += 1
        else:
            self.tunnels["whole"] += 1
            self._ledger.write(event="answered", job=what.name, n=crossed.n, got=crossed.got, wanted=what.wanted)

    def _note(self, what: Job, answer: Answer) -> bool:
        """Write down what was said; whether that was the last word."""
        if answer.status == 200:
            number, got = content(what, answer.body)
            self._ledger.write(event="answered", job=what.name, n=number, got=got, wanted=what.wanted)
            return True
        if answer.status in (202, 502) and (request := json.loads(answer.body).get("id")):
            self._ledger.write(event="promised", job=what.name, request=request, status=answer.status)
            self._promised[request] = what
            return True
        return answer.status not in (409, 429, 503)

    async def _ask_for(self, left: Any) -> None:
        connection = Connection(self._port)
        for request, what in left:
            self._ledger.write(
                event="settled", job=what.name, request=request, **await _settled(connection, request, what)
            )
        connection.close()


async def _settled(connection: Connection, request: str, what: Job) -> dict[str, Any]:
    """Its state in the gateway's words, "" where it has none, and what came of its answer."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    state: dict[str, Any] = {"state": ""}
    while asyncio.get_running_loop().time() < deadline:
        head = f"Host: localhost\r\nX-Homeport-Token: {TOKEN}\r\nPrefer: wait=10\r\n\r\n"
        try:
            status = await connection.ask(f"GET /requests/{request} HTTP/1.1\r\n{head}".encode())
            said = json.loads(status.body)
            if status.status == 503 and "state" not in said:  # starting, or its journal is away
                await asyncio.sleep(PAUSE_S)
                continue
            state = {"state": said.get("state", ""), "outcome": said.get("outcome", "")}
            if state["state"] == "completed":
                answer = await connection.ask(f"GET /requests/{request}/response HTTP/1.1\r\n{head}".encode())
                number, got = content(what, answer.body)
                return {**state, "n": number, "got": got, "wanted": what.wanted}
            if state["state"] not in ("pending", "in_flight"):
                return state
        except _GONE:
            await asyncio.sleep(PAUSE_S)
    return state


def content(what: Job, body: bytes) -> tuple[int, int]:
    """The number of the execution, 0 where it does not say; and how much of the rest came."""
    first, _, rest = body.partition(b"\n")
    got = len(rest)
    if what.stream:
        first = next((line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")), b"")
        got = body.count(b"data: ")
    try:
        said = json.loads(first)
        return (int(said["n"]), got) if said["job"] == what.name else (0, got)
    except (ValueError, KeyError, TypeError):
        return 0, got
