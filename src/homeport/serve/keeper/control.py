# SPDX-License-Identifier: Apache-2.0
"""keeper.sock: JSON lines in, answers and events out. 0600, so whoever can connect is our own user."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from homeport.drivers.runtimes.process.wire import MAX_LINE, decode, encode
from homeport.errors import HomeportError, UsageError
from homeport.serve.keeper.instances import Instances
from homeport.serve.keeper.loop import READ, WRITE, Loop

MAX_BACKLOG = 32 * 1024 * 1024
"""Bytes a connection may leave unread; a stream's reader that falls further behind must connect again."""


class Control:
    def __init__(
        self,
        listener: socket.socket,
        *,
        loop: Loop,
        instances: Instances,
        status: Callable[[], dict[str, Any]],
        confinement: Callable[[], dict[str, Any]],
        shutdown: Callable[[], None],
        restart: Callable[[str, Callable[[HomeportError | None], None]], None],
    ) -> None:
        self.listener, self.loop, self.instances = listener, loop, instances
        self.status, self.confinement, self.shutdown, self.restart = status, confinement, shutdown, restart
        self.connections: set[Connection] = set()
        loop.watch(listener.fileno(), lambda _: self._accept())

    def _accept(self) -> None:
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return  # it left again, or we are out of descriptors: the next turn tries again
        self.connections.add(Connection(sock, self))

    def close(self) -> None:
        self.loop.unwatch(self.listener.fileno())
        for connection in list(self.connections):
            connection.flush()
            connection.close()

    def handle(self, connection: Connection, message: dict[str, Any]) -> None:
        number, op = message.get("id"), message.get("op")

        def reply(result: Any) -> None:
            if isinstance(result, HomeportError):
                connection.send({"id": number, "error": result.to_dict()})
            else:
                connection.send({"id": number, "ok": result})

        try:
            match op:
                case "start":
                    self.instances.start(message["spec"], reply)
                case "stop":
                    self.instances.stop(message["instance"], float(message["grace"]), reply)
                case "forget":
                    self.instances.forget(message["instance"], reply)
                case "list":
                    reply(self.instances.all())
                case "confinement":
                    reply(self.confinement())
                case "status":
                    reply(self.status())
                case "events":
                    connection.follow(number, int(message.get("after", 0)))
                case "restart":
                    self.restart(str(message["process"]), lambda error: reply(error or self.status()))
                case "shutdown":
                    reply({})
                    self.loop.soon(self.shutdown)
                case _:
                    raise UsageError(f"unknown operation {op!r}")
        except (KeyError, TypeError, ValueError) as error:
            reply(UsageError(f"not a valid {op} request: {error!r}"))
        except HomeportError as error:
            reply(error)


class Connection:
    def __init__(self, sock: socket.socket, control: Control) -> None:
        sock.setblocking(False)
        self.sock, self.control = sock, control
        self._in = bytearray()
        self._out = bytearray()
        self._stream: Callable[[dict[str, Any]], None] | None = None
        self._open = True
        control.loop.watch(sock.fileno(), self._ready)

    def send(self, message: dict[str, Any]) -> None:
        if not self._open:
            return
        self._out += encode(message)
        if len(self._out) > MAX_BACKLOG:
            self.close()
        else:
            self.flush()

    def follow(self, number: Any, after: int) -> None:
        """All events after this number that are still known, then each as it happens."""
        if self._stream is not None:
            raise UsageError("this connection follows events already")

        def tell(event: dict[str, Any]) -> None:
            self.send({"id": number, "event": event})

        self._stream = tell
        for event in self.control.instances.told_events(after):
            tell(event)
        self.control.instances.subscribers.add(tell)

    def flush(self) -> None:
        try:
            while self._out:
                sent = self.sock.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            self.control.loop.watch(self.sock.fileno(), self._ready, READ | WRITE)
            return
        except OSError:
            self.close()
            return
        self.control.loop.watch(self.sock.fileno(), self._ready, READ)

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._stream is not None:
            self.control.instances.subscribers.discard(self._stream)
        self.control.connections.discard(self)
        self.control.loop.unwatch(self.sock.fileno())
        self.sock.close()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self.flush()
        if not self._open or not events & ~WRITE:
            return
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or len(self._in) + len(data) > MAX_LINE:
            self.close()
            return
        self._in += data
        while self._open and (end := self._in.find(b"\n")) >= 0:
            line = bytes(self._in[:end])
            del self._in[: end + 1]
            try:
                message = decode(line)
            except ValueError:
                self.close()
                return
            self.control.handle(self, message)


def write_line(fd: int, text: str) -> None:
    """To whoever waits for this server to come up; nobody waiting any more is no error."""
    try:
        os.write(fd, text.encode() + b"\n")
    except BrokenPipeError:
        return
    finally:
        os.close(fd)
