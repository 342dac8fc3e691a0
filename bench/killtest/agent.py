# SPDX-License-Identifier: Apache-2.0
"""An agent that writes down what it executes, synced, before it answers. A program of its own, to be killed.

`agent.py SOCKET LEDGER NAME [keys]`. The target says what to do: `/KIND/ID?before=MS&after=MS&size=N&events=N&gap=MS`:
`before` and `after` are pauses around the execution, so that a kill finds it on either side of it. With `keys` a key
is executed once: whoever comes again gets the answer of the first, also in the next life.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ledger import Ledger, read  # type: ignore[import-not-found]  # a script without its package

PIECE = b"0123456789abcdef" * 4096


class Agent:
    def __init__(self, path: str, name: str, *, honours_keys: bool) -> None:
        self._lock = threading.Lock()
        self._name, self._honours_keys = name, honours_keys
        self._number = 0
        self._known: dict[str, int] = {}
        self._busy: dict[str, threading.Event] = {}
        if Path(path).exists():
            for line in read(path):
                self._number = max(self._number, line["n"])
                if line["key"]:
                    self._known[line["key"]] = line["n"]
        self._ledger = Ledger(path, sync=True)

    def serve(self, connection: socket.socket) -> None:
        connection_file = connection.makefile("rwb", buffering=65536)
        try:
            while (head := _head(connection_file)) is not None:
                self._answer(connection_file, *head)
                connection_file.flush()
        except OSError:
            pass  # the gateway was killed
        finally:
            connection.close()

    def _answer(self, file: Any, target: str, headers: dict[str, str]) -> None:
        announced = int(headers.get("content-length", "0"))
        body = file.read(announced)
        if len(body) < announced:
            raise ConnectionError("half a request is none")
        path, _, query = target.partition("?")
        _, kind, job = path.split("/")
        wanted = {name: int(value) for name, _, value in (part.partition("=") for part in query.split("&"))}
        number = self._once(job, headers, body, wanted)
        time.sleep(wanted.get("after", 0) / 1000)
        if kind == "websocket":
            _websocket(file, headers["sec-websocket-key"], b'{"job":"%s","n":%d}' % (job.encode(), number), wanted)
            raise ConnectionError("it was no HTTP any more, and is over")
        first = b'{"job":"%s","n":%d}\n' % (job.encode(), number)
        if kind == "stream":
            _stream(file, first, wanted["events"], wanted["gap"] / 1000)
            return
        size = wanted.get("size", 0)
        file.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (len(first) + size))
        file.write(first)
        for start in range(0, size, len(PIECE)):
            file.write(PIECE[: size - start])

    def _once(self, job: str, headers: dict[str, str], body: bytes, wanted: dict[str, int]) -> int:
        """Execute it, or wait for and give the execution that has its key."""
        key = headers.get("idempotency-key", "")
        if not (key and self._honours_keys):
            return self._execute(job, key, headers, body, wanted)
        with self._lock:
            if key in self._known:
                return self._known[key]
            running = self._busy.get(key)
            if running is None:
                self._busy[key] = threading.Event()
        if running is not None:
            running.wait()
            return self._known[key]
        number = self._execute(job, key, headers, body, wanted)
        with self._lock:
            self._known[key] = number
            self._busy.pop(key).set()
        return number

    def _execute(self, job: str, key: str, headers: dict[str, str], body: bytes, wanted: dict[str, int]) -> int:
        time.sleep(wanted.get("before", 0) / 1000)
        with self._lock:
            self._number += 1
            self._ledger.write(
                agent=self._name, n=self._number, job=job, key=key, size=len(body), crc=zlib.crc32(body),
                request=headers.get("x-homeport-request-id", ""), fence=headers.get("x-homeport-fence", ""),
            )  # fmt: skip
            return self._number


def _head(file: Any) -> tuple[str, dict[str, str]] | None:
    line = file.readline(65536)
    if not line:
        return None
    target = line.split(b" ")[1].decode()
    headers = {}
    while (line := file.readline(65536)) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return target, headers


def _stream(file: Any, first: bytes, events: int, gap: float) -> None:
    """Server-sent events, in chunks; `first` is the first of them."""
    file.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(events):
        data = b"id: %d\ndata: %s\n\n" % (number, first.strip() if not number else b"event %d" % number)
        file.write(b"%x\r\n%b\r\n" % (len(data), data))
        file.flush()
        time.sleep(gap)
    file.write(b"0\r\n\r\n")


def _websocket(file: Any, key: str, first: bytes, wanted: dict[str, int]) -> None:
    """As many messages as events, `first` the first, then Close 1000; until the other side has closed too."""
    proof = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    file.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
    file.write(b"Sec-WebSocket-Accept: %b\r\n\r\n" % proof)
    for number in range(wanted["events"]):
        data = b"message %d" % number if number else first
        file.write(bytes((0x81, len(data))) + data)
        file.flush()
        time.sleep(wanted["gap"] / 1000)
    file.write(b"\x88\x02\x03\xe8")
    file.flush()
    while file.read1(65536):
        pass


def main() -> None:
    path, ledger, name, *more = sys.argv[1:]
    agent = Agent(ledger, name, honours_keys="keys" in more)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(256)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=agent.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
