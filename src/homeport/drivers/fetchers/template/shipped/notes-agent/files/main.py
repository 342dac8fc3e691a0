# SPDX-License-Identifier: Apache-2.0
"""A small agent that keeps notes, finds them again, and sums them up. Standard library only.

GET /health · POST /notes {"text"} · GET /notes/ID · GET /search?q=WORDS · POST /summarize {"text"} or {"q"}
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from notes import Notes
from summary import summarize

HOST = os.environ.get("HOST", "127.0.0.1")  # another one where the gateway comes over a network
PORT = int(os.environ.get("PORT", "8080"))
LONGEST_BODY = 1 << 20
LONGEST_DELAY = 60.0

stopping = threading.Event()


class BadRequest(Exception):
    """The caller's mistake, in words for the caller."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75
    notes: Notes

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/health":
            self.answer(200, {"ok": True, "notes": len(self.notes)})
        elif url.path == "/search":
            query = parse_qs(url.query).get("q", [""])[0]
            self.answer(200, {"query": query, "hits": self.notes.search(query, limit=5)})
        elif url.path.startswith("/notes/"):
            note = self.notes.get(url.path.removeprefix("/notes/"))
            self.answer(200, note) if note else self.answer(404, {"error": "no such note"})
        else:
            self.answer(404, {"error": "no such path"})

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        try:
            body = self.body()
            if url.path == "/notes":
                self.answer(201, self.notes.add(words(body, "text")))
            elif url.path == "/summarize":
                self.wait(parse_qs(url.query).get("delay", ["0"])[0])
                self.answer(200, self.summary(body))
            else:
                self.answer(404, {"error": "no such path"})
        except BadRequest as error:
            self.answer(400, {"error": str(error)})

    def summary(self, body: dict[str, object]) -> dict[str, object]:
        if "q" in body:
            hits = self.notes.search(words(body, "q"), limit=20)
            text = "\n".join(str(hit["text"]) for hit in hits)
        else:
            text = words(body, "text")
        return {"summary": summarize(text, sentences=2), "characters": len(text), "pid": os.getpid()}

    def wait(self, seconds: str) -> None:
        """Be slow on request, as an agent that thinks would be: this is how the demo catches it at work."""
        try:
            delay = float(seconds)
        except ValueError:
            raise BadRequest("delay must be a number of seconds") from None
        if not 0 <= delay <= LONGEST_DELAY:
            raise BadRequest(f"delay must be between 0 and {LONGEST_DELAY:.0f} seconds")
        if delay:
            print(f"summarizing, slowly: {delay:g} s", flush=True)
            stopping.wait(delay)

    def body(self) -> dict[str, object]:
        try:
            length = int(self.headers.get("Content-Length", "0"))
        except ValueError:
            length = -1
        if not 0 <= length <= LONGEST_BODY:
            self.close_connection = True
            raise BadRequest("send a JSON body of at most 1 MiB with a Content-Length")
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
        except (ValueError, RecursionError):
            raise BadRequest("the body is not JSON") from None
        if not isinstance(body, dict):
            raise BadRequest("the body must be a JSON object")
        return body

    def answer(self, status: int, document: object) -> None:
        data = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        if self.path != "/health":
            print(format % args, flush=True)


def words(body: dict[str, object], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"{field!r} must be a text that is not empty")
    return value.strip()


def main() -> int:
    folder = Path(os.environ.get("HOMEPORT_DATA", "data")) / "notes"
    Handler.notes = Notes(folder)
    server = ThreadingHTTPServer((HOST, PORT), Handler)
    server.daemon_threads = False
    server.block_on_close = True

    def stop(*_: object) -> None:
        stopping.set()
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"notes-agent listens on port {PORT} with {len(Handler.notes)} notes in {folder}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    print("notes-agent stopped", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
