# SPDX-License-Identifier: Apache-2.0
"""The mixed traffic: which requests there are, chosen by a seeded generator."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from random import Random

from homeport.model.route import Route
from homeport.model.workload import Delivery

AGENTS = ("exact", "keys", "again")
"""Nothing declared; honours keys; `at-least-once`."""
KINDS = {
    "plain": 6, "idempotent": 4, "keyed": 4, "honoured": 4, "again": 3, "wait": 2, "slow": 2,
    "stream": 2, "posted stream": 2, "large up": 1, "large down": 1, "websocket": 2,
}  # fmt: skip
"""How often each kind comes, in parts."""
_LONG = ("slow", "wait")


@dataclass(frozen=True)
class Job:
    """`once`: it must not be executed twice. `wanted`: bytes of a whole answer after its first line, or events."""

    name: str
    kind: str
    agent: str
    method: str
    query: str
    body: bytes
    key: str
    once: bool
    stream: bool
    wanted: int
    wait: int

    @property
    def websocket(self) -> bool:
        return self.kind == "websocket"

    @property
    def _room(self) -> str:
        return "websocket" if self.websocket else "stream" if self.stream else "do"

    @property
    def crc(self) -> int:
        return zlib.crc32(self.body)

    def raw(self, token: str) -> bytes:
        lines = [
            f"{self.method} /agent/{self.agent}/{self._room}/{self.name}?{self.query} HTTP/1.1",
            "Host: localhost",
            f"X-Homeport-Token: {token}",
        ]
        if self.key:
            lines.append(f"Idempotency-Key: {self.key}")
        if self.wait:
            lines.append(f"Prefer: wait={self.wait}")
        if self.websocket:
            lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
            lines.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


def job(name: str, chance: Random) -> Job:
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    keyed = kind in ("keyed", "honoured") or (kind == "wait" and chance.random() < 0.5)
    websocket = kind == "websocket"
    idempotent = kind in ("idempotent", "stream", "large down")
    got = idempotent or websocket
    method = chance.choice(("GET", "PUT", "DELETE")) if kind == "idempotent" else "GET" if got else "POST"
    stream = "stream" in kind
    longest = 600 if kind in _LONG else 20
    size = chance.randrange(280_000, 900_000) if kind == "large down" else 0
    events = chance.randrange(3, 25)
    query = f"before={chance.randrange(longest)}&after={chance.randrange(longest)}&size={size}"
    if stream or websocket:
        query += f"&events={events}&gap={chance.randrange(30)}"
    body = b""
    if method in ("POST", "PUT"):
        long = chance.randrange(280_000, 900_000) if kind == "large up" else chance.randrange(200)
        body = (name.encode() * (long // len(name) + 1))[:long]
    agent = {"honoured": "keys", "again": "again"}.get(kind, "exact")
    return Job(
        name=name, kind=kind, agent=agent, method=method, query=query, body=body, key=f"key-{name}" if keyed else "",
        once=not idempotent and agent != "again", stream=stream, wanted=events if stream or websocket else size,
        wait=chance.randrange(1, 3) if kind == "wait" else 0,
    )  # fmt: skip


def route(agent: str, endpoint: str = "", instance: str = "") -> Route:
    """As the control plane would tell it; without an endpoint nobody is there just now."""
    return Route(
        "default", agent, f"agt_{agent}", endpoint, instance, ready=bool(endpoint),
        reason="" if endpoint else "the agent is restarting",
        delivery=Delivery.AT_LEAST_ONCE if agent == "again" else Delivery.EXACT_OR_DEAD,
        honours_keys=agent == "keys", concurrency=4 if agent == "again" else 16,
    )  # fmt: skip
