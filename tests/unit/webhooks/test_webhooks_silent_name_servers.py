# SPDX-License-Identifier: Apache-2.0
"""Names whose servers never answer, beside one that is there."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from homeport.gateway.webhooks.addresses import Border, networks
from homeport.gateway.webhooks.post import Poster
from webhook_rig import Receiver


async def test_names_that_nobody_answers_for_hold_up_no_other_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, let_go, system = threading.Semaphore(0), threading.Event(), socket.getaddrinfo

    def ask(host: Any, *args: Any, **named: Any) -> Any:
        if str(host).startswith("silent"):
            asked.release()
            let_go.wait()
            raise socket.gaierror("no answer")
        return system(host, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    poster = Poster(Border(networks("127.0.0.0/8")), deadline_s=10.0)
    waiting = [asyncio.ensure_future(poster.post(f"https://silent-{n}.example/", (), b"{}")) for n in range(12)]
    try:
        for _ in range(4):
            await asyncio.to_thread(asked.acquire)
        async with Receiver() as receiver:
            assert (await poster.post(receiver.url(), (), b'{"data":{"id":"x"}}')).code == 204
    finally:
        let_go.set()
        assert {answered.code for answered in await asyncio.gather(*waiting)} == {0}


SILENT = """
import asyncio, socket, threading
from homeport.gateway.webhooks.addresses import Border
from homeport.gateway.webhooks.post import Poster

socket.getaddrinfo = lambda *args, **named: threading.Event().wait()
print(asyncio.run(Poster(Border(), deadline_s=0.2).post("https://silent.example/", (), b"{}")).said)
"""


def test_a_gateway_that_ends_does_not_wait_for_a_name_server() -> None:
    ended = subprocess.run([sys.executable, "-c", SILENT], timeout=30, capture_output=True, text=True, check=True)
    assert ended.stdout == "no answer within 0.2 s\n"
