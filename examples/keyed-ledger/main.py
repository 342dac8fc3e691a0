# SPDX-License-Identifier: Apache-2.0
"""A ledger that honours Idempotency-Key: each key is booked once, however often it is asked. Standard library only.

GET /health · GET /balance · POST /entries {"amount"} with a header `Idempotency-Key`
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ledger import Ledger, OtherRequest

HOST = os.environ.get("HOST", "127.0.0.1")  # another one where the gateway comes over a network
PORT = int(os.environ.get("PORT", "8080"))
LONGEST_BODY = 64 << 10


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75
    ledger: Ledger

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {"ok": True})
        elif self.path == "/balance":
            self.answer(200, {"balance": self.ledger.balance, "entries": len(self.ledger)})
        else:
            self.answer(404, {"error": "no such path"})

    def do_POST(self) -> None:
        amount = self.amount()
        key = self.headers.get("Idempotency-Key", "").strip()
        if self.path != "/entries":
            self.answer(404, {"error": "no such path"})
        elif amount is None:
            self.answer(400, {"error": 'send {"amount": WHOLE NUMBER}'})
        elif not key or len(key) > 255:
            self.answer(400, {"error": "send an Idempotency-Key of at most 255 characters"})
        else:
            try:
                entry, fresh = self.ledger.book(key, amount)
            except OtherRequest:
                self.answer(422, {"error": "this key was used for another amount"})
            else:
                self.answer(201 if fresh else 200, entry)

    def amount(self) -> int | None:
        try:
            length = int(self.headers.get("Content-Length", "0"))
            if not 0 <= length <= LONGEST_BODY:
                self.close_connection = True
                return None
            value = json.loads(self.rfile.read(length))["amount"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return value if isinstance(value, int) and not isinstance(value, bool) else None

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


def main() -> int:
    Handler.ledger = Ledger(Path(os.environ.get("HOMEPORT_DATA", "data")) / "ledger.jsonl")
    server = ThreadingHTTPServer((HOST, PORT), Handler)
    server.daemon_threads = False
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"keyed-ledger listens on port {PORT} with {len(Handler.ledger)} entries", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
