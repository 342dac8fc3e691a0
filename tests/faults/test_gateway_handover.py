# SPDX-License-Identifier: Apache-2.0
"""Listening sockets that outlive the gateway: callers wait instead of being refused."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_rig import Agent, Client, request, until
from homeport.errors import Unavailable
from homeport.gateway.control_client import GatewayControl
from homeport.gateway.sockets.addresses import listen_tcp, listen_unix
from homeport.model.route import Route, RoutingTable


@contextmanager
def child(home: Path, tcp: socket.socket, unix: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway on sockets that stay ours."""
    fds = f"gateway={tcp.fileno()},gateway_unix={unix.fileno()}"
    environ = dict(os.environ, HOMEPORT_HOME=str(home), HOMEPORT_FDS=fds)
    process = subprocess.Popen(
        [sys.executable, "-m", "homeport.serve.gateway"], env=environ, pass_fds=(tcp.fileno(), unix.fileno())
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


async def test_a_caller_that_comes_while_the_gateway_restarts_is_answered_by_the_next_one(tmp_path) -> None:
    path = tmp_path / "g.sock"
    control = GatewayControl(path)
    agent = Agent(tmp_path / "agent.sock")
    await agent.start()
    with listen_tcp("127.0.0.1:0") as tcp, listen_unix(path) as unix:
        for round_, number in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)):
            with child(tmp_path / "home", tcp, unix) as process:

                async def up() -> bool:
                    try:
                        return bool(await control.status())
                    except Unavailable:
                        return False

                await until(up, 60)
                if round_ == 0:
                    route = Route("default", "echo", "agt_1", f"unix:{agent.path}", "ins_1", ready=True)
                    assert await control.put_routes(RoutingTable(1, (route,), ()))
                process.send_signal(number)
                assert await asyncio.to_thread(process.wait, 60) == (0 if number == signal.SIGTERM else -number)
            client = Client(*await asyncio.open_unix_connection(str(path)))
            client.send(request("POST", body=b"abc", token=""))
            with child(tmp_path / "home", tcp, unix):
                assert (await client.answer()).json()["bytes"] == 3
                client.close()
    await agent.stop()


async def test_an_http_1_0_client_gets_its_answer_and_the_end_of_the_connection(tmp_path) -> None:
    path = tmp_path / "g.sock"
    with listen_tcp("127.0.0.1:0") as tcp, listen_unix(path) as unix, child(tmp_path / "home", tcp, unix):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /agent/nobody/ HTTP/1.0\r\n\r\n")
        whole = await reader.read()
        assert whole.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert b"chunked" not in whole
        writer.close()
