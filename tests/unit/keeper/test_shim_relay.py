# SPDX-License-Identifier: Apache-2.0
"""The relay in front of a program: who comes before it listens waits a moment, who comes after it is refused."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.drivers.runtimes.process.shim import Relay
from homeport.drivers.runtimes.process.sockets import listen_unix
from homeport.sockets import short_path


class Rig:
    """A relay on `path` for a program that may listen on `port`; `turn` lets it do what it can do now."""

    def __init__(self, path: Path) -> None:
        self.path, self.listener, self.poll = path, listen_unix(path), select.epoll()
        self.program = socket.socket()
        self.program.bind(("127.0.0.1", 0))
        self.relay = Relay(self.listener, self.program.getsockname()[1], self.poll)

    def client(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        with short_path(self.path) as name:
            client.connect(name)
        self.relay.accept()
        return client

    def until(self, condition: Callable[[], object]) -> None:
        """Let the relay do what it can until this is so."""
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            for fd, events in self.poll.poll(0.01):
                self.relay.ready(fd, events)

    def retry(self) -> None:
        self.relay.due = 0.0
        self.relay.retry()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *exc: object) -> None:
        for thing in (self.program, self.listener, self.poll):
            thing.close()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "agent.sock")


def test_a_client_that_came_before_the_program_listened_is_passed_on_once_it_does(rig: Rig) -> None:
    with rig, rig.client() as client:
        client.sendall(b"hello")
        rig.until(lambda: rig.relay.early)
        rig.retry()
        rig.until(lambda: rig.relay.early)
        assert rig.relay.pause() is not None
        rig.program.listen()
        rig.retry()
        rig.until(lambda: rig.relay.listened)
        assert rig.relay.pause() is None
        accepted, _ = rig.program.accept()
        with accepted:
            rig.until(lambda: select.select([accepted], [], [], 0)[0])
            assert accepted.recv(10) == b"hello"
        client.shutdown(socket.SHUT_WR)
        rig.until(lambda: not rig.relay.links)


def test_a_program_that_never_listens_is_not_waited_for_without_end(rig: Rig) -> None:
    with rig, rig.client() as client:
        rig.until(lambda: rig.relay.early)
        rig.relay.early[0].since -= 60
        rig.retry()
        rig.until(lambda: select.select([client], [], [], 0)[0])
        assert client.recv(1) == b""


def test_a_program_that_listened_and_does_no_more_refuses_at_once(rig: Rig) -> None:
    with rig:
        rig.relay.listened = True
        with rig.client() as client:
            rig.until(lambda: select.select([client], [], [], 0)[0])
            assert client.recv(1) == b""
