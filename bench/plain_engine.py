# SPDX-License-Identifier: Apache-2.0
"""The peer of `bench.docker_agents`: the engine's own API and nothing else, eight containers made at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from homeport.sockets import dial

PORT = 8000
AT_A_TIME = 8
_SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""
COMMAND = ("python3", "-c", _SERVER)


async def healthy(endpoint: str) -> None:
    """Asked every 10 ms until it answers 200."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(sock=await dial(endpoint))
        except OSError:
            await asyncio.sleep(0.01)
            continue
        try:
            writer.write(b"GET /health HTTP/1.0\r\n\r\n")
            if b" 200 " in await reader.readline():
                return
        finally:
            writer.close()


def ways(host: str, image: str) -> tuple[Callable[[int], Awaitable[None]], Callable[[int], Awaitable[None]]]:
    """Start one and wait until it answers; stop it in order and remove it."""
    turn = asyncio.Semaphore(AT_A_TIME)
    socket = host.removeprefix("unix://")
    made: dict[int, str] = {}

    async def start(number: int) -> None:
        async with turn:
            made[number] = (await ask(socket, "POST", "containers/create", body(image)))["Id"]
            await ask(socket, "POST", f"containers/{made[number]}/start")
            seen = await ask(socket, "GET", f"containers/{made[number]}/json")
        await healthy(f"netns:{seen['NetworkSettings']['SandboxKey']}:{PORT}")

    async def end(number: int) -> None:
        await ask(socket, "POST", f"containers/{made[number]}/stop?t=10")
        await ask(socket, "DELETE", f"containers/{made[number]}?force=1&v=1")

    return start, end


def body(image: str) -> dict[str, Any]:
    """The limits of a workload that names none, and the walls that an engine is asked for with flags."""
    return {
        "Image": image,
        "Cmd": list(COMMAND),
        "HostConfig": {
            "NetworkMode": "none",
            "Init": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "ReadonlyRootfs": True,
            "Memory": 512 << 20,
            "MemorySwap": 512 << 20,
            "PidsLimit": 260,
            "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 1024}],
            "Tmpfs": {"/tmp": "size=64m,mode=1777"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "4"}},
        },
    }


async def ask(socket: str, method: str, path: str, body: object = None) -> Any:
    """One request on a connection of its own; its JSON, None for no content."""
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        content = b"" if body is None else json.dumps(body).encode()
        kind = f"content-type: application/json\r\ncontent-length: {len(content)}"
        writer.write(f"{method} /v1.41/{path} HTTP/1.0\r\n{kind}\r\n\r\n".encode() + content)
        answer = await reader.read()
    finally:
        writer.close()
    status, _, found = answer.partition(b"\r\n\r\n")
    if int(status.split()[1]) >= 300:
        raise SystemExit(f"{method} {path}: {answer.decode(errors='replace')}")
    return json.loads(found) if found.strip() else None
