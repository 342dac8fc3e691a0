# SPDX-License-Identifier: Apache-2.0
"""Receivers of webhooks that keep a ledger, and webhooks that lead to them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway_rig import FernetBytes
from homeport.gateway.webhooks.sealed import sealed_for
from homeport.model.request import RequestState
from homeport.model.webhook import PREFIX, SigningKey, Webhook, key_bytes, shown_url


def new_secret() -> str:
    return PREFIX + base64.b64encode(os.urandom(32)).decode()


SECRET = new_secret()


@dataclass
class Got:
    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["data"])

    @property
    def kind(self) -> str:
        return str(json.loads(self.body)["type"])

    def signed_by(self, secret: str) -> bool:
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        mark = base64.b64encode(hmac.digest(key_bytes(secret), content, hashlib.sha256)).decode()
        return f"v1,{mark}" in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """`answer` gives the raw answer to each, None for none; `ledger` has all that came, taken or not."""

    answer: Callable[[Got], bytes | None] = lambda got: reply(204)
    tls: ssl.SSLContext | None = None
    ledger: list[Got] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def of(self, request: str) -> list[str]:
        """What it was told of one request, in order."""
        return [got.kind for got in self.ledger if got.data["id"] == request]

    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
            }
            body = await reader.readexactly(int(headers["content-length"]))
            got = Got(headers, body, first.split(" ")[1])
            self.ledger.append(got)
            answer = self.answer(got)
            if answer is None:
                await reader.read()
                return
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


def reply(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def webhook(
    url: str, name: str = "hook", *, secrets: tuple[str, ...] = (SECRET,), states: tuple[RequestState, ...] = (),
    sealer: Any = None, **change: Any,
) -> Webhook:  # fmt: skip
    sealer, hook_id = sealer or FernetBytes(), f"whk_{name}"
    keys = tuple(SigningKey(sealed_for(sealer, hook_id, secret)) for secret in secrets)
    made = {"namespace": "default", "sealed": sealed_for(sealer, hook_id, url), "shown": shown_url(url)}
    return Webhook(hook_id, name=name, keys=keys, states=states, **(made | change))
