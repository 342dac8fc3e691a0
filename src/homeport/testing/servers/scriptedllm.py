# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that speaks OpenAI's chat completions and says what a test wants: answers, and every way to fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "scripted"
TOKENS_IN, TOKENS_OUT = 100, 20


@dataclass(frozen=True)
class Say:
    """An answer: a value as JSON, or a text as it is. `usage` None leaves the count of tokens out."""

    value: object = None
    text: str | None = None
    finish: str = "stop"
    refusal: str | None = None
    usage: Mapping[str, Any] | None = field(
        default_factory=lambda: {"prompt_tokens": TOKENS_IN, "completion_tokens": TOKENS_OUT}
    )

    def body(self) -> bytes:
        content = json.dumps(self.value) if self.text is None else self.text
        message = {"role": "assistant", "content": content, "refusal": self.refusal}
        reply: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL}
        reply["choices"] = [{"index": 0, "finish_reason": self.finish, "message": message}]
        if self.usage is not None:
            reply["usage"] = dict(self.usage)
        return json.dumps(reply).encode()


@dataclass(frozen=True)
class Raw:
    """A reply of any status, headers and body. With `length` the header promises so many bytes, sent or not."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


def fail(status: int, message: str = "no", **headers: str) -> Raw:
    """An error as OpenAI's endpoint puts it. `retry_after="3"` is the header Retry-After."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()
    return Raw(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass(frozen=True)
class Drop:
    """The connection ends without a reply."""


@dataclass(frozen=True)
class Hang:
    """Nothing comes until the server ends."""


@dataclass(frozen=True)
class Endless:
    """A body without an end."""

    status: int = 200


Step = Say | Raw | Drop | Hang | Endless


class ScriptedLLM:
    """`with ScriptedLLM(Say({"hours": 3}), Drop()) as server:` on loopback, in threads of this process.

    Steps are taken in turn, the last one again and again. `by_decision` (the name of the question's schema) goes
    before them. `asked` has each request's body, `headers` what came with it, in lower case.
    """

    def __init__(self, *steps: Step, by_decision: Mapping[str, Step] | None = None) -> None:
        self._steps: Iterator[Step] = _in_turn(steps or (Say({}),))
        self._by_decision = by_decision or {}
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.script = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ScriptedLLM:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next(self, body: dict[str, Any], headers: dict[str, str]) -> Step:
        decision = body.get("response_format", {}).get("json_schema", {}).get("name", "")
        with self._lock:
            self.asked.append(body)
            self.headers.append(headers)
            return self._by_decision.get(decision) or next(self._steps)

    def wait_for_end(self) -> None:
        self._ended.wait()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()


def _in_turn(steps: tuple[Step, ...]) -> Iterator[Step]:
    yield from steps
    while True:
        yield steps[-1]


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    script: ScriptedLLM

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
        step = self.server.script.next(body, {name.lower(): value for name, value in self.headers.items()})
        if isinstance(step, Hang):
            self.server.script.wait_for_end()
        elif isinstance(step, Endless):
            self._send(step.status, {"Content-Type": "application/json"})
            while not self.server.script.ended:
                self.wfile.write(b" " * 16_384)
        elif isinstance(step, Say):
            self._reply(Raw(step.body()))
        elif isinstance(step, Raw):
            self._reply(step)
        self.close_connection = True

    def _reply(self, raw: Raw) -> None:
        length = len(raw.body) if raw.length is None else raw.length
        self._send(raw.status, {"Content-Type": "application/json", "Content-Length": str(length), **raw.headers})
        self.wfile.write(raw.body)

    def _send(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests look at `asked` instead."""
