# SPDX-License-Identifier: Apache-2.0
"""Bodies far larger than the memory that the gateway's process takes for them, both ways."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_rig import request, until
from homeport.errors import Unavailable
from homeport.gateway.control_client import GatewayControl
from homeport.gateway.sockets.addresses import listen_unix
from homeport.model.route import Route, RoutingTable
from homeport.sockets import short_path

SIZE = int(os.environ.get("HOMEPORT_TEST_LARGE_MIB", "192")) * 2**20
"""1024 is what the gateway promises; the default is three times what it may take, and quicker."""
MOST = 64 * 2**20
PIECE = bytes(2**20)


class Gateway:
    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{probe.getsockname()[1]}"
        environ = dict(os.environ, HOMEPORT_HOME=str(home), HOMEPORT_GATEWAY_LISTEN=listen)
        self.socket = home / "run" / "gateway.sock"
        self.control = GatewayControl(self.socket)
        self.child = subprocess.Popen(
            [sys.executable, "-m", "homeport.serve.gateway"], env=environ, stdin=subprocess.DEVNULL
        )

    async def answers(self) -> bool:
        assert self.child.poll() is None, "the gateway ended by itself"
        try:
            return bool(await self.control.status())
        except Unavailable:
            return False

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        with short_path(str(self.socket)) as path:
            return await asyncio.open_unix_connection(path)

    def peak(self, name: str = "VmHWM") -> int:
        """The most bytes of memory that it has had resident."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) * 1024

    def forget(self) -> None:
        """Begin to measure the peak anew."""
        Path(f"/proc/{self.child.pid}/clear_refs").write_text("5")


async def counting_agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers `/down` with SIZE bytes of zeros, anything else with how many bytes came."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = dict(line.lower().split(b": ", 1) for line in head.strip().split(b"\r\n")[1:])
            left = size = int(fields.get(b"content-length", b"0"))
            while left:
                left -= len(await reader.read(min(left, len(PIECE))))
            if head.split()[1] == b"/down":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
                for _ in range(SIZE // len(PIECE)):
                    writer.write(PIECE)
                    await writer.drain()
            else:
                body = b"%d" % size
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    agent = await asyncio.start_unix_server(counting_agent, sock=listen_unix(tmp_path / "agent.sock"))
    made = Gateway(tmp_path)
    try:
        await until(made.answers, 60)
        route = Route("default", "echo", "agt_1", f"unix:{tmp_path}/agent.sock", "ins_1", ready=True)
        await made.control.put_routes(RoutingTable(1, (route,), ()))
        reader, writer = await made.connect()
        writer.write(request(token=""))
        await reader.readuntil(b"\r\n\r\n0")
        writer.close()
        yield made
    finally:
        made.child.send_signal(signal.SIGKILL)
        await asyncio.to_thread(made.child.wait, 60)
        agent.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """How many bytes its body has, and the first of them."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    size = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))[15:])
    left, first = size, b""
    while left and (piece := await reader.read(min(left, len(PIECE)))):
        left -= len(piece)
        first = first or piece[:20]
    assert left == 0
    return size, first


@pytest.mark.parametrize("way", ["up", "up in chunks", "down", "down, kept, and fetched again"])
async def test_a_body_of_any_size_passes_in_constant_memory(gateway: Gateway, way: str) -> None:
    before = gateway.peak("VmRSS")
    gateway.forget()
    reader, writer = await gateway.connect()
    if way.startswith("up"):
        chunked = way != "up"
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {SIZE}"
        writer.write(f"POST /agent/echo/up HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        for _ in range(SIZE // len(PIECE)):
            writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            await writer.drain()
        writer.write(b"0\r\n\r\n" if chunked else b"")
        assert await read_answer(reader) == (len(str(SIZE)), str(SIZE).encode())
    else:
        writer.write(request(path="/agent/echo/down", token=""))
        assert (await read_answer(reader))[0] == SIZE
        if way != "down":
            [name] = [one["id"] for one in await gateway.control.requests() if one["target"] == "/down"]
            await until(lambda: _completed(gateway, name))
            writer.write(request(path=f"/requests/{name}/response", token=""))
            assert (await read_answer(reader))[0] == SIZE
    writer.close()
    assert gateway.peak() - before < MOST


async def _completed(gateway: Gateway, name: str) -> bool:
    return bool((await gateway.control.request(name))["state"] == "completed")
